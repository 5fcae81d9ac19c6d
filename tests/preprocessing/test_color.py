"""Grey from colour: three equal channels are grey, and anything else needs a rule."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from drawn import arrays, integers
from hypothesis import given
from hypothesis import strategies as st
from image_files import GREY_ALPHA, RGB, RGBA, png_of
from looping import each_of
from reading import read_map

from kldeval.errors import RefusedMap
from kldeval.preprocessing.grey import to_grey

Array = np.ndarray[Any, np.dtype[Any]]

PATH = Path("some/map.png")
RULES = ["error", "luma", "mean", "first"]

# blue, green, red: how OpenCV hands over a file that says red 10, green 20, blue 40
PIXEL = np.asarray([[[40, 20, 10]]], np.uint8)


def with_alpha(colours: Array, alpha: float) -> Array:
    return np.concatenate([colours, np.full_like(colours[..., :1], alpha)], axis=-1)


@each_of("rule", RULES)
def test_a_grey_map_passes_untouched(rule: str) -> None:
    grey = np.arange(6, dtype=np.uint16).reshape(2, 3)
    assert to_grey(grey, rule, PATH) is grey


@each_of("rule", RULES)
@given(
    grey=st.sampled_from([np.uint8, np.uint16, np.int16, np.float32]).flatmap(
        lambda dtype: arrays((3, 4), integers(0, 200, dtype))
    )
)
def test_equal_channels_are_grey_and_keep_their_type(rule: str, grey: Array) -> None:
    found = to_grey(np.dstack([grey] * 3), rule, PATH)
    np.testing.assert_array_equal(found, grey)
    assert found.dtype == grey.dtype
    assert found.flags.c_contiguous


def test_nan_in_all_channels_is_no_colour() -> None:
    grey = np.asarray([[np.nan, 1.0]], np.float32)
    np.testing.assert_array_equal(to_grey(np.dstack([grey] * 3), "error", PATH), grey)
    with pytest.raises(RefusedMap, match=r"alpha is not opaque \(minimum nan of 1\)"):
        to_grey(with_alpha(np.dstack([grey] * 3), np.nan), "error", PATH)


@each_of("rule", RULES)
@each_of(("kind", "opaque"), [(np.uint8, 255), (np.uint16, 65535), (np.float32, 1)])
def test_an_opaque_alpha_changes_nothing(rule: str, kind: type, opaque: int) -> None:
    grey: Array = np.asarray([[0, 1], [0, 1]], kind)
    np.testing.assert_array_equal(to_grey(with_alpha(np.dstack([grey] * 3), opaque), rule, PATH), grey)


@each_of(
    ("rule", "expected"),
    [("luma", 0.299 * 10 + 0.587 * 20 + 0.114 * 40), ("mean", 70 / 3), ("first", 10)],
)
@each_of("array", [PIXEL, with_alpha(PIXEL, 255), with_alpha(PIXEL, 0)])
def test_a_rule_makes_grey_of_colour_and_ignores_alpha(rule: str, expected: float, array: Array) -> None:
    found = to_grey(array, rule, PATH)
    assert found.shape == (1, 1)
    assert float(found[0, 0]) == pytest.approx(expected, abs=1e-13)


def test_only_the_first_channel_keeps_the_type() -> None:
    assert [to_grey(PIXEL, rule, PATH).dtype.name for rule in ("luma", "mean", "first")] == [
        "float64",
        "float64",
        "uint8",
    ]


@given(arrays((5, 7, 3), integers(0, 255, np.uint8)))
def test_luma_is_that_of_opencv_before_rounding(array: Array) -> None:
    rounded = cv2.cvtColor(array, cv2.COLOR_BGR2GRAY)
    assert np.abs(to_grey(array, "luma", PATH) - rounded).max() <= 0.51  # OpenCV's weights have 14 or 15 bits


@given(arrays((4, 4, 3), integers(0, 255, np.uint8)))
def test_luma_and_mean_stay_between_the_channels(array: Array) -> None:
    for rule in ("luma", "mean"):
        found = to_grey(array, rule, PATH)
        assert (found >= array.min(axis=-1) - 1e-12).all()
        assert (found <= array.max(axis=-1) + 1e-12).all()


def test_differing_channels_are_refused() -> None:
    with pytest.raises(RefusedMap) as problem:
        to_grey(PIXEL, "error", PATH)
    assert str(problem.value) == (
        "some/map.png: its colour channels differ (uint8, shape (1, 1, 3)); "
        "a map is grey: choose how to make it so with --color luma|mean|first"
    )
    assert problem.value.stage == "check"


@pytest.mark.parametrize(
    ("kind", "alpha", "found"),
    [(np.uint8, 254, "254 of 255"), (np.uint16, 255, "255 of 65535"), (np.float32, 0.5, "0.5 of 1")],
)
def test_transparency_is_refused(kind: type, alpha: float, found: str) -> None:
    with pytest.raises(RefusedMap) as problem:
        to_grey(with_alpha(np.ones((2, 2, 3), kind), alpha), "error", PATH)
    assert str(problem.value) == (
        f"some/map.png: its alpha is not opaque (minimum {found}); to ignore alpha, choose --color luma|mean|first"
    )


@pytest.mark.parametrize("channels", [1, 2, 5])
def test_other_numbers_of_channels_are_refused(channels: int) -> None:
    with pytest.raises(RefusedMap) as problem:
        to_grey(np.zeros((2, 3, channels)), "mean", PATH)
    assert str(problem.value) == (
        f"some/map.png: {channels} channels (shape (2, 3, {channels})); a map is grey, RGB or RGBA"
    )


def test_the_first_channel_is_the_first_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "colour.png"
    path.write_bytes(png_of(np.asarray([[[10, 20, 40]]], np.uint8), kind=RGB))
    array = read_map(path).array
    assert [to_grey(array, rule, path).tolist() for rule in ("first", "mean")] == [[[10]], [[70 / 3]]]


def test_an_overlay_is_refused_and_an_opaque_grey_is_not(tmp_path: Path) -> None:
    path = tmp_path / "overlay.png"
    path.write_bytes(png_of(np.asarray([[[9, 9, 9, 128]]], np.uint8), kind=RGBA))
    with pytest.raises(RefusedMap, match="alpha is not opaque"):
        to_grey(read_map(path).array, "error", path)
    path.write_bytes(png_of(np.asarray([[[9, 255]]], np.uint8), kind=GREY_ALPHA))
    assert to_grey(read_map(path).array, "error", path).tolist() == [[9]]


def test_the_input_is_not_written_to() -> None:
    array = with_alpha(PIXEL, 255)
    array.flags.writeable = False
    for rule in ("luma", "mean", "first"):
        found = to_grey(array, rule, PATH)
        assert not np.shares_memory(found, array)
