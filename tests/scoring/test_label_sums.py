"""What becomes of the losses on labels in bulk: sums that add up over maps and classes, within bounded memory."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest
from late import late
from looping import each_of

import kldeval as library
from kldeval import accuracy, brier, cross_entropy, log_softmax

functional = late("torch.nn.functional")
torch = late("torch")

VOID = 255


def test_totals_of_maps_add_up_to_the_mean_over_all_pixels() -> None:
    rng = np.random.default_rng(0)
    logits, labels = rng.normal(size=(2, 4, 5, 6)), rng.integers(0, 4, (2, 5, 6)).astype(np.uint8)
    labels[0, :4] = VOID
    weights = (1.0, 0.5, 2.0, 0.0)
    found = library.evaluate(
        list(logits),
        list(labels),
        metric="ce",
        norm="softmax",
        axis=0,
        maps="pixels",
        class_weights=weights,
        label_smoothing=0.1,
        ignore_index=VOID,
    )
    expected = functional.cross_entropy(
        *(torch.tensor(logits), torch.tensor(labels.astype(np.int64))),
        weight=torch.tensor(weights, dtype=torch.float64),
        label_smoothing=0.1,
        ignore_index=VOID,
    )
    assert found["ce"].mean == pytest.approx(float(expected), rel=1e-13)


def test_the_sums_of_classes_split_those_of_the_map_by_label() -> None:
    prob = np.asarray([[0.5, 0.25, 0.75, 0.125], [0.5, 0.75, 0.25, 0.875]])
    labels = np.asarray([0, 0, 1, VOID], np.uint8)
    options: dict[str, Any] = {"metric": "accuracy", "norm": "sum-to-one", "axis": 0, "ignore_index": VOID}
    found = library.evaluate(prob, labels, per_class=True, class_weights=(3.0, 2.0), **options)
    rows = {row.label: (row.n, row.values["accuracy"]) for row in found.classes}
    assert rows == {0: (2, 0.5), 1: (1, 0.0)}
    assert found["accuracy"].mean == pytest.approx(3 / 8)
    three = library.evaluate(np.vstack([prob, 0 * prob[:1] + 0.1]), labels, per_class=True, **options)
    assert {row.label: row.n for row in three.classes if row.n} == {0: 2, 1: 1}


METRICS_AND_OPTIONS = [
    (cross_entropy, {}),
    (cross_entropy, {"class_weights": np.arange(1.0, 20.0), "label_smoothing": 0.1}),
    (brier, {"class_weights": np.arange(1.0, 20.0)}),
    (accuracy, {}),
]


@each_of(("metric", "options"), METRICS_AND_OPTIONS)
def test_a_large_map_is_scored_within_three_times_its_memory(metric: Any, options: dict[str, Any]) -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 19, (256, 512)).astype(np.uint8)
    labels[rng.random(labels.shape) < 0.1] = VOID
    tracemalloc.start()
    logits = rng.normal(size=(19, 256, 512))
    prediction = logits if metric is cross_entropy else log_softmax(logits, axis=0)
    score = metric(prediction, labels, axis=0, ignore_index=VOID, **options)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 3 * logits.nbytes
    if metric is cross_entropy:
        weight = torch.tensor(options["class_weights"]) if options else None
        arrays = torch.tensor(logits)[None], torch.tensor(labels.astype(np.int64))[None]
        smoothing = options.get("label_smoothing", 0.0)
        expected = functional.cross_entropy(*arrays, weight, ignore_index=VOID, label_smoothing=smoothing)
        np.testing.assert_allclose(score, expected, rtol=1e-12)


@each_of(
    "options",
    [
        {"norm": "softmax"},
        {"norm": "softmax", "ignore_index": VOID, "class_weights": (3.0, 0.5, 2.0, 0.0, 1.0), "base": "2"},
        {"norm": "add(value=1)+temperature(t=2)+softmax", "maps": "pixels", "per_class": True},
        {"norm": "softmax", "dtype": "float32"},
        {"norm": "sigmoid+sum-to-one", "reduction": "sum"},
        {"norm": "abs+sum-to-one"},
        {"norm": "softmax+temperature(t=3)"},
    ],
)
@each_of("axis_first", [True, False])
def test_the_cross_entropy_is_one_number_whatever_is_asked_beside(options: dict[str, Any], *, axis_first: bool) -> None:
    rng = np.random.default_rng(7)
    scores = rng.normal(size=(5, 160, 220)).astype(np.float32)
    scores[2, :3] = 0 if "abs" in options["norm"] else -np.inf if options["norm"] == "softmax" else 1
    labels = rng.integers(0, 5, (160, 220)).astype(np.uint8)
    if "ignore_index" in options:
        labels[100:] = VOID
    axis = 0 if axis_first else -1
    pred = scores if axis_first else np.moveaxis(scores, 0, -1).copy()
    alone, beside = (
        library.evaluate(pred, labels, metric=metric, axis=axis, **options) for metric in ("ce", "ce,accuracy")
    )
    one, other = alone.scores[0], beside.scores[0]
    assert one.values["ce"] == pytest.approx(other.values["ce"], rel=1e-13)
    assert (one.n_uncovered, one.uncovered_mass) == (other.n_uncovered, other.uncovered_mass)
    assert bool(one.n_uncovered) == (options["norm"] in ("softmax", "abs+sum-to-one"))
    classes = {row.label: (row.n, row.values["ce"]) for row in alone.classes}
    assert classes == {row.label: pytest.approx((row.n, row.values["ce"]), rel=1e-13) for row in beside.classes}
