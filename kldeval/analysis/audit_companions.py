"""The audit of a companion of KLD: the same maps under every definition of CC, SIM, NSS or AUC that code bases use."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from kldeval.conventions.definitions import family
from kldeval.data.dataset import notes_of_share
from kldeval.dataclass import NamedTuple
from kldeval.engine.run import run_models
from kldeval.errors import UsageProblem
from kldeval.reports.audit import summarise_audit
from kldeval.reports.audit_documents import AuditedMap, ConventionFacts
from kldeval.settings.auxiliary import restrict_to
from kldeval.settings.build import make_settings
from kldeval.settings.signature import short_signature
from kldeval.urls import displayed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kldeval.conventions.definitions import Family
    from kldeval.memory import MapFolder
    from kldeval.records import Failure
    from kldeval.reports.audit_documents import Audit
    from kldeval.reports.documents import Report
    from kldeval.run_options import Progress, RunOptions


def audit_companion(
    metric: str,
    preds: Mapping[str, MapFolder],
    gt: MapFolder,
    said: Mapping[str, str | None],
    request: RunOptions,
    progress: Progress | None = None,
) -> Audit:
    """Every definition of a metric on every model's predictions, in one pass over the files.

    `said` are the texts of the settings that all definitions share: resizing, colour, and how fixations are read.

    Raises:
        UnknownName: the metric has no rows of definitions.
        UsageProblem: its fixations are not given, or the paths of a model cannot be paired with the ground truths.
        MissingDependency: a package that reads the files is not there.
    """
    rows = family(metric)
    if rows.needs_fixations and request.fixations is None:
        msg = f"--metric {metric} is of fixations: name them with --fixations PATH"
        raise UsageProblem(msg)
    runs = [_run(part, preds, gt, said, request, progress) for part in rows.runs]
    facts = {name: one for run in runs for name, one in run.facts.items()}
    first = next(iter(runs[0].reports.values()))
    notes = (note for run in runs for report in run.reports.values() for note in report.notes)
    return summarise_audit(
        {row.name: facts[row.name] for row in rows.definitions},
        {model: _maps([(run.reports[model], run.keys) for run in runs]) for model in preds},
        {model: _failures([run.reports[model] for run in runs]) for model in preds},
        rows.definitions[0].name,
        {**first.provenance, "pred": [displayed(pred) for pred in preds.values()]},
        tuple(dict.fromkeys((*notes, *notes_of_share(request)))),
        metric=metric,
        column=next(iter(first.columns.values())),
    )


class _Run(NamedTuple):
    """The reports of the models under the definitions of one pair of chains.

    `keys` are the columns by the names of the definitions, `facts` what these are.
    """

    reports: Mapping[str, Report]
    keys: Mapping[str, str]
    facts: Mapping[str, ConventionFacts]


def _run(
    rows: Family,
    preds: Mapping[str, MapFolder],
    gt: MapFolder,
    said: Mapping[str, str | None],
    request: RunOptions,
    progress: Progress | None,
) -> _Run:
    settings = make_settings({**rows.further, **said, "metric": ",".join(rows.metrics)})
    reports = run_models(preds, gt, settings, request, progress)
    first = next(iter(reports.values()))
    columns = dict(zip(rows.metrics, zip(settings.keys, settings.metrics, strict=True), strict=True))
    keys = {row.name: columns[row.metric][0] for row in rows.definitions}
    facts = {
        row.name: _facts(
            first.signatures[keys[row.name]],
            short_signature(restrict_to(settings, columns[row.metric][1])),
            row.formula,
        )
        for row in rows.definitions
    }
    return _Run(reports, keys, facts)


def _facts(signature: str, short: str, formula: str) -> ConventionFacts:
    """What a definition is; what concerns the chains and constants of KLD is left at what moves nothing."""
    return ConventionFacts(
        signature=signature,
        short=short,
        formula=formula,
        pred=(),
        gt=(),
        lines="map",
        direction="",
        epsilon=0.0,
        added=0.0,
        factor=1.0,
        reduction="",
    )


def _failures(reports: Sequence[Report]) -> tuple[Failure, ...]:
    """The maps for which no definition gives a number."""
    scored = {score.name for report in reports for score in report.scores}
    found = {failure.name: failure for report in reports for failure in report.failures if not failure.metric}
    return tuple(failure for name, failure in found.items() if name not in scored)


def _maps(runs: Sequence[tuple[Report, Mapping[str, str]]]) -> tuple[AuditedMap, ...]:
    """The maps of some runs under the names of the definitions; a metric that failed on a map is refused there."""
    values: defaultdict[str, dict[str, float]] = defaultdict(dict)
    refusals: defaultdict[str, dict[str, str]] = defaultdict(dict)
    groups: dict[str, str] = {}
    for report, keys in runs:
        for score in report.scores:
            groups[score.name] = score.group
            values[score.name] |= {name: score.values[key] for name, key in keys.items() if key in score.values}
        for failure in report.failures:
            failed = [name for name, key in keys.items() if failure.metric in ("", None, key)]
            refusals[failure.name] |= dict.fromkeys(failed, failure.message)
    return tuple(
        AuditedMap(
            name=name,
            n_pixels=0,
            unit_range=False,
            values=values[name],
            refusals=refusals[name],
            n_uncovered=None,
            uncovered_mass=None,
            group=groups[name],
        )
        for name in sorted(groups)
    )
