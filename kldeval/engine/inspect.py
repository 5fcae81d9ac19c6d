"""Reads and checks every pair of a run without measuring it."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from kldeval.engine.around import look_around
from kldeval.engine.cpu import cores, in_order
from kldeval.engine.ground_truth import decided
from kldeval.engine.run import read, reading_of
from kldeval.engine.selection import masked, select
from kldeval.inputs.listing import list_folder
from kldeval.inputs.naming import is_excluded
from kldeval.inputs.proposal import propose
from kldeval.records import Failure, Skipped
from kldeval.results.inspection import Found, Inspection
from kldeval.scoring.evaluator import Evaluator
from kldeval.scoring.plan import Plan
from kldeval.scoring.views import PLAIN_AXES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from kldeval.arrays import Array
    from kldeval.engine.run import Request
    from kldeval.inputs.load import Reading
    from kldeval.records import Pair
    from kldeval.settings import Settings


def inspect(pred: Path | None, gt: Path | None, settings: Settings, request: Request) -> Inspection:
    """The pairing of two files or folders, or of a manifest, and what stands against scoring each pair.

    Raises:
        UsageProblem: the paths cannot be paired at all.
    """
    selection = select(pred, gt, settings, request)
    settings = masked(decided(settings, selection.pairs, reading_of(settings, request)), selection.pairs)
    around = look_around(settings, request, selection.every, alone=selection.alone)
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
