"""The metrics of densities with their constants: what a user says, what a convention says, what is so by default."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kldeval.errors import UsageProblem
from kldeval.metrics import density as _density  # noqa: F401 - registers the metrics
from kldeval.metrics.registry import METRICS, with_epsilon
from kldeval.names import Call, parse_all, split_call, split_top_level, unknown

if TYPE_CHECKING:
    from collections.abc import Mapping

    Texts = Mapping[str, "str | None"]

DEFAULT_METRICS = "kld,ce"
"""The metrics where none is named."""

DEFAULT_EPSILON = 2.2204e-16
"""The literal of the MIT/Tuebingen benchmark's Python code, added where a prediction is given by its probabilities."""


def density_metrics(
    said: Mapping[str, str], eps: float | None, convention: Texts | None, *, log_domain: bool
) -> tuple[Call, ...]:
    """The metrics, with constants from the first that applies: parentheses, --eps, the convention, the default.

    Raises:
        UsageProblem: a metric is unknown, wrong or named twice, or `--eps` has no effect.
    """
    named = _convention_metrics(convention)
    texts = split_top_level(said.get("metric", DEFAULT_METRICS), ",")
    calls = parse_all(lambda text: _metric(text, eps, named, log_domain=log_domain), texts)
    shown = ", ".join(map(str, calls))
    if eps is not None and not any("(" not in text and with_epsilon(text, eps) for text in texts):
        msg = f"--eps {said['eps']} has no effect: none of the metrics {shown} uses it"
        raise UsageProblem(msg)
    if len(set(calls)) < len(calls):
        msg = f"a metric is named twice: {shown}"
        raise UsageProblem(msg)
    return calls


def _metric(text: str, eps: float | None, named: Mapping[str, Call], *, log_domain: bool) -> Call:
    name = split_call(text)[0]
    if name not in METRICS:
        from kldeval.metrics.on_labels import LABEL_METRICS

        raise unknown("metric", name, {*METRICS, *LABEL_METRICS})
    call = METRICS.parse(text)
    if "(" in text:
        return call
    if eps is None and call.name in named:
        return named[call.name]
    return default_metric(call.name, log_domain=log_domain) if eps is None else _with_one_epsilon(call.name, eps)


def default_metric(name: str, *, log_domain: bool) -> Call:
    """The metric with the constants of the default convention; `log_domain`: the prediction is log-probabilities."""
    return _with_one_epsilon(name, 0.0 if log_domain else DEFAULT_EPSILON)


def _with_one_epsilon(name: str, eps: float) -> Call:
    return METRICS[name].call(**with_epsilon(name, eps))


def _convention_metrics(convention: Texts | None) -> dict[str, Call]:
    """The metrics with the constants that a convention gives them; those of `kld` are those of `kld-reverse`, too."""
    texts = split_top_level((convention or {}).get("metric") or "", ",")
    named = {split_call(text)[0]: METRICS.parse(text) for text in texts if text}
    return {**({"kld-reverse": reverse_of(named["kld"])} if "kld" in named else {}), **named}


def reverse_of(kld: Call) -> Call:
    """The reverse divergence with the constants of `kld`.

    >>> str(reverse_of(METRICS.parse("kld(ratio_eps=1e-7,direction=mean,factor=10)")))
    'kld-reverse(ratio_eps=1e-07)'
    """
    taken = METRICS["kld-reverse"].types
    return METRICS["kld-reverse"].call(**{key: value for key, value in kld.arguments if key in taken})


def epsilon(text: str) -> float:
    """The number that `--eps` says.

    Raises:
        UsageProblem: it is none of 0 or more.
    """
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        msg = f"--eps {text}: not a number of 0 or more"
        raise UsageProblem(msg)
    return value
