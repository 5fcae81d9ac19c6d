"""One metric that does not apply to a map leaves the map its other numbers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
from command_line import kldeval

import kldeval as library

if TYPE_CHECKING:
    from pathlib import Path

RNG = np.random.default_rng(6)


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Two pairs, of which the second prediction has negative values."""
    for side in ("pred", "gt"):
        (tmp_path / side).mkdir()
        for name in "ab":
            np.save(tmp_path / side / f"{name}.npy", RNG.random((6, 7)))
    np.save(tmp_path / "pred" / "b.npy", RNG.random((6, 7)) - 0.5)
    return tmp_path / "pred", tmp_path / "gt"


def test_the_others_keep_their_numbers(folders: tuple[Path, Path]) -> None:
    outcome = kldeval(*folders, "-m", "kld,cc,sim,bce", "--format", "json", "--quiet")
    report = json.loads(outcome.out)
    assert outcome.code == 1
    first, second = report["maps"]
    assert {"kld", "cc", "sim", "bce"} <= first.keys()
    assert second.keys() & {"kld", "cc", "sim", "bce"} == {"cc"}
    maps = [np.load(folder / "b.npy") for folder in folders]
    assert second["cc"] == pytest.approx(np.corrcoef(maps[0].ravel(), maps[1].ravel())[0, 1], rel=1e-12)
    assert [(row["name"], row["stage"], row["metric"]) for row in report["failures"]] == [
        ("b", "score", "kld"),
        ("b", "score", "sim"),
        ("b", "score", "bce"),
    ]
    assert {key: summary["n"] for key, summary in report["summary"].items()} == {"kld": 1, "cc": 2, "sim": 1, "bce": 1}


def test_a_map_without_any_number_is_one_failure(folders: tuple[Path, Path]) -> None:
    report = library.evaluate(*map(str, folders), metric="kld,ce", device="cpu", on_failure="ignore")
    assert [score.name for score in report.scores] == ["a"]
    (failure,) = report.failures
    assert (failure.name, failure.stage, failure.metric) == ("b", "check", "")
    assert failure.message.startswith("the prediction has negative values")


def test_a_mean_over_pixels_leaves_the_metric_out(folders: tuple[Path, Path]) -> None:
    report = library.evaluate(*map(str, folders), metric="bce", maps="pixels", device="cpu", on_failure="ignore")
    assert report.summaries["bce"].n == 1


def test_a_group_without_a_number_is_none_of_the_groups(folders: tuple[Path, Path]) -> None:
    report = library.evaluate(
        *map(str, folders), metric="kld,cc", maps="groups", group_by="{name}", device="cpu", on_failure="ignore"
    )
    assert {key: summary.n for key, summary in report.summaries.items()} == {"kld": 1, "cc": 2}
    assert report.summaries["kld"].mean == report.scores[0].values["kld"]


def test_a_leaderboard_compares_the_same_maps_for_every_metric(folders: tuple[Path, Path]) -> None:
    """Where one model has no number for a map, that map counts for no model by that metric."""
    pred, gt = folders
    other = pred.parent / "other"
    other.mkdir()
    for name in "ab":
        np.save(other / f"{name}.npy", RNG.random((6, 7)))
    outcome = kldeval(pred, other, gt, "-m", "kld,cc", "--resamples", "100", "--format", "json", "--quiet")
    reports = json.loads(outcome.out)["reports"]
    assert {model: [len(row.keys() & {"kld"}) for row in one["maps"]] for model, one in reports.items()} == {
        "pred": [1, 0],
        "other": [1, 0],
    }
    assert {one["summary"]["kld"]["n"] for one in reports.values()} == {1}
    assert {one["summary"]["cc"]["n"] for one in reports.values()} == {2}
    assert reports["other"]["summary"]["kld"]["mean"] == reports["other"]["maps"][0]["kld"]


def test_a_table_names_the_metric_and_counts_maps_and_numbers(folders: tuple[Path, Path]) -> None:
    text = kldeval(*folders, "-m", "kld,cc,sim").out
    assert "\n2 numbers are missing\nb   score   kld: the prediction has negative values" in text
    assert "\nb   score   sim: the prediction has negative values" in text
