"""Sums over values that were not divided yet are those over probabilities, whatever the sides, constants and sizes."""

from __future__ import annotations

from typing import TYPE_CHECKING
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from looping import each_of
from watching import recorded

import kldeval

if TYPE_CHECKING:
    from numpy.typing import NDArray

SHAPE = 6, 7

NORMS = ("sum-to-one", "sum-to-one(offset=0.5)", "flatten-softmax", "minmax+sum-to-one", "add(value=3)+sum-to-one")

CALLS = (
    "kld(log_eps=1e-3,ratio_eps=1e-7)",
    "kld(num_eps=1e-3,ratio_eps=1e-7)",
    "kld(log_eps=2.2204e-16,num_eps=1e-9,ratio_eps=2.2204e-16,direction=mean,factor=3)",
    "kld-reverse(log_eps=1e-9,ratio_eps=1e-9)",
    "kld",
    "ce(ratio_eps=1e-7)",
    "ce",
    "entropy-gt",
)


def value(pred: NDArray[np.float64], gt: NDArray[np.float64], call: str, norms: tuple[str, str]) -> float:
    """The number by the library, whose maps are walked through in blocks of one row."""
    name = call.partition("(")[0].replace("-", "_")
    given = dict(part.split("=") for part in call.partition("(")[2].rstrip(")").split(",") if part)
    constants = {key: text if key == "direction" else float(text) for key, text in given.items()}
    plain = {} if given or name == "entropy_gt" else {"eps": 0}
    with patch("kldeval.normalization.lazy_map.BLOCK_PIXELS", SHAPE[1]):
        return float(getattr(kldeval, name)(pred, gt, pred_norm=norms[0], gt_norm=norms[1], **plain, **constants))


def by_the_formula(pred: NDArray[np.float64], gt: NDArray[np.float64], call: str, norms: tuple[str, str]) -> float:
    """The number where nothing has a folded form: with weights of 1 the ordinary walk sums it."""
    with patch("kldeval.scoring.pixels.folds_of", lambda requests: [None] * len(requests)):
        return value(pred, gt, call, norms)


@settings(deadline=None, max_examples=30)
@given(
    seed=st.integers(0, 2**32 - 1),
    call=st.sampled_from(CALLS),
    norms=st.tuples(st.sampled_from(NORMS), st.sampled_from(NORMS)),
    size=st.sampled_from((1e-40, 1e-3, 1.0, 255.0, 1e30)),
    zeros=st.booleans(),
)
def test_it_is_the_sum_over_probabilities(
    *, seed: int, call: str, norms: tuple[str, str], size: float, zeros: bool
) -> None:
    rng = np.random.default_rng(seed)
    pred, gt = rng.uniform(0.1, 1, (2, *SHAPE))
    if zeros:
        pred[rng.random(SHAPE) < 0.3] = gt[rng.random(SHAPE) < 0.3] = 0.0
    # a softmax of numbers far apart is another question: each of its terms is 0 or infinite
    scales = [1.0 if "softmax" in norm else size for norm in norms]
    both = pred * scales[0], gt * scales[1]
    expected = by_the_formula(*both, call, norms)
    assert value(*both, call, norms) == pytest.approx(expected, rel=1e-12, abs=1e-14)


@pytest.mark.parametrize("norm", ["sum-to-one", "flatten-softmax"])
def test_a_map_against_its_like_is_exactly_0(norm: str) -> None:
    pred = np.random.default_rng(0).uniform(0.1, 1, SHAPE)
    like = pred * 2 if norm == "sum-to-one" else pred
    assert value(pred, like, "kld", (norm, norm)) == 0.0


@pytest.mark.parametrize("scale", [1e-300, 1e-200, 1e200])
def test_maps_near_the_ends_of_the_floats_are_summed_as_probabilities(scale: float) -> None:
    pred, gt = np.random.default_rng(1).uniform(0.1, 1, (2, *SHAPE))
    call = "kld(log_eps=2.2204e-16,ratio_eps=2.2204e-16)"
    plain = value(pred, gt, call, ("sum-to-one", "sum-to-one"))
    for both in ((pred * scale, gt), (pred, gt * scale), (pred * scale, gt * scale)):
        assert value(*both, call, ("sum-to-one", "sum-to-one")) == pytest.approx(plain, rel=1e-12)


def test_a_softmax_with_scores_of_minus_infinity_keeps_its_zeros() -> None:
    pred, gt = np.zeros(SHAPE), np.zeros(SHAPE)
    pred[0], gt[1] = -np.inf, -np.inf
    norms = ("flatten-softmax", "flatten-softmax")
    assert value(pred, gt, "kld", norms) == np.inf
    assert value(gt, gt, "kld", norms) == 0.0
    assert value(pred, gt, "ce(ratio_eps=1e-7)", norms) == pytest.approx(
        by_the_formula(pred, gt, "ce(ratio_eps=1e-7)", norms), rel=1e-12
    )


MIT = "kld(log_eps=2.2204e-16,ratio_eps=2.2204e-16)"


@each_of("call", [MIT, "kld", f"{MIT[:-1]},direction=mean,factor=2)", "ce", "entropy-gt"])
@each_of("norm", ["sum-to-one", "flatten-softmax"])
@each_of("apart", [1.0, 1e-1, 1e-2, 1e-3, 1e-5, 1e-8])
def test_maps_that_nearly_agree_keep_their_digits(call: str, norm: str, apart: float) -> None:
    """What entropy and cross-entropy would lose by cancelling each other."""
    pred, noise = np.random.default_rng(2).uniform(0.1, 1, (2, *SHAPE))
    gt = pred * (1 + apart * noise)
    expected = by_the_formula(pred, gt, call, (norm, norm))
    # the formula itself takes the logarithm of either sum of exponentials, and loses a digit more
    lost = 3e-16 if norm == "sum-to-one" else 1e-15
    assert value(pred, gt, call, (norm, norm)) == pytest.approx(expected, rel=1e-12, abs=lost)


@each_of("call", [MIT, "kld"])
@each_of("norm", ["sum-to-one", "flatten-softmax"])
def test_a_number_does_not_depend_on_the_maps_of_its_batch(call: str, norm: str) -> None:
    pred, gt = np.random.default_rng(3).uniform(0.1, 1, (2, 3, *SHAPE))
    gt[1] = pred[1] * (1 + 1e-6 * gt[1])
    gt[2] = pred[2]
    eps = 0 if call == "kld" else 2.2204e-16
    of_all = kldeval.kld(pred, gt, norm=norm, log_eps=eps, ratio_eps=eps)
    alone = [kldeval.kld(*both, norm=norm, log_eps=eps, ratio_eps=eps) for both in zip(pred, gt, strict=True)]
    assert of_all.tolist() == pytest.approx([float(one) for one in alone], rel=1e-12, abs=3e-16)
    if call == "kld":
        assert of_all[2] == 0


@each_of("stored", ["float32", "float64", "uint16", "float16"])
@each_of("call", CALLS)
@each_of("norm", ["sum-to-one", "flatten-softmax"])
def test_large_maps_have_the_numbers_of_small_ones(stored: str, call: str, norm: str) -> None:
    """Their logarithms and exponentials are those of OpenCV."""
    pred, gt = np.random.default_rng(4).uniform(0, 1, (2, *SHAPE))
    gt[2:4] = 0
    pred[0, 0] = 0
    scale = 60_000 if stored == "uint16" else 1
    both = (pred * scale).astype(stored), (gt * scale).astype(stored)
    plain = value(*both, call, (norm, norm))
    with patch("kldeval.normalization.arithmetic.LARGE", 1):
        assert value(*both, call, (norm, norm)) == pytest.approx(plain, rel=1e-12, abs=1e-15)


@each_of("norm", ["sum-to-one", "flatten-softmax"])
@each_of("call", ["kld", MIT, "ce(ratio_eps=1e-7)", "entropy-gt"])
@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_the_cores_of_a_large_map_move_no_bit(norm: str, call: str) -> None:
    pred, gt = np.random.default_rng(5).uniform(0, 1, (2, 23, 7)).astype(np.float32)
    with (
        patch("kldeval.normalization.segments.BLOCKS", 2),
        patch("kldeval.normalization.lazy_map.BLOCKS", 2),
        patch("kldeval.normalization.arithmetic.LARGE", 1),
    ):
        alone = value(pred, gt, call, (norm, norm))
        with (
            patch("kldeval.normalization.segments.cores_of_a_map", lambda: 3),
            patch("kldeval.normalization.segments.is_single_threaded", lambda: True),
        ):
            assert value(pred, gt, call, (norm, norm)) == alone
    assert alone == pytest.approx(value(pred, gt, call, (norm, norm)), rel=1e-12)


@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_one_large_pair_has_all_cores_and_several_share_them(monkeypatch: pytest.MonkeyPatch) -> None:
    maps = np.random.default_rng(6).uniform(0, 1, (2, 4, 23, 7)).astype(np.float32)
    forks = recorded(monkeypatch, "kldeval.normalization.segments.in_forks")
    with (
        patch("kldeval.normalization.lazy_map.BLOCK_PIXELS", 7),
        patch("kldeval.normalization.segments.BLOCKS", 2),
        patch("kldeval.normalization.segments.is_single_threaded", lambda: True),
    ):
        one = kldeval.evaluate(maps[0, :1], maps[1, :1], jobs=3)
        assert {len(shares) for _, shares in forks} == {3}
        forks.clear()
        kldeval.evaluate(maps[0], maps[1], jobs=3)
        alone = kldeval.evaluate(maps[0, :1], maps[1, :1], jobs=1)
        assert alone.values("kld") == one.values("kld")
        assert not forks


@pytest.mark.parametrize("norm", ["sum-to-one", "flatten-softmax"])
@patch("kldeval.normalization.arithmetic.LARGE", 1)
def test_where_a_map_lies_in_memory_moves_no_bit(norm: str) -> None:
    """OpenCV would add floats in an order that depends on it, and a map against its copy must be 0."""
    rng = np.random.default_rng(7)
    for _ in range(10):
        gt = (10 ** rng.uniform(-9, 0, (40, 50))).astype(np.float32)
        room = np.empty(gt.size + 16, np.float32)
        for start in (0, 3, 4, 8, 13):
            pred = room[start : start + gt.size].reshape(gt.shape)
            pred[...] = gt
            assert kldeval.kld(pred, gt, norm=norm, eps=0) == 0


@pytest.mark.parametrize("large", [1, 10**9])
@patch("kldeval.normalization.lazy_map.BLOCK_PIXELS", 200)
def test_copies_of_a_map_in_any_layout_have_one_sum(large: int) -> None:
    rng = np.random.default_rng(8)
    with patch("kldeval.normalization.arithmetic.LARGE", large):
        for _ in range(5):
            gt = (10 ** rng.uniform(-9, 0, (41, 50))).astype(np.float32)
            doubled = np.repeat(gt, 2, axis=1)
            for pred in (doubled[:, ::2], np.asfortranarray(gt), gt.astype(np.float64), gt.astype(">f4")):
                assert kldeval.kld(pred, gt, norm="sum-to-one", eps=0) == 0


@patch("kldeval.normalization.lazy_map.BLOCK_PIXELS", 200)
@patch("kldeval.normalization.arithmetic.LARGE", 1)
def test_sums_do_not_depend_on_whether_opencv_takes_them() -> None:
    gt = (10 ** np.random.default_rng(9).uniform(-9, 0, (41, 50))).astype(np.float32)
    for stored in ("float32", "float64", "uint16"):
        maps = (gt * 60_000).astype(stored), np.ones((41, 50))
        by_opencv = kldeval.ce(*maps, norm="sum-to-one")
        with patch("kldeval.normalization.arithmetic.ADDED_BY_OPENCV", ()):
            assert kldeval.ce(*maps, norm="sum-to-one") == by_opencv
