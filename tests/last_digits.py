"""Printed numbers that another processor rounds otherwise: AVX-512, AVX2 and SSE sum in orders of their own."""

from __future__ import annotations

import re

NUMBER = re.compile(r"(?<![\w.])-?\d+\.\d+(?:e-?\d+| \\times 10\^\{-?\d+\})?")

RELATIVE, ABSOLUTE = 1e-12, 1e-15
"""How far two processors are apart, as the documentation says, and what they leave where numbers cancel."""


def with_last_digits_of(kept: str, found: str) -> str:
    """A text with the numbers of another one wherever the two differ as two processors do, and only there.

    >>> with_last_digits_of("a 0.1 b 5.409e-13 c 1.5", "a 0.10000000000000002 b 5.410e-13 c 1.4")
    'a 0.1 b 5.409e-13 c 1.4'
    """
    theirs = iter(NUMBER.findall(kept))

    def settled(match: re.Match[str]) -> str:
        own, other = match[0], next(theirs, "nan")
        value, kept_value = (float(text.replace(r" \times 10^{", "e").rstrip("}")) for text in (own, other))
        return other if abs(value - kept_value) <= RELATIVE * abs(kept_value) + ABSOLUTE else own

    return NUMBER.sub(settled, found)
