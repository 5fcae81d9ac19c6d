"""What commands do with a finished document: files, standard output, standard error and the exit code."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kldeval.cli.groups import FilePath, OptionGroup, WholeNumber, flag_option, option
from kldeval.cli.messages import annotate, is_on_terminal, on_terminal, render_options, say, show
from kldeval.cli.options import ON_COMMAND_LINE, rank, suggest
from kldeval.dataclass import NamedTuple
from kldeval.errors import UsageProblem

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from kldeval.reports.documents import GateOutcome, Report
    from kldeval.reports.strips import Strip
    from kldeval.writers import BinaryWriter, Document, Writer
    from kldeval.writers.page import Options


EXIT_FAILURES, EXIT_GATE = 1, 3


class RowOptions(OptionGroup):
    """Which rows tables for people have."""

    per_map: bool = flag_option("Show a row per map.")
    worst: int | None = option(type=WholeNumber(min=1), metavar="N", help="Show the N worst maps.")


def _known_formats() -> str:
    from kldeval.writers import WRITERS

    return formats_help(WRITERS)


def formats_help(known: Iterable[str]) -> str:
    """What the help says of `--format`: the formats, the table first.

    >>> formats_help(["csv", "json", "table"])
    'table, csv or json [default: table].'
    """
    *names, last = sorted(set(known) - {"table"})
    return f"{', '.join(('table', *names))} or {last} [default: table]."


class OutputOptions(OptionGroup):
    """How a document is shown and where it goes."""

    format_: str = option(
        "--format",
        default="table",
        metavar="NAME",
        help_of=_known_formats,
        shell_complete=suggest,
    )
    output: tuple[str, ...] = option(
        "-o",
        "--output",
        multiple=True,
        metavar="FILE",
        help="Also write FILE, in the format of its suffix or as in scores:FILE; may be repeated.",
    )
    annotate: str | None = option(
        type=click.Choice(["github"]),
        help="Also write failures, fired gates and notes as annotations of a GitHub workflow.",
    )
    quiet: bool = option("-q", "--quiet", is_flag=True, help="No notes and no progress on stderr, errors only.")
    precision: int | None = option(
        type=WholeNumber(0, 17), metavar="N", help="Digits in tables for people [default: 4]."
    )


class VerboseOptions(OptionGroup):
    """How much tables for people say."""

    verbose: bool = flag_option("Everything that is known, in tables for people.")


class SignatureOptions(OptionGroup):
    """How signatures are written."""

    signatures: str | None = option(
        type=click.Choice(["short", "full"]),
        help="Signatures in full, or what they have in common once [default: short on a terminal].",
    )


class LookOptions(SignatureOptions):
    """How tables for people look."""

    intervals: bool = option(
        "--intervals/--no-intervals", default=False, help="Intervals and significant differences of several models."
    )
    columns: tuple[str, ...] = option(
        multiple=True,
        metavar="KEY=NAME",
        help="What a paper calls a metric, as kld=KL, in Markdown and LaTeX; may be repeated.",
    )
    std: bool = flag_option("The standard deviation over maps behind each mean of several models.")
    siunitx: bool = flag_option("Set the numbers of LaTeX tables by siunitx.")


class PictureOptions(OptionGroup):
    """The pictures of an HTML report."""

    html_maps: int = option(
        type=WholeNumber(min=0),
        default=60,
        metavar="N",
        help="An HTML report shows pictures of N maps: the worst, the best, and some between [default: 60].",
    )
    stimuli: Path | None = option(
        type=FilePath(),
        metavar="DIR",
        help="Images by the names of the maps, which an HTML report shows under the predictions.",
    )


class OutputPlan(NamedTuple):
    """Where a document goes and how it looks: the writer for standard output, a path and a writer for each file."""

    format_: str
    write: Writer
    files: tuple[tuple[Path, Writer | BinaryWriter], ...]
    look: Options
    quiet: bool
    annotate: str | None


LOOKS = ("precision", "per_map", "worst", "intervals", "std", "signatures", "columns", "siunitx")
"""The options of how documents look."""

OF_FORMATS = (*LOOKS, "html_maps", "stimuli", "digests")
"""The options that some formats alone heed."""


def check_looks(
    options: OptionGroup, formats: Iterable[str], *, score_only: bool = False, names: Iterable[str] = OF_FORMATS
) -> None:
    """Refuse options of the command line that no format heeds in which anything is written.

    Raises:
        UsageProblem: naming the option, and the formats that heed it.
    """
    from kldeval.writers import FORMATS

    known = [*formats]
    given = vars(options)
    if score_only and rank("format_") == ON_COMMAND_LINE and given["format_"] != "scores":
        msg = f"--score-only prints the means alone, and --format {given['format_']} could mean nothing beside it"
        raise UsageProblem(f"{msg}; leave one out, or write the other with --output FILE")
    heeded = {name for one in known if one in FORMATS for name in FORMATS[one].info.heeds}
    for name in names:
        if name in given and name not in heeded and given[name] and rank(name) == ON_COMMAND_LINE:
            able = [one for one in sorted(FORMATS) if name in FORMATS[one].info.heeds]
            here = " and ".join(("--score-only",) * score_only + (*known,))
            ways = f"{', '.join(able[:-1])} or {able[-1]}" if len(able) > 1 else able[0]
            msg = f"--{name.replace('_', '-')} has no effect in {here}: it is of {ways}; leave it out, or write that"
            raise UsageProblem(msg)


def check_columns(options: LookOptions, keys: Iterable[str]) -> None:
    """Refuse another name that the command line gives to a metric which is not shown.

    Raises:
        UsageProblem: naming the nearest that are.
    """
    if options.columns and rank("columns") == ON_COMMAND_LINE:
        from kldeval.grammar import unknown

        known = [*keys]
        for key, _ in render_options(options).columns:
            if key not in known:
                raise unknown("metric", key, known)


def open_sink(options: OutputOptions, *, score_only: bool = False) -> OutputPlan:
    """Where the document will go, checked before anything is scored; `score_only`: its means alone are printed.

    Raises:
        UsageProblem: a format is unknown, a suffix stands for none, a file cannot be written, or the stimuli are none.
        MissingDependency: a format needs a package that is not installed.
    """
    from kldeval.writers import check_installed, writer_named

    files = tuple(_file(text) for text in options.output)
    check_outputs(path for path, _ in files)
    write = writer_named(options.format_)
    look = render_options(options)
    shown = () if score_only else (write.name,)
    check_looks(options, (*shown, *(one.name for _, one in files)), score_only=score_only)
    for one in (write, *(writer for _, writer in files)):
        check_installed(one)
    if isinstance(options, PictureOptions) and options.stimuli is not None and not options.stimuli.is_dir():
        msg = f"--stimuli {options.stimuli} is no folder of pictures"
        raise UsageProblem(msg)
    return OutputPlan(options.format_, write, files, look, options.quiet, options.annotate)


WRITTEN = frozenset({"cache", "out", "output", "output_dir", "save", "save_maps"})
"""The parameters of commands that name what is written."""


def check_outputs(targets: Iterable[Path]) -> None:
    """Refuse files that cannot be written, or would take the place of what the command reads.

    Raises:
        UsageProblem: naming the first such file.
    """
    targets = tuple(targets)
    if not targets:
        return
    from kldeval.data.inputs import Inputs
    from kldeval.writers.files import check_target

    inputs = Inputs(tuple(_paths_read()), tuple(_paths_of("fixations")))
    for target in targets:
        check_target(target)
        inputs.check_file(target)


def _paths_read() -> Iterator[Path]:
    """The files and folders that a command was given to read, beside fixations."""
    context = click.get_current_context()
    for name in context.params.keys() - WRITTEN - {"fixations"}:
        yield from _paths_of(name)
    if context.obj is not None and context.obj.path is not None:  # the configuration file
        yield context.obj.path
    manifest = context.params.get("manifest")
    if manifest is not None:
        from kldeval.data.manifest import read_manifest
        from kldeval.memory import Member

        for pair in read_manifest(manifest):
            every = (pair.pred, pair.gt, pair.mask, pair.fixations)
            yield from (one.path if isinstance(one, Member) else one for one in every if isinstance(one, Path | Member))


def _paths_of(name: str) -> Iterator[Path]:
    """The paths that a parameter of the command has, among them texts that are the name of a file."""
    value = click.get_current_context().params.get(name)
    for one in value if isinstance(value, tuple) else (value,):
        if isinstance(one, str | Path) and os.path.exists(one):  # noqa: PTH110 - a text may be no path at all
            yield Path(one)


MOST_ANNOTATIONS = 8
"""GitHub shows ten annotations of a kind for each step."""


def wants_pictures(sink: OutputPlan) -> bool:
    """Whether anything is written that shows pictures of maps."""
    return "html" in (sink.write.name, *(write.name for _, write in sink.files))


def deliver(document: Document, sink: OutputPlan, *, score_only: bool = False, strips: tuple[Strip, ...] = ()) -> None:
    """Write the files, then print: the document on stdout, and beside it what went wrong and the notes on stderr."""
    from dataclasses import replace

    from kldeval.writers.files import write_atomically
    from kldeval.writers.streams import pieces

    look = replace(sink.look, strips=strips)
    texts = [(path, pieces(write.name, document) or write(document, look)) for path, write in sink.files]
    shown = _scores(document) if score_only else sink.write(document, on_terminal(look))
    try:
        for path, text in texts:
            write_atomically(path, text)
    finally:
        # what was computed is printed even where a file cannot be written; a table holds the notes and the failures
        if score_only or sink.format_ != "table":
            _say(document, quiet=sink.quiet)
        for line in () if _shows_gates(sink, score_only=score_only) else _fired(document):
            say(line)
        show(shown)
        if sink.annotate:
            _annotate(document)


def _annotate(document: Document) -> None:
    """Failures and fired gates as errors, notes as notices, of each the first few, which is all that GitHub shows."""
    from kldeval.writers.report_page import failure_reason, missing_text

    failures = [
        (f"{model}: {failure.name}" if model else failure.name, failure_reason(failure))
        for model, report in reports_of(document).items()
        for failure in report.failures
    ]
    for title, text in failures[:MOST_ANNOTATIONS]:
        annotate("error", title, text)
    if len(failures) > MOST_ANNOTATIONS:
        every = [failure for report in reports_of(document).values() for failure in report.failures]
        annotate("error", "kldeval", f"{missing_text(every)}; the report lists all of them")
    for line in _fired(document):
        annotate("error", "gate", line)
    for note in document.notes[:MOST_ANNOTATIONS]:
        annotate("notice", "note", note)


def _shows_gates(sink: OutputPlan, *, score_only: bool) -> bool:
    """Whether a terminal shows the table that says which gates fired: then nothing else has to say it."""
    return sink.format_ == "table" and not score_only and is_on_terminal()


def exit_code(document: Document) -> int:
    """3 if a gate fired, else 1 if a map failed or none was scored, else 0; a share may have nothing to score."""
    if any(gate.fired for _, gate in _gates(document)):
        return EXIT_GATE
    reports = reports_of(document).values()
    empty = [report for report in reports if not report.scores and "shard" not in report.provenance]
    return EXIT_FAILURES if empty or any(report.failures for report in reports) else 0


def _file(text: str) -> tuple[Path, Writer | BinaryWriter]:
    from kldeval.writers import BINARY, FORMATS, WRITERS, writer_for

    name, colon, rest = text.partition(":")
    entry = FORMATS.get(name) if colon else None
    if entry is None:
        return Path(text), writer_for(text)
    return Path(rest), BINARY[name] if entry.info.is_binary else WRITERS[name]


def reports_of(document: Document) -> dict[str, Report]:
    """The reports of a document by model; of a single report the model is ""."""
    from kldeval.reports.documents import Report

    # what is made of several models is asked for last, because its records are imported for that alone
    if isinstance(document, Report):
        return {"": document}
    from kldeval.reports.documents import Leaderboard

    return dict(document.reports) if isinstance(document, Leaderboard) else {}


def _gates(document: Document) -> Iterator[tuple[str, GateOutcome]]:
    from kldeval.reports.documents import Leaderboard

    if isinstance(document, Leaderboard):
        yield from ((model, gate) for model, report in document.reports.items() for gate in report.gates)
    else:
        yield from (("", gate) for gate in document.gates)


def _fired(document: Document) -> Iterator[str]:
    from kldeval.writers.numbers import gate_line

    yield from (gate_line(gate, model) for model, gate in _gates(document) if gate.fired)


def _scores(document: Document) -> str:
    """The means in full precision, a line per model in the order of the request; nothing if a map failed."""
    reports = reports_of(document).values()
    if any(report.failures or not report.scores for report in reports):
        return ""
    return "".join(" ".join(repr(item.mean) for item in report.summaries.values()) + "\n" for report in reports)


def _say(document: Document, *, quiet: bool) -> None:
    """Failures, and unless quiet the notes, on stderr."""
    from kldeval.writers.report_page import failure_reason

    for model, report in reports_of(document).items():
        for failure in report.failures:
            where = f"{model}: {failure.name}" if model else failure.name
            say(f"{where}: {failure_reason(failure)}")
    from kldeval.cli.config import unsilenced

    for note in unsilenced(document.notes) if quiet else document.notes:
        say(note, "note")
