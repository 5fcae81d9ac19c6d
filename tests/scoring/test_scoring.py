"""One pair as an outcome: a score with its uncovered mass, a failure with its reason, or skipped."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from evaluating import outcome_of, pair_of, settings_of, together
from looping import each_of

from kldeval.records import Failure, Score, Skipped


def outcome(pred: Any, gt: Any, *remarks: str, **texts: str) -> Any:
    pair = pair_of(np.asarray(pred, float), np.asarray(gt, float), remarks=remarks)
    return outcome_of(pair, settings_of({"metric": "kld", **texts}))


def scored(pred: Any, gt: Any, *remarks: str, **texts: str) -> Score:
    found = outcome(pred, gt, *remarks, **texts)
    assert isinstance(found, Score), found
    return found


class TestUncovered:
    @each_of(
        ("pred", "gt", "texts", "count", "mass"),
        [
            ([[1, 1], [1, 1]], [[1, 1], [1, 1]], {}, 0, 0.0),
            ([[0, 1], [0, 1]], [[1, 2], [0, 5]], {}, 1, 0.125),
            ([[0, 0], [0, 1]], [[1, 2], [0, 5]], {}, 2, 0.375),
            # within rows: 1/3 of the first row's mass, none of the second's, in the mean over both
            ([[0, 1], [0, 1]], [[1, 2], [0, 5]], {"norm": "sum-to-one", "axis": "-1"}, 1, 1 / 6),
            ([[0, 1], [0, 1]], [[1, 2], [0, 5]], {"norm": "sum-to-one", "axis": "-1", "reduction": "sum"}, 1, 1 / 6),
            # a log-probability that underflows is no zero
            ([[-1e4, 0]], [[0, 0]], {"norm": "flatten-softmax"}, 0, 0.0),
            ([[-math.inf, 0]], [[0, 0]], {"norm": "flatten-softmax"}, 1, 0.5),
            ([[0, 0], [0, 0]], [[1, 2], [0, 5]], {"empty_pred": "keep"}, 3, 1.0),
            ([[0, 0], [0, 0]], [[1, 2], [0, 5]], {"empty_pred": "uniform"}, 0, 0.0),
        ],
    )
    def test_pixels_of_ground_truth_mass_where_the_prediction_is_exactly_0(
        self, pred: Any, gt: Any, texts: dict[str, str], count: int, mass: float
    ) -> None:
        found = scored(pred, gt, **texts)
        assert found.n_uncovered == count
        assert found.uncovered_mass == pytest.approx(mass, rel=1e-15)

    def test_one_decade_of_epsilon_moves_the_number_by_their_mass(self) -> None:
        pred, gt = [[0, 1], [0, 1]], [[1, 2], [0, 5]]
        small, large = (scored(pred, gt, eps=eps).values["kld"] for eps in ("1e-13", "1e-12"))
        assert small - large == pytest.approx(math.log(10) * scored(pred, gt).uncovered_mass, rel=1e-9)


ZERO, MAP = [[0, 0]], [[1, 3]]
KLD_OF_MAP_TO_UNIFORM = 0.25 * math.log(0.5) + 0.75 * math.log(1.5)


class TestEmpty:
    @each_of("metric", ["kld", "kld-reverse", "kld(direction=mean)", "ce", "jsd", "entropy-gt"])
    def test_a_ground_truth_of_zeros_can_score_0_whatever_the_metric(self, metric: str) -> None:
        assert list(scored(MAP, ZERO, metric=metric, empty_gt="zero").values.values()) == [0.0]

    def test_it_can_be_skipped(self) -> None:
        assert outcome(MAP, ZERO, empty_gt="skip") == Skipped("a", "all-zero ground truth")
        assert isinstance(outcome(MAP, MAP, empty_gt="skip"), Score)

    def test_it_can_be_uniform_or_nan(self) -> None:
        uniform = scored(MAP, ZERO, empty_gt="uniform", eps="0").values["kld"]
        assert uniform == pytest.approx(0.5 * math.log(0.5 / 0.25) + 0.5 * math.log(0.5 / 0.75), rel=1e-14)
        assert math.isnan(scored(MAP, ZERO, empty_gt="nan").values["kld"])

    def test_a_prediction_of_zeros_can_be_kept_uniform_or_nan(self) -> None:
        assert scored(ZERO, MAP, empty_pred="keep", eps="0").values["kld"] == math.inf
        kept = scored(ZERO, MAP, empty_pred="keep").values["kld"]
        e = 2.2204e-16
        assert kept == pytest.approx(sum(q * math.log(e + q / e) for q in (0.25, 0.75)), rel=1e-14)
        assert scored(ZERO, MAP, empty_pred="uniform", eps="0").values["kld"] == pytest.approx(KLD_OF_MAP_TO_UNIFORM)
        assert math.isnan(scored(ZERO, MAP, empty_pred="nan").values["kld"])

    def test_the_other_side_is_still_refused(self) -> None:
        assert isinstance(outcome(ZERO, ZERO, empty_gt="zero"), Failure)
        assert isinstance(outcome(ZERO, ZERO, empty_pred="keep"), Failure)
        assert scored(ZERO, ZERO, empty_gt="zero", empty_pred="keep").values["kld"] == 0
        assert math.isnan(scored(ZERO, ZERO, empty_gt="zero", empty_pred="nan").values["kld"])

    def test_the_ground_truth_is_blamed_first(self) -> None:
        found = outcome([[math.nan, 1]], ZERO)
        assert isinstance(found, Failure)
        assert (found.name, found.stage) == ("a", "check")
        assert found.message.startswith("the ground truth is all zero")


class TestRemarks:
    @each_of(
        ("pred", "gt", "texts", "remarks"),
        [
            ([[2, 3]], [[4, 5]], {}, ()),
            ([[2, 2]], [[4, 5]], {}, ("constant-pred",)),
            ([[2, 3]], [[4, 4]], {}, ("constant-gt",)),
            ([[2, 3]], [[0, 0]], {"empty_gt": "zero"}, ("empty-gt",)),
            ([[0, 3]], [[4, 5]], {}, ("uncovered",)),
            ([[0, 3]], [[4, 5]], {"eps": "0"}, ("uncovered", "infinite")),
            ([[2, 3]], [[0, 0]], {"empty_gt": "nan"}, ("infinite", "empty-gt")),
            ([[0.25, 1]], [[0.5, 0.75]], {}, ("unit-range",)),
            ([[0.25, 1]], [[-0.5, 0.75]], {"norm": "flatten-softmax"}, ()),
            ([[2, 3]], [[4, 5]], {"eps": "0.05"}, ("large-epsilon",)),
            ([[2, 3]], [[4, 5]], {"eps": "0.049"}, ()),
            ([[2, 3]], [[4, 5]], {"metric": "kld(num_eps=0.05)"}, ("large-epsilon",)),
        ],
    )
    def test_what_is_worth_saying_of_a_map(self, pred: Any, gt: Any, texts: dict[str, str], remarks: Any) -> None:
        assert scored(pred, gt, **texts).remarks == remarks

    def test_what_was_noticed_on_reading_comes_first(self) -> None:
        assert scored([[2, 2]], [[4, 5]], "lossy-gt", "integer").remarks == ("lossy-gt", "integer", "constant-pred")


def test_no_number_of_maps_depends_on_the_pairs_that_are_finished_with_it() -> None:
    """To the last bit, whatever levels the others have."""
    rng = np.random.default_rng(17)
    ends = [(0, 256), (3, 40), (7, 8), (0, 2), (100, 256)]
    pairs = [
        pair_of(*rng.integers(low, high, (2, 30, 41)).astype(np.uint8), name=str(place))
        for place, (low, high) in enumerate(ends)
    ]
    settings = settings_of({"metric": "kld,ce,jsd,tv,hellinger,cc,sim,sim(minmax=true),mse,mae", "empty_pred": "keep"})
    alone = [outcome_of(pair, settings) for pair in pairs]
    assert repr(together(pairs, settings)) == repr(alone)
    assert repr(together(pairs[::-1], settings)[::-1]) == repr(alone)
