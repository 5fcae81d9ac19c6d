"""Videos as predictions and ground truths: their frames are those of an extraction by ffmpeg, one by one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from command_line import kldeval, score

from kldeval.data.containers.videos import LOSSLESS

SHAPE = (32, 48)
LENGTH = 7
EXACT = ("--metric", "kld")

Frames = list[np.ndarray[Any, Any]]


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def frames(seed: int, length: int = LENGTH) -> Frames:
    rng = np.random.default_rng(seed)
    return [np.asarray(rng.integers(1, 255, SHAPE), np.uint8) for _ in range(length)]


def video(path: str, found: Frames, code: str = "FFV1", rate: float = 25) -> str:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    writer = cv2.VideoWriter(path, cv2.CAP_FFMPEG, cv2.VideoWriter_fourcc(*code), rate, SHAPE[::-1])  # type: ignore[attr-defined]
    assert writer.isOpened()
    for frame in found:
        writer.write(cv2.cvtColor(frame, cv2.COLOR_GRAY2BGR))
    writer.release()
    return path


def images(folder: str, found: Frames, form: str = "{:03d}", first: int = 1) -> str:
    Path(folder).mkdir(parents=True, exist_ok=True)
    for number, frame in enumerate(found, start=first):
        cv2.imwrite(f"{folder}/{form.format(number)}.png", frame)
    return folder


def divergences(pred: Frames, gt: Frames) -> list[float]:
    eps = 2.2204e-16
    sides = [(p / p.sum(), q / q.sum()) for p, q in zip(pred, gt, strict=True)]
    return [float((q * np.log(eps + q / (p + eps))).sum()) for p, q in sides]


def rows(*arguments: str) -> dict[str, float]:
    outcome = kldeval(*arguments, *EXACT, "--format", "json")
    assert outcome.code == 0, outcome.err
    return {row["name"]: row["kld"] for row in json.loads(outcome.out)["maps"]}


@pytest.mark.parametrize("suffix", ["avi", "mkv", "mov"])
def test_a_video_is_the_folder_of_its_frames(suffix: str) -> None:
    pred, gt = frames(1), frames(2)
    expected = divergences(pred, gt)
    found = rows(video(f"pred.{suffix}", pred), video(f"gt.{suffix}", gt))
    assert list(found) == [f"{number:04d}" for number in range(1, LENGTH + 1)]
    assert list(found.values()) == pytest.approx(expected)
    for jobs in ("1", "2"):
        assert list(rows(f"pred.{suffix}", f"gt.{suffix}", "--jobs", jobs).values()) == pytest.approx(expected)


@pytest.mark.parametrize(("form", "first"), [("{:03d}", 1), ("{:05d}", 0), ("img_{:d}", 1), ("{:d}", 0)])
@pytest.mark.parametrize("side", ["pred", "gt"])
def test_frames_meet_the_images_of_their_numbers(form: str, first: int, side: str) -> None:
    sides = {"pred": frames(1), "gt": frames(2)}
    other = "gt" if side == "pred" else "pred"
    for clip in ("jump", "run"):
        video(f"{side}/{clip}.avi", sides[side])
        images(f"{other}/{clip}", sides[other], form, first)
    found = rows("pred", "gt")
    expected = divergences(sides["pred"], sides["gt"])
    assert found == pytest.approx(
        {
            f"{clip}/{form.format(number)}": expected[number - first]
            for clip in ("jump", "run")
            for number in range(first, first + LENGTH)
        }
    )


def test_workers_share_no_place_in_a_file() -> None:
    """Whatever was read before the workers began, in this process."""
    pred, gt = frames(1, 40), frames(2, 40)
    sides = video("pred.avi", pred), video("gt.avi", gt)
    expected = divergences(pred, gt)
    for _ in range(3):
        assert list(rows(*sides, "--jobs", "1", "--limit", "7").values()) == pytest.approx(expected[:7])
        assert list(rows(*sides, "--jobs", "3").values()) == pytest.approx(expected)


def test_every_nth_frame_counts() -> None:
    pred, gt = frames(1), frames(2)
    expected = divergences(pred, gt)
    found = rows(video("pred.avi", pred), video("gt.avi", gt), "--every", "3")
    assert found == pytest.approx({"0001": expected[0], "0004": expected[3], "0007": expected[6]})
    images("gt", gt)
    outcome = kldeval("pred.avi", "gt", *EXACT, "--every", "3", "--missing", "skip", "--format", "json")
    assert [row["name"] for row in json.loads(outcome.out)["maps"]] == ["001", "004", "007"]


def test_what_a_lossy_codec_left_is_no_ground_truth_unless_that_is_said() -> None:
    smooth = [cv2.GaussianBlur(frame, (0, 0), 4) for frame in frames(1)]
    video("lossy.mp4", smooth, "mp4v")
    video("gt.avi", smooth)
    refusal = kldeval("gt.avi", "lossy.mp4", *EXACT)
    assert (refusal.code, refusal.out) == (2, "")
    assert refusal.err.rstrip().endswith("may have changed them: --allow-lossy takes them as they are")
    assert kldeval("gt.avi", "lossy.mp4", *EXACT, "--allow-lossy").code == 0
    document = json.loads(kldeval("lossy.mp4", "gt.avi", *EXACT, "--format", "json").out)
    assert any(
        note.startswith("the predictions are frames of videos, decoded to 8 bits (") for note in document["notes"]
    )
    assert document["summary"]["kld"]["mean"] < 0.01
    assert "FFV1" in LOSSLESS


def test_fixations_of_the_frames_stand_beside_their_videos() -> None:
    pred, gt = frames(1), frames(2)
    rng = np.random.default_rng(3)
    places = [[[int(r), int(c)] for r, c in rng.integers(0, 32, (4, 2)).tolist()] for _ in range(LENGTH)]
    for clip in ("jump", "run"):
        video(f"pred/{clip}.avi", pred)
        video(f"gt/{clip}.avi", gt)
        Path("fixations", clip).mkdir(parents=True)
        Path("fixations", clip, "fixations.json").write_text(json.dumps(places))
    z = [(frame - frame.mean()) / frame.std() for frame in pred]
    expected = np.mean([np.mean([one[r, c] for r, c in part]) for one, part in zip(z, places, strict=True)])
    assert score("pred", "gt", "--metric", "nss", "--fixations", "fixations") == pytest.approx([expected])


def test_a_video_that_is_none_or_in_colours_is_refused_by_name() -> None:
    images("gt", frames(2))
    Path("pred.mp4").write_bytes(b"<html>no video</html>")
    assert "pred.mp4: no video that can be decoded" in kldeval("pred.mp4", "gt", *EXACT).err
    writer = cv2.VideoWriter("pred.avi", cv2.CAP_FFMPEG, cv2.VideoWriter_fourcc(*"FFV1"), 25, SHAPE[::-1])  # type: ignore[attr-defined]
    for frame in frames(1):
        writer.write(np.stack([frame, frame.T.reshape(SHAPE), frame], axis=-1))
    writer.release()
    failures = json.loads(kldeval("pred.avi", "gt", *EXACT, "--format", "json").out)["failures"]
    assert {failure["code"] for failure in failures} == {"color"}
    assert "ffmpeg -i VIDEO FOLDER/%04d.png" in failures[0]["message"]


def test_check_and_several_models_take_videos() -> None:
    pred, gt = frames(1), frames(2)
    video("one/jump.avi", pred)
    images("two/jump", pred)
    video("gt/jump.avi", gt)
    assert f"{LENGTH} pairs can be scored, 0 problems" in kldeval("check", "one", "gt").out
    reports = json.loads(kldeval("one", "gt", *EXACT, "--format", "json").out)
    again = json.loads(kldeval("two", "gt", *EXACT, "--format", "json").out)
    assert reports["summary"]["kld"]["mean"] == pytest.approx(again["summary"]["kld"]["mean"], rel=1e-12)


# the preset of the challenges, against its formulas written out


def stretched(frame: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    values = frame.astype(float)
    return np.asarray((values - values.min()) / (values.max() - values.min() + np.finfo(np.float32).eps))


def area(saliency: np.ndarray[Any, Any], places: np.ndarray[Any, Any]) -> float:
    """The trapezoid through a point for each fixation."""
    hit = np.sort(saliency[places[:, 0], places[:, 1]])[::-1]
    n, distinct = len(hit), np.unique(places, axis=1).shape[-1]
    alarms = [((saliency >= value).sum() - i) / (saliency.size - distinct) for i, value in enumerate(hit, start=1)]
    x, y = np.asarray([0.0, *alarms, 1.0]), np.asarray([0.0, *(np.arange(1, n + 1) / n), 1.0])
    return float(((x[1:] - x[:-1]) * (y[1:] + y[:-1]) / 2).sum())


def challenge(pred: np.ndarray[Any, Any], gt: np.ndarray[Any, Any], places: np.ndarray[Any, Any]) -> dict[str, float]:
    p, q = cv2.resize(stretched(pred), gt.shape[::-1]), stretched(gt)
    z, y = ((one - one.mean()) / (one.std() + 1e-7) for one in (p, q))
    return {
        "cc": float((z * y).sum() / np.sqrt((z * z).sum() * (y * y).sum() + 1e-7)),
        "sim": float(np.minimum(p / (p.sum() + 1e-7), q / (q.sum() + 1e-7)).sum()),
        "nss": float(z[places[:, 0], places[:, 1]].mean()),
        "auc-judd": area(p, places),
    }


@pytest.mark.parametrize("factor", [1, 2])
def test_the_preset_of_the_challenges_has_their_numbers(factor: int) -> None:
    expected: dict[str, list[float]] = {}
    for place, (clip, length) in enumerate((("jump", 3), ("run", 6))):
        gt, small = frames(place, length), (SHAPE[1] // factor, SHAPE[0] // factor)
        pred = [cv2.GaussianBlur(cv2.resize(frame, small), (0, 0), 2) for frame in frames(7 + place, length)]
        pred = [np.asarray(frame // 3 + 40, np.uint8) for frame in pred]  # neither 0 nor 255, and many ties
        images(f"pred/{clip}", pred)
        video(f"gt/{clip}.avi", gt)
        rng = np.random.default_rng(place)
        lists = [np.stack([rng.integers(0, SHAPE[0], 9), rng.integers(0, SHAPE[1], 9)], axis=-1) for _ in gt]
        lists = [np.concatenate([one, one[:2]]) for one in lists]
        Path("fix", clip).mkdir(parents=True)
        Path("fix", clip, "fixations.json").write_text(json.dumps([one.tolist() for one in lists]))
        rows_ = [challenge(p, q, one) for p, q, one in zip(pred, gt, lists, strict=True)]
        for key in rows_[0]:
            expected.setdefault(key, []).append(float(np.mean([row[key] for row in rows_])))
    outcome = kldeval("pred", "gt", "--preset", "ntire2026", "--fixations", "fix", "--format", "json")
    assert outcome.code == 0, outcome.err
    document = json.loads(outcome.out)
    found = {key: document["summary"][key]["mean"] for key in expected}
    assert found == pytest.approx({key: float(np.mean(values)) for key, values in expected.items()}, rel=2e-6)
    assert document["provenance"]["short"] == "kldeval:ntire2026-preset+v1"
