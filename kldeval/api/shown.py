"""What every document of the library can do: be printed, shown in a notebook, saved, and handed on as a table.

Writers are imported by the methods that use them: an evaluation need not wait for them.
"""

from __future__ import annotations

import os
import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self, TypedDict, TypeVar

from kldeval.errors import UsageProblem
from kldeval.functional import check_names
from kldeval.packages import load_package
from kldeval.parameters import completed
from kldeval.wording import in_python, speaks_python

if TYPE_CHECKING:
    from typing import Unpack

    from kldeval.reports.strips import Strip
    from kldeval.writers.charts import Chart
    from kldeval.writers.page import Block, Options, Page

Made = TypeVar("Made")


class Looks(TypedDict, total=False):
    """The keywords of `save` on how a table for people looks."""

    precision: int
    per_map: bool
    worst: int
    intervals: bool
    verbose: bool
    signatures: Literal["", "full", "short"]
    siunitx: bool
    columns: tuple[tuple[str, str], ...]
    std: bool


LOOKS: Mapping[str, Any] = {
    **dict.fromkeys(Looks.__annotations__, False),
    "precision": 4,
    "worst": 0,
    "signatures": "",
    "columns": (),
}
"""How a table looks where nothing is said."""


def spoken(page: Page) -> Page:
    """The page in the words of Python: its sentences name keywords instead of options."""
    return replace(page, blocks=tuple(map(_spoken, page.blocks)))


def _spoken(block: Block) -> Block:
    from kldeval.writers.page import MissingMaps, Notes, Paragraphs, Table

    if isinstance(block, Paragraphs):
        return replace(block, lines=tuple(map(in_python, block.lines)), title=in_python(block.title))
    if isinstance(block, Notes):
        return replace(block, lines=tuple(map(in_python, block.lines)))
    if isinstance(block, MissingMaps):
        return replace(block, rows=tuple(replace(row, reason=in_python(row.reason)) for row in block.rows))
    if isinstance(block, Table):
        heads = tuple(replace(head, text=in_python(head.text)) for head in block.heads)
        kinds = [head.kind for head in block.heads]
        rows = tuple(
            tuple(
                replace(cell, text=in_python(cell.text)) if kind in ("flags", "words", "text") else cell
                for cell, kind in zip(row, kinds, strict=True)
            )
            for row in block.rows
        )
        return replace(block, heads=heads, rows=rows, title=in_python(block.title), legend=in_python(block.legend))
    return block


class Shown:
    """A document that prints as the table of the command line, and shows itself in a notebook."""

    __slots__ = ()

    @classmethod
    def of(cls, record: Any) -> Self:
        """A record of `kldeval.reports` as a document of the library."""
        return cls(**members(record))

    def _page(self, options: Options) -> Page:
        """The page that people see of a document."""
        from kldeval.writers import page_of

        return page_of(self, options)  # type: ignore[arg-type] # mixed into the documents that have a page

    def _lines(self) -> list[str]:
        """A few lines that say what a document is."""
        return [type(self).__name__]

    def __str__(self) -> str:
        from kldeval.writers.page import Options
        from kldeval.writers.text import render, width_of

        options = Options(width=width_of(sys.stdout, os.environ))
        return render(spoken(self._page(options)), options).rstrip("\n")

    def __repr__(self) -> str:
        return "\n".join(self._lines())

    def _repr_html_(self) -> str:
        """A compact table with its signature, never more than a screen."""
        from kldeval.writers.notebook import fragment
        from kldeval.writers.page import Options

        return fragment(spoken(self._page(Options())))


class AnswerDocument(Shown, ABC):
    """A document with a page of its own: `_json` is its JSON text, `_charts` what its HTML page draws."""

    __slots__ = ()
    provenance: Mapping[str, object]

    def __eq__(self, other: object) -> bool:
        return says_the_same(self, other) if isinstance(other, type(self)) else NotImplemented

    __hash__ = None  # type: ignore[assignment] # a document holds mappings

    @abstractmethod
    def _json(self) -> str:
        """The JSON document."""

    def _charts(self) -> Sequence[Chart]:
        """The charts of the HTML page."""
        return ()

    def to_dict(self) -> dict[str, Any]:
        """The JSON document as plain values."""
        import json

        found: dict[str, Any] = json.loads(self._json())
        return found

    @speaks_python
    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a file in the format of its suffix: .json, .md or .html.

        Raises:
            UsageProblem: no format has this suffix, or the file cannot be written.
            MissingDependency: the format needs a package that is not installed.
        """
        from kldeval.writers.answer_files import save_answer
        from kldeval.writers.page import Options

        save_answer(path, spoken(self._page(Options())), self._json(), self.provenance, self._charts())


class Saved(Shown):
    """A document that is written in every format of the command line; `_record` is what it is a document of.

    Documents are equal that say the same, whatever their provenance and what else is `_uncompared`.
    """

    __slots__ = ()
    _of_audits = False
    _record: ClassVar[type]
    _uncompared: ClassVar[tuple[str, ...]] = ("provenance",)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """The document in a JSON file, which `save` or the command line wrote.

        Raises:
            UsageProblem: the file cannot be read, or holds no document of this kind.
        """
        from kldeval.reports.audit_reader import load_any

        found = load_any(path)
        if not isinstance(found, cls._record):
            has = type(found).__name__.removesuffix("Report") or "Report"
            msg = f"{path} holds a {has.lower()}, not a {cls.__name__.lower()}; kldeval.{has}.load reads it"
            raise UsageProblem(msg)
        return cls.of(found)

    def __eq__(self, other: object) -> bool:
        return says_the_same(self, other, self._uncompared) if isinstance(other, self._record) else NotImplemented

    __hash__ = None  # type: ignore[assignment] # a document holds mappings

    def _strips(self, pred: Any, gt: Any, limit: int, stimuli: Any) -> tuple[Strip, ...]:
        """The pictures of maps of the HTML page."""
        del limit
        if any(one is not None for one in (pred, gt, stimuli)):
            msg = f"the page of a {type(self).__name__} has no pictures of maps; leave out pred, gt and stimuli"
            raise UsageProblem(msg)
        return ()

    @completed(Looks, LOOKS)
    @speaks_python
    def save(
        self, path: str | os.PathLike[str], *, pred: Any = None, gt: Any = None, html_maps: int = 60,
        stimuli: str | os.PathLike[str] | None = None, **looks: Unpack[Looks],
    ) -> None:  # fmt: skip
        """Write a file in the format of its suffix: .json, .html, .tex, .md, .csv, .tsv, .txt, .parquet, ....

        The HTML page of a report or a leaderboard of files has pictures of the worst, the best and some other maps,
        which are read again, as that of the command line. A document keeps no arrays: give them again as `pred` and
        `gt`, and their pictures are drawn.

        Args:
            path: the file, which is replaced whole or left as it is.
            pred: the predictions that were evaluated, of a leaderboard by model; without it, the files that were.
            gt: their ground truths.
            html_maps: how many maps the HTML page shows; 0 shows none.
            stimuli: a folder of images by the names of the maps, shown under the predictions.
            looks: how a table for people looks: precision, per_map, worst, intervals, verbose, signatures, siunitx,
                columns, std.

        Raises:
            UsageProblem: no format has this suffix, the file cannot be written, or the maps are not the report's.
            UnknownName: a keyword does not exist.
            MissingDependency: the format needs a package that is not installed.
        """
        from kldeval.writers import check_installed, writer_for
        from kldeval.writers.files import check_target, write_atomically
        from kldeval.writers.page import Options

        write: Any = writer_for(path, of_audits=self._of_audits)
        check_installed(write)
        check_target(Path(path))
        check_names(looks, LOOKS)
        strips: tuple[Strip, ...] = ()
        if write.name == "html":
            strips = self._strips(pred, gt, html_maps, stimuli)
        elif any(one is not None for one in (pred, gt, stimuli)):
            msg = f"{path}: pred, gt and stimuli are for the pictures of an .html page"
            raise UsageProblem(msg)
        write_atomically(path, write(self, Options(**looks, strips=strips)))

    def to_pandas(self) -> Any:
        """The rows of the CSV as a DataFrame of pandas; `attrs["signature"]` has what made the numbers.

        Raises:
            MissingDependency: pandas is not installed.
        """
        from kldeval.writers.delimited import table_of

        columns, found = table_of(self)  # type: ignore[arg-type] # mixed into the documents that have rows
        rows = list(found)
        pandas = extra_package("pandas", "to_pandas needs pandas", "pandas")
        frame = pandas.DataFrame({column: [row.get(column) for row in rows] for column in columns})
        frame.attrs["signature"] = dict(_signatures(self))
        return frame


def _signatures(document: Any) -> Any:
    found = getattr(document, "signatures", {})
    return found.items()


def extra_package(name: str, why: str, extra: str) -> Any:
    """A package that is no part of a plain installation.

    Raises:
        MissingDependency: it cannot be imported; the message says what to install.
    """
    return load_package(name, why, f"pip install 'kldeval[{extra}]'")


def says_the_same(one: Any, other: Any, uncompared: Sequence[str] = ("provenance",)) -> bool:
    """Whether two documents say the same, whatever computed it: where, when and by how many workers is not compared."""
    found = (members(document) for document in (one, other))
    first, second = ({name: value for name, value in held.items() if name not in uncompared} for held in found)
    return _is_equal(first, second)


def _is_equal(one: Any, other: Any) -> bool:
    """Whether two values are equal, a number that is undefined (nan) to another such."""
    if one == other:
        return True
    if isinstance(one, float) and isinstance(other, float):
        return isnan(one) and isnan(other)
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return list(one) == list(other) and all(_is_equal(one[key], other[key]) for key in one)
    if is_dataclass(one) and isinstance(other, type(one)):
        return _is_equal(members(one), members(other))
    if isinstance(one, Sequence) and isinstance(other, Sequence) and not isinstance(one, str):
        return len(one) == len(other) and all(map(_is_equal, one, other))
    return False


def members(document: Any) -> dict[str, Any]:
    """The fields of a record by name."""
    return {field.name: getattr(document, field.name) for field in fields(document)}
