"""Maps that are no files of their own: arrays that a program holds, and members of files that hold many."""

from __future__ import annotations

from dataclasses import field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from kldeval.dataclass import dataclass
from kldeval.urls import displayed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kldeval.errors import KldevalError
    from kldeval.grids import Place

ARRAY_SUFFIX = ".npy"
"""That of the files which arrays are read like."""


@dataclass(frozen=True, slots=True, eq=False)
class MapInMemory:
    """A map that a program holds as an array, which stands where a file does; `label` names it in messages.

    It is read as an .npy file of the array would be, or where it has `chroma` as an image of blue, green and red, which
    are grey where they are no further apart. `nodata` is the value that marks pixels without data, and `grid`
    where its pixels lie, where the file that it comes from says so.
    """

    array: Any
    label: str
    nodata: float | None = None
    grid: Place | None = None
    chroma: int = 0

    @property
    def suffix(self) -> str:
        """The suffix of the files that it is read like."""
        return ARRAY_SUFFIX

    def __str__(self) -> str:
        return self.label


MISSING = MapInMemory(None, "a missing prediction")
"""What stands where a ground truth has no prediction, and a constant map counts as one."""


@dataclass(frozen=True, slots=True, eq=False)
class BytesInMemory:
    """The contents of a file that is a member of another; `label` names it in messages."""

    data: bytes
    label: str
    suffix: str

    def __str__(self) -> str:
        return self.label


@dataclass(frozen=True, slots=True)
class Member:
    """A map in a file that holds several: `path` is the file's, `name` the map's own path within.

    `module` reads it, by what it noted as `where`. `is_array`: an array, which is read as an .npy of it would be; else
    a whole file. `sidecar` is the member that says how the map was made. `held` is what was read of it already, for
    whoever cannot read it where it lies: its contents, or why there are none.
    """

    path: Path
    name: str
    module: str
    where: tuple[Any, ...]
    is_array: bool = False
    sidecar: Member | None = None
    held: MapInMemory | BytesInMemory | KldevalError | None = field(default=None, compare=False, repr=False)

    @property
    def suffix(self) -> str:
        """The suffix of its name, or of the files that it is read like."""
        return ARRAY_SUFFIX if self.is_array else PurePosixPath(self.name).suffix

    def __str__(self) -> str:
        return f"{displayed(self.path)}/{self.name}"


@dataclass(frozen=True, slots=True, eq=False)
class NamedMaps:
    """Maps by their names, which stand where a folder does; `label` says what they are."""

    label: str
    maps: Mapping[str, MapFile]

    def is_dir(self) -> bool:
        """Whether these maps stand for a folder or a file, as paths answer."""
        return True

    def is_file(self) -> bool:
        """Whether these maps stand for a folder or a file, as paths answer."""
        return False

    def __str__(self) -> str:
        return self.label


if TYPE_CHECKING:
    MapFile = Path | MapInMemory | Member
    MapContents = Path | MapInMemory | BytesInMemory
    """What a reader reads: a file, an array, or the bytes of a file."""
    MapFolder = Path | NamedMaps
