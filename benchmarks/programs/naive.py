"""The script that people write: `naive.py PRED GT` prints the mean divergence of the maps in two folders."""

import sys
from pathlib import Path

import numpy as np

EPS = 2.2204e-16


def read(path: Path) -> np.ndarray:
    """One map as floats."""
    if path.suffix == ".npy":
        return np.load(path).astype(float)
    import cv2

    return cv2.imread(str(path), cv2.IMREAD_GRAYSCALE).astype(float)


def kld(pred: np.ndarray, gt: np.ndarray) -> float:
    """The divergence of the prediction from the ground truth."""
    pred = pred / pred.sum()
    gt = gt / gt.sum()
    return float((gt * np.log(EPS + gt / (pred + EPS))).sum())


pred_folder, gt_folder = map(Path, sys.argv[1:3])
print(np.mean([kld(read(path), read(gt_folder / path.name)) for path in sorted(pred_folder.iterdir())]))
