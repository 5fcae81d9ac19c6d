"""Published numbers as files: what was printed, where, of which files, and the settings that give it."""

from __future__ import annotations

import tomllib
from dataclasses import field
from typing import TYPE_CHECKING, Any

from kldeval.dataclass import dataclass
from kldeval.errors import UsageProblem, printable
from kldeval.regular import read_regular, why
from kldeval.reports.identification import published
from kldeval.settings.build import KNOWN_TEXTS, make_settings
from kldeval.settings.signature import parse_signature

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from kldeval.settings.settings import Settings


HEAD = ("title", "source", "data")
"""What every file says: the title of the number, where it is printed, and where its files come from."""

OPTIONAL = ("note", "options", "files", "number")

NAMING = ("pred_name", "gt_name", "exclude", "group_by", "key", "pred_key", "gt_key")
"""What a row may say of its files in a table [files]: the options that name and choose them."""


@dataclass(frozen=True, slots=True)
class PublishedNumber:
    """A number as it was printed, the settings that give it, and how far from it another one may be.

    `files` are the options that name and choose the files that it is of.
    """

    text: str
    settings: Settings
    tolerance: float
    files: Mapping[str, Any] = field(default_factory=dict)

    @property
    def value(self) -> float:
        """The number."""
        return float(self.text)


@dataclass(frozen=True, slots=True)
class PublishedRow:
    """What a file says of the numbers that a source prints of some files."""

    title: str
    source: str
    data: str
    numbers: tuple[PublishedNumber, ...]
    note: str = ""


def read_row(path: Path) -> PublishedRow:
    """The published numbers in a TOML file.

    Raises:
        UsageProblem: the file cannot be read, is no TOML, or lacks something; naming it.
    """
    found = _decoded(path)
    for name in found:
        if name not in (*HEAD, *OPTIONAL):
            _refuse(path, f"{name!r} means nothing here; known: {', '.join((*HEAD, *OPTIONAL))}")
    for name in HEAD:
        if not isinstance(found.get(name), str):
            _refuse(path, f"it lacks the text {name!r}")
    shared, numbers = found.get("options", {}), found.get("number", [])
    if not (isinstance(shared, dict) and isinstance(numbers, list) and numbers):
        _refuse(path, "it needs a table [[number]] for each number, and [options] for what they share")
    return PublishedRow(
        title=found["title"],
        source=found["source"],
        data=found["data"],
        numbers=tuple(_number(path, one, shared, found.get("files", {})) for one in numbers),
        note=str(found.get("note", "")),
    )


def _decoded(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(read_regular(path).decode("utf-8"))
    except OSError as error:
        msg = f"cannot read {printable(path)}: {why(error)}"
        raise UsageProblem(msg) from error
    except ValueError as error:
        msg = f"{printable(path)} is not TOML: {error}"
        raise UsageProblem(msg) from error


def _files(path: Path, shared: Any, own: Any) -> dict[str, Any]:
    """The options that name the files of a number: those of all, and its own."""
    if not (isinstance(shared, dict) and isinstance(own, dict)):
        _refuse(path, "[files] is a table of options that name files, such as pred_name")
    found: dict[str, Any] = {**shared, **own}
    unknown = [name for name in found if name not in NAMING]
    if unknown:
        _refuse(path, f"{unknown[0]!r} names no files; in [files] stand {', '.join(NAMING)}")
    for name, value in found.items():
        texts = value if name == "exclude" and isinstance(value, list) else [value]
        if not all(isinstance(text, str) for text in texts):
            _refuse(path, f"{name} = {value!r} in [files] is no text")
    globs = found.pop("exclude", ())
    return {**found, **({"exclude": (globs,) if isinstance(globs, str) else tuple(globs)} if globs else {})}


def _number(path: Path, table: Any, shared: dict[str, Any], named: Any) -> PublishedNumber:
    if not isinstance(table, dict) or not isinstance(table.get("value"), str):
        _refuse(path, 'each [[number]] has the number as it was printed, value = "0.27" (a text: its digits matter)')
    text = table["value"]
    rest = {key: value for key, value in table.items() if key not in ("value", "tolerance", "signature", "files")}
    files = _files(path, named, table.get("files", {}))
    half = published(text).half
    tolerance = table.get("tolerance", half)
    if not isinstance(tolerance, int | float) or not 0 <= tolerance < float("inf"):
        _refuse(path, f"tolerance = {tolerance!r} is no number of 0 or more")
    if "signature" in table:
        if rest:
            _refuse(path, f"a signature says everything; leave out {', '.join(rest)}")
        return PublishedNumber(text, parse_signature(str(table["signature"])), float(tolerance), files)
    texts = {key: str(value) for key, value in {**shared, **rest}.items()}
    unknown = [key for key in texts if key not in KNOWN_TEXTS and key != "convention"]
    if unknown:
        _refuse(path, f"{unknown[0]!r} is no setting; they are those of evaluate, as metric, pred_norm or resize")
    convention = texts.pop("convention", None)
    if convention is None:
        return PublishedNumber(text, make_settings(texts), float(tolerance), files)
    from kldeval.conventions.presets import convention_or_preset

    settings = make_settings(texts, convention=convention_or_preset(convention).texts)
    return PublishedNumber(text, settings, float(tolerance), files)


def _refuse(path: Path, complaint: str) -> None:
    msg = f"{printable(path)}: {complaint}"
    raise UsageProblem(msg)
