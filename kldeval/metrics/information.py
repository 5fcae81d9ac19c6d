"""Metrics of a density at the places that people looked at: log-likelihood and information gain.

Conventions: densities are given by natural logarithms, (..., H, W), with the number of fixations at each pixel; or,
for a map of few levels, both per level (..., 1, L). Results are (...). Higher is better. No fixation gives nan. Leave
fixations at pixels that a mask removes out of the numbers.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from kldeval.arrays import namespace, quiet
from kldeval.metrics.registry import METRICS, MetricInfo
from kldeval.metrics.weighted import divide, drop_axes, existing, extent, total

if TYPE_CHECKING:
    from kldeval.arrays import Array
    from kldeval.metrics.fixated import FixatedMap

MATLAB_EPS = 2.0**-52


@METRICS.add("ll", MetricInfo(on="fixations", unit="nats", best="high", requires=("density",)))
def ll(log_density: Array, fixations: Array) -> Array:
    """Log-likelihood of the fixations: the mean of ln p over them, in nats per fixation; every repeat counts.

    -inf as soon as one fixation has probability 0.

    Source: M. Kuemmerer, T. S. A. Wallis and M. Bethge (2015), https://doi.org/10.1073/pnas.1510393112.

    >>> import numpy as np
    >>> float(ll(np.log(np.asarray([[0.25, 0.75]])), np.asarray([[1, 0]]))) == float(np.log(0.25))
    True
    """
    xp = namespace(log_density, fixations)
    seen = xp.where(fixations > 0, log_density, xp.zeros_like(log_density))
    counts = xp.astype(fixations, log_density.dtype)
    return drop_axes(xp, divide(xp, total(xp, seen, counts), total(xp, counts)))


@METRICS.add("ig", MetricInfo(on="fixations", unit="bits", best="high", requires=("density", "baseline")))
def ig(log_density: Array, baseline: Array, fixations: Array) -> Array:
    """Information gain over a baseline density, in bits per fixation: the mean of log2 p - log2 b; repeats count.

    `baseline` is a log density too; of a uniform one a single value suffices, shape (1, 1). A fixation where both are 0
    has no gain, and gives nan. Over levels, where prediction and baseline have no common cells, take
    (ll(pred) - ll(baseline)) / ln 2.

    Source: as `ll`.

    >>> import numpy as np
    >>> log_density = np.log(np.asarray([[0.25, 0.75]]))
    >>> float(ig(log_density, log_density, np.asarray([[1, 2]])))
    0.0
    """
    xp = namespace(log_density, baseline, fixations)
    fixated = fixations > 0
    with quiet():
        gain = xp.where(fixated, log_density - baseline, xp.zeros_like(log_density))
    return ll(gain, fixations) / math.log(2)


@METRICS.add("ig-mit", MetricInfo(on="fixations", view="pixels", unit="bits", best="high", requires=("baseline",)))
def ig_mit(pred: FixatedMap, baseline: FixatedMap) -> Array:
    """InfoGain.m: the gain in bits per fixated pixel of stored maps, each stretched to 0..1 and divided by its sum.

    mean over fixated pixels of log2(eps + p) - log2(eps + b) with eps = 2^-52; repeated fixations count once. Both
    arguments carry the same fixations. A constant map gives nan. A prediction pays up to 52 bits where it is 0.

    Source: InfoGain.m of https://github.com/cvzoya/saliency.

    >>> import numpy as np
    >>> from kldeval.metrics.fixated import fixated_pixels
    >>> seen = fixated_pixels(np.asarray([[0.0, 1.0, 3.0]]), np.asarray([[0, 0, 1]]))
    >>> float(ig_mit(seen, seen))
    0.0
    """
    return mit_bits(pred) - mit_bits(baseline)


def mit_bits(seen: FixatedMap) -> Array:
    """The mean over fixated pixels of log2(2^-52 + p): of `ig_mit`, what one of the two maps contributes."""
    xp = namespace(seen.values)
    logarithm = mit_logarithm(stretched_density(seen.values, seen.area, seen.extent()))
    return drop_axes(xp, divide(xp, total(xp, logarithm, seen.fixated), total(xp, seen.fixated)))


def stretched_density(values: Array, area: Array, ends: tuple[Array, Array] | None = None) -> Array:
    """Maps stretched to 0..1 and divided by their sum, each pixel with its weight `area`; nan for a constant map.

    `ends` are the minimum and the maximum where they are known.
    """
    xp = namespace(values)
    low, high = ends or extent(xp, values, area)
    stretched = existing(xp, divide(xp, values - low, high - low), area)
    return divide(xp, stretched, total(xp, stretched, area))


def mit_logarithm(density: Array) -> Array:
    """log2(2^-52 + p)."""
    return namespace(density).log(density + MATLAB_EPS) / math.log(2)
