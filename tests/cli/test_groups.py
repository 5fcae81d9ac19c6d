"""Groups of maps in a report: their means, the headline that the signature names, every format."""

from __future__ import annotations

import csv
import json
import math
from typing import TYPE_CHECKING, Any

import pytest
from command_line import kldeval
from hypothesis import given
from hypothesis import strategies as st
from model_files import NAMES, VIDEOS, make_models
from report_files import FORMATS, grouped, saved, write
from schemas import validate

from kldeval import evaluate, signature
from kldeval.records import Score

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    make_models(tmp_path, ("pred",))
    return tmp_path


def scored(root: Path, *arguments: str) -> Any:
    document = json.loads(kldeval(root / "pred", root / "gt", "-m", "kld", "--format", "json", *arguments).out)
    validate(document, "report")
    return document


def by_video(document: Any) -> dict[str, list[float]]:
    return {video: [row["kld"] for row in document["maps"] if row["name"].startswith(video)] for video in VIDEOS}


# numbers


def test_groups_have_the_statistics_of_their_maps(root: Path) -> None:
    document = scored(root, "--group-by", "parent")
    assert [row["group"] for row in document["maps"]] == [name.partition("/")[0] for name in NAMES]
    for video, values in by_video(document).items():
        summary = document["groups"][video]["kld"]
        assert (summary["n"], summary["mean"]) == (len(values), math.fsum(values) / len(values))
        assert (summary["min"], summary["max"]) == (min(values), max(values))


def test_the_headline_is_what_the_signature_says(root: Path) -> None:
    maps, groups = scored(root, "--group-by", "parent"), scored(root, "--maps", "groups")
    values = by_video(maps)
    means = [math.fsum(video) / len(video) for video in values.values()]
    everything = [value for video in values.values() for value in video]
    assert maps["summary"]["kld"]["mean"] == math.fsum(everything) / 8
    assert groups["summary"]["kld"]["mean"] == math.fsum(means) / 3
    assert (maps["summary"]["kld"]["n"], groups["summary"]["kld"]["n"]) == (8, 3)
    assert maps["groups"] == groups["groups"]
    assert maps["signature"] == scored(root)["signature"]
    assert groups["signature"]["kld"] == maps["signature"]["kld"].replace("maps:mean", "maps:groups")
    (mean,) = kldeval(root / "pred", root / "gt", "-m", "kld", "--maps", "groups", "--score-only").out.split()
    assert float(mean) == groups["summary"]["kld"]["mean"]


def test_a_gate_is_on_the_headline(root: Path) -> None:
    maps, groups = (scored(root, "--maps", how)["summary"]["kld"]["mean"] for how in ("mean", "groups"))
    gate = f"kld>{(maps + groups) / 2}"
    codes = [kldeval(root / "pred", root / "gt", "--maps", how, "--fail-if", gate).code for how in ("mean", "groups")]
    assert sorted(codes) == [0, 3]


def test_a_signature_with_groups_runs_again(root: Path) -> None:
    document = scored(root, "--maps", "groups", "--group-by", "{video}/{frame:d}")
    signature = document["signature"]["kld"]
    assert signature.endswith("|maps:groups|dtype:float64|groups:{video}/{frame:d}|v:1")
    again = json.loads(kldeval(root / "pred", root / "gt", "--signature", signature, "--format", "json").out)
    assert (again["summary"], again["signature"]) == (document["summary"], document["signature"])
    outcome = kldeval(root / "pred", root / "gt", "--signature", signature, "--group-by", "parent")
    assert (outcome.code, outcome.err) == (
        2,
        "kldeval: --group-by parent: the signature says groups:{video}/{frame:d}; leave out --group-by\n",
    )
    for beside in ("--maps", "--eps"):
        outcome = kldeval(root / "pred", root / "gt", "--signature", signature, beside, "1")
        assert outcome.err == f"kldeval: --signature says every number's setting already; leave out {beside}\n"


@pytest.mark.parametrize("group_by", ["parent", "manifest", "{video}_{frame:03d}"])
def test_settings_with_groups_are_their_signature(group_by: str) -> None:
    text = signature("kld", maps="groups", group_by=group_by)
    shown = json.loads(kldeval("methods", "--signature", text, "--format", "json").out)
    assert text in shown["signature"].values()
    assert ("groups:" in text) is (group_by != "parent")


def test_the_library_groups_as_the_command_line_does(root: Path) -> None:
    made = evaluate(root / "pred", root / "gt", metric="kld", maps="groups", group_by="{video}/{name}")
    expected = scored(root, "--maps", "groups", "--group-by", "{video}/{name}")
    assert made.summaries["kld"].mean == expected["summary"]["kld"]["mean"]
    assert dict(made.signatures) == expected["signature"]


@given(st.lists(st.tuples(st.sampled_from("uvw"), st.floats(-1e6, 1e6)), min_size=1, max_size=20))
def test_groups_of_equal_size_have_one_mean(values: list[tuple[str, float]]) -> None:
    scores = [Score(f"{place}", {"kld": value}, group=group) for place, (group, value) in enumerate(values)]
    made = grouped(*scores)
    groups = [summary["kld"] for summary in made.groups.values()]
    assert sum(summary.n for summary in groups) == len(values)
    if len({summary.n for summary in groups}) == 1:
        over_groups = grouped(*scores, how="groups").summaries["kld"].mean
        largest = max(abs(value) for _, value in values)
        assert over_groups == pytest.approx(made.summaries["kld"].mean, abs=1e-9 * largest + 1e-300)


def test_a_map_without_a_group_leaves_none() -> None:
    assert grouped(Score("a", {"kld": 1.0}, group="v"), Score("b", {"kld": 1.0})).groups == {}


# formats


def test_the_table_shows_every_group_and_both_means(root: Path) -> None:
    lines = kldeval(root / "pred", root / "gt", "-m", "kld", "--group-by", "parent").out.splitlines()
    start = lines.index("3 groups; the headline is the mean over maps")
    assert [line.split()[:-1] for line in lines[start + 2 : start + 7]] == [
        ["jump", "3"],
        ["run", "3"],
        ["swim", "2"],
        ["mean", "over", "groups", "3"],
        ["mean", "over", "maps", "8"],
    ]
    assert (
        "3 groups; the headline is the mean over groups" in kldeval(root / "pred", root / "gt", "--maps", "groups").out
    )


def test_groups_and_maps_stand_in_natural_order_in_tables_and_not_in_json() -> None:
    names = [f"swim{number}/f{number}" for number in (1, 10, 2)]
    scores = [Score(name, {"kld": 1.0}, group=name.partition("/")[0]) for name in names]
    made = grouped(*scores)
    lines = write(made, "table", per_map=True).splitlines()
    shown = [line.split()[0] for line in lines if line.startswith("swim")]
    assert shown == ["swim1", "swim2", "swim10", "swim1/f1", "swim2/f2", "swim10/f10"]
    document = json.loads(write(made, "json"))
    assert list(document["groups"]) == ["swim1", "swim10", "swim2"]


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_writes_groups(root: Path, name: str) -> None:
    outcome = kldeval(root / "pred", root / "gt", "--group-by", "parent", "--format", name, "-q")
    assert outcome.code == 0
    assert ("jump" in outcome.out) is (name != "scores")


def test_rows_for_programs_have_the_group(root: Path) -> None:
    outcome = kldeval(root / "pred", root / "gt", "-m", "kld", "--group-by", "parent", "--format", "csv")
    rows = list(csv.DictReader(outcome.out.splitlines()))
    assert list(rows[0]) == ["name", "group", "kld", "n_uncovered", "uncovered_mass", "failure"]
    assert [row["group"] for row in rows] == [name.partition("/")[0] for name in NAMES]


def test_a_saved_report_keeps_its_groups(root: Path) -> None:
    kldeval(root / "pred", root / "gt", "--maps", "groups", "-o", root / "r.json", "--fail-if", "kld>9")
    read = saved(root / "r.json")
    assert write(read, "json") == (root / "r.json").read_text()
    again = grouped(*read.scores, how="groups")
    assert (again.summaries, again.groups) == (read.summaries, read.groups)
