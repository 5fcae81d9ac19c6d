"""Ground truths from fixations: smooth, unquantised maps, each with a file beside it that says how it was made."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from kldeval.atomic import may_be_replaced, whole_file
from kldeval.data.fixations.collection import open_fixations
from kldeval.data.fixations.doubts import check_positions
from kldeval.data.inputs import Inputs, is_same
from kldeval.data.listing import list_folder, name_of
from kldeval.data.load import sidecar_members, sidecar_of, sidecar_text
from kldeval.data.readers import read_size
from kldeval.dataclass import dataclass
from kldeval.engine.worker import guarded
from kldeval.errors import RefusedMap, UsageProblem, printable
from kldeval.executors.local import Each, LocalPool, cores
from kldeval.grammar import Call, Value, did_you_mean
from kldeval.normalization.gaussian import (
    BORDERS,
    TRUNCATE,
    Border,
    blurred,
    blurred_points,
    check_kernel,
    spherical,
)
from kldeval.records import DensityProvenance, Failure
from kldeval.regular import why
from kldeval.settings.settings import AS_STORED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from kldeval.arrays import NumpyArray as Array
    from kldeval.data.fixations.collection import FixationSource
    from kldeval.data.fixations.maps import FixationReading
    from kldeval.executors.protocol import Executor
    from kldeval.records import Fixations
    from kldeval.run_options import Progress


NPY = ".npy"

PROJECTIONS = ("none", "equirectangular")
"""What a map is of: a plane, or the whole sphere by longitude and latitude."""

FEW = 1000
"""Fixated pixels up to which a product of matrices is faster than passes over the map."""


@dataclass(frozen=True, slots=True)
class Smoothing:
    """How fixations become a map: a Gaussian of `sigma` pixels, what lies beyond the border, and whether repeats count.

    `degrees` and `pixels_per_degree` are what sigma was made of, where it was said in degrees of visual angle.

    Raises:
        UsageProblem: a number that is not positive, or an unknown border.
    """

    sigma: float
    border: Border = "reflect"
    repeats: bool = True
    truncate: float = TRUNCATE
    degrees: float | None = None
    pixels_per_degree: float | None = None
    projection: str = "none"

    def __post_init__(self) -> None:
        check_kernel(self.sigma, self.truncate)
        if self.border not in BORDERS:
            hint = did_you_mean(self.border, BORDERS)
            msg = f"--border {self.border}: {self.border!r} is none of {', '.join(BORDERS)}{hint}"
            raise UsageProblem(msg)
        if self.projection not in PROJECTIONS:
            hint = did_you_mean(self.projection, PROJECTIONS)
            msg = f"--projection {self.projection}: {self.projection!r} is none of {', '.join(PROJECTIONS)}{hint}"
            raise UsageProblem(msg)
        if self.projection != "none" and self.border not in ("reflect", "wrap"):
            msg = f"--border {self.border} has no meaning beside --projection {self.projection}: a sphere has no border"
            raise UsageProblem(msg)

    @property
    def call(self) -> Call:
        """The Gaussian, with what is not at its default beside sigma and the border."""
        always: tuple[tuple[str, Value], ...] = (("sigma", self.sigma), ("border", self.border))
        if self.border == "wrap":  # maps whose poles were joined to one another say no poles
            always = (*always, ("poles", "over"))
        if self.projection != "none":
            always = (("sigma", self.sigma), ("projection", self.projection))
        repeats = () if self.repeats else (("repeats", False),)
        truncate = () if self.truncate == TRUNCATE else (("truncate", self.truncate),)
        return Call("gaussian", (*always, *repeats, *truncate))

    @property
    def text(self) -> str:
        """The Gaussian as text."""
        return str(self.call)


@dataclass(frozen=True, slots=True)
class Built:
    """One map that was written, and of how many fixations; `n_outside` lay beyond it and were left out."""

    name: str
    n_fixations: int
    n_outside: int = 0


@dataclass(frozen=True, slots=True)
class DensityPlan:
    """What is built: from which fixations, where to, how, and of what size where the fixations do not say.

    `how` is how the fixations are read, as the settings of a run say it. `size` is one (height, width) for all images,
    `like` a folder of maps whose sizes they have.
    """

    fixations: Path
    out: Path
    smoothing: Smoothing
    reading: FixationReading
    outside: Literal["error", "drop", "clip"] = "error"
    size: tuple[int, int] | None = None
    like: Path | None = None
    jobs: int | None = None
    how: Call = AS_STORED

    def text(self, *, takes_size: bool) -> str:
        """What stands in the signatures of numbers that are computed from such maps: all that moved them.

        `takes_size`: the size of the image was unknown, so that the size that was said decided.

        >>> from pathlib import Path
        >>> from kldeval.data.fixations import FixationReading
        >>> how = Call("read", (("base", 1), ("first", "drop")))
        >>> plan = DensityPlan(Path("x"), Path("y"), Smoothing(24.0), FixationReading(), size=(600, 800), how=how)
        >>> plan.text(takes_size=True)
        'gaussian(sigma=24,border=reflect,base=1,first=drop,size=800x600)'
        """
        size = (("size", self.size[::-1]),) if takes_size and self.size else ()
        return str(Call("gaussian", (*self.smoothing.call.arguments, *self.how.arguments, *size)))


def sigma_in_pixels(sigma: float, pixels_per_degree: float | None) -> float:
    """Sigma in pixels: as it is, or from degrees of visual angle.

    Raises:
        UsageProblem: a number of pixels per degree that is not positive.

    >>> sigma_in_pixels(1.0, 35.0)
    35.0
    """
    if pixels_per_degree is None:
        return sigma
    if not 0 < pixels_per_degree < float("inf"):
        msg = f"--pixels-per-degree {pixels_per_degree:g}: a degree has a positive number of pixels"
        raise UsageProblem(msg)
    return sigma * pixels_per_degree


def build(
    plan: DensityPlan,
    progress: Progress | None = None,
    note: Callable[[str], None] | None = None,
    executor: Executor | None = None,
) -> Iterator[Built | Failure]:
    """Write a map for every image that the fixations are on, in the order of the names.

    `note` is told what the fixations may be. `executor` does the work, else the cores of this machine do.

    A single file that holds one image is written to `out` itself where that ends in .npy.

    Raises:
        UsageProblem: the fixations cannot be read at all, or `out` cannot hold what is to be written.
    """
    source = open_fixations(plan.fixations, plan.reading)
    shapes = _files_by_name(plan.like)
    names = source.names
    single = plan.out.suffix.lower() == NPY
    if single and len(names) > 1:
        msg = f"{plan.out} is one map, but {plan.fixations} holds fixations on {len(names)} images; name a folder"
        raise UsageProblem(msg)
    _check_out(plan, single=single)
    for doubt in check_positions(source, lambda name: plan.size or _known_size(name, shapes)):
        if note:
            note(doubt)
    work = _Building(partial(_build_one, source=source, plan=plan, files=shapes, single=single))
    for outcome in (executor or LocalPool(plan.jobs or cores())).map(Each(work), names):
        if progress:
            progress(outcome, len(names))
        yield outcome


def density_map(fixations: Fixations, shape: tuple[int, int], smoothing: Smoothing) -> Array:
    """The number of fixations at each pixel (H, W), or 1 where there is one, under the Gaussian, in float64.

    Raises:
        RefusedMap: a fixation lies outside.
    """
    import numpy as np

    rows, cols, counts = fixations.pixels(shape)
    counts = counts if smoothing.repeats else np.ones_like(counts)
    if smoothing.projection == "equirectangular":
        return spherical((rows, cols, counts), shape, smoothing.sigma, smoothing.truncate)
    sigma = smoothing.sigma, smoothing.sigma
    if smoothing.border == "reflect" and len(rows) < FEW:
        return blurred_points((rows, cols, counts), shape, sigma, smoothing.truncate)
    spots = np.zeros(shape)
    spots[rows, cols] = counts
    return blurred(spots, sigma, smoothing.border, smoothing.truncate)


@dataclass(frozen=True, slots=True)
class _Building:
    """Maps are built one by one, and whatever a file of fixations raises is the failure of its image."""

    build_one: Callable[[str], Built | Failure]

    def __call__(self, name: str) -> Built | Failure:
        return guarded(partial(self.build_one, name), name)

    def lost(self, name: str, reason: str) -> Failure:
        """The failure of an image whose fixations ended the process that read them."""
        return Failure(name, "load", f"the fixations on {printable(name)}: {reason}", "ended-process")


def _build_one(
    name: str, source: FixationSource, plan: DensityPlan, files: Mapping[str, Path], *, single: bool
) -> Built | Failure:
    import numpy as np

    fixations = source.of(name)
    if plan.reading.size is None:
        shape = fixations.shape or plan.size or _shape_like(name, files)
    else:
        shape = plan.size or _shape_like(name, files)
    within, outside = plan.reading.placed(fixations, shape).inside(shape)
    if outside and plan.outside != "drop":
        ways = "leave them out with --fixation-outside drop, or move them to the border with clip"
        msg = f"{outside}; check --fixation-base and the size, {ways}"
        raise RefusedMap(msg, code="fixations-outside")
    values = density_map(within, shape, plan.smoothing)
    if ".." in name.split("/") or name.startswith("/"):
        return Failure(name, "check", f"{name!r} leads out of {plan.out}; names of images are relative paths within it")
    path = plan.out if single else plan.out / f"{name}{NPY}"
    if path.exists() or sidecar_of(path).exists():
        read = (*source.files.get(name, ()), files.get(name))
        _check_replaced(path, tuple(file for file in read if isinstance(file, Path)))
    count = within.total if plan.smoothing.repeats else len(within.pixels(shape)[0])
    made = DensityProvenance(plan.text(takes_size=fixations.shape is None), count)
    text = sidecar_text(made, _members(plan, shape))
    try:
        # what an older map was made of is not said of the new one, even if this is interrupted
        sidecar_of(path).unlink(missing_ok=True)
        for target, content in ((path, values), (sidecar_of(path), text)):
            with whole_file(target) as file:
                file.write(content.encode()) if isinstance(content, str) else np.save(file, content)
    except OSError as error:
        msg = f"cannot write {printable(str(error.filename or path))}: {why(error)}"
        raise UsageProblem(msg) from error
    return Built(name, count, outside.count if outside else 0)


def _check_out(plan: DensityPlan, *, single: bool) -> None:
    """Refuse to write among the fixations, or among the maps that give the sizes.

    Raises:
        UsageProblem: naming both.
    """
    inputs = Inputs(tuple(filter(None, [plan.like])), (plan.fixations,))
    if single:
        inputs.check_file(plan.out)
    else:
        inputs.check_folder(plan.out, ())


def _check_replaced(path: Path, read: Sequence[Path]) -> None:
    """Refuse to replace what is read, or a file beside it that is no sidecar of a map.

    Raises:
        UsageProblem: naming the file.
    """
    sidecar = sidecar_of(path)
    for target in (path, sidecar):
        if any(is_same(target, one) for one in read):
            msg = f"cannot write {printable(target)}: the map is made of it"
            raise UsageProblem(msg)
        if target.exists() and not may_be_replaced(target):
            msg = f"cannot write {printable(target)}: it is read-only"
            raise UsageProblem(msg)
    if sidecar.exists() and sidecar_members(sidecar) is None:
        msg = f"cannot write {printable(sidecar)}: it is there, and says nothing of a map that was made of fixations"
        raise UsageProblem(msg)


def _members(plan: DensityPlan, shape: tuple[int, int]) -> dict[str, Any]:
    """What a sidecar says beside the text of the signature: for people and other programs."""
    smoothing = plan.smoothing
    degrees = {"sigma_degrees": smoothing.degrees, "pixels_per_degree": smoothing.pixels_per_degree}
    return {
        "sigma": smoothing.sigma,
        "border": smoothing.border,
        "repeats": smoothing.repeats,
        "truncate": smoothing.truncate,
        "reading": {key: value for key, value in plan.how.arguments if value is not None},
        "size": [shape[1], shape[0]],
        **{key: value for key, value in degrees.items() if value is not None},
    }


def _files_by_name(folder: Path | None) -> dict[str, Path]:
    return {name_of(relative): folder / relative for relative in list_folder(folder).maps} if folder else {}


def _known_size(name: str, files: Mapping[str, Path]) -> tuple[int, int] | None:
    return read_size(files[name]) if name in files else None


def _shape_like(name: str, files: Mapping[str, Path]) -> tuple[int, int]:
    if name not in files:
        msg = "the size of the image is unknown: say it with --size WIDTHxHEIGHT, or --like DIR with a map of its name"
        raise RefusedMap(msg)
    return read_size(files[name])
