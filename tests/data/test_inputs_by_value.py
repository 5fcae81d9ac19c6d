"""Inputs as people bring them: what they are is recognised by their values, and the advice that is printed is right.

Each test builds an input, runs the command as its owner would, reads the advice in what it says, runs that, and
compares with the number that plain numpy gives.
"""

from __future__ import annotations

import json
import re
import shlex
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest
from command_line import kldeval, score

from kldeval import kld

if TYPE_CHECKING:
    from pathlib import Path

    Array = np.ndarray[Any, Any]

SHAPE = (24, 32)


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def densities(seed: int = 1, shape: tuple[int, int] = SHAPE) -> tuple[Array, Array]:
    """A prediction and a ground truth that sum to 1, both above 0."""
    rng = np.random.default_rng(seed)
    maps = [rng.random(shape) ** power + 1e-3 for power in (2, 3)]
    return maps[0] / maps[0].sum(), maps[1] / maps[1].sum()


def divergence(p: Array, q: Array) -> float:
    """sum q ln(q / p) of maps that are divided by their sums."""
    p, q = p / p.sum(), q / q.sum()
    return float((q[q > 0] * np.log(q[q > 0] / p[q > 0])).sum())


def stored(**arrays: Array) -> None:
    for name, array in arrays.items():
        np.save(f"{name}.npy", array)


def refused(*arguments: str) -> str:
    """The message of the one map that was refused."""
    outcome = kldeval(*arguments, "--format", "json")
    assert outcome.code == 1, outcome.err
    (failure,) = json.loads(outcome.out)["failures"]
    return str(failure["message"])


def noted(*arguments: str) -> list[str]:
    outcome = kldeval(*arguments, "--format", "json")
    assert outcome.code == 0, outcome.err
    return list(json.loads(outcome.out)["notes"])


def advice(message: str) -> list[list[str]]:
    """The flags that a message names, each with its value."""
    found = re.findall(r"--[a-z][a-z-]*(?: '[^']*'| [^\s,;:()']+)?", message)
    return [shlex.split(text) for text in found]


# logarithms of densities

LOGARITHMS = {"natural": np.log, "base-2": np.log2, "base-10": np.log10}


@pytest.mark.parametrize("kind", [np.float64, np.float32, np.float16])
@pytest.mark.parametrize("name", LOGARITHMS)
@pytest.mark.parametrize("asked", [(), ("--pred-norm", "log-prob"), ("--pred-norm", "log-prob(base=2)")])
def test_log_densities_are_recognised_with_their_base(name: str, kind: Any, asked: tuple[str, ...]) -> None:
    pred, gt = densities()
    logs = LOGARITHMS[name](pred).astype(kind)
    stored(pred=logs, gt=gt)
    expected = divergence(np.exp(logs.astype(float) * np.log({"natural": np.e, "base-2": 2, "base-10": 10}[name])), gt)
    is_right = {"natural": ("--pred-norm", "log-prob"), "base-2": ("--pred-norm", "log-prob(base=2)")}.get(name)
    if asked == is_right:
        assert score("pred.npy", "gt.npy", *asked, "--metric", "kld")[0] == pytest.approx(expected, abs=0.05)
        return
    message = refused("pred.npy", "gt.npy", *asked, "--metric", "kld")
    assert f"its values are {name} logarithms of a density" in message
    assert "shift" not in message
    (flag,) = advice(message)
    rounding = {np.float64: 1e-12, np.float32: 1e-4, np.float16: 0.05}[kind]
    assert score("pred.npy", "gt.npy", *flag, "--metric", "kld")[0] == pytest.approx(expected, abs=rounding)


def test_half_precision_on_many_pixels_is_a_log_density() -> None:
    pred, gt = densities(shape=(500, 600))
    stored(pred=np.log(pred).astype(np.float16), gt=gt)
    assert score("pred.npy", "gt.npy", "--pred-norm", "log-prob", "--metric", "kld")[0] == pytest.approx(
        divergence(pred, gt), abs=0.01
    )


@pytest.mark.parametrize("side", ["pred", "gt"])
def test_unnormalised_log_densities_are_refused_with_both_ways(side: str) -> None:
    pred, gt = densities()
    maps = {"pred": np.log(pred), "gt": np.log(gt)}
    maps[side] = maps[side] + 3
    stored(**maps)
    message = refused("pred.npy", "gt.npy", "--norm", "log-prob", "--metric", "kld")
    assert "its exponentials sum to 20.0855, not 1" in message
    normalised, unchecked = advice(message)
    assert normalised == [f"--{side}-norm", "flatten-softmax"]
    assert score("pred.npy", "gt.npy", "--norm", "log-prob", *normalised, "--metric", "kld") == pytest.approx(
        [divergence(pred, gt)], abs=1e-12
    )
    p, q = np.exp(maps["pred"]), np.exp(maps["gt"])
    assert score("pred.npy", "gt.npy", "--norm", "log-prob", *unchecked, "--metric", "kld") == pytest.approx(
        [float((q * np.log(q / p)).sum())], abs=1e-12
    )


@pytest.mark.parametrize("axis", [-1, 0])
def test_the_axis_of_log_densities_is_named(axis: int) -> None:
    pred, gt = densities()
    p, q = pred / pred.sum(axis, keepdims=True), gt / gt.sum(axis, keepdims=True)
    stored(pred=np.log(p), gt=q)
    target = ("--gt-norm", f"none(axis={axis})", "--metric", "kld")
    message = refused("pred.npy", "gt.npy", "--pred-norm", "log-prob", *target)
    (flag,) = advice(message)
    assert score("pred.npy", "gt.npy", *flag, *target) == pytest.approx(
        [float((q * np.log(q / p)).sum(axis).mean())], abs=1e-12
    )


def test_probabilities_are_no_log_probabilities() -> None:
    pred, gt = densities()
    stored(pred=pred, gt=gt)
    (flag,) = advice(refused("pred.npy", "gt.npy", "--pred-norm", "log-prob", "--metric", "kld"))
    assert flag == ["--pred-norm", "sum-to-one"]
    assert score("pred.npy", "gt.npy", *flag, "--metric", "kld()") == pytest.approx([divergence(pred, gt)])


def test_a_log_density_under_a_mask_is_renormalised() -> None:
    pred, gt = densities()
    mask = np.zeros(SHAPE, np.uint8)
    mask[5:, 3:] = 255
    stored(pred=np.log(pred), gt=gt, mask=mask)
    run = ("pred.npy", "gt.npy", "--mask", "mask.npy", "--metric", "kld")
    message = refused(*run, "--pred-norm", "log-prob")
    assert "makes a density of the pixels that the mask leaves" in message
    assert score(*run, *advice(message)[0]) == pytest.approx([divergence(pred[5:, 3:], gt[5:, 3:])], abs=1e-12)


@pytest.mark.parametrize("base", ["e", "2", "10"])
@pytest.mark.parametrize("kernel", ["bilinear", "area", "nearest"])
def test_of_a_log_density_the_density_is_resized(base: str, kernel: str) -> None:
    pred, gt = densities()
    stored(pred=np.log(pred) / np.log({"e": np.e, "2": 2, "10": 10}[base]), gt=np.kron(gt, np.ones((2, 2))), plain=pred)
    run = ("gt.npy", "--resize", f"pred-to-gt(kernel={kernel})", "--metric", "kld()", "--base", "2")
    found = score("pred.npy", *run, "--pred-norm", f"log-prob(base={base})")
    assert found == pytest.approx(score("plain.npy", *run), abs=1e-9)


def test_a_resized_log_density_keeps_what_exp_would_lose() -> None:
    logs = np.random.default_rng(4).normal(size=SHAPE) * 900
    logs -= np.logaddexp.reduce(logs.ravel())
    gt = np.ones((12, 16))
    stored(pred=logs, gt=gt)
    small = np.logaddexp.reduce(logs.reshape(12, 2, 16, 2).transpose(0, 2, 1, 3).reshape(12, 16, 4), axis=2)
    small -= np.logaddexp.reduce(small.ravel())
    run = ("pred.npy", "gt.npy", "--pred-norm", "log-prob", "--metric", "kld")
    expected = float((-np.log(gt.size) - small).mean())
    assert score(*run, "--resize", "pred-to-gt(kernel=area)") == pytest.approx([expected], rel=1e-9)
    assert "makes negative probabilities" in refused(*run, "--resize", "pred-to-gt(kernel=lanczos)")


def test_what_is_no_log_density_is_not_made_one_by_a_resizing() -> None:
    pred, gt = densities()
    stored(pred=np.log2(pred), gt=np.kron(gt, np.ones((2, 2))), plain=pred)
    run = ("gt.npy", "--resize", "pred-to-gt(kernel=area)", "--metric", "kld()")
    (flag,) = advice(refused("pred.npy", *run, "--pred-norm", "log-prob"))
    assert score("pred.npy", *run, *flag) == pytest.approx(score("plain.npy", *run), abs=1e-9)


# labels


def softmax_cross_entropy(logits: Array, target: Array, axis: int) -> float:
    logs = logits - np.logaddexp.reduce(logits, axis=axis, keepdims=True)
    return float(-(target * logs).sum(axis).mean())


def one_hot(labels: Array, n_classes: int, axis: int) -> Array:
    return np.moveaxis(np.eye(n_classes)[labels], -1, axis)


@pytest.mark.parametrize("kind", [np.float64, np.float32, np.int64, np.uint8, np.bool_])
@pytest.mark.parametrize(("shape", "axis"), [((5, 6, 8), 0), ((6, 8, 5), -1), ((30, 5), -1)])
def test_one_hot_labels_are_not_put_through_the_softmax(shape: tuple[int, ...], axis: int, kind: Any) -> None:
    rng = np.random.default_rng(7)
    logits = rng.normal(size=shape) * 4
    labels = rng.integers(0, 5, logits.max(axis).shape)
    target = one_hot(labels, 5, axis)
    stored(pred=logits, gt=target.astype(kind))
    run = ("pred.npy", "gt.npy", "--norm", "softmax", "--axis", str(axis), "--metric", "ce")
    message = refused(*run)
    assert "holds one-hot labels" in message
    for_ce, for_kld = advice(message)
    expected = softmax_cross_entropy(logits, target, axis)
    assert score(*run, *for_ce) == pytest.approx([expected], rel=1e-6)
    assert score(*run[:2], "--pred-norm", f"softmax(axis={axis})", *for_kld, "--metric", "kld") == pytest.approx(
        [expected], rel=1e-6
    )


def test_soft_labels_are_not_put_through_the_softmax() -> None:
    rng = np.random.default_rng(8)
    logits, soft = rng.normal(size=(4, 6, 7)), rng.random((4, 6, 7))
    soft /= soft.sum(0)
    stored(pred=logits, gt=soft)
    run = ("pred.npy", "gt.npy", "--norm", "softmax", "--axis", "0", "--metric", "ce")
    message = refused(*run)
    assert "holds probabilities along axis 0" in message
    assert score(*run, *advice(message)[0]) == pytest.approx([softmax_cross_entropy(logits, soft, 0)])


def test_logits_of_a_teacher_are_put_through_the_softmax() -> None:
    rng = np.random.default_rng(9)
    stored(pred=rng.normal(size=(4, 6, 7)), gt=rng.normal(size=(4, 6, 7)))
    assert kldeval("pred.npy", "gt.npy", "--norm", "softmax", "--axis", "0").code == 0


def test_a_softmax_of_probabilities_is_noted() -> None:
    rng = np.random.default_rng(10)
    probabilities = rng.dirichlet(np.ones(4), size=(6, 7)).transpose(2, 0, 1)
    labels = rng.integers(0, 4, (6, 7))
    stored(pred=probabilities, gt=labels)
    (note,) = noted("pred.npy", "gt.npy", "--norm", "softmax", "--axis", "0", "--metric", "ce")
    assert note.startswith("the prediction holds probabilities already (1 of 1 map)")
    (flag,) = advice(note)
    picked = np.take_along_axis(probabilities, labels[None], 0)
    assert score("pred.npy", "gt.npy", *flag, "--metric", "nll") == pytest.approx([-np.log(picked).mean()])


# pixels without data


def holed(gt: Array, *, beyond: bool = False) -> Array:
    """Where a ground truth has no data, and with `beyond` a prediction even more."""
    hole = np.zeros(gt.shape, bool)
    hole[:6, :9] = True
    hole[10:12, 20:25] = beyond
    return hole


@pytest.mark.parametrize(("marker", "text"), [(np.nan, "nan"), (-9999.0, "-9999"), (-1.0, "-1"), (-32768, "-32768")])
@pytest.mark.parametrize("kind", [np.float64, np.float32])
def test_pixels_without_data_are_left_out_on_both_sides(marker: float, text: str, kind: Any) -> None:
    pred, gt = (array.astype(kind) for array in densities())
    hole = holed(gt)
    stored(pred=np.where(hole, kind(marker), pred), gt=np.where(hole, kind(marker), gt))
    message = refused("pred.npy", "gt.npy", "--metric", "kld")
    assert "shift" not in message
    assert ["--nodata", text] in advice(message)
    outcome = kldeval("pred.npy", "gt.npy", "--metric", "kld(),cc", "--nodata", text, "--format", "json")
    document = json.loads(outcome.out)
    expected = divergence(pred[~hole].astype(float), gt[~hole].astype(float))
    assert document["summary"]["kld"]["mean"] == pytest.approx(expected, rel=1e-9)
    assert document["summary"]["cc"]["mean"] == pytest.approx(np.corrcoef(pred[~hole], gt[~hole])[0, 1], rel=1e-6)
    for signature in document["signature"].values():
        assert f"|nodata:{text}|" in signature
        again = score("pred.npy", "gt.npy", "--signature", signature)
        assert again[0] in [summary["mean"] for summary in document["summary"].values()]


def test_a_prediction_does_not_choose_where_it_is_scored() -> None:
    pred, gt = densities()
    hole, wider = holed(gt), holed(gt, beyond=True)
    stored(pred=np.where(wider, -9999.0, pred), gt=np.where(hole, -9999.0, gt))
    run = ("pred.npy", "gt.npy", "--metric", "kld(ratio_eps=1e-7)", "--nodata", "-9999")
    message = refused(*run)
    lost = gt[wider & ~hole].sum() / gt[~hole].sum()
    assert f"at 10 of {int((~hole).sum())} pixels, which hold {lost:.4g} of the ground truth's mass" in message
    zero, mask = advice(message)
    zeroed = np.where(wider, 0, pred)[~hole]
    q = gt[~hole] / gt[~hole].sum()
    by_hand = (q * np.log(q / (zeroed / zeroed.sum() + 1e-7))).sum()
    assert score(*run, *zero) == pytest.approx([by_hand], rel=1e-9)
    masked = pred[~wider] / pred[~wider].sum()
    q = gt[~wider] / gt[~wider].sum()
    assert score(*run, *mask) == pytest.approx([(q * np.log(q / (masked + 1e-7))).sum()], rel=1e-9)
    (signature,) = json.loads(kldeval(*run, *mask, "--format", "json").out)["signature"].values()
    assert "|nodata:-9999,pred=mask|" in signature
    assert score("pred.npy", "gt.npy", "--signature", signature) == score(*run, *mask)
    assert "the prediction has no data where the ground truth has some (1 of 1 map)" in noted(*run, *mask)[0]


def test_a_diverged_prediction_is_no_missing_data() -> None:
    pred, gt = densities()
    stored(pred=np.where(holed(gt), np.nan, pred), gt=gt)
    message = refused("pred.npy", "gt.npy")
    assert message.endswith(
        "repair the map, or say what pixels without data count as: --nodata nan --nodata-pred zero or mask"
    )
    assert "the prediction has no data (nan) where" in refused("pred.npy", "gt.npy", "--nodata", "nan")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--nodata", "none"), "--nodata none: not a number, nor nan"),
        (
            ("--nodata-pred", "mask"),
            "--nodata-pred mask has no effect without --nodata VALUE, which says how such pixels",
        ),
        (("--nodata", "0", "--nodata-pred", "max"), "--nodata-pred max: 'max' is none of error, mask, zero"),
    ],
)
def test_what_says_no_missing_data_is_refused(arguments: tuple[str, ...], message: str) -> None:
    stored(pred=np.ones((2, 2)), gt=np.ones((2, 2)))
    outcome = kldeval("pred.npy", "gt.npy", *arguments)
    assert outcome.code == 2
    assert outcome.err.startswith(f"kldeval: {message}")


def test_bytes_without_data() -> None:
    rng = np.random.default_rng(3)
    pred, gt = rng.integers(1, 255, (2, *SHAPE)).astype(np.uint8)
    hole = holed(gt)
    cv2.imwrite("gt.png", np.where(hole, 255, gt))
    cv2.imwrite("pred.png", pred)
    expected = divergence(pred[~hole].astype(float), gt[~hole].astype(float))
    assert score("pred.png", "gt.png", "--metric", "kld()", "--nodata", "255") == pytest.approx([expected], rel=1e-9)


# values of two signs


def test_an_overshoot_is_clipped() -> None:
    pred, gt = densities()
    pred[3, 4] = -1e-6
    stored(pred=pred, gt=gt)
    (flag,) = advice(refused("pred.npy", "gt.npy", "--metric", "kld"))
    assert flag == ["--pred-norm", "clip(min=0)+sum-to-one"]
    clipped = np.maximum(pred, 0)
    q = gt / gt.sum()
    eps = 2.2204e-16
    expected = (q * np.log(eps + q / (clipped / clipped.sum() + eps))).sum()
    assert score("pred.npy", "gt.npy", *flag, "--metric", "kld") == pytest.approx([expected], rel=1e-9)


def test_signed_maps_are_told_what_each_kind_of_them_takes() -> None:
    rng = np.random.default_rng(5)
    signed, gt = rng.normal(size=SHAPE), densities()[1]
    stored(pred=signed, gt=gt)
    message = refused("pred.npy", "gt.npy", "--metric", "kld")
    run = ("pred.npy", "gt.npy", "--metric", "kld(ratio_eps=1e-7)")
    by_hand = {
        "flatten-softmax": np.exp(signed),
        "abs+sum-to-one": np.abs(signed),
        "clip(min=0)+sum-to-one": np.maximum(signed, 0),
        "shift+sum-to-one": signed - signed.min(),
    }
    assert [flag for flag, _ in advice(message)] == ["--pred-norm"] * 4
    assert {chain for _, chain in advice(message)} == set(by_hand)
    q = gt / gt.sum()
    for chain, values in by_hand.items():
        expected = (q * np.log(q / (values / values.sum() + 1e-7))).sum()
        assert score(*run, "--pred-norm", chain) == pytest.approx([expected], rel=1e-9)


def test_a_map_that_ends_in_tanh_holds_no_missing_data() -> None:
    rng = np.random.default_rng(6)
    stored(pred=np.tanh(rng.normal(size=SHAPE) * 30), gt=densities()[1])
    assert "--nodata" not in refused("pred.npy", "gt.npy", "--metric", "kld")


# shapes


def test_several_maps_in_one_array_are_a_stack_or_a_class_map() -> None:
    rng = np.random.default_rng(11)
    pred, gt = rng.random((2, 4, *SHAPE))
    stored(pred=pred, gt=gt)
    message = refused("pred.npy", "gt.npy")
    for way in ("--axis 0 for (C, H, W)", "--axis -1 for (H, W, C)", "N maps need --stack"):
        assert way in message
    document = json.loads(kldeval("pred.npy", "gt.npy", "--stack", "--metric", "kld()", "--format", "json").out)
    expected = {f"pred[{place:03d}]": divergence(p, q) for place, (p, q) in enumerate(zip(pred, gt, strict=True))}
    assert {row["name"]: row["kld"] for row in document["maps"]} == pytest.approx(expected)
    one = score("pred.npy", "gt.npy", "--stack", "--limit", "1", "--metric", "kld()")
    assert one == pytest.approx([expected["pred[000]"]])


@pytest.mark.parametrize("shape", [(4, 1, *SHAPE), (4, *SHAPE, 1), (4, *SHAPE)])
@pytest.mark.parametrize("suffix", ["npy", "npz"])
def test_stacks_with_an_axis_of_channels(shape: tuple[int, ...], suffix: str) -> None:
    pred, gt = np.random.default_rng(12).random((2, 4, *SHAPE))
    for name, array in (("pred", pred), ("gt", gt)):
        if suffix == "npz":
            np.savez(f"{name}.npz", maps=array.reshape(shape))
        else:
            np.save(f"{name}.npy", array.reshape(shape))
    mean = np.mean([divergence(p, q) for p, q in zip(pred, gt, strict=True)])
    assert score(f"pred.{suffix}", f"gt.{suffix}", "--stack", "--metric", "kld()") == pytest.approx([mean])


def test_stacks_of_two_lengths_do_not_pair() -> None:
    stored(pred=np.ones((4, *SHAPE)), gt=np.ones((3, *SHAPE)))
    assert refused("pred.npy", "gt.npy", "--stack") == (
        "--stack: pred.npy holds a stack of 4 but gt.npy holds a stack of 3; slices pair by their place"
    )


@pytest.mark.parametrize("shape", [(1, 1, *SHAPE), (1, *SHAPE), (*SHAPE, 1), (1, *SHAPE, 1)])
def test_axes_of_length_one_say_nothing(shape: tuple[int, ...]) -> None:
    pred, gt = densities()
    stored(pred=pred.reshape(shape), gt=gt)
    assert score("pred.npy", "gt.npy", "--metric", "kld()") == pytest.approx([divergence(pred, gt)])


def test_vectors_are_distributions() -> None:
    p, q = np.asarray([0.7, 0.1, 0.2]), np.asarray([0.2, 0.5, 0.3])
    stored(pred=p, gt=q)
    assert score("pred.npy", "gt.npy", "--metric", "kld()") == pytest.approx([divergence(p, q)])
    assert score("pred.npy", "gt.npy", "--metric", "kld()", "--norm", "softmax") == pytest.approx(
        [divergence(np.exp(p), np.exp(q))]
    )
    assert float(kld(p, q, log_eps=0.0)) == pytest.approx(divergence(p, q))


def test_a_transposed_map_is_not_resized() -> None:
    pred, gt = densities()
    stored(pred=pred.T, gt=gt, right=pred)
    message = refused("pred.npy", "gt.npy")
    assert "one of them is transposed" in message
    assert "--resize" not in message
    assert score("right.npy", "gt.npy", "--metric", "kld()") == pytest.approx([divergence(pred, gt)])
    (note,) = noted("pred.npy", "gt.npy", "--resize", "pred-to-gt", "--metric", "kld")
    assert note.startswith("height and width of one map are width and height of the other (1 of 1 map)")


# pictures


COLOUR_MAPS = ("JET", "VIRIDIS", "HOT", "TURBO", "INFERNO", "MAGMA", "PLASMA", "CIVIDIS", "PARULA", "COOL")


def smooth(seed: int = 13, shape: tuple[int, int] = (60, 80)) -> Array:
    """A smooth map of bytes, from 0 to 255."""
    values = cv2.GaussianBlur(np.random.default_rng(seed).random(shape), (0, 0), 6)
    return np.asarray((values - values.min()) / (values.max() - values.min()) * 255, np.uint8)


@pytest.mark.parametrize("name", COLOUR_MAPS)
@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_a_colour_map_is_recognised_by_name(name: str, suffix: str) -> None:
    pred, gt = smooth(13, (16, 24)), smooth(14, (16, 24))
    painted = cv2.applyColorMap(pred, getattr(cv2, f"COLORMAP_{name}"))
    cv2.imwrite(f"pred.{suffix}", painted)
    cv2.imwrite("gt.png", gt)
    cv2.imwrite("grey.png", pred)
    message = refused(f"pred.{suffix}", "gt.png")
    assert f"a picture of a map in the colours of {name.lower()}, whose grey is not the map" in message
    assert "luma" not in message
    assert "store the map itself, in grey" in message
    eps = 2.2204e-16
    p, q = pred / pred.sum(), gt / gt.sum()
    by_hand = float((q * np.log(eps + q / (p + eps))).sum())
    assert score("grey.png", "gt.png", "--metric", "kld") == pytest.approx([by_hand])
    notes = noted(f"pred.{suffix}", "gt.png", "--color", "luma", "--metric", "kld")
    assert any(note.startswith("the prediction is a picture in the colours of a colour map") for note in notes)


def test_matplotlibs_jet_is_jet() -> None:
    x = smooth() / 255
    red = np.interp(x, [0, 0.35, 0.66, 0.89, 1], [0, 0, 1, 1, 0.5])
    green = np.interp(x, [0, 0.125, 0.375, 0.64, 0.91, 1], [0, 0, 1, 1, 0, 0])
    blue = np.interp(x, [0, 0.11, 0.34, 0.65, 1], [0.5, 1, 1, 0, 0])
    cv2.imwrite("gt.png", np.rint(np.stack([blue, green, red], -1) * 255).astype(np.uint8))
    cv2.imwrite("pred.png", smooth(14))
    assert "the colours of jet," in refused("pred.png", "gt.png")


@pytest.mark.parametrize("place", [(0,), (1,), (2,), (1, 2), (0, 2)])
@pytest.mark.parametrize("peak", [255, 80])
def test_shades_of_one_colour_are_no_colour_map(place: tuple[int, ...], peak: int) -> None:
    """The dark end of hot is such, too; the rule that is named takes the map."""
    grey, names = np.rint(smooth() * (peak / 255)).astype(np.uint8), ("blue", "green", "red")
    picture = np.zeros((*grey.shape, 3), np.uint8)
    picture[..., list(place)] = grey[..., None]
    cv2.imwrite("pred.png", picture)
    cv2.imwrite("grey.png", grey)
    cv2.imwrite("gt.png", smooth(14))
    told = refused("pred.png", "gt.png")
    channels = " and ".join(names[one] for one in place)
    assert f"the map stands in its {channels} channel" in told
    rule = told.partition("--color ")[2].partition(" ")[0]
    assert rule == ("first" if 2 in place else "mean")
    metrics = ("--metric", "kld,cc,sim") if rule == "mean" else ("--metric", "kld,cc,sim,mse,mae")
    found = score("pred.png", "gt.png", *metrics, "--color", rule)
    assert found == pytest.approx(score("grey.png", "gt.png", *metrics), rel=1e-12)


def test_a_map_in_the_alpha_is_told() -> None:
    flat = np.full((*smooth().shape, 3), 255, np.uint8)
    cv2.imwrite("pred.png", np.dstack([flat, smooth()]))
    cv2.imwrite("gt.png", smooth(14))
    assert "the map stands in its alpha alone" in refused("pred.png", "gt.png")


def test_a_photograph_is_no_colour_map() -> None:
    rng = np.random.default_rng(15)
    photograph = cv2.GaussianBlur(rng.random((60, 80, 3)), (0, 0), 3)
    photograph = (photograph - photograph.min()) / np.ptp(photograph) * 255
    cv2.imwrite("pred.png", photograph.astype(np.uint8))
    cv2.imwrite("gt.png", smooth())
    assert "its colour channels differ" in refused("pred.png", "gt.png")


@pytest.mark.parametrize("side", ["pred", "gt"])
def test_floats_that_were_saved_as_bytes_are_told(side: str) -> None:
    floats, other = smooth() / 255, smooth(14)
    sides = {"pred": other, "gt": other, side: np.rint(floats).astype(np.uint8)}
    for name, array in sides.items():
        cv2.imwrite(f"{name}.png", array)
    notes = noted("pred.png", "gt.png", "--metric", "kld")
    (note,) = [text for text in notes if "holds 0 and 1 as whole numbers" in text]
    assert note.startswith("the prediction" if side == "pred" else "the ground truth")
    assert "multiply by 255 before saving" in note


def test_a_map_of_fixations_is_no_density() -> None:
    rng = np.random.default_rng(16)
    spots = np.zeros((60, 80), np.uint8)
    spots[rng.integers(0, 60, 25), rng.integers(0, 80, 25)] = 255
    cv2.imwrite("pred.png", smooth())
    cv2.imwrite("gt.png", spots)
    (note,) = [text for text in noted("pred.png", "gt.png", "--metric", "kld") if "marks single pixels" in text]
    assert "kldeval density FIXATIONS OUT --sigma PIXELS" in note
    assert kldeval("density", "gt.png", "density.npy", "--sigma", "4").code == 0
    smoothed = np.load("density.npy")
    p, q = smooth() / smooth().sum(), smoothed / smoothed.sum()
    eps = 2.2204e-16
    by_hand = float((q * np.log(eps + q / (p + eps))).sum())
    assert score("pred.png", "density.npy", "--metric", "kld") == pytest.approx([by_hand])


def test_one_file_may_hold_both_sides() -> None:
    pred, gt = densities()
    np.savez("both.npz", predictions=pred, ground_truth=gt, stack=np.stack([pred, gt]))
    keys = ("--pred-key", "predictions", "--gt-key", "ground_truth")
    assert score("both.npz", "both.npz", *keys, "--metric", "kld()") == pytest.approx([divergence(pred, gt)])
    assert score("both.npz", "both.npz", "--key", "ground_truth", *keys[:2], "--metric", "kld()") == pytest.approx(
        [divergence(pred, gt)]
    )
    assert "choose one with --key" in refused("both.npz", "both.npz", *keys[:2])
    logits = np.random.default_rng(3).normal(size=(4, *SHAPE))
    np.savez("classes.npz", x=logits, y=logits.argmax(0))
    run = ("classes.npz", "classes.npz", "--norm", "softmax", "--axis", "0", "--metric", "accuracy")
    assert score(*run, "--pred-key", "x", "--gt-key", "y") == [1.0]
