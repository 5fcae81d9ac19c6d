"""Rows of logits as units: pairs in, a number for every row out."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from kldeval.data.dataset import select
from kldeval.data.listing import name_of
from kldeval.data.load import load_pair
from kldeval.data.readers import LABEL_READERS, read_map
from kldeval.dataclass import dataclass
from kldeval.engine.device import find_device
from kldeval.engine.report_builder import provenance_of
from kldeval.engine.run import outcomes
from kldeval.engine.worker import reading_of
from kldeval.errors import NoPartner, UsageProblem, printable
from kldeval.executors.choice import executor_for
from kldeval.metrics.registry import METRICS
from kldeval.records import Failure
from kldeval.reports.rows import RowsReport, likelihoods_of
from kldeval.scoring.rows import NLL, NLL_GT, SAME_TOP, SHIFT, RowScores, score_rows
from kldeval.settings.signature import signatures

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from kldeval.data.load import Loaded, Reading
    from kldeval.memory import MapFolder
    from kldeval.records import Pair
    from kldeval.run_options import RunOptions
    from kldeval.settings.settings import Settings

_UNITS = {"e": "nats", "2": "bits", "10": "bans"}


@dataclass(frozen=True, slots=True)
class RowScoring:
    """The work on each pair; `labels` are the files of labels by name, or the one file of all under ""."""

    settings: Settings
    reading: Reading
    labels: Mapping[str, Path] | None = None
    ignore_index: int | None = None

    def begin(self, model: str, pair: Pair, gt: Loaded | None, *, is_first: bool) -> RowScores | Failure:
        """The numbers of the rows of a pair."""
        del model, is_first
        maps = load_pair(pair, self.reading, gt)
        return score_rows(maps, self.settings, self._labels_of(pair.name), self.ignore_index)

    def finish(self, begun: Sequence[RowScores]) -> Sequence[RowScores]:
        """The numbers."""
        return begun

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
    labels: Path | None = None,
    ignore_index: int | None = None,
    progress: Callable[[object, int], None] | None = None,
) -> RowsReport:
    """The numbers of every row of all pairs; `labels` are the file or the folder of the entry that is right.

    Raises:
        UsageProblem: the paths cannot be paired, there are no labels, or nothing could be scored at all.
    """
    dataset = select(pred, gt, settings, request)
    reading = replace(reading_of(settings, request), labels=False)
    work = RowScoring(settings, reading, _label_files(labels, alone=dataset.alone), ignore_index)
    found: list[RowScores] = []
    failures = [failure for rows in dataset.failures.values() for failure in rows]
    for answer in outcomes(dataset, work, reading, executor_for(request)):
        if isinstance(answer.outcome, Failure):
            failures.append(answer.outcome)
        else:
            found.append(answer.outcome)
        if progress:
            progress(answer.outcome, dataset.count)
    keys = [*settings.keys, SAME_TOP, *((NLL, NLL_GT, SHIFT) if labels else ())]
    values = {key: np.concatenate([one.values[key] for one in found]) if found else np.empty(0) for key in keys}
    device = find_device("cpu", settings, [], 1)
    units = {
        key: _UNITS[settings.base] if METRICS[call.name].info.unit == "nats" else ""
        for key, call in zip(settings.keys, settings.metrics, strict=True)
    }
    return RowsReport(
        signatures(settings),
        provenance_of(pred, gt, device, request),
        units | {NLL: "nats", NLL_GT: "nats"},
        tuple((one.name, one.n) for one in found),
        values,
        tuple(sorted(failures, key=lambda one: one.name)),
        likelihoods_of(values[NLL], values[NLL_GT], values[SHIFT]) if labels and found else None,
        dataset.notes,
    )


def _label_files(labels: Path | None, *, alone: bool) -> dict[str, Path] | None:
    """The files of labels by the names of pairs; one file stands for the only pair.

    Raises:
        UsageProblem: there is no such file or folder, or one file beside several pairs.
    """
    if labels is None:
        return None
    if labels.is_dir():
        files = sorted(path for path in labels.rglob("*") if path.suffix.lower() in (".npy", ".npz"))
        return {name_of(path.relative_to(labels).as_posix()): path for path in files}
    if not labels.is_file() or not alone:
        what = "is one file, and there are several pairs: give the folder of their labels"
        msg = f"--labels {printable(labels)} {what if labels.is_file() else 'does not exist'}"
        raise UsageProblem(msg)
    return {"": labels}
