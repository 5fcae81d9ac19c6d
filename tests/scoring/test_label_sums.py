"""What becomes of the losses on labels in bulk: sums that add up over maps and classes, within bounded memory."""

from __future__ import annotations

import math
import tracemalloc
from typing import Any

import numpy as np
import pytest
import torch
from backends import BACKENDS, make, to_numpy
from torch.nn import functional

from kldeval import accuracy, brier, cross_entropy, log_softmax
from kldeval.metrics.class_losses import LabelRule, accuracy_terms, cross_entropy_terms

VOID = 255


def test_totals_of_maps_add_up_to_the_mean_over_all_pixels() -> None:
    rng = np.random.default_rng(0)
    logits, labels = rng.normal(size=(2, 4, 5, 6)), rng.integers(0, 4, (2, 5, 6))
    labels[0, :4] = VOID
    weights = (1.0, 0.5, 2.0, 0.0)
    rule = LabelRule(axis=0, class_weights=weights, label_smoothing=0.1, ignore_index=VOID)
    totals = [
        cross_entropy_terms(log_softmax(x, axis=0), y, rule).totals() for x, y in zip(logits, labels, strict=True)
    ]
    loss, weight = (math.fsum(column) for column in zip(*totals, strict=True))
    expected = functional.cross_entropy(
        *(torch.tensor(logits), torch.tensor(labels)),
        weight=torch.tensor(weights, dtype=torch.float64),
        label_smoothing=0.1,
        ignore_index=VOID,
    )
    np.testing.assert_allclose(loss / weight, expected, rtol=1e-13)


@pytest.mark.parametrize("backend", BACKENDS)
def test_class_totals_split_the_totals_by_label(backend: str) -> None:
    log_pred = make(backend, np.log([[0.5, 0.25, 0.75, 0.125], [0.5, 0.75, 0.25, 0.875], [1.0, 1.0, 1.0, 1.0]]))
    labels = make(backend, [0, 0, 1, VOID])
    terms = accuracy_terms(log_pred[:2, ...], labels, LabelRule(axis=0, class_weights=(3.0, 2.0), ignore_index=VOID))
    hits, weight, count = (to_numpy(column).tolist() for column in terms.class_totals())
    assert (hits, weight, count) == ([3, 0], [6, 2], [2, 1])
    absent = accuracy_terms(log_pred, labels, LabelRule(axis=0, ignore_index=VOID)).class_totals()
    assert to_numpy(absent[2]).tolist() == [2, 1, 0]


METRICS_AND_OPTIONS = [
    (cross_entropy, {}),
    (cross_entropy, {"class_weights": np.arange(1.0, 20.0), "label_smoothing": 0.1}),
    (brier, {"class_weights": np.arange(1.0, 20.0)}),
    (accuracy, {}),
]


@pytest.mark.parametrize(("metric", "options"), METRICS_AND_OPTIONS)
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
