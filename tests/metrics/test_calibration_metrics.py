"""Calibration errors, the terms of the Brier score and the ranked probability score: laws, and a second opinion."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from command_line import kldeval
from hypothesis import given, settings
from hypothesis import strategies as st

import kldeval as library
from kldeval.errors import UsageProblem
from kldeval.metrics.calibration import (
    classwise_error,
    expected_error,
    forecast_sums,
    maximum_error,
    reliability,
    resolution,
    top_label_sums,
    uncertainty,
    within_bins,
)
from kldeval.metrics.class_losses import LabelRule

if TYPE_CHECKING:
    from pathlib import Path

RULE = LabelRule(axis=-1)
POOLED = ("ece", "mce", "classwise-ece", "brier-reliability", "brier-resolution", "brier-uncertainty", "brier-within")
quick = settings(deadline=None, max_examples=40)
shapes = st.tuples(st.integers(1, 60), st.integers(2, 5), st.integers(0, 999))


def forecasts(n: int, classes: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Log-probabilities and labels of some positions."""
    rng = np.random.default_rng(seed)
    logits = 2 * rng.normal(size=(n, classes))
    return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True)), rng.integers(0, classes, n)


def binned(prob: np.ndarray, occurred: np.ndarray, bins: int) -> list[tuple[float, float, float]]:
    """The share of positions, the mean probability and the share that occurred of every filled bin (a, b]."""
    rows = []
    for place in range(bins):
        inside = (prob > place / bins) & (prob <= (place + 1) / bins)
        if inside.any():
            rows.append((inside.mean(), prob[inside].mean(), occurred[inside].mean()))
    return rows


@quick
@given(shapes, st.integers(1, 20))
def test_calibration_errors_are_those_of_bins_one_by_one(shape: tuple[int, int, int], bins: int) -> None:
    log_pred, labels = forecasts(*shape)
    prob = np.exp(log_pred)
    top = binned(prob.max(axis=1), prob.argmax(axis=1) == labels, bins)
    gaps = [(share, abs(mean - right)) for share, mean, right in top]
    assert float(library.ece(log_pred, labels, axis=1, bins=bins)) == pytest.approx(
        sum(share * gap for share, gap in gaps), abs=1e-12
    )
    assert float(library.mce(log_pred, labels, axis=1, bins=bins)) == pytest.approx(
        max(gap for _, gap in gaps), abs=1e-12
    )
    by_class = [
        sum(share * abs(mean - seen) for share, mean, seen in binned(prob[:, c], labels == c, bins))
        for c in range(prob.shape[1])
    ]
    assert float(library.classwise_ece(log_pred, labels, axis=1, bins=bins)) == pytest.approx(
        float(np.mean(by_class)), abs=1e-12
    )


@quick
@given(shapes, st.integers(1, 20))
def test_the_terms_of_the_brier_score_add_up_to_it(shape: tuple[int, int, int], bins: int) -> None:
    log_pred, labels = forecasts(*shape)
    sums = forecast_sums(log_pred, labels, RULE, bins=bins)
    found = reliability(sums) - resolution(sums) + uncertainty(sums) + within_bins(sums)
    assert found == pytest.approx(float(library.brier(log_pred, labels, axis=1)), abs=1e-12)


@quick
@given(shapes, st.integers(0, 60))
def test_sums_of_parts_add_up_to_those_of_the_whole(shape: tuple[int, int, int], cut: int) -> None:
    log_pred, labels = forecasts(*shape)
    for make in (top_label_sums, forecast_sums):
        whole = make(log_pred, labels, RULE)
        parts = [
            make(log_pred[rows], labels[rows], RULE) for rows in (slice(cut), slice(cut, None)) if len(labels[rows])
        ]
        assert np.sum(parts, axis=0) == pytest.approx(whole, abs=1e-12)


def test_probabilities_at_an_edge_belong_to_the_bin_below() -> None:
    """(a, b]: 0.2 = 3/15 is in the third of fifteen bins, however 0.2 * 15 rounds; 0 is in the first."""
    log_pred = np.log(np.asarray([[0.8, 0.2], [0.2, 0.8], [1.0, 1e-300]]))
    n = np.asarray(forecast_sums(log_pred, np.asarray([0, 1, 0]), RULE)[2:]).reshape(5, 2, 15)[0]
    assert np.flatnonzero(n[0]).tolist() == [2, 11, 14]
    assert np.flatnonzero(n[1]).tolist() == [0, 2, 11]


def test_nothing_that_counts_has_no_number() -> None:
    rule = LabelRule(axis=-1, ignore_index=9)
    log_pred, labels = np.log(np.full((2, 2), 0.5)), np.asarray([9, 9])
    for found in (expected_error, maximum_error):
        assert math.isnan(found(top_label_sums(log_pred, labels, rule)))
    for found in (classwise_error, reliability, resolution, uncertainty, within_bins):
        assert math.isnan(found(forecast_sums(log_pred, labels, rule)))


@quick
@given(shapes)
def test_the_ranked_probability_score_is_that_of_cumulated_forecasts(shape: tuple[int, int, int]) -> None:
    log_pred, labels = forecasts(*shape)
    classes = log_pred.shape[1]
    gaps = np.cumsum(np.exp(log_pred), axis=1) - (labels[:, None] <= np.arange(classes))
    expected = (gaps**2).sum(axis=1).mean()
    assert float(library.rps(log_pred, labels, axis=1)) == pytest.approx(expected, rel=1e-12)
    assert float(library.rps(log_pred, labels, axis=1, normalized=True)) == pytest.approx(
        expected / (classes - 1), rel=1e-12
    )


@pytest.fixture
def maps(tmp_path: Path) -> tuple[Path, Path]:
    """Class maps of different sizes with labels, some of which do not count."""
    rng = np.random.default_rng(0)
    for name, size in (("a", (4, 5)), ("b", (9, 7)), ("c", (30, 40))):
        for side in ("pred", "gt"):
            (tmp_path / side).mkdir(exist_ok=True)
        np.save(tmp_path / "pred" / f"{name}.npy", 2 * rng.normal(size=(3, *size)))
        labels = rng.integers(0, 3, size).astype(np.uint8)
        labels[0, 0] = 255
        np.save(tmp_path / "gt" / f"{name}.npy", labels)
    return tmp_path / "pred", tmp_path / "gt"


FLAGS = ("--norm", "softmax", "--axis", "0", "--ignore-index", "255")


def run(maps: tuple[Path, Path], *arguments: Any) -> dict[str, Any]:
    outcome = kldeval(*maps, *FLAGS, *arguments, "--format", "json", "-q")
    assert outcome.code == 0, outcome.err
    document: dict[str, Any] = json.loads(outcome.out)
    return document


def all_pixels(maps: tuple[Path, Path]) -> tuple[np.ndarray, np.ndarray]:
    rows, labels = [], []
    for path in sorted(maps[0].iterdir()):
        logits, label = np.load(path).reshape(3, -1).T, np.load(maps[1] / path.name).ravel()
        log_pred = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
        rows.append(log_pred[label != 255])
        labels.append(label[label != 255])
    return np.concatenate(rows), np.concatenate(labels).astype(int)


@pytest.mark.parametrize("metric", POOLED)
def test_over_pixels_the_number_is_that_of_all_pixels_together(maps: tuple[Path, Path], metric: str) -> None:
    """Pooled before the number is worked out; the signature says so. Over maps it is the mean of the maps' numbers."""
    pooled = run(maps, "-m", metric, "--maps", "pixels")
    log_pred, labels = all_pixels(maps)
    expected = float(getattr(library, metric.replace("-", "_"))(log_pred, labels, axis=1))
    assert pooled["summary"][metric]["mean"] == pytest.approx(expected, rel=1e-12)
    assert "|maps:pixels|" in pooled["signature"][metric]
    assert "reduce:" not in pooled["signature"][metric]
    each = run(maps, "-m", metric)
    values = [row[metric] for row in each["maps"]]
    assert each["summary"][metric]["mean"] == pytest.approx(math.fsum(values) / 3, rel=1e-15)
    assert [row[metric] for row in pooled["maps"]] == values


def test_merged_parts_and_any_number_of_jobs_give_the_whole(maps: tuple[Path, Path], tmp_path: Path) -> None:
    flags = ("-m", "ece,classwise-ece,rps", "--maps", "pixels")
    whole = run(maps, *flags)
    assert run(maps, *flags, "--jobs", "1")["summary"] == whole["summary"]
    parts = []
    for name in "abc":
        rows = tmp_path / f"{name}.csv"
        rows.write_text(f"pred,gt,name\n{maps[0]}/{name}.npy,{maps[1]}/{name}.npy,{name}\n")
        parts.append(tmp_path / f"{name}.json")
        assert kldeval("--manifest", rows, *FLAGS, *flags, "-o", parts[-1], "-q").code == 0
    merged = json.loads(kldeval("merge", *parts, "--format", "json", "-q").out)
    assert merged["summary"] == whole["summary"]


def test_one_bin_at_least() -> None:
    with pytest.raises(UsageProblem, match="bins=0"):
        library.ece(np.log(np.full((1, 2), 0.5)), np.asarray([0]), axis=1, bins=0)


def test_a_table_per_class_has_the_metrics_that_are_sums_over_positions(maps: tuple[Path, Path]) -> None:
    outcome = kldeval(*maps, *FLAGS, "-m", "ce,ece", "--per-class")
    assert outcome.code == 0, outcome.err
    assert "class   pixels     ce ↓\n" in outcome.out
