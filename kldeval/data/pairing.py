"""Which prediction belongs to which ground truth: by name, never by sort order.

A folder is listed (`list_folder`), its files are named (`namers`), and the names of two folders are matched (`match`).
"""

from __future__ import annotations

import os
from array import array
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from kldeval.data.containers import (
    FOLDERS,
    Container,
    called_alike,
    is_gridded,
    is_of_arrays,
    open_column,
    open_container,
    open_variable,
    part_at,
)
from kldeval.data.containers.packed import PackedMembers
from kldeval.data.frames import (
    ALL_FRAMES,
    Folder,
    Sampling,
    check_frames,
    check_sampled,
    check_videos,
    is_frame,
    meeting,
    with_frames,
)
from kldeval.data.gridded_files import with_variables
from kldeval.data.kinds import kind_of
from kldeval.data.listing import Listing, is_excluded, list_folder, name_of, namers, normal, suffix_of
from kldeval.data.names import FilesByName, MapSide, match_names
from kldeval.data.readers import READERS, is_readable
from kldeval.data.unpaired import unpaired
from kldeval.dataclass import NamedTuple, dataclass
from kldeval.errors import UsageProblem, examples, printable
from kldeval.memory import Member, NamedMaps
from kldeval.records import Failure, Pair
from kldeval.sequences import MOST_KEPT, Lazy, Texts, in_sorted_runs, packed_pairs
from kldeval.suffixes import stem_of
from kldeval.urls import is_url, without_query

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from kldeval.data.listing import Namer
    from kldeval.data.readers.stored import Limits
    from kldeval.memory import MapFolder


T = TypeVar("T", Pair, Failure)

SUFFIXES_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Pairing:
    """The pairs of two folders in the order of their names, the names that make none, and how many were left out.

    `n_missing` ground truths without a prediction and `n_extra` predictions without a ground truth were allowed;
    `notes` count the files that the request itself set aside. `lone` are the ground truths without a prediction, as
    pairs of themselves: they are images of the data set, with which a metric may compare the others. `is_single_pair`
    where the two sides are one file each.
    """

    pairs: Sequence[Pair]
    failures: Sequence[Failure] = ()
    n_missing: int = 0
    n_extra: int = 0
    notes: tuple[str, ...] = ()
    lone: Sequence[Pair] = ()
    is_single_pair: bool = False


class Columns(NamedTuple):
    """The columns of tables that hold the predictions, the ground truths, and the names of both."""

    pred: str | None = None
    gt: str | None = None
    names: str | None = None


def find_pairs(
    pred: Path,
    gt: Path,
    *,
    allow_missing: bool = False,
    allow_extra: bool = False,
    pred_name: str | None = None,
    gt_name: str | None = None,
    exclude: Sequence[str] = (),
    keys: Sequence[str | None] = (),
    variables: Sequence[str | None] = (),
    columns: Columns | None = None,
    limits: Limits | None = None,
    sampling: Sampling = ALL_FRAMES,
    allow_lossy: bool = False,
) -> Pairing:
    """The pairs of two files, or of two folders whose files have the same relative path without suffix.

    A file that holds many maps, such as a zip, is a folder of its members; where `keys`
    name an array, a file of several is one map, `variables` are those of NetCDF and zarr, and `limits` are what a file
    may ask for. Where `columns` are named,
    the maps are the cells of tables. A video is a folder of its
    frames, in a folder, too, of which those of `sampling` count; ground truths that may have been compressed with a
    loss are refused unless `allow_lossy`.

    One prediction, such as a centre prior, stands for those of all ground truths in a folder; a note says so.

    Names are compared and sorted as plain text, in the Unicode form NFC: a folder from macOS meets one from Linux.
    Names without a partner and names that two files of one folder share are failures, never a guess; `allow_missing`
    (ground truth without prediction) and `allow_extra` (prediction without ground truth) only count the former.
    `pred_name` and `gt_name` are templates of the relative paths (see `namers`), `exclude` globs of files to leave out;
    two files pair whatever these say.

    Raises:
        UsageProblem: a path that does not exist, a file beside a folder, a folder without maps, a template that is
            malformed or that no file fits, or no common name.
    """
    paths = (pred, gt)
    containers, members = _container_or_folder(paths, keys, variables, columns, limits)
    named = {path: _variable(place, keys, variables) for place, path in enumerate(paths)}
    kinds = [
        "folder" if held else "file" if member else kind_of(path)
        for path, held, member in zip(paths, containers, members, strict=True)
    ]
    if kinds == ["folder", "file"]:
        raise UsageProblem(_many_for_one(pred, containers[0], gt))
    if kinds == ["file", "file"]:
        check_sampled(sampling)
        pairs = (Pair(normal(stem_of(without_query(pred))), members[0] or pred, members[1] or gt),)
        check_frames(pairs, allow_lossy=allow_lossy)
        return Pairing(pairs, is_single_pair=True)
    name_pred, name_gt = namers(pred_name, gt_name)
    if kinds == ["file", "folder"]:
        (gts,) = _listings((gt, containers[1]), limits=limits, variables=named, exclude=exclude)
        alone = Folder(pred, Listing((), ()))
        check_videos(alone, gts, allow_lossy=allow_lossy)
        _, gts = meeting(alone, gts, sampling)
        return _one_for_all(
            members[0] or pred,
            _side("ground truth", gts, name_gt, exclude, _template("--gt-name", gt_name, pred_name)),
        )
    found = _listings((pred, containers[0]), (gt, containers[1]), limits=limits, variables=named, exclude=exclude)
    video_notes = check_videos(found[0], found[1], allow_lossy=allow_lossy)
    if pred_name is None and gt_name is None:
        found = [*meeting(found[0], found[1], sampling)]
    elif sampling != ALL_FRAMES:
        msg = "--every and --fps pair frames by their numbers and times: leave out --pred-name and --gt-name"
        raise UsageProblem(msg)
    sides = (
        _side("prediction", found.pop(0), name_pred, exclude, _template("--pred-name", pred_name, gt_name)),
        _side("ground truth", found.pop(0), name_gt, exclude, _template("--gt-name", gt_name, pred_name)),
    )
    pairing = match(*sides, allow_missing=allow_missing, allow_extra=allow_extra)
    notes = [*video_notes, *(note for side in sides for note in side.notes)]
    if pred_name is None and gt_name is None:
        notes += _offset(*sides, len(pairing.pairs))
    return replace(pairing, notes=tuple(notes))


def _container_or_folder(
    paths: tuple[Path, Path],
    keys: Sequence[str | None],
    variables: Sequence[str | None],
    columns: Columns | None,
    limits: Limits | None,
) -> tuple[list[Container | None], list[Member | None]]:
    """What stands for a folder on each side, and what for a file, where it is no path of one.

    Raises:
        UsageProblem, MissingDependency: as `_containers`.
    """
    named = [_variable(place, keys, variables) for place in range(len(paths))]
    gridded = [
        open_variable(path, name, limits) if is_gridded(path) else None for path, name in zip(paths, named, strict=True)
    ]
    opened = _containers(paths, keys, columns, limits)
    held = [
        one or other or _part(path, name, limits)
        for one, other, path, name in zip(gridded, opened, paths, named, strict=True)
    ]
    if all(isinstance(one, Container) for one in held):
        held = called_alike(held)
    return (
        [one if isinstance(one, Container) else None for one in held],
        [one if isinstance(one, Member) else None for one in held],
    )


def _variable(place: int, keys: Sequence[str | None], variables: Sequence[str | None]) -> str | None:
    """The variable that is named for a side."""
    return next(filter(None, (names[place] for names in (variables, keys) if len(names) > place)), None)


def _part(path: Path, variable: str | None, limits: Limits | None) -> Container | Member | None:
    """What a path into a container leads to; None of any that exists itself, but within a folder that is one file.

    Raises:
        UsageProblem, MissingDependency: as `part_at`.
    """
    is_itself = os.path.exists(path) and not any(map(is_gridded, path.parents))  # noqa: PTH110 - any name will do
    return None if is_itself else part_at(path, variable, limits)


def _containers(
    paths: tuple[Path, Path], keys: Sequence[str | None], columns: Columns | None, limits: Limits | None
) -> list[Container | None]:
    """What stands for a folder on each side.

    Raises:
        UsageProblem: one cannot be read, or lacks the column that is named.
        MissingDependency: a library that it needs cannot be imported.
    """
    if columns is not None and columns.names and not (columns.pred or columns.gt):
        msg = "--name-column says how rows are called: name a column of maps with --pred-column or --gt-column"
        raise UsageProblem(msg)
    if columns is None or not (columns.pred or columns.gt):
        return [
            None if any(keys) and _is_file_of_arrays(path) else _opened(path, other, limits)
            for path, other in (paths, paths[::-1])
        ]
    named = (columns.pred, columns.gt)
    is_shared = paths[0] == paths[1] and all(named)
    return [
        open_column(path, column, columns.names, is_shared=is_shared, limits=limits)
        if column
        else _opened(path, other, limits)
        for path, other, column in zip(paths, paths[::-1], named, strict=True)
    ]


def _is_file_of_arrays(path: Path) -> bool:
    """Whether a key may name an array of this file: it does in the files of a folder, or of an archive."""
    if is_url(path):
        return is_of_arrays(path.name.partition("?")[0])
    return not path.name.lower().endswith(FOLDERS)


def _opened(path: Path, other: Path, limits: Limits | None) -> Container | None:
    """The container that a file is; one here that cannot be read beside a file is left to who reads it as a map."""
    try:
        return open_container(path, limits)
    except UsageProblem:
        if is_readable(path.name) and other.is_file() and not is_url(path):
            return None
        raise


def _one_for_all(pred: Path | Member, gt: MapSide) -> Pairing:
    """The pairs of one prediction with every ground truth."""
    places = array("I", (place for place, name in enumerate(gt.files) if name not in gt.files.several))
    pairs = _listed_if_few(Lazy(places, lambda place: Pair(gt.files.names[place], pred, gt.path_at(place))))
    nobody = MapSide("prediction", pred if isinstance(pred, Path) else pred.path, FilesByName())
    note = f"{printable(pred)} is one map, which stands for the predictions of all {len(pairs)} ground truths"
    return Pairing(pairs, tuple(unpaired(nobody, gt)), notes=(note, *gt.notes))


def _listings(
    *folders: tuple[Path, Container | None],
    limits: Limits | None,
    variables: Mapping[Path, str | None],
    exclude: Sequence[str],
) -> list[Folder]:
    """What folders, and files that stand for one, hold.

    Raises:
        UsageProblem: some hold no map, saying what each of them holds.
    """
    found = [
        Folder(path, Listing(_sorted_names(held.members), held.strangers), held.members)
        if held
        else with_variables(with_frames(path, list_folder(path), limits, exclude), variables.get(path), limits)
        for path, held in folders
    ]
    empty = [_no_maps(folder.path, folder.listing) for folder in found if not folder.listing.maps]
    if empty:
        has_others = any(folder.listing.strangers for folder in found)
        readable = f"; readable are {' '.join(sorted(READERS))}" if has_others else ""
        raise UsageProblem(f"{'; '.join(empty)}{readable}")
    return found


def _sorted_names(members: Mapping[str, Member]) -> Sequence[str]:
    """The paths of the members of a container, in order."""
    return members.names if isinstance(members, PackedMembers) else Texts(sorted(members))


def _many_for_one(pred: Path, held: Container | None, gt: Path) -> str:
    """Why predictions in a folder, or in a file that stands for one, do not pair with one ground truth."""
    from shlex import quote

    if held is None:
        return (
            f"{printable(pred)} is a folder but {printable(gt)} is a file; give two files or two folders, or, where "
            f"the folder holds several predictions of one map, {_pattern_of_all(pred)} in its place"
        )
    names = [member.name for member in held.members.values()]
    has_keys = any(member.is_array and not is_frame(member) for member in held.members.values())
    first = f"--pred-key {quote(names[0])}" if has_keys else quote(f"{printable(held.path)}/{names[0]}")
    return (
        f"{printable(held.path)} holds {len(names)} maps (such as {examples(names)}) but {printable(gt)} is one; "
        f"choose one, such as {first}, or give as many ground truths"
    )


def _pattern_of_all(folder: Path) -> str:
    """What a shell makes all entries of a folder of."""
    from shlex import quote

    return f"{quote(str(folder))}/*"


def pairs_in_memory(pred: MapFolder, gt: MapFolder) -> Pairing:
    """The pairs of maps in memory by their names.

    Raises:
        UsageProblem: one side is a file or a folder, or the sides have other names.
    """
    if not (isinstance(pred, NamedMaps) and isinstance(gt, NamedMaps)):
        folders = [one for one in getattr(pred, "maps", {}).values() if isinstance(one, Path) and one.is_dir()]
        several = f"; several models are a dict of their names, as in {{{str(folders[0])!r}: ...}}" if folders else ""
        msg = f"{printable(pred)} and {printable(gt)}: give both as arrays, or both as paths{several}"
        raise UsageProblem(msg)
    lacking = sorted(pred.maps.keys() ^ gt.maps.keys())
    if lacking:
        msg = f"{printable(pred)} and {printable(gt)} do not hold the same maps: {examples(lacking)} lack a partner"
        raise UsageProblem(msg)
    return Pairing(tuple(Pair(name, pred.maps[name], gt.maps[name]) for name in sorted(pred.maps)))


def _offset(pred: MapSide, gt: MapSide, n_pairs: int) -> Iterator[str]:
    """A note where frames seem to be counted from 0 on one side and from 1 on the other: then all pairs are wrong."""
    if n_pairs in (len(pred.files), len(gt.files)):
        return
    found = match_names(pred.files, gt.files)
    if not (found.missing and found.extra):
        return
    from kldeval.data.template_suggestion import propose

    proposal = propose(pred.files.every(), gt.files.every(), more_than=n_pairs)
    if proposal and proposal.is_shifted:
        yield f"the numbers of the files are shifted against each other: {proposal}"


def _pair(pred: MapSide, gt: MapSide, of_pred: int, of_gt: int) -> Pair:
    name = pred.files.names[of_pred]
    return Pair(name, pred.path_at(of_pred, name), gt.path_at(of_gt, name))


def _listed_if_few(made: Sequence[T]) -> Sequence[T]:
    """Pairs, or failures: themselves where they are few, because they are asked for several times."""
    return made if len(made) > MOST_KEPT else tuple(made)


def match(pred: MapSide, gt: MapSide, *, allow_missing: bool = False, allow_extra: bool = False) -> Pairing:
    """The pairs of two sides by name.

    Raises:
        UsageProblem: no name is common.
    """
    found = match_names(pred.files, gt.files)
    ambiguous = pred.files.several.keys() | gt.files.several.keys()
    if not found.pred and not any(name in pred.files and name in gt.files for name in ambiguous):
        raise UsageProblem(_nothing_common(pred, gt))
    return Pairing(
        _listed_if_few(
            Lazy(range(len(found.pred)), lambda number: _pair(pred, gt, found.pred[number], found.gt[number]))
        ),
        _listed_if_few(unpaired(pred, gt, () if allow_missing else found.missing, () if allow_extra else found.extra)),
        len(found.missing) if allow_missing else 0,
        len(found.extra) if allow_extra else 0,
        lone=_listed_if_few(Lazy(found.missing, lambda place: _pair(gt, gt, place, place))),
    )


def _side(what: str, found: Folder, namer: Namer, exclude: Sequence[str], template: str) -> MapSide:
    """The maps of a folder by name."""
    folder, listing = found.path, found.listing
    kept = (
        Texts(relative for relative in listing.maps if not is_excluded(relative, exclude)) if exclude else listing.maps
    )
    strangers = Texts()

    def named() -> Iterator[tuple[str, str]]:
        for relative in kept:
            name = namer(relative)
            if name is None:
                strangers.append(relative)
            else:
                yield name, relative

    files = FilesByName(in_sorted_runs(named(), packed_pairs))
    if not files:
        raise UsageProblem(_none_left(found, kept, template))
    notes = tuple(_set_aside(what, found, len(listing.maps) - len(kept), strangers, template))
    dangling = tuple(link for link in listing.dangling if not is_excluded(link, exclude))
    if exclude:
        left = Texts(path for path in listing.strangers if not is_excluded(path, exclude))
        listing = replace(listing, strangers=left)
    notes = (*notes, *_looping(what, folder, listing), *_not_read(what, folder, listing))
    return MapSide(what, folder, files, dangling, notes, listing.strangers, found.members)


def _template(option: str, text: str | None, other: str | None) -> str:
    """What the names of a side have to fit, for messages: where nothing is said, the fields of the other side's."""
    return f"{option} {text!r}" if text is not None or other is None else f"a path of the fields in {other!r}"


def _none_left(found: Folder, kept: Sequence[str], template: str) -> str:
    if not kept:
        return f"--exclude leaves out every map in {printable(found.path)} (such as {examples(found.listing.maps)})"
    return f"{template} fits none of the maps in {printable(found.path)} (such as {examples(found.shown(kept))})"


def _set_aside(what: str, found: Folder, excluded: int, strangers: Sequence[str], template: str) -> Iterator[str]:
    where = f"left out of the {what}s in {printable(found.path)}"
    if excluded:
        yield f"{where}, by --exclude: {excluded}"
    if strangers:
        some = examples(found.shown(strangers))
        yield f"{where}, because {template} does not fit: {len(strangers)} (such as {some})"


def _looping(what: str, folder: Path, listing: Listing) -> Iterator[str]:
    if listing.loops:
        back = f"links that lead back to a folder above them: {len(listing.loops)} (such as {examples(listing.loops)})"
        yield f"not followed among the {what}s in {printable(folder)}, {back}"


def _not_read(what: str, folder: Path, listing: Listing) -> Iterator[str]:
    if listing.outside:
        out = f"{len(listing.outside)} (such as {examples(listing.outside)})"
        yield f"left out of the {what}s in {printable(folder)}, because their paths lead out of it: {out}"
    if listing.unread:
        count = sum(listing.unread.values())
        yield f"left out of the {what}s in {printable(folder)}, of kinds that are not read: {count} ({_kinds(listing)})"


def _kinds(listing: Listing) -> str:
    """The suffixes of files that are not read; those of texts where there are no others."""
    suffixes = [*listing.unread] or sorted(set(map(suffix_of, listing.strangers)))
    shown = [printable(suffix) or "no suffix" for suffix in suffixes[:SUFFIXES_SHOWN]]
    return ", ".join(shown + ["..."] * (len(suffixes) > SUFFIXES_SHOWN))


def _no_maps(folder: Path, listing: Listing) -> str:
    reasons = []
    if listing.strangers:
        reasons.append(f"only files of other kinds ({_kinds(listing)})")
    if listing.dangling:
        reasons.append(f"links to what does not exist (such as {examples(listing.dangling)})")
    return f"{printable(folder)} holds no map: {'; and '.join(reasons) or 'no files at all, hidden ones aside'}"


def _nothing_common(pred: MapSide, gt: MapSide) -> str:
    return (
        f"no name is common to {printable(pred.folder)} (such as {examples(pred.files)}) "
        f"and {printable(gt.folder)} (such as {examples(gt.files)}); maps pair by their relative path without suffix"
        f"{_way_out(pred, gt)}"
    )


def _way_out(pred: MapSide, gt: MapSide) -> str:
    from kldeval.data.template_suggestion import propose

    found, wanted = (side.files.every() for side in (pred, gt))
    several = _several_models(pred, gt, wanted)
    if several:
        return f"; {several}"
    proposal = propose(found, wanted)
    if proposal:
        return f"; {proposal}"
    ends = {name.rpartition("/")[2] for name in pred.files} & {name.rpartition("/")[2] for name in gt.files}
    agree = f"; the last parts of the names do agree (such as {examples(ends)}): name the folders that hold the files"
    return agree if ends else ""


def _several_models(pred: MapSide, gt: MapSide, wanted: Sequence[str]) -> str | None:
    """What to give in place of a folder of several models: each has a file for most ground truths, by one template.

    The folder may hold other things beside them, the ground truths among these: then the models are named one by one.
    """
    from shlex import quote

    from kldeval.data.template_suggestion import propose

    by_model: defaultdict[str, list[str]] = defaultdict(list)
    for relative in pred.files.every():
        model, slash, rest = relative.partition("/")
        if slash:
            by_model[model].append(rest)
    models: defaultdict[str, list[str]] = defaultdict(list)
    for model, files in by_model.items():
        if _is_same(pred.folder / model, gt.folder):
            continue
        plain = len({*map(name_of, files)} & {*map(name_of, wanted)})
        proposal = None if 2 * plain > len(wanted) else propose(files, wanted)
        if 2 * (proposal.pairs if proposal else plain) > len(wanted):
            models[proposal.flags if proposal else ""].append(model)
    flags, names = max(models.items(), key=lambda item: len(item[1]), default=("", []))
    if len(names) < 2:  # noqa: PLR2004 - several
        return None
    known = ", ".join(map(printable, names[:SUFFIXES_SHOWN]))
    also = f" and {flags} beside it" if flags else ""
    is_all = len(names) == len(_entries(pred.folder))
    given = (
        _pattern_of_all(pred.folder) if is_all else " ".join(quote(str(pred.folder / name)) for name in sorted(names))
    )
    return f"{printable(pred.folder)} holds several models ({known}): give {given} in its place{also}"


def _entries(folder: Path) -> list[str]:
    """What a shell makes of `folder/*`; nothing of what is no folder."""
    return [name for name in os.listdir(folder) if not name.startswith(".")] if folder.is_dir() else []  # noqa: PTH208


def _is_same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:  # a part of an archive, or a link to nothing
        return False
