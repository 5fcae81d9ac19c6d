"""What a folder holds: every readable map below it, found without opening or resolving each file."""

from __future__ import annotations

import os
import unicodedata
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from kldeval.data.readers import is_readable, without_matlab
from kldeval.errors import UsageProblem, printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from kldeval.templates import Template

    Namer = Callable[[str], str | None]


JUNK = frozenset({"__macosx", "thumbs.db", "desktop.ini"})
"""What archives and file managers leave behind, in lower case; hidden files are ignored beside them."""


@dataclass(frozen=True, slots=True)
class Listing:
    """The files of a folder as relative POSIX paths, sorted.

    `maps` have the suffix of a readable format; `others` are the suffixes of the rest; `unfollowed` are the links that
    do not lead to a file inside: nothing is read but what lies in the folder itself.
    """

    maps: tuple[str, ...]
    others: tuple[str, ...]
    unfollowed: tuple[str, ...]


def list_folder(folder: Path, is_wanted: Callable[[str], bool] = is_readable) -> Listing:
    """The files of a folder and of all folders below it; `is_wanted` tells by its name whether a file is a map.

    Raises:
        UsageProblem: a folder that may not be listed.
    """
    maps, others, unfollowed = [], set(), []
    root = os.path.realpath(folder)
    try:
        for relative, entry in _entries(os.fspath(folder)):
            if entry.is_symlink() and not _leads_to_file_inside(entry, root):
                unfollowed.append(relative)
            elif is_wanted(relative):
                maps.append(relative)
            else:
                others.add(Path(entry.name).suffix.lower())
    except OSError as error:
        msg = f"cannot list {printable(str(error.filename))}: {(error.strerror or str(error)).lower()}"
        raise UsageProblem(msg) from error
    if is_wanted is is_readable and len(kept := without_matlab(maps)) < len(maps):
        maps = [*kept]
        others.add(".mat")
    return Listing(tuple(sorted(maps)), tuple(sorted(others)), tuple(sorted(unfollowed)))


def _entries(folder: str) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Every file and link below a folder that is neither hidden nor junk, with its relative path."""
    waiting = [(folder, "")]
    while waiting:
        directory, prefix = waiting.pop()
        with os.scandir(directory) as entries:
            for entry in entries:
                if entry.name.startswith(".") or entry.name.lower() in JUNK:
                    continue
                if entry.is_dir(follow_symlinks=False):
                    waiting.append((entry.path, f"{prefix}{entry.name}/"))
                elif entry.is_symlink() or entry.is_file():
                    yield prefix + entry.name, entry


def _leads_to_file_inside(link: os.DirEntry[str], root: str) -> bool:
    target = os.path.realpath(link.path)
    return Path(target).is_relative_to(root) and Path(target).is_file()


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
