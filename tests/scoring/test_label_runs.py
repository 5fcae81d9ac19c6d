"""Class maps against labels through the whole body: torch's numbers, sums over maps and classes, bounded memory."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import cv2
import numpy as np
import pytest
from backends import make, to_numpy
from command_line import kldeval
from command_line import score as printed
from evaluating import on_device, outcome_of, pair_of, save_terms, scored
from evaluating import settings_of as chosen_by
from hypothesis import assume, given
from hypothesis import strategies as st
from image_files import image
from label_cases import VOID, Case, cases
from late import late
from looping import each_of

from kldeval import accuracy, brier, log_softmax
from kldeval.records import Failure, Score

functional = late("torch.nn.functional")
torch = late("torch")

ROOT = Path(__file__).parent.parent.parent


def settings_of(case: Case, metric: str, **texts: str) -> Any:
    """The settings under which a case is scored, as a user would type them."""
    flags: dict[str, Any] = {"class_weights": None if case.weights is None else tuple(case.weights)}
    flags |= {"ignore_index": case.void, "label_smoothing": case.smoothing if metric in ("ce", "brier") else None}
    said = {
        key: ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
        for key, value in flags.items()
        if value is not None
    }
    return chosen_by({"pred_norm": "softmax", "gt_norm": "labels", **said, **texts, "metric": metric})


def value(case: Case, labels: np.ndarray, metric: str, backend: str = "numpy", **texts: str) -> float:
    pair = pair_of(make(backend, case.logits), make(backend, labels))
    return scored(pair, settings_of(case, metric, axis=str(case.axis), **texts)).values[metric]


def assert_close(actual: float, expected: Any | float, terms: Any) -> None:
    """Equal within 1e-12 of the sum of the absolute terms."""
    scale = 1 + float(np.nansum(np.abs(to_numpy(terms))))
    np.testing.assert_allclose(actual, float(expected), rtol=0, atol=1e-12 * scale)


small_cases = cases().filter(lambda case: case.labels.ndim <= 2)


@each_of("backend", ["numpy", "torch"])
@each_of("reduction", ["sum", "mean"])
@given(case=small_cases)
def test_cross_entropy_is_torchs(reduction: str, backend: str, case: Case) -> None:
    terms = case.torch_loss(case.logits, "none")
    expected = case.torch_loss(case.logits, reduction)
    assert_close(value(case, case.labels, "ce", backend, reduction=reduction), expected, terms)


@pytest.mark.parametrize("reduction", ["sum", "mean"])
@given(case=small_cases)
def test_cross_entropy_of_soft_labels_is_torchs(reduction: str, case: Case) -> None:
    assume(case.void is None)
    arrays = case.class_first(case.logits), case.class_first(case.soft)
    expected = functional.cross_entropy(*arrays, **case.torch_settings(reduction))
    terms = functional.cross_entropy(*arrays, **case.torch_settings("none"))
    assert_close(value(case, case.soft, "ce", reduction=reduction), expected, terms)


@pytest.mark.parametrize("reduction", ["sum", "mean"])
@given(case=small_cases)
def test_likelihood_is_torchs(reduction: str, case: Case) -> None:
    given_settings = case.torch_settings(reduction)
    del given_settings["label_smoothing"]
    ignored: dict[str, Any] = {} if case.void is None else {"ignore_index": case.void}
    log_pred = torch.log_softmax(case.class_first(case.logits), dim=1)
    labels = torch.tensor(case.labels)[None]
    expected = functional.nll_loss(log_pred, labels, **given_settings, **ignored)
    terms = functional.nll_loss(log_pred, labels, **{**given_settings, "reduction": "none"}, **ignored)
    assert_close(value(case, case.labels, "nll", reduction=reduction), expected, terms)


@given(case=small_cases, base=st.sampled_from(["2", "10"]))
def test_brier_and_accuracy_are_the_functions_and_a_base_divides_nats(case: Case, base: str) -> None:
    log_pred = log_softmax(case.logits, axis=case.axis)
    chosen: dict[str, Any] = {"axis": case.axis, "class_weights": case.weights, "ignore_index": case.void}
    expected = brier(log_pred, case.labels, label_smoothing=case.smoothing, **chosen)
    np.testing.assert_allclose(value(case, case.labels, "brier", base=base), expected, rtol=1e-12)
    np.testing.assert_allclose(
        value(case, case.labels, "accuracy"), accuracy(log_pred, case.labels, **chosen), rtol=1e-12
    )
    in_nats = value(case, case.labels, "ce")
    np.testing.assert_allclose(value(case, case.labels, "ce", base=base), in_nats / math.log(int(base)), rtol=1e-12)


@given(case=small_cases)
def test_the_losses_as_maps_are_torchs_none(case: Case) -> None:
    with TemporaryDirectory() as folder:
        pair = pair_of(case.logits, case.labels)
        save_terms(Path(folder), pair, settings_of(case, "ce", axis=str(case.axis), reduction="none"))
        losses = np.load(Path(folder) / "ce" / "a.npy")
    expected = to_numpy(case.torch_loss(case.logits, "none"))[0]
    np.testing.assert_allclose(losses, expected, rtol=0, atol=1e-12 * (1 + np.nansum(np.abs(expected))))


def probabilities(shape: tuple[int, ...], axis: int, seed: int = 0) -> np.ndarray:
    x = np.random.default_rng(seed).random(shape) + 0.01
    return np.asarray(x / x.sum(axis=axis, keepdims=True))


@each_of("axis", [0, 1, 2, -1])
@each_of(
    ("norm", "stored"),
    [
        ("softmax", lambda p: np.log(p) + 3),
        ("log-prob", np.log),
        ("none", lambda p: p),
        ("sum-to-one", lambda p: 7 * p),
        ("clip(min=0)+sum-to-one", lambda p: 7 * p),
        ("add(value=-5)+softmax", np.log),
    ],
)
def test_every_way_to_give_probabilities_gives_the_same_number(norm: str, stored: Any, axis: int) -> None:
    prob = probabilities((3, 4, 5), axis)
    labels = np.random.default_rng(1).integers(0, prob.shape[axis], np.delete(prob.shape, axis))
    expected = -np.log(np.take_along_axis(prob, np.expand_dims(labels, axis), axis)).mean()
    found = scored(pair_of(stored(prob), labels), chosen_by({"pred_norm": norm, "axis": str(axis), "metric": "nll"}))
    np.testing.assert_allclose(found.values["nll"], expected, rtol=1e-13)


def test_bytes_of_a_prediction_are_scaled_and_labels_never() -> None:
    prob, labels = np.asarray([[51, 204], [204, 51]], np.uint8), np.asarray([0, 1], np.uint8)
    found = scored(pair_of(prob, labels), chosen_by({"pred_norm": "none", "axis": "-1", "metric": "nll"}))
    assert found.values["nll"] == pytest.approx(-math.log(0.2), rel=1e-15)


def test_a_class_of_probability_0_is_counted_where_the_label_asks_for_it() -> None:
    prob, labels = np.asarray([[0.0, 1.0], [0.5, 0.5], [0.0, 1.0]]), np.asarray([0, 0, VOID])
    chosen = chosen_by({"pred_norm": "none", "axis": "-1", "metric": "nll,accuracy", "ignore_index": "255"})
    found = scored(pair_of(prob, labels), chosen)
    assert (found.values["nll"], found.n_uncovered, found.uncovered_mass) == (math.inf, 1, 0.5)
    assert found.remarks == ("missed-label", "infinite")
    soft = chosen_by({"pred_norm": "none", "gt_norm": "labels", "axis": "-1", "metric": "accuracy"})
    found = scored(pair_of(prob, np.asarray([[0.25, 0.75], [1.0, 0.0], [0.0, 1.0]])), soft)
    assert (found.n_uncovered, found.uncovered_mass) == (1, 0.25 / 3)


def test_tensors_in_batches_score_as_arrays() -> None:
    logits, labels = np.random.default_rng(2).normal(size=(2, 3, 4, 5)), np.random.default_rng(3).integers(0, 3, (4, 5))
    pairs = [pair_of(x, labels.astype(np.uint16), name=str(k)) for k, x in enumerate(logits)]
    chosen = chosen_by({"norm": "softmax", "axis": "0", "metric": "ce,accuracy,brier", "label_smoothing": "0.1"})
    for found, pair in zip(on_device(pairs, chosen, per_class=True), pairs, strict=True):
        expected = scored(pair, chosen, per_class=True)
        assert isinstance(found, Score)
        assert list(found.values.values()) == pytest.approx(list(expected.values.values()), rel=1e-13)
        for key, classes in expected.classes.items():
            assert [one.n for one in found.classes[key]] == [one.n for one in classes]
            assert [one.total for one in found.classes[key]] == pytest.approx([one.total for one in classes], rel=1e-13)
    densities = chosen_by({"norm": "softmax", "axis": "0", "metric": "kld"})
    pair = pair_of(logits[0], logits[1])
    outcomes = [*on_device([pair], densities), outcome_of(pair, densities)]
    numbers = [one.values["kld"] for one in outcomes if isinstance(one, Score)]
    assert numbers == [pytest.approx(numbers[1], rel=1e-13)] * 2


def test_a_map_without_a_pixel_that_counts_has_no_mean() -> None:
    chosen = chosen_by({"norm": "softmax", "axis": "-1", "metric": "ce", "ignore_index": "255"})
    found = scored(pair_of(np.zeros((2, 3)), np.full(2, VOID)), chosen)
    assert math.isnan(found.values["ce"])
    assert found.remarks == ("all-ignored", "infinite")


NO_LABELS: list[tuple[Any, Any, dict[str, str], str]] = [
    (
        np.zeros((3, 2, 2)),
        np.asarray([[0, 1], [2, 3]]),
        {},
        (
            "label 3 at pixel (1, 1) is none of the 3 classes 0..2; if 0 is unlabelled and the classes are 1..C: "
            "--reduce-zero-label; if it marks pixels that do not count: --ignore-index 3 (ignore_index=3)"
        ),
    ),
    (
        np.zeros((3, 2, 2)),
        np.zeros((2, 3), int),
        {},
        (
            "the ground truth has the shape (2, 3); a prediction of shape (3, 2, 2) with its classes on axis 0 takes "
            "integer labels of shape (2, 2) or soft labels of shape (3, 2, 2)"
        ),
    ),
    (
        np.zeros((3, 2, 2)),
        np.zeros((2, 2)),
        {},
        "labels of dtype float64 and shape (2, 2) are no integers; soft labels would have the prediction's shape",
    ),
    (
        np.full((3, 2, 2), np.nan),
        np.zeros((2, 2), int),
        {},
        "the prediction holds nan, which 'softmax(axis=0)' does not handle; repair the map",
    ),
    (
        -np.ones((3, 2, 2)),
        np.zeros((2, 2), int),
        {"norm": "none"},
        (
            "the prediction holds -1, and a probability lies in 0..1; for logits use --norm softmax, for "
            "log-probabilities --pred-norm log-prob"
        ),
    ),
    (
        np.zeros((3, 2, 2)),
        np.zeros((2, 2), int),
        {"norm": "sum-to-one"},
        (
            "the prediction is all zero at a position, which 'sum-to-one(axis=0)' cannot normalise; choose "
            "--empty-pred keep, uniform or nan"
        ),
    ),
    (
        np.zeros((3, 2, 2)),
        np.zeros((3, 2, 2)),
        {},
        (
            "the ground truth has the prediction's shape (3, 2, 2); to take it for soft labels, as they are, say "
            "--gt-norm labels"
        ),
    ),
    (
        np.zeros((3, 2, 2)),
        np.full((3, 2, 2), 2.0),
        {"gt_norm": "labels", "metric": "ce"},
        (
            "the ground truth holds 2.0 at index (0, 0, 0), and a probability lies in 0..1; soft labels are taken as "
            "they are"
        ),
    ),
    (
        np.zeros((3, 2, 2)),
        np.zeros((3, 2, 2)),
        {"gt_norm": "labels"},
        (
            "nll takes integer labels, and a ground truth of the prediction's shape (3, 2, 2) holds soft labels; use "
            "the cross-entropy"
        ),
    ),
    (
        np.zeros((3, 2, 2)),
        np.zeros((3, 2, 2)),
        {"gt_norm": "labels(ignore_index=255)"},
        (
            "ignore index 255 is a label, and a ground truth of the prediction's shape (3, 2, 2) holds soft labels; "
            "leave it out"
        ),
    ),
    (
        np.zeros((3, 2, 2)),
        np.zeros((2, 2), int),
        {"class_weights": "1,2"},
        "2 class weights do not fit a prediction of shape (3, 2, 2), which has 3 classes on axis 0",
    ),
    (
        np.zeros((3, 2, 2)),
        np.zeros((2, 2), int),
        {"norm": "blur(sigma=1)+softmax"},
        "'blur(sigma=1)' is for maps of height and width; a class map is a distribution at each position",
    ),
]


@each_of(("pred", "gt", "texts", "message"), NO_LABELS)
def test_what_does_not_fit_is_a_failure_that_says_why(pred: Any, gt: Any, texts: dict[str, str], message: str) -> None:
    chosen = chosen_by({"norm": "softmax", "axis": "0", "metric": "nll", **texts})
    failure = outcome_of(pair_of(pred, gt), chosen)
    assert isinstance(failure, Failure)
    assert (failure.name, failure.stage, failure.message) == ("a", "check", message)


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    """Three class maps (4, 6, 5) with different numbers of void pixels; one of the maps is all void."""
    rng = np.random.default_rng(3)
    for number, n_void in enumerate((0, 20, 30)):
        labels = rng.integers(0, 3, (6, 5)).astype(np.uint8)
        labels.ravel()[:n_void] = VOID
        for side in ("pred", "gt"):
            (tmp_path / side).mkdir(exist_ok=True)
        np.save(tmp_path / "pred" / f"{number}.npy", rng.normal(size=(4, 6, 5)).astype(np.float32))
        cv2.imwrite(str(tmp_path / "gt" / f"{number}.png"), labels)
    return tmp_path


def stored(folders: Path) -> tuple[Any, Any]:
    pred = np.stack([np.load(folders / "pred" / f"{number}.npy") for number in range(3)])
    gt = np.stack([image(folders / "gt" / f"{number}.png") for number in range(3)])
    return torch.tensor(pred, dtype=torch.float64), torch.tensor(gt.astype(np.int64))


LABELLED = ("--norm", "softmax", "--axis", "0", "--ignore-index", "255")


def test_a_mean_over_pixels_is_torchs_mean_of_the_batch(folders: Path) -> None:
    weights = torch.tensor([1.0, 0.5, 2.0, 1.0], dtype=torch.float64)
    expected = functional.cross_entropy(*stored(folders), weights, ignore_index=VOID, label_smoothing=0.1)
    parameters = ("--class-weights", "1,0.5,2,1", "--label-smoothing", "0.1")
    arguments = (folders / "pred", folders / "gt", *LABELLED, "-m", "ce", *parameters)
    [over_pixels] = printed(*arguments, "--maps", "pixels")
    assert over_pixels == pytest.approx(float(expected), rel=1e-13)
    # the map without a valid pixel is nan, and nothing is dropped from a mean over maps
    assert math.isnan(printed(*arguments)[0])


def test_the_classes_split_the_mean_over_pixels(folders: Path) -> None:
    arguments = (folders / "pred", folders / "gt", *LABELLED, "-m", "ce,accuracy", "--maps", "pixels", "--per-class")
    report = json.loads(kldeval(*arguments, "--format", "json").out)
    logits, labels = stored(folders)
    losses = functional.cross_entropy(logits, labels, ignore_index=VOID, reduction="none")
    hits = (logits.argmax(1) == labels).double()
    for row in report["classes"][:3]:
        chosen = labels == row["class"]
        assert row["n"] == int(chosen.sum())
        assert row["ce"] == pytest.approx(float(losses[chosen].mean()), rel=1e-13)
        assert row["accuracy"] == pytest.approx(float(hits[chosen].mean()), rel=1e-15)
    nothing: dict[str, list[float]] = {"total": [], "weight": []}
    sums = {"ce": nothing, "accuracy": nothing}
    assert report["classes"][3] == {"class": 3, "n": 0, "ce": "nan", "accuracy": "nan", "sums": sums}
    n = sum(row["n"] for row in report["classes"])
    pooled = sum(row["n"] * row["ce"] for row in report["classes"][:3]) / n
    assert report["summary"]["ce"]["mean"] == pytest.approx(pooled, rel=1e-13)
    assert [row["weights"] for row in report["maps"]] == [{"ce": x, "accuracy": x} for x in (30.0, 10.0, 0.0)]


def test_a_table_per_class_needs_labels(folders: Path) -> None:
    done = kldeval(folders / "gt", folders / "gt", "--per-class")
    assert (done.code, done.err) == (
        2,
        (
            "kldeval: --per-class is a table of the classes of labels, and these ground truths are densities; leave it "
            "out\n"
        ),
    )


def test_a_table_has_a_row_per_class(folders: Path) -> None:
    outcome = kldeval(folders / "pred" / "0.npy", folders / "gt" / "0.png", *LABELLED, "-m", "accuracy", "--per-class")
    table = outcome.out.split("\n\n")[1].splitlines()
    assert table[0] == "by the class of the label"
    assert table[1].split() == ["class", "pixels", "accuracy", "↑"]
    assert [line.split()[0] for line in table[2:]] == ["0", "1", "2", "3"]
    assert table[5].split() == ["3", "0", "nan"]


def test_a_sum_has_sums_per_class_and_a_map_its_losses(folders: Path, tmp_path: Path) -> None:
    arguments = (folders / "pred", folders / "gt", *LABELLED, "-m", "ce", "--reduction", "sum", "--per-class")
    report = json.loads(kldeval(*arguments, "--format", "json", "--save-maps", tmp_path / "maps").out)
    losses = functional.cross_entropy(*stored(folders), ignore_index=VOID, reduction="none")
    for number, row in enumerate(report["maps"]):
        saved = np.load(tmp_path / "maps" / "ce" / f"{number}.npy")
        np.testing.assert_allclose(saved, losses[number], rtol=1e-12)
        assert row["ce"] == pytest.approx(saved.sum(), rel=1e-13)
    total = sum(row["ce"] for row in report["classes"])
    assert total == pytest.approx(float(losses.sum()), rel=1e-13)


def test_notes_say_what_ignored_labels_do_to_a_mean(folders: Path) -> None:
    outcome = kldeval(folders / "pred", folders / "gt", *LABELLED, "-m", "ce", "--format", "csv")
    assert outcome.err.splitlines() == [
        (
            "kldeval: note: no pixel counts, because all labels are the ignored one (1 of 3 maps): a mean over none of "
            "them is nan"
        ),
        "kldeval: note: the metric is infinite or undefined (1 of 3 maps); such values stay in the mean",
    ]


LARGE = (19, 512, 1024)


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Logits of 19 classes in single precision, and labels with 255 as void."""
    folder, rng = tmp_path_factory.mktemp("large"), np.random.default_rng(0)
    np.save(folder / "logits.npy", rng.normal(size=LARGE).astype(np.float32))
    labels = rng.integers(0, LARGE[0], LARGE[1:]).astype(np.uint8)
    labels[rng.random(labels.shape) < 0.1] = VOID
    cv2.imwrite(str(folder / "labels.png"), labels)
    return folder


def test_a_large_map_is_torchs_to_the_digit_and_needs_little_memory(large: Path) -> None:
    logits = torch.tensor(np.load(large / "logits.npy"), dtype=torch.float64)[None]
    labels = torch.tensor(image(large / "labels.png").astype(np.int64))[None]
    expected = float(functional.cross_entropy(logits, labels, ignore_index=VOID))
    command = [sys.executable, "-m", "kldeval", large / "logits.npy", large / "labels.png", *LABELLED, "--score-only"]
    measure = "import resource, subprocess, sys; run = subprocess.run(sys.argv[1:], check=True); "
    measure += "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    run = subprocess.run(
        [sys.executable, "-c", measure, *map(str, command), "--metric", "ce"],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    number, peak = run.stdout.split()
    assert float(number) == pytest.approx(expected, rel=1e-13)
    # ru_maxrss is in kibibytes; the interpreter and the libraries are a part of it
    assert int(peak) * 1024 < 3 * math.prod(LARGE) * 8
