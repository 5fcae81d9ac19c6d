"""What is read beside a pair: the fixations on it, the weights of its pixels, a baseline's map, other fixations."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from kldeval.errors import RefusedMap
from kldeval.inputs.beside import fitted, mask_weights, pixel_weights

if TYPE_CHECKING:
    from collections.abc import Callable

    from kldeval.arrays import Array
    from kldeval.inputs.beside import MapsBeside, Shape
    from kldeval.inputs.fixations.record import Fixations
    from kldeval.inputs.fixations.source import FixationSource
    from kldeval.names import Call
    from kldeval.records import MapPair


@dataclass(frozen=True, slots=True)
class Sources:
    """Where what stands beside the pairs comes from (None: nothing of the kind is asked for).

    `geometry` gives the weights that follow from the (height, width) of a map alone. `alone` where the pair is two
    files, beside which a file of a single image needs no name in common. `drops_outside` leaves out fixations outside
    the map instead of refusing it.
    """

    fixations: FixationSource | None = None
    mask: MapsBeside | None = None
    weights: MapsBeside | None = None
    baseline: MapsBeside | None = None
    other: FixationSource | None = None
    geometry: Callable[[Shape], Array] | None = None
    alone: bool = False
    drops_outside: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Company:
    """What stands beside a pair, at its size: the fixations on it, the map of its baseline, fixations on other images.

    `image` is the name of the pair among the fixations of the data set.
    """

    image: str = ""
    fixations: Fixations | None = None
    baseline: Array | None = None
    other: Fixations | None = None


def accompanied(pair: MapPair, image: Shape, sources: Sources, resize: Call) -> MapPair:
    """The pair with what stands beside it, at its size; `image` is the size of its ground truth as it was stored.

    Raises:
        MapProblem: something is missing, cannot be read, or does not fit the maps.
    """
    name = _name_among_fixations(pair, sources)
    fixations, n_outside = _fixations(pair, name, image, sources, resize)
    company = Company(
        name,
        fixations,
        _map(sources.baseline, pair, resize),
        None if sources.other is None else _other(sources.other, pair, image, resize),
    )
    remarks = (*pair.remarks, *(("outside",) if n_outside else ()))
    return replace(pair, weights=_weights(pair, sources, resize), company=company, remarks=remarks)


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
        raise RefusedMap(msg)
    return replace(fixations, shape=fixations.shape or image).scaled(shape)


def _name_among_fixations(pair: MapPair, sources: Sources) -> str:
    only = sources.fixations.only if sources.alone and sources.fixations else None
    return only or pair.name


def _fixations(pair: MapPair, name: str, image: Shape, sources: Sources, resize: Call) -> tuple[Fixations | None, int]:
    if sources.fixations is None:
        return None, 0
    found = sources.fixations.of(name)
    within, outside = found.inside(found.shape or image)
    if outside and not sources.drops_outside:
        msg = f"{outside}; check --fixation-base and the size, or leave them out with --fixation-outside drop"
        raise RefusedMap(msg)
    return on_map(within, image, pair.shape, resize), outside.count if outside else 0


def _other(source: FixationSource, pair: MapPair, image: Shape, resize: Call) -> Fixations:
    """The fixations of the other map: one map for every pair, or that of the pair's name; those outside are no part."""
    found = source.of(source.only or pair.name)
    within, _ = found.inside(found.shape or image)
    return on_map(within, image, pair.shape, resize, "other map's fixations")


def _map(source: MapsBeside | None, pair: MapPair, resize: Call) -> Array | None:
    if source is None:
        return None
    array, path = source.of(pair.name)
    return fitted(array, path, source.what, pair.shape, resize)


def _weights(pair: MapPair, sources: Sources, resize: Call) -> Array | None:
    """The product of the mask and the weights."""
    found = pair.weights if sources.geometry is None else sources.geometry(pair.shape)
    for source, read in ((sources.mask, mask_weights), (sources.weights, pixel_weights)):
        if source is not None:
            array, path = source.of(pair.name)
            part = fitted(read(array, path), path, source.what, pair.shape, resize)
            found = part if found is None else found * part
    return found
