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
from late import late
from looping import each_of
from schemas import validate

import kldeval as library

optimize = late("scipy.optimize")

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


@settings(max_examples=15, deadline=None)
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


@each_of("seed", range(8))
def test_the_lowest_bound_is_reached(seed: int) -> None:
    """By the map that scipy finds in the box of all maps that round to the file, where the divergence is convex."""
    rng = np.random.default_rng(seed)
    levels, q = rng.integers(1, 8, 6), rng.dirichlet(np.ones(6))
    low, high = ends_of(levels, "round")
    # of ln x the divergence has one minimum, and no bound is 0
    best = optimize.minimize(
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
    said = "kld: the order is not guaranteed in the worst case of rounding, where bounds overlap: bold and careful"
    assert said in done.out


@each_of(
    ("options", "reason"),
    [
        (("--norm", "softmax"), "they are not known under softmax"),
        (("--norm", "max+add(value=1)+sum-to-one"), "they are not known under max+add(value=1)+sum-to-one"),
        (("-m", "kld(direction=pred-gt)"), "they are known of D(gt || pred) alone"),
        (("--nodata", "3"), "they are not known where pixels without data are left out"),
    ],
)
def test_where_bounds_are_not_known_there_are_none(options: tuple[str, ...], reason: str) -> None:
    metric = () if "-m" in options else ("-m", "kld")
    found = report(SAMPLE / "careful", SAMPLE / "gt", *metric, *options, "--bounds", "floor")
    assert list(found["provenance"]["bounds"]["none"].values()) == [reason]
    assert found["provenance"]["bounds"]["metrics"] == {}


CHAINS = (
    "sum-to-one",
    "sum-to-one(offset=0.5)",
    "add(value=0.01)+sum-to-one",
    "max+sum-to-one(offset=0.5)",
    "minmax+sum-to-one",
    "minmax(offset=0.1)+sum-to-one(offset=0.01)",
    "flatten-softmax",
)


@settings(max_examples=12, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    chain=st.sampled_from(CHAINS),
    call=st.sampled_from(
        ["kld(log_eps=1e-7,ratio_eps=1e-7)", "kld(num_eps=1e-3,ratio_eps=1e-3,factor=10)", "ce(ratio_eps=1e-7)"]
    ),
    rounding=st.sampled_from(["round", "floor"]),
    scale=st.sampled_from(["unit", "raw"]),
)
def test_no_float_map_lies_outside_of_outer_bounds(seed: int, chain: str, call: str, rounding: Any, scale: str) -> None:
    rng = np.random.default_rng(seed)
    levels = rng.integers(0, 9, (2, 3)).astype(np.uint8)
    levels[0, 0], levels[1, 1] = 9, 1
    gt = rng.random((2, 3)) * (rng.random((2, 3)) < 0.7)
    gt[0, 1] += 0.1
    keywords: Any = {"pred_norm": chain, "gt_norm": "sum-to-one", "scale": scale}
    metric = call.partition("(")[0]
    report = library.evaluate(levels, gt, metric=call, bounds=rounding, **keywords)
    held: Any = report.provenance["bounds"]
    found = held["metrics"][next(iter(held["metrics"]))]["maps"]["0"]
    assert found["kind"] == "outer"
    low, high = (float(found[end]) for end in ("low", "outer"))
    ends = ends_of(levels.astype(float), rounding)
    maps = [np.where(rng.random((2, 3)) < 0.5, *ends) for _ in range(20)] + [rng.uniform(*ends) for _ in range(10)]
    # what an 8-bit file stands for, on its scale
    stack = np.stack(maps) / (255 if scale == "unit" else 1)
    scored = library.evaluate(stack, np.stack([gt] * len(maps)), metric=call, on_failure="ignore", **keywords)
    numbers = [one.values[metric] for one in scored.scores]
    assert low - 1e-9 <= min(numbers)
    assert max(numbers) <= high + 1e-9
    assert low - 1e-9 <= report.scores[0].values[metric] <= high + 1e-9
    assert low <= found["dither"][0] <= found["dither"][1] <= high


def test_outer_bounds_say_that_they_are_outer() -> None:
    done = kldeval(SAMPLE / "careful", SAMPLE / "gt", "-m", "kld", "--eps", "1e-7", "--bounds", "round")
    assert "as outer bounds (no such maps have a lower or higher mean, none may reach them)" in done.out


def test_a_prediction_that_is_resized_has_no_bounds(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    cv2.imwrite(str(tmp_path / "p.png"), rng.integers(1, 255, (8, 9), dtype=np.uint8))
    cv2.imwrite(str(tmp_path / "g.png"), rng.integers(1, 255, (16, 18), dtype=np.uint8))
    sides = tmp_path / "p.png", tmp_path / "g.png"
    found = report(*sides, "-m", "kld", "--convention", "mit", "--bounds", "round")["provenance"]["bounds"]
    assert found["none"] == {"p": "the prediction is resized"}
    same = report(SAMPLE / "careful", SAMPLE / "gt", "-m", "kld", "--convention", "mit", "--bounds", "round")
    assert list(same["provenance"]["bounds"]["metrics"]) == ["kld"]


def test_an_audit_has_the_bounds_of_every_convention(tmp_path: Path) -> None:
    sides = SAMPLE / "bold", SAMPLE / "careful", SAMPLE / "gt"
    out = tmp_path / "audit.json"
    names = "default,mit,exact,eml-net,msi-net,ram1n,flatten-softmax,torch-mean"
    some = "audit", *sides, "--convention", names, "--limit", "2", "--bounds", "round"
    done = kldeval(*some, "--output", out, "--output", tmp_path / "audit.html")
    assert done.code == 0, done.err
    found = json.loads(out.read_text())
    validate(found, "audit")
    rows = found["bounds"]["conventions"]
    assert found["bounds"]["rounding"] == "round"
    assert rows.keys() == found["conventions"].keys()
    for name, models in rows.items():
        for model, one in models.items():
            mean = found["conventions"][name]["models"][model]["mean"]
            if one["kind"] == "none":
                assert one["reason"], name
            else:
                low, outer = float(one["low"]), float(one["outer"])
                assert low - 1e-9 <= one["dither"][0] <= one["dither"][1] <= outer + 1e-9, name
                assert low - 1e-9 <= float(mean) <= outer + 1e-9, name
    alone = report(SAMPLE / "careful", SAMPLE / "gt", "-m", "kld", "--bounds", "round", "--limit", "2")
    held = alone["provenance"]["bounds"]["metrics"]["kld"]["mean"]
    for end in ("low", "high", "outer"):
        assert rows["default"]["careful"][end] == pytest.approx(held[end], rel=1e-12)
    assert rows["default"]["careful"]["dither"] == pytest.approx(held["dither"], rel=1e-9)
    assert rows["eml-net"]["careful"]["kind"] == "outer"
    assert rows["exact"]["bold"]["outer"] == "inf"
    said = "bold and careful: the order is not guaranteed in the worst case of rounding, where bounds overlap, under"
    assert f"note: {said} default, mit" in done.out
    assert "indistinguishable" not in done.out
    text = (tmp_path / "audit.html").read_text()
    assert "what the rounding of 8-bit predictions leaves open (round)" in text
    assert "worst case of rounding (round): bold" in text
    again = kldeval("show", out, "--format", "json", "-q")
    assert json.loads(again.out) == found
    assert library.Audit.load(out).bounds["mit"]["bold"].kind == "exact"


def test_an_audit_of_floats_says_that_nothing_was_rounded(tmp_path: Path) -> None:
    pred, gt = np.random.default_rng(0).random((2, 8, 9))
    np.save(tmp_path / "p.npy", pred)
    np.save(tmp_path / "g.npy", gt)
    done = kldeval("audit", tmp_path / "p.npy", tmp_path / "g.npy", "--convention", "mit", "--bounds", "floor")
    assert done.code == 0
    assert "- mit: the prediction is float64, and not 8-bit levels that were rounded" in done.out


def test_the_bounds_are_those_of_the_headline(tmp_path: Path) -> None:
    """Of the maps that were scored, and of the means of groups where these are averaged."""
    rng = np.random.default_rng(5)
    for side in ("pred", "gt"):
        for name in ("one/a", "one/b", "one/c", "two/d", "two/e"):
            (tmp_path / side / name[:3]).mkdir(parents=True, exist_ok=True)
            levels = rng.integers(1, 9, (5, 6)).astype(np.uint8)
            cv2.imwrite(str(tmp_path / side / f"{name}.png"), levels * (name != "two/e" or side == "gt"))
    done = kldeval(
        *(tmp_path / "pred", tmp_path / "gt", "-m", "kld", "--maps", "groups", "--bounds", "round"),
        *("--format", "json", "-q"),
    )
    found = json.loads(done.out)
    assert (done.code, [one["name"] for one in found["failures"]]) == (1, ["two/e"])
    held = found["provenance"]["bounds"]["metrics"]["kld"]
    assert held["mean"]["low"] < found["summary"]["kld"]["mean"] < held["mean"]["high"]
    of_groups = [
        np.mean([one["low"] for name, one in held["maps"].items() if name[:3] == group]) for group in ("one", "two")
    ]
    assert held["mean"]["low"] == pytest.approx(np.mean(of_groups), rel=1e-12)


def test_an_html_report_has_a_table_of_bounds(tmp_path: Path) -> None:
    sides = SAMPLE / "bold", SAMPLE / "careful", SAMPLE / "gt"
    page = tmp_path / "r.html"
    for some in (sides[1:], sides):
        assert kldeval(*some, "-m", "kld", "--bounds", "round", "--output", page, "-q").code == 0
        assert "<td" in page.read_text()
        assert "what the rounding of 8-bit predictions leaves open (round)" in page.read_text()


def test_another_rounding_is_refused() -> None:
    done = kldeval(SAMPLE / "careful", SAMPLE / "gt", "-m", "kld", "--bounds", "ceil")
    assert (done.code, done.err) == (2, "kldeval: --bounds ceil: 8-bit maps were made by round or by floor\n")


def test_the_library_has_them() -> None:
    found = library.evaluate(SAMPLE / "careful", SAMPLE / "gt", metric="kld", bounds="round")
    held: Any = found.provenance["bounds"]
    assert held["rounding"] == "round"
    floats = library.evaluate(np.ones((4, 5)), np.ones((4, 5)), metric="kld", bounds="round").provenance["bounds"]
    assert "not 8-bit levels that were rounded" in str(floats)
