"""A check as text: the pairs with what their files hold, then what is wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kldeval.outputs.notation import count, plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kldeval.results.inspection import Inspection


def write(inspection: Inspection) -> str:
    """Aligned lines, never cut."""
    head = ("name", "prediction", "", "ground truth", "")
    rows = [
        (plain(row.name), plain(row.pred), row.pred_content, plain(row.gt), row.gt_content) for row in inspection.rows
    ]
    lines = _aligned([head, *rows]) if rows else []
    wrong = [(failure.stage, plain(failure.name), plain(failure.message)) for failure in inspection.failures]
    found = f"{count(len(rows), 'pair')} can be scored, {count(len(wrong), 'problem')}"
    return "\n".join([*lines, *[""] * bool(lines), *_aligned(wrong), *inspection.notes, found]) + "\n"


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
