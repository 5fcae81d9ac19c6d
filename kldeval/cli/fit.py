"""`kldeval fit PRED GT`: how much of a model's KLD is blur, centre bias, temperature and a uniform part."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from kldeval.cli.answers import AnswerOptions, check_answer, deliver_answer
from kldeval.cli.groups import DEBUG, FilePath, WholeNumber, option, takes, text_option
from kldeval.cli.help import GroupedCommand
from kldeval.cli.options import EngineOptions, FileOptions, GroupOptions, NamingOptions
from kldeval.data.kinds import check_there

if TYPE_CHECKING:
    from pathlib import Path


class FitOptions(AnswerOptions, NamingOptions, GroupOptions, FileOptions, EngineOptions):
    """The options of `kldeval fit`."""

    parts: str | None = text_option("LIST", "What is fitted [default: temperature,blur,centre,uniform].")
    folds: int = option(type=WholeNumber(min=2), default=5, metavar="N", help="Parts of the maps [default: 5].")
    seed: int = option(
        type=WholeNumber(min=0), default=0, metavar="N", help="Of the folds and the bootstrap [default: 0]."
    )
    gt_norm: str | None = text_option("CHAIN", "Normalisation of the ground truth [default: sum-to-one].")
    resize: str | None = text_option("HOW", "Where sizes differ, as in evaluate [default: none].")
    color: str | None = text_option("HOW", "Maps whose colour channels differ: luma, mean or first [default: error].")
    jobs: int | None = option(type=WholeNumber(min=1), metavar="N", help="Workers [default: one per core].")


@click.command("fit", cls=GroupedCommand, context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("pred", type=FilePath())
@click.argument("gt", type=FilePath())
@takes(FitOptions)
@DEBUG
def command(pred: Path, gt: Path, options: FitOptions) -> int:
    """Fit a few parameters on some maps, and say how much of the KLD of the others they take away.

    Blur, a multiplicative centre bias, a temperature (a gamma of the map) and a uniform part: what is left is no
    calibration. Folds are of maps, or of groups (--group-by). The chain is printed as one types it.

    \b
    kldeval fit pred_dir gt_dir
    kldeval fit pred_dir gt_dir --parts temperature,uniform --format json
    """  # noqa: D301 - \b is click's mark of lines to keep
    check_there((pred, gt))
    from kldeval.analysis.fit import PARTS, fit, settings_of_fit
    from kldeval.cli.options import request_from
    from kldeval.cli.terminal import progress_bar
    from kldeval.writers.answer_pages import fit_json, fit_page

    check_answer(options)
    said = {"gt_norm": options.gt_norm, "resize": options.resize, "color": options.color, "group_by": options.group_by}
    settings = settings_of_fit(said)
    parts = tuple(part.strip() for part in options.parts.split(",")) if options.parts else PARTS
    with progress_bar(progress=options.progress, quiet=options.quiet) as progress:
        found = fit(
            pred,
            gt,
            settings,
            request_from(options),
            parts=parts,
            folds=options.folds,
            seed=options.seed,
            progress=progress,
        )
    deliver_answer(fit_page(found), fit_json(found), found.provenance, options)
    return 1 if found.failures else 0
