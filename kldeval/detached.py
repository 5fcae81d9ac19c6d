"""Headers whose values lie in a file of their own beside them: detached NRRD, `.nhdr`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from kldeval.regular import open_regular

if TYPE_CHECKING:
    from pathlib import Path

HEADER = ".nhdr"

LONGEST = 2**20
"""Bytes of a header."""

_FIELD = re.compile(rb"^data ?file: *(.*?)\r?$", re.MULTILINE | re.IGNORECASE)


def named_file(header: bytes) -> str | None:
    r"""The file that a header of NRRD names for its values; None where it names none.

    >>> named_file(b"NRRD0005\nencoding: raw\ndata file: a.raw\n"), named_file(b"NRRD0005\n")
    ('a.raw', None)
    """
    found = _FIELD.search(header.partition(b"\n\n")[0])
    return found[1].decode("utf-8", "surrogateescape").strip() if found else None


def is_beside(name: str) -> bool:
    """Whether a name is that of one file in the folder of its header; no other is followed.

    >>> is_beside("a.raw"), is_beside("../a.raw"), is_beside("LIST 2"), is_beside("a%03d.raw 1 9 1")
    (True, False, False, False)
    """
    return bool(name) and name not in (".", "..") and not set(name) & set("/\\%\0") and not name.startswith("LIST")


def values_file(path: Path) -> Path | None:
    """The file beside a header that holds its values; None of any other file, and where none such is named."""
    # a text that was made is kept, a suffix is looked for anew, and this is asked of every file
    if not str(path).lower().endswith(HEADER) or path.suffix.lower() != HEADER:
        return None
    try:
        with open_regular(path) as file:
            name = named_file(file.read(LONGEST))
    except OSError:
        return None
    return path.parent / name if name and is_beside(name) else None
