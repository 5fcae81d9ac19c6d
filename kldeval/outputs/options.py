"""What a person may choose about a text, apart from its contents."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Options:
    """How tables for people look: table, markdown and latex. The formats for programs ignore them.

    `precision` digits stand after the point, more where a metric is small all over. `per_map` adds a row per map,
    `worst` the so many worst maps. `width` wraps long names and messages; None lets the text be as wide as its
    contents. `color` allows terminal styles.
    """

    precision: int = 4
    per_map: bool = False
    worst: int = 0
    width: int | None = None
    color: bool = False
