"""Coordinate systems that GeoTIFFs write out instead of naming them by a code, compared by what they mean.

rasterio reads them, in a process of its own: PROJ and GDAL are C libraries.
"""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from kldeval.data.readers.apart import load_apart
from kldeval.errors import MissingDependency, printable
from kldeval.grids import Grid

if TYPE_CHECKING:
    from kldeval.data.readers.stored import Limits, Stored
    from kldeval.memory import MapFile

CODE = "EPSG:"
"""How a code begins, two of which can be compared as they are."""


def on_one_earth(paths: tuple[MapFile, MapFile], sides: tuple[Stored, Stored], limits: Limits) -> tuple[Stored, Stored]:
    """Two maps, whose coordinates have one name where their systems mean the same.

    Raises:
        UnreadableMap: rasterio cannot read a file.
        MissingDependency: it is needed, and not installed.
    """
    grids = [side.grid for side in sides]
    if not (isinstance(grids[0], Grid) and isinstance(grids[1], Grid)) or grids[0].words != grids[1].words:
        return sides
    spaces = [grid.space for grid in (grids[0], grids[1])]
    if spaces[0] == spaces[1] or not all(spaces) or all(space.startswith(CODE) for space in spaces):
        return sides
    first, second = paths
    if not (isinstance(first, Path) and isinstance(second, Path)):  # members of other files are told by their texts
        return sides
    if _are_same(first, second, limits):
        return sides[0], replace(sides[1], grid=replace(grids[1], space=spaces[0]))
    return sides


def _are_same(first: Path, second: Path, limits: Limits) -> bool:
    try:
        found = importlib.util.find_spec("rasterio")
    except ValueError:
        found = None
    if found is None:
        msg = (
            f"{printable(first)} and {printable(second)} write their coordinate systems out, and comparing these needs "
            "rasterio: pip install 'kldeval[geo]'"
        )
        raise MissingDependency(msg)
    same: bool = load_apart(__name__, first, limits, "compared", second)
    return same


def compared(second: Path, first: Path, _limits: Limits) -> bool:
    """Whether two files are in one coordinate system, asked in this process."""
    import rasterio

    systems = []
    for path in (first, second):
        with rasterio.open(path, driver="GTiff") as dataset:
            systems.append(dataset.crs)
    return bool(systems[0] == systems[1])
