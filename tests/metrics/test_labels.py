"""Laws of the losses on labels: they agree with torch to the last digits, and refuse what means nothing."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from backends import BACKENDS, make, to_numpy
from hypothesis import given
from label_cases import VOID, Case, cases
from late import late
from looping import each_of

from kldeval import accuracy, brier, cross_entropy, log_softmax, nll

functional = late("torch.nn.functional")
torch = late("torch")

ARTICLES = json.loads((Path(__file__).parent.parent / "golden" / "articles.json").read_text())
REDUCTIONS = ("none", "sum", "mean")


def assert_close(actual: Any, expected: Any | np.ndarray) -> None:
    """Equal within 1e-12 of the sum of the absolute terms, which is at least the sum of the values themselves."""
    expected = to_numpy(expected)
    scale = 1 + np.nansum(np.abs(expected))
    np.testing.assert_allclose(to_numpy(actual), expected.reshape(actual.shape), rtol=0, atol=1e-12 * scale)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@given(case=cases())
def test_cross_entropy_of_integer_labels_is_torchs(reduction: Any, case: Case) -> None:
    expected = case.torch_loss(case.logits, reduction)
    for backend in BACKENDS:
        log_pred = log_softmax(make(backend, case.logits), axis=case.axis)
        labels = make(backend, case.labels)
        assert_close(
            cross_entropy(log_pred, labels, **case.settings, ignore_index=case.void, reduction=reduction), expected
        )


@pytest.mark.parametrize("reduction", REDUCTIONS)
@given(case=cases())
def test_cross_entropy_of_soft_labels_is_torchs(reduction: Any, case: Case) -> None:
    expected = functional.cross_entropy(
        case.class_first(case.logits), case.class_first(case.soft), **case.torch_settings(reduction)
    )
    for backend in BACKENDS:
        log_pred = log_softmax(make(backend, case.logits), axis=case.axis)
        assert_close(cross_entropy(log_pred, make(backend, case.soft), **case.settings, reduction=reduction), expected)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@given(case=cases())
def test_nll_is_torchs(reduction: Any, case: Case) -> None:
    log_pred = np.log(np.random.default_rng(0).random(case.logits.shape))
    settings = case.torch_settings(reduction)
    del settings["label_smoothing"]
    ignored: dict[str, Any] = {} if case.void is None else {"ignore_index": case.void}
    expected = functional.nll_loss(case.class_first(log_pred), torch.tensor(case.labels)[None], **settings, **ignored)
    ours: dict[str, Any] = {"axis": case.axis, "class_weights": case.weights, "ignore_index": case.void}
    assert_close(nll(log_pred, case.labels, **ours, reduction=reduction, check=False), expected)


@given(case=cases())
def test_gradients_equal_those_of_torch(case: Case) -> None:
    ours, theirs = (torch.tensor(case.logits, requires_grad=True) for _ in range(2))
    log_pred = log_softmax(ours, axis=case.axis)
    labels = torch.tensor(case.labels)
    cross_entropy(log_pred, labels, **case.settings, ignore_index=case.void, reduction="sum").backward()
    case.torch_loss(torch.movedim(theirs, case.axis, 0)[None], "sum").backward()
    assert_close(ours.grad, theirs.grad)


@given(case=cases())
def test_gradients_of_soft_labels_equal_those_of_torch(case: Case) -> None:
    ours = [torch.tensor(array, requires_grad=True) for array in (case.logits, case.soft)]
    theirs = [torch.tensor(array, requires_grad=True) for array in (case.logits, case.soft)]
    cross_entropy(log_softmax(ours[0], axis=case.axis), ours[1], **case.settings).backward()
    scores, soft = (torch.movedim(array, case.axis, 0)[None] for array in theirs)
    functional.cross_entropy(scores, soft, **case.torch_settings("mean")).backward()
    for mine, other in zip(ours, theirs, strict=True):
        assert_close(mine.grad, other.grad)


@pytest.mark.parametrize("spread", ["all", "others"])
@given(case=cases())
def test_brier_and_accuracy_are_their_definitions(spread: Any, case: Case) -> None:
    log_pred = np.moveaxis(log_softmax(case.logits, axis=case.axis), case.axis, -1)
    n_classes = log_pred.shape[-1]
    if n_classes == 1:
        spread = "all"
    rows, total, hits, weight = log_pred.reshape(-1, n_classes), [], [], []
    for row, label in zip(rows.tolist(), case.labels.reshape(-1).tolist(), strict=True):
        if label != case.void:
            s, over = case.smoothing, n_classes if spread == "all" else n_classes - 1
            target = [(1 - s) * (c == label) + s / over * (spread == "all" or c != label) for c in range(n_classes)]
            weight.append(1.0 if case.weights is None else case.weights[label])
            total.append(
                weight[-1] * math.fsum((math.exp(log_p) - t) ** 2 for log_p, t in zip(row, target, strict=True))
            )
            hits.append(weight[-1] * (row.index(max(row)) == label))
    with np.errstate(invalid="ignore"):
        means = np.asarray([math.fsum(total), math.fsum(hits)]) / np.float64(math.fsum(weight))
    for backend in BACKENDS:
        pred, labels = make(backend, np.moveaxis(log_pred, -1, case.axis)), make(backend, case.labels)
        ours: dict[str, Any] = {"axis": case.axis, "class_weights": case.weights, "ignore_index": case.void}
        smoothing: dict[str, Any] = {"label_smoothing": case.smoothing, "smoothing_over": spread}
        assert_close(brier(pred, labels, **ours, **smoothing), means[0])
        assert_close(accuracy(pred, labels, **ours), means[1])


@each_of("metric", [cross_entropy, brier])
@each_of("spread", ["all", "others"])
@given(case=cases())
def test_one_hot_soft_labels_are_integer_labels(metric: Any, spread: Any, case: Case) -> None:
    log_pred = log_softmax(case.logits, axis=case.axis)
    n_classes = log_pred.shape[case.axis]
    labels = np.where(case.labels == case.void, 0, case.labels)
    one_hot = np.moveaxis(np.eye(n_classes)[labels], -1, case.axis)
    same = {**case.settings, "smoothing_over": spread if n_classes > 1 else "all", "reduction": "none"}
    assert_close(metric(log_pred, one_hot, **same), metric(log_pred, labels, **same))


def test_soft_labels_count_as_their_most_probable_class_for_accuracy() -> None:
    log_pred, soft = np.log([[0.7, 0.3], [0.7, 0.3]]), np.asarray([[0.6, 0.4], [0.25, 0.75]])
    assert accuracy(log_pred, soft, axis=1) == 0.5
    # the weights of the two rows are 1.4 and 1.75, and the first is a hit
    assert_close(accuracy(log_pred, soft, axis=1, class_weights=[1, 2]), np.asarray(1.4 / 3.15))


def test_the_first_of_equally_probable_classes_counts() -> None:
    log_pred = np.log(np.full((1, 4), 0.25))
    hits = [accuracy(log_pred, np.asarray([label]), axis=1) for label in range(4)]
    assert hits == [1, 0, 0, 0]


@each_of("metric", [cross_entropy, nll, brier, accuracy])
def test_with_every_label_ignored_the_mean_is_nan_and_the_sum_0(metric: Any) -> None:
    log_pred, labels = np.log(np.full((2, 3), 0.5)), np.full(3, VOID)
    values = [metric(log_pred, labels, axis=0, ignore_index=VOID, reduction=name) for name in REDUCTIONS]
    assert values[0].tolist() == [0, 0, 0]
    assert values[1] == 0
    assert math.isnan(values[2])


def test_what_stands_at_an_ignored_position_takes_no_part() -> None:
    log_pred = torch.tensor([[math.nan, math.log(0.5)], [-math.inf, math.log(0.5)]], requires_grad=True)
    loss = cross_entropy(log_pred, torch.tensor([VOID, 1]), axis=0, ignore_index=VOID)
    loss.backward()
    assert loss == -log_pred[1, 1]
    assert log_pred.grad.tolist() == [[0, 0.5], [0, -0.5]]


def test_an_impossible_class_costs_nothing_where_the_label_excludes_it() -> None:
    log_pred, soft = np.asarray([[-np.inf, 0.0]]), np.asarray([[0.0, 1.0]])
    assert cross_entropy(log_pred, soft, axis=1) == 0
    assert cross_entropy(log_pred, np.asarray([0]), axis=1) == np.inf
    assert cross_entropy(log_pred, soft, axis=1, label_smoothing=0.1) == np.inf


def test_labels_of_any_integer_type_and_a_mask_are_read() -> None:
    log_pred = np.log([[0.25, 0.5], [0.75, 0.5]])
    expected = -(np.log(0.75) + np.log(0.5)) / 2
    for dtype in ("uint8", "int16", "uint16", "int32", "int64", "bool"):
        for backend in BACKENDS:
            loss = cross_entropy(make(backend, log_pred), make(backend, [1, 0], dtype=dtype), axis=0)
            assert_close(loss, np.asarray(expected))


def test_tensors_keep_float32_and_numpy_computes_in_float64() -> None:
    logits, labels = np.zeros((2, 3), dtype=np.float32), np.asarray([0, 1, 1])
    for options in ({}, {"class_weights": [1, 2]}, {"label_smoothing": 0.1}):
        assert cross_entropy(torch.asarray(logits), torch.asarray(labels), axis=0, **options).dtype == torch.float32
        assert cross_entropy(logits, labels, axis=0, **options).dtype == np.float64


def test_the_cross_entropies_of_the_articles() -> None:
    article = ARTICLES["softmax, log-softmax and cross-entropy with labels"]
    log_pred, labels = log_softmax(np.asarray(article["x"]), axis=1), np.asarray(article["labels"])
    assert_close(cross_entropy(log_pred, labels, axis=1), np.asarray(article["ce = nll(log-softmax)"]))
    assert_close(nll(log_pred, labels, axis=1), np.asarray(article["ce = nll(log-softmax)"]))


def test_the_smoothed_cross_entropies_of_the_article() -> None:
    article = ARTICLES["cross-entropy, label smoothing, KL of raw log-scores"]
    log_pred, labels = log_softmax(np.asarray(article["x"]), axis=1), np.asarray(article["labels"])
    assert_close(cross_entropy(log_pred, labels, axis=1), np.asarray(article["ce"]))
    keys: dict[Any, str] = {
        "others": "ce, smoothing 0.1 spread over the other K-1 classes",
        "all": "ce, smoothing 0.1 spread over all K classes (torch)",
    }
    for spread, key in keys.items():
        loss = cross_entropy(log_pred, labels, axis=1, label_smoothing=0.1, smoothing_over=spread)
        assert_close(loss, np.asarray(article[key]))
