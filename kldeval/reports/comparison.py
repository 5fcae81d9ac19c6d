"""All pairs of several models on the maps that were scored for every one of them."""

from __future__ import annotations

import math
import re
from array import array
from collections import Counter, defaultdict
from dataclasses import replace
from itertools import combinations, pairwise
from sys import intern
from typing import TYPE_CHECKING, Literal, get_args

from kldeval.dataclass import NamedTuple
from kldeval.errors import UsageProblem, count
from kldeval.grammar import differences, signature_parts
from kldeval.reports.documents import Comparison, ComparisonReport, PairedResult, PairOfModels, Resampling
from kldeval.reports.gates import Rival, worse_than
from kldeval.reports.merging import grouping_of
from kldeval.reports.moments import exact_mean, exact_sum, weighted_mean
from kldeval.reports.pooled import influences
from kldeval.reports.side_by_side import CommonMaps, map_by_map
from kldeval.reports.significance import (
    LARGEST,
    bca_intervals,
    group_means,
    holm,
    is_enumerated,
    paired_columns,
    smallest_p_value,
)
from kldeval.sequences import Texts
from kldeval.settings.signature import OPTIONAL, PARTS
from kldeval.templates import MANIFEST, refuse_without_group
from kldeval.templates import grouping as groups_by

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from kldeval.records import Score
    from kldeval.reports.documents import GateOutcome, Report

    Floats = NDArray[np.float64]


Best = Literal["low", "high", ""]

LETTERS = "abcdefghijklmnoprstuvwxyz"
"""The letters of models; there is no q, which hardly any font can raise."""


class NotFinite(UsageProblem):
    """Values without a difference: inf or nan."""


LISTED = 5
"""Names that a message shows."""


class ModelTable(NamedTuple):
    """What each model has on some maps: `values` of shape (maps, models); the group of each map, where it has one."""

    models: tuple[str, ...]
    maps: Sequence[str]
    values: Floats
    groups: Sequence[str] | None = None


def compare_all(
    table: ModelTable, best: Best = "low", *, resamples: int = 10_000, seed: int = 0, confidence: float = 0.95
) -> Comparison:
    """Compare every pair of models on one metric; a pair is significant if Holm's adjusted p <= 1 - confidence.

    Args:
        table: the value of each map for each model; where maps have groups these are the unit of every statistic.
        best: whether lower or higher values are better; "" if neither is.
        resamples: how many draws, as in `paired_columns`.
        seed: where the draws begin.
        confidence: of the intervals.

    Raises:
        UsageProblem: fewer than two models, or an argument that can mean nothing.
        NotFinite: a value is inf or nan.
        MissingDependency: scipy is not installed.

    >>> import numpy as np
    >>> maps = [f"{i:03}" for i in range(20)]
    >>> table = ModelTable(("good", "bad"), maps, np.full((20, 2), [0.1, 0.2]))
    >>> compare_all(table).pairs[0].winner
    'good'
    """
    _check_best(best)
    models, labels = table.models, table.groups
    if not len(models) > 1:
        msg = f"a comparison needs two models or more, but here is {_listed(models) or 'none'}"
        raise UsageProblem(msg)
    _check_finite(table)
    units = table.values if labels is None else group_means(table.values, labels)
    unit = "maps" if labels is None else "groups"
    indices = list(combinations(range(len(models)), 2))
    results = paired_columns(
        _differences(table.values, indices), groups=labels, resamples=resamples, seed=seed, confidence=confidence
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
        maps=table.maps,
        left_out={},
        notes=_few_note(len(units), unit, len(pairs), resamples, 1 - confidence)
        + (_frames_note(table.maps) if labels is None else ()),
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


def _check_finite(table: ModelTable) -> None:
    """Refuse values without differences.

    Raises:
        NotFinite: naming the models and the maps.
    """
    import numpy as np

    undefined = ~np.isfinite(table.values)
    if undefined.any():
        found = {model: _where(table.maps, undefined[:, index]) for index, model in enumerate(table.models)}
        counts = (
            f"{model} on {len(bad)} of {len(table.maps)} maps ({_listed(bad)})" for model, bad in found.items() if bad
        )
        msg = (
            f"inf or nan has no difference: {'; '.join(counts)}; leave such models out, "
            "or score with a metric that is finite, such as kld with --eps 1e-7"
        )
        raise NotFinite(msg)
    if (np.abs(table.values) > LARGEST).any():
        msg = f"values beyond {LARGEST:g} have no differences and squares that float64 can hold"
        raise NotFinite(msg)


def _where(names: Sequence[str], chosen: Iterable[bool]) -> list[str]:
    return [name for name, is_chosen in zip(names, chosen, strict=True) if is_chosen]


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
    owners = (first, name)
    numbers, shown = Counter[int](), defaultdict[int, list[str]](list)
    for map_, scores in map_by_map({"0": reference, "1": report}):
        owner = int(next(iter(scores)))
        if len(scores) == 1:
            numbers[owner] += 1
            shown[owner] += [map_] if len(shown[owner]) < SHOWN else []
    for owner, n in sorted(numbers.items()):
        more = f" and {n - SHOWN} more" if n > SHOWN else ""
        were = "was" if n == 1 else "were"
        yield f"{count(n, 'map')} {were} scored only in {owners[owner]}: {', '.join(shown[owner])}{more}"


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
    facts = _facts_of(reports, grouping)
    maps, left_out = facts.common.names, facts.common.left_out
    alike = not grouping and _has_groups(reports)
    comparisons: dict[str, Comparison] = {}
    notes: list[str] = []
    for key in keys:
        table = _table(reports, key, [key], facts)
        comparison, said = _compared_or_noted(key, table, len(maps), first.columns[key].best, resampling)
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


def why_nothing(reports: Mapping[str, Report]) -> str:
    """Why no metric has a number to compare: no map was scored for every model."""
    failed = [
        f"{model}: {failure.name}: {failure.message}"
        for model, report in reports.items()
        for failure in report.failures[:1]
    ]
    return "\n".join(("nothing to compare: no map was scored for every model", *failed))


def _compared_or_noted(
    key: str, table: ModelTable, n_maps: int, best: str, resampling: Resampling
) -> tuple[Comparison | None, list[str]]:
    """The comparison on one metric, if there can be any, and what is to be said of its numbers."""
    having = len(table.maps)
    said = [f"{key}: only {having} of {n_maps} maps have a number for every model"] if having < n_maps else []
    if not having:
        return None, said
    try:
        return compare_all(
            table,
            best,  # type: ignore[arg-type]
            resamples=resampling.resamples,
            seed=resampling.seed,
            confidence=resampling.confidence,
        ), said
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


class _Facts(NamedTuple):
    """What is known of all maps of some reports: which are common, whether maps have weights, what tells the groups."""

    common: CommonMaps
    is_weighted: bool
    group_of: Callable[[Score], str] | None


def _facts_of(reports: Mapping[str, Report], grouping: str) -> _Facts:
    """What is known of all maps.

    Raises:
        UsageProblem: the text says no grouping, a map has no group by it, or two models put it in different ones.
    """
    common = CommonMaps(reports)
    group_of = _grouped_by(grouping) if grouping else None
    is_weighted, n, lacking = False, 0, list[str]()
    for n, (name, scores) in enumerate(map_by_map(reports), 1):  # noqa: B007 - the last number is how many there are
        common.add(name, scores)
        is_weighted = is_weighted or any(score.weights for score in scores.values())
        if group_of is not None:
            _check_one_group(name, scores, grouping)
            lacking += [] if group_of(next(iter(scores.values()))) else [name]
    refuse_without_group(grouping, lacking, n)
    return _Facts(common, is_weighted and not grouping, group_of)


def _grouped_by(grouping: str) -> Callable[[Score], str]:
    """What tells the group of a map: its report, or its name."""
    of_name = groups_by(grouping, {})
    return (lambda score: score.group) if grouping == MANIFEST else lambda score: of_name(score.name)


def _check_one_group(name: str, scores: Mapping[str, Score], grouping: str) -> None:
    known = next(iter(scores.values())).group
    other = next((model for model, score in scores.items() if score.group != known), None)
    if grouping == MANIFEST and other is not None:
        msg = f"the map {name!r} is in the group {known!r}, but in {other} in {scores[other].group!r}"
        raise UsageProblem(msg)


def _table(reports: Mapping[str, Report], key: str, required: Sequence[str], facts: _Facts) -> ModelTable:
    """The values of the maps on which every model has the `required` metrics: numbers whose mean is the headline.

    Of a mean over pixels and of a number of all pixels together a value is what the map adds to it, to first order.
    """
    import numpy as np

    names, groups = Texts(), list[str]()
    values, weights = array("d"), array("d")
    sums: dict[str, dict[str, list[tuple[float, ...]]]] = {model: {} for model in reports}
    for name, scores in map_by_map(reports):
        if len(scores) < len(reports) or not all(one in score.values for score in scores.values() for one in required):
            continue
        names.append(name)
        group = facts.group_of(next(iter(scores.values()))) if facts.group_of else ""
        groups.append(intern(group))
        for model, score in scores.items():
            values.append(score.values[key])
            if facts.is_weighted:
                weights.append(score.weights.get(key, 1.0))
            if key in score.statistics:
                sums[model].setdefault(group, []).append(score.statistics[key])
    table = np.frombuffer(values, np.float64).reshape(len(names), len(reports)).copy()
    heavy = np.frombuffer(weights, np.float64).reshape(-1, len(reports)) if weights else None
    for place, rows in enumerate(sums.values()):
        if len(names) and sum(map(len, rows.values())) == len(names):
            table[:, place] = _pooled(key, rows, groups)
        elif heavy is not None:
            table[:, place] = _first_order(table[:, place], heavy[:, place])
    maps = facts.common.names if len(names) == len(facts.common.names) else tuple(names)
    return ModelTable(tuple(reports), maps, table, groups if facts.group_of else None)


def _pooled(key: str, rows: Mapping[str, Sequence[tuple[float, ...]]], groups: Sequence[str]) -> list[float]:
    """What each map adds to a number of all pixels together, or of those of its group."""
    found = {group: iter(influences(key, of_unit)) for group, of_unit in rows.items()}
    return [next(found[group]) for group in groups]


def _first_order(values: Floats, weights: Floats) -> Floats:
    """Numbers whose mean is the weighted mean of others.

    A weighted mean is, to first order, the mean of m + w (v - m) / mean(w), which intervals and tests then take.
    """
    total = exact_sum(weights.tolist())
    mean = weighted_mean(values.tolist(), weights.tolist())
    return mean + (weights * len(weights) / total if total else math.nan) * (values - mean)


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
    facts = _facts_of(reports, group_by or grouping_of(next(iter(reports.values()))))
    new, *others = reports
    columns = next(iter(reports.values())).columns
    tested: list[Rival] = []
    for key in keys:
        _, maps, values, groups = _table(reports, key, [key], facts)
        differences = values[:, :1] - values[:, 1:]
        if groups is not None:
            maps, differences = sorted(set(groups)), group_means(differences, groups)
        tested += [
            Rival(key, other, columns[key].best, dict(zip(maps, differences[:, place].tolist(), strict=True)))
            for place, other in enumerate(others)
        ]
    return worse_than(new, tested, "maps" if facts.group_of is None else "groups", resampling)


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
