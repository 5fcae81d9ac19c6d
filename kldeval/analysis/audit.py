"""An audit: many conventions on the same maps, in one pass over the files.

Each ground truth is read once for all predictions, and each pair answers all conventions at once (`scoring.evaluator`).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import astuple, fields
from functools import partial
from typing import TYPE_CHECKING, Any

from kldeval.conventions import CONVENTIONS, convention
from kldeval.data.dataset import notes_of_share, select_models
from kldeval.data.load import sized_pair
from kldeval.dataclass import dataclass
from kldeval.engine.device import CPU
from kldeval.engine.kept_rows import KeptRows, kept_outcomes
from kldeval.engine.report_builder import provenance_of
from kldeval.engine.run import check_saving
from kldeval.engine.worker import both_loaded, reading_of
from kldeval.executors.choice import executor_for
from kldeval.grammar import parse_all
from kldeval.metrics.rounding_bounds import check_rounding
from kldeval.normalization.lazy_map import MAP
from kldeval.preprocessing.grey import full_scale
from kldeval.preprocessing.resize import AS_IS
from kldeval.records import Failure
from kldeval.reports.audit import EPSILONS, summarise_audit
from kldeval.reports.audit_documents import AuditedMap, ConventionFacts, RoundingBounds
from kldeval.reports.outcome_rows import RowForm
from kldeval.scoring.diagnostics import notes, swapped
from kldeval.scoring.evaluator import PartialAnswers, SharedEvaluator
from kldeval.scoring.plan import UNCOVERED, quantity_of, uncovered_quantities
from kldeval.settings.build import make_settings
from kldeval.settings.signature import format_signature, short_signature
from kldeval.urls import displayed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from kldeval.data.load import Loaded, Reading
    from kldeval.memory import MapFolder
    from kldeval.normalization.chain import Chain
    from kldeval.records import Pair
    from kldeval.reports.audit_documents import Audit
    from kldeval.run_options import Progress, RunOptions
    from kldeval.scoring.plan import Quantity
    from kldeval.settings.settings import Settings


REFERENCE = "default"
"""The convention that the others are compared with; where it is not among them, the first that is named."""


@dataclass(frozen=True, slots=True)
class AuditPlan:
    """What is asked of every pair: the settings of each convention, and all of it as quantities.

    `rounding` is how 8-bit predictions were made, where what that leaves open is asked for.
    """

    settings: Mapping[str, Settings]
    reference: str
    quantities: tuple[Quantity, ...]
    curve: tuple[str, ...]
    rounding: str = ""

    @property
    def asked(self) -> str:
        """All that is asked of a pair, as a text that differs where an answer may."""
        asked = {quantity.name: quantity.settings for quantity in self.quantities}
        return repr(("audit", [*self.settings], self.reference, asked, self.curve, self.rounding))


def plan_audit(
    names: Iterable[str] = (),
    *,
    resize: str | None = None,
    color: str | None = None,
    curve: bool = False,
    rounding: str | None = None,
) -> AuditPlan:
    """The plan for some conventions (none named: all), in the order of the registry.

    `resize` is for the conventions that have no resizing of their own; `color` is for all.

    Raises:
        UsageProblem: a name is no convention, or the resizing, the rule for colour or the rounding means nothing.
    """
    if rounding is not None:
        check_rounding(rounding)
    asked = [row.name for row in parse_all(convention, names)] or list(CONVENTIONS)
    rows = [row for name, row in CONVENTIONS.items() if name in asked]

    def settings_of(texts: Mapping[str, str], metric: str = "kld") -> Settings:
        own = texts["resize"] != str(AS_IS)
        said = {"metric": metric, "color": color, "resize": None if own else resize}
        return make_settings(said, convention=texts)

    settings = {row.name: settings_of(row.texts) for row in rows}
    base = CONVENTIONS[REFERENCE].texts
    points = {f"{epsilon:g}": f"kld(log_eps={epsilon},ratio_eps={epsilon})" for epsilon in EPSILONS if curve}
    quantities = [quantity_of(name, chosen) for name, chosen in settings.items()]
    quantities += uncovered_quantities(settings_of(base))
    quantities += [quantity_of(f"eps={point}", settings_of(base, metric)) for point, metric in points.items()]
    reference = REFERENCE if REFERENCE in asked else asked[0]
    return AuditPlan(settings, reference, tuple(quantities), tuple(f"eps={point}" for point in points), rounding or "")


def audit(
    preds: Mapping[str, MapFolder],
    gt: MapFolder,
    plan: AuditPlan,
    request: RunOptions,
    progress: Progress | None = None,
) -> Audit:
    """Every convention of the plan on every model's predictions; `progress` is told each outcome and their number.

    Raises:
        UsageProblem: the paths of a model cannot be paired with the ground truths at all.
        MissingDependency: a package that reads the files is not there.
    """
    dataset = select_models(preds, gt, None, request)
    settings = plan.settings[plan.reference]
    reading = reading_of(settings, request)
    found: list[tuple[str, Failure | _Noticed]] = []
    n_pairs = dataset.count
    check_saving(dataset, {model: (pred, gt) for model, pred in preds.items()}, settings, request)
    kept = KeptRows(request.cache, plan.asked, _form_of(plan)) if request.cache else None
    work = _Auditing(plan, SharedEvaluator(plan.quantities), reading)
    for answer in kept_outcomes(dataset, work, reading, executor_for(request), kept):
        found.append((answer.model, answer.outcome))
        if progress:
            progress(answer, n_pairs)
    read = [(model, one) for model, one in found if isinstance(one, _Noticed)]
    failed = [(model, one) for model, one in found if isinstance(one, Failure)]
    said = [note for pred in preds.values() for note in swapped(pred, gt)]
    return summarise_audit(
        {name: traits_of(chosen, CONVENTIONS[name].formula) for name, chosen in plan.settings.items()},
        {model: tuple(one.audited for name, one in read if name == model) for model in preds},
        {
            model: _sorted((*dataset.failures[model], *(one for name, one in failed if name == model)))
            for model in preds
        },
        plan.reference,
        {**provenance_of(gt, gt, CPU, request), "pred": [displayed(pred) for pred in preds.values()]},
        (*said, *dataset.notes, *notes_of_share(request), *_notes([one for _, one in read], settings)),
        curve=bool(plan.curve),
        rounding=plan.rounding,
    )


def traits_of(settings: Settings, formula: str) -> ConventionFacts:
    """What the settings of one metric are, for whoever explains its number."""
    (call,) = settings.metrics
    given = call.keywords
    added = [step.keywords["value"] for step in settings.pred if step.name == "add"]
    return ConventionFacts(
        signature=format_signature(settings),
        short=short_signature(settings),
        formula=formula,
        pred=_steps(settings.pred),
        gt=_steps(settings.gt),
        lines=_LINES[settings.axes],
        direction=given.get("direction", "gt-pred"),
        epsilon=max(given.get(key, 0.0) for key in ("log_eps", "num_eps", "ratio_eps")),
        added=sum(added),
        factor=given.get("factor", 1.0),
        reduction=settings.reduction,
    )


_LINES = {MAP: "map", (-1,): "rows", (-2,): "columns"}


@dataclass(frozen=True, slots=True)
class _Noticed:
    """A map under every convention, and what a careful colleague would mention about its files."""

    audited: AuditedMap
    remarks: tuple[str, ...]


def _form_of(plan: AuditPlan) -> RowForm:
    """How maps are written as rows: what conventions say, in their order and without their names."""
    return RowForm(partial(_row_of, [*plan.settings]), partial(_found_of, [*plan.settings]), _has_words)


_OF_MAP = [one.name for one in fields(AuditedMap) if one.name not in ("name", "values", "refusals", "bounds")]


def _row_of(names: Sequence[str], found: _Noticed) -> dict[str, Any]:
    audited = found.audited
    answers = {**audited.values, **audited.refusals}
    return {
        "map": [getattr(audited, one) for one in _OF_MAP],
        "answers": [answers[name] for name in names],
        "bounds": [astuple(audited.bounds[name]) for name in names] if audited.bounds else [],
        "remarks": found.remarks,
    }


def _found_of(names: Sequence[str], name: str, row: dict[str, Any]) -> _Noticed:
    of_map = dict(zip(_OF_MAP, row["map"], strict=True))
    answers = dict(zip(names, row["answers"], strict=True))
    bounds = {
        convention: RoundingBounds(kind, low, high, outer, dither and tuple(dither), reason)
        for convention, (kind, low, high, outer, dither, reason) in zip(names, row["bounds"], strict=False)
    }
    audited = AuditedMap(
        name,
        **{**of_map, "curve": tuple(of_map["curve"])},
        values={name: answer for name, answer in answers.items() if not isinstance(answer, str)},
        refusals={name: answer for name, answer in answers.items() if isinstance(answer, str)},
        bounds=bounds,
    )
    return _Noticed(audited, tuple(row["remarks"]))


def _has_words(found: _Noticed) -> bool:
    return bool(found.audited.refusals) or any(one.reason for one in found.audited.bounds.values())


def _sorted(failures: Iterable[Failure]) -> tuple[Failure, ...]:
    return tuple(sorted(failures, key=lambda failure: failure.name))


def _notes(found: Iterable[_Noticed], settings: Settings) -> list[str]:
    """The notes on the files: a remark counts once for a map, however many predictions it has."""
    remarks = {(one.audited.name, remark) for one in found for remark in one.remarks}
    return notes(settings, Counter(remark for _, remark in remarks), len({one.audited.name for one in found}))


def _steps(chain: Chain) -> tuple[str, ...]:
    return tuple(step.name for step in chain)


def _in_unit_range(side: Loaded) -> bool:
    """Whether the values lie in 0..1 on the unit scale, as those of every 8- and 16-bit image do."""
    return full_scale(side.stored.array) is not None or bool(side.grey.min() >= 0 and side.grey.max() <= 1)


@dataclass(frozen=True, slots=True)
class _Seen:
    """A pair that was looked at, and what its files tell of it."""

    name: str
    group: str
    looked: PartialAnswers
    n_pixels: int
    in_unit_range: bool
    remarks: tuple[str, ...]
    bounds: Mapping[str, RoundingBounds]


@dataclass(frozen=True, slots=True)
class _Auditing:
    """Each pair is measured under every convention of a plan."""

    plan: AuditPlan
    evaluator: SharedEvaluator
    reading: Reading

    def begin(self, model: str, pair: Pair, gt: Loaded | None, *, is_first: bool) -> _Seen:
        """What the maps of a pair themselves have to say."""
        del model, is_first
        pred, gt = both_loaded(pair, gt, self.reading)
        same_size = pred.grey.shape == gt.grey.shape
        return _Seen(
            pair.name,
            pair.group,
            self.evaluator.begin(pair.name, pred, gt),
            gt.grey.size,
            _in_unit_range(pred) and _in_unit_range(gt),
            sized_pair(pair.name, pred, gt, AS_IS).remarks if same_size else (),
            self._bounds(pair.name, pred, gt),
        )

    def _bounds(self, name: str, pred: Loaded, gt: Loaded) -> Mapping[str, RoundingBounds]:
        if not self.plan.rounding:
            return {}
        from kldeval.analysis.audit_bounds import bounds_of_conventions

        return bounds_of_conventions(name, pred, gt, self.plan.settings, check_rounding(self.plan.rounding))

    def finish(self, begun: Sequence[_Seen]) -> list[_Noticed]:
        """The pairs under every convention, worked out for many at once."""
        found = self.evaluator.finish([one.looked for one in begun])
        return [
            _Noticed(_audited_map(one, answer, self.plan), one.remarks)
            for one, answer in zip(begun, found, strict=True)
        ]


def _audited_map(seen: _Seen, found: Mapping[str, float | str], plan: AuditPlan) -> AuditedMap:
    """The numbers of one pair under every convention."""
    pixels, mass = (found[name] for name in UNCOVERED)
    return AuditedMap(
        seen.name,
        seen.n_pixels,
        seen.in_unit_range,
        {name: value for name in plan.settings if isinstance(value := found[name], float)},
        {name: value for name in plan.settings if isinstance(value := found[name], str)},
        int(pixels) if isinstance(pixels, float) else None,
        mass if isinstance(mass, float) else None,
        tuple(value for name in plan.curve if isinstance(value := found[name], float)),
        seen.group,
        seen.bounds,
    )
