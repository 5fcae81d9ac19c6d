"""What an iterable overwrites before it is scored is refused, and nothing that is only given again."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from late import late
from looping import each_of

from kldeval import evaluate
from kldeval.errors import UsageProblem

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

torch = late("torch")

SHAPE = (5, 6)
MAPS = np.random.default_rng(3).random((8, *SHAPE))
SPARSE = np.zeros((8, *SHAPE), np.uint8)
SPARSE[range(8), 2, [0, 1, 2, 3, 4, 5, 0, 1]] = 1
SPARSE[6:, 3, 3] = 1
REFUSED = (
    r"^item \d: (pred|gt|mask) lies in memory where (pred|gt|mask) of item \d was, which is not scored yet: give each"
)


def filled_again(maps: Any, number: int = 1) -> Iterator[Any]:
    """Each of the maps in turn, in one of so many arrays."""
    arrays = [np.empty_like(maps[0]) for _ in range(number)]
    for place, one in enumerate(maps):
        arrays[place % number][...] = one
        yield arrays[place % number]


def crops() -> Iterator[Any]:
    """Maps in parts of one large array, which overlap."""
    canvas = np.empty((SHAPE[0] + 2, SHAPE[1] + 3))
    for place, one in enumerate(MAPS):
        found = canvas[place % 2 :][: SHAPE[0], place % 3 :][:, : SHAPE[1]]
        found[...] = one
        yield found


def batches() -> Iterator[Any]:
    for some in filled_again(MAPS.reshape(4, 2, *SHAPE)):
        yield [f"{some[0, 0, 0]}", f"{some[1, 0, 0]}"], some, some.copy()


OVERWRITTEN: dict[str, Any] = {
    "predictions": lambda: zip(filled_again(MAPS), MAPS, strict=True),
    "ground truths": lambda: zip(MAPS, filled_again(MAPS), strict=True),
    "of mostly the same values": lambda: zip(MAPS, filled_again(SPARSE), strict=True),
    "three in turn": lambda: zip(filled_again(MAPS, 3), MAPS, strict=True),
    "backwards": lambda: ((pred[::-1], gt) for pred, gt in zip(filled_again(MAPS), MAPS, strict=True)),
    "crops": lambda: zip(crops(), MAPS, strict=True),
    "tensors": lambda: ((torch.from_numpy(one), gt) for one, gt in zip(filled_again(MAPS), MAPS, strict=True)),
    "batches": batches,
    "masks": lambda: (
        {"pred": one, "gt": one, "mask": mask}
        for one, mask in zip(MAPS, filled_again(SPARSE.astype(bool)), strict=True)
    ),
}


@each_of("name, pairs", OVERWRITTEN.items())
def test_arrays_that_are_filled_again_are_refused(name: str, pairs: Any) -> None:  # noqa: ARG001 - for the message
    """Each would have been scored as the last that lay there, without a word."""
    with pytest.raises(UsageProblem, match=REFUSED):
        evaluate(pairs(), metric="kld", empty_gt="skip")


LARGE = np.random.default_rng(4).random((SHAPE[0] + 7, SHAPE[1]))
GIVEN_AGAIN: dict[str, Any] = {
    "one prediction": lambda: ((MAPS[0], gt) for gt in MAPS),
    "two in turn": lambda: ((MAPS[place % 2], gt) for place, gt in enumerate(MAPS)),
    "views": lambda: zip(MAPS[:, ::-1], MAPS[::-1], strict=True),
    "overlapping views": lambda: ((LARGE[place : place + SHAPE[0]], one) for place, one in enumerate(MAPS)),
    "one for both": lambda: ((one, one) for one in MAPS),
    "a list": lambda: [*zip(MAPS, MAPS[::-1], strict=True)],
}


@each_of("name, pairs", GIVEN_AGAIN.items())
def test_arrays_that_are_given_again_are_scored(name: str, pairs: Any) -> None:  # noqa: ARG001 - for the message
    """With what they held before: a center bias, the views of a stack, both maps of a pair."""
    copies = [(np.array(pred), np.array(gt)) for pred, gt in pairs()]
    assert evaluate(pairs(), metric="kld").scores == evaluate(copies, metric="kld").scores


@pytest.mark.parametrize("is_young", [True, False])
def test_files_that_are_written_again_are_refused(tmp_path: Path, is_young: bool) -> None:  # noqa: FBT001
    """A stamp may be the same where a file was written a moment ago: a clock ticks some hundred times a second."""
    path = tmp_path / "pred.npy"

    def pairs() -> Iterator[Any]:
        for one in MAPS:
            np.save(path, one)
            if not is_young:
                os.utime(path, (1, 1))
            yield path, one

    said = f"^item 1: pred is {re.escape(str(path))}, which was pred of item 0 and is not scored yet; it has changed"
    with pytest.raises(UsageProblem, match=said):
        evaluate(pairs(), metric="kld")


def test_files_that_are_given_again_are_scored(tmp_path: Path) -> None:
    for place in range(2):
        np.save(tmp_path / f"{place}.npy", MAPS[place])
    pairs = [(tmp_path / f"{place % 2}.npy", one) for place, one in enumerate(MAPS)]
    assert evaluate(iter(pairs), metric="kld").scores == evaluate(pairs, metric="kld").scores


@given(places=st.lists(st.integers(0, 3), min_size=2, max_size=8), values=st.data())
def test_an_iterable_is_scored_as_its_copies_or_refused(places: list[int], values: st.DataObject) -> None:
    """Whatever array is filled with whatever, and given, in whatever order."""
    drawn = values.draw(st.lists(st.integers(0, 2), min_size=len(places), max_size=len(places)))
    copies = [(MAPS[value], MAPS[-1]) for value in drawn]

    def pairs() -> Iterator[Any]:
        arrays = np.empty((4, *SHAPE))
        for place, value in zip(places, drawn, strict=True):
            arrays[place] = MAPS[value]
            yield arrays[place], MAPS[-1]

    held: dict[int, int] = {}
    is_overwritten = any(held.setdefault(place, value) != value for place, value in zip(places, drawn, strict=True))
    try:
        found = evaluate(pairs(), metric="kld").scores
    except UsageProblem:
        assert is_overwritten
    else:
        assert not is_overwritten
        assert found == evaluate(copies, metric="kld").scores
