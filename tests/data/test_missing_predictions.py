"""What a missing or unreadable prediction counts as: an error, nothing, or a constant map."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import kldeval, score

import kldeval as library

SHAPE = (6, 8)
NAMES = ("a", "b", "c", "d")
EXACT = ("--metric", "kld()")


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Four maps: the prediction of b is missing, that of c damaged."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(8)
    for folder in ("pred", "gt", "whole"):
        Path(folder).mkdir()
        for name in NAMES:
            np.save(f"{folder}/{name}.npy", rng.random(SHAPE) + 0.1)
    Path("pred/b.npy").unlink()
    Path("pred/c.npy").write_bytes(b"<html>")


def divergence(pred: np.ndarray[Any, Any], name: str) -> float:
    p, q = (array / array.sum() for array in (pred, np.load(f"gt/{name}.npy")))
    return float((q * np.log(q / p)).sum())


def expected() -> dict[str, float]:
    """With a constant map in place of what is missing."""
    lacking = {"b", "c"}
    return {
        name: divergence(np.ones(SHAPE) if name in lacking else np.load(f"pred/{name}.npy"), name) for name in NAMES
    }


def test_an_error_is_the_default() -> None:
    document = json.loads(kldeval("pred", "gt", *EXACT, "--format", "json").out)
    assert [(failure["name"], failure["code"]) for failure in document["failures"]] == [
        ("b", "no-partner"),
        ("c", "unreadable"),
    ]


def test_both_may_be_skipped() -> None:
    outcome = kldeval("pred", "gt", *EXACT, "--missing", "skip", "--format", "json")
    document = json.loads(outcome.out)
    assert (outcome.code, document["failures"]) == (0, [])
    numbers = expected()
    assert {row["name"]: row["kld"] for row in document["maps"]} == pytest.approx({key: numbers[key] for key in "ad"})
    assert document["summary"]["kld"]["n"] == 2
    assert document["notes"] == [
        "1 ground truths without a prediction were left out (--missing skip)",
        "1 map with a prediction that cannot be read was skipped (--missing skip)",
    ]
    (signature,) = document["signature"].values()
    assert "|missing:skip|" in signature
    assert score("pred", "gt", "--signature", signature) == [document["summary"]["kld"]["mean"]]


@pytest.mark.parametrize("norm", ["sum-to-one", "flatten-softmax", "none"])
def test_a_constant_map_may_stand_for_both(norm: str) -> None:
    outcome = kldeval(
        *("pred", "gt", *EXACT, "--missing", "uniform", "--pred-norm", norm, "--gt-norm", "sum-to-one"),
        *("--format", "json"),
    )
    document = json.loads(outcome.out)
    assert (outcome.code, document["failures"]) == (0, [])
    numbers = {row["name"]: row["kld"] for row in document["maps"]}
    assert {key: numbers[key] for key in "bc"} == pytest.approx({key: expected()[key] for key in "bc"})
    assert {row["name"]: row.get("remarks") for row in document["maps"]} == {
        "a": None,
        "b": ["missing-pred"],
        "c": ["missing-pred"],
        "d": None,
    }
    assert any(
        note.startswith("the prediction is missing or cannot be read (2 of 4 maps)") for note in document["notes"]
    )
    (signature,) = document["signature"].values()
    assert "|missing:uniform|" in signature
    assert score("pred", "gt", "--signature", signature) == [document["summary"]["kld"]["mean"]]


def test_a_constant_map_is_one_under_logarithms_and_resizing() -> None:
    for name in "ad":
        p = np.load(f"pred/{name}.npy")
        np.save(f"pred/{name}.npy", np.log2(p / p.sum()))
    run = ("pred", "gt", *EXACT, "--missing", "uniform", "--pred-norm", "log-prob(base=2)", "--gt-norm", "sum-to-one")
    rows = json.loads(kldeval(*run, "--format", "json").out)["maps"]
    assert {row["name"]: row["kld"] for row in rows if row["name"] in "bc"} == pytest.approx(
        {name: divergence(np.ones(SHAPE), name) for name in "bc"}
    )
    assert kldeval(*run, "--resize", "both(size=4x3)").code == 0


def test_rows_are_marked_in_every_format() -> None:
    run = ("pred", "gt", *EXACT, "--missing", "uniform", "--per-map")
    table = kldeval(*run).out
    assert [f"{name} (no prediction)" in table for name in NAMES] == [False, True, True, False]
    rows = csv.DictReader(io.StringIO(kldeval(*run, "--format", "csv").out))
    assert {row["name"]: row["failure"] for row in rows} == {
        name: "counted as uniform: no prediction" if name in "bc" else "" for name in NAMES
    }
    assert kldeval(*run, "--output", "report.json").code == 0
    assert "b (no prediction)" in kldeval("show", "report.json", "--per-map").out


def test_models_are_compared_on_the_maps_that_all_have() -> None:
    document = json.loads(kldeval("pred", "whole", "gt", *EXACT, "--missing", "skip", "--format", "json").out)
    assert [document["reports"][model]["summary"]["kld"]["n"] for model in ("pred", "whole")] == [2, 2]
    document = json.loads(kldeval("pred", "whole", "gt", *EXACT, "--missing", "uniform", "--format", "json").out)
    assert [document["reports"][model]["summary"]["kld"]["n"] for model in ("pred", "whole")] == [4, 4]
    assert document["reports"]["pred"]["summary"]["kld"]["mean"] == pytest.approx(np.mean([*expected().values()]))


def test_a_cached_run_and_workers_give_the_same(tmp_path: Path) -> None:
    run = ("pred", "gt", *EXACT, "--missing", "uniform")
    first = score(*run)
    assert score(*run, "--cache", tmp_path / "cache") == score(*run, "--cache", tmp_path / "cache") == first
    assert score(*run, "--jobs", "2") == first
    # the same bytes on both sides are no missing prediction
    assert score("gt", "gt", *EXACT, "--cache", tmp_path / "cache") == pytest.approx([0.0], abs=1e-15)


def test_the_library_and_check_say_the_same() -> None:
    report = library.evaluate("pred", "gt", metric="kld()", missing="uniform")
    assert report["kld"].mean == pytest.approx(np.mean([*expected().values()]))
    assert "4 pairs can be scored, 0 problems" in kldeval("check", "pred", "gt", "--missing", "uniform").out
    assert "2 pairs can be scored, 0 problems" in kldeval("check", "pred", "gt", "--missing", "skip").out
    wrong = kldeval("pred", "gt", "--missing", "zero").err
    assert wrong.startswith("kldeval: --missing zero: 'zero' is none of error, skip, uniform")


def test_a_ground_truth_that_cannot_be_read_is_a_failure_all_the_same() -> None:
    Path("gt/d.npy").write_bytes(b"")
    for how in ("skip", "uniform"):
        document = json.loads(kldeval("pred", "gt", *EXACT, "--missing", how, "--format", "json").out)
        assert [failure["name"] for failure in document["failures"]] == ["d"]
