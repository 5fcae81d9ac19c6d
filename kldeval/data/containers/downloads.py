"""Files of a file system of fsspec, that come whole or not at all; they are asked for again where the network fails."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from kldeval.errors import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

Result = TypeVar("Result")

TRIES, FIRST_PAUSE = 3, 0.5
"""How often a file is asked for before it is given up, and the seconds before the second time, which double."""

CUT = ("ClientPayloadError", "IncompleteRead", "IncompleteReadError", "RemoteProtocolError", "ServerDisconnectedError")
"""Errors of a connection that ended before the file did, as packages call them."""

NOT_FOUND = (404, 410)
"""What a server answers of a file that is not there (RFC 9110)."""

REFUSALS = ("credential", "forbidden", "denied", "unauthorized")
"""Words of errors that somebody may not do what was asked for."""


class CutShort(OSError):
    """A file of which fewer or more bytes came than the server had said."""


class NotHad(OSError):
    """A file that cannot be had, with what is to be said of it."""


def contents(files: Any, inside: str, most: int | None = None) -> bytes:
    """The bytes of a file, one more than `most` where there are more.

    Raises:
        OSError: it cannot be had, after `TRIES`.
    """
    return _tried(partial(_contents, files, inside, most))


def download(files: Any, targets: Mapping[str, Path]) -> None:
    """Copy files to where they are to be.

    Raises:
        OSError: one cannot be had, after `TRIES`.
    """
    for target in targets.values():
        target.parent.mkdir(parents=True, exist_ok=True)
    _tried(partial(_download, files, targets))


def said(error: Exception) -> str:
    """What an error of a network says, as the rest of a sentence."""
    error = cause_of(error)
    if isinstance(error, NotHad):
        return str(error)
    status = getattr(error, "status", None)
    if isinstance(status, int):
        return f"the server answered {status} ({getattr(error, 'message', '') or 'no reason given'})"
    if type(error).__name__ in CUT:
        return f"the connection ended before the file did, {TRIES} times"
    if isinstance(error, CutShort):
        return f"{error}, {TRIES} times"
    if isinstance(error, TimeoutError) and not str(error):
        return f"nothing came any more, {TRIES} times"
    words = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    text = printable(str(words).strip().partition("\n")[0])
    return f"{text} ({type(error).__name__})" if text else type(error).__name__


def way_out(error: Exception) -> str:
    """What may help against an error, as the end of a sentence."""
    error = cause_of(error)
    if isinstance(error, NotHad):
        return ""
    words = f"{type(error).__name__} {error}".lower()
    if "region" in words or "specified endpoint" in words:
        return "; AWS_DEFAULT_REGION names the region of the bucket"
    if "certificate" in words:
        return "; SSL_CERT_FILE (of s3:// AWS_CA_BUNDLE) names a file with certificates of authorities of your own"
    is_refusal = isinstance(error, PermissionError) or any(word in words for word in REFUSALS)
    return "; are there credentials, and do they allow it?" if is_refusal else ""


def cause_of(error: Exception) -> Exception:
    """What is behind an error: fsspec calls every answer of a web server but the file "not found"."""
    cause = error.__cause__
    is_masked = isinstance(error, FileNotFoundError) and isinstance(cause, Exception)
    return cause if is_masked and type(cause).__module__.partition(".")[0] == "aiohttp" else error  # type: ignore[return-value]  # is_masked tells


def is_not_found(error: Exception) -> bool:
    """Whether an error says that there is no such file."""
    cause = cause_of(error)
    return isinstance(cause, FileNotFoundError) or getattr(cause, "status", None) in NOT_FOUND


def _tried(action: Callable[[], Result]) -> Result:
    """What an action gives, which is done again where the network fails.

    Raises:
        OSError: it fails for good.
    """
    pause = FIRST_PAUSE
    for attempt in range(TRIES):
        try:
            return action()
        except Exception as error:
            cause = cause_of(error)
            if isinstance(cause, FileNotFoundError | PermissionError):
                raise
            if attempt == TRIES - 1 or _is_final(cause):
                msg = f"{said(cause)}{way_out(cause)}"
                raise NotHad(msg) from error
            time.sleep(pause)
            pause *= 2
    raise AssertionError


def _is_final(error: Exception) -> bool:
    """Whether asking again is in vain: the server refuses, and not because it is busy, or is not who it says."""
    status = getattr(error, "status", None)
    is_refusal = isinstance(status, int) and 400 <= status < 500 and status not in (408, 425, 429)  # noqa: PLR2004 - RFC 9110
    return is_refusal or "Certificate" in type(error).__name__


def _contents(files: Any, inside: str, most: int | None) -> bytes:
    with files.open(inside, "rb") as file:
        size: int | None = getattr(file, "size", None)  # of some files another one once they are read
        if size is None:
            return b"".join(_streamed(file, most))
        data: bytes = file.read() if most is None else file.read(most + 1)
        _check_size(len(data), size if most is None else min(size, most + 1), size)
        return data


def _streamed(file: Any, most: int | None) -> Iterator[bytes]:
    """What a connection brings, piece by piece: it gives what it has, and not all that it is asked for."""
    left = None if most is None else most + 1
    while left is None or left > 0:
        piece: bytes = file.read(1 << 20 if left is None else min(left, 1 << 20))
        if not piece:
            return
        yield piece
        left = None if left is None else left - len(piece)


def _download(files: Any, targets: Mapping[str, Path]) -> None:
    files.get(list(targets), list(map(str, targets.values())))
    for name, target in targets.items():
        size = files.info(name).get("size")
        _check_size(target.stat().st_size, size, size)


def _check_size(came: int, expected: int | None, size: int | None) -> None:
    if expected is not None and came != expected:
        msg = f"{came} of {size} bytes came"
        raise CutShort(msg)
