"""Several predictions of the same ground truths: each ground truth is read once, and meets all its predictions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from kldeval.engine.cpu import cores, in_batches
from kldeval.engine.run import read_map, reading_of
from kldeval.engine.selection import pair_up, pairing_notes
from kldeval.records import Failure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from kldeval.engine.run import Request
    from kldeval.inputs.load import Loaded, Reading
    from kldeval.inputs.pairing import Pairing
    from kldeval.records import Pair
    from kldeval.settings import Settings

T = TypeVar("T")
Looked = TypeVar("Looked")

if TYPE_CHECKING:
    Look = Callable[[Pair, Loaded, Loaded], Looked]
    Finish = Callable[[Sequence[Looked]], Iterable[T]]


@dataclass(frozen=True, slots=True)
class Tasks:
    """The pairs of every ground truth by model, what could not be paired, and what to say about it.

    `model_notes` are those of single models, `shared_notes` those of all. `every` has one pair of each ground truth,
    without a limit to their number.
    """

    pairs: tuple[Mapping[str, Pair], ...]
    failures: Mapping[str, tuple[Failure, ...]]
    model_notes: Mapping[str, tuple[str, ...]]
    shared_notes: tuple[str, ...]
    every: tuple[Pair, ...]

    @property
    def notes(self) -> tuple[str, ...]:
        """Every note, once."""
        notes = (note for notes in self.model_notes.values() for note in notes)
        return tuple(dict.fromkeys((*notes, *self.shared_notes)))

    @property
    def count(self) -> int:
        """The number of pairs."""
        return sum(map(len, self.pairs))


def find_tasks(preds: Mapping[str, Path], gt: Path, request: Request) -> Tasks:
    """The pairs of every model with the ground truths.

    Raises:
        UsageProblem: the paths of a model cannot be paired with the ground truths at all.
    """
    pairings = {model: _pairing(pred, gt, request) for model, pred in preds.items()}
    by_name: dict[str, dict[str, Pair]] = {}
    for model, pairing in pairings.items():
        for pair in pairing.pairs:
            by_name.setdefault(pair.name, {})[model] = pair
    names = sorted(by_name)[: request.limit]
    limited = [f"only the first {len(names)} of {len(by_name)} maps were read (--limit)"]
    return Tasks(
        tuple(by_name[name] for name in names),
        {model: pairing.failures for model, pairing in pairings.items()},
        {model: (*pairing.notes, *pairing_notes(pairing, len(pairing.pairs))) for model, pairing in pairings.items()},
        tuple(limited if len(names) < len(by_name) else ()),
        tuple(next(iter(pairs.values())) for pairs in by_name.values()),
    )


def outcomes(
    tasks: Tasks, settings: Settings, request: Request, look: Look[Looked], finish: Finish[Looked, T]
) -> Iterator[tuple[str, T | Failure]]:
    """What becomes of every pair, with its model, in order.

    `look` is told each pair as it is decoded; `finish` makes results of what it saw of several pairs, one for each.
    """
    work = partial(_on_tasks, reading=reading_of(settings, request), look=look, finish=finish)
    return in_batches(work, tasks.pairs, request.jobs or cores())


def _pairing(pred: Path, gt: Path, request: Request) -> Pairing:
    """The pairs of one model; of two files the name is the ground truth's, which all models share."""
    found = pair_up(pred, gt, request)
    if pred.is_dir():
        return found
    return replace(found, pairs=tuple(replace(pair, name=gt.stem) for pair in found.pairs))


def _on_tasks(
    tasks: Sequence[Mapping[str, Pair]], reading: Reading, look: Look[Looked], finish: Finish[Looked, T]
) -> list[tuple[str, T | Failure]]:
    seen = [one for pairs in tasks for one in _on_task(pairs, reading, look)]
    finished = iter(finish([found for _, found in seen if not isinstance(found, Failure)]))
    return [(model, found if isinstance(found, Failure) else next(finished)) for model, found in seen]


def _on_task(pairs: Mapping[str, Pair], reading: Reading, look: Look[Looked]) -> list[tuple[str, Looked | Failure]]:
    first = next(iter(pairs.values()))
    gt = read_map(first.name, first.gt, reading)
    if isinstance(gt, Failure):
        return [(model, gt) for model in pairs]
    return [(model, _on_pair(pair, gt, reading, look)) for model, pair in pairs.items()]


def _on_pair(pair: Pair, gt: Loaded, reading: Reading, look: Look[Looked]) -> Looked | Failure:
    pred = read_map(pair.name, pair.pred, reading)
    return pred if isinstance(pred, Failure) else look(pair, pred, gt)
