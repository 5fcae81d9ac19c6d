"""The keywords of a call as settings of its numbers and options of its run, the same for every question."""

from __future__ import annotations

from operator import index
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kldeval.api.sources import BESIDE, beside, check_paired, class_axes, folder_of, is_path
from kldeval.data.volumes import PLANE
from kldeval.dataclass import NamedTuple
from kldeval.digests import begin_request
from kldeval.errors import UnknownName, UsageProblem
from kldeval.functional import check_names, requested
from kldeval.memory import NamedMaps
from kldeval.run_options import RunOptions
from kldeval.settings.auxiliary import READING, beside_paths, beside_texts
from kldeval.settings.build import KNOWN_TEXTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from kldeval.memory import MapFolder
    from kldeval.settings.settings import Settings

SETTINGS = frozenset({*KNOWN_TEXTS, "signature", "preset"})
"""The keywords that move a number."""

OPTIONS = frozenset({*SETTINGS, *RunOptions._fields})
"""The keywords of a run over maps."""


class LibraryCall(NamedTuple):
    """What a call asks for: of its numbers, and of its run; `arrays` is what stands beside maps in memory."""

    settings: Settings
    request: RunOptions
    arrays: dict[str, Any]

    def beside(self, folder: object) -> RunOptions:
        """The options of the run with what stands beside the maps of a side, which may be in memory."""
        names = list(folder.maps) if isinstance(folder, NamedMaps) else None
        held = {what: beside(value, what, names, self.spatial) for what, value in self.arrays.items()}
        return self.request._replace(**held)  # type: ignore[arg-type]  # each is of its own field

    @property
    def spatial(self) -> int:
        """How many axes of an array are those of one map."""
        return self.request.spatial_axes or PLANE

    def sides(self, pred: Any, gt: Any) -> tuple[MapFolder | None, MapFolder | None]:
        """What stands for predictions and ground truths; arrays hold as many maps, with axes of classes or without.

        Raises:
            UsageProblem: they are nothing that maps could come from, or not as many.
            RefusedMap: an array that holds no maps.
        """
        axes = class_axes(self.settings, pred, gt)
        found = (
            folder_of(pred, "pred", classes=axes[0], spatial=self.spatial),
            folder_of(gt, "gt", classes=axes[1], spatial=self.spatial),
        )
        check_paired(*found)
        return found


def library_call(
    keywords: Mapping[str, Any], *, known: Iterable[str] = OPTIONS, beside_items: Iterable[str] = ()
) -> LibraryCall:
    """The settings and the options of a run that keywords stand for; None is not said.

    `beside_items` stand beside the pairs of an iterable, which holds them.

    Raises:
        UnknownName: a keyword does not exist.
        UsageProblem: one has no meaning.
    """
    begin_request()
    options = {name: value for name, value in keywords.items() if value is not None}
    # audit has conventions, which check_names says
    of_evaluate = [name for name in options if name in OPTIONS and not {name, f"{name}s"} & {*known}]
    if of_evaluate:
        msg = f"unknown option {', '.join(map(repr, of_evaluate))} here: it is one of evaluate, and means nothing here"
        raise UnknownName(msg)
    check_names(options, known)
    if "device" in options:
        options["device"] = str(options["device"])  # torch has devices that are no texts
    arrays = {name: options.pop(name) for name in BESIDE if name in options and not is_path(options[name])}
    if "fixations" in arrays:
        _refuse_reading(options)
    words = dict.fromkeys((name for name in (*arrays, *beside_items) if name != "fixations"), "maps")
    said = {name: value for name, value in options.items() if name not in RunOptions._fields}
    run = {name: options[name] for name in options if name in RunOptions._fields} | beside_paths(options)
    _check_counts(
        {name: run[name] for name in ("limit", "jobs", "batch_bytes", "max_pixels", "spatial_axes") if name in run}
    )
    for name in ("manifest", "save_maps", "cache"):
        if run.get(name) is not None:
            run[name] = path_of(run[name], name)
    if options.get("maps") == "groups":
        said["group_by"] = run.get("group_by")
    if isinstance(run.get("exclude"), str):
        run["exclude"] = (run["exclude"],)
    settings = requested(said, {**beside_texts(options), **words}, manifest="manifest" in run)
    return LibraryCall(settings, RunOptions(**run), arrays)


OF_FIXATION_FILES = tuple(f"fixation_{part}" for part in READING if part not in ("first", "threshold", "on"))
"""How positions in files become counts; arrays of fixations are counts already."""


def _refuse_reading(options: Mapping[str, Any]) -> None:
    """Refuse keywords that say how files of fixations are read, where these are arrays.

    Raises:
        UsageProblem: naming the first of them.
    """
    for name in OF_FIXATION_FILES:
        if name in options:
            msg = f"{name}={options[name]!r} says how files of fixations are read, and these are arrays of counts"
            raise UsageProblem(msg)


def path_of(value: Any, name: str) -> Path:
    """The path that a keyword names.

    Raises:
        UsageProblem: it is "", which would be the current folder, or no path.
    """
    if not is_path(value):
        msg = f"{name} is of type {type(value).__name__}; give the name of a folder or a file, a text or a Path"
        raise UsageProblem(msg)
    if value == "":
        msg = f'{name} is empty (""); give the name of a folder or a file'
        raise UsageProblem(msg)
    return Path(value)


def _check_counts(counts: dict[str, Any]) -> None:
    """Refuse what is no count: a text, a fraction, a boolean, or less than 1; integers of numpy are counts."""
    wrong = {name: count for name, count in counts.items() if not _is_count(count)}
    if wrong:
        msg = f"{', '.join(f'{name}={count!r}' for name, count in wrong.items())}: a number of 1 or more"
        raise UsageProblem(msg)


def _is_count(value: Any) -> bool:
    return value is None or (hasattr(value, "__index__") and not isinstance(value, bool) and index(value) >= 1)
