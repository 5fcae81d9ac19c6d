"""Metrics of labels and of pixels in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kldeval.maps.chain import along_rows
from kldeval.methods.steps import chain_words
from kldeval.metrics.on_labels import LABEL_METRICS
from kldeval.names import format_value
from kldeval.settings.pixels import gt_chain, pred_chain

if TYPE_CHECKING:
    from kldeval.names import Call
    from kldeval.settings import Settings

_LOSSES = {
    "ce": "the cross-entropy -sum t ln p over the classes",
    "nll": "the negative log-likelihood -ln p of the label",
    "brier": "the Brier score sum (p - t)^2 over the classes",
    "accuracy": "the accuracy, the share of positions whose most probable class is the label",
}


def label_metric_words(call: Call, unit: str) -> str:
    """What a metric of labels is, with its parameters and its unit.

    >>> label_metric_words(LABEL_METRICS.parse("ce(label_smoothing=0.1)"), "nats")
    'the cross-entropy -sum t ln p over the classes, the labels smoothed by 0.1 over all classes, in nats'
    """
    given = call.keywords
    parts = [_LOSSES[call.name]]
    if given.get("label_smoothing"):
        over = "the other classes" if given.get("smoothing_over") == "others" else "all classes"
        parts.append(f"the labels smoothed by {format_value(given['label_smoothing'])} over {over}")
    if given.get("class_weights"):
        parts.append(f"the classes weighted by {format_value(given['class_weights'])}")
    return ", ".join([*parts, *([f"in {unit}"] if LABEL_METRICS[call.name].info.unit else [])])


def label_words(settings: Settings) -> str:
    """What p and t are, and which labels do not count."""
    ignored = settings.gt[0].keywords.get("ignore_index")
    but = "" if ignored is None else f"; positions with the label {ignored} do not count"
    made = chain_words(along_rows(settings.pred)).replace("each row", "each position")
    return f"Here p is the predicted class map, {made}, and t is 1 for the label's class{but}."


def pixel_words(settings: Settings) -> str:
    """What p and q are in a metric of pixels."""
    pred, gt = chain_words(pred_chain(settings.pred)), chain_words(gt_chain(settings.gt))
    return f"In the binary cross-entropy p is the predicted value of each pixel, {pred}, and q the true one, {gt}."
