"""What the evaluator asks of pairs of maps, whichever way it looks at them, and the sums over their pixels.

Two 8-bit maps have few values: what acts on the whole map is worked out on 256 levels and on the cells of the joint
histogram (`scoring.histogram`), and what acts within rows or columns is a number per level times a number per line
(`scoring.row_lookup`). All other maps are walked through in blocks of rows (`scoring.pixels`). The steps and the
metrics are the same each time, and so is the number.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import isnan
from typing import TYPE_CHECKING, Any, Protocol

from kldeval.arrays import namespace
from kldeval.dataclass import dataclass
from kldeval.errors import KldevalError
from kldeval.normalization.lazy_map import MAP, LazyMap, combine_blocks, over_map
from kldeval.scoring.diagnostics import PROBLEMS, ValueRange

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from kldeval.arrays import AnyArray as Array
    from kldeval.normalization.lazy_map import Problem, Share
    from kldeval.records import MapPair, Role
    from kldeval.scoring.plan import MapSize, Pipeline, Quantity, StartKey


Where = Any
"""Some pixels, in the way in which the sides of a view are asked for them."""

PLAIN_AXES = 2
"""Height and width."""


def is_plain(pair: MapPair) -> bool:
    """Whether both maps have height and width alone."""
    return bool(pair.pred.ndim == pair.gt.ndim == PLAIN_AXES)


@dataclass(frozen=True, slots=True)
class SideProblem:
    """What stands against a normalised side: its role, the kind (see `PROBLEMS`) and the smallest offending value."""

    role: Role
    kind: str
    detail: float


Answer = float | SideProblem
"""A number, or what stands against it."""

Problems = Sequence[SideProblem | None]
"""The worst of each pair; of no length where nothing stands against any."""


class NormalizedSide(Protocol):
    """One side of the pairs of a view after its pipeline."""

    @property
    def problems(self) -> Problems:
        """What stands against using it, pair by pair, as far as that is known without waiting for an accelerator."""

    @property
    def flags(self) -> Sequence[Problem]:
        """What stands against using the side, as arrays, where only an accelerator knows."""

    @property
    def share(self) -> Share | None:
        """What the last step divided, where the side is such a quotient, pixel by pixel."""

    def at(self, where: Where) -> Any:
        """Some pixels: a density, or what the form of the pipeline says."""


class PairView(Protocol):
    """Pairs of maps as something to normalise and something to sum over, in `n_parts` parts.

    A part is one pair, or a whole batch on an accelerator, whose sums are arrays of a number for each pair.
    """

    @property
    def pairs(self) -> Sequence[MapPair]:
        """The pairs, in order."""

    @property
    def n_parts(self) -> int:
        """The number of parts."""

    @property
    def is_numpy(self) -> bool:
        """Whether what is computed is known at once; if not, there is one part."""

    def start(self, pipeline: Pipeline) -> LazyMap:
        """One side before its chain, on the scale of the pipeline."""

    def normalised(self, pipeline: Pipeline) -> NormalizedSide:
        """One side after its chain: the same object for pipelines that give the same numbers."""

    def size(self, place: int, axes: tuple[int, ...]) -> MapSize:
        """How large the maps of a part are; `axes` are those of a distribution."""

    def known_sums(self, place: int, requests: Sequence[SumRequest]) -> list[Any]:
        """The sum of each request over a part where it takes no walk over its pixels, else None."""

    def blocks(self, place: int) -> Iterator[tuple[Where, Array | None]]:
        """Some pixels of a part after others, until all were there, and how often each counts (None: once)."""

    def total(self, quantity: Quantity, terms: Array, weights: Array | None) -> Array:
        """The sum of the terms of a block over the axes of the quantity, which keep their places."""


@dataclass(frozen=True, slots=True)
class PairSides:
    """The arrays of both sides with the weights of their elements, and what pipelines start from."""

    arrays: Mapping[Role, tuple[Array, Array | None]]
    full_scales: Mapping[Role, float | None]
    masks: tuple[Role, ...]
    started: dict[StartKey, LazyMap]

    @classmethod
    def of(cls, pair: MapPair, pred: tuple[Array, Array | None], gt: tuple[Array, Array | None]) -> PairSides:
        """Arrays that stand for the maps of a pair, or of a batch of pairs of its kind."""
        return cls({"pred": pred, "gt": gt}, {"pred": pair.pred_scale, "gt": pair.gt_scale}, pair.masks, {})

    def start(self, pipeline: Pipeline) -> LazyMap:
        """The values of a side before its chain, once for each scale and policy: their extremes are kept with them."""
        found = self.started.get(pipeline.start_key)
        if found is None:
            array, weights = self.arrays[pipeline.role]
            is_mask = pipeline.takes_masks and pipeline.role in self.masks
            full = None if is_mask else self.full_scales[pipeline.role]
            found = scaled(array, full, pipeline.scale, pipeline.dtype, weights=weights, empty=pipeline.empty)
            self.started[pipeline.start_key] = found
        return found


def scaled(
    array: Array,
    full_scale: float | None,
    scale: str = "unit",
    dtype: str = "float64",
    *,
    weights: Array | None = None,
    empty: str = "error",
) -> LazyMap:
    """Maps as floats on a scale, before any step.

    `full_scale` is the value that the scale `unit` makes 1; `empty` is what a division by zero means.
    """
    xp = namespace(array)
    kind = getattr(xp, dtype)
    # a weight of more bits would compute the sums in its own dtype, not in that of the signature
    weights = None if weights is None else xp.astype(weights, kind, copy=False)
    values = LazyMap(array, kind, weights, {"zero": "keep", "skip": "error"}.get(empty, empty))
    full = full_scale if scale == "unit" else None
    if full is None or full == 1:
        return values
    quotient = (values, full) if xp.__name__ == "numpy" else None
    return values.map(lambda x: x / full, quotient=quotient)


class SumRequest:
    """A quantity and the sides that it is a sum over; requests of one `kind` have one sum."""

    __slots__ = ("gt", "kind", "pred", "quantity")

    def __init__(self, quantity: Quantity, pred: NormalizedSide, gt: NormalizedSide) -> None:
        self.quantity = quantity
        self.pred = pred
        self.gt = gt
        self.kind = id(pred), id(gt), quantity.what, quantity.sum_axes

    def problem(self, place: int) -> SideProblem | None:
        """What stands against the number of a pair: the ground truth's before the prediction's."""
        if self.gt.problems and self.gt.problems[place]:
            return self.gt.problems[place]
        if self.quantity.is_blind:
            return None
        return self.pred.problems[place] if self.pred.problems else None


def sums_over(view: PairView, part: int, requests: Iterable[SumRequest]) -> dict[object, Any]:
    """The sum of each kind of request over a part of a view, in one walk over its pixels where it takes one.

    Of a quantity with a `final` form the sums within its distributions, else of the whole maps.
    """
    kinds = list({request.kind: request for request in requests}.values())
    known = view.known_sums(part, kinds)
    sums: dict[object, Any] = {request.kind: total for request, total in zip(kinds, known, strict=True)}
    unknown = [request for request in kinds if sums[request.kind] is None]
    if not unknown:
        return sums
    sides = {id(side): side for request in unknown for side in (request.pred, request.gt)}
    parts: dict[object, list[Array]] = {request.kind: [] for request in unknown}
    for where, weights in view.blocks(part):
        seen = {key: side.at(where) for key, side in sides.items()}
        for request in unknown:
            one, pred, gt = request.quantity, seen[id(request.pred)], seen[id(request.gt)]
            # no name holds the terms: their memory is that of the next ones
            parts[request.kind].append(view.total(one, one.terms(pred, gt), weights))
    for request in unknown:
        found = parts[request.kind]
        whole = combine_blocks(namespace(found[0]), found, request.quantity.sum_axes)
        sums[request.kind] = whole if request.quantity.final else whole[..., 0, 0]
    return sums


@dataclass(frozen=True, slots=True)
class PairAnswers:
    """What every quantity of a pair is, in their order, the extremes of both maps before any step, and its pixels.

    The extremes are on the scale of the first quantity.
    """

    answers: list[Answer]
    pred: ValueRange
    gt: ValueRange
    n_pixels: float = 0.0


def answers_of(view: PairView, quantities: Sequence[Quantity]) -> list[PairAnswers]:
    """What every quantity is for each pair of a view: a number, or what stands against it.

    All pairs of a view share what their sides have in common, and quantities share sides and sums. What asks where
    pixels stand has no number on volumes.
    """
    if any(pair.volume for pair in view.pairs) and any(map(asks_for_place, quantities)):
        return _without_misplaced(view, quantities)
    found = _measured(view, quantities)
    _check_dtype(view, quantities, found[0])
    ends = [end for one in (quantities[0].pred, quantities[0].gt) for end in view.start(one).min_max()]
    sizes = [view.size(part, MAP).n_pixels for part in range(view.n_parts)]
    if view.is_numpy:
        # a side that is one for all pairs has one extent
        columns = [_column(end, len(view.pairs)) for end in ends]
        rows = [(answers, *row) for answers, *row in zip(found, *columns, sizes, strict=True)]
    else:
        rows = _from_device(view, quantities, found[0], [*(end[..., 0, 0] for end in ends), sizes[0]])
    finished = []
    for answers, *row in rows:
        pred, gt = ValueRange(*row[:2]), ValueRange(*row[2:4])
        numbers = [one if isinstance(one, SideProblem) else float(one) for one in answers]
        if gt.low == gt.high == 0:
            numbers = [_forgiven(*one) for one in zip(quantities, numbers, strict=True)]
        finished.append(PairAnswers(numbers, pred, gt, float(row[4])))
    return finished


MISPLACED = "metric-not-applicable"
"""The code of what asks where pixels stand, on a volume."""


def asks_for_place(quantity: Quantity) -> bool:
    """Whether a quantity asks where pixels stand in height and width."""
    return quantity.dependence != "value"


def _without_misplaced(view: PairView, quantities: Sequence[Quantity]) -> list[PairAnswers]:
    """The answers, with what stands against those that ask where pixels stand."""
    able = [one for one in quantities if not asks_for_place(one)]
    if able:
        found = answers_of(view, able)
    else:
        ends = [view.start(one).min_max() for one in (quantities[0].pred, quantities[0].gt)]
        ranges = [ValueRange(float(low.min()), float(high.max())) for low, high in ends]
        found = [PairAnswers([], ranges[0], ranges[1]) for _ in view.pairs]
    made = []
    for one in found:
        rest = iter(one.answers)
        answers = [_misplaced(each) if asks_for_place(each) else next(rest) for each in quantities]
        made.append(PairAnswers(answers, one.pred, one.gt, one.n_pixels))
    return made


def _misplaced(quantity: Quantity) -> SideProblem:
    return SideProblem("pred" if quantity.pred.dependence != "value" else "gt", MISPLACED, 0.0)


def _measured(view: PairView, quantities: Sequence[Quantity]) -> list[list[Any]]:
    """For each part of a view every quantity: a number, an array of one for each pair, or what stands against it."""
    requests = [SumRequest(one, view.normalised(one.pred), view.normalised(one.gt)) for one in quantities]
    clean = not any(len(request.pred.problems) or len(request.gt.problems) for request in requests)
    found = []
    for part in range(view.n_parts):
        against = [None] * len(requests) if clean else [request.problem(part) for request in requests]
        possible = requests if clean else [r for r, problem in zip(requests, against, strict=True) if problem is None]
        sums = sums_over(view, part, possible)
        sizes = {axes: view.size(part, axes) for axes in {request.quantity.axes for request in possible}}
        found.append(
            [
                problem or request.quantity.finish(sums[request.kind], sizes[request.quantity.axes])
                for request, problem in zip(requests, against, strict=True)
            ]
        )
    return found


def _check_dtype(view: PairView, quantities: Sequence[Quantity], numbers: Sequence[Any]) -> None:
    """What was computed is what the signature will say: the dtype of the numbers, not that of the request."""
    for quantity, number in zip(quantities, numbers, strict=True):
        computed, wanted = getattr(number, "dtype", None), quantity.pred.dtype
        if computed not in (None, getattr(view.start(quantity.pred).xp, wanted)):
            msg = f"the numbers were computed in {computed}, but {wanted} was asked for and would be signed"
            raise KldevalError(msg)


def _column(end: Array, count: int) -> list[float]:
    column: list[float] = end.reshape(-1).tolist()
    return column * count if len(column) == 1 else column


def _forgiven(quantity: Quantity, answer: Answer) -> Answer:
    """0 for an all-zero ground truth where the settings say so; a nan stays: there the prediction is empty, too."""
    if quantity.zero_if_empty and isinstance(answer, float) and not isnan(answer):
        return 0.0
    return answer


def _from_device(
    view: PairView, quantities: Sequence[Quantity], found: Sequence[Array], ends: Sequence[Array]
) -> list[tuple[Any, ...]]:
    """The numbers of a batch, its extremes and what stands against each, brought from an accelerator at once."""
    columns = [*ends, *found]
    marks: dict[str, list[tuple[str, int]]] = {}
    for pipeline in {one.key: one for quantity in quantities for one in (quantity.gt, quantity.pred)}.values():
        flags = _by_kind(view.normalised(pipeline).flags)
        marks[pipeline.key] = [(kind, len(columns) + 2 * place) for place, kind in enumerate(flags)]
        columns += [column for both in flags.values() for column in both]
    xp, shape = namespace(found[0]), (len(view.pairs),)
    columns = [one if hasattr(one, "dtype") else xp.full_like(found[0], one) for one in columns]
    flat = [xp.broadcast_to(xp.reshape(xp.astype(one, found[0].dtype), (-1,)), shape) for one in columns]
    table = xp.stack(flat).tolist()

    def answer(place: int, number: int, quantity: Quantity) -> Answer:
        for pipeline in (quantity.gt,) if quantity.is_blind else (quantity.gt, quantity.pred):
            known = dict(marks[pipeline.key])
            for kind in PROBLEMS:
                if kind in known and table[known[kind]][place]:
                    return SideProblem(pipeline.role, kind, table[known[kind] + 1][place])
        return float(table[len(ends) + number][place])

    return [
        ([answer(place, *one) for one in enumerate(quantities)], *(table[column][place] for column in range(len(ends))))
        for place in range(len(view.pairs))
    ]


def _by_kind(problems: Sequence[Problem]) -> dict[str, tuple[Array, Array]]:
    """For each kind whether any distribution of a map has the problem, and the smallest detail where it began."""
    kinds: dict[str, tuple[Array, Array]] = {}
    for problem in problems:
        xp = namespace(problem.found)
        found, detail = over_map(xp.any, problem.found), over_map(xp.min, problem.detail)
        if problem.kind in kinds:
            before, first = kinds[problem.kind]
            found, detail = before | found, xp.where(before, first, detail)
        kinds[problem.kind] = found, detail
    return kinds


def value_range(array: Array, weights: Array | None) -> ValueRange:
    """The smallest and the largest value of the pixels that exist."""
    present = array if weights is None else array[weights > 0]
    return ValueRange(float(present.min()), float(present.max()))


def worst_problems(values: LazyMap, role: Role, count: int) -> list[SideProblem | None]:
    """The worst problem of each of so many numpy maps; of no length where there is none."""
    if not values.problems:
        return []
    worst: list[SideProblem | None] = [None] * count
    for kind in reversed(PROBLEMS):
        for problem in reversed(values.problems):
            if problem.kind == kind:
                maps = zip(_by_map(problem.found, count), _by_map(problem.detail, count), strict=True)
                for place, (found, detail) in enumerate(maps):
                    worst[place] = SideProblem(role, kind, float(detail.min())) if found.any() else worst[place]
    return worst


def _by_map(statistic: Array, count: int) -> Any:
    """A row for each map, also where one statistic is that of all."""
    return statistic.reshape(-1, *statistic.shape[-2:]) if statistic.ndim > len(MAP) else [statistic] * count


def flag_outside(values: LazyMap, *, tolerance: float = 0.0) -> LazyMap:
    """The values with a problem noted where one is no probability."""
    low, high = values.min_max()
    return values.flag("outside", (low < 0) | (high > 1 + tolerance), values.xp.where(low < 0, low, high))
