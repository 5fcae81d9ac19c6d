"""What a writer sees of several models: their comparison, and the leaderboard of their reports, as plain values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kldeval.results.comparison import Comparison
    from kldeval.results.gates import GateOutcome
    from kldeval.results.report import Column, Report

COMPARE_SCHEMA = "kldeval.compare/2"
LEADERBOARD_SCHEMA = "kldeval.leaderboard/2"


@dataclass(frozen=True, slots=True)
class Resampling:
    """How intervals and p-values are drawn."""

    resamples: int = 10_000
    seed: int = 0
    confidence: float = 0.95


@dataclass(frozen=True, slots=True)
class ComparisonReport:
    """Models compared pair by pair on each metric.

    `statistics` is the signature of intervals and tests, `signatures` are those of the numbers compared. `comparisons`
    lacks a metric whose values are not all finite; the notes say why. `maps` took part; `left_out` names the others,
    each with the models that lack it.
    """

    models: tuple[str, ...]
    signatures: Mapping[str, str]
    statistics: str
    provenance: Mapping[str, object]
    columns: Mapping[str, Column]
    comparisons: Mapping[str, Comparison]
    maps: tuple[str, ...]
    left_out: Mapping[str, tuple[str, ...]]
    notes: tuple[str, ...] = field(default=())
    gates: tuple[GateOutcome, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class Leaderboard:
    """The reports of several models, each on the common maps alone, in the order of the request.

    `comparison` is None where no map is common. `left_out` names the other maps, each with the models that lack it.
    """

    reports: Mapping[str, Report]
    comparison: ComparisonReport | None
    left_out: Mapping[str, tuple[str, ...]]
    notes: tuple[str, ...] = field(default=())
