"""The conventions as the program computes them: golden numbers on every path, edge cases, resizing."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import oracle
import pytest
from backends import BACKENDS, make
from command_line import kldeval as run
from command_line import score as scores
from edge_maps import EDGE_MAPS, EDGES
from evaluating import answers, by_pixel, outcome_of, pair_of, quantities, settings_of
from every import conventions
from looping import each_of

import kldeval
from kldeval.errors import RefusedMap
from kldeval.preprocessing.resize import imresize
from kldeval.records import Failure, Score

if TYPE_CHECKING:
    from collections.abc import Callable

GOLDEN = json.loads((Path(__file__).parent.parent / "golden" / "conventions.json").read_text())["kld"]
"""float64 values of the named conventions on six public pairs; `nan` is a refusal."""

SETTINGS = {name: settings_of({"metric": "kld"}, convention=row.texts) for name, row in conventions().items()}
CASES = [(pair, name) for pair in GOLDEN for name in GOLDEN[pair]]


def public(pairs: dict[str, np.ndarray], name: str) -> Any:
    return pair_of(pairs[f"{name}_pred"], pairs[f"{name}_gt"])


def number(outcome: object) -> float | str:
    """The value, or the message of the failure."""
    if isinstance(outcome, Score):
        return outcome.values["kld"]
    assert isinstance(outcome, Failure)
    return outcome.message


PATHS: dict[str, Callable[..., float | str]] = {
    "a run": lambda pair, settings: number(outcome_of(pair, settings)),
    "pixels": lambda pair, settings: number(by_pixel(pair, settings)),
    "an audit": lambda pair, settings: answers([pair], quantities({"kld": settings}))[0]["kld"],
}
"""8-bit pairs through their joint histogram, every pixel by itself in blocks, and 8-bit pairs by their levels."""


def is_named(message: object, pair: str, name: str) -> bool:
    """Whether a message says why the golden file has no number: a logit, or an all-zero row, under which chain."""
    chain = re.escape(conventions()[name].pred)
    why = {
        "logits": (
            rf"the prediction has negative values \(minimum -[0-9.]+\), which '{chain}' cannot take; "
            "for scores or logits .*"
        ),
        "rows": f"the (prediction|ground truth) is all zero in a row, which '{chain}' cannot normalise; choose .*",
    }
    return re.fullmatch(why["logits" if pair == "logits" else "rows"], str(message)) is not None


@each_of(("pair", "name"), CASES)
def test_every_row_gives_its_golden_number(public_pairs: dict[str, np.ndarray], pair: str, name: str) -> None:
    """To 1e-9 relative, on every path; `nan` in the golden file is a refusal that names the cause."""
    got = {path: compute(public(public_pairs, pair), SETTINGS[name]) for path, compute in PATHS.items()}
    if GOLDEN[pair][name] == "nan":
        assert {path for path, message in got.items() if not is_named(message, pair, name)} == set()
    else:
        assert got == pytest.approx(dict.fromkeys(PATHS, float(GOLDEN[pair][name])), rel=1e-9)


@each_of("backend", BACKENDS)
@each_of("pair", [pair for pair in GOLDEN if not pair.endswith("large")])
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


@each_of(
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

    @each_of("name", conventions())
    def test_floating_point_maps(self, name: str) -> None:
        for (case, sides), expected in zip(EDGE_MAPS.items(), EDGES[name], strict=True):
            pair = pair_of(*(np.asarray(side, np.float64) for side in sides))
            for path, compute in PATHS.items():
                check(compute(pair, SETTINGS[name]), expected, f"{case}, {path}")

    @each_of("name", conventions())
    def test_8_bit_maps(self, name: str) -> None:
        """The oracle says what the same maps score when they were stored in 8 bits."""
        row = conventions()[name]
        for case, maps in EDGE_MAPS.items():
            pred, gt = (np.rint(255 * np.asarray(side)).astype(np.uint8) for side in maps)
            try:
                sides = (
                    oracle.prediction(row, pred.tolist(), is_8bit=True),
                    oracle.ground_truth(row, gt.tolist(), is_8bit=True),
                )
                expected: float | str = oracle.kld(row, *sides)
            except oracle.OracleRefusal:
                expected = "refused"
            for path, compute in PATHS.items():
                check(compute(pair_of(pred, gt), SETTINGS[name]), expected, f"{case}, {path}")

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


def check(got: float | str, expected: float | str, where: str) -> None:
    """A number, or one of the words refused, nan and finite."""
    if expected == "refused":
        assert isinstance(got, str), where
        assert "cannot normalise" in got, where
    elif expected == "finite":
        assert isinstance(got, float), where
        assert math.isfinite(got), where
    else:
        assert isinstance(got, float), where
        assert got == pytest.approx(float(expected), rel=1e-12, abs=1e-13, nan_ok=True), where


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
