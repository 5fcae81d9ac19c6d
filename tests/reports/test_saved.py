"""Saved documents: shown in any format, put together, merged, and gated again without the maps."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from command_line import kldeval
from looping import each_of
from model_files import NAMES, make_models
from report_files import FORMATS, merged, report, saved, write
from schemas import validate

from kldeval.errors import UsageProblem
from kldeval.records import Failure, Score
from kldeval.reports.documents import ClassRow

FEW = ("--resamples", "200")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("saved")
    make_models(root)
    for model in ("good", "bad"):
        kldeval(root / model, root / "gt", "-o", root / f"{model}.json", "--group-by", "parent")
    kldeval(root / "good", root / "bad", root / "gt", *FEW, "-o", root / "board.json")
    kldeval("compare", root / "good.json", root / "bad.json", *FEW, "-o", root / "compared.json")
    return root


@pytest.fixture
def root(made: Path, tmp_path: Path) -> Path:
    """Two models, their reports, a leaderboard and a comparison, which each test may change."""
    return Path(shutil.copytree(made, tmp_path / "root"))


@each_of("name", ["good", "board", "compared"])
def test_a_saved_document_is_read_back_to_the_byte(made: Path, name: str) -> None:
    text = (made / f"{name}.json").read_text()
    assert write(saved(made / f"{name}.json"), "json") == text
    assert kldeval("show", made / f"{name}.json", "--format", "json", "-q").out == text


@each_of("name", [name for name in FORMATS if name != "scores"])
def test_show_prints_what_scoring_printed(made: Path, name: str) -> None:
    shown = ("--format", name, "--per-map")
    scored = kldeval(made / "good", made / "gt", "--group-by", "parent", *shown, "--html-maps", "0")
    assert kldeval("show", made / "good.json", *shown).out == scored.out
    assert kldeval("show", made / "board.json", "--format", name).code == 0
    assert kldeval("show", made / "compared.json", "--format", name).code == 0


def test_several_reports_are_shown_as_a_leaderboard(root: Path) -> None:
    shown = json.loads(kldeval("show", root / "good.json", root / "bad.json", *FEW, "--format", "json", "-q").out)
    validate(shown, "leaderboard")
    board = json.loads((root / "board.json").read_text())
    assert shown["comparison"]["metrics"] == board["comparison"]["metrics"]
    named = ("--name", "A", "--name", "B", "--sort", "kld")
    outcome = kldeval("show", root / "bad.json", root / "good.json", *FEW, *named)
    assert [line.split()[0] for line in outcome.out.splitlines()[1:3]] == ["B", "A"]


def test_reports_that_differ_are_refused(root: Path) -> None:
    kldeval(root / "bad", root / "gt", "--eps", "1e-7", "-o", root / "other.json")
    outcome = kldeval("show", root / "good.json", root / "other.json")
    assert (outcome.code, outcome.out) == (2, "")
    assert "kld: metric:kld(log_eps=2.2204e-16,ratio_eps=2.2204e-16) in good, metric:kld(log_eps=1e-07," in outcome.err
    assert kldeval("show", root / "good.json", root / "other.json", "--allow-different", *FEW).code == 0


def test_gates_on_saved_documents(root: Path) -> None:
    assert kldeval("show", root / "good.json", "--fail-if", "kld>0").code == 3
    assert kldeval("show", root / "good.json", "--fail-if", "kld>9").code == 0
    assert kldeval("show", root / "board.json", "--fail-if", "failures>0", "--fail-if", "kld.max>0").code == 3
    wrong = kldeval("show", root / "good.json", "--fail-if", "cc<0")
    assert (wrong.code, wrong.err) == (
        2,
        "kldeval: gate 'cc<0': no metric 'cc'; known: kld, ce, failures\n",
    )
    refused = kldeval("show", root / "compared.json", "--fail-if", "kld>1")
    assert (refused.code, refused.err) == (
        2,
        "kldeval: a comparison has no means of its own to gate; use compare --fail-if-worse, or gate the reports\n",
    )


def test_scores_of_a_comparison_do_not_exist(root: Path) -> None:
    outcome = kldeval("show", root / "compared.json", "--format", "scores")
    assert (outcome.code, outcome.err) == (
        2,
        "kldeval: a comparison has no scores of its own: --format scores is for reports and leaderboards\n",
    )


# merge


@pytest.fixture
def parts(root: Path) -> list[Path]:
    """The report of `good` in a part for each video."""
    files = []
    for video in ("jump", "run", "swim"):
        rows = [f"good/{name}.npy,gt/{name}.npy,{name}" for name in NAMES if name.startswith(video)]
        (root / f"{video}.csv").write_text("\n".join(["pred,gt,name", *rows]))
        files.append(root / f"part-{video}.json")
        kldeval("--manifest", root / f"{video}.csv", "--group-by", "parent", "-o", files[-1])
    return files


def test_merged_parts_are_the_whole(root: Path, parts: list[Path]) -> None:
    outcome = kldeval("merge", *reversed(parts), "--format", "json", "-q", "-o", root / "all.csv")
    merged, whole = json.loads(outcome.out), json.loads((root / "good.json").read_text())
    validate(merged, "report")
    assert outcome.code == 0
    for part in ("signature", "summary", "maps", "failures", "groups"):
        assert merged[part] == whole[part]
    assert merged["provenance"]["merged"] == [str(path) for path in reversed(parts)]
    assert (root / "all.csv").read_text().count("\n") == 9


def test_what_is_wrong_in_a_part_is_wrong_in_the_whole(root: Path, parts: list[Path]) -> None:
    (root / "good" / "run" / "0001.npy").write_text("x")
    kldeval("--manifest", root / "run.csv", "--group-by", "parent", "-o", parts[1])
    assert kldeval("merge", *parts).code == 1
    assert kldeval("merge", *parts, "--fail-if", "failures>0").code == 3


def part(*names: str, **changes: Any) -> Any:
    return report(*(Score(name, {"kld": 1.0}) for name in names), **changes)


def test_notes_of_all_parts_stand_once() -> None:
    reports = {"p1": part("a", notes=("same", "x")), "p2": part("b", notes=("same",))}
    assert merged(reports).notes == ("same", "p1: x")


def test_tables_per_class_without_their_sums_are_not_merged() -> None:
    """They were saved by a version that did not keep them."""
    row = ClassRow(0, 4, {"kld": 1.0})
    assert merged({"p1": part("a", classes=(row,))}).classes == (row,)
    whole = merged({"p1": part("a", classes=(row,)), "p2": part("b", classes=(row,))})
    assert whole.classes == ()
    lacking = "a part does not hold the sums that they are made of"
    assert whole.notes == (f"the tables per class of the parts are not merged: {lacking}",)


SIGNED = {"kld": "kld|pred:sum-to-one|gt:sum-to-one|scale:raw|v:1"}


@each_of(
    ("reports", "message"),
    [
        (
            {"p1": part("a"), "p2": part("b", "a")},
            "the map 'a' is in p1 and in p2: every map must be in one part alone",
        ),
        (
            {"p1": part("a", "c"), "p2": part("b", failures=(Failure("a", "load", ""), Failure("c", "load", "")))},
            "the map 'a' is in p1 and in p2 (2 maps in all): every map must be in one part alone",
        ),
        (
            {"p1": part("a"), "p2": part("b", signatures=SIGNED)},
            "p1 and p2 cannot be merged: kld has scale:unit in the one, scale:raw in the other",
        ),
        (
            {"p1": part("a"), "p2": report(Score("b", {"cc": 1.0}))},
            "p1 has the metrics kld, but p2 has cc: they cannot be merged",
        ),
    ],
)
def test_parts_that_make_no_whole(reports: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageProblem) as problem:
        merged(reports)
    assert str(problem.value) == message


def test_a_part_given_twice(parts: list[Path]) -> None:
    outcome = kldeval("merge", parts[0], parts[0])
    assert (outcome.code, outcome.err) == (
        2,
        f"kldeval: {parts[0]} is given twice: every map must be in one part alone\n",
    )


# what is no document


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            ("comparison", "metrics", "kld", "pairs", 0, "p"),
            "comparison.metrics.kld.pairs[0].p is 'x', not a number from 0 to 1",
        ),
        (
            ("comparison", "metrics", "kld", "means", "good"),
            "comparison.metrics.kld.means.good is 'x', not a number or",
        ),
        (("comparison", "metrics", "kld", "unit"), "comparison.metrics.kld.unit is 'x', not one of 'maps', 'groups'"),
        (("comparison", "models"), "comparison.models is 'x', not a list"),
        (("left_out",), "left_out is 'x', not a list"),
        (("reports", "good", "maps"), "reports.good.maps is 'x', not a list"),
        (("reports", "good"), "reports.good is 'x', not an object"),
    ],
)
def test_a_broken_leaderboard_is_refused_with_the_place(root: Path, change: tuple[str, ...], message: str) -> None:
    document = json.loads((root / "board.json").read_text())
    *path, last = change
    place = document
    for key in path:
        place = place[key]
    place[last] = "x"
    (root / "board.json").write_text(json.dumps(document))
    outcome = kldeval("show", root / "board.json")
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.startswith(f"kldeval: {root}/board.json: {message}")


def test_another_version_is_refused(root: Path) -> None:
    (root / "board.json").write_text('{"schema": "kldeval.leaderboard/3"}')
    assert kldeval("show", root / "board.json").err == (
        f"kldeval: {root}/board.json is a kldeval.leaderboard/3, of another version of kldeval; "
        "this one reads kldeval.leaderboard/2 and kldeval.leaderboard/1\n"
    )
