"""Scores that are kept between runs: a pair is not scored again whose files and whose request are what they were.

A row is found by the BLAKE3 of everything that its numbers were made of, and it is kept in a folder of the run: the
SHA-256 of all that its pairs have in common. A file is not read again if its stamp tells that it has not changed.
"""

from __future__ import annotations

import json
import os
import time
import warnings
from collections import deque
from contextlib import suppress
from dataclasses import field, replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kldeval.data.containers import OF_VIDEOS
from kldeval.data.load import SUFFIX, sidecar_of
from kldeval.data.readers.members import contents_key, held, is_elsewhere
from kldeval.data.readers.stored import Limits
from kldeval.dataclass import NamedTuple, dataclass
from kldeval.detached import values_file
from kldeval.digests import ABSENT, ELSEWHERE, Noting, Stamp, is_settled, key_of, stamp_of
from kldeval.engine.store import Store
from kldeval.engine.worker import Answer, TaskWork, guarded, unless_left_out
from kldeval.errors import KldevalError
from kldeval.executors.local import LocalPool
from kldeval.memory import MapInMemory, Member
from kldeval.provenance import arithmetic, sha256_of, source_key, versions_of_readers
from kldeval.records import Failure, Fixations, Score, Skipped
from kldeval.reports.outcome_rows import SCORES
from kldeval.scoring.histogram import expect

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from kldeval.arrays import NumpyArray as Array
    from kldeval.data.auxiliary import AuxiliarySources, MapSource
    from kldeval.data.fixations.collection import FixationSource
    from kldeval.data.load import Loaded, Reading
    from kldeval.engine.device import Device
    from kldeval.engine.store import Row
    from kldeval.engine.worker import PairWork, Task
    from kldeval.executors.protocol import Executor
    from kldeval.memory import MapFile
    from kldeval.records import Pair
    from kldeval.reports.outcome_rows import RowForm
    from kldeval.scoring.evaluator import Evaluator

    Part = MapFile | Fixations | None
    """What a row is made of: a map, or the fixations on the image among those of a list; None: nothing of the kind."""


SCHEMA = "kldeval.cache/2"

DIGITS_OF_RUN = 32
"""Hexadecimal digits of a run's key that name the folder of its rows."""

TASKS_AT_ONCE = 1 << 14
"""Ground truths whose rows are looked up before what is missing of them is scored: some 20 MB of rows."""

DIGITS_OF_WITNESS = 32
"""Hexadecimal digits of a witness: it is one of a few rows of a name."""

NOTHING_READ: Mapping[str, str] = {}

FILES = (Path, Member)
"""What has a stamp: a union of both, made anew for every part of every pair, would take longer than to ask for it."""

UNSCORED = (Failure, Skipped)
"""What needs no finishing."""


def run_key(asked: Mapping[str, Any], reading: Reading, device: Device, context: str) -> str:
    """The SHA-256 of what the rows of a run have in common.

    `asked` is what is asked of every pair, as JSON values, `context` the key of what all images tell each.
    """
    common = {
        **asked,
        "schema": SCHEMA,
        "reading": repr(replace(reading, sources=None)),
        "context": context,
        "device": "cpu" if device.is_cpu else device.label,
        "versions": versions_of_readers(with_torch=not device.is_cpu),
        "arithmetic": arithmetic(),
        "source": source_key(),
    }
    return sha256_of(json.dumps(common, sort_keys=True).encode())


def store_of(folder: Path, key: str) -> Store:
    """The rows of a run under the folder of all.

    Raises:
        UsageProblem: its folder cannot be made or read.
    """
    return Store(folder / key[:DIGITS_OF_RUN])


def context_of(evaluator: Evaluator, sources: AuxiliarySources | None) -> str:
    """The key of what every pair is scored with: single maps, other images' fixations, and their ground truths."""
    found = [evaluator.context.reference_digest]
    if sources is not None:
        found.append(repr((sources.is_single_pair, sources.drops_outside)))
        found += (
            "-" if source is None or source.single is None else _array_key(source.single)
            for source in (sources.mask, sources.weights, sources.baseline)
        )
        if evaluator.plan.settings.context and sources.fixations is not None:
            known = sources.fixations.known
            found += (f"{name}\0{fixations_key(known[name])}" for name in sorted(known))
    return key_of(*(text.encode("utf-8", "surrogatepass") for text in found))


def fixations_key(fixations: Fixations) -> str:
    """What rows know the fixations on an image by."""
    found = repr((fixations.shape, fixations.observers)).encode("utf-8", "surrogatepass")
    arrays = (fixations.rows, fixations.cols, fixations.counts, fixations.durations)
    return key_of(found, *(b"-" if array is None else _array_key(array).encode() for array in arrays))


def map_key(found: MapInMemory) -> str:
    """What rows know a map in memory by, and all that is known of it."""
    known = repr((found.label, found.nodata, found.grid, found.chroma))
    array = "" if found.array is None else _array_key(found.array)
    return key_of(f"{known}{array}".encode("utf-8", "surrogatepass"))


def _array_key(array: Array) -> str:
    array = np.ascontiguousarray(array)
    return key_of(repr((array.dtype.str, array.shape)).encode(), array.tobytes())


def parts_of_row(pair: Pair, sources: AuxiliarySources | None) -> list[Part]:
    """What the row of a pair is made of, in the order of the roles, beside what the run has in common."""
    parts: list[Part] = [pair.pred, pair.gt]
    if isinstance(pair.gt, Path) and str(pair.gt).lower().endswith(SUFFIX) and pair.gt.suffix.lower() == SUFFIX:
        parts.append(sidecar_of(pair.gt))  # it may tell how the ground truth was made
    elif isinstance(pair.gt, Member):
        parts.append(pair.gt.sidecar)
    if sources is not None:
        named = sources.fixations.only if sources.is_single_pair and sources.fixations else None
        parts += _fixations_of(sources.fixations, named or pair.name)
        other = sources.other
        parts += _fixations_of(other, (other and other.only) or pair.name)
        for source in (sources.mask, sources.weights, sources.baseline):
            parts += _maps_of(source, pair.name)
    return [*parts, *(values for one in parts if isinstance(one, Path) and (values := values_file(one)) is not None)]


def _fixations_of(source: FixationSource | None, name: str) -> Sequence[Part]:
    if source is None:
        return (None,)
    return (source.known[name],) if name in source.known else (None, *source.files.get(name, ()))


def _maps_of(source: MapSource | None, name: str) -> Sequence[Part]:
    return (None,) if source is None or source.single is not None else (None, *source.files.get(name, ()))


class Ingredients(NamedTuple):
    """What a row is made of, and how it was found.

    `has_references`: the row has the numbers of reference predictions, which one model of several has. `said` has an
    entry for every part: None where there is none, "" of one in a file, and the key of fixations or of an array in
    memory. `held` are the parts in files, `files` the paths of these, and `stamps` theirs.
    """

    name: str
    place: int | None
    has_references: bool
    said: Sequence[str | None]
    held: Sequence[Path | Member]
    files: Sequence[str]
    stamps: Sequence[Stamp]

    @staticmethod
    def of(pair: Pair, sources: AuxiliarySources | None, *, has_references: bool) -> Ingredients | None:
        """The ingredients as they are now; None where one is neither in a file nor in memory."""
        said: list[str | None] = []
        held: list[Path | Member] = []
        files, stamps = [], []
        for part in parts_of_row(pair, sources):
            if isinstance(part, FILES):
                file = str(part.path if isinstance(part, Member) else part)
                stamp = stamp_of(file)
                if stamp is None or (stamp == ABSENT and isinstance(part, Member)):
                    return None
                held.append(part)
                files.append(file)
                stamps.append(stamp)
                said.append("")
            elif isinstance(part, MapInMemory):
                said.append(map_key(part))
            elif part is None or isinstance(part, Fixations):
                said.append(None if part is None else fixations_key(part))
            else:
                return None
        return Ingredients(pair.name, pair.place, has_references, said, held, files, stamps)

    @property
    def at(self) -> list[str]:
        """The files by the names that messages call them."""
        return [*map(str, self.held)]

    def stamp_of(self, part: MapFile) -> Stamp | None:
        """The stamp of the file that a part is in; None of one in memory."""
        return next((stamp for one, stamp in zip(self.held, self.stamps, strict=True) if one is part), None)

    @property
    def witness(self) -> str:
        """128 bits that show that the parts are what they were: of each file its place and stamp, of fixations all."""
        places = [*map(_place_of, self.files, self.held)]
        text = repr((self.has_references, self.place, self.said, places, [*chain(*self.stamps)]))
        return key_of(text.encode())[:DIGITS_OF_WITNESS]

    def is_settled(self, now_ns: int) -> bool:
        """Whether the stamps will tell of every change from now on."""
        return all(is_settled(stamp, now_ns) for stamp in self.stamps)

    def is_still_there(self) -> bool:
        """Whether no file has changed as far as its stamp tells."""
        return [*map(stamp_of, self.files)] == self.stamps

    def key(self, limits: Limits, *, is_fresh: bool = False, read: Mapping[str, str] = NOTHING_READ) -> str:
        """The BLAKE3 of names and contents of all ingredients; those that are not among what was `read` are read.

        `is_fresh`: nothing that is kept of members counts. The key is "" where one cannot be read, whose row is not
        kept.
        """
        contents: list[Any] = []
        try:
            for part, file, stamp in zip(self.held, self.files, self.stamps, strict=True):
                if stamp == ABSENT:
                    contents.append(None)
                elif isinstance(part, Member):
                    contents.append((part.name, contents_key(part, limits, is_fresh=is_fresh)))
                else:
                    # the reader is that of the suffix, and of raw values the name may tell the shape
                    contents.append((file.rpartition(os.sep)[2], read.get(file) or contents_key(part, limits)))
        except (OSError, KldevalError):
            return ""
        return key_of(repr((self.name, self.place, self.has_references, self.said, contents)).encode())


def _place_of(file: str, part: Path | Member) -> object:
    """The path of the file that a part is in, and what tells the part from all else there."""
    if not file.startswith("/"):
        file = str(Path(file).absolute())  # no links are followed
    return file if isinstance(part, Path) else (file, part.name, part.module, repr(part.where))


class Known(NamedTuple):
    """A pair whose row is in the store already, found by the contents of its files."""

    key: str
    witness: str | None


class NewRow(NamedTuple):
    """What became of a pair, with the key of its row and its witness; no key where the row is not to be kept.

    `at`: the names of its files, where the outcome has words, or may have.
    """

    outcome: Any
    key: str = ""
    witness: str | None = None
    at: Sequence[str] = ()


class _Begun(NamedTuple):
    """What is begun of a pair, with the key of its row; or with the keys of its files, all of which were `read`.

    From these the key of the row is made later, for many pairs at once: that takes a fifth of the time.
    """

    begun: Any
    key: str = ""
    before: Ingredients | None = None
    is_settled: bool = False
    read: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class CachedPairs:
    """Work on pairs, of which those are left out whose rows are `known`: keys of rows by the names of maps.

    `looked_at` is what pairs are made of, and whether their stamps are settled, by model and name.
    """

    pairs: PairWork[Any, Any]
    sources: AuxiliarySources | None
    has_references: bool
    known: Mapping[str, frozenset[str]] = field(default_factory=dict)
    limits: Limits = Limits()
    looked_at: Mapping[tuple[str, str], tuple[Ingredients | None, bool]] = field(default_factory=dict)

    def begin(self, model: str, pair: Pair, gt: Loaded | None, *, is_first: bool) -> _Begun | Known:
        """What is begun of a pair, with the key of its row."""
        looked = self.looked_at.get((model, pair.name))
        if pair.place is None and (is_elsewhere(pair.pred) or is_elsewhere(pair.gt)):
            pair, looked = replace(pair, pred=held(pair.pred, self.limits), gt=held(pair.gt, self.limits)), None
        before, settled = looked or self._look(pair, time.time_ns())
        if before is None or (gt is not None and gt.stamp != before.stamp_of(pair.gt)):
            return _Begun(self._begin(model, pair, gt, is_first=is_first))
        known = self.known.get(pair.name)
        noted = {str(pair.gt): gt.key} if gt is not None and gt.key and settled else NOTHING_READ
        if settled and not known:
            # what is read to be scored need not be read before: the stamps tell that it stays what it is
            with Noting() as read:
                begun = self._begin(model, pair, gt, is_first=is_first)
            read |= noted
            is_all_read = all(map(read.__contains__, before.files))
            key = "" if is_all_read else before.key(self.limits, read=read)
            return _Begun(begun, key, before, is_settled=True, read=read if is_all_read else None)
        may_be_known = settled or _may_be_read_twice(pair, gt, self.limits)
        key = before.key(self.limits, read=noted) if may_be_known else ""
        if key and known and key in known:
            return Known(key, before.witness if settled else None)
        return _Begun(self._begin(model, pair, gt, is_first=is_first), key, before, settled)

    def ahead(self, tasks: Iterable[Task]) -> CachedPairs:
        """Work that has looked at the files of these tasks already: many at once take half the time."""
        now = time.time_ns()
        found: dict[tuple[str, str], tuple[Ingredients | None, bool]] = {}
        with suppress(Exception):  # what goes wrong here goes wrong again where the pair is begun, as its failure
            for task in tasks:
                for model, pair in task.items():
                    found[model, pair.name] = self._look(pair, now)
        return replace(self, looked_at=found)

    def _look(self, pair: Pair, now: int) -> tuple[Ingredients | None, bool]:
        """What a pair is made of, and whether its stamps will tell of every change."""
        found = Ingredients.of(pair, self.sources, has_references=self.has_references and pair.is_first)
        return found, found is not None and found.is_settled(now)

    def _begin(self, model: str, pair: Pair, gt: Loaded | None, *, is_first: bool) -> Any:
        begin = partial(self.pairs.begin, model, pair, gt, is_first=is_first)
        return guarded(partial(unless_left_out, begin, pair.name), pair.name, (pair.pred, pair.gt))

    def finish(self, begun: Sequence[_Begun | Known]) -> Sequence[NewRow | Known]:
        """What was found of each pair, to be kept where its files were the same before and after."""
        live = [one.begun for one in begun if isinstance(one, _Begun) and not isinstance(one.begun, UNSCORED)]
        found = iter(self.pairs.finish(live) if live else ())
        return [
            one
            if isinstance(one, Known)
            else self._fresh(one, one.begun if isinstance(one.begun, UNSCORED) else next(found))
            for one in begun
        ]

    def _fresh(self, one: _Begun, outcome: Any) -> NewRow:
        before = one.before
        if before is None:
            return NewRow(outcome)
        key = one.key if one.read is None else before.key(self.limits, read=one.read)
        if not key or not before.is_still_there():
            return NewRow(outcome)
        if not one.is_settled and before.key(self.limits, is_fresh=True) != key:
            return NewRow(outcome)
        has_no_words = isinstance(outcome, Score) and not outcome.failures
        return NewRow(outcome, key, before.witness if one.is_settled else None, () if has_no_words else before.at)


def _may_be_read_twice(pair: Pair, gt: Loaded | None, limits: Limits) -> bool:
    """Whether contents of young files can be compared before and after: of stacks and videos it would be all, often."""
    try:
        if pair.place is not None or any(map(_is_frame, (pair.pred, pair.gt))):
            return False
        return gt is None or _is_still(pair.gt, gt.key, limits)
    except (OSError, KldevalError):
        return False


def _is_frame(part: MapFile) -> bool:
    return isinstance(part, Member) and part.module == OF_VIDEOS


def _is_still(gt: MapFile, key: str, limits: Limits) -> bool:
    return not isinstance(gt, FILES) or key == contents_key(gt, limits, is_fresh=True)


@dataclass(frozen=True, slots=True)
class CachedRun:
    """A run whose rows are kept in a store.

    `reading` says how files are read; `finish` is what makes outcomes of the answers of `pairs`, where these are not
    outcomes themselves; `form` is how outcomes are written.
    """

    store: Store
    pairs: PairWork[Any, Any]
    reading: Reading
    has_references: bool
    finish: Callable[[Iterator[Answer]], Iterator[Answer]] = iter
    form: RowForm = SCORES

    def answers(self, tasks: Sequence[Task], executor: Executor) -> Iterator[Answer]:
        """The outcome of every pair, in order: kept, or found by the executor and kept from now on."""
        for start in range(0, len(tasks), TASKS_AT_ONCE):
            yield from self._some(tuple(tasks[start : start + TASKS_AT_ONCE]), executor)

    def _some(self, tasks: Sequence[Task], executor: Executor) -> Iterator[Answer]:
        """The outcomes of so many pairs as rows are held of."""
        if self.store.is_empty:
            yield from self._scored(tasks, {}, executor)
            return
        kept: list[dict[str, Row]] = []
        known: dict[str, frozenset[str]] = {}
        rest: list[dict[str, Pair]] = []
        for task in tasks:
            rows = {model: row for model, pair in task.items() if (row := self._row_of(pair)) is not None}
            missed = {model: pair for model, pair in task.items() if model not in rows}
            kept.append(rows)
            if missed:
                rest.append(missed)
                known |= self._keys_of(missed.values())
        scored = self._scored(rest, known, executor) if rest else iter(())
        for task, rows in zip(tasks, kept, strict=True):
            for model, pair in task.items():
                if model in rows:
                    yield Answer(model, pair.name, self.form.found(pair.name, rows[model]["o"]))
                else:
                    yield next(scored)

    def _row_of(self, pair: Pair) -> Row | None:
        """The row of a pair whose files have not been touched."""
        candidates = [row for row in self.store.rows(pair.name) if row.get("w") is not None]
        if not candidates:
            return None
        now = self._ingredients(pair)
        if now is None:
            return None
        witness = now.witness
        fitting = (row for row in candidates if row["w"] == witness and ("at" not in row or row["at"] == now.at))
        return next(fitting, None)

    def _ingredients(self, pair: Pair) -> Ingredients | None:
        has_references = self.has_references and pair.is_first
        return Ingredients.of(pair, self.reading.sources, has_references=has_references)

    def _keys_of(self, pairs: Iterable[Pair]) -> dict[str, frozenset[str]]:
        """The keys of the rows that may be those of these pairs, by their names."""
        found: dict[str, frozenset[str]] = {}
        for pair in pairs:
            keys = frozenset(row["k"] for row in self._candidates(pair))
            if keys:
                found[pair.name] = found.get(pair.name, frozenset()) | keys
        return found

    def _candidates(self, pair: Pair) -> Iterator[Row]:
        for row in self.store.rows(pair.name):
            if "at" not in row or ((now := self._ingredients(pair)) is not None and row["at"] == now.at):
                yield row

    def _scored(
        self, tasks: Sequence[Mapping[str, Pair]], known: Mapping[str, frozenset[str]], executor: Executor
    ) -> Iterator[Answer]:
        limits = Limits(**self.reading.bounds)
        cached = CachedPairs(self.pairs, self.reading.sources, self.has_references, known, limits)
        work: TaskWork[Any, Any] = TaskWork(cached, self.reading)
        expect(len(tasks))
        pairs = (pair for task in tasks for pair in task.values())
        pending: deque[tuple[Pair, Any]] = deque()

        def bare() -> Iterator[Answer]:
            for answer, pair in zip(executor.map(work, tasks), pairs, strict=True):
                found = answer.outcome
                pending.append((pair, found))
                if isinstance(found, NewRow):
                    yield Answer(answer.model, answer.name, found.outcome)
                elif isinstance(found, Known):
                    row = self._row_by(pair, found.key)
                    yield self._again(answer, pair) if row is None else self._kept(answer, row)
                else:
                    yield answer

        for answer in self.finish(bare()):
            self._keep(*pending.popleft(), answer.outcome)
            yield answer

    def _kept(self, answer: Answer, row: Row) -> Answer:
        return answer._replace(outcome=self.form.found(answer.name, row["o"]))

    def _again(self, answer: Answer, pair: Pair) -> Answer:
        """The answer for a pair whose row was there when its key was looked up, and is no more."""
        work: TaskWork[Any, Any] = TaskWork(self.pairs, self.reading)
        return next(HERE.map(work, [{answer.model: pair}]))

    def _row_by(self, pair: Pair, key: str) -> Row | None:
        """The row of this key, unless the folder was deleted or damaged meanwhile."""
        return next((row for row in self._candidates(pair) if row["k"] == key), None)

    def _keep(self, pair: Pair, found: Any, outcome: Any) -> None:
        """Write the row of a pair, if it is to be kept."""
        if isinstance(found, Known):
            if found.witness is not None and (row := self._row_by(pair, found.key)) is not None:
                self.store.add(pair.name, {**row, "w": found.witness})
        elif isinstance(found, NewRow) and found.key and _is_kept(outcome):
            row = {"k": found.key, "w": found.witness, "o": self.form.row(outcome)}
            names_files = self.form.may_name_files(outcome)
            self.store.add(pair.name, {**row, "at": list(found.at)} if names_files else row)


@dataclass(frozen=True, slots=True)
class KeepingWork:
    """The work of a run whose rows are kept by whoever does it, and looked for there."""

    run: CachedRun

    def __call__(self, tasks: Sequence[Mapping[str, Pair]]) -> list[Answer]:
        """The answers for the pairs of some tasks, in their order."""
        try:
            return list(self.run.answers(tasks, HERE))
        finally:
            self.run.store.flush()

    def lost(self, task: Mapping[str, Pair], reason: str) -> list[Answer]:
        """The failures of pairs whose files ended the process that read them."""
        return self._bare.lost(task, reason)

    def may_end_process(self, task: Mapping[str, Pair]) -> bool:
        """Whether a map of these may."""
        return self._bare.may_end_process(task)

    @property
    def _bare(self) -> TaskWork[Any, Any]:
        return TaskWork(self.run.pairs, self.run.reading)


HERE = LocalPool(1)
"""An executor that does the work itself."""


def warn_of_unkept(tasks: Sequence[Task], sources: AuxiliarySources | None, why: str = "") -> None:
    """Say before anything is scored that nothing will be kept of the first pair, and `why` of any, where that is so."""
    first = next(iter(tasks[0].values())) if tasks else None
    if not why and first is not None:
        why = _why_unkept(first, Ingredients.of(first, sources, has_references=False))
    if why:
        warnings.warn(f"the cache keeps nothing here: {why}; every run scores anew", RuntimeWarning, stacklevel=2)


def _why_unkept(pair: Pair, found: Ingredients | None) -> str:
    if found is None:
        return "maps, or what stands beside them, are no regular files, such as pipes"
    if pair.place is not None and ELSEWHERE in found.stamps:
        return "a stack at a URL would be fetched again for each of its maps; copy it to this machine"
    newest = max((max(stamp.mtime_ns, stamp.ctime_ns) for stamp in found.stamps), default=0)
    if not _may_be_read_twice(pair, None, Limits()) and newest > time.time_ns() + AHEAD_NS:
        return "stacks and videos are known by their times, which are in the future, or their file system has none"
    return ""


AHEAD_NS = 60_000_000_000
"""Times so much later than now, in nanoseconds, are not going to be past while a run goes on."""


def _is_kept(outcome: Any) -> bool:
    """Whether the same files give this outcome again: what could not be read now may be readable tomorrow."""
    return not isinstance(outcome, Failure) or outcome.stage == "check"
