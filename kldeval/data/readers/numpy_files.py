"""Arrays of numpy: .npy, and one array of an .npz. Nothing is ever unpickled.

Format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
"""

from __future__ import annotations

import contextlib
import math
from dataclasses import field
from functools import lru_cache
from io import BytesIO
from itertools import combinations
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from kldeval.data.readers.files import check_regular
from kldeval.data.readers.stored import Limits, Stored, check_expansion, check_size, unreadable
from kldeval.dataclass import NamedTuple, dataclass
from kldeval.digests import NOTED, note
from kldeval.errors import UnreadableMap, printable
from kldeval.memory import BytesInMemory, MapInMemory
from kldeval.process import LARGEST_KEPT_BYTES

if TYPE_CHECKING:
    import zipfile
    from collections.abc import Callable, Mapping

    from kldeval.arrays import NumpyArray as Array
    from kldeval.memory import MapContents


MAPPED_BYTES = LARGEST_KEPT_BYTES
"""From this size on an array stays in its file, mapped, and needs no memory of its own.

A smaller one is read into memory that an earlier one left; for a larger one the system makes new pages, of which class
maps of 40 MB took 9.4 ms to fill and 4 ms to read where they lie.
"""

LONGEST_HEADER = 10_000
"""Bytes of a header, which is Python text to be parsed: numpy's own bound."""

PIECE = 2**20
"""Bytes that are inflated at a time: what `zipfile` reads into an array it holds a second time."""

BOUNDED = (0, 8)
"""The methods of zip that numpy writes, stored and deflated; the others may ask for gigabytes before the first byte."""

KEYS_SHOWN = 20

MOST_AXES = 8
"""An array of more axes is no map, whatever their lengths."""


Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Shapes:
    """Which shapes an array may have: `meant` gives the one that a stored shape means, or None; `known` names them.

    `hints` say, by the number of axes, what else would allow a shape.
    """

    meant: Callable[[Shape], Shape | None]
    known: str
    hints: Mapping[int, str] = field(default_factory=dict)


def read_npy(path: MapContents, _key: str | None, limits: Limits, shapes: Shapes | None = None) -> Stored:
    """The array of an .npy, or one in memory, a map unless other shapes are given.

    Raises:
        UnreadableMap: no .npy, truncated, or no real-valued map.
        OSError: the file cannot be opened.
    """
    if isinstance(path, MapInMemory):
        return _in_memory(path, limits, shapes or MAPS)
    if isinstance(path, BytesInMemory):
        return _in_bytes(path, limits, shapes or MAPS)
    check_regular(path)
    with path.open("rb") as file:
        size = file.seek(0, 2)
        layout, meant = _checked_layout(file, size, path, limits, shapes or MAPS)
        if size < MAPPED_BYTES:
            values = np.fromfile(file, layout.dtype)
            if values.size != math.prod(layout.shape):
                raise unreadable(path, "the file became shorter while it was read")
            if NOTED.get() is not None:
                at = size - values.nbytes
                file.seek(0)
                note(str(path), file.read(at), values.view(np.uint8).data)
        else:
            values = np.memmap(path, layout.dtype, "r", file.tell())
    return Stored(_native(values, layout, meant))


def _in_memory(path: MapInMemory, limits: Limits, shapes: Shapes) -> Stored:
    if path.chroma:
        return Stored(path.array, chroma=path.chroma)
    layout = Layout(path.array.shape, fortran_order=False, dtype=path.array.dtype)
    array = _native(path.array, layout, _meant(layout, path, limits, shapes))
    return Stored(array, nodata=path.nodata, grid=path.grid)


def _in_bytes(path: BytesInMemory, limits: Limits, shapes: Shapes) -> Stored:
    file = BytesIO(path.data)
    layout, meant = _checked_layout(file, len(path.data), path, limits, shapes)
    return Stored(_native(np.frombuffer(path.data, layout.dtype, offset=file.tell()), layout, meant))


def read_npz(path: Path, key: str | None, limits: Limits, shapes: Shapes | None = None) -> Stored:
    """The only array of an .npz, or the one named `key`; a map unless other shapes are given.

    Raises:
        UnreadableMap: no .npz, damaged, no or several arrays and no key, or no real-valued map.
        OSError: the file cannot be opened.
    """
    from zipfile import ZipFile  # here, because it brings every kind of compression along

    if not isinstance(path, BytesInMemory):
        check_regular(path)
    try:
        with ZipFile(_source(path)) as archive:
            member = archive.getinfo(f"{_chosen(archive, key, path)}.npy")
            _check_method(member, path, limits)
            with archive.open(member) as file:
                layout, meant = _checked_layout(file, member.file_size, path, limits, shapes or MAPS)
                check_expansion(path, member.compress_size, math.prod(meant) * layout.dtype.itemsize, limits)
                values = _filled(file, layout, path)
    except UnreadableMap:
        raise
    except OSError as error:
        if error.errno is not None:
            raise
        raise unreadable(path, f"damaged, or no .npz archive ({error})") from error
    except MemoryError:
        raise
    except Exception as error:
        raise unreadable(path, f"damaged, or no .npz archive ({error})") from error
    return Stored(_native(values, layout, meant))


def stored_shape(path: MapContents, key: str | None) -> Shape | None:
    """The shape of the array in an .npy or .npz, from its header alone; None where there is none to be read."""
    if isinstance(path, MapInMemory):
        shape: Shape = path.array.shape
        return shape[:2] if path.chroma else shape
    if not isinstance(path, BytesInMemory):
        check_regular(path)
    try:
        with contextlib.ExitStack() as stack:
            if path.suffix.lower() == ".npy":
                source = _source(path)
                file: IO[bytes] = source if isinstance(source, BytesIO) else stack.enter_context(source.open("rb"))
            else:
                from zipfile import ZipFile

                archive = stack.enter_context(ZipFile(_source(path)))
                file = stack.enter_context(archive.open(f"{_chosen(archive, key, path)}.npy"))
            return declared(file, path).shape
    except Exception:  # noqa: BLE001 - reading it will say what is wrong
        return None


def _source(path: Path | BytesInMemory) -> Path | BytesIO:
    return BytesIO(path.data) if isinstance(path, BytesInMemory) else path


def is_mapped(path: object) -> bool:
    """Whether the array of this file stays in it while it is scored, which kills the process if the file shrinks."""
    if not isinstance(path, Path):
        return False
    return path.suffix.lower() == ".npy" and path.is_file() and path.stat().st_size >= MAPPED_BYTES


def _check_method(member: zipfile.ZipInfo, path: MapContents, limits: Limits) -> None:
    if member.compress_type not in BOUNDED and not limits.trusts_files:
        what = f"compressed by method {member.compress_type} of zip, whose memory cannot be bounded"
        raise unreadable(path, f"{what}; save it with numpy.savez_compressed, or: --trust-files")


def _filled(file: Any, layout: Layout, path: MapContents) -> Array:
    """The values of an open member of an archive, which takes memory only as far as it really holds them."""
    values = np.empty(math.prod(layout.shape), layout.dtype)
    rest = memoryview(values.view(np.uint8).data)
    while rest:
        n_bytes = file.readinto(rest[:PIECE])
        if not n_bytes:
            raise unreadable(path, f"truncated: the last {len(rest)} bytes of its array are missing")
        rest = rest[n_bytes:]
    file.read(1)  # at its end the checksum is compared
    return values


def _chosen(archive: zipfile.ZipFile, key: str | None, path: MapContents) -> str:
    """The name of the array to read."""
    names = [name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")]
    listed = ", ".join(map(printable, names[:KEYS_SHOWN])) + (", ..." if len(names) > KEYS_SHOWN else "")
    if key is None and len(names) != 1:
        what = f"it holds {len(names)} arrays ({listed}); choose one with --key" if names else "it holds no array"
        raise unreadable(path, what)
    if key is not None and key not in names:
        raise unreadable(path, f"it holds no array {key!r}; it holds {listed or 'none'}")
    return names[0] if key is None else key


class Layout(NamedTuple):
    """What the header of an .npy declares."""

    shape: Shape
    fortran_order: bool
    dtype: Any


def _checked_layout(
    file: IO[bytes], size: int, path: MapContents, limits: Limits, shapes: Shapes
) -> tuple[Layout, Shape]:
    """The layout of the array in a file of `size` bytes, which is then at its first value, and the shape it means."""
    file.seek(0)
    layout = declared(file, path)
    meant = _meant(layout, path, limits, shapes)
    n_present, n_bytes = size - file.tell(), math.prod(meant) * layout.dtype.itemsize
    if n_present < n_bytes:
        raise unreadable(path, f"truncated: {n_present} of the array's {n_bytes} bytes are there")
    if n_present > n_bytes:
        raise unreadable(path, f"{n_present - n_bytes} bytes follow its array; a map is one array")
    return layout, meant


def _meant(layout: Layout, path: MapContents, limits: Limits, shapes: Shapes) -> Shape:
    """The shape that an array means, if it holds real numbers and is not too large."""
    shape, _, dtype = layout
    if dtype.hasobject:
        raise unreadable(path, "it holds pickled Python objects, which are never loaded; save an array of numbers")
    if dtype.kind not in "biuf":
        raise unreadable(path, f"its values are of type {dtype}; a map's are real numbers")
    meant = shapes.meant(shape)
    if meant is None:
        raise unreadable(path, f"its shape is {shape}; {shapes.known}{shapes.hints.get(len(shape), '')}")
    check_size(path, meant[0], math.prod(meant[1:]), limits.max_pixels)
    return meant


def declared(file: IO[bytes], path: MapContents) -> Layout:
    """What an .npy declares."""
    try:
        version = np.lib.format.read_magic(file)
        return _parsed(version, _header_bytes(file, version, path))
    except UnreadableMap:
        raise
    except Exception as error:
        file.seek(0)
        found = file.read(12)
        begins = f"it begins with {_shown(found)}" if found else "it is empty"
        raise unreadable(path, f"no .npy file: {begins}") from error


def _shown(data: bytes) -> str:
    """A few bytes: as text if they are such."""
    return repr(data.decode()) if data.isascii() and data.decode().isprintable() else f"the bytes {data.hex(' ')}"


def _header_bytes(file: IO[bytes], version: tuple[int, int], path: MapContents) -> bytes:
    """The length of a header and the header, which is of bounded length."""
    if version not in _LENGTH_BYTES:  # version 3 exists for field names that are not Latin alone
        raise unreadable(path, f"an .npy of version {version[0]}.{version[1]}, which holds named fields, not a map")
    length = file.read(_LENGTH_BYTES[version])
    n_bytes = int.from_bytes(length, "little")
    if n_bytes > LONGEST_HEADER:
        raise unreadable(path, f"a header of {n_bytes} bytes; that of a map has {LONGEST_HEADER} at most")
    return length + file.read(n_bytes)


_LENGTH_BYTES = {(1, 0): 2, (2, 0): 4}
"""How many bytes say the length of a header, by the version of the format."""


@lru_cache(64)
def _parsed(version: tuple[int, int], header: bytes) -> Layout:
    """What a header says: the files of a folder mostly have the same one, and its text is Python's."""
    form = np.lib.format
    read = form.read_array_header_1_0 if version == (1, 0) else form.read_array_header_2_0
    return Layout(*read(BytesIO(header)))


def map_shape(shape: Shape) -> tuple[int, int] | None:
    """The (H, W) that a shape means, None if it means none or two.

    Axes of length 1 beside height and width say nothing, and a vector is a distribution, a map of one row.

    >>> map_shape((1, 3, 4)), map_shape((1, 1, 3, 4)), map_shape((1, 3, 1)), map_shape((2, 3, 4)), map_shape((3,))
    ((3, 4), (3, 4), None, None, (1, 3))
    """
    if len(shape) == 1:
        return 1, shape[0]
    ones = [axis for axis, length in enumerate(shape) if length == 1]
    if not 2 <= len(shape) <= MOST_AXES or len(shape) - len(ones) > 2:  # noqa: PLR2004 - height and width
        return None
    left = (set(range(len(shape))).difference(gone) for gone in combinations(ones, len(shape) - 2))
    meant = {(shape[min(axes)], shape[max(axes)]) for axes in left}
    return meant.pop() if len(meant) == 1 else None


MAPS = Shapes(
    map_shape,
    "a map's is (H, W), beside axes of length 1",
    {
        3: "; a class map needs its class axis: --axis 0 for (C, H, W), --axis -1 for (H, W, C); N maps need --stack, "
        "a volume --spatial-axes 3",
        4: "; N maps (N, 1, H, W) need --stack, maps of four axes --spatial-axes 4",
    },
)


def _native(values: Array, layout: Layout, meant: Shape) -> Array:
    """The array of stored values in the shape they mean, in C order and in the byte order of this machine."""
    array = values.reshape(layout.shape, order="F" if layout.fortran_order else "C")
    return np.ascontiguousarray(array.reshape(meant), layout.dtype.newbyteorder("="))
