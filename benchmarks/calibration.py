"""How often the paired tests reject two equal models: `python -m benchmarks.calibration [RUNS]`, about a minute.

A test at the level 5 % must reject equal models in 5 % of runs, and a 95 % interval must miss the true difference, 0,
in 5 %. A score is a log-normal number: the difficulty of the map is common to both models, the rest is each model's
own. In a video the difficulty, and what a model makes of the video, stay; only a part changes from frame to frame,
slowly. The last row of the first table takes the frames for independent maps: the mistake that grouping prevents.

The second table has what else rests on these tests: how often `--fail-if-worse` fires on equal models (2.5 %), how
often an audit stars an order of two equal models under any of its conventions (at most 5 %), and how often the
detectable difference is detected (80 %). Metrics and conventions of one map are alike, as those of real maps are.
"""

from __future__ import annotations

import sys
import time
from functools import partial
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from kldeval.reports.documents import Resampling
from kldeval.reports.gates import Rival, worse_than
from kldeval.reports.significance import (
    detectable_effect,
    group_means,
    max_statistic_p_values,
    paired_columns,
    sign_flip_p_values,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

RUNS = 10_000
RUNS_PER_DRAW = 250
LEVEL = 0.05
BOUNDS = 0.043, 0.057
MAPS = 8, 30, 300
VIDEOS, FRAMES = 30, 60


def independent_maps(rng: np.random.Generator, runs: int, *, maps: int) -> Floats:
    """Differences of two equal models on independent maps, of shape (maps, runs)."""
    difficulty = rng.normal(0, 0.5, (maps, runs))
    first, second = (np.exp(difficulty + rng.normal(0, 0.3, (maps, runs))) for _ in range(2))
    return first - second


def video_frames(rng: np.random.Generator, runs: int) -> Floats:
    """Differences of two equal models on the frames of videos, of shape (videos * frames, runs)."""
    difficulty = rng.normal(0, 0.5, (VIDEOS, 1, runs))
    first, second = (np.exp(difficulty + _one_model_on_videos(rng, runs)) for _ in range(2))
    return (first - second).reshape(VIDEOS * FRAMES, runs)


def video_means(rng: np.random.Generator, runs: int) -> Floats:
    """The mean differences of the videos, as `--group-by` takes them, of shape (videos, runs)."""
    return group_means(video_frames(rng, runs), [f"{row // FRAMES:02}" for row in range(VIDEOS * FRAMES)])


def _one_model_on_videos(rng: np.random.Generator, runs: int) -> Floats:
    frames = rng.normal(0, 0.3, (VIDEOS, FRAMES, runs))
    for frame in range(1, FRAMES):
        frames[:, frame] = 0.95 * frames[:, frame - 1] + np.sqrt(1 - 0.95**2) * frames[:, frame]
    return frames + rng.normal(0, 0.05, (VIDEOS, 1, runs))


def rejections(simulate: Callable[[np.random.Generator, int], Floats], runs: int) -> tuple[float, float, float]:
    """The share of runs rejected by sign flips and by Wilcoxon's test, and of intervals without the 0."""
    outcomes: list[Sequence[bool]] = []
    for draw in range(-(-runs // RUNS_PER_DRAW)):
        differences = simulate(np.random.default_rng((draw, 1)), RUNS_PER_DRAW)
        results = paired_columns(differences, groups=None, resamples=10_000, seed=draw, confidence=1 - LEVEL)
        for result in results:
            low, high = result.interval or (0.0, 0.0)
            outcomes.append((result.p_value <= LEVEL, result.wilcoxon_p <= LEVEL, not low <= 0 <= high))
    sign_flips, wilcoxon, interval = np.mean(outcomes, axis=0)
    return float(sign_flips), float(wilcoxon), float(interval)


def alike(rng: np.random.Generator, maps: int, columns: int, models: int) -> Floats:
    """Scores of equal models by several metrics that agree in part, of shape (models, maps, columns)."""
    difficulty = rng.normal(0, 0.5, (1, maps, 1))
    shared = rng.normal(0, 0.25, (models, maps, 1))
    return np.exp(difficulty + shared + rng.normal(0, 0.15, (models, maps, columns)))


def gate_fires(rng: np.random.Generator, *, maps: int, metrics: int, rivals: int) -> bool:
    """Whether `--fail-if-worse` fires at 2.5 % on a model that equals its rivals."""
    new, *others = alike(rng, maps, metrics, 1 + rivals)
    tested = [
        Rival(f"metric {k}", f"rival {place}", "low", (new - other)[:, k].tolist())
        for place, other in enumerate(others)
        for k in range(metrics)
    ]
    return any(gate.fired for gate in worse_than("new", tested, None, Resampling(resamples=2000)))


def audit_stars(rng: np.random.Generator, *, maps: int, conventions: int, models: int) -> bool:
    """Whether an audit stars the order of any two of some equal models under any convention."""
    scores = alike(rng, maps, conventions, models)
    pairs = list(combinations(range(models), 2))
    smallest = min(max_statistic_p_values(scores[one] - scores[other], 2000, 0).min() for one, other in pairs)
    return bool(len(pairs) * smallest <= LEVEL)


def detects(rng: np.random.Generator, *, maps: int, pairs: int) -> bool:
    """Whether the detectable difference is significant at the first step of Holm's procedure over so many pairs."""
    effect = detectable_effect(maps, LEVEL / pairs, 10_000)
    units = rng.normal(effect or 0.0, 1.0, (maps, 1))
    return bool(sign_flip_p_values(units, 10_000, 0)[0] <= LEVEL / pairs)


FURTHER: tuple[tuple[str, Callable[[np.random.Generator], bool], tuple[float, float]], ...] = (
    *(
        (
            f"gate, {maps} maps, {metrics} metrics, {rivals} rivals",
            partial(gate_fires, maps=maps, metrics=metrics, rivals=rivals),
            (0.0, 0.032),
        )
        for maps, metrics, rivals in ((6, 7, 1), (30, 1, 1), (30, 7, 1), (30, 7, 3), (300, 7, 1))
    ),
    *(
        (
            f"audit, {maps} maps, {conventions} conventions, {models} models",
            partial(audit_stars, maps=maps, conventions=conventions, models=models),
            (0.0, 0.065),
        )
        for maps, conventions, models in ((5, 40, 2), (12, 40, 2), (30, 40, 3))
    ),
    *(
        (f"detectable, {maps} maps, {pairs} pairs", partial(detects, maps=maps, pairs=pairs), (0.77, 0.83))
        for maps, pairs in ((6, 1), (8, 1), (30, 1), (12, 28), (30, 28))
    ),
)
"""What is simulated further: its name, one run, and the bounds of the share of runs in which it happens."""


def further(runs: int) -> bool:
    """Print a row per further simulation; whether all stay within their bounds."""
    print(f"\n{'':48}{'runs':>7}{'share':>9}{'bounds':>18}{'seconds':>9}")
    kept = True
    for title, happens, (low, high) in FURTHER:
        start = time.perf_counter()
        share = np.mean([happens(np.random.default_rng((run, 2))) for run in range(runs)])
        bounds = f"{low:.1%} to {high:.1%}"
        print(f"{title:48}{runs:7}{share:9.2%}{bounds:>18}{time.perf_counter() - start:9.1f}", flush=True)
        kept &= bool(low <= share <= high)
    return kept


def main(runs: int = RUNS) -> int:
    """Print a row per simulation; 1 if a level, or a power, leaves the bounds where it must hold."""
    print(f"{'':40}{'runs':>7}{'sign flips':>12}{'Wilcoxon':>10}{'BCa misses 0':>14}{'seconds':>9}")
    grouped, frames = f"{VIDEOS} videos of {FRAMES} frames, grouped", f"{VIDEOS} videos of {FRAMES} frames, NOT grouped"
    rates = [_print_row(f"{maps} independent maps", partial(independent_maps, maps=maps), runs) for maps in MAPS]
    rates.append(_print_row(grouped, video_means, runs))
    _print_row(frames, video_frames, min(runs, 1000))
    kept = all(BOUNDS[0] <= rate <= BOUNDS[1] for rate in rates)
    return 0 if further(runs // 5) and kept else 1


def _print_row(title: str, simulate: Callable[[np.random.Generator, int], Floats], runs: int) -> float:
    start = time.perf_counter()
    sign_flips, wilcoxon, interval = rejections(simulate, runs)
    seconds = time.perf_counter() - start
    print(f"{title:40}{runs:7}{sign_flips:12.2%}{wilcoxon:10.2%}{interval:14.2%}{seconds:9.1f}", flush=True)
    return sign_flips


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else RUNS))
