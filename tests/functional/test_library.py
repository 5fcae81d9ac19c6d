"""The metrics as functions of arrays: every library, shape and type, and what is refused."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pytest
from backends import BACKENDS, make, to_numpy
from evaluating import pair_of, scored, settings_of
from every import conventions
from late import late
from looping import each_of

import kldeval
from kldeval.errors import KldevalError, RefusedMap, UnknownName, UsageProblem

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

torch = late("torch")

METRIC: dict[str, Callable[..., Any]] = {
    "kld": kldeval.kld,
    "kld-reverse": kldeval.kld_reverse,
    "ce": kldeval.ce,
    "jsd": kldeval.jsd,
    "entropy-gt": kldeval.entropy_gt,
}
RNG = np.random.default_rng(13)
every_metric = each_of("name", METRIC)
every_backend = each_of("backend", BACKENDS)


def from_files(name: str, pred: Any, gt: Any, **texts: str) -> float:
    """The number that the engine gives two maps that were read from files."""
    return scored(pair_of(pred, gt), settings_of({"metric": name, **texts})).values[name]


MADE_SO = ": numpy.asarray or torch.as_tensor makes them so"


class TestShapes:
    @every_backend
    @every_metric
    @each_of("norm", ["sum-to-one", "softmax", "minmax+flatten-softmax"])
    def test_a_batch_is_a_loop(self, name: str, norm: str, backend: str) -> None:
        pred, gt = RNG.random((2, 2, 3, 4, 5))
        batch = METRIC[name](make(backend, pred), make(backend, gt), norm=norm)
        assert tuple(batch.shape) == (2, 3)
        for place in np.ndindex(2, 3):
            one = METRIC[name](make(backend, pred[place]), make(backend, gt[place]), norm=norm)
            assert tuple(one.shape) == ()
            np.testing.assert_allclose(to_numpy(batch)[place], to_numpy(one), rtol=1e-13)

    @every_backend
    @each_of(("pred", "gt"), [((3, 4, 5), (4, 5)), ((4, 5), (3, 4, 5)), ((3, 1, 4, 5), (2, 4, 5))])
    def test_the_axes_before_the_map_broadcast(self, pred: tuple[int, ...], gt: tuple[int, ...], backend: str) -> None:
        maps = RNG.random(pred), RNG.random(gt)
        expected = kldeval.kld(*(np.broadcast_to(x, np.broadcast_shapes(pred, gt)) for x in maps))
        actual = kldeval.kld(*(make(backend, x) for x in maps))
        np.testing.assert_allclose(to_numpy(actual), expected, rtol=1e-13)

    def test_a_batch_may_be_empty(self) -> None:
        assert kldeval.kld(np.ones((0, 3, 4)), np.ones((0, 3, 4))).shape == (0,)

    @every_backend
    @every_metric
    def test_reduction_none_is_a_map(self, name: str, backend: str) -> None:
        pred, gt = RNG.random((2, 2, 3, 4))
        terms = METRIC[name](make(backend, pred), make(backend, gt), reduction="none")
        assert tuple(terms.shape) == (2, 3, 4)
        np.testing.assert_allclose(to_numpy(terms).sum(axis=(1, 2)), METRIC[name](pred, gt), rtol=1e-12)


class TestTypes:
    @every_backend
    @each_of("name", ["kld", "jsd"])
    @each_of("dtype", ["uint8", "uint16", "int32", "bool", "float32", "float64"])
    @each_of("norm", ["sum-to-one", "flatten-softmax"])
    def test_arrays_score_as_files_of_their_type_do(self, name: str, norm: str, dtype: str, backend: str) -> None:
        """--scale unit divides 8 and 16 bit, which a softmax notices."""
        pred, gt = (RNG.random((2, 6, 7)) * 250).astype(dtype)
        # tensors of single precision are computed in it, unless something else is said
        actual = METRIC[name](make(backend, pred), make(backend, gt), norm=norm, dtype="float64")
        expected = from_files(name, pred, gt, norm=norm)
        np.testing.assert_allclose(to_numpy(actual), expected, rtol=1e-12, atol=1e-15)
        raw = METRIC[name](make(backend, pred), make(backend, gt), norm=norm, scale="raw", dtype="float64")
        expected = from_files(name, pred * 1.0, gt * 1.0, norm=norm)
        np.testing.assert_allclose(to_numpy(raw), expected, rtol=1e-12, atol=1e-15)

    def test_the_scale_is_that_of_the_type(self) -> None:
        for dtype, full in (("uint8", 255), ("uint16", 65535), (">u2", 65535), ("int64", 1)):
            pred, gt = (RNG.random((2, 6, 7)) * 250).astype(dtype)
            by_hand = kldeval.kld(pred / full, gt / full, norm="flatten-softmax")
            np.testing.assert_allclose(kldeval.kld(pred, gt, norm="flatten-softmax"), by_hand, rtol=1e-13)

    @every_backend
    @every_metric
    @each_of("dtype", ["float64", "float32"])
    def test_the_numbers_have_the_dtype_of_the_signature(self, name: str, dtype: str, backend: str) -> None:
        stored = "float32" if dtype == "float64" else "float64"
        pred, gt, weights = (make(backend, RNG.random((6, 7)), dtype=stored) for _ in range(3))
        for options in ({}, {"weights": weights}, {"norm": "softmax", "weights": weights, "reduction": "mean"}):
            assert to_numpy(METRIC[name](pred, gt, dtype=dtype, **options)).dtype == dtype

    def test_float32_is_less_precise_and_close(self) -> None:
        pred, gt = RNG.random((2, 60, 70))
        single, double = (float(kldeval.kld(pred, gt, dtype=dtype)) for dtype in ("float32", "float64"))
        assert single != double
        assert single == pytest.approx(double, rel=1e-4)

    def test_inputs_are_left_as_they_are(self) -> None:
        pred, gt, weights = RNG.random((3, 4, 5))
        before = pred.copy(), gt.copy(), weights.copy()
        for norm in ("sum-to-one", "softmax", "minmax+blur(sigma=1)+sum-to-one", "latitude+sum-to-one"):
            kldeval.kld(pred, gt, weights=weights, norm=norm, empty_gt="zero")
        assert all(np.array_equal(one, other) for one, other in zip(before, (pred, gt, weights), strict=True))

    def test_a_gradient_flows_to_a_prediction_alone(self) -> None:
        pred = torch.rand(2, 3, 4, dtype=torch.float64, requires_grad=True)
        kldeval.kld(pred, torch.rand(2, 3, 4), norm="flatten-softmax").mean().backward()
        assert pred.grad is not None
        assert bool((pred.grad != 0).any())


class TestOptions:
    @each_of(
        ("options", "metric", "texts"),
        [
            ({}, "kld", {}),
            ({"eps": 1e-7}, "kld", {"eps": "1e-7"}),
            ({"eps": np.float64(1e-7)}, "kld", {"eps": "1e-7"}),
            ({"eps": 0}, "kld", {"eps": "0"}),
            ({"ratio_eps": 1e-7}, "kld(ratio_eps=1e-7)", {}),
            ({"ratio_eps": 0}, "kld()", {}),
            ({"factor": 10, "direction": "mean"}, "kld(factor=10,direction=mean)", {}),
            ({"norm": "softmax", "axis": 0}, "kld", {"norm": "softmax", "axis": "0"}),
            ({"pred_norm": "flatten-softmax"}, "kld", {"pred_norm": "flatten-softmax"}),
            ({"base": 2, "reduction": "mean"}, "kld", {"base": "2", "reduction": "mean"}),
            ({"scale": "raw", "norm": "flatten-softmax"}, "kld", {"scale": "raw", "norm": "flatten-softmax"}),
            ({"norm": None, "eps": None}, "kld", {}),
        ],
    )
    def test_a_keyword_is_the_option_of_the_same_name(
        self, options: dict[str, Any], metric: str, texts: dict[str, str]
    ) -> None:
        pred, gt = RNG.integers(0, 256, (2, 6, 7), dtype=np.uint8)
        expected = scored(pair_of(pred, gt), settings_of({"metric": metric, **texts}))
        np.testing.assert_allclose(kldeval.kld(pred, gt, **options), expected.values["kld"], rtol=1e-12)

    @each_of("name", conventions())
    def test_a_convention_scores_as_in_a_report(self, name: str) -> None:
        pred, gt = 0.01 + RNG.random((2, 6, 7))
        expected = scored(pair_of(pred, gt), settings_of(convention=conventions()[name].texts))
        np.testing.assert_allclose(kldeval.kld(pred, gt, convention=name), expected.values["kld"], rtol=1e-12)
        np.testing.assert_allclose(kldeval.ce(pred, gt, convention=name), expected.values["ce"], rtol=1e-12)

    @every_backend
    @every_metric
    def test_a_ground_truth_of_zeros_can_score_0_as_in_a_report(self, name: str, backend: str) -> None:
        pred, gt = RNG.random((2, 2, 3, 4))
        gt[0] = 0
        options = {"empty_gt": "zero", "eps": 0} if name not in ("jsd", "entropy-gt") else {"empty_gt": "zero"}
        values = to_numpy(METRIC[name](make(backend, pred), make(backend, gt), **options))
        assert values[0] == 0
        assert values[1] == pytest.approx(float(METRIC[name](pred[1], gt[1], **options)), rel=1e-12)
        assert values[1] > 0
        assert not to_numpy(METRIC[name](make(backend, pred), make(backend, gt), reduction="none", **options))[0].any()

    def test_a_ground_truth_of_zeros_does_not_hide_a_prediction_without_a_number(self) -> None:
        values = kldeval.kld(np.zeros((2, 2)), np.zeros((2, 2)), convention="sam")
        assert math.isnan(values)

    @pytest.mark.parametrize(
        ("options", "expected"),
        [
            ({"empty_pred": "uniform"}, math.log(4)),
            ({"empty_pred": "keep", "eps": 0}, math.inf),
            ({"empty_pred": "nan"}, math.nan),
        ],
    )
    def test_a_prediction_of_zeros_scores_as_asked(self, options: dict[str, Any], expected: float) -> None:
        value = kldeval.kld(np.zeros((2, 2)), np.asarray([[1.0, 0.0], [0.0, 0.0]]), **options)
        np.testing.assert_allclose(value, expected, rtol=1e-12)


class TestWeights:
    @every_backend
    @each_of("name", ["kld", "entropy-gt"])
    @each_of("dtype", ["bool", "uint8", "int64", "float32", "float64"])
    def test_a_mask_is_a_crop(self, name: str, dtype: str, backend: str) -> None:
        pred, gt = RNG.random((2, 3, 4, 6))
        mask = np.zeros((4, 6), dtype=dtype)
        mask[1:3, 2:] = 1
        masked = METRIC[name](make(backend, pred), make(backend, gt), weights=make(backend, mask))
        np.testing.assert_allclose(to_numpy(masked), METRIC[name](pred[:, 1:3, 2:], gt[:, 1:3, 2:]), rtol=1e-12)

    @every_backend
    @each_of("name", ["kld", "ce"])
    @each_of("shape", [(), (5,), (4, 1), (1, 5), (4, 5), (3, 1, 1), (3, 4, 5)])
    @each_of(("norm", "reduction"), [("sum-to-one", "mean"), ("softmax", "slices"), ("softmax", "mean")])
    def test_they_broadcast(self, norm: str, reduction: str, shape: tuple[int, ...], name: str, backend: str) -> None:
        pred, gt = RNG.random((2, 3, 4, 5))
        weights = 0.5 + RNG.random(shape)
        options = {"norm": norm, "reduction": reduction}
        expected = METRIC[name](pred, gt, weights=np.broadcast_to(weights, pred.shape), **options)
        actual = METRIC[name](make(backend, pred), make(backend, gt), weights=make(backend, weights), **options)
        np.testing.assert_allclose(to_numpy(actual), expected, rtol=1e-12)

    def test_a_nan_under_weight_0_does_not_exist(self) -> None:
        pred, gt = RNG.random((2, 4, 5))
        mask = np.ones((4, 5), bool)
        mask[2] = False
        pred[2], gt[2] = math.nan, -math.inf
        rows = [0, 1, 3]
        for norm in ("sum-to-one", "flatten-softmax", "softmax"):
            masked = kldeval.kld(pred, gt, weights=mask, norm=norm)
            np.testing.assert_allclose(masked, kldeval.kld(pred[rows], gt[rows], norm=norm), rtol=1e-12)
            assert not kldeval.kld(pred, gt, weights=mask, norm=norm, reduction="none")[2].any()

    def test_a_weight_is_a_repetition_of_the_pixel(self) -> None:
        pred, gt = RNG.random((2, 1, 4))
        counts = np.asarray([[1, 3, 2, 1]])
        twice = kldeval.kld(np.repeat(pred, counts[0], axis=1), np.repeat(gt, counts[0], axis=1))
        np.testing.assert_allclose(kldeval.kld(pred, gt, weights=counts), twice, rtol=1e-12)


MAP = np.ones((3, 4))
ARRAY_OPTIONS = (
    "axis, base, convention, direction, dtype, empty_gt, empty_pred, eps, factor, gt_norm, log_eps, norm, num_eps, "
    "pred_norm, ratio_eps, reduction, scale, spatial_axes, weights"
)
REFUSED_MAPS: list[tuple[Any, Any, dict[str, Any], str]] = [
    (MAP[0], MAP, {}, "pred has the shape (4,); maps are (..., H, W) and have pixels"),
    (MAP, MAP[:0], {}, "gt has the shape (0, 4); maps are (..., H, W) and have pixels"),
    (MAP * 1j, MAP, {}, "pred has the dtype complex128; maps hold real numbers"),
    (MAP, MAP.astype(object), {}, "gt has the dtype object; maps hold real numbers"),
    (
        MAP,
        MAP[:1],
        {},
        "pred has the shape (3, 4) and gt (1, 4); height and width must agree, and the axes before them must broadcast",
    ),
    (
        np.ones((2, 3, 4)),
        np.ones((5, 3, 4)),
        {},
        (
            "pred has the shape (2, 3, 4) and gt (5, 3, 4); height and width must agree, and the axes before them must "
            "broadcast"
        ),
    ),
    (
        MAP,
        MAP,
        {"weights": np.ones((2, 4))},
        "weights have the shape (2, 4), which does not broadcast to that of the maps, (3, 4)",
    ),
    (
        MAP,
        MAP,
        {"weights": np.ones((2, 3, 4))},
        "weights have the shape (2, 3, 4), which does not broadcast to that of the maps, (3, 4)",
    ),
    (MAP, MAP, {"weights": MAP * 1j}, "weights have the dtype complex128; they must be real numbers"),
    (MAP, MAP, {"weights": -MAP}, "weights must be finite numbers of 0 or more"),
    (MAP, MAP, {"weights": MAP * math.nan}, "weights must be finite numbers of 0 or more"),
    (
        MAP,
        MAP,
        {"weights": MAP * math.inf},
        "weights must be finite numbers of 0 or more",
    ),
    (
        np.ones((2, 3, 4)),
        MAP,
        {"weights": np.asarray([[[1.0]], [[0.0]]])},
        "the weights of a map are all 0: it has no pixels",
    ),
    (
        MAP - 2,
        MAP,
        {},
        (
            "the prediction has negative values (minimum -1), which 'sum-to-one' cannot take; "
            "for scores or logits use a softmax (pred_norm='flatten-softmax'), for signed attributions their strength "
            "(pred_norm='abs+sum-to-one') or the positive ones (pred_norm='clip(min=0)+sum-to-one'), and "
            "shift maps whose 0 is arbitrary (pred_norm='shift+sum-to-one')"
        ),
    ),
    (
        MAP,
        MAP * math.nan,
        {"norm": "flatten-softmax"},
        "the ground truth holds nan, which 'flatten-softmax' does not handle; repair the map",
    ),
    (
        MAP * math.inf,
        MAP,
        {},
        (
            "the prediction holds inf, which 'sum-to-one' does not handle; repair the map, or clip it first: "
            "pred_norm='clip(min=...,max=...)+sum-to-one'"
        ),
    ),
    (
        MAP,
        np.stack([MAP, 0 * MAP]),
        {},
        (
            "the ground truth is all zero, which 'sum-to-one' cannot normalise; choose empty_gt='uniform', 'zero' "
            "or 'nan'"
        ),
    ),
    (
        0 * MAP,
        MAP,
        {},
        "the prediction is all zero, which 'sum-to-one' cannot normalise; choose empty_pred='keep', 'uniform' or 'nan'",
    ),
    (
        MAP,
        MAP,
        {"pred_norm": "minmax+sum-to-one"},
        (
            "the prediction is constant, which 'minmax+sum-to-one' cannot normalise; choose "
            "empty_pred='keep', 'uniform' or 'nan'"
        ),
    ),
    (
        np.eye(3, 4) * [[1], [1], [0]],
        MAP,
        {"norm": "sum-to-one(axis=-1)"},
        (
            "the prediction is all zero in a row, which 'sum-to-one(axis=-1)' cannot normalise; choose "
            "empty_pred='keep', 'uniform' or 'nan'"
        ),
    ),
    (
        MAP,
        np.eye(3, 4),
        {"norm": "sum-to-one(axis=0)"},
        (
            "the ground truth is all zero in a column, which 'sum-to-one(axis=0)' cannot normalise; choose "
            "empty_gt='uniform', 'zero' or 'nan'"
        ),
    ),
]


class TestRefusals:
    @each_of(("pred", "gt", "options", "message"), REFUSED_MAPS)
    def test_a_map_that_does_not_fit_is_refused(
        self, pred: Any, gt: Any, options: dict[str, Any], message: str
    ) -> None:
        with pytest.raises(RefusedMap) as caught:
            kldeval.kld(pred, gt, **options)
        assert str(caught.value) == message

    @pytest.mark.parametrize("backend", ["array_api_strict", "torch"])
    def test_other_libraries_are_refused_alike(self, backend: str) -> None:
        for pred, gt, options, message in REFUSED_MAPS:
            if any(array.dtype.kind in "cO" for array in (pred, gt, *options.values()) if hasattr(array, "dtype")):
                continue  # no other library has objects, and each has its own name for complex numbers
            moved = {key: make(backend, value) if key == "weights" else value for key, value in options.items()}
            with pytest.raises(RefusedMap) as caught:
                kldeval.kld(make(backend, pred), make(backend, gt), **moved)
            assert str(caught.value) == message

    def test_a_tensor_with_a_gradient_is_refused_without_a_warning(self) -> None:
        with pytest.raises(
            RefusedMap, match=r"the prediction has negative values \(minimum -0.5\), which 'sum-to-one'"
        ):
            kldeval.kld(torch.tensor([[1.0, -0.5]], requires_grad=True), torch.ones(1, 2))

    @each_of(
        ("options", "message"),
        [
            ({"nrom": "softmax"}, f"unknown option 'nrom'; did you mean 'norm'? Known: {ARRAY_OPTIONS}"),
            ({"metric": "ce"}, f"unknown option 'metric'; known: {ARRAY_OPTIONS}"),
            ({"resize": "pred-to-gt"}, f"unknown option 'resize'; known: {ARRAY_OPTIONS}"),
            ({"color": "luma"}, f"unknown option 'color'; known: {ARRAY_OPTIONS}"),
            ({"signature": "kld"}, f"unknown option 'signature'; known: {ARRAY_OPTIONS}"),
            (
                {"nrom": "softmax", "jobs": 2},
                (
                    f"unknown option 'nrom'; did you mean 'norm'? Known: {ARRAY_OPTIONS}\n"
                    f"unknown option 'jobs'; known: {ARRAY_OPTIONS}"
                ),
            ),
        ],
    )
    def test_an_unknown_option_is_refused(self, options: dict[str, Any], message: str) -> None:
        with pytest.raises(UnknownName) as caught:
            kldeval.kld(MAP, MAP, **options)
        assert str(caught.value) == message

    @pytest.mark.parametrize(
        ("arrays", "message"),
        [
            (lambda: (MAP, "a.npy"), "maps and weights must be arrays of one library, not ndarray, str" + MADE_SO),
            (
                lambda: (MAP, torch.ones(3, 4)),
                "maps and weights must be arrays of one library, not ndarray, Tensor" + MADE_SO,
            ),
        ],
    )
    def test_arrays_of_two_libraries_are_refused(self, arrays: Callable[[], Any], message: str) -> None:
        with pytest.raises(UsageProblem) as caught:
            kldeval.kld(*arrays())
        assert str(caught.value) == message

    def test_weights_of_another_library_are_refused(self) -> None:
        with pytest.raises(UsageProblem) as caught:
            kldeval.kld(MAP, MAP, weights=1.0)  # type: ignore[arg-type] # what is refused
        assert (
            str(caught.value) == "maps and weights must be arrays of one library, not ndarray, ndarray, float" + MADE_SO
        )

    def test_maps_of_an_array_cannot_be_skipped(self) -> None:
        with pytest.raises(UsageProblem) as caught:
            kldeval.kld(MAP, MAP, empty_gt="skip")  # type: ignore[arg-type] # the refusal is the test
        expected = "empty_gt='skip' leaves maps out of a report, but every map of an array has a result; use 'nan'"
        assert str(caught.value) == expected

    def test_an_unknown_convention_is_refused(self) -> None:
        with pytest.raises(UnknownName, match="unknown convention 'mitt'; did you mean 'mit'") as caught:
            kldeval.kld(MAP, MAP, convention="mitt")
        assert isinstance(caught.value, KldevalError)

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"log_eps": 1, "eps": 2}, "eps=2 has no effect: none of the metrics kld(log_eps=1) uses it"),
            ({"log_eps": "x"}, "kld(log_eps=x): 'x' is not a finite number"),
            ({"base": 3}, "base=3: '3' is none of e, 2, 10"),
        ],
    )
    def test_settings_are_refused_as_on_the_command_line(self, options: dict[str, Any], message: str) -> None:
        with pytest.raises(UsageProblem) as caught:
            kldeval.kld(MAP, MAP, **options)
        assert str(caught.value) == message


class TestEvaluate:
    @pytest.fixture
    def folders(self, tmp_path: Path) -> tuple[Path, Path]:
        for side in ("pred", "gt"):
            (tmp_path / side).mkdir()
            for name in "ab":
                np.save(tmp_path / side / f"{name}.npy", 0.1 + RNG.random((4, 5)))
        return tmp_path / "pred", tmp_path / "gt"

    def test_a_folder_scores_as_its_arrays(self, folders: tuple[Path, Path]) -> None:
        report = kldeval.evaluate(*folders, metric="kld", norm="flatten-softmax")
        for item in report.scores:
            pred, gt = (np.load(folder / f"{item.name}.npy") for folder in folders)
            assert item.values["kld"] == pytest.approx(float(kldeval.kld(pred, gt, norm="flatten-softmax")), rel=1e-12)
        assert [item.name for item in report.scores] == ["a", "b"]

    def test_a_signature_scores_again(self, folders: tuple[Path, Path]) -> None:
        first = kldeval.evaluate(*folders, metric="kld", norm="softmax", base=2)
        again = kldeval.evaluate(*map(str, folders), signature=first.signatures["kld"])
        assert again.scores == first.scores
        assert again.signatures == first.signatures

    def test_pixelwise_terms_are_saved(self, folders: tuple[Path, Path], tmp_path: Path) -> None:
        report = kldeval.evaluate(*folders, metric="kld", save_maps=str(tmp_path / "out"))
        for item in report.scores:
            assert np.load(tmp_path / "out" / "kld" / f"{item.name}.npy").sum() == pytest.approx(item.values["kld"])

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"signature": "kld", "norm": "softmax"}, "signature says every number's setting already; leave out norm"),
            ({"signature": ""}, None),
            ({"limt": 1}, "unknown option 'limt'; did you mean 'limit'? Known: "),
        ],
    )
    def test_options_that_mean_nothing_are_refused(
        self, folders: tuple[Path, Path], options: dict[str, Any], message: str | None
    ) -> None:
        with pytest.raises(UsageProblem) as caught:
            kldeval.evaluate(*folders, **options)
        expected = message or "the signature lacks pred, gt"
        assert str(caught.value).startswith(expected)


def test_the_package_offers_a_dozen_names_and_no_more() -> None:
    assert set(kldeval.__all__) <= set(dir(kldeval))
    assert all(hasattr(kldeval, name) for name in kldeval.__all__)
    with pytest.raises(AttributeError, match="module 'kldeval' has no attribute 'klld'"):
        _ = kldeval.klld  # type: ignore[attr-defined] # reading it is the test


@each_of("name", ["limit", "jobs", "batch_bytes", "max_pixels"])
def test_a_number_of_nothing_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageProblem, match=f"^{name}=0: a number of 1 or more$"):
        kldeval.evaluate(tmp_path, tmp_path, **cast("Any", {name: 0}))
