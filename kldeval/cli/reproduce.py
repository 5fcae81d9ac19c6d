"""`kldeval reproduce report.json [PRED GT]`: the numbers of a report, or a published one, computed again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from kldeval.cli.answers import AnswerOptions, check_answer, deliver_answer
from kldeval.cli.groups import DEBUG, FilePath, WholeNumber, option, takes
from kldeval.cli.help import GroupedCommand
from kldeval.cli.options import (
    AuxiliaryNamingOptions,
    FileOptions,
    GroupOptions,
    ShardOptions,
)
from kldeval.data.kinds import check_document

if TYPE_CHECKING:
    from pathlib import Path


class ReproduceOptions(AnswerOptions, AuxiliaryNamingOptions, GroupOptions, FileOptions, ShardOptions):
    """The options of `kldeval reproduce`: those that chose the files, where the report has not saved them."""

    fixations: Path | None = option(type=FilePath(), metavar="PATH", help="The fixations.")
    mask: Path | None = option(type=FilePath(), metavar="PATH", help="The masks.")
    weights: Path | None = option(type=FilePath(), metavar="PATH", help="The maps of weights.")
    baseline: Path | None = option(type=FilePath(), metavar="PATH", help="The baseline's maps.")
    other_map: Path | None = option(type=FilePath(), metavar="PATH", help="The other fixations.")
    tolerance: float = option(
        type=click.FLOAT,
        default=0.0,
        metavar="X",
        help="How far a number may be from that of a report, as a share of it [default: 0, every digit].",
    )
    jobs: int | None = option(type=WholeNumber(min=1), metavar="N", help="Workers [default: one per core].")


@click.command("reproduce", cls=GroupedCommand, context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("file", type=FilePath(), metavar="FILE")
@click.argument("paths", nargs=-1, type=FilePath(), metavar="[PRED... GT]")
@takes(ReproduceOptions)
@DEBUG
def command(file: Path, paths: tuple[Path, ...], options: ReproduceOptions) -> int:
    """Compute the numbers of a saved report or of a published row again, and say what differs.

    FILE is a report or a leaderboard in JSON, whose signatures are run on the files that it names, or on PRED and GT;
    or a row of published numbers in TOML (docs/reproduce.md). A report that was written with --digests has saved the
    options that chose its files, and tells which files are others.

    \b
    kldeval pred_dir gt_dir --digests -o report.json
    kldeval reproduce report.json
    kldeval reproduce report.json other_pred_dir gt_dir
    kldeval reproduce report.json --tolerance 1e-12
    kldeval reproduce docs/reproductions/pysodmetrics-mae.toml preds masks

    Exit code 0 when every digit agrees, or every number within --tolerance, else 1.
    """  # noqa: D301 - \b is click's mark of lines to keep
    check_document(file)
    check_answer(options)
    from kldeval.analysis.reproduce import reproduce
    from kldeval.cli.terminal import progress_bar
    from kldeval.run_options import RunOptions
    from kldeval.writers.answer_pages import reproduction_json, reproduction_page

    given = options.given(RunOptions._fields)
    said = {name: value for name, value in given.items() if value not in (None, False, ())}
    with progress_bar(progress=options.progress, quiet=options.quiet) as progress:
        found = reproduce(file, paths, said, progress, options.tolerance)
    facts = {"file": found.file, **found.provenance}
    deliver_answer(reproduction_page(found), reproduction_json(found), facts, options)
    return 0 if found.agrees else 1
