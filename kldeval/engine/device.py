"""Where the numbers are computed: numpy on the CPU, or torch on an accelerator."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kldeval.arrays import torch
from kldeval.errors import MissingDependency, UsageProblem

if TYPE_CHECKING:
    from kldeval.settings.settings import Settings


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


def find_device(request: str, settings: Settings) -> Device:
    """The device for `auto`, `cpu`, `cuda`, `cuda:1` or `mps`.

    Raises:
        UsageProblem: the text is none of these, or mps is asked for float64, which it lacks.
        MissingDependency: the device is not there.
    """
    if request == "auto":
        return _auto()
    if request == "cpu":
        return Device("cpu", "cpu")
    kind, colon, index = request.partition(":")
    if request != "mps" and (kind != "cuda" or (colon and not index.isdecimal())):
        msg = f"--device {request}: {request!r} is none of auto, cpu, cuda, cuda:INDEX, mps"
        raise UsageProblem(msg)
    if kind == "mps" and settings.dtype == "float64":
        msg = "--device mps computes in float32 only; add --dtype float32"
        raise UsageProblem(msg)
    return _accelerator(kind, index)


def _auto() -> Device:
    if not any(os.path.exists(path) for path in _GPU_FILES):  # noqa: PTH110 - pathlib is not needed for this
        return Device("cpu", "cpu")
    package = torch()
    return _accelerator("cuda", "") if package.cuda.is_available() else Device("cpu", "cpu")


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
