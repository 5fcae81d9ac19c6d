"""Paired statistics of two models that were scored on the same maps.

The unit of all statistics is the map, or the group of maps (a video) where groups are given: a group's difference is
the mean of its maps' differences, and every group counts the same. Differences are first model minus second.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kldeval.errors import UsageProblem
from kldeval.reports.moments import exact_mean
from kldeval.results.power import detectable_effect
from kldeval.results.resampling import bca_intervals, scipy_stats, sign_flip_p_values

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]

FEWEST_RESAMPLES = 100

LARGEST = 1e150
"""Sums of squares of numbers up to this are finite."""

ENUMERATED_RANKS = 13
"""The most units for which scipy tries all signs of the ranks where there are ties."""


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


def paired(
    differences: ArrayLike,
    *,
    groups: Sequence[str] | None = None,
    resamples: int = 10_000,
    seed: int = 0,
    confidence: float = 0.95,
) -> PairedResult:
    """The paired statistics of one difference per map, in the order of the maps' names.

    Args:
        differences: shape (maps,), first model minus second, in the metric's unit.
        groups: the group of each map; then the group is the unit, and groups sort by name.
        resamples: how many bootstrap resamples, and how many sign flips unless all 2^n are no more than that.
        seed: fixes the draws: same differences, same seed, same result.
        confidence: of the interval; the detectable difference belongs to a single test at the level 1 - confidence.

    Raises:
        UsageProblem: no difference, a difference that is not finite, or an argument that can mean nothing.
        MissingDependency: scipy is not installed.

    >>> result = paired([0.0, 0.0, 0.0])
    >>> result.p_value, result.interval
    (1.0, (0.0, 0.0))
    """
    import numpy as np

    column = np.asarray(differences, dtype=np.float64)
    if column.ndim != 1:
        msg = f"differences have the shape {column.shape}, but one number per map is needed: shape (maps,)"
        raise UsageProblem(msg)
    options = {"resamples": resamples, "seed": seed, "confidence": confidence}
    return paired_columns(column[:, None], groups=groups, **options)[0]  # type: ignore[arg-type]


def paired_columns(
    differences: Floats, *, groups: Sequence[str] | None, resamples: int, seed: int, confidence: float
) -> tuple[PairedResult, ...]:
    """`paired` for each column of an array of shape (maps, pairs), all from the same draws.

    The detectable differences are those at the first step of Holm's procedure over the columns.
    """
    check_resampling(resamples, confidence)
    _check_differences(differences)
    units = differences if groups is None else group_means(differences, groups)
    p_values = sign_flip_p_values(units, resamples, seed)
    intervals = bca_intervals(units, resamples, seed, confidence)
    detectable = detectable_effect(len(units), (1 - confidence) / units.shape[1], resamples)
    return tuple(
        _result(units[:, k], float(p_values[k]), (float(intervals[k, 0]), float(intervals[k, 1])), detectable)
        for k in range(units.shape[1])
    )


def group_means(values: Floats, groups: Sequence[str]) -> Floats:
    """The mean of each group's rows, groups in the order of their names, whatever the order of the rows.

    Raises:
        UsageProblem: there is not one group per row.

    >>> import numpy as np
    >>> group_means(np.array([[1.0], [5.0], [3.0]]), ["b", "a", "b"]).tolist()
    [[5.0], [2.0]]
    """
    import numpy as np

    if len(groups) != len(values):
        msg = f"{len(groups)} groups for {len(values)} maps: every map needs one"
        raise UsageProblem(msg)
    rows: dict[str, list[int]] = {name: [] for name in sorted(set(groups))}
    for row, name in enumerate(groups):
        rows[name].append(row)
    return np.array([[exact_mean(column.tolist()) for column in values[members].T] for members in rows.values()])


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """Holm's step-down adjusted p-values, in the order given: at most 1, never below the p-value itself.

    Rejecting where the adjusted value is at most alpha keeps the chance of any false rejection below alpha.

    Source: Holm 1979, "A simple sequentially rejective multiple test procedure", jstor.org/stable/4615733.

    Raises:
        UsageProblem: a p-value is outside 0 to 1.

    >>> holm([0.01, 0.04, 0.03])
    (0.03, 0.06, 0.06)
    """
    wrong = [p for p in p_values if not 0 <= p <= 1]
    if wrong:
        msg = f"{wrong[0]!r} is no p-value: it lies between 0 and 1"
        raise UsageProblem(msg)
    adjusted = [0.0] * len(p_values)
    running = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        running = max(running, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = running
    return tuple(adjusted)


def check_resampling(resamples: int, confidence: float) -> None:
    """Refuse settings that can mean nothing.

    Raises:
        UsageProblem: too few resamples, or a confidence that is not between 0 and 1.
    """
    if resamples < FEWEST_RESAMPLES:
        msg = f"{resamples} resamples are too few for an interval: {FEWEST_RESAMPLES} at least, 10000 are usual"
        raise UsageProblem(msg)
    if not 0 < confidence < 1:
        msg = f"confidence {confidence} is not between 0 and 1: 0.95 is usual"
        raise UsageProblem(msg)


def _check_differences(differences: Floats) -> None:
    import numpy as np

    if not len(differences):
        msg = "nothing to compare: no map was scored for both models"
        raise UsageProblem(msg)
    undefined = int((~np.isfinite(differences).all(axis=1)).sum())
    if undefined:
        msg = (
            f"{undefined} of {len(differences)} maps have no finite difference (a score is inf or nan), "
            "so there is no mean difference: score with a metric that is finite, such as kld with --eps 1e-7"
        )
        raise UsageProblem(msg)
    if (np.abs(differences) > LARGEST).any():
        msg = f"differences beyond {LARGEST:g} have no squares that float64 can hold"
        raise UsageProblem(msg)


def _result(units: Floats, p_value: float, interval: tuple[float, float], effect: float | None) -> PairedResult:
    n, mean, ranks = len(units), exact_mean(units.tolist()), _signed_ranks(units)
    deviation = float(units.std(ddof=1)) if n > 1 else None
    return PairedResult(
        n=n,
        mean_difference=mean,
        interval=interval if n > 1 else None,
        p_value=p_value,
        wilcoxon_p=_wilcoxon(units, ranks),
        cohens_dz=None if deviation is None else _cohens_dz(mean, deviation),
        rank_biserial=_rank_biserial(ranks),
        detectable=None if deviation is None or effect is None else effect * deviation,
    )


def _cohens_dz(mean: float, deviation: float) -> float:
    if deviation == 0:
        return math.copysign(math.inf, mean) if mean else 0.0
    return mean / deviation


def _signed_ranks(units: Floats) -> Floats:
    """The sign of each unit times the rank of its size among those that are not 0; ties share their mean rank."""
    import numpy as np

    ranks = np.zeros(len(units))
    ranks[units != 0] = scipy_stats().rankdata(np.abs(units[units != 0]))
    return np.sign(units) * ranks


def _wilcoxon(units: Floats, ranks: Floats) -> float:
    """The p-value of `scipy.stats.wilcoxon`; 1 where nothing differs."""
    if not units.any():
        return 1.0
    if len(units) <= ENUMERATED_RANKS:  # scipy enumerates one by one, which takes a second for 13 units with ties
        return float(sign_flip_p_values(ranks[:, None], 2**ENUMERATED_RANKS, seed=0)[0])
    return float(scipy_stats().wilcoxon(units).pvalue)


def _rank_biserial(ranks: Floats) -> float:
    """(W+ - W-) / (W+ + W-) of the signed ranks (Kerby 2014, doi:10.2466/11.IT.3.1)."""
    import numpy as np

    return float(ranks.sum() / np.abs(ranks).sum()) if ranks.any() else 0.0
