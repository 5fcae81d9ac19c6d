"""Rows of logits as units: pairs in, a number for every row out."""

from __future__ import annotations

import math
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from kldeval.data.dataset import ONLY, select
from kldeval.data.listing import name_of
from kldeval.data.load import load_pair
from kldeval.data.readers import CLASS_READERS, LABEL_READERS, is_mapped, read_map, stored_shape
from kldeval.dataclass import dataclass
from kldeval.engine.device import find_device
from kldeval.engine.report_builder import provenance_of
from kldeval.engine.run import outcomes
from kldeval.engine.worker import reading_of
from kldeval.errors import NoPartner, RefusedMap, UnreadableMap, UsageProblem, printable
from kldeval.executors.choice import executor_for
from kldeval.memory import MapInMemory, NamedMaps
from kldeval.metrics.registry import METRICS
from kldeval.normalization.chain import class_axis
from kldeval.records import Failure, Pair
from kldeval.reports.rows import RowsReport, RowSummary, likelihoods_of, row_summary
from kldeval.scoring.rows import NLL, NLL_GT, SAME_TOP, SHIFT, RowScores, check_label_count, score_rows
from kldeval.settings.signature import signatures

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from kldeval.data.load import Loaded, Reading
    from kldeval.memory import MapFile, MapFolder
    from kldeval.reports.rows import Floats
    from kldeval.run_options import RunOptions
    from kldeval.settings.settings import Settings

_UNITS = {"e": "nats", "2": "bits", "10": "bans"}


PIECE = 2**25
"""Entries of a pair in large files that are scored at a time, by any worker: 64 MiB of half floats on each side."""


@dataclass(frozen=True, slots=True)
class PartOfPair(Pair):
    """The places from `start` to `stop` on the first axis of a pair's arrays, each of which has `n_rows` rows."""

    start: int = 0
    stop: int = 0
    length: int = 0
    n_rows: int = 1


@dataclass(frozen=True, slots=True)
class RowScoring:
    """The work on each pair; `labels` are the files of labels by name, or the one file of all under ""."""

    settings: Settings
    reading: Reading
    labels: Mapping[str, MapFile] | None = None
    ignore_index: int | None = None

    def begin(self, model: str, pair: Pair, gt: Loaded | None, *, is_first: bool) -> RowScores | Failure:
        """The numbers of the rows of a pair, or of a part of it."""
        del model, is_first
        labels = self._labels_of(pair.name)
        first = 0
        if isinstance(pair, PartOfPair):
            first = pair.start * pair.n_rows
            if labels is not None:
                check_label_count(labels, pair.length * pair.n_rows)
                labels = labels[first : pair.stop * pair.n_rows]
            pair = replace(pair, pred=self._part(pair, pair.pred), gt=self._part(pair, pair.gt))
        try:
            maps = load_pair(pair, self.reading, gt)
        except RefusedMap as problem:
            if problem.code != "size-mismatch":
                raise
            sizes = str(problem).partition(" (height, width)")[0]  # what follows is the way out for maps
            msg = f"{sizes}; rows must be the same on both"
            raise RefusedMap(msg, code=problem.code) from problem
        return score_rows(maps, self.settings, labels, self.ignore_index, first)

    def finish(self, begun: Sequence[RowScores]) -> Sequence[RowScores]:
        """The numbers of all parts."""
        return begun

    def _part(self, pair: PartOfPair, path: MapFile) -> MapInMemory:
        """The part of an array that stays in its file; only what is looked at is read."""
        whole = read_map(path, readers=CLASS_READERS, max_pixels=sys.maxsize).array
        if len(whole) != pair.length:
            msg = f"{printable(path)}: the file changed while it was read"
            raise UnreadableMap(msg)
        return MapInMemory(whole[pair.start : pair.stop], str(path))

    def _labels_of(self, name: str) -> Any:
        if self.labels is None:
            return None
        path = self.labels.get("", self.labels.get(name))
        if path is None:
            msg = f"no labels for {name!r}: --labels has {', '.join(sorted(self.labels)[:3])}"
            raise NoPartner(msg)
        return read_map(path, readers=LABEL_READERS, max_pixels=self.reading.max_pixels).array.ravel()


def run_rows(
    pred: MapFolder | None,
    gt: MapFolder | None,
    settings: Settings,
    request: RunOptions,
    *,
    labels: Path | NamedMaps | None = None,
    ignore_index: int | None = None,
    progress: Callable[[object, int], None] | None = None,
) -> RowsReport:
    """The numbers of every row of all pairs; `labels` are the file or the folder of the entry that is right.

    Raises:
        UsageProblem: the paths cannot be paired, there are no labels, or nothing could be scored at all.
    """
    _refuse_idle(request)
    dataset = select(pred, gt, settings, request)
    reading = replace(reading_of(settings, request), labels=False)
    work = RowScoring(settings, reading, _label_files(labels, is_single_pair=dataset.count == 1), ignore_index)
    tasks = tuple({ONLY: part} for pair in dataset.firsts for part in _parts(pair, settings, reading))
    answers: dict[str, list[RowScores | Failure]] = {}
    for answer in outcomes(replace(dataset, tasks=tasks), work, reading, executor_for(request)):
        answers.setdefault(answer.name, []).append(answer.outcome)
        if progress:
            progress(answer.outcome, len(tasks))
    lost = {one.name: one for parts in answers.values() for one in reversed(parts) if isinstance(one, Failure)}
    found = {
        name: [one for one in parts if isinstance(one, RowScores)]
        for name, parts in answers.items()
        if name not in lost
    }
    failures = [*(failure for rows in dataset.failures.values() for failure in rows), *lost.values()]
    keys = [*settings.keys, SAME_TOP, *((NLL, NLL_GT, SHIFT) if labels else ())]
    values = {key: _concatenated([one.values[key] for parts in found.values() for one in parts]) for key in keys}
    summaries = _summaries(values)
    device = find_device("cpu", settings)
    units = {
        key: _UNITS[settings.base] if METRICS[call.name].info.unit == "nats" else ""
        for key, call in zip(settings.keys, settings.metrics, strict=True)
    }
    return RowsReport(
        signatures(settings),
        provenance_of(pred, gt, device, request),
        {key: units.get(key, "") for key in summaries},
        tuple((name, sum(one.n for one in parts)) for name, parts in found.items()),
        summaries,
        tuple(sorted(failures, key=lambda one: one.name)),
        likelihoods_of(values[NLL], values[NLL_GT], values[SHIFT]) if labels and found else None,
        (*dataset.notes, *_infinite(settings.keys, values), *_without_labels(values, ignore_index)),
        values,
    )


_IDLE = ("baselines", "bounds", "fixations", "shard", "per_class", "cache", "digests")
"""What a run may be asked for and rows have no use for."""


def _refuse_idle(request: RunOptions) -> None:
    """Refuse what is asked for and would be left out without a word.

    Raises:
        UsageProblem: naming it.
    """
    for name in _IDLE:
        if getattr(request, name):
            flag = "--" + name.replace("_", "-")
            msg = f"{flag} has no meaning for rows, which have no number per map; --format csv has every row"
            raise UsageProblem(msg)
    if request.device not in ("auto", "cpu"):
        msg = f"--device {request.device} has no meaning for rows, which the CPU scores; leave it out"
        raise UsageProblem(msg)


def _infinite(keys: Sequence[str], values: Mapping[str, Floats]) -> Iterator[str]:
    """What is to be said of metrics that are infinite in some rows."""
    for key in keys:
        found = np.count_nonzero(~np.isfinite(values[key]))
        if found:
            yield f"{key} is infinite or undefined in {found} of {len(values[key])} rows; such values stay in the mean"


def _without_labels(values: Mapping[str, Floats], ignore_index: int | None) -> Iterator[str]:
    if len(values.get(NLL, ())) and np.isnan(values[NLL]).all():
        yield f"no row has a label that counts (--ignore-index {ignore_index}), so there is no perplexity"


def _concatenated(parts: Sequence[Floats]) -> Floats:
    return np.concatenate(parts) if parts else np.empty(0)


def _parts(pair: Pair, settings: Settings, reading: Reading) -> Sequence[Pair]:
    """A pair of large arrays that stay in their files, in parts of their rows; any other as it is."""
    axis = class_axis(settings.pred)
    shape, other = stored_shape(pair.pred, reading.key_of("pred")), stored_shape(pair.gt, reading.key_of("gt"))
    if shape is None or other != shape or len(shape) < 2 or 1 in shape or axis not in (-1, len(shape) - 1):  # noqa: PLR2004
        return [pair]
    if not (is_mapped(pair.pred) and is_mapped(pair.gt)) or pair.place is not None:
        return [pair]
    each, n_rows = max(1, PIECE // math.prod(shape[1:])), math.prod(shape[1:-1])
    given = pair.pred, pair.gt, pair.group, pair.fixations, pair.mask, pair.place, pair.is_first
    return [
        PartOfPair(pair.name, *given, start, min(start + each, shape[0]), shape[0], n_rows)
        for start in range(0, shape[0], each)
    ]


def _summaries(values: Mapping[str, Floats]) -> dict[str, RowSummary]:
    """What is said of each number; rows whose label does not count have no change of its probability."""
    counted = {key: one[~np.isnan(one)] if key == SHIFT else one for key, one in values.items()}
    return {key: row_summary(one, is_share=key == SAME_TOP) for key, one in counted.items() if key not in (NLL, NLL_GT)}


def _label_files(labels: Path | NamedMaps | None, *, is_single_pair: bool) -> Mapping[str, MapFile] | None:
    """The files of labels by the names of pairs; one file stands for the only pair.

    Raises:
        UsageProblem: there is no such file or folder, or one file beside several pairs.
    """
    if labels is None:
        return None
    if isinstance(labels, NamedMaps):
        return labels.maps
    if labels.is_dir():
        files = sorted(path for path in labels.rglob("*") if path.suffix.lower() in LABEL_READERS)
        return {name_of(path.relative_to(labels).as_posix()): path for path in files}
    if not labels.is_file() or not is_single_pair:
        what = "is one file, and there are several pairs: give the folder of their labels"
        msg = f"--labels {printable(labels)} {what if labels.is_file() else 'does not exist'}"
        raise UsageProblem(msg)
    return {"": labels}
