"""What people see of several models, whatever the format: sheets of cells, lists of what is missing, notes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kldeval.results.gates import GateOutcome


@dataclass(frozen=True, slots=True)
class Cell:
    """A text; what is raised behind it; the interval that belongs to it; whether it is the best of its column."""

    text: str
    raised: str = ""
    interval: str = ""
    is_best: bool = False


@dataclass(frozen=True, slots=True)
class Sheet:
    """Rows of cells under a head; the first `n_names` columns hold names, the others numbers.

    A head is a name, its arrow or "", and its unit or "". The legend explains the cells.
    """

    head: tuple[tuple[str, str, str], ...]
    rows: tuple[tuple[Cell, ...], ...]
    n_names: int = 1
    title: str = ""
    legend: str = ""


@dataclass(frozen=True, slots=True)
class Listing:
    """A list of what is missing: its title, and the texts of each row; `rest` says how many rows are not shown."""

    title: str
    rows: tuple[tuple[str, ...], ...]
    rest: str = ""


@dataclass(frozen=True, slots=True)
class Page:
    """Everything of a leaderboard or a comparison; `gates` are those of a model, or of the page with the model ""."""

    sheets: tuple[Sheet, ...]
    listings: tuple[Listing, ...]
    gates: tuple[tuple[str, GateOutcome], ...]
    notes: tuple[str, ...]
    short: tuple[str, ...]
    signatures: tuple[str, ...]


def plain_head(*names: str) -> tuple[tuple[str, str, str], ...]:
    """Heads that are no metrics."""
    return tuple((name, "", "") for name in names)
