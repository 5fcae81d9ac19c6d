"""Gaussians on the grid: those of scipy, whatever way they are worked out, and the least value without some points."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from late import late
from looping import each_of

from kldeval.errors import UsageProblem
from kldeval.normalization.gaussian import blurred, blurred_points
from kldeval.scoring.leave_one_out import MinimumSearch

ndimage = late("scipy.ndimage")


@st.composite
def scenes(draw: st.DrawFn) -> tuple[np.ndarray, tuple[float, float]]:
    """Counts of fixations on a map, which may be narrower than the Gaussian, and the two sigmas."""
    shape = draw(st.integers(1, 90)), draw(st.integers(1, 90))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return rng.poisson(0.1, shape), (draw(st.floats(0.2, 60)), draw(st.floats(0.2, 60)))


@given(scenes(), st.sampled_from([2.0, 4.0]))
def test_a_reflected_gaussian_is_that_of_scipy(scene: tuple[np.ndarray, tuple[float, float]], truncate: float) -> None:
    counts, sigma = scene
    expected = ndimage.gaussian_filter(counts.astype(np.float64), sigma, mode="reflect", truncate=truncate)
    found = blurred(counts, sigma, truncate=truncate)
    assert np.allclose(found, expected, rtol=1e-12, atol=1e-16)
    assert found.sum() == pytest.approx(counts.sum(), rel=1e-12)
    rows, cols = counts.nonzero()
    points = rows, cols, counts[rows, cols]
    assert np.allclose(blurred_points(points, counts.shape, sigma, truncate), expected, rtol=1e-12, atol=1e-16)


@pytest.mark.parametrize("border", ["mirror", "nearest", "constant"])
def test_other_borders_are_those_of_scipy(border: Any) -> None:
    counts = np.random.default_rng(1).poisson(0.1, (20, 30))
    assert np.array_equal(
        blurred(counts, (3.0, 5.0), border), ndimage.gaussian_filter(counts.astype(np.float64), (3.0, 5.0), mode=border)
    )


@settings(deadline=None, max_examples=30)
@given(scenes(), st.integers(0, 2**32 - 1))
def test_the_least_value_without_some_points_is_that_of_the_map_without_them(
    scene: tuple[np.ndarray, tuple[float, float]], seed: int
) -> None:
    counts, sigma = scene
    smooth = blurred(counts, sigma)
    mine = np.random.default_rng(seed).binomial(counts, 0.3)
    rows, cols = mine.nonzero()
    points = rows, cols, mine[rows, cols].astype(np.float64)
    expected = (smooth - blurred_points(points, counts.shape, sigma)).min()
    assert MinimumSearch(smooth, sigma).without(points) == pytest.approx(expected, rel=1e-12, abs=1e-15)


@each_of("sigma", [0.0, -1.0, float("inf"), float("nan")])
def test_a_sigma_that_is_none_is_refused(sigma: float) -> None:
    with pytest.raises(UsageProblem, match=f"^sigma {sigma:g}: a Gaussian needs a positive number$"):
        blurred(np.ones((2, 2)), (1.0, sigma))
