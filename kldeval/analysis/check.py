"""Reads and checks every pair of a run without measuring it."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from kldeval.data.dataset import select
from kldeval.data.listing import is_excluded, list_folder
from kldeval.data.template_suggestion import propose
from kldeval.engine.auxiliary import open_auxiliary
from kldeval.engine.run import resolve_target_kind, with_manifest_masks
from kldeval.engine.worker import read, reading_of
from kldeval.executors.local import cores, in_order
from kldeval.records import Failure, Skipped
from kldeval.reports.documents import Found, Inspection
from kldeval.scoring.evaluator import Evaluator
from kldeval.scoring.plan import Plan
from kldeval.scoring.views import PLAIN_AXES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from kldeval.arrays import Array
    from kldeval.data.load import Reading
    from kldeval.records import Pair
    from kldeval.run_options import RunOptions
    from kldeval.settings.settings import Settings


def inspect(pred: Path | None, gt: Path | None, settings: Settings, request: RunOptions) -> Inspection:
    """The pairing of two files or folders, or of a manifest, and what stands against scoring each pair.

    Raises:
        UsageProblem: the paths cannot be paired at all.
    """
    selection = select(pred, gt, settings, request)
    settings = with_manifest_masks(
        resolve_target_kind(settings, selection.pairs, reading_of(settings, request)), selection.pairs
    )
    around = open_auxiliary(settings, request, selection.every, alone=selection.alone)
    reading = replace(reading_of(settings, request), sources=around.sources)
    look = partial(_look, evaluator=Evaluator(Plan.of(settings), around.context), reading=reading)
    found = list(in_order(look, selection.pairs, request.jobs or cores()))
    failures = [item for item in found if isinstance(item, Failure)]
    rows = tuple(item for item in found if isinstance(item, Found))
    notes = [*selection.notes, *around.notes]
    if selection.failures:
        notes += _proposal(pred, gt, request.exclude, len(selection.pairs))
    return Inspection(rows, (*selection.failures, *failures), tuple(f"note: {note}" for note in notes))


def _proposal(pred: Path | None, gt: Path | None, exclude: Sequence[str], n_pairs: int) -> Iterator[str]:
    """The templates that would pair more of two folders' files."""
    if pred is None or gt is None:
        return
    found, wanted = ([name for name in list_folder(side).maps if not is_excluded(name, exclude)] for side in (pred, gt))
    proposal = propose(found, wanted, more_than=n_pairs)
    if proposal:
        yield str(proposal)


def _look(pair: Pair, evaluator: Evaluator, reading: Reading) -> Found | Failure:
    maps = read(pair, reading)
    if isinstance(maps, Failure):
        return maps
    outcome = evaluator.score(maps)
    if isinstance(outcome, Failure):
        return outcome
    skipped = " (skipped)" if isinstance(outcome, Skipped) else ""
    return Found(pair.name, str(pair.pred), str(pair.gt), _content(maps.pred), _content(maps.gt) + skipped)


def _content(array: Array) -> str:
    shape = "x".join(map(str, array.shape[::-1] if array.ndim == PLAIN_AXES else array.shape))
    return f"{shape} {array.dtype} {array.min():.4g}..{array.max():.4g}"
