"""Small folders of maps: ground truths of a few videos, and models that come more or less near them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

VIDEOS = {"jump": 3, "run": 3, "swim": 2}
"""Videos and their numbers of frames."""

NAMES = [f"{video}/{frame:04d}" for video, frames in VIDEOS.items() for frame in range(1, frames + 1)]


def save(folder: Path, name: str, values: object) -> None:
    """One map as an .npy file."""
    path = folder / f"{name}.npy"
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, np.asarray(values, dtype=np.float64))


def make_models(root: Path, models: Iterable[str] = ("good", "bad"), names: Iterable[str] = NAMES) -> None:
    """`gt` and a folder for each model under `root`; every model is noisier than the one before it."""
    rng = np.random.default_rng(5)
    names = list(names)
    truths = {name: rng.uniform(1, 9, (4, 5)) for name in names}
    for name, truth in truths.items():
        save(root / "gt", name, truth)
    for place, model in enumerate(models, 1):
        for name, truth in truths.items():
            save(root / model, name, truth + place * rng.uniform(0, 3, truth.shape))
