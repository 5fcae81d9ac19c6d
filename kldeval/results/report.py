"""What a writer sees: the whole outcome of a run, as plain values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from kldeval.names import split_top_level

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kldeval.records import Failure, Score
    from kldeval.results.gates import GateOutcome

SCHEMA = "kldeval.report/2"


@dataclass(frozen=True, slots=True)
class Summary:
    """One metric over all scored maps, or over the means of their groups where the signature says `maps:groups`.

    Absent numbers are None: the std of one map, everything of no map.
    """

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
    the values empty. `provenance` holds plain JSON values; a saved report keeps `short` and `columns` among them.
    `classes` has rows where a table per class was asked for; `groups` has the summaries of each group's maps where
    every score has a group; `gates` what was asked of the run. `references` are the headlines of the reference rows.
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
    groups: Mapping[str, Mapping[str, Summary]] = field(default_factory=dict)
    gates: tuple[GateOutcome, ...] = field(default=())
    references: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    @property
    def averages_groups(self) -> bool:
        """Whether the headline is the mean over the means of the groups, as the signatures say."""
        return any("maps:groups" in split_top_level(text, "|") for text in self.signatures.values())
