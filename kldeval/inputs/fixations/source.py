"""The fixations of a data set by the name of the image: from one file, or from a folder with a file for each image."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from kldeval.errors import NoPartner, UnreadableMap, UsageProblem
from kldeval.inputs.fixations import has_fixations, read_fixations
from kldeval.inputs.fixations.lists import LISTS
from kldeval.inputs.listing import list_folder
from kldeval.inputs.pairing import name_of
from kldeval.inputs.shown import examples, shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from kldeval.inputs.fixations.reading import FixationReading
    from kldeval.inputs.fixations.record import Fixations


@dataclass(frozen=True, slots=True)
class FixationSource:
    """Where fixations come from.

    `known` are those of a file of many images, which was read at once; `files` are those of a folder by the name of the
    image, each read when it is asked for. `only` is the one entry of a file of a single image.
    """

    path: Path
    reading: FixationReading
    known: Mapping[str, Fixations]
    files: Mapping[str, tuple[Path, ...]]
    only: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The images, in the order of their names."""
        return tuple(sorted({*self.known, *self.files}))

    def of(self, name: str, file: Path | None = None) -> Fixations:
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
        return replace(self, known=known, files=files, reading=replace(self.reading, drops_first=False))

    def _file(self, name: str) -> Path:
        files = self.files.get(name, ())
        if not files:
            msg = f"no fixations in {shown(self.path)} for {name!r}; it has some for {examples(self.names) or 'none'}"
            raise NoPartner(msg)
        if len(files) > 1:
            msg = f"{len(files)} files hold fixations for {name!r}: {', '.join(map(shown, files))}; keep one"
            raise NoPartner(msg)
        return files[0]


def open_fixations(path: Path, reading: FixationReading) -> FixationSource:
    """The fixations of a file or of a folder.

    Raises:
        UsageProblem: the path does not exist, or holds no fixations that can be read.
    """
    if path.is_dir():
        return _folder(path, reading)
    if not path.exists():
        msg = f"{shown(path)} does not exist; fixations are read from a file or a folder"
        raise UsageProblem(msg)
    known = _known(path, reading)
    is_list = path.suffix.lower() in LISTS
    return FixationSource(path, reading, known, {}, next(iter(known)) if len(known) == 1 and not is_list else None)


def fixations_of_files(files: Mapping[str, Path], reading: FixationReading, path: Path) -> FixationSource:
    """The fixations of files that were named one by one, in the manifest at `path`."""
    return FixationSource(path, reading, {}, {name: (file,) for name, file in files.items()})


def _folder(path: Path, reading: FixationReading) -> FixationSource:
    known: dict[str, Fixations] = {}
    files: defaultdict[str, tuple[Path, ...]] = defaultdict(tuple)
    for relative in list_folder(path, has_fixations).maps:
        file = path / relative
        if file.suffix.lower() in LISTS:
            known |= _new(_known(file, reading), known, file)
        else:
            files[name_of(relative)] += (file,)
    if not known and not files:
        msg = f"{shown(path)} holds no file that fixations are read from: maps, .mat and {' '.join(sorted(LISTS))}"
        raise UsageProblem(msg)
    return FixationSource(path, reading, known, dict(files))


def _known(file: Path, reading: FixationReading) -> Mapping[str, Fixations]:
    try:
        return read_fixations(file, reading)
    except UnreadableMap as problem:
        raise UsageProblem(str(problem)) from problem


def _new(found: Mapping[str, Fixations], known: Iterable[str], file: Path) -> Mapping[str, Fixations]:
    twice = sorted(set(found) & set(known))
    if twice:
        msg = f"{shown(file)}: fixations for {twice[0]!r} stand in another list of the folder, too; keep one"
        raise UsageProblem(msg)
    return found


def _only_image(file: Path, reading: FixationReading) -> Fixations:
    found = read_fixations(file, reading)
    if len(found) != 1:
        msg = f"{shown(file)}: it holds the fixations on {len(found)} images; give the file itself, not its folder"
        raise UnreadableMap(msg)
    return next(iter(found.values()))
