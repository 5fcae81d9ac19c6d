"""Metrics of which each pixel is its own distribution: a probability in the prediction and one in the ground truth.

Goal: score maps whose pixels do not share one mass, as losses of dense two-class networks do.
Conventions: both maps are taken as they are stored, on the scale of the run, 0..1, and are no densities. The terms are
summed over the pixels, or averaged, which is the default; two published losses differ in just that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from kldeval.metrics.binary import bce_terms, bce_with_logits_terms
from kldeval.metrics.registry import METRICS, MetricInfo

if TYPE_CHECKING:
    from kldeval.arrays import Array


class PixelMap(NamedTuple):
    """A block of a prediction, given by the probability of each pixel or, where `is_logit`, by its score."""

    values: Array
    is_logit: bool = False


@METRICS.add("bce", MetricInfo(unit="nats", best="low", on="pixels"))
def bce(pred: PixelMap, gt: Array, *, clamp: float = -100.0) -> Array:
    """Binary cross-entropy of the prediction under the ground truth, in nats: -(t ln p + (1 - t) ln(1 - p)).

    Of probabilities no logarithm is less than `clamp`, -100 as in torch. Of logits (a norm that ends in `sigmoid`) the
    loss is (1 - t) x - ln sigmoid(x), finite and exact for scores of any size.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.BCELoss.html and BCEWithLogitsLoss.html; of saliency
    maps J. Pan et al. (2017), https://arxiv.org/abs/1701.01081 (the mean over the pixels), and A. Tsiami et al. (2020),
    https://arxiv.org/abs/2001.03063 (the sum).

    >>> import numpy as np
    >>> target = np.asarray([1.0, 1.0])
    >>> bce(PixelMap(np.asarray([0.0, 1.0])), target).tolist()
    [100.0, 0.0]
    >>> bce(PixelMap(np.asarray([-1e4, 1e4]), is_logit=True), target).tolist()
    [10000.0, 0.0]
    """
    return bce_with_logits_terms(pred.values, gt) if pred.is_logit else bce_terms(pred.values, gt, clamp)
