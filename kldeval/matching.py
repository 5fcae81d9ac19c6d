"""The published convention or preset that settings are, if they are one."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING

from kldeval.conventions import CONVENTIONS
from kldeval.maps.chain import format_chain
from kldeval.metrics.registry import METRICS, with_epsilon
from kldeval.settings import alone, make_settings
from kldeval.settings.companions import idle_parts
from kldeval.settings.densities import reverse_of
from kldeval.settings.pixels import is_of_pixels

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kldeval.conventions import Convention
    from kldeval.conventions.presets import Preset
    from kldeval.names import Call
    from kldeval.settings import Settings

_WORDS = ("scale", "empty_gt", "empty_pred", "base", "reduction", "dtype")
"""The settings that are one word, and that a convention says."""

_SAID = frozenset((*_WORDS, "metrics", "pred", "gt", "resize"))
"""All settings that a convention says; the others it leaves at their defaults."""


def matching_convention(settings: Settings) -> str | None:
    """The name of the convention that these settings are, for those metrics that conventions define.

    Only where every part agrees: the parts that a convention says, and the defaults of all others. Where a chain moves
    none of the metrics it is not asked for.
    """
    others = (item for item in fields(settings) if item.compare and item.name not in {*_SAID, "context"})
    if any(getattr(settings, item.name) != item.default for item in others):
        return None
    if settings.is_labels or all(map(is_of_pixels, settings.metrics)):
        return None  # a convention is about densities
    return next((name for name, row in CONVENTIONS.items() if _is_row(settings, row)), None)


def matching_preset(settings: Settings) -> Preset | None:
    """The preset whose definitions those of every metric are."""
    from kldeval.conventions.presets import PRESETS

    if settings.is_labels:
        return None
    return next((preset for preset in PRESETS.values() if _is_of_preset(settings, preset)), None)


def _is_of_preset(settings: Settings, preset: Preset) -> bool:
    whole = make_settings({"metric": preset.texts["metric"]}, convention=preset.texts)
    # of whatever data set: the other images are named in full signatures alone
    of_any_data = replace(settings, context="")
    return all(call in whole.metrics and alone(of_any_data, call) == alone(whole, call) for call in settings.metrics)


def _is_row(settings: Settings, row: Convention) -> bool:
    # texts are compared, which are canonical on both sides: making the settings of every row would take far longer
    return (
        all(getattr(settings, word) == getattr(row, word) for word in _WORDS if word not in _idle(settings))
        and all(text in (row_text, "stored") for text, row_text in _chains(settings, row))
        and str(settings.resize) == row.resize
        and all(_is_of_row(call, row) for call in settings.metrics)
    )


def _idle(settings: Settings) -> set[str]:
    """The settings that move none of the metrics."""
    idle = frozenset.intersection(*(idle_parts(settings, call) for call in settings.metrics))
    return {{"reduce": "reduction"}.get(part, part) for part in idle} | ({"dtype"} if "reduce" in idle else set())


def _chains(settings: Settings, row: Convention) -> Iterator[tuple[str, str]]:
    return zip(map(format_chain, (settings.pred, settings.gt)), (row.pred, row.gt), strict=True)


def _is_of_row(call: Call, row: Convention) -> bool:
    """Whether a metric is as the convention says, or takes no constants: then the densities are all that it needs."""
    said = {text.partition("(")[0]: text for text in row.metrics}
    if call.name in said:
        return str(call) == said[call.name]
    if call.name == "kld-reverse" and "kld" in said:
        return call == reverse_of(METRICS.parse(said["kld"]))
    return not with_epsilon(call.name, 0.0) and not call.arguments
