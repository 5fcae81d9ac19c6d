"""Digests and keys of files, and how to tell that a file has not changed without reading it again."""

from __future__ import annotations

import os
import stat
import time
from contextvars import ContextVar
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kldeval.dataclass import NamedTuple
from kldeval.detached import values_file
from kldeval.regular import open_regular
from kldeval.suffixes import is_store
from kldeval.urls import is_url

if TYPE_CHECKING:
    import hashlib
    from collections.abc import Callable
    from contextvars import Token

    from blake3 import blake3
    from typing_extensions import Buffer

    Hash = hashlib._Hash | blake3  # noqa: SLF001 - the class has no other name in Python 3.11


BLOCK = 1 << 22
"""Bytes that are read at a time, at most."""

SETTLED_NS = 2_000_000_000
"""How old the times of a file must be for them to tell that it has not changed, in nanoseconds.

A file that is written twice within the resolution of its file system's clock (2 s on FAT) keeps its times. git calls
such entries of its index racy: https://git-scm.com/docs/racy-git.
"""


class Stamp(NamedTuple):
    """What changes when a file does: its size, when its contents and its entry were changed, and which file it is.

    A restored `mtime_ns` leaves `ctime_ns` behind, a file put in its place has another inode.
    """

    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int


ABSENT, ELSEWHERE = Stamp(-1, 0, 0, 0), Stamp(-2, 0, 0, 0)
"""The stamps of a file that is not there, and of a URL or a folder (zarr), which tells nothing."""


def stamp_of(path: Path | str) -> Stamp | None:
    """The stamp of a regular file, of a zarr store, of none where there is nothing (`ABSENT`); None of all else."""
    try:
        found = os.stat(path)  # noqa: PTH116 - done for every file of a run: four times as fast as of a Path
    except OSError:
        return ELSEWHERE if is_url(path) else ABSENT
    if not stat.S_ISREG(found.st_mode):
        return ELSEWHERE if stat.S_ISDIR(found.st_mode) and is_store(Path(path)) else None
    changed = found.st_ctime_ns if _notes_changes(found.st_dev) else NEVER_SETTLED
    return Stamp(found.st_size, found.st_mtime_ns, changed, found.st_ino)


NEVER_SETTLED = 1 << 62
"""A time in the far future, in nanoseconds."""

_WITHOUT_CHANGES = ("fuse", "vfat", "msdos", "exfat", "squashfs", "erofs", "iso9660", "udf", "cramfs", "romfs")
"""How the names of file systems begin that have no time of change: `st_ctime` is another, which a program can restore.

FUSE leaves it to the program behind it, and sshfs, rclone and squashfuse have the time of modification in its place; of
two images with the same times, as those of reproducible builds, files of one size would be the same.
"""

_MOUNTS = "/proc/self/mountinfo"
"""Where Linux lists what is mounted: a line has the device in its third field, and the file system after a dash."""


@cache
def _notes_changes(device: int) -> bool:
    """Whether the file system of a device is none that is known to have no time of change."""
    try:
        with open(_MOUNTS, encoding="utf-8", errors="surrogateescape") as file:  # noqa: PTH123 - pathlib is not needed
            lines = [line.split() for line in file]
    except OSError:
        return True  # another system
    at = f"{os.major(device)}:{os.minor(device)}"
    kinds = (line[line.index("-") + 1] for line in lines if line[2] == at)
    return not any(kind.startswith(_WITHOUT_CHANGES) for kind in kinds)


def is_settled(stamp: Stamp, now_ns: int | None = None) -> bool:
    """Whether the file was left alone for so long that a change from now on shows in its stamp.

    >>> is_settled(Stamp(5, 10, 10, 1), now_ns=SETTLED_NS + 11), is_settled(Stamp(5, 10, 20, 1), now_ns=SETTLED_NS + 11)
    (True, False)
    """
    now_ns = time.time_ns() if now_ns is None else now_ns
    return stamp != ELSEWHERE and now_ns - max(stamp.mtime_ns, stamp.ctime_ns) > SETTLED_NS


class Request(NamedTuple):
    """For whom files are read, and since when: what one command or one call of the library asks for, in any process."""

    began_ns: int
    key: str


_REQUEST: ContextVar[Request | None] = ContextVar("the request that files are read for", default=None)


def begin_request() -> None:
    """Note that what is read from now on is for another request than what was read before."""
    _REQUEST.set(None)


def current_request() -> Request:
    """The request that files are read for here."""
    found = _REQUEST.get()
    if found is None:
        found = Request(time.time_ns(), os.urandom(8).hex())
        _REQUEST.set(found)
    return found


def continue_request(found: Request) -> None:
    """Note that what is read from now on is for this request, of another process or thread."""
    _REQUEST.set(found)


class Kept(NamedTuple):
    """What is the same as long as that holds which is kept in memory of a file: its stamp, and who may rely on it."""

    stamp: Stamp
    request: str


def kept_by(path: Path | str) -> Kept | None:
    """By what to keep in memory what was read of a file; None of what has no stamp, such as a folder.

    The stamp of a file that was written less than `SETTLED_NS` before the request, or since, does not tell that it is
    not written again, and there is none of a URL: what is kept of these ends with the request.
    """
    stamp, now = stamp_of(path), current_request()
    if stamp is None:
        return None
    return Kept(stamp, now.key if stamp == ABSENT or not is_settled(stamp, now.began_ns) else "")


NOTED: ContextVar[dict[str, str] | None] = ContextVar("the keys of what is read", default=None)
"""Where what is read whole is noted, where anybody wants to know."""


class Noting:
    """Gives the keys (`file_key`) of what readers read whole while it is entered, by path, and of nothing else.

    So what is read is known by its contents without being read again, and what was decoded is what is known. There is
    one for every pair, so it is no generator, which would cost five times as much.
    """

    __slots__ = ("_token",)

    _token: Token[dict[str, str] | None]

    def __enter__(self) -> dict[str, str]:
        found: dict[str, str] = {}
        self._token = NOTED.set(found)
        return found

    def __exit__(self, *_: object) -> None:
        NOTED.reset(self._token)


def note(path: str, *parts: Buffer) -> None:
    """Tell whoever wants to know that the file at `path` was read, whole, and held these `parts`, each of bytes."""
    noted = NOTED.get()
    if noted is not None:
        noted[path] = key_of(*parts)


@cache
def key_hash() -> Callable[[Buffer], Hash]:
    """BLAKE3 of what it is given, to be updated; in this thread alone, since others have pairs of their own."""
    from blake3 import blake3

    return partial(blake3, max_threads=1)


def _sha256(data: Buffer) -> Hash:
    from hashlib import sha256  # when it is first asked for: it loads OpenSSL

    return sha256(data)


def key_of(*parts: Buffer) -> str:
    """The BLAKE3 of parts of bytes, one after the other, 64 hexadecimal digits: what a cache knows contents by."""
    found = key_hash()(parts[0])
    for part in parts[1:]:
        found.update(part)
    return found.hexdigest()


def file_key(path: Path) -> str:
    """What a cache knows the contents of a file by, and nobody is told: BLAKE3, four times as fast as `file_digest`.

    Raises:
        OSError: as `file_digest`.
    """
    return _of_file(path, key_hash())


def file_digest(path: Path) -> str:
    """What users are told of a file's contents, as `sha256sum` prints it: 64 hexadecimal digits.

    Of a header with its values in another file, and of a zarr store, it is that of the digests of all their files.

    Raises:
        OSError: it cannot be read, or is neither a regular file nor a store.
    """
    return _of_file(path, _sha256)


def _of_file(path: Path, begin: Callable[[Buffer], Hash]) -> str:
    found = begin(b"")
    beside = values_file(path)
    if beside is not None and beside != path:
        found.update(f"{_of_file(beside, begin)}\0".encode())
    if is_store(path):
        for part in sorted(one for one in path.rglob("*") if one.is_file()):
            found.update(f"{part.relative_to(path).as_posix()}\0{_of_file(part, begin)}\0".encode())
        return found.hexdigest()
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        # a buffer that is larger than what comes costs more than the digest of a small file
        while data := file.read(min(BLOCK, size + 1)):
            found.update(data)
    return found.hexdigest()


@cache
def crc32_function() -> Callable[[Any, int], int]:
    """The CRC-32 of libdeflate, or that of zlib, which takes five to twenty times as long."""
    try:
        from deflate import crc32
    except ImportError:
        from zlib import crc32
    function: Callable[[Any, int], int] = crc32
    return function
