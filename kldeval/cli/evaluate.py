"""`kldeval evaluate PRED GT`, which is also `kldeval PRED GT`."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kldeval.cli.options import (
    computing_options,
    file_options,
    numeric_options,
    pair_of_paths,
    request_from,
    settings_from,
)

if TYPE_CHECKING:
    from kldeval.results.report import Report
    from kldeval.settings import Settings


@click.command("evaluate", context_settings={"help_option_names": ["-h", "--help"]})
@pair_of_paths
@numeric_options
@file_options
@click.option("--per-map", is_flag=True, help="Show a row per map.")
@click.option("--per-class", is_flag=True, help="Show a row per class of labels, over all maps.")
@click.option("--worst", type=click.IntRange(min=1), metavar="N", help="Show the N worst maps.")
@click.option(
    "--format",
    "format_",
    default="table",
    metavar="NAME",
    help="table, json, jsonl, csv, tsv, markdown or latex [default: table].",
)
@click.option(
    "-o",
    "--output",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Also write FILE, in the format of its suffix; may be repeated.",
)
@click.option(
    "--score-only", is_flag=True, help="Print the means alone, one line, in full precision; nothing if a map failed."
)
@click.option("-q", "--quiet", is_flag=True, help="No notes and no progress on stderr, errors only.")
@click.option("--precision", type=click.IntRange(0, 17), metavar="N", help="Digits in tables for people [default: 4].")
@click.option(
    "--save-maps",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Write each metric's pixelwise terms as DIR/METRIC/NAME.npy.",
)
@click.option("--progress/--no-progress", default=None, help="A progress bar on stderr [default: on a terminal].")
@computing_options
def command(pred: Path, gt: Path, **options: Any) -> int:
    """Score predictions against ground truths: two files, or two folders paired by relative path without suffix."""
    from kldeval.cli.progress import progress_bar
    from kldeval.engine.run import run
    from kldeval.outputs import writer_for

    settings = settings_from(options)
    _check_reduction(settings, options)
    write = _writer(options["format_"])
    writers = [(path, writer_for(path)) for path in options["output"]]
    with progress_bar(options) as progress:
        report = run(pred, gt, settings, request_from(options), progress)
    for path, write_file in writers:
        _write_file(path, write_file, report, options)
    _print(report, write, options)
    return 1 if report.failures or not report.scores else 0


def _writer(name: str) -> Any:
    from kldeval.names import unknown
    from kldeval.outputs import WRITERS

    if name not in WRITERS:
        raise unknown("format", name, WRITERS)
    return WRITERS[name]


def _check_reduction(settings: Settings, options: dict[str, Any]) -> None:
    from kldeval.errors import UsageProblem

    if settings.reduction == "none" and not options["save_maps"]:
        msg = "--reduction none leaves no number per map: add --save-maps DIR, or choose another reduction"
        raise UsageProblem(msg)
    if settings.reduction == "none" and options["score_only"]:
        msg = "--score-only has nothing to print under --reduction none"
        raise UsageProblem(msg)


def _write_file(path: Path, write: Any, report: Report, options: dict[str, Any]) -> None:
    from kldeval.outputs.files import write_atomically

    write_atomically(path, write(report, _look(options, None)))


def _print(report: Report, write: Any, options: dict[str, Any]) -> None:
    if options["score_only"]:
        _say(report, options)
        if not report.failures and report.scores:
            click.echo(" ".join(repr(summary.mean) for summary in report.summaries.values()))
        return
    # a table already holds the notes and the failures
    if options["format_"] != "table":
        _say(report, options)
    click.echo(write(report, _look(options, sys.stdout)), nl=False, color=True)


def _say(report: Report, options: dict[str, Any]) -> None:
    """Failures, and unless --quiet the notes, on stderr."""
    for failure in report.failures:
        click.echo(f"kldeval: {failure.name}: {failure.message}", err=True)
    for note in () if options["quiet"] else report.notes:
        click.echo(f"kldeval: note: {note}", err=True)


def _look(options: dict[str, Any], stream: Any) -> Any:
    from kldeval.outputs.options import Options
    from kldeval.outputs.terminal import color_of, width_of

    look = {"precision": options["precision"], "worst": options["worst"]}
    given = {name: value for name, value in look.items() if value is not None}
    width = width_of(stream, os.environ) if stream else None
    color = color_of(stream, os.environ) if stream else False
    return Options(per_map=options["per_map"], width=width, color=color, **given)
