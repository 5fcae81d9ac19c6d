"""How often the paired tests reject two equal models: `python -m benchmarks.calibration [RUNS]`, about a minute.

A test at the level 5 % must reject equal models in 5 % of runs, and a 95 % interval must miss the true difference, 0,
in 5 %. A score is a log-normal number: the difficulty of the map is common to both models, the rest is each model's
own. In a video the difficulty, and what a model makes of the video, stay; only a part changes from frame to frame,
slowly. The last row takes the frames for independent maps: the mistake that grouping prevents.
"""

from __future__ import annotations

import sys
import time
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from kldeval.reports.significance import group_means, paired_columns

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


def main(runs: int = RUNS) -> int:
    """Print a row per simulation; 1 if the sign flips leave the bounds where they must hold."""
    print(f"{'':40}{'runs':>7}{'sign flips':>12}{'Wilcoxon':>10}{'BCa misses 0':>14}{'seconds':>9}")
    grouped, frames = f"{VIDEOS} videos of {FRAMES} frames, grouped", f"{VIDEOS} videos of {FRAMES} frames, NOT grouped"
    rates = [_print_row(f"{maps} independent maps", partial(independent_maps, maps=maps), runs) for maps in MAPS]
    rates.append(_print_row(grouped, video_means, runs))
    _print_row(frames, video_frames, min(runs, 1000))
    return 0 if all(BOUNDS[0] <= rate <= BOUNDS[1] for rate in rates) else 1


def _print_row(title: str, simulate: Callable[[np.random.Generator, int], Floats], runs: int) -> float:
    start = time.perf_counter()
    sign_flips, wilcoxon, interval = rejections(simulate, runs)
    seconds = time.perf_counter() - start
    print(f"{title:40}{runs:7}{sign_flips:12.2%}{wilcoxon:10.2%}{interval:14.2%}{seconds:9.1f}", flush=True)
    return sign_flips


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else RUNS))
