"""One pair followed through its normalisation."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from kldeval.analysis.explained_terms import terms_of_densities, terms_of_fixations, terms_of_labels
from kldeval.arrays import quiet
from kldeval.errors import RefusedMap, UsageProblem, count
from kldeval.normalization.chain import along_rows, apply_step, format_chain, normalise, parse_chain
from kldeval.records import Failure, Score
from kldeval.reports.documents import Explanation, Stage
from kldeval.scoring.diagnostics import notes
from kldeval.scoring.evaluator import Evaluator
from kldeval.scoring.pixels import density_of_block
from kldeval.scoring.plan import Plan
from kldeval.scoring.views import is_plain, scaled
from kldeval.settings.auxiliary import STORED, chains_for
from kldeval.settings.signature import signatures

if TYPE_CHECKING:
    from kldeval.arrays import NumpyArray as Array
    from kldeval.normalization.chain import Chain
    from kldeval.normalization.lazy_map import LazyMap
    from kldeval.records import MapPair
    from kldeval.reports.documents import Matrix, Report
    from kldeval.scoring.context import DatasetContext
    from kldeval.settings.settings import Settings


SMALL = 8
"""A map of at most so many rows and columns is shown whole."""

SOFTMAXES = {"softmax within rows": "softmax", "softmax of the whole map": "flatten-softmax"}


def explain(pair: MapPair, context: DatasetContext, settings: Settings) -> Explanation:
    """Every stage of both maps, the numbers, and the places that make them.

    Raises:
        UsageProblem: no metric has terms at pixels.
        RefusedMap: the pair has no number; the message says why.
    """
    if not (settings.is_labels or settings.on("density", "pixels", "fixations")):
        msg = (
            "explain follows what single pixels, fixations or labels add; name a metric that they add to, such as kld, "
            f"beside {', '.join(settings.keys)}"
        )
        raise UsageProblem(msg)
    if not (settings.is_labels or (is_plain(pair) and not pair.volume)):
        shapes = " and ".join(str(pair.volume or tuple(array.shape)) for array in (pair.pred, pair.gt))
        msg = f"explain shows maps of height and width, or class maps with labels; these have the shapes {shapes}"
        raise RefusedMap(msg)
    plan = Plan.of(settings)
    outcome = Evaluator(plan, context).score(pair)
    if not isinstance(outcome, Score):
        raise RefusedMap(outcome.message if isinstance(outcome, Failure) else outcome.reason)
    if settings.is_labels:
        return _explained_labels(pair, settings, outcome)
    sides = {"pred": (pair.pred, pair.pred_scale), "gt": (pair.gt, pair.gt_scale)}
    with quiet():
        starts = {
            role: scaled(*side, settings.scale, settings.dtype, weights=pair.weights, empty=_empty(settings, role))
            for role, side in sides.items()
        }
        chains = _chains(settings)
        return Explanation(
            pair.name,
            pair.shape,
            {role: str(array.dtype) for role, (array, _) in sides.items()},
            {role: _stages(starts[role], chain) for role, chain in chains.items()},
            outcome.values,
            signatures(settings),
            outcome.n_uncovered,
            outcome.uncovered_mass,
            (*terms_of_densities(pair, plan), *terms_of_fixations(pair, plan, context, outcome)),
            {role: _matrices(starts[role], chains[role]) for role in sides} if max(pair.shape) <= SMALL else {},
            tuple(notes(settings, Counter(outcome.remarks), 1)),
        )


def _explained_labels(pair: MapPair, settings: Settings, outcome: Score) -> Explanation:
    """The chain of the class map, position by position, and the positions that make the numbers."""
    from kldeval.scoring.class_maps import chosen_axis, rows_of

    rows = rows_of(pair.pred, chosen_axis(settings))
    with quiet():
        start = scaled(rows, pair.pred_scale, settings.scale, settings.dtype, empty=settings.empty_pred)
        stages = _stages(start, along_rows(settings.pred))
        terms = tuple(terms_of_labels(pair, settings))
    return Explanation(
        pair.name,
        tuple(pair.pred.shape),
        {role: str(array.dtype) for role, array in (("pred", pair.pred), ("gt", pair.gt))},
        {"pred": stages},
        outcome.values,
        signatures(settings),
        outcome.n_uncovered,
        outcome.uncovered_mass,
        terms,
        {},
        tuple(notes(settings, Counter(outcome.remarks), 1)),
    )


def worst_map(report: Report, place: int) -> str:
    """The name of the map that is worst, second to worst, ... by the first metric.

    Raises:
        UsageProblem: there are not so many maps, or the metric has no better direction.
    """
    key, column = next(iter(report.columns.items()))
    if not column.best:
        msg = f"--worst {place}: {key} is better neither low nor high, so no map is the worst; name another first"
        raise UsageProblem(msg)
    sign = -1 if column.best == "low" else 1
    found = {score.name: score.values[key] for score in report.scores if key in score.values}
    ordered = sorted(found, key=lambda name: (found[name] == found[name], sign * found[name], name))
    if place > len(ordered):
        first = next(iter(report.failures), None)
        why = f"; {first.name}: {first.message}" if first else ""
        msg = f"--worst {place}: {count(len(ordered), 'map')} {'has' if len(ordered) == 1 else 'have'} a number{why}"
        raise UsageProblem(msg)
    return ordered[place - 1]


def _empty(settings: Settings, role: str) -> str:
    return settings.empty_pred if role == "pred" else settings.empty_gt


def _stages(start: LazyMap, chain: Chain) -> tuple[Stage, ...]:
    values, stages = start, [_stage("as read", start)]
    for call in chain:
        values = apply_step(values, call)
        stages.append(_stage(str(call), values))
    return tuple(stages)


def _stage(step: str, values: LazyMap) -> Stage:
    low, high = (end.item() for end in values.min_max())
    plain = values.map(values.xp.exp) if values.is_log else values
    zeros = plain.map(lambda x: values.xp.astype(x == 0, x.dtype))
    return Stage(step, low, high, plain.sum().item(), int(zeros.sum().item()), values.is_log)


def _chains(settings: Settings) -> dict[str, Chain]:
    """The steps of each side; none where every metric takes the map as it is stored, or does not look at it."""
    found = zip(*(chains_for(settings, call) for call in settings.metrics), strict=True)
    return {
        role: next((chain for chain in chains if chain != STORED), ())
        for role, chains in zip(("pred", "gt"), found, strict=True)
    }


def _matrices(start: LazyMap, chain: Chain) -> tuple[tuple[str, Matrix], ...]:
    shown = [("as read", _matrix(start.whole())), (_title(chain), _matrix(_density_of(start, chain)))]
    others = ((title, parse_chain(text)) for title, text in SOFTMAXES.items())
    return (*shown, *((title, _matrix(_density_of(start, other))) for title, other in others if other != chain))


def _title(chain: Chain) -> str:
    return next((title for title, text in SOFTMAXES.items() if parse_chain(text) == chain), format_chain(chain))


def _density_of(start: LazyMap, chain: Chain) -> Array:
    values = normalise(start, chain)
    return density_of_block(values, slice(0, values.source.shape[-2])).prob


def _matrix(array: Array) -> Matrix:
    return tuple(tuple(row) for row in array.tolist())
