"""From the maps of an audit to its outcome: who stands where, who agrees, why not, and which orders flip."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kldeval.results.audit import Audit
from kldeval.results.causes import Evidence, causes
from kldeval.results.eps_curve import eps_curve
from kldeval.results.flips import agreement, flips, reach_note
from kldeval.results.standings import agreeing, standings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kldeval.records import Failure
    from kldeval.results.audit import AuditedMap, Traits

CONFIDENCE, RESAMPLES, SEED = 0.95, 10_000, 0
"""Of the intervals of the flips."""


def summarise_audit(
    conventions: Mapping[str, Traits],
    maps: Mapping[str, tuple[AuditedMap, ...]],
    failures: Mapping[str, tuple[Failure, ...]],
    reference: str,
    provenance: Mapping[str, object],
    notes: tuple[str, ...],
    *,
    curve: bool = False,
) -> Audit:
    """The outcome; `curve` asks for that over epsilon."""
    found = standings(maps, conventions, reference)
    changes = flips(maps, found, resamples=RESAMPLES, seed=SEED, confidence=CONFIDENCE)
    by_model = {model: {name: row[model] for name, row in found.items()} for model in maps}
    return Audit(
        models=tuple(maps),
        reference=reference,
        conventions=conventions,
        maps=maps,
        failures=failures,
        standings=found,
        groups=agreeing(found),
        causes={model: causes(Evidence(maps[model], conventions, by_model[model], reference)) for model in maps},
        flips=changes,
        agreement=agreement(found),
        provenance=provenance,
        curve=eps_curve(maps) if curve else None,
        notes=(*notes, *reach_note(maps, changes, resamples=RESAMPLES, confidence=CONFIDENCE)),
        confidence=CONFIDENCE,
        resamples=RESAMPLES,
        seed=SEED,
    )
