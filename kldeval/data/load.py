"""From a pair of paths to a pair of maps: read, made grey, brought to one size; what was noticed goes along."""

from __future__ import annotations

import math
from dataclasses import field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kldeval.data.causes import check_log_density
from kldeval.data.nodata import check_label_tags, check_sizes, check_tags, with_nodata, without_gaps
from kldeval.data.readers import (
    CLASS_READERS,
    LABEL_READERS,
    class_shape,
    holds_arrays,
    is_xyz,
    read_map,
    read_shaped,
    spatial_axes,
    stored_shape,
    xyz_suffixes,
)
from kldeval.data.readers.members import fetched
from kldeval.data.readers.numpy_files import map_shape
from kldeval.data.readers.stored import MAX_PIXELS, Limits
from kldeval.data.recognise import BASES, log_sum
from kldeval.data.stacks import read_slice, with_first
from kldeval.data.volumes import PLANE, SPACE, check_volumes, laid_out, read_in_space, turned, volume_shapes
from kldeval.dataclass import dataclass
from kldeval.digests import current_request
from kldeval.errors import LeftOut, RefusedMap, UnreadableMap, UsageProblem, printable
from kldeval.grammar import split_call
from kldeval.memory import MISSING, BytesInMemory, MapInMemory, Member
from kldeval.preprocessing.color_maps import name_of_color_map
from kldeval.preprocessing.grey import channels_agree, full_scale, to_grey
from kldeval.preprocessing.resize import AS_IS, log_resized, resize_pair
from kldeval.records import NO_PREDICTION, OF_PIXELS, DensityProvenance, MapPair
from kldeval.regular import read_regular

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from kldeval.arrays import NumpyArray as Array
    from kldeval.data.auxiliary import AuxiliarySources
    from kldeval.data.readers.stored import Stored
    from kldeval.digests import Request, Stamp
    from kldeval.grammar import Call
    from kldeval.grids import Place
    from kldeval.memory import MapFile
    from kldeval.records import Pair, Role


@dataclass(frozen=True, slots=True)
class Reading:
    """How files become maps: the rule for colour, the resizing, the array of an .npz, the most pixels of a map.

    `sources` are where what stands beside the maps is read, if anything does.
    `logs` are the steps that take the stored values of the prediction and of the ground truth for logarithms of
    densities, of which the densities are resized.
    `nodata` says which pixels have no data (see `kldeval.settings.nodata`), `missing` what a prediction counts as that
    is missing or cannot be read. `raw` is a side that is taken as stored, and under `masks` whole numbers that are 0
    and 1 alone are masks (see `Settings`).
    `trusts_files` lifts the bounds on what a file claims of itself; `shape` is the (height, width) of raw values, and
    `spatial` the number of axes that a map has in files of arrays, `said_axes` that which was said, if one was,
    `array_axes` their order, and `class_axis` that of the classes of a prediction.
    `stack_axes` count the maps of stacks of predictions and of ground truths.
    `class_maps`: whether predictions may have a class axis; `labels`: whether all ground truths hold labels.
    `request` tells whoever reads for whom, and moves no number.
    """

    color: str = "error"
    resize: Call = AS_IS
    key: str | None = None
    pred_key: str | None = None
    gt_key: str | None = None
    max_pixels: int = MAX_PIXELS
    sources: AuxiliarySources | None = None
    logs: tuple[Call | None, Call | None] = (None, None)
    nodata: str = ""
    class_maps: bool = False
    labels: bool = False
    missing: str = "error"
    raw: str = ""
    masks: str = ""
    trusts_files: bool = False
    shape: tuple[int, int] | None = None
    stack_axes: tuple[int | None, int | None] = (None, None)
    spatial: int = PLANE
    said_axes: int | None = None
    array_axes: str | None = None
    class_axis: int | None = None
    ignored: int | None = None
    request: Request = field(default_factory=current_request, repr=False, compare=False)

    @property
    def bounds(self) -> dict[str, Any]:
        """What readers are told that a file may ask for."""
        return {"max_pixels": self.max_pixels, "trusts_files": self.trusts_files, "shape": self.shape}

    def key_of(self, role: Role) -> str | None:
        """The array of an .npz that is read for one side."""
        return (self.pred_key if role == "pred" else self.gt_key) or self.key

    def stack_axis_of(self, role: Role) -> int | None:
        """The axis that counts the maps of a stack of one side; None: the first."""
        return self.stack_axes[role == "gt"]


@dataclass(frozen=True, slots=True)
class Loaded:
    """One map as its file stores it, and made grey.

    `stamp` is what its file had before it was read, where that was asked, and `key` what a cache knows by what it held
    then.
    """

    stored: Stored
    grey: Array
    stamp: Stamp | None = None
    key: str = ""
    volume: tuple[int, ...] = ()


def load_map(path: MapFile, reading: Reading, place: int | None = None, role: Role = "gt") -> Loaded:
    """One map, before it meets its partner; `place` is that in its file, where this is a stack.

    Raises:
        UnreadableMap, RefusedMap, MissingDependency: as `load_pair`.
    """
    # as `key_of` says; this is done for every map
    key = (reading.pred_key if role == "pred" else reading.gt_key) or reading.key
    bounds = reading.max_pixels, reading.trusts_files, reading.shape
    if place is not None and not isinstance(path, MapInMemory):
        stored = read_slice(
            path, place, key=key, axis=reading.stack_axis_of(role), spatial=reading.spatial, **reading.bounds
        )
    elif reading.spatial != PLANE:
        stored = read_in_space(path, key, Limits(*bounds), reading.spatial)
    else:
        stored = read_map(path, key=key, max_pixels=bounds[0], trusts_files=bounds[1], shape=bounds[2])
    if stored.is_volume:
        grey, volume = laid_out(stored.array)
        return Loaded(stored, grey, volume=volume)
    return Loaded(stored, to_grey(stored.array, reading.color, path, stored.chroma))


def load_pair(pair: Pair, reading: Reading, gt: Loaded | None = None) -> MapPair:
    """The maps of a pair, in one size; see `sized_pair`. `gt` is the ground truth where it has been loaded already.

    Raises:
        UnreadableMap: a file that cannot be decoded into one real-valued map.
        RefusedMap: colour, transparency or sizes that differ where `reading` does not say what to do.
        MissingDependency: OpenCV is needed and cannot be imported.
    """
    if pair.pred is MISSING:
        return _uniform(pair, reading, gt)
    try:
        return _loaded_pair(pair, reading, gt)
    except UnreadableMap as problem:
        is_of_pred = isinstance(problem, UnreadablePrediction)
        if not is_of_pred or reading.missing == "error":
            raise
        if reading.missing == "skip":
            raise LeftOut(str(problem)) from problem
        return _uniform(pair, reading, gt)


class UnreadablePrediction(UnreadableMap):
    """A prediction that cannot be read, which a request may let pass."""


def _uniform(pair: Pair, reading: Reading, gt: Loaded | None) -> MapPair:
    """The ground truth with a constant density of its size in place of a prediction that is missing.

    Raises:
        RefusedMap: the ground truth is no map of height and width.
    """
    gt = gt or load_map(pair.gt, reading, pair.place)
    if reading.labels or gt.grey.ndim != 2:  # noqa: PLR2004 - height and width
        msg = f"{printable(pair.gt)} has no prediction, and a uniform one would need the number of classes"
        raise RefusedMap(msg, code="no-partner")
    value = -math.log(gt.grey.size) if reading.logs[0] is not None else 1 / gt.grey.size
    if reading.logs[0] is not None:
        value /= BASES[reading.logs[0].keywords.get("base", "e")]
    constant = np.full(gt.grey.shape, value)
    pair = replace(pair, pred=MapInMemory(constant, "a uniform map"))
    maps = _loaded_pair(pair, replace(reading, color="first"), gt)
    return replace(maps, remarks=(*(one for one in maps.remarks if one not in ("constant-pred", "identical")), UNIFORM))


UNIFORM = NO_PREDICTION
"""The remark of a map whose prediction is missing, and counts as uniform."""


def reading_for(pair: Pair, reading: Reading) -> Reading:
    """How the files of a pair are read: an array beside a volume whose format says its axes has as many.

    Raises:
        RefusedMap: as `check_said_axes`.
    """
    found = [side for side in _sides(pair) if is_xyz(side[0])]
    if found and reading.said_axes:
        check_said_axes(pair, reading)
    if reading.spatial != PLANE or not found:
        return reading
    path, role = found[0]
    shape = stored_shape(path, reading.key_of(role)) or ()
    return replace(reading, spatial=min(max(len(shape), PLANE), SPACE))


def check_said_axes(pair: Pair, reading: Reading) -> None:
    """Refuse another number of axes than that of a file whose format says it.

    Raises:
        RefusedMap: naming the file and both.
    """
    for path, role in _sides(pair) if reading.said_axes else ():
        shape = stored_shape(path, reading.key_of(role)) if is_xyz(path) else None
        n = min(len(shape), SPACE) if shape else reading.said_axes
        if n != reading.said_axes:
            msg = (
                f"--spatial-axes {reading.said_axes}: {printable(path)} says itself that {n} axes are of space; leave "
                "the option out"
            )
            raise RefusedMap(msg)


def _loaded_pair(pair: Pair, reading: Reading, gt: Loaded | None) -> MapPair:
    xyz = xyz_suffixes()
    if str(pair.pred).lower().endswith(xyz) or str(pair.gt).lower().endswith(xyz):
        reading = reading_for(pair, reading)
    if reading.class_maps and has_classes(pair, reading):
        _refuse_company(pair, reading)
        in_space = spatial_axes(pair.gt, reading.spatial) != PLANE
        return _with_weights(load_class_maps(pair, reading), reading, is_in_space=in_space)
    try:
        pred = load_map(pair.pred, reading, pair.place, "pred")
    except UnreadableMap as problem:
        raise UnreadablePrediction(str(problem), code=problem.code) from problem
    gt = gt or load_map(pair.gt, reading, pair.place)
    if pred.stored.nodata is not None or gt.stored.nodata is not None or pred.stored.grid or gt.stored.grid:
        check_tags(pair, pred.stored, gt.stored, nodata=reading.nodata)
    if pred.stored.is_xyz != gt.stored.is_xyz:
        gt = in_order_of(pred, gt, pair, reading)
    if reading.nodata:
        check_sizes(pred.grey, gt.grey)
    maps = replace(sized_pair(pair.name, pred, gt, reading.resize, reading.logs), made=how_made(pair.gt))
    if reading.raw or reading.masks:
        maps = on_asked_scales(maps, reading.raw, reading.masks, {"pred": pred.stored.array, "gt": gt.stored.array})
    if reading.nodata:
        tags = pred.stored.nodata, gt.stored.nodata
        maps = with_nodata(maps, reading.nodata, is_log=reading.logs[1] is not None, tags=tags)
    if reading.sources is None:
        return maps
    from kldeval.data.auxiliary import with_auxiliary_inputs

    return with_auxiliary_inputs(maps, gt.grey.shape, reading.sources, reading.resize)


def on_asked_scales(maps: MapPair, raw: str, masks: str, stored: Mapping[Role, Array]) -> MapPair:
    """The pair with what its sides are divided by: nothing on a raw side, and 1 where whole numbers are 0 and 1 alone.

    The latter for all metrics, or for those of pixels, as `masks` says. Remarks: `ones-pred`, `ones-gt`.
    """
    scales: dict[Role, float | None] = {"pred": maps.pred_scale, "gt": maps.gt_scale}
    found: list[Role] = []
    for role, array in stored.items():
        if role == raw:
            scales[role] = None
        elif masks and scales[role] not in (None, 1) and array.dtype.kind in "iu" and array.max() == 1:
            found.append(role)
            scales[role] = scales[role] if masks == OF_PIXELS else 1.0
    remarks = (*maps.remarks, *(f"ones-{role}" for role in found))
    return replace(maps, pred_scale=scales["pred"], gt_scale=scales["gt"], remarks=remarks, masks=tuple(found))


def _refuse_company(pair: Pair, reading: Reading) -> None:
    if reading.nodata:
        msg = f"{printable(pair.pred)} is a class map; --nodata is for maps of height and width"
        raise RefusedMap(msg)
    if reading.sources is not None and not (reading.labels and reading.sources.weighs_alone):
        msg = (
            f"{printable(pair.pred)} is a class map; fixations, masks and weights stand beside maps of height and width"
        )
        raise RefusedMap(msg)


def _with_weights(maps: MapPair, reading: Reading, *, is_in_space: bool) -> MapPair:
    """The class map with the weights of its positions, where its labels have height and width, or are a volume."""
    if reading.sources is None:
        return maps
    shape = tuple(maps.gt.shape)
    if maps.gt.ndim != PLANE and not is_in_space:
        msg = f"masks and weights are of labels of height and width; these have the shape {shape}"
        raise RefusedMap(msg)
    from kldeval.data.auxiliary import weights_of

    flat, volume = laid_out(maps.gt)
    found = weights_of(replace(maps, shape=flat.shape, volume=volume), reading.sources, reading.resize)
    return replace(maps, weights=None if found is None else found.reshape(shape))


def sized_pair(
    name: str, pred: Loaded, gt: Loaded, resize: Call, logs: tuple[Call | None, Call | None] = (None, None)
) -> MapPair:
    """Two maps in one size, with the scale of the types they were stored in.

    Where a side holds logarithms of a density (`logs`), the density is resized.

    Remarks: `lossy-pred`, `lossy-gt` (JPEG, lossy WebP), `painted-pred`, `painted-gt` (the colours of a colour map),
    `overshoot-pred`, `overshoot-gt` (resizing made negative values of a map that had none), `transposed` (height and
    width of one are width and height of the other), `integer` (a type that `--scale unit` does not divide), `identical`
    (the maps agree in every value).

    Raises:
        RefusedMap: the sizes differ, and `resize` is `none`.
        MissingDependency: a kernel of OpenCV, and it cannot be imported.
    """
    if pred.volume or gt.volume:
        check_volumes(pred.volume, gt.volume)
        resize = AS_IS if "size" not in resize.keywords else _refuse_resize(resize, pred.volume)
    sized = resize_pair(resize, pred.grey, gt.grey)
    is_stretched = bool(resize.keywords.get("stretch"))
    if any(logs):
        kernel = resize.keywords.get("kernel", "bilinear")
        border = resize.keywords.get("border", "mirror")
        sides = zip(("pred", "gt"), (pred.grey, gt.grey), sized, logs, strict=True)
        first, second = (
            after if log is None or after is before else _log_density(before, after.shape, (kernel, border), role, log)
            for role, before, after, log in sides
        )
        sized = first, second
    return MapPair(
        name,
        *sized,
        shape=sized[0].shape,
        remarks=tuple(_pair_remarks((pred, gt), sized)),
        pred_scale=None if is_stretched else pred.stored.scale,
        gt_scale=None if is_stretched else gt.stored.scale,
        volume=pred.volume,
        is_xyz=pred.stored.is_xyz,
        grid=_grid_at(sized[0].shape, (gt, pred)),
    )


def _grid_at(shape: tuple[int, ...], sides: tuple[Loaded, Loaded]) -> Place | None:
    """Where the pixels of a pair lie: as the file of the side says that has kept its size."""
    return next((one.stored.grid for one in sides if one.stored.grid and one.grey.shape == shape), None)


def in_order_of(pred: Loaded, gt: Loaded, pair: Pair, reading: Reading) -> Loaded:
    """The ground truth with its axes in the order of the prediction's, where one of them is known to be x, y, z.

    Raises:
        RefusedMap: the other's is not known, and the lengths fit both ways.
    """
    if pred.stored.is_xyz == gt.stored.is_xyz:
        return gt
    shape = pred.volume or pred.grey.shape
    array = gt.stored.array if gt.volume else gt.grey
    found = turned(array, shape, pair.gt, reading.array_axes)
    if found is array:
        return gt
    grey, volume = laid_out(np.ascontiguousarray(found))
    return replace(gt, stored=replace(gt.stored, array=found), grey=grey, volume=volume)


def _refuse_resize(resize: Call, volume: tuple[int, ...]) -> Call:
    msg = f"--resize {resize} is for maps of height and width; these are volumes {volume}"
    raise RefusedMap(msg)


def _log_density(array: Array, shape: tuple[int, int], kernel: tuple[str, str], role: str, step: Call) -> Array:
    """The logarithms of a density at another size, where it sums to 1 again; `kernel` with its border.

    Raises:
        RefusedMap: the map is no log-density, or the kernel makes negative probabilities of it.
    """
    check_log_density(array, role, step)
    axis, factor = step.keywords.get("axis"), BASES[step.keywords.get("base", "e")]
    logs = log_resized(array * factor, shape, kernel[0], border=kernel[1])
    return (logs - np.expand_dims(log_sum(logs, axis), () if axis is None else axis)) / factor


def _pair_remarks(sides: tuple[Loaded, Loaded], sized: tuple[Array, Array]) -> Iterator[str]:
    for role, side, after in zip(("pred", "gt"), sides, sized, strict=True):
        if side.stored.lossy:
            yield f"lossy-{role}"
        has_colors = side.stored.array.ndim > side.grey.ndim and not side.volume
        if has_colors and name_of_color_map(side.stored.array):
            yield f"painted-{role}"
        if after is not side.grey and after.min() < 0 <= side.grey.min():
            yield f"overshoot-{role}"
    arrays = [side.stored.array for side in sides]
    if any(array.dtype.kind in "iu" and full_scale(array) is None for array in arrays):
        yield "integer"
    if sides[0].grey.shape == sides[1].grey.shape[::-1] != sides[1].grey.shape:
        yield "transposed"
    if full_scale(arrays[0]) == full_scale(arrays[1]) and _agree(*sized):
        yield "identical"


def _agree(pred: Array, gt: Array) -> bool:
    """Whether the maps are equal, which a row in the middle denies for nearly all that are not."""
    middle = pred.shape[0] // 2
    return np.array_equal(pred[middle], gt[middle]) and np.array_equal(pred, gt)


def has_classes(pair: Pair, reading: Reading) -> bool:
    """Whether a pair is to be read with a class axis; the headers of its files tell."""
    if reading.labels:
        return True
    pred, gt = (_shape(path, role, reading, is_stack=pair.place is not None) for path, role in _sides(pair))
    return len(pred) > 2 or (len(pred) == 2 and len(gt) == 1)  # noqa: PLR2004 - height and width


def load_class_maps(pair: Pair, reading: Reading) -> MapPair:
    """The prediction and the ground truth of a pair as they are stored; `shape` is (axis 0, all others).

    Raises:
        UnreadableMap: a file that cannot be decoded.
        RefusedMap: a resizing, or colours instead of labels.
        MissingDependency: OpenCV is needed and cannot be imported.
    """
    if reading.resize != AS_IS:
        msg = f"--resize {reading.resize} is for maps of height and width; store class maps and labels in one size"
        raise RefusedMap(msg)
    stored = [
        _class_side(path, reading, pair.place, role, readers)
        for (path, role), readers in zip(_sides(pair), (CLASS_READERS, LABEL_READERS), strict=True)
    ]
    check_label_tags(pair, stored[0], stored[1], reading.ignored)
    pred, gt = _grey(stored[0], pair.pred), _labels(stored[1], pair.gt)
    if stored[0].has_bands and stored[0].nodata is not None and reading.ignored is not None:
        pred = without_gaps(pred, stored[0].nodata, gt, reading.ignored)
    if stored[0].is_xyz != stored[1].is_xyz:
        gt = _labels_in_order_of(pred, gt, pair, reading)
    return MapPair(
        pair.name,
        pred,
        gt,
        shape=(pred.shape[0], math.prod(pred.shape[1:])),
        remarks=tuple(_remarks(stored)),
        pred_scale=None if reading.raw == "pred" else stored[0].scale,
        gt_scale=full_scale(gt),
        is_xyz=stored[0].is_xyz,
        grid=stored[1].grid or stored[0].grid,
    )


def _labels_in_order_of(pred: Array, gt: Array, pair: Pair, reading: Reading) -> Array:
    """Labels with their axes in the order of the class map's; soft ones keep their axis of classes."""
    axis = (reading.class_axis or 0) % pred.ndim
    wanted = pred.shape[:axis] + pred.shape[axis + 1 :]
    if gt.ndim < pred.ndim:
        return turned(gt, wanted, pair.gt, reading.array_axes)
    classes = np.moveaxis(gt, axis, 0)
    return np.moveaxis(np.stack([turned(one, wanted, pair.gt, reading.array_axes) for one in classes]), 0, axis)


def _sides(pair: Pair) -> tuple[tuple[MapFile, Role], tuple[MapFile, Role]]:
    return (pair.pred, "pred"), (pair.gt, "gt")


def _class_side(path: MapFile, reading: Reading, place: int | None, role: Role, readers: Mapping[str, Any]) -> Stored:
    """One side of a pair of class maps; of a stack the map at its place."""
    key = reading.key_of(role)
    if place is not None and not isinstance(path, MapInMemory):
        return read_slice(
            path,
            place,
            key=key,
            axis=reading.stack_axis_of(role),
            classes=True,
            spatial=reading.spatial,
            **reading.bounds,
        )
    if reading.spatial != PLANE and holds_arrays(path) and not is_xyz(path):
        return read_shaped(path, key, Limits(**reading.bounds), volume_shapes(reading.spatial, classes=True))
    return read_map(path, key=key, readers=readers, **reading.bounds)


def _shape(path: MapFile, role: Role, reading: Reading, *, is_stack: bool) -> tuple[int, ...]:
    """The shape that an array's file means, or each map of a stack; () of any other."""
    shape = stored_shape(path, reading.key_of(role))
    if shape is None and role == "pred":
        return class_shape(path, reading.key_of(role)) or ()
    if shape and is_stack and not isinstance(path, MapInMemory):
        shape = with_first(shape, reading.stack_axis_of(role))[1:]
    if shape is None or len(shape) == 1:  # a vector is one of labels beside rows (N, C)
        return shape or ()
    return shape if spatial_axes(path, reading.spatial) != PLANE else map_shape(shape) or shape


def _grey(stored: Stored, path: MapFile) -> Array:
    if stored.has_bands or (holds_arrays(path) and not stored.chroma):
        return stored.array
    return to_grey(stored.array, "error", path, stored.chroma)


def _labels(stored: Stored, path: MapFile) -> Array:
    array = stored.array
    if not (holds_arrays(path) or stored.has_bands) and array.ndim > 2 and not channels_agree(array):  # noqa: PLR2004
        what = f"its colour channels differ ({array.dtype}, shape {array.shape})"
        raise RefusedMap(
            f"{printable(path)}: {what}; labels are numbers of classes, in grey or as indices of a palette"
        )
    return _grey(stored, path)


def _remarks(stored: list[Stored]) -> Iterator[str]:
    for role, item in zip(("pred", "gt"), stored, strict=True):
        if item.lossy:
            yield f"lossy-{role}"


SCHEMA = "kldeval.density/1"

MOST_FIXATIONS = 2**53
"""More than any data set has: numbers up to here are exact in JSON."""

LARGEST_SIDECAR = 2**20
"""Bytes of a sidecar, which holds a few hundred."""

SUFFIX = ".npy"
"""The only files that have one: an image could not hold the density as it is."""


def sidecar_of(path: Path) -> Path:
    """The path of the file beside a map."""
    return path.with_suffix(".json")


def sidecar_text(made: DensityProvenance, further: dict[str, Any]) -> str:
    """The contents of a sidecar; `further` members are for people.

    >>> print(sidecar_text(DensityProvenance("gaussian(sigma=24)", 12), {"border": "reflect"}), end="")
    {"schema": "kldeval.density/1", "made": "gaussian(sigma=24)", "fixations": 12, "border": "reflect"}
    """
    import json

    members = {"schema": SCHEMA, "made": made.text, "fixations": made.n_fixations, **further}
    return json.dumps(members) + "\n"


def how_made(path: MapFile) -> DensityProvenance | None:
    """How the map was made, if a sidecar says so; JSON files of other programs are none.

    Raises:
        UnreadableMap: a sidecar that lacks what it must say.
    """
    if isinstance(path, MapInMemory | BytesInMemory) or path.suffix.lower() != SUFFIX:
        return None
    sidecar = path.sidecar if isinstance(path, Member) else sidecar_of(path)
    members = sidecar_members(sidecar) if sidecar else None
    if members is None:
        return None
    text, count = members.get("made"), members.get("fixations")
    if (
        not isinstance(text, str)
        or not _is_call(text)
        or not isinstance(count, int)
        or isinstance(count, bool)
        or not 0 <= count <= MOST_FIXATIONS
    ):
        msg = f"{printable(sidecar)}: a {SCHEMA} says what was made and of how many fixations; this does not"
        raise UnreadableMap(msg)
    return DensityProvenance(text if text.endswith(")") else f"{text}()", count)


def sidecar_members(sidecar: Path | Member) -> dict[str, Any] | None:
    """What a sidecar says; None where there is none, or the file is of another program."""
    if isinstance(sidecar, Path) and not sidecar.is_file():
        return None
    import json

    try:
        contents = _contents(sidecar) if isinstance(sidecar, Member) else read_regular(sidecar, LARGEST_SIDECAR)
        members = json.loads(contents)
    except (OSError, ValueError, RecursionError):
        return None
    return members if isinstance(members, dict) and members.get("schema") == SCHEMA else None


def _contents(sidecar: Member) -> bytes:
    found = fetched(sidecar, Limits(LARGEST_SIDECAR))
    return found.data if isinstance(found, BytesInMemory) else b""


def _is_call(text: str) -> bool:
    """Whether a text is one name with its parameters, which can stand in a signature."""
    if not text.isprintable() or "|" in text:
        return False
    try:
        return bool(split_call(text)[0])
    except UsageProblem:
        return False
