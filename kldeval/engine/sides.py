"""The sides of pairs before and after a chain: what they start from, and what stands against using them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from kldeval.engine.measure import Side, scaled

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kldeval.arrays import Array
    from kldeval.normalization.chain import Chain
    from kldeval.normalization.density import Density
    from kldeval.normalization.lazy_map import LazyMap
    from kldeval.records import MapPair, Role
    from kldeval.settings.settings import Settings

ROLES: tuple[Role, ...] = ("pred", "gt")

Where = Any
"""Some pixels, in the way in which the densities of a view are asked for them."""


Problem = tuple[str, float]
"""The kind and the smallest detail of what stands against using a normalised side."""

Problems = Sequence[Problem | None]
"""The worst of each pair."""


class Seen(Protocol):
    """A normalised side of the pairs of a view."""

    def at(self, where: Where) -> Density:
        """The density of some pixels."""


@dataclass(frozen=True, slots=True)
class Sides:
    """The arrays of both sides with the weights of their elements and their full scales, and what they start from."""

    arrays: Mapping[Role, tuple[Array, Array | None]]
    full_scales: Mapping[Role, float | None]
    started: dict[tuple[str, str, str, str], LazyMap]

    def start(self, role: Role, settings: Settings, policy: str) -> LazyMap:
        """The values of a side before its chain, once for each scale and policy: their extremes are kept with them."""
        key = (role, settings.scale, settings.dtype, policy)
        if key not in self.started:
            array, weights = self.arrays[role]
            side = Side(array, self.full_scales[role])
            self.started[key] = scaled(side, settings, weights=weights, empty=policy)
        return self.started[key]


def chain_of(role: Role, settings: Settings) -> Chain:
    """The chain of a side."""
    return settings.pred if role == "pred" else settings.gt


def worst_problems(values: LazyMap, count: int) -> list[Problem | None]:
    """That of each of so many maps: not finite before negative before empty."""
    worst: list[Problem | None] = [None] * count
    for kind in ("empty", "negative", "nonfinite"):
        for problem in reversed(values.problems):
            if problem.kind == kind:
                maps = zip(_by_map(problem.found, count), _by_map(problem.detail, count), strict=True)
                for place, (found, detail) in enumerate(maps):
                    worst[place] = (kind, float(detail.min())) if found.any() else worst[place]
    return worst


def _by_map(statistic: Array, count: int) -> Array:
    """A row for each map, also where one statistic is that of all."""
    return statistic.reshape(-1, *statistic.shape[-2:]) if statistic.ndim > 2 else [statistic] * count  # noqa: PLR2004


def full_scales(pair: MapPair) -> dict[Role, float | None]:
    """What `--scale unit` makes 1, of each side."""
    return {"pred": pair.pred_scale, "gt": pair.gt_scale}
