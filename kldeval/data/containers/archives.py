"""Archives of files: zip, .npz (a zip of .npy files) and tar, each of whose members is read where it lies.

The list of members says where each begins and how long it is; nothing is unpacked. A member is inflated no further than
it says, and what it says is bounded before. Formats: https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT and
https://pubs.opengroup.org/onlinepubs/9699919799/utilities/pax.html
"""

from __future__ import annotations

import stat
import struct
import tarfile
import zipfile
import zlib
from dataclasses import replace
from functools import lru_cache
from io import BytesIO
from itertools import chain, islice, permutations
from typing import TYPE_CHECKING

import numpy as np

from kldeval.data.containers import TARS, compressed
from kldeval.data.containers.contents import container_of
from kldeval.data.containers.zip_directory import listed
from kldeval.data.readers.entries import NUMBERS, TEXTS, axis_of_names
from kldeval.data.readers.numpy_files import LONGEST_HEADER, declared
from kldeval.data.readers.stored import SLACK, Limits, check_expansion, unreadable
from kldeval.digests import kept_by
from kldeval.memory import BytesInMemory, MapInMemory, Member
from kldeval.regular import check_regular, open_regular

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from kldeval.arrays import NumpyArray as Array
    from kldeval.data.containers import Container
    from kldeval.digests import Kept


LARGEST_PIXEL = 16
"""Bytes that a pixel of a map may take in a file: four channels of single floats, or a complex number."""

UNREAD = {
    "encrypted": "it is encrypted; store it in the clear, or unpack the archive",
    "link": "it is a link or a device in the archive; store the file itself, or unpack the archive",
    "sparse": "its holes are left out in the tar; unpack the archive, or pack it without --sparse",
}
"""The members that are not read, and why."""

ENCRYPTED = 1
"""The bit of a zip member's flags that says so."""

_LOCAL = struct.Struct("<4s5H3I2H")
"""The header before a member of a zip: the last two numbers are the lengths of its name and of what follows that."""

_MAGIC = b"PK\x03\x04"


def contents(path: Path, limits: Limits) -> Container | None:
    """The members of an archive; None for an .npz of a single array, which is one map.

    Raises:
        UnreadableMap: it is no archive, damaged, or compressed as a whole and out of all proportion.
        OSError: it cannot be opened.
    """
    check_regular(path)
    if path.name.lower().endswith(TARS):
        return container_of(path, _tar_members(path, limits))
    members = _zip_members(path)
    if path.suffix.lower() == ".npz":
        first = list(islice(members, 3))
        named = _maps_by_array_of_names(path, first)
        if len(first) <= 1 or len(named) == 1:
            return None
        members = iter(named) if named else chain(first, members)
    return container_of(path, members)


def _maps_by_array_of_names(path: Path, members: list[Member]) -> list[Member]:
    """The maps of an .npz of one array (N, H, W) and one of N texts, by these; none of any other."""
    if len(members) != len(("maps", "names")):
        return []
    layouts = [declared(_head(path, member.name), path) for member in members]
    for (stack, layout), (names, texts) in permutations(zip(members, layouts, strict=True)):
        is_stack = layout.dtype.kind in NUMBERS and texts.dtype.kind in TEXTS
        axis = axis_of_names(layout.shape, texts.shape) if is_stack else None
        if axis is not None:
            found = np.load(BytesIO(_unzipped(names, [*names.where[1:]], Limits())), allow_pickle=False)
            where = ("slice", *stack.where[1:])
            return [replace(stack, name=str(name), where=(*where, place, axis)) for place, name in enumerate(found)]
    return []


def _head(path: Path, name: str) -> BytesIO:
    """The beginning of an array in an .npz, with its header."""
    with zipfile.ZipFile(path) as archive, archive.open(f"{name}.npy") as file:
        return BytesIO(file.read(LONGEST_HEADER))


def _zip_members(path: Path) -> Iterator[Member]:
    is_npz = path.suffix.lower() == ".npz"
    for entry in listed(path):
        if not entry.is_dir():
            # some programs on Windows write backslashes, which the format forbids
            name = entry.filename.removesuffix(".npy") if is_npz else entry.filename.replace("\\", "/")
            yield Member(path, name, __name__, _place(entry), is_array=is_npz)


def _place(entry: zipfile.ZipInfo) -> tuple[object, ...]:
    """Where a member of a zip lies and how it is stored, or why it is not read."""
    if entry.flag_bits & ENCRYPTED:
        return ("encrypted",)
    if stat.S_ISLNK(entry.external_attr >> 16):
        return ("link",)
    return ("zip", entry.header_offset, entry.compress_size, entry.file_size, entry.compress_type, entry.CRC)


def _tar_members(path: Path, limits: Limits) -> Iterator[Member]:
    is_packed = compressed.is_packed(path)
    file = compressed.decompressed(path, limits) if is_packed else None
    if file:
        file.seek(0)
    with tarfile.open(path, "r:", fileobj=file) as archive:
        while (entry := archive.next()) is not None:
            archive.members.clear()  # type: ignore[attr-defined]  # where it keeps what it has read
            if entry.isdir():
                continue
            kind = "link" if not entry.isreg() else "sparse" if entry.issparse() else "packed" if is_packed else "tar"
            where = (kind,) if kind in UNREAD else (kind, entry.offset_data, entry.size)
            yield Member(path, entry.name.removeprefix("./"), __name__, where)


def read(member: Member, limits: Limits) -> BytesInMemory | MapInMemory:
    """The contents of a member.

    Raises:
        UnreadableMap: it is damaged, too large, encrypted, a link, or compressed in a way that cannot be bounded.
        OSError: the archive cannot be opened.
    """
    kind, *where = member.where
    if kind in UNREAD:
        raise unreadable(member, UNREAD[kind])
    if kind == "slice":
        *place, index, axis = where
        stack = _stack(replace(member, name="", where=tuple(place)), limits, kept_by(member.path))
        return MapInMemory(np.take(stack, index, axis), str(member))
    data = _unzipped(member, where, limits) if kind == "zip" else _untarred(member, where, limits)
    return BytesInMemory(data, str(member), member.suffix)


@lru_cache(maxsize=1)
def _stack(member: Member, limits: Limits, _kept_by: Kept | None) -> Array:
    """The whole array (N, H, W), kept for the next of its maps."""
    found: Array = np.load(BytesIO(_unzipped(member, list(member.where), limits)), allow_pickle=False)
    return found


def _untarred(member: Member, where: list[int], limits: Limits) -> bytes:
    start, size = where
    _check_size(member, size, size, limits)
    if member.where[0] == "packed":
        data = compressed.read_at(member.path, start, size, limits)
    else:
        with open_regular(member.path) as file:
            file.seek(start)
            data = file.read(size)
    if len(data) < size:
        raise unreadable(member, f"truncated: {len(data)} of its {size} bytes are in the archive")
    return data


def _unzipped(member: Member, where: list[int], limits: Limits) -> bytes:
    start, n_stored, size, method, checksum = where
    _check_size(member, n_stored, size, limits)
    with open_regular(member.path) as file:
        file.seek(start)
        head = file.read(_LOCAL.size)
        if len(head) < _LOCAL.size or not head.startswith(_MAGIC):
            raise unreadable(member, "damaged: it does not begin where the list of the zip says")
        *_, name, extra = _LOCAL.unpack(head)
        file.seek(name + extra, 1)
        data = file.read(n_stored)
    if len(data) < n_stored:
        raise unreadable(member, f"truncated: {len(data)} of its {n_stored} bytes are in the archive")
    if method == zipfile.ZIP_DEFLATED:
        data = _inflated(member, data, size)
    elif method != zipfile.ZIP_STORED:
        raise unreadable(member, f"compressed by method {method} of zip; store it, or let zip deflate it")
    if len(data) != size or zlib.crc32(data) != checksum:
        raise unreadable(member, "damaged: its checksum is wrong")
    return data


def _inflated(member: Member, data: bytes, size: int) -> bytes:
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        return inflater.decompress(data, size + 1)
    except zlib.error as error:
        raise unreadable(member, f"damaged: it cannot be inflated ({error})") from error


def _check_size(member: Member, n_stored: int, size: int, limits: Limits) -> None:
    most = LARGEST_PIXEL * limits.max_pixels + SLACK
    if size > most:
        raise unreadable(member, f"{size} bytes are more than a map of --max-pixels {limits.max_pixels}", "too-large")
    check_expansion(member, n_stored, size, limits)
