"""What a run reads, so that nothing it writes takes the place of it, or is read by the next run as if it were data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from kldeval.data.load import SUFFIX, sidecar_members, sidecar_of
from kldeval.data.readers import is_readable
from kldeval.dataclass import dataclass
from kldeval.errors import UsageProblem, printable
from kldeval.urls import is_url

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator


@dataclass(frozen=True, slots=True)
class Inputs:
    """The files and folders of a run; `fixations` are those of the folders whose lists are read, too."""

    paths: tuple[Path, ...]
    fixations: tuple[Path, ...] = ()

    def check_file(self, target: Path) -> None:
        """Refuse to write a file over an input, over a map's sidecar, or among maps as if it were one.

        Raises:
            UsageProblem: naming both.
        """
        if any(is_same(target, path) for path in self._every_file()):
            raise _refused(target, "it is read by this run; name another file")
        for folder in self._folders():
            wanted = _is_read_as_fixations if folder in self.fixations else is_readable
            if wanted(target.resolve().name) and _is_within(target, folder):
                raise _refused(target, f"it would be an input among those of {printable(folder)}; name another file")
        if _is_sidecar(target):
            raise _refused(target, "it says how the map beside it was made; name another file")

    def check_folder(self, folder: Path, names: Collection[str], *, is_here: bool = True) -> None:
        """Refuse a folder for files below `folder/NAME` of each name that is, or lies in, a folder that is read.

        Where there are names, the folder that holds a file that is read is refused, too: a run may read all of it. One
        that has to be here is no URL.

        Raises:
            UsageProblem: naming both.
        """
        if is_here and is_url(folder):
            raise _refused(folder, "this is written to a folder of a file system, and not to a URL")
        if folder.parts[:1] == ("~",) and not Path("~").exists():
            raise _refused(folder, "a shell makes the home folder of ~, and none has seen this; write the folder out")
        for path in self._folders():
            if _is_within(folder, path):
                raise _refused(folder, f"the next run would read it as maps of {printable(path)}; name another folder")
        below = [folder / name for name in names]
        for path in self._every_file():
            if any(_is_within(path, one) for one in below):
                raise _refused(folder, f"{printable(path)} would be among its files; name another folder")
            if names and _holds(folder, path):
                raise _refused(folder, f"{printable(path)}, which is read, lies there; name another folder, as terms")

    def _every_file(self) -> Iterator[Path]:
        yield from self.paths
        yield from self.fixations

    def _folders(self) -> Iterable[Path]:
        return (path for path in self._every_file() if path.is_dir())


def is_same(target: Path, path: Path) -> bool:
    """Whether the two are one file."""
    try:
        return target.is_file() and target.samefile(path)
    except OSError:
        return False


def _is_within(path: Path, folder: Path) -> bool:
    return path.resolve().is_relative_to(folder.resolve())


def _holds(folder: Path, path: Path) -> bool:
    """Whether the path, as it is named or where a link leads, is a file directly in the folder."""
    return path.is_file() and folder.resolve() in (path.parent.resolve(), path.resolve().parent)


def _is_read_as_fixations(name: str) -> bool:
    from kldeval.data.fixations import has_fixations

    return has_fixations(name)


def _is_sidecar(target: Path) -> bool:
    beside = target.with_suffix(SUFFIX)
    return sidecar_of(beside) == target and beside.is_file() and sidecar_members(target) is not None


def _refused(target: Path, what: str) -> UsageProblem:
    return UsageProblem(f"cannot write {printable(target)}: {what}")
