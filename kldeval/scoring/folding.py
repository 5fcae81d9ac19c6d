"""The sums of metrics over values that were not divided yet, in one walk over the pixels of a pair or of a batch."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from kldeval.arrays import namespace
from kldeval.metrics.folded import LEAST, MOST, ShareBlock
from kldeval.normalization.lazy_map import MAP

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kldeval.arrays import AnyArray as Array
    from kldeval.metrics.folded import Fold
    from kldeval.normalization.lazy_map import Share
    from kldeval.records import Role
    from kldeval.scoring.views import SumRequest


class FoldedRequest(NamedTuple):
    """The parts of a sum and the shares of both sides."""

    folds: Sequence[Fold]
    shares: Mapping[Role, Share]


_OTHER: Mapping[Role, Role] = {"gt": "pred", "pred": "gt"}


def folds_of(request: SumRequest) -> FoldedRequest | None:
    """The parts of a request over values that were not divided yet; None where it has no such form."""
    pred, gt = request.pred.share, request.gt.share
    if request.quantity.folded is None or pred is None or gt is None or request.quantity.sum_axes != MAP:
        return None
    folds = request.quantity.folded(pred, gt) if _is_safe(pred) and _is_safe(gt) else None
    return FoldedRequest(folds, {"pred": pred, "gt": gt}) if folds else None


def _is_safe(share: Share) -> bool:
    """Whether the divisor lies far from the ends of the floats.

    An accelerator is not waited for: there maps of fewer bits are divided by sums between 1e-45 and 1e48.
    """
    values = share.values
    if values.xp.__name__ != "numpy":
        return bool(values.source.dtype != values.dtype and values.empty != "nan")
    return bool(((share.divisor > LEAST) & (share.divisor < MOST)).all())


def folded_sums(rows: Sequence[slice], requests: Sequence[FoldedRequest]) -> list[Array]:
    """The sum of each request, one number per map (...), in one walk over the pixels."""
    walked = {id(fold): (fold, one) for one in requests for fold in one.folds if fold.factor}
    sums: dict[int, Array] = {}
    for part in rows if walked else ():
        shares = {id(share): share for _, one in walked.values() for share in one.shares.values()}
        blocks = {key: ShareBlock(share, part) for key, share in shares.items()}
        for key, (fold, one) in walked.items():
            target, other = (blocks[id(one.shares[role])] for role in (fold.role, _OTHER[fold.role]))
            found = _summed(fold, target, other)
            sums[key] = sums[key] + found if key in sums else found
    return [sum(_finished(fold, one.shares[fold.role], sums.get(id(fold))) for fold in one.folds) for one in requests]


def _summed(fold: Fold, target: ShareBlock, other: ShareBlock) -> Array:
    assert fold.factor is not None  # noqa: S101 - for the type checker
    factor = fold.factor(target, other)
    xp = namespace(factor)
    # row by row: BLAS would start threads for a product of more than 10 000 pixels, in a process that is not ours
    return xp.sum(factor, axis=MAP) if fold.is_count else xp.sum(xp.vecdot(target.weight, factor), axis=-1)


def _finished(fold: Fold, share: Share, total: Array | None) -> Array:
    """The part of a sum, from the sum over the pixels."""
    if fold.is_count:
        return 0.0 * share.total[..., 0, 0] if total is None else total
    whole = (fold.constant * share.total)[..., 0, 0]
    whole = whole if total is None else whole + total / share.divisor[..., 0, 0]
    # 0 and not -0, where a factor turns the sign
    return whole if fold.scale == 1 else fold.scale * whole + 0.0
