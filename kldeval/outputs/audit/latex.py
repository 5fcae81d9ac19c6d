"""The audit as LaTeX tables in the style of booktabs, to be pasted into a paper."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from kldeval.outputs.audit.parts import parts_of
from kldeval.outputs.latex import escaped, math_number
from kldeval.outputs.notation import plain
from kldeval.outputs.sheets import Sheet

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from kldeval.outputs.options import Options
    from kldeval.outputs.sheets import Paragraphs
    from kldeval.results.audit import Audit


def write(audit: Audit, options: Options) -> str:
    r"""A `table` for each sheet; sentences and signatures as comments. It needs `\usepackage{booktabs}` alone."""
    parts = list(parts_of(audit, options.precision))
    lines = [r"% needs \usepackage{booktabs}"]
    lines += [plain(f"% {name}: {row.signature}") for name, row in audit.conventions.items()]
    lines += [line for part in parts if not isinstance(part, Sheet) for line in _comments(part)]
    lines += [line for part in parts if isinstance(part, Sheet) for line in _table(part)]
    return "\n".join(lines) + "\n"


def _comments(part: Paragraphs) -> Iterator[str]:
    """What a paper's table has no room for, kept beside it."""
    if part.title:
        yield plain(f"% {part.title}:")
    yield from (plain(f"% {part.mark}{line}") for line in part.lines)


def _table(sheet: Sheet) -> Iterator[str]:
    """The sheet as a float of its own; its last column of words wraps."""
    yield r"\begin{table}"
    yield r"  \centering"
    yield rf"  \caption{{{escaped(sheet.title[:1].upper() + sheet.title[1:])}.}}"
    yield rf"  \begin{{tabular}}{{{_columns(sheet)}}}"
    yield r"    \toprule"
    yield _row([_head(cell) for cell in sheet.head])
    yield r"    \midrule"
    for number, row in enumerate(sheet.rows):
        yield _row([_cell(sheet, number, place, cell) for place, cell in enumerate(row)])
    yield r"    \bottomrule"
    yield r"  \end{tabular}"
    yield r"\end{table}"


def _columns(sheet: Sheet) -> str:
    return "".join("r" if place in sheet.numbers else r"p{0.4\linewidth}" for place in range(len(sheet.head)))


def _head(text: str) -> str:
    return escaped(text).replace("↓", r"$\downarrow$")


def _cell(sheet: Sheet, row: int, column: int, text: str) -> str:
    """A number, perhaps with its rank behind it, as mathematics; words as they are."""
    if column not in sheet.numbers:
        return escaped(text)
    found = re.fullmatch(r"\s*(\S+)\s*(\(\S+\))?\s*", text)
    value, rank = (found[1], found[2]) if found else (text, None)
    written = math_number(value) + (f" {escaped(rank)}" if rank else "")
    return rf"\textbf{{{written}}}" if (row, column) in sheet.emphasised else written


def _row(cells: Sequence[str]) -> str:
    return f"    {' & '.join(cells)} \\\\"
