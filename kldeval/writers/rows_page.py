"""Rows as a page, as JSON, as a row a line, and in the words of llama.cpp's comparison of quantisations."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from kldeval.errors import count
from kldeval.reports.rows import ROWS_SCHEMA, mean_of, quantiles_of
from kldeval.scoring.rows import NLL, NLL_GT, SAME_TOP, SHIFT
from kldeval.writers.numbers import notation_for
from kldeval.writers.page import Cell, Head, Missing, MissingMaps, Notes, Page, Paragraphs, Signatures, Table, filled

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kldeval.reports.rows import Estimate, Floats, Likelihoods, RowsReport
    from kldeval.writers.page import Options

SHOWN = (0.5, 0.9, 0.95, 0.99, 0.999, 1.0)
"""The quantiles in tables."""

_BY_LABEL = NLL, NLL_GT, SHIFT, SAME_TOP
"""What has lines of its own."""


def rows_page(report: RowsReport, options: Options) -> Page:
    """Means with standard errors and quantiles of each metric; how often the tops agree; perplexities."""
    keys = [key for key in report.values if key not in _BY_LABEL]
    heads = (
        Head("metric", "metric"),
        Head("mean"),
        Head("± std error"),
        *(Head("max" if part == 1 else f"{100 * part:g} %") for part in SHOWN),
    )
    blocks = (
        Table(heads, tuple(_row(report, key, options.precision) for key in keys), _title(report)),
        Paragraphs(tuple(_sentences(report))),
        MissingMaps(
            f"{count(len(report.failures), 'map')} could not be scored",
            tuple(Missing(one.name, one.message, one.stage) for one in report.failures),
        ),
        Notes(report.notes),
        Signatures((), tuple(report.signatures.values())),
    )
    return Page(filled(blocks))


def _title(report: RowsReport) -> str:
    return f"{count(report.n, 'row')} of {count(len(report.owners), 'map')}"


def _row(report: RowsReport, key: str, precision: int) -> tuple[Cell, ...]:
    values = report.values[key]
    mean, quantiles = mean_of(values), quantiles_of(values)
    notation = notation_for([mean.value], precision)
    numbers = [mean.value, mean.error, *(quantiles[part] for part in SHOWN)]
    return (Cell(key, unit=report.units.get(key, "")), *(Cell(notation.text(number)) for number in numbers))


def _sentences(report: RowsReport) -> Iterator[str]:
    top = mean_of(report.values[SAME_TOP])
    share = f"{100 * top.value:.3f} ± {100 * top.error:.3f} %"
    yield f"same top: in {share} of the rows the same entry is the most probable"
    found = report.likelihoods
    if found is not None:
        yield (
            f"perplexity: {_plus(found.pred)} against {_plus(found.gt)} of the ground truth, ratio "
            f"{_plus(found.ratio)}, over {count(found.n, 'row')} with a label"
        )
        yield (
            f"probability of the label: changed by {100 * found.shift.value:.3f} ± {100 * found.shift.error:.3f} % in "
            f"the mean, {100 * found.shift_rms.value:.3f} % root mean square"
        )


def _plus(estimate: Estimate) -> str:
    return f"{estimate.value:.6g} ± {estimate.error:.2g}"


def rows_json(report: RowsReport) -> str:
    """The numbers of the run as strict JSON; single rows are in CSV."""
    keys = [key for key in report.values if key not in (NLL, NLL_GT, SHIFT)]
    made: dict[str, Any] = {
        "schema": ROWS_SCHEMA,
        "signature": dict(report.signatures),
        "provenance": dict(report.provenance),
        "rows": report.n,
        "maps": [{"name": name, "rows": n} for name, n in report.owners],
        "summary": {key: _summary(report, key) for key in keys},
        "failures": [
            {"name": one.name, "stage": one.stage, "message": one.message, "code": one.code} for one in report.failures
        ],
        "notes": list(report.notes),
    }
    found = report.likelihoods
    if found is not None:
        made["likelihoods"] = {
            "rows": found.n,
            "perplexity": _estimate(found.pred),
            "perplexity_gt": _estimate(found.gt),
            "log_ratio": _estimate(found.log_ratio),
            "ratio": _estimate(found.ratio),
            "correlation": _number(found.correlation),
            "delta_p": _estimate(found.shift),
            "delta_p_rms": _estimate(found.shift_rms),
        }
    return json.dumps(made, indent=2, allow_nan=False) + "\n"


def _summary(report: RowsReport, key: str) -> dict[str, Any]:
    values = report.values[key]
    found = _estimate(mean_of(values))
    if key == SAME_TOP:
        return found
    return found | {"quantiles": {f"{part:g}": _number(number) for part, number in quantiles_of(values).items()}}


def _estimate(estimate: Estimate) -> dict[str, Any]:
    return {"mean": _number(estimate.value), "error": _number(estimate.error)}


def _number(value: float) -> float | str:
    return value if math.isfinite(value) else str(float(value))


def rows_delimited(report: RowsReport, delimiter: str) -> Iterator[str]:
    """A line for each row: the pair, the number of the row, and its numbers, empty where its label does not count."""
    yield delimiter.join(("name", "row", *report.values)) + "\n"
    at = 0
    for name, n in report.owners:
        shown = f'"{name.replace(chr(34), chr(34) * 2)}"' if delimiter in name or '"' in name else name
        for row in range(n):
            numbers = (float(values[at + row]) for values in report.values.values())
            cells = ("" if math.isnan(one) else repr(one) for one in numbers)
            yield delimiter.join((shown, str(row), *cells)) + "\n"
        at += n


def rows_llama(report: RowsReport) -> str:
    """The statistics that `llama-perplexity --kl-divergence` prints, in its words and order.

    Source: https://github.com/ggml-org/llama.cpp/blob/master/tools/perplexity/perplexity.cpp
    """
    found = report.likelihoods
    lines = [] if found is None else [*_perplexities(found), ""]
    kld = report.values["kld"]
    mean, quantiles = mean_of(kld), quantiles_of(kld)
    lines += [
        "====== KL divergence statistics ======",
        f"Mean    KLD: {mean.value:10.6f} ± {mean.error:10.6f}",
        f"Maximum KLD: {quantiles[1.0]:10.6f}",
        *(f"{100 * part:4.1f}%   KLD: {quantiles[part]:10.6f}" for part in (0.999, 0.99, 0.95, 0.9)),
        f"Median  KLD: {quantiles[0.5]:10.6f}",
        *(f"{100 * part:4.1f}%   KLD: {quantiles[part]:10.6f}" for part in (0.1, 0.05, 0.01, 0.001)),
        f"Minimum KLD: {quantiles[0.0]:10.6f}",
        "",
        "====== Token probability statistics ======",
    ]
    if found is not None:
        lines += _shifts(found, report.values[SHIFT])
    top = mean_of(report.values[SAME_TOP])
    lines.append(f"Same top p: {100 * top.value:6.3f} ± {100 * top.error:5.3f} %")
    return "\n".join(lines) + "\n"


def _perplexities(found: Likelihoods) -> Iterator[str]:
    difference = found.pred.value - found.gt.value
    spread = math.hypot(found.pred.error, found.gt.error)
    shared = 2 * found.correlation * found.pred.error * found.gt.error
    yield "====== Perplexity statistics ======"
    yield f"Mean PPL(Q)                   : {found.pred.value:10.6f} ± {found.pred.error:10.6f}"
    yield f"Mean PPL(base)                : {found.gt.value:10.6f} ± {found.gt.error:10.6f}"
    yield f"Cor(ln(PPL(Q)), ln(PPL(base))): {100 * found.correlation:6.2f}%"
    yield f"Mean ln(PPL(Q)/PPL(base))     : {found.log_ratio.value:10.6f} ± {found.log_ratio.error:10.6f}"
    yield f"Mean PPL(Q)/PPL(base)         : {found.ratio.value:10.6f} ± {found.ratio.error:10.6f}"
    yield f"Mean PPL(Q)-PPL(base)         : {difference:10.6f} ± {math.sqrt(max(0.0, spread**2 - shared)):10.6f}"


def _shifts(found: Likelihoods, shift: Floats) -> Iterator[str]:
    quantiles = quantiles_of(shift[~np.isnan(shift)])
    yield f"Mean    Δp: {100 * found.shift.value:6.3f} ± {100 * found.shift.error:5.3f} %"
    yield f"Maximum Δp: {100 * quantiles[1.0]:6.3f}%"
    yield from (f"{100 * part:4.1f}%   Δp: {100 * quantiles[part]:6.3f}%" for part in (0.999, 0.99, 0.95, 0.9, 0.75))
    yield f"Median  Δp: {100 * quantiles[0.5]:6.3f}%"
    yield from (f"{100 * part:4.1f}%   Δp: {100 * quantiles[part]:6.3f}%" for part in (0.25, 0.1, 0.05, 0.01, 0.001))
    yield f"Minimum Δp: {100 * quantiles[0.0]:6.3f}%"
    yield f"RMS Δp    : {100 * found.shift_rms.value:6.3f} ± {100 * found.shift_rms.error:5.3f} %"
