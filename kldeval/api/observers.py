"""Learning curves of the gold standard, as a function: `observers`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, final

from kldeval.analysis.observers import CurvesRequest, learning_curves
from kldeval.api.progress import shown_progress
from kldeval.api.request import library_call
from kldeval.api.shown import AnswerDocument
from kldeval.api.sources import beside, folder_of, is_path
from kldeval.errors import UsageProblem
from kldeval.grammar import unknown
from kldeval.parameters import OF_OBSERVERS, explicit, observers_parameters
from kldeval.reports import learning_curves as curves
from kldeval.reports.resampling import check_resampling
from kldeval.settings.auxiliary import READING
from kldeval.wording import speaks_python

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kldeval.memory import MapFolder
    from kldeval.writers.charts import Chart
    from kldeval.writers.page import Options, Page


@final
class LearningCurves(AnswerDocument, curves.LearningCurves):
    """How well n observers predict others: a curve for each metric, with models between chance and the gold standard.

    >>> found = observers("sample_data/fixations.csv", {"careful": "sample_data/careful"}, metric="nss")
    >>> [point.n for point in found["nss"].points]
    [1, 2]
    >>> round(found["nss"].points[-1].models["careful"].share.value, 2)
    0.53
    """

    __slots__ = ()

    def __getitem__(self, metric: str) -> curves.LearningCurve:
        found = {curve.metric: curve for curve in self.curves}
        if metric not in found:
            raise unknown("metric", metric, found)
        return found[metric]

    def _json(self) -> str:
        from kldeval.writers.observers_page import observers_json

        return observers_json(self)

    def _charts(self) -> Sequence[Chart]:
        from kldeval.writers.observers_page import observers_charts

        return observers_charts(self)

    def _page(self, options: Options) -> Page:
        del options
        from kldeval.writers.observers_page import observers_page

        return observers_page(self)

    def _lines(self) -> list[str]:
        ends = (f"{curve.metric} {curve.points[-1].gold:.4g}" for curve in self.curves)
        return [f"LearningCurves({len(self.images)} images; the gold standard: {', '.join(ends)})"]


@explicit(observers_parameters)
@speaks_python
def observers(
    fixations: Any,
    pred: Any = None,
    *,
    metric: str | Sequence[str] | None = None,
    sigma: float | None = None,
    counts: Sequence[int] | None = None,
    draws: int = 1,
    chance: str = "uniform",
    extrapolate: bool = False,
    size: tuple[int, int] | None = None,
    like: Any = None,
    resamples: int = 10_000,
    confidence: float = 0.95,
    seed: int = 0,
    progress: bool | Callable[[Any, int], None] = False,
    **options: Any,
) -> LearningCurves:
    """How well n observers predict others, for growing n, and where models stand between chance and them.

    ig, nss and auc: n observers predict another one. kld, cc and sim: n predict the ground-truth map of n others, and
    models are scored against the same. The kernel of the observers' density is fitted again for each n.

    Args:
        fixations: the path of a file or folder of fixations that says whose they are.
        pred: a mapping of models to their predictions, or the path of one model's: paths, or arrays by image.
        metric: metrics of fixations, or of maps; by default ig, nss and auc, and with sigma also kld, cc and sim.
        sigma: the Gaussian of the ground truths that halves of the observers make, in pixels.
        counts: the numbers of observers, by default powers of two.
        draws: rounds of splits; in each round every observer is predicted.
        chance: "uniform", or "others", the fixations on all other images.
        extrapolate: whether to say where a power law would end.
        size: (height, width) of the images, where neither fixations nor models say it.
        like: maps that have the images' sizes.
        resamples: bootstrap resamples of the intervals.
        confidence: of the intervals.
        seed: of splits and intervals.
        progress: a bar on standard error, or a function that is told every image and how many there are.
        options: pred_norm, resize, color, and how files are named and read.

    Raises:
        UsageProblem: a metric has no curve or lacks its sigma, or no image has enough observers.

    >>> found = observers("sample_data/fixations.csv", {"careful": "sample_data/careful"}, metric="auc", counts=[2])
    >>> round(found["auc"].points[0].gold, 3)
    0.981
    """
    check_resampling(resamples, confidence, seed)
    if not is_path(fixations):
        msg = (
            f"fixations are of type {type(fixations).__name__}; give the path of a file or folder that names observers"
        )
        raise UsageProblem(msg)
    call = library_call(options, known=(*OF_OBSERVERS, *TEXTS))
    texts = {name: options.get(name) for name in TEXTS if options.get(name) is not None}
    said = None if metric is None else metric if isinstance(metric, str) else ",".join(metric)
    made = CurvesRequest(
        {**texts, "metric": said},
        None if counts is None else tuple(counts),
        draws,
        seed,
        sigma,
        chance,
        size,
        None if like is None else folder_of(like, "like"),
        resamples,
        confidence,
        extrapolate,
    )
    with shown_progress(progress) as told:
        found = learning_curves(_folders(pred), folder_of(fixations, "fixations"), made, call.request, told)  # type: ignore[arg-type] # a path
    return LearningCurves.of(found)


TEXTS = ("pred_norm", "resize", "color", *(f"fixation_{part}" for part in READING if part != "on"))


def _folders(pred: Any) -> dict[str, MapFolder]:
    """The maps of each model: paths, or arrays by the names of the images."""
    if pred is None:
        return {}
    if is_path(pred):
        from kldeval.reports.leaderboard import name_models

        pred = {name_models([pred])[0]: pred}
    if not isinstance(pred, Mapping):
        msg = f"pred is of type {type(pred).__name__}; give a mapping of their names to predictions, or one path"
        raise UsageProblem(msg)
    found = {
        str(name): folder_of(one, "pred") if is_path(one) else beside(one, "pred", None) for name, one in pred.items()
    }
    return {name: one for name, one in found.items() if one is not None}
