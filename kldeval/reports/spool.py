"""Outcomes in a temporary file, where they are too many to be kept.

Memory does not grow with the number of maps then: sums are exact and add up (`reports.moments`), and medians are found
by counting passes over the file.
"""

from __future__ import annotations

import heapq
import json
from array import array
from collections import defaultdict
from dataclasses import replace
from functools import partial
from itertools import chain, islice, starmap
from tempfile import TemporaryFile, gettempdir
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from weakref import finalize

from kldeval.errors import KldevalError
from kldeval.records import Failure, Score
from kldeval.regular import why
from kldeval.reports.aggregate import summarise_references
from kldeval.reports.outcome_rows import as_reported, outcome_of, row_of
from kldeval.reports.sums import RunSums
from kldeval.sequences import Streamed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from kldeval.records import Outcome
    from kldeval.reports.aggregate import Means, RunFacts
    from kldeval.reports.documents import Summary

    Segment = tuple[int, int]
    """Where something of the file begins and ends."""

Row = TypeVar("Row", Score, Failure)

AT_ONCE = 1 << 12
"""Outcomes that are written and summed together."""

BYTES_AT_ONCE = 1 << 14
"""Bytes of rows that are read together, of each run of rows."""

ROWS_OF_A_LINE = 16
"""Rows that are one line: a call of the encoder or of the decoder costs as much as a row."""

AT_A_PASS = 1 << 18
"""Values that a counting pass reads together."""


class Spool:
    """Outcomes on disk, and the sums over all of them."""

    def __init__(self) -> None:
        self.group_of: Callable[[str], str] | None = None
        self._file = Appended()
        self._scores = SpooledScores(self._file)
        self._failures: SpooledRows[Failure] = SpooledRows(self._file)
        self._columns: defaultdict[str, list[Segment]] = defaultdict(list)
        self._sums = RunSums()
        self._new: list[Outcome] = []

    def add(self, outcomes: Iterable[Outcome]) -> None:
        """Write some more to disk, soon."""
        for outcome in outcomes:
            self._new.append(outcome)
            if len(self._new) >= AT_ONCE:
                self._flush()

    @property
    def facts(self) -> RunFacts:
        """What is known of all outcomes together."""
        self._flush()
        return self._sums.facts

    @property
    def scores(self) -> SpooledScores:
        """All scores, in the order of their names."""
        self._flush()
        self._scores.group_of = self.group_of
        return self._scores

    @property
    def failures(self) -> Streamed[Failure]:
        """All failures, in the order of their names."""
        self._flush()
        return self._failures

    def summaries(self, keys: Iterable[str]) -> dict[str, Summary]:
        """The summary of each metric, as `reports.aggregate.summarise_scores` makes it."""
        self._flush()
        return {key: self._sums.metrics.summary(key, partial(self._values, key)) for key in keys}

    def references(self, *, over_groups: bool) -> Means:
        """The headlines of the reference rows, as `reports.aggregate.summarise_references` makes them."""
        return summarise_references(self.scores, over_groups=True) if over_groups else self._sums.references()

    def _flush(self) -> None:
        new, self._new = self._new, []
        if not new:
            return
        self._sums.add(new)
        scores = [one for one in new if isinstance(one, Score)]
        self._scores.extend(map(as_reported, scores))
        of_maps = (one for one in new if isinstance(one, Failure))
        self._failures.extend(chain(of_maps, (failure for score in scores for failure in score.failures)))
        for key in dict.fromkeys(key for score in scores for key in score.values):
            values = array("d", (score.values[key] for score in scores if key in score.values))
            self._columns[key].append(self._file.append(values.tobytes()))

    def _values(self, key: str) -> Iterator[Any]:
        """All numbers of a metric, part by part."""
        import numpy as np

        held = bytearray()
        for start, end in self._columns[key]:
            held += self._file.read(start, end)
            if len(held) >= 8 * AT_A_PASS:
                yield np.frombuffer(bytes(held), np.float64)
                held.clear()
        yield np.frombuffer(bytes(held), np.float64)


class Appended:
    """A temporary file that grows at its end; it is removed with this object."""

    def __init__(self) -> None:
        # without a buffer, which would be lost, or written again at the end, where the disk is full
        self._file = TemporaryFile(prefix="kldeval-", buffering=0)  # noqa: SIM115 - it stays open as long as this
        finalize(self, self._file.close)
        self._end = 0

    def append(self, data: bytes) -> Segment:
        """Write something at the end; where it is.

        Raises:
            KldevalError: it does not fit.
        """
        rest = memoryview(data)
        try:
            self._file.seek(self._end)
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            where = f"the rows of so many maps do not fit into {gettempdir()} ({why(error)})"
            msg = f"{where}: set TMPDIR to a larger place, and run it again (with --cache nothing is scored twice)"
            raise KldevalError(msg) from error
        start, self._end = self._end, self._end + len(data)
        return start, self._end

    def read(self, start: int, end: int) -> bytes:
        """What was written between two places."""
        self._file.seek(start)
        return self._file.read(end - start)


class SpooledRows(Streamed[Row], Generic[Row]):
    """Outcomes in a temporary file, in the order of their names, read again whenever they are asked for.

    They are written as they come, some at a time, and sorted. Where all of them do not come in the order of their
    names, the file has several runs in order, which are merged as they are read.
    """

    def __init__(self, file: Appended) -> None:
        self._file = file
        self._n = 0
        self._last: tuple[str, bool] = ("", False)
        self._runs: list[list[Segment]] = []

    def extend(self, outcomes: Iterable[Row]) -> None:
        """Write some more to disk."""
        rows = sorted(((outcome.name, row_of(outcome)) for outcome in outcomes), key=_order)
        if not rows:
            return
        some = (rows[place : place + ROWS_OF_A_LINE] for place in range(0, len(rows), ROWS_OF_A_LINE))
        lines = "".join(f"{json.dumps(one)}\n" for one in some)
        if not self._runs or _order(rows[0]) < self._last:
            self._runs.append([])
        self._runs[-1].append(self._file.append(lines.encode("ascii")))
        self._last = _order(rows[-1])
        self._n += len(rows)

    def __len__(self) -> int:
        return self._n

    def names(self) -> Iterator[str]:
        """The names of all rows, in their order."""
        return (name for name, _ in self._rows())

    def _from(self, start: int) -> Iterator[Row]:
        return starmap(self._outcome, islice(self._rows(), start, None))

    def _rows(self) -> Iterator[tuple[str, dict[str, Any]]]:
        runs = [chain.from_iterable(map(json.loads, self._lines(segments))) for segments in self._runs]
        return runs[0] if len(runs) == 1 else heapq.merge(*runs, key=_order)

    def _outcome(self, name: str, row: dict[str, Any]) -> Row:
        return outcome_of(name, row)  # type: ignore[return-value]  # of the kind that was written

    def _lines(self, segments: Iterable[Segment]) -> Iterator[bytes]:
        """The lines between some places of the file."""
        for start, end in segments:
            begun = b""
            for place in range(start, end, BYTES_AT_ONCE):
                *lines, begun = (begun + self._file.read(place, min(place + BYTES_AT_ONCE, end))).split(b"\n")
                yield from lines


def _order(row: tuple[str, dict[str, Any]]) -> tuple[str, bool]:
    """Rows are in the order of their names; failures of single metrics come after that of the map."""
    name, members = row
    return name, "metric" in members.get("failure", ())


class SpooledScores(SpooledRows[Score]):
    """Scores in a temporary file, with their groups where `group_of` tells these."""

    def __init__(self, file: Appended) -> None:
        super().__init__(file)
        self.group_of: Callable[[str], str] | None = None

    def _outcome(self, name: str, row: dict[str, Any]) -> Score:
        score = super()._outcome(name, row)
        return replace(score, group=self.group_of(name)) if self.group_of else score
