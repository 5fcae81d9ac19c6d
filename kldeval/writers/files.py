"""Reports in files: whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from kldeval.atomic import may_be_replaced, temporary_beside
from kldeval.errors import UsageProblem, printable
from kldeval.urls import here_of, is_url, masked, url_of

if TYPE_CHECKING:
    from collections.abc import Iterable


def write_atomically(path: str | os.PathLike[str], content: str | bytes | Iterable[str | bytes]) -> None:
    """Write bytes, or a text as UTF-8, or pieces of either, to `path`, so that nobody reads half a file.

    They are written beside it first, and then put in its place.

    An interrupted write leaves the old file, or none. A link stays a link, a replaced file keeps its permissions, and
    what is no file (a pipe, /dev/null) is written to as it is. Names that were not valid UTF-8 get their bytes back.

    Raises:
        UsageProblem: the folder is missing, `path` is a folder, or the system refuses to write.
    """
    target = here_of(Path(path))
    check_target(target)
    if is_url(target):
        _write_elsewhere(target, content)
        return
    try:
        parts = (content,) if isinstance(content, str | bytes) else content
        _write(target, (part if isinstance(part, bytes) else encoded(masked(part)) for part in parts))
    except OSError as error:
        msg = f"cannot write {printable(target)}: {error.strerror or error}"
        raise UsageProblem(msg) from error


def encoded(text: str) -> bytes:
    r"""A text as UTF-8, in which undecodable bytes are what they were, and what else is no Unicode is an escape.

    >>> encoded("\udcff"), encoded("\ud800")
    (b'\xff', b'\\ud800')
    """
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return b"".join(
            character.encode("utf-8", "surrogateescape" if "\udc80" <= character <= "\udcff" else "backslashreplace")
            for character in text
        )


def check_target(target: Path) -> None:
    """Refuse what cannot be written to; worth asking before anything is computed.

    Raises:
        UsageProblem: the folder is missing or takes no new files, or `target` is a folder or may not be written to.
    """
    target = here_of(target)
    if is_url(target):
        from kldeval.data.containers import remote

        remote.check_writable(str(url_of(target)))
        return
    if target.is_dir():
        msg = f"cannot write {printable(target)}: it is a folder; name a file in it"
        raise UsageProblem(msg)
    if not target.parent.is_dir():
        msg = f"cannot write {printable(target)}: there is no folder {printable(target.parent)}; create it first"
        raise UsageProblem(msg)
    if target.exists() and not (os.access(target, os.W_OK) and may_be_replaced(target)):
        msg = f"cannot write {printable(target)}: it is read-only"
        raise UsageProblem(msg)
    if not target.exists() and not os.access(target.parent, os.W_OK):
        folder = printable(target.parent)
        msg = f"cannot write {printable(target)}: the folder {folder} takes no new files (permission denied)"
        raise UsageProblem(msg)
    _try_folder(target)


def _try_folder(target: Path) -> None:
    """Make a file beside the target and remove it: what a folder takes, its permissions alone do not say.

    Raises:
        UsageProblem: it takes none, as a full disk, a read-only mount or a virtual file system.
    """
    if target.exists() and not target.is_file():
        return  # a device or a pipe, in whose folder nothing is made
    try:
        with temporary_beside(target) as temporary:
            temporary.open("xb").close()
    except OSError as error:
        folder, reason = printable(target.parent), error.strerror or error
        msg = f"cannot write {printable(target)}: the folder {folder} takes no new files ({reason})"
        raise UsageProblem(msg) from error


def _write_elsewhere(target: Path, content: str | bytes | Iterable[str | bytes]) -> None:
    from kldeval.data.containers import remote

    url = str(url_of(target))
    parts = (content,) if isinstance(content, str | bytes) else content
    try:
        remote.write(url, (part if isinstance(part, bytes) else encoded(masked(part)) for part in parts))
    except OSError as error:
        msg = f"cannot write {printable(url)}: {error.strerror or error}"
        raise UsageProblem(msg) from error


def _write(target: Path, parts: Iterable[bytes]) -> None:
    if target.exists() and not target.is_file():
        with target.open("wb") as file:
            file.writelines(parts)
        return
    target = target.resolve()
    with temporary_beside(target) as temporary:
        with temporary.open("xb") as file:
            file.writelines(parts)
            file.flush()
            os.fsync(file.fileno())
        if target.exists():
            import shutil  # here, because it brings every kind of compression along

            shutil.copymode(target, temporary)
        temporary.replace(target)
