"""Files that are given where a saved report is wanted: what each is by its name, and what to name in its place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kldeval.errors import UsageProblem, printable

if TYPE_CHECKING:
    from pathlib import Path

TABLES_OF_MAPS, PAGES = (".csv", ".tsv", ".jsonl", ".ndjson"), (".html", ".htm", ".md", ".markdown", ".tex", ".txt")
"""The suffixes of files that hold the rows of maps alone, and of pages for people."""


def named_instead(path: Path) -> str:
    """What a file that is no JSON is by its name, and which file to name; "" of what should be JSON."""
    suffix = path.suffix.lower()
    what = "holds rows of maps" if suffix in TABLES_OF_MAPS else "is a page for people" if suffix in PAGES else ""
    if not what and suffix != ".json":
        what = "is a file of another kind"
    way = "name the report in JSON that was written beside it, or write one with --output report.json"
    return what and f"{printable(path)} {what}, and no saved report: {way}"


def refuse_others(path: Path) -> None:
    """Refuse a file of rows, or a page, where reports or folders of maps are wanted.

    Raises:
        UsageProblem: saying what to name instead.
    """
    refuse_rows(path)
    if path.suffix.lower() in (*TABLES_OF_MAPS, *PAGES) and path.is_file():
        raise UsageProblem(named_instead(path))


def refuse_rows(path: Path) -> None:
    """Refuse what `--output-dir` writes: rows without what a report says of them.

    Raises:
        UsageProblem: saying what to read instead.
    """
    if path.suffix == ".parquet" or (path.is_dir() and any(path.glob("part-*.parquet"))):
        what = f"{printable(str(path))} holds rows, not a report"
        reading = "rows are read by pyarrow, pandas, Polars or DuckDB"
        msg = f"{what}: name the report of that run (--output report.json beside --output-dir); {reading}"
        raise UsageProblem(msg)
