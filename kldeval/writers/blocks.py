"""Pictures in a terminal: two pixels a letter, the upper as the colour of a half block, the lower as its background."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Color = tuple[int, int, int]
"""Red, green and blue, 0 to 255."""

GAP = 2
"""Blanks between pictures."""


def side_by_side(pictures: Mapping[str, Sequence[Sequence[Color]]], *, exact: bool) -> str:
    """The pictures under their titles, in 16 million colours if `exact`, else in the 256 of any colour terminal."""
    blocks = [_half_blocks(rows, exact=exact) for rows in pictures.values()]
    widths = [max(map(len, rows)) for rows in pictures.values()]
    height = max(map(len, blocks))
    titles = (title[:width].ljust(width) for title, width in zip(pictures, widths, strict=True))
    lines = [(" " * GAP).join(titles).rstrip()]
    for line in range(height):
        parts = (block[line] if line < len(block) else " " * width for block, width in zip(blocks, widths, strict=True))
        lines.append((" " * GAP).join(parts))
    return "".join(f"{line}\n" for line in lines)


def _half_blocks(rows: Sequence[Sequence[Color]], *, exact: bool) -> list[str]:
    """A line of text for two rows of pixels."""
    lines = []
    for top in range(0, len(rows), 2):
        lower = rows[top + 1] if top + 1 < len(rows) else [(0, 0, 0)] * len(rows[top])
        cells = (
            f"\x1b[38;{_code(one, exact=exact)};48;{_code(two, exact=exact)}m▀"
            for one, two in zip(rows[top], lower, strict=True)
        )
        lines.append("".join(cells) + "\x1b[0m")
    return lines


def _code(color: Color, *, exact: bool) -> str:
    """A colour of ISO 8613-6; of 256 colours the nearest of the cube of 6 x 6 x 6, of which the first is 16."""
    if exact:
        return "2;" + ";".join(map(str, color))
    red, green, blue = (round(part / 255 * 5) for part in color)
    return f"5;{16 + 36 * red + 6 * green + blue}"
