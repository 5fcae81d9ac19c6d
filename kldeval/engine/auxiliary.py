"""What stands around a run's pairs: where fixations, baselines and weights are read, and what all images share."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from kldeval.caching import KeptResults
from kldeval.data.auxiliary import AuxiliarySources, maps_of_files, open_map_source
from kldeval.data.fixations.collection import (
    SIZES_KEPT,
    FixationSource,
    OtherFixations,
    fixations_of_files,
    open_fixations,
)
from kldeval.data.fixations.doubts import check_positions
from kldeval.data.fixations.maps import FixationReading
from kldeval.data.listing import auxiliary_namer
from kldeval.data.load import load_map, reading_for
from kldeval.data.names import PairsByName
from kldeval.data.readers import read_size
from kldeval.data.readers.stored import MAX_PIXELS, Limits
from kldeval.data.volumes import PLANE
from kldeval.engine.auxiliary_context import NO_AUXILIARY, AuxiliaryContext, check_fixations, needs_auxiliary
from kldeval.errors import MapProblem, RefusedMap, UsageProblem, examples, printable
from kldeval.executors.local import cores, in_order, in_threads
from kldeval.grids import Coordinates, cosine_weights, covers_sphere, latitude_edges
from kldeval.memory import NamedMaps
from kldeval.metrics.registry import METRICS, OF_OTHER_IMAGES
from kldeval.scoring.context import DatasetContext
from kldeval.scoring.leave_one_out import Kernel, LeaveOneOutDensity
from kldeval.scoring.reference_models import make_references
from kldeval.sequences import Lazy
from kldeval.settings.auxiliary import context_text, fixation_reading
from kldeval.weighting import area_weights, latitude_weights

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from kldeval.arrays import NumpyArray as Array
    from kldeval.data.auxiliary import MapSource
    from kldeval.data.listing import Namer
    from kldeval.data.load import Reading
    from kldeval.grammar import Call
    from kldeval.grids import Place
    from kldeval.memory import MapFile
    from kldeval.records import Fixations, Pair
    from kldeval.run_options import RunOptions
    from kldeval.scoring.reference_models import ReferenceModels
    from kldeval.settings.settings import Settings


def open_auxiliary(
    settings: Settings, request: RunOptions, pairs: Sequence[Pair], *, is_single_pair: bool
) -> AuxiliaryContext:
    """What the settings need beside the pairs, opened; `is_single_pair` where the pair is two files.

    All fixations are read where a metric compares with those on other images.

    Raises:
        UsageProblem: something is missing, or was given and nothing needs it, or cannot be read.
    """
    if not needs_auxiliary(settings, request, pairs):
        return NO_AUXILIARY
    named = {what: _files_of_manifest(what, request, pairs) for what in ("fixations", "mask")}
    _check(settings, request, named)
    limits, spatial = Limits(request.max_pixels or MAX_PIXELS, request.trust_files), request.spatial_axes or PLANE
    fixations = _fixations(settings, request, named["fixations"], limits, pairs)
    by_name = PairsByName(pairs if fixations else ())
    reading = _map_reading(settings, request)
    doubts = tuple(check_positions(fixations, partial(_size_of, by_name, reading))) if fixations else ()
    mask = _maps("mask", request, limits)
    sources = AuxiliarySources(
        fixations,
        maps_of_files("mask", named["mask"], request.manifest or Path(), limits, spatial) if named["mask"] else mask,
        _maps("weights", request, limits),
        _maps("baseline", request, limits),
        _other_map(request, limits),
        geometry=_geometry(settings.weights),
        is_single_pair=is_single_pair,
        drops_outside=settings.fixations.keywords.get("outside") == "drop",
    )
    _check_names(sources, request, pairs)
    references = _references(settings, request, pairs) if request.baselines else None
    if sources == AuxiliarySources(is_single_pair=is_single_pair) and references is None:
        return NO_AUXILIARY
    said = (*doubts, *(references.notes if references else ()))
    single = sources.baseline.single if sources.baseline else None
    if fixations is None or not some_compares_images(settings):
        return AuxiliaryContext(sources, DatasetContext(single=single, references=references), said)
    known, notes = everything(fixations, by_name, request.jobs or cores(), reading)
    others = OtherFixations(known)
    observed = (
        LeaveOneOutDensity(others, Kernel(**settings.baseline.keywords)) if settings.baseline.name == "others" else None
    )
    context = DatasetContext(others, observed, single, references)
    known_source = replace(sources, fixations=fixations.knowing(known))
    return AuxiliaryContext(known_source, context, (*notes, *said), context_text(known.values()))


def _geometry(weights: Call) -> KeptResults[tuple[int, int], Place | None, Array] | None:
    """The weights that follow from the size of a map and from where its pixels lie."""
    if weights.name not in ("latitude", "area"):
        return None
    made = _latitude_weights if weights.name == "latitude" else _area_weights
    return KeptResults(partial(made, **weights.keywords), SIZES_KEPT)


def _latitude_weights(shape: tuple[int, int], grid: Place | None, **given: Any) -> Array:
    if isinstance(grid, Coordinates):
        if given:
            msg = f"--weights latitude: its rows are at {grid.names[0]}, as its file says: leave out {', '.join(given)}"
            raise RefusedMap(msg)
        return cosine_weights(grid, shape[1])
    if grid is not None and grid.kind == "geographic" and not covers_sphere(grid, shape):
        msg = "--weights latitude is for maps of the whole sphere, and the tags say a part of it: --weights area"
        raise RefusedMap(msg)
    return latitude_weights(shape, **given)


def _area_weights(shape: tuple[int, int], grid: Place | None, **given: Any) -> Array:
    return area_weights(latitude_edges(grid, shape), shape[1], **given)


def _references(settings: Settings, request: RunOptions, pairs: Sequence[Pair]) -> ReferenceModels:
    each = partial(in_threads, jobs=request.jobs or cores())
    return make_references(settings, pairs, _map_reading(settings, request), request.ceiling, each)


def _map_reading(settings: Settings, request: RunOptions) -> Reading:
    from kldeval.engine.worker import reading_of

    return reading_of(settings, request)


def _check_names(sources: AuxiliarySources, request: RunOptions, pairs: Sequence[Pair]) -> None:
    """Refuse a folder beside the maps none of whose files has the name of a pair, where a template would give it.

    Raises:
        UsageProblem: with the template.
    """
    if sources.is_single_pair:
        return
    given = {
        "--fixations-name": sources.fixations,
        "--mask-name": sources.mask,
        "--weights-name": sources.weights,
        "--baseline-name": sources.baseline,
        "--other-map-name": sources.other,
    }
    for option, source in given.items():
        if source is None or not source.files:
            continue
        names = frozenset(source.names)
        if not any(pair.name in names for pair in pairs):
            _check_template(option, source, request, pairs)


def _check_template(
    option: str, source: FixationSource | MapSource, request: RunOptions, pairs: Sequence[Pair]
) -> None:
    """Refuse files that have the name of no pair if a template would give it: any but that of the maps themselves.

    Raises:
        UsageProblem: with the template.
    """
    from kldeval.data.template_suggestion import propose_beside

    if isinstance(source.path, NamedMaps) or not source.path.is_dir():
        return
    paths = [path for paths in source.files.values() for path in paths if isinstance(path, Path)]
    maps = {side.resolve() for pair in pairs for side in (pair.pred, pair.gt) if isinstance(side, Path)}
    files = {path.relative_to(source.path).as_posix(): path.resolve() in maps for path in paths}
    names = [pair.name for pair in pairs]
    found = propose_beside(files, names, option, request.pred_name, request.gt_name)
    if found:
        msg = (
            f"none of the files in {printable(source.path)} (such as {examples(files)}) has the name of a pair "
            f"(such as {examples(names)}): {option} '{found}' names them so"
        )
        raise UsageProblem(msg)


def _size_of(pairs: Mapping[str, Pair], reading: Reading, name: str) -> tuple[int, int] | None:
    return _ground_truth_size(pairs[name], reading) if name in pairs else None


def _ground_truth_size(pair: Pair, reading: Reading) -> tuple[int, int]:
    """The (height, width) of a pair's ground truth, which is decoded only where its header does not say it.

    Raises:
        UnreadableMap, RefusedMap, MissingDependency: as `kldeval.data.load.load_pair`.
    """
    if pair.place is None and reading.key_of("gt") is None and reading.shape is None:
        return read_size(pair.gt, max_pixels=reading.max_pixels)
    height, width = load_map(pair.gt, reading_for(pair, reading), pair.place).grey.shape[:2]
    return height, width


def some_compares_images(settings: Settings) -> bool:
    """Whether a number of one image needs the fixations on all others."""
    if settings.is_labels:
        return False
    needs = {need for call in settings.metrics for need in METRICS[call.name].info.requires}
    return bool(OF_OTHER_IMAGES & needs) or "others" in (settings.baseline.name, settings.other.name)


def everything(
    source: FixationSource, pairs: Mapping[str, Pair], jobs: int, reading: Reading
) -> tuple[dict[str, Fixations], tuple[str, ...]]:
    """The fixations of every image of a data set, each with its size, and what was left out.

    The size of an image that the fixations do not tell is that of its ground truth.
    """
    names = tuple(source.names)
    images = Lazy(range(len(names)), lambda place: (names[place], pairs.get(names[place])))
    # a header costs less than its way to another worker
    sized = in_order(partial(_sized, source, reading), images, jobs if source.files else 1)
    known: dict[str, Fixations] = {}
    lost: list[str] = []
    for name, points in zip(names, sized, strict=True):
        if points is None:
            lost.append(name)
        else:
            known[name] = points
    if not lost:
        return known, ()
    note = (
        f"{len(lost)} of {len(names)} images (such as {lost[0]!r}) have no part in the fixations on other images: they "
        "cannot be read, or their size is unknown because they have no ground truth"
    )
    return known, (note,)


def _sized(source: FixationSource, reading: Reading, image: tuple[str, Pair | None]) -> Fixations | None:
    name, pair = image
    try:
        points = source.of(name)
        if pair is not None and (source.reading.size is not None or points.shape is None):
            points = replace(points, shape=None)
            size = _ground_truth_size(pair, reading)
            points = replace(source.reading.placed(points, size), shape=size)
        elif points.shape:
            points = source.reading.placed(points, points.shape)
    except MapProblem:
        return None
    return points if points.shape else None


def _files_of_manifest(what: str, request: RunOptions, pairs: Iterable[Pair]) -> dict[str, MapFile]:
    """The files of one kind that a manifest names, by the names of the pairs."""
    found = {pair.name: path for pair in pairs if (path := getattr(pair, what))}
    if found and getattr(request, what):
        msg = f"the manifest names {what} already, in its column {what!r}; leave out --{what}"
        raise UsageProblem(msg)
    return found


def _fixations(
    settings: Settings, request: RunOptions, named: Mapping[str, MapFile], limits: Limits, pairs: Sequence[Pair]
) -> FixationSource | None:
    reading = _reading(settings.fixations, limits)
    if named and settings.on("fixations"):
        return fixations_of_files(named, reading, request.manifest or Path())
    namer = _namer("fixations", request)
    if not request.fixations:
        return None
    return open_fixations(request.fixations, reading, namer).naming_frames(pair.name for pair in pairs)


def _check(settings: Settings, request: RunOptions, named: Mapping[str, Mapping[str, MapFile]]) -> None:
    check_fixations(settings, request, are_named=bool(named["fixations"]))
    if request.ceiling and not request.baselines:
        msg = f"--ceiling {request.ceiling} has no effect without --baselines"
        raise UsageProblem(msg)
    wanted = {name: getattr(settings, name).name in ("map", "maps") for name in ("baseline", "mask", "weights")}
    wanted["other_map"] = settings.other.name in ("map", "maps")
    for name, is_wanted in wanted.items():
        if is_wanted and getattr(request, name) is None and not named.get(name):
            flag = name.replace("_", "-")
            msg = f"the settings speak of files of --{flag}; say where they are with --{flag} FILE or DIR"
            raise UsageProblem(msg)


def reading_and_outside(options: Mapping[str, str | None]) -> tuple[FixationReading, Literal["error", "drop", "clip"]]:
    """How fixations are read by a command without settings, and what becomes of those outside.

    Raises:
        UsageProblem: an option means nothing.
    """
    call = fixation_reading({name: text for name, text in options.items() if text is not None})
    return _reading(call, Limits()), call.keywords.get("outside", "error")


def _reading(call: Call, limits: Limits) -> FixationReading:
    said: dict[str, Any] = dict(call.arguments)
    outside = said.pop("outside", "error")
    first = said.pop("first", "keep")
    return FixationReading(
        **said,
        drops_first=first == "drop",
        clips=outside == "clip",
        max_pixels=limits.max_pixels,
        trusts_files=limits.trusts_files,
    )


def _maps(what: str, request: RunOptions, limits: Limits) -> MapSource | None:
    path, namer = getattr(request, what), _namer(what, request)
    if not path:
        return None
    found = open_map_source(what, path, limits, namer, request.spatial_axes or PLANE)
    return replace(found, array_axes=request.array_axes)


def _other_map(request: RunOptions, limits: Limits) -> FixationSource | None:
    namer = _namer("other_map", request)
    reading = FixationReading(max_pixels=limits.max_pixels, trusts_files=limits.trusts_files)
    return open_fixations(request.other_map, reading, namer) if request.other_map else None


def _namer(what: str, request: RunOptions) -> Namer:
    """What names the files of one kind.

    Raises:
        UsageProblem: the template is malformed, does not go with those of the maps, or names nothing that was given.
    """
    text, option = getattr(request, f"{what}_name"), f"--{what.replace('_', '-')}-name"
    if text is not None and getattr(request, what) is None:
        msg = f"{option} {text!r} has no effect without {option.removesuffix('-name')}"
        raise UsageProblem(msg)
    return auxiliary_namer(text, option, request.pred_name, request.gt_name)
