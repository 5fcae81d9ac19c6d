"""`kldeval explain`: the shares of pixels are of the sum over pixels, and the worst map of two folders."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest
from command_line import kldeval

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    rng = np.random.default_rng(1)
    for side in ("pred", "gt"):
        (tmp_path / side).mkdir()
    for name, noise in (("good", 5), ("bad", 150), ("poor", 60)):
        gt = rng.integers(1, 100, (12, 10))
        pred = gt + rng.integers(0, noise, gt.shape)
        pred[0, :3] = 0
        for side, array in (("pred", pred), ("gt", gt)):
            cv2.imwrite(str(tmp_path / side / f"{name}.png"), array.astype(np.uint8))
    return tmp_path / "pred", tmp_path / "gt"


CHOICES = [
    (),
    ("--norm", "softmax"),
    ("--reduction", "mean"),
    ("--reduction", "batchmean", "--base", "2"),
    ("-m", "bce"),
    ("-m", "kld(direction=pred-gt)"),
]


@pytest.mark.parametrize("options", CHOICES)
def test_shares_sum_to_one_hundred_percent(folders: tuple[Path, Path], options: tuple[str, ...]) -> None:
    done = kldeval("explain", folders[0] / "bad.png", folders[1] / "bad.png", *options)
    assert done.code == 0, done.err
    shares = [float(text) for text in re.findall(r"(-?[\d.]+)%", done.out)]
    assert len(shares) == 6
    assert sum(shares) == pytest.approx(100, abs=0.4)
    assert "115 others" in done.out


def test_it_says_what_the_uncovered_pixels_add(folders: tuple[Path, Path]) -> None:
    pred, gt = (np.asarray(cv2.imread(str(folder / "bad.png"), cv2.IMREAD_GRAYSCALE), float) for folder in folders)
    p, q = pred / pred.sum(), gt / gt.sum()
    terms = q * np.log(1e-7 + q / (p + 1e-7))
    done = kldeval("explain", folders[0] / "bad.png", folders[1] / "bad.png", "--eps", "1e-7")
    adds = f"which add {terms[p == 0].sum():.6g} of {terms.sum():.6g} nats over all pixels"
    assert f"uncovered: 3 pixels with ground-truth mass {q[p == 0].sum():.6g}, {adds}" in done.out


def test_the_worst_map_of_two_folders(folders: tuple[Path, Path]) -> None:
    rows = json.loads(kldeval(*folders, "-m", "kld", "--eps", "0.01", "--format", "json").out)["maps"]
    for place, name in enumerate((row["name"] for row in sorted(rows, key=lambda row: -row["kld"])), 1):
        done = kldeval("explain", *folders, "--worst", str(place), "-m", "kld", "--eps", "0.01")
        assert done.out.startswith(f"{name}: 10 x 12 pixels")
    assert kldeval("explain", *folders, "--worst", "4").err == "kldeval: --worst 4: 3 maps have a number\n"
    of_entropy = kldeval("explain", *folders, "--worst", "1", "-m", "entropy-gt")
    assert (of_entropy.code, "no map is the worst" in of_entropy.err) == (2, True)
