"""Where what stands beside the pairs is read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from kldeval.arrays import Array
    from kldeval.inputs.beside import MapsBeside, Shape
    from kldeval.inputs.fixations.source import FixationSource


@dataclass(frozen=True, slots=True)
class Sources:
    """Where what stands beside the pairs comes from (None: nothing of the kind is asked for).

    `geometry` gives the weights that follow from the (height, width) of a map alone. `alone` where the pair is two
    files, beside which a file of a single image needs no name in common. `drops_outside` leaves out fixations outside
    the map instead of refusing it.
    """

    fixations: FixationSource | None = None
    mask: MapsBeside | None = None
    weights: MapsBeside | None = None
    baseline: MapsBeside | None = None
    other: FixationSource | None = None
    geometry: Callable[[Shape], Array] | None = None
    alone: bool = False
    drops_outside: bool = False


NOTHING = Sources()
"""Nothing stands beside them."""
