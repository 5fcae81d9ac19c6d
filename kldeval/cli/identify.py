"""`kldeval identify --value X PRED GT`: which conventions print a published number."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from kldeval.cli.answers import answers_help, check_answer_format, show_answer
from kldeval.cli.groups import DEBUG, WholeNumber, option, takes, text_option
from kldeval.cli.help import GroupedCommand
from kldeval.cli.options import (
    READING,
    CacheOptions,
    EngineOptions,
    FileOptions,
    FixationNamingOptions,
    GroupOptions,
    NamingOptions,
    ProgressOptions,
    ReadingOptions,
    ShardOptions,
    check_fixations_serve,
    pair_of_paths,
    request_from,
)
from kldeval.data.kinds import check_there

if TYPE_CHECKING:
    from pathlib import Path


class IdentifyOptions(
    ReadingOptions,
    ProgressOptions,
    NamingOptions,
    FixationNamingOptions,
    GroupOptions,
    FileOptions,
    ShardOptions,
    EngineOptions,
    CacheOptions,
):
    """The options of `kldeval identify`."""

    values: tuple[str, ...] = option(
        "--value",
        required=True,
        multiple=True,
        metavar="[METRIC=]X",
        help="The number as it was printed, such as 0.27 or cc=0.61: digits matter. Several are one row of a table.",
    )
    fixations: str | None = text_option(
        "PATH", "Of nss, auc and sauc: a folder by name, or one file (maps, .mat, .csv, .tsv, .json, .jsonl)."
    )
    resize: str | None = text_option("HOW", "For the conventions that have no resizing of their own, as in evaluate.")
    color: str | None = text_option("HOW", "Maps whose colour channels differ: luma, mean or first [default: error].")
    format_: str = option("--format", default="table", metavar="NAME", help_of=answers_help)
    quiet: bool = option("-q", "--quiet", is_flag=True, help="No progress on stderr, errors only.")
    jobs: int | None = option(type=WholeNumber(min=1), metavar="N", help="Workers [default: one per core].")


@click.command("identify", cls=GroupedCommand, context_settings={"help_option_names": ["-h", "--help"]})
@pair_of_paths
@takes(IdentifyOptions)
@DEBUG
def command(pred: Path, gt: Path, options: IdentifyOptions) -> int:
    """Find which conventions print a published number on these maps: the audit reversed.

    Tried are every convention, and every convention with one or two changes: another epsilon, direction, axis, scale,
    reduction or base; resizing, too, where sizes differ. What prints the number to its rounding is listed, the simplest
    first, with the flags that repeat it, and how many hits chance gives.

    Several numbers are taken for one row of a table: what prints all of them shares its resizing and its averaging,
    which is over maps, over groups (--group-by, or folders) or, of metrics of fixations, over fixations.

    \b
    kldeval identify --value 0.27 pred_dir gt_dir
    kldeval identify --value kld=0.27 --value cc=0.61 --value nss=1.9 pred_dir gt_dir --fixations fixations.csv

    Exit code 0 when something prints the number, or the whole row, else 1.
    """  # noqa: D301 - \b is click's mark of lines to keep
    check_there((pred, gt))
    from kldeval.cli.terminal import progress_bar
    from kldeval.errors import UsageProblem
    from kldeval.metrics.registry import METRICS
    from kldeval.reports.identification import published_value
    from kldeval.writers.small_pages import identification_json, identification_page

    check_answer_format(options.format_)
    targets = [published_value(text) for text in options.values]
    metrics = [target.metric for target in targets]
    twice = next((metric for metric in metrics if metrics.count(metric) > 1), None)
    if twice:
        msg = f"--value {twice} is given twice: a row has one number of each metric"
        raise UsageProblem(msg)
    if all(metric in METRICS and METRICS[metric].info.on != "fixations" for metric in metrics):
        check_fixations_serve(options, metrics)
    reading = dict.fromkeys(READING) | options.given(READING)
    from kldeval.analysis.identify import IdentifyRequest, identify

    request = IdentifyRequest(pred, gt, request_from(options), options.resize, options.color, reading)
    with progress_bar(progress=options.progress, quiet=options.quiet) as progress:
        found = identify(targets, request, progress)
    show_answer(options.format_, identification_page(found), identification_json(found), {})
    return 0 if found.guesses or found.joint else 1
