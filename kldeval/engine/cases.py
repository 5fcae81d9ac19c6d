"""What a run over many settings asks of every pair: cases, worked out once before the first file is read."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from kldeval.engine.views import joint_reach, reach
from kldeval.metrics.registry import METRICS
from kldeval.metrics.separable import separated_uncovered_mass, separated_uncovered_pixels
from kldeval.normalization.chain import format_chain
from kldeval.normalization.lazy_map import MAP

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from kldeval.arrays import Array
    from kldeval.engine.views import Reach
    from kldeval.metrics.separable import Part
    from kldeval.normalization.density import Density
    from kldeval.records import Role
    from kldeval.settings.settings import Settings


@dataclass(frozen=True, slots=True)
class Case:
    """One number to find under settings: the sum of `terms`, divided as the reduction and the base say.

    `what` tells terms of one kind from those of another, `normal` what the normalised map of each side depends on
    beside the map, and `needed` what the chains ask of a pixel: cases that agree in these share the work. `separated`
    gives the same sum in parts (`metrics.separated`), where the metric has them; `final` is a metric that is a function
    of its sum, and `unit` is what the sum is counted in.
    """

    name: str
    settings: Settings
    terms: Callable[[Density, Density], Array]
    what: str
    normal: Mapping[Role, str]
    needed: Reach
    axes: tuple[int, ...]
    separated: Callable[[Density, Density], Sequence[Part] | None] | None = None
    final: Callable[[Any], Any] | None = None
    unit: float = 1.0

    def finish(self, total: float, shape: tuple[int, int], n_pixels: float | None = None) -> float:
        """The number, from the sum over the pixels of a map of this height and width, of which a mask leaves some."""
        value = total / self.unit
        if self.final:
            import numpy as np

            value = float(self.final(np.asarray(value)))
        return value / _count(self.settings, self.axes, shape, n_pixels)


def divisor(settings: Settings, axes: tuple[int, ...], shape: tuple[int, int]) -> float:
    """What the reduction and the base of a divergence or an entropy divide the sum of a map's terms by."""
    return _count(settings, axes, shape, None) * _unit(settings, "nats")


def _count(settings: Settings, axes: tuple[int, ...], shape: tuple[int, int], n_pixels: float | None) -> float:
    height, width = shape
    slices = {MAP: 1, (-1,): height, (-2,): width}[axes]
    return {"slices": slices, "sum": 1, "mean": n_pixels or height * width, "batchmean": height}[settings.reduction]


def _unit(settings: Settings, unit: str) -> float:
    """How many nats the base of the settings makes 1."""
    return math.log(int(settings.base)) if unit == "nats" and settings.base != "e" else 1.0


def case_of(name: str, settings: Settings) -> Case:
    """The only metric of the settings as a case."""
    (call,) = settings.metrics
    chains: dict[Role, str] = {"pred": format_chain(settings.pred), "gt": format_chain(settings.gt)}
    info = METRICS[call.name].info
    # a sum in parts takes float64, in which the counts are
    separable = info.separable if settings.dtype == "float64" else None
    return Case(
        name,
        settings,
        partial(METRICS[call.name].function, **call.keywords),
        str(call),
        {role: f"{chain}|{settings.scale}|{settings.dtype}" for role, chain in chains.items()},
        joint_reach(reach(settings.pred), reach(settings.gt)),
        settings.axes,
        partial(separable, **call.keywords) if separable else None,
        info.from_sum,
        _unit(settings, info.unit),
    )


Uncovered = Literal["n_uncovered", "uncovered_mass"]

UNCOVERED: tuple[Uncovered, ...] = ("n_uncovered", "uncovered_mass")


def uncovered_case(name: Uncovered, settings: Settings) -> Case:
    """The number of pixels with ground-truth mass where the prediction is exactly 0, or that mass."""
    summed = case_of(name, replace(settings, reduction="sum", base="e"))
    terms, separated = {
        "n_uncovered": (_uncovered_pixels, separated_uncovered_pixels),
        "uncovered_mass": (_uncovered_mass, separated_uncovered_mass),
    }[name]
    return replace(summed, terms=terms, separated=separated, what=name, final=None)


def _uncovered_pixels(pred: Density, gt: Density) -> Array:
    return (gt.prob > 0) & pred.is_zero


def _uncovered_mass(pred: Density, gt: Density) -> Array:
    xp = gt.xp
    return xp.where(_uncovered_pixels(pred, gt), gt.prob, xp.zeros_like(gt.prob))
