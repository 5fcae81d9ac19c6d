"""Every format, and the formats for programs to the letter: nothing lost, nothing evaluated by a spreadsheet."""

from __future__ import annotations

import csv
import io
import json
import math
import re
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import kldeval
from hypothesis import given, settings
from hypothesis import strategies as st
from looping import each_of
from report_files import FORMATS, example, read_document, report, reports, saved
from report_files import write as written
from schemas import is_valid, validate

import kldeval as library
from kldeval.errors import UsageProblem
from kldeval.records import Failure, Score

EVERYTHING: dict[str, Any] = {"per_map": True, "worst": 2}


def write(name: str, made: Any, looks: dict[str, Any] = EVERYTHING) -> str:
    return written(made, name, **looks)


def bits(value: float) -> bytes:
    return b"nan" if math.isnan(value) else struct.pack("<d", value)


def refuse(constant: str) -> None:
    raise AssertionError(constant)


# every format


@settings(deadline=None)
@given(reports())
def test_every_format_writes_every_report_in_whole_lines(made: Any) -> None:
    for name in FORMATS:
        text = write(name, made)
        assert text.endswith("\n") or (name == "jsonl" and not (made.scores or made.failures))
        assert not text.endswith("\n\n")


@each_of("name", FORMATS)
@each_of("options", [EVERYTHING, {}])
def test_a_format_is_a_pure_function_of_report_and_options(name: str, options: dict[str, Any]) -> None:
    assert write(name, example(), options) == write(name, example(), options)


@each_of("name", ["json", "jsonl", "csv", "tsv"])
def test_formats_for_programs_ignore_how_tables_look(name: str) -> None:
    assert write(name, example(), {"precision": 1, "per_map": True, "worst": 1, "width": 20, "color": True}) == write(
        name, example(), {}
    )


def test_every_format_has_a_suffix_but_scores_which_is_json_of_another_kind(tmp_path: Path) -> None:
    outcome = kldeval("sample_data/careful", "sample_data/gt", "-o", tmp_path / "a.xlsx")
    known = set(re.findall(r"\.(\w+)", outcome.err.partition("known:")[2]))
    short = {"jsonl": "jsonl", "latex": "tex", "markdown": "md", "table": "txt"}
    assert {short.get(name, name) for name in FORMATS if name != "scores"} | {"parquet"} <= known


@pytest.mark.parametrize(("path", "name"), [("a.JSON", "json"), ("x.y/t.md", "markdown"), ("a.csv.tex", "latex")])
def test_the_last_suffix_in_any_case_names_the_format(path: str, name: str, tmp_path: Path) -> None:
    (tmp_path / "x.y").mkdir()
    found = library.Report.load("tests/golden/documents/report.json")
    found.save(tmp_path / path)
    assert (tmp_path / path).read_text() == written(saved(Path("tests/golden/documents/report.json")), name)


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("out/a.xlsx", "the suffix .xlsx stands for no format"),
        ("report", "no suffix says its format; name it report.json or the like"),
        (".json", "no suffix says its format; name it .json.json or the like"),
    ],
)
def test_an_unknown_suffix_is_refused_with_the_known_ones(path: str, found: str) -> None:
    known = ".csv, .htm, .html, .json, .jsonl, .markdown, .md, .ndjson, .parquet, .tex, .tsv, .txt"
    outcome = kldeval("sample_data/careful", "sample_data/gt", "-o", path)
    message = f"kldeval: cannot write {path}: {found}; known: {known}\n"
    assert (outcome.code, outcome.out, outcome.err) == (2, "", message)


def test_importing_the_formats_imports_no_package() -> None:
    heavy = ("rich", "numpy", "click", "cv2", "torch")
    code = f"import sys, kldeval.writers; print([m for m in {heavy} if m in sys.modules])"
    root = Path(__file__).parent.parent.parent
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root)
    assert done.stdout == "[]\n"


# JSON


@given(reports())
def test_json_is_strict_fits_the_schema_and_reads_back_as_the_report(made: Any) -> None:
    """Compared as text, because nan differs from itself; the text has every bit and the order of the keys."""
    text = write("json", made)
    document = json.loads(text, parse_constant=refuse)
    validate(document, "report")
    assert text.isascii()
    assert repr(read_document(document)) == repr(made)


def test_json_has_exactly_the_published_shape() -> None:
    assert write("json", example()) == (
        """{
  "schema": "kldeval.report/2",
  "signature": {
    "kld": "kld|pred:sum-to-one|gt:sum-to-one|scale:unit|v:1",
    "cc": "cc|pred:sum-to-one|gt:sum-to-one|scale:unit|v:1"
  },
  "provenance": {
    "kldeval": "0.1.0",
    "device": "cpu",
    "short": "kldeval:mit+v1",
    "columns": {"kld": {"unit": "nats", "best": "low"}, "cc": {"unit": "", "best": "high"}}
  },
  "summary": {
    "kld": {"mean": "inf", "std": "nan", "median": 11.5, "min": 0.25, "max": "inf", "n": 3, "n_nonfinite": 1},
    "cc": {"mean": 0.10416666666666667, "std": 0.6260408000548633, "median": 0.0625, "min": -0.5, "max": 0.75, """
        """"n": 3, "n_nonfinite": 0}
  },
  "maps": [
    {"name": "a/0001", "kld": 0.25, "cc": 0.75, "n_uncovered": 0, "uncovered_mass": 0.0},
    {"name": "a/0002", "kld": "inf", "cc": -0.5, "n_uncovered": 12, "uncovered_mass": 0.03125, """
        """"remarks": ["uncovered"]},
    {"name": "b_1", "kld": 11.5, "cc": 0.0625, "n_uncovered": 0, "uncovered_mass": 0.0}
  ],
  "failures": [
    {"name": "c|1", "stage": "load", "message": "pred/c|1.png is not an image"}
  ],
  "notes": [
    "the prediction is exactly 0 (1 of 3 maps)"
  ]
}
"""
    )


def test_json_of_nothing() -> None:
    written = json.loads(write("json", report()))
    validate(written, "report")
    assert written["maps"] == written["failures"] == written["notes"] == []
    assert written["summary"]["kld"] == dict.fromkeys(["mean", "std", "median", "min", "max"]) | {
        "n": 0,
        "n_nonfinite": 0,
    }


def broken(**changes: Any) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(write("json", example()))
    return document | changes


@each_of(
    "document",
    [
        broken(schema="kldeval.report/3"),
        broken(extra=1),
        broken(provenance={"device": "cpu"}),
        broken(summary={"kld": {"mean": 1.0}}),
        broken(maps=[{"name": "a", "kld": "Infinity", "n_uncovered": 0, "uncovered_mass": 0.0}]),
        broken(maps=[{"name": "a", "kld": None, "n_uncovered": 0, "uncovered_mass": 0.0}]),
        broken(maps=[{"name": "a", "kld": 1.0, "n_uncovered": -1, "uncovered_mass": 0.0}]),
        broken(failures=[{"name": "a", "stage": "later", "message": ""}]),
        broken(notes=[1]),
    ],
)
def test_schema_and_reader_refuse_the_same(document: dict[str, Any]) -> None:
    assert not is_valid(document, "report")
    with pytest.raises(UsageProblem, match="report"):
        read_document(document)


# JSON Lines, CSV and TSV


def test_json_lines_are_the_maps_and_then_the_failures_of_the_json_report() -> None:
    whole = json.loads(write("json", example()))
    rows = [json.loads(line, parse_constant=refuse) for line in write("jsonl", example()).splitlines()]
    assert rows == whole["maps"] + whole["failures"]


def read_back(name: str, made: Any) -> list[dict[str, str]]:
    delimiter = {"csv": ",", "tsv": "\t"}[name]
    return list(csv.DictReader(io.StringIO(write(name, made), newline=""), delimiter=delimiter, strict=True))


def visible(text: str) -> str:
    """A text whose codes that steer terminals are escaped."""
    return "".join(one if one.isprintable() or one in "\n\r\t" else repr(one)[1:-1] for one in text)


@given(reports(), st.sampled_from(["csv", "tsv"]))
def test_delimited_scores_read_back_bit_for_bit(made: Any, name: str) -> None:
    rows = read_back(name, made)[: len(made.scores)]
    for row, score in zip(rows, made.scores, strict=True):
        assert {key: bits(float(row[key])) for key in score.values} == {k: bits(v) for k, v in score.values.items()}
        assert (int(row["n_uncovered"]), float(row["uncovered_mass"])) == (score.n_uncovered, score.uncovered_mass)
        assert row["name"].removeprefix("'") == visible(score.name.removeprefix("'"))
        assert row["failure"] == ""


@given(reports(), st.sampled_from(["csv", "tsv"]))
def test_a_failed_map_is_a_row_without_numbers(made: Any, name: str) -> None:
    rows = read_back(name, made)[len(made.scores) :]
    for row, failure in zip(rows, made.failures, strict=True):
        assert row["failure"] == visible(f"{failure.stage}: {failure.message}")
        assert {row[key] for key in row if key not in ("name", "failure")} == {""}


def test_csv_to_the_letter() -> None:
    assert write("csv", example()) == (
        "name,kld,cc,n_uncovered,uncovered_mass,failure\n"
        "a/0001,0.25,0.75,0,0.0,\n"
        "a/0002,inf,-0.5,12,0.03125,\n"
        "b_1,11.5,0.0625,0,0.0,\n"
        "c|1,,,,,load: pred/c|1.png is not an image\n"
    )


@each_of("name", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx"])
def test_no_name_is_a_formula(name: str) -> None:
    rows = read_back("csv", report(Score(name, {"kld": -1.5}), failures=(Failure(name, "load", "=1"),)))
    assert [row["name"] for row in rows] == [f"'{name}"] * 2
    assert rows[0]["kld"] == "-1.5"
    assert rows[1]["failure"] == "load: =1"


def test_every_page_has_every_format_of_pages(tmp_path: Path) -> None:
    """An answer, rows and an identification are written by the writers of reports."""
    np.save(tmp_path / "row.npy", np.eye(2))
    kept = "tests/golden/saved"
    answers = {
        "reproduced": ("reproduce", f"{kept}/report.json", "--tolerance", "1e-12"),
        "0.355": ("show", f"{kept}/identify.json"),
        "rows": (tmp_path / "row.npy", tmp_path / "row.npy", "--rows"),
    }
    marks = {"html": "<!doctype html>", "latex": "% needs", "markdown": "", "table": ""}
    for word, command in answers.items():
        for name, mark in marks.items():
            found = kldeval(*command, "--format", name)
            assert (found.code, found.err) == (0, ""), name
            assert found.out.lower().startswith(mark)
            assert word in found.out.lower()
