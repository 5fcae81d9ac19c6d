"""Files of named arrays as containers of maps: HDF5, torch.save, safetensors and MATLAB files with several maps.

Each array is a map by its name. One array (N, H, W) beside N texts is N maps with these names.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from kldeval.data.containers.contents import container_of
from kldeval.data.readers import format_of
from kldeval.data.readers.entries import TEXTS, StoredArray, axis_of_names
from kldeval.data.readers.files import check_regular
from kldeval.data.readers.stored import unreadable
from kldeval.digests import kept_by
from kldeval.errors import examples
from kldeval.memory import MapInMemory, Member

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from kldeval.arrays import NumpyArray as Array
    from kldeval.data.containers import Container
    from kldeval.data.readers.stored import Limits
    from kldeval.digests import Kept


def contents(path: Path, limits: Limits) -> Container | None:
    """The members of a file; None where it holds one map, or a stack without names.

    Raises:
        UnreadableMap: it is damaged.
        MissingDependency: a library that the format needs is not installed.
        OSError: it cannot be opened.
    """
    check_regular(path)
    entries_of, load = _format(path)
    entries = entries_of(path, limits)
    maps = [entry for entry in entries if entry.is_map]
    if not maps:
        hint = "; fixations are given by --fixations" if any("fix" in entry.key.lower() for entry in entries) else ""
        found = examples([entry.key for entry in entries]) or "nothing"
        raise unreadable(path, f"it holds no map; it holds {found}{hint}")
    named = _named_stack(maps, entries)
    if named is not None:
        stack, names, axis = named
        if path.suffix.lower() == ".mat" and stack.shape[0] == stack.shape[-1]:
            what = f"its {stack.key} of shape {stack.shape} has as many rows as names and maps; choose it with --key"
            raise unreadable(path, f"{what}, and say --stack-axis")
        texts = [str(text) for text in load(path, limits, names.key)]
        return container_of(path, _slices(path, stack, texts, axis))
    if len(maps) <= 1:
        return None
    return container_of(path, (Member(path, entry.key, __name__, (entry.key,), is_array=True) for entry in maps))


def read(member: Member, limits: Limits) -> MapInMemory:
    """The array of a member.

    Raises:
        UnreadableMap: it is damaged, or too large.
        MissingDependency, OSError: as `contents`.
    """
    key, *place = member.where
    load = _format(member.path)[1]
    if place and place[1]:
        return MapInMemory(np.take(_whole(member.path, limits, key, kept_by(member.path)), *place), str(member))
    return MapInMemory(load(member.path, limits, key, *place[:1]), str(member))


@lru_cache(maxsize=1)
def _whole(path: Path, limits: Limits, key: str, _kept_by: Kept | None) -> Array:
    """A stack whose maps lie across it, kept for the next of them."""
    return _format(path)[1](path, limits, key)


def _format(path: Path) -> tuple[Callable[..., list[StoredArray]], Callable[..., Array]]:
    """What lists the arrays of a file, and what reads one."""
    info = format_of(path)
    return info.entries, info.load  # type: ignore[return-value]  # neither is None


def _named_stack(
    maps: Sequence[StoredArray], entries: Sequence[StoredArray]
) -> tuple[StoredArray, StoredArray, int] | None:
    """The only array, where it stacks maps, the names of these, and the axis that counts them."""
    texts = [entry for entry in entries if entry.kind in TEXTS and len(entry.shape) == 1]
    if len(maps) == len(texts) == 1:
        axis = axis_of_names(maps[0].shape, texts[0].shape)
        return None if axis is None else (maps[0], texts[0], axis)
    return None


def _slices(path: Path, stack: StoredArray, names: Sequence[str], axis: int) -> Iterator[Member]:
    return (Member(path, name, __name__, (stack.key, place, axis), is_array=True) for place, name in enumerate(names))
