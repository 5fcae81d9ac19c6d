"""The metrics of labels with their parameters: what a user says in parentheses, or by flags.

Imported where labels are spoken of: most runs are of densities.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kldeval.errors import UsageProblem
from kldeval.metrics.label_rule import LabelRule
from kldeval.metrics.registry import LABEL_METRICS, METRICS
from kldeval.names import Call, parse_all, parse_value, split_call, split_top_level
from kldeval.settings.labels import METRIC_FLAGS, flag_of

if TYPE_CHECKING:
    from collections.abc import Mapping


def is_of_labels(text: str) -> bool:
    """Whether the metric that a text names exists for labels."""
    return split_call(text)[0] in LABEL_METRICS


def is_of_labels_alone(text: str) -> bool:
    """Whether a text names a metric that exists for labels alone, or gives it a parameter that it has there alone."""
    name, arguments = split_call(text)
    if name not in LABEL_METRICS:
        return False
    return name not in METRICS or any(
        key in LABEL_METRICS[name].types and key not in METRICS[name].types for key in arguments
    )


def label_metrics(said: Mapping[str, str], reason: str) -> tuple[Call, ...]:
    """The metrics on labels, with parameters from their parentheses, else from the flags.

    Raises:
        UsageProblem: a metric is one of densities, a flag has no effect, or a value is out of its range.
    """
    flags = _flags(said)
    texts = split_top_level(said.get("metric", "ce"), ",")
    calls = parse_all(lambda text: _metric(text, flags, reason), texts)
    for key in ("eps", *flags):
        if key in said and not any("(" not in text and key in LABEL_METRICS[text].types for text in texts):
            msg = f"{flag_of(key)} {said[key]} has no effect: {reason}, and none of {', '.join(texts)} uses it"
            raise UsageProblem(msg)
    if len(set(calls)) < len(calls):
        msg = f"a metric is named twice: {', '.join(map(str, calls))}"
        raise UsageProblem(msg)
    return calls


def _flags(said: Mapping[str, str]) -> dict[str, Any]:
    """The parameters that flags give to the metrics."""
    types = LABEL_METRICS["ce"].types
    given = [key for key in METRIC_FLAGS if key in said]
    values = parse_all(lambda key: parse_value(said[key], types[key], f"{flag_of(key)} {said[key]}"), given)
    return dict(zip(given, values, strict=True))


def _metric(text: str, flags: Mapping[str, Any], reason: str) -> Call:
    name = split_call(text)[0]
    if name in METRICS and name not in LABEL_METRICS:
        msg = f"{name} is no metric of labels, and {reason}; on labels there are {', '.join(LABEL_METRICS)}"
        raise UsageProblem(msg)
    call = LABEL_METRICS.parse(text)
    if "(" not in text:
        entry = LABEL_METRICS[name]
        call = entry.call(**{key: value for key, value in flags.items() if key in entry.types})
    LabelRule(axis=0, **call.keywords)  # refuses what is out of range before anything is read
    return call
