"""What the conventions compute: every row, read by an independent oracle, against the golden numbers and by hand."""

from __future__ import annotations

import json
import math
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import oracle
import pytest
from edge_maps import E4, E7, EDGE_MAPS, EDGES, FINITE, GT, NAN, PRED
from every import conventions
from looping import each_of

TESTS = Path(__file__).parents[1]
GOLDEN = json.loads((TESTS / "golden" / "conventions.json").read_text())
"""float64 values of every named convention on six pairs, made with the project's own survey of the original codes."""

PAIRS = np.load(TESTS / "golden" / "pairs.npz")
SMALL = ("smooth8", "zeros8", "logits", "float")
LARGE = {
    "smooth8_large": ("exact", "fixatons", "salient360", "gazegan", "unisal", "row-softmax"),
    "zeros8_large": ("mit", "sam", "torchmetrics"),
}
"""The oracle is slow: on the large pairs it checks one row of each kind."""

GOLDEN_CASES = [(pair, name) for pair in SMALL for name in GOLDEN["kld"][pair]]
GOLDEN_CASES += [(pair, name) for pair, names in LARGE.items() for name in names]

WITHOUT_CONSTANTS = [row for row in conventions().values() if "eps" not in row.metrics[0] and row.pred == row.gt]


@cache
def density(pair: str, side: str, chain: str, empty: str, scale: str) -> oracle.Map:
    """The density of a golden map, which several rows make by one chain."""
    array = PAIRS[f"{pair}_{side}"]
    return oracle.density(array.tolist(), chain, empty, 255.0 if array.dtype == np.uint8 and scale == "unit" else 1.0)


def score(row: Any, pred: oracle.Map, gt: oracle.Map) -> float | str:
    """What the oracle says of two floating-point maps: a number, or `refused`."""
    try:
        return oracle.kld(row, oracle.prediction(row, pred), oracle.ground_truth(row, gt))
    except oracle.OracleRefusal:
        return "refused"


class TestGolden:
    @each_of(("pair", "name"), GOLDEN_CASES)
    def test_row_gives_the_golden_number(self, pair: str, name: str) -> None:
        """Every row, read by the oracle, gives the published formula's number to 1e-9; `nan` there means refused."""
        row, expected = conventions()[name], GOLDEN["kld"][pair][name]
        sides = ("pred", row.pred, row.empty_pred), ("gt", row.gt, row.empty_gt)
        if expected == "nan":
            with pytest.raises(oracle.OracleRefusal):
                [density(pair, *side, row.scale) for side in sides]
            return
        p, q = (density(pair, *side, row.scale) for side in sides)
        assert oracle.kld(row, p, q) == pytest.approx(float(expected), rel=1e-9)

    def test_every_golden_convention_is_a_row_on_its_scale(self) -> None:
        """No golden number is without a row, and the scale is the one that it was computed on."""
        assert {name: conventions()[name].scale for name in GOLDEN["scale"]} == GOLDEN["scale"]

    def test_scipy_row_is_the_mean_over_columns(self) -> None:
        """`scipy` has no golden number; by hand: columns (1,1) against (1,3), and (1,1) against (1,1)."""
        by_hand = (0.25 * math.log(0.25 / 0.5) + 0.75 * math.log(0.75 / 0.5)) / 2
        assert score(conventions()["scipy"], [[1, 1], [1, 1]], [[1, 2], [3, 2]]) == pytest.approx(by_hand, rel=1e-15)

    @pytest.mark.parametrize(
        ("name", "eps", "offset", "factor"), [("ledov-first", E7, 0.0, 1.0), ("twos-loss", E4, E4, 10.0)]
    )
    def test_rows_without_golden_numbers_follow_their_formula(
        self, name: str, eps: float, offset: float, factor: float
    ) -> None:
        """LEDOV's first version and the TwoS loss, written out."""
        pred, gt = [[0.0, 2.0], [3.0, 5.0]], [[1.0, 1.0], [2.0, 0.0]]
        p = [x / (10 + offset) for x in (0.0, 2.0, 3.0, 5.0)]
        q = [x / (4 + offset) for x in (1.0, 1.0, 2.0, 0.0)]
        by_hand = factor * math.fsum(b * math.log(eps + b / (a + eps)) for a, b in zip(p, q, strict=True))
        assert score(conventions()[name], pred, gt) == pytest.approx(by_hand, rel=1e-14)


def kind_of(got: float | str) -> str:
    """`refused`, `nan`, `finite` or `infinite`."""
    if isinstance(got, str):
        return got
    return FINITE if math.isfinite(got) else NAN if math.isnan(got) else "infinite"


class TestEdgeCases:
    @each_of("case", EDGE_MAPS)
    @each_of("name", conventions())
    def test_empty_and_constant_maps_score_what_the_original_prints(self, name: str, case: str) -> None:
        """What MIT answers 0 and its ports NaN is a choice of the row."""
        expected = EDGES[name][list(EDGE_MAPS).index(case)]
        got = score(conventions()[name], *EDGE_MAPS[case])
        if isinstance(expected, str):
            assert kind_of(got) == expected
        else:
            assert got == pytest.approx(expected, rel=1e-12, abs=1e-14)

    def test_aclnet_drops_a_faint_ground_truth(self) -> None:
        """A ground truth whose maximum is at most 0.1 scores 0; one above it does not."""
        row = conventions()["aclnet"]
        assert score(row, PRED, [[x / 9 for x in line] for line in GT]) == 0
        assert score(row, PRED, [[x / 8.9 for x in line] for line in GT]) != 0

    @each_of("row", WITHOUT_CONSTANTS)
    def test_a_map_against_itself_scores_0_in_every_exact_row(self, row: Any) -> None:
        """Without constants nothing can push D(q || q) away from 0, provided both maps take the same way."""
        assert score(row, GT, GT) == 0
