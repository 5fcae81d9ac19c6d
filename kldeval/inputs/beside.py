"""Maps that stand beside the pairs, as masks, weights or baselines: one file for all, or a folder with one for each."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kldeval.errors import MapProblem, NoPartner, RefusedMap, UsageProblem
from kldeval.inputs.color import to_grey
from kldeval.data.readers import read_map
from kldeval.data.readers.stored import unreadable
from kldeval.inputs.listing import list_folder
from kldeval.inputs.pairing import name_of
from kldeval.inputs.resize import resized
from kldeval.inputs.scale import full_scale
from kldeval.inputs.shown import examples, shown

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from kldeval.arrays import Array
    from kldeval.names import Call

Shape = tuple[int, int]
"""(height, width)."""

DIGITS = 12
"""Hexadecimal digits of a digest: 48 bits tell the few files apart that people compare."""


@dataclass(frozen=True, slots=True, eq=False)
class MapsBeside:
    """Where such maps come from: `what` they are, the files by name, or the one map that stands beside every pair."""

    what: str
    path: Path
    files: Mapping[str, tuple[Path, ...]]
    max_pixels: int
    single: Array | None = None

    def of(self, name: str, file: Path | None = None) -> tuple[Array, Path]:
        """The map that stands beside a pair, as it is stored, and its file.

        Raises:
            NoPartner: there is none, or several files bear the name.
            UnreadableMap: the file cannot be read.
            RefusedMap: it has colours.
        """
        if file is None and self.single is not None:
            return self.single, self.path
        chosen = file or self._file(name)
        return _read(chosen, self.max_pixels), chosen

    def _file(self, name: str) -> Path:
        files = self.files.get(name, ())
        if len(files) == 1:
            return files[0]
        if files:
            msg = f"{len(files)} files hold the {self.what} of {name!r}: {', '.join(map(shown, files))}; keep one"
        else:
            msg = f"no {self.what} in {shown(self.path)} for {name!r}; it has {examples(self.files)}"
        raise NoPartner(msg)


def open_beside(what: str, path: Path, max_pixels: int) -> MapsBeside:
    """The maps of a file or of a folder.

    Raises:
        UsageProblem: the path does not exist, the file cannot be read, or the folder holds no map.
    """
    if path.is_dir():
        files: defaultdict[str, tuple[Path, ...]] = defaultdict(tuple)
        for relative in list_folder(path).maps:
            files[name_of(relative)] += (path / relative,)
        if not files:
            msg = f"{shown(path)} holds no map to be a {what}"
            raise UsageProblem(msg)
        return MapsBeside(what, path, dict(files), max_pixels)
    try:
        single = _read(path, max_pixels)
    except MapProblem as problem:
        raise UsageProblem(str(problem)) from problem
    single.setflags(write=False)
    return MapsBeside(what, path, {}, max_pixels, single)


def maps_of_files(what: str, files: Mapping[str, Path], path: Path, max_pixels: int) -> MapsBeside:
    """Maps that were named one by one, in the manifest at `path`."""
    return MapsBeside(what, path, {name: (file,) for name, file in files.items()}, max_pixels)


def digest(path: Path) -> str:
    """What tells the contents of a file from those of another.

    Raises:
        UsageProblem: the file cannot be read.
    """
    from hashlib import sha256

    try:
        return sha256(path.read_bytes()).hexdigest()[:DIGITS]
    except OSError as error:
        msg = f"cannot read {shown(path)}: {(error.strerror or str(error)).lower()}"
        raise UsageProblem(msg) from error


def fitted(array: Array, path: Path, what: str, shape: Shape, resize: Call) -> Array:
    """The map at the size of the pair: resized, to the nearest pixel, where the pair may be resized.

    Raises:
        RefusedMap: the sizes differ and no resizing is chosen.
    """
    if array.shape == shape:
        return array
    if resize.name == "none":
        msg = (
            f"{shown(path)}: the {what} is {array.shape}, the maps are {shape} (height, width); "
            "any --resize, such as 'pred-to-gt', fits it to them"
        )
        raise RefusedMap(msg)
    return resized(array, shape, "nearest")


def mask_weights(array: Array, path: Path) -> Array:
    """The pixels that a mask leaves, as 1, and those that it hides, as 0.

    Raises:
        RefusedMap: it holds more than 0 and one other value, or nothing but 0.
    """
    import numpy as np

    low, high = array.min(), array.max()
    if not (low >= 0 and np.all((array == 0) | (array == high))):
        msg = f"{shown(path)}: a mask holds 0, where pixels are ignored, and one other value; this holds more"
        raise RefusedMap(msg)
    if not high > 0:
        msg = f"{shown(path)}: the mask hides every pixel: it is all zero"
        raise RefusedMap(msg)
    return (array > 0).astype(np.float64)


def pixel_weights(array: Array, path: Path) -> Array:
    """Weights in float64; 8- and 16-bit ones divided by 255 and 65535.

    Raises:
        RefusedMap: one is negative or not finite, or all are 0.
    """
    import numpy as np

    weights = array.astype(np.float64) / (full_scale(array) or 1.0)
    if not (np.all(np.isfinite(weights)) and weights.min() >= 0 and weights.max() > 0):
        msg = f"{shown(path)}: weights are finite numbers of 0 or more, not all 0"
        raise RefusedMap(msg)
    return weights


def _read(path: Path, max_pixels: int) -> Array:
    stored = read_map(path, max_pixels=max_pixels)
    if stored.full_scale is not None:
        raise unreadable(path, f"its largest value is declared to be {stored.full_scale:g}; store 8, 16 or 32 bits")
    return to_grey(stored.array, "error", path)
