"""`kldeval explain`: the shares of pixels are of the sum over pixels, and the worst map of two folders."""

from __future__ import annotations

import json
import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from command_line import kldeval


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


def shares_of(table: str) -> list[float]:
    return [float(text) for text in re.findall(r"(-?[\d.]+)%", table)]


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
    tables = done.out.split("that contribute most to ")[1:]
    assert len(tables) == (1 if "-m" in options else 2), "one for each metric"
    for table in tables:
        shares = shares_of(table)
        assert len(shares) == 6
        assert sum(shares) == pytest.approx(100, abs=0.4)
        assert "115 others" in table


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
    either = kldeval("explain", *folders).err
    assert either == f"kldeval: {folders[0]} and {folders[1]} hold 3 pairs; name the two files of one, or --worst 1\n"
    of_entropy = kldeval("explain", *folders, "--worst", "1", "-m", "entropy-gt")
    assert (of_entropy.code, "no map is the worst" in of_entropy.err) == (2, True)


def test_why_no_map_is_the_worst() -> None:
    """The labels of the sample mark pixels that do not count, which the advice of the message leaves out."""
    folders = (SAMPLE / "classes" / "pred", SAMPLE / "classes" / "gt", "--norm", "softmax", "--axis", "0")
    done = kldeval("explain", *folders, "--worst", "1")
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("kldeval: --worst 1: 0 maps have a number; meadow: label 255 at pixel (0, 0)")
    assert "--ignore-index 255" in done.err
    assert kldeval("explain", *folders, "--worst", "1", "--ignore-index", "255").code == 0


SAMPLE = Path(__file__).parent.parent.parent / "sample_data"
LOOKED_AT: tuple[str | Path, ...] = (
    "--fixations",
    SAMPLE / "fixations.csv",
    "--baseline",
    "others",
    "--other-map",
    "others",
)
OF_FIXATIONS = (
    *("nss", "nss(ddof=1,repeats=false)", "auc", "auc(negatives=unfixated)", "auc-borji", "auc-borji(ties=float)"),
    *("auc-shuffled", "sauc", "sauc-salicon", "ll", "ig", "ig(eps=1e-07,repeats=false)", "ig-mit"),
)


def explained_metric(metric: str) -> str:
    """The table of one metric on the worst map of the sample."""
    needed: list[str | Path] = [*LOOKED_AT[:2]]
    needed += LOOKED_AT[2:4] if metric.startswith("ig") else ()
    needed += LOOKED_AT[4:] if metric.startswith("auc-shuffled") else ()
    done = kldeval("explain", SAMPLE / "careful", SAMPLE / "gt", "--worst", "1", "-m", metric, *needed)
    assert done.code == 0, done.err
    return done.out


@pytest.mark.parametrize("metric", OF_FIXATIONS)
def test_a_metric_of_fixations_shows_what_each_fixated_pixel_adds(metric: str) -> None:
    """Its terms sum to the number that `evaluate` gives."""
    page = explained_metric(metric)
    table = page.split("fixated pixels that contribute most to ")[1]
    assert sum(shares_of(table)) == pytest.approx(100, abs=0.5)


def test_a_number_that_is_no_mean_over_fixations_shows_no_terms() -> None:
    assert "contribute" not in explained_metric("auc-judd")


def test_a_metric_of_fixations_beside_one_of_densities_has_a_table_of_its_own() -> None:
    page = explained_metric("kld,nss")
    assert "\npixels that contribute most to kld" in page
    assert "\nfixated pixels that contribute most to nss" in page


@pytest.mark.parametrize(("shape", "axis", "heads"), [((3, 5, 6), 0, ["row", "column"]), ((7, 3), 1, ["place"])])
def test_labels_show_their_positions(tmp_path: Path, shape: tuple[int, ...], axis: int, heads: list[str]) -> None:
    rng = np.random.default_rng(1)
    scores = rng.normal(size=shape)
    labels = rng.integers(0, 3, tuple(size for place, size in enumerate(shape) if place != axis))
    np.save(tmp_path / "p.npy", scores)
    np.save(tmp_path / "g.npy", labels)
    done = kldeval(
        "explain", tmp_path / "p.npy", tmp_path / "g.npy", "--norm", "softmax", "--axis", str(axis), "-m", "ce"
    )
    assert done.code == 0, done.err
    table = done.out.split("positions that contribute most to ce, in the sum over positions\n")[1]
    assert sum(shares_of(table)) == pytest.approx(100, abs=0.5)
    head, first, *_ = (line.split() for line in table.splitlines())
    assert head == [*heads, "probability", "label", "adds", "share"]
    logs = scores - np.log(np.exp(scores).sum(axis=axis, keepdims=True))
    losses = -np.take_along_axis(logs, np.expand_dims(labels, axis), axis).squeeze(axis)
    place = np.unravel_index(losses.argmax(), losses.shape)
    assert first[: len(heads)] == [str(index) for index in place]
    assert float(first[len(heads)]) == pytest.approx(np.exp(-losses.max()), rel=1e-5)
    assert float(first[len(heads) + 1]) == labels[place]


def test_a_metric_that_is_no_sum_over_places_is_refused_alone() -> None:
    done = kldeval("explain", SAMPLE / "bold" / "meadow.png", SAMPLE / "gt" / "meadow.png", "-m", "cc")
    message = "explain follows what single pixels, fixations or labels add; name a metric that they add to, such as kld"
    assert (done.code, done.err) == (2, f"kldeval: {message}, beside cc\n")
