"""Folders as data sets have them: files beside the maps by templates, shifted numbers, several models in one folder."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import cv2
import numpy as np
import pytest
from command_line import kldeval, score

SHAPE = (18, 24)


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def picture(path: str, seed: int) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(path, np.random.default_rng(seed).integers(1, 255, SHAPE).astype(np.uint8))


def marks(path: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    spots = np.zeros(SHAPE, np.uint8)
    spots[rng.integers(0, SHAPE[0], 6), rng.integers(0, SHAPE[1], 6)] = 255
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(path, spots)


def advice(message: str) -> list[str]:
    found = re.findall(r"--[a-z][a-z-]*-name '[^']*'", message)
    return [word for text in found for word in shlex.split(text)]


def nss(pairs: list[tuple[str, str]]) -> float:
    means = []
    for pred, fixations in pairs:
        saliency, spots = (np.asarray(cv2.imread(path, cv2.IMREAD_UNCHANGED), float) for path in (pred, fixations))
        z = (saliency - saliency.mean()) / saliency.std()
        means.append(z[spots > 0].mean())
    return float(np.mean(means))


def dhf1k() -> list[tuple[str, str]]:
    pairs = []
    for seed, (video, frame) in enumerate((video, frame) for video in ("0601", "0602") for frame in (1, 2, 3)):
        name = f"{video}/{frame:04d}.png"
        picture(f"pred/{name}", seed)
        picture(f"annotation/{video}/maps/{frame:04d}.png", 20 + seed)
        marks(f"annotation/{video}/fixation/{frame:04d}.png", 40 + seed)
        pairs.append((f"pred/{name}", f"annotation/{video}/fixation/{frame:04d}.png"))
    return pairs


def test_the_tree_of_dhf1k_is_read_by_templates() -> None:
    pairs = dhf1k()
    run = ("pred", "annotation", "--fixations", "annotation", "--metric", "nss")
    first = kldeval(*run)
    assert first.code == 2
    maps = advice(first.err)
    second = kldeval(*run, *maps)
    assert second.code == 2
    beside = advice(second.err)
    assert beside[0] == "--fixations-name"
    assert score(*run, *maps, *beside) == pytest.approx([nss(pairs)])
    preset = ("pred", "annotation", "--fixations", "annotation", "--preset", "dhf1k", "--other-map", "others")
    assert kldeval(*preset, *maps, *beside).code == 0


def test_points_beside_maps_have_a_suffix_of_their_own() -> None:
    pairs = []
    for seed, name in enumerate(("i1", "i2", "i3")):
        picture(f"pred/{name}.png", seed)
        picture(f"mit/{name}_fixMap.png", 10 + seed)
        marks(f"mit/{name}_fixPts.png", 20 + seed)
        pairs.append((f"pred/{name}.png", f"mit/{name}_fixPts.png"))
    run = ("pred", "mit", "--fixations", "mit", "--metric", "nss", "--gt-name", "{name}_fixMap")
    assert score(*run, *advice(kldeval(*run).err)) == pytest.approx([nss(pairs)])


@pytest.mark.parametrize("what", ["mask", "weights", "baseline"])
def test_maps_beside_the_pairs_have_templates_too(what: str) -> None:
    dhf1k()
    for video in ("0601", "0602"):
        for frame in (1, 2, 3):
            folder = Path(f"beside/{video}/{what}")
            folder.mkdir(parents=True, exist_ok=True)
            (Path("plain") / video).mkdir(parents=True, exist_ok=True)
            values = np.random.default_rng(frame).integers(1, 3, SHAPE).astype(np.uint8)
            values = (values > 1).astype(np.uint8) if what == "mask" else values
            cv2.imwrite(str(folder / f"{frame:04d}.png"), values)
            cv2.imwrite(f"plain/{video}/{frame:04d}.png", values)
    maps = ("--gt-name", "{video}/maps/{frame:04d}")
    of = ["--metric", "ig" if what == "baseline" else "kld"]
    if what == "baseline":
        of += ["--fixations", "annotation", "--fixations-name", "{video}/fixation/{frame:04d}"]
    template = (f"--{what}-name", f"{{video}}/{what}/{{frame:04d}}")
    assert score("pred", "annotation", *maps, *of, f"--{what}", "beside", *template) == score(
        "pred", "annotation", *maps, *of, f"--{what}", "plain"
    )
    outcome = kldeval("pred", "annotation", *maps, *template)
    assert outcome.err == f"kldeval: --{what}-name {template[1]!r} has no effect without --{what}\n"


def test_frames_that_are_counted_from_zero_and_from_one_are_told() -> None:
    for frame in range(5):
        picture(f"pred/{frame:04d}.png", frame)
        picture(f"gt/{frame + 1:04d}.png", 30 + frame)
        picture(f"right/{frame:04d}.png", 30 + frame)
    document = json.loads(kldeval("pred", "gt", "--format", "json").out)
    (note,) = [text for text in document["notes"] if "shifted against each other" in text]
    assert "would make 5 pairs (frames are counted from 0 on one side and from 1 on the other)" in note
    flags = advice(note)
    assert flags == ["--gt-name", "{frame:04d+1}"]
    assert score("pred", "gt", *flags, "--metric", "kld") == score("pred", "right", "--metric", "kld")


def test_a_suffix_within_a_name_fits_its_own_proposal() -> None:
    for seed, name in enumerate(("x", "y")):
        picture(f"gt/{name}.png", seed)
        for folder, end in (("pred", ".jpg.npy"), ("plain", ".npy")):
            Path(folder).mkdir(exist_ok=True)
            np.save(f"{folder}/{name}{end}", np.random.default_rng(seed).random(SHAPE))
    flags = advice(kldeval("pred", "gt").err)
    assert flags == ["--pred-name", "{name}.jpg"]
    assert score("pred", "gt", *flags, "--metric", "kld") == score("plain", "gt", "--metric", "kld")


def test_a_folder_of_models_is_told_to_be_one() -> None:
    for seed, name in enumerate(("x", "y")):
        picture(f"gt/{name}.png", seed)
        for model in ("A", "B"):
            picture(f"results/{model}/{name}.png", seed + ord(model))
    outcome = kldeval("results", "gt")
    assert outcome.code == 2
    assert outcome.err.endswith("results holds several models (A, B): give results/* in its place\n")
    assert kldeval("results/A", "results/B", "gt").code == 0


BESIDE = {
    "mask": ("--metric", "kld"),
    "weights": ("--metric", "kld"),
    "baseline": ("--metric", "ig", "--fixations", "points"),
    "other-map": ("--metric", "auc-shuffled", "--fixations", "points"),
}
"""What stands beside the maps, and a metric that needs it."""


@pytest.mark.parametrize("what", list(BESIDE))
@pytest.mark.parametrize("gt_end", ["", "_map"])
@pytest.mark.parametrize("end", ["_x", "_map"])
@pytest.mark.parametrize("folder", ["", "beside/"])
def test_templates_of_all_that_stands_beside_maps_are_proposed(what: str, gt_end: str, end: str, folder: str) -> None:
    make = marks if what in ("mask", "other-map") else picture
    for seed, name in enumerate(("i1", "i2", "i3")):
        picture(f"pred/{name}.png", seed)
        picture(f"gt/{name}{gt_end}.png", 10 + seed)
        marks(f"points/{name}.png", 20 + seed)
        make(f"files/{folder}{name}{end}.png", 30 + seed)
        make(f"plain/{name}.png", 30 + seed)
    run = ("pred", "gt", *BESIDE[what], *(("--gt-name", "{name}" + gt_end) if gt_end else ()))
    refused = kldeval(*run, f"--{what}", "files")
    assert refused.code == 2
    assert "has the name of a pair" in refused.err
    flags = advice(refused.err)
    assert flags == [f"--{what}-name", f"{folder}{{name}}{end}"]
    assert score(*run, f"--{what}", "files", *flags) == score(*run, f"--{what}", "plain")


def test_of_several_folders_that_of_the_option_is_proposed() -> None:
    for seed, name in enumerate(("i1", "i2", "i3")):
        picture(f"pred/{name}.png", seed)
        picture(f"gt/maps/{name}.png", 10 + seed)
        marks(f"gt/fixation/{name}.png", 20 + seed)
        marks(f"gt/masks/{name}.png", 30 + seed)
        marks(f"plain/{name}.png", 30 + seed)
    run = ("pred", "gt", "--gt-name", "maps/{name}", "--metric", "kld", "--mask")
    flags = advice(kldeval(*run, "gt").err)
    assert flags == ["--mask-name", "masks/{name}"]
    assert score(*run, "gt", *flags) == score(*run, "plain")


@pytest.mark.parametrize("spelling", ["gt", "./gt", "absolute"])
def test_the_maps_themselves_are_never_proposed_to_stand_beside_themselves(spelling: str) -> None:
    for seed, name in enumerate(("i1", "i2", "i3")):
        picture(f"pred/{name}.png", seed)
        picture(f"gt/{name}_map.png", 10 + seed)
    given = str(Path("gt").absolute()) if spelling == "absolute" else spelling
    outcome = kldeval("pred", "gt", "--gt-name", "{name}_map", "--weights", given, "--metric", "kld")
    assert outcome.code == 1
    assert "3 maps could not be scored" in outcome.out
    assert "--weights-name" not in outcome.out + outcome.err
