"""The two ends of a command: what goes to standard output, and every line on standard error.

Names, paths and notes come from files that others made. On standard error nothing is written but by `say`, and on
standard output nothing but what `kldeval.writers` made: both pass every foreign text through `one_line`, so that no
name moves the cursor, colours the terminal, or forges a line of its own.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import click

from kldeval.urls import masked

if TYPE_CHECKING:
    from kldeval.cli.groups import OptionGroup
    from kldeval.writers.page import Options, Page


def say(text: str, kind: str = "") -> None:
    r"""Write a message to standard error: `kldeval: text`, or `kldeval: kind: text`.

    A line feed in the text begins a line of the same message, indented behind the program's name, so that no name can
    forge a message. Every other control character is written as an escape.
    """
    from kldeval.writers.lines import message_lines

    click.echo("\n".join(message_lines(masked(text), kind)), err=True)


def say_lines(text: str) -> None:
    """Write lines without the program's name to standard error: a traceback, or the help."""
    from kldeval.writers.lines import one_line

    click.echo("\n".join(map(one_line, masked(text).rstrip("\n").split("\n"))), err=True)


def annotate(kind: str, title: str, text: str) -> None:
    """Write an annotation of a GitHub workflow to standard error: an `error`, a `warning` or a `notice`."""
    from kldeval.writers.lines import annotation

    click.echo(annotation(kind, masked(title), masked(text)), err=True)


def show(text: str) -> None:
    """Write a text that a writer made to standard output, as it is."""
    click.echo(masked(text), nl=False, color=True)


def show_line(text: str) -> None:
    """Write one line with foreign text to standard output."""
    from kldeval.writers.lines import one_line

    show(f"{one_line(text)}\n")


def drawn(page: Page, options: Options | None = None) -> str:
    """The page as standard output shows it."""
    from kldeval.writers.page import Options
    from kldeval.writers.text import render

    return render(page, on_terminal(options or Options()))


def render_options(options: OptionGroup) -> Options:
    """How the options of a command want its tables: those that have the name of a field.

    Raises:
        UsageProblem: a column is not of the form KEY=NAME.
    """
    from kldeval.writers.page import Options

    given = options.given(("precision", "per_map", "worst", "intervals", "verbose", "signatures", "siunitx", "std"))
    if given.get("std") and given.get("intervals"):
        from kldeval.errors import UsageProblem

        msg = "--std and --intervals both stand behind the mean; ask for one of them"
        raise UsageProblem(msg)
    columns = options.given(("columns",)).get("columns", ())
    return Options(**given, columns=tuple(_column(part) for text in columns for part in _parts(text)))


def _parts(text: str) -> list[str]:
    from kldeval.grammar import split_top_level

    return split_top_level(text, ",")


def _column(text: str) -> tuple[str, str]:
    """A metric's key and what a paper calls it; a key may hold `=` within its parentheses."""
    key, equals, name = text.rpartition("=")
    if not (key.strip() and equals and name.strip()):
        from kldeval.errors import UsageProblem

        msg = f"--columns {text!r} is not of the form KEY=NAME, as in kld=KL"
        raise UsageProblem(msg)
    return key.strip(), name.strip()


def on_terminal(options: Options) -> Options:
    """The options for a terminal: as wide as that behind standard output and in its colours, where it is one."""
    from dataclasses import replace

    from kldeval.writers.text import color_of, width_of

    return replace(options, width=width_of(sys.stdout, os.environ), color=color_of(sys.stdout, os.environ))


def is_on_terminal() -> bool:
    """Whether standard output is a terminal of known width."""
    return terminal_width() is not None


def terminal_width() -> int | None:
    """The columns of the terminal behind standard output; None where it is none."""
    from kldeval.writers.text import width_of

    return width_of(sys.stdout, os.environ)
