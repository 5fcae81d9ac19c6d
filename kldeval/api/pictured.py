"""Pictures of maps on the HTML page of a report: where the maps are, and how they were read and normalised."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from kldeval.api.shown import Saved
from kldeval.dataclass import dataclass
from kldeval.errors import KldevalError, UsageProblem
from kldeval.wording import in_python

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kldeval.api.request import LibraryCall
    from kldeval.memory import MapFolder
    from kldeval.reports.documents import Report
    from kldeval.reports.strips import Strip


@dataclass(frozen=True, slots=True, eq=False)
class MapOrigin:
    """Where the maps of a report are, by model (a single one by the name ""), and what the call asked for.

    It holds on to no arrays: `preds` and `gt` are paths, or `is_held` is false and the arrays have to be given again.
    """

    call: LibraryCall
    preds: Mapping[str, Path | None]
    gt: Path | None
    is_held: bool
    beside: tuple[str, ...]

    @classmethod
    def of(cls, call: LibraryCall, preds: Mapping[str, MapFolder | None], gt: MapFolder | None) -> MapOrigin:
        """What a report may keep of the two sides of its call."""
        is_held = all(one is None or isinstance(one, Path) for one in (*preds.values(), gt))
        held = {name: pred if isinstance(pred, Path) else None for name, pred in preds.items()}
        beside = tuple(call.arrays)
        return cls(call._replace(arrays={}), held, gt if isinstance(gt, Path) else None, is_held, beside)

    def strips(
        self, reports: Mapping[str, Report], pred: Any, gt: Any, limit: int, stimuli: Path | None
    ) -> tuple[Strip, ...]:
        """The pictures of the maps, read again from their files or from the arrays that are given again.

        Raises:
            UsageProblem: the maps are not those of the report, or cannot be read again.
        """
        if self.beside:
            msg = f"no pictures: {', '.join(self.beside)} stood beside the maps as arrays; give paths to evaluate"
            raise UsageProblem(msg)
        preds, truth = self._given_sides(pred, gt) if pred is not None else (dict(self.preds), self.gt)
        if list(preds) != list(self.preds):
            msg = f"pred has the models {', '.join(preds)}, and the leaderboard {', '.join(self.preds)}"
            raise UsageProblem(msg)
        from kldeval.analysis.pictures import strips_of

        settings, request = self.call.settings, self.call.request
        return strips_of(reports, preds, truth, settings, request, limit=limit, stimuli=stimuli)

    def _given_sides(self, pred: Any, gt: Any) -> tuple[dict[str, MapFolder | None], MapFolder | None]:
        if list(self.preds) == [""]:
            one, truth = self.call.sides(pred, gt)
            return {"": one}, truth
        if not hasattr(pred, "items"):
            msg = "pred of a leaderboard is a mapping of its models to their maps"
            raise UsageProblem(msg)
        sides = {str(name): self.call.sides(one, gt) for name, one in pred.items()}
        return {name: side[0] for name, side in sides.items()}, next((side[1] for side in sides.values()), None)


class Pictured(Saved, ABC):
    """A document whose HTML page has pictures of maps, where it knows its files or is given its arrays again."""

    __slots__ = ()

    def _from(self, origin: MapOrigin) -> Self:
        """The document, which knows where its maps are."""
        object.__setattr__(self, "_origin", origin)
        return self

    def _strips(self, pred: Any, gt: Any, limit: int, stimuli: Any) -> tuple[Strip, ...]:
        origin: MapOrigin | None = getattr(self, "_origin", None)
        if (pred is None) != (gt is None):
            msg = "pictures need both pred and gt"
            raise UsageProblem(msg)
        if not limit:
            return ()
        is_asked = pred is not None or stimuli is not None
        if origin is None or (not origin.is_held and pred is None):
            if not is_asked:
                return ()
            why = "was read from a file or made of an iterable" if origin is None else "was made of arrays"
            way = "evaluate the paths or arrays again" if origin is None else "give pred and gt again"
            msg = f"this document {why}, and does not know its maps; {way}"
            raise UsageProblem(msg)
        folder = None if stimuli is None else Path(stimuli)
        try:
            return origin.strips(self._models(), pred, gt, limit, folder)
        except KldevalError as problem:
            if is_asked:
                raise
            # above: save, what makes it speak Python, and the caller
            warnings.warn(
                in_python(f"no pictures: {problem}".replace("no pictures: no pictures", "no pictures")), stacklevel=4
            )
            return ()

    @abstractmethod
    def _models(self) -> Mapping[str, Report]:
        """The reports by model, a single one by the name ""."""
