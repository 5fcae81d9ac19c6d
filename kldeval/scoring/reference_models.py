"""Predictions that need no model, scored beside the model's: what makes its numbers readable.

`uniform` says nothing, the `centre prior` knows where people look on other images, and the `ceiling` is what the other
observers of the same image tell of each. They are densities, divided by their sum whatever the prediction's chain.
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cached_property
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import numpy as np

from kldeval.arrays import quiet, tied
from kldeval.data.load import load_map, reading_for
from kldeval.dataclass import dataclass
from kldeval.errors import MapProblem, RefusedMap, UsageProblem
from kldeval.metrics.registry import METRICS
from kldeval.normalization.chain import normalise, parse_chain, with_axis
from kldeval.normalization.lazy_map import MAP
from kldeval.preprocessing.grey import full_scale
from kldeval.preprocessing.resize import resized
from kldeval.records import Failure, Score
from kldeval.reports.ways import CEILING, PRIOR, UNIFORM
from kldeval.scoring.evaluator import Evaluator
from kldeval.scoring.leave_one_out import Kernel, with_uniform_share, without_each
from kldeval.scoring.pixels import density_of_block
from kldeval.scoring.plan import Plan
from kldeval.scoring.views import is_plain, scaled
from kldeval.settings.auxiliary import STORED, parse_ceiling

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from kldeval.arrays import NumpyArray as Array
    from kldeval.data.load import Reading
    from kldeval.grammar import Call
    from kldeval.records import MapPair, Pair
    from kldeval.scoring.context import DatasetContext
    from kldeval.settings.settings import Settings

    Each = Callable[[Callable[[Pair], Array | None], Iterable[Pair]], Iterable[Array | None]]


Shape = tuple[int, int]
"""(height, width)."""

BLOCK = 8192
"""Pixels that are summed at once."""

Numbers = dict[str, float]
"""A value by the key of each metric."""


def has_references(call: Call) -> bool:
    """Whether a density has this metric: not one of pixels, which are no density, or of the scale of stored maps."""
    info = METRICS[call.name].info
    return info.on != "pixels" and not info.scaled


@dataclass(frozen=True)
class ReferenceModels:
    """The reference predictions of a run with these settings."""

    settings: Settings
    prior: CentrePrior
    observers: Kernel

    def of(self, pair: MapPair, source: Pair, context: DatasetContext) -> dict[str, Numbers]:
        """The numbers of each reference that the pair has, which was read from `source`."""
        if not is_plain(pair):
            return {}
        if pair.volume:
            msg = f"reference rows are of maps of height and width, and these are volumes {pair.volume}: no --baselines"
            raise RefusedMap(msg)
        maps = {UNIFORM: np.ones(pair.shape, np.uint8), PRIOR: self.prior.without(source, pair.shape)}
        # these numbers have no references themselves
        context = context.without_references()
        found = {name: self._values(pair, map_, context) for name, map_ in maps.items() if map_ is not None}
        found[CEILING] = self._ceiling(pair, context)
        return {name: values for name, values in found.items() if values}

    @property
    def digest(self) -> str:
        """The SHA-256 of all that they are made of beside the pair itself."""
        return sha256(f"{self.prior.digest} {self.observers} {self.settings}".encode()).hexdigest()

    @property
    def notes(self) -> tuple[str, ...]:
        """What the references are."""
        made = f"the mean of the other ground truths ({self.prior.count} in all), each normalised as they are"
        prior = f"{PRIOR} (center bias), {made}"
        parts = [f"{UNIFORM}, a constant map", prior]
        if self._on_fixations.of_fixations:
            kernel = f"bandwidth {self.observers.bandwidth:g} of either side, uniform part {self.observers.uniform:g}"
            parts.append(
                f"{CEILING} (inter-observer, the gold standard), the Gaussian density of the other observers ({kernel})"
            )
        return ("reference rows: " + "; ".join(parts),)

    @cached_property
    def _chained(self) -> Plan:
        """The plan of densities as predictions, of the metrics that those have."""
        axes = self.settings.axes
        chain = parse_chain("sum-to-one") if axes == MAP else with_axis("sum-to-one", axes[0])
        calls = tuple(filter(has_references, self.settings.metrics))
        return Plan.of(replace(self.settings, pred=chain, metrics=calls))

    @cached_property
    def _on_fixations(self) -> Plan:
        calls = tuple(self.settings.on("fixations").values())
        return Plan.of(replace(self._chained.settings, metrics=calls))

    def _values(self, pair: MapPair, map_: Array, context: DatasetContext) -> Numbers:
        outcome = Evaluator(self._chained, context).score(replace(pair, pred=map_, pred_scale=None))
        return dict(outcome.values) if isinstance(outcome, Score) else {}

    def _ceiling(self, pair: MapPair, context: DatasetContext) -> Numbers:
        """The metrics of fixations of each observer under the density of the others; the mean over all fixations."""
        scores = list(self._observer_by_observer(pair, context))
        return {key: _mean(scores, key) for key in self._on_fixations.keys} if scores else {}

    def _observer_by_observer(
        self, pair: MapPair, context: DatasetContext
    ) -> Iterator[tuple[int, Mapping[str, float]]]:
        """The number of fixations of each observer, and the metrics of these."""
        company = pair.company
        if company is None or company.fixations is None or not self._on_fixations.of_fixations:
            return
        shape, everyone = pair.shape, company.fixations
        apart = [everyone.of_observer(name) for name in everyone.observer_names]
        apart = [(own, others) for own, others in apart if own.total and others.total]
        smooth = without_each([own.pixels(shape) for own, _ in apart], shape, self.observers.sigma(shape))
        for (own, others), rest in zip(apart, smooth, strict=True):
            density = tied(with_uniform_share(rest, self.observers.uniform, others.total, shape[0] * shape[1]))
            alone = replace(pair, pred=density, pred_scale=None, company=replace(company, fixations=own))
            found = Evaluator(self._on_fixations, context).with_auxiliary_scores(alone)
            if not isinstance(found, Failure) and found.beside:
                yield own.total, found.beside.values


def make_references(
    settings: Settings, pairs: Sequence[Pair], reading: Reading, ceiling: str | None, each: Each = map
) -> ReferenceModels:
    """The references of a run of these pairs, the ground truth of each of which is read once.

    `each` is how a function is applied to many pairs, in order: `map`, or one that uses several threads.

    Raises:
        UsageProblem: no metric of the run has references.
    """
    if settings.is_labels or settings.reduction == "none" or not any(map(has_references, settings.metrics)):
        shown = ", ".join(call.name for call in settings.metrics)
        reduced = " under --reduction none" if settings.reduction == "none" else ""
        msg = f"--baselines has no effect: there are no reference rows for {shown}{reduced}"
        raise UsageProblem(msg)
    kernel = Kernel(**parse_ceiling(ceiling or "observers"))
    return ReferenceModels(settings, CentrePrior(pairs, settings, reading, each), kernel)


def _mean(scores: Iterable[tuple[int, Mapping[str, float]]], key: str) -> float:
    """The mean over the fixations of all observers who have a number."""
    known = [(count, values[key]) for count, values in scores if not math.isnan(values.get(key, math.nan))]
    total = sum(count for count, _ in known)
    return math.fsum(count * value for count, value in known) / total if total else math.nan


KERNEL = "bilinear"
"""How ground truths of other sizes come to that of the first, and their mean to that of a pair."""


class LongSum:
    """A sum of arrays that are not negative, in twice their digits: without one of them it is the sum of the others.

    In single digits a large summand takes those of the small ones with it, and where the others are equal they would
    differ by what it left: a logarithm sees the first, a rank the second. Twice the digits are enough for summands that
    are 1e15 times the others. (Knuth, The Art of Computer Programming 2, 4.2.2: the rounding of a sum of two numbers is
    itself a number.)
    """

    def __init__(self) -> None:
        self._high: Array = np.zeros(())
        self._low: Array = np.zeros(())

    def add(self, array: Array) -> None:
        """One summand more, (H, W) as those before."""
        if not self._high.shape:
            self._high, self._low = np.zeros(array.shape), np.zeros(array.shape)
        for high, low, summand in _in_blocks(self._high, self._low, array):
            total, rounding = _sum_and_rounding(high, summand)
            high[...] = total
            low[...] = low + rounding

    def without(self, array: Array | None) -> Array:
        """The sum without one of its summands, or whole."""
        if array is None:
            return self._high + self._low
        rest = np.empty(self._high.shape)
        for high, low, summand, found in _in_blocks(self._high, self._low, array, rest):
            left, rounding = _sum_and_rounding(high, -summand)
            np.maximum(left + (rounding + low), 0.0, out=found)
        return rest

    def tobytes(self) -> bytes:
        """What it is, to the last digit."""
        return self._high.tobytes() + self._low.tobytes()


def _sum_and_rounding(a: Array, b: Array) -> tuple[Array, Array]:
    total = a + b
    added = total - a
    return total, (a - (total - added)) + (b - added)


def _in_blocks(*arrays: Array) -> Iterator[tuple[Array, ...]]:
    """Parts of arrays of one shape that stay in the cache: ten times as fast as whole maps where they are worked on."""
    flat = [np.ascontiguousarray(array).reshape(-1) for array in arrays]
    for start in range(0, flat[0].size, BLOCK):
        yield tuple(array[start : start + BLOCK] for array in flat)


class CentrePrior:
    """The sum of the ground truths as densities, from which that of any image can be taken.

    They are made densities as the settings say; where no metric looks at one, each is divided by its sum.

    It is on the grid of the first of them, to which the others are stretched. A ground truth that cannot be read or
    normalised has no part; neither these nor their names are kept.
    """

    def __init__(self, pairs: Iterable[Pair], settings: Settings, reading: Reading, each: Each = map) -> None:
        self._settings = settings
        self._chain = parse_chain("sum-to-one") if settings.gt == STORED else settings.gt
        self._reading = reading
        self._shape: Shape | None = None
        self._sum = LongSum()
        self.count = 0
        names = sha256()
        found = (array for array in each(self._density, _noted(pairs, names)) if array is not None)
        for array in found:
            self._shape = self._shape or array.shape
            self._sum.add(resized(array, self._shape, KERNEL))
            self.count += 1
        self._names = names.hexdigest()

    @property
    def digest(self) -> str:
        """The SHA-256 of the sum and of what is in it."""
        what = repr((self._shape, self.count, self._names)).encode()
        return sha256(what + self._sum.tobytes()).hexdigest()

    def without(self, pair: Pair, shape: Shape) -> Array | None:
        """The mean of all ground truths but that of a pair, which is one of them, at a size; None where it is alone."""
        own = self._density(pair)
        others = self.count - (own is not None)
        if others <= 0 or self._shape is None:
            return None
        rest = self._sum.without(None if own is None else resized(own, self._shape, KERNEL))
        return resized(rest / others, shape, KERNEL)

    def _density(self, pair: Pair) -> Array | None:
        """The ground truth of a pair as the settings normalise it."""
        try:
            grey = load_map(pair.gt, reading_for(pair, self._reading), pair.place).grey
        except (MapProblem, MemoryError):
            return None  # its outcome says why
        with quiet():
            full = None if self._settings.raw == "gt" else full_scale(grey)
            start = scaled(grey, full, self._settings.scale, self._settings.dtype)
            values = normalise(start, self._chain)
            if any(problem.found.any() for problem in values.problems):
                return None
            return density_of_block(values, slice(0, grey.shape[0])).prob


def _noted(pairs: Iterable[Pair], names: Any) -> Iterator[Pair]:
    """The pairs, whose names a digest takes in on the way."""
    for pair in pairs:
        names.update(f"{pair.name}\0".encode("utf-8", "surrogatepass"))
        yield pair
