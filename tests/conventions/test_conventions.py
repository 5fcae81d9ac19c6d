"""What the conventions compute: every row, read by an independent oracle, against the golden numbers and by hand."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import oracle
import pytest
from every import conventions

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
E2, E4, E7, E12 = 2.0**-52, 2.2204e-16, 1e-7, 1e-12
E23 = 2.0**-23

WITHOUT_CONSTANTS = [row for row in conventions().values() if "eps" not in row.metrics[0] and row.pred == row.gt]


def stored(pair: str, side: str) -> tuple[oracle.Map, bool]:
    """A golden map as lists, and whether it is 8-bit."""
    array = PAIRS[f"{pair}_{side}"]
    return array.tolist(), array.dtype == np.uint8


def score(row: Any, pred: oracle.Map, gt: oracle.Map) -> float | str:
    """What the oracle says of two floating-point maps: a number, or `refused`."""
    try:
        return oracle.kld(row, oracle.prediction(row, pred), oracle.ground_truth(row, gt))
    except oracle.OracleRefusal:
        return "refused"


class TestGolden:
    @pytest.mark.parametrize(("pair", "name"), GOLDEN_CASES)
    def test_row_gives_the_golden_number(self, pair: str, name: str) -> None:
        """Every row, read by the oracle, gives the published formula's number to 1e-9; `nan` there means refused."""
        row, expected = conventions()[name], GOLDEN["kld"][pair][name]
        (pred, pred_is_8bit), (gt, gt_is_8bit) = stored(pair, "pred"), stored(pair, "gt")
        if expected == "nan":
            with pytest.raises(oracle.OracleRefusal):
                (oracle.prediction(row, pred, is_8bit=pred_is_8bit), oracle.ground_truth(row, gt, is_8bit=gt_is_8bit))
            return
        p = oracle.prediction(row, pred, is_8bit=pred_is_8bit)
        q = oracle.ground_truth(row, gt, is_8bit=gt_is_8bit)
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


PRED = [[0.2, 0.5, 0.9, 0.4], [0.1, 0.7, 0.3, 0.6], [0.8, 0.25, 0.45, 0.35]]
GT = [[0.3, 0.1, 0.8, 0.6], [0.2, 0.9, 0.4, 0.5], [0.7, 0.15, 0.55, 0.05]]
ZERO = [[0.0] * 4] * 3
CONSTANT = [[0.5] * 4] * 3
N = 12
Q = [x / sum(map(sum, GT)) for line in GT for x in line]
ENTROPY = -math.fsum(q * math.log(q) for q in Q)
UNIFORM = math.log(N) - ENTROPY
"""D(gt || uniform), which a uniform prediction scores in the exact form."""


def against_nothing(eps: float, offset: float = 0.0) -> float:
    """Sum q ln(eps + q/eps): what an all-zero prediction scores."""
    mass = sum(map(sum, GT))
    shares = [x / (mass + offset) for line in GT for x in line]
    return math.fsum(q * math.log(eps + q / eps) for q in shares)


NAN, REFUSED, FINITE = "nan", "refused", "finite"


def kind_of(got: float | str) -> str:
    """`refused`, `nan`, `finite` or `infinite`."""
    if isinstance(got, str):
        return got
    return FINITE if math.isfinite(got) else NAN if math.isnan(got) else "infinite"


EDGES: dict[str, tuple[float | str, ...]] = {
    # all-zero prediction, all-zero ground truth, both, constant prediction, constant ground truth
    "default": (REFUSED, REFUSED, REFUSED, UNIFORM, FINITE),
    "exact": (REFUSED, REFUSED, REFUSED, UNIFORM, FINITE),
    "mit": (against_nothing(E2), 0, 0, UNIFORM, FINITE),
    "mit-python": (NAN, NAN, NAN, UNIFORM, FINITE),
    "tuebingen": (UNIFORM, FINITE, 0, UNIFORM, FINITE),
    "pysaliency": (UNIFORM, FINITE, 0, UNIFORM, FINITE),
    "fixatons": (against_nothing(E12), 0, 0, against_nothing(E12), FINITE),
    "ledov-first": (against_nothing(E7), 0, 0, FINITE, FINITE),
    "hd2s": (NAN, NAN, NAN, UNIFORM, FINITE),
    "eml-net": (NAN, NAN, NAN, FINITE, FINITE),
    "sam": (NAN, 0, NAN, FINITE, FINITE),
    "msi-net": (against_nothing(E7, E7), 0, 0, against_nothing(E7, E7), FINITE),
    "twos-loss": (10 * against_nothing(E4, E4), 0, 0, 10 * UNIFORM, FINITE),
    "gazegan": (FINITE, 0, 0, FINITE, 0),
    "aclnet-pytorch": (math.fsum(q * math.log((q + E7) / E7) for q in Q), 0, 0, FINITE, FINITE),
    "aclnet": (NAN, 0, NAN, FINITE, FINITE),
    "dreyeve-loss": (against_nothing(E7, E7), 0, 0, FINITE, FINITE),
    "dreyeve": (against_nothing(E23, E23), 0, 0, FINITE, FINITE),
    "scout-weights": (FINITE, FINITE, 0, FINITE, FINITE),
    "ram1n": (FINITE, FINITE, 0, FINITE, FINITE),
    "saliency360": (NAN, NAN, NAN, FINITE, FINITE),
    "salient360": (NAN, NAN, NAN, FINITE, FINITE),
    "affordance": (NAN, 0, NAN, NAN, FINITE),
    "unisal": (UNIFORM, FINITE, 0, UNIFORM, FINITE),
    "salfbnet": (FINITE, FINITE, 0, FINITE, FINITE),
    "flatten-softmax": (FINITE, FINITE, 0, FINITE, FINITE),
    "row-softmax": (FINITE, FINITE, 0, FINITE, FINITE),
    "keras": (FINITE, FINITE, 0, FINITE, FINITE),
    "torch-sum": (FINITE, FINITE, 0, FINITE, FINITE),
    "torch-mean": (FINITE, FINITE, 0, FINITE, FINITE),
    "torch-batchmean": (FINITE, FINITE, 0, FINITE, FINITE),
    "torchmetrics": (REFUSED, REFUSED, REFUSED, FINITE, FINITE),
    "scipy": (REFUSED, REFUSED, REFUSED, FINITE, FINITE),
}
EDGE_MAPS = {
    "zero prediction": (ZERO, GT),
    "zero ground truth": (PRED, ZERO),
    "both zero": (ZERO, ZERO),
    "constant prediction": (CONSTANT, GT),
    "constant ground truth": (PRED, CONSTANT),
}


class TestEdgeCases:
    @pytest.mark.parametrize("case", EDGE_MAPS)
    @pytest.mark.parametrize("name", conventions())
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

    @pytest.mark.parametrize("row", WITHOUT_CONSTANTS, ids=lambda row: row.name)
    def test_a_map_against_itself_scores_0_in_every_exact_row(self, row: Any) -> None:
        """Without constants nothing can push D(q || q) away from 0, provided both maps take the same way."""
        assert score(row, GT, GT) == 0
