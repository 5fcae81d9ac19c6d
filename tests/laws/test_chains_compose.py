"""A chain of two steps is the second of them on what the first one makes, in every number and for every type of map."""

from __future__ import annotations

from functools import cache
from itertools import product
from typing import Any

import numpy as np
import pytest
from chains import found, normalised, run
from every import steps

import kldeval
from kldeval.errors import KldevalError

WITH_PARAMETERS = {
    "add": "add(value=0.25)",
    "blank": "blank(below=0.1)",
    "blur": "blur(sigma=1)",
    "centre": "centre(sigma=0.3)",
    "clip": "clip(min=0.01,max=0.9)",
    "divide": "divide(value=3)",
    "mix-uniform": "mix-uniform(share=0.2)",
    "temperature": "temperature(t=2)",
    "threshold": "threshold(above=0.05)",
}
STEPS = [WITH_PARAMETERS.get(name, name) for name in steps() if name != "labels"]
OF_LOGARITHMS = {"temperature(t=2)", "log-prob", "stored", "none"}
"""Steps that take logarithms as they are, where all others take the probabilities behind them."""

EPS = 2.2204e-16
RNG = np.random.default_rng(11)
VALUES = RNG.random((2, 6, 7))
MAPS: list[Any] = [
    VALUES[0].astype(np.float32),
    (VALUES[1] * 9).astype(np.uint16),
    (VALUES[1] * 9).astype(np.uint8),
    VALUES[0],
]
PLACES = {"floats": (0, 1), "bytes": (2, 3)}
PAIRS = [(name, MAPS[pred], MAPS[gt]) for name, (pred, gt) in PLACES.items()]


def by_formula(pred: Any, gt: Any) -> dict[str, float]:
    return {"kld": kld(pred, gt), "kld-reverse": kld(gt, pred), "tv": float(abs(pred - gt).sum() / 2)}


def kld(pred: Any, gt: Any) -> float:
    with np.errstate(all="ignore"):
        return float((gt * np.log(EPS + gt / (pred + EPS))).sum())


@cache
def after(first: str, place: int) -> Any:
    """The values that the first step makes of a map, stored; None where it refuses them."""
    data = MAPS[place]
    return None if found(run(first, data)) else normalised(np.asarray(data, np.float64), first)


def composed(first: str, second: str, place: int) -> Any:
    """The values after one step, stored, and then the other; None where one of them refuses them."""
    middle = after(first, place)
    return None if middle is None or found(run(second, middle)) else normalised(middle, second)


def chains() -> list[tuple[str, str]]:
    logs = {step for step in STEPS if run(step, VALUES[0]).is_log}
    # a temperature takes the logarithm of a distribution first; softmaxes of bytes are logarithms that underflow
    own = {("sum-to-one", "temperature(t=2)"), ("bytes", "softmax"), ("bytes", "flatten-softmax")}
    return [(a, b) for a, b in product(STEPS, STEPS) if not (a in logs and b in OF_LOGARITHMS) and (a, b) not in own]


@pytest.mark.slow
def test_two_steps_are_one_after_the_other() -> None:
    compared, wrong = 0, {}
    for first, second in chains():
        options: dict[str, Any] = {"metric": "kld,kld-reverse,tv", "scale": "raw", "reduction": "sum"}
        try:
            report = kldeval.evaluate(PAIRS, norm=f"{first}+{second}", on_failure="ignore", **options)
        except KldevalError:
            continue
        for score in report.scores:
            values = [composed(first, second, place) for place in PLACES[score.name]]
            if any(value is None for value in values):
                continue
            expected = by_formula(*values)
            compared += 1
            if any(
                abs(score.values[key] - expected[key]) > 1e-9 * max(1, abs(expected[key]))
                for key in expected
                if score.values[key] == score.values[key]
            ):
                wrong[first, second, score.name] = (score.values, expected)
    assert wrong == {}
    assert compared > 800
