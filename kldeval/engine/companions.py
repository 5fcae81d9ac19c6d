"""The numbers of a pair that are no sums over its densities: those of the stored maps, and those of the fixations.

They are computed in float64 by numpy, also where the densities are measured on a GPU: a map of 8 bits comes as the
cells of its joint histogram, and fixations are few.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

from kldeval.arrays import quiet
from kldeval.engine.histogram import levels
from kldeval.engine.origin import check_origin
from kldeval.errors import RefusedMap
from kldeval.metrics.registry import METRICS
from kldeval.records import Beside

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from kldeval.arrays import Array
    from kldeval.engine.context import Context
    from kldeval.engine.histogram import Cells
    from kldeval.engine.scene import Scene
    from kldeval.names import Call
    from kldeval.records import MapPair
    from kldeval.settings import Settings

JITTER = 1e-7
"""What AUC_Judd.m adds at random to every value of a map: where values are closer, it loses their order."""


def accompanied(pair: MapPair, cells: Cells | None, settings: Settings, context: Context) -> MapPair:
    """The pair with the numbers of its stored maps and of its fixations; `cells` may stand for its pixels.

    Raises:
        RefusedMap: a map, or what stands beside it, does not fit a metric.
    """
    check_origin(settings.density, pair.made)
    of_maps, of_fixations = settings.on("maps"), settings.on("fixations")
    if not (of_maps or of_fixations):
        return pair
    _check(pair, of_maps.values(), of_fixations.values())
    with quiet():
        values = _of_maps(pair, cells, of_maps, settings)
        n_fixations, remarks = None, tuple[str, ...]()
        if of_fixations and pair.company and pair.company.fixations:
            from kldeval.engine.scene import Scene

            area = cells.pred_counts[0] if cells else None
            scene = Scene(pair, pair.company.fixations, settings, context, area)
            values |= {key: scene.value(call) for key, call in of_fixations.items()}
            n_fixations = scene.n_fixations
            remarks = tuple(_remarks(pair, scene, of_fixations.values()))
    return replace(pair, beside=Beside(values, n_fixations, remarks=remarks))


def _of_maps(pair: MapPair, cells: Cells | None, calls: Mapping[str, Call], settings: Settings) -> dict[str, float]:
    import numpy as np

    @cache
    def stored() -> list[Array]:
        arrays = (cells.pred[None], cells.gt[None]) if cells else (pair.pred, pair.gt)
        return [np.asarray(array, np.float64) for array in arrays]

    @cache
    def on_scale() -> list[Array]:
        return _on_scale(stored(), pair, settings)

    found = {}
    weights = cells.counts if cells else pair.weights
    for key, call in calls.items():
        function, traits = METRICS[call.name].function, METRICS[call.name].traits
        if traits.get("spatial"):
            value = function(pair.pred, pair.gt, pair.weights, **call.keywords)
        elif cells and "sides" in traits:
            value = _of_levels(cells, traits, call)
        else:
            maps = on_scale() if traits.get("scaled") else stored()
            value = function(*maps, weights, **call.keywords)
        found[key] = float(value)
    return found


def _of_levels(cells: Cells, traits: Mapping[str, Any], call: Call) -> Any:
    """A metric of which each side is a function of its own levels: 256 numbers, which meet in the cells."""
    import numpy as np

    values = levels().astype(np.float64)
    sides = (
        traits["sides"](np, values, counts, **call.keywords).take(places)[None]
        for places, counts in ((cells.pred, cells.pred_counts), (cells.gt, cells.gt_counts))
    )
    return traits["meet"](np, *sides, cells.counts)


def _on_scale(maps: Iterable[Array], pair: MapPair, settings: Settings) -> list[Array]:
    """The maps on the scale of the settings: their unit is that of the metric."""
    if settings.scale != "unit":
        return list(maps)
    return [array / (full or 1.0) for array, full in zip(maps, (pair.pred_scale, pair.gt_scale), strict=True)]


def _remarks(pair: MapPair, scene: Scene, calls: Iterable[Call]) -> Iterator[str]:
    from kldeval.metrics.fixated import has_close_values

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
        if "density" not in METRICS[call.name].traits.get("needs", ()):
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
    if undefined or (infinite and not METRICS[call.name].traits.get("infinities")):
        found = "nan" if undefined else "inf"
        msg = f"the {_SIDES[role]} holds {found}, which {call.name} cannot take; repair the file"
        raise RefusedMap(msg)


def _check_mass(role: str, low: float, call: Call) -> None:
    lifted_by: Any = METRICS[call.name].traits.get("mass")
    if low < 0 and lifted_by and not call.keywords.get(lifted_by):
        way_out = "shift the map" if lifted_by == "always" else f"{call.name}({lifted_by}=true) stretches it to 0..1"
        msg = f"the {_SIDES[role]} has negative values (minimum {low:.6g}), which {call.name} cannot take; {way_out}"
        raise RefusedMap(msg)
