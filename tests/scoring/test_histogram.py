"""The joint histogram of an 8-bit pair gives the numbers of its pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from evaluating import by_pixel

from kldeval.metrics.registry import METRICS
from kldeval.normalization.chain import parse_chain
from kldeval.normalization.steps import STEPS
from kldeval.records import MapPair, Score
from kldeval.scoring import histogram
from kldeval.scoring.evaluator import score
from kldeval.scoring.histogram import CountedPair
from kldeval.scoring.plan import Plan, dependence
from kldeval.scoring.save_terms import pointwise_terms
from kldeval.settings.build import make_settings

if TYPE_CHECKING:
    from kldeval.settings.settings import Settings

RNG = np.random.default_rng(8)

CHAINS = (
    "sum-to-one",
    "sum-to-one(offset=1e-7)",
    "flatten-softmax",
    "log-prob(check=none)",
    "minmax+sum-to-one",
    "minmax(offset=1e-7)+sum-to-one(offset=1e-7)",
    "shift+add(value=1e-20)+sum-to-one",
    "clip(min=1e-7,max=1)",
    "max+sum-to-one(offset=1e-7)",
    "abs+sum-to-one",
    "divide(value=3)+flatten-softmax",
    "threshold(above=0.4)+sum-to-one",
    "sum-to-one+mix-uniform(share=0.2)",
    "sum-to-one+temperature(t=2)",
    "flatten-softmax+temperature(t=0.25)",
    "bytes+sum-to-one",
    "blank(below=0.1)+sum-to-one",
    "sigmoid+sum-to-one",
    "none+flatten-softmax+max+sum-to-one",
    "log-sigmoid+sum-to-one",
    "sum-to-one+mix-uniform(share=0.1)",
)
"""Chains with every step whose outcome depends on a pixel's value alone."""

METRIC_TEXTS = (
    "kld(),kld(log_eps=2.2204e-16,ratio_eps=2.2204e-16),kld(num_eps=1e-7,ratio_eps=1e-7,direction=mean,factor=10)",
    "kld-reverse(),kld-reverse(log_eps=1e-7,ratio_eps=1e-7),ce(),ce(ratio_eps=1e-7),jsd,entropy-gt,tv,hellinger",
    "js-distance,schoener-d,warren-i",
)


def test_the_cases_hold_every_pointwise_step_and_every_metric() -> None:
    steps = {call.name for chain in CHAINS for call in parse_chain(chain)}
    assert steps == {name for name in STEPS if not STEPS[name].info.spatial and name not in ("labels", "stored")}
    metrics = {call.name for text in METRIC_TEXTS for call in make_settings({"metric": text}).metrics}
    assert metrics == {name for name in METRICS if METRICS[name].info.on == "density"}


def pair_of(pred: Any, gt: Any, **kept: Any) -> MapPair:
    return MapPair("a", pred, gt, shape=pred.shape, pred_scale=255.0, gt_scale=255.0, **kept)


def counted(pair: MapPair) -> CountedPair:
    found = CountedPair.of(pair)
    assert found is not None
    return found


def blobs(shape: tuple[int, int]) -> MapPair:
    """Two maps of many equal pairs of values, with zeros of either, in places the prediction's alone."""
    y, x = np.mgrid[: shape[0], : shape[1]] / max(shape)
    pred = 255 * np.exp(-((x - 0.4) ** 2 + (y - 0.5) ** 2) / 0.02)
    gt = 255 * np.exp(-((x - 0.5) ** 2 + (y - 0.45) ** 2) / 0.04)
    return pair_of(pred.astype(np.uint8), gt.astype(np.uint8))


def absolute_terms(pair: MapPair, settings: Settings) -> dict[str, float]:
    """The sum of the absolute pointwise terms of each metric."""
    return {key: float(np.abs(terms).sum()) for key, terms in pointwise_terms(pair, Plan.of(settings)).items()}


def assert_agree(pair: MapPair, settings: Settings) -> None:
    assert CountedPair.of(pair) is not None
    fast, slow = score(pair, settings), by_pixel(pair, settings)
    assert isinstance(fast, Score)
    assert isinstance(slow, Score)
    limits = absolute_terms(pair, settings)
    for key, expected in slow.values.items():
        if np.isfinite(expected):
            assert abs(fast.values[key] - expected) <= 1e-12 * max(1, limits[key])
        else:
            np.testing.assert_equal(fast.values[key], expected)
    assert fast.n_uncovered == slow.n_uncovered
    assert fast.uncovered_mass == pytest.approx(slow.uncovered_mass, rel=1e-12, abs=1e-15)
    assert fast.remarks == slow.remarks


@pytest.mark.parametrize("metric", METRIC_TEXTS)
@pytest.mark.parametrize("norm", CHAINS)
def test_cells_give_the_numbers_of_pixels(norm: str, metric: str) -> None:
    pair = blobs((60, 80))
    for reduction in ("slices", "mean", "batchmean"):
        for scale in ("unit", "raw"):
            texts = {"metric": metric, "norm": norm, "reduction": reduction, "scale": scale}
            settings = make_settings(texts)
            assert_agree(pair, settings)


def test_zeros_that_the_prediction_has_alone_are_counted_the_same() -> None:
    pair = blobs((60, 80))
    outcome = score(pair, make_settings({}))
    assert isinstance(outcome, Score)
    bare = (pair.gt > 0) & (pair.pred == 0)
    assert outcome.n_uncovered == bare.sum() > 100
    assert outcome.uncovered_mass == pytest.approx(pair.gt[bare].sum() / pair.gt.sum(), rel=1e-12)


def test_a_full_table_of_every_pair_of_values() -> None:
    pixels = RNG.permutation(np.tile(np.arange(256 * 256), 2)).reshape(256, 512)
    pair = pair_of((pixels // 256).astype(np.uint8), (pixels % 256).astype(np.uint8))
    cells = counted(pair).cells()
    assert cells.pred.shape == cells.gt.shape == cells.counts.shape == (1, 65536)
    assert (cells.counts == 2).all()
    assert_agree(pair, make_settings({"metric": METRIC_TEXTS[1]}))


def test_equal_pairs_of_values_are_one_cell() -> None:
    pair = pair_of(np.asarray([[0, 7], [7, 255]], np.uint8), np.asarray([[5, 3], [3, 0]], np.uint8))
    cells = counted(pair).cells()
    assert [cells.pred.tolist(), cells.gt.tolist(), cells.counts.tolist()] == [
        [[0, 7, 255]],
        [[5, 3, 0]],
        [[1.0, 2.0, 1.0]],
    ]


@pytest.mark.parametrize("most", [1, 7, 10, 64, 1000])
def test_a_map_of_more_pixels_than_float32_counts_is_counted_in_parts(
    most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OpenCV's counts are float32: 2^24 + 1 is none of them."""
    monkeypatch.setattr(histogram, "EXACT_PIXELS", most)
    pred, gt = RNG.integers(0, 3, (2, 11, 7), dtype=np.uint8)
    counts = np.zeros((256, 256))
    np.add.at(counts, (pred, gt), 1)
    cells = counted(pair_of(pred, gt)).cells()
    assert cells.counts[0].tolist() == counts[counts > 0].tolist()
    assert counts[cells.pred[0], cells.gt[0]].tolist() == cells.counts[0].tolist()


def test_arrays_may_be_read_only_and_lie_in_memory_as_they_like() -> None:
    stored = RNG.integers(0, 4, (2, 24, 20), dtype=np.uint8)
    stored.flags.writeable = False
    pred, gt = stored[:, ::2, ::-1]
    expected = counted(pair_of(pred.copy(), gt.copy()))
    for other in (counted(pair_of(pred, gt)), counted(pair_of(np.asfortranarray(pred), gt))):
        assert np.array_equal(other.counts, expected.counts)


@pytest.mark.parametrize(
    "pair",
    [
        pair_of(np.zeros((4, 4)), np.zeros((4, 4), np.uint8)),
        pair_of(np.zeros((4, 4), np.uint8), np.zeros((4, 4), np.uint16)),
        pair_of(np.zeros((4, 4), np.int8), np.zeros((4, 4), np.int8)),
        pair_of(np.zeros((4, 4), bool), np.zeros((4, 4), bool)),
        pair_of(np.zeros((4, 4), np.uint8), np.zeros((4, 4), np.uint8), weights=np.full((4, 4), 0.5)),
        pair_of(np.zeros((1, 4, 4), np.uint8), np.zeros((1, 4, 4), np.uint8)),
    ],
)
def test_only_8_bit_pairs_without_fractional_weights_are_counted(pair: MapPair) -> None:
    assert CountedPair.of(pair) is None


@pytest.mark.parametrize(
    "texts", [{"norm": "softmax"}, {"norm": "blur(sigma=1)+sum-to-one"}, {"norm": "softmax(axis=0)"}]
)
def test_spatial_settings_score_as_the_pixels(texts: dict[str, str]) -> None:
    pair, settings = blobs((30, 40)), make_settings(texts)
    fast, slow = score(pair, settings), by_pixel(pair, settings)
    assert isinstance(fast, Score)
    assert isinstance(slow, Score)
    assert fast.values == pytest.approx(slow.values, rel=1e-12)
    assert dependence(settings.pred) != "value"


@pytest.mark.parametrize(("pred", "gt"), [(0, 5), (5, 0), (0, 0)], ids=["prediction", "ground truth", "both"])
def test_an_empty_map_is_refused_alike(pred: int, gt: int) -> None:
    pair = pair_of(np.full((4, 4), pred, np.uint8), np.full((4, 4), gt, np.uint8))
    for texts in ({}, {"empty_gt": "zero"}, {"empty_gt": "uniform", "empty_pred": "keep"}, {"norm": "flatten-softmax"}):
        settings = make_settings(texts)
        fast, slow = score(pair, settings), by_pixel(pair, settings)
        if isinstance(fast, Score) and isinstance(slow, Score):
            assert fast.values == pytest.approx(slow.values, rel=1e-12, abs=1e-15)
        else:
            assert fast == slow
