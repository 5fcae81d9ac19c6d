"""The rows of maps as Parquet files of a folder, its parts: each is there whole or not at all.

A part has the columns of `--output FILE.parquet`, and `details`: what else the JSON report says of a map, as JSON. Its
metadata say what it is of. Rows of scored maps come first, in the order of their names, then those of failures.
"""

from __future__ import annotations

import io
import json
import os
import re
import warnings
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kldeval.atomic import temporary_beside
from kldeval.data.inputs import Inputs
from kldeval.dataclass import dataclass
from kldeval.errors import PartsMissing, UsageProblem, count, printable
from kldeval.grammar import differences
from kldeval.records import Score
from kldeval.regular import open_regular, why
from kldeval.reports.outcome_rows import as_reported, outcome_of, row_of
from kldeval.urls import here_of, is_url, url_of
from kldeval.writers.delimited import failure_rows, score_row
from kldeval.writers.parquet import SIGNATURES, package, table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from kldeval.arrays import NumpyArray as Array
    from kldeval.engine.parts import PartsHead
    from kldeval.reports.documents import Report
    from kldeval.writers.delimited import Row


SCHEMA = "kldeval.part/1"

NAME = re.compile(r"part-(\d{6,})\.parquet")

TEMPORARY = ".kldeval-part-"
"""How the names of unfinished parts begin."""

DETAILS = "details"
"""The column of what the other columns do not have."""


@dataclass(frozen=True, slots=True)
class PartFolder:
    """A folder, or a URL, that takes the parts of a run, and the metadata of all of them; it pickles."""

    place: Path
    keys: tuple[str, ...]
    has_groups: bool
    facts: Mapping[str, str]

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of a part."""
        group = ("group",) if self.has_groups else ()
        return ("name", *group, *self.keys, "n_uncovered", "uncovered_mass", "failure", DETAILS)

    def path(self, number: int) -> Path:
        """Where a part is."""
        return self.place / f"part-{number:06d}.parquet"

    def encoded(self, number: int, scores: Sequence[Score]) -> bytes:
        """The contents of a part of scored maps."""
        return self.encoded_rows(number, [self._row(score) for score in scores])

    def encoded_rows(self, number: int, rows: Sequence[Row]) -> bytes:
        """The contents of a part."""
        facts = {**self.facts, "kldeval.part": str(number)}
        made: Any = table(self.columns, rows).replace_schema_metadata(facts)
        buffer = io.BytesIO()
        package("pyarrow.parquet").write_table(made, buffer)
        return buffer.getvalue()

    def write(self, number: int, data: bytes) -> None:
        """Put a part into the folder, whole or not at all.

        Raises:
            OSError: it cannot be written.
        """
        path = self.path(number)
        if is_url(path):
            from kldeval.data.containers import remote

            remote.write(str(url_of(path)), [data])
            return
        with temporary_beside(path, TEMPORARY) as temporary:
            with temporary.open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)

    def _row(self, score: Score) -> Row:
        kept = replace(as_reported(score), classes=score.classes)
        rest = replace(kept, values={}, n_uncovered=0, uncovered_mass=0.0, group="")
        details = row_of(rest)["score"]
        details.pop("values")
        if not score.name.isprintable():
            details["name"] = score.name  # Parquet has no text that is not UTF-8
        row = score_row(kept, self.keys, score.failures)
        return {**row, **({DETAILS: json.dumps(details)} if details else {})}

    def scores_of(self, found: Any) -> Iterator[Score]:
        """The scores of a table of pyarrow."""
        for row in found.to_pylist():
            details = json.loads(row[DETAILS]) if row[DETAILS] else {}
            name = details.pop("name", row["name"])
            values = {key: row[key] for key in self.keys if row[key] is not None}
            known = {"values": values, "n_uncovered": row["n_uncovered"], "uncovered_mass": row["uncovered_mass"]}
            group = {"group": row["group"]} if row.get("group") else {}
            score = outcome_of(name, {"score": {**known, **group, **details}})
            assert isinstance(score, Score)  # noqa: S101 - for the type checker
            yield score


class Parts:
    """The parts of a run in a folder, and those that could not be written, which are kept and tried again at the end.

    Raises:
        UsageProblem: the folder cannot be made or takes no files, or holds files of these names that are no parts.
        MissingDependency: pyarrow, or what a URL needs, is not installed.
    """

    def __init__(self, place: Path) -> None:
        package("pyarrow")
        self._place = place
        self._kept: dict[int, bytes] = {}
        self._missing: dict[int, str] = {}
        self._folder: PartFolder | None = None
        self._remake: Callable[[int], bytes] | None = None
        self._n_scored = self._n = self._size = 0
        self._is_told = False
        self._old = _parts_of(place)

    @property
    def is_shared(self) -> bool:
        """Whether other processes write into the folder, too: the memory of fsspec is that of one process."""
        return not (url_of(self._place) or "").startswith("memory://")

    def check(self, head: PartsHead) -> None:
        """Refuse a folder that holds the parts of another run, whatever its maps are called.

        Raises:
            UsageProblem: it does.
        """
        facts = _facts(head)
        for path, its in self._old.items():
            _check_same(path, its, facts)

    def begin(self, head: PartsHead, remake: Callable[[int], bytes]) -> PartFolder:
        """Make the folder ready for the parts of a run, which replace those of the same request.

        `remake` gives the contents of a part that somebody removed.

        Raises:
            UsageProblem: it holds those of another one.
        """
        self.check(head)
        self._remake = remake
        folder = PartFolder(self._place, head.keys, head.has_groups, _facts(head))
        for path, its in self._old.items():
            is_same = its["kldeval.names"] == head.names and its["columns"] == repr(folder.columns)
            if not is_same or _number(path) >= head.n_parts:
                _remove(path)
        self._clean()
        self._folder, self._n_scored, self._size = folder, head.n_parts, head.size
        return folder

    def keep(self, number: int, data: bytes, reason: str) -> None:
        """Keep the contents of a part that could not be written; the first one is said at once."""
        if not self._kept:
            msg = f"cannot write {printable(self._path(number))}: {reason}; its rows are kept, and the run goes on"
            warnings.warn(msg, RuntimeWarning, stacklevel=2)
        self._kept[number] = data

    def scores(self, number: int) -> Iterator[Score]:
        """The scores of a part."""
        assert self._folder is not None  # noqa: S101 - for the type checker
        return self._folder.scores_of(self._table(number))

    def values(self, number: int, key: str) -> Array:
        """The numbers of a metric in a part."""
        # `to_numpy` of pyarrow would import pandas
        return np.from_dlpack(self._table(number, [key]).column(key).drop_null().combine_chunks())

    def finish(self, report: Report) -> None:
        """Write the parts of maps that could not be scored, and once more those that are not there."""
        folder = self._folder
        assert folder is not None  # noqa: S101 - for the type checker
        rows, self._n = failure_rows(report), self._n_scored
        while some := list(islice(rows, self._size)):
            self._kept[self._n] = folder.encoded_rows(self._n, some)
            self._n += 1
        if not self._n:
            self._kept[0] = folder.encoded_rows(0, ())
            self._n = 1
        for number in self._absent():
            try:
                if not is_url(self._place):
                    self._place.stat()
                if number not in self._kept:
                    self._kept[number] = self._made_again(number)
                folder.write(number, self._kept[number])
            except OSError as error:
                self._missing[number] = why(error)
            else:
                self._kept.pop(number)
        self._clean()

    def check_written(self) -> None:
        """Say that a part is missing.

        Raises:
            PartsMissing: one could not be written.
        """
        if self._missing:
            number, reason = next(iter(self._missing.items()))
            missing = f"{len(self._missing)} of {count(self._n, 'part')} missing"
            way_out = "mend that and run it again (with --cache nothing is scored twice)"
            msg = f"cannot write {printable(self._path(number))}: {reason}; {missing}: {way_out}"
            raise PartsMissing(msg)

    def _path(self, number: int) -> Path:
        return self._place / f"part-{number:06d}.parquet"

    def _table(self, number: int, columns: list[str] | None = None) -> Any:
        assert self._folder is not None  # noqa: S101 - for the type checker
        parquet = package("pyarrow.parquet")
        if number not in self._kept:
            try:
                with _opened(self._path(number)) as file:
                    found = parquet.ParquetFile(file)
                    if _texts(found.schema_arrow.metadata) == {**self._folder.facts, "kldeval.part": str(number)}:
                        return found.read(columns=columns, use_threads=False)
                reason = "another run wrote it"
            except OSError as error:
                reason = why(error)
            except package("pyarrow").ArrowException as error:
                reason = str(error).partition("\n")[0]
            self._kept[number] = self._made_again(number, reason)
        with io.BytesIO(self._kept[number]) as kept:
            return parquet.ParquetFile(kept).read(columns=columns, use_threads=False)

    def _made_again(self, number: int, reason: str = "no such file or directory") -> bytes:
        """The contents of a part that was written, and is not there any more; the first one is said."""
        assert self._remake is not None  # noqa: S101 - for the type checker
        if not self._is_told:
            self._is_told = True
            msg = f"cannot read {printable(self._path(number))}, which this run wrote: {reason}; it is made again"
            warnings.warn(msg, RuntimeWarning, stacklevel=2)
        return self._remake(number)

    def _absent(self) -> list[int]:
        """The parts that are not in the folder."""
        if is_url(self._place):
            from kldeval.data.containers import remote

            there = {path.name for path in remote.files_below(self._place)}
            return [number for number in range(self._n) if self._path(number).name not in there]
        return [number for number in range(self._n) if number in self._kept or not self._path(number).is_file()]

    def _clean(self) -> None:
        """Remove what was left of parts that were being written when their process ended."""
        if not is_url(self._place):
            for path in self._place.glob(f"{TEMPORARY}*.tmp"):
                path.unlink(missing_ok=True)


def open_parts(place: Path, read: Iterable[object]) -> Parts:
    """Where the rows of a run go; `read` is what it reads.

    Raises:
        UsageProblem: the folder is, or lies in, one that is read, or as `Parts`.
        MissingDependency: as `Parts`.
    """
    place = here_of(place)
    Inputs(tuple(path for path in read if isinstance(path, Path))).check_folder(place, (), is_here=False)
    return Parts(place)


def _facts(head: PartsHead) -> dict[str, str]:
    """The metadata of all parts of a run."""
    return {
        "kldeval.schema": SCHEMA,
        SIGNATURES: json.dumps(dict(head.signatures)),
        "kldeval.run": head.run,
        "kldeval.shard": head.shard,
        "kldeval.inputs": json.dumps(dict(head.inputs)),
        "kldeval.names": head.names,
    }


def _texts(metadata: Mapping[bytes, bytes] | None) -> dict[str, str]:
    return {key.decode(): value.decode() for key, value in (metadata or {}).items()}


def _parts_of(place: Path) -> dict[Path, dict[str, str]]:
    """The parts that are in a folder, which is made if it is not there, with their metadata and their columns.

    Raises:
        UsageProblem: as `Parts`.
    """
    if place.exists() and not place.is_dir():
        msg = f"--output-dir {printable(place)} is a file; name a folder"
        raise UsageProblem(msg)
    try:
        if is_url(place):
            from kldeval.data.containers import remote

            remote.check_writable(str(url_of(place)))
            found = remote.files_below(place)
        else:
            place.mkdir(parents=True, exist_ok=True)
            found = sorted(place.iterdir())
            with temporary_beside(place / "part", TEMPORARY) as temporary:
                temporary.open("xb").close()
        return {path: _facts_of(path) for path in found if NAME.fullmatch(path.name) and path.parent == place}
    except OSError as error:
        msg = f"--output-dir {printable(place)}: {why(error)}"
        raise UsageProblem(msg) from error


def _facts_of(path: Path) -> dict[str, str]:
    """The metadata and the columns of a part.

    Raises:
        UsageProblem: it is none.
        OSError: it cannot be read.
    """
    try:
        with _opened(path) as file:
            schema = package("pyarrow.parquet").read_schema(file)
    except package("pyarrow").ArrowException:
        schema = None
    facts = {} if schema is None else _texts(schema.metadata)
    if facts.get("kldeval.schema") != SCHEMA:
        what = f"{path.name} is no part that this version wrote"
        msg = f"--output-dir {printable(path.parent)}: {what}; name another folder"
        raise UsageProblem(msg)
    return {**facts, "columns": repr(tuple(schema.names))}


def _check_same(path: Path, theirs: Mapping[str, str], ours: Mapping[str, str]) -> None:
    """Refuse the part of another request.

    Raises:
        UsageProblem: saying in what it differs, and what to do.
    """
    what = next(_differences(theirs, ours), None)
    if what:
        holds = f"--output-dir {printable(path.parent)} holds parts of another run ({what})"
        msg = f"{holds}; name another folder, or remove {path.name} and its like"
        raise UsageProblem(msg)


def _differences(theirs: Mapping[str, str], ours: Mapping[str, str]) -> Iterator[str]:
    """In what the metadata of two parts show two requests, the plainest first."""
    both = [json.loads(facts["kldeval.inputs"]) for facts in (theirs, ours)]
    pairs = {what: (both[0].get(what), both[1].get(what)) for what in {**both[0], **both[1]}}
    pairs["share"] = (theirs["kldeval.shard"], ours["kldeval.shard"])
    before, now = (json.loads(facts[SIGNATURES]) for facts in (theirs, ours))
    pairs["metrics"] = (",".join(before), ",".join(now))
    for key in (key for key in before if key in now):
        pairs.update({f"{key}: {part}": values for part, values in differences(before[key], now[key]).items()})
    yield from (f"{what} {its}, here {own}" for what, (its, own) in pairs.items() if its != own)
    if theirs["kldeval.run"] != ours["kldeval.run"]:
        yield "another way to read files, other images beside each, or other versions"


def _number(path: Path) -> int:
    match = NAME.fullmatch(path.name)
    assert match is not None  # noqa: S101 - for the type checker
    return int(match[1])


def _opened(path: Path) -> AbstractContextManager[Any]:
    """A part to read."""
    if not is_url(path):
        return open_regular(path)
    from kldeval.data.containers import remote

    return remote.open_url(path)


def _remove(path: Path) -> None:
    if not is_url(path):
        path.unlink(missing_ok=True)
        return
    from kldeval.data.containers import remote

    remote.remove(str(url_of(path)))
