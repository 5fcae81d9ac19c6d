"""Several models on the maps that were scored for all of them, and how they compare."""

from __future__ import annotations

import math
import os
from dataclasses import replace
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from kldeval.errors import UsageProblem, count, examples, printable
from kldeval.grammar import split_call, unknown
from kldeval.metrics.registry import LABEL_METRICS, METRICS
from kldeval.reports.comparison import common_keys, compare_reports
from kldeval.reports.documents import Leaderboard, Resampling
from kldeval.reports.intervals import resampling_of
from kldeval.reports.merging import merge, resummarise, rows_like
from kldeval.reports.side_by_side import CommonMaps, common_maps, map_by_map
from kldeval.reports.ways import with_ways
from kldeval.urls import displayed, without_query

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from kldeval.records import Score
    from kldeval.reports.documents import Report


def make_leaderboard(
    reports: Mapping[str, Report],
    resampling: Resampling,
    *,
    sort: str | None = None,
    provenance: Mapping[str, object] | None = None,
) -> Leaderboard:
    """The leaderboard of these models; the unit of intervals and tests is what the headline averages.

    The models are in the order given, or the best by the metric `sort` first.

    Raises:
        UsageProblem: the reports have no metric in common, or there is no `sort` among them.
        MissingDependency: scipy is not installed.
    """
    restricted, left_out = on_common_maps(reports)
    shared = next((report for report in restricted.values() if report.references), None)
    if shared:
        restricted = {model: with_ways(report, resampling, shared.scores) for model, report in restricted.items()}
    if sort is not None:
        restricted = _sorted(restricted, sort)
    any_common = any(report.scores for report in restricted.values())
    comparison = compare_reports(restricted, resampling, provenance=provenance) if any_common else None
    return Leaderboard(restricted, comparison, left_out, tuple(_notes(restricted, left_out)))


def check_adaptive_bins(reports: Mapping[str, Report]) -> None:
    """Refuse reports of other maps that have a metric in common whose bins are of all maps of its run.

    Raises:
        UsageProblem: naming the metric and the way out.
    """
    left_out = common_maps(reports).left_out
    for key in common_keys(reports) if left_out else ():
        name = split_call(key)[0]
        if any(name in registry and registry[name].info.forecasts is not None for registry in (METRICS, LABEL_METRICS)):
            msg = (
                f"{key} has bins of equal numbers over all maps of a run, and not every report "
                f"has the same maps (such as {examples(left_out)}): score the models in one run"
            )
            raise UsageProblem(msg)


def merge_leaderboards(parts: Mapping[str, Leaderboard], *, sort: str | None = None) -> Leaderboard:
    """One leaderboard of all maps; `parts` are leaderboards of shares of them by the names of their files.

    Intervals and tests are drawn again, of all maps, as those of the parts were.

    Raises:
        UsageProblem: the models or the draws differ, or as `merge`.
    """
    first, reference = next(iter(parts.items()))
    for file, part in parts.items():
        if set(part.reports) != set(reference.reports):
            ours, theirs = (", ".join(sorted(board.reports)) for board in (reference, part))
            msg = f"{first} has the models {ours}, but {file} has {theirs}: they cannot be merged"
            raise UsageProblem(msg)
    reports = {
        model: merge(
            {file: part.reports[model] for file, part in parts.items()},
            {file: _count_scored(part, model) for file, part in parts.items()},
        )
        for model in reference.reports
    }
    provenance = next((part.comparison.provenance for part in parts.values() if part.comparison), None)
    made = make_leaderboard(reports, _resampling(parts), sort=sort, provenance=provenance)
    left_out = {name: models for part in parts.values() for name, models in part.left_out.items()}
    left_out = dict(sorted(left_out.items()))
    return replace(made, left_out=left_out, notes=tuple(_notes(made.reports, left_out)))


def _count_scored(board: Leaderboard, model: str) -> int:
    """How many maps of a model were scored, also where another model lacks them."""
    return len(board.reports[model].scores) + sum(model not in lacking for lacking in board.left_out.values())


def _resampling(parts: Mapping[str, Leaderboard]) -> Resampling:
    """How the intervals of all parts were drawn.

    Raises:
        UsageProblem: not in one way.
    """
    drawn = {file: part.comparison.statistics.partition("|")[0] for file, part in parts.items() if part.comparison}
    if len(set(drawn.values())) > 1:
        (first, ours), (other, theirs) = (
            next(iter(drawn.items())),
            next(item for item in drawn.items() if item[1] != next(iter(drawn.values()))),
        )
        msg = f"{first} was drawn by {ours}, but {other} by {theirs}: they cannot be merged"
        raise UsageProblem(msg)
    return resampling_of(next(iter(drawn.values()), "paired"))


def on_common_maps(
    reports: Mapping[str, Report],
) -> tuple[dict[str, Report], Mapping[str, tuple[str, ...]]]:
    """The reports on the maps that all of them have, and the other maps, each with the models that lack it.

    A metric that some model has, but not on a map, counts there for no model.
    """
    common = CommonMaps(reports)
    rows = {model: rows_like(report) for model, report in reports.items()}
    for name, scores in map_by_map(reports):
        if common.add(name, scores):
            lacking = {key for model, score in scores.items() for key in reports[model].summaries.keys() - score.values}
            for model, score in scores.items():
                rows[model].add([_without(score, lacking)])
    return {model: resummarise(report, rows[model]) for model, report in reports.items()}, common.left_out


def _without(score: Score, keys: set[str]) -> Score:
    """The score without the numbers of these metrics."""
    if not keys:
        return score
    return replace(
        score,
        values={key: value for key, value in score.values.items() if key not in keys},
        weights={key: weight for key, weight in score.weights.items() if key not in keys},
        statistics={key: sums for key, sums in score.statistics.items() if key not in keys},
    )


def _sorted(reports: dict[str, Report], key: str) -> dict[str, Report]:
    """The reports, the best mean of a metric first; undefined ones last, and equal ones in the order given."""
    keys = common_keys(reports)
    if key not in keys:
        raise unknown("metric", key, keys)

    def badness(model: str) -> tuple[bool, float]:
        mean = reports[model].summaries[key].mean
        if mean is None or math.isnan(mean):
            return True, 0.0
        return False, -mean if reports[model].columns[key].best == "high" else mean

    return {model: reports[model] for model in sorted(reports, key=badness)}


def _notes(reports: Mapping[str, Report], left_out: Mapping[str, tuple[str, ...]]) -> Iterator[str]:
    if left_out:
        yield f"only maps that were scored for every model count; {len(left_out)} others were left out"
    with_rows = {model: report.references for model, report in reports.items() if report.references}
    others = [model for model, rows in with_rows.items() if rows != next(iter(with_rows.values()))]
    if others:
        yield (
            f"the reference rows are those of {next(iter(with_rows))}; {', '.join(others)} had others, to which the "
            "shares of the way belong"
        )
    for note in dict.fromkeys(note for report in reports.values() for note in report.notes):
        yield f"{', '.join(model for model, report in reports.items() if note in report.notes)}: {note}"


def name_models(paths: Sequence[str | os.PathLike[str]], names: Sequence[str] = ()) -> list[str]:
    """The name of each model: `names` where they are given, else the shortest distinguishing part of its path.

    >>> name_models(["runs/deep/maps", "runs/wide/maps"]), name_models(["old/a.json", "new/b.json"])
    (['deep', 'wide'], ['a', 'b'])

    Raises:
        UsageProblem: there is not one name for each path, a name stands twice, or a path does.
    """
    if names:
        return _names_for_paths(paths, names)
    whole = [PurePath(os.path.abspath(_called(path))).parts for path in paths]  # noqa: PTH100 - nothing is looked up
    if len(set(whole)) < len(whole):
        twice = next(printable(path) for path, parts in zip(paths, whole, strict=True) if whole.count(parts) > 1)
        msg = f"{twice} is given twice: every model needs a path of its own"
        raise UsageProblem(msg)
    bare = [(*parts[:-1], PurePath(parts[-1]).stem) for parts in whole]
    return _distinguishing(bare if len(set(bare)) == len(bare) else whole)


def _called(path: str | os.PathLike[str]) -> str:
    """What a model may be named after: of a URL all but credentials and a query."""
    return displayed(without_query(Path(path)))


def _names_for_paths(paths: Sequence[str | os.PathLike[str]], names: Sequence[str]) -> list[str]:
    if len(names) != len(paths):
        msg = f"{count(len(names), 'name')} for {count(len(paths), 'model')}: give --name once for each, in their order"
        raise UsageProblem(msg)
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        msg = f"--name {twice[0]} is given twice: every model needs its own"
        raise UsageProblem(msg)
    return list(names)


def _distinguishing(paths: Sequence[tuple[str, ...]]) -> list[str]:
    shared = _shared(paths)
    rest = [path[shared:] for path in paths]
    ending = _shared([path[::-1] for path in rest])
    rest = [path[: len(path) - ending] for path in rest]
    for place in (-1, 0):
        names = [path[place] for path in rest]
        if len(set(names)) == len(names):
            return names
    return ["/".join(path) for path in rest]


def _shared(paths: Sequence[tuple[str, ...]]) -> int:
    """How many first parts all paths share, when each keeps one part at least."""
    most = min(map(len, paths)) - 1
    return next((place for place in range(most) if len({path[place] for path in paths}) > 1), most)
