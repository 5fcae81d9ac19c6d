"""The formats of map files: every module of this folder registers what it reads, and is all that a format needs."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from kldeval.dataclass import dataclass
from kldeval.grammar import Info, Registry

if TYPE_CHECKING:
    from kldeval.data.readers.entries import StoredArray as Array
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
        read_shaped: the same with a fourth argument, the shapes that are taken; None where files hold no other arrays.
        stored_shape: the shape of the array that is meant, of path and key, where files hold arrays of any shape.
        class_shape: the shape (C, H, W) of a class map in a file that else is an image, of path and key.
        entries: the arrays of a file that names them, of path and limits; such a file may hold many maps.
        load: one array, of path, limits, name, and the place of a slice or None.
        spatial: how many axes of the arrays of such a file are of space, where the format says so.
        is_shy: such files often hold something else, and are maps only in a folder of nothing else.
    """

    suffixes: tuple[str, ...]
    read_classes: Reader | None = None
    read_labels: Reader | None = None
    read_size: Callable[[Any, Limits], tuple[int, int] | None] | None = None
    read_shaped: Callable[..., Stored] | None = None
    stored_shape: Callable[[Any, str | None], tuple[int, ...] | None] | None = None
    class_shape: Callable[[Any, str | None], tuple[int, ...] | None] | None = None
    entries: Callable[[Any, Limits], list[Array]] | None = None
    load: Callable[..., Any] | None = None
    spatial: int | None = None
    is_shy: bool = False


MAP_FORMATS: Registry[Reader, MapFormat] = Registry("format of maps", MapFormat, package=__name__)
"""Every format by its name."""
