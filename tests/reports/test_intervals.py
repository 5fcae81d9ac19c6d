"""Intervals of the means of one run: what they are of, where they stand, and where there are none."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import kldeval
from hypothesis import given, settings
from hypothesis import strategies as st
from report_files import grouped, report, saved, with_intervals
from schemas import validate

import kldeval as kldeval_library
from kldeval.records import Score
from kldeval.reports.intervals import headline_units

SAMPLE = Path(__file__).parent.parent.parent / "sample_data"
PAIR = SAMPLE / "careful", SAMPLE / "gt"
SIGNATURE = "interval(confidence=0.9,resamples=10000,seed=0)|unit:maps|v:1"


def document(*arguments: Any) -> dict[str, Any]:
    outcome = kldeval(*arguments, "--format", "json", "-q")
    assert outcome.code == 0
    made: dict[str, Any] = json.loads(outcome.out)
    validate(made, "report")
    return made


def test_a_confidence_asks_for_the_interval_of_the_mean() -> None:
    """That of `scipy.stats.bootstrap`, in JSON and behind the mean in a table."""
    from scipy.stats import bootstrap

    made = document(*PAIR, "-m", "kld", "--confidence", "0.9")
    values = [row["kld"] for row in made["maps"]]
    expected = bootstrap(
        (values,), np.mean, n_resamples=10_000, method="BCa", confidence_level=0.9, rng=np.random.default_rng(0)
    ).confidence_interval
    assert made["summary"]["kld"]["interval"] == pytest.approx([expected.low, expected.high], rel=1e-9)
    assert made["statistics"] == SIGNATURE
    lines = kldeval(*PAIR, "-m", "kld", "--confidence", "0.9").out.splitlines()
    assert lines[1] == "kld ↓ nats   5   0.5266 [0.4230, 0.6445]   0.1684   0.4984   0.3546   0.7357"
    assert lines[3] == "in brackets 90 % intervals of the means (BCa bootstrap over 5 maps)"
    assert lines[-1] == SIGNATURE


def test_nobody_who_does_not_ask_gets_one() -> None:
    made = document(*PAIR, "-m", "kld")
    assert "statistics" not in made
    assert "interval" not in made["summary"]["kld"]


def test_the_library_has_them_as_well() -> None:
    made = kldeval_library.evaluate(*PAIR, metric="kld", confidence=0.9)
    assert made.statistics == SIGNATURE
    assert list(made.summaries["kld"].interval or ()) == pytest.approx([0.4230, 0.6445], abs=1e-4)


def test_saved_reports_get_and_keep_them(tmp_path: Path) -> None:
    kldeval(*PAIR, "-m", "kld", "-o", tmp_path / "plain.json")
    asked = document("show", tmp_path / "plain.json", "--confidence", "0.9")
    (tmp_path / "asked.json").write_text(json.dumps(asked))
    assert document("show", tmp_path / "asked.json") == asked == document(*PAIR, "-m", "kld", "--confidence", "0.9")
    assert saved(tmp_path / "asked.json").statistics == SIGNATURE


@pytest.mark.parametrize("values", [(1.0,), (1.0, math.inf), (1.0, math.nan, 2.0)])
def test_one_map_or_an_infinite_one_has_no_interval(values: tuple[float, ...]) -> None:
    made = with_intervals(report(*(Score(str(place), {"kld": value}) for place, value in enumerate(values))))
    assert made.summaries["kld"].interval is None


def test_a_confidence_that_is_none_is_refused() -> None:
    outcome = kldeval(*PAIR, "--confidence", "95")
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err == "kldeval: confidence 95.0 is not between 0 and 1: 0.95 is usual\n"


rows = st.lists(st.tuples(st.integers(-99, 99), st.integers(1, 9), st.sampled_from("abc")), min_size=2, max_size=12)


@settings(deadline=None, max_examples=30)
@given(rows, st.sampled_from(["", "weighted", "grouped", "weighted grouped"]))
def test_the_mean_of_the_units_is_the_headline(numbers: list[tuple[int, int, str]], kind: str) -> None:
    """Maps that weigh differently, groups of different sizes: what is resampled has the mean that is printed."""
    scores = [
        Score(
            str(place),
            {"kld": value / 10},
            weights={"kld": float(weight)} if "weighted" in kind else {},
            group=group if "grouped" in kind else "",
        )
        for place, (value, weight, group) in enumerate(numbers)
    ]
    made = grouped(*scores) if "grouped" in kind else report(*scores)
    units = headline_units(made, "kld")
    assert len(units) == (len({group for _, _, group in numbers}) if "grouped" in kind else len(scores))
    assert np.mean(units) == pytest.approx(made.summaries["kld"].mean, rel=1e-9, abs=1e-12)


def test_the_headline_over_groups_is_resampled_over_groups() -> None:
    scores = [Score(f"{group}/{i}", {"kld": i + ord(group) / 9}, group=group) for group in "abcd" for i in range(3)]
    made = grouped(*scores, how="groups")
    means = [group["kld"].mean for group in made.groups.values()]
    assert headline_units(made, "kld") == means
    found = with_intervals(made).summaries["kld"]
    assert found.interval
    assert min(means) <= found.interval[0] <= found.mean <= found.interval[1] <= max(means)  # type: ignore[type-var,operator]
