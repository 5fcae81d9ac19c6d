"""`kldeval explain PRED GT`: one pair, step by step, as numbers and as pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from kldeval.cli.groups import DEBUG, FilePath, WholeNumber, flag_option, option, takes
from kldeval.cli.help import GroupedCommand
from kldeval.cli.messages import drawn, render_options, say, show, terminal_width
from kldeval.cli.options import FileOptions, NumericOptions, pair_of_paths, request_from, settings_from
from kldeval.cli.reporting import SignatureOptions, check_outputs
from kldeval.data.kinds import check_there

if TYPE_CHECKING:
    from pathlib import Path

    from kldeval.records import MapPair
    from kldeval.settings.settings import Settings

PANEL_WIDTHS = range(12, 33)
"""Letters of a picture in a terminal."""


class ExplainOptions(NumericOptions, FileOptions, SignatureOptions):
    """The options of `kldeval explain`."""

    picture: bool = flag_option("Also show the pair, where the terminal has colours.")
    save: Path | None = option(
        type=FilePath(),
        metavar="FILE.png",
        help="Write the pair, the difference and what each pixel adds as one picture.",
    )
    worst: int | None = option(type=WholeNumber(min=1), metavar="N", help="Of two folders, the N-th worst map.")


@click.command("explain", cls=GroupedCommand, context_settings={"help_option_names": ["-h", "--help"]})
@pair_of_paths
@takes(ExplainOptions)
@DEBUG
def command(pred: Path, gt: Path, options: ExplainOptions) -> int:
    """Show one pair step by step: what each step does to the numbers, and which pixels make the result.

    A map of at most 8 x 8 values is shown whole, the softmax within rows beside the softmax of the whole map.

    \b
    kldeval explain pred.png gt.png --convention mit
    kldeval explain pred.png gt.png --picture
    kldeval explain pred.png gt.png --save pair.png
    kldeval explain pred_dir gt_dir --worst 1
    """  # noqa: D301 - \b is click's mark of lines to keep
    check_there((pred, gt))
    _check_target(options.save)
    settings = settings_from(options)
    request = request_from(options)
    from kldeval.analysis.explain import explain, worst_map
    from kldeval.engine.run import read_one, run
    from kldeval.writers.small_pages import explanation_page

    name = worst_map(run(pred, gt, settings, request), options.worst) if options.worst else None
    pair, context, settings = read_one(pred, gt, settings, request, name)
    show(drawn(explanation_page(explain(pair, context, settings)), render_options(options)))
    if options.picture:
        _show_picture(pair, settings)
    if options.save:
        _save(options.save, pair, settings)
    return 0


def _check_target(path: Path | None) -> None:
    if path is None:
        return
    from kldeval.errors import UsageProblem

    if path.suffix.lower() != ".png":
        msg = f"--save {path}: the picture is a PNG file; give it the suffix .png"
        raise UsageProblem(msg)
    check_outputs([path])


def _show_picture(pair: MapPair, settings: Settings) -> None:
    """The pair in half blocks; a note where standard output is no terminal with colours."""
    import os
    import sys

    from kldeval.analysis.pictures import pictures_of
    from kldeval.writers.blocks import GAP, side_by_side
    from kldeval.writers.text import color_of

    width = terminal_width()
    if width is None or not color_of(sys.stdout, os.environ):
        say("--picture needs a terminal with colours; --save FILE.png writes the picture", "note")
        return
    n_panels = len(pictures_of(pair, settings, 1))
    room = (width + GAP) // n_panels - GAP
    panels = pictures_of(pair, settings, min(PANEL_WIDTHS[-1], max(PANEL_WIDTHS[0], room)))
    exact = os.environ.get("COLORTERM", "") in ("truecolor", "24bit")
    show(f"\n{side_by_side({title: picture.tolist() for title, (picture, _) in panels.items()}, exact=exact)}")


def _save(path: Path, pair: MapPair, settings: Settings) -> None:
    from kldeval.analysis.colors import png
    from kldeval.analysis.pictures import sheet
    from kldeval.writers.files import write_atomically

    write_atomically(path, png(sheet(pair, settings, pair.name)))
