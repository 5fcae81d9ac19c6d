"""Tests that look at several numbers at once keep their level: counted over every flip of signs, which is exact.

Differences whose signs are flipped at random come from models that do not differ. Over all 2^n flips of n maps the
share in which anything is found must be at most the level, however many metrics, models or conventions are looked at.
"""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
from report_files import regressions, report

from kldeval.records import Score
from kldeval.reports.audit import rank_reversals, standings
from kldeval.reports.audit_documents import AuditedMap

MAPS, COLUMNS = 6, 7
LEVEL = 0.05
SIGNS = np.array(list(product((1.0, -1.0), repeat=MAPS)))


@pytest.fixture(params=range(3))
def differences(request: pytest.FixtureRequest) -> np.ndarray:
    """The difference of each map in each of several metrics."""
    return np.random.default_rng(request.param).normal(size=(MAPS, COLUMNS))


def worse(differences: np.ndarray) -> Any:
    """The gates of a model that is so much above another in each of the metrics."""
    reports = {
        model: report(
            *(
                Score(f"{row}x", {f"metric {place}": value for place, value in enumerate(values)})
                for row, values in enumerate(table.tolist())
            )
        )
        for model, table in (("new", differences), ("old", np.zeros_like(differences)))
    }
    return regressions(reports, confidence=1 - 2 * LEVEL)


def test_a_gate_of_many_metrics_fires_no_more_often_than_one(differences: np.ndarray) -> None:
    fired = [any(outcome.fired for outcome in worse(signs[:, None] * differences)) for signs in SIGNS]
    assert 0 < sum(fired) <= LEVEL * len(SIGNS)


def test_a_gate_fires_for_one_of_many_metrics_that_is_worse(differences: np.ndarray) -> None:
    changed = differences.copy()
    changed[:, 0] = [1.0, 1.01, 1.02, 1.03, 1.04, 1.05]
    assert worse(changed)[0].fired


def test_an_audit_of_many_conventions_has_no_more_stars_than_one_of_two(differences: np.ndarray) -> None:
    names = [f"convention {place}" for place in range(COLUMNS)]

    def has_star(flipped: np.ndarray) -> bool:
        zeros = np.zeros_like(flipped)
        maps = {
            model: [
                AuditedMap(str(row), 1, True, dict(zip(names, values, strict=True)), {}, None, None)  # noqa: FBT003 - a record of measurements
                for row, values in enumerate(table.tolist())
            ]
            for model, table in (("one", flipped), ("other", zeros))
        }
        found = standings(maps, names, names[0])
        flips = rank_reversals(maps, found, resamples=10_000, seed=0, confidence=1 - LEVEL)
        return any(
            side.significant for flip in flips for sides in (flip.first_better, flip.second_better) for side in sides
        )

    starred = [has_star(signs[:, None] * differences) for signs in SIGNS]
    assert sum(starred) <= LEVEL * len(SIGNS)
