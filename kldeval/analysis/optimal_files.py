"""The best maps for a metric of a file or a folder of predictions, written as they are made."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kldeval.analysis.optimal import TARGETS, as_bytes, optimal_map
from kldeval.arrays import quiet
from kldeval.atomic import whole_file
from kldeval.data.inputs import Inputs
from kldeval.data.listing import list_folder
from kldeval.data.readers import read_map
from kldeval.errors import MapProblem, RefusedMap, UsageProblem, printable
from kldeval.normalization.chain import normalise, parse_chain
from kldeval.preprocessing.grey import full_scale, to_grey
from kldeval.records import Failure
from kldeval.regular import why
from kldeval.reports.optimal_maps import FLOATS, OptimalMaps, OptimalRequest
from kldeval.scoring.pixels import density_of_block
from kldeval.scoring.views import scaled

if TYPE_CHECKING:
    from kldeval.arrays import NumpyArray as Array
    from kldeval.run_options import Progress


def make_optimal(pred: Path, out: Path, request: OptimalRequest, progress: Progress | None = None) -> OptimalMaps:
    """Write the best map of every prediction: to OUT of a file, to OUT/NAME of a folder.

    Raises:
        UsageProblem: the metric lacks what it needs, the path is none, or OUT lies among what is read.
    """
    is_folder = pred.is_dir()
    if not pred.exists():
        msg = f"{printable(pred)} does not exist"
        raise UsageProblem(msg)
    inputs = Inputs(tuple(filter(None, [pred, request.baseline])))
    if is_folder:
        inputs.check_folder(out, ())
    else:
        inputs.check_file(out)
    parse_chain(request.norm)
    files = {Path(name): pred / name for name in list_folder(pred).maps} if is_folder else {Path(pred.name): pred}
    baseline = None if request.baseline is None else _density(request.baseline, request, "sum-to-one")
    made, failures = {}, []
    for name, path in files.items():
        suffix = ".npy" if request.bits == FLOATS else ".png"
        target = out / name.with_suffix(suffix) if is_folder else out
        try:
            _write(target, _best(path, baseline, request))
            made[name.as_posix()] = str(target)
        except MapProblem as problem:
            failures.append(Failure(name.as_posix(), "load", str(problem)))
        if progress:
            progress(path, len(files))
    return OptimalMaps(request, made, tuple(failures), TARGETS[request.target])


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
