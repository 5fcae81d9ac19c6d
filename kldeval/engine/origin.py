"""How the ground truths of a run were made of fixations, as the files beside them say, read back into the settings."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from kldeval.errors import RefusedMap

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kldeval.records import DensityProvenance, Score
    from kldeval.settings.settings import Settings

MIXED = "mixed"
"""What the signature says where the ground truths were not all made alike."""


def with_origin(settings: Settings, scores: Sequence[Score]) -> tuple[Settings, list[str]]:
    """The settings with how the scored ground truths were made, and of how many fixations; and what is to be noted.

    Where no file says so, nothing is added.
    """
    made = [score.made for score in scores if score.made]
    if not made:
        return settings, []
    ways = {origin.text for origin in made}
    if len(made) == len(scores) and len(ways) == 1:
        return replace(settings, density=described(made)), []
    known = ", ".join(sorted(ways))
    note = f"the ground truths were not all made alike: {len(made)} of {len(scores)} say how ({known})"
    return replace(settings, density=MIXED), [note]


def described(made: Sequence[DensityProvenance]) -> str:
    """How ground truths were made, and the number of all their fixations.

    >>> from kldeval.records import DensityProvenance
    >>> text = "gaussian(sigma=24,border=reflect)"
    >>> described([DensityProvenance(text, 3), DensityProvenance(text, 4)])
    'gaussian(sigma=24,border=reflect,fixations=7)'
    """
    return f"{made[0].text.removesuffix(')')},fixations={sum(origin.n_fixations for origin in made)})"


def check_origin(wanted: str, made: DensityProvenance | None) -> None:
    """Refuse a ground truth that was made in another way than a signature says (of whatever number of fixations).

    Raises:
        RefusedMap: naming both.
    """
    if not wanted or wanted == MIXED:
        return
    way = wanted.rpartition(",fixations=")[0] + ")"
    if made is None or made.text != way:
        found = made.text if made else "nobody says how"
        msg = f"the signature says density:{wanted}, but the ground truth was made otherwise: {found}"
        raise RefusedMap(msg)
