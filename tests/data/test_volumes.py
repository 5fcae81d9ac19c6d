"""Maps of any number of spatial axes: a volume gives what its values give in rows; what asks for a place refuses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from command_line import kldeval, score
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from late import late

import kldeval as package
from kldeval import RefusedMap, UsageProblem, evaluate
from kldeval.metrics.registry import METRICS

if TYPE_CHECKING:
    from pathlib import Path

stats = late("scipy.stats")

Array = np.ndarray[Any, Any]

PLACELESS = [
    name
    for name in METRICS
    if METRICS[name].info.on in ("density", "maps", "pixels")
    and (METRICS[name].info.combine or METRICS[name].info.on != "maps" or METRICS[name].info.statistics)
]
SHAPES = npst.array_shapes(min_dims=3, max_dims=4, min_side=2, max_side=4)


@st.composite
def volumes(draw: st.DrawFn) -> tuple[Array, Array, Array]:
    """A prediction, a ground truth and weights of one shape, of bytes or of floats."""
    shape = draw(SHAPES)
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    pred, gt = rng.random((2, *shape)) * 0.8 + 0.1
    if draw(st.booleans()):
        pred, gt = (np.round(255 * one).astype(np.uint8) for one in (pred, gt))
    return pred, gt, rng.random(shape)


def in_rows(array: Array) -> Array:
    return array.reshape(array.shape[0], -1)


@settings(deadline=None, max_examples=12)
@given(volumes(), st.integers(0, 1), st.sampled_from(["slices", "sum", "mean", "batchmean"]))
def test_a_volume_gives_what_its_values_give_in_rows(
    maps: tuple[Array, Array, Array], weighted: int, reduction: str
) -> None:
    pred, gt, weights = maps
    own: dict[str, Any] = {"metric": PLACELESS, "norm": "minmax+add(value=0.1)+sum-to-one", "reduction": reduction}
    beside: list[dict[str, Any]] = [{"weights": one} for one in (weights, in_rows(weights))] if weighted else [{}, {}]
    volume = evaluate(pred, gt, spatial_axes=pred.ndim, **own, **beside[0])
    plain = evaluate(in_rows(pred), in_rows(gt), **own, **beside[1])
    assert volume.signatures == plain.signatures
    assert volume.scores[0].values == plain.scores[0].values
    assert volume.scores[0].n_uncovered == plain.scores[0].n_uncovered


@settings(deadline=None, max_examples=12)
@given(volumes(), st.integers(0, 1))
def test_the_functions_of_arrays_take_volumes(maps: tuple[Array, Array, Array], weighted: int) -> None:
    pred, gt, weights = maps
    for name in PLACELESS:
        if METRICS[name].info.on == "pixels":
            continue
        function = getattr(package, METRICS[name].info.function or name.replace("-", "_"))
        both = [{"weights": one} for one in (weights, in_rows(weights))] if weighted else [{}, {}]
        found = function(pred, gt, spatial_axes=pred.ndim, **both[0])
        assert found.shape == ()
        assert found == function(in_rows(pred), in_rows(gt), **both[1])


def test_batches_of_volumes_have_a_number_each_and_terms_keep_their_places() -> None:
    pred, gt = np.random.default_rng(0).random((2, 3, 4, 5, 6))
    each = package.kld(pred, gt, spatial_axes=3)
    rows = [float(package.kld(in_rows(p), in_rows(q))) for p, q in zip(pred, gt, strict=True)]
    assert each == pytest.approx(rows, rel=1e-12)
    terms = package.kld(pred, gt, spatial_axes=3, reduction="none")
    assert terms.shape == pred.shape
    assert terms.sum((1, 2, 3)) == pytest.approx(each, rel=1e-12)
    along = np.arange(1.0, 5)[:, None, None]
    assert package.kld(pred, gt, spatial_axes=3, weights=along) == pytest.approx(
        package.kld(pred, gt, spatial_axes=3, weights=np.broadcast_to(along, (4, 5, 6)))
    )
    assert package.kld(pred[0, 0, 0], gt[0, 0, 0], spatial_axes=1) == package.kld(pred[0, 0, :1], gt[0, 0, :1])
    fixated = (gt > 0.8).astype(np.int64)
    nss = package.nss(pred, fixated, spatial_axes=3)
    assert nss[1] == pytest.approx(float(package.nss(in_rows(pred[1]), in_rows(fixated[1]))), rel=1e-12)


@settings(deadline=None, max_examples=20)
@given(npst.array_shapes(min_dims=1, max_dims=4, min_side=1, max_side=3), st.integers(0, 2**32 - 1))
def test_the_distance_that_mass_is_moved_is_that_of_space(shape: tuple[int, ...], seed: int) -> None:
    """Against the linear programme of scipy: Euclidean between the indices of cells, along all axes."""
    pred, gt = np.random.default_rng(seed).integers(1, 9, (2, *shape)).astype(float)
    places = np.argwhere(np.ones(shape))
    expected = stats.wasserstein_distance_nd(places, places, pred.ravel(), gt.ravel()) if pred.size > 1 else 0.0
    found = float(package.emd(pred, gt, factor=1, spatial_axes=len(shape)))
    assert found == pytest.approx(expected, abs=1e-10)
    diagonal = float(package.emd(pred, gt, factor=1, unit="diagonal", spatial_axes=len(shape)))
    assert diagonal == pytest.approx(expected / np.sqrt(np.sum(np.square(shape))), abs=1e-10)


def test_cells_of_volumes_are_the_sums_of_their_voxels(files: dict[str, Array]) -> None:
    """And a volume of one slice is the map that it holds, whichever axis counts the slice."""
    pred, gt, weights = np.random.default_rng(1).random((3, 4, 6, 8))
    blocks = [(weights * one).reshape(2, 2, 3, 2, 4, 2).sum((1, 3, 5)) for one in (pred, gt)]
    found = package.emd(pred, gt, weights=weights, factor=2, spatial_axes=3)
    assert found == pytest.approx(package.emd(*blocks, factor=1, spatial_axes=3), rel=1e-12)
    assert np.asarray(package.emd(np.stack([pred, gt]), np.stack([gt, gt]), factor=2, spatial_axes=3)).shape == (2,)
    for axis in range(3):
        slices = (np.expand_dims(one[0], axis) for one in (pred, gt))
        assert package.emd(*slices, factor=2, spatial_axes=3) == package.emd(pred[0], gt[0], factor=2)
    expected = package.emd(files["p"], files["g"], factor=2, spatial_axes=3)
    assert score("p.npy", "g.npy", *VOLUME, "-m", "emd(factor=2)") == [pytest.approx(float(expected), rel=1e-12)]
    with pytest.raises(RefusedMap, match="cells, too many; use a larger factor"):
        package.emd(*np.random.default_rng(2).random((2, 30, 30, 30)), factor=1, spatial_axes=3)


def test_every_metric_of_maps_takes_volumes() -> None:
    """One slice has the number of the map: what has none in space would be refused, and is to be named in files.md."""
    pred, gt = np.random.default_rng(3).random((2, 5, 6))
    for name in METRICS:
        if METRICS[name].info.on != "fixations":
            volume = evaluate(pred[None], gt[None], metric=name, spatial_axes=3)
            assert volume[name].mean == pytest.approx(evaluate(pred, gt, metric=name)[name].mean, rel=1e-12), name


def test_what_asks_for_a_place_is_refused() -> None:
    pred, gt = np.random.default_rng(0).random((2, 4, 5, 6))
    for options in ({"norm": "blur(sigma=1)+sum-to-one"}, {"norm": "softmax", "axis": 0}):
        with pytest.raises(UsageProblem, match="asks where pixels stand"):
            package.kld(pred, gt, spatial_axes=3, **options)
    with pytest.raises(RefusedMap, match=r"gt has the shape \(5, 4, 6\)"):
        package.kld(pred, gt.reshape(5, 4, 6), spatial_axes=3)
    with pytest.raises(UsageProblem, match="spatial_axes=0"):
        package.kld(pred, gt, spatial_axes=0)


# the command line


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Array]:
    """Volumes in files: densities p, g, of bytes p8, g8, a class map c with labels l, a mask m; and in rows."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(3)
    pred, gt = rng.random((2, 4, 5, 6))
    held = {"p": pred, "g": gt, "m": (gt > 0.5).astype(np.uint8)}
    held |= {"p8": (255 * pred).astype(np.uint8), "g8": (255 * gt).astype(np.uint8)}
    flat = {f"{name}2": in_rows(array) for name, array in held.items()}
    more = {"c": rng.random((3, 4, 5, 6)), "l": rng.integers(0, 3, (4, 5, 6)).astype(np.uint8)}
    for name, array in {**held, **flat, **more, "s": np.stack([pred, gt]), "t": np.stack([gt, pred])}.items():
        np.save(name, array)
    return held | more


VOLUME = ("--spatial-axes", "3")


def test_an_array_of_three_axes_says_what_it_is_or_is_refused(files: dict[str, Array]) -> None:
    refused = kldeval("p.npy", "g.npy")
    assert refused.code == 1
    assert "its shape is (4, 5, 6)" in refused.out
    assert "N maps need --stack, a volume --spatial-axes 3" in refused.out
    assert score("p.npy", "g.npy", *VOLUME) == score("p2.npy", "g2.npy")
    assert score("p8.npy", "g8.npy", *VOLUME) == score("p82.npy", "g82.npy")
    expected = evaluate(files["p"], files["g"], spatial_axes=3)["kld"].mean
    assert score("p.npy", "g.npy", *VOLUME, "-m", "kld") == [expected]
    other = kldeval("p.npy", "g.npy", "--spatial-axes", "4")
    assert "its shape is (4, 5, 6); with --spatial-axes 4 a map's has 4 axes, all of space" in other.out


def test_a_stack_of_volumes_is_as_many_maps(files: dict[str, Array]) -> None:
    del files
    both = [score(*pair, *VOLUME, "-m", "kld")[0] for pair in (("p.npy", "g.npy"), ("g.npy", "p.npy"))]
    assert score("s.npy", "t.npy", "--stack", *VOLUME, "-m", "kld") == [pytest.approx(sum(both) / 2, rel=1e-15)]
    assert kldeval("s.npy", "t.npy", "--stack").code == 1


@pytest.mark.parametrize("axis", [0, 1, 2, -1])
def test_an_axis_counts_within_one_volume(files: dict[str, Array], axis: int) -> None:
    found = score("p.npy", "g.npy", *VOLUME, "--norm", "softmax", "--axis", str(axis), "-m", "kld")
    turned = [np.moveaxis(files[name], axis, -1).reshape(-1, files[name].shape[axis]) for name in "pg"]
    assert found == [pytest.approx(float(package.kld(*turned, norm="softmax", axis=-1)), rel=1e-12)]
    assert found == score("p.npy", "g.npy", "--norm", "softmax", "--axis", str(axis), "-m", "kld")


def test_class_maps_of_volumes_meet_label_volumes(files: dict[str, Array]) -> None:
    options = (*VOLUME, "--norm", "softmax", "--axis", "0", "-m", "ce,accuracy,ece,brier")
    found = score("c.npy", "l.npy", *options)
    expected = package.cross_entropy(files["c"], files["l"], axis=0)
    assert found[0] == pytest.approx(float(expected), rel=1e-12)
    rows = files["c"].reshape(3, -1), files["l"].reshape(-1)
    np.save("c1", rows[0].T)
    np.save("l1", rows[1])
    assert found == pytest.approx(score("c1.npy", "l1.npy", *options[2:4], "--axis", "-1", *options[6:]), rel=1e-12)
    masked = score("c.npy", "l.npy", *options, "--mask", "m.npy")
    kept = files["m"].reshape(-1) > 0
    np.save("c1", rows[0].T[kept])
    np.save("l1", rows[1][kept])
    assert masked == pytest.approx(score("c1.npy", "l1.npy", *options[2:4], "--axis", "-1", *options[6:]), rel=1e-12)
    # without the number of spatial axes they are N class maps with labels
    assert "slices pair by their place" in kldeval("c.npy", "l.npy", "--norm", "softmax", "--axis", "0").out


def test_masks_and_weights_are_volumes(files: dict[str, Array]) -> None:
    del files
    assert score("p.npy", "g.npy", *VOLUME, "--mask", "m.npy") == score("p2.npy", "g2.npy", "--mask", "m2.npy")
    assert score("p.npy", "g.npy", *VOLUME, "--weights", "g.npy") == score("p2.npy", "g2.npy", "--weights", "g2.npy")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--weights", "latitude"), "weights of latitudes stand beside maps of height and width"),
        (("--resize", "both(size=4x4)"), "is for maps of height and width; these are volumes (4, 5, 6)"),
        (("--norm", "blur(sigma=2)+sum-to-one"), "asks where pixels stand in height and width"),
        (("--norm", "latitude+sum-to-one"), "asks where pixels stand in height and width"),
        (("--gt-norm", "sum-to-one(axis=0)", "--reduction", "sum"), "asks where pixels stand in height and width"),
        (("--baselines",), "reference rows are of maps of height and width"),
    ],
)
@pytest.mark.parametrize("kind", ["", "8"])
def test_places_in_volumes_are_refused(files: dict[str, Array], options: tuple[str, ...], said: str, kind: str) -> None:
    del files
    outcome = kldeval(f"p{kind}.npy", f"g{kind}.npy", *VOLUME, *options)
    assert outcome.code == 1
    assert said in outcome.out


def test_one_metric_that_asks_for_a_place_leaves_the_others(files: dict[str, Array]) -> None:
    del files
    outcome = kldeval("p8.npy", "g8.npy", *VOLUME, "-m", "cc,emd,kld", "--norm", "blur(sigma=2)+sum-to-one")
    assert "1 number is missing" in outcome.out
    assert kldeval("p.npy", "g2.npy", *VOLUME).code == 1
    assert score("p8.npy", "g8.npy", *VOLUME, "-m", "cc") == score("p82.npy", "g82.npy", "-m", "cc")


def test_volumes_that_agree_only_in_rows_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "a", np.ones((4, 5, 6)))
    np.save(tmp_path / "b", np.ones((4, 6, 5)))
    outcome = kldeval(tmp_path / "a.npy", tmp_path / "b.npy", *VOLUME)
    assert "sizes differ: the prediction is (4, 5, 6), the ground truth (4, 6, 5)" in outcome.out


def test_saved_terms_are_volumes_and_check_says_what_there_is(files: dict[str, Array]) -> None:
    kldeval("p.npy", "g.npy", *VOLUME, "-m", "kld", "--save-maps", "out")
    terms = np.load("out/kld/p.npy")
    assert terms.shape == files["p"].shape
    assert terms.sum() == pytest.approx(score("p.npy", "g.npy", *VOLUME, "-m", "kld")[0], rel=1e-12)
    assert "predictions: 1 of 4x5x6 float64" in kldeval("check", "p.npy", "g.npy", *VOLUME).out
    assert "explain shows maps of height and width" in kldeval("explain", "p.npy", "g.npy", *VOLUME).err
