"""Folders, single files and tables as people give them: what is read, what is named, and that each advice works."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from command_line import kldeval, score

SHAPE = (6, 8)
NAMES = ("a", "b", "c")
EXACT = ("--metric", "kld()")


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    fill("gt", seed=1)


def fill(folder: str, template: str = "{}", seed: int = 2) -> None:
    rng = np.random.default_rng(seed)
    for name in NAMES:
        path = Path(folder, f"{template.format(name)}.npy")
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, rng.random(SHAPE) + 0.1)


def divergence(pred: str, gt: str) -> float:
    p, q = (array / array.sum() for array in map(np.load, (pred, gt)))
    return float((q * np.log(q / p)).sum())


def mean(pred: str) -> float:
    """The mean over the maps, of predictions in files `pred` with a place for the name."""
    return float(np.mean([divergence(pred.format(name), f"gt/{name}.npy") for name in NAMES]))


def notes(*arguments: str) -> list[str]:
    outcome = kldeval(*arguments, "--format", "json")
    assert outcome.code == 0, outcome.err
    return list(json.loads(outcome.out)["notes"])


# several models in one folder


@pytest.mark.parametrize("template", ["{}", "maps/{}", "{}_sal", "out/pred_{}"])
def test_a_folder_of_models_is_told_and_the_advice_ranks_them(template: str) -> None:
    for place, model in enumerate(("one", "other model")):
        fill(f"my results/{model}", template, seed=3 + place)
    message = kldeval("my results", "gt", *EXACT).err
    assert "my results holds several models (one, other model): give 'my results'/* in its place" in message
    folder = Path("my results").iterdir()
    found = re.search(r"and (--pred-name '[^']*') beside it", message)
    flags = shlex.split(found[1]) if found else []
    outcome = kldeval(*sorted(folder), "gt", *flags, *EXACT, "--format", "json")
    reports = json.loads(outcome.out)["reports"]
    for model in ("one", "other model"):
        expected = mean(f"my results/{model}/{template}.npy")
        assert reports[model]["summary"]["kld"]["mean"] == pytest.approx(expected)


def test_videos_are_no_models() -> None:
    for video in ("jump", "run"):
        fill(f"pred/{video}", seed=4)
        fill(f"tree/{video}/maps", seed=5)
    message = kldeval("pred", "tree", *EXACT).err
    assert "models" not in message
    assert "--gt-name '{video}/maps/{name}' would make 6 pairs" in message


# one map for all


def test_one_prediction_stands_for_all(tmp_path: Path) -> None:
    np.save("centre.npy", np.random.default_rng(6).random(SHAPE) + 0.1)
    assert score("centre.npy", "gt", *EXACT) == pytest.approx([mean("centre.npy")])
    (note,) = notes("centre.npy", "gt", *EXACT)
    assert note == "centre.npy is one map, which stands for the predictions of all 3 ground truths"
    fill("model")
    reports = json.loads(kldeval("model", "centre.npy", "gt", *EXACT, "--format", "json").out)["reports"]
    assert reports["centre"]["summary"]["kld"]["mean"] == pytest.approx(mean("centre.npy"))
    assert reports["model"]["summary"]["kld"]["mean"] == pytest.approx(mean("model/{}.npy"))
    checked = kldeval("check", "centre.npy", "gt")
    assert (checked.code, "3 pairs can be scored, 0 problems" in checked.out) == (0, True)
    assert tmp_path.is_dir()


def test_a_folder_of_predictions_of_one_map_is_given_one_by_one() -> None:
    fill("pred")
    message = kldeval("pred", "gt/a.npy", *EXACT).err
    assert message.rstrip().endswith("several predictions of one map, pred/* in its place")
    outcome = kldeval(*sorted(Path("pred").iterdir()), "gt/a.npy", *EXACT, "--format", "json")
    reports = json.loads(outcome.out)["reports"]
    assert [reports[name]["summary"]["kld"]["mean"] for name in NAMES] == pytest.approx(
        [divergence(f"pred/{name}.npy", "gt/a.npy") for name in NAMES]
    )


# kinds that are not read


@pytest.mark.parametrize("suffix", [".mp4", ".ckpt", ".mdb", ".pth", ".sqlite", ""])
def test_files_of_other_kinds_are_named_on_either_side(suffix: str) -> None:
    fill("pred")
    Path("pred", f"x{suffix}").write_bytes(b"x")
    Path("gt", f"y{suffix}").write_bytes(b"x")
    Path("gt", "README.md").write_text("x")
    shown = suffix or "no suffix"
    wanted = [
        f"left out of the {side}, of kinds that are not read: 1 ({shown})"
        for side in ("predictions in pred", "ground truths in gt")
    ]
    assert notes("pred", "gt", *EXACT) == wanted
    checked = kldeval("check", "pred", "gt")
    assert all(f"note: {note}" in checked.out for note in wanted)
    assert not any("not read" in note for note in notes("pred", "gt", *EXACT, "--exclude", f"[xy]{suffix}"))


def test_folders_without_a_map_are_named_both_at_once() -> None:
    for folder, suffix in (("videos", ".mp4"), ("tensors", ".ckpt")):
        Path(folder).mkdir()
        Path(folder, f"a{suffix}").write_bytes(b"x")
    for command in ((), ("check",)):
        outcome = kldeval(*command, "videos", "tensors")
        assert outcome.code == 2
        assert "videos holds no map: only files of other kinds (.mp4); tensors holds no map: only " in outcome.err
        assert outcome.err.count("readable are") == 1


def test_a_partner_of_another_kind_is_named() -> None:
    fill("pred")
    Path("pred", "a.npy").rename("pred/a.ckpt")
    (failure,) = json.loads(kldeval("pred", "gt", "--format", "json").out)["failures"]
    assert "no map of this name in pred but a.ckpt, of a kind that is not read" in failure["message"]


# tables


@pytest.mark.parametrize("separator", [";", "\t", ","])
@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".txt"])
def test_a_manifest_is_read_whatever_separates_its_columns(separator: str, suffix: str) -> None:
    fill("pred")
    rows = [("name", "pred", "gt"), *((name, f"pred/{name}.npy", f"gt/{name}.npy") for name in NAMES)]
    Path(f"pairs{suffix}").write_text("\n".join(map(separator.join, rows)) + "\n")
    assert score("--manifest", f"pairs{suffix}", *EXACT) == pytest.approx([mean("pred/{}.npy")])


def test_a_manifest_of_windows_is_read() -> None:
    fill("pred")
    np.save("pred/back\\slash.npy", np.load("pred/a.npy"))
    rows = ["pred;gt", *(f"pred\\{name}.npy;gt\\{name}.npy" for name in "bc"), "pred/back\\slash.npy;gt/a.npy"]
    Path("pairs.csv").write_text("\r\n".join(rows) + "\r\n")
    document = json.loads(kldeval("--manifest", "pairs.csv", *EXACT, "--format", "json").out)
    assert [row["name"] for row in document["maps"]] == ["gt/a", "gt/b", "gt/c"]
    assert document["summary"]["kld"]["mean"] == pytest.approx(mean("pred/{}.npy"))


@pytest.mark.parametrize("separator", [";", "\t"])
def test_a_list_of_fixations_is_read_whatever_separates_its_columns(separator: str) -> None:
    fill("pred")
    rows = [("name", "x", "y"), *((name, str(x), "2") for name in NAMES for x in (1, 5))]
    Path("list.csv").write_text("\n".join(map(separator.join, rows)) + "\n")
    z = [(array - array.mean()) / array.std() for array in (np.load(f"pred/{name}.npy") for name in NAMES)]
    expected = np.mean([(one[2, 1] + one[2, 5]) / 2 for one in z])
    assert score("pred", "gt", "--fixations", "list.csv", "--metric", "nss") == pytest.approx([expected])
