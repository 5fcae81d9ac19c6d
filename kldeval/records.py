"""The records that flow from room to room; frozen, and made of plain values."""

from __future__ import annotations

from dataclasses import field, replace
from typing import TYPE_CHECKING, Any, Literal

from kldeval.dataclass import NamedTuple, dataclass
from kldeval.errors import RefusedMap

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kldeval.arrays import AnyArray
    from kldeval.arrays import NumpyArray as Array
    from kldeval.grids import Place
    from kldeval.memory import MapFile


@dataclass(frozen=True, slots=True, eq=False)
class AuxiliaryInputs:
    """What stands beside a pair, at its size: the fixations on it, the map of its baseline, fixations on other images.

    `image` is the name of the pair among the fixations of the data set.
    """

    image: str = ""
    fixations: Fixations | None = None
    baseline: Array | None = None
    other: Fixations | None = None


NO_PREDICTION = "missing-pred"
"""The remark on a map that has no prediction, and counts as what the settings say."""

OF_PIXELS = "pixels"
"""Whole numbers of 0 and 1 alone are masks for metrics of which each pixel is a probability, and for no others."""

Role = Literal["pred", "gt"]
"""The sides of a pair: the prediction and the ground truth."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Two files or arrays that belong together under one name; `group` is its video or category in a run with groups.

    `fixations` and `mask` are the files that a manifest names beside them. `place` is that of the maps in their files,
    where these are stacks. `is_first`: whether reference rows of the ground truth are scored with this prediction,
    which is the first of several models'.
    """

    name: str
    pred: MapFile
    gt: MapFile
    group: str = ""
    fixations: MapFile | None = None
    mask: MapFile | None = None
    place: int | None = None
    is_first: bool = True


class DensityProvenance(NamedTuple):
    """How a ground truth was made of fixations (see `kldeval density`), and of how many."""

    text: str
    n_fixations: int


class Reason(NamedTuple):
    """Why there is no number: a word for programs (see `Failure.code`), and a sentence."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class AuxiliaryScores:
    """The numbers of a pair that are no sums over its pixels, by the metric's key, and the number of fixations.

    `waiting` are the arguments of those metrics that are worked out for many pairs at once, `failures` says why a
    metric has no number, and `statistics` are the sums that a number is made of (see `Score`).
    """

    values: Mapping[str, float]
    n_fixations: int | None = None
    remarks: tuple[str, ...] = ()
    waiting: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    failures: Mapping[str, Reason] = field(default_factory=dict)
    statistics: Mapping[str, tuple[float, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class MapPair:
    """Two maps of one shape as they were decoded and resized, and the weight of every pixel (none: all 1).

    `shape` is the map's (height, width) even where the pixels have been collapsed to the cells of a joint histogram;
    `remarks` are keys of what a careful colleague would mention (see `kldeval.scoring.diagnostics`); `pred_scale` and
    `gt_scale` are what `--scale unit` divides by: 255 for a file of 8 bits even when resizing made floats of it (none:
    nothing). `masks` are the sides that hold 0 and 1 alone as whole numbers: metrics of which each pixel is a
    probability do not divide them.
    `volume` is the shape of a map of other axes, whose slices along the first axis are the rows here (empty: none).
    `is_xyz`: these axes are in the order x, y, z of NIfTI. `grid` is where the pixels lie, as a file says.
    `edges` are those between bins with equal numbers of forecasts, by the key of a metric, (events, bins - 1).
    `made` says how the ground truth was made, where that is known. `beside` are the numbers of the stored maps and of
    the fixations, once they have been worked out, and `references` those of the reference rows by their names.
    """

    name: str
    pred: AnyArray
    gt: AnyArray
    weights: Array | None = None
    shape: tuple[int, int] = (0, 0)
    remarks: tuple[str, ...] = ()
    pred_scale: float | None = None
    gt_scale: float | None = None
    masks: tuple[Role, ...] = ()
    company: AuxiliaryInputs | None = None
    made: DensityProvenance | None = None
    beside: AuxiliaryScores | None = None
    references: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    edges: Mapping[str, Array] = field(default_factory=dict)
    volume: tuple[int, ...] = ()
    is_xyz: bool = False
    grid: Place | None = None


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
    of the reference rows by their names. `failures` are those of single metrics, which have no value.
    `classes` holds the sums of single classes of
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
    made: DensityProvenance | None = None
    references: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    failures: tuple[Failure, ...] = ()


@dataclass(frozen=True, slots=True)
class Failure:
    """A map without a number, and why.

    `stage` is one of pair, load, check, score, and `code` one of `kldeval.errors.FAILURE_CODES`. `metric` is the key of
    the only metric that has no number, where the map has others.
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


Outcome = Score | Failure | Skipped
"""What becomes of a pair."""


Shape = tuple[int, int]
"""(height, width)."""


@dataclass(frozen=True, slots=True)
class Outside:
    """Fixations that lie outside their map: how many of how many, and the first of them, counted from 0."""

    count: int
    total: int
    row: float
    col: float
    shape: Shape

    def __str__(self) -> str:
        height, width = self.shape
        if self.row != self.row or self.col != self.col:
            return f"{self.count} of {self.total} fixations lie outside the map or have no position (nan)"
        return (
            f"{self.count} of {self.total} fixations lie outside the map of {width} x {height} pixels, "
            f"such as x {self.col:g}, y {self.row:g} (counted from 0)"
        )


@dataclass(frozen=True, slots=True, eq=False)
class Fixations:
    """Fixations of one image in the order of the file; one entry may stand for several at one place (`counts`).

    `rows` and `cols` are float64 positions: pixel r covers r <= row < r + 1, so that what an eye tracker resolves
    below a pixel survives a change of size. Unknown parts are None. The arrays cannot be written to.
    """

    rows: Array
    cols: Array
    counts: Array
    observers: tuple[str, ...] | None = None
    shape: Shape | None = None
    durations: Array | None = None

    @property
    def total(self) -> int:
        """The number of fixations, repeats included."""
        return int(self.counts.sum())

    @property
    def observer_names(self) -> tuple[str, ...]:
        """The observers in the order of their first fixation; none if the file does not tell them apart."""
        return tuple(dict.fromkeys(self.observers or ()))

    def select(self, chosen: Array) -> Fixations:
        """The entries at which the boolean array `chosen` is true."""
        import numpy as np

        observers = None if self.observers is None else tuple(self.observers[i] for i in np.flatnonzero(chosen))
        durations = None if self.durations is None else self.durations[chosen]
        return fixations_at(self.rows[chosen], self.cols[chosen], self.counts[chosen], observers, self.shape, durations)

    def of_observer(self, name: str) -> tuple[Fixations, Fixations]:
        """What one observer fixated, and what all others did.

        Raises:
            RefusedMap: the file does not tell observers apart.
        """
        own = self._observer_array() == name
        return self.select(own), self.select(~own)

    def without_first(self) -> Fixations:
        """Without the first fixation of each observer, which a trial's starting cross often forces.

        Raises:
            RefusedMap: the file does not tell observers apart.
        """
        import numpy as np

        chosen = np.ones(len(self.rows), dtype=bool)
        chosen[np.unique(self._observer_array(), return_index=True)[1]] = False
        return self.select(chosen)

    def inside(self, shape: Shape) -> tuple[Fixations, Outside | None]:
        """The fixations on a map of this shape, and a report of those outside (None: there are none)."""
        import numpy as np

        height, width = shape
        within = (self.rows >= 0) & (self.rows < height) & (self.cols >= 0) & (self.cols < width)
        fixations = self if self.shape == shape else replace(self, shape=shape)
        if within.all():
            return fixations, None
        first = int(np.argmin(within))
        lost = int(self.counts[~within].sum())
        outside = Outside(lost, self.total, float(self.rows[first]), float(self.cols[first]), shape)
        return fixations.select(within), outside

    def pixels(self, shape: Shape) -> tuple[Array, Array, Array]:
        """Rows, columns and counts of the fixated pixels of a map of this shape, each pixel once.

        Raises:
            RefusedMap: a fixation lies outside; `inside` leaves it out and tells.
        """
        import numpy as np

        _, outside = self.inside(shape)
        if outside:
            msg = f"{outside}; check the size of the map and whether coordinates count from 0 or 1"
            raise RefusedMap(msg)
        places = np.floor(self.rows).astype(np.int64) * shape[1] + np.floor(self.cols).astype(np.int64)
        places, counts = counted_once(places, self.counts)
        return *np.divmod(places, shape[1]), counts.astype(np.int64)

    def scaled(self, shape: Shape) -> Fixations:
        """The fixations on the image resized to another shape.

        Raises:
            RefusedMap: the shape of the image is unknown.
        """
        if self.shape is None:
            msg = "fixations on an image of unknown size cannot be scaled; give its (height, width)"
            raise RefusedMap(msg)
        rows, cols = (
            rescale_positions(places, old, new)
            for places, old, new in zip((self.rows, self.cols), self.shape, shape, strict=True)
        )
        return fixations_at(rows, cols, self.counts, self.observers, shape, self.durations)

    def rounded(self) -> Fixations:
        """The fixations on the pixels whose numbers are nearest to their positions; a half goes up."""
        import numpy as np

        return self._moved(np.floor(self.rows + 0.5), np.floor(self.cols + 0.5))

    def clipped(self, shape: Shape) -> Fixations:
        """The fixations outside a map of this shape moved to its first or last pixels; lost positions (nan) stay so."""
        import numpy as np

        within = (
            np.where(places >= side, side - 1.0, np.maximum(places, 0.0))
            for places, side in zip((self.rows, self.cols), shape, strict=True)
        )
        return self._moved(*within)

    def _moved(self, rows: Array, cols: Array) -> Fixations:
        return fixations_at(rows, cols, self.counts, self.observers, self.shape, self.durations)

    def on_screen(self, size: tuple[int, int], shape: Shape) -> Fixations:
        """The fixations at positions on a screen of `size` (width, height), on the image that filled it.

        A position on the far edge of the screen, as 1 in normalised gaze, is one on the image's last pixel.
        """
        import numpy as np

        sides = size[::-1]
        rows, cols = (
            np.where(places == side, np.nextafter(side, 0), places)
            for places, side in zip((self.rows, self.cols), sides, strict=True)
        )
        found = fixations_at(rows, cols, self.counts, self.observers, sides, self.durations)
        return found.scaled(shape)

    def _observer_array(self) -> Array:
        import numpy as np

        if self.observers is None:
            msg = "the fixations do not say whose they are; a list with the column observer does"
            raise RefusedMap(msg)
        return np.asarray(self.observers, dtype=object).astype(str)


def counted_once(places: Array, counts: Array) -> tuple[Array, Array]:
    """Places in ascending order, each once, and the sum of its counts in float64; a map has them so already.

    >>> import numpy as np
    >>> [part.tolist() for part in counted_once(np.asarray([7, 2, 7]), np.asarray([1, 2, 3]))]
    [[2, 7], [2.0, 4.0]]
    """
    import numpy as np

    if (places[1:] > places[:-1]).all():
        return places, np.asarray(counts, np.float64)
    places, owner = np.unique(places, return_inverse=True)
    return places, np.bincount(owner, weights=counts, minlength=len(places))


def rescale_positions(places: Array, old: Any, new: int) -> Array:
    """Positions along a side of `old` pixels, on the same side resized to `new`; what was inside stays inside.

    `old` is one number for all positions, or one for each.

    >>> import numpy as np
    >>> rescale_positions(np.asarray([0.0, 1.5]), 2, 4).tolist()
    [0.0, 3.0]
    """
    import numpy as np

    # rounding may carry a position within an ulp of the edge onto it
    return np.where(places < old, np.minimum(places * (new / old), np.nextafter(new, 0)), places * (new / old))


def fixations_at(
    rows: Any,
    cols: Any,
    counts: Any = None,
    observers: Sequence[str] | None = None,
    shape: Shape | None = None,
    durations: Any = None,
) -> Fixations:
    """Fixations at positions counted from 0.

    >>> [part.tolist() for part in fixations_at([1.5, 1.2], [0, 0]).pixels((2, 1))]
    [[1], [0], [2]]
    """
    import numpy as np

    rows = _frozen(rows, np.float64)
    return Fixations(
        rows=rows,
        cols=_frozen(cols, np.float64),
        counts=_frozen(np.ones(rows.shape) if counts is None else counts, np.int64),
        observers=None if observers is None else tuple(observers),
        shape=shape,
        durations=None if durations is None else _frozen(durations, np.float64),
    )


def _frozen(values: Any, dtype: Any) -> Array:
    import numpy as np

    array = np.array(values, dtype=dtype).reshape(-1)
    array.setflags(write=False)
    return array
