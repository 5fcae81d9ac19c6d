"""What the ground truths of a run hold: the settings say it, or the first pair that can be read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kldeval.errors import MapProblem
from kldeval.inputs.load import load_pair
from kldeval.inputs.shown import shown
from kldeval.maps.chain import class_axis
from kldeval.scoring.class_maps import holds_labels
from kldeval.settings import as_labels

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kldeval.inputs.load import Reading
    from kldeval.records import MapPair, Pair
    from kldeval.settings import Settings


def decided(settings: Settings, pairs: Iterable[Pair], reading: Reading) -> Settings:
    """The settings for densities as they are, or made for labels if the first pair that can be read holds labels.

    A ground truth of integers with the prediction's shape, but for its class axis, holds labels.

    Raises:
        UsageProblem: it does, and the request has no meaning for labels.
    """
    axis = class_axis(settings.pred)
    if settings.undecided is None or not settings.names_class_axis or axis is None:
        return settings
    for pair in pairs:
        maps = _try_loading(pair, reading)
        if maps is not None:
            found = f"{shown(pair.gt)} holds labels ({maps.gt.dtype}, shape {tuple(maps.gt.shape)})"
            return as_labels(settings, found) if holds_labels(maps, axis) else settings
    return settings


def _try_loading(pair: Pair, reading: Reading) -> MapPair | None:
    try:
        return load_pair(pair, reading)
    except (MapProblem, MemoryError):
        return None  # its outcome will say why
