"""Normalisations in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kldeval.names import format_value

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from kldeval.maps.chain import Chain
    from kldeval.names import Call


def chain_words(chain: Chain) -> str:
    """A normalisation in words.

    >>> from kldeval.maps.chain import parse_chain
    >>> chain_words(parse_chain("minmax+sum-to-one(offset=1e-7)"))
    'scaled to 0..1 by its minimum and maximum, then divided by its sum plus 1e-07'
    """
    words = [_STEPS.get(call.name, str)(call) for call in chain]
    return ", then ".join(words)


def _sum_to_one(call: Call) -> str:
    axis, offset = call.keywords.get("axis"), call.keywords.get("offset")
    plus = f" plus {format_value(offset)}" if offset else ""
    return f"divided by {_within(axis, 'its sum', 'the sum of each')}{plus}"


def _softmax(call: Call) -> str:
    return f"passed through a softmax within each {_line(call.keywords.get('axis', -1))}"


def _within(axis: int | None, whole: str, each: str) -> str:
    return whole if axis is None else f"{each} {_line(axis)}"


def _line(axis: int) -> str:
    return {-1: "row", 1: "row", 0: "column", -2: "column"}.get(axis, "position")


def _minmax(call: Call) -> str:
    offset = call.keywords.get("offset")
    return "scaled to 0..1 by its minimum and maximum" + (f" (range plus {format_value(offset)})" if offset else "")


def _clip(call: Call) -> str:
    low, high = (call.keywords.get(key) for key in ("min", "max"))
    bounds = [f"at least {format_value(low)}"] * (low is not None) + [f"at most {format_value(high)}"] * (
        high is not None
    )
    return f"clipped to {' and '.join(bounds)}"


_STEPS: Mapping[str, Callable[[Call], str]] = {
    "sum-to-one": _sum_to_one,
    "log-prob": lambda _: "given by its log-probabilities",
    "flatten-softmax": lambda _: "passed through a softmax over all its pixels",
    "softmax": _softmax,
    "minmax": _minmax,
    "shift": lambda _: "shifted to a minimum of 0 where it is negative",
    "add": lambda call: f"with {format_value(call.keywords['value'])} added to every pixel",
    "clip": _clip,
    "max": lambda _: "divided by its maximum",
    "bytes": lambda _: "stretched to the whole numbers 0..255",
    "blank": lambda call: f"set to 0 where its maximum is at most {format_value(call.keywords['below'])}",
    "latitude": lambda _: "weighted by the sine of the latitude of each row",
    "sigmoid": lambda _: "passed through a sigmoid",
    "log-sigmoid": lambda _: "passed through the logarithm of a sigmoid",
    "blur": lambda call: f"blurred with a Gaussian of sigma {format_value(call.keywords['sigma'])} pixels",
    "none": lambda _: "as stored",
}
"""What each step does to a map; a step without words here is shown as it is typed."""
