"""Zarr stores, folders or zips, of format 2 or 3, as the data sets of their groups; opened in a process of its own.

xarray opens those that it wrote; arrays whose axes have no names, as `zarr.save` writes them, come as they are.
Nothing in a store is executed: numcodecs has a codec that unpickles, which is taken away.

Format: https://zarr-specs.readthedocs.io/
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

EXECUTED = ("pickle",)
"""The codecs of numcodecs that execute what a file says."""

MOST_ARRAYS = 10_000


@contextmanager
def opened_store(path: Path) -> Iterator[Mapping[str, Any]]:
    """The data sets of a store by the paths of their groups, "" for that at its root.

    Raises:
        ValueError: it cannot be read, or asks for a codec that executes what it holds.
    """
    import zarr

    _refuse_executed()
    store: Any = (
        zarr.storage.ZipStore(path, mode="r") if path.is_file() else zarr.storage.LocalStore(path, read_only=True)
    )
    try:
        yield _groups(store)
    finally:
        store.close()


def _refuse_executed() -> None:
    import numcodecs.registry

    for name in EXECUTED:
        numcodecs.registry.codec_registry[name] = _Refused


class _Refused:
    """What stands for a codec that would execute what a file holds."""

    @classmethod
    def from_config(cls, config: Any) -> Any:
        """No codec.

        Raises:
            ValueError: always.
        """
        msg = f"its codec {config} would execute what the store holds; store numbers"
        raise ValueError(msg)

    def __init__(self, *_: Any, **__: Any) -> None:
        self.from_config("pickle")


def _groups(store: Any) -> Mapping[str, Any]:
    """The data sets of all groups; of arrays without names of axes these as they are."""
    import xarray
    import zarr

    root = zarr.open(store, mode="r")
    arrays = {"": root} if isinstance(root, zarr.Array) else dict(_arrays(root, ""))
    if all(_names(array) for array in arrays.values()) and "" not in arrays:
        found = xarray.open_groups(store, engine="zarr", decode_times=False, chunks=None)
        return {name.strip("/"): dataset for name, dataset in found.items()}
    groups: dict[str, dict[str, Any]] = {}
    for path, array in arrays.items():
        group, _, name = path.rpartition("/")
        groups.setdefault(group, {})[name or ONLY] = _variable(array)
    return {name: xarray.Dataset(variables) for name, variables in groups.items()}


ONLY = "array"
"""What the array of a store that is one is called."""


def _arrays(group: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    import zarr

    for count, (name, member) in enumerate(group.members()):
        if count > MOST_ARRAYS:
            msg = f"it holds more than {MOST_ARRAYS} arrays"
            raise ValueError(msg)
        if isinstance(member, zarr.Array):
            yield f"{prefix}{name}", member
        else:
            yield from _arrays(member, f"{prefix}{name}/")


def _names(array: Any) -> Any:
    """The names of the axes of an array, where it says them."""
    return array.attrs.get("_ARRAY_DIMENSIONS") or (
        getattr(array.metadata, "dimension_names", None) if array.ndim else ("",)
    )


def _variable(array: Any) -> Any:
    """An array as a variable whose values are read when they are asked for, and whose axes have names of their own."""
    import xarray
    from xarray.backends import BackendArray
    from xarray.core import indexing

    class Values(BackendArray):  # type: ignore[misc]  # xarray has no types here
        """The values of the array, as xarray's backends say them."""

        shape, dtype = array.shape, array.dtype

        def __getitem__(self, key: Any) -> Any:
            return indexing.explicit_indexing_adapter(
                key, array.shape, indexing.IndexingSupport.BASIC, lambda index: array[index]
            )

    dims = [f"axis {place} of {'x'.join(map(str, array.shape))}" for place in range(array.ndim)]
    return xarray.Variable(dims, indexing.LazilyIndexedArray(Values()), dict(array.attrs))
