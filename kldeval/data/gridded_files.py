"""NetCDF files and zarr stores in folders: one that holds several maps stands for a folder of these, as videos do."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from kldeval.data.containers import GRIDDED, Container, open_variable
from kldeval.data.listing import name_of
from kldeval.errors import UsageProblem
from kldeval.sequences import Texts

if TYPE_CHECKING:
    from pathlib import Path

    from kldeval.data.frames import Folder
    from kldeval.data.readers.stored import Limits
    from kldeval.memory import Member


def with_variables(folder: Folder, variable: str | None, limits: Limits | None) -> Folder:
    """A folder with the maps of its NetCDF files and zarr stores: those of `a.nc` are `a/2000-01-31` and so on.

    One that cannot be read, or does not say which variable is meant, stays what it is, and fails as a map.
    """
    held: dict[str, Container] = {}
    for relative in folder.listing.maps:
        if not relative.lower().endswith(GRIDDED) or relative in (folder.members or ()):
            continue
        try:
            found = open_variable(folder.path / relative, variable, limits)
        except UsageProblem:
            continue
        if isinstance(found, Container):
            held[relative] = found
    if not held:
        return folder
    members: dict[str, Member | Path] = {
        f"{name_of(relative)}/{name}": member for relative, one in held.items() for name, member in one.members.items()
    }
    maps = {*folder.listing.maps, *members} - {*held}
    return folder._replace(
        listing=replace(folder.listing, maps=Texts(sorted(maps))), members={**(folder.members or {}), **members}
    )
