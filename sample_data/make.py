"""Makes the maps of this folder: `python sample_data/make.py` writes the same bytes every time.

gt, careful, bold   8-bit maps of five scenes, 96 x 72 pixels, and two models. `careful` blurs and covers everything;
                    `bold` is sharper and nearer, but 0 under a part of the ground truth of `harbour` and `market`:
                    which of the two is better depends on the convention.
logits              the outputs of a network before its softmax, float32 .npy with negative values, for softmax norms.
sizes               a prediction at half the size of its ground truth, for --resize.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Map = NDArray[np.float64]

HERE = Path(__file__).parent
HEIGHT, WIDTH = 72, 96

Spot = tuple[float, float, float, float]

SCENES: dict[str, tuple[Spot, ...]] = {
    "harbour": ((20, 24, 5, 1.0), (46, 70, 6, 0.8), (60, 12, 4, 0.35)),
    "market": ((30, 20, 8, 0.7), (38, 50, 9, 1.0), (28, 80, 6, 0.5)),
    "meadow": ((36, 48, 7, 1.0),),
    "portrait": ((26, 48, 8, 1.0), (52, 46, 10, 0.4)),
    "street": ((40, 16, 6, 0.9), (34, 44, 7, 1.0), (42, 78, 5, 0.6)),
}
"""Where people looked: row, column, width and weight of each spot, in pixels."""

MISSED = {"harbour": 2, "market": 2}
"""The spot that `bold` does not predict at all."""


def blobs(spots: tuple[Spot, ...], *, wider: float = 1.0, shift: float = 0.0) -> Map:
    """A sum of Gaussians."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH].astype(np.float64)
    total = np.zeros((HEIGHT, WIDTH))
    for row, column, sigma, weight in spots:
        squares = (rows - row - shift) ** 2 + (columns - column - shift) ** 2
        total += weight * np.exp(-squares / (2 * (wider * sigma) ** 2))
    return total


def to_bytes(density: Map) -> NDArray[np.uint8]:
    """The density as an 8-bit map whose maximum is 255."""
    levels: NDArray[np.uint8] = np.rint(255 * density / density.max()).astype(np.uint8)
    return levels


def careful(spots: tuple[Spot, ...]) -> Map:
    """Every spot, too wide and a little off, on a faint background."""
    return 0.06 + blobs(spots, wider=1.7, shift=2.0)


def bold(name: str, spots: tuple[Spot, ...]) -> Map:
    """Nearly the truth, but one spot of some scenes is missing."""
    kept = tuple(spot for place, spot in enumerate(spots) if place != MISSED.get(name))
    return blobs(kept, wider=1.15, shift=0.5)


def save(path: Path, array: NDArray[np.uint8] | NDArray[np.float32]) -> None:
    """Write a PNG or an .npy file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".npy":
        np.save(path, array)
    else:
        path.write_bytes(cv2.imencode(".png", array)[1].tobytes())


def main() -> None:
    """Write every file."""
    for name, spots in SCENES.items():
        save(HERE / "gt" / f"{name}.png", to_bytes(blobs(spots)))
        save(HERE / "careful" / f"{name}.png", to_bytes(careful(spots)))
        save(HERE / "bold" / f"{name}.png", to_bytes(bold(name, spots)))
    for name in ("meadow", "street"):
        logits = 4 * careful(SCENES[name]) - 3
        save(HERE / "logits" / "pred" / f"{name}.npy", logits[::2, ::2].astype(np.float32))
        save(HERE / "logits" / "gt" / f"{name}.png", to_bytes(blobs(SCENES[name])[::2, ::2]))
    save(HERE / "sizes" / "pred" / "portrait.png", to_bytes(careful(SCENES["portrait"])[::2, ::2]))
    save(HERE / "sizes" / "gt" / "portrait.png", to_bytes(blobs(SCENES["portrait"])))


if __name__ == "__main__":
    main()
