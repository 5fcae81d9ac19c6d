"""Metrics of stored maps and of fixations as differentiable functions of tensors, for losses.

The numbers are those of the metrics of the same names; constant maps, where these have none, give 0 with a gradient of
0. No value is looked at, so nothing waits for a device.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from kldeval.normalization.lazy_map import MAP

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def cc(pred: Tensor, gt: Tensor, *, std_eps: float = 0.0) -> Tensor:
    """Pearson correlation of each predicted map with its ground truth; see `kldeval.cc`.

    >>> cc(torch.tensor([[0.0, 1.0, 2.0]]), torch.tensor([[1.0, 3.0, 5.0]])).item()
    1.0
    """
    p, q = _gap(pred), _gap(gt)
    if std_eps:
        deviations = [_root((x * x).mean(MAP)) + std_eps for x in (p, q)]
        return (p * q).mean(MAP) / (deviations[0] * deviations[1])
    norm = (p * p).sum(MAP) * (q * q).sum(MAP)
    flat = norm == 0
    return torch.where(flat, 0.0, (p * q).sum(MAP) / torch.where(flat, 1.0, norm).sqrt())


def sim(pred: Tensor, gt: Tensor, *, minmax: bool = False) -> Tensor:
    """Similarity of each predicted map with its ground truth, each divided by its sum; see `kldeval.sim`.

    >>> sim(torch.tensor([[1.0, 3.0]]), torch.tensor([[2.0, 2.0]])).item()
    0.75
    """
    p, q = (_stretched(x) if minmax else x for x in (pred, gt))
    return torch.minimum(p / p.sum(MAP, keepdim=True), q / q.sum(MAP, keepdim=True)).sum(MAP)


def nss(pred: Tensor, fixations: Tensor, *, ddof: int = 0, repeats: bool = True, std_eps: float = 0.0) -> Tensor:
    """Normalised scanpath saliency of each predicted map at its fixations; see `kldeval.nss`.

    >>> nss(torch.tensor([[0.0, 0.0, 0.0, 2.0]]), torch.tensor([[0, 0, 0, 1]])).square().round().item()
    3.0
    """
    counts = _counts(fixations, pred, repeats=repeats)
    gap = _gap(pred)
    n = pred.shape[-2] * pred.shape[-1]
    variance = (gap * gap).sum(MAP) / (n - ddof)
    deviation = _root(variance) + std_eps if std_eps else torch.where(variance == 0, 1.0, variance).sqrt()
    return (gap * counts).sum(MAP) / counts.sum(MAP) / deviation


def auc_surrogate(pred: Tensor, fixations: Tensor, *, negatives: str = "all", repeats: bool = True) -> Tensor:
    """A smooth lower bound of the AUC of each predicted map, 1 - mean (1 - (s - t))^2 over pairs; higher is better.

    s is the value at a fixation and t that at a pixel of the `negatives`: all, or the unfixated ones. A pair in the
    wrong order costs more than 1, so the bound is at most `kldeval.auc` of the same arguments; it is 1 where every
    fixation is exactly 1 above every negative. Its gradient has a closed form of moments: no pair is ever looked at.

    Source: W. Gao, R. Jin, S. Zhu and Z.-H. Zhou (2013), https://proceedings.mlr.press/v28/gao13.html; that it is
    consistent with AUC, W. Gao and Z.-H. Zhou (2015), https://www.ijcai.org/Abstract/15/137.

    >>> auc_surrogate(torch.tensor([[0.0, 1.0]]), torch.tensor([[0, 1]]), negatives="unfixated").item()
    1.0
    """
    counts = _counts(fixations, pred, repeats=repeats)
    others = torch.ones_like(counts) if negatives == "all" else (counts == 0).to(counts.dtype)
    (mean, square), (other, other_square) = (_moments(pred, weights) for weights in (counts, others))
    return 2 * (mean - other) - (square + other_square - 2 * mean * other)


def mse(pred: Tensor, gt: Tensor) -> Tensor:
    """Mean squared difference of each map."""
    return ((pred - gt) ** 2).mean(MAP)


def mae(pred: Tensor, gt: Tensor) -> Tensor:
    """Mean absolute difference of each map."""
    return (pred - gt).abs().mean(MAP)


OF_MAPS: Mapping[str, Callable[..., Tensor]] = {"cc": cc, "sim": sim, "mse": mse, "mae": mae}
"""The metrics of the maps, by the names of the metrics."""

OF_FIXATIONS: Mapping[str, Callable[..., Tensor]] = {"nss": nss, "auc": auc_surrogate}
"""The metrics of fixations; of the AUC, which has no gradient, its surrogate."""


def _counts(fixations: Tensor, pred: Tensor, *, repeats: bool) -> Tensor:
    counts = fixations if repeats else fixations > 0
    return counts.to(pred.dtype)


def _moments(values: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """The mean and the mean square of each map under weights."""
    n = weights.sum(MAP)
    return (values * weights).sum(MAP) / n, (values * values * weights).sum(MAP) / n


def _gap(values: Tensor) -> Tensor:
    """The deviations from the mean, of a constant map exactly 0: its mean may be rounded to another number."""
    gap = values - values.mean(MAP, keepdim=True)
    return torch.where(values.amin(MAP, keepdim=True) == values.amax(MAP, keepdim=True), 0.0, gap)


def _root(variance: Tensor) -> Tensor:
    """The square root, with a gradient of 0 at 0."""
    flat = variance == 0
    return torch.where(flat, 0.0, torch.where(flat, 1.0, variance).sqrt())


def _stretched(values: Tensor) -> Tensor:
    low, high = values.amin(MAP, keepdim=True), values.amax(MAP, keepdim=True)
    return (values - low) / (high - low)
