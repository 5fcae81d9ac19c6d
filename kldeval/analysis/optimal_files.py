"""The best maps for a metric of a file or a folder of predictions, written as they are made."""

from __future__ import annotations

from collections import Counter
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kldeval.analysis.optimal import TARGETS, as_bytes, check_request, optimal_map
from kldeval.arrays import quiet
from kldeval.atomic import whole_file
from kldeval.data.inputs import Inputs
from kldeval.data.listing import list_folder
from kldeval.data.readers import read_map
from kldeval.dataclass import dataclass
from kldeval.engine.worker import guarded
from kldeval.errors import RefusedMap, UsageProblem, printable
from kldeval.executors.local import Each, LocalPool, cores
from kldeval.normalization.chain import normalise, parse_chain
from kldeval.preprocessing.grey import full_scale, to_grey
from kldeval.records import Failure
from kldeval.regular import why
from kldeval.reports.optimal_maps import FLOATS, OptimalMaps, OptimalRequest
from kldeval.scoring.pixels import density_of_block
from kldeval.scoring.views import scaled

if TYPE_CHECKING:
    from kldeval.arrays import NumpyArray as Array
    from kldeval.executors.protocol import Executor
    from kldeval.run_options import Progress


def make_optimal(
    pred: Path,
    out: Path,
    request: OptimalRequest,
    progress: Progress | None = None,
    executor: Executor | None = None,
) -> OptimalMaps:
    """Write the best map of every prediction: to OUT of a file, to OUT/NAME of a folder.

    `executor` does the work, else the cores of this machine do.

    Raises:
        UsageProblem: the metric lacks what it needs, the path is none, or OUT lies among what is read.
    """
    is_folder = pred.is_dir()
    if not pred.exists():
        msg = f"{printable(pred)} does not exist"
        raise UsageProblem(msg)
    suffix = ".npy" if request.bits == FLOATS else ".png"
    inputs = Inputs(tuple(filter(None, [pred, request.baseline])))
    if is_folder:
        inputs.check_folder(out, ())
    else:
        _check_suffix(out, suffix)
        inputs.check_file(out)
    parse_chain(request.norm)
    check_request(request.target, request.sigma, request.baseline, request.n_fixations)
    files = [(name, pred / name) for name in list_folder(pred).maps] if is_folder else [(pred.name, pred)]
    targets = {name: str(out / Path(name).with_suffix(suffix)) if is_folder else str(out) for name, _ in files}
    taken = Counter(targets.values())
    twice = [Failure(name, "pair", _TWICE, "no-partner") for name, target in targets.items() if taken[target] > 1]
    baseline = None if request.baseline is None else _density(request.baseline, request, "sum-to-one")
    items = [(name, path, Path(targets[name])) for name, path in files if taken[targets[name]] == 1]
    found = []
    for outcome in (executor or LocalPool(cores())).map(Each(_Making(request, baseline)), items):
        found.append(outcome)
        if progress:
            progress(outcome, len(items))
    failures = [*twice, *(one for one in found if isinstance(one, Failure))]
    made = {one: targets[one] for one in found if isinstance(one, str)}
    return OptimalMaps(request, made, tuple(sorted(failures, key=lambda one: one.name)), TARGETS[request.target])


_TWICE = "another prediction has the same name without its suffix, so that both would be written to one file"


def _check_suffix(out: Path, suffix: str) -> None:
    """Refuse a file whose name says another format than is written.

    Raises:
        UsageProblem: naming the suffix.
    """
    if out.suffix.lower() != suffix:
        other = ".png" if suffix == ".npy" else ".npy"
        way = "8" if suffix == ".npy" else "64"
        hint = f", or --bits {way} for {other}" if out.suffix.lower() == other else ""
        msg = f"{printable(out)}: floats are written as .npy and bytes as .png; name a file that ends in {suffix}{hint}"
        raise UsageProblem(msg)


@dataclass(frozen=True, slots=True)
class _Making:
    """Makes and writes the map of one prediction; its name, or its failure."""

    request: OptimalRequest
    baseline: Array | None

    def __call__(self, item: tuple[str, Path, Path]) -> str | Failure:
        name, path, target = item
        return guarded(partial(self._written_map, name, path, target), name, (path,))

    def lost(self, item: tuple[str, Path, Path], reason: str) -> Failure:
        """The failure of a prediction that ended the process which read it."""
        return Failure(item[0], "load", f"{printable(item[1])}: {reason}", "ended-process")

    def _written_map(self, name: str, path: Path, target: Path) -> str:
        _write(target, _best(path, self.baseline, self.request))
        return name


def _best(path: Path, baseline: Array | None, request: OptimalRequest) -> Array:
    density = _density(path, request, request.norm)
    if baseline is not None and baseline.shape != density.shape:
        msg = (
            f"{printable(path)} is {density.shape}, the baseline {baseline.shape} (height, width); give one of its size"
        )
        raise RefusedMap(msg)
    found = optimal_map(
        density,
        request.target,
        sigma=request.sigma,
        baseline=baseline,
        n_fixations=request.n_fixations,
        seed=request.seed,
    )
    return found if request.bits == FLOATS else as_bytes(found, request.target)


def _density(path: Path, request: OptimalRequest, norm: str) -> Array:
    array = to_grey(read_map(path).array, request.color, path)
    with quiet():
        values = normalise(scaled(array, full_scale(array), "unit", "float64"), parse_chain(norm))
        for problem in values.problems:
            if problem.found.any():
                msg = f"{printable(path)} is {problem.kind}, and has no density under {norm}"
                raise RefusedMap(msg)
        return np.asarray(density_of_block(values, slice(0, array.shape[0])).prob)


def _write(target: Path, array: Array) -> None:
    try:
        with whole_file(target) as file:
            if array.dtype == np.uint8:
                import cv2

                file.write(cv2.imencode(".png", array)[1].tobytes())
            else:
                np.save(file, array)
    except OSError as error:
        msg = f"cannot write {printable(str(error.filename or target))}: {why(error)}"
        raise UsageProblem(msg) from error
