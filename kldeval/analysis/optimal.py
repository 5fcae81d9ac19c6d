"""From a predicted density the map that maximises an expected metric under it.

M. Kuemmerer, T. S. A. Wallis and M. Bethge (2018), Saliency Benchmarking Made Easy,
https://doi.org/10.1007/978-3-030-01270-0_47: a model predicts where people look, and each metric asks for another map.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from kldeval.errors import UsageProblem
from kldeval.normalization.gaussian import blurred
from kldeval.reports.resampling import check_seed

if TYPE_CHECKING:
    from kldeval.arrays import NumpyArray as Array


Target = Literal["nss", "auc", "sauc", "cc", "kld", "sim"]

TARGETS: dict[str, str] = {
    "nss": "the density itself: the expected NSS is linear in the map",
    "auc": "the density itself, of which only the order counts",
    "sauc": "the density over that of the centre bias, of which only the order counts",
    "kld": "the density under the ground truth's Gaussian, the mean of all ground truths",
    "cc": "the mean of the standardised ground truths of so many fixations, drawn; without their number the blurred "
    "density, which is nearly that",
    "sim": "at every pixel the same quantile of the ground truths of so many fixations, the mean of eight draws",
}
"""What the best map of each metric is."""

DRAWS, PARTS = 128, 8
"""Ground truths that are held at once, and how often so many are drawn anew."""

RANKED = ("auc", "sauc")
"""The metrics of which only the order of values counts."""


def optimal_map(
    density: Array,
    target: str,
    *,
    sigma: float | None = None,
    baseline: Array | None = None,
    n_fixations: int | None = None,
    seed: int = 0,
) -> Array:
    """The map (H, W) that maximises the expected metric when fixations are drawn from `density`, which sums to 1.

    `sigma` is the Gaussian of the ground truths in pixels (of kld, cc, sim), `baseline` the density of the centre bias
    (of sauc), and `n_fixations` how many fixations a ground truth is made of (of sim, and of cc).

    Raises:
        UsageProblem: the target is unknown, or lacks what it needs.
    """
    check_request(target, sigma, baseline, n_fixations)
    check_seed(seed)
    if target in ("nss", "auc"):
        return density
    if target == "sauc" and baseline is not None:
        return np.asarray(density / np.where(baseline > 0, baseline, baseline[baseline > 0].min()))
    width = float(sigma or 0)
    if target == "kld" or (target == "cc" and n_fixations is None):
        return _smoothed(density, width)
    n = n_fixations or 0
    if target == "sim":
        parts = (_common_quantile(drawn_ground_truths(density, width, n, seed + part)) for part in range(PARTS))
        found = sum(parts, np.zeros(density.shape))
        return np.asarray(found / found.sum())
    return _mean_of_standardised(density, width, n, seed)


def _mean_of_standardised(density: Array, sigma: float, n: int, seed: int) -> Array:
    """E (q - mean q) / |q - mean q| of the ground truths q, above its least value.

    Their own mean is known, the smoothed density: only what the factor 1 / |q - mean q| varies by is left to be drawn,
    about its mean in other draws. So the noise is smaller than what the map gains.
    """
    scale = float(_gaps(density, sigma, n, seed + PARTS)[1].mean())
    mean = _smoothed(density, sigma)
    found = scale * (mean - mean.mean())
    for part in range(PARTS):
        gaps, factor = _gaps(density, sigma, n, seed + part)
        found = found + (gaps * (factor - scale)).mean(axis=0) / PARTS
    return np.asarray(found - found.min(), np.float64)


def _gaps(density: Array, sigma: float, n: int, seed: int) -> tuple[Array, Array]:
    """Drawn ground truths less the mean of each, and one over their lengths (draws, 1, 1)."""
    gaps = drawn_ground_truths(density, sigma, n, seed).astype(np.float64)
    gaps -= gaps.mean(axis=(1, 2), keepdims=True)
    return gaps, 1 / np.sqrt((gaps**2).sum(axis=(1, 2), keepdims=True))


def check_request(target: str, sigma: float | None, baseline: object, n_fixations: int | None) -> None:
    """Refuse a target that is unknown, or lacks what it needs.

    Raises:
        UsageProblem: naming it.
    """
    if target not in TARGETS:
        from kldeval.grammar import unknown

        raise unknown("metric to make maps for", target, TARGETS)
    if target in ("kld", "cc", "sim") and sigma is None:
        msg = f"--for {target} needs the Gaussian of the ground truths: --sigma PIXELS"
        raise UsageProblem(msg)
    if sigma is not None and not 0 < sigma < np.inf:
        msg = f"--sigma {sigma:g}: the standard deviation of a Gaussian is above 0"
        raise UsageProblem(msg)
    if target == "sauc" and baseline is None:
        msg = "--for sauc needs the density of the centre bias: --baseline FILE"
        raise UsageProblem(msg)
    if target == "sim" and n_fixations is None:
        msg = "--for sim depends on how many fixations a ground truth is made of: --n-fixations N"
        raise UsageProblem(msg)


def drawn_ground_truths(density: Array, sigma: float, n: int, seed: int, draws: int = DRAWS) -> Array:
    """Ground truths of `n` fixations each, drawn from the density: (draws, H, W), each divided by its sum."""
    rng = np.random.default_rng(seed)
    flat = np.asarray(density, np.float64).ravel()
    found = np.empty((draws, *density.shape), np.float32)
    for place in range(draws):
        counts = rng.multinomial(n, flat / flat.sum()).reshape(density.shape).astype(np.float64)
        found[place] = _smoothed(counts, sigma)
    return found


def _smoothed(array: Array, sigma: float) -> Array:
    found = blurred(np.asarray(array, np.float64), (sigma, sigma), "reflect", 4.0)
    return np.asarray(found / found.sum())


def _common_quantile(drawn: Array) -> Array:
    """The map of sum 1 that is the same quantile of the draws at every pixel.

    sum E min(s, q) is concave in s and separable; under sum s = 1 the chance that q exceeds s is the same everywhere.
    """
    ordered = np.sort(drawn, axis=0)
    low, high = 0.0, 1.0
    for _ in range(30):
        middle = (low + high) / 2
        if float(_quantile(ordered, middle).sum()) < 1:
            low = middle
        else:
            high = middle
    found = _quantile(ordered, high)
    return np.asarray(found / found.sum())


def _quantile(ordered: Array, level: float) -> Array:
    place = level * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    part = place - below
    return np.asarray((1 - part) * ordered[below].astype(np.float64) + part * ordered[above])


def as_bytes(array: Array, target: str) -> Array:
    """The map in 8 bits: of metrics of ranks each level holds as many pixels, of others it is scaled to its maximum."""
    if target not in RANKED:
        return np.asarray(np.rint(array * (255 / array.max())), np.uint8)
    _, place, counts = np.unique(array, return_inverse=True, return_counts=True)
    middle = np.cumsum(counts) - counts / 2
    levels = np.floor(256 * middle / array.size)
    return np.asarray(levels[place.reshape(array.shape)], np.uint8)
