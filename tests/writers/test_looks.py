"""Options on how documents look: the names that papers use, siunitx, and stimuli under predictions."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest
from command_line import kldeval

ROOT = Path(__file__).parent.parent.parent
BOARD = ROOT / "tests/golden/documents/leaderboard.json"
BOLD, GT = ROOT / "sample_data/bold", ROOT / "sample_data/gt"


def test_papers_have_their_names_or_those_that_are_asked_for() -> None:
    head = next(line for line in kldeval("show", BOARD, "--format", "latex").out.splitlines() if "model &" in line)
    assert head.split(" & ")[1:3] == [r"KLD $\downarrow$ (nats)", r"CC $\uparrow$"]
    named = kldeval("show", BOARD, "--format", "markdown", "--columns", "kld=KL,cc=r").out.splitlines()[0]
    assert [cell.strip() for cell in named.split("|")[2:4]] == ["KL ↓ (nats)", "r ↑"]
    table = kldeval("show", BOARD).out.splitlines()[0]
    assert "kld ↓ nats" in table


def test_a_column_needs_a_key_and_a_name() -> None:
    outcome = kldeval("show", BOARD, "--columns", "kld")
    message = "kldeval: --columns 'kld' is not of the form KEY=NAME, as in kld=KL\n"
    assert (outcome.code, outcome.err) == (2, message)


def test_siunitx_has_bare_numbers_and_a_column_for_what_stands_behind_them() -> None:
    text = kldeval("show", BOARD, "--format", "latex", "--siunitx", "--intervals").out
    assert r"S[table-format=1.5,group-minimum-digits=20,detect-weight]@{\,}l" in text
    assert r"\multicolumn{2}{c}{a good}" in text
    assert (
        r"KLD $\downarrow$ (nats) & \bfseries 0.01398 & \textsuperscript{b,c} {\scriptsize $[0.00887, 0.01652]$}"
        in text
    )
    bare = kldeval("show", BOARD, "--format", "latex", "--siunitx").out
    assert r"good & \bfseries 0.01398 & \bfseries 0.9474" in bare


def test_a_prediction_lies_over_its_stimulus(tmp_path: Path) -> None:
    stimuli = tmp_path / "stimuli"
    stimuli.mkdir()
    shutil.copy(GT / "street.png", stimuli / "harbour.png")
    page = tmp_path / "page.html"
    assert kldeval(BOLD, GT, "-o", page, "--stimuli", stimuli, "-q").code == 0
    text = page.read_text(encoding="utf-8")
    assert text.count("prediction of harbour over its stimulus") == 1
    assert text.count("over its stimulus") == 1
    assert kldeval(BOLD, GT, "-o", page, "--html-maps", "2", "-q").code == 0
    assert page.read_text(encoding="utf-8").count("<article") == 2
    page.unlink()
    outcome = kldeval(BOLD, GT, "-o", page, "--stimuli", tmp_path / "none", "-q")
    assert (outcome.out, page.exists()) == ("", False)
    assert (outcome.code, outcome.err) == (2, f"kldeval: --stimuli {tmp_path}/none is no folder of pictures\n")


@pytest.mark.parametrize(("name", "package"), [("html", "jinja2"), ("parquet", "pyarrow")])
def test_a_missing_package_is_named_before_anything_is_scored(
    name: str, package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    outcome = kldeval(BOLD, GT, "-o", tmp_path / f"report.{name}", "-o", tmp_path / "report.json")
    message = f"kldeval: {name} files need {package}, which is not installed: pip install 'kldeval[{name}]'\n"
    assert (outcome.code, outcome.out, outcome.err) == (2, "", message)
    assert list(tmp_path.iterdir()) == []


def test_standard_deviations_stand_behind_means() -> None:
    assert "good    0.01398 ± 0.00588" in kldeval("show", BOARD, "--std").out
    text = kldeval("show", BOARD, "--format", "latex", "--std").out
    assert r"\pm 0.00588" in text
    outcome = kldeval("show", BOARD, "--std", "--intervals")
    assert (outcome.code, outcome.err) == (
        2,
        "kldeval: --std and --intervals both stand behind the mean; ask for one of them\n",
    )
