"""Folders, single files and tables as people give them: what is read, what is named, and that each advice works."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import tifffile
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


def test_what_lies_beside_the_models_is_not_given() -> None:
    """The ground truths, other folders and files: a shell's * would take them for models."""
    for place, model in enumerate(("one", "other model")):
        fill(f"data/{model}", seed=3 + place)
    shutil.copytree("gt", "data/gt")
    fill("data/figures/old", seed=9)
    message = kldeval("data", "data/gt", *EXACT).err
    assert message.endswith(
        "data holds several models (one, other model): give data/one 'data/other model' in its place\n"
    )
    outcome = kldeval("data/one", "data/other model", "data/gt", *EXACT, "--format", "json")
    reports = json.loads(outcome.out)["reports"]
    for model in ("one", "other model"):
        assert reports[model]["summary"]["kld"]["mean"] == pytest.approx(mean(f"data/{model}/{{}}.npy"))


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
    for folder, suffix in (("pictures", ".psd"), ("tensors", ".ckpt")):
        Path(folder).mkdir()
        Path(folder, f"a{suffix}").write_bytes(b"x")
    for command in ((), ("check",)):
        outcome = kldeval(*command, "pictures", "tensors")
        assert outcome.code == 2
        assert "pictures holds no map: only files of other kinds (.psd); tensors holds no map: only " in outcome.err
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


# what a file is


FOREIGN = {
    b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n": "a Git LFS pointer, not the file itself",
    b"<!DOCTYPE html><html>404</html>": "a web page, as an error of a download saves it",
    b"\x1f\x8b\x08\0\0\0\0\0": "compressed by gzip; decompress it with: gunzip",
    b"\x28\xb5\x2f\xfd\0\0\0\0": "compressed by Zstandard; decompress it with: zstd -d",
}


@pytest.mark.parametrize("data", FOREIGN, ids=["lfs", "html", "gzip", "zstd"])
@pytest.mark.parametrize("suffix", [".npy", ".npz", ".mat", ".png", ".tif", ".jpg", ".pgm", ".csv", ".json"])
def test_what_a_file_is_instead_is_named_whatever_its_suffix(data: bytes, suffix: str) -> None:
    Path(f"a{suffix}").write_bytes(data)
    if suffix in (".csv", ".json"):
        outcome = kldeval("gt", "gt", "--metric", "nss", "--fixations", f"a{suffix}")
        message = outcome.err
    else:
        outcome = kldeval(f"a{suffix}", "gt/a.npy", "--format", "json")
        (failure,) = json.loads(outcome.out)["failures"]
        message = failure["message"]
    assert FOREIGN[data] in message
    assert "b'" not in message


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint16])
def test_levels_of_two_scales_are_noted_where_they_move_a_number(dtype: type) -> None:
    levels = np.random.default_rng(3).integers(0, 256, (2, 6, 8))
    np.save("levels.npy", levels[0].astype(dtype))
    np.save("bytes.npy", levels[1].astype(np.uint8))
    said = (
        "one side is 8-bit, divided by 255, and the other holds whole numbers of 0..255 as floats or in 16 bits (1 of 1"
    )
    for words in (["-m", "mse"], ["--norm", "flatten-softmax"], ["-m", "mse,kld"]):
        assert said in kldeval("levels.npy", "bytes.npy", *words).out
        assert said in kldeval("bytes.npy", "levels.npy", *words).out
        assert said not in kldeval("levels.npy", "bytes.npy", *words, "--scale", "raw").out
        assert said not in kldeval("bytes.npy", "bytes.npy", *words).out
    assert said not in kldeval("levels.npy", "bytes.npy", "-m", "kld,cc").out


def test_equal_values_on_two_scales_are_not_called_identical() -> None:
    levels = np.arange(48, dtype=np.uint8).reshape(6, 8)
    np.save("bytes.npy", levels)
    np.save("floats.npy", levels.astype(float))
    assert "are identical" in kldeval("bytes.npy", "bytes.npy").out
    assert "are identical" not in kldeval("bytes.npy", "floats.npy", "-m", "mse").out


def test_check_summarises_and_shows_pairs_on_request() -> None:
    fill("pred")
    np.save("pred/a.npy", np.ones((2, 3), np.uint8))
    short, full = kldeval("check", "pred", "gt"), kldeval("check", "pred", "gt", "--pairs")
    assert short.out.splitlines()[-4:] == [
        "predictions: 2 of 8x6 float64",
        "ground truths: 2 of 8x6 float64",
        "",
        "2 pairs can be scored, 1 problem",
    ]
    assert short.out.startswith("1 problem\na   check   sizes differ")
    assert "pred/b.npy" not in short.out
    assert "pred/b.npy" in full.out
    assert (short.code, full.code) == (1, 1)


def test_all_zero_bytes_may_be_floats_that_were_saved_so() -> None:
    for side, other in (("pred", "gt"), ("gt", "pred")):
        cv2.imwrite(f"{side}.png", np.zeros(SHAPE, np.uint8))
        cv2.imwrite(f"{other}.png", np.full(SHAPE, 9, np.uint8))
        (failure,) = json.loads(kldeval("pred.png", "gt.png", "--format", "json").out)["failures"]
        assert failure["message"].endswith("become 0, too: multiply by 255 before saving")
    np.save("zero.npy", np.zeros(SHAPE))
    (failure,) = json.loads(kldeval("zero.npy", "gt/a.npy", "--format", "json").out)["failures"]
    assert "saved as integers" not in failure["message"]


# labels


def cross_entropy(logits: np.ndarray[Any, Any], label: np.ndarray[Any, Any], valid: np.ndarray[Any, Any]) -> float:
    logs = logits - np.log(np.exp(logits).sum(0))
    picked = np.take_along_axis(logs, np.where(valid, label, 0)[None], 0)[0]
    return float(-picked[valid].mean())


@pytest.mark.parametrize("ignored", [None, 254, -1])
def test_labels_from_one_with_zero_unlabelled(ignored: int | None) -> None:
    rng = np.random.default_rng(9)
    logits, label = rng.normal(size=(4, *SHAPE)), rng.integers(0, 5, SHAPE)
    stored = label.copy()
    if ignored is not None:
        stored[0, :3] = ignored
    np.save("pred.npy", logits)
    np.save("labels.npy", stored)
    run = ("pred.npy", "labels.npy", "--norm", "softmax", "--axis", "0", "--metric", "ce")
    flags = ("--reduce-zero-label", *(("--ignore-index", str(ignored)) if ignored is not None else ()))
    if ignored is None:
        (failure,) = json.loads(kldeval(*run, "--format", "json").out)["failures"]
        assert "if 0 is unlabelled and the classes are 1..C: --reduce-zero-label" in failure["message"]
    valid = (stored > 0) & (stored < 5)
    assert score(*run, *flags) == pytest.approx([cross_entropy(logits, stored - 1, valid)])
    (signature,) = json.loads(kldeval(*run, *flags, "--format", "json").out)["signature"].values()
    inside = "" if ignored is None else f"ignore_index={ignored},"
    assert f"|gt:labels({inside}reduce_zero=true)|" in signature
    assert score(*run[:2], "--signature", signature) == score(*run, *flags)


def test_a_frame_whose_labels_are_all_ignored_is_skipped_on_request() -> None:
    rng = np.random.default_rng(9)
    for name, label in (("a", rng.integers(0, 4, SHAPE)), ("b", np.full(SHAPE, 255))):
        for folder, array in (("logits", rng.normal(size=(4, *SHAPE))), ("labels", label)):
            Path(folder).mkdir(exist_ok=True)
            np.save(f"{folder}/{name}.npy", array)
    run = ("logits", "labels", "--norm", "softmax", "--axis", "0", "--metric", "ce", "--ignore-index", "255")
    document = json.loads(kldeval(*run, "--empty-gt", "skip", "--format", "json").out)
    assert [row["name"] for row in document["maps"]] == ["a"]
    assert document["notes"] == ["1 map with an all-ignored ground truth was skipped (--empty-gt skip)"]
    logits, label = np.load("logits/a.npy"), np.load("labels/a.npy")
    assert document["summary"]["ce"]["mean"] == pytest.approx(cross_entropy(logits, label, label < 4))
    assert np.isnan(float(json.loads(kldeval(*run, "--format", "json").out)["summary"]["ce"]["mean"]))


# scales


def bytes_of(seed: int) -> np.ndarray[Any, Any]:
    return np.asarray(np.random.default_rng(seed).integers(3, 250, SHAPE), np.uint8)


@pytest.mark.parametrize("raw", ["pred", "gt"])
def test_each_side_may_have_its_own_scale(raw: str) -> None:
    sides = {"pred": bytes_of(11), "gt": bytes_of(12)}
    for side, array in sides.items():
        cv2.imwrite(f"{side}.png", array)
    on_scale = {side: array.astype(float) / (1 if side == raw else 255) for side, array in sides.items()}
    p, q = (np.exp(on_scale[side] - on_scale[side].max()) for side in ("pred", "gt"))
    p, q = p / p.sum(), q / q.sum()
    run = ("pred.png", "gt.png", "--norm", "flatten-softmax", *EXACT)
    expected = pytest.approx([float((q * (np.log(q) - np.log(p))).sum())])
    assert score(*run, f"--{raw}-scale", "raw") == expected
    other = "gt" if raw == "pred" else "pred"
    assert score(*run, "--scale", "raw", f"--{other}-scale", "unit") == expected
    (signature,) = json.loads(kldeval(*run, f"--{raw}-scale", "raw", "--format", "json").out)["signature"].values()
    assert ("scale:pred=raw,gt=unit" if raw == "pred" else "scale:pred=unit,gt=raw") in signature
    assert score("pred.png", "gt.png", "--signature", signature) == expected
    assert "--pred-scale byte: 'byte' is none of unit, raw" in kldeval(*run, "--pred-scale", "byte").err


@pytest.mark.parametrize("side", ["pred", "gt"])
@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_whole_numbers_that_are_zero_and_one_are_a_mask_under_bce(side: str, kind: type) -> None:
    mask = np.random.default_rng(13).random(SHAPE) < 0.4
    sides = {"pred": bytes_of(11) / 255, "gt": bytes_of(12) / 255, side: mask.astype(float)}
    cv2.imwrite("pred.png", bytes_of(11))
    cv2.imwrite("gt.png", bytes_of(12))
    cv2.imwrite(f"{side}.png", mask.astype(kind))
    p, t = sides["pred"], sides["gt"]
    with np.errstate(divide="ignore"):
        logs, others = np.maximum(np.log(p), -100), np.maximum(np.log(1 - p), -100)
    expected = pytest.approx([float(-(t * logs + (1 - t) * others).mean())])
    run = ("pred.png", "gt.png", "--metric", "bce")
    assert score(*run) == expected
    assert score(*run, "--jobs", "1") == expected
    document = json.loads(kldeval(*run, "--format", "json").out)
    assert any(
        "holds 0 and 1 as whole numbers (1 of 1 map), which are taken as such" in note for note in document["notes"]
    )
    signature = document["signature"]["bce"]
    assert "|masks:01|" in signature
    assert score("pred.png", "gt.png", "--signature", signature) == expected
    # a signature without it is of bytes divided by their full scale
    t = t / (np.iinfo(kind).max if side == "gt" else 1)
    p = p / (np.iinfo(kind).max if side == "pred" else 1)
    with np.errstate(divide="ignore"):
        logs, others = np.maximum(np.log(p), -100), np.maximum(np.log(1 - p), -100)
    earlier = score("pred.png", "gt.png", "--signature", signature.replace("masks:01|", ""))
    assert earlier == pytest.approx([float(-(t * logs + (1 - t) * others).mean())])


def test_a_mask_beside_bce_leaves_other_metrics_their_signature() -> None:
    cv2.imwrite("pred.png", bytes_of(11))
    cv2.imwrite("gt.png", (bytes_of(12) > 100).astype(np.uint8))
    document = json.loads(kldeval("pred.png", "gt.png", "--metric", "kld,bce,cc", "--format", "json").out)
    assert {key: "masks:01" in text for key, text in document["signature"].items()} == {
        "kld": False,
        "bce": True,
        "cc": False,
    }
    for key, text in document["signature"].items():
        assert score("pred.png", "gt.png", "--signature", text) == pytest.approx([document["summary"][key]["mean"]])


def test_batches_of_masks_give_the_number_of_files() -> None:
    from kldeval import Metric

    pred, mask = bytes_of(11), (bytes_of(12) > 100).astype(np.uint8)
    cv2.imwrite("pred.png", pred)
    cv2.imwrite("gt.png", mask)
    metric = Metric("bce")
    metric.update(pred, mask)
    assert [metric.compute()] == score("pred.png", "gt.png", "--metric", "bce")


# what is written


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="needs a folder that takes no files")
def test_a_folder_that_takes_no_file_is_found_before_anything_is_scored() -> None:
    fill("pred")
    outcome = kldeval("pred", "gt", "--output", "/proc/report.json")
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.startswith("kldeval: cannot write /proc/report.json: the folder /proc takes no new files (")


@pytest.mark.parametrize("form", ["csv", "tsv", "table", "markdown", "latex", "json", "jsonl"])
def test_names_that_steer_a_terminal_or_a_spreadsheet_are_harmless(form: str) -> None:
    for name in ("a\x1b[31m", "b\x9b2J", "=cmd|'x'!A1", "c\u202ed"):
        for side in ("pred", "gt"):
            Path(side).mkdir(exist_ok=True)
            np.save(f"{side}/{name}.npy", np.random.default_rng(1).random(SHAPE))
    for folder in ("pred", "gt"):
        for path in Path(folder).glob("[abc].npy"):
            path.unlink()
    out = kldeval("pred", "gt", "--per-map", "--format", form).out
    assert not {"\x1b", "\x9b", "\u202e"} & {*out}
    assert len(out.splitlines()) > 3
    if form in ("csv", "tsv"):
        assert "\n=cmd" not in out


# maps of the earth


def geotiff(path: str, array: np.ndarray[Any, Any], nodata: str | None = None, east: float = 10.0) -> None:
    tags: list[tuple[int, str, int, Any, bool]] = [
        (33550, "d", 3, (0.5, 0.5, 0.0), False),
        (33922, "d", 6, (0.0, 0.0, 0.0, east, 50.0, 0.0), False),
    ]
    if nodata is not None:
        tags.append((42113, "s", 0, nodata, False))
    tifffile.imwrite(path, array, extratags=tags)


@pytest.mark.parametrize("value", ["-9999", "1e+20", "nan", "3"])
@pytest.mark.parametrize("side", ["pred", "gt"])
def test_a_nodata_tag_is_heard(value: str, side: str) -> None:
    rng = np.random.default_rng(17)
    sides = {name: (rng.random(SHAPE) + 0.1).astype(np.float32) for name in ("pred", "gt")}
    for array in sides.values():
        array[0, :3] = np.float32(value)
    for name, array in sides.items():
        geotiff(f"{name}.tif", array, value if name == side else None)
    outcome = kldeval("pred.tif", "gt.tif", *EXACT, "--format", "json")
    (failure,) = json.loads(outcome.out)["failures"]
    advice = re.search(r"--nodata \S+", failure["message"])
    assert advice
    assert f"{side}.tif: its nodata tag says" in failure["message"]
    p, q = (array.astype(float).ravel()[3:] for array in (sides["pred"], sides["gt"]))
    p, q = p / p.sum(), q / q.sum()
    expected = float((q * np.log(q / p)).sum())
    assert score("pred.tif", "gt.tif", *EXACT, *advice[0].split()) == pytest.approx([expected])


def test_a_nodata_tag_of_a_value_that_does_not_occur_changes_nothing() -> None:
    rng = np.random.default_rng(17)
    for name in ("pred", "gt"):
        geotiff(f"{name}.tif", (rng.random(SHAPE) + 0.1).astype(np.float32), "-9999")
    assert kldeval("pred.tif", "gt.tif", *EXACT).code == 0


def test_maps_of_other_places_are_refused() -> None:
    array = (np.random.default_rng(17).random(SHAPE) + 0.1).astype(np.float32)
    geotiff("pred.tif", array, east=10)
    geotiff("gt.tif", array, east=11)
    (failure,) = json.loads(kldeval("pred.tif", "gt.tif", *EXACT, "--format", "json").out)["failures"]
    assert "lie on other grids" in failure["message"]
    geotiff("gt.tif", array, east=10)
    assert kldeval("pred.tif", "gt.tif", *EXACT).code == 0
