"""Resizing: two maps of one size, by OpenCV's kernels and by MATLAB's, always on the stored values."""

from __future__ import annotations

import math
import re
from typing import Any

import cv2
import numpy as np
import pytest
from drawn import arrays, numbers
from hypothesis import given, settings
from hypothesis import strategies as st
from looping import each_of
from reading import resize

import kldeval
from kldeval.errors import RefusedMap, UnknownName, UsageProblem
from kldeval.preprocessing.resize import imresize, resized

Array = np.ndarray[Any, np.dtype[Any]]

KERNELS = ["nearest", "bilinear", "bicubic", "area", "lanczos", "matlab-bicubic"]
BYTES = (np.add.outer(np.arange(12) ** 2, np.arange(15) * 17) % 256).astype(np.uint8)
SMALL = BYTES[:6, :5].copy()


@each_of("kernel", KERNELS)
@each_of("shape", [(30, 40), (5, 7), (12, 40), (1, 1)])
def test_a_constant_stays_constant(kernel: str, shape: tuple[int, int]) -> None:
    found = resized(np.full((12, 15), 0.7), shape, kernel)
    assert found.shape == shape
    np.testing.assert_allclose(found, 0.7, rtol=1e-6)  # OpenCV's weights are float32


@each_of("kernel", KERNELS)
def test_a_map_of_the_wanted_size_passes_untouched(kernel: str) -> None:
    for text in (
        f"pred-to-gt(kernel={kernel},round=true)",
        f"gt-to-pred(kernel={kernel})",
        f"both(size=15x12,kernel={kernel})",
    ):
        pred, gt = resize(BYTES, BYTES, text)
        assert pred is BYTES
        assert gt is BYTES


@each_of("kernel", KERNELS)
def test_one_side_gives_way(kernel: str) -> None:
    pred, gt = resize(BYTES, SMALL, f"pred-to-gt(kernel={kernel})")
    assert (pred.shape, gt is SMALL) == (SMALL.shape, True)
    pred, gt = resize(BYTES, SMALL, f"gt-to-pred(kernel={kernel})")
    assert (pred is BYTES, gt.shape) == (True, BYTES.shape)
    pred, gt = resize(BYTES, SMALL, f"both(size=9x8,kernel={kernel})")
    assert pred.shape == gt.shape == (8, 9)


def test_by_default_sizes_must_agree() -> None:
    assert resize(BYTES, BYTES, "none") == (BYTES, BYTES)
    with pytest.raises(RefusedMap) as problem:
        resize(BYTES, SMALL, "none")
    assert str(problem.value) == (
        "sizes differ: the prediction is (12, 15), the ground truth (6, 5) (height, width); "
        "choose who gives way, such as --resize 'pred-to-gt(kernel=bilinear)'"
    )


@each_of(
    ("text", "canonical"),
    [
        ("none", "none"),
        ("pred-to-gt(kernel=bilinear)", "pred-to-gt"),
        ("pred-to-gt( round=true, kernel=area )", "pred-to-gt(kernel=area,round=true)"),
        ("gt-to-pred(kernel=matlab-bicubic)", "gt-to-pred(kernel=matlab-bicubic)"),
        ("both(kernel=lanczos,size=256X192)", "both(size=256x192,kernel=lanczos)"),
    ],
)
def test_a_resize_prints_as_it_parses(text: str, canonical: str) -> None:
    assert f"|resize:{canonical}|" in kldeval.signature("kld", resize=text)


@each_of(
    ("text", "kind", "said"),
    [
        ("pred_to_gt", UnknownName, "unknown resize 'pred_to_gt'; did you mean 'pred-to-gt'?"),
        ("both", UsageProblem, "both needs size"),
        ("pred-to-gt(kernel=cubic)", UsageProblem, "none of nearest, bilinear, bicubic, area, lanczos, matlab-bicubic"),
        ("none(kernel=area)", UsageProblem, "none has no parameter 'kernel'"),
    ],
)
def test_a_wrong_resize_is_told_apart(text: str, kind: type[Exception], said: str) -> None:
    with pytest.raises(kind, match=re.escape(said)):
        kldeval.signature("kld", resize=text)


OPENCV = {
    "bilinear": cv2.INTER_LINEAR,
    "bicubic": cv2.INTER_CUBIC,
    "area": cv2.INTER_AREA,
    "lanczos": cv2.INTER_LANCZOS4,
    "nearest": cv2.INTER_NEAREST,
}


@each_of("kernel", sorted(OPENCV))
@each_of("shape", [(30, 40), (5, 7), (24, 30), (6, 30)])
def test_opencv_kernels_are_opencv_on_stored_values_in_double_precision(kernel: str, shape: tuple[int, int]) -> None:
    expected = cv2.resize(BYTES.astype(np.float64), (shape[1], shape[0]), interpolation=OPENCV[kernel])
    np.testing.assert_array_equal(resized(BYTES, shape, kernel), expected)


@each_of("kernel", [*OPENCV, "matlab-bicubic"])
@each_of("value", [0.3, 0.1, 77.0, 1e300])
def test_a_constant_map_stays_constant(kernel: str, value: float) -> None:
    """To the last bit: cc, nss and minmax would take what rounding adds for content."""
    for shape in [(36, 45), (11, 7), (61, 90)]:
        assert (resized(np.full((20, 30), value), shape, kernel) == value).all()
        if value == 77:
            assert (resized(np.full((20, 30), 77, np.uint8), shape, kernel) == 77).all()


def test_bilinear_by_hand() -> None:
    # half-pixel centres: the output's samples lie at -1/4, 1/4, 3/4, 5/4 of the input
    assert resized(np.asarray([[0, 100]], np.uint8), (1, 4), "bilinear").tolist() == [[0.0, 25.0, 75.0, 100.0]]


def test_area_is_the_mean_where_it_shrinks_by_whole_numbers() -> None:
    expected = BYTES.reshape(4, 3, 5, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(resized(BYTES, (4, 5), "area"), expected, rtol=1e-6)


@each_of("kind", [np.uint8, np.uint16, np.int64, np.float32, np.bool_])
def test_nearest_keeps_the_type_for_it_makes_no_new_values(kind: type) -> None:
    array: Array = SMALL.astype(kind)
    found = resized(array, (17, 3), "nearest")
    assert found.dtype == array.dtype
    assert set(found.ravel().tolist()) <= set(array.ravel().tolist())


@each_of("kernel", ["bilinear", "bicubic", "area", "lanczos"])
@each_of("kind", [np.uint8, np.uint16, np.int16, np.int64])
def test_round_keeps_an_integer_type_rounded_and_saturated(kernel: str, kind: type) -> None:
    array: Array = BYTES.astype(kind)
    values = resized(array, (30, 40), kernel)
    found = resized(array, (30, 40), kernel, rounded=True)
    limits = np.iinfo(kind)
    assert found.dtype == array.dtype
    np.testing.assert_array_equal(found, np.clip(np.rint(values), limits.min, limits.max))


def test_round_saturates_what_overshoots() -> None:
    edge = np.repeat(np.asarray([[0, 0, 255, 255]], np.uint8), 4, axis=0)
    values, found = (resized(edge, (8, 8), "bicubic", rounded=rounded) for rounded in (False, True))
    assert values.min() < -1
    assert values.max() > 256
    assert (found.min(), found.max()) == (0, 255)


def test_round_leaves_floats_in_double_precision() -> None:
    array = SMALL.astype(np.float32) / 7
    found = resized(array, (17, 3), "bilinear", rounded=True)
    assert found.dtype == np.float64
    np.testing.assert_array_equal(found, resized(array, (17, 3), "bilinear"))


def test_a_mask_becomes_shares_or_stays_a_mask() -> None:
    mask = np.asarray([[False, True]])
    assert resized(mask, (1, 4), "bilinear").tolist() == [[0.0, 0.25, 0.75, 1.0]]
    assert resized(mask, (1, 4), "bilinear", rounded=True).tolist() == [[False, False, True, True]]
    found = resized(mask, (1, 4), "matlab-bicubic")
    assert (found.dtype, found.tolist()) == (np.dtype(np.bool_), [[False, False, True, True]])


@each_of("kernel", KERNELS)
def test_the_input_may_be_read_only_and_of_any_layout(kernel: str) -> None:
    expected = resized(SMALL, (9, 9), kernel)
    frozen = np.asfortranarray(SMALL)
    frozen.flags.writeable = False
    found = resized(frozen, (9, 9), kernel)
    np.testing.assert_array_equal(found, expected)
    assert found.flags.c_contiguous


def keys_cubic(x: float) -> float:
    """The kernel by its defining properties' usual form (Keys 1981, equation 15), written apart from the program's."""
    x = abs(x)
    if x <= 1:
        return ((3 * x - 5) * x * x + 2) / 2
    return (((5 - x) * x - 8) * x + 4) / 2 if x < 2 else 0.0


def dense(n_in: int, n_out: int) -> Array:
    """The (n_out, n_in) matrix of imresize along one dimension, sample by sample in plain Python."""
    matrix = np.zeros((n_out, n_in))
    step = n_in / n_out
    stretch = max(step, 1.0)
    for row in range(n_out):
        centre = (row + 0.5) * step - 0.5
        samples = range(math.floor(centre - 2 * stretch) - 1, math.ceil(centre + 2 * stretch) + 2)
        weights = {sample: keys_cubic((centre - sample) / stretch) for sample in samples}
        total = math.fsum(weights.values())
        for sample, weight in weights.items():
            folded = sample % (2 * n_in)
            matrix[row, min(folded, 2 * n_in - 1 - folded)] += weight / total
    return matrix


@each_of("shape", [(12, 15), (24, 30), (17, 23), (6, 5), (5, 31), (31, 5), (2, 2), (1, 1), (100, 3)])
def test_matlab_bicubic_of_floats_is_the_product_with_two_dense_matrices(shape: tuple[int, int]) -> None:
    array = BYTES / 255
    expected = dense(12, shape[0]) @ array @ dense(15, shape[1]).T
    np.testing.assert_allclose(imresize(array, shape), expected, rtol=0, atol=1e-14)


def test_matlab_bicubic_by_hand() -> None:
    # up by 2 the weights are Keys' at 1/4, 5/4, 3/4, 7/4: (-9, 111, 29, -3) / 128, mirrored at the border
    found = imresize(np.asarray([[0.0, 0.0, 128.0, 128.0]]), (1, 8))
    assert found.tolist() == [[0.0, -3.0, -9.0, 26.0, 102.0, 137.0, 131.0, 128.0]]
    # down by 2 the kernel is stretched: (-3, -9, 29, 111, 111, 29, -9, -3) / 256
    weights = np.asarray([-3.0, -9.0, 29.0, 111.0, 111.0, 29.0, -9.0, -3.0])
    seen = [[2, 1, 0, 0, 1, 2, 3, 4], [0, 0, 1, 2, 3, 4, 5, 6], [1, 2, 3, 4, 5, 6, 7, 7], [3, 4, 5, 6, 7, 7, 6, 5]]
    values = np.random.default_rng(1).random((1, 8))
    np.testing.assert_allclose(imresize(values, (1, 4))[0], values[0][seen] @ weights / 256, rtol=1e-14)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40))
def test_matlab_weights_sum_to_one_and_stay_inside(n_in: int, n_out: int) -> None:
    np.testing.assert_allclose(imresize(np.ones((1, n_in)), (1, n_out)), 1, rtol=1e-14)


@given(arrays((7, 9), numbers(-1e3, 1e3)))
def test_matlab_bicubic_commutes_with_flips_and_transposes(array: Array) -> None:
    found = imresize(array, (11, 4))
    np.testing.assert_allclose(imresize(array[::-1, ::-1], (11, 4)), found[::-1, ::-1], rtol=0, atol=1e-10)
    np.testing.assert_allclose(imresize(array.T, (4, 11)), found.T, rtol=0, atol=1e-10)


@each_of("kind", [np.uint8, np.uint16, np.int16])
@each_of(("shape", "order"), [((24, 45), (0, 1)), ((24, 20), (1, 0)), ((6, 20), (0, 1)), ((18, 5), (1, 0))])
def test_matlab_keeps_integers_and_rounds_after_each_dimension(
    kind: type, shape: tuple[int, int], order: tuple[int, int]
) -> None:
    array: Array = (BYTES.astype(np.int64) * (1 if kind is np.uint8 else 120)).astype(kind)
    limits = np.iinfo(kind)
    expected = array.astype(np.float64)
    for axis in order:
        matrix = dense(array.shape[axis], shape[axis])
        expected = matrix @ expected if axis == 0 else expected @ matrix.T
        # a hair above the half, for the dense product may fall short of a tie by a last bit
        expected = np.clip(np.sign(expected) * np.floor(np.abs(expected) + 0.5 + 1e-9), limits.min, limits.max)
    found = imresize(array, shape)
    assert found.dtype == array.dtype
    assert (found == expected).mean() > 0.99
    assert np.abs(found.astype(np.float64) - expected).max() <= 1


def test_matlab_rounds_halves_away_from_zero() -> None:
    array = np.asarray([[0, 0, 64, 64]], np.int16)
    assert imresize(array.astype(np.float64), (1, 8))[0, 1:3].tolist() == [-1.5, -4.5]
    assert imresize(array, (1, 8))[0, 1:3].tolist() == [-2, -5]
    assert imresize(-array, (1, 8))[0, 1:3].tolist() == [2, 5]


def test_matlab_rounding_between_the_dimensions_shows() -> None:
    once = np.floor(np.clip(imresize(BYTES.astype(np.float64), (18, 23)), 0, 255) + 0.5)
    assert (imresize(BYTES, (18, 23)) != once).any()


def test_resizing_does_not_clip_floats() -> None:
    edge = np.repeat(np.asarray([[0.0, 0.0, 1.0, 1.0]]), 4, axis=0)
    for kernel in ("bicubic", "lanczos", "matlab-bicubic"):
        assert resized(edge, (8, 8), kernel).min() < 0


def test_the_kernel_is_that_which_is_typed() -> None:
    pred, _ = resize(BYTES, SMALL, "pred-to-gt(kernel=area)")
    np.testing.assert_array_equal(pred, resized(BYTES, SMALL.shape, "area"))


def test_the_border_of_2014_is_repeated_and_the_round_that_is_refused_is_not_made() -> None:
    ramp = np.asarray([[10, 20, 40, 80]], np.uint8)
    # beyond the border the kernel sees 10, 20 mirrored and 10, 10 repeated: they differ where it reaches two pixels out
    mirrored, repeated = (
        resized(ramp, (1, 8), "matlab-bicubic", rounded=False, border=border) for border in ("mirror", "replicate")
    )
    assert mirrored.dtype == repeated.dtype == np.float64
    taps = np.asarray([keys_cubic(x) for x in (1.75, 0.75, 0.25, 1.25)])
    assert repeated[0, 0] == pytest.approx(taps @ [10, 10, 10, 20])
    assert mirrored[0, 0] == pytest.approx(taps @ [20, 10, 10, 20])
    assert np.array_equal(mirrored[0, 3:5], repeated[0, 3:5])
    assert resized(ramp, (1, 8), "matlab-bicubic").dtype == np.uint8
    assert np.array_equal(resized(ramp, (1, 8), "matlab-bicubic"), np.rint(mirrored))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("pred-to-gt(border=replicate)", "border=replicate is for kernel=matlab-bicubic"),
        ("gt-to-pred(kernel=area,round=false)", "round=false is for kernel=matlab-bicubic"),
    ],
)
def test_what_another_kernel_does_not_know_is_refused(text: str, message: str) -> None:
    with pytest.raises(UsageProblem, match=message):
        kldeval.signature("kld", resize=text)
