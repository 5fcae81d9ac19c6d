"""Which neighbouring pairs may be measured together: those of one kind, and of sizes that differ little.

Maps of several sizes stand in the corners of common ones, and the pixels around them weigh nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING, Any

from kldeval.engine.class_maps import is_plain
from kldeval.maps.steps import STEPS
from kldeval.records import Failure

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from kldeval.names import Call
    from kldeval.records import MapPair
    from kldeval.settings import Settings

BATCH_BYTES = 1 << 28
"""Bytes of decoded maps in a batch, by default."""

MOST_PADDING = 1.5
"""Pixels of a padded batch per pixel of its maps, at most: the others are computed in vain."""


@dataclass(frozen=True, slots=True)
class Extent:
    """What pairs take side by side: their number, the size common to all, and the pixels that they have themselves."""

    count: int
    height: int
    width: int
    pixels: int

    def __add__(self, other: Extent) -> Extent:
        """What the pairs of both take."""
        return Extent(
            self.count + other.count,
            max(self.height, other.height),
            max(self.width, other.width),
            self.pixels + other.pixels,
        )

    @property
    def padded(self) -> int:
        """The pixels of all maps at the common size."""
        return self.count * self.height * self.width


def batches(
    loaded: Iterable[MapPair | Failure], batch_bytes: int, *, ragged: bool = False
) -> Iterator[list[MapPair | Failure]]:
    """Neighbours of one kind, at most `batch_bytes` together (and at least one); failures apart.

    They have one shape, or, if the batches may be `ragged`, shapes that padding makes one at little cost.
    """
    for _, alike in groupby(loaded, key=partial(_kind, ragged=ragged)):
        batch: list[MapPair | Failure] = []
        taken = Extent(0, 0, 0, 0)
        for item in alike:
            together = taken + _extent(item)
            if batch and not _is_good(together, _pixel_bytes(item), batch_bytes):
                yield batch
                batch, together = [], _extent(item)
            batch.append(item)
            taken = together
        yield batch


def may_be_ragged(settings: Settings) -> bool:
    """Whether pixels of weight 0 around a map leave its numbers as they are.

    Steps that look at a pixel's place (blur, latitude) would see another map, and `batchmean` divides metrics of
    pixels by one height for the whole batch. A row of nothing but padding would be an empty one to `sum-to-one` within
    rows.
    """
    calls = (*settings.pred, *settings.gt)
    return not settings.is_labels and settings.reduction != "batchmean" and not any(map(_sees_padding, calls))


def _sees_padding(call: Call) -> bool:
    step = STEPS[call.name]
    if not step.info.final:
        return bool(step.info.spatial)
    return call.name == "sum-to-one" and call.keywords.get("axis") is not None


def _is_good(together: Extent, pixel_bytes: float, batch_bytes: int) -> bool:
    return together.padded * pixel_bytes <= batch_bytes and together.padded <= MOST_PADDING * together.pixels


def _kind(item: MapPair | Failure, *, ragged: bool) -> Any:
    if isinstance(item, Failure):
        return None
    kinds = [None if array is None else str(array.dtype) for array in (item.pred, item.gt, item.weights)]
    shape = None if ragged and is_plain(item) else (item.shape, item.pred.shape)
    return shape, *kinds, item.pred_scale, item.gt_scale


def _extent(item: MapPair | Failure) -> Extent:
    """One pair's; the classes of class maps stand beside each other, and a failure takes nothing."""
    if isinstance(item, Failure):
        return Extent(1, 0, 0, 0)
    height, width = item.pred.shape if is_plain(item) else (1, item.pred.size)
    return Extent(1, height, width, height * width)


def _pixel_bytes(item: MapPair | Failure) -> float:
    if isinstance(item, Failure):
        return 0
    return float((item.pred.nbytes + item.gt.nbytes) / max(1, item.pred.size))
