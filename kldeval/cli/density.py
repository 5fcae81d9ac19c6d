"""`kldeval density FIXATIONS OUT`: ground truths from fixations."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import click

from kldeval.cli.groups import DEBUG, FilePath, WholeNumber, option, takes, text_option
from kldeval.cli.messages import say, show_line
from kldeval.cli.options import READING, EngineOptions, ProgressOptions, ReadingOptions
from kldeval.cli.terminal import progress_bar
from kldeval.errors import count

if TYPE_CHECKING:
    from pathlib import Path

    from kldeval.analysis.ground_truth_maps import DensityPlan
    from kldeval.normalization.gaussian import Border

FOLDER = FilePath()


class DensityOptions(ReadingOptions, ProgressOptions, EngineOptions):
    """The options of `kldeval density`."""

    sigma: float = option(type=float, required=True, metavar="X", help="Of the Gaussian, in pixels.")
    pixels_per_degree: float | None = option(
        type=float, metavar="P", help="Sigma is in degrees of visual angle, of P pixels."
    )
    border: Border = option(
        default="reflect",
        metavar="RULE",
        help="reflect (default), mirror, nearest, constant or wrap (360 degrees).",
    )
    projection: str = option(
        default="none",
        metavar="NAME",
        help="equirectangular: a Gaussian on the sphere, for --weights latitude [default: none].",
    )
    truncate: float = option(type=float, default=4.0, metavar="X", help="Cut the Gaussian off after X sigma [4].")
    repeats: str = option(type=click.Choice(["count", "once"]), default="count", help="Fixations of a pixel [count].")
    size: str | None = text_option("WxH", "Of the images, where the fixations do not say.")
    like: Path | None = option(type=FOLDER, metavar="DIR", help="Maps that have the images' sizes and names.")
    jobs: int | None = option(type=WholeNumber(min=1), metavar="N", help="Workers [default: one per core].")
    quiet: bool = option("-q", "--quiet", is_flag=True, help="Errors only.")


@click.command("density", context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("fixations", type=FOLDER)
@click.argument("out", type=FOLDER)
@takes(DensityOptions)
@DEBUG
def command(fixations: Path, out: Path, options: DensityOptions) -> int:
    """Build ground-truth maps from fixations: OUT/NAME.npy in float64, and OUT/NAME.json, which says how.

    Numbers that are computed from such maps have in their signature all that made them: the Gaussian, its border, how
    the fixations were read and how many they are.
    """
    from kldeval.analysis.ground_truth_maps import Built, build
    from kldeval.executors.choice import executor_for
    from kldeval.run_options import RunOptions

    plan = _plan(fixations, out, options)
    executor = executor_for(RunOptions(**options.given(("jobs", *EngineOptions.own()))))
    with progress_bar(progress=options.progress, quiet=options.quiet) as progress:
        note = None if options.quiet else partial(say, kind="note")
        outcomes = list(build(plan, progress, note, executor))
    built = [outcome for outcome in outcomes if isinstance(outcome, Built)]
    for outcome in outcomes:
        if not isinstance(outcome, Built):
            say(f"{outcome.name}: {outcome.message}")
    if not options.quiet:
        outside = sum(one.n_outside for one in built)
        left_out = f", {outside} outside left out" if outside else ""
        total = sum(one.n_fixations for one in built)
        show_line(f"{out}: {count(len(built), 'map')} of {count(total, 'fixation')}{left_out}, {plan.smoothing.text}")
    return 0 if len(built) == len(outcomes) else 1


def _plan(fixations: Path, out: Path, options: DensityOptions) -> DensityPlan:
    from kldeval.analysis.ground_truth_maps import DensityPlan, Smoothing, sigma_in_pixels
    from kldeval.engine.auxiliary import reading_and_outside
    from kldeval.grammar import Size, parse_value
    from kldeval.settings.auxiliary import fixation_reading

    per_degree = options.pixels_per_degree
    smoothing = Smoothing(
        sigma_in_pixels(options.sigma, per_degree),
        options.border,
        options.repeats == "count",
        options.truncate,
        options.sigma if per_degree else None,
        per_degree,
        options.projection,
    )
    size = parse_value(options.size, Size, f"--size {options.size}") if options.size else None
    asked = options.given(READING)
    reading, outside = reading_and_outside(asked)
    shape = (int(size[1]), int(size[0])) if isinstance(size, tuple) else None
    how = fixation_reading(asked)
    return DensityPlan(fixations, out, smoothing, reading, outside, shape, options.like, options.jobs, how)
