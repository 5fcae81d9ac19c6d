"""Maps that a program holds as arrays, where others are files and folders."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kldeval.dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@dataclass(frozen=True, slots=True, eq=False)
class MapInMemory:
    """A map that a program holds as an array, which stands where a file does; `label` names it in messages.

    It is read as an .npy file of the array would be.
    """

    array: Any
    label: str

    @property
    def suffix(self) -> str:
        """That of the files it is read like."""
        return ".npy"

    def __str__(self) -> str:
        return self.label


MISSING = MapInMemory(None, "a missing prediction")
"""What stands where a ground truth has no prediction, and a constant map counts as one."""


@dataclass(frozen=True, slots=True, eq=False)
class NamedMaps:
    """Maps by their names, which stand where a folder does; `label` says what they are."""

    label: str
    maps: Mapping[str, MapFile]

    def is_dir(self) -> bool:
        """As of a folder."""
        return True

    def is_file(self) -> bool:
        """As of a folder."""
        return False

    def __str__(self) -> str:
        return self.label


if TYPE_CHECKING:
    MapFile = Path | MapInMemory
    MapFolder = Path | NamedMaps
