"""Reads and checks every pair of a run without measuring it."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from kldeval.engine.class_maps import PLAIN_AXES
from kldeval.engine.cpu import cores, in_order
from kldeval.engine.ground_truth import decided
from kldeval.engine.run import read, reading_of
from kldeval.engine.scoring import score
from kldeval.engine.surroundings import look_around
from kldeval.inputs.pairing import find_pairs
from kldeval.records import Failure, Skipped
from kldeval.results.inspection import Found, Inspection

if TYPE_CHECKING:
    from pathlib import Path

    from kldeval.arrays import Array
    from kldeval.engine.context import Context
    from kldeval.engine.run import Request
    from kldeval.inputs.load import Reading
    from kldeval.records import Pair
    from kldeval.settings import Settings


def inspect(pred: Path, gt: Path, settings: Settings, request: Request) -> Inspection:
    """The pairing of two files or folders, and what stands against scoring each pair.

    Raises:
        UsageProblem: the paths cannot be paired at all.
    """
    pairing = find_pairs(pred, gt, allow_missing=request.allow_missing, allow_extra=request.allow_extra)
    pairs = pairing.pairs[: request.limit]
    settings = decided(settings, pairs, reading_of(settings, request))
    around = look_around(settings, request, pairing.pairs, alone=pred.is_file())
    reading = replace(reading_of(settings, request), sources=around.sources)
    look = partial(_look, settings=settings, reading=reading, context=around.context)
    found = list(in_order(look, pairs, request.jobs or cores()))
    failures = [item for item in found if isinstance(item, Failure)]
    rows = tuple(item for item in found if isinstance(item, Found))
    return Inspection(rows, (*pairing.failures, *failures), tuple(f"note: {note}" for note in around.notes))


def _look(pair: Pair, settings: Settings, reading: Reading, context: Context) -> Found | Failure:
    maps = read(pair, reading)
    if isinstance(maps, Failure):
        return maps
    outcome = score(maps, settings, context)
    if isinstance(outcome, Failure):
        return outcome
    skipped = " (skipped)" if isinstance(outcome, Skipped) else ""
    return Found(pair.name, str(pair.pred), str(pair.gt), _content(maps.pred), _content(maps.gt) + skipped)


def _content(array: Array) -> str:
    shape = "x".join(map(str, array.shape[::-1] if array.ndim == PLAIN_AXES else array.shape))
    return f"{shape} {array.dtype} {array.min():.4g}..{array.max():.4g}"
