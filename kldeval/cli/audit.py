"""`kldeval audit PRED... GT`: the same maps under every convention."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from kldeval.cli.groups import DEBUG, FilePath, WholeNumber, flag_option, option, takes, text_option
from kldeval.cli.help import GroupedCommand
from kldeval.cli.messages import on_terminal, render_options, say, show
from kldeval.cli.options import (
    CacheOptions,
    EngineOptions,
    FileOptions,
    FixationNamingOptions,
    NamingOptions,
    ProgressOptions,
    ReadingOptions,
    ShardOptions,
    request_from,
)
from kldeval.cli.reporting import VerboseOptions, check_looks, check_outputs, formats_help
from kldeval.data.kinds import check_there

if TYPE_CHECKING:
    from pathlib import Path

    from kldeval.reports.audit_documents import Audit
    from kldeval.run_options import Progress


PREDS_AND_GT = 2
"""At least so many paths."""


def _known_formats() -> str:
    from kldeval.writers import FORMATS, WRITERS

    return formats_help(name for name in WRITERS if FORMATS[name].info.of_audits)


class AuditOptions(
    ReadingOptions,
    VerboseOptions,
    ProgressOptions,
    NamingOptions,
    FixationNamingOptions,
    FileOptions,
    ShardOptions,
    EngineOptions,
    CacheOptions,
):
    """The options of `kldeval audit`."""

    conventions: tuple[str, ...] = option(
        "--convention", multiple=True, metavar="NAMES", help="Only these, as mit,sam; may be repeated [default: all]."
    )
    metric: str = option(
        "-m",
        "--metric",
        default="kld",
        metavar="NAME",
        help="kld, or the definitions of code bases of: cc, sim, nss, auc, sauc, ig or mae [default: kld].",
    )
    fixations: str | None = text_option(
        "PATH", "Of nss, auc and sauc: a folder by name, or one file (maps, .mat, .csv, .tsv, .json, .jsonl)."
    )
    eps_curve: bool = flag_option("Also the KLD over epsilon from 1e-16 to 1e-4, and its slope.")
    bounds: str | None = text_option("HOW", "What 8-bit predictions leave open, made by round or floor.")
    resize: str | None = text_option("HOW", "For the conventions that have no resizing of their own, as in evaluate.")
    color: str | None = text_option("HOW", "Maps whose colour channels differ: luma, mean or first [default: error].")
    format_: str = option(
        "--format",
        default="table",
        metavar="NAME",
        help_of=_known_formats,
    )
    output: tuple[Path, ...] = option(
        "-o",
        "--output",
        multiple=True,
        type=FilePath(),
        metavar="FILE",
        help="Also write FILE, in the format of its suffix; may be repeated.",
    )
    quiet: bool = option("-q", "--quiet", is_flag=True, help="No notes and no progress on stderr, errors only.")
    precision: int | None = option(
        type=WholeNumber(1, 17), metavar="N", help="Significant digits in tables [default: 4]."
    )
    jobs: int | None = option(type=WholeNumber(min=1), metavar="N", help="Threads [default: one per core].")


@click.command("audit", cls=GroupedCommand, context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("paths", nargs=-1, type=FilePath(), metavar="PRED... GT")
@takes(AuditOptions)
@DEBUG
def command(paths: tuple[Path, ...], options: AuditOptions) -> int:
    """Score the same maps under every published convention, in one pass over the files.

    For one prediction: what each convention makes of it, and why they disagree. For several: where their order depends
    on the convention. Conventions that do not apply to a map are listed with the reason.

    \b
    kldeval audit pred_dir gt_dir
    kldeval audit model_a model_b gt_dir --convention mit,sam,exact --format markdown
    kldeval audit pred.png gt.png --eps-curve
    kldeval audit pred_dir gt_dir --metric nss --fixations fixations.csv

    Exit code 0 when every pair was read and at least one convention scored it, else 1.
    """  # noqa: D301 - \b is click's mark of lines to keep
    from kldeval.cli.config import with_config_provenance
    from kldeval.cli.terminal import progress_bar
    from kldeval.writers import check_installed, writer_for, writer_named
    from kldeval.writers.files import write_atomically

    if len(paths) < PREDS_AND_GT:
        raise click.UsageError("give one prediction or several, then the ground truth: kldeval audit PRED... GT")
    write = writer_named(options.format_, of_audits=True)
    files = [(path, writer_for(path, of_audits=True)) for path in options.output]
    for one in (write, *(writer for _, writer in files)):
        check_installed(one)
    check_outputs(path for path, _ in files)
    check_looks(options, (write.name, *(one.name for _, one in files)))
    if not options.conventions:  # names that are wrong are told first
        check_there(paths)
    scorer = _audit_of_companion if _metric(options) != "kld" else _audit_of_kld
    with progress_bar(progress=options.progress, quiet=options.quiet) as progress:
        found = with_config_provenance(scorer(_models(paths[:-1]), paths[-1], options, progress))
    look = render_options(options)
    try:
        for path, write_file in files:
            write_atomically(path, write_file(found, look))
    finally:
        _say(found, options)
        show(write(found, on_terminal(look)))
    return 0 if _complete(found) else 1


def _metric(options: AuditOptions) -> str:
    """The metric to audit; the list of metrics that a configuration file has for other commands is none."""
    from kldeval.cli.options import ON_COMMAND_LINE, rank

    return options.metric if rank("metric") == ON_COMMAND_LINE else "kld"


def _audit_of_kld(models: dict[str, Path], gt: Path, options: AuditOptions, progress: Progress | None) -> Audit:
    """Every convention, or those that are named."""
    from kldeval.cli.options import check_fixations_serve
    from kldeval.conventions import convention
    from kldeval.grammar import parse_all

    check_fixations_serve(options, ["kld"])
    names = [name.strip() for part in options.conventions for name in part.split(",") if name.strip()]
    parse_all(convention, names)
    from kldeval.analysis.audit import audit, plan_audit

    plan = plan_audit(
        names, resize=options.resize, color=options.color, curve=options.eps_curve, rounding=options.bounds
    )
    return audit(models, gt, plan, request_from(options), progress)


def _audit_of_companion(models: dict[str, Path], gt: Path, options: AuditOptions, progress: Progress | None) -> Audit:
    """Every definition of a companion."""
    from kldeval.cli.options import READING
    from kldeval.conventions.definitions import family
    from kldeval.errors import UsageProblem

    family(options.metric)
    of_kld = {"--convention": options.conventions, "--eps-curve": options.eps_curve, "--bounds": options.bounds}
    for flag, asked in of_kld.items():
        if asked:
            msg = f"{flag} is about KLD and can mean nothing beside --metric {options.metric}; leave it out"
            raise UsageProblem(msg)
    said = dict.fromkeys(("resize", "color", *READING)) | options.given(("resize", "color", *READING))
    from kldeval.analysis.audit_companions import audit_companion

    return audit_companion(options.metric, models, gt, said, request_from(options), progress)


def _models(preds: tuple[Path, ...]) -> dict[str, Path]:
    from kldeval.reports.leaderboard import name_models

    return dict(zip(name_models(preds), preds, strict=True))


def _complete(found: Audit) -> bool:
    """Whether every pair was read, and at least one convention scored it."""
    rows = [row for rows in found.maps.values() for row in rows]
    return bool(rows) and not any(found.failures.values()) and all(row.values for row in rows)


def _say(found: Audit, options: AuditOptions) -> None:
    """Failures, and unless --quiet the notes, on stderr; a table holds them already."""
    if options.format_ == "table":
        return
    for failures in found.failures.values():
        for failure in failures:
            say(f"{failure.name}: {failure.message}")
    from kldeval.cli.config import unsilenced

    for note in unsilenced(found.notes) if options.quiet else found.notes:
        say(note, "note")
