"""What is read beside a pair: the fixations on it, the weights of its pixels, a baseline's map, other fixations."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

from kldeval.data.listing import list_folder, name_of
from kldeval.data.readers import is_xyz
from kldeval.data.readers.stored import Limits, unreadable
from kldeval.data.scratch import product
from kldeval.data.volumes import PLANE, beside_volume, read_in_space, turned
from kldeval.dataclass import dataclass
from kldeval.errors import MapProblem, NoPartner, RefusedMap, UsageProblem, examples, printable
from kldeval.memory import NamedMaps
from kldeval.preprocessing.grey import full_scale, to_grey
from kldeval.preprocessing.resize import resized
from kldeval.records import AuxiliaryInputs

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from kldeval.arrays import NumpyArray as Array
    from kldeval.data.fixations.collection import FixationSource
    from kldeval.data.listing import Namer
    from kldeval.grammar import Call
    from kldeval.grids import Place
    from kldeval.memory import MapFile, MapFolder
    from kldeval.records import Fixations, MapPair


@dataclass(frozen=True, slots=True)
class AuxiliarySources:
    """Where what stands beside the pairs comes from (None: nothing of the kind is asked for).

    `geometry` gives the weights that follow from the (height, width) of a map and from where its pixels lie. `alone`
    where the pair is two files, beside which a file of a single image needs no name in common. `drops_outside` leaves
    out fixations outside the map instead of refusing it.
    """

    fixations: FixationSource | None = None
    mask: MapSource | None = None
    weights: MapSource | None = None
    baseline: MapSource | None = None
    other: FixationSource | None = None
    geometry: Callable[[Shape, Place | None], Array] | None = None
    is_single_pair: bool = False
    drops_outside: bool = False

    @property
    def weighs_alone(self) -> bool:
        """Whether nothing but masks and weights stands beside the pairs."""
        return not (self.fixations or self.baseline or self.other)


def with_auxiliary_inputs(pair: MapPair, image: Shape, sources: AuxiliarySources, resize: Call) -> MapPair:
    """The pair with what stands beside it, at its size; `image` is the size of its ground truth as it was stored.

    Raises:
        MapProblem: something is missing, cannot be read, or does not fit the maps.
    """
    if pair.volume:
        _refuse_beside_volume(pair, sources)
    name = _name_among_fixations(pair, sources)
    fixations, n_outside = _fixations(pair, name, image, sources, resize)
    company = AuxiliaryInputs(
        name,
        fixations,
        _map(sources.baseline, pair, resize),
        None if sources.other is None else _other(sources.other, pair, image, resize),
    )
    remarks = (*pair.remarks, *(("outside",) if n_outside else ()))
    return replace(pair, weights=weights_of(pair, sources, resize), company=company, remarks=remarks)


def on_map(fixations: Fixations, image: Shape, shape: Shape, resize: Call, what: str = "fixations") -> Fixations:
    """The fixations on a map of `shape`, resized as the map was; `image` is the size of theirs where they have none.

    Raises:
        RefusedMap: the sizes differ and no resizing is chosen.
    """
    if (fixations.shape or image) == shape:
        return fixations if fixations.shape else replace(fixations, shape=shape)
    if resize.name == "none":
        msg = (
            f"the {what} are on an image of {fixations.shape or image}, the maps are {shape} (height, width); "
            "any --resize, such as 'pred-to-gt', moves them, too"
        )
        raise RefusedMap(msg, code="size-mismatch")
    return replace(fixations, shape=fixations.shape or image).scaled(shape)


def _name_among_fixations(pair: MapPair, sources: AuxiliarySources) -> str:
    only = sources.fixations.only if sources.is_single_pair and sources.fixations else None
    return only or pair.name


def _fixations(
    pair: MapPair, name: str, image: Shape, sources: AuxiliarySources, resize: Call
) -> tuple[Fixations | None, int]:
    if sources.fixations is None:
        return None, 0
    found = sources.fixations.of(name)
    found = sources.fixations.reading.placed(found, image)
    within, outside = found.inside(found.shape or image)
    if outside and not sources.drops_outside:
        ways = "leave them out with --fixation-outside drop, or move them to the border with clip"
        msg = f"{outside}; check --fixation-base and the size, {ways}"
        raise RefusedMap(msg, code="fixations-outside")
    return on_map(within, image, pair.shape, resize), outside.count if outside else 0


def _other(source: FixationSource, pair: MapPair, image: Shape, resize: Call) -> Fixations:
    """The fixations of the other map: one map for every pair, or that of the pair's name; those outside are no part."""
    found = source.of(source.only or pair.name)
    within, _ = found.inside(found.shape or image)
    return on_map(within, image, pair.shape, resize, "other map's fixations")


def _map(source: MapSource | None, pair: MapPair, resize: Call) -> Array | None:
    if source is None:
        return None
    array, path = source.of(pair.name)
    return at_size_of_pair(array, path, source.what, pair.shape, resize)


def weights_of(pair: MapPair, sources: AuxiliarySources, resize: Call) -> Array | None:
    """The product of the mask and the weights.

    Raises:
        MapProblem: a mask or weights are missing, cannot be read, or do not fit the maps.
    """
    found = pair.weights
    if pair.volume:
        _refuse_beside_volume(pair, sources)
    if sources.geometry is not None:
        own = sources.geometry(pair.shape, pair.grid)
        found = own if found is None else product(found, own)
    for source, read in ((sources.mask, mask_weights), (sources.weights, pixel_weights)):
        if source is not None:
            array, path = source.of(pair.name)
            values = read(array, path)
            if is_xyz(path) != pair.is_xyz:
                values = turned(values, pair.volume or pair.shape, path, source.array_axes)
            part = (
                beside_volume(values, path, source.what, pair.volume)
                if pair.volume
                else at_size_of_pair(values, path, source.what, pair.shape, resize)
            )
            found = part if found is None else product(found, part)
    return found


def _refuse_beside_volume(pair: MapPair, sources: AuxiliarySources) -> None:
    """Refuse what has a place in height and width beside a volume.

    Raises:
        RefusedMap: naming the shape.
    """
    if sources.geometry is not None or not sources.weighs_alone:
        what = "weights of latitudes" if sources.geometry else "fixations and baselines"
        msg = f"{what} stand beside maps of height and width; these are volumes {pair.volume}"
        raise RefusedMap(msg)


Shape = tuple[int, int]
"""(height, width)."""


@dataclass(frozen=True, slots=True, eq=False)
class MapSource:
    """Where such maps come from: `what` they are, the files by name, or the one map that stands beside every pair."""

    what: str
    path: MapFolder
    files: Mapping[str, tuple[MapFile, ...]]
    limits: Limits
    single: Array | None = None
    spatial: int = PLANE
    array_axes: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The names that files have, in the order of the names; none where one map stands beside every pair."""
        return tuple(sorted(self.files))

    def of(self, name: str, file: MapFile | None = None) -> tuple[Array, MapFile]:
        """The map that stands beside a pair, as it is stored, and its file.

        Raises:
            NoPartner: there is none, or several files bear the name.
            UnreadableMap: the file cannot be read.
            RefusedMap: it has colours.
        """
        if file is None and self.single is not None and not isinstance(self.path, NamedMaps):
            return self.single, self.path
        chosen = file or self._file(name)
        return _read(chosen, self.limits, self.spatial), chosen

    def _file(self, name: str) -> MapFile:
        files = self.files.get(name, ())
        if len(files) == 1:
            return files[0]
        if files:
            msg = f"{len(files)} files hold the {self.what} of {name!r}: {', '.join(map(printable, files))}; keep one"
        else:
            msg = f"no {self.what} in {printable(self.path)} for {name!r}; it has {examples(self.files)}"
        raise NoPartner(msg)


def open_map_source(
    what: str, path: MapFolder, limits: Limits, namer: Namer = name_of, spatial: int = PLANE
) -> MapSource:
    """The maps of a file or of a folder, whose files `namer` gives the names of pairs, or None to be left out.

    They have so many `spatial` axes in files of arrays.

    Raises:
        UsageProblem: the path does not exist, the file cannot be read, or the folder holds no map.
    """
    if isinstance(path, NamedMaps):
        return maps_of_files(what, path.maps, path, limits, spatial)
    if path.is_dir():
        files: defaultdict[str, tuple[MapFile, ...]] = defaultdict(tuple)
        for relative in list_folder(path).maps:
            name = namer(relative)
            if name is not None:
                files[name] += (path / relative,)
        if not files:
            msg = f"{printable(path)} holds no map to be a {what}" + (
                "" if namer is name_of else f" that --{what}-name fits"
            )
            raise UsageProblem(msg)
        return MapSource(what, path, dict(files), limits, spatial=spatial)
    try:
        single = _read(path, limits, spatial)
    except MapProblem as problem:
        raise UsageProblem(str(problem)) from problem
    single.setflags(write=False)
    return MapSource(what, path, {}, limits, single, spatial)


def maps_of_files(
    what: str, files: Mapping[str, MapFile], path: MapFolder, limits: Limits, spatial: int = PLANE
) -> MapSource:
    """Maps that were named one by one, in the manifest at `path`."""
    return MapSource(what, path, {name: (file,) for name, file in files.items()}, limits, spatial=spatial)


def at_size_of_pair(array: Array, path: MapFile, what: str, shape: Shape, resize: Call) -> Array:
    """The map at the size of the pair: resized, to the nearest pixel, where the pair may be resized.

    Raises:
        RefusedMap: the sizes differ and no resizing is chosen.
    """
    if array.shape == shape:
        return array
    if resize.name == "none":
        msg = (
            f"{printable(path)}: the {what} is {array.shape}, the maps are {shape} (height, width); "
            "any --resize, such as 'pred-to-gt', fits it to them"
        )
        raise RefusedMap(msg)
    return resized(array, shape, "nearest")


def mask_weights(array: Array, path: MapFile) -> Array:
    """The pixels that a mask leaves, as 1, and those that it hides, as 0.

    Raises:
        RefusedMap: it holds more than 0 and one other value, or nothing but 0.
    """
    import numpy as np

    low, high = array.min(), array.max()
    if not (low >= 0 and np.all((array == 0) | (array == high))):
        msg = f"{printable(path)}: a mask holds 0, where pixels are ignored, and one other value; this holds more"
        raise RefusedMap(msg)
    if not high > 0:
        msg = f"{printable(path)}: the mask hides every pixel: it is all zero"
        raise RefusedMap(msg)
    return (array > 0).astype(np.float64)


def pixel_weights(array: Array, path: MapFile) -> Array:
    """Weights in float64; 8- and 16-bit ones divided by 255 and 65535.

    Raises:
        RefusedMap: one is negative or not finite, or all are 0.
    """
    import numpy as np

    weights = array.astype(np.float64) / (full_scale(array) or 1.0)
    if not (np.all(np.isfinite(weights)) and weights.min() >= 0 and weights.max() > 0):
        msg = f"{printable(path)}: weights are finite numbers of 0 or more, not all 0"
        raise RefusedMap(msg)
    return weights


def _read(path: MapFile, limits: Limits, spatial: int) -> Array:
    stored = read_in_space(path, None, limits, spatial)
    if stored.full_scale is not None:
        raise unreadable(path, f"its largest value is declared to be {stored.full_scale:g}; store 8, 16 or 32 bits")
    return stored.array if stored.is_volume else to_grey(stored.array, "error", path, stored.chroma)
