"""Makes the maps of this folder: `python sample_data/make.py` writes the same bytes every time.

gt, careful, bold   8-bit maps of five scenes, 96 x 72 pixels, and two models. `careful` blurs and covers everything;
                    `bold` is sharper and nearer, but 0 under a part of the ground truth of `harbour` and `market`:
                    which of the two is better depends on the convention.
logits              the outputs of a network before its softmax, float32 .npy with negative values, for softmax norms.
sizes               a prediction at half the size of its ground truth, for --resize.
articles            the worked numbers of docs/articles.md, float64 and int64 .npy.
fixations.csv       where three observers looked at the five scenes: name, x, y, observer, counted from 0.
classes             logits of three classes (3, 24, 32), float32 .npy, and the classes of two scenes as PNG with a
                    palette, in which 255 marks a border that does not count.
"""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

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

LOOKED = {"ann": (-0.3, 0.2), "bob": (0.2, 0.3), "eve": (0.1, -0.3)}
"""How far beside the middle of every spot each observer looked, in its widths: rows and columns."""


ARTICLES = {
    "softmax": [[-1.23909949, 0.77767204], [0.08646117, -0.14608897]],
    "kl_pred": [[0.7, 0.1, 0.2]],
    "kl_gt": [[0.2, 0.5, 0.3]],
    "ce_scores": [
        [0.0054, -0.803, -0.5758, -0.6518],
        [-0.5518, 0.3904, 0.5296, 0.4973],
        [0.1608, 0.5822, 0.9536, -0.3173],
    ],
    "ce_labels": [0, 2, 3],
    "smoothing_scores": [
        [-1.5616, -0.7906, 1.4143, -0.0957, 0.1657],
        [-1.4285, 0.3045, 1.5844, -2.1508, 1.8181],
        [1.0205, -1.3493, -1.2965, 0.1715, -1.2118],
    ],
    "smoothing_labels": [2, 0, 3],
    "smoothing_targets": [
        [0.025, 0.025, 0.9, 0.025, 0.025],
        [0.9, 0.025, 0.025, 0.025, 0.025],
        [0.025, 0.025, 0.025, 0.9, 0.025],
    ],
}
"""The inputs of the articles' examples."""

PALETTE = ((70, 130, 180), (128, 64, 128), (220, 20, 60))
"""Colours of the classes background, near and gaze, as red, green and blue; they mean nothing to a score."""


def blobs(spots: tuple[Spot, ...], *, wider: float = 1.0, shift: float = 0.0) -> Map:
    """A sum of Gaussians."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH].astype(np.float64)
    total = np.zeros((HEIGHT, WIDTH))
    for row, column, sigma, weight in spots:
        squares = (rows - row - shift) ** 2 + (columns - column - shift) ** 2
        total += weight * np.exp(-squares / (2 * (wider * sigma) ** 2))
    return total


def looks(name: str, spots: tuple[Spot, ...]) -> list[str]:
    """The fixations on a scene as lines of a list: every observer looks at its spots, the strongest first."""
    strongest_first = sorted(spots, key=lambda spot: -spot[3])
    return [
        f"{name},{round(column + across * sigma)},{round(row + down * sigma)},{observer}"
        for observer, (down, across) in LOOKED.items()
        for row, column, sigma, _ in strongest_first
    ]


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


def classes(spots: tuple[Spot, ...]) -> NDArray[np.uint8]:
    """0 where nobody looked, 1 near a spot, 2 in its middle, 255 along the border of the image."""
    density = blobs(spots)[::3, ::3]
    labels = np.digitize(density, (0.2, 0.6)).astype(np.uint8)
    labels[[0, -1], :], labels[:, [0, -1]] = 255, 255
    return labels


def class_logits(spots: tuple[Spot, ...]) -> NDArray[np.float32]:
    """What a network that is nearly right would say of the classes, (3, height, width)."""
    density = blobs(spots, wider=1.1, shift=0.5)[::3, ::3]
    centres = np.asarray([0.0, 0.4, 0.9])[:, None, None]
    return np.asarray(-20 * (density - centres) ** 2, np.float32)


def with_palette(labels: NDArray[np.uint8]) -> bytes:
    """A PNG whose bytes are indices of `PALETTE`."""
    colours = bytes(np.asarray(PALETTE, np.uint8)).ljust(3 * 256, b"\xff")
    height, width = labels.shape
    pixels = zlib.compress(b"".join(b"\0" + row.tobytes() for row in labels))
    chunks = (
        b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0),
        b"PLTE" + colours,
        b"IDAT" + pixels,
        b"IEND",
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk)) for chunk in chunks
    )


def save(path: Path, array: NDArray[Any]) -> None:
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
    lines = ["name,x,y,observer", *(line for name, spots in SCENES.items() for line in looks(name, spots))]
    (HERE / "fixations.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    for name in ("meadow", "street"):
        logits = 4 * careful(SCENES[name]) - 3
        save(HERE / "logits" / "pred" / f"{name}.npy", logits[::2, ::2].astype(np.float32))
        save(HERE / "logits" / "gt" / f"{name}.png", to_bytes(blobs(SCENES[name])[::2, ::2]))
        save(HERE / "classes" / "pred" / f"{name}.npy", class_logits(SCENES[name]))
        (HERE / "classes" / "gt").mkdir(parents=True, exist_ok=True)
        (HERE / "classes" / "gt" / f"{name}.png").write_bytes(with_palette(classes(SCENES[name])))
    for stem, numbers in ARTICLES.items():
        save(HERE / "articles" / f"{stem}.npy", np.asarray(numbers))
    save(HERE / "sizes" / "pred" / "portrait.png", to_bytes(careful(SCENES["portrait"])[::2, ::2]))
    save(HERE / "sizes" / "gt" / "portrait.png", to_bytes(blobs(SCENES["portrait"])))


if __name__ == "__main__":
    main()
