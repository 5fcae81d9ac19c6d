"""A published number, and the conventions and settings near them that print it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING

from kldeval.errors import UsageProblem

if TYPE_CHECKING:
    from collections.abc import Iterable


IDENTIFY_SCHEMA = "kldeval.identify/1"

NEAREST = 5
"""So many are shown where none prints the number."""

_SLACK = Decimal("1.000000001")
"""A number at half a unit of the last digit may be printed either way; the rest of this factor is rounding."""


@dataclass(frozen=True, slots=True)
class Published:
    """A number as it was printed: its text, its value, and half a unit of its last digit."""

    text: str
    value: float
    half: float

    def is_printed_by(self, number: float) -> bool:
        """Whether the number, rounded to as many digits, is the published one.

        >>> published("0.27").is_printed_by(0.2735), published("0.270").is_printed_by(0.2735)
        (True, False)
        """
        if not math.isfinite(number):
            return False
        # in decimals, as the number was printed: the nearest floats of both may lie on the other side of a half
        printed = Decimal(self.text)
        return abs(Decimal(number) - printed) <= _half_unit(printed) * _SLACK


@dataclass(frozen=True, slots=True)
class Guess:
    """A convention, the flags that change it (none: as published), and the number it gives.

    `flags` are pairs of a flag and its value, to be typed beside `--convention`.
    """

    convention: str
    flags: tuple[tuple[str, str], ...]
    value: float
    signature: str
    short: str


@dataclass(frozen=True, slots=True)
class Identification:
    """What prints the number, best first: conventions as published, then those that fewest flags change.

    `nearest` are the closest of what was tried where nothing prints it. `n` maps were scored; `tried` settings.
    """

    published: Published
    guesses: tuple[Guess, ...]
    nearest: tuple[Guess, ...]
    n: int
    tried: int
    failures: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def published(text: str) -> Published:
    """The number that a text prints; its digits say how exactly.

    >>> published("1.20e-3").half
    5e-06

    Raises:
        UsageProblem: the text is no number, or inf or nan, which many conventions print.
    """
    try:
        number = Decimal(text.strip())
    except InvalidOperation:
        number = Decimal("nan")
    if not number.is_finite():
        msg = f"--value {text}: not a finite number; give it as it was printed, such as 0.27 (its digits matter)"
        raise UsageProblem(msg)
    return Published(text.strip(), float(number), float(_half_unit(number)))


def _half_unit(number: Decimal) -> Decimal:
    """Half a unit of the last digit of a number as it was printed."""
    return Decimal(5).scaleb(int(number.as_tuple().exponent) - 1)


def identify_number(target: Published, guesses: Iterable[Guess], n: int, notes: tuple[str, ...]) -> Identification:
    """The guesses that print the number, those with fewest flags first; else in the order in which they come."""
    tried = [guess for guess in guesses if math.isfinite(guess.value)]
    found = sorted((guess for guess in tried if target.is_printed_by(guess.value)), key=lambda guess: len(guess.flags))
    nearest = [] if found else sorted(tried, key=lambda guess: abs(guess.value - target.value))[:NEAREST]
    return Identification(target, tuple(found), tuple(nearest), n, len(tried), notes=notes)
