"""Which pairs a run is about: those of two files or folders, of a manifest, or of several models; and their groups."""

from __future__ import annotations

from array import array
from dataclasses import replace
from functools import partial
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING

from kldeval.data.file_options import check_kinds, check_stacks
from kldeval.data.frames import Sampling, check_frames, check_sampled, parse_fps
from kldeval.data.pairing import Columns, Pairing, find_pairs, pairs_in_memory
from kldeval.data.readers.stored import MAX_PIXELS, Limits
from kldeval.data.volumes import PLANE
from kldeval.dataclass import dataclass
from kldeval.errors import UsageProblem
from kldeval.memory import MISSING, NamedMaps
from kldeval.run_options import parse_shard
from kldeval.sequences import MOST_KEPT, Lazy, Texts, each, in_sorted_runs, joined
from kldeval.suffixes import stem_of
from kldeval.templates import MANIFEST, check_groups, grouping
from kldeval.urls import without_query

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from kldeval.memory import MapFolder
    from kldeval.records import Failure, Pair
    from kldeval.run_options import RunOptions
    from kldeval.settings.settings import Settings


ONLY = ""
"""What the model of a dataset of one model is called."""


@dataclass(frozen=True, slots=True)
class Dataset:
    """The pairs to score: of each ground truth those with the predictions of all models, in the order of the names.

    Where there are many, a pair is made whenever it is asked for: only its name is kept.

    `failures` are the maps that could not be paired, `model_notes` what was left out, by model; `shared_notes` are
    those of all models. `every` has one pair of each ground truth, without a limit to their number and with those that
    lack a prediction; `is_single_pair` where the sides are two files. `undivided` has one pair of each ground truth of
    all shards. `group_of` tells the group of a name, where there are groups.
    """

    tasks: Sequence[Mapping[str, Pair]]
    failures: Mapping[str, Sequence[Failure]]
    model_notes: Mapping[str, tuple[str, ...]]
    shared_notes: tuple[str, ...]
    every: Sequence[Pair]
    is_single_pair: bool = False
    undivided: Sequence[Pair] = ()
    group_of: Callable[[str], str] | None = None

    @property
    def firsts(self) -> Sequence[Pair]:
        """One pair of each ground truth."""
        return each(_first_pair, self.tasks)

    @property
    def models(self) -> tuple[str, ...]:
        """The models, of which some may lack a ground truth's prediction."""
        return tuple(self.failures)

    @property
    def count(self) -> int:
        """The number of pairs."""
        return len(self.tasks) if len(self.models) == 1 else sum(map(len, self.tasks))

    @property
    def notes(self) -> tuple[str, ...]:
        """Every note, once."""
        notes = (note for notes in self.model_notes.values() for note in notes)
        return tuple(dict.fromkeys((*notes, *self.shared_notes)))

    def notes_of(self, model: str) -> tuple[str, ...]:
        """The notes of one model and those of all."""
        return (*self.model_notes.get(model, ()), *self.shared_notes)


def select(pred: MapFolder | None, gt: MapFolder | None, settings: Settings, request: RunOptions) -> Dataset:
    """The pairs of one model, whose name is `ONLY`.

    Raises:
        UsageProblem: the paths cannot be paired at all, the manifest is malformed, or maps have no group.
    """
    pairing = _listed(request.manifest, request) if request.manifest else _with_missing(pred, gt, settings, request)
    pairs, group_of = grouped(pairing.pairs[: request.limit], settings, request)
    notes = (*pairing.notes, *pairing_notes(pairing, len(pairs), request))
    dataset = Dataset(
        tuple({ONLY: pair} for pair in pairs) if isinstance(pairs, tuple) else each(lambda pair: {ONLY: pair}, pairs),
        {ONLY: pairing.failures},
        {ONLY: notes},
        (),
        joined(pairing.pairs, pairing.lone),
        is_single_pair=pairing.is_single_pair,
        undivided=pairs,
        group_of=group_of,
    )
    return _share(dataset, request.shard)


def select_models(
    preds: Mapping[str, MapFolder], gt: MapFolder, settings: Settings | None, request: RunOptions
) -> Dataset:
    """The pairs of several models with the same ground truths.

    Raises:
        UsageProblem: the paths of a model cannot be paired with the ground truths at all, or maps have no group.
    """
    pairings = {model: _pairing(pred, gt, settings, request) for model, pred in preds.items()}
    lone = {pair.name: pair for pairing in pairings.values() for pair in pairing.lone}
    everything, others = _by_name(pairings, lone)
    tasks = everything[: request.limit]
    limited = [f"only the first {len(tasks)} of {len(everything)} maps were read (--limit)"]
    group_of = grouped(each(_first_pair, tasks), settings, request)[1] if settings is not None else None
    if group_of:
        tasks = each(partial(_with_group, group_of), tasks)
    dataset = Dataset(
        tasks,
        {model: pairing.failures for model, pairing in pairings.items()},
        {
            model: (*pairing.notes, *pairing_notes(pairing, len(pairing.pairs), request))
            for model, pairing in pairings.items()
        },
        tuple(limited if len(tasks) < len(everything) else ()),
        joined(tuple(lone.values()), others),
        is_single_pair=any(pairing.is_single_pair for pairing in pairings.values()),
        group_of=group_of,
    )
    return _share(dataset, request.shard)


def _with_group(group_of: Callable[[str], str], task: Mapping[str, Pair]) -> dict[str, Pair]:
    return {model: replace(pair, group=group_of(pair.name)) for model, pair in task.items()}


def _first_pair(task: Mapping[str, Pair]) -> Pair:
    return next(iter(task.values()))


def _by_name(
    pairings: Mapping[str, Pairing], lone: dict[str, Pair]
) -> tuple[Sequence[Mapping[str, Pair]], Sequence[Pair]]:
    """The pairs of all models by their names, in order, and one pair of each name that is not among the `lone` ones.

    A name that is lone for some model and has a pair of another has this pair in `lone` then.
    """
    models = list(pairings)
    sides = [pairing.pairs for pairing in pairings.values()]
    rows = ((pair.name, side, place) for side, pairs in enumerate(sides) for place, pair in enumerate(pairs))
    places = [array("q") for _ in models]  # of each name its place among the pairs of a model, -1 where it has none
    others = array("q")
    for number, (name, found) in enumerate(groupby(in_sorted_runs(rows, _packed_places), key=itemgetter(0))):
        at = {side: place for _, side, place in found}
        for side, column in enumerate(places):
            column.append(at.get(side, -1))
        if name in lone:
            side = min(at)
            lone[name] = sides[side][at[side]]
        else:
            others.append(number)

    def made(number: int) -> dict[str, Pair]:
        pairs = {
            model: pairs[column[number]]
            for model, pairs, column in zip(models, sides, places, strict=True)
            if column[number] >= 0
        }
        for model in list(pairs)[1:]:
            pairs[model] = replace(pairs[model], is_first=False)
        return pairs

    tasks: Sequence[Mapping[str, Pair]] = Lazy(range(len(places[0])), made)
    if len(tasks) <= MOST_KEPT:
        tasks = tuple(tasks)
    return tasks, Lazy(others, lambda number: _first_pair(tasks[number]))


def _packed_places(rows: list[tuple[str, int, int]]) -> Iterable[tuple[str, int, int]]:
    names, sides, places = zip(*rows, strict=True)
    return zip(Texts(names), array("H", sides), array("q", places), strict=True)


def _share(dataset: Dataset, shard: str | None) -> Dataset:
    """The share of a dataset: every N-th pair in the order of the names; what could not be paired is in the first."""
    dataset = replace(dataset, undivided=dataset.undivided or dataset.firsts)
    if shard is None:
        return dataset
    number, count = parse_shard(shard)
    failures = dataset.failures if number == 1 else dict.fromkeys(dataset.failures, ())
    return replace(dataset, tasks=dataset.tasks[number - 1 :: count], failures=failures)


def notes_of_share(request: RunOptions) -> tuple[str, ...]:
    """What is said of numbers over a share of the pairs that no merging makes whole: those of questions."""
    if request.shard is None:
        return ()
    way = "" if request.cache else " with one --cache"
    share = f"these numbers are over the share {request.shard} of the pairs alone"
    return (f"{share}; once all shares have run{way}, the same of all pairs scores none again: leave out --shard",)


def _with_missing(pred: MapFolder | None, gt: MapFolder | None, settings: Settings, request: RunOptions) -> Pairing:
    """The pairs, and what the settings make of ground truths without a prediction.

    Raises:
        UsageProblem: as `pair_up`.
    """
    if settings.missing == "error":
        return pair_up(pred, gt, request, settings)
    if settings.missing == "uniform" and request.allow_missing:
        msg = (
            "--allow-missing leaves out ground truths without a prediction, and --missing uniform scores them: say one"
        )
        raise UsageProblem(msg)
    pairing = pair_up(pred, gt, request._replace(allow_missing=True), settings)
    if settings.missing == "skip":
        return pairing
    filled = (replace(pair, pred=MISSING) for pair in pairing.lone)
    pairs = sorted((*pairing.pairs, *filled), key=lambda pair: pair.name)
    return replace(pairing, pairs=tuple(pairs), n_missing=0, lone=())


def _pairing(pred: MapFolder, gt: MapFolder, settings: Settings | None, request: RunOptions) -> Pairing:
    """The pairs of one model; of two files the name is the ground truth's, which all models share."""
    found = pair_up(pred, gt, request, settings) if settings is None else _with_missing(pred, gt, settings, request)
    if isinstance(gt, NamedMaps) or not (found.is_single_pair or _is_sliced(found)):
        return found
    return replace(found, pairs=each(lambda pair: replace(pair, name=_renamed(pair, gt)), found.pairs))


def _is_sliced(pairing: Pairing) -> bool:
    """Whether all pairs are slices of two files."""
    return len({pair.gt for pair in pairing.pairs if pair.place is not None}) == 1


def _renamed(pair: Pair, gt: Path) -> str:
    """The name of a pair of two files after the ground truth; of a slice of stacks with its place."""
    stem = stem_of(without_query(gt))
    return stem if pair.place is None else f"{stem}{pair.name[pair.name.rindex('[') :]}"


def grouped(
    pairs: Sequence[Pair], settings: Settings, request: RunOptions
) -> tuple[Sequence[Pair], Callable[[str], str] | None]:
    """The pairs with their groups, where the settings or the request ask for groups, and what tells that of a name.

    Raises:
        UsageProblem: the two do not agree, the text says no grouping, or a pair has no group by it.
    """
    averaged = settings.groups if settings.maps == "groups" else None
    if averaged and request.group_by not in (None, averaged):
        msg = f"--group-by {request.group_by}: the signature says groups:{averaged}; leave out --group-by"
        raise UsageProblem(msg)
    group_by = averaged or request.group_by
    if group_by is None:
        recorded = {pair.name: pair.group for pair in pairs} if request.manifest else {}
        return pairs, recorded.__getitem__ if any(recorded.values()) else None
    if group_by == MANIFEST and request.manifest is None:
        msg = f"--group-by {MANIFEST} needs a --manifest with the column 'group'"
        raise UsageProblem(msg)
    recorded = {pair.name: pair.group for pair in pairs} if request.manifest else {}
    group_of = grouping(group_by, recorded)
    check_groups(group_by, (pair.name for pair in pairs), group_of)
    return each(lambda pair: replace(pair, group=group_of(pair.name)), pairs), group_of


def _listed(manifest: Path, request: RunOptions) -> Pairing:
    from kldeval.data.manifest import read_manifest

    check_sampled(Sampling(request.every, parse_fps(request.fps)))
    pairs = read_manifest(manifest)
    check_frames(pairs, allow_lossy=request.allow_lossy)
    check_kinds(Pairing(pairs), request)
    return _by_slices(Pairing(pairs), request, None)


def _by_slices(pairing: Pairing, request: RunOptions, settings: Settings | None) -> Pairing:
    """The pairing, with a pair for every map of stacks: where the request says so, or two files can be nothing else.

    That is so of (N, C, H, W) and (N, H, W) where the axis of the classes is named; (N, H, W) may be one class map.
    """
    names_classes = settings is not None and settings.names_class_axis
    stacked = request.stack or request.stack_axis is not None
    if not pairing.pairs or not (stacked or (pairing.is_single_pair and names_classes)):
        return pairing
    from kldeval.data.stacks import is_class_stack, parse_axes, unstacked

    keys = request.pred_key or request.key, request.gt_key or request.key
    soft = settings is not None and (settings.takes_soft_labels or not settings.is_labels)
    spatial = request.spatial_axes or PLANE
    classes = names_classes and is_class_stack(pairing.pairs[0], keys, soft=soft, spatial=spatial)
    if not (stacked or classes):
        return pairing
    pairs, failures = unstacked(pairing.pairs, keys, parse_axes(request.stack_axis), classes=classes, spatial=spatial)
    if stacked and not failures:
        check_stacks(pairs, request, keys)
    return replace(pairing, pairs=pairs, failures=joined(pairing.failures, failures), is_single_pair=False)


def pair_up(
    pred: MapFolder | None, gt: MapFolder | None, request: RunOptions, settings: Settings | None = None
) -> Pairing:
    """The pairs of two files or folders, as the request says.

    Raises:
        UsageProblem: they cannot be paired at all, or there are none.
    """
    if pred is None or gt is None:
        msg = "two files or two folders are needed, predictions and ground truth, or a --manifest that names the pairs"
        raise UsageProblem(msg)
    if isinstance(pred, NamedMaps) or isinstance(gt, NamedMaps):
        return pairs_in_memory(pred, gt)
    pairing = find_pairs(
        pred,
        gt,
        allow_missing=request.allow_missing,
        allow_extra=request.allow_extra,
        pred_name=request.pred_name,
        gt_name=request.gt_name,
        exclude=request.exclude,
        sampling=Sampling(request.every, parse_fps(request.fps)),
        allow_lossy=request.allow_lossy,
        keys=(request.pred_key or request.key, request.gt_key or request.key),
        variables=(request.pred_var or request.var, request.gt_var or request.var),
        columns=Columns(request.pred_column, request.gt_column, request.name_column),
        limits=Limits(request.max_pixels or MAX_PIXELS, request.trust_files),
    )
    check_kinds(pairing, request)
    return _by_slices(pairing, request, settings)


def pairing_notes(pairing: Pairing, n_pairs: int, request: RunOptions) -> Iterator[str]:
    """What was left out of a pairing, of which `n_pairs` were used."""
    if pairing.n_missing:
        option = "--allow-missing" if request.allow_missing else "--missing skip"
        yield f"{pairing.n_missing} ground truths without a prediction were left out ({option})"
    if pairing.n_extra:
        yield f"{pairing.n_extra} predictions without a ground truth were left out (--allow-extra)"
    if n_pairs < len(pairing.pairs):
        yield f"only the first {n_pairs} of {len(pairing.pairs)} pairs were scored (--limit)"
