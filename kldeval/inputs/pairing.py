"""Which prediction belongs to which ground truth: by name, never by sort order.

A folder is listed (`list_folder`), its files are named (`name_of`), and the names of two folders are matched (`match`).
"""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from dataclasses import dataclass, field
from itertools import accumulate
from typing import TYPE_CHECKING

from kldeval.errors import UsageProblem
from kldeval.inputs.formats import READERS
from kldeval.inputs.listing import Listing, list_folder
from kldeval.inputs.shown import examples, shown
from kldeval.records import Failure, Pair

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


SUFFIXES_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Pairing:
    """The pairs of two folders in the order of their names, the names that make none, and how many were left out.

    `n_missing` ground truths without a prediction and `n_extra` predictions without a ground truth were allowed.
    """

    pairs: tuple[Pair, ...]
    failures: tuple[Failure, ...] = ()
    n_missing: int = 0
    n_extra: int = 0


@dataclass(frozen=True, slots=True)
class Side:
    """One folder of maps: what they are, and the files (relative paths) by name.

    `links` are those that were not followed, by the names that they might have had.
    """

    what: str
    folder: Path
    files: Mapping[str, tuple[str, ...]]
    links: Mapping[str, str] = field(default_factory=dict)

    def path(self, name: str) -> Path:
        """Where the map of this name is."""
        return self.folder / self.files[name][0]


def find_pairs(pred: Path, gt: Path, *, allow_missing: bool = False, allow_extra: bool = False) -> Pairing:
    """The pairs of two files, or of two folders whose files have the same relative path without suffix.

    Names are compared and sorted as plain text, in the Unicode form NFC: a folder from macOS meets one from Linux.
    Names without a partner and names that two files of one folder share are failures, never a guess; `allow_missing`
    (ground truth without prediction) and `allow_extra` (prediction without ground truth) only count the former.

    Raises:
        UsageProblem: a path that does not exist, a file beside a folder, a folder without maps, or no common name.
    """
    kinds = [_kind(path) for path in (pred, gt)]
    if kinds[0] != kinds[1]:
        raise UsageProblem(
            f"{shown(pred)} is a {kinds[0]} but {shown(gt)} is a {kinds[1]}; give two files or two folders"
        )
    if kinds[0] == "file":
        return Pairing((Pair(_normal(pred.stem), pred, gt),))
    sides = _side("prediction", pred), _side("ground truth", gt)
    return match(*sides, allow_missing=allow_missing, allow_extra=allow_extra)


def name_of(relative: str) -> str:
    """The name of a map: its relative path without suffix.

    >>> name_of("a/frame.01.png")
    'a/frame.01'
    """
    return _normal(relative.rpartition(".")[0])


def match(pred: Side, gt: Side, *, allow_missing: bool = False, allow_extra: bool = False) -> Pairing:
    """The pairs of two sides by name.

    Raises:
        UsageProblem: no name is common.
    """
    common = pred.files.keys() & gt.files.keys()
    if not common:
        raise UsageProblem(_nothing_common(pred, gt))
    ambiguous = {name for side in (pred, gt) for name, files in side.files.items() if len(files) > 1}
    missing, extra = (side.files.keys() - common - ambiguous for side in (gt, pred))
    failures = [(name, _ambiguous(name, pred, gt)) for name in ambiguous]
    failures += [] if allow_missing else [(name, _lone(name, gt, pred, "--allow-missing")) for name in missing]
    failures += [] if allow_extra else [(name, _lone(name, pred, gt, "--allow-extra")) for name in extra]
    return Pairing(
        tuple(Pair(name, pred.path(name), gt.path(name)) for name in sorted(common - ambiguous)),
        tuple(Failure(name, "pair", message) for name, message in sorted(failures)),
        len(missing) if allow_missing else 0,
        len(extra) if allow_extra else 0,
    )


def _kind(path: Path) -> str:
    try:
        if path.is_dir():
            return "folder"
        if path.is_file():
            return "file"
        what = "is neither a file nor a folder" if path.exists() else "does not exist"
    except OSError as error:
        what = f"cannot be looked at ({(error.strerror or str(error)).lower()})"
    raise UsageProblem(f"{shown(path)} {what}; give two files or two folders of maps")


def _normal(name: str) -> str:
    return name if name.isascii() else unicodedata.normalize("NFC", name)


def _side(what: str, folder: Path) -> Side:
    """The maps of a folder by name."""
    listing = list_folder(folder)
    if not listing.maps:
        raise UsageProblem(_no_maps(folder, listing))
    files: defaultdict[str, tuple[str, ...]] = defaultdict(tuple)
    for relative in listing.maps:
        files[name_of(relative)] += (relative,)
    links = {name: link for link in listing.unfollowed for name in (link, name_of(link))}
    return Side(what, folder, files, links)


def _no_maps(folder: Path, listing: Listing) -> str:
    reasons = []
    if listing.others:
        suffixes = ", ".join(shown(suffix) or "no suffix" for suffix in listing.others[:SUFFIXES_SHOWN])
        reasons.append(f"only files of other kinds ({suffixes}); readable are {' '.join(sorted(READERS))}")
    if listing.unfollowed:
        reasons.append(f"only links that lead elsewhere and are not followed (such as {examples(listing.unfollowed)})")
    return f"{shown(folder)} holds no map: {'; and '.join(reasons) or 'no files at all, hidden ones aside'}"


def _nothing_common(pred: Side, gt: Side) -> str:
    ends = {name.rpartition("/")[2] for name in pred.files} & {name.rpartition("/")[2] for name in gt.files}
    hint = f"; the last parts of the names do agree (such as {examples(ends)}): name the folders that hold the files"
    return (
        f"no name is common to {shown(pred.folder)} (such as {examples(pred.files)}) "
        f"and {shown(gt.folder)} (such as {examples(gt.files)}); maps pair by their relative path without suffix"
        f"{hint if ends else ''}"
    )


def _ambiguous(name: str, pred: Side, gt: Side) -> str:
    several = [
        f"{len(side.files[name])} files of the {side.what}s in {shown(side.folder)} bear this name "
        f"({', '.join(map(shown, side.files[name]))})"
        for side in (pred, gt)
        if len(side.files.get(name, ())) > 1
    ]
    return f"{'; '.join(several)}; keep one"


def _lone(name: str, found: Side, lacking: Side, way_out: str) -> str:
    folders = accumulate(name.split("/"), lambda path, part: f"{path}/{part}")
    link = next((lacking.links[path] for path in folders if path in lacking.links), None)
    but = f" but the link {shown(link)}, which leads elsewhere and is not followed" if link else ""
    return (
        f"the {found.what} {shown(found.path(name))} has no {lacking.what}: "
        f"no map of this name in {shown(lacking.folder)}{but}; {way_out} leaves such maps out"
    )
