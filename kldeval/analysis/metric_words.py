"""Metrics of maps and of fixations in words, as a paper describes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kldeval.grammar import format_value
from kldeval.metrics.registry import METRICS
from kldeval.settings.auxiliary import BASELINES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from kldeval.grammar import Call
    from kldeval.settings.settings import Settings


def map_metric_words(call: Call, settings: Settings) -> str | None:
    """What a metric of maps or of fixations is; None for a metric of densities.

    >>> from kldeval.settings.build import make_settings
    >>> settings = make_settings({"metric": "nss(ddof=1)"})
    >>> map_metric_words(settings.metrics[0], settings)
    'NSS, the mean over the fixations of the map in units of its standard deviation (with N - 1)'
    """
    return _WORDS[call.name](call, settings) if call.name in _WORDS else None


def _sim(call: Call, _: Settings) -> str:
    stretched = "stretched to 0..1 and " if call.keywords.get("minmax") else ""
    return f"SIM, the sum of the pixelwise minimum of both maps, each {stretched}divided by its sum"


def _emd(call: Call, _: Settings) -> str:
    given = {**METRICS["emd"].defaults, **call.keywords}
    unit = "in diagonals of the map" if given["unit"] == "diagonal" else "in cells"
    made = f"each reduced by {given['factor']} and divided by its sum"
    return f"EMD, the earth mover's distance of both maps, {made}, {unit}"


def _nss(call: Call, _: Settings) -> str:
    ddof = " (with N - 1)" if call.keywords.get("ddof") else ""
    return f"NSS, the mean over the fixations of the map in units of its standard deviation{ddof}{_once(call)}"


def _auc(call: Call, _: Settings) -> str:
    others = "pixels that nobody fixated" if call.keywords.get("negatives") == "unfixated" else "all pixels"
    return f"AUC, the area under the ROC curve of fixations against {others}, ties counted half{_once(call)}"


def _shuffled(call: Call, settings: Settings) -> str:
    negatives = {
        "others": "the fixated pixels of all other images",
        "map": "the fixated pixels of one given map",
        "maps": "the fixated pixels of a map given for each image",
    }.get(settings.other.name, "the fixated pixels of another map")
    if settings.other.keywords.get("repeats"):
        negatives = "the fixations on all other images"
    drawn = f"drawn from {negatives}{_rounded(call)}"
    return f"AUC-shuffled, the expectation of AUC_shuffled.m over its random negatives, {drawn}"


def _salicon(call: Call, _: Settings) -> str:
    step = format_value(call.keywords.get("step", 0.01))
    return (
        f"sAUC as SALICON's evaluator computes it, with thresholds {step} apart, against the other images' fixated "
        "pixels but for the image's own"
    )


def _rounded(call: Call) -> str:
    return ", in its floating-point arithmetic" if call.keywords.get("ties") == "float" else ""


def _added(call: Call) -> str:
    eps = call.keywords.get("eps")
    return f", with {format_value(eps)} added to every probability" if eps else ""


def _once(call: Call) -> str:
    return ", each fixated pixel counted once" if call.keywords.get("repeats") is False else ""


def baseline_words(settings: Settings) -> str:
    """The baseline of an information gain."""
    call = settings.baseline
    given = {**BASELINES[call.name].defaults, **call.keywords}
    if call.name == "others":
        bandwidth, uniform = (format_value(given[key]) for key in ("bandwidth", "uniform"))
        return (
            "a Gaussian kernel density of the fixations on all other images (bandwidth "
            f"{bandwidth} of the sides, uniform share {uniform})"
        )
    named = {"uniform": "the uniform density", "map": "one given map", "maps": "a map given for each image"}
    return named.get(call.name, str(call))


_UNITS = {"e": "nats", "2": "bits", "10": "bans"}

_WORDS: Mapping[str, Callable[[Call, Settings], str]] = {
    "cc": lambda _, __: "CC, Pearson's correlation coefficient of both maps over their pixels",
    "sim": _sim,
    "mse": lambda _, __: "MSE, the mean squared difference of both maps",
    "mae": lambda _, __: "MAE, the mean absolute difference of both maps",
    "emd": _emd,
    "tv": lambda _, __: "the total variation distance sum |p - q|/2",
    "hellinger": lambda _, __: "the Hellinger distance sqrt(sum (sqrt p - sqrt q)^2/2)",
    "js-distance": lambda _, __: "the Jensen-Shannon distance, the root of (D(p || m) + D(q || m))/2, m = (p + q)/2",
    "schoener-d": lambda _, __: "Schoener's D, 1 - sum |p - q|/2",
    "warren-i": lambda _, __: "Warren's I, the Bhattacharyya coefficient sum sqrt(p q)",
    "nss": _nss,
    "auc": _auc,
    "auc-judd": lambda _, __: "AUC-Judd, the expectation of AUC_Judd.m over its jitter",
    "auc-borji": lambda call, _: f"AUC-Borji, the expectation of AUC_Borji.m over its random negatives{_rounded(call)}",
    "auc-shuffled": _shuffled,
    "sauc": lambda _, __: "sAUC, the area under the ROC curve of fixations against those on all other images",
    "ll": lambda _, s: f"LL, the mean log-likelihood of the fixations, in {_UNITS[s.base]} per fixation",
    "sauc-salicon": _salicon,
    "ig": lambda call, s: (
        f"IG, the information gain over {baseline_words(s)}, in bits per fixation{_once(call)}{_added(call)}"
    ),
    "ig-mit": lambda call, s: (
        f"the information gain of InfoGain.m over {baseline_words(s)}, in bits per fixated pixel{_added(call)}"
    ),
}
