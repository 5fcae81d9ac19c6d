"""What a run computes: every choice that moves a number, as one frozen record made from the texts a user types."""

from __future__ import annotations

import re
from dataclasses import fields, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from kldeval.errors import KldevalError, UsageProblem
from kldeval.grammar import Call, did_you_mean, split_top_level
from kldeval.metrics.registry import METRICS
from kldeval.normalization.chain import (
    Chain,
    axes_of,
    class_axis,
    ends_in_log,
    format_chain,
    parse_chain,
    takes_axis,
    with_axis,
)
from kldeval.normalization.steps import check_axis
from kldeval.preprocessing.resize import RESIZES
from kldeval.records import OF_PIXELS
from kldeval.settings.auxiliary import (
    TEXTS,
    auxiliary_parts,
    check_companions,
    check_plain_labels,
    check_pooled,
    check_stored,
    restrict_to,
)
from kldeval.settings.labels import (
    LABEL_FLAGS,
    check_class_axis,
    check_labels_alone,
    label_chain,
    label_reduction,
    what_says_labels,
)
from kldeval.settings.metric_options import (
    DEFAULT_METRICS,
    check_clamp,
    check_mean_over_pixels,
    check_pixel_chains,
    density_metrics,
    epsilon,
    is_of_pixels,
    of_pixels,
)
from kldeval.settings.nodata import nodata_text
from kldeval.settings.settings import CHOICES, Settings, Texts
from kldeval.settings.spellings import canonical_metrics
from kldeval.templates import PARENT, check_grouping

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = [
    "CHOICES",
    "DEFAULTS",
    "KNOWN_TEXTS",
    "Settings",
    "Texts",
    "alone",
    "as_labels",
    "checked",
    "make_settings",
]


DEFAULTS: Mapping[str, str] = {
    "metric": DEFAULT_METRICS,
    "pred_norm": "sum-to-one",
    "gt_norm": "sum-to-one",
    "resize": "none",
}
"""The settings with a grammar of their own, where nothing is said."""


SIDES_OF_SCALE = ("pred_scale", "gt_scale")
"""The texts on the scale of one side."""

PER_DISTRIBUTION = "per-distribution"
"""Another word for the reduction `slices`, which says what it does."""

NODATA = ("nodata", "nodata_pred")
"""The texts on pixels without data."""

KNOWN_TEXTS = frozenset(
    {
        "norm",
        "axis",
        "eps",
        "convention",
        "group_by",
        *DEFAULTS,
        *CHOICES,
        *LABEL_FLAGS,
        *TEXTS,
        *NODATA,
        *SIDES_OF_SCALE,
    }
)
"""The names under which a user says what a run computes."""

_SIDES = ("pred", "gt")


def make_settings(
    texts: Texts, *, convention: Texts | None = None, complete: bool = False, found_labels: str | None = None
) -> Settings:
    """The settings that a user's texts stand for; what is not said comes from the convention, then the defaults.

    Keys: metric, norm, pred_norm, gt_norm, axis, eps, group_by, the fields of `CHOICES`, `resize`, and `LABEL_FLAGS`.
    Complete texts, of a signature, leave nothing to ask or to decide. `found_labels` says which file holds labels.

    Raises:
        UsageProblem: naming everything that is wrong at once, one line each.
    """
    attempt, given = ErrorCollector(), _given_texts(texts)
    if "metric" in given:
        spelt = [attempt(partial(canonical_metrics, part)) for part in split_top_level(given["metric"], ",")]
        known = [part for part in spelt if part is not None]
        given["metric"] = ",".join(known) if known else DEFAULT_METRICS
    effective = {**DEFAULTS, **_given_texts(convention or {}), **_norms(given), **given}
    parts: dict[str, Any] = attempt(lambda: _scales(effective)) or {}
    parts |= {key: attempt(partial(_choice, key, effective.get(key))) for key in CHOICES if key != "scale"}
    parts["resize"] = attempt(lambda: _resize(effective["resize"]))
    parts["nodata"] = attempt(lambda: nodata_text(effective))
    parts["groups"] = attempt(lambda: _groups(given)) if parts["maps"] == "groups" else PARENT
    labels = found_labels or attempt(lambda: what_says_labels(given))
    parts.update(_chains(attempt, effective, given, labels))
    if parts["pred"] and parts["gt"]:
        attempt(lambda: check_labels_alone(parts["pred"], parts["gt"]))
        said_axis = complete or "axis" in given or "axis=" in effective["pred_norm"]
        parts["names_class_axis"] = said_axis and class_axis(parts["pred"]) is not None
    if labels:
        from kldeval.settings.labels import label_metrics

        attempt(lambda: check_class_axis(labels, named=parts.get("names_class_axis", True)))
        parts["metrics"] = attempt(lambda: label_metrics(given, labels))
    else:
        eps = attempt(lambda: epsilon(given["eps"])) if "eps" in given else None
        log_domain = bool(parts["pred"]) and ends_in_log(parts["pred"])
        parts["metrics"] = attempt(lambda: density_metrics(given, eps, convention, log_domain=log_domain))
    attempt(lambda: check_plain_labels(given, labels))
    attempt(lambda: check_pooled(given, parts["metrics"] or (), is_labels=bool(labels)))
    parts |= attempt(lambda: auxiliary_parts(effective, given, () if labels else parts["metrics"] or ())) or {}
    attempt.raise_problems()
    parts["takes_soft_labels"] = bool(labels) and "gt_norm" in given
    parts["raw_texts"] = None if complete or labels or convention or "gt_norm" in given else given
    settings = Settings(**parts, masks=given.get("masks", ""))
    settings = settings if complete else replace(settings, masks=_masks(settings))
    check_pixel_chains(settings, given)
    return checked(settings)


def _resize(text: str) -> Call:
    if re.fullmatch(r"\d+x\d+", text):
        msg = f"--resize {text} does not say which map is resized: 'both(size={text})' resizes both"
        raise UsageProblem(msg)
    return RESIZES.parse(text)


def _scales(effective: Mapping[str, str]) -> dict[str, str]:
    """The scale, and the side that is taken as stored beside one that is not.

    Raises:
        UsageProblem: a text is no scale.
    """
    both = _choice("scale", effective.get("scale"))
    found = {side: _choice("scale", effective.get(f"{side}_scale", both), f"{side}_scale") for side in _SIDES}
    if found["pred"] == found["gt"]:
        return {"scale": found["pred"], "raw": ""}
    return {"scale": "unit", "raw": next(side for side, scale in found.items() if scale == "raw")}


def _masks(settings: Settings) -> str:
    """Whether whole numbers that are 0 and 1 alone are masks: where pixels are probabilities, on the scale of these."""
    of_probabilities = settings.on("pixels", "forecasts")
    if not of_probabilities or settings.scale != "unit":
        return ""
    others = [call for key, call in zip(settings.keys, settings.metrics, strict=True) if key not in of_probabilities]
    return OF_PIXELS if others else "01"


class ErrorCollector:
    """Calls that may fail, and what was wrong with those that did."""

    def __init__(self) -> None:
        self._problems: list[KldevalError] = []

    def __call__(self, make: Callable[[], Any]) -> Any:
        try:
            return make()
        except KldevalError as error:
            self._problems.append(error)
            return None

    def raise_problems(self) -> None:
        """Raise what was collected, all at once, if there was anything; one error stays what it is."""
        if len(self._problems) == 1:
            raise self._problems[0]
        if self._problems:
            raise UsageProblem("\n".join(dict.fromkeys(map(str, self._problems))))


def _chains(
    attempt: ErrorCollector, effective: Mapping[str, str], given: Mapping[str, str], labels: str | None
) -> dict[str, Chain | None]:
    """The chain of each side, with the axis that was said."""
    chains = {side: attempt(partial(parse_chain, effective[f"{side}_norm"])) for side in _SIDES}
    axis = attempt(lambda: _axis(given["axis"])) if "axis" in given else None
    if axis is not None and all(chains.values()):
        takers = [] if labels else [side for side in _SIDES if takes_axis(chains[side])]
        for side in takers or _SIDES[:1]:
            chains[side] = attempt(partial(with_axis, effective[f"{side}_norm"], axis))
    return {**chains, "gt": attempt(lambda: label_chain(given, labels))} if labels else chains


def checked(settings: Settings) -> Settings:
    """The settings, if their parts agree; where metrics of pixels or labels give one a name of its own, under that.

    Raises:
        UsageProblem: the chains make distributions over different axes and the reduction is over distributions, or the
            reduction or the mean over pixels or fixations has no meaning for the metrics, or a metric of fixations
            has none under the settings.
    """
    check_companions(settings)
    settings = _without_idle_parts(settings)
    if settings.maps == "rows":
        check_rows(settings)
    if settings.is_labels:
        return replace(settings, reduction=label_reduction(settings.reduction, settings.maps))
    check_stored(settings)
    check_clamp(settings)
    if settings.maps == "pixels":
        check_mean_over_pixels(settings.metrics, settings.reduction)
    if all(map(is_of_pixels, settings.metrics)):
        return of_pixels(settings)
    pred, gt = axes_of(settings.pred), axes_of(settings.gt)
    if settings.on("density") and settings.reduction == "slices" and pred and gt and pred != gt:
        msg = (
            f"the prediction's chain {format_chain(settings.pred)!r} and the ground truth's "
            f"{format_chain(settings.gt)!r} make distributions over different axes, so there is none to sum within; "
            "use chains over the same axis, or --reduction sum, mean or batchmean"
        )
        raise UsageProblem(msg)
    return settings


def check_rows(settings: Settings) -> None:
    """Refuse rows as units of what has no distribution within each.

    Raises:
        UsageProblem: naming the metric, or the chain.
    """
    others = [call.name for call in settings.metrics if settings.is_labels or METRICS[call.name].info.on != "density"]
    if others:
        msg = f"--rows is for metrics of densities within each row (kld, ce, jsd, ...), and {others[0]} is none of them"
        raise UsageProblem(msg)
    chains = settings.pred, settings.gt
    if any(class_axis(chain) is None for chain in chains) or settings.reduction not in ("slices", "none"):
        what = "a chain within rows on both sides, as --norm softmax --axis -1, and no other --reduction than none"
        msg = f"--rows takes {what}"
        raise UsageProblem(msg)
    of_pixels_alone = {"--mask": settings.mask, "--weights": settings.weights, "--resize": settings.resize}
    flag = next((flag for flag, call in of_pixels_alone.items() if call.name != "none"), None)
    if flag or settings.nodata:
        msg = f"{flag or '--nodata'} has no meaning for rows, in which every entry counts"
        raise UsageProblem(msg)


def alone(settings: Settings, call: Call) -> Settings:
    """The settings under which one metric of a run was scored: what cannot move it is at its default."""
    return checked(restrict_to(settings, call))


def _without_idle_parts(settings: Settings) -> Settings:
    """The settings with every part that moves none of the metrics at its default."""
    each = [restrict_to(settings, call) for call in settings.metrics]
    parts = (item.name for item in fields(settings) if item.compare and item.name != "metrics")
    found = {name: {getattr(one, name) for one in each} for name in parts}
    return replace(settings, **{name: values.pop() for name, values in found.items() if len(values) == 1})


def as_labels(settings: Settings, found: str) -> Settings:
    """The settings that the same texts stand for where the ground truths hold labels; `found` says which file does.

    Raises:
        UsageProblem: the texts have no meaning for labels.
    """
    return make_settings(settings.raw_texts or {}, found_labels=found)


def _given_texts(texts: Texts) -> dict[str, str]:
    given = {key: text for key, text in texts.items() if text is not None}
    if given.get("reduction") == PER_DISTRIBUTION:
        given["reduction"] = "slices"
    return given


def _groups(given: Mapping[str, str]) -> str:
    group_by = given.get("group_by", PARENT)
    check_grouping(group_by)
    return group_by


def _norms(given: dict[str, str]) -> dict[str, str]:
    return {"pred_norm": given["norm"], "gt_norm": given["norm"]} if "norm" in given else {}


def _choice(key: str, text: str | None, option: str = "") -> str:
    choices = CHOICES[key]
    if text is None:
        return choices[0]
    if text not in choices:
        flag = (option or key).replace("_", "-")
        msg = f"--{flag} {text}: {text!r} is none of {', '.join(choices)}{did_you_mean(text, choices)}"
        raise UsageProblem(msg)
    return text


def _axis(text: str) -> int:
    try:
        axis = int(text)
    except ValueError:
        msg = f"--axis {text}: not a whole number"
        raise UsageProblem(msg) from None
    check_axis(axis=axis)
    return axis
