"""Scores in temporary files, where they are too many to be kept.

Memory does not grow with the number of maps then: sums are exact and add up (`reports.moments`), and medians are found
by counting passes over the files.
"""

from __future__ import annotations

import heapq
import json
from array import array
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice, pairwise
from operator import itemgetter
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Any, overload
from weakref import finalize

import numpy as np

from kldeval.data.load import UNIFORM
from kldeval.engine.outcome_rows import outcome_of, row_of
from kldeval.records import DensityProvenance, Failure, Score, Skipped
from kldeval.reports.aggregate import finalizer, summary_of
from kldeval.reports.moments import Moments, exact_mean, moments_of, order_statistics
from kldeval.reports.totals import Totals

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from kldeval.records import Outcome
    from kldeval.reports.documents import Summary


AT_ONCE = 1 << 13
"""Values that are written and summed together."""

BYTES_AT_ONCE = 1 << 14
"""Bytes of rows that are read together, of each run of rows."""

AT_A_PASS = 1 << 18
"""Values that a counting pass reads together."""


class Spool:
    """Scores on disk, with what is known of all of them; failures are few, and kept."""

    def __init__(self) -> None:
        self.scores = SpooledScores()
        self.failures: list[Failure] = []
        self.skipped: Counter[str] = Counter()
        self.remarks: Counter[str] = Counter()
        self.n_made = 0
        self._made: Counter[str] = Counter()
        self._values: dict[str, _Column] = {}
        self._weights: dict[str, _Column] = {}
        self._products: dict[str, _Column] = {}
        self._sums: dict[str, Totals] = {}

    def append(self, outcome: Outcome) -> None:
        """Write one more to disk."""
        if isinstance(outcome, Skipped):
            self.skipped[outcome.reason] += 1
        elif isinstance(outcome, Failure):
            self.failures.append(outcome)
        else:
            self._add(outcome)

    @property
    def made(self) -> list[DensityProvenance]:
        """How ground truths were made, each way with the number of all its fixations."""
        return [DensityProvenance(text, count) for text, count in self._made.items()]

    def summaries(self, keys: Iterable[str]) -> dict[str, Summary]:
        """The summary of each metric, as `reports.aggregate.summarise_scores` makes it."""
        return {key: self._summary(key) for key in keys}

    def _add(self, score: Score) -> None:
        self.remarks.update(score.remarks)
        self.failures += score.failures
        if score.made:
            self.n_made += 1
            self._made[score.made.text] += score.made.n_fixations
        for key, value in score.values.items():
            _column(self._values, key).append(value)
            if key in score.weights:
                weight = score.weights[key]
                _column(self._weights, key).append(weight)
                _column(self._products, key).append(value * weight if weight else 0.0)
        for key, sums in score.statistics.items():
            self._sums.setdefault(key, Totals()).append(key, sums)
        self.scores.append(replace(score, made=None, failures=(), remarks=tuple({UNIFORM} & {*score.remarks})))

    def _summary(self, key: str) -> Summary:
        column = self._values.get(key) or _Column()
        moments = column.moments
        middle = None
        if moments.n:
            middle = float("nan") if moments.n_nan else column.median()
        summary = summary_of(moments, middle)
        if key in self._sums:
            return replace(summary, mean=finalizer(key)(self._sums[key].sums))
        if key in self._weights:
            total, weight = self._products[key].moments.sum, self._weights[key].moments.sum
            return replace(summary, mean=total / weight if weight else float("nan"))
        return summary


def _column(columns: dict[str, _Column], key: str) -> _Column:
    if key not in columns:
        columns[key] = _Column()
    return columns[key]


class _Column:
    """Numbers on disk, and their moments."""

    def __init__(self) -> None:
        self._file = TemporaryFile(prefix="kldeval-")  # noqa: SIM115 - it is removed with this object
        finalize(self, self._file.close)
        self._new = array("d")
        self._moments = Moments()

    def append(self, value: float) -> None:
        self._new.append(value)
        if len(self._new) >= AT_ONCE:
            self._flush()

    @property
    def moments(self) -> Moments:
        self._flush()
        return self._moments

    def median(self) -> float:
        """The middle value, or the mean of the two in the middle."""
        n = self.moments.n
        return exact_mean(order_statistics(self._parts, [(n - 1) // 2, n // 2])) + 0.0

    def _flush(self) -> None:
        if self._new:
            self._moments += moments_of(self._new)
            self._new.tofile(self._file)
            self._new = array("d")

    def _parts(self) -> Iterator[Any]:
        self._flush()
        self._file.seek(0)
        while data := self._file.read(8 * AT_A_PASS):
            yield np.frombuffer(data, np.float64)
        self._file.seek(0, 2)


class SpooledScores(Sequence[Score]):
    """Scores in a temporary file, in the order of their names, read again whenever they are asked for.

    They are written as they come. Where that is not the order of the names, it is some runs in order, whose beginnings
    are kept, and which are merged as they are read.
    """

    def __init__(self) -> None:
        self._file = TemporaryFile(prefix="kldeval-")  # noqa: SIM115 - as above
        finalize(self, self._file.close)
        self._n = self._end = 0
        self._last = ""
        self._runs: list[int] = []
        self.group_of: Callable[[str], str] | None = None

    def append(self, score: Score) -> None:
        """Write one more to disk."""
        if not self._runs or score.name < self._last:
            self._runs.append(self._end)
        self._last = score.name
        line = json.dumps([score.name, row_of(score)]).encode("ascii") + b"\n"
        self._file.write(line)
        self._end += len(line)
        self._n += 1

    def __len__(self) -> int:
        return self._n

    def __iter__(self) -> Iterator[Score]:
        runs = [map(json.loads, self._lines(*ends)) for ends in pairwise((*self._runs, self._end))]
        for name, row in runs[0] if len(runs) == 1 else heapq.merge(*runs, key=itemgetter(0)):
            score = outcome_of(name, row)
            assert isinstance(score, Score)  # noqa: S101 - for the type checker
            yield replace(score, group=self.group_of(name)) if self.group_of else score

    def _lines(self, start: int, end: int) -> Iterator[bytes]:
        """The lines between two places of the file."""
        begun = b""
        while start < end:
            self._file.seek(start)
            data = self._file.read(min(BYTES_AT_ONCE, end - start))
            self._file.seek(0, 2)
            start += len(data)
            *lines, begun = (begun + data).split(b"\n")
            yield from lines

    @overload
    def __getitem__(self, place: int) -> Score: ...

    @overload
    def __getitem__(self, place: slice) -> list[Score]: ...

    def __getitem__(self, place: int | slice) -> Score | list[Score]:
        if isinstance(place, slice):
            start, stop, step = place.indices(self._n)
            return list(islice(self, start, stop, step)) if step > 0 else list(self)[place]
        if not -self._n <= place < self._n:
            msg = f"there are {self._n} scores"
            raise IndexError(msg)
        return next(islice(self, place % self._n, None))
