"""`kldeval calibrate PRED GT`: a temperature fitted on one half of the maps, and what it does on the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from kldeval.cli.groups import DEBUG, option, takes
from kldeval.cli.help import GroupedCommand
from kldeval.cli.model_options import ResamplingOptions, resampling_from
from kldeval.cli.options import (
    AuxiliaryNamingOptions,
    ComputingOptions,
    FileOptions,
    GroupOptions,
    ManifestOptions,
    NumericOptions,
    ProgressOptions,
    paths_argument,
    request_from,
    settings_from,
    split_paths,
)
from kldeval.cli.reporting import LookOptions, OutputOptions, check_columns, deliver, exit_code, open_sink
from kldeval.data.kinds import check_there

if TYPE_CHECKING:
    from pathlib import Path

OF_LABELS, OF_LOGITS = "ce,ece,classwise-ece,brier", "bce,binary-ece,binary-brier"
"""The metrics where none is named."""


class CalibrateOptions(
    NumericOptions,
    GroupOptions,
    ManifestOptions,
    AuxiliaryNamingOptions,
    FileOptions,
    ResamplingOptions,
    LookOptions,
    OutputOptions,
    ProgressOptions,
    ComputingOptions,
):
    """The options of `kldeval calibrate`."""

    fit_share: float = option(
        type=float,
        default=0.5,
        metavar="P",
        help="The part of the maps that the temperature is fitted on [default: 0.5].",
    )


@click.command("calibrate", cls=GroupedCommand, context_settings={"help_option_names": ["-h", "--help"]})
@paths_argument
@takes(CalibrateOptions)
@DEBUG
def command(paths: tuple[Path, ...], options: CalibrateOptions) -> int:
    """Fit one temperature on a part of the maps, and score the others as they are and under it.

    What a single temperature mends of the cross-entropy is calibration; what is left is not. The maps are divided at
    random (--seed), groups are not torn apart (--group-by).

    \b
    kldeval calibrate logits/ labels/ --norm softmax --axis 0 --ignore-index 255
    kldeval calibrate logits/ gt/ --norm sigmoid
    """  # noqa: D301 - \b is click's mark of lines to keep
    check_there(paths)
    from kldeval.cli.config import with_config_provenance
    from kldeval.cli.terminal import progress_bar
    from kldeval.errors import UsageProblem

    if not (options.metric or options.signature):
        chain = options.norm or options.pred_norm or ""
        if "sigmoid" in chain:
            options = options.replaced(metric=(OF_LOGITS,))
        elif options.axis or "axis=" in chain:
            options = options.replaced(metric=(OF_LABELS,))
    settings = settings_from(options, manifest=options.manifest, group_by=options.group_by)
    preds, gt = split_paths(paths, options.manifest)
    if len(preds) > 1:
        msg = "calibrate takes one prediction: fit each model by itself"
        raise UsageProblem(msg)
    sink = open_sink(options)
    check_columns(options, settings.keys)
    resampling, request = resampling_from(options), request_from(options)
    from kldeval.analysis.calibrate import calibrate

    with progress_bar(progress=options.progress, quiet=options.quiet) as progress:
        board = calibrate(
            preds[0] if preds else None, gt, settings, request, resampling, share=options.fit_share, progress=progress
        )
    document = with_config_provenance(board)
    deliver(document, sink)
    return exit_code(document)
