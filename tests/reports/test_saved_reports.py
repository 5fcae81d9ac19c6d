"""Reports in files: written whole or not at all, read back as they were, refused with the place that is wrong."""

from __future__ import annotations

import json
import os
import re
import threading
from typing import TYPE_CHECKING, Any

import pytest
from looping import each_of
from report_files import example, read_document, report, saved, write

from kldeval.errors import UsageProblem
from kldeval.records import Score
from kldeval.writers.files import write_atomically

if TYPE_CHECKING:
    from pathlib import Path

posix = pytest.mark.skipif(os.name != "posix", reason="files of this kind are POSIX")


def exactly(message: str) -> str:
    return f"^{re.escape(message)}$"


# writing


def test_a_written_report_is_read_back(tmp_path: Path) -> None:
    made = report(Score("a/é", {"kld": 1e-300, "cc": 0.1}), Score("b\udc80", {"kld": 5.0, "cc": -0.0}))
    write_atomically(tmp_path / "r.json", write(made, "json"))
    assert saved(tmp_path / "r.json") == made


def test_the_text_is_utf8_and_its_line_ends_stay(tmp_path: Path) -> None:
    write_atomically(str(tmp_path / "a.csv"), "é\n\r\n\udcff")
    assert (tmp_path / "a.csv").read_bytes() == b"\xc3\xa9\n\r\n\xff"


def test_a_file_is_replaced_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    for text in ("old, and longer", "new"):
        write_atomically(tmp_path / "a.txt", text)
    assert (tmp_path / "a.txt").read_text() == "new"
    assert list(tmp_path.iterdir()) == [tmp_path / "a.txt"]


@pytest.mark.parametrize("before", [None, "old"])
def test_an_interrupted_write_leaves_the_old_file_or_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: str | None
) -> None:
    target = tmp_path / "a.txt"
    if before:
        target.write_text(before)

    def interrupt(_number: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("os.fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(target, "new")
    assert [path.read_text() for path in tmp_path.iterdir()] == ([before] if before else [])


@posix
def test_a_new_file_has_the_usual_permissions_and_an_old_one_keeps_its_own(tmp_path: Path) -> None:
    (tmp_path / "usual").touch()
    write_atomically(tmp_path / "new", "x")
    assert (tmp_path / "new").stat().st_mode == (tmp_path / "usual").stat().st_mode
    (tmp_path / "new").chmod(0o640)
    write_atomically(tmp_path / "new", "y")
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o640


@posix
def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "far" / "file")
    for text in ("first", "second"):
        write_atomically(tmp_path / "link", text)
        assert (tmp_path / "link").is_symlink()
        assert (tmp_path / "far" / "file").read_text() == text


@posix
def test_a_pipe_is_written_to_and_stays(tmp_path: Path) -> None:
    pipe, received = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: received.append(pipe.read_text()))
    reader.start()
    write_atomically(pipe, "through")
    reader.join(timeout=10)
    assert received == ["through"]
    assert pipe.is_fifo()


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    target = tmp_path / "no" / "a.json"
    message = f"cannot write {target}: there is no folder {target.parent}; create it first"
    with pytest.raises(UsageProblem, match=exactly(message)):
        write_atomically(target, "")


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    message = f"cannot write {tmp_path}: it is a folder; name a file in it"
    with pytest.raises(UsageProblem, match=exactly(message)):
        write_atomically(tmp_path, "")


def test_what_the_system_refuses_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_number: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    message = f"cannot write {tmp_path / 'a'}: No space left on device"
    with pytest.raises(UsageProblem, match=exactly(message)):
        write_atomically(tmp_path / "a", "x")


# reading


def test_an_absent_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    with pytest.raises(UsageProblem, match=exactly(f"cannot read {path}: no such file or directory")):
        saved(path)


@each_of(
    ("content", "complaint"),
    [
        (b"", "Expecting value: line 1 column 1 (char 0)"),
        (b'{"a": 1', "Expecting ',' delimiter: line 1 column 8 (char 7)"),
        (b'{"a": NaN}', 'NaN is no number of JSON; "inf", "-inf" and "nan" stand in quotes'),
        (b"\xff", "'utf-8' codec can't decode byte 0xff in position 0: invalid start byte"),
    ],
)
def test_what_is_not_strict_json_is_refused(tmp_path: Path, content: bytes, complaint: str) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(UsageProblem, match=exactly(f"{path} is not JSON: {complaint}")):
        saved(path)


def test_bottomless_nesting_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b"[" * 200_000)
    with pytest.raises(UsageProblem, match=f"^{re.escape(str(path))} is not JSON: "):
        saved(path)


@each_of(
    ("document", "message"),
    [
        ([], 'a.json is no report of kldeval: it does not say "schema": "kldeval.report/2"'),
        ({"kld": 1}, 'a.json is no report of kldeval: it does not say "schema": "kldeval.report/2"'),
        ({"schema": "other/1"}, 'a.json is no report of kldeval: it does not say "schema": "kldeval.report/2"'),
        (
            {"schema": "kldeval.report/3"},
            (
                "a.json is a kldeval.report/3, of another version of kldeval; "
                "this one reads kldeval.report/2 and kldeval.report/1"
            ),
        ),
        ({"schema": "kldeval.audit/1"}, "a.json is a kldeval.audit/1; a kldeval.report/2 is needed"),
        ({"schema": "kldeval.report/1"}, "a.json: it lacks 'signature'"),
    ],
)
def test_another_document_or_version_is_refused(document: object, message: str) -> None:
    with pytest.raises(UsageProblem, match=exactly(message)):
        read_document(document, "a.json")


def changed(path: list[Any], value: object) -> object:
    """The example as JSON, with the value at `path` replaced."""
    document = json.loads(write(example(), "json"))
    at = document
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    return document


@each_of(
    ("path", "value", "complaint"),
    [
        (["gate"], [], "it has 'gate', which does not belong there"),
        (["gates"], [{"text": "kld>1", "value": None, "fired": 1}], "gates[0].fired is 1, not true or false"),
        (["groups"], {"v": {}}, "groups.v lacks 'kld'"),
        (["signature", "kld"], 1, "signature.kld is 1, not a text"),
        (["signature", "ce"], "ce", "summary lacks 'ce'"),
        (["provenance"], [], "provenance is [], not an object"),
        (["provenance"], {}, "provenance lacks 'short'"),
        (
            ["provenance", "columns", "kld", "best"],
            "up",
            "provenance.columns.kld.best is 'up', not one of 'low', 'high', ''",
        ),
        (["summary", "kld", "n"], -1, "summary.kld.n is -1, not a count"),
        (["summary", "kld", "n"], True, "summary.kld.n is True, not a count"),
        (["summary", "kld", "mean"], "x", "summary.kld.mean is 'x', not a number or one of 'inf', '-inf', 'nan'"),
        (["summary", "kld", "mean"], [], "summary.kld.mean is [], not a number or one of 'inf', '-inf', 'nan'"),
        (["maps"], {}, "maps is {}, not a list"),
        (["maps", 1], "x", "maps[1] is 'x', not an object"),
        (["maps", 1], {"name": "x"}, "maps[1] lacks 'n_uncovered'"),
        (["maps", 1], {"name": "x", "n_uncovered": 0, "uncovered_mass": 0, "cc": 1}, "maps[1] lacks 'kld'"),
        (["maps", 0, "ce"], 1.0, "maps[0] has 'ce', which does not belong there"),
        (["maps", 0, "kld"], None, "maps[0].kld is None, not a number or one of 'inf', '-inf', 'nan'"),
        (["maps", 0, "kld"], False, "maps[0].kld is False, not a number or one of 'inf', '-inf', 'nan'"),
        (["maps", 1, "remarks"], "x", "maps[1].remarks is 'x', not a list"),
        (["failures", 0, "stage"], "late", "failures[0].stage is 'late', not one of 'pair', 'load', 'check', 'score'"),
        (["notes", 0], None, "notes[0] is None, not a text"),
    ],
)
def test_a_refusal_names_the_place_and_the_value(path: list[Any], value: object, complaint: str) -> None:
    with pytest.raises(UsageProblem, match=exactly(f"r.json: {complaint}")):
        read_document(changed(path, value), "r.json")


def test_whole_numbers_are_numbers() -> None:
    """Other programs write 1.0 as 1."""
    assert read_document(changed(["maps", 0, "kld"], 1)).scores[0].values["kld"] == 1.0


def test_a_report_without_numbers_per_map_is_read() -> None:
    made = report(Score("a", {}), signatures={"kld": "x"}, columns=example().columns, summaries={})
    written = json.loads(write(made, "json"))
    with pytest.raises(UsageProblem, match=exactly("r.json: provenance.columns has 'cc', which does not belong there")):
        read_document(written, "r.json")
    del written["provenance"]["columns"]["cc"]
    assert read_document(written).scores == (Score("a", {}),)
