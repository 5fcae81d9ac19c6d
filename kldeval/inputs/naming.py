"""What the files of a folder are called: by their relative path, or by a template of it; and which are left out."""

from __future__ import annotations

import unicodedata
from fnmatch import fnmatchcase
from functools import partial
from typing import TYPE_CHECKING

from kldeval.data.readers import is_readable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from kldeval.templates import Template

    Namer = Callable[[str], str | None]

PLAIN = "{name}"
"""The template that every path fits: the name is the whole path without suffix."""


def normal(name: str) -> str:
    """The name in the Unicode form NFC, so that a folder from macOS meets one from Linux."""
    return name if name.isascii() else unicodedata.normalize("NFC", name)


def name_of(relative: str) -> str:
    """The name of a map: its relative path without suffix.

    >>> name_of("a/frame.01.png")
    'a/frame.01'
    """
    return normal(relative.rpartition(".")[0])


def namers(pred_name: str | None, gt_name: str | None) -> tuple[Namer, Namer]:
    """For each side what gives a relative path its name, or None where the path does not fit the template.

    A template is matched against the path without its suffix, or with it where the template ends in that of a map.
    Where only one is given, the other has the same fields, joined by slashes. Both sides get the names that the ground
    truth's template forms, so `img_000012` and `eyeMap_00012` may meet.

    >>> pred, gt = namers("{video}/img_{frame:05d}", "{video}/maps/{frame:04d}.png")
    >>> pred("jump/img_00012.jpg"), gt("jump/maps/0012.png"), gt("jump/fixation/0012.png")
    ('jump/0012', 'jump/0012', None)

    Raises:
        UsageProblem: a template is malformed, or the two do not have the same fields.
    """
    if pred_name is None and gt_name is None:
        return name_of, name_of
    from kldeval.templates import check_fields, parse_template, plain_template

    given = {option: text for option, text in (("--pred-name", pred_name), ("--gt-name", gt_name)) if text is not None}
    parsed = {option: parse_template(normal(text), option) for option, text in given.items()}
    plain = parse_template(plain_template(next(iter(parsed.values())).formats))
    pred, gt = parsed.get("--pred-name", plain), parsed.get("--gt-name", plain)
    check_fields(pred, gt)
    return partial(_name, pred, gt), partial(_name, gt, gt)


def is_excluded(relative: str, globs: Iterable[str]) -> bool:
    """Whether a glob fits the whole relative path or, if it has no slash, the name of the file or of a folder above it.

    >>> is_excluded("a/x_overlay.png", ["*_overlay.png"]), is_excluded("v/fixation/1.png", ["fixation"])
    (True, True)
    >>> is_excluded("a/1.png", ["b/*"]), is_excluded("b/c/1.png", ["b/*"])
    (False, True)
    """
    parts = relative.split("/")
    return any(
        fnmatchcase(relative, glob) if "/" in glob else any(fnmatchcase(part, glob) for part in parts)
        for glob in (glob.rstrip("/") for glob in globs)
    )


def _name(template: Template, canonical: Template, relative: str) -> str | None:
    path = normal(relative) if is_readable(template.text) else name_of(relative)
    values = template.values(path)
    return None if values is None else canonical.name(values)
