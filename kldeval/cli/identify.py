"""`kldeval identify --value X PRED GT`: which conventions print a published number."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from kldeval.cli.help import GroupedCommand
from kldeval.cli.messages import drawn, show
from kldeval.cli.options import file_options, naming_options, pair_of_paths, request_from

if TYPE_CHECKING:
    from pathlib import Path


FORMATS = "table", "json"


@click.command("identify", cls=GroupedCommand, context_settings={"help_option_names": ["-h", "--help"]})
@pair_of_paths
@click.option("--value", required=True, metavar="X", help="The number as it was printed, such as 0.27: digits matter.")
@click.option("--resize", metavar="HOW", help="For the conventions that have no resizing of their own, as in evaluate.")
@click.option("--color", metavar="HOW", help="Maps whose colour channels differ: luma, mean or first [default: error].")
@click.option("--format", "format_", default="table", metavar="NAME", help="table or json [default: table].")
@click.option("-q", "--quiet", is_flag=True, help="No progress on stderr, errors only.")
@click.option("--progress/--no-progress", default=None, help="A progress bar on stderr [default: on a terminal].")
@click.option("--jobs", type=click.IntRange(min=1), metavar="N", help="Threads [default: one per core].")
@click.option("--debug", is_flag=True, help="Show a traceback on errors.")
@naming_options
@file_options
def command(pred: Path, gt: Path, **options: Any) -> int:
    """Find which conventions print a published number on these maps: the audit reversed.

    Tried are every convention, and every convention with one or two changes: another epsilon, direction, axis, scale,
    reduction or base. What prints the number to its rounding is listed, best first, with the flags that repeat it.

    Exit code 0 when something prints the number, else 1.
    """
    from kldeval.analysis.identify import identify
    from kldeval.cli.terminal import progress_bar
    from kldeval.grammar import unknown
    from kldeval.reports.identification import published
    from kldeval.writers.small_pages import identification_json, identification_page

    if options["format_"] not in FORMATS:
        raise unknown("format", options["format_"], FORMATS)
    target = published(options["value"])
    with progress_bar(options) as progress:
        found = identify(
            target,
            pred,
            gt,
            request_from(options),
            resize=options["resize"],
            color=options["color"],
            progress=progress,
        )
    json = options["format_"] == "json"
    show(identification_json(found) if json else drawn(identification_page(found)))
    return 0 if found.guesses else 1
