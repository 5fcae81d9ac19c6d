"""Metrics of two densities.

Goal: say how far the predicted density p is from that of the ground truth, q.
Conventions: arguments are (pred, gt), natural logarithms (nats), 0 ln 0 = 0, and inf where the formula is infinite.
Each function returns the pointwise terms; the metric is their weighted sum over the pixels of a distribution.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

from kldeval.arrays import namespace, quiet
from kldeval.errors import UsageProblem
from kldeval.grammar import format_value
from kldeval.metrics.folded import folded_cross_entropy, folded_divergence, folded_entropy, folded_reverse
from kldeval.metrics.registry import METRICS, MetricInfo
from kldeval.metrics.separable import (
    separated_cross_entropy,
    separated_divergence,
    separated_entropy,
    separated_hellinger,
    separated_reverse,
    separated_total_variation,
)
from kldeval.metrics.similarity import hellinger_final, hellinger_terms, tv_terms
from kldeval.normalization.density import Density, safe_log
from kldeval.weighting import root

if TYPE_CHECKING:
    from kldeval.arrays import AnyArray, Array


SMALL_SQUARE = 1e-6
"""Below it four terms of a power series in the square are exact to rounding."""

Direction = Literal["gt-pred", "pred-gt", "mean"]


def _check_constants(*, factor: float = 1.0, direction: str = "", **constants: float) -> None:  # noqa: ARG001
    for name, value in {**constants, "factor": factor}.items():
        if value < 0 or (name == "factor" and value == 0):
            bound = "above 0" if name == "factor" else "0 or more"
            msg = f"{name}={format_value(value)}: a constant of a metric is {bound}"
            raise UsageProblem(msg)


@METRICS.add(
    "kld",
    MetricInfo(
        unit="nats", best="low", check=_check_constants, separable=separated_divergence, folded=folded_divergence
    ),
)
def kld(
    pred: Density,
    gt: Density,
    *,
    log_eps: float = 0.0,
    num_eps: float = 0.0,
    ratio_eps: float = 0.0,
    direction: Direction = "gt-pred",
    factor: float = 1.0,
) -> AnyArray:
    """Kullback-Leibler divergence of the prediction from the ground truth, D(gt || pred), in nats.

    factor * sum q ln(log_eps + (q + num_eps) / (p + ratio_eps)). With all three zero it is the exact divergence, taken
    from the logarithms, and so it is with num_eps alone; `direction` swaps p and q (pred-gt) or takes the mean of both
    orders.

    Source: S. Kullback and R. A. Leibler (1951), https://doi.org/10.1214/aoms/1177729694; the form with constants:
    Z. Bylinskii et al. (2019), https://doi.org/10.1109/TPAMI.2018.2815601, and its code, KLdiv.m.

    >>> import numpy as np, kldeval
    >>> p, q = np.asarray([[0.5, 0.5]]), np.asarray([[0.25, 0.75]])
    >>> float(kldeval.kld(p, p, eps=0))
    0.0
    >>> bool(np.isclose(kldeval.kld(p, q), 0.25 * np.log(0.5) + 0.75 * np.log(1.5)))
    True
    """
    constants = (log_eps, num_eps, ratio_eps)
    if direction == "gt-pred":
        terms = _divergence(pred, gt, constants)
    elif direction == "pred-gt":
        terms = _divergence(gt, pred, constants)
    else:
        terms = (_divergence(pred, gt, constants) + _divergence(gt, pred, constants)) / 2
    return terms if factor == 1 else factor * terms


@METRICS.add(
    "kld-reverse",
    MetricInfo(
        unit="nats",
        best="low",
        version=2,
        check=_check_constants,
        separable=separated_reverse,
        folded=folded_reverse,
    ),
)
def kld_reverse(
    pred: Density, gt: Density, *, log_eps: float = 0.0, num_eps: float = 0.0, ratio_eps: float = 0.0
) -> AnyArray:
    """Kullback-Leibler divergence of the ground truth from the prediction, D(pred || gt), in nats.

    The same as `kld(direction=pred-gt)`: sum p ln(log_eps + (p + num_eps) / (q + ratio_eps)).

    >>> import numpy as np, kldeval
    >>> p, q = np.asarray([[1.0, 2.0]]), np.asarray([[2.0, 3.0]])
    >>> bool(kldeval.kld_reverse(p, q) == kldeval.kld(q, p))
    True
    """
    return _divergence(gt, pred, (log_eps, num_eps, ratio_eps))


@METRICS.add(
    "ce",
    MetricInfo(
        unit="nats", best="low", check=_check_constants, separable=separated_cross_entropy, folded=folded_cross_entropy
    ),
)
def ce(pred: Density, gt: Density, *, ratio_eps: float = 0.0) -> AnyArray:
    """Cross-entropy of the prediction under the ground truth, H(gt, pred), in nats: -sum q ln(p + ratio_eps).

    In the exact form it is `entropy-gt` + `kld`.

    >>> import numpy as np, kldeval
    >>> p, q = np.asarray([[1.0, 2.0]]), np.asarray([[2.0, 3.0]])
    >>> abs(float(kldeval.ce(p, q, eps=0) - kldeval.kld(p, q, eps=0) - kldeval.entropy_gt(p, q))) < 1e-15
    True
    """
    if ratio_eps:
        return -(gt.prob * pred.xp.log(pred.plus(ratio_eps)))
    return -_product(gt, pred)


@METRICS.add("jsd", MetricInfo(unit="nats", best="low", symmetric=True))
def jsd(pred: Density, gt: Density) -> AnyArray:
    """Jensen-Shannon divergence of prediction and ground truth, in nats: (D(p || m) + D(q || m)) / 2, m = (p + q) / 2.

    Symmetric, and at most ln 2. It is the divergence, not its square root.
    Source: J. Lin (1991), https://doi.org/10.1109/18.61115.

    >>> import numpy as np, kldeval
    >>> bool(np.isclose(kldeval.jsd(np.asarray([[1.0, 0.0]]), np.asarray([[0.0, 1.0]])), np.log(2)))
    True
    """
    both = pred.prob + gt.prob
    half = both / 2
    # the half of the least number is 0, and ln 0 would make the term of a pixel that weighs nothing infinite
    middle = Density(prob=pred.xp.where(half == 0, both, half))
    # all logarithms are taken of probabilities, so that a map against itself gives exactly 0 after a softmax too
    return (_divergence(middle, _of_prob(pred), (0, 0, 0)) + _divergence(middle, _of_prob(gt), (0, 0, 0))) / 2


def _root(summed: Array) -> AnyArray:
    """The root of a sum that rounding may have left below 0."""
    xp = namespace(summed)
    return root(xp, xp.where(summed < 0, xp.zeros_like(summed), summed))


@METRICS.add(
    "js-distance",
    MetricInfo(unit="", best="low", symmetric=True, from_sum=_root, aliases=("jensenshannon",)),
)
def js_distance(pred: Density, gt: Density) -> AnyArray:
    """Jensen-Shannon distance of prediction and ground truth, the root of `jsd` in nats, from 0 to sqrt(ln 2).

    A metric in the sense of geometry; `scipy.spatial.distance.jensenshannon` computes it. The root is of the sum within
    each distribution; the terms are those of `jsd`.

    Source: D. M. Endres and J. E. Schindelin (2003), https://doi.org/10.1109/TIT.2003.813506.

    >>> import numpy as np, kldeval
    >>> float(kldeval.js_distance(np.asarray([[1.0, 0.0]]), np.asarray([[0.0, 1.0]])).round(12))
    0.832554611158
    """
    xp, p, q = pred.xp, pred.prob, gt.prob
    middle = (p + q) / 2
    safe = xp.where(middle == 0, xp.ones_like(middle), middle)
    # p = m (1 + d) and q = m (1 - d) add m ((1 + d) ln(1 + d) + (1 - d) ln(1 - d)) / 2 = m (d^2/2 + d^4/12 + ...), of
    # which the logarithms lose the digits that the root needs where d is small
    d = (p - q) / 2 / safe
    square = d**2
    series = square * (1 / 2 + square * (1 / 12 + square * (1 / 30 + square / 56)))
    apart = xp.abs(d) >= 1
    inner = xp.where(apart, xp.zeros_like(d), d)
    logarithms = ((1 + inner) * xp.log1p(inner) + (1 - inner) * xp.log1p(-inner)) / 2
    logarithms = xp.where(apart, xp.full_like(d, math.log(2)), logarithms)
    return middle * xp.where(square < SMALL_SQUARE, series, logarithms)


@METRICS.add("schoener-d", MetricInfo(unit="", best="high", symmetric=True))
def schoener_d(pred: Density, gt: Density) -> AnyArray:
    """Schoener's D, the overlap of two densities, from 0 to 1: sum min(p, q), which is 1 - `tv`.

    Ecology's measure of how much two niches overlap, and `sim` of the densities.

    Source: T. W. Schoener (1968), https://doi.org/10.2307/1935534; D. L. Warren, R. E. Glor and M. Turelli (2008),
    https://doi.org/10.1111/j.1558-5646.2008.00482.x.

    >>> import numpy as np, kldeval
    >>> float(kldeval.schoener_d(np.asarray([[1.0, 1.0]]), np.asarray([[1.0, 0.0]])))
    0.5
    """
    return pred.xp.minimum(pred.prob, gt.prob)


@METRICS.add("warren-i", MetricInfo(unit="", best="high", symmetric=True, aliases=("bhattacharyya",)))
def warren_i(pred: Density, gt: Density) -> AnyArray:
    """Warren's I, the overlap of two densities, from 0 to 1: sum sqrt(p q), which is 1 - `hellinger`^2.

    It is the Bhattacharyya coefficient, under ecology's name; not Bhattacharyya's distance, -ln of it.

    Source: D. L. Warren, R. E. Glor and M. Turelli (2008), https://doi.org/10.1111/j.1558-5646.2008.00482.x;
    A. Bhattacharyya (1943), Bull. Calcutta Math. Soc. 35, 99-109.

    >>> import numpy as np, kldeval
    >>> float(kldeval.warren_i(np.asarray([[1.0, 0.0]]), np.asarray([[1.0, 1.0]])).round(12))
    0.707106781187
    """
    xp = pred.xp
    return root(xp, pred.prob) * root(xp, gt.prob)


@METRICS.add(
    "entropy-gt",
    MetricInfo(unit="nats", best="", blind_to=("pred",), separable=separated_entropy, folded=folded_entropy),
)
def entropy_gt(pred: Density, gt: Density) -> AnyArray:  # noqa: ARG001 - every metric is a function of both densities
    """Entropy of the ground truth, H(gt), in nats: -sum q ln q. The least cross-entropy that a prediction can reach.

    >>> import numpy as np, kldeval
    >>> bool(np.isclose(kldeval.entropy_gt(np.ones((2, 2)), np.ones((2, 2))), np.log(4)))
    True
    """
    return -_product(gt, gt)


def _divergence(approximation: Density, target: Density, constants: tuple[float, float, float]) -> AnyArray:
    """The terms of D(target || approximation)."""
    log_eps, num_eps, ratio_eps = constants
    if log_eps == ratio_eps == 0:
        return _exact_divergence(approximation, target, num_eps)
    xp, q = target.xp, target.prob
    if ratio_eps > 0 and (log_eps > 0 or num_eps > 0):
        # nothing can be 0 or divided by 0 here, so no pixel needs to be masked; temporaries are reused where they lie
        ratio = target.plus(num_eps) / approximation.plus(ratio_eps)
        ratio += log_eps
        terms = xp.log(ratio, out=ratio) if xp.__name__ == "numpy" else xp.log(ratio)
        terms *= q
        return terms
    if not ratio_eps and approximation.is_log:
        return _divergence_of_logarithms(approximation, target, log_eps, num_eps)
    some = q != 0
    one = xp.ones_like(q)
    ratio = xp.where(some, target.plus(num_eps), one) / xp.where(some, approximation.plus(ratio_eps), one)
    return q * safe_log(ratio + xp.where(some, log_eps * one, 0 * one), xp)


def _divergence_of_logarithms(approximation: Density, target: Density, log_eps: float, num_eps: float) -> AnyArray:
    """The terms q ln(log_eps + (q + num_eps) / p) of a p that is given by its logarithm and may underflow.

    ln(e + exp(d)) = max(ln e, d) + ln(1 + exp(-|ln e - d|)), of d = ln(q + num_eps) - ln p.
    """
    xp, q = target.xp, target.prob
    some = q != 0
    nothing = xp.zeros_like(q)
    log_target = xp.log(target.plus(num_eps)) if num_eps else target.log
    gap = xp.where(some, log_target, nothing) - xp.where(some, approximation.log, nothing)
    floor = xp.full_like(gap, math.log(log_eps))
    distance = xp.abs(gap - floor)
    return q * (xp.maximum(gap, floor) + xp.log1p(xp.exp(-distance)))


def _exact_divergence(approximation: Density, target: Density, num_eps: float) -> AnyArray:
    """Target * (ln(target + num_eps) - ln approximation), subtracted first: a map against itself gives exactly 0.

    The logarithm of the approximation is taken as it is: it may be that of no probability, or of one that underflows.
    """
    if not (num_eps or target.has_zeros or approximation.has_zeros):
        terms = target.log - approximation.log
        terms *= target.prob
        return terms
    xp = target.xp
    if xp.__name__ == "numpy":
        return _masked_afterwards(approximation, target, num_eps)
    some = ~target.is_zero
    nothing = xp.zeros_like(target.log)
    log_target = safe_log(target.prob + num_eps, xp) if num_eps else target.log
    gap = xp.where(some, log_target, nothing) - xp.where(some, approximation.log, nothing)
    product = target.prob * gap
    # a target that underflows to 0 counts 0, even where the approximation is 0 for good
    return xp.where(target.prob == 0, nothing, product)


def _masked_afterwards(approximation: Density, target: Density, num_eps: float) -> AnyArray:
    """The exact terms where no gradient has to pass: what a target of 0 makes of them is only then replaced by 0."""
    with quiet():
        log_target = safe_log(target.prob + num_eps) if num_eps else target.log
        terms = log_target - approximation.log
        terms *= target.prob
    terms[target.prob == 0] = 0.0
    return terms


def _of_prob(density: Density) -> Density:
    return Density(prob=density.prob) if density.is_log else density


def _product(weight: Density, density: Density) -> AnyArray:
    """Weight * ln density, 0 where the weight is 0; what is undefined stays so."""
    if not density.has_zeros:
        return weight.prob * density.log
    xp, log = weight.xp, density.log
    some = (weight.prob != 0) | xp.isnan(log)
    return weight.prob * xp.where(some, log, xp.zeros_like(weight.prob))


@METRICS.add("tv", MetricInfo(unit="", best="low", symmetric=True, separable=separated_total_variation))
def tv(pred: Density, gt: Density) -> AnyArray:
    """Total variation distance of prediction and ground truth, from 0 to 1: sum |p - q| / 2.

    The largest difference between the probabilities that the two give to one event; 1 - `sim` of the densities.

    >>> import numpy as np, kldeval
    >>> float(kldeval.tv(np.asarray([[1.0, 1.0]]), np.asarray([[1.0, 0.0]])))
    0.5
    """
    return tv_terms(pred.prob, gt.prob)


@METRICS.add(
    "hellinger",
    MetricInfo(unit="", best="low", symmetric=True, separable=separated_hellinger, from_sum=hellinger_final),
)
def hellinger(pred: Density, gt: Density) -> AnyArray:
    """Hellinger distance of prediction and ground truth, from 0 to 1: sqrt(sum (sqrt p - sqrt q)^2 / 2).

    The root is of the sum within each distribution; the terms returned are those under it.
    Source: E. Hellinger (1909), https://doi.org/10.1515/crll.1909.136.210.

    >>> import numpy as np, kldeval
    >>> float(kldeval.hellinger(np.asarray([[1.0, 0.0]]), np.asarray([[0.0, 1.0]])))
    1.0
    """
    return hellinger_terms(pred.prob, gt.prob)
