"""How much of an error is calibration, as a function: `calibrate`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kldeval.analysis.calibrate import calibrate as calibrated
from kldeval.api.documents import Leaderboard
from kldeval.api.progress import shown_progress
from kldeval.api.request import library_call
from kldeval.api.sources import check_paired, folder_of
from kldeval.parameters import calibrate_parameters, calibrated_keywords, explicit
from kldeval.reports.documents import Resampling
from kldeval.reports.resampling import check_resampling
from kldeval.wording import speaks_python

if TYPE_CHECKING:
    from collections.abc import Callable


@explicit(calibrate_parameters)
@speaks_python
def calibrate(
    pred: Any,
    gt: Any,
    *,
    fit_share: float = 0.5,
    resamples: int = 10_000,
    seed: int = 0,
    confidence: float = 0.95,
    progress: bool | Callable[[Any, int], None] = False,
    **options: Any,
) -> Leaderboard:
    """Fit one temperature on a part of the maps, and score the others as they are and under it.

    Args:
        pred: class maps with scores or probabilities, or maps of logits under `norm="sigmoid"`, as for `evaluate`.
        gt: their labels, or ground truths in 0..1.
        fit_share: the part of the maps (or groups) that the temperature is fitted on.
        resamples: bootstrap resamples and sign flips of the comparison.
        seed: fixes these draws, and which maps are fitted on.
        confidence: of intervals and tests.
        progress: a bar on standard error, or a function that is told every outcome and how many there will be.
        options: as for `evaluate`; `metric` names what is scored.

    Raises:
        UsageProblem: the predictions have no classes, there are too few maps, or no temperature is the best.

    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> scores = rng.normal(size=(8, 3, 6, 7))
    >>> labels = (scores + rng.gumbel(size=scores.shape)).argmax(axis=1).astype(np.uint8)
    >>> board = calibrate(3 * scores, labels, norm="softmax", axis=0, metric="ce,ece")
    >>> cold, warm = board.reports.values()
    >>> warm.summaries["ce"].mean < cold.summaries["ce"].mean
    True
    """
    call = library_call(options, known=calibrated_keywords())
    check_resampling(resamples, confidence, seed)
    classes = int(call.settings.names_class_axis)
    sides = folder_of(pred, "pred", classes=classes, spatial=call.spatial), folder_of(gt, "gt", spatial=call.spatial)
    check_paired(*sides)
    drawn = Resampling(resamples, seed, confidence)
    with shown_progress(progress) as told:
        board = calibrated(*sides, call.settings, call.beside(sides[0]), drawn, share=fit_share, progress=told)
    return Leaderboard.of(board)
