"""A saved document, or a published number, computed again: what agrees, and what does not."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Literal

from kldeval.dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping


REPRODUCTION_SCHEMA = "kldeval.reproduction/1"

Kind = Literal["version", "arithmetic", "file", "map", "failure", "number", "headline"]
"""What differs: a package, the machine's arithmetic, the bytes of a file, which maps have a number or fail, a number of
a map, or one of all maps."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not as it was: what it is called, as it was saved and as it is now ("" where it is not)."""

    kind: Kind
    name: str
    saved: str
    now: str


@dataclass(frozen=True, slots=True)
class Reproduction:
    """The numbers of `file` computed again on `n_maps` maps: `n_same` of `n_numbers` agree in every digit.

    With a `tolerance` they agree where the new one is within it of a published number, or of that of a report as a
    share of it (of 1 where it is less). `largest` is the largest relative
    difference. Versions, the arithmetic and files may differ where all numbers agree.
    """

    file: str
    source: str
    signatures: tuple[str, ...]
    n_maps: int
    n_numbers: int
    n_same: int
    largest: float
    differences: tuple[Difference, ...]
    provenance: Mapping[str, object]
    tolerance: float = 0.0
    notes: tuple[str, ...] = field(default=())

    @property
    def agrees(self) -> bool:
        """Whether every digit is as it was, or within the tolerance, of the same maps."""
        moved = {"map", "failure", "number", "headline"}
        return self.n_numbers > 0 and not any(one.kind in moved for one in self.differences)
