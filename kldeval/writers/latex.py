"""A page as LaTeX tables in the style of booktabs, to be pasted into a paper."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from kldeval.writers.layout import transposed
from kldeval.writers.lines import one_line
from kldeval.writers.numbers import ABSENT, gate_line
from kldeval.writers.page import Cell, Gates, MissingMaps, Notes, Page, Paragraphs, Signatures, Table, for_papers

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from kldeval.writers.page import Block, Head, Options


_ARROWS = {"low": r"$\downarrow$", "high": r"$\uparrow$", "": ""}

_COMMENTS_FIRST = Signatures, Notes, Gates, MissingMaps
"""The order of what a paper's table has no room for."""

_ESCAPES = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "`": r"\`{}",
    '"': "''",
    **{character: "\\" + character for character in "&%$#_{}"},
    **{character: f"{{{character}}}" for character in "[]*"},  # `\\ [` and `\\*` would belong to the row before
}


_DECIMAL = re.compile(r"(?P<sign>[-+]?)(?P<before>\d+)(?:\.(?P<after>\d+))?(?:e[-+](?P<exponent>\d+))?")
"""A number as tables write it."""


def render(page: Page, options: Options) -> str:
    r"""A `table` for each table of the page; everything else stands in comments before them.

    It needs `\usepackage{booktabs}`, and `\usepackage{siunitx}` where that is asked for; names outside Latin script
    also XeLaTeX or LuaLaTeX, and a font for them.
    """
    blocks = tuple(_narrow(block) if isinstance(block, Table) else block for block in page.blocks)
    return "\n".join(_lines(for_papers(Page(blocks), options.columns), siunitx=options.siunitx)) + "\n"


MOST_INTERVALS = 3
"""So many columns of numbers with something behind each fit the width of a page."""


def _narrow(table: Table) -> Table:
    """The table with its metrics as rows, where that makes fewer of the columns that would leave the page."""
    numbers = sum(head.kind == "number" for head in table.heads)
    has_intervals = any(cell.interval for row in table.rows for cell in row)
    if not has_intervals or numbers <= max(MOST_INTERVALS, len(table.rows)):
        return table
    return transposed(table) or table


def _lines(page: Page, *, siunitx: bool) -> Iterator[str]:
    yield r"% needs \usepackage{booktabs}" + (r" and \usepackage{siunitx}" if siunitx else "")
    for kind in (*_COMMENTS_FIRST, Paragraphs):
        for block in page.blocks:
            if isinstance(block, kind):
                yield from (one_line(f"% {text}") for text in _comments(block))
    short = next((block.short for block in page.blocks if isinstance(block, Signatures)), ())
    for block in page.blocks:
        if isinstance(block, Table):
            yield from _table(block, short, siunitx=siunitx)


def _comments(block: Block) -> Iterator[str]:
    """What a paper's table has no room for, kept beside it."""
    if isinstance(block, Signatures):
        yield from (*block.lines, *block.statistics)
    elif isinstance(block, Notes):
        yield from (f"note: {note}" for note in block.lines)
    elif isinstance(block, Gates):
        yield from (gate_line(gate, model) for model, gate in block.rows)
    elif isinstance(block, MissingMaps):
        yield f"{block.title}:"
        for row in block.rows:
            model, stage = f"{row.model}: " if row.model else "", f" ({row.stage})" if row.stage else ""
            yield f"- {model}{row.name}{stage}: {row.reason}"
    elif isinstance(block, Paragraphs):
        if block.title:
            yield f"{block.title}:"
        yield from (f"{block.mark}{line}" for line in block.lines)


def _table(table: Table, short: tuple[str, ...], *, siunitx: bool) -> Iterator[str]:
    """The table as a float of its own; columns of words wrap."""
    columns = [[row[place] for row in table.rows] for place in range(len(table.heads))]
    by_point = [siunitx and head.kind == "number" for head in table.heads]
    kinds = (
        _siunitx_column(column) if by else _column(head)
        for head, column, by in zip(table.heads, columns, by_point, strict=True)
    )
    labels = (
        _siunitx_label(head, column) if by else _label(head)
        for head, column, by in zip(table.heads, columns, by_point, strict=True)
    )
    beside = [by and _has_extras(column) for column, by in zip(columns, by_point, strict=True)]
    yield r"\begin{table}"
    yield r"  \centering"
    yield rf"  \caption{{{_caption(table, short)}}}"
    yield rf"  \begin{{tabular}}{{{''.join(kinds)}}}"
    yield r"    \toprule"
    yield f"    {' & '.join(labels)} \\\\"
    yield r"    \midrule"
    for row in table.rows:
        cells = (
            _siunitx_cell(cell, has_extras=extras) if by else _cell(cell, head)
            for cell, head, by, extras in zip(row, table.heads, by_point, beside, strict=True)
        )
        yield f"    {' & '.join(cells)} \\\\"
    yield r"    \bottomrule"
    yield r"  \end{tabular}"
    yield r"\end{table}"


def _siunitx_column(column: Sequence[Cell]) -> str:
    """A column of siunitx, with as many digits before and after the point as its numbers have, and their exponents."""
    found = [match for cell in column if (match := _DECIMAL.fullmatch(cell.text))]
    sign = "-" if any(match["sign"] for match in found) else ""
    before, after, exponent = (
        max((len(match[part] or "") for match in found), default=default)
        for part, default in (("before", 1), ("after", 0), ("exponent", 0))
    )
    power = f"e-{exponent}" if exponent else ""
    beside = r"@{\,}l" if _has_extras(column) else ""
    return f"S[table-format={sign}{before}.{after}{power},group-minimum-digits=20,detect-weight]{beside}"


def _has_extras(column: Sequence[Cell]) -> bool:
    """Whether anything stands behind the numbers: under siunitx in a column of its own."""
    return any(cell.raised or cell.interval or cell.rank is not None for cell in column)


def _siunitx_label(head: Head, column: Sequence[Cell]) -> str:
    return rf"\multicolumn{{2}}{{c}}{{{_label(head)}}}" if _has_extras(column) else f"{{{_label(head)}}}"


def _siunitx_cell(cell: Cell, *, has_extras: bool) -> str:
    """A number as siunitx reads it, in braces where it is none; what belongs to it in the column behind it."""
    number = f"{{{_number(replace(cell, rank=None))}}}"
    if _DECIMAL.fullmatch(cell.text):
        number = (r"\bfseries " if cell.is_best else "") + cell.text
    if not has_extras:
        return number
    raised = rf"\textsuperscript{{{cell.raised}}}" if cell.raised else ""
    rank = f"({cell.rank})" if cell.rank is not None else ""
    interval = rf"{{\scriptsize ${in_mathematics(cell.interval)}$}}" if cell.interval else ""
    return f"{number} & {' '.join(part for part in (raised, rank, interval) if part)}"


def _column(head: Head) -> str:
    wraps = head.kind in ("names", "flags", "words")
    return r"p{0.4\linewidth}" if wraps else "r" if head.kind == "number" else "l"


def _caption(table: Table, short: tuple[str, ...]) -> str:
    """What the table holds, and the short signature; a full one is too long, it stands in the comments above."""
    parts = (escaped(table.caption or table.title), escaped(table.legend))
    return "; ".join(part for part in (*parts, ", ".join(map(_typewriter, short))) if part) + "."


def _typewriter(text: str) -> str:
    return rf"\texttt{{{escaped(text)}}}"


def _label(label: Head | Cell) -> str:
    """A metric with its arrow and unit; any other name as it is."""
    parts = (escaped(label.text), _ARROWS[label.better], f"({escaped(label.unit)})" if label.unit else "")
    return " ".join(part for part in parts if part)


def _cell(cell: Cell, head: Head) -> str:
    if head.kind != "number":
        return _label(cell)
    raised = rf"\textsuperscript{{{cell.raised}}}" if cell.raised else ""
    interval = rf" {{\scriptsize ${in_mathematics(cell.interval)}$}}" if cell.interval else ""
    return f"{_number(cell)}{raised}{interval}"


def _number(cell: Cell) -> str:
    r"""The number with its rank; with a sign or an exponent it is mathematics, which has a bold of its own.

    >>> print(_number(Cell("0.25", is_best=True)), _number(Cell("-0.25", is_best=True)), _number(Cell("a_b")))
    \textbf{0.25} $\mathbf{-0.25}$ a\_b
    """
    text = math_number(cell.text) if is_number(cell.text) else escaped(cell.text)
    rank = "" if cell.rank is None else f" ({cell.rank})"
    if not cell.is_best:
        return f"{text}{rank}"
    return rf"$\mathbf{{{text[1:-1]}}}${rank}" if text.startswith("$") else rf"\textbf{{{text}{rank}}}"


def escaped(text: str) -> str:
    r"""Text in which nothing is a command.

    >>> print(escaped("100%_a&b"))
    100\%\_a\&b
    """
    literal = "".join(_ESCAPES.get(character, character) for character in one_line(text))
    return re.sub("-(?=-)", "-{}", literal)  # two in a row would become a dash


def is_number(text: str) -> bool:
    """Whether `math_number` can write the text."""
    return text in (ABSENT, "nan") or bool(re.fullmatch(r"[-+]?(inf|\d+(\.\d+)?(e[+-]\d+)?)", text))


def math_number(number: str) -> str:
    r"""A number as mathematics, so that its minus, its exponent and its infinity look right.

    >>> print(math_number("-1.5e-07"), math_number("inf"), math_number("0.25"))
    $-1.5 \times 10^{-7}$ $\infty$ 0.25
    """
    if number in (ABSENT, "nan"):
        return {ABSENT: "--", "nan": "NaN"}[number]
    return number if re.fullmatch(r"[\d.]+", number) else f"${in_mathematics(number)}$"


def in_mathematics(numbers: str) -> str:
    """Numbers within mathematics: exponents as powers of ten, infinity as its sign."""
    return (
        re.sub(r"e([+-]\d+)", lambda found: rf" \times 10^{{{int(found[1])}}}", numbers)
        .replace("inf", r"\infty")
        .replace("±", r"\pm")
    )
