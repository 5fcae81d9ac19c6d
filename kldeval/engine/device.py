"""Where the numbers are computed: numpy on the CPU, or torch on an accelerator."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kldeval.arrays import torch
from kldeval.dataclass import dataclass
from kldeval.errors import MissingDependency, UsageProblem
from kldeval.memory import MapInMemory

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kldeval.memory import MapFile
    from kldeval.records import Pair
    from kldeval.settings.settings import Settings


SAMPLED = 20
"""Pairs of a run whose files are looked at to estimate its work."""

MEMBER_BYTES = 2**19
"""About how many bytes a map has that is a member of another file."""

COMPRESSION = 8
"""About how many bytes of a map one byte of an image's file stands for."""

_GPU_FILES = ("/dev/nvidia0", "/dev/nvidiactl", "/dev/dxg", "/dev/kfd")
"""What the drivers of GPUs that torch calls `cuda` put into /dev: looked for because importing torch costs seconds."""


@dataclass(frozen=True, slots=True)
class Device:
    """A device by torch's name (`cpu`: numpy, without torch) and what the provenance calls it."""

    name: str
    label: str

    @property
    def is_cpu(self) -> bool:
        """Whether numpy computes."""
        return self.name == "cpu"


CPU = Device("cpu", "cpu")
"""Where everything is computed that has no work for an accelerator."""

STARTUP_SECONDS = 4.0
"""What a GPU costs before its first number: importing torch, making a context. Less work than this stays on the CPU."""

CPU_BYTES_PER_SECOND = 2e8
"""Stored bytes that one core reads and scores under one metric, at least: what a run on the CPU is estimated with."""


def find_device(
    request: str,
    settings: Settings,
    pairs: Sequence[Pair] = (),
    jobs: int = 1,
    models: int = 1,
    *,
    before_torch: Callable[[], None] = lambda: None,
) -> Device:
    """The device for `auto`, `cpu`, `cuda`, `cuda:1` or `mps`.

    `auto` is a GPU where there is one, unless the work on these pairs takes the CPU less than the GPU's start-up.
    `before_torch` is called once torch is about to be imported, which starts threads.

    Raises:
        UsageProblem: the text is none of these, or mps is asked for float64, which it lacks.
        MissingDependency: the device is not there.
    """
    check_device(request, settings)
    if request == "auto":
        return _auto(partial(_cpu_seconds, settings, pairs, models * len(pairs), jobs), before_torch)
    if request == "cpu":
        return CPU
    kind, _, index = request.partition(":")
    before_torch()
    return _accelerator(kind, index)


def check_device(request: str, settings: Settings) -> None:
    """Refuse what is the name of no device.

    Raises:
        UsageProblem: the text is none, or mps is asked for float64, which it lacks.
    """
    kind, colon, index = request.partition(":")
    if request not in ("auto", "cpu", "mps") and (kind != "cuda" or (colon and not index.isdecimal())):
        msg = f"--device {request}: {request!r} is none of auto, cpu, cuda, cuda:INDEX, mps"
        raise UsageProblem(msg)
    if kind == "mps" and settings.dtype == "float64":
        msg = "--device mps computes in float32 only; add --dtype float32"
        raise UsageProblem(msg)


def _auto(cpu_seconds: Callable[[], float], before_torch: Callable[[], None]) -> Device:
    if not any(os.path.exists(path) for path in _GPU_FILES):  # noqa: PTH110 - pathlib is not needed for this
        return CPU
    seconds = cpu_seconds()
    why = f"a GPU takes about {STARTUP_SECONDS:.0f} s to start, and this work about {seconds:.1f} s on the CPU"
    if seconds < STARTUP_SECONDS:
        _say("cpu", why)
        return Device("cpu", "cpu (less work than a GPU's start)")
    before_torch()
    try:
        package = torch()
    except MissingDependency as error:
        _say("cpu", str(error))
        return Device("cpu", "cpu (torch cannot be imported)")
    if not package.cuda.is_available():
        _say("cpu", f"torch {package.__version__} finds no GPU, although there is a driver of one")
        return Device("cpu", f"cpu (torch {package.__version__} finds no GPU)")
    found = _accelerator("cuda", "")
    _say(found.label, why)
    return found


def _say(device: str, why: str) -> None:
    import logging  # here, because a run without a GPU need not import it

    logging.getLogger("kldeval").debug("--device auto: %s, because %s", device, why)


def _cpu_seconds(settings: Settings, pairs: Sequence[Pair], n_pairs: int, jobs: int) -> float:
    """About how long the pairs take `jobs` cores: from the sizes of some files, their number and the metrics."""
    some = pairs[:: max(1, len(pairs) // SAMPLED)][:SAMPLED]
    if not some:
        return 0.0
    mean = sum(_stored_bytes(pair.pred) + _stored_bytes(pair.gt) for pair in some) / len(some)
    return n_pairs * mean * max(1, len(settings.metrics)) / CPU_BYTES_PER_SECOND / jobs


def _stored_bytes(path: MapFile) -> int:
    """The bytes of a file, or of the map in it where the file is compressed."""
    if isinstance(path, MapInMemory):
        n_bytes: int = path.array.nbytes
        return n_bytes
    if not isinstance(path, Path):  # a member: what little there is to know of it costs more than a guess
        return MEMBER_BYTES
    try:
        size = path.stat().st_size
    except OSError:
        return 0
    return size if path.suffix.lower() == ".npy" else COMPRESSION * size


def _accelerator(kind: str, index: str) -> Device:
    package = torch()
    backend: Any = package.cuda if kind == "cuda" else package.backends.mps
    if not backend.is_available():
        msg = f"--device {kind}: torch {package.__version__} finds no such device here; use --device cpu"
        raise MissingDependency(msg)
    if kind == "mps":
        return Device("mps", "mps")
    number = int(index or 0)
    if number >= package.cuda.device_count():
        msg = f"--device cuda:{number}: there are only {package.cuda.device_count()} CUDA devices, counted from 0"
        raise MissingDependency(msg)
    return Device(f"cuda:{number}", f"cuda:{number} ({package.cuda.get_device_name(number)})")
