"""A metric of torchmetrics whose sums are exact: the number of `kldeval.evaluate`, over any number of processes."""

from __future__ import annotations

import hashlib
import math
from inspect import Parameter
from typing import Any

import numpy as np
import torch
from torch import Tensor

from kldeval.errors import UsageProblem
from kldeval.grammar import split_call
from kldeval.metrics.registry import METRICS
from kldeval.packages import load_package
from kldeval.parameters import explicit, stream_parameters
from kldeval.reports.moments import Moments, moments_of
from kldeval.streaming import MetricCollection

torchmetrics = load_package(
    "torchmetrics", "kldeval.torch.Metric needs torchmetrics", "pip install 'kldeval[torchmetrics]'"
)


LIMBS = 68
"""So many limbs of 32 bits hold the exact sum of 2^31 float64 values, in units of 2^-1074."""

COUNTS = ("n", "n_nan", "n_inf", "n_minus_inf")

_OF_TORCHMETRICS = (
    "compute_on_cpu",
    "compute_with_cache",
    "dist_sync_fn",
    "dist_sync_on_step",
    "distributed_available_fn",
    "process_group",
    "sync_on_compute",
)
"""The keywords that torchmetrics gives every metric."""


def _parameters() -> list[Parameter]:
    further = Parameter("of_torchmetrics", Parameter.VAR_KEYWORD, annotation="Any")
    return [*stream_parameters("metric", "str", "kld", of_means=True), further]


@explicit(_parameters)
class Metric(torchmetrics.Metric):  # type: ignore[misc, name-defined] # torch's types are not read
    """The mean over maps of one metric, as `kldeval.Metric`, for torchmetrics and Lightning.

    Every map is scored in float64 on the CPU. Sums over maps are exact integers that add up over batches and over
    processes, so no batch size and no number of ranks changes a digit: `compute` gives the mean that `kldeval.evaluate`
    gives of the same maps. In a `MetricCollection` two metrics never share a state, whatever their first numbers are.

    Args:
        metric: a metric as on the command line, `kld` or `nss(ddof=1)`.
        rows: whether the number of every map is kept; `rows` has them, after `compute` those of all processes.
        options: what moves a number (norm, eps, convention, ...), and the keywords of `torchmetrics.Metric`.

    Raises:
        UnknownName, UsageProblem: the metric or an option is unknown or means nothing here.

    >>> metric = Metric("kld", norm="flatten-softmax")
    >>> metric.update(torch.zeros(2, 1, 4, 4), torch.zeros(2, 1, 4, 4))
    >>> metric.compute().item(), metric.signature.split("|")[0]
    (0.0, 'kld')
    """

    full_state_update = False
    is_differentiable = False

    def __init__(self, metric: str = "kld", *, rows: bool = False, **options: Any) -> None:
        super().__init__(**{name: options.pop(name) for name in _OF_TORCHMETRICS if name in options})
        self._stream = MetricCollection(metric, **options)
        if len(self._stream.signatures) != 1:
            msg = f"a Metric is one metric, and {metric} are {len(self._stream.signatures)}; use a MetricCollection"
            raise UsageProblem(msg)
        if not self._stream.is_mean:
            msg = f"{metric} is no mean over maps whose sum processes can add up; kldeval.Metric streams and merges it"
            raise UsageProblem(msg)
        ((self._key, signature),) = self._stream.signatures.items()
        self._name = split_call(signature.partition("|")[0])[0]
        # a MetricCollection joins metrics whose states are called and look alike
        mark = hashlib.sha256(signature.encode()).hexdigest()[:12]
        self._states = {what: f"{what}_{mark}" for what in ("limbs", "counts", "values")}
        self._keeps_rows = rows
        self._is_weighted: bool | None = None
        self._all_rows: tuple[float, ...] | None = None
        self.add_state(self._states["limbs"], torch.zeros(LIMBS, dtype=torch.int64), dist_reduce_fx="sum")
        self.add_state(self._states["counts"], torch.zeros(len(COUNTS), dtype=torch.int64), dist_reduce_fx="sum")
        if rows:
            self.add_state(self._states["values"], [], dist_reduce_fx="cat")

    @property
    def signature(self) -> str:
        """What makes the number."""
        return self._stream.signatures_of(is_weighted=bool(self._is_weighted))[self._key]

    @property
    def higher_is_better(self) -> bool | None:
        """Which direction is better; None for neither."""
        best = METRICS[self._name].info.best
        return None if not best else best == "high"

    @property
    def rows(self) -> tuple[float, ...]:
        """The number of every map, where they are kept: after `compute` those of all processes, in their order.

        Raises:
            UsageProblem: they are not kept.
        """
        if not self._keeps_rows:
            msg = "the numbers of single maps were not kept; say rows=True where the metric is made"
            raise UsageProblem(msg)
        return self._all_rows if self._all_rows is not None else self._kept()

    def update(self, pred: Tensor, gt: Tensor | None = None, fixations: Tensor | None = None, **beside: Tensor) -> None:
        """Take in maps (H, W) or batches (N, H, W) or (N, 1, H, W); see `kldeval.MetricCollection.update`."""
        is_weighted = beside.get("weights") is not None
        if self._is_weighted not in (None, is_weighted):
            msg = "weights in some updates and none in others are two numbers; give them in every update, or in none"
            raise UsageProblem(msg)
        values = [row[self._key] for row in self._stream.score(pred, gt, fixations, **beside)]
        self._is_weighted, self._all_rows = is_weighted, None
        found = moments_of(values)
        limbs, counts = (getattr(self, self._states[what]) for what in ("limbs", "counts"))
        limbs += torch.as_tensor(limbs_of(found.total), device=limbs.device)
        counts += torch.tensor([getattr(found, name) for name in COUNTS], device=counts.device)
        if self._keeps_rows:
            getattr(self, self._states["values"]).append(torch.tensor(values, dtype=torch.float64, device=self.device))

    def compute(self) -> Tensor:
        """The mean over all maps; nan before the first."""
        limbs, counts = (getattr(self, self._states[what]).tolist() for what in ("limbs", "counts"))
        moments = Moments(**dict(zip(COUNTS, counts, strict=True)), total=total_of(limbs))
        if self._keeps_rows:
            self._all_rows = self._kept()
        mean = math.nan if moments.mean is None else float(moments.mean)
        dtype = torch.float32 if self.device.type == "mps" else torch.float64
        return torch.tensor(mean, dtype=dtype, device=self.device)

    def reset(self) -> None:
        """Forget every map."""
        super().reset()
        self._is_weighted, self._all_rows = None, None

    def _kept(self) -> tuple[float, ...]:
        values = getattr(self, self._states["values"])
        parts = [values] if isinstance(values, Tensor) else values
        return tuple(value for part in parts for value in part.tolist())

    def extra_repr(self) -> str:
        """The signature."""
        return self.signature


def limbs_of(total: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    """A whole number in digits of 32 bits, the lowest first, each with the sign of the whole.

    >>> limbs_of(-(2**33))[:3].tolist()
    [0, -2, 0]
    """
    digits = np.frombuffer(abs(total).to_bytes(4 * LIMBS, "little"), np.uint32).astype(np.int64)
    return digits if total >= 0 else -digits


def total_of(limbs: list[int]) -> int:
    """The whole number of digits, which may have been added up.

    >>> total_of((limbs_of(3 << 40) + limbs_of(-5)).tolist()) == (3 << 40) - 5
    True
    """
    return sum(limb << (32 * place) for place, limb in enumerate(limbs))
