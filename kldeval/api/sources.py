"""What may be given for predictions and ground truths: paths, arrays of any library, lists of both, and iterables."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kldeval.api.pending import Pending
from kldeval.arrays import as_numpy, is_pillow
from kldeval.data.stacks import is_picture
from kldeval.data.volumes import PLANE
from kldeval.dataclass import dataclass
from kldeval.errors import RefusedMap, UsageProblem, count
from kldeval.memory import MapInMemory, NamedMaps
from kldeval.sequences import Seen
from kldeval.suffixes import stem_of
from kldeval.urls import without_query

if TYPE_CHECKING:
    from kldeval.memory import MapFile, MapFolder
    from kldeval.settings.settings import Settings

BLOCK_BYTES = 2**28
"""Bytes of arrays from an iterable that are held at a time."""

LARGEST_BLOCK = 4096
"""Pairs of an iterable, such as one of paths, that are held at a time."""


def is_path(value: object) -> bool:
    """Whether a value names a file or a folder."""
    return isinstance(value, str | os.PathLike)


def is_array(value: object) -> bool:
    """Whether a value is an array of some library."""
    return hasattr(value, "shape") and hasattr(value, "dtype")


def _unwrapped(value: Any) -> Any:
    """A picture of Pillow as its array; any other value as it is."""
    return as_numpy(value) if is_pillow(value) else value


def folder_of(value: Any, role: str, *, classes: int = 0, spatial: int = PLANE) -> MapFolder | None:
    """What stands for one side of a run: a path, or maps in memory named by their place.

    `classes` is the number of axes that a map has beside its `spatial` ones, height and width.

    Raises:
        UsageProblem: it is nothing that maps could come from.
        RefusedMap: it is an array that holds no maps.
    """
    value = _unwrapped(value)
    if value is None or isinstance(value, NamedMaps):
        return value
    if is_path(value):
        return Path(value)
    if is_array(value):
        found = maps_of(value, role, classes=classes, spatial=spatial)
        return NamedMaps(_described(value), dict(zip(numbered(len(found)), found, strict=True)))
    if isinstance(value, Sequence):
        files = [file_of(one, f"{role}[{place}]") for place, one in enumerate(value)]
        return NamedMaps(f"a list of {count(len(files), 'map')}", dict(zip(_names(value), files, strict=True)))
    msg = (
        f"{role} is of type {type(value).__name__}; give a path, an array (N, H, W), a list of maps, or alone an "
        "iterable of (name, pred, gt)"
    )
    raise UsageProblem(msg)


def file_of(value: Any, label: str) -> MapFile:
    """One map: a path, an array, or a picture of Pillow."""
    value = _unwrapped(value)
    if is_path(value):
        return Path(value)
    if not is_array(value):
        msg = f"{label} is of type {type(value).__name__}; a map is a path or an array (H, W)"
        raise UsageProblem(msg)
    return MapInMemory(as_numpy(value), label)


def maps_of(value: Any, role: str, *, classes: int = 0, spatial: int = PLANE) -> list[MapInMemory]:
    """The maps of an array (H, W) or (N, H, W), one by one; of volumes (D, H, W) or (N, D, H, W).

    Raises:
        RefusedMap: it is a picture, or holds no maps.
    """
    array = as_numpy(value)
    if not array.ndim or not array.size:
        known = "(H, W), and several of them (N, H, W)"
        known = known if spatial == PLANE else f"of {spatial} axes, or one more for N of them"
        msg = f"{role} has the shape {array.shape}; maps are {known}"
        raise RefusedMap(msg)
    if array.ndim <= spatial + classes:
        return [MapInMemory(array, role)]
    shape = array.shape
    if not classes and spatial == PLANE and is_picture(shape):
        msg = (
            f"{role} has the shape {shape}, which is that of one picture with {shape[-1]} channels; a map has one: "
            f"make it grey first, or give list({role}) if these are {shape[0]} maps of {shape[2]} x {shape[1]}"
        )
        raise RefusedMap(msg)
    return [MapInMemory(one, f"{role}[{place}]") for place, one in enumerate(array)]


def numbered(n: int) -> list[str]:
    """The names of n maps: their places, with zeros in front so that they sort.

    >>> numbered(11)[9:]
    ['09', '10']
    """
    return [f"{place:0{len(str(max(0, n - 1)))}d}" for place in range(n)]


def _names(values: Sequence[Any]) -> list[str]:
    """The stems of files where these tell them apart, else places."""
    stems = [stem_of(without_query(Path(one))) for one in values if is_path(one)]
    return stems if len(set(stems)) == len(values) else numbered(len(values))


def _described(array: Any) -> str:
    """What provenance says of an array."""
    return f"array of shape {tuple(array.shape)}, {array.dtype}"


def class_axes(settings: Settings, pred: Any, gt: Any) -> tuple[int, int]:
    """How many axes of classes the maps of each side have beside height and width."""
    if not (settings.names_class_axis and is_array(pred) and is_array(gt)):
        return 0, 0
    gap = len(pred.shape) - len(gt.shape)
    return (1, 0) if gap == 1 else (1, 1) if settings.takes_soft_labels and not gap else (0, 0)


def check_paired(pred: MapFolder | None, gt: MapFolder | None) -> None:
    """Refuse two sides of arrays that do not hold as many maps.

    Raises:
        UsageProblem: naming both.
    """
    if isinstance(pred, NamedMaps) and isinstance(gt, NamedMaps) and len(pred.maps) != len(gt.maps):
        msg = f"pred holds {count(len(pred.maps), 'map')} and gt {count(len(gt.maps), 'map')}; give one for each"
        raise UsageProblem(msg)


def beside(value: Any, what: str, names: Sequence[str] | None, spatial: int = PLANE) -> MapFolder:
    """What stands beside the maps `names`: an array for each, one (H, W) for all, or arrays by name.

    Raises:
        UsageProblem: it is no such thing, or not as many.
        RefusedMap: an array that holds no maps.
    """
    if isinstance(value, Mapping):
        files = {str(name): file_of(one, f"{what}[{name!r}]") for name, one in value.items()}
        return NamedMaps(f"{what} by name", files)
    found = folder_of(value, what, spatial=spatial)
    if names is None or not isinstance(found, NamedMaps):
        msg = (
            f"{what} is of type {type(value).__name__}; beside files give a path, or a mapping of their names to arrays"
        )
        raise UsageProblem(msg)
    maps = list(found.maps.values())
    if is_array(value) and len(value.shape) == spatial:
        maps *= len(names)
    if len(maps) != len(names):
        msg = f"{what} holds {count(len(maps), 'map')}, and there are {count(len(names), 'pair')}; give one for each"
        raise UsageProblem(msg)
    return NamedMaps(found.label, dict(zip(names, maps, strict=True)))


BESIDE = ("fixations", "mask", "weights", "baseline", "other_map")
"""What may stand beside every pair of an iterable."""


@dataclass(slots=True)
class Block:
    """Some pairs of an iterable, and what stands beside them, by name."""

    pred: dict[str, MapFile] = field(default_factory=dict)
    gt: dict[str, MapFile] = field(default_factory=dict)
    beside: dict[str, dict[str, MapFile]] = field(default_factory=dict)
    n_bytes: int = 0

    def add(self, name: str, files: Mapping[str, MapFile]) -> None:
        """Put one pair into the block."""
        self.pred[name], self.gt[name] = files["pred"], files["gt"]
        for what in BESIDE:
            if what in files:
                self.beside.setdefault(what, {})[name] = files[what]
        self.n_bytes += sum(file.array.nbytes for file in files.values() if isinstance(file, MapInMemory))

    @property
    def is_full(self) -> bool:
        """Whether no more should be held."""
        return self.n_bytes >= BLOCK_BYTES or len(self.pred) >= LARGEST_BLOCK

    def folders(self) -> tuple[NamedMaps, NamedMaps, dict[str, Any]]:
        """The predictions, the ground truths, and the auxiliary inputs of the block."""
        label = "an iterable of pairs"
        held = {what: NamedMaps(f"{what} of {label}", files) for what, files in self.beside.items()}
        return NamedMaps(label, self.pred), NamedMaps(label, self.gt), held


def pairs_in_blocks(
    items: Iterable[Any], settings: Settings, *, whole: bool, limit: int | None, spatial: int = PLANE
) -> Iterator[Block]:
    """The pairs of an iterable in blocks, of which one is held at a time; in one block if the `whole` is needed.

    Raises:
        UsageProblem: an item is no pair, two have one name, or one overwrites another.
        RefusedMap: an item holds no maps.
    """
    block, pending, names = Block(), Pending(), Seen()
    are_made = isinstance(items, list | tuple)  # all of them: to give the next one overwrites none
    for place, item in enumerate(items):
        for name, files in _pairs(item, place, len(names), settings, spatial):
            if len(names) == limit:
                break
            if not names.add(name):
                msg = f"item {place}: there is another pair of the name {name!r}; every pair needs its own"
                raise UsageProblem(msg)
            if not are_made:
                pending.add(place, files)
            block.add(name, files)
        if len(names) == limit:
            break
        if block.is_full and not whole:
            yield block
            block, pending = Block(), Pending()
    if block.pred:
        yield block


_KEYS = ("name", "pred", "gt", *BESIDE)


def _pairs(
    item: Any, place: int, n_before: int, settings: Settings, spatial: int
) -> Iterator[tuple[str, dict[str, MapFile]]]:
    """The pairs of one item: of one map, or of a batch of them."""
    given = members_of(item, place)
    names = given.pop("name", None)
    axes = dict(zip(("pred", "gt"), class_axes(settings, given["pred"], given["gt"]), strict=True))
    parts = {what: _files(value, f"item {place}: {what}", axes.get(what, 0), spatial) for what, value in given.items()}
    n = len(parts["pred"])
    lengths = {what: len(files) for what, files in parts.items() if len(files) != n}
    if lengths:
        what, length = next(iter(lengths.items()))
        msg = f"item {place}: {count(n, 'prediction')}, but {length} of {what}; a batch has one for each"
        raise UsageProblem(msg)
    if names is None:
        # as wide as places of any data set, so that they sort
        called = [f"{n_before + offset:06d}" for offset in range(n)]
    else:
        several = isinstance(names, Iterable) and not isinstance(names, str)
        called = list(map(str, names)) if several else [str(names)]
    if len(called) != n:
        msg = f"item {place}: {count(n, 'map')}, but {count(len(called), 'name')}; a batch has one for each"
        raise UsageProblem(msg)
    for offset, name in enumerate(called):
        yield name, {what: files[offset] for what, files in parts.items()}


def members_of(item: Any, place: int) -> dict[str, Any]:
    """What an item holds: (pred, gt), (name, pred, gt), (name, pred, gt, fixations), or a mapping of these words."""
    wanted = "an item is (name, pred, gt), (pred, gt), or a mapping with the keys pred and gt"
    if isinstance(item, Mapping):
        unknown = [key for key in item if key not in _KEYS]
        if unknown or not {"pred", "gt"} <= item.keys():
            msg = f"item {place} has the keys {', '.join(map(str, item))}; {wanted}, and perhaps {', '.join(_KEYS)}"
            raise UsageProblem(msg)
        return {key: value for key, value in item.items() if value is not None}
    parts = list(item) if isinstance(item, tuple | list) else []
    orders = {2: ("pred", "gt"), 3: ("name", "pred", "gt"), 4: ("name", "pred", "gt", "fixations")}
    if len(parts) not in orders:
        found = f"of {len(parts)} members" if parts else f"of type {type(item).__name__}"
        msg = f"item {place} is {found}; {wanted}"
        raise UsageProblem(msg)
    return dict(zip(orders[len(parts)], parts, strict=True))


def _files(value: Any, label: str, classes: int, spatial: int) -> list[MapFile]:
    if is_array(value):
        is_empty_batch = len(value.shape) > spatial + classes and value.shape[0] == 0
        return [] if is_empty_batch else list(maps_of(value, label, classes=classes, spatial=spatial))
    if isinstance(value, tuple | list):
        return [file_of(one, f"{label}[{place}]") for place, one in enumerate(value)]
    return [file_of(value, label)]
