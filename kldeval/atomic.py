"""Files that are there whole or not at all."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def temporary_beside(target: Path, prefix: str = ".kldeval-") -> Iterator[Path]:
    """A name for a new file in the folder of `target`; whatever is left under it is removed."""
    temporary = target.with_name(f"{prefix}{os.urandom(8).hex()}.tmp")
    try:
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)


def may_be_replaced(target: Path) -> bool:
    """Whether somebody may write to an existing file: its modes count for the superuser, too, who is bound by none."""
    return bool(target.stat().st_mode & (stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH))


@contextmanager
def whole_file(target: Path) -> Iterator[IO[bytes]]:
    """A file to write to, which takes the place of `target` when the block ends without an error.

    Raises:
        OSError: it cannot be written; its `filename` is that of `target`.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists() and not may_be_replaced(target):
            raise PermissionError(errno.EACCES, "it is read-only")
        with temporary_beside(target) as temporary:
            with temporary.open("xb") as file:
                yield file
            temporary.replace(target)
    except OSError as error:
        # numpy says of a full disk only how many values it has written, without the system's number and words
        reason = error.strerror or "the disk took only a part of it"
        raise OSError(error.errno or errno.ENOSPC, reason, str(target)) from error
