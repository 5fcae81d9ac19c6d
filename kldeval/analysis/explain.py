"""Follows one pair through its normalisation."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from kldeval.arrays import quiet
from kldeval.errors import RefusedMap, UsageProblem
from kldeval.metrics.registry import METRICS
from kldeval.normalization.chain import apply_step, format_chain, normalise, parse_chain
from kldeval.records import Failure, Score
from kldeval.reports.documents import Contribution, Explanation, Stage
from kldeval.scoring.diagnostics import notes
from kldeval.scoring.evaluator import Evaluator
from kldeval.scoring.pixels import density
from kldeval.scoring.plan import Plan
from kldeval.scoring.save_terms import pointwise_terms
from kldeval.scoring.views import is_plain, scaled
from kldeval.settings.signature import signatures

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kldeval.arrays import NumpyArray as Array
    from kldeval.normalization.chain import Chain
    from kldeval.normalization.lazy_map import LazyMap
    from kldeval.records import MapPair
    from kldeval.reports.documents import Matrix, Report
    from kldeval.scoring.context import DatasetContext
    from kldeval.settings.settings import Settings


SMALL = 8
"""A map of at most so many rows and columns is shown whole."""

LARGEST = 5
"""Pixels shown by what they contribute."""

SOFTMAXES = {"softmax within rows": "softmax", "softmax of the whole map": "flatten-softmax"}


def explain(pair: MapPair, context: DatasetContext, settings: Settings) -> Explanation:
    """Every stage of both maps, the numbers, and the pixels that make the first of them.

    Raises:
        UsageProblem: no metric has terms at pixels.
        RefusedMap: the pair has no number; the message says why.
    """
    if not (settings.is_labels or settings.on("density", "pixels")):
        msg = f"explain follows densities; name a metric of them, such as kld, beside {', '.join(settings.keys)}"
        raise UsageProblem(msg)
    if settings.is_labels or not is_plain(pair):
        shapes = " and ".join(str(tuple(array.shape)) for array in (pair.pred, pair.gt))
        msg = f"explain shows maps of height and width, and these have the shapes {shapes}; evaluate scores class maps"
        raise RefusedMap(msg)
    plan = Plan.of(settings)
    outcome = Evaluator(plan, context).score(pair)
    if not isinstance(outcome, Score):
        raise RefusedMap(outcome.message if isinstance(outcome, Failure) else outcome.reason)
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
            *_largest(pair, starts, plan),
            {role: _matrices(starts[role], chains[role]) for role in sides} if max(pair.shape) <= SMALL else {},
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
        msg = f"--worst {place}: {len(ordered)} maps have a number"
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
    low, high = (end.item() for end in values.extent())
    plain = values.map(values.xp.exp) if values.is_log else values
    zeros = plain.map(lambda x: values.xp.astype(x == 0, x.dtype))
    return Stage(step, low, high, plain.sum().item(), int(zeros.sum().item()), values.is_log)


def _largest(
    pair: MapPair, starts: Mapping[str, LazyMap], plan: Plan
) -> tuple[tuple[Contribution, ...], float, int, float | None, str]:
    """The pixels that add most to the first metric, and beside them the sum of all its terms.

    With it the number of pixels, what the uncovered ones add (None where the metric is not of densities) and the unit.
    """
    import numpy as np

    settings = plan.settings
    first, call = next(iter(settings.on("density", "pixels").items()))
    terms = pointwise_terms(pair, plan)[first]
    exist = np.ones(terms.shape, bool) if pair.weights is None else np.broadcast_to(pair.weights > 0, terms.shape)
    terms = np.where(exist, terms, 0.0)
    everything = slice(0, terms.shape[0])
    p, q = (density(normalise(starts[role], chain), everything).prob for role, chain in _chains(settings).items())
    places = np.argsort(-np.abs(terms), axis=None, kind="stable")[:LARGEST]
    rows, columns = np.unravel_index(places, terms.shape)
    info = METRICS[call.name].info
    uncovered = float(terms[exist & (p == 0) & (q > 0)].sum()) if info.on == "density" else None
    largest = tuple(
        Contribution(int(r), int(c), float(p[r, c]), float(q[r, c]), float(terms[r, c]))
        for r, c in zip(rows, columns, strict=True)
    )
    unit = {"e": "nats", "2": "bits", "10": "bans"}[settings.base] if info.unit == "nats" else info.unit
    return largest, float(terms.sum()), int(exist.sum()), uncovered, unit


def _chains(settings: Settings) -> dict[str, Chain]:
    return {"pred": settings.pred, "gt": settings.gt}


def _matrices(start: LazyMap, chain: Chain) -> tuple[tuple[str, Matrix], ...]:
    shown = [("as read", _matrix(start.whole())), (_title(chain), _matrix(_density_of(start, chain)))]
    others = ((title, parse_chain(text)) for title, text in SOFTMAXES.items())
    return (*shown, *((title, _matrix(_density_of(start, other))) for title, other in others if other != chain))


def _title(chain: Chain) -> str:
    return next((title for title, text in SOFTMAXES.items() if parse_chain(text) == chain), format_chain(chain))


def _density_of(start: LazyMap, chain: Chain) -> Array:
    values = normalise(start, chain)
    return density(values, slice(0, values.source.shape[-2])).prob


def _matrix(array: Array) -> Matrix:
    return tuple(tuple(row) for row in array.tolist())
