"""Every choice that moves a number, as one frozen record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from kldeval.dataclass import dataclass
from kldeval.grammar import Call
from kldeval.metrics.registry import METRICS
from kldeval.normalization.chain import Chain, axes_of
from kldeval.normalization.lazy_map import MAP
from kldeval.settings.labels import is_labels
from kldeval.templates import PARENT

NONE = Call("none")
"""Nothing of the kind stands beside the pairs."""

MAPS = Call("maps")
"""A map for each pair."""

AS_STORED = Call("read")
"""Fixations as their files have them."""


CHOICES: Mapping[str, tuple[str, ...]] = {
    "scale": ("unit", "raw"),
    "color": ("error", "luma", "mean", "first"),
    "empty_gt": ("error", "skip", "uniform", "zero", "nan"),
    "empty_pred": ("error", "keep", "uniform", "nan"),
    "base": ("e", "2", "10"),
    "reduction": ("slices", "sum", "mean", "batchmean", "none"),
    "maps": ("mean", "fixations", "groups", "pixels", "rows"),
    "dtype": ("float64", "float32"),
    "missing": ("error", "skip", "uniform"),
}
"""The settings that are one word out of a few; the first is the default."""


_NO_RESIZE = Call("none")


Texts = Mapping[str, "str | None"]
"""The settings as a user types them; None where the user said nothing."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Every choice that moves a number. Two runs with equal settings on equal files give equal numbers.

    `context` says which images a metric compares with (their number and a digest of their fixations), and `density` how
    the ground truths were made of fixations, where the files beside them say it. `nodata` is the value that marks
    pixels without data, with what a prediction counts as there (see `kldeval.settings.nodata`). `missing` says what
    becomes of a ground truth whose prediction is missing or cannot be read. `raw` is the side that is taken as stored
    where the other is on the scale `unit`. `masks` is "01" where maps of whole numbers that are 0 and 1 alone are
    masks on that scale already, as they are for metrics of which each pixel is a probability, and "pixels" where they
    are that for these metrics and not for others that the scale moves. `groups` says what the
    group of a map is where `maps` is "groups": where the headline is the mean over their means.
    The last three move none: `names_class_axis`, whether class maps may be read, because their axis was named;
    `takes_soft_labels`, whether a ground truth of the prediction's shape holds labels, because that was said; and
    `raw_texts`, the texts that say nothing of what the ground truths hold: the files tell densities from labels.
    """

    metrics: tuple[Call, ...]
    pred: Chain
    gt: Chain
    scale: str = "unit"
    resize: Call = _NO_RESIZE
    color: str = "error"
    empty_gt: str = "error"
    empty_pred: str = "error"
    base: str = "e"
    reduction: str = "slices"
    maps: str = "mean"
    dtype: str = "float64"
    baseline: Call = NONE
    context: str = ""
    density: str = ""
    fixations: Call = AS_STORED
    groups: str = PARENT
    mask: Call = NONE
    masks: str = ""
    missing: str = "error"
    nodata: str = ""
    other: Call = NONE
    raw: str = ""
    weights: Call = NONE
    names_class_axis: bool = field(default=False, compare=False)
    takes_soft_labels: bool = field(default=False, compare=False)
    raw_texts: Texts | None = field(default=None, compare=False, repr=False)

    @property
    def is_labels(self) -> bool:
        """Whether the ground truths hold labels."""
        return is_labels(self.gt)

    def on(self, *kinds: str) -> dict[str, Call]:
        """The metrics of these kinds, by their columns: density, pixels, maps, fixations, or forecasts.

        Forecasts are metrics of pixels that are no means of terms, but made of sums within bins.
        """
        if self.is_labels:
            return {}
        found = zip(self.keys, self.metrics, strict=True)
        return {key: call for key, call in found if _kind(call) in kinds}

    @property
    def keys(self) -> tuple[str, ...]:
        """The column of each metric: its bare name, or its full text where one run holds the same metric twice."""
        names = [call.name for call in self.metrics]
        clear = len(set(names)) == len(names)
        return tuple(call.name if clear or names.count(call.name) == 1 else str(call) for call in self.metrics)

    @property
    def axes(self) -> tuple[int, ...]:
        """The axes of the distributions that both chains make."""
        return axes_of(self.gt) or axes_of(self.pred) or MAP


def _kind(call: Call) -> str:
    info = METRICS[call.name].info
    return "forecasts" if info.statistics is not None else info.on
