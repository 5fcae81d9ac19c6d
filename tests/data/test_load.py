"""From two paths to two maps: the scale of the stored type, and what was noticed, survive colour and resizing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest
from image_files import RGB, png_of
from reading import read_pair

from kldeval.errors import RefusedMap, UnreadableMap

if TYPE_CHECKING:
    from pathlib import Path

Array = np.ndarray[Any, np.dtype[Any]]

EDGE = np.repeat(np.asarray([[0, 0, 200, 200]], np.uint8), 4, axis=0)
LARGE = np.repeat(np.repeat(EDGE, 3, axis=0), 3, axis=1)


def save(path: Path, array: Array) -> Path:
    if path.suffix == ".npy":
        np.save(path, array)
    else:
        path.write_bytes(bytes(cv2.imencode(path.suffix, array)[1]))
    return path


@pytest.fixture
def load(tmp_path: Path) -> Any:
    """Load two arrays saved under the given suffixes."""

    def loaded(pred: Array, gt: Array, *, suffixes: tuple[str, str] = (".npy", ".npy"), **reading: Any) -> Any:
        first, second = save(tmp_path / f"p{suffixes[0]}", pred), save(tmp_path / f"g{suffixes[1]}", gt)
        return read_pair(first, second, "name", **reading)

    return loaded


def test_maps_come_as_they_are_stored(load: Any) -> None:
    pair = load(EDGE, EDGE.astype(np.uint16), suffixes=(".png", ".png"))
    np.testing.assert_array_equal(pair.pred, EDGE)
    np.testing.assert_array_equal(pair.gt, EDGE)
    assert (pair.name, pair.pred.dtype, pair.gt.dtype) == ("name", np.uint8, np.uint16)
    assert (pair.shape, pair.weights) == ((4, 4), None)


@pytest.mark.parametrize(
    ("kind", "scale"),
    [(np.uint8, 255), (np.uint16, 65535), (np.bool_, None), (np.float32, None), (np.float64, None), (np.int32, None)],
)
def test_the_scale_is_that_of_the_stored_type(load: Any, kind: type, scale: float | None) -> None:
    pair = load(EDGE.astype(kind), EDGE)
    assert (pair.pred_scale, pair.gt_scale) == (scale, 255)


def test_the_scale_survives_resizing_and_colour(load: Any, tmp_path: Path) -> None:
    pair = load(EDGE, LARGE, resize="pred-to-gt")
    assert (pair.pred.dtype, pair.pred_scale, pair.pred.max()) == (np.float64, 255, 200)
    colour = tmp_path / "colour.png"
    colour.write_bytes(png_of(np.full((4, 4, 3), [10, 20, 30], np.uint8), kind=RGB))
    pair = read_pair(colour, save(tmp_path / "gt.png", EDGE), color="mean")
    assert (pair.pred[0, 0], pair.pred_scale) == (20, 255)


def test_lossy_files_are_remarked(load: Any) -> None:
    assert load(EDGE, LARGE[:4, :4], suffixes=(".jpg", ".png")).remarks == ("lossy-pred",)
    assert load(EDGE, LARGE[:4, :4], suffixes=(".png", ".jpg")).remarks == ("lossy-gt",)


def test_overshoot_is_remarked_where_resizing_made_it(load: Any) -> None:
    for kernel in ("bicubic", "lanczos"):
        assert load(EDGE, LARGE, resize=f"pred-to-gt(kernel={kernel})").remarks == ("overshoot-pred",)
        assert load(LARGE, EDGE, resize=f"gt-to-pred(kernel={kernel})").remarks == ("overshoot-gt",)
        assert load(EDGE, LARGE, resize=f"pred-to-gt(kernel={kernel},round=true)").remarks == ()
    floats = EDGE / 255
    assert load(floats, LARGE, resize="pred-to-gt(kernel=matlab-bicubic)").remarks == ("overshoot-pred",)
    assert load(EDGE, LARGE, resize="pred-to-gt(kernel=matlab-bicubic)").remarks == ()
    assert load(EDGE, LARGE, resize="pred-to-gt(kernel=bilinear)").remarks == ()


def test_negative_values_of_the_file_are_no_overshoot(load: Any) -> None:
    assert load(EDGE - 1.0, LARGE, resize="pred-to-gt(kernel=bicubic)").remarks == ()
    assert load(EDGE - 1.0, LARGE[:4, :4]).remarks == ()


def test_integers_without_a_scale_are_remarked_once(load: Any) -> None:
    assert load(EDGE.astype(np.int64), EDGE.astype(np.int8) + 1).remarks == ("integer",)


def test_equal_maps_are_remarked(load: Any) -> None:
    assert load(EDGE, EDGE, suffixes=(".png", ".npy")).remarks == ("identical",)
    almost = EDGE.copy()
    almost[0, 0] = 1
    assert load(EDGE, almost).remarks == ()


def test_one_key_serves_both_archives(tmp_path: Path) -> None:
    path = tmp_path / "maps.npz"
    np.savez(path, a=EDGE, b=EDGE.T)
    pair = read_pair(path, save(tmp_path / "gt.png", EDGE), key="b")
    np.testing.assert_array_equal(pair.pred, EDGE.T)


def test_each_side_is_limited(load: Any) -> None:
    with pytest.raises(UnreadableMap, match=r"/p\.npy: 144 pixels \(12 x 12\) are more than --max-pixels 100$"):
        load(LARGE, EDGE, max_pixels=100)


def test_sizes_that_differ_are_refused(load: Any) -> None:
    with pytest.raises(RefusedMap, match=r"^sizes differ: the prediction is \(4, 4\), the ground truth \(12, 12\) "):
        load(EDGE, LARGE)


def test_colour_is_refused_by_default(load: Any) -> None:
    with pytest.raises(RefusedMap, match=r"/p\.png: its colour channels differ"):
        load(np.dstack([EDGE, EDGE, EDGE // 2]), EDGE, suffixes=(".png", ".png"))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("kernel", ["bicubic", "lanczos", "matlab-bicubic", "area"])
def test_nan_and_inf_pass_through_resizing_without_a_word(load: Any, kernel: str) -> None:
    pred = EDGE / 255
    pred[0, 0], pred[3, 3] = np.nan, np.inf
    assert not np.isfinite(load(pred, LARGE, resize=f"pred-to-gt(kernel={kernel})").pred).all()
