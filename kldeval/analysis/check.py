"""Every pair of a run read and checked, without a number."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from kldeval.data.dataset import ONLY, select
from kldeval.data.listing import is_excluded, list_folder
from kldeval.data.load import load_pair
from kldeval.data.template_suggestion import propose
from kldeval.dataclass import dataclass
from kldeval.engine.auxiliary import open_auxiliary
from kldeval.engine.computing import check_computing
from kldeval.engine.run import outcomes, resolve_target_kind, with_manifest_masks
from kldeval.engine.worker import reading_of
from kldeval.executors.choice import executor_for
from kldeval.records import Failure, Skipped
from kldeval.reports.documents import CheckedPair, Inspection
from kldeval.scoring.evaluator import Evaluator
from kldeval.scoring.plan import Plan
from kldeval.scoring.views import PLAIN_AXES
from kldeval.urls import displayed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from kldeval.arrays import NumpyArray as Array
    from kldeval.data.load import Loaded, Reading
    from kldeval.memory import MapFolder
    from kldeval.records import MapPair, Outcome, Pair
    from kldeval.run_options import RunOptions
    from kldeval.scoring.evaluator import PartialResult
    from kldeval.settings.settings import Settings

    _Checked = tuple[CheckedPair, Outcome | PartialResult]


def inspect(pred: MapFolder | None, gt: MapFolder | None, settings: Settings, request: RunOptions) -> Inspection:
    """The pairing of two files or folders, or of a manifest, and what stands against scoring each pair.

    A device that is named is asked for as an evaluation asks for it; nothing is computed there.

    Raises:
        UsageProblem: the paths cannot be paired at all, or an evaluation would have no such device.
        MissingDependency: the device is not there.
    """
    dataset = select(pred, gt, settings, request)
    check_computing(settings, request)
    settings = with_manifest_masks(
        resolve_target_kind(settings, dataset.undivided, reading_of(settings, request)), dataset.undivided
    )
    around = open_auxiliary(settings, request, dataset.every, is_single_pair=dataset.is_single_pair)
    reading = replace(reading_of(settings, request), sources=around.sources)
    checking = _Checking(Evaluator(Plan.of(settings), around.context), reading)
    found = [one.outcome for one in outcomes(dataset, checking, reading, executor_for(request))]
    failures = [item for item in found if isinstance(item, Failure)]
    rows = tuple(item for item in found if isinstance(item, CheckedPair))
    notes = [*dataset.notes, *around.notes]
    if request.shard is not None:
        notes.append(f"these are the pairs of the share {request.shard} alone: leave out --shard to look at all")
    unpaired = dataset.failures[ONLY]
    if unpaired:
        notes += _proposal(pred, gt, request.exclude, len(dataset.tasks))
    return Inspection(rows, (*unpaired, *failures), tuple(f"note: {note}" for note in notes))


def _proposal(pred: MapFolder | None, gt: MapFolder | None, exclude: Sequence[str], n_pairs: int) -> Iterator[str]:
    """The templates that would pair more of two folders' files."""
    if not (isinstance(pred, Path) and isinstance(gt, Path) and pred.is_dir() and gt.is_dir()):
        return
    found, wanted = ([name for name in list_folder(side).maps if not is_excluded(name, exclude)] for side in (pred, gt))
    proposal = propose(found, wanted, more_than=n_pairs)
    if proposal:
        yield str(proposal)


@dataclass(frozen=True, slots=True)
class _Checking:
    """Each pair is read and measured as in an evaluation; of its numbers nothing is kept."""

    evaluator: Evaluator
    reading: Reading

    def begin(self, model: str, pair: Pair, gt: Loaded | None, *, is_first: bool) -> _Checked:
        """What a pair holds, and what is left to measure."""
        del model, is_first
        maps = load_pair(pair, self.reading, gt)
        found = CheckedPair(pair.name, displayed(pair.pred), displayed(pair.gt), *_contents(maps))
        return found, self.evaluator.begin(maps)

    def finish(self, begun: Sequence[_Checked]) -> list[CheckedPair | Failure]:
        """What the pairs hold, or what stands against scoring them."""
        scored = self.evaluator.finish([one for _, one in begun])
        return [_with_outcome(found, outcome) for (found, _), outcome in zip(begun, scored, strict=True)]


def _with_outcome(found: CheckedPair, outcome: Outcome) -> CheckedPair | Failure:
    if isinstance(outcome, Failure):
        return outcome
    return replace(found, gt_content=f"{found.gt_content} (skipped)") if isinstance(outcome, Skipped) else found


def _contents(maps: MapPair) -> tuple[str, str]:
    return _content(maps.pred, maps.volume), _content(maps.gt, maps.volume)


def _content(array: Array, volume: tuple[int, ...]) -> str:
    shape = "x".join(map(str, volume or (array.shape[::-1] if array.ndim == PLAIN_AXES else array.shape)))
    return f"{shape} {array.dtype} {array.min():.4g}..{array.max():.4g}"
