"""Metrics of two maps as they are stored, and the pointwise terms of two distances between densities.

Goal: say how far the predicted map is from that of the ground truth.
Conventions: arguments are (pred, gt, weights); maps are (..., H, W) of any real type, results (...). The optional
weights say how much each pixel counts: a multiplicity, a solid angle, or 0 for a pixel that does not exist and so has
no part in sums and extents. A map may therefore be given as its distinct values (..., 1, L) and their multiplicities.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kldeval.arrays import namespace
from kldeval.errors import RefusedMap, UsageProblem
from kldeval.grammar import format_value
from kldeval.metrics.checks import check_same_shape
from kldeval.metrics.joint_levels import gap
from kldeval.metrics.registry import METRICS, MetricInfo, Of
from kldeval.weighting import (
    MAP,
    above_least,
    amount,
    as_weights,
    divide,
    drop_axes,
    min_max,
    root,
    shares,
    total,
    zero_excluded,
)

if TYPE_CHECKING:
    from kldeval.arrays import AnyArray, Array, Namespace
    from kldeval.metrics.joint_levels import JointLevels


NEARLY_EQUAL = 1 - 1e-9
"""A correlation from which on maps may be equal but for their scale."""

TINY_DIFFERENCE = 1e-140
"""Differences below it, or above its inverse, are squared and summed in a unit of their own."""


def _deviations(
    xp: Namespace, values: Array, weights: Array | None, *, std_eps: float = 0.0, of: Of = None
) -> AnyArray:
    """Deviations from the mean after stretching to 0..1, so that a constant map is exactly 0, whatever its value.

    Beside `std_eps`, which is in the units of the map, they are in these too.
    """
    del of
    values = zero_excluded(xp, values, weights)
    low, high = min_max(xp, values, weights)
    rise, span = above_least(xp, values, low, high)
    stretched = rise / xp.where(span == 0, xp.ones_like(span), span)
    deviations = stretched - divide(xp, total(xp, stretched, weights), amount(xp, stretched, weights))
    return deviations * span if std_eps else deviations


def _existing(xp: Namespace, values: Array, weights: Array | None, *, of: Of = None) -> AnyArray:
    """The values of the pixels that exist."""
    del of
    return zero_excluded(xp, values, weights)


def _histogram(
    xp: Namespace,
    values: Array,
    weights: Array | None,
    *,
    minmax: bool = False,
    of: Of = None,  # noqa: ARG001 - all parameters are passed
) -> AnyArray:
    """The values divided by their sum, which `minmax` stretches to 0..1 before."""
    values = zero_excluded(xp, values, weights)
    low, high = min_max(xp, values, weights)
    if minmax:
        blank = (low == 0) & (high == 0)
        stretched = divide(xp, *above_least(xp, values, low, high))
        values = xp.where(blank, xp.zeros_like(values), zero_excluded(xp, stretched, weights))
    else:
        values = xp.where(low < 0, xp.full_like(values, xp.nan), values)
    return shares(xp, values, weights)


def _correlation(
    xp: Namespace, pred: Array, gt: Array, weights: Array | None, *, std_eps: float = 0.0, of: Of = None
) -> AnyArray:
    del of
    spreads = total(xp, pred**2, weights), total(xp, gt**2, weights)
    pixels = amount(xp, pred, weights) if std_eps else None
    return drop_axes(xp, _correlated(xp, total(xp, pred * gt, weights), spreads, pixels, std_eps))


def _correlated(
    xp: Namespace, product: Array, spreads: tuple[Array, Array], pixels: Array | None, std_eps: float
) -> AnyArray:
    """The correlation, from the sums of the products and of the squares of deviations; `pixels` only beside an eps."""
    spread, target_spread = spreads
    if std_eps:
        deviations = [root(xp, part / pixels) + std_eps for part in spreads]
        return product / pixels / (deviations[0] * deviations[1])
    correlation = divide(xp, product, root(xp, spread * target_spread))
    flat = (spread == 0) & (target_spread > 0)
    return xp.where(flat, xp.zeros_like(correlation), xp.clip(correlation, -1.0, 1.0))


def _correlation_of_levels(
    joint: JointLevels, pred: AnyArray, gt: AnyArray, *, std_eps: float = 0.0, of: Of = None
) -> float | None:
    """The correlation, unless it is so close to 1 or -1 that a map and itself might not have exactly 1."""
    import numpy as np

    del of
    spreads = np.asarray(joint.of_pred(pred**2)), np.asarray(joint.of_gt(gt**2))
    product, pixels = np.asarray(joint.product(pred, gt)), np.asarray(joint.n_pixels)
    found = float(_correlated(np, product, spreads, pixels, std_eps))
    return None if abs(found) > NEARLY_EQUAL else found


def _intersection(xp: Namespace, pred: Array, gt: Array, weights: Array | None, **_: object) -> AnyArray:
    return drop_axes(xp, total(xp, xp.minimum(pred, gt), weights))


def _intersection_of_levels(joint: JointLevels, pred: AnyArray, gt: AnyArray, **_: object) -> float | None:
    return joint.lesser(pred, gt)


def _check_std_eps(*, std_eps: float = 0.0, of: Of = None) -> None:  # noqa: ARG001 - all parameters are passed
    if std_eps < 0:
        msg = f"std_eps={format_value(std_eps)}: what is added to a standard deviation is 0 or more"
        raise UsageProblem(msg)


@METRICS.add(
    "cc",
    MetricInfo(
        version=2,
        on="maps",
        unit="",
        best="high",
        check=_check_std_eps,
        prepare=_deviations,
        combine=_correlation,
        of_levels=_correlation_of_levels,
    ),
)
def cc(
    pred: Array,
    gt: Array,
    weights: Array | None = None,
    *,
    std_eps: float = 0.0,
    of: Of = None,  # noqa: ARG001 - whoever calls it hands over such values
) -> AnyArray:
    """Pearson correlation of the two maps over their pixels, from -1 to 1; higher is better.

    sum w (p - mean p)(q - mean q) / sqrt(sum w (p - mean p)^2 sum w (q - mean q)^2). Neither the scale nor the offset
    of a map matters. A constant prediction scores 0 against a ground truth that varies; a constant ground truth gives
    nan. (This is pysaliency's rule; CC.m gives nan for both.)

    With `std_eps` each standard deviation (over N, in the units of the stored map) is increased by it, as in losses
    that divide by std + eps: mean w (p - mean p)(q - mean q) / ((std p + eps)(std q + eps)); constant maps then give 0.

    Source: K. Pearson (1895), https://doi.org/10.1098/rspl.1895.0041; as a saliency metric Z. Bylinskii et al. (2019),
    https://doi.org/10.1109/TPAMI.2018.2815601.

    >>> import numpy as np, kldeval
    >>> ramp = np.asarray([[0.0, 1.0], [2.0, 3.0]])
    >>> float(kldeval.cc(ramp, 5 - 2 * ramp)), float(kldeval.cc(np.ones((2, 2)), ramp))
    (-1.0, 0.0)
    """
    xp = _namespace(pred, gt)
    weights = as_weights(weights, pred)
    deviations = (_deviations(xp, values, weights, std_eps=std_eps) for values in (pred, gt))
    return _correlation(xp, next(deviations), next(deviations), weights, std_eps=std_eps)


@METRICS.add(
    "sim",
    MetricInfo(
        version=2,
        on="maps",
        unit="",
        best="high",
        symmetric=True,
        nonnegative="minmax",
        prepare=_histogram,
        combine=_intersection,
        of_levels=_intersection_of_levels,
    ),
)
def sim(pred: Array, gt: Array, weights: Array | None = None, *, minmax: bool = False, of: Of = None) -> AnyArray:  # noqa: ARG001 - whoever calls it hands over such values
    """Similarity, the intersection of the two maps as histograms, from 0 to 1; higher is better.

    sum w min(p, q) with each map divided by its sum; with `minmax` (similarity.m) each is first stretched to 0..1,
    which removes what a map gives to every pixel. A map of zeros stays zero and so scores 0; another constant map under
    `minmax` gives nan, and so does a map with negative values without it.

    Source: M. J. Swain and D. H. Ballard (1991), https://doi.org/10.1007/BF00130487; as a saliency metric T. Judd,
    F. Durand and A. Torralba (2012), http://hdl.handle.net/1721.1/68590.

    >>> import numpy as np, kldeval
    >>> float(kldeval.sim(np.asarray([[1, 3]]), np.asarray([[2, 2]])))
    0.75
    """
    xp = _namespace(pred, gt)
    weights = as_weights(weights, pred)
    densities = [_histogram(xp, values, weights, minmax=minmax) for values in (pred, gt)]
    return _intersection(xp, densities[0], densities[1], weights)


def _mean_square(xp: Namespace, pred: Array, gt: Array, weights: Array | None, **_: object) -> AnyArray:
    return _mean_error(xp, pred, gt, weights, 2)


def _mean_size(xp: Namespace, pred: Array, gt: Array, weights: Array | None, **_: object) -> AnyArray:
    return _mean_error(xp, pred, gt, weights, 1)


def _mean_error(xp: Namespace, pred: Array, gt: Array, weights: Array | None, power: int) -> AnyArray:
    """The mean of a power of the absolute differences.

    Where these, their squares or the sum would leave the floats, differences are taken in units of the largest. An
    accelerator is not asked whether they would: its inf and nan are seen.
    """
    gaps = xp.abs(pred - gt)
    unit = xp.ones_like(gaps[..., :1, :1])
    asked = not xp.__name__.endswith("torch")
    if asked:
        peak = xp.max(gaps, axis=MAP, keepdims=True)
        extreme = (peak > 1 / TINY_DIFFERENCE) | ((peak < TINY_DIFFERENCE) & (peak > 0))
        if bool(xp.any(extreme)):
            half = xp.where(xp.isinf(peak), xp.full_like(peak, 0.5), xp.ones_like(peak))
            gaps = xp.abs(pred * half - gt * half)
            unit = xp.where(extreme, xp.max(gaps, axis=MAP, keepdims=True), unit)
            gaps, unit = gaps / unit, unit / half
    error = _mean(xp, gaps**power, weights)
    for _ in range(power):
        error = error * drop_axes(xp, unit)
    if asked and bool(xp.any(xp.isinf(error))):
        msg = f"the mean error of these maps to the power of {power} is beyond the floats; scale the maps"
        raise RefusedMap(msg)
    return error


def _mean_square_of_levels(joint: JointLevels, pred: AnyArray, gt: AnyArray, **_: object) -> float | None:
    """The mean of (p - q)^2 as p^2 + q^2 less 2 p q."""
    own = joint.of_pred(pred**2) + joint.of_gt(gt**2)
    left = gap(own, 2 * joint.product(pred, gt))
    return None if left is None else left / joint.n_pixels


def _mean_size_of_levels(joint: JointLevels, pred: AnyArray, gt: AnyArray, **_: object) -> float | None:
    """The mean of |p - q| as p + q less twice the lesser of them."""
    both = joint.lesser(pred, gt)
    left = None if both is None else gap(joint.of_pred(pred) + joint.of_gt(gt), 2 * both)
    return None if left is None else left / joint.n_pixels


@METRICS.add(
    "mse",
    MetricInfo(
        version=2,
        on="maps",
        unit="",
        best="low",
        symmetric=True,
        scaled=True,
        prepare=_existing,
        combine=_mean_square,
        of_levels=_mean_square_of_levels,
    ),
)
def mse(pred: Array, gt: Array, weights: Array | None = None, *, of: Of = None) -> AnyArray:  # noqa: ARG001 - whoever calls it hands over such values
    """Mean squared error, sum w (p - q)^2 / sum w, in squared units of the maps; lower is better.

    >>> import numpy as np, kldeval
    >>> float(kldeval.mse(np.asarray([[255]], np.uint8), np.asarray([[0]], np.uint8)))
    1.0
    """
    xp = _namespace(pred, gt)
    weights = as_weights(weights, pred)
    return _mean_square(xp, zero_excluded(xp, pred, weights), zero_excluded(xp, gt, weights), weights)


@METRICS.add(
    "mae",
    MetricInfo(
        version=2,
        on="maps",
        unit="",
        best="low",
        symmetric=True,
        scaled=True,
        prepare=_existing,
        combine=_mean_size,
        of_levels=_mean_size_of_levels,
    ),
)
def mae(pred: Array, gt: Array, weights: Array | None = None, *, of: Of = None) -> AnyArray:  # noqa: ARG001 - whoever calls it hands over such values
    """Mean absolute error, sum w |p - q| / sum w, in units of the maps; lower is better.

    >>> import numpy as np, kldeval
    >>> float(kldeval.mae(np.asarray([[255]], np.uint8), np.asarray([[0]], np.uint8), scale="raw"))
    255.0
    """
    xp = _namespace(pred, gt)
    weights = as_weights(weights, pred)
    return _mean_size(xp, zero_excluded(xp, pred, weights), zero_excluded(xp, gt, weights), weights)


def tv_terms(p: Array, q: Array) -> AnyArray:
    """The terms |p - q| / 2 of the total variation distance of two densities; their weighted sum is from 0 to 1.

    The largest difference between the probabilities that p and q give to one event; lower is better. Symmetric.

    >>> import numpy as np
    >>> float(tv_terms(np.asarray([0.5, 0.5]), np.asarray([1.0, 0.0])).sum())
    0.5
    """
    return namespace(p, q).abs(p - q) / 2


def hellinger_terms(p: Array, q: Array) -> AnyArray:
    """The terms (sqrt p - sqrt q)^2 / 2 of the squared Hellinger distance; see `hellinger_final`.

    >>> import numpy as np
    >>> float(hellinger_terms(np.asarray([1.0, 0.0]), np.asarray([0.0, 1.0])).sum())
    1.0
    """
    xp = namespace(p, q)
    return (root(xp, p) - root(xp, q)) ** 2 / 2


def hellinger_final(summed: Array) -> AnyArray:
    """Hellinger distance of two densities, from 0 to 1, lower is better: the root of its summed terms. Symmetric.

    Source: E. Hellinger (1909), https://doi.org/10.1515/crll.1909.136.210.

    >>> import numpy as np
    >>> float(hellinger_final(np.asarray(0.25)))
    0.5
    """
    return root(namespace(summed), summed)


def _namespace(pred: Array, gt: Array) -> Namespace:
    check_same_shape(pred, gt)
    return namespace(pred, gt)


def _mean(xp: Namespace, values: Array, weights: Array | None) -> AnyArray:
    return drop_axes(xp, divide(xp, total(xp, values, weights), amount(xp, values, weights)))
