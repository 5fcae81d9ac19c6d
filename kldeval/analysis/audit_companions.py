"""The audit of a companion of KLD: the same maps under every definition of CC, SIM, NSS or AUC that code bases use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kldeval.conventions.definitions import family
from kldeval.engine.run import run_models
from kldeval.errors import UsageProblem
from kldeval.reports.audit import summarise_audit
from kldeval.reports.audit_documents import AuditedMap, ConventionFacts
from kldeval.settings.auxiliary import restrict_to
from kldeval.settings.build import make_settings
from kldeval.settings.signature import short_signature

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kldeval.memory import MapFolder
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
    settings = make_settings({**rows.further, **said, "metric": ",".join(rows.metrics)})
    keys = dict(zip(rows.metrics, settings.keys, strict=True))
    short = {
        text: short_signature(restrict_to(settings, call))
        for text, call in zip(rows.metrics, settings.metrics, strict=True)
    }
    reports = run_models(preds, gt, settings, request, progress)
    first = next(iter(reports.values()))
    return summarise_audit(
        {
            row.name: _facts(first.signatures[keys[row.metric]], short[row.metric], row.formula)
            for row in rows.definitions
        },
        {
            model: _maps(report, {row.name: keys[row.metric] for row in rows.definitions})
            for model, report in reports.items()
        },
        {model: report.failures for model, report in reports.items()},
        rows.definitions[0].name,
        {**first.provenance, "pred": [str(pred) for pred in preds.values()]},
        tuple(dict.fromkeys(note for report in reports.values() for note in report.notes)),
        metric=metric,
        column=first.columns[settings.keys[0]],
    )


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


def _maps(report: Report, keys: Mapping[str, str]) -> tuple[AuditedMap, ...]:
    """The maps of a report under the names of the definitions; a metric that failed on a map is refused there."""
    refused = {(failure.name, failure.metric): failure.message for failure in report.failures if failure.metric}
    return tuple(
        AuditedMap(
            name=score.name,
            n_pixels=0,
            unit_range=False,
            values={name: score.values[key] for name, key in keys.items() if key in score.values},
            refusals={name: refused[score.name, key] for name, key in keys.items() if (score.name, key) in refused},
            n_uncovered=None,
            uncovered_mass=None,
            group=score.group,
        )
        for score in report.scores
    )
