"""An answer of its own page in the formats that answers have: those of every page, and JSON."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from kldeval.errors import UsageProblem
from kldeval.writers.page import Options
from kldeval.writers.page_formats import page_formats, page_text

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping, Sequence

    from kldeval.writers.charts import Chart
    from kldeval.writers.page import Page


def answer_formats() -> dict[str, tuple[str, ...]]:
    """The formats of answers, and the suffixes of files that ask for each."""
    return {**page_formats(), "json": (".json",)}


def answer_format(path: str | os.PathLike[str]) -> str:
    """The format that the suffix of a file stands for.

    Raises:
        UsageProblem: none of an answer.
    """
    known = {suffix: name for name, suffixes in answer_formats().items() for suffix in suffixes}
    suffix = Path(path).suffix.lower()
    if suffix not in known:
        found = f"the suffix {suffix}" if suffix else "no suffix"
        msg = f"cannot write {path}: {found} stands for no format of an answer; known: {', '.join(sorted(known))}"
        raise UsageProblem(msg)
    return known[suffix]


def answer_text(name: str, page: Page, json: str, facts: Mapping[str, object], charts: Sequence[Chart] = ()) -> str:
    """An answer in one of its formats; HTML has its charts as well.

    Raises:
        MissingDependency: the format needs a package that is not installed.
    """
    return json if name == "json" else page_text(name, page, Options(), facts, charts)


def save_answer(
    path: str | os.PathLike[str], page: Page, json: str, facts: Mapping[str, object], charts: Sequence[Chart] = ()
) -> None:
    """Write an answer to a file, in the format of its suffix.

    Raises:
        UsageProblem: no format has this suffix, or the file cannot be written.
        MissingDependency: the format needs a package that is not installed.
    """
    from kldeval.writers.files import check_target, write_atomically

    name = answer_format(path)
    check_target(Path(path))
    write_atomically(Path(path), answer_text(name, page, json, facts, charts))
