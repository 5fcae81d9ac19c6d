"""Gates: what parses, what fires, and every refusal in full."""

from __future__ import annotations

import math
from typing import Any

import pytest
from command_line import kldeval
from hypothesis import given
from hypothesis import strategies as st
from looping import each_of
from report_files import gated
from report_files import report as made

from kldeval.errors import UnknownName, UsageProblem
from kldeval.records import Failure
from kldeval.reports.documents import Summary

TWICE = "kld(log_eps=1e-07,ratio_eps=0.5)"


def report(**means: float | None) -> Any:
    summaries = {
        key: Summary(n=3, n_nonfinite=1, mean=mean, std=None, median=0.5, min=0.1, max=2.0)
        for key, mean in means.items()
    }
    failures = (Failure("a", "load", "broken"), Failure("b", "load", "broken"))
    return made(summaries=summaries, failures=failures)


def fired(text: str, **means: float | None) -> bool:
    ((_, _, is_fired),) = gated(report(**means), text)
    return is_fired


@each_of(
    ("text", "expected"),
    [
        *[("kld>1.2", False), ("kld>0.9", True), ("cc.mean<0.5", True), ("kld.max>=3", False), ("kld.max>=2", True)],
        *[("sim <= -1e-3", True), ("failures>0", True), ("failures>2", False), ("kld.n_nonfinite>0", True)],
        *[("kld-reverse>=inf", False), (f"{TWICE}>1", True), (f"{TWICE}.min>1", False)],
    ],
)
def test_a_gate_is_on_a_statistic_of_a_metric(text: str, *, expected: bool) -> None:
    means = {"kld": 1.0, "cc": 0.25, "sim": -1.0, "kld-reverse": 9.0, TWICE: 1.5}
    assert fired(text, **means) is expected


FORM = "is not of the form METRIC>NUMBER, such as kld>1.2, cc.mean<0.5 or failures>0"


@each_of(
    ("text", "message"),
    [
        *(
            (text, f"gate {text!r} {FORM}")
            for text in ("", "kld", "kld=1", "kld==1", "kld=>1", ">1", "kld>", "1<kld<2")
        ),
        ("kld>nan", "gate 'kld>nan': 'nan' is not a number to compare with, such as 1.2"),
        ("kld>1,2", "gate 'kld>1,2': '1,2' is not a number to compare with, such as 1.2"),
        (
            "kld.maximum>1",
            (
                "gate 'kld.maximum>1': no statistic 'maximum'; did you mean 'max'?; "
                "known: n, n_nonfinite, mean, std, median, min, max"
            ),
        ),
        (
            "kld.>1",
            "gate 'kld.>1': no statistic ''; known: n, n_nonfinite, mean, std, median, min, max",
        ),
        (
            "failures.mean>1",
            "gate 'failures.mean>1': failures is a number of maps and has no statistic, as in failures>0",
        ),
    ],
)
def test_malformed_gates(text: str, message: str) -> None:
    with pytest.raises(UsageProblem) as caught:
        gated(report(kld=1.0), text)
    assert str(caught.value) == message


def test_outcomes_in_the_order_given() -> None:
    gates = ("kld>1", "failures>=2", "kld.median<0.5", "kld.n_nonfinite>0")
    assert gated(report(kld=1.0), *gates) == [
        ("kld>1", 1.0, False),
        ("failures>=2", 2, True),
        ("kld.median<0.5", 0.5, False),
        ("kld.n_nonfinite>0", 1, True),
    ]


@given(st.floats(allow_nan=False), st.floats(allow_nan=False))
def test_opposite_gates_never_agree(value: float, threshold: float) -> None:
    assert fired(f"kld>{threshold!r}", kld=value) is not fired(f"kld<={threshold!r}", kld=value)
    assert fired(f"kld<{threshold!r}", kld=value) is not fired(f"kld>={threshold!r}", kld=value)


@each_of("operator", [">", ">=", "<", "<="])
def test_nan_fires_every_gate(operator: str) -> None:
    ((_, value, is_fired),) = gated(report(kld=math.nan), f"kld{operator}1")
    assert value is not None
    assert math.isnan(value)
    assert is_fired


@pytest.mark.parametrize("text", ["kld>1", "kld<1", "kld.std>1"])
def test_an_absent_number_fires(text: str) -> None:
    assert gated(report(kld=None), text) == [(text, None, True)]


def test_an_infinite_mean_fires() -> None:
    assert fired("kld>1e308", kld=math.inf)


def test_absent_metrics_are_refused_together() -> None:
    with pytest.raises(UnknownName) as caught:
        gated(report(kld=1.0, cc=0.5), "kdl>1", "cc>1", "nss<1")
    assert str(caught.value) == (
        "gate 'kdl>1': no metric 'kdl'; did you mean 'kld'?; gate 'nss<1': no metric 'nss'; known: kld, cc, failures"
    )


def test_a_misspelt_failures_is_refused_before_anything_is_scored() -> None:
    outcome = kldeval("no/pred", "no/gt", "-m", "kld", "--fail-if", "failure>0")
    message = "gate 'failure>0': no metric 'failure'; did you mean 'failures'?; known: kld, failures"
    assert (outcome.code, outcome.out, outcome.err) == (2, "", f"kldeval: {message}\n")
