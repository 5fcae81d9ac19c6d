"""Scores in temporary files, where they are too many to be kept.

Memory does not grow with the number of maps then: sums are exact and add up (`reports.moments`), and medians are found
by counting passes over the files.
"""

from __future__ import annotations

import heapq
import json
from array import array
from collections import defaultdict
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
from kldeval.engine.sums import RunSums
from kldeval.records import Score

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from kldeval.records import Outcome
    from kldeval.reports.documents import Summary


AT_ONCE = 1 << 13
"""Outcomes that are written and summed together."""

BYTES_AT_ONCE = 1 << 14
"""Bytes of rows that are read together, of each run of rows."""

AT_A_PASS = 1 << 18
"""Values that a counting pass reads together."""


class Spool:
    """Scores on disk, and the sums over all of them."""

    def __init__(self) -> None:
        self._scores = SpooledScores()
        self._sums = RunSums()
        self._new: list[Outcome] = []
        self._columns: defaultdict[str, _Column] = defaultdict(_Column)

    def add(self, outcomes: Iterable[Outcome]) -> None:
        """Write some more to disk, soon."""
        self._new += outcomes
        if len(self._new) >= AT_ONCE:
            self._flush()

    @property
    def sums(self) -> RunSums:
        """What is known of all outcomes."""
        self._flush()
        return self._sums

    @property
    def scores(self) -> SpooledScores:
        """All scores, in their order."""
        self._flush()
        return self._scores

    def summaries(self, keys: Iterable[str]) -> dict[str, Summary]:
        """The summary of each metric, as `reports.aggregate.summarise_scores` makes it."""
        return {key: self.sums.summary(key, self._columns[key].parts) for key in keys}

    def _flush(self) -> None:
        new, self._new = self._new, []
        self._sums.add(new)
        values: defaultdict[str, array[float]] = defaultdict(lambda: array("d"))
        for score in new:
            if isinstance(score, Score):
                self._scores.append(bare(score))
                for key, value in score.values.items():
                    values[key].append(value)
        for key, column in values.items():
            self._columns[key].extend(column)


def bare(score: Score) -> Score:
    """The score as a report has it, without what only the sums over all scores need."""
    return replace(score, made=None, failures=(), remarks=tuple({UNIFORM} & {*score.remarks}))


class _Column:
    """Numbers on disk."""

    def __init__(self) -> None:
        self._file = TemporaryFile(prefix="kldeval-")  # noqa: SIM115 - it is removed with this object
        finalize(self, self._file.close)

    def extend(self, values: array[float]) -> None:
        values.tofile(self._file)

    def parts(self) -> Iterator[Any]:
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
