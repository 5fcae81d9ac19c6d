"""`kldeval metrics [NAME]`: the metrics that there are, or one in full."""

from __future__ import annotations

from importlib import import_module

import click

from kldeval.cli.groups import DEBUG
from kldeval.cli.messages import show_line, terminal_width


@click.command("metrics", context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("name", required=False)
@DEBUG
def command(name: str | None) -> int:
    """Show every metric with what it is; or one with its formula, range, parameters and source.

    \b
    kldeval metrics
    kldeval metrics kld
    """  # noqa: D301 - \b is click's mark of lines to keep
    import_module("kldeval.settings.build")  # which registers the metrics
    import_module("kldeval.metrics.classification")
    from kldeval.cli.entries import entry_lines, range_lines, table_lines
    from kldeval.cli.ranges import METRIC_RANGES
    from kldeval.grammar import unknown
    from kldeval.metrics.registry import LABEL_METRICS, METRICS
    from kldeval.settings.spellings import canonical_metrics

    every = {**{key: LABEL_METRICS[key] for key in LABEL_METRICS}, **{key: METRICS[key] for key in METRICS}}
    room = terminal_width()
    if name is None:
        lines = table_lines({key: every[key].function for key in sorted(every)}, room)
    else:
        spelt = canonical_metrics(name)
        if spelt not in every:
            raise unknown("metric", name, every)
        found = [registry[spelt] for registry in (METRICS, LABEL_METRICS) if spelt in registry]
        lines = [line for entry in found for line in entry_lines(entry, room)]
        lines += range_lines(METRIC_RANGES.get(spelt), room)
    for line in lines:
        show_line(line)
    return 0
