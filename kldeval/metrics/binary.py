"""Losses of dense two-class maps, where each pixel is its own pair of probabilities.

Goal: binary cross-entropy of a map in 0..1 (or of its logits) against a ground truth in 0..1, as torch computes it.
Conventions: `pred, target` of one shape, natural logarithms (nats), integers and booleans count as float64.
`reduction` is `mean` over the pixels, `sum` over them, or `none`; two published losses may differ in just that.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

from kldeval.arrays import computed_in, namespace, quiet, returned_as
from kldeval.dataclass import NamedTuple
from kldeval.metrics.checks import check_probabilities, check_same_shape, expected, reduced
from kldeval.metrics.registry import METRICS, MetricInfo

if TYPE_CHECKING:
    from kldeval.arrays import AnyArray, Array


Reduction = Literal["none", "sum", "mean"]


def check_binary(prob: Array, target: Array) -> None:
    """Refuse maps that do not hold a probability of two classes at each pixel.

    Raises:
        RefusedMap: the shapes differ, or a value lies outside 0..1.
    """
    check_same_shape(prob, target)
    check_probabilities(prob, "prediction", "for logits there is bce_with_logits")
    check_probabilities(target, "ground truth", "divide bytes by 255")


def bce_with_logits(logit: Array, target: Array, *, reduction: Reduction = "mean") -> AnyArray:
    """Binary cross-entropy of sigmoid(logit) under the ground truth, in nats: -(t ln s(x) + (1 - t) ln s(-x)).

    Through the logarithm of the sigmoid s, (1 - t) x - ln s(x), so logits of any size give finite numbers, known to the
    rounding of the logit.

    Args:
        logit: scores of the first class, any shape.
        target: its probabilities in the ground truth, the same shape.
        reduction: none, sum or mean.

    Returns:
        The loss of every pixel (none), else one number.

    Raises:
        RefusedMap: the shapes differ, or a value of the ground truth lies outside 0..1.
        UsageProblem: another reduction.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.BCEWithLogitsLoss.html

    >>> import numpy as np
    >>> bce_with_logits(np.asarray([-1e4, 1e4]), np.asarray([1.0, 1.0]), reduction="none").tolist()
    [10000.0, 0.0]
    """
    given = logit, target
    logit, target = computed_in(logit), computed_in(target)
    check_same_shape(logit, target)
    check_probabilities(target, "ground truth", "divide bytes by 255")
    with quiet():
        return returned_as(reduced(bce_with_logits_terms(logit, target), reduction), *given)


def bce_terms(prob: Array, target: Array, clamp: float) -> AnyArray:
    """The binary cross-entropy of every pixel, of floats that were checked before."""
    xp = namespace(prob, target)
    log_prob = _floored(xp.log(xp.where(prob == 0, xp.ones_like(prob), prob)), prob == 0, clamp)
    log_rest = _floored(xp.log1p(xp.where(prob == 1, xp.zeros_like(prob), -prob)), prob == 1, clamp)
    return -expected(target, log_prob) - expected(1 - target, log_rest)


def bce_with_logits_terms(logit: Array, target: Array) -> AnyArray:
    """The binary cross-entropy of every pixel's logit, of floats that were checked before."""
    xp = namespace(logit, target)
    log_sigmoid = xp.minimum(logit, xp.zeros_like(logit)) - xp.log1p(xp.exp(-xp.abs(logit)))
    return (1 - target) * logit - log_sigmoid


def _floored(log: Array, impossible: Array, least: float) -> AnyArray:
    """The logarithms, -inf where the probability is 0, and none less than `least`."""
    xp = namespace(log)
    # -inf is put in afterwards: taken by the logarithm itself, its gradient would be inf * 0
    return xp.clip(xp.where(impossible, xp.full_like(log, -xp.inf), log), least, None)


class PixelMap(NamedTuple):
    """A block of a prediction, given by the probability of each pixel or, where `is_logit`, by its score."""

    values: Array
    is_logit: bool = False


@METRICS.add("bernoulli-kld", MetricInfo(unit="nats", best="low", on="pixels"))
def bernoulli_kld(pred: PixelMap, gt: Array, *, clamp: float = -100.0) -> AnyArray:
    """Bernoulli divergence of the prediction from the ground truth, D(gt || pred) of each pixel's classes, in nats.

    t ln(t / p) + (1 - t) ln((1 - t) / (1 - p)): `bce` less the entropy of the pixel's ground truth, so a map against
    itself gives 0. No logarithm of a probability is less than `clamp`, as in `bce`; of logits none is clamped.

    Source: S. Kullback and R. A. Leibler (1951), https://doi.org/10.1214/aoms/1177729694, of two classes.

    >>> import numpy as np, kldeval
    >>> half = np.asarray([[0.5]])
    >>> float(kldeval.bernoulli_kld(half, half)), bool(kldeval.bernoulli_kld(half, np.asarray([[1.0]])) == np.log(2))
    (0.0, True)
    """
    return bce(pred, gt, clamp=clamp) - bce_terms(gt, gt, -math.inf)


@METRICS.add("bce", MetricInfo(unit="nats", best="low", on="pixels"))
def bce(pred: PixelMap, gt: Array, *, clamp: float = -100.0) -> AnyArray:
    """Binary cross-entropy of the prediction under the ground truth, in nats: -(t ln p + (1 - t) ln(1 - p)).

    Of probabilities no logarithm is less than `clamp`, -100 as in torch. Of logits (a norm that ends in `sigmoid`) the
    loss is (1 - t) x - ln sigmoid(x), finite for scores of any size and known to the rounding of the score.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.BCELoss.html and BCEWithLogitsLoss.html; of saliency
    maps J. Pan et al. (2017), https://arxiv.org/abs/1701.01081 (the mean over the pixels), and A. Tsiami et al. (2020),
    https://arxiv.org/abs/2001.03063 (the sum).

    Where a logarithm is clamped the loss is flat and its gradient 0; torch's `binary_cross_entropy`, equal in value,
    invents a gradient there by dividing by 1e-12.

    >>> import numpy as np, kldeval
    >>> kldeval.bce(np.asarray([0.0, 1.0]), np.asarray([1.0, 1.0]), reduction="none").tolist()
    [100.0, 0.0]
    >>> kldeval.bce_with_logits(np.asarray([-1e4, 1e4]), np.asarray([1.0, 1.0]), reduction="none").tolist()
    [10000.0, 0.0]
    """
    return bce_with_logits_terms(pred.values, gt) if pred.is_logit else bce_terms(pred.values, gt, clamp)
