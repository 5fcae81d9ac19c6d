"""A whole run: pairs in, a report out. Only rows of numbers are kept."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from kldeval.diagnosis import notes, swapped
from kldeval.engine.around import NOWHERE, Surroundings, look_around
from kldeval.engine.cpu import LocalPool, ThreadPool, cores
from kldeval.engine.device import Device, find_device
from kldeval.engine.ground_truth import decided
from kldeval.engine.origin import with_origin
from kldeval.engine.selection import ONLY, masked, select, select_models
from kldeval.engine.versions import versions
from kldeval.engine.worker import Decoding, Scoring, TaskWork
from kldeval.errors import UsageProblem
from kldeval.inputs.load import Reading, load_pair
from kldeval.inputs.pairing import find_pairs
from kldeval.metrics.registry import METRICS
from kldeval.records import Failure, Pair, Score, Skipped
from kldeval.results.classes import summarise_classes
from kldeval.results.references import reference_notes, summarise_references
from kldeval.results.report import Column, Report
from kldeval.results.summary import summarise_groups, summarise_means, summarise_scores
from kldeval.signature import short_signature, signatures

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from kldeval.engine.context import Context
    from kldeval.engine.scoring import Outcome
    from kldeval.engine.selection import Selection
    from kldeval.engine.worker import Answer, PairWork
    from kldeval.executors.protocol import Executor
    from kldeval.records import MapPair
    from kldeval.settings import Settings


T = TypeVar("T")

_UNGROUPED: dict[str, str] = {}


class Request(NamedTuple):
    """What a run is asked for beside the settings: nothing here moves a number that the settings do not describe.

    `baseline`, `fixations`, `mask`, `other_map` and `weights` are where the files are that the settings tell of.
    `baselines` asks for reference rows, of which `ceiling` says how the observers' density is made.
    A named tuple, because a dataclass of so many fields takes 1.6 ms to make.
    """

    manifest: Path | None = None
    pred_name: str | None = None
    gt_name: str | None = None
    exclude: tuple[str, ...] = ()
    group_by: str | None = None
    fixations: Path | None = None
    baselines: bool = False
    ceiling: str | None = None
    baseline: Path | None = None
    other_map: Path | None = None
    mask: Path | None = None
    weights: Path | None = None
    allow_missing: bool = False
    allow_extra: bool = False
    limit: int | None = None
    key: str | None = None
    max_pixels: int | None = None
    device: str = "auto"
    jobs: int | None = None
    batch_bytes: int | None = None
    save_maps: Path | None = None
    per_class: bool = False


def outcomes(dataset: Selection, pairs: PairWork[Any, T], reading: Reading, executor: Executor) -> Iterator[Answer]:
    """What becomes of every pair of a dataset, with its model and its name, in order: the one loop of all commands.

    A pair whose pixelwise terms cannot be saved has two answers.
    """
    work: TaskWork[Any, T] = TaskWork(pairs, reading)
    return executor.map(work, dataset.tasks)


def run(
    pred: Path | None,
    gt: Path | None,
    settings: Settings,
    request: Request,
    progress: Callable[[object, int], None] | None = None,
) -> Report:
    """Score the pairs of two files or folders, or of the request's manifest, which stands for both.

    `progress` is told every outcome and the number of pairs.

    Raises:
        UsageProblem: the paths cannot be paired at all.
        MissingDependency: the device, or a package that reads the files, is not there.
    """
    device = find_device(request.device, settings)
    dataset = select(pred, gt, settings, request)
    (report,) = _reports(dataset, {ONLY: (pred, gt)}, settings, request, device, progress)
    return report


def run_models(
    preds: Mapping[str, Path],
    gt: Path,
    settings: Settings,
    request: Request,
    progress: Callable[[object, int], None] | None = None,
) -> dict[str, Report]:
    """The report of each model on all its maps; each ground truth is read once.

    `progress` is told every outcome and the number of pairs.

    Raises:
        UsageProblem: the paths of a model cannot be paired with the ground truths at all, or maps have no group.
        MissingDependency: the device, or a package that reads the files, is not there.
    """
    device = find_device(request.device, settings)
    dataset = select_models(preds, gt, settings, request)
    sides = {model: (pred, gt) for model, pred in preds.items()}
    reports = _reports(dataset, sides, settings, request, device, progress)
    return dict(zip(preds, reports, strict=True))


def _reports(
    dataset: Selection,
    sides: Mapping[str, tuple[Path | None, Path | None]],
    settings: Settings,
    request: Request,
    device: Device,
    progress: Callable[[object, int], None] | None,
) -> list[Report]:
    """The report of each model."""
    settings = settle(settings, dataset.firsts, request)
    around = look_around(settings, request, dataset.every, alone=dataset.alone)
    found: dict[str, list[Outcome]] = {model: list(dataset.failures.get(model, ())) for model in sides}
    for answer in stream(dataset, settings, request, device, around):
        found[answer.model].append(answer.outcome)
        if progress:
            progress(answer.outcome, dataset.count)
    return [
        build_report(
            settings,
            found[model],
            provenance_of(pred, gt, device, request),
            [*_swapped(pred, gt), *dataset.notes_of(model), *around.notes, *_saving_notes(request)],
            dataset.groups,
        )
        for model, (pred, gt) in sides.items()
    ]


def settle(settings: Settings, pairs: Iterable[Pair], request: Request) -> Settings:
    """The settings for what the ground truths hold: densities or labels.

    Raises:
        UsageProblem: they mean nothing for labels, or a table per class is asked for and there are none.
    """
    pairs = tuple(pairs)
    settled = decided(settings, pairs, reading_of(settings, request))
    if request.per_class and not settled.is_labels:
        msg = "--per-class is a table of the classes of labels, and these ground truths are densities; leave it out"
        raise UsageProblem(msg)
    return masked(settled, pairs)


def stream(
    dataset: Selection, settings: Settings, request: Request, device: Device, around: Surroundings = NOWHERE
) -> Iterator[Answer]:
    """The outcome of every pair with its model, in order, from the cores of this machine or an accelerator."""
    jobs = request.jobs or cores()
    reading = replace(reading_of(settings, request), sources=around.sources)
    if device.is_cpu:
        scoring = Scoring(settings, reading, around.context, request.save_maps, request.per_class)
        return outcomes(dataset, scoring, reading, LocalPool(jobs))
    from kldeval.engine.gpu import score_on_device

    decoded = outcomes(dataset, Decoding(settings, reading, around.context), reading, ThreadPool(jobs))
    return score_on_device(decoded, settings, request, device.name)


def reading_of(settings: Settings, request: Request) -> Reading:
    """How files are read, of which the settings say a part and the request the rest."""
    reading = Reading(
        color=settings.color,
        resize=settings.resize,
        key=request.key,
        class_maps=settings.names_class_axis,
        labels=settings.is_labels,
    )
    return replace(reading, max_pixels=request.max_pixels) if request.max_pixels else reading


def read_one(pred: Path, gt: Path, settings: Settings, request: Request) -> tuple[MapPair, Context]:
    """The only pair of two files, and what is known beside it.

    Raises:
        UsageProblem: there is none, or more than one.
        MapProblem: a file cannot be read or does not fit.
    """
    pairs = find_pairs(pred, gt).pairs
    if len(pairs) != 1:
        msg = f"{pred} and {gt} hold {len(pairs)} pairs; name the two files of one"
        raise UsageProblem(msg)
    around = look_around(settings, request, pairs, alone=pred.is_file())
    return load_pair(pairs[0], replace(reading_of(settings, request), sources=around.sources)), around.context


def build_report(
    settings: Settings,
    outcomes: Iterable[Outcome],
    provenance: dict[str, Any],
    extra_notes: Iterable[str] = (),
    groups: Mapping[str, str] = _UNGROUPED,
) -> Report:
    """The report of a run's outcomes; `groups` has the group of every map, where maps have groups."""
    outcomes = list(outcomes)
    keys = settings.keys if settings.reduction != "none" else ()
    scores = tuple(sorted((item for item in outcomes if isinstance(item, Score)), key=lambda item: item.name))
    failures = sorted((item for item in outcomes if isinstance(item, Failure)), key=lambda item: item.name)
    skipped = sum(isinstance(item, Skipped) for item in outcomes)
    remarks = Counter(remark for item in scores for remark in item.remarks)
    said = [*extra_notes, *notes(settings, remarks, len(scores))]
    said += [f"{skipped} maps with an all-zero ground truth were skipped (--empty-gt skip)"] if skipped else []
    scores = tuple(replace(item, remarks=(), group=groups.get(item.name, "")) for item in scores)
    settings, made_notes = with_origin(settings, scores)
    by_group = summarise_groups(keys, scores)
    return Report(
        signatures(settings),
        short_signature(settings),
        provenance,
        summarise_means(keys, by_group) if settings.maps == "groups" else summarise_scores(keys, scores),
        {key: _column(call.name, settings) for key, call in zip(settings.keys, settings.metrics, strict=True)},
        tuple(replace(score, classes={}, made=None) for score in scores),
        tuple(failures),
        (*said, *made_notes, *reference_notes(scores)),
        classes=summarise_classes(settings.keys, scores, sums=settings.reduction == "sum"),
        groups=by_group,
        references=summarise_references(scores, over_groups=settings.maps == "groups"),
    )


_UNITS = {"e": "nats", "2": "bits", "10": "bans"}


def _column(metric: str, settings: Settings) -> Column:
    if settings.is_labels:
        from kldeval.metrics.on_labels import LABEL_METRICS

        info = LABEL_METRICS[metric].info
    else:
        info = METRICS[metric].info
    return Column(_UNITS[settings.base] if info.unit == "nats" else info.unit, info.best)


def _swapped(pred: Path | None, gt: Path | None) -> list[str]:
    return swapped(pred, gt) if pred and gt else []


def _saving_notes(request: Request) -> Iterator[str]:
    if request.save_maps:
        yield f"the pixelwise terms of every metric were written to {request.save_maps}"


def provenance_of(pred: Path | None, gt: Path | None, device: Device, request: Request) -> dict[str, Any]:
    """What may move the last bits of a number, or says where it came from."""
    return {
        **versions(),
        "device": device.label,
        "jobs": request.jobs or cores(),
        **({"manifest": str(request.manifest)} if request.manifest else {"pred": str(pred), "gt": str(gt)}),
        **({"group_by": request.group_by} if request.group_by else {}),
    }
