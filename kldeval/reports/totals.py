"""Sums of which a number of many maps is made, added up exactly: those of calibration errors, by bin and event."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from kldeval.reports.aggregate import other_classes
from kldeval.reports.moments import Moments, moments_of

if TYPE_CHECKING:
    from collections.abc import Sequence

ROWS_AT_ONCE = 64
"""Rows that are added up together."""


class Totals:
    """Rows of as many numbers each, added up exactly by columns: a calibration metric has thousands of these."""

    def __init__(self, moments: Sequence[Moments] = ()) -> None:
        self._rows: list[tuple[float, ...]] = []
        self._moments = list(moments)

    def append(self, key: str, row: tuple[float, ...]) -> None:
        """Take in a row of a metric.

        Raises:
            UsageProblem: it has another number of columns than those before.
        """
        if len(row) != len(self._moments or (self._rows[0] if self._rows else row)):
            raise other_classes(key)
        self._rows.append(row)
        if len(self._rows) >= ROWS_AT_ONCE:
            self._flush()

    @property
    def sums(self) -> list[float]:
        """The exact sum of each column."""
        self._flush()
        return [one.sum for one in self._moments]

    def joined(self, key: str, other: Totals) -> Totals:
        """The totals of the rows of both.

        Raises:
            UsageProblem: they have other numbers of columns.
        """
        self._flush()
        other._flush()
        ours, theirs = self._moments, other._moments
        if ours and theirs and len(ours) != len(theirs):
            raise other_classes(key)
        return Totals([one + two for one, two in zip(ours, theirs, strict=True)] if ours and theirs else ours or theirs)

    @property
    def state(self) -> list[dict[str, Any]]:
        """What was added up, as plain values; `Totals(Moments(**one) for one in state)` goes on from there."""
        self._flush()
        return [asdict(one) for one in self._moments]

    def _flush(self) -> None:
        if self._rows:
            new = [moments_of(column) for column in zip(*self._rows, strict=True)]
            held = self._moments or [Moments()] * len(new)
            self._moments = [one + other for one, other in zip(held, new, strict=True)]
            self._rows = []
