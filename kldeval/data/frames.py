"""Frames of videos as the maps of a folder: which there are, which of them count, and what they meet.

A video has a constant rate here: frame n, from 1, is shown from second (n - 1) / rate on.
"""

from __future__ import annotations

import math
import re
from dataclasses import replace
from shlex import quote
from typing import TYPE_CHECKING, Any

from kldeval.data.containers import OF_VIDEOS, open_container
from kldeval.data.containers.packed import PackedMembers
from kldeval.data.listing import is_excluded, name_of, suffix_of
from kldeval.data.readers.members import with_contents
from kldeval.dataclass import NamedTuple
from kldeval.errors import UsageProblem, printable
from kldeval.memory import ARRAY_SUFFIX, Member
from kldeval.sequences import Texts
from kldeval.suffixes import VIDEOS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from fractions import Fraction
    from pathlib import Path

    from kldeval.data.listing import Listing
    from kldeval.data.readers.stored import Limits
    from kldeval.memory import MapFile
    from kldeval.records import Pair


class Folder(NamedTuple):
    """A folder, or a file that stands for one, and what it holds: files, and members of files by their paths."""

    path: Path
    listing: Listing
    members: Mapping[str, Member | Path] | None = None

    def shown(self, relatives: Iterable[str]) -> list[str]:
        """Relative paths as they are said: those of arrays end in the suffix of arrays here alone."""
        held = self.members or {}
        names = {relative: one.name for relative, one in held.items() if isinstance(one, Member) and one.is_array}
        return [
            one.removesuffix(ARRAY_SUFFIX) if one.endswith(f"{names.get(one, one)}{ARRAY_SUFFIX}") else one
            for one in relatives
        ]


_LAST_NUMBER = re.compile(r"(.*?)([0-9]+)[^0-9/]*")


def with_frames(path: Path, listing: Listing, limits: Limits | None, exclude: Sequence[str] = ()) -> Folder:
    """A folder with the frames of the videos in it: those of `clip.mp4` are `clip/0001` and so on.

    Raises:
        UsageProblem: two videos of one name, or a video beside a folder of maps of its name; or what is wrong with a
            video, where there is nothing else.
    """
    videos = [
        relative
        for relative in listing.strangers
        if relative.lower().endswith(VIDEOS) and not is_excluded(relative, exclude)
    ]
    members: dict[str, Member] = {}
    decoded = []
    refusal: UsageProblem | None = None
    for relative in videos:
        try:
            held = open_container(path / relative, limits)
        except UsageProblem as problem:  # it stays among what is not read, which a note counts
            refusal = refusal or problem
            continue
        if held is None:  # a link to what is no file
            continue
        decoded.append(relative)
        members |= {f"{name_of(relative)}/{frame}": member for frame, member in held.members.items()}
    if refusal is not None and not decoded and not listing.maps:
        raise refusal
    if not decoded:
        return Folder(path, listing)
    _check_names(path, decoded, listing)
    maps, left = Texts(sorted({*listing.maps, *members})), Texts(sorted({*listing.strangers} - {*decoded}))
    return Folder(path, replace(listing, maps=maps, strangers=left), members)


def _check_names(path: Path, videos: Sequence[str], listing: Listing) -> None:
    """Refuse frames that would be called as others are.

    Raises:
        UsageProblem: naming a video, and what stands beside it.
    """
    by_name: dict[str, str] = {}
    for video in videos:
        other = by_name.setdefault(name_of(video), video)
        if other != video:
            msg = (
                f"{printable(path)} holds {printable(other)} and {printable(video)}, whose frames have the same names: "
                f"move one away, or leave it out on both sides: --exclude {quote(video)}"
            )
            raise UsageProblem(msg)
    for relative in listing.maps:
        video = by_name.get(relative.rpartition("/")[0], "")
        if video:
            msg = (
                f"{printable(path)} holds the video {printable(video)}, and maps in a folder of its name (such as "
                f"{relative!r}): move one away, or leave out videos of this name on both sides: --exclude "
                f"{quote(video)}"
            )
            raise UsageProblem(msg)


def _frames(folder: Folder) -> dict[str, Member]:
    if isinstance(folder.members, PackedMembers):  # no video holds so many
        return {}
    held = (folder.members or {}).items()
    return {relative: one for relative, one in held if isinstance(one, Member) and is_frame(one)}


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


def check_frames(pairs: Iterable[Pair], *, allow_lossy: bool) -> None:
    """Refuse single frames of videos as ground truths that may have been compressed with a loss.

    Raises:
        UsageProblem: one is, and that is not allowed.
    """
    for pair in pairs if not allow_lossy else ():
        codecs = _codecs([pair.gt] if isinstance(pair.gt, Member) else [])
        if codecs:
            msg = (
                f"the ground truth {printable(pair.gt)} is a frame of a video whose codec ({codecs[0]}) may have "
                "changed it: --allow-lossy takes it as it is"
            )
            raise UsageProblem(msg)


def _lossy(folder: Folder) -> list[str]:
    return _codecs(_frames(folder).values())


def _codecs(members: Iterable[Member]) -> list[str]:
    """The codecs of frames among some maps that may have changed their values."""
    frames = [member for member in members if is_frame(member)]
    if not frames:
        return []
    from kldeval.data.containers import videos

    return sorted({videos.codec_of(frame) for frame in frames if videos.is_lossy(frame)})


def is_frame(path: MapFile | None) -> bool:
    """Whether a map is a frame of a video, which is read after those before it."""
    return isinstance(path, Member) and path.module == OF_VIDEOS


def have_frames(tasks: Iterable[Mapping[Any, Pair]]) -> bool:
    """Whether a map of some pairs, those of each model, is a frame of a video."""
    for task in tasks:
        for pair in task.values():  # nothing is called here: data sets have hundreds of thousands of pairs
            for path in (pair.pred, pair.gt):
                if type(path) is Member and path.module == OF_VIDEOS:
                    return True
    return False


def with_frames_read(pairs: Iterable[Pair], limits: Limits) -> list[Pair]:
    """The pairs with the frames of videos in them; that of one ground truth is read, and held, once.

    Raises:
        MissingDependency: OpenCV cannot be imported.
    """
    found: dict[MapFile, MapFile] = {}

    def read(path: MapFile) -> MapFile:
        if isinstance(path, Member) and is_frame(path) and path not in found:
            found[path] = with_contents(path, limits)
        return found.get(path, path)

    return [replace(pair, pred=read(pair.pred), gt=read(pair.gt)) for pair in pairs]


class Sampling(NamedTuple):
    """Which frames of videos count: every N-th, of those at so many a second, or of all."""

    every: int = 1
    fps: Fraction | None = None


ALL_FRAMES = Sampling()

MOST_FPS = 1000


def parse_fps(text: str | None) -> Fraction | None:
    """Frames a second as said: 25, 29.97, 30000/1001.

    >>> parse_fps("25"), parse_fps("29.97"), parse_fps("12.5")
    (Fraction(25, 1), Fraction(30000, 1001), Fraction(25, 2))

    Raises:
        UsageProblem: it is no such number.
    """
    if text is None:
        return None
    from fractions import Fraction

    try:
        found = exact_rate(float(Fraction(str(text))))
    except (ValueError, ZeroDivisionError, OverflowError):
        found = None
    if found is None:
        msg = f"--fps {text}: frames a second are a number above 0 and up to {MOST_FPS}, such as 25 or 30000/1001"
        raise UsageProblem(msg)
    return found


def exact_rate(rate: float) -> Fraction | None:
    """The frame rate that a rounded number means: those of NTSC are 1000/1001 of whole ones; None where it is none.

    >>> exact_rate(23.976), exact_rate(30.0), exact_rate(0.0)
    (Fraction(24000, 1001), Fraction(30, 1), None)
    """
    if not 0 < rate <= MOST_FPS:
        return None
    from fractions import Fraction

    whole = round(rate)
    if abs(rate - whole) < WHOLE:
        return Fraction(whole)
    near = round(rate * 1001 / 1000)
    if abs(rate - near * 1000 / 1001) < NTSC:
        return Fraction(near * 1000, 1001)
    return Fraction(rate).limit_denominator(1001) or None


WHOLE, NTSC = 1e-3, 5e-3
"""How far a rate that is said may be from what it means: 23.98 is 24000/1001."""


class _Stream(NamedTuple):
    """The frames of a video, or numbered images, by their place from 0; `rate` is that of a video that says one."""

    at: Mapping[int, str]
    is_video: bool
    rate: Fraction | None = None

    @property
    def length(self) -> int:
        return max(self.at) + 1

    def place(self, sample: int, fps: Fraction | None) -> int:
        """The frame that is shown at the time of a sample; images are the samples."""
        return sample if fps is None or not self.rate else int(sample * self.rate / fps)

    def samples(self, fps: Fraction | None) -> int:
        """How many samples there are."""
        return self.length if fps is None or not self.rate else math.ceil(self.length * fps / self.rate)


def meeting(pred: Folder, gt: Folder, sampling: Sampling) -> tuple[Folder, Folder]:
    """The two sides with the frames of videos that count, called as what they meet on the other side.

    Frames of two videos of one rate meet by their numbers, and frames of a video the images of their numbers; images
    that begin with 0 count from 0. Where frames a second are said, frame k of these is on either side the frame of a
    video that is shown then, or image k, and has the name of the ground truth.

    Raises:
        UsageProblem: there are no videos to sample, their rates differ and none is said, or one cannot be sampled so.
    """
    streams = _videos(pred), _videos(gt)
    paths = {*streams[0], *streams[1]}
    if not paths:
        check_sampled(sampling)
        return pred, gt
    images = _images(pred, streams[1]), _images(gt, streams[0])
    renamed: tuple[dict[str, str], dict[str, str]] = ({}, {})
    for path in sorted(paths):
        ours, theirs = ({**images[side], **streams[side]}.get(path) for side in (0, 1))
        if ours and theirs:
            _check_rates(path, (ours, theirs), sampling.fps)
        _meet((ours, theirs), sampling, renamed)
    every = [[one.at.values() for one in (*streams[side].values(), *images[side].values())] for side in (0, 1)]
    return _renamed_folder(pred, renamed[0], every[0]), _renamed_folder(gt, renamed[1], every[1])


def check_sampled(sampling: Sampling) -> None:
    """Refuse to sample what is no video.

    Raises:
        UsageProblem: it is asked for.
    """
    if sampling != ALL_FRAMES:
        said = "--fps" if sampling.fps is not None else "--every"
        msg = f"{said} is of the frames of videos, and neither side holds a video"
        raise UsageProblem(msg)


def _videos(folder: Folder) -> dict[str, _Stream]:
    """The videos of a folder by their paths without suffix."""
    frames = _frames(folder)
    if not frames:
        return {}
    from kldeval.data.containers.videos import number_of, rate_of

    places: dict[str, dict[int, str]] = {}
    rates: dict[str, Fraction | None] = {}
    for relative, frame in frames.items():
        video = name_of(relative).rpartition("/")[0]
        places.setdefault(video, {})[number_of(frame) - 1] = relative
        rates.setdefault(video, exact_rate(rate_of(frame)))
    return {video: _Stream(found, is_video=True, rate=rates[video]) for video, found in places.items()}


def _images(folder: Folder, others: Mapping[str, _Stream]) -> dict[str, _Stream]:
    """The numbered images of a folder that stand where the other side has a video."""
    own = _frames(folder)
    numbered: dict[str, dict[int, str]] = {}
    for relative in folder.listing.maps:
        found = _LAST_NUMBER.fullmatch(name_of(relative))
        video = found[1].rpartition("/")[0] if found else ""
        if found and video in others and relative not in own:
            numbered.setdefault(video, {})[int(found[2])] = relative
    return {
        video: _Stream({number - (0 not in found): relative for number, relative in found.items()}, is_video=False)
        for video, found in numbered.items()
    }


def _check_rates(path: str, sides: tuple[_Stream, _Stream], fps: Fraction | None) -> None:
    """Refuse videos whose frames of one number are of different times, or that cannot be sampled at a rate.

    Raises:
        UsageProblem: they are.
    """
    what = f"the video {printable(path)}" if path else "the video"
    pred, gt = sides
    msg = ""
    if fps is None and pred.rate and gt.rate and pred.rate != gt.rate:
        msg = (
            f"{what} has {_rate_text(pred.rate)} frames a second as prediction and {_rate_text(gt.rate)} as ground "
            f"truth: frames of one number are of other times; --fps {_rate_text(min(pred.rate, gt.rate))} compares "
            "those of one time"
        )
    elif fps is not None and any(side.is_video and side.rate is None for side in sides):
        msg = f"{what} does not say how many frames a second it has; leave out --fps, and frames pair by number"
    elif fps is not None and gt.rate is not None and fps > gt.rate:
        msg = f"--fps {_rate_text(fps)}: the ground truth of {what} has {_rate_text(gt.rate)} frames a second"
    if msg:
        raise UsageProblem(msg)


def _rate_text(rate: Fraction) -> str:
    return f"{float(rate):g}"


def _meet(
    sides: tuple[_Stream | None, _Stream | None], sampling: Sampling, renamed: tuple[dict[str, str], dict[str, str]]
) -> None:
    """Note what each side has at every sample, by the name that both have there.

    That is the name of the ground truth where frames a second are said, so that what stands beside it finds it; else
    that of images, where one side has images.
    """
    fps = sampling.fps
    named_by = next((side for side in (sides[1], sides[0]) if side and not (side.is_video and fps is None)), None)
    names = {name_of(relative) for relative in named_by.at.values()} if named_by else set()
    for sample in range(0, max(side.samples(fps) for side in sides if side), sampling.every):
        held = [side.at.get(side.place(sample, fps)) if side else None for side in sides]
        own = named_by.at.get(named_by.place(sample, fps)) if named_by else None
        name = name_of(own or held[1] or held[0] or "")
        if own is None and name in names:  # of another sample, which this frame is not
            name = f"{name} without partner"
        for found, relative in zip(renamed, held, strict=True):
            if relative is not None:
                found[f"{name}{suffix_of(relative)}"] = relative


def _renamed_folder(folder: Folder, renamed: Mapping[str, str], replaced: Iterable[Iterable[str]]) -> Folder:
    """The folder with some of its maps under new paths, and all others but those that are replaced."""
    gone = {relative for some in replaced for relative in some}
    members: dict[str, Member | Path] = {
        relative: member for relative, member in (folder.members or {}).items() if relative not in gone
    }
    held = folder.members or {}
    members |= {new: held[old] if old in held else folder.path / old for new, old in renamed.items()}
    kept = (relative for relative in folder.listing.maps if relative not in gone)
    return folder._replace(listing=replace(folder.listing, maps=Texts(sorted({*kept, *renamed}))), members=members)
