"""Stacks of maps: arrays (N, H, W), of which every slice along the first axis is a map with a pair of its own.

Arrays (N, C, H, W) or (N, H, W, C) are stacks of class maps, where the axis of the classes was named.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kldeval.data.readers import holds_arrays, read_shaped, spatial_axes, stored_shape
from kldeval.data.readers.numpy_files import Shapes
from kldeval.data.readers.stored import Limits
from kldeval.data.volumes import PLANE, with_axes
from kldeval.errors import RefusedMap, UnreadableMap, printable
from kldeval.memory import Member
from kldeval.records import Failure
from kldeval.regular import why

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from kldeval.data.readers import Stored
    from kldeval.memory import MapFile
    from kldeval.records import Pair

    Keys = tuple[str | None, str | None]

AXES = 3
"""Of a stack: its maps, height and width."""


def stack_shape(shape: tuple[int, ...], spatial: int = PLANE) -> tuple[int, ...] | None:
    """The (N, H, W) that a shape means, where an axis of channels may have the length 1; None if it means none.

    Of maps of other axes, `spatial` of them, it is (N, ...).

    >>> stack_shape((5, 1, 4, 6)), stack_shape((5, 4, 6, 1)), stack_shape((5, 4, 6)), stack_shape((4, 6))
    ((5, 4, 6), (5, 4, 6), (5, 4, 6), None)
    """
    if spatial != PLANE:
        meant = with_axes(shape[1:], spatial) if shape else None
        return meant and (*shape[:1], *meant)
    if len(shape) == AXES + 1:
        shape = shape[:1] + shape[2:] if shape[1] == 1 else shape[:-1] if shape[-1] == 1 else ()
    return shape if len(shape) == AXES else None


COLORS, LEAST_SIDE = (3, 4), 16
"""The channels of a picture (H, W, C), and the side of the smallest thing that is taken for one."""


def is_picture(shape: tuple[int, ...]) -> bool:
    """Whether a shape is that of one picture with channels rather than of many maps.

    >>> is_picture((480, 640, 3)), is_picture((12, 480, 640))
    (True, False)
    """
    return len(shape) == AXES and shape[-1] in COLORS and min(shape[:2]) >= LEAST_SIDE


def is_class_stack(pair: Pair, keys: Keys, *, soft: bool = False, spatial: int = PLANE) -> bool:
    """Whether the two files of a pair hold N class maps and their labels, or N `soft` labels."""
    sides = zip((pair.pred, pair.gt), keys, strict=True)
    # beside N, and as many as a map has
    further = [len(stored_shape(path, key) or ()) - 1 - spatial_axes(path, spatial) for path, key in sides]
    return further == [1, 0] or (soft and further == [1, 1])


def unstacked(
    pairs: Iterable[Pair], keys: Keys, *, classes: bool = False, spatial: int = PLANE
) -> tuple[tuple[Pair, ...], tuple[Failure, ...]]:
    """The pairs of every slice of stacks, named `name[000]` and so on; and those whose two files hold other numbers.

    Pairs of files that hold no stacks stay as they are.
    """
    found: list[Pair] = []
    failures: list[Failure] = []
    for pair in pairs:
        sides = zip((pair.pred, pair.gt), keys, strict=True)
        pred, gt = (_length(path, key, spatial, classes=classes) for path, key in sides)
        if pred == gt:
            found += [pair] if pred is None else _slices(pair, pred)
        else:
            held = (f"{printable(path)} holds {_maps(n)}" for path, n in ((pair.pred, pred), (pair.gt, gt)))
            failures.append(Failure(pair.name, "pair", f"--stack: {' but '.join(held)}; slices pair by their place"))
    return tuple(found), tuple(failures)


def _maps(length: int | None) -> str:
    return "one map" if length is None else f"a stack of {length}"


def _slices(pair: Pair, length: int) -> Iterator[Pair]:
    digits = max(3, len(str(length - 1)))
    return (replace(pair, name=f"{pair.name}[{place:0{digits}d}]", place=place) for place in range(length))


def _length(path: MapFile, key: str | None, spatial: int, *, classes: bool) -> int | None:
    """How many maps a file stacks; None where it holds no stack, or none that can be read."""
    is_file = isinstance(path, Path | Member) and holds_arrays(path)
    shape = stored_shape(path, key) if is_file else None
    meant = _shapes(spatial_axes(path, spatial), classes=classes).meant(shape or ())
    return meant[0] if meant else None


def read_slice(
    path: Path | Member, place: int, *, key: str | None, classes: bool = False, spatial: int = PLANE, **bounds: Any
) -> Stored:
    """One map of a stack, or one class map or its labels.

    Raises:
        UnreadableMap: the file cannot be read, or holds no stack.
        RefusedMap: the stack is shorter than it was.
    """
    try:
        modified = (path.path if isinstance(path, Member) else path).stat().st_mtime_ns
    except OSError as error:
        msg = f"{printable(path)}: {why(error)}"
        raise UnreadableMap(msg) from error
    stored = _stack(path, key, classes, spatial_axes(path, spatial), tuple(bounds.items()), modified)
    if place >= len(stored.array):
        msg = f"{printable(path)}: it holds {len(stored.array)} maps, and map {place} is asked for"
        raise RefusedMap(msg)
    is_volume = spatial_axes(path, spatial) != PLANE and not classes
    return replace(stored, array=stored.array[place], is_volume=is_volume)


def _shapes(spatial: int, *, classes: bool) -> Shapes:
    """The shapes of stacks of maps, or of class maps and labels, that have so many axes of space."""
    if classes:
        known = "a stack of class maps is (N, C, H, W) or (N, H, W, C), of labels (N, H, W)"
        if spatial != PLANE:
            known = f"with {spatial} spatial axes a stack of class maps has {spatial + 2} axes, of labels {spatial + 1}"
        return Shapes(lambda shape: shape if len(shape) - spatial in (1, 2) else None, known)
    known = "a stack's is (N, H, W), (N, 1, H, W) or (N, H, W, 1)"
    if spatial != PLANE:
        known = f"with {spatial} spatial axes a stack's has {spatial + 1} axes"
    return Shapes(lambda shape: stack_shape(shape, spatial), known)


@lru_cache(maxsize=2)
def _stack(
    path: Path | Member,
    key: str | None,
    classes: bool,  # noqa: FBT001 - the cache needs it by place
    spatial: int,
    bounds: tuple[tuple[str, Any], ...],
    _modified: int,
) -> Stored:
    """The whole stack, kept for the next of its maps: a prediction's and a ground truth's."""
    return read_shaped(path, key, Limits(**dict(bounds)), _shapes(spatial, classes=classes))
