"""Maps in blocks and under weights: a block at a time is the whole at once, and a pixel of weight 0 does not exist."""

from __future__ import annotations

import math
from typing import Any

import drawn
import numpy as np
import pytest
from drawn import arrays, integers, shapes
from evaluating import pair_of, scored, settings_of
from every import pointwise_steps
from hypothesis import given, settings
from hypothesis import strategies as st
from looping import each_of

import kldeval

BLOCK = "kldeval.normalization.lazy_map.BLOCK_PIXELS"
"""How many pixels of a map are worked on at once."""

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
    assert steps == pointwise_steps()


def numbers(pred: Any, gt: Any, *, weights: Any = None, **texts: str) -> dict[str, float]:
    """Every number of one pair, through the whole body."""
    outcome = scored(pair_of(pred, gt, weights=weights), settings_of({"metric": METRICS, **texts}))
    return {**outcome.values, "n_uncovered": outcome.n_uncovered, "uncovered_mass": outcome.uncovered_mass}


def assert_same(one: dict[str, float], other: dict[str, float], tolerance: float = 1e-12) -> None:
    assert list(one) == list(other)
    np.testing.assert_allclose(list(one.values()), list(other.values()), rtol=tolerance, atol=tolerance)


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of a row or two of the maps below."""
    monkeypatch.setattr(BLOCK, 10)
    monkeypatch.setattr("kldeval.normalization.lazy_map.NARROW", 0)


class TestBlocks:
    @each_of("norm", [*WHOLE_MAP, *SPATIAL, *BLURRED])
    def test_block_by_block_is_the_whole(self, norm: str, monkeypatch: pytest.MonkeyPatch) -> None:
        pred, gt = RNG.random((2, 13, 5))
        pred[3, 2] = gt[5, 1] = 0
        weights = RNG.integers(1, 4, (13, 5)).astype(float)
        for present in (None, weights, weights[:, :1] * np.ones((1, 5))):
            for reduction in ("slices", "sum", "mean", "batchmean"):
                whole = numbers(pred, gt, weights=present, norm=norm, reduction=reduction)
                with monkeypatch.context() as patched:
                    patched.setattr(BLOCK, 10)
                    blocks = numbers(pred, gt, weights=present, norm=norm, reduction=reduction)
                assert_same(blocks, whole)

    @each_of("shape", [(7, 5), (3, 50), (9, 1), (4, 2)])
    def test_maps_of_any_shape_are_cut_and_joined(
        self, shape: tuple[int, int], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Rows longer than a block, narrow maps, and a last block that is shorter."""
        pred, gt = RNG.normal(size=(2, *shape))
        for norm in ("minmax+sum-to-one", "flatten-softmax", "softmax(axis=0)", "softmax"):
            whole = numbers(pred, gt, norm=norm)
            for pixels in (1, 3, 10):
                with monkeypatch.context() as patched:
                    patched.setattr(BLOCK, pixels)
                    patched.setattr("kldeval.normalization.lazy_map.NARROW", 0)
                    assert_same(numbers(pred, gt, norm=norm), whole)

    @pytest.mark.usefixtures("small_blocks")
    @pytest.mark.parametrize("norm", [*WHOLE_MAP, *SPATIAL, *BLURRED])
    def test_the_pixelwise_terms_of_the_blocks_stand_one_below_the_other(
        self, norm: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        maps = RNG.random((2, 2, 7, 5))
        blocks = kldeval.kld(*maps, norm=norm, reduction="none")
        monkeypatch.setattr(BLOCK, 1000)
        np.testing.assert_allclose(blocks, kldeval.kld(*maps, norm=norm, reduction="none"), rtol=1e-12, atol=1e-15)

    @pytest.mark.usefixtures("small_blocks")
    def test_a_batch_against_one_map_is_cut_like_the_batch(self) -> None:
        preds, gt = RNG.random((3, 7, 5)), RNG.random((7, 5))
        together, alone = kldeval.kld(preds, gt), kldeval.kld(preds[1], gt)
        assert together.shape == (3,)
        np.testing.assert_allclose(together[1], alone, rtol=1e-13)


ARRAYS = arrays(shapes(max_side=5).map(lambda shape: (2, *shape)), drawn.numbers(0.0625, 1))


class TestWeights:
    @settings(max_examples=8, deadline=None)
    @given(maps=ARRAYS, data=st.data())
    def test_a_mask_is_a_crop(self, maps: Any, data: st.DataObject) -> None:
        """Whatever stands under weight 0, nan and infinity too, the numbers are those of the other pixels alone."""
        mask = data.draw(arrays(maps.shape[1:], integers(0, 1, bool)).filter(np.any))
        pred, gt = np.where(mask, maps, data.draw(st.sampled_from([math.nan, math.inf, -math.inf, -5.0, 0.0])))
        crop = [array[mask][None] for array in (pred, gt)]
        for norm in data.draw(st.lists(st.sampled_from(WHOLE_MAP), min_size=5, max_size=5, unique=True)):
            options = {"norm": norm, "empty_gt": "uniform", "empty_pred": "uniform"}
            for reduction in ("slices", "mean"):
                masked = numbers(pred, gt, weights=mask.astype(float), reduction=reduction, **options)
                assert_same(masked, numbers(*crop, reduction=reduction, **options), 1e-11)

    @settings(max_examples=8, deadline=None)
    @given(maps=ARRAYS, data=st.data())
    def test_a_whole_weight_is_a_repetition(self, maps: Any, data: st.DataObject) -> None:
        counts = data.draw(arrays(maps.shape[1:], integers(0, 3, np.int64)).filter(np.any))
        pred, gt = maps
        repeated = [np.repeat(array.ravel(), counts.ravel())[None] for array in (pred, gt)]
        for norm in data.draw(st.lists(st.sampled_from(WHOLE_MAP), min_size=5, max_size=5, unique=True)):
            options = {"norm": norm, "empty_gt": "uniform", "empty_pred": "uniform"}
            for reduction in ("slices", "sum", "mean"):
                weighed = numbers(pred, gt, weights=counts.astype(float), reduction=reduction, **options)
                assert_same(weighed, numbers(*repeated, reduction=reduction, **options), 1e-11)

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


@pytest.mark.parametrize("step", ["sum-to-one", "flatten-softmax", "softmax"])
def test_a_probability_that_underflows_is_a_zero(step: str) -> None:
    """Positive before the step and 0 after it: what is known of the minimum is that after the step."""
    stored = [5e-324, 1.0, 4.0] if step == "sum-to-one" else [-1.7e308, 0.0, 1.7e308]
    options: dict[str, Any] = {"pred_norm": step, "reduction": "sum", "eps": 0}
    assert kldeval.kld(np.asarray([stored]), np.ones((1, 3)), **options) == math.inf
    assert math.isfinite(kldeval.kld(np.asarray([[1.0, 4.0, 9.0]]), np.ones((1, 3)), **options))
