"""The number of a metric is that which it has alone, whatever other metrics are asked for in the same run."""

from __future__ import annotations

import json
import math
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from evaluating import by_pixel, in_batches, outcome_of, pair_of, settings_of, together
from every import all_metrics
from looping import each_of

import kldeval

if TYPE_CHECKING:
    from pathlib import Path

RNG = np.random.default_rng(0)
SHAPE = 12, 17
BYTES = RNG.integers(1, 256, (2, *SHAPE)).astype(np.uint8)
FLOATS = RNG.random((2, *SHAPE))
MASK = (RNG.random(SHAPE) < 0.3).astype(np.uint8)
FIXATED = (RNG.random(SHAPE) < 0.1).astype(np.uint8)

BESIDE: dict[str, Any] = {"fixations": [FIXATED], "baseline": "uniform", "other_map": [np.roll(FIXATED, 3)]}

MAPS: dict[str, tuple[Any, Any]] = {
    "bytes": tuple(BYTES),
    "bytes and a mask of 0 and 1": (BYTES[0], MASK),
    "two masks of 0 and 1": (MASK, np.roll(MASK, 1)),
    "a mask of 0 and 1 and bytes": (MASK, BYTES[1]),
    "bytes and a mask of 0 and 255": (BYTES[0], MASK * np.uint8(255)),
    "floats and a mask": (FLOATS[0], MASK),
    "16 bits and a mask": (BYTES[0] * np.uint16(257), MASK.astype(np.uint16)),
    "floats": tuple(FLOATS),
    "logits and floats": (4 * FLOATS[1] - 2, FLOATS[0]),
}

OF_CHAINS = ("auc(of=norm)", "nss(of=norm)", "sauc(of=norm)", "cc(of=norm)", "mse(of=norm)")
"""Metrics that take the end of a chain, not the stored map."""


def numbers(pred: Any, gt: Any, metrics: list[str], norm: str | None, dtype: Any) -> dict[str, float | None]:
    """The mean of each metric that the request has; none of a request that is refused."""
    needs = {name for metric in metrics for name in beside_maps()[metric]}
    beside = {name: BESIDE[name] for name in needs}
    try:
        found = kldeval.evaluate([pred], [gt], metric=metrics, norm=norm, dtype=dtype, on_failure="ignore", **beside)
    except (kldeval.KldevalError, kldeval.MapsFailed):
        return {}
    means = {key: one.mean for key, one in found.summaries.items()}
    return {metric: means.get(metric, means.get(metric.partition("(")[0])) for metric in metrics}


@cache
def beside_maps() -> dict[str, tuple[str, ...]]:
    """What must stand beside the maps for each metric that maps have."""
    found: dict[str, tuple[str, ...]] = {}
    for metric in (*all_metrics(), *OF_CHAINS):
        for some in ((), ("fixations",), ("fixations", "baseline"), ("fixations", "other_map")):
            try:
                kldeval.evaluate([BYTES[0]], [BYTES[1]], metric=metric, **{name: BESIDE[name] for name in some})
            except (kldeval.KldevalError, kldeval.MapsFailed):
                continue
            found[metric] = some
            break
    return found


@each_of(
    ("maps", "norm", "dtype"),
    [(maps, norm, None) for maps in MAPS for norm in (None, "flatten-softmax", "sigmoid")]
    + [(maps, None, "float32") for maps in MAPS],
)
def test_a_number_does_not_depend_on_its_neighbours(maps: str, norm: str | None, dtype: str | None) -> None:
    """Whichever is asked for first."""
    pred, gt = MAPS[maps]
    alone = {metric: numbers(pred, gt, [metric], norm, dtype) for metric in beside_maps()}
    able = [metric for metric, found in alone.items() if found]
    assert len(able) > 20
    for asked in (able, able[::-1]):
        found = numbers(pred, gt, asked, norm, dtype)
        for metric in able:
            own, other = alone[metric][metric], found[metric]
            assert own == other or math.isclose(own, other, rel_tol=1e-13, abs_tol=1e-15), (  # type: ignore[arg-type]
                f"{metric}: {own} alone, {other} beside others"
            )


def test_a_mask_is_one_to_metrics_of_pixels_in_every_view() -> None:
    """Pairs with masks and pairs without finish together, one by one, pixel by pixel and on a device alike."""
    settings = settings_of({"metric": "mse,bce,kld", "pred_norm": "flatten-softmax", "gt_norm": "flatten-softmax"})
    pairs = [
        pair_of(BYTES[0].clip(1, 254), MASK, name="mask", masks=("gt",)),
        pair_of(BYTES[1], BYTES[0], name="bytes"),
        pair_of(np.roll(MASK, 2), MASK, name="masks", masks=("pred", "gt")),
    ]
    expected = [outcome_of(pair, settings).values for pair in pairs]
    p, t = BYTES[0].clip(1, 254) / 255, MASK.astype(float)
    assert expected[0]["mse"] == pytest.approx(((p - t / 255) ** 2).mean(), rel=1e-12)
    assert expected[0]["bce"] == pytest.approx(-(t * np.log(p) + (1 - t) * np.log(1 - p)).mean(), rel=1e-12)
    for found in (together(pairs, settings), [by_pixel(pair, settings) for pair in pairs], in_batches(pairs, settings)):
        assert [one.name for one in found] == ["mask", "bytes", "masks"]
        for one, values in zip(found, expected, strict=True):
            assert one.values.keys() >= {"bce", "kld"}
            assert one.values == pytest.approx({key: values[key] for key in one.values}, rel=1e-12)


def test_a_report_of_both_kinds_is_run_again_by_its_signatures(tmp_path: Path) -> None:
    """Also one that was saved when a mask was a mask to all metrics of a run."""
    np.save(tmp_path / "pred.npy", BYTES[0])
    np.save(tmp_path / "gt.npy", MASK)
    found = kldeval.evaluate(tmp_path / "pred.npy", tmp_path / "gt.npy", metric=["mse", "bce"])
    assert {key: "|masks:01|" in text for key, text in found.signatures.items()} == {"mse": False, "bce": True}
    found.save(tmp_path / "report.json")
    assert kldeval.reproduce(tmp_path / "report.json").agrees

    before = json.loads((tmp_path / "report.json").read_text())
    old = before["signature"]["mse"].replace("|v:", "|masks:01|v:")
    value = float(((BYTES[0] / 255 - MASK.astype(float)) ** 2).mean())
    again = kldeval.evaluate(tmp_path / "pred.npy", tmp_path / "gt.npy", signature=old)
    assert again.summaries["mse"].mean == pytest.approx(value, rel=1e-12)
    before["signature"]["mse"] = old
    before["maps"][0]["mse"] = before["summary"]["mse"]["mean"] = again.summaries["mse"].mean
    (tmp_path / "old.json").write_text(json.dumps(before))
    assert kldeval.reproduce(tmp_path / "old.json").agrees


def test_what_is_said_of_a_mask_is_what_its_metrics_do(tmp_path: Path) -> None:
    np.save(tmp_path / "pred.npy", BYTES[0])
    np.save(tmp_path / "gt.npy", MASK)

    def said(metric: str) -> str:
        found = kldeval.evaluate(tmp_path / "pred.npy", tmp_path / "gt.npy", metric=metric)
        return " ".join(note for note in found.notes if "0 and 1 as whole numbers" in note)

    taken = "the ground truth holds 0 and 1 as whole numbers (1 of 1 map), which are taken as such and not divided by"
    assert said("bce") == f"{taken} their full scale"
    assert said("bce,mse") == (
        f"{taken} their full scale by metrics of pixels, while others divide them, as without these: "
        "multiply by 255 to mean 1 to all"
    )
    assert "divided by its sum a mask is scored as it is, but mse, mae and a softmax take its 1 as one" in said("mse")


def test_bounds_of_a_density_do_not_depend_on_metrics_of_pixels(tmp_path: Path) -> None:
    np.save(tmp_path / "pred.npy", BYTES[0])
    np.save(tmp_path / "gt.npy", MASK)
    alone, beside = (
        kldeval.evaluate(tmp_path / "pred.npy", tmp_path / "gt.npy", metric=metric, bounds="round").provenance["bounds"]
        for metric in ("kld", "kld,bce,mse")
    )
    assert alone["metrics"]["kld"] == beside["metrics"]["kld"]  # type: ignore[index]


def test_a_pixel_is_explained_by_the_values_that_its_metric_takes(tmp_path: Path) -> None:
    np.save(tmp_path / "pred.npy", BYTES[0])
    np.save(tmp_path / "gt.npy", MASK)
    both = tmp_path / "pred.npy", tmp_path / "gt.npy"
    alone = {metric: kldeval.explain(*both, metric=metric).terms[0] for metric in ("bce", "kld")}
    together = {terms.metric: terms for terms in kldeval.explain(*both, metric="mse,bce,kld").terms}
    for metric, terms in alone.items():
        assert together[metric].largest == terms.largest
    assert {one.gt for one in alone["bce"].largest} <= {0.0, 1.0}


def test_a_map_is_left_out_by_what_asks_for_its_density_alone() -> None:
    """A chain that empties the ground truth is no chain of bce."""
    pred, gt = RNG.random((2, 1, 9))
    asked: dict[str, Any] = {"norm": "latitude+sum-to-one", "empty_gt": "skip", "on_failure": "ignore"}
    alone = kldeval.evaluate([pred], [gt], metric="bce", empty_gt="skip")
    beside = kldeval.evaluate([pred], [gt], metric="sim(of=norm),bce", **asked)
    assert alone.summaries["bce"].mean == beside.summaries["bce"].mean is not None
    assert [failure.metric for failure in beside.failures] == ["sim"]


def test_levels_are_refused_as_pixels_are() -> None:
    """A number of 8-bit maps, whose levels of many pairs are prepared together, is no nan where floats are refused."""
    maps = RNG.integers(110, 256, (2, 3, *SHAPE)).astype(np.uint8)
    maps[:, 1, 0] = 3
    for metric in ("sim(of=norm)", "cc(of=norm)", "mse(of=norm)"):
        levels, pixels = (
            kldeval.evaluate(list(pred), list(gt), metric=metric, norm="add(value=-0.4)", on_failure="ignore")
            for pred, gt in (maps, maps / 255.0)
        )
        (key,) = levels.summaries
        assert [one.name for one in levels.failures] == [one.name for one in pixels.failures]
        assert levels.summaries[key].mean == pytest.approx(pixels.summaries[key].mean, rel=1e-12)
    assert len(levels.failures) == 0


@pytest.mark.parametrize("seed", [5, 6, 7, 8])
def test_a_mask_of_ones_changes_nothing_over_other_images(seed: int) -> None:
    """Their density is summed in one way at single pixels, and in another under a mask."""
    rng = np.random.default_rng(seed)
    for _ in range(7):
        maps = list(rng.integers(0, 256, (3, 9, 11)).astype(np.uint8))
        fixations = list(rng.integers(0, 3, (3, 9, 11)) * (rng.random((3, 9, 11)) < 0.25))
        asked: dict[str, Any] = {"fixations": fixations, "metric": "ig,ig-mit", "baseline": "others"}
        plain = kldeval.evaluate(maps, maps, **asked)
        masked = kldeval.evaluate(maps, maps, mask=[np.ones((9, 11), np.uint8)] * 3, **asked)
        for one, other in zip(plain.scores, masked.scores, strict=True):
            assert one.values == pytest.approx(other.values, rel=1e-9)


@each_of(
    ("metric", "beside"),
    [
        ("cc", {"weights": FLOATS[0] - 0.5}),
        ("kld", {"weights": np.where(FLOATS[0] > 0.5, np.nan, 1.0)}),
        ("kld", {"weights": np.zeros(SHAPE)}),
        ("nss", {"fixations": -1.0 * FIXATED}),
        ("nss", {"fixations": 1.5 * FIXATED}),
        ("nss", {"fixations": np.where(FIXATED > 0, np.nan, 0.0)}),
    ],
)
def test_a_stream_refuses_what_a_report_refuses(metric: str, beside: dict[str, Any]) -> None:
    listed: dict[str, Any] = {name: [array] for name, array in beside.items()}
    with pytest.raises((kldeval.KldevalError, kldeval.MapsFailed)):
        kldeval.evaluate([FLOATS[0]], [FLOATS[1]], metric=metric, **listed)
    with pytest.raises(kldeval.MapProblem):
        kldeval.Metric(metric).update(FLOATS[0], FLOATS[1], **beside)


def test_marks_of_fixations_are_no_counts_in_a_stream() -> None:
    """A map of 0 and 255 beside one of 0 and 1: each pixel was fixated once."""
    stream = kldeval.Metric("nss", maps="fixations")
    fixations = [FIXATED, np.roll(FIXATED, 5) * np.uint8(255)]
    for pred, gt, counts in zip(FLOATS, FLOATS[::-1], fixations, strict=True):
        stream.update(pred, gt, counts)
    whole = kldeval.evaluate(list(FLOATS), list(FLOATS[::-1]), metric="nss", fixations=fixations, maps="fixations")
    assert stream.compute() == pytest.approx(whole.summaries["nss"].mean, rel=1e-13)


def test_labels_of_no_weight_have_no_mean_however_they_are_smoothed() -> None:
    logits, labels = RNG.normal(size=(3, 4, 5)), np.zeros((4, 5), np.uint8)
    asked: dict[str, Any] = {"norm": "softmax", "axis": 0, "class_weights": [0, 1, 1], "label_smoothing": 0.1}
    for maps in ("mean", "pixels"):
        found = kldeval.evaluate([logits], [labels], metric="ce", maps=maps, **asked)
        assert math.isnan(found.summaries["ce"].mean or 0.0)
