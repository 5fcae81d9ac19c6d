"""MATLAB files with one matrix, or with the name of one among several."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kldeval.data.formats import MAP_FORMATS, MapFormat

if TYPE_CHECKING:
    from pathlib import Path

    from kldeval.arrays import NumpyArray as Array
    from kldeval.data.readers.entries import StoredArray
    from kldeval.data.readers.stored import Limits, Stored


def _entries(path: Path, limits: Limits) -> list[StoredArray]:
    from kldeval.data.readers import matlab

    return matlab.entries(path, limits)


def _load(path: Path, limits: Limits, key: str, place: int | None = None) -> Array:
    from kldeval.data.readers import matlab

    return matlab.load(path, limits, key, place)


@MAP_FORMATS.add("matlab", MapFormat(suffixes=(".mat",), entries=_entries, load=_load, is_shy=True))
def read_matlab(path: Path, key: str | None, limits: Limits) -> Stored:
    """The matrix of a .mat file."""
    from kldeval.data.readers import matlab  # imported for the first such file

    return matlab.read(path, key, limits)
