"""Fixations as people have them: what all of a run's positions together say, and that the advice gives the number."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest
from command_line import kldeval, score

if TYPE_CHECKING:
    from collections.abc import Iterable

SHAPE = (48, 64)
NAMES = ("a", "b", "c")


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(2)
    for side in ("pred", "gt"):
        Path(side).mkdir()
        for name in NAMES:
            np.save(f"{side}/{name}.npy", rng.random(SHAPE))


def positions(seed: int = 3, n: int = 30) -> list[tuple[str, float, float]]:
    """(image, x, y) in pixels of the maps."""
    rng = np.random.default_rng(seed)
    xs, ys = rng.uniform(0, SHAPE[1], n), rng.uniform(0, SHAPE[0], n)
    return [(NAMES[place % 3], float(x), float(y)) for place, (x, y) in enumerate(zip(xs, ys, strict=True))]


def table(rows: Iterable[tuple[Any, ...]], head: str = "name,x,y") -> str:
    Path("list.csv").write_text("\n".join([head, *(",".join(map(str, row)) for row in rows)]) + "\n")
    return "list.csv"


def nss(rows: Iterable[tuple[str, float, float]]) -> float:
    """The mean over the maps of the mean z-score at the fixations."""
    rows, means = list(rows), []
    for name in NAMES:
        saliency = np.load(f"pred/{name}.npy")
        z = (saliency - saliency.mean()) / saliency.std()
        means.append(np.mean([z[int(y), int(x)] for image, x, y in rows if image == name]))
    return float(np.mean(means))


def run(*arguments: str) -> tuple[str, ...]:
    return ("pred", "gt", "--fixations", "list.csv", "--metric", "nss", *arguments)


def refused(*arguments: str) -> str:
    outcome = kldeval(*run(*arguments))
    assert (outcome.code, outcome.out) == (2, "")
    return outcome.err


def advice(message: str) -> list[str]:
    """The last flag that a message names, with its value."""
    found = re.findall(r"--[a-z][a-z-]*(?: '[^']*'| [^\s;:()']+)", message)
    return shlex.split(found[-1])


def test_normalised_gaze_is_stretched_over_the_maps() -> None:
    rows = positions()
    table((name, x / SHAPE[1], y / SHAPE[0]) for name, x, y in rows)
    message = refused()
    assert "all 30 fixations that were looked at lie in 0..1" in message
    assert advice(message) == ["--fixation-size", "1x1"]
    assert score(*run(*advice(message))) == pytest.approx([nss(rows)])
    (signature,) = json.loads(kldeval(*run(*advice(message), "--format", "json")).out)["signature"].values()
    assert "|fixations:read(size=1x1)|" in signature
    again = ("pred", "gt", "--fixations", "list.csv", "--signature", signature)
    assert score(*again) == pytest.approx([nss(rows)])


def test_the_far_edge_of_normalised_gaze_is_inside() -> None:
    rows = [*positions(n=27), *((name, SHAPE[1] - 0.5, SHAPE[0] - 0.5) for name in NAMES)]
    table((name, min(x / SHAPE[1], 1) if x < 63 else 1.0, y / SHAPE[0] if y < 47 else 1.0) for name, x, y in rows)
    assert score(*run("--fixation-size", "1x1")) == pytest.approx([nss(rows)])


def test_few_positions_or_whole_ones_raise_no_alarm() -> None:
    table([(name, 0.5, 0.25) for name in NAMES])
    assert kldeval(*run()).code == 0
    table([(name, place % 2, 1) for name in NAMES for place in range(20)])
    assert kldeval(*run()).code == 0


@pytest.mark.parametrize("screen", [(1920, 1080), (800, 600), (128, 96)])
def test_positions_on_another_screen_are_scaled(screen: tuple[int, int]) -> None:
    rows = [*positions(n=57), *((name, SHAPE[1] - 0.01, SHAPE[0] - 0.01) for name in NAMES)]
    table((name, x * screen[0] / SHAPE[1], y * screen[1] / SHAPE[0]) for name, x, y in rows)
    message = refused()
    assert "as positions on a larger screen do" in message
    assert "--fixation-outside" not in message
    assert advice(message) == ["--fixation-size", f"{screen[0]}x{screen[1]}"]
    assert score(*run(*advice(message))) == pytest.approx([nss(rows)])


def test_exchanged_axes_are_named() -> None:
    rows = [*positions(), *((name, 60.5, 20.5) for name in NAMES)]
    table((name, y, x) for name, x, y in rows)
    message = refused()
    assert "none does with x and y exchanged" in message
    assert score(*run(*advice(message))) == pytest.approx([nss(rows)])


def test_columns_may_have_any_name() -> None:
    rows = positions()
    table(((1, x, y, f"{name}.jpg") for name, x, y in rows), "trial,FixX,FixY,stimulus")
    assert "no name; a list of fixations has name, x, y" in refused()
    flags = ("--fixation-columns", "x=FixX,y=FixY,name=stimulus")
    assert score(*run(*flags)) == pytest.approx([nss(rows)])
    (signature,) = json.loads(kldeval(*run(*flags, "--format", "json")).out)["signature"].values()
    assert score("pred", "gt", "--fixations", "list.csv", "--signature", signature) == pytest.approx([nss(rows)])
    assert "names 'px', and its columns are trial, fixx, fixy, stimulus" in refused("--fixation-columns", "x=px")


@pytest.mark.parametrize("column", ["task", "condition"])
def test_tasks_part_the_fixations_on_one_image(column: str) -> None:
    cup, fork = positions(3), positions(4)
    table([*((*row, "cup") for row in cup), *((*row, "fork") for row in fork)], f"name,x,y,{column}")
    message = refused()
    assert f"image a has fixations of several {column}s (cup, fork)" in message
    assert advice(message) == ["--fixation-where", f"{column}=cup"]
    assert score(*run(*advice(message))) == pytest.approx([nss(cup)])
    assert score(*run("--fixation-where", f"{column}=fork")) == pytest.approx([nss(fork)])
    assert f"no row has {column}=mug" in refused("--fixation-where", f"{column}=mug")
    assert "is of the form column=text" in refused("--fixation-where", "cup")


@pytest.mark.parametrize("form", ["csv", "json"])
def test_positions_that_were_lost_are_dropped_and_counted(form: str) -> None:
    rows = positions()
    lost = [*rows, ("a", float("nan"), float("nan"))]
    file = table(lost)
    if form == "json":
        file = "list.json"
        Path(file).write_text(json.dumps([{"name": name, "x": x, "y": y} for name, x, y in lost]))
    arguments = ("pred", "gt", "--fixations", file, "--metric", "nss", "--format", "json")
    (failure,) = json.loads(kldeval(*arguments).out)["failures"]
    assert failure["message"].startswith("1 of 11 fixations lie outside the map or have no position (nan)")
    document = json.loads(kldeval(*arguments, "--fixation-outside", "drop").out)
    assert document["summary"]["nss"]["mean"] == pytest.approx(nss(rows))
    assert "fixations outside the map were left out (1 of 3 maps)" in document["notes"]


def test_repeats_of_the_corner_are_noted() -> None:
    table([*positions(), *((name, 0, 0) for name in NAMES)])
    (note,) = json.loads(kldeval(*run("--format", "json")).out)["notes"]
    assert note.startswith("list.csv: 3 of 33 fixations that were looked at lie at exactly (0, 0)")


def test_a_list_that_counts_from_one_is_noted() -> None:
    rows = [(name, int(x), int(y)) for name, x, y in positions(n=60)]
    rows = [*rows, *((name, SHAPE[1] - 1, SHAPE[0] - 1) for name in NAMES)]
    table((name, x + 1, y + 1) for name, x, y in rows)
    outcome = kldeval(*run("--format", "json"))
    (note,) = [text for text in json.loads(outcome.out)["notes"] if "count from 1" in text]
    assert score(*run(*advice(note))) == pytest.approx([nss(rows)])


def test_maps_of_normalised_gaze_are_not_built_in_a_corner() -> None:
    rows = positions()
    table((name, x / SHAPE[1], y / SHAPE[0]) for name, x, y in rows)
    built = ("density", "list.csv", "out", "--sigma", "3", "--like", "gt")
    refusal = kldeval(*built)
    assert refusal.code == 2
    assert kldeval(*built, *advice(refusal.err)).code == 0
    table(rows)
    assert kldeval("density", "list.csv", "plain", "--sigma", "3", "--like", "gt").code == 0
    for name in NAMES:
        np.testing.assert_allclose(np.load(f"out/{name}.npy"), np.load(f"plain/{name}.npy"), rtol=1e-12)


# maps of fixations


def marks() -> np.ndarray[Any, Any]:
    spots = np.zeros(SHAPE, np.uint8)
    rng = np.random.default_rng(6)
    spots[8 * rng.permutation(6) + 3, 8 * rng.permutation(8)[:6] + 3] = 255
    return spots


def test_smeared_marks_are_told_by_a_threshold_on_the_scale_of_the_run() -> None:
    spots = marks()
    cv2.imwrite("marks.jpg", spots, [cv2.IMWRITE_JPEG_QUALITY, 90])
    cv2.imwrite("marks.png", spots)
    one = ("pred/a.npy", "gt/a.npy", "--metric", "nss", "--fixations")
    outcome = kldeval(*one, "marks.jpg")
    message = outcome.err or json.loads(kldeval(*one, "marks.jpg", "--format", "json").out)["failures"][0]["message"]
    assert advice(message) == ["--fixation-threshold", "0.5"]
    flags = advice(message)
    assert score(*one, "marks.jpg", *flags) == score(*one, "marks.png")
    document = json.loads(kldeval(*one, "marks.jpg", *flags, "--format", "json").out)
    (signature,) = document["signature"].values()
    assert "|fixations:read(threshold=0.5,on=unit)|" in signature
    again = ("pred/a.npy", "gt/a.npy", "--fixations", "marks.jpg", "--signature", signature)
    assert score(*again) == score(*one, "marks.png")


def test_a_signature_of_stored_bytes_keeps_them() -> None:
    spots = marks()
    cv2.imwrite("marks.jpg", spots, [cv2.IMWRITE_JPEG_QUALITY, 90])
    cv2.imwrite("marks.png", spots)
    one = ("pred/a.npy", "gt/a.npy", "--fixations")
    flags = ("--metric", "nss", "--scale", "raw", "--fixation-threshold", "128", "--format", "json")
    (now,) = json.loads(kldeval(*one, "marks.jpg", *flags).out)["signature"].values()
    assert "|fixations:read(threshold=128)|" in now
    old = now.replace("scale:raw", "scale:unit")
    assert score(*one, "marks.jpg", "--signature", old) == score(*one, "marks.png", "--metric", "nss")


def test_a_byte_is_no_threshold_on_the_scale_of_the_run() -> None:
    cv2.imwrite("marks.png", marks())
    outcome = kldeval(
        "pred/a.npy", "gt/a.npy", "--metric", "nss", "--fixations", "marks.png", "--fixation-threshold", "128"
    )
    assert "the values are 0..1, where the highest is 1; 128 of a byte is 0.502" in outcome.out + outcome.err
