"""`kldeval observers [PRED...] FIXATIONS`: learning curves of the gold standard."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from kldeval.cli.answers import AnswerOptions, check_answer, deliver_answer
from kldeval.cli.groups import DEBUG, FilePath, WholeNumber, flag_option, option, takes, text_option
from kldeval.cli.help import GroupedCommand
from kldeval.cli.model_options import NameOptions, ResamplingOptions, resampling_from
from kldeval.cli.options import EngineOptions, ReadingOptions
from kldeval.data.kinds import check_fixations_there

if TYPE_CHECKING:
    from pathlib import Path


class ObserversOptions(AnswerOptions, NameOptions, ResamplingOptions, ReadingOptions, EngineOptions):
    """The options of `kldeval observers`."""

    metric: tuple[str, ...] = option(
        "-m",
        "--metric",
        multiple=True,
        metavar="NAME",
        help="Metrics of fixations, or of maps [default: ig,nss,auc; with --sigma also kld,cc,sim].",
    )
    sigma: float | None = option(type=float, metavar="X", help="The Gaussian of the halves' ground truths, in pixels.")
    counts: str | None = text_option("LIST", "Numbers of observers, as 1,2,5,10 [default: powers of two].")
    draws: int = option(type=WholeNumber(min=1), default=1, metavar="N", help="Rounds of splits [default: 1].")
    chance: str = text_option(
        "WHAT", "uniform, or others: the fixations on all other images [default: uniform].", default="uniform"
    )
    extrapolate: bool = flag_option("Also where a power law would end, which is said to be an extrapolation.")
    pred_norm: str | None = text_option("CHAIN", "Normalisation of the models' maps [default: sum-to-one].")
    resize: str | None = text_option("HOW", "Where a model's map has another size than the image [default: none].")
    color: str | None = text_option("HOW", "Maps whose colour channels differ: luma, mean or first [default: error].")
    size: str | None = text_option("WxH", "Of the images, where neither fixations nor models say.")
    like: Path | None = option(type=FilePath(), metavar="DIR", help="Maps that have the images' sizes.")
    pred_name: str | None = text_option("TEMPLATE", "Names of the models' maps, as '{name}_out.png' [default: {name}].")
    fixations_name: str | None = text_option("TEMPLATE", "Names of the files of fixations [default: {name}].")
    pred_key: str | None = text_option("NAME", "The array of .npz or .mat files of the models.")
    limit: int | None = option(type=WholeNumber(min=1), metavar="N", help="Only the first N images.")
    jobs: int | None = option(type=WholeNumber(min=1), metavar="N", help="Workers [default: one per core].")


@click.command("observers", cls=GroupedCommand, context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("paths", nargs=-1, required=True, type=FilePath(), metavar="[PRED]... FIXATIONS")
@takes(ObserversOptions)
@DEBUG
def command(paths: tuple[Path, ...], options: ObserversOptions) -> int:
    """How well n observers predict others, and where models stand between chance and them.

    ig, nss and auc: n observers predict another one. kld, cc and sim: n predict the ground-truth map of n others, and
    models are scored against the same. The kernel of the observers' density is fitted again for each n.

    \b
    kldeval observers model_a model_b fixations.csv
    kldeval observers fixations.csv --size 640x480 --counts 1,2,4,8 --extrapolate
    kldeval observers model_a fixations.csv --sigma 24 --output curves.html

    Exit code 0 when every image was scored, else 1.
    """  # noqa: D301 - \b is click's mark of lines to keep
    check_fixations_there(paths[-1])
    check_answer(options)
    from kldeval.analysis.observers import CurvesRequest, learning_curves
    from kldeval.cli.options import READING, request_from
    from kldeval.cli.terminal import progress_bar
    from kldeval.reports.leaderboard import name_models
    from kldeval.writers.observers_page import observers_charts, observers_json, observers_page

    drawn = resampling_from(options)
    texts = options.given(("pred_norm", "resize", "color", *READING))
    asked = CurvesRequest(
        {**texts, "metric": ",".join(options.metric) or None},
        counts=None if options.counts is None else _numbers(options.counts),
        draws=options.draws,
        seed=drawn.seed,
        sigma=options.sigma,
        chance=options.chance,
        size=_size(options.size),
        like=options.like,
        resamples=drawn.resamples,
        confidence=drawn.confidence,
        extrapolates=options.extrapolate,
    )
    preds = paths[:-1]
    _check(options, n_models=len(preds))
    models = dict(zip(name_models(preds, options.names), preds, strict=True)) if preds or options.names else {}
    with progress_bar(progress=options.progress, quiet=options.quiet) as progress:
        found = learning_curves(models, paths[-1], asked, request_from(options), progress)
    page, json = observers_page(found), observers_json(found)
    deliver_answer(page, json, found.provenance, options, observers_charts(found))
    return 1 if found.failures else 0


OF_MODELS = ("pred_norm", "pred_name", "pred_key", "resize", "color")
"""The options that are about models' maps."""


def _check(options: ObserversOptions, n_models: int) -> None:
    """Refuse options of the command line that have nothing to do.

    Raises:
        UsageProblem: naming the first of them.
    """
    from kldeval.cli.options import ON_COMMAND_LINE, rank
    from kldeval.errors import UsageProblem

    idle = [name for name in OF_MODELS if not n_models and rank(name) == ON_COMMAND_LINE]
    if idle:
        msg = f"--{idle[0].replace('_', '-')} is about the maps of models, and none is given: leave it out"
        raise UsageProblem(msg)
    if options.size is not None and options.like is not None:
        msg = "--size says the size of all images, and --like that of each: say one"
        raise UsageProblem(msg)


def _numbers(text: str) -> tuple[int, ...]:
    """The whole numbers of a list.

    Raises:
        UsageProblem: something else stands there.
    """
    from kldeval.errors import UsageProblem

    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() for part in parts):
        msg = f"--counts {text}: whole numbers of observers, as 1,2,5,10"
        raise UsageProblem(msg)
    return tuple(map(int, parts))


def _size(text: str | None) -> tuple[int, int] | None:
    """The (height, width) of a size WxH."""
    from kldeval.grammar import Size, parse_value

    size = parse_value(text, Size, f"--size {text}") if text else None
    return (int(size[1]), int(size[0])) if isinstance(size, tuple) else None
