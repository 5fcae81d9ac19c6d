"""Chains of steps: `minmax+sum-to-one` is text, a tuple of calls, and a normalisation."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from kldeval.errors import UsageProblem
from kldeval.maps.steps import STEPS, one_axis
from kldeval.maps.values import MAP
from kldeval.names import Call, split_top_level

if TYPE_CHECKING:
    from kldeval.maps.values import Values

Chain = tuple[Call, ...]
"""The steps of one normalisation, in order."""


def parse_chain(text: str) -> Chain:
    """The chain that `text` names.

    >>> format_chain(parse_chain("minmax + sum-to-one(offset=1e-7)"))
    'minmax+sum-to-one(offset=1e-07)'

    Raises:
        UnknownName: a step is not registered.
        UsageProblem: an argument is unknown, missing or of the wrong type, or an axis does not exist.
    """
    chain = tuple(STEPS.parse(part) for part in split_top_level(text, "+"))
    for call in chain:
        if call.keywords.get("axis") is not None:
            one_axis(call.keywords["axis"])
    return chain


def format_chain(chain: Chain) -> str:
    """The canonical text of a chain."""
    return "+".join(str(call) for call in chain)


def with_axis(chain: Chain, axis: int) -> Chain:
    """The chain with `axis` given to each step that has one: `--norm softmax --axis 0`.

    Raises:
        UsageProblem: no step takes an axis, or one names another.
    """
    takers = [call for call in chain if "axis" in STEPS[call.name].types]
    if not takers:
        msg = f"--axis {axis} has no meaning for {format_chain(chain)!r}: none of its steps takes an axis"
        raise UsageProblem(msg)
    for call in takers:
        if call.keywords.get("axis", axis) != axis:
            msg = f"--axis {axis} contradicts {str(call)!r}"
            raise UsageProblem(msg)
    one_axis(axis)
    return tuple(STEPS[c.name].call(**{**c.keywords, "axis": axis}) if c in takers else c for c in chain)


def ends_in_log(chain: Chain) -> bool:
    """Whether the chain ends in log-probabilities."""
    return bool(STEPS[chain[-1].name].traits.get("log"))


def axes_of(chain: Chain) -> tuple[int, ...] | None:
    """The axes over which the chain makes distributions; None where it makes none of its own."""
    axes: tuple[int, ...] | None = None
    for call in chain:
        entry = STEPS[call.name]
        if entry.traits.get("final") and not entry.traits.get("given"):
            axis = call.keywords.get("axis", entry.defaults.get("axis"))
            axes = MAP if axis is None else one_axis(axis)
    return axes


def is_spatial(chain: Chain) -> bool:
    """Whether the outcome depends on where a pixel stands, not on its value alone."""
    return any(STEPS[call.name].traits.get("spatial") or call.keywords.get("axis") is not None for call in chain)


def normalise(values: Values, chain: Chain) -> Values:
    """The values after every step of the chain."""
    values = _check_finite(values, chain)
    for call in chain:
        values = apply_step(values, call)
    return values


def apply_step(values: Values, call: Call) -> Values:
    """The values after one step; a step after a softmax works on its probabilities."""
    if values.is_log:
        values = replace(values.map(values.xp.exp), is_log=False)
    return STEPS[call.name].function(values, **call.keywords)


def _check_finite(values: Values, chain: Chain) -> Values:
    takes = STEPS[chain[0].name].traits.get("takes")
    low, high = values.extent()
    xp = values.xp
    found = xp.isnan(high) | xp.isnan(low)
    if takes != "inf":
        found = found | (high == xp.inf)
    if takes is None:
        found = found | (low == -xp.inf)
    return values.flag("nonfinite", found, low + high)
