"""The command `kldeval`: a group whose commands are imported when they are used, and `evaluate` when none is named."""

from __future__ import annotations

import importlib
import os
import sys
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from kldeval._version import __version__
from kldeval.errors import EngineLost, KldevalError, MapProblem

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from click.shell_completion import CompletionItem


COMMANDS = {
    "evaluate": "Score predictions against ground truths (also without the word: kldeval PRED GT).",
    "audit": "The same maps under every published convention: what each makes of them, and why.",
    "identify": "Which conventions print a published number.",
    "compare": "Which models differ, and by how much: saved reports, or folders.",
    "show": "Saved reports in any format; several make a leaderboard.",
    "merge": "Reports of parts of the data as one.",
    "methods": "The paragraph for a paper, the short signature and BibTeX.",
    "conventions": "The published conventions, or one in full.",
    "metrics": "The metrics, or one with its formula, range, parameters and source.",
    "steps": "The steps of --norm, or one with its formula and parameters.",
    "check": "Show the pairing and what is wrong, without scoring.",
    "density": "Build ground truths from fixations.",
    "calibrate": "How much of an error one temperature mends: fitted on one half, tested on the other.",
    "fit": "How much of a model's KLD is blur, centre bias, temperature and a uniform part.",
    "optimal": "From predicted densities the maps that one metric rewards most.",
    "reproduce": "A saved report, or a published number, computed again: which digits agree.",
    "observers": "How well n observers predict others, and where models stand between chance and them.",
    "explain": "One pair, step by step: what each step does to the numbers.",
}
"""Every command with its line in the help; its file is `kldeval/cli/NAME.py`, holding `command`."""

EXIT_USAGE, EXIT_INTERRUPTED, EXIT_BROKEN_PIPE = 2, 130, 141

EPILOG = """\b
Exit codes: 0 all maps scored; 1 a report was written but some maps failed, or none could be scored;
2 the request itself is wrong; 3 a gate fired (--fail-if, --fail-if-worse). Options also come from kldeval.toml
and from variables such as KLDEVAL_NORM. `kldeval evaluate --help` lists every option."""


WORDS = {
    **dict.fromkeys(("score", "eval", "run", "measure", "kld", "metric-eval", "predict", "benchmark"), "evaluate"),
    **dict.fromkeys(("validate", "verify", "inspect", "ls", "test", "lint", "pairs"), "check"),
    **dict.fromkeys(("diff", "test-models", "significance"), "compare"),
    **dict.fromkeys(("list", "convention", "formulas"), "conventions"),
    "metric": "metrics",
    **dict.fromkeys(("step", "norms", "normalisations"), "steps"),
    **dict.fromkeys(("cite", "bibtex"), "methods"),
    **dict.fromkeys(("report", "table", "view"), "show"),
    **dict.fromkeys(("join", "combine"), "merge"),
    "blur": "density",
    **dict.fromkeys(("guess", "find"), "identify"),
    **dict.fromkeys(("debug", "why"), "explain"),
}
"""Other words for commands."""


def check_command(word: str) -> None:
    """Refuse a word that is neither a path nor an option, and looks like the name of a command.

    Raises:
        UsageProblem: naming the command that was perhaps meant.
    """
    if not word.replace("-", "").replace("_", "").isalpha() or word.startswith("-") or os.path.lexists(word):
        return
    from difflib import get_close_matches

    close = get_close_matches(word.lower(), COMMANDS, n=1, cutoff=0.7)
    meant = WORDS.get(word.lower()) or next(iter(close), None)
    if meant is None:
        return
    from kldeval.errors import UsageProblem

    msg = f"{word} is no command, and no file or folder is called so; did you mean kldeval {meant}?"
    raise UsageProblem(msg)


class Commands(click.Group):
    """Imports a command when it is used; what names no command is an evaluation."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """The names of the commands, in the order of the help."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, imported now, whose options a configuration file and the environment may give."""
        if cmd_name not in COMMANDS:
            return None
        from kldeval.cli.config import accept_config

        command: click.Command = importlib.import_module(f"kldeval.cli.{cmd_name}").command
        return accept_config(command, partial(self._all_commands, ctx))

    def _all_commands(self, ctx: click.Context) -> list[click.Command]:
        """Every command, imported now: only for those who have a configuration."""
        return [found for found in map(partial(self.get_command, ctx), COMMANDS) if found]

    def invoke(self, ctx: click.Context) -> Any:
        """What the command returns; an error in what a file or the environment says names where that stands."""
        try:
            return super().invoke(ctx)
        except MapProblem:
            raise
        except KldevalError as error:
            from kldeval.cli.config import with_places

            if error.args and isinstance(error.args[0], str):
                error.args = (with_places(error.args[0], ctx), *error.args[1:])
            raise

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """The commands; and files, for a path in the first place is an evaluation."""
        from click.shell_completion import CompletionItem

        # the files come first, because bash forgets what came before them
        return [CompletionItem(incomplete, type="file"), *super().shell_complete(ctx, incomplete)]

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put `evaluate` in front of what is neither a command nor an option of the group."""
        if args and args[0] not in (*COMMANDS, "--help", "-h", "--version"):
            check_command(args[0])
            args = ["evaluate", *args]
        return super().parse_args(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's signature
        """The commands, without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(
    cls=Commands,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=EPILOG,
    subcommand_metavar="[COMMAND] PRED... GT [OPTIONS]",
)
@click.version_option(__version__, message="kldeval %(version)s")
@click.pass_context
def cli(ctx: click.Context) -> None:
    """KL divergence, cross-entropy and their family for saliency and probability maps.

    \b
    kldeval pred_dir gt_dir --norm flatten-softmax
    kldeval pred.png gt.png --metric kld --score-only

    PRED and GT are two files or two folders; files are paired by relative path without suffix. Every number is
    printed with its signature: the normalisation, the constants and the reduction that made it.
    """  # noqa: D301 - \b is click's mark of lines to keep
    from kldeval.process import settle_process

    settle_process(keeps_memory=ctx.invoked_subcommand != "evaluate")


def run_arguments(arguments: Sequence[str]) -> int:
    """The exit code of the command line `arguments`."""
    from kldeval.cli.terminal import Ended

    try:
        with _debugged("--debug" in arguments):
            outcome: Any = cli.main(list(arguments), prog_name="kldeval", standalone_mode=False)
        sys.stdout.flush()
    except click.exceptions.Exit as leave:
        return _flushed(leave.exit_code)
    except (Exception, KeyboardInterrupt, Ended) as error:  # noqa: BLE001 - no error shows as a traceback
        if "--debug" in arguments:
            import traceback

            from kldeval.cli.messages import say_lines

            say_lines(traceback.format_exc())
        return _report_error(error)
    return outcome if isinstance(outcome, int) else 0


@contextmanager
def _debugged(is_asked: bool) -> Iterator[None]:  # noqa: FBT001 - the one thing that there is to say
    """Show on standard error what the package logs: where the errors of single maps arose."""
    if not is_asked:
        yield
        return
    import logging

    from kldeval.cli.messages import say_lines

    class Handler(logging.Handler):
        """Writes what is logged to standard error."""

        def emit(self, record: logging.LogRecord) -> None:
            say_lines(self.format(record))

    logger, handler = logging.getLogger("kldeval"), Handler()
    logger.addHandler(handler)
    level = logger.level
    logger.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


def _flushed(code: int) -> int:
    """The exit code, once the help or the version has been written."""
    try:
        sys.stdout.flush()
    except OSError as error:
        return _report_error(error)
    return code


def _report_error(error: BaseException) -> int:
    """The exit code for an error, after a line about it on stderr."""
    from kldeval.cli.messages import say, say_lines

    if isinstance(error, getattr(click.exceptions, "NoArgsIsHelpError", ())):  # click 8.1 has none
        say_lines(str(error))
        return EXIT_USAGE
    if isinstance(error, click.ClickException):
        say(_usage_message(error))
        return error.exit_code
    from kldeval.cli.terminal import ReaderGone, discard_output

    if isinstance(error, OSError) and not isinstance(error, KldevalError) and sys.stdout is not sys.__stdout__:
        discard_output()
    if isinstance(error, (BrokenPipeError, ReaderGone)):
        return EXIT_BROKEN_PIPE
    code, text = _code_and_text(error)
    say(text)
    return code


def _usage_message(error: click.ClickException) -> str:
    """What click found wrong with a command line, on one line as all messages are, and where the options are listed.

    An argument may be the name of a file that a shell found, so it is made printable.
    """
    from kldeval.writers.lines import one_line

    elsewhere = _hint_where_option_is(error) if isinstance(error, click.NoSuchOption) else ""
    message = one_line(elsewhere or error.format_message()).removesuffix(".")
    message = message[:1].lower() + message[1:]
    from kldeval.cli.config import with_places

    message = with_places(message, getattr(error, "ctx", None))
    context = error.ctx if isinstance(error, click.UsageError) else None
    if elsewhere or context is None or "Did you mean" in message:
        return message
    return f"{message}; {context.command_path} --help lists what it takes"


def _hint_where_option_is(error: click.NoSuchOption) -> str:
    """What is said of an option that a command lacks and `evaluate` has; "" where `evaluate` lacks it too."""
    command = error.ctx.command.name if error.ctx else None
    with click.Context(cli) as context:
        evaluate = cli.get_command(context, "evaluate")
    if command == "evaluate" or evaluate is None or not any(error.option_name in one.opts for one in evaluate.params):
        return ""
    return f"kldeval {command} has no {error.option_name}, which is an option of kldeval evaluate"


def _code_and_text(error: BaseException) -> tuple[int, str]:
    from kldeval.cli.terminal import Ended

    if isinstance(error, (KeyboardInterrupt, click.Abort)):
        return EXIT_INTERRUPTED, "interrupted"
    if isinstance(error, Ended):
        return error.code, "terminated"
    if isinstance(error, KldevalError):
        return 1 if isinstance(error, MapProblem | EngineLost) else 2, str(error)
    if isinstance(error, OSError):
        # a full disk, a device that is gone: what was asked for could not be handed over
        return 1, f"cannot write the result: {error.strerror or error}"
    if isinstance(error, MemoryError):
        return 1, "not enough memory; fewer --jobs need less"
    what = type(error).__name__ + (f": {error}" if str(error) else "")
    return 1, f"an unexpected error, which is a fault of kldeval ({what}); --debug shows where it arose"
