"""What observers of an image, chance and models score on the same fixations of others, or against the same half."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from kldeval.arrays import tied
from kldeval.dataclass import dataclass
from kldeval.errors import RefusedMap
from kldeval.normalization.chain import parse_chain
from kldeval.records import AuxiliaryInputs, Failure, MapPair, Score, fixations_at
from kldeval.reports.learning_curves import CHANCE, GOLD, ImageCurve
from kldeval.reports.moments import exact_sum, weighted_mean
from kldeval.scoring.evaluator import Evaluator
from kldeval.scoring.observers import half_splits, left_out_splits
from kldeval.scoring.plan import Plan

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from kldeval.arrays import NumpyArray as Array
    from kldeval.records import Outcome
    from kldeval.scoring.context import DatasetContext
    from kldeval.scoring.leave_one_out import Kernel
    from kldeval.scoring.observers import ObserverFixations, Split
    from kldeval.settings.settings import Settings

Numbers = dict[str, float]
"""A value by the key of each metric."""


class Scorers:
    """The evaluators of a run: of fixations and of densities, of models under their chain and of densities as such."""

    def __init__(self, settings: Settings, context: DatasetContext) -> None:
        fixated = tuple(settings.on("fixations").values())
        others = tuple(call for call in settings.metrics if call not in fixated)
        density = replace(settings, pred=parse_chain("sum-to-one"))
        self.left_out, self.halves = (
            {
                is_model: Evaluator(Plan.of(replace(chosen, metrics=calls)), context)
                for is_model, chosen in ((True, settings), (False, density))
            }
            if calls
            else None
            for calls in (fixated, others)
        )


@dataclass(frozen=True, slots=True)
class CurvePlan:
    """With how many observers is measured, which are drawn how often, and the Gaussian of the halves' ground truths."""

    left_out: tuple[int, ...]
    halves: tuple[int, ...]
    draws: int
    seed: int
    sigma: float | None

    def left_out_splits(self, observed: ObserverFixations, number: int) -> list[Split]:
        """The splits in which each observer is predicted by others."""
        return left_out_splits(observed, number, self.draws, self.seed)

    def half_splits(self, observed: ObserverFixations, number: int) -> list[Split]:
        """The splits in which as many predict as are predicted."""
        return half_splits(observed, number, self.draws, self.seed)


def image_curve(
    observed: ObserverFixations,
    kernels: Mapping[int, Kernel],
    maps: Mapping[str, MapPair],
    plan: CurvePlan,
    scorers: Scorers,
) -> ImageCurve:
    """The values of an image; `maps` are chance and the models, as predictions without a ground truth.

    Raises:
        RefusedMap: a map cannot be scored.
    """
    values: defaultdict[str, dict[int, Numbers]] = defaultdict(dict)
    found = [*_left_out(observed, kernels, maps, plan, scorers), *_halves(observed, kernels, maps, plan, scorers)]
    for number, name, numbers in found:
        for key, value in numbers.items():
            values[key].setdefault(number, {})[name] = value
    return ImageCurve(observed.name, len(observed.observers), int(observed.counts.sum()), dict(values))


def _left_out(
    observed: ObserverFixations,
    kernels: Mapping[int, Kernel],
    maps: Mapping[str, MapPair],
    plan: CurvePlan,
    scorers: Scorers,
) -> Iterator[tuple[int, str, Numbers]]:
    """The metrics of fixations: of every observer under what others tell, in the mean over all fixations."""
    if scorers.left_out is None:
        return
    own = [_company(observed, held) for held in range(len(observed.observers))]
    weights = [float(one.fixations.total) for one in own if one.fixations]
    fixed = {}
    for name, pair in maps.items():
        evaluator = scorers.left_out[name != CHANCE]
        rows = [_on_fixations(evaluator, replace(pair, company=one), name) for one in own]
        fixed[name] = _mean(rows, weights)
    for number in plan.left_out:
        splits = plan.left_out_splits(observed, number)
        rows = []
        for split in splits:
            map_ = tied(observed.density(split.predicting, kernels[number]))
            pair = MapPair(observed.name, map_, map_, shape=observed.shape, company=own[split.predicted[0]])
            rows.append(_on_fixations(scorers.left_out[False], pair, GOLD))
        yield number, GOLD, _mean(rows, [weights[split.predicted[0]] for split in splits])
        yield from ((number, name, numbers) for name, numbers in fixed.items())


def _halves(
    observed: ObserverFixations,
    kernels: Mapping[int, Kernel],
    maps: Mapping[str, MapPair],
    plan: CurvePlan,
    scorers: Scorers,
) -> Iterator[tuple[int, str, Numbers]]:
    """The metrics of maps: what some observers tell, chance and models against the ground truth of the same others."""
    if scorers.halves is None or plan.sigma is None:
        return
    for number in plan.halves:
        rows: defaultdict[str, list[Numbers]] = defaultdict(list)
        for split in plan.half_splits(observed, number):
            truth = observed.smooth(split.predicted, (plan.sigma, plan.sigma))
            # what is expected of a ground truth is the density under its Gaussian
            told = observed.density(split.predicting, kernels[number], plan.sigma)
            rows[GOLD].append(
                _against(scorers.halves[False], MapPair(observed.name, told, truth, shape=observed.shape), GOLD)
            )
            for name, pair in maps.items():
                rows[name].append(_against(scorers.halves[name != CHANCE], replace(pair, gt=truth), name))
        yield from ((number, name, _mean(found, [1.0] * len(found))) for name, found in rows.items())


def _company(observed: ObserverFixations, held: int) -> AuxiliaryInputs:
    chosen = observed.chosen((held,))
    points = fixations_at(observed.rows[chosen], observed.cols[chosen], observed.counts[chosen], shape=observed.shape)
    return AuxiliaryInputs(observed.name, points)


def _on_fixations(evaluator: Evaluator, pair: MapPair, whose: str) -> Numbers:
    found = evaluator.with_auxiliary_scores(pair)
    if isinstance(found, Failure):
        raise _refused(whose, found.message)
    beside = found.beside
    if beside is None or beside.failures:
        raise _refused(whose, next(iter(beside.failures.values())).message if beside else "it has no number")
    return dict(beside.values)


def _against(evaluator: Evaluator, pair: MapPair, whose: str) -> Numbers:
    outcome: Outcome = evaluator.score(pair)
    if not isinstance(outcome, Score):
        raise _refused(whose, outcome.message if isinstance(outcome, Failure) else outcome.reason)
    if outcome.failures:
        raise _refused(whose, outcome.failures[0].message)
    return dict(outcome.values)


def _refused(whose: str, message: str) -> RefusedMap:
    return RefusedMap(f"{whose}: {message}")


def _mean(rows: Sequence[Numbers], weights: Sequence[float]) -> Numbers:
    """The weighted mean of each metric; what is undefined stays so."""
    return {key: weighted_mean([row[key] for row in rows], weights) for key in rows[0]} if exact_sum(weights) else {}


def uniform_map(observed: ObserverFixations) -> Array:
    """A map that says nothing."""
    return np.ones(observed.shape)
