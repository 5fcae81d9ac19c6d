"""Documents as JSON: everything, a map a line, or the means alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kldeval.writers.formats import FORMATS, FULL, ROWS, Format

if TYPE_CHECKING:
    from kldeval.writers import Document
    from kldeval.writers.page import Options


@FORMATS.add("json", Format(suffixes=(".json",), heeds=FULL | {"digests"}))
def write_json(document: Document, options: Options) -> str:
    """The whole document at full precision."""
    from kldeval.writers.json import write

    return write(document, options)


@FORMATS.add("jsonl", Format(suffixes=(".jsonl", ".ndjson"), of_audits=False, heeds=ROWS))
def write_json_lines(document: Document, options: Options) -> str:
    """A line for each map."""
    from kldeval.writers.json import write_lines

    return write_lines(document, options)


@FORMATS.add("scores", Format(of_audits=False))
def write_scores(document: Document, options: Options) -> str:
    """The means alone."""
    from kldeval.writers.json import write_scores

    return write_scores(document, options)
