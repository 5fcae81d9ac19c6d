"""A small data set that people looked at: maps, a prediction, and a list of fixations, as files and as arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

SHAPE = 18, 24
IMAGES = ("a", "b", "c")
OBSERVERS = ("ann", "bob", "eve")


@dataclass(frozen=True)
class LookedAt:
    """Where the files are, the arrays by image, and one (image, x, y, observer) per fixation."""

    root: Path
    preds: dict[str, np.ndarray]
    gts: dict[str, np.ndarray]
    points: list[tuple[str, int, int, str]]

    @property
    def maps(self) -> tuple[Path, Path]:
        return self.root / "pred", self.root / "gt"

    @property
    def fixations(self) -> Path:
        return self.root / "fixations.csv"

    def counts(self, *images: str, observers: tuple[str, ...] = OBSERVERS) -> np.ndarray:
        """The number of fixations at every pixel, of all these images together."""
        found = np.zeros(SHAPE, np.int64)
        for image, x, y, observer in self.points:
            found[y, x] += image in images and observer in observers
        return found

    def others(self, image: str) -> np.ndarray:
        return self.counts(*(name for name in IMAGES if name != image))


def write_list(path: Path, points: list[tuple[str, int, int, str]], base: int = 0) -> Path:
    rows = [f"{image},{x + base},{y + base},{observer}" for image, x, y, observer in points]
    path.write_text("\n".join(["name,x,y,observer", *rows]) + "\n")
    return path


def make_looked_at(root: Path, *, dtype: type = np.uint8) -> LookedAt:
    """Maps of 8 bits as PNG, or the same numbers in another type as .npy."""
    rng = np.random.default_rng(7)
    arrays: dict[str, dict[str, np.ndarray]] = {"pred": {}, "gt": {}}
    for role, found in arrays.items():
        (root / role).mkdir(parents=True)
        for image in IMAGES:
            rough = rng.random((SHAPE[0] // 3, SHAPE[1] // 3))
            blocks = np.kron(rough, np.ones((3, 3))) + np.linspace(0, 0.2, SHAPE[1])
            found[image] = np.rint(200 * blocks + 4).astype(np.uint8)
            if dtype is np.uint8:
                cv2.imwrite(str(root / role / f"{image}.png"), found[image])
            else:
                np.save(root / role / f"{image}.npy", found[image].astype(dtype))
    points = [
        (image, int(rng.integers(SHAPE[1])), int(rng.integers(SHAPE[0])), observer)
        for image in IMAGES
        for observer in OBSERVERS
        for _ in range(4)
    ]
    points.append(points[0])
    write_list(root / "fixations.csv", points)
    return LookedAt(root, arrays["pred"], arrays["gt"], points)
