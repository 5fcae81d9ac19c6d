"""Questions about numbers and maps with answers of their own: `reproduce`, `fit`, `optimal`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from kldeval.analysis.fit import PARTS, settings_of_fit
from kldeval.analysis.fit import fit as fitted
from kldeval.analysis.optimal import optimal_map
from kldeval.analysis.reproduce import reproduce as reproduced
from kldeval.api.progress import shown_progress
from kldeval.api.request import library_call
from kldeval.api.shown import AnswerDocument
from kldeval.api.sources import folder_of
from kldeval.arrays import as_numpy
from kldeval.errors import RefusedMap, UsageProblem
from kldeval.parameters import explicit, fit_parameters, fitted_keywords, reproduce_parameters
from kldeval.reports import fitting, reproduction
from kldeval.run_options import RunOptions
from kldeval.wording import speaks_python

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Sequence

    from kldeval.writers.page import Options, Page


@final
class Reproduction(AnswerDocument, reproduction.Reproduction):
    """Saved numbers computed again: whether every digit `agrees`, and the `differences`; true where they do.

    >>> import tempfile
    >>> from kldeval import evaluate
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     evaluate("sample_data/bold", "sample_data/gt", digests=True).save(f"{folder}/report.json")
    ...     again = reproduce(f"{folder}/report.json")
    >>> again.agrees, again.differences
    (True, ())
    """

    __slots__ = ()

    def __bool__(self) -> bool:
        return self.agrees

    def _json(self) -> str:
        from kldeval.writers.answer_pages import reproduction_json

        return reproduction_json(self)

    def _page(self, options: Options) -> Page:
        del options
        from kldeval.writers.answer_pages import reproduction_page

        return reproduction_page(self)

    def _lines(self) -> list[str]:
        return [f"Reproduction({self.file}: {self.n_same} of {self.n_numbers} numbers agree)"]


@explicit(reproduce_parameters)
@speaks_python
def reproduce(
    file: str | os.PathLike[str],
    *paths: Any,
    tolerance: float = 0.0,
    progress: bool | Callable[[Any, int], None] = False,
    **options: Any,
) -> Reproduction:
    """Compute the numbers of a saved report, a leaderboard or a published row again, and say what differs.

    Args:
        file: a report or a leaderboard in JSON, or published numbers in TOML.
        paths: the predictions (of a leaderboard one for each model), then the ground truth; of a report none are those
            that it names.
        tolerance: how far a number may be from that of a report, as a share of it, or of 1 where it is less; 0 is every
            digit. Processors differ by 1e-12 at most.
        progress: a bar on standard error, or a function that is told every outcome and how many there will be.
        options: options of the run that stand for those that the report has saved: how files are named and read.

    Raises:
        UsageProblem: the file is neither, or does not say which files it is of; a tolerance that is no share, or of a
            published row, which has its own.

    >>> import tempfile
    >>> from kldeval import evaluate
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     report = evaluate("sample_data/bold", "sample_data/gt", digests=True)
    ...     report.save(f"{folder}/report.json")
    ...     bool(reproduce(f"{folder}/report.json"))
    True
    """
    if isinstance(tolerance, bool) or not isinstance(tolerance, int | float):
        msg = f"tolerance={tolerance!r}: a number from 0 (every digit) to below 1"
        raise UsageProblem(msg)
    call = library_call(options, known=RunOptions._fields)
    defaults = RunOptions()
    said = {name: value for name, value in call.request._asdict().items() if value != getattr(defaults, name)}
    sides = [folder_of(path, "pred" if place < len(paths) - 1 else "gt") for place, path in enumerate(paths)]
    with shown_progress(progress) as told:
        return Reproduction.of(reproduced(Path(file), sides, said, told, tolerance))


@final
class Fitted(AnswerDocument, fitting.Fitted):
    """A chain that lowers the mean KLD, and the `share` that goes away on held-out maps, with its `interval`.

    >>> import numpy as np
    >>> pred, gt = np.random.default_rng(0).random((2, 6, 4, 5))
    >>> fitted = fit(pred, gt, parts=["temperature"], folds=2)
    >>> type(fitted).__name__, fitted.chain.startswith("sum-to-one+temperature(t="), fitted.share > 0
    ('Fitted', True, True)
    """

    __slots__ = ()

    def _json(self) -> str:
        from kldeval.writers.answer_pages import fit_json

        return fit_json(self)

    def _page(self, options: Options) -> Page:
        del options
        from kldeval.writers.answer_pages import fit_page

        return fit_page(self)

    def _lines(self) -> list[str]:
        return [f"Fitted({self.chain!r}: {self.share:.1%} of the KLD of held-out {self.units} goes away)"]


@explicit(fit_parameters)
@speaks_python
def fit(
    pred: Any,
    gt: Any,
    *,
    parts: Sequence[str] = PARTS,
    folds: int = 5,
    seed: int = 0,
    progress: bool | Callable[[Any, int], None] = False,
    **options: Any,
) -> Fitted:
    """How much of a model's KLD blur, centre bias, temperature and a uniform part take away, on held-out maps.

    Args:
        pred: the predictions, as for `evaluate`.
        gt: the ground truths.
        parts: what is fitted, of temperature, blur, centre and uniform.
        folds: into how many parts the maps (or groups) are divided, each tested with what the others give.
        seed: of the folds and of the bootstrap.
        progress: a bar on standard error, or a function that is told every map and how many there are.
        options: gt_norm, resize, color, group_by, and how files are named and read.

    Raises:
        UsageProblem: a part is unknown, or there are too few maps.

    >>> import numpy as np
    >>> pred, gt = np.random.default_rng(0).random((2, 6, 4, 5))
    >>> fit(pred, gt, parts=["temperature"], folds=2).units
    'maps'
    """
    call = library_call(options, known=fitted_keywords())
    said = {name: options.get(name) for name in ("gt_norm", "resize", "color", "group_by")}
    sides = folder_of(pred, "pred"), folder_of(gt, "gt")
    with shown_progress(progress) as told:
        found = fitted(
            *sides, settings_of_fit(said), call.request, parts=tuple(parts), folds=folds, seed=seed, progress=told
        )
    return Fitted.of(found)


@speaks_python
def optimal(
    density: Any,
    target: str,
    *,
    sigma: float | None = None,
    baseline: Any = None,
    n_fixations: int | None = None,
    seed: int = 0,
) -> Any:
    """The map that maximises an expected metric when people look where a density says.

    Args:
        density: where people are predicted to look, (H, W), 0 or more; it is divided by its sum.
        target: nss, auc, sauc, cc, kld or sim.
        sigma: the Gaussian of the ground truths in pixels, for cc, kld and sim.
        baseline: the density of the centre bias, (H, W), for sauc.
        n_fixations: how many fixations a ground truth is made of, for sim and cc.
        seed: of what is drawn for sim and cc.

    Returns:
        float64 (H, W).

    Raises:
        UsageProblem: the target is unknown, or lacks what it needs.
        RefusedMap: the density has no sum, or negative values.

    >>> import numpy as np
    >>> optimal(np.asarray([[1.0, 3.0]]), "nss").tolist()
    [[0.25, 0.75]]
    """
    given, centre = as_numpy(density), None if baseline is None else as_numpy(baseline)
    for array in (given, centre):
        if array is not None and (array.ndim != HW or not (array >= 0).all() or not 0 < array.sum() < float("inf")):
            msg = f"a density is (H, W), nowhere negative, and has a sum; this one has the shape {array.shape}"
            raise RefusedMap(msg)
    if centre is not None and centre.shape != given.shape:
        msg = f"the density is {given.shape}, the baseline {centre.shape} (height, width)"
        raise RefusedMap(msg)
    return optimal_map(
        given.astype(float) / given.sum(),
        target,
        sigma=sigma,
        baseline=None if centre is None else centre.astype(float) / centre.sum(),
        n_fixations=n_fixations,
        seed=seed,
    )


HW = 2
"""Height and width."""
