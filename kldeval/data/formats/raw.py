"""Raw single floats, whose height and width are said or stand in the name of the file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kldeval.data.formats import MAP_FORMATS, MapFormat

if TYPE_CHECKING:
    from pathlib import Path

    from kldeval.data.readers.stored import Limits, Stored
    from kldeval.memory import BytesInMemory


@MAP_FORMATS.add("raw", MapFormat(suffixes=(".bin",), is_shy=True))
def read_raw(path: Path | BytesInMemory, key: str | None, limits: Limits) -> Stored:
    """The map of a file without a header."""
    from kldeval.data.readers import raw  # imported for the first such file

    return raw.read(path, key, limits)
