"""How numbers and names are written for people."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from kldeval.dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from kldeval.reports.documents import GateOutcome


ARROWS = {"low": "↓", "high": "↑"}
"""The arrow of a metric's better direction."""

ABSENT = "\N{EN DASH}"
"""What stands for a number that does not exist."""

LONG = 1e9
"""From here on a number is too long to be read digit by digit."""

FIXED = range(-4, 7)
"""The powers of ten that are written without an exponent."""


@dataclass(frozen=True, slots=True)
class Notation:
    """The number of digits after the point, and whether an exponent follows; one for all numbers of a metric."""

    decimals: int
    scientific: bool = False

    def text(self, value: float | None) -> str:
        r"""`value` in this notation; one that fixed digits would show as 0 or as a long row of digits gets an exponent.

        >>> [Notation(4).text(v) for v in (0.27143, 1e-9, 0.0, math.inf, None)]
        ['0.2714', '1.0e-09', '0.0000', 'inf', '\u2013']
        """
        if value is None:
            return ABSENT
        if not math.isfinite(value):
            return str(float(value))
        fixed = f"{value:.{self.decimals}f}"
        if value and (self.scientific or abs(value) >= LONG or not float(fixed)):
            return f"{value:.{self.decimals if self.scientific else 1}e}"
        return fixed


def notation_for(typical: Iterable[float | None], precision: int) -> Notation:
    """The notation of a metric whose size is that of the first usable number of `typical`.

    From 0.1 to 1e7 it has `precision` decimals; down to 1e-4 so many more that the significant digits stay; beyond
    that it is scientific.

    >>> notation_for([0.27], 4).decimals, notation_for([0.0015], 4).decimals
    (4, 6)
    """
    sizes = (abs(value) for value in typical if value is not None and math.isfinite(value) and value)
    exponent = math.floor(math.log10(next(sizes, 1.0)))
    if exponent in FIXED:
        return Notation(precision + max(0, -1 - exponent))
    return Notation(max(0, precision - 1), scientific=True)


def level_of(statistics: str) -> str:
    """The level of the intervals whose signature `statistics` is, with a blank behind it; "" where it says none.

    >>> level_of("paired(confidence=0.95,resamples=10000,seed=0)|unit:maps|v:2")
    '95 % '
    """
    found = re.search(r"confidence=([^,)]+)", statistics)
    return f"{100 * float(found[1]):g} % " if found else ""


def aligned(texts: Sequence[str]) -> list[str]:
    """The texts padded to one width with their decimal points under each other; words stand at the right.

    >>> aligned(["0.25", "11.5", "inf"])
    [' 0.25', '11.5 ', '  inf']
    """
    parts = [re.fullmatch(r"(-?\d+)(.*)", text) for text in texts]
    head = max((len(part[1]) for part in parts if part), default=0)
    tail = max((len(part[2]) for part in parts if part), default=0)
    padded = [
        part[1].rjust(head) + part[2].ljust(tail) if part else text for part, text in zip(parts, texts, strict=True)
    ]
    width = max(map(len, padded), default=0)
    return [text.rjust(width) for text in padded]


def natural(name: str) -> tuple[tuple[str | int, ...], str]:
    """The key that sorts names as people count: `frame2` before `frame10`.

    >>> sorted(["a10", "a9", "b1"], key=natural)
    ['a9', 'a10', 'b1']
    """
    parts = re.split("([0-9]+)", name)  # texts and numbers take turns, so that like meets like
    return tuple(int(part) if place % 2 else part for place, part in enumerate(parts)), name


def gate_line(gate: GateOutcome, model: str = "") -> str:
    """What a gate found, as a sentence.

    >>> from kldeval.reports.gates import GateOutcome
    >>> gate_line(GateOutcome("kld>1.2", 1.5, fired=True))
    'gate kld>1.2 fired: 1.5'
    """
    value = "no value" if gate.value is None else repr(gate.value)
    p = "" if gate.p_value is None else f" (p = {gate.p_value:.3g})"
    return f"gate {gate.text} {'fired' if gate.fired else 'passed'}{f' for {model}' if model else ''}: {value}{p}"
