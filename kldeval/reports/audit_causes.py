"""What drives the spread of the conventions on these maps, in sentences made of the numbers."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING

from kldeval.dataclass import dataclass
from kldeval.reports.aggregate import summarise
from kldeval.reports.audit_documents import Cause

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from kldeval.reports.audit_documents import AuditedMap, ConventionFacts, Standing


VISIBLE, SMALLEST = 0.01, 1e-4
"""A cause that moves no number by this share, or by so many nats, is not worth a sentence."""

SMALL_CONSTANT = 1e-11
"""A constant up to this does not hide what else a convention does."""

SOFTMAX_BOUND = 0.4745
"""No two maps in 0..1 have a larger divergence after a softmax of the whole map."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """One model's numbers: its maps, and by convention what it is and where the model stands."""

    maps: Sequence[AuditedMap]
    traits: Mapping[str, ConventionFacts]
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

    def chosen(self, condition: Callable[[ConventionFacts], bool]) -> list[str]:
        """The conventions with a number that fulfil the condition."""
        return [name for name in self.names if condition(self.traits[name])]

    def differs(self, name: str) -> bool:
        """Whether a convention that has a number reads visibly other than the reference, if that has one."""
        base = self.standings[self.reference].mean
        return base is None or not math.isfinite(base) or _is_visible(self.mean(name) - base, base)

    def size(self, names: Sequence[str]) -> float:
        """The largest |ln(value / reference)|; without a logarithm, the difference in units of the reference."""
        return max((_distance(self.standings[name].ratio, self.mean(name)) for name in names), default=0.0)


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


def names_in_a_row(names: Sequence[str]) -> str:
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
    spread, mass = evidence.mean(small) - evidence.mean(large), _uncovered_mass(evidence)
    by_zeros = min(max(spread, 0.0), mass * decades)
    size = _range(evidence.mean(large), evidence.mean(small))
    if mass:
        yield _zeros(evidence, small, large, size * (by_zeros / spread if spread > 0 else 1.0))
    rest = spread - by_zeros
    if _is_visible(rest, evidence.mean(small)):
        yield _epsilon(evidence, small, large, rest, size * (rest / spread if spread else 1.0))


def _zeros(evidence: Evidence, small: str, large: str, size: float) -> Cause:
    mass, traits = _uncovered_mass(evidence), evidence.traits
    infinite = [name for name in traits if evidence.standings[name].mean == math.inf]
    added = evidence.chosen(lambda row: row.added > 0 and row.direction == "gt-pred")
    details = {name: f"{traits[name].epsilon:.3g}" for name in (large, small)}
    details |= {name: f"{traits[name].added:.3g} added to the map" for name in added if name not in infinite}
    details |= dict.fromkeys(infinite, "none")
    bare = sum(bool(row.n_uncovered) for row in evidence.maps)
    text = (
        f"zeros under ground-truth mass: on {bare} of {len(evidence.maps)} maps the prediction is exactly 0 where the "
        f"ground truth is not, in the mean under {100 * mass:.3g} % of the ground-truth mass; there epsilon decides, "
        f"and each decade of it moves the mean by {shown(mass * math.log(10))} nats: {_readings(evidence, details)}"
    )
    return Cause("zeros", text, math.inf if infinite else size)


def _epsilon(evidence: Evidence, small: str, large: str, taken: float, size: float) -> Cause:
    epsilon, uniform = evidence.traits[large].epsilon, 1 / _mean([row.n_pixels for row in evidence.maps])
    beyond = ", beyond what the zeros do" if _uncovered_mass(evidence) else ""
    text = (
        f"epsilon against 1/N: the {epsilon:.3g} of {large} is {shown(epsilon / uniform)} of the mean probability "
        f"{uniform:.3g}, which takes {shown(taken)} nats off the {shown(evidence.mean(small))} of {small}{beyond}"
    )
    return Cause("epsilon", text, abs(size))


def _softmax(evidence: Evidence) -> Iterator[Cause]:
    both = evidence.chosen(lambda row: all(row.softmaxed) and row.reduction in ("slices", "sum"))
    alone = evidence.chosen(lambda row: row.softmaxed == (True, False))
    if not any(evidence.differs(name) for name in (*both, *alone)):
        return
    details = {**dict.fromkeys(both, ""), **dict.fromkeys(alone, "of the prediction alone")}
    nearly_uniform = all(row.unit_range for row in evidence.maps)
    what = (
        "that of values in 0..1 is nearly uniform"
        + (f", and where both maps go through it they differ by no more than {SOFTMAX_BOUND}" if both else "")
        if nearly_uniform
        else "it takes the maps for logits"
    )
    text = f"softmax{' squeeze' if nearly_uniform else ''}: {what}: {_readings(evidence, details, beside=True)}"
    yield Cause("softmax", text, evidence.size([*both, *alone]))


def _direction(evidence: Evidence) -> Iterator[Cause]:
    reversed_ = evidence.chosen(lambda row: row.direction == "pred-gt")
    both = evidence.chosen(lambda row: row.direction == "mean")
    if any(evidence.differs(name) for name in (*reversed_, *both)):
        details = {**dict.fromkeys(reversed_, "D(pred || gt)"), **dict.fromkeys(both, "the mean of both")}
        text = f"direction: {_readings(evidence, details, beside=True)}"
        yield Cause("direction", text, evidence.size([*reversed_, *both]))


def _stretch(evidence: Evidence) -> Iterator[Cause]:
    """The rows with a small constant that subtract the minimum, where that moves what the zeros do not."""
    names = evidence.chosen(lambda row: row.stretched and row.epsilon <= SMALL_CONSTANT)
    plain = evidence.chosen(lambda row: row.plain and row.epsilon > 0)
    if not names or not plain:
        return
    closest = min(plain, key=lambda name: evidence.traits[name].epsilon)
    base, mass = evidence.mean(closest), _uncovered_mass(evidence)
    decades = {name: math.log(evidence.traits[name].epsilon / evidence.traits[closest].epsilon) for name in names}
    moved = max(abs(evidence.mean(name) - (base - mass * decades[name])) for name in names)
    if _is_visible(moved, base):
        readings = _readings(evidence, dict.fromkeys(names, ""), beside=True)
        what = "subtracting the prediction's minimum takes away what it spread evenly"
        if any("bytes" in evidence.traits[name].pred for name in names):
            what = "subtracting the prediction's minimum, and rounding to bytes, take away what it spread thinly"
        text = f"stretching: {what}: {readings}"
        yield Cause("stretching", text, moved / max(SMALLEST, abs(base)))


def _definitions(evidence: Evidence) -> Iterator[Cause]:
    """What no map decides: multipliers, what a sum is divided by, and what a distribution is."""
    factors = sorted({row.factor for row in evidence.traits.values()} - {1})
    kinds: dict[str, Callable[[ConventionFacts], bool]] = {
        **{f"multiply by {factor:g}": partial(_has_factor, factor) for factor in factors},
        "divide by the number of pixels": lambda row: row.reduction == "mean",
        "divide by the height": lambda row: row.reduction == "batchmean",
        "take rows for distributions": lambda row: row.lines == "rows",
        "take columns for distributions": lambda row: row.lines == "columns",
        "normalise nothing": lambda row: not row.normalised,
        "weigh rows by their latitude": lambda row: "latitude" in row.pred,
    }
    chosen = {what: evidence.chosen(condition) for what, condition in kinds.items()}
    parts = [f"{names_in_a_row(names)} {_verb(what, names)}" for what, names in chosen.items() if names]
    if parts:
        affected = [name for names in chosen.values() for name in names]
        yield Cause("definition", f"by definition: {'; '.join(parts)}", evidence.size(affected), by_definition=True)


def _has_factor(factor: float, row: ConventionFacts) -> bool:
    return row.factor == factor


def _verb(what: str, names: Sequence[str]) -> str:
    """The verb in the singular where one convention does it."""
    verb, blank, rest = what.partition(" ")
    singular = {"multiply": "multiplies"}.get(verb, f"{verb}s")
    return f"{singular if len(names) == 1 else verb}{blank}{rest}"


def _readings(evidence: Evidence, details: Mapping[str, str], *, beside: bool = False) -> str:
    """`eml-net (1e-06) reads 0.1868, exact (none) inf`; `beside`: and what the reference reads."""
    alike: dict[tuple[str, str], list[str]] = {}
    for name, detail in details.items():
        alike.setdefault((shown(evidence.mean(name)), detail), []).append(name)
    base = evidence.standings[evidence.reference].mean
    if beside and base is not None:
        alike.setdefault((shown(base), "for comparison"), []).append(evidence.reference)
    whom = (
        f"{names_in_a_row(names)} ({detail})" if detail else names_in_a_row(names)
        for (_, detail), names in alike.items()
    )
    verbs = [_verb("read ", next(iter(alike.values()))), *[""] * (len(alike) - 1)]
    return ", ".join(f"{who} {verb}{value}" for who, verb, (value, _) in zip(whom, verbs, alike, strict=True))


def _is_visible(change: float, base: float) -> bool:
    return abs(change) > max(SMALLEST, VISIBLE * abs(base))


def _uncovered_mass(evidence: Evidence) -> float:
    return _mean([row.uncovered_mass for row in evidence.maps if row.uncovered_mass is not None])


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
