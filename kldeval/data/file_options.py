"""Options about kinds of files, which choose nothing where there are none of the kind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kldeval.data.containers import GRIDDED
from kldeval.data.readers import names_arrays, stored_shape, xyz_suffixes
from kldeval.data.readers.raw import SUFFIXES as RAW
from kldeval.data.volumes import PLANE
from kldeval.errors import UsageProblem, printable
from kldeval.memory import Member
from kldeval.suffixes import VIDEOS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from kldeval.data.pairing import Pairing
    from kldeval.records import Pair
    from kldeval.run_options import RunOptions

    Fits = Callable[[str], bool]


def _has_keys(name: str) -> bool:
    # the bands of a raster have numbers for keys, and frames of videos are told apart by their paths, as is said there
    return name.endswith((".npz", ".tif", ".tiff", *VIDEOS)) or names_arrays(name) or _has_variables(name)


def _has_variables(name: str) -> bool:
    return name.endswith(GRIDDED)


def _is_raw(name: str) -> bool:
    return name.endswith(RAW)


def _is_volume(name: str) -> bool:
    return name.endswith(xyz_suffixes())


ARRAYS = "files that hold several arrays or bands (.npz .mat .h5 .tif and the like)"

_BOTH = ("pred", "gt")

_OF_KINDS: tuple[tuple[str, Sequence[str], Fits, str], ...] = (
    ("key", _BOTH, _has_keys, ARRAYS),
    ("pred_key", ("pred",), _has_keys, ARRAYS),
    ("gt_key", ("gt",), _has_keys, ARRAYS),
    ("var", _BOTH, _has_variables, "NetCDF files and zarr stores"),
    ("pred_var", ("pred",), _has_variables, "NetCDF files and zarr stores"),
    ("gt_var", ("gt",), _has_variables, "NetCDF files and zarr stores"),
    ("shape", _BOTH, _is_raw, "raw values in .bin files"),
    ("array_axes", _BOTH, _is_volume, "arrays beside volumes of NIfTI or NRRD"),
)
"""Each such option: the sides that it is about, what tells by its name whether a file is of the kind, and the kind."""

_SIDES: dict[tuple[str, ...], str] = {("pred",): "the predictions are none", ("gt",): "the ground truths are none"}


def check_kinds(pairing: Pairing, request: RunOptions) -> None:
    """Refuse options about a kind of files that no pair has, which would move nothing without a word.

    What stands beside the pairs may be of the kind as well: where something does, nothing is refused.

    Raises:
        UsageProblem: naming the first such option.
    """
    if not pairing.pairs or any(
        (request.baseline, request.other_map, request.mask, request.weights, request.fixations)
    ):
        return
    for name, sides, fits, kind in _OF_KINDS:
        value = getattr(request, name)
        if value is not None and not any(map(fits, _names(pairing.pairs, sides))):
            flag = f"--{name.replace('_', '-')}"
            why = _SIDES.get(tuple(sides), "neither side has any")
            msg = f"{flag} {printable(value)} has no effect: it is of {kind}, and {why}; leave it out"
            raise UsageProblem(msg)


def check_stacks(pairs: Sequence[Pair], request: RunOptions, keys: tuple[str | None, str | None]) -> None:
    """Refuse to divide stacks where every file holds a single map.

    Raises:
        UsageProblem: no pair is of the slices of stacks, and no file has more axes than a map.
    """
    if any(pair.place is not None for pair in pairs):
        return
    sides = ((path, key) for pair in pairs for path, key in zip((pair.pred, pair.gt), keys, strict=True))
    if not any(len(stored_shape(path, key) or ()) > PLANE for path, key in sides):
        flag = "--stack" if request.stack else f"--stack-axis {request.stack_axis}"
        msg = f"{flag} has no effect: it is of arrays (N, H, W), and no file holds one; leave it out"
        raise UsageProblem(msg)


def _names(pairs: Sequence[Pair], sides: Sequence[str]) -> Iterator[str]:
    """What the files of these sides are called, in small letters; of a member also what holds it."""
    for pair in pairs:
        for side in sides:
            path: Any = getattr(pair, side)
            if isinstance(path, Member):
                yield path.path.name.lower()
                yield path.name.lower()
            else:
                yield getattr(path, "name", "").lower()
