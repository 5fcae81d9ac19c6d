"""Divergences as sums over values that were not divided yet: what divides both sides is folded into the constants.

Goal: a divergence of maps of floats in half the passes over their pixels.
Conventions: t is the density that the logarithm is weighted with, a the other one; t = w / D and a = v / E, where w and
v are the values that the last step divided, or the exponentials that a softmax did. r, n and e are the constants.

ln((t + n) / (a + r) + e) = ln(E / D) + ln(e D / E + (w + n D) / (v + r E)), so that no pixel is divided by D or E.

In numpy, where a sum can be looked at before it is used, the logarithm is taken apart as well: the divergence is
sum t ln(t + n) - sum t ln(a + r) + x with 0 <= x <= e (1 + N r) over N pixels, for ln(1 + y) <= y. Its sums are those
of the entropy and of the cross-entropy, too. Where they nearly cancel each other, or x matters, they are not used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kldeval.arrays import namespace
from kldeval.dataclass import NamedTuple, dataclass
from kldeval.normalization.lazy_map import MAP

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from kldeval.arrays import AnyArray as Array
    from kldeval.normalization.arithmetic import AnyArithmetic, KeptArithmetic
    from kldeval.normalization.lazy_map import Share
    from kldeval.records import Role


LEAST, MOST = 1e-90, 1e90
"""What divisors lie between: those of maps of float32 are 1e-45 to 1e48."""

LEAST_CONSTANT, MOST_CONSTANT = 1e-100, 1e10
"""What constants other than 0 lie between, so that no quotient above leaves the floats."""

SMALL_CONSTANT = 1e-15
"""Up to this e (1 + N r) may be left out of a divergence; the constants of benchmarks are 2.2204e-16."""

LEAST_REST = 2.0**-10
"""The share of entropy and cross-entropy that their difference is at least, to be right to 1e-13."""


class ShareBlock:
    """Some pixels of a share, each form made once.

    `is_asked_once`: whether nothing is asked of them but the logarithm of a sum with one constant, and that once.
    """

    __slots__ = ("_by", "_is_spare", "_share", "_shifted", "_values", "_weight", "_zeros")

    def __init__(
        self, share: Share, rows: slice, by: AnyArithmetic | KeptArithmetic, *, is_asked_once: bool = False
    ) -> None:
        values = share.values.block(rows, by.floats if share.values.functions else by.late_floats)
        # values that are stored as such floats are the map itself, and not to be written to
        self._is_spare = is_asked_once and not share.values.functions and values.dtype != share.values.source.dtype
        self._by = by
        self._share = share
        self._values = by.minus(values, share.peak) if share.is_log else values
        self._weight: Array | None = None if share.is_log else values
        self._shifted: dict[float, Array] = {}
        self._zeros: tuple[Array | None] | None = None

    @property
    def dtype(self) -> Any:
        """The floats that sums are taken in."""
        return self._share.values.dtype

    @property
    def weight(self) -> Array:
        """The probabilities times the divisor."""
        if self._weight is None:
            self._weight = self._by.exp(self._values)
        return self._weight

    @property
    def mass(self) -> Array:
        """The sum of the weights."""
        return namespace(self.weight).sum(self.weight, axis=MAP, keepdims=True)

    def log(self, constant: float) -> Array:
        """The logarithms of the probabilities and a constant, times the divisor; of 0 that of a tiny number."""
        if constant:
            # in its place: as few arrays as possible are to stay in the cache
            if self._is_spare:
                shifted = self._by.plus_on_temporary(self.weight, constant * self._share.divisor)
                return self._by.log_of_temporary(shifted)
            shifted = self.plus(constant)
            del self._shifted[constant]
            return self._by.log_of_temporary(shifted)
        return self._values if self._share.is_log else self._by.log(self._values, is_finite=not self._share.is_positive)

    def plus(self, constant: float) -> Array:
        """The probabilities and a constant, times the divisor."""
        if not constant:
            return self.weight
        if constant not in self._shifted:
            self._shifted[constant] = self._by.plus(self.weight, constant * self._share.divisor)
        return self._shifted[constant]

    def log_of_quotient(self, other: ShareBlock, log_eps: float, num_eps: float, ratio_eps: float) -> Array:
        """The logarithms of the quotient of a divergence with constants, but for that of the divisors."""
        ratio = self._by.quotient(self.plus(num_eps), other.plus(ratio_eps))
        ratio += log_eps * self._share.divisor / other._share.divisor
        return self._by.log_near_one(ratio)

    def log_less(self, other: ShareBlock) -> Array:
        """The logarithms less those of the other side."""
        return self._by.minus(self.log(0), other.log(0))

    def zeros(self) -> Array | None:
        """1 where the probability is exactly 0, else 0; None where it is known to be 0 nowhere.

        Of torch booleans, which are an eighth as large.
        """
        if self._zeros is None:
            xp = namespace(self._values)
            found = self._values == (-xp.inf if self._share.is_log else 0)
            is_none = xp.__name__ == "numpy" and not found.any()
            if not xp.__name__.endswith("torch"):
                found = xp.astype(found, self._values.dtype)
            self._zeros = (None if is_none else found,)
        return self._zeros[0]

    def zeros_under(self, target: ShareBlock) -> Array | None:
        """The zeros of the prediction where the target has a probability."""
        zeros, weight = self.zeros(), target.weight
        if zeros is None:
            return None
        xp = namespace(weight)
        return zeros & (weight > 0) if zeros.dtype == xp.bool else zeros * xp.astype(weight > 0, weight.dtype)


FACTORS: Mapping[str, Callable[..., Array | None]] = {
    "own log": lambda w, _, constant: w.log(constant),
    "other log": lambda _, v, constant: v.log(constant),
    "log of quotient": lambda w, v, *constants: w.log_of_quotient(v, *constants),
    "difference of logs": lambda w, v: w.log_less(v),
    "bare": lambda _, v: v.zeros(),
    "counted": lambda w, v: v.zeros_under(w),
}
"""A number of each pixel from the block of the target, from that of the other side, and from constants.

None stands for 0 everywhere.
"""


@dataclass(frozen=True, slots=True, eq=False)
class Fold:
    """A part of a sum over all pixels: scale * (c sum t + (1 / D) sum w * factor), where c is a * ln D + b * ln E.

    `factor` is the name of one of the `FACTORS` and its constants, () where it is 0 everywhere. With `is_count` it is
    summed by itself; with `is_masked` it may be infinite or undefined where the target has no probability, which then
    counts 0. `role` is the side of the target, `logs` are a and b.
    """

    role: Role
    factor: tuple[Any, ...]
    logs: tuple[int, int] = (0, 0)
    scale: float = 1.0
    is_count: bool = False
    is_masked: bool = False


class Folds(NamedTuple):
    """The parts of a sum; `instead` of them, where they cancel each other, others, or None: there are no parts."""

    parts: tuple[Fold, ...]
    may_cancel: bool = False
    instead: tuple[Fold, ...] | None = None
    least: float = 0.0


def folded_divergence(
    pred: Share,
    gt: Share,
    *,
    log_eps: float = 0.0,
    num_eps: float = 0.0,
    ratio_eps: float = 0.0,
    direction: str = "gt-pred",
    factor: float = 1.0,
) -> Folds | None:
    """The parts of `kld`; None where the constants or the maps allow none."""
    constants = log_eps, num_eps, ratio_eps
    scale = factor / 2 if direction == "mean" else factor
    orders: dict[Role, tuple[Share, Share]] = {"gt": (gt, pred), "pred": (pred, gt)}
    roles: tuple[Role, ...] = {"gt-pred": ("gt",), "pred-gt": ("pred",)}.get(direction, ("gt", "pred"))  # type: ignore[assignment]
    parts = [_divergence(role, *orders[role], constants, scale) for role in roles]
    whole = tuple(one for one in parts if one)
    instead = whole if len(whole) == len(parts) else None
    # the logarithms of two softmaxes are there already
    is_cheap = not any(constants) and pred.is_log and gt.is_log
    # a number must not depend on the maps beside it in a batch, of which all would be summed in the ordinary way
    is_alone = pred.values.source.ndim == gt.values.source.ndim == len(MAP)
    is_whole = is_cheap if instead else not is_alone
    apart = [None if is_whole else _apart(role, *orders[role], constants, scale) for role in roles]
    if None in apart:
        return None if instead is None else Folds(instead)
    # 1e13 times what is left out
    least = 1e13 * abs(scale) * len(roles) * log_eps * (1 + ratio_eps * _n_pixels(gt))
    return Folds(tuple(one for both in apart if both for one in both), may_cancel=True, instead=instead, least=least)


def folded_reverse(pred: Share, gt: Share, **constants: float) -> Folds | None:
    """The parts of `kld-reverse`."""
    return folded_divergence(pred, gt, direction="pred-gt", **constants)


def folded_cross_entropy(pred: Share, _gt: Share, *, ratio_eps: float = 0.0) -> Folds | None:
    """The part of `ce`, whose sign is turned at the end: ln E sum t - (1 / D) sum w ln(v + r E)."""
    part = _other_log("gt", pred, ratio_eps, -1.0)
    return Folds((part,)) if part else None


def folded_entropy(_pred: Share, gt: Share) -> Folds | None:
    """The part of `entropy-gt`, whose sign is turned at the end: ln D sum t - (1 / D) sum w ln w."""
    part = _own_log("gt", gt, 0.0, -1.0)
    return Folds((part,)) if part else None


def folded_uncovered_mass(pred: Share, _gt: Share) -> Folds:
    """The part of the ground-truth mass where the prediction is exactly 0."""
    return Folds((Fold("gt", () if pred.is_positive else ("bare",)),))


def folded_uncovered_pixels(pred: Share, _gt: Share) -> Folds:
    """The part of the number of pixels with ground-truth mass where the prediction is exactly 0."""
    return Folds((Fold("gt", () if pred.is_positive else ("counted",), is_count=True),))


def _own_log(role: Role, target: Share, constant: float, scale: float) -> Fold | None:
    """The part sum t ln(t + constant), where it is finite."""
    is_masked = not constant and not _has_finite_logarithms(target)
    if not _are_safe(constant) or (is_masked and not _can_mask(target)):
        return None
    return Fold(role, ("own log", constant), (-1, 0), scale, is_masked=is_masked)


def _other_log(role: Role, other: Share, constant: float, scale: float) -> Fold | None:
    """The part sum t ln(a + constant), where it is finite."""
    is_masked = not constant and not other.is_positive
    if not _are_safe(constant) or (is_masked and not (other.is_log and _can_mask(other))):
        return None
    return Fold(role, ("other log", constant), (0, -1), scale, is_masked=is_masked)


def _apart(
    role: Role, target: Share, other: Share, constants: tuple[float, float, float], scale: float
) -> tuple[Fold, Fold] | None:
    """D(target || other) as entropy and cross-entropy, where their difference can be looked at."""
    log_eps, num_eps, ratio_eps = constants
    if namespace(target.values.source).__name__ != "numpy":
        return None
    if log_eps * (1 + ratio_eps * _n_pixels(target)) > SMALL_CONSTANT:
        return None
    own, cross = _own_log(role, target, num_eps, scale), _other_log(role, other, ratio_eps, -scale)
    return (own, cross) if own and cross else None


def _divergence(
    role: Role, target: Share, other: Share, constants: tuple[float, float, float], scale: float
) -> Fold | None:
    """D(target || other) as one part, where nothing in it can be 0 or infinite."""
    log_eps, num_eps, ratio_eps = constants
    if not any(constants):
        # the logarithms of two densities are subtracted first, so that a map against its multiple gives exactly 0
        if not (target.is_log or other.is_log):
            return None
        is_masked = not (other.is_positive and _has_finite_logarithms(target))
        if is_masked and not ((other.is_log or other.is_positive) and _can_mask(target) and _can_mask(other)):
            return None
        return Fold(role, ("difference of logs",), (-1, 1), scale, is_masked=is_masked)
    if not ratio_eps or not (log_eps or num_eps) or not _are_safe(*constants):
        return None
    return Fold(role, ("log of quotient", *constants), (-1, 1), scale)


def _n_pixels(share: Share) -> int:
    height, width = share.values.source.shape[-2:]
    return int(height * width)


def _has_finite_logarithms(share: Share) -> bool:
    return share.is_positive or not share.is_log


def _can_mask(share: Share) -> bool:
    """Whether what is infinite may be masked: on an accelerator, which is asked for no zeros, and without gradients."""
    source = share.values.source
    return namespace(source).__name__.endswith("torch") and not source.requires_grad


def _are_safe(*constants: float) -> bool:
    return all(not one or LEAST_CONSTANT <= one <= MOST_CONSTANT for one in constants)
