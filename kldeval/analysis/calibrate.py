"""How much of an error is calibration: one temperature, fitted on some of the maps and tested on the others."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from kldeval.data.dataset import ONLY, select
from kldeval.data.load import load_pair
from kldeval.dataclass import dataclass
from kldeval.engine.auxiliary import open_auxiliary
from kldeval.engine.run import outcomes, resolve_settings, run_dataset
from kldeval.engine.worker import reading_of
from kldeval.errors import UsageProblem, count
from kldeval.executors.choice import executor_for
from kldeval.grammar import Call
from kldeval.normalization.chain import format_chain
from kldeval.records import Failure
from kldeval.reports.leaderboard import make_leaderboard
from kldeval.reports.moments import exact_sum
from kldeval.scoring.temperature import slopes_of_pair
from kldeval.settings.build import checked
from kldeval.settings.metric_options import SIGMOIDS, pred_chain

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kldeval.data.dataset import Dataset
    from kldeval.data.load import Loaded, Reading
    from kldeval.memory import MapFolder
    from kldeval.metrics.temperature import Slopes
    from kldeval.records import Pair
    from kldeval.reports.documents import Leaderboard, Resampling
    from kldeval.run_options import RunOptions
    from kldeval.settings.settings import Settings

CLOSE = 1e-10
"""A step that changes the temperature by a smaller part is the last."""

MOST_STEPS = 60
LARGEST_STEP = 4.0
"""No step changes the temperature by a larger factor: far from the best one the curve is nearly flat."""

SAME = 1e-6
"""A cross-entropy that moves by a smaller share of a percent stays the same."""

EXTREMES = 1e-4, 1e4
"""A best temperature beyond these is none."""

AS_IT_IS = "as it is"


@dataclass(frozen=True, slots=True)
class Fit:
    """A temperature, and what it makes of the mean cross-entropy of the maps that it was fitted on, in nats."""

    temperature: float
    before: float
    after: float


@dataclass(frozen=True, slots=True)
class Sloping:
    """The work of one step: the slopes of each pair."""

    settings: Settings
    reading: Reading
    inverse: float

    def begin(self, model: str, pair: Pair, gt: Loaded | None, *, is_first: bool) -> Slopes:
        """The slopes of a pair."""
        del model, is_first
        return slopes_of_pair(load_pair(pair, self.reading, gt), self.settings, self.inverse)

    def finish(self, begun: Sequence[Slopes]) -> Sequence[Slopes]:
        """The slopes of all pairs."""
        return begun


def calibrate(
    pred: MapFolder | None,
    gt: MapFolder | None,
    settings: Settings,
    request: RunOptions,
    resampling: Resampling,
    *,
    share: float = 0.5,
    progress: Callable[[object, int], None] | None = None,
) -> Leaderboard:
    """The predictions as they are and under the temperature that `share` of the maps like best, on the other maps.

    Maps (or groups, where maps have groups) are divided at random, by the seed of `resampling`.

    Raises:
        UsageProblem: the predictions are no class maps with labels and no logits, there are too few maps, or no
            temperature is the best.
    """
    dataset = select(pred, gt, settings, request)
    settings = resolve_settings(settings, dataset.undivided, request)
    _check(settings, share)
    fitted, tested = _halves(dataset, share, resampling.seed)
    slopes_at, lost = _slopes(fitted, settings, request)
    fit = fit_temperature(slopes_at)
    n_fitted = len(fitted.tasks) - len(lost)
    scaled = with_temperature(settings, fit.temperature)
    name = f"temperature {fit.temperature:g}"
    facts: dict[str, Any] = {"temperature": fit.temperature, "fitted_on": n_fitted, "seed": resampling.seed}
    reports = {}
    for label, chosen in ((AS_IT_IS, settings), (name, scaled)):
        (report,) = run_dataset(tested, {ONLY: (pred, gt)}, chosen, request, progress)
        failures = (*report.failures, *lost)
        reports[label] = replace(report, failures=failures, provenance={**report.provenance, **facts})
    board = make_leaderboard(reports, resampling, provenance=facts)
    before, after = f"{fit.before:.4g}", f"{fit.after:.4g}"
    moves = f"lowers from {before} to {after} nats" if before != after else f"leaves at {before} nats"
    said = (
        f"temperature(t={fit.temperature:g}) was fitted on {count(n_fitted, 'map')}, whose cross-entropy it {moves}; "
        "the numbers are of the other maps"
    )
    return replace(board, notes=(said, *_share_of_calibration(board, name), *board.notes))


def _slopes(
    fitted: Dataset, settings: Settings, request: RunOptions
) -> tuple[Callable[[float], list[Slopes]], list[Failure]]:
    """The slopes of all maps that a temperature is fitted on, by its inverse, and the maps that then had none.

    Raises:
        UsageProblem: when it is called, if none of the maps could be scored.
    """
    around = open_auxiliary(settings, request, fitted.every, is_single_pair=fitted.is_single_pair)
    reading = replace(reading_of(settings, request), sources=around.sources)
    executor = executor_for(request)
    lost: list[Failure] = []

    def slopes_at(inverse: float) -> list[Slopes]:
        found = [answer.outcome for answer in outcomes(fitted, Sloping(settings, reading, inverse), reading, executor)]
        rows = [one for one in found if not isinstance(one, Failure)]
        lost[:] = [one for one in found if isinstance(one, Failure)]
        if not rows:
            first = found[0]
            msg = f"none of the maps that a temperature is fitted on could be scored: {first.name}: {first.message}"
            raise UsageProblem(msg)
        return rows

    return slopes_at, lost


def fit_temperature(slopes_at: Callable[[float], Sequence[Slopes]]) -> Fit:
    """The temperature with the least cross-entropy, by Newton's method in its inverse.

    Raises:
        UsageProblem: there are no positions, or ever larger or smaller temperatures are better.
    """
    inverse, before = 1.0, math.nan
    for _ in range(MOST_STEPS):
        weight, loss, slope, curvature = (exact_sum(column) for column in zip(*slopes_at(inverse), strict=True))
        if not weight:
            msg = "no position of the maps that a temperature is fitted on counts"
            raise UsageProblem(msg)
        before = loss / weight if math.isnan(before) else before
        if not curvature > 0:
            break
        step = inverse - slope / curvature
        new = min(inverse * LARGEST_STEP, max(inverse / LARGEST_STEP, step))
        if abs(new - inverse) <= CLOSE * inverse:
            temperature = float(f"{1 / new:.8g}")
            return Fit(temperature, before, loss / weight)
        inverse = new
        if not EXTREMES[0] < inverse < EXTREMES[1]:
            break
    found = f"ever {'smaller' if inverse > 1 else 'larger'} ones have a lower cross-entropy"
    if inverse == 1.0:
        found = "all have the same cross-entropy"
    msg = f"no temperature is the best of the maps it is fitted on: {found}"
    raise UsageProblem(msg)


def with_temperature(settings: Settings, temperature: float) -> Settings:
    """The settings under which scores are divided by a temperature: after a softmax, and before a sigmoid."""
    call = Call("temperature", (("t", temperature),))
    chain = settings.pred
    scaled = (*chain[:-1], call, chain[-1]) if chain[-1].name in SIGMOIDS else (*chain, call)
    return checked(replace(settings, pred=tuple(one for one in scaled if one.name != "none" or len(scaled) == 1)))


def _check(settings: Settings, share: float) -> None:
    if not 0 < share < 1:
        msg = f"--fit-share {share:g}: the part of the maps that the temperature is fitted on is between 0 and 1"
        raise UsageProblem(msg)
    if settings.is_labels or pred_chain(settings.pred)[-1].name in SIGMOIDS:
        return
    msg = (
        "a temperature divides the scores of classes: name the class axis of predictions against labels, as in "
        f"--norm softmax --axis 0, or --norm sigmoid for maps of logits; {format_chain(settings.pred)!r} has neither"
    )
    raise UsageProblem(msg)


def _halves(dataset: Dataset, share: float, seed: int) -> tuple[Dataset, Dataset]:
    """The maps to fit on and those to test on; a group is never divided.

    Raises:
        UsageProblem: fewer than two maps, or groups.
    """
    groups = {pair.name: pair.group or pair.name for pair in dataset.firsts}
    units = sorted(set(groups.values()))
    if len(units) < 2:  # noqa: PLR2004 - one for each side
        msg = (
            f"a temperature is fitted on some maps and tested on others: two at least are needed, here is {len(units)}"
        )
        raise UsageProblem(msg)
    n = min(len(units) - 1, max(1, round(share * len(units))))
    chosen = {units[place] for place in np.random.default_rng(seed).permutation(len(units))[:n]}
    sides = []
    for is_fit in (True, False):
        tasks = tuple(task for task in dataset.tasks if (groups[next(iter(task.values())).name] in chosen) == is_fit)
        failures = {model: () if is_fit else rows for model, rows in dataset.failures.items()}
        sides.append(replace(dataset, tasks=tasks, failures=failures))
    return sides[0], sides[1]


def _share_of_calibration(board: Leaderboard, name: str) -> tuple[str, ...]:
    """Which part of the cross-entropy of the test maps the temperature removes."""
    summaries = [board.reports[label].summaries for label in (AS_IT_IS, name) if label in board.reports]
    key = next((key for key in ("ce", "nll", "bce") if summaries and key in summaries[0]), None)
    if key is None:
        return ()
    before, after = (one[key].mean for one in summaries)
    if not before or after is None or not (math.isfinite(before) and math.isfinite(after)):
        return ()
    part = 100 * (before - after) / before
    if abs(part) < SAME:
        return (f"on the other maps {key} is the same under the temperature: nothing is left to mend",)
    if part < 0:
        return (f"on the other maps {key} is {-part:.3g} % higher under the temperature, which mends nothing there",)
    return (f"{part:.3g} % of {key} on the other maps is calibration that one temperature mends",)
