"""The maps as CSV and TSV, at full precision.

The header is the same whether or not anything failed: name, one column per metric, n_uncovered, uncovered_mass,
failure. A scored map has an empty `failure`; a map that could not be scored has `stage: message` there and nothing in
its number cells, so that a reader who averages a column can tell that the average is partial. Infinite and undefined
scores are written inf, -inf and nan, and are no failures. Scored maps come first, each part in the report's order.
Grouped maps have their group behind the name; the rows of a leaderboard begin with the model, and those of a
comparison are pairs of models.

An audit has a row per convention (and per epsilon of the curve) and model. Its header is always convention, model,
mean, ratio, rank, n, n_nonfinite, n_refused, signature; numbers that do not exist leave their cell empty.
"""

from __future__ import annotations

from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING, Generic, TypeVar

from kldeval.records import NO_PREDICTION
from kldeval.reports.documents import ComparisonReport, Leaderboard, Report
from kldeval.sequences import Streamed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from kldeval.records import Failure, Score
    from kldeval.reports.audit_documents import Audit, Curve
    from kldeval.writers.page import Options

    Document = Report | Leaderboard | ComparisonReport


T = TypeVar("T")
Value = str | float | int | bool | None
Row = dict[str, Value]

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What makes a spreadsheet evaluate a cell (https://owasp.org/www-community/attacks/CSV_Injection)."""

_OF_PAIRS = (
    *("metric", "first", "second", "unit", "n", "mean_difference", "low", "high", "p", "p_holm", "wilcoxon_p"),
    *("cohens_dz", "rank_biserial", "detectable", "significant", "winner"),
)

_OF_AUDITS = ("convention", "model", "mean", "ratio", "rank", "n", "n_nonfinite", "n_refused", "signature")


def write_csv(made: Document | Audit, options: Options) -> str:
    """Cells separated by commas, quoted where needed (RFC 4180), lines ended by a line feed."""
    del options
    return _delimited(made, ",")


def write_tsv(made: Document | Audit, options: Options) -> str:
    """Cells separated by tabs, quoted where needed, lines ended by a line feed."""
    del options
    return _delimited(made, "\t")


def _delimited(made: Document | Audit, delimiter: str) -> str:
    return "".join(lines(made, delimiter))


def lines(made: Document | Audit, delimiter: str) -> Iterator[str]:
    """The lines of a document, one by one."""
    return (delimiter.join(_quoted(cell, delimiter) for cell in row) + "\n" for row in _cells(made))


def delimited_cell(text: str, delimiter: str) -> str:
    """A text as a cell: quoted where needed, and no formula to a spreadsheet.

    >>> print(delimited_cell("=a,b", ","))
    "'=a,b"
    """
    return _quoted(_safe(text), delimiter)


def _quoted(cell: str, delimiter: str) -> str:
    """The cell as RFC 4180 wants it; the csv module of older Pythons forgets the carriage return."""
    special = any(character in cell for character in (delimiter, '"', "\r", "\n"))
    return '"' + cell.replace('"', '""') + '"' if special else cell


def _cells(made: Document | Audit) -> Iterator[list[str]]:
    columns, rows = table_of(made)
    yield [_safe(column) for column in columns]
    for row in rows:
        yield [_cell(row.get(column)) for column in columns]


def _cell(value: Value) -> str:
    """A text, or a number in the shortest digits that read back as the same number."""
    if isinstance(value, str):
        return _safe(value)
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else repr(value)


def _safe(cell: str) -> str:
    """A text that no spreadsheet takes for a formula: an apostrophe stands before a suspicious first character."""
    cell = f"'{cell}" if cell.startswith(_FORMULA) else cell
    return cell if cell.isprintable() else "".join(map(_visible, cell))


def _visible(character: str) -> str:
    """A character that a terminal shows: codes that steer it are escaped, line breaks and tabs stand in quotes."""
    return character if character.isprintable() or character in "\n\r\t" else repr(character)[1:-1]


# documents as flat tables


def table_of(made: Document | Audit) -> tuple[tuple[str, ...], Iterable[Row]]:
    """The columns and the rows of a document; a row without a value for a column lacks it.

    A row per map, per model and map, per metric and pair of models, or per convention and model.
    """
    if isinstance(made, Report):
        return _map_columns(made), map_rows(made)
    if isinstance(made, Leaderboard):
        rows = ({"model": model, **row} for model, report in made.reports.items() for row in map_rows(report))
        return ("model", *_map_columns(*made.reports.values())), rows
    if isinstance(made, ComparisonReport):
        return _OF_PAIRS, list(_pair_rows(made))
    return _OF_AUDITS, list(_audit_rows(made))


def map_rows(report: Report) -> Iterator[Row]:
    """A row per scored map, then a row per map that could not be scored, which has only its name and the reason.

    A metric that has no number on a map leaves its cell empty, and says why in the map's own row.
    """
    reasons = failures_of(report.failures)
    for score in report.scores:
        yield score_row(score, report.summaries, reasons(score.name))
    yield from failure_rows(report)


def failures_of(failures: Sequence[Failure]) -> Callable[[str], Sequence[Failure]]:
    """What tells the failures of single metrics on a map; where there are many, of maps in the order of their names."""
    of_metrics = (failure for failure in failures if failure.metric)
    if isinstance(failures, Streamed):
        return _Following((name, [*found]) for name, found in groupby(of_metrics, key=attrgetter("name")))
    reasons: dict[str, list[Failure]] = {}
    for failure in of_metrics:
        reasons.setdefault(failure.name, []).append(failure)
    return lambda name: reasons.get(name, ())


class _Following(Generic[T]):
    """Things by names, both in the order of these: what is asked for by a name is found by going on to it."""

    def __init__(self, named: Iterable[tuple[str, Sequence[T]]]) -> None:
        self._named = iter(named)
        self._next = next(self._named, None)

    def __call__(self, name: str) -> Sequence[T]:
        while self._next is not None and self._next[0] < name:
            self._next = next(self._named, None)
        return self._next[1] if self._next is not None and self._next[0] == name else ()


def score_row(score: Score, keys: Iterable[str], failures: Iterable[Failure]) -> Row:
    """The row of a scored map, with the failures of single metrics."""
    group: Row = {"group": score.group} if score.group else {}
    counts: Row = {"n_uncovered": score.n_uncovered, "uncovered_mass": float(score.uncovered_mass)}
    values: Row = {key: float(score.values[key]) for key in keys if key in score.values}
    said = [
        *(f"{failure.stage}: {failure.metric}: {failure.message}" for failure in failures),
        *("counted as uniform: no prediction" for one in score.remarks if one == NO_PREDICTION),
    ]
    why: Row = {"failure": "; ".join(said)} if said else {}
    return {"name": score.name, **group, **values, **counts, **why}


def failure_rows(report: Report) -> Iterator[Row]:
    """A row per map that could not be scored."""
    is_scored: Callable[[str], object]
    if isinstance(report.failures, Streamed):
        is_scored = _Following((score.name, (score,)) for score in report.scores)
    else:
        of_metrics = {failure.name for failure in report.failures if failure.metric}
        scored = {score.name for score in report.scores if score.name in of_metrics} if of_metrics else set()
        is_scored = scored.__contains__
    for failure in report.failures:
        if not (failure.metric and is_scored(failure.name)):
            yield {"name": failure.name, "failure": f"{failure.stage}: {failure.message}"}


def _map_columns(*reports: Report) -> tuple[str, ...]:
    """The columns of rows of maps, whether or not anything failed; `group` only where maps have groups."""
    keys = dict.fromkeys(key for report in reports for key in report.summaries)
    group = ["group"] if any(score.group for report in reports for score in report.scores) else []
    return "name", *group, *keys, "n_uncovered", "uncovered_mass", "failure"


def _pair_rows(made: ComparisonReport) -> Iterator[Row]:
    for key, comparison in made.comparisons.items():
        for pair in comparison.pairs:
            result = pair.result
            low, high = result.interval or (None, None)
            values = (
                *(key, pair.first, pair.second, comparison.unit, comparison.n, result.mean_difference, low, high),
                *(result.p_value, pair.adjusted_p, result.wilcoxon_p, result.cohens_dz, result.rank_biserial),
                *(result.detectable, pair.significant, pair.winner),
            )
            yield dict(zip(_OF_PAIRS, values, strict=True))


def _audit_rows(audit: Audit) -> Iterator[Row]:
    for name, row in audit.standings.items():
        for model, one in row.items():
            numbers = (_float(one.mean), _float(one.ratio), one.rank, one.n, one.n_nonfinite, one.n_refused)
            values = (name, model, *numbers, audit.conventions[name].signature)
            yield dict(zip(_OF_AUDITS, values, strict=True))
    if audit.curve:
        yield from _curve_rows(audit.curve)


def _curve_rows(curve: Curve) -> Iterator[Row]:
    for model, values in curve.kld.items():
        for epsilon, value in zip(curve.epsilons, values, strict=True):
            yield {"convention": f"eps={epsilon:g}", "model": model, "mean": _float(value), "n": curve.n}


def _float(value: float | None) -> float | None:
    """A float of Python, whatever made it."""
    return None if value is None else float(value)
