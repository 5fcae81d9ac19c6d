"""What the rounding of an 8-bit prediction leaves open of its number under every convention."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from kldeval.engine.rounding import dithered_numbers, not_rounded
from kldeval.reports.audit_documents import RoundingBounds
from kldeval.scoring.plan import quantity_of
from kldeval.scoring.rounded_pair import RoundedPair

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kldeval.data.load import Loaded
    from kldeval.metrics.rounding_bounds import Rounding
    from kldeval.settings.settings import Settings


def bounds_of_conventions(
    name: str, pred: Loaded, gt: Loaded, settings: Mapping[str, Settings], rounding: Rounding
) -> dict[str, RoundingBounds]:
    """By the name of each convention its bounds; where there are none, why, and the range of dither all the same."""
    reason = not_rounded(pred, gt)
    if reason:
        return {convention: RoundingBounds("none", reason=reason) for convention in settings}
    rounded = RoundedPair(pred.grey, gt.grey, gt.stored.scale, rounding, dithers=False)
    ranges = dithered_numbers((pred, gt), rounded, [quantity_of(*one) for one in settings.items()], name)
    return {convention: _bounds(rounded, chosen, ranges.get(convention)) for convention, chosen in settings.items()}


def _bounds(rounded: RoundedPair, settings: Settings, dither: tuple[float, float] | None) -> RoundingBounds:
    (call,) = settings.metrics
    found = rounded.bounds(call, settings)
    if isinstance(found, str):
        return RoundingBounds("none", dither=dither, reason=found)
    made = RoundingBounds(found.kind, found.low, found.high, found.outer, dither)
    return made if dither else replace(made, kind="none", reason="a float map behind it has no number")
