"""The map metrics beside the divergences: published numbers, other people's solvers, and laws."""

from __future__ import annotations

import json
import math
import sys
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from backends import BACKENDS, make, to_numpy
from drawn import arrays, integers
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from late import late
from looping import each_of

import kldeval
from kldeval import cc, emd, hellinger, mae, mse, sim, tv
from kldeval.errors import MissingDependency, RefusedMap

if TYPE_CHECKING:
    from collections.abc import Callable

torch = late("torch")

optimize = late("scipy.optimize")
stats = late("scipy.stats")

HERE = Path(__file__).parent.parent
GOLDEN = json.loads((HERE / "golden" / "companions.json").read_text())
PAIRS = np.load(HERE / "golden" / "pairs.npz")

WEIGHTED: dict[str, Callable[..., Any]] = {
    "cc": cc,
    "sim": sim,
    "sim, min-max first": lambda pred, gt, **weights: sim(pred, gt, minmax=True, **weights),
    "mse": mse,
    "mae": mae,
}
"""The metrics of two stored maps and their weights."""

MAPS = arrays((2, 3, 4), integers(0, 9))
"""Two small maps with ties and zeros."""


@each_of("backend", BACKENDS)
@each_of("pair", GOLDEN)
def test_golden_numbers_of_the_public_pairs(pair: str, backend: str) -> None:
    pred, gt = (make(backend, PAIRS[f"{pair}_{role}"]) for role in ("pred", "gt"))
    for name in ("cc", "sim", "sim, min-max first"):
        assert float(WEIGHTED[name](pred, gt)) == pytest.approx(GOLDEN[pair][name], abs=1e-9), name


@settings(max_examples=30, deadline=None)
@given(MAPS)
def test_cc_is_the_correlation_of_scipy(maps: np.ndarray) -> None:
    pred, gt = maps
    assume(np.ptp(pred) and np.ptp(gt))
    assert float(cc(pred, gt)) == pytest.approx(stats.pearsonr(pred.ravel(), gt.ravel()).statistic, abs=1e-12)


@pytest.mark.parametrize("scale", [1e-300, 1e-9, 1e9])
def test_cc_does_not_see_scale_or_offset(scale: float) -> None:
    pred, gt = PAIRS["float_pred"], PAIRS["float_gt"]
    assert float(cc(pred * scale, gt)) == pytest.approx(float(cc(pred, gt)), abs=1e-12)
    assert float(cc(3 - pred, gt)) == pytest.approx(-float(cc(pred, gt)), abs=1e-12)


def test_a_map_agrees_with_itself_exactly() -> None:
    pred = PAIRS["float_pred"]
    assert (float(cc(pred, pred)), float(mse(pred, pred)), float(mae(pred, pred))) == (1.0, 0.0, 0.0)
    assert float(sim(pred, pred)) == pytest.approx(1.0, abs=1e-14)


@each_of("backend", BACKENDS)
def test_constant_maps_have_the_documented_values(backend: str) -> None:
    constant, zero, ramp = (make(backend, x) for x in ([[0.1, 0.1, 0.1]], [[0.0, 0.0, 0.0]], [[1.0, 2.0, 5.0]]))
    assert float(cc(constant, ramp)) == 0.0
    assert math.isnan(float(cc(ramp, constant)))
    assert math.isnan(float(cc(constant, zero)))
    assert float(sim(constant, ramp)) == pytest.approx(1 / 8 + 2 / 8 + 1 / 3, abs=1e-15)
    assert math.isnan(float(sim(constant, ramp, minmax=True)))
    assert float(sim(zero, ramp)) == float(sim(zero, ramp, minmax=True)) == 0.0


def test_a_map_with_negative_values_has_no_similarity_until_it_is_stretched() -> None:
    pred, gt = np.asarray([[-1.0, 0.0, 1.0]]), np.asarray([[0.0, 1.0, 2.0]])
    assert math.isnan(float(sim(pred, gt)))
    assert float(sim(pred, gt, minmax=True)) == 1.0


@given(maps=MAPS, weights=arrays((3, 4), integers(0, 3, np.int64)))
def test_a_weight_is_a_number_of_pixels(maps: np.ndarray, weights: np.ndarray) -> None:
    assume(weights.any())
    repeated = [np.repeat(array.ravel(), weights.ravel())[None] for array in maps]
    for name, metric in WEIGHTED.items():
        actual, expected = float(metric(*maps, weights=weights)), float(metric(*repeated))
        assert actual == pytest.approx(expected, abs=1e-12, nan_ok=True), name


@each_of("backend", BACKENDS)
def test_masking_equals_cropping_whatever_is_under_the_mask(backend: str) -> None:
    pred, gt = (PAIRS[f"float_{role}"].astype(np.float64) for role in ("pred", "gt"))
    mask = np.zeros(pred.shape, bool)
    mask[5:20, 7:30] = True
    soiled = [make(backend, np.where(mask, array, dirt)) for array, dirt in ((pred, np.nan), (gt, -np.inf))]
    for name, metric in WEIGHTED.items():
        actual, expected = metric(*soiled, weights=make(backend, mask)), metric(pred[5:20, 7:30], gt[5:20, 7:30])
        assert float(actual) == pytest.approx(float(expected), abs=1e-12), name


@given(maps=MAPS, order=st.permutations(range(12)))
def test_neither_a_mask_of_ones_nor_the_order_of_the_pixels_matters(maps: np.ndarray, order: list[int]) -> None:
    shuffled = maps.reshape(2, 1, 12)[:, :, order]
    for name, metric in WEIGHTED.items():
        expected = float(metric(*maps))
        assert float(metric(*maps, weights=np.ones((3, 4)))) == pytest.approx(expected, abs=1e-12, nan_ok=True), name
        assert float(metric(*shuffled)) == pytest.approx(expected, abs=1e-12, nan_ok=True), name


@each_of("backend", BACKENDS)
def test_a_batch_is_a_loop(backend: str) -> None:
    rng = np.random.default_rng(1)
    maps, weights = rng.random((2, 2, 3, 4, 5)), rng.integers(0, 2, (4, 5))
    pred, gt, area = (make(backend, array) for array in (*maps, weights))
    for name, metric in WEIGHTED.items():
        batch = to_numpy(metric(pred, gt, weights=area))
        assert batch.shape == (2, 3)
        expected = [[float(metric(maps[0, i, j], maps[1, i, j], weights=weights)) for j in range(3)] for i in range(2)]
        np.testing.assert_allclose(batch, expected, rtol=1e-13, err_msg=name)


@each_of("name", WEIGHTED)
def test_gradients_are_those_of_finite_differences(name: str) -> None:
    rng = np.random.default_rng(2)
    pred, gt, weights = (torch.tensor(rng.random((3, 4))) for _ in range(3))
    maps = pred.requires_grad_(), gt.requires_grad_()
    assert torch.autograd.gradcheck(lambda *pair: WEIGHTED[name](*pair, weights=weights), maps)


@each_of("backend", BACKENDS)
def test_distances_of_densities_by_hand(backend: str) -> None:
    p, q = make(backend, [[0.5, 0.5, 0.0]]), make(backend, [[0.5, 0.0, 0.5]])
    assert float(tv(p, q)) == pytest.approx(0.5, abs=1e-15)
    assert float(hellinger(p, q)) == pytest.approx(math.sqrt(0.5), abs=1e-15)
    np.testing.assert_allclose(to_numpy(tv(p, q, reduction="none")), [[0, 0.25, 0.25]])


@settings(max_examples=30, deadline=None)
@given(MAPS)
def test_total_variation_and_hellinger_bound_each_other(maps: np.ndarray) -> None:
    assume(maps.any(axis=(1, 2)).all())
    p, q = maps / maps.sum(axis=(1, 2), keepdims=True)
    variation, distance = float(tv(p, q)), float(hellinger(p, q))
    assert distance**2 <= variation + 1e-12
    assert variation <= distance * math.sqrt(2 - distance**2) + 1e-12
    assert variation == pytest.approx(1 - float(np.minimum(p, q).sum()), abs=1e-12)
    assert (variation, distance) == (float(tv(q, p)), float(hellinger(q, p)))


def test_the_gradient_of_hellinger_is_finite_where_a_density_is_zero_or_both_are_equal() -> None:
    p = torch.tensor([0.0, 0.5, 0.5], dtype=torch.float64, requires_grad=True)
    for q in (p.detach(), torch.tensor([0.5, 0.5, 0.0], dtype=torch.float64)):
        (gradient,) = torch.autograd.grad(hellinger(p[None], q[None]), p)
        assert torch.isfinite(gradient).all()


def transport_cost(pred: np.ndarray, gt: np.ndarray) -> float:
    """The earth mover's distance as the linear programme that defines it, every cell to every cell."""
    rows, cols = np.indices(pred.shape).reshape(2, -1)
    costs = np.hypot(rows[:, None] - rows, cols[:, None] - cols)
    size = pred.size
    leaving, arriving = np.kron(np.eye(size), np.ones(size)), np.kron(np.ones(size), np.eye(size))
    masses = np.concatenate([pred.ravel() / pred.sum(), gt.ravel() / gt.sum()])
    return float(optimize.linprog(costs.ravel(), A_eq=np.vstack([leaving, arriving])[:-1], b_eq=masses[:-1]).fun)


@each_of("seed", range(5))
def test_emd_solves_the_linear_programme_exactly(seed: int) -> None:
    pred, gt = np.random.default_rng(seed).integers(0, 5, (2, 4, 5))
    assert float(emd(pred, gt, factor=1)) == pytest.approx(transport_cost(pred, gt), abs=1e-10)


def test_emd_of_a_moved_map_is_the_way_it_moved() -> None:
    blob = np.zeros((8, 9))
    blob[1:3, 1:4] = [[1, 2, 3], [4, 5, 6]]
    moved = np.roll(blob, (3, 4), axis=(0, 1))
    assert float(emd(blob, moved, factor=1)) == pytest.approx(5.0, abs=1e-12)
    assert float(emd(blob, moved, factor=1, unit="diagonal")) == pytest.approx(5 / math.hypot(8, 9), abs=1e-12)


@given(arrays((3, 3, 4), integers(0, 9)))
def test_emd_is_a_metric_that_does_not_see_the_scale_of_a_map(maps: np.ndarray) -> None:
    assume(maps.any(axis=(1, 2)).all())
    ab, bc, ac, ba = (float(emd(maps[i], maps[j], factor=1)) for i, j in ((0, 1), (1, 2), (0, 2), (1, 0)))
    assert ac <= ab + bc + 1e-12
    assert ab == pytest.approx(ba, abs=1e-12)
    assert float(emd(7 * maps[0], maps[0], factor=1)) == pytest.approx(0.0, abs=1e-12)
    assert float(emd(maps[0], maps[0], factor=1)) == 0.0


def test_emd_reduces_by_areas_and_to_as_many_cells_as_the_mit_code() -> None:
    rng = np.random.default_rng(3)
    pred, gt = rng.random((2, 12, 18))
    blocks = [array.reshape(2, 6, 3, 6).sum(axis=(1, 3)) for array in (pred, gt)]
    assert float(emd(pred, gt, factor=6)) == pytest.approx(float(emd(*blocks, factor=1)), abs=1e-12)
    # 5 pixels in ceil(5 / 2) = 3 cells of 5/3 pixels: the second pixel lies two thirds in the first cell
    second, cells = np.asarray([[0.0, 1.0, 0.0, 0.0, 0.0]]), np.asarray([[2.0, 1.0, 0.0]])
    last, end = np.asarray([[0.0, 0.0, 0.0, 0.0, 1.0]]), np.asarray([[0.0, 0.0, 1.0]])
    assert float(emd(second, last, factor=2)) == pytest.approx(float(emd(cells, end, factor=1)), abs=1e-12)


def test_emd_is_comparable_across_sizes_as_a_fraction_of_the_diagonal() -> None:
    rng = np.random.default_rng(4)
    pred, gt = rng.random((2, 4, 6))
    large = [np.kron(array, np.ones((32, 32))) for array in (pred, gt)]
    small = [np.kron(array, np.ones((8, 8))) for array in (pred, gt)]
    fractions = [float(emd(*maps, factor=f, unit="diagonal")) for maps, f in ((large, 32), (small, 8))]
    assert fractions[0] == pytest.approx(fractions[1], abs=1e-12)


def test_emd_leaves_masked_pixels_out_whatever_they_hold() -> None:
    pred, gt = np.asarray([[1.0, 0.0, np.nan]]), np.asarray([[0.0, 1.0, np.inf]])
    assert float(emd(pred, gt, weights=np.asarray([[1, 1, 0]]), factor=1)) == 1.0


def test_emd_of_a_batch_is_a_loop() -> None:
    pred, gt = np.random.default_rng(5).random((2, 2, 3, 4, 4))
    batch = emd(pred, gt, factor=2)
    assert batch.shape == (2, 3)
    assert batch[1, 2] == float(emd(pred[1, 2], gt[1, 2], factor=2))


def test_emd_without_mass_is_undefined_and_negative_mass_is_refused() -> None:
    assert math.isnan(float(emd(np.zeros((2, 2)), np.ones((2, 2)), factor=1)))
    with pytest.raises(RefusedMap) as caught:
        emd(np.asarray([[-0.5, 1.0]]), np.ones((1, 2)))
    assert str(caught.value) == "a map with negative values (least -0.5) has no mass to move; shift it first"


def test_emd_names_the_missing_solver_and_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ot", None)
    with pytest.raises(MissingDependency) as caught:
        emd(np.asarray([[0.0, 1.0]]), np.asarray([[1.0, 0.0]]), factor=1)
    assert str(caught.value) == ("emd needs the solver of POT, which is not installed: pip install 'kldeval[emd]'")


def test_a_closer_prediction_is_better_in_every_metric() -> None:
    columns = np.arange(64)
    blobs = [np.exp(-((columns - centre) ** 2) / 50)[None] * np.ones((8, 1)) for centre in (20, 24, 30, 44)]
    gt, *preds = blobs
    for better, worse in pairwise(preds):
        assert float(cc(better, gt)) > float(cc(worse, gt))
        assert float(sim(better, gt)) > float(sim(worse, gt))
        assert float(mse(better, gt)) < float(mse(worse, gt))
        assert float(emd(better, gt, factor=4)) < float(emd(worse, gt, factor=4))


@each_of(
    ("shape", "metric", "said"),
    [((32, 20), "emd", True), ((33, 20), "emd", False), ((32, 20), "emd(factor=1)", False), ((4, 5, 6), "emd", True)],
)
def test_an_emd_within_one_cell_is_said_to_be_0_whatever_the_maps_hold(
    shape: tuple[int, ...], metric: str, *, said: bool
) -> None:
    pytest.importorskip("ot")
    rng = np.random.default_rng(1)
    report = kldeval.evaluate(rng.random(shape), rng.random(shape), metric=metric, spatial_axes=len(shape))
    assert any("emd makes one cell of a map" in note for note in report.notes) is said
    (summary,) = report.summaries.values()
    assert (summary.mean == 0) is said


@pytest.mark.parametrize("metric", ["emd", "emd(factor=4)"])
def test_an_emd_of_arrays_within_one_cell_is_warned_of(metric: str) -> None:
    pytest.importorskip("ot")
    factor = 4 if "4" in metric else 32
    maps = np.random.default_rng(1).random((2, factor, factor))
    said = f"emd makes one cell of maps of the shape {factor}x{factor}, .* of {factor}: it is 0 whatever they hold"
    with pytest.warns(RuntimeWarning, match=said):
        assert emd(*maps, factor=factor) == 0
    with pytest.warns(RuntimeWarning, match=said):
        kldeval.Metric(metric).update(*maps)
    wide = np.pad(maps, ((0, 0), (0, 1), (0, 0)))
    assert emd(*wide, factor=factor) > 0
    kldeval.Metric(metric).update(*wide)
