"""Numbers in strict JSON, which has none for infinity and for what is undefined: there they are texts."""

from __future__ import annotations

import math


def json_number(value: float) -> float | str:
    """The number, or its name where JSON has no number for it; `float` reads either.

    >>> json_number(0.5), json_number(-math.inf), json_number(math.nan)
    (0.5, '-inf', 'nan')
    """
    return value if math.isfinite(value) else str(float(value))


def json_interval(interval: tuple[float, float] | None) -> list[float | str] | None:
    """The two ends of an interval, if there is one."""
    return None if interval is None else [json_number(end) for end in interval]
