"""The fixation metrics: published numbers, brute force over all pairs of pixels, the randomised originals, and laws.

The originals are restated from the MATLAB code of https://github.com/cvzoya/saliency, with its random numbers.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from backends import BACKENDS, make, to_numpy
from hypothesis import given, settings
from hypothesis import strategies as st

from kldeval.metrics.fixated_map import FixatedMap, fixated_levels, fixated_pixels, has_close_values
from kldeval.metrics.fixations import auc, auc_borji, auc_judd, auc_shuffled, ig, ig_mit, ll, nss, sauc

if TYPE_CHECKING:
    from collections.abc import Callable

HERE = Path(__file__).parent.parent
GOLDEN = json.loads((HERE / "golden" / "companions.json").read_text())
ARRAYS = np.load(HERE / "golden" / "companions.npz")
PAIRS = np.load(HERE / "golden" / "pairs.npz")

METRICS: dict[str, Callable[[FixatedMap, Any], Any]] = {
    "nss, ddof 0": lambda seen, _: nss(seen),
    "nss, ddof 1": lambda seen, _: nss(seen, ddof=1),
    "auc, all pixels as negatives": lambda seen, _: auc(seen),
    "auc, unfixated negatives": lambda seen, _: auc(seen, negatives="unfixated"),
    "AUC_Judd.m, expectation": lambda seen, _: auc_judd(seen),
    "AUC_Borji.m, expectation": lambda seen, _: auc_borji(seen),
    "AUC_shuffled.m, expectation": auc_shuffled,
    "sauc": sauc,
    "nss, each pixel once": lambda seen, _: nss(seen, repeats=False),
    "auc, each pixel once": lambda seen, _: auc(seen, repeats=False),
}
"""Every metric of a fixated map, with the other fixations that two of them need."""

RANKS = [name for name in METRICS if name not in ("nss, ddof 0", "nss, ddof 1", "nss, each pixel once")]


def sum_by_level(seen: FixatedMap, pred: Any, amounts: Any, weights: Any = None) -> Any:
    """How much each level of `fixated_levels(pred, ...)` holds of an amount given per pixel, (1, L)."""
    amounts = np.asarray(amounts) if weights is None else np.where(np.asarray(weights) > 0, amounts, 0)
    places = np.flatnonzero(amounts)
    at = np.searchsorted(seen.values[0], np.asarray(pred).reshape(-1)[places])
    held = np.bincount(at, weights=amounts.reshape(-1)[places], minlength=seen.values.shape[-1])
    return held.astype(np.float64)[None]


def levels(pred: np.ndarray, counts: np.ndarray, weights: np.ndarray | None = None) -> FixatedMap:
    rows, cols = np.nonzero(counts)
    return fixated_levels(pred, rows, cols, counts[rows, cols], weights)


@st.composite
def scenes(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A map of few values, the number of fixations at each pixel, and that of other images."""
    seed = draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    pred = rng.integers(0, draw(st.integers(1, 9)), (5, 6))
    counts = rng.integers(1, 4, (5, 6)) * (rng.random((5, 6)) < 0.2)
    counts[rng.integers(5), rng.integers(6)] = 2
    return pred, counts, rng.integers(0, 3, (5, 6))


def mann_whitney(positives: np.ndarray, negatives: np.ndarray) -> float:
    """What roc_auc_score of scikit-learn computes: the share of pairs in order, half for a tie."""
    above = (positives[:, None] > negatives).mean()
    return float(above + (positives[:, None] == negatives).mean() / 2)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", [name for name in METRICS if name in GOLDEN["float"]])
@pytest.mark.parametrize("pair", GOLDEN)
def test_golden_numbers_over_pixels(pair: str, name: str, backend: str) -> None:
    pred, fixations, other = (
        make(backend, array) for array in (PAIRS[f"{pair}_pred"], ARRAYS[f"{pair}_fixations"], ARRAYS[f"{pair}_other"])
    )
    assert float(METRICS[name](fixated_pixels(pred, fixations), other)) == pytest.approx(GOLDEN[pair][name], abs=1e-9)


@pytest.mark.parametrize("name", [name for name in METRICS if name in GOLDEN["float"]])
@pytest.mark.parametrize("pair", GOLDEN)
def test_golden_numbers_over_levels(pair: str, name: str) -> None:
    pred = PAIRS[f"{pair}_pred"]
    seen = levels(pred, ARRAYS[f"{pair}_fixations"])
    other = sum_by_level(seen, pred, ARRAYS[f"{pair}_other"])
    assert float(METRICS[name](seen, other)) == pytest.approx(GOLDEN[pair][name], abs=1e-9)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("pair", GOLDEN)
def test_golden_information_gain(pair: str, backend: str) -> None:
    fixations = make(backend, ARRAYS[f"{pair}_fixations"])
    maps = (make(backend, PAIRS[f"{pair}_pred"]), make(backend, ARRAYS[f"{pair}_baseline"]))
    expected = GOLDEN[pair]["InfoGain.m, bits over the baseline"]
    assert float(ig_mit(*(fixated_pixels(array, fixations) for array in maps))) == pytest.approx(expected, abs=1e-9)


@settings(max_examples=100, deadline=None)
@given(scenes())
def test_areas_are_shares_of_pairs(scene: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    pred, counts, others = scene
    seen, values = levels(pred, counts), pred.ravel()
    fixations, once = np.repeat(values, counts.ravel()), pred[counts > 0]
    everywhere, unfixated, elsewhere = values, pred[counts == 0], np.repeat(values, others.ravel())
    assert float(auc(seen)) == pytest.approx(mann_whitney(fixations, everywhere), abs=1e-12)
    assert float(auc(seen, repeats=False)) == pytest.approx(mann_whitney(once, everywhere), abs=1e-12)
    assert float(auc(seen, negatives="unfixated")) == pytest.approx(mann_whitney(fixations, unfixated), abs=1e-12)
    expected = mann_whitney(fixations, elsewhere) if others.any() else math.nan
    assert float(sauc(seen, sum_by_level(seen, pred, others))) == pytest.approx(expected, abs=1e-12, nan_ok=True)


@settings(max_examples=50, deadline=None)
@given(scenes())
def test_nss_is_the_mean_standard_score_at_fixations(scene: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    pred, counts, _ = scene
    seen = levels(pred, counts)
    for ddof, repeats in ((0, True), (1, True), (0, False)):
        fixated = np.repeat(pred.ravel(), counts.ravel()) if repeats else pred[counts > 0]
        spread = pred.std(ddof=ddof)
        expected = (fixated.mean() - pred.mean()) / spread if spread else 0.0
        assert float(nss(seen, ddof=ddof, repeats=repeats)) == pytest.approx(expected, abs=1e-12)


def trapezoid(alarms: np.ndarray, hits: np.ndarray) -> float:
    return float(np.sum(np.diff(alarms) * (hits[1:] + hits[:-1])) / 2)


def jittered_judd(pred: np.ndarray, fixated: np.ndarray, rng: np.random.Generator) -> float:
    """AUC_Judd.m: thresholds at the fixated pixels, after jitter."""
    saliency = pred + rng.random(pred.shape) / 1e7
    at = np.sort(saliency[fixated])[::-1]
    n, ranks = len(at), np.arange(1, len(at) + 1)
    above = (saliency.ravel() >= at[:, None]).sum(axis=1)
    alarms = np.concatenate([[0], (above - ranks) / (pred.size - n), [1]])
    return trapezoid(alarms, np.concatenate([[0], ranks / n, [1]]))


def one_split(pred: np.ndarray, fixated: np.ndarray, negatives: np.ndarray) -> float:
    """One split of AUC_Borji.m and AUC_shuffled.m: thresholds 0, 0.1 .. 1 of the min-max map, compared as tenths."""
    tenths = [
        10 * (array - pred.min()) >= np.arange(10, -1, -1)[:, None] * np.ptp(pred)
        for array in (pred[fixated], negatives)
    ]
    hits, alarms = (np.concatenate([[0], reached.mean(axis=1), [1]]) for reached in tenths)
    return trapezoid(alarms, hits)


@pytest.fixture(params=["ties at the lowest fixated value", "a constant map", "almost all values distinct"])
def tied_scene(request: pytest.FixtureRequest) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A small map of whole numbers, and which pixels were fixated here and on another map."""
    rng = np.random.default_rng(7)
    top = {"ties at the lowest fixated value": 4, "a constant map": 1, "almost all values distinct": 1000}[
        request.param
    ]
    pred = rng.integers(0, top, (8, 10)).astype(np.float64)
    return pred, rng.random(pred.shape) < 0.15, rng.random(pred.shape) < 0.3


def assert_is_expectation(expected: float, samples: list[float]) -> None:
    error = np.std(samples, ddof=1) / math.sqrt(len(samples))
    assert abs(np.mean(samples) - expected) <= 3 * error + 1e-12


def test_auc_judd_is_the_expectation_of_the_original(tied_scene: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    pred, fixated, _ = tied_scene
    rng = np.random.default_rng(11)
    samples = [jittered_judd(pred, fixated, rng) for _ in range(2000)]
    assert_is_expectation(float(auc_judd(fixated_pixels(pred, fixated))), samples)


def test_auc_borji_is_the_expectation_of_the_original(tied_scene: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    pred, fixated, _ = tied_scene
    rng = np.random.default_rng(12)
    samples = [one_split(pred, fixated, rng.choice(pred.ravel(), fixated.sum())) for _ in range(2000)]
    assert_is_expectation(float(auc_borji(fixated_pixels(pred, fixated))), samples)


def test_auc_shuffled_is_the_expectation_of_the_original(tied_scene: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    pred, fixated, other = tied_scene
    rng = np.random.default_rng(13)
    drawn = min(fixated.sum(), other.sum())
    samples = [one_split(pred, fixated, rng.choice(pred[other], drawn, replace=False)) for _ in range(2000)]
    assert_is_expectation(float(auc_shuffled(fixated_pixels(pred, fixated), other)), samples)


def test_sauc_is_the_expectation_of_an_area_against_drawn_fixations() -> None:
    rng = np.random.default_rng(14)
    pred, counts, others = rng.integers(0, 6, (8, 10)), rng.integers(0, 2, (8, 10)), rng.integers(0, 4, (8, 10))
    fixations, pool = np.repeat(pred.ravel(), counts.ravel()), np.repeat(pred.ravel(), others.ravel())
    samples = [mann_whitney(fixations, rng.choice(pool, len(fixations), replace=False)) for _ in range(2000)]
    assert_is_expectation(float(sauc(fixated_pixels(pred, counts), others)), samples)


def test_a_level_exactly_on_a_threshold_reaches_it() -> None:
    # level 153 of 255 is the threshold 0.6, and 6 * 0.1 > 0.6 in floating point
    pred, fixated = np.asarray([[0, 153, 255, 153]], np.uint8), np.asarray([[0, 1, 0, 1]])
    # at 0.7 and above only the one pixel of 255 is reached, from 0.6 on all fixated pixels and three of four
    assert float(auc_borji(levels(pred, fixated))) == pytest.approx(0.5 * (0.75 - 0.25) + 0.25, abs=1e-15)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32, np.float64])
@pytest.mark.parametrize("name", METRICS)
@settings(max_examples=15, deadline=None)
@given(scene=scenes(), weigh=st.sampled_from([0, 1]))
def test_levels_give_the_number_of_the_pixels(
    name: str, dtype: type, scene: tuple[np.ndarray, np.ndarray, np.ndarray], weigh: int
) -> None:
    pred: np.ndarray = scene[0].astype(dtype)
    counts, others = scene[1:]
    weights = np.random.default_rng(int(pred.sum())).random(pred.shape) * (others != 1) if weigh else None
    seen = levels(pred, counts, weights)
    actual = METRICS[name](seen, sum_by_level(seen, pred, others, weights))
    expected = METRICS[name](fixated_pixels(pred, counts, weights), others)
    assert float(actual) == pytest.approx(float(expected), abs=1e-11, nan_ok=True)


@pytest.mark.parametrize("name", METRICS)
@settings(max_examples=30, deadline=None)
@given(scene=scenes(), order=st.permutations(range(30)))
def test_neither_a_mask_of_ones_nor_the_order_of_the_pixels_matters(
    name: str, scene: tuple[np.ndarray, np.ndarray, np.ndarray], order: list[int]
) -> None:
    pred, counts, others = scene
    expected = float(METRICS[name](fixated_pixels(pred, counts), others))
    masked = METRICS[name](fixated_pixels(pred, counts, np.ones(pred.shape)), others)
    assert float(masked) == pytest.approx(expected, abs=1e-14, nan_ok=True)
    pred, counts, others = (array.reshape(1, 30)[:, order] for array in scene)
    permuted = METRICS[name](fixated_pixels(pred, counts), others)
    assert float(permuted) == pytest.approx(expected, abs=1e-12, nan_ok=True)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", METRICS)
def test_masking_equals_cropping_whatever_is_under_the_mask(name: str, backend: str) -> None:
    pred, counts = PAIRS["float_pred"], 2 * ARRAYS["float_fixations"].astype(np.int64)
    others = ARRAYS["float_other"]
    mask = np.zeros(pred.shape, bool)
    mask[5:30, 7:40] = True
    arrays = (np.where(mask, pred, np.nan), counts, mask)
    seen = fixated_pixels(*(make(backend, array) for array in arrays))
    crop = (slice(5, 30), slice(7, 40))
    expected = METRICS[name](fixated_pixels(pred[crop], counts[crop]), others[crop])
    assert float(METRICS[name](seen, make(backend, others))) == pytest.approx(float(expected), abs=1e-12)


@pytest.mark.parametrize("name", [name for name in RANKS if "Borji" not in name and "shuffled" not in name])
def test_a_rising_function_of_the_map_leaves_the_ranks_alone(name: str) -> None:
    pred, fixations, other = PAIRS["float_pred"], ARRAYS["float_fixations"], ARRAYS["float_other"]
    maps = (pred, 5 * pred - 3, np.exp(pred / 9), np.unique(pred, return_inverse=True)[1].reshape(pred.shape))
    scores = [float(METRICS[name](fixated_pixels(array, fixations), other)) for array in maps]
    assert scores == [scores[0]] * len(maps)


@settings(max_examples=30, deadline=None)
@given(scenes())
def test_the_negative_of_a_map_has_the_rest_of_the_area(scene: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    pred, counts, _ = scene
    seen, turned = fixated_pixels(pred, counts), fixated_pixels(-pred, counts)
    assert float(auc(seen)) == pytest.approx(1 - float(auc(turned)), abs=1e-12)
    assert float(nss(seen)) == pytest.approx(-float(nss(turned)), abs=1e-12)


def test_places_are_weighed_and_fixations_counted() -> None:
    # of three rows the middle one has twice the solid angle: it is two negatives, but a fixation on it is one
    pred, counts = np.asarray([[1.0], [2.0], [3.0]]), np.asarray([[1], [1], [0]])
    weights = np.asarray([[1.0], [2.0], [1.0]])
    seen = fixated_pixels(pred, counts, weights)
    assert float(auc(seen)) == pytest.approx((0.5 / 4 + (1 + 2 / 2) / 4) / 2, abs=1e-15)
    assert float(nss(seen)) == pytest.approx((1.5 - 2) / math.sqrt(0.5), abs=1e-15)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", METRICS)
def test_without_fixations_there_is_no_number(name: str, backend: str) -> None:
    pred, nothing, other = (make(backend, array) for array in ([[1.0, 2.0]], [[0, 0]], [[1, 0]]))
    assert math.isnan(float(METRICS[name](fixated_pixels(pred, nothing), other)))


@pytest.mark.parametrize("name", METRICS)
def test_a_map_with_nan_has_no_number(name: str) -> None:
    pred, fixations, other = np.asarray([[1.0, np.nan, 3.0]]), np.asarray([[1, 0, 1]]), np.asarray([[1, 1, 0]])
    assert math.isnan(float(METRICS[name](fixated_pixels(pred, fixations), other)))
    seen = levels(pred, fixations)
    assert math.isnan(float(METRICS[name](seen, sum_by_level(seen, pred, other))))


def test_a_constant_map_scores_chance() -> None:
    counts = np.asarray([[2, 0, 1, 0, 0]])
    seen = fixated_pixels(np.full((1, 5), 0.1), counts)
    other = np.asarray([[0, 0, 0, 1, 1]])
    scores = {name: float(metric(seen, other)) for name, metric in METRICS.items()}
    judd = 0.5 + 1 / (2 * 3)
    assert {name: score for name, score in scores.items() if "nss" in name} == dict.fromkeys(
        ["nss, ddof 0", "nss, ddof 1", "nss, each pixel once"], 0.0
    )
    assert scores.pop("AUC_Judd.m, expectation") == pytest.approx(judd, abs=1e-15)
    assert {score for name, score in scores.items() if "nss" not in name} == {0.5}
    assert math.isnan(float(ig_mit(seen, seen)))


def test_auc_borji_needs_two_fixated_pixels() -> None:
    assert math.isnan(float(auc_borji(fixated_pixels(np.asarray([[1.0, 2.0]]), np.asarray([[0, 5]])))))


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", METRICS)
def test_a_batch_is_a_loop(name: str, backend: str) -> None:
    rng = np.random.default_rng(1)
    pred, weights = rng.integers(0, 9, (2, 3, 6, 7)), rng.integers(0, 3, (6, 7))
    counts, others = rng.integers(0, 2, (2, 2, 3, 6, 7))
    arrays = (make(backend, array) for array in (pred, counts, weights))
    batch = to_numpy(METRICS[name](fixated_pixels(*arrays), make(backend, others)))
    expected = [
        [float(METRICS[name](fixated_pixels(pred[i, j], counts[i, j], weights), others[i, j])) for j in range(3)]
        for i in range(2)
    ]
    np.testing.assert_allclose(batch, expected, rtol=1e-12)


def test_the_gradient_of_nss_is_that_of_finite_differences() -> None:
    rng = np.random.default_rng(3)
    pred, counts = torch.tensor(rng.random((3, 4)), requires_grad=True), torch.tensor(rng.integers(0, 3, (3, 4)))
    assert torch.autograd.gradcheck(lambda x: nss(fixated_pixels(x, counts)), (pred,))


def test_the_closest_values_tell_whether_jitter_would_have_broken_the_order() -> None:
    close = np.asarray([[0.5, 0.5 + 2**-30, 0.0], [1, 1, 1], [2, 3, 4]])
    assert has_close_values(close, 1e-7)
    assert not has_close_values(close, 2**-30)
    assert not has_close_values(np.ones((2, 2)), 1e-7)


@pytest.mark.parametrize("backend", BACKENDS)
def test_likelihood_and_gain_by_hand(backend: str) -> None:
    density, counts = [[0.5, 0.25, 0.125, 0.125, 0.0]], [[1, 0, 2, 0, 0]]
    with np.errstate(divide="ignore"):
        log_density = make(backend, np.log(density))
    fixations, uniform = make(backend, counts), make(backend, [[math.log(0.2)]])
    expected = (math.log(0.5) + 2 * math.log(0.125)) / 3
    assert float(ll(log_density, fixations)) == pytest.approx(expected, abs=1e-15)
    assert float(ig(log_density, uniform, fixations)) == pytest.approx(expected / math.log(2) + math.log2(5), abs=1e-14)
    assert float(ig(log_density, log_density, fixations)) == 0.0


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_fixation_on_zero_density_is_infinitely_unlikely(backend: str) -> None:
    impossible, certain, fixations = (make(backend, x) for x in ([[-np.inf, 0.0]], [[0.0, -np.inf]], [[1, 0]]))
    assert float(ll(impossible, fixations)) == float(ig(impossible, certain, fixations)) == -math.inf
    assert math.isnan(float(ig(impossible, impossible, fixations)))
    assert math.isnan(float(ll(certain, fixations * 0)))


def test_the_gain_over_levels_is_the_difference_of_the_likelihoods() -> None:
    rng = np.random.default_rng(5)
    pred, baseline, counts = rng.integers(1, 255, (3, 6, 7)).astype(np.uint8)
    logs = [np.log(array / array.sum(dtype=np.float64)) for array in (pred, baseline)]
    whole = float(ig(logs[0], logs[1], counts))
    parts = []
    for array in (pred, baseline):
        seen = levels(array, counts)
        density = np.log(np.maximum(seen.values, 1) / array.sum(dtype=np.float64))
        parts.append(float(ll(density, seen.fixations)))
    assert whole == pytest.approx((parts[0] - parts[1]) / math.log(2), abs=1e-12)


def test_information_gain_of_the_mit_code_is_the_same_over_levels_and_counts_a_pixel_once() -> None:
    pred, fixations = PAIRS["smooth8_pred"], ARRAYS["smooth8_fixations"]
    baseline = ARRAYS["smooth8_baseline"]
    counts = fixations * np.arange(1, pred.shape[1] + 1)
    over_levels = ig_mit(levels(pred, counts), levels(baseline, counts))
    assert float(over_levels) == pytest.approx(GOLDEN["smooth8"]["InfoGain.m, bits over the baseline"], abs=1e-9)


def test_the_gradient_of_the_likelihood_reaches_the_fixated_pixels_alone() -> None:
    log_density = torch.log(torch.tensor([[0.0, 0.25, 0.75]], dtype=torch.float64)).requires_grad_()
    fixations = torch.tensor([[0, 1, 3]])
    (gradient,) = torch.autograd.grad(ig(log_density, torch.zeros(1, 1, dtype=torch.float64), fixations), log_density)
    np.testing.assert_allclose(gradient.numpy(), np.asarray([[0, 0.25, 0.75]]) / math.log(2), rtol=1e-15)
