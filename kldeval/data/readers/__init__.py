"""The readable formats: a table from suffix to reader. A new format is one module here and one row of the table."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kldeval.data.readers import image, numpy_files
from kldeval.data.readers.files import refusal, refusals
from kldeval.data.readers.members import fetched
from kldeval.data.readers.stored import MAX_PIXELS, Limits, Stored, check_size, unreadable
from kldeval.errors import KldevalError, printable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from kldeval.memory import MapFile

    Reader = Callable[[Any, str | None, Limits], Stored]

__all__ = [
    "CLASS_READERS",
    "LABEL_READERS",
    "MAX_PIXELS",
    "READERS",
    "Stored",
    "is_mapped",
    "is_readable",
    "read_map",
    "read_size",
]


def _read_matlab(path: Path, key: str | None, limits: Limits) -> Stored:
    from kldeval.data.readers import matlab

    return matlab.read(path, key, limits)


def _read_arrays(path: Any, key: str | None, limits: Limits, shapes: numpy_files.Shapes | None = None) -> Stored:
    from kldeval.data.readers import array_files

    return array_files.read(path, key, limits, shapes)


def _read_raw(path: Any, key: str | None, limits: Limits) -> Stored:
    from kldeval.data.readers import raw

    return raw.read(path, key, limits)


SHY = (".bin", ".h5", ".hdf5", ".mat", ".pt", ".pth", ".safetensors")
"""Suffixes of files that hold fixations or weights of networks as well as maps: of a folder of nothing else, maps."""

NAMED_ARRAYS = (".h5", ".hdf5", ".pt", ".pth", ".safetensors")
"""Suffixes of files of named arrays, beside .npz and .mat."""

READERS: Mapping[str, Reader] = {
    **dict.fromkeys(image.SUFFIXES, image.read),
    ".npy": numpy_files.read_npy,
    ".npz": numpy_files.read_npz,
    ".mat": _read_matlab,
    **dict.fromkeys(NAMED_ARRAYS, _read_arrays),
    ".bin": _read_raw,
}
"""The reader of each suffix, called with the path, the key of an archive's array, and what a file may ask for."""


def array_readers(shapes: numpy_files.Shapes) -> Mapping[str, Reader]:
    """The readers of files of arrays, which take these shapes."""
    return {
        ".npy": partial(numpy_files.read_npy, shapes=shapes),
        ".npz": partial(numpy_files.read_npz, shapes=shapes),
        **dict.fromkeys(NAMED_ARRAYS, partial(_read_arrays, shapes=shapes)),
    }


ARRAYS = (".npy", ".npz", *NAMED_ARRAYS)
"""The files that may hold more than two axes."""


def stored_shape(path: MapFile, key: str | None) -> tuple[int, ...] | None:
    """The shape of the array in a file of arrays; None where there is none to be read, or the file is no such one."""
    suffix = path.suffix.lower()
    if suffix not in ARRAYS:
        return None
    contents = fetched(path, Limits())
    if suffix in (".npy", ".npz"):
        return numpy_files.stored_shape(contents, key)
    from kldeval.data.readers import array_files

    return array_files.stored_shape(contents, key)


CLASS_READERS: Mapping[str, Reader] = {
    **READERS,
    **array_readers(
        numpy_files.Shapes(
            lambda shape: _squeezed(shape) if len(shape) in (2, 3) else None,
            "a class map's is (C, H, W), (H, W, C) or (N, C), one map a file",
        )
    ),
}
"""The readers of predictions that may have a class axis."""

LABEL_READERS: Mapping[str, Reader] = {
    ".mat": _read_matlab,
    **dict.fromkeys(image.SUFFIXES, image.read_labels),
    **array_readers(
        numpy_files.Shapes(
            lambda shape: _squeezed(shape) if len(shape) in (1, 2, 3) else None,
            "that of labels is (H, W) or (N,), of soft labels that of the prediction",
        )
    ),
}
"""The readers of ground truths that may be labels."""


def _squeezed(shape: tuple[int, ...]) -> tuple[int, ...]:
    return shape if len(shape) == 1 else numpy_files.map_shape(shape) or shape


is_mapped = numpy_files.is_mapped


def is_readable(name: str) -> bool:
    """Whether the suffix of a file's name is that of a map.

    >>> is_readable("a/1.PNG"), is_readable("readme.md")
    (True, False)
    """
    return name[name.rfind(".") :].lower() in READERS


def without_shy(names: Sequence[str]) -> Sequence[str]:
    """The maps of a folder without files that are maps only by themselves: .mat files beside images are fixations.

    >>> without_shy(["a.mat", "a.png"]), without_shy(["a.mat", "b.mat"])
    (['a.png'], ['a.mat', 'b.mat'])
    """
    return [name for name in names if not name.lower().endswith(SHY)] or names


def read_map(
    path: MapFile,
    *,
    key: str | None = None,
    max_pixels: int = MAX_PIXELS,
    trusts_files: bool = False,
    shape: tuple[int, int] | None = None,
    readers: Mapping[str, Reader] = READERS,
) -> Stored:
    """One map as its file stores it, (H, W) or (H, W, C), in native byte order; the type of the values is kept.

    `key` names an array of an .npz and means nothing to other formats. `max_pixels` bounds H * W before decoding;
    `trusts_files` lifts the other bounds (see `check_expansion`); `shape` is that of raw values.
    Other `readers` take the arrays of class maps and
    labels as well.

    Raises:
        UnreadableMap: the file is missing, damaged, of another format, or holds no single real-valued map; whatever
            else a decoder raises comes out as one, too.
        MissingDependency: a library that the format needs cannot be imported.
    """
    reader = readers.get(path.suffix.lower())
    if reader is None:
        known = " ".join(sorted(READERS))
        raise unreadable(path, f"files ending in {printable(path.suffix)!r} are not read as maps; known: {known}")
    limits = Limits(max_pixels, trusts_files, shape)
    try:
        return reader(fetched(path, limits), key, limits)
    except KldevalError:
        raise
    except Exception as error:
        raise refusal(path, error) from error


def read_size(path: MapFile, *, max_pixels: int = MAX_PIXELS) -> tuple[int, int]:
    """The (height, width) of a map, which is decoded only where its header does not say it.

    Raises:
        UnreadableMap: too large, or as `read_map`.
        MissingDependency: as `read_map`.
    """
    with refusals(path):
        if isinstance(path, Path) and path.suffix.lower() in image.SUFFIXES:
            declared = image.declared_size(path, Limits(max_pixels))
        else:
            declared = numpy_files.map_shape(stored_shape(path, None) or ())
    if declared:
        check_size(path, *declared, max_pixels)
        return declared
    height, width = read_map(path, max_pixels=max_pixels).array.shape[:2]
    return height, width
