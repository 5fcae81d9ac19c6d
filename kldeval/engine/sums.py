"""The sums of what is asked of one pair, in one walk over its pixels: two questions of one kind are answered once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kldeval.engine.cases import Case
    from kldeval.engine.sides import Seen
    from kldeval.engine.views import View

Kind = tuple[int, int, str]
"""Terms of one kind: the prediction's and the ground truth's side, told apart as objects, and what is made of them."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A case and the sides that it is about."""

    case: Case
    pred: Seen
    gt: Seen

    @property
    def kind(self) -> Kind:
        """What tells its sum from others."""
        return id(self.pred), id(self.gt), self.case.what


def sums_over(view: View, place: int, wanted: Iterable[Asked]) -> dict[Kind, float]:
    """The sum of each kind of terms over a pair of the view."""
    kinds = {asked.kind: asked for asked in wanted}
    known = {kind: view.known_sum(place, asked.case, asked.pred, asked.gt) for kind, asked in kinds.items()}
    sums = {kind: 0.0 if total is None else total for kind, total in known.items()}
    unknown = {kind: kinds[kind] for kind, total in known.items() if total is None}
    sides = {id(side): side for asked in unknown.values() for side in (asked.pred, asked.gt)}
    for where, weights in view.blocks(place) if unknown else ():
        densities = {key: side.at(where) for key, side in sides.items()}
        for kind, asked in unknown.items():
            terms = asked.case.terms(densities[kind[0]], densities[kind[1]])
            sums[kind] += float(terms.sum() if weights is None else terms.ravel() @ weights.ravel())
    return sums
