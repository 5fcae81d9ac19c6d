"""Metrics of two densities as functions of tensors: what losses and the library's functions of tensors compute.

Maps are (..., H, W). The values of tensors are never looked at, so nothing waits for a GPU, `torch.compile` finds no
break and `vmap` may run over the maps; who wants them checked looks at them first (`number_of_plain_maps`). Only what
has tensors already imports this.
"""

from __future__ import annotations

import math
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

import torch
from array_api_compat import torch as xp
from torch import Tensor
from torch.nn import functional

from kldeval.errors import UsageProblem
from kldeval.metrics.registry import METRICS
from kldeval.normalization.chain import axes_of, ends_in_log, format_chain
from kldeval.normalization.density import Density
from kldeval.normalization.lazy_map import MAP

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from kldeval.normalization.chain import Chain
    from kldeval.settings.settings import Settings

    Step = Callable[[Tensor], Tensor]


OF_DENSITIES = ("kld", "ce")
"""The metrics that this computes."""

PLAIN = frozenset({"sum-to-one", "softmax", "flatten-softmax"})
"""The steps whose numbers are known to be sound by the extremes and the sums of a map."""

LEAST_SUM, LARGEST = 1e-30, 1e30
"""The sums and values of plain maps: nothing that is divided or squared leaves single precision."""


class DensityMetric:
    """A divergence of densities as one function of two tensors, made of the settings once: a value per map."""

    def __init__(self, settings: Settings) -> None:
        (call,) = settings.metrics
        chains = settings.pred, settings.gt
        self._settings = settings
        self._pred, self._gt = map(compiled, chains)
        self._terms = partial(METRICS[call.name].function, **call.keywords)
        self._made = tuple(_log_density if ends_in_log(chain) else _density for chain in chains)
        self._unit = math.log(int(settings.base)) if settings.base != "e" else 1.0

    def __call__(self, pred: Tensor, gt: Tensor) -> Tensor:
        """The number of each map."""
        p, q = (on_scale(x, self._settings) for x in (pred, gt))
        terms = self._terms(self._made[0](self._pred(p)), self._made[1](self._gt(q)))
        return terms.sum(MAP) / (_divisor(self._settings, pred.shape) * self._unit)


def number_of_plain_maps(pred: Tensor, gt: Tensor, settings: Settings) -> Tensor | None:
    """The metric of floats of one shape that are plain maps; None where another path has to look closer.

    Plain are finite numbers of ordinary size; where they are divided by their sum they are 0 or more, and above 0 where
    an exact logarithm is taken.
    """
    (call,) = settings.metrics
    if call.name not in OF_DENSITIES or settings.reduction == "none" or pred.shape != gt.shape or not pred.numel():
        return None
    chains = settings.pred, settings.gt
    if not all(one.is_floating_point() for one in (pred, gt)) or not all(map(_is_plain_chain, chains)):
        return None
    dtype = getattr(torch, settings.dtype)
    p, q = pred.to(dtype), gt.to(dtype)
    takes_zeros = bool(call.keywords.get("ratio_eps"))
    # before the look: a device is not waited for, and the heap of the CPU is trimmed half as often
    number = _metric_of(settings)(p, q)
    are_plain = all(
        _is_plain(x.detach(), chain, takes_zeros=takes_zeros) for x, chain in zip((p, q), chains, strict=True)
    )
    return number if are_plain else None


@lru_cache(maxsize=16)
def _metric_of(settings: Settings) -> DensityMetric:
    return DensityMetric(settings)


def _is_plain_chain(chain: Chain) -> bool:
    return len(chain) == 1 and chain[0].name in PLAIN and set(chain[0].keywords) <= {"axis"}


def _is_plain(values: Tensor, chain: Chain, *, takes_zeros: bool) -> bool:
    """Whether a step of `PLAIN` can take the values; a GPU is waited for once."""
    if chain[0].name == "sum-to-one":
        low, sums = values.amin(), values.sum(axes_of_argument(chain[0].keywords.get("axis")))
        # no value is larger than a sum of values that are 0 or more; of a nan none of this is so
        found = ((low >= 0) if takes_zeros else (low > 0)) & (sums.amin() > LEAST_SUM) & (sums.amax() < LARGEST)
    else:
        low, high = values.aminmax()
        found = (low > -LARGEST) & (high < LARGEST)  # neither of a nan
    try:
        return bool(found)
    except RuntimeError as error:
        msg = (
            "the values of maps are looked at, which torch.vmap does not allow: KLDLoss and CrossEntropyLoss of "
            "kldeval.torch with reduction='none' give the same numbers without a look at them"
        )
        raise UsageProblem(msg) from error


def _density(prob: Tensor) -> Density:
    return Density(prob=prob, xp=xp)


def _log_density(log: Tensor) -> Density:
    """A density by its logarithms, of which none is -inf: what a softmax makes of numbers."""
    return Density(log=log, has_zeros=False, xp=xp)


def computed(values: Tensor) -> Tensor:
    """Floats to compute in: half precision overflows where a map is summed."""
    if values.dtype in (torch.float32, torch.float64):
        return values
    return values.float() if values.is_floating_point() else values


def on_scale(values: Tensor, settings: Settings) -> Tensor:
    """The values as floats, on the scale that the settings say; integers as those of images are."""
    if values.is_floating_point():
        return computed(values)
    full = {torch.uint8: 255.0, torch.uint16: 65535.0}.get(values.dtype, 1.0)
    return values.double() / full if settings.scale == "unit" else values.double()


def _divisor(settings: Settings, shape: torch.Size) -> float:
    """What the sum of a map's terms is divided by."""
    height, width = shape[-2:]
    axes = axes_of(settings.gt) or axes_of(settings.pred) or MAP
    slices = {MAP: 1, (-1,): height, (-2,): width}[axes]
    return float({"slices": slices, "sum": 1, "mean": height * width, "batchmean": height}[settings.reduction])


def compiled(chain: Chain) -> Step:
    """A chain as one function of tensors."""
    steps, is_log = [], False
    for call in chain:
        if call.name not in _STEPS:
            known = ", ".join(_STEPS)
            msg = f"{format_chain(chain)!r}: losses know the steps {known}; use kldeval.kld, whose gradients flow too"
            raise UsageProblem(msg)
        if is_log:
            steps.append(torch.exp)
        steps.append(_STEPS[call.name](call.keywords))
        is_log = ends_in_log((call,))

    def normalise(values: Tensor) -> Tensor:
        for step in steps:
            values = step(values)
        return values

    return normalise


def _sum_to_one(given: Mapping[str, Any]) -> Step:
    axes = axes_of_argument(given.get("axis"))
    offset = given.get("offset", 0.0)
    if not offset:
        return lambda x: x / x.sum(axes, keepdim=True)
    return lambda x: x / (x.sum(axes, keepdim=True) + offset)


def axes_of_argument(axis: int | None) -> tuple[int, ...]:
    """The axes of a map that a step's argument names, counted from the end."""
    return MAP if axis is None else (axis if axis < 0 else axis - 2,)


def _minmax(given: Mapping[str, Any]) -> Step:
    offset = given.get("offset", 0.0)

    def step(x: Tensor) -> Tensor:
        low = x.amin(MAP, keepdim=True)
        return (x - low) / (x.amax(MAP, keepdim=True) - low + offset)

    return step


def _flatten_softmax(_: Mapping[str, Any]) -> Step:
    return lambda x: functional.log_softmax(x.flatten(-2), dim=-1).reshape(x.shape)


def _softmax(given: Mapping[str, Any]) -> Step:
    (axis,) = axes_of_argument(given.get("axis", -1))
    return lambda x: functional.log_softmax(x, dim=axis)


def _log_prob(given: Mapping[str, Any]) -> Step:
    base = given.get("base", "e")
    return (lambda x: x) if base == "e" else (lambda x: x * math.log(int(base)))


def _shift(_: Mapping[str, Any]) -> Step:
    return lambda x: x - x.amin(MAP, keepdim=True).clamp(max=0)


_STEPS: Mapping[str, Callable[[Mapping[str, Any]], Step]] = {
    "sum-to-one": _sum_to_one,
    "flatten-softmax": _flatten_softmax,
    "softmax": _softmax,
    "log-prob": _log_prob,
    "none": lambda _: lambda x: x,
    "minmax": _minmax,
    "max": lambda _: lambda x: x / x.amax(MAP, keepdim=True),
    "shift": _shift,
    "add": lambda given: lambda x: x + given["value"],
    "divide": lambda given: lambda x: x / given["value"],
    "clip": lambda given: lambda x: x.clamp(given.get("min"), given.get("max")),
    "sigmoid": lambda _: torch.sigmoid,
    "log-sigmoid": lambda _: functional.logsigmoid,
    "abs": lambda _: torch.abs,
}
"""What each step does to a batch of tensors, without a look at their values."""
