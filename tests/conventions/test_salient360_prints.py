"""What the Salient360! toolbox's `compareSaliency` prints, by the command that its row of the conventions names."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

import numpy as np
import pytest
from command_line import score
from every import conventions

if TYPE_CHECKING:
    from pathlib import Path

EPS = 2.0**-52


def weigh(array: np.ndarray) -> None:
    """The toolbox's weights, in place as it has them: sin(pi row / (H - 1))."""
    height = array.shape[0]
    array *= np.sin(np.pi * np.arange(height) / (height - 1))[:, None].clip(0)


def compare_saliency(pred: np.ndarray, gt: np.ndarray) -> float:
    """KLD after SIM, as the toolbox calls them one after the other on the same arrays."""
    for _ in range(2):  # SIM weighs what it was given twice
        weigh(pred)
        weigh(gt)
    weigh(pred)
    weigh(gt)
    p, q = pred / pred.sum(), gt / gt.sum()
    seen = p != 0
    return float((p[seen] * np.log((p[seen] + EPS) / (q[seen] + EPS))).sum())


def test_the_command_of_the_row_prints_what_the_toolbox_prints(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    pred, gt = rng.random((2, 16, 32))
    pred[3:5] = 0
    gt[9] = 0
    for name, array in (("p", pred), ("g", gt)):
        np.save(tmp_path / f"{name}.npy", array)
    (trap,) = (text for text in conventions()["salient360"].traps if "compareSaliency" in text)
    command = re.search(r"(--norm .*) repeats it", trap)
    assert command
    found = score(tmp_path / "p.npy", tmp_path / "g.npy", *shlex.split(command[1]))
    assert found == pytest.approx([compare_saliency(pred.copy(), gt.copy())], rel=1e-12)
