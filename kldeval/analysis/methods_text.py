"""The sentence for a paper: what settings compute, in words, with the signature and what to cite."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from kldeval._version import __version__
from kldeval.analysis.metric_words import map_metric_words
from kldeval.conventions import CONVENTIONS
from kldeval.conventions.bibliography import OF_METRICS
from kldeval.grammar import format_value, split_top_level
from kldeval.metrics.registry import LABEL_METRICS, METRICS, is_on_scale
from kldeval.normalization.chain import along_rows
from kldeval.normalization.lazy_map import MAP
from kldeval.reports.documents import Methods
from kldeval.settings.auxiliary import STORED, chains_for
from kldeval.settings.build import make_settings
from kldeval.settings.metric_options import gt_chain, pred_chain
from kldeval.settings.signature import format_signature, matching_convention, short_signature, signatures

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from kldeval.grammar import Call
    from kldeval.normalization.chain import Chain
    from kldeval.settings.settings import Settings


def describe_methods(settings: Settings, *, maps: str = "") -> Methods:
    """The methods of a run; `maps` says how many maps were averaged, such as `500 maps`."""
    name = matching_convention(settings) or ""
    return Methods(
        paragraph(settings, name, maps),
        short_signature(settings),
        signatures(settings),
        name,
        "\n\n".join(dict.fromkeys(_entries(settings, name))),
    )


def _entries(settings: Settings, convention: str) -> Iterator[str]:
    """What to cite: the source of the convention where it is one of densities, and those of the other metrics."""
    names = [call.name for call in settings.metrics]
    if convention and not set(names) <= OF_METRICS.keys():
        yield CONVENTIONS[convention].bibtex
    if not settings.is_labels:
        yield from (entry for name in names for entry in OF_METRICS.get(name, ()))


def paragraph(settings: Settings, convention: str = "", maps: str = "") -> str:
    """Whole sentences: the formula, the normalisation, the sizes, empty maps, the averages, and the tool."""
    metrics = [metric_words(call, settings) for call in settings.metrics]
    convention = convention if settings.is_labels or settings.on("density") else ""
    of = f", the convention of {CONVENTIONS[convention].source.repository}" if convention else ""
    sentences = [
        f"We report {_listed(metrics)}.",
        *_map_words(settings),
        _resize_words(settings.resize),
        _average_words(settings, maps),
        f"Numbers were computed in {settings.dtype} with kldeval {__version__} ({short_signature(settings)}{of}).",
    ]
    return " ".join(sentences)


def _listed(metrics: Sequence[str]) -> str:
    """Metrics in a row; more than two are told apart by semicolons, because they have commas of their own."""
    return ", and ".join(metrics) if len(metrics) <= PAIR else f"{'; '.join(metrics[:-1])}; and {metrics[-1]}"


def _map_words(settings: Settings) -> list[str]:
    """What the letters of the formulas stand for."""
    if settings.is_labels:
        return [label_words(settings)]
    on = {METRICS[call.name].info.on for call in settings.metrics}
    of_pixels = [pixel_words(settings), f"In it {_SCALES[settings.scale]}."] if "pixels" in on else []
    return [*(_density_words(settings) if "density" in on else ()), *_stored_words(settings), *of_pixels]


def _stored_words(settings: Settings) -> list[str]:
    """On which values the metrics of maps and of fixations are computed."""
    found: dict[str, list[str]] = {}
    for call in settings.metrics:
        info = METRICS[call.name].info
        if info.on not in ("maps", "fixations") or call.name in ("tv", "hellinger"):
            continue
        pred, gt = chains_for(settings, call)
        sides = [(pred, "the predicted map")] + ([(gt, "the ground-truth map")] if info.on == "maps" else [])
        words = " and ".join(f"{side} {'as stored' if c == STORED else chain_words(c)}" for c, side in sides)
        on_scale = is_on_scale(info, call.keywords) and (pred, gt) == (STORED, STORED)
        scaled = f"; {_SCALES[settings.scale]}" if on_scale else ""
        found.setdefault(f"{words}{scaled}", []).append(call.name)
    return [f"{', '.join(names)} {'are' if len(names) > 1 else 'is'} of {words}." for words, names in found.items()]


def _density_words(settings: Settings) -> list[str]:
    pred, gt = chain_words(settings.pred), chain_words(settings.gt)
    if settings.pred == STORED:
        made = f"Here q is the ground-truth map, {gt}"
    elif pred == gt:
        made = f"Here p and q are the predicted and the ground-truth map, each {pred}"
    else:
        made = f"Here p is the predicted map, {pred}, and q the ground-truth map, {gt}"
    return [f"{made}; {_SCALES[settings.scale]}.", *_empty_words(settings)]


_SCALES = {
    "unit": "8- and 16-bit maps are taken as values in 0..1",
    "raw": "maps are taken as stored, 8-bit ones as 0..255",
}


_KERNELS = {"matlab-bicubic": "MATLAB's bicubic imresize"}


def _resize_words(resize: Call) -> str:
    if resize.name == "none":
        return "Maps that differ in size were not scored."
    kernel = resize.keywords.get("kernel", "bilinear")
    how = _KERNELS.get(kernel, f"{kernel} interpolation")
    how += " with a replicated border" if resize.keywords.get("border") == "replicate" else ""
    how += " without rounding" if resize.keywords.get("round") is False else ""
    who = {
        "pred-to-gt": "Predictions were resized to the ground truth's size",
        "gt-to-pred": "Ground truths were resized to the prediction's size",
        "both": f"Both maps were resized to {format_value(resize.keywords.get('size'))}",
    }.get(resize.name, f"Maps were resized ({resize})")
    return f"{who} with {how}."


_EMPTY_GT = {
    "skip": "Maps with an all-zero ground truth were skipped.",
    "uniform": "An all-zero ground truth counts as uniform.",
    "zero": "An all-zero ground truth scores 0.",
    "nan": "An all-zero ground truth scores NaN.",
}
_EMPTY_PRED = {
    "keep": "An all-zero prediction stays zero.",
    "uniform": "An all-zero prediction counts as uniform.",
    "nan": "An all-zero prediction scores NaN.",
}


def _empty_words(settings: Settings) -> list[str]:
    if settings.empty_gt == settings.empty_pred == "error":
        return ["Maps that cannot be normalised were not scored."]
    refused = [
        f"Maps with {what} that cannot be normalised were not scored."
        for policy, what in ((settings.empty_gt, "a ground truth"), (settings.empty_pred, "a prediction"))
        if policy == "error"
    ]
    return [*filter(None, (_EMPTY_GT.get(settings.empty_gt), _EMPTY_PRED.get(settings.empty_pred))), *refused]


def _average_words(settings: Settings, maps: str) -> str:
    registry = LABEL_METRICS if settings.is_labels else METRICS
    pooled = [call for call in settings.metrics if registry[call.name].info.statistics is not None]
    if not pooled or settings.maps == "groups":
        return _mean_words(settings, maps)
    names = ", ".join(call.name for call in pooled)
    said = f"We report {names} of the pixels of all {maps or 'maps'} together."
    others = tuple(call for call in settings.metrics if call not in pooled)
    return f"{_mean_words(replace(settings, metrics=others), maps)} {said}" if others else said


def _mean_words(settings: Settings, maps: str) -> str:
    slices = {MAP: "the sum over pixels", (-1,): "the mean over rows", (-2,): "the mean over columns"}
    within = {
        "slices": slices.get(settings.axes, "the mean over positions"),
        "sum": "the sum over pixels",
        "mean": "the mean over pixels",
        "batchmean": "the sum over pixels divided by the height",
        "none": "kept pixel by pixel",
    }[settings.reduction]
    if settings.maps == "pixels":
        return f"We report the mean over the pixels of all {maps or 'maps'}."
    over = {
        "groups": f"the mean over the means of the groups of {maps or 'maps'}",
        "fixations": f"the mean over the fixations on {maps or 'maps'}",
    }.get(settings.maps, f"the mean over {maps or 'maps'}")
    if not settings.is_labels and not settings.on("density", "pixels"):
        return f"We report {over}."
    names = () if settings.is_labels else settings.on("maps", "fixations")
    each = f"The number of a map for {', '.join(settings.on('density', 'pixels'))}" if names else "Each map's number"
    if settings.maps != "mean" or names:
        return f"{each} is {within}, and we report {over}."
    return f"Each map's number is {within}, and we report the mean over {maps or 'maps'}."


PAIR = 2

CONSTANTS = ("log_eps", "num_eps", "ratio_eps")


def metric_words(call: Call, settings: Settings) -> str:
    """What a metric is, with its formula and its unit.

    >>> from kldeval.settings.build import make_settings
    >>> settings = make_settings({"metric": "kld", "eps": "1e-7"})
    >>> metric_words(settings.metrics[0], settings)
    'the Kullback-Leibler divergence D(gt || pred) = sum q ln(e + q/(p + e)) with e = 1e-07, in nats'
    """
    unit = {"e": "nats", "2": "bits", "10": "bans"}[settings.base]
    if settings.is_labels:
        return _in_base(label_metric_words(call, unit), settings.base)
    if call.name in _FORMULAS:
        return _in_base(f"{_FORMULAS[call.name](call)}, in {unit}", settings.base)
    words = map_metric_words(call, settings)
    if words:
        return words
    return _documented_words(call, METRICS[call.name].function.__doc__ or "")


def _in_base(words: str, base: str) -> str:
    """A formula with the logarithms of a base."""
    return words if base == "e" else re.sub(r"\bln\b", f"log{base}", words)


def _documented_words(call: Call, documentation: str) -> str:
    """A metric by its text and the first line of its docstring."""
    first = documentation.strip().partition("\n")[0].rstrip(".")
    # the first word keeps its capitals where it is a name, such as AUC
    begins = first[:1] if first[1:2].isupper() or first[1:2] == "_" else first[:1].lower()
    return f"{call} ({begins}{first[1:]})" if first else str(call)


def _kld(call: Call) -> str:
    given = call.keywords
    direction, factor = given.get("direction", "gt-pred"), given.get("factor", 1.0)
    constants = tuple(given.get(key, 0.0) for key in CONSTANTS)
    times = "" if factor == 1 else f"{format_value(factor)} "
    if direction == "mean":
        one, other = _divergence("q", "p", constants), _divergence("p", "q", constants)
        formula = f"({one[0]} + {other[0]})/2{one[1]}"
        return f"the mean of both directions of the Kullback-Leibler divergence, {times}{formula}"
    letters, name = (("q", "p"), "D(gt || pred)") if direction == "gt-pred" else (("p", "q"), "D(pred || gt)")
    formula, where = _divergence(*letters, constants)
    return f"the Kullback-Leibler divergence {times}{name} = {times}{formula}{where}"


def _reverse(call: Call) -> str:
    constants = tuple(call.keywords.get(key, 0.0) for key in CONSTANTS)
    formula, where = _divergence("p", "q", constants)
    return f"the Kullback-Leibler divergence D(pred || gt) = {formula}{where}"


def _divergence(target: str, other: str, constants: Sequence[float]) -> tuple[str, str]:
    """The sum, with one letter for equal constants, and what the letters are."""
    letters = dict(zip(dict.fromkeys(filter(None, constants)), "edc", strict=False))
    log_eps, num_eps, ratio_eps = (letters.get(value, "") for value in constants)
    above = f"({target} + {num_eps})" if num_eps else target
    below = f"({other} + {ratio_eps})" if ratio_eps else other
    inside = f"{log_eps} + {above}/{below}" if log_eps else f"{above}/{below}"
    where = " and ".join(f"{letter} = {format_value(value)}" for value, letter in letters.items())
    return f"sum {target} ln({inside})", f" with {where}" if where else ""


def _ce(call: Call) -> str:
    epsilon = call.keywords.get("ratio_eps", 0.0)
    inside = f"p + e) with e = {format_value(epsilon)}" if epsilon else "p)"
    return f"the cross-entropy -sum q ln({inside}"


def _bce(call: Call) -> str:
    clamp = call.keywords.get("clamp")
    least = f" with no logarithm below {format_value(clamp)}" if clamp is not None else ""
    return f"the binary cross-entropy -(q ln p + (1 - q) ln(1 - p)){least}"


_FORMULAS: Mapping[str, Callable[[Call], str]] = {
    "kld": _kld,
    "kld-reverse": _reverse,
    "ce": _ce,
    "jsd": lambda _: "the Jensen-Shannon divergence (D(p || m) + D(q || m))/2 with m = (p + q)/2",
    "bce": _bce,
    "entropy-gt": lambda _: "the entropy of the ground truth -sum q ln q",
    "bernoulli-kld": lambda _: "the Bernoulli divergence q ln(q/p) + (1 - q) ln((1 - q)/(1 - p)) of each pixel",
}


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
    if call.name not in _LOSSES:
        return _documented_words(call, LABEL_METRICS[call.name].function.__doc__ or "")
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
    names = {call.name for call in settings.metrics}
    which = "In the binary cross-entropy" if "bce" in names else "In the Bernoulli divergence"
    which = which if names & {"bce", "bernoulli-kld"} else "Here"
    return f"{which} p is the predicted value of each pixel, {pred}, and q the true one, {gt}."


def nearest_convention(settings: Settings) -> str:
    """The name of the convention that differs in the fewest parts, the first of equals."""
    return min(CONVENTIONS, key=lambda name: len(_differing(settings, name)))


def difference(settings: Settings, name: str) -> str:
    """What the convention has instead of the settings' parts: `scale:raw instead of scale:unit`."""
    return ", ".join(f"{theirs} instead of {ours}" for ours, theirs in _differing(settings, name))


def _differing(settings: Settings, name: str) -> list[tuple[str, str]]:
    """The parts of the signatures that differ, ours and the convention's, for the same metrics."""
    names = ",".join(dict.fromkeys(call.name for call in settings.metrics))
    named = make_settings({"metric": names}, convention=CONVENTIONS[name].texts)
    texts = (split_top_level(format_signature(one), "|") for one in (settings, named))
    ours, theirs = ({_part(text): text for text in parts} for parts in texts)
    return [
        (ours.get(key, "nothing"), theirs.get(key, "nothing"))
        for key in {**ours, **theirs}
        if ours.get(key) != theirs.get(key)
    ]


def _part(text: str) -> str:
    """The name of a signature's part; the metrics have none."""
    return text.partition(":")[0] if ":" in text and "(" not in text.partition(":")[0] else ""


def chain_words(chain: Chain) -> str:
    """A normalisation in words.

    >>> from kldeval.normalization.chain import parse_chain
    >>> chain_words(parse_chain("minmax+sum-to-one(offset=1e-7)"))
    'scaled to 0..1 by its minimum and maximum, then divided by its sum plus 1e-07'
    """
    words = [_STEPS.get(call.name, str)(call) for call in chain]
    return ", then ".join(words)


def _sum_to_one(call: Call) -> str:
    axis, offset = call.keywords.get("axis"), call.keywords.get("offset")
    plus = f" plus {format_value(offset)}" if offset else ""
    return f"divided by {_within(axis, 'its sum', 'the sum of each')}{plus}"


def _softmax(call: Call) -> str:
    return f"passed through a softmax within each {_line(call.keywords.get('axis', -1))}"


def _within(axis: int | None, whole: str, each: str) -> str:
    return whole if axis is None else f"{each} {_line(axis)}"


def _line(axis: int) -> str:
    return {-1: "row", 1: "row", 0: "column", -2: "column"}.get(axis, "position")


def _minmax(call: Call) -> str:
    offset = call.keywords.get("offset")
    return "scaled to 0..1 by its minimum and maximum" + (f" (range plus {format_value(offset)})" if offset else "")


def _clip(call: Call) -> str:
    low, high = (call.keywords.get(key) for key in ("min", "max"))
    bounds = [f"at least {format_value(low)}"] * (low is not None) + [f"at most {format_value(high)}"] * (
        high is not None
    )
    return f"clipped to {' and '.join(bounds)}"


_STEPS: Mapping[str, Callable[[Call], str]] = {
    "sum-to-one": _sum_to_one,
    "log-prob": lambda _: "given by its log-probabilities",
    "flatten-softmax": lambda _: "passed through a softmax over all its pixels",
    "softmax": _softmax,
    "minmax": _minmax,
    "shift": lambda _: "shifted to a minimum of 0 where it is negative",
    "add": lambda call: f"with {format_value(call.keywords['value'])} added to every pixel",
    "clip": _clip,
    "max": lambda _: "divided by its maximum",
    "divide": lambda call: f"divided by {format_value(call.keywords['value'])}",
    "threshold": lambda call: f"set to 1 above {format_value(call.keywords['above'])} and to 0 elsewhere",
    "temperature": lambda call: f"taken at the temperature {format_value(call.keywords['t'])}",
    "bytes": lambda _: "stretched to the whole numbers 0..255",
    "blank": lambda call: f"set to 0 where its maximum is at most {format_value(call.keywords['below'])}",
    "centre": lambda call: (
        f"multiplied by a centred Gaussian of {format_value(call.keywords['sigma'])} of the height and width"
    ),
    "mix-uniform": lambda call: f"mixed with a uniform map (share {format_value(call.keywords['share'])})",
    "latitude": lambda _: "weighted by the sine of the latitude of each row",
    "sigmoid": lambda _: "passed through a sigmoid",
    "log-sigmoid": lambda _: "passed through the logarithm of a sigmoid",
    "blur": lambda call: f"blurred with a Gaussian of sigma {format_value(call.keywords['sigma'])} pixels",
    "none": lambda _: "as stored",
}
"""What each step does to a map; a step without words here is shown as it is typed."""
