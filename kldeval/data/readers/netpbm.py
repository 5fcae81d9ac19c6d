"""PBM, PGM, PPM, PAM and PFM: values as they are written, with the largest value that the header declares.

OpenCV stretches values to 0..255 where the file is text and not where it is binary, and reads a black-and-white PAM
wrongly; so these are read here.

Formats: https://netpbm.sourceforge.net/doc/pam.html and the pages beside it; PFM: https://www.pauldebevec.com/Research/HDR/PFM/
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from kldeval.data.readers.stored import Limits, Stored, check_size, unreadable
from kldeval.dataclass import NamedTuple

if TYPE_CHECKING:
    from pathlib import Path

    from kldeval.arrays import NumpyArray as Array


MAGIC = re.compile(rb"P(?:[1-6][\s#]|7\n|[Ff]\n)")

_SPACE = rb"(?:\s|#[^\n\r]*[\n\r])"
_NUMBER = rb"(\d{1,9})"
_BITMAP = re.compile(rb"P[14]" + _SPACE + rb"+" + _NUMBER + _SPACE + rb"+" + _NUMBER + rb"\s")
_GREYMAP = re.compile(rb"P[2356]" + (_SPACE + rb"+" + _NUMBER) * 3 + rb"\s")
_FLOATMAP = re.compile(rb"P[Ff]\n(\d{1,9})\s(\d{1,9})\s+([-+]?[0-9.]{1,20}(?:[eE][-+]?\d{1,3})?)\s")
_PAM = re.compile(rb"P7\n((?:[^\n]{0,200}\n){1,64}?)ENDHDR\n")

HEADER = 2**14
"""Bytes within which a header must end."""

BYTE, SHORT = 255, 65535

BLACK_AND_WHITE = ("BLACKANDWHITE", "BLACKANDWHITE_ALPHA")

TUPLES = {
    "": (1,),
    "BLACKANDWHITE": (1,),
    "GRAYSCALE": (1,),
    "RGB": (3,),
    "BLACKANDWHITE_ALPHA": (2,),
    "GRAYSCALE_ALPHA": (2,),
    "RGB_ALPHA": (4,),
}
"""How many channels the kinds of a PAM have."""


class _Header(NamedTuple):
    """What the header declares, and where the values start; `largest` is 0 for floats."""

    height: int
    width: int
    channels: int
    largest: int
    start: int
    tuples: str = ""


def read(data: bytes, path: Path, limits: Limits) -> Stored:
    """The one image of the file: grey (H, W), or in the order blue, green, red, alpha.

    Values of 255 or 65535 and below come as they are, other declared maxima with `full_scale`; black and white are
    0 and 255.

    Raises:
        UnreadableMap: truncated, damaged, too large, several images, or of values beyond the declared maximum.
    """
    header = _header(data, path)
    check_size(path, header.height, header.width, limits.max_pixels)
    if header.largest == 0:
        return Stored(_floats(data, header, path))
    kind = data[1:2]
    if kind in b"14":
        values = _bits(data, header, path)
    else:
        values = _text(data, header, path) if kind in b"23" else _binary(data, header, path)
    if values.size and values.max() > header.largest:
        raise unreadable(path, f"damaged: a value of {values.max()} where its header declares {header.largest} at most")
    array = values.reshape(header.height, header.width, header.channels)
    if kind in b"14" or header.tuples in BLACK_AND_WHITE:
        return Stored(_in_opencv_order((array > 0) * np.uint8(BYTE)))
    declared = float(header.largest) if header.largest not in (BYTE, SHORT) else None
    return Stored(_in_opencv_order(array), full_scale=declared)


def inspect(data: bytes, path: Path) -> tuple[int, int]:
    """The (height, width) that the header declares.

    Raises:
        UnreadableMap: damaged.
    """
    return _header(data, path)[:2]


def _header(data: bytes, path: Path) -> _Header:
    kind, head = data[1:2], data[:HEADER]
    if kind == b"7":
        return _pam_header(head, path)
    found = (_BITMAP if kind in b"14" else _FLOATMAP if kind in b"Ff" else _GREYMAP).match(head)
    if not found:
        raise unreadable(path, f"damaged: no header of a netpbm image at its start, {data[:24]!r}")
    width, height = int(found[1]), int(found[2])
    if kind in b"Ff":
        return _Header(
            height, width, 3 if kind == b"F" else 1, 0, found.end(), "<" if found[3].startswith(b"-") else ">"
        )
    largest = 1 if kind in b"14" else int(found[3])
    return _checked(_Header(height, width, 3 if kind in b"36" else 1, largest, found.end()), path)


def _pam_header(head: bytes, path: Path) -> _Header:
    found = _PAM.match(head)
    lines = [line.split(None, 1) for line in found[1].decode("latin-1").splitlines()] if found else []
    fields = {line[0]: line[1].strip() for line in lines if len(line) > 1 and not line[0].startswith("#")}
    try:
        height, width, depth, largest = (int(fields[name]) for name in ("HEIGHT", "WIDTH", "DEPTH", "MAXVAL"))
    except (KeyError, ValueError):
        raise unreadable(path, f"damaged: no header of a PAM at its start, {head[:24]!r}") from None
    tuples = fields.get("TUPLTYPE", "")
    if depth not in TUPLES.get(tuples, ()):
        raise unreadable(path, f"a PAM of {depth} channels of the kind {tuples!r}; a map is grey, RGB or RGBA")
    if found is None:
        raise AssertionError
    return _checked(_Header(height, width, depth, largest, found.end(), tuples), path)


def _checked(header: _Header, path: Path) -> _Header:
    if not 0 < header.largest <= SHORT:
        raise unreadable(path, f"damaged: a largest value of {header.largest}; netpbm allows 1 to 65535")
    return header


def _n_values(header: _Header) -> int:
    return header.height * header.width * header.channels


def _taken(data: bytes, header: _Header, n_bytes: int, path: Path) -> bytes:
    """The bytes of the values; what follows must be no second image."""
    n_present = len(data) - header.start
    if n_present < n_bytes:
        raise unreadable(path, f"truncated: {max(n_present, 0)} of the image's {n_bytes} bytes are there")
    if MAGIC.match(data, header.start + n_bytes):
        raise unreadable(path, "several images; a map is one")
    return data[header.start : header.start + n_bytes]


def _binary(data: bytes, header: _Header, path: Path) -> Array:
    dtype = np.dtype(">u2" if header.largest > BYTE else np.uint8)
    taken = _taken(data, header, _n_values(header) * dtype.itemsize, path)
    return np.frombuffer(taken, dtype).astype(dtype.newbyteorder("="))


def _bits(data: bytes, header: _Header, path: Path) -> Array:
    """The pixels of a bitmap: white is 1, which the file stores as 0."""
    if data[1:2] == b"4":
        rows = np.frombuffer(_taken(data, header, header.height * -(-header.width // 8), path), np.uint8)
        return 1 - np.unpackbits(rows.reshape(header.height, -1), axis=1)[:, : header.width]
    digits = re.sub(rb"#[^\n\r]*|\s", b"", data[header.start :])
    if len(digits) < _n_values(header) or digits.strip(b"01"):
        raise unreadable(path, f"truncated or damaged: {len(digits)} of {_n_values(header)} digits 0 and 1 are there")
    return 1 - (np.frombuffer(digits[: _n_values(header)], np.uint8) - ord("0"))


def _text(data: bytes, header: _Header, path: Path) -> Array:
    words = re.sub(rb"#[^\n\r]*", b" ", data[header.start :]).split()
    if len(words) != _n_values(header) or not all(word.isdigit() and len(word) <= len(str(SHORT)) for word in words):
        what = f"truncated or damaged: {len(words)} words where its {_n_values(header)} values should be"
        raise unreadable(path, what)
    numbers = np.asarray(words, dtype="S5").astype(np.int64)
    if numbers.size and numbers.max() > SHORT:
        raise unreadable(path, f"damaged: a value of {numbers.max()}; netpbm allows 65535 at most")
    return numbers.astype(np.uint8 if header.largest <= BYTE and numbers.max(initial=0) <= BYTE else np.uint16)


def _floats(data: bytes, header: _Header, path: Path) -> Array:
    """The values of a PFM, whose rows go up; its scale says the byte order by its sign, and its size is a unit."""
    taken = _taken(data, header, 4 * _n_values(header), path)
    array = np.frombuffer(taken, header.tuples + "f4").reshape(header.height, header.width, header.channels)
    return _in_opencv_order(array[::-1].astype(np.float32))


def _in_opencv_order(array: Array) -> Array:
    """Grey without its channel, other channels as blue, green, red, alpha."""
    orders: dict[int, int | list[int]] = {1: 0, 2: [0, 0, 0, 1], 3: [2, 1, 0], 4: [2, 1, 0, 3]}
    return np.ascontiguousarray(array[..., orders[array.shape[-1]]])
