"""Laws of the softmax family: it agrees with torch, in value and gradient, and never overflows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from backends import BACKENDS, make, to_numpy
from drawn import arrays, numbers, shapes
from hypothesis import given
from hypothesis import strategies as st
from late import late
from looping import each_of

from kldeval import log_sigmoid, log_softmax, sigmoid, softmax
from kldeval.errors import RefusedMap

if TYPE_CHECKING:
    from collections.abc import Callable

functional = late("torch.nn.functional")
torch = late("torch")

ARTICLES = json.loads((Path(__file__).parent.parent / "golden" / "articles.json").read_text())

PAIRS: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "softmax": (lambda x, axis: softmax(x, axis=axis), lambda x, axis: functional.softmax(x, dim=axis)),
    "log_softmax": (lambda x, axis: log_softmax(x, axis=axis), lambda x, axis: functional.log_softmax(x, dim=axis)),
    "sigmoid": (lambda x, _: sigmoid(x), lambda x, _: torch.sigmoid(x)),
    "log_sigmoid": (lambda x, _: log_sigmoid(x), lambda x, _: functional.logsigmoid(x)),
}
"""Our functions of (x, axis) beside torch's."""

# few distinct values as well: ties of the maximum, zeros, and scores that underflow
SCORES = numbers(-30, 30, [0.0, 1.0, 1e4, -1e4])


@st.composite
def scores_and_axis(draw: st.DrawFn) -> tuple[np.ndarray, int]:
    scores = draw(arrays(shapes(1, 3), SCORES))
    return scores, draw(st.integers(-scores.ndim, scores.ndim - 1))


def assert_close(actual: np.ndarray, expected: np.ndarray, scale: float = 1.0) -> None:
    np.testing.assert_allclose(actual, expected, rtol=1e-12, atol=1e-12 * scale)


@each_of("name", PAIRS)
@given(case=scores_and_axis())
def test_every_backend_agrees_with_torch(name: str, case: tuple[np.ndarray, int]) -> None:
    scores, axis = case
    ours, theirs = PAIRS[name]
    expected = theirs(torch.tensor(scores), axis).numpy()
    for backend in BACKENDS:
        x = make(backend, scores)
        actual = ours(x, axis)
        assert type(actual) is type(x)
        assert_close(to_numpy(actual), expected)


@each_of("name", PAIRS)
@given(case=scores_and_axis(), seed=st.integers(0, 9))
def test_gradients_equal_those_of_torch(name: str, case: tuple[np.ndarray, int], seed: int) -> None:
    scores, axis = case
    upstream = torch.tensor(np.random.default_rng(seed).normal(size=scores.shape))
    gradients = []
    for function in PAIRS[name]:
        x = torch.tensor(scores, requires_grad=True)
        function(x, axis).backward(upstream)
        gradients.append(x.grad.numpy())
    assert_close(gradients[0], gradients[1], scale=float(upstream.abs().sum()))


def test_extreme_scores_give_exact_finite_numbers() -> None:
    scores = np.asarray([1e4, -1e4, 1e4, 0.0])
    assert softmax(scores).tolist() == [0.5, 0.0, 0.5, 0.0]
    assert_close(log_softmax(scores), np.asarray([0, -2e4, 0, -1e4]) - np.log(2))
    assert sigmoid(scores).tolist() == [1.0, 0.0, 1.0, 0.5]
    assert_close(log_sigmoid(scores), np.asarray([0, -1e4, 0, -np.log(2)]))
    assert log_sigmoid(np.asarray(50.0)) == -np.exp(-50.0)


def test_infinite_scores_are_treated_as_torch_treats_them() -> None:
    for scores in ([-np.inf, 0.0, 1.0], [np.inf, 0.0, 1.0], [-np.inf, -np.inf, -np.inf], [np.nan, 0.0, 1.0]):
        for ours, theirs in PAIRS.values():
            expected = theirs(torch.tensor(scores, dtype=torch.float64), -1).numpy()
            assert_close(ours(np.asarray(scores), -1), expected)


@each_of("backend", BACKENDS)
@each_of(
    ("stored", "computed"), [("float32", "float32"), ("float64", "float64"), ("uint8", "float64"), ("bool", "float64")]
)
def test_floats_keep_their_dtype_and_integers_become_float64(backend: str, stored: str, computed: str) -> None:
    for function in (softmax, log_softmax, sigmoid, log_sigmoid):
        x = make(backend, [[0, 1, 1]], dtype=stored)
        assert to_numpy(function(x)).dtype == computed
        assert_close(to_numpy(function(x)), to_numpy(function(make(backend, [[0.0, 1.0, 1.0]]))), 1e6)


def test_complex_numbers_are_refused() -> None:
    with pytest.raises(RefusedMap) as caught:
        softmax(np.asarray([1j, 2.0]))
    expected = "an array of dtype complex128 and shape (2,) holds no real numbers; take its real part"
    assert str(caught.value) == expected


def test_a_map_cut_into_blocks_has_the_same_softmax() -> None:
    scores = np.random.default_rng(0).normal(size=(5, 300, 400), scale=10)
    for axis in range(3):
        expected = functional.log_softmax(torch.tensor(scores), axis).numpy()
        assert_close(log_softmax(scores, axis=axis), expected)
    tensor, theirs = (torch.tensor(scores, requires_grad=True) for _ in range(2))
    (log_softmax(tensor, axis=0) * torch.tensor(scores)).sum().backward()
    (functional.log_softmax(theirs, 0) * torch.tensor(scores)).sum().backward()
    assert_close(tensor.grad.numpy(), theirs.grad.numpy(), scale=float(np.abs(scores).sum()))


@each_of("shape", [(3, 1 << 17), (1 << 17, 3), (1 << 16, 2, 2), (9, 1, 9)])
@each_of("axis", [0, -1])
def test_blocks_partition_the_positions(shape: tuple[int, ...], axis: int) -> None:
    x = np.random.default_rng(0).normal(size=shape)
    assert_close(log_softmax(x, axis=axis), functional.log_softmax(torch.tensor(x), axis).numpy())


def test_the_row_and_the_flat_softmax_of_the_article() -> None:
    article = ARTICLES["row and flat softmax of one 2x2 map"]
    x = np.asarray(article["x"])
    np.testing.assert_allclose(softmax(x), article["softmax(axis=-1)"], atol=5e-9)
    np.testing.assert_allclose(softmax(x.reshape(-1)).reshape(2, 2), article["flatten-softmax"], atol=5e-9)


def test_the_log_softmax_of_the_articles() -> None:
    article = ARTICLES["softmax, log-softmax and cross-entropy with labels"]
    x = np.asarray(article["x"])
    np.testing.assert_allclose(softmax(x, axis=1), article["softmax(axis=1)"], atol=5e-9)
    np.testing.assert_allclose(log_softmax(x, axis=1)[0], article["log-softmax(axis=1)[0]"], atol=5e-9)
    np.testing.assert_allclose(log_softmax(np.asarray([2.0, 3.0])), ARTICLES["log-softmax of [2, 3]"], atol=5e-9)


def test_the_log_sigmoid_of_the_article() -> None:
    article = ARTICLES["log-sigmoid"]
    x = np.asarray(article["x"])
    np.testing.assert_allclose(log_sigmoid(x), article["log-sigmoid"], atol=5e-9)
    np.testing.assert_allclose(softmax(x, axis=1), article["softmax(axis=1)"], atol=5e-9)
