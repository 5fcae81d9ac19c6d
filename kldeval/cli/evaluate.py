"""`kldeval evaluate PRED... GT`, which is also `kldeval PRED... GT`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from kldeval.cli.evaluate_options import EvaluateOptions
from kldeval.cli.groups import DEBUG, takes
from kldeval.cli.help import GroupedCommand
from kldeval.cli.messages import say
from kldeval.cli.model_options import (
    check_several,
    gated,
    parse_gates,
    resampling_from,
    with_asked_intervals,
)
from kldeval.cli.options import (
    note_idle,
    paths_argument,
    request_from,
    settings_from,
    split_paths,
)
from kldeval.cli.reporting import (
    check_columns,
    deliver,
    exit_code,
    open_sink,
    reports_of,
    wants_pictures,
)
from kldeval.cli.rows import score_rows_of, with_defaults
from kldeval.data.kinds import check_there

if TYPE_CHECKING:
    from kldeval.reports.strips import Strip
    from kldeval.run_options import Progress, RunOptions
    from kldeval.settings.settings import Settings
    from kldeval.writers import Document
    from kldeval.writers.parts import Parts


@click.command("evaluate", cls=GroupedCommand, context_settings={"help_option_names": ["-h", "--help"]})
@paths_argument
@takes(EvaluateOptions)
@DEBUG
def command(paths: tuple[Path, ...], options: EvaluateOptions) -> int:
    """Score predictions against ground truths: two files, or two folders paired by relative path without suffix.

    Several PRED give a leaderboard on the maps that were scored for all of them.

    \b
    kldeval pred_dir gt_dir --norm flatten-softmax
    kldeval pred_dir gt_dir --convention mit --metric kld,cc,sim --output report.html
    kldeval model_a model_b gt_dir --metric kld,nss --fixations fixations.csv --intervals
    """  # noqa: D301 - \b is click's mark of lines to keep
    from kldeval.cli.config import with_config_provenance
    from kldeval.cli.terminal import progress_bar

    is_rows = options.rows or options.maps == "rows"
    asked = with_defaults(options) if is_rows else options
    settings = settings_from(asked, manifest=options.manifest, group_by=options.group_by)
    preds, gt = split_paths(paths, options.manifest)
    if is_rows or settings.maps == "rows":
        return score_rows_of((preds, gt), settings, options)
    note_idle(options, settings, manifest=options.manifest, group_by=options.group_by)
    _check(settings, options, n_models=max(1, len(preds)))
    gates = parse_gates(options.fail_if, settings.keys if settings.reduction != "none" else ())
    sink = open_sink(options, score_only=options.score_only)
    resampling_from(options)
    check_there(paths)
    _check_run(settings, options)
    label = ", ".join(options.names or [path.name for path in preds]) or "pairs"
    parts = _parts(preds, gt, options)
    with progress_bar(progress=options.progress, quiet=options.quiet, label=label) as progress:
        document = _score(preds, gt, settings, options, progress, parts)
    if parts is not None:
        parts.finish(reports_of(document)[""])
    document = with_config_provenance(gated(with_asked_intervals(document, options), gates))
    strips = _strips(document, preds, gt, settings, options) if wants_pictures(sink) else ()
    deliver(document, sink, score_only=options.score_only, strips=strips)
    if parts is not None:
        parts.check_written()
    return exit_code(document)


def _strips(
    document: Document, preds: tuple[Path, ...], gt: Path | None, settings: Settings, options: EvaluateOptions
) -> tuple[Strip, ...]:
    """Pictures of the maps that are worth a look, for an HTML report."""
    from kldeval.analysis.pictures import strips_of
    from kldeval.errors import KldevalError
    from kldeval.reports.leaderboard import name_models

    if not options.html_maps:
        return ()
    models: dict[str, Path | None] = {"": preds[0] if preds else None}
    if len(preds) > 1:
        models = dict(zip(name_models(preds, options.names), preds, strict=True))
    request, stimuli = request_from(options), options.stimuli
    limit = options.html_maps
    try:
        return strips_of(reports_of(document), models, gt, settings, request, limit=limit, stimuli=stimuli)
    except KldevalError as problem:  # the numbers are there, and stay
        say(f"no pictures: {problem}", "note")
        return ()


def _parts(preds: tuple[Path, ...], gt: Path | None, options: EvaluateOptions) -> Parts | None:
    """Where the rows are written while the maps are scored, if that is asked for.

    Raises:
        UsageProblem: as `open_parts`.
    """
    if options.output_dir is None:
        return None
    from kldeval.engine.run import READ
    from kldeval.writers.parts import open_parts

    request = request_from(options)
    return open_parts(options.output_dir, (*preds, gt, *(getattr(request, name) for name in READ)))


def _score(
    preds: tuple[Path, ...],
    gt: Path | None,
    settings: Settings,
    options: EvaluateOptions,
    progress: Progress | None,
    parts: Parts | None,
) -> Document:
    """The report of one model, or the leaderboard of several."""
    request = request_from(options)
    if gt is None or len(preds) == 1:
        return _report_of_one_model(
            (preds[0] if preds else None, gt), settings, request, options.names, progress, parts
        )
    from kldeval.engine.run import run_models
    from kldeval.provenance import versions
    from kldeval.reports.leaderboard import make_leaderboard, name_models

    resampling = resampling_from(options)
    models = dict(zip(name_models(preds, options.names), preds, strict=True))
    reports = run_models(models, gt, settings, request, progress)
    return make_leaderboard(reports, resampling, sort=options.sort, provenance=versions())


def _report_of_one_model(
    sides: tuple[Path | None, Path | None],
    settings: Settings,
    request: RunOptions,
    names: tuple[str, ...],
    progress: Progress | None,
    parts: Parts | None,
) -> Document:
    """The report of one model, which keeps its name if it was given one."""
    from kldeval.engine.run import run

    if not names:
        return run(*sides, settings, request, progress, parts)
    from dataclasses import replace

    from kldeval.reports.leaderboard import name_models

    (name,) = name_models([sides[0] or Path()], names)
    report = run(*sides, settings, request, progress, parts)
    return replace(report, provenance={**report.provenance, "name": name}) if name else report


def _check(settings: Settings, options: EvaluateOptions, n_models: int) -> None:
    from kldeval.errors import UsageProblem, printable
    from kldeval.grammar import unknown

    if options.labels is not None:
        msg = f"--labels {printable(options.labels)} is of the rows of --rows; labels of maps are the ground truths"
        raise UsageProblem(msg)

    if settings.reduction == "none":
        if not options.save_maps:
            msg = "--reduction none leaves no number per map: add --save-maps DIR, or choose another reduction"
            raise UsageProblem(msg)
        if options.score_only or n_models > 1:
            what = "--score-only has nothing to print" if options.score_only else "several models have no leaderboard"
            msg = f"{what} under --reduction none"
            raise UsageProblem(msg)
    if options.per_class and n_models > 1:
        msg = "--per-class is a table of one prediction; score each model by itself for it"
        raise UsageProblem(msg)
    if options.output_dir is not None and n_models > 1:
        msg = "--output-dir holds the rows of one prediction; score each model by itself for it"
        raise UsageProblem(msg)
    check_several(options, n_models)
    check_columns(options, settings.keys)
    if options.shard is not None:
        _check_shard(options.shard, options)
    if options.sort is not None and options.sort not in settings.keys:
        raise unknown("metric", options.sort, settings.keys)


def _check_run(settings: Settings, options: EvaluateOptions) -> None:
    """Refuse what is wrong with a run whatever the files hold, before all that reads them is imported."""
    from kldeval.engine.auxiliary_context import check_fixations
    from kldeval.engine.device import check_device
    from kldeval.executors.choice import is_cluster
    from kldeval.run_options import parse_shape
    from kldeval.templates import check_grouping

    request = request_from(options)
    if not (is_cluster(request) or request.manifest):
        check_fixations(settings, request)
        check_device(request.device, settings)
    if request.shape:
        parse_shape(request.shape)
    if request.group_by is not None:
        check_grouping(request.group_by)


def _check_shard(shard: str, options: EvaluateOptions) -> None:
    """Refuse beside a share of the pairs what is asked of all of them."""
    from kldeval.errors import UsageProblem
    from kldeval.run_options import parse_shard

    parse_shard(shard)
    formats = [options.format_, *(text.partition(":")[0] for text in options.output)]
    of_all = {
        "--score-only": options.score_only,
        "the format scores": "scores" in formats,
        "--fail-if": options.fail_if,
        "--sort": options.sort,
    }
    asked = [what for what, is_asked in of_all.items() if is_asked]
    if asked:
        of_share = f"--shard scores a share of the pairs, and {asked[0]} would not be about all of them"
        msg = f"{of_share}; merge the shares first"
        raise UsageProblem(msg)
