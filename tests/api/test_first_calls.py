"""Threads of a program that call the library at the same time before it has imported what it needs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np

HOME = Path(__file__).parents[2]


def test_the_first_calls_of_several_threads_know_all_there_is(tmp_path: Path) -> None:
    """A registry that another thread is filling would know half of the steps, metrics and formats."""
    for side in ("pred", "gt"):
        (tmp_path / side).mkdir()
        np.save(tmp_path / side / "a.npy", np.arange(1.0, 13).reshape(3, 4))
    code = (
        "import sys, time\nfrom concurrent.futures import ThreadPoolExecutor\nimport kldeval\n"
        "class Slow:\n"
        "    def find_spec(name, path=None, target=None):\n"
        "        if name.startswith('kldeval.data.formats.'): time.sleep(0.02)\n"
        "sys.meta_path.insert(0, Slow)\n"
        f"pred, gt = {str(tmp_path / 'pred')!r}, {str(tmp_path / 'gt')!r}\n"
        "def first(_): return round(kldeval.evaluate(pred, gt, metric='kld,sim', jobs=1)['sim'].mean, 9)\n"
        "with ThreadPoolExecutor(6) as pool: print(set(pool.map(first, range(6))))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(HOME)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("{1.0}\n", "")
