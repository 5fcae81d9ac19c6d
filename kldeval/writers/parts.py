"""Rows of maps as Parquet files of a folder, written while the maps are scored: each is there whole or not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kldeval.atomic import whole_file
from kldeval.errors import UsageProblem, printable
from kldeval.records import Failure, Score
from kldeval.writers.parquet import ROWS_OF_GROUP, package, table

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from kldeval.reports.documents import Report
    from kldeval.run_options import Progress
    from kldeval.writers.delimited import Row


class Parts:
    """The files part-000000.parquet and so on of a folder, with the columns of `--output FILE.parquet`.

    Raises:
        UsageProblem: the folder cannot be made, or holds parts already.
        MissingDependency: pyarrow is not installed.
    """

    def __init__(self, folder: Path, keys: Sequence[str]) -> None:
        package("pyarrow")
        self._folder = folder
        self._keys = tuple(keys)
        self._rows: list[Row] = []
        self._failed: set[str] = set()
        self._count = 0
        try:
            folder.mkdir(parents=True, exist_ok=True)
            old = sorted(folder.glob("part-*.parquet"))
        except OSError as error:
            msg = f"--output-dir {printable(folder)}: {(error.strerror or str(error)).lower()}"
            raise UsageProblem(msg) from error
        if old:
            msg = f"--output-dir {printable(folder)} holds parts already, such as {old[0].name}; name another folder"
            raise UsageProblem(msg)

    def telling(self, progress: Progress | None) -> Progress:
        """A progress that takes every outcome, and tells another of it."""

        def told(outcome: object, count: int) -> None:
            self._take(outcome)
            if progress:
                progress(outcome, count)

        return told

    def finish(self, report: Report) -> None:
        """Write what is left, with the failures of maps that could not be paired."""
        for failure in report.failures:
            if failure.name not in self._failed and not failure.metric:
                self._rows.append(_failed(failure))
        if self._rows or not self._count:
            self._write()

    def _take(self, outcome: object) -> None:
        if isinstance(outcome, Score):
            self._rows.append(self._scored(outcome))
        elif isinstance(outcome, Failure):
            self._failed.add(outcome.name)
            self._rows.append(_failed(outcome))
        if len(self._rows) >= ROWS_OF_GROUP:
            self._write()

    def _scored(self, score: Score) -> Row:
        values: Row = {key: float(score.values[key]) for key in self._keys if key in score.values}
        why = "; ".join(f"{one.stage}: {one.metric}: {one.message}" for one in score.failures)
        counts: Row = {"n_uncovered": score.n_uncovered, "uncovered_mass": float(score.uncovered_mass)}
        return {"name": score.name, **values, **counts, **({"failure": why} if why else {})}

    def _write(self) -> None:
        columns: Sequence[str] = ("name", *self._keys, "n_uncovered", "uncovered_mass", "failure")
        made: Any = table(columns, self._rows)
        path = self._folder / f"part-{self._count:06d}.parquet"
        try:
            with whole_file(path) as file:
                package("pyarrow.parquet").write_table(made, file)
        except OSError as error:
            msg = f"cannot write {printable(path)}: {error.strerror or error}"
            raise UsageProblem(msg) from error
        self._rows = []
        self._count += 1


def _failed(failure: Failure) -> Row:
    return {"name": failure.name, "failure": f"{failure.stage}: {failure.message}"}
