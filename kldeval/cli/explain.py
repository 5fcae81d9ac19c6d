"""`kldeval explain PRED GT`: one pair, step by step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from kldeval.cli.help import GroupedCommand
from kldeval.cli.messages import show
from kldeval.cli.options import file_options, numeric_options, pair_of_paths, request_from, settings_from

if TYPE_CHECKING:
    from pathlib import Path


@click.command("explain", cls=GroupedCommand, context_settings={"help_option_names": ["-h", "--help"]})
@pair_of_paths
@numeric_options
@file_options
@click.option("--debug", is_flag=True, help="Show a traceback on errors.")
def command(pred: Path, gt: Path, **options: Any) -> int:
    """Show one pair step by step: what each step does to the numbers, and which pixels make the result.

    A map of at most 8 x 8 values is shown whole, the softmax within rows beside the softmax of the whole map.
    """
    from kldeval.analysis.explain import explain
    from kldeval.engine.run import read_one
    from kldeval.writers.small_pages import explanation_text

    settings = settings_from(options)
    show(explanation_text(explain(*read_one(pred, gt, settings, request_from(options)), settings)))
    return 0
