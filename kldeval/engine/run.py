"""A whole run: pairs in, a report out. Only rows of numbers are kept."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kldeval.data.dataset import ONLY, pair_up, select, select_models
from kldeval.data.inputs import Inputs
from kldeval.data.load import Reading, load_pair
from kldeval.dataclass import NamedTuple, dataclass
from kldeval.engine.auxiliary_context import NO_AUXILIARY, AuxiliaryContext, needs_auxiliary
from kldeval.engine.computing import computing
from kldeval.engine.report_builder import _saving_notes, build_report, provenance_of, shard_of
from kldeval.engine.worker import Decoding, Scoring, T, TaskWork, reading_of
from kldeval.errors import MapProblem, UsageProblem, count, printable
from kldeval.executors.choice import executor_for
from kldeval.executors.local import cores
from kldeval.normalization.chain import class_axis
from kldeval.records import Score
from kldeval.reports.collected import Outcomes, are_held
from kldeval.run_options import notes_of_part
from kldeval.scoring.diagnostics import swapped
from kldeval.scoring.evaluator import Evaluator
from kldeval.scoring.histogram import expect
from kldeval.scoring.plan import Plan
from kldeval.settings.auxiliary import with_context
from kldeval.settings.build import as_labels
from kldeval.settings.metric_options import adaptive_calls, refuse_parts
from kldeval.settings.settings import MAPS, NONE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from kldeval.data.dataset import Dataset
    from kldeval.engine.cache import CachedRun
    from kldeval.engine.device import Device
    from kldeval.engine.parts import PartsHead, PartsOfRun
    from kldeval.engine.quantiles import Edges
    from kldeval.engine.store import Store
    from kldeval.engine.worker import Answer, PairWork
    from kldeval.executors.protocol import Executor, Work
    from kldeval.memory import MapFolder, NamedMaps
    from kldeval.records import MapPair, Pair
    from kldeval.reports.documents import Report
    from kldeval.run_options import RunOptions
    from kldeval.scoring.context import DatasetContext
    from kldeval.settings.settings import Settings

    Sides = Mapping[str, tuple[MapFolder | None, MapFolder | None]]


def outcomes(dataset: Dataset, pairs: PairWork[Any, T], reading: Reading, executor: Executor) -> Iterator[Answer]:
    """What becomes of every pair of a dataset, with its model and its name, in order: the one loop of all commands.

    A pair whose pixelwise terms cannot be saved has two answers.
    """
    work: TaskWork[Any, T] = TaskWork(pairs, reading)
    expect(len(dataset.tasks))
    return executor.map(work, dataset.tasks)


def run(
    pred: MapFolder | None,
    gt: MapFolder | None,
    settings: Settings,
    request: RunOptions,
    progress: Callable[[object, int], None] | None = None,
    parts: PartsOfRun | None = None,
) -> Report:
    """Score the pairs of two files or folders, or of the request's manifest, which stands for both.

    `progress` is told every outcome and the number of pairs; the scores are written to `parts` where there are any.

    Raises:
        UsageProblem: the paths cannot be paired at all.
        MissingDependency: the device, or a package that reads the files, is not there.
    """
    dataset = select(pred, gt, settings, request)
    (report,) = run_dataset(dataset, {ONLY: (pred, gt)}, settings, request, progress, parts)
    return report


def run_models(
    preds: Mapping[str, MapFolder],
    gt: MapFolder,
    settings: Settings,
    request: RunOptions,
    progress: Callable[[object, int], None] | None = None,
) -> dict[str, Report]:
    """The report of each model on all its maps; each ground truth is read once.

    `progress` is told every outcome and the number of pairs.

    Raises:
        UsageProblem: the paths of a model cannot be paired with the ground truths at all, or maps have no group.
        MissingDependency: the device, or a package that reads the files, is not there.
    """
    dataset = select_models(preds, gt, settings, request)
    sides = {model: (pred, gt) for model, pred in preds.items()}
    reports = run_dataset(dataset, sides, settings, request, progress)
    return dict(zip(preds, reports, strict=True))


def run_blocks(
    blocks: Iterable[tuple[NamedMaps, NamedMaps, RunOptions]],
    settings: Settings,
    progress: Callable[[object, int], None] | None = None,
    parts: PartsOfRun | None = None,
) -> Report:
    """Score pairs that come in blocks, of which one is held at a time; the settings are those that the first asks for.

    The options of a block differ in what stands beside its pairs alone. A metric that compares images compares those of
    one block. The scores are written to `parts` at the end, where there are any.

    Raises:
        UsageProblem: there is no block, or as `run`.
        MissingDependency: as `run`.
    """
    refuse_parts(settings, "score them in one folder")
    found, unscored = Outcomes(), _Unscored(progress)
    head: PartsHead | None = None
    notes: dict[str, None] = {}
    group_of: Callable[[str], str] | None = None
    facts: dict[str, Any] | None = None
    for pred, gt, request in blocks:
        dataset = select(pred, gt, settings, request)
        found.extend(dataset.failures[ONLY])
        told = progress if parts is None else unscored
        scored = _scored(dataset, {ONLY: (pred, gt)}, settings, request, told, {ONLY: found})
        settings = scored.settings
        if parts is not None and head is None:
            head = scored.head((pred, gt))
            parts.check(head)
        notes |= dict.fromkeys(
            (*dataset.notes_of(ONLY), *scored.around.notes, *_saving_notes(request), *notes_of_part(request))
        )
        group_of = dataset.group_of
        facts = facts or provenance_of(pred, gt, scored.device, request, scored.elsewhere)
    if facts is None:
        msg = "there are no pairs: nothing came of what was to give them"
        raise UsageProblem(msg)
    report = build_report(settings, found, facts, notes, group_of)
    if parts is not None and head is not None:
        from kldeval.engine.parts import write_report

        write_report(report, unscored.names, head, parts)
    return report


class _Unscored:
    """The names of the maps of a run that have no score; `progress` is told what this is."""

    def __init__(self, progress: Callable[[object, int], None] | None) -> None:
        self.names: set[str] = set()
        self._progress = progress

    def __call__(self, outcome: Any, total: int) -> None:
        if not isinstance(outcome, Score):
            self.names.add(outcome.name)
        if self._progress:
            self._progress(outcome, total)


class _Scored(NamedTuple):
    """The outcomes of a dataset by model, and what they were scored with, on other machines as well (`elsewhere`)."""

    ready: _Ready
    around: AuxiliaryContext
    outcomes: Mapping[str, Outcomes]

    @property
    def settings(self) -> Settings:
        """The settings for what the ground truths hold."""
        return self.ready.evaluator.plan.settings

    @property
    def device(self) -> Device:
        """Where the numbers were computed."""
        return self.ready.device

    @property
    def elsewhere(self) -> tuple[Mapping[str, str], ...]:
        """What other machines computed with."""
        return tuple(self.ready.executor.elsewhere)

    def head(self, sides: tuple[MapFolder | None, MapFolder | None]) -> PartsHead:
        """What parts of such a run have in common."""
        return self.ready.head(sides)


def _scored(
    dataset: Dataset,
    sides: Sides,
    settings: Settings,
    request: RunOptions,
    progress: Callable[[object, int], None] | None,
    found: Mapping[str, Outcomes],
    parts: PartsOfRun | None = None,
) -> _Scored:
    """The outcomes of a dataset, which are put to those that were `found` before."""
    if settings.maps == "rows":
        msg = "rows are units of kldeval PRED GT --rows alone"
        raise UsageProblem(msg)
    check_saving(dataset, sides, settings, request)
    with computing(settings, dataset, request) as (device, executor):
        settings = resolve_settings(settings, dataset.undivided, request)
        around = _around(settings, request, dataset.every, is_single_pair=dataset.is_single_pair)
        settings = with_context(settings, around.described)
        ready = _ready(dataset, settings, request, device, executor, around)
        answers = ready.answers() if parts is None else _in_parts(ready, sides[ONLY], parts, found[ONLY], progress)
        n_pairs = dataset.count
        for answer in answers:
            found[answer.model].append(answer.outcome)
            if progress:
                progress(answer.outcome, n_pairs)
        return _Scored(ready, around, found)


def run_dataset(
    dataset: Dataset,
    sides: Sides,
    settings: Settings,
    request: RunOptions,
    progress: Callable[[object, int], None] | None,
    parts: PartsOfRun | None = None,
) -> list[Report]:
    """The report of each model; the scores of the only one are written to `parts`.

    Raises:
        UsageProblem: bounds are asked of a share of the pairs, or as `run`.
    """
    if request.shard is not None and request.bounds is not None:
        msg = "--bounds says what is open of the means over all maps: score them without --shard"
        raise UsageProblem(msg)
    found = {model: Outcomes(failures, len(dataset.models)) for model, failures in dataset.failures.items()}
    scored = _scored(dataset, sides, settings, request, progress, found, parts)
    open_ends = {model: _bounds(dataset, model, scored, request) for model in sides}
    overlaps = _overlaps({model: bounds.get("bounds", {}) for model, (bounds, _) in open_ends.items()})
    return [
        build_report(
            scored.settings,
            scored.outcomes[model],
            {
                **provenance_of(pred, gt, scored.device, request, scored.elsewhere),
                **shard_of(dataset.undivided, request),
                **_inputs(dataset, model, sides, request),
                **open_ends[model][0],
            },
            [
                *_swapped(pred, gt),
                *dataset.notes_of(model),
                *scored.around.notes,
                *_saving_notes(request),
                *notes_of_part(request),
                *open_ends[model][1],
                *overlaps,
            ],
            dataset.group_of,
        )
        for model, (pred, gt) in sides.items()
    ]


def _bounds(dataset: Dataset, model: str, scored: _Scored, request: RunOptions) -> tuple[dict[str, Any], list[str]]:
    """What rounding leaves open of a model's numbers, and what is to be said of it; nothing where it is not asked for.

    Raises:
        UsageProblem: the rounding is neither round nor floor.
    """
    if request.bounds is None:
        return {}, []
    from kldeval.engine.rounding import run_bounds
    from kldeval.metrics.rounding_bounds import check_rounding

    rounding = check_rounding(request.bounds)

    # means are over the maps that were scored, of several models for all of them
    names = set.intersection(*({one.name for one in found.rows().scores} for found in scored.outcomes.values()))
    pairs = [task[model] for task in dataset.tasks if model in task and task[model].name in names]
    reading = reading_of(scored.settings, request)
    dataset = replace(dataset, tasks=tuple({model: pair} for pair in pairs))
    run = partial(outcomes, dataset, reading=reading, executor=executor_for(request))
    made, said = run_bounds(pairs, scored.settings, reading, rounding, run)
    return {"bounds": made}, said


def _overlaps(found: Mapping[str, Mapping[str, Any]]) -> list[str]:
    if len(found) < len(("one", "another")) or not any(found.values()):
        return []
    from kldeval.engine.rounding import overlap_note

    return overlap_note(found)


def _inputs(dataset: Dataset, model: str, sides: Sides, request: RunOptions) -> dict[str, Any]:
    """The digests of the files of a model, where they are asked for."""
    if not request.digests:
        return {}
    from kldeval.engine.saved_inputs import saved_inputs

    pairs = [task[model] for task in dataset.tasks if model in task]
    return {"inputs": saved_inputs(pairs, *sides[model], request, request.jobs or cores())}


def check_saving(
    dataset: Dataset,
    sides: Sides,
    settings: Settings,
    request: RunOptions,
) -> None:
    """Refuse to save terms, or rows between runs, where inputs are.

    Raises:
        UsageProblem: the folder is among what is read, or the other way round.
    """
    if request.save_maps is None and request.cache is None:
        return
    given = (*(path for side in sides.values() for path in side), *(getattr(request, name) for name in READ))
    pairs = (pair for task in (dataset.tasks if request.manifest else ()) for pair in task.values())
    listed = (path for pair in pairs for path in (pair.pred, pair.gt, pair.mask, pair.fixations))
    paths = (one for one in (*given, *listed) if isinstance(one, Path))
    keys = [model or key for model in sides for key in settings.keys]
    inputs = Inputs(tuple(dict.fromkeys(paths)))
    if request.save_maps is not None:
        inputs.check_folder(request.save_maps, keys)
    if request.cache is not None:
        inputs.check_folder(request.cache, ())


EVERY = slice(None)
"""All pairs."""

NO_EDGES: Edges = {}
"""Those of a run without adaptive metrics."""

READ = ("baseline", "fixations", "manifest", "mask", "other_map", "weights")
"""The options of a run that name what stands beside the maps."""


def resolve_settings(settings: Settings, pairs: Sequence[Pair], request: RunOptions) -> Settings:
    """The settings for what the ground truths hold: densities or labels.

    Raises:
        UsageProblem: they mean nothing for labels, or a table per class is asked for and there are none.
    """
    settled = resolve_target_kind(settings, pairs, reading_of(settings, request))
    if request.per_class and not settled.is_labels:
        msg = "--per-class is a table of the classes of labels, and these ground truths are densities; leave it out"
        raise UsageProblem(msg)
    return with_manifest_masks(settled, pairs if request.manifest else ())


@dataclass(frozen=True, slots=True)
class _Ready:
    """A dataset with all that scoring it takes; `edges` are those of adaptive metrics."""

    dataset: Dataset
    evaluator: Evaluator
    reading: Reading
    request: RunOptions
    device: Device
    executor: Executor
    edges: Edges

    def answers(self, some: slice = EVERY) -> Iterator[Answer]:
        """The outcome of every pair with its model, in order, from the cores of this machine or an accelerator."""
        pairs, finish = self._work()
        dataset = self.dataset if some is EVERY else replace(self.dataset, tasks=self.dataset.tasks[some])
        if not self._is_kept:
            yield from finish(outcomes(dataset, pairs, self.reading, self.executor))
            return
        store = self._store()
        try:
            yield from self._kept(store).answers(dataset.tasks, self.executor)
        finally:
            store.close()

    def work(self) -> Work[Any, Answer]:
        """What gives the outcomes of some tasks wherever it is done, which is by CPUs."""
        if not self._is_kept:
            return TaskWork(self._work()[0], self.reading)
        from kldeval.engine.cache import KeepingWork

        return KeepingWork(self._kept(self._store()))

    def may_be_cut_anywhere(self) -> bool:
        """Whether any pair may be read by any worker: frames of videos are read here, in their order."""
        return not TaskWork(self._work()[0], self.reading).reads_in_order(self.dataset.tasks)

    def head(self, sides: tuple[MapFolder | None, MapFolder | None]) -> PartsHead:
        """What all parts of the run have in common."""
        from kldeval.engine.parts import head_of

        return head_of(self.dataset, sides, self.evaluator.plan.settings, self.request, self.key())

    def key(self) -> str:
        """The SHA-256 of what all rows of the run have in common."""
        from kldeval.engine.cache import context_of, run_key

        plan = self.evaluator.plan
        asked = {"settings": repr(plan.settings), "per_class": plan.per_class}
        return run_key(asked, self.reading, self.device, context_of(self.evaluator, self.reading.sources))

    @property
    def _is_kept(self) -> bool:
        """Whether rows are kept between runs; those that depend on all maps are not."""
        return self.request.cache is not None and self.request.save_maps is None and not self.edges

    def _store(self) -> Store:
        from kldeval.engine.cache import store_of

        assert self.request.cache is not None  # noqa: S101 - for the type checker
        return store_of(self.request.cache, self.key())

    def _kept(self, store: Store) -> CachedRun:
        from kldeval.engine.cache import CachedRun

        pairs, finish = self._work()
        return CachedRun(store, pairs, self.reading, self.request.baselines, finish)

    def _work(self) -> tuple[PairWork[Any, Any], Callable[[Iterator[Answer]], Iterator[Answer]]]:
        """What an executor does with each pair, and what makes outcomes of its answers."""
        if self.device.is_cpu:
            return Scoring(self.evaluator, self.reading, self.request.save_maps, self.edges), iter
        from kldeval.engine.gpu import score_on_device

        return Decoding(self.evaluator, self.reading, self.edges), partial(
            score_on_device,
            evaluator=self.evaluator,
            request=self.request,
            device=self.device.name,
            **({"stop": self.executor.stop} if hasattr(self.executor, "stop") else {}),
        )


def _ready(
    dataset: Dataset,
    settings: Settings,
    request: RunOptions,
    device: Device,
    executor: Executor,
    around: AuxiliaryContext,
) -> _Ready:
    reading = replace(reading_of(settings, request), sources=around.sources)
    evaluator = Evaluator(Plan.of(settings, per_class=request.per_class), around.context)
    edges = _edges(settings, reading, dataset, executor, is_shard=request.shard is not None)
    if request.cache is not None:
        from kldeval.engine.cache import warn_of_unkept

        why = "bins are made of all maps" if edges else "pixelwise terms are saved, too" if request.save_maps else ""
        warn_of_unkept(dataset.tasks, around.sources, why)
    return _Ready(dataset, evaluator, reading, request, device, executor, edges)


def _in_parts(
    ready: _Ready,
    sides: tuple[MapFolder | None, MapFolder | None],
    parts: PartsOfRun,
    found: Outcomes,
    progress: Callable[[object, int], None] | None,
) -> Iterator[Answer]:
    """The answers, whose scores are written to parts on the way; none where `found` has their sums instead."""
    from kldeval.engine.parts import contents, rows_of_workers, writing

    dataset, total = ready.dataset, ready.dataset.count
    head = ready.head(sides)

    def again(number: int) -> bytes:
        some = slice(number * head.size, (number + 1) * head.size)
        return contents(number, ready.answers(some), dataset, folder)

    folder = parts.begin(head, again)
    by_workers = ready.device.is_cpu and parts.is_shared and ready.may_be_cut_anywhere()
    if are_held(total) or not by_workers:
        yield from writing(ready.answers(), dataset.group_of, parts, folder)
        return

    def told(n_outcomes: int) -> None:
        if progress:
            for _ in range(n_outcomes):
                progress(None, total)

    found.take(rows_of_workers(dataset.tasks, ready.work(), ready.executor, parts, folder, told))


def _around(
    settings: Settings, request: RunOptions, pairs: Sequence[Pair], *, is_single_pair: bool
) -> AuxiliaryContext:
    """What stands beside the pairs; a run of densities alone imports nothing of it."""
    if not needs_auxiliary(settings, request, pairs):
        return NO_AUXILIARY
    from kldeval.engine.auxiliary import open_auxiliary

    return open_auxiliary(settings, request, pairs, is_single_pair=is_single_pair)


def _edges(
    settings: Settings,
    reading: Reading,
    dataset: Dataset,
    executor: Executor,
    *,
    is_shard: bool,
) -> Edges:
    """The edges between the bins of adaptive metrics, for which every map is read once more."""
    if not adaptive_calls(settings):
        return NO_EDGES
    from kldeval.engine.quantiles import find_edges

    def run(work: PairWork[Any, Any]) -> Iterable[Answer]:
        return outcomes(dataset, work, reading, executor)

    return find_edges(settings, reading, run, models=dataset.models, is_shard=is_shard)


def read_one(
    pred: MapFolder, gt: MapFolder, settings: Settings, request: RunOptions, name: str | None = None
) -> tuple[MapPair, DatasetContext, Settings]:
    """The only pair of two files, or the one of a name, what is known beside it, and the settings as its files say.

    Raises:
        UsageProblem: there is none, or more than one.
        MapProblem: a file cannot be read or does not fit.
    """
    pairing = pair_up(pred, gt, request, settings)
    everything = pairing.pairs
    pairs = [pair for pair in everything if name in (None, pair.name)]
    if len(pairs) != 1:
        msg = f"{pred} and {gt} hold {count(len(pairs), 'pair')}; name the two files of one, or --worst 1"
        raise UsageProblem(msg)
    settings = resolve_target_kind(settings, pairs, reading_of(settings, request))
    around = _around(settings, request, everything, is_single_pair=pairing.is_single_pair)
    settings = with_context(settings, around.described)
    pair = load_pair(pairs[0], replace(reading_of(settings, request), sources=around.sources))
    return pair, around.context, settings


def _swapped(pred: MapFolder | None, gt: MapFolder | None) -> list[str]:
    return swapped(pred, gt) if pred and gt else []


def with_manifest_masks(settings: Settings, pairs: Iterable[Pair]) -> Settings:
    """The settings under which the masks count that a manifest names.

    Raises:
        UsageProblem: there are masks beside them.
    """
    if not any(pair.mask for pair in pairs):
        return settings
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
    if settings.raw_texts is None or not settings.names_class_axis or axis is None:
        return settings
    from kldeval.scoring.class_maps import holds_labels

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
