"""`python -m kldeval` and the console script."""

from __future__ import annotations

import gc
import os
import sys
from io import TextIOWrapper

GARBAGE_THRESHOLD = 100_000
"""New objects until garbage is looked for: imports make fewer, which all stay, and a pair leaves hardly any."""


def main() -> None:
    """Run the command line and leave with its exit code."""
    gc.set_threshold(GARBAGE_THRESHOLD)
    from kldeval.cli.main import run

    for stream in (sys.stdout, sys.stderr):
        # a name or an arrow that the terminal's encoding lacks is shown as an escape, not as a crash
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    code = run(sys.argv[1:])
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        # the reader (`| head`) has gone: nothing is left to say, and Python must not complain at exit either
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 141
    # what is there now goes with the process: Python need not search all of it for garbage once more
    gc.freeze()
    sys.exit(code)


if __name__ == "__main__":
    main()
