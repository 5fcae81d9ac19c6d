"""`kldeval PRED GT --rows`: every row of two arrays of logits is a unit."""

from __future__ import annotations

from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from kldeval.cli.messages import drawn, render_options, say, show

if TYPE_CHECKING:
    from collections.abc import Callable

    from kldeval.cli.evaluate_options import EvaluateOptions
    from kldeval.reports.rows import RowsReport
    from kldeval.settings.settings import Settings


FORMATS = {".txt": "table", ".json": "json", ".csv": "csv", ".tsv": "tsv", ".md": "markdown", ".tex": "latex"}
"""The format that the suffix of a file asks for."""

NAMES = (*FORMATS.values(), "llama")

NORMS = ("norm", "pred_norm", "gt_norm", "signature", "convention", "preset")
"""The options that say what makes distributions of rows."""


def with_defaults(options: EvaluateOptions) -> EvaluateOptions:
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
    files = _files(options)
    _check(options, len(preds))
    try:
        ignored = None if options.ignore_index is None else int(options.ignore_index)
    except ValueError:
        msg = f"--ignore-index {options.ignore_index}: not a whole number"
        raise UsageProblem(msg) from None
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
    for path, format_ in files:
        _write(path, _text(format_, report, options, is_file=True))
    if options.save_maps is not None:
        _save(options.save_maps, report)
    show(_text(options.format_, report, options))
    if not options.quiet and options.format_ != "table":
        for failure in report.failures:
            say(f"{failure.name}: {failure.message}")
    return 1 if report.failures or not report.n else 0


def _check(options: EvaluateOptions, n_models: int) -> None:
    from kldeval.errors import UsageProblem
    from kldeval.grammar import unknown

    if n_models > 1:
        msg = "--rows compares one prediction with its ground truth: score each model by itself"
        raise UsageProblem(msg)
    if options.format_ not in NAMES:
        raise unknown("format", options.format_, NAMES)
    asked = {"fail_if": "--fail-if", "per_map": "--per-map", "worst": "--worst", "score_only": "--score-only"}
    asked |= {"shard": "--shard", "per_class": "--per-class", "cache": "--cache"}
    for name, flag in asked.items():
        if getattr(options, name):
            msg = f"{flag} has no meaning beside --rows, which has no number per map; --format csv has every row"
            raise UsageProblem(msg)


def _files(options: EvaluateOptions) -> list[tuple[Path, str]]:
    """The files to write with their formats, checked before anything is scored."""
    from kldeval.cli.reporting import check_outputs
    from kldeval.errors import UsageProblem

    found = []
    for text in options.output:
        prefix, colon, rest = text.partition(":")
        named = colon and prefix in NAMES
        path = Path(rest if named else text)
        format_ = prefix if named else FORMATS.get(PurePath(text).suffix.lower(), "")
        if not format_:
            msg = f"cannot write {path}: rows are written as {', '.join(FORMATS)}, or as llama:FILE"
            raise UsageProblem(msg)
        found.append((path, format_))
    check_outputs([path for path, _ in found])
    return found


def _text(format_: str, report: RowsReport, options: EvaluateOptions, *, is_file: bool = False) -> str:
    from kldeval.writers import latex, markdown, text
    from kldeval.writers.rows_page import rows_delimited, rows_json, rows_llama, rows_page

    looks = render_options(options)
    if format_ in ("csv", "tsv"):
        return "".join(rows_delimited(report, "," if format_ == "csv" else "\t"))
    if format_ == "llama" and "kld" not in report.values:
        from kldeval.errors import UsageProblem

        msg = "--format llama is of kld: add it to the metrics"
        raise UsageProblem(msg)
    if format_ in ("json", "llama"):
        return (rows_json if format_ == "json" else rows_llama)(report)
    page = rows_page(report, looks)
    renderers: dict[str, Callable[..., Any]] = {"markdown": markdown.render, "latex": latex.render}
    if format_ in renderers:
        return str(renderers[format_](page, looks))
    return text.render(page, looks) if is_file else drawn(page, looks)


def _write(path: Path, text: str) -> None:
    from kldeval.atomic import whole_file

    with whole_file(path) as file:
        file.write(text.encode("utf-8", "backslashreplace"))


def _save(folder: Path, report: RowsReport) -> None:
    """A value per row for each metric, as DIR/METRIC/NAME.npy."""
    import numpy as np

    from kldeval.atomic import whole_file

    at = 0
    for name, n in report.owners:
        for key, values in report.values.items():
            with whole_file(folder / key / f"{name}.npy") as file:
                np.save(file, values[at : at + n])
        at += n
