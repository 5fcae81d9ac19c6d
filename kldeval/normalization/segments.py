"""Runs of blocks of a large map, which are worked on beside each other where cores have nothing else to do."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, TypeVar

from kldeval.process import cores_of_a_map, in_forks, is_single_threaded

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

BLOCKS = 64
"""Blocks of a segment, which are 4 million pixels of a large map: maps of ordinary size have one.

What becomes of a map is made of its segments in their order, so that it does not depend on who worked on them.
"""

Part = TypeVar("Part")


def in_segments(rows: Sequence[slice], work: Callable[[Sequence[slice]], Part]) -> list[Part]:
    """What the work makes of each segment, in their order; by forks of this process on the cores that a map may have.

    Threads would take longer than one of them alone: a block is so small that they hand Python's lock to one another
    every 20 microseconds.
    """
    if len(rows) <= BLOCKS:
        return [work(rows)]
    segments = [rows[start : start + BLOCKS] for start in range(0, len(rows), BLOCKS)]
    count = min(cores_of_a_map(), len(segments))
    if count == 1 or not is_single_threaded():
        return list(map(work, segments))
    bounds = [len(segments) * place // count for place in range(count + 1)]
    shares = [segments[start:stop] for start, stop in pairwise(bounds)]
    return [part for found in in_forks(lambda share: list(map(work, share)), shares) for part in found]
