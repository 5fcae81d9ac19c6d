"""Binary cross-entropy of maps through the whole body: torch's numbers, on bytes, floats and logits of any size."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest
from backends import make
from command_line import kldeval, score
from drawn import Fill, arrays, numbers, shapes
from evaluating import on_device, outcome_of, pair_of, scored, settings_of
from hypothesis import given
from hypothesis import strategies as st
from late import late
from looping import each_of

import kldeval as package
from kldeval.errors import UsageProblem
from kldeval.records import Failure, Score

if TYPE_CHECKING:
    from pathlib import Path

functional = late("torch.nn.functional")
torch = late("torch")

RNG = np.random.default_rng(11)
LOGITS = numbers(-50, 50, [0.0, 1e4, -1e4])
PROBABILITIES = numbers(0, 1, [0.0, 1.0, 1e-300, 1e-20])


def maps(elements: Fill) -> st.SearchStrategy[Any]:
    return arrays(shapes(max_side=5), elements, PROBABILITIES)


def outcome(pred: Any, gt: Any, **texts: str) -> Any:
    return outcome_of(pair_of(pred, gt), settings_of({"metric": "bce", **texts}))


def bce(pred: Any, gt: Any, **texts: str) -> float:
    found = outcome(pred, gt, **texts)
    assert isinstance(found, Score), found
    return found.values["bce"]


def assert_torchs(pred: Any, gt: Any, loss: Any, **texts: str) -> None:
    terms = loss(torch.tensor(pred), torch.tensor(gt), reduction="none")
    wanted = {"mean": terms.mean(), "sum": terms.sum(), "slices": terms.mean(), "batchmean": terms.sum() / len(pred)}
    for reduction, expected in wanted.items():
        for backend in ("numpy:readonly", "torch"):
            actual = bce(make(backend, pred), make(backend, gt), reduction=reduction, **texts)
            assert abs(actual - float(expected)) <= 1e-12 * max(1, float(terms.abs().sum()))


@given(case=maps(PROBABILITIES))
def test_of_probabilities_it_is_torchs(case: Any) -> None:
    pred, gt = case
    assert_torchs(pred, gt, functional.binary_cross_entropy)


@given(case=maps(LOGITS))
def test_of_logits_it_is_torchs(case: Any) -> None:
    pred, gt = case
    assert_torchs(pred, gt, functional.binary_cross_entropy_with_logits, norm="sigmoid")
    assert_torchs(pred, gt, functional.binary_cross_entropy_with_logits, pred_norm="log-sigmoid")


def test_logits_of_any_size_give_exact_finite_numbers() -> None:
    logits, truth = np.asarray([[1e4, -1e4], [1e4, -1e4]]), np.asarray([[1.0, 0.0], [0.0, 1.0]])
    assert bce(logits, truth, norm="sigmoid", reduction="sum") == 2e4
    assert bce(logits, truth, norm="sigmoid") == 5e3
    # a step after the sigmoid makes probabilities of them, and torch's clamp applies
    assert bce(logits, truth, norm="sigmoid+none") == 50
    assert bce(logits, truth, norm="sigmoid+none", metric="bce(clamp=-20)") == 10


def test_the_base_divides_and_the_terms_are_saved(tmp_path: Path) -> None:
    pred, truth = RNG.random((4, 5)), RNG.random((4, 5))
    terms = functional.binary_cross_entropy(torch.tensor(pred), torch.tensor(truth), reduction="none").numpy()
    assert bce(pred, truth, base="2") == pytest.approx(terms.mean() / math.log(2), rel=1e-14)
    for name, array in {"p": pred, "q": truth}.items():
        np.save(tmp_path / f"{name}.npy", array)
    done = kldeval(tmp_path / "p.npy", tmp_path / "q.npy", "-m", "kld,bce", "--save-maps", tmp_path / "terms")
    assert done.code == 0
    np.testing.assert_allclose(np.load(tmp_path / "terms" / "bce" / "p.npy"), terms, rtol=1e-13)
    assert (tmp_path / "terms" / "kld" / "p.npy").exists()


class TestBytes:
    pred = RNG.integers(0, 256, (60, 80)).astype(np.uint8) // 16 * 16
    gt = RNG.integers(0, 256, (60, 80)).astype(np.uint8) // 64 * 85

    def test_a_histogram_gives_the_number_of_the_pixels(self) -> None:
        expected = functional.binary_cross_entropy(torch.tensor(self.pred / 255), torch.tensor(self.gt / 255))
        assert bce(self.pred, self.gt) == pytest.approx(float(expected), rel=1e-13)

    def test_a_batch_scores_as_its_maps(self) -> None:
        chosen = settings_of({"metric": "kld,bce,ce", "maps": "mean"})
        pairs = [pair_of(np.roll(self.pred, k), self.gt, name=str(k)) for k in range(3)]
        for batched, alone in zip(on_device(pairs, chosen), pairs, strict=True):
            single = scored(alone, chosen)
            assert isinstance(batched, Score)
            assert list(batched.values) == list(single.values) == ["kld", "bce", "ce"]
            assert list(batched.values.values()) == pytest.approx(list(single.values.values()), rel=1e-12)

    def test_a_mask_counts_no_pixel_of_weight_0(self) -> None:
        weights = np.zeros((60, 80))
        weights[:, :40] = 2
        found = scored(pair_of(self.pred, self.gt, weights=weights), settings_of({"metric": "bce"}))
        assert found.values["bce"] == pytest.approx(bce(self.pred[:, :40], self.gt[:, :40]), rel=1e-13)

    def test_files_of_bytes_are_in_0_to_1_and_pool_over_pixels(self, tmp_path: Path) -> None:
        losses = []
        for name, size in (("a", 60), ("b", 20)):
            for side, array in (("pred", self.pred), ("gt", self.gt)):
                (tmp_path / side).mkdir(exist_ok=True)
                cv2.imwrite(str(tmp_path / side / f"{name}.png"), array[:size])
            pixels = torch.tensor(self.pred[:size] / 255), torch.tensor(self.gt[:size] / 255)
            losses.append(functional.binary_cross_entropy(*pixels, reduction="none").numpy().ravel())
        arguments = (tmp_path / "pred", tmp_path / "gt", "-m", "bce")
        assert score(*arguments) == [pytest.approx(np.mean([x.mean() for x in losses]), rel=1e-13)]
        assert score(*arguments, "--maps", "pixels") == [pytest.approx(np.concatenate(losses).mean(), rel=1e-13)]
        sums = [x.sum() for x in losses]
        assert score(*arguments, "--reduction", "sum") == [pytest.approx(np.mean(sums), rel=1e-13)]


class TestBesideDensities:
    def test_each_metric_takes_its_own_chains_and_says_so(self) -> None:
        pred, gt = RNG.random((4, 5)), RNG.random((4, 5))
        found = outcome(pred, gt, metric="kld,bce")
        assert isinstance(found, Score)
        assert found.values == {"kld": outcome(pred, gt, metric="kld").values["kld"], "bce": bce(pred, gt)}
        rest = "scale:unit|resize:none|color:error|empty:error|base:e"
        end = "maps:mean|dtype:float64|v:1"
        of_pixels = "maps:mean|dtype:float64|masks:01|v:1"
        signatures = package.evaluate(pred, gt, metric="kld(),bce").signatures
        assert signatures == {
            "kld": f"kld|pred:sum-to-one|gt:sum-to-one|{rest}|reduce:slices|{end}",
            "bce": f"bce|pred:none|gt:none|{rest}|reduce:mean|{of_pixels}",
        }
        said = package.signature("bce", norm="sigmoid", reduction="sum")
        assert said == f"bce|pred:sigmoid|gt:none|{rest}|reduce:sum|{of_pixels}"

    def test_an_empty_ground_truth_is_a_ground_truth(self) -> None:
        pred, gt = np.full((2, 2), 0.5), np.zeros((2, 2))
        assert bce(pred, gt) == pytest.approx(math.log(2))
        found = outcome(pred, gt, metric="kld,bce", empty_gt="zero")
        assert found.values == {"kld": 0.0, "bce": pytest.approx(math.log(2))}

    def test_a_chain_that_keeps_pixels_apart_is_taken_by_both_sides(self) -> None:
        pred, gt = 5 * RNG.random((4, 5)), 7 * RNG.random((4, 5))
        assert bce(pred, gt, norm="max") == pytest.approx(bce(pred / pred.max(), gt / gt.max()), rel=1e-15)


REFUSED = [
    (
        [[0.5, 1.5]],
        [[0.0, 1.0]],
        "the prediction holds 1.5, and a probability lies in 0..1; for logits use --norm sigmoid",
    ),
    (
        [[0.5, -3.0]],
        [[0.0, 1.0]],
        "the prediction holds -3, and a probability lies in 0..1; for logits use --norm sigmoid",
    ),
    (
        [[0.5, 0.5]],
        [[0.0, 255.0]],
        ("the ground truth holds 255, and a probability lies in 0..1; store it so"),
    ),
    ([[0.5, 0.5]], [[0.0, -1.0]], "the ground truth holds -1, and a probability lies in 0..1; store it so"),
    (
        [[0.5, math.nan]],
        [[0.0, 1.0]],
        (
            "the prediction holds nan, which 'none' does not handle; repair the map, or say what pixels without data "
            "count as: --nodata nan --nodata-pred zero or mask"
        ),
    ),
]


@each_of(("pred", "gt", "message"), REFUSED)
def test_what_is_no_probability_is_a_failure(pred: Any, gt: Any, message: str) -> None:
    found = outcome(np.asarray(pred), np.asarray(gt))
    assert isinstance(found, Failure)
    assert (found.stage, found.message) == ("check", message)


@each_of(
    ("texts", "message"),
    [
        (
            {"norm": "flatten-softmax"},
            (
                "bce takes a probability in 0..1 from each pixel, and 'flatten-softmax' makes a distribution over "
                "pixels; leave it out, or use --norm sigmoid for logits"
            ),
        ),
        (
            {"pred_norm": "log-prob"},
            (
                "bce takes a probability in 0..1 from each pixel, and 'log-prob' makes a distribution over pixels; "
                "leave it out, or use --norm sigmoid for logits"
            ),
        ),
        (
            {"gt_norm": "sigmoid"},
            "bce takes the ground truth in 0..1 as it is stored, not after 'sigmoid'; leave out --gt-norm",
        ),
        (
            {"maps": "pixels", "reduction": "sum"},
            "--maps pixels is a mean over the pixels of all maps, which --reduction sum contradicts",
        ),
        (
            {"maps": "pixels", "metric": "bce,kld"},
            (
                "--maps pixels averages over the pixels of all maps, and kld has one number per map; it is for bce and "
                "for metrics on labels"
            ),
        ),
        (
            {"metric": "kld,bce(clamp=-20)", "norm": "sigmoid"},
            (
                "bce(clamp=-20) has no effect beside 'sigmoid', where the loss is that of the logits; 'sigmoid+none' "
                "makes probabilities of them first"
            ),
        ),
        ({"metric": "bce", "eps": "1e-7"}, "--eps 1e-7 has no effect: none of the metrics bce uses it"),
    ],
)
def test_what_has_no_meaning_for_pixels_is_refused(texts: dict[str, str], message: str) -> None:
    with pytest.raises(UsageProblem) as caught:
        settings_of({"metric": "bce", **texts})
    assert str(caught.value) == message


def test_a_mask_of_0_and_1_in_bytes_is_noted(tmp_path: Path) -> None:
    for name, array in {"p": [[128, 128]], "q": [[0, 1]]}.items():
        cv2.imwrite(str(tmp_path / f"{name}.png"), np.asarray(array, np.uint8))
    report = json.loads(kldeval(tmp_path / "p.png", tmp_path / "q.png", "-m", "bce", "--format", "json").out)
    assert report["notes"][0].startswith("the ground truth holds 0 and 1 as whole numbers (1 of 1 map)")


def test_explain_shows_the_pixels_that_make_it(tmp_path: Path) -> None:
    np.save(tmp_path / "p.npy", np.asarray([[0.5, 0.0]]))
    np.save(tmp_path / "q.npy", np.asarray([[0.0, 1.0]]))
    lines = kldeval("explain", tmp_path / "p.npy", tmp_path / "q.npy", "-m", "bce").out.splitlines()
    place = lines.index("pixels that contribute most to bce, in the sum over pixels")
    assert lines[place + 2].split() == ["0", "1", "0", "1", "100", "99.3%"]
