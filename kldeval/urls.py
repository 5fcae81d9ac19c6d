"""Paths that are URLs, such as s3://bucket/maps: a path of the command line has lost one of the slashes."""

from __future__ import annotations

import re
from pathlib import Path

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
    if match and match[0].startswith("file:"):  # it names no host, and of three slashes one is left
        return f"file:///{text[match.end() :]}"
    return f"{match[0].rstrip('/')}//{text[match.end() :]}" if match else None


def here_of(path: Path) -> Path:
    """The path on this machine, where the URL is that of one; all else as it is.

    >>> str(here_of(Path("file:///data/maps"))), str(here_of(Path("maps")))
    ('/data/maps', 'maps')
    """
    url = url_of(path) or ""
    return Path(url.removeprefix("file://")) if url.startswith("file:") else path
