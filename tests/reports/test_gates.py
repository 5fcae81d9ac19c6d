"""Gates: what parses, what fires, and every refusal in full."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kldeval.errors import UnknownName, UsageProblem
from kldeval.records import Failure
from kldeval.reports.documents import GateOutcome, Report, Summary
from kldeval.reports.gates import Gate, check_gates, evaluate_gates, parse_gate

TWICE = "kld(log_eps=1e-07,ratio_eps=0.5)"


def report(**means: float | None) -> Report:
    summaries = {
        key: Summary(n=3, n_nonfinite=1, mean=mean, std=None, median=0.5, min=0.1, max=2.0)
        for key, mean in means.items()
    }
    failures = (Failure("a", "load", "broken"), Failure("b", "load", "broken"))
    return Report({}, "", {}, summaries, {}, (), failures)


def fired(text: str, **means: float | None) -> bool:
    return evaluate_gates([parse_gate(text)], report(**means))[0].fired


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("kld>1.2", Gate("kld>1.2", "kld", "mean", ">", 1.2)),
        ("cc.mean<0.5", Gate("cc.mean<0.5", "cc", "mean", "<", 0.5)),
        ("kld.max>=3", Gate("kld.max>=3", "kld", "max", ">=", 3.0)),
        ("sim <= -1e-3", Gate("sim <= -1e-3", "sim", "mean", "<=", -0.001)),
        ("failures>0", Gate("failures>0", "failures", "", ">", 0.0)),
        ("kld.n_nonfinite>0", Gate("kld.n_nonfinite>0", "kld", "n_nonfinite", ">", 0.0)),
        ("kld-reverse>=inf", Gate("kld-reverse>=inf", "kld-reverse", "mean", ">=", math.inf)),
        (f"{TWICE}>1", Gate(f"{TWICE}>1", TWICE, "mean", ">", 1.0)),
        (f"{TWICE}.std>1", Gate(f"{TWICE}.std>1", TWICE, "std", ">", 1.0)),
    ],
)
def test_gates_parse(text: str, expected: Gate) -> None:
    assert parse_gate(text) == expected


FORM = "is not of the form METRIC>NUMBER, such as kld>1.2, cc.mean<0.5 or failures>0"


@pytest.mark.parametrize(
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
        parse_gate(text)
    assert str(caught.value) == message


def test_outcomes_in_the_order_given() -> None:
    gates = [parse_gate(text) for text in ("kld>1", "failures>=2", "kld.median<0.5", "kld.n_nonfinite>0")]
    assert evaluate_gates(gates, report(kld=1.0)) == (
        GateOutcome("kld>1", 1.0, fired=False),
        GateOutcome("failures>=2", 2, fired=True),
        GateOutcome("kld.median<0.5", 0.5, fired=False),
        GateOutcome("kld.n_nonfinite>0", 1, fired=True),
    )


@given(st.floats(allow_nan=False), st.floats(allow_nan=False))
def test_opposite_gates_never_agree(value: float, threshold: float) -> None:
    assert fired(f"kld>{threshold!r}", kld=value) is not fired(f"kld<={threshold!r}", kld=value)
    assert fired(f"kld<{threshold!r}", kld=value) is not fired(f"kld>={threshold!r}", kld=value)


@pytest.mark.parametrize("operator", [">", ">=", "<", "<="])
def test_nan_fires_every_gate(operator: str) -> None:
    outcome = evaluate_gates([parse_gate(f"kld{operator}1")], report(kld=math.nan))[0]
    assert outcome.value is not None
    assert math.isnan(outcome.value)
    assert outcome.fired


@pytest.mark.parametrize("text", ["kld>1", "kld<1", "kld.std>1"])
def test_an_absent_number_fires(text: str) -> None:
    assert evaluate_gates([parse_gate(text)], report(kld=None)) == (GateOutcome(text, None, fired=True),)


def test_an_infinite_mean_fires() -> None:
    assert fired("kld>1e308", kld=math.inf)


def test_absent_metrics_are_refused_together() -> None:
    gates = [parse_gate(text) for text in ("kdl>1", "cc>1", "nss<1")]
    with pytest.raises(UnknownName) as caught:
        evaluate_gates(gates, report(kld=1.0, cc=0.5))
    assert str(caught.value) == (
        "gate 'kdl>1': no metric 'kdl'; did you mean 'kld'?; gate 'nss<1': no metric 'nss'; known: kld, cc, failures"
    )


def test_a_misspelt_failures_is_refused_before_anything_is_scored() -> None:
    with pytest.raises(UnknownName) as caught:
        check_gates([parse_gate("failure>0")], ["kld"])
    assert str(caught.value) == (
        "gate 'failure>0': no metric 'failure'; did you mean 'failures'?; known: kld, failures"
    )
