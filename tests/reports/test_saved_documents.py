"""Saved documents: earlier versions are read, and whatever else stands in a file is one line that names the place."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from command_line import kldeval
from hypothesis import given, settings
from hypothesis import strategies as st
from looping import each_of
from report_files import FORMATS, read_document, saved, write
from schemas import SCHEMAS, is_valid

from kldeval.errors import UsageProblem

if TYPE_CHECKING:
    from collections.abc import Iterator

GOLDEN = Path(__file__).parent.parent / "golden"
SAVED = {path.stem: path for path in sorted((GOLDEN / "saved").glob("*.json"))}
HOSTILE = sorted((GOLDEN / "hostile").glob("*.json"))
READ = {
    name: json.loads(path.read_text())
    for name, path in SAVED.items()
    if name.partition("-")[0] in ("report", "leaderboard", "compare")
}
"""Documents of version 1, as `kldeval 0.1.0` wrote them."""

STRANGE: tuple[Any, ...] = (
    *(None, True, -1, 0, 7, 1.5, 10**30, "", "x", "inf", "a\x1b]0;PWNED\x07\n", "\udcff"),
    *([], {}, [[]], {"kld": {}}, ["x", "y"], {"\udcff": 1}),
)


def parse(document: Any) -> Any:
    return read_document(document, "it.json")


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to every value inside a document."""
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in children:
        yield (*path, key)
        yield from places(child, (*path, key))


PLACES = {name: list(places(document)) for name, document in READ.items()}


@each_of("name", READ)
def test_documents_of_the_first_version_are_read(name: str) -> None:
    """They fit the schema of today, and hold what they held."""
    document = saved(SAVED[name])
    written = json.loads(write(document, "json"))
    assert is_valid(written, name.partition("-")[0])
    assert json.dumps(written).replace("/2", "/1") == json.dumps(READ[name])


TAKEN = {
    "show": ("audit", "compare", "identify", "leaderboard", "report"),
    "merge": ("leaderboard", "report"),
    "methods": ("compare", "leaderboard", "report"),
    "compare": ("report",),
}
"""What each command takes of saved documents."""


@each_of("command", TAKEN)
def test_every_command_takes_documents_of_the_first_version(command: str, tmp_path: Path) -> None:
    for name, path in SAVED.items():
        if name.partition("-")[0] in TAKEN[command]:
            other = tmp_path / f"{name}-b.json"
            other.write_text(path.read_text())
            beside = (other, "--allow-different", "--resamples", "100") if command == "compare" else ()
            found = kldeval(command, path, *beside)
            assert (found.code, found.err) == (0, ""), name
            assert found.out


def changes(before: Any, after: Any, path: str = "") -> Iterator[str]:
    """Where a document has lost something of another, or has it otherwise; what was added is none of this."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key, value in before.items():
            yield from changes(value, after[key], f"{path}.{key}") if key in after else (f"{path}.{key}",)
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for place, pair in enumerate(zip(before, after, strict=True)):
            yield from changes(*pair, f"{path}[{place}]")
    elif before != after or type(before) is not type(after):
        yield path


@each_of("name", SAVED)
def test_nothing_of_a_document_of_the_first_version_is_lost_or_altered(name: str) -> None:
    shown = json.loads(kldeval("show", SAVED[name], "--format", "json").out)
    found = changes(json.loads(SAVED[name].read_text()), shown)
    assert [path for path in found if not path.endswith(".schema")] == []


def altered(value: Any, key: str = "") -> Any:
    """The document with other numbers and answers: every fraction a little smaller, every yes a no."""
    if isinstance(value, dict):
        return {name: altered(one, name) for name, one in value.items()}
    if isinstance(value, list):
        return [altered(one) for one in value]
    if isinstance(value, float):
        return value * (1 - 2**-20)
    if isinstance(value, bool):
        return value if key == "decisive" else not value  # which follows from intervals
    return 1 if key in ("n_nonfinite", "n_refused") else value


@each_of("name", SAVED)
def test_what_is_altered_in_a_document_of_the_first_version_is_read_as_it_is(name: str, tmp_path: Path) -> None:
    document = altered(json.loads(SAVED[name].read_text()))
    if "left_out" in document:
        document["left_out"] = [{"name": "x", "missing": ["careful"]}]
    (tmp_path / "altered.json").write_text(json.dumps(document))
    outcome = kldeval("show", tmp_path / "altered.json", "--format", "json")
    assert outcome.code == 0, outcome.err
    found = changes(document, json.loads(outcome.out))
    assert [path for path in found if not path.endswith(".schema")] == []


def test_a_report_of_the_first_version_is_reproduced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And an altered number is found."""
    monkeypatch.chdir(GOLDEN.parent.parent)
    rounded = "--tolerance", "1e-12"  # it was saved on another processor
    again = kldeval("reproduce", SAVED["report"], *rounded)
    assert again.out.splitlines()[1].startswith("reproduced: 10 of 10 numbers agree")
    document = copy.deepcopy(READ["report"])
    document["maps"][2]["kld"] *= 1 + 2**-30
    (tmp_path / "altered.json").write_text(json.dumps(document))
    again = kldeval("reproduce", tmp_path / "altered.json", *rounded)
    assert again.code == 1
    assert again.out.splitlines()[1].startswith("not reproduced: 9 of 10 numbers agree")
    assert "\nnumber    meadow kld " in again.out


def test_an_identification_of_the_first_version_says_nothing_of_chance() -> None:
    shown = kldeval("show", SAVED["identify"])
    assert shown.out.startswith("0.355 over 5 maps is printed by")
    assert "1657 settings were tried" in shown.out
    again = json.loads(kldeval("show", SAVED["identify"], "--format", "json").out)
    assert is_valid(again, "identify")
    assert (again["values"], again["distinct"]) == ([{"metric": "kld", "value": "0.355", "half_unit": 0.0005}], 0)


@each_of("name", SCHEMAS)
def test_the_schemas_of_the_documentation_are_those_that_are_shipped(name: str) -> None:
    shipped = Path(__file__).parent.parent.parent / "kldeval" / "reports" / "schemas" / name
    assert json.loads(shipped.read_text()) == SCHEMAS[name]


@settings(deadline=None, max_examples=40)
@given(st.data())
def test_a_tampered_document_is_read_or_refused_in_one_line(data: st.DataObject) -> None:
    """Whatever is changed, removed or added: no other exception, and what is read can be written in every format."""
    name = data.draw(st.sampled_from(sorted(READ)))
    document = copy.deepcopy(READ[name])
    for path in data.draw(st.lists(st.sampled_from(PLACES[name]), min_size=1, max_size=2)):
        tamper(document, path, data.draw(st.sampled_from(["replace", "remove", "add"])), data)
    made, complaint = read_or_refused(document)
    assert complaint.isprintable()
    assert complaint.startswith("it.json") or made
    for kind in FORMATS:
        if made and kind != "scores":
            write(made, kind)


def read_or_refused(document: Any) -> tuple[Any, str]:
    """What a document holds, or the message that refuses it."""
    try:
        return parse(document), ""
    except UsageProblem as problem:
        return None, str(problem)


def tamper(document: Any, path: tuple[Any, ...], how: str, data: st.DataObject) -> None:
    """Change the value at a place, if the place is still there."""
    *way, last = path
    at = document
    try:
        for key in way:
            at = at[key]
        at[last]
    except (KeyError, IndexError, TypeError):
        return
    strange = copy.deepcopy(data.draw(st.sampled_from(STRANGE)))
    if how == "remove":
        del at[last]
    elif how == "add" and isinstance(at, dict):
        at[data.draw(st.sampled_from(["x", "kld", "name", "\udcff", "a\nb"]))] = strange
    else:
        at[last] = strange


@each_of("path", HOSTILE)
@each_of("command", [("show",), ("compare", SAVED["report"]), ("merge",), ("methods",)])
def test_hostile_documents_are_one_line(path: Path, command: tuple[Any, ...]) -> None:
    outcome = kldeval(*command, path)
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.endswith("\n")
    assert outcome.err.removesuffix("\n").isprintable()


@each_of(
    ("text", "message"),
    [
        ('{"schema": "kldeval.report/9"}', "is a kldeval.report/9, of another version of kldeval; this one reads"),
        ('{"schema": "kldeval.x\\u001b"}', "is a 'kldeval.x\\x1b'; a kldeval.report/2 is needed"),
        ("[1e999]", "is not JSON: 1e999 is beyond float64"),
        ("[" + "9" * 400 + "]", "is not JSON: a number of 400 digits is beyond float64"),
    ],
)
def test_what_is_no_document_of_this_version(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(UsageProblem) as problem:
        saved(tmp_path / "a.json")
    assert str(problem.value).startswith(f"{tmp_path}/a.json {message}")


def test_a_map_twice_is_refused() -> None:
    document = copy.deepcopy(READ["report"])
    document["maps"][1] = document["maps"][0]
    with pytest.raises(UsageProblem) as problem:
        parse(document)
    assert str(problem.value) == f"it.json: maps[1].name is {document['maps'][0]['name']!r} for the second time"


def test_a_map_lacks_only_the_metrics_that_failed_on_it() -> None:
    document = copy.deepcopy(READ["report"])
    name = document["maps"][0]["name"]
    del document["maps"][0]["ce"]
    with pytest.raises(UsageProblem, match=r"^it\.json: maps\[0\] lacks 'ce'$"):
        parse(document)
    document["failures"] = [{"name": name, "stage": "score", "message": "no", "code": "refused", "metric": "ce"}]
    report = parse(document)
    assert list(report.scores[0].values) == ["kld"]
    assert (report.failures[0].code, report.failures[0].metric) == ("refused", "ce")
