"""The published convention that settings are, if they are one."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING

from kldeval.conventions import CONVENTIONS
from kldeval.maps.chain import format_chain
from kldeval.metrics.registry import with_epsilon
from kldeval.settings.pixels import is_of_pixels

if TYPE_CHECKING:
    from kldeval.conventions import Convention
    from kldeval.names import Call
    from kldeval.settings import Settings

_WORDS = ("scale", "empty_gt", "empty_pred", "base", "reduction", "dtype")
"""The settings that are one word, and that a convention says."""

_SAID = frozenset((*_WORDS, "metrics", "pred", "gt", "resize"))
"""All settings that a convention says; the others it leaves at their defaults."""


def matching_convention(settings: Settings) -> str | None:
    """The name of the convention that these settings are, for those metrics that conventions define.

    Only where every part agrees: the parts that a convention says, and the defaults of all others.
    """
    others = (item for item in fields(settings) if item.compare and item.name not in _SAID)
    if any(getattr(settings, item.name) != item.default for item in others):
        return None
    if settings.is_labels or all(map(is_of_pixels, settings.metrics)):
        return None  # a convention is about densities
    return next((name for name, row in CONVENTIONS.items() if _is_row(settings, row)), None)


def _is_row(settings: Settings, row: Convention) -> bool:
    # texts are compared, which are canonical on both sides: making the settings of every row would take far longer
    return (
        all(getattr(settings, word) == getattr(row, word) for word in _WORDS)
        and (format_chain(settings.pred), format_chain(settings.gt)) == (row.pred, row.gt)
        and str(settings.resize) == row.resize
        and all(_is_of_row(call, row) for call in settings.metrics)
    )


def _is_of_row(call: Call, row: Convention) -> bool:
    """Whether a metric is as the convention says, or takes no constants: then the densities are all that it needs."""
    said = {text.partition("(")[0]: text for text in row.metrics}
    if call.name in said:
        return str(call) == said[call.name]
    return not with_epsilon(call.name, 0.0) and not call.arguments
