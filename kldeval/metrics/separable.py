"""Divergences as sums of products of a number of the one density and a number of the other.

Goal: where few values meet many times, the logarithm of a quotient need not be taken for each two that meet.
Conventions: t is the density that the logarithm is weighted with, a the other one; t > 0 throughout, 0 ln 0 being 0.

ln((t + n) / (a + r) + e) = ln(t + n) - ln(a + r) + ln(1 + e (a + r) / t), and the last logarithm is a power series of
products, which a few terms exhaust where e (a + r) is small against t.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from kldeval.dataclass import dataclass

if TYPE_CHECKING:
    from kldeval.arrays import AnyArray, Array
    from kldeval.normalization.density import Density
    from kldeval.records import Role


ORDERS = 6
"""Terms of the series."""

LARGEST_QUOTIENT = (2.0**-53 * (ORDERS + 1)) ** (1 / (ORDERS + 1))
"""The e (a + r) / t up to which what the series leaves out is lost in rounding: 0.007."""


@dataclass(frozen=True, slots=True)
class Part:
    """The sum over all pixels of t * own(t) + sum_k t^(1 - k) * factors[k](a), times `scale`.

    `target` says which side is t. `own` has the shape of its levels, `factors` those of the other's for k = 0, 1, ...
    `reach` is the largest quotient of the series per level of a, without its 1 / t; 0 where there is no series.
    """

    target: Role
    own: Array
    factors: tuple[Array, ...]
    reach: Array
    scale: float = 1.0


@dataclass(frozen=True, slots=True)
class Shared:
    """The sum over all pixels of own(a) + own(b), less what both have in common: f(a) g(b), or the lesser of the two.

    `own` and `both` have the numbers of the levels of the prediction and of the ground truth.
    """

    own: tuple[Array, Array]
    both: tuple[Array, Array]
    common: Literal["product", "lesser"]


def separated_divergence(
    pred: Density,
    gt: Density,
    *,
    log_eps: float = 0.0,
    num_eps: float = 0.0,
    ratio_eps: float = 0.0,
    direction: str = "gt-pred",
    factor: float = 1.0,
) -> tuple[Part, ...] | None:
    """The parts of `kld`; None where the constants allow none."""
    if log_eps and num_eps:
        return None
    constants = log_eps, num_eps, ratio_eps
    scale = factor / 2 if direction == "mean" else factor
    orders: dict[Role, tuple[Density, Density]] = {"gt": (pred, gt), "pred": (gt, pred)}
    targets: tuple[Role, ...] = {"gt-pred": ("gt",), "pred-gt": ("pred",)}.get(direction, ("gt", "pred"))  # type: ignore[assignment]
    return tuple(_part(target, *orders[target], constants, scale) for target in targets)


def separated_reverse(pred: Density, gt: Density, **constants: float) -> tuple[Part, ...] | None:
    """The parts of `kld-reverse`."""
    return separated_divergence(pred, gt, direction="pred-gt", **constants)


def separated_cross_entropy(pred: Density, gt: Density, *, ratio_eps: float = 0.0) -> tuple[Part, ...]:
    """The parts of `ce`."""
    xp, nothing = gt.xp, gt.xp.zeros_like(gt.prob)
    return (Part("gt", nothing, (-(xp.log(pred.plus(ratio_eps)) if ratio_eps else pred.log),), nothing),)


def separated_entropy(pred: Density, gt: Density) -> tuple[Part, ...]:  # noqa: ARG001 - every metric is of both
    """The parts of `entropy-gt`."""
    nothing = gt.xp.zeros_like(gt.prob)
    return (Part("gt", -gt.log, (nothing,), nothing),)


def separated_uncovered_mass(pred: Density, gt: Density) -> tuple[Part, ...]:
    """The parts of the ground-truth mass where the prediction is exactly 0."""
    xp, bare = gt.xp, pred.is_zero
    return (Part("gt", xp.zeros_like(gt.prob), (xp.astype(bare, gt.prob.dtype),), xp.zeros_like(gt.prob)),)


def separated_uncovered_pixels(pred: Density, gt: Density) -> tuple[Part, ...]:
    """The parts of the number of pixels with ground-truth mass where the prediction is exactly 0."""
    xp, bare, nothing = gt.xp, pred.is_zero, gt.xp.zeros_like(gt.prob)
    return (Part("gt", nothing, (nothing, xp.astype(bare, gt.prob.dtype)), nothing),)


def separated_total_variation(pred: Density, gt: Density) -> tuple[Shared, ...]:
    """The parts of `tv`: |p - q| / 2 is (p + q) / 2 less the lesser of them."""
    return (Shared((pred.prob / 2, gt.prob / 2), (pred.prob, gt.prob), "lesser"),)


def separated_hellinger(pred: Density, gt: Density) -> tuple[Shared, ...]:
    """The parts of the sum under the root of `hellinger`."""
    xp = gt.xp
    return (Shared((pred.prob / 2, gt.prob / 2), (xp.sqrt(pred.prob), xp.sqrt(gt.prob)), "product"),)


def divergence_of_lines(
    factors: tuple[Array, Array], log_other: Array, level_terms: Array, level_masses: Array
) -> AnyArray:
    """The sum of q ln(q / p) of each line, where q = b s and p = a r are products of a level's and a line's factor.

    It is s (sum b ln(b / a) + ln(s / r) sum b), of `factors` s and ln s, `log_other` ln r, and what all chains that end
    in a sum of the same levels share: `level_terms`, sum b ln(b / a), and `level_masses`, sum b.
    """
    line, log_line = factors
    return line * (level_terms + (log_line - log_other) * level_masses)


def powers(density: Density) -> AnyArray:
    """t^(1 - k) for k = 0, ..., ORDERS, along a new axis before the last two; 0 where t is 0."""
    xp, t = density.xp, density.prob
    found, some = [t], t != 0
    safe = xp.where(some, t, xp.ones_like(t))
    power = xp.astype(some, t.dtype)
    for _ in range(ORDERS):
        found.append(power)
        power = power / safe
    return xp.stack(found, axis=-3)


def _part(target: Role, other: Density, t: Density, constants: tuple[float, float, float], scale: float) -> Part:
    log_eps, num_eps, ratio_eps = constants
    own = t.xp.log(t.plus(num_eps)) if num_eps else t.log
    log_other = other.xp.log(other.plus(ratio_eps)) if ratio_eps else other.log
    step = log_eps * other.plus(ratio_eps)
    factors: list[Any] = [-log_other]
    power = step
    for order in range(1, ORDERS + 1 if log_eps else 1):
        factors.append(power / order if order % 2 else -power / order)
        power = power * step
    return Part(target, own, tuple(factors), step, scale)
