"""The numbers of a pair that are no sums over its densities: those of the stored maps, and those of the fixations.

They are computed in float64 by numpy, also where the densities are measured on a GPU: a map of 8 bits comes as the
cells of its joint histogram, and fixations are few.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from kldeval.arrays import quiet
from kldeval.engine.histogram import levels, looked_up
from kldeval.engine.origin import check_origin
from kldeval.errors import RefusedMap
from kldeval.metrics.registry import METRICS
from kldeval.records import AuxiliaryScores

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from kldeval.arrays import Array
    from kldeval.engine.context import Context
    from kldeval.engine.counted import Counted
    from kldeval.engine.histogram import Cells
    from kldeval.engine.scene import Scene
    from kldeval.grammar import Call
    from kldeval.metrics.registry import MetricInfo
    from kldeval.records import MapPair
    from kldeval.settings.settings import Settings

JITTER = 1e-7
"""What AUC_Judd.m adds at random to every value of a map: where values are closer, it loses their order."""


def accompanied(
    pair: MapPair, cells: Cells | None, settings: Settings, context: Context, *, later: bool = False
) -> MapPair:
    """The pair with the numbers of its stored maps and of its fixations; `cells` may stand for its pixels.

    `later`: what may be worked out for many pairs at once is left to `finish_beside`.

    Raises:
        RefusedMap: a map, or what stands beside it, does not fit a metric.
    """
    check_origin(settings.density, pair.made)
    of_maps, of_fixations = settings.on("maps"), settings.on("fixations")
    if not (of_maps or of_fixations):
        return pair
    _check(pair, of_maps.values(), of_fixations.values())
    with quiet():
        now = {key: call for key, call in of_maps.items() if not (later and _is_of_levels(call))}
        values = _of_maps(pair, cells, now, settings)
        if not (of_fixations and pair.company and pair.company.fixations):
            return replace(pair, beside=AuxiliaryScores(values))
        from kldeval.engine.scene import Scene

        area = cells.pred_counts[0] if cells else None
        scene = Scene(pair, pair.company.fixations, settings, context, area)
        waiting = {key: scene.arguments(call) for key, call in of_fixations.items() if later and scene.may_wait(call)}
        values |= {key: scene.value(call) for key, call in of_fixations.items() if key not in waiting}
        remarks = tuple(_remarks(pair, scene, of_fixations.values()))
        return replace(pair, beside=AuxiliaryScores(values, scene.n_fixations, remarks, waiting))


def finish_beside(counted: Sequence[Counted], settings: Settings) -> list[MapPair]:
    """The pairs, of 8 bits and one scale, with the numbers that waited for each other."""
    pairs = [one.pair for one in counted]
    of_levels = {key: call for key, call in settings.on("maps").items() if _is_of_levels(call)}
    with quiet():
        fixated = _of_fixations(pairs, settings.on("fixations"))
        stored = _of_levels([one.cells for one in counted if one.cells], of_levels, _units(pairs[0], settings))
    return [_finished(pair, {**of, **on}) for pair, of, on in zip(pairs, stored or fixated, fixated, strict=True)]


def _of_fixations(pairs: Sequence[MapPair], calls: Mapping[str, Call]) -> list[dict[str, float]]:
    """The numbers of fixations that waited, which are those of all pairs or of none."""
    import numpy as np

    waiting = [pair.beside.waiting if pair.beside else {} for pair in pairs]
    found: dict[str, list[float]] = {}
    for key in waiting[0]:
        seen, *others = zip(*(arguments[key] for arguments in waiting), strict=True)
        arguments = type(seen[0]).stacked(seen), *map(np.stack, others)
        found[key] = METRICS[calls[key].name].function(*arguments, **calls[key].keywords).tolist()
    return [{key: found[key][place] for key in found} for place in range(len(pairs))]


def _of_levels(cells: Sequence[Cells], calls: Mapping[str, Call], units: tuple[float, float]) -> list[dict[str, float]]:
    """The numbers of the stored maps of counted pairs: each side is prepared on its levels, which meet in the cells."""
    met = _LevelsMet(cells, units) if calls and cells else None
    return [
        {key: float(met.value(call, place)) for key, call in calls.items()} if met else {}
        for place in range(len(cells))
    ]


def _is_of_levels(call: Call) -> bool:
    """Whether a metric of maps asks only which levels meet how often."""
    return METRICS[call.name].info.combine is not None


def _finished(pair: MapPair, values: Mapping[str, float]) -> MapPair:
    if not (values and pair.beside):
        return pair
    return replace(pair, beside=replace(pair.beside, values={**pair.beside.values, **values}, waiting={}))


def _of_maps(pair: MapPair, cells: Cells | None, calls: Mapping[str, Call], settings: Settings) -> dict[str, float]:
    """The numbers of the stored maps of one pair."""
    import numpy as np

    found = {}
    if cells:
        of_levels = {key: call for key, call in calls.items() if _is_of_levels(call)}
        (found,) = _of_levels([cells], of_levels, _units(pair, settings))
    for key, call in calls.items():
        function, info = METRICS[call.name].function, METRICS[call.name].info
        if key in found:
            continue
        maps = [pair.pred, pair.gt]
        if _is_of_levels(call):
            units = _units(pair, settings) if info.scaled else (1.0, 1.0)
            maps = [np.asarray(array, np.float64) / unit for array, unit in zip(maps, units, strict=True)]
        found[key] = float(function(*maps, pair.weights, **call.keywords))
    return found


class _LevelsMet:
    """The levels of 8-bit maps after what a metric makes of either map alone, at the cells where they meet.

    The levels of many maps are prepared at once, and what metrics share is looked up once for each pair.
    """

    def __init__(self, cells: Sequence[Cells], units: tuple[float, float]) -> None:
        import numpy as np

        self._cells = cells
        self._units = units
        self._counts = np.stack([one.pred_counts for one in cells]), np.stack([one.gt_counts for one in cells])
        self._tables: dict[object, tuple[Array, ...]] = {}
        self._met: dict[object, tuple[Array, ...]] = {}
        self._place: int | None = None

    def value(self, call: Call, place: int) -> Any:
        """The number of a metric for one pair."""
        import numpy as np

        if place != self._place:
            self._place, self._met = place, {}
        info, cells = METRICS[call.name].info, self._cells[place]
        combine = _defined(info.combine)
        key = info.prepare, info.scaled, call.arguments
        if key not in self._tables:
            self._tables[key] = self._prepared(info, call.keywords)
        if key not in self._met:
            pred, gt = (np.broadcast_to(table, self._counts[0].shape)[place] for table in self._tables[key])
            self._met[key] = looked_up(pred, cells.pred), looked_up(gt, cells.gt)
        return combine(np, *self._met[key], cells.counts)

    def _prepared(self, info: MetricInfo, arguments: Mapping[str, Any]) -> tuple[Array, ...]:
        """The levels of the predictions and of the ground truths: (pairs, 1, 256)."""
        import numpy as np

        prepare = _defined(info.prepare)
        units = self._units if info.scaled else (1.0, 1.0)
        # as many copies as there are pairs, so that no sum is taken in another way where there are more of them
        stored = np.tile(levels().astype(np.float64), (len(self._cells), 1, 1))
        return tuple(
            prepare(np, stored / unit, counts, **arguments) for unit, counts in zip(units, self._counts, strict=True)
        )


def _defined(part: Callable[..., Array] | None) -> Callable[..., Array]:
    """What a metric that is computed on levels defines."""
    if part is None:
        msg = "the metric is not computed on levels"
        raise TypeError(msg)
    return part


def _units(pair: MapPair, settings: Settings) -> tuple[float, float]:
    """What the maps are divided by: their unit is that of the metric."""
    return (pair.pred_scale or 1.0, pair.gt_scale or 1.0) if settings.scale == "unit" else (1.0, 1.0)


def _remarks(pair: MapPair, scene: Scene, calls: Iterable[Call]) -> Iterator[str]:
    from kldeval.metrics.fixated_map import has_close_values

    judged = any(call.name == "auc-judd" for call in calls)
    if judged and pair.pred.dtype.kind == "f" and has_close_values(_present(pair), JITTER):
        yield "close-values"
    if scene.n_fixations == 0:
        yield "no-fixations"


def _present(pair: MapPair) -> Array:
    return pair.pred if pair.weights is None else pair.pred[pair.weights > 0][None]


def _check(pair: MapPair, of_maps: Iterable[Call], of_fixations: Iterable[Call]) -> None:
    """Refuse what a metric of stored maps cannot take."""
    if pair.pred.dtype.kind == pair.gt.dtype.kind == "u":
        return
    extents = {role: extent(array, pair.weights) for role, array in (("pred", pair.pred), ("gt", pair.gt))}
    for call in of_maps:
        for role in ("gt", "pred"):
            _check_finite(role, extents[role], call)
            _check_mass(role, extents[role][0], call)
    for call in of_fixations:
        if "density" not in METRICS[call.name].info.requires:
            _check_finite("pred", extents["pred"], call)


_SIDES = {"pred": "prediction", "gt": "ground truth"}


def extent(array: Array, weights: Array | None) -> tuple[float, float]:
    """The smallest and the largest value of the pixels that exist."""
    present = array if weights is None else array[weights > 0]
    return float(present.min()), float(present.max())


def _check_finite(role: str, extent: tuple[float, float], call: Call) -> None:
    low, high = extent
    undefined = low != low or high != high  # noqa: PLR0124 - nan is what differs from itself
    infinite = not undefined and high - low == float("inf")
    if undefined or (infinite and not METRICS[call.name].info.takes_infinities):
        found = "nan" if undefined else "inf"
        msg = f"the {_SIDES[role]} holds {found}, which {call.name} cannot take; repair the file"
        raise RefusedMap(msg)


def _check_mass(role: str, low: float, call: Call) -> None:
    lifted_by = METRICS[call.name].info.nonnegative
    if low < 0 and lifted_by and not call.keywords.get(lifted_by):
        way_out = "shift the map" if lifted_by == "always" else f"{call.name}({lifted_by}=true) stretches it to 0..1"
        msg = f"the {_SIDES[role]} has negative values (minimum {low:.6g}), which {call.name} cannot take; {way_out}"
        raise RefusedMap(msg)
