"""Which prediction belongs to which ground truth: by name, never by sort order.

A folder is listed (`list_folder`), its files are named (`namers`), and the names of two folders are matched (`match`).
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from itertools import accumulate
from typing import TYPE_CHECKING

from kldeval.data.listing import Listing, is_excluded, list_folder, name_of, namers, normal
from kldeval.data.readers import READERS
from kldeval.errors import UsageProblem, examples, printable
from kldeval.records import Failure, Pair

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from kldeval.data.listing import Namer

__all__ = ["Pairing", "Side", "find_pairs", "match", "name_of"]


SUFFIXES_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Pairing:
    """The pairs of two folders in the order of their names, the names that make none, and how many were left out.

    `n_missing` ground truths without a prediction and `n_extra` predictions without a ground truth were allowed;
    `notes` count the files that the request itself set aside.
    """

    pairs: tuple[Pair, ...]
    failures: tuple[Failure, ...] = ()
    n_missing: int = 0
    n_extra: int = 0
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Side:
    """One folder of maps: what they are, and the files (relative paths) by name.

    `links` are those that were not followed, by the names that they might have had; `notes` count files set aside.
    """

    what: str
    folder: Path
    files: Mapping[str, tuple[str, ...]]
    links: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def path(self, name: str) -> Path:
        """Where the map of this name is."""
        return self.folder / self.files[name][0]


def find_pairs(
    pred: Path,
    gt: Path,
    *,
    allow_missing: bool = False,
    allow_extra: bool = False,
    pred_name: str | None = None,
    gt_name: str | None = None,
    exclude: Sequence[str] = (),
) -> Pairing:
    """The pairs of two files, or of two folders whose files have the same relative path without suffix.

    Names are compared and sorted as plain text, in the Unicode form NFC: a folder from macOS meets one from Linux.
    Names without a partner and names that two files of one folder share are failures, never a guess; `allow_missing`
    (ground truth without prediction) and `allow_extra` (prediction without ground truth) only count the former.
    `pred_name` and `gt_name` are templates of the relative paths (see `namers`), `exclude` globs of files to leave out;
    two files pair whatever these say.

    Raises:
        UsageProblem: a path that does not exist, a file beside a folder, a folder without maps, a template that is
            malformed or that no file fits, or no common name.
    """
    kinds = [_kind(path) for path in (pred, gt)]
    if kinds[0] != kinds[1]:
        raise UsageProblem(
            f"{printable(pred)} is a {kinds[0]} but {printable(gt)} is a {kinds[1]}; give two files or two folders"
        )
    if kinds[0] == "file":
        return Pairing((Pair(normal(pred.stem), pred, gt),))
    name_pred, name_gt = namers(pred_name, gt_name)
    sides = (
        _side("prediction", pred, name_pred, exclude, f"--pred-name {pred_name!r}"),
        _side("ground truth", gt, name_gt, exclude, f"--gt-name {gt_name!r}"),
    )
    pairing = match(*sides, allow_missing=allow_missing, allow_extra=allow_extra)
    return replace(pairing, notes=tuple(note for side in sides for note in side.notes))


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
    raise UsageProblem(f"{printable(path)} {what}; give two files or two folders of maps")


def _side(what: str, folder: Path, namer: Namer, exclude: Sequence[str], template: str) -> Side:
    """The maps of a folder by name."""
    listing = list_folder(folder)
    if not listing.maps:
        raise UsageProblem(_no_maps(folder, listing))
    kept = [relative for relative in listing.maps if not is_excluded(relative, exclude)]
    files: defaultdict[str, tuple[str, ...]] = defaultdict(tuple)
    strangers = []
    for relative in kept:
        name = namer(relative)
        if name is None:
            strangers.append(relative)
        else:
            files[name] += (relative,)
    if not files:
        raise UsageProblem(_none_left(folder, listing, kept, template))
    notes = tuple(_set_aside(what, folder, len(listing.maps) - len(kept), strangers, template))
    links = {name: link for link in listing.unfollowed for name in (link, name_of(link))}
    return Side(what, folder, files, links, notes)


def _none_left(folder: Path, listing: Listing, kept: Sequence[str], template: str) -> str:
    if not kept:
        return f"--exclude leaves out every map in {printable(folder)} (such as {examples(listing.maps)})"
    return f"{template} fits none of the maps in {printable(folder)} (such as {examples(kept)})"


def _set_aside(what: str, folder: Path, excluded: int, strangers: Sequence[str], template: str) -> Iterator[str]:
    where = f"left out of the {what}s in {printable(folder)}"
    if excluded:
        yield f"{where}, by --exclude: {excluded}"
    if strangers:
        yield f"{where}, because {template} does not fit: {len(strangers)} (such as {examples(strangers)})"


def _no_maps(folder: Path, listing: Listing) -> str:
    reasons = []
    if listing.others:
        suffixes = ", ".join(printable(suffix) or "no suffix" for suffix in listing.others[:SUFFIXES_SHOWN])
        reasons.append(f"only files of other kinds ({suffixes}); readable are {' '.join(sorted(READERS))}")
    if listing.unfollowed:
        reasons.append(f"only links that lead elsewhere and are not followed (such as {examples(listing.unfollowed)})")
    return f"{printable(folder)} holds no map: {'; and '.join(reasons) or 'no files at all, hidden ones aside'}"


def _nothing_common(pred: Side, gt: Side) -> str:
    return (
        f"no name is common to {printable(pred.folder)} (such as {examples(pred.files)}) "
        f"and {printable(gt.folder)} (such as {examples(gt.files)}); maps pair by their relative path without suffix"
        f"{_way_out(pred, gt)}"
    )


def _way_out(pred: Side, gt: Side) -> str:
    from kldeval.data.template_suggestion import propose

    found, wanted = ([file for files in side.files.values() for file in files] for side in (pred, gt))
    proposal = propose(found, wanted)
    if proposal:
        return f"; {proposal}"
    ends = {name.rpartition("/")[2] for name in pred.files} & {name.rpartition("/")[2] for name in gt.files}
    agree = f"; the last parts of the names do agree (such as {examples(ends)}): name the folders that hold the files"
    return agree if ends else ""


def _ambiguous(name: str, pred: Side, gt: Side) -> str:
    several = [
        f"{len(side.files[name])} files of the {side.what}s in {printable(side.folder)} bear this name "
        f"({', '.join(map(printable, side.files[name]))})"
        for side in (pred, gt)
        if len(side.files.get(name, ())) > 1
    ]
    return f"{'; '.join(several)}; keep one"


def _lone(name: str, found: Side, lacking: Side, way_out: str) -> str:
    folders = accumulate(name.split("/"), lambda path, part: f"{path}/{part}")
    link = next((lacking.links[path] for path in folders if path in lacking.links), None)
    but = f" but the link {printable(link)}, which leads elsewhere and is not followed" if link else ""
    return (
        f"the {found.what} {printable(found.path(name))} has no {lacking.what}: "
        f"no map of this name in {printable(lacking.folder)}{but}; {way_out} leaves such maps out"
    )
