"""What a fit finds on data with a known transformation, and how it is printed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from command_line import kldeval
from schemas import validate

import kldeval as library

SAMPLE = Path(__file__).parent.parent.parent / "sample_data"


def scene(seed: int, shape: tuple[int, int] = (48, 64)) -> np.ndarray:
    """A density of a few blobs."""
    rng = np.random.default_rng(seed)
    spots = np.zeros(shape)
    spots[rng.integers(5, shape[0] - 5, 6), rng.integers(5, shape[1] - 5, 6)] = rng.random(6) + 0.5
    found = cv2.GaussianBlur(spots, (0, 0), 5) + 1e-4
    return np.asarray(found / found.sum())


def fitted(maps: list[tuple[np.ndarray, np.ndarray]], parts: str) -> dict[str, float]:
    """What a fit finds on all of some maps, each with its ground truth."""
    pred, gt = (list(side) for side in zip(*maps, strict=True))
    found = library.fit(pred, gt, parts=parts.split(","), folds=2)
    return found.to_dict()["parameters"]  # type: ignore[no-any-return]


@pytest.mark.parametrize("order", [1, -1])
def test_a_known_blur_is_found_on_maps_of_several_sizes(order: int) -> None:
    """In pixels of the maps, whichever comes first: large ones are made smaller to be fitted."""
    maps = []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        pred = (rng.random([(300, 450), (60, 90)][seed % 2]) < 0.01) + 1e-9
        maps.append((pred / pred.sum(), cv2.GaussianBlur(pred / pred.sum(), (65, 65), 8)))
    assert fitted(maps[::order], "blur")["blur"] == pytest.approx(8, rel=0.05)


def test_a_known_temperature_is_found() -> None:
    maps = [(scene(seed) ** 2.5, scene(seed)) for seed in range(4)]
    assert fitted(maps, "temperature")["temperature"] == pytest.approx(2.5, rel=1e-2)


def test_a_known_blur_is_found() -> None:
    maps = [
        (scene(seed), cv2.GaussianBlur(scene(seed), (0, 0), 4, borderType=cv2.BORDER_REFLECT_101)) for seed in range(4)
    ]
    assert fitted(maps, "blur")["blur"] == pytest.approx(4, rel=2e-2)


def test_a_known_centre_bias_and_uniform_part_are_found() -> None:
    maps = []
    for seed in range(4):
        pred = scene(seed)
        rows, columns = (np.exp(-0.5 * (((np.arange(side) + 0.5) / side - 0.5) / 0.3) ** 2) for side in pred.shape)
        biased = pred * rows[:, None] * columns[None, :]
        maps.append((pred, 0.9 * biased / biased.sum() + 0.1 / pred.size))
    found = fitted(maps, "centre,uniform")
    assert found["centre"] == pytest.approx(0.3, rel=2e-2)
    assert found["uniform"] == pytest.approx(0.1, rel=5e-2)


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    for side in ("pred", "gt"):
        (tmp_path / side).mkdir()
    for seed in range(6):
        np.save(tmp_path / "gt" / f"{seed}.npy", scene(seed))
        np.save(tmp_path / "pred" / f"{seed}.npy", scene(seed) ** 3)
    return tmp_path / "pred", tmp_path / "gt"


def test_all_of_a_known_temperature_goes_away_on_held_out_maps(files: tuple[Path, Path]) -> None:
    done = kldeval("fit", *files, "--parts", "temperature", "--folds", "3", "--format", "json", "-q")
    assert done.code == 0, done.err
    document: dict[str, Any] = json.loads(done.out)
    validate(document, "fit")
    assert document["share"] > 0.999
    assert document["chain"] == "sum-to-one+temperature(t=3)"
    assert len({row["fold"] for row in document["maps"]}) == 3
    again = kldeval(*files, "-m", "kld", "--pred-norm", document["chain"], "--eps", "2.2204e-16", "--score-only", "-q")
    assert float(again.out) == pytest.approx(document["after"], abs=1e-9)
    assert kldeval(*files, "--signature", document["signature"], "--score-only", "-q").code == 0


def test_groups_are_not_torn_apart(tmp_path: Path) -> None:
    for video in "abc":
        for side in ("pred", "gt"):
            (tmp_path / side / video).mkdir(parents=True)
            for frame in range(2):
                array = scene(ord(video) + frame)
                np.save(tmp_path / side / video / f"{frame}.npy", array**2 if side == "pred" else array)
    sides = tmp_path / "pred", tmp_path / "gt"
    done = kldeval("fit", *sides, "--parts", "temperature", "--group-by", "parent", "--format", "json", "-q")
    document = json.loads(done.out)
    folds: dict[str, set[int]] = {}
    for row in document["maps"]:
        folds.setdefault(row["name"].split("/")[0], set()).add(row["fold"])
    assert document["units"] == "groups"
    assert all(len(found) == 1 for found in folds.values())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--parts", "gamma"), "--parts gamma: the parts are temperature, blur, centre, uniform"),
        (("--limit", "1"), "a fit is tested on maps that it was not fitted on; there is only 1 map or group"),
    ],
)
def test_what_can_mean_nothing_is_refused(arguments: tuple[str, ...], message: str) -> None:
    done = kldeval("fit", SAMPLE / "bold", SAMPLE / "gt", *arguments)
    assert (done.code, done.out, done.err) == (2, "", f"kldeval: {message}\n")


def test_what_cannot_be_fitted_is_a_failure_and_the_others_are_fitted(files: tuple[Path, Path]) -> None:
    np.save(files[0] / "1.npy", np.zeros((48, 64)))
    (files[0] / "2.npy").write_bytes(b"no array")
    (files[0] / "3.npy").unlink()
    done = kldeval("fit", *files, "--parts", "temperature", "--format", "json", "-q", "--jobs", "1")
    document = json.loads(done.out)
    validate(document, "fit")
    assert done.code == 1
    assert [row["name"] for row in document["maps"]] == ["0", "4", "5"]
    found = {one["name"]: (one["stage"], one["message"]) for one in document["failures"]}
    assert found["1"] == ("check", "the prediction is empty, and has no density to fit")
    assert found["2"][0] == "load"
    assert found["3"][0] == "pair"
    assert kldeval("fit", *files, "--parts", "temperature", "--format", "json", "-q", "--jobs", "2").out == done.out


def test_where_nothing_can_be_fitted_the_first_reason_is_told(tmp_path: Path) -> None:
    for side in ("pred", "gt"):
        (tmp_path / side).mkdir()
        for seed in range(3):
            np.save(tmp_path / side / f"{seed}.npy", scene(seed)[: 40 if side == "pred" else 48])
    done = kldeval("fit", tmp_path / "pred", tmp_path / "gt")
    assert done.code == 2
    assert done.err.startswith("kldeval: no pair can be fitted: 0: sizes differ: the prediction is (40, 64)")


def test_maps_of_several_sizes_are_fitted_together() -> None:
    maps = [(scene(seed, shape) ** 2, scene(seed, shape)) for seed, shape in enumerate([(48, 64), (40, 40)] * 2)]
    assert fitted(maps, "temperature")["temperature"] == pytest.approx(2, rel=1e-2)


def test_one_fold_is_refused_in_python(files: tuple[Path, Path]) -> None:
    with pytest.raises(library.UsageProblem, match="seed=-1: a seed is 0 or more"):
        library.fit(*files, seed=-1)
    with pytest.raises(library.UsageProblem, match="folds=1: a fit is tested on maps that it was not fitted on"):
        library.fit(*files, folds=1)


def test_the_library_answers_the_same(files: tuple[Path, Path]) -> None:
    found = library.fit(*files, parts=["temperature"], folds=3)
    validate(found.to_dict(), "fit")
    assert found.share > 0.999
    assert "sum-to-one+temperature(t=3)" in str(found)
