"""The settings of what stands beside a pair: which of them metrics need, and what they may not be."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from kldeval.errors import UsageProblem
from kldeval.maps.chain import axes_of, format_chain
from kldeval.maps.values import MAP
from kldeval.metrics import distances as _distances  # noqa: F401 - registers the metrics
from kldeval.metrics import emd as _emd  # noqa: F401
from kldeval.metrics import fixations as _fixations  # noqa: F401
from kldeval.metrics import information as _information  # noqa: F401
from kldeval.metrics import maps as _maps  # noqa: F401
from kldeval.metrics.registry import METRICS
from kldeval.names import Call
from kldeval.settings.beside import (
    AS_STORED,
    BASELINES,
    FIELDS,
    NONE,
    READING,
    REGISTRIES,
    check_norm,
    fixation_reading,
    parse_beside,
)
from kldeval.settings.pixels import gt_chain, pred_chain

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from kldeval.maps.chain import Chain
    from kldeval.metrics.registry import MetricInfo
    from kldeval.names import Registry
    from kldeval.settings import Settings

STORED: Chain = (Call("stored"),)
"""The chain of a map that is taken as its file holds it."""

TEXTS = (*REGISTRIES, "baseline_norm", *(f"fixation_{name}" for name in READING))
"""The texts that `companion_parts` understands."""


def companion_parts(chosen: Mapping[str, str], said: Mapping[str, str], metrics: Iterable[Call]) -> dict[str, Call]:
    """The parts of the settings that stand for `chosen` texts, of which the user `said` some.

    What no metric needs is left out, unless the user said it.

    Raises:
        UsageProblem: a text means nothing, a metric lacks what it needs, or something has no effect.
    """
    found = {FIELDS[name]: parse_beside(name, chosen.get(name, "none")) for name in REGISTRIES}
    found["baseline"] = _with_norm(found["baseline"], chosen, said)
    found["fixations"] = fixation_reading(chosen)
    calls = tuple(metrics)
    for name, field in (("baseline", "baseline"), ("other_map", "other")):
        needing = [call.name for call in calls if field in _needs(call)]
        if needing and found[field] == NONE:
            raise UsageProblem(_MISSING[field].format(metric=needing[0]))
        if not needing:
            _refuse_idle(name, said, calls, "needs one")
            found[field] = NONE
    if not any(METRICS[call.name].info.on == "fixations" for call in calls):
        for name in (f"fixation_{part}" for part in READING):
            _refuse_idle(name, said, calls, "is of fixations")
        found["fixations"] = AS_STORED
    return found


def check_plain_labels(said: Mapping[str, str], labels: str | None) -> None:
    """Refuse masks and weights beside labels; `labels` says why the ground truths hold some.

    Raises:
        UsageProblem: naming the option and the way out.
    """
    for name in ("mask", "weights"):
        if labels and name in said:
            way_out = "give what does not count a label of its own, with --ignore-index"
            msg = f"{labels}, which take no --{name}; {way_out}"
            raise UsageProblem(msg)


def check_companions(settings: Settings) -> None:
    """Refuse settings under which a metric of fixations has no meaning.

    Raises:
        UsageProblem: naming the metric and what it is at odds with.
    """
    on_fixations = settings.on("fixations").values()
    for call in on_fixations:
        if "density" in _needs(call) and axes_of(settings.pred) not in (None, MAP):
            msg = (
                f"{call.name} needs a density of the whole map; {format_chain(settings.pred)!r} makes one of every row "
                "or column: use sum-to-one, flatten-softmax or log-prob"
            )
            raise UsageProblem(msg)
        if call.name == "ig-mit" and settings.baseline.name == "uniform":
            msg = "ig-mit stretches its baseline to 0..1, so there is none for a uniform one; use ig, or name a map"
            raise UsageProblem(msg)
    if settings.maps == "fixations" and not on_fixations:
        msg = f"--maps fixations has no effect: none of the metrics {_shown(settings.metrics)} is of fixations"
        raise UsageProblem(msg)


def chains_for(settings: Settings, call: Call) -> tuple[Chain, Chain]:
    """The chains whose values a metric is a function of, of the prediction and of the ground truth.

    `STORED` where it takes the map as its file holds it, or does not look at it: metrics of stored maps (`cc`, `auc`)
    take it so unless they say `of=norm`, or the map is declared a log density (`log-prob`) and they do not say
    `of=stored`; metrics of fixations look at no ground-truth map, and the entropy of the ground truth at no prediction.
    """
    pred, gt = settings.pred, settings.gt
    if not settings.is_labels and METRICS[call.name].info.on == "pixels":
        pred, gt = pred_chain(pred), gt_chain(gt)
    of_pred, of_gt = _take_chains(settings, call)
    return (pred if of_pred else STORED), (gt if of_gt else STORED)


def _take_chains(settings: Settings, call: Call) -> tuple[bool, bool]:
    """Whether a metric takes what the chain of the prediction makes, and that of the ground truth."""
    on = "labels" if settings.is_labels else METRICS[call.name].info.on
    if on in ("labels", "pixels", "density"):
        return not (on == "density" and _is_blind_to_pred(settings, call)), True
    pred = "density" in _needs(call) or _acts(settings.pred, call)
    return pred, on == "maps" and _acts(settings.gt, call)


def _acts(chain: Chain, call: Call) -> bool:
    """Whether a metric of stored maps takes what this chain makes."""
    of = call.keywords.get("of")
    return of == "norm" or (of is None and "of" in METRICS[call.name].types and is_log_density(chain))


def is_log_density(chain: Chain) -> bool:
    """Whether the map of this chain is declared to hold log-probabilities."""
    return any(step.name == "log-prob" for step in chain)


def _is_blind_to_pred(settings: Settings, call: Call) -> bool:
    """Whether the prediction cannot move a metric of densities: its axes count where the ground truth has none."""
    blind = "pred" in METRICS[call.name].info.blind_to
    return blind and (axes_of(settings.gt) is not None or axes_of(settings.pred) in (None, MAP))


def check_stored(settings: Settings) -> None:
    """Refuse the chain `stored` where a metric takes what a chain makes.

    Raises:
        UsageProblem: naming the metric.
    """
    stored = [STORED[0] in chain for chain in (settings.pred, settings.gt)]
    for call in settings.metrics:
        for is_stored, takes in zip(stored, _take_chains(settings, call), strict=True):
            if is_stored and takes:
                msg = f"{call} takes what a chain makes of a map, and 'stored' makes nothing of it; name another chain"
                raise UsageProblem(msg)


def restrict_to(settings: Settings, call: Call) -> Settings:
    """The settings of one metric alone: what cannot move it is at its default, and does not stand in its signature.

    Metrics of maps and of fixations are computed in float64, whatever the densities are computed in. Scale, colour,
    empty maps, resizing and the arithmetic stay for every metric.
    """
    idle = idle_parts(settings, call)
    base = "e" if "base" in idle else settings.base
    if settings.is_labels:
        return replace(settings, metrics=(call,), base=base)
    on = METRICS[call.name].info.on
    needs = _needs(call)
    pred, gt = chains_for(settings, call)
    is_stored = on in ("maps", "fixations")
    return replace(
        settings,
        metrics=(call,),
        pred=pred,
        gt=gt,
        base=base,
        reduction="slices" if "reduce" in idle else settings.reduction,
        baseline=settings.baseline if "baseline" in needs else NONE,
        context=settings.context if compares_images(settings, call) else "",
        other=settings.other if "other" in needs else NONE,
        fixations=settings.fixations if on == "fixations" else AS_STORED,
        density="" if on == "fixations" else settings.density,
        maps="mean" if settings.maps == "fixations" and on != "fixations" else settings.maps,
        dtype="float64" if is_stored else settings.dtype,
    )


def compares_images(settings: Settings, call: Call) -> bool:
    """Whether the fixations on other images move a metric."""
    if settings.is_labels:
        return False
    needs = _needs(call)
    asked = {"other": settings.other.name, "baseline": settings.baseline.name}
    return "others" in needs or any(asked.get(need) == "others" for need in needs)


def idle_parts(settings: Settings, call: Call) -> frozenset[str]:
    """The parts of a signature that cannot move a metric by its definition: `base`, `reduce`, both or neither."""
    return idle_parts_of(call.name, is_labels=settings.is_labels)


def idle_parts_of(name: str, *, is_labels: bool) -> frozenset[str]:
    """The same by the name of a metric; of an unknown one nothing is known to be idle.

    The base of the logarithm moves what is counted in nats, the reduction what has terms at pixels or positions.
    """
    registry: Registry[Any, MetricInfo] = METRICS
    if is_labels:
        from kldeval.metrics.on_labels import LABEL_METRICS as registry  # noqa: N811 - the registry that counts here
    if name not in registry:
        return frozenset()
    info = registry[name].info
    base = () if info.unit == "nats" else ("base",)
    return frozenset((*base, *(("reduce",) if info.on in ("maps", "fixations") else ())))


_MISSING = {
    "baseline": "{metric} needs a baseline: --baseline uniform, others, or the FILE or DIR of its maps",
    "other": "{metric} needs the fixations of other images: --other-map FILE or DIR, or others (their union)",
}


def _needs(call: Call) -> tuple[str, ...]:
    return METRICS[call.name].info.requires


def _refuse_idle(name: str, said: Mapping[str, str], calls: Iterable[Call], lacking: str) -> None:
    if name in said:
        flag = f"--{name.replace('_', '-')}"
        msg = f"{flag} {said[name]} has no effect: none of the metrics {_shown(calls)} {lacking}"
        raise UsageProblem(msg)


def _shown(calls: Iterable[Call]) -> str:
    return ", ".join(call.name for call in calls)


def _with_norm(baseline: Call, chosen: Mapping[str, str], said: Mapping[str, str]) -> Call:
    norm = chosen.get("baseline_norm")
    if norm is None:
        return baseline
    if "norm" not in BASELINES[baseline.name].types:
        if "baseline_norm" in said:
            msg = f"--baseline-norm {norm} has no effect: the baseline {baseline} is no map"
            raise UsageProblem(msg)
        return baseline
    return BASELINES[baseline.name].call(**{**baseline.keywords, "norm": check_norm(norm)})
