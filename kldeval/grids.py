"""Where the pixels of a file lie: on earth, in a body, or in the coordinates of a data set; two maps must agree."""

from __future__ import annotations

import math
from itertools import product
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from kldeval.dataclass import dataclass
from kldeval.errors import RefusedMap, printable

if TYPE_CHECKING:
    from kldeval.memory import MapFile

NEAR = 0.01
"""How far apart two grids may place a pixel, in sizes of a pixel: single-precision affines of 1 m differ by 1e-4."""


@dataclass(frozen=True, slots=True)
class Grid:
    """Where the pixels of an array lie: an affine map of their indices to places, row by row.

    `numbers` are its coefficients, those of `n_axes` indices and the constant in each row, a row for each coordinate.
    `space` names the coordinates, and `kind` says of those on earth whether they are degrees; `words` are what messages
    call such a grid, and `advice` how one is brought to another.
    """

    numbers: tuple[float, ...]
    n_axes: int
    space: str
    words: str
    advice: str
    kind: Literal["", "geographic", "projected"] = ""

    @property
    def matrix(self) -> Any:
        """The coefficients as rows of one for each axis, and a constant."""
        return np.asarray(self.numbers, np.float64).reshape(-1, self.n_axes + 1)

    def __str__(self) -> str:
        return " ".join(f"{number:.6g}" for number in self.numbers)


def check_grids(sides: tuple[tuple[MapFile, Grid | None], tuple[MapFile, Grid | None]], shape: tuple[int, ...]) -> None:
    """Refuse two maps of a shape whose files place their pixels elsewhere.

    Raises:
        RefusedMap: naming both grids, and how far they are apart.
    """
    (pred, first), (gt, second) = sides
    if first is None or second is None:
        return
    names = f"{printable(pred)} and {printable(gt)} lie on other grids"
    if first.space and second.space and first.space != second.space:
        msg = f"{names}: their coordinates are {first.space} and {second.space}"
        raise RefusedMap(f"{msg}: {first.advice}", code="grids-differ")
    distance = _distance(first, second, shape)
    if not distance <= NEAR:
        msg = (
            f"{names}: their {first.words} are {first} and {second}, which places a corner {distance:.3g} pixels apart"
        )
        raise RefusedMap(f"{msg}: {first.advice}", code="grids-differ")


def _distance(first: Grid, second: Grid, shape: tuple[int, ...]) -> float:
    """The largest distance of the places of a corner, in sizes of the smallest side of a pixel."""
    matrices = [grid.matrix for grid in (first, second)]
    if matrices[0].shape != matrices[1].shape:
        return math.inf
    shape = (*shape, *(1,) * (first.n_axes - len(shape)))[-first.n_axes :]
    corners = np.asarray([(*corner, 1) for corner in product(*((-0.5, length - 0.5) for length in shape))])
    places = [corners @ matrix.T for matrix in matrices]
    apart = np.linalg.norm(places[0] - places[1], axis=1).max()
    sides = np.linalg.norm(matrices[0][:, :-1], axis=0)
    size = sides[sides > 0].min() if (sides > 0).any() else 1.0
    return float(apart / size)


def latitude_edges(grid: Grid | None, shape: tuple[int, int]) -> tuple[float, ...]:
    """The latitudes between the rows of a map, in degrees, one more than there are rows.

    Raises:
        RefusedMap: no file says where the pixels lie, or their rows are no parallels.
    """
    if grid is None:
        msg = (
            "--weights area: neither file says where its pixels lie (a GeoTIFF does, in its tags, unless the map was "
            "resized); for equirectangular maps of the whole sphere there is --weights latitude"
        )
        raise RefusedMap(msg)
    if grid.kind != "geographic":
        found = f"{grid.kind or 'unknown'} coordinates{f' ({grid.space})' * bool(grid.space)}"
        way_out = "all of one size in their own units: leave out --weights" if grid.kind else "not known to be degrees"
        msg = f"--weights area: pixels of {found} are {way_out}, or warp the maps to degrees or an equal-area grid"
        raise RefusedMap(msg)
    down, across, first = grid.matrix[1]
    if across or not down or len(grid.matrix) != len(("longitude", "latitude")):
        msg = f"--weights area: the grid is turned ({grid}), and its rows are no parallels; warp it"
        raise RefusedMap(msg)
    edges = tuple(float(first + down * row) for row in range(shape[0] + 1))
    if max(map(abs, edges)) > POLE + NEAR * abs(down):
        msg = f"--weights area: its rows lie between the latitudes {edges[0]:g} and {edges[-1]:g}, beyond a pole"
        raise RefusedMap(msg)
    return edges


POLE = 90.0
