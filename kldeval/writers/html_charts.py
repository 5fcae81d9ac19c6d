"""Which charts an HTML page has: of a report, a leaderboard, a comparison or an audit."""

from __future__ import annotations

import math
from itertools import combinations
from typing import TYPE_CHECKING

from kldeval.reports.documents import ComparisonReport, Leaderboard, Report
from kldeval.reports.reliability import reliability_of
from kldeval.writers.charts import Chart, curves, forest, histogram, reliability_chart, scatter, slopes
from kldeval.writers.models_page import common_columns
from kldeval.writers.report_page import WAY_ENDS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from kldeval.reports.audit_documents import Audit

    Document = Report | Leaderboard | ComparisonReport | Audit


MOST_SCATTERS = 6
"""So many pairs of models are drawn against each other, those that the document names first."""

MOST_DIAGRAMS = 12
"""So many classes have a reliability diagram on a page, those that are calibrated worst."""

MOST_POINTS = 5000
"""A scatter of more maps shows every second, third, ... of them."""


def charts_of(document: Document, links: Mapping[str, str]) -> list[Chart]:
    """The charts of a document; `links` are the anchors of the maps that the page has pictures of."""
    if isinstance(document, Report):
        return list(_of_report(document))
    if isinstance(document, Leaderboard):
        return list(_of_leaderboard(document, links))
    return list(_of_comparison(document) if isinstance(document, ComparisonReport) else _of_audit(document))


def _of_report(report: Report) -> Iterator[Chart]:
    """A histogram per metric, and the classes of labels."""
    for key in report.summaries:
        values = [score.values[key] for score in report.scores if key in score.values]
        drawn = histogram(key, values, _axis(key, report.columns[key].unit))
        if drawn:
            yield drawn
    yield from _reliability_of(report)
    for key in report.signatures if report.classes else ():
        rows = [(f"class {row.label}", row.values.get(key), None) for row in report.classes]
        drawn = forest(f"{key} by the class of the label", rows, key)
        if drawn:
            yield drawn


def _reliability_of(report: Report) -> Iterator[Chart]:
    """A diagram per event of each calibration metric; of many classes those that are calibrated worst."""
    for key, diagrams in reliability_of(report).items():
        worst = sorted(diagrams, key=lambda one: -one.error if math.isfinite(one.error) else 0.0)[:MOST_DIAGRAMS]
        for one in (one for one in diagrams if one in worst):
            drawn = reliability_chart(f"reliability by {key}: {one.event}", {one.event: one})
            if drawn:
                yield drawn


def _reliability_of_models(board: Leaderboard) -> Iterator[Chart]:
    """The diagrams of all models in one chart for each metric that has one event."""
    found = {model: reliability_of(report) for model, report in board.reports.items()}
    for key in next(iter(found.values()), {}):
        of_models = {model: diagrams[key][0] for model, diagrams in found.items() if len(diagrams.get(key, ())) == 1}
        drawn = reliability_chart(f"reliability by {key}", of_models) if of_models else None
        if drawn:
            yield drawn


def _axis(key: str, unit: str) -> str:
    return f"{key} ({unit})" if unit else key


def _of_leaderboard(board: Leaderboard, links: Mapping[str, str]) -> Iterator[Chart]:
    """The means of each metric with their intervals, and models against each other by the first metric."""
    keys = common_columns(board.reports)
    for key, column in keys.items():
        compared = board.comparison.comparisons.get(key) if board.comparison else None
        rows = [
            (model, report.summaries[key].mean, compared.intervals.get(model) if compared else None)
            for model, report in board.reports.items()
        ]
        drawn = forest(f"mean {key}", rows, _axis(key, column.unit))
        if drawn:
            yield drawn
    yield from _ways_of(board)
    yield from _reliability_of_models(board)
    first = next((key for key, column in keys.items() if column.best), next(iter(keys), None))
    if first is not None:
        yield from _scatters(board, first, links)


def _ways_of(board: Leaderboard) -> Iterator[Chart]:
    """For each metric with a ceiling the share of the way that every model goes, from either chance."""
    held = {model: report.ways.shares for model, report in board.reports.items() if report.ways}
    for key in dict.fromkeys(key for shares in held.values() for key in shares):
        for chance, end in WAY_ENDS.items():
            found = {model: shares[key][chance] for model, shares in held.items() if chance in shares.get(key, {})}
            rows = [(model, share.value, share.interval) for model, share in found.items()]
            drawn = forest(f"{key}: share of the way from {end} (0) to the ceiling (1)", rows, "share")
            if drawn:
                yield drawn


def _scatters(board: Leaderboard, key: str, links: Mapping[str, str]) -> Iterator[Chart]:
    values = {
        model: {score.name: score.values.get(key, math.nan) for score in report.scores}
        for model, report in board.reports.items()
    }
    for first, second in list(combinations(values, 2))[:MOST_SCATTERS]:
        names = list(values[first])
        step = math.ceil(len(names) / MOST_POINTS)
        shown = [name for place, name in enumerate(names) if place % step == 0 or name in links]
        xs, ys = ([values[model][name] for name in shown] for model in (first, second))
        drawn = scatter(
            f"{key} of {second} against {first}", shown, xs, ys, (f"{key} of {first}", f"{key} of {second}"), links
        )
        if drawn:
            yield drawn


def _of_comparison(report: ComparisonReport) -> Iterator[Chart]:
    """For each metric the differences of all pairs of models with their intervals."""
    for key, comparison in report.comparisons.items():
        rows = [
            (f"{pair.first} - {pair.second}", pair.result.mean_difference, pair.result.interval)
            for pair in comparison.pairs
        ]
        drawn = forest(f"differences of {key}", rows, _axis(key, report.columns[key].unit), with_zero=True)
        if drawn:
            yield drawn


def _rounding_of(audit: Audit) -> Iterator[Chart]:
    """For each model the numbers under every convention with the worst case of rounding."""
    for model in audit.models if audit.rounding else ():
        rows = []
        for name in (group[0] for group in audit.groups):
            one = audit.bounds[name][model]
            if one.low is not None and one.outer is not None:
                rows.append((name, audit.standings[name][model].mean, (one.low, one.outer)))
        drawn = forest(f"worst case of rounding ({audit.rounding}): {model}", rows, _axis("kld", "nats"))
        if drawn:
            yield drawn


def _of_audit(audit: Audit) -> Iterator[Chart]:
    """Ranks over conventions, lines that cross are models that change places; and the KLD over epsilon."""
    stations = [group[0] for group in audit.groups]
    if len(audit.models) > 1:
        ranks = {model: [audit.standings[name][model].rank for name in stations] for model in audit.models}
        yield slopes("rank of each prediction under each convention", stations, ranks)
    else:
        rows = [(name, audit.standings[name][audit.models[0]].mean, None) for name in stations]
        drawn = forest(f"{audit.metric} under each definition", rows, _axis(audit.metric, audit.column.unit))
        if drawn:
            yield drawn
    yield from _rounding_of(audit)
    if audit.curve and audit.curve.n:
        drawn = curves("KLD over epsilon", audit.curve.epsilons, audit.curve.kld, ("epsilon", "nats"))
        if drawn:
            yield drawn
