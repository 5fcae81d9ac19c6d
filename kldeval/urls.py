"""Paths that are URLs, such as s3://bucket/maps: a path of the command line has lost one of the slashes."""

from __future__ import annotations

import re
from pathlib import Path

MASK = "***"
"""What stands for a credential wherever a text is shown or kept."""

_INSTEAD: dict[str, str] = {}
"""Texts that are not to be shown, and what stands for each: credentials in URLs, and copies of what is at one."""

_USER = re.compile(r"^([a-z][a-z0-9+._-]+)://([^/@:]*:(?![0-9]*[/?#])(?:[^/?#]*|[^@]*)|[^/@]*)@")
"""The user before the host of a URL; a secret key may hold slashes, and what follows a port is a path."""

_OF_THE_WEB = ("http", "https", "ftp", "webdav", "davs", "dav")
"""Schemes of which the user alone is a token; of others, as abfs://container@account, it is a place."""

_QUERY = re.compile(r"([?&#;])([^=&#;]*)(=?)([^&#;]*)")

_SECRET = re.compile(r"sig|token|secret|key|passw|pwd|auth|credential|policy|session|jwt|access|ticket", re.IGNORECASE)
"""What the name of a parameter holds whose value lets others in."""

LONG = 20
"""A value of so many characters may let others in, whatever it is called, and is like no word or number of ours."""

URL = re.compile(r"^[a-z][a-z0-9+._-]+:/{1,3}(?=[^/])")
"""How a URL begins, with or without its second slash; a drive of Windows has one letter.

No scheme has an underscore, but some names of fsspec's file systems have.
"""


def is_url(path: Path | str) -> bool:
    """Whether a path was typed as a URL."""
    return URL.match(str(path)) is not None


def url_of(path: Path | str) -> str | None:
    """The URL that a path was typed as; None where it is a path.

    >>> from pathlib import Path
    >>> url_of(Path("s3://bucket/maps")), url_of("maps/a.png")
    ('s3://bucket/maps', None)
    >>> url_of(Path("file:///data/maps"))
    'file:///data/maps'
    """
    text = str(path)
    match = URL.match(text)
    if match is None:
        return None
    if match[0].startswith("file:"):  # it names no host, and of three slashes one is left
        return f"file:///{text[match.end() :]}"
    url = f"{match[0].rstrip('/')}//{text[match.end() :]}"
    if "@" in url or "?" in url or "#" in url:
        _note_credentials(url)
    return url


def _note_credentials(url: str) -> None:
    """From now on show none of the credentials in a URL."""
    user = _USER.match(url)
    if user and (":" in user[2] or user[1] in _OF_THE_WEB):
        _INSTEAD[f"{user[2]}@"] = f"{MASK}@"
        _hide(user[2])
        name, colon, secret = user[2].partition(":")
        _hide(secret.partition("/")[0], f"{name}{colon}" if name else "")  # libraries take the rest for a path
        _hide(secret)
    for mark, name, equals, value in _QUERY.findall(url[url.find("?") :] if "?" in url else url[url.find("#") :]):
        if mark and not equals:
            _hide(name)
        elif _SECRET.search(name) or len(value) >= LONG:
            _hide(value, f"{mark}{name}=")


def _hide(secret: str, after: str = "") -> None:
    """Show a text no more where it stands `after` another, and anywhere if it is long.

    A short one may stand anywhere for itself: a number of a table, a word of a message.
    """
    from urllib.parse import unquote

    for one in (secret, unquote(secret)):
        if after and one:
            _INSTEAD[f"{after}{one}"] = f"{after}{MASK}"
        if len(one) >= LONG:
            _INSTEAD[one] = MASK


def note_copy(copy: Path, url: str) -> None:
    """From now on call a copy, and the files in it, by the URL that it is of."""
    _INSTEAD[str(copy)] = displayed(url)


def displayed(text: object) -> str:
    """A path or a URL as it may be shown and kept: without the credentials of URLs, which are called as typed.

    >>> from pathlib import Path
    >>> displayed(Path("https://me:secret@example.org/maps/a.npy")), displayed(Path("maps/a.npy"))
    ('https://***@example.org/maps/a.npy', 'maps/a.npy')
    >>> displayed("https://example.org/a.npy?version=2&X-Amz-Signature=0123abcd")
    'https://example.org/a.npy?version=2&X-Amz-Signature=***'
    >>> displayed(Path("s3://bucket/maps")), displayed(Path("abfs://container@account/maps"))
    ('s3://bucket/maps', 'abfs://container@account/maps')
    """
    said = str(text)
    return masked(url_of(said) or said)


def masked(text: str) -> str:
    """A text in which URLs may stand anywhere, without the credentials of those that were used in this process."""
    for hidden in sorted(_INSTEAD, key=len, reverse=True):
        if hidden in text:
            text = text.replace(hidden, _INSTEAD[hidden])
    return text


def without_query(path: Path) -> Path:
    """The path of a file by which it is called: of a URL of the web without its query, and with its letters unquoted.

    >>> from pathlib import Path
    >>> without_query(Path("https://example.org/a%20b.npy?token=c.d")).name, without_query(Path("a?.npy")).name
    ('a b.npy', 'a?.npy')
    """
    from urllib.parse import unquote

    url = url_of(path)
    return path if url is None or not url.startswith(("http:", "https:")) else Path(unquote(url.partition("?")[0]))


def here_of(path: Path) -> Path:
    """The path on this machine, where the URL is that of one; all else as it is.

    >>> str(here_of(Path("file:///data/maps"))), str(here_of(Path("maps")))
    ('/data/maps', 'maps')
    """
    url = url_of(path) or ""
    return Path(url.removeprefix("file://")) if url.startswith("file:") else path
