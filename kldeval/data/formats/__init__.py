"""The formats of map files: every module of this folder registers what it reads, and is all that a format needs."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from kldeval.dataclass import dataclass
from kldeval.grammar import Info, Registry

if TYPE_CHECKING:
    from kldeval.data.readers.stored import Limits, Stored

Reader = Callable[[Any, "str | None", "Limits"], "Stored"]
"""A function of a path or of an array in memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MapFormat(Info):
    """What is known of a format beside the function that reads a file of it.

    That function is called with the path, the key of an archive's array (None: the only one) and what a file may ask
    for, and returns the map as it is stored.

    Args:
        suffixes: of the names of such files, in small letters.
        read_classes: the same for predictions that may have a class axis; None: the function itself.
        read_labels: the same for ground truths that may be labels; None: the function itself.
        read_size: the (height, width) that a header declares, of path and limits; None where a file must be decoded.
    """

    suffixes: tuple[str, ...]
    read_classes: Reader | None = None
    read_labels: Reader | None = None
    read_size: Callable[[Any, Limits], tuple[int, int] | None] | None = None


MAP_FORMATS: Registry[Reader, MapFormat] = Registry("format of maps", MapFormat, package=__name__)
"""Every format by its name."""
