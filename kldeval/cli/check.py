"""`kldeval check PRED GT`: the pairing and what is wrong with it; nothing is scored."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from kldeval.cli.groups import DEBUG, flag_option, takes
from kldeval.cli.help import GroupedCommand
from kldeval.cli.messages import drawn, is_on_terminal, show
from kldeval.cli.options import (
    ComputingOptions,
    FileOptions,
    ManifestOptions,
    NamingOptions,
    NumericOptions,
    paths_argument,
    request_from,
    settings_from,
    split_paths,
)

if TYPE_CHECKING:
    from pathlib import Path

    from kldeval.reports.documents import Inspection


class CheckOptions(NumericOptions, ManifestOptions, NamingOptions, FileOptions, ComputingOptions):
    """The options of `kldeval check`."""

    pairs: bool = flag_option("Show every pair, with what its files hold.")


@click.command("check", cls=GroupedCommand, context_settings={"help_option_names": ["-h", "--help"]})
@paths_argument
@takes(CheckOptions)
@DEBUG
def command(paths: tuple[Path, ...], options: CheckOptions) -> int:
    """Show what is wrong with PRED and GT, and what their files hold, without scoring; --pairs shows every pair.

    Where names differ by a prefix, a suffix, a folder or zeros, templates that would pair them are proposed.

    Exit code 1 if anything is wrong: the same maps would fail in an evaluation with the same options.
    """
    from kldeval.analysis.check import inspect
    from kldeval.errors import UsageProblem
    from kldeval.writers.small_pages import inspection_page, inspection_text

    settings = settings_from(options, manifest=options.manifest)
    preds, gt = split_paths(paths, options.manifest)
    if len(preds) > 1:
        msg = f"check looks at one prediction at a time; here are {', '.join(map(str, preds))}"
        raise UsageProblem(msg)
    pred = preds[0] if preds else None
    inspection: Inspection = inspect(pred, gt, settings, request_from(options))
    shown = (inspection, options.pairs)
    show(drawn(inspection_page(*shown)) if is_on_terminal() else inspection_text(*shown))
    return 1 if inspection.failures or not inspection.rows else 0
