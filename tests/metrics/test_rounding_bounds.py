"""Bounds of rounded predictions: no float map that rounds to the file lies outside, and maps that meet them exist."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from command_line import kldeval
from hypothesis import given, settings
from hypothesis import strategies as st

import kldeval as library
from kldeval.metrics.rounding_bounds import bounds, divergence, highest_map, intervals, lowest_map

SAMPLE = Path(__file__).parent.parent.parent / "sample_data"
EPS = 2.2204e-16


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(2, 7),
    rounding=st.sampled_from(["round", "floor"]),
    eps=st.sampled_from([EPS, 1e-12]),
)
def test_every_corner_and_every_draw_lies_within(seed: int, n: int, rounding: Any, eps: float) -> None:
    rng = np.random.default_rng(seed)
    levels = rng.integers(0, 8, n)
    levels[0] += 1
    q = rng.random(n) * (rng.random(n) < 0.8)
    q[-1] += 0.01
    q /= q.sum()
    found = bounds(levels, q, eps, rounding)
    ends = intervals(levels.astype(float), rounding)
    corners = [np.asarray(corner) for corner in product(*zip(*ends, strict=True)) if sum(corner) > 0]
    numbers = [divergence(q, corner, eps) for corner in corners]
    drawn = [divergence(q, rng.uniform(*ends), eps) for _ in range(50)]
    assert found.low <= min(*numbers, *drawn) + 1e-9
    assert max(*numbers, *drawn) <= found.outer + 1e-9
    assert max(numbers) == pytest.approx(found.high, abs=1e-9), "the map that is built is the worst of all corners"


def test_a_prediction_that_may_be_the_ground_truth_may_score_zero() -> None:
    q = np.asarray([[1.2, 3.4], [5.6, 0.3]])
    found = bounds(np.rint(q).astype(np.uint8), q / q.sum(), 0.0, "round")
    assert found.low == pytest.approx(0, abs=1e-12)
    assert found.high == np.inf, "a pixel of level 0 may be 0 under ground-truth mass"


@pytest.mark.parametrize("extreme", ["low", "high"])
def test_the_extremal_map_rounds_to_the_file_and_meets_the_bound(tmp_path: Path, extreme: str) -> None:
    """Build it, round it, get this file back, score it."""
    levels = cv2.imread(str(SAMPLE / "careful" / "meadow.png"), cv2.IMREAD_GRAYSCALE)
    gt = cv2.imread(str(SAMPLE / "gt" / "meadow.png"), cv2.IMREAD_GRAYSCALE)
    assert levels is not None
    assert gt is not None
    q = gt.ravel() / gt.sum()
    ends = intervals(levels.ravel().astype(float), "round")
    once = np.ones(q.size, int)
    found = bounds(levels.ravel(), q, EPS, "round")
    if extreme == "low":
        floats, expected = lowest_map(q, *ends, once), found.low
    else:
        _, moved = highest_map(q, *ends, once, EPS)
        floats, expected = np.where(moved > 0, ends[0], ends[1]), found.high
    inside = np.clip(floats, ends[0] + 1e-9, np.maximum(ends[1] - 1e-9, ends[0]))
    assert np.array_equal(np.rint(inside).astype(np.uint8), levels.ravel())
    np.save(tmp_path / "p.npy", floats.reshape(levels.shape))
    done = kldeval(tmp_path / "p.npy", SAMPLE / "gt" / "meadow.png", "-m", "kld", "--score-only")
    assert float(done.out) == pytest.approx(expected, rel=1e-9)


def report(*arguments: Any) -> dict[str, Any]:
    done = kldeval(*arguments, "--format", "json", "-q")
    assert done.code == 0, done.err
    found: dict[str, Any] = json.loads(done.out)
    return found


def test_a_report_has_the_bounds_of_every_map_and_of_the_mean() -> None:
    found = report(SAMPLE / "careful", SAMPLE / "gt", "-m", "kld,ce,cc", "--bounds", "round")
    held = found["provenance"]["bounds"]
    assert held["none"] == {"cc": "they are known of kld and ce of maps alone"}
    for key in ("kld", "ce"):
        mean, maps = held["metrics"][key]["mean"], held["metrics"][key]["maps"]
        assert set(maps) == {row["name"] for row in found["maps"]}
        assert mean["low"] <= found["summary"][key]["mean"] <= mean["high"] <= mean["outer"]
        assert mean["low"] == pytest.approx(np.mean([one["low"] for one in maps.values()]), rel=1e-12)
    shift = held["metrics"]["ce"]["mean"]["low"] - held["metrics"]["kld"]["mean"]["low"]
    entropy = report(SAMPLE / "careful", SAMPLE / "gt", "-m", "entropy-gt")["summary"]["entropy-gt"]["mean"]
    assert shift == pytest.approx(entropy, rel=1e-12)


def test_models_whose_bounds_overlap_have_no_guaranteed_order() -> None:
    done = kldeval(SAMPLE / "bold", SAMPLE / "careful", SAMPLE / "gt", "-m", "kld", "--bounds", "round")
    assert "kld: the order is not guaranteed in the worst case of rounding, where bounds overlap" in done.out


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (
            ("--norm", "flatten-softmax"),
            "they are known of predictions divided by their sum, not under flatten-softmax",
        ),
        (("--eps", "1e-7"), "an epsilon above 1e-12 is not far below every probability"),
        (("-m", "kld(direction=pred-gt)"), "they are known of D(gt || pred) alone"),
        (("--reduction", "mean"), "they are those of sums over a map, not of mean"),
    ],
)
def test_where_bounds_are_not_known_there_are_none(options: tuple[str, ...], reason: str) -> None:
    metric = () if "-m" in options else ("-m", "kld")
    found = report(SAMPLE / "careful", SAMPLE / "gt", *metric, *options, "--bounds", "floor")
    assert list(found["provenance"]["bounds"]["none"].values()) == [reason]
    assert found["provenance"]["bounds"]["metrics"] == {}


def test_another_rounding_is_refused() -> None:
    done = kldeval(SAMPLE / "careful", SAMPLE / "gt", "-m", "kld", "--bounds", "ceil")
    assert (done.code, done.err) == (2, "kldeval: --bounds ceil: 8-bit maps were made by round or by floor\n")


def test_the_library_has_them() -> None:
    found = library.evaluate(SAMPLE / "careful", SAMPLE / "gt", metric="kld", bounds="round")
    held: Any = found.provenance["bounds"]
    assert held["rounding"] == "round"
    floats = library.evaluate(np.ones((4, 5)), np.ones((4, 5)), metric="kld", bounds="round").provenance["bounds"]
    assert "not 8-bit levels that were rounded" in str(floats)
