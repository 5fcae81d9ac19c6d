"""Every metric a second time, from its definition, in arithmetic of 60 digits: no sum overflows and nothing is lost.

Maps are lists of numbers; p and q are pred and gt, f how often each pixel was fixated. Shares no code with the program.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

from mpmath import mp, mpf

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

mp.dps = 60

Numbers = list[Any]


def exactly(values: Sequence[float]) -> Numbers:
    return [mpf(float(value)) for value in values]


def shares(values: Numbers) -> Numbers:
    mass = mp.fsum(values)
    return [value / mass for value in values]


def stretched(values: Numbers) -> Numbers:
    low, high = min(values), max(values)
    return [(value - low) / (high - low) for value in values]


def softmax(values: Numbers) -> Numbers:
    return shares([mp.exp(value - max(values)) for value in values])


def mean(values: Numbers, counts: Numbers | None = None) -> Any:
    counts = counts or [mpf(1)] * len(values)
    return mp.fsum(v * c for v, c in zip(values, counts, strict=True)) / mp.fsum(counts)


def centred(values: Numbers) -> Numbers:
    middle = mean(values)
    return [value - middle for value in values]


def dot(p: Numbers, q: Numbers) -> Any:
    return mp.fsum(a * b for a, b in zip(p, q, strict=True))


def kld(p: Numbers, q: Numbers, log_eps: float = 0.0, ratio_eps: float = 0.0) -> Any:
    return mp.fsum(b * mp.log(log_eps + b / (a + ratio_eps)) for a, b in zip(p, q, strict=True) if b)


def jsd(p: Numbers, q: Numbers) -> Any:
    middle = [(a + b) / 2 for a, b in zip(p, q, strict=True)]
    return (kld(middle, p) + kld(middle, q)) / 2


def cc(p: Numbers, q: Numbers) -> Any:
    p, q = centred(p), centred(q)
    return dot(p, q) / mp.sqrt(dot(p, p) * dot(q, q))


def sim(p: Numbers, q: Numbers) -> Any:
    return mp.fsum(map(min, shares(p), shares(q)))


def nss(p: Numbers, f: Numbers, ddof: int = 0) -> Any:
    p = centred(p)
    return mean(p, f) / mp.sqrt(dot(p, p) / (len(p) - ddof))


def auc(p: Numbers, f: Numbers, area: Numbers) -> Any:
    """P(S at a fixation > S elsewhere) + P(equal) / 2, elsewhere as `area` says."""
    hits, others = ([pair for pair in zip(p, counts, strict=True) if pair[1]] for counts in (f, area))
    twice = mp.fsum(hit * other * (2 if a > b else 1) for a, hit in hits for b, other in others if a >= b)
    return twice / (2 * mp.fsum(f) * mp.fsum(area))


def auc_at_steps(p: Numbers, fixated: Numbers, area: Numbers) -> Any:
    """The trapezoid through the ROC points at ten equal steps of the range."""
    p = stretched(p)
    points = [
        (
            mp.fsum(a for v, a in zip(p, area, strict=True) if v >= step) / mp.fsum(area),
            mp.fsum(a for v, a in zip(p, fixated, strict=True) if v >= step) / mp.fsum(fixated),
        )
        for step in (mpf(k) / 10 for k in range(10, 0, -1))
    ]
    points = [(mpf(0), mpf(0)), *points, (mpf(1), mpf(1))]
    return mp.fsum((b[0] - a[0]) * (a[1] + b[1]) / 2 for a, b in pairwise(points))


def auc_judd(p: Numbers, fixated: Numbers) -> Any:
    free = [1 - one for one in fixated]
    n, m = mp.fsum(fixated), mp.fsum(free)
    lowest = min(v for v, one in zip(p, fixated, strict=True) if one)
    tied, tied_free = (mp.fsum(c for v, c in zip(p, part, strict=True) if v == lowest) for part in (fixated, free))
    above = mp.fsum(c for v, c in zip(p, free, strict=True) if v > lowest)
    return auc(p, fixated, free) + (above + tied * tied_free / (tied + 1)) / (2 * n * m)


EPS = mpf(2) ** -52

OF_DENSITIES: dict[str, Callable[[Numbers, Numbers], Any]] = {
    "kld": kld,
    "kld-reverse": lambda p, q: kld(q, p),
    "ce": lambda p, q: -mp.fsum(b * mp.log(a) for a, b in zip(p, q, strict=True)),
    "jsd": jsd,
    "entropy-gt": lambda _, q: -mp.fsum(b * mp.log(b) for b in q),
    "tv": lambda p, q: mp.fsum(abs(a - b) for a, b in zip(p, q, strict=True)) / 2,
    "js-distance": lambda p, q: mp.sqrt(jsd(p, q)),
    "schoener-d": lambda p, q: mp.fsum(map(min, p, q)),
    "warren-i": lambda p, q: mp.fsum(mp.sqrt(a * b) for a, b in zip(p, q, strict=True)),
    "hellinger": lambda p, q: mp.sqrt(mp.fsum((mp.sqrt(a) - mp.sqrt(b)) ** 2 for a, b in zip(p, q, strict=True)) / 2),
}
"""Of two densities, in nats, without constants."""

OF_MAPS: dict[str, Callable[[Numbers, Numbers], Any]] = {
    "cc": cc,
    "sim": sim,
    "sim(minmax=true)": lambda p, q: sim(stretched(p), stretched(q)),
    "mse": lambda p, q: mean([(a - b) ** 2 for a, b in zip(p, q, strict=True)]),
    "mae": lambda p, q: mean([abs(a - b) for a, b in zip(p, q, strict=True)]),
}
"""Of two stored maps."""

OF_FIXATIONS: dict[str, Callable[[Numbers, Numbers, Numbers], Any]] = {
    "nss": lambda p, f, _: nss(p, f),
    "nss(ddof=1)": lambda p, f, _: nss(p, f, ddof=1),
    "auc": lambda p, f, _: auc(p, f, [mpf(1)] * len(p)),
    "auc-judd": lambda p, f, _: auc_judd(p, once(f)),
    "auc-borji": lambda p, f, _: auc_at_steps(p, once(f), [mpf(1)] * len(p)),
    "auc-shuffled": lambda p, f, other: auc_at_steps(p, once(f), once(other)),
    "sauc": auc,
    "sauc-salicon": lambda p, f, others: auc_salicon(p, f, [o * (n == 0) for o, n in zip(others, f, strict=True)]),
    "ll": lambda p, f, _: mean([mp.log(v) for v in shares(p)], f),
    "ig": lambda p, f, _: mean([mp.log(v * len(p), 2) for v in shares(p)], f),
    "ig-mit": lambda p, f, other: (
        mean([mp.log(EPS + v, 2) for v in shares(stretched(p))], once(f))
        - mean([mp.log(EPS + v, 2) for v in shares(stretched(other))], once(f))
    ),
}
"""Of a stored map, its fixations, and those on other images (of ig-mit: the baseline's map)."""


def auc_salicon(p: Numbers, f: Numbers, others: Numbers) -> Any:
    """The trapezoid through the shares at 0, 0.01 .. below the greatest value that is fixated here or elsewhere."""
    values = stretched(p)
    greatest = max(v for v, n, o in zip(values, f, others, strict=True) if n or o)
    steps = [mpf(k) / 100 for k in range(100) if mpf(k) / 100 < greatest]
    counted = [[pair for pair in zip(values, counts, strict=True) if pair[1]] for counts in (others, f)]
    points = [(mpf(0), mpf(0))]
    for step in reversed(steps):
        shares_above = (sum(n for v, n in pairs if v >= step) / sum(n for _, n in pairs) for pairs in counted)
        points.append(tuple(shares_above))
    points.append((mpf(1), mpf(1)))
    return sum((b[0] - a[0]) * (b[1] + a[1]) / 2 for a, b in pairwise(points))


def once(f: Numbers) -> Numbers:
    return [mpf(one > 0) for one in f]
