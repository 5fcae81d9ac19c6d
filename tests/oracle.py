"""A second, slow way to compute what a convention says: plain Python floats, lists and math.fsum, nothing else.

It reads the texts of a convention by itself and shares no code with the program, so that an error would have to be
made twice. A map is a list of rows, a row a list of numbers. p is the density of the prediction, q of the ground truth.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


Map = list[list[float]]


class OracleRefusal(Exception):
    """The convention does not apply to this map."""


def kld(row: Any, p: Map, q: Map) -> float:
    """The KLD of two densities under the convention `row`."""
    given = read(row.metrics[0])[1]
    direction, factor = given.pop("direction", "gt-pred"), float(given.pop("factor", 1))
    eps = {key: float(text) for key, text in given.items()}
    share = {
        "gt-pred": lambda p, q: divergence(q, p, **eps),
        "pred-gt": lambda p, q: divergence(p, q, **eps),
        "mean": lambda p, q: (divergence(q, p, **eps) + divergence(p, q, **eps)) / 2,
    }[direction]
    return factor * reduced(row, each(share, p, q))


def ce(row: Any, p: Map, q: Map) -> float:
    """The cross-entropy of two densities under the convention `row`."""
    eps = float(read(row.metrics[1])[1].get("ratio_eps", 0))
    return reduced(row, each(lambda p, q: -q * log(p + eps) if q or math.isnan(p) else 0.0, p, q))


def divergence(target: float, other: float, log_eps: float = 0, num_eps: float = 0, ratio_eps: float = 0) -> float:
    """What one pixel adds to D(target || other)."""
    if target == 0 and not math.isnan(other):
        return 0.0
    above, below = target + num_eps, other + ratio_eps
    return target * log(log_eps + (above / below if below else math.inf))


def reduced(row: Any, terms: Map) -> float:
    """From one term per pixel to one number per map."""
    height, width = len(terms), len(terms[0])
    distributions = height if row.gt == "softmax" or "axis=-1" in row.gt else width if "axis=0" in row.gt else 1
    divisors = {"slices": distributions, "sum": 1, "mean": height * width, "batchmean": height}
    return math.fsum(flat(terms)) / divisors[row.reduction]


def prediction(row: Any, stored: Map, *, is_8bit: bool = False) -> Map:
    """The prediction's density."""
    return density(stored, row.pred, row.empty_pred, 255.0 if is_8bit and row.scale == "unit" else 1.0)


def ground_truth(row: Any, stored: Map, *, is_8bit: bool = False) -> Map:
    """The ground truth's density."""
    return density(stored, row.gt, row.empty_gt, 255.0 if is_8bit and row.scale == "unit" else 1.0)


def density(stored: Map, chain: str, empty: str, full_scale: float = 1.0) -> Map:
    """A stored map after every step of a chain such as `minmax+sum-to-one(offset=1e-07)`."""
    values = each(lambda x: x / full_scale, stored)
    for text in chain.split("+"):
        name, given = read(text)
        values = STEPS[name](values, empty, **given)
    return values


def divided(values: Map, divisor: float, empty: str) -> Map:
    """Every value by the divisor; where that is 0, what the convention puts instead."""
    if divisor:
        return each(lambda x: x / divisor, values)
    if empty == "error":
        raise OracleRefusal
    instead = {"nan": math.nan, "zero": 0.0, "keep": 0.0, "uniform": 1 / len(flat(values))}[empty]
    return each(lambda _: instead, values)


def sum_to_one(values: Map, empty: str, offset: str = "0", axis: str = "none") -> Map:
    if axis != "none":
        return within(axis, values, lambda line: sum_to_one(line, empty, offset))
    if min(flat(values)) < 0:
        raise OracleRefusal
    return divided(values, math.fsum(flat(values)) + float(offset), empty)


def flatten_softmax(values: Map, empty: str) -> Map:
    peak = max(flat(values))
    return sum_to_one(each(lambda x: math.exp(x - peak), values), empty)


def minmax(values: Map, empty: str, offset: str = "0") -> Map:
    low, high = min(flat(values)), max(flat(values))
    return divided(each(lambda x: x - low, values), high - low + float(offset), empty)


def byte_scaled(values: Map, _: str) -> Map:
    low, high = min(flat(values)), max(flat(values))
    stretch = 255.0 / (high - low) if high > low else 0.0
    return each(lambda x: math.floor((x - low) * stretch + 0.5), values)


def weighted_by_latitude(values: Map, _: str) -> Map:
    # pi times the quotient: pi * y / (H - 1) can round beyond pi, where the sine is negative
    return [[x * math.sin(math.pi * (y / (len(values) - 1))) for x in line] for y, line in enumerate(values)]


def shifted(values: Map, _: str) -> Map:
    low = min(0.0, *flat(values))
    return each(lambda x: x - low, values)


def blanked(values: Map, _: str, below: str) -> Map:
    return values if max(flat(values)) > float(below) else each(lambda _: 0.0, values)


STEPS: dict[str, Callable[..., Map]] = {
    "sum-to-one": sum_to_one,
    "flatten-softmax": flatten_softmax,
    "softmax": lambda values, empty, axis="-1": within(axis, values, lambda line: flatten_softmax(line, empty)),
    "minmax": minmax,
    "max": lambda values, empty: divided(values, max(flat(values)), empty),
    "bytes": byte_scaled,
    "latitude": weighted_by_latitude,
    "shift": shifted,
    "blank": blanked,
    "add": lambda values, _, value: each(lambda x: x + float(value), values),
    "clip": lambda values, _, min, max: each(lambda x: sorted((float(min), x, float(max)))[1], values),  # noqa: A006
}


def within(axis: str, values: Map, step: Callable[[Map], Map]) -> Map:
    """A step done within each row (axis -1) or each column (axis 0)."""
    lines = values if axis == "-1" else turned(values)
    done = [step([line])[0] for line in lines]
    return done if axis == "-1" else turned(done)


def turned(values: Map) -> Map:
    return [list(column) for column in zip(*values, strict=True)]


def each(change: Callable[..., float], *maps: Map) -> Map:
    """A function of every pixel."""
    return [[change(*pixel) for pixel in zip(*lines, strict=True)] for lines in zip(*maps, strict=True)]


def flat(values: Map) -> list[float]:
    return [x for line in values for x in line]


def log(x: float) -> float:
    return math.log(x) if x else -math.inf


def read(text: str) -> tuple[str, dict[str, Any]]:
    """`name(key=value,...)` as the name and the texts of its arguments."""
    name, _, inside = text.rstrip(")").partition("(")
    return name, dict(pair.split("=") for pair in inside.split(",") if pair)
