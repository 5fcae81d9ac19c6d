"""NRRD: volumes (X, Y, Z) whose header says the axes, and class maps of which one axis is not of space.

pynrrd reads the header; the values are read here, within bounds, of every encoding (raw, gzip, bzip2, ascii, hex).
A header called .nhdr may name one file in its own folder that holds them; no other is followed.
Format: https://teem.sourceforge.net/nrrd/format.html
"""

from __future__ import annotations

import bz2
import gzip
import io
import math
from functools import cache
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from kldeval.data.readers.files import reason
from kldeval.data.readers.nifti import ADVICE, SPACE, only_space, whole_numbers, with_classes
from kldeval.data.readers.stored import SLACK, Limits, Stored, unreadable
from kldeval.data.readers.voxels import check_values, read_values, volume_opened
from kldeval.dataclass import NamedTuple
from kldeval.detached import HEADER, is_beside, named_file
from kldeval.errors import MissingDependency, printable
from kldeval.grids import Grid
from kldeval.packages import load_package

if TYPE_CHECKING:
    from collections.abc import Callable

    from kldeval.arrays import NumpyArray as Array
    from kldeval.memory import MapContents

    Shape = tuple[int, ...]
    Takes = Callable[[Shape], str | None] | None

MAGIC = b"NRRD000"

LONGEST_HEADER = 2**20

ENCODINGS = {
    "raw": "raw",
    "gzip": "gzip",
    "gz": "gzip",
    "bzip2": "bzip2",
    "bz2": "bzip2",
    "ascii": "ascii",
    "text": "ascii",
    "txt": "ascii",
    "hex": "hex",
}
"""What each name of an encoding means."""

TEXTS = ("ascii", "hex")

LONGEST_NUMBER = 64
"""Characters that a number may have in a text, with what is between it and the next."""

_TYPES = {
    "int8": "signed char,int8,int8_t",
    "uint8": "uchar,unsigned char,uint8,uint8_t",
    "int16": "short,short int,signed short,signed short int,int16,int16_t",
    "uint16": "ushort,unsigned short,unsigned short int,uint16,uint16_t",
    "int32": "int,signed int,int32,int32_t",
    "uint32": "uint,unsigned int,uint32,uint32_t",
    "int64": "longlong,long long,long long int,signed long long,signed long long int,int64,int64_t",
    "uint64": "ulonglong,unsigned long long,unsigned long long int,uint64,uint64_t",
    "float32": "float",
    "float64": "double",
}
TYPES = {word: name for name, words in _TYPES.items() for word in words.split(",")}
"""numpy's name of each word for a type."""

OF_SPACE = frozenset({"domain", "space"})
"""The kinds of axes that are of space."""

SIGNS = {
    "left-posterior-superior": (-1, -1, 1),
    "lps": (-1, -1, 1),
    "left-anterior-superior": (-1, 1, 1),
    "las": (-1, 1, 1),
    "right-anterior-superior": (1, 1, 1),
    "ras": (1, 1, 1),
}
"""What brings the coordinates of a space to those of NIfTI: right, anterior, superior."""


class NrrdHeader(NamedTuple):
    """What a header says: the shape as stored, the axis that is not of space (None: each is), and how to read on."""

    shape: Shape
    other: int | None
    dtype: Any
    offset: int
    encoding: str
    grid: Grid | None
    file: Path | None

    @property
    def meant(self) -> Shape:
        """The shape of the map: that of space, after an axis of classes where there is one."""
        if self.other is None:
            return self.shape
        return (self.shape[self.other], *self.shape[: self.other], *self.shape[self.other + 1 :])


def read(path: Any, _key: str | None, limits: Limits, takes: Takes = None) -> Stored:
    """The volume of a file; `takes` says what is wrong with a shape, where other ones than those of space are taken.

    Raises:
        UnreadableMap: damaged, truncated, too large, or no real-valued volume.
        MissingDependency: pynrrd is not installed.
        OSError: the file cannot be opened.
    """
    with volume_opened(path) as (file, size):
        header = _header(file, path)
        problem = (takes or only_space)(header.meant)
        if problem:
            raise unreadable(path, problem)
        if header.file is None:
            values = _values(file, size, path, header, limits)
    if header.file is not None:
        with volume_opened(header.file) as (file, size):
            values = _values(file, size, header.file, header, limits)
    if len(values) != math.prod(header.shape):
        raise unreadable(path, f"truncated: {len(values)} values where its header says the shape {header.shape}")
    array = values.reshape(header.shape, order="F")
    array = array if header.other is None else np.moveaxis(array, header.other, 0)
    return Stored(np.ascontiguousarray(array), grid=header.grid, is_volume=array.ndim != 2, is_xyz=True)  # noqa: PLR2004 - a slice


def _values(file: IO[bytes], size: int, path: Path, header: NrrdHeader, limits: Limits) -> Array:
    """The values of a volume in an opened file of so many bytes.

    Raises:
        UnreadableMap: damaged, truncated, or too large.
    """
    check_values(path, header.shape, header.dtype, size, header.offset, limits)
    file.seek(header.offset)
    n_values = math.prod(header.shape)
    if header.encoding not in TEXTS:
        source: Any = file
        if header.encoding == "gzip":
            source = gzip.GzipFile(fileobj=file)
        elif header.encoding == "bzip2":
            source = bz2.BZ2File(file)
        return read_values(source, path, n_values, header.dtype, source.tell())
    most = n_values * (LONGEST_NUMBER if header.encoding == "ascii" else 3 * header.dtype.itemsize) + SLACK
    text = file.read(most + 1)
    if len(text) > most:
        raise unreadable(path, f"its text of {size - header.offset} bytes is too long for its {n_values} values")
    try:
        return _numbers(text, header.dtype) if header.encoding == "ascii" else _from_hex(text, header.dtype)
    except (ValueError, OverflowError) as error:
        raise unreadable(path, f"damaged: its text says no {header.dtype.name} ({reason(error)})") from error


def _numbers(text: bytes, dtype: Any) -> Array:
    """Numbers as they are written out, between white space or commas."""
    words = text.replace(b",", b" ").split()
    if dtype.kind == "f":
        return np.asarray(words, dtype="S").astype(np.float64).astype(dtype.newbyteorder("="))
    return np.asarray([int(word) for word in words], dtype.newbyteorder("="))


def _from_hex(text: bytes, dtype: Any) -> Array:
    """Values whose bytes are written as pairs of hexadecimal digits."""
    return np.frombuffer(bytes.fromhex(b"".join(text.split()).decode("ascii")), dtype).astype(dtype.newbyteorder("="))


def read_labels(path: Any, key: str | None, limits: Limits, takes: Takes = None) -> Stored:
    """The labels of a volume; whole numbers that are stored as floats are integers.

    Raises:
        UnreadableMap, MissingDependency, OSError: as `read`.
    """
    return whole_numbers(read(path, key, limits, takes or with_classes))


def stored_shape(path: Any, _key: str | None) -> Shape | None:
    """The shape of the map in a file, from its header alone; None where there is none to be read."""
    try:
        with volume_opened(path) as (file, _):
            return _header(file, path).meant
    except MissingDependency:
        raise
    except Exception:  # noqa: BLE001 - reading it will say what is wrong
        return None


def _header(file: IO[bytes], path: MapContents) -> NrrdHeader:
    """The header of a file that is at its beginning."""
    head = file.read(LONGEST_HEADER)
    if not head.startswith(MAGIC):
        raise unreadable(path, f"no NRRD: it begins with the bytes {head[:8].hex(' ')}")
    end = min((place for place in (head.find(b"\n\n"), head.find(b"\r\n\r\n")) if place >= 0), default=-1)
    beside = _file_beside(head if end < 0 else head[:end], path)
    if end < 0 and (beside is None or len(head) == LONGEST_HEADER):
        raise unreadable(path, f"truncated: its header does not end within {LONGEST_HEADER} bytes")
    offset = len(head) if end < 0 else end + (2 if head[end : end + 2] == b"\n\n" else 4)
    fields = _library().read_header(io.BytesIO(head[:offset]))
    if int(fields.get("line skip", 0)) or int(fields.get("byte skip", fields.get("byteskip", 0))):
        raise unreadable(path, "it skips lines or bytes before its values; store it without such")
    said = str(fields.get("encoding")).lower()
    encoding = ENCODINGS.get(said)
    if encoding is None:
        raise unreadable(path, f"its values are encoded as {printable(said)!r}; store them as raw or gzip")
    shape = tuple(int(length) for length in fields["sizes"])
    other = _other_axis(fields, shape, path)
    dtype = _dtype(fields, path, needs_order=encoding != "ascii")
    return NrrdHeader(shape, other, dtype, 0 if beside else offset, encoding, _grid(fields, other), beside)


def _file_beside(header: bytes, path: MapContents) -> Path | None:
    """The file that holds the values, where it is another than that of the header.

    Raises:
        UnreadableMap: it is not beside the header, or there are several.
    """
    name = named_file(header)
    if name is None:
        return None
    if not isinstance(path, Path):
        raise unreadable(path, f"its values are in another file, {printable(name)}; store it as one .nrrd")
    if path.suffix.lower() != HEADER or not is_beside(name):
        what = f"its values are in another file, {printable(name)}; store it as one .nrrd"
        raise unreadable(path, f"{what}, or as a header {HEADER} and one file beside it")
    return path.parent / name


def _dtype(fields: Any, path: MapContents, *, needs_order: bool) -> Any:
    name = TYPES.get(str(fields["type"]).lower())
    if name is None:
        raise unreadable(path, f"its values are of type {printable(str(fields['type']))!r}; a map's are real numbers")
    dtype = np.dtype(name)
    endian = str(fields.get("endian", "")).lower()
    if needs_order and dtype.itemsize > 1 and endian not in ("little", "big"):
        raise unreadable(path, "its header does not say the order of its bytes (endian)")
    return dtype.newbyteorder("<" if endian == "little" else ">") if dtype.itemsize > 1 else dtype


def _other_axis(fields: Any, shape: Shape, path: MapContents) -> int | None:
    """The axis that is not of space; None where each is.

    Raises:
        UnreadableMap: there are several, or four axes of which nothing is said.
    """
    directions, kinds = fields.get("space directions"), fields.get("kinds")
    if directions is not None:
        other = [axis for axis, row in enumerate(directions) if row is None or np.isnan(row).any()]
    elif kinds is not None:
        other = [axis for axis, kind in enumerate(kinds) if str(kind).lower() not in OF_SPACE]
    elif len(shape) > SPACE:
        raise unreadable(path, f"its shape is {shape}, and no kinds say which axes are of space")
    else:
        other = []
    if len(other) > 1:
        raise unreadable(path, f"its shape is {shape}, of which axes {other} are not of space; a class map has one")
    return other[0] if other else None


def _grid(fields: Any, other: int | None) -> Grid | None:
    """The affine map of voxels to places; None where the header says none."""
    directions, origin = fields.get("space directions"), fields.get("space origin")
    if directions is None or origin is None:
        return None
    rows = np.asarray([row for axis, row in enumerate(directions) if axis != other], np.float64)
    affine = np.concatenate([rows.T, np.asarray(origin, np.float64)[:, None]], axis=1)
    space = str(fields.get("space", "")).lower()
    signs = SIGNS.get(space)
    if signs and len(affine) == len(signs):
        affine, space = affine * np.asarray(signs)[:, None], "RAS"
    return Grid(tuple(float(number) for number in affine.ravel()), len(rows), space, "affines", ADVICE)


@cache
def _library() -> Any:
    return load_package("nrrd", "NRRD files need pynrrd", "pip install 'kldeval[volumes]'")
