"""A decoder that crashes costs one map, also where there are no workers: it is called in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
from programs import python

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="processes end by signals")

HOME = Path(__file__).parents[2]

CRASHING = """
import os
from kldeval.data.readers import {module} as decoder

whole = decoder.read

def read(data, *rest, **options):
    if b"CRASH" in data:
        os.abort()
    return whole(data, *rest, **options)

decoder.read = read
"""
"""A decoder whose library has a fault that some bytes reach: Python runs this file where it starts to read."""

IN_THREADS = """
import threading, kldeval
threading.Thread(target=threading.Event().wait, daemon=True).start()
report = kldeval.evaluate("pred", "gt", jobs=2)
print(len(report.scores), *(failure.message for failure in report.failures))
"""

ALONE = """
import kldeval
report = kldeval.evaluate("pred", "gt", jobs=1)
print(len(report.scores), *(failure.message for failure in report.failures))
"""


def encoded(suffix: str, array: np.ndarray, folder: Path) -> bytes:
    if suffix != ".tif":
        return bytes(cv2.imencode(suffix, array)[1])
    tifffile.imwrite(folder / "a.tif", array, compression="lzw")
    return (folder / "a.tif").read_bytes()


@pytest.mark.parametrize("program", [ALONE, IN_THREADS], ids=["one job", "threads"])
@pytest.mark.parametrize(("suffix", "module"), [(".bmp", "opencv_images"), (".tif", "tiff")])
def test_a_crash_is_the_failure_of_its_map(tmp_path: Path, suffix: str, module: str, program: str) -> None:
    rng = np.random.default_rng(0)
    for side in ("pred", "gt"):
        (tmp_path / side).mkdir()
        for name in "abc":
            data = encoded(suffix, rng.integers(1, 256, (9, 8), dtype=np.uint8), tmp_path)
            (tmp_path / side / f"{name}{suffix}").write_bytes(data)
    with (tmp_path / "pred" / f"b{suffix}").open("ab") as file:
        file.write(b"CRASH")
    (tmp_path / "start").mkdir()
    (tmp_path / "start" / "sitecustomize.py").write_text(CRASHING.format(module=module))
    paths = os.pathsep.join([str(tmp_path / "start"), str(HOME)])
    done = subprocess.run(
        [*python(), "-W", "ignore", "-c", program],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    said = f"2 pred/b{suffix}: damaged: the process that read it ended (signal 6 (SIGABRT))\n"
    assert (done.returncode, done.stdout) == (0, said), done.stderr
