"""Which prediction belongs to which ground truth: by name, never by sort order.

A folder is listed (`list_folder`), its files are named (`namers`), and the names of two folders are matched (`match`).
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import TYPE_CHECKING

from kldeval.data.listing import Listing, is_excluded, list_folder, namers, normal
from kldeval.data.readers import READERS
from kldeval.errors import UsageProblem, examples, printable
from kldeval.memory import NamedMaps
from kldeval.records import Failure, Pair
from kldeval.regular import why

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from kldeval.data.listing import Namer
    from kldeval.memory import MapFolder


SUFFIXES_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Pairing:
    """The pairs of two folders in the order of their names, the names that make none, and how many were left out.

    `n_missing` ground truths without a prediction and `n_extra` predictions without a ground truth were allowed;
    `notes` count the files that the request itself set aside. `lone` are the ground truths without a prediction, as
    pairs of themselves: they are images of the data set, with which a metric may compare the others.
    """

    pairs: tuple[Pair, ...]
    failures: tuple[Failure, ...] = ()
    n_missing: int = 0
    n_extra: int = 0
    notes: tuple[str, ...] = ()
    lone: tuple[Pair, ...] = ()


@dataclass(frozen=True, slots=True)
class Side:
    """One folder of maps: what they are, and the files (relative paths) by name.

    `dangling` are links to nothing that may have been folders; `notes` count files set aside.
    """

    what: str
    folder: Path
    files: Mapping[str, tuple[str, ...]]
    dangling: tuple[str, ...] = ()
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
        also = "; one map for every pair goes into a --manifest" if kinds[0] == "file" else ""
        raise UsageProblem(
            f"{printable(pred)} is a {kinds[0]} but {printable(gt)} is a {kinds[1]}; give two files or two folders"
            f"{also}"
        )
    if kinds[0] == "file":
        return Pairing((Pair(normal(pred.stem), pred, gt),))
    name_pred, name_gt = namers(pred_name, gt_name)
    sides = (
        _side("prediction", pred, name_pred, exclude, f"--pred-name {pred_name!r}"),
        _side("ground truth", gt, name_gt, exclude, f"--gt-name {gt_name!r}"),
    )
    pairing = match(*sides, allow_missing=allow_missing, allow_extra=allow_extra)
    notes = [note for side in sides for note in side.notes]
    if pred_name is None and gt_name is None:
        notes += _offset(*sides, len(pairing.pairs))
    return replace(pairing, notes=tuple(notes))


def pairs_in_memory(pred: MapFolder, gt: MapFolder) -> Pairing:
    """The pairs of maps in memory by their names.

    Raises:
        UsageProblem: one side is a file or a folder, or the sides have other names.
    """
    if not (isinstance(pred, NamedMaps) and isinstance(gt, NamedMaps)):
        msg = f"{printable(pred)} and {printable(gt)}: give both as arrays, or both as paths"
        raise UsageProblem(msg)
    lacking = sorted(pred.maps.keys() ^ gt.maps.keys())
    if lacking:
        msg = f"{printable(pred)} and {printable(gt)} do not hold the same maps: {examples(lacking)} lack a partner"
        raise UsageProblem(msg)
    return Pairing(tuple(Pair(name, pred.maps[name], gt.maps[name]) for name in sorted(pred.maps)))


def _offset(pred: Side, gt: Side, n_pairs: int) -> Iterator[str]:
    """A note where frames seem to be counted from 0 on one side and from 1 on the other: then all pairs are wrong."""
    if not (pred.files.keys() - gt.files.keys() and gt.files.keys() - pred.files.keys()):
        return
    from kldeval.data.template_suggestion import propose

    found, wanted = ([file for files in side.files.values() for file in files] for side in (pred, gt))
    proposal = propose(found, wanted, more_than=n_pairs)
    if proposal and proposal.is_shifted:
        yield f"the numbers of the files are shifted against each other: {proposal}"


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
    failures = [Failure(name, "pair", _ambiguous(name, pred, gt), "ambiguous-name") for name in ambiguous]
    for names, allowed, sides in ((missing, allow_missing, (gt, pred)), (extra, allow_extra, (pred, gt))):
        way_out = "--allow-missing" if names is missing else "--allow-extra"
        alone = () if allowed else names
        failures += [Failure(name, "pair", _lone(name, *sides, way_out), "no-partner") for name in alone]
    failures += [_leads_nowhere(side, link) for side in (pred, gt) for link in side.dangling]
    return Pairing(
        tuple(Pair(name, pred.path(name), gt.path(name)) for name in sorted(common - ambiguous)),
        tuple(sorted(failures, key=lambda failure: (failure.name, failure.message))),
        len(missing) if allow_missing else 0,
        len(extra) if allow_extra else 0,
        lone=tuple(Pair(name, gt.path(name), gt.path(name)) for name in sorted(missing)),
    )


def _kind(path: Path) -> str:
    try:
        if path.is_dir():
            return "folder"
        if path.is_file():
            return "file"
        what = "is neither a file nor a folder" if path.exists() else "does not exist"
    except OSError as error:
        what = f"cannot be looked at ({why(error)})"
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
    dangling = tuple(link for link in listing.dangling if not is_excluded(link, exclude))
    return Side(what, folder, files, dangling, (*notes, *_looping(what, folder, listing)))


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


def _looping(what: str, folder: Path, listing: Listing) -> Iterator[str]:
    if listing.loops:
        back = f"links that lead back to a folder above them: {len(listing.loops)} (such as {examples(listing.loops)})"
        yield f"not followed among the {what}s in {printable(folder)}, {back}"


def _leads_nowhere(side: Side, link: str) -> Failure:
    path = side.folder / link
    message = (
        f"among the {side.what}s, {printable(path)} is a link to {printable(path.readlink())}, which does not exist"
    )
    return Failure(normal(link), "pair", message, "dangling-link")


def _no_maps(folder: Path, listing: Listing) -> str:
    reasons = []
    if listing.others:
        suffixes = ", ".join(printable(suffix) or "no suffix" for suffix in listing.others[:SUFFIXES_SHOWN])
        reasons.append(f"only files of other kinds ({suffixes}); readable are {' '.join(sorted(READERS))}")
    if listing.dangling:
        reasons.append(f"links to what does not exist (such as {examples(listing.dangling)})")
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
    models = _models(pred, gt)
    if len(models) > 1:
        known = ", ".join(models[:SUFFIXES_SHOWN])
        return (
            f"; {printable(pred.folder)} holds several models ({known}): give {printable(pred.folder)}/* in its place"
        )
    proposal = propose(found, wanted)
    if proposal:
        return f"; {proposal}"
    ends = {name.rpartition("/")[2] for name in pred.files} & {name.rpartition("/")[2] for name in gt.files}
    agree = f"; the last parts of the names do agree (such as {examples(ends)}): name the folders that hold the files"
    return agree if ends else ""


def _models(pred: Side, gt: Side) -> list[str]:
    """The folders of a side that have each a file for most of the other side's names."""
    named: defaultdict[str, set[str]] = defaultdict(set)
    for name in pred.files:
        model, _, rest = name.partition("/")
        if rest in gt.files:
            named[model].add(rest)
    return sorted(model for model, names in named.items() if 2 * len(names) > len(gt.files))


def _ambiguous(name: str, pred: Side, gt: Side) -> str:
    several = [
        f"{len(side.files[name])} files of the {side.what}s in {printable(side.folder)} bear this name "
        f"({', '.join(map(printable, side.files[name]))})"
        for side in (pred, gt)
        if len(side.files.get(name, ())) > 1
    ]
    return f"{'; '.join(several)}; keep one"


def _lone(name: str, found: Side, lacking: Side, way_out: str) -> str:
    folders = set(accumulate(name.split("/"), lambda path, part: f"{path}/{part}"))
    link = next((link for link in lacking.dangling if link in folders), None)
    but = f" but {printable(link)}, a link to what does not exist" if link else ""
    return (
        f"the {found.what} {printable(found.path(name))} has no {lacking.what}: "
        f"no map of this name in {printable(lacking.folder)}{but}; {way_out} leaves such maps out"
    )
