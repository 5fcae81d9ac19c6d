"""All pairs of several models on the maps that were scored for every one of them."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import TYPE_CHECKING, Literal, get_args

from kldeval.errors import UsageProblem
from kldeval.reports.moments import exact_mean
from kldeval.results.resampling import bca_intervals, is_enumerated, smallest_p_value
from kldeval.results.statistics import LARGEST, PairedResult, group_means, holm, paired_columns

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

Best = Literal["low", "high", ""]

LETTERS = "abcdefghijklmnoprstuvwxyz"
"""The letters of models; there is no q, which hardly any font can raise."""


class NotFinite(UsageProblem):
    """Values without a difference: inf or nan."""


@dataclass(frozen=True, slots=True)
class PairOfModels:
    """Two models and their paired statistics, first minus second.

    `adjusted_p` is Holm's over all pairs of the comparison. `winner` is the significantly better model, "" where the
    pair is not significant or the metric has no better direction.
    """

    first: str
    second: str
    result: PairedResult
    adjusted_p: float
    significant: bool
    winner: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """Several models compared on one metric, pair by pair.

    `means` has the mean over the units for each model, in the order given; `intervals` the BCa interval of each mean,
    None for a single unit; `letters` its letter in a leaderboard, and
    `superscripts` the letters of the models that it differs from significantly. `maps` took part; `left_out` names the
    other maps, each with the models that lack it. `unit` is "maps" or "groups", and there are `n` of them.
    """

    unit: str
    n: int
    confidence: float
    resamples: int
    seed: int
    means: Mapping[str, float]
    intervals: Mapping[str, tuple[float, float] | None]
    letters: Mapping[str, str]
    superscripts: Mapping[str, tuple[str, ...]]
    pairs: tuple[PairOfModels, ...]
    maps: tuple[str, ...]
    left_out: Mapping[str, tuple[str, ...]]
    notes: tuple[str, ...]


LISTED = 5
"""Names that a message shows."""


def compare_all(
    values: Mapping[str, Mapping[str, float]],
    best: Best = "low",
    *,
    groups: Mapping[str, str] | None = None,
    resamples: int = 10_000,
    seed: int = 0,
    confidence: float = 0.95,
) -> Comparison:
    """Compare every pair of models on one metric; a pair is significant if Holm's adjusted p <= 1 - confidence.

    Args:
        values: for each model, its value of each map.
        best: whether lower or higher values are better; "" if neither is.
        groups: the group (video) of each map; then the group is the unit of every statistic.
        resamples: how many draws, as in `paired`.
        seed: where the draws begin, as in `paired`.
        confidence: of the intervals, as in `paired`.

    Raises:
        UsageProblem: fewer than two models, no common map, or a map without a group, or an argument that can mean
            nothing.
        NotFinite: a value is inf or nan.
        MissingDependency: scipy is not installed.

    >>> maps = [f"{i:03}" for i in range(20)]
    >>> good, bad = {name: 0.1 for name in maps}, {name: 0.2 for name in maps}
    >>> compare_all({"good": good, "bad": bad}).pairs[0].winner
    'good'
    """
    _check_best(best)
    models = tuple(values)
    maps, left_out = _common_maps(values)
    table = _table(values, maps)
    labels = None if groups is None else _labels(maps, groups)
    units = table if labels is None else group_means(table, labels)
    unit = "maps" if labels is None else "groups"
    indices = list(combinations(range(len(models)), 2))
    results = paired_columns(
        _differences(table, indices), groups=labels, resamples=resamples, seed=seed, confidence=confidence
    )
    pairs = _pairs(models, indices, results, best, 1 - confidence)
    letters = letters_of(models)
    return Comparison(
        unit=unit,
        n=len(units),
        confidence=confidence,
        resamples=resamples,
        seed=seed,
        means={model: exact_mean(units[:, index].tolist()) for index, model in enumerate(models)},
        intervals=_intervals(models, units, resamples, seed, confidence),
        letters=letters,
        superscripts=superscripts_of(models, pairs),
        pairs=pairs,
        maps=maps,
        left_out=left_out,
        notes=_few_note(len(units), unit, len(pairs), resamples, 1 - confidence)
        + (_frames_note(maps) if labels is None else ()),
    )


def letters_of(models: Iterable[str]) -> dict[str, str]:
    """The letter of each model, by its place."""
    return {model: letter(place) for place, model in enumerate(models)}


def superscripts_of(models: Iterable[str], pairs: Sequence[PairOfModels]) -> dict[str, tuple[str, ...]]:
    """For each model the letters of those that it differs from significantly."""
    letters = letters_of(models)
    return {model: tuple(letters[other] for other in _differs_from(model, pairs)) for model in letters}


def letter(index: int) -> str:
    """The letter of a row: a to z without q, then aa, ab and so on.

    >>> letter(0), letter(24), letter(25), letter(50)
    ('a', 'z', 'aa', 'ba')
    """
    higher, lower = divmod(index, len(LETTERS))
    return (letter(higher - 1) if higher else "") + LETTERS[lower]


def _intervals(
    models: Sequence[str], units: Floats, resamples: int, seed: int, confidence: float
) -> dict[str, tuple[float, float] | None]:
    if len(units) == 1:
        return dict.fromkeys(models)
    bounds = bca_intervals(units, resamples, seed, confidence)
    return {model: (float(low), float(high)) for model, (low, high) in zip(models, bounds, strict=True)}


def numbered_like_frames(names: Iterable[str]) -> bool:
    """Whether three or more names are the same but for a final number that mostly counts in even steps.

    >>> numbered_like_frames(["v/0001", "v/0002", "v/0003"]), numbered_like_frames(["17", "530", "81"])
    (True, False)
    """
    runs: dict[str, list[int]] = {}
    for name in names:
        found = re.fullmatch(r"(.*?)(\d+)", name)
        if found:
            runs.setdefault(found[1], []).append(int(found[2]))
    return any(_counts_evenly(sorted(numbers)) for numbers in runs.values())


def _counts_evenly(numbers: Sequence[int]) -> bool:
    steps = Counter(after - before for before, after in pairwise(numbers))
    return steps.total() > 1 and max(steps.values()) > steps.total() / 2


def _check_best(best: str) -> None:
    if best not in get_args(Best):
        msg = f"best={best!r} is no direction: 'low', 'high', or '' where neither is better"
        raise UsageProblem(msg)


def _common_maps(values: Mapping[str, Mapping[str, float]]) -> tuple[tuple[str, ...], dict[str, tuple[str, ...]]]:
    if not len(values) > 1:
        msg = f"a comparison needs two models or more, but here is {_listed(values) or 'none'}"
        raise UsageProblem(msg)
    every = sorted(set().union(*values.values()))
    lacking = {name: tuple(model for model in values if name not in values[model]) for name in every}
    common = tuple(name for name in every if not lacking[name])
    if not common:
        counts = ", ".join(f"{model} has {len(scored)}" for model, scored in values.items())
        msg = f"no map was scored for every model ({counts}): their names must agree"
        raise UsageProblem(msg)
    return common, {name: models for name, models in lacking.items() if models}


def _table(values: Mapping[str, Mapping[str, float]], maps: Sequence[str]) -> Floats:
    """The values as an array of shape (maps, models), all finite."""
    import numpy as np

    table = np.array([[scored[name] for scored in values.values()] for name in maps], dtype=np.float64)
    undefined = ~np.isfinite(table)
    if undefined.any():
        found = {model: _where(maps, undefined[:, index]) for index, model in enumerate(values)}
        counts = (f"{model} on {len(bad)} of {len(maps)} maps ({_listed(bad)})" for model, bad in found.items() if bad)
        msg = (
            f"inf or nan has no difference: {'; '.join(counts)}; leave such models out, "
            "or score with a metric that is finite, such as kld with --eps 1e-7"
        )
        raise NotFinite(msg)
    if (np.abs(table) > LARGEST).any():
        msg = f"values beyond {LARGEST:g} have no differences and squares that float64 can hold"
        raise NotFinite(msg)
    return table


def _where(names: Sequence[str], chosen: Iterable[bool]) -> list[str]:
    return [name for name, is_chosen in zip(names, chosen, strict=True) if is_chosen]


def _labels(maps: Sequence[str], groups: Mapping[str, str]) -> list[str]:
    missing = [name for name in maps if name not in groups]
    if missing:
        msg = f"{len(missing)} of {len(maps)} maps have no group ({_listed(missing)}): every map needs one"
        raise UsageProblem(msg)
    return [groups[name] for name in maps]


def _differences(table: Floats, indices: Sequence[tuple[int, int]]) -> Floats:
    first, second = (list(side) for side in zip(*indices, strict=True))
    return table[:, first] - table[:, second]


def _pairs(
    models: Sequence[str],
    indices: Sequence[tuple[int, int]],
    results: Sequence[PairedResult],
    best: Best,
    level: float,
) -> tuple[PairOfModels, ...]:
    adjusted = holm([result.p_value for result in results])
    pairs = []
    for (first, second), result, p in zip(indices, results, adjusted, strict=True):
        names = models[first], models[second]
        winner = _better(*names, result.mean_difference, best) if p <= level else ""
        pairs.append(PairOfModels(*names, result, p, p <= level, winner))
    return tuple(pairs)


def _better(first: str, second: str, difference: float, best: Best) -> str:
    if not best or difference == 0:
        return ""
    return first if (difference < 0) == (best == "low") else second


def _differs_from(model: str, pairs: Iterable[PairOfModels]) -> tuple[str, ...]:
    sides = [(pair.first, pair.second) for pair in pairs if pair.significant and model in (pair.first, pair.second)]
    return tuple(second if model == first else first for first, second in sides)


def _few_note(n: int, unit: str, pairs: int, resamples: int, level: float) -> tuple[str, ...]:
    smallest = min(1.0, pairs * smallest_p_value(n, resamples))
    if smallest <= level:
        return ()
    few = f"{n} {unit}" if is_enumerated(n, resamples) else f"{resamples} resamples"
    note = f"{few} cannot show a significant difference: p (Holm, pairs: {pairs}) is never below {smallest:.3g}"
    return (note,)


def _frames_note(maps: Sequence[str]) -> tuple[str, ...]:
    if not numbered_like_frames(maps):
        return ()
    note = (
        "the maps are numbered like the frames of videos; if they are, make the videos the units (compare --group-by "
        "parent, a leaderboard --maps groups): tests on single frames reject equal models in 40 to 75 % of runs"
    )
    return (note,)


def _listed(names: Iterable[str]) -> str:
    """The first five names, and how many more there are."""
    every = list(names)
    rest = every[LISTED:]
    return ", ".join(every[:LISTED]) + (f" and {len(rest)} more" if rest else "")
