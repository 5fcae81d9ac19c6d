"""Variants of metrics and steps seen in published code, each against that code's own arithmetic or another library."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from backends import BACKENDS, make, to_numpy
from command_line import kldeval as kldeval_command
from command_line import score
from image_files import png_of
from late import late
from looping import each_of

import kldeval
from kldeval.errors import UsageProblem

if TYPE_CHECKING:
    from pathlib import Path

distance = late("scipy.spatial.distance")
stats = late("scipy.stats")

RNG = np.random.default_rng(4)
PRED, GT = RNG.random((2, 9, 11))
every_backend = each_of("backend", BACKENDS)


def judd(saliency: np.ndarray, fixations: np.ndarray, *, unique: bool) -> float:
    """AUC_Judd.m line by line, without its jitter; `unique` with its thresholds made distinct."""
    values, hit = saliency.ravel(), fixations.ravel() > 0
    n, pixels = hit.sum(), values.size
    thresholds = np.unique(values[hit])[::-1] if unique else np.sort(values[hit])[::-1]
    true, false = [0.0], [0.0]
    for number, threshold in enumerate(thresholds, 1):
        above = (values >= threshold).sum()
        passed = (values[hit] >= threshold).sum() if unique else number
        true.append(passed / n)
        false.append((above - passed) / (pixels - n))
    return float(np.trapezoid([*true, 1.0], [*false, 1.0]))


@every_backend
@pytest.mark.parametrize("levels", [1, 3, 40, 10**6])
@pytest.mark.parametrize("jitter", ["none", "unique"])
def test_auc_judd_without_jitter_is_the_original_without_it(jitter: Any, levels: int, backend: str) -> None:
    pred = RNG.integers(0, levels, (3, 20, 30)).astype(float)
    fixations = RNG.integers(0, 12, (3, 20, 30)) // 10
    expected = [judd(*pair, unique=jitter == "unique") for pair in zip(pred, fixations, strict=True)]
    actual = kldeval.auc_judd(make(backend, pred), make(backend, fixations), jitter=jitter)
    np.testing.assert_allclose(to_numpy(actual), expected, rtol=1e-12)


def test_a_constant_map_scores_next_to_nothing_without_jitter() -> None:
    fixations = np.zeros((480, 640), int)
    fixations.ravel()[::5000] = 1
    assert float(kldeval.auc_judd(np.ones((480, 640)), fixations, jitter="none")) == pytest.approx(0.008, abs=1e-3)


@every_backend
def test_an_epsilon_beside_the_standard_deviation(backend: str) -> None:
    pred, gt = make(backend, PRED), make(backend, GT)
    p, q = ((x - x.mean()) / (x.std() + 0.1) for x in (PRED, GT))
    assert float(kldeval.cc(pred, gt, std_eps=0.1)) == pytest.approx((p * q).mean(), rel=1e-12)
    fixations = (GT > 0.6).astype(int)
    expected = p[fixations > 0].mean()
    assert float(kldeval.nss(pred, make(backend, fixations), std_eps=0.1)) == pytest.approx(expected, rel=1e-12)
    assert float(kldeval.cc(make(backend, np.ones((9, 11))), gt, std_eps=0.1)) == 0


def test_the_same_epsilon_on_the_levels_of_8_bit_maps(tmp_path: Any) -> None:
    pred, gt = (PRED * 255).astype(np.uint8), (GT * 255).astype(np.uint8)
    (tmp_path / "p.png").write_bytes(png_of(pred))
    (tmp_path / "g.png").write_bytes(png_of(gt))
    shown = score(tmp_path / "p.png", tmp_path / "g.png", "-m", "cc(std_eps=0.5),cc,sim")
    expected = [kldeval.cc(pred, gt, std_eps=0.5), kldeval.cc(pred, gt), kldeval.sim(pred, gt)]
    assert shown == pytest.approx([float(number) for number in expected], rel=1e-12)


def test_js_distance_is_scipys() -> None:
    assert float(kldeval.js_distance(PRED, GT)) == pytest.approx(
        distance.jensenshannon(PRED.ravel(), GT.ravel()), rel=1e-12
    )
    assert kldeval.jensenshannon is kldeval.js_distance


def test_the_overlaps_of_ecology_are_one_less_the_distances() -> None:
    assert float(kldeval.schoener_d(PRED, GT)) == pytest.approx(1 - float(kldeval.tv(PRED, GT)), rel=1e-12)
    hellinger = float(kldeval.hellinger(PRED, GT))
    assert float(kldeval.warren_i(PRED, GT)) == pytest.approx(1 - hellinger**2, rel=1e-12)
    assert kldeval.evaluate(PRED, GT, metric="bhattacharyya").scores[0].values.keys() == {"warren-i"}


def test_bernoulli_kld_is_the_divergence_of_two_classes() -> None:
    expected = stats.entropy([GT.ravel(), 1 - GT.ravel()], [PRED.ravel(), 1 - PRED.ravel()]).mean()
    assert float(kldeval.bernoulli_kld(PRED, GT)) == pytest.approx(expected, rel=1e-12)
    assert float(kldeval.bernoulli_kld(GT, GT)) == 0
    assert float(kldeval.bernoulli_kld(np.asarray([[0.0]]), np.asarray([[0.0]]))) == 0


@every_backend
def test_a_temperature_is_one_thing_before_and_after_a_softmax(backend: str) -> None:
    scores = 300 * PRED
    options = [
        "divide(value=4)+flatten-softmax",
        "temperature(t=4)+flatten-softmax",
        "flatten-softmax+temperature(t=4)",
    ]
    found = [float(kldeval.kld(make(backend, scores), make(backend, GT), norm=norm, eps=0)) for norm in options]
    assert found == pytest.approx([found[0]] * 3, rel=1e-12)


def test_a_temperature_of_probabilities() -> None:
    p, q = ((x**0.5) / (x**0.5).sum() for x in (PRED, GT))
    found = kldeval.kld(PRED, GT, norm="sum-to-one+temperature(t=2)", eps=0)
    assert float(found) == pytest.approx(stats.entropy(q.ravel(), p.ravel()), rel=1e-12)


@every_backend
def test_mae_of_a_mask_above_128(backend: str) -> None:
    """The evaluations of salient object detection: a stretched prediction against a ground truth above 128 of 255."""
    pred, gt = (PRED * 255).astype(np.uint8), (GT * 255).astype(np.uint8)
    gt[0, :2] = 128, 129
    stretched = (pred - pred.min().astype(float)) / float(np.ptp(pred))
    expected = np.abs(stretched - (gt > 128)).mean()
    chains = {"pred_norm": "minmax", "gt_norm": "threshold(above=128)", "scale": "raw"}
    found = kldeval.mae(make(backend, pred), make(backend, gt), of="norm", **chains)  # type: ignore[arg-type]
    assert float(found) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("norm", ["divide(value=0)", "temperature(t=0)", "divide(value=-1)"])
def test_what_can_mean_nothing_is_refused(norm: str) -> None:
    with pytest.raises(UsageProblem, match="above 0"):
        kldeval.kld(PRED, GT, norm=f"{norm}+sum-to-one")


def at_rounded_steps(saliency: np.ndarray, positives: np.ndarray, negatives: np.ndarray) -> float:
    """The expectation of AUC_Borji.m and AUC_shuffled.m, thresholds and division as they write them."""
    stretched = (saliency - saliency.min()) / (saliency.max() - saliency.min())
    steps = [k * 0.1 for k in range(10, -1, -1)]
    hits, alarms = (
        [0.0, *(float(cells[stretched >= step].sum() / cells.sum()) for step in steps), 1.0]
        for cells in (positives, negatives)
    )
    return float(np.trapezoid(hits, alarms))


TENTHS = np.asarray([[0, 15, 30, 45, 60, 75, 90, 105], [120, 135, 150, 2, 28, 66, 15, 30]], np.uint8)
"""A range of 150 grey levels, most of them on its tenths."""
HIT = (np.arange(16).reshape(2, 8) % 3 == 1).astype(int)
ELSEWHERE = (np.arange(16).reshape(2, 8) % 4 < 2).astype(int)


@every_backend
def test_ties_of_the_original_are_lost_where_its_division_loses_them(backend: str) -> None:
    pred, hit, elsewhere = (make(backend, array) for array in (TENTHS, HIT, ELSEWHERE))
    on_unit = TENTHS / 255
    expected = at_rounded_steps(on_unit, HIT, np.ones_like(HIT)), at_rounded_steps(on_unit, HIT, ELSEWHERE)
    found = kldeval.auc_borji(pred, hit, ties="float"), kldeval.auc_shuffled(pred, hit, elsewhere, ties="float")
    assert [float(to_numpy(one)) for one in found] == pytest.approx(expected, rel=1e-12)
    assert abs(float(to_numpy(kldeval.auc_borji(pred, hit))) - expected[0]) > 1e-3


def test_under_floating_ties_the_scale_moves_the_number() -> None:
    stored = kldeval.auc_borji(TENTHS, HIT, ties="float", scale="raw")
    assert float(stored) == pytest.approx(at_rounded_steps(TENTHS * 1.0, HIT, np.ones_like(HIT)), rel=1e-12)
    assert float(stored) != float(kldeval.auc_borji(TENTHS, HIT, ties="float"))
    assert float(kldeval.auc_borji(TENTHS, HIT, scale="raw")) == float(kldeval.auc_borji(TENTHS, HIT))


def test_a_constant_map_scores_chance_with_floating_ties() -> None:
    assert float(kldeval.auc_borji(np.full((2, 8), 7.0), HIT, ties="float")) == 0.5


@each_of("scale", ["unit", "raw"])
@each_of("form", ["8 bits", "floats"])
def test_a_run_has_floating_ties_from_levels_and_from_pixels(tmp_path: Path, form: str, scale: str) -> None:
    values = TENTHS / (255 if scale == "unit" else 1)
    (tmp_path / "p.png").write_bytes(png_of(TENTHS))
    np.save(tmp_path / "p.npy", values)
    for name, counts in (("fixations", HIT), ("other", ELSEWHERE)):
        np.save(tmp_path / f"{name}.npy", counts)
    found = score(
        *(tmp_path / ("p.png" if form == "8 bits" else "p.npy"), tmp_path / "p.png"),
        *("-m", "auc-borji(ties=float),auc-shuffled(ties=float),auc-borji", "--scale", scale),
        *("--fixations", tmp_path / "fixations.npy", "--other-map", tmp_path / "other.npy"),
    )
    expected = at_rounded_steps(values, HIT, np.ones_like(HIT)), at_rounded_steps(values, HIT, ELSEWHERE)
    assert found[:2] == pytest.approx(expected, rel=1e-12)


def test_floating_ties_are_those_of_octave() -> None:
    """GNU Octave's areas of a map of range 150: AUC_Borji.m against all pixels, AUC_shuffled.m against `other`."""
    rows, cols = np.mgrid[:24, :32]
    pred = ((7 * rows + 11 * cols) % 151).astype(np.uint8)
    seen, other = (rows * cols) % 17 == 3, (rows + 2 * cols) % 13 == 5
    assert float(kldeval.auc_borji(pred, seen, ties="float")) == pytest.approx(0.49198598710317454, rel=1e-14)
    assert float(kldeval.auc_shuffled(pred, seen, other, ties="float")) == pytest.approx(0.51089588377723971, rel=1e-14)
    assert float(kldeval.auc_borji(pred, seen)) == pytest.approx(0.487552703373016, rel=1e-12)


def salicon(saliency: np.ndarray, seen: np.ndarray, images: np.ndarray) -> float:
    """sauc.py of SALICON's evaluator on one map: `seen` fixations at each pixel, on `images` other images."""
    stretched = saliency - saliency.min()
    stretched = stretched / stretched.max() if stretched.max() > 0 else stretched
    fixated = np.repeat(stretched.ravel(), seen.ravel())
    elsewhere = np.where(seen > 0, 0, images)
    weight, values = elsewhere[elsewhere > 0], stretched[elsewhere > 0]
    thresholds = np.arange(0, np.max(np.concatenate([fixated, values])), 0.01)[::-1]
    hits = [0.0, *((fixated >= one).mean() for one in thresholds), 1.0]
    alarms = [0.0, *(weight[values >= one].sum() / weight.sum() for one in thresholds), 1.0]
    return float(np.trapezoid(hits, alarms))


@every_backend
@pytest.mark.parametrize("levels", [1, 2, 101, 10**6])
def test_sauc_of_salicons_own_evaluator(levels: int, backend: str) -> None:
    rng = np.random.default_rng(levels)
    saliency = rng.integers(0, levels, (3, 8, 9)).astype(float)
    seen = rng.integers(1, 3, (3, 8, 9)) * (rng.random((3, 8, 9)) < 0.2)
    images = rng.integers(0, 4, (3, 8, 9))
    found = kldeval.sauc_salicon(*(make(backend, array) for array in (saliency, seen, images)))
    expected = [salicon(*one) for one in zip(saliency, seen, images, strict=True)]
    assert to_numpy(found).tolist() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("form", ["8 bits", "floats"])
def test_a_run_counts_other_images_once_and_not_the_images_own_pixels(tmp_path: Path, form: str) -> None:
    rng = np.random.default_rng(8)
    lines, counts = ["name,x,y"], {name: np.zeros((9, 12), int) for name in "abc"}
    for name, count in counts.items():
        for x, y in [*rng.integers(0, (12, 9), (8, 2)).tolist(), (3, 3), (3, 3)]:
            lines.append(f"{name},{x},{y}")
            count[y, x] += 1
    (tmp_path / "fixations.csv").write_text("\n".join(lines) + "\n")
    expected = []
    for side in ("pred", "gt"):
        (tmp_path / side).mkdir()
        for name, seen in counts.items():
            array = rng.integers(0, 101, seen.shape).astype(np.uint8)
            path = tmp_path / side / f"{name}.png"
            path.write_bytes(png_of(array))
            if form == "floats":
                path.unlink()
                np.save(path.with_suffix(".npy"), array.astype(float))
            if side == "pred":
                images = sum((other > 0).astype(int) for key, other in counts.items() if key != name)
                expected.append(salicon(array.astype(float), seen, np.asarray(images)))
    found = score(tmp_path / "pred", tmp_path / "gt", "-m", "sauc-salicon", "--fixations", tmp_path / "fixations.csv")
    assert found == pytest.approx([np.mean(expected)], rel=1e-12)


def test_a_step_that_is_none_is_refused() -> None:
    for step in ("0", "1.5", "-0.1"):
        with pytest.raises(UsageProblem, match="the step between thresholds is a share of the range"):
            kldeval.signature(f"sauc-salicon(step={step})", other_map="others")


@every_backend
def test_information_gain_with_an_epsilon_beside_the_probabilities(backend: str) -> None:
    pred, baseline = np.where(PRED < 0.5, 0.0, PRED), GT
    seen = np.zeros(PRED.shape, int)
    seen[[1, 4, 6], [2, 7, 3]] = 1, 3, 2
    p, b = (array / array.sum() for array in (pred, baseline))
    gain = np.log2(1e-7 + p) - np.log2(1e-7 + b)
    arrays = [make(backend, array) for array in (pred, seen, baseline)]
    every, once = (kldeval.ig(*arrays, eps=1e-7, repeats=repeats) for repeats in (True, False))
    assert float(to_numpy(every)) == pytest.approx(float((gain * seen).sum() / seen.sum()), rel=1e-12)
    assert float(to_numpy(once)) == pytest.approx(float(gain[seen > 0].mean()), rel=1e-12)
    with pytest.raises(UsageProblem, match="0 or more, and finite"):
        kldeval.signature("ig(eps=-1)", baseline="uniform")


@every_backend
def test_ig_mit_over_a_uniform_baseline(tmp_path: Path, backend: str) -> None:
    stretched = (PRED - PRED.min()) / (PRED.max() - PRED.min())
    seen = np.zeros(PRED.shape, int)
    seen[[1, 4], [2, 7]] = 1, 2
    bits = np.log2(2.0**-52 + stretched / stretched.sum())
    expected = float(bits[seen > 0].mean() - np.log2(2.0**-52 + 1 / PRED.size))
    found = kldeval.ig_mit(make(backend, PRED), make(backend, seen), "uniform")
    assert float(to_numpy(found)) == pytest.approx(expected, rel=1e-12)
    for name, array in (("p", PRED), ("f", seen)):
        np.save(tmp_path / f"{name}.npy", array)
    beside = "--fixations", tmp_path / "f.npy", "--baseline", "uniform"
    assert score(tmp_path / "p.npy", tmp_path / "p.npy", "-m", "ig-mit", *beside) == pytest.approx([expected], rel=1e-9)


def test_weights_of_rows_that_end_at_the_poles(tmp_path: Path) -> None:
    """The weights of the Salient360! toolbox, with the sums of a weighted run."""
    for name, array in (("p", PRED), ("g", GT)):
        np.save(tmp_path / f"{name}.npy", array)
    weights = np.sin(np.pi * np.arange(9) / 8)[:, None] * np.ones((1, 11))
    weights[-1] = 0
    p, q = (array / (array * weights).sum() for array in (PRED, GT))
    inside = slice(1, 8)
    expected = float((weights * q * np.log(q / p))[inside].sum())
    rows = "--weights", "latitude(rows=ends)"
    assert score(tmp_path / "p.npy", tmp_path / "g.npy", "-m", "kld()", *rows) == pytest.approx([expected], rel=1e-12)
    np.save(tmp_path / "flat.npy", PRED[:2])
    outcome = kldeval_command(tmp_path / "flat.npy", tmp_path / "flat.npy", "-m", "kld()", *rows)
    assert outcome.code == 1
    assert "weights=latitude(rows=ends) of a map of 2 rows: both are poles, which weigh 0" in outcome.err + outcome.out


@pytest.mark.parametrize(("how", "expected"), [("nearest", (4, 0, 11)), ("floor", (3, 0, 10))])
def test_fixations_are_rounded_and_clipped_as_in_osies_code(
    tmp_path: Path, how: str, expected: tuple[int, ...]
) -> None:
    """max(1, min(round(x), W)) of coordinates that count from 1; without rounding they are cut."""
    points = [(4.7, 2.0), (-3.0, 1.0), (11.6 if how == "floor" else 99.0, 3.0)]
    lines = ["name,x,y", *(f"a,{x},{y}" for x, y in points)]
    (tmp_path / "fixations.csv").write_text("\n".join(lines) + "\n")
    pred = np.zeros((9, 12))
    for (_, y), col in zip(points, expected, strict=True):
        pred[int(y) - 1, col] = 1
    for side in ("pred", "gt"):
        (tmp_path / side).mkdir()
        np.save(tmp_path / side / "a.npy", pred)
    beside = "--fixations", tmp_path / "fixations.csv", "--fixation-base", "1"
    refused = kldeval_command(tmp_path / "pred", tmp_path / "gt", "-m", "auc", *beside)
    assert (
        "leave them out with --fixation-outside drop, or move them to the border with clip" in refused.err + refused.out
    )
    clipped = *beside, "--fixation-outside", "clip", "--fixation-rounding", how
    found = kldeval_command(tmp_path / "pred", tmp_path / "gt", "-m", "nss,auc(negatives=unfixated)", *clipped)
    assert "|fixations:read(base=1," in found.out
    (_, auc) = score(tmp_path / "pred", tmp_path / "gt", "-m", "nss,auc(negatives=unfixated)", *clipped)
    assert auc == 1.0, "every fixation is on one of the marked pixels, and on all of them"


def test_ig_mit_takes_another_epsilon(tmp_path: Path) -> None:
    stretched = [(array - array.min()) / (array.max() - array.min()) for array in (PRED, GT)]
    p, b = ((array / array.sum())[[1, 4], [2, 7]] for array in stretched)
    hit = np.zeros(PRED.shape, int)
    hit[[1, 4], [2, 7]] = 1
    expected = float((np.log2(p + 1e-2) - np.log2(b + 1e-2)).mean())
    assert float(kldeval.ig_mit(PRED, hit, GT, eps=1e-2)) == pytest.approx(expected, rel=1e-12)
    for name, array in (("p", PRED), ("b", GT), ("f", hit)):
        np.save(tmp_path / f"{name}.npy", array)
    beside = "--fixations", tmp_path / "f.npy", "--baseline", tmp_path / "b.npy"
    found = score(tmp_path / "p.npy", tmp_path / "b.npy", "-m", "ig-mit(eps=0.01),ig-mit", *beside)
    assert found == pytest.approx([expected, float(kldeval.ig_mit(PRED, hit, GT))], rel=1e-9)
    with pytest.raises(UsageProblem, match="above 0 and finite"):
        kldeval.signature("ig-mit(eps=0)", baseline="uniform")
