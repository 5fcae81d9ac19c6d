"""Several predictions scored on the same ground truths, each of which is read once.

Labels, which are small beside the class maps that predict them, are read with each prediction.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING

from kldeval.diagnosis import swapped
from kldeval.engine.around import NOWHERE, Surroundings, look_around
from kldeval.engine.cpu import cores, in_batches, in_threads
from kldeval.engine.device import Device, find_device
from kldeval.engine.pixelwise import save_scored
from kldeval.engine.run import (
    build_report,
    provenance_of,
    read_and_begin,
    read_map,
    read_with_company,
    reading_of,
    settle,
)
from kldeval.engine.scoring import finish
from kldeval.engine.selection import grouped
from kldeval.engine.tasks import find_tasks
from kldeval.records import Failure, MapPair, Pair

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from kldeval.engine.context import Context
    from kldeval.engine.counted import Counted
    from kldeval.engine.run import Request
    from kldeval.engine.scoring import Outcome
    from kldeval.inputs.load import Loaded, Reading
    from kldeval.results.report import Report
    from kldeval.settings import Settings

    Task = Mapping[str, Pair]


def run_models(
    preds: Mapping[str, Path],
    gt: Path,
    settings: Settings,
    request: Request,
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
    settings = settle(settings, firsts, request)
    around = look_around(settings, request, tasks.every, alone=gt.is_file())
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
    tasks: Sequence[Task], settings: Settings, request: Request, device: Device, around: Surroundings = NOWHERE
) -> Iterator[tuple[str, Outcome]]:
    """The outcome of every pair with its model, task by task, in order."""
    models = (model for task in tasks for model in task)
    jobs = request.jobs or cores()
    reading = replace(reading_of(settings, request), sources=around.sources)
    if device.is_cpu:
        score = partial(_score, settings=settings, reading=reading, save=request.save_maps, context=around.context)
        yield from zip(models, in_batches(score, tasks, jobs), strict=True)
        return
    from kldeval.engine.gpu import score_loaded

    read_all = partial(_read, settings=settings, reading=reading, context=around.context)
    loaded = chain.from_iterable(in_threads(read_all, tasks, jobs))
    scored = score_loaded(loaded, settings, device.name, batch_bytes=request.batch_bytes)
    for model, (maps, outcome) in zip(models, scored, strict=True):
        save_scored(request.save_maps and request.save_maps / model, maps, outcome, settings)
        yield model, outcome


def _score(
    tasks: Sequence[Task], settings: Settings, reading: Reading, save: Path | None, context: Context
) -> list[Outcome]:
    begun = [one for task in tasks for one in _begin(task, settings, reading, save, context)]
    return finish(begun, settings)


def _begin(
    task: Task, settings: Settings, reading: Reading, save: Path | None, context: Context
) -> list[Outcome | Counted]:
    gt = _ground_truth(task, reading)
    if isinstance(gt, Failure):
        return [gt] * len(task)
    begin = partial(read_and_begin, settings=settings, reading=reading, gt=gt)
    contexts = _contexts(task, context)
    return [begin(pair, save=save and save / model, context=contexts[model]) for model, pair in task.items()]


def _read(task: Task, settings: Settings, reading: Reading, context: Context) -> list[MapPair | Failure]:
    gt = _ground_truth(task, reading)
    if isinstance(gt, Failure):
        return [gt] * len(task)
    contexts = _contexts(task, context)
    return [read_with_company(pair, settings, reading, contexts[model], gt) for model, pair in task.items()]


def _contexts(task: Task, context: Context) -> dict[str, Context]:
    """The context for each model: references are the same for all, so they are scored with the first alone."""
    first, *others = task
    return {first: context, **dict.fromkeys(others, context.without_references())}


def _ground_truth(task: Task, reading: Reading) -> Loaded | Failure | None:
    first = next(iter(task.values()))
    return None if reading.class_maps else read_map(first.name, first.gt, reading)
