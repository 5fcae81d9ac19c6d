"""The softmax family as functions of arrays: stable in the log domain, over any axis, on any array library.

Goal: from scores (logits) to probabilities and their logarithms without overflow, for scores of any size.
Conventions: natural logarithms; floats keep their dtype, integers and booleans become float64; a score of -inf is a
probability of 0, and +inf, or -inf alone along the axis, gives nan, as in torch. Gradients flow through torch tensors.
Source: P. Blanchard, D. J. Higham and N. J. Higham (2021), https://doi.org/10.1093/imanum/draa038.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kldeval.arrays import in_blocks, namespace, quiet, real_floats, without_gradient
from kldeval.errors import UsageProblem

if TYPE_CHECKING:
    from kldeval.arrays import AnyArray, Array


def softmax(x: Array, *, axis: int = -1) -> AnyArray:
    """Softmax of `x` along `axis`: exp(x) / (sum exp(x)), the probabilities that the scores `x` stand for.

    Args:
        x: scores of any shape.
        axis: the axis of one distribution; the result sums to 1 along it.

    Returns:
        Probabilities, of the shape of `x`.

    Raises:
        RefusedMap: `x` holds no real numbers.
        UsageProblem: `axis` is None.

    >>> import numpy as np
    >>> softmax(np.asarray([[1e4, 1e4, -1e4]])).tolist()
    [[0.5, 0.5, 0.0]]
    """
    _check_axis(axis, "softmax")
    x = real_floats(x)
    xp = namespace(x)
    with quiet():
        mass = xp.exp(x - _peak(x, axis))
        return mass / xp.sum(mass, axis=axis, keepdims=True)


def log_softmax(x: Array, *, axis: int = -1) -> AnyArray:
    """Logarithm of the softmax of `x` along `axis`: x - ln(sum exp(x)), in nats.

    It is finite for finite scores of any size, also where the probability itself underflows to 0.

    Args:
        x: scores of any shape.
        axis: the axis of one distribution.

    Returns:
        Log-probabilities, of the shape of `x`. Beside them and `x` itself next to no memory is used.

    Raises:
        RefusedMap: `x` holds no real numbers.

    >>> import numpy as np
    >>> log_softmax(np.asarray([1e4, -1e4])).tolist()
    [0.0, -20000.0]
    """
    _check_axis(axis, "log_softmax")
    x = real_floats(x)
    xp = namespace(x)
    with quiet():
        shifted = x - _peak(x, axis)
        mass = in_blocks(lambda block: xp.sum(xp.exp(block), axis=axis, keepdims=True), shifted, axis=axis)
        # in place: a second array of this size would be the largest thing in memory
        shifted -= xp.log(mass)
        return shifted


def log_sigmoid(x: Array) -> AnyArray:
    """Logarithm of the sigmoid of `x`: ln(1 / (1 + exp(-x))) = min(x, 0) - ln(1 + exp(-|x|)), in nats.

    Args:
        x: scores of any shape.

    Returns:
        Log-probabilities, of the shape of `x`.

    Raises:
        RefusedMap: `x` holds no real numbers.

    >>> import numpy as np
    >>> log_sigmoid(np.asarray([-1e4, 1e4])).tolist()
    [-10000.0, 0.0]
    """
    x = real_floats(x)
    xp = namespace(x)
    # xp.minimum with an array: torch halves its gradient where both are 0, which makes it sigmoid(0) there
    return xp.minimum(x, xp.zeros_like(x)) - xp.log1p(xp.exp(-xp.abs(x)))


def sigmoid(x: Array) -> AnyArray:
    """Sigmoid of `x`: 1 / (1 + exp(-x)), the probability that the score `x` stands for.

    Args:
        x: scores of any shape.

    Returns:
        Probabilities, of the shape of `x`.

    Raises:
        RefusedMap: `x` holds no real numbers.

    >>> import numpy as np
    >>> sigmoid(np.asarray([-1e4, 0.0, 1e4])).tolist()
    [0.0, 0.5, 1.0]
    """
    return namespace(x).exp(log_sigmoid(x))


def _check_axis(axis: int | None, name: str) -> None:
    if axis is None:
        msg = (
            f"axis=None: say over what {name} is taken: axis=-1 within the last axis, or over the whole map, "
            f"{name}(x.reshape(-1)).reshape(x.shape)"
        )
        raise UsageProblem(msg)


def _peak(x: Array, axis: int) -> Array:
    """The maximum along `axis`, as a constant: a shift does not move the result, so no gradient goes through it."""
    return without_gradient(namespace(x).max(x, axis=axis, keepdims=True))
