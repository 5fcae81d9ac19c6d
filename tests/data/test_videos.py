"""Videos as predictions and ground truths: their frames are those of an extraction by ffmpeg, one by one."""

from __future__ import annotations

import json
import math
import os
import sys
from contextlib import nullcontext
from pathlib import Path
from pkgutil import resolve_name
from random import Random
from subprocess import DEVNULL, PIPE
from typing import TYPE_CHECKING, Any
from zipfile import ZipFile

import cv2
import numpy as np
import pytest
from command_line import kldeval, score
from programs import python
from reading import another_child
from watching import running

if TYPE_CHECKING:
    from collections.abc import Iterator

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


COUNTING = """
exec(open("sitecustomize.py").read())  # a fork runs none by itself
import io, json, os, sys, threading
from collections import Counter
from contextlib import redirect_stdout
from kldeval.cli.main import run_arguments
from kldeval.executors import local

local.WORTH_WORKERS = 0  # workers are started for the smallest run
if sys.argv[1] == "threads":
    sys.frozen = True  # no other process can fork the workers
    threading.Thread(target=threading.Event().wait, daemon=True).start()
for line in sys.stdin:
    open(os.environ["GRABBED"], "w").close()
    out = io.StringIO()
    with redirect_stdout(out):
        code = run_arguments(json.loads(line))
    grabbed = Counter(open(os.environ["GRABBED"]).read().split())
    print(json.dumps([code, grabbed, out.getvalue()]), flush=True)
"""

NOTING = """
import os

import cv2

class Noting:
    def __init__(self, path, *rest):
        self.path, self.own = path, cv2_capture(path, *rest)

    def __getattr__(self, name):
        return getattr(self.own, name)

    def grab(self):
        found = self.own.grab()
        if found:
            with open(os.environ["GRABBED"], "a") as log:
                log.write(f"{os.path.relpath(self.path)}\\n")
        return found

if cv2.VideoCapture.__name__ != "Noting":
    cv2_capture, cv2.VideoCapture = cv2.VideoCapture, Noting
"""
"""What every process does before all else: note each frame that it decodes."""


@pytest.mark.slow
@pytest.mark.parametrize("workers", ["processes", "threads"])
def test_every_frame_is_decoded_once_whatever_the_number_of_workers(workers: str) -> None:
    """And what is printed is the same."""
    for place, path in enumerate(("p", "g", "pred/a", "pred/b", "gt/a", "gt/b", "two/a", "two/b")):
        video(f"{path}.avi", frames(place, 10))
    whole = dict.fromkeys(("p.avi", "g.avi"), 10)
    folders = dict.fromkeys(("pred/a.avi", "pred/b.avi", "gt/a.avi", "gt/b.avi"), 10)
    models = folders | dict.fromkeys(("two/a.avi", "two/b.avi"), 10)
    runs: list[tuple[list[str], dict[str, int]]] = [
        (["p.avi", "g.avi"], whole),
        (["pred", "gt"], folders),
        (["pred", "two", "gt"], models),
        (["p.avi", "g.avi", "--every", "7"], dict.fromkeys(whole, 8)),
        (["p.avi", "g.avi", "--fps", "5"], dict.fromkeys(whole, 6)),
        (["p.avi", "g.avi", "--shard", "2/3"], dict.fromkeys(whole, 8)),
        (["check", "p.avi", "g.avi"], whole),
        (["p.avi", "g.avi", "--bounds", "round"], dict.fromkeys(whole, 20)),  # those are found in a second pass
    ]
    Path("sitecustomize.py").write_text(NOTING)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([".", *sys.path]), "GRABBED": "grabbed"}
    runs = runs if workers == "processes" else runs[1:4]
    jobs = [("1", "2", "3") if place < 2 else ("1", "3") for place in range(len(runs))]
    asked = [[*arguments, "--jobs", n] for (arguments, _), numbers in zip(runs, jobs, strict=True) for n in numbers]
    with running(
        [*python(), "-c", COUNTING, workers], env=environment, stdin=PIPE, stdout=PIPE, stderr=DEVNULL
    ) as process:
        out, _ = process.communicate("".join(f"{json.dumps(one)}\n" for one in asked), timeout=60)
    found = iter([json.loads(line) for line in out.splitlines()])
    for (_, grabbed), numbers in zip(runs, jobs, strict=True):
        of_run = [next(found) for _ in numbers]
        assert [one[:2] for one in of_run] == [[0, grabbed]] * len(numbers)
        assert len({one[2] for one in of_run}) == 1
    assert next(found, None) is None


def test_every_nth_frame_counts() -> None:
    pred, gt = frames(1), frames(2)
    expected = divergences(pred, gt)
    found = rows(video("pred.avi", pred), video("gt.avi", gt), "--every", "3")
    assert found == pytest.approx({"0001": expected[0], "0004": expected[3], "0007": expected[6]})
    images("gt", gt)
    outcome = kldeval("pred.avi", "gt", *EXACT, "--every", "3", "--missing", "skip", "--format", "json")
    assert [row["name"] for row in json.loads(outcome.out)["maps"]] == ["001", "004", "007"]


@pytest.mark.parametrize(
    ("rates", "fps", "every"),
    [
        ((25, 50), "25", 1),
        ((50, 25), "25", 1),
        ((25, 30), "5", 1),
        ((30, 25), "25", 1),
        ((25, 30), "25", 2),
        ((24000 / 1001, 24), "23.976", 1),
        ((12.5, 30), "10", 1),
        ((30, 30), "30", 3),
    ],
)
def test_frames_of_the_same_times_meet(rates: tuple[float, float], fps: str, every: int) -> None:
    lengths = [round(2 * rate) for rate in rates]
    pred, gt = frames(1, lengths[0]), frames(2, lengths[1])
    video("pred.avi", pred, rate=rates[0])
    video("gt.avi", gt, rate=rates[1])
    times = [sample / float(fps) + 1e-6 for sample in range(0, round(2 * float(fps)), every)]
    sides = zip(rates, lengths, strict=True)
    shown = [[min(int(time * rate), length - 1) for time in times] for rate, length in sides]
    expected = divergences([pred[place] for place in shown[0]], [gt[place] for place in shown[1]])
    found = rows("pred.avi", "gt.avi", "--fps", fps, "--every", str(every))
    assert list(found) == [f"{place + 1:04d}" for place in shown[1]]
    assert list(found.values()) == pytest.approx(expected)


@pytest.mark.parametrize("side", ["pred", "gt"])
@pytest.mark.parametrize("first", [0, 1])
def test_frames_meet_images_of_another_rate(side: str, first: int) -> None:
    """The images are the samples; names are those of the ground truth."""
    of_video, of_images = frames(1, 12), frames(2, 6)
    other = "gt" if side == "pred" else "pred"
    video(f"{side}/run.avi", of_video, rate=24)
    images(f"{other}/run", of_images, "img_{:d}", first)
    sides = {side: of_video[::2], other: of_images}
    expected = divergences(sides["pred"], sides["gt"])
    found = rows("pred", "gt", "--fps", "12")
    numbers = range(1, 13, 2) if side == "gt" else range(first, first + 6)
    assert found == pytest.approx(
        {
            f"run/{'' if side == 'gt' else 'img_'}{n:{'04d' if side == 'gt' else 'd'}}": one
            for n, one in zip(numbers, expected, strict=True)
        }
    )


def test_frames_of_other_times_are_not_paired_unasked() -> None:
    video("pred/run.avi", frames(1, 10), rate=30)
    video("gt/run.avi", frames(2, 10), rate=25)
    outcome = kldeval("pred", "gt", *EXACT)
    assert outcome.code == 2
    assert outcome.err == (
        "kldeval: the video run has 30 frames a second as prediction and 25 as ground truth: frames of one number are "
        "of other times; --fps 25 compares those of one time\n"
    )
    found = json.loads(kldeval("pred", "gt", *EXACT, "--fps", "25", "--format", "json").out)
    assert [row["name"] for row in found["maps"]] == [f"run/{number:04d}" for number in range(1, 10)]
    assert [failure["name"] for failure in found["failures"]] == ["run/0010"]
    above = kldeval("pred", "gt", *EXACT, "--fps", "30").err
    assert above == "kldeval: --fps 30: the ground truth of the video run has 25 frames a second\n"
    for text in ("0", "x", "nan", "-1", "1/0", "1e9"):
        assert "frames a second are a number above 0" in kldeval("pred", "gt", *EXACT, "--fps", text).err
    images("a", frames(1))
    images("b", frames(2))
    for flag in (("--every", "2"), ("--fps", "5")):
        said = f"kldeval: {flag[0]} is of the frames of videos, and neither side holds a video\n"
        assert kldeval("a", "b", *EXACT, *flag).err == said
        assert kldeval("a/001.png", "b/001.png", *EXACT, *flag).err == said
        assert "leave out --pred-name" in kldeval("pred", "gt", *EXACT, *flag, "--gt-name", "{v}/{n}").err


def test_images_of_numbers_that_no_frame_has_are_not_met_by_another() -> None:
    """The frame after those of the images is not taken for the image that bears its number."""
    pred = frames(1)
    video("pred.avi", pred)
    Path("gt").mkdir()
    for number in (0, 6):
        cv2.imwrite(f"gt/{number:04d}.png", pred[number])
    found = json.loads(kldeval("pred.avi", "gt", *EXACT, "--allow-extra", "--format", "json").out)
    assert {row["name"]: round(row["kld"], 6) for row in found["maps"]} == {"0000": 0, "0006": 0}


def test_one_map_for_all_frames_of_a_video() -> None:
    gt = frames(2)
    cv2.imwrite("centre.png", gt[0])
    video("gt.avi", gt)
    assert list(rows("centre.png", "gt.avi", "--every", "3")) == ["0001", "0004", "0007"]
    video("lossy.mp4", [cv2.GaussianBlur(frame, (0, 0), 4) for frame in gt], "mp4v")
    assert "--allow-lossy takes them as they are" in kldeval("centre.png", "lossy.mp4", *EXACT).err


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


@pytest.mark.parametrize(("suffix", "code"), [("avi", "FFV1"), ("mkv", "FFV1"), ("avi", "MPNG")])
def test_damage_makes_no_other_frame(suffix: str, code: str) -> None:
    """Of a damaged video every frame is that of the sound one, or refused: none stands in the place of another."""
    levels = [np.full(SHAPE, 20 * place + 10, np.uint8) for place in range(LENGTH)]
    sound = Path(video(f"sound.{suffix}", levels, code)).read_bytes()
    images("gt", levels)
    found = {"same": 0, "refused": 0}
    for seed in range(8):
        random, data = Random(seed), bytearray(sound)
        for _ in range(random.randint(1, 3)):
            data[random.randrange(len(data))] ^= 1 << random.randrange(8)
        Path(f"damaged.{suffix}").write_bytes(data)
        outcome = kldeval(
            f"damaged.{suffix}", "gt", "--metric", "mae", "--scale", "raw", "--format", "json", "--jobs", "1"
        )
        made = json.loads(outcome.out) if outcome.code != 2 else {"maps": []}
        assert [row["mae"] for row in made["maps"]] == [0] * len(made["maps"])
        found["same"] += len(made["maps"])
        found["refused"] += LENGTH - len(made["maps"])
    assert min(found.values()) > 0


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_what_decoders_say_of_damage_is_in_the_refusal_alone(
    jobs: str, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where OpenCV is told to print it, too, which a process looks for once."""
    if jobs == "2":
        monkeypatch.setenv("OPENCV_FFMPEG_DEBUG", "1")
    data = bytearray(Path(video("pred.avi", frames(1, 40))).read_bytes())
    for place in range(len(data) // 4, len(data) // 2, 500):
        data[place] ^= 0xFF
    Path("pred.avi").write_bytes(data)
    images("gt", frames(2, 40))
    with another_child() if jobs == "2" else nullcontext():
        made = json.loads(kldeval("pred.avi", "gt", *EXACT, "--format", "json", "--jobs", jobs, "-q").out)
    assert capfd.readouterr() == ("", "")
    place = len(made["maps"])
    assert 0 < place < 20
    message = f"pred.avi: the video ends or is damaged after {place} frames: slice CRC mismatch "
    assert len(made["failures"]) == 40 - place
    assert all(failure["message"].startswith(message) for failure in made["failures"])


def test_a_video_that_ends_its_reader_ends_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """And not one for each frame that follows, or a wait of minutes for each."""
    video("pred.avi", frames(1))
    images("gt", frames(2))
    target = "kldeval.data.containers.videos.load_apart"
    read, asked, functions = resolve_name(target), [], set()

    def reading(*given: Any) -> Any:
        functions.add(given[3])
        if len(given) > len(("module", "path", "limits", "function")):
            asked.append(given[-1].name)
            if asked[-1] == "0003":
                msg = "pred.avi: damaged: the process that read it ended (exit code 9)"
                raise resolve_name("kldeval.data.readers.apart:ReaderLost")(msg)
        return read(*given)

    monkeypatch.setattr(target, reading)
    made = json.loads(kldeval("pred.avi", "gt", *EXACT, "--format", "json", "--jobs", "1").out)
    assert asked == ["0001", "0002", "0003"]
    assert functions == {"contents", "read_frame"}
    assert [row["name"] for row in made["maps"]] == ["001", "002"]
    assert {failure["message"] for failure in made["failures"]} == {
        "pred.avi: damaged: the process that read it ended (exit code 9)"
    }
    monkeypatch.setattr(target, read)
    Path(video("mended.avi", frames(1))).replace("pred.avi")
    assert len(rows("pred.avi", "gt")) == LENGTH


def test_frames_that_are_not_shown_at_a_constant_rate_are_refused() -> None:
    """As where a decoder leaves one out, whose place the next would take."""
    found = frames(1)
    sound = Path(video("pred.mkv", found)).read_bytes()
    block = b"\x81" + (240).to_bytes(2)  # the track of the last frame, and its time in milliseconds
    assert sound.count(block) == 1
    Path("pred.mkv").write_bytes(sound.replace(block, b"\x81" + (320).to_bytes(2)))
    images("gt", frames(2))
    made = json.loads(kldeval("pred.mkv", "gt", *EXACT, "--format", "json").out)
    assert len(made["maps"]) == LENGTH - 1
    assert "frame 7 is shown 3.00 frames after the one before: some are missing" in made["failures"][0]["message"]


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
    assert failures[0]["message"] == (
        f"pred.avi/0001: its colour channels differ (uint8, shape {(*SHAPE, 3)}); a map is grey: choose how to make it "
        "so with --color luma|mean|first"
    )
    assert kldeval("pred.avi", "gt", *EXACT, "--color", "luma").code == 0


def test_colours_of_frames_are_made_grey_as_those_of_their_images() -> None:
    """Whose channels a lossy codec leaves a little apart: a rule that is said acts on them as on an extraction."""
    smooth = [cv2.GaussianBlur(frame, (0, 0), 4) for frame in frames(1)]
    video("pred.mp4", smooth, "mp4v")
    images("gt", frames(2))
    capture = cv2.VideoCapture("pred.mp4", cv2.CAP_FFMPEG)
    decoded = [capture.read()[1] for _ in smooth]
    Path("extracted").mkdir()
    for number, frame in enumerate(decoded, start=1):
        cv2.imwrite(f"extracted/{number:03d}.png", frame)
    assert any(len(np.unique(frame - frame[..., :1])) > 1 for frame in decoded)
    for rule in ("luma", "mean", "first"):
        found = [rows(side, "gt", "--color", rule) for side in ("pred.mp4", "extracted")]
        assert found[0] == found[1], rule
    medians = [np.median(frame, axis=-1) for frame in decoded]
    assert list(rows("pred.mp4", "gt").values()) == pytest.approx(divergences(medians, frames(2)), rel=1e-9)
    softmax = ("--norm", "softmax", "--axis", "0")  # names an axis of classes, which no frame has
    assert rows("pred.mp4", "gt", *softmax, "--color", "mean") == rows("extracted", "gt", *softmax, "--color", "mean")


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


def test_frames_of_one_name_are_refused_by_their_files() -> None:
    """Of two videos, and of a video beside the images that were extracted of it: neither is taken in silence."""
    video("pred/clip.avi", frames(1))
    images("gt/clip", frames(2), "{:04d}")
    expected = rows("pred", "gt")
    video("pred/clip.mkv", frames(3))
    for sides in (("pred", "gt"), ("gt", "pred")):
        assert kldeval(*sides, *EXACT).err == (
            "kldeval: pred holds clip.avi and clip.mkv, whose frames have the same names: move one away, or leave it "
            "out on both sides: --exclude clip.mkv\n"
        )
    assert rows("pred", "gt", "--exclude", "clip.mkv") == expected
    video("gt/clip.avi", frames(3))
    assert kldeval("pred", "gt", *EXACT, "--exclude", "clip.mkv").err == (
        "kldeval: gt holds the video clip.avi, and maps in a folder of its name (such as 'clip/0001.png'): move one "
        "away, or leave out videos of this name on both sides: --exclude clip.avi\n"
    )
    images("pred/clip", frames(1), "{:04d}")
    assert list(rows("pred", "gt", "--exclude", "clip.*").values()) == list(expected.values())


def test_a_path_may_lead_to_a_frame() -> None:
    """On the command line as in a manifest; a lossy ground truth is refused there, too."""
    pred, gt = frames(1), frames(2)
    video("pred.mp4", [cv2.GaussianBlur(frame, (0, 0), 4) for frame in pred], "mp4v")
    video("pred.avi", pred)
    video("gt.avi", gt)
    (expected,) = divergences(pred[2:3], gt[2:3])
    assert score("pred.avi/0003", "gt.avi/0003", *EXACT) == pytest.approx([expected])
    Path("pairs.csv").write_text("pred,gt,name\npred.avi/0003,gt.avi/0003,a\n")
    assert score("--manifest", "pairs.csv", *EXACT) == pytest.approx([expected])
    Path("pairs.csv").write_text("pred,gt,name\npred.avi/0003,pred.mp4/0003,a\n")
    for arguments in (("pred.avi/0003", "pred.mp4/0003"), ("--manifest", "pairs.csv")):
        refused = kldeval(*arguments, *EXACT)
        assert refused.code == 2
        assert (
            "the ground truth pred.mp4/0003 is a frame of a video whose codec (FMP4) may have changed it" in refused.err
        )
        assert kldeval(*arguments, *EXACT, "--allow-lossy").code == 0
    assert "gt.avi holds no map '0009'" in kldeval("pred.avi/0003", "gt.avi/0009", *EXACT).err


def test_messages_call_frames_as_paths_do() -> None:
    """And the ways out that they name lead out."""
    found = frames(1)
    video("videos/clip.avi", found)
    images("gt", found)
    said = {
        ("videos/clip.avi/0009", "gt/001.png"): "videos/clip.avi holds no map '0009'; it holds '0001', '0002', '0003'",
        ("videos/clip.avi", "gt/001.png"): "videos/clip.avi holds 7 maps (such as '0001', '0002', '0003') but "
        "gt/001.png is one; choose one, such as videos/clip.avi/0001, or give as many ground truths",
        ("videos/clip.avi", "gt/001.png", "--pred-key", "0001"): "clip: videos/clip.avi: a video holds a map for each "
        "frame: name one of these, such as videos/clip.avi/0001, and no key",
        ("videos", "gt", "--pred-name", "x/{n}", "--gt-name", "{n}"): "--pred-name 'x/{n}' fits none of the maps in "
        "videos (such as 'clip/0001', 'clip/0002', 'clip/0003')",
        ("videos/clip.avi", "gt", "--gt-name", "{a}/{n}"): "a path of the fields in '{a}/{n}' fits none of the maps in "
        "videos/clip.avi (such as '0001', '0002', '0003')",
    }
    for arguments, message in said.items():
        assert kldeval(*arguments, *EXACT, "--score-only").err == f"kldeval: {message}\n"
    assert score("videos/clip.avi/0001", "gt/001.png", *EXACT) == [pytest.approx(0)]
    with ZipFile("videos.zip", "w") as archive:
        archive.write("videos/clip.avi")
    assert kldeval("videos.zip", "gt", *EXACT).err == (
        "kldeval: videos.zip holds no map; it holds 'videos/clip.avi'; a video is decoded from a file of its own: "
        "unpack them into a folder\n"
    )


def test_a_video_that_is_overwritten_is_opened_anew() -> None:
    """Its next frame is that of the new file, and not of the one that is still open."""
    old, new, gt = frames(1), frames(3), frames(2)
    video("gt.avi", gt)
    expected = [*divergences(old[:1], gt[:1]), *divergences(new[1:2], gt[1:2])]
    video("pred.avi", old)
    assert score("pred.avi/0001", "gt.avi/0001", *EXACT) == pytest.approx(expected[:1])
    Path(video("new.avi", new)).replace("pred.avi")
    assert score("pred.avi/0002", "gt.avi/0002", *EXACT) == pytest.approx(expected[1:])


def test_a_video_holds_as_many_frames_as_it_declares_or_as_are_counted() -> None:
    """The last of those that are declared is refused where more follow: they would be left out in silence."""
    pred = frames(1)
    images("gt", pred[:5])
    said = bytearray(Path(video("pred.avi", pred)).read_bytes())
    place = said.index(b"strh") + 8 + 32  # its length in frames
    assert said[place] == LENGTH
    said[place] = 5
    Path("pred.avi").write_bytes(said)
    made = json.loads(kldeval("pred.avi", "gt", *EXACT, "--format", "json").out)
    assert len(made["maps"]) == 4
    assert made["failures"][0]["message"] == "pred.avi: the video holds more frames than the 5 that it declares"
    sound = Path(video("pred.mkv", pred)).read_bytes()
    duration, void = b"\x44\x89\x88", b"\xec\x89\x88"  # the element says how long the video is, or nothing
    assert sound.count(duration) == 1
    Path("pred.mkv").write_bytes(sound.replace(duration, void))
    assert len(rows("pred.mkv", images("gt", pred))) == LENGTH
    said[place : place + 4] = (10_000).to_bytes(4, "little")
    Path("pred.avi").write_bytes(said)
    assert "it holds '00001', '00002', '00003'" in kldeval("pred.avi/1", "gt/001.png", *EXACT).err


@pytest.fixture
def decoded_here(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Videos are decoded by this process, which can be looked into."""
    heard: list[Any] = []
    for name, value in {"is_expendable": lambda: True, "_decoders": {}, "_heard": heard}.items():
        monkeypatch.setattr(f"kldeval.data.containers.videos.{name}", value)
    yield
    for file in heard:
        file.close()


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="the system does not list open files")
@pytest.mark.usefixtures("decoded_here")
def test_few_videos_are_open_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many there are of which some frames alone are read."""
    monkeypatch.setattr("kldeval.data.containers.videos.MOST_IDLE", 2)
    lines = [f"{video(f'{clip}.avi', frames(1, 2))}/0001,gt.png,{clip}" for clip in "abcdef"]
    cv2.imwrite("gt.png", frames(2)[0])
    Path("pairs.csv").write_text("\n".join(["pred,gt,name", *lines]))
    assert len(score("--manifest", "pairs.csv", "--jobs", "1", *EXACT)) == 1
    links = [str(one.resolve()) for one in Path("/proc/self/fd").iterdir()]
    assert 0 < sum(link.endswith(".avi") for link in links) <= 3


@pytest.mark.parametrize(("models", "is_settled"), [(1, False), (2, True)])
def test_frames_are_kept_between_runs_until_they_change(
    monkeypatch: pytest.MonkeyPatch, models: int, *, is_settled: bool
) -> None:
    """Each is decoded once a run, or not at all; those of young videos, decoded twice to be known, are not kept."""
    target = "kldeval.data.containers.videos.load_apart"
    read = resolve_name(target)
    decoded: list[str] = []

    def reading(*given: Any) -> Any:
        decoded.extend(one.name for one in given[4:])
        return read(*given)

    def run(*kept: str) -> str:
        decoded.clear()
        return kldeval(*sides, *EXACT, "--jobs", "1", "--format", "json", *kept).out

    monkeypatch.setattr("kldeval.digests.SETTLED_NS", 0 if is_settled else 10**12)
    monkeypatch.setattr(target, reading)
    pred, sides = frames(1), ["pred", "other", "gt"][:: 1 if models > 1 else 2]
    numbers = [f"{number:04d}" for number in range(1, LENGTH + 1)]
    for place, side in enumerate(sides):
        video(f"{side}/clip.avi", frames(place + 1))
    before = ""
    for changed in (None, 3):
        if changed is not None:
            pred[changed] = pred[changed] // 2 + 1
            video("pred/clip.avi", pred)
        expected = run()
        assert expected != before
        assert run("--cache", "cache") == expected
        is_known = is_settled and changed is not None  # a model whose video is the same
        assert sorted(decoded) == sorted(numbers * (2 if is_known else len(sides)))
        assert run("--cache", "cache") == expected
        assert sorted(decoded) == ([] if is_settled else sorted(numbers * len(sides)))
        before = expected


def test_a_video_of_frames_that_are_too_large_is_refused_by_name() -> None:
    """As the only one of a folder, too, and where one of its frames is named."""
    video("pred/clip.avi", frames(1, 2))
    images("gt", frames(2, 2))
    said = f"pred/clip.avi: {SHAPE[0] * SHAPE[1]} pixels ({SHAPE[1]} x {SHAPE[0]}) are more than --max-pixels 100\n"
    for pred, gt, where in (
        ("pred/clip.avi", "gt", ""),
        ("pred", "gt", ""),
        ("pred/clip.avi/0001", "gt/001.png", "0001: "),
    ):
        assert kldeval(pred, gt, *EXACT, "--max-pixels", "100", "--score-only").err == f"kldeval: {where}{said}"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no pipes with names")
def test_a_link_to_a_pipe_is_no_video() -> None:
    """Whoever opened it would wait for ever."""
    os.mkfifo("pipe")
    Path("pred").mkdir()
    Path("pred/clip.avi").symlink_to(Path("pipe").absolute())
    images("gt", frames(2, 2))
    said = kldeval("pred", "gt", *EXACT).err
    assert said.startswith("kldeval: pred holds no map: only files of other kinds (.avi)")


@pytest.mark.usefixtures("decoded_here")
def test_a_frame_that_is_asked_for_again_is_at_hand_whatever_the_rate_of_its_video(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One that OpenCV cannot tell has none, and frames meet by their numbers."""
    opened, capture = [], cv2.VideoCapture

    class Capture:
        def __init__(self, path: str, *rest: Any) -> None:
            opened.append(path)
            self.own = capture(path, *rest)

        def __getattr__(self, name: str) -> Any:
            return getattr(self.own, name)

        def get(self, what: int) -> float:
            return math.inf if what == cv2.CAP_PROP_FPS else float(self.own.get(what))

    pred, gt = frames(1), frames(2)
    video("pred.avi", pred)
    video("gt.avi", gt)
    video("other.avi", pred)
    monkeypatch.setattr("cv2.VideoCapture", Capture)
    pairs = ("pred.avi/0001,gt.avi/0003,a", "pred.avi/0002,other.avi/0001,b", "pred.avi/0003,gt.avi/0003,c")
    Path("pairs.csv").write_text("\n".join(["pred,gt,name", *pairs]))
    found = rows("--manifest", "pairs.csv", "--jobs", "1")
    assert list(found.values()) == pytest.approx(divergences(pred[:3], [gt[2], pred[0], gt[2]]))
    assert opened.count("gt.avi") == 2  # to be counted, and to be read
    assert list(rows("pred.avi", "gt.avi", "--jobs", "1").values()) == pytest.approx(divergences(pred, gt))
