"""The records that flow from room to room; frozen, and made of plain values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from kldeval.arrays import Array
    from kldeval.inputs.company import Company

Role = Literal["pred", "gt"]
"""The sides of a pair: the prediction and the ground truth."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Two files that belong together under one name; `group` is its video or category, where the run has groups.

    `fixations` and `mask` are the files that a manifest names beside them.
    """

    name: str
    pred: Path
    gt: Path
    group: str = ""
    fixations: Path | None = None
    mask: Path | None = None


class Made(NamedTuple):
    """How a ground truth was made of fixations (see `kldeval density`), and of how many."""

    text: str
    n_fixations: int


@dataclass(frozen=True, slots=True)
class Beside:
    """The numbers of a pair that are no sums over its pixels, by the metric's key, and the number of fixations.

    `waiting` are the arguments of those metrics that are worked out for many pairs at once.
    """

    values: Mapping[str, float]
    n_fixations: int | None = None
    remarks: tuple[str, ...] = ()
    waiting: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class MapPair:
    """Two maps of one shape as they were decoded and resized, and the weight of every pixel (none: all 1).

    `shape` is the map's (height, width) even where the pixels have been collapsed to the cells of a joint histogram;
    `remarks` are keys of what a careful colleague would mention (see `kldeval.diagnosis`); `pred_scale` and `gt_scale`
    are what `--scale unit` divides by: 255 for a file of 8 bits even when resizing made floats of it (none: nothing).
    `made` says how the ground truth was made, where that is known. `beside` are the numbers of the stored maps and of
    the fixations, once they have been worked out, and `references` those of the reference rows by their names.
    """

    name: str
    pred: Array
    gt: Array
    weights: Array | None = None
    shape: tuple[int, int] = (0, 0)
    remarks: tuple[str, ...] = ()
    pred_scale: float | None = None
    gt_scale: float | None = None
    company: Company | None = None
    made: Made | None = None
    beside: Beside | None = None
    references: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


class ClassSum(NamedTuple):
    """A metric summed over the `n` valid positions of one class of labels: its values, and what they count."""

    total: float
    weight: float
    n: int


@dataclass(frozen=True, slots=True)
class Score:
    """The numbers of one map: a value per metric, in the order of the request.

    `n_uncovered` pixels have ground-truth mass where the prediction is exactly 0; `uncovered_mass` is that mass (both 0
    where no metric was of densities). `n_fixations` is None where no metric was of fixations. `weights` is what each
    value counts in a mean over the pixels or fixations of all maps; empty where every map counts the same. `statistics`
    are the sums that a metric's number is made of, where that over all maps is made of the sums over all maps.
    `gt_fixations` is of how many fixations the ground truth was made, where that is known. `references` are the numbers
    of the reference rows by their names. `classes` holds the sums of single classes of
    labels, and `made` how the ground truth was made, on their way to the report.
    """

    name: str
    values: Mapping[str, float]
    n_uncovered: int = 0
    uncovered_mass: float = 0.0
    remarks: tuple[str, ...] = ()
    group: str = ""
    weights: Mapping[str, float] = field(default_factory=dict)
    statistics: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    classes: Mapping[str, tuple[ClassSum, ...]] = field(default_factory=dict)
    n_fixations: int | None = None
    gt_fixations: int | None = None
    made: Made | None = None
    references: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Failure:
    """A map without a number, and why. `stage` is one of pair, load, check, score.

    `code` is the kind of failure, for programs. `metric` is the key of the only metric without a number; "" means all.
    """

    name: str
    stage: str
    message: str
    code: str = "unknown"
    metric: str = ""


@dataclass(frozen=True, slots=True)
class Skipped:
    """A map left out because the request said so (an all-zero ground truth under `--empty-gt skip`)."""

    name: str
    reason: str = field(default="")
