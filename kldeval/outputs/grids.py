"""What every table for people holds, as texts: the summary, the maps, the worst maps."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kldeval.errors import UsageProblem
from kldeval.outputs.notation import ABSENT, ARROWS, Notation, count, natural, notation_for
from kldeval.results.references import CEILING, PRIOR, REFERENCES, share_of_the_way
from kldeval.results.summary import summarise_means, summarise_scores

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kldeval.outputs.options import Options
    from kldeval.records import Score
    from kldeval.results.report import Report, Summary


WAY_DECIMALS = 3
"""Digits after the point of a share of the way from one reference to another."""


@dataclass(frozen=True, slots=True)
class Grid:
    """Rows under a head: the first column holds names of metrics, maps or groups, the others numbers as texts."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    title: str = ""

    @property
    def names_metrics(self) -> bool:
        """Whether the rows are metrics; else they are maps or groups, and the metrics are in the head."""
        return self.head[0] == "metric"


def summary_grid(report: Report, precision: int) -> Grid:
    """A row per metric; a count of infinite and undefined values only when there is one."""
    head = ("metric", "n", "mean", "std", "median", "min", "max")
    odd = any(summary.n_nonfinite for summary in report.summaries.values())
    rows = ((key, *_statistics(summary, precision, odd=odd)) for key, summary in report.summaries.items())
    return Grid((*head, "not finite") if odd else head, tuple(rows))


def grids(report: Report, options: Options) -> list[Grid]:
    """The summary, then the grids of single maps that the options ask for; of the only map its numbers, once.

    Without a number per map (`--reduction none`) there is none.

    Raises:
        UsageProblem: the worst maps are asked for, and no metric has a better direction.
    """
    return [*_map_grids(report, options), *([_class_grid(report, options.precision)] if report.classes else [])]


def _map_grids(report: Report, options: Options) -> list[Grid]:
    if not report.summaries:
        return []
    if len(report.scores) == 1:
        references = [_reference_grid(report, options.precision)] if report.references else []
        return [_map_grid(report, report.scores, options.precision, ""), *references]
    found = [summary_grid(report, options.precision)]
    if report.references:
        found.append(_reference_grid(report, options.precision))
    if report.groups:
        found.append(_group_grid(report, options.precision))
    if options.per_map and report.scores:
        in_order = sorted(report.scores, key=lambda score: natural(score.name))
        found.append(_map_grid(report, in_order, options.precision, ""))
    if options.worst and report.scores:
        worst = worst_scores(report, options.worst)
        title = f"worst {len(worst)} of {len(report.scores)} maps by {_ranking_metric(report)}"
        found.append(_map_grid(report, worst, options.precision, title))
    return found


def worst_scores(report: Report, number: int) -> list[Score]:
    """The maps that the first metric with a better direction likes least, worst first; undefined values before all.

    Raises:
        UsageProblem: no metric has a better direction.
    """
    key = _ranking_metric(report)
    sign = -1.0 if report.columns[key].best == "low" else 1.0

    def badness(score: Score) -> tuple[bool, float]:
        value = score.values[key]
        return not math.isnan(value), 0.0 if math.isnan(value) else sign * value

    return sorted(report.scores, key=badness)[:number]


def arrow(report: Report, key: str) -> str:
    """The arrow of the better direction; nothing for a metric that has none, or for a head that is no metric."""
    return ARROWS.get(report.columns[key].best, "") if key in report.columns else ""


def unit(report: Report, key: str) -> str:
    """The unit of a metric; nothing for a head that is no metric."""
    return report.columns[key].unit if key in report.columns else ""


def label(report: Report, key: str) -> str:
    """A metric with its arrow and unit, as `kld ↓ (nats)`."""
    parts = (key, arrow(report, key), f"({unit(report, key)})" if unit(report, key) else "")
    return " ".join(part for part in parts if part)


def _ranking_metric(report: Report) -> str:
    for key in report.summaries:
        if report.columns[key].best:
            return key
    msg = f"the worst maps are asked for, but no metric has a better direction: {', '.join(report.summaries)}"
    raise UsageProblem(msg)


def _notation(summary: Summary, precision: int) -> Notation:
    """A metric is as large as its median, or as its spread where it lies around 0."""
    usual = [abs(value) for value in (summary.median, summary.std) if value is not None and math.isfinite(value)]
    return notation_for((max(usual, default=0.0), summary.mean, summary.max, summary.min), precision)


def _statistics(summary: Summary, precision: int, *, odd: bool) -> list[str]:
    notation = _notation(summary, precision)
    values = (summary.mean, summary.std, summary.median, summary.min, summary.max)
    numbers = [str(summary.n), *map(notation.text, values)]
    return [*numbers, str(summary.n_nonfinite or ABSENT)] if odd else numbers


def _map_grid(report: Report, scores: Sequence[Score], precision: int, title: str) -> Grid:
    """A row per map, and what the prediction leaves uncovered where it leaves anything."""
    columns: dict[str, list[str]] = {}
    for key, summary in report.summaries.items():
        notation = _notation(summary, precision)
        columns[key] = [notation.text(score.values[key]) for score in scores]
    if any(score.n_uncovered for score in scores):
        columns["uncovered"] = [str(score.n_uncovered) for score in scores]
        columns["mass"] = _masses([score.uncovered_mass for score in scores], precision)
    rows = zip((score.name for score in scores), *columns.values(), strict=True)
    return Grid(("map", *columns), tuple(rows), title)


def _group_grid(report: Report, precision: int) -> Grid:
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
        [_notation(report.summaries[key], precision).text(summaries[key].mean) for key in keys]
        for summaries in (*rows.values(), *both.values())
    ]
    counts = [str(next(iter(summaries.values())).n) for summaries in rows.values()]
    counts += [str(len(rows)), str(len(report.scores))]
    names = [*rows, *both]
    title = f"{count(len(rows), 'group')}; the headline is the {headline}"
    lines = zip(names, counts, *zip(*numbers, strict=True), strict=True)
    return Grid(("group", "n", *keys), tuple(lines), title)


def _reference_grid(report: Report, precision: int) -> Grid:
    """A row per metric: what the references reach, the model, and where it stands between them."""
    names = [name for name in REFERENCES if name in report.references]
    has_way = {PRIOR, CEILING} <= set(names)
    rows = []
    for key, summary in report.summaries.items():
        notation = _notation(summary, precision)
        means = [*(report.references[name].get(key) for name in names), summary.mean]
        way = [share_of_the_way(summary.mean, report.references, key)] if has_way else []
        rows.append((key, *map(notation.text, means), *map(Notation(WAY_DECIMALS).text, way)))
    head = ("metric", *names, "model", *(("way",) if has_way else ()))
    explained = f"; the way is that from the {PRIOR} (0) to the {CEILING} (1)" if has_way else ""
    return Grid(head, tuple(rows), f"beside the references{explained}")


def _mean_over_all(report: Report) -> str:
    """What the headline is where it is no mean over groups."""
    if not any(score.weights for score in report.scores):
        return "mean over maps"
    return "mean over fixations" if any(score.n_fixations for score in report.scores) else "mean over pixels"


def _class_grid(report: Report, precision: int) -> Grid:
    """A row per class of labels."""
    columns = {key: [row.values[key] for row in report.classes] for key in report.signatures}
    texts = {}
    for key, values in columns.items():
        notation = notation_for(sorted(value for value in values if math.isfinite(value)), precision)
        texts[key] = [notation.text(value) for value in values]
    rows = zip(
        (str(row.label) for row in report.classes), (str(row.n) for row in report.classes), *texts.values(), strict=True
    )
    return Grid(("class", "pixels", *texts), tuple(rows), "by the class of the label")


def _masses(masses: Sequence[float], precision: int) -> list[str]:
    notation = notation_for([max(masses)], precision)
    return [notation.text(mass) if mass else "0" for mass in masses]
