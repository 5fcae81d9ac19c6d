"""Folders and files that live elsewhere: URLs such as s3://, gs://, hf:// and https://, by fsspec."""

from __future__ import annotations

import logging
from collections import ChainMap
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from kldeval.data.containers import Container, downloads, is_of_arrays, open_container
from kldeval.data.containers.contents import is_hidden, is_within
from kldeval.data.containers.downloads import said, way_out
from kldeval.data.readers import is_readable
from kldeval.data.readers.stored import unreadable
from kldeval.digests import current_request
from kldeval.errors import MissingDependency, UsageProblem, printable
from kldeval.memory import BytesInMemory, MapInMemory, Member
from kldeval.urls import displayed, note_copy, url_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from kldeval.data.readers.stored import Limits

SECONDS_TO_ANSWER = 20.0
"""How long a place may take to say what it is: some packages ask six times, with pauses that double, for minutes."""

SECONDS_OF_SILENCE = 60.0
"""How long a web server may send nothing of what it began to send; a large file may take as long as it takes."""

BYTES_OF_PIXEL = 16
"""More than a pixel takes in any file, with a header's worth beside it: what bounds a download."""

HEADER = 1 << 20

OF_THE_EXTRA = ("gs", "gcs", "hf", "http", "https", "s3", "s3a")
"""Schemes whose packages come with the extra."""

WEB = ("http", "https")
"""Schemes whose places are known by URLs as a whole: with a query, and with names that are quoted."""

PARTIAL = 206
"""What a web server answers that gives a range of bytes (RFC 9110)."""

WRAPPERS = (
    *("async_wrapper", "asyncwrapper", "blockcache", "cached", "dask", "dir", "filecache", "generic", "libarchive"),
    *("reference", "simplecache", "tar", "zip"),
)
"""Schemes that stand for what is at another place, which they are told by more than a URL."""

READ_ONLY = ("data", "gist", "git", "github", "http", "https")
"""Schemes that nothing can be written to."""

BUCKETS = ("s3", "s3a")
"""Schemes of which a place begins with what has to be there already."""

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
        if member_at(path).suffix and _asked(files, "isfile", inside):
            return False
        if _asked(files, "isdir", inside) or {*files.find(inside, maxdepth=1)} - {inside}:
            return True
        if files.isfile(inside):
            return False
        _check_absent(files, inside)
    msg = f"{displayed(path)} does not exist"
    raise UsageProblem(msg)


def _check_absent(files: Any, inside: str) -> None:
    """Raise what keeps a file from being had, where it is not that there is none: few questions tell it."""
    try:
        files.info(inside)
    except Exception as error:
        if not downloads.is_not_found(error):
            raise downloads.cause_of(error) from error


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


def held_at(path: Path, limits: Limits) -> Container | None:
    """The maps of a file of named arrays at a URL, of which there is a copy here; None where it is one map.

    Raises:
        UsageProblem: it cannot be had or read, or holds no map.
        MissingDependency: a library that it needs cannot be imported.
    """
    found = _held(path, limits, current_request().key)
    if found is None:
        return None
    members = {name: _called(path, name, one) for name, one in found.members.items()}
    return Container(path, members, found.strangers)


def _called(path: Path, name: str, inside: Member) -> Member:
    """A member of the copy of a file, as one of the file that it is a copy of."""
    return replace(inside, path=path, module=__name__, where=(str(url_of(path)), name), sidecar=None)


@lru_cache(maxsize=4)
def _held(path: Path, limits: Limits, _request: str) -> Container | None:
    """The maps of the copy of a file, kept for the next of them."""
    return open_container(copied(path), limits)


def _array(member: Member, limits: Limits) -> MapInMemory | BytesInMemory:
    """One array of a file, of which there is a copy here."""
    url, name = member.where
    found = _held(Path(url), limits, current_request().key)
    inside = found.members.get(name) if found else None
    if inside is None:
        raise unreadable(member, "it is not there any more")
    array: MapInMemory | BytesInMemory = import_module(inside.module).read(inside, limits)
    return replace(array, label=str(member))


def holder_of(path: Path) -> tuple[Path, str] | None:
    """The file of named arrays that a URL leads into, and the path within; None of any other URL."""
    url, question, query = str(url_of(path)).partition("?" if _is_of_the_web(path) else "\0")
    scheme, _, place = url.partition("://")
    parts = place.split("/")
    for n in range(1, len(parts)):
        if is_of_arrays(parts[n - 1]):
            holder = Path(f"{scheme}://{'/'.join(parts[:n])}{question}{query}")
            files, inside = _opened(holder)
            with _problems(holder):
                if _asked(files, "isfile", inside):
                    return holder, "/".join(parts[n:])
    return None


def remote_members(path: Path) -> tuple[Mapping[str, Member], tuple[str, ...]]:
    """The maps below a URL by their relative paths, and the paths of what is no map; listings come page by page.

    Raises:
        UsageProblem: it cannot be listed.
        MissingDependency: no package knows the scheme.
    """
    members = {member.name: member for member in (member_at(path, name) for name in _below(path).values())}
    maps = {name: member for name, member in members.items() if is_readable(name)}
    return maps, tuple(name for name in members if name not in maps)


def _below(path: Path) -> dict[str, str]:
    """The files below a URL but hidden ones, as their file system calls them, and their relative paths."""
    files, inside = _opened(path)
    with _problems(path):
        found = sorted(files.find(inside))
    start = len(inside.rstrip("/")) + 1
    relative = {name: name[start:] for name in found}
    if _is_of_the_web(path):  # links with a query sort a page, or show a file in another way
        relative = {name: own for name, own in relative.items() if "?" not in own}
    return {name: own for name, own in relative.items() if not is_hidden(own)}


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
    # web servers and file systems on this machine call a place by its whole URL, and by its path
    return [Path(name if "://" in name else f"{scheme}://{name.lstrip('/')}") for name in sorted(names)]


@contextmanager
def open_url(path: Path) -> Iterator[Any]:
    """The file at a URL, of which the parts come that are asked for.

    All of it comes where the server gives no parts.

    Raises:
        OSError: it cannot be opened.
    """
    files, inside = _opened(path)
    if _is_of_the_web(path) and not _gives_parts(files, inside):
        with _copied(path, current_request().key).open("rb") as file:
            yield file
    else:
        with files.open(inside, "rb") as file:
            yield file


def _gives_parts(files: Any, inside: str) -> bool:
    """Whether a web server heeds a range of bytes, which it need not."""
    from fsspec.asyn import sync

    async def asked() -> bool:
        session = await files.set_session()
        async with session.get(files.encode_url(inside), headers={"Range": "bytes=0-0"}) as answer:
            return bool(answer.status == PARTIAL)

    return bool(sync(files.loop, asked, timeout=SECONDS_TO_ANSWER))


def member_at(path: Path, name: str = "") -> Member:
    """The file of a URL, or one below it; on the web names are quoted, and a query is none of them."""
    url = str(url_of(path)).rstrip("/")
    whole = f"{url}/{name}" if name else url
    shown = unquote(whole.partition("?")[0]) if _is_of_the_web(path) else whole
    folder, _, own = shown.rpartition("/")
    if name:
        folder, own = url, shown[len(unquote(url) if _is_of_the_web(path) else url) + 1 :]
    return Member(Path(folder), own, __name__, (whole,))


def _is_of_the_web(path: Path) -> bool:
    return str(url_of(path)).partition("://")[0] in WEB


def read(member: Member, limits: Limits) -> MapInMemory | BytesInMemory:
    """The bytes of a file, which is asked for again where the network fails, or an array of a file of many.

    Raises:
        UnreadableMap: it is larger than a map of the most pixels can be.
        OSError: it cannot be had.
    """
    if len(member.where) > 1:
        return _array(member, limits)
    (url,) = member.where
    most = limits.max_pixels * BYTES_OF_PIXEL + HEADER
    data = contents_of(url, most)
    if len(data) > most:
        msg = f"it has more than {most} bytes, which no map of {limits.max_pixels} pixels takes"
        raise unreadable(member, msg, "too-large")
    return BytesInMemory(data, displayed(url), member.suffix)


def contents_of(url: str, most: int | None = None) -> bytes:
    """The bytes of a URL, one more than `most` where there are more.

    Raises:
        OSError: it cannot be had.
    """
    files, inside = _opened(Path(url))
    return downloads.contents(files, inside, most)


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
    target = folder / member_at(path).name
    note_copy(target, str(url_of(path)))
    targets = {inside: target}
    if is_folder(path):
        names = {name: member_at(path, own).name for name, own in _below(path).items()}
        targets = {name: target / own for name, own in names.items() if is_within(own)}
        target.mkdir()
    with _problems(path):
        downloads.download(files, targets)
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
        has_bucket = is_there or scheme not in BUCKETS or _is_bucket(files, inside.partition("/")[0])
    except (FileNotFoundError, PermissionError):
        return  # whoever may write need not be allowed to look
    except Exception as error:
        msg = f"cannot write {printable(url)}: {said(error)}{way_out(error)}"
        raise UsageProblem(msg) from error
    if not has_bucket:
        msg = f"cannot write {printable(url)}: there is no such bucket"
        raise UsageProblem(msg)
    if scheme == "local" and not is_there:  # all others make their folders
        msg = f"cannot write {printable(url)}: there is no such folder; create it first"
        raise UsageProblem(msg)


def _is_bucket(files: Any, name: str) -> bool:
    try:
        return _asked(files, "info", name)
    except FileNotFoundError:
        return False


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
        raise OSError(said(error)) from error


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
        raise OSError(said(error)) from error


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
        return fsspec.filesystem(scheme, **_web_options(scheme))
    except ImportError as error:
        said = printable("; ".join(str(error).splitlines()))
        way_out = f"pip install 'kldeval[remote]' ({said})" if scheme in OF_THE_EXTRA else said
        msg = f"{scheme}:// needs a package that is not installed: {way_out}"
        raise MissingDependency(msg) from error
    except Exception as error:  # what a package raises that is not meant to be found by its scheme alone
        msg = f"{scheme}:// is no scheme that files are read from: {printable(str(error))}"
        raise UsageProblem(msg) from error


def _web_options(scheme: str) -> dict[str, Any]:
    """How web servers are asked: through the proxies of the environment, and until they say nothing for a while.

    What is in fsspec's own configuration counts before it.
    """
    if scheme not in WEB:
        return {}
    from aiohttp import ClientTimeout
    from fsspec.config import conf

    timeout = ClientTimeout(total=None, sock_connect=SECONDS_TO_ANSWER, sock_read=SECONDS_OF_SILENCE)
    configured = (conf.get(one, {}).get("client_kwargs", {}) for one in WEB)
    return {"client_kwargs": dict(ChainMap(*configured, {"timeout": timeout, "trust_env": True}))}


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
        msg = f"{displayed(self._path)} cannot be read: {said(error)}{way_out(error)}"
        raise UsageProblem(msg) from error
