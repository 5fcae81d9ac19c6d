"""Every command on a terminal of 80 and of 120 columns: no line is longer, and no number is cut."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from command_line import kldeval

ROOT = Path(__file__).parent.parent.parent
BOLD, CAREFUL, GT = (ROOT / "sample_data" / name for name in ("bold", "careful", "gt"))
CLASSES = ROOT / "sample_data/classes/pred", ROOT / "sample_data/classes/gt"
LABELS = "--norm", "softmax", "--axis", "0", "--ignore-index", "255"
SIX = "-m", "kld,cc,sim,nss,auc-judd,sauc", "--fixations", ROOT / "sample_data/fixations.csv"
PAIR = BOLD / "street.png", GT / "street.png"
NUMBER = re.compile(r"(?<![\w.+-])[-+]?\d+\.\d+(?:e[-+]\d+)?(?![\w.])")

COMMANDS = {
    "report": (BOLD, GT, *SIX, "--per-map", "--worst", "2"),
    "groups": (BOLD, GT, "--group-by", "{group}"),
    "leaderboard": (BOLD, CAREFUL, GT, *SIX),
    "leaderboard with intervals": (BOLD, CAREFUL, GT, *SIX, "--intervals"),
    "audit": ("audit", BOLD, CAREFUL, GT),
    "audit of everything": ("audit", BOLD, CAREFUL, GT, "--verbose", "--eps-curve"),
    "compare": ("compare", BOLD, CAREFUL, GT),
    "compare everything": ("compare", BOLD, CAREFUL, GT, "--verbose"),
    "identify": ("identify", "--value", "0.5266", CAREFUL, GT),
    "check": ("check", BOLD, GT),
    "explain": ("explain", *PAIR),
    "classes": (*CLASSES, *LABELS, "-m", "ce,ece,classwise-ece,brier-reliability", "--per-class"),
    "calibrate": ("calibrate", *CLASSES, *LABELS, "-m", "ce,ece", "--intervals"),
    "rows": (CLASSES[0] / "street.npy", CLASSES[0] / "meadow.npy", "--rows", "--axis", "0", "-m", "kld,ce,jsd"),
    "conventions": ("conventions",),
    "convention": ("conventions", "sam"),
    "metrics": ("metrics",),
    "metric": ("metrics", "kld"),
    "steps": ("steps",),
    "step": ("steps", "blur"),
    "methods": ("methods", "--convention", "mit"),
}
LONG_WORDS = (
    r"https?://|^  title = |^  author = |^  journal = |^/|^    /|--metric 'kld|^holds|^prediction  |^ground truth  "
)
"""Lines with what cannot break: addresses, entries of BibTeX, paths."""


@pytest.mark.parametrize("command", COMMANDS)
def test_everything_fits_the_terminal(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    wide = kldeval(*COMMANDS[command])
    known = set(NUMBER.findall(wide.out))
    for width in (80, 120):
        monkeypatch.setattr("kldeval.writers.text.width_of", lambda *_, width=width: width)
        outcome = kldeval(*COMMANDS[command])
        assert (wide.code, outcome.code) == (0, 0), outcome.err
        lines = outcome.out.splitlines()
        assert [line for line in lines if len(line) > width and not re.search(LONG_WORDS, line)] == []
        assert [number for line in lines for number in NUMBER.findall(line) if number not in known] == []


@pytest.mark.parametrize("width", [80, 120])
def test_many_models_with_long_names_fit(width: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"a_model_with_a_rather_long_name_{place}_and_a_checkpoint_{10**place}" for place in range(7)]
    gt = tmp_path / "gt"
    for place, folder in enumerate((gt, *(tmp_path / name for name in names))):
        folder.mkdir()
        for name in ("harbour.png", "street.png"):
            shutil.copy((BOLD, CAREFUL)[place % 2] / name if place else GT / name, folder)
    monkeypatch.setattr("kldeval.writers.text.width_of", lambda *_: width)
    for more in ((), ("--intervals",)):
        outcome = kldeval(*(tmp_path / name for name in names), gt, "-m", "kld,cc,sim,mse,mae,jsd", *more)
        assert outcome.code == 0, outcome.err
        assert max(map(len, outcome.out.splitlines())) <= width
    for command in ("audit", "compare"):
        outcome = kldeval(command, *(tmp_path / name for name in names[:4]), gt, "-q")
        assert outcome.code == 0, outcome.err
        assert max(map(len, outcome.out.splitlines())) <= width
