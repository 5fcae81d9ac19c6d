"""Every metric, step and convention there is, by the names that a user types.

Tests go through these functions, so that a registry may move without them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import kldeval
from kldeval.metrics.registry import LABEL_METRICS, METRICS
from kldeval.normalization.steps import STEPS

if TYPE_CHECKING:
    from collections.abc import Mapping


def metrics(*on: str) -> list[str]:
    """The metrics but those of labels: all, or those of "density", "maps", "pixels" or "fixations"."""
    return [name for name in METRICS if not on or METRICS[name].info.on in on]


def label_metrics() -> list[str]:
    """The metrics of labels; `ce` is one of them, too."""
    return list(LABEL_METRICS)


def all_metrics() -> list[str]:
    """Every metric once, in the order of the alphabet."""
    return sorted({*METRICS, *LABEL_METRICS})


def about(metric: str, *, of_labels: bool = False) -> Any:
    """What is known of a metric: `on`, `requires`, `symmetric`, ... ."""
    return (LABEL_METRICS if of_labels else METRICS)[metric].info


def parameters(metric: str, *, of_labels: bool = False) -> Mapping[str, Any]:
    """The parameters of a metric by their names, with their types."""
    return (LABEL_METRICS if of_labels else METRICS)[metric].types


def steps() -> list[str]:
    """The steps of normalisations."""
    return list(STEPS)


def pointwise_steps() -> set[str]:
    """The steps that do not ask where a pixel stands, but for those that no chain is made of."""
    return {name for name in STEPS if not STEPS[name].info.spatial and name not in ("labels", "stored")}


def step_parameters(step: str) -> Mapping[str, Any]:
    """The parameters of a step by their names, with their types."""
    return STEPS[step].types


def convention(name: str) -> Any:
    """The row of a convention by one of its names."""
    return next(row for row in conventions().values() if name in (row.name, *row.aliases))


def conventions() -> Mapping[str, Any]:
    """The rows of conventions by their names."""
    return kldeval.list_conventions()
