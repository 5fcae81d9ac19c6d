"""What a folder holds: every readable map below it, found without opening or resolving each file."""

from __future__ import annotations

import os
import unicodedata
from collections import Counter
from dataclasses import field
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from kldeval.data.containers.contents import JUNK, is_within
from kldeval.data.readers import is_readable, without_shy
from kldeval.dataclass import dataclass
from kldeval.detached import HEADER, values_file
from kldeval.errors import UsageProblem, printable
from kldeval.regular import why
from kldeval.sequences import Texts, in_sorted_runs
from kldeval.suffixes import STORE, is_store, without_suffix

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from kldeval.templates import Template

    Identity = tuple[int, int]
    Namer = Callable[[str], str | None]


DOCUMENTS = frozenset(
    {".csv", ".docx", ".htm", ".html", ".ipynb", ".json", ".jsonl", ".log", ".m", ".md", ".pdf", ".py", ".rst", ".sh"}
    | {".toml", ".tsv", ".txt", ".xml", ".yaml", ".yml"}
)
"""The suffixes of texts and tables, which lie beside maps and are none."""

MOST_VISITS = 1000
"""How often one folder may be reached on different ways: links that double with every level would never end."""


@dataclass(frozen=True, slots=True)
class Listing:
    """The files of a folder as relative POSIX paths, sorted. Symbolic links are followed.

    `maps` have the suffix of a readable format, whether or not they can be opened, `strangers` another. `loops` are
    links that lead back to a folder above them, whose files are listed there. `dangling` are links
    without a suffix to something that does not exist, which may have been a folder.
    """

    maps: Sequence[str]
    strangers: Sequence[str]
    loops: Sequence[str] = ()
    dangling: Sequence[str] = ()

    @property
    def outside(self) -> tuple[str, ...]:
        """The maps of an archive whose paths lead out of it."""
        return tuple(name for name in self.strangers if is_readable(name) and not is_within(name))

    @property
    def unread(self) -> dict[str, int]:
        """How many files of each suffix may hold maps and are not read as such, the most frequent first."""
        suffixes = Counter(suffix_of(name) for name in self.strangers if is_within(name))
        return {suffix: count for suffix, count in suffixes.most_common() if suffix not in DOCUMENTS}


def suffix_of(relative: str) -> str:
    """The suffix of a path in small letters.

    >>> suffix_of("a.b/C.MP4"), suffix_of("a.b/c")
    ('.mp4', '')
    """
    return os.path.splitext(relative)[1].lower()  # noqa: PTH122 - no path is needed


def list_folder(folder: Path, is_wanted: Callable[[str], bool] = is_readable) -> Listing:
    """The files of a folder and of all folders below it; `is_wanted` tells by its name whether a file is a map.

    Raises:
        UsageProblem: a folder that may not be listed, or that is reached on more ways than anybody has made by hand.
    """
    walk = _Walk(is_wanted)
    try:
        maps = Texts(in_sorted_runs(walk.through(os.fspath(folder)), Texts))
    except OSError as error:
        msg = f"cannot list {printable(str(error.filename))}: {why(error)}"
        raise UsageProblem(msg) from error
    strangers: Iterable[str] = walk.strangers
    if walk.beside:  # the values of headers
        strangers = [name for name in strangers if name not in walk.beside]
    kept = without_shy(maps) if is_wanted is is_readable else maps
    if len(kept) < len(maps):
        strangers = (*strangers, *(set(maps) - set(kept)))
    return Listing(
        kept, Texts(in_sorted_runs(strangers, Texts)), *(tuple(sorted(one)) for one in (walk.loops, walk.dangling))
    )


@dataclass(slots=True)
class _Walk:
    """A walk through folders, and what was found on it."""

    is_wanted: Callable[[str], bool]
    strangers: Texts = field(default_factory=Texts)
    loops: list[str] = field(default_factory=list)
    dangling: list[str] = field(default_factory=list)
    beside: set[str] = field(default_factory=set)
    visits: Counter[Identity] = field(default_factory=Counter)

    def through(self, folder: str) -> Iterator[str]:
        """The maps of a folder and of all below it."""
        waiting: list[tuple[str, str, frozenset[Identity]]] = [(folder, "", frozenset())]
        while waiting:
            directory, prefix, above = waiting.pop()
            here = self._visited(directory)
            if here in above:
                self.loops.append(prefix.removesuffix("/"))
                continue
            with os.scandir(directory) as entries:
                for entry in entries:
                    name = entry.name
                    small = name.lower()
                    if small[0] == "." or small in JUNK:
                        continue
                    is_map_itself = small.endswith(STORE) and is_store(Path(entry.path))
                    if not is_map_itself and _is_folder(entry):
                        waiting.append((entry.path, f"{prefix}{name}/", above | {here}))
                    elif self.is_wanted(relative := prefix + name):
                        if name.endswith(HEADER) and (file := values_file(Path(entry.path))):
                            self.beside.add(prefix + file.name)
                        yield relative
                    else:
                        self._take(relative, entry)

    def _visited(self, directory: str) -> Identity:
        status = os.stat(directory)  # noqa: PTH116 - no path is needed
        identity = status.st_dev, status.st_ino
        self.visits[identity] += 1
        if self.visits[identity] > MOST_VISITS:
            msg = f"links lead to {printable(os.path.realpath(directory))} on more than {MOST_VISITS} ways"
            raise UsageProblem(msg)
        return identity

    def _take(self, relative: str, entry: os.DirEntry[str]) -> None:
        if not suffix_of(entry.name) and entry.is_symlink() and not os.path.exists(entry.path):  # noqa: PTH110 - the same
            self.dangling.append(relative)
        elif entry.is_symlink() or entry.is_file(follow_symlinks=False):
            self.strangers.append(relative)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether this is a folder or a link to one; a link to itself is none."""
    try:
        return entry.is_dir()
    except OSError:
        return False


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
    return normal(without_suffix(relative))


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


def auxiliary_namer(text: str | None, option: str, pred_name: str | None = None, gt_name: str | None = None) -> Namer:
    """What gives the files beside the maps the names of the maps, by a template of their own.

    >>> namer = auxiliary_namer("{video}/fixation/{frame:04d}", "--fixations-name", gt_name="{video}/maps/{frame:04d}")
    >>> namer("jump/fixation/0012.png"), namer("jump/maps/0012.png")
    ('jump/0012', None)

    Raises:
        UsageProblem: the template is malformed, or has other fields than those of the maps.
    """
    if text is None:
        return name_of
    from kldeval.templates import check_fields, parse_template, plain_template

    own = parse_template(normal(text), option)
    main = gt_name or pred_name
    if main is None:
        return partial(_name, own, parse_template(plain_template(own.formats)))
    parsed = parse_template(normal(main), "--gt-name" if gt_name else "--pred-name")
    canonical = parsed if gt_name else parse_template(plain_template(parsed.formats))
    check_fields(own, canonical, (option, "--gt-name" if gt_name else "--pred-name"))
    return partial(_name, own, canonical)


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
    values = template.values(normal(relative)) if is_readable(template.text) else None
    if values is None:  # a template may end in a suffix that is part of the name, as in X.jpg.npy
        values = template.values(name_of(relative))
    return None if values is None else canonical.name(values)
