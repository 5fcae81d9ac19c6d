"""What the other end of a stream is: how wide, and whether it shows colours."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import TextIO


def width_of(stream: TextIO, environ: Mapping[str, str]) -> int | None:
    """The columns of the terminal behind `stream`, which COLUMNS overrides; None where there is no terminal.

    >>> import io
    >>> width_of(io.StringIO(), {"COLUMNS": "80"}) is None
    True
    """
    if not stream.isatty():
        return None
    columns = environ.get("COLUMNS", "")
    if columns.isdecimal() and int(columns) > 0:
        return int(columns)
    try:
        return os.get_terminal_size(stream.fileno()).columns or None
    except (OSError, ValueError):
        return None


def color_of(stream: TextIO, environ: Mapping[str, str]) -> bool:
    """Whether to colour: NO_COLOR forbids it, else FORCE_COLOR demands it, else a terminal decides that is not dumb.

    A variable counts when it is not empty (https://no-color.org, https://force-color.org).

    >>> import io
    >>> color_of(io.StringIO(), {"FORCE_COLOR": "1"})
    True
    >>> color_of(io.StringIO(), {"FORCE_COLOR": "1", "NO_COLOR": "1"})
    False
    """
    if environ.get("NO_COLOR"):
        return False
    if environ.get("FORCE_COLOR"):
        return True
    return stream.isatty() and environ.get("TERM") not in ("dumb", "unknown")
