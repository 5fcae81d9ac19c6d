"""`kldeval.evaluate`: maps from wherever they are, scored as the command line scores files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

from kldeval.api.documents import Leaderboard, Report
from kldeval.api.failing import OnFailure, check_on_failure, tell
from kldeval.api.pictured import MapOrigin
from kldeval.api.progress import shown_progress
from kldeval.api.request import LibraryCall, library_call, path_of
from kldeval.api.sources import (
    BESIDE,
    is_array,
    is_path,
    members_of,
    pairs_in_blocks,
)
from kldeval.dataclass import NamedTuple
from kldeval.engine.auxiliary import some_compares_images
from kldeval.engine.run import READ, run, run_blocks, run_models
from kldeval.errors import PartsMissing, UsageProblem
from kldeval.parameters import evaluate_parameters, explicit
from kldeval.provenance import versions
from kldeval.reports import documents
from kldeval.reports.documents import Resampling
from kldeval.sequences import each
from kldeval.wording import in_python, speaks_python

if TYPE_CHECKING:
    from os import PathLike
    from pathlib import Path

    from kldeval.api.progress import Told
    from kldeval.memory import MapFolder
    from kldeval.run_options import RunOptions
    from kldeval.writers.parts import Parts

DRAWN = ("confidence", "resamples", "seed")
"""The keywords on how intervals and tests are drawn."""


@explicit(evaluate_parameters)
@speaks_python
def evaluate(
    pred: Any = None,
    gt: Any = None,
    *,
    on_failure: OnFailure = "warn",
    progress: bool | Told = False,
    sort: str | None = None,
    output_dir: str | PathLike[str] | None = None,
    **options: Any,
) -> Report | Leaderboard:
    """Score predictions against ground truths, as `kldeval PRED GT` does; the numbers are the same to the last bit.

    Maps are two files or two folders; arrays of any library, (H, W) or (N, H, W), one for each side; lists of maps, one
    for each side; or an iterable of `(name, pred, gt)`, `(pred, gt)`, `(name, pred, gt, fixations)` or mappings with
    these keys, of single maps or of batches, such as a DataLoader, which is read once and held a part at a time: each
    pair has arrays of its own, since one that is filled again before it is scored is refused. With a mapping of models
    to any of these for `pred`, the result is a Leaderboard on the maps that all models have. A `manifest` stands for
    both sides.

    Args:
        pred: the predictions, of one model or of several by name; or the pairs, and no `gt`.
        gt: the ground truths.
        on_failure: where maps fail, and the means are those of the others: `raise` a RefusedMap, `warn` (MapsFailed) or
            `ignore`; the report lists them.
        progress: whether to show a bar on standard error, or a function that is told each outcome and their number.
        sort: of a leaderboard, the metric whose best model comes first.
        output_dir: a folder or a URL for the rows of one prediction, as part-NNNNNN.parquet of 4096 names each: of an
            iterable at the end, else while maps are scored.
        options: each is the option of the command line of the same name, with the same default: `metric` ("kld,cc" or
            ["kld", "cc"]) and what moves a number; what stands beside the maps (fixations as counts, mask, weights,
            baseline, other_map: paths or arrays); which files and how they are read; where and with how many workers it
            is computed. `confidence`, with `resamples` and `seed`, asks for intervals of the means.

    Raises:
        UsageProblem: an option is unknown or has no meaning, or the maps cannot be paired.
        MissingDependency: the device, or a package that reads the files, is not there.
        RefusedMap: a map failed, and `on_failure` is `raise`; or an array holds no maps.
        PartsMissing: `output_dir` could not be written; its attribute `report` is the report.

    >>> import numpy as np
    >>> pred, gt = np.random.default_rng(0).random((2, 5, 48, 64))
    >>> report = evaluate(pred, gt, metric=["kld", "cc"], norm="flatten-softmax")
    >>> len(report.scores), report["kld"].mean > 0, report.signatures["cc"].startswith("cc|")
    (5, True, True)
    >>> evaluate({"ours": pred, "theirs": gt}, gt, metric="sim")["theirs"]["sim"].mean
    1.0
    """
    check_on_failure(on_failure)
    options = {name: value for name, value in options.items() if value is not None}
    said = {name: options.pop(name) for name in DRAWN if name in options}
    drawn = Resampling(**said)
    if said:
        from kldeval.reports.resampling import check_resampling

        check_resampling(drawn.resamples, drawn.confidence, drawn.seed)
    if isinstance(pred, Mapping):
        if output_dir is not None:
            msg = "output_dir holds the rows of one prediction; score each model by itself for it"
            raise UsageProblem(msg)
        found: Report | Leaderboard = _models(pred, gt, library_call(options), drawn, sort, progress)
    else:
        rows = None if output_dir is None else path_of(output_dir, "output_dir")
        pairs = _Pairs.of(pred) if _is_iterable(pred, gt) else None
        call = library_call(options, beside_items=pairs.held if pairs else ())
        found = _report(pairs or (pred, gt), call, drawn if said else None, progress, rows)
    for one in found.reports.values() if isinstance(found, Leaderboard) else (found,):
        tell(one.failures, (score.name for score in one.scores), on_failure)
    return found


def _report(
    given: _Pairs | tuple[Any, Any],
    call: LibraryCall,
    drawn: Resampling | None,
    progress: bool | Told,  # noqa: FBT001 - as given
    rows: Path | None,
) -> Report:
    if isinstance(given, _Pairs):
        report, origin, parts = _pairs(given, call, progress, rows)
    else:
        report, origin, parts = _sides(given, call, progress, rows)
    if parts is not None:
        parts.finish(report)
    if drawn:
        from kldeval.reports.intervals import with_intervals

        report = with_intervals(report, drawn)
    made = Report.of(_in_python(report))
    made = made._from(origin) if origin else made  # noqa: SLF001 - which the caller does not see
    if parts is not None:
        try:
            parts.check_written()
        except PartsMissing as missing:
            missing.report = made
            raise
    return made


def _is_iterable(pred: Any, gt: Any) -> bool:
    """Whether the first argument gives pairs."""
    return gt is None and pred is not None and not is_path(pred) and not is_array(pred)


class _Pairs(NamedTuple):
    """The pairs of an iterable, of which the first was looked at: what it holds beside its maps, others hold, too."""

    items: Iterable[Any]
    held: tuple[str, ...]

    @classmethod
    def of(cls, items: Any) -> _Pairs:
        """The pairs, none of which is lost.

        Raises:
            UsageProblem: it is no iterable, or its first item is no pair.
        """
        if not isinstance(items, Iterable):
            kind = type(items).__name__
            msg = f"pred is of type {kind} and there is no gt; give both, or an iterable of (name, pred, gt)"
            raise UsageProblem(msg)
        iterator = iter(items)
        first = list(islice(iterator, 1))
        held = members_of(first[0], 0) if first else {}
        return cls(chain(first, iterator), tuple(what for what in BESIDE if what in held))


Made = tuple[documents.Report, MapOrigin | None, "Parts | None"]
"""A report, where its maps are, and where its rows go."""


def _sides(
    given: tuple[Any, Any],
    call: LibraryCall,
    progress: bool | Told,  # noqa: FBT001 - as given
    rows: Path | None,
) -> Made:
    """The report of two sides, of paths or of arrays."""
    sides = _folders(*given, call)
    parts = _parts(rows, sides, call.request)
    with shown_progress(progress) as told:
        report = run(*sides, call.settings, call.beside(sides[0]), told, parts)
    return report, MapOrigin.of(call, {"": sides[0]}, sides[1]), parts


def _parts(rows: Path | None, sides: Iterable[object], request: RunOptions) -> Parts | None:
    """Where the rows go, if that is asked for.

    Raises:
        UsageProblem: as `open_parts`.
        MissingDependency: as `open_parts`.
    """
    if rows is None:
        return None
    from kldeval.writers.parts import open_parts

    return open_parts(rows, (*sides, *(getattr(request, name) for name in READ)))


def _folders(pred: Any, gt: Any, call: LibraryCall) -> tuple[MapFolder | None, MapFolder | None]:
    if is_array(pred) and gt is None:
        msg = "pred is an array and there is no gt; give both, or an iterable of (name, pred, gt)"
        raise UsageProblem(msg)
    return call.sides(pred, gt)


def _pairs(
    pairs: _Pairs,
    call: LibraryCall,
    progress: bool | Told,  # noqa: FBT001 - as given
    rows: Path | None,
) -> Made:
    """The report of the pairs of an iterable."""
    if call.arrays:
        msg = f"the pairs of an iterable hold what stands beside them: leave out {', '.join(call.arrays)}"
        raise UsageProblem(msg)
    request, settings = call.request._replace(limit=None), call.settings
    whole = some_compares_images(settings) or request.baselines
    blocks = (
        block.folders()
        for block in pairs_in_blocks(pairs.items, settings, whole=whole, limit=call.request.limit, spatial=call.spatial)
    )
    parts = _parts(rows, (), request)
    requests = ((pred, gt, request._replace(**beside)) for pred, gt, beside in blocks)
    with shown_progress(progress, is_open_ended=True) as told:
        return run_blocks(requests, settings, told, parts), None, parts


def _models(
    preds: Mapping[str, Any],
    gt: Any,
    call: LibraryCall,
    drawn: Resampling,
    sort: str | None,
    progress: bool | Told,  # noqa: FBT001 - as given
) -> Leaderboard:
    """The leaderboard of several models."""
    if not preds or gt is None:
        msg = "a leaderboard takes a mapping of one model or more, and the ground truths: evaluate({name: pred}, gt)"
        raise UsageProblem(msg)
    from kldeval.reports.leaderboard import make_leaderboard

    if len({str(name) for name in preds}) < len(preds):
        msg = f"two models have one name: {', '.join(map(repr, preds))}"
        raise UsageProblem(msg)
    sides = {str(name): _folders(pred, gt, call) for name, pred in preds.items()}
    truth = next(iter(sides.values()))[1]
    if truth is None or any(pred is None for pred, _ in sides.values()):
        msg = "a model has no predictions: None"
        raise UsageProblem(msg)
    with shown_progress(progress) as told:
        models = {name: pred for name, (pred, _) in sides.items() if pred is not None}
        reports = run_models(models, truth, call.settings, call.beside(truth), told)
    reports = {name: _in_python(report) for name, report in reports.items()}
    made = make_leaderboard(reports, drawn, sort=sort, provenance=versions())
    compared = made.comparison
    if compared is not None:
        compared = replace(compared, notes=tuple(map(in_python, compared.notes)))
    board = Leaderboard.of(replace(made, notes=tuple(map(in_python, made.notes)), comparison=compared))
    for name, report in board.reports.items():
        report._from(MapOrigin.of(call, {"": models[name]}, truth))  # noqa: SLF001 - which the caller does not see
    return board._from(MapOrigin.of(call, models, truth))  # noqa: SLF001 - which the caller does not see


def _in_python(report: documents.Report) -> documents.Report:
    """The report with its notes and failures in the words of Python."""
    failures = each(lambda failure: replace(failure, message=in_python(failure.message)), report.failures)
    return replace(report, notes=tuple(map(in_python, report.notes)), failures=failures)
