"""The divergences of torch and Keras with the semantics of the original, to the digit.

Goal: the number that a training script printed. For a number that means something, use `kld` and `ce`.
Conventions: natural logarithms (nats), probabilities as given: nothing is normalised unless a docstring says so.
`kl_div` takes `log_pred, target`, and Keras' losses `true, pred`, each in the order of its origin.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from kldeval.arrays import computed_in, namespace, quiet, returned_as
from kldeval.errors import UsageProblem
from kldeval.metrics.checks import check_no_scores, check_same_shape, reduced

if TYPE_CHECKING:
    from kldeval.arrays import AnyArray, Array


KERAS_EPSILON = 1e-7
"""`keras.config.epsilon()`."""


def kl_div(
    log_pred: Array,
    target: Array,
    *,
    log_target: bool = False,
    eps: float = 0.0,
    reduction: Literal["none", "sum", "mean", "batchmean"] = "mean",
    check: bool = True,
) -> AnyArray:
    """Kullback-Leibler divergence of the prediction from the ground truth, D(gt || pred), in nats, as `F.kl_div`.

    t ln(t + eps) - t l of each element, 0 ln 0 being 0; with `log_target`, exp(t) (t - l). As in torch, `mean` divides
    by the number of elements, which is not the divergence, and `batchmean` by the length of axis 0, whatever axis 0 is.
    A target of 0 on a prediction of 0 (l = -inf) and a negative target give nan, as in torch's current kernel.

    Args:
        log_pred: l, log-probabilities of any shape.
        target: t, probabilities of the same shape, or log-probabilities with `log_target`.
        log_target: whether `target` holds logarithms.
        eps: added inside the logarithm of the target, a habit of hand-written losses; 0 in torch.
        reduction: none, sum, mean (torch's default) or batchmean.
        check: whether values above 0, which no log-probabilities are, are refused; torch takes them without a word.

    Returns:
        The term of every element (none), else one number.

    Raises:
        RefusedMap: the shapes differ, or the prediction holds values above 0.
        UsageProblem: another reduction, or eps beside `log_target`.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.KLDivLoss.html

    >>> import numpy as np
    >>> gt = np.asarray([[0.5, 0.5]])
    >>> float(kl_div(np.log(gt), gt, reduction="batchmean"))
    0.0
    """
    given = log_pred, target
    log_pred, target = computed_in(log_pred), computed_in(target)
    check_same_shape(log_pred, target)
    if check:
        check_no_scores(given[0], "take log_softmax of scores, or check=False for torch's number of them")
    if log_target and eps:
        msg = (
            f"eps={eps} has no meaning beside log_target: no logarithm is taken of a target that is one; leave eps at 0"
        )
        raise UsageProblem(msg)
    xp = namespace(log_pred, target)
    with quiet():
        if log_target:
            return returned_as(reduced(xp.exp(target) * (target - log_pred), reduction, batch=True), *given)
        some = xp.where(target == 0, xp.ones_like(target), target + eps)
        return returned_as(reduced(target * xp.log(some) - target * log_pred, reduction, batch=True), *given)


def keras_kl_divergence(
    true: Array, pred: Array, *, axis: int = -1, reduction: Literal["none", "sum", "mean"] = "mean"
) -> AnyArray:
    """Kullback-Leibler divergence of the prediction from the ground truth, D(true || pred), in nats, as Keras.

    Both are clipped to 1e-7..1, not normalised; t ln(t / p) is summed along `axis`, then averaged over what remains. A
    ground truth of 0 therefore adds 1e-7 ln(1e-7 / p).

    Args:
        true: t, probabilities of any shape.
        pred: p, probabilities of the same shape.
        axis: the axis of one distribution; Keras knows the last one alone.
        reduction: mean (sum_over_batch_size in Keras), sum or none, of the distributions.

    Returns:
        The divergence of every distribution (none), else one number.

    Raises:
        RefusedMap: the shapes differ.
        UsageProblem: another reduction.

    Source: https://keras.io/api/losses/probabilistic_losses/#kldivergence-class

    >>> import numpy as np
    >>> p = np.asarray([[0.5, 0.5], [1.0, 0.0]])
    >>> float(keras_kl_divergence(p, p))
    0.0
    """
    given = true, pred
    true, pred = computed_in(true), computed_in(pred)
    xp = namespace(true, pred)
    check_same_shape(pred, true)
    with quiet():
        true = xp.clip(true, KERAS_EPSILON, 1)
        pred = xp.clip(pred, KERAS_EPSILON, 1)
        return returned_as(reduced(xp.sum(true * xp.log(true / pred), axis=axis), reduction), *given)


def keras_categorical_crossentropy(
    true: Array, pred: Array, *, axis: int = -1, reduction: Literal["none", "sum", "mean"] = "mean"
) -> AnyArray:
    """Cross-entropy of the prediction under the ground truth, H(true, pred), in nats, as Keras.

    The prediction is divided by its sum along `axis` and clipped to 1e-7..1 - 1e-7; -t ln p is summed along `axis`,
    then averaged over what remains. The ground truth is neither normalised nor clipped.

    Args:
        true: t, probabilities or one-hot labels of any shape.
        pred: p, non-negative values of the same shape.
        axis: the axis of one distribution.
        reduction: mean (sum_over_batch_size in Keras), sum or none, of the distributions.

    Returns:
        The cross-entropy of every distribution (none), else one number.

    Raises:
        RefusedMap: the shapes differ.
        UsageProblem: another reduction.

    Source: https://keras.io/api/losses/probabilistic_losses/#categoricalcrossentropy-class

    >>> import numpy as np
    >>> one_hot = np.asarray([[0.0, 1.0]])
    >>> pred = np.asarray([[2.0, 2.0]])
    >>> bool(keras_categorical_crossentropy(one_hot, pred) == np.log(2))
    True
    """
    given = true, pred
    true, pred = computed_in(true), computed_in(pred)
    xp = namespace(true, pred)
    check_same_shape(pred, true)
    with quiet():
        pred = pred / xp.sum(pred, axis=axis, keepdims=True)
        log_pred = xp.log(xp.clip(pred, KERAS_EPSILON, 1 - KERAS_EPSILON))
        return returned_as(reduced(-xp.sum(true * log_pred, axis=axis), reduction), *given)
