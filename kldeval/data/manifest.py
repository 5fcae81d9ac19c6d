"""A table that says which files belong together: columns pred and gt, and name, group, fixations, mask where needed.

CSV and TSV have a header, whose columns commas, tabs or semicolons separate; JSON Lines have an object with the same
keys a line. Paths are relative to the manifest's
folder, for standard input (`-`) to the working directory.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from kldeval.data.containers import member_at
from kldeval.data.delimiters import delimiter_of
from kldeval.data.listing import normal
from kldeval.errors import UnreadableMap, UsageProblem, count, examples, printable
from kldeval.grammar import suggestion
from kldeval.memory import Member
from kldeval.records import Pair
from kldeval.regular import read_bounded, read_regular, why
from kldeval.suffixes import stem_of
from kldeval.urls import MASK, is_url

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence


COLUMNS = ("pred", "gt", "name", "group", "fixations", "mask")
REQUIRED = ("pred", "gt")
PATHS = ("pred", "gt", "fixations", "mask")

STDIN = Path("-")

Row = tuple[int, dict[str, str]]
"""The number of a line, and its cells by column."""


def read_manifest(path: Path) -> tuple[Pair, ...]:
    """The pairs of a manifest, sorted by name; a row without a name has that of its ground truth's path.

    Raises:
        UsageProblem: the file cannot be read, a column is unknown or missing, a cell is empty, or a name stands twice.
    """
    where = "standard input" if path == STDIN else printable(path)
    folder = Path() if path == STDIN else path.parent
    rows = _rows(_text(path, where), path.suffix.lower(), where)
    pairs = [_pair(cells, folder, f"{where}, line {number}") for number, cells in rows]
    if not pairs:
        msg = f"{where} names no pair; it needs the columns {' and '.join(REQUIRED)} and a row for each pair"
        raise UsageProblem(msg)
    _check(pairs, where)
    return tuple(sorted(pairs, key=lambda pair: pair.name))


def _text(path: Path, where: str) -> str:
    if path == STDIN and sys.stdin is None:  # a shell closed it
        msg = "cannot read the manifest from standard input: it is closed"
        raise UsageProblem(msg)
    try:
        data = _standard_input() if path == STDIN else read_regular(path)
        return data.decode("utf-8-sig")
    except OSError as error:
        msg = f"cannot read the manifest {where}: {why(error)}"
    except UnicodeDecodeError as error:
        msg = f"the manifest {where} is not UTF-8: {error.reason} at byte {error.start}"
    raise UsageProblem(msg)


@lru_cache(1)
def _standard_input() -> bytes:
    """What stands on standard input, which can be read only once."""
    return read_bounded(sys.stdin.buffer)


def _rows(text: str, suffix: str, where: str) -> Iterator[Row]:
    """The rows of any of the three forms: that of the suffix, else what the first line looks like."""
    first = text.lstrip().partition("\n")[0]
    if suffix in (".jsonl", ".ndjson") or (suffix not in (".csv", ".tsv") and first.startswith("{")):
        return _json_rows(text, where)
    usual = "\t" if suffix == ".tsv" or (suffix != ".csv" and "\t" in first) else ","
    return _delimited_rows(text, delimiter_of(first, usual), where)


def _delimited_rows(text: str, delimiter: str, where: str) -> Iterator[Row]:
    import csv
    import io

    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        head = [cell.strip() for cell in next(reader, [])]
        _check_columns(head, f"{where}, line 1")
        for cells in reader:
            if len(cells) not in (0, len(head)):
                msg = f"{where}, line {reader.line_num}: {len(cells)} cells under {len(head)} columns"
                raise UsageProblem(msg)
            if cells:
                yield reader.line_num, dict(zip(head, cells, strict=True))
    except csv.Error as error:
        msg = f"{where}, line {reader.line_num}: {error}"
        raise UsageProblem(msg) from error


def _json_rows(text: str, where: str) -> Iterator[Row]:
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            cells = json.loads(line)
        except (ValueError, RecursionError) as error:
            msg = f"{where}, line {number} is not JSON: {error}"
            raise UsageProblem(msg) from error
        if not isinstance(cells, dict) or not all(isinstance(cell, str) for cell in cells.values()):
            msg = f'{where}, line {number} is no object of texts such as {{"pred": "p/1.png", "gt": "g/1.png"}}'
            raise UsageProblem(msg)
        _check_columns(list(cells), f"{where}, line {number}")
        yield number, cells


def _check_columns(columns: Sequence[str], where: str) -> None:
    for column in columns:
        if column not in COLUMNS or columns.count(column) > 1:
            fault = "stands twice" if column in COLUMNS else f"is unknown{suggestion(column, COLUMNS)}"
            msg = f"{where}: the column {column!r} {fault}"
            raise UsageProblem(msg)
    missing = [column for column in REQUIRED if column not in columns]
    if missing:
        msg = f"{where}: the column {missing[0]!r} is missing; there are {', '.join(columns) or 'none'}"
        raise UsageProblem(msg)


def _pair(cells: dict[str, str], folder: Path, where: str) -> Pair:
    empty = [column for column in (*REQUIRED, "name") if cells.get(column) == ""]
    if empty:
        msg = f"{where}: the cell of {empty[0]!r} is empty"
        raise UsageProblem(msg)
    cells = {**cells, **{key: _posix(folder, cells[key]) for key in PATHS if cells.get(key)}}
    paths = {key: folder / cells[key] for key in ("fixations", "mask") if cells.get(key)}
    elsewhere = next((key for key in paths if is_url(Path(cells[key]))), None)
    if elsewhere:
        msg = f"{where}: {elsewhere} at a URL: of a manifest, only maps are read from URLs"
        raise UsageProblem(msg)
    # the ground truth's path, because it is the same whichever model and whichever part of the data a manifest lists
    name = cells.get("name") or _default_name(cells["gt"])
    if ".." in PurePosixPath(name).parts or name.startswith("/"):
        msg = f"{where}: the name {name!r} leads out of a folder; names are relative paths without '..'"
        raise UsageProblem(msg)
    pred, gt = (_file(folder, cells[key]) for key in REQUIRED)
    pair = Pair(normal(name), pred, gt, cells.get("group", ""))
    return replace(pair, fixations=paths.get("fixations"), mask=paths.get("mask"))


def _posix(folder: Path, cell: str) -> str:
    """A path as this system writes it: backslashes of Windows part folders where no file has them in its name."""
    return cell.replace("\\", "/") if "\\" in cell and not (folder / cell).exists() else cell


def _file(folder: Path, cell: str) -> Path | Member:
    """A map of its own, or a member of a file that holds many; what cannot be found fails when it is read."""
    if is_url(Path(cell)):
        return member_at(Path(cell)) or Path(cell)
    path = folder / cell
    if "." not in cell.rpartition("/")[0]:
        return path
    try:
        return member_at(path) or path
    except UsageProblem as problem:
        if path.is_file():
            return path
        # what is wrong with the way into the container is the failure of this map
        return Member(path.parent, path.name, __name__, (), is_array=True, held=UnreadableMap(str(problem)))


def _default_name(gt: str) -> str:
    """The path without suffix, and without what leads out of a folder; of a URL what is after its scheme."""
    if is_url(Path(gt)):
        found = member_at(Path(gt))
        gt = str(found).partition("://")[2].removeprefix(f"{MASK}@")
    path = PurePosixPath(gt)
    return "/".join(part for part in (*path.parts[:-1], stem_of(path)) if part not in ("/", ".."))


def _check(pairs: Sequence[Pair], where: str) -> None:
    twice = _repeated(pair.name for pair in pairs)
    if twice:
        stand = "stands" if len(twice) == 1 else "stand"
        some = f"{count(len(twice), 'name')} {stand} twice (such as {examples(twice)})"
        msg = f"{where}: {some}; give each row its own in 'name'"
        raise UsageProblem(msg)
    lacking = [pair.name for pair in pairs if not pair.group]
    if lacking and len(lacking) < len(pairs):
        some = f"{len(lacking)} of {len(pairs)} rows have no group (such as {examples(lacking)})"
        msg = f"{where}: {some}; give a group to all or to none"
        raise UsageProblem(msg)


def _repeated(names: Iterable[str]) -> set[str]:
    seen: set[str] = set()
    return {name for name in names if name in seen or seen.add(name)}  # type: ignore[func-returns-value]
