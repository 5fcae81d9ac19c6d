"""What a writer sees: the whole outcome of a run, as plain values."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Literal

from kldeval.dataclass import dataclass
from kldeval.grammar import split_top_level

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kldeval.records import Failure, Score


@dataclass(frozen=True, slots=True)
class Methods:
    """What a paper says of its numbers: a paragraph, the short signature, the full ones, and an entry of BibTeX.

    `convention` and `bibtex` are empty where the settings are no named convention.
    """

    text: str
    short: str
    signatures: Mapping[str, str]
    convention: str
    bibtex: str


@dataclass(frozen=True, slots=True)
class PairOfModels:
    """Two models and their paired statistics, first minus second.

    `adjusted_p` is Holm's over all pairs of the comparison. `winner` is the significantly better model, "" where the
    pair is not significant or the metric has no better direction.
    """

    first: str
    second: str
    result: PairedResult
    adjusted_p: float
    significant: bool
    winner: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """Several models compared on one metric, pair by pair.

    `means` has the mean over the units for each model, in the order given; `intervals` the BCa interval of each mean,
    None for a single unit; `letters` its letter in a leaderboard, and
    `superscripts` the letters of the models that it differs from significantly. `maps` took part; `left_out` names the
    other maps, each with the models that lack it. `unit` is "maps" or "groups", and there are `n` of them.
    """

    unit: str
    n: int
    confidence: float
    resamples: int
    seed: int
    means: Mapping[str, float]
    intervals: Mapping[str, tuple[float, float] | None]
    letters: Mapping[str, str]
    superscripts: Mapping[str, tuple[str, ...]]
    pairs: tuple[PairOfModels, ...]
    maps: Sequence[str]
    left_out: Mapping[str, tuple[str, ...]]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class GateOutcome:
    """What a gate found. `value` is None where the report has no such number (the mean of no map).

    `p_value` is that of the test that decided, where a test did.
    """

    text: str
    value: float | None
    fired: bool
    p_value: float | None = None


SCHEMA = "kldeval.report/2"


@dataclass(frozen=True, slots=True)
class Summary:
    """One metric over all scored maps, or over the means of their groups where the signature says `maps:groups`.

    Absent numbers are None: the std of one map, everything of no map. `interval` is that of the mean, where intervals
    were asked for and there are two finite values or more.
    """

    n: int
    n_nonfinite: int
    mean: float | None
    std: float | None
    median: float | None
    min: float | None
    max: float | None
    interval: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Column:
    """What a table says of a metric: its unit, and which direction is better (`low`, `high` or none)."""

    unit: str = ""
    best: str = ""


@dataclass(frozen=True, slots=True)
class ClassRow:
    """One class of labels over all maps: its number, how many positions have it, and a value per metric.

    `sums` are what each value is made of, exactly: numbers whose sum is that of the values, and of what they count.
    """

    label: int
    n: int
    values: Mapping[str, float]
    sums: Mapping[str, tuple[tuple[float, ...], tuple[float, ...]]] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class ShareOfWay:
    """The part of the way that a model goes, and its interval; both None where there is no way, which `reason` says."""

    value: float | None
    interval: tuple[float, float] | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Ways:
    """By metric and by what is taken for chance the share of the way to the ceiling that a model goes.

    `statistics` is everything that defines the intervals of the shares.
    """

    statistics: str
    shares: Mapping[str, Mapping[str, ShareOfWay]]


@dataclass(frozen=True, slots=True)
class Report:
    """The outcome of scoring one prediction folder.

    `signatures` maps each metric's key to its full signature; `short` is the form for papers. `summaries`,
    `columns` and the values of `scores` have the same keys in the same order; `--reduction none` leaves `summaries` and
    the values empty. `provenance` holds plain JSON values; a saved report keeps `short` and `columns` among them.
    `classes` has rows where a table per class was asked for; `groups` has the summaries of each group's maps where
    every score has a group; `gates` what was asked of the run. `references` are the headlines of the reference rows.
    `statistics` is the signature of the intervals of the summaries, where these were asked for, and `ways` are the
    shares of the way to the ceiling, where there is one.
    """

    signatures: Mapping[str, str]
    short: str
    provenance: Mapping[str, object]
    summaries: Mapping[str, Summary]
    columns: Mapping[str, Column]
    scores: Sequence[Score]
    failures: Sequence[Failure]
    notes: tuple[str, ...] = field(default=())
    classes: tuple[ClassRow, ...] = field(default=())
    groups: Mapping[str, Mapping[str, Summary]] = field(default_factory=dict)
    gates: tuple[GateOutcome, ...] = field(default=())
    references: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    statistics: str = ""
    ways: Ways | None = None

    @property
    def averages_groups(self) -> bool:
        """Whether the headline is the mean over the means of the groups, as the signatures say."""
        return any("maps:groups" in split_top_level(text, "|") for text in self.signatures.values())


@dataclass(frozen=True, slots=True)
class PairedResult:
    """What n units say of the difference between two models.

    `interval` is the BCa bootstrap interval of the mean difference; `p_value` is two-sided, of the paired permutation
    (sign-flip) test; `wilcoxon_p` of Wilcoxon's signed-rank test. `cohens_dz` is the mean difference divided by the
    standard deviation of the differences (ddof 1), `rank_biserial` the matched-pairs rank-biserial correlation, from -1
    (all differences negative) to 1. `detectable` is the smallest absolute mean difference that as many units with this
    spread show significant with 80 % power at the first step of Holm's procedure, in the metric's unit; None where so
    few units cannot show any difference. A single unit has a p-value of 1 and neither an interval nor a `cohens_dz`.
    """

    n: int
    mean_difference: float
    interval: tuple[float, float] | None
    p_value: float
    wilcoxon_p: float
    cohens_dz: float | None
    rank_biserial: float
    detectable: float | None


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
    """A place, and what it adds to a metric: its row and column, or the place of a label among others.

    `pred` and `gt` are the probabilities there; of a fixated pixel the stored value and the number of fixations, of a
    label the probability it was given (nan: soft labels) and the label.
    """

    place: tuple[int, ...]
    pred: float
    gt: float
    term: float


@dataclass(frozen=True, slots=True)
class Terms:
    """What makes one metric: the `largest` of the terms that sum to `total` over `n` places of one kind.

    What the uncovered pixels add to that is None where the metric is not of densities.
    """

    metric: str
    over: Literal["pixels", "fixated pixels", "positions"]
    largest: tuple[Contribution, ...]
    total: float
    n: int
    unit: str
    uncovered_adds: float | None = None


@dataclass(frozen=True, slots=True)
class Explanation:
    """How one pair comes to its numbers.

    `terms` has for each metric the places that add most to it; metrics that are no sum over places have none.
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
    terms: tuple[Terms, ...]
    matrices: Mapping[str, tuple[tuple[str, Matrix], ...]]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CheckedPair:
    """A pair that could be scored: its files and what they hold."""

    name: str
    pred: str
    gt: str
    pred_content: str
    gt_content: str


@dataclass(frozen=True, slots=True)
class Inspection:
    """The outcome of a check."""

    rows: tuple[CheckedPair, ...]
    failures: tuple[Failure, ...]
    notes: tuple[str, ...]


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
    maps: Sequence[str]
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
