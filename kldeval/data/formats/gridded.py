"""NetCDF files and zarr stores of one map."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kldeval.data.formats import MAP_FORMATS, MapFormat

if TYPE_CHECKING:
    from kldeval.data.readers.stored import Limits, Stored
    from kldeval.memory import MapContents


@MAP_FORMATS.add("netcdf", MapFormat(suffixes=(".nc", ".nc4", ".zarr", ".zarr.zip")))
def read_netcdf(path: MapContents, key: str | None, limits: Limits) -> Stored:
    """The only map of a variable."""
    from kldeval.data.readers import gridded  # imported for the first such file

    return gridded.read(path, key, limits)
