"""Several predictions scored on the same ground truths, each of which is read once.

Labels, which are small beside the class maps that predict them, are read with each prediction.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING

from kldeval.engine.around import NOWHERE, Surroundings, look_around
from kldeval.engine.cpu import cores, in_batches, in_threads
from kldeval.engine.device import Device, find_device
from kldeval.engine.run import (
    build_report,
    provenance_of,
    read_and_begin,
    read_map,
    read_with_auxiliary_scores,
    reading_of,
    settle,
)
from kldeval.engine.selection import grouped
from kldeval.engine.tasks import find_tasks
from kldeval.records import Failure, MapPair, Outcome, Pair
from kldeval.scoring.diagnostics import swapped
from kldeval.scoring.evaluator import Evaluator, PartialResult
from kldeval.scoring.plan import Plan
from kldeval.scoring.save_terms import save_scored

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from kldeval.engine.run import Request
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
    return None if reading.class_maps else read_map(first.name, first.gt, reading)
