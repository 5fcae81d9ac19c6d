"""A whole run: pairs in, a report out. Only rows of numbers are kept."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, TypeVar

from kldeval.data.dataset import MultiModelDataset, find_tasks, grouped, select
from kldeval.data.load import Loaded, Reading, load_pair
from kldeval.data.pairing import find_pairs
from kldeval.engine.auxiliary import NO_AUXILIARY, AuxiliaryContext, open_auxiliary
from kldeval.engine.device import Device, find_device
from kldeval.engine.report_builder import _saving_notes, build_report, provenance_of
from kldeval.engine.worker import (
    read_and_begin,
    read_and_score_all,
    read_map,
    read_with_auxiliary_scores,
    reading_of,
)
from kldeval.errors import MapProblem, UsageProblem, printable
from kldeval.executors.local import cores, in_batches, in_threads
from kldeval.normalization.chain import class_axis
from kldeval.records import Failure, MapPair, Outcome, Pair
from kldeval.scoring.class_maps import holds_labels
from kldeval.scoring.diagnostics import swapped
from kldeval.scoring.evaluator import Evaluator, PartialResult
from kldeval.scoring.plan import Plan
from kldeval.scoring.save_terms import save_scored
from kldeval.settings.build import as_labels
from kldeval.settings.settings import MAPS, NONE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from kldeval.reports.documents import Report
    from kldeval.run_options import RunOptions
    from kldeval.scoring.context import DatasetContext
    from kldeval.settings.settings import Settings

    Task = Mapping[str, Pair]


def run(
    pred: Path | None,
    gt: Path | None,
    settings: Settings,
    request: RunOptions,
    progress: Callable[[Outcome, int], None] | None = None,
) -> Report:
    """Score the pairs of two files or folders, or of the request's manifest, which stands for both.

    `progress` is told every outcome and the number of pairs.

    Raises:
        UsageProblem: the paths cannot be paired at all.
        MissingDependency: the device, or a package that reads the files, is not there.
    """
    device = find_device(request.device, settings)
    selection = select(pred, gt, settings, request)
    settings = resolve_settings(settings, selection.pairs, request)
    around = open_auxiliary(settings, request, selection.every, alone=selection.alone)
    outcomes = []
    for outcome in stream(selection.pairs, settings, request, device, around):
        outcomes.append(outcome)
        if progress:
            progress(outcome, len(selection.pairs))
    remarks = [*_swapped(pred, gt), *selection.notes, *around.notes, *_saving_notes(request)]
    found = [*selection.failures, *outcomes]
    return build_report(settings, found, provenance_of(pred, gt, device, request), remarks, selection.groups)


def resolve_settings(settings: Settings, pairs: Iterable[Pair], request: RunOptions) -> Settings:
    """The settings for what the ground truths hold: densities or labels.

    Raises:
        UsageProblem: they mean nothing for labels, or a table per class is asked for and there are none.
    """
    pairs = tuple(pairs)
    settled = resolve_target_kind(settings, pairs, reading_of(settings, request))
    if request.per_class and not settled.is_labels:
        msg = "--per-class is a table of the classes of labels, and these ground truths are densities; leave it out"
        raise UsageProblem(msg)
    return with_manifest_masks(settled, pairs)


def stream(
    pairs: Sequence[Pair],
    settings: Settings,
    request: RunOptions,
    device: Device,
    around: AuxiliaryContext = NO_AUXILIARY,
) -> Iterator[Outcome]:
    """The outcome of every pair, in order."""
    jobs = request.jobs or cores()
    reading = replace(reading_of(settings, request), sources=around.sources)
    evaluator = Evaluator(Plan.of(settings, per_class=request.per_class), around.context)
    if device.is_cpu:
        work = partial(read_and_score_all, evaluator=evaluator, reading=reading, save=request.save_maps)
        return in_batches(work, pairs, jobs)
    from kldeval.engine.gpu import score_in_batches

    return score_in_batches(
        pairs, evaluator, reading, device.name, jobs, batch_bytes=request.batch_bytes, save=request.save_maps
    )


def read_one(pred: Path, gt: Path, settings: Settings, request: RunOptions) -> tuple[MapPair, DatasetContext]:
    """The only pair of two files, and what is known beside it.

    Raises:
        UsageProblem: there is none, or more than one.
        MapProblem: a file cannot be read or does not fit.
    """
    pairs = find_pairs(pred, gt).pairs
    if len(pairs) != 1:
        msg = f"{pred} and {gt} hold {len(pairs)} pairs; name the two files of one"
        raise UsageProblem(msg)
    around = open_auxiliary(settings, request, pairs, alone=pred.is_file())
    return load_pair(pairs[0], replace(reading_of(settings, request), sources=around.sources)), around.context


def _swapped(pred: Path | None, gt: Path | None) -> list[str]:
    return swapped(pred, gt) if pred and gt else []


def with_manifest_masks(settings: Settings, pairs: Iterable[Pair]) -> Settings:
    """The settings under which the masks count that a manifest names.

    Raises:
        UsageProblem: there are masks beside them, or ground truths of labels, which take none.
    """
    if not any(pair.mask for pair in pairs):
        return settings
    if settings.is_labels:
        msg = "the ground truths hold labels, which take no masks: leave the column 'mask' out of the manifest"
        raise UsageProblem(msg)
    if settings.mask not in (NONE, MAPS):
        msg = "the manifest names masks already, in its column 'mask'; leave out --mask"
        raise UsageProblem(msg)
    return replace(settings, mask=MAPS)


def resolve_target_kind(settings: Settings, pairs: Iterable[Pair], reading: Reading) -> Settings:
    """The settings for densities as they are, or made for labels if the first pair that can be read holds labels.

    A ground truth of integers with the prediction's shape, but for its class axis, holds labels.

    Raises:
        UsageProblem: it does, and the request has no meaning for labels.
    """
    axis = class_axis(settings.pred)
    if settings.undecided is None or not settings.names_class_axis or axis is None:
        return settings
    for pair in pairs:
        maps = _try_loading(pair, reading)
        if maps is not None:
            found = f"{printable(pair.gt)} holds labels ({maps.gt.dtype}, shape {tuple(maps.gt.shape)})"
            return as_labels(settings, found) if holds_labels(maps, axis) else settings
    return settings


def _try_loading(pair: Pair, reading: Reading) -> MapPair | None:
    try:
        return load_pair(pair, reading)
    except (MapProblem, MemoryError):
        return None  # its outcome will say why


def run_models(
    preds: Mapping[str, Path],
    gt: Path,
    settings: Settings,
    request: RunOptions,
    progress: Callable[[Outcome, int], None] | None = None,
) -> dict[str, Report]:
    """The report of each model on all its maps; `progress` is told every outcome and the number of pairs.

    Raises:
        UsageProblem: the paths of a model cannot be paired with the ground truths at all, or maps have no group.
        MissingDependency: the device, or a package that reads the files, is not there.
    """
    device = find_device(request.device, settings)
    tasks = find_tasks(preds, gt, request)
    firsts = tuple(next(iter(task.values())) for task in tasks.pairs)
    settings = resolve_settings(settings, firsts, request)
    around = open_auxiliary(settings, request, tasks.every, alone=gt.is_file())
    groups = {pair.name: pair.group for pair in grouped(firsts, settings, request)}
    outcomes: dict[str, list[Outcome]] = {model: list(failures) for model, failures in tasks.failures.items()}
    for model, outcome in stream_models(tasks.pairs, settings, request, device, around):
        outcomes[model].append(outcome)
        if progress:
            progress(outcome, tasks.count)
    return {
        model: build_report(
            settings,
            outcomes[model],
            provenance_of(pred, gt, device, request),
            [*swapped(pred, gt), *tasks.model_notes[model], *tasks.shared_notes, *around.notes],
            groups,
        )
        for model, pred in preds.items()
    }


def stream_models(
    tasks: Sequence[Task],
    settings: Settings,
    request: RunOptions,
    device: Device,
    around: AuxiliaryContext = NO_AUXILIARY,
) -> Iterator[tuple[str, Outcome]]:
    """The outcome of every pair with its model, task by task, in order."""
    models = (model for task in tasks for model in task)
    jobs = request.jobs or cores()
    reading = replace(reading_of(settings, request), sources=around.sources)
    evaluator = Evaluator(Plan.of(settings, per_class=request.per_class), around.context)
    if device.is_cpu:
        score = partial(_score, evaluator=evaluator, reading=reading, save=request.save_maps)
        yield from zip(models, in_batches(score, tasks, jobs), strict=True)
        return
    from kldeval.engine.gpu import score_loaded

    read_all = partial(_read, evaluator=evaluator, reading=reading)
    loaded = chain.from_iterable(in_threads(read_all, tasks, jobs))
    scored = score_loaded(loaded, evaluator, device.name, batch_bytes=request.batch_bytes)
    for model, (maps, outcome) in zip(models, scored, strict=True):
        save_scored(request.save_maps and request.save_maps / model, maps, outcome, evaluator.plan)
        yield model, outcome


def _score(tasks: Sequence[Task], evaluator: Evaluator, reading: Reading, save: Path | None) -> list[Outcome]:
    return evaluator.finish([one for task in tasks for one in _begin(task, evaluator, reading, save)])


def _begin(task: Task, evaluator: Evaluator, reading: Reading, save: Path | None) -> list[Outcome | PartialResult]:
    gt = _ground_truth(task, reading)
    if isinstance(gt, Failure):
        return [gt] * len(task)
    evaluators = _evaluators(task, evaluator)
    return [read_and_begin(pair, evaluators[model], reading, save and save / model, gt) for model, pair in task.items()]


def _read(task: Task, evaluator: Evaluator, reading: Reading) -> list[MapPair | Failure]:
    gt = _ground_truth(task, reading)
    if isinstance(gt, Failure):
        return [gt] * len(task)
    evaluators = _evaluators(task, evaluator)
    return [read_with_auxiliary_scores(pair, evaluators[model], reading, gt) for model, pair in task.items()]


def _evaluators(task: Task, evaluator: Evaluator) -> dict[str, Evaluator]:
    """The evaluator for each model: references are the same for all, so they are scored with the first alone."""
    first, *others = task
    return {first: evaluator, **dict.fromkeys(others, evaluator.without_references())}


def _ground_truth(task: Task, reading: Reading) -> Loaded | Failure | None:
    first = next(iter(task.values()))
    return None if reading.class_maps else read_map(first, "gt", reading)


T = TypeVar("T")
Looked = TypeVar("Looked")


def outcomes(
    tasks: MultiModelDataset, settings: Settings, request: RunOptions, look: Look[Looked], finish: Finish[Looked, T]
) -> Iterator[tuple[str, T | Failure]]:
    """What becomes of every pair, with its model, in order.

    `look` is told each pair as it is decoded; `finish` makes results of what it saw of several pairs, one for each.
    """
    work = partial(_on_tasks, reading=reading_of(settings, request), look=look, finish=finish)
    return in_batches(work, tasks.pairs, request.jobs or cores())


def _on_tasks(
    tasks: Sequence[Mapping[str, Pair]], reading: Reading, look: Look[Looked], finish: Finish[Looked, T]
) -> list[tuple[str, T | Failure]]:
    seen = [one for pairs in tasks for one in _on_task(pairs, reading, look)]
    finished = iter(finish([found for _, found in seen if not isinstance(found, Failure)]))
    return [(model, found if isinstance(found, Failure) else next(finished)) for model, found in seen]


def _on_task(pairs: Mapping[str, Pair], reading: Reading, look: Look[Looked]) -> list[tuple[str, Looked | Failure]]:
    first = next(iter(pairs.values()))
    gt = read_map(first, "gt", reading)
    if isinstance(gt, Failure):
        return [(model, gt) for model in pairs]
    return [(model, _on_pair(pair, gt, reading, look)) for model, pair in pairs.items()]


def _on_pair(pair: Pair, gt: Loaded, reading: Reading, look: Look[Looked]) -> Looked | Failure:
    pred = read_map(pair, "pred", reading)
    return pred if isinstance(pred, Failure) else look(pair, pred, gt)


if TYPE_CHECKING:
    Look = Callable[[Pair, Loaded, Loaded], Looked]
    Finish = Callable[[Sequence[Looked]], Iterable[T]]
