"""Where the pixels of a file lie: on earth, in a body, or in the coordinates of a data set; two maps must agree."""

from __future__ import annotations

import math
from itertools import pairwise, product
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from kldeval.dataclass import dataclass
from kldeval.errors import RefusedMap, printable

if TYPE_CHECKING:
    Side = tuple[Any, "Place | None"]

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


@dataclass(frozen=True, slots=True)
class Coordinates:
    """Where the rows and columns of an array lie: the coordinates of each, as data sets of the earth say them.

    Either is empty where nothing says it. `names` are those of the two axes, `labels` what is said of the place along
    all others, such as a time. `kind` is that of a `Grid`, and `edges` are those between the rows, where the file says
    them.
    """

    rows: tuple[float, ...]
    columns: tuple[float, ...]
    names: tuple[str, str]
    labels: tuple[str, ...] = ()
    kind: Literal["", "geographic", "projected"] = ""
    edges: tuple[float, ...] = ()


Place = Grid | Coordinates
"""What a file says of where its pixels lie."""


def check_grids(sides: tuple[Side, Side], shape: tuple[int, ...]) -> None:
    """Refuse two maps of a shape whose files place their pixels elsewhere.

    Raises:
        RefusedMap: naming both grids, and how far they are apart.
    """
    (pred, first), (gt, second) = sides
    if first is None or second is None:
        return
    names = f"{printable(pred)} and {printable(gt)} lie on other grids"
    if isinstance(first, Coordinates) or isinstance(second, Coordinates):
        _check_coordinates(names, *(_as_coordinates(one, shape) for one in (first, second)))
        return
    if first.space and second.space and first.space != second.space:
        msg = f"{names}: their coordinates are {first.space} and {second.space}"
        raise RefusedMap(f"{msg}: {first.advice}", code="grids-differ")
    distance, pixels = _distance(first, second, shape)
    if not distance <= NEAR:
        said = f"{pixels:.3g} pixel{'' if f'{pixels:.3g}' == '1' else 's'}"
        msg = f"{names}: their {first.words} are {first} and {second}, which places a corner {said} apart"
        raise RefusedMap(f"{msg}: {first.advice}", code="grids-differ")


def _as_coordinates(place: Place, shape: tuple[int, ...]) -> Coordinates | None:
    """The coordinates of the centres of rows and columns; None of a grid whose rows are no parallels, or not known."""
    if isinstance(place, Coordinates):
        return place
    if place.kind != "geographic":
        return None
    (row_east, col_east, west), (row_north, col_north, north) = place.matrix
    if row_east or col_north:
        return None
    rows = tuple(float(north + row_north * (row + 0.5)) for row in range(shape[0]))
    columns = tuple(float(west + col_east * (column + 0.5)) for column in range(shape[1]))
    return Coordinates(rows, columns, ("lat", "lon"), kind="geographic")


def _check_coordinates(names: str, first: Coordinates | None, second: Coordinates | None) -> None:
    if first is None or second is None:
        msg = f"{names}: one is in latitudes and longitudes, the other is not known to be; warp one to the other"
        raise RefusedMap(msg, code="grids-differ")
    labels = [tuple(filter(None, one.labels)) for one in (first, second)]
    if len(first.labels) == len(second.labels):  # what one side does not say is not compared
        both = [pair for pair in zip(first.labels, second.labels, strict=True) if all(pair)]
        labels = [tuple(pair[side] for pair in both) for side in (0, 1)]
    if all(labels) and labels[0] != labels[1]:
        msg = f"{names}: one is of {', '.join(labels[0])}, the other of {', '.join(labels[1])}"
        raise RefusedMap(msg, code="grids-differ")
    sides = zip(first.names, (first.rows, first.columns), (second.rows, second.columns), strict=True)
    for name, one, other in sides:
        if one and other and not _agree(one, other):
            turned = "; one runs the other way: turn it round" if _agree(one, other[::-1]) else ""
            msg = f"{names}: their {name} are {_ends(one)} and {_ends(other)}{turned or '; bring one to the other'}"
            raise RefusedMap(msg, code="grids-differ")


def _agree(first: tuple[float, ...], second: tuple[float, ...]) -> bool:
    """Whether coordinates are those of the same places, within a share of the distance between neighbours."""
    if len(first) != len(second):
        return False
    apart = np.abs(np.asarray(first) - np.asarray(second))
    steps = np.abs(np.diff(first))
    step = steps[steps > 0].min() if (steps > 0).any() else 1.0
    return bool((apart <= NEAR * step).all())


def _ends(values: tuple[float, ...]) -> str:
    return f"{len(values)} from {values[0]:.6g} to {values[-1]:.6g}"


def _distance(first: Grid, second: Grid, shape: tuple[int, ...]) -> tuple[float, float]:
    """The largest distance of the places of a corner, in sizes of the smallest side of a pixel, and in pixels.

    Pixels are counted along each axis of the first grid, whose sides may be of unlike lengths.
    """
    matrices = [grid.matrix for grid in (first, second)]
    if matrices[0].shape != matrices[1].shape or not all(np.isfinite(one).all() for one in matrices):
        return math.inf, math.inf
    shape = (*shape, *(1,) * (first.n_axes - len(shape)))[-first.n_axes :]
    corners = np.asarray([(*corner, 1) for corner in product(*((-0.5, length - 0.5) for length in shape))])
    places = [corners @ matrix.T for matrix in matrices]
    apart = np.linalg.norm(places[0] - places[1], axis=1).max()
    sides = np.linalg.norm(matrices[0][:, :-1], axis=0)
    size = sides[sides > 0].min() if (sides > 0).any() else 1.0
    indices = np.linalg.lstsq(matrices[0][:, :-1], (places[1] - places[0]).T, rcond=None)[0]
    return float(apart / size), float(np.linalg.norm(indices, axis=0).max())


def cosine_weights(place: Coordinates, width: int) -> Any:
    """The cosine of the latitude of each row, as `xarray`'s weighted means take it; on the equator 1.

    Raises:
        RefusedMap: its rows are not known to be latitudes.
    """
    if place.kind != "geographic":
        msg = f"--weights latitude: the coordinates {', '.join(place.names)} are not known to be degrees on earth"
        raise RefusedMap(msg)
    rows = np.asarray(place.rows, np.float64)
    if np.abs(rows).max() > POLE:
        msg = f"--weights latitude: its rows are at latitudes {_ends(place.rows)}, beyond a pole"
        raise RefusedMap(msg)
    return np.repeat(np.maximum(np.cos(np.radians(rows)), 0.0)[:, None], width, axis=1)


def covers_sphere(grid: Grid, shape: tuple[int, int]) -> bool:
    """Whether the rows of a grid in degrees go from pole to pole."""
    edges = latitude_edges(grid, shape)
    return min(edges) <= -POLE + NEAR * POLE / shape[0] and max(edges) >= POLE - NEAR * POLE / shape[0]


def latitude_edges(grid: Place | None, shape: tuple[int, int]) -> tuple[float, ...]:
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
        space = grid.space if isinstance(grid, Grid) else ", ".join(grid.names)
        found = f"{grid.kind or 'unknown'} coordinates{f' ({space})' * bool(space)}"
        way_out = "all of one size in their own units: leave out --weights" if grid.kind else "not known to be degrees"
        msg = f"--weights area: pixels of {found} are {way_out}, or warp the maps to degrees or an equal-area grid"
        raise RefusedMap(msg)
    if isinstance(grid, Coordinates):
        return grid.edges or _between(grid.rows)
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


def _between(rows: tuple[float, ...]) -> tuple[float, ...]:
    """The middles between neighbouring latitudes; the first and the last row end as far out, at a pole at most.

    Raises:
        RefusedMap: there is one row, whose height nothing says.

    >>> _between((80.0, 40.0, 0.0))
    (90.0, 60.0, 20.0, -20.0)
    """
    if len(rows) < 2:  # noqa: PLR2004 - neighbours
        msg = "--weights area: one row of latitudes, without bounds, says no area"
        raise RefusedMap(msg)
    middles = [(one + other) / 2 for one, other in pairwise(rows)]
    first, last = 2 * rows[0] - middles[0], 2 * rows[-1] - middles[-1]
    return tuple(float(min(max(edge, -POLE), POLE)) for edge in (first, *middles, last))
