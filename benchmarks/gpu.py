"""`python -m benchmarks.gpu`: what a CUDA device makes of maps, in ten minutes; without one small CPU tensors.

Resident maps are judged against the time of reading them once at the bandwidth with which the device copies memory,
whole processes over folders against `--device cpu` (less what the device takes to start) and against decoding the same
files with all cores. Both sides of a ratio are measured alternately. Kernels and bytes are counted everywhere, and
numbers compared with those of the CPU. Where torch's CPU stands for the device, times say nothing but that all runs.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any
from unittest import mock

import cv2
import numpy as np

from benchmarks.maps import density, guess, made, output, truth
from kldeval.data.pairing import find_pairs
from kldeval.engine.gpu import Stack, score_batch, score_loaded, stack_pairs
from kldeval.executors.local import cores
from kldeval.preprocessing.grey import full_scale
from kldeval.records import MapPair, Score
from kldeval.scoring.evaluator import Evaluator
from kldeval.scoring.plan import Plan
from kldeval.settings.build import make_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from kldeval.records import Pair
    from kldeval.settings.settings import Settings

AGREEMENT = {"float64": 1e-9, "float32": 1e-3}
NORMS = "sum-to-one", "flatten-softmax"
METRICS = "kld,ce,jsd,kld-reverse,entropy-gt,tv,hellinger"


@dataclass(frozen=True, slots=True)
class Scale:
    """How much is measured: rounds, resident maps and their size, bytes that are copied, and sets of files."""

    rounds: int
    maps: int
    height: int
    width: int
    copied_bytes: int
    folders: tuple[str, ...]
    classes: tuple[int, int, int]


WHOLE = Scale(5, 64, 1080, 1920, 1 << 30, ("png-2000", "npy"), (19, 512, 1024))
SMALL = Scale(1, 2, 256, 256, 1 << 22, ("png-12", "npy-12"), (5, 32, 64))


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
    """The lines of the table, printed as they are found; where there is no CUDA device, kernels and bytes alone."""
    torch = _torch()
    if torch is None:
        return _printed(["no torch: the GPU part was not measured"])
    if torch.cuda.is_available():
        return _printed(measured(folders, "cuda", WHOLE))
    return _printed(
        ["no CUDA device: the GPU part is counted on the CPU, in kernels and readings of the maps", *counted()]
    )


def _printed(figures: Iterable[Figure | str]) -> list[str]:
    lines = []
    for figure in figures:
        print(figure, flush=True)
        lines.append(str(figure))
    return lines


def _torch() -> Any:
    try:
        import torch
    except ImportError:
        return None
    return torch


def measured(folders: Callable[[str], Path], device: str, scale: Scale) -> Iterator[Figure | str]:
    """Everything, on a device or on torch's CPU in its place."""
    torch = _torch()
    name = torch.cuda.get_device_name() if device == "cuda" else "torch's CPU, which stands for a device"
    yield f"{name}, torch {torch.__version__}"
    yield from counted()
    yield from on_resident_maps(device, scale)
    for folder in scale.folders:
        yield from on_folders(folders(folder), device, scale)
    yield one_pair(folders(scale.folders[0]), scale)
    yield from agreement(device)
    yield from on_class_maps(device, scale)
    yield halving(device, scale)


def on_resident_maps(device: str, scale: Scale) -> Iterator[Figure]:
    """KLD of maps that are on the device already, as multiples of the time of reading them once."""
    import torch

    block = torch.ones(scale.copied_bytes, dtype=torch.uint8, device=device)
    for stored, dtype, norm in product(("float32", "uint8"), ("float64", "float32"), NORMS):
        pairs = _pairs(stored, scale.maps, scale.height, scale.width)
        stack = stack_pairs(pairs, device)
        settings = make_settings({"metric": "kld", "norm": norm, "dtype": dtype})
        ours, copying = _alternately(
            partial(_score, pairs, settings, device, stack), partial(_copy, block, device=device), scale.rounds
        )
        # a copy reads and writes
        bandwidth = 2 * scale.copied_bytes / copying
        reading = 2 * stack.pred.nbytes / bandwidth
        goal = 4 if dtype == "float64" else 2
        size = f"{scale.maps} x {scale.height} x {scale.width}"
        yield Figure(
            f"{size} {stored}, {norm}, {dtype} / reading at {bandwidth / 1e9:.0f} GB/s", ours / reading, 40, goal
        )


VIEWS = frozenset(
    {
        *("alias", "as_strided", "detach", "expand", "permute", "reshape", "select"),
        *("slice", "squeeze", "t", "transpose", "unbind", "unsqueeze", "view"),
    }
)
"""Operations of torch that move nothing."""


def counted(count: int = 2, height: int = 480, width: int = 640) -> Iterator[str]:
    """How many kernels a batch takes, and how many bytes these read and write, as multiples of one reading of the maps.

    Kernels that read what is small beside the maps are counted, too; a device has the same ones.
    """
    for stored, dtype, norm in product(("float32", "uint8"), ("float64", "float32"), NORMS):
        pairs = _pairs(stored, count, height, width)
        stack = stack_pairs(pairs, "cpu")
        settings = make_settings({"metric": "kld", "norm": norm, "dtype": dtype})
        kernels, moved = _kernels_of(partial(score_batch, pairs, Evaluator(Plan.of(settings)), "cpu", stack=stack))
        name = f"{count} x {height} x {width} {stored}, {norm}, {dtype}"
        yield f"{name:64} {kernels:>10} kernels, {moved / 1e6:.0f} MB, {moved / (2 * stack.pred.nbytes):.0f} readings"


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


PRETENDED = """
from kldeval.process import settle_process
settle_process()
from kldeval.engine import computing
from kldeval.engine.device import Device

def find_device(*_, before_torch, **__):
    before_torch()
    import torch
    return Device("cpu:0", "cpu:0 (in the place of a GPU)")

computing.find_device = find_device
from kldeval.__main__ import main
main()
"""
"""The command line whose device is torch's CPU."""


def _command(device: str) -> list[str]:
    if device == "pretended":
        return [sys.executable, "-c", PRETENDED]
    return [sys.executable, "-m", "kldeval", "--device", device]


def _process(arguments: Sequence[str | Path], device: str) -> None:
    command = [*_command(device), *map(str, arguments), "--score-only"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def on_folders(folder: Path, device: str, scale: Scale) -> Iterator[Figure]:
    """KLD of files by the command line, beside the CPU, and beside decoding them with all cores."""
    pairs = find_pairs(folder / "pred", folder / "gt").pairs
    where = "pretended" if device == "cpu" else device
    first = [pairs[0].pred, pairs[0].gt]
    on_one, cpu_on_one = _alternately(partial(_process, first, where), partial(_process, first, "cpu"), scale.rounds)
    start = on_one - cpu_on_one
    both = [folder / "pred", folder / "gt"]
    ours, cpu = _alternately(partial(_process, both, where), partial(_process, both, "cpu"), scale.rounds)
    decoding = (
        median(_seconds(partial(_decode, pairs)) for _ in range(scale.rounds)) if folder.name.startswith("png") else 0
    )
    what = f"{len(pairs)} pairs of {folder.name}, on the device {ours:.2f} s of which {start:.2f} s start it"
    yield Figure(f"{what} / --device cpu", (ours - start) / cpu, 1.1, 1.0)
    if decoding:
        yield Figure(f"{what} / decoding with {cores()} cores", (ours - on_one) / decoding, None, 1.3)


def one_pair(folder: Path, scale: Scale) -> Figure:
    """One pair by the command line, `--device auto` as a multiple of `--device cpu`: owning a GPU costs nothing."""
    pair = find_pairs(folder / "pred", folder / "gt").pairs[0]
    work = [partial(_process, [pair.pred, pair.gt], device) for device in ("auto", "cpu")]
    auto, cpu = _alternately(*work, scale.rounds)
    return Figure("one pair, --device auto / --device cpu", auto / cpu, 1.2, 1.05)


def agreement(device: str) -> Iterator[Figure]:
    """The largest difference from the numbers of the CPU, relative to them where they are above 1."""
    for dtype, kind in product(AGREEMENT, ("of one size", "of several sizes", "with masks")):
        worst, count = 0.0, 0
        for stored, norm in product(
            ("uint8", "uint16", "float32", "float64"),
            (*NORMS, "softmax", "minmax+sum-to-one", "blur(sigma=3)+sum-to-one"),
        ):
            pairs = _various(stored, kind)
            settings = make_settings({"metric": METRICS, "norm": norm, "dtype": dtype})
            evaluator = Evaluator(Plan.of(settings))
            found = [outcome for _, outcome in score_loaded(pairs, evaluator, device)]
            worst = max(worst, _difference(found, [evaluator.score(pair) for pair in pairs]))
            count += len(pairs)
        bound = AGREEMENT[dtype]
        yield Figure(f"difference from the CPU, {count} maps {kind} in {dtype}", worst, bound, bound)


def on_class_maps(device: str, scale: Scale) -> Iterator[Figure]:
    """Cross-entropy of class maps under labels: the difference from the CPU, and the time as a multiple of its time."""
    rng = np.random.default_rng(5)
    classes, height, width = scale.classes
    logits = rng.standard_normal((classes, height, width)).astype(np.float32)
    labels = rng.integers(0, classes, (height, width)).astype(np.uint8)
    pair = MapPair("a", logits, labels, shape=(height, width))
    settings = make_settings({"metric": "ce", "pred_norm": "softmax(axis=0)", "gt_norm": "labels"})
    evaluator = Evaluator(Plan.of(settings))
    found, expected = score_batch([pair], evaluator, device), [evaluator.score(pair)]
    name = f"a class map of {classes} x {height} x {width}"
    yield Figure(f"difference from the CPU, {name}", _difference(found, expected), 1e-9, 1e-9)
    ours, cpu = _alternately(
        partial(score_batch, [pair], evaluator, device), partial(evaluator.score, pair), scale.rounds
    )
    yield Figure(f"{name} / --device cpu on one core", ours / cpu, None, 1.0)


def halving(device: str, scale: Scale) -> Figure:
    """The difference from the CPU where a device has too little memory for the batch, which is halved until it fits."""
    import torch

    pairs = _pairs("float32", max(8, scale.maps), scale.height, scale.width)
    evaluator = Evaluator(Plan.of(make_settings({"metric": "kld,ce"})))
    sizes: list[int] = []
    score = Evaluator.score_batch

    def counting(self: Evaluator, some: Sequence[MapPair], *arrays: Any) -> Any:
        if device == "cpu" and len(some) > 2:  # noqa: PLR2004 - so little memory that it is halved twice
            raise torch.cuda.OutOfMemoryError
        found = score(self, some, *arrays)
        sizes.append(len(some))
        return found

    with mock.patch.object(Evaluator, "score_batch", counting):
        if device == "cuda":
            total = torch.cuda.get_device_properties(0).total_memory
            # the maps, and as floats those of an eighth of them
            torch.cuda.empty_cache()
            torch.cuda.set_per_process_memory_fraction(min(1.0, 3 * len(pairs) * pairs[0].pred.nbytes / total))
        try:
            found = score_batch(pairs, evaluator, device)
        finally:
            if device == "cuda":
                torch.cuda.set_per_process_memory_fraction(1.0)
    expected = [evaluator.score(pairs[0])] * len(pairs)
    name = f"difference from the CPU, {len(pairs)} maps in {len(sizes)} batches for want of memory"
    return Figure(name, _difference(found, expected), 1e-9, 1e-9)


def _various(stored: str, kind: str) -> list[MapPair]:
    """Three pairs, large enough to be counted if they are of bytes."""
    rng = np.random.default_rng(7)
    pairs = []
    for number in range(3):
        height, width = (256, 272 + 16 * number) if kind == "of several sizes" else (256, 272)
        (pair,) = _pairs(stored, 1, height, width, seed=number)
        mask = (rng.random((height, width)) < 0.7).astype(float) if kind == "with masks" else None  # noqa: PLR2004
        pairs.append(replace(pair, name=str(number), weights=mask))
    return pairs


def _difference(found: Sequence[Any], expected: Sequence[Any]) -> float:
    numbers = [np.asarray([_values(one) for one in outcomes]) for outcomes in (found, expected)]
    return float(np.max(np.abs(numbers[0] - numbers[1]) / np.maximum(1, np.abs(numbers[1]))))


def _pairs(stored: str, count: int, height: int, width: int, *, seed: int = 3) -> list[MapPair]:
    """As many pairs as asked for, which share the memory of one."""
    rng = np.random.default_rng(seed)
    spots = truth(rng)
    maps = [output(guess(spots, rng), rng, height, width), density(spots, height, width)]
    full = {"uint8": 255, "uint16": 65535}.get(stored, 1)
    pred, gt = ((array / array.max() * full).astype(stored) for array in maps)
    one = MapPair("", pred, gt, shape=(height, width), pred_scale=full_scale(pred), gt_scale=full_scale(gt))
    return [replace(one, name=str(number)) for number in range(count)]


def _alternately(ours: Callable[[], Any], other: Callable[[], Any], rounds: int) -> tuple[float, float]:
    """The median seconds of both; the round before the first warms both up."""
    found = [(_seconds(ours), _seconds(other)) for _ in range(rounds + 1)][1:]
    return median(one for one, _ in found), median(two for _, two in found)


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


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print; 1 if something that must hold does not."""
    parser = argparse.ArgumentParser("python -m benchmarks.gpu", description=__doc__)
    parser.add_argument("--folder", type=Path, help="keep the maps here for another time")
    parser.add_argument("--small", action="store_true", help="little of everything, on a device as well")
    options = parser.parse_args(arguments)
    torch = _torch()
    if torch is None:
        print("no torch: nothing was measured")
        return 1
    device = "cuda" if torch.cuda.is_available() else "cpu"
    scale = SMALL if options.small or device == "cpu" else WHOLE
    with tempfile.TemporaryDirectory() as temporary:
        lines = _printed(measured(partial(made, options.folder or Path(temporary)), device, scale))
    # the times of torch's CPU are those of no device
    missed = [line for line in lines if "MISSED" in line and (device == "cuda" or line.startswith("difference"))]
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main())
