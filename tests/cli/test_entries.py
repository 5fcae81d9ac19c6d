"""`kldeval metrics` and `kldeval steps`: what there is, and one of it in full."""

from __future__ import annotations

import re
from importlib import import_module

from command_line import kldeval
from looping import each_of

from kldeval.metrics.registry import LABEL_METRICS, METRICS
from kldeval.normalization.steps import STEPS

import_module("kldeval.metrics.classification")


def test_every_metric_and_every_step_has_a_line() -> None:
    for command, names in (("metrics", {*METRICS, *LABEL_METRICS}), ("steps", {*STEPS})):
        lines = kldeval(command).out.splitlines()
        assert [line.split()[0] for line in lines] == sorted(names)
        assert all(len(line.split()) > 2 for line in lines)


@each_of("name", list(METRICS))
def test_a_metric_in_full_has_its_parameters(name: str) -> None:
    text = kldeval("metrics", name.upper()).out
    assert text.startswith(name)
    assert ">>>" not in text
    for parameter in METRICS[name].defaults:
        assert f"{parameter}=" in text.splitlines()[0]


@each_of("name", list(STEPS))
def test_a_step_in_full_has_its_parameters(name: str) -> None:
    head = kldeval("steps", name.upper()).out.splitlines()[0]
    for parameter in STEPS[name].types:
        assert f"{parameter}=" in head
    assert head.count("=...") == len(STEPS[name].required)


@each_of("name", list(STEPS))
def test_a_step_says_its_source_or_its_formula(name: str) -> None:
    """A step of somebody's own has a line with a link; any other is defined by the formula in its first line."""
    text = kldeval("steps", name).out
    sources = [line for line in text.splitlines() if line.startswith("Source: ")]
    has_link = "https://" in text
    assert len(sources) == has_link
    if not has_link:
        assert re.search(r"\bx\b", text.splitlines()[2].lower())


def test_unknown_names_are_refused() -> None:
    for command, kind in (("metrics", "metric"), ("steps", "step")):
        done = kldeval(command, "sush")
        assert (done.code, done.out) == (2, "")
        assert done.err.startswith(f"kldeval: unknown {kind} 'sush'")
