"""From decoded pairs to outcomes: one `Score`, `Failure` or `Skipped` for each."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from math import isnan
from typing import TYPE_CHECKING

from kldeval.arrays import namespace, quiet
from kldeval.data.causes import examined
from kldeval.diagnosis import PROBLEMS, Facts, map_remarks, refusal
from kldeval.engine.class_maps import as_rows, is_plain
from kldeval.engine.companions import accompanied, extent, finish_beside
from kldeval.engine.context import ALONE
from kldeval.engine.counted import Counted
from kldeval.engine.counted_scores import rows_of
from kldeval.engine.histogram import cells_of, cells_of_counts, collapsible, counts_of, pair_of_cells
from kldeval.engine.measure import Measured, Side, measure, scaled
from kldeval.engine.pixels import pixel_metrics, with_pixel_metrics
from kldeval.errors import KldevalError, RefusedMap
from kldeval.normalization.chain import normalise
from kldeval.normalization.lazy_map import over_map
from kldeval.records import AuxiliaryScores, Failure, Score, Skipped

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kldeval.arrays import Array
    from kldeval.engine.context import Context
    from kldeval.engine.histogram import Cells
    from kldeval.normalization.lazy_map import LazyMap, Problem
    from kldeval.records import MapPair
    from kldeval.settings.settings import Settings

Outcome = Score | Failure | Skipped


def score(pair: MapPair, settings: Settings, context: Context = ALONE, *, per_class: bool = False) -> Outcome:
    """The outcome of one pair; `context` is what the run knows of the other images.

    `per_class`: also by the classes of its labels, if it has any.
    """
    return finish([begin(pair, settings, context, per_class=per_class)], settings)[0]


def begin(pair: MapPair, settings: Settings, context: Context = ALONE, *, per_class: bool = False) -> Outcome | Counted:
    """The outcome of one pair, or what was counted of it and can be finished together with others."""
    looked_at = examined(pair, settings)
    if isinstance(looked_at, Failure):
        return looked_at
    return _begin(looked_at, settings, context, per_class=per_class)


def _begin(pair: MapPair, settings: Settings, context: Context, *, per_class: bool) -> Outcome | Counted:
    if settings.is_labels:
        from kldeval.engine.label_sums import score_labels

        return score_labels(pair, settings, per_class=per_class)
    if not is_plain(pair):
        return _score_classes(pair, settings)
    by_values = collapsible(settings) and not _needs_places(pair, settings)
    counts = counts_of(pair) if by_values or settings.on("maps", "fixations") else None
    cells = cells_of_counts(counts) if counts is not None and settings.on("maps", "fixations") else None
    is_counted = counts is not None and by_values and settings.dtype == "float64" and _is_of_densities(settings)
    found = _with_company(pair, cells, settings, context, later=is_counted)
    if isinstance(found, Failure):
        return found
    if not settings.on("density", "pixels"):
        return outcome_of_stored(found, settings)
    if counts is not None and by_values:
        if is_counted:
            return Counted.of_counts(found, counts, cells)
        pair = pair_of_cells(pair, cells_of_counts(counts))
    return score_arrays([found], pair.pred, pair.gt, pair.weights, settings)[0]


def _needs_places(pair: MapPair, settings: Settings) -> bool:
    """Whether counts tell too little: which rows a mask leaves, or that weights are worths and no numbers of pixels."""
    return settings.weights.name != "none" or (settings.reduction == "batchmean" and pair.weights is not None)


def _is_of_densities(settings: Settings) -> bool:
    """Whether densities are measured, and no pixels by themselves."""
    return bool(settings.on("density")) and not pixel_metrics(settings)


def finish(begun: Sequence[Outcome | Counted], settings: Settings) -> list[Outcome]:
    """The outcomes of pairs, in their order: those that were counted are measured together."""
    groups: defaultdict[tuple[float | None, float | None], list[Counted]] = defaultdict(list)
    for one in begun:
        if isinstance(one, Counted):
            groups[one.pair.pred_scale, one.pair.gt_scale].append(one)
    done: dict[int, Outcome] = {}
    for alike in groups.values():
        for one, pair, row in zip(alike, finish_beside(alike, settings), rows_of(alike, settings), strict=True):
            done[id(one)] = _outcome(pair, row, settings)
    return [done[id(one)] if isinstance(one, Counted) else one for one in begun]


def with_company(pair: MapPair, settings: Settings, context: Context) -> MapPair | Failure:
    """The pair with the numbers of its stored maps and of its fixations, or why there are none."""
    looked_at = examined(pair, settings)
    if isinstance(looked_at, Failure) or not is_plain(looked_at):
        return looked_at
    pair = looked_at
    return _with_company(pair, cells_of(pair) if settings.on("maps", "fixations") else None, settings, context)


def _with_company(
    pair: MapPair, cells: Cells | None, settings: Settings, context: Context, *, later: bool = False
) -> MapPair | Failure:
    try:
        return accompanied(pair, cells, settings, context, later=later)
    except RefusedMap as problem:
        return Failure(pair.name, problem.stage, str(problem))


def outcome_of_stored(pair: MapPair, settings: Settings) -> Outcome:
    """The outcome of a pair where no metric is of densities or pixels, so that nothing is normalised."""
    facts = Facts(*extent(pair.pred, pair.weights), *extent(pair.gt, pair.weights))
    if settings.empty_gt == "skip" and facts.gt_low == facts.gt_high == 0:
        return Skipped(pair.name, "all-zero ground truth")
    return _with_remarks(Score(pair.name, {}), pair, facts, settings)


def _score_classes(pair: MapPair, settings: Settings) -> Outcome:
    """The outcome of a pair of class maps: each position is a distribution over the classes."""
    beside = (*settings.on("maps").values(), *settings.on("fixations").values())
    if beside:
        msg = f"{beside[0].name} is of maps of height and width, and these have the shape {tuple(pair.pred.shape)}"
        return Failure(pair.name, "check", msg)
    try:
        pred, gt, in_rows = as_rows(pair, settings)
    except RefusedMap as problem:
        return Failure(pair.name, problem.stage, str(problem))
    noted = replace(pair, remarks=(*pair.remarks, "class-map"))
    return score_arrays([noted], pred, gt, None, in_rows, said=settings)[0]


def score_arrays(
    pairs: Sequence[MapPair],
    pred: Array,
    gt: Array,
    weights: Array | None,
    settings: Settings,
    *,
    said: Settings | None = None,
) -> list[Outcome]:
    """The outcomes of pairs of one shape and kind whose arrays stand in one batch (or of one pair without a batch).

    `said` are the settings that a refusal quotes, where the arrays were turned to suit others.
    """
    first = pairs[0]
    with quiet():
        sides = [
            scaled(Side(pred, first.pred_scale), settings, weights=weights, empty=settings.empty_pred),
            scaled(Side(gt, first.gt_scale), settings, weights=weights, empty=settings.empty_gt),
        ]
        normalised = [normalise(side, chain) for side, chain in zip(sides, (settings.pred, settings.gt), strict=True)]
        measured = measure(normalised[0], normalised[1], settings, shape=first.shape)
        measured = with_pixel_metrics(measured, sides, settings, first.shape)
        _check_dtype(measured, settings)
        table = _to_host(measured, sides, len(pairs))
    return [_outcome(pair, row, said or settings) for pair, row in zip(pairs, table, strict=True)]


def _check_dtype(measured: Measured, settings: Settings) -> None:
    """What was computed is what the signature will say: the dtype of the numbers, not that of the request."""
    computed = str(measured.uncovered_mass.dtype).rpartition(".")[2]
    if computed != settings.dtype:
        msg = f"the numbers were computed in {computed}, but {settings.dtype} was asked for and would be signed"
        raise KldevalError(msg)


def _to_host(measured: Measured, sides: list[LazyMap], count: int) -> list[dict[str, float]]:
    """Every number of every map, moved from the device at once."""
    columns: dict[str, Array] = {f"value:{key}": value for key, value in measured.values.items()}
    columns |= {"n_uncovered": measured.n_uncovered, "uncovered_mass": measured.uncovered_mass}
    if measured.n_pixels is not None:
        columns["n_pixels"] = measured.n_pixels
    for role, side in zip(("pred", "gt"), sides, strict=True):
        columns[f"{role}:low"], columns[f"{role}:high"] = (end[..., 0, 0] for end in side.extent())
    for role, problems in (("pred", measured.pred_problems), ("gt", measured.gt_problems)):
        for kind, (found, detail) in _flat(problems).items():
            columns[f"{role}:{kind}"], columns[f"{role}:{kind}:detail"] = found, detail
    xp = namespace(measured.n_uncovered)
    if xp.__name__ == "numpy":
        lists = [xp.reshape(column, (count,)).tolist() for column in columns.values()]
    else:
        stacked = xp.stack([xp.astype(column, measured.n_uncovered.dtype) for column in columns.values()])
        lists = xp.reshape(stacked, (len(columns), count)).tolist()
    return [dict(zip(columns, row, strict=True)) for row in zip(*lists, strict=True)]


def _flat(problems: Sequence[Problem]) -> dict[str, tuple[Array, Array]]:
    """For each kind whether any distribution of a map has the problem, and the smallest detail where it began."""
    kinds: dict[str, tuple[Array, Array]] = {}
    for problem in problems:
        xp = namespace(problem.found)
        found, detail = over_map(xp.any, problem.found), over_map(xp.min, problem.detail)
        if problem.kind in kinds:
            before, first = kinds[problem.kind]
            found, detail = before | found, xp.where(before, first, detail)
        kinds[problem.kind] = found, detail
    return kinds


def _outcome(pair: MapPair, row: dict[str, float], settings: Settings) -> Outcome:
    for role in ("gt", "pred"):
        for kind in PROBLEMS:
            if row.get(f"{role}:{kind}"):
                if (role, kind, settings.empty_gt) == ("gt", "empty", "skip"):
                    return Skipped(pair.name, "all-zero ground truth")
                return Failure(pair.name, "check", refusal(pair, role, kind, row[f"{role}:{kind}:detail"], settings))
    facts = Facts(row["pred:low"], row["pred:high"], row["gt:low"], row["gt:high"])
    values = {key: row[f"value:{key}"] for key in settings.on("density", "pixels")}
    if settings.empty_gt == "zero" and facts.gt_low == facts.gt_high == 0:
        # a nan stays: there the prediction's own emptiness decides
        of_densities = values.keys() - pixel_metrics(settings).keys()
        values |= {key: 0.0 for key in of_densities if not isnan(values[key])}
    weights = dict.fromkeys(pixel_metrics(settings), row["n_pixels"]) if settings.maps == "pixels" else {}
    found = Score(pair.name, values, int(row["n_uncovered"]), row["uncovered_mass"], weights=weights)
    return _with_remarks(found, pair, facts, settings)


def _with_remarks(found: Score, pair: MapPair, facts: Facts, settings: Settings) -> Score:
    """The score with what was worked out beside it, and what is to be said of the map."""
    beside = pair.beside or AuxiliaryScores({})
    values = {**found.values, **beside.values}
    counted = settings.on("fixations") if settings.maps == "fixations" else {}
    complete = replace(
        found,
        values={key: values[key] for key in settings.keys},
        weights={**found.weights, **dict.fromkeys(counted, float(beside.n_fixations or 0))},
        n_fixations=beside.n_fixations,
        gt_fixations=pair.made.n_fixations if pair.made else None,
        made=pair.made,
        references=pair.references,
    )
    remarks = (*pair.remarks, *beside.remarks, *map_remarks(complete, facts, pair.shape, settings))
    return replace(complete, remarks=remarks)
