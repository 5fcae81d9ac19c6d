"""What a run knows beside its pairs: the fixations on all its images, and what is the same for many of them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol, cast

from kldeval.errors import RefusedMap

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from kldeval.arrays import NumpyArray as Array
    from kldeval.data.fixations.collection import FixationCounts, FixationPositions, OtherFixations
    from kldeval.records import MapPair, Pair
    from kldeval.scoring.leave_one_out import LeaveOneOutDensity


Shape = tuple[int, int]
"""(height, width)."""


class ReferenceScores(Protocol):
    """The reference predictions of a run (`scoring.reference_models`)."""

    @property
    def digest(self) -> str:
        """What tells these reference predictions from others."""

    def of(self, pair: MapPair, source: Pair, context: DatasetContext) -> Mapping[str, Mapping[str, float]]:
        """The numbers of each reference that the pair has, by its name; `source` is where the pair was read."""


class DatasetContext:
    """The fixations of the data set, their densities, and what was made of the one map of a baseline (`single`).

    `references` are the predictions that every pair is to be scored with beside its own.
    """

    def __init__(
        self,
        fixations: OtherFixations | None = None,
        density: LeaveOneOutDensity | None = None,
        single: Array | None = None,
        references: ReferenceScores | None = None,
    ) -> None:
        self._fixations = fixations
        self._density = density
        self._single = single
        self._references = references
        self._memory: dict[str, Any] = {}

    def others_of(self, image: str, shape: Shape) -> tuple[FixationCounts, FixationPositions]:
        """Where and how often all images were fixated, and what the image itself has in it.

        Raises:
            RefusedMap: the image is none of the data set, or there are no other fixations.
        """
        if self._fixations is None:
            raise _unknown(image)
        everything, own = self._fixations.places(shape), self._fixations.own(image, shape)
        if len(everything.places) == len(own[0]) and everything.counts.sum() == own[1].sum():
            raise _unknown(image)
        return everything, own

    def images_of(self, image: str, shape: Shape) -> tuple[FixationPositions, Array]:
        """Where images were fixated and on how many of them, and the pixels that are fixated on the image itself.

        Raises:
            RefusedMap: as `others_of`.
        """
        self.others_of(image, shape)
        fixations = cast("OtherFixations", self._fixations)
        return fixations.images(shape), fixations.own(image, shape)[0]

    def others_at(self, image: str, shape: Shape, at: tuple[Array, Array], weights: Array | None) -> Array:
        """The density of fixations on all other images at some rows and columns.

        Raises:
            RefusedMap: as `others_of`.
        """
        return self._density_of(image).at(image, shape, *at, weights)

    def above_lowest_of_others(self, image: str, shape: Shape, rows: Array, cols: Array) -> tuple[Array, float]:
        """How far that density is at some pixels above its least value on the map, and that value.

        Raises:
            RefusedMap: as `others_of`.
        """
        return self._density_of(image).above_minimum(image, shape, rows, cols)

    def density_of_others(self, image: str, shape: Shape, weights: Array | None) -> Array:
        """The density of the fixations on all other images, on the whole map.

        Raises:
            RefusedMap: as `others_of`.
        """
        return self._density_of(image).density(image, shape, weights)

    def _density_of(self, image: str) -> LeaveOneOutDensity:
        if self._density is None:
            raise _unknown(image)
        return self._density

    @property
    def reference_digest(self) -> str:
        """What tells the reference predictions from others; "" where there are none."""
        return self._references.digest if self._references else ""

    def without_references(self) -> DatasetContext:
        """The context of a pair whose references are scored with another prediction."""
        return DatasetContext(self._fixations, self._density, self._single)

    def with_references(self, pair: MapPair, source: Pair) -> MapPair:
        """The pair, read from `source`, with the numbers of the reference predictions on it, if they were asked for."""
        return replace(pair, references=self._references.of(pair, source, self)) if self._references else pair

    def remembered(self, what: str, array: Array, weights: Array | None, make: Callable[[], Array]) -> Array:
        """What `make` makes of a map: once for the one map of all pairs, anew for any other and under weights."""
        if array is not self._single or weights is not None:
            return make()
        if what not in self._memory:
            self._memory[what] = make()
        return self._memory[what]


NO_CONTEXT = DatasetContext()
"""What is known beside a pair where nothing is."""


def _unknown(image: str) -> RefusedMap:
    return RefusedMap(
        f"there are no fixations on other images than {image!r} to compare with; --fixations must hold them, too"
    )
