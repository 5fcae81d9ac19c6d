"""Learning curves of the gold standard as a page, as JSON, and as charts."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from kldeval.errors import count
from kldeval.reports.json_numbers import json_interval, json_number
from kldeval.reports.learning_curves import GOLD, LEFT_OUT, OBSERVERS_SCHEMA
from kldeval.writers.charts import learning_chart
from kldeval.writers.json import as_json, failure_row, share_row
from kldeval.writers.numbers import ABSENT, ARROWS, Notation, level_of, notation_for
from kldeval.writers.page import (
    Cell,
    Head,
    MissingMaps,
    Notes,
    Page,
    Paragraphs,
    Signatures,
    Table,
    filled,
    missing_of,
    plain_heads,
)
from kldeval.writers.report_page import LISTED, WAY_DECIMALS, interval_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kldeval.reports.learning_curves import CurvePoint, LearningCurve, LearningCurves, Limit
    from kldeval.writers.charts import Chart
    from kldeval.writers.page import Block

EXTRAPOLATED = "extrapolated"

METHODS = {
    LEFT_OUT: "n observers predict another one (leave-one-out)",
    "split-half": "n observers predict n others (split-half)",
}


def observers_page(found: LearningCurves) -> Page:
    """For each metric the curve, and where the models stand between chance and it."""
    return Page(filled(_blocks(found)))


def _blocks(found: LearningCurves) -> Iterator[Block]:
    for curve in found.curves:
        yield _curve_table(curve, len(found.images))
        if curve.limit is not None:
            yield Paragraphs((_limit_words(curve.limit),), dim=True)
        if found.models:
            yield _share_table(curve, found)
    yield Paragraphs((*_legend(found), *dict.fromkeys(_reasons(found))), dim=True)
    rows = missing_of(found.failures)
    yield MissingMaps(f"{count(len(rows), 'image')} could not be scored", rows, LISTED)
    yield Notes(found.notes)
    lines = tuple(curve.signature for curve in found.curves)
    yield Signatures((), lines, (found.statistics,))


def _legend(found: LearningCurves) -> tuple[str, ...]:
    """What the intervals behind the means are, where there are some."""
    level = level_of(found.statistics)
    if not level or not any(point.interval for curve in found.curves for point in curve.points):
        return ()
    return (f"in brackets {level}intervals of images drawn anew",)


def _notation(curve: LearningCurve) -> Notation:
    values = [value for point in curve.points for value in (point.gold, *(one.mean for one in point.models.values()))]
    return notation_for(sorted(value for value in values if math.isfinite(value)), 4)


def _curve_table(curve: LearningCurve, n_images: int) -> Table:
    """A row per number of observers, and one for the end where it is extrapolated."""
    notation, column = _notation(curve), curve.column
    rows = [
        (
            Cell(str(point.n)),
            Cell(f"{point.bandwidth:g}"),
            Cell(f"{point.uniform:g}"),
            Cell(notation.text(point.gold), interval=interval_text(point.interval, notation)),
            Cell(notation.text(point.chance)),
        )
        for point in curve.points
    ]
    if curve.limit is not None and curve.limit.value is not None:
        end = Cell(notation.text(curve.limit.value), interval=interval_text(curve.limit.interval, notation))
        rows.append((Cell(EXTRAPOLATED), Cell(ABSENT), Cell(ABSENT), end, Cell(notation.text(curve.points[-1].chance))))
    unit = f" {column.unit}" if column.unit else ""
    head = f"{curve.metric} {ARROWS.get(column.best, '')}{unit}"
    title = f"{head}: {METHODS[curve.method]}, mean over {count(n_images, 'image')}"
    heads = (Head("observers", "text"), *plain_heads("number", "bandwidth", "uniform", GOLD, "chance"))
    return Table(heads, tuple(rows), title)


def _limit_words(limit: Limit) -> str:
    if limit.value is None:
        return f"nothing is extrapolated: {limit.reason}"
    law = f"a {limit.law}, b = {limit.exponent:.2g}"
    without = f"; no interval: {limit.reason}" if limit.interval is None and limit.reason else ""
    return f"{EXTRAPOLATED} to ever more observers by {law}: an assumption, no measurement{without}"


def _share_table(curve: LearningCurve, found: LearningCurves) -> Table:
    """A row per model: its mean at most observers, and its share of the way for each number of them."""
    notation, ways = _notation(curve), Notation(WAY_DECIMALS)
    last = curve.points[-1]
    has_end = curve.limit is not None and bool(curve.limit.shares)
    rows = []
    for name in found.models:
        model = last.models[name]
        shares = [
            Cell(ways.text(one.value), interval=interval_text(one.interval, ways))
            for one in (point.models[name].share for point in curve.points)
        ]
        end = [Cell(ways.text(curve.limit.shares.get(name)))] if curve.limit is not None and has_end else []
        mean = Cell(notation.text(model.mean), interval=interval_text(model.interval, notation))
        rows.append((Cell(name), mean, *shares, *end))
    names = [f"n={point.n}" for point in curve.points] + ([EXTRAPOLATED] if has_end else [])
    at = "" if curve.method == LEFT_OUT else f"; its {curve.metric} is that against halves of {last.n}"
    title = f"{curve.metric}: a model's share of the way from chance (0) to n observers (1){at}"
    return Table((Head("model", "model"), Head(curve.metric), *plain_heads("number", *names)), tuple(rows), title)


def _reasons(found: LearningCurves) -> Iterator[str]:
    """Why a share, or its interval, is not there."""
    for curve in found.curves:
        for point in curve.points:
            for name, model in point.models.items():
                if model.share.reason:
                    what = "no share" if model.share.value is None else "no interval of the share"
                    yield f"{curve.metric} of {name}, n={point.n}: {what}: {model.share.reason}"


def observers_json(found: LearningCurves) -> str:
    """The curves, the values of every image, and what made them."""
    return as_json(
        {
            "schema": OBSERVERS_SCHEMA,
            "signature": {curve.metric: curve.signature for curve in found.curves},
            "statistics": found.statistics,
            "chance": found.chance,
            "sigma": found.sigma,
            "models": list(found.models),
            "curves": {curve.metric: _curve(curve) for curve in found.curves},
            "images": [
                {
                    "name": one.name,
                    "n_observers": one.n_observers,
                    "n_fixations": one.n_fixations,
                    "values": {
                        key: {
                            str(n): {name: json_number(value) for name, value in row.items()} for n, row in rows.items()
                        }
                        for key, rows in one.values.items()
                    },
                }
                for one in found.images
            ],
            "failures": [failure_row(one) for one in found.failures],
            "provenance": dict(found.provenance),
            "notes": list(found.notes),
        }
    )


def _curve(curve: LearningCurve) -> dict[str, Any]:
    made: dict[str, Any] = {
        "method": curve.method,
        "unit": curve.column.unit,
        "best": curve.column.best,
        "points": [_point(point) for point in curve.points],
    }
    limit = curve.limit
    if limit is not None:
        made[EXTRAPOLATED] = {
            "law": limit.law,
            "value": None if limit.value is None else json_number(limit.value),
            "interval": json_interval(limit.interval),
            "exponent": limit.exponent,
            "shares": dict(limit.shares),
            "reason": limit.reason,
        }
    return made


def _point(point: CurvePoint) -> dict[str, Any]:
    return {
        "n": point.n,
        "bandwidth": point.bandwidth,
        "uniform": point.uniform,
        "gold": json_number(point.gold),
        "interval": json_interval(point.interval),
        "chance": json_number(point.chance),
        "models": {
            name: {
                "mean": json_number(model.mean),
                "interval": json_interval(model.interval),
                **share_row(model.share),
            }
            for name, model in point.models.items()
        },
    }


def observers_charts(found: LearningCurves) -> list[Chart]:
    """A chart per metric: the gold standard, chance and every model over the number of observers."""
    drawn = []
    for curve in found.curves:
        xs = [point.n for point in curve.points]
        lines = {GOLD: [point.gold for point in curve.points], "chance": [point.chance for point in curve.points]}
        lines |= {name: [point.models[name].mean for point in curve.points] for name in found.models}
        bars = [point.interval for point in curve.points]
        end = curve.limit.value if curve.limit is not None else None
        unit = f"{curve.metric} ({curve.column.unit})" if curve.column.unit else curve.metric
        title = f"{curve.metric}: {METHODS[curve.method]}"
        chart = learning_chart(title, xs, lines, bars, end, unit)
        drawn += [chart] if chart else []
    return drawn
