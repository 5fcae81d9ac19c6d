"""Which metrics the scale of the maps moves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kldeval.metrics.registry import METRICS, is_on_scale
from kldeval.records import OF_PIXELS

if TYPE_CHECKING:
    from kldeval.grammar import Call
    from kldeval.normalization.chain import Chain
    from kldeval.settings.settings import Settings

FREE_OF_SCALE = ("sum-to-one", "minmax", "max", "bytes")
"""Steps after which the scale of a map is gone, where they add nothing."""


def is_free_of_scale(call: Call, *chains: Chain) -> bool:
    """Whether a factor on a map leaves a metric as it is, under the chains of its sides."""
    info = METRICS[call.name].info
    if info.on in ("pixels", "forecasts"):
        return False
    return all(
        not is_on_scale(info, call.keywords)
        if chain[0].name == "stored"
        else chain[0].name in FREE_OF_SCALE and not chain[0].keywords.get("offset")
        for chain in chains
    )


def masks_of(settings: Settings, call: Call, *chains: Chain) -> str:
    """What `Settings.masks` is to one metric of the settings, under the chains of its sides."""
    if settings.masks == OF_PIXELS:
        return "01" if METRICS[call.name].info.on == "pixels" else ""
    return "" if is_free_of_scale(call, *chains) else settings.masks
