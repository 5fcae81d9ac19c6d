"""The versions of the definitions behind a signature, and how signatures of earlier versions are read.

A signature's `v` is the largest version of what it names. A definition that moves a number gets a higher version; where
the old number can still be asked for in other words, an earlier signature is upgraded to these when it is read, and
where it cannot, the signature is refused by the name of what has moved.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from kldeval.dataclass import NamedTuple
from kldeval.errors import UsageProblem
from kldeval.metrics.registry import METRICS
from kldeval.normalization.steps import STEPS
from kldeval.settings.auxiliary import STORED, chains_for
from kldeval.settings.build import checked

if TYPE_CHECKING:
    from collections.abc import Callable

    from kldeval.grammar import Call
    from kldeval.settings.settings import Settings


class Change(NamedTuple):
    """A definition that has moved numbers since `version`.

    `applies` says whether settings name it, and `upgrade` gives the settings that have the old number today; None where
    none have it.
    """

    version: int
    what: str
    applies: Callable[[Settings], bool]
    upgrade: Callable[[Settings], Settings | None]


def version_of(settings: Settings) -> int:
    """The largest version of what the settings name."""
    registered = (_version(settings, call) for call in settings.metrics)
    return max(1, *registered, *(change.version for change in CHANGES if change.applies(settings)))


def upgraded(settings: Settings, version: int) -> Settings:
    """Settings as the words of an earlier version say them, in the words of today.

    Raises:
        UsageProblem: the version is none of what the settings name, or a definition of that version is gone.
    """
    newest = version_of(settings)
    if not 1 <= version <= newest:
        msg = f"the signature's part 'v:{version}' is another version of the definitions; here they are v:{newest}"
        raise UsageProblem(msg)
    for change in CHANGES:
        if change.version > version and change.applies(settings):
            found = change.upgrade(settings)
            if found is None:
                msg = (
                    f"the signature is of v:{version}, and since v:{change.version} {change.what}: the definition that "
                    "it speaks of is gone"
                )
                raise UsageProblem(msg)
            settings = checked(found)
    return settings


def _version(settings: Settings, call: Call) -> int:
    if settings.is_labels:
        from kldeval.metrics.registry import LABEL_METRICS

        return LABEL_METRICS[call.name].info.version
    return METRICS[call.name].info.version


def _takes_logarithms(settings: Settings, call: Call) -> bool:
    """Whether a metric of stored maps acts on a density because the map is declared to be one."""
    if settings.is_labels or "of" not in METRICS[call.name].types or call.keywords.get("of") is not None:
        return False
    return chains_for(settings, call) != (STORED, STORED)


def _of_stored(settings: Settings) -> Settings:
    """The settings whose metrics take maps as they are stored, also where these are declared log densities."""
    calls = (
        METRICS[call.name].call(**{**call.keywords, "of": "stored"}) if _takes_logarithms(settings, call) else call
        for call in settings.metrics
    )
    return replace(settings, metrics=tuple(calls))


def _in_nats(settings: Settings) -> Settings | None:
    """The log-likelihood in nats, whatever the base; None where another metric needs that base."""
    return replace(settings, base="e") if len(settings.metrics) == 1 else None


def _has_based_likelihood(settings: Settings) -> bool:
    return not settings.is_labels and settings.base != "e" and any(call.name == "ll" for call in settings.metrics)


def _log_steps(settings: Settings) -> list[Call]:
    return [step for chain in (settings.pred, settings.gt) for step in chain if step.name == "log-prob"]


def _checks_logarithms(settings: Settings) -> bool:
    return any(step.keywords.get("check", "sum") == "sum" for step in _log_steps(settings))


def _unchecked(settings: Settings) -> Settings:
    """The settings whose log-probabilities may sum to anything."""

    def unchecked(step: Call) -> Call:
        taken = {**step.keywords, "check": "none"}
        return STEPS["log-prob"].call(**taken) if step.name == "log-prob" else step

    pred, gt = (tuple(map(unchecked, chain)) for chain in (settings.pred, settings.gt))
    return replace(settings, pred=pred, gt=gt)


def _blurs_under_a_mask(settings: Settings) -> bool:
    """Whether a metric takes what a blur makes of a map of which some pixels do not exist."""
    if settings.is_labels or (settings.mask.name == "none" and settings.weights.name in ("none", "latitude")):
        return False
    chains = (chain for call in settings.metrics for chain in chains_for(settings, call))
    return any(step.name == "blur" for chain in chains for step in chain)


CHANGES: tuple[Change, ...] = (
    Change(
        2,
        "metrics of stored maps act on the density of a map that is declared log-prob",
        lambda settings: any(_takes_logarithms(settings, call) for call in settings.metrics),
        _of_stored,
    ),
    Change(
        2,
        "a log density that is resized is resized as the density",
        lambda settings: bool(_log_steps(settings)) and settings.resize.name != "none",
        lambda _: None,
    ),
    Change(2, "log-prob refuses what does not sum to 1", _checks_logarithms, _unchecked),
    Change(2, "ll is counted in the unit of --base", _has_based_likelihood, _in_nats),
    Change(2, "masked pixels have no part in a blur", _blurs_under_a_mask, lambda _: None),
)
"""Every definition that has moved, oldest first."""
