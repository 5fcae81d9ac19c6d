"""What `kldeval optimal` was asked for, and the maps that it wrote."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kldeval.dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from kldeval.records import Failure


OPTIMAL_SCHEMA = "kldeval.optimal/1"

FLOATS, BYTES = 64, 8
"""The bits of a value in .npy files and in PNG files."""


@dataclass(frozen=True, slots=True)
class OptimalRequest:
    """What is made: the metric that the maps are for, what it needs, and how predictions become densities."""

    target: str
    sigma: float | None = None
    baseline: Path | None = None
    n_fixations: int | None = None
    norm: str = "sum-to-one"
    bits: int = FLOATS
    color: str = "error"
    seed: int = 0


@dataclass(frozen=True, slots=True)
class OptimalMaps:
    """The maps that were written, by the names of the predictions, and those that could not be made."""

    request: OptimalRequest
    maps: Mapping[str, str]
    failures: tuple[Failure, ...]
    note: str
