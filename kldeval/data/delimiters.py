"""What separates the columns of a table, whatever its suffix promises."""

from __future__ import annotations

DELIMITERS = (",", "\t", ";")
"""Commas, tabs, and what spreadsheets write where the comma is that of decimals."""


def delimiter_of(head: str, usual: str) -> str:
    r"""What separates the columns of a table whose first line is `head`: the `usual`, unless the line only has another.

    >>> delimiter_of("pred;gt", ","), delimiter_of("pred,gt", ","), delimiter_of("pred", "\t")
    (';', ',', '\t')
    """
    found = [delimiter for delimiter in DELIMITERS if delimiter in head]
    return found[0] if found and usual not in found else usual
