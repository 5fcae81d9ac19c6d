"""The metrics of densities with their constants: what a user says, what a convention says, what is so by default."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from kldeval.errors import UsageProblem
from kldeval.grammar import Call, parse_all, split_call, split_top_level, unknown
from kldeval.metrics.registry import LABEL_METRICS, METRICS, with_epsilon
from kldeval.normalization.chain import format_chain
from kldeval.normalization.steps import STEPS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from kldeval.normalization.chain import Chain
    from kldeval.settings.settings import Settings

    Texts = Mapping[str, "str | None"]


DEFAULT_METRICS = "kld,ce"
"""The metrics where none is named."""

DEFAULT_EPSILON = 2.2204e-16
"""The literal of the MIT/Tuebingen benchmark's Python code, added where a prediction is given by its probabilities."""


def density_metrics(
    given: Mapping[str, str], eps: float | None, convention: Texts | None, *, log_domain: bool
) -> tuple[Call, ...]:
    """The metrics, with constants from the first that applies: parentheses, --eps, the convention, the default.

    Raises:
        UsageProblem: a metric is unknown, wrong or named twice, or `--eps` has no effect.
    """
    named = _convention_metrics(convention)
    texts = split_top_level(given.get("metric", DEFAULT_METRICS), ",")
    calls = parse_all(lambda text: _metric(text, eps, named, log_domain=log_domain), texts)
    shown = ", ".join(map(str, calls))
    if eps is not None and not any("(" not in text and with_epsilon(text, eps) for text in texts):
        msg = f"--eps {given['eps']} has no effect: none of the metrics {shown} uses it"
        raise UsageProblem(msg)
    if len(set(calls)) < len(calls):
        msg = f"a metric is named twice: {shown}"
        raise UsageProblem(msg)
    return calls


def _metric(text: str, eps: float | None, named: Mapping[str, Call], *, log_domain: bool) -> Call:
    name = split_call(text)[0]
    if name not in METRICS:
        from kldeval.metrics.registry import LABEL_METRICS

        raise unknown("metric", name, {*METRICS, *LABEL_METRICS})
    call = METRICS.parse(text)
    if "(" in text:
        return call
    if call.name in named and (eps is None or not with_epsilon(call.name, 0.0)):
        return named[call.name]
    return default_metric(call.name, log_domain=log_domain) if eps is None else _with_one_epsilon(call.name, eps)


def default_metric(name: str, *, log_domain: bool) -> Call:
    """The metric with the constants of the default convention; `log_domain`: the prediction is log-probabilities."""
    return _with_one_epsilon(name, 0.0 if log_domain else DEFAULT_EPSILON)


def _with_one_epsilon(name: str, eps: float) -> Call:
    return METRICS[name].call(**with_epsilon(name, eps))


def _convention_metrics(convention: Texts | None) -> dict[str, Call]:
    """The metrics with the constants that a convention gives them; those of `kld` are those of `kld-reverse`, too."""
    texts = split_top_level((convention or {}).get("metric") or "", ",")
    named = {split_call(text)[0]: METRICS.parse(text) for text in texts if text}
    return {**({"kld-reverse": reverse_of(named["kld"])} if "kld" in named else {}), **named}


def reverse_of(kld: Call) -> Call:
    """The reverse divergence with the constants of `kld`.

    >>> str(reverse_of(METRICS.parse("kld(ratio_eps=1e-7,direction=mean,factor=10)")))
    'kld-reverse(ratio_eps=1e-07)'
    """
    taken = METRICS["kld-reverse"].types
    return METRICS["kld-reverse"].call(**{key: value for key, value in kld.arguments if key in taken})


def epsilon(text: str) -> float:
    """The number that `--eps` says.

    Raises:
        UsageProblem: it is none of 0 or more.
    """
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        msg = f"--eps {text}: not a number of 0 or more"
        raise UsageProblem(msg)
    return value


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


def check_pixel_chains(settings: Settings, given: Collection[str]) -> None:
    """Refuse chains that a user asked for and that no metric would take; `given` are the names of the user's texts.

    Raises:
        UsageProblem: naming the chain and what would be right.
    """
    if settings.is_labels or not all(map(is_of_pixels, settings.metrics)):
        return
    names = ", ".join(call.name for call in settings.metrics)
    if pred_chain(settings.pred) != settings.pred and ("norm" in given or "pred_norm" in given):
        msg = (
            f"{names} takes a probability in 0..1 from each pixel, and {format_chain(settings.pred)!r} makes a "
            "distribution over pixels; leave it out, or use --norm sigmoid for logits"
        )
        raise UsageProblem(msg)
    if gt_chain(settings.gt) != settings.gt and "gt_norm" in given:
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


def adaptive_calls(settings: Settings) -> dict[str, Call]:
    """The adaptive metrics of a run by their keys."""
    registry = LABEL_METRICS if settings.is_labels else METRICS
    calls = zip(settings.keys, settings.metrics, strict=True)
    return {key: call for key, call in calls if registry[call.name].info.forecasts is not None}


def refuse_fixations(given: Mapping[str, object], metrics: Iterable[str]) -> None:
    """Refuse fixations, and how to read them, beside metrics none of which has any.

    Raises:
        UsageProblem: naming the option, which is one of `given` that is not None.
    """
    for name, value in given.items():
        if value is not None:
            flag = f"--{name.replace('_', '-')}"
            msg = f"{flag} {value} has no effect: none of the metrics {', '.join(metrics)} is of fixations"
            raise UsageProblem(msg)


def refuse_parts(settings: Settings, way_out: str) -> None:
    """Refuse metrics whose bins are of all maps where only some of them are known.

    Raises:
        UsageProblem: naming the metric and the way out.
    """
    for key in adaptive_calls(settings):
        msg = f"{key} has bins of equal numbers over all maps of a run: {way_out}"
        raise UsageProblem(msg)
