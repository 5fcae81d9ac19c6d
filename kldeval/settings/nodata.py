"""Pixels without data: the value that marks them, and what a prediction without data counts as where there is truth."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from kldeval.errors import UsageProblem
from kldeval.grammar import did_you_mean, format_value

if TYPE_CHECKING:
    from collections.abc import Mapping

RULES = ("error", "mask", "zero")
"""What a prediction without data counts as where the ground truth has some; the first is the default."""

_RULE = ",pred="

TAG = "tag"
"""The value that each file says itself, in its tags or attributes."""


def nodata_text(effective: Mapping[str, str]) -> str:
    """The setting for the texts `nodata` and `nodata_pred`, as it stands in signatures; "" without any.

    >>> nodata_text({"nodata": "-9999.0", "nodata_pred": "mask"}), nodata_text({"nodata": "tag"})
    ('-9999,pred=mask', 'tag')

    Raises:
        UsageProblem: the value is no number, the rule none of those there are, or there is a rule without a value.
    """
    rule = effective.get("nodata_pred", RULES[0])
    if rule not in RULES:
        msg = f"--nodata-pred {rule}: {rule!r} is none of {', '.join(RULES)}{did_you_mean(rule, RULES)}"
        raise UsageProblem(msg)
    if "nodata" not in effective:
        if rule != RULES[0]:
            msg = f"--nodata-pred {rule} has no effect without --nodata VALUE, which says how such pixels are marked"
            raise UsageProblem(msg)
        return ""
    text = TAG if effective["nodata"] == TAG else _number(effective["nodata"])
    return text if rule == RULES[0] else f"{text}{_RULE}{rule}"


def _number(text: str) -> str:
    try:
        value = float(text)
    except ValueError:
        msg = f"--nodata {text}: not a number, nor nan, nor the word tag, for what the tag of each file says"
        raise UsageProblem(msg) from None
    return "nan" if math.isnan(value) else format_value(int(value) if value.is_integer() else value)


def nodata_texts(text: str) -> dict[str, str]:
    """The texts that a setting stands for.

    >>> nodata_texts("nan,pred=zero")
    {'nodata': 'nan', 'nodata_pred': 'zero'}
    """
    value, _, rule = text.partition(_RULE)
    return {"nodata": value, "nodata_pred": rule or RULES[0]}
