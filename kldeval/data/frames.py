"""Frames of videos as the maps of a folder: which there are, which of them count, and what their numbers meet."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from kldeval.data.containers import VIDEOS, open_container
from kldeval.data.listing import name_of
from kldeval.errors import UsageProblem, printable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from kldeval.data.listing import Listing
    from kldeval.data.readers.stored import Limits
    from kldeval.memory import Member


class Folder(NamedTuple):
    """A folder, or a file that stands for one, and what it holds: files, and members of files by their paths."""

    path: Path
    listing: Listing
    members: Mapping[str, Member] | None = None


_LAST_NUMBER = re.compile(r"(.*?)([0-9]+)[^0-9/]*")


def with_frames(path: Path, listing: Listing, limits: Limits | None) -> Folder:
    """A folder with the frames of the videos in it: those of `clip.mp4` are `clip/0001` and so on."""
    videos = [relative for relative in listing.strangers if relative.lower().endswith(VIDEOS)]
    members: dict[str, Member] = {}
    decoded = []
    for relative in videos:
        try:
            held = open_container(path / relative, limits)
        except UsageProblem:  # it stays among what is not read, which a note counts
            continue
        decoded.append(relative)
        found = held.members if held else {}
        members |= {f"{name_of(relative)}/{frame}": member for frame, member in found.items()}
    if not decoded:
        return Folder(path, listing)
    maps, left = tuple(sorted({*listing.maps, *members})), tuple(sorted({*listing.strangers} - {*decoded}))
    return Folder(path, replace(listing, maps=maps, strangers=left), members)


def _frames(folder: Folder) -> dict[str, Member]:
    from kldeval.data.containers.videos import __name__ as module

    return {relative: one for relative, one in (folder.members or {}).items() if one.module == module}


def check_videos(pred: Folder, gt: Folder, *, allow_lossy: bool) -> list[str]:
    """Notes on compressed predictions.

    Raises:
        UsageProblem: ground truths that may have been compressed with a loss, unless that is allowed.
    """
    lossy = [_lossy(pred), _lossy(gt)]
    if lossy[1] and not allow_lossy:
        msg = (
            f"ground truths in {printable(gt.path)} are frames of videos whose codec ({', '.join(lossy[1])}) may have "
            "changed them: --allow-lossy takes them as they are"
        )
        raise UsageProblem(msg)
    sides = zip(("predictions", "ground truths"), lossy, strict=True)
    return [
        f"the {what} are frames of videos, decoded to 8 bits ({', '.join(codes)})" for what, codes in sides if codes
    ]


def _lossy(folder: Folder) -> list[str]:
    frames = _frames(folder)
    if not frames:
        return []
    from kldeval.data.containers.videos import codec_of, is_lossy

    return sorted({codec_of(frame) for frame in frames.values() if is_lossy(frame)})


def thinned(folder: Folder, every: int) -> Folder:
    """The folder with every N-th frame of each video, beginning with the first."""
    frames = _frames(folder)
    if every == 1 or not frames:
        return folder
    from kldeval.data.containers.videos import number_of

    dropped = {relative for relative, frame in frames.items() if (number_of(frame) - 1) % every}
    return _of(folder, {name: name for name in folder.listing.maps if name not in dropped})


def numbered_like(folder: Folder, other: Folder) -> Folder:
    """The folder whose frames of videos are called as the files of the same numbers on the other side.

    Files whose numbers begin with 0 count from 0, as frames of videos do from 1.
    """
    frames, others = _frames(folder), _frames(other)
    if not frames:
        return folder
    numbered: dict[str, dict[int, str]] = {}
    for relative in other.listing.maps:
        found = _LAST_NUMBER.fullmatch(name_of(relative))
        if found and relative not in others:
            video = found[1].rpartition("/")[0]
            numbered.setdefault(video, {})[int(found[2])] = name_of(relative)
    names = {relative: relative for relative in folder.listing.maps}
    for relative in frames:
        video, _, number = name_of(relative).rpartition("/")
        known = numbered.get(video, {})
        meant = known.get(int(number) - (0 in known))
        if meant is not None:
            names[relative] = f"{meant}.npy"
    return _of(folder, names)


def _of(folder: Folder, names: Mapping[str, str]) -> Folder:
    """The folder with some of its maps, under other paths."""
    members = {new: folder.members[old] for old, new in names.items() if folder.members and old in folder.members}
    return folder._replace(listing=replace(folder.listing, maps=tuple(sorted(names.values()))), members=members)
