"""Outcomes as plain values that JSON holds exactly, and back."""

from __future__ import annotations

from dataclasses import MISSING, Field, fields
from typing import Any

from kldeval.records import NO_PREDICTION, ClassSum, DensityProvenance, Failure, Outcome, Score, Skipped

_KINDS: dict[str, type[Score | Failure | Skipped]] = {"score": Score, "failure": Failure, "skipped": Skipped}


def _default(field: Field[Any]) -> Any:
    return field.default if field.default_factory is MISSING else field.default_factory()


_NAMES = {type_: kind for kind, type_ in _KINDS.items()}
_DEFAULTS = {kind: [(one.name, _default(one)) for one in fields(type_)[1:]] for kind, type_ in _KINDS.items()}


def row_of(outcome: Outcome) -> dict[str, Any]:
    """The outcome without its name and without what is at its default.

    >>> row_of(Score("a", {"kld": 0.5}, group="u"))
    {'score': {'values': {'kld': 0.5}, 'group': 'u'}}
    """
    kind = _NAMES[type(outcome)]
    members = {name: value for name, default in _DEFAULTS[kind] if (value := getattr(outcome, name)) != default}
    if "failures" in members:
        members["failures"] = [{"name": failure.name, **row_of(failure)} for failure in members["failures"]]
    return {kind: members}


def outcome_of(name: str, row: dict[str, Any]) -> Outcome:
    """The outcome of the map `name` that a row holds.

    >>> outcome_of("a", row_of(Score("a", {"kld": 0.5}, group="u"))) == Score("a", {"kld": 0.5}, group="u")
    True
    """
    ((kind, members),) = ((key, value) for key, value in row.items() if key in _KINDS)
    members = dict(members)
    if "classes" in members:
        members["classes"] = {key: tuple(ClassSum(*one) for one in sums) for key, sums in members["classes"].items()}
    if "statistics" in members:
        members["statistics"] = {key: tuple(sums) for key, sums in members["statistics"].items()}
    if members.get("made") is not None:
        members["made"] = DensityProvenance(*members["made"])
    if "remarks" in members:
        members["remarks"] = tuple(members["remarks"])
    if "failures" in members:
        members["failures"] = tuple(outcome_of(one["name"], one) for one in members["failures"])
    return _KINDS[kind](name, **members)


def as_reported(score: Score) -> Score:
    """The score as a report has it, without what only the sums over all scores need."""
    return Score(  # written out: `replace` takes six times as long, and there is one for each map
        score.name,
        score.values,
        score.n_uncovered,
        score.uncovered_mass,
        tuple({NO_PREDICTION} & {*score.remarks}),
        score.group,
        score.weights,
        score.statistics,
        n_fixations=score.n_fixations,
        gt_fixations=score.gt_fixations,
        references=score.references,
    )
