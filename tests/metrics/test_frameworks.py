"""Laws of the two-class losses and of the divergences of torch and Keras: the number of the original, to the digit."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from backends import BACKENDS, make, to_numpy
from drawn import Fill, arrays, numbers, shapes
from hypothesis import given
from hypothesis import strategies as st
from late import late
from looping import each_of

from kldeval import (
    bce,
    bce_with_logits,
    keras_categorical_crossentropy,
    keras_kl_divergence,
    kl_div,
    log_sigmoid,
    log_softmax,
    sigmoid,
    softmax,
)
from kldeval.errors import RefusedMap, UsageProblem

functional = late("torch.nn.functional")
torch = late("torch")

ARTICLES = json.loads((Path(__file__).parent.parent / "golden" / "articles.json").read_text())
REDUCTIONS = ("none", "sum", "mean")
SHAPES = shapes(1, 3)


def pairs_of(first: Fill, second: Fill) -> st.SearchStrategy[Any]:
    """Two arrays of one random shape."""
    return arrays(SHAPES, first, second)


def tensors(maps: Any) -> Any:
    return [torch.tensor(array) for array in maps]


PROBABILITY = numbers(0, 1, [0.0, 1.0, 1e-300, 1e-20])
INTERIOR = numbers(0.01, 0.99)
LOGIT = numbers(-50, 50, [0.0, 1e4, -1e4])
LOG = numbers(-50, 1)


def assert_close(actual: Any, expected: Any, scale: float = 0.0) -> None:
    """Equal within 1e-12 of the sum of the absolute terms: of the values themselves, or a given scale."""
    expected = to_numpy(expected)
    scale = max(1, scale, np.nansum(np.abs(expected)))
    np.testing.assert_allclose(to_numpy(actual), expected, rtol=0, atol=1e-12 * scale)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@given(maps=pairs_of(PROBABILITY, PROBABILITY))
def test_bce_is_torchs(reduction: Any, maps: tuple[np.ndarray, np.ndarray]) -> None:
    pred, target = tensors(maps)
    expected = functional.binary_cross_entropy(pred, target, reduction=reduction)
    for backend in BACKENDS:
        assert_close(bce(*(make(backend, array) for array in maps), reduction=reduction), expected)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@given(maps=pairs_of(LOGIT, PROBABILITY))
def test_bce_with_logits_is_torchs(reduction: Any, maps: tuple[np.ndarray, np.ndarray]) -> None:
    pred, target = tensors(maps)
    expected = functional.binary_cross_entropy_with_logits(pred, target, reduction=reduction)
    for backend in BACKENDS:
        assert_close(bce_with_logits(*(make(backend, array) for array in maps), reduction=reduction), expected)


@each_of("log_target", [False, True])
@each_of("reduction", [*REDUCTIONS, "batchmean"])
@given(maps=pairs_of(LOG, PROBABILITY))
def test_kl_div_is_torchs(reduction: Any, log_target: Any, maps: tuple[np.ndarray, np.ndarray]) -> None:
    pred, target = tensors(maps)
    expected = _torchs_kl_div(pred, target, reduction, log_target=log_target)
    terms = _torchs_kl_div(pred, target, "none", log_target=log_target)
    for backend in BACKENDS:
        actual = kl_div(
            *(make(backend, array) for array in maps), log_target=log_target, reduction=reduction, check=False
        )
        assert_close(actual, expected, float(terms.abs().sum()))


def _torchs_kl_div(pred: Any, target: Any, reduction: str, *, log_target: bool) -> Any:
    # torch warns about reduction="mean" on every call; it is its sum over the number of elements
    if reduction == "mean":
        return functional.kl_div(pred, target, reduction="sum", log_target=log_target) / pred.numel()
    return functional.kl_div(pred, target, reduction=reduction, log_target=log_target)


GRADIENTS: dict[str, Any] = {
    "bce": (bce, lambda pred, target: functional.binary_cross_entropy(pred, target, reduction="mean"), INTERIOR),
    "bce_with_logits": (
        bce_with_logits,
        lambda pred, target: functional.binary_cross_entropy_with_logits(pred, target, reduction="mean"),
        LOGIT,
    ),
    "kl_div": (
        lambda pred, target: kl_div(pred, target, reduction="sum", check=False),
        lambda pred, target: functional.kl_div(pred, target, reduction="sum"),
        LOG,
    ),
    "kl_div(log_target)": (
        lambda pred, target: kl_div(pred, target, reduction="batchmean", log_target=True, check=False),
        lambda pred, target: functional.kl_div(pred, target, reduction="batchmean", log_target=True),
        LOG,
    ),
}


@each_of("name", GRADIENTS)
@given(data=st.data())
def test_gradients_equal_those_of_torch(name: str, data: st.DataObject) -> None:
    *functions, elements = GRADIENTS[name]
    maps = data.draw(pairs_of(elements, INTERIOR))
    gradients = []
    for function in functions:
        tensors = [torch.tensor(array, requires_grad=True) for array in maps]
        function(*tensors).backward()
        gradients.append([tensor.grad for tensor in tensors])
    for ours, theirs in zip(*gradients, strict=True):
        assert_close(ours, theirs)


def test_bce_of_certain_predictions_has_a_finite_gradient() -> None:
    prob = torch.tensor([0.0, 1.0, 0.0, 1.0], dtype=torch.float64, requires_grad=True)
    loss = bce(prob, torch.tensor([1.0, 0.0, 0.0, 1.0], dtype=torch.float64), reduction="none")
    loss.sum().backward()
    assert loss.tolist() == [100, 100, 0, 0]
    assert prob.grad.tolist() == [0, 0, 1, -1]


def test_the_clamp_is_a_parameter_and_none_gives_inf() -> None:
    prob, target = np.asarray([0.0, 1.0, 0.0]), np.asarray([1.0, 0.0, 0.0])
    assert bce(prob, target, clamp=-20.0, reduction="none").tolist() == [20, 20, 0]
    assert bce(prob, target, clamp=-math.inf, reduction="none").tolist() == [math.inf, math.inf, 0]


@given(maps=pairs_of(LOGIT, PROBABILITY))
def test_bce_with_logits_is_the_log_sigmoid_of_either_class(maps: tuple[np.ndarray, np.ndarray]) -> None:
    logit, target = maps
    expected = -target * log_sigmoid(logit) - (1 - target) * log_sigmoid(-logit)
    # (1 - t) x and ln s(x) cancel, as in torch, so a loss is known to the rounding of its logit
    assert_close(bce_with_logits(logit, target, reduction="none"), expected, float(np.abs(logit).max()))
    moderate = np.clip(logit, -5, 5)
    assert_close(bce(sigmoid(moderate), target), bce_with_logits(moderate, target))


def test_masks_of_booleans_and_bytes_are_probabilities() -> None:
    for backend in BACKENDS:
        for dtype in ("bool", "uint8"):
            loss = bce(make(backend, [0.5, 0.25]), make(backend, [1, 0], dtype=dtype), reduction="sum")
            assert_close(loss, np.log(2) - np.log(0.75))


REFUSALS = [
    (
        bce,
        [0.5, 1.5],
        [0, 1],
        "the prediction holds 1.5 at index (1,), and a probability lies in 0..1; for logits there is bce_with_logits",
    ),
    (
        bce,
        [0.5, math.nan],
        [0, 1],
        "the prediction holds nan at index (1,), and a probability lies in 0..1; for logits there is bce_with_logits",
    ),
    (
        bce,
        [0.5, 0.5],
        [0, 255],
        "the ground truth holds 255.0 at index (1,), and a probability lies in 0..1; divide bytes by 255",
    ),
    (
        bce_with_logits,
        [[9.0]],
        [[-1.0]],
        "the ground truth holds -1.0 at index (0, 0), and a probability lies in 0..1; divide bytes by 255",
    ),
    (kl_div, [0.5, 0.5], [1.0], "the prediction has the shape (2,) and the ground truth (1,); they must be equal"),
]


@each_of(("metric", "pred", "target", "message"), REFUSALS)
def test_refusals_name_the_value_and_the_way_out(metric: Any, pred: Any, target: Any, message: str) -> None:
    with pytest.raises(RefusedMap) as caught:
        metric(np.asarray(pred), np.asarray(target))
    assert str(caught.value) == message


def test_wrong_settings_are_usage_problems() -> None:
    ones: Any = np.ones((1, 1))
    batchmean: Any = "batchmean"
    with pytest.raises(UsageProblem) as caught:
        bce(ones, ones, reduction=batchmean)
    assert str(caught.value) == "reduction 'batchmean' is not one of none, sum, mean; did you mean 'mean'?"
    with pytest.raises(UsageProblem) as caught:
        kl_div(-ones, ones, log_target=True, eps=1e-5)
    assert str(caught.value) == (
        "eps=1e-05 has no meaning beside log_target: no logarithm is taken of a target that is one; leave eps at 0"
    )
    with pytest.raises(UsageProblem) as caught:
        kl_div(-ones[0, 0], ones[0, 0], reduction="batchmean")
    assert str(caught.value) == (
        "reduction batchmean divides by the length of axis 0, which a single number does not have; use sum"
    )


def test_the_mean_of_no_pixel_is_nan() -> None:
    nothing = np.zeros((0, 3))
    assert math.isnan(bce(nothing, nothing))
    assert math.isnan(kl_div(nothing, nothing, reduction="batchmean"))
    assert kl_div(nothing, nothing, reduction="sum") == 0


def test_kl_div_is_nan_where_torchs_is() -> None:
    log_pred, target = [-math.inf, -1.0, -math.inf], [0.0, -0.5, 0.5]
    expected = functional.kl_div(torch.tensor(log_pred), torch.tensor(target), reduction="none")
    np.testing.assert_array_equal(kl_div(np.asarray(log_pred), np.asarray(target), reduction="none"), expected)


def test_the_divergence_of_two_softmaxed_vectors_of_the_article() -> None:
    article = ARTICLES["kl divergence of two softmaxed vectors"]
    log_pred, target = log_softmax(np.asarray(article["pred"])), softmax(np.asarray(article["gt"]))
    for reduction in ("sum", "mean", "batchmean"):
        assert_close(kl_div(log_pred, target, reduction=reduction), np.asarray(article[reduction]))


def test_the_divergence_of_raw_scores_of_the_articles() -> None:
    article = ARTICLES["cross-entropy, label smoothing, KL of raw log-scores"]
    scores, smoothed = np.asarray(article["x"]), np.full((3, 5), 0.1 / 4)
    smoothed[range(3), article["labels"]] = 0.9
    golden = article["kld of x taken as log-probabilities against the K-1 smoothed labels"]
    assert_close(kl_div(scores, smoothed, reduction="mean", check=False), np.asarray(golden["mean"]))
    assert_close(kl_div(scores, smoothed, reduction="sum", check=False), np.asarray(golden["sum"]))
    assert_close(
        kl_div(scores, smoothed, eps=1e-5, reduction="sum", check=False), np.asarray(golden["sum with log(t + 1e-5)"])
    )

    article = ARTICLES["kld of x taken as log-probabilities against one-hot rows"]
    scores, one_hot = np.asarray(article["x"]), np.asarray(article["t"])
    assert_close(kl_div(scores, one_hot, reduction="sum", check=False), np.asarray(article["sum"]))
    assert_close(
        kl_div(scores, one_hot, eps=1e-5, reduction="sum", check=False), np.asarray(article["sum with log(t + 1e-5)"])
    )


TRUE, PRED = [[0.0, 1.0], [0.25, 0.75]], [[0.5, 0.5], [0.5, 0.25]]
"""Rows with an empty cell, and a prediction that does not sum to 1: where Keras' clips and divisions show."""


@each_of("backend", BACKENDS)
def test_keras_kl_divergence_is_its_formula(backend: str) -> None:
    true, pred = make(backend, TRUE), make(backend, PRED)
    rows = [1e-7 * math.log(1e-7 / 0.5) + math.log(1 / 0.5), 0.25 * math.log(0.25 / 0.5) + 0.75 * math.log(0.75 / 0.25)]
    assert_close(keras_kl_divergence(true, pred, reduction="none"), np.asarray(rows))
    assert_close(keras_kl_divergence(true, pred, reduction="sum"), np.asarray(sum(rows)))
    assert_close(keras_kl_divergence(true, pred), np.asarray(sum(rows) / 2))
    swapped = make(backend, np.transpose(TRUE)), make(backend, np.transpose(PRED))
    assert_close(keras_kl_divergence(*swapped, axis=0, reduction="none"), np.asarray(rows))
    # a prediction of 0 is clipped to 1e-7, and a value above 1 to 1
    extreme = make(backend, [[2.0, 1.0]]), make(backend, [[0.0, 3.0]])
    assert_close(keras_kl_divergence(*extreme), np.asarray(math.log(1 / 1e-7)))


@each_of("backend", BACKENDS)
def test_keras_categorical_crossentropy_is_its_formula(backend: str) -> None:
    true, pred = make(backend, TRUE), make(backend, PRED)
    rows = [-math.log(0.5), -0.25 * math.log(0.5 / 0.75) - 0.75 * math.log(0.25 / 0.75)]
    assert_close(keras_categorical_crossentropy(true, pred, reduction="none"), np.asarray(rows))
    assert_close(keras_categorical_crossentropy(true, pred), np.asarray(sum(rows) / 2))
    swapped = make(backend, np.transpose(TRUE)), make(backend, np.transpose(PRED))
    assert_close(keras_categorical_crossentropy(*swapped, axis=0, reduction="none"), np.asarray(rows))
    # certainty is clipped to 1e-7 and 1 - 1e-7
    certain = make(backend, [[1.0, 0.0], [0.0, 1.0]]), make(backend, [[0.0, 1.0], [0.0, 1.0]])
    losses = keras_categorical_crossentropy(*certain, reduction="none")
    assert_close(losses, np.asarray([-math.log(1e-7), -math.log(1 - 1e-7)]))


def test_keras_of_tensors_takes_the_dtype_of_the_prediction_and_of_numpy_float64() -> None:
    true, pred = np.asarray([[0, 1]]), np.asarray([[0.5, 0.5]], dtype=np.float32)
    for loss in (keras_kl_divergence, keras_categorical_crossentropy):
        assert loss(torch.asarray(true), torch.asarray(pred)).dtype == torch.float32
        assert loss(true, pred).dtype == np.float64
