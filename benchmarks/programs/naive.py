"""The script that people write: `naive.py PRED GT [METRICS] [NORM] [once]` prints the means over two folders.

METRICS are kld, ce or kld,ce (by default kld), functions of two maps that normalise them, as metrics are published;
NORM is sum-to-one or flatten-softmax. With `once` a pair is normalised once for all of its metrics.
"""

import sys
from pathlib import Path

import numpy as np

EPS = 2.2204e-16


def read(path: Path) -> np.ndarray:
    """One map as floats."""
    if path.suffix == ".npy":
        return np.load(path).astype(float)
    import cv2

    return cv2.imread(str(path), cv2.IMREAD_UNCHANGED).astype(float)


def sum_to_one(x: np.ndarray) -> np.ndarray:
    """The map as a density."""
    return x / x.sum()


def flatten_softmax(x: np.ndarray) -> np.ndarray:
    """The softmax over all pixels of the map."""
    e = np.exp(x - x.max())
    return e / e.sum()


def as_it_is(x: np.ndarray) -> np.ndarray:
    """A map that is normalised already."""
    return x


def kld(pred: np.ndarray, gt: np.ndarray) -> float:
    """The divergence of the prediction from the ground truth."""
    pred = normalise(pred)
    gt = normalise(gt)
    return float((gt * np.log(EPS + gt / (pred + EPS))).sum())


def ce(pred: np.ndarray, gt: np.ndarray) -> float:
    """The cross-entropy of the prediction under the ground truth."""
    pred = normalise(pred)
    gt = normalise(gt)
    return float(-(gt * np.log(pred + EPS)).sum())


METRICS = {"kld": kld, "ce": ce}
NORMS = {"sum-to-one": sum_to_one, "flatten-softmax": flatten_softmax}

pred_folder, gt_folder = map(Path, sys.argv[1:3])
metrics = [METRICS[name] for name in (sys.argv[3:] or ["kld"])[0].split(",")]
normalise = before = NORMS[(sys.argv[4:] or ["sum-to-one"])[0]]
if sys.argv[5:] == ["once"]:
    normalise = as_it_is
else:
    before = as_it_is


def scores(pred: np.ndarray, gt: np.ndarray) -> list[float]:
    """The metrics of a pair."""
    pred = before(pred)
    gt = before(gt)
    return [metric(pred, gt) for metric in metrics]


print(*np.mean([scores(read(path), read(gt_folder / path.name)) for path in sorted(pred_folder.iterdir())], axis=0))
