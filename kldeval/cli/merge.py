"""`kldeval merge PART.json...`: reports of parts of the data as one report of all of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from kldeval.cli.model_options import FAIL_IF, gated, parse_gates
from kldeval.cli.reporting import deliver, exit_code, open_sink, output_options, row_options


@click.command("merge", context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="PART.json...")
@FAIL_IF
@row_options
@output_options
@click.option("--debug", is_flag=True, help="Show a traceback on errors.")
def command(paths: tuple[Path, ...], **options: Any) -> int:
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
    report = gated(report, parse_gates(options["fail_if"], report.summaries))  # type: ignore[assignment]
    deliver(report, sink)
    return exit_code(report)
