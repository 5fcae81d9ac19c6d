"""From decoded pairs to outcomes under a plan: one `Score`, `Failure` or `Skipped` for each.

A pair is looked at in the cheapest way that tells what is asked (`scoring.views`). 8-bit pairs are counted one by one,
need their maps no more, and wait for each other: their levels are normalised together. Each number is the same
whatever other pairs are worked out beside it.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from kldeval.arrays import quiet
from kldeval.data.causes import examined
from kldeval.data.load import sized_pair
from kldeval.dataclass import dataclass
from kldeval.errors import KldevalError, RefusedMap
from kldeval.preprocessing.resize import AS_IS
from kldeval.records import AuxiliaryScores, Failure, Outcome, Reason, Score, Skipped
from kldeval.scoring.context import NO_CONTEXT
from kldeval.scoring.diagnostics import check_density_provenance, map_flags, reason_of, refusal
from kldeval.scoring.histogram import CountedPair, HistogramView
from kldeval.scoring.pixels import PixelView
from kldeval.scoring.plan import Plan, quantity_of
from kldeval.scoring.row_lookup import RowLookupView
from kldeval.scoring.views import PairAnswers, SideProblem, answers_of, is_plain, value_range

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from kldeval.arrays import NumpyArray as Array
    from kldeval.data.load import Loaded
    from kldeval.grammar import Call
    from kldeval.records import MapPair
    from kldeval.scoring.context import DatasetContext
    from kldeval.scoring.plan import Quantity
    from kldeval.scoring.views import Answer, PairView


NOT_APPLICABLE = "metric-not-applicable"
"""The code of a failure of one metric that asks for more than the maps have."""


@dataclass(frozen=True, slots=True, eq=False)
class PartialResult:
    """A pair of 8-bit maps whose histogram tells the rest: `found` is what was worked out already."""

    counted: CountedPair
    found: PairAnswers | None = None


class Evaluator:
    """What a plan makes of pairs; `context` is what the run knows of other images."""

    def __init__(self, plan: Plan, context: DatasetContext = NO_CONTEXT) -> None:
        self.plan = plan
        self.context = context
        self._rows: Plan | None = None
        self._asked = plan.asked
        self._of_values = tuple(one for one in plan.asked if one.dependence == "value")
        self._of_places = tuple(one for one in plan.asked if one.dependence != "value")
        self._has_auxiliary = bool(plan.of_maps or plan.of_fixations)
        self._counts = self._has_auxiliary or any(one.dependence != "place" for one in plan.asked)

    def without_references(self) -> Evaluator:
        """The evaluator of pairs whose references are scored with another prediction."""
        return Evaluator(self.plan, self.context.without_references())

    def score(self, pair: MapPair) -> Outcome:
        """The outcome of one pair."""
        return self.finish([self.begin(pair)])[0]

    def begin(self, pair: MapPair) -> Outcome | PartialResult:
        """The outcome of one pair, or what was counted of it and can be finished together with others."""
        looked_at = examined(pair, self.plan.examination)
        return looked_at if isinstance(looked_at, Failure) else self._begin(looked_at)

    def _begin(self, pair: MapPair) -> Outcome | PartialResult:
        if self.plan.is_labels:
            from kldeval.scoring.class_maps import score_labels

            return score_labels(pair, self.plan.settings, per_class=self.plan.per_class)
        if not is_plain(pair):
            return self._score_class_map(pair)
        counted = CountedPair.of(pair) if self._counts else None
        begun = self._begin_auxiliary(pair, counted)
        if isinstance(begun, Failure):
            return begun
        now = self._of_places if counted else self._asked
        found: PairAnswers | None = None
        if now:
            with quiet():
                found = answers_of(view_of(pair, counted, now), now)[0]
        elif not self._asked:
            found = _ranges(pair, counted)
        if counted:
            return PartialResult(counted.without_maps(begun), found)
        return self._outcome(begun, found or _ranges(pair, None))

    def finish(self, begun: Sequence[Outcome | PartialResult]) -> list[Outcome]:
        """The outcomes of pairs, in their order: those that were counted are measured together."""
        groups: defaultdict[tuple[Any, ...], list[PartialResult]] = defaultdict(list)
        for one in begun:
            if isinstance(one, PartialResult):
                pair = one.counted.pair
                groups[pair.pred_scale, pair.gt_scale, pair.masks].append(one)
        done: dict[int, Outcome] = {}
        for alike in groups.values():
            view = HistogramView([one.counted for one in alike])
            pairs = self._finish_auxiliary(view)
            for one, pair, answers in zip(alike, pairs, self._finish_answers(alike, view), strict=True):
                done[id(one)] = self._outcome(pair, answers)
        return [done[id(one)] if isinstance(one, PartialResult) else one for one in begun]

    def with_auxiliary_scores(self, pair: MapPair) -> MapPair | Failure:
        """The pair with the numbers of its maps and of its fixations, which are worked out on the CPU."""
        looked_at = examined(pair, self.plan.examination)
        if isinstance(looked_at, Failure) or self.plan.is_labels or not is_plain(looked_at):
            return looked_at
        pair = looked_at
        counted = CountedPair.of(pair) if self._has_auxiliary else None
        begun = self._begin_auxiliary(pair, counted)
        if isinstance(begun, Failure) or counted is None:
            return begun
        return self._finish_auxiliary(HistogramView([replace(counted, pair=begun)]))[0]

    def score_batch(
        self, pairs: Sequence[MapPair], pred: Array, gt: Array, weights: Array | None = None
    ) -> list[Outcome]:
        """The outcomes of pairs of one shape and kind whose arrays stand in one batch, on any device.

        What is not a sum over pixels has been worked out before: see `with_auxiliary_scores`.
        """
        with quiet():
            found = self._answers_of_batch(pairs, pred, gt, weights)
        return [self._outcome(pair, answers) for pair, answers in zip(pairs, found, strict=True)]

    def _answers_of_batch(
        self, pairs: Sequence[MapPair], pred: Array, gt: Array, weights: Array | None
    ) -> list[PairAnswers]:
        """What every quantity is for each pair of a batch: of bytes by the joint histograms, as far as these tell."""
        from kldeval.scoring.batch_histogram import BatchHistogramView, are_countable

        counted = self._of_values if are_countable(pred, gt, weights) else ()
        rest = self._of_places if counted else self._asked
        found = answers_of(PixelView(pairs, pred, gt, weights), rest) if rest else []
        if not counted:
            return found
        return self._merged(found, answers_of(BatchHistogramView(pairs, pred, gt, weights), counted))

    def score_without_maps(self, pair: MapPair) -> Outcome:
        """The outcome of a pair with auxiliary scores, where nothing else is asked."""
        return self._outcome(pair, _ranges(pair, None))

    def _begin_auxiliary(self, pair: MapPair, counted: CountedPair | None) -> MapPair | Failure:
        try:
            check_density_provenance(self.plan.settings.density, pair.made)
        except RefusedMap as problem:
            return Failure(pair.name, problem.stage, str(problem), reason_of(problem).code)
        if not self._has_auxiliary:
            return pair
        from kldeval.scoring.auxiliary_metrics import begin_auxiliary_scores

        return replace(pair, beside=begin_auxiliary_scores(pair, counted, self.plan, self.context))

    def _finish_auxiliary(self, view: HistogramView) -> Sequence[MapPair]:
        if not self._has_auxiliary:
            return view.pairs
        from kldeval.scoring.auxiliary_metrics import finish_auxiliary_scores

        scores = finish_auxiliary_scores(view, self.plan)
        return [replace(pair, beside=found) for pair, found in zip(view.pairs, scores, strict=True)]

    def _finish_answers(self, alike: Sequence[PartialResult], view: HistogramView) -> list[PairAnswers]:
        """What every quantity of the plan is, in its order, for pairs that were counted."""
        if not self._of_values:
            return [one.found for one in alike if one.found]
        with quiet():
            later = answers_of(view, self._of_values)
        return self._merged([one.found for one in alike if one.found], later)

    def _merged(self, of_places: Sequence[PairAnswers], of_values: list[PairAnswers]) -> list[PairAnswers]:
        """The answers in the order of the plan, from those that ask for places, if there are any, and the others."""
        if not self._of_places:
            return of_values
        merged = []
        for one, found in zip(of_places, of_values, strict=True):
            known, rest = iter(one.answers), iter(found.answers)
            answers = [next(rest if quantity.dependence == "value" else known) for quantity in self._asked]
            merged.append(replace(found, answers=answers))
        return merged

    def _score_class_map(self, pair: MapPair) -> Outcome:
        """The outcome of a pair of class maps: each position is a distribution over the classes."""
        from kldeval.scoring.class_maps import as_rows

        beside = (*self.plan.of_maps, *self.plan.of_fixations)
        if beside and not self.plan.quantities:
            return Failure(pair.name, "check", *reversed(_needs_plain(beside[0].call, pair)))
        try:
            pred, gt, settings = as_rows(pair, self.plan.settings)
        except RefusedMap as problem:
            return Failure(pair.name, problem.stage, str(problem), reason_of(problem).code)
        if self._rows is None:
            self._rows = Plan.of(settings, shown=self.plan.settings)
        failures = {metric.key: _needs_plain(metric.call, pair) for metric in beside}
        noted = replace(pair, remarks=(*pair.remarks, "class-map"), beside=AuxiliaryScores({}, failures=failures))
        with quiet():
            found = answers_of(PixelView((noted,), pred, gt, None), self._rows.asked)[0]
        return self._outcome(noted, found)

    def _outcome(self, pair: MapPair, found: PairAnswers) -> Outcome:
        plan = self.plan
        beside = pair.beside or AuxiliaryScores({})
        numbers = dict(beside.values)
        failures = dict(beside.failures)
        uncovered = [0.0, 0.0]
        n_quantities = len(plan.quantities)
        for place, answer in enumerate(found.answers):
            if isinstance(answer, float):
                if place < n_quantities:
                    numbers[plan.quantities[place].name] = answer
                else:
                    uncovered[place - n_quantities] = answer
            elif (place < n_quantities or plan.has_densities) and _is_skipped(answer, plan):
                return Skipped(pair.name, "all-zero ground truth")
            elif place < n_quantities:
                quantity = plan.quantities[place]
                failures[quantity.name] = Reason(answer.kind, self._refusal(pair, quantity, answer))
        if not found.answers and plan.settings.empty_gt == "skip" and found.gt.low == found.gt.high == 0:
            return Skipped(pair.name, "all-zero ground truth")
        if failures and not numbers:
            reason = failures[next(key for key in plan.keys if key in failures)]
            return Failure(pair.name, "check", reason.message, reason.code)
        return self._score(pair, numbers, failures, uncovered, found)

    def _score(
        self,
        pair: MapPair,
        numbers: dict[str, float],
        failures: dict[str, Reason],
        uncovered: Sequence[float],
        found: PairAnswers,
    ) -> Score:
        plan = self.plan
        beside = pair.beside or AuxiliaryScores({})
        weights: dict[str, float] = {}
        if plan.settings.maps == "pixels":
            weights = dict.fromkeys(plan.pixel_keys, found.n_pixels)
        elif plan.settings.maps == "fixations":
            weights = {metric.key: float(beside.n_fixations or 0) for metric in plan.of_fixations}
        values = {key: numbers[key] for key in plan.keys if key in numbers}
        n_uncovered = int(uncovered[0])
        flags = map_flags(values, n_uncovered, found.pred, found.gt, pair.volume or pair.shape, plan.diagnostics)
        return Score(
            pair.name,
            values,
            n_uncovered,
            uncovered[1],
            (*pair.remarks, *beside.remarks, *flags),
            weights={key: weights[key] for key in plan.keys if key in weights and key in numbers},
            statistics=beside.statistics,
            n_fixations=beside.n_fixations,
            gt_fixations=pair.made.n_fixations if pair.made else None,
            made=pair.made,
            references=pair.references,
            failures=tuple(
                Failure(pair.name, "score", failures[key].message, failures[key].code, key)
                for key in plan.keys
                if key in failures
            ),
        )

    @staticmethod
    def _refusal(pair: MapPair, quantity: Quantity, problem: SideProblem) -> str:
        chain = quantity.gt.shown if problem.role == "gt" else quantity.pred.shown
        return refusal(pair, problem.role, problem.kind, problem.detail, chain)


@dataclass(frozen=True, slots=True, eq=False)
class PartialAnswers:
    """A pair that needs its maps no more: what was found, and what was counted to find the rest."""

    found: dict[str, Answer | str]
    counted: tuple[tuple[CountedPair, tuple[Quantity, ...]], ...]


class SharedEvaluator:
    """Quantities of many settings on the same maps, sharing all that they have in common.

    A pair is resized once per resizing, looked at once per view, normalised once per scale and chain, and measured once
    per pair of chains and metric.
    """

    def __init__(self, quantities: Sequence[Quantity]) -> None:
        self._quantities = tuple(quantities)
        groups: defaultdict[Call, list[Quantity]] = defaultdict(list)
        for one in quantities:
            groups[one.settings.resize].append(one)
        self._by_resize = {resize: tuple(alike) for resize, alike in groups.items()}

    def begin(self, name: str, pred: Loaded, gt: Loaded) -> PartialAnswers:
        """What the maps of the pair `name` themselves have to say."""
        same = pred.grey.shape == gt.grey.shape
        groups: defaultdict[Call, list[Quantity]] = defaultdict(list)
        for resize, alike in self._by_resize.items():
            # maps that agree in size stay as they are, unless a size is named
            groups[AS_IS if same and "size" not in resize.keywords else resize].extend(alike)
        found: dict[str, Answer | str] = {}
        counted: list[tuple[CountedPair, tuple[Quantity, ...]]] = []
        for resize, quantities in groups.items():
            try:
                pair = sized_pair(name, pred, gt, resize)
            except RefusedMap as problem:
                found |= {one.name: str(problem) for one in quantities}
            else:
                begun = self.begin_sized(pair, quantities)
                found |= begun.found
                counted += begun.counted
        return PartialAnswers(found, tuple(counted))

    def begin_sized(self, pair: MapPair, quantities: Sequence[Quantity] | None = None) -> PartialAnswers:
        """What the maps of a pair have to say, whatever resizing is asked for."""
        given = self._quantities if quantities is None else quantities
        along = [one for one in given if pair.volume and acts_along_axis(one)]
        asked = [one for one in given if one not in along] if along else given
        counted = CountedPair.of(pair)
        later = tuple(one for one in asked if counted and one.dependence == "value")
        now = [one for one in asked if not (counted and one.dependence == "value")]
        found: dict[str, Answer | str] = {}
        if now:
            with quiet():
                answers = answers_of(view_of(pair, counted, now), now)[0].answers
            found = _answers_with_refusals(pair, now, answers)
        for one in along:
            found |= _along_axis(pair, one)
        if counted is None:
            return PartialAnswers(found, ())
        return PartialAnswers(found, ((counted.without_maps(pair), later),))

    def finish(self, begun: Sequence[PartialAnswers]) -> list[dict[str, float | str]]:
        """The answer of every quantity by its name for each pair: a number, or why there is none."""
        found: list[dict[str, Any]] = [dict(one.found) for one in begun]
        groups: defaultdict[tuple[Any, ...], list[tuple[int, CountedPair, tuple[Quantity, ...]]]] = defaultdict(list)
        for place, one in enumerate(begun):
            for counted, later in one.counted:
                if later:
                    names = tuple(quantity.name for quantity in later)
                    scales = counted.pair.pred_scale, counted.pair.gt_scale, counted.pair.masks
                    groups[*scales, names].append((place, counted, later))
        for alike in groups.values():
            later = alike[0][2]
            with quiet():
                answers = answers_of(HistogramView([counted for _, counted, _ in alike]), later)
            for (place, counted, _), more in zip(alike, answers, strict=True):
                found[place] |= _answers_with_refusals(counted.pair, later, more.answers)
        return found


def acts_along_axis(quantity: Quantity) -> bool:
    """Whether a quantity makes distributions along an axis that was named, which a volume has as class maps have."""
    return quantity.settings.names_class_axis and quantity.dependence != "value"


def _along_axis(pair: MapPair, quantity: Quantity) -> dict[str, Answer | str]:
    """The answer of a quantity along an axis of a volume, as of the same arrays as class maps."""
    from kldeval.scoring.class_maps import as_rows, chosen_axis, rows_of

    shape = pair.volume
    weights = None if pair.weights is None else pair.weights.reshape(shape)
    whole = replace(pair, pred=pair.pred.reshape(shape), gt=pair.gt.reshape(shape), volume=(), weights=None)
    try:
        pred, gt, settings = as_rows(whole, quantity.settings)
        rows = None if weights is None else rows_of(weights, chosen_axis(quantity.settings))
    except KldevalError as problem:
        return {quantity.name: str(problem)}
    asked = (quantity_of(quantity.name, settings),)
    with quiet():
        answers = answers_of(PixelView((whole,), pred, gt, rows), asked)[0].answers
    return _answers_with_refusals(whole, (quantity,), answers)


def _answers_with_refusals(
    pair: MapPair, quantities: Iterable[Quantity], answers: Iterable[Answer]
) -> dict[str, Answer | str]:
    """Answers by name, refusals in words."""
    return {
        one.name: Evaluator._refusal(pair, one, answer) if isinstance(answer, SideProblem) else answer  # noqa: SLF001
        for one, answer in zip(quantities, answers, strict=True)
    }


def view_of(pair: MapPair, counted: CountedPair | None, quantities: Sequence[Quantity]) -> PairView:
    """The cheapest view of a pair that tells all of these."""
    pixels = PixelView.of(pair)
    # factors of rows and columns are in float64, and know no mask
    is_factored = any(one.dependence in ("rows", "columns") and one.pred.dtype == "float64" for one in quantities)
    if counted and pair.weights is None and is_factored:
        return RowLookupView(pixels, counted, HistogramView([counted]))
    return pixels


def _ranges(pair: MapPair, counted: CountedPair | None) -> PairAnswers:
    """The extremes of both maps as they are stored, where no quantity is asked."""
    if counted:
        return PairAnswers([], *counted.ranges())
    return PairAnswers([], value_range(pair.pred, pair.weights), value_range(pair.gt, pair.weights))


def _is_skipped(problem: SideProblem, plan: Plan) -> bool:
    """Whether a map is left out for what stands against a number of it."""
    return (problem.role, problem.kind, plan.settings.empty_gt) == ("gt", "empty", "skip")


def _needs_plain(call: Call, pair: MapPair) -> Reason:
    shape = tuple(pair.pred.shape)
    message = f"{call.name} is of maps of height and width, and these have the shape {shape}"
    return Reason(NOT_APPLICABLE, message)
