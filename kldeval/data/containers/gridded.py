"""NetCDF files and zarr stores: the maps of one variable, of which there is one for each time, level and so on.

A map is called by its coordinates along these axes, `2000-01-31` or `2000-01-31T0600/850`; where there are none, or two
are called alike, by its place, `003`.
"""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import product
from typing import TYPE_CHECKING

from kldeval.data.containers import Container
from kldeval.data.containers.contents import MOST_MEMBERS, part_of
from kldeval.data.readers import gridded
from kldeval.data.readers.stored import unreadable
from kldeval.errors import UsageProblem
from kldeval.memory import ARRAY_SUFFIX, MapInMemory, Member

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from kldeval.data.readers.stored import Limits


def maps_of_variable(path: Path, name: str | None, limits: Limits, inside: str = "") -> Container | Member:
    """The maps of a variable, or its only one; or what is `inside` of these: `tas`, `tas/2000-01-31`, `2000-01-31`.

    Raises:
        UnreadableMap: it is damaged, holds no such variable, or several.
        UsageProblem: nothing is inside of this name.
        MissingDependency: xarray or what it reads such files with is not installed.
        OSError: it cannot be opened.
    """
    variable = gridded.describe_variable(path, name, limits, inside)
    count = math.prod(variable.lengths)
    if count > MOST_MEMBERS:
        raise unreadable(path, f"its variable {variable.name!r} holds {count} maps")
    members = [_member(path, variable, place) for place in product(*map(range, variable.lengths))]
    if all(length == 1 for length in variable.lengths):
        if variable.rest:
            msg = f"{path} holds one map of the variable {variable.name!r}, and nothing of the name {variable.rest!r}"
            raise UsageProblem(msg)
        return members[0]
    held = _container_of_variables(path, members)
    if not variable.rest:
        return held
    try:
        return part_of(held, variable.rest)
    except UsageProblem:
        by_place = _by_place(held)
        if f"{variable.rest}{ARRAY_SUFFIX}" in by_place.members:
            return part_of(by_place, variable.rest)
        raise


def with_common_names(sides: Sequence[Container]) -> list[Container]:
    """Two sides, both by places where one side says no coordinates and the other does."""
    if set(sides[0].members) & set(sides[1].members):
        return [*sides]
    placed = [_by_place(one) for one in sides]
    if sum(one.members.keys() == there.members.keys() for one, there in zip(sides, placed, strict=True)) != 1:
        return [*sides]
    return placed


def _container_of_variables(path: Path, members: Sequence[Member]) -> Container:
    return Container(path, {f"{member.name}{ARRAY_SUFFIX}": member for member in members})


def _by_place(held: Container) -> Container:
    """The maps of variables under the names of their places."""
    is_gridded = all(member.module == __name__ for member in held.members.values())
    members = [replace(member, name=member.where[2]) for member in held.members.values()] if is_gridded else []
    return _container_of_variables(held.path, members) if is_gridded else held


def _member(path: Path, variable: gridded.Variable, place: tuple[int, ...]) -> Member:
    counted = [
        (at, length, names)
        for at, length, names in zip(place, variable.lengths, variable.names, strict=True)
        if length > 1
    ]
    by_place = [f"{at:0{max(3, len(str(length - 1)))}d}" for at, length, _ in counted]
    parts = [names[at] if names else own for own, (at, _, names) in zip(by_place, counted, strict=True)]
    where = variable.name, place, "/".join(by_place)
    return Member(path, "/".join(parts) or variable.name, __name__, where, is_array=True)


def read(member: Member, limits: Limits) -> MapInMemory:
    """The map of a member.

    Raises:
        UnreadableMap, MissingDependency, OSError: as `maps_of_variable`.
    """
    name, place, _ = member.where
    stored = gridded.load(member.path, limits, name, place)
    return MapInMemory(stored.array, str(member), stored.nodata, stored.grid)
