"""What stands around a run's pairs, and whether anything does: a run of densities alone imports nothing of it."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING

from kldeval.dataclass import dataclass
from kldeval.errors import UsageProblem, printable
from kldeval.scoring.context import NO_CONTEXT, DatasetContext
from kldeval.settings.settings import NONE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kldeval.data.auxiliary import AuxiliarySources
    from kldeval.records import Pair
    from kldeval.run_options import RunOptions
    from kldeval.settings.settings import Settings


@dataclass(frozen=True, slots=True)
class AuxiliaryContext:
    """Where what stands beside the pairs is read, what is known of all images, and what is to be said about it.

    `described` is what signatures say of the images that every image is compared with.
    """

    sources: AuxiliarySources | None = None
    context: DatasetContext = field(default_factory=lambda: NO_CONTEXT)
    notes: tuple[str, ...] = ()
    described: str = ""


NO_AUXILIARY = AuxiliaryContext()
"""Nothing stands beside the pairs."""


def needs_auxiliary(settings: Settings, request: RunOptions, pairs: Iterable[Pair]) -> bool:
    """Whether anything beside the pairs was given, or is asked for by the settings."""
    return (
        _is_needed(settings)
        or _is_given(request)
        or (request.manifest is not None and any(pair.fixations or pair.mask for pair in pairs))
    )


def check_fixations(settings: Settings, request: RunOptions, *, are_named: bool = False) -> None:
    """Refuse metrics of fixations without any, and fixations without such a metric; a manifest may have named some.

    Raises:
        UsageProblem: with the way out.
    """
    on_fixations = [call.name for call in settings.on("fixations").values()]
    if on_fixations and not (request.fixations or are_named):
        msg = f"{on_fixations[0]} needs fixations: --fixations FILE or DIR"
        raise UsageProblem(msg)
    if request.fixations and not on_fixations:
        shown = ", ".join(call.name for call in settings.metrics)
        msg = f"--fixations {printable(request.fixations)} has no effect: none of the metrics {shown} is of fixations"
        raise UsageProblem(msg)


def _is_needed(settings: Settings) -> bool:
    beside = (settings.baseline, settings.mask, settings.other, settings.weights)
    return any(call != NONE for call in beside) or bool(settings.on("fixations"))


def _is_given(request: RunOptions) -> bool:
    files = (request.baseline, request.fixations, request.mask, request.other_map, request.weights)
    named = [getattr(request, f"{what}_name") for what in ("fixations", "mask", "baseline", "weights", "other_map")]
    return any(files) or any(named) or request.baselines or request.ceiling is not None
