"""The settings of a metric on pixels, such as `bce`: which of a run's settings it takes, and which it takes otherwise.

Each pixel of its maps is a distribution of its own, a probability in 0..1. So it takes a chain that keeps pixels apart,
such as `sigmoid`, and the stored map where the run's chain makes a distribution over pixels; the ground truth never
goes through a sigmoid; and `slices`, the mean over distributions, is the mean over pixels.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from kldeval.errors import UsageProblem
from kldeval.maps.chain import format_chain
from kldeval.maps.steps import STEPS
from kldeval.metrics import pixels as _pixels  # noqa: F401 - registers the metrics
from kldeval.metrics.registry import METRICS
from kldeval.names import Call

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from kldeval.maps.chain import Chain
    from kldeval.settings import Settings

AS_STORED = (Call("none"),)
"""The chain that changes nothing."""

SIGMOIDS = ("sigmoid", "log-sigmoid")
"""The steps that make probabilities of logits; where one is the last, a loss is computed from the logits themselves."""


def is_of_pixels(call: Call) -> bool:
    """Whether a metric is one of pixels; the metrics of labels are not asked."""
    return METRICS[call.name].info.on == "pixels"


def of_pixels(settings: Settings) -> Settings:
    """The settings as metrics of pixels take them."""
    reduction = "mean" if settings.reduction == "slices" else settings.reduction
    return replace(settings, pred=pred_chain(settings.pred), gt=gt_chain(settings.gt), reduction=reduction)


def pred_chain(chain: Chain) -> Chain:
    """The prediction's chain as a metric of pixels takes it."""
    return AS_STORED if _spreads(chain) else chain


def gt_chain(chain: Chain) -> Chain:
    """The ground truth's chain as a metric of pixels takes it."""
    return AS_STORED if _spreads(chain) or any(call.name in SIGMOIDS for call in chain) else chain


def check_pixel_chains(settings: Settings, said: Collection[str]) -> None:
    """Refuse chains that a user asked for and that no metric would take; `said` are the names of the user's texts.

    Raises:
        UsageProblem: naming the chain and what would be right.
    """
    if settings.is_labels or not all(map(is_of_pixels, settings.metrics)):
        return
    names = ", ".join(call.name for call in settings.metrics)
    if pred_chain(settings.pred) != settings.pred and ("norm" in said or "pred_norm" in said):
        msg = (
            f"{names} takes a probability in 0..1 from each pixel, and {format_chain(settings.pred)!r} makes a "
            "distribution over pixels; leave it out, or use --norm sigmoid for logits"
        )
        raise UsageProblem(msg)
    if gt_chain(settings.gt) != settings.gt and "gt_norm" in said:
        msg = (
            f"{names} takes the ground truth in 0..1 as it is stored, not after {format_chain(settings.gt)!r}; leave "
            "out --gt-norm"
        )
        raise UsageProblem(msg)


def check_clamp(settings: Settings) -> None:
    """Refuse a clamp of probabilities beside a chain that leaves logits.

    Raises:
        UsageProblem: naming the metric, and the chain that would clamp.
    """
    clamped = [call for call in settings.metrics if is_of_pixels(call) and "clamp" in call.keywords]
    if clamped and pred_chain(settings.pred)[-1].name in SIGMOIDS:
        chain = format_chain(settings.pred)
        msg = (
            f"{clamped[0]} has no effect beside {chain!r}, where the loss is that of the logits; {chain + '+none'!r} "
            "makes probabilities of them first"
        )
        raise UsageProblem(msg)


def check_mean_over_pixels(metrics: Iterable[Call], reduction: str) -> None:
    """Refuse a mean over the pixels of all maps where a map's number is not itself one over pixels.

    Raises:
        UsageProblem: naming the metric, or the reduction.
    """
    others = [call.name for call in metrics if not is_of_pixels(call)]
    if others:
        msg = (
            f"--maps pixels averages over the pixels of all maps, and {others[0]} has one number per map; it is for "
            "bce and for metrics on labels"
        )
        raise UsageProblem(msg)
    if reduction not in ("slices", "mean"):
        msg = f"--maps pixels is a mean over the pixels of all maps, which --reduction {reduction} contradicts"
        raise UsageProblem(msg)


def _spreads(chain: Chain) -> bool:
    """Whether the chain makes distributions over pixels, or takes the values for log-probabilities of one."""
    return any(STEPS[call.name].info.final for call in chain)
