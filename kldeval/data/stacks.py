"""Stacks of maps: arrays (N, H, W), of which every slice along the first axis is a map with a pair of its own."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache, partial
from typing import TYPE_CHECKING

from kldeval.data.readers import READERS, read_map
from kldeval.data.readers.numpy_files import Shapes, read_npy, read_npz, stored_shape
from kldeval.errors import RefusedMap, UnreadableMap, printable
from kldeval.memory import MapInMemory
from kldeval.records import Failure
from kldeval.regular import why

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from kldeval.data.formats import Reader
    from kldeval.data.readers import Stored
    from kldeval.memory import MapFile
    from kldeval.records import Pair

ARRAYS = (".npy", ".npz")
"""The files that may hold a stack."""

AXES = 3
"""Of a stack: its maps, height and width."""


def stack_shape(shape: tuple[int, ...]) -> tuple[int, ...] | None:
    """The (N, H, W) that a shape means, where an axis of channels may have the length 1; None if it means none.

    >>> stack_shape((5, 1, 4, 6)), stack_shape((5, 4, 6, 1)), stack_shape((5, 4, 6)), stack_shape((4, 6))
    ((5, 4, 6), (5, 4, 6), (5, 4, 6), None)
    """
    if len(shape) == AXES + 1:
        shape = shape[:1] + shape[2:] if shape[1] == 1 else shape[:-1] if shape[-1] == 1 else ()
    return shape if len(shape) == AXES else None


def unstacked(
    pairs: Iterable[Pair], pred_key: str | None, gt_key: str | None
) -> tuple[tuple[Pair, ...], tuple[Failure, ...]]:
    """The pairs of every slice of stacks, named `name[000]` and so on; and those whose two files hold other numbers.

    Pairs of files that hold no stacks stay as they are.
    """
    found: list[Pair] = []
    failures: list[Failure] = []
    for pair in pairs:
        pred, gt = _length(pair.pred, pred_key), _length(pair.gt, gt_key)
        if pred == gt:
            found += [pair] if pred is None else _slices(pair, pred)
        else:
            sides = (f"{printable(path)} holds {_maps(n)}" for path, n in ((pair.pred, pred), (pair.gt, gt)))
            failures.append(Failure(pair.name, "pair", f"--stack: {' but '.join(sides)}; slices pair by their place"))
    return tuple(found), tuple(failures)


def _maps(length: int | None) -> str:
    return "one map" if length is None else f"a stack of {length}"


def _slices(pair: Pair, length: int) -> Iterator[Pair]:
    digits = max(3, len(str(length - 1)))
    return (replace(pair, name=f"{pair.name}[{place:0{digits}d}]", place=place) for place in range(length))


def _length(path: MapFile, key: str | None) -> int | None:
    """How many maps a file stacks; None where it holds no stack, or none that can be read."""
    is_file = not isinstance(path, MapInMemory) and path.suffix.lower() in ARRAYS
    shape = stored_shape(path, key) if is_file else None
    meant = stack_shape(shape or ())
    return meant[0] if meant else None


def read_slice(path: Path, place: int, *, key: str | None, max_pixels: int, trusts_files: bool = False) -> Stored:
    """One map of a stack.

    Raises:
        UnreadableMap: the file cannot be read, or holds no stack.
        RefusedMap: the stack is shorter than it was.
    """
    try:
        modified = path.stat().st_mtime_ns
    except OSError as error:
        msg = f"{printable(path)}: {why(error)}"
        raise UnreadableMap(msg) from error
    stored = _stack(path, key, max_pixels, trusts_files, modified)
    if place >= len(stored.array):
        msg = f"{printable(path)}: it holds {len(stored.array)} maps, and map {place} is asked for"
        raise RefusedMap(msg)
    return replace(stored, array=stored.array[place])


_SHAPES = Shapes(stack_shape, "a stack's is (N, H, W), (N, 1, H, W) or (N, H, W, 1)")


@lru_cache(maxsize=2)
def _stack(path: Path, key: str | None, max_pixels: int, trusts_files: bool, _modified: int) -> Stored:  # noqa: FBT001 - the cache needs them by place
    """The whole stack, kept for the next of its maps: a prediction's and a ground truth's."""
    readers: Mapping[str, Reader] = {
        **READERS,
        ".npy": partial(read_npy, shapes=_SHAPES),
        ".npz": partial(read_npz, shapes=_SHAPES),
    }
    return read_map(path, key=key, max_pixels=max_pixels, trusts_files=trusts_files, readers=readers)
