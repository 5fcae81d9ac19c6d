"""Losses for training: the number of a paper, its gradient, and the speed of the expression written by hand.

Maps are (..., H, W), such as (N, H, W) or (N, 1, H, W); each is scored by itself and the mean over all is the loss.
Tensors are computed in their own precision (half in float32) and the loss has it. The values of tensors are never
looked at, so nothing waits for a GPU; `validate=True` checks them as `kldeval.kld` does.
"""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from kldeval.errors import UsageProblem
from kldeval.functional import metric_functions, option_settings
from kldeval.grammar import split_call, unknown
from kldeval.normalization.chain import axes_of, ends_in_log, format_chain
from kldeval.normalization.lazy_map import MAP
from kldeval.parameters import explicit, loss_parameters
from kldeval.settings.auxiliary import STORED, chains_for
from kldeval.settings.signature import format_signature
from kldeval.torch.maps import OF_FIXATIONS, OF_MAPS
from kldeval.wording import python_words

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from kldeval.grammar import Call
    from kldeval.normalization.chain import Chain
    from kldeval.settings.settings import Settings

    Step = Callable[[Tensor], Tensor]


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
        if self._checked is not None:
            self._checked(pred.detach(), gt.detach())
        p, q = _computed(pred), _computed(gt)
        parts = [weight * part(p, q, fixations) for weight, part in self._parts]
        return _reduced(torch.stack(parts).sum(0), self._reduction, pred, gt)

    def extra_repr(self) -> str:
        """The weights."""
        return ", ".join(f"{name}={weight}" for name, weight in self.weights.items())


def _part(text: str, options: Mapping[str, Any]) -> _DensityLoss | _MapLoss:
    """The loss of one metric."""
    name = split_call(text)[0]
    if name in _OF_DENSITIES:
        return _DensityLoss(text, options)
    if name in OF_MAPS or name in OF_FIXATIONS:
        return _MapLoss(text, options)
    known = ", ".join((*_OF_DENSITIES, *OF_MAPS, *OF_FIXATIONS))
    msg = f"{name}: there is no such loss; there are {known}"
    raise UsageProblem(msg)


_OF_DENSITIES = ("kld", "ce")


class _MapLoss:
    """A metric of maps or of fixations as a function of tensors, made of its text once."""

    def __init__(self, text: str, options: Mapping[str, Any]) -> None:
        settings = option_settings({**_without_eps(options), "metric": text})
        (call,) = settings.metrics
        given = dict(call.keywords)
        is_normalised = given.pop("of", None) == "norm"
        chains = chains_for(settings, call) if is_normalised else (STORED, STORED)
        self._sides = [None if chain == STORED else (_compiled(chain), ends_in_log(chain)) for chain in chains]
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
        found = normalise(_on_scale(values, self._settings))
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
        if name not in _OF_DENSITIES and "of=norm" not in arguments:
            msg = f"norms[{text!r}] has no effect: {name} takes the stored maps; say of=norm among its parameters"
            raise UsageProblem(msg)
    return {text: {"norm": norm, "pred_norm": None, "gt_norm": None} for text, norm in norms.items()}


def _without_eps(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options without the constants of kld and ce, which mean nothing to other metrics."""
    return {name: value for name, value in options.items() if name not in ("eps", *_CONSTANTS)}


class _DensityLoss:
    """A divergence of densities as one function of two tensors, made of the settings once."""

    def __init__(self, metric: str, options: Mapping[str, Any]) -> None:
        constants = {key: options[key] for key in _CONSTANTS if options.get(key) is not None}
        if metric == "ce":
            constants = {key: value for key, value in constants.items() if key == "ratio_eps"}
        inside = ",".join(f"{key}={value}" for key, value in constants.items())
        rest = {key: value for key, value in options.items() if key not in _CONSTANTS}
        self._settings = option_settings({**rest, "metric": f"{metric}({inside})" if inside else metric})
        self._call = self._settings.metrics[0]
        self.signature = format_signature(self._settings)
        self._pred, self._gt = (_compiled(chain) for chain in (self._settings.pred, self._settings.gt))
        self._is_log = ends_in_log(self._settings.pred), ends_in_log(self._settings.gt)
        self._unit = math.log(int(self._settings.base)) if self._settings.base != "e" else 1.0

    def __call__(self, pred: Tensor, gt: Tensor, _fixations: Tensor | None = None) -> Tensor:
        p, q = (_on_scale(x, self._settings) for x in (pred, gt))
        p, q = self._pred(p), self._gt(q)
        terms = _terms(self._call, (p, self._is_log[0]), (q, self._is_log[1]))
        return terms.sum(MAP) / (_divisor(self._settings, pred.shape) * self._unit)


_CONSTANTS = ("log_eps", "num_eps", "ratio_eps", "direction", "factor")

Density = tuple[Tensor, bool]
"""Probabilities, or their logarithms where the second says so."""


def _terms(call: Call, pred: Density, gt: Density) -> Tensor:
    given: dict[str, Any] = dict(call.keywords)
    if call.name == "ce":
        return -_weighted_log(gt, pred, given.get("ratio_eps", 0.0))
    constants = given.get("log_eps", 0.0), given.get("num_eps", 0.0), given.get("ratio_eps", 0.0)
    direction, factor = given.get("direction", "gt-pred"), given.get("factor", 1.0)
    if direction == "mean":
        terms = (_divergence(pred, gt, constants) + _divergence(gt, pred, constants)) / 2
    else:
        terms = _divergence(*((pred, gt) if direction == "gt-pred" else (gt, pred)), constants)
    return terms if factor == 1 else factor * terms


def _divergence(approximation: Density, target: Density, constants: tuple[float, float, float]) -> Tensor:
    """The terms of D(target || approximation), as `kldeval.kld` defines them."""
    log_eps, num_eps, ratio_eps = constants
    (p, p_is_log), (q, q_is_log) = approximation, target
    if log_eps == ratio_eps == num_eps == 0 and p_is_log and q_is_log:
        return q.exp() * (q - p)
    if log_eps == 0:
        prob = _prob(target)
        return torch.special.xlogy(prob, prob + num_eps) - _weighted_log(target, approximation, ratio_eps)
    prob = _prob(target)
    if ratio_eps == 0 and p_is_log:
        log_target = torch.log(prob + num_eps) if num_eps else _log(target)
        return prob * torch.logaddexp(log_target - p, torch.full_like(p, math.log(log_eps)))
    return prob * torch.log(log_eps + (prob + num_eps) / (_prob(approximation) + ratio_eps))


def _weighted_log(weight: Density, density: Density, constant: float) -> Tensor:
    """Weight times the logarithm of a density and a constant, 0 where the weight is 0."""
    prob = _prob(weight)
    if density[1] and not constant:
        return prob * density[0]
    if constant:
        return prob * torch.log(_prob(density) + constant)
    # a probability of 0 where nothing is expected would give the gradient 0 / 0
    return prob * torch.log(torch.where(prob > 0, density[0], 1.0))


def _prob(density: Density) -> Tensor:
    return density[0].exp() if density[1] else density[0]


def _log(density: Density) -> Tensor:
    values, is_log = density
    return values if is_log else torch.where(values > 0, values, 1.0).log()


def _computed(values: Tensor) -> Tensor:
    """Floats to compute in: half precision overflows where a map is summed."""
    if values.dtype in (torch.float32, torch.float64):
        return values
    return values.float() if values.is_floating_point() else values


def _on_scale(values: Tensor, settings: Settings) -> Tensor:
    if values.is_floating_point():
        return _computed(values)
    full = {torch.uint8: 255.0, torch.uint16: 65535.0}.get(values.dtype, 1.0)
    return values.double() / full if settings.scale == "unit" else values.double()


def _divisor(settings: Settings, shape: torch.Size) -> float:
    """What the sum of a map's terms is divided by."""
    height, width = shape[-2:]
    axes = axes_of(settings.gt) or axes_of(settings.pred) or MAP
    slices = {MAP: 1, (-1,): height, (-2,): width}[axes]
    return float({"slices": slices, "sum": 1, "mean": height * width, "batchmean": height}[settings.reduction])


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


def _compiled(chain: Chain) -> Step:
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
