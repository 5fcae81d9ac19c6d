"""What the rounding of 8-bit predictions leaves open of numbers, as tables."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from kldeval.writers.numbers import ABSENT
from kldeval.writers.page import Cell, Head, Paragraphs, Table, plain_heads

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from kldeval.reports.audit_documents import Audit, RoundingBounds
    from kldeval.reports.documents import Report

LEGEND = (
    "exact: no float map behind the file has less, and one that can be built has as much; outer: no map has less or "
    "more, and none may reach it; dither: pixels lie at random in their intervals, each by itself; 16-bit files have "
    "intervals that are 257 times narrower, and of floats nothing is open"
)

HEADS = plain_heads("number", "least", "greatest", "dither from", "to")


def digits_of(values: Sequence[float | None], precision: int) -> int:
    """So many digits that the ends of dither, which lie close together, are told apart; no more than 7."""
    finite = [value for value in values if value is not None and math.isfinite(value)]
    gaps = [abs(one - other) / abs(one) for one, other in zip(finite[::2], finite[1::2], strict=False) if one]
    least = min((gap for gap in gaps if gap), default=1.0)
    return min(7, max(precision, 1 - math.floor(math.log10(least))))


def ends_of(one: RoundingBounds, digits: int) -> tuple[Cell, ...]:
    """The worst case and the range of dither."""
    dither = one.dither or (None, None)
    return tuple(Cell(_number(value, digits)) for value in (one.low, one.high, *dither))


def _number(value: float | None, digits: int) -> str:
    if value is None or math.isnan(value):
        return ABSENT
    return f"{value:.{digits}g}" if math.isfinite(value) else str(value)


def rounding_blocks(audit: Audit, precision: int) -> Iterator[Table | Paragraphs]:
    """A table of the conventions that have bounds, those with the same together, and why the others have none."""
    several = len(audit.models) > 1
    every = [one for row in audit.bounds.values() for one in row.values()]
    digits = digits_of([end for one in every for end in one.dither or ()], precision)
    alike: dict[tuple[Any, ...], list[str]] = {}
    for group in audit.groups:
        for name in group:
            for model in audit.models:
                one = audit.bounds[name][model]
                cells = ends_of(one, digits)
                shown = one.kind != "none" or one.dither is not None
                if shown:
                    alike.setdefault((model, one.kind, *cells), []).append(name)
    heads = (
        *((Head("model", "model"),) if several else ()),
        *HEADS,
        Head("bounds", "text"),
        Head("conventions", "names"),
    )
    rows = tuple(
        (*((Cell(model),) if several else ()), *cells, Cell(ABSENT if kind == "none" else kind), Cell(", ".join(names)))
        for (model, kind, *cells), names in alike.items()
    )
    if rows:
        yield Table(heads, rows, f"what the rounding of 8-bit predictions leaves open ({audit.rounding})")
        yield Paragraphs((LEGEND,), dim=True)
    reasons: defaultdict[str, dict[str, None]] = defaultdict(dict)
    for name, row in audit.bounds.items():
        for one in row.values():
            if one.reason:
                reasons[one.reason][name] = None
    lines = tuple(f"{', '.join(names)}: {reason}" for reason, names in reasons.items())
    if lines:
        yield Paragraphs(lines, title="no worst case of rounding", mark="- ")


def report_rounding(reports: Mapping[str, Report]) -> Iterator[Table | Paragraphs]:
    """What rounding leaves open of the metrics of one report, or of several models."""
    held = {model: report.provenance.get("bounds") for model, report in reports.items()}
    rows = []
    for model, found in held.items():
        metrics: Mapping[str, Any] = found.get("metrics", {}) if isinstance(found, dict) else {}
        for key, one in metrics.items():
            mean = one["mean"]
            values = [float(mean[end]) for end in ("low", "high")] + list(map(float, mean["dither"]))
            digits = digits_of(values[2:], 4)
            name = (Cell(model),) if len(reports) > 1 else ()
            cells = tuple(Cell(_number(value, digits)) for value in values)
            rows.append((*name, Cell(key), *cells, Cell(mean.get("kind", "exact"))))
    if rows:
        rounding = next(found["rounding"] for found in held.values() if isinstance(found, dict))
        first = (Head("model", "model"),) if len(reports) > 1 else ()
        heads = (*first, Head("metric", "metric"), *HEADS, Head("bounds", "text"))
        yield Table(heads, tuple(rows), f"what the rounding of 8-bit predictions leaves open ({rounding})")
        yield Paragraphs((LEGEND,), dim=True)
