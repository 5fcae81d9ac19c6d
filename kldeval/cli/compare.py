"""`kldeval compare A.json B.json ...` or `kldeval compare PRED PRED... GT`: which models differ, and by how much."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from kldeval.cli.groups import DEBUG, FilePath, flag_option, takes
from kldeval.cli.help import GroupedCommand
from kldeval.cli.messages import say
from kldeval.cli.model_options import NameOptions, ResamplingOptions, load_models, resampling_from
from kldeval.cli.options import (
    ON_COMMAND_LINE,
    AuxiliaryNamingOptions,
    ComputingOptions,
    FileOptions,
    GroupOptions,
    NumericOptions,
    ProgressOptions,
    rank,
    request_from,
    settings_from,
)
from kldeval.cli.reporting import (
    EXIT_FAILURES,
    LookOptions,
    OutputOptions,
    VerboseOptions,
    check_columns,
    deliver,
    exit_code,
    open_sink,
)
from kldeval.urls import displayed

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from kldeval.reports.documents import ComparisonReport, Report


FOLDERS = 3
"""Two predictions and the ground truth, at least."""

_OF_SCORING = tuple(
    name
    for group in (NumericOptions, AuxiliaryNamingOptions, FileOptions, ComputingOptions)
    for name in group.declared()
    if name != "metric"
)
"""The options that mean nothing to numbers that are made already."""


class CompareOptions(
    NameOptions,
    ResamplingOptions,
    GroupOptions,
    LookOptions,
    OutputOptions,
    VerboseOptions,
    NumericOptions,
    AuxiliaryNamingOptions,
    FileOptions,
    ProgressOptions,
    ComputingOptions,
):
    """The options of `kldeval compare`."""

    allow_different: bool = flag_option("Compare reports whose signatures or maps differ.")
    fail_if_worse: bool = flag_option("Exit with 3 if the first is significantly worse than another.")


@click.command("compare", cls=GroupedCommand, context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("paths", nargs=-1, type=FilePath(), metavar="A.json B.json... | PRED PRED... GT")
@takes(CompareOptions)
@DEBUG
def command(paths: tuple[Path, ...], options: CompareOptions) -> int:
    """Compare models map by map: mean differences with intervals, tests, effect sizes, the detectable difference.

    Of saved reports the numbers are taken as they are; `-m` chooses among their metrics. Folders are scored first. With
    --group-by (videos) the group is the unit of the statistics and the means are means over groups.

    Exit code 2 if the reports differ in their signatures or maps, 3 if --fail-if-worse finds the first worse.
    """
    from dataclasses import replace

    from kldeval.cli.config import with_config_provenance
    from kldeval.errors import UsageProblem
    from kldeval.reports.comparison import find_regressions, why_nothing

    if options.std and rank("std") == ON_COMMAND_LINE:
        msg = "--std is of leaderboards, and a comparison has the interval of every mean: leave it out"
        raise UsageProblem(msg)
    sink = open_sink(options)
    resampling_from(options)
    saved = bool(paths) and all(path.suffix.lower() == ".json" for path in paths)
    reports, comparison = (_saved if saved else _scored)(paths, options)
    if not comparison.comparisons:
        raise UsageProblem("\n".join(comparison.notes) or why_nothing(reports))
    check_columns(options, comparison.columns)
    if options.fail_if_worse:
        gates = find_regressions(reports, resampling_from(options), group_by=options.group_by)
        comparison = replace(comparison, gates=gates)
    document = with_config_provenance(comparison)
    _say_failures(reports)
    deliver(document, sink)
    failed = not saved and any(report.failures for report in reports.values())
    return exit_code(document) or (EXIT_FAILURES if failed else 0)


def _saved(paths: Sequence[Path], options: CompareOptions) -> tuple[dict[str, Report], ComparisonReport]:
    """Saved reports, and their comparison."""
    from dataclasses import replace

    from kldeval.errors import UsageProblem
    from kldeval.reports.comparison import check_agreement, compare_reports
    from kldeval.reports.leaderboard import check_adaptive_bins
    from kldeval.reports.merging import only

    _refuse_scoring()
    reports = load_models(paths, options.names)
    if options.metric:
        reports = only(reports, [key.strip() for text in options.metric for key in _split(text)])
    notes: tuple[str, ...] = ()
    try:
        check_agreement(reports, regrouped=options.group_by is not None)
    except UsageProblem as problem:
        if not options.allow_different:
            raise
        notes = tuple(line.strip() for line in str(problem).splitlines()[1:])
    check_adaptive_bins(reports)
    provenance = {**_versions(), "models": dict(zip(reports, _origins(reports), strict=True))}
    comparison = compare_reports(reports, resampling_from(options), group_by=options.group_by, provenance=provenance)
    return reports, replace(comparison, notes=(*notes, *comparison.notes))


def _scored(paths: Sequence[Path], options: CompareOptions) -> tuple[dict[str, Report], ComparisonReport]:
    """Predictions scored now, and their comparison on the maps that all of them have."""
    from kldeval.cli.terminal import progress_bar
    from kldeval.engine.run import run_models
    from kldeval.errors import UsageProblem
    from kldeval.reports.comparison import compare_reports
    from kldeval.reports.leaderboard import name_models
    from kldeval.reports.other_files import refuse_others

    if len(paths) < FOLDERS:
        for path in paths:
            refuse_others(path)
        found = " ".join(map(str, paths)) or "nothing"
        msg = (
            f"two saved reports (.json) or more are needed, or two predictions and their ground truth; here is {found}"
        )
        raise UsageProblem(msg)
    if options.group_by:
        options = options.replaced(maps=options.maps or "groups")
    settings = settings_from(options, group_by=options.group_by)
    request, preds = request_from(options), paths[:-1]
    models = dict(zip(name_models(preds, options.names), preds, strict=True))
    with progress_bar(progress=options.progress, quiet=options.quiet) as progress:
        reports = run_models(models, paths[-1], settings, request, progress)
    called = {model: displayed(path) for model, path in models.items()}
    provenance = {**_versions(), "models": called, "gt": displayed(paths[-1])}
    return reports, compare_reports(reports, resampling_from(options), provenance=provenance)


def _refuse_scoring() -> None:
    from kldeval.errors import UsageProblem

    given = [f"--{name.replace('_', '-')}" for name in _OF_SCORING if rank(name) == ON_COMMAND_LINE]
    if given:
        msg = f"the numbers of saved reports are made already: {', '.join(given)} can mean nothing; leave it out"
        raise UsageProblem(msg)


def _split(text: str) -> list[str]:
    from kldeval.grammar import split_top_level

    return split_top_level(text, ",")


def _origins(reports: dict[str, Report]) -> list[Any]:
    """Where the predictions of each report were."""
    return [report.provenance.get("pred") for report in reports.values()]


def _versions() -> dict[str, Any]:
    from importlib import import_module

    from kldeval.provenance import versions

    import_module("scipy")
    return dict(versions())


def _say_failures(reports: dict[str, Report]) -> None:
    for model, report in reports.items():
        for failure in report.failures:
            say(f"{model}: {failure.name}: {failure.message}")
