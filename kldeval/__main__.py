"""`python -m kldeval` and the console script."""

from __future__ import annotations

import gc
import sys

GARBAGE_THRESHOLD = 100_000
"""New objects until garbage is looked for: imports make fewer, which all stay, and a pair leaves hardly any."""


def main() -> None:
    """Run the command line and leave with its exit code."""
    gc.set_threshold(GARBAGE_THRESHOLD)
    try:
        from kldeval.cli.terminal import end_in_order, ignore_signals, open_streams, say_warnings

        end_in_order()
        open_streams()
        say_warnings()
        from kldeval.cli.main import run_arguments

        code = run_arguments(sys.argv[1:])
        ignore_signals()
    except KeyboardInterrupt:  # before the command line could catch it, or while it was leaving
        code = 130
    # what is there now goes with the process: Python need not search all of it for garbage once more
    gc.freeze()
    sys.exit(code)


if __name__ == "__main__":
    main()
