"""The public names, as `python tools/stub.py` finds them; what runs is in `__init__.py`."""

from collections.abc import Mapping
from typing import Any, Literal

from kldeval.torch.losses import CombinedLoss as _CombinedLoss
from kldeval.torch.losses import CrossEntropyLoss as _CrossEntropyLoss
from kldeval.torch.losses import KLDLoss as _KLDLoss
from kldeval.torch.metric import Metric as _Metric

__all__ = [
    "CombinedLoss",
    "CrossEntropyLoss",
    "KLDLoss",
    "Metric",
]

class CombinedLoss(_CombinedLoss):
    def __init__(
        self,
        weights: Mapping[str, float],
        *,
        norms: Mapping[str, str] | None = None,
        reduction: Literal["mean", "sum", "none"] = "mean",
        validate: bool = False,
        norm: str | None = None,
        pred_norm: str | None = None,
        gt_norm: str | None = None,
        axis: int | None = None,
        eps: float | None = None,
        base: Literal["e", "2", "10", 2, 10] | None = None,
        scale: Literal["unit", "raw"] | None = None,
        convention: str | None = None,
        log_eps: float | None = None,
        num_eps: float | None = None,
        ratio_eps: float | None = None,
        factor: float | None = None,
        direction: Literal["gt-pred", "pred-gt", "mean"] | None = None,
    ) -> None: ...

class CrossEntropyLoss(_CrossEntropyLoss):
    def __init__(
        self,
        *,
        reduction: Literal["mean", "sum", "none"] = "mean",
        validate: bool = False,
        norm: str | None = None,
        pred_norm: str | None = None,
        gt_norm: str | None = None,
        axis: int | None = None,
        eps: float | None = None,
        base: Literal["e", "2", "10", 2, 10] | None = None,
        scale: Literal["unit", "raw"] | None = None,
        convention: str | None = None,
        log_eps: float | None = None,
        num_eps: float | None = None,
        ratio_eps: float | None = None,
        factor: float | None = None,
        direction: Literal["gt-pred", "pred-gt", "mean"] | None = None,
    ) -> None: ...

class KLDLoss(_KLDLoss):
    def __init__(
        self,
        *,
        reduction: Literal["mean", "sum", "none"] = "mean",
        validate: bool = False,
        norm: str | None = None,
        pred_norm: str | None = None,
        gt_norm: str | None = None,
        axis: int | None = None,
        eps: float | None = None,
        base: Literal["e", "2", "10", 2, 10] | None = None,
        scale: Literal["unit", "raw"] | None = None,
        convention: str | None = None,
        log_eps: float | None = None,
        num_eps: float | None = None,
        ratio_eps: float | None = None,
        factor: float | None = None,
        direction: Literal["gt-pred", "pred-gt", "mean"] | None = None,
    ) -> None: ...

class Metric(_Metric):
    def __init__(
        self,
        metric: str = "kld",
        *,
        rows: bool = False,
        signature: str | None = None,
        preset: str | None = None,
        norm: str | None = None,
        pred_norm: str | None = None,
        gt_norm: str | None = None,
        axis: int | None = None,
        eps: float | None = None,
        base: Literal["e", "2", "10", 2, 10] | None = None,
        reduction: Literal["slices", "sum", "mean", "batchmean", "none"] | None = None,
        scale: Literal["unit", "raw"] | None = None,
        empty_gt: Literal["error", "skip", "uniform", "zero", "nan"] | None = None,
        empty_pred: Literal["error", "keep", "uniform", "nan"] | None = None,
        dtype: Literal["float64", "float32"] | None = None,
        convention: str | None = None,
        baseline: Literal["uniform"] | None = None,
        baseline_norm: str | None = None,
        **of_torchmetrics: Any,
    ) -> None: ...
