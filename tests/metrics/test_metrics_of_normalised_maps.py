"""`of=norm`: a metric of stored maps on what the chains make equals the metric of maps that are stored so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest
from chains import normalised
from every import about, metrics, parameters

import kldeval

if TYPE_CHECKING:
    from pathlib import Path

WITH_OF = [name for name in metrics() if "of" in parameters(name)]
CHAINS = ("flatten-softmax", "minmax", "bytes+sum-to-one", "softmax", "blur(sigma=1)+sum-to-one", "clip(max=0.5)")
SHAPE = (12, 15)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rng = np.random.default_rng(8)
    for side in ("pred", "gt"):
        floats, levels = rng.random(SHAPE), rng.integers(0, 256, SHAPE).astype(np.uint8)
        np.save(tmp_path / f"float_{side}.npy", floats)
        cv2.imwrite(str(tmp_path / f"bytes_{side}.png"), levels)
        density = rng.random(SHAPE)
        np.save(tmp_path / f"log_{side}.npy", np.log(density / density.sum()))
    np.save(tmp_path / "mask.npy", (rng.random(SHAPE) < 0.8).astype(np.uint8))
    np.save(tmp_path / "baseline.npy", rng.random(SHAPE))
    rows = (f"{name},{rng.integers(15)},{rng.integers(12)}" for name in ("a", "b") for _ in range(12))
    (tmp_path / "fixations.csv").write_text("\n".join(["name,x,y", *rows]) + "\n")
    return tmp_path


def score(folder: Path, pred: Path, gt: Path, metric: str, **options: Any) -> float:
    """The number of a pair under one metric."""
    return scores(folder, pred, gt, [metric], **options)[0]


def scores(folder: Path, pred: Path, gt: Path, metrics: list[str], **options: Any) -> list[float]:
    """The numbers of a pair, beside which another image was looked at."""
    names = [metric.partition("(")[0] for metric in metrics]
    requires = {what for name in names for what in about(name).requires}
    sides = {}
    for side, path in (("pred", pred), ("gt", gt)):
        sides[side] = folder / f"{side}_{path.stem}"
        sides[side].mkdir(exist_ok=True)
        for image in "ab":
            (sides[side] / f"{image}{path.suffix}").write_bytes(path.read_bytes())
    if any(about(name).on == "fixations" for name in names):
        options["fixations"] = str(folder / "fixations.csv")
    if "baseline" in requires:
        options["baseline"] = str(folder / "baseline.npy")
    if "other" in requires:
        options["other_map"] = "others"
    report = kldeval.evaluate(str(sides["pred"]), str(sides["gt"]), metric=",".join(metrics), device="cpu", **options)
    assert not report.failures, report.failures
    values = list(report.scores[0].values.values())
    assert len(values) == len(metrics)
    return values


def stored_so(folder: Path, path: Path, chain: str, mask: Any = None) -> Path:
    """A file of what a chain makes of the map of another."""
    array: Any = np.load(path) if path.suffix == ".npy" else cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    made = folder / f"made_{path.stem}.npy"
    np.save(made, normalised(array / 255 if array.dtype == np.uint8 else array, chain, weights=mask))
    return made


@pytest.mark.parametrize("kind", ["float", "bytes"])
def test_of_norm_is_of_what_the_chains_make(folder: Path, kind: str) -> None:
    suffix = {"float": "npy", "bytes": "png"}[kind]
    pred, gt = (folder / f"{kind}_{side}.{suffix}" for side in ("pred", "gt"))
    for chain in CHAINS:
        for mask in (None, np.load(folder / "mask.npy").astype(float)):
            masked: dict[str, Any] = {} if mask is None else {"mask": str(folder / "mask.npy")}
            made = [stored_so(folder, path, chain, mask) for path in (pred, gt)]
            found = scores(folder, pred, gt, [f"{metric}(of=norm)" for metric in WITH_OF], norm=chain, **masked)
            expected = scores(folder, made[0], made[1], WITH_OF, scale="raw", **masked)
            for metric, one, other in zip(WITH_OF, found, expected, strict=True):
                # the thresholds of auc-borji and auc-shuffled see what rounding makes of ties
                tolerance = 1e-9 if about(metric).view != "steps" else 0.03
                assert one == pytest.approx(other, rel=tolerance, abs=1e-12, nan_ok=True), (metric, chain, masked)


@pytest.mark.parametrize("metric", WITH_OF)
def test_a_declared_log_density_is_taken_for_the_density(folder: Path, metric: str) -> None:
    pred, gt = folder / "log_pred.npy", folder / "float_gt.npy"
    np.save(folder / "density.npy", np.exp(np.load(pred)))
    found = score(folder, pred, gt, metric, pred_norm="log-prob", gt_norm="sum-to-one")
    assert found == pytest.approx(score(folder, folder / "density.npy", gt, metric), rel=1e-9, abs=1e-12)


def test_ranks_are_those_of_the_logarithms(folder: Path) -> None:
    """Exponentials of -2000 underflow into ties."""
    logs = np.load(folder / "log_pred.npy")
    far = np.where(np.arange(SHAPE[1]) < 9, logs - 2000, logs)
    far -= np.log(np.exp(far).sum())
    np.save(folder / "far.npy", far)
    gt = folder / "float_gt.npy"
    found = score(folder, folder / "far.npy", gt, "auc", pred_norm="log-prob", gt_norm="sum-to-one")
    assert found == pytest.approx(score(folder, folder / "far.npy", gt, "auc(of=stored)"), rel=1e-12)
