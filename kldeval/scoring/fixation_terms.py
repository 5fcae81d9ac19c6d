"""What a metric of fixations would be of each fixated pixel alone: where it is a mean over fixations, its terms."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from kldeval.dataclass import NamedTuple
from kldeval.metrics.fixated_map import Fixated
from kldeval.scoring.auxiliary_metrics import evaluator_of

if TYPE_CHECKING:
    from kldeval.arrays import NumpyArray as Array
    from kldeval.records import MapPair
    from kldeval.scoring.context import DatasetContext
    from kldeval.scoring.plan import AuxiliaryMetric, Plan


ONCE = ("auc-judd", "auc-borji", "auc-shuffled", "ig-mit")
"""The metrics of the MIT code: a pixel counts once, however often it was fixated."""


class FixationTerms(NamedTuple):
    """Fixated pixels, how often each counts, and the number that a metric would have of that pixel alone."""

    rows: Array
    cols: Array
    counts: Array
    numbers: Array


def fixation_terms(pair: MapPair, plan: Plan, context: DatasetContext, metric: AuxiliaryMetric) -> FixationTerms | None:
    """The number that a metric would have of each fixated pixel alone; None where the pair has no fixations.

    What it compares them with stays as it is: the pixels that nobody fixated, the fixations on other images.

    Raises:
        RefusedMap: the pair does not fit the metric.
    """
    fixations = pair.company.fixations if pair.company else None
    if fixations is None:
        return None
    evaluator = evaluator_of(metric, pair, fixations, plan, context)
    at, call = evaluator.fixated, metric.call
    once = call.name in ONCE or not call.keywords.get("repeats", True)
    counts = np.ones(len(at.rows)) if once else np.asarray(at.counts, np.float64)
    if {"density", "baseline"} & {*metric.info.requires}:
        each = (Fixated(at.rows[[i]], at.cols[[i]], at.counts[[i]]) for i in range(len(at.rows)))
        return FixationTerms(at.rows, at.cols, counts, np.asarray([evaluator.of(one).value(metric) for one in each]))
    cells, others = evaluator.cells(metric)
    own = cells.index[at.rows * pair.shape[1] + at.cols]
    numbers = {}
    for cell in np.unique(own):
        # twice, because AUC_Borji.m has no number of one fixation; the mean is the same
        alone = np.zeros(cells.seen.values.shape)
        alone[0, cell] = 2.0
        numbers[cell] = float(metric.function(replace(cells.seen, fixations=alone, fixated=alone), *others))
    return FixationTerms(at.rows, at.cols, counts, np.asarray([numbers[cell] for cell in own]))
