"""Fixations are drawn from a known density: within Monte-Carlo error no other map of the suite scores better."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from command_line import kldeval
from schemas import validate

import kldeval as library
from kldeval.analysis.optimal import drawn_ground_truths

SAMPLE = Path(__file__).parent.parent.parent / "sample_data"
SHAPE = 24, 32
SIGMA, FIXATIONS = 1.5, 10


TARGETS = ("nss", "auc", "sauc", "kld", "cc", "sim")


@pytest.fixture(scope="module")
def world() -> dict[str, Any]:
    """A density with a centre bias, the maps of the suite, and ground truths and fixations drawn anew."""
    rng = np.random.default_rng(1)
    spots = np.zeros(SHAPE)
    spots[rng.integers(3, 21, 5), rng.integers(3, 29, 5)] = rng.random(5) + 0.3
    rows, columns = (np.exp(-0.5 * ((np.arange(side) / side - 0.5) / 0.25) ** 2) for side in SHAPE)
    centre = rows[:, None] * columns[None, :]
    centre /= centre.sum()
    density = (cv2.GaussianBlur(spots, (0, 0), 2) + 2e-4) * (centre + 0.2 * centre.mean())
    density /= density.sum()
    given: dict[str, Any] = {"sigma": SIGMA, "baseline": centre, "n_fixations": FIXATIONS}
    maps = {name: library.optimal(density, name, **given) for name in TARGETS}
    maps |= {"root": np.sqrt(density), "square": density**2, "uniform": np.ones(SHAPE)}
    drawn = np.random.default_rng(5)
    return {
        "maps": maps,
        "truths": drawn_ground_truths(density, SIGMA, FIXATIONS, 99, 120).astype(float),
        "counts": [drawn.multinomial(FIXATIONS, density.ravel()).reshape(SHAPE) for _ in range(120)],
        "others": drawn.multinomial(200_000, centre.ravel()).reshape(SHAPE),
    }


def scores(world: dict[str, Any], target: str, array: np.ndarray) -> np.ndarray:
    """The metric of a map under every drawn ground truth; higher is better."""
    if target in ("cc", "sim", "kld"):
        function = getattr(library, target)
        sign, lifted = (-1, array + 1e-12) if target == "kld" else (1, array)
        pred = np.broadcast_to(lifted, world["truths"].shape)
        return np.asarray(sign * function(pred, world["truths"]))
    if target == "sauc":
        return np.asarray([float(library.sauc(array, one, world["others"])) for one in world["counts"]])
    return np.asarray([float(getattr(library, target)(array, one)) for one in world["counts"]])


@pytest.mark.parametrize("target", TARGETS)
def test_no_other_map_of_the_suite_scores_better(world: dict[str, Any], target: str) -> None:
    best = scores(world, target, world["maps"][target])
    for name, array in world["maps"].items():
        gaps = best - scores(world, target, array)
        error = gaps.std(ddof=1) / np.sqrt(len(gaps))
        assert gaps.mean() >= -3 * error, (target, name)


@pytest.mark.parametrize("target", ["cc", "sim"])
@pytest.mark.parametrize("n", [3, 60])
def test_the_noise_of_the_draws_is_less_than_what_a_map_gains(target: str, n: int) -> None:
    """On a map of many standard deviations, where the blurred density is nearly the best one."""
    rng = np.random.default_rng(3)
    density = cv2.GaussianBlur(rng.random((48, 64)) ** 4, (0, 0), 3)
    density = density**3 / (density**3).sum()
    best = library.optimal(density, target, sigma=1.5, n_fixations=n)
    blurred = library.optimal(density, "kld", sigma=1.5)
    truths = drawn_ground_truths(density, 1.5, n, 77, 400).astype(float)
    function = getattr(library, target)
    gaps = function(np.broadcast_to(best, truths.shape), truths) - function(
        np.broadcast_to(blurred, truths.shape), truths
    )
    assert gaps.mean() >= -3 * gaps.std(ddof=1) / np.sqrt(len(gaps))


def test_a_sim_map_sums_to_one_and_is_one_quantile(world: dict[str, Any]) -> None:
    assert world["maps"]["sim"].sum() == pytest.approx(1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ("--for", "sim", "--sigma", "3"),
            "--for sim depends on how many fixations a ground truth is made of: --n-fixations N",
        ),
        (("--for", "kld"), "--for kld needs the Gaussian of the ground truths: --sigma PIXELS"),
        (("--for", "sauc"), "--for sauc needs the density of the centre bias: --baseline FILE"),
        (("--for", "cc", "--sigma", "-1"), "--sigma -1: the standard deviation of a Gaussian is above 0"),
    ],
)
def test_what_is_needed_is_asked_for(tmp_path: Path, options: tuple[str, ...], message: str) -> None:
    done = kldeval("optimal", SAMPLE / "careful", tmp_path / "out", *options)
    assert (done.code, done.out, done.err) == (2, "", f"kldeval: {message}\n")
    assert not (tmp_path / "out").exists()


def test_a_folder_of_floats(tmp_path: Path) -> None:
    done = kldeval(
        "optimal", SAMPLE / "careful", tmp_path / "out", "--for", "kld", "--sigma", "3", "--format", "json", "-q"
    )
    document = json.loads(done.out)
    validate(document, "optimal")
    assert done.code == 0
    assert len(document["maps"]) == 5
    made = np.load(tmp_path / "out" / "meadow.npy")
    image = cv2.imread(str(SAMPLE / "careful" / "meadow.png"), cv2.IMREAD_GRAYSCALE)
    assert image is not None
    assert made == pytest.approx(library.optimal(image, "kld", sigma=3))


@pytest.mark.parametrize(
    ("name", "bits", "message"),
    [
        (
            "o.npy",
            "8",
            "floats are written as .npy and bytes as .png; name a file that ends in .png, or --bits 64 for .npy",
        ),
        (
            "o.png",
            "64",
            "floats are written as .npy and bytes as .png; name a file that ends in .npy, or --bits 8 for .png",
        ),
        ("o.txt", "64", "floats are written as .npy and bytes as .png; name a file that ends in .npy"),
    ],
)
def test_a_file_is_called_what_it_is(tmp_path: Path, name: str, bits: str, message: str) -> None:
    done = kldeval("optimal", SAMPLE / "careful" / "meadow.png", tmp_path / name, "--for", "nss", "--bits", bits)
    assert (done.code, done.out, done.err) == (2, "", f"kldeval: {tmp_path / name}: {message}\n")
    assert not (tmp_path / name).exists()


def test_two_predictions_never_share_a_file(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    cv2.imwrite(str(tmp_path / "in" / "a.png"), np.full((4, 5), 9, np.uint8))
    np.save(tmp_path / "in" / "a.npy", np.ones((4, 5)))
    np.save(tmp_path / "in" / "b.npy", np.ones((4, 5)))
    done = kldeval("optimal", tmp_path / "in", tmp_path / "out", "--for", "nss", "--format", "json", "-q")
    document = json.loads(done.out)
    assert (done.code, list(document["maps"])) == (1, ["b.npy"])
    assert [one["name"] for one in document["failures"]] == ["a.npy", "a.png"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["b.npy"]


def test_workers_do_not_matter(tmp_path: Path) -> None:
    some = "--for", "sim", "--sigma", "2", "--n-fixations", "9", "-q"
    for jobs in ("1", "2"):
        assert kldeval("optimal", SAMPLE / "careful", tmp_path / jobs, *some, "--jobs", jobs).code == 0
    for path in (tmp_path / "1").iterdir():
        assert path.read_bytes() == (tmp_path / "2" / path.name).read_bytes()


def test_eight_bits_of_ranks_hold_as_many_pixels_each(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    density = rng.random((64, 64)) ** 8
    np.save(tmp_path / "p.npy", density)
    assert kldeval("optimal", tmp_path / "p.npy", tmp_path / "o.png", "--for", "auc", "--bits", "8", "-q").code == 0
    levels = cv2.imread(str(tmp_path / "o.png"), cv2.IMREAD_UNCHANGED)
    assert levels is not None
    assert set(np.bincount(levels.ravel(), minlength=256)) == {16}
    order = np.argsort(density.ravel(), kind="stable")
    assert (np.diff(levels.ravel()[order].astype(int)) >= 0).all()


def test_a_map_without_a_density_is_a_failure(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    np.save(tmp_path / "in" / "zero.npy", np.zeros((4, 5)))
    np.save(tmp_path / "in" / "some.npy", np.ones((4, 5)))
    done = kldeval("optimal", tmp_path / "in", tmp_path / "out", "--for", "nss", "--format", "json", "-q")
    assert done.code == 1
    assert [one["name"] for one in json.loads(done.out)["failures"]] == ["zero.npy"]
