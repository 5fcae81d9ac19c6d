"""Settings compiled once, before the first map is read, into what is asked of every pair.

A `Plan` holds functions with their constants bound, so that scoring a pair asks no registry and parses no text. It is
frozen and can be pickled: a worker needs nothing else.
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from kldeval.arrays import namespace
from kldeval.data.causes import Examination
from kldeval.dataclass import dataclass
from kldeval.metrics.folded import folded_uncovered_mass, folded_uncovered_pixels
from kldeval.metrics.registry import METRICS
from kldeval.metrics.separable import separated_uncovered_mass, separated_uncovered_pixels
from kldeval.normalization.chain import class_axis, compile_chain, format_chain, parse_chain
from kldeval.normalization.lazy_map import MAP, over_map
from kldeval.normalization.steps import STEPS, one_axis
from kldeval.records import OF_PIXELS, Role
from kldeval.scoring.diagnostics import Diagnostics
from kldeval.settings.auxiliary import STORED, chains_for
from kldeval.settings.metric_options import AS_STORED, SIGMOIDS, gt_chain, is_of_pixels, pred_chain

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kldeval.arrays import Array
    from kldeval.grammar import Call
    from kldeval.metrics.folded import Folds
    from kldeval.metrics.registry import MetricInfo
    from kldeval.metrics.separable import Part, Shared
    from kldeval.normalization.chain import Chain, CompiledChain
    from kldeval.normalization.density import Density
    from kldeval.normalization.lazy_map import Share
    from kldeval.settings.settings import Settings


ROLES: tuple[Role, ...] = ("pred", "gt")
"""The sides of a pair."""

Dependence = Literal["value", "rows", "columns", "place"]
"""What a chain asks of a pixel beside the statistics of the map: its value, its row, its column, or its place."""

Form = Literal["density", "probability", "logit", "target"]
"""What a chain's end is handed on as: a density over pixels, or one probability, logit or target for each pixel."""

OF_ONE_PIXEL: frozenset[Form] = frozenset(("probability", "logit", "target"))
"""The forms of metrics of which each pixel is a probability."""

StartKey = tuple[Role, str, bool, str, str]
"""What a pipeline starts from: the side, its scale, whether masks are on it already, the dtype, and what is empty."""


@dataclass(frozen=True, slots=True, eq=False)
class Pipeline:
    """How one side of a pair is normalised, and what becomes of a map that has nothing to divide by (`empty`).

    `takes_masks`: a side of 0 and 1 alone as whole numbers is not divided by its full scale.

    `key` and `start_key` tell pipelines, and what they start from, from others; `shown` is the chain that a
    refusal quotes, and `run` the chain as functions.
    """

    role: Role
    chain: Chain
    scale: str
    takes_masks: bool
    dtype: str
    empty: str
    form: Form
    dependence: Dependence
    shown: Chain
    run: CompiledChain
    key: str
    start_key: StartKey

    @classmethod
    def of(cls, role: Role, chain: Chain, settings: Settings, form: Form = "density", shown: Chain = ()) -> Pipeline:
        """The pipeline of a side under a chain, on the scale and in the dtype of the settings."""
        empty = settings.empty_pred if role == "pred" else settings.empty_gt
        # a ground truth that is skipped or scored 0 is told apart afterwards
        empty = {"zero": "keep", "skip": "error"}.get(empty, empty)
        takes_masks = settings.masks == OF_PIXELS and form in OF_ONE_PIXEL
        start_key = role, settings.scale, takes_masks, settings.dtype, empty
        key = "|".join((*map(str, start_key), form, format_chain(chain)))
        needed = dependence(chain)
        return cls(
            role,
            chain,
            settings.scale,
            takes_masks,
            settings.dtype,
            empty,
            form,
            needed,
            shown or chain,
            compile_chain(chain),
            key,
            start_key,
        )


@dataclass(frozen=True, slots=True)
class MapSize:
    """How large a map is, as reductions count it: its pixels, the rows that have one, and its distributions.

    Numbers of one map, or arrays of one number for each map of a batch. A mask makes a map smaller.
    """

    n_pixels: Any
    n_rows: Any
    n_distributions: Any = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Quantity:
    """One number of a pair: the sum of `terms` over its pixels, divided as the reduction and the base say.

    `what` tells terms of one kind from those of another; quantities that agree in it and in both pipelines share a sum.
    `separable` and `folded` give the same sum in products and over values that were not divided yet, where the metric
    has them (`metrics.separable`, `metrics.folded`), and `final` is a metric that is a function of the sum within a
    distribution. `dependence` is what both chains ask of a pixel, `sum_axes` what is summed over before `final`.
    `counts_pixels`: a pixel adds 1, whatever weight a user gave it.
    """

    name: str
    settings: Settings
    pred: Pipeline
    gt: Pipeline
    what: str
    terms: Callable[[Any, Any], Array]
    dependence: Dependence
    axes: tuple[int, ...]
    reduction: str
    unit: float = 1.0
    separable: Callable[[Density, Density], Sequence[Part | Shared] | None] | None = None
    folded: Callable[[Share, Share], Folds | None] | None = None
    final: Callable[[Any], Any] | None = None
    zero_if_empty: bool = False
    counts_pixels: bool = False
    is_blind: bool = False

    @property
    def sum_axes(self) -> tuple[int, ...]:
        """The axes that are summed over before anything is made of the sums."""
        return self.axes if self.final else MAP

    def finish(self, sums: Any, size: MapSize) -> Any:
        """The number, from a sum over the map; of a `final` metric from the array of sums within its distributions."""
        if self.final:
            sums = over_map(namespace(sums).sum, self.final(sums))
        value = sums if self.unit == 1 else sums / self.unit
        if self.reduction in ("sum", "none") or (self.reduction == "slices" and self.axes == MAP):
            return value
        count = {"slices": size.n_distributions, "mean": size.n_pixels}.get(self.reduction, size.n_rows)
        if hasattr(count, "dtype") and hasattr(value, "dtype"):
            # a count of more bits would make a number of more bits than the signature says
            count = namespace(value).asarray(count, dtype=value.dtype)
        return value / count


def quantity_of(name: str, settings: Settings) -> Quantity:
    """The only metric of the settings as a quantity of this name."""
    (call,) = settings.metrics
    return _quantity(name, call, settings, settings)


_FORMS: dict[Role, Form] = {"pred": "probability", "gt": "target"}
"""As what metrics of pixels take the end of a chain."""

BASELINE_NORM = "sum-to-one"
"""The chain of a baseline's map, where none is said."""

UNCOVERED = ("n_uncovered", "uncovered_mass")
"""The pixels with ground-truth mass where the prediction is exactly 0, and that mass."""


def uncovered_quantities(settings: Settings, shown: Settings | None = None) -> tuple[Quantity, ...]:
    """The number of pixels with ground-truth mass where the prediction is exactly 0, and that mass."""
    kinds = {
        "n_uncovered": (_uncovered_pixels, separated_uncovered_pixels, folded_uncovered_pixels, "sum"),
        "uncovered_mass": (_uncovered_mass, separated_uncovered_mass, folded_uncovered_mass, "slices"),
    }
    is_exact = settings.dtype == "float64"
    return tuple(
        replace(
            _density_quantity(name, "entropy-gt", settings, shown or settings),
            terms=terms,
            separable=separable if is_exact else None,
            folded=folded if is_exact else None,
            what=name,
            unit=1.0,
            reduction=reduction,
            zero_if_empty=False,
            # weights that a user names say what a pixel is worth; any others say how many pixels there are
            counts_pixels=name == "n_uncovered" and settings.weights.name != "none",
        )
        for name, (terms, separable, folded, reduction) in kinds.items()
    )


@dataclass(frozen=True, slots=True, eq=False)
class AuxiliaryMetric:
    """A metric of maps or of fixations, by its key: its function, and what it makes of each map, constants bound.

    `pred` and `gt` are the pipelines at whose ends it takes the maps, None where it takes them as they are stored;
    `prepared_key` tells what it makes of a map from what others make, and `unit` is how many nats its unit has.
    """

    key: str
    call: Call
    info: MetricInfo
    function: Callable[..., Any]
    prepare: Callable[..., Any] | None
    prepared_key: tuple[object, ...]
    is_unit_scale: bool
    unit: float
    pred: Pipeline | None = None
    gt: Pipeline | None = None

    @classmethod
    def of(cls, key: str, call: Call, settings: Settings) -> AuxiliaryMetric:
        """The metric that a call names; its numbers are float64 whatever the densities are computed in."""
        entry = METRICS[call.name]
        info, given = entry.info, call.keywords
        exact = replace(settings, dtype="float64")
        # which maps it takes is no question of what it makes of them
        own = {name: value for name, value in given.items() if name != "of"}
        pred, gt = (
            # the density of a likelihood is the plan's own
            None
            if chain == STORED or "density" in info.requires
            else Pipeline.of(role, chain, exact, _FORMS[role] if info.on == "pixels" else "density")
            for role, chain in zip(ROLES, chains_for(settings, call), strict=True)
        )
        return cls(
            key,
            call,
            info,
            partial(entry.function, **given) if given else entry.function,
            partial(info.prepare, **own) if info.prepare and own else info.prepare,
            (info.prepare, info.scaled, tuple(own.items())),
            settings.scale == "unit",
            _unit(settings, info.unit),
            pred,
            gt,
        )

    def side(self, role: Role) -> Pipeline | None:
        """The pipeline of a side."""
        return self.pred if role == "pred" else self.gt


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """What is asked of every pair, worked out once from the settings.

    `quantities` are sums over pixels (densities and pixel metrics; `pixel_keys` are the latter), with the `uncovered`
    ones where there are any; the other metrics are those of maps and of fixations. `density` is the prediction's
    pipeline in float64, and `baseline` the chain of a baseline's map.
    """

    settings: Settings
    keys: tuple[str, ...]
    quantities: tuple[Quantity, ...]
    uncovered: tuple[Quantity, ...]
    of_maps: tuple[AuxiliaryMetric, ...]
    of_fixations: tuple[AuxiliaryMetric, ...]
    pixel_keys: frozenset[str]
    density: Pipeline
    baseline: Chain
    is_labels: bool
    examination: Examination
    diagnostics: Diagnostics
    per_class: bool = False

    @classmethod
    def of(cls, settings: Settings, *, per_class: bool = False, shown: Settings | None = None) -> Plan:
        """The plan of a run's settings; `per_class`: labels are also scored class by class.

        `shown` are the settings that refusals quote, where the maps were turned to suit others.
        """
        calls = () if settings.is_labels else tuple(zip(settings.keys, settings.metrics, strict=True))
        return _plan(settings, calls, shown or settings, per_class=per_class)

    @property
    def has_densities(self) -> bool:
        """Whether a metric asks for the density of a map: those of pixels do not, whatever they leave uncovered."""
        return len(self.pixel_keys) < len(self.quantities)

    @property
    def asked(self) -> tuple[Quantity, ...]:
        """Every quantity of a pair, the uncovered ones last."""
        return (*self.quantities, *self.uncovered)


def dependence(chain: Chain) -> Dependence:
    """What the chain asks of a pixel."""
    return joint_dependence(*map(_dependence_of_step, chain))


def joint_dependence(*found: Dependence) -> Dependence:
    """What several chains ask of a pixel together.

    >>> joint_dependence("value", "rows"), joint_dependence("rows", "columns")
    ('rows', 'place')
    """
    some = set(found) - {"value"}
    return some.pop() if len(some) == 1 else "place" if some else "value"


def _dependence_of_step(call: Call) -> Dependence:
    entry = STEPS[call.name]
    axis = call.keywords.get("axis", entry.defaults.get("axis"))
    if axis is not None:
        # class maps have axes that a map of height and width lacks
        return "place" if axis not in range(-2, 2) else "rows" if one_axis(axis) == (-1,) else "columns"
    return entry.info.spatial or "value"


def divisor(settings: Settings, shape: tuple[int, ...]) -> float:
    """What the reduction and the base of a divergence divide the sum of the terms of a map of this shape by.

    Along an axis of a volume each of its positions has a distribution.
    """
    size, axis = math.prod(shape), class_axis(settings.pred)
    if len(shape) > len(MAP):
        slices = 1 if axis is None else size // shape[axis]
    else:
        slices = {MAP: 1, (-1,): shape[0], (-2,): shape[1]}[settings.axes]
    counts = {"slices": slices, "sum": 1, "mean": size, "batchmean": shape[0]}
    return counts[settings.reduction] * _unit(settings, "nats")


def _plan(settings: Settings, calls: Sequence[tuple[str, Call]], shown: Settings, *, per_class: bool) -> Plan:
    on: dict[str, list[tuple[str, Call]]] = {"density": [], "pixels": [], "maps": [], "fixations": []}
    for key, call in calls:
        info = METRICS[call.name].info
        on["maps" if info.statistics is not None else info.on].append((key, call))
    quantities = tuple(_quantity(key, call, settings, shown) for key, call in (*on["density"], *on["pixels"]))
    # of a prediction that no metric looks at nothing is told
    uncovered = uncovered_quantities(settings, shown) if quantities and settings.pred != STORED else ()
    return Plan(
        settings,
        settings.keys,
        quantities,
        uncovered,
        tuple(AuxiliaryMetric.of(key, call, settings) for key, call in on["maps"]),
        tuple(AuxiliaryMetric.of(key, call, settings) for key, call in on["fixations"]),
        frozenset(key for key, _ in on["pixels"]),
        Pipeline.of("pred", settings.pred, replace(settings, dtype="float64")),
        parse_chain(settings.baseline.keywords.get("norm", BASELINE_NORM)),
        settings.is_labels,
        Examination.of(settings),
        Diagnostics.of(settings),
        per_class,
    )


def _quantity(key: str, call: Call, settings: Settings, shown: Settings) -> Quantity:
    make = _pixel_quantity if is_of_pixels(call) else _density_quantity
    return make(key, call, settings, shown)


def _density_quantity(key: str, call: Call | str, settings: Settings, shown: Settings) -> Quantity:
    pred = Pipeline.of("pred", settings.pred, settings, shown=shown.pred)
    gt = Pipeline.of("gt", settings.gt, settings, shown=shown.gt)
    name, given = (call, {}) if isinstance(call, str) else (call.name, call.keywords)
    entry = METRICS[name]
    blind = not isinstance(call, str) and chains_for(settings, call)[0] == STORED and settings.gt != STORED
    # a sum in products takes float64, in which the counts are, and folded constants its range
    separable, folded = (entry.info.separable, entry.info.folded) if settings.dtype == "float64" else (None, None)
    return Quantity(
        key,
        settings,
        pred,
        gt,
        str(call),
        partial(entry.function, **given) if given else entry.function,
        gt.dependence if blind else joint_dependence(pred.dependence, gt.dependence),
        settings.axes,
        settings.reduction,
        _unit(settings, entry.info.unit),
        partial(separable, **given) if separable and given else separable,
        None if blind else partial(folded, **given) if folded and given else folded,
        entry.info.from_sum,
        zero_if_empty=settings.empty_gt == "zero",
        is_blind=blind,
    )


def _pixel_quantity(key: str, call: Call, settings: Settings, shown: Settings) -> Quantity:
    """A metric of which each pixel is its own distribution: `slices` is the mean over the pixels."""
    entry, chain = METRICS[call.name], pred_chain(settings.pred)
    is_logit = chain[-1].name in SIGMOIDS
    pred = Pipeline.of(
        "pred",
        (chain[:-1] or AS_STORED) if is_logit else chain,
        settings,
        "logit" if is_logit else "probability",
        shown.pred,
    )
    gt = Pipeline.of("gt", gt_chain(settings.gt), settings, "target", shown.gt)
    return Quantity(
        key,
        settings,
        pred,
        gt,
        str(call),
        partial(entry.function, **call.keywords),
        joint_dependence(pred.dependence, gt.dependence),
        MAP,
        "mean" if settings.reduction == "slices" else settings.reduction,
        _unit(settings, entry.info.unit),
    )


def _unit(settings: Settings, unit: str) -> float:
    """How many nats the base of the settings makes 1."""
    return math.log(int(settings.base)) if unit == "nats" and settings.base != "e" else 1.0


def _uncovered_pixels(pred: Density, gt: Density) -> Array:
    xp, mass = gt.xp, gt.prob
    if not pred.has_zeros:
        return xp.zeros_like(mass[..., :1, :1])
    return xp.astype((mass > 0) & pred.is_zero, mass.dtype)


def _uncovered_mass(pred: Density, gt: Density) -> Array:
    xp, mass = gt.xp, gt.prob
    if not pred.has_zeros:
        return xp.zeros_like(mass[..., :1, :1])
    return xp.where((mass > 0) & pred.is_zero, mass, xp.zeros_like(mass))
