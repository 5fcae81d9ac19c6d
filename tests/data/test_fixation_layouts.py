"""Fixations in the layouts of data sets, scored as their users would, against numbers from plain numpy."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from command_line import kldeval, score
from matlab_files import SAVERS, cell, struct_array

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

SHAPE = (24, 32)


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def maps(names: Sequence[str]) -> None:
    rng = np.random.default_rng(5)
    for side in ("pred", "gt"):
        for name in names:
            path = Path(side, f"{name}.npy")
            path.parent.mkdir(parents=True, exist_ok=True)
            np.save(path, rng.random(SHAPE))


def places(n: int, seed: int = 1) -> list[tuple[int, int]]:
    """(row, column) counted from 0; never all of them with a column that fits the height."""
    rng = np.random.default_rng(seed)
    return [(int(row), int(col)) for row, col in zip(rng.integers(0, 24, n), rng.integers(0, 32, n), strict=True)]


def nss(positions: dict[str, list[tuple[int, int]]]) -> float:
    """The mean over the maps of the mean z-score at the fixations."""
    means = []
    for name, points in positions.items():
        saliency = np.load(f"pred/{name}.npy")
        z = (saliency - saliency.mean()) / saliency.std()
        means.append(np.mean([z[row, col] for row, col in points]))
    return float(np.mean(means))


def measured(fixations: str, *arguments: str) -> list[float]:
    return score("pred", "gt", "--fixations", fixations, "--metric", "nss", *arguments)


def salicon(positions: dict[str, list[tuple[int, int]]], base: int = 1) -> dict[str, Any]:
    images = [
        {"id": place, "file_name": f"{name}.jpg", "height": SHAPE[0], "width": SHAPE[1], "license": 1}
        for place, name in enumerate(positions)
    ]
    annotations = [
        {"id": place, "image_id": place, "worker_id": worker, "fixations": [[r + base, c + base] for r, c in part]}
        for place, points in enumerate(positions.values())
        for worker, part in ((7, points[:4]), (9, points[4:]), (11, []))
    ]
    return {"info": {}, "type": "fixations", "images": images, "annotations": annotations, "licenses": []}


def test_salicons_document_of_2014_counts_rows_and_columns_from_one() -> None:
    positions = {"COCO_val2014_1": places(9), "COCO_val2014_2": places(7, 2)}
    maps(list(positions))
    Path("fixations_val2014.json").write_text(json.dumps(salicon(positions)))
    assert measured("fixations_val2014.json") == pytest.approx([nss(positions)])
    Path("zero.json").write_text(json.dumps(salicon(positions, base=0)))
    assert measured("zero.json", "--fixation-base", "0") == pytest.approx([nss(positions)])
    dropped = {name: [*points[1:4], *points[5:]] for name, points in positions.items()}
    assert measured("fixations_val2014.json", "--fixation-first", "drop") == pytest.approx([nss(dropped)])


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("form", ["{:03d}", "img_{:05d}", "{:d}"])
def test_frames_of_videos_are_those_of_the_maps_whatever_their_numbers(first: int, form: str) -> None:
    positions: dict[str, list[tuple[int, int]]] = {}
    for video, length in (("jump", 12), ("run", 3)):
        frames = [places(5, 40 + place) for place in range(length)]
        path = Path("FixationsTest", video, "fixations.json")
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(frames))
        positions |= {f"{video}/{form.format(first + place)}": frame for place, frame in enumerate(frames)}
    maps(list(positions))
    assert measured("FixationsTest") == pytest.approx([nss(positions)])


def test_one_video_has_one_file_of_frames() -> None:
    frames = [places(5, 40 + place) for place in range(4)]
    positions = {f"{place:04d}": frame for place, frame in enumerate(frames, start=1)}
    maps(list(positions))
    Path("fixations.json").write_text(json.dumps(frames))
    assert measured("fixations.json") == pytest.approx([nss(positions)])
    Path("xy.json").write_text(json.dumps([[[col, row] for row, col in frame] for frame in frames]))
    refusal = kldeval("pred", "gt", "--fixations", "xy.json", "--metric", "nss").err
    assert "none does with x and y exchanged: --fixation-columns x=y,y=x" in refusal
    assert measured("xy.json", "--fixation-columns", "x=y,y=x") == pytest.approx([nss(positions)])


def test_a_frame_beyond_the_last_list_has_no_fixations() -> None:
    frames = [places(5, 40 + place) for place in range(3)]
    maps([f"{place:04d}" for place in range(1, 5)])
    Path("fixations.json").write_text(json.dumps(frames))
    outcome = kldeval("pred", "gt", "--fixations", "fixations.json", "--metric", "nss", "--format", "json")
    (failure,) = json.loads(outcome.out)["failures"]
    assert (failure["name"], failure["code"]) == ("0004", "no-partner")


def points(part: Sequence[tuple[int, int]]) -> np.ndarray[Any, Any]:
    """Rows of (x, y)."""
    return np.asarray([(col, row) for row, col in part], float)


LAYOUTS: dict[str, Callable[[list[tuple[int, int]]], dict[str, Any]]] = {
    "fields x and y": lambda all_: {
        "mouse": struct_array([{"x": points(p)[:, :1], "y": points(p)[:, 1:]} for p in (all_[:4], all_[4:])])
    },
    "a table in each struct": lambda all_: {
        "data": struct_array([{"worker": np.ones((1, 1)), "Points": points(p)} for p in (all_[:4], all_[4:])])
    },
    "cells in a struct": lambda all_: {
        "mouse": {"img": "1001.jpg", "subjects": cell({"pos": points(all_[:4])}, {"pos": points(all_[4:])})},
        "version": np.ones((1, 1)),
    },
    "a struct a fixation": lambda all_: {
        "fixations": struct_array([{"X": np.full((1, 1), c), "Y": np.full((1, 1), r)} for r, c in all_])
    },
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("version", SAVERS)
def test_structs_of_positions_are_read_by_their_fields(layout: str, version: str) -> None:
    positions = {"1001": places(9), "1002": places(6, 3)}
    maps(list(positions))
    Path("mouse").mkdir()
    for name, all_ in positions.items():
        SAVERS[version](Path("mouse", f"{name}.mat"), LAYOUTS[layout](all_))
    assert measured("mouse") == pytest.approx([nss(positions)])


def test_samples_that_were_lost_are_dropped_from_structs_too() -> None:
    positions = {"1001": places(9)}
    maps(["1001"])
    table = np.concatenate([points(positions["1001"]) + 1, [[np.nan, np.nan]]])
    SAVERS["v5"](Path("1001.mat"), {"gaze": struct_array([{"fixations": table, "location": table}])})
    refused = kldeval("pred", "gt", "--fixations", "1001.mat", "--metric", "nss", "--format", "json")
    (failure,) = json.loads(refused.out)["failures"]
    assert failure["code"] == "fixations-outside"
    assert measured("1001.mat", "--fixation-outside", "drop") == pytest.approx([nss(positions)])
