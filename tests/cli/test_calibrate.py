"""A temperature fitted on some maps and tested on others, as users run it."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from command_line import kldeval
from late import late

if TYPE_CHECKING:
    from pathlib import Path

torch = late("torch")

optimize = late("scipy.optimize")

FLAGS = ("--norm", "softmax", "--axis", "0", "--ignore-index", "255")


@pytest.fixture
def maps(tmp_path: Path) -> Path:
    """Logits that are three times what their labels were drawn from, for four classes and for two."""
    rng = np.random.default_rng(2)
    for name in range(12):
        logits = 2 * rng.normal(size=(4, 12, 12))
        prob = np.exp(logits) / np.exp(logits).sum(axis=0)
        labels = (prob.cumsum(axis=0) < rng.random((12, 12))).sum(axis=0).astype(np.uint8)
        labels[0, :3] = 255
        truth = (rng.random((12, 12)) < 1 / (1 + np.exp(-logits[0]))).astype(float)
        for side, array in (("pred", 3 * logits), ("gt", labels), ("logits", 3 * logits[0]), ("truth", truth)):
            (tmp_path / side).mkdir(exist_ok=True)
            np.save(tmp_path / side / f"{name:02}.npy", array)
    return tmp_path


def board_of(*arguments: Any) -> dict[str, Any]:
    outcome = kldeval("calibrate", *arguments, "--format", "json", "-q", "--resamples", "200")
    assert outcome.code == 0, outcome.err
    document: dict[str, Any] = json.loads(outcome.out)
    return document


def temperature_of(board: dict[str, Any]) -> float:
    return float(board["reports"]["as it is"]["provenance"]["temperature"])


def test_the_temperature_is_the_one_with_the_least_cross_entropy_of_the_other_maps(maps: Path) -> None:
    board = board_of(maps / "pred", maps / "gt", *FLAGS)
    tested = {row["name"] for row in board["reports"]["as it is"]["maps"]}
    fitted = sorted({f"{name:02}" for name in range(12)} - tested)
    assert len(fitted) == len(tested) == 6
    logits = torch.tensor(np.stack([np.load(maps / "pred" / f"{name}.npy") for name in fitted]))
    labels = torch.tensor(np.stack([np.load(maps / "gt" / f"{name}.npy") for name in fitted]).astype(int))

    def loss(temperature: float) -> float:
        return float(torch.nn.functional.cross_entropy(logits / temperature, labels, ignore_index=255))

    best = optimize.minimize_scalar(loss, bounds=(0.1, 20), method="bounded", options={"xatol": 1e-9}).x
    assert temperature_of(board) == pytest.approx(best, rel=1e-6)
    assert temperature_of(board) == pytest.approx(3, rel=0.15)
    cold, warm = board["reports"].values()
    assert warm["summary"]["ece"]["mean"] < cold["summary"]["ece"]["mean"] / 3
    assert "% of ce on the other maps is calibration that one temperature mends" in board["notes"][1]


def test_what_was_fitted_runs_again_from_its_signature(maps: Path) -> None:
    board = board_of(maps / "pred", maps / "gt", *FLAGS)
    _, warm = board["reports"].values()
    again = kldeval(maps / "pred", maps / "gt", "--signature", warm["signature"]["ece"], "--format", "json", "-q")
    rows = {row["name"]: row["ece"] for row in json.loads(again.out)["maps"]}
    assert all(rows[row["name"]] == pytest.approx(row["ece"], rel=1e-12) for row in warm["maps"])


def test_logits_of_two_classes_have_a_temperature_before_the_sigmoid(maps: Path) -> None:
    board = board_of(maps / "logits", maps / "truth", "--norm", "sigmoid")
    assert temperature_of(board) == pytest.approx(3, rel=0.2)
    _, warm = board["reports"].values()
    assert warm["signature"]["bce"].startswith(f"bce|pred:temperature(t={temperature_of(board)})+sigmoid|gt:none|")


def test_the_division_depends_on_the_seed_alone_and_keeps_groups_together(maps: Path) -> None:
    pair = maps / "pred", maps / "gt"
    first, same = (board_of(*pair, *FLAGS, "--seed", "5", "--jobs", jobs) for jobs in ("1", "2"))
    assert first["reports"].keys() == same["reports"].keys()
    assert temperature_of(first) == temperature_of(same)
    for side in ("pred", "gt"):
        for place, path in enumerate(sorted((maps / side).iterdir())):
            (maps / f"{side}s" / "abc"[place % 3]).mkdir(exist_ok=True, parents=True)
            shutil.copy(path, maps / f"{side}s" / "abc"[place % 3])
    grouped = board_of(maps / "preds", maps / "gts", *FLAGS, "--group-by", "parent", "--fit-share", "0.6")
    rows = grouped["reports"]["as it is"]["maps"]
    assert (len(rows), len({row["group"] for row in rows})) == (4, 1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("--norm", "softmax", "--axis", "0", "--ignore-index", "255", "--fit-share", "1"),
            "--fit-share 1: the part of",
        ),
        (("--limit", "1", *FLAGS), "two at least are needed, here is 1"),
        ((), "a temperature divides the scores of classes: name the class axis"),
        (("-m", "kld"), "a temperature divides the scores of classes: name the class axis"),
    ],
)
def test_what_cannot_be_fitted_is_refused(arguments: tuple[str, ...], message: str, maps: Path) -> None:
    outcome = kldeval("calibrate", maps / "pred", maps / "gt", *arguments)
    assert outcome.code == 2
    assert message in outcome.err


def test_predictions_that_are_always_right_have_no_best_temperature(tmp_path: Path) -> None:
    for name in "abcd":
        for side, array in (
            ("pred", np.stack([5 * np.eye(3)] * 2, axis=2)),
            ("gt", np.stack([np.arange(3, dtype=np.uint8)] * 2, axis=1)),
        ):
            (tmp_path / side).mkdir(exist_ok=True)
            np.save(tmp_path / side / f"{name}.npy", array)
    outcome = kldeval("calibrate", tmp_path / "pred", tmp_path / "gt", "--norm", "softmax", "--axis", "0")
    message = "no temperature is the best of the maps it is fitted on: ever smaller ones have a lower cross-entropy"
    assert (outcome.code, outcome.err) == (2, f"kldeval: {message}\n")


def test_a_map_that_cannot_be_read_is_a_failure_on_either_side(maps: Path) -> None:
    """Of the maps that the temperature is fitted on, too: it is told how many these were."""
    for place in range(12):
        (maps / "pred" / f"{place:02}.npy").rename(maps / "kept.npy")
        (maps / "pred" / f"{place:02}.npy").write_bytes(b"no map")
        done = kldeval(
            "calibrate", maps / "pred", maps / "gt", *FLAGS, "-m", "ce", "--format", "json", "--resamples", "200"
        )
        board = json.loads(done.out)
        assert done.code == 1
        assert {one["name"] for report in board["reports"].values() for one in report["failures"]} == {f"{place:02}"}
        numbers = {report["summary"]["ce"]["n"] for report in board["reports"].values()}
        fitted_on = {report["provenance"]["fitted_on"] for report in board["reports"].values()}
        assert numbers | fitted_on == {5, 6}
        (maps / "kept.npy").rename(maps / "pred" / f"{place:02}.npy")
        if numbers == {6}:
            break
    assert numbers == {6}
