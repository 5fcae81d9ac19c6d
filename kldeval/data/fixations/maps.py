"""Fixations stored as a map of the image's size: a pixel that is not 0 was fixated."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from kldeval.data.readers import read_map
from kldeval.data.readers.stored import MAX_PIXELS, check_size, unreadable
from kldeval.dataclass import dataclass
from kldeval.errors import UsageProblem
from kldeval.preprocessing.grey import full_scale
from kldeval.records import Fixations, fixations_at

if TYPE_CHECKING:
    from kldeval.arrays import NumpyArray as Array
    from kldeval.memory import MapFile
    from kldeval.records import Shape


MARKS = (1, 255, 65535)
"""What programs write where a pixel was fixated; a map with one of them only says nothing about repeats."""

MOST_AT_A_PLACE = 2**31 - 1
"""The most fixations that one entry may stand for: sums of whole maps of them stay exact."""

ARRAYS = (".npy", ".npz")
"""Formats of plain numbers, where whole numbers other than the marks are repeats."""


def read_map_file(path: MapFile, reading: FixationReading) -> Fixations:
    """The fixations in an image or numpy file of one map.

    Raises:
        UnreadableMap: it cannot be decoded, is no single channel, or is neither binary nor a map of counts.
    """
    array = _single_channel(
        path, read_map(path, max_pixels=reading.max_pixels, trusts_files=reading.trusts_files).array
    )
    return fixations_in_map(array, path, reading, counts_repeats=path.suffix.lower() in ARRAYS)


def fixations_in_map(array: Array, path: MapFile, reading: FixationReading, *, counts_repeats: bool) -> Fixations:
    """The fixated pixels of a map (H, W), with the number of fixations at each where the map `counts_repeats`.

    Raises:
        UnreadableMap: the map is empty or too large, or neither binary nor a map of counts.
    """
    import numpy as np

    height, width = array.shape
    check_size(path, height, width, reading.max_pixels)
    _check_values(array, path)
    if reading.threshold is not None:
        array = _above(array, path, reading)
    # of booleans, which are looked at many at a time
    places = np.flatnonzero(array != 0)
    rows, cols = np.divmod(places, array.shape[1])
    counts = _counts(array.reshape(-1)[places], path, counts_repeats=counts_repeats)
    return fixations_at(rows, cols, counts, shape=array.shape)


def _above(array: Array, path: MapFile, reading: FixationReading) -> Array:
    """Which pixels lie above the threshold, on the scale that it is on.

    Raises:
        UnreadableMap: none does, although some are not 0.
    """
    threshold = float(reading.threshold or 0)
    # integers that are 0 and 1 alone are marks already, whatever their type holds
    full = (full_scale(array) or 1.0) if reading.on == "unit" and array.max(initial=0) > 1 else 1.0
    found = array > threshold * full
    if array.any() and not found.any():
        highest = float(array.max()) / full
        scale = f"0..1, where the highest is {highest:.6g}" if reading.on == "unit" else f"0..{highest:.6g}"
        hint = f"; {threshold:g} of a byte is {threshold / 255:.4g}" if reading.on == "unit" and threshold > 1 else ""
        raise unreadable(path, f"no pixel lies above --fixation-threshold {threshold:g}; the values are {scale}{hint}")
    return found


def _check_values(array: Array, path: MapFile) -> None:
    import numpy as np

    if array.dtype.kind in "if" and not (np.all(np.isfinite(array)) and np.all(array >= 0)):
        raise unreadable(path, "a fixation map counts fixations, so it holds no nan, inf or negative values")


def _counts(found: Array, path: MapFile, *, counts_repeats: bool) -> Array:
    """The number of fixations at each pixel that is not 0."""
    import numpy as np

    values = np.unique(found)
    if len(values) == 0 or (len(values) == 1 and (values[0] in MARKS or not counts_repeats)):
        return np.ones(found.shape, np.int64)
    if values[-1] > MOST_AT_A_PLACE:
        raise unreadable(path, f"no fixation map: {values[-1]:g} fixations at one pixel, more than anybody makes")
    if counts_repeats and np.all(values == np.floor(values)):
        return found.astype(np.int64)
    what = (
        f"no fixation map: {len(values)} different values other than 0, from {values[0]:g} to {values[-1]:g}; "
        f"a fixation map is binary; {_way_out(float(values[-1]), full_scale(found) or 1.0)}"
    )
    raise unreadable(path, what)


def _way_out(highest: float, full: float) -> str:
    if highest > full / 2:
        return "where a lossy format smeared the marks, --fixation-threshold 0.5 takes what is above half of the scale"
    return "store numbers of fixations as .npy, or say with --fixation-threshold above which value a pixel is fixated"


def _single_channel(path: MapFile, array: Array) -> Array:
    """The map itself, or the one channel that all colours agree on."""
    import numpy as np

    if array.ndim == 2:  # noqa: PLR2004 - height and width
        return array
    colours = array[..., : 3 if array.shape[-1] >= 3 else 1]  # noqa: PLR2004 - blue, green, red
    alpha = array[..., colours.shape[-1] :]
    if np.any(colours != colours[..., :1]) or (alpha.size and alpha.min() != alpha.max()):
        raise unreadable(path, "no fixation map: its colour channels differ, or its alpha is not uniform")
    return colours[..., 0]


@dataclass(frozen=True, slots=True)
class FixationReading:
    """The choices of a user for fixation files.

    `base` is the number of the first pixel in coordinates, 0 or 1 (None: 1 in SALICON's `gaze`, which MATLAB wrote, and
    0 elsewhere). `variable` names the variable of a .mat. `gaze` chooses between the fixations of SALICON's `gaze` and
    its raw mouse samples. Pixels of a map above `threshold` are fixated, once each (None: the map must be binary).
    `size` is the (width, height) of the screen that the positions are on. `columns` renames the columns of a list and
    `where` chooses its rows (`x=X;y=Y`, `task=bottle`). `on` is the scale that the threshold is on.
    `drops_first` leaves out the first fixation of every observer, which a trial's starting cross often forces.
    `rounding` says which pixel a position lies on, and `clips` whether positions outside the image are on its border.

    Raises:
        UsageProblem: a base other than 0 and 1, or another word for `gaze`.
    """

    base: int | None = None
    variable: str | None = None
    gaze: Literal["fixations", "location"] = "fixations"
    threshold: float | None = None
    size: tuple[int, int] | None = None
    columns: str | None = None
    where: str | None = None
    on: Literal["stored", "unit"] = "stored"
    drops_first: bool = False
    rounding: Literal["floor", "nearest"] = "floor"
    clips: bool = False
    max_pixels: int = MAX_PIXELS
    trusts_files: bool = False

    def __post_init__(self) -> None:
        if self.base not in (None, 0, 1):
            msg = f"coordinates count from 0 or from 1, not from {self.base!r}"
            raise UsageProblem(msg)
        if self.gaze not in ("fixations", "location"):
            msg = f"gaze {self.gaze!r} is none of fixations, location"
            raise UsageProblem(msg)

    def placed(self, points: Fixations, image: Shape) -> Fixations:
        """The fixations on their image of this (height, width): off the screen, on whole pixels, within, as said."""
        if self.size is not None:
            points = points.on_screen(self.size, image)
        if self.rounding == "nearest":
            points = points.rounded()
        return points.clipped(points.shape or image) if self.clips else points

    @property
    def of_placed(self) -> FixationReading:
        """The choices for fixations that are placed already, and that have lost their first."""
        return replace(self, drops_first=False, size=None, rounding="floor", clips=False)
