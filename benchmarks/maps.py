"""Makes the maps of the benchmark: `python -m benchmarks.maps FOLDER SET...` writes the same bytes every time.

A ground truth is a sum of Gaussian spots, where people looked; a prediction has most of them, wider and displaced, on a
background with slow noise, as a network's output has. An 8-bit PNG of 480 x 640 has about 60 kB, as the densities of
public data sets and the predictions that people submit have.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Map = NDArray[np.float64]

HEIGHT, WIDTH = 480, 640
HUGE = 20_000
N_CLASSES, IGNORED = 19, 255
SPOTS = 4, 24
FIXATIONS = 100
"""Fixations on each image: some ten observers for some seconds."""
STRIP = 500
"""Rows of a huge map that are made at a time."""


def truth(rng: np.random.Generator) -> Map:
    """Spots: height, position and width of each are columns."""
    n_spots = int(rng.integers(*SPOTS))
    return np.stack([rng.uniform(0.2, 1, n_spots), *rng.uniform(0, 1, (2, n_spots)), rng.uniform(0.03, 0.1, n_spots)])


def guess(spots: Map, rng: np.random.Generator) -> Map:
    """Three quarters of the spots, wider and displaced."""
    kept = spots[:, rng.random(spots.shape[1]) < 0.75]  # noqa: PLR2004
    return kept * np.asarray([[1], [1], [1], [1.4]]) + rng.normal(0, 0.02, kept.shape) * np.asarray(
        [[0], [1], [1], [0]]
    )


def density(spots: Map, height: int, width: int, rows: slice | None = None) -> Map:
    """The sum of the spots, or some rows of it."""
    heights, down, across, sigma = spots[:, :, None]
    y, x = (np.arange(height)[rows or slice(None)] + 0.5) / height, (np.arange(width) + 0.5) / height
    falls = heights * np.exp(-(((y - down) / sigma) ** 2) / 2)
    return np.asarray(falls.T @ np.exp(-(((x - across * width / height) / sigma) ** 2) / 2))


def output(spots: Map, rng: np.random.Generator, height: int, width: int) -> Map:
    """The spots as a network shows them: never 0, and with slow noise."""
    noise = cv2.resize(rng.normal(0, 0.01, (height // 16, width // 16)), (width, height), interpolation=cv2.INTER_CUBIC)
    return np.asarray(np.maximum(density(spots, height, width) + 0.02 + noise, 1e-6))


def write_pair(
    folder: Path, number: int, suffix: str, size: tuple[int, int] = (HEIGHT, WIDTH), levels: int = 255
) -> None:
    """One pair as `pred/NUMBER` and `gt/NUMBER`; images have whole numbers up to `levels`."""
    rng = np.random.default_rng((number, 1))
    spots = truth(rng)
    for role, values in (
        ("gt", density(spots, *size)),
        ("pred", output(guess(spots, rng), rng, *size)),
    ):
        path = folder / role / f"{number:05}{suffix}"
        shares = values / values.max()
        if suffix == ".npy":
            np.save(path, shares.astype(np.float32))
        else:
            whole = np.rint(levels * shares).astype(np.uint8 if levels <= 255 else np.uint16)  # noqa: PLR2004 - a byte
            path.write_bytes(cv2.imencode(suffix, whole)[1].tobytes())


def write_pairs(
    folder: Path, count: int, suffix: str, size: tuple[int, int] = (HEIGHT, WIDTH), levels: int = 255
) -> None:
    """Different pairs of one size."""
    for number in range(count):
        write_pair(folder, number, suffix, size, levels)


def write_class_maps(folder: Path, count: int) -> None:
    """Scores of 19 classes at 512 x 1024 pixels, float32, and labels, a twentieth of which do not count."""
    rng = np.random.default_rng(4)
    for number in range(count):
        coarse = rng.normal(0, 3, (N_CLASSES, 64, 128)).astype(np.float32)
        scores = np.stack([cv2.resize(one, (1024, 512), interpolation=cv2.INTER_CUBIC) for one in coarse])
        labels = scores.argmax(axis=0).astype(np.uint8)
        labels[rng.random(labels.shape) < 0.05] = IGNORED  # noqa: PLR2004
        np.save(folder / "pred" / f"{number}.npy", scores)
        np.save(folder / "gt" / f"{number}.npy", labels)


def link_pairs(folder: Path, count: int, originals: Path) -> None:
    """Pairs that share the bytes of the original ones: many files, little disk, a warm cache."""
    for role in ("pred", "gt"):
        files = sorted((originals / role).iterdir())
        for number in range(count):
            os.link(files[number % len(files)], folder / role / f"{number:05}{files[0].suffix}")


def link_fixated(folder: Path, count: int, originals: Path) -> None:
    """Pairs that share the bytes of the original ones, and fixations drawn from their ground truths, in two forms."""
    link_pairs(folder, count, originals)
    (folder / "fixations").mkdir()
    rows = ["name,x,y"]
    for number in range(count):
        places = drawn(truth(np.random.default_rng((number, 1))), np.random.default_rng((number, 3)))
        rows += [f"{number:05},{x},{y}" for y, x in places]
        fixated = np.zeros((HEIGHT, WIDTH), np.uint8)
        fixated[tuple(places.T)] = 255
        cv2.imwrite(str(folder / "fixations" / f"{number:05}.png"), fixated)
    (folder / "fixations.csv").write_text("\n".join(rows) + "\n")


def drawn(spots: Map, rng: np.random.Generator) -> NDArray[np.int64]:
    """Rows and columns of pixels, drawn from the density of the spots."""
    shares = density(spots, HEIGHT, WIDTH).reshape(-1)
    places = rng.choice(shares.size, FIXATIONS, p=shares / shares.sum())
    return np.stack(np.divmod(places, WIDTH), axis=-1)


def write_huge(folder: Path) -> None:
    """One pair of 20 000 x 20 000 float32, 1.6 GB each."""
    rng = np.random.default_rng(2)
    spots = truth(rng)
    for role, shown in (("gt", spots), ("pred", guess(spots, rng))):
        array = np.lib.format.open_memmap(folder / role / "huge.npy", "w+", np.float32, (HUGE, HUGE))
        for top in range(0, HUGE, STRIP):
            rows = slice(top, top + STRIP)
            array[rows] = density(shown, HUGE, HUGE, rows) + 0.01


SETS: dict[str, Callable[[Path], None]] = {
    "png": lambda folder: write_pairs(folder, 500, ".png"),
    "png-fixated": lambda folder: link_fixated(folder, 500, made(folder.parent, "png")),
    "npy": lambda folder: write_pairs(folder, 500, ".npy"),
    "png-16": lambda folder: write_pairs(folder, 100, ".png", levels=2**16 - 1),
    "png-1080p": lambda folder: write_pairs(folder, 100, ".png", (1080, 1920)),
    "png-small": lambda folder: write_pairs(folder, 500, ".png", (256, 256)),
    "png-small-5000": lambda folder: link_pairs(folder, 5000, made(folder.parent, "png-small")),
    "classes": lambda folder: write_class_maps(folder, 8),
    "one": lambda folder: write_pairs(folder, 1, ".png"),
    "png-100": lambda folder: link_pairs(folder, 100, made(folder.parent, "png")),
    "png-2000": lambda folder: link_pairs(folder, 2000, made(folder.parent, "png")),
    "png-20000": lambda folder: link_pairs(folder, 20_000, made(folder.parent, "png")),
    "png-12": lambda folder: write_pairs(folder, 12, ".png"),
    "npy-12": lambda folder: write_pairs(folder, 12, ".npy"),
    "huge": write_huge,
}
"""What the cases need, by name."""


def made(root: Path, name: str) -> Path:
    """The folder of a set, which is made if it is not there."""
    folder = root / name
    if not folder.exists():
        unfinished = root / f"{name}.part"
        for role in ("pred", "gt"):
            (unfinished / role).mkdir(parents=True)
        SETS[name](unfinished)
        unfinished.rename(folder)
    return folder


if __name__ == "__main__":
    for wanted in sys.argv[2:]:
        made(Path(sys.argv[1]), wanted)
