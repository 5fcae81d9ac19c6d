"""How much is calibration: a few parameters that are fitted on some maps, and what they are worth on the others."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from kldeval.arrays import quiet
from kldeval.data.dataset import ONLY, select
from kldeval.data.load import load_pair
from kldeval.engine.worker import reading_of
from kldeval.errors import UsageProblem, count
from kldeval.grammar import format_value
from kldeval.normalization.chain import normalise, parse_chain
from kldeval.provenance import versions
from kldeval.records import Score
from kldeval.reports.fitting import Fitted, FittedMap
from kldeval.reports.moments import exact_mean
from kldeval.scoring.evaluator import Evaluator
from kldeval.scoring.pixels import density_of_block
from kldeval.scoring.plan import Plan
from kldeval.scoring.views import is_plain, scaled
from kldeval.settings.build import make_settings
from kldeval.settings.signature import format_signature

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from kldeval.arrays import NumpyArray as Array
    from kldeval.memory import MapFolder
    from kldeval.records import MapPair
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


class Small(NamedTuple):
    """A pair reduced by a factor: the prediction's density and the ground truth's."""

    pred: Array
    gt: Array
    factor: int


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
        UsageProblem: a part is unknown, the predictions are no plain maps, or there are too few of them.
        MapProblem: a map cannot be read.
    """
    unknown = [part for part in parts if part not in PARTS]
    if unknown or not parts:
        msg = f"--parts {','.join(parts)}: the parts are {', '.join(PARTS)}"
        raise UsageProblem(msg)
    base = replace(settings, pred=parse_chain("sum-to-one"))
    loaded, units = _loaded(pred, gt, base, request, progress)
    held = _folds(units, folds, seed)
    small = [_small(one, base) for one in loaded]
    chains = [
        fitted_parameters([one for one, fold in zip(small, held, strict=True) if fold != number], parts).chain
        for number in range(max(held) + 1)
    ]
    rows = _tested(loaded, held, chains, base)
    best = fitted_parameters(small, parts)
    before, after = exact_mean(row.before for row in rows), exact_mean(row.after for row in rows)
    final = replace(base, pred=parse_chain(best.chain))
    return Fitted(
        chain=best.chain,
        parameters=dict(zip(PARTS, best, strict=True)),
        maps=tuple(rows),
        before=before,
        after=after,
        share=1 - after / before if before else math.nan,
        interval=_interval(rows, units, resamples, seed),
        folds=tuple(chains),
        signature=format_signature(final),
        units="maps" if units == [pair.name for pair in loaded] else "groups",
        provenance={**versions(), "pred": str(pred), "gt": str(gt), "seed": seed},
        notes=tuple(_notes(rows, best)),
    )


def _folds(units: Sequence[str], folds: int, seed: int) -> list[int]:
    """The fold of each map: a map, or a group of maps, is tested on a fit that has not seen it.

    Raises:
        UsageProblem: there is one map or group alone, or one fold.
    """
    names = list(dict.fromkeys(units))
    if folds < 2:  # noqa: PLR2004 - one to fit on, one to test
        msg = f"--folds {folds}: a fit is tested on maps that it was not fitted on, which takes 2 at least"
        raise UsageProblem(msg)
    if len(names) < 2:  # noqa: PLR2004 - as above
        msg = f"a fit is tested on maps that it was not fitted on; there is only {len(names)} map or group"
        raise UsageProblem(msg)
    order = np.random.default_rng(seed).permutation(len(names))
    fold_of = {names[place]: int(number) % min(folds, len(names)) for number, place in enumerate(order)}
    return [fold_of[unit] for unit in units]


def _loaded(
    pred: MapFolder | None, gt: MapFolder | None, base: Settings, request: RunOptions, progress: Progress | None
) -> tuple[list[MapPair], list[str]]:
    """Every pair, and the group of each, or its name where there are no groups."""
    dataset = select(pred, gt, base, request)
    failures = dataset.failures[ONLY]
    if failures:
        msg = f"{failures[0].name}: {failures[0].message}; a fit needs every pair"
        raise UsageProblem(msg)
    pairs = [task[ONLY] for task in dataset.tasks]
    reading = reading_of(base, request)
    loaded = []
    for pair in pairs:
        loaded.append(load_pair(pair, reading))
        if progress:
            progress(pair, len(pairs))
    return loaded, [pair.group or pair.name for pair in pairs]


def settings_of_fit(said: Mapping[str, str | None]) -> Settings:
    """The settings of a fit: KLD in its usual form, the ground truth as the texts say."""
    return make_settings({**said, "metric": "kld"})


def _small(pair: MapPair, settings: Settings) -> Small:
    """The densities of a pair, reduced."""
    if not is_plain(pair) or pair.volume or pair.weights is not None:
        msg = f"{pair.name}: a fit is of maps of height and width, without masks and weights"
        raise UsageProblem(msg)
    sides = (pair.pred, pair.pred_scale, settings.pred), (pair.gt, pair.gt_scale, settings.gt)
    factor = max(1, round(max(pair.shape) / LONGEST))
    found = []
    for array, scale, chain in sides:
        with quiet():
            values = normalise(scaled(array, scale, settings.scale, "float64"), chain)
        for problem in values.problems:
            if problem.found.any():
                msg = f"{pair.name}: a map is {problem.kind}, and has no density to fit"
                raise UsageProblem(msg)
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

    def cost(some: Array) -> float:
        point = np.asarray(NEUTRAL)
        point[free] = some
        return exact_mean(_divergence(one, *parameters(point)) for one in maps)

    best = None
    for start in STARTS:
        found = minimize(
            cost, np.asarray(start)[free], method="Nelder-Mead", options={"maxfev": 260, "xatol": 2e-3, "fatol": 1e-7}
        )
        best = found if best is None or found.fun < best.fun else best
    point = np.asarray(NEUTRAL)
    point[free] = best.x  # type: ignore[union-attr] # there are starts
    temperature, blur, centre, uniform = parameters(point)
    return Parameters(temperature, blur * maps[0].factor, centre, min(uniform, 1.0))


NEUTRAL = [0.0, -4.0, 2.0, -21.0]
STARTS = ([0.0, -0.5, 0.5, -7.0], [0.5, 1.0, 0.0, -3.0])
"""Where the search begins: nearly as it is, and smoothed; logarithms, and of the uniform part the logit."""


def _divergence(one: Small, temperature: float, blur: float, centre: float, uniform: float) -> float:
    p = one.pred if temperature == 1 else one.pred ** (1 / temperature)
    if blur > SMALL_BLUR / one.factor:
        rows, columns = (_window(side, round(blur, 6)) for side in p.shape)
        p = rows @ p @ columns.T
    if centre < FLATTEST:
        rows_, columns_ = (np.exp(-0.5 * (((np.arange(side) + 0.5) / side - 0.5) / centre) ** 2) for side in p.shape)
        p = p * rows_[:, None] * columns_[None, :]
    p = (1 - uniform) * p / p.sum() + uniform / p.size
    seen = one.gt > 0
    return float((one.gt[seen] * np.log(one.gt[seen] / np.maximum(p[seen], 1e-300))).sum())


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


def _tested(loaded: Sequence[MapPair], held: Sequence[int], chains: Sequence[str], base: Settings) -> list[FittedMap]:
    """Every map as it is, and under the chain of the folds that it was not in, at its own size."""
    plain = Evaluator(Plan.of(base))
    others = [Evaluator(Plan.of(replace(base, pred=parse_chain(chain)))) for chain in chains]
    rows = []
    for pair, fold in zip(loaded, held, strict=True):
        before, after = plain.score(pair), others[fold].score(pair)
        if not (isinstance(before, Score) and isinstance(after, Score)):
            msg = f"{pair.name}: the map has no KLD; a fit needs every pair"
            raise UsageProblem(msg)
        rows.append(FittedMap(pair.name, fold, before.values["kld"], after.values["kld"]))
    return rows


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


def _notes(rows: Iterable[FittedMap], best: Parameters) -> list[str]:
    worse = sum(row.after > row.before for row in rows)
    found = [f"{count(worse, 'map')} {'is' if worse == 1 else 'are'} worse under it"] if worse else []
    if best.uniform > 2 * LEAST and any(row.before > 1 for row in rows):
        found.append("the uniform part is what zeros under ground-truth mass need; without it epsilon decides")
    return found
