"""An audit as a page: the matrix of values, and sentences around it."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from itertools import pairwise
from typing import TYPE_CHECKING

from kldeval.dataclass import dataclass
from kldeval.errors import count
from kldeval.reports.documents import Column
from kldeval.writers.numbers import ABSENT
from kldeval.writers.page import (
    Cell,
    Head,
    Missing,
    MissingMaps,
    Notes,
    Page,
    Paragraphs,
    Signatures,
    Table,
    filled,
    plain_heads,
)
from kldeval.writers.report_page import LISTED
from kldeval.writers.rounding_table import rounding_blocks

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from kldeval.reports.audit_documents import Audit, AuditedMap, Curve, Flip, FlipSide, Standing
    from kldeval.writers.page import Block, Options


FEW = 2
"""Fewer values than that have a constant ratio by chance."""

SAME_FACTOR = 1e-9
"""By how much of one another factors differ that are rounded in other ways."""

FIXED = range(-3, 7)
"""The decimal exponents of numbers that need no exponent."""


def audit_page(audit: Audit, options: Options) -> Page:
    """The whole page, in the order in which it is read."""
    return Page(filled(_blocks(audit, options)))


def _blocks(audit: Audit, options: Options) -> Iterator[Block]:
    rows = [_Row(group) for group in audit.groups] if options.verbose else _folded(audit)
    yield _matrix(audit, rows, options.precision)
    if len(audit.models) > 1:
        yield Paragraphs((_legend(audit),), dim=True)
        yield from _flips(audit, rows)
    yield from _causes(audit)
    yield from _refusals(audit)
    if audit.rounding:
        yield from rounding_blocks(audit, options.precision)
    if audit.curve:
        yield from _curve(audit.curve, options.precision)
    yield _failures(audit)
    yield Notes(audit.notes)
    yield Paragraphs((_signature_line(audit),), dim=True)
    lines = tuple(f"{name}: {facts.signature}" for name, facts in audit.conventions.items())
    yield Signatures((), lines, on_terminal=False)


@dataclass(frozen=True, slots=True)
class _Row:
    """Conventions that agree on these maps, and those that are a constant multiple of them, each with its factor."""

    group: tuple[str, ...]
    multiples: tuple[tuple[str, float], ...] = ()

    @property
    def names(self) -> str:
        """The names of all conventions, as the table lists them."""
        return ", ".join((*self.group, *(f"{name} (x{number(factor, 4)})" for name, factor in self.multiples)))


def _folded(audit: Audit) -> list[_Row]:
    """The groups in their order; one that is a constant multiple of another on these maps stands in its row.

    The row is that of the group with the reference, else of the one that stands first in the registry.
    """
    order = list(audit.conventions)
    ranked = sorted(audit.groups, key=lambda group: (audit.reference not in group, order.index(group[0])))
    factors: dict[tuple[str, ...], list[tuple[str, float]]] = {}
    for group in ranked:
        for kept in factors:
            factor = _constant_factor(audit, group[0], kept[0])
            if factor is not None:
                factors[kept] += [(name, factor) for name in group]
                break
        else:
            factors[group] = []
    return [_Row(group, tuple(factors[group])) for group in audit.groups if group in factors]


def _constant_factor(audit: Audit, name: str, other: str) -> float | None:
    """What turns every value under `other` into that under `name`; None unless one factor does, for several values."""
    ratios: list[float] = []
    denominators: set[float] = set()
    for one in (one for maps in audit.maps.values() for one in maps):
        a, b = one.values.get(name), one.values.get(other)
        if a is None or b is None or not (math.isfinite(a) and math.isfinite(b) and b and a / b > 0):
            return None
        ratios.append(a / b)
        denominators.add(b)
        # nearly all that differ do so on the first maps; both would have to be near the middle one
        if not math.isclose(ratios[-1], ratios[0], rel_tol=3 * SAME_FACTOR):
            return None
    if len(denominators) < FEW:
        return None
    middle = sorted(ratios)[len(ratios) // 2]
    return middle if all(math.isclose(ratio, middle, rel_tol=SAME_FACTOR) for ratio in ratios) else None


def _matrix(audit: Audit, folded: Sequence[_Row], digits: int) -> Table:
    """A row per group of conventions that agree, lowest first."""
    several = len(audit.models) > 1
    rows = [{model: audit.standings[one.group[0]][model] for model in audit.models} for one in folded]
    heads: list[Head] = [_metric_head(audit.metric, audit.column, model, several=several) for model in audit.models]
    columns = [[_mean_cell(row[model], digits, several=several) for row in rows] for model in audit.models]
    if several:
        taus = audit.agreement[audit.reference]
        heads.append(Head("tau"))
        columns.append([Cell(_signed(taus[one.group[0]])) for one in folded])
    else:
        heads.append(Head(f"to {audit.reference}"))
        columns.append([Cell(number(row[audit.models[0]].ratio, 3)) for row in rows])
    counts = _counts(rows, len({one.name for maps in audit.maps.values() for one in maps}))
    heads += [*plain_heads("number", *counts), Head("conventions" if audit.metric == "kld" else "definitions", "names")]
    columns += [list(map(Cell, texts)) for texts in (*counts.values(), [one.names for one in folded])]
    title = _title(audit)
    return Table(tuple(heads), tuple(zip(*columns, strict=True)), title, caption=_sentence(title))


OF_KLD = Column("nats", "low")
"""The column of a curve over epsilon, which only KLD has."""


def _metric_head(metric: str, column: Column, model: str, *, several: bool) -> Head:
    """The model's name where there are several; else the metric, with its unit."""
    return Head(model, "number", column.best) if several else Head(metric, "number", column.best, column.unit)


def _mean_cell(one: Standing, digits: int, *, several: bool) -> Cell:
    rank = one.rank if several else None
    return Cell(number(one.mean, digits), rank=rank, is_best=rank == 1)


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}"


def number(value: float | None, digits: int) -> str:
    """A number in so many significant digits, with an exponent where it is very small or very large.

    >>> [number(x, 4) for x in (0.72544, 1234.5678, 1.9542e-7, 0.0, math.inf)]
    ['0.7254', '1235', '1.954e-07', '0', 'inf']
    """
    if value is None:
        return ABSENT
    if not math.isfinite(value) or value == 0:
        return "0" if value == 0 else str(float(value))
    text = f"{value:.{max(0, digits - 1)}e}"
    exponent = int(text.partition("e")[2])
    return f"{value:.{max(0, digits - 1 - exponent)}f}" if exponent in FIXED else text


def _counts(rows: Sequence[dict[str, Standing]], n_maps: int) -> dict[str, list[str]]:
    """How many maps a row is about and how many of them are not finite, where that is worth a column."""
    columns = {}
    if any(one.n != n_maps for row in rows for one in row.values()):
        columns["maps"] = [str(next(iter(row.values())).n) for row in rows]
    if any(one.n_nonfinite for row in rows for one in row.values()):
        columns["not finite"] = [str(max(one.n_nonfinite for one in row.values()) or ABSENT) for row in rows]
    return columns


def _title(audit: Audit) -> str:
    maps = count(len({one.name for maps in audit.maps.values() for one in maps}), "map")
    models = f", {len(audit.models)} predictions" if len(audit.models) > 1 else ""
    rows = "convention" if audit.metric == "kld" else "definition"
    return f"{audit.metric.upper()} of {maps}{models} under {count(len(audit.conventions), rows)}, lowest first"


def _legend(audit: Audit) -> str:
    return (
        "in parentheses the rank; tau is Kendall's rank correlation of the order of the predictions with that under "
        f"{audit.reference}{_least_agreement(audit)}"
    )


def _least_agreement(audit: Audit) -> str:
    taus = {
        (name, other): tau
        for name, row in audit.agreement.items()
        for other, tau in row.items()
        if name < other and tau is not None
    }
    if len(audit.models) <= 2 or not taus:  # noqa: PLR2004 - two predictions have two orders
        return ""
    lowest = min(taus, key=lambda pair: taus[pair])
    return f"; the two that agree least are {lowest[0]} and {lowest[1]}, tau {_signed(taus[lowest])}"


def _signed(tau: float | None) -> str:
    return ABSENT if tau is None else f"{tau:+.2f}"


def _flips(audit: Audit, rows: Sequence[_Row]) -> Iterator[Paragraphs]:
    for flip in audit.flips:
        yield Paragraphs(
            (
                f"{flip.first} is better under {_sides(flip.first_better, rows)}",
                f"{flip.second} is better under {_sides(flip.second_better, rows)}",
            ),
            title=_flip_title(flip, "convention" if audit.metric == "kld" else "definition"),
            mark="  ",
        )
    if any(side.significant for flip in audit.flips for side in (*flip.first_better, *flip.second_better)):
        level = f"{1 - audit.confidence:.0%}"
        what = "conventions" if audit.metric == "kld" else "definitions"
        text = f"* significant: sign-flip test at {level}, adjusted over all {what} and all pairs of predictions"
        yield Paragraphs((text,), dim=True)


def _flip_title(flip: Flip, what: str) -> str:
    decisive = ", and either order is significant (*) under some of them" if flip.decisive else ""
    return f"the order of {flip.first} and {flip.second} depends on the {what}{decisive}"


def _sides(sides: Sequence[FlipSide], rows: Sequence[_Row]) -> str:
    """The conventions under which one is better; the first of a row of the table stands for the others in it."""
    stars = {side.convention: "*" if side.significant else "" for side in sides}
    texts = []
    for row in rows:
        members = [name for name in (*row.group, *(name for name, _ in row.multiples)) if name in stars]
        if members:
            more = f" (and {len(members) - 1} like it)" if len(members) > 1 else ""
            texts.append(f"{members[0]}{stars[members[0]]}{more}")
    return ", ".join(texts)


def _causes(audit: Audit) -> Iterator[Paragraphs]:
    several = len(audit.models) > 1
    for model in audit.models:
        own = audit.causes[model]
        causes = [cause for cause in own if not cause.by_definition][:1] if several else own
        title = "what drives the spread here" + (f", for {model} above all" if several else "")
        if causes:
            yield Paragraphs(tuple(cause.text for cause in causes), title=title, mark="- ")


def _refusals(audit: Audit) -> Iterator[Paragraphs]:
    """The conventions that do not apply, with those that say the same together."""
    alike: defaultdict[tuple[str, str, str], list[str]] = defaultdict(list)
    for name in audit.conventions:
        refused = [(model, one) for model, maps in audit.maps.items() for one in maps if name in one.refusals]
        if refused:
            first = refused[0][1]
            alike[_refused_counts(audit, refused), first.name, _reason(first.refusals[name])].append(name)
    lines = [f"{', '.join(names)}: {counts}; {first}: {why}" for (counts, first, why), names in alike.items()]
    if lines:
        yield Paragraphs(tuple(lines), title="does not apply", mark="- ")


def _refused_counts(audit: Audit, refused: Sequence[tuple[str, AuditedMap]]) -> str:
    """`4 of 5 maps`, or `4 of 5 maps of a, 5 of 5 of b`."""
    several = len(audit.models) > 1
    counts = Counter(model for model, _ in refused)
    return ", ".join(
        f"{n} of {count(len(audit.maps[model]), 'map')}{f' of {model}' if several else ''}"
        for model, n in counts.items()
    )


def _reason(message: str) -> str:
    """A refusal without the way out, unless an audit has it."""
    reason, _, way_out = message.partition("; ")
    return message if "--resize" in way_out else reason


def _curve(curve: Curve, digits: int) -> Iterator[Table | Paragraphs]:
    several = len(curve.kld) > 1
    heads, columns = [Head("epsilon")], [[f"{epsilon:.0e}" for epsilon in curve.epsilons]]
    for model, values in curve.kld.items():
        heads += [
            _metric_head("kld", OF_KLD, model, several=several),
            Head(f"slope of {model}" if several else "slope"),
        ]
        columns += [[number(value, digits) for value in found] for found in (values, curve.slope[model])]
    title = "sum q ln(e + q/(p + e)) over epsilon e, both maps divided by their sums"
    if not curve.n:
        yield Paragraphs(("no map can be divided by its sum",), title=title, mark="- ")
        return
    rows = tuple(tuple(map(Cell, row)) for row in zip(*columns, strict=True))
    yield Table(tuple(heads), rows, title, caption=_sentence(title))
    yield Paragraphs((_slope_line(curve, digits), *_crossings(curve)), dim=True)


def _slope_line(curve: Curve, digits: int) -> str:
    several = len(curve.kld) > 1
    masses = ", ".join(
        f"{number(mass, digits)}{f' for {model}' if several else ''} ({number(mass * math.log(10), digits)} per decade)"
        for model, mass in curve.uncovered_mass.items()
    )
    return f"slope is -dKLD/d ln e; while e is far below every probability it is the uncovered mass: {masses}"


def _crossings(curve: Curve) -> Iterator[str]:
    models = list(curve.kld)
    for place, first in enumerate(models):
        for second in models[place + 1 :]:
            gaps = [one - other for one, other in zip(curve.kld[first], curve.kld[second], strict=True)]
            for (low, before), (high, after) in pairwise(zip(curve.epsilons, gaps, strict=True)):
                if before * after < 0:
                    yield f"the order of {first} and {second} flips between {low:.0e} and {high:.0e}"


def _failures(audit: Audit) -> MissingMaps:
    several = len(audit.models) > 1
    rows = tuple(
        Missing(failure.name, failure.message, failure.stage, model if several else "")
        for model, failures in audit.failures.items()
        for failure in failures
    )
    return MissingMaps(f"{count(len(rows), 'map')} could not be read", rows, LISTED)


def _signature_line(audit: Audit) -> str:
    if audit.metric != "kld":
        return "the JSON report has the signature of each definition"
    short = audit.conventions[audit.reference].short
    if all(name in traits.short for name, traits in audit.conventions.items()):
        return f"the signature of a convention is kldeval:NAME+v{short.rpartition('v')[2]}, as in {short}"
    return "a flag has changed the conventions: the JSON report has the signature of each"
