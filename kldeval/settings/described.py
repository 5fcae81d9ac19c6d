"""Settings as texts, from which a signature is made."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING

from kldeval.maps.chain import format_chain

if TYPE_CHECKING:
    from kldeval.settings import Settings


def describe(settings: Settings) -> dict[str, str]:
    """Every part of the settings as text, in the order of the fields."""
    texts = {}
    for item in (item for item in fields(settings) if item.compare):
        value = getattr(settings, item.name)
        if item.name == "metrics":
            texts[item.name] = ",".join(map(str, value))
        else:
            texts[item.name] = format_chain(value) if isinstance(value, tuple) else str(value)
    return texts
