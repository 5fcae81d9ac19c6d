"""The settings of a run whose ground truths hold labels: what says so, and what then has a meaning.

Labels are a ground truth's chain of one step, `labels`, which names the label that does not count. What moves a metric
is a parameter of the metric; `--class-weights`, `--label-smoothing` and `--smoothing-over` give it to every metric that
takes it and is written without parentheses.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kldeval.errors import UsageProblem
from kldeval.grammar import Call, parse_all, parse_value, split_call, split_top_level
from kldeval.metrics.class_losses import LabelRule
from kldeval.metrics.registry import LABEL_METRICS, METRICS
from kldeval.normalization.chain import format_chain, parse_chain
from kldeval.normalization.steps import STEPS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kldeval.normalization.chain import Chain


METRIC_FLAGS = ("class_weights", "label_smoothing", "smoothing_over")
"""The texts that are parameters of metrics."""

LABEL_FLAGS = ("ignore_index", "reduce_zero_label", *METRIC_FLAGS)
"""The texts that mean something for labels alone."""

REDUCTIONS = ("mean", "sum", "none")
"""What becomes of the positions of a class map; `slices` is the mean, because each of them is a distribution."""


def is_labels(chain: Chain) -> bool:
    """Whether the chain is that of a ground truth of labels."""
    return chain[0].name == "labels"


def what_says_labels(given: Mapping[str, str]) -> str | None:
    """Why the ground truths hold labels, from what a user said; None where nothing says so."""
    if split_call(split_top_level(given.get("gt_norm", ""), "+")[0])[0] == "labels":
        return f"--gt-norm {given['gt_norm']} asks for labels"
    for key in LABEL_FLAGS:
        if key in given and given[key] != "false":
            value = "" if key == "reduce_zero_label" else f" {given[key]}"
            return f"{flag_of(key)}{value} is for labels"
    texts = split_top_level(given.get("metric", "ce"), ",")
    over_pixels = given.get("maps") == "pixels" and "axis" in given
    if not over_pixels and all(text in METRICS for text in texts):
        return None  # and the metrics of labels need not be imported to say so

    if over_pixels and all(map(is_of_labels, texts)):
        return "--maps pixels is for labels"
    return next((f"the metric {text} is for labels" for text in texts if is_of_labels_alone(text)), None)


def label_chain(given: Mapping[str, str], reason: str) -> Chain:
    """The chain of a ground truth of labels.

    Raises:
        UsageProblem: another chain is asked for, or two labels that do not count.
    """
    chain = parse_chain(given.get("gt_norm", "labels"))
    if not is_labels(chain):
        msg = f"{reason}, which are not normalised; leave out --gt-norm {given['gt_norm']}"
        raise UsageProblem(msg)
    arguments = dict(chain[0].arguments)
    if "ignore_index" in given:
        where = f"--ignore-index {given['ignore_index']}"
        number = parse_value(given["ignore_index"], int, where)
        if arguments.setdefault("ignore_index", number) != number:
            msg = f"{where} contradicts --gt-norm {format_chain(chain)}"
            raise UsageProblem(msg)
    if parse_value(given.get("reduce_zero_label", "false"), bool, "--reduce-zero-label"):
        arguments["reduce_zero"] = True
    return (STEPS["labels"].call(**arguments), *chain[1:])


def check_labels_alone(pred: Chain, gt: Chain) -> None:
    """Refuse labels in a prediction, or beside other steps.

    Raises:
        UsageProblem: naming the chain.
    """
    if any(call.name == "labels" for call in pred):
        msg = f"the prediction's chain {format_chain(pred)!r}: only a ground truth holds labels (--gt-norm labels)"
        raise UsageProblem(msg)
    if len(gt) > 1 and any(call.name == "labels" for call in gt):
        msg = f"the ground truth's chain {format_chain(gt)!r}: labels are not normalised, so that step stands alone"
        raise UsageProblem(msg)


def check_class_axis(reason: str, *, named: bool) -> None:
    """Refuse labels beside a prediction whose class axis is not known.

    Raises:
        UsageProblem: saying how to name it.
    """
    if not named:
        msg = (
            f"{reason}: name the class axis of the predictions, as in --norm softmax --axis 0 for (C, H, W), or "
            "--axis -1 for (H, W, C) and (N, C)"
        )
        name = reason.removeprefix("the metric ").removesuffix(" is for labels")
        if f"binary-{name}" in METRICS:
            msg += f"; of maps (H, W) with one probability a pixel there is binary-{name}"
        raise UsageProblem(msg)


def label_reduction(reduction: str, maps: str) -> str:
    """The reduction under its name for labels.

    Raises:
        UsageProblem: it has no meaning for labels, or beside `maps`.
    """
    if reduction == "batchmean":
        msg = f"--reduction batchmean has no meaning for labels; use {', '.join(REDUCTIONS)}"
        raise UsageProblem(msg)
    if maps == "pixels" and reduction in ("sum", "none"):
        msg = f"--maps pixels is a mean over the pixels of all maps, which --reduction {reduction} contradicts"
        raise UsageProblem(msg)
    return "mean" if reduction == "slices" else reduction


def flag_of(key: str) -> str:
    """The flag that gives this text."""
    return f"--{key.replace('_', '-')}"


def is_of_labels(text: str) -> bool:
    """Whether the metric that a text names exists for labels."""
    return split_call(text)[0] in LABEL_METRICS


def is_of_labels_alone(text: str) -> bool:
    """Whether a text names a metric that exists for labels alone, or gives it a parameter that it has there alone."""
    name, arguments = split_call(text)
    if name not in LABEL_METRICS:
        return False
    return name not in METRICS or any(
        key in LABEL_METRICS[name].types and key not in METRICS[name].types for key in arguments
    )


def label_metrics(given: Mapping[str, str], reason: str) -> tuple[Call, ...]:
    """The metrics on labels, with parameters from their parentheses, else from the flags.

    Raises:
        UsageProblem: a metric is one of densities, a flag has no effect, or a value is out of its range.
    """
    flags = _flags(given)
    texts = split_top_level(given.get("metric", "ce"), ",")
    calls = parse_all(lambda text: _metric(text, flags, reason), texts)
    for key in ("eps", *flags):
        if key in given and not any("(" not in text and key in LABEL_METRICS[text].types for text in texts):
            msg = f"{flag_of(key)} {given[key]} has no effect: {reason}, and none of {', '.join(texts)} uses it"
            raise UsageProblem(msg)
    if len(set(calls)) < len(calls):
        msg = f"a metric is named twice: {', '.join(map(str, calls))}"
        raise UsageProblem(msg)
    return calls


def _flags(given: Mapping[str, str]) -> dict[str, Any]:
    """The parameters that flags give to the metrics."""
    types = LABEL_METRICS["ce"].types
    keys = [key for key in METRIC_FLAGS if key in given]
    values = parse_all(lambda key: parse_value(given[key], types[key], f"{flag_of(key)} {given[key]}"), keys)
    return dict(zip(keys, values, strict=True))


def _metric(text: str, flags: Mapping[str, Any], reason: str) -> Call:
    name = split_call(text)[0]
    if name in METRICS and name not in LABEL_METRICS:
        msg = f"{name} is no metric of labels, and {reason}; on labels there are {', '.join(LABEL_METRICS)}"
        raise UsageProblem(msg)
    call = LABEL_METRICS.parse(text)
    if "(" not in text:
        entry = LABEL_METRICS[name]
        call = entry.call(**{key: value for key, value in flags.items() if key in entry.types})
    # refuses what is out of range before anything is read; further parameters have checks of their own
    LabelRule(axis=0, **{key: value for key, value in call.keywords.items() if key in METRIC_FLAGS})
    return call
