"""The sentence for a paper: what settings compute, in words, with the signature and what to cite."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kldeval._version import __version__
from kldeval.conventions import CONVENTIONS
from kldeval.maps.values import MAP
from kldeval.matching import matching_convention
from kldeval.methods.formulas import metric_words
from kldeval.methods.labels import label_words, pixel_words
from kldeval.methods.steps import chain_words
from kldeval.metrics.registry import METRICS
from kldeval.names import format_value
from kldeval.signature import short_signature, signatures

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kldeval.names import Call
    from kldeval.settings import Settings


@dataclass(frozen=True, slots=True)
class Methods:
    """What a paper says of its numbers: a paragraph, the short signature, the full ones, and an entry of BibTeX.

    `convention` and `bibtex` are empty where the settings are no named convention.
    """

    text: str
    short: str
    signatures: Mapping[str, str]
    convention: str
    bibtex: str


def describe_methods(settings: Settings, *, maps: str = "") -> Methods:
    """The methods of a run; `maps` says how many maps were averaged, such as `500 maps`."""
    name = matching_convention(settings) or ""
    return Methods(
        paragraph(settings, name, maps),
        short_signature(settings),
        signatures(settings),
        name,
        CONVENTIONS[name].bibtex if name else "",
    )


def paragraph(settings: Settings, convention: str = "", maps: str = "") -> str:
    """Whole sentences: the formula, the normalisation, the sizes, empty maps, the averages, and the tool."""
    metrics = [metric_words(call, settings) for call in settings.metrics]
    of = f", the convention of {CONVENTIONS[convention].source.repository}" if convention else ""
    sentences = [
        f"We report {', and '.join(metrics)}.",
        *_map_words(settings),
        _resize_words(settings.resize),
        _average_words(settings, maps),
        f"Numbers were computed in {settings.dtype} with kldeval {__version__} ({short_signature(settings)}{of}).",
    ]
    return " ".join(sentences)


def _map_words(settings: Settings) -> list[str]:
    """What the letters of the formulas stand for."""
    if settings.is_labels:
        return [label_words(settings)]
    on = {METRICS[call.name].info.on for call in settings.metrics}
    of_pixels = [pixel_words(settings), f"In it {_SCALES[settings.scale]}."] if "pixels" in on else []
    return [*(_density_words(settings) if "density" in on else ()), *of_pixels]


def _density_words(settings: Settings) -> list[str]:
    pred, gt = chain_words(settings.pred), chain_words(settings.gt)
    if pred == gt:
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
    return [_EMPTY_GT.get(settings.empty_gt, ""), _EMPTY_PRED.get(settings.empty_pred, "")]


def _average_words(settings: Settings, maps: str) -> str:
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
    return f"Each map's number is {within}, and we report the mean over {maps or 'maps'}."
