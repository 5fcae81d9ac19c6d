"""How much of a model's divergence a simple transformation of its maps takes away on maps it was not fitted on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kldeval.dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kldeval.records import Failure


FIT_SCHEMA = "kldeval.fit/1"


@dataclass(frozen=True, slots=True)
class FittedMap:
    """A map's KLD as it is, and under the transformation that the other folds gave."""

    name: str
    fold: int
    before: float
    after: float


@dataclass(frozen=True, slots=True)
class Fitted:
    """A chain of steps for the prediction that lowers its mean KLD, fitted on all maps, and what such chains are worth.

    `parameters` are those of the chain: `temperature`, `blur` (pixels), `centre` (a share of the sides; inf: none) and
    `uniform` (a share). `maps` have the numbers of held-out folds, and `share` is the part of the mean KLD that goes
    away there (the gold standard, the ground truth itself, has 0), with its bootstrap `interval` over maps, or over
    groups. `folds` are the chains that each fold was tested with. `failures` are pairs that had no part in it.
    """

    chain: str
    parameters: Mapping[str, float]
    maps: tuple[FittedMap, ...]
    before: float
    after: float
    share: float
    interval: tuple[float, float] | None
    folds: tuple[str, ...]
    signature: str
    units: str
    provenance: Mapping[str, object]
    notes: tuple[str, ...] = ()
    failures: tuple[Failure, ...] = ()
