"""Every command and format for people, to the letter: what they print is kept in `tests/golden/outputs/`.

The documents in `tests/golden/documents/` were saved once; `kldeval show` writes them without scoring, so that a number
cannot move here. `UPDATE_GOLDEN=1 pytest tests/writers/test_golden_outputs.py` writes the files anew; look at
what changed before you keep it.
"""

from __future__ import annotations

import io
import os
import re
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING

from last_digits import with_last_digits_of
from looping import each_of
from rich.cells import cell_len

from kldeval.cli.main import run_arguments

if TYPE_CHECKING:
    import pytest

ROOT = Path(__file__).parent.parent.parent
SAVED, OUTPUTS = ROOT / "tests/golden/documents", ROOT / "tests/golden/outputs"
UPDATE = bool(os.environ.get("UPDATE_GOLDEN"))

BOTH = "sample_data/bold", "sample_data/careful", "sample_data/gt"
ONE = "sample_data/bold/harbour.png", "sample_data/gt/harbour.png"
FEW = "--convention", "flatten-softmax,eml-net,mit,exact,keras"

SHOWN = {
    "report": ("show", "tests/golden/documents/report.json"),
    "report-maps": ("show", "tests/golden/documents/report.json", "--per-map", "--worst", "2"),
    "report-references": ("show", "tests/golden/documents/references.json"),
    "leaderboard": ("show", "tests/golden/documents/leaderboard.json"),
    "leaderboard-maps": ("show", "tests/golden/documents/leaderboard.json", "--per-map"),
    "leaderboard-worst": ("show", "tests/golden/documents/leaderboard.json", "--worst", "2"),
    "compare": ("show", "tests/golden/documents/compare.json"),
    "audit": ("audit", *BOTH, *FEW, "--eps-curve"),
    "audit-one": ("audit", *ONE, *FEW),
}
"""The documents that have every format for people."""

FORMATS = "table", "markdown", "latex"

COMMANDS = {
    **{f"{name}.{format_}": (*line, "--format", format_) for name, line in SHOWN.items() for format_ in FORMATS},
    **{f"{name}.json": (*line, "--format", "json") for name, line in SHOWN.items() if line[0] == "show"},
    **{f"{name}.{kind}": (*SHOWN[name], "--format", kind) for name in ("report", "compare") for kind in ("csv", "tsv")},
    **{f"{name}.jsonl": (*SHOWN[name], "--format", "jsonl") for name in ("report", "leaderboard", "compare")},
    "leaderboard.csv": (*SHOWN["leaderboard"], "--format", "csv"),
    "leaderboard.scores": (*SHOWN["leaderboard"], "--format", "scores"),
    "identify": ("identify", "--value", "0.7", *ONE, "--jobs", "1"),
    "identify-none": ("identify", "--value", "1234.5", *ONE, "--jobs", "1"),
    "check": ("check", "sample_data/bold", "sample_data/gt", "--exclude", "m*"),
    "explain": ("explain", *ONE, "-m", "kld"),
    "explain-small": ("explain", "sample_data/articles/kl_pred.npy", "sample_data/articles/kl_gt.npy"),
    "conventions": ("conventions",),
    "convention": ("conventions", "sam"),
    "methods": ("methods", "--convention", "sam"),
    "methods.json": ("methods", "--convention", "sam", "--format", "json"),
}

ON_TERMINALS = "report-maps", "report-references", "leaderboard", "compare", "audit", "audit-one"
"""What is also kept as terminals of 80 and of 120 columns show it."""

CASES = {
    **{name: (line, None) for name, line in COMMANDS.items()},
    **{f"{name}.{width}": (SHOWN[name], width) for name in ON_TERMINALS for width in (80, 120)},
    **{f"{name}.80": (COMMANDS[name], 80) for name in ("identify", "check", "explain", "conventions", "convention")},
}


class Screen(io.StringIO):
    """A terminal as the program sees one."""

    def isatty(self) -> bool:
        """Always."""
        return True


def shown(line: tuple[str, ...], width: int | None, monkeypatch: pytest.MonkeyPatch) -> str:
    """The standard output of a command."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", str(width or 80))
    out = Screen() if width else io.StringIO()
    with redirect_stdout(out), redirect_stderr(io.StringIO()):
        assert run_arguments(line) in (0, 1, 3)
    return out.getvalue()


@each_of("name", CASES)
def test_it_prints_what_is_kept(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    line, width = CASES[name]
    text = shown(line, width, monkeypatch)
    path = OUTPUTS / f"{name}.txt"
    if UPDATE:
        path.write_bytes(text.encode())
    kept = path.read_bytes().decode()
    assert with_last_digits_of(kept, text) == kept


@each_of("name", [name for name, (_, width) in CASES.items() if width])
def test_every_line_fits_its_terminal(name: str) -> None:
    """Links and BibTeX, which are copied as they are, may be longer."""
    _, width = CASES[name]
    lines = (OUTPUTS / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    long = [line for line in lines if cell_len(line) > (width or 0)]
    assert [line for line in long if "https://" not in line and not re.match(r"  \w+ = ", line)] == []


def test_every_kept_output_belongs_to_a_command() -> None:
    assert {path.name for path in OUTPUTS.iterdir()} == {f"{name}.txt" for name in CASES}
