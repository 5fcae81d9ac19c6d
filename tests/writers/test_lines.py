"""No foreign text moves the cursor or forges a line: in every command, on standard output and on standard error."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from command_line import kldeval
from drawn import CHARACTERS
from hypothesis import given
from hypothesis import strategies as st
from looping import each_of
from trees import calls

import kldeval as package
from kldeval.writers.lines import message_lines, one_line

if TYPE_CHECKING:
    from command_line import Outcome

HOSTILE = "a\nkldeval: note: forged\x1b[31m\r\u2028\u202e\x85b"
"""A line feed, a colour, a carriage return, a line separator, text from right to left, and a next line."""

FORGED = re.compile(r"^(kldeval: )?note: forged", re.MULTILINE)
CONTROLS = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e]")


@given(st.text(CHARACTERS))
def test_one_line_is_one_line(text: str) -> None:
    assert one_line(text).isprintable() or not text.isprintable()
    assert len(one_line(text).splitlines()) <= 1
    assert CONTROLS.search(one_line(text)) is None


@given(st.text(CHARACTERS), st.sampled_from(["", "note", "warning"]))
def test_only_the_first_line_of_a_message_is_not_indented(text: str, kind: str) -> None:
    first, *rest = message_lines(text, kind)
    assert first.startswith(f"kldeval: {kind}: " if kind else "kldeval: ")
    assert all(line.startswith("kldeval:   ") for line in rest)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two models, a ground truth and fixations whose names are hostile; one map of each model is refused."""
    folder = tmp_path_factory.mktemp("hostile")
    rng = np.random.default_rng(3)
    for side in (f"m{HOSTILE}", f"n{HOSTILE}", "gt"):
        (folder / side).mkdir()
        for name in (f"x{HOSTILE}", f"y{HOSTILE}", "plain"):
            np.save(folder / side / f"{name}.npy", rng.random((4, 5)))
        np.save(folder / side / f"z{HOSTILE}.npy", np.ones((4, 5)) if side == "gt" else np.full((4, 5), np.nan))
    (folder / f"pairs{HOSTILE}.csv").write_text(f'pred,gt,name\ngt/plain.npy,gt/plain.npy,"{HOSTILE}"\n', newline="")
    (folder / f"columns{HOSTILE}.csv").write_text(f'name,x,"{HOSTILE}"\n"{HOSTILE}",gt/plain.npy,1\n', newline="")
    (folder / f"keys{HOSTILE}.toml").write_text(f"{json.dumps(HOSTILE)} = {json.dumps(HOSTILE)}\n")
    report = folder / "report.json"
    kldeval("evaluate", folder / f"m{HOSTILE}", folder / "gt", "-o", report)
    (folder / f"report{HOSTILE}.json").write_bytes(report.read_bytes())
    return folder


COMMANDS = {
    "evaluate": ("evaluate", "{m}", "{gt}", "--per-map"),
    "score-only": ("evaluate", "{m}", "{gt}", "--score-only"),
    "leaderboard": ("evaluate", "{m}", "{n}", "{gt}", "--per-map", "--resamples", "100"),
    "csv": ("evaluate", "{m}", "{n}", "{gt}", "--format", "scores", "--resamples", "100"),
    "gate": ("evaluate", "{m}", "{n}", "{gt}", "--fail-if", "kld>0", "--resamples", "100"),
    "compare": ("compare", "{m}", "{n}", "{gt}", "--resamples", "100"),
    "audit": ("audit", "{m}", "{n}", "{gt}", "--convention", "mit,exact"),
    "audit markdown": ("audit", "{m}", "{n}", "{gt}", "--convention", "mit,exact", "--format", "markdown"),
    "identify": ("identify", "--value", "0.3", "{m}/plain.npy", "{gt}/plain.npy"),
    "explain": ("explain", "{m}/x{h}.npy", "{gt}/x{h}.npy"),
    "check": ("check", "{m}", "{gt}"),
    "no such folder": ("evaluate", "{m}/nowhere{h}", "{gt}"),
    "no such option": ("evaluate", "--nowhere{h}", "{gt}"),
    "no such report": ("show", "nowhere{h}.json"),
    "no such format": ("evaluate", "{m}", "{gt}", "--format", "{h}"),
    "no such metric": ("evaluate", "{m}", "{gt}", "-m", "{h}"),
    "a gate that is none": ("evaluate", "{m}", "{gt}", "--fail-if", "{h}"),
    "debug": ("evaluate", "{m}", "{gt}", "--debug", "--annotate", "github", "--format", "json"),
    "debug of a refusal": ("evaluate", "{m}/nowhere{h}", "{gt}", "--debug"),
    "a manifest": ("evaluate", "--manifest", "{gt}/../pairs{h}.csv", "--per-map"),
    "a manifest of other columns": ("evaluate", "--manifest", "{gt}/../columns{h}.csv"),
    "a configuration": ("evaluate", "{m}", "{gt}", "--config", "{gt}/../keys{h}.toml"),
    "class weights": ("evaluate", "{m}", "{gt}", "-m", "ce", "--class-weights", "{gt}/../columns{h}.csv"),
    "a document": ("show", "{gt}/../report.json", "--per-map"),
    "another document": ("show", "{gt}/../columns{h}.csv"),
    "documents": ("compare", "{gt}/../report.json", "{gt}/../report{h}.json"),
    "parts": ("merge", "{gt}/../report.json", "{gt}/../report{h}.json"),
    "methods": ("methods", "{gt}/../report{h}.json"),
    "an output": ("evaluate", "{m}", "{gt}", "-o", "{gt}/nowhere{h}/r.json"),
    "terms": ("evaluate", "{m}", "{gt}", "--save-maps", "{gt}/terms{h}"),
    "a mask": ("evaluate", "{m}", "{gt}", "--mask", "{m}"),
    "fixations": ("evaluate", "{m}", "{gt}", "-m", "nss", "--fixations", "{gt}/../columns{h}.csv"),
    "density": ("density", "{m}/nowhere{h}", "{m}/out", "--sigma", "3"),
}


@each_of("name", COMMANDS)
def test_no_command_prints_foreign_text_as_it_is(name: str, root: Path) -> None:
    places = {"m": root / f"m{HOSTILE}", "n": root / f"n{HOSTILE}", "gt": root / "gt", "h": HOSTILE}
    outcome: Outcome = kldeval(*(part.format_map(places) for part in COMMANDS[name]))
    assert outcome.code in (0, 1, 2, 3)
    for stream in (outcome.out, outcome.err):
        assert CONTROLS.search(stream) is None
        assert FORGED.search(stream) is None
    assert outcome.out or outcome.err


def test_nothing_prints_but_the_messages() -> None:
    """A call of `click.echo`, `click.secho` or `print` elsewhere could pass foreign text by."""
    printing = {"click.echo", "click.secho", "print", "sys.stdout.write", "sys.stderr.write"}
    folder = Path(package.__file__).parent
    found = {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*.py")
        for call in calls(path, {name.rpartition(".")[2] for name in printing})
        if call in printing
    }
    assert found <= {"cli/messages.py", "writers/text.py", "writers/progress.py", "__main__.py"}
