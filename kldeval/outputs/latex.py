"""The report as LaTeX tables in the style of booktabs, to be pasted into a paper."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from kldeval.outputs.grids import Grid, arrow, grids, unit
from kldeval.outputs.notation import ABSENT, ARROWS, count, gate_line, plain

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from kldeval.outputs.options import Options
    from kldeval.results.report import Report

LATEX_ARROWS = {ARROWS["low"]: r"$\downarrow$", ARROWS["high"]: r"$\uparrow$", "": ""}

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


def write(report: Report, options: Options) -> str:
    r"""A `table` for the summary and one for each table of maps; failures, notes and signatures as comments.

    It needs `\usepackage{booktabs}` alone; names outside Latin script also XeLaTeX or LuaLaTeX, and a font for them.

    Raises:
        UsageProblem: the worst maps are asked for, and no metric has a better direction.
    """
    return "\n".join(_lines(report, options)) + "\n"


def _lines(report: Report, options: Options) -> Iterator[str]:
    yield r"% needs \usepackage{booktabs}"
    yield from _comments(report)
    for grid in grids(report, options):
        yield from _table(report, grid)


def _comments(report: Report) -> Iterator[str]:
    """What a paper's table has no room for, kept beside it."""
    for key, text in report.signatures.items():
        yield plain(f"% {key}: {text}")
    for note in report.notes:
        yield plain(f"% note: {note}")
    for gate in report.gates:
        yield plain(f"% {gate_line(gate)}")
    for failure in report.failures:
        yield plain(f"% not scored: {failure.name} ({failure.stage}): {failure.message}")


def _table(report: Report, grid: Grid) -> Iterator[str]:
    """The grid as a float of its own."""
    first = _metric if grid.names_metrics else _name
    yield r"\begin{table}"
    yield r"  \centering"
    yield rf"  \caption{{{_caption(report, grid)}}}"
    yield rf"  \begin{{tabular}}{{l{'r' * (len(grid.head) - 1)}}}"
    yield r"    \toprule"
    yield _row([_metric(report, key) for key in grid.head])
    yield r"    \midrule"
    for name, *numbers in grid.rows:
        yield _row([first(report, name), *map(math_number, numbers)])
    yield r"    \bottomrule"
    yield r"  \end{tabular}"
    yield r"\end{table}"


def _row(cells: Sequence[str]) -> str:
    return f"    {' & '.join(cells)} \\\\"


def _caption(report: Report, grid: Grid) -> str:
    r"""How many maps, how many are missing, and the convention.

    A signature is too long for a caption; its short form names it, and the comments above have it in full.
    """
    maps = escaped(grid.title) if grid.title else count(len(report.scores), "map")
    failed = f", {len(report.failures)} could not be scored" if report.failures else ""
    return rf"{maps[0].upper()}{maps[1:]}{failed}; \texttt{{{escaped(report.short)}}}."


def _metric(report: Report, key: str) -> str:
    """A metric with its arrow and unit; any other head as it is."""
    parts = (
        escaped(key),
        LATEX_ARROWS[arrow(report, key)],
        f"({escaped(unit(report, key))})" if unit(report, key) else "",
    )
    return " ".join(part for part in parts if part)


def _name(report: Report, name: str) -> str:
    """The name of a map, whatever the report says of metrics."""
    del report
    return escaped(name)


def escaped(text: str) -> str:
    r"""Text in which nothing is a command.

    >>> print(escaped("100%_a&b"))
    100\%\_a\&b
    """
    literal = "".join(_ESCAPES.get(character, character) for character in plain(text))
    return re.sub("-(?=-)", "-{}", literal)  # two in a row would become a dash


def is_number(text: str) -> bool:
    """Whether `math_number` can write the text."""
    return text in (ABSENT, "nan") or bool(re.fullmatch(r"-?(inf|\d+(\.\d+)?(e[+-]\d+)?)", text))


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
    return re.sub(r"e([+-]\d+)", lambda found: rf" \times 10^{{{int(found[1])}}}", numbers).replace("inf", r"\infty")
