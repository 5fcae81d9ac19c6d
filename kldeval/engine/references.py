"""Predictions that need no model, scored beside the model's: what makes its numbers readable.

`uniform` says nothing, the `centre prior` knows where people look on other images, and the `ceiling` is what the other
observers of the same image tell of each. They are densities, divided by their sum whatever the prediction's chain.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from kldeval.engine.centre_prior import centre_prior
from kldeval.engine.class_maps import is_plain
from kldeval.engine.crowd import Kernel, mixed
from kldeval.engine.scoring import score, with_company
from kldeval.errors import UsageProblem
from kldeval.executors.local import cores
from kldeval.metrics.registry import METRICS
from kldeval.normalization.chain import parse_chain, with_axis
from kldeval.normalization.gaussian import blurred_points
from kldeval.normalization.lazy_map import MAP
from kldeval.records import Failure, Score
from kldeval.reports.aggregate import CEILING, PRIOR, UNIFORM
from kldeval.settings.auxiliary import parse_ceiling

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from kldeval.arrays import Array
    from kldeval.engine.centre_prior import CentrePrior
    from kldeval.engine.context import Context
    from kldeval.grammar import Call
    from kldeval.records import MapPair, Pair
    from kldeval.run_options import RunOptions
    from kldeval.settings.settings import Settings

Numbers = dict[str, float]
"""A value by the key of each metric."""


def has_references(call: Call) -> bool:
    """Whether a density has this metric: not one of pixels, which are no density, or of the scale of stored maps."""
    info = METRICS[call.name].info
    return info.on != "pixels" and not info.scaled


@dataclass(frozen=True)
class References:
    """The reference predictions of a run with these settings."""

    settings: Settings
    prior: CentrePrior
    observers: Kernel

    def of(self, pair: MapPair, context: Context) -> dict[str, Numbers]:
        """The numbers of each reference that the pair has."""
        import numpy as np

        if not is_plain(pair):
            return {}
        maps = {UNIFORM: np.ones(pair.shape, np.uint8), PRIOR: self.prior.without(pair.name, pair.shape)}
        found = {name: self._values(pair, map_, context) for name, map_ in maps.items() if map_ is not None}
        found[CEILING] = self._ceiling(pair, context)
        return {name: values for name, values in found.items() if values}

    @property
    def notes(self) -> tuple[str, ...]:
        """What the references are."""
        prior = f"{PRIOR}, the mean of the other ground truths ({self.prior.count} in all), each normalised as they are"
        parts = [f"{UNIFORM}, a constant map", prior]
        if self._on_fixations.metrics:
            kernel = f"bandwidth {self.observers.bandwidth:g} of either side, uniform part {self.observers.uniform:g}"
            parts.append(f"{CEILING}, the Gaussian density of the other observers ({kernel}), observer by observer")
        return ("reference rows: " + "; ".join(parts),)

    @cached_property
    def _chained(self) -> Settings:
        """The settings of densities as predictions, of the metrics that those have."""
        axes = self.settings.axes
        chain = parse_chain("sum-to-one") if axes == MAP else with_axis("sum-to-one", axes[0])
        return replace(self.settings, pred=chain, metrics=tuple(filter(has_references, self.settings.metrics)))

    @cached_property
    def _on_fixations(self) -> Settings:
        return replace(self._chained, metrics=tuple(self.settings.on("fixations").values()))

    def _values(self, pair: MapPair, map_: Array, context: Context) -> Numbers:
        outcome = score(replace(pair, pred=map_, pred_scale=None), self._chained, context)
        return dict(outcome.values) if isinstance(outcome, Score) else {}

    def _ceiling(self, pair: MapPair, context: Context) -> Numbers:
        """The metrics of fixations of each observer under the density of the others; the mean over all fixations."""
        scores = list(self._observer_by_observer(pair, context))
        return {key: _mean(scores, key) for key in self._on_fixations.keys} if scores else {}

    def _observer_by_observer(self, pair: MapPair, context: Context) -> Iterator[tuple[int, Mapping[str, float]]]:
        """Of each observer the number of fixations and the metrics of these."""
        company = pair.company
        if company is None or company.fixations is None or not self._on_fixations.metrics:
            return
        shape, everyone = pair.shape, company.fixations
        sigma = self.observers.sigma(shape)
        names = everyone.observer_names
        smooth = blurred_points(everyone.pixels(shape), shape, sigma) if len(names) > 1 else None
        for name in names if smooth is not None else ():
            own, others = everyone.of_observer(name)
            if own.total and others.total:
                rest = smooth - blurred_points(own.pixels(shape), shape, sigma)
                density = mixed(rest, self.observers.uniform, others.total, shape[0] * shape[1])
                alone = replace(pair, pred=density, pred_scale=None, company=replace(company, fixations=own))
                found = with_company(alone, self._on_fixations, context)
                if not isinstance(found, Failure) and found.beside:
                    yield own.total, found.beside.values


def make_references(settings: Settings, request: RunOptions, pairs: Iterable[Pair]) -> References:
    """The references of a run over these pairs, of which every ground truth is read once.

    Raises:
        UsageProblem: no metric of the run has references.
    """
    from kldeval.engine.worker import reading_of

    if settings.is_labels or settings.reduction == "none" or not any(map(has_references, settings.metrics)):
        shown = ", ".join(call.name for call in settings.metrics)
        reduced = " under --reduction none" if settings.reduction == "none" else ""
        msg = f"--baselines has no effect: there are no reference rows for {shown}{reduced}"
        raise UsageProblem(msg)
    kernel = Kernel(**parse_ceiling(request.ceiling or "observers"))
    prior = centre_prior(pairs, settings, reading_of(settings, request), request.jobs or cores())
    return References(settings, prior, kernel)


def _mean(scores: Iterable[tuple[int, Mapping[str, float]]], key: str) -> float:
    """The mean over the fixations of all observers who have a number."""
    known = [(count, values[key]) for count, values in scores if not math.isnan(values.get(key, math.nan))]
    total = sum(count for count, _ in known)
    return math.fsum(count * value for count, value in known) / total if total else math.nan
