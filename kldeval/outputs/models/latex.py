"""A page as LaTeX tables in the style of booktabs, the best in bold."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kldeval.outputs.latex import LATEX_ARROWS, escaped, in_mathematics, is_number, math_number
from kldeval.outputs.notation import gate_line, plain

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kldeval.outputs.models.page import Cell, Page, Sheet
    from kldeval.outputs.options import Options


def write(page: Page, options: Options) -> str:
    r"""A `table` for each sheet, to be pasted into a paper; everything else stands in comments before them.

    It needs `\usepackage{booktabs}` alone.
    """
    del options
    return "\n".join(_lines(page)) + "\n"


def _lines(page: Page) -> Iterator[str]:
    yield r"% needs \usepackage{booktabs}"
    yield from (plain(f"% {text}") for text in page.signatures)
    yield from (plain(f"% {gate_line(gate, model)}") for model, gate in page.gates)
    yield from (plain(f"% note: {note}") for note in page.notes)
    for listing in page.listings:
        yield from (plain(f"% {text}") for text in (listing.title, *map(": ".join, listing.rows), listing.rest) if text)
    for sheet in page.sheets:
        yield from _table(page, sheet)


def _table(page: Page, sheet: Sheet) -> Iterator[str]:
    yield r"\begin{table}"
    yield r"  \centering"
    yield rf"  \caption{{{_caption(page, sheet)}}}"
    yield rf"  \begin{{tabular}}{{{'l' * sheet.n_names}{'r' * (len(sheet.head) - sheet.n_names)}}}"
    yield r"    \toprule"
    yield f"    {' & '.join(_head(*parts) for parts in sheet.head)} \\\\"
    yield r"    \midrule"
    for row in sheet.rows:
        names = (escaped(cell.text) for cell in row[: sheet.n_names])
        yield f"    {' & '.join((*names, *map(_cell, row[sheet.n_names :])))} \\\\"
    yield r"    \bottomrule"
    yield r"  \end{tabular}"
    yield r"\end{table}"


def _caption(page: Page, sheet: Sheet) -> str:
    short = ", ".join(rf"\texttt{{{escaped(text)}}}" for text in page.short)
    return "; ".join(part for part in (escaped(sheet.title), escaped(sheet.legend), short) if part) + "."


def _head(key: str, arrow: str, unit: str) -> str:
    return " ".join(part for part in (escaped(key), LATEX_ARROWS[arrow], f"({escaped(unit)})" if unit else "") if part)


def _cell(cell: Cell) -> str:
    raised = rf"\textsuperscript{{{cell.raised}}}" if cell.raised else ""
    interval = rf" {{\scriptsize ${in_mathematics(cell.interval)}$}}" if cell.interval else ""
    return f"{_bold(cell)}{raised}{interval}"


def _bold(cell: Cell) -> str:
    r"""The text of a cell; numbers with a sign or an exponent are mathematics, which has a bold of its own.

    >>> from kldeval.outputs.models.page import Cell
    >>> print(_bold(Cell("0.25", is_best=True)), _bold(Cell("-0.25", is_best=True)), _bold(Cell("a_b")))
    \textbf{0.25} $\mathbf{-0.25}$ a\_b
    """
    text = math_number(cell.text) if is_number(cell.text) else escaped(cell.text)
    if not cell.is_best:
        return text
    return rf"$\mathbf{{{text[1:-1]}}}$" if text.startswith("$") else rf"\textbf{{{text}}}"
