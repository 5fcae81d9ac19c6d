"""Exact quantiles of all probabilities of a run, found by counting: nothing is kept of a map but counts.

A probability becomes a whole number of 63 bits in the same order. A first pass over the maps counts its leading bits;
the next one looks at those alone among which an edge lies, at once in full where they are few, else at more bits. So
the edges are exact whatever the number of pixels, of maps or of workers.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import field
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np

from kldeval.data.load import load_pair
from kldeval.dataclass import NamedTuple, dataclass
from kldeval.metrics.calibration import BINS, check_bins, quantile_ranks
from kldeval.records import Failure, Skipped
from kldeval.scoring.adaptive import forecasts_of_pair
from kldeval.settings.metric_options import adaptive_calls, refuse_parts

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from kldeval.data.load import Loaded, Reading
    from kldeval.engine.worker import Answer, PairWork
    from kldeval.records import Pair
    from kldeval.settings.settings import Settings

    Keys = NDArray[np.uint64]
    Edges = Mapping[str, Mapping[str, NDArray[np.float64]]]

SHIFTS = (46, 30, 14, 0)
"""How many trailing bits of a number are left out in one pass after another."""

FEW = 1 << 22
"""So many probabilities among which edges lie are counted in full."""

HALF = np.uint64(np.float64(0.5).view(np.uint64))


def ordered(prob: NDArray[np.float64]) -> Keys:
    """Whole numbers in the order of the probabilities, as fine near 1 as they are near 0.

    >>> ordered(np.asarray([0.0, 0.5, 1.0])).tolist() == [0, int(HALF), 2 * int(HALF)]
    True
    """
    low = np.minimum(prob, 0.5).view(np.uint64)
    rest = (1 - np.maximum(prob, 0.5)).view(np.uint64)  # exact: a difference of numbers within a factor of two
    return np.where(prob <= 0.5, low, 2 * HALF - rest)  # noqa: PLR2004 - a half


def restored(keys: Keys) -> NDArray[np.float64]:
    """The probabilities of such numbers.

    >>> restored(ordered(np.asarray([0.1, 0.7]))).tolist()
    [0.1, 0.7]
    """
    upper = (2 * HALF - np.maximum(keys, HALF)).view(np.float64)
    return np.where(keys <= HALF, np.minimum(keys, HALF).view(np.float64), 1 - upper)


class CountingStage(NamedTuple):
    """What a pass counts: numbers without their last `shift` bits, of those among `prefixes` alone.

    The prefixes are without `outer` bits, by model, metric and event; None: of all.
    """

    shift: int
    outer: int = 0
    prefixes: Mapping[tuple[str, str, int], Keys] | None = None


Counts = dict[tuple[str, int], tuple[Any, Any]]
"""By metric and event, numbers and how often each occurs."""


@dataclass(frozen=True, slots=True)
class Counting:
    """The work of a pass: the counts of each pair."""

    settings: Settings
    reading: Reading
    stage: CountingStage

    def begin(self, model: str, pair: Pair, gt: Loaded | None, *, is_first: bool) -> Counts:
        """The counts of a pair."""
        del is_first
        found: dict[tuple[str, int], list[Keys]] = defaultdict(list)
        for key, prob in forecasts_of_pair(load_pair(pair, self.reading, gt), self.settings):
            for event in range(prob.shape[1]):
                found[key, event].append(self._chosen(ordered(prob[:, event]), (model, key, event)))
        return {at: np.unique(np.concatenate(parts), return_counts=True) for at, parts in found.items()}

    def finish(self, begun: Sequence[Counts]) -> Sequence[Counts]:
        """The counts of all pairs."""
        return begun

    def _chosen(self, keys: Keys, at: tuple[str, str, int]) -> Keys:
        stage = self.stage
        if stage.prefixes is not None:
            keys = keys[np.isin(keys >> np.uint64(stage.outer), stage.prefixes.get(at, np.zeros(0, np.uint64)))]
        return keys >> np.uint64(stage.shift)


@dataclass(slots=True)
class _Search:
    """The ranks that are looked for of one event, within the prefixes that are known of them."""

    bins: int
    ranks: NDArray[np.int64] | None = None
    prefixes: Keys = field(default_factory=lambda: np.zeros(0, np.uint64))

    def narrow(self, keys: Keys, counts: NDArray[np.int64], gap: int) -> int:
        """Take in the counts of a pass, whose numbers have `gap` bits more; how many numbers are left to choose of."""
        if self.ranks is None:
            self.ranks = quantile_ranks(int(counts.sum()), self.bins)
            self.prefixes, gap = np.zeros(len(self.ranks), np.uint64), 64
        if not len(keys):
            return 0  # no position counts
        ends = np.cumsum(counts)
        outer = keys >> np.uint64(gap) if gap < 64 else np.zeros_like(keys)  # noqa: PLR2004 - all bits
        first = np.searchsorted(outer, self.prefixes, side="left")
        before = np.where(first > 0, ends[np.maximum(first, 1) - 1], 0)
        places = np.searchsorted(ends, before + self.ranks, side="left")
        self.ranks = self.ranks - (np.where(places > 0, ends[np.maximum(places, 1) - 1], 0) - before)
        self.prefixes = keys[places]
        return int(counts[np.unique(places)].sum()) if len(places) else 0


def find_edges(
    settings: Settings,
    reading: Reading,
    run: Callable[[PairWork[Any, Any]], Iterable[Answer]],
    *,
    models: Collection[str] = (),
    is_shard: bool = False,
) -> Edges:
    """The edges between the bins of each adaptive metric, by model and by its key, (events, bins - 1).

    `run` does a piece of work on all pairs. Maps that cannot be read for all `models` have no part in them: numbers of
    models are those of the maps that all of them have.

    Raises:
        UsageProblem: fewer than one bin, or these are not all maps.
    """
    calls = adaptive_calls(settings)
    if is_shard:
        refuse_parts(settings, "score it without --shard")
    bins = {key: call.keywords.get("bins", BINS) for key, call in calls.items()}
    for number in bins.values():
        check_bins(number)
    searches: dict[tuple[str, str, int], _Search] = {}
    stage, last = CountingStage(SHIFTS[0]), 0
    while True:
        left = 0
        for (model, key, event), (keys, counts) in _totals(run(Counting(settings, reading, stage)), models):
            search = searches.setdefault((model, key, event), _Search(bins[key]))
            left += search.narrow(keys, counts, stage.outer - stage.shift)
        if stage.shift == 0:
            break
        last += 1
        known = {at: np.unique(one.prefixes) for at, one in searches.items()}
        stage = CountingStage(0 if left <= FEW else SHIFTS[last], stage.shift, known)
    return _arranged(searches)


def _totals(
    answers: Iterable[Answer], models: Collection[str]
) -> Iterator[tuple[tuple[str, str, int], tuple[Keys, NDArray[np.int64]]]]:
    """The counts of the maps that all models have, together, by model, metric and event."""
    parts: dict[tuple[str, str, int], list[tuple[Any, Any]]] = defaultdict(list)
    for answer in _common(answers, models):
        for (key, event), counted in answer.outcome.items():
            held = parts[answer.model, key, event]
            held.append(counted)
            if len(held) >= 64:  # noqa: PLR2004 - as many as are worth adding up
                held[:] = [_added(held)]
    yield from ((at, _added(held)) for at, held in parts.items())


def _common(answers: Iterable[Answer], models: Collection[str]) -> Iterator[Answer]:
    """The answers that are counts, of the maps that have one for each model."""
    for _, of_map in groupby(answers, key=lambda answer: answer.name):
        counted = [answer for answer in of_map if not isinstance(answer.outcome, Failure | Skipped)]
        if {answer.model for answer in counted} >= set(models):
            yield from counted


def _added(parts: Sequence[tuple[Any, Any]]) -> tuple[Any, Any]:
    keys, owner = np.unique(np.concatenate([keys for keys, _ in parts]), return_inverse=True)
    counts = np.zeros(len(keys), np.int64)
    np.add.at(counts, owner, np.concatenate([counts for _, counts in parts]))
    return keys, counts


def _arranged(searches: Mapping[tuple[str, str, int], _Search]) -> Edges:
    rows: dict[str, dict[str, dict[int, Any]]] = defaultdict(lambda: defaultdict(dict))
    for (model, key, event), search in searches.items():
        rows[model][key][event] = restored(search.prefixes)
    return {
        model: {key: np.stack([events[event] for event in sorted(events)]) for key, events in of_model.items()}
        for model, of_model in rows.items()
    }
