"""What a path of the command line leads to, without reading anything of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kldeval.errors import UsageProblem, printable
from kldeval.regular import why
from kldeval.urls import is_url

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

PLAIN = ("", ".png", ".jpg", ".npy")
"""The suffixes of folders and of files that are one map."""


def kind_of(path: Path) -> str:
    """Whether there is a folder or a file.

    Raises:
        UsageProblem: neither.
    """
    try:
        if path.is_dir():
            return "folder"
        if path.is_file():
            return "file"
        what = "is neither a file nor a folder" if path.exists() else "does not exist"
    except OSError as error:
        what = f"cannot be looked at ({why(error)})"
    raise UsageProblem(f"{printable(path)} {what}; give two files or two folders of maps")


def check_there(paths: Iterable[Path]) -> None:
    """Refuse a path that leads nowhere before numpy is imported, which takes longer than all else of an error.

    Others are left to those who open files: a URL, a pattern, and what may be a part of a file that holds many maps.

    Raises:
        UsageProblem: as `kind_of`.
    """
    for path in paths:
        is_said_otherwise = is_url(path) or "*" in str(path) or any(one.suffix for one in path.parents)
        if path.suffix.lower() in PLAIN and not is_said_otherwise:
            kind_of(path)
