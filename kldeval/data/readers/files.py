"""The door through which files are read: only regular files are opened, and a failure is one kind of error."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kldeval.data.readers.stored import unreadable
from kldeval.data.scratch import LARGE_FILE
from kldeval.digests import NOTED, note
from kldeval.errors import KldevalError, UnreadableMap, printable
from kldeval.memory import BytesInMemory
from kldeval.regular import NotRegular, open_regular, why
from kldeval.regular import check_regular as check_kind

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from kldeval.memory import MapContents, MapFile


LONGEST_REASON = 200
"""Characters of a decoder's own words that a message repeats."""


def check_regular(path: Path) -> None:
    """Refuse what is no regular file; a folder is left to the error of opening it.

    Raises:
        UnreadableMap: a FIFO, a socket or a device.
        OSError: the path cannot be looked at.
    """
    try:
        check_kind(path)
    except NotRegular as error:
        raise unreadable(path, why(error), "not-a-file") from error


Opens = Callable[["Path"], "FileBytes | None"]


def read_bytes(path: Path | BytesInMemory, opens: Opens | None = None) -> Any:
    """The contents of a regular file; of a large one what `opens` gives, unless it is None.

    Raises:
        UnreadableMap: as `check_regular`.
        OSError: it cannot be opened_for_reading or read.
    """
    if isinstance(path, BytesInMemory):
        return path.data
    name = str(path)
    status = os.stat(name)  # noqa: PTH116 - of a text: this is done for every map
    if not stat.S_ISREG(status.st_mode):
        check_regular(path)
    if opens is not None and status.st_size >= LARGE_FILE and (found := opens(path)) is not None:
        return found
    data = _read(name, status.st_size)
    if NOTED.get() is not None:
        note(name, data)
    return data


def _read(name: str, size: int) -> bytes:
    """The contents of a file, which has perhaps this size: in half the calls of the system that a file object makes."""
    file = os.open(name, os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0))
    try:
        parts = [os.read(file, size + 1)]
        while len(parts[-1]) and sum(map(len, parts)) != size:
            parts.append(os.read(file, max(size, LARGE_FILE)))
    finally:
        os.close(file)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def as_file(path: Path | BytesInMemory) -> Path | BytesIO:
    """What libraries open: the path itself, or the bytes as a file."""
    return BytesIO(path.data) if isinstance(path, BytesInMemory) else path


def opened_for_reading(path: Path | BytesInMemory) -> BinaryIO:
    """A regular file, or bytes as one, open for reading.

    Raises:
        NotRegular: a FIFO, a socket or a device.
        OSError: it cannot be opened_for_reading.
    """
    return BytesIO(path.data) if isinstance(path, BytesInMemory) else open_regular(path)


@contextmanager
def on_disk(path: Path | BytesInMemory) -> Iterator[Path]:
    """A file for libraries that open paths alone: the path itself, or the bytes in a temporary file."""
    if not isinstance(path, BytesInMemory):
        yield path
        return
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as folder:
        file = Path(folder, f"member{path.suffix}")
        file.write_bytes(path.data)
        yield file


class FileBytes:
    """The bytes of a regular file as `bytes` gives them, of which only those that are asked for are read.

    The file is closed when nobody holds this any more.
    """

    _file = -1

    def __init__(self, path: Path) -> None:
        check_regular(path)
        self.path = path
        self._file = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        self._size = os.fstat(self._file).st_size

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, part: slice) -> bytes:
        start, stop, _ = part.indices(self._size)
        os.lseek(self._file, start, os.SEEK_SET)
        found = []
        while start < stop and (piece := os.read(self._file, stop - start)):
            found.append(piece)
            start += len(piece)
        return b"".join(found)

    def __del__(self) -> None:
        if self._file >= 0:
            os.close(self._file)

    def startswith(self, prefix: bytes | tuple[bytes, ...]) -> bool:
        """Whether the file begins so."""
        return self[:LONGEST_MAGIC].startswith(prefix)


LONGEST_MAGIC = 16
"""Bytes at the beginning of a file that tell its format."""


def unreadable_because(path: MapFile | MapContents, error: Exception) -> KldevalError:
    """What whoever reads `path` is told of any error: an `UnreadableMap` that says why; our own errors stay.

    Decoders raise nearly everything on damaged bytes: struct.error, IndexError, OverflowError, LZMAError, cv2.error.
    """
    if isinstance(error, KldevalError):
        return error
    if isinstance(error, FileNotFoundError) and isinstance(path, Path) and path.is_symlink():
        msg = f"{printable(path)} is a link to {printable(path.readlink())}, which does not exist"
        return UnreadableMap(msg, code="dangling-link")
    if isinstance(error, OSError):
        if isinstance(path, Path) and path.is_symlink() and not path.exists():
            msg = f"{printable(path)} is a link to {printable(path.readlink())}, which does not exist"
            return UnreadableMap(msg, code="dangling-link")
        return unreadable(path, why(error))
    if isinstance(error, MemoryError):
        return unreadable(path, "too large for the memory of this machine", "no-memory")
    return unreadable(path, f"damaged, or not what it seems to be ({reason(error)})")


NAMED = frozenset({".npy", ".npz", ".mat", ".exr", ".csv", ".tsv", ".json", ".jsonl"})
"""The suffixes of files whose readers know their own format alone; images are told apart by all their readers."""


def name_by_first_bytes(path: MapFile, problem: UnreadableMap) -> None:
    """Raise a problem by what the file begins with where that tells: a pointer, a web page, an archive.

    Nothing is raised where that tells no more: whoever asks raises the problem again. As its own cause, or in a
    variable of a function that raises it, an error is kept with all that was at work until garbage is collected.

    Raises:
        UnreadableMap: the file is no map but this.
    """
    if not isinstance(path, Path) or path.suffix.lower() not in NAMED or problem.code != UnreadableMap.code:
        return
    from kldeval.data.readers.foreign import LOOKED_AT, meaning_of

    try:
        with path.open("rb") as file:
            meaning = meaning_of(file.read(LOOKED_AT), path.suffix.lower())
    except OSError:
        return
    if meaning is not None and meaning not in str(problem):
        raise unreadable(path, f"no {path.suffix.lower() or 'such'} file but {meaning}") from problem


@contextmanager
def refusals(path: MapFile | MapContents) -> Iterator[None]:
    """Raise the `unreadable_because` of whatever is raised within.

    Raises:
        UnreadableMap: for every `Exception` that is no error of kldeval's own.
    """
    try:
        yield
    except KldevalError:
        raise
    except Exception as error:
        raise unreadable_because(path, error) from error


def reason(error: BaseException) -> str:
    """The type of an error and the first line of its words, printable and of bounded length."""
    first = next(iter(str(error).splitlines()), "")
    return f"{type(error).__name__}: {printable(first[:LONGEST_REASON])}" if first else type(error).__name__
