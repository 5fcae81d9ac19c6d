"""How fixation files are to be read where they do not say so themselves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from kldeval.errors import UsageProblem
from kldeval.data.readers.stored import MAX_PIXELS


@dataclass(frozen=True, slots=True)
class FixationReading:
    """The choices of a user for fixation files.

    `base` is the number of the first pixel in coordinates, 0 or 1 (None: 1 in SALICON's `gaze`, which MATLAB wrote, and
    0 elsewhere). `variable` names the variable of a .mat. `gaze` chooses between the fixations of SALICON's `gaze` and
    its raw mouse samples. Pixels of a map above `threshold` are fixated, once each (None: the map must be binary).
    `drops_first` leaves out the first fixation of every observer, which a trial's starting cross often forces.

    Raises:
        UsageProblem: a base other than 0 and 1, or another word for `gaze`.
    """

    base: int | None = None
    variable: str | None = None
    gaze: Literal["fixations", "location"] = "fixations"
    threshold: float | None = None
    drops_first: bool = False
    max_pixels: int = MAX_PIXELS

    def __post_init__(self) -> None:
        if self.base not in (None, 0, 1):
            msg = f"coordinates count from 0 or from 1, not from {self.base!r}"
            raise UsageProblem(msg)
        if self.gaze not in ("fixations", "location"):
            msg = f"gaze {self.gaze!r} is none of fixations, location"
            raise UsageProblem(msg)
