"""A comparison as a page: for each metric the models' means, then a row per pair of models."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from kldeval.errors import UsageProblem
from kldeval.outputs.models.leaderboard import explain, interval_text, left_out, mean_cells, metric_head
from kldeval.outputs.models.maps import notation_of
from kldeval.outputs.models.page import Cell, Page, Sheet, plain_head
from kldeval.outputs.notation import ABSENT, Notation, count
from kldeval.results.comparison import letter

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kldeval.outputs.options import Options
    from kldeval.results.comparison import Comparison, PairOfModels
    from kldeval.results.models import ComparisonReport

_PAIR_HEAD = ("first", "second", "difference", "p (Holm)", "p", "Wilcoxon p", "d_z", "rank r", "detectable", "better")


def page_of(report: ComparisonReport, options: Options) -> Page:
    """The comparison for people.

    Raises:
        UsageProblem: the worst maps are asked for.
    """
    if options.worst:
        msg = "the worst maps are asked for, but a comparison has none; ask a report or a leaderboard"
        raise UsageProblem(msg)
    missing = left_out(report.left_out, options)
    sheets = [
        sheet
        for key, comparison in report.comparisons.items()
        for sheet in _sheets(report, key, comparison, options.precision)
    ]
    if sheets:
        sheets[-1] = replace(sheets[-1], legend=_legend(report))
    statistics = (report.statistics,) if report.comparisons else ()
    return Page(
        sheets=tuple(sheets),
        listings=(missing,) if missing.rows else (),
        gates=tuple(("", gate) for gate in report.gates),
        notes=report.notes,
        short=(),
        signatures=(*dict.fromkeys(report.signatures.values()), *statistics),
    )


def _sheets(report: ComparisonReport, key: str, comparison: Comparison, precision: int) -> Iterator[Sheet]:
    column = report.columns[key]
    means = list(comparison.means.values())
    notation = notation_of(means, precision)
    cells = mean_cells(means, column, comparison, notation)
    names = ((Cell(letter(place)), Cell(model)) for place, model in enumerate(report.models))
    head = (*plain_head("", "model"), metric_head(key, column))
    rows = tuple((*name, cell) for name, cell in zip(names, cells, strict=True))
    yield Sheet(head, rows, n_names=2, title=f"{key} on {count(comparison.n, comparison.unit[:-1])}")
    pairs = tuple(_pair_row(pair, notation) for pair in comparison.pairs)
    yield Sheet(plain_head(*_PAIR_HEAD), pairs, n_names=2, title=f"{key}: first minus second")


def _pair_row(pair: PairOfModels, notation: Notation) -> tuple[Cell, ...]:
    result = pair.result
    better = pair.winner or ("differs" if pair.significant else ABSENT)
    difference = Cell(notation.text(result.mean_difference), interval=interval_text(result.interval, notation))
    numbers = (
        *map(p_text, (pair.adjusted_p, result.p_value, result.wilcoxon_p)),
        *(Notation(2).text(effect) for effect in (result.cohens_dz, result.rank_biserial)),
        notation.text(result.detectable),
    )
    names = Cell(pair.first), Cell(pair.second)
    return *names, difference, *map(Cell, numbers), Cell(better, is_best=bool(pair.winner))


def p_text(p: float) -> str:
    """A p-value, of which small ones keep two digits.

    >>> p_text(0.0625), p_text(1.0), p_text(9.999e-05)
    ('0.0625', '1.0000', '0.0001')
    """
    return f"{p:.4f}" if float(f"{p:.4f}") else f"{p:.1e}"


def _legend(report: ComparisonReport) -> str:
    some = next(iter(report.comparisons.values()))
    return (
        f"{explain(report)}; d_z: the mean difference divided by the standard deviation of the differences; rank r: "
        f"matched-pairs rank-biserial correlation; detectable: the smallest difference that {some.n} {some.unit} show "
        "in 80 % of cases"
    )
