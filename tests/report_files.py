"""Documents to write and read: reports small enough to read, arbitrary ones, and leaderboards of them.

Tests of documents go through these functions, so that what makes, writes and reads them may move without them.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from drawn import CHARACTERS
from hypothesis import strategies as st

from kldeval.records import Failure, Score
from kldeval.reports import intervals
from kldeval.reports.aggregate import summarise_scores
from kldeval.reports.comparison import find_regressions
from kldeval.reports.documents import Column, Report, Resampling
from kldeval.reports.gates import evaluate_gates, parse_gate
from kldeval.reports.json_reader import load_document, parse_document
from kldeval.reports.leaderboard import make_leaderboard
from kldeval.reports.merging import merge
from kldeval.writers import BINARY, WRITERS, Options

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

FORMATS = tuple(WRITERS)
"""The formats of text."""


def write(document: Any, kind: str, **looks: Any) -> str:
    """A document in a format of text; `looks` are how tables for people look."""
    return WRITERS[kind](document, Options(**looks))


def write_bytes(document: Any, kind: str) -> bytes:
    """A document in a format that is no text."""
    return BINARY[kind](document, Options())


def read_document(value: object, file: str = "report") -> Any:
    """What a decoded JSON value holds; `file` names it in messages."""
    return parse_document(value, file)


def saved(path: Path) -> Any:
    """What a file of JSON holds."""
    return load_document(path)


def grouped(*scores: Score, how: str = "mean") -> Report:
    """A report of these scores with what is known of their groups; `how` is what the headline is over."""
    signed = {key: f"{key}|pred:sum-to-one|maps:{how}|v:1" for key in scores[0].values}
    return merge({"one": report(*scores, signatures=signed)})


def leaderboard(reports: Mapping[str, Report], resamples: int = 200) -> Any:
    """A leaderboard of reports by the names of their models."""
    return make_leaderboard(reports, Resampling(resamples))


def summary_of(values: Any, key: str = "kld") -> Any:
    """What a report says of the numbers of a metric: scores, or numbers of maps without names."""
    scores = [one if isinstance(one, Score) else Score(str(place), {key: one}) for place, one in enumerate(values)]
    return summarise_scores([key], scores)[key]


def gated(document: Report, *texts: str) -> list[tuple[str, Any, bool]]:
    """What each gate finds in a report, and whether it fires."""
    outcomes = evaluate_gates([parse_gate(text) for text in texts], document)
    return [(outcome.text, outcome.value, outcome.fired) for outcome in outcomes]


def regressions(reports: Mapping[str, Report], confidence: float = 0.95) -> Sequence[Any]:
    """What the gates of a new model against older ones find, where the first of the reports is the new one."""
    return find_regressions(reports, Resampling(confidence=confidence))


def with_intervals(document: Report) -> Report:
    """A report with the intervals of its means."""
    return intervals.with_intervals(document, Resampling())


def merged(parts: Mapping[str, Report]) -> Report:
    """One report of several parts of a run."""
    return merge(parts)


REST = "|pred:sum-to-one|gt:sum-to-one|scale:unit|v:1"
COLUMNS = {
    "kld": Column("nats", "low"),
    "entropy-gt": Column("nats", ""),
    "cc": Column("", "high"),
    "mse": Column("", "low"),
}


def report(*scores: Score, failures: tuple[Failure, ...] = (), notes: tuple[str, ...] = (), **changes: Any) -> Report:
    """A report of these scores with the true summaries."""
    keys = list(scores[0].values) if scores else ["kld"]
    parts: dict[str, Any] = {
        "signatures": {key: key + REST for key in keys},
        "short": "kldeval:mit+v1",
        "provenance": {"kldeval": "0.1.0", "device": "cpu"},
        "summaries": summarise_scores(keys, scores),
        "columns": {key: COLUMNS.get(key, Column("nats", "low")) for key in keys},
    }
    return Report(**{**parts, "scores": scores, "failures": failures, "notes": notes, **changes})


def example() -> Report:
    """Three maps, one of them infinite; one failure, one note."""
    return report(
        Score("a/0001", {"kld": 0.25, "cc": 0.75}),
        Score("a/0002", {"kld": math.inf, "cc": -0.5}, 12, 0.03125, ("uncovered",)),
        Score("b_1", {"kld": 11.5, "cc": 0.0625}),
        failures=(Failure("c|1", "load", "pred/c|1.png is not an image"),),
        notes=("the prediction is exactly 0 (1 of 3 maps)",),
    )


values = st.floats()
names = st.text(CHARACTERS, min_size=1, max_size=12) | st.sampled_from(
    ["=1+1", "+1", "-1", "@x", "\t=x", "a|b", "a,b", 'a"b', "\\"]
)
keys = st.lists(
    st.sampled_from(["kld", "ce", "cc", "kld(log_eps=1e-07,ratio_eps=1e-07)", "x y"]),
    min_size=1,
    max_size=3,
    unique=True,
)
words = st.text(st.characters(codec=None, exclude_categories=["C", "Z"]), min_size=1, max_size=9)
plain_json = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(CHARACTERS)
)


@st.composite
def reports(draw: st.DrawFn) -> Report:
    """Any report that a run could make, and stranger ones."""
    metrics = draw(keys)
    masses = st.floats(min_value=0, max_value=1)
    remarks = st.lists(st.text(CHARACTERS, max_size=5), max_size=2).map(tuple)
    row = st.tuples(*[values] * len(metrics)).map(lambda numbers: dict(zip(metrics, numbers, strict=True)))
    score = st.builds(Score, names, row, st.integers(0, 9), masses, remarks)
    scores = draw(st.lists(score, max_size=5, unique_by=lambda made: made.name))
    failure = st.builds(
        Failure, names, st.sampled_from(["pair", "load", "check", "score"]), st.text(CHARACTERS, max_size=20)
    )
    column = st.builds(Column, st.sampled_from(["nats", "bits", ""]), st.sampled_from(["low", "high"]))
    return Report(
        signatures={key: draw(words) for key in metrics},
        short=draw(words),
        provenance=draw(st.dictionaries(st.sampled_from(["device", "jobs"]), plain_json)),
        summaries=summarise_scores(metrics, scores),
        columns={key: draw(column) for key in metrics},
        scores=tuple(scores),
        failures=tuple(draw(st.lists(failure, max_size=3))),
        notes=tuple(draw(st.lists(st.text(CHARACTERS, max_size=20), max_size=2))),
    )
