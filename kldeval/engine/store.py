"""Rows on disk that outlive whatever happens to their writers: append-only segments of lines with checksums.

Every writer has a segment of its own, so none waits for another, on any file system: databases need locks that NFS and
Lustre lack. A line that was cut or damaged is as if it had never been written. Deleting the folder is always safe.
"""

from __future__ import annotations

import errno
import json
import os
import time
import warnings
import zlib
from array import array
from bisect import bisect_left
from contextlib import suppress
from itertools import count, repeat
from platform import node
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np

from kldeval.caching import KeptResults
from kldeval.errors import UsageProblem, printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path


ROWS_OF_LINE = 32
"""Rows that are written together, if they come within `SECONDS_OF_LINE`."""

SECONDS_OF_LINE = 1.0
"""How long a row waits for others before it is written."""

SECONDS_OF_SYNC = 5.0
"""How often what was written is forced onto the disk."""

SUFFIX = ".jsonl"
"""That of segments."""
FULL = (errno.ENOSPC, errno.EDQUOT)
"""Errors of a disk or a quota that is full, which no run is ended by: rows save time, and move no number."""

NO_FOLDER = {errno.ENOTDIR: "a file is there", errno.EEXIST: "a file, or a link to nothing, is there"}
"""What is wrong with a path, in better words than those of the system."""

LINES_KEPT = 16
"""Lines that are kept decoded: rows are asked for in about the order in which they were written."""

_HEAD = b'{"crc":"'
_NAMES = b'","names":'
_ROWS = b',"rows":'

Row = dict[str, Any]
"""A row as JSON holds it."""


class Store:
    """The rows under a folder by the names of their maps, and a segment to add more.

    Raises:
        UsageProblem: the folder cannot be made or read.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
            names = sorted(name for name in os.listdir(folder) if name.endswith(SUFFIX))  # noqa: PTH208 - no paths yet
        except OSError as error:
            if error.errno not in FULL:
                why = NO_FOLDER.get(error.errno or 0) or (error.strerror or str(error)).lower()
                msg = f"--cache {printable(folder.parent)}: {why}; name another folder"
                raise UsageProblem(msg) from error
            names = []
        self._paths = [path for name in names if (path := folder / name).is_file()]
        self._places = _Places()
        # of every line its segment, and where in it it begins and ends
        self._lines = array("I"), array("q"), array("q")
        self._decoded = KeptResults(self._decode, LINES_KEPT)
        for number, path in enumerate(self._paths):
            self._index(number, path)
        self._places.sort()
        self._writer = _Segment(folder)

    @property
    def is_empty(self) -> bool:
        """Whether no rows were there when the store was opened."""
        return not self._lines[0]

    def rows(self, name: str) -> Iterator[Row]:
        """The rows of the map `name` that were there when the store was opened, the newest last."""
        for line in self._places.of(name):
            yield from self._decoded(line).get(name, ())

    def add(self, name: str, row: Row) -> None:
        """Have a row written, soon."""
        self._writer.add(name, row)

    def flush(self) -> None:
        """Write the rows that have not been written, and force them onto the disk."""
        self._writer.flush()

    def close(self) -> None:
        """Write the rows that have not been written; nothing is added any more."""
        self._writer.close()

    def __reduce__(self) -> tuple[Any, ...]:
        return Store, (self._folder,)

    def _index(self, number: int, path: Path) -> None:
        """Note where the rows of a segment are; what is damaged is left out."""
        start = 0
        with suppress(OSError), path.open("rb") as file:
            for line in file:
                names = _names(line)
                if names:
                    self._places.add(names, len(self._lines[0]))
                    for column, value in zip(self._lines, (number, start, start + len(line)), strict=True):
                        column.append(value)
                start += len(line)

    def _decode(self, line: int) -> dict[str, list[Row]]:
        """The rows of a line by their names; it is checked again, because it is read again."""
        number, start, end = (column[line] for column in self._lines)
        try:
            with self._paths[number].open("rb") as file:
                file.seek(start)
                data = file.read(end - start)
        except OSError:
            return {}
        names = _names(data)
        if not names:
            return {}
        found: dict[str, list[Row]] = {}
        for name, row in zip(names, json.loads(data)["rows"], strict=True):
            found.setdefault(name, []).append(row)
        return found


class _Places:
    """The lines in which names stand: of each 12 bytes. A line may be one of another name of the same hash."""

    def __init__(self) -> None:
        self._hashes: Any = array("q")
        self._lines: Any = array("I")

    def add(self, names: Sequence[str], line: int) -> None:
        """Note a line with its names."""
        self._hashes.extend(map(hash, names))
        self._lines.extend(repeat(line, len(names)))

    def sort(self) -> None:
        """Make what was noted ready to be asked for."""
        hashes = np.frombuffer(self._hashes, np.int64) if self._hashes else np.zeros(0, np.int64)
        lines = np.frombuffer(self._lines, np.uint32) if self._lines else np.zeros(0, np.uint32)
        order = np.argsort(hashes, kind="stable")
        self._hashes, self._lines = hashes[order].data, lines[order].data

    def of(self, name: str) -> Iterator[int]:
        """The lines of a name, in the order in which they were noted."""
        wanted = hash(name)
        place = bisect_left(self._hashes, wanted)
        while place < len(self._hashes) and self._hashes[place] == wanted:
            yield self._lines[place]
            place += 1


def encoded_line(names: list[str], rows: list[Row]) -> bytes:
    """A line of a segment: JSON whose checksum is that of what follows it."""
    texts = (json.dumps(part, separators=(",", ":")).encode("ascii") for part in (names, rows))
    body = _NAMES + next(texts) + _ROWS + next(texts) + b"}"
    return _HEAD + b"%08x" % zlib.crc32(body) + body + b"\n"


def _names(line: bytes) -> list[str]:
    """The names of the rows of a line; none of a damaged one."""
    head = len(_HEAD)
    if line[:head] != _HEAD or line[head : head + 8] != b"%08x" % zlib.crc32(line[head + 8 : -1]):
        return []
    start = head + 8 + len(_NAMES)
    names: list[str] = json.loads(line[start : line.index(_ROWS, start)])
    return names


class _Segment:
    """A new file that only this process writes, made with its first line; a forked process makes one of its own.

    When it cannot be written, a warning says so once, and what comes later is dropped.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._owner = os.getpid()
        self._lock = Lock()
        self._file: int | None = None
        self._names: list[str] = []
        self._rows: list[Row] = []
        self._is_broken = False
        self._n_links = 0
        self._first = self._synced = time.monotonic()

    def add(self, name: str, row: Row) -> None:
        if self._is_broken:
            return
        now = time.monotonic()
        with self._lock:
            self._leave_to_parent()
            if not self._rows:
                self._first = now
            self._names.append(name)
            self._rows.append(row)
            if len(self._rows) >= ROWS_OF_LINE or now - self._first >= SECONDS_OF_LINE:
                self._write()
                if now - self._synced >= SECONDS_OF_SYNC:
                    self._try(self._sync)

    def flush(self) -> None:
        with self._lock:
            self._leave_to_parent()
            self._write()
            self._try(self._sync)

    def close(self) -> None:
        self.flush()
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _leave_to_parent(self) -> None:
        """In a forked process, leave what the parent has to its own segment."""
        if self._owner != os.getpid():
            self._owner, self._file, self._names, self._rows = os.getpid(), None, [], []

    def _write(self) -> None:
        if self._rows and not self._is_broken:
            line = encoded_line(self._names, self._rows)
            self._names, self._rows = [], []
            self._try(lambda: self._append(line))

    def _append(self, line: bytes) -> None:
        if self._file is not None and os.fstat(self._file).st_nlink < self._n_links:
            # the folder was deleted: what comes is kept, in a new one
            os.close(self._file)
            self._file = None
        if self._file is None:
            self._file = self._new_file()
            self._n_links = min(1, os.fstat(self._file).st_nlink)
        while line:
            line = line[os.write(self._file, line) :]

    def _new_file(self) -> int:
        """A file of a name that nobody else has, even where clocks are coarse and machines bear one name."""
        flags = os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_WRONLY | os.O_CLOEXEC
        writer = f"{node()}-{os.getpid()}"
        self._folder.mkdir(parents=True, exist_ok=True)
        for number in count(time.time_ns()):
            with suppress(FileExistsError):
                return os.open(self._folder / f"{writer}-{number}{SUFFIX}", flags, 0o666)
        raise AssertionError  # the numbers do not end

    def _sync(self) -> None:
        self._synced = time.monotonic()
        if self._file is not None:
            os.fsync(self._file)

    def _try(self, action: Any) -> None:
        try:
            action()
        except OSError as error:
            self._is_broken = True
            why = (error.strerror or str(error)).lower()
            msg = f"--cache: rows are no longer kept, because {printable(self._folder)} cannot be written: {why}"
            warnings.warn(msg, RuntimeWarning, stacklevel=2)
