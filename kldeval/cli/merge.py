"""`kldeval merge PART.json...`: reports of parts of the data as one report of all of it."""

from __future__ import annotations

from pathlib import Path

import click

from kldeval.cli.groups import DEBUG, takes
from kldeval.cli.model_options import GateOptions, gated, parse_gates
from kldeval.cli.reporting import OutputOptions, RowOptions, deliver, exit_code, open_sink


class MergeOptions(GateOptions, RowOptions, OutputOptions):
    """The options of `kldeval merge`."""


@click.command("merge", context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="PART.json...")
@takes(MergeOptions)
@DEBUG
def command(paths: tuple[Path, ...], options: MergeOptions) -> int:
    """Merge reports of parts of the data, as a job array writes them; every map must be in one part alone.

    kldeval merge part*.json --output all.json

    The signatures must be the same. Exit codes are those of an evaluation.
    """
    from kldeval.errors import UsageProblem
    from kldeval.reports.aggregate import merge
    from kldeval.reports.json_reader import load_report

    twice = [str(path) for path in paths if paths.count(path) > 1]
    if twice:
        msg = f"{twice[0]} is given twice: every map must be in one part alone"
        raise UsageProblem(msg)
    sink = open_sink(options)
    report = merge({str(path): load_report(path) for path in paths})
    report = gated(report, parse_gates(options.fail_if, report.summaries))  # type: ignore[assignment]
    deliver(report, sink)
    return exit_code(report)
