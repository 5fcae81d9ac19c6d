"""Which pairs a run is about: those of two files or folders, of a manifest, or of several models; and their groups."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from kldeval.data.frames import Sampling, check_frames, check_sampled, parse_fps
from kldeval.data.pairing import Columns, Pairing, find_pairs, pairs_in_memory
from kldeval.data.readers.stored import MAX_PIXELS, Limits
from kldeval.data.volumes import PLANE
from kldeval.dataclass import dataclass
from kldeval.errors import UsageProblem
from kldeval.memory import MISSING, NamedMaps
from kldeval.suffixes import stem_of
from kldeval.templates import MANIFEST, groups_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
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

    `failures` are the maps that could not be paired, `model_notes` what was left out, by model; `shared_notes` are
    those of all models. `every` has one pair of each ground truth, without a limit to their number and with those that
    lack a prediction; `alone` where a
    pair is two files. `undivided` has one pair of each ground truth of all shards.
    """

    tasks: tuple[Mapping[str, Pair], ...]
    failures: Mapping[str, tuple[Failure, ...]]
    model_notes: Mapping[str, tuple[str, ...]]
    shared_notes: tuple[str, ...]
    every: tuple[Pair, ...]
    alone: bool = False
    undivided: tuple[Pair, ...] = ()

    @property
    def firsts(self) -> tuple[Pair, ...]:
        """One pair of each ground truth."""
        return tuple(next(iter(task.values())) for task in self.tasks)

    @property
    def groups(self) -> dict[str, str]:
        """The group of each ground truth by its name, "" where there are no groups."""
        return {pair.name: pair.group for pair in self.firsts}

    @property
    def models(self) -> tuple[str, ...]:
        """The models, of which some may lack a ground truth's prediction."""
        return tuple(self.failures)

    @property
    def count(self) -> int:
        """The number of pairs."""
        return sum(map(len, self.tasks))

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
    pairs = grouped(pairing.pairs[: request.limit], settings, request)
    notes = (*pairing.notes, *pairing_notes(pairing, len(pairs), request))
    tasks = tuple({ONLY: pair} for pair in pairs)
    every = (*pairing.pairs, *pairing.lone)
    return _share(
        Dataset(tasks, {ONLY: pairing.failures}, {ONLY: notes}, (), every, alone=pairing.alone), request.shard
    )


def select_models(
    preds: Mapping[str, MapFolder], gt: MapFolder, settings: Settings | None, request: RunOptions
) -> Dataset:
    """The pairs of several models with the same ground truths.

    Raises:
        UsageProblem: the paths of a model cannot be paired with the ground truths at all, or maps have no group.
    """
    pairings = {model: _pairing(pred, gt, settings, request) for model, pred in preds.items()}
    by_name: dict[str, dict[str, Pair]] = {}
    for model, pairing in pairings.items():
        for pair in pairing.pairs:
            by_name.setdefault(pair.name, {})[model] = pair
    lone = {pair.name: pair for pairing in pairings.values() for pair in pairing.lone}
    for pairs in by_name.values():
        for model in list(pairs)[1:]:
            pairs[model] = replace(pairs[model], is_first=False)
    names = sorted(by_name)[: request.limit]
    limited = [f"only the first {len(names)} of {len(by_name)} maps were read (--limit)"]
    tasks = [by_name[name] for name in names]
    if settings is not None:
        firsts = grouped(tuple(next(iter(task.values())) for task in tasks), settings, request)
        tasks = [
            {model: replace(pair, group=first.group) for model, pair in task.items()}
            for first, task in zip(firsts, tasks, strict=True)
        ]
    dataset = Dataset(
        tuple(tasks),
        {model: pairing.failures for model, pairing in pairings.items()},
        {
            model: (*pairing.notes, *pairing_notes(pairing, len(pairing.pairs), request))
            for model, pairing in pairings.items()
        },
        tuple(limited if len(names) < len(by_name) else ()),
        tuple({**lone, **{name: next(iter(pairs.values())) for name, pairs in by_name.items()}}.values()),
        alone=any(pairing.alone for pairing in pairings.values()),
    )
    return _share(dataset, request.shard)


def parse_shard(text: str) -> tuple[int, int]:
    """The number of a share, from 1, and how many there are.

    >>> parse_shard("2/8")
    (2, 8)

    Raises:
        UsageProblem: the text says no share.
    """
    number, slash, count = text.partition("/")
    if not (slash and number.isdecimal() and count.isdecimal() and 1 <= int(number) <= int(count)):
        msg = f"--shard {text}: a share is I/N with I from 1 to N, such as 1/8"
        raise UsageProblem(msg)
    return int(number), int(count)


def _share(dataset: Dataset, shard: str | None) -> Dataset:
    """The share of a dataset: every N-th pair in the order of the names; what could not be paired is in the first."""
    dataset = replace(dataset, undivided=dataset.firsts)
    if shard is None:
        return dataset
    number, count = parse_shard(shard)
    failures = dataset.failures if number == 1 else dict.fromkeys(dataset.failures, ())
    return replace(dataset, tasks=dataset.tasks[number - 1 :: count], failures=failures)


def _with_missing(pred: MapFolder | None, gt: MapFolder | None, settings: Settings, request: RunOptions) -> Pairing:
    """The pairs, and what the settings make of ground truths without a prediction.

    Raises:
        UsageProblem: as `pair_up`.
    """
    if settings.missing == "error":
        return pair_up(pred, gt, request, settings)
    pairing = pair_up(pred, gt, request._replace(allow_missing=True), settings)
    if settings.missing == "skip":
        return pairing
    filled = (replace(pair, pred=MISSING) for pair in pairing.lone)
    pairs = sorted((*pairing.pairs, *filled), key=lambda pair: pair.name)
    return replace(pairing, pairs=tuple(pairs), n_missing=0, lone=())


def _pairing(pred: MapFolder, gt: MapFolder, settings: Settings | None, request: RunOptions) -> Pairing:
    """The pairs of one model; of two files the name is the ground truth's, which all models share."""
    found = pair_up(pred, gt, request, settings) if settings is None else _with_missing(pred, gt, settings, request)
    if isinstance(gt, NamedMaps) or not (found.alone or _is_sliced(found)):
        return found
    return replace(found, pairs=tuple(replace(pair, name=_renamed(pair, gt)) for pair in found.pairs))


def _is_sliced(pairing: Pairing) -> bool:
    """Whether all pairs are slices of two files."""
    return len({pair.gt for pair in pairing.pairs if pair.place is not None}) == 1


def _renamed(pair: Pair, gt: Path) -> str:
    """The name of a pair of two files after the ground truth; of a slice of stacks with its place."""
    stem = stem_of(gt)
    return stem if pair.place is None else f"{stem}{pair.name[pair.name.rindex('[') :]}"


def grouped(pairs: tuple[Pair, ...], settings: Settings, request: RunOptions) -> tuple[Pair, ...]:
    """The pairs with their groups, where the settings or the request ask for groups.

    Raises:
        UsageProblem: the two do not agree, the text says no grouping, or a pair has no group by it.
    """
    averaged = settings.groups if settings.maps == "groups" else None
    if averaged and request.group_by not in (None, averaged):
        msg = f"--group-by {request.group_by}: the signature says groups:{averaged}; leave out --group-by"
        raise UsageProblem(msg)
    group_by = averaged or request.group_by
    if group_by is None:
        return pairs
    if group_by == MANIFEST and request.manifest is None:
        msg = f"--group-by {MANIFEST} needs a --manifest with the column 'group'"
        raise UsageProblem(msg)
    groups = groups_of(group_by, {pair.name: pair.group for pair in pairs})
    return tuple(replace(pair, group=groups[pair.name]) for pair in pairs)


def _listed(manifest: Path, request: RunOptions) -> Pairing:
    from kldeval.data.manifest import read_manifest

    check_sampled(Sampling(request.every, parse_fps(request.fps)))
    pairs = read_manifest(manifest)
    check_frames(pairs, allow_lossy=request.allow_lossy)
    return _by_slices(Pairing(pairs), request, None)


def _by_slices(pairing: Pairing, request: RunOptions, settings: Settings | None) -> Pairing:
    """The pairing, with a pair for every map of stacks: where the request says so, or two files can be nothing else.

    That is so of (N, C, H, W) and (N, H, W) where the axis of the classes is named; (N, H, W) may be one class map.
    """
    names_classes = settings is not None and settings.names_class_axis
    stacked = request.stack or request.stack_axis is not None
    if not pairing.pairs or not (stacked or (pairing.alone and names_classes)):
        return pairing
    from kldeval.data.stacks import is_class_stack, parse_axes, unstacked

    keys = request.pred_key or request.key, request.gt_key or request.key
    soft = settings is not None and settings.takes_soft_labels
    spatial = request.spatial_axes or PLANE
    classes = names_classes and is_class_stack(pairing.pairs[0], keys, soft=soft, spatial=spatial)
    if not (stacked or classes):
        return pairing
    pairs, failures = unstacked(pairing.pairs, keys, parse_axes(request.stack_axis), classes=classes, spatial=spatial)
    return replace(pairing, pairs=pairs, failures=(*pairing.failures, *failures), alone=False)


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
