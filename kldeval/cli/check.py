"""`kldeval check PRED GT`: the pairing and what is wrong with it; nothing is scored."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from kldeval.cli.groups import DEBUG, FilePath, flag_option, option, takes
from kldeval.cli.help import GroupedCommand
from kldeval.cli.messages import drawn, show
from kldeval.cli.options import (
    AuxiliaryNamingOptions,
    ComputingOptions,
    FileOptions,
    ManifestOptions,
    NumericOptions,
    ShardOptions,
    paths_argument,
    request_from,
    settings_from,
    split_paths,
)
from kldeval.cli.rows import ignored_label, with_defaults
from kldeval.data.kinds import check_there

if TYPE_CHECKING:
    from pathlib import Path

    from kldeval.reports.documents import Inspection


class CheckOptions(
    NumericOptions, ManifestOptions, AuxiliaryNamingOptions, FileOptions, ShardOptions, ComputingOptions
):
    """The options of `kldeval check`."""

    pairs: bool = flag_option("Show every pair, with what its files hold.")
    rows: bool = flag_option("Rows of logits (T, V) are units.")
    labels: Path | None = option(type=FilePath(), metavar="PATH", help="With --rows, the right entry of each row.")


@click.command("check", cls=GroupedCommand, context_settings={"help_option_names": ["-h", "--help"]})
@paths_argument
@takes(CheckOptions)
@DEBUG
def command(paths: tuple[Path, ...], options: CheckOptions) -> int:
    """Show what is wrong with PRED and GT, and what their files hold, without scoring; --pairs shows every pair.

    Where names differ by a prefix, a suffix, a folder or zeros, templates that would pair them are proposed.

    Exit code 1 if anything is wrong: the same maps would fail in an evaluation with the same options.
    """
    if not options.rows:
        check_there(paths)
    from kldeval.errors import UsageProblem

    preds, gt = split_paths(paths, options.manifest)
    if len(preds) > 1:
        msg = f"check looks at one prediction at a time; here are {', '.join(map(str, preds))}"
        raise UsageProblem(msg)
    pred = preds[0] if preds else None
    if options.rows:
        return _check_rows(pred, gt, options)
    if options.labels is not None:
        msg = f"--labels {options.labels} is of the rows of --rows; labels of maps are the ground truths"
        raise UsageProblem(msg)
    settings = settings_from(options, manifest=options.manifest)
    from kldeval.analysis.check import inspect
    from kldeval.writers.small_pages import inspection_page

    inspection: Inspection = inspect(pred, gt, settings, request_from(options))
    show(drawn(inspection_page(inspection, options.pairs)))
    return 1 if inspection.failures or not inspection.rows else 0


def _check_rows(pred: Path | None, gt: Path | None, options: CheckOptions) -> int:
    """Show what stands against scoring rows; the exit code.

    Raises:
        UsageProblem: they cannot be paired, or something is asked for that rows do not have.
    """
    from kldeval.analysis.rows import run_rows
    from kldeval.writers.rows_page import checked_rows_page

    asked = with_defaults(options)
    settings = settings_from(asked, manifest=options.manifest)
    found = run_rows(
        pred,
        gt,
        settings,
        request_from(options),
        labels=options.labels,
        ignore_index=ignored_label(options.ignore_index),
    )
    show(drawn(checked_rows_page(found)))
    return 1 if found.failures or not found.n else 0
