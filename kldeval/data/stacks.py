"""Stacks of maps: arrays (N, H, W), of which every slice along the first axis is a map with a pair of its own.

Arrays (N, C, H, W) or (N, H, W, C) are stacks of class maps, where the axis of the classes was named. Another axis than
the first counts the maps where `--stack-axis` says so, as in MATLAB's (H, W, N).
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kldeval.data.readers import holds_arrays, read_shaped, spatial_axes, stored_shape
from kldeval.data.readers.numpy_files import Shapes
from kldeval.data.readers.stored import Limits
from kldeval.data.volumes import PLANE, with_axes
from kldeval.digests import kept_by
from kldeval.errors import RefusedMap, UnreadableMap, UsageProblem, printable
from kldeval.memory import Member
from kldeval.records import Failure
from kldeval.sequences import MOST_KEPT, Lazy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kldeval.data.readers import Stored
    from kldeval.digests import Kept
    from kldeval.memory import MapFile
    from kldeval.records import Pair

    Keys = tuple[str | None, str | None]
    Axes = tuple[int | None, int | None]

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


def parse_axes(text: str | None) -> Axes:
    """The axis that counts the maps of a stack, of the predictions and of the ground truths; None: the first.

    >>> parse_axes("-1"), parse_axes("0,-1"), parse_axes(None)
    ((-1, -1), (0, -1), (None, None))

    Raises:
        UsageProblem: the text says no axes.
    """
    if text is None:
        return None, None
    try:
        axes = [int(part) for part in text.split(",")]
    except ValueError:
        axes = []
    if len(axes) not in (1, 2) or not all(-AXES - 1 <= axis <= AXES for axis in axes):
        msg = f"--stack-axis {text}: an axis is a whole number, such as 0 or -1, or two of them: PRED,GT"
        raise UsageProblem(msg)
    return axes[0], axes[-1]


SAY_WHICH = "say which axis counts the maps, --stack-axis -1 or --stack-axis 0, or of both sides --stack-axis PRED,GT"


def unstacked(
    pairs: Sequence[Pair], keys: Keys, axes: Axes = (None, None), *, classes: bool = False, spatial: int = PLANE
) -> tuple[Sequence[Pair], tuple[Failure, ...]]:
    """The pairs of every slice of stacks, named `name[000]` and so on; and those whose two files hold other numbers.

    Pairs of files that hold no stacks stay as they are.
    """
    found = _Slices(pairs)
    failures: list[Failure] = []
    for number, pair in enumerate(pairs):
        sides = zip((pair.pred, pair.gt), keys, axes, strict=True)
        try:
            pred, gt = (_length(path, key, axis, spatial, classes=classes) for path, key, axis in sides)
        except RefusedMap as problem:
            failures.append(Failure(pair.name, "pair", str(problem)))
            continue
        if pred == gt:
            found.add(number, pred)
        else:
            held = (f"{printable(path)} holds {_maps(n)}" for path, n in ((pair.pred, pred), (pair.gt, gt)))
            failures.append(Failure(pair.name, "pair", f"--stack: {' but '.join(held)}; slices pair by their place"))
    return found.pairs(), tuple(failures)


def _maps(length: int | None) -> str:
    return "one map" if length is None else f"a stack of {length}"


class _Slices:
    """The slices of pairs of stacks, of which each is made when it is asked for."""

    def __init__(self, stacks: Sequence[Pair]) -> None:
        self._stacks = stacks
        self._numbers, self._lengths, self._ends = array("q"), array("q"), array("q", [0])

    def add(self, number: int, length: int | None) -> None:
        """Take the slices of a pair of stacks, or a pair of single maps (None)."""
        self._numbers.append(number)
        self._lengths.append(-1 if length is None else length)
        self._ends.append(self._ends[-1] + (1 if length is None else length))

    def pairs(self) -> Sequence[Pair]:
        """All pairs: themselves where they are few."""
        found = Lazy(range(self._ends[-1]), self._pair_at)
        return found if len(found) > MOST_KEPT else tuple(found)

    def _pair_at(self, at: int) -> Pair:
        entry = bisect_right(self._ends, at) - 1
        pair, length = self._stacks[self._numbers[entry]], self._lengths[entry]
        if length < 0:
            return pair
        place, digits = at - self._ends[entry], max(3, len(str(length - 1)))
        return replace(pair, name=f"{pair.name}[{place:0{digits}d}]", place=place)


def _length(path: MapFile, key: str | None, axis: int | None, spatial: int, *, classes: bool) -> int | None:
    """How many maps a file stacks; None where it holds no stack, or none that can be read.

    Raises:
        RefusedMap: nothing says which of its axes counts the maps, and it need not be the first; or there is no such.
    """
    is_file = isinstance(path, Path | Member) and holds_arrays(path)
    shape = (stored_shape(path, key) if is_file else None) or ()
    spatial = spatial_axes(path, spatial)
    if len(shape) > spatial:
        _check_axis(path, shape, axis, spatial)
    meant = _shapes(spatial, classes=classes).meant(with_first(shape, axis))
    return meant[0] if meant else None


def with_first(shape: tuple[int, ...], axis: int | None) -> tuple[int, ...]:
    """A shape with an axis moved to the front, if there is one.

    >>> with_first((480, 640, 5), -1), with_first((5, 480, 640), None), with_first((480, 640), 2)
    ((5, 480, 640), (5, 480, 640), ())
    """
    if axis is None:
        return shape
    if not -len(shape) <= axis < len(shape):
        return ()
    place = axis % len(shape)
    return (shape[place], *shape[:place], *shape[place + 1 :])


def _check_axis(path: MapFile, shape: tuple[int, ...], axis: int | None, spatial: int) -> None:
    msg = ""
    if axis is not None and not -len(shape) <= axis < len(shape):
        msg = f"its shape is {shape}, which has no axis {axis} (--stack-axis)"
    elif axis is None and path.suffix.lower() == ".mat":
        msg = f"its shape is {shape}; MATLAB stacks maps as (H, W, N), and Python writes (N, H, W) there: {SAY_WHICH}"
    elif axis is None and spatial == PLANE and len(shape) == AXES and 1 < shape[-1] < LEAST_SIDE <= min(shape[:2]):
        msg = f"its shape is {shape}, which looks like (H, W, N) rather than (N, H, W): {SAY_WHICH}"
    if msg:
        msg = f"{printable(path)}: {msg}"
        raise RefusedMap(msg)


def read_slice(
    path: Path | Member,
    place: int,
    *,
    key: str | None,
    axis: int | None = None,
    classes: bool = False,
    spatial: int = PLANE,
    **bounds: Any,
) -> Stored:
    """One map of a stack, or one class map or its labels.

    Raises:
        UnreadableMap: the file cannot be read, or holds no stack.
        RefusedMap: the stack is shorter than it was.
    """
    by = kept_by(path.path if isinstance(path, Member) else path)
    stored = _stack(path, key, axis or 0, classes, spatial_axes(path, spatial), tuple(bounds.items()), by)
    if place >= len(stored.array):
        msg = f"{printable(path)}: it holds {len(stored.array)} maps, and map {place} is asked for"
        raise RefusedMap(msg)
    is_volume = spatial_axes(path, spatial) != PLANE and not classes
    return replace(stored, array=np.ascontiguousarray(stored.array[place]), is_volume=is_volume)


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
    axis: int,
    classes: bool,  # noqa: FBT001 - the cache needs it by place
    spatial: int,
    bounds: tuple[tuple[str, Any], ...],
    _kept_by: Kept | None,
) -> Stored:
    """The whole stack, kept for the next of its maps: a prediction's and a ground truth's."""
    limits, shapes = Limits(**dict(bounds)), _shapes(spatial, classes=classes)
    if not axis:
        return read_shaped(path, key, limits, shapes)
    stored = read_shaped(path, key, limits, Shapes(lambda shape: shape, shapes.known))
    meant = shapes.meant(with_first(stored.array.shape, axis))
    if meant is None:
        msg = f"{printable(path)}: its shape is {stored.array.shape}, its axis {axis} counts maps; {shapes.known}"
        raise UnreadableMap(msg)
    return replace(stored, array=np.moveaxis(stored.array, axis, 0).reshape(meant))
