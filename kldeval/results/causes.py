"""What drives the spread of the conventions on these maps, in sentences made of the numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kldeval.results.audit import Cause
from kldeval.results.summary import summarise

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from kldeval.results.audit import AuditedMap, Standing, Traits

VISIBLE = 0.01
"""A cause that moves no number by this share is not worth a sentence."""

SMALL_CONSTANT = 1e-11
"""A constant up to this does not hide what else a convention does."""

SOFTMAX_BOUND = 0.4745
"""No two maps in 0..1 have a larger divergence after a softmax of the whole map."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """One model's numbers: its maps, and by convention what it is and where the model stands."""

    maps: Sequence[AuditedMap]
    traits: Mapping[str, Traits]
    standings: Mapping[str, Standing]
    reference: str

    @property
    def names(self) -> list[str]:
        """The conventions that have a number."""
        return [name for name in self.traits if _number(self.standings[name].mean) is not None]

    def mean(self, name: str) -> float:
        """The number of a convention that has one."""
        value = self.standings[name].mean
        return math.nan if value is None else value

    def chosen(self, condition: Callable[[Traits], bool]) -> list[str]:
        """The conventions with a number that fulfil the condition."""
        return [name for name in self.names if condition(self.traits[name])]

    def size(self, names: Sequence[str]) -> float:
        """The largest |ln(value / reference value)|; what has no logarithm counts as the difference in reference units."""
        return max((_distance(self.standings[name].ratio, self.mean(name)) for name in names), default=0.0)

    def beside(self) -> str:
        """`where default reads 0.27`."""
        base = self.standings[self.reference].mean
        return "" if base is None else f" where {self.reference} reads {shown(base)}"


def causes(evidence: Evidence) -> tuple[Cause, ...]:
    """Every cause that these maps show, the largest first; those that hold for all maps by definition last."""
    found = [cause for find in _FINDERS for cause in find(evidence)]
    return tuple(sorted(found, key=lambda cause: (cause.by_definition, -cause.size)))


def shown(value: float) -> str:
    """A number in four significant digits.

    >>> shown(0.72544409), shown(1e-6), shown(math.inf)
    ('0.7254', '1e-06', 'inf')
    """
    return f"{value:.4g}"


def listed(names: Sequence[str]) -> str:
    """Names in a row: `a, b and c`."""
    return " and ".join(part for part in (", ".join(names[:-1]), *names[-1:]) if part)


def _zeros_and_epsilon(evidence: Evidence) -> Iterator[Cause]:
    """The plain rows differ by their constant alone: zeros turn it into nats, and so does its size against 1/N."""
    family = evidence.chosen(lambda row: row.plain and row.epsilon > 0)
    finite = [name for name in family if math.isfinite(evidence.mean(name))]
    if not finite:
        return
    small, large = (end(finite, key=lambda name: evidence.traits[name].epsilon) for end in (min, max))
    decades = math.log(evidence.traits[large].epsilon / evidence.traits[small].epsilon)
    spread = evidence.mean(small) - evidence.mean(large)
    mass = _mean([row.uncovered_mass for row in evidence.maps if row.uncovered_mass is not None])
    by_zeros = min(max(spread, 0.0), mass * decades)
    size = _range(evidence.mean(large), evidence.mean(small))
    if mass:
        share = by_zeros / spread if spread > 0 else 1.0
        yield _zeros(evidence, small, large, mass, size * share)
    rest = spread - by_zeros
    if abs(rest) > VISIBLE * abs(evidence.mean(small)):
        yield _epsilon(evidence, small, large, rest, size * (rest / spread if spread else 1.0))


def _zeros(evidence: Evidence, small: str, large: str, mass: float, size: float) -> Cause:
    bare = sum(bool(row.n_uncovered) for row in evidence.maps)
    infinite = [name for name in evidence.traits if evidence.standings[name].mean == math.inf]
    added = [name for name in evidence.names if evidence.traits[name].added and name not in infinite]
    added = [name for name in added if evidence.traits[name].direction == "gt-pred"]
    text = (
        f"zeros under ground-truth mass: the prediction is exactly 0 under {mass:.3g} of the ground-truth mass "
        f"({bare} of {len(evidence.maps)} maps), so each decade of epsilon moves the mean by {shown(mass * math.log(10))} "
        f"nats: {_reading(evidence, large)}, {_reading(evidence, small)}"
    )
    text += "".join(f", {shown(evidence.mean(name))} with it added to the map ({name})" for name in added)
    text += f", inf without one ({listed(infinite)})" if infinite else ""
    return Cause("zeros", text, math.inf if infinite else size)


def _reading(evidence: Evidence, name: str) -> str:
    return f"{shown(evidence.mean(name))} at {evidence.traits[name].epsilon:.3g} ({name})"


def _epsilon(evidence: Evidence, small: str, large: str, taken: float, size: float) -> Cause:
    epsilon, uniform = evidence.traits[large].epsilon, 1 / _mean([row.n_pixels for row in evidence.maps])
    text = (
        f"epsilon against 1/N: the {epsilon:.3g} of {large} is {shown(epsilon / uniform)} of the mean probability "
        f"{uniform:.3g}, which takes {shown(taken)} nats off the {shown(evidence.mean(small))} of {small}"
    )
    return Cause("epsilon", text, abs(size))


def _softmax(evidence: Evidence) -> Iterator[Cause]:
    both = evidence.chosen(lambda row: all(row.softmaxed) and row.reduction in ("slices", "sum"))
    alone = evidence.chosen(lambda row: row.softmaxed == (True, False))
    if not both and not alone:
        return
    parts = [f"{_readings(evidence, both)}"] if both else []
    parts += [f"with the prediction's alone {_readings(evidence, alone)}"] if alone else []
    highest = max((evidence.mean(name) for name in both), default=0.0)
    bound = f" (never above {SOFTMAX_BOUND} for maps in 0..1)" if both and highest <= SOFTMAX_BOUND else ""
    text = f"softmax squeeze: after a softmax of both maps {parts[0]}{bound}" if both else f"softmax squeeze: {parts[0]}"
    text += f"; {parts[1]}" if len(parts) > 1 else ""
    yield Cause("softmax", text + evidence.beside(), evidence.size([*both, *alone]))


def _direction(evidence: Evidence) -> Iterator[Cause]:
    names = {word: evidence.chosen(lambda row, word=word: row.direction == word) for word in ("pred-gt", "mean")}
    parts = []
    if names["pred-gt"]:
        parts.append(f"the reversed D(pred || gt) reads {_readings(evidence, names['pred-gt'], verb='')}")
    if names["mean"]:
        parts.append(f"the mean of both directions {_readings(evidence, names['mean'], verb='')}")
    if parts:
        affected = [*names["pred-gt"], *names["mean"]]
        yield Cause("direction", f"direction: {' and '.join(parts)}{evidence.beside()}", evidence.size(affected))


def _stretch(evidence: Evidence) -> Iterator[Cause]:
    names = evidence.chosen(lambda row: row.stretched and row.epsilon <= SMALL_CONSTANT)
    plain = evidence.chosen(lambda row: row.plain and 0 < row.epsilon)
    closest = min(plain, key=lambda name: evidence.traits[name].epsilon, default=None)
    if not names or closest is None:
        return
    mass = _mean([row.uncovered_mass for row in evidence.maps if row.uncovered_mass is not None])
    by_zeros = {name: mass * math.log(evidence.traits[name].epsilon / evidence.traits[closest].epsilon) for name in names}
    moved = [evidence.mean(name) - (evidence.mean(closest) - by_zeros[name]) for name in names]
    if max(map(abs, moved)) > VISIBLE * abs(evidence.mean(closest)):
        text = f"stretching: with the prediction's minimum subtracted {_readings(evidence, names)}{evidence.beside()}"
        yield Cause("stretching", text, max(map(abs, moved)) / abs(evidence.mean(closest)))


def _definitions(evidence: Evidence) -> Iterator[Cause]:
    """What no map decides: multipliers, what a sum is divided by, and what a distribution is."""
    kinds: dict[str, Callable[[Traits], bool]] = {
        "multiply by a factor": lambda row: row.factor != 1,
        "divide by the number of pixels": lambda row: row.reduction == "mean",
        "divide by the height": lambda row: row.reduction == "batchmean",
        "take rows for distributions": lambda row: row.lines == "rows",
        "take columns for distributions": lambda row: row.lines == "columns",
        "normalise nothing": lambda row: not row.normalised,
        "weigh rows by their latitude": lambda row: "latitude" in row.pred,
    }
    chosen = {what: evidence.chosen(condition) for what, condition in kinds.items()}
    parts = [f"{listed(names)} {_verb(what, names)}" for what, names in chosen.items() if names]
    if parts:
        affected = [name for names in chosen.values() for name in names]
        text = f"by definition: {'; '.join(parts)}"
        yield Cause("definition", text, evidence.size(affected), by_definition=True)


def _verb(what: str, names: Sequence[str]) -> str:
    """The verb in the singular where one convention does it."""
    verb, _, rest = what.partition(" ")
    singular = {"multiply": "multiplies"}.get(verb, f"{verb}s")
    return f"{singular if len(names) == 1 else verb} {rest}"


def _readings(evidence: Evidence, names: Sequence[str], verb: str = "reads ") -> str:
    """`reads 0.0014 (flatten-softmax)`, or the lowest and the highest of several."""
    low, high = (end(names, key=evidence.mean) for end in (min, max))
    if len({shown(evidence.mean(name)) for name in names}) == 1:
        return f"{verb}{shown(evidence.mean(low))} ({listed(names)})"
    return f"{verb}{shown(evidence.mean(low))} ({low}) to {shown(evidence.mean(high))} ({high})"


def _number(value: float | None) -> float | None:
    return None if value is None or math.isnan(value) else value


def _mean(values: Sequence[float]) -> float:
    return summarise(values).mean or 0.0


def _range(low: float, high: float) -> float:
    return abs(math.log(high / low)) if low > 0 and high > 0 else abs(high - low)


def _distance(ratio: float | None, mean: float) -> float:
    if math.isinf(mean):
        return math.inf
    if ratio is None or math.isnan(ratio):
        return 0.0
    return abs(math.log(ratio)) if ratio > 0 and math.isfinite(ratio) else abs(ratio - 1)


_FINDERS: tuple[Callable[[Evidence], Iterator[Cause]], ...] = (
    _zeros_and_epsilon,
    _softmax,
    _direction,
    _stretch,
    _definitions,
)
