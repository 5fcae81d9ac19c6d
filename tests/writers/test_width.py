"""Every command on a terminal of 80 and of 120 columns: no line is longer, and no number is cut."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any

from command_line import kldeval
from looping import each_of

if TYPE_CHECKING:
    import pytest

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
WIDTHS = None, 80, 120
LONG_WORDS = (
    r"https?://|^  title = |^  author = |^  journal = |^/|^    /|--metric 'kld|^holds|^prediction  |^ground truth  "
)
"""Lines with what cannot break: addresses, entries of BibTeX, paths."""


def printed(monkeypatch: pytest.MonkeyPatch, *words: str | Path) -> dict[int | None, str]:
    """What a command prints on terminals of some widths: it is run once, and its pages are drawn for each width."""
    pages: list[tuple[Any, Any]] = []

    def draw(page: Any, options: Any) -> str:
        pages.append((page, options))
        return f"<page {len(pages) - 1}>\n"

    def run(width: int | None) -> str:
        monkeypatch.setattr("kldeval.writers.text.width_of", lambda *_: width)
        outcome = kldeval(*words)
        assert outcome.code == 0, outcome.err
        return outcome.out

    def drawn(width: int | None, found: re.Match[str]) -> str:
        page, options = pages[int(found[1])]
        return str(render(page, replace(options, width=width)))

    render = resolve_name("kldeval.writers.text.render")
    with monkeypatch.context() as patch:
        patch.setattr("kldeval.writers.text.render", draw)
        out = run(80)
    if not pages:  # it wraps its lines itself
        return {width: run(width) for width in WIDTHS}
    return {width: re.sub(r"<page (\d+)>\n", partial(drawn, width), out) for width in WIDTHS}


@each_of("command", COMMANDS)
def test_everything_fits_the_terminal(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found = printed(monkeypatch, *COMMANDS[command])
    known = set(NUMBER.findall(found[None]))
    for width in (80, 120):
        lines = found[width].splitlines()
        assert [line for line in lines if len(line) > width and not re.search(LONG_WORDS, line)] == []
        assert [number for line in lines for number in NUMBER.findall(line) if number not in known] == []


def test_many_models_with_long_names_fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"a_model_with_a_rather_long_name_{place}_and_a_checkpoint_{10**place}" for place in range(7)]
    gt = tmp_path / "gt"
    for place, folder in enumerate((gt, *(tmp_path / name for name in names))):
        folder.mkdir()
        for name in ("harbour.png", "street.png"):
            shutil.copy((BOLD, CAREFUL)[place % 2] / name if place else GT / name, folder)
    models = [tmp_path / name for name in names]
    leaderboard: tuple[str | Path, ...] = *models, gt, "-m", "kld,cc,sim,mse,mae,jsd"
    commands: tuple[tuple[str | Path, ...], ...] = (
        leaderboard,
        (*leaderboard, "--intervals"),
        *((word, *models[:4], gt, "-q") for word in ("audit", "compare")),
    )
    for command in commands:
        found = printed(monkeypatch, *command)
        for width in (80, 120):
            assert max(map(len, found[width].splitlines())) <= width
