"""Maps in blocks and under weights: a block at a time is the whole at once, and a pixel of weight 0 does not exist."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from backends import BACKENDS, make, to_numpy
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from kldeval.arrays import namespace, quiet
from kldeval.normalization import lazy_map as values_module
from kldeval.normalization.chain import normalise, parse_chain
from kldeval.normalization.lazy_map import MAP, LazyMap
from kldeval.normalization.steps import STEPS
from kldeval.records import MapPair, Score
from kldeval.scoring.evaluator import score
from kldeval.scoring.pixels import PixelSide, array_values, terms_of
from kldeval.scoring.plan import quantity_of
from kldeval.scoring.views import scaled
from kldeval.settings.build import make_settings

RNG = np.random.default_rng(11)
METRICS = (
    "kld(),kld(log_eps=1e-7,ratio_eps=1e-7),kld(num_eps=1e-7,ratio_eps=1e-7,direction=mean,factor=10),kld-reverse(),"
    "ce(),ce(ratio_eps=1e-7),jsd,entropy-gt"
)

WHOLE_MAP = (
    "sum-to-one",
    "sum-to-one(offset=0.25)",
    "flatten-softmax",
    "minmax+sum-to-one",
    "minmax(offset=1e-7)+sum-to-one",
    "shift+add(value=0.5)+sum-to-one",
    "clip(min=0.2,max=0.8)+sum-to-one",
    "max+sum-to-one",
    "abs+sum-to-one",
    "divide(value=3)+flatten-softmax",
    "threshold(above=0.4)+sum-to-one",
    "sum-to-one+temperature(t=2)",
    "bytes+sum-to-one",
    "blank(below=0.1)+sum-to-one",
    "sigmoid+sum-to-one",
    "flatten-softmax+max+sum-to-one",
    "none+sum-to-one",
    "log-sigmoid+sum-to-one",
    "log-prob(check=none)",
    "sum-to-one+mix-uniform(share=0.1)",
)
"""Chains that do not care where a pixel stands: together they hold every step that does not."""

SPATIAL = ("softmax", "softmax(axis=0)", "sum-to-one(axis=-1)", "sum-to-one(axis=0)", "latitude+sum-to-one")
BLURRED = ("blur(sigma=1.5)+sum-to-one", "minmax+blur(sigma=0.7)+sum-to-one(axis=0)")


def test_the_chains_hold_every_step() -> None:
    steps = {text.partition("(")[0] for chain in WHOLE_MAP for text in chain.split("+")}
    assert steps == {name for name in STEPS if not STEPS[name].info.spatial and name not in ("labels", "stored")}


def numbers(pred: Any, gt: Any, *, weights: Any = None, **texts: str) -> dict[str, float]:
    """Every number of one pair, through the whole body."""
    chosen = make_settings({"metric": METRICS, **texts})
    outcome = score(MapPair("a", pred, gt, weights, shape=pred.shape), chosen)
    assert isinstance(outcome, Score), outcome
    return {**outcome.values, "n_uncovered": outcome.n_uncovered, "uncovered_mass": outcome.uncovered_mass}


def assert_same(one: dict[str, float], other: dict[str, float], tolerance: float = 1e-12) -> None:
    assert list(one) == list(other)
    np.testing.assert_allclose(list(one.values()), list(other.values()), rtol=tolerance, atol=tolerance)


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of a row or two of the maps below."""
    monkeypatch.setattr(values_module, "BLOCK_PIXELS", 10)
    monkeypatch.setattr(values_module, "NARROW", 0)


class TestBlocks:
    @pytest.mark.parametrize("norm", [*WHOLE_MAP, *SPATIAL, *BLURRED])
    def test_block_by_block_is_the_whole(self, norm: str, monkeypatch: pytest.MonkeyPatch) -> None:
        pred, gt = RNG.random((2, 13, 5))
        pred[3, 2] = gt[5, 1] = 0
        weights = RNG.integers(1, 4, (13, 5)).astype(float)
        for present in (None, weights, weights[:, :1] * np.ones((1, 5))):
            for reduction in ("slices", "sum", "mean", "batchmean"):
                whole = numbers(pred, gt, weights=present, norm=norm, reduction=reduction)
                with monkeypatch.context() as patched:
                    patched.setattr(values_module, "BLOCK_PIXELS", 10)
                    blocks = numbers(pred, gt, weights=present, norm=norm, reduction=reduction)
                assert_same(blocks, whole)

    @pytest.mark.usefixtures("small_blocks")
    def test_blocks_partition_the_rows(self) -> None:
        assert LazyMap(np.zeros((7, 5)), np.float64).rows == (slice(0, 2), slice(2, 4), slice(4, 6), slice(6, 7))
        assert LazyMap(np.zeros((3, 50)), np.float64).rows == (slice(0, 1), slice(1, 2), slice(2, 3))
        assert LazyMap(np.zeros((2, 3, 1)), np.float64).rows == (slice(0, 3),)
        assert LazyMap(np.zeros((4, 2, 5)), np.float64).rows == (slice(0, 1), slice(1, 2))

    @pytest.mark.usefixtures("small_blocks")
    @pytest.mark.parametrize("backend", ["array_api_strict", "torch"])
    def test_other_libraries_take_the_whole_at_once(self, backend: str) -> None:
        array = make(backend, np.zeros((7, 5)))
        assert LazyMap(array, namespace(array).float64).rows == (slice(0, 7),)

    @pytest.mark.usefixtures("small_blocks")
    @pytest.mark.parametrize("axes", [MAP, (-1,), (-2,)])
    def test_statistics_join_those_of_the_blocks(self, axes: tuple[int, ...]) -> None:
        array = RNG.normal(size=(2, 7, 5))
        values = LazyMap(array, np.float64)
        low, high = values.extent(axes)
        assert np.array_equal(low, array.min(axis=axes, keepdims=True))
        assert np.array_equal(high, array.max(axis=axes, keepdims=True))
        np.testing.assert_allclose(values.sum(axes), array.sum(axis=axes, keepdims=True), rtol=1e-13)

    @pytest.mark.usefixtures("small_blocks")
    @pytest.mark.parametrize("norm", [*WHOLE_MAP, *SPATIAL, *BLURRED])
    def test_the_pixelwise_terms_of_the_blocks_stand_one_below_the_other(
        self, norm: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        chosen = make_settings({"metric": "kld", "norm": norm, "reduction": "none"})
        maps = RNG.random((2, 2, 7, 5))

        def terms() -> Any:
            with quiet():
                sides = [PixelSide(normalise(scaled(array, None), chosen.pred), "density") for array in maps]
                return terms_of(quantity_of("kld", chosen), *sides)

        blocks = terms()
        monkeypatch.setattr(values_module, "BLOCK_PIXELS", 1000)
        np.testing.assert_allclose(blocks, terms(), rtol=1e-12, atol=1e-15)

    @pytest.mark.usefixtures("small_blocks")
    def test_a_batch_against_one_map_is_cut_like_the_batch(self) -> None:
        chosen = make_settings({"metric": "kld"})
        preds, gt = RNG.random((3, 7, 5)), RNG.random((7, 5))

        def measured(pred: Any) -> Any:
            sides = [normalise(scaled(array, None), chosen.pred) for array in (pred, gt)]
            return array_values(quantity_of("kld", chosen), sides[0], sides[1])

        together, alone = measured(preds), measured(preds[1])
        assert together.shape == (3,)
        np.testing.assert_allclose(together[1], alone, rtol=1e-13)


ARRAYS = hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=5).flatmap(
    lambda shape: hnp.arrays(np.float64, (2, *shape), elements=st.floats(0.0625, 1))
)


class TestWeights:
    @pytest.mark.parametrize("norm", WHOLE_MAP)
    @settings(max_examples=8, deadline=None)
    @given(maps=ARRAYS, data=st.data())
    def test_a_mask_is_a_crop(self, norm: str, maps: Any, data: st.DataObject) -> None:
        """Whatever stands under weight 0, nan and infinity too, the numbers are those of the other pixels alone."""
        mask = data.draw(hnp.arrays(np.bool_, maps.shape[1:]).filter(np.any))
        pred, gt = np.where(mask, maps, data.draw(st.sampled_from([math.nan, math.inf, -math.inf, -5.0, 0.0])))
        crop = [array[mask][None] for array in (pred, gt)]
        options = {"norm": norm, "empty_gt": "uniform", "empty_pred": "uniform"}
        for reduction in ("slices", "mean"):
            assert_same(
                numbers(pred, gt, weights=mask.astype(float), reduction=reduction, **options),
                numbers(*crop, reduction=reduction, **options),
                1e-11,
            )

    @pytest.mark.parametrize("norm", WHOLE_MAP)
    @settings(max_examples=8, deadline=None)
    @given(maps=ARRAYS, data=st.data())
    def test_a_whole_weight_is_a_repetition(self, norm: str, maps: Any, data: st.DataObject) -> None:
        counts = data.draw(hnp.arrays(np.int64, maps.shape[1:], elements=st.integers(0, 3)).filter(np.any))
        pred, gt = maps
        repeated = [np.repeat(array.ravel(), counts.ravel())[None] for array in (pred, gt)]
        options = {"norm": norm, "empty_gt": "uniform", "empty_pred": "uniform"}
        for reduction in ("slices", "sum", "mean"):
            assert_same(
                numbers(pred, gt, weights=counts.astype(float), reduction=reduction, **options),
                numbers(*repeated, reduction=reduction, **options),
                1e-11,
            )

    @pytest.mark.parametrize(
        ("norm", "kept"), [("softmax", (slice(None), slice(1, 4))), ("softmax(axis=0)", (slice(2, 5),))]
    )
    def test_a_mask_of_whole_lines_is_a_crop_within_lines_too(self, norm: str, kept: tuple[slice, ...]) -> None:
        pred, gt = RNG.normal(size=(2, 6, 5))
        weights = np.zeros((6, 5))
        weights[kept] = 1
        pred[weights == 0] = math.nan
        masked = numbers(pred, gt, weights=weights, norm=norm)
        assert_same(masked, numbers(pred[kept], gt[kept], norm=norm))

    @pytest.mark.parametrize("norm", ["softmax", "sum-to-one(axis=-1)"])
    def test_a_distribution_without_pixels_does_not_count_in_the_mean(self, norm: str) -> None:
        pred, gt = RNG.random((2, 4, 5))
        weights = np.ones((4, 5))
        weights[1:3] = 0
        rows = [0, 3]
        assert_same(
            numbers(pred, gt, weights=weights, norm=norm, empty_gt="uniform", empty_pred="uniform"),
            numbers(pred[rows], gt[rows], norm=norm),
        )

    @pytest.mark.parametrize("backend", BACKENDS)
    def test_extremes_sums_and_counts_see_positive_weights_only(self, backend: str) -> None:
        array = make(backend, [[[5.0, math.nan, 2.0], [-7.0, 3.0, math.inf]]])
        weights = make(backend, [[0.0, 0.0, 2.0], [0.0, 0.5, 0.0]])
        values = LazyMap(array, namespace(array).float64, weights)
        assert [to_numpy(end).item() for end in values.extent()] == [2.0, 3.0]
        with quiet():
            assert to_numpy(values.sum()).item() == 5.5
            assert to_numpy(values.sum((-1,))).tolist() == [[[4.0], [1.5]]]


@pytest.mark.parametrize("step", ["sum-to-one", "flatten-softmax", "softmax"])
def test_a_probability_that_underflows_is_a_zero(step: str) -> None:
    """Positive before the step and 0 after it: what is known of the minimum is that after the step."""
    stored = np.asarray([[5e-324, 1.0, 4.0]]) if step == "sum-to-one" else np.asarray([[-1.7e308, 0.0, 1.7e308]])
    with quiet():
        for first, expected in ((stored[0, 0], False), (stored[0, 1], True)):
            values = np.asarray([[first, *stored[0, 1:]]])
            assert normalise(LazyMap(values, np.float64), parse_chain(step)).is_positive is expected


def test_nothing_is_known_to_be_positive_behind_a_mask() -> None:
    values = LazyMap(np.ones((1, 2)), np.float64, np.asarray([[1.0, 0.0]]))
    assert not normalise(values, parse_chain("sum-to-one")).is_positive
