"""An explanation as text: the stages of both maps, the numbers, the pixels that make them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kldeval.outputs.notation import plain

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from kldeval.results.explanation import Explanation, Matrix, Stage

_SIDES = {"pred": "prediction", "gt": "ground truth"}


def write(explanation: Explanation) -> str:
    """The explanation as lines of text, never cut."""
    height, width = explanation.shape
    lines = [f"{plain(explanation.name)}: {width} x {height} pixels", ""]
    for role, stages in explanation.stages.items():
        lines += [f"{_SIDES[role]} ({explanation.dtypes[role]})", *_stage_lines(stages), ""]
        lines += _matrix_lines(explanation.matrices.get(role, ()))
    lines += [f"{key} = {value!r}" for key, value in explanation.values.items()]
    lines += [
        f"uncovered: {explanation.n_uncovered} pixels with ground-truth mass {explanation.uncovered_mass:.6g}",
        "",
    ]
    lines += list(_contribution_lines(explanation))
    lines += [f"note: {note}" for note in explanation.notes]
    lines += [f"{key}: {signature}" for key, signature in explanation.signatures.items()]
    return "\n".join(lines) + "\n"


def _stage_lines(stages: Sequence[Stage]) -> list[str]:
    rows: list[tuple[str, ...]] = [("step", "min", "max", "sum", "zeros")]
    for stage in stages:
        numbers = (f"{stage.low:.6g}", f"{stage.high:.6g}", f"{stage.sum:.6g}", str(stage.n_zero))
        rows.append((f"{stage.step} (ln)" if stage.is_log else stage.step, *numbers))
    return _columns(rows)


def _contribution_lines(explanation: Explanation) -> Iterator[str]:
    key, value = next(iter(explanation.values.items()), ("", 0.0))
    rows: list[tuple[str, ...]] = [("row", "column", "pred", "gt", "adds", "share")]
    for pixel in explanation.contributions:
        share = f"{pixel.term / value:.1%}" if value and abs(value) != float("inf") else ""
        numbers = (f"{number:.6g}" for number in (pixel.pred, pixel.gt, pixel.term))
        rows.append((str(pixel.row), str(pixel.column), *numbers, share))
    yield f"pixels that contribute most to {key}"
    yield from _columns(rows)
    yield ""


def _matrix_lines(matrices: Sequence[tuple[str, Matrix]]) -> Iterator[str]:
    """The matrices side by side, each under its title."""
    blocks = [[title, *(" ".join(f"{value:8.4f}" for value in row) for row in matrix)] for title, matrix in matrices]
    widths = [max(map(len, block)) for block in blocks]
    for row in zip(*blocks, strict=True):
        yield "  " + "   ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
    if blocks:
        yield ""


def _columns(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  " + _line(row, widths) for row in rows]


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    head, *rest = row
    return "  ".join(
        [head.ljust(widths[0]), *(text.rjust(width) for text, width in zip(rest, widths[1:], strict=True))]
    )
