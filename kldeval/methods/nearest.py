"""The published convention that settings are closest to, and what tells them apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kldeval.conventions import CONVENTIONS
from kldeval.names import split_top_level
from kldeval.settings import make_settings
from kldeval.signature import format_signature

if TYPE_CHECKING:
    from kldeval.settings import Settings


def nearest_convention(settings: Settings) -> str:
    """The name of the convention that differs in the fewest parts, the first of equals."""
    return min(CONVENTIONS, key=lambda name: len(_differing(settings, name)))


def difference(settings: Settings, name: str) -> str:
    """What the convention has instead of the settings' parts: `scale:raw instead of scale:unit`."""
    return ", ".join(f"{theirs} instead of {ours}" for ours, theirs in _differing(settings, name))


def _differing(settings: Settings, name: str) -> list[tuple[str, str]]:
    """The parts of the signatures that differ, ours and the convention's, for the same metrics."""
    names = ",".join(dict.fromkeys(call.name for call in settings.metrics))
    named = make_settings({"metric": names}, convention=CONVENTIONS[name].texts)
    texts = (split_top_level(format_signature(one), "|") for one in (settings, named))
    ours, theirs = ({_part(text): text for text in parts} for parts in texts)
    return [
        (ours.get(key, "nothing"), theirs.get(key, "nothing"))
        for key in {**ours, **theirs}
        if ours.get(key) != theirs.get(key)
    ]


def _part(text: str) -> str:
    """The name of a signature's part; the metrics have none."""
    return text.partition(":")[0] if ":" in text and "(" not in text.partition(":")[0] else ""
