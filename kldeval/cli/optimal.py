"""`kldeval optimal PRED OUT --for METRIC`: from a predicted density the map that a metric rewards most."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from kldeval.cli.answers import AnswerOptions, check_answer, deliver_answer
from kldeval.cli.groups import DEBUG, FilePath, WholeNumber, option, takes, text_option
from kldeval.cli.help import GroupedCommand
from kldeval.cli.options import EngineOptions
from kldeval.urls import displayed

if TYPE_CHECKING:
    from pathlib import Path


class OptimalOptions(AnswerOptions, EngineOptions):
    """The options of `kldeval optimal`."""

    target: str = option("--for", required=True, metavar="METRIC", help="nss, auc, sauc, cc, kld or sim.")
    sigma: float | None = option(type=float, metavar="X", help="The Gaussian of the ground truths, in pixels.")
    baseline: Path | None = option(type=FilePath(), metavar="FILE", help="Of sauc, the density of the centre bias.")
    n_fixations: int | None = option(
        type=WholeNumber(min=1), metavar="N", help="Of sim and cc, the fixations of a ground truth."
    )
    norm: str = option(
        default="sum-to-one", metavar="CHAIN", help="What makes densities of PRED [default: sum-to-one]."
    )
    bits: str = option(
        type=click.Choice(["8", "64"]), default="64", help="64: .npy; 8: PNG, of auc and sauc by rank [default: 64]."
    )
    color: str = text_option("HOW", "Maps whose colour channels differ: luma, mean or first.", default="error")
    seed: int = option(
        type=WholeNumber(min=0), default=0, metavar="N", help="Of what is drawn for sim and cc [default: 0]."
    )
    jobs: int | None = option(type=WholeNumber(min=1), metavar="N", help="Workers [default: one per core].")


@click.command("optimal", cls=GroupedCommand, context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("pred", type=FilePath())
@click.argument("out", type=FilePath())
@takes(OptimalOptions)
@DEBUG
def command(pred: Path, out: Path, options: OptimalOptions) -> int:
    """Make of a predicted density the map with the best expected score of one metric.

    PRED is a file or a folder of densities (or of maps that --norm makes such), OUT a file or a folder.

    \b
    kldeval optimal pred_dir best_for_sim --for sim --sigma 24 --n-fixations 60
    kldeval optimal pred.npy best.png --for auc --bits 8
    """  # noqa: D301 - \b is click's mark of lines to keep
    from kldeval.analysis.optimal_files import make_optimal
    from kldeval.cli.terminal import progress_bar
    from kldeval.executors.choice import executor_for
    from kldeval.provenance import versions
    from kldeval.reports.optimal_maps import OptimalRequest
    from kldeval.run_options import RunOptions
    from kldeval.writers.answer_pages import optimal_json, optimal_page

    check_answer(options)
    request = OptimalRequest(
        options.target,
        options.sigma,
        options.baseline,
        options.n_fixations,
        options.norm,
        int(options.bits),
        options.color,
        options.seed,
    )
    executor = executor_for(RunOptions(**options.given(("jobs", *EngineOptions.own()))))
    with progress_bar(progress=options.progress, quiet=options.quiet) as progress:
        found = make_optimal(pred, out, request, progress, executor)
    deliver_answer(optimal_page(found), optimal_json(found), {**versions(), "pred": displayed(pred)}, options)
    return 1 if found.failures or not found.maps else 0
