"""From the terms of labels to the numbers of one map: sums over blocks of positions, and what is made of them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from kldeval.arrays import namespace, quiet
from kldeval.diagnosis import label_remarks
from kldeval.engine.labels import blocks_of, labelled_rows
from kldeval.errors import RefusedMap
from kldeval.records import ClassSum, Failure, Score

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kldeval.engine.labels import LabelBlock
    from kldeval.metrics.class_losses import LabelTerms
    from kldeval.records import MapPair
    from kldeval.settings.settings import Settings


def score_labels(pair: MapPair, settings: Settings, *, per_class: bool = False) -> Score | Failure:
    """The outcome of one pair; `per_class`: also the sums by the classes of its labels."""
    try:
        with quiet():
            rows = labelled_rows(pair, settings)
            sums = _Sums()
            for block in blocks_of(rows, settings):
                sums.add(block, per_class=per_class)
    except RefusedMap as problem:
        return Failure(pair.name, problem.stage, str(problem))
    found = sums.score(pair.name, settings)
    remarks = label_remarks(found, n_valid=sums.n_valid, looks_like_logits=rows.exceeds_logs)
    return replace(found, remarks=(*pair.remarks, *remarks))


@dataclass(slots=True)
class _Sums:
    """What has been summed over the blocks of one map."""

    totals: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    classes: dict[str, list[list[ClassSum]]] = field(default_factory=dict)
    n_valid: int = 0
    n_uncovered: int = 0
    uncovered: list[float] = field(default_factory=list)

    def add(self, block: LabelBlock, *, per_class: bool) -> None:
        """Count a block in."""
        xp = namespace(block.uncovered)
        for key, terms in block.terms.items():
            loss, weight = terms.totals()
            self.totals.setdefault(key, []).append((float(loss), float(weight)))
            if per_class:
                self.classes.setdefault(key, []).append(_class_sums(terms))
        valid = next(iter(block.terms.values())).valid
        self.n_valid += int(xp.sum(xp.astype(valid, xp.int64)))
        self.n_uncovered += int(xp.sum(xp.astype(block.uncovered > 0, xp.int64)))
        self.uncovered.append(float(xp.sum(block.uncovered)))

    def score(self, name: str, settings: Settings) -> Score:
        """The numbers of the map."""
        loss = {key: _total(part[0] for part in parts) for key, parts in self.totals.items()}
        weight = {key: _total(part[1] for part in parts) for key, parts in self.totals.items()}
        means = {key: _quotient(loss[key], weight[key]) for key in loss}
        return Score(
            name,
            {"none": {}, "sum": loss, "mean": means}[settings.reduction],
            self.n_uncovered,
            _total(self.uncovered) / self.n_valid if self.n_valid else 0.0,
            weights=weight if settings.maps == "pixels" else {},
            classes={key: _joined(parts) for key, parts in self.classes.items()},
        )


def _class_sums(terms: LabelTerms) -> list[ClassSum]:
    loss, weight, count = (column.tolist() for column in terms.class_totals())
    return [ClassSum(*row) for row in zip(loss, weight, count, strict=True)]


def _joined(parts: list[list[ClassSum]]) -> tuple[ClassSum, ...]:
    return tuple(
        ClassSum(
            _total(one.total for one in blocks), _total(one.weight for one in blocks), sum(one.n for one in blocks)
        )
        for blocks in zip(*parts, strict=True)
    )


def _quotient(loss: float, weight: float) -> float:
    """The mean, as floating-point division gives it: nan of nothing, inf of a loss that weighs nothing."""
    if weight:
        return loss / weight
    return math.copysign(math.inf, loss) if loss else math.nan


def _total(values: Iterable[float]) -> float:
    """The sum, exact where it is finite; nan where +inf meets -inf."""
    numbers = list(values)
    return math.fsum(numbers) if all(map(math.isfinite, numbers)) else sum(numbers)
