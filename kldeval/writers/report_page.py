"""A report as a page: the summary, the tables of maps that are asked for, what went wrong, and the signatures."""

from __future__ import annotations

import heapq
import math
import re
from collections import Counter
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

from kldeval.errors import UsageProblem, count
from kldeval.records import NO_PREDICTION
from kldeval.reports.aggregate import summarise_means, summarise_scores
from kldeval.reports.ways import CEILING, CHANCES, PRIOR, REFERENCES, UNIFORM
from kldeval.sequences import Streamed
from kldeval.writers.numbers import ABSENT, Notation, level_of, natural, notation_for
from kldeval.writers.page import (
    Cell,
    Gates,
    Head,
    Missing,
    MissingMaps,
    Notes,
    Page,
    Paragraphs,
    Signatures,
    Table,
    filled,
    plain_heads,
)
from kldeval.writers.rounding_table import report_rounding

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from kldeval.records import Failure, Score
    from kldeval.reports.documents import Report, ShareOfWay, Summary
    from kldeval.writers.page import Block, Options


LISTED = 20
"""So many rows of a list a terminal shows, unless every map is asked for."""

WAY_DECIMALS = 3
"""Digits after the point of a share of the way from one reference to another."""


def report_page(report: Report, options: Options) -> Page:
    """The report for people.

    Raises:
        UsageProblem: the worst maps are asked for, and no metric has a better direction.
    """
    blocks: tuple[Block, ...] = (
        *_tables(report, options),
        *(report_rounding({"": report}) if options.verbose else ()),
        failure_list({"": report.failures}, options),
        Gates(tuple(("", gate) for gate in report.gates)),
        Notes(report.notes),
        Signatures((report.short,), tuple(report.signatures.values()), tuple(filter(None, (report.statistics,)))),
    )
    return Page(filled(blocks))


def failure_list(failures: Mapping[str, Sequence[Failure]], options: Options) -> MissingMaps:
    """The maps of each model that could not be scored, or not by some metric, in the order of their names."""
    unscored = _Unscored(failures)
    rows = unscored if any(isinstance(found, Streamed) for found in failures.values()) else tuple(unscored)
    title = missing_text(failure for found in failures.values() for failure in found)
    return MissingMaps(title, rows, None if options.per_map else LISTED)


class _Unscored(Streamed[Missing]):
    """What is said of each failure of each model, in the order of the names as people count."""

    def __init__(self, failures: Mapping[str, Sequence[Failure]]) -> None:
        self._failures = failures

    def __len__(self) -> int:
        return sum(map(len, self._failures.values()))

    def __getitem__(self, place: Any) -> Any:
        if isinstance(place, slice) and place == slice(place.stop) and place.stop is not None:
            return tuple(islice(self._rows(partial(heapq.nsmallest, place.stop)), place.stop))
        return super().__getitem__(place)

    def _from(self, start: int) -> Iterator[Missing]:
        return islice(self._rows(sorted), start, None)

    def _rows(self, in_order: Callable[..., list[Failure]]) -> Iterator[Missing]:
        for model, found in self._failures.items():
            for failure in in_order(found, key=_natural_name):
                yield Missing(failure.name, failure_reason(failure), failure.stage, model)


def _natural_name(failure: Failure) -> tuple[tuple[str | int, ...], str]:
    return natural(failure.name)


def failure_reason(failure: Failure) -> str:
    """Why there is no number, after the metric where it is one metric's alone."""
    return f"{failure.metric}: {failure.message}" if failure.metric else failure.message


def missing_text(failures: Iterable[Failure]) -> str:
    """How many maps could not be scored, and how many numbers of other maps are missing.

    >>> from kldeval.records import Failure
    >>> missing_text([Failure("a", "load", "damaged"), Failure("b", "score", "negative", metric="kld")])
    '1 map could not be scored, 1 number of other maps is missing'
    """
    counted = Counter(bool(failure.metric) for failure in failures)
    n_numbers, n_maps = counted[True], counted[False]
    others = " of other maps" if n_maps else ""
    numbers = f"{count(n_numbers, 'number')}{others} {'is' if n_numbers == 1 else 'are'} missing"
    maps = f"{count(n_maps, 'map')} could not be scored"
    return ", ".join(text for text, some in ((maps, n_maps or not n_numbers), (numbers, n_numbers)) if some)


def worst_scores(report: Report, number: int) -> list[Score]:
    """The maps that the first metric with a better direction likes least, worst first; undefined values before all.

    Raises:
        UsageProblem: no metric has a better direction.
    """
    key = ranking_metric(report)
    sign = -1.0 if report.columns[key].best == "low" else 1.0

    def badness(score: Score) -> tuple[bool, float]:
        value = score.values.get(key, math.nan)
        return not math.isnan(value), 0.0 if math.isnan(value) else sign * value

    return heapq.nsmallest(number, report.scores, key=badness)


def ranking_metric(report: Report) -> str:
    """The first metric with a better direction.

    Raises:
        UsageProblem: there is none.
    """
    for key in report.summaries:
        if report.columns[key].best:
            return key
    msg = f"the worst maps are asked for, but no metric has a better direction: {', '.join(report.summaries)}"
    raise UsageProblem(msg)


def _tables(report: Report, options: Options) -> Iterator[Table | Paragraphs]:
    """The summary, then the tables of single maps that the options ask for; of the only map its numbers, once.

    Without a number per map (`--reduction none`) there is none.
    """
    if report.summaries:
        yield from _only_map(report, options) if len(report.scores) == 1 else _tables_of_maps(report, options)
    if report.classes:
        yield _class_table(report, options.precision)


def _only_map(report: Report, options: Options) -> Iterator[Table | Paragraphs]:
    yield _map_table(report, report.scores, options.precision)
    if report.references:
        yield _reference_table(report, options.precision)
        yield from _way_blocks(report)


def _tables_of_maps(report: Report, options: Options) -> Iterator[Table | Paragraphs]:
    yield _summary_table(report, options.precision)
    if report.statistics:
        yield Paragraphs((_interval_legend(report),), dim=True)
    if report.references:
        yield _reference_table(report, options.precision)
        yield from _way_blocks(report)
    if report.groups:
        yield _group_table(report, options.precision)
    if options.per_map and report.scores:
        in_order = sorted(report.scores, key=lambda score: natural(score.name))
        yield _map_table(report, in_order, options.precision)
    if options.worst and report.scores:
        worst = worst_scores(report, options.worst)
        title = f"worst {len(worst)} of {len(report.scores)} maps by {ranking_metric(report)}"
        yield _map_table(report, worst, options.precision, title)


def _table(report: Report, heads: Iterable[Head], rows: Iterable[Iterable[Cell]], title: str = "") -> Table:
    """A table with the caption that a paper needs: how many maps, and how many are missing."""
    maps = title or count(len(report.scores), "map")
    unscored = sum(not failure.metric for failure in report.failures)
    failed = f", {unscored} could not be scored" if unscored else ""
    caption = f"{maps[0].upper()}{maps[1:]}{failed}"
    return Table(tuple(heads), tuple(map(tuple, rows)), title, caption=caption)


def _summary_table(report: Report, precision: int) -> Table:
    """A row per metric; a count of infinite and undefined values only when there is one."""
    odd = any(summary.n_nonfinite for summary in report.summaries.values())
    heads = [
        Head("metric", "metric"),
        Head("n"),
        Head("mean", is_headline=True),
        *plain_heads("number", "std", "median", "min", "max", *(("not finite",) if odd else ())),
    ]
    rows = (
        (_metric_cell(report, key), *_statistics(summary, precision, odd=odd))
        for key, summary in report.summaries.items()
    )
    return _table(report, heads, rows)


def _interval_legend(report: Report) -> str:
    """What the intervals behind the means are."""
    level = level_of(report.statistics)
    units = count(len(report.groups), "group") if report.groups else count(len(report.scores), "map")
    pooled = any(score.statistics for score in report.scores) and "|pooled:" in report.statistics
    if not pooled:
        return f"in brackets {level}intervals of the means (BCa bootstrap over {units})"
    means = any(key not in score.statistics for score in report.scores for key in score.values)
    how = f"bootstrap over {units} less its bias{', of means BCa' if means else ''}"
    return f"in brackets {level}intervals ({how})"


def _metric_cell(report: Report, key: str) -> Cell:
    column = report.columns[key]
    return Cell(key, better=column.best, unit=column.unit)


def _metric_head(report: Report, key: str) -> Head:
    """A metric; its unit is said in the summary, which the only map has not."""
    column = report.columns.get(key)
    if column is None:
        return Head(key)
    return Head(key, better=column.best, unit=column.unit, unit_is_said=len(report.scores) > 1)


def metric_notation(summary: Summary, precision: int) -> Notation:
    """A metric is as large as its median, or as its spread where it lies around 0."""
    usual = [abs(value) for value in (summary.median, summary.std) if value is not None and math.isfinite(value)]
    return notation_for((max(usual, default=0.0), summary.mean, summary.max, summary.min), precision)


def _statistics(summary: Summary, precision: int, *, odd: bool) -> list[Cell]:
    notation = metric_notation(summary, precision)
    others = map(notation.text, (summary.std, summary.median, summary.min, summary.max))
    mean = Cell(notation.text(summary.mean), interval=interval_text(summary.interval, notation))
    cells = [Cell(str(summary.n)), mean, *map(Cell, others)]
    return [*cells, Cell(str(summary.n_nonfinite or ABSENT))] if odd else cells


def interval_text(interval: tuple[float, float] | None, notation: Notation) -> str:
    """An interval in brackets; nothing where there is none."""
    return "" if interval is None else f"[{notation.text(interval[0])}, {notation.text(interval[1])}]"


def _map_table(report: Report, scores: Sequence[Score], precision: int, title: str = "") -> Table:
    """A row per map, and what the prediction leaves uncovered where it leaves anything."""
    columns: dict[str, list[str]] = {}
    for key, summary in report.summaries.items():
        notation = metric_notation(summary, precision)
        columns[key] = [notation.text(score.values.get(key)) for score in scores]
    heads = [Head("map", "map"), *(_metric_head(report, key) for key in columns)]
    if any(score.n_uncovered for score in scores):
        columns["uncovered"] = [str(score.n_uncovered) for score in scores]
        columns["mass"] = _masses([score.uncovered_mass for score in scores], precision)
        heads += plain_heads("number", "uncovered", "mass")
    names = (f"{score.name} (no prediction)" if NO_PREDICTION in score.remarks else score.name for score in scores)
    rows = zip(names, *columns.values(), strict=True)
    return _table(report, heads, (map(Cell, row) for row in rows), title)


def _group_table(report: Report, precision: int) -> Table:
    """A row per group with the means of its maps, then both ways to average them all."""
    keys = tuple(report.summaries)
    everything = _mean_over_all(report)
    both = {
        "mean over groups": summarise_means(keys, report.groups),
        everything: summarise_scores(keys, report.scores),
    }
    headline = list(both)[0 if report.averages_groups else 1]
    rows = {name: report.groups[name] for name in sorted(report.groups, key=natural)}
    numbers = [
        [metric_notation(report.summaries[key], precision).text(summaries[key].mean) for key in keys]
        for summaries in (*rows.values(), *both.values())
    ]
    counts = [str(next(iter(summaries.values())).n) for summaries in rows.values()]
    counts += [str(len(rows)), str(len(report.scores))]
    names = [*rows, *both]
    title = f"{count(len(rows), 'group')}; the headline is the {headline}"
    lines = zip(names, counts, *zip(*numbers, strict=True), strict=True)
    heads = [Head("group", "map"), Head("n"), *(_metric_head(report, key) for key in keys)]
    return _table(report, heads, (map(Cell, line) for line in lines), title)


def _reference_table(report: Report, precision: int) -> Table:
    """A row per metric: what the references reach, and the model."""
    names = [name for name in REFERENCES if name in report.references]
    rows = []
    for key, summary in report.summaries.items():
        notation = metric_notation(summary, precision)
        means = [*(report.references[name].get(key) for name in names), summary.mean]
        rows.append((_metric_cell(report, key), *map(Cell, map(notation.text, means))))
    heads = (Head("metric", "metric"), *plain_heads("number", *names, "model"))
    return _table(report, heads, rows, "beside the references")


def way_cell(share: ShareOfWay | None) -> Cell:
    """A share of the way with its interval."""
    notation = Notation(WAY_DECIMALS)
    if share is None:
        return Cell(ABSENT)
    return Cell(notation.text(share.value), interval=interval_text(share.interval, notation))


def _way_blocks(report: Report) -> Iterator[Table | Paragraphs]:
    """A row per metric with a ceiling: how far the model goes to it, from nothing and from the centre prior."""
    if report.ways is None:
        return
    shares = report.ways.shares
    chances = [chance for chance in CHANCES if any(chance in row for row in shares.values())]
    rows = [
        (_metric_cell(report, key), *(way_cell(row.get(chance)) for chance in chances)) for key, row in shares.items()
    ]
    heads = (Head("metric", "metric"), *plain_heads("number", *(f"from {WAY_ENDS[chance]}" for chance in chances)))
    yield _table(report, heads, rows, f"the share of the way to the {CEILING} (1)")
    yield Paragraphs(way_lines({"": report}), dim=True)


WAY_ENDS = {UNIFORM: "uniform", PRIOR: "the centre prior"}
"""Where a way begins, at 0."""


def way_lines(reports: Mapping[str, Report]) -> tuple[str, ...]:
    """What the intervals of the shares are, and why one of them, or a share, is not there."""
    ways = next((report.ways for report in reports.values() if report.ways), None)
    if ways is None:
        return ()
    shares = [share for row in ways.shares.values() for share in row.values()]
    level, unit = level_of(ways.statistics), re.search(r"unit:(\w+)", ways.statistics)
    drawn = (f"in brackets {level}intervals of {unit[1]} drawn anew",) if level and unit else ()
    return (*(drawn if any(share.interval for share in shares) else ()), *dict.fromkeys(_way_reasons(reports)))


def _way_reasons(reports: Mapping[str, Report]) -> Iterator[str]:
    """Why there is no share of the way, or no interval of it."""
    for model, report in reports.items():
        for key, row in report.ways.shares.items() if report.ways else ():
            for chance, share in row.items():
                if share.reason:
                    whose = f" of {model}" if model else ""
                    what = "no share" if share.value is None else "no interval of the share"
                    yield f"{key}{whose} from {WAY_ENDS[chance]}: {what}: {share.reason}"


def _mean_over_all(report: Report) -> str:
    """What the headline is where it is no mean over groups."""
    if not any(score.weights for score in report.scores):
        return "mean over maps"
    return "mean over fixations" if any(score.n_fixations for score in report.scores) else "mean over pixels"


def _class_table(report: Report, precision: int) -> Table:
    """A row per class of labels, with those metrics that are sums over its positions."""
    texts = []
    keys = [key for key in report.signatures if key in report.classes[0].values]
    for key in keys:
        values = [row.values[key] for row in report.classes]
        notation = notation_for(sorted(value for value in values if math.isfinite(value)), precision)
        texts.append([notation.text(value) for value in values])
    names = [(str(row.label), str(row.n)) for row in report.classes]
    rows = (map(Cell, (*name, *numbers)) for name, *numbers in zip(names, *texts, strict=True))
    heads = [Head("class", "map"), Head("pixels"), *(_metric_head(report, key) for key in keys)]
    return _table(report, heads, rows, "by the class of the label")


def _masses(masses: Sequence[float], precision: int) -> list[str]:
    notation = notation_for([max(masses)], precision)
    return [notation.text(mass) if mass else "0" for mass in masses]
