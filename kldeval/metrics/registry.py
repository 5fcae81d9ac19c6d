"""The registry that every metric adds itself to, and the record of what is known of a metric."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from kldeval.dataclass import dataclass
from kldeval.grammar import Info, Registry

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from kldeval.arrays import Array
    from kldeval.metrics.class_losses import LabelTerms
    from kldeval.metrics.folded import Folds
    from kldeval.metrics.separable import Part, Shared


Kind = Literal["density", "maps", "fixations", "pixels", "labels"]
"""What a metric is a function of.

density: two densities; the metric returns the pointwise terms, whose weighted sum within a distribution is its value.
maps: two stored maps and the weights of their pixels.
fixations: a map as the metric views it, with its fixations, and what it `requires` beside them.
pixels: two maps of which each pixel is a distribution of its own; the metric returns the pointwise terms.
labels: a class map and labels.
"""

View = Literal["pixels", "ranks", "steps"]
"""What a metric of fixations asks of a map: its values, their order, or which tenth of its range they have reached."""

Requirement = Literal["density", "baseline", "other", "others", "images"]
"""What a metric of fixations takes beside them: the predicted density, a baseline, another map's fixations, those on
all other images, or the number of other images on which each pixel was fixated."""

OF_OTHER_IMAGES = frozenset({"others", "images"})
"""The requirements that only the fixations on all other images meet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricInfo(Info):
    """What is known of a metric beside its function, whose parameters and docstring say the rest.

    Args:
        unit: what a value is counted in: nats (which `--base` changes), bits, or nothing.
        best: whether low or high values are good, or neither.
        on: what the metric is a function of.
        symmetric: whether prediction and ground truth may be exchanged.
        blind_to: of a density metric, the side that cannot move it.
        version: the version of the definition, the signature's `v`; 2 once a number has moved.
        function: the name of its library function, where that is not the metric's name.
        separable: of a density metric, the same sum by what levels have in common (`kldeval.metrics.separable`).
        folded: of a density metric, the same sum over values that were not divided yet (`kldeval.metrics.folded`).
        from_sum: of a density metric, the value of a distribution as a function of the sum of its terms.
        prepare: of a metric of maps, what is made of each map by itself, (xp, values, weights, **parameters).
        combine: of a metric of maps, the value of two prepared maps, (xp, pred, gt, weights). A metric without it, such
            as `emd`, asks where pixels stand, and not only which values meet.
        of_levels: of such a metric, the same of maps of few levels, (joint, pred, gt, **parameters); None where the
            levels do not allow it (`kldeval.metrics.joint_levels`).
        in_space: of a metric of maps that asks where pixels stand, the same of any number of axes of space, laid out
            as (..., H, W): (pred, gt, weights, shape of space, **parameters).
        cell: of a metric that reduces maps to cells, the parameter that says how many pixels of a side are one.
        scaled: whether a metric of maps is in the units of the maps, on the scale of the run.
        nonnegative: of a metric of maps that refuses negative values: "always", or the parameter that lifts it.
        view: of a metric of fixations, what it asks of the map.
        requires: of a metric of fixations, what it takes beside the map and its fixations.
        takes: of a metric of labels, what its library function takes of the prediction; the program has logarithms.
        takes_infinities: whether a metric of fixations is defined for infinite values.
        statistics: sums over a map from which the value follows, where a mean over several maps is not that of values.
        forecasts: of a metric whose bins hold equal numbers of forecasts, these probabilities.
        finalize: the value from such sums, added up over maps; None: the first divided by the second.
    """

    unit: Literal["", "nats", "bits"]
    best: Literal["", "low", "high"]
    on: Kind = "density"
    symmetric: bool = False
    version: int = 1
    function: str = ""
    blind_to: tuple[Literal["pred", "gt"], ...] = ()
    separable: Callable[..., tuple[Part | Shared, ...] | None] | None = None
    folded: Callable[..., Folds | None] | None = None
    from_sum: Callable[[Array], Array] | None = None
    prepare: Callable[..., Array] | None = None
    combine: Callable[..., Array] | None = None
    of_levels: Callable[..., float | None] | None = None
    in_space: Callable[..., Array] | None = None
    cell: str = ""
    scaled: bool = False
    nonnegative: str = ""
    view: View = "pixels"
    requires: tuple[Requirement, ...] = ()
    takes: Literal["log-probabilities", "logits", "scores"] = "log-probabilities"
    takes_infinities: bool = False
    statistics: Callable[..., tuple[float, ...]] | None = None
    forecasts: Callable[..., Array] | None = None
    finalize: Callable[[Sequence[float]], float] | None = None


METRICS: Registry[Callable[..., Any], MetricInfo] = Registry("metric", MetricInfo, package="kldeval.metrics")
"""Every metric but those of labels, by the name that a user types."""


def is_on_scale(info: MetricInfo, parameters: Mapping[str, object]) -> bool:
    """Whether a metric of stored maps takes them on the scale of the run: by its unit, or for its rounding."""
    return info.scaled or parameters.get("ties") == "float"


def cell_side(name: str, parameters: Mapping[str, Any]) -> int:
    """How many pixels of a side a metric takes for one cell, within which it tells no maps apart; 0: it has none."""
    info = METRICS[name].info
    return int({**METRICS[name].defaults, **parameters}[info.cell]) if info.cell else 0


LABEL_METRICS: Registry[Callable[..., LabelTerms], MetricInfo] = Registry(
    "metric of labels", MetricInfo, package="kldeval.metrics"
)
"""Every metric of labels: `ce` is in both, and the ground truth decides which of them it is."""

Of = Literal["stored", "norm"] | None
"""Of which values a metric of stored maps is: as they are stored, or at the end of the run's chains; not said: as
stored, but of a side that is declared a log density its probabilities (or for ranks its logarithms)."""

EPSILONS = ("log_eps", "ratio_eps")
"""The parameters that `--eps` and the default constants set, in those metrics that have them."""


def with_epsilon(name: str, eps: float) -> dict[str, float]:
    """The arguments that give metric `name` one epsilon wherever it takes any."""
    return {key: eps for key in EPSILONS if key in METRICS[name].types}
