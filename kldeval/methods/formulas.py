"""Metrics in words, with their formulas: p is the prediction's density, q the ground truth's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kldeval.methods.labels import label_metric_words
from kldeval.metrics.registry import METRICS
from kldeval.names import format_value

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from kldeval.names import Call
    from kldeval.settings import Settings

CONSTANTS = ("log_eps", "num_eps", "ratio_eps")


def metric_words(call: Call, settings: Settings) -> str:
    """What a metric is, with its formula and its unit.

    >>> from kldeval.settings import make_settings
    >>> settings = make_settings({"metric": "kld", "eps": "1e-7"})
    >>> metric_words(settings.metrics[0], settings)
    'the Kullback-Leibler divergence D(gt || pred) = sum q ln(e + q/(p + e)) with e = 1e-07, in nats'
    """
    unit = {"e": "nats", "2": "bits", "10": "bans"}[settings.base]
    if settings.is_labels:
        return label_metric_words(call, unit)
    if call.name in _FORMULAS:
        return f"{_FORMULAS[call.name](call)}, in {unit}"
    first = (METRICS[call.name].function.__doc__ or "").strip().partition("\n")[0].rstrip(".")
    return f"{call} ({first[:1].lower()}{first[1:]})" if first else str(call)


def _kld(call: Call) -> str:
    given = call.keywords
    direction, factor = given.get("direction", "gt-pred"), given.get("factor", 1.0)
    constants = tuple(given.get(key, 0.0) for key in CONSTANTS)
    times = "" if factor == 1 else f"{format_value(factor)} "
    if direction == "mean":
        one, other = _divergence("q", "p", constants), _divergence("p", "q", constants)
        formula = f"({one[0]} + {other[0]})/2{one[1]}"
        return f"the mean of both directions of the Kullback-Leibler divergence, {times}{formula}"
    letters, name = (("q", "p"), "D(gt || pred)") if direction == "gt-pred" else (("p", "q"), "D(pred || gt)")
    formula, where = _divergence(*letters, constants)
    return f"the Kullback-Leibler divergence {times}{name} = {times}{formula}{where}"


def _reverse(call: Call) -> str:
    constants = tuple(call.keywords.get(key, 0.0) for key in CONSTANTS)
    formula, where = _divergence("p", "q", constants)
    return f"the Kullback-Leibler divergence D(pred || gt) = {formula}{where}"


def _divergence(target: str, other: str, constants: Sequence[float]) -> tuple[str, str]:
    """The sum, with one letter for equal constants, and what the letters are."""
    letters = dict(zip(dict.fromkeys(filter(None, constants)), "edc", strict=False))
    log_eps, num_eps, ratio_eps = (letters.get(value, "") for value in constants)
    above = f"({target} + {num_eps})" if num_eps else target
    below = f"({other} + {ratio_eps})" if ratio_eps else other
    inside = f"{log_eps} + {above}/{below}" if log_eps else f"{above}/{below}"
    where = " and ".join(f"{letter} = {format_value(value)}" for value, letter in letters.items())
    return f"sum {target} ln({inside})", f" with {where}" if where else ""


def _ce(call: Call) -> str:
    epsilon = call.keywords.get("ratio_eps", 0.0)
    inside = f"p + e) with e = {format_value(epsilon)}" if epsilon else "p)"
    return f"the cross-entropy -sum q ln({inside}"


def _bce(call: Call) -> str:
    clamp = call.keywords.get("clamp")
    least = f" with no logarithm below {format_value(clamp)}" if clamp is not None else ""
    return f"the binary cross-entropy -(q ln p + (1 - q) ln(1 - p)){least}"


_FORMULAS: Mapping[str, Callable[[Call], str]] = {
    "kld": _kld,
    "kld-reverse": _reverse,
    "ce": _ce,
    "jsd": lambda _: "the Jensen-Shannon divergence (D(p || m) + D(q || m))/2 with m = (p + q)/2",
    "bce": _bce,
    "entropy-gt": lambda _: "the entropy of the ground truth -sum q ln q",
}
