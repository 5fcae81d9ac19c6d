"""Pictures of single maps for a report that people look at: which maps are shown, and what is shown of each."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from kldeval.dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Panel:
    """One picture: its title, the bytes of a WebP image, what it shows in words, and the scale of its colours."""

    title: str
    picture: bytes
    alt: str
    scale: str = ""


@dataclass(frozen=True, slots=True)
class Strip:
    """The pictures of one map side by side; `why` says why this map is shown, `text` its numbers."""

    name: str
    why: str
    panels: tuple[Panel, ...]
    text: str = ""


def choose_maps(badness: Mapping[str, float], limit: int) -> dict[str, str]:
    """The maps worth a look, each with the reason: two fifths the worst, one fifth the best, the rest in between.

    `badness` is larger for worse maps; a map without a number (nan) is worse than any. Those in between stand at even
    quantiles. The order is from worst to best.

    >>> choose_maps({"a": 3.0, "b": 1.0, "c": 2.0}, 2)
    {'a': 'worst 1 of 3', 'b': 'best 1 of 3'}
    """
    ordered = sorted(badness, key=lambda name: (not math.isnan(badness[name]), -badness[name]))
    n = len(ordered)
    if n <= limit:
        return {name: f"{place} of {n}, from worst to best" for place, name in enumerate(ordered, 1)}
    n_worst, n_best = math.ceil(limit * 2 / 5), math.ceil(limit / 5) if limit > 1 else 0
    between = limit - n_worst - n_best
    chosen = {place: f"worst {place + 1} of {n}" for place in range(n_worst)}
    inner = range(n_worst, n - n_best)
    for step in range(between):
        place = inner[(2 * step + 1) * len(inner) // (2 * between)]
        chosen[place] = f"{place + 1} of {n}, from worst to best"
    chosen |= {place: f"best {n - place} of {n}" for place in range(n - n_best, n)}
    return {ordered[place]: chosen[place] for place in sorted(chosen)}
