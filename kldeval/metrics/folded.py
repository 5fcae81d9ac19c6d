"""Divergences as sums over values that were not divided yet: what divides both sides is folded into the constants.

Goal: a divergence of maps of floats in half the passes over their pixels.
Conventions: t is the density that the logarithm is weighted with, a the other one; t = w / D and a = v / E, where w and
v are the values that the last step divided, or the exponentials that a softmax did. r, n and e are the constants.

ln((t + n) / (a + r) + e) = ln(E / D) + ln(e D / E + (w + n D) / (v + r E)), so that no pixel is divided by D or E.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kldeval.arrays import log_of_temporary, namespace
from kldeval.dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable

    from kldeval.arrays import AnyArray as Array
    from kldeval.normalization.lazy_map import Share
    from kldeval.records import Role


LEAST, MOST = 1e-90, 1e90
"""What divisors lie between: those of maps of float32 are 1e-45 to 1e48."""

LEAST_CONSTANT, MOST_CONSTANT = 1e-100, 1e10
"""What constants other than 0 lie between, so that no quotient above leaves the floats."""

SMALLEST = 5e-324
"""The smallest float64: in its place 0 has a finite logarithm, which a weight of 0 makes 0."""


class ShareBlock:
    """Some pixels of a share, each form made once."""

    __slots__ = ("_share", "_shifted", "_values", "_weight")

    def __init__(self, share: Share, rows: slice) -> None:
        values = share.values.block(rows)
        self._share = share
        self._values = values - share.peak if share.is_log else values
        self._weight: Array | None = None if share.is_log else values
        self._shifted: dict[float, Array] = {}

    @property
    def weight(self) -> Array:
        """The probabilities times the divisor."""
        if self._weight is None:
            self._weight = namespace(self._values).exp(self._values)
        return self._weight

    @property
    def log(self) -> Array:
        """The logarithms of the weights; of a weight of 0 that of the smallest number."""
        if self._share.is_log:
            return self._values
        xp = namespace(self._values)
        least = xp.full_like(self._values[..., :1, :1], SMALLEST)
        return log_of_temporary(xp.maximum(self._values, least))

    def plus(self, constant: float) -> Array:
        """The probabilities and a constant, times the divisor."""
        if not constant:
            return self.weight
        if constant not in self._shifted:
            self._shifted[constant] = self.weight + constant * self._share.divisor
        return self._shifted[constant]

    @property
    def is_zero(self) -> Array:
        """Where the probability is exactly 0."""
        return self._values == (-namespace(self._values).inf if self._share.is_log else 0)


@dataclass(frozen=True, slots=True, eq=False)
class Fold:
    """A part of a sum over all pixels: scale * (constant * sum t + (1 / D) sum w * factor).

    `factor` makes a number of each pixel from the block of the target (`role`) and from that of the other side; None
    where it is 0 everywhere. With `is_count` it is summed by itself.
    """

    role: Role
    factor: Callable[[ShareBlock, ShareBlock], Array] | None
    constant: Array | float = 0.0
    scale: float = 1.0
    is_count: bool = False


Folds = tuple[Fold, ...] | None
"""The parts of a sum; None where the constants or the maps allow none."""


def folded_divergence(
    pred: Share,
    gt: Share,
    *,
    log_eps: float = 0.0,
    num_eps: float = 0.0,
    ratio_eps: float = 0.0,
    direction: str = "gt-pred",
    factor: float = 1.0,
) -> Folds:
    """The parts of `kld`."""
    constants = log_eps, num_eps, ratio_eps
    scale = factor / 2 if direction == "mean" else factor
    orders: dict[Role, tuple[Share, Share]] = {"gt": (gt, pred), "pred": (pred, gt)}
    roles: tuple[Role, ...] = {"gt-pred": ("gt",), "pred-gt": ("pred",)}.get(direction, ("gt", "pred"))  # type: ignore[assignment]
    found = [_divergence(role, *orders[role], constants, scale) for role in roles]
    return None if None in found else tuple(one for one in found if one)


def folded_reverse(pred: Share, gt: Share, **constants: float) -> Folds:
    """The parts of `kld-reverse`."""
    return folded_divergence(pred, gt, direction="pred-gt", **constants)


def folded_cross_entropy(pred: Share, _gt: Share, *, ratio_eps: float = 0.0) -> Folds:
    """The part of `ce`, whose sign is turned at the end: ln E sum t - (1 / D) sum w ln(v + r E)."""
    xp = namespace(pred.divisor)
    if not _are_safe(ratio_eps) or not (ratio_eps or pred.is_positive):
        return None
    factor = (lambda _, v: xp.log(v.plus(ratio_eps))) if ratio_eps else (lambda _, v: v.log)
    return (Fold("gt", factor, -xp.log(pred.divisor), scale=-1.0),)


def folded_entropy(_pred: Share, gt: Share) -> Folds:
    """The part of `entropy-gt`, whose sign is turned at the end: ln D sum t - (1 / D) sum w ln w."""
    if not _has_finite_logarithms(gt):
        return None
    return (Fold("gt", lambda w, _: w.log, -namespace(gt.divisor).log(gt.divisor), scale=-1.0),)


def folded_uncovered_mass(pred: Share, gt: Share) -> Folds:
    """The part of the ground-truth mass where the prediction is exactly 0."""
    dtype, xp = gt.divisor.dtype, namespace(gt.divisor)
    return (Fold("gt", None if pred.is_positive else lambda _, v: xp.astype(v.is_zero, dtype)),)


def folded_uncovered_pixels(pred: Share, gt: Share) -> Folds:
    """The part of the number of pixels with ground-truth mass where the prediction is exactly 0."""
    dtype, xp = gt.divisor.dtype, namespace(gt.divisor)
    factor = None if pred.is_positive else lambda w, v: xp.astype(v.is_zero & (w.weight > 0), dtype)
    return (Fold("gt", factor, is_count=True),)


def _divergence(
    role: Role, target: Share, other: Share, constants: tuple[float, float, float], scale: float
) -> Fold | None:
    """The part of D(target || other), where nothing in it can be 0 or infinite."""
    log_eps, num_eps, ratio_eps = constants
    xp = namespace(target.divisor)
    if not any(constants):
        # the logarithms of two densities are subtracted first, so that a map against its multiple gives exactly 0
        if not (target.is_log or other.is_log) or not (other.is_positive and _has_finite_logarithms(target)):
            return None
        return Fold(role, lambda w, v: w.log - v.log, xp.log(other.divisor) - xp.log(target.divisor), scale)
    if not ratio_eps or not (log_eps or num_eps) or not _are_safe(*constants):
        return None
    quotient = other.divisor / target.divisor
    folded = log_eps / quotient

    def factor(w: ShareBlock, v: ShareBlock) -> Array:
        ratio = w.plus(num_eps) / v.plus(ratio_eps)
        ratio += folded
        return log_of_temporary(ratio)

    return Fold(role, factor, xp.log(quotient), scale)


def _has_finite_logarithms(share: Share) -> bool:
    return share.is_positive or not share.is_log


def _are_safe(*constants: float) -> bool:
    return all(not one or LEAST_CONSTANT <= one <= MOST_CONSTANT for one in constants)
