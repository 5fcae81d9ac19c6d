"""What a run computes: every choice that moves a number, as one frozen record made from the texts a user types."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import partial
from typing import TYPE_CHECKING, Any

from kldeval.beside import AS_STORED, NONE
from kldeval.companion_settings import TEXTS, check_companions, companion_parts
from kldeval.errors import KldevalError, UsageProblem
from kldeval.inputs.resize import RESIZES
from kldeval.maps.chain import Chain, axes_of, ends_in_log, format_chain, parse_chain, takes_axis, with_axis
from kldeval.maps.steps import one_axis
from kldeval.maps.values import MAP
from kldeval.metrics import density as _density  # noqa: F401 - registers the metrics
from kldeval.metrics.registry import METRICS, with_epsilon
from kldeval.names import Call, did_you_mean, parse_all, split_call, split_top_level

if TYPE_CHECKING:
    from collections.abc import Callable

DEFAULT_EPSILON = 2.2204e-16
"""The literal of the MIT/Tuebingen benchmark's Python code, added where a prediction is given by its probabilities."""

DEFAULTS: Mapping[str, str] = {"metric": "kld,ce", "pred_norm": "sum-to-one", "gt_norm": "sum-to-one", "resize": "none"}
"""The settings with a grammar of their own, where nothing is said."""

CHOICES: Mapping[str, tuple[str, ...]] = {
    "scale": ("unit", "raw"),
    "color": ("error", "luma", "mean", "first"),
    "empty_gt": ("error", "skip", "uniform", "zero", "nan"),
    "empty_pred": ("error", "keep", "uniform", "nan"),
    "base": ("e", "2", "10"),
    "reduction": ("slices", "sum", "mean", "batchmean", "none"),
    "maps": ("mean", "fixations"),
    "dtype": ("float64", "float32"),
}
"""The settings that are one word out of a few; the first is the default."""


KNOWN_TEXTS = frozenset({"norm", "axis", "eps", "convention", *DEFAULTS, *CHOICES, *TEXTS})
"""The names under which a user says what a run computes."""


_NO_RESIZE = Call("none")

_SIDES = ("pred", "gt")


@dataclass(frozen=True, slots=True)
class Settings:
    """Every choice that moves a number. Two runs with equal settings on equal files give equal numbers.

    `density` says how the ground truths were made of fixations, where the files beside them do.
    """

    metrics: tuple[Call, ...]
    pred: Chain
    gt: Chain
    scale: str = "unit"
    resize: Call = _NO_RESIZE
    color: str = "error"
    empty_gt: str = "error"
    empty_pred: str = "error"
    base: str = "e"
    reduction: str = "slices"
    maps: str = "mean"
    dtype: str = "float64"
    baseline: Call = NONE
    density: str = ""
    fixations: Call = AS_STORED
    mask: Call = NONE
    other: Call = NONE
    weights: Call = NONE

    def on(self, *kinds: str) -> dict[str, Call]:
        """The metrics that are functions of these kinds (density, maps, fixations), by their columns."""
        found = zip(self.keys, self.metrics, strict=True)
        return {key: call for key, call in found if METRICS[call.name].traits.get("on", "density") in kinds}

    @property
    def keys(self) -> tuple[str, ...]:
        """The column of each metric: its bare name, or its full text where one run holds the same metric twice."""
        names = [call.name for call in self.metrics]
        return tuple(str(call) if names.count(call.name) > 1 else call.name for call in self.metrics)

    @property
    def axes(self) -> tuple[int, ...]:
        """The axes of the distributions that both chains make."""
        return axes_of(self.gt) or axes_of(self.pred) or MAP


Texts = Mapping[str, "str | None"]
"""The settings as a user types them; None where the user said nothing."""


def make_settings(texts: Texts, *, convention: Texts | None = None) -> Settings:
    """The settings that a user's texts stand for; what is not said comes from the convention, then the defaults.

    Keys: metric, norm, pred_norm, gt_norm, axis, eps and the fields of `CHOICES` and `resize`.

    Raises:
        UsageProblem: naming everything that is wrong at once, one line each.
    """
    problems: list[str] = []
    said = _said(texts)

    def attempt(make: Callable[[], Any]) -> Any:
        try:
            return make()
        except KldevalError as error:
            problems.append(str(error))
            return None

    chosen = {**DEFAULTS, **_said(convention or {}), **_norms(said), **said}
    parts = {key: attempt(partial(_choice, key, chosen.get(key))) for key in CHOICES}
    parts["resize"] = attempt(lambda: RESIZES.parse(chosen["resize"]))
    for side in _SIDES:
        parts[side] = attempt(partial(parse_chain, chosen[f"{side}_norm"]))
    axis = attempt(lambda: _axis(said["axis"])) if "axis" in said else None
    if axis is not None and all(parts[side] for side in _SIDES):
        for side in [side for side in _SIDES if takes_axis(parts[side])] or _SIDES[:1]:
            parts[side] = attempt(partial(with_axis, chosen[f"{side}_norm"], axis))
    eps = attempt(lambda: _epsilon(said["eps"])) if "eps" in said else None
    log_domain = bool(parts["pred"]) and ends_in_log(parts["pred"])
    parts["metrics"] = attempt(lambda: _metrics(said, eps, convention, log_domain=log_domain))
    parts |= attempt(lambda: companion_parts(chosen, said, parts["metrics"] or ())) or {}
    if problems:
        raise UsageProblem("\n".join(dict.fromkeys(problems)))
    return checked(Settings(**parts))


def checked(settings: Settings) -> Settings:
    """The settings, if their parts agree.

    Raises:
        UsageProblem: the chains make distributions over different axes and the reduction is over distributions, or a
            metric of fixations has no meaning under them.
    """
    check_companions(settings)
    pred, gt = axes_of(settings.pred), axes_of(settings.gt)
    if settings.reduction == "slices" and pred and gt and pred != gt:
        msg = (
            f"the prediction's chain {format_chain(settings.pred)!r} and the ground truth's "
            f"{format_chain(settings.gt)!r} make distributions over different axes, so there is none to sum within; "
            "use chains over the same axis, or --reduction sum, mean or batchmean"
        )
        raise UsageProblem(msg)
    return settings


def _said(texts: Texts) -> dict[str, str]:
    return {key: text for key, text in texts.items() if text is not None}


def _norms(said: dict[str, str]) -> dict[str, str]:
    return {"pred_norm": said["norm"], "gt_norm": said["norm"]} if "norm" in said else {}


def _choice(key: str, text: str | None) -> str:
    choices = CHOICES[key]
    if text is None:
        return choices[0]
    if text not in choices:
        flag = key.replace("_", "-")
        msg = f"--{flag} {text}: {text!r} is none of {', '.join(choices)}{did_you_mean(text, choices)}"
        raise UsageProblem(msg)
    return text


def _axis(text: str) -> int:
    try:
        axis = int(text)
    except ValueError:
        msg = f"--axis {text}: not a whole number"
        raise UsageProblem(msg) from None
    one_axis(axis)
    return axis


def _metrics(
    said: Mapping[str, str], eps: float | None, convention: Texts | None, *, log_domain: bool
) -> tuple[Call, ...]:
    """The metrics, with constants from the first that applies: parentheses, --eps, the convention, the default."""
    named = _convention_metrics(convention)
    texts = split_top_level(said.get("metric", DEFAULTS["metric"]), ",")
    calls = parse_all(lambda text: _metric(text, eps, named, log_domain=log_domain), texts)
    shown = ", ".join(map(str, calls))
    if eps is not None and not any("(" not in text and with_epsilon(text, eps) for text in texts):
        msg = f"--eps {said['eps']} has no effect: none of the metrics {shown} uses it"
        raise UsageProblem(msg)
    if len(set(calls)) < len(calls):
        msg = f"a metric is named twice: {shown}"
        raise UsageProblem(msg)
    return calls


def _metric(text: str, eps: float | None, named: Mapping[str, Call], *, log_domain: bool) -> Call:
    call = METRICS.parse(text)
    if "(" in text:
        return call
    if eps is None and call.name in named:
        return named[call.name]
    return default_metric(call.name, log_domain=log_domain) if eps is None else _with_one_epsilon(call.name, eps)


def default_metric(name: str, *, log_domain: bool) -> Call:
    """The metric with the constants of the default convention; `log_domain`: the prediction is log-probabilities."""
    return _with_one_epsilon(name, 0.0 if log_domain else DEFAULT_EPSILON)


def _with_one_epsilon(name: str, eps: float) -> Call:
    return METRICS[name].call(**with_epsilon(name, eps))


def _convention_metrics(convention: Texts | None) -> dict[str, Call]:
    texts = split_top_level((convention or {}).get("metric") or "", ",")
    return {split_call(text)[0]: METRICS.parse(text) for text in texts if text}


def _epsilon(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        msg = f"--eps {text}: not a number of 0 or more"
        raise UsageProblem(msg)
    return value


def describe(settings: Settings) -> dict[str, str]:
    """Every part of the settings as text, in the order of the fields."""
    texts = {}
    for item in fields(settings):
        value = getattr(settings, item.name)
        if item.name == "metrics":
            texts[item.name] = ",".join(map(str, value))
        else:
            texts[item.name] = format_chain(value) if isinstance(value, tuple) else str(value)
    return texts
