"""What a worker does: read the files of some pairs and work on their maps. Nothing that one file does ends a run.

Whatever a pair raises becomes its failure: the other pairs keep their outcomes.
"""

from __future__ import annotations

from dataclasses import field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from kldeval.data.frames import have_frames, with_frames_read
from kldeval.data.load import Loaded, Reading, in_order_of, load_map, load_pair, reading_for
from kldeval.data.nodata import check_tags
from kldeval.data.readers.members import contents_key, held, is_elsewhere
from kldeval.data.readers.numpy_files import is_mapped
from kldeval.data.readers.stored import Limits
from kldeval.data.volumes import PLANE
from kldeval.dataclass import NamedTuple, dataclass
from kldeval.digests import ABSENT, Noting, continue_request, is_settled, stamp_of
from kldeval.errors import KldevalError, LeftOut, MapProblem, printable
from kldeval.memory import MapInMemory, Member
from kldeval.normalization.chain import class_axis
from kldeval.records import Failure, Skipped
from kldeval.regular import why
from kldeval.run_options import parse_shape

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from kldeval.arrays import NumpyArray as Array
    from kldeval.grammar import Call
    from kldeval.memory import MapFile
    from kldeval.normalization.chain import Chain
    from kldeval.records import MapPair, Outcome, Pair
    from kldeval.run_options import RunOptions
    from kldeval.scoring.evaluator import Evaluator, PartialResult
    from kldeval.scoring.plan import Plan
    from kldeval.settings.settings import Settings

    Task = Mapping[str, Pair]


def reading_of(settings: Settings, request: RunOptions) -> Reading:
    """How files are read, of which the settings say a part and the request the rest."""
    reading = Reading(
        color=settings.color,
        resize=settings.resize,
        key=request.key or request.var,
        pred_key=request.pred_key or request.pred_var,
        gt_key=request.gt_key or request.gt_var,
        trusts_files=request.trust_files,
        class_maps=settings.names_class_axis,
        labels=settings.is_labels,
        nodata=settings.nodata,
        missing=settings.missing,
        raw=settings.raw,
        masks=settings.masks,
        logs=(_log_step(settings.pred), _log_step(settings.gt)),
        spatial=request.spatial_axes or PLANE,
        said_axes=request.spatial_axes,
        array_axes=request.array_axes,
        class_axis=class_axis(settings.pred),
    )
    if settings.is_labels:
        from kldeval.scoring.class_maps import ignore_index

        reading = replace(reading, ignored=ignore_index(settings))
    if request.stack_axis is not None:
        from kldeval.data.stacks import parse_axes

        reading = replace(reading, stack_axes=parse_axes(request.stack_axis))
    if request.shape:
        reading = replace(reading, shape=parse_shape(request.shape))
    return replace(reading, max_pixels=request.max_pixels) if request.max_pixels else reading


def _log_step(chain: Chain) -> Call | None:
    """The step that takes the stored values for logarithms of a density; scores that are none are not looked at."""
    first = chain[0]
    return first if first.name == "log-prob" and first.keywords.get("check") != "none" else None


T = TypeVar("T")
Found = TypeVar("Found", covariant=True)  # noqa: PLC0105 - named for what it is
Begun = TypeVar("Begun")


class Answer(NamedTuple):
    """What became of a pair: the model whose prediction it has, its name, and an outcome or what was found of it."""

    model: str
    name: str
    outcome: Any


class NotSaved(NamedTuple):
    """The outcome of a pair whose pixelwise terms could not be written, and the failure that says so."""

    outcome: Outcome
    failure: Failure


class PairWork(Protocol[Begun, Found]):
    """What is done with the maps of each pair: begun one by one, and finished for many at once.

    Work that looks `ahead` at the pairs of some tasks, all together, is given ground truths with their keys.
    """

    def begin(self, model: str, pair: Pair, gt: Loaded | None, *, is_first: bool) -> Begun | Failure:
        """What there is to finish of a pair; `gt` is its ground truth where it has been read already.

        `is_first`: whether the ground truth's reference rows are to be scored with this prediction.
        """

    def finish(self, begun: Sequence[Begun]) -> Sequence[Found | Failure]:
        """What was found of each pair, in their order."""


@dataclass(frozen=True, slots=True)
class TaskWork(Generic[Begun, T]):
    """The work on ground truths, each with the predictions of all models: it is read once for all of them.

    Class maps have their labels read with each prediction, because labels are small beside them.
    """

    pairs: PairWork[Begun, T]
    reading: Reading

    def __call__(self, tasks: Sequence[Task]) -> list[Answer]:
        """The answers for the pairs of some ground truths, in their order."""
        continue_request(self.reading.request)
        ahead: Callable[[Sequence[Task]], PairWork[Begun, T]] | None = getattr(self.pairs, "ahead", None)
        pairs = self.pairs if ahead is None else ahead(tasks)
        begun = [one for task in tasks for one in self._begin(task, pairs, is_noted=ahead is not None)]
        live = [one for one in begun if not isinstance(one.outcome, Failure | Skipped)]
        finished = iter(self._finish(live))
        found = [
            one if isinstance(one.outcome, Failure | Skipped) else Answer(one.model, one.name, next(finished))
            for one in begun
        ]
        return [answer for one in found for answer in (_parts(one) if isinstance(one.outcome, NotSaved) else (one,))]

    def split(self, task: Task) -> list[Task]:
        """The task in the smallest parts: one pair each."""
        return [{model: pair} for model, pair in task.items()]

    def may_end_process(self, task: Task) -> bool:
        """Whether a map of these stays in its file while it is scored: the process dies if the file shrinks."""
        paths = (path for pair in task.values() for path in (pair.pred, pair.gt))
        return any(str(path).lower().endswith(".npy") and is_mapped(path) for path in paths)

    def reads_in_order(self, tasks: Sequence[Task]) -> bool:
        """Whether a map of these is a frame of a video."""
        return have_frames(tasks)

    def with_contents(self, task: Task) -> Task:
        """The task with the frames of videos in it."""
        return dict(zip(task, with_frames_read(task.values(), Limits(**self.reading.bounds)), strict=True))

    def lost(self, task: Task, reason: str) -> list[Answer]:
        """The failures of pairs whose files ended the process that read them."""
        return [
            Answer(
                model,
                pair.name,
                Failure(pair.name, "load", f"{_file_names((pair.pred, pair.gt))}: {reason}", "ended-process"),
            )
            for model, pair in task.items()
        ]

    def _begin(self, task: Task, pairs: PairWork[Begun, T], *, is_noted: bool) -> list[Answer]:
        first = next(iter(task.values()))
        gt: Loaded | Failure | None = None
        if len(task) > 1 and not self.reading.class_maps:
            if is_noted and first.place is None and is_elsewhere(first.gt):
                file = held(first.gt, Limits(**self.reading.bounds))
                task = {model: replace(pair, gt=file) for model, pair in task.items()}
                first = replace(first, gt=file)
            gt = guarded(partial(_ground_truth, first, self.reading, is_noted=is_noted), first.name, (first.gt,))
        if isinstance(gt, Failure):
            return [Answer(model, pair.name, gt) for model, pair in task.items()]
        begun = []
        for model, pair in task.items():
            begin = partial(pairs.begin, model, pair, gt, is_first=pair.is_first)
            work = partial(unless_left_out, begin, pair.name)
            begun.append(Answer(model, pair.name, guarded(work, pair.name, (pair.pred, pair.gt))))
        return begun

    def _finish(self, begun: Sequence[Answer]) -> Sequence[T | Failure]:
        """What was found of each pair; where an error hides among many, they are finished one by one."""
        try:
            return self.pairs.finish([one.outcome for one in begun]) if begun else ()
        except Exception as error:
            if isinstance(error, KldevalError) and not isinstance(error, MapProblem):
                raise
            # it is raised again below, by the pair that it belongs to
            return [guarded(partial(self._finish_one, one), one.name, stage="score") for one in begun]

    def _finish_one(self, begun: Answer) -> T | Failure:
        (found,) = self.pairs.finish([begun.outcome])
        return found


@dataclass(frozen=True, slots=True)
class Scoring:
    """Pairs are scored; `save` is the folder of their pixelwise terms, with a folder for each model that has a name.

    `edges` are those between bins with equal numbers of forecasts, by model and by the key of a metric.
    """

    evaluator: Evaluator
    reading: Reading
    save: Path | None = None
    edges: Mapping[str, Mapping[str, Array]] = field(default_factory=dict)

    def begin(self, model: str, pair: Pair, gt: Loaded | None, *, is_first: bool) -> Outcome | PartialResult | NotSaved:
        """The outcome of a pair, or what was counted of it and is finished together with others."""
        evaluator = self.evaluator if is_first else self.evaluator.without_references()
        maps = evaluator.context.with_references(load_pair(pair, self.reading, gt), pair)
        maps = replace(maps, edges=self.edges[model]) if self.edges else maps
        begun = evaluator.begin(maps)
        if self.save is None:
            return begun
        (outcome,) = evaluator.finish([begun])
        failure = saved(self.save / model, maps, outcome, evaluator.plan)
        return NotSaved(outcome, failure) if failure else outcome

    def finish(self, begun: Sequence[Outcome | PartialResult | NotSaved]) -> Sequence[Outcome | NotSaved]:
        """The outcomes: 8-bit pairs that were counted are measured together."""
        return self.evaluator.finish(begun)  # type: ignore[arg-type]  # what is no count stays as it is


@dataclass(frozen=True, slots=True)
class Decoding:
    """Pairs are read, for whoever measures their densities; the numbers that need the CPU are worked out."""

    evaluator: Evaluator
    reading: Reading
    edges: Mapping[str, Mapping[str, Array]] = field(default_factory=dict)

    def begin(self, model: str, pair: Pair, gt: Loaded | None, *, is_first: bool) -> MapPair | Failure:
        """The decoded pair."""
        evaluator = self.evaluator if is_first else self.evaluator.without_references()
        maps = evaluator.context.with_references(load_pair(pair, self.reading, gt), pair)
        return evaluator.with_auxiliary_scores(replace(maps, edges=self.edges.get(model, {})))

    def finish(self, begun: Sequence[MapPair]) -> Sequence[MapPair]:
        """The decoded pairs."""
        return begun


def _ground_truth(pair: Pair, reading: Reading, *, is_noted: bool) -> Loaded:
    """The ground truth of several predictions; `is_noted`: with what tells whether its file is the same later."""
    reading = reading_for(pair, reading)
    if not is_noted or isinstance(pair.gt, MapInMemory):
        return load_map(pair.gt, reading, pair.place)
    stamp = stamp_of(pair.gt.path if isinstance(pair.gt, Member) else pair.gt)
    if stamp is not None and stamp != ABSENT and not is_settled(stamp):
        key = contents_key(pair.gt, Limits(**reading.bounds)) if pair.place is None else ""
        return replace(load_map(pair.gt, reading, pair.place), stamp=stamp, key=key)
    with Noting() as read:
        loaded = load_map(pair.gt, reading, pair.place)
    return replace(loaded, stamp=stamp, key=read.get(str(pair.gt), ""))


def both_loaded(pair: Pair, gt: Loaded | None, reading: Reading) -> tuple[Loaded, Loaded]:
    """Both maps of a pair before they meet; `gt` is the ground truth where it has been read already.

    Raises:
        MapProblem: a file that cannot be read.
    """
    reading = reading_for(pair, reading)
    pred = load_map(pair.pred, reading, pair.place, "pred")
    gt = gt or load_map(pair.gt, reading, pair.place)
    check_tags(pair, pred.stored, gt.stored, nodata=reading.nodata)
    return pred, in_order_of(pred, gt, pair, reading)


UNREAD = "prediction that cannot be read"
"""Why a map is left out under `--missing skip`."""


def unless_left_out(work: Callable[[], T], name: str) -> T | Skipped:
    """What the work gives, or that the request leaves the map `name` out."""
    try:
        return work()
    except LeftOut:
        return Skipped(name, UNREAD)


def guarded(work: Callable[[], T], name: str, files: Sequence[MapFile] = (), stage: str = "load") -> T | Failure:
    """What the work gives, or the failure of the map `name`, whatever the work raises.

    Raises:
        KldevalError: the request itself cannot be carried out, such as a package that is missing.
    """
    try:
        return work()
    except MapProblem as problem:
        return Failure(name, problem.stage, str(problem), problem.code)
    except MemoryError:
        return Failure(name, stage, f"not enough memory for {_file_names(files)}", "no-memory")
    except KldevalError:
        raise
    except Exception as error:  # noqa: BLE001 - a file may make any library raise anything
        return unexpected(error, name, files, stage)


def unexpected(error: Exception, name: str, files: Sequence[MapFile], stage: str) -> Failure:
    """The failure of a map that raised an error which nobody foresaw; the logger `kldeval` is told where it arose."""
    import logging

    logging.getLogger("kldeval").debug("%s: an unexpected error", name, exc_info=error)
    said = printable(str(error).strip().partition("\n")[0])
    what = type(error).__name__ + (f": {said}" if said else "")
    return Failure(
        name, stage, f"{_file_names(files)}: an unexpected error ({what}); --debug shows where it arose", "unexpected"
    )


def saved(folder: Path, maps: MapPair, outcome: Outcome, plan: Plan) -> Failure | None:
    """Write the pixelwise terms of a pair that has a score; the failure where they cannot be written."""
    from kldeval.scoring.save_terms import save_scored

    try:
        save_scored(folder, maps, outcome, plan)
    except OSError as error:
        where = f"cannot write {printable(str(error.filename or folder))}: {why(error)}"
        return Failure(maps.name, "score", f"the map was scored, but its terms were not saved: {where}", "not-saved")
    return None


def _parts(answer: Answer) -> list[Answer]:
    """The two answers for a pair that was scored and not saved."""
    return [answer._replace(outcome=part) for part in answer.outcome]


def _file_names(files: Sequence[MapFile]) -> str:
    return " and ".join(map(printable, files)) or "the maps"
