"""Lists of fixations: one per row of a .csv or .tsv, per object of a .json list, or per line of a .jsonl.

Columns: name, x, y and where known observer, duration, count, in any order and case, beside any others. x counts
columns and y rows. In JSON, x and y may be lists: the scanpath of one observer, as in COCO-Search18 and COCO-FreeView,
whose words (subject, T) are understood too.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from kldeval.data.delimiters import delimiter_of
from kldeval.data.fixations.columns import column_of, image_of, pairs_of
from kldeval.data.fixations.documents import read_document
from kldeval.data.fixations.maps import MOST_AT_A_PLACE
from kldeval.data.readers.stored import unreadable
from kldeval.dataclass import dataclass
from kldeval.errors import printable
from kldeval.records import Fixations, fixations_at
from kldeval.regular import why

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from kldeval.arrays import NumpyArray as Array
    from kldeval.data.fixations.maps import FixationReading

    Columns = Mapping[str, Sequence[str]]


Row = tuple[str, "Mapping[str, Any]"]
"""Where a record stands in its file, and its values by column."""


@dataclass(frozen=True, slots=True)
class Point:
    """One entry of a list."""

    x: float
    y: float
    observer: str | None
    duration: float | None
    count: int


def read_list(path: Path, reading: FixationReading) -> Mapping[str, Fixations]:
    """The fixations of every image that the list names; an image suffix is no part of a name.

    Raises:
        UnreadableMap: the file is missing or no list, a column is missing, or a value is no number; with its line.
    """
    points: dict[str, list[Point]] = defaultdict(list)
    suffix, base = path.suffix.lower(), reading.base or 0
    is_plain = reading.columns is None and reading.where is None and suffix in DELIMITERS
    parts = _Parts(path)
    try:
        regular = read_columns(path, _delimiter(path), base) if is_plain else None
        if regular is not None:
            return regular
        document = _parsed(path) if suffix == JSON else None
        found = read_document(document, path, reading) if suffix == JSON else None
        if found is not None:
            return found
        rows = _json_rows(path, document) if suffix == JSON else ROWS[suffix](path)
        for where, record in _chosen(_renamed(rows, path, reading.columns), path, reading.where):
            name, entries = _points(path, where, record)
            points[name] += entries
            parts.add(name, record)
    except OSError as error:
        raise unreadable(path, why(error)) from error
    except (UnicodeDecodeError, csv.Error, RecursionError) as error:
        raise unreadable(path, f"no list of fixations: {error}") from error
    if not points:
        chosen = f"no row has {reading.where}" if reading.where else "it is empty"
        raise unreadable(path, f"no list of fixations: {chosen}")
    parts.check()
    return {name: _fixations(path, name, found, base) for name, found in points.items()}


PARTING = ("task", "condition")
"""Columns that part the fixations on one image, as in COCO-Search18, where it was searched for several objects."""


class _Parts:
    """The tasks and conditions under which each image was seen: fixations under several are not those of one."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: dict[tuple[str, str], set[str]] = defaultdict(set)

    def add(self, name: str, record: Mapping[str, Any]) -> None:
        """Note what a record says of its image."""
        for column in PARTING:
            text = _text(record.get(column))
            if text is not None:
                self._seen[name, column].add(text)

    def check(self) -> None:
        """Refuse an image that was seen under several.

        Raises:
            UnreadableMap: naming the image and the option that chooses one.
        """
        for (name, column), texts in self._seen.items():
            if len(texts) > 1:
                known = ", ".join(map(printable, sorted(texts)))
                what = (
                    f"image {printable(name)} has fixations of several {column}s ({known}); choose one, such as "
                    f"--fixation-where '{column}={min(texts)}'"
                )
                raise unreadable(self._path, what)


def _renamed(rows: Iterable[Row], path: Path, columns: str | None) -> Iterator[Row]:
    """The records with the columns that the user named under their standard words."""
    wanted = {word: column_of(title) for word, title in pairs_of(columns).items()}
    for where, record in rows:
        lacking = [title for title in wanted.values() if title not in record]
        if lacking:
            known = ", ".join(map(printable, record))
            raise unreadable(path, f"{where}: --fixation-columns names {lacking[0]!r}, and its columns are {known}")
        yield where, {**record, **{word: record[title] for word, title in wanted.items()}}


def _chosen(rows: Iterable[Row], path: Path, where: str | None) -> Iterator[Row]:
    """The records that have the texts that the user asks for."""
    wanted = {column_of(title): text for title, text in pairs_of(where).items()}
    for place, record in rows:
        lacking = [title for title in wanted if title not in record]
        if lacking:
            known = ", ".join(map(printable, record))
            raise unreadable(path, f"{place}: --fixation-where names {lacking[0]!r}, and its columns are {known}")
        if all(_text(record[title]) == text for title, text in wanted.items()):
            yield place, record


def _fixations(path: Path, name: str, points: list[Point], base: int) -> Fixations:
    return fixations_at(
        [point.y - base for point in points],
        [point.x - base for point in points],
        [point.count for point in points],
        observers=_all_or_none(path, name, "observer", [point.observer for point in points]),
        durations=_all_or_none(path, name, "duration", [point.duration for point in points]),
    )


def _all_or_none(path: Path, name: str, column: str, values: list[Any]) -> list[Any] | None:
    """The values, or None if there are none; some are too few to go by."""
    absent = values.count(None)
    if 0 < absent < len(values):
        raise unreadable(path, f"image {printable(name)}: {absent} of {len(values)} fixations have no {column}")
    return None if absent else values


def _points(path: Path, where: str, record: Mapping[str, Any]) -> tuple[str, list[Point]]:
    missing = [column for column in REQUIRED if _text(record.get(column)) is None]
    if missing:
        columns = ", ".join(map(printable, record)) or "none"
        what = f"{where}: no {missing[0]}; a list of fixations has {', '.join(REQUIRED)}, this has {columns}"
        if missing[0] not in record:
            what += f"; where it is called otherwise: --fixation-columns {missing[0]}=TITLE"
        raise unreadable(path, what)
    xs, ys = (value if isinstance(value, list) else [value] for value in (record["x"], record["y"]))
    times = record.get("duration")
    times = times if isinstance(times, list) else [times] * len(xs)
    if not len(xs) == len(ys) == len(times):
        raise unreadable(path, f"{where}: {len(xs)} x, {len(ys)} y and {len(times)} durations; they must be as many")
    number, position = _number_reader(path, where), _number_reader(path, where, allows_nan=True)
    observer = _text(record.get("observer"))
    count = _count(path, where, record.get("count"))
    points = [
        Point(position("x", x), position("y", y), observer, None if _text(t) is None else number("duration", t), count)
        for x, y, t in zip(xs, ys, times, strict=True)
    ]
    return image_of(str(record["name"])), points


def _text(value: Any) -> str | None:
    """The value as text; None for nothing or an empty field."""
    text = "" if value is None else str(value).strip()
    return text or None


def _number_reader(path: Path, where: str, *, allows_nan: bool = False) -> Callable[[str, Any], float]:
    """What reads a number; nan is a position that was lost, and outside every map."""

    def number(column: str, value: Any) -> float:
        try:
            read = math.inf if isinstance(value, bool) else float(value)
        except (TypeError, ValueError, OverflowError):
            read = math.inf
        if not (math.isfinite(read) or (allows_nan and math.isnan(read))):
            raise unreadable(path, f"{where}: {column} is {value!r}, which is no finite number")
        return read

    return number


def _count(path: Path, where: str, value: Any) -> int:
    if _text(value) is None:
        return 1
    count = _number_reader(path, where)("count", value)
    if not 1 <= count <= MOST_AT_A_PLACE or count != int(count):
        raise unreadable(path, f"{where}: count is {value!r}; it must be a whole number from 1 to {MOST_AT_A_PLACE}")
    return int(count)


def _columns_of_list(record: Mapping[Any, Any]) -> dict[str, Any]:
    """The record by the standard words for its columns."""
    return {column_of(str(key)): value for key, value in record.items() if key is not None}


def _delimiter(path: Path) -> str:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return delimiter_of(file.readline(LONGEST_HEAD), DELIMITERS[path.suffix.lower()])


def _table_rows(path: Path) -> Iterator[Row]:
    delimiter = _delimiter(path)
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file, delimiter=delimiter)
        for record in reader:
            yield f"line {reader.line_num}", _columns_of_list(record)


def _parsed(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except json.JSONDecodeError as error:
        raise unreadable(path, f"no JSON: {error}") from error


def _json_rows(path: Path, records: Any) -> Iterator[Row]:
    for index, record in enumerate(records):
        yield _object(path, f"entry {index}", record)


def _line_rows(path: Path) -> Iterator[Row]:
    with path.open(encoding="utf-8-sig") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                record = json.loads(line)
            except json.JSONDecodeError as error:
                raise unreadable(path, f"line {number}: no JSON: {error}") from error
            yield _object(path, f"line {number}", record)


def _object(path: Path, where: str, record: Any) -> Row:
    if not isinstance(record, dict):
        raise unreadable(path, f"{where}: {type(record).__name__} instead of an object with {', '.join(REQUIRED)}")
    return where, _columns_of_list(record)


DELIMITERS: Mapping[str, str] = {".csv": ",", ".tsv": "\t"}

LONGEST_HEAD = 2**16
"""Characters of the titles of the columns."""

JSON = ".json"

ROWS: Mapping[str, Callable[[Path], Iterator[Row]]] = {
    **dict.fromkeys(DELIMITERS, _table_rows),
    ".jsonl": _line_rows,
}
"""The reader of each suffix of a table: an iterator over its records."""

LISTS = frozenset({*ROWS, JSON})
"""The suffixes of lists."""


def read_columns(path: Path, delimiter: str, base: int) -> dict[str, Fixations] | None:
    """The fixations of every image in a table; None where a field is empty, out of place or no number.

    Raises:
        OSError, UnicodeDecodeError, csv.Error: the file cannot be read.
    """
    columns = _columns(path, delimiter)
    if columns is None or not all(map(str.strip, columns["name"])):
        return None
    if set(PARTING) & set(columns):
        return None
    numbers = {
        name: _numbers(columns.get(name), allows_nan=name in ("x", "y")) for name in ("x", "y", "duration", "count")
    }
    observers = [text.strip() for text in columns.get("observer", ())]
    counts = numbers["count"]
    if any(found is None for found in numbers.values()) or not all(observers):
        return None
    if counts is None or not ((counts >= 1) & (counts <= MOST_AT_A_PLACE) & (counts % 1 == 0)).all():
        return None
    given = {name: found for name, found in numbers.items() if found is not None and len(found)}
    return _by_image(columns["name"], given, observers, base)


def _columns(path: Path, delimiter: str) -> Columns | None:
    with path.open(encoding="utf-8-sig", newline="") as file:
        text = file.read()
    width, fields = _quoted(text, delimiter) if '"' in text else _plain(text, delimiter)
    words = [column_of(title) for title in fields[:width]]
    is_regular = len(fields) > width == len(set(words)) and set(REQUIRED) <= set(words)
    return {word: fields[place + width :: width] for place, word in enumerate(words)} if is_regular else None


def _plain(text: str, delimiter: str) -> tuple[int, list[str]]:
    """The number of columns and all fields, row by row; none where the rows are not of one length."""
    lines = [line for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n") if line]
    widths = {line.count(delimiter) + 1 for line in lines}
    return (widths.pop(), delimiter.join(lines).split(delimiter)) if len(widths) == 1 else (0, [])


def _quoted(text: str, delimiter: str) -> tuple[int, list[str]]:
    """The number of columns and all fields of a text that has quotes."""
    rows = [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter) if row]
    widths = set(map(len, rows))
    return (widths.pop(), [field for row in rows for field in row]) if len(widths) == 1 else (0, [])


def _numbers(texts: Sequence[str] | None, *, allows_nan: bool = False) -> Array | None:
    """Finite numbers, none where there is no column; None where a text is none."""
    import numpy as np

    try:
        found = np.fromiter(map(float, texts or ()), np.float64)
    except ValueError:
        return None
    sound = np.isfinite(found) | np.isnan(found) if allows_nan else np.isfinite(found)
    return found if sound.all() else None


def _by_image(
    names: Sequence[str], numbers: Mapping[str, Array], observers: Sequence[str], base: int
) -> dict[str, Fixations]:
    import numpy as np

    images = {text: image_of(text) for text in dict.fromkeys(names)}
    places = {image: place for place, image in enumerate(dict.fromkeys(images.values()))}
    place_of = {text: places[image] for text, image in images.items()}
    owner = np.fromiter(map(place_of.__getitem__, names), np.int64)
    order = np.argsort(owner, kind="stable")
    ends = np.cumsum(np.bincount(owner))

    def of(rows: Array) -> Fixations:
        mine = {name: array[rows] for name, array in numbers.items()}
        return fixations_at(
            mine["y"] - base,
            mine["x"] - base,
            mine.get("count"),
            observers=[observers[row] for row in rows] if observers else None,
            durations=mine.get("duration"),
        )

    return dict(zip(places, map(of, np.split(order, ends[:-1])), strict=True))


REQUIRED = ("name", "x", "y")
