"""Class maps as densities over their classes, and how a run tells them from labels and from plain maps."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest
from backends import make
from command_line import kldeval, score
from evaluating import outcome_of, pair_of, settings_of
from every import label_metrics
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from image_files import PALETTE, image, png, png_chunk
from late import late
from looping import each_of

import kldeval as package
from kldeval.errors import RefusedMap
from kldeval.records import Failure, Score

if TYPE_CHECKING:
    from pathlib import Path

functional = late("torch.nn.functional")
torch = late("torch")

RNG = np.random.default_rng(7)


@st.composite
def shapes_and_axes(draw: st.DrawFn) -> tuple[tuple[int, ...], int]:
    shape = draw(hnp.array_shapes(min_dims=2, max_dims=4, max_side=4))
    return shape, draw(st.integers(-len(shape), len(shape) - 1))


def outcome(pred: Any, gt: Any, **texts: str) -> Any:
    return outcome_of(pair_of(pred, gt), settings_of(texts))


def terms_of(student: np.ndarray, teacher: np.ndarray, axis: int) -> Any:
    """The terms of torch's loss of one network's logits under another's."""
    log_student, log_teacher = (torch.log_softmax(torch.tensor(x), dim=axis) for x in (student, teacher))
    terms: Any = functional.kl_div(log_student, log_teacher, log_target=True, reduction="none")
    return terms


@each_of("backend", ["numpy", "torch"])
@each_of("axis", [0, 1, 2, -1, -2, -3])
def test_the_divergence_of_class_maps_is_torchs(axis: int, backend: str) -> None:
    student, teacher = RNG.normal(size=(2, 3, 4, 5))
    terms = terms_of(student, teacher, axis)
    expected = {
        "slices": terms.sum(axis).mean(),
        "sum": terms.sum(),
        "mean": terms.mean(),
        "batchmean": terms.sum() / 3,
    }
    for reduction, value in expected.items():
        maps = make(backend, student), make(backend, teacher)
        found = outcome(*maps, norm="softmax", axis=str(axis), metric="kld", reduction=reduction)
        assert isinstance(found, Score), found
        assert found.values["kld"] == pytest.approx(float(value), rel=1e-13)
        assert found.remarks == ("class-map",)


@settings(max_examples=30, deadline=None)
@given(case=shapes_and_axes(), seed=st.integers(0, 2**32))
def test_the_divergence_of_any_shape_is_torchs(case: Any, seed: int) -> None:
    shape, axis = case
    student, teacher = 5 * np.random.default_rng(seed).normal(size=(2, *shape))
    if not -3 <= axis < 3 or len(shape) == 2:
        return
    terms = terms_of(student, teacher, axis)
    found = outcome(student, teacher, norm="softmax", axis=str(axis), metric="kld", reduction="sum")
    assert abs(found.values["kld"] - float(terms.sum())) <= 1e-12 * max(1, float(terms.abs().sum()))


def test_the_pixelwise_terms_have_the_shape_of_the_prediction(tmp_path: Path) -> None:
    student, teacher = RNG.normal(size=(2, 3, 4, 5))
    np.save(tmp_path / "p.npy", student)
    np.save(tmp_path / "q.npy", teacher)
    for axis in (0, 1, 2):
        arguments = (tmp_path / "p.npy", tmp_path / "q.npy", "--norm", "softmax", "--axis", str(axis), "-m", "kld")
        done = kldeval(*arguments, "--reduction", "none", "--save-maps", tmp_path / "maps")
        assert done.code == 0, done.err
        saved = np.load(tmp_path / "maps" / "kld" / "p.npy")
        np.testing.assert_allclose(saved, terms_of(student, teacher, axis), rtol=1e-10, atol=1e-14)


def test_keras_sums_over_the_last_axis_and_averages_the_rest() -> None:
    p, q = RNG.random((2, 4, 5, 3))
    clip = "clip(min=1e-07,max=1)+none(axis=-1)"
    found = outcome(p, q, norm=clip, metric="kld()")
    assert found.values["kld"] == pytest.approx(package.keras_kl_divergence(q, p), rel=1e-13)
    pred = "sum-to-one(axis=-1)+clip(min=1e-07,max=0.9999999)"
    found = outcome(p, q, pred_norm=pred, gt_norm="none", metric="ce()")
    assert found.values["ce"] == pytest.approx(package.keras_categorical_crossentropy(q, p), rel=1e-13)


def test_scores_as_log_probabilities_keep_their_precision() -> None:
    """The ratio t / exp(l) would overflow long before the loss does."""
    log_pred, target = np.asarray([[-2000.0, 3000.0], [0.5, -1.0]]), np.asarray([[0.25, 0.75], [1.0, 0.0]])
    for eps in (0.0, 1e-5):
        expected = package.kl_div(log_pred, target, eps=eps, reduction="sum", check=False)
        found = outcome(
            log_pred,
            target,
            pred_norm="log-prob(check=none)",
            gt_norm="none",
            metric=f"kld(num_eps={eps})",
            reduction="sum",
        )
        assert found.values["kld"] == pytest.approx(expected, rel=1e-15)
        assert "scores" in found.remarks


@pytest.mark.parametrize("log_target", [False, True])
@given(seed=st.integers(0, 2**32), shape=hnp.array_shapes(min_dims=2, max_dims=2, max_side=5))
def test_every_reduction_is_that_of_torchs_kl_div(log_target: bool, seed: int, shape: Any) -> None:  # noqa: FBT001
    rng = np.random.default_rng(seed)
    log_pred, target = rng.normal(size=shape), rng.random(shape) * (rng.random(shape) < 0.8)
    target = np.log(target + 0.1) if log_target else target
    arrays = torch.tensor(log_pred), torch.tensor(target)
    terms = functional.kl_div(*arrays, reduction="none", log_target=log_target)
    for reduction, value in {"sum": terms.sum(), "mean": terms.mean(), "batchmean": terms.sum() / shape[0]}.items():
        chosen = {
            "pred_norm": "log-prob(check=none)",
            "gt_norm": "log-prob(check=none)" if log_target else "none",
            "reduction": reduction,
        }
        found = outcome(log_pred, target, metric="kld", empty_gt="zero", **chosen)
        assert abs(found.values["kld"] - float(value)) <= 1e-12 * max(1, float(terms.abs().sum()))


REFUSED = [
    (
        (3, 4, 5),
        np.zeros((5, 4)),
        {},
        (
            "the prediction has the shape (3, 4, 5) and the ground truth (5, 4) (float64); with the classes on axis 0 "
            "it takes the same shape, or integer labels of shape (4, 5)"
        ),
    ),
    (
        (3, 4, 5),
        np.zeros((4, 5)),
        {},
        (
            "the prediction has the shape (3, 4, 5) and the ground truth (4, 5) (float64); with the classes on axis 0 "
            "it takes the same shape, or integer labels of shape (4, 5)"
        ),
    ),
    (
        (3, 4, 5),
        np.zeros((4, 5), np.uint8),
        {},
        (
            "the ground truth holds labels (uint8, shape (4, 5)), and this run takes ground truths for densities; "
            "score labels by themselves, with --gt-norm labels"
        ),
    ),
    (
        (3, 3, 3),
        np.zeros((3, 3, 3)),
        {"norm": "softmax", "gt_norm": "softmax(axis=-3)", "pred_norm": "softmax(axis=2)", "reduction": "sum"},
        "the class axes differ: 2 in the prediction, -3 in the ground truth",
    ),
    (
        (3, 4, 5),
        np.zeros((3, 4, 5)),
        {"norm": "latitude+softmax(axis=0)"},
        "'latitude' is for maps of height and width; a class map is a distribution at each position",
    ),
    (
        (3, 4, 5),
        np.zeros((3, 4, 5)),
        {"norm": "sum-to-one"},
        "a class map needs its class axis, which 'sum-to-one' does not name; add --axis",
    ),
    (
        (3, 4, 5),
        np.zeros((3, 4, 5)),
        {"pred_norm": "softmax(axis=0)", "gt_norm": "sum-to-one(axis=0)"},
        (
            "the ground truth is all zero at a position, which 'sum-to-one(axis=0)' cannot normalise; choose "
            "--empty-gt skip, uniform, zero or nan"
        ),
    ),
]


@each_of(("shape", "gt", "texts", "message"), REFUSED)
def test_what_does_not_fit_is_a_failure_that_says_why(shape: Any, gt: Any, texts: dict[str, str], message: str) -> None:
    texts = texts or {"norm": "softmax(axis=0)"}
    found = outcome(np.ones(shape), gt, **texts)
    assert isinstance(found, Failure)
    assert (found.name, found.stage, found.message) == ("a", "check", message)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    np.save(tmp_path / "pred.npy", RNG.normal(size=(3, 4, 5)))
    cv2.imwrite(str(tmp_path / "labels.png"), RNG.integers(0, 3, (4, 5)).astype(np.uint8))
    np.save(tmp_path / "map.npy", RNG.random((4, 5)))
    return tmp_path


def signature(outcome: Any) -> str:
    return str(json.loads(outcome.out)["signature"]["ce"])


class TestDispatch:
    """What the ground truth holds decides what `ce` means."""

    def test_integers_without_the_class_axis_are_labels(self, folder: Path) -> None:
        arguments = (folder / "pred.npy", folder / "labels.png", "--norm", "softmax", "--axis", "0", "-m", "ce")
        logits = torch.tensor(np.load(folder / "pred.npy"))[None]
        labels = torch.tensor(image(folder / "labels.png").astype(np.int64))[None]
        assert score(*arguments) == [pytest.approx(float(functional.cross_entropy(logits, labels)), rel=1e-14)]
        found = signature(kldeval(*arguments, "--format", "json"))
        assert found.startswith("ce|pred:softmax(axis=0)|gt:labels|")
        assert score(folder / "pred.npy", folder / "labels.png", "--signature", found) == score(*arguments)

    def test_integers_of_the_shape_of_a_plain_map_are_a_density(self, folder: Path) -> None:
        arguments = (folder / "map.npy", folder / "labels.png", "--norm", "softmax", "--axis", "0", "-m", "ce")
        found = signature(kldeval(*arguments, "--format", "json"))
        assert found.startswith("ce|pred:softmax(axis=0)|gt:softmax(axis=0)|")
        expected = package.ce(np.load(folder / "map.npy"), image(folder / "labels.png"), norm="softmax", axis=0)
        assert score(*arguments) == [pytest.approx(float(expected), rel=1e-14)]

    def test_a_palette_is_an_index_beside_a_class_map_and_a_colour_beside_a_map(self, folder: Path) -> None:
        labels = RNG.integers(0, 3, (4, 5))
        palette = png_chunk(b"PLTE", bytes([9, 9, 9, 80, 80, 80, 200, 200, 200]))
        path = folder / "palette.png"
        path.write_bytes(png([row.astype(np.uint8).tobytes() for row in labels], 5, kind=PALETTE, extra=palette))
        cv2.imwrite(str(folder / "index.png"), labels.astype(np.uint8))
        cv2.imwrite(str(folder / "grey.png"), np.asarray([9, 80, 200], np.uint8)[labels])
        flags = ("--norm", "softmax", "--axis", "0", "-m", "ce")
        assert score(folder / "pred.npy", path, *flags) == score(folder / "pred.npy", folder / "index.png", *flags)
        assert score(folder / "map.npy", path, *flags) == score(folder / "map.npy", folder / "grey.png", *flags)

    def test_the_first_readable_pair_decides_and_others_fail(self, tmp_path: Path) -> None:
        for name in "abc":
            for side in ("pred", "gt"):
                (tmp_path / side).mkdir(exist_ok=True)
            np.save(tmp_path / "pred" / f"{name}.npy", RNG.normal(size=(3, 4, 5)))
        (tmp_path / "gt" / "a.npy").write_bytes(b"damaged")
        np.save(tmp_path / "gt" / "b.npy", RNG.integers(0, 3, (4, 5)))
        np.save(tmp_path / "gt" / "c.npy", RNG.random((3, 4, 5)))
        arguments = (tmp_path / "pred", tmp_path / "gt", "--norm", "softmax", "--axis", "0", "--format", "json")
        report = json.loads(kldeval(*arguments, "-m", "ce").out)
        assert [row["name"] for row in report["maps"]] == ["b"]
        assert report["failures"][1]["message"] == (
            "the ground truth has the prediction's shape (3, 4, 5); to take it for soft labels, as they are, say "
            "--gt-norm labels"
        )
        np.save(tmp_path / "gt" / "a.npy", RNG.random((3, 4, 5)))
        report = json.loads(kldeval(*arguments).out)
        assert [row["name"] for row in report["maps"]] == ["a", "c"]
        assert list(report["summary"]) == ["kld", "ce"]
        assert report["failures"][0]["message"] == (
            "the ground truth holds labels (int64, shape (4, 5)), and this run takes ground truths for densities; "
            "score labels by themselves, with --gt-norm labels"
        )

    def test_without_an_axis_a_class_map_is_a_failure_that_asks_for_it(self, folder: Path) -> None:
        done = kldeval(folder / "pred.npy", folder / "labels.png", "--norm", "softmax", "-m", "ce", "--format", "csv")
        assert done.code == 1
        assert done.err.splitlines() == [
            (
                f"kldeval: pred: {folder / 'pred.npy'}: its shape is (3, 4, 5); a map's is (H, W), beside axes of "
                "length 1; a class map needs its class axis: --axis 0 for (C, H, W), --axis -1 for (H, W, C); N maps "
                "need --stack, a volume --spatial-axes 3"
            )
        ]

    @pytest.mark.parametrize(
        ("flags", "code", "message"),
        [
            (
                ("-m", "kld,ce"),
                2,
                (
                    "kld is no metric of labels, and {labels} holds labels (uint8, shape (4, 5)); on labels there are "
                    + ", ".join(label_metrics())
                ),
            ),
            (
                ("-m", "ce(ratio_eps=1e-7)"),
                2,
                "ce has no parameter 'ratio_eps'; known: class_weights, label_smoothing, smoothing_over",
            ),
            (
                ("-m", "ce", "--eps", "1e-7"),
                2,
                "--eps 1e-7 has no effect: {labels} holds labels (uint8, shape (4, 5)), and none of ce uses it",
            ),
        ],
    )
    def test_a_request_that_labels_cannot_meet_is_refused(
        self, folder: Path, flags: tuple[str, ...], code: int, message: str
    ) -> None:
        labels = folder / "labels.png"
        done = kldeval(folder / "pred.npy", labels, "--norm", "softmax", "--axis", "0", *flags)
        assert (done.code, done.err) == (code, f"kldeval: {message.format(labels=labels)}\n")

    def test_an_axis_that_does_not_exist_is_a_usage_problem(self, folder: Path) -> None:
        done = kldeval(folder / "map.npy", folder / "map.npy", "--norm", "softmax", "--axis", "2")
        assert (done.code, done.err) == (
            2,
            "kldeval: axis 2 does not exist in a map of height and width; use -1 (within rows) or 0 (within columns)\n",
        )

    def test_check_shows_the_shapes(self, folder: Path) -> None:
        done = kldeval(
            "check", folder / "pred.npy", folder / "labels.png", "--norm", "softmax", "--axis", "0", "--pairs"
        )
        assert done.code == 0
        assert "3x4x5 float64" in done.out
        assert "5x4 uint8 0..2" in done.out

    def test_explain_shows_the_positions(self, folder: Path) -> None:
        done = kldeval("explain", folder / "pred.npy", folder / "labels.png", "--norm", "softmax", "--axis", "0")
        assert (done.code, done.err) == (0, "")
        assert done.out.startswith("pred: 3 x 4 x 5 scores\n")

    def test_the_library_scores_the_same_files(self, folder: Path) -> None:
        report = package.evaluate(
            folder / "pred.npy",
            folder / "labels.png",
            norm="softmax",
            axis=0,
            metric="ce,accuracy",
            class_weights=[1, 2, 3],
            ignore_index=2,
            per_class=True,
        )
        flags = ("--norm", "softmax", "--axis", "0", "-m", "ce,accuracy", "--class-weights", "1,2,3")
        numbers = score(folder / "pred.npy", folder / "labels.png", *flags, "--ignore-index", "2")
        assert [summary.mean for summary in report.summaries.values()] == numbers
        assert [row.label for row in report.classes] == [0, 1, 2]
        np.save(folder / "weights.npy", np.asarray([1, 2, 3]))
        again = package.evaluate(
            folder / "pred.npy", folder / "labels.png", norm="softmax", axis=0, class_weights=folder / "weights.npy"
        )
        assert again.signatures["ce"].startswith("ce(class_weights=(1,2,3))|")


def test_the_library_points_from_densities_to_labels() -> None:
    for labels in (np.asarray([0, 1, 2]), np.zeros((3, 4), int)):
        with pytest.raises(RefusedMap, match=r"; for integer labels there is kldeval\.cross_entropy$"):
            package.ce(np.ones((*labels.shape, 5)), labels)


class TestExports:
    def test_every_public_name_is_there_and_documented(self) -> None:
        for name in package.__all__:
            assert getattr(package, name) is not None
            assert name.startswith("__") or getattr(package, name).__doc__

    def test_another_name_is_none(self) -> None:
        with pytest.raises(AttributeError, match="module 'kldeval' has no attribute 'crossentropy'"):
            _ = package.crossentropy  # type: ignore[attr-defined] # reading it is the test
