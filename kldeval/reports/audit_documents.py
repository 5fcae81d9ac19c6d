"""What an audit found: the same maps under many conventions, as plain values."""

from __future__ import annotations

from dataclasses import field
from functools import partial
from typing import TYPE_CHECKING

from kldeval.dataclass import dataclass
from kldeval.reports.documents import Column

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kldeval.records import Failure


AUDIT_SCHEMA = "kldeval.audit/2"


@dataclass(frozen=True, slots=True)
class ConventionFacts:
    """What a convention is, for whoever explains its number.

    `short` is the form of the signature for papers: the convention's name, unless a flag has changed it. `pred` and
    `gt` are the names of the steps of each chain; `lines` are the distributions: the map, its rows or its columns.
    `direction` is that of `kld` (gt-pred, pred-gt, mean), `epsilon` its largest constant, `added` what is added to the
    prediction before it is normalised, and `factor` the multiplier.
    """

    signature: str
    short: str
    formula: str
    pred: tuple[str, ...]
    gt: tuple[str, ...]
    lines: str
    direction: str
    epsilon: float
    added: float
    factor: float
    reduction: str

    @property
    def softmaxed(self) -> tuple[bool, bool]:
        """Whether the prediction and the ground truth go through a softmax."""
        return any("softmax" in step for step in self.pred), any("softmax" in step for step in self.gt)

    @property
    def stretched(self) -> bool:
        """Whether the prediction's minimum is subtracted, whatever it is."""
        return not {"minmax", "bytes"}.isdisjoint(self.pred)

    @property
    def normalised(self) -> bool:
        """Whether the maps become distributions."""
        return all(any("softmax" in step or step == "sum-to-one" for step in side) for side in (self.pred, self.gt))

    @property
    def plain(self) -> bool:
        """Whether this is D(gt || pred) of whole maps divided by their sums, so that the constant tells rows apart."""
        steps = {*self.pred, *self.gt}
        return (
            steps <= {"sum-to-one", "max", "shift", "blank"}
            and (self.lines, self.direction, self.reduction) == ("map", "gt-pred", "slices")
            and self.factor == 1
        )


@dataclass(frozen=True, slots=True)
class RoundingBounds:
    """What the rounding of 8-bit predictions leaves open of a number.

    `kind` is exact (no float map behind the file has less than `low`, one has `high`, none more than `outer`), outer
    (no map has less than `low` or more than `outer`, and none may reach them) or none, which `reason` explains.
    `dither` is the range of maps whose pixels lie at random in their intervals, each by itself.
    """

    kind: str
    low: float | None = None
    high: float | None = None
    outer: float | None = None
    dither: tuple[float, float] | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class AuditedMap:
    """One map of one model: a value or a refusal per convention.

    `n_uncovered` pixels have ground-truth mass where the prediction is exactly 0, and `uncovered_mass` is that mass,
    both under sum-to-one; None where a map has no such density. `unit_range`: both maps lie in 0..1 on the unit scale.
    `curve` has the value at each epsilon asked for, and `bounds` what rounding leaves open under each convention.
    """

    name: str
    n_pixels: int
    unit_range: bool
    values: Mapping[str, float]
    refusals: Mapping[str, str]
    n_uncovered: int | None
    uncovered_mass: float | None
    curve: tuple[float, ...] = ()
    group: str = ""
    bounds: Mapping[str, RoundingBounds] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Standing:
    """One model under one convention.

    `n` maps were scored for every model, and the numbers are over these; `n_refused` maps of this model have no value.
    `ratio` is to the reference convention on the maps that both score; `rank` counts from 1 (the best), equals share
    one. Numbers that do not exist are None.
    """

    n: int
    n_nonfinite: int
    n_refused: int
    mean: float | None
    ratio: float | None
    rank: int | None


@dataclass(frozen=True, slots=True)
class Cause:
    """One reason why the conventions disagree: its name, a sentence with the numbers, and its size.

    `size` is the largest |ln(value / reference value)| that it explains; `by_definition` where no map decides it.
    """

    name: str
    text: str
    size: float
    by_definition: bool = False


@dataclass(frozen=True, slots=True)
class FlipSide:
    """A convention under which one model is better, and what is known of the mean paired difference.

    `interval` is its BCa bootstrap interval, `p_value` that of the sign-flip test which `compare` makes, adjusted for
    all conventions and all pairs of models; None where a difference is not finite, or there is one map alone.
    """

    convention: str
    difference: float
    interval: tuple[float, float] | None
    p_value: float | None = None
    significant: bool = False


@dataclass(frozen=True, slots=True)
class Flip:
    """Two models whose order depends on the convention; differences are first minus second."""

    first: str
    second: str
    first_better: tuple[FlipSide, ...]
    second_better: tuple[FlipSide, ...]

    @property
    def decisive(self) -> bool:
        """Whether each order is significant under some convention."""
        return all(any(side.significant for side in sides) for sides in (self.first_better, self.second_better))


@dataclass(frozen=True, slots=True)
class Curve:
    """The mean of sum q ln(e + q/(p + e)) over epsilon, and its slope -dKLD/d ln e; by model.

    `uncovered_mass` is the mean over the same `n` maps: the slope while epsilon is far below every probability.
    """

    epsilons: tuple[float, ...]
    kld: Mapping[str, tuple[float, ...]]
    slope: Mapping[str, tuple[float, ...]]
    uncovered_mass: Mapping[str, float]
    n: int


@dataclass(frozen=True, slots=True)
class Audit:
    """The outcome of an audit.

    `conventions` stand in the order of their registry; `groups` hold those that agree for every model, lowest first.
    `agreement` is Kendall's tau-b between two conventions over the models (None: no pair of models to compare).
    `confidence` and `resamples` belong to the intervals of the flips. `metric` is what is defined differently, and
    `column` its unit and which of its values are better; ranks count from the best. Where `rounding` (round or floor)
    was asked for, `bounds` has by convention and model what it leaves open of the mean.
    """

    models: tuple[str, ...]
    reference: str
    conventions: Mapping[str, ConventionFacts]
    maps: Mapping[str, tuple[AuditedMap, ...]]
    failures: Mapping[str, tuple[Failure, ...]]
    standings: Mapping[str, Mapping[str, Standing]]
    groups: tuple[tuple[str, ...], ...]
    causes: Mapping[str, tuple[Cause, ...]]
    flips: tuple[Flip, ...]
    agreement: Mapping[str, Mapping[str, float | None]]
    provenance: Mapping[str, object]
    curve: Curve | None = None
    notes: tuple[str, ...] = field(default=())
    confidence: float = 0.95
    resamples: int = 10_000
    seed: int = 0
    metric: str = "kld"
    column: Column = field(default_factory=partial(Column, "nats", "low"))
    rounding: str = ""
    bounds: Mapping[str, Mapping[str, RoundingBounds]] = field(default_factory=dict)
