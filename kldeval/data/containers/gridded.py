"""NetCDF files and zarr stores: the maps of one variable, of which there is one for each time, level and so on.

A map's name is its place along these axes: `003`, or `003/000` of two.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

from kldeval.data.containers import Container
from kldeval.data.containers.contents import MOST_MEMBERS
from kldeval.data.readers import gridded
from kldeval.data.readers.stored import unreadable
from kldeval.memory import ARRAY_SUFFIX, MapInMemory, Member

if TYPE_CHECKING:
    from pathlib import Path

    from kldeval.data.readers.stored import Limits


def maps_of_variable(path: Path, name: str | None, limits: Limits) -> Container | Member:
    """The maps of a variable, or its only one.

    Raises:
        UnreadableMap: it is damaged, holds no such variable, or several.
        MissingDependency: xarray or what it reads such files with is not installed.
        OSError: it cannot be opened.
    """
    variable = gridded.describe_variable(path, name, limits)
    lengths = [length for length in variable.lengths if length > 1]
    count = 1
    for length in lengths:
        count *= length
    if count > MOST_MEMBERS:
        raise unreadable(path, f"its variable {variable.name!r} holds {count} maps")
    members = [_member(path, variable, place) for place in product(*map(range, variable.lengths))]
    if not lengths:
        return members[0]
    return Container(path, {f"{member.name}{ARRAY_SUFFIX}": member for member in members})


def _member(path: Path, variable: gridded.Variable, place: tuple[int, ...]) -> Member:
    parts = [
        f"{at:0{max(3, len(str(length - 1)))}d}"
        for at, length in zip(place, variable.lengths, strict=True)
        if length > 1
    ]
    return Member(path, "/".join(parts) or variable.name, __name__, (variable.name, place), is_array=True)


def read(member: Member, limits: Limits) -> MapInMemory:
    """The map of a member.

    Raises:
        UnreadableMap, MissingDependency, OSError: as `maps_of_variable`.
    """
    name, place = member.where
    stored = gridded.load(member.path, limits, name, place)
    return MapInMemory(stored.array, str(member), stored.nodata, stored.grid)
