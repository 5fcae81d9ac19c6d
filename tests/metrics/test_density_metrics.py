"""Laws of the density metrics: what they are, where they are infinite, and how their gradients flow."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from backends import BACKENDS, make, to_numpy
from drawn import Fill, arrays, numbers, shapes
from every import about, metrics
from hypothesis import given, settings
from hypothesis import strategies as st
from late import late
from looping import each_of

import kldeval

if TYPE_CHECKING:
    from collections.abc import Callable

torch = late("torch")

special = late("scipy.special")

METRIC: dict[str, Callable[..., Any]] = {
    "kld": kldeval.kld,
    "kld-reverse": kldeval.kld_reverse,
    "ce": kldeval.ce,
    "jsd": kldeval.jsd,
    "entropy-gt": kldeval.entropy_gt,
    "tv": kldeval.tv,
    "hellinger": kldeval.hellinger,
    "js-distance": kldeval.js_distance,
    "schoener-d": kldeval.schoener_d,
    "warren-i": kldeval.warren_i,
}

SYMMETRIC = {"jsd", "tv", "hellinger", "js-distance", "schoener-d", "warren-i"}
NOT_SYMMETRIC = {"kld", "kld-reverse", "ce", "entropy-gt"}
ZERO_ON_ITSELF = {"kld", "kld-reverse", "jsd", "tv", "hellinger", "js-distance"}
NOT_ZERO_ON_ITSELF = {"ce", "entropy-gt", "schoener-d", "warren-i"}
AT_MOST = {
    "jsd": math.log(2),
    "kld": math.inf,
    "kld-reverse": math.inf,
    "ce": math.inf,
    "entropy-gt": math.log(16),
    "tv": 1,
    "hellinger": 1,
    "js-distance": math.sqrt(math.log(2)),
    "schoener-d": 1,
    "warren-i": 1,
}
"""In nats, over the maps of at most 16 pixels below; all are at least 0."""
LOW_IS_GOOD = {"kld", "kld-reverse", "ce", "jsd", "tv", "hellinger", "js-distance"}
HIGH_IS_GOOD = {"schoener-d", "warren-i"}
PURE_NUMBERS = {"tv", "hellinger", "js-distance", "schoener-d", "warren-i"}
"""The others are in nats."""
NEITHER_IS_GOOD = {"entropy-gt"}
INFINITE_WHERE_PRED_MISSES = {"kld", "ce"}
INFINITE_WHERE_GT_MISSES = {"kld-reverse"}
NEVER_INFINITE = {"jsd", "entropy-gt", "tv", "hellinger", "js-distance", "schoener-d", "warren-i"}
TAKES_EPS = {"kld", "kld-reverse", "ce"}
TAKES_NO_EPS = {"jsd", "entropy-gt", "tv", "hellinger", "js-distance", "schoener-d", "warren-i"}


@each_of(
    "table",
    [
        SYMMETRIC | NOT_SYMMETRIC,
        ZERO_ON_ITSELF | NOT_ZERO_ON_ITSELF,
        set(AT_MOST),
        LOW_IS_GOOD | HIGH_IS_GOOD | NEITHER_IS_GOOD,
        INFINITE_WHERE_PRED_MISSES | INFINITE_WHERE_GT_MISSES | NEVER_INFINITE,
        TAKES_EPS | TAKES_NO_EPS,
        set(METRIC),
    ],
)
def test_no_metric_is_without_its_laws(table: set[str]) -> None:
    assert table == set(metrics("density"))


@each_of("name", METRIC)
def test_what_a_metric_says_of_itself_is_so(name: str) -> None:
    info = about(name)
    assert info.unit == ("" if name in PURE_NUMBERS else "nats")
    assert info.best == ("low" if name in LOW_IS_GOOD else "high" if name in HIGH_IS_GOOD else "")
    assert info.symmetric == (name in SYMMETRIC)


# few distinct values as well: zeros, ties, and maps that agree in places
ELEMENTS = numbers(1e-6, 1e6, [0.0, 0.25, 0.5, 1.0])


def map_pairs(elements: Fill = ELEMENTS) -> st.SearchStrategy[tuple[Any, Any]]:
    """Two maps of one shape, none of them all zero."""
    return arrays(shapes(max_side=4), elements, elements).filter(lambda pair: all(array.any() for array in pair))


law = settings(max_examples=12, deadline=None)
NORMS = ["sum-to-one", "flatten-softmax", "softmax", "sum-to-one(axis=0)"]
ROWS = {"empty_gt": "uniform", "empty_pred": "uniform"}
"""A row of zeros becomes uniform: a distribution like the others."""


def exactly(name: str, pred: Any, gt: Any, **options: Any) -> float:
    """A metric in its exact form."""
    constants = {"eps": 0} if name in TAKES_EPS else {}
    return float(METRIC[name](pred, gt, **constants, **options))


def all_of(pred: Any, gt: Any, **options: Any) -> dict[str, float]:
    """Every metric of a pair in its exact form."""
    return {name: exactly(name, pred, gt, **options) for name in METRIC}


def assert_equal(found: dict[str, float], expected: dict[str, float], *, rtol: float, atol: float) -> None:
    """The numbers of every metric."""
    assert found.keys() == expected.keys()
    np.testing.assert_allclose(
        list(found.values()), list(expected.values()), rtol=rtol, atol=atol, err_msg=str(list(found))
    )


class TestLaws:
    @each_of("norm", NORMS)
    @law
    @given(pair=map_pairs())
    def test_a_map_against_itself_scores_exactly_0(self, norm: str, pair: tuple[Any, Any]) -> None:
        for name in sorted(ZERO_ON_ITSELF):
            assert exactly(name, pair[0], pair[0].copy(), norm=norm, **ROWS) == 0, name

    @each_of("norm", NORMS)
    @law
    @given(pair=map_pairs())
    def test_bounds(self, norm: str, pair: tuple[Any, Any]) -> None:
        values = {name: exactly(name, *pair, norm=norm, **ROWS) for name in METRIC}
        assert {name: value for name, value in values.items() if not -1e-12 <= value <= AT_MOST[name] + 1e-12} == {}

    @each_of("norm", NORMS)
    @law
    @given(pair=map_pairs())
    def test_ce_is_entropy_plus_kld(self, norm: str, pair: tuple[Any, Any]) -> None:
        ce, entropy, kld = (exactly(name, *pair, norm=norm, **ROWS) for name in ("ce", "entropy-gt", "kld"))
        assert ce == entropy + kld or abs(ce - entropy - kld) <= 1e-12 * max(1, ce)

    @law
    @given(pair=map_pairs())
    def test_symmetry(self, pair: tuple[Any, Any]) -> None:
        pred, gt = pair
        for name in sorted(SYMMETRIC):
            assert exactly(name, pred, gt) == exactly(name, gt, pred), name

    @each_of("name", sorted(NOT_SYMMETRIC))
    def test_asymmetry(self, name: str) -> None:
        pred, gt = [[0.2, 0.8]], [[0.7, 0.3]]
        pred[0][0] = 0.1
        assert (
            abs(exactly(name, np.asarray(pred), np.asarray(gt)) - exactly(name, np.asarray(gt), np.asarray(pred)))
            > 0.01
        )

    @law
    @given(pair=map_pairs(), eps=st.sampled_from([0, 1e-7, 0.1]))
    def test_reverse_is_the_swap(self, pair: tuple[Any, Any], eps: float) -> None:
        pred, gt = pair
        swapped = kldeval.kld(gt, pred, eps=eps)
        assert kldeval.kld_reverse(pred, gt, eps=eps) == swapped
        assert kldeval.kld(pred, gt, log_eps=eps, ratio_eps=eps, direction="pred-gt") == swapped

    @law
    @given(pair=map_pairs(), eps=st.sampled_from([1e-7, 0.1]))
    def test_the_mean_direction_is_the_mean_of_both(self, pair: tuple[Any, Any], eps: float) -> None:
        both = [kldeval.kld(*maps, log_eps=eps, ratio_eps=eps) for maps in (pair, pair[::-1])]
        mean = kldeval.kld(*pair, log_eps=eps, ratio_eps=eps, direction="mean")
        np.testing.assert_allclose(mean, sum(both) / 2, rtol=1e-12, atol=1e-12)

    @law
    @given(pair=map_pairs(), seed=st.integers(0, 99))
    def test_the_order_of_pixels_is_irrelevant(self, pair: tuple[Any, Any], seed: int) -> None:
        order = np.random.default_rng(seed).permutation(pair[0].size)
        shuffled = [array.ravel()[order].reshape(array.shape) for array in pair]
        for norm in ("sum-to-one", "flatten-softmax"):
            assert_equal(*(all_of(*maps, norm=norm) for maps in (shuffled, pair)), rtol=1e-12, atol=1e-12)

    @law
    @given(pair=map_pairs(), scale=st.floats(1e-3, 1e3))
    def test_a_sum_forgets_the_scale(self, pair: tuple[Any, Any], scale: float) -> None:
        assert_equal(all_of(pair[0] * scale, pair[1] / scale), all_of(*pair), rtol=1e-11, atol=1e-11)

    @law
    @given(pair=map_pairs(), offset=st.floats(-100, 100))
    def test_a_softmax_forgets_the_offset(self, pair: tuple[Any, Any], offset: float) -> None:
        pair = (np.log1p(pair[0]), np.log1p(pair[1]))
        for norm in ("flatten-softmax", "softmax"):
            shifted = all_of(pair[0] + offset, pair[1] - offset, norm=norm)
            assert_equal(shifted, all_of(*pair, norm=norm), rtol=1e-10, atol=1e-10)

    @pytest.mark.parametrize("base", ["2", "10"])
    @law
    @given(pair=map_pairs())
    def test_another_base_divides_by_its_logarithm(self, base: str, pair: tuple[Any, Any]) -> None:
        expected = {
            name: value / (1 if name in PURE_NUMBERS else math.log(int(base))) for name, value in all_of(*pair).items()
        }
        assert_equal(all_of(*pair, base=base), expected, rtol=1e-14, atol=1e-15)

    @law
    @given(pair=map_pairs(), factor=st.floats(0.1, 10))
    def test_a_factor_multiplies(self, pair: tuple[Any, Any], factor: float) -> None:
        np.testing.assert_allclose(
            kldeval.kld(*pair, factor=factor), factor * exactly("kld", *pair), rtol=1e-12, atol=1e-15
        )

    @each_of("name", METRIC)
    def test_a_uniform_prediction_is_ln_n_away(self, name: str) -> None:
        gt = np.asarray([[1.0, 2.0, 5.0]])
        entropy = -math.fsum(q * math.log(q) for q in (1 / 8, 2 / 8, 5 / 8))
        expected = {
            "kld": math.log(3) - entropy,
            "ce": math.log(3),
            "entropy-gt": entropy,
            "kld-reverse": math.fsum(math.log((1 / 3) / q) / 3 for q in (1 / 8, 2 / 8, 5 / 8)),
            "jsd": math.fsum(
                (q * math.log(2 * q / (q + 1 / 3)) + math.log(2 / 3 / (q + 1 / 3)) / 3) / 2
                for q in (1 / 8, 2 / 8, 5 / 8)
            ),
            "tv": 5 / 8 - 1 / 3,
            "schoener-d": 1 / 8 + 2 / 8 + 1 / 3,
            "warren-i": math.fsum(math.sqrt(q / 3) for q in (1 / 8, 2 / 8, 5 / 8)),
            "hellinger": math.sqrt(
                math.fsum((math.sqrt(q) - math.sqrt(1 / 3)) ** 2 / 2 for q in (1 / 8, 2 / 8, 5 / 8))
            ),
        }
        expected["js-distance"] = math.sqrt(expected["jsd"])
        assert exactly(name, np.ones((1, 3)), gt) == pytest.approx(expected[name], rel=1e-14)


class TestDirection:
    """A tight cluster of looks against a wide cloud: it is cheap to predict too much and dear to predict too little."""

    squares = np.sum((np.mgrid[:81, :81] - 40.0) ** 2, axis=0)
    tight, wide = np.exp(-squares / (2 * 2**2)), np.exp(-squares / (2 * 6**2))

    def test_kld_punishes_a_prediction_that_misses_looks(self) -> None:
        # two Gaussians of the plane: D(a || b) = ln(b^2 / a^2) + a^2 / b^2 - 1
        cheap, dear = math.log(9) + 1 / 9 - 1, 9 - math.log(9) - 1
        assert exactly("kld", self.wide, self.tight) == pytest.approx(cheap, rel=0.01)
        assert exactly("kld", self.tight, self.wide) == pytest.approx(dear, rel=0.02)

    def test_kld_reverse_punishes_a_prediction_where_nobody_looks(self) -> None:
        assert exactly("kld-reverse", self.tight, self.wide) == exactly("kld", self.wide, self.tight)
        assert exactly("kld-reverse", self.wide, self.tight) > 2 * exactly("kld-reverse", self.tight, self.wide)

    def test_ce_is_of_the_prediction_under_the_ground_truth(self) -> None:
        assert exactly("ce", self.tight, self.wide) > exactly("ce", self.wide, self.tight)
        assert exactly("ce", self.wide, self.tight) > exactly("entropy-gt", self.wide, self.tight)

    def test_the_entropy_is_that_of_the_ground_truth(self) -> None:
        assert exactly("entropy-gt", self.tight, self.wide) == exactly("entropy-gt", self.wide, self.wide)
        assert exactly("entropy-gt", self.tight, self.wide) == pytest.approx(
            math.log(2 * math.pi * math.e * 36), rel=1e-3
        )


def ln(x: float) -> float:
    return math.log(x) if x else -math.inf


def divergence_terms(p: Any, q: Any, log_eps: float, num_eps: float, ratio_eps: float) -> list[float]:
    """q ln(log_eps + (q + num_eps) / (p + ratio_eps)), written out."""
    return [
        0.0 if b == 0 else b * ln(log_eps + ((b + num_eps) / (a + ratio_eps) if a + ratio_eps else math.inf))
        for a, b in zip(p, q, strict=True)
    ]


CONSTANTS = st.sampled_from([0.0, 0.0, 2.2204e-16, 1e-7, 0.01])


class TestFormula:
    @settings(max_examples=40, deadline=None)
    @given(pair=map_pairs(), log_eps=CONSTANTS, num_eps=CONSTANTS, ratio_eps=CONSTANTS)
    def test_kld_holds_its_constants_where_the_formula_has_them(
        self, pair: tuple[Any, Any], log_eps: float, num_eps: float, ratio_eps: float
    ) -> None:
        p, q = (array.ravel() / array.sum() for array in pair)
        terms = divergence_terms(p.tolist(), q.tolist(), log_eps, num_eps, ratio_eps)
        actual = kldeval.kld(*pair, log_eps=log_eps, num_eps=num_eps, ratio_eps=ratio_eps)
        np.testing.assert_allclose(actual, math.fsum(terms), rtol=0, atol=1e-12 * max(1, math.fsum(map(abs, terms))))

    @law
    @given(pair=map_pairs(), ratio_eps=CONSTANTS)
    def test_ce_holds_its_constant_beside_the_prediction(self, pair: tuple[Any, Any], ratio_eps: float) -> None:
        p, q = (array.ravel() / array.sum() for array in pair)
        terms = [-b * ln(a + ratio_eps) if b else 0.0 for a, b in zip(p.tolist(), q.tolist(), strict=True)]
        actual = kldeval.ce(*pair, ratio_eps=ratio_eps)
        np.testing.assert_allclose(actual, math.fsum(terms), rtol=0, atol=1e-12 * max(1, math.fsum(map(abs, terms))))

    @law
    @given(pair=map_pairs())
    def test_the_exact_form_is_scipys(self, pair: tuple[Any, Any]) -> None:
        p, q = (array / array.sum() for array in pair)
        with np.errstate(all="ignore"):
            middle = (p + q) / 2
            expected = {
                "kld": special.rel_entr(q, p).sum(),
                "kld-reverse": special.rel_entr(p, q).sum(),
                "jsd": (special.rel_entr(p, middle).sum() + special.rel_entr(q, middle).sum()) / 2,
            }
        for name, value in expected.items():
            np.testing.assert_allclose(exactly(name, *pair), value, rtol=1e-12, atol=1e-13)

    @each_of("backend", BACKENDS)
    @each_of("name", METRIC)
    def test_it_is_infinite_where_mass_is_missed_and_no_epsilon_helps(self, name: str, backend: str) -> None:
        hole, full = make(backend, [[0.0, 1.0]]), make(backend, [[0.5, 0.5]])
        constants = {"eps": 0} if name in TAKES_EPS else {}
        missed = float(METRIC[name](hole, full, **constants))
        assert (missed == math.inf) == (name in INFINITE_WHERE_PRED_MISSES)
        assert (float(METRIC[name](full, hole, **constants)) == math.inf) == (name in INFINITE_WHERE_GT_MISSES)
        if name in TAKES_EPS:
            assert math.isfinite(METRIC[name](hole, full, eps=1e-7))
            assert math.isfinite(METRIC[name](hole, full))

    @each_of("backend", BACKENDS)
    def test_each_constant_alone_is_finite_or_infinite_as_its_place_says(self, backend: str) -> None:
        pred, gt = make(backend, [[0.0, 0.5, 0.5]]), make(backend, [[0.5, 0.5, 0.0]])
        assert float(kldeval.kld(pred, gt, log_eps=1e-7)) == math.inf
        assert float(kldeval.kld(pred, gt, num_eps=1e-7)) == math.inf
        assert float(kldeval.kld(pred, gt, ratio_eps=1e-7)) == pytest.approx(0.5 * math.log(0.5 / 1e-7), rel=1e-6)

    @each_of("backend", BACKENDS)
    def test_a_zero_of_the_ground_truth_adds_nothing_wherever_the_prediction_is(self, backend: str) -> None:
        pred, gt = make(backend, [[0.0, 0.5, 0.5]]), make(backend, [[0.0, 1.0, 0.0]])
        for constants in ({"log_eps": 0.5}, {"num_eps": 0.5}, {"ratio_eps": 0.5}, {"eps": 0}):
            terms = to_numpy(kldeval.kld(pred, gt, reduction="none", **constants))[0]
            assert terms[[0, 2]].tolist() == [0.0, 0.0]
            assert math.isfinite(terms[1])


class TestReductions:
    """From one term per pixel to one number per map: whole maps and rows as distributions."""

    pred, gt = np.random.default_rng(3).random((2, 2, 3, 4))
    weights = np.random.default_rng(4).integers(0, 3, (3, 4)) + np.eye(3, 4)

    @staticmethod
    def total(name: str, terms: Any, distributions: int) -> Any:
        """The metrics of all distributions of a map, added up: Hellinger's distance is a root of each one's sum."""
        axes: dict[int, Any] = {1: (-2, -1), 3: -1, 4: -2}
        sums = terms.sum(axis=axes[distributions], keepdims=True)
        return (np.sqrt(sums) if about(name).from_sum else sums).sum(axis=(-2, -1))

    @each_of("name", METRIC)
    @each_of(("norm", "distributions"), [("sum-to-one", 1), ("softmax", 3), ("softmax(axis=0)", 4)])
    def test_every_reduction_is_of_the_pixelwise_terms(self, norm: str, distributions: int, name: str) -> None:
        metric = partial(METRIC[name], self.pred, self.gt, norm=norm)
        total = self.total(name, metric(reduction="none"), distributions)
        divisors = {"slices": distributions, "sum": 1, "mean": 12, "batchmean": 3}
        for reduction, divisor in divisors.items():
            np.testing.assert_allclose(metric(reduction=reduction), total / divisor, rtol=1e-13)

    @each_of("name", METRIC)
    @each_of(("norm", "distributions"), [("sum-to-one", 1), ("softmax", 3), ("softmax(axis=0)", 4)])
    def test_under_weights_the_mean_divides_by_their_sum(self, norm: str, distributions: int, name: str) -> None:
        metric = partial(METRIC[name], self.pred, self.gt, norm=norm, weights=self.weights)
        total = self.total(name, metric(reduction="none"), distributions)
        divisors = {"slices": distributions, "sum": 1, "mean": self.weights.sum(), "batchmean": 3}
        for reduction, divisor in divisors.items():
            np.testing.assert_allclose(metric(reduction=reduction), total / divisor, rtol=1e-13)

    def test_a_divergence_against_itself_has_zero_terms(self) -> None:
        assert not kldeval.kld(self.gt, self.gt, eps=0, reduction="none").any()


class TestBackends:
    @each_of("norm", [*NORMS, "minmax+sum-to-one", "log-prob(check=none)", "blur(sigma=0.8)+sum-to-one"])
    @each_of("name", METRIC)
    def test_every_array_library_gives_the_same_number(self, name: str, norm: str) -> None:
        rng = np.random.default_rng(0)
        pred, gt = rng.random((2, 2, 5, 4))
        pred[0, 1, 2] = gt[0, 1, 2] = gt[1, 0, 0] = 0
        expected = METRIC[name](pred, gt, norm=norm)
        for backend in BACKENDS:
            actual = METRIC[name](make(backend, pred), make(backend, gt), norm=norm)
            assert type(actual) is type(make(backend, [0.0]))
            np.testing.assert_allclose(to_numpy(actual), expected, rtol=1e-13)


GRADIENT_NORMS = ["sum-to-one", "flatten-softmax", "softmax", "minmax+sum-to-one", "sigmoid+sum-to-one"]
ZEROS = {
    "in the ground truth": ([[0.3, 0.2, 0.5]], [[0.6, 0.0, 0.4]]),
    "in both": ([[0.3, 0.0, 0.5]], [[0.6, 0.0, 0.4]]),
    "in the prediction": ([[0.3, 0.0, 0.5]], [[0.6, 0.3, 0.1]]),
    "in both, apart": ([[0.0, 0.2, 0.5]], [[0.6, 0.0, 0.4]]),
}


def tensors(*arrays: Any) -> list[Any]:
    return [torch.tensor(array, dtype=torch.float64, requires_grad=True) for array in arrays]


class TestGradients:
    @each_of("norm", GRADIENT_NORMS)
    @each_of("name", METRIC)
    def test_they_are_those_of_the_numbers(self, name: str, norm: str) -> None:
        # min-max makes a 0 of the prediction, where the exact form is infinite
        forms: list[Any] = (
            [{}] if name in TAKES_NO_EPS else [{"eps": 0.01}] if "minmax" in norm else [{"eps": 0.01}, {"eps": 0}]
        )
        pair = tensors(*np.random.default_rng(2).random((2, 2, 2)))
        for constants in forms:
            assert torch.autograd.gradcheck(partial(METRIC[name], norm=norm, **constants), pair)

    @each_of("zeros", ZEROS)
    @each_of("name", METRIC)
    @each_of("eps", [None, 0, 1e-7])
    def test_they_are_finite_at_zeros_where_the_number_is(self, name: str, eps: float | None, zeros: str) -> None:
        constants = {} if eps is None or name in TAKES_NO_EPS else {"eps": eps}
        pred, gt = tensors(*ZEROS[zeros])
        value = METRIC[name](pred, gt, **constants)
        value.backward()
        if value == math.inf:
            assert eps == 0
            return
        for leaf in (pred, gt):
            assert leaf.grad is None or bool(torch.isfinite(leaf.grad).all())

    def test_the_gradient_of_kld_is_minus_q_over_p(self) -> None:
        pred, gt = tensors([[0.3, 0.2, 0.5]], [[0.6, 0.0, 0.4]])
        kldeval.kld(pred, gt, norm="none", eps=0).backward()
        np.testing.assert_allclose(pred.grad, [[-0.6 / 0.3, 0, -0.4 / 0.5]], rtol=1e-14)

    def test_the_gradient_of_ce_after_a_softmax_is_p_minus_q(self) -> None:
        logits, gt = tensors([[1e4, -1e4, 0.0]], [[0.25, 0.25, 0.5]])
        kldeval.ce(logits, gt, pred_norm="flatten-softmax").backward()
        np.testing.assert_allclose(logits.grad, [[0.75, -0.25, -0.5]], rtol=1e-14)

    def test_a_nan_under_weight_0_does_not_reach_them(self) -> None:
        pred, gt = tensors([[0.3, math.nan, 0.5]], [[0.6, 0.3, 0.1]])
        weights = torch.tensor([[1.0, 0.0, 1.0]])
        for norm in GRADIENT_NORMS:
            pred.grad = None
            kldeval.kld(pred, gt, weights=weights, norm=norm).backward()
            assert torch.isfinite(pred.grad).all()
            assert pred.grad[0, 1] == 0


@pytest.mark.parametrize("backend", ["numpy", "torch"])
def test_a_half_that_underflows_leaves_the_jensen_shannon_divergence_finite(backend: str) -> None:
    least = make(backend, np.asarray([[1.0, 5e-324]])), make(backend, np.asarray([[1.0, 0.0]]))
    assert float(kldeval.jsd(*least)) == 0.0


@pytest.mark.parametrize("backend", ["numpy", "torch"])
def test_a_temperature_after_a_softmax_is_that_before_it(backend: str) -> None:
    """Also of scores so far apart that probabilities underflow."""
    pred, gt = (make(backend, side * 2000) for side in np.random.default_rng(0).random((2, 5, 6)))
    after = kldeval.kld(pred, gt, norm="flatten-softmax+temperature(t=2)")
    assert float(after) == pytest.approx(float(kldeval.kld(pred / 2, gt / 2, norm="flatten-softmax")), rel=1e-12)
