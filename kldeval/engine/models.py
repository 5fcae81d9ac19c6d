"""Several predictions of the same ground truths: each ground truth is read once, for all its predictions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING

from kldeval.diagnosis import swapped
from kldeval.engine.cpu import cores, in_order
from kldeval.engine.device import Device, find_device
from kldeval.engine.pixelwise import save_scored
from kldeval.engine.run import build_report, provenance_of, read, read_and_score, read_gt, reading_of
from kldeval.engine.selection import grouped, select
from kldeval.records import Failure, MapPair, Pair

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from kldeval.engine.run import Request
    from kldeval.engine.scoring import Outcome
    from kldeval.engine.selection import Selection
    from kldeval.inputs.load import Reading
    from kldeval.results.report import Report
    from kldeval.settings import Settings


@dataclass(frozen=True, slots=True)
class Task:
    """One ground truth and its prediction by every model that has one."""

    name: str
    pairs: Mapping[str, Pair]


def run_models(
    preds: Mapping[str, Path],
    gt: Path,
    settings: Settings,
    request: Request,
    progress: Callable[[Outcome, int], None] | None = None,
) -> dict[str, Report]:
    """The report of each model on all its maps; `progress` is told every outcome and the number of pairs.

    Raises:
        UsageProblem: the paths of a model cannot be paired with the ground truths at all.
        MissingDependency: the device, or a package that reads the files, is not there.
    """
    device = find_device(request.device, settings)
    selections = {model: _select(pred, gt, settings, request) for model, pred in preds.items()}
    tasks = _tasks(selections, settings, request)
    flat = [model for task in tasks for model in task.pairs]
    outcomes: dict[str, list[Outcome]] = {model: list(selection.failures) for model, selection in selections.items()}
    for model, outcome in zip(flat, stream_models(tasks, settings, request, device), strict=True):
        outcomes[model].append(outcome)
        if progress:
            progress(outcome, len(flat))
    groups = {task.name: pair.group for task in tasks for pair in task.pairs.values()}
    limited = _limit_note(selections, tasks)
    return {
        model: build_report(
            settings,
            outcomes[model],
            provenance_of(pred, gt, device, request),
            [*swapped(pred, gt), *selections[model].notes, *limited],
            groups,
        )
        for model, pred in preds.items()
    }


def stream_models(tasks: Sequence[Task], settings: Settings, request: Request, device: Device) -> Iterator[Outcome]:
    """The outcome of every pair, task by task, models in the order of each task."""
    jobs = request.jobs or cores()
    reading = reading_of(settings, request)
    if device.is_cpu:
        score = partial(_score, settings=settings, reading=reading, save=request.save_maps)
        return chain.from_iterable(in_order(score, tasks, jobs))
    return _in_batches(tasks, settings, reading, device, jobs, request.save_maps)


def _in_batches(
    tasks: Sequence[Task], settings: Settings, reading: Reading, device: Device, jobs: int, save: Path | None
) -> Iterator[Outcome]:
    from kldeval.engine.gpu import score_loaded

    models = (model for task in tasks for model in task.pairs)
    loaded = chain.from_iterable(in_order(partial(_read, reading=reading), tasks, jobs))
    for model, (maps, outcome) in zip(models, score_loaded(loaded, settings, device.name), strict=True):
        save_scored(save and save / model, maps, outcome, settings)
        yield outcome


def _select(pred: Path, gt: Path, settings: Settings, request: Request) -> Selection:
    """The pairs of one model; of two files the name is the ground truth's, which all models share."""
    selection = select(pred, gt, replace(settings, maps="mean"), replace(request, limit=None, group_by=None))
    if pred.is_dir():
        return selection
    return replace(selection, pairs=tuple(replace(pair, name=gt.stem) for pair in selection.pairs))


def _tasks(selections: Mapping[str, Selection], settings: Settings, request: Request) -> list[Task]:
    by_name: dict[str, dict[str, Pair]] = {}
    for model, selection in selections.items():
        for pair in selection.pairs:
            by_name.setdefault(pair.name, {})[model] = pair
    names = sorted(by_name)[: request.limit]
    groups = {
        pair.name: pair.group
        for pair in grouped(tuple(next(iter(by_name[name].values())) for name in names), settings, request)
    }
    return [
        Task(name, {model: replace(pair, group=groups[name]) for model, pair in by_name[name].items()})
        for name in names
    ]


def _limit_note(selections: Mapping[str, Selection], tasks: Sequence[Task]) -> list[str]:
    names = {pair.name for selection in selections.values() for pair in selection.pairs}
    if len(tasks) == len(names):
        return []
    return [f"only the first {len(tasks)} of {len(names)} pairs were scored (--limit)"]


def _score(task: Task, settings: Settings, reading: Reading, save: Path | None) -> list[Outcome]:
    gt = read_gt(next(iter(task.pairs.values())), reading)
    if isinstance(gt, Failure):
        return [gt] * len(task.pairs)
    return [read_and_score(pair, settings, reading, save and save / model, gt) for model, pair in task.pairs.items()]


def _read(task: Task, reading: Reading) -> list[MapPair | Failure]:
    gt = read_gt(next(iter(task.pairs.values())), reading)
    if isinstance(gt, Failure):
        return [gt] * len(task.pairs)
    return [read(pair, reading, gt) for pair in task.pairs.values()]
