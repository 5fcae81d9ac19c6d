"""Learning curves of the gold standard: how well n observers predict others, with models between chance and that."""

from __future__ import annotations

from collections import defaultdict
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from kldeval.arrays import tied
from kldeval.data.fixations.collection import OtherFixations, open_fixations
from kldeval.data.fixations.doubts import check_positions
from kldeval.data.listing import auxiliary_namer, is_excluded, list_folder
from kldeval.data.load import Loaded, load_map, sized_pair
from kldeval.data.readers import read_size
from kldeval.data.readers.stored import Stored
from kldeval.dataclass import NamedTuple, dataclass
from kldeval.engine.auxiliary import reading_and_outside, some_compares_images
from kldeval.engine.report_builder import metric_column
from kldeval.engine.worker import guarded, reading_of
from kldeval.errors import NoPartner, RefusedMap, UsageProblem, count, printable
from kldeval.executors.choice import executor_for
from kldeval.executors.local import Each
from kldeval.grammar import split_top_level
from kldeval.memory import NamedMaps
from kldeval.normalization.lazy_map import MAP
from kldeval.provenance import versions
from kldeval.records import Failure, MapPair, fixations_at
from kldeval.reports.documents import Resampling
from kldeval.reports.learning_curves import (
    CHANCE,
    GOLD,
    HALVES,
    LEFT_OUT,
    ImageCurve,
    LearningCurve,
    LearningCurves,
    curve_of,
)
from kldeval.scoring.context import NO_CONTEXT, DatasetContext
from kldeval.scoring.leave_one_out import Kernel, LeaveOneOutDensity
from kldeval.scoring.observer_curves import CurvePlan, Scorers, image_curve, uniform_map
from kldeval.scoring.observers import BANDWIDTHS, UNIFORMS, ObserverFixations, best_kernels, predictive_bits
from kldeval.scoring.reference_models import has_references
from kldeval.settings.auxiliary import BASELINES, context_text, with_context
from kldeval.settings.build import make_settings
from kldeval.settings.signature import signatures
from kldeval.urls import displayed, is_url

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from kldeval.arrays import NumpyArray as Array
    from kldeval.data.fixations.collection import FixationSource
    from kldeval.data.load import Reading
    from kldeval.memory import MapFile, MapFolder
    from kldeval.run_options import Progress, RunOptions
    from kldeval.scoring.observers import Shape
    from kldeval.settings.settings import Settings

OF_FIXATIONS, OF_MAPS = "ig,nss,auc", "kld,cc,sim"
"""The metrics where none is named; the latter with a sigma alone."""


class CurvesRequest(NamedTuple):
    """What is asked: texts of settings (metric, pred_norm, resize, color, fixation_...), and how curves are made.

    `counts` are the numbers of observers, None: powers of two. `size` is one (height, width) for all images, `like`
    maps that have their sizes.
    """

    texts: Mapping[str, str | None]
    counts: tuple[int, ...] | None = None
    draws: int = 1
    seed: int = 0
    sigma: float | None = None
    chance: str = "uniform"
    size: Shape | None = None
    like: MapFolder | None = None
    resamples: int = 10_000
    confidence: float = 0.95
    extrapolates: bool = False

    @property
    def resampling(self) -> Resampling:
        """How intervals are drawn."""
        return Resampling(self.resamples, self.seed, self.confidence)


def learning_curves(
    models: Mapping[str, MapFolder],
    fixations: MapFolder,
    asked: CurvesRequest,
    request: RunOptions,
    progress: Progress | None = None,
) -> LearningCurves:
    """The curves of every metric, over the same images for every number of observers and every model.

    Raises:
        UsageProblem: what is asked makes no sense together, or no image has enough observers.
    """
    settings = settings_of_curves(asked)
    _check_names(models)
    executor = executor_for(request)
    files = {name: _files(folder, request) for name, folder in models.items()}
    like = {} if asked.like is None else _files(asked.like, request)
    seeing, doubts = _seeing(fixations, asked, request, {**like, **next(iter(files.values()), {})})
    names = seeing.source.names[: request.limit]
    observed_all, failures = _parted(executor.map(Each(seeing), names))
    if failures and not observed_all:
        msg = f"the observers of no image are known: {failures[0].name}: {failures[0].message}"
        raise UsageProblem(msg)
    kept, plan, left_out = _with_enough_observers(observed_all, settings, asked)
    kernels = _Kernels(executor.map(Each(_Fitting(plan)), kept), plan)
    context, described = _context(observed_all, settings, asked)
    work = _Measuring(plan, settings, context, asked.chance, files, reading_of(settings, request))
    measured = []
    for found in executor.map(Each(work), [(observed, kernels.of(place)) for place, observed in enumerate(kept)]):
        measured.append(found)
        if progress:
            progress(found, len(kept))
    images, refused = _parted(measured)
    if kept and not images:
        msg = f"no image could be scored: {refused[0].name}: {refused[0].message}"
        raise UsageProblem(msg)
    return LearningCurves(
        curves=tuple(_curves(settings, described, plan, images, kernels, asked)),
        models=tuple(models),
        chance=asked.chance,
        sigma=asked.sigma,
        statistics=_statistics(asked),
        images=tuple(images),
        failures=tuple(sorted((*failures, *refused), key=lambda one: one.name)),
        provenance={
            **versions(),
            "fixations": displayed(fixations),
            "pred": {name: displayed(path) for name, path in models.items()},
        },
        notes=(*doubts, *_single_notes(files, len(kept)), *_notes(images, kept, left_out, kernels)),
    )


def _check_names(models: Iterable[str]) -> None:
    """Refuse models that are called as the ends of the way between which they are measured.

    Raises:
        UsageProblem: naming it.
    """
    taken = next((name for name in models if name in (GOLD, CHANCE)), None)
    if taken is not None:
        msg = f"a model cannot be called {taken}, as what it is measured between is; give it another name (--name)"
        raise UsageProblem(msg)


def settings_of_curves(asked: CurvesRequest) -> Settings:
    """The settings of the metrics.

    Raises:
        UsageProblem: a metric has no curve, or lacks its sigma; chance, counts or draws mean nothing.
    """
    chance = BASELINES.parse(asked.chance)
    if chance.name not in ("uniform", "others"):
        msg = f"--chance {asked.chance}: chance is uniform, or others (the fixations on all other images)"
        raise UsageProblem(msg)
    if asked.sigma is not None and not 0 < asked.sigma < float("inf"):
        msg = f"--sigma {asked.sigma:g}: the standard deviation of a Gaussian is above 0"
        raise UsageProblem(msg)
    if asked.draws < 1:
        msg = f"--draws {asked.draws}: at least 1"
        raise UsageProblem(msg)
    if asked.counts is not None and (not asked.counts or min(asked.counts) < 1):
        msg = f"--counts {','.join(map(str, asked.counts))}: numbers of observers, 1 or more"
        raise UsageProblem(msg)
    metric = asked.texts.get("metric") or (OF_FIXATIONS if asked.sigma is None else f"{OF_FIXATIONS},{OF_MAPS}")
    texts = {**asked.texts, "metric": metric}
    beside = {"baseline": ("ig", "ig-mit"), "other_map": ("auc-shuffled",)}
    words = {"baseline": asked.chance, "other_map": "others"}
    named = {part.strip().partition("(")[0] for part in split_top_level(metric, ",")}
    texts |= {name: words[name] for name, metrics in beside.items() if not named.isdisjoint(metrics)}
    plain = make_settings(texts)
    without = [call.name for call in plain.metrics if not has_references(call)]
    if plain.is_labels or without or plain.axes != MAP or plain.reduction != "slices":
        what = ", ".join(without) or "these settings"
        msg = f"{what}: curves are of metrics of whole maps, such as nss, auc, ig and kld"
        raise UsageProblem(msg)
    of_maps = [call.name for call in plain.metrics if call not in plain.on("fixations").values()]
    if of_maps and asked.sigma is None:
        msg = f"{of_maps[0]} needs the Gaussian of the ground truths that halves of the observers make: --sigma PIXELS"
        raise UsageProblem(msg)
    if asked.sigma is not None and not of_maps:
        msg = f"--sigma {asked.sigma:g} has no effect: none of the metrics is of ground-truth maps"
        raise UsageProblem(msg)
    return plain


def _files(folder: MapFolder, request: RunOptions) -> dict[str, MapFile]:
    """The maps of a folder by name, or the one map of a file.

    Raises:
        UsageProblem: there is none, or two have one name.
    """
    if isinstance(folder, NamedMaps):
        return dict(folder.maps)
    if not folder.is_dir():
        if not folder.exists():
            why = (
                "is at a URL: models are read here from this machine, copy them" if is_url(folder) else "does not exist"
            )
            msg = f"{printable(folder)} {why}"
            raise UsageProblem(msg)
        return {"": folder}
    namer = auxiliary_namer(request.pred_name, "--pred-name")
    found: defaultdict[str, list[MapFile]] = defaultdict(list)
    for relative in list_folder(folder).maps:
        name = namer(relative)
        if name is not None and not is_excluded(relative, request.exclude):
            found[name].append(folder / relative)
    twice = next((files for files in found.values() if len(files) > 1), None)
    if twice or not found:
        msg = (
            f"{printable(folder)} holds no map"
            if twice is None
            else f"{' and '.join(map(printable, twice))} have one name; keep one"
        )
        raise UsageProblem(msg)
    return {name: files[0] for name, files in found.items()}


def _map_of(files: Mapping[str, MapFile], name: str) -> MapFile | None:
    """The map of an image; a single file, such as a centre prior, stands for those of all."""
    return files.get(name, files.get(""))


@dataclass(frozen=True, slots=True)
class _Seeing:
    """Reads the observers of an image."""

    source: FixationSource
    sizes: Mapping[str, MapFile]
    size: Shape | None
    drops_outside: bool
    max_pixels: int

    def __call__(self, name: str) -> ObserverFixations | Failure:
        return guarded(partial(self._observed, name), name)

    def lost(self, name: str, reason: str) -> Failure:
        """The failure of an image whose fixations ended the process that read them."""
        return Failure(name, "load", f"the fixations on {printable(name)}: {reason}", "ended-process")

    def size_of(self, name: str) -> Shape | None:
        """The size of an image that its fixations do not tell."""
        file = _map_of(self.sizes, name)
        return self.size or (None if file is None else read_size(file, max_pixels=self.max_pixels))

    def _observed(self, name: str) -> ObserverFixations:
        points = self.source.of(name)
        said = self.source.reading.size is None and points.shape
        shape = said or self.size_of(name)
        if shape is None:
            ways = "say it with --size WIDTHxHEIGHT, or --like DIR with a map of its name"
            msg = f"the size of the image is unknown: {ways}"
            raise RefusedMap(msg)
        within, outside = self.source.reading.placed(points, shape).inside(shape)
        if outside and not self.drops_outside:
            ways = "leave them out with --fixation-outside drop, or move them to the border with clip"
            msg = f"{outside}; check --fixation-base and the size, {ways}"
            raise RefusedMap(msg, code="fixations-outside")
        return ObserverFixations.of(name, within, shape)


def _seeing(
    fixations: MapFolder,
    asked: CurvesRequest,
    request: RunOptions,
    sizes: Mapping[str, MapFile],
) -> tuple[_Seeing, tuple[str, ...]]:
    """What reads the observers, and what is doubtful of where they looked."""
    reading, outside = reading_and_outside(asked.texts)
    source = open_fixations(fixations, reading, auxiliary_namer(request.fixations_name, "--fixations-name"))
    pixels = request.max_pixels or reading.max_pixels
    seeing = _Seeing(source, sizes, asked.size, outside == "drop", pixels)
    return seeing, tuple(check_positions(source, seeing.size_of))


def _parted(found: Iterable[Any]) -> tuple[list[Any], list[Failure]]:
    every = list(found)
    return [one for one in every if not isinstance(one, Failure)], [one for one in every if isinstance(one, Failure)]


def _with_enough_observers(
    observed_all: Sequence[ObserverFixations], settings: Settings, asked: CurvesRequest
) -> tuple[list[ObserverFixations], CurvePlan, list[ObserverFixations]]:
    """The images with enough observers for every row, the numbers of observers, and the other images.

    Raises:
        UsageProblem: no image has two observers, or as many as are asked for.
    """
    several = [observed for observed in observed_all if len(observed.observers) > 1]
    if not several:
        found = (
            "there are none"
            if not observed_all
            else f"{observed_all[0].name!r} has {count(len(observed_all[0].observers), 'observer')}"
        )
        msg = f"observers predict each other, so two are needed on an image; {found}"
        raise UsageProblem(msg)
    sizes = [len(observed.observers) for observed in several]
    most = min(sizes) if asked.counts is None else max(sizes)
    fixated = bool(settings.on("fixations"))
    limits = most - 1 if fixated else 0, most // 2 if len(settings.metrics) > len(settings.on("fixations")) else 0
    left_out, halves = (_counts(asked.counts, limit) for limit in limits)
    beyond = [n for n in asked.counts or () if n > max(limits)]
    if beyond:
        rest = f"{most - 1} of them predict one other" if fixated else f"{most // 2} of them predict as many"
        msg = f"--counts {beyond[0]}: no image has more than {most} observers, so at most {rest}"
        raise UsageProblem(msg)
    needed = max(max(left_out, default=0) + 1, 2 * max(halves, default=0))
    kept = [observed for observed in several if len(observed.observers) >= needed]
    plan = CurvePlan(left_out, halves, asked.draws, asked.seed, asked.sigma)
    return kept, plan, [observed for observed in observed_all if len(observed.observers) < max(needed, 2)]


def _counts(asked: tuple[int, ...] | None, limit: int) -> tuple[int, ...]:
    """The numbers of observers up to a limit: those asked for, or powers of two and the limit itself.

    >>> _counts(None, 11), _counts((3, 1, 20), 11), _counts(None, 0)
    ((1, 2, 4, 8, 11), (1, 3), ())
    """
    if asked is not None:
        return tuple(sorted({n for n in asked if n <= limit}))
    return tuple(sorted({*(2**power for power in range(limit.bit_length())), limit})) if limit else ()


@dataclass(frozen=True, slots=True)
class _Fitting:
    """How well every kernel lets n observers of an image predict another one, for each n."""

    plan: CurvePlan

    def __call__(self, observed: ObserverFixations) -> Array:
        return predictive_bits(observed, [self.plan.left_out_splits(observed, n) for n in every_count(self.plan)])


def every_count(plan: CurvePlan) -> list[int]:
    """The numbers of observers of all rows."""
    return sorted({*plan.left_out, *plan.halves})


class _Kernels:
    """For each number of observers the kernel that predicts best on all other images, and on all."""

    def __init__(self, tables: Iterable[Array], plan: CurvePlan) -> None:
        self._tables = np.stack(list(tables))
        self._total = self._tables.sum(axis=0)
        self._counts = every_count(plan)

    def of(self, place: int) -> dict[int, Kernel]:
        """The kernels that an image is scored with, in which it has no part, unless it is the only one."""
        rest = self._total - self._tables[place] if len(self._tables) > 1 else self._total
        return dict(zip(self._counts, best_kernels(rest), strict=True))

    @property
    def of_all(self) -> dict[int, tuple[float, float]]:
        """The bandwidth and the uniform part that all images together give."""
        found = best_kernels(self._total)
        return {n: (one.bandwidth, one.uniform) for n, one in zip(self._counts, found, strict=True)}


def _context(
    observed_all: Sequence[ObserverFixations], settings: Settings, asked: CurvesRequest
) -> tuple[DatasetContext, str]:
    """The fixations on other images, where a metric or chance is of these, and what signatures say of them."""
    chance = BASELINES.parse(asked.chance)
    if chance.name != "others" and not some_compares_images(settings):
        return NO_CONTEXT, ""
    known = {one.name: fixations_at(one.rows, one.cols, one.counts, shape=one.shape) for one in observed_all}
    others, described = OtherFixations(known), ""
    if some_compares_images(settings):
        described = context_text(known.values())
    if chance.name != "others":
        return DatasetContext(others), described
    kernel = Kernel(**{**BASELINES["others"].defaults, **chance.keywords})
    return DatasetContext(others, LeaveOneOutDensity(others, kernel)), described


@dataclass(frozen=True, slots=True)
class _Measuring:
    """Scores what observers tell, chance and the models on an image."""

    plan: CurvePlan
    settings: Settings
    context: DatasetContext
    chance: str
    files: Mapping[str, Mapping[str, MapFile]]
    reading: Reading

    def __call__(self, item: tuple[ObserverFixations, Mapping[int, Kernel]]) -> ImageCurve | Failure:
        observed, kernels = item
        return guarded(partial(self._curve, observed, kernels), observed.name, stage="score")

    def lost(self, item: tuple[ObserverFixations, Mapping[int, Kernel]], reason: str) -> Failure:
        """The failure of an image whose map ended the process that read it."""
        return Failure(item[0].name, "load", f"a map of {printable(item[0].name)}: {reason}", "ended-process")

    def _curve(self, observed: ObserverFixations, kernels: Mapping[int, Kernel]) -> ImageCurve:
        is_uniform = BASELINES.parse(self.chance).name == "uniform"
        chance = (
            uniform_map(observed)
            if is_uniform
            else tied(self.context.density_of_others(observed.name, observed.shape, None))
        )
        maps = {CHANCE: MapPair(observed.name, chance, chance, shape=observed.shape)}
        for model, files in self.files.items():
            maps[model] = self._prediction(model, files, observed)
        return image_curve(observed, kernels, maps, self.plan, Scorers(self.settings, self.context))

    def _prediction(self, model: str, files: Mapping[str, MapFile], observed: ObserverFixations) -> MapPair:
        file = _map_of(files, observed.name)
        if file is None:
            msg = f"{model} has no map for {observed.name!r}"
            raise NoPartner(msg)
        pred = load_map(file, self.reading, role="pred")
        blank = np.zeros(observed.shape)
        pair = sized_pair(observed.name, pred, Loaded(Stored(blank), blank), self.reading.resize, self.reading.logs)
        if pair.shape != observed.shape:
            msg = f"{printable(file)} is resized to {pair.shape}, the image is {observed.shape} (height, width)"
            raise RefusedMap(msg, code="size-mismatch")
        return pair


def _curves(
    settings: Settings,
    described: str,
    plan: CurvePlan,
    images: Sequence[ImageCurve],
    kernels: _Kernels,
    asked: CurvesRequest,
) -> Iterable[LearningCurve]:
    """The curve of every metric; `described` is what signatures say of the images that each is compared with."""
    texts, fixated = signatures(with_context(settings, described)), settings.on("fixations")
    for key, call in zip(settings.keys, settings.metrics, strict=True):
        method = LEFT_OUT if key in fixated else HALVES
        about = LearningCurve(key, method, metric_column(call.name, settings), texts[key], ())
        if plan.left_out if key in fixated else plan.halves:
            yield curve_of(about, images, kernels.of_all, asked.resampling, extrapolates=asked.extrapolates)


def _statistics(asked: CurvesRequest) -> str:
    """Everything that defines the curves beside the signatures of the metrics, as text."""
    sigma = "" if asked.sigma is None else f",sigma={asked.sigma:g}"
    drawn = f"confidence={asked.confidence},resamples={asked.resamples},seed={asked.seed}"
    return f"observers(draws={asked.draws},chance={asked.chance}{sigma})|interval({drawn})|unit:maps|v:1"


def _single_notes(files: Mapping[str, Mapping[str, MapFile]], n: int) -> Iterable[str]:
    for model, held in files.items():
        if "" in held and n > 1:
            yield f"{model} is one map, which stands for those of all {n} images"


def _notes(
    images: Sequence[ImageCurve],
    kept: Sequence[ObserverFixations],
    left_out: Sequence[ObserverFixations],
    kernels: _Kernels,
) -> Iterable[str]:
    if left_out:
        needed = min(len(observed.observers) for observed in kept)
        yield (
            f"{count(len(left_out), 'image')} with too few observers left out, such as {left_out[0].name!r} with "
            f"{len(left_out[0].observers)}: every row is of the same images, which have {needed} or more"
        )
    if len(kept) == 1:
        yield "the kernels were fitted on the image that they are scored on: there is no other"
    if len(images) < len(kept):
        yield f"the kernels were fitted on {len(kept)} images, of which {len(images)} could be scored"
    edges = {
        n: one
        for n, one in kernels.of_all.items()
        if one[0] in (BANDWIDTHS[0], BANDWIDTHS[-1]) or one[1] == UNIFORMS[-1]
    }
    if edges:
        n, (bandwidth, uniform) = next(iter(edges.items()))
        yield (
            f"the kernel of {count(n, 'observer')} (bandwidth {bandwidth:g}, uniform part {uniform:g}) lies at the end "
            "of what is tried: others may predict better"
        )
