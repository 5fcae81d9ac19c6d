"""Folders and files that live elsewhere: URLs such as s3://, gs://, hf:// and https://, by fsspec."""

from __future__ import annotations

import logging
import time
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from kldeval.data.containers.contents import JUNK
from kldeval.data.readers import is_readable
from kldeval.data.readers.stored import unreadable
from kldeval.digests import current_request
from kldeval.errors import MissingDependency, UsageProblem, printable
from kldeval.memory import BytesInMemory, Member
from kldeval.urls import url_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from kldeval.data.readers.stored import Limits


TRIES, FIRST_PAUSE = 3, 0.5
"""How often a file is asked for before it is given up, and the seconds before the second time, which double."""

SECONDS_TO_ANSWER = 20.0
"""How long a place may take to say what it is: some packages ask six times, with pauses that double, for minutes."""

BYTES_OF_PIXEL = 16
"""More than a pixel takes in any file, with a header's worth beside it: what bounds a download."""

HEADER = 1 << 20

OF_THE_EXTRA = ("gs", "gcs", "hf", "http", "https", "s3", "s3a")
"""Schemes whose packages come with the extra."""

WRAPPERS = (
    *("async_wrapper", "asyncwrapper", "blockcache", "cached", "dask", "dir", "filecache", "generic", "libarchive"),
    *("reference", "simplecache", "tar", "zip"),
)
"""Schemes that stand for what is at another place, which they are told by more than a URL."""

READ_ONLY = ("data", "gist", "git", "github", "http", "https")
"""Schemes that nothing can be written to."""

CHATTY = ("fsspec", "gcsfs", "s3fs", "aiobotocore", "botocore", "huggingface_hub")
"""Packages that log a trace of every failure."""


def is_folder(path: Path) -> bool:
    """Whether a URL is that of a folder. A web server has pages that list files, which are folders if any are.

    Raises:
        UsageProblem: there is nothing, or it cannot be asked.
        MissingDependency: no package knows the scheme.
    """
    files, inside = _opened(path)
    with _problems(path):
        if PurePosixPath(inside.rstrip("/")).suffix and _asked(files, "isfile", inside):
            return False
        if _asked(files, "isdir", inside) or files.find(inside, maxdepth=1):
            return True
        if files.isfile(inside):
            return False
    msg = f"{url_of(path)} does not exist"
    raise UsageProblem(msg)


def _asked(files: Any, question: str, inside: str) -> bool:
    """The answer to a short question, where the file system can be left alone with it after a while.

    Raises:
        OSError: there is none.
    """
    if not files.async_impl:
        return bool(getattr(files, question)(inside))
    from fsspec.asyn import sync
    from fsspec.exceptions import FSTimeoutError

    try:
        return bool(sync(files.loop, getattr(files, f"_{question}"), inside, timeout=SECONDS_TO_ANSWER))
    except FSTimeoutError as error:
        msg = f"there was no answer within {SECONDS_TO_ANSWER:g} s; is there a network?"
        raise TimeoutError(msg) from error


def remote_members(path: Path) -> tuple[Mapping[str, Member], tuple[str, ...]]:
    """The maps below a URL by their relative paths, and the paths of what is no map; listings come page by page.

    Raises:
        UsageProblem: it cannot be listed.
        MissingDependency: no package knows the scheme.
    """
    files, inside = _opened(path)
    with _problems(path):
        found = sorted(files.find(inside))
    start = len(inside.rstrip("/")) + 1
    relative = [name[start:] for name in found]
    kept = [name for name in relative if not any(part.startswith(".") or part in JUNK for part in name.split("/"))]
    maps = {name: member_at(path, name) for name in kept if is_readable(name)}
    return maps, tuple(name for name in kept if name not in maps)


def files_below(path: Path) -> list[Path]:
    """The file at a URL, those that its pattern fits, or all below it, as URLs in the order of their names.

    Raises:
        UsageProblem: it cannot be listed.
        MissingDependency: no package knows the scheme.
    """
    files, inside = _opened(path)
    with _problems(path):
        names = files.glob(inside) if "*" in inside else [inside] if files.isfile(inside) else files.find(inside)
    scheme = str(url_of(path)).partition("://")[0]
    return [Path(f"{scheme}://{name.lstrip('/')}") for name in sorted(names)]


@contextmanager
def open_url(path: Path) -> Iterator[Any]:
    """The file at a URL, of which the parts come that are asked for.

    Raises:
        OSError: it cannot be opened.
    """
    files, inside = _opened(path)
    with files.open(inside, "rb") as file:
        yield file


def member_at(path: Path, name: str = "") -> Member:
    """The file of a URL, or one below it."""
    url = str(url_of(path)).rstrip("/")
    whole = f"{url}/{name}" if name else url
    folder, _, own = whole.rpartition("/")
    return Member(Path(folder if not name else url), name or own, __name__, (whole,))


def read(member: Member, limits: Limits) -> BytesInMemory:
    """The bytes of a file, which is asked for again where the network fails.

    Raises:
        UnreadableMap: it is larger than a map of the most pixels can be.
        OSError: it cannot be had.
    """
    (url,) = member.where
    most = limits.max_pixels * BYTES_OF_PIXEL + HEADER
    data = contents_of(url, most)
    if len(data) > most:
        msg = f"it has more than {most} bytes, which no map of {limits.max_pixels} pixels takes"
        raise unreadable(member, msg, "too-large")
    return BytesInMemory(data, url, member.suffix)


def contents_of(url: str, most: int | None = None) -> bytes:
    """The bytes of a URL, one more than `most` where there are more.

    Raises:
        OSError: it cannot be had, after `TRIES`.
    """
    files, inside = _opened(Path(url))
    pause = FIRST_PAUSE
    for attempt in range(TRIES):
        try:
            with files.open(inside, "rb") as file:
                data: bytes = file.read() if most is None else file.read(most + 1)
                return data
        except (FileNotFoundError, PermissionError):
            raise
        except Exception as error:
            if attempt == TRIES - 1 or _is_final(error):
                raise OSError(_said(error)) from error
            time.sleep(pause)
            pause *= 2
    raise AssertionError


def copied(path: Path) -> Path:
    """A copy of what is at a URL for this request, in a temporary folder that is removed at the end of the process.

    Raises:
        UsageProblem: it cannot be read.
        MissingDependency: no package knows the scheme.
    """
    return _copied(path, current_request().key)


@lru_cache(maxsize=8)
def _copied(path: Path, _request: str) -> Path:
    import atexit
    import shutil
    from tempfile import mkdtemp

    files, inside = _opened(path)
    folder = Path(mkdtemp(prefix="kldeval-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    target = folder / path.name
    is_dir = is_folder(path)
    with _problems(path):
        files.get(inside, str(target), recursive=is_dir)
    return target


def check_writable(url: str) -> None:
    """Refuse a URL to which nothing can be written, as far as can be asked; worth it before anything is computed.

    Raises:
        UsageProblem: its scheme is of what is only read, or the place cannot be asked for anything.
        MissingDependency: no package knows the scheme.
    """
    files, inside = _opened(Path(url))
    scheme = url.partition("://")[0]
    if scheme in READ_ONLY:
        msg = f"cannot write {printable(url)}: nothing is written to {scheme}://; name a file here, or an object store"
        raise UsageProblem(msg)
    try:
        is_there = _asked(files, "isdir", inside.rpartition("/")[0])
    except (FileNotFoundError, PermissionError):
        return  # whoever may write need not be allowed to look
    except Exception as error:
        msg = f"cannot write {printable(url)}: {_said(error)}{_way_out(error)}"
        raise UsageProblem(msg) from error
    if scheme == "local" and not is_there:  # all others make their folders
        msg = f"cannot write {printable(url)}: there is no such folder; create it first"
        raise UsageProblem(msg)


def write(url: str, parts: Any) -> None:
    """Write pieces of bytes to a URL: object stores show a file when it is whole.

    Raises:
        OSError: it cannot be written.
    """
    files, inside = _opened(Path(url))
    try:
        with files.open(inside, "wb") as file:
            for part in parts:
                file.write(part)
    except Exception as error:
        if isinstance(error, OSError) and error.strerror:
            raise  # one of this system; packages have errors of that kind that are pages long
        raise OSError(_said(error)) from error


def remove(url: str) -> None:
    """Remove the file at a URL.

    Raises:
        OSError: it cannot be removed.
    """
    files, inside = _opened(Path(url))
    try:
        files.rm_file(inside)
    except FileNotFoundError:
        return
    except Exception as error:
        raise OSError(_said(error)) from error


CUT = ("ClientPayloadError", "IncompleteRead", "IncompleteReadError", "ServerDisconnectedError")
"""Errors of a connection that ended before the file did, as packages call them."""


def _said(error: Exception) -> str:
    """What an error of a network says, as the rest of a sentence."""
    status = getattr(error, "status", None)
    if isinstance(status, int):
        return f"the server answered {status} ({getattr(error, 'message', '') or 'no reason given'})"
    if type(error).__name__ in CUT:
        return f"the connection ended before the file did, {TRIES} times"
    return f"{printable(str(error).strip().partition(chr(10))[0])} ({type(error).__name__})"


def _is_final(error: Exception) -> bool:
    """Whether asking again is in vain: the server refuses, and not because it is busy."""
    status = getattr(error, "status", None)
    return isinstance(status, int) and 400 <= status < 500 and status not in (408, 425, 429)  # noqa: PLR2004 - RFC 9110


@lru_cache(maxsize=8)
def _file_system(scheme: str) -> Any:
    for name in CHATTY:  # what they log is in our own error; without a handler it goes to standard error
        logging.getLogger(name).addHandler(logging.NullHandler())
    try:
        import fsspec

        if scheme in WRAPPERS:
            msg = "it stands for what is at another place; name that"
            raise TypeError(msg)  # noqa: TRY301 - said as all else that is no scheme
        _check_named(fsspec.get_filesystem_class(scheme))
        return fsspec.filesystem(scheme)
    except ImportError as error:
        said = printable("; ".join(str(error).splitlines()))
        way_out = f"pip install 'kldeval[remote]' ({said})" if scheme in OF_THE_EXTRA else said
        msg = f"{scheme}:// needs a package that is not installed: {way_out}"
        raise MissingDependency(msg) from error
    except Exception as error:  # what a package raises that is not meant to be found by its scheme alone
        msg = f"{scheme}:// is no scheme that files are read from: {printable(str(error))}"
        raise UsageProblem(msg) from error


@lru_cache(maxsize=64)
def _forget_listings(scheme: str, _request: str) -> None:
    """Forget, once for each request, what a file system listed for others: files come, go, and change their sizes."""
    _file_system(scheme).invalidate_cache()


def _check_named(kind: Any) -> None:
    """Refuse a file system that is not known by its scheme alone, before it is half made.

    Raises:
        TypeError: it needs a host, or the like.
    """
    from inspect import Parameter, signature

    kinds = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)
    _, *parameters = signature(kind.__init__).parameters.values()
    needed = [one.name for one in parameters if one.kind in kinds and one.default is Parameter.empty]
    if needed:
        msg = f"it needs {' and '.join(needed)}, which a URL here does not give"
        raise TypeError(msg)


def _opened(path: Path) -> tuple[Any, str]:
    """The file system of a URL, and what the file system calls the place; it remembers what it listed for a request."""
    url = str(url_of(path))
    scheme = url.partition("://")[0]
    files = _file_system(scheme)
    _forget_listings(scheme, current_request().key)
    return files, str(files._strip_protocol(url))  # noqa: SLF001 - fsspec has no other name for it


class _problems:  # noqa: N801 - used as a function
    """Say of any error that a place cannot be read, and why."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        return

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if not isinstance(error, Exception) or isinstance(error, UsageProblem):
            return
        said = printable(str(error).strip().partition("\n")[0])
        what = f"{type(error).__name__}: {said}" if said else type(error).__name__
        msg = f"{url_of(self._path)} cannot be read ({what}){_way_out(error)}"
        raise UsageProblem(msg) from error


REFUSALS = ("credential", "forbidden", "denied", "unauthorized")
"""Words of errors that somebody may not do what was asked for."""


def _way_out(error: Exception) -> str:
    words = f"{type(error).__name__} {error}".lower()
    is_refusal = isinstance(error, PermissionError) or any(word in words for word in REFUSALS)
    return "; are there credentials, and do they allow it?" if is_refusal else ""
