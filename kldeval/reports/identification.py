"""A published number, and the conventions and settings near them that print it."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from itertools import product
from typing import TYPE_CHECKING

from kldeval.dataclass import dataclass
from kldeval.errors import UsageProblem
from kldeval.metrics.registry import METRICS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


IDENTIFY_SCHEMA, FIRST_SCHEMA = "kldeval.identify/2", "kldeval.identify/1"

PLAIN = ("default", "exact", "flatten-softmax")
"""The conventions that come first among those with as many flags."""

NEAREST = 5
"""So many are shown where none prints the number."""

_SLACK = Decimal("1.000000001")
"""A number at half a unit of the last digit may be printed either way; the rest of this factor is rounding."""


@dataclass(frozen=True, slots=True)
class Published:
    """A number as it was printed: its text, its value, and half a unit of its last digit."""

    text: str
    value: float
    half: float
    metric: str = "kld"

    def is_printed_by(self, number: float) -> bool:
        """Whether the number, rounded to as many digits, is the published one.

        >>> published("0.27").is_printed_by(0.2735), published("0.270").is_printed_by(0.2735)
        (True, False)
        """
        if not math.isfinite(number):
            return False
        # in decimals, as the number was printed: the nearest floats of both may lie on the other side of a half
        printed = Decimal(self.text)
        return abs(Decimal(number) - printed) <= _half_unit(printed) * _SLACK


@dataclass(frozen=True, slots=True)
class Guess:
    """A convention, the flags that change it (none: as published), and the number it gives.

    `flags` are pairs of a flag and its value, to be typed beside `--convention`; of a companion of KLD the convention
    is the name of a definition, and its metric a flag. `resize` is how the maps are made of one size ("" where they
    are), `averaging` what the number is the mean over: `maps`, `groups` (of the request, or folders) or `fixations`.
    """

    convention: str
    flags: tuple[tuple[str, str], ...]
    value: float
    signature: str
    short: str
    metric: str = "kld"
    resize: str = ""
    averaging: str = "maps"


@dataclass(frozen=True, slots=True)
class Joint:
    """A resizing and an averaging under which every number of a row is printed, and what prints each.

    Under `fixations` the metrics that are of no fixations are means over the maps.
    """

    resize: str
    averaging: str
    guesses: Mapping[str, tuple[Guess, ...]]


@dataclass(frozen=True, slots=True)
class Identification:
    """What prints the number, best first: conventions as published, then those that fewest flags change.

    `nearest` are the closest of what was tried where nothing prints it. `n` maps were scored; `tried` settings gave
    `distinct` numbers, 0 where a document of the first version does not say. `chance` is how many of them print a
    number as near as the published one by chance: the mean of the hits at numbers a few units of the last digit beside
    it. `values` are the numbers looked for, and `joint`, where these are several, what prints all of them.
    """

    published: Published
    guesses: tuple[Guess, ...]
    nearest: tuple[Guess, ...]
    n: int
    tried: int
    failures: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    distinct: int = 0
    chance: float = 0.0
    values: tuple[Published, ...] = ()
    joint: tuple[Joint, ...] = ()


def published(text: str) -> Published:
    """The number that a text prints; its digits say how exactly.

    >>> published("1.20e-3").half
    5e-06

    Raises:
        UsageProblem: the text is no number, or inf or nan, which many conventions print.
    """
    try:
        number = Decimal(text.strip())
    except InvalidOperation:
        number = Decimal("nan")
    if not number.is_finite():
        msg = f"--value {text}: not a finite number; give it as it was printed, such as 0.27 (its digits matter)"
        raise UsageProblem(msg)
    return Published(text.strip(), float(number), float(_half_unit(number)))


def _half_unit(number: Decimal) -> Decimal:
    """Half a unit of the last digit of a number as it was printed."""
    return Decimal(5).scaleb(int(number.as_tuple().exponent) - 1)


def published_value(text: str) -> Published:
    """The number that `METRIC=NUMBER` says, or that of KLD that a bare number says.

    >>> published_value("cc=0.61").metric, published_value("0.27").metric
    ('cc', 'kld')

    Raises:
        UsageProblem: as `published`.
    """
    metric, equals, number = text.partition("=")
    return replace(published(number), metric=metric.strip().lower()) if equals else published(text)


def identify_number(target: Published, guesses: Iterable[Guess], n: int, notes: tuple[str, ...]) -> Identification:
    """The guesses that print the number, the simplest first."""
    tried = [guess for guess in guesses if math.isfinite(guess.value)]
    found = sorted((guess for guess in tried if target.is_printed_by(guess.value)), key=_complexity)
    nearest = [] if found else sorted(tried, key=lambda guess: abs(guess.value - target.value))[:NEAREST]
    numbers = distinct([guess.value for guess in tried])
    chance = chance_hits(target, numbers)
    return Identification(
        target,
        tuple(found),
        tuple(nearest),
        n,
        len(tried),
        notes=notes,
        distinct=len(numbers),
        chance=chance,
        values=(target,),
    )


def identify_row(
    targets: Sequence[Published], guesses: Mapping[str, Iterable[Guess]], n: int, notes: tuple[str, ...]
) -> Identification:
    """What prints every number of a row under one resizing and one averaging, the simplest first.

    By chance a row is printed as often as each of its numbers is, at numbers beside it and independently of the others.
    Averagings that give equal numbers on these maps are one: their combinations count once, and the simplest is named.
    """
    tried = {metric: [one for one in some if math.isfinite(one.value)] for metric, some in guesses.items()}
    shared = list(dict.fromkeys((one.resize, one.averaging) for t in targets for one in tried[t.metric]))
    alike = [[_under(key, tried[t.metric], t.metric) for key in shared] for t in targets]
    rows = []
    for key, some in zip(shared, zip(*alike, strict=True), strict=True):
        hits = [
            tuple(sorted((one for one in theirs if target.is_printed_by(one.value)), key=_complexity))
            for target, theirs in zip(targets, some, strict=True)
        ]
        if all(hits):
            rows.append(Joint(*key, {t.metric: found for t, found in zip(targets, hits, strict=True)}))
    numbers, chance = _combinations(targets, [[[one.value for one in some] for some in of] for of in alike])
    rows.sort(key=lambda row: sum(_complexity(found[0])[0] for found in row.guesses.values()))
    first = targets[0]
    near = [] if rows else [one for target in targets for one in _nearest(target, tried[target.metric])[:1]]
    return Identification(
        first,
        (),
        tuple(near),
        n,
        sum(len(tried[t.metric]) for t in targets),
        notes=notes,
        distinct=numbers,
        chance=chance,
        values=tuple(targets),
        joint=tuple(_that_differ(rows)),
    )


def _under(key: tuple[str, str], guesses: Iterable[Guess], metric: str) -> list[Guess]:
    """The guesses under a resizing and an averaging; over fixations only metrics of fixations are averaged."""
    resize, averaging = key
    if averaging == "fixations" and METRICS[metric].info.on != "fixations":
        averaging = "maps"
    return [one for one in guesses if (one.resize, one.averaging) == (resize, averaging)]


def _that_differ(rows: Iterable[Joint]) -> list[Joint]:
    """The rows without those of an averaging that gives the numbers of a simpler one with the same resizing."""
    kept: list[Joint] = []
    for row in rows:
        if not any(row.resize == other.resize and _numbers(row) == _numbers(other) for other in kept):
            kept.append(row)
    return kept


def _numbers(row: Joint) -> list[list[str]]:
    return [[f"{value:.8g}" for value in distinct(one.value for one in some)] for some in row.guesses.values()]


def _combinations(targets: Sequence[Published], values: Sequence[Sequence[Sequence[float]]]) -> tuple[int, float]:
    """How many different combinations of one number per target there are, and how many of them chance hits.

    `values` are the numbers of each target under each of the keys that the targets share. A number stands with the set
    of keys that give it (a bit each), and a combination is one where some key gives all of its numbers.
    """
    found = {(1 << max(map(len, values), default=0)) - 1: (1, 1.0)}
    for target, of_keys in zip(targets, values, strict=True):
        joined: dict[int, tuple[int, float]] = {}
        for (mask, (n, chance)), (keys, numbers) in product(found.items(), _by_keys(of_keys).items()):
            if mask & keys:
                count, hits = joined.get(mask & keys, (0, 0.0))
                joined[mask & keys] = count + n * len(numbers), hits + chance * chance_hits(target, numbers)
        found = joined
    return sum(n for n, _ in found.values()), math.fsum(chance for _, chance in found.values())


def _by_keys(values: Sequence[Sequence[float]]) -> dict[int, list[float]]:
    """The different numbers, sorted, by the set of keys (a bit each) that give them.

    >>> _by_keys([[0.5, 0.25], [0.5, 0.75]])
    {1: [0.25], 3: [0.5], 2: [0.75]}
    """
    kept: list[tuple[float, int]] = []
    for value, key in sorted((value, key) for key, some in enumerate(values) for value in some):
        if kept and _is_same(value, kept[-1][0]):
            kept[-1] = kept[-1][0], kept[-1][1] | 1 << key
        else:
            kept.append((value, 1 << key))
    found: dict[int, list[float]] = {}
    for value, keys in kept:
        found.setdefault(keys, []).append(value)
    return found


def _nearest(target: Published, guesses: Iterable[Guess]) -> list[Guess]:
    return sorted(guesses, key=lambda guess: abs(guess.value - target.value))


SHIFTS = 10
"""So many units of the last digit to either side chance is counted at."""

SAME = 1e-9
"""Numbers that differ by less, as a share, are one number that several settings give."""


def distinct(values: Iterable[float]) -> list[float]:
    """The different numbers among the finite values, sorted.

    >>> distinct([0.3, 0.1 + 0.2, 0.5])
    [0.3, 0.5]
    """
    kept: list[float] = []
    for value in sorted(value for value in values if math.isfinite(value)):
        if not kept or not _is_same(value, kept[-1]):
            kept.append(value)
    return kept


def _is_same(value: float, other: float) -> bool:
    return math.isclose(value, other, rel_tol=SAME, abs_tol=1e-300)


def chance_hits(target: Published, numbers: Sequence[float]) -> float:
    """How many of the sorted numbers a published one that has nothing to do with them is expected to hit.

    The mean of the hits at the published number shifted by 1 to 10 units of its last digit to either side.

    >>> chance_hits(published("0.5"), [0.11, 0.12, 0.61, 0.62])
    0.2
    """
    unit = 2 * target.half
    places = (target.value + sign * shift * unit for shift in range(1, SHIFTS + 1) for sign in (-1, 1))
    hits = sum(bisect_right(numbers, at + target.half) - bisect_left(numbers, at - target.half) for at in places)
    return hits / (2 * SHIFTS)


def _complexity(guess: Guess) -> tuple[int, int, int]:
    """A key that sorts simple settings first: few flags, a convention that is a definition itself, short texts."""
    place = PLAIN.index(guess.convention) if guess.convention in PLAIN else len(PLAIN)
    return len(guess.flags), place, sum(len(text) for flag in guess.flags for text in flag)
