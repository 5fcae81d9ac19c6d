"""Fixations as points: what lies outside, whose they are, and where they fall on the images of others."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reading import counts_of

from kldeval.data.fixations.collection import OtherFixations
from kldeval.errors import RefusedMap
from kldeval.records import fixations_at


def test_fixations_outside_are_reported_and_not_clipped() -> None:
    found = fixations_at([0, 2.999, 3, -0.001, 1], [0, 3.999, 0, 0, 4], counts=[1, 1, 5, 2, 1])
    within, outside = found.inside((3, 4))
    assert (within.rows.tolist(), within.cols.tolist(), within.shape) == ([0, 2.999], [0, 3.999], (3, 4))
    assert outside is not None
    assert (outside.count, outside.total, outside.row, outside.col) == (8, 10, 3, 0)
    assert within.inside((3, 4))[1] is None
    with pytest.raises(RefusedMap) as caught:
        found.pixels((3, 4))
    assert str(caught.value) == (
        "8 of 10 fixations lie outside the map of 4 x 3 pixels, such as x 0, y 3 (counted from 0); "
        "check the size of the map and whether coordinates count from 0 or 1"
    )


def test_pixels_name_each_place_once() -> None:
    rows, cols, counts = fixations_at([1.1, 0, 1.9], [2.5, 3, 2.0], counts=[1, 1, 4]).pixels((2, 4))
    assert (rows.tolist(), cols.tolist(), counts.tolist()) == ([0, 1], [3, 2], [1, 5])


def test_observers_are_told_apart() -> None:
    found = fixations_at([0, 1, 2, 3], [0, 0, 0, 0], observers=["b", "a", "b", "a"], durations=[1, 2, 3, 4])
    assert found.observer_names == ("b", "a")
    own, others = found.of_observer("a")
    assert (own.rows.tolist(), others.rows.tolist(), others.observers) == ([1, 3], [0, 2], ("b", "b"))
    later = found.without_first()
    assert later.rows.tolist() == [2, 3]
    assert later.durations is not None
    assert later.durations.tolist() == [3, 4]
    with pytest.raises(RefusedMap) as caught:
        fixations_at([0], [0]).without_first()
    assert str(caught.value) == "the fixations do not say whose they are; a list with the column observer does"


def test_the_arrays_of_a_record_cannot_be_written() -> None:
    rows = np.asarray([1.0])
    found = fixations_at(rows, [2])
    rows[0] = 5
    assert found.rows.tolist() == [1.0]
    with pytest.raises(ValueError, match="read-only"):
        found.rows[0] = 3


@st.composite
def data_sets(draw: st.DrawFn) -> dict[str, Any]:
    """Images of different sizes with fixations between the pixels."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    sizes = rng.integers(1, 9, (4, 2)).tolist()
    return {
        f"image {index}": fixations_at(
            rng.random(12) * height, rng.random(12) * width, rng.integers(1, 4, 12), shape=(height, width)
        )
        for index, (height, width) in enumerate(sizes)
    }


@settings(max_examples=30, deadline=None)
@given(data_sets())
def test_other_fixations_are_those_of_all_other_images_scaled(fixations: dict[str, Any]) -> None:
    others = OtherFixations(fixations)
    for name, own in fixations.items():
        assert own.shape is not None
        moved = (other.scaled(own.shape) for key, other in fixations.items() if key != name)
        expected = sum(counts_of(other, own.shape) for other in moved)
        everywhere = others.places(own.shape)
        listed = np.zeros(own.shape)
        listed.reshape(-1)[everywhere.places] = 1
        listed.reshape(-1)[everywhere.again] += everywhere.more
        mine, counts = others.own(name, own.shape)
        listed.reshape(-1)[mine] -= counts
        assert np.array_equal(listed, expected)
        assert everywhere.counts.sum() == others.everything(own.shape).sum()


def test_other_fixations_leave_out_what_lies_outside_and_need_a_size() -> None:
    inside, partly = fixations_at([0], [0], shape=(1, 2)), fixations_at([0, 9], [1, 0], shape=(1, 2))
    assert OtherFixations({"a": inside, "b": partly}).everything((1, 2)).tolist() == [[1, 1]]
    with pytest.raises(RefusedMap) as caught:
        OtherFixations({"a": fixations_at([0], [0])})
    assert str(caught.value) == (
        "the size of the image 'a' is unknown, so the fixations on it cannot be moved to other images"
    )
    with pytest.raises(RefusedMap) as caught:
        fixations_at([0], [0]).scaled((2, 2))
    assert str(caught.value) == "fixations on an image of unknown size cannot be scaled; give its (height, width)"
