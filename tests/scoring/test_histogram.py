"""An 8-bit pair gives the numbers of its pixels, whatever its settings and wherever it lies in memory."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from evaluating import by_pixel, outcome_of, pair_of, scored, settings_of
from every import metrics, pointwise_steps
from looping import each_of

from kldeval.errors import UsageProblem
from kldeval.records import MapPair, Score

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
    assert {call.partition("(")[0] for chain in CHAINS for call in chain.split("+")} == pointwise_steps()
    found = {call.name for text in METRIC_TEXTS for call in settings_of({"metric": text}).metrics}
    assert found == set(metrics("density"))


def blobs(shape: tuple[int, int]) -> MapPair:
    """Two maps of many equal pairs of values, with zeros of either, in places the prediction's alone."""
    y, x = np.mgrid[: shape[0], : shape[1]] / max(shape)
    pred = 255 * np.exp(-((x - 0.4) ** 2 + (y - 0.5) ** 2) / 0.02)
    gt = 255 * np.exp(-((x - 0.5) ** 2 + (y - 0.45) ** 2) / 0.04)
    return pair_of(pred.astype(np.uint8), gt.astype(np.uint8))


def assert_agree(pair: MapPair, **texts: str) -> None:
    settings = settings_of(texts)
    fast, slow = scored(pair, settings), by_pixel(pair, settings)
    assert isinstance(slow, Score)
    assert fast.values == pytest.approx(slow.values, rel=1e-11, abs=1e-12, nan_ok=True), texts
    assert fast.n_uncovered == slow.n_uncovered
    assert fast.uncovered_mass == pytest.approx(slow.uncovered_mass, rel=1e-12, abs=1e-15)
    assert fast.remarks == slow.remarks


@each_of("metric", METRIC_TEXTS)
@each_of("norm", CHAINS)
def test_cells_give_the_numbers_of_pixels(norm: str, metric: str) -> None:
    pair = blobs((30, 40))
    for reduction, scale in (("slices", "unit"), ("mean", "raw"), ("batchmean", "unit"), ("slices", "raw")):
        assert_agree(pair, metric=metric, norm=norm, reduction=reduction, scale=scale)


SHARED = "cc,cc(std_eps=1e-5),sim,sim(minmax=true),mse,mae,tv,hellinger,cc(of=norm),sim(of=norm)"
"""Metrics that are sums of what two levels have in common, where these rise and the maps are not too much alike."""


def neighbours(kind: str) -> MapPair:
    """Two maps that share everything, nearly everything, little or nothing."""
    one = blobs((40, 50)).pred
    another = {
        "equal": one,
        "one pixel": np.where(np.arange(one.size).reshape(one.shape) == 7, one + np.uint8(1), one),
        "one level": one + np.uint8(1),
        "scaled": one // np.uint8(2),
        "reversed": np.uint8(255) - one,
        "constant": np.full_like(one, 9),
        "apart": np.where(one == 0, np.uint8(200), np.uint8(0)),
        "noise": RNG.integers(0, 256, one.shape, dtype=np.uint8),
    }[kind]
    return pair_of(one, another)


@each_of("norm", ["sum-to-one", "flatten-softmax", "threshold(above=0.4)+sum-to-one"])
@each_of("kind", ["equal", "one pixel", "one level", "scaled", "reversed", "constant", "apart", "noise"])
def test_what_levels_share_is_what_pixels_share(kind: str, norm: str) -> None:
    settings = settings_of({"metric": SHARED, "norm": norm})
    pair = neighbours(kind)
    for one in (pair, replace(pair, pred=pair.gt, gt=pair.pred)):
        # weights that are no mask are not counted, and equal ones move none of these numbers
        slow = scored(replace(one, weights=np.full(one.pred.shape, 0.5)), settings)
        fast = scored(one, settings)
        assert fast.values == pytest.approx(slow.values, rel=1e-11, abs=1e-14, nan_ok=True)
    if kind == "equal":
        assert [fast.values[key] for key in ("cc", "mse", "mae", "tv", "hellinger")] == [1, 0, 0, 0, 0]


def test_zeros_that_the_prediction_has_alone_are_counted_the_same() -> None:
    pair = blobs((60, 80))
    outcome = scored(pair, settings_of())
    bare = (pair.gt > 0) & (pair.pred == 0)
    assert outcome.n_uncovered == bare.sum() > 100
    assert outcome.uncovered_mass == pytest.approx(pair.gt[bare].sum() / pair.gt.sum(), rel=1e-12)


def test_a_full_table_of_every_pair_of_values() -> None:
    pixels = RNG.permutation(np.tile(np.arange(256 * 256), 2)).reshape(256, 512)
    pair = pair_of((pixels // 256).astype(np.uint8), (pixels % 256).astype(np.uint8))
    assert_agree(pair, metric=METRIC_TEXTS[1])


@each_of("most", [1, 7, 10, 64, 1000])
def test_a_map_of_more_pixels_than_float32_counts_is_counted_in_parts(
    most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OpenCV's counts are float32: 2^24 + 1 is none of them."""
    monkeypatch.setattr("kldeval.scoring.histogram.EXACT_PIXELS", most)
    pred, gt = RNG.integers(0, 3, (2, 11, 7), dtype=np.uint8)
    assert_agree(pair_of(pred, gt), metric=METRIC_TEXTS[1])
    assert_agree(pair_of(pred, gt), metric=METRIC_TEXTS[1], norm="flatten-softmax")


def test_arrays_may_be_read_only_and_lie_in_memory_as_they_like() -> None:
    stored = RNG.integers(0, 4, (2, 24, 20), dtype=np.uint8)
    stored.flags.writeable = False
    pred, gt = stored[:, ::2, ::-1]
    settings = settings_of({"metric": METRIC_TEXTS[0]})
    expected = scored(pair_of(pred.copy(), gt.copy()), settings)
    for other in (pair_of(pred, gt), pair_of(np.asfortranarray(pred), gt)):
        assert scored(other, settings) == expected


@each_of("dtypes", [("f8", "u1"), ("u1", "u2"), ("i1", "i1"), ("?", "?"), ("u1", "u1")])
@each_of("weighed", [None, "mask", "fractions"])
def test_other_pairs_are_their_pixels(dtypes: tuple[str, str], weighed: str | None) -> None:
    """Two kinds of numbers, signed bytes, truth values and fractional weights are no 8-bit pairs."""
    pred, gt = (RNG.integers(0, 4, (8, 9)).astype(dtype) for dtype in dtypes)
    kept: dict[str, Any] = {}
    if weighed:
        kept["weights"] = (RNG.integers(0, 3, (8, 9)) + np.eye(8, 9)) / (1 if weighed == "mask" else 2)
    assert_agree(pair_of(pred, gt, **kept), metric=METRIC_TEXTS[0])


SPATIAL = (
    *("softmax", "softmax(axis=0)", "sum-to-one(axis=1)", "sum-to-one(axis=0,offset=1e-7)"),
    *("minmax(offset=1)+add(value=0.25)+softmax", "max+sum-to-one(axis=-1,offset=1e-7)"),
    *("latitude+sum-to-one", "max+latitude+sum-to-one", "latitude+sum-to-one(axis=0,offset=1e-7)"),
    *("blur(sigma=1)+sum-to-one", "add(value=1)+blur(sigma=2)+flatten-softmax", "flatten-softmax"),
)


@each_of("pred_norm", SPATIAL)
def test_what_asks_where_a_pixel_stands_scores_as_the_pixels(pred_norm: str) -> None:
    """Also where the two sides ask for different things, and under a mask."""
    pair, mask = blobs((30, 40)), np.ones((30, 40))
    mask[:, :7] = 0
    for gt_norm in SPATIAL:
        for reduction in ("sum", "mean"):
            texts = {"pred_norm": pred_norm, "gt_norm": gt_norm, "reduction": reduction}
            texts |= {"empty_gt": "uniform", "empty_pred": "uniform"}
            try:
                settings_of(texts)
            except UsageProblem:  # sides that are no distributions over the same pixels
                continue
            assert_agree(pair, metric="kld,kld-reverse(),ce(ratio_eps=1e-7),jsd", **texts)
    masked = pair_of(pair.pred, pair.gt, weights=mask)
    assert_agree(masked, metric="kld,jsd", norm=pred_norm, empty_gt="uniform", empty_pred="uniform")


@pytest.mark.parametrize(("pred", "gt"), [(0, 5), (5, 0), (0, 0)], ids=["prediction", "ground truth", "both"])
def test_an_empty_map_is_refused_alike(pred: int, gt: int) -> None:
    pair = pair_of(np.full((4, 4), pred, np.uint8), np.full((4, 4), gt, np.uint8))
    for texts in ({}, {"empty_gt": "zero"}, {"empty_gt": "uniform", "empty_pred": "keep"}, {"norm": "flatten-softmax"}):
        settings = settings_of(texts)
        fast, slow = outcome_of(pair, settings), by_pixel(pair, settings)
        if isinstance(fast, Score) and isinstance(slow, Score):
            assert fast.values == pytest.approx(slow.values, rel=1e-12, abs=1e-15)
        else:
            assert fast == slow
