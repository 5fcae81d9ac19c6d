"""Leaderboards and comparisons in every format: read back, valid, compilable, and nothing broken by a name."""

from __future__ import annotations

import importlib
import io
import json
import math
import re
import shutil
import subprocess
import sys
from itertools import product
from typing import TYPE_CHECKING, Any

import pytest
from drawn import CHARACTERS
from hypothesis import given, settings
from hypothesis import strategies as st
from looping import each_of
from report_files import FORMATS, leaderboard, read_document, report, write, write_bytes
from rich.cells import cell_len
from schemas import validate

from kldeval.errors import MissingDependency, UsageProblem
from kldeval.records import Failure, Score

if TYPE_CHECKING:
    from pathlib import Path

NASTY = '[a]*{b}_$&%#~^\\end|<i>`"--?`é\x1b\n'
PEOPLE = ("table", "markdown", "latex")


def model(values: dict[str, float], **changes: Any) -> Any:
    return report(*(Score(name, {"kld": value, "cc": -value}) for name, value in values.items()), **changes)


def board(*models: str, values: int = 9, **changes: Any) -> Any:
    """Each model a little worse than the one before it."""
    reports = {
        name: model({f"x{i}y": 0.25 + place / 8 + (i * 7 % 5) / 16 for i in range(values)}, **changes)
        for place, name in enumerate(models or ("good", "bad"))
    }
    return leaderboard(reports)


names = st.text(CHARACTERS, min_size=1, max_size=9) | st.just(NASTY)
numbers = st.floats(-1e9, 1e9) | st.sampled_from([0.0, 1.0])


@st.composite
def boards(draw: st.DrawFn) -> Any:
    """Any leaderboard that a run could make: some maps are missing, some values are not finite."""
    maps = draw(st.lists(st.text("abc/1", min_size=1, max_size=4), min_size=1, max_size=5, unique=True))
    reports = {
        name: model({key: draw(numbers | st.just(math.inf)) for key in draw(st.sets(st.sampled_from(maps)))})
        for name in draw(st.lists(names, min_size=2, max_size=4, unique=True))
    }
    reports = {name: one if one.scores else model({maps[0]: 1.0}) for name, one in reports.items()}
    return leaderboard(reports, 100)


LOOKS: list[dict[str, Any]] = [{}, {"per_map": True, "width": 40, "color": True}, {"worst": 2, "precision": 0}]
looks = st.sampled_from(LOOKS)


@settings(max_examples=12, deadline=None)
@given(boards(), looks)
def test_every_format_writes_every_leaderboard(made: Any, options: dict[str, Any]) -> None:
    for name in FORMATS:
        text = write(made, name, **options)
        assert text.endswith("\n") or (name == "jsonl" and not text)
        if made.comparison and made.comparison.comparisons and name != "scores":
            assert write(made.comparison, name, **{**options, "worst": 0}).endswith("\n")


def test_a_comparison_has_no_worst_maps() -> None:
    with pytest.raises(UsageProblem) as problem:
        write(board().comparison, "table", worst=1)
    assert str(problem.value) == (
        "the worst maps are asked for, but a comparison has none; ask a report or a leaderboard"
    )


@settings(max_examples=12, deadline=None)
@given(boards())
def test_json_is_valid_and_read_back(made: Any) -> None:
    document = json.loads(write(made, "json"))
    validate(document, "leaderboard")
    assert repr(read_document(document)) == repr(made)
    if made.comparison:
        document = json.loads(write(made.comparison, "json"))
        validate(document, "compare")
        assert repr(read_document(document)) == repr(made.comparison)


def test_the_best_is_bold_in_each_format_for_people() -> None:
    made = board()
    assert "\x1b[1m0.3681\x1b[0m" in write(made, "table", color=True)
    assert "|   **0.3681** |" in write(made, "markdown")
    assert "**0.3681**<sup>b</sup> " in write(made, "markdown", intervals=True)
    assert r"& \textbf{0.3681} &" in write(made, "latex")
    assert r"\textbf{0.3681}\textsuperscript{b} {\scriptsize $[0.3" in write(made, "latex", intervals=True)
    assert r"$\mathbf{-0.3681}$\textsuperscript{b}" in write(made, "latex", intervals=True)


def test_no_format_marks_a_best_where_no_direction_is_better() -> None:
    reports = {name: report(Score("x", {"entropy-gt": value})) for name, value in (("a", 1.0), ("b", 2.0))}
    made = leaderboard(reports)
    assert "**" not in write(made, "markdown").partition("**notes**")[0]
    assert "\\textbf" not in write(made, "latex")


def test_more_models_than_letters_have_two() -> None:
    lines = write(board(*(f"m{place:02}" for place in range(27))), "table", intervals=True).splitlines()
    assert [line.split()[0] for line in (lines[25], lines[26], lines[27])] == ["z", "aa", "ab"]
    assert "q" not in "".join(line.split()[0] for line in lines[1:26])


@each_of("width", [24, 38, 60, 80, 120])
def test_a_leaderboard_fits_its_terminal_and_no_number_is_cut(width: int) -> None:
    made = board("good", "bad", "worse")
    whole = write(made, "table", intervals=True)
    text = write(made, "table", width=width, intervals=True, signatures="full")
    table = text[: text.index("9 maps")]
    assert max(map(len, table.splitlines())) <= width
    means = re.findall(r"-?0\.\d{4}(?=[ᵃᵇᶜ ])", whole[: whole.index("9 maps")])
    assert sorted(re.findall(r"-?0\.\d{4}", re.sub(r"\[.*?\]", "", table))) == sorted(means)


@pytest.mark.parametrize("n_models", [1, 4, 10])
def test_no_line_is_longer_than_the_terminal(n_models: int) -> None:
    made = board(*(f"a-model-with-a-long-name/{place}" for place in range(n_models + 1)))
    for document in (made, made.comparison):
        for width, more in product((80, 120), (False, True)):
            text = write(document, "table", width=width, intervals=more, verbose=more, per_map=more)
            assert max(map(cell_len, text.splitlines())) <= width
            assert text.count("a-model-with") >= n_models + 1


def test_a_long_list_is_cut_with_the_number_of_the_rest() -> None:
    reports = {"a": model({f"x{i}": 1.0 for i in range(30)}), "b": model({"x0": 1.0})}
    made = leaderboard(reports)
    text = write(made, "table")
    assert "29 maps left out, not scored for every model\nx1    not scored for b\nx2    not scored for b\n" in text
    assert "and 9 more; the JSON report lists all of them" in text
    assert "and 9 more" not in write(made, "table", per_map=True)


def test_failures_are_shown_with_their_model() -> None:
    made = board(failures=(Failure("c|1", "load", "broken"),))
    failures = {
        "table": "good   c|1   load   broken",
        "markdown": r"- good: `c|1` (load): broken",
        "latex": "% - good: c|1 (load): broken",
    }
    for name, failure in failures.items():
        assert failure in write(made, name).splitlines()


def test_p_values() -> None:
    """Four digits, and as many as it takes where these would be 0."""
    shown = []
    for gap in (0.0, 0.01, 0.2, 5.0):
        rows = {"a": model({f"x{i}y": (i * 7 % 5) / 16 for i in range(40)})}
        rows["b"] = model({f"x{i}y": (i * 7 % 5) / 16 + (gap if i % 3 else -0.02) for i in range(40)})
        table = write(leaderboard(rows, 10_000).comparison, "table", verbose=True)
        shown.append(re.findall(r"(?<![\d.])(?:[01]\.\d{4}|\d\.\de-\d+)(?![\d.])", table))
    assert all(shown)
    assert "0.0001" in shown[-1]  # of 10000 flips none is as extreme


LATEX = shutil.which("pdflatex")


def has_siunitx() -> bool:
    """Whether the package is installed beside LaTeX."""
    finder = shutil.which("kpsewhich")
    return (
        finder is not None and subprocess.run([finder, "siunitx.sty"], capture_output=True, check=False).returncode == 0
    )


@pytest.mark.skipif(LATEX is None, reason="no LaTeX here")
@pytest.mark.parametrize("siunitx", [False, True])
def test_latex_compiles(tmp_path: Path, siunitx: bool) -> None:  # noqa: FBT001
    if siunitx and not has_siunitx():
        pytest.skip("no siunitx here")
    nasty = NASTY.replace("é", "").replace("\x1b", "").replace("\n", "")
    made = board("good", nasty, "-worst")
    looks = [{"per_map": True}, {"intervals": True, "verbose": True}]
    tables = [
        *(write(made, "latex", siunitx=siunitx, **look) for look in looks),
        *(write(made.comparison, "latex", siunitx=siunitx, **look) for look in looks),
        write(report(Score("a", {"kld": math.inf}), Score("b", {"kld": -1.5e-9})), "latex", siunitx=siunitx),
    ]
    packages = r"\usepackage{booktabs}" + (r"\usepackage{siunitx}" if siunitx else "")
    source = "\n".join([rf"\documentclass{{article}}{packages}\begin{{document}}", *tables, r"\end{document}"])
    (tmp_path / "a.tex").write_text(source, encoding="utf-8")
    done = subprocess.run(
        [str(LATEX), "-interaction=nonstopmode", "-halt-on-error", "a.tex"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:]


# scores


def test_scores_are_flat_numbers_with_their_counts() -> None:
    made = model({"a": 1.0, "b": 2.0})
    assert json.loads(write(made, "scores")) == {"kld": 1.5, "cc": -1.5, "maps": 2, "failures": 0}
    assert list(json.loads(write(board(), "scores"))) == ["good", "bad"]


def test_a_run_that_is_not_whole_has_no_scores() -> None:
    broken = model({"a": 1.0}, failures=(Failure("b", "load", ""),))
    assert json.loads(write(broken, "scores")) == {"maps": 1, "failures": 1}
    assert json.loads(write(report(), "scores")) == {"maps": 0, "failures": 0}


def test_scores_are_strict_json() -> None:
    assert json.loads(write(model({"a": math.inf}), "scores"))["kld"] == "inf"


# Parquet


def test_parquet_needs_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingDependency) as problem:
        write_bytes(board(), "parquet")
    assert str(problem.value) == "Parquet files need pyarrow, which is not installed: pip install 'kldeval[parquet]'"


def read_parquet(data: bytes) -> Any:
    return importlib.import_module("pyarrow.parquet").read_table(io.BytesIO(data))


def test_parquet_has_the_rows_of_the_csv_with_their_types() -> None:
    pytest.importorskip("pyarrow")
    made = model({"a": 1.5, "b\udc80": math.inf}, failures=(Failure("c", "load", "broken"),))
    table = read_parquet(write_bytes(made, "parquet"))
    assert {field.name: str(field.type) for field in table.schema} == {
        "name": "string",
        "kld": "double",
        "cc": "double",
        "n_uncovered": "int64",
        "uncovered_mass": "double",
        "failure": "string",
    }
    assert table.column("name").to_pylist() == ["a", r"b\udc80", "c"]
    assert table.column("kld").to_pylist() == [1.5, math.inf, None]
    assert table.column("failure").to_pylist() == [None, None, "load: broken"]
    assert json.loads(table.schema.metadata[b"kldeval.settings.signature"]) == dict(made.signatures)


def test_parquet_of_several_models() -> None:
    pytest.importorskip("pyarrow")
    made = board()
    table = read_parquet(write_bytes(made, "parquet"))
    assert table.column("model").to_pylist() == ["good"] * 9 + ["bad"] * 9
    assert list(json.loads(table.schema.metadata[b"kldeval.settings.signature"])) == ["good", "bad"]
    pairs = read_parquet(write_bytes(made.comparison, "parquet"))
    assert [str(pairs.schema.field(name).type) for name in ("n", "p_holm", "significant")] == [
        "int64",
        "double",
        "bool",
    ]
