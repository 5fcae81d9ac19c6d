"""MATLAB files with one matrix, or with the name of one among several."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kldeval.data.formats import MAP_FORMATS, MapFormat

if TYPE_CHECKING:
    from pathlib import Path

    from kldeval.data.readers.stored import Limits, Stored


@MAP_FORMATS.add("matlab", MapFormat(suffixes=(".mat",)))
def read_matlab(path: Path, key: str | None, limits: Limits) -> Stored:
    """The matrix of a .mat file."""
    from kldeval.data.readers import matlab  # imported for the first such file

    return matlab.read(path, key, limits)
