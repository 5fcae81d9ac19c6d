"""The fixations of a data set by the name of the image: from one file, or from a folder with a file for each image."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import field, replace
from typing import TYPE_CHECKING

from kldeval.caching import KeptResults
from kldeval.data.fixations import has_fixations, read_fixations
from kldeval.data.fixations.documents import Frames
from kldeval.data.fixations.tables import LISTS
from kldeval.data.kinds import check_fixations_there
from kldeval.data.listing import list_folder, name_of
from kldeval.dataclass import NamedTuple, dataclass
from kldeval.errors import NoPartner, RefusedMap, UnreadableMap, UsageProblem, examples, printable
from kldeval.memory import NamedMaps
from kldeval.records import counted_once, rescale_positions
from kldeval.urls import is_url

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from kldeval.arrays import NumpyArray as Array
    from kldeval.data.fixations.maps import FixationReading
    from kldeval.data.listing import Namer
    from kldeval.memory import MapFile, MapFolder
    from kldeval.records import Fixations, Shape


@dataclass(frozen=True, slots=True)
class FixationSource:
    """Where fixations come from.

    `known` are those of a file of many images, which was read at once; `files` are those of a folder by the name of the
    image, each read when it is asked for. `only` is the one entry of a file of a single image. `videos` are the
    fixations on every frame of videos by their names, which `known` has as `video/0001` and so on.
    """

    path: MapFolder
    reading: FixationReading
    known: Mapping[str, Fixations]
    files: Mapping[str, tuple[MapFile, ...]]
    only: str | None = None
    videos: Mapping[str, tuple[Fixations, ...]] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """The images, in the order of their names."""
        return tuple(sorted({*self.known, *self.files}))

    def of(self, name: str, file: MapFile | None = None) -> Fixations:
        """The fixations on an image; from the file that a manifest names, where there is one.

        Raises:
            NoPartner: there are none, or several files bear the name.
            UnreadableMap: the file cannot be read, or holds several images.
            RefusedMap: the first fixations are to be dropped, and the file does not tell observers apart.
        """
        found = self.known.get(name) if file is None else None
        fixations = found if found is not None else _only_image(file or self._file(name), self.reading)
        return fixations.without_first() if self.reading.drops_first else fixations

    def knowing(self, known: Mapping[str, Fixations]) -> FixationSource:
        """The source with what `of` has told of some images, so that their files need not be read again."""
        files = {name: paths for name, paths in self.files.items() if name not in known}
        return replace(self, known=known, files=files, reading=self.reading.of_placed)

    def naming_frames(self, names: Iterable[str]) -> FixationSource:
        """The source with the frames of its videos under the names of the maps: `video/7` for `video/0007`.

        The frames of a video whose maps have one numbered 0 count from 0, as others do from 1.
        """
        if not self.videos:
            return self
        numbered: defaultdict[str, dict[int, str]] = defaultdict(dict)
        for name in names:
            video, number = _frame_of(name)
            if video in self.videos and number is not None:
                numbered[video][number] = name
        known = dict(self.known)
        for video, by_number in numbered.items():
            frames, first = self.videos[video], 0 if 0 in by_number else 1
            for place in range(len(frames)):
                known.pop(_frame_name(video, place + 1, len(frames)))
            for number, name in by_number.items():
                if number - first < len(frames):
                    known[name] = frames[number - first]
        return replace(self, known=known)

    def _file(self, name: str) -> MapFile:
        files = self.files.get(name, ())
        if not files:
            msg = (
                f"no fixations in {printable(self.path)} for {name!r}; it has some for {examples(self.names) or 'none'}"
            )
            raise NoPartner(msg)
        if len(files) > 1:
            msg = f"{len(files)} files hold fixations for {name!r}: {', '.join(map(printable, files))}; keep one"
            raise NoPartner(msg)
        return files[0]


_LAST_NUMBER = re.compile(r"(.*?)([0-9]+)\D*")

FRAMES_FILE = "fixations"
"""What a file of the frames of a video is called in the folder of the video."""


def _frame_of(name: str) -> tuple[str, int | None]:
    """The video and the number of a frame, from the name of its map.

    >>> _frame_of("jump/img_0012"), _frame_of("jump[012]"), _frame_of("jump/mean")
    (('jump', 12), ('jump', 12), ('jump/mean', None))
    """
    video, bracket, inside = name.rpartition("[")
    if bracket and inside.endswith("]") and inside[:-1].isdecimal():
        return video, int(inside[:-1])
    video, _, end = name.rpartition("/")
    found = _LAST_NUMBER.fullmatch(end)
    return (video, int(found[2])) if found else (name, None)


def _frame_name(video: str, number: int, count: int) -> str:
    digits = max(4, len(str(count)))
    return f"{video}/{number:0{digits}d}" if video else f"{number:0{digits}d}"


def _of_frames(video: str, found: Frames) -> dict[str, Fixations]:
    return {_frame_name(video, place + 1, len(found)): points for place, points in enumerate(found.frames)}


def open_fixations(path: MapFolder, reading: FixationReading, namer: Namer = name_of) -> FixationSource:
    """The fixations of a file or of a folder, whose files `namer` gives the names of images, or None to be left out.

    Raises:
        UsageProblem: the path does not exist, or holds no fixations that can be read.
    """
    if isinstance(path, NamedMaps):
        return fixations_of_files(path.maps, reading, path)
    if is_url(path):
        return _elsewhere(path, reading, namer)
    if path.is_dir():
        return _folder(path, reading, namer)
    check_fixations_there(path)
    known = _fixations_by_image(path, reading)
    if isinstance(known, Frames):
        return FixationSource(path, reading, _of_frames("", known), {}, videos={"": known.frames})
    is_list = path.suffix.lower() in LISTS
    return FixationSource(path, reading, known, {}, next(iter(known)) if len(known) == 1 and not is_list else None)


def _elsewhere(path: Path, reading: FixationReading, namer: Namer) -> FixationSource:
    """The fixations at a URL, of which there is a copy here.

    Raises:
        UsageProblem: as `open_fixations`, of the URL.
    """
    from kldeval.data.containers import remote

    return open_fixations(remote.copied(path), reading, namer)


def fixations_of_files(files: Mapping[str, MapFile], reading: FixationReading, path: MapFolder) -> FixationSource:
    """The fixations of files that were named one by one, in the manifest at `path`."""
    return FixationSource(path, reading, {}, {name: (file,) for name, file in files.items()})


def _folder(path: Path, reading: FixationReading, namer: Namer) -> FixationSource:
    known: dict[str, Fixations] = {}
    files: defaultdict[str, tuple[MapFile, ...]] = defaultdict(tuple)
    videos: dict[str, tuple[Fixations, ...]] = {}
    for relative in list_folder(path, has_fixations).maps:
        file = path / relative
        if file.suffix.lower() in LISTS:
            found = _fixations_by_image(file, reading)
            if isinstance(found, Frames):
                video = name_of(relative)
                video = video.rpartition("/")[0] if file.stem.lower() == FRAMES_FILE else video
                videos[video], found = found.frames, _of_frames(video, found)
            known |= _new(found, known, file)
        else:
            name = namer(relative)
            if name is not None:
                files[name] += (file,)
    if not known and not files:
        if namer is not name_of:
            msg = f"--fixations-name fits none of the files in {printable(path)}"
            raise UsageProblem(msg)
        msg = f"{printable(path)} holds no file that fixations are read from: maps, .mat and {' '.join(sorted(LISTS))}"
        raise UsageProblem(msg)
    return FixationSource(path, reading, known, dict(files), videos=videos)


def _fixations_by_image(file: Path, reading: FixationReading) -> Mapping[str, Fixations]:
    try:
        return read_fixations(file, reading)
    except UnreadableMap as problem:
        raise UsageProblem(str(problem)) from problem


def _new(found: Mapping[str, Fixations], known: Iterable[str], file: Path) -> Mapping[str, Fixations]:
    twice = sorted(set(found) & set(known))
    if twice:
        msg = f"{printable(file)}: fixations for {twice[0]!r} stand in another list of the folder, too; keep one"
        raise UsageProblem(msg)
    return found


def _only_image(file: MapFile, reading: FixationReading) -> Fixations:
    found = read_fixations(file, reading)
    if len(found) != 1:
        msg = f"{printable(file)}: it holds the fixations on {len(found)} images; give the file itself, not its folder"
        raise UnreadableMap(msg)
    return next(iter(found.values()))


SIZES_KEPT = 8
"""Sums of all fixations that are kept, one for each size of map: data sets with many sizes come in runs of few."""

IMAGES_KEPT = 16
"""Images whose own fixations are kept: a few for every worker, each asked for several times in a row."""

FixationPositions = tuple["Array", "Array"]
"""Flat indices of pixels in ascending order, each once, and the number of fixations at each, in float64."""


class FixationCounts(NamedTuple):
    """Where all images together were fixated and how often, and apart where it was `more` than once: few places."""

    places: Array
    counts: Array
    again: Array
    more: Array


class OtherFixations:
    """The fixations of a data set on a map of any size, with or without those of one image.

    Every fixation counts, repeats included; positions scale with the size of the image, x W / W', and are cut to whole
    pixels afterwards, as pysaliency does. Fixations outside their own image have no part. All fixations are added up
    once for each size of map, so an image costs little, however many others there are.

    Raises:
        RefusedMap: the size of an image is unknown, naming the image.

    >>> from kldeval.records import fixations_at
    >>> small, large = fixations_at([0], [1], shape=(1, 2)), fixations_at([1], [1], shape=(2, 4))
    >>> others = OtherFixations({"small": small, "large": large})
    >>> others.everything((1, 2)).tolist(), [part.tolist() for part in others.own("small", (1, 2))]
    ([[1, 1]], [[1], [1.0]])
    """

    def __init__(self, fixations: Mapping[str, Fixations]) -> None:
        import numpy as np

        within = {name: points.inside(_shape(name, points))[0] for name, points in fixations.items()}
        parts = ("rows", "cols", "counts")
        self._rows, self._cols, self._counts = (
            np.concatenate([np.zeros(0), *(getattr(points, part) for points in within.values())]) for part in parts
        )
        lengths = [len(points.rows) for points in within.values()]
        sizes = [points.shape for points in within.values()]
        self._sizes = np.repeat(np.asarray(sizes, np.float64).reshape(-1, 2), lengths, axis=0)
        ends = np.cumsum([0, *lengths])
        self._ranges = {name: slice(*bounds) for name, *bounds in zip(within, ends, ends[1:], strict=False)}
        self._everything = KeptResults(self._add_up, SIZES_KEPT)
        self._own = KeptResults(self._find_own, IMAGES_KEPT)
        self._images = KeptResults(self._count_images, SIZES_KEPT)

    @property
    def names(self) -> tuple[str, ...]:
        """The images."""
        return tuple(self._ranges)

    def everything(self, shape: Shape) -> Array:
        """The number of fixations of all images at each pixel, int64 (H, W); not to be written to."""
        return self._everything(shape)[0]

    def own(self, name: str, shape: Shape) -> FixationPositions:
        """Where the image itself was fixated.

        Raises:
            RefusedMap: the image is none of the data set.
        """
        return self._own(name, shape)

    def places(self, shape: Shape) -> FixationCounts:
        """Where all images together were fixated."""
        return self._everything(shape)[1]

    def images(self, shape: Shape) -> FixationPositions:
        """Where images were fixated, and on how many of them; not to be written to."""
        return self._images(shape)

    def _find_own(self, name: str, shape: Shape) -> FixationPositions:
        if name not in self._ranges:
            msg = f"the data set whose fixations are compared has none on {name!r}"
            raise RefusedMap(msg)
        chosen = self._ranges[name]
        return counted_once(self._places(shape, chosen), self._counts[chosen])

    def _count_images(self, shape: Shape) -> FixationPositions:
        import numpy as np

        image = np.repeat(
            np.arange(len(self._ranges)), [chosen.stop - chosen.start for chosen in self._ranges.values()]
        )
        pixels = shape[0] * shape[1]
        once = np.unique(image * pixels + self._places(shape, slice(None)))
        places, counts = np.unique(once % pixels, return_counts=True)
        return places, counts.astype(np.float64)

    def _places(self, shape: Shape, chosen: slice) -> Array:
        import numpy as np

        sizes, positions = self._sizes[chosen], [self._rows[chosen], self._cols[chosen]]
        if (sizes != shape).any():
            positions = [rescale_positions(one, sizes[:, side], shape[side]) for side, one in enumerate(positions)]
        rows, cols = (np.floor(one).astype(np.int64) for one in positions)
        return rows * shape[1] + cols

    def _add_up(self, shape: Shape) -> tuple[Array, FixationCounts]:
        import numpy as np

        places = self._places(shape, slice(None))
        counts = np.bincount(places, weights=self._counts, minlength=shape[0] * shape[1]).astype(np.int64)
        seen = np.flatnonzero(counts)
        how_often = counts[seen].astype(np.float64)
        again = how_often > 1
        return counts.reshape(shape), FixationCounts(seen, how_often, seen[again], how_often[again] - 1)


def _shape(name: str, points: Fixations) -> Shape:
    if points.shape is None:
        msg = f"the size of the image {name!r} is unknown, so the fixations on it cannot be moved to other images"
        raise RefusedMap(msg)
    return points.shape
