"""The conventions as the program computes them: golden numbers on every path, edge cases, resizing."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import oracle
import pytest
from backends import BACKENDS, make
from command_line import kldeval as run
from command_line import score as scores
from test_conventions import EDGE_MAPS, EDGES

import kldeval
from kldeval.conventions import CONVENTIONS
from kldeval.errors import RefusedMap
from kldeval.preprocessing.grey import full_scale
from kldeval.preprocessing.resize import imresize
from kldeval.records import Failure, MapPair, Score
from kldeval.scoring.evaluator import Evaluator, SharedEvaluator, score
from kldeval.scoring.plan import Plan, quantity_of
from kldeval.settings.build import make_settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from kldeval.settings.settings import Settings

    Path_ = Callable[[MapPair, Settings], float | str]

GOLDEN = json.loads((Path(__file__).parent.parent / "golden" / "conventions.json").read_text())["kld"]
"""float64 values of the named conventions on six public pairs; `nan` is a refusal."""

SETTINGS = {name: make_settings({"metric": "kld"}, convention=row.texts) for name, row in CONVENTIONS.items()}
CASES = [(pair, name) for pair in GOLDEN for name in GOLDEN[pair]]


def pair_of(pred: np.ndarray, gt: np.ndarray) -> MapPair:
    """Two arrays as the engine gets them from files."""
    return MapPair("a", pred, gt, shape=gt.shape, pred_scale=full_scale(pred), gt_scale=full_scale(gt))


def public(pairs: dict[str, np.ndarray], name: str) -> MapPair:
    return pair_of(pairs[f"{name}_pred"], pairs[f"{name}_gt"])


def number(outcome: object) -> float | str:
    """The value, or the message of the failure."""
    if isinstance(outcome, Score):
        return outcome.values["kld"]
    assert isinstance(outcome, Failure)
    return outcome.message


def collapsed(pair: MapPair, settings: Settings) -> float | str:
    """As `kldeval evaluate` computes on a CPU: 8-bit pairs through their joint histogram."""
    return number(score(pair, settings))


def plain(pair: MapPair, settings: Settings) -> float | str:
    """Every pixel by itself, in blocks."""
    return number(Evaluator(Plan.of(settings)).score_batch([pair], pair.pred, pair.gt)[0])


def shared(pair: MapPair, settings: Settings) -> float | str:
    """As `kldeval audit` computes: 8-bit pairs by their levels."""
    evaluator = SharedEvaluator([quantity_of("kld", settings)])
    return evaluator.finish([evaluator.begin_sized(pair)])[0]["kld"]


PATHS: dict[str, Path_] = {"collapsed": collapsed, "plain": plain, "shared": shared}


def is_named(message: object, pair: str, name: str) -> bool:
    """Whether a message says why the golden file has no number: a logit, or an all-zero row, under which chain."""
    chain = re.escape(CONVENTIONS[name].pred)
    why = {
        "logits": (
            rf"the prediction has negative values \(minimum -[0-9.]+\), which '{chain}' cannot take; "
            "for scores or logits .*"
        ),
        "rows": f"the (prediction|ground truth) is all zero in a row, which '{chain}' cannot normalise; choose .*",
    }
    return re.fullmatch(why["logits" if pair == "logits" else "rows"], str(message)) is not None


@pytest.mark.parametrize(("pair", "name"), CASES)
def test_every_row_gives_its_golden_number(public_pairs: dict[str, np.ndarray], pair: str, name: str) -> None:
    """To 1e-9 relative, on every path; `nan` in the golden file is a refusal that names the cause."""
    got = {path: compute(public(public_pairs, pair), SETTINGS[name]) for path, compute in PATHS.items()}
    if GOLDEN[pair][name] == "nan":
        assert {path for path, message in got.items() if not is_named(message, pair, name)} == set()
    else:
        assert got == pytest.approx(dict.fromkeys(PATHS, float(GOLDEN[pair][name])), rel=1e-9)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("pair", [pair for pair in GOLDEN if not pair.endswith("large")])
def test_arrays_of_every_library_give_the_golden_numbers(
    public_pairs: dict[str, np.ndarray], backend: str, pair: str
) -> None:
    pred, gt = (make(backend, public_pairs[f"{pair}_{side}"]) for side in ("pred", "gt"))
    refused = {name for name, value in GOLDEN[pair].items() if value == "nan"}
    for name in refused:
        with pytest.raises(RefusedMap) as caught:
            kldeval.kld(pred, gt, convention=name, dtype="float64")
        assert is_named(caught.value, pair, name)
    expected = {name: float(value) for name, value in GOLDEN[pair].items() if name not in refused}
    got = {name: float(kldeval.kld(pred, gt, convention=name, dtype="float64")) for name in expected}
    assert got == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("eml-net", 0.20321142746234414),
        ("sam", 2.8171964717879385),
        ("exact", math.inf),
        ("saliency360", 0.520942764038316),
    ],
)
def test_the_command_line_prints_it(pair_files: Path, name: str, expected: float) -> None:
    paths = pair_files / "zeros8_pred.png", pair_files / "zeros8_gt.png"
    assert scores(*paths, "--convention", name, "--metric", "kld") == [pytest.approx(expected, rel=1e-12)]


def test_default_is_what_is_computed_when_nothing_is_said(pair_files: Path) -> None:
    paths = pair_files / "zeros8_pred.png", pair_files / "zeros8_gt.png"
    assert run(*paths).out == run(*paths, "--convention", "default").out
    assert "kldeval:default+v1" in run(*paths).out


class TestEdgeCases:
    """Survey of the originals on all-zero and constant maps: a choice of the row, not of the program."""

    @pytest.mark.parametrize("case", EDGE_MAPS)
    @pytest.mark.parametrize("name", CONVENTIONS)
    def test_floating_point_maps(self, name: str, case: str) -> None:
        expected = EDGES[name][list(EDGE_MAPS).index(case)]
        pred, gt = (np.asarray(side, np.float64) for side in EDGE_MAPS[case])
        for compute in PATHS.values():
            check(compute(pair_of(pred, gt), SETTINGS[name]), expected)

    @pytest.mark.parametrize("case", EDGE_MAPS)
    @pytest.mark.parametrize("name", CONVENTIONS)
    def test_8_bit_maps(self, name: str, case: str) -> None:
        """The oracle says what the same maps score when they were stored in 8 bits."""
        row = CONVENTIONS[name]
        pred, gt = (np.rint(255 * np.asarray(side)).astype(np.uint8) for side in EDGE_MAPS[case])
        try:
            sides = (
                oracle.prediction(row, pred.tolist(), is_8bit=True),
                oracle.ground_truth(row, gt.tolist(), is_8bit=True),
            )
            expected: float | str = oracle.kld(row, *sides)
        except oracle.OracleRefusal:
            expected = "refused"
        for compute in PATHS.values():
            check(compute(pair_of(pred, gt), SETTINGS[name]), expected)

    def test_a_nan_of_mit_python_is_a_score_and_noted(self, tmp_path: Path) -> None:
        """The default refuses the same maps."""
        np.save(tmp_path / "pred.npy", np.zeros((3, 4)))
        np.save(tmp_path / "gt.npy", np.ones((3, 4)))
        paths = tmp_path / "pred.npy", tmp_path / "gt.npy"
        named = run(*paths, "--convention", "mit-python", "--metric", "kld", "--score-only")
        assert (named.code, named.out) == (0, "nan\n")
        assert named.err.startswith("kldeval: note: the metric is infinite or undefined (1 of 1 map)")
        refused = run(*paths, "--score-only")
        assert (refused.code, refused.out) == (1, "")
        assert refused.err == (
            "kldeval: pred: the prediction is all zero, which 'sum-to-one' cannot normalise; "
            "choose --empty-pred keep, uniform or nan\n"
        )


def check(got: float | str, expected: float | str) -> None:
    """A number, or one of the words refused, nan and finite."""
    if expected == "refused":
        assert isinstance(got, str)
        assert "cannot normalise" in got
    elif expected == "finite":
        assert isinstance(got, float)
        assert math.isfinite(got)
    else:
        assert isinstance(got, float)
        assert got == pytest.approx(float(expected), rel=1e-12, abs=1e-13, nan_ok=True)


class TestSizes:
    @pytest.mark.parametrize("shape", [(21, 17), (90, 130)])
    def test_mit_resizes_the_prediction_as_matlab_does(
        self, public_pairs: dict[str, np.ndarray], tmp_path: Path, shape: tuple[int, int]
    ) -> None:
        """An 8-bit prediction stays 8 bits; the number is that of the resized map."""
        gt = public_pairs["smooth8_gt"]
        small = imresize(public_pairs["smooth8_pred"], shape)
        np.save(tmp_path / "pred.npy", small)
        np.save(tmp_path / "gt.npy", gt)
        (got,) = scores(tmp_path / "pred.npy", tmp_path / "gt.npy", "--convention", "mit", "--metric", "kld")
        resized = imresize(small, gt.shape)
        assert resized.dtype == np.uint8
        p, q = resized / resized.sum(), gt / gt.sum()
        by_hand = math.fsum(q[q > 0] * np.log(2.0**-52 + q[q > 0] / (p[q > 0] + 2.0**-52)))
        assert got == pytest.approx(by_hand, rel=1e-9)

    def test_a_convention_without_resizing_refuses_other_sizes(self) -> None:
        outcome = run("sample_data/sizes/pred", "sample_data/sizes/gt", "--convention", "sam")
        assert outcome.code == 1
        assert "sizes differ: the prediction is (36, 48), the ground truth (72, 96)" in outcome.out


def test_sim_under_the_affordance_convention_is_that_of_its_source(tmp_path: Path) -> None:
    """`cal_sim` of Cross-View-AG: the intersection of the min-max prediction and the ground truth, each by its sum."""
    rng = np.random.default_rng(5)
    pred, gt = rng.random((9, 7)) + 0.2, rng.random((9, 7))
    for name, array in (("pred", pred), ("gt", gt)):
        np.save(tmp_path / f"{name}.npy", array)
    stretched = (pred - pred.min()) / (pred.max() - pred.min())
    p, q = stretched / (stretched.sum() + 1e-12), gt / (gt.sum() + 1e-12)
    for metric in ("sim", "kld,sim"):
        report = kldeval.evaluate(tmp_path / "pred.npy", tmp_path / "gt.npy", convention="affordance", metric=metric)
        assert report.summaries["sim"].mean == pytest.approx(np.minimum(p, q).sum(), rel=1e-10)
        assert report.short == "kldeval:affordance+v1"
