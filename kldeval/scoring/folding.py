"""The sums of metrics over values that were not divided yet, in one walk over the pixels of a pair or of a batch."""

from __future__ import annotations

from operator import add
from typing import TYPE_CHECKING, Any

from kldeval.arrays import any_of, device_of, namespace, row_dots
from kldeval.dataclass import NamedTuple
from kldeval.metrics.folded import FACTORS, LEAST, LEAST_REST, MOST, ShareBlock
from kldeval.normalization.arithmetic import arithmetic_for
from kldeval.normalization.lazy_map import MAP
from kldeval.normalization.segments import in_segments

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from kldeval.arrays import AnyArray as Array
    from kldeval.metrics.folded import Fold, Folds
    from kldeval.normalization.lazy_map import LazyMap, Share
    from kldeval.records import Role
    from kldeval.scoring.views import SumRequest


class FoldedRequest(NamedTuple):
    """The parts of a sum and the shares of both sides."""

    folds: Folds
    shares: Mapping[Role, Share]


_OTHER: Mapping[Role, Role] = {"gt": "pred", "pred": "gt"}


def folds_of(requests: Iterable[SumRequest]) -> list[FoldedRequest | None]:
    """The parts of each request over values that were not divided yet; None where it has no such form."""
    safe: dict[int, bool] = {}
    return [_folds(request, safe) for request in requests]


def _folds(request: SumRequest, safe: dict[int, bool]) -> FoldedRequest | None:
    pred, gt = request.pred.share, request.gt.share
    if request.quantity.folded is None or pred is None or gt is None or request.quantity.sum_axes != MAP:
        return None
    for share in (pred, gt):
        if id(share) not in safe:
            safe[id(share)] = _is_safe(share)
    folds = request.quantity.folded(pred, gt) if safe[id(pred)] and safe[id(gt)] else None
    return FoldedRequest(folds, {"pred": pred, "gt": gt}) if folds else None


def _is_safe(share: Share) -> bool:
    """Whether the divisor lies far from the ends of the floats.

    An accelerator is not waited for: there maps of fewer bits are divided by sums between 1e-45 and 1e48.
    """
    values = share.values
    if share.late:
        return True  # a sum of exponentials of which the largest is 1
    if values.xp.__name__ != "numpy":
        if share.is_log and values.xp.__name__.endswith("torch"):
            return not values.source.requires_grad  # the sum lies between 1 and the number of pixels
        return bool(values.source.dtype != values.dtype and values.empty != "nan")
    return not any_of(~((share.divisor > LEAST) & (share.divisor < MOST)))


def folded_sums(whole: LazyMap, requests: Sequence[FoldedRequest | None]) -> list[Array | None]:
    """The sum of each request, one number per map (...), in one walk over the pixels; of None, or without sum, None.

    A second walk is taken for what the first one cancelled.
    """
    asked = [one for one in requests if one]
    sums = _Sums(_walked(whole, ((fold, one.shares) for one in asked for fold in one.folds.parts)))
    cancelled = {id(one): found for one in asked if one.folds.may_cancel and any_of(found := sums.cancelled(one))}
    again = [one for one in asked if id(one) in cancelled]
    sums.walked |= _walked(whole, ((fold, one.shares) for one in again for fold in one.folds.instead or ()))
    return [one and sums.of(one, cancelled.get(id(one))) for one in requests]


def _key(fold: Fold, shares: Mapping[Role, Share]) -> tuple[Any, ...]:
    """What parts have in common that have one sum over the pixels."""
    return fold.factor, fold.is_masked, fold.role, id(shares["pred"]), id(shares["gt"])


class _Sums:
    """The sums over the pixels by their keys, and what is made of them."""

    def __init__(self, walked: dict[tuple[Any, ...], Any]) -> None:
        self.walked = walked
        self._parts: dict[tuple[Any, ...], Array] = {}

    def of(self, request: FoldedRequest, cancelled: Array | None) -> Array | None:
        """The sum of a request; None where its parts cancel and there are no others."""
        whole = self._whole(request.folds.parts, request.shares)
        if cancelled is None:
            return whole
        if request.folds.instead is None:
            return None
        return namespace(whole).where(cancelled, self._whole(request.folds.instead, request.shares), whole)

    def cancelled(self, request: FoldedRequest) -> Array:
        """For which maps the parts leave so little of each other that it is not right to all digits."""
        parts = [self._part(fold, request.shares) for fold in request.folds.parts]
        whole, size = abs(sum(parts)), sum(map(abs, parts))
        return ~((whole >= LEAST_REST * size) & (whole >= request.folds.least))

    def _whole(self, folds: Iterable[Fold], shares: Mapping[Role, Share]) -> Array:
        return sum(self._part(fold, shares) for fold in folds)

    def _part(self, fold: Fold, shares: Mapping[Role, Share]) -> Array:
        key = _key(fold, shares)
        if key not in self._parts:
            self._parts[key] = _unscaled(fold, shares, self.walked.get(key))
        # 0 and not -0, where a factor turns the sign
        return self._parts[key] if fold.scale == 1 else fold.scale * self._parts[key] + 0.0


def _unscaled(fold: Fold, shares: Mapping[Role, Share], total: Array | None) -> Array:
    """The part of a sum, from the sum over the pixels; None: 0 everywhere."""
    target, other = shares[fold.role], shares[_OTHER[fold.role]]
    if fold.is_count:
        return 0.0 * target.total[..., 0, 0] + (0.0 if total is None else total)
    whole = target.total[..., 0, 0] * _constant(fold, target.divisor, other.divisor)
    return whole if total is None else whole + total / target.divisor[..., 0, 0]


def _constant(fold: Fold, own: Array, other: Array) -> Array | float:
    """What the logarithms of the divisors add to every factor."""
    xp = namespace(own)
    if fold.factor[:1] == ("log of quotient",):
        # of the quotient, which is near 1 where maps are alike: the difference of large logarithms has lost digits
        return xp.log(other / own)[..., 0, 0]
    return sum(sign * xp.log(by)[..., 0, 0] for sign, by in zip(fold.logs, (own, other), strict=True) if sign)


def _walked(whole: LazyMap, parts: Iterable[tuple[Fold, Mapping[Role, Share]]]) -> dict[tuple[Any, ...], Any]:
    """The sum over the pixels of every factor, by its key."""
    walked = {_key(fold, shares): (fold, shares) for fold, shares in parts if fold.factor}
    if not walked:
        return {}
    sides = {id(share): share for _, shares in walked.values() for share in shares.values()}
    late = {side: share.late for side, share in sides.items() if share.late}
    terms = [(fold, id(shares[fold.role]), id(shares[_OTHER[fold.role]])) for fold, shares in walked.values()]

    once = _asked_once(terms)

    def summed(segment: Sequence[slice]) -> list[Any]:
        sums: list[Any] = [0.0] * (len(late) + len(terms))
        with arithmetic_for(whole.source) as by:
            for rows in segment:
                by.start()
                blocks = {
                    side: ShareBlock(share, rows, by, is_asked_once=side in once) for side, share in sides.items()
                }
                found = [blocks[side].mass for side in late]
                found += [_summed(fold, blocks[target], blocks[other]) for fold, target, other in terms]
                sums = list(map(add, sums, found))
        return sums

    sums = [sum(parts) for parts in zip(*in_segments(whole.rows, summed), strict=True)]
    for one, mass in zip(late.values(), sums, strict=False):
        one.tell(mass)
    return dict(zip(walked, sums[len(late) :], strict=True))


def _asked_once(terms: Iterable[tuple[Fold, int, int]]) -> set[int]:
    """The sides of which a walk takes nothing but the logarithm of a sum with one constant."""
    factors: dict[int, list[tuple[Any, ...]]] = {}
    for fold, target, other in terms:
        factors.setdefault(target, []).append(())
        if fold.factor[0] != "own log":
            factors.setdefault(other, []).append(fold.factor)
    return {side for side, found in factors.items() if [one[:1] for one in found] == [("other log",)] and found[0][1]}


def _summed(fold: Fold, target: ShareBlock, other: ShareBlock) -> Array | float:
    name, *constants = fold.factor
    factor = FACTORS[name](target, other, *constants)
    if factor is None:
        return 0.0
    xp = namespace(factor)
    if xp.__name__ != "numpy":
        return _summed_by_any(xp, fold, target, factor)
    if fold.is_count:
        return xp.sum(factor, axis=MAP)
    # what `numpy.sum` does, which takes twice as long to find that out
    return xp.add.reduce(row_dots(target.weight, factor), axis=-1)


def _summed_by_any(xp: Any, fold: Fold, target: ShareBlock, factor: Array) -> Array:
    """The sum of a block of any array library, whose blocks may hold numbers of fewer bits than the sum has."""
    dtype, weight = target.dtype, target.weight
    if fold.is_count:
        return xp.sum(factor, axis=MAP, dtype=dtype)
    if fold.is_masked or factor.dtype == xp.bool:
        some, terms = (weight != 0, weight * factor) if fold.is_masked else (factor, weight)
        nothing = xp.zeros((), dtype=terms.dtype, device=device_of(terms))
        return xp.sum(xp.where(some, terms, nothing), axis=MAP, dtype=dtype)
    if not weight.dtype == factor.dtype == dtype:
        return xp.sum(weight * factor, axis=MAP, dtype=dtype)
    return xp.sum(xp.vecdot(weight, factor), axis=-1)
