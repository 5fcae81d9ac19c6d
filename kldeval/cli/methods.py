"""`kldeval methods`: what a paper says of its numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from kldeval.cli.groups import DEBUG, FilePath
from kldeval.cli.messages import show, terminal_width

if TYPE_CHECKING:
    from pathlib import Path

    from kldeval.reports.documents import Methods
    from kldeval.settings.settings import Settings


@click.command("methods", context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("report", required=False, type=FilePath())
@click.option("--signature", metavar="TEXT", help="A full signature, or the short form of a convention.")
@click.option("--convention", metavar="NAME", help="A published convention.")
@click.option("--format", "format_", default="text", metavar="NAME", help="text or json [default: text].")
@DEBUG
def command(report: Path | None, signature: str | None, convention: str | None, format_: str) -> int:
    """Print the paragraph for a paper, the short signature, and the BibTeX of the convention's source.

    \b
    kldeval methods report.json
    kldeval methods kldeval:mit+v1
    kldeval methods --convention sam

    REPORT is a saved JSON report, whose number of maps stands in the paragraph, or a signature.
    """  # noqa: D301 - \b is click's mark of lines to keep
    from kldeval.grammar import unknown
    from kldeval.writers.small_pages import methods_json, methods_text

    if report is not None and signature is None and _is_signature(report):
        report, signature = None, str(report)
    if sum(given is not None for given in (report, signature, convention)) != 1:
        raise click.UsageError("give one of: a saved REPORT.json, --signature TEXT, --convention NAME")
    writers = {"text": methods_text, "json": methods_json}
    if format_ not in writers:
        raise unknown("format", format_, writers)
    show(writers[format_](_methods(report, signature, convention), terminal_width()))
    return 0


def _is_signature(text: Path) -> bool:
    """Whether what should be a file's name is a signature: short, or of parts, and no file is called so."""
    return (str(text).startswith("kldeval:") or "|" in str(text)) and not text.exists()


def _methods(report: Path | None, signature: str | None, convention: str | None) -> Methods:
    from kldeval.analysis.methods_text import describe_methods
    from kldeval.settings.signature import parse_signature

    if report is not None:
        return _of_report(report)
    if convention is not None:
        return describe_methods(_of_convention(convention))
    return describe_methods(parse_signature(signature or ""))


def _of_convention(name: str) -> Settings:
    from kldeval.conventions import convention
    from kldeval.settings.build import make_settings

    return make_settings({}, convention=convention(name).texts)


def _of_report(path: Path) -> Methods:
    """The methods of a saved report or leaderboard: all its metrics, and how many maps were averaged."""
    from kldeval.analysis.methods_text import describe_methods
    from kldeval.errors import count
    from kldeval.reports.documents import Leaderboard, Report
    from kldeval.reports.json_reader import load_document, saved_signatures
    from kldeval.settings.signature import combined

    document = load_document(path)
    if isinstance(document, Leaderboard):
        n_maps = max((len(report.scores) for report in document.reports.values()), default=0)
    else:
        n_maps = len(document.scores) if isinstance(document, Report) else len(document.maps)
    return describe_methods(combined(saved_signatures(path)), maps=count(n_maps, "map"))
