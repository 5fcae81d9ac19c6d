"""`kldeval conventions [NAME]`: the published conventions, or one in full."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from kldeval.cli.groups import DEBUG
from kldeval.cli.messages import drawn, is_on_terminal, say, show

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from kldeval.conventions.convention import Convention
    from kldeval.conventions.presets import Preset


@click.command("conventions", context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("name", required=False)
@click.option("--match", metavar="TEXT", help="The convention that a signature is, if it is one.")
@click.option("--format", "format_", default="table", metavar="NAME", help="table, json or markdown [default: table].")
@DEBUG
def command(name: str | None, match: str | None, format_: str) -> int:
    """Show the published conventions; or one, an alias of one or a preset in full: its flags, traps and sources.

    \b
    kldeval conventions
    kldeval conventions sam
    kldeval conventions mit-benchmark
    kldeval conventions --match 'kld(...)|pred:sum-to-one|...|v:1'

    With --match, exit code 1 where the signature is no convention.
    """  # noqa: D301 - \b is click's mark of lines to keep
    from kldeval.conventions import CONVENTIONS
    from kldeval.conventions.convention import Convention
    from kldeval.conventions.presets import PRESET, PRESETS, convention_or_preset

    if name and match:
        raise click.UsageError("give a NAME or --match, not both")
    if match:
        return _match(match)
    found = convention_or_preset(name) if name else None
    show(_table(list(CONVENTIONS.values()), format_) if found is None else _in_full(found, format_))
    if isinstance(found, Convention) and name in PRESETS:
        say(f"there is a preset of this name, too: kldeval conventions {name}{PRESET}", "note")
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


def _table(rows: Sequence[Convention], format_: str) -> str:
    """The table of all conventions."""
    from kldeval.conventions.table import conventions_table
    from kldeval.writers.convention_page import conventions_json, conventions_page

    return _written(
        format_,
        {
            "table": lambda: drawn(conventions_page(rows, is_narrow=is_on_terminal())),
            "json": lambda: conventions_json(rows),
            "markdown": lambda: conventions_table(rows) + "\n",
        },
    )


def _in_full(found: Convention | Preset, format_: str) -> str:
    """The text on one convention or preset."""
    from kldeval.conventions.convention import Convention
    from kldeval.conventions.table import conventions_table
    from kldeval.settings.build import make_settings
    from kldeval.settings.signature import short_of_preset, short_signature
    from kldeval.writers.convention_page import convention_page, conventions_json, preset_json, preset_page

    if isinstance(found, Convention):
        short = short_signature(make_settings({}, convention=found.texts))
        return _written(
            format_,
            {
                "table": lambda: drawn(convention_page(found, short)),
                "json": lambda: conventions_json([found]),
                "markdown": lambda: conventions_table([found]) + "\n",
            },
        )
    short = short_of_preset(found)
    pages = {"table": lambda: drawn(preset_page(found, short)), "json": lambda: preset_json(found, short)}
    return _written(format_, pages)


def _written(format_: str, writers: Mapping[str, Callable[[], str]]) -> str:
    from kldeval.grammar import unknown

    if format_ not in writers:
        raise unknown("format", format_, writers)
    return writers[format_]()
