"""`kldeval show FILE.json...`: saved reports as any table, several as a leaderboard; nothing is scored again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from kldeval.cli.groups import DEBUG, FilePath, flag_option, takes
from kldeval.cli.help import GroupedCommand
from kldeval.cli.model_options import (
    GateOptions,
    NameOptions,
    ResamplingOptions,
    SortOptions,
    check_several,
    gated,
    load_models,
    parse_gates,
    resampling_from,
    with_asked_intervals,
)
from kldeval.cli.reporting import (
    EXIT_GATE,
    LookOptions,
    OutputOptions,
    RowOptions,
    VerboseOptions,
    check_columns,
    deliver,
    exit_code,
    open_sink,
)
from kldeval.cli.rows import show_rows
from kldeval.reports.audit_documents import Audit
from kldeval.reports.documents import Report
from kldeval.reports.identification import Identification
from kldeval.reports.rows import RowsReport

if TYPE_CHECKING:
    from pathlib import Path

    from kldeval.cli.reporting import OutputPlan
    from kldeval.writers import Document


class ShowOptions(
    NameOptions, SortOptions, ResamplingOptions, GateOptions, RowOptions, LookOptions, OutputOptions, VerboseOptions
):
    """The options of `kldeval show`."""

    allow_different: bool = flag_option("Put reports together whose signatures or maps differ.")


@click.command("show", cls=GroupedCommand, context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("paths", nargs=-1, required=True, type=FilePath(), metavar="FILE.json...")
@takes(ShowOptions)
@DEBUG
def command(paths: tuple[Path, ...], options: ShowOptions) -> int:
    """Show a saved report, leaderboard, comparison, audit or rows in any format; several reports make a leaderboard.

    Exit code 3 if a --fail-if gate fires, else 0: that maps failed was said when they were scored.
    """
    document = _document(paths, options)
    if isinstance(document, RowsReport):
        return show_rows(document, options)
    sink = open_sink(options)
    if isinstance(document, Audit):
        return _show_audit(document, sink, options)
    if isinstance(document, Identification):
        return _show_identification(document, options)
    if isinstance(document, Report):
        check_several(options, 1)
    check_columns(options, _shown_keys(document))
    gates = parse_gates(options.fail_if, _keys(document)) if options.fail_if else ()
    document = gated(with_asked_intervals(document, options), gates)
    deliver(document, sink)
    return EXIT_GATE if gates and exit_code(document) == EXIT_GATE else 0


def _document(paths: tuple[Path, ...], options: ShowOptions) -> Document | Audit | Identification | RowsReport:
    from kldeval.reports.audit_reader import load_any
    from kldeval.reports.comparison import check_agreement
    from kldeval.reports.leaderboard import check_adaptive_bins, make_leaderboard

    if len(paths) == 1 and not options.names:
        return load_any(paths[0])
    reports = load_models(paths, options.names)
    if not options.allow_different:
        check_agreement(reports)
    check_adaptive_bins(reports)
    from kldeval.provenance import versions  # which takes numpy, and a request that is refused none

    return make_leaderboard(reports, resampling_from(options), sort=options.sort, provenance=versions())


def _show_audit(audit: Audit, sink: OutputPlan, options: ShowOptions) -> int:
    """Write an audit in the formats that it has.

    Raises:
        UsageProblem: another format, or a gate or a row per map is asked for.
    """
    from kldeval.cli.messages import on_terminal, render_options, show
    from kldeval.errors import UsageProblem
    from kldeval.writers import writer_for, writer_named
    from kldeval.writers.files import write_atomically

    asked = {"--fail-if": options.fail_if, "--per-map": options.per_map, "--worst": options.worst}
    for flag in (flag for flag, value in asked.items() if value):
        msg = f"{flag} is of reports, and an audit has a row per convention: leave it out"
        raise UsageProblem(msg)
    write = writer_named(options.format_, of_audits=True)
    for path, _ in sink.files:
        writer_for(path, of_audits=True)
    look = render_options(options)
    for path, write_file in sink.files:
        write_atomically(path, write_file(audit, look))
    show(write(audit, on_terminal(look)))
    return 0


def _show_identification(found: Identification, options: ShowOptions) -> int:
    """Show an identification again.

    Raises:
        UsageProblem: a format is asked for that it does not have, or a file.
    """
    from kldeval.cli.answers import check_answer_format, show_answer
    from kldeval.errors import UsageProblem
    from kldeval.writers.small_pages import identification_json, identification_page

    if options.output:
        msg = "an identification is shown on standard output: redirect it to a file"
        raise UsageProblem(msg)
    check_answer_format(options.format_)
    show_answer(options.format_, identification_page(found), identification_json(found), {})
    return 0


def _shown_keys(document: Document) -> list[str]:
    """The metrics that any part of a document has."""
    from kldeval.reports.documents import Leaderboard

    parts = document.reports.values() if isinstance(document, Leaderboard) else (document,)
    return list(dict.fromkeys(key for part in parts for key in part.columns))


def _keys(document: Document) -> list[str]:
    """The metrics that a gate may be on."""
    from kldeval.errors import UsageProblem
    from kldeval.reports.comparison import common_keys
    from kldeval.reports.documents import ComparisonReport, Leaderboard

    if isinstance(document, ComparisonReport):
        msg = "a comparison has no means of its own to gate; use compare --fail-if-worse, or gate the reports"
        raise UsageProblem(msg)
    try:
        return common_keys(document.reports if isinstance(document, Leaderboard) else {"": document})
    except UsageProblem:
        return []
