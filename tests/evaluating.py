"""One or several decoded pairs under settings, in each of the ways in which the evaluator can look at them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from kldeval.scoring.evaluator import Evaluator, SharedEvaluator
from kldeval.scoring.plan import Plan

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kldeval.records import MapPair, Outcome
    from kldeval.scoring.plan import Quantity
    from kldeval.settings.settings import Settings


def evaluator_of(settings: Settings, *, per_class: bool = False) -> Evaluator:
    """The evaluator of settings."""
    return Evaluator(Plan.of(settings, per_class=per_class))


def by_pixel(pair: MapPair, settings: Settings) -> Outcome:
    """The outcome of the pixels themselves, whatever the map's type."""
    evaluator = evaluator_of(settings)
    found = evaluator.with_auxiliary_scores(pair)
    return evaluator.score_batch([found], pair.pred, pair.gt, pair.weights)[0]  # type: ignore[list-item]


def answers(pairs: Sequence[MapPair], quantities: Sequence[Quantity]) -> list[dict[str, float | str]]:
    """What each quantity is for pairs of one size, all of them together."""
    evaluator = SharedEvaluator(quantities)
    return evaluator.finish([evaluator.begin_sized(pair) for pair in pairs])


def wide(quantity: Quantity) -> Quantity:
    """The same quantity by pixels."""
    return replace(quantity, dependence="place")


def only(found: Any) -> Any:
    """The only item."""
    (one,) = found
    return one
