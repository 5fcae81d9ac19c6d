"""`kldeval steps [NAME]`: the steps of a normalisation, or one in full."""

from __future__ import annotations

import click

from kldeval.cli.groups import DEBUG
from kldeval.cli.messages import show_line, terminal_width


@click.command("steps", context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("name", required=False)
@DEBUG
def command(name: str | None) -> int:
    """Show every step of --norm with what it does; or one with its formula and parameters.

    \b
    kldeval steps
    kldeval steps sum-to-one
    """  # noqa: D301 - \b is click's mark of lines to keep
    from kldeval.cli.entries import entry_lines, range_lines, table_lines
    from kldeval.cli.ranges import STEP_RANGES
    from kldeval.normalization.steps import STEPS

    room = terminal_width()
    if name is None:
        lines = table_lines({key: STEPS[key].function for key in sorted(STEPS)}, room)
    else:
        entry = STEPS[name.lower().replace("_", "-")]
        lines = entry_lines(entry, room)
        lines += range_lines(STEP_RANGES.get(entry.name), room)
    for line in lines:
        show_line(line)
    return 0
