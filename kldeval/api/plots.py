"""Documents as plots of matplotlib: every function draws on Axes and returns them, and none shows a figure."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from kldeval.api.shown import extra_package
from kldeval.errors import UsageProblem

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kldeval.reports.audit_documents import Audit
    from kldeval.reports.documents import Comparison, Leaderboard, Report

BINS = 30
"""Of a histogram, at most."""


def plot_histogram(report: Report, key: str, ax: Any) -> Any:
    """How the numbers of one metric are distributed over maps, with their mean."""
    values = _finite(list(_values(report, key).values()))
    ax = _axes(ax)
    ax.hist(values, bins=min(BINS, max(5, math.isqrt(len(values)))))
    mean = report.summaries[key].mean
    if mean is not None and math.isfinite(mean):
        ax.axvline(mean, color="black", linestyle="--", label=f"mean {mean:.4g}")
        ax.legend()
    ax.set_xlabel(_label(report, key))
    ax.set_ylabel(f"maps (of {len(report.scores)})")
    return _signed(ax, report)


def plot_worst(report: Report, key: str, number: int, ax: Any) -> Any:
    """The maps that a metric likes least, worst on top."""
    best = report.columns[key].best
    if not best:
        msg = f"{key} is better neither low nor high, so no map is the worst; name another metric"
        raise UsageProblem(msg)
    found = {name: value for name, value in _values(report, key).items() if math.isfinite(value)}
    names = sorted(found, key=found.__getitem__, reverse=best == "low")[:number]
    ax = _axes(ax)
    ax.barh(range(len(names)), [found[name] for name in names])
    ax.set_yticks(range(len(names)), names)
    ax.invert_yaxis()
    ax.set_xlabel(_label(report, key))
    return _signed(ax, report)


def plot_against(reports: Mapping[str, Report], key: str, ax: Any) -> Any:
    """The numbers of the maps of one model against those of another, with the line where both are equal.

    Raises:
        UsageProblem: the two were not scored alike, or have no map in common.
    """
    (first, one), (second, other) = reports.items()
    if one.signatures.get(key) != other.signatures.get(key):
        texts = [report.signatures.get(key, "none") for report in (one, other)]
        msg = f"the two reports differ in the signature of {key}: {texts[0]} and {texts[1]}"
        raise UsageProblem(msg)
    xs, ys = _values(one, key), _values(other, key)
    common = [name for name in xs if name in ys and math.isfinite(xs[name]) and math.isfinite(ys[name])]
    if not common:
        msg = "the two reports have no map in common"
        raise UsageProblem(msg)
    ax = _axes(ax)
    ax.scatter([xs[name] for name in common], [ys[name] for name in common], s=12)
    ends = [end(side[name] for name in common for side in (xs, ys)) for end in (min, max)]
    ax.plot(ends, ends, color="black", linewidth=0.8)
    ax.set_xlabel(f"{first}: {_label(one, key)}")
    ax.set_ylabel(f"{second}: {_label(other, key)}")
    return _signed(ax, one)


def plot_models(leaderboard: Leaderboard, key: str, ax: Any) -> Any:
    """The mean of each model, with its interval where there are several maps."""
    compared = leaderboard.comparison.comparisons.get(key) if leaderboard.comparison else None
    models = [model for model, report in leaderboard.reports.items() if report.summaries[key].mean is not None]
    means = [float(leaderboard.reports[model].summaries[key].mean or 0.0) for model in models]
    ax = _axes(ax)
    spans = [
        (compared.intervals.get(model) if compared else None) or (mean, mean)
        for model, mean in zip(models, means, strict=True)
    ]
    ax.errorbar(means, range(len(models)), xerr=_arms(means, spans), fmt="o", capsize=3)
    ax.set_yticks(range(len(models)), models)
    ax.invert_yaxis()
    first = next(iter(leaderboard.reports.values()))
    ax.set_xlabel(f"mean {_label(first, key)}")
    return _signed(ax, first)


def plot_differences(comparison: Comparison, key: str, ax: Any) -> Any:
    """The mean difference of each pair of models, with its interval and a line at no difference."""
    means = [pair.result.mean_difference for pair in comparison.pairs]
    spans = [pair.result.interval or (mean, mean) for pair, mean in zip(comparison.pairs, means, strict=True)]
    ax = _axes(ax)
    ax.errorbar(means, range(len(means)), xerr=_arms(means, spans), fmt="o", capsize=3)
    ax.axvline(0, color="black", linewidth=0.8)
    ax.set_yticks(range(len(means)), [f"{pair.first} - {pair.second}" for pair in comparison.pairs])
    ax.invert_yaxis()
    ax.set_xlabel(f"mean difference of {key} ({100 * comparison.confidence:g} % intervals)")
    return ax


def plot_audit(audit: Audit, ax: Any) -> Any:
    """What each convention makes of each model: a line for each convention, from model to model."""
    ax = _axes(ax)
    names = [name for name, rows in audit.standings.items() if any(_is_number(one.mean) for one in rows.values())]
    for model in audit.models:
        points = [(audit.standings[name][model].mean, place) for place, name in enumerate(names)]
        shown = [(mean, place) for mean, place in points if mean is not None and math.isfinite(mean)]
        ax.plot([mean for mean, _ in shown], [place for _, place in shown], "o", label=model, markersize=4)
    ax.set_yticks(range(len(names)), names)
    ax.invert_yaxis()
    means = [one.mean for name in names for one in audit.standings[name].values()]
    if all(mean is None or mean > 0 for mean in means):
        ax.set_xscale("log")
    ax.set_xlabel(f"mean {audit.metric} ({audit.column.unit})" if audit.column.unit else f"mean {audit.metric}")
    if len(audit.models) > 1:
        ax.legend()
    return ax


def _is_number(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def _axes(ax: Any) -> Any:
    if ax is not None:
        return ax
    return extra_package("matplotlib.pyplot", "plots need matplotlib", "plot").subplots(layout="constrained")[1]


def _values(report: Report, key: str) -> dict[str, float]:
    return {score.name: score.values[key] for score in report.scores if key in score.values}


def _finite(values: Sequence[float]) -> list[float]:
    return [value for value in values if math.isfinite(value)]


def _arms(means: Sequence[float], spans: Sequence[tuple[float, float]]) -> list[list[float]]:
    """How far an interval reaches below and above its mean; rounding may put the mean an ulp outside."""
    return [
        [max(0.0, end) for end in ends]
        for ends in zip(*((m - low, high - m) for m, (low, high) in zip(means, spans, strict=True)), strict=True)
    ]


def _label(report: Report, key: str) -> str:
    unit = report.columns[key].unit
    return f"{key} ({unit})" if unit else key


def _signed(ax: Any, report: Report) -> Any:
    """The Axes with what made the numbers above them."""
    ax.set_title(report.short, fontsize="small", loc="left")
    return ax
