"""Members of files that hold many maps, fetched for whoever reads them as maps."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from importlib import import_module
from typing import TYPE_CHECKING

import numpy as np

from kldeval.data.readers.files import refusals
from kldeval.data.readers.stored import unreadable
from kldeval.digests import file_key, kept_by, key_of
from kldeval.errors import KldevalError, MapProblem
from kldeval.memory import BytesInMemory, MapInMemory, Member
from kldeval.suffixes import is_store
from kldeval.urls import is_url

if TYPE_CHECKING:
    from pathlib import Path

    from kldeval.data.readers.stored import Limits
    from kldeval.digests import Kept
    from kldeval.memory import MapContents, MapFile


def fetched(path: MapFile, limits: Limits) -> MapContents:
    """What a reader reads: of a member its contents, of all else the path itself.

    Raises:
        UnreadableMap: the member cannot be read, or is too large.
        MissingDependency: a library that it needs cannot be imported.
    """
    if not isinstance(path, Member):
        return path
    if path.held is None:
        return _contents(path, limits)
    if isinstance(path.held, KldevalError):
        raise path.held
    return path.held


def with_contents(path: Member, limits: Limits) -> Member:
    """A member with its contents, or with the reason why it has none.

    Raises:
        MissingDependency: a library that it needs cannot be imported.
    """
    if path.held is not None:
        return path
    try:
        return replace(path, held=_contents(path, limits))
    except MapProblem as problem:
        return replace(path, held=problem)
    except MemoryError:  # whoever works on it tries again, and says so
        return path


def is_elsewhere(path: MapFile) -> bool:
    """Whether a map is at a URL, in a file there, or in a folder (zarr): no stamp tells that it has not changed."""
    return isinstance(path, Member) and (is_url(path.path) or is_store(path.path))


def held(path: MapFile, limits: Limits) -> MapFile:
    """A map with its contents where it is elsewhere, so that all who look at it see the same; any other as it is."""
    return with_contents(path, limits) if isinstance(path, Member) and is_elsewhere(path) else path


def _contents(member: Member, limits: Limits) -> MapInMemory | BytesInMemory:
    by = kept_by(member.path)
    return _read.__wrapped__(member, limits, by) if by is None else _read(member, limits, by)


def contents_key(path: Path | Member, limits: Limits, *, is_fresh: bool = False) -> str:
    """What a cache knows by what is read of a map: the BLAKE3 of the bytes of a file, of a member of its own.

    `is_fresh`: what is kept of a file for its next member does not count; what a member holds is what it is.

    Raises:
        OSError: the file cannot be read.
        UnreadableMap, MissingDependency: as `fetched`.
    """
    if not isinstance(path, Member):
        return file_key(path)
    found = _read.__wrapped__(path, limits, None) if is_fresh and path.held is None else fetched(path, limits)
    if isinstance(found, BytesInMemory):
        return key_of(found.data)
    if not isinstance(found, MapInMemory):
        raise unreadable(path, "it has no contents")
    array = np.ascontiguousarray(found.array)
    said = repr((array.dtype.str, array.shape, found.nodata, found.grid)).encode("utf-8", "surrogatepass")
    return key_of(said, array.tobytes())


@lru_cache(maxsize=2)
def _read(member: Member, limits: Limits, _kept_by: Kept | None) -> MapInMemory | BytesInMemory:
    """The contents of a member, kept for whoever asks for its header first and its values afterwards."""
    with refusals(member):
        found: MapInMemory | BytesInMemory = import_module(member.module).read(member, limits)
        return found
