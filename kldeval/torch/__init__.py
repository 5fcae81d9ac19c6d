"""Torch: losses of published conventions, and a metric for validation loops that torchmetrics and Lightning know."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kldeval.torch.losses import CombinedLoss, CrossEntropyLoss, KLDLoss

if TYPE_CHECKING:
    from kldeval.torch.metric import Metric

__all__ = ["CombinedLoss", "CrossEntropyLoss", "KLDLoss", "Metric"]


def __getattr__(name: str) -> Any:
    """Import the metric when it is asked for: it needs torchmetrics, which losses do not."""
    if name != "Metric":
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    from kldeval.torch import metric

    globals()[name] = metric.Metric
    return metric.Metric
