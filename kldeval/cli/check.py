"""`kldeval check PRED GT`: the pairing and what is wrong with it; nothing is scored."""

from __future__ import annotations

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
    from pathlib import Path

    from kldeval.results.inspection import Inspection


@click.command("check", context_settings={"help_option_names": ["-h", "--help"]})
@pair_of_paths
@numeric_options
@file_options
@computing_options
def command(pred: Path, gt: Path, **options: Any) -> int:
    """Show which files belong together, what they hold, and what is wrong, without scoring.

    Exit code 1 if anything is wrong: the same maps would fail in an evaluation with the same options.
    """
    from kldeval.engine.inspect import inspect
    from kldeval.outputs.inspection import write

    settings = settings_from(options)
    inspection: Inspection = inspect(pred, gt, settings, request_from(options))
    click.echo(write(inspection), nl=False)
    return 1 if inspection.failures or not inspection.rows else 0
