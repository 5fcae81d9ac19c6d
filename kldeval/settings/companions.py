"""The settings of what stands beside a pair: which of them metrics need, and what they may not be."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from kldeval.errors import UsageProblem
from kldeval.maps.chain import axes_of, format_chain
from kldeval.maps.values import MAP
from kldeval.metrics import distances as _distances  # noqa: F401 - registers the metrics
from kldeval.metrics import emd as _emd  # noqa: F401
from kldeval.metrics import fixations as _fixations  # noqa: F401
from kldeval.metrics import information as _information  # noqa: F401
from kldeval.metrics import maps as _maps  # noqa: F401
from kldeval.metrics.registry import METRICS
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

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from kldeval.names import Call
    from kldeval.settings import Settings

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


def only_of(settings: Settings, call: Call) -> Settings:
    """The settings of one metric alone: what another metric needs does not stand in its signature.

    Metrics of maps and of fixations are computed in float64, whatever the densities are computed in.
    """
    if settings.is_labels:
        return replace(settings, metrics=(call,))
    on = METRICS[call.name].info.on
    needs = _needs(call)
    return replace(
        settings,
        metrics=(call,),
        baseline=settings.baseline if "baseline" in needs else NONE,
        other=settings.other if "other" in needs else NONE,
        fixations=settings.fixations if on == "fixations" else AS_STORED,
        density="" if on == "fixations" else settings.density,
        maps="mean" if settings.maps == "fixations" and on != "fixations" else settings.maps,
        dtype="float64" if on in ("maps", "fixations") else settings.dtype,
    )


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
