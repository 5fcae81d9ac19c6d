"""Observers of an image apart from each other: who predicts whom, what density some of them tell, and its kernel."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING
from zlib import crc32

import numpy as np

from kldeval.dataclass import NamedTuple, dataclass
from kldeval.errors import RefusedMap
from kldeval.normalization.gaussian import blurred_points, gaussian_responses
from kldeval.scoring.leave_one_out import Kernel, with_uniform_share

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kldeval.arrays import NumpyArray as Array
    from kldeval.records import Fixations

Shape = tuple[int, int]
"""(height, width)."""

BANDWIDTHS = tuple(float(f"{0.0025 * 2 ** (step / 4):.3g}") for step in range(29))
"""The standard deviations that are tried, as shares of either side: 0.0025 to 0.32, four steps an octave."""

UNIFORMS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 0.6, 0.9)
"""The shares of the uniform part that are tried."""


class Split(NamedTuple):
    """Which observers predict which others, by their places."""

    predicting: tuple[int, ...]
    predicted: tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class ObserverFixations:
    """The fixations on an image of `shape` by observer: their pixels, how many they stand for, and whose they are.

    `owners` are the places of the observers in `observers`.
    """

    name: str
    shape: Shape
    observers: tuple[str, ...]
    rows: Array
    cols: Array
    counts: Array
    owners: Array

    @classmethod
    def of(cls, name: str, points: Fixations, shape: Shape) -> ObserverFixations:
        """The observers of fixations that all lie on the image.

        Raises:
            RefusedMap: the file does not tell observers apart.
        """
        if points.observers is None:
            msg = f"the fixations on {name!r} do not say whose they are; a list with the column observer does"
            raise RefusedMap(msg)
        places = {observer: place for place, observer in enumerate(points.observer_names)}
        return cls(
            name,
            shape,
            tuple(places),
            np.floor(points.rows).astype(np.int64),
            np.floor(points.cols).astype(np.int64),
            points.counts.astype(np.float64),
            np.asarray([places[one] for one in points.observers], np.int64),
        )

    def chosen(self, members: Sequence[int]) -> Array:
        """Which fixations are those of some observers."""
        return np.isin(self.owners, members)

    def smooth(self, members: Sequence[int], sigma: tuple[float, float]) -> Array:
        """The fixations of some observers under a Gaussian that the borders reflect."""
        chosen = self.chosen(members)
        return blurred_points((self.rows[chosen], self.cols[chosen], self.counts[chosen]), self.shape, sigma)

    def density(self, members: Sequence[int], kernel: Kernel, blur: float = 0.0) -> Array:
        """The density that some observers tell; under a further Gaussian of `blur` pixels, whose variances add."""
        down, across = (math.hypot(side, blur) for side in kernel.sigma(self.shape))
        mass = float(self.counts[self.chosen(members)].sum())
        return with_uniform_share(
            self.smooth(members, (down, across)), kernel.uniform, mass, self.shape[0] * self.shape[1]
        )


def left_out_splits(observed: ObserverFixations, number: int, draws: int, seed: int) -> list[Split]:
    """Each observer in turn is predicted by `number` others, who are drawn anew `draws` times."""
    n = len(observed.observers)
    rng = _generator(observed, number, seed, "left out")
    rounds = 1 if number == n - 1 else draws
    return [
        Split(tuple(sorted(rng.choice(np.delete(np.arange(n), held), number, replace=False).tolist())), (held,))
        for _ in range(rounds)
        for held in range(n)
    ]


def half_splits(observed: ObserverFixations, number: int, draws: int, seed: int) -> list[Split]:
    """Pairs of groups of `number` observers, as many as there are, `draws` times; each group predicts the other."""
    n = len(observed.observers)
    rng = _generator(observed, number, seed, "halves")
    found = []
    for _ in range(draws):
        order = rng.permutation(n).tolist()
        for start in range(0, n - 2 * number + 1, 2 * number):
            halves = tuple(order[start : start + number]), tuple(order[start + number : start + 2 * number])
            found += [Split(*halves), Split(*halves[::-1])]
    return found


def _generator(observed: ObserverFixations, number: int, seed: int, what: str) -> np.random.Generator:
    """Random numbers that depend on the image and not on the others, nor on the order of the work."""
    return np.random.default_rng(
        [seed, crc32(observed.name.encode("utf-8", "surrogatepass")), number, crc32(what.encode())]
    )


def predictive_bits(observed: ObserverFixations, splits: Sequence[Sequence[Split]]) -> Array:
    """log2 of the density over the uniform one at the fixations that are predicted, in the mean over these.

    Of shape (numbers of observers, bandwidths, uniform parts): a row for each list of splits, in which one observer is
    predicted at a time.
    """
    found = np.zeros((len(splits), len(BANDWIDTHS), len(UNIFORMS)))
    share = np.asarray(UNIFORMS)[:, None, None]
    height, width = observed.shape
    for held in range(len(observed.observers)):
        own = observed.chosen((held,))
        places = [number for number, some in enumerate(splits) for one in some if one.predicted == (held,)]
        members = [one.predicting for some in splits for one in some if one.predicted == (held,)]
        weights = np.stack([observed.chosen(one) * observed.counts for one in members])
        weights /= weights.sum(axis=1, keepdims=True)
        for place, bandwidth in enumerate(BANDWIDTHS):
            responses = gaussian_responses(observed.rows[own], observed.rows, height, bandwidth * height)
            responses = responses * gaussian_responses(observed.cols[own], observed.cols, width, bandwidth * width)
            smooth = np.maximum(responses @ weights.T, 0.0) * (height * width)
            bits = np.einsum("uos,o->su", np.log2((1 - share) * smooth + share), observed.counts[own])
            np.add.at(found[:, place], places, bits)
    totals = [sum(observed.counts[observed.chosen(one.predicted)].sum() for one in some) for some in splits]
    return np.asarray(found / np.asarray(totals)[:, None, None])


def best_kernels(bits: Array) -> list[Kernel]:
    """For each number of observers the kernel with the most bits, of sums (numbers, bandwidths, uniform parts)."""
    places = (np.unravel_index(int(one.argmax()), one.shape) for one in bits)
    return [Kernel(BANDWIDTHS[int(place)], UNIFORMS[int(share)]) for place, share in places]
