"""The part of the benchmark that needs a CUDA device: kernels on resident maps, whole folders, and agreement.

On the device, a run is judged against the time of reading its maps once at the bandwidth with which it copies memory;
on folders, against decoding the same files with all cores. Both sides of a ratio are measured alternately.
"""

from __future__ import annotations

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from statistics import median
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

import kldeval
from benchmarks.maps import density, guess, output, truth
from kldeval.data.pairing import find_pairs
from kldeval.engine.gpu import Stack, score_batch, stack_pairs
from kldeval.executors.local import cores
from kldeval.preprocessing.grey import full_scale
from kldeval.records import MapPair, Score
from kldeval.scoring.evaluator import Evaluator
from kldeval.scoring.plan import Plan
from kldeval.settings.build import make_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from kldeval.records import Pair
    from kldeval.settings.settings import Settings

ROUNDS = 7
MAPS, HEIGHT, WIDTH = 64, 1080, 1920
COPIED_BYTES = 1 << 30
AGREEMENT = 1e-9
NORMS = "sum-to-one", "flatten-softmax"
ON_FOLDERS = "png-2000"
COMPARED = "png", "npy"
COMPARED_PAIRS = 50


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure that should be small: what must hold (None: nothing), and where the best idea may lead."""

    name: str
    value: float
    must: float | None
    goal: float

    def __str__(self) -> str:
        must = "-" if self.must is None else f"{self.must:g}"
        return f"{self.name:64} {self.value:>10.3g} {must:>6} {self.goal:>6g}  {self.verdict}"

    @property
    def verdict(self) -> str:
        """The better of what it reaches."""
        if self.value <= self.goal:
            return "goal"
        if self.must is None:
            return "not at the goal"
        return "must" if self.value <= self.must else "MISSED"


def measure_if_possible(folders: Callable[[str], Path]) -> list[str]:
    """The lines of the table, printed as they are found; one that says so where there is no CUDA device."""
    lines = []
    for figure in _figures(folders):
        print(figure, flush=True)
        lines.append(str(figure))
    return lines


def _figures(folders: Callable[[str], Path]) -> Iterable[Figure | str]:
    try:
        import torch
    except ImportError:
        torch = None
    if torch is None:
        yield "no torch: the GPU part was not measured"
        return
    if not torch.cuda.is_available():
        yield "no CUDA device: the GPU part is counted on the CPU, in kernels and in readings of the maps"
        yield from counted()
        return
    yield f"{torch.cuda.get_device_name()}, torch {torch.__version__}"
    yield from on_resident_maps("cuda")
    yield on_folders(folders(ON_FOLDERS), "cuda")
    yield one_pair(folders(ON_FOLDERS))
    for name in COMPARED:
        yield agreement(folders(name), "cuda")


def on_resident_maps(
    device: str, count: int = MAPS, height: int = HEIGHT, width: int = WIDTH, copied_bytes: int = COPIED_BYTES
) -> Iterable[Figure]:
    """KLD of maps that are on the device already, as multiples of the time of reading them once."""
    import torch

    block = torch.ones(copied_bytes, dtype=torch.uint8, device=device)
    for stored, dtype, norm in product(("float32", "uint8"), ("float64", "float32"), NORMS):
        pairs = _pairs(stored, count, height, width)
        stack = stack_pairs(pairs, device)
        settings = make_settings({"metric": "kld", "norm": norm, "dtype": dtype})
        ours, copying = _alternately(
            partial(_score, pairs, settings, device, stack), partial(_copy, block, device=device)
        )
        # a copy reads and writes
        bandwidth = 2 * copied_bytes / copying
        reading = 2 * stack.pred.nbytes / bandwidth
        goal = 4 if dtype == "float64" else 2
        name = f"{count} x {height} x {width} {stored}, {norm}, {dtype} / reading at {bandwidth / 1e9:.0f} GB/s"
        yield Figure(name, ours / reading, 40, goal)


VIEWS = frozenset(
    {
        *("alias", "as_strided", "detach", "expand", "permute", "reshape", "select"),
        *("slice", "squeeze", "t", "transpose", "unbind", "unsqueeze", "view"),
    }
)
"""Operations of torch that move nothing."""


def counted(count: int = 4, height: int = 48, width: int = 64) -> Iterable[str]:
    """How many kernels a batch takes, and how many bytes these read and write, as multiples of one reading of the maps.

    Kernels that read what is small beside the maps are counted, too; a device has the same ones.
    """
    for stored, dtype, norm in product(("float32", "uint8"), ("float64", "float32"), NORMS):
        pairs = _pairs(stored, count, height, width)
        stack = stack_pairs(pairs, "cpu")
        settings = make_settings({"metric": "kld", "norm": norm, "dtype": dtype})
        kernels, moved = _kernels_of(partial(score_batch, pairs, Evaluator(Plan.of(settings)), "cpu", stack=stack))
        readings = moved / (2 * stack.pred.nbytes)
        yield f"{f'{stored}, {norm}, {dtype}':64} {kernels:>10} kernels, {readings:.0f} readings"


def _kernels_of(work: Callable[[], object]) -> tuple[int, int]:
    """The operations of torch that move bytes, and the bytes of what they take and give."""
    from torch.utils._python_dispatch import TorchDispatchMode
    from torch.utils._pytree import tree_leaves

    found: list[int] = []

    class Counting(TorchDispatchMode):
        def __torch_dispatch__(self, func: Any, _types: Any, args: Any = (), kwargs: Any = None) -> Any:
            made = func(*args, **(kwargs or {}))
            if func.overloadpacket.__name__.strip("_") not in VIEWS:
                found.append(sum(map(_stored_bytes, tree_leaves((args, kwargs, made)))))
            return made

    with Counting():
        work()
    return len(found), sum(found)


def _stored_bytes(one: Any) -> int:
    """The bytes of a tensor, of which one number may stand for many."""
    return min(one.nbytes, one.untyped_storage().nbytes()) if hasattr(one, "untyped_storage") else 0


def on_folders(folder: Path, device: str) -> Figure:
    """KLD of files, from disk to numbers, as a multiple of decoding them with all cores."""
    pairs = find_pairs(folder / "pred", folder / "gt").pairs
    ours, decoding = _alternately(partial(_run, folder, device, metric="kld"), partial(_decode, pairs))
    return Figure(f"{len(pairs)} pairs of {folder.name} / decoding with {cores()} cores", ours / decoding, None, 1.3)


def one_pair(folder: Path) -> Figure:
    """One pair by the command line, `--device auto` as a multiple of `--device cpu`: owning a GPU costs nothing."""
    pair = find_pairs(folder / "pred", folder / "gt").pairs[0]
    command = [sys.executable, "-m", "kldeval", str(pair.pred), str(pair.gt), "--score-only", "--device"]

    def run(device: str) -> None:
        subprocess.run([*command, device], check=True, stdout=subprocess.DEVNULL)

    auto, cpu = _alternately(partial(run, "auto"), partial(run, "cpu"))
    return Figure("one pair, --device auto / --device cpu", auto / cpu, 1.2, 1.05)


def agreement(folder: Path, device: str) -> Figure:
    """The largest difference from the numbers of the CPU, relative to them where they are above 1."""
    worst = 0.0
    for norm in NORMS:
        found, expected = (
            np.asarray([_values(one) for one in _run(folder, where, metric="kld,ce,jsd", norm=norm)])
            for where in (device, "cpu")
        )
        worst = max(worst, float(np.max(np.abs(found - expected) / np.maximum(1, np.abs(expected)))))
    return Figure(f"difference from the CPU, {folder.name}", worst, AGREEMENT, AGREEMENT)


def _pairs(stored: str, count: int, height: int, width: int) -> list[MapPair]:
    """As many pairs as asked for, which share the memory of one."""
    rng = np.random.default_rng(3)
    spots = truth(rng)
    maps = [output(guess(spots, rng), rng, height, width), density(spots, height, width)]
    full = 255 if stored == "uint8" else 1
    pred, gt = ((array / array.max() * full).astype(stored) for array in maps)
    one = MapPair("", pred, gt, shape=(height, width), pred_scale=full_scale(pred), gt_scale=full_scale(gt))
    return [replace(one, name=str(number)) for number in range(count)]


def _alternately(ours: Callable[[], Any], other: Callable[[], Any]) -> tuple[float, float]:
    """The median seconds of both; the round before the first warms both up."""
    rounds = [(_seconds(ours), _seconds(other)) for _ in range(ROUNDS + 1)][1:]
    return median(one for one, _ in rounds), median(two for _, two in rounds)


def _seconds(work: Callable[[], Any]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _score(pairs: list[MapPair], settings: Settings, device: str, stack: Stack) -> None:
    for outcome in score_batch(pairs, Evaluator(Plan.of(settings)), device, stack=stack):
        _values(outcome)


def _copy(block: Any, device: str) -> None:
    import torch

    block.clone()
    if device.startswith("cuda"):
        torch.cuda.synchronize()


def _run(folder: Path, device: str, **options: str) -> Sequence[Score]:
    """The scores of the first pairs of a folder, from disk to numbers; all of them where only time is asked."""
    limit = COMPARED_PAIRS if "norm" in options else None
    return kldeval.evaluate(folder / "pred", folder / "gt", device=device, limit=limit, **options).scores


def _decode(pairs: Sequence[Pair]) -> None:
    files = (path for pair in pairs for path in (pair.pred, pair.gt))
    with ThreadPoolExecutor(cores()) as pool:
        for array in pool.map(lambda path: cv2.imread(str(path), cv2.IMREAD_UNCHANGED), files, chunksize=8):
            if array is None:
                msg = f"a file of {len(pairs)} pairs cannot be decoded"
                raise ValueError(msg)


def _values(outcome: Any) -> list[float]:
    if not isinstance(outcome, Score):
        msg = f"no score to measure: {outcome}"
        raise TypeError(msg)
    return list(outcome.values.values())
