"""However a pair is looked at, it has one number: by its histogram, by lookups, by pixels, and in a batch of torch."""

from __future__ import annotations

import math
import pickle
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from evaluating import evaluator_of, settings_of
from every import metrics
from hypothesis import given
from hypothesis import settings as of_hypothesis
from hypothesis import strategies as st

from kldeval.data.fixations.collection import OtherFixations
from kldeval.engine.gpu import may_be_ragged, score_batch
from kldeval.errors import UsageProblem
from kldeval.records import AuxiliaryInputs, Failure, MapPair, Score, fixations_at
from kldeval.scoring.context import DatasetContext
from kldeval.scoring.evaluator import Evaluator
from kldeval.scoring.leave_one_out import Kernel, LeaveOneOutDensity
from kldeval.scoring.plan import Plan

CHAINS = (
    "sum-to-one",
    "sum-to-one(offset=1e-07)",
    "flatten-softmax",
    "minmax(offset=1e-07)+flatten-softmax",
    "bytes+flatten-softmax",
    "minmax+sum-to-one",
    "softmax",
    "softmax(axis=0)",
    "sum-to-one(axis=-1)",
    "sum-to-one(axis=0)",
    "latitude+sum-to-one",
    "latitude+softmax",
    "softmax+sum-to-one",
    "softmax+max+sum-to-one(axis=-1)",
    "blur(sigma=1.5)+sum-to-one",
    "sigmoid",
    "none",
    "log-prob",
    "add(value=1e-130)+sum-to-one",
)
METRIC_TEXTS = (
    *("kld", "kld()", "kld(log_eps=1e-07,ratio_eps=1e-07)", "kld(log_eps=1e-130,ratio_eps=1e-130)"),
    *("kld(log_eps=1e-07)", "kld(ratio_eps=1e-07)", "kld(num_eps=1e-07)", "kld-reverse(log_eps=0.001)"),
    *("kld(direction=mean)", "kld(num_eps=1e-07,ratio_eps=1e-07,direction=mean,factor=10)", "kld-reverse"),
    *("ce", "ce()", "jsd", "entropy-gt", "tv", "hellinger", "bce"),
    *("js-distance", "schoener-d", "warren-i", "bernoulli-kld", "cc(std_eps=1e-07)", "nss(std_eps=1e-07)"),
    *("auc-judd(jitter=none)", "auc-judd(jitter=unique)", "auc-borji(ties=float)", "ig-mit(eps=1e-07)"),
    *("cc", "sim", "sim(minmax=true)", "mse", "mae"),
    *("nss", "auc", "auc(negatives=unfixated,repeats=false)", "auc-judd", "auc-borji", "auc-shuffled", "sauc"),
    *("sauc-salicon", "sauc-salicon(step=0.1)", "ig(eps=1e-05)"),
    *("ll", "ig", "ig-mit"),
    *(name for name in metrics() if name.startswith("binary-")),
)
OF_FIXATIONS = set(metrics("fixations"))


def test_every_metric_is_drawn() -> None:
    assert {text.partition("(")[0] for text in METRIC_TEXTS} | {"emd"} == set(metrics())


@st.composite
def maps(draw: st.DrawFn) -> tuple[Any, Any, Any]:
    """Two maps of bytes, of smooth or of few values, and the weight of their pixels."""
    shape = draw(st.sampled_from([(6, 7), (5, 9), (24, 31), (1, 8)]))
    rng = np.random.default_rng(draw(st.integers(0, 1000)))
    sides = [_map(draw(st.sampled_from(["smooth", "noise", "constant", "zeros", "binary"])), shape, rng) for _ in "pq"]
    weights = draw(st.sampled_from(["none", "mask", "rows", "latitude"]))
    mask = (rng.random(shape) < 0.7).astype(float)
    if weights == "rows" and shape[0] > 1:
        mask = np.ones(shape)
        mask[: shape[0] // 2] = 0
    mask[-1, 0] = 1
    sphere = np.broadcast_to(np.sin(np.pi * (np.arange(shape[0]) + 0.5) / shape[0])[:, None], shape)
    return *sides, {"none": None, "latitude": np.ascontiguousarray(sphere)}.get(weights, mask)


def _map(kind: str, shape: tuple[int, int], rng: np.random.Generator) -> Any:
    y, x = np.mgrid[: shape[0], : shape[1]]
    centre = rng.random(2) * shape
    smooth = np.exp(-((y - centre[0]) ** 2 + (x - centre[1]) ** 2) / (2 * max(1.0, shape[1] / 6) ** 2))
    found = {
        "smooth": smooth * 255,
        "noise": rng.integers(0, 256, shape),
        "constant": np.full(shape, 7),
        "zeros": np.zeros(shape),
        "binary": rng.integers(0, 2, shape),
    }[kind]
    return found.astype(np.uint8)


@st.composite
def requests(draw: st.DrawFn) -> dict[str, str]:
    """Some metrics together, and whatever else may be asked."""
    metrics = draw(st.lists(st.sampled_from(METRIC_TEXTS), min_size=1, max_size=6, unique=True))
    names = {text.partition("(")[0] for text in metrics}
    texts = {"metric": ",".join(metrics), "norm": draw(st.sampled_from(CHAINS))}
    if draw(st.booleans()):
        texts |= {"pred_norm": texts.pop("norm"), "gt_norm": draw(st.sampled_from(CHAINS))}
    for key, choices in {
        "reduction": ("slices", "sum", "mean", "batchmean"),
        "dtype": ("float64", "float64", "float32"),
        "scale": ("unit", "raw"),
        "base": ("e", "2"),
        "empty_gt": ("error", "skip", "uniform", "zero", "nan"),
        "empty_pred": ("error", "keep", "uniform", "nan"),
    }.items():
        texts[key] = draw(st.sampled_from(choices))
    if names & {"ig", "ig-mit"}:
        texts["baseline"] = "others"
    if "auc-shuffled" in names:
        texts["other_map"] = "others"
    return texts


def dataset(shape: tuple[int, int]) -> tuple[AuxiliaryInputs, DatasetContext]:
    rng = np.random.default_rng(4)
    points = {
        name: fixations_at(rng.integers(0, shape[0], 9), rng.integers(0, shape[1], 9), shape=shape) for name in "abc"
    }
    others = OtherFixations(points)
    return AuxiliaryInputs("a", points["a"]), DatasetContext(others, LeaveOneOutDensity(others, Kernel(0.2, 0.01)))


def pair_of(name: str, pred: Any, gt: Any, weights: Any, company: AuxiliaryInputs) -> MapPair:
    return MapPair(name, pred, gt, weights, gt.shape, pred_scale=255.0, gt_scale=255.0, company=company)


def on_torch(pair: MapPair, evaluator: Evaluator) -> Any:
    """The pair in a batch beside another, in a corner of a larger map where the settings allow it."""
    beside = replace(pair, name="beside", pred=pair.gt)
    if may_be_ragged(evaluator.plan.settings):
        larger: dict[str, Any] = {
            side: np.pad(getattr(pair, side), ((0, 2), (0, 3)), mode="edge") for side in ("pred", "gt")
        }
        weights = None if pair.weights is None else np.pad(pair.weights, ((0, 2), (0, 3)), mode="edge")
        beside = replace(pair, name="beside", weights=weights, shape=larger["gt"].shape, **larger)
    ready = [evaluator.with_auxiliary_scores(one) for one in (pair, beside)]
    failed = next((one for one in ready[:1] if isinstance(one, Failure)), None)
    return failed or score_batch([one for one in ready if isinstance(one, MapPair)], evaluator, "cpu")[0]


def on_torch_counted(pair: MapPair, evaluator: Evaluator) -> Any:
    """The same by joint histograms, which maps as small as these are too many for."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("kldeval.scoring.batch_histogram.LEAST_PIXELS", 1)
        return on_torch(pair, evaluator)


FLOAT32, AT_THE_BORDER = 2e-3, 3
"""The tolerance of numbers in single precision, and the pixels of a map that may underflow in one library alone."""

NUMBER = re.compile(r"(?<![\w.])\d+\.\d+(?:e[+-]\d+)?")


def assert_same_words(found: Any, expected: Any, tolerance: float, view: str) -> None:
    """What is said of a map, in which a number of the map may stand: its last digit is that of the arithmetic."""
    told, known = str(found), str(expected)
    assert NUMBER.sub("_", told) == NUMBER.sub("_", known), view
    for one, other in zip(NUMBER.findall(told), NUMBER.findall(known), strict=True):
        assert float(one) == pytest.approx(float(other), rel=max(tolerance, 1e-5)), view


def assert_same(found: Any, expected: Any, tolerance: float, view: str) -> None:
    if not isinstance(expected, Score):
        assert_same_words(found, expected, tolerance, view)
        return
    assert isinstance(found, Score), (view, found)
    assert found.values.keys() == expected.values.keys(), view
    for key, value in expected.values.items():
        assert found.values[key] == pytest.approx(value, rel=tolerance, abs=tolerance, nan_ok=True), (view, key)
    # whether a probability at the border of float32 is 0 is said by the exponential of the library
    assert abs(found.n_uncovered - expected.n_uncovered) <= (0 if tolerance < FLOAT32 else AT_THE_BORDER), view
    assert found.uncovered_mass == pytest.approx(expected.uncovered_mass, rel=tolerance, abs=tolerance), view
    assert_same_words(found.failures, expected.failures, tolerance, view)


@pytest.mark.slow
@of_hypothesis(max_examples=100, deadline=None)
@given(both=maps(), texts=requests())
def test_every_view_of_a_pair_gives_one_number(both: tuple[Any, Any, Any], texts: dict[str, str]) -> None:
    """Every metric beside others, under every reduction, type, weight and chain."""
    pred, gt, weights = both
    try:
        settings = settings_of(texts)
    except UsageProblem:
        return  # these settings mean nothing together
    company, context = dataset(gt.shape)
    evaluator = Evaluator(Plan.of(settings), context)
    stored = pair_of("a", pred, gt, weights, company)
    expected = evaluator.score(replace(stored, pred=pred.astype(float), gt=gt.astype(float)))
    tolerance = 1e-9 if settings.dtype == "float64" else FLOAT32
    others = [evaluator.begin(pair_of("b", gt, pred, weights, company)), evaluator.begin(stored)]
    found = {
        "8 bits": evaluator.score(stored),
        "8 bits beside another": evaluator.finish(others)[1],
        "8 bits against floats": evaluator.score(replace(stored, gt=gt.astype(float))),
        "torch": on_torch(stored, evaluator),
        "torch, counted": on_torch_counted(stored, evaluator),
        "pickled": pickle.loads(pickle.dumps(evaluator)).score(stored),  # noqa: S301 - our own
    }
    for view, outcome in found.items():
        assert_same(outcome, expected, tolerance, view)


@pytest.mark.parametrize(
    ("norm", "metric", "pred", "expected"),
    [
        ("bytes+flatten-softmax", "kld", "noise", 126.0),
        ("minmax(offset=1e-07)+flatten-softmax", "kld(direction=mean)", "constant", 0.04),
    ],
)
def test_levels_that_do_not_occur_make_no_number_undefined(norm: str, metric: str, pred: str, expected: float) -> None:
    rng = np.random.default_rng(2)
    shape = 16, 16
    sides = [_map(kind, shape, rng) for kind in (pred, "binary" if pred == "noise" else "noise")]
    pair = MapPair("a", sides[0], sides[1], shape=shape, pred_scale=255.0, gt_scale=255.0)
    outcome = evaluator_of(settings_of({"metric": metric, "norm": norm})).score(pair)
    assert isinstance(outcome, Score)
    (value,) = outcome.values.values()
    assert math.isfinite(value)
    assert value == pytest.approx(expected, rel=0.1)
