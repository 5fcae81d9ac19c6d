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
from backends import BACKENDS, make, to_numpy
from hypothesis import given, settings
from hypothesis import strategies as st
from late import late
from looping import each_of

import kldeval
from kldeval import auc, auc_borji, auc_judd, auc_shuffled, ig, ig_mit, ll, nss, sauc
from kldeval.errors import RefusedMap

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

torch = late("torch")

HERE = Path(__file__).parent.parent
GOLDEN = json.loads((HERE / "golden" / "companions.json").read_text())
ARRAYS = np.load(HERE / "golden" / "companions.npz")
PAIRS = np.load(HERE / "golden" / "pairs.npz")

Scene = tuple[np.ndarray, np.ndarray, np.ndarray]

METRICS: dict[str, Callable[..., Any]] = {
    "nss": lambda pred, counts, _, **beside: nss(pred, counts, **beside),
    "nss(ddof=1)": lambda pred, counts, _, **beside: nss(pred, counts, ddof=1, **beside),
    "auc": lambda pred, counts, _, **beside: auc(pred, counts, **beside),
    "auc(negatives=unfixated)": lambda pred, counts, _, **beside: auc(pred, counts, negatives="unfixated", **beside),
    "auc-judd": lambda pred, counts, _, **beside: auc_judd(pred, counts, **beside),
    "auc-borji": lambda pred, counts, _, **beside: auc_borji(pred, counts, **beside),
    "auc-shuffled": auc_shuffled,
    "sauc": sauc,
    "nss(repeats=false)": lambda pred, counts, _, **beside: nss(pred, counts, repeats=False, **beside),
    "auc(repeats=false)": lambda pred, counts, _, **beside: auc(pred, counts, repeats=False, **beside),
}
"""Every metric of a map and its fixations, with the other fixations that two of them need."""

PUBLISHED = {
    "nss": "nss, ddof 0",
    "nss(ddof=1)": "nss, ddof 1",
    "auc": "auc, all pixels as negatives",
    "auc(negatives=unfixated)": "auc, unfixated negatives",
    "auc-judd": "AUC_Judd.m, expectation",
    "auc-borji": "AUC_Borji.m, expectation",
    "auc-shuffled": "AUC_shuffled.m, expectation",
}
"""What the golden numbers call the metrics."""

RANKS = [name for name in METRICS if "nss" not in name]


def in_a_run(scene: Scene, weights: np.ndarray | None = None) -> Mapping[str, float]:
    """The numbers of a run, which knows a map by its levels or ranks; a second image brings the other fixations."""
    pred, counts, other = scene
    found = kldeval.evaluate(
        [pred, pred],
        [np.ones_like(pred)] * 2,
        metric=list(METRICS),
        fixations=[counts, other],
        other_map=[other, other],
        weights=weights,
        device="cpu",
    )
    return {score.name: score for score in found.scores}["0"].values


@st.composite
def scenes(draw: st.DrawFn) -> Scene:
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


@each_of("backend", BACKENDS)
@each_of("pair", GOLDEN)
def test_golden_numbers(pair: str, backend: str) -> None:
    arrays = (PAIRS[f"{pair}_pred"], ARRAYS[f"{pair}_fixations"], ARRAYS[f"{pair}_other"])
    found = {name: float(METRICS[name](*(make(backend, array) for array in arrays))) for name in PUBLISHED}
    assert found == pytest.approx({name: GOLDEN[pair][key] for name, key in PUBLISHED.items()}, abs=1e-9)


@pytest.mark.parametrize("pair", GOLDEN)
def test_golden_numbers_of_a_run(pair: str) -> None:
    found = in_a_run((PAIRS[f"{pair}_pred"], ARRAYS[f"{pair}_fixations"], ARRAYS[f"{pair}_other"]))
    expected = {name: GOLDEN[pair][key] for name, key in PUBLISHED.items()}
    assert {name: found[name] for name in PUBLISHED} == pytest.approx(expected, abs=1e-9)


@each_of("backend", BACKENDS)
@each_of("pair", GOLDEN)
def test_golden_information_gain(pair: str, backend: str) -> None:
    fixations = make(backend, ARRAYS[f"{pair}_fixations"])
    pred, baseline = (make(backend, array) for array in (PAIRS[f"{pair}_pred"], ARRAYS[f"{pair}_baseline"]))
    expected = GOLDEN[pair]["InfoGain.m, bits over the baseline"]
    assert float(ig_mit(pred, fixations, baseline)) == pytest.approx(expected, abs=1e-9)


@settings(max_examples=40, deadline=None)
@given(scenes())
def test_areas_are_shares_of_pairs(scene: Scene) -> None:
    pred, counts, others = scene
    values = pred.ravel()
    fixations, once = np.repeat(values, counts.ravel()), pred[counts > 0]
    everywhere, unfixated, elsewhere = values, pred[counts == 0], np.repeat(values, others.ravel())
    assert float(auc(pred, counts)) == pytest.approx(mann_whitney(fixations, everywhere), abs=1e-12)
    assert float(auc(pred, counts, repeats=False)) == pytest.approx(mann_whitney(once, everywhere), abs=1e-12)
    assert float(auc(pred, counts, negatives="unfixated")) == pytest.approx(
        mann_whitney(fixations, unfixated), abs=1e-12
    )
    expected = mann_whitney(fixations, elsewhere) if others.any() else math.nan
    assert float(sauc(pred, counts, others)) == pytest.approx(expected, abs=1e-12, nan_ok=True)


@settings(max_examples=30, deadline=None)
@given(scenes())
def test_nss_is_the_mean_standard_score_at_fixations(scene: Scene) -> None:
    pred, counts, _ = scene
    for ddof, repeats in ((0, True), (1, True), (0, False)):
        fixated = np.repeat(pred.ravel(), counts.ravel()) if repeats else pred[counts > 0]
        spread = pred.std(ddof=ddof)
        expected = (fixated.mean() - pred.mean()) / spread if spread else 0.0
        assert float(nss(pred, counts, ddof=ddof, repeats=repeats)) == pytest.approx(expected, abs=1e-12)


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
def tied_scene(request: pytest.FixtureRequest) -> Scene:
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


def test_auc_judd_is_the_expectation_of_the_original(tied_scene: Scene) -> None:
    pred, fixated, _ = tied_scene
    rng = np.random.default_rng(11)
    samples = [jittered_judd(pred, fixated, rng) for _ in range(2000)]
    assert_is_expectation(float(auc_judd(pred, fixated)), samples)


def test_auc_borji_is_the_expectation_of_the_original(tied_scene: Scene) -> None:
    pred, fixated, _ = tied_scene
    rng = np.random.default_rng(12)
    samples = [one_split(pred, fixated, rng.choice(pred.ravel(), fixated.sum())) for _ in range(2000)]
    assert_is_expectation(float(auc_borji(pred, fixated)), samples)


def test_auc_shuffled_is_the_expectation_of_the_original(tied_scene: Scene) -> None:
    pred, fixated, other = tied_scene
    rng = np.random.default_rng(13)
    drawn = min(fixated.sum(), other.sum())
    samples = [one_split(pred, fixated, rng.choice(pred[other], drawn, replace=False)) for _ in range(2000)]
    assert_is_expectation(float(auc_shuffled(pred, fixated, other * 1)), samples)


def test_sauc_is_the_expectation_of_an_area_against_drawn_fixations() -> None:
    rng = np.random.default_rng(14)
    pred, counts, others = rng.integers(0, 6, (8, 10)), rng.integers(0, 2, (8, 10)), rng.integers(0, 4, (8, 10))
    fixations, pool = np.repeat(pred.ravel(), counts.ravel()), np.repeat(pred.ravel(), others.ravel())
    samples = [mann_whitney(fixations, rng.choice(pool, len(fixations), replace=False)) for _ in range(2000)]
    assert_is_expectation(float(sauc(pred, counts, others)), samples)


def test_a_level_exactly_on_a_threshold_reaches_it() -> None:
    # level 153 of 255 is the threshold 0.6, and 6 * 0.1 > 0.6 in floating point
    pred, fixated = np.asarray([[0, 153, 255, 153]], np.uint8), np.asarray([[0, 1, 0, 1]])
    # at 0.7 and above only the one pixel of 255 is reached, from 0.6 on all fixated pixels and three of four
    assert float(auc_borji(pred, fixated)) == pytest.approx(0.5 * (0.75 - 0.25) + 0.25, abs=1e-15)


@each_of("dtype", [np.uint8, np.uint16, np.int32, np.float64])
@settings(max_examples=8, deadline=None)
@given(scene=scenes(), weigh=st.booleans())
def test_a_run_gives_the_numbers_of_the_functions(dtype: type, scene: Scene, *, weigh: bool) -> None:
    pred: np.ndarray = scene[0].astype(dtype)
    counts, others = scene[1], scene[2] + np.eye(5, 6, dtype=int)  # an image without fixations is refused
    weights = np.random.default_rng(int(pred.sum())).random(pred.shape) * (others != 1) if weigh else None
    if weights is not None and not (weights * counts).any():
        return
    expected = {name: float(metric(pred, counts, others, weights=weights)) for name, metric in METRICS.items()}
    expected["auc-shuffled"] = float(auc_shuffled(pred, counts, np.sign(others), weights=weights))
    assert in_a_run((pred, counts, others), weights) == pytest.approx(expected, abs=1e-11, nan_ok=True)


@given(scene=scenes(), order=st.permutations(range(30)))
def test_neither_a_mask_of_ones_nor_the_order_of_the_pixels_matters(scene: Scene, order: list[int]) -> None:
    permuted = [array.reshape(1, 30)[:, order] for array in scene]
    for name, metric in METRICS.items():
        expected = float(metric(*scene))
        masked = float(metric(*scene, weights=np.ones((5, 6))))
        assert masked == pytest.approx(expected, abs=1e-14, nan_ok=True), name
        assert float(metric(*permuted)) == pytest.approx(expected, abs=1e-12, nan_ok=True), name


@each_of("backend", BACKENDS)
def test_masking_equals_cropping_whatever_is_under_the_mask(backend: str) -> None:
    pred, counts = PAIRS["float_pred"], 2 * ARRAYS["float_fixations"].astype(np.int64)
    others = ARRAYS["float_other"]
    mask = np.zeros(pred.shape, bool)
    mask[5:30, 7:40] = True
    soiled, hits, area, elsewhere = (
        make(backend, array) for array in (np.where(mask, pred, np.nan), counts, mask, others)
    )
    crop = (slice(5, 30), slice(7, 40))
    expected = {name: float(metric(pred[crop], counts[crop], others[crop])) for name, metric in METRICS.items()}
    found = {name: float(metric(soiled, hits, elsewhere, weights=area)) for name, metric in METRICS.items()}
    assert found == pytest.approx(expected, abs=1e-12)


@each_of("name", [name for name in RANKS if "borji" not in name and "shuffled" not in name])
def test_a_rising_function_of_the_map_leaves_the_ranks_alone(name: str) -> None:
    pred, fixations, other = PAIRS["float_pred"], ARRAYS["float_fixations"], ARRAYS["float_other"]
    maps = (pred, 5 * pred - 3, np.exp(pred / 9), np.unique(pred, return_inverse=True)[1].reshape(pred.shape))
    scores = [float(METRICS[name](array, fixations, other)) for array in maps]
    assert scores == [scores[0]] * len(maps)


@given(scenes())
def test_the_negative_of_a_map_has_the_rest_of_the_area(scene: Scene) -> None:
    pred, counts, _ = scene
    assert float(auc(pred, counts)) == pytest.approx(1 - float(auc(-pred, counts)), abs=1e-12)
    assert float(nss(pred, counts)) == pytest.approx(-float(nss(-pred, counts)), abs=1e-12)


def test_places_are_weighed_and_fixations_counted() -> None:
    # of three rows the middle one has twice the solid angle: it is two negatives, but a fixation on it is one
    pred, counts = np.asarray([[1.0], [2.0], [3.0]]), np.asarray([[1], [1], [0]])
    weights = np.asarray([[1.0], [2.0], [1.0]])
    assert float(auc(pred, counts, weights=weights)) == pytest.approx((0.5 / 4 + (1 + 2 / 2) / 4) / 2, abs=1e-15)
    assert float(nss(pred, counts, weights=weights)) == pytest.approx((1.5 - 2) / math.sqrt(0.5), abs=1e-15)


@each_of("backend", BACKENDS)
def test_without_fixations_there_is_no_number(backend: str) -> None:
    pred, nothing, other = (make(backend, array) for array in ([[1.0, 2.0]], [[0, 0]], [[1, 0]]))
    found = {name: float(metric(pred, nothing, other)) for name, metric in METRICS.items()}
    assert found == pytest.approx(dict.fromkeys(METRICS, math.nan), nan_ok=True)


def test_a_map_with_nan_has_no_number() -> None:
    scene = np.asarray([[1.0, np.nan, 3.0]]), np.asarray([[1, 0, 1]]), np.asarray([[1, 1, 0]])
    found = {name: float(metric(*scene)) for name, metric in METRICS.items()}
    assert found == pytest.approx(dict.fromkeys(METRICS, math.nan), nan_ok=True)


def test_a_constant_map_scores_chance() -> None:
    counts = np.asarray([[2, 0, 1, 0, 0]])
    pred, other = np.full((1, 5), 0.1), np.asarray([[0, 0, 0, 1, 1]])
    scores = {name: float(metric(pred, counts, other)) for name, metric in METRICS.items()}
    judd = 0.5 + 1 / (2 * 3)
    assert {name: score for name, score in scores.items() if "nss" in name} == dict.fromkeys(
        ["nss", "nss(ddof=1)", "nss(repeats=false)"], 0.0
    )
    assert scores.pop("auc-judd") == pytest.approx(judd, abs=1e-15)
    assert {score for name, score in scores.items() if "nss" not in name} == {0.5}
    assert math.isnan(float(ig_mit(pred, counts, pred)))


def test_auc_borji_needs_two_fixated_pixels() -> None:
    assert math.isnan(float(auc_borji(np.asarray([[1.0, 2.0]]), np.asarray([[0, 5]]))))


@each_of("backend", BACKENDS)
def test_a_batch_is_a_loop(backend: str) -> None:
    rng = np.random.default_rng(1)
    pred, weights = rng.integers(0, 9, (2, 3, 6, 7)), rng.integers(0, 3, (6, 7))
    counts, others = rng.integers(0, 2, (2, 2, 3, 6, 7))
    maps, hits, elsewhere, area = (make(backend, array) for array in (pred, counts, others, weights))
    for name, metric in METRICS.items():
        batch = to_numpy(metric(maps, hits, elsewhere, weights=area))
        expected = [
            [float(metric(pred[i, j], counts[i, j], others[i, j], weights=weights)) for j in range(3)] for i in range(2)
        ]
        np.testing.assert_allclose(batch, expected, rtol=1e-12, err_msg=name)


def test_the_gradient_of_nss_is_that_of_finite_differences() -> None:
    rng = np.random.default_rng(3)
    pred, counts = torch.tensor(rng.random((3, 4)), requires_grad=True), torch.tensor(rng.integers(0, 3, (3, 4)))
    assert torch.autograd.gradcheck(lambda x: nss(x, counts), (pred,))


@pytest.mark.parametrize(
    ("distance", "dtype", "breaks"), [(2**-30, "f8", True), (2**-20, "f8", False), (1, "u1", False)]
)
def test_a_run_says_where_jitter_would_have_broken_the_order(distance: float, dtype: str, *, breaks: bool) -> None:
    pred, counts = np.asarray([[0.5, 0.5 + distance, 0.0], [1, 1, 1], [2, 3, 4]]).astype(dtype), np.eye(3, dtype=int)
    found = kldeval.evaluate(pred, np.ones((3, 3)), metric="auc-judd", fixations=counts)
    assert any("jitter" in note for note in found.notes) == breaks, found.notes


@each_of("backend", BACKENDS)
def test_likelihood_and_gain_by_hand(backend: str) -> None:
    density, counts = make(backend, [[0.5, 0.25, 0.125, 0.125, 0.0]]), make(backend, [[1, 0, 2, 0, 0]])
    uniform = make(backend, [[0.2] * 5])
    expected = (math.log(0.5) + 2 * math.log(0.125)) / 3
    assert float(ll(density, counts)) == pytest.approx(expected, abs=1e-15)
    assert float(ig(density, counts, uniform)) == pytest.approx(expected / math.log(2) + math.log2(5), abs=1e-14)
    assert float(ig(density, counts, density)) == 0.0


@each_of("backend", BACKENDS)
def test_a_fixation_on_zero_density_is_infinitely_unlikely(backend: str) -> None:
    impossible, certain, counts = (make(backend, x) for x in ([[0.0, 1.0]], [[1.0, 0.0]], [[1, 0]]))
    assert float(ll(impossible, counts)) == float(ig(impossible, counts, certain)) == -math.inf
    assert math.isnan(float(ig(impossible, counts, impossible)))
    assert math.isnan(float(ll(certain, counts * 0)))


def test_the_gain_of_a_run_is_that_of_arrays_and_the_difference_of_the_likelihoods() -> None:
    rng = np.random.default_rng(5)
    pred, baseline, counts = rng.integers(1, 255, (3, 6, 7)).astype(np.uint8)
    whole = kldeval.evaluate(pred, pred, metric="ig", fixations=counts, baseline=baseline).values("ig")[0]
    assert whole == pytest.approx(float(ig(pred, counts, baseline)), abs=1e-12)
    parts = [kldeval.evaluate(array, pred, metric="ll", fixations=counts).values("ll")[0] for array in (pred, baseline)]
    assert whole == pytest.approx((parts[0] - parts[1]) / math.log(2), abs=1e-12)


def test_information_gain_of_the_mit_code_is_the_same_in_a_run_and_counts_a_pixel_once() -> None:
    pred, fixations = PAIRS["smooth8_pred"], ARRAYS["smooth8_fixations"]
    counts = fixations * np.arange(1, pred.shape[1] + 1)
    found = kldeval.evaluate(pred, pred, metric="ig-mit", fixations=counts, baseline=ARRAYS["smooth8_baseline"])
    assert found.values("ig-mit")[0] == pytest.approx(GOLDEN["smooth8"]["InfoGain.m, bits over the baseline"], abs=1e-9)


def test_the_gradient_of_the_gain_is_that_of_finite_differences() -> None:
    density = torch.tensor([[0.5, 0.25, 0.75]], dtype=torch.float64, requires_grad=True)
    counts, uniform = torch.tensor([[0, 1, 3]]), torch.ones(1, 3, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda x: ig(x, counts, uniform), (density,))
    (gradient,) = torch.autograd.grad(ig(density, counts, uniform), density)
    shares = np.asarray([[0, 0.25, 0.75]])  # of the fixations; a density has the sum 1, whatever the map's
    expected = (shares / density.detach().numpy() - 1 / 1.5) / math.log(2)
    np.testing.assert_allclose(gradient.numpy(), expected, rtol=1e-13)


@each_of("backend", BACKENDS)
@each_of("metric", METRICS)
def test_what_are_no_counts_is_refused(metric: str, backend: str) -> None:
    """A density in the place of fixations weights every pixel, and gave a number."""
    pred, counts = np.asarray([[0.2, 0.5, 0.1], [0.9, 0.3, 0.4]]), np.asarray([[0, 1, 0], [2, 0, 0]])
    arrays = [make(backend, pred), make(backend, counts, "float64"), make(backend, counts, "float64")]
    METRICS[metric](*arrays)
    for wrong in (0.5, -1.0, math.nan):
        spoilt = counts.astype(float)
        spoilt[0, 0] = wrong
        with pytest.raises(RefusedMap, match=f"fixations hold {wrong:g}: they are how often each pixel was fixated"):
            METRICS[metric](arrays[0], make(backend, spoilt), arrays[2])
