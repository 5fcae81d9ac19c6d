"""Exact sums of float64 values: the statistics that a mean and a standard deviation are made of, and that add up.

A finite float64 is a whole multiple of 2^-1074 and its square one of 2^-2148, so sums of both are whole numbers. They
do not round and do not overflow, whatever the order of the values and however they are divided into parts: the sum of
the moments of two parts is the moments of the whole, to the last bit.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from kldeval.dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    import numpy as np
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]


UNIT = 1074
"""Every finite float64 is a whole multiple of 2 to the power of minus this."""

MANTISSA = 53
"""The bits of a float64's mantissa."""

SMALLEST_EXPONENT = -1073
"""`frexp` of the smallest positive float64."""

EXPONENTS = 1024 - SMALLEST_EXPONENT + 1
"""So many values `frexp` gives."""

FEW = 64
"""So many values are summed one by one: setting up the vectorised sums costs more."""

CHUNK = 2**16
"""So many products of a part of a mantissa, below 2^37 each, have a sum that float64 holds exactly."""

CHUNKS = 2**9
"""So many sums of chunks fit into a 64-bit integer."""

DIGIT = 16
"""The bits of an order-preserving key that one counting pass tells apart."""


@dataclass(frozen=True, slots=True)
class Moments:
    """The number of values, their exact sum and sum of squares, and their extremes; `+` joins those of two parts.

    `total` is the sum of the finite values in units of 2^-1074, `squares` that of their squares in units of 2^-2148.
    `n` counts all values; nan, inf and -inf are counted separately and are in neither sum. `min` and `max` are those
    of the values that are not nan; None where there is none.

    >>> whole = moments_of([1.0, 2.0, 6.0])
    >>> whole == moments_of([6.0]) + moments_of([2.0, 1.0])
    True
    >>> whole.mean, whole.std
    (3.0, 2.6457513110645907)
    """

    n: int = 0
    n_nan: int = 0
    n_inf: int = 0
    n_minus_inf: int = 0
    total: int = 0
    squares: int = 0
    min: float | None = None
    max: float | None = None

    def __add__(self, other: Moments) -> Moments:
        """The moments of the values of both."""
        lows = [value for value in (self.min, other.min) if value is not None]
        highs = [value for value in (self.max, other.max) if value is not None]
        return Moments(
            n=self.n + other.n,
            n_nan=self.n_nan + other.n_nan,
            n_inf=self.n_inf + other.n_inf,
            n_minus_inf=self.n_minus_inf + other.n_minus_inf,
            total=self.total + other.total,
            squares=self.squares + other.squares,
            min=min(lows, default=None),
            max=max(highs, default=None),
        )

    @property
    def n_nonfinite(self) -> int:
        """How many values are nan, inf or -inf."""
        return self.n_nan + self.n_inf + self.n_minus_inf

    @property
    def sum(self) -> float:
        """The sum, rounded once as `math.fsum` does; nan where a value is, or where inf meets -inf.

        A sum of finite values beyond float64 is inf or -inf.
        """
        if self.n_nonfinite:
            return self._sum_of_nonfinite()
        try:
            return self.total / (1 << UNIT)
        except OverflowError:
            return math.inf if self.total > 0 else -math.inf

    @property
    def mean(self) -> float | None:
        """The sum divided by the number of values; None where there is none.

        Where the sum of finite values is beyond float64 the exact sum is divided, since the mean is not beyond it.
        """
        if not self.n:
            return None
        if self.n_nonfinite or math.isfinite(self.sum):
            return self.sum / self.n + 0.0  # a quotient may round to -0.0
        return self.total / (self.n << UNIT)

    @property
    def std(self) -> float | None:
        """The standard deviation with n - 1 in the denominator, correctly rounded; None for fewer than two values.

        nan where a value is not finite; inf where values at opposite ends of float64 deviate by more than it holds.
        """
        if self.n <= 1:
            return None
        if self.n_nonfinite:
            return math.nan
        return _root(self.n * self.squares - self.total**2, self.n * (self.n - 1))

    @property
    def parts(self) -> tuple[float, ...]:
        """A few numbers whose exact sum is that of the values; see `exact_parts`."""
        found: list[float] = []
        rest = self
        while part := rest.sum:
            found.append(part)
            if not math.isfinite(part):
                break
            rest = replace(rest, total=rest.total - _few_sums([part])[0])
        return tuple(found)

    def _sum_of_nonfinite(self) -> float:
        if self.n_nan or (self.n_inf and self.n_minus_inf):
            return math.nan
        return math.inf if self.n_inf else -math.inf


def moments_of(values: ArrayLike) -> Moments:
    """The moments of some values, in any order.

    >>> moments_of([0.1] * 10).sum
    1.0
    """
    import numpy as np

    column = np.asarray(values, dtype=np.float64).ravel()
    is_nan = np.isnan(column)
    ordered = column[~is_nan] if is_nan.any() else column
    finite = ordered[np.isfinite(ordered)]
    total, squares = _few_sums(finite.tolist()) if finite.size <= FEW else _many_sums(finite)
    n_inf = int(np.count_nonzero(ordered == math.inf))
    return Moments(
        n=column.size,
        n_nan=column.size - ordered.size,
        n_inf=n_inf,
        n_minus_inf=ordered.size - finite.size - n_inf,
        total=total,
        squares=squares,
        min=float(ordered.min()) + 0.0 if ordered.size else None,  # + 0.0: zeros have one sign
        max=float(ordered.max()) + 0.0 if ordered.size else None,
    )


def exact_sum(values: Iterable[float]) -> float:
    """The sum, rounded once; nan where a value is nan or inf meets -inf, and inf where it is beyond float64.

    As `math.fsum`, which raises where infinities meet or a partial sum overflows.

    >>> exact_sum([1e308, 1e308, -1e308]), exact_sum([1e308, 1e308]), exact_sum([math.inf, -math.inf])
    (1e+308, inf, nan)
    """
    column = list(values)
    try:
        return math.fsum(column)
    except (OverflowError, ValueError):
        return moments_of(column).sum


def exact_parts(values: Iterable[float]) -> tuple[float, ...]:
    """A few numbers whose exact sum is that of the values, the sum rounded once first; none where it is 0.

    >>> exact_parts([1.0, 2.0**-60, 2.0**-120, -(2.0**-60)]), exact_parts([0.5, -0.5]), exact_parts([math.inf, 1.0])
    ((1.0, 7.52316384526264e-37), (), (inf,))
    """
    return moments_of(list(values)).parts


def exact_mean(values: Iterable[float]) -> float:
    """The sum, rounded once, divided by the number of values: finite where they are, and nan where there is none.

    >>> exact_mean([1.5e308, 1.7e308])
    1.6e+308
    """
    column = list(values)
    total = exact_sum(column)
    if math.isfinite(total) and column:
        return total / len(column) + 0.0
    mean = moments_of(column).mean
    return math.nan if mean is None else mean


def weighted_mean(values: Sequence[float], weights: Sequence[float]) -> float:
    """The sum of weight times value divided by that of the weights; nan where nothing counts.

    A value that counts nothing has no part in it, whatever it is. Products beyond float64 are worked out as fractions.

    >>> weighted_mean([1.0, 4.0, math.nan], [1.0, 2.0, 0.0])
    3.0
    """
    counted = [(value, weight) for value, weight in zip(values, weights, strict=True) if weight]
    total = exact_sum(value * weight for value, weight in counted)
    weight = exact_sum(weights)
    overflown = not (math.isfinite(total) and math.isfinite(weight))
    if not overflown or not all(math.isfinite(number) for pair in counted for number in pair):
        return total / weight if weight else math.nan
    from fractions import Fraction

    exact = sum(Fraction(value) * Fraction(weight) for value, weight in counted)
    return float(exact / sum(Fraction(weight) for _, weight in counted))


def median(values: ArrayLike) -> float:
    """The middle value, or the mean of the two in the middle; nan where one is nan or there is none.

    >>> median([6.0, 1.0, 2.0]), median([1.0, 4.0])
    (2.0, 2.5)
    """
    import numpy as np

    column = np.asarray(values, dtype=np.float64).ravel()
    if not column.size or np.isnan(column).any():
        return math.nan
    ranks = sorted({(column.size - 1) // 2, column.size // 2})
    return exact_mean(np.partition(column, ranks)[ranks])


def order_statistics(parts: Callable[[], Iterable[ArrayLike]], ranks: Sequence[int]) -> list[float]:
    """The values at some places (from 0) of the sorted whole, whose parts are read four times and never kept.

    Every pass counts the values by sixteen further bits of a key that orders as the values do, among those that share
    the bits found before; memory does not grow with the number of values. `parts` is asked for the parts once a pass.

    Raises:
        ValueError: a part holds nan, which has no place, or a rank is beyond the values.

    >>> order_statistics(lambda: [[5.0, 1.0], [3.0]], [0, 1])
    [1.0, 3.0]
    """
    found: dict[int, tuple[int, int]] = {rank: (0, rank) for rank in ranks}
    for shift in range(64 - DIGIT, -1, -DIGIT):
        counts = _count(parts(), {prefix for prefix, _ in found.values()}, shift)
        found = {rank: _descend(counts[prefix], prefix, place) for rank, (prefix, place) in found.items()}
    return [_value_of(found[rank][0]) for rank in ranks]


def _few_sums(values: Sequence[float]) -> tuple[int, int]:
    """The exact sums of a few finite values, one by one."""
    total = squares = 0
    for value in values:
        numerator, denominator = value.as_integer_ratio()
        shift = UNIT + 1 - denominator.bit_length()
        total += numerator << shift
        squares += numerator * numerator << 2 * shift
    return total, squares


def _many_sums(values: Floats) -> tuple[int, int]:
    """The exact sums of finite values: those of equal exponent are added as parts of their mantissas."""
    import numpy as np

    total = squares = 0
    for start in range(0, values.size, CHUNK * CHUNKS):
        sums = np.zeros((7, EXPONENTS), np.int64)
        for at in range(start, min(start + CHUNK * CHUNKS, values.size), CHUNK):
            _add_by_exponent(sums, values[at : at + CHUNK])
        for exponent in np.flatnonzero(sums.any(axis=0)).tolist():
            high, low, *products = sums[:, exponent].tolist()
            total += (high << 27) + low << exponent
            squares += sum(product << 18 * power for power, product in enumerate(products)) << 2 * exponent
    # a mantissa is a whole number here, so that a value is it times 2^(exponent - 53)
    excess = MANTISSA + -SMALLEST_EXPONENT - UNIT
    return total >> excess, squares >> 2 * excess


def _add_by_exponent(sums: Integers, chunk: Floats) -> None:
    """Add the parts of the mantissas (high, low) and of their products to the row of each and the exponent's column."""
    import numpy as np

    fractions, exponents = np.frexp(chunk)
    lowest = int(exponents.min())
    places = exponents.astype(np.intp) - lowest
    whole = np.ldexp(fractions, MANTISSA).astype(np.int64)
    high, middle, low = (whole >> 36).astype(np.float64), _bits(whole, 18), _bits(whole, 0)
    parts = (
        *((whole >> 27).astype(np.float64), (whole & (2**27 - 1)).astype(np.float64)),
        *(low * low, 2 * middle * low, middle * middle + 2 * high * low, 2 * high * middle, high * high),
    )
    first = lowest - SMALLEST_EXPONENT
    for row, part in zip(sums, parts, strict=True):
        found = np.bincount(places, part)
        row[first : first + found.size] += found.astype(np.int64)


def _bits(whole: Integers, shift: int) -> Floats:
    """Eighteen bits of every number, as floats."""
    import numpy as np

    return ((whole >> shift) & (2**18 - 1)).astype(np.float64)


def _root(numerator: int, denominator: int) -> float:
    """The square root of a fraction in units of 2^-2148, in units of 1 and correctly rounded."""
    if not numerator:
        return 0.0
    # a quotient of at least 2^130 has a root of 65 bits; a last bit that says whether anything was cut off rounds it
    shift = max(0, 131 - (numerator.bit_length() - denominator.bit_length()) + 1) & ~1
    quotient, rest = divmod(numerator << shift, denominator)
    root = math.isqrt(quotient)
    root |= int(rest > 0 or root * root != quotient)
    try:
        return root / (1 << UNIT + shift // 2)
    except OverflowError:
        return math.inf


def _keys(values: ArrayLike) -> NDArray[np.uint64]:
    """Whole numbers that are ordered as the values are; both zeros have one."""
    import numpy as np

    column = np.asarray(values, dtype=np.float64).ravel() + 0.0
    if np.isnan(column).any():
        msg = "nan has no place among sorted values"
        raise ValueError(msg)
    bits = column.view(np.uint64)
    top = np.uint64(2**63)
    return np.where(bits & top, ~bits, bits | top)


def _value_of(key: int) -> float:
    import numpy as np

    bits = key ^ 2**63 if key >> 63 else ~key & (2**64 - 1)
    return float(np.uint64(bits).view(np.float64))


def _count(parts: Iterable[ArrayLike], prefixes: Iterable[int], shift: int) -> dict[int, Integers]:
    """How many keys have each value of the next digit, among those that begin with a prefix."""
    import numpy as np

    counts = {prefix: np.zeros(2**DIGIT, np.int64) for prefix in prefixes}
    first = shift == 64 - DIGIT
    for part in parts:
        keys = _keys(part)
        for prefix in counts:
            alike = keys if first else keys[keys >> np.uint64(shift + DIGIT) == prefix]
            digits = (alike >> np.uint64(shift)) & np.uint64(2**DIGIT - 1)
            counts[prefix] += np.bincount(digits.astype(np.intp), minlength=2**DIGIT)
    return counts


def _descend(counts: Integers, prefix: int, place: int) -> tuple[int, int]:
    """The prefix with the digit in which a place falls, and the place among those that share it."""
    import numpy as np

    ends = np.cumsum(counts)
    if not 0 <= place < ends[-1]:
        msg = f"no place {place} among {ends[-1]} values"
        raise ValueError(msg)
    digit = int(np.searchsorted(ends, place, side="right"))
    return prefix << DIGIT | digit, place - int(ends[digit] - counts[digit])
