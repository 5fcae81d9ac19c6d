"""Whether anything stands beside a run's pairs: what reads fixations and baselines is imported where something does."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from kldeval.scoring.context import NO_CONTEXT, DatasetContext
from kldeval.settings.beside import NONE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kldeval.engine.run import Request
    from kldeval.inputs.company import Sources
    from kldeval.records import Pair
    from kldeval.settings import Settings


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Where what stands beside the pairs is read, what is known of all images, and what is to be said about it."""

    sources: Sources | None = None
    context: DatasetContext = field(default_factory=lambda: NO_CONTEXT)
    notes: tuple[str, ...] = ()


NOWHERE = Surroundings()
"""Nothing stands beside the pairs."""


def look_around(settings: Settings, request: Request, pairs: Sequence[Pair], *, alone: bool) -> Surroundings:
    """What the settings need beside the pairs, opened; `alone` where the pair is two files.

    Raises:
        UsageProblem: something is missing, or was given and nothing needs it, or cannot be read.
    """
    if not (_is_needed(settings) or _is_given(request) or any(pair.fixations or pair.mask for pair in pairs)):
        return NOWHERE
    from kldeval.engine.surroundings import open_surroundings

    return open_surroundings(settings, request, pairs, alone=alone)


def _is_needed(settings: Settings) -> bool:
    beside = (settings.baseline, settings.mask, settings.other, settings.weights)
    return any(call != NONE for call in beside) or bool(settings.on("fixations"))


def _is_given(request: Request) -> bool:
    files = (request.baseline, request.fixations, request.mask, request.other_map, request.weights)
    return any(files) or request.baselines or request.ceiling is not None
