"""Rows as a page, as HTML, as JSON, as a row a line, and in the words of llama.cpp's comparison of quantisations."""

from __future__ import annotations

import json
import math
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from kldeval.errors import UsageProblem, count
from kldeval.reports.json_numbers import json_number
from kldeval.reports.rows import ROWS_SCHEMA
from kldeval.scoring.rows import NLL, NLL_GT, SAME_TOP, SHIFT
from kldeval.writers.delimited import delimited_cell
from kldeval.writers.numbers import notation_for
from kldeval.writers.page import Cell, Head, MissingMaps, Notes, Page, Paragraphs, Signatures, Table, filled, missing_of
from kldeval.writers.page_formats import page_formats, page_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from kldeval.reports.rows import Estimate, Likelihoods, RowsReport, RowSummary
    from kldeval.writers.charts import Chart
    from kldeval.writers.page import Options

OF_ROWS = {"json": (".json",), "csv": (".csv",), "tsv": (".tsv",), "llama": ()}
"""The formats of rows beside those of every page, and the suffixes of files that ask for each."""

SHOWN = (0.5, 0.9, 0.95, 0.99, 0.999, 1.0)
"""The quantiles in tables."""

_BY_LABEL = NLL, NLL_GT, SHIFT, SAME_TOP
"""What has lines of its own."""


def rows_page(report: RowsReport, options: Options) -> Page:
    """Means with standard errors and quantiles of each metric; how often the tops agree; perplexities."""
    keys = [key for key in report.summaries if key not in _BY_LABEL]
    heads = (
        Head("metric", "metric"),
        Head("mean"),
        Head("± std error"),
        *(Head("max" if part == 1 else f"{100 * part:g} %") for part in SHOWN),
    )
    blocks = (
        Table(heads, tuple(_row(report, key, options.precision) for key in keys if report.n), _title(report)),
        Paragraphs(tuple(_sentences(report)) if report.n else ()),
        MissingMaps(
            f"{count(len(report.failures), 'map')} could not be scored",
            missing_of(report.failures),
        ),
        Notes(report.notes),
        Signatures((), tuple(report.signatures.values())),
    )
    return Page(filled(blocks))


def checked_rows_page(report: RowsReport) -> Page:
    """What stands against scoring rows, and how many can be scored."""
    problems = count(len(report.failures), "problem")
    blocks = (
        MissingMaps(problems, missing_of(report.failures)),
        Notes(report.notes),
        Paragraphs((f"{_title(report)} can be scored, {problems}",)),
    )
    return Page(filled(blocks))


def _title(report: RowsReport) -> str:
    return f"{count(report.n, 'row')} of {count(len(report.owners), 'map')}"


def _row(report: RowsReport, key: str, precision: int) -> tuple[Cell, ...]:
    found = report.summaries[key]
    notation = notation_for([found.mean], precision)
    numbers = [found.mean, found.error, *(found.quantiles[part] for part in SHOWN)]
    return (Cell(key, unit=report.units.get(key, "")), *(Cell(notation.text(number)) for number in numbers))


def _sentences(report: RowsReport) -> Iterator[str]:
    top = report.summaries[SAME_TOP]
    share = f"{100 * top.mean:.3f} ± {100 * top.error:.3f} %"
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
    made: dict[str, Any] = {
        "schema": ROWS_SCHEMA,
        "signature": dict(report.signatures),
        "provenance": dict(report.provenance),
        "units": dict(report.units),
        "rows": report.n,
        "maps": [{"name": name, "rows": n} for name, n in report.owners],
        "summary": {key: _summary(one) for key, one in report.summaries.items()},
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
            "correlation": json_number(found.correlation),
            "delta_p": _estimate(found.shift),
            "delta_p_rms": _estimate(found.shift_rms),
        }
    return json.dumps(made, indent=2, allow_nan=False) + "\n"


def _summary(one: RowSummary) -> dict[str, Any]:
    found: dict[str, Any] = {"mean": json_number(one.mean), "error": json_number(one.error)}
    if not one.quantiles:
        return found
    return found | {"quantiles": {f"{part:g}": json_number(number) for part, number in one.quantiles.items()}}


def _estimate(estimate: Estimate) -> dict[str, Any]:
    return {"mean": json_number(estimate.value), "error": json_number(estimate.error)}


def rows_table(report: RowsReport) -> dict[str, Any]:
    """The columns of a table with a line for each row: the pair, the number of the row within, and its numbers.

    Raises:
        UsageProblem: the document was read back, and holds no single rows.
    """
    if report.n and not report.by_row:
        msg = "a saved document of rows holds no single rows: score them again, with --format csv"
        raise UsageProblem(msg)
    names = [name for name, n in report.owners for _ in range(n)]
    numbers = [row for _, n in report.owners for row in range(n)]
    return {"name": names, "row": numbers, **report.by_row}


def rows_delimited(report: RowsReport, delimiter: str) -> Iterator[str]:
    """A line for each row, with empty cells where its label does not count.

    Raises:
        UsageProblem: as `rows_table`.
    """
    if report.n and not report.by_row:
        rows_table(report)
    heads = ("name", "row", *report.by_row)
    yield delimiter.join(delimited_cell(head, delimiter) for head in heads) + "\n"
    at = 0
    for name, n in report.owners:
        shown = delimited_cell(name, delimiter)
        for row in range(n):
            numbers = (float(values[at + row]) for values in report.by_row.values())
            cells = ("" if math.isnan(one) else repr(one) for one in numbers)
            yield delimiter.join((shown, str(row), *cells)) + "\n"
        at += n


def rows_llama(report: RowsReport) -> str:
    """The statistics that `llama-perplexity --kl-divergence` prints, in its words and order.

    Source: tools/perplexity/perplexity.cpp of https://github.com/ggml-org/llama.cpp at
    050fc7f32de16858ac667d775b43a51ed8976e6f.

    Raises:
        UsageProblem: kld is not among the metrics.
    """
    found = report.likelihoods
    lines = [] if found is None else [*_perplexities(found), ""]
    if "kld" not in report.summaries:
        msg = "--format llama is of kld: add it to the metrics"
        raise UsageProblem(msg)
    kld = report.summaries["kld"]
    quantiles = kld.quantiles
    lines += [
        "====== KL divergence statistics ======",
        f"Mean    KLD: {kld.mean:10.6f} ± {kld.error:10.6f}",
        f"Maximum KLD: {quantiles[1.0]:10.6f}",
        *(f"{100 * part:4.1f}%   KLD: {quantiles[part]:10.6f}" for part in (0.999, 0.99, 0.95, 0.9)),
        f"Median  KLD: {quantiles[0.5]:10.6f}",
        *(f"{100 * part:4.1f}%   KLD: {quantiles[part]:10.6f}" for part in (0.1, 0.05, 0.01, 0.001)),
        f"Minimum KLD: {quantiles[0.0]:10.6f}",
        "",
        "====== Token probability statistics ======",
    ]
    if found is not None:
        lines += _shifts(found, report.summaries[SHIFT].quantiles)
    top = report.summaries[SAME_TOP]
    lines.append(f"Same top p: {100 * top.mean:6.3f} ± {100 * top.error:5.3f} %")
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


def _shifts(found: Likelihoods, quantiles: Mapping[float, float]) -> Iterator[str]:
    yield f"Mean    Δp: {100 * found.shift.value:6.3f} ± {100 * found.shift.error:5.3f} %"
    yield f"Maximum Δp: {100 * quantiles[1.0]:6.3f}%"
    yield from (f"{100 * part:4.1f}%   Δp: {100 * quantiles[part]:6.3f}%" for part in (0.999, 0.99, 0.95, 0.9, 0.75))
    yield f"Median  Δp: {100 * quantiles[0.5]:6.3f}%"
    yield from (f"{100 * part:4.1f}%   Δp: {100 * quantiles[part]:6.3f}%" for part in (0.25, 0.1, 0.05, 0.01, 0.001))
    yield f"Minimum Δp: {100 * quantiles[0.0]:6.3f}%"
    yield f"RMS Δp    : {100 * found.shift_rms.value:6.3f} ± {100 * found.shift_rms.error:5.3f} %"


def row_formats() -> dict[str, tuple[str, ...]]:
    """Every format of rows, and the suffixes of files that ask for each."""
    return {**page_formats(), **OF_ROWS}


def format_of_file(text: str) -> str:
    """The format of a file by its suffix.

    Raises:
        UsageProblem: none has it.
    """
    by_suffix = {suffix: name for name, suffixes in row_formats().items() for suffix in suffixes}
    found = by_suffix.get(PurePath(text).suffix.lower())
    if found is None:
        msg = f"cannot write {text}: rows are written as {', '.join(sorted(by_suffix))}, or as llama:FILE"
        raise UsageProblem(msg)
    return found


def rows_text(report: RowsReport, format_: str, options: Options) -> str:
    """The document in one of the formats of rows.

    Raises:
        UsageProblem: the format needs what the document does not hold.
        MissingDependency: HTML, and jinja2 is not installed.
    """
    if format_ in ("csv", "tsv"):
        return "".join(rows_delimited(report, "," if format_ == "csv" else "\t"))
    if format_ in ("json", "llama"):
        return (rows_json if format_ == "json" else rows_llama)(report)
    charts = _charts(report) if format_ == "html" else ()
    return page_text(format_, rows_page(report, options), options, report.provenance, charts)


def _charts(report: RowsReport) -> list[Chart]:
    """A histogram for each metric."""
    from kldeval.writers.charts import histogram

    keys = [key for key in report.summaries if key in report.by_row and key not in _BY_LABEL]
    units = {key: f"{key} ({report.units[key]})" if report.units.get(key) else key for key in keys}
    charts = [histogram(f"{key} of the rows", report.by_row[key].tolist(), units[key], "rows") for key in keys]
    return [chart for chart in charts if chart is not None]
