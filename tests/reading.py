"""Maps, fixations and pairs as they come from files, for tests of what readers find and refuse."""

from __future__ import annotations

from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from kldeval.data import readers
from kldeval.data.fixations import read_fixations as fixations_of
from kldeval.data.fixations.maps import FixationReading
from kldeval.data.load import Reading, load_pair
from kldeval.preprocessing.resize import RESIZES, resize_pair
from kldeval.records import Pair

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

SUFFIXES = frozenset(readers.READERS)
"""The ends of the names of files that are read as maps."""


def read_map(path: Path, *, labels: bool = False, **options: Any) -> Any:
    """One map as its file stores it, with what is known of it; `labels` takes the arrays of class maps as well."""
    return readers.read_map(path, readers=readers.LABEL_READERS if labels else readers.READERS, **options)


def read_size(path: Path) -> tuple[int, int]:
    """The height and width that a file's header tells."""
    return readers.read_size(path)


def read_fixations(path: Path, **choices: Any) -> Mapping[str, Any]:
    """The fixations in a file by the names of their images, under the choices of a user."""
    return fixations_of(path, FixationReading(**choices))


def counts_of(fixations: Any, shape: tuple[int, int]) -> np.ndarray:
    """How often each pixel of a map was fixated."""
    rows, cols, counts = fixations.pixels(shape)
    found = np.zeros(shape, np.int64)
    found[rows, cols] = counts
    return found


def read_pair(pred: Path, gt: Path, name: str = "a", **choices: Any) -> Any:
    """Two files as the pair of maps that is scored; `resize` is as a user types it."""
    if isinstance(choices.get("resize"), str):
        choices["resize"] = RESIZES.parse(choices["resize"])
    return load_pair(Pair(name, pred, gt), Reading(**choices))


def resize(pred: np.ndarray, gt: np.ndarray, how: str) -> tuple[Any, Any]:
    """Two maps of one size, in the way that a user types."""
    return resize_pair(RESIZES.parse(how), pred, gt)


@contextmanager
def another_child() -> Iterator[None]:
    """Files that are read apart are read by a child of this block alone.

    A test that ends it leaves that of this process as it is, with libraries that take seconds to import.
    """
    module: Any = import_module("kldeval.data.readers.apart")
    kept, module._child = module._child, []
    try:
        yield
    finally:
        module._end_child()
        module._child = kept
