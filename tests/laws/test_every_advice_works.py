"""Every recognised cause of docs/causes.md: an input of its kind, what is said of it, and the number of the way out."""

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
from looping import each_of

from kldeval.errors import FAILURE_CODES

if TYPE_CHECKING:
    from collections.abc import Callable

    Array = np.ndarray[Any, Any]
    Case = tuple[str, Callable[[], tuple[float, ...]], str, tuple[str, ...]]

PAGE = Path(__file__).parent.parent.parent / "docs" / "causes.md"
SHAPE = (12, 16)
EXACT = ("--metric", "kld()")
RNG = np.random.default_rng(21)
P, Q = RNG.random(SHAPE) + 0.1, RNG.random(SHAPE) + 0.1


def store(pred: Array, gt: Array = Q) -> None:
    np.save("pred.npy", pred)
    np.save("gt.npy", gt)


def density(values: Array) -> Array:
    return np.asarray(values / values.sum())


def softmax(values: Array) -> Array:
    return density(np.exp(values - values.max()))


def divergence(pred: Array, gt: Array, eps: float = 0.0) -> float:
    """D(gt || pred) of two densities, where the ground truth has mass."""
    p, q = pred[gt > 0], gt[gt > 0]
    return float((q * np.log(eps + q / (p + eps))).sum())


def scores() -> tuple[float, ...]:
    x = RNG.normal(size=SHAPE)
    store(x)
    return (divergence(softmax(x), density(Q)),)


def attributions() -> tuple[float, ...]:
    x = RNG.normal(size=SHAPE)
    store(x)
    return (divergence(density(np.abs(x)), density(Q)),)


def arbitrary_zero() -> tuple[float, ...]:
    x = RNG.normal(size=SHAPE)
    store(x)
    return (divergence(density(x - x.min()), density(Q), 2.2204e-16),)


def overshoot() -> tuple[float, ...]:
    x = P.copy()
    x[0, :3] = -1e-5
    store(x)
    return (divergence(density(np.maximum(x, 0)), density(Q), 2.2204e-16),)


def logarithms(base: float) -> Callable[[], tuple[float, ...]]:
    def build() -> tuple[float, ...]:
        store(np.log(density(P)) / np.log(base))
        return (divergence(density(P), density(Q)),)

    return build


def unnormalised() -> tuple[float, ...]:
    store(np.log(P))
    return (divergence(density(P), density(Q)),)


def probabilities() -> tuple[float, ...]:
    store(density(P))
    return (divergence(density(P), density(Q)),)


def without_data(value: float, side: str) -> Callable[[], tuple[float, ...]]:
    def build() -> tuple[float, ...]:
        sides = {"pred": P.copy(), "gt": Q.copy()}
        sides[side][:3] = value
        store(sides["pred"], sides["gt"])
        if side == "pred":
            return (divergence(density(np.where(np.arange(12)[:, None] < 3, 0, P)), density(Q), 2.2204e-16),)
        return (divergence(density(P[3:]), density(Q[3:])),)

    return build


def another_size() -> tuple[float, ...]:
    small = RNG.random((6, 8)) + 0.1
    store(small)
    return (divergence(density(cv2.resize(small, SHAPE[::-1], interpolation=cv2.INTER_LINEAR)), density(Q)),)


def empty() -> tuple[float, ...]:
    store(P, np.zeros(SHAPE))
    return (divergence(density(P), np.full(SHAPE, 1 / P.size)),)


def colours() -> tuple[float, ...]:
    picture = RNG.integers(1, 255, (*SHAPE, 3)).astype(np.uint8)
    store(P)
    Path("pred.npy").unlink()
    cv2.imwrite("pred.png", picture)
    return (divergence(density(picture.mean(-1)), density(Q)),)


def several_arrays() -> tuple[float, ...]:
    store(P)
    Path("pred.npy").unlink()
    np.savez("pred.npz", first=P, second=Q)
    return (divergence(density(P), density(Q)),)


def class_maps(label: Array, valid: Array) -> float:
    logits = RNG.normal(size=(3, *SHAPE))
    np.save("pred.npy", logits)
    logs = logits - np.log(np.exp(logits).sum(0))
    picked = np.take_along_axis(logs, np.where(valid, label, 0)[None], 0)[0]
    return float(-picked[valid].mean())


def one_hot() -> tuple[float, ...]:
    label = RNG.integers(0, 3, SHAPE)
    np.save("gt.npy", np.eye(3)[label].transpose(2, 0, 1))
    return (class_maps(label, label >= 0),)


def labels_from_one() -> tuple[float, ...]:
    label = RNG.integers(0, 4, SHAPE)
    label[0, 0] = 3
    np.save("gt.npy", label)
    return (class_maps(label - 1, label > 0),)


def ignored_labels() -> tuple[float, ...]:
    label = RNG.integers(0, 3, SHAPE)
    label[:2] = 255
    np.save("gt.npy", label)
    return (class_maps(label, label < 3),)


def logits_of_pixels() -> tuple[float, ...]:
    x, t = RNG.normal(size=SHAPE) * 3, RNG.random(SHAPE)
    store(x, t)
    p = 1 / (1 + np.exp(-x))
    return (float(-(t * np.log(p) + (1 - t) * np.log(1 - p)).mean()),)


USAGE = "exit 2"
"""What cannot be a failure of one map."""

CLASSES = ("--norm", "softmax", "--axis", "0", "--metric", "ce")

CASES: dict[str, Case] = {
    "scores or logits": ("negative", scores, "--pred-norm flatten-softmax", EXACT),
    "signed attributions": ("negative", attributions, "--pred-norm 'abs+sum-to-one'", EXACT),
    "maps whose zero is arbitrary": ("negative", arbitrary_zero, "--pred-norm 'shift+sum-to-one'", ("--metric", "kld")),
    "overshoot of an interpolation": (
        "negative",
        overshoot,
        "--pred-norm 'clip(min=0)+sum-to-one'",
        ("--metric", "kld"),
    ),
    "logarithms of a density": ("negative", logarithms(np.e), "--pred-norm log-prob", EXACT),
    "its logarithms to base 2": (
        *("unnormalised", logarithms(2), "--pred-norm 'log-prob(base=2)'"),
        (*EXACT, "--pred-norm", "log-prob"),
    ),
    "its logarithms to base 10": (
        *("unnormalised", logarithms(10), "--pred-norm 'log-prob(base=10)'"),
        (*EXACT, "--pred-norm", "log-prob"),
    ),
    "logarithms that are not normalised": (
        *("unnormalised", unnormalised, "--pred-norm flatten-softmax"),
        (*EXACT, "--pred-norm", "log-prob"),
    ),
    "probabilities said to be logarithms": (
        *("unnormalised", probabilities, "--pred-norm sum-to-one"),
        (*EXACT, "--pred-norm", "log-prob"),
    ),
    "a ground truth with -9999 for no data": ("negative", without_data(-9999, "gt"), "--nodata -9999", EXACT),
    "a ground truth with nan for no data": ("nonfinite", without_data(np.nan, "gt"), "--nodata nan", EXACT),
    "a prediction with nan for no data": (
        *("nonfinite", without_data(np.nan, "pred"), "--nodata nan --nodata-pred zero"),
        ("--metric", "kld"),
    ),
    "two sizes": ("size-mismatch", another_size, "--resize 'pred-to-gt(kernel=bilinear)'", EXACT),
    "an all-zero ground truth": ("empty", empty, "--empty-gt uniform", EXACT),
    "a picture in colours": ("color", colours, "--color mean", EXACT),
    "a file of several arrays": (USAGE, several_arrays, "--pred-key first", EXACT),
    "one-hot labels under a softmax": ("normalised-twice", one_hot, "--gt-norm labels", CLASSES),
    "labels 1..C, 0 unlabelled": ("refused", labels_from_one, "--reduce-zero-label", CLASSES),
    "labels that do not count": ("refused", ignored_labels, "--ignore-index 255", CLASSES),
    "logits of single pixels": ("outside", logits_of_pixels, "--norm sigmoid", ("--metric", "bce")),
}


def files() -> tuple[str, str]:
    found = {path.stem: path.name for path in Path().iterdir()}
    return found["pred"], found["gt"]


@each_of("cause", CASES)
def test_the_way_out_is_named_and_gives_the_right_number(
    cause: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, build, advice, arguments = CASES[cause]
    expected = build()
    outcome = kldeval(*files(), *arguments, "--format", "json")
    if outcome.code == 2:
        assert code == USAGE
        message = outcome.err
    else:
        (failure,) = json.loads(outcome.out)["failures"]
        message = failure["message"]
        assert failure["code"] == code
    flag, *_ = shlex.split(advice)
    assert advice in message or re.search(rf"{flag} [^;]*\b{re.escape(shlex.split(advice)[-1])}\b", message), message
    kept = [*arguments]
    if flag in kept:
        place = kept.index(flag)
        del kept[place : place + 2]
    assert score(*files(), *kept, *shlex.split(advice)) == pytest.approx(list(expected), rel=1e-9)


def test_the_page_lists_every_cause_with_its_code_and_way_out() -> None:
    rows = re.findall(r"^\| (.+?) \| `(.+?)` \| `(.+?)` \|$", PAGE.read_text(), re.MULTILINE)
    assert rows == [(cause, code, advice) for cause, (code, _, advice, _) in CASES.items()]
    assert {code for _, code, _ in rows} <= {*FAILURE_CODES, USAGE}
