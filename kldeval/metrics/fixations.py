"""Metrics of a stored map at the places that people looked at.

Goal: say how well the predicted map tells fixated from other places.
Conventions: each function takes a `FixatedMap` of shape (..., H, W), or (1, L) for the levels of one map, and returns
(...). Higher is better. A map without fixations gives nan; a constant map scores chance. The metrics that the MIT code
computes with random numbers are their exact expectations here: the same digits on every run.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

from kldeval.arrays import computed_in, counted_in, namespace, quiet
from kldeval.errors import UsageProblem
from kldeval.grammar import format_value
from kldeval.metrics.registry import METRICS, MetricInfo, Of
from kldeval.metrics.roc import area_at_fixated, area_at_fixations, area_at_steps, area_below_most, area_under_roc
from kldeval.weighting import above_least, divide, drop_axes, min_max, root, total, total_where, zero_excluded

if TYPE_CHECKING:
    from kldeval.arrays import AnyArray, Array, Namespace
    from kldeval.metrics.fixated_map import FixatedMap


Negatives = Literal["all", "unfixated"]
Jitter = Literal["expected", "none", "unique", "columns"]
Ties = Literal["exact", "float"]


def _check_nss(
    *,
    ddof: int = 0,
    repeats: bool = True,  # noqa: ARG001 - all parameters are passed
    std_eps: float = 0.0,
    of: Of = None,  # noqa: ARG001
) -> None:
    if ddof not in (0, 1):
        msg = f"nss(ddof={ddof}): a standard deviation is over N (0) or N - 1 (1)"
        raise UsageProblem(msg)
    if std_eps < 0:
        msg = f"nss(std_eps={format_value(std_eps)}): what is added to a standard deviation is 0 or more"
        raise UsageProblem(msg)


@METRICS.add("nss", MetricInfo(version=2, on="fixations", view="pixels", unit="", best="high", check=_check_nss))
def nss(
    seen: FixatedMap,
    *,
    ddof: int = 0,
    repeats: bool = True,
    std_eps: float = 0.0,
    of: Of = None,  # noqa: ARG001 - whoever calls it hands over such values
) -> AnyArray:
    """Normalised scanpath saliency: the mean at the fixations of the map in units of its standard deviation.

    mean over fixations of (S - mean S) / std S, with `ddof` 0 as pysaliency or 1 as NSS.m; without `repeats` a pixel
    counts once however often it was fixated, as NSS.m. Chance is 0, and so is a constant map (NSS.m: nan). `std_eps` is
    added to the standard deviation, in the units of the stored map, as losses do that must not divide by 0.

    Source: R. J. Peters et al. (2005), https://doi.org/10.1016/j.visres.2005.03.019.

    >>> import numpy as np, kldeval
    >>> float(kldeval.nss(np.asarray([[0.0, 2.0]]), np.asarray([[0, 1]])))
    1.0
    """
    xp = namespace(seen.values)
    rise, span = above_least(xp, seen.values, *seen.min_max())
    # stretched to 0..1, so that squares neither overflow nor vanish, whatever the scale of the map
    values = zero_excluded(xp, rise / xp.where(span == 0, xp.ones_like(span), span), seen.area)
    pixels = total(xp, seen.area)
    gap = values - divide(xp, total(xp, values, seen.area), pixels)
    deviation = root(xp, divide(xp, total(xp, gap**2, seen.area), pixels - ddof))
    counts = seen.fixations if repeats else seen.fixated
    mean = divide(xp, total(xp, gap, counts), total(xp, counts))
    if std_eps:
        # the map was stretched by its range, and so is what is added
        deviation = deviation + xp.where(span == 0, xp.ones_like(span), std_eps / span)
    return drop_axes(xp, mean / xp.where(deviation == 0, xp.ones_like(deviation), deviation))


@METRICS.add("auc", MetricInfo(version=2, on="fixations", view="ranks", unit="", best="high", takes_infinities=True))
def auc(seen: FixatedMap, *, negatives: Negatives = "all", repeats: bool = True, of: Of = None) -> AnyArray:  # noqa: ARG001 - whoever calls it hands over such values
    """Area under the ROC curve: P(S at a fixation > S elsewhere) + P(equal) / 2, exactly. Chance is 0.5.

    Elsewhere is any pixel (`negatives=all`, as pysaliency and the MIT/Tuebingen benchmark) or any pixel that nobody
    fixated (`unfixated`). Without `repeats` a pixel counts once however often it was fixated.

    Source: D. M. Green and J. A. Swets (1966); as a rank statistic J. A. Hanley and B. J. McNeil (1982),
    https://doi.org/10.1148/radiology.143.1.7063747.

    >>> import numpy as np, kldeval
    >>> float(kldeval.auc(np.asarray([[0.0, 2.0]]), np.asarray([[0, 1]])))
    0.75
    """
    others = seen.area if negatives == "all" else seen.free
    return area_under_roc(seen.values, seen.fixations if repeats else seen.fixated, others, ascending=seen.ascending)


@METRICS.add(
    "auc-judd", MetricInfo(version=2, on="fixations", view="ranks", unit="", best="high", takes_infinities=True)
)
def auc_judd(seen: FixatedMap, *, jitter: Jitter = "expected", of: Of = None) -> AnyArray:  # noqa: ARG001 - whoever calls it hands over such values
    """AUC_Judd.m in expectation over its jitter, for vanishing jitter; repeated fixations count once.

    The area under the ROC of fixated against unfixated pixels, plus (k + a b / (a + 1)) / (2 n m): the original joins
    points taken just after each of the n fixated pixels. m pixels are unfixated; a fixated and b unfixated ones tie at
    the lowest fixated value and k unfixated ones lie above it. A constant map therefore scores 0.5 + 1 / (2 (n + 1)).

    With jitter=none the original without its jitter, as it comes with ties: the trapezoid through (0, 0), for the i-th
    greatest fixated value v the point ((number of pixels >= v - i) / m, i / n), in that order, and (1, 1); with
    jitter=unique one point for each distinct fixated value v, its share of unfixated pixels >= v and of fixated ones.
    Under `none` tied fixations make the curve run back, and a constant map may score next to nothing.
    jitter=columns is `none` as the video challenges of 2024 and 2026 have it: repeated fixations count each time, and
    what the pixels are divided by is their number less 2, the columns of the list of (row, column) that are distinct.

    Source: T. Judd et al. (2009), https://doi.org/10.1109/ICCV.2009.5459462; AUC_Judd.m of
    https://github.com/cvzoya/saliency.

    >>> import numpy as np, kldeval
    >>> float(kldeval.auc_judd(np.ones((1, 2)), np.asarray([[0, 1]])))
    0.75
    """
    xp = namespace(seen.values)
    fixated, free = counted_in(seen.fixated), counted_in(seen.free)
    if jitter == "columns":
        return area_at_fixations(seen.values, counted_in(seen.fixations), counted_in(seen.area))
    if jitter != "expected":
        return area_at_fixated(seen.values, fixated, free, unique=jitter == "unique")
    values = xp.where(fixated > 0, seen.values, xp.full_like(seen.values, xp.inf))
    lowest = xp.min(values, axis=(-2, -1), keepdims=True)
    tied = total_where(xp, seen.values == lowest, fixated)
    tied_free = total_where(xp, seen.values == lowest, free)
    above = total_where(xp, seen.values > lowest, free)
    excess = above + tied * tied_free / (tied + 1)
    excess = divide(xp, excess, 2 * total(xp, fixated) * total(xp, free))
    return area_under_roc(seen.values, fixated, free, ascending=seen.ascending) + drop_axes(xp, excess)


@METRICS.add("auc-borji", MetricInfo(version=2, on="fixations", view="steps", unit="", best="high"))
def auc_borji(seen: FixatedMap, *, ties: Ties = "exact", of: Of = None) -> AnyArray:  # noqa: ARG001 - whoever calls it hands over such values
    """AUC_Borji.m in expectation over its random negatives, drawn from all pixels; repeated fixations count once.

    The trapezoid through (share of all pixels >= t, share of the fixated >= t) for t = 0, 0.1 .. 1 of the min-max map.
    As in the original, fewer than two fixated pixels give nan; a constant map scores 0.5 (the original: nan).

    A value on a tenth of the range ties with the threshold, exactly. The original divides in floating point and loses
    some such ties: (15/255) / (150/255) < 0.1. ties=float has its arithmetic, (S - min) / (max - min) >= k * 0.1, of
    the map on the scale of the run: 8-bit levels divided by 255, as im2double makes them, under scale=unit.

    Source: A. Borji et al. (2013), https://doi.org/10.1109/TIP.2012.2210727; AUC_Borji.m of
    https://github.com/cvzoya/saliency.

    >>> import numpy as np, kldeval
    >>> float(kldeval.auc_borji(np.asarray([[0.0, 0.0, 2.0, 2.0]]), np.asarray([[0, 0, 1, 1]])))
    0.75
    """
    xp = namespace(seen.values)
    area = area_at_steps(seen, seen.fixated, seen.area, rounded=ties == "float")
    few = drop_axes(xp, total(xp, seen.fixated)) <= 1
    return xp.where(few, xp.full_like(area, xp.nan), area)


@METRICS.add(
    "auc-shuffled", MetricInfo(version=2, on="fixations", view="steps", unit="", best="high", requires=("other",))
)
def auc_shuffled(seen: FixatedMap, other: Array, *, ties: Ties = "exact", of: Of = None) -> AnyArray:  # noqa: ARG001 - whoever calls it hands over such values
    """AUC_shuffled.m in expectation over its random negatives, drawn from the fixated pixels of another map.

    As `auc_borji`, with the share of `other`: 1 where the other map was fixated, else 0 (for levels: how many such
    pixels each holds). The authors take the union of ten other images; the union of all others covers so much of the
    image that the centre prior seems better than chance, which `sauc` avoids. `ties` as for `auc_borji`.

    Source: L. Zhang et al. (2008), https://doi.org/10.1167/8.7.32; AUC_shuffled.m of
    https://github.com/cvzoya/saliency.

    >>> import numpy as np, kldeval
    >>> float(kldeval.auc_shuffled(np.asarray([[0.0, 1.0, 2.0]]), np.asarray([[0, 0, 1]]), np.asarray([[1, 0, 1]])))
    0.75
    """
    xp = namespace(seen.values, other)
    return area_at_steps(seen, seen.fixated, zero_excluded(xp, other, seen.area), rounded=ties == "float")


@METRICS.add(
    "sauc",
    MetricInfo(
        version=2, on="fixations", view="ranks", unit="", best="high", requires=("others",), takes_infinities=True
    ),
)
def sauc(seen: FixatedMap, others: Array, *, of: Of = None) -> AnyArray:  # noqa: ARG001 - whoever calls it hands over such values
    """Shuffled AUC: P(S at a fixation > S where other images were fixated) + P(equal) / 2, exactly. Chance is 0.5.

    `others` is the number of fixations of all other images at each pixel (for levels: in each). Every fixation counts,
    repeated ones too, as in pysaliency and the MIT/Tuebingen benchmark.

    Source: B. W. Tatler, R. J. Baddeley and I. D. Gilchrist (2005), https://doi.org/10.1016/j.visres.2004.09.017.

    >>> import numpy as np, kldeval
    >>> float(kldeval.sauc(np.asarray([[0.0, 1.0, 2.0]]), np.asarray([[0, 1, 0]]), np.asarray([[3, 0, 1]])))
    0.75
    """
    xp = namespace(seen.values, others)
    others = zero_excluded(xp, others, seen.area)
    return area_under_roc(seen.values, seen.fixations, others, ascending=seen.ascending)


def _check_step(*, step: float = 0.01, of: Of = None) -> None:  # noqa: ARG001 - all parameters are passed
    if not MATLAB_EPS <= step <= 1:
        msg = f"sauc-salicon(step={format_value(step)}): the step between thresholds is a share of the range, up to 1"
        raise UsageProblem(msg)


@METRICS.add(
    "sauc-salicon",
    MetricInfo(on="fixations", view="pixels", unit="", best="high", requires=("images",), check=_check_step),
)
def sauc_salicon(seen: FixatedMap, images: Array, *, step: float = 0.01, of: Of = None) -> Array:  # noqa: ARG001 - whoever calls it hands over such values
    """Shuffled AUC of SALICON's own evaluator: thresholds `step` apart, the image's own fixated pixels left out.

    `images` is the number of other images on which each pixel was fixated (for levels: on the unfixated pixels of
    each); those of pixels that this image's observers fixated do not count. The trapezoid through (share of `images`
    >= t, share of the fixations >= t) for t = 0, step, 2 step .. below the greatest value of either, of the map
    stretched to 0..1, and (0, 0), (1, 1). Every fixation counts. A constant map scores 0.5.

    Source: sauc.py of https://github.com/NUS-VIP/salicon-evaluation.

    >>> import numpy as np, kldeval
    >>> seen, images = np.asarray([[0, 0, 1]]), np.asarray([[1, 0, 1]])
    >>> float(kldeval.sauc_salicon(np.asarray([[0.0, 1.0, 2.0]]), seen, images))
    1.0
    """
    xp = namespace(seen.values, images)
    rise, span = above_least(xp, counted_in(seen.values), *map(counted_in, seen.min_max()))
    values = zero_excluded(xp, rise / xp.where(span == 0, xp.ones_like(span), span), seen.area)
    elsewhere = xp.where(seen.free > 0, counted_in(images), xp.zeros_like(counted_in(images)))
    return area_below_most(values, seen.fixations, elsewhere, step)


MATLAB_EPS = 2.0**-52


@METRICS.add("ll", MetricInfo(on="fixations", unit="nats", best="high", requires=("density",)))
def ll(log_density: Array, fixations: Array) -> AnyArray:
    """Log-likelihood of the fixations: the mean of ln p over them, in nats per fixation; every repeat counts.

    -inf as soon as one fixation has probability 0.

    Source: M. Kuemmerer, T. S. A. Wallis and M. Bethge (2015), https://doi.org/10.1073/pnas.1510393112.

    >>> import numpy as np, kldeval
    >>> bool(np.isclose(kldeval.ll(np.asarray([[1.0, 3.0]]), np.asarray([[1, 0]])), np.log(0.25)))
    True
    """
    xp = namespace(log_density, fixations)
    seen = xp.where(fixations > 0, log_density, xp.zeros_like(log_density))
    counts = computed_in(xp.astype(fixations, log_density.dtype))
    return drop_axes(xp, divide(xp, total(xp, seen, counts), total(xp, counts)))


def _check_ig(*, eps: float = 0.0, repeats: bool = True) -> None:  # noqa: ARG001 - all parameters are passed
    if not 0 <= eps < math.inf:
        msg = f"ig(eps={format_value(eps)}): what is added to a probability is 0 or more, and finite"
        raise UsageProblem(msg)


@METRICS.add(
    "ig", MetricInfo(on="fixations", unit="bits", best="high", requires=("density", "baseline"), check=_check_ig)
)
def ig(log_density: Array, baseline: Array, fixations: Array, *, eps: float = 0.0, repeats: bool = True) -> AnyArray:
    """Information gain over a baseline density, in bits per fixation: the mean of log2 p - log2 b.

    Every fixation counts; without `repeats` a pixel counts once however often it was fixated. `eps` is added
    to both probabilities, as code does that has log2(eps + p): a fixation where p is 0 then costs a finite number of
    bits, about log2(b / eps). Python ports of InfoGain.m add 2.2204e-16 to maps that they divide by their sums without
    stretching them, and count a pixel once: ig(eps=2.2204e-16,repeats=false).

    `baseline` is a log density too; of a uniform one a single value suffices, shape (1, 1). A fixation where both are 0
    has no gain, and gives nan. Over levels, where prediction and baseline have no common cells, take
    (ll(pred) - ll(baseline)) / ln 2.

    Source: as `ll`; the ports: infogain in salience_metrics.py of https://github.com/tarunsharma1/saliency_metrics.

    >>> import numpy as np, kldeval
    >>> float(kldeval.ig(np.asarray([[1.0, 3.0]]), np.asarray([[0, 1]]), "uniform").round(12))
    0.584962500721
    """
    xp = namespace(log_density, baseline, fixations)
    fixated = fixations > 0
    with quiet():
        if eps:
            log_density, baseline = (_with_added(xp, each, eps) for each in (log_density, baseline))
        gain = xp.where(fixated, log_density - baseline, xp.zeros_like(log_density))
    counts = fixations if repeats else xp.astype(fixated, gain.dtype)
    return ll(gain, counts) / math.log(2)


def _with_added(xp: Namespace, logarithm: Array, eps: float) -> Array:
    """The logarithm ln(eps + p), given ln p."""
    return xp.logaddexp(logarithm, xp.full_like(logarithm, math.log(eps)))


def _check_ig_mit(*, eps: float = MATLAB_EPS, of: Of = None) -> None:  # noqa: ARG001 - all parameters are passed
    if not 0 < eps < math.inf:
        msg = f"ig-mit(eps={format_value(eps)}): what is added to a probability is above 0 and finite"
        raise UsageProblem(msg)


@METRICS.add(
    "ig-mit",
    MetricInfo(
        version=2,
        on="fixations",
        view="pixels",
        unit="bits",
        best="high",
        requires=("baseline",),
        check=_check_ig_mit,
    ),
)
def ig_mit(pred: FixatedMap, baseline: FixatedMap | None, *, eps: float = MATLAB_EPS, of: Of = None) -> AnyArray:  # noqa: ARG001 - whoever calls it hands over such values
    """InfoGain.m: the gain in bits per fixated pixel of stored maps, each stretched to 0..1 and divided by its sum.

    mean over fixated pixels of log2(eps + p) - log2(eps + b) with `eps` 2^-52; repeated fixations count once. Both
    arguments carry the same fixations. A constant map gives nan. A prediction pays up to 52 bits where it is 0.
    A baseline that is uniform by name ("uniform", here None) is b = 1/N of N pixels, which no stretched map is.

    Source: InfoGain.m of https://github.com/cvzoya/saliency.

    >>> import numpy as np, kldeval
    >>> pred = np.asarray([[0.0, 1.0, 3.0]])
    >>> float(kldeval.ig_mit(pred, np.asarray([[0, 0, 1]]), pred))
    0.0
    """
    return mit_bits(pred, eps) - (uniform_bits(pred, eps) if baseline is None else mit_bits(baseline, eps))


def mit_bits(seen: FixatedMap, eps: float = MATLAB_EPS) -> AnyArray:
    """The mean over fixated pixels of log2(eps + p): of `ig_mit`, what one of the two maps contributes."""
    xp = namespace(seen.values)
    logarithm = mit_logarithm(stretched_density(seen.values, seen.area, seen.min_max()), eps)
    return drop_axes(xp, divide(xp, total(xp, logarithm, seen.fixated), total(xp, seen.fixated)))


def uniform_bits(seen: FixatedMap, eps: float = MATLAB_EPS) -> AnyArray:
    """log2(eps + 1/N) of a map of N pixels, each with its weight: what a uniform baseline takes off `ig_mit`."""
    xp = namespace(seen.values)
    bits = mit_logarithm(divide(xp, xp.ones_like(total(xp, seen.area)), total(xp, seen.area)), eps)
    # nan without a fixation, as any mean over them
    return drop_axes(xp, divide(xp, bits * total(xp, seen.fixated), total(xp, seen.fixated)))


def stretched_density(values: Array, area: Array, ends: tuple[Array, Array] | None = None) -> AnyArray:
    """Maps stretched to 0..1 and divided by their sum, each pixel with its weight `area`; nan for a constant map.

    `ends` are the minimum and the maximum where they are known.
    """
    xp = namespace(values)
    low, high = ends or min_max(xp, values, area)
    stretched = zero_excluded(xp, divide(xp, *above_least(xp, values, low, high)), area)
    return divide(xp, stretched, total(xp, stretched, area))


def mit_logarithm(density: Array, eps: float = MATLAB_EPS) -> AnyArray:
    """The binary logarithm of a density and a constant: log2(eps + p)."""
    return namespace(density).log(density + eps) / math.log(2)
