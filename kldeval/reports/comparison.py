"""All pairs of several models on the maps that were scored for every one of them."""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import replace
from itertools import combinations, pairwise
from typing import TYPE_CHECKING, Literal, get_args

from kldeval.errors import UsageProblem, count
from kldeval.grammar import differences, signature_parts
from kldeval.reports.documents import Comparison, ComparisonReport, PairedResult, PairOfModels, Resampling
from kldeval.reports.gates import Rival, worse_than
from kldeval.reports.merging import grouping_of
from kldeval.reports.moments import exact_mean, exact_sum, weighted_mean
from kldeval.reports.pooled import influences
from kldeval.reports.significance import (
    LARGEST,
    bca_intervals,
    group_means,
    holm,
    is_enumerated,
    paired_columns,
    smallest_p_value,
)
from kldeval.settings.signature import OPTIONAL, PARTS
from kldeval.templates import groups_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from kldeval.reports.documents import GateOutcome, Report

    Floats = NDArray[np.float64]


Best = Literal["low", "high", ""]

LETTERS = "abcdefghijklmnoprstuvwxyz"
"""The letters of models; there is no q, which hardly any font can raise."""


class NotFinite(UsageProblem):
    """Values without a difference: inf or nan."""


LISTED = 5
"""Names that a message shows."""


def compare_all(
    values: Mapping[str, Mapping[str, float]],
    best: Best = "low",
    *,
    groups: Mapping[str, str] | None = None,
    resamples: int = 10_000,
    seed: int = 0,
    confidence: float = 0.95,
) -> Comparison:
    """Compare every pair of models on one metric; a pair is significant if Holm's adjusted p <= 1 - confidence.

    Args:
        values: for each model, its value of each map.
        best: whether lower or higher values are better; "" if neither is.
        groups: the group (video) of each map; then the group is the unit of every statistic.
        resamples: how many draws, as in `paired_columns`.
        seed: where the draws begin.
        confidence: of the intervals.

    Raises:
        UsageProblem: fewer than two models, no common map, or a map without a group, or an argument that can mean
            nothing.
        NotFinite: a value is inf or nan.
        MissingDependency: scipy is not installed.

    >>> maps = [f"{i:03}" for i in range(20)]
    >>> good, bad = {name: 0.1 for name in maps}, {name: 0.2 for name in maps}
    >>> compare_all({"good": good, "bad": bad}).pairs[0].winner
    'good'
    """
    _check_best(best)
    models = tuple(values)
    maps, left_out = _common_maps(values)
    table = _table(values, maps)
    labels = None if groups is None else _labels(maps, groups)
    units = table if labels is None else group_means(table, labels)
    unit = "maps" if labels is None else "groups"
    indices = list(combinations(range(len(models)), 2))
    results = paired_columns(
        _differences(table, indices), groups=labels, resamples=resamples, seed=seed, confidence=confidence
    )
    pairs = _pairs(models, indices, results, best, 1 - confidence)
    letters = letters_of(models)
    return Comparison(
        unit=unit,
        n=len(units),
        confidence=confidence,
        resamples=resamples,
        seed=seed,
        means={model: exact_mean(units[:, index].tolist()) for index, model in enumerate(models)},
        intervals=_intervals(models, units, resamples, seed, confidence),
        letters=letters,
        superscripts=superscripts_of(models, pairs),
        pairs=pairs,
        maps=maps,
        left_out=left_out,
        notes=_few_note(len(units), unit, len(pairs), resamples, 1 - confidence)
        + (_frames_note(maps) if labels is None else ()),
    )


def letters_of(models: Iterable[str]) -> dict[str, str]:
    """The letter of each model, by its place."""
    return {model: letter(place) for place, model in enumerate(models)}


def superscripts_of(models: Iterable[str], pairs: Sequence[PairOfModels]) -> dict[str, tuple[str, ...]]:
    """For each model the letters of those that it differs from significantly."""
    letters = letters_of(models)
    return {model: tuple(letters[other] for other in _differs_from(model, pairs)) for model in letters}


def letter(index: int) -> str:
    """The letter of a row: a to z without q, then aa, ab and so on.

    >>> letter(0), letter(24), letter(25), letter(50)
    ('a', 'z', 'aa', 'ba')
    """
    higher, lower = divmod(index, len(LETTERS))
    return (letter(higher - 1) if higher else "") + LETTERS[lower]


def _intervals(
    models: Sequence[str], units: Floats, resamples: int, seed: int, confidence: float
) -> dict[str, tuple[float, float] | None]:
    if len(units) == 1:
        return dict.fromkeys(models)
    bounds = bca_intervals(units, resamples, seed, confidence)
    return {model: (float(low), float(high)) for model, (low, high) in zip(models, bounds, strict=True)}


def numbered_like_frames(names: Iterable[str]) -> bool:
    """Whether a folder holds three or more names that are the same but for a number that mostly counts in even steps.

    Images of one folder may be numbered, too; frames stand in a folder for each video.

    >>> numbered_like_frames(["v/0001", "v/0002", "v/0003"]), numbered_like_frames(["0001", "0002", "0003"])
    (True, False)
    """
    runs: dict[str, list[int]] = {}
    for name in names:
        found = re.fullmatch(r"(.*?)(\d+)", name)
        if found and "/" in found[1]:
            runs.setdefault(found[1], []).append(int(found[2]))
    return any(_counts_evenly(sorted(numbers)) for numbers in runs.values())


def _counts_evenly(numbers: Sequence[int]) -> bool:
    steps = Counter(after - before for before, after in pairwise(numbers))
    return steps.total() > 1 and max(steps.values()) > steps.total() / 2


def _check_best(best: str) -> None:
    if best not in get_args(Best):
        msg = f"best={best!r} is no direction: 'low', 'high', or '' where neither is better"
        raise UsageProblem(msg)


def _common_maps(values: Mapping[str, Mapping[str, float]]) -> tuple[tuple[str, ...], dict[str, tuple[str, ...]]]:
    if not len(values) > 1:
        msg = f"a comparison needs two models or more, but here is {_listed(values) or 'none'}"
        raise UsageProblem(msg)
    every = sorted(set().union(*values.values()))
    lacking = {name: tuple(model for model in values if name not in values[model]) for name in every}
    common = tuple(name for name in every if not lacking[name])
    if not common:
        counts = ", ".join(f"{model} has {len(scored)}" for model, scored in values.items())
        msg = f"no map was scored for every model ({counts}): their names must agree"
        raise UsageProblem(msg)
    return common, {name: models for name, models in lacking.items() if models}


def _table(values: Mapping[str, Mapping[str, float]], maps: Sequence[str]) -> Floats:
    """The values as an array of shape (maps, models), all finite."""
    import numpy as np

    table = np.array([[scored[name] for scored in values.values()] for name in maps], dtype=np.float64)
    undefined = ~np.isfinite(table)
    if undefined.any():
        found = {model: _where(maps, undefined[:, index]) for index, model in enumerate(values)}
        counts = (f"{model} on {len(bad)} of {len(maps)} maps ({_listed(bad)})" for model, bad in found.items() if bad)
        msg = (
            f"inf or nan has no difference: {'; '.join(counts)}; leave such models out, "
            "or score with a metric that is finite, such as kld with --eps 1e-7"
        )
        raise NotFinite(msg)
    if (np.abs(table) > LARGEST).any():
        msg = f"values beyond {LARGEST:g} have no differences and squares that float64 can hold"
        raise NotFinite(msg)
    return table


def _where(names: Sequence[str], chosen: Iterable[bool]) -> list[str]:
    return [name for name, is_chosen in zip(names, chosen, strict=True) if is_chosen]


def _labels(maps: Sequence[str], groups: Mapping[str, str]) -> list[str]:
    missing = [name for name in maps if name not in groups]
    if missing:
        msg = f"{len(missing)} of {len(maps)} maps have no group ({_listed(missing)}): every map needs one"
        raise UsageProblem(msg)
    return [groups[name] for name in maps]


def _differences(table: Floats, indices: Sequence[tuple[int, int]]) -> Floats:
    first, second = (list(side) for side in zip(*indices, strict=True))
    return table[:, first] - table[:, second]


def _pairs(
    models: Sequence[str],
    indices: Sequence[tuple[int, int]],
    results: Sequence[PairedResult],
    best: Best,
    level: float,
) -> tuple[PairOfModels, ...]:
    adjusted = holm([result.p_value for result in results])
    pairs = []
    for (first, second), result, p in zip(indices, results, adjusted, strict=True):
        names = models[first], models[second]
        winner = _better(*names, result.mean_difference, best) if p <= level else ""
        pairs.append(PairOfModels(*names, result, p, p <= level, winner))
    return tuple(pairs)


def _better(first: str, second: str, difference: float, best: Best) -> str:
    if not best or difference == 0:
        return ""
    return first if (difference < 0) == (best == "low") else second


def _differs_from(model: str, pairs: Iterable[PairOfModels]) -> tuple[str, ...]:
    sides = [(pair.first, pair.second) for pair in pairs if pair.significant and model in (pair.first, pair.second)]
    return tuple(second if model == first else first for first, second in sides)


def _few_note(n: int, unit: str, pairs: int, resamples: int, level: float) -> tuple[str, ...]:
    smallest = min(1.0, pairs * smallest_p_value(n, resamples))
    if smallest <= level:
        return ()
    few = count(n, unit.removesuffix("s")) if is_enumerated(n, resamples) else f"{resamples} resamples"
    note = f"{few} cannot show a significant difference: p (Holm, pairs: {pairs}) is never below {smallest:.3g}"
    return (note,)


def _frames_note(maps: Sequence[str]) -> tuple[str, ...]:
    if not numbered_like_frames(maps):
        return ()
    note = (
        "the maps are numbered like the frames of videos; if they are, make the videos the units (compare --group-by "
        "parent, a leaderboard --maps groups): tests on single frames reject equal models in 40 to 75 % of runs"
    )
    return (note,)


def _listed(names: Iterable[str]) -> str:
    """The first five names, and how many more there are."""
    every = list(names)
    rest = every[LISTED:]
    return ", ".join(every[:LISTED]) + (f" and {len(rest)} more" if rest else "")


SHOWN = 5
"""So many names of maps stand for all of them."""

OF_GROUPS = ("maps", "groups")
"""The parts of a signature that a grouping of the request replaces."""


def check_agreement(reports: Mapping[str, Report], *, regrouped: bool = False) -> None:
    """Refuse reports whose signatures or maps differ; `regrouped` if the request itself says what the groups are.

    Raises:
        UsageProblem: saying every difference from the first report, a line each.
    """
    (first, reference), *others = reports.items()
    found = [
        line
        for name, report in others
        for line in (
            *_signature_differences(first, reference, name, report, OF_GROUPS if regrouped else ()),
            *_map_differences(first, reference, name, report),
        )
    ]
    if found:
        head = "the reports differ, so their numbers do not compare (--allow-different insists):"
        raise UsageProblem("\n".join([head, *(f"  {line}" for line in dict.fromkeys(found))]))


def common_keys(reports: Mapping[str, Report]) -> list[str]:
    """The metrics of all reports, in the order of the first.

    Raises:
        UsageProblem: there is none.
    """
    every = list(reports.values())
    keys = [key for key in every[0].summaries if all(key in report.summaries for report in every)]
    if not keys:
        has = "; ".join(f"{name} has {', '.join(report.summaries) or 'none'}" for name, report in reports.items())
        msg = f"no metric is common to all reports: {has}"
        raise UsageProblem(msg)
    return keys


def _signature_differences(
    first: str, reference: Report, name: str, report: Report, ignored: Collection[str]
) -> Iterator[str]:
    for key in reference.signatures:
        if key not in report.signatures:
            yield f"{key}: only in {first}"
            continue
        for part, (ours, theirs) in differences(reference.signatures[key], report.signatures[key]).items():
            if part not in ignored:
                label = f"{key}: " if part == "metric" else ""
                yield f"{label}{part}:{ours or 'nothing'} in {first}, {part}:{theirs or 'nothing'} in {name}"
    for key in report.signatures:
        if key not in reference.signatures:
            yield f"{key}: only in {name}"


def _map_differences(first: str, reference: Report, name: str, report: Report) -> Iterator[str]:
    ours, theirs = ({score.name for score in item.scores} for item in (reference, report))
    for owner, lone in ((first, ours - theirs), (name, theirs - ours)):
        if lone:
            shown = ", ".join(sorted(lone)[:SHOWN])
            more = f" and {len(lone) - SHOWN} more" if len(lone) > SHOWN else ""
            were = "was" if len(lone) == 1 else "were"
            yield f"{count(len(lone), 'map')} {were} scored only in {owner}: {shown}{more}"


_GROUPS_NOTE = (
    "intervals and tests take single maps for independent; where those of a group are alike (frames of a video), make "
    "the groups the units (compare --group-by, a leaderboard --maps groups)"
)

VERSION = 2
"""The version of the statistics' definitions: it changes only when a number could."""


def compare_reports(
    reports: Mapping[str, Report],
    resampling: Resampling,
    *,
    group_by: str | None = None,
    provenance: Mapping[str, object] | None = None,
) -> ComparisonReport:
    """Every pair of models on every metric that all reports have, on the maps that all of them scored.

    The unit of the statistics is the group where `group_by` says what a group is, or where the reports' signatures say
    `maps:groups`; else it is the map.

    Raises:
        UsageProblem: fewer than two reports, no common metric or map, or maps without a group.
        MissingDependency: scipy is not installed.
    """
    keys = common_keys(reports)
    first = next(iter(reports.values()))
    grouping = group_by or grouping_of(first)
    groups = _groups(reports, grouping) if grouping else None
    maps, left_out = common_maps(reports)
    values = compared_values(reports, keys, maps, grouping)
    alike = not grouping and _has_groups(reports)
    comparisons: dict[str, Comparison] = {}
    notes: list[str] = []
    for key in keys:
        comparison, said = _compared_or_noted(key, values[key], len(maps), first.columns[key].best, groups, resampling)
        notes += said
        if comparison:
            notes += comparison.notes or ((_GROUPS_NOTE,) if alike else ())
            comparisons[key] = replace(comparison, notes=())
    return ComparisonReport(
        models=tuple(reports),
        signatures={
            key: over_groups(first.signatures[key], grouping) if grouping else first.signatures[key] for key in keys
        },
        statistics=statistics_signature(resampling, grouping),
        provenance=provenance or {},
        columns={key: first.columns[key] for key in keys},
        comparisons=comparisons,
        maps=maps,
        left_out=left_out,
        notes=tuple(dict.fromkeys(notes)),
    )


def _compared_or_noted(
    key: str,
    values: Mapping[str, Mapping[str, float]],
    n_maps: int,
    best: str,
    groups: Mapping[str, str] | None,
    resampling: Resampling,
) -> tuple[Comparison | None, list[str]]:
    """The comparison on one metric, if there can be any, and what is to be said of its numbers."""
    having = len(next(iter(values.values())))
    said = [f"{key}: only {having} of {n_maps} maps have a number for every model"] if having < n_maps else []
    if not having:
        return None, said
    try:
        return _compared(values, best, groups, resampling), said
    except NotFinite as error:
        return None, [*said, f"{key} is not compared: {error}"]


def over_groups(signature: str, grouping: str) -> str:
    """The signature of the mean over the means of the groups, whatever the text says that its number is the mean over.

    >>> over_groups("cc|pred:stored|gt:stored|maps:mean|dtype:float64|mask:maps|v:2", "{video}/{frame}")
    'cc|pred:stored|gt:stored|maps:groups|dtype:float64|groups:{video}/{frame}|mask:maps|v:2'
    """
    parts = signature_parts(signature) | {"maps": "groups", "groups": grouping}
    metric = parts.pop("metric")
    if grouping == OPTIONAL["groups"]:
        del parts["groups"]
    names = [name for name in (*PARTS, *OPTIONAL) if name in parts]
    names += [name for name in parts if name not in names and name != "v"]
    names += ["v"] if "v" in parts else []
    return "|".join([metric, *(f"{name}:{parts[name]}" for name in names)])


def compared_values(
    reports: Mapping[str, Report], keys: Sequence[str], maps: Sequence[str], grouping: str
) -> dict[str, dict[str, dict[str, float]]]:
    """By metric and model the values of the maps, such that their mean over the units is the headline.

    A map on which a metric has no number for some model has none for any.
    """
    weighted = not grouping and any(score.weights for report in reports.values() for score in report.scores)
    having = {key: [name for name, keys_of in _keys_of_maps(reports, maps).items() if key in keys_of] for key in keys}
    groups = _groups(reports, grouping) if grouping else {}
    return {
        key: {
            model: _pooled_values(report, key, having[key], groups)
            or _values(report, key, having[key], weighted=weighted)
            for model, report in reports.items()
        }
        for key in keys
    }


def _pooled_values(
    report: Report, key: str, maps: Collection[str], groups: Mapping[str, str]
) -> dict[str, float] | None:
    """What each map adds to a number of all pixels together, or of those of its group; None of any other metric."""
    chosen = set(maps)
    rows: dict[str, dict[str, tuple[float, ...]]] = {}
    for score in report.scores:
        if score.name in chosen and key in score.statistics:
            rows.setdefault(groups.get(score.name, ""), {})[score.name] = score.statistics[key]
    if sum(map(len, rows.values())) < len(chosen):
        return None
    found: dict[str, float] = {}
    for of_unit in rows.values():
        found |= dict(zip(of_unit, influences(key, list(of_unit.values())), strict=True))
    return found


def _keys_of_maps(reports: Mapping[str, Report], maps: Sequence[str]) -> dict[str, set[str]]:
    """The metrics that have a number for every model, by map."""
    scored = [{score.name: set(score.values) for score in report.scores} for report in reports.values()]
    return {name: set.intersection(*(keys[name] for keys in scored)) for name in maps}


def find_regressions(
    reports: Mapping[str, Report], resampling: Resampling, *, group_by: str | None = None
) -> tuple[GateOutcome, ...]:
    """For each metric with a better direction, whether the first model is significantly worse than each other one.

    One test for all metrics and rivals: one-sided at the level (1 - confidence) / 2, sign flips of whole units (maps,
    or groups), adjusted by the largest studentised mean. The chance that the gate fires at all where the models are
    equal is that level. A metric that could not be compared fires, as nan does.

    Raises:
        UsageProblem: no metric has a better direction, or so few units cannot reach the level.
    """
    keys = [key for key in common_keys(reports) if next(iter(reports.values())).columns[key].best]
    if not keys:
        msg = "--fail-if-worse needs a metric with a better direction, and here is none"
        raise UsageProblem(msg)
    grouping = group_by or grouping_of(next(iter(reports.values())))
    maps, _ = common_maps(reports)
    maps = tuple(name for name, having in _keys_of_maps(reports, maps).items() if having.issuperset(keys))
    groups = _groups(reports, grouping) if grouping else None
    labels = None if groups is None else [groups[name] for name in maps]
    new, *others = reports
    columns = next(iter(reports.values())).columns
    values = compared_values(reports, keys, maps, grouping)
    tested = [
        Rival(key, other, columns[key].best, [values[key][new][name] - values[key][other][name] for name in maps])
        for key in keys
        for other in others
    ]
    return worse_than(new, tested, labels, resampling)


def _compared(
    values: Mapping[str, Mapping[str, float]], best: str, groups: Mapping[str, str] | None, resampling: Resampling
) -> Comparison:
    return compare_all(
        values,
        best,  # type: ignore[arg-type]
        groups=groups,
        resamples=resampling.resamples,
        seed=resampling.seed,
        confidence=resampling.confidence,
    )


def common_maps(reports: Mapping[str, Report]) -> tuple[tuple[str, ...], dict[str, tuple[str, ...]]]:
    """The maps that every report scored, and the others, each with the models that lack it."""
    scored = {model: {score.name for score in report.scores} for model, report in reports.items()}
    every = sorted(set().union(*scored.values()))
    lacking = {name: tuple(model for model in scored if name not in scored[model]) for name in every}
    return tuple(name for name in every if not lacking[name]), {name: who for name, who in lacking.items() if who}


def statistics_signature(resampling: Resampling, grouping: str) -> str:
    """Everything that defines intervals and p-values, as text.

    >>> statistics_signature(Resampling(), "parent")
    'paired(confidence=0.95,resamples=10000,seed=0)|unit:groups|adjust:holm|groups:parent|v:2'
    """
    call = f"paired(confidence={resampling.confidence},resamples={resampling.resamples},seed={resampling.seed})"
    unit = ["unit:groups", "adjust:holm", f"groups:{grouping}"] if grouping else ["unit:maps", "adjust:holm"]
    return "|".join([call, *unit, f"v:{VERSION}"])


def _has_groups(reports: Mapping[str, Report]) -> bool:
    return any(report.groups for report in reports.values())


def _values(report: Report, key: str, maps: Collection[str], *, weighted: bool) -> dict[str, float]:
    """The value of each map; where the headline is a mean over pixels, such that their mean is that one.

    A weighted mean is, to first order, the mean of m + w (v - m) / mean(w), which intervals and tests then take.
    """
    chosen = set(maps)
    scores = [score for score in report.scores if score.name in chosen]
    values = {score.name: score.values[key] for score in scores}
    if not weighted:
        return values
    weights = {score.name: score.weights.get(key, 1.0) for score in scores}
    total = exact_sum(weights[name] for name in maps)
    mean = weighted_mean([values[name] for name in maps], [weights[name] for name in maps])
    shares = {name: weight * len(maps) / total if total else math.nan for name, weight in weights.items()}
    return {name: mean + shares[name] * (value - mean) for name, value in values.items()}


def _groups(reports: Mapping[str, Report], grouping: str) -> dict[str, str]:
    """The group of every map; a map that two reports put in different groups has none that could be used."""
    recorded: dict[str, str] = {}
    for model, report in reports.items():
        for score in report.scores:
            known = recorded.setdefault(score.name, score.group)
            if grouping == "manifest" and known != score.group:
                msg = f"the map {score.name!r} is in the group {known!r}, but in {model} in {score.group!r}"
                raise UsageProblem(msg)
    return groups_of(grouping, recorded)
