"""What bytes are that no reader takes, and what to do about it: by their first words."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


KNOWN: Mapping[bytes, str] = {
    rb"version https://git-lfs": "a Git LFS pointer, not the file itself; fetch it with: git lfs pull",
    rb"(?:\.\./)+\.?\.git/annex|/annex/objects/": "a git-annex pointer, not the file; fetch it with: git annex get",
    rb"outs:\n- md5:|md5: [0-9a-f]{32}": "a DVC pointer, not the file itself; fetch it with: dvc pull",
    rb"\s*(?:<!doctype html|<html|<head)": "a web page, as an error of a download saves it; download the file again",
    rb"\s*(?:<\?xml|<Error>|<svg)": "an XML text, as an error of a download saves it; download the file again",
    rb"\s*[\[{]": "a JSON text, not an image",
    rb"\x28\xb5\x2f\xfd": "compressed by Zstandard; decompress it with: zstd -d",
    rb"\x1f\x8b": "compressed by gzip; decompress it with: gunzip",
    rb"\xfd7zXZ\x00": "compressed by xz; decompress it with: unxz",
    rb"BZh[1-9]": "compressed by bzip2; decompress it with: bunzip2",
    rb"PK\x03\x04": "a zip archive (an .npz, or a model of torch?); unpack it, or give it the suffix .npz",
    rb"\x93NUMPY": "an .npy array; give it the suffix .npy",
    rb"\x80[\x02-\x05]": "a Python pickle, which is never loaded; save the array with numpy.save",
    rb"\x89HDF": "an HDF5 file; save the map as .npy",
    rb"\x76\x2f\x31\x01": "an OpenEXR image; to read it: pip install 'kldeval[exr]', and give it the suffix .exr",
    rb"%PDF": "a PDF; a map is an image or an array",
    rb"%!PS": "a PostScript file; a map is an image or an array",
    rb"8BPS": "a Photoshop file; store a PNG",
    rb"\xff\x0a|\0\0\0\x0cJXL ": "a JPEG XL image, which is not read; store a PNG",
    rb"\0\0\0.ftyp(?:hei|hev|msf1)": "a HEIC image, which is not read; store a PNG",
    rb".{4}ftyp(?!avi|mif1)|\x1a\x45\xdf\xa3|RIFF.{4}AVI ": "a video; store its frames as PNG",
    rb"\0+$": "nothing but zero bytes, as a lost download or a full disk leaves it",
    rb"\x89\x50\x4e\x47|\x89PN|PNG": "the beginning of a damaged PNG; copy it again in binary mode",
}
"""Patterns of the first bytes, and what they mean."""

LOOKED_AT = 512

_PATTERNS = tuple((re.compile(pattern, re.DOTALL | re.IGNORECASE), meaning) for pattern, meaning in KNOWN.items())


OWN = {".npy": b"\x93NUMPY", ".npz": b"PK\x03\x04", ".mat": b"\x89HDF", ".exr": b"\x76\x2f\x31\x01"}
"""How files of these suffixes begin, which says nothing more where they are damaged."""


def meaning_of(data: bytes, suffix: str) -> str | None:
    """What the first bytes of a file mean that its suffix does not promise, with the way out; None if nothing known.

    >>> meaning_of(b"<html>", ".npy")
    'a web page, as an error of a download saves it; download the file again'
    """
    head = data[:LOOKED_AT]
    if not head or head.startswith(OWN.get(suffix, b"\x00" * LOOKED_AT)):
        return None
    texts = suffix in (".json", ".jsonl", ".csv", ".tsv", ".txt", "")
    found = (meaning for pattern, meaning in _PATTERNS if pattern.match(head))
    meaning = next(found, None)
    return None if meaning is not None and texts and meaning.startswith("a JSON text") else meaning


def what_it_is(data: bytes) -> str:
    """What bytes are that could not be decoded, with the way out where one is known.

    >>> what_it_is(b"<!DOCTYPE html><html>")
    'no image that can be decoded but a web page, as an error of a download saves it; download the file again'
    """
    head = data[:LOOKED_AT]
    for pattern, meaning in _PATTERNS:
        if pattern.match(head):
            return f"no image that can be decoded but {meaning}"
    if head.isascii() and all(byte >= ord(" ") or byte in b"\t\r\n" for byte in head):
        return f"no image but a text, which begins with {head[:24].decode()!r}"
    return f"none of its {len(data)} bytes make an image that is known here; they begin with {data[:12].hex(' ')}"
