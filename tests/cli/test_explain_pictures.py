"""The picture of a pair, in a terminal and as a file; and annotations of a workflow."""

from __future__ import annotations

import io
import re
from contextlib import redirect_stdout
from pathlib import Path

import cv2
import numpy as np
import pytest
from command_line import kldeval

from kldeval.cli.main import run_arguments

ROOT = Path(__file__).parent.parent.parent
PAIR = str(ROOT / "sample_data/bold/harbour.png"), str(ROOT / "sample_data/gt/harbour.png")


class Screen(io.StringIO):
    """A terminal as the program sees one."""

    def isatty(self) -> bool:
        """Always."""
        return True


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize(("colors", "code"), [("truecolor", "38;2;"), ("", "38;5;")])
def test_a_picture_in_half_blocks_fits_the_terminal(
    width: int, colors: str, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("COLORTERM", colors)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    out = Screen()
    with redirect_stdout(out):
        assert run_arguments(["explain", *PAIR, "--picture"]) == 0
    assert code in out.getvalue()
    text = re.sub(r"\x1b\[[\d;]*m", "", out.getvalue())
    assert max(map(len, text.splitlines())) <= width
    titles, first, *_ = text[text.index("\nprediction  ") :].strip().splitlines()
    assert re.split(" {2,}", titles) == ["prediction", "ground truth", "difference", "pixelwise kld"]
    assert set(first) == {"▀", " "}


def test_without_a_terminal_there_is_a_note_and_no_picture() -> None:
    outcome = kldeval("explain", *PAIR, "--picture")
    assert outcome.code == 0
    assert "▀" not in outcome.out
    message = "kldeval: note: --picture needs a terminal with colours; --save FILE.png writes the picture\n"
    assert outcome.err == message


def test_the_saved_picture_shows_both_maps_and_the_uncovered_pixels(tmp_path: Path) -> None:
    outcome = kldeval("explain", *PAIR, "--save", tmp_path / "pair.png")
    assert (outcome.code, outcome.err) == (0, "")
    picture = np.asarray(cv2.imread(str(tmp_path / "pair.png")))[..., ::-1]
    assert picture.shape[1] == 4 * (320 + 16)
    magenta = (picture == (255, 0, 255)).all(axis=-1)
    assert 0.005 < magenta.mean() < 0.05
    assert np.flatnonzero(magenta.any(axis=0)).min() > 3 * 336


def test_a_picture_is_a_png_file_in_a_folder_that_exists(tmp_path: Path) -> None:
    outcome = kldeval("explain", *PAIR, "--save", tmp_path / "pair.jpg")
    assert outcome.code == 2
    assert outcome.err.endswith("the picture is a PNG file; give it the suffix .png\n")
    outcome = kldeval("explain", *PAIR, "--save", tmp_path / "no" / "pair.png")
    assert outcome.code == 2
    assert "there is no folder" in outcome.err


def test_annotations_are_for_failures_gates_and_notes(tmp_path: Path) -> None:
    for side in ("pred", "gt"):
        (tmp_path / side).mkdir()
        np.save(tmp_path / side / "a.npy", np.ones((2, 3)))
        np.save(tmp_path / side / "b,\n100%.npy", np.full((2, 3), np.nan if side == "pred" else 1.0))
    line = (tmp_path / "pred", tmp_path / "gt", "-m", "kld", "--fail-if", "kld<1", "--annotate", "github")
    outcome = kldeval(*line)
    assert outcome.code == 3
    lines = [line for line in outcome.err.splitlines() if line.startswith("::")]
    assert re.match(r"::error title=b%2C\\n100%25::.*nan", lines[0], re.IGNORECASE)
    assert lines[1].startswith("::error title=gate::gate kld<1 fired: ")
    assert any(line.startswith("::notice title=note::") for line in lines)
    assert "::" not in kldeval(*line[:-2]).err
