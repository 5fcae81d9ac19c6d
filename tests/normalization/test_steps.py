"""Every normalisation step beside its formula in plain numpy, on every array library, shape and batch."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest
from backends import BACKENDS, make, to_numpy
from chains import found, result, run
from every import steps
from looping import each_of

import kldeval
from kldeval.errors import UsageProblem

if TYPE_CHECKING:
    from collections.abc import Callable

Numpy = Any
"""A numpy array of floats."""

RNG = np.random.default_rng(5)
SHAPES = [(5, 7), (1, 6), (6, 1), (1, 1), (2, 3, 4, 5)]


def blurred(x: Numpy, sigma: float, size: int) -> Numpy:
    return cv2.GaussianBlur(x, (size, size), sigma, sigmaY=sigma, borderType=cv2.BORDER_REFLECT_101).reshape(x.shape)


def byte_scaled(x: Numpy) -> Numpy:
    if x.max() == x.min():
        return np.zeros_like(x)
    return np.floor((x - x.min()) * (255.0 / (x.max() - x.min())) + 0.5)


def log_softmax(x: Numpy, axis: int | None) -> Numpy:
    return x - np.log(np.sum(np.exp(x), axis=axis, keepdims=True))


def latitude(x: Numpy) -> Numpy:
    rows = [math.sin(math.pi * (row / (len(x) - 1))) if len(x) > 1 else 0.0 for row in range(len(x))]
    return x * np.asarray(rows)[:, None]


def centred(x: Numpy) -> Numpy:
    rows, columns = (np.exp(-0.5 * (((np.arange(side) + 0.5) / side - 0.5) / 0.3) ** 2) for side in x.shape)
    return x * rows[:, None] * columns[None, :]


FORMULAS: dict[str, Callable[[Numpy], Numpy]] = {
    "none": lambda x: x,
    "stored": lambda x: x,
    "sum-to-one": lambda x: x / x.sum(),
    "sum-to-one(offset=0.5)": lambda x: x / (x.sum() + 0.5),
    "sum-to-one(axis=-1)": lambda x: x / x.sum(axis=1, keepdims=True),
    "sum-to-one(axis=1)": lambda x: x / x.sum(axis=1, keepdims=True),
    "sum-to-one(axis=0,offset=0.5)": lambda x: x / (x.sum(axis=0, keepdims=True) + 0.5),
    "sum-to-one(axis=-2)": lambda x: x / x.sum(axis=0, keepdims=True),
    "log-prob": lambda x: x,
    "log-prob(base=2)": lambda x: x * math.log(2),
    "log-prob(base=10,check=none)": lambda x: x * math.log(10),
    "abs": np.abs,
    "divide(value=3)": lambda x: x / 3,
    "threshold(above=0.5)": lambda x: (x > 0.5) * 1.0,
    "temperature(t=4)": lambda x: x / 4,
    "sum-to-one+temperature(t=4)": lambda x: np.log((x / x.sum()) ** 0.25 / ((x / x.sum()) ** 0.25).sum()),
    "softmax+temperature(t=4)": lambda x: log_softmax(x / 4, 1),
    "labels(ignore_index=255)": lambda x: x,
    "log-sigmoid": lambda x: -np.log1p(np.exp(-x)),
    "flatten-softmax": lambda x: log_softmax(x, None),
    "softmax": lambda x: log_softmax(x, 1),
    "softmax(axis=1)": lambda x: log_softmax(x, 1),
    "softmax(axis=0)": lambda x: log_softmax(x, 0),
    "softmax(axis=-2)": lambda x: log_softmax(x, 0),
    "minmax": lambda x: (x - x.min()) / (x.max() - x.min()),
    "minmax(offset=0.25)": lambda x: (x - x.min()) / (x.max() - x.min() + 0.25),
    "shift": lambda x: x - min(0.0, x.min()),
    "add(value=1.5)": lambda x: x + 1.5,
    "clip(min=0.3)": lambda x: np.maximum(x, 0.3),
    "clip(max=0.6)": lambda x: np.minimum(x, 0.6),
    "clip(min=0.3,max=0.6)": lambda x: np.minimum(np.maximum(x, 0.3), 0.6),
    "max": lambda x: x / x.max(),
    "bytes": byte_scaled,
    "blank(below=0.97)": lambda x: x if x.max() > 0.97 else 0 * x,
    "latitude": latitude,
    "centre(sigma=0.3)": centred,
    "mix-uniform(share=0.2)": lambda x: 0.8 * x + 0.2 * x.mean(),
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "blur(sigma=1.5,size=5)": lambda x: blurred(x, 1.5, 5),
    "minmax+blur(sigma=0.8)+sum-to-one": lambda x: (
        (y := blurred((x - x.min()) / (x.max() - x.min()), 0.8, 7)) / y.sum()
    ),
}
"""Chains of one step (and one of three) with what they do to a single map (H, W)."""


def each_map(function: Callable[[Numpy], Numpy], maps: Numpy) -> Numpy:
    """A function of one map applied to every map of a batch."""
    flat = maps.reshape(-1, *maps.shape[-2:])
    with np.errstate(all="ignore"):
        return np.stack([function(x) for x in flat]).reshape(maps.shape)


def test_every_step_has_a_formula_here() -> None:
    assert {part.partition("(")[0] for text in FORMULAS for part in text.split("+")} == set(steps())


@each_of("backend", BACKENDS)
def test_a_step_is_its_formula_for_every_map_of_a_batch(backend: str) -> None:
    for chain, formula in FORMULAS.items():
        for shape in SHAPES:
            for data in (RNG.random(shape), RNG.normal(size=shape)):
                actual = result(chain, data, backend)
                assert actual.shape == shape
                np.testing.assert_allclose(actual, each_map(formula, data), rtol=1e-12, atol=1e-13, err_msg=chain)


@each_of("backend", BACKENDS)
@each_of("dtype", ["uint8", "int64", "bool", "float32"])
def test_stored_numbers_of_any_type_become_floats_first(backend: str, dtype: str) -> None:
    data = np.asarray([[0, 1, 1], [1, 0, 1]], dtype=dtype)
    values = run("minmax+sum-to-one", data, backend)
    assert to_numpy(values.whole()).dtype == np.float64
    np.testing.assert_allclose(to_numpy(values.whole()), data / 4, rtol=1e-15)


def test_single_precision_stays_single() -> None:
    for chain in FORMULAS:
        values = run(chain, RNG.random((4, 5)).astype(np.float32), dtype="float32")
        assert values.whole().dtype == np.float32, chain


class TestAxis:
    @each_of("step", ["sum-to-one", "softmax"])
    @each_of(("axis", "summed"), [(-1, -1), (1, -1), (0, -2), (-2, -2)])
    def test_one_axis_of_a_map_holds_the_distributions(self, step: str, axis: int, summed: int) -> None:
        values = run(f"{step}(axis={axis})", RNG.random((3, 4, 5)))
        prob = np.exp(values.whole()) if values.is_log else values.whole()
        np.testing.assert_allclose(prob.sum(axis=summed), 1, rtol=1e-14)
        assert values.axes == (summed,)

    @each_of("step", ["sum-to-one", "softmax", "log-prob", "none"])
    @each_of("axis", [2, -3])
    def test_a_map_has_no_other_axis(self, axis: int, step: str) -> None:
        with pytest.raises(UsageProblem) as caught:
            run(f"{step}(axis={axis})", RNG.random((3, 4)))
        assert str(caught.value) == (
            f"axis {axis} does not exist in a map of height and width; use -1 (within rows) or 0 (within columns)"
        )

    @each_of("step", ["sum-to-one", "softmax", "log-prob", "none"])
    @each_of("axis", [3, -4])
    def test_nor_has_a_class_map(self, axis: int, step: str) -> None:
        with pytest.raises(UsageProblem) as caught:
            kldeval.signature("kld", pred_norm=f"{step}(axis={axis})")
        assert str(caught.value) == (
            f"axis {axis} does not exist: a map of height and width has the axes 0 (within columns) and 1 or -1 "
            "(within rows), a class map one more"
        )

    @each_of(
        ("chain", "distributions"),
        [
            ("sum-to-one", 1),
            ("minmax+sum-to-one(axis=1)", 3),
            ("softmax", 3),
            ("softmax(axis=0)+max", 4),
            ("flatten-softmax", 1),
            ("softmax+sum-to-one", 1),
            ("log-prob(check=none)", 1),
            ("log-prob(axis=1,check=none)", 3),
            ("clip(min=0)+none(axis=0)", 4),
            ("softmax+none", 3),
            ("log-sigmoid", 1),
            ("minmax", 1),
        ],
    )
    def test_a_chain_knows_its_distributions(self, chain: str, distributions: int) -> None:
        """The mean over them divides by their number; where no step says, the whole map is one."""
        maps = RNG.random((2, 3, 4))
        whole, mean = (float(kldeval.kld(*maps, norm=chain, reduction=reduction)) for reduction in ("sum", "slices"))
        assert whole / mean == pytest.approx(distributions, rel=1e-12)


ZEROS = np.zeros((2, 3))
ONES = np.ones((2, 3))
ROW = np.asarray([[0.0, 0.0, 0.0], [1.0, 2.0, 1.0]])
"""A map with one empty row."""

EMPTY: dict[tuple[str, str], tuple[Any, Any]] = {
    ("sum-to-one", "keep"): (ZEROS, ZEROS),
    ("sum-to-one", "uniform"): (ZEROS, ONES / 6),
    ("sum-to-one", "nan"): (ZEROS, ONES * math.nan),
    ("sum-to-one(offset=0.5)", "keep"): (ZEROS, ZEROS),
    ("sum-to-one(offset=0.5)", "nan"): (ZEROS, ZEROS),
    ("sum-to-one(axis=-1)", "keep"): (ROW, ROW / 4),
    ("sum-to-one(axis=-1)", "uniform"): (ROW, [[1 / 3] * 3, [0.25, 0.5, 0.25]]),
    ("sum-to-one(axis=-1)", "nan"): (ROW, [[math.nan] * 3, [0.25, 0.5, 0.25]]),
    ("max", "keep"): (ZEROS, ZEROS),
    ("max", "nan"): (ZEROS, ONES * math.nan),
    ("max+sum-to-one", "uniform"): (ZEROS, ONES / 6),
    ("minmax", "keep"): (ONES, ZEROS),
    ("minmax", "nan"): (ONES, ONES * math.nan),
    ("minmax+sum-to-one", "uniform"): (ONES, ONES / 6),
    ("minmax(offset=0.5)", "nan"): (ONES, ZEROS),
    ("bytes+sum-to-one", "uniform"): (ONES, ONES / 6),
}
"""What a division by zero gives, by the chain and the policy."""


class TestEmptyMaps:
    @each_of("backend", BACKENDS)
    def test_a_policy_says_what_a_division_by_zero_gives(self, backend: str) -> None:
        for (chain, empty), (data, expected) in EMPTY.items():
            assert found(run(chain, data, backend, empty)) == set(), (chain, empty)
            np.testing.assert_allclose(result(chain, data, backend, empty), expected, rtol=1e-15, err_msg=chain)

    @each_of("backend", BACKENDS)
    @each_of("empty", ["error", "keep", "uniform", "nan"])
    def test_the_other_maps_of_a_batch_are_untouched(self, empty: str, backend: str) -> None:
        data = RNG.random((2, 3))
        for chain in ("sum-to-one", "max", "minmax"):
            both = result(chain, np.stack([ZEROS, data]), backend, empty)
            assert np.array_equal(both[1], result(chain, data, backend))

    @each_of("backend", BACKENDS)
    @each_of(
        ("chain", "data"),
        [
            ("sum-to-one", ZEROS),
            ("sum-to-one(offset=0.5)", ZEROS),
            ("max", ZEROS),
            ("minmax", ONES),
            ("minmax(offset=0.5)+sum-to-one", ONES),
            ("bytes+sum-to-one", ONES),
            ("blank(below=1)+sum-to-one", ONES),
            ("sum-to-one(axis=-1)", ROW),
        ],
    )
    def test_error_marks_the_map(self, chain: str, data: Any, backend: str) -> None:
        assert found(run(chain, data, backend, "error")) == {"empty"}

    def test_a_constant_map_is_no_problem_where_an_offset_divides(self) -> None:
        assert found(run("minmax(offset=0.5)", ONES)) == set()

    def test_uniform_counts_the_pixels_that_are_there(self) -> None:
        weights = np.asarray([[0.0, 1.0, 1.0], [3.0, 0.0, 0.0]])
        np.testing.assert_allclose(result("sum-to-one", ZEROS, empty="uniform", weights=weights), ONES / 5)


HOLDS = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}
TAKES = {
    "sum-to-one": set(),
    "minmax+flatten-softmax": set(),
    "flatten-softmax": {"-inf"},
    "softmax(axis=0)": {"-inf"},
    "log-prob": {"-inf"},
    "clip(min=0)": {"-inf"},
    "clip(max=1)+sum-to-one": {"inf"},
    "clip(min=0,max=1)+sum-to-one": {"inf", "-inf"},
}
"""Which infinities the first step of a chain turns into numbers."""


class TestProblems:
    @each_of("backend", BACKENDS)
    @each_of("chain", TAKES)
    def test_nan_and_infinities_are_marked_unless_the_chain_handles_them(self, chain: str, backend: str) -> None:
        for name, value in HOLDS.items():
            data = np.asarray([[0.25, value, 0.5]])
            assert ("nonfinite" in found(run(chain, data, backend))) == (name not in TAKES[chain])

    @pytest.mark.parametrize(
        ("values", "detail"),
        [([1, math.nan], math.nan), ([1, math.inf], math.inf), ([math.inf, -math.inf], math.inf)],
    )
    def test_the_detail_tells_nan_from_inf(self, values: list[float], detail: float) -> None:
        problem = run("sum-to-one", [values]).problems[0]
        np.testing.assert_equal(problem.detail.item(), detail)

    def test_a_clipped_infinity_is_its_bound(self) -> None:
        data = [[-math.inf, 0.5, math.inf]]
        assert result("clip(min=0,max=1)", data).tolist() == [[0.0, 0.5, 1.0]]

    @each_of("backend", BACKENDS)
    def test_negative_values_are_marked_with_their_minimum_under_a_sum(self, backend: str) -> None:
        values = run("sum-to-one", [[[2.0, -0.5], [-0.25, 1]], [[1, 1], [1, 1]]], backend)
        negative = next(problem for problem in values.problems if problem.kind == "negative")
        assert to_numpy(negative.found).ravel().tolist() == [True, False]
        assert to_numpy(negative.detail).ravel().tolist() == [-0.5, 1.0]

    @each_of("chain", ["shift+sum-to-one", "flatten-softmax", "minmax+sum-to-one", "clip(min=0)+max"])
    def test_negative_values_are_no_problem_elsewhere(self, chain: str) -> None:
        assert found(run(chain, [[2.0, -0.5]])) == set()

    def test_a_pixel_of_weight_0_is_no_problem(self) -> None:
        weights = [[1.0, 1.0, 0.0, 0.0, 0.0]]
        assert found(run("sum-to-one", [[1.0, 2.0, -1.0, math.nan, math.inf]], weights=weights)) == set()


LOGITS = np.asarray([[1e4, -1e4, 0.0], [1e4, 5.0, -1e4]])


class TestLogDomain:
    @each_of("backend", BACKENDS)
    def test_huge_logits_have_exact_log_probabilities(self, backend: str) -> None:
        flat = result("flatten-softmax", LOGITS, backend)
        assert np.array_equal(flat, (LOGITS - 1e4) - math.log(2))
        rows = result("softmax", LOGITS, backend)
        assert np.array_equal(rows, LOGITS - 1e4)

    @each_of("backend", BACKENDS)
    def test_each_row_has_its_own_peak(self, backend: str) -> None:
        rows = result("softmax", [[1e4, 0.0], [-1e4, -1e4], [5.0, -1e4]], backend)
        assert np.array_equal(rows, [[0.0, -1e4], [-math.log(2)] * 2, [0.0, -10005.0]])
        assert np.array_equal(
            result("softmax(axis=0)", rows.T * 0 + [[1e4, -1e4, 0.0]], backend), rows.T * 0 - math.log(2)
        )

    @each_of("backend", BACKENDS)
    def test_kld_and_ce_of_huge_logits_are_exact_and_finite(self, backend: str) -> None:
        pred, gt = make(backend, [[1e4, -1e4]]), make(backend, [[-1e4, 1e4]])
        for metric in (kldeval.kld, kldeval.ce):
            terms = to_numpy(metric(pred, gt, norm="flatten-softmax", eps=0, reduction="none"))
            assert terms.tolist() == [[0.0, 2e4]]

    @each_of("backend", BACKENDS)
    def test_mass_that_underflows_adds_nothing_even_where_the_prediction_is_0_for_good(self, backend: str) -> None:
        pred, gt = make(backend, [[0.0, -math.inf]]), make(backend, [[0.0, -1e4]])
        for metric in (kldeval.kld, kldeval.ce):
            terms = to_numpy(metric(pred, gt, norm="flatten-softmax", eps=0, reduction="none"))
            assert terms.tolist() == [[0.0, 0.0]]

    def test_a_score_of_minus_infinity_is_a_probability_of_exactly_0_and_one_that_underflows_is_not(self) -> None:
        scores, uniform = np.asarray([[-math.inf, 0.0, -800.0]]), np.ones((1, 3))
        report = kldeval.evaluate(scores, uniform, pred_norm="flatten-softmax", gt_norm="sum-to-one", metric="kld")
        assert report.scores[0].n_uncovered == 1
        assert report.scores[0].uncovered_mass == pytest.approx(1 / 3)

    @each_of("backend", BACKENDS)
    @each_of("final", ["softmax", "flatten-softmax", "log-prob"])
    def test_a_step_after_a_softmax_acts_on_probabilities(self, final: str, backend: str) -> None:
        data = np.log(RNG.random((4, 5))) if final == "log-prob" else RNG.normal(size=(4, 5))
        for helper in (name for name in FORMULAS if "log-prob" not in name and "temperature" not in name):
            after = run(f"{final}+{helper}", data, backend)
            by_hand = run(helper, np.exp(result(final, data)), backend)
            assert after.is_log == by_hand.is_log, helper
            np.testing.assert_allclose(
                to_numpy(after.whole()), to_numpy(by_hand.whole()), rtol=1e-12, atol=1e-14, err_msg=helper
            )

    @each_of(
        ("chain", "log"),
        [
            ("flatten-softmax", True),
            ("minmax+softmax(axis=0)", True),
            ("log-prob", True),
            ("flatten-softmax+max", False),
            ("sum-to-one", False),
        ],
    )
    def test_a_chain_knows_whether_it_ends_in_logarithms(self, chain: str, log: bool) -> None:  # noqa: FBT001
        assert run(chain, RNG.random((3, 4))).is_log == log

    def test_sigmoid_of_huge_scores_does_not_overflow(self) -> None:
        with np.errstate(over="raise", invalid="raise", divide="raise"):
            values = run("sigmoid", LOGITS)
        assert values.whole().tolist() == [[1.0, 0.0, 0.5], [1.0, 1 / (1 + math.exp(-5)), 0.0]]


class TestBlur:
    @each_of(("sigma", "size"), [(0.5, 3), (1.0, 9), (2.0, 11), (3.0, 25), (5.0, 1), (0.3, 7)])
    def test_it_is_opencvs_with_mirrored_borders(self, sigma: float, size: int) -> None:
        for shape in [(20, 30), (7, 4), (2, 9), (1, 8), (8, 1), (1, 1)]:
            data = RNG.normal(size=shape)
            actual = result(f"blur(sigma={sigma},size={size})", data)
            np.testing.assert_allclose(actual, blurred(data, sigma, size), rtol=0, atol=1e-12)

    def test_the_window_reaches_four_sigma_by_default(self) -> None:
        data = RNG.random((15, 15))
        assert np.array_equal(result("blur(sigma=1.5)", data), result("blur(sigma=1.5,size=13)", data))

    @each_of("backend", BACKENDS)
    @each_of("value", [0.7, 0.1, -3.3, 77.0, 1e300, 0.0])
    def test_a_constant_map_stays_constant(self, backend: str, value: float) -> None:
        """To the last bit: what rounding adds would be stretched by minmax, and correlated by cc."""
        assert (result("blur(sigma=3)", np.full((36, 45), value), backend) == value).all()

    def test_a_constant_map_stays_constant_beside_a_mask(self) -> None:
        weights = (RNG.random((36, 45)) < 0.7).astype(float)
        maps = np.where(weights > 0, 0.3, 7.0)
        with pytest.raises(kldeval.MapProblem, match="cannot normalise"):
            kldeval.kld(maps, RNG.random((36, 45)), pred_norm="blur(sigma=2)+minmax+sum-to-one", weights=weights)

    def test_pixels_that_are_alike_are_ties(self) -> None:
        """Inside of a plateau, and where the map is mirrored."""
        half = np.kron(RNG.random((4, 3)), np.ones((10, 10)))
        found = result("blur(sigma=1)", np.hstack([half, half[:, ::-1]]))
        assert (found == found[:, ::-1]).mean() > 0.98
        inside = found.reshape(4, 10, 6, 10)[:, 4:6, :, 4:6]
        assert np.ptp(inside, axis=(1, 3)).max() <= 2**-43


class TestLatitude:
    @each_of("height", [2, 3, 14, 27, 48, 53, 84])
    def test_no_row_weighs_less_than_nothing(self, height: int) -> None:
        """For these heights pi * row / (H - 1), taken from left to right, rounds beyond pi."""
        rows = result("latitude", np.ones((height, 1)))[:, 0]
        assert rows.min() >= 0
        assert "negative" not in found(run("latitude+sum-to-one", np.ones((height, 2))))

    def test_the_equator_weighs_1_and_the_poles_nothing(self) -> None:
        rows = result("latitude", np.ones((5, 1)))[:, 0]
        np.testing.assert_allclose(rows, [0, math.sqrt(0.5), 1, math.sqrt(0.5), 0], atol=2e-16)


KNOWN = ", ".join(sorted(steps()))


class TestChains:
    def test_the_canonical_text_has_no_blanks_and_no_defaults(self) -> None:
        text = " minmax( offset=0 ) + add(value=1e+22)+softmax(axis=-1) "
        assert "|pred:minmax+add(value=1e+22)+softmax|" in kldeval.signature("kld", norm=text)

    @each_of(
        ("text", "message"),
        [
            ("clip", "clip needs a bound, as in clip(min=0)"),
            ("clip(min=1,max=0.5)", "clip(min=1,max=0.5): min must not be above max"),
            ("blur(sigma=0)", "blur(sigma=0): sigma must be above 0 and at most 100000, and size odd"),
            ("blur(sigma=2,size=4)", "blur(sigma=2,size=4): sigma must be above 0 and at most 100000, and size odd"),
            ("blur(sigma=2,size=-3)", "blur(sigma=2,size=-3): sigma must be above 0 and at most 100000, and size odd"),
            ("blur", "blur needs sigma, as in blur(sigma=...)"),
            ("add", "add needs value, as in add(value=...)"),
            ("blank", "blank needs below, as in blank(below=...)"),
            ("minmax(ofset=1)", "minmax has no parameter 'ofset'; did you mean 'offset'? Known: offset"),
            ("max(offset=1)", "max has no parameter 'offset'; it takes none"),
            (
                "minmx+sumtoone",
                (
                    "unknown step 'minmx'; did you mean 'minmax', 'mix-uniform' or 'max'? `kldeval steps` lists all\n"
                    "unknown step 'sumtoone'; did you mean 'sum-to-one', 'stored' or 'none'? `kldeval steps` lists all"
                ),
            ),
            ("minmax+", "unknown step ''; `kldeval steps` lists all"),
        ],
    )
    def test_a_chain_that_can_mean_nothing_is_refused_before_any_map_is_read(self, text: str, message: str) -> None:
        with pytest.raises(UsageProblem) as caught:
            kldeval.signature("kld", norm=text)
        assert str(caught.value) == message
