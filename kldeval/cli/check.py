"""`kldeval check PRED GT`: the pairing and what is wrong with it; nothing is scored."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from kldeval.cli.help import GroupedCommand
from kldeval.cli.messages import drawn, is_on_terminal, show
from kldeval.cli.options import (
    MANIFEST,
    computing_options,
    file_options,
    naming_options,
    numeric_options,
    paths_argument,
    request_from,
    settings_from,
    split_paths,
)

if TYPE_CHECKING:
    from pathlib import Path

    from kldeval.reports.documents import Inspection


@click.command("check", cls=GroupedCommand, context_settings={"help_option_names": ["-h", "--help"]})
@paths_argument
@numeric_options
@MANIFEST
@naming_options
@file_options
@computing_options
def command(paths: tuple[Path, ...], **options: Any) -> int:
    """Show which files of PRED and GT belong together, what they hold, and what is wrong, without scoring.

    Where names differ by a prefix, a suffix, a folder or zeros, templates that would pair them are proposed.

    Exit code 1 if anything is wrong: the same maps would fail in an evaluation with the same options.
    """
    from kldeval.analysis.check import inspect
    from kldeval.errors import UsageProblem
    from kldeval.writers.small_pages import inspection_page, inspection_text

    settings = settings_from(options)
    preds, gt = split_paths(paths, options)
    if len(preds) > 1:
        msg = f"check looks at one prediction at a time; here are {', '.join(map(str, preds))}"
        raise UsageProblem(msg)
    pred = preds[0] if preds else None
    inspection: Inspection = inspect(pred, gt, settings, request_from(options))
    show(drawn(inspection_page(inspection)) if is_on_terminal() else inspection_text(inspection))
    return 1 if inspection.failures or not inspection.rows else 0
