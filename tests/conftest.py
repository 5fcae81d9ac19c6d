"""What tests share: the public pairs as files, examples without a deadline, and signals as a terminal leaves them."""

from __future__ import annotations

import gc
import os
import re
import shutil
import signal
import sys
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

# before numpy and torch: as many tests run at once as there are cores, and threads of theirs would wait for each other
for of_libraries in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(of_libraries, "1")

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from collections.abc import Generator

# laws hold on a busy machine, too: how long an example takes is no failure; every run draws other examples
settings.register_profile(
    "laws", settings(), max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("laws")

# hundreds of tests start programs: the package is compiled for the first of them alone, whatever the environment says
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# thousands of tests write files, which a disk makes dearer than what they test: a fifth of the work, and the waiting
MEMORY, NEEDED = Path("/dev/shm"), 2**31  # noqa: S108 - pytest makes folders of its own there
if (
    MEMORY.is_dir()
    and os.access(MEMORY, os.W_OK)
    and shutil.disk_usage(MEMORY).free >= NEEDED
    and not os.statvfs(MEMORY).f_flag & os.ST_NOEXEC  # some tests write programs
):
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))

# POT imports every array library that is there: torch, in a process that needs none
os.environ.setdefault("POT_BACKEND_DISABLE_PYTORCH", "1")

# `nohup` and `&` have signals ignored, and programs inherit that: those that tests interrupt must not. A handler, in
# place of the default, is not inherited, and lets the tests go on as before.
for ignored in (signal.SIGINT, signal.SIGHUP):
    if signal.getsignal(ignored) is signal.SIG_IGN:
        signal.signal(ignored, lambda *_: None)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Look for no garbage while tests are collected, nor among them later: to walk them even once takes 0.3 seconds."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.set_threshold(20_000, 20, 50)
        gc.enable()


FOLDERS = count()


@pytest.fixture
def tmp_path(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for one test. That of pytest lists all others to find its number, and links to each."""
    name = re.sub(r"\W", "_", request.node.name)[:30]
    return tmp_path_factory.mktemp(f"{name}{next(FOLDERS)}", numbered=False)


GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture(scope="session")
def public_pairs() -> dict[str, np.ndarray]:
    """The arrays `smooth8_pred`, `smooth8_gt` and so on, as they are stored."""
    with np.load(GOLDEN / "pairs.npz") as arrays:
        return dict(arrays)


@pytest.fixture(scope="session")
def pair_files(public_pairs: dict[str, np.ndarray], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the public pairs as files: PNG where they are 8 bits, .npy where not."""
    import cv2  # the process that hands out tests needs none

    folder = tmp_path_factory.mktemp("pairs")
    for name, array in public_pairs.items():
        if array.dtype == np.uint8:
            cv2.imwrite(str(folder / f"{name}.png"), array)
        else:
            np.save(folder / f"{name}.npy", array)
    return folder
