"""`kldeval PRED GT --rows`: every row of two arrays of logits is a unit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from kldeval.cli.messages import drawn, render_options, say, show

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kldeval.cli.evaluate_options import EvaluateOptions
    from kldeval.cli.options import NumericOptions
    from kldeval.cli.reporting import OutputOptions
    from kldeval.reports.gates import Gate
    from kldeval.reports.rows import RowsReport
    from kldeval.settings.settings import Settings


OptionsOfRows = TypeVar("OptionsOfRows", bound="NumericOptions")

EXIT_GATE = 3

NORMS = ("norm", "pred_norm", "gt_norm", "signature", "convention", "preset")
"""The options that say what makes distributions of rows."""


def with_defaults(options: OptionsOfRows) -> OptionsOfRows:
    """The options of rows: a softmax within each, and the divergence, where nothing else is said."""
    if not any(getattr(options, name) for name in NORMS):
        options = options.replaced(norm="softmax", axis=options.axis or "-1")
    if not (options.metric or options.signature):
        options = options.replaced(metric=("kld",))
    return options.replaced(maps="rows", ignore_index=None)


def score_rows_of(paths: tuple[tuple[Path, ...], Path | None], settings: Settings, options: EvaluateOptions) -> int:
    """Score rows and show them; the exit code.

    Raises:
        UsageProblem: something is asked for that rows do not have.
    """
    from kldeval.analysis.rows import run_rows
    from kldeval.cli.options import request_from
    from kldeval.cli.terminal import progress_bar
    from kldeval.errors import UsageProblem

    preds, gt = paths
    _check(options, len(preds))
    files = _files(options)
    if "llama" in (options.format_, *(format_ for _, format_ in files)) and "kld" not in settings.keys:
        msg = "--format llama is of kld: add it to the metrics"
        raise UsageProblem(msg)
    gates = _gates(options.fail_if, settings)
    ignored = ignored_label(options.ignore_index)
    with progress_bar(progress=options.progress, quiet=options.quiet) as progress:
        report = run_rows(
            preds[0] if preds else None,
            gt,
            settings,
            request_from(options),
            labels=options.labels,
            ignore_index=ignored,
            progress=progress,
        )
    if options.save_maps is not None:
        _save(options.save_maps, report)
    is_wrong = bool(report.failures) or not report.n
    if options.score_only:
        _deliver(report, files, options, is_shown=False)
        if not is_wrong:
            show(" ".join(repr(report.summaries[key].mean) for key in settings.keys) + "\n")
    else:
        _deliver(report, files, options)
    if is_wrong and (options.score_only or (not options.quiet and options.format_ != "table")):
        for failure in report.failures:
            say(f"{failure.name}: {failure.message}")
    fired = _fired(gates, report)
    return EXIT_GATE if fired else 1 if is_wrong else 0


def _gates(texts: Sequence[str], settings: Settings) -> Sequence[Gate]:
    """The gates, on means, medians and extremes over rows, and on the share of rows with the same top.

    Raises:
        UsageProblem: one is on something else.
    """
    from kldeval.cli.model_options import parse_gates
    from kldeval.errors import UsageProblem
    from kldeval.scoring.rows import SAME_TOP

    gates = parse_gates(texts, (*settings.keys, SAME_TOP))
    for gate in gates:
        if gate.statistic not in ("", "mean", "median", "min", "max"):
            msg = f"gate {gate.text!r}: of rows there are mean, median, min and max"
            raise UsageProblem(msg)
    return gates


def _fired(gates: Sequence[Gate], report: RowsReport) -> bool:
    """Whether a gate fired; each of them is said."""
    from kldeval.reports.gates import evaluate_gates
    from kldeval.writers.numbers import gate_line

    found = evaluate_gates(gates, report) if gates else ()
    for one in found:
        say(gate_line(one))
    return any(one.fired for one in found)


def ignored_label(text: str | None) -> int | None:
    """The label of rows that do not count.

    Raises:
        UsageProblem: it is no whole number.
    """
    try:
        return None if text is None else int(text)
    except ValueError:
        from kldeval.errors import UsageProblem

        msg = f"--ignore-index {text}: not a whole number"
        raise UsageProblem(msg) from None


def show_rows(report: RowsReport, options: OutputOptions) -> int:
    """Show the saved statistics of rows again; the exit code.

    Raises:
        UsageProblem: something is asked for that they do not have.
    """
    _refuse(options, {"fail_if": "--fail-if", "per_map": "--per-map", "worst": "--worst", "sort": "--sort"})
    _deliver(report, _files(options), options)
    return 0


def _deliver(
    report: RowsReport, files: Sequence[tuple[Path, str]], options: OutputOptions, *, is_shown: bool = True
) -> None:
    """Write the files, and show the document."""
    from kldeval.writers.files import write_atomically
    from kldeval.writers.rows_page import rows_page, rows_text

    looks = render_options(options)
    for path, format_ in files:
        write_atomically(path, rows_text(report, format_, replace(looks, width=None)))
    if not is_shown:
        return
    if options.format_ == "table":
        show(drawn(rows_page(report, looks), looks))
    else:
        show(rows_text(report, options.format_, looks))


def _check(options: EvaluateOptions, n_models: int) -> None:
    from kldeval.cli.model_options import check_several
    from kldeval.cli.options import ON_COMMAND_LINE, rank
    from kldeval.errors import UsageProblem

    if n_models > 1:
        msg = "--rows compares one prediction with its ground truth: score each model by itself"
        raise UsageProblem(msg)
    asked = {"per_map": "--per-map", "worst": "--worst", "sort": "--sort", "output_dir": "--output-dir"}
    _refuse(options, asked)
    check_several(options, 1)
    pictured = next((name for name in ("html_maps", "stimuli") if rank(name) == ON_COMMAND_LINE), None)
    if pictured:
        msg = f"--{pictured.replace('_', '-')} is of pictures of maps, and rows have none: leave it out"
        raise UsageProblem(msg)
    if options.ignore_index is not None and options.labels is None:
        msg = f"--ignore-index {options.ignore_index} is a label of rows that do not count, and there are no --labels"
        raise UsageProblem(msg)


def _refuse(options: object, asked: Mapping[str, str]) -> None:
    """Refuse options that rows have no use for."""
    from kldeval.errors import UsageProblem

    for name, flag in asked.items():
        if getattr(options, name):
            msg = f"{flag} has no meaning for rows, which have no number per map; --format csv has every row"
            raise UsageProblem(msg)


def _files(options: OutputOptions) -> list[tuple[Path, str]]:
    """The files to write with their formats, checked before anything is scored."""
    from kldeval.cli.reporting import LOOKS, check_looks, check_outputs
    from kldeval.grammar import unknown
    from kldeval.writers.rows_page import format_of_file, row_formats

    known = row_formats()
    if options.format_ not in known:
        raise unknown("format", options.format_, known)
    found = []
    for text in options.output:
        prefix, colon, rest = text.partition(":")
        named = colon and prefix in known
        found.append((Path(rest if named else text), prefix if named else format_of_file(text)))
    check_outputs([path for path, _ in found])
    is_shown = not vars(options).get("score_only")
    formats = (*((options.format_,) if is_shown else ()), *(format_ for _, format_ in found))
    check_looks(options, formats, score_only=not is_shown, names=LOOKS)
    return found


def _save(folder: Path, report: RowsReport) -> None:
    """A value per row for each metric, as DIR/METRIC/NAME.npy."""
    import numpy as np

    from kldeval.atomic import whole_file

    at = 0
    for name, n in report.owners:
        for key, values in report.by_row.items():
            with whole_file(folder / key / f"{name}.npy") as file:
                np.save(file, values[at : at + n])
        at += n
