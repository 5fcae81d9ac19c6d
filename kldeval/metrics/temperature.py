"""Temperature scaling: how the cross-entropy moves with the inverse temperature that scores are multiplied by.

Goal: the sums over positions from which the best temperature of a data set follows by Newton's method.
Conventions: b is 1 / temperature; the scores of a position are multiplied by b before the softmax (or the sigmoid). The
cross-entropy is convex in b, so that there is one best temperature, if any.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kldeval.dataclass import NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


class Slopes(NamedTuple):
    """Sums over positions: their weight, cross-entropy in nats, and its first and second derivative by b."""

    weight: float
    loss: float
    slope: float
    curvature: float


def class_slopes(scores: Floats, label: NDArray[np.int64], weights: Floats | None, inverse: float) -> Slopes:
    """The sums of positions with scores (positions, classes), which may be log-probabilities, and labels.

    Source: C. Guo et al. (2017), https://proceedings.mlr.press/v70/guo17a.html.

    >>> import numpy as np
    >>> class_slopes(np.zeros((1, 2)), np.asarray([0]), None, 1.0).loss == float(np.log(2))
    True
    """
    import numpy as np

    known = np.where(np.isneginf(scores), 0.0, scores)  # a score of -inf has no part in any mean
    scaled = inverse * scores
    logs = scaled - np.logaddexp.reduce(scaled, axis=1, keepdims=True)
    prob = np.exp(logs)
    own = np.arange(len(label)), label
    # sums of differences, which do not cancel where one class has nearly all the probability
    slope = (prob * (known - scores[own][:, None])).sum(axis=1)
    mean = (prob * known).sum(axis=1, keepdims=True)
    columns = -logs[own], slope, (prob * (known - mean) ** 2).sum(axis=1)
    return _added(columns, weights, len(label))


def logit_slopes(logits: Floats, target: Floats, weights: Floats | None, inverse: float) -> Slopes:
    """The sums of pixels with logits of two classes, and the ground truth in 0..1.

    >>> import numpy as np
    >>> logit_slopes(np.asarray([0.0]), np.asarray([1.0]), None, 1.0).slope
    0.0
    """
    import numpy as np

    scaled = inverse * logits
    prob = np.exp(-np.logaddexp(0.0, -scaled))
    loss = np.logaddexp(0.0, scaled) - target * scaled
    return _added((loss, logits * (prob - target), logits**2 * prob * (1 - prob)), weights, logits.size)


def _added(columns: tuple[Floats, ...], weights: Floats | None, n: int) -> Slopes:
    if weights is None:
        return Slopes(float(n), *(float(column.sum()) for column in columns))
    exists = weights > 0
    own = weights[exists]
    return Slopes(float(own.sum()), *(float(own @ column[exists]) for column in columns))
