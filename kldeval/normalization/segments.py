"""Runs of blocks of a large map, which are worked on beside each other where cores have nothing else to do."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from kldeval.arrays import quiet
from kldeval.process import threads_of_a_map

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

BLOCKS = 128
"""Blocks of a segment, which are 4 million pixels: maps of ordinary size have one.

What becomes of a map is made of its segments in their order, so that it does not depend on the threads.
"""

Part = TypeVar("Part")


def in_segments(rows: Sequence[slice], work: Callable[[Sequence[slice]], Part]) -> list[Part]:
    """What the work makes of each segment, in their order; by as many threads as the process may use for a map."""
    if len(rows) <= BLOCKS:
        return [work(rows)]
    segments = [rows[start : start + BLOCKS] for start in range(0, len(rows), BLOCKS)]
    if threads_of_a_map() == 1:
        return list(map(work, segments))
    from concurrent.futures import ThreadPoolExecutor

    def quietly(segment: Sequence[slice]) -> Part:
        with quiet():
            return work(segment)

    with ThreadPoolExecutor(threads_of_a_map()) as pool:
        return list(pool.map(quietly, segments))
