"""How much is calibration: a few parameters that are fitted on some maps, and what they are worth on the others."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from kldeval.arrays import quiet
from kldeval.data.dataset import ONLY, select
from kldeval.data.load import load_pair
from kldeval.dataclass import NamedTuple, dataclass
from kldeval.engine.run import outcomes
from kldeval.engine.worker import reading_of
from kldeval.errors import RefusedMap, UsageProblem, count
from kldeval.executors.choice import executor_for
from kldeval.executors.local import Each
from kldeval.grammar import format_value
from kldeval.normalization.chain import normalise, parse_chain
from kldeval.provenance import versions
from kldeval.records import Failure, Score, Skipped
from kldeval.reports.fitting import Fitted, FittedMap
from kldeval.reports.moments import exact_mean
from kldeval.reports.resampling import check_seed
from kldeval.scoring.evaluator import Evaluator
from kldeval.scoring.pixels import density_of_block
from kldeval.scoring.plan import Plan
from kldeval.scoring.views import is_plain, scaled
from kldeval.settings.build import make_settings
from kldeval.settings.signature import format_signature
from kldeval.urls import displayed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from kldeval.arrays import NumpyArray as Array
    from kldeval.data.load import Loaded, Reading
    from kldeval.engine.worker import Answer
    from kldeval.executors.protocol import Executor
    from kldeval.memory import MapFolder
    from kldeval.records import MapPair, Pair
    from kldeval.run_options import Progress, RunOptions
    from kldeval.settings.settings import Settings


LONGEST = 96
"""Parameters are fitted on maps whose longer side is reduced to about so many pixels."""

PARTS = ("temperature", "blur", "centre", "uniform")
"""What a chain may hold."""

LEAST = 1e-9
"""The least share of the uniform part: zeros under ground-truth mass need some."""

FLATTEST = 3.0
"""A centre bias wider than so many sides is none."""

COOL = 1e-3
"""A temperature whose logarithm is smaller changes nothing that can be seen."""

SMALL_BLUR = 0.3
"""A blur of fewer pixels changes nothing that can be seen."""


MOST_FITTED = 128
"""A fit is of so many maps at most, taken evenly from all: four parameters need no more."""


class Small(NamedTuple):
    """A pair reduced by a factor: the prediction's density and the ground truth's."""

    pred: Array
    gt: Array
    factor: int


class Reduced(NamedTuple):
    """A reduced pair with its name, and its group or else its name once more."""

    name: str
    unit: str
    small: Small


class Parameters(NamedTuple):
    """What a chain is made of; the blur in pixels of the maps as they are."""

    temperature: float
    blur: float
    centre: float
    uniform: float

    @property
    def chain(self) -> str:
        """The steps as one types them; those that change nothing are left out."""
        steps = ["sum-to-one"]
        if abs(math.log(self.temperature)) > COOL:
            steps.append(f"temperature(t={format_value(_rounded(self.temperature))})")
        if self.blur >= SMALL_BLUR:
            steps.append(f"blur(sigma={format_value(_rounded(self.blur))})")
        if self.centre < FLATTEST:
            steps.append(f"centre(sigma={format_value(_rounded(self.centre))})")
        if len(steps) > 1 and steps[-1] != f"temperature(t={format_value(_rounded(self.temperature))})":
            steps.append("sum-to-one")
        if self.uniform > 2 * LEAST:
            steps.append(f"mix-uniform(share={format_value(_rounded(self.uniform))})")
            steps.append("sum-to-one")
        return "+".join(steps)


def _rounded(value: float) -> float:
    return float(f"{value:.3g}")


def fit(
    pred: MapFolder | None,
    gt: MapFolder | None,
    settings: Settings,
    request: RunOptions,
    *,
    parts: Sequence[str] = PARTS,
    folds: int = 5,
    resamples: int = 10_000,
    seed: int = 0,
    progress: Progress | None = None,
) -> Fitted:
    """The transformation that lowers the mean KLD most, and the share that goes away on maps it was not fitted on.

    Folds are of maps, or of groups where there are groups.

    Raises:
        UsageProblem: a part is unknown, or there are too few maps that can be fitted.
    """
    unknown = [part for part in parts if part not in PARTS]
    if unknown or not parts:
        msg = f"--parts {','.join(parts)}: the parts are {', '.join(PARTS)}"
        raise UsageProblem(msg)
    base = replace(settings, pred=parse_chain("sum-to-one"))
    dataset = select(pred, gt, base, request)
    executor, reading = executor_for(request), reading_of(base, request)
    reduced, failures = _parted(outcomes(dataset, Reducing(base, reading), reading, executor), "no pair can be fitted")
    held = _folds([one.unit for one in reduced], folds, seed)
    chains = _chains(reduced, held, parts, executor)
    fold_of = {one.name: fold for one, fold in zip(reduced, held, strict=True)}
    kept = tuple(task for task in dataset.tasks if task[ONLY].name in fold_of)
    tested = outcomes(replace(dataset, tasks=kept), Testing(base, chains[1:], fold_of, reading), reading, executor)
    rows, refused = _parted(_told(tested, progress, len(kept)), "no pair has a KLD")
    units = {one.name: one.unit for one in reduced}
    before, after = exact_mean(row.before for row in rows), exact_mean(row.after for row in rows)
    best = chains[0]
    return Fitted(
        chain=best.chain,
        parameters=dict(zip(PARTS, best, strict=True)),
        maps=tuple(rows),
        before=before,
        after=after,
        share=1 - after / before if before else math.nan,
        interval=_interval(rows, [units[row.name] for row in rows], resamples, seed),
        folds=tuple(one.chain for one in chains[1:]),
        signature=format_signature(replace(base, pred=parse_chain(best.chain))),
        units="maps" if all(unit == name for name, unit in units.items()) else "groups",
        provenance={**versions(), "pred": displayed(pred), "gt": displayed(gt), "seed": seed},
        notes=tuple(_notes(rows, best, len(reduced))),
        failures=tuple(sorted((*dataset.failures[ONLY], *failures, *refused), key=lambda one: one.name)),
    )


def _told(answers: Iterable[Answer], progress: Progress | None, n: int) -> Iterator[Answer]:
    """The answers, of which `progress` is told."""
    for answer in answers:
        if progress:
            progress(answer, n)
        yield answer


def _parted(answers: Iterable[Answer], complaint: str) -> tuple[list[Any], list[Failure]]:
    """What was found, and the failures.

    Raises:
        UsageProblem: there are failures alone; the complaint, and the first of them.
    """
    every = [answer.outcome for answer in answers]
    found = [one for one in every if not isinstance(one, Failure | Skipped)]
    failures = [one for one in every if isinstance(one, Failure)]
    if failures and not found:
        msg = f"{complaint}: {failures[0].name}: {failures[0].message}"
        raise UsageProblem(msg)
    return found, failures


@dataclass(frozen=True, slots=True)
class Reducing:
    """The densities of each pair, reduced."""

    settings: Settings
    reading: Reading

    def begin(self, model: str, pair: Pair, gt: Loaded | None, *, is_first: bool) -> Reduced:
        """The densities of a pair."""
        del model, is_first
        return Reduced(pair.name, pair.group or pair.name, _small(load_pair(pair, self.reading, gt), self.settings))

    def finish(self, begun: Sequence[Reduced]) -> Sequence[Reduced]:
        """The densities of all pairs."""
        return begun


@dataclass(frozen=True, slots=True)
class Testing:
    """The KLD of each pair as it is, and under what the folds gave that it was not in, at its own size."""

    settings: Settings
    fitted: Sequence[Parameters]
    fold_of: Mapping[str, int]
    reading: Reading

    def begin(self, model: str, pair: Pair, gt: Loaded | None, *, is_first: bool) -> FittedMap:
        """Both numbers of a pair."""
        del model, is_first
        maps, fold = load_pair(pair, self.reading, gt), self.fold_of[pair.name]
        chain = parse_chain(self.fitted[fold].chain)
        found = [
            Evaluator(Plan.of(chosen)).score(maps) for chosen in (self.settings, replace(self.settings, pred=chain))
        ]
        for outcome in found:
            if not isinstance(outcome, Score):
                raise RefusedMap(outcome.message if isinstance(outcome, Failure) else outcome.reason)
        before, after = (outcome.values["kld"] for outcome in found if isinstance(outcome, Score))
        return FittedMap(pair.name, fold, before, after)

    def finish(self, begun: Sequence[FittedMap]) -> Sequence[FittedMap]:
        """The numbers of all pairs."""
        return begun


@dataclass(frozen=True, slots=True)
class _Fitting:
    """A fit of some maps."""

    parts: tuple[str, ...]

    def __call__(self, maps: Sequence[Small]) -> Parameters:
        return fitted_parameters(maps, self.parts)


def _chains(
    reduced: Sequence[Reduced], held: Sequence[int], parts: Sequence[str], executor: Executor
) -> list[Parameters]:
    """What all maps give, and then what those give that are not in each fold."""
    every = [one.small for one in reduced]
    without = [
        [small for small, fold in zip(every, held, strict=True) if fold != number] for number in range(max(held) + 1)
    ]
    return list(executor.map(Each(_Fitting(tuple(parts))), [_some(maps) for maps in (every, *without)]))


def _some(maps: Sequence[Small]) -> list[Small]:
    """The maps, or of many every second, third, ...

    >>> len(_some([None] * 300)), len(_some([None] * 7))
    (100, 7)
    """
    return list(maps[:: math.ceil(len(maps) / MOST_FITTED)])


def _folds(units: Sequence[str], folds: int, seed: int) -> list[int]:
    """The fold of each map: a map, or a group of maps, is tested on a fit that has not seen it.

    Raises:
        UsageProblem: there is one map or group alone, or one fold.
    """
    names = list(dict.fromkeys(units))
    check_seed(seed)
    if folds < 2:  # noqa: PLR2004 - one to fit on, one to test
        msg = f"--folds {folds}: a fit is tested on maps that it was not fitted on, which takes 2 at least"
        raise UsageProblem(msg)
    if len(names) < 2:  # noqa: PLR2004 - as above
        msg = f"a fit is tested on maps that it was not fitted on; there is only {len(names)} map or group"
        raise UsageProblem(msg)
    order = np.random.default_rng(seed).permutation(len(names))
    fold_of = {names[place]: int(number) % min(folds, len(names)) for number, place in enumerate(order)}
    return [fold_of[unit] for unit in units]


def settings_of_fit(said: Mapping[str, str | None]) -> Settings:
    """The settings of a fit: KLD in its usual form, the ground truth as the texts say."""
    return make_settings({**said, "metric": "kld"})


def _small(pair: MapPair, settings: Settings) -> Small:
    """The densities of a pair, reduced."""
    if not is_plain(pair) or pair.volume or pair.weights is not None:
        msg = "a fit is of maps of height and width, without masks and weights"
        raise RefusedMap(msg)
    pred, gt = (pair.pred, pair.pred_scale, settings.pred), (pair.gt, pair.gt_scale, settings.gt)
    factor = max(1, round(max(pair.shape) / LONGEST))
    found = []
    for side, (array, scale, chain) in (("prediction", pred), ("ground truth", gt)):
        with quiet():
            values = normalise(scaled(array, scale, settings.scale, "float64"), chain)
        for problem in values.problems:
            if problem.found.any():
                msg = f"the {side} is {problem.kind}, and has no density to fit"
                raise RefusedMap(msg)
        density = density_of_block(values, slice(0, pair.shape[0])).prob
        reduced = _reduced(np.asarray(density), factor)
        found.append(reduced / reduced.sum())
    return Small(found[0], found[1], factor)


def _reduced(array: Array, factor: int) -> Array:
    height, width = (side // factor * factor for side in array.shape)
    blocks = array[:height, :width].reshape(height // factor, factor, width // factor, factor)
    return np.asarray(blocks.mean(axis=(1, 3)))


def fitted_parameters(maps: Sequence[Small], parts: Sequence[str] = PARTS) -> Parameters:
    """The parameters with the least mean KLD on reduced maps, by Nelder and Mead's simplex from several starts."""
    from scipy.optimize import minimize

    free = [place for place, part in enumerate(PARTS) if part in parts]

    def parameters(point: Array) -> tuple[float, float, float, float]:
        found = [0.0, 0.0, 0.0, LEAST]
        values = (
            math.exp(np.clip(point[0], -3, 3)),
            math.exp(np.clip(point[1], -4, 4)),
            math.exp(np.clip(point[2], -2.5, 2)),
            LEAST + 1 / (1 + math.exp(-np.clip(point[3], -21, 5))),
        )
        none = (1.0, 0.0, math.inf, LEAST)
        found = [value if place in free else none[place] for place, value in enumerate(values)]
        return found[0], found[1], found[2], found[3]

    stacks = _stacks(maps)
    scale = max(one.factor for one in stacks)

    def cost(some: Array) -> float:
        point = np.asarray(NEUTRAL)
        point[free] = some
        temperature, blur, centre, uniform = parameters(point)
        return math.fsum(
            one.divergence(temperature, blur * scale / one.factor, centre, uniform) for one in stacks
        ) / len(maps)

    best = None
    for start in STARTS:
        found = minimize(
            cost, np.asarray(start)[free], method="Nelder-Mead", options={"maxfev": 260, "xatol": 2e-3, "fatol": 1e-7}
        )
        best = found if best is None or found.fun < best.fun else best
    point = np.asarray(NEUTRAL)
    point[free] = best.x  # type: ignore[union-attr] # there are starts
    temperature, blur, centre, uniform = parameters(point)
    return Parameters(temperature, blur * scale, centre, min(uniform, 1.0))


NEUTRAL = [0.0, -4.0, 2.0, -21.0]
STARTS = ([0.0, -0.5, 0.5, -7.0], [0.5, 1.0, 0.0, -3.0])
"""Where the search begins: nearly as it is, and smoothed; logarithms, and of the uniform part the logit."""


class ReducedMaps(NamedTuple):
    """Reduced maps of one shape (N, h, w): logarithms of predictions, ground truths, and the sum of their q ln q."""

    logs: Array
    gt: Array
    entropy: float
    factor: int

    def divergence(self, temperature: float, blur: float, centre: float, uniform: float) -> float:
        """The sum of the KLD of all maps under some parameters."""
        shape = self.gt.shape[1:]
        p = np.exp(self.logs / temperature)
        if blur > SMALL_BLUR / self.factor:
            rows, columns = (_window(side, round(blur, 6)) for side in shape)
            p = rows @ p @ columns.T
        if centre < FLATTEST:
            down, across = (np.exp(-0.5 * (((np.arange(side) + 0.5) / side - 0.5) / centre) ** 2) for side in shape)
            p = p * (down[:, None] * across)
        p = p * ((1 - uniform) / p.sum(axis=(1, 2), keepdims=True)) + uniform / p[0].size
        return float(self.entropy - (self.gt * np.log(np.maximum(p, 1e-300))).sum())


def _stacks(maps: Sequence[Small]) -> list[ReducedMaps]:
    alike: defaultdict[tuple[tuple[int, ...], int], list[Small]] = defaultdict(list)
    for one in maps:
        alike[one.gt.shape, one.factor].append(one)
    found = []
    for (_, factor), some in alike.items():
        pred, gt = np.stack([one.pred for one in some]), np.stack([one.gt for one in some])
        with quiet():
            seen = gt[gt > 0]
            found.append(ReducedMaps(np.log(pred), gt, float((seen * np.log(seen)).sum()), factor))
    return found


@lru_cache(64)
def _window(side: int, sigma: float) -> Array:
    """The matrix of a Gaussian along one side, with mirrored borders."""
    radius = min(int(4 * sigma + 0.5), 4 * side)
    offsets = np.arange(-radius, radius + 1)
    taps = np.exp(-0.5 * (offsets / sigma) ** 2)
    taps /= taps.sum()
    found = np.zeros((side, side))
    period = max(1, 2 * (side - 1))
    for offset, tap in zip(offsets, taps, strict=True):
        place = np.abs(np.arange(side) + offset) % period
        np.add.at(found, (np.arange(side), np.where(place >= side, period - place, place)), tap)
    return found


def _interval(rows: Sequence[FittedMap], units: Sequence[str], resamples: int, seed: int) -> tuple[float, float] | None:
    """The central 95 % of the share when maps or groups are drawn again; None of fewer than three."""
    names = list(dict.fromkeys(units))
    if len(names) < 3:  # noqa: PLR2004 - of two the bootstrap knows nothing
        return None
    place = {name: number for number, name in enumerate(names)}
    sums = np.zeros((len(names), 2))
    for row, unit in zip(rows, units, strict=True):
        sums[place[unit]] += row.before, row.after
    drawn = np.random.default_rng(seed).integers(0, len(names), (resamples, len(names)))
    before, after = sums[drawn].sum(axis=1).T
    low, high = np.quantile(1 - after / before, [0.025, 0.975])
    return float(low), float(high)


def _notes(rows: Iterable[FittedMap], best: Parameters, n: int) -> list[str]:
    worse = sum(row.after > row.before for row in rows)
    found = [f"{count(worse, 'map')} {'is' if worse == 1 else 'are'} worse under it"] if worse else []
    if n > MOST_FITTED:
        found.append(f"each fit is of {MOST_FITTED} maps at most, taken evenly from all {n}")
    if best.uniform > 2 * LEAST and any(row.before > 1 for row in rows):
        found.append("the uniform part bounds what a prediction of next to nothing under ground-truth mass costs")
    return found
