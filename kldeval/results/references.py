"""Reference rows: what chance, the centre and other observers reach on the same maps, and where a model stands."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from kldeval.results.summary import summarise_groups, summarise_means, summarise_scores

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from kldeval.records import Score

UNIFORM, PRIOR, CEILING = "uniform", "centre prior", "ceiling"

REFERENCES = (UNIFORM, PRIOR, CEILING)
"""The rows, from what says nothing to what says most."""

Means = dict[str, dict[str, float]]
"""The headline of each metric by its key, for each reference by its name."""


def summarise_references(scores: Sequence[Score], *, over_groups: bool) -> Means:
    """The headlines of the references, averaged as those of the model are; only of references that all maps have.

    >>> from kldeval.records import Score
    >>> scores = [Score(name, {"cc": 0.9}, references={"ceiling": {"cc": 1.0}}) for name in "ab"]
    >>> summarise_references(scores, over_groups=False)
    {'ceiling': {'cc': 1.0}}
    """
    everywhere = [name for name in REFERENCES if scores and all(name in score.references for score in scores)]
    return {name: _means(scores, name, over_groups=over_groups) for name in everywhere}


def _means(scores: Sequence[Score], name: str, *, over_groups: bool) -> dict[str, float]:
    first, *others = (score.references[name] for score in scores)
    keys = [key for key in first if all(key in values for values in others)]
    theirs = [replace(score, values=score.references[name]) for score in scores]
    groups = summarise_groups(keys, theirs) if over_groups else {}
    summaries = summarise_means(keys, groups) if over_groups else summarise_scores(keys, theirs)
    return {key: summary.mean for key, summary in summaries.items() if summary.mean is not None}


def share_of_the_way(mean: float | None, references: Mapping[str, Mapping[str, float]], key: str) -> float | None:
    """How far a model goes from the centre prior (0) to the ceiling (1).

    None where one of them has no finite number, or the ceiling is not above the prior: there is no way then. (Only
    metrics of fixations have a ceiling, of which more is better.)

    >>> share_of_the_way(0.5, {"centre prior": {"nss": 0.0}, "ceiling": {"nss": 2.0}}, "nss")
    0.25
    """
    ends = [references.get(name, {}).get(key) for name in (PRIOR, CEILING)]
    if mean is None or any(end is None or not math.isfinite(end) for end in ends) or not math.isfinite(mean):
        return None
    low, high = (float(end or 0.0) for end in ends)
    return (mean - low) / (high - low) if high > low else None


_REASONS = {
    UNIFORM: "where it can be scored",
    PRIOR: "with another ground truth",
    CEILING: "with fixations of two observers or more",
}


def reference_notes(scores: Sequence[Score]) -> Iterator[str]:
    """Why a reference is missing that some map has, or could have."""
    wanted = [UNIFORM, PRIOR]
    wanted += [CEILING] if any(score.n_fixations is not None for score in scores) else []
    for name in wanted if any(score.references for score in scores) else ():
        lacking = [score.name for score in scores if name not in score.references]
        if lacking:
            some = f"{len(scores) - len(lacking)} of {len(scores)} maps are those {_REASONS[name]}"
            yield f"there is no {name} row: only {some} (not {lacking[0]!r})"
