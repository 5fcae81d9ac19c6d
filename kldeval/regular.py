"""The door through which files are read whole: only regular files, of bounded size.

A FIFO waits for a writer that may never come, and a device has no end: opening one would cost the run, not an error.
"""

from __future__ import annotations

import errno
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from io import BufferedReader
    from pathlib import Path
    from typing import BinaryIO

KINDS = (
    (stat.S_ISFIFO, "a FIFO"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)
"""What a path may be that has no end, or waits for ever when it is opened."""

LARGEST_TEXT = 2**30
"""Bytes of a table, a document or a configuration: 1 GiB, room for a report of a million maps."""

AT_ONCE = 2**20
"""Bytes that are read at once; few texts are longer."""


class NotRegular(OSError):
    """A path that is a FIFO, a socket or a device."""

    def __init__(self, path: Path, kind: str) -> None:
        super().__init__(errno.EINVAL, f"it is {kind}, not a regular file", str(path))


def check_regular(path: Path) -> None:
    """Refuse what is no regular file; a folder is left to the error of opening it.

    Raises:
        NotRegular: a FIFO, a socket or a device.
        OSError: the path cannot be looked at.
    """
    mode = path.stat().st_mode
    if not stat.S_ISREG(mode):
        for is_kind, name in KINDS:
            if is_kind(mode):
                raise NotRegular(path, name)


def open_regular(path: Path) -> BufferedReader:
    """A regular file, open for reading.

    Raises:
        NotRegular: as `check_regular`.
        OSError: it cannot be opened.
    """
    check_regular(path)
    return path.open("rb")


def read_regular(path: Path, most: int = LARGEST_TEXT) -> bytes:
    """The contents of a regular file of `most` bytes.

    Raises:
        NotRegular: as `check_regular`.
        OSError: it cannot be opened or read, or is larger.
    """
    with open_regular(path) as file:
        return read_bounded(file, most)


def read_bounded(file: BinaryIO, most: int = LARGEST_TEXT) -> bytes:
    """All that a stream holds, if that is at most `most` bytes.

    Raises:
        OSError: it holds more, or cannot be read.
    """
    # what is asked for at once is taken from the system, however short the file
    data = file.read(min(most + 1, AT_ONCE))
    if len(data) == AT_ONCE:
        data += file.read(most + 1 - len(data))
    if len(data) > most:
        raise OSError(errno.EFBIG, f"it is larger than {most} bytes")
    return data


def why(error: OSError) -> str:
    """The reason of an error of the system, as the rest of a sentence.

    >>> import os
    >>> why(FileNotFoundError(2, os.strerror(2)))
    'no such file or directory'
    """
    words = error.strerror or str(error) or type(error).__name__
    return words[:1].lower() + words[1:]
