"""Manifests in their three forms, and every refusal in full."""

from __future__ import annotations

import io
import json
import sys
from functools import partial
from pathlib import Path

import pytest
from command_line import kldeval
from many import adds_at_most
from model_files import save

from kldeval import evaluate
from kldeval.data.manifest import read_manifest
from kldeval.errors import UsageProblem
from kldeval.records import Pair

ROWS = (
    {"pred": "p/b.png", "gt": "g/b.png", "name": "second", "group": "v", "fixations": "f/b.mat", "mask": ""},
    {"pred": "p/a,1.png", "gt": "/abs/a.npy", "name": "first", "group": "w", "fixations": "", "mask": "m.png"},
)


def delimited(delimiter: str) -> str:
    rows = [list(ROWS[0]), *(list(row.values()) for row in ROWS)]
    return "".join(delimiter.join(f'"{cell}"' if "," in cell else cell for cell in row) + "\r\n" for row in rows)


FORMS = {
    "pairs.csv": delimited(","),
    "pairs.tsv": delimited("\t"),
    "pairs.jsonl": "\n".join(map(json.dumps, ROWS)),
    "no-suffix": delimited("\t"),
    "lines": "\n\n".join(map(json.dumps, ROWS)),
    "bom.csv": "\ufeff" + delimited(","),
}


@pytest.mark.parametrize("name", FORMS)
def test_the_three_forms_say_the_same(name: str, tmp_path: Path) -> None:
    manifest = tmp_path / name
    manifest.write_bytes(FORMS[name].encode())
    assert read_manifest(manifest) == (
        Pair("first", tmp_path / "p/a,1.png", Path("/abs/a.npy"), "w", None, tmp_path / "m.png"),
        Pair("second", tmp_path / "p/b.png", tmp_path / "g/b.png", "v", tmp_path / "f/b.mat", None),
    )


@pytest.mark.parametrize("form", ["pairs.csv", "pairs.tsv", "pairs.jsonl"])
def test_standard_input_is_told_by_its_first_line(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(FORMS[form].encode())))
    assert read_manifest(Path("-"))[0] == Pair("first", Path("p/a,1.png"), Path("/abs/a.npy"), "w", None, Path("m.png"))


@pytest.mark.parametrize(
    ("gt", "name"),
    [
        ("maps/v/0001.png", "maps/v/0001"),
        ("../data/./v.1/a.b.png", "data/v.1/a.b"),
        ("/data/x", "data/x"),
        ("u\u0308.png", "\u00fc"),
    ],
)
def test_a_row_without_a_name_is_called_after_its_ground_truth(gt: str, name: str, tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text(f"pred,gt\nx.png,{gt}\n")
    assert [pair.name for pair in read_manifest(tmp_path / "m.csv")] == [name]


WRONG = {
    "": "{m}, line 1: the column 'pred' is missing; there are none",
    "pred,gt\n": "{m} names no pair; it needs the columns pred and gt and a row for each pair",
    "pred\nx\n": "{m}, line 1: the column 'gt' is missing; there are pred",
    "pred,gt,grop\n": (
        "{m}, line 1: the column 'grop' is unknown; did you mean 'group'? Known: pred, gt, name, group, fixations, mask"
    ),
    "pred,gt,gt\n": "{m}, line 1: the column 'gt' stands twice",
    "pred,gt\na.png\n": "{m}, line 2: 1 cells under 2 columns",
    "pred,gt\n\na.png,\n": "{m}, line 3: the cell of 'gt' is empty",
    "pred,gt,name\na,b,\n": "{m}, line 2: the cell of 'name' is empty",
    "pred,gt,name\na,b,../c\n": (
        "{m}, line 2: the name '../c' leads out of a folder; names are relative paths without '..'"
    ),
    "pred,gt\na,b\nc,b\n": "{m}: 1 name stands twice (such as 'b'); give each row its own in 'name'",
    "pred,gt,group\na,b,v\nc,d,\n": "{m}: 1 of 2 rows have no group (such as 'd'); give a group to all or to none",
    'pred,gt\n"a,b\n': "{m}, line 2: unexpected end of data",
    '{"pred": "a"}\n': "{m}, line 1: the column 'gt' is missing; there are pred",
    "{pred}\n": (
        "{m}, line 1 is not JSON: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"
    ),
    '{"pred": 1, "gt": "x"}\n': ('{m}, line 1 is no object of texts such as {{"pred": "p/1.png", "gt": "g/1.png"}}'),
}


@pytest.mark.parametrize("text", WRONG)
def test_malformed_manifests(text: str, tmp_path: Path) -> None:
    manifest = tmp_path / "m"
    manifest.write_text(text)
    with pytest.raises(UsageProblem) as problem:
        read_manifest(manifest)
    assert str(problem.value) == WRONG[text].format(m=manifest)


def test_what_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(UsageProblem, match=f"^cannot read the manifest {tmp_path}/m.csv: no such file or directory$"):
        read_manifest(tmp_path / "m.csv")
    (tmp_path / "m.csv").write_bytes(b"pred,gt\n\xff\n")
    with pytest.raises(
        UsageProblem, match=f"^the manifest {tmp_path}/m.csv is not UTF-8: invalid start byte at byte 8$"
    ):
        read_manifest(tmp_path / "m.csv")


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    for name, values in {"a": [[1, 2]], "b": [[1, 3]], "c": [[3, 1]]}.items():
        save(tmp_path / "maps", name, values)
    rows = ("pred,gt,group", "maps/a.npy,maps/b.npy,v", "maps/a.npy,maps/c.npy,w", "maps/no.npy,maps/a.npy,w")
    (tmp_path / "pairs.csv").write_text("\n".join(rows))
    return tmp_path / "pairs.csv"


def test_a_manifest_stands_for_both_folders(manifest: Path) -> None:
    outcome = kldeval("--manifest", manifest, "--format", "json", "-m", "kld")
    report = json.loads(outcome.out)
    assert outcome.code == 1
    assert [(row["name"], row["group"]) for row in report["maps"]] == [("maps/b", "v"), ("maps/c", "w")]
    assert [failure["name"] for failure in report["failures"]] == ["maps/a"]
    assert report["provenance"]["manifest"] == str(manifest)
    assert list(report["groups"]) == ["v", "w"]
    assert repr(evaluate(manifest=manifest, metric="kld", on_failure="ignore").summaries["kld"].mean) == str(
        report["summary"]["kld"]["mean"]
    )


@pytest.mark.parametrize(
    ("arguments", "signature"),
    [(("--maps", "groups"), "|groups:manifest|"), (("--maps", "groups", "--group-by", "parent"), "|maps:groups|dtype")],
)
def test_the_groups_of_a_manifest_are_its_own_unless_said(
    manifest: Path, arguments: tuple[str, ...], signature: str
) -> None:
    report = json.loads(kldeval("--manifest", manifest, "--format", "json", "-m", "kld", *arguments).out)
    assert signature in report["signature"]["kld"]


def test_short_texts_are_read_in_little_memory(manifest: Path, tmp_path: Path) -> None:
    """Not in that of the longest one, which some systems refuse."""
    report = tmp_path / "report.json"
    asked = partial(kldeval, "--manifest", manifest, "-q", "-o", report), partial(kldeval, "show", report)
    assert [adds_at_most(2**24, lambda: None, one) for one in asked] == [True, True]
    assert report.exists()


def test_paths_beside_a_manifest_are_refused(manifest: Path) -> None:
    outcome = kldeval("a", "b", "--manifest", manifest)
    assert (outcome.code, outcome.err) == (2, "kldeval: --manifest names the pairs already; leave out a b\n")


def test_check_reads_a_manifest(manifest: Path) -> None:
    outcome = kldeval("check", "--manifest", manifest)
    assert (outcome.code, outcome.out.splitlines()[-1]) == (1, "2 pairs can be scored, 1 problem")
