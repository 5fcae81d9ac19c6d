"""`kldeval merge PART.json...`: reports or leaderboards of parts of the data as one of all of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from kldeval.cli.groups import DEBUG, FilePath, takes
from kldeval.cli.model_options import GateOptions, SortOptions, check_several, gated, parse_gates
from kldeval.cli.reporting import (
    LookOptions,
    OutputOptions,
    RowOptions,
    check_columns,
    deliver,
    exit_code,
    open_sink,
    reports_of,
)

if TYPE_CHECKING:
    from pathlib import Path

    from kldeval.writers import Document


class MergeOptions(GateOptions, SortOptions, RowOptions, LookOptions, OutputOptions):
    """The options of `kldeval merge`."""


@click.command("merge", context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("paths", nargs=-1, required=True, type=FilePath(), metavar="PART.json...")
@takes(MergeOptions)
@DEBUG
def command(paths: tuple[Path, ...], options: MergeOptions) -> int:
    """Merge reports or leaderboards of parts of the data, as a job array writes them.

    Every map must be in one part alone.

    kldeval merge part*.json --output all.json

    The signatures must be the same. Exit codes are those of an evaluation.
    """
    from kldeval.errors import UsageProblem

    twice = [str(path) for path in paths if paths.count(path) > 1]
    if twice:
        msg = f"{twice[0]} is given twice: every map must be in one part alone"
        raise UsageProblem(msg)
    sink = open_sink(options)
    document = _merged(paths, options.sort)
    reports = reports_of(document)
    check_several(options, len(reports))
    first = next(iter(reports.values()))
    check_columns(options, first.columns)
    document = gated(document, parse_gates(options.fail_if, first.summaries))
    deliver(document, sink)
    return exit_code(document)


def _merged(paths: tuple[Path, ...], sort: str | None) -> Document:
    """One document of all parts.

    Raises:
        UsageProblem: they are not of one kind, or cannot be merged.
    """
    from kldeval.errors import UsageProblem
    from kldeval.reports.documents import Leaderboard, Report
    from kldeval.reports.intervals import merge_reports
    from kldeval.reports.json_reader import load_document
    from kldeval.reports.leaderboard import merge_leaderboards
    from kldeval.reports.parts_on_disk import loaded_parts

    parts = loaded_parts(map(str, paths), load_document)
    boards = {file: part for file, part in parts.items() if isinstance(part, Leaderboard)}
    reports = {file: part for file, part in parts.items() if isinstance(part, Report)}
    if len(boards) == len(parts):
        return merge_leaderboards(boards, sort=sort)
    if len(reports) < len(parts):
        kinds = {Leaderboard: "a leaderboard", Report: "a report"}
        (first, one), *others = ((file, kinds.get(type(part), "a comparison")) for file, part in parts.items())
        other = next((f" and {file} is {kind}" for file, kind in others if kind != one), "")
        msg = f"{first} is {one}{other}: parts are all reports or all leaderboards"
        raise UsageProblem(msg)
    if sort is not None:
        msg = f"--sort {sort} has no effect: the parts are of one model"
        raise UsageProblem(msg)
    return merge_reports(reports)
