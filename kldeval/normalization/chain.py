"""Chains of steps: `minmax+sum-to-one` is text, a tuple of calls, and a normalisation."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from kldeval.arrays import any_of
from kldeval.dataclass import NamedTuple
from kldeval.errors import UsageProblem
from kldeval.grammar import Call, parse_all, split_call, split_top_level
from kldeval.normalization.lazy_map import MAP
from kldeval.normalization.steps import STEPS, check_axis, one_axis

if TYPE_CHECKING:
    from collections.abc import Callable

    from kldeval.normalization.lazy_map import LazyMap


MAP_AXES = range(-2, 2)
"""Every axis of a map of height and width, counted from either end."""

Chain = tuple[Call, ...]
"""The steps of one normalisation, in order."""


def parse_chain(text: str) -> Chain:
    """The chain that `text` names.

    >>> format_chain(parse_chain("minmax + sum-to-one(offset=1e-7)"))
    'minmax+sum-to-one(offset=1e-07)'

    Raises:
        UnknownName: a step is not registered.
        UsageProblem: an argument is unknown, missing or of the wrong type, or can mean nothing (an axis 2).
    """
    return parse_all(STEPS.parse, split_top_level(text, "+"))


def format_chain(chain: Chain) -> str:
    """The canonical text of a chain."""
    return "+".join(str(call) for call in chain)


def with_axis(text: str, axis: int) -> Chain:
    """The chain that `text` names with `axis` given to each step that has one: `--norm softmax --axis 0`.

    Raises:
        UsageProblem: no step takes an axis, or one names another.
    """
    check_axis(axis=axis)
    chain = parse_chain(text)
    if not takes_axis(chain):
        msg = f"--axis {axis} has no meaning for {format_chain(chain)!r}: none of its steps takes an axis"
        raise UsageProblem(msg)
    # the text is asked, because a call drops an axis that is the step's default
    for part in split_top_level(text, "+"):
        said = split_call(part)[1].get("axis", str(axis))
        if said == "none" or _place(int(said)) != _place(axis):
            msg = f"--axis {axis} contradicts {part!r}"
            raise UsageProblem(msg)
    return tuple(STEPS[c.name].call(**{**c.keywords, "axis": axis}) if takes_axis((c,)) else c for c in chain)


def takes_axis(chain: Chain) -> bool:
    """Whether a step of the chain can be told its axis."""
    return any("axis" in STEPS[call.name].types for call in chain)


def ends_in_log(chain: Chain) -> bool:
    """Whether the chain ends in log-probabilities."""
    return STEPS[ending(chain).name].info.log


def ending(chain: Chain) -> Call:
    """The last step but those that keep distributions as they are: it says what the values at the end are.

    >>> str(ending(parse_chain("minmax+flatten-softmax+temperature(t=4)")))
    'flatten-softmax'
    """
    return next((call for call in reversed(chain) if not STEPS[call.name].info.keeps), chain[-1])


def axes_of(chain: Chain) -> tuple[int, ...] | None:
    """The axes over which the chain makes distributions; None where it makes none of its own."""
    axes: tuple[int, ...] | None = None
    for call in filter(_makes_distributions, chain):
        axis = _axis(call)
        axes = MAP if axis is None else _place(axis)
    return axes


def class_axis(chain: Chain) -> int | None:
    """The one axis along which the chain makes distributions, as it was said; None where it makes none, or over all.

    >>> class_axis(parse_chain("add(value=1)+softmax(axis=2)")), class_axis(parse_chain("sum-to-one"))
    (2, None)
    """
    return next((_axis(call) for call in reversed(chain) if _makes_distributions(call)), None)


def along_rows(chain: Chain) -> Chain:
    """The chain with its distributions along the last axis: for maps whose class axis was moved there.

    >>> format_chain(along_rows(parse_chain("clip(max=1)+sum-to-one(axis=0)")))
    'clip(max=1)+sum-to-one(axis=-1)'
    """
    return tuple(
        call if _axis(call) is None else STEPS[call.name].call(**{**call.keywords, "axis": -1}) for call in chain
    )


def _makes_distributions(call: Call) -> bool:
    """Whether a step makes distributions, or says along which axis they already lie."""
    info = STEPS[call.name].info
    return _axis(call) is not None if info.given else info.final


def _axis(call: Call) -> int | None:
    axis: int | None = call.keywords.get("axis", STEPS[call.name].defaults.get("axis"))
    return axis


def _place(axis: int) -> tuple[int]:
    """One and the same for each way to say an axis of a map; the axes that only class maps have stay as they are."""
    return one_axis(axis) if axis in MAP_AXES else (axis,)


class CompiledChain(NamedTuple):
    """The functions of a chain with their parameters, and whether the first understands -inf and +inf.

    Beside each function stands whether it works on logarithms of probabilities where there are some.
    """

    functions: tuple[tuple[Callable[[LazyMap], LazyMap], bool], ...]
    takes_low: bool
    takes_high: bool


def compile_chain(chain: Chain) -> CompiledChain:
    """The chain as functions, which ask no registry."""
    functions = (
        (partial(STEPS[call.name].function, **call.keywords), STEPS[call.name].info.takes_log) for call in chain
    )
    return CompiledChain(tuple(functions), *_infinities(chain[0]))


def normalise(values: LazyMap, chain: Chain) -> LazyMap:
    """The values after every step of the chain."""
    return run_chain(values, compile_chain(chain))


def run_chain(values: LazyMap, chain: CompiledChain) -> LazyMap:
    """The values after every step of a compiled chain."""
    values = _check_finite(values, takes_low=chain.takes_low, takes_high=chain.takes_high)
    for function, takes_log in chain.functions:
        values = _run_step(values, function, takes_log=takes_log)
    return values


def apply_step(values: LazyMap, call: Call) -> LazyMap:
    """The values after one step; a step after a softmax works on its probabilities."""
    step = STEPS[call.name]
    return _run_step(values, partial(step.function, **call.keywords), takes_log=step.info.takes_log)


def _run_step(values: LazyMap, function: Callable[[LazyMap], LazyMap], *, takes_log: bool = False) -> LazyMap:
    if values.is_log and not takes_log:
        values = values.map(values.xp.exp, is_log=False)
    return function(values)


def _check_finite(values: LazyMap, *, takes_low: bool, takes_high: bool) -> LazyMap:
    low, high = values.min_max()
    xp = values.xp
    if xp.__name__ == "numpy" and not any_of(~(xp.isfinite(low) & xp.isfinite(high))):
        return values
    found = xp.isnan(high) | xp.isnan(low)
    if not takes_high:
        found = found | (high == xp.inf)
    if not takes_low:
        found = found | (low == -xp.inf)
    return values.flag("nonfinite", found, xp.abs(low) + xp.abs(high))


def _infinities(call: Call) -> tuple[bool, bool]:
    """Whether a step understands -inf, and whether +inf."""
    takes = STEPS[call.name].info.takes
    if takes == "bounded":
        return call.keywords.get("min") is not None, call.keywords.get("max") is not None
    return takes == "-inf", False
