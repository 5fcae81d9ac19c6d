"""The questions of the command line as functions: compare, audit, identify, explain, check, methods, density."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kldeval.analysis.audit import audit as audit_of
from kldeval.analysis.audit import plan_audit
from kldeval.analysis.audit_companions import audit_companion
from kldeval.analysis.check import inspect
from kldeval.analysis.explain import explain as explained
from kldeval.analysis.explain import worst_map
from kldeval.analysis.ground_truth_maps import Smoothing, density_map, sigma_in_pixels
from kldeval.analysis.identify import IdentifyRequest
from kldeval.analysis.identify import identify as identified
from kldeval.analysis.methods_text import describe_methods
from kldeval.api.documents import (
    Audit,
    Comparison,
    Explanation,
    Identification,
    Inspection,
    Methods,
    Report,
)
from kldeval.api.progress import shown_progress
from kldeval.api.request import SETTINGS, library_call
from kldeval.api.sources import is_path, maps_of
from kldeval.arrays import as_numpy
from kldeval.conventions import CONVENTIONS
from kldeval.data.fixations.maps import FixationReading, fixations_in_map
from kldeval.data.volumes import PLANE
from kldeval.engine.run import read_one, run
from kldeval.errors import RefusedMap, UsageProblem, count
from kldeval.functional import requested
from kldeval.grammar import format_value
from kldeval.metrics.registry import METRICS
from kldeval.parameters import (
    AUDITED,
    IDENTIFIED,
    audit_parameters,
    check_parameters,
    checked_keywords,
    explain_parameters,
    explained_keywords,
    explicit,
    identify_parameters,
)
from kldeval.provenance import versions
from kldeval.records import fixations_at
from kldeval.reports import audit_documents, documents
from kldeval.reports.comparison import check_agreement, compare_reports, why_nothing
from kldeval.reports.identification import published_value
from kldeval.reports.json_reader import load_document
from kldeval.reports.leaderboard import check_adaptive_bins, name_models
from kldeval.reports.merging import only
from kldeval.reports.resampling import check_resampling
from kldeval.run_options import RunOptions
from kldeval.settings.metric_options import refuse_fixations
from kldeval.settings.signature import combined
from kldeval.wording import in_python, speaks_python

if TYPE_CHECKING:
    from kldeval.api.progress import Told
    from kldeval.api.request import LibraryCall
    from kldeval.arrays import NumpyArray as Array
    from kldeval.conventions.convention import Convention
    from kldeval.memory import MapFolder
    from kldeval.records import Fixations
    from kldeval.settings.settings import Settings


@speaks_python
def compare(
    reports: Mapping[str, Any] | Iterable[Any] | documents.Leaderboard | documents.Report | str | os.PathLike[str],
    *others: Any,
    metric: str | Sequence[str] | None = None,
    group_by: str | None = None,
    allow_different: bool = False,
    resamples: int = 10_000,
    seed: int = 0,
    confidence: float = 0.95,
) -> Comparison:
    """Compare models pair by pair on the maps that all have: differences, intervals, p-values, as `kldeval compare`.

    Args:
        reports: a mapping of models to reports, a sequence of reports, a leaderboard, or the path of a saved one;
            reports are those of `evaluate`, or paths of saved ones.
        others: further reports, `compare(report_a, report_b)`.
        metric: which metrics, by default all that the reports have.
        group_by: the groups that are the units of the statistics, such as "parent".
        allow_different: whether reports of different signatures may be compared.
        resamples: bootstrap resamples and sign flips.
        seed: fixes these draws.
        confidence: of intervals and tests.

    Raises:
        UsageProblem: fewer than two models, reports that differ in what made their numbers, or nothing to compare.

    >>> import numpy as np
    >>> from kldeval import evaluate
    >>> one, two, gt = np.random.default_rng(0).random((3, 8, 6, 7))
    >>> compared = compare({"one": evaluate(one, gt, metric="sim"), "two": evaluate(two, gt, metric="sim")})
    >>> compared["sim"].pairs[0].result.n
    8
    """
    models = _models_of((reports, *others) if others else reports)
    if len(models) < 2:  # noqa: PLR2004 - a pair
        msg = f"a comparison is of two models or more; here {count(len(models), 'report')} came"
        raise UsageProblem(msg)
    check_resampling(resamples, confidence, seed)
    if metric is not None:
        keys = metric.split(",") if isinstance(metric, str) else metric
        models = only(models, [key.strip() for key in keys])
    notes: tuple[str, ...] = ()
    try:
        check_agreement(models, regrouped=group_by is not None)
    except UsageProblem as problem:
        if not allow_different:
            raise
        notes = tuple(line.strip() for line in str(problem).splitlines()[1:])
    check_adaptive_bins(models)
    drawn = documents.Resampling(resamples, seed, confidence)
    provenance = {**versions(), "models": {name: one.provenance.get("pred") for name, one in models.items()}}
    made = compare_reports(models, drawn, group_by=group_by, provenance=provenance)
    if not made.comparisons:
        raise UsageProblem("\n".join(made.notes) or why_nothing(models))
    return Comparison.of(replace(made, notes=tuple(map(in_python, (*notes, *made.notes)))))


def _models_of(given: Any) -> dict[str, documents.Report]:
    """The reports of each model in what may be given for them."""
    if isinstance(given, documents.Leaderboard):
        return dict(given.reports)
    if isinstance(given, Mapping):
        return {str(name): _report_of(one) for name, one in given.items()}
    if is_path(given):
        return _saved([given])
    if not isinstance(given, Iterable) or isinstance(given, documents.Report):
        msg = "a comparison is of two models or more: compare({name: report, ...}), or compare(report, report)"
        raise UsageProblem(msg)
    listed = list(given)
    if all(map(is_path, listed)):
        return _saved(listed)
    reports = [_report_of(one) for one in listed]
    names = [str(one.provenance.get("name") or f"model {place + 1}") for place, one in enumerate(reports)]
    names = names if len(set(names)) == len(names) else [f"model {place + 1}" for place in range(len(names))]
    return dict(zip(names, reports, strict=True))


def _report_of(given: Any) -> documents.Report:
    if isinstance(given, documents.Report):
        return given
    if is_path(given):
        return Report.load(given)
    msg = f"a report is what evaluate gives, or the path of a saved one, not of type {type(given).__name__}"
    raise UsageProblem(msg)


def _saved(paths: Sequence[Any]) -> dict[str, documents.Report]:
    """The reports in saved files by model."""
    found: dict[str, documents.Report] = {}
    for path, name in zip(paths, name_models([Path(one) for one in paths]), strict=True):
        document = load_document(path)
        if isinstance(document, documents.ComparisonReport):
            msg = f"{path} is a comparison; give the reports that it was made of"
            raise UsageProblem(msg)
        new = (
            dict(document.reports)
            if isinstance(document, documents.Leaderboard)
            else {str(document.provenance.get("name") or name): document}
        )
        twice = sorted(new.keys() & found.keys())
        if twice:
            msg = f"two models are called {twice[0]}; name them: compare({{name: report, ...}})"
            raise UsageProblem(msg)
        found |= new
    return found


@explicit(audit_parameters)
@speaks_python
def audit(
    pred: Any,
    gt: Any,
    *,
    conventions: str | Iterable[str] = (),
    metric: str = "kld",
    eps_curve: bool = False,
    bounds: str | None = None,
    progress: bool | Told = False,
    **options: Any,
) -> Audit:
    """Score the same maps under every published convention, or some, as `kldeval audit` does.

    Args:
        pred: the predictions of one model, or a mapping of models to theirs; paths or arrays, as for `evaluate`.
        gt: the ground truths.
        conventions: only these, "mit,sam" or a list of names.
        metric: kld, or a companion under the definitions of code bases: cc, sim, nss, auc, sauc, ig or mae.
        eps_curve: whether to follow the KLD over epsilon from 1e-16 to 1e-4.
        bounds: "round" or "floor", how 8-bit predictions were made, to say what that leaves open.
        progress: whether to show a bar on standard error.
        options: resize and color, how files are named and read, and the fixations of nss, auc and sauc.

    Raises:
        UsageProblem: a convention or an option does not exist, or the maps cannot be paired.

    >>> import numpy as np
    >>> pred, gt = np.random.default_rng(0).random((2, 3, 8, 9))
    >>> found = audit(pred, gt, conventions="mit-python,exact")
    >>> sorted(found.standings)
    ['exact', 'mit-python']
    """
    names = conventions.split(",") if isinstance(conventions, str) else conventions
    names = [name.strip() for name in names if name.strip()]
    call = library_call(options, known=_AUDITED)
    models = {str(name): one for name, one in pred.items()} if isinstance(pred, Mapping) else {"pred": pred}
    sides = {name: _two_sides(one, gt, call) for name, one in models.items()}
    preds, truth = {name: side for name, (side, _) in sides.items()}, next(iter(sides.values()))[1]
    request = call.beside(truth)
    with shown_progress(progress) as told:
        if metric == "kld":
            _check_fixations_serve(options, ["kld"])
            shared = {name: _text(options.get(name)) for name in ("resize", "color")}
            plan = plan_audit(names, **shared, curve=eps_curve, rounding=bounds)
            return _audit(audit_of(preds, truth, plan, request, told))
        if names or eps_curve or bounds:
            msg = f"conventions, eps_curve and bounds are about KLD and can mean nothing beside metric={metric!r}"
            raise UsageProblem(msg)
        said = {name: _text(value) for name, value in options.items() if name not in RunOptions._fields}
        return _audit(audit_companion(metric, preds, truth, said, request, told))


_READING = tuple(sorted(name for name in SETTINGS if name.startswith("fixation_")))
"""How fixations are read."""


def _check_fixations_serve(options: Mapping[str, Any], metrics: Sequence[str]) -> None:
    """Refuse fixations, and how to read them, beside metrics none of which has any.

    Raises:
        UsageProblem: naming the keyword.
    """
    given = {name: options.get(name) for name in _READING}
    shown = options.get("fixations")
    refuse_fixations({"fixations": shown if shown is None or is_path(shown) else "...", **given}, metrics)


_AUDITED = frozenset((*AUDITED, "conventions"))
_IDENTIFIED = frozenset((*IDENTIFIED, "value"))
"""The keywords of these questions, with what a misspelt one may mean."""


@explicit(identify_parameters)
@speaks_python
def identify(
    value: float | str | Mapping[str, float | str],
    pred: Any,
    gt: Any,
    *,
    progress: bool | Told = False,
    **options: Any,
) -> Identification:
    """Which conventions print a published number on these maps, as `kldeval identify` finds.

    Args:
        value: the number as it was printed: digits matter, so "0.270" is a text; {"kld": "0.27", "cc": "0.61"} is a
            row of a table.
        pred: the predictions, as for `evaluate`.
        gt: the ground truths.
        progress: whether to show a bar on standard error.
        options: resize and color, how files are named and read, the fixations of nss, auc and sauc, and group_by, whose
            groups are tried as what a mean is over.

    Raises:
        UsageProblem: the value is no number, an option does not exist, or the maps cannot be paired.
        RefusedMap: a map cannot be read, so that there is no mean.

    >>> import numpy as np
    >>> pred, gt = np.random.default_rng(0).random((2, 3, 8, 9))
    >>> from kldeval import evaluate
    >>> number = evaluate(pred, gt, convention="sam", metric="kld")["kld"].mean
    >>> "sam" in [guess.convention for guess in identify(f"{number:.9f}", pred, gt).guesses]
    True
    """
    given = value.items() if isinstance(value, Mapping) else [("", value)]
    targets = [published_value(f"{metric}={number}" if metric else str(number)) for metric, number in given]
    call = library_call(options, known=_IDENTIFIED)
    preds, truth = _two_sides(pred, gt, call)
    metrics = [target.metric for target in targets]
    if all(name in METRICS and METRICS[name].info.on != "fixations" for name in metrics):
        _check_fixations_serve(options, metrics)
    reading = {name: _text(options.get(name)) for name in _READING}
    shared = [_text(options.get(name)) for name in ("resize", "color")]
    with shown_progress(progress) as told:
        request = IdentifyRequest(preds, truth, call.beside(truth), shared[0], shared[1], reading)
        found = identified(targets, request, told)
    return Identification.of(replace(found, notes=tuple(map(in_python, found.notes))))


@explicit(explain_parameters)
@speaks_python
def explain(pred: Any, gt: Any, *, worst: int | None = None, name: str | None = None, **options: Any) -> Explanation:
    """Show one pair step by step: what each step does to the numbers, and which pixels make the result.

    Args:
        pred: the predicted map, or several of which one is chosen; paths or arrays, as for `evaluate`.
        gt: the ground truth.
        worst: of several maps the N-th worst by the first metric.
        name: of several maps the one of this name: the place of an array's.
        options: as for `evaluate`.

    Raises:
        UsageProblem: an option has no meaning, or there are several maps and none is chosen.
        RefusedMap: the pair has no number; the message says why.

    >>> import numpy as np
    >>> found = explain(np.asarray([[1.0, 2.0]]), np.asarray([[1.0, 1.0]]))
    >>> [stage.step for stage in found.stages["pred"]], round(found.values["kld"], 6)
    (['as read', 'sum-to-one'], 0.058892)
    """
    call = library_call(options, known=explained_keywords())
    sides = _two_sides(pred, gt, call)
    request = call.beside(sides[0])
    if worst is not None:
        name = worst_map(run(*sides, call.settings, request), worst)
    pair, context, settings = read_one(*sides, call.settings, request, None if name is None else str(name))
    found = explained(pair, context, settings)
    return Explanation.of(replace(found, notes=tuple(map(in_python, found.notes))))


@explicit(check_parameters)
@speaks_python
def check(pred: Any = None, gt: Any = None, **options: Any) -> Inspection:
    """Which maps belong together, what they hold, and what is wrong, without scoring; true where all is well.

    Args:
        pred: the predictions, as for `evaluate`; None with a `manifest`.
        gt: the ground truths.
        options: as for `evaluate`: the same maps would fail there.

    Raises:
        UsageProblem: an option has no meaning, or the maps cannot be paired at all.

    >>> import numpy as np
    >>> bool(check(np.ones((2, 3, 4)), np.zeros((2, 3, 4))))
    False
    """
    call = library_call(options, known=checked_keywords())
    sides = call.sides(pred, gt)
    found = inspect(*sides, call.settings, call.beside(sides[0]))
    failures = tuple(replace(failure, message=in_python(failure.message)) for failure in found.failures)
    notes = tuple(map(in_python, found.notes))
    return Inspection.of(replace(found, failures=failures, notes=notes))


@speaks_python
def methods(
    of: documents.Report | documents.Leaderboard | str | os.PathLike[str] | None = None,
    *,
    signature: str | None = None,
    convention: str | None = None,
) -> Methods:
    """The paragraph for a paper, the short signature, and the BibTeX of a convention's source.

    Args:
        of: a report or a leaderboard, the path of a saved one, or a signature.
        signature: a full signature, or the short form of a convention.
        convention: the name of a published convention.

    Raises:
        UsageProblem: not exactly one of them is given, or it means nothing.

    >>> methods(convention="mit").short
    'kldeval:mit+v1'
    """
    if sum(given is not None for given in (of, signature, convention)) != 1:
        msg = "say one of: a report, signature=TEXT, convention=NAME"
        raise UsageProblem(msg)
    if isinstance(of, str) and ("|" in of or of.startswith("kldeval:")):
        of, signature = None, of
    if of is None:
        said = {"signature": signature} if convention is None else {"convention": convention}
        return Methods.of(describe_methods(requested(said)))
    document: Any = load_document(of) if isinstance(of, str | os.PathLike) else of
    return Methods.of(describe_methods(_settings_of(document), maps=count(_n_maps(document), "map")))


def _n_maps(document: Any) -> int:
    if isinstance(document, documents.Leaderboard):
        return max((len(report.scores) for report in document.reports.values()), default=0)
    return len(document.scores) if isinstance(document, documents.Report) else len(document.maps)


def _settings_of(document: Any) -> Settings:
    held = document.reports.values() if isinstance(document, documents.Leaderboard) else [document]
    found = {tuple(one.signatures.values()) for one in held}
    if len(found) != 1 or not (texts := found.pop()):
        msg = "the models of this leaderboard were not scored alike; give the report of one of them"
        raise UsageProblem(msg)
    return combined(texts)


def list_conventions() -> dict[str, Convention]:
    """The published conventions by name, with formula, chains, constants, source and DOI.

    >>> list_conventions()["mit"].formula[:13]
    'sum q ln(e + '
    """
    return dict(CONVENTIONS)


@speaks_python
def density(
    fixations: Array,
    sigma: float,
    *,
    pixels_per_degree: float | None = None,
    border: str = "reflect",
    projection: str = "none",
    truncate: float = 4.0,
    repeats: str = "count",
    shape: tuple[int, int] | None = None,
) -> Array:
    """Ground-truth maps of fixations, each of which becomes a Gaussian, as `kldeval density` makes them.

    Args:
        fixations: how often each pixel was fixated, (H, W) or (N, H, W); or with `shape` the positions (n, 2) of one
            image, x and y in pixels from 0, where pixel 0 covers 0 <= x < 1.
        sigma: of the Gaussian, in pixels, or in degrees of visual angle with `pixels_per_degree`.
        pixels_per_degree: pixels of one degree.
        border: reflect, mirror, nearest, constant or wrap (360 degrees).
        projection: `equirectangular` for a Gaussian on the sphere.
        truncate: the Gaussian is cut off after so many sigma.
        repeats: whether every fixation on a pixel counts (`count`) or a pixel counts `once`.
        shape: the (height, width) of the image of positions.

    Returns:
        float64 maps of the same shape, whose sum is about the number of fixations.

    Raises:
        UsageProblem: an option has no meaning.
        RefusedMap: the counts are negative or no whole numbers, or a position lies outside the image.

    >>> import numpy as np
    >>> counts = np.zeros((9, 9), int)
    >>> counts[4, 4] = 1
    >>> density(counts, sigma=1).shape, round(float(density(counts, sigma=1).max()), 4)
    ((9, 9), 0.1592)
    """
    import numpy as np

    pixels = sigma_in_pixels(sigma, pixels_per_degree)
    smoothing = Smoothing(pixels, border, repeats != "once", truncate, projection=projection)  # type: ignore[arg-type]
    if repeats not in ("count", "once"):
        msg = f"repeats={repeats!r} is none of 'count', 'once'"
        raise UsageProblem(msg)
    array = as_numpy(fixations)
    if shape is not None:
        return density_map(_positions(array, shape), shape, smoothing)
    maps = maps_of(array, "fixations")
    found = [fixations_in_map(one.array, one, FixationReading(), counts_repeats=True) for one in maps]
    made = [density_map(one, one.shape or (0, 0), smoothing) for one in found]
    return made[0] if array.ndim <= PLANE else np.stack(made)


def _positions(array: Array, shape: tuple[int, int]) -> Fixations:
    """Fixations at x, y, one a row."""
    if array.ndim != PLANE or array.shape[1] != PLANE:
        msg = (
            f"fixations of shape {array.shape} beside shape={shape}: positions are (n, 2), x and y; counts have a shape"
        )
        raise RefusedMap(msg)
    return fixations_at(array[:, 1], array[:, 0], shape=shape)


def _two_sides(pred: Any, gt: Any, call: LibraryCall) -> tuple[MapFolder, MapFolder]:
    sides = call.sides(pred, gt)
    if sides[0] is None or sides[1] is None:
        msg = "predictions and ground truths are needed, pred and gt"
        raise UsageProblem(msg)
    return sides[0], sides[1]


def _audit(found: audit_documents.Audit) -> Audit:
    """The audit with its refusals and notes in the words of Python."""
    maps = {
        model: tuple(
            replace(row, refusals={name: in_python(why) for name, why in row.refusals.items()}) for row in rows
        )
        for model, rows in found.maps.items()
    }
    failures = {
        model: tuple(replace(failure, message=in_python(failure.message)) for failure in rows)
        for model, rows in found.failures.items()
    }
    return Audit.of(replace(found, maps=maps, failures=failures, notes=tuple(map(in_python, found.notes))))


def _text(value: Any) -> str | None:
    return None if value is None else format_value(value)
