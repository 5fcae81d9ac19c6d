"""The command line as tests run it: in this process, with what it printed and its exit code."""

from __future__ import annotations

import io
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kldeval.cli.main import run_arguments

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Outcome:
    """What a shell would see."""

    code: int
    out: str
    err: str


def kldeval(*arguments: str | Path, out: io.StringIO | None = None) -> Outcome:
    """The outcome of `kldeval ARGUMENTS`; `out` is what it prints on, where that is no pipe."""
    out, err = out or io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = run_arguments([str(argument) for argument in arguments])
    return Outcome(code, out.getvalue(), err.getvalue())


def score(*arguments: str | Path) -> list[float]:
    """The numbers that `--score-only` prints."""
    outcome = kldeval(*arguments, "--score-only")
    assert outcome.code == 0, outcome.err
    return [float(word) for word in outcome.out.split()]
