"""`python -m kldeval` and the console script."""

from __future__ import annotations

import gc
import os
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
    _end(code)
    sys.exit(code)


def _end(code: int) -> None:
    """End the process as Python ends it, but for taking every module apart, a twentieth of the time of a short run.

    Python does that itself where somebody watches the program, a profiler or who asked for a prompt afterwards, where
    a thread is left, where a stream cannot be written, and where it has other names for what it does then.
    """
    if sys.gettrace() or sys.getprofile() or sys.flags.inspect or sys.flags.interactive or sys.flags.dev_mode:
        return
    import atexit
    import threading

    first, then = getattr(threading, "_shutdown", None), getattr(atexit, "_run_exitfuncs", None)
    if threading.active_count() > 1 or first is None or then is None:
        return
    first()
    then()
    try:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
    except (OSError, ValueError):
        return
    os._exit(code & 255)


if __name__ == "__main__":
    main()
