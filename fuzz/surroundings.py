"""What stands beside a text that says what to do: maps, two predictions of them, and a saved report."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path

import numpy as np

from kldeval.cli.main import run_arguments

N_MAPS = 6

AS_JSON = "-q --jobs 1 --metric kld,cc --format json"


def surround(folder: Path) -> None:
    """Write maps into a folder, with the report of one of its two predictions."""
    random = np.random.default_rng(0)
    for side in ("a", "b", "gt"):
        (folder / side).mkdir()
        for number in range(N_MAPS):
            np.save(folder / side / f"{number}.npy", random.random((4, 5)) + 0.1)
    values = random.random((3, 4, 5)) + 0.1
    for name, array in {"pred": values[0], "gt": values[1], "made": values[2], "classes": values}.items():
        np.save(folder / f"{name}.npy", array)
    np.save(folder / "labels.npy", np.arange(20).reshape(4, 5) % 3)
    with contextlib.chdir(folder):
        Path("report.json").write_text(printed(f"b gt {AS_JSON}".split())[1], "utf-8")


def printed(words: list[str]) -> tuple[int, str, str]:
    """The exit code of the program, and what it wrote to standard output and standard error."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = run_arguments(words)
    return code, out.getvalue(), err.getvalue()


def documents(folder: Path) -> dict[str, bytes]:
    """A saved report, leaderboard and comparison of the maps in a folder."""
    commands = {
        "report": f"a gt {AS_JSON} --fail-if kld>1",
        "leaderboard": f"a b gt {AS_JSON}",
        "comparison": f"compare a b gt {AS_JSON}",
    }
    with contextlib.chdir(folder):
        return {name: printed(command.split())[1].encode() for name, command in commands.items()}
