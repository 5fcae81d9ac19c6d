"""Bounds of rounded predictions: no float map that rounds to the file lies outside, and maps that meet them exist."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import kldeval
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

import kldeval as library

SAMPLE = Path(__file__).parent.parent.parent / "sample_data"
EPS = 2.2204e-16


def bounds(levels: np.ndarray, q: np.ndarray, rounding: Any, eps: float) -> Any:
    """What a run says that the maps behind a file score: low, high and outer."""
    found = library.evaluate(levels[None].astype(np.uint8), q[None], metric="kld", eps=eps, bounds=rounding)
    held: Any = found.provenance["bounds"]
    (one,) = held["metrics"]["kld"]["maps"].values()
    return one


def divergence(q: np.ndarray, pred: Any, eps: float) -> float:
    return float(library.kld(np.asarray(pred)[None], q[None], eps=eps))


def ends_of(levels: np.ndarray, rounding: str) -> list[np.ndarray]:
    """The floats that become each level."""
    below, above = (0.5, 0.5) if rounding == "round" else (0, 1)
    return [np.maximum(levels - below, 0.0), np.minimum(levels + above, 255.0)]


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(2, 6),
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
    found = bounds(levels, q, rounding, eps)
    ends = ends_of(levels, rounding)
    corners = [np.asarray(corner) for corner in product(*zip(*ends, strict=True)) if sum(corner) > 0]
    numbers = [divergence(q, corner, eps) for corner in corners]
    drawn = [divergence(q, rng.uniform(*ends), eps) for _ in range(10)]
    assert found["low"] <= min(*numbers, *drawn) + 1e-9
    assert max(*numbers, *drawn) <= found["outer"] + 1e-9
    assert max(numbers) == pytest.approx(found["high"], abs=1e-9), "the map that is built is the worst of all corners"


@pytest.mark.parametrize("seed", range(8))
def test_the_lowest_bound_is_reached(seed: int) -> None:
    """By the map that scipy finds in the box of all maps that round to the file, where the divergence is convex."""
    rng = np.random.default_rng(seed)
    levels, q = rng.integers(1, 8, 6), rng.dirichlet(np.ones(6))
    low, high = ends_of(levels, "round")
    # of ln x the divergence has one minimum, and no bound is 0
    best = minimize(
        lambda logs: -(q * (logs - np.log(np.exp(logs).sum()))).sum(),
        np.log(levels),
        bounds=list(zip(np.log(low), np.log(high), strict=True)),
        options={"ftol": 1e-15, "gtol": 1e-10},
    )
    assert bounds(levels, q, "round", EPS)["low"] == pytest.approx(divergence(q, np.exp(best.x), EPS), abs=1e-7)


def test_a_prediction_that_may_be_the_ground_truth_may_score_zero() -> None:
    q = np.asarray([1.2, 3.4, 5.6, 0.3])
    found = bounds(np.rint(q), q / q.sum(), "round", 0.0)
    assert found["low"] == pytest.approx(0, abs=1e-12)
    assert float(found["high"]) == np.inf, "a pixel of level 0 may be 0 under ground-truth mass"


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
