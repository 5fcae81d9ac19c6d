"""Shares of one run whose ground truths were made alike within some of them, and not over all."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from kldeval.dataclass import NamedTuple
from kldeval.grammar import signature_parts, split_top_level, with_fixation_count
from kldeval.settings.signature import OPTIONAL, combined, short_signature

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kldeval.reports.documents import Report


MIXED = "mixed"
"""What a signature says of ground truths that were not all made alike."""

_NOTE = "the ground truths were not all made alike: {} of {} say how ({})"

_NOTED = re.compile(r"^the ground truths were not all made alike: (\d+) of \d+ say how \((.*)\)$")

_FOLLOWING = (*tuple(OPTIONAL)[tuple(OPTIONAL).index("density") + 1 :], "v")
"""The parts of a signature that stand after that of how densities were made."""


class _DensityOrigins(NamedTuple):
    """In which ways how many of the ground truths of a share were made; the others do not say how."""

    ways: frozenset[str]
    number: int


def with_mixed_densities(reports: Mapping[str, Report], counts: Mapping[str, int]) -> Mapping[str, Report]:
    """The shares of one run as its parts: how ground truths were made is said as of the whole.

    `counts` is how many maps of each share were scored; a share without any stays as it is.
    """
    made = {file: _made(report, counts[file]) for file, report in reports.items() if report.scores}
    ways = frozenset[str]().union(*(one.ways for one in made.values()))
    if len(ways) <= 1 and all(one.number == (counts[file] if ways else 0) for file, one in made.items()):
        return reports
    keys = {key for report in reports.values() for key, text in report.signatures.items() if "|density:" in text}
    return {
        file: _mixed(report, keys, _NOTE.format(made[file].number, counts[file], ", ".join(sorted(ways))))
        if file in made
        else report
        for file, report in reports.items()
    }


def _made(report: Report, count: int) -> _DensityOrigins:
    noted = next(filter(None, map(_NOTED.match, report.notes)), None)
    if noted is not None:
        return _DensityOrigins(frozenset(split_top_level(noted[2], ",")), int(noted[1]))
    texts = (signature_parts(with_fixation_count(text, 0)) for text in report.signatures.values())
    said = {parts["density"] for parts in texts if "density" in parts}
    ways = frozenset(f"{text.rpartition('fixations=')[0].removesuffix(',')})" for text in said)
    return _DensityOrigins(ways, count if ways else 0)


def _mixed(report: Report, keys: set[str], note: str) -> Report:
    """The report of a share in which not all ground truths were made alike."""
    signatures = {key: _with_mixed(text) if key in keys else text for key, text in report.signatures.items()}
    short = short_signature(combined(signatures.values()))
    return replace(report, signatures=signatures, short=short, notes=_with_note(report.notes, note))


def _with_mixed(text: str) -> str:
    parts = [part for part in split_top_level(text, "|") if not part.startswith("density:")]
    place = next(number for number, part in enumerate(parts) if part.partition(":")[0] in _FOLLOWING)
    return "|".join([*parts[:place], f"density:{MIXED}", *parts[place:]])


def _with_note(notes: Sequence[str], note: str) -> tuple[str, ...]:
    is_noted = any(map(_NOTED.match, notes))
    return tuple(note if _NOTED.match(one) else one for one in notes) + (() if is_noted else (note,))
