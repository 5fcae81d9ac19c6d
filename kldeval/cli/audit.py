"""`kldeval audit PRED... GT`: the same maps under every convention."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kldeval.cli.help import GroupedCommand
from kldeval.cli.messages import on_terminal, render_options, say, show
from kldeval.cli.options import GivenPath, file_options, naming_options, reading_options, request_from
from kldeval.cli.reporting import VERBOSE, check_outputs

if TYPE_CHECKING:
    from kldeval.reports.audit_documents import Audit


PREDS_AND_GT = 2
"""At least so many paths."""


@click.command("audit", cls=GroupedCommand, context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("paths", nargs=-1, type=GivenPath(path_type=Path), metavar="PRED... GT")
@click.option(
    "--convention",
    "conventions",
    multiple=True,
    metavar="NAMES",
    help="Only these, as mit,sam; may be repeated [default: all].",
)
@click.option(
    "-m",
    "--metric",
    default="kld",
    metavar="NAME",
    help="kld, or a companion under the definitions of code bases: cc, sim, nss, auc, sauc, ig or mae [default: kld].",
)
@click.option(
    "--fixations",
    metavar="PATH",
    help="Of nss, auc and sauc: a folder by name, or one file (maps, .mat, .csv, .tsv, .json, .jsonl).",
)
@reading_options
@click.option("--eps-curve", is_flag=True, help="Also the KLD over epsilon from 1e-16 to 1e-4, and its slope.")
@click.option("--resize", metavar="HOW", help="For the conventions that have no resizing of their own, as in evaluate.")
@click.option("--color", metavar="HOW", help="Maps whose colour channels differ: luma, mean or first [default: error].")
@click.option(
    "--format",
    "format_",
    default="table",
    metavar="NAME",
    help="table, json, csv, tsv, markdown, latex or html [default: table].",
)
@click.option(
    "-o",
    "--output",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Also write FILE, in the format of its suffix; may be repeated.",
)
@VERBOSE
@click.option("-q", "--quiet", is_flag=True, help="No notes and no progress on stderr, errors only.")
@click.option("--precision", type=click.IntRange(1, 17), metavar="N", help="Significant digits in tables [default: 4].")
@click.option("--progress/--no-progress", default=None, help="A progress bar on stderr [default: on a terminal].")
@click.option("--jobs", type=click.IntRange(min=1), metavar="N", help="Threads [default: one per core].")
@click.option("--debug", is_flag=True, help="Show a traceback on errors.")
@naming_options
@file_options
def command(paths: tuple[Path, ...], **options: Any) -> int:
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
    write = writer_named(options["format_"], of_audits=True)
    files = [(path, writer_for(path, of_audits=True)) for path in options["output"]]
    for one in (write, *(writer for _, writer in files)):
        check_installed(one)
    check_outputs(path for path, _ in files)
    scorer = _audit_of_companion if _metric(options) != "kld" else _audit_of_kld
    with progress_bar(options) as progress:
        found = with_config_provenance(scorer(_models(paths[:-1]), paths[-1], options, progress))
    look = render_options(options)
    try:
        for path, write_file in files:
            write_atomically(path, write_file(found, look))
    finally:
        _say(found, options)
        show(write(found, on_terminal(look)))
    return 0 if _complete(found) else 1


def _metric(options: dict[str, Any]) -> str:
    """The metric to audit; the list of metrics that a configuration file has for other commands is none."""
    from kldeval.cli.options import ON_COMMAND_LINE, rank

    return str(options["metric"]) if rank("metric") == ON_COMMAND_LINE else "kld"


def _audit_of_kld(models: dict[str, Path], gt: Path, options: dict[str, Any], progress: Any) -> Audit:
    """Every convention, or those that are named."""
    from kldeval.analysis.audit import audit, plan_audit

    names = [name.strip() for part in options["conventions"] for name in part.split(",") if name.strip()]
    plan = plan_audit(names, resize=options["resize"], color=options["color"], curve=options["eps_curve"])
    return audit(models, gt, plan, request_from(options), progress)


def _audit_of_companion(models: dict[str, Path], gt: Path, options: dict[str, Any], progress: Any) -> Audit:
    """Every definition of a companion."""
    from kldeval.analysis.audit_companions import audit_companion
    from kldeval.cli.options import READING
    from kldeval.errors import UsageProblem

    for name, flag in (("conventions", "--convention"), ("eps_curve", "--eps-curve")):
        if options[name]:
            msg = f"{flag} is about KLD and can mean nothing beside --metric {options['metric']}; leave it out"
            raise UsageProblem(msg)
    said = {name: options[name] for name in ("resize", "color", *READING)}
    return audit_companion(options["metric"], models, gt, said, request_from(options), progress)


def _models(preds: tuple[Path, ...]) -> dict[str, Path]:
    from kldeval.reports.leaderboard import name_models

    return dict(zip(name_models(preds), preds, strict=True))


def _complete(found: Audit) -> bool:
    """Whether every pair was read, and at least one convention scored it."""
    rows = [row for rows in found.maps.values() for row in rows]
    return bool(rows) and not any(found.failures.values()) and all(row.values for row in rows)


def _say(found: Audit, options: dict[str, Any]) -> None:
    """Failures, and unless --quiet the notes, on stderr; a table holds them already."""
    if options["format_"] == "table":
        return
    for failures in found.failures.values():
        for failure in failures:
            say(f"{failure.name}: {failure.message}")
    from kldeval.cli.config import unsilenced

    for note in unsilenced(found.notes) if options["quiet"] else found.notes:
        say(note, "note")
