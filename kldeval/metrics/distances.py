"""Distances of two densities that are bounded by 1, whatever the densities: total variation and Hellinger's.

Conventions: as `kldeval.metrics.density`; each function returns the pointwise terms.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kldeval.metrics.maps import hellinger_final, hellinger_terms, tv_terms
from kldeval.metrics.registry import METRICS, MetricInfo

if TYPE_CHECKING:
    from kldeval.arrays import Array
    from kldeval.density import Density


@METRICS.add("tv", MetricInfo(unit="", best="low", symmetric=True))
def tv(pred: Density, gt: Density) -> Array:
    """Total variation distance of prediction and ground truth, from 0 to 1: sum |p - q| / 2.

    The largest difference between the probabilities that the two give to one event; 1 - `sim` of the densities.

    >>> import numpy as np
    >>> from kldeval.density import Density
    >>> float(tv(Density(prob=np.asarray([0.5, 0.5])), Density(prob=np.asarray([1.0, 0.0]))).sum())
    0.5
    """
    return tv_terms(pred.prob, gt.prob)


@METRICS.add("hellinger", MetricInfo(unit="", best="low", symmetric=True, from_sum=hellinger_final))
def hellinger(pred: Density, gt: Density) -> Array:
    """Hellinger distance of prediction and ground truth, from 0 to 1: sqrt(sum (sqrt p - sqrt q)^2 / 2).

    The root is of the sum within each distribution; the terms returned are those under it.
    Source: E. Hellinger (1909), https://doi.org/10.1515/crll.1909.136.210.

    >>> import numpy as np
    >>> from kldeval.density import Density
    >>> float(hellinger(Density(prob=np.asarray([1.0, 0.0])), Density(prob=np.asarray([0.0, 1.0]))).sum())
    1.0
    """
    return hellinger_terms(pred.prob, gt.prob)
