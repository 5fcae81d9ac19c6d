"""Refusals that name the cause, as the values of a map give it away, and the way out that gives the right number."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from kldeval.data import recognise
from kldeval.dataclass import dataclass
from kldeval.errors import RefusedMap
from kldeval.normalization.chain import class_axis, format_chain
from kldeval.normalization.steps import STEPS
from kldeval.records import Failure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from kldeval.arrays import NumpyArray as Array
    from kldeval.grammar import Call
    from kldeval.normalization.chain import Chain
    from kldeval.records import MapPair
    from kldeval.settings.settings import Settings


SIDES = {"pred": "prediction", "gt": "ground truth"}

PLAIN_AXES = 2
"""Height and width."""

_LARGEST_POWER = 500
"""Beyond it, powers of e are written as such."""

_BASE_NAMES = {"e": "natural", "2": "base-2", "10": "base-10"}


def negative(pair: MapPair, role: str, detail: float, chain: str) -> str:
    """Why a map with negative values is refused by a sum, and what would be right for what it is.

    The array is absent where a function of arrays asks.
    """
    flag, array = f"--{role}-norm", getattr(pair, role)
    if f"overshoot-{role}" in pair.remarks:
        why = f"the resizing made them: use another kernel, or {flag} 'clip(min=0)+{chain}'"
    else:
        why = _WHY_NEGATIVE["signed" if array is None else recognise.why_negative(array)](array, flag, chain)
    return f"the {SIDES[role]} has negative values (minimum {detail:.6g}), which {chain!r} cannot take; {why}"


def _why_nodata(array: Array, flag: str, _chain: str) -> str:
    value = recognise.describe_number(recognise.sentinel(array))
    counted = " --nodata-pred zero (or mask)" if flag == "--pred-norm" else ""
    return f"all of them are {value}, as pixels without data are marked: --nodata {value}{counted} takes them for such"


def _why_log_density(array: Array, flag: str, chain: str) -> str:
    logs = _log_chain(array)
    axis = logs.rpartition("(axis=")[2].partition(")")[0] if "(axis=" in logs else ""
    other = "--gt-norm" if flag == "--pred-norm" else "--pred-norm"
    both = f" {other} {_quoted(f'sum-to-one(axis={axis})')}" if axis and f"axis={axis}" not in chain else ""
    return f"{_log_density(array)}: {flag} {_quoted(logs)}{both}"


def _why_overshoot(_array: Array, flag: str, chain: str) -> str:
    return f"they are few and small beside the map, as interpolation leaves them: {flag} 'clip(min=0)+{chain}'"


def _why_signed(_array: Array, flag: str, chain: str) -> str:
    axis = chain.rpartition("(axis=")[2].partition(")")[0] if "(axis=" in chain else ""
    softmax = _quoted(f"softmax(axis={axis})") if axis else "flatten-softmax"
    return (
        f"for scores or logits use a softmax ({flag} {softmax}), for signed attributions their strength "
        f"({flag} 'abs+{chain}') or the positive ones ({flag} 'clip(min=0)+{chain}'), and shift maps whose 0 is "
        f"arbitrary ({flag} 'shift+{chain}')"
    )


_WHY_NEGATIVE: Mapping[str, Callable[[Array, str, str], str]] = {
    "log-density": _why_log_density,
    "nodata": _why_nodata,
    "overshoot": _why_overshoot,
    "signed": _why_signed,
}


def unnormalised(pair: MapPair, role: str, detail: float, chain: Chain) -> str:
    """Why a map is no log-density as the chain takes it, and what would be right for what it is."""
    # what the stored values are says little of what steps made of them, or of those that a mask leaves
    plain = None if len(chain) > 1 or pair.weights is not None else getattr(pair, role)
    return _unnormalised(plain, role, detail, chain, is_masked=pair.weights is not None)


def check_log_density(array: Array, role: str, step: Call) -> None:
    """Refuse a map that is no log-density as the step takes it.

    Raises:
        RefusedMap: naming what it is.
    """
    axis, base = step.keywords.get("axis"), step.keywords.get("base", "e")
    if not recognise.is_log_density(array, axis, base):
        total = np.atleast_1d(recognise.log_sum(array, axis, base))
        worst = float(total.ravel()[np.argmax(np.abs(total))])
        raise RefusedMap(_unnormalised(array, role, worst, (step,), is_masked=False))


def _unnormalised(plain: Array | None, role: str, detail: float, chain: Chain, *, is_masked: bool) -> str:
    flag, before = f"--{role}-norm", chain[:-1]
    axis = chain[-1].keywords.get("axis")
    where = "" if axis is None else f" along axis {axis}"
    found = f"the {SIDES[role]} is no log-density: its exponentials{where} sum to {_exponential(detail)}, not 1"
    if plain is not None and recognise.log_density(plain):
        return f"{found}; {_log_density(plain)}: {flag} {_quoted(_log_chain(plain, chain))}"
    said = "" if axis is None else f"(axis={axis})"
    if plain is not None and plain.min() >= 0:
        return f"{found}; none is negative, as probabilities are: {flag} {_quoted('sum-to-one' + said)}"
    softmax = "flatten-softmax" if axis is None else f"softmax{said}"
    normalised = "+".join([*map(str, before), softmax])
    unchecked = format_chain((*before, STEPS[chain[-1].name].call(**{**chain[-1].keywords, "check": "none"})))
    left = "the pixels that the mask leaves" if is_masked else "them"
    return (
        f"{found}; {flag} {_quoted(normalised)} makes a density of {left}, and {flag} {_quoted(unchecked)} takes them "
        "as they are"
    )


def _exponential(power: float) -> str:
    return f"{math.exp(power):.6g}" if abs(power) < _LARGEST_POWER else f"e^{power:.6g}"


def _log_density(array: Array) -> str:
    base, axis = recognise.log_density(array) or ("e", None)
    over = "sum to 1" if axis is None else f"sum to 1 along axis {axis}"
    return f"its values are {_BASE_NAMES[base]} logarithms of a density (their powers {over})"


def _log_chain(array: Array, chain: Chain = ()) -> str:
    """The step for what the array holds, with the axis as the user counts it where one was named."""
    base, axis = recognise.log_density(array) or ("e", None)
    given = chain[-1].keywords.get("axis") if chain else None
    if axis is not None and given is not None and given % array.ndim == axis % array.ndim:
        axis = given
    said = [f"axis={axis}"] * (axis is not None) + [f"base={base}"] * (base != "e")
    return "log-prob" + (f"({','.join(said)})" if said else "")


def _quoted(chain: str) -> str:
    return f"'{chain}'" if "(" in chain or "+" in chain else chain


@dataclass(frozen=True, slots=True)
class Examination:
    """What is looked for in stored values, of the settings: worked out once for a run."""

    gt: Chain
    gt_axis: int | None
    pred_axis: int | None
    is_labels: bool
    of_pixels: bool
    of_densities: bool

    @classmethod
    def of(cls, settings: Settings) -> Examination:
        """What the settings ask to look for."""
        gt_axis = None if settings.is_labels else _softmax_axis(settings.gt)
        of_pixels, of_densities = (bool(settings.on(*kinds)) for kinds in (("pixels", "forecasts"), ("density",)))
        return cls(settings.gt, gt_axis, _softmax_axis(settings.pred), settings.is_labels, of_pixels, of_densities)


def examined(pair: MapPair, look: Examination) -> MapPair | Failure:
    """The pair with the remarks that its stored values give rise to, or why it is not scored as it was asked.

    Arrays on an accelerator were looked at before they went there.
    """
    if not (isinstance(pair.pred, np.ndarray) and isinstance(pair.gt, np.ndarray)):
        return pair
    stands_against = _softmax_of_distributions(pair, look)
    if stands_against:
        return Failure(pair.name, "check", stands_against, "normalised-twice")
    remarks = [remark for remark in _remarks(pair, look) if remark not in pair.remarks]
    return replace(pair, remarks=(*pair.remarks, *remarks)) if remarks else pair


def _softmax_of_distributions(pair: MapPair, look: Examination) -> str | None:
    """A ground truth of one-hot or soft labels that the chain would put through a softmax, too."""
    axis = look.gt_axis
    if axis is None or pair.gt.shape != pair.pred.shape or not _has_axis(pair.gt, axis):
        return None
    if not recognise.holds_distributions(pair.gt, axis):
        return None
    n_positions = pair.gt.size // pair.gt.shape[axis]
    is_one_hot = np.count_nonzero(pair.gt) == n_positions
    if pair.gt.ndim == PLAIN_AXES and (n_positions == 1 or not is_one_hot):
        return None  # rows whose softmax may be meant, as tutorials mean it; a remark says so
    kind = "one-hot labels" if is_one_hot else "probabilities"
    return (
        f"the ground truth holds {kind} along axis {axis}, and {format_chain(look.gt)!r} would put them through a "
        f"softmax, too; for the cross-entropy of labels say --gt-norm labels, for a divergence "
        f"--gt-norm 'sum-to-one(axis={axis})'"
    )


def _softmax_axis(chain: Chain) -> int | None:
    """The axis of a chain that is a softmax along one axis and nothing else."""
    return class_axis(chain) if len(chain) == 1 and chain[0].name == "softmax" else None


def _has_axis(array: Array, axis: int) -> bool:
    return bool(-array.ndim <= axis < array.ndim)


def _remarks(pair: MapPair, look: Examination) -> Iterator[str]:
    axis = look.pred_axis
    has_classes = axis is not None and pair.pred.ndim > PLAIN_AXES and _has_axis(pair.pred, axis)
    if has_classes and recognise.holds_distributions(pair.pred, axis or 0):
        yield "probabilities-pred"
    axis = _softmax_axis(look.gt)
    has_rows = axis is not None and pair.gt.ndim == PLAIN_AXES and _has_axis(pair.gt, axis)
    if has_rows and recognise.holds_distributions(pair.gt, axis or 0):
        yield "probabilities-gt"
    if look.is_labels or not pair.pred.ndim == pair.gt.ndim == PLAIN_AXES:
        return
    for role in ("pred", "gt"):
        if not look.of_pixels and recognise.is_truncated(getattr(pair, role)):
            yield f"truncated-{role}"
    if recognise.are_levels_apart(pair.pred, pair.gt):
        yield "levels-apart"
    if look.of_densities and pair.made is None and recognise.is_fixation_map(pair.gt):
        yield "fixation-gt"
