"""The pairs of a question, whose answers may be kept between runs as the scores of `evaluate` are."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

from kldeval.dataclass import NamedTuple
from kldeval.engine.device import CPU
from kldeval.engine.run import outcomes

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from kldeval.data.dataset import Dataset
    from kldeval.data.load import Reading
    from kldeval.engine.worker import Answer, PairWork
    from kldeval.executors.protocol import Executor
    from kldeval.reports.outcome_rows import RowForm


class KeptRows(NamedTuple):
    """The folder of rows, a text of all that is asked of every pair, and how rows are written."""

    folder: Path
    asked: str
    form: RowForm


def kept_outcomes(
    dataset: Dataset, pairs: PairWork[Any, Any], reading: Reading, executor: Executor, kept: KeptRows | None
) -> Generator[Answer, None, None]:
    """What becomes of every pair, beside which nothing stands, with its model and its name, in order.

    Pairs whose rows are `kept` are not worked on again; None: none are.

    Raises:
        UsageProblem: the folder of the rows cannot be made or read.
    """
    if kept is None:
        yield from outcomes(dataset, pairs, reading, executor)
        return
    from kldeval.engine.cache import CachedRun, run_key, store_of, warn_of_unkept

    warn_of_unkept(dataset.tasks, None)
    with closing(store_of(kept.folder, run_key({"asked": kept.asked}, reading, CPU, ""))) as store:
        run = CachedRun(store, pairs, reading, has_references=False, form=kept.form)
        yield from run.answers(dataset.tasks, executor)
