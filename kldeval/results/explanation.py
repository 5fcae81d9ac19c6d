"""One pair, step by step: what a table of it shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

Matrix = tuple[tuple[float, ...], ...]
"""The values of a small map, row by row."""


@dataclass(frozen=True, slots=True)
class Stage:
    """A map after one step: its extremes, its sum, and how many pixels are exactly 0.

    After a step that ends in log-probabilities, `sum` and `n_zero` are those of the probabilities.
    """

    step: str
    low: float
    high: float
    sum: float
    n_zero: int
    is_log: bool = False


@dataclass(frozen=True, slots=True)
class Contribution:
    """A pixel and what it adds to the first metric."""

    row: int
    column: int
    pred: float
    gt: float
    term: float


@dataclass(frozen=True, slots=True)
class Explanation:
    """How one pair comes to its numbers.

    `matrices` shows small maps as they are: for each side a title and a matrix each, side by side.
    """

    name: str
    shape: tuple[int, int]
    dtypes: Mapping[str, str]
    stages: Mapping[str, tuple[Stage, ...]]
    values: Mapping[str, float]
    signatures: Mapping[str, str]
    n_uncovered: int
    uncovered_mass: float
    contributions: tuple[Contribution, ...]
    matrices: Mapping[str, tuple[tuple[str, Matrix], ...]]
    notes: tuple[str, ...]
