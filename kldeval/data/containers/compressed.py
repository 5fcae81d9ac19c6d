"""Tars that are compressed as a whole: decompressed once, into a file without a name, of which members are then read.

The file lies in the folder for temporary files and is gone with the process, however that ends; worker processes that
are forked share it. What a small file may grow to is bounded.
"""

from __future__ import annotations

import atexit
import bz2
import gzip
import lzma
import os
import sys
import tempfile
from typing import TYPE_CHECKING, Any

from kldeval.data.readers.stored import Limits, check_expansion, unreadable
from kldeval.digests import ABSENT, Kept, kept_by
from kldeval.packages import load_package
from kldeval.regular import open_regular, why

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import BinaryIO

MAGICS: dict[bytes, Callable[[BinaryIO], Any]] = {
    b"\x1f\x8b": lambda file: gzip.GzipFile(fileobj=file),
    b"BZh": bz2.BZ2File,
    b"\xfd7zXZ\0": lzma.LZMAFile,
    b"\x28\xb5\x2f\xfd": lambda file: _zstandard().ZstdFile(file),
}
"""How each kind of compression begins, and what undoes it."""

PIECE = 2**20

MOST_OPEN = 64
"""Decompressed files that a process keeps: more than a leaderboard has models."""


def is_packed(path: Path) -> bool:
    """Whether a file begins as compressed ones do.

    Raises:
        OSError: it cannot be opened.
    """
    with open_regular(path) as file:
        return file.read(max(map(len, MAGICS))).startswith(tuple(MAGICS))


def _zstandard() -> Any:
    """The module of the standard library, or what brings it to those before 3.14.

    Raises:
        MissingDependency: that is not installed.
    """
    name = "compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd"
    return load_package(name, f"tars that are compressed with Zstandard need {name}", "pip install 'kldeval[zstd]'")


def decompressed(path: Path, limits: Limits) -> BinaryIO:
    """The contents of a compressed file as a file, decompressed for the first who asks.

    Raises:
        UnreadableMap: it is damaged, grows out of all proportion, or there is no room for it.
        OSError: it cannot be opened.
    """
    by = kept_by(path) or Kept(ABSENT, "")
    key = path.absolute(), by
    if key not in _spools:  # whoever asks first has listed the members, by the limits of the request
        _spools[key] = _spooled(path, limits, by.stamp.size)
        while len(_spools) > MOST_OPEN:
            _spools.pop(next(iter(_spools))).close()
    return _spools[key]


def read_at(path: Path, start: int, size: int, limits: Limits) -> bytes:
    """Some bytes of the contents of a compressed file.

    Raises:
        UnreadableMap, OSError: as `decompressed`.
    """
    return os.pread(decompressed(path, limits).fileno(), size, start)  # the place is no state that processes share


_spools: dict[tuple[Path, Kept], BinaryIO] = {}


@atexit.register
def _close() -> None:
    for spool in _spools.values():
        spool.close()
    _spools.clear()


def _spooled(path: Path, limits: Limits, n_stored: int) -> BinaryIO:
    with open_regular(path) as file:
        head = file.read(max(map(len, MAGICS)))
        file.seek(0)
        inflated = next(undo for magic, undo in MAGICS.items() if head.startswith(magic))(file)
        spool = tempfile.TemporaryFile()  # noqa: SIM115 - it stays open for the members
        try:
            _copy(inflated, spool, path, limits, n_stored)
        except BaseException:
            spool.close()
            raise
    return spool


def _copy(inflated: Any, spool: Any, path: Path, limits: Limits, n_stored: int) -> None:
    n_bytes = 0
    while True:
        try:
            part = inflated.read(PIECE)
        except MemoryError:
            raise
        except Exception as error:  # each of these libraries has errors of its own
            raise unreadable(path, f"damaged: it cannot be decompressed ({error})") from error
        if not part:
            return
        n_bytes += len(part)
        check_expansion(path, n_stored, n_bytes, limits)
        try:
            spool.write(part)
        except OSError as error:
            where = f"in {tempfile.gettempdir()} ({why(error)}); TMPDIR names another folder, or decompress it"
            raise unreadable(path, f"no room for its contents, {n_bytes} bytes and more, {where}") from error
