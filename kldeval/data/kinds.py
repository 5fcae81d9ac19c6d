"""What a path of the command line leads to, without reading anything of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kldeval.errors import UsageProblem, printable
from kldeval.regular import check_regular, why
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


def check_document(path: Path) -> None:
    """Refuse a path at which no saved document is, before what reads it is imported.

    Raises:
        UsageProblem: there is nothing, or what can be no document.
    """
    try:
        check_regular(path)
    except OSError as error:
        msg = f"cannot read {printable(path)}: {why(error)}"
        raise UsageProblem(msg) from error


def check_fixations_there(path: Path) -> None:
    """Refuse a path that leads to no fixations, whose files may be elsewhere.

    Raises:
        UsageProblem: there is nothing.
    """
    if not (is_url(path) or path.exists()):
        msg = f"{printable(path)} does not exist; fixations are read from a file or a folder"
        raise UsageProblem(msg)
