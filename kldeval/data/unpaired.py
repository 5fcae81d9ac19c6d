"""The maps of two sides that make no pair, each a failure with its reason and the way out."""

from __future__ import annotations

import heapq
from array import array
from itertools import accumulate
from typing import TYPE_CHECKING

from kldeval.data.listing import name_of, normal
from kldeval.data.names import FilesByName
from kldeval.errors import printable
from kldeval.records import Failure
from kldeval.sequences import Lazy, in_sorted_runs, packed_pairs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kldeval.data.names import MapSide

OTHER, MISSING, EXTRA = range(3)
"""What a failure is of: a name of several files or a link to nothing, a ground truth, a prediction."""


def unpaired(pred: MapSide, gt: MapSide, missing: Sequence[int] = (), extra: Sequence[int] = ()) -> Sequence[Failure]:
    """The failures of maps that make no pair, in the order of their names, each made when it is asked for.

    `missing` are the places of ground truths without a prediction, `extra` of predictions without a ground truth.
    """
    ambiguous = pred.files.several.keys() | gt.files.several.keys()
    others = [Failure(name, "pair", _ambiguous(name, pred, gt), "ambiguous-name") for name in ambiguous]
    others += [_leads_nowhere(side, link) for side in (pred, gt) for link in side.dangling]
    others.sort(key=lambda failure: (failure.name, failure.message))
    alone = {
        MISSING: _WithoutPartner(gt, pred, "--allow-missing"),
        EXTRA: _WithoutPartner(pred, gt, "--allow-extra"),
    }
    kinds, places = array("B"), array("I")
    for _, kind, place in heapq.merge(
        ((failure.name, OTHER, number) for number, failure in enumerate(others)),
        ((gt.files.names[place], MISSING, place) for place in missing),
        ((pred.files.names[place], EXTRA, place) for place in extra),
    ):
        kinds.append(kind)
        places.append(place)

    def made(number: int) -> Failure:
        kind, place = kinds[number], places[number]
        return others[place] if kind == OTHER else alone[kind].failure(place)

    return Lazy(range(len(kinds)), made)


class _WithoutPartner:
    """The maps of a side that have no partner on the other; what stands there in its place is looked up by name."""

    def __init__(self, found: MapSide, lacking: MapSide, way_out: str) -> None:
        self._found = found
        self._lacking = lacking
        self._way_out = way_out
        self._dangling = frozenset(lacking.dangling)
        self._strangers: FilesByName | None = None

    def failure(self, place: int) -> Failure:
        """The failure of the name at a place."""
        found, lacking = self._found, self._lacking
        name = found.files.names[place]
        message = (
            f"the {found.what} {printable(found.path_at(place, name))} has no {lacking.what}: "
            f"no map of this name in {printable(lacking.folder)}{self._counterpart(name)}; "
            f"{self._way_out} leaves such maps out"
        )
        return Failure(name, "pair", message, "no-partner")

    def _counterpart(self, name: str) -> str:
        """What the other side has in place of a map of the name."""
        stranger = self._strangers_by_name().get(name)
        if stranger:
            return f" but {printable(stranger[0])}, of a kind that is not read"
        folders = accumulate(name.split("/"), lambda path, part: f"{path}/{part}") if self._dangling else ()
        link = next((folder for folder in folders if folder in self._dangling), None)
        return f" but {printable(link)}, a link to what does not exist" if link else ""

    def _strangers_by_name(self) -> FilesByName:
        if self._strangers is None:
            rows = ((name_of(path), path) for path in self._lacking.unread)
            self._strangers = FilesByName(in_sorted_runs(rows, packed_pairs))
        return self._strangers


def _ambiguous(name: str, pred: MapSide, gt: MapSide) -> str:
    several = [
        f"{len(side.files[name])} files of the {side.what}s in {printable(side.folder)} bear this name "
        f"({', '.join(map(printable, side.files[name]))})"
        for side in (pred, gt)
        if len(side.files.get(name, ())) > 1
    ]
    return f"{'; '.join(several)}; keep one"


def _leads_nowhere(side: MapSide, link: str) -> Failure:
    path = side.folder / link
    message = (
        f"among the {side.what}s, {printable(path)} is a link to {printable(path.readlink())}, which does not exist"
    )
    return Failure(normal(link), "pair", message, "dangling-link")
