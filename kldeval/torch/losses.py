"""Losses for training: the number of a paper, its gradient, and the speed of the expression written by hand.

Maps are (..., H, W), such as (N, H, W) or (N, 1, H, W); each is scored by itself and the mean over all is the loss.
Tensors are computed in their own precision (half in float32) and the loss has it. The values of tensors are never
looked at, so nothing waits for a GPU; `validate=True` checks them as `kldeval.kld` does.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from kldeval.errors import UsageProblem
from kldeval.functional import metric_functions, option_settings
from kldeval.grammar import split_call, unknown
from kldeval.normalization.chain import ends_in_log
from kldeval.parameters import explicit, loss_parameters
from kldeval.scoring.tensors import OF_DENSITIES, DensityMetric, compiled, computed, on_scale
from kldeval.settings.auxiliary import STORED, chains_for
from kldeval.settings.signature import format_signature
from kldeval.torch.maps import OF_FIXATIONS, OF_MAPS
from kldeval.wording import python_words

if TYPE_CHECKING:
    from collections.abc import Mapping


@explicit(loss_parameters)
class KLDLoss(nn.Module):  # type: ignore[misc] # torch's types are not read
    """Kullback-Leibler divergence of predicted maps from ground-truth maps, D(gt || pred), in nats, as a loss.

    Args:
        reduction: over the maps of a batch: mean, sum or none.
        validate: whether maps are checked as `kldeval.kld` checks them, which waits for the device.
        options: norm, pred_norm, gt_norm, axis, eps, base, scale or a convention, as for `kldeval.kld`, and the
            constants log_eps, num_eps, ratio_eps, direction, factor.

    Raises:
        UnknownName, UsageProblem: an option is unknown or means nothing.

    >>> loss = KLDLoss(norm="flatten-softmax")
    >>> scores = torch.zeros(2, 4, 4, requires_grad=True)
    >>> loss(scores, torch.zeros(2, 4, 4)).item()
    0.0
    """

    def __init__(self, *, reduction: str = "mean", validate: bool = False, **options: Any) -> None:
        super().__init__()
        with python_words():
            self._density = _DensityLoss("kld", options)
        self.signature = self._density.signature
        self._reduction = _checked_reduction(reduction)
        self._validate, self._options = validate, options

    def forward(self, pred: Tensor, gt: Tensor) -> Tensor:
        """The loss of predicted maps against ground-truth maps of the same shape."""
        _check_shapes(pred, gt)
        if self._validate:
            metric_functions()["kld"](pred.detach(), gt.detach(), **self._options)
        return _reduced(self._density(pred, gt), self._reduction, pred, gt)

    def extra_repr(self) -> str:
        """The signature."""
        return self.signature


@explicit(loss_parameters)
class CrossEntropyLoss(KLDLoss):
    """Cross-entropy of predicted densities under the ground-truth densities, -sum q ln(p + ratio_eps), as a loss.

    As `KLDLoss`, from which it differs by the entropy of the ground truth: their gradients in the prediction are equal.

    >>> import math
    >>> loss = CrossEntropyLoss(norm="flatten-softmax")
    >>> round(loss(torch.zeros(1, 2, 2), torch.zeros(1, 2, 2)).item(), 6) == round(math.log(4), 6)
    True
    """

    def __init__(self, *, reduction: str = "mean", validate: bool = False, **options: Any) -> None:
        super().__init__(reduction=reduction, validate=validate)
        with python_words():
            self._density = _DensityLoss("ce", options)
        self.signature = self._density.signature
        self._options = options


@explicit(partial(loss_parameters, "weights", "Mapping[str, float]"))
class CombinedLoss(nn.Module):  # type: ignore[misc] # torch's types are not read
    """A weighted sum of losses of maps and of fixations, as papers on saliency train with.

    Args:
        weights: the weight of each metric, written as on the command line: kld, ce (of densities), cc, sim, mse, mae
            (of the maps), nss and auc (of fixations; of the AUC its smooth lower bound `auc_surrogate`), with
            parameters such as `nss(ddof=1)`, `sim(minmax=true)` or, of the values at the end of the norm,
            `cc(of=norm)`. High is good for cc, sim, nss and auc, which therefore have negative weights.
        norms: the norm of some of these metrics, as written there, in place of that of the options, such as
            `{"nss(std_eps=1e-07,of=norm)": "max"}`.
        reduction: over the maps of a batch: mean, sum or none.
        validate: whether the maps of kld and ce are checked, which waits for the device.
        options: as for `KLDLoss`.

    Raises:
        UnknownName, UsageProblem: there is no such loss or option, or it means nothing.

    >>> loss = CombinedLoss({"kld": 1, "cc": -1, "nss(ddof=1)": -0.1}, convention="mit-python")
    >>> maps = torch.rand(2, 4, 4)
    >>> bool(loss(maps, maps, fixations=(maps > 0.5)) < 0)
    True
    """

    def __init__(
        self,
        weights: Mapping[str, float],
        *,
        norms: Mapping[str, str] | None = None,
        reduction: str = "mean",
        validate: bool = False,
        **options: Any,
    ) -> None:
        super().__init__()
        self.weights = dict(weights)
        own = _checked_norms(norms or {}, weights)
        with python_words():
            self._parts = [
                (float(weight), _part(text, {**options, **own.get(text, {})})) for text, weight in weights.items()
            ]
        self.signatures = {text: part.signature for text, (_, part) in zip(weights, self._parts, strict=True)}
        self._reduction = _checked_reduction(reduction)
        self._checked = KLDLoss(validate=True, **options) if validate else None

    def forward(self, pred: Tensor, gt: Tensor, fixations: Tensor | None = None) -> Tensor:
        """The loss of predicted maps against ground-truth maps and, for nss and auc, the counts of fixations."""
        _check_shapes(pred, gt)
        if fixations is not None:
            _check_shapes(pred, fixations, "fixations")
        if self._checked is not None:
            self._checked(pred.detach(), gt.detach())
        p, q = computed(pred), computed(gt)
        parts = [weight * part(p, q, fixations) for weight, part in self._parts]
        return _reduced(torch.stack(parts).sum(0), self._reduction, pred, gt)

    def extra_repr(self) -> str:
        """The weights."""
        return ", ".join(f"{name}={weight}" for name, weight in self.weights.items())


def _part(text: str, options: Mapping[str, Any]) -> _DensityLoss | _MapLoss:
    """The loss of one metric."""
    name = split_call(text)[0]
    if name in OF_DENSITIES:
        return _DensityLoss(text, options)
    if name in OF_MAPS or name in OF_FIXATIONS:
        return _MapLoss(text, options)
    known = ", ".join((*OF_DENSITIES, *OF_MAPS, *OF_FIXATIONS))
    msg = f"{name}: there is no such loss; there are {known}"
    raise UsageProblem(msg)


class _DensityLoss:
    """A divergence of densities, made of the options once."""

    def __init__(self, metric: str, options: Mapping[str, Any]) -> None:
        constants = {key: options[key] for key in CONSTANTS if options.get(key) is not None}
        if metric == "ce":
            constants = {key: value for key, value in constants.items() if key == "ratio_eps"}
        inside = ",".join(f"{key}={value}" for key, value in constants.items())
        rest = {key: value for key, value in options.items() if key not in CONSTANTS}
        settings = option_settings({**rest, "metric": f"{metric}({inside})" if inside else metric})
        self.signature = format_signature(settings)
        self._metric = DensityMetric(settings)

    def __call__(self, pred: Tensor, gt: Tensor, _fixations: Tensor | None = None) -> Tensor:
        return self._metric(pred, gt)


CONSTANTS = ("log_eps", "num_eps", "ratio_eps", "direction", "factor")
"""The parameters of kld that are options of its losses."""


class _MapLoss:
    """A metric of maps or of fixations as a function of tensors, made of its text once."""

    def __init__(self, text: str, options: Mapping[str, Any]) -> None:
        settings = option_settings({**_without_eps(options), "metric": text})
        (call,) = settings.metrics
        given = dict(call.keywords)
        is_normalised = given.pop("of", None) == "norm"
        chains = chains_for(settings, call) if is_normalised else (STORED, STORED)
        self._sides = [None if chain == STORED else (compiled(chain), ends_in_log(chain)) for chain in chains]
        self._settings, self._given, self._text = settings, given, text
        self._is_on_fixations = call.name in OF_FIXATIONS
        self._function = (OF_FIXATIONS if self._is_on_fixations else OF_MAPS)[call.name]
        self.signature = format_signature(settings)

    def __call__(self, pred: Tensor, gt: Tensor, fixations: Tensor | None) -> Tensor:
        p = self._values(pred, 0)
        if not self._is_on_fixations:
            return self._function(p, self._values(gt, 1), **self._given)
        if fixations is None:
            msg = f"{self._text} takes fixations: loss(pred, gt, fixations)"
            raise UsageProblem(msg)
        return self._function(p, fixations, **self._given)

    def _values(self, values: Tensor, side: int) -> Tensor:
        """The values that the metric takes: as they are stored, or the density at the end of the norm."""
        chain = self._sides[side]
        if chain is None:
            return values
        normalise, is_log = chain
        found = normalise(on_scale(values, self._settings))
        return found.exp() if is_log else found


def _checked_norms(norms: Mapping[str, str], weights: Mapping[str, float]) -> dict[str, dict[str, str | None]]:
    """The options that stand for the norms of some metrics, by the texts of these.

    Raises:
        UnknownName: the loss has no such metric.
        UsageProblem: it takes the maps as they are stored, on which a norm has no effect.
    """
    for text in norms:
        if text not in weights:
            raise unknown("metric of this loss", text, weights)
        name, _, arguments = text.partition("(")
        if name not in OF_DENSITIES and "of=norm" not in arguments:
            msg = f"norms[{text!r}] has no effect: {name} takes the stored maps; say of=norm among its parameters"
            raise UsageProblem(msg)
    return {text: {"norm": norm, "pred_norm": None, "gt_norm": None} for text, norm in norms.items()}


def _without_eps(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options without the constants of kld and ce, which mean nothing to other metrics."""
    return {name: value for name, value in options.items() if name not in ("eps", *CONSTANTS)}


def _check_shapes(pred: Tensor, other: Tensor, name: str = "gt") -> None:
    """Refuse maps of which torch would score every pair, such as (N, H, W) against (N, 1, H, W): N * N numbers.

    Raises:
        UsageProblem: naming both shapes.
    """
    p, q = tuple(pred.shape), tuple(other.shape)
    if p != q and (p[-2:] != q[-2:] or _together(p[:-2], q[:-2]) not in (p[:-2], q[:-2])):
        msg = f"pred has the shape {p} and {name} {q}; a loss takes maps of one shape, or one map for all"
        raise UsageProblem(msg)


def _together(first: tuple[int, ...], second: tuple[int, ...]) -> tuple[int, ...] | None:
    """The shape that two shapes broadcast to; None where they do not."""
    try:
        return tuple(torch.broadcast_shapes(first, second))
    except RuntimeError:
        return None


def _checked_reduction(reduction: str) -> str:
    if reduction not in ("mean", "sum", "none"):
        msg = f"reduction {reduction!r} is over the maps of a batch: mean, sum or none"
        raise UsageProblem(msg)
    return reduction


def _reduced(values: Tensor, reduction: str, *given: Tensor) -> Tensor:
    """Over the maps, in the widest of the floats that the tensors came in."""
    value = values.mean() if reduction == "mean" else values.sum() if reduction == "sum" else values
    floats = [one.dtype for one in given if one.is_floating_point()]
    if not floats:
        return value
    widest = floats[0] if len(floats) == 1 else torch.promote_types(*floats)
    return value.to(widest)
