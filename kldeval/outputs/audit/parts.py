"""What every page of an audit for people holds: the matrix of values, and sentences around it."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from itertools import pairwise
from typing import TYPE_CHECKING

from kldeval.outputs.notation import ABSENT, aligned, count
from kldeval.outputs.sheets import Paragraphs, Sheet

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from kldeval.results.audit import Audit, AuditedMap, Curve, Flip, Side, Standing

_LISTED = 20
"""So many failures are listed."""

FIXED = range(-3, 7)
"""The decimal exponents of numbers that need no exponent."""


def parts_of(audit: Audit, digits: int) -> Iterator[Sheet | Paragraphs]:
    """The whole page, in the order in which it is read."""
    yield matrix(audit, digits)
    if len(audit.models) > 1:
        yield Paragraphs((_legend(audit),), dim=True)
        yield from _flips(audit)
    yield from _causes(audit)
    yield from _refusals(audit)
    if audit.curve:
        yield from _curve(audit.curve, digits)
    yield from _failures(audit)
    if audit.notes:
        yield Paragraphs(audit.notes, mark="note: ")
    yield Paragraphs((_signature_line(audit),), dim=True)


def matrix(audit: Audit, digits: int) -> Sheet:
    """A row per group of conventions that agree, lowest first."""
    several = len(audit.models) > 1
    rows = [{model: audit.standings[group[0]][model] for model in audit.models} for group in audit.groups]
    columns: dict[str, list[str]] = {}
    for model in audit.models:
        texts = aligned([number(row[model].mean, digits) for row in rows])
        columns[f"{model} ↓" if several else "kld ↓ nats"] = [
            f"{text} ({row[model].rank})" if several and row[model].rank else text
            for text, row in zip(texts, rows, strict=True)
        ]
    if several:
        taus = audit.agreement[audit.reference]
        columns["tau"] = [_signed(taus[group[0]]) for group in audit.groups]
    else:
        columns[f"to {audit.reference}"] = [number(row[audit.models[0]].ratio, 3) for row in rows]
    columns |= _counts(rows, len({one.name for maps in audit.maps.values() for one in maps}))
    numeric = frozenset(range(len(columns)))
    columns["conventions"] = [", ".join(group) for group in audit.groups]
    best = {
        (place, column) for place, row in enumerate(rows) for column, one in enumerate(row.values()) if one.rank == 1
    }
    return Sheet(
        tuple(columns),
        tuple(zip(*columns.values(), strict=True)),
        numeric,
        frozenset(best) if several else frozenset(),
        _title(audit),
    )


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
    return f"KLD of {maps}{models} under {count(len(audit.conventions), 'convention')}, lowest first"


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


def _flips(audit: Audit) -> Iterator[Paragraphs]:
    for flip in audit.flips:
        yield Paragraphs(
            (
                f"{flip.first} is better under {_sides(flip.first_better)}",
                f"{flip.second} is better under {_sides(flip.second_better)}",
            ),
            title=_flip_title(flip),
            mark="  ",
        )
    if any(side.excludes_zero for flip in audit.flips for side in (*flip.first_better, *flip.second_better)):
        text = f"* the {audit.confidence:.0%} interval of the mean paired difference excludes 0"
        yield Paragraphs((text,), dim=True)


def _flip_title(flip: Flip) -> str:
    decisive = ", and either order is significant (*) under some of them" if flip.decisive else ""
    return f"the order of {flip.first} and {flip.second} depends on the convention{decisive}"


def _sides(sides: Sequence[Side]) -> str:
    return ", ".join(f"{side.convention}{'*' if side.excludes_zero else ''}" for side in sides)


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


def _curve(curve: Curve, digits: int) -> Iterator[Sheet | Paragraphs]:
    columns = {"epsilon": [f"{epsilon:.0e}" for epsilon in curve.epsilons]}
    several = len(curve.kld) > 1
    for model, values in curve.kld.items():
        columns[f"{model} ↓" if several else "kld ↓ nats"] = [number(value, digits) for value in values]
        columns[f"slope of {model}" if several else "slope"] = [number(value, digits) for value in curve.slope[model]]
    title = "sum q ln(e + q/(p + e)) over epsilon e, both maps divided by their sums"
    if not curve.n:
        yield Paragraphs(("no map can be divided by its sum",), title=title, mark="- ")
        return
    yield Sheet(tuple(columns), tuple(zip(*columns.values(), strict=True)), frozenset(range(len(columns))), title=title)
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


def _failures(audit: Audit) -> Iterator[Paragraphs]:
    several = len(audit.models) > 1
    lines = [
        f"{f'{model}: ' if several else ''}{failure.name} ({failure.stage}): {failure.message}"
        for model, failures in audit.failures.items()
        for failure in failures
    ]
    rest = [f"and {len(lines) - _LISTED} more; the JSON report lists all of them"] if len(lines) > _LISTED else []
    if lines:
        yield Paragraphs((*lines[:_LISTED], *rest), title=f"{count(len(lines), 'map')} could not be read", mark="- ")


def _signature_line(audit: Audit) -> str:
    short = audit.conventions[audit.reference].short
    if all(name in traits.short for name, traits in audit.conventions.items()):
        return f"the signature of a convention is kldeval:NAME+v{short.rpartition('v')[2]}, as in {short}"
    return "a flag has changed the conventions: the JSON report has the signature of each"
