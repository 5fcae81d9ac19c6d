"""`kldeval conventions [NAME]`: the published conventions, or one in full."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from kldeval.cli.messages import drawn, is_on_terminal, show

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kldeval.conventions.convention import Convention


@click.command("conventions", context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("name", required=False)
@click.option("--match", metavar="TEXT", help="The convention that a signature is, if it is one.")
@click.option("--format", "format_", default="table", metavar="NAME", help="table, json or markdown [default: table].")
@click.option("--debug", is_flag=True, help="Show a traceback on errors.")
def command(name: str | None, match: str | None, format_: str, **_: Any) -> int:
    """Show the published conventions; or one, or an alias of one, in full: its flags, edge cases, traps and source.

    \b
    kldeval conventions
    kldeval conventions sam
    kldeval conventions --match 'kld(...)|pred:sum-to-one|...|v:1'

    With --match, exit code 1 where the signature is no convention.
    """  # noqa: D301 - \b is click's mark of lines to keep
    from kldeval.conventions import CONVENTIONS, convention

    if name and match:
        raise click.UsageError("give a NAME or --match, not both")
    if match:
        return _match(match)
    _show([convention(name)] if name else list(CONVENTIONS.values()), name is not None, format_)
    return 0


def _match(text: str) -> int:
    """Print the name of the convention; where there is none, the nearest and what tells it apart."""
    from kldeval.analysis.methods_text import difference, nearest_convention
    from kldeval.settings.signature import matching_convention, parse_signature

    settings = parse_signature(text)
    found = matching_convention(settings)
    if found:
        show(f"{found}\n")
        return 0
    nearest = nearest_convention(settings)
    show(f"no convention; nearest is {nearest}, which has {difference(settings, nearest)}\n")
    return 1


def _show(rows: Sequence[Convention], in_full: bool, format_: str) -> None:  # noqa: FBT001 - named in its only call
    from kldeval.conventions.table import conventions_table
    from kldeval.grammar import unknown
    from kldeval.writers.convention_page import convention_page, conventions_json, conventions_page

    writers = {
        "table": lambda: drawn(
            convention_page(rows[0], _short(rows[0])) if in_full else conventions_page(rows, is_narrow=is_on_terminal())
        ),
        "json": lambda: conventions_json(rows),
        "markdown": lambda: conventions_table(rows) + "\n",
    }
    if format_ not in writers:
        raise unknown("format", format_, writers)
    show(writers[format_]())


def _short(row: Convention) -> str:
    from kldeval.settings.build import make_settings
    from kldeval.settings.signature import short_signature

    return short_signature(make_settings({}, convention=row.texts))
