"""Rows of a run as files of a folder, its parts: each has those of `TASKS_OF_PART` neighbouring pairs.

Where a run holds its rows in this process (see `collected`), this process writes the parts; of an iterable it does so
at the end, when all names are known. Of a run of more pairs a
worker that has done the work on a part writes it, and what comes here are sums and failures. The first part and the
last eighth of them are an exception: they are cut into pieces, whose rows come here, so that nobody waits for the one
worker that is at the last part.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from hashlib import sha256
from heapq import merge
from itertools import groupby, islice
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from kldeval.dataclass import NamedTuple, dataclass
from kldeval.executors.protocol import may_end_process, results_of_lost
from kldeval.records import Failure, Score
from kldeval.regular import why
from kldeval.reports.aggregate import summarise_references
from kldeval.reports.collected import Outcomes
from kldeval.reports.sums import RunSums
from kldeval.sequences import Streamed
from kldeval.settings.signature import signatures
from kldeval.urls import displayed, is_url

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from kldeval.arrays import NumpyArray as Array
    from kldeval.data.dataset import Dataset
    from kldeval.engine.worker import Answer
    from kldeval.executors.protocol import Executor, Work
    from kldeval.memory import MapFolder
    from kldeval.records import Outcome, Pair
    from kldeval.reports.aggregate import Means, RunFacts
    from kldeval.reports.documents import Report, Summary
    from kldeval.run_options import RunOptions
    from kldeval.settings.settings import Settings

    Task = Mapping[str, Pair]


TASKS_OF_PART = 4096
"""Pairs whose rows are in one part."""

TASKS_OF_PIECE = 32
"""Most pairs of a piece of a part."""

SHARE_IN_PIECES = 8
"""One of so many parts, the last ones, is cut into pieces."""


class PartsHead(NamedTuple):
    """What all parts of a run have in common: their columns of numbers, whether maps have groups, and what they are of.

    `run` tells the request and all that all images tell, `inputs` are the paths of both sides, `names` a digest of the
    names of the pairs, `n_parts` how many have scores, and `size` how many rows a part has at most.
    """

    keys: tuple[str, ...]
    has_groups: bool
    signatures: Mapping[str, str]
    run: str
    shard: str
    inputs: Mapping[str, str]
    names: str
    n_parts: int
    size: int

    def of(self, names: Iterable[str]) -> PartsHead:
        """The head of a run like this one over other maps."""
        digest, number = sha256(), 0
        for name in names:
            digest.update(f"{name}\0".encode("utf-8", "surrogatepass"))
            number += 1
        return self._replace(names=f"n={number},sha256={digest.hexdigest()}", n_parts=-(-number // self.size))


class PartTarget(Protocol):
    """Where parts are written, as any process can: it pickles."""

    def encoded(self, number: int, scores: Sequence[Score]) -> bytes:
        """The contents of a part."""

    def write(self, number: int, data: bytes) -> None:
        """Put a part into the folder, whole or not at all.

        Raises:
            OSError: it cannot be written.
        """


class PartsOfRun(Protocol):
    """The parts of a run as the process that collects knows them."""

    @property
    def is_shared(self) -> bool:
        """Whether other processes write into the folder, too."""

    def check(self, head: PartsHead) -> None:
        """Refuse a folder that holds the parts of another run, whatever its maps are called.

        Raises:
            UsageProblem: it does.
        """

    def begin(self, head: PartsHead, remake: Callable[[int], bytes]) -> PartTarget:
        """Make the folder ready for the parts of a run; `remake` gives the contents of one that somebody removed.

        Raises:
            UsageProblem: it holds those of another one.
        """

    def keep(self, number: int, data: bytes, reason: str) -> None:
        """Keep the contents of a part that could not be written, and say so."""

    def scores(self, number: int) -> Iterator[Score]:
        """The scores of a part."""

    def values(self, number: int, key: str) -> Array:
        """The numbers of a metric in a part."""


def head_of(
    dataset: Dataset,
    sides: tuple[MapFolder | None, MapFolder | None],
    settings: Settings,
    request: RunOptions,
    run: str,
) -> PartsHead:
    """What the parts of a run over a dataset have in common; `run` is the digest of what its rows have in common."""
    given = {"manifest": request.manifest} if request.manifest else dict(zip(("pred", "gt"), sides, strict=True))
    return PartsHead(
        keys=settings.keys if settings.reduction != "none" else (),
        has_groups=dataset.group_of is not None,
        signatures=signatures(settings),
        run=run,
        shard=request.shard or "1/1",
        inputs={
            what: displayed(path) if is_url(path) else str(path.resolve())
            for what, path in given.items()
            if isinstance(path, Path)
        },
        names="",
        n_parts=0,
        size=TASKS_OF_PART,
    ).of(next(iter(task.values())).name for task in dataset.tasks)


# where this process has the rows


def writing(
    answers: Iterable[Answer], group_of: Callable[[str], str] | None, parts: PartsOfRun, folder: PartTarget
) -> Iterator[Answer]:
    """The answers, whose scores are written to the parts of the folder on the way, with their groups."""
    for number, members in groupby(_numbered(answers), key=lambda one: one[0]):
        outcomes = []
        for _, answer in members:
            outcomes.append(with_group(answer.outcome, group_of))
            yield answer
        _put(number, outcomes, folder, parts)


def _numbered(answers: Iterable[Answer]) -> Iterator[tuple[int, Answer]]:
    """The answers with the number of the part that each is of; a pair may have two."""
    place, name = -1, None
    for answer in answers:
        if answer.name != name:
            place, name = place + 1, answer.name
        yield place // TASKS_OF_PART, answer


def _put(number: int, outcomes: Sequence[Outcome], folder: PartTarget, parts: PartsOfRun) -> WrittenPart:
    part = made(number, outcomes, folder)
    if part.data is not None:
        parts.keep(number, part.data, part.reason)
    return part


def contents(number: int, answers: Iterable[Answer], dataset: Dataset, folder: PartTarget) -> bytes:
    """The contents of a part, of the answers for its pairs."""
    outcomes = (with_group(answer.outcome, dataset.group_of) for answer in answers)
    return folder.encoded(number, [one for one in outcomes if isinstance(one, Score)])


# where there is a report already


def write_report(report: Report, unscored: Iterable[str], head: PartsHead, parts: PartsOfRun) -> None:
    """Write the parts of a report, which are those of a run over its maps; `unscored` are names without a score."""
    unscored = sorted(unscored)
    reasons: dict[str, list[Failure]] = {}
    for failure in report.failures:
        if failure.metric:
            reasons.setdefault(failure.name, []).append(failure)

    def rows() -> Iterator[tuple[str, Score | None]]:
        scores = ((one.name, replace(one, failures=tuple(reasons.get(one.name, ())))) for one in report.scores)
        return merge(scores, ((name, None) for name in unscored), key=itemgetter(0))

    def scores_of(number: int) -> list[Score]:
        names = groupby(rows(), key=itemgetter(0))
        some = islice(names, number * head.size, (number + 1) * head.size)
        return [score for _, members in some for _, score in members if score is not None]

    head = head.of(name for name, _ in groupby(rows(), key=itemgetter(0)))
    folder = parts.begin(head, lambda number: folder.encoded(number, scores_of(number)))
    names = groupby(rows(), key=itemgetter(0))
    for number in range(head.n_parts):
        some = islice(names, head.size)
        _put(number, [score for _, members in some for _, score in members if score is not None], folder, parts)


# where workers have the rows


class PartBlock(NamedTuple):
    """Neighbouring tasks of one part: all of them where it is whole, so that who has done the work writes the part."""

    part: int
    tasks: Sequence[Task]
    is_whole: bool


class WrittenPart(NamedTuple):
    """A part with `n` scores, the sums over it and its failures; `data` are its contents where it is not written."""

    part: int
    n_outcomes: int
    n: int
    sums: RunSums
    failures: Sequence[Failure]
    data: bytes | None = None
    reason: str = ""


class Piece(NamedTuple):
    """The outcomes of some pairs of a part."""

    part: int
    outcomes: Sequence[Outcome]

    @property
    def n_outcomes(self) -> int:
        """How many outcomes there are."""
        return len(self.outcomes)


def made(number: int, outcomes: Sequence[Outcome], folder: PartTarget) -> WrittenPart:
    """A part of these outcomes, written to the folder."""
    scores = [one for one in outcomes if isinstance(one, Score)]
    sums = RunSums()
    sums.add(outcomes)
    failures = (
        *(one for one in outcomes if isinstance(one, Failure)),
        *(one for score in scores for one in score.failures),
    )
    part = WrittenPart(number, len(outcomes), len(scores), sums, failures)
    data = folder.encoded(number, scores)
    try:
        folder.write(number, data)
    except OSError as error:
        return part._replace(data=data, reason=why(error))
    return part


@dataclass(frozen=True, slots=True)
class PartWork:
    """The work on blocks of tasks: that on each task, and writing the parts that are whole."""

    work: Work[Task, Answer]
    folder: PartTarget

    most_at_once = 1

    def __call__(self, blocks: Sequence[PartBlock]) -> list[WrittenPart | Piece]:
        """A part, or a piece of one, for each block."""
        return [self._finished_block(block) for block in blocks]

    def split(self, block: PartBlock) -> list[PartBlock]:
        """The work on one task at a time."""
        return [PartBlock(block.part, (task,), is_whole=False) for task in block.tasks]

    def may_end_process(self, block: PartBlock) -> bool:
        """Whether a task of the block may."""
        return may_end_process(self.work, block.tasks)

    def lost(self, block: PartBlock, reason: str) -> list[WrittenPart | Piece]:
        """What the work on the tasks makes of the end of its process."""
        answers = [answer for task in block.tasks for answer in results_of_lost(self.work, task, reason)]
        return [Piece(block.part, [answer.outcome for answer in answers])]

    def _finished_block(self, block: PartBlock) -> WrittenPart | Piece:
        outcomes: list[Outcome] = []
        for start in range(0, len(block.tasks), TASKS_OF_PIECE):
            tasks = block.tasks[start : start + TASKS_OF_PIECE]
            groups = {pair.name: pair.group for task in tasks for pair in task.values()}
            outcomes += [with_group(answer.outcome, groups.__getitem__) for answer in self.work(tasks)]
        return made(block.part, outcomes, self.folder) if block.is_whole else Piece(block.part, outcomes)


def with_group(outcome: Outcome, group_of: Callable[[str], str] | None) -> Outcome:
    """The outcome with its group, where maps have groups."""
    group = group_of(outcome.name) if group_of and isinstance(outcome, Score) else ""
    return replace(outcome, group=group) if group and isinstance(outcome, Score) else outcome


class PartBlocks(Sequence[PartBlock]):
    """The blocks of some tasks, each made when it is asked for: first single tasks, which tell what one costs."""

    def __init__(self, tasks: Sequence[Task], ranges: Sequence[tuple[int, int, int, bool]] | None = None) -> None:
        self._tasks = tasks
        self._ranges = _ranges(len(tasks)) if ranges is None else ranges

    def __len__(self) -> int:
        return len(self._ranges)

    def __getitem__(self, place: Any) -> Any:
        if isinstance(place, slice):
            return PartBlocks(self._tasks, self._ranges[place])
        part, start, stop, is_whole = self._ranges[place]
        return PartBlock(part, _Slice(self._tasks, range(start, stop)), is_whole)


class _Slice(Sequence["Task"]):
    """Some neighbouring tasks, which are looked up when they are asked for: many blocks wait for a worker."""

    def __init__(self, tasks: Sequence[Task], places: range) -> None:
        self._tasks = tasks
        self._places = places

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, place: Any) -> Any:
        found = self._places[place]
        return self._tasks[found] if isinstance(found, int) else [self._tasks[one] for one in found]

    def __reduce__(self) -> tuple[Any, ...]:
        return list, (list(self),)  # to another process go these alone


def _ranges(n: int) -> list[tuple[int, int, int, bool]]:
    """The part of each block, its first task, the one after its last, and whether it is whole."""
    found = []
    n_parts = -(-n // TASKS_OF_PART)
    first_in_pieces = n_parts - -(-n_parts // SHARE_IN_PIECES)
    for part in range(n_parts):
        start, end = part * TASKS_OF_PART, min(n, (part + 1) * TASKS_OF_PART)
        if 0 < part < first_in_pieces:
            found.append((part, start, end, True))
            continue
        while start < end:
            size = 1 if start < 2 else TASKS_OF_PIECE  # noqa: PLR2004 - as many as are done before workers are started
            found.append((part, start, min(end, start + size), False))
            start += size
    return found


class PartedRows:
    """The rows of a run in its parts, and the sums over all of them: what `spool.Spool` is to a run without parts.

    Failures, which are in no part, are kept as a run without parts keeps them.
    """

    def __init__(self, parts: PartsOfRun) -> None:
        self.group_of: Callable[[str], str] | None = None  # the rows have their groups
        self.scores = PartedScores(parts)
        self._failures = Outcomes()
        self._sums = RunSums()
        self._parts = parts

    def add(self, outcomes: Iterable[Outcome]) -> None:
        """Take in failures."""
        self._failures.extend(outcomes)

    def append(self, part: WrittenPart) -> None:
        """Take note of the next part."""
        if part.data is not None:
            self._parts.keep(part.part, part.data, part.reason)
        self._sums.join(part.sums)
        self._failures.extend(part.failures)
        self.scores.counts.append(part.n)

    @property
    def facts(self) -> RunFacts:
        """What is known of all outcomes together."""
        return self._sums.facts

    @property
    def failures(self) -> Sequence[Failure]:
        """All failures, in the order of their names."""
        return self._failures.rows().failures

    def summaries(self, keys: Iterable[str]) -> dict[str, Summary]:
        """The summary of each metric; medians are found by counting passes over the parts."""
        return {key: self._sums.metrics.summary(key, partial(self._values, key)) for key in keys}

    def references(self, *, over_groups: bool) -> Means:
        """The headlines of the reference rows."""
        return summarise_references(self.scores, over_groups=True) if over_groups else self._sums.references()

    def _values(self, key: str) -> Iterator[Array]:
        return (self._parts.values(number, key) for number in range(len(self.scores.counts)))


class PartedScores(Streamed[Score]):
    """The scores of all parts, read again whenever they are asked for; `counts` are how many each part has."""

    def __init__(self, parts: PartsOfRun) -> None:
        self.counts: list[int] = []
        self._parts = parts

    def __len__(self) -> int:
        return sum(self.counts)

    def _from(self, start: int) -> Iterator[Score]:
        for number, n in enumerate(self.counts):
            if start < n:
                yield from islice(self._parts.scores(number), start, None)
            start = max(0, start - n)


def rows_of_workers(
    tasks: Sequence[Task],
    work: Work[Task, Answer],
    executor: Executor,
    parts: PartsOfRun,
    folder: PartTarget,
    told: Callable[[int], None],
) -> PartedRows:
    """The rows of all tasks, in parts that workers have written; `told` is told of how many outcomes there are more."""
    rows = PartedRows(parts)
    for number, members in groupby(executor.map(PartWork(work, folder), PartBlocks(tasks)), key=lambda one: one.part):
        pieces: list[Outcome] = []
        for found in members:
            told(found.n_outcomes)
            if isinstance(found, WrittenPart):
                rows.append(found)
            else:
                pieces += found.outcomes
        if pieces:
            rows.append(made(number, pieces, folder))
    return rows
