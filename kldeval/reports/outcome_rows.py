"""Outcomes as plain values that JSON holds exactly, and back."""

from __future__ import annotations

from dataclasses import MISSING, Field, fields
from typing import TYPE_CHECKING, Any

from kldeval.dataclass import dataclass
from kldeval.records import NO_PREDICTION, ClassSum, DensityProvenance, Failure, Outcome, Score, Skipped

if TYPE_CHECKING:
    from collections.abc import Callable

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


@dataclass(frozen=True, slots=True)
class RowForm:
    """How what was found of a map is written as plain values that JSON holds, and read back to the bit.

    `row_of` leaves out the name, with which `found_of` gives back what was found; `has_words`: whether it says
    anything in words, which may name files. Failures and maps that were skipped are written as those of scores.
    """

    row_of: Callable[[Any], dict[str, Any]]
    found_of: Callable[[str, dict[str, Any]], Any]
    has_words: Callable[[Any], bool]

    def row(self, found: Any) -> dict[str, Any]:
        """The row of what was found, or of why there is nothing."""
        return row_of(found) if isinstance(found, Failure | Skipped) else self.row_of(found)

    def found(self, name: str, row: dict[str, Any]) -> Any:
        """What a row holds of the map `name`."""
        is_refused = "failure" in row or "skipped" in row
        return outcome_of(name, row) if is_refused else self.found_of(name, row)

    def may_name_files(self, found: Any) -> bool:
        """Whether a file may be named in what was found: another file of the same contents has another name."""
        return isinstance(found, Failure | Skipped) or self.has_words(found)


def _has_failures(score: Score) -> bool:
    return bool(score.failures)


SCORES = RowForm(row_of, outcome_of, _has_failures)
"""Scores as rows."""


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
