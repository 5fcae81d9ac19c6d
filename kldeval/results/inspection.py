"""What a check found: the pairs, what their files hold, and what is wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kldeval.records import Failure


@dataclass(frozen=True, slots=True)
class Found:
    """A pair that could be scored: its files and what they hold."""

    name: str
    pred: str
    gt: str
    pred_content: str
    gt_content: str


@dataclass(frozen=True, slots=True)
class Inspection:
    """The outcome of a check."""

    rows: tuple[Found, ...]
    failures: tuple[Failure, ...]
    notes: tuple[str, ...]
