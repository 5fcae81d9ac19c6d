"""What a writer sees: the whole outcome of a run, as plain values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kldeval.records import Failure, Score

SCHEMA = "kldeval.report/1"


@dataclass(frozen=True, slots=True)
class Summary:
    """One metric over all scored maps. Absent numbers are None: the std of one map, everything of no map."""

    n: int
    n_nonfinite: int
    mean: float | None
    std: float | None
    median: float | None
    min: float | None
    max: float | None


@dataclass(frozen=True, slots=True)
class Column:
    """What a table says of a metric: its unit, and which direction is better (`low`, `high` or none)."""

    unit: str = ""
    best: str = ""


@dataclass(frozen=True, slots=True)
class ClassRow:
    """One class of labels over all maps: its number, how many positions have it, and a value per metric."""

    label: int
    n: int
    values: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Report:
    """The outcome of scoring one prediction folder.

    `signatures` maps each metric's key to its full signature; `short` is the form for papers. `summaries`,
    `columns` and the values of `scores` have the same keys in the same order; `--reduction none` leaves `summaries` and
    the values empty. `classes` has rows where a table per class was asked for.
    `provenance` holds plain JSON values; a saved report keeps `short` and `columns` among them.
    """

    signatures: Mapping[str, str]
    short: str
    provenance: Mapping[str, object]
    summaries: Mapping[str, Summary]
    columns: Mapping[str, Column]
    scores: tuple[Score, ...]
    failures: tuple[Failure, ...]
    notes: tuple[str, ...] = field(default=())
    classes: tuple[ClassRow, ...] = field(default=())
