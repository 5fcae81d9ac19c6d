"""The maps as JSON Lines: the rows of the JSON report's `maps`, then those of its `failures`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kldeval.outputs.strict_json import failure_row, line, map_row

if TYPE_CHECKING:
    from kldeval.outputs.options import Options
    from kldeval.results.report import Report


def write(report: Report, options: Options) -> str:
    """One object a line; a row with `stage` and `message` is a map that could not be scored."""
    del options
    rows = [*map(map_row, report.scores), *map(failure_row, report.failures)]
    return "".join(line(row) + "\n" for row in rows)
