"""GeoTIFF: what GDAL reads, places that agree, areas of pixels, and rasters larger than the memory."""

from __future__ import annotations

import importlib.util
from itertools import pairwise
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

import numpy as np
import pytest
from affine import Affine
from command_line import kldeval, score
from late import late
from reading import read_map

import kldeval as package

rasterio = late("rasterio")
integrate = late("scipy.integrate")

Array = np.ndarray[Any, Any]


def from_origin(west: float, north: float, width: float, height: float) -> Affine:
    """The geotransform of a grid that begins at its north-western corner."""
    return Affine(width, 0, west, 0, -height, north)


WORLD = from_origin(-180, 90, 10, 10)
SHAPE = (18, 36)


def write(
    name: str,
    array: Array,
    crs: str | None = "EPSG:4326",
    transform: Affine = WORLD,
    scaled: tuple[float, float] | None = None,
    **options: Any,
) -> str:
    bands = array if array.ndim > 2 else array[None]
    count, height, width = bands.shape
    profile = {"driver": "GTiff", "height": height, "width": width, "count": count, "dtype": array.dtype}
    with rasterio.open(name, "w", **profile, crs=crs, transform=transform, **options) as dataset:
        dataset.write(bands)
        if scaled:
            dataset.scales, dataset.offsets = scaled[:1], scaled[1:]
    return name


@pytest.fixture(autouse=True)
def maps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Array, Array]:
    """A prediction and a ground truth."""
    monkeypatch.chdir(tmp_path)
    pred, gt = np.random.default_rng(2).random((2, *SHAPE)).astype(np.float32) + np.float32(0.1)
    return pred, gt


def scaled_and_masked(name: str) -> tuple[Array, Array]:
    """The values of a raster as rasterio gives them, and where it has data."""
    with rasterio.open(name) as dataset:
        return dataset.read(1).astype(np.float64) * dataset.scales[0] + dataset.offsets[0], dataset.read_masks(1) > 0


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"tiled": True, "blockxsize": 16, "blockysize": 16, "compress": "deflate", "predictor": 3},
        {"compress": "lzw"},
        {"compress": "zstd", "BIGTIFF": "YES"},
    ],
    ids=["plain", "tiles", "lzw", "zstd"],
)
@pytest.mark.parametrize("large", [0, 1])
def test_rasters_give_what_rasterio_gives(
    maps: tuple[Array, Array], options: dict[str, Any], large: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    if large:
        monkeypatch.setattr("kldeval.data.readers.files.LARGE_FILE", 500)
        for module in ("scratch", "readers.tiff"):
            monkeypatch.setattr(f"kldeval.data.{module}.LARGE", 500)
    found = read_map(Path(write("a.tif", maps[0], **options)))
    assert np.array_equal(found.array, scaled_and_masked("a.tif")[0].astype(np.float32))
    stored = (maps[0] * 1000).astype(np.int16)
    found = read_map(Path(write("b.tif", stored, scaled=(0.001, 5.0), nodata=-1, **{**options, "predictor": 1})))
    assert np.array_equal(found.array, scaled_and_masked("b.tif")[0])
    assert found.nodata == -1 * 0.001 + 5.0


def test_nodata_is_that_of_each_files_own_tag(maps: tuple[Array, Array]) -> None:
    pred, gt = maps[0].copy(), maps[1].copy()
    gt[:3] = -9999
    pred[:2] = -1
    write("p.tif", pred, nodata=-1)
    write("g.tif", gt, nodata=-9999)
    refused = kldeval("p.tif", "g.tif")
    assert "p.tif: its nodata tag says -1, and 72 pixels hold it: --nodata -1 takes them for such" in refused.out
    found = package.evaluate("p.tif", "g.tif", nodata="tag", metric="kld,cc")
    there = (scaled_and_masked("g.tif")[1]).astype(float)
    expected = [float(getattr(package, name)(pred, gt, weights=there)) for name in ("kld", "cc")]
    assert [found[name].mean for name in ("kld", "cc")] == pytest.approx(expected, rel=1e-12)
    assert "|nodata:tag|" in found.signatures["kld"]
    again = package.evaluate("p.tif", "g.tif", signature=found.signatures["kld"])
    assert again["kld"].mean == found["kld"].mean
    pred[5] = -1
    write("p.tif", pred, nodata=-1)
    assert (
        "the prediction has no data (-1) where the ground truth has some"
        in kldeval("p.tif", "g.tif", "--nodata", "tag").out
    )
    assert kldeval("p.tif", "g.tif", "--nodata", "tag", "--nodata-pred", "mask").code == 0
    write("none.tif", maps[0])
    assert "neither file says in a tag" in kldeval("none.tif", "none.tif", "--nodata", "tag").out
    assert kldeval("none.tif", "none.tif", "--nodata", "tags").code == 2


def test_labels_without_data_are_left_out_or_refused() -> None:
    labels = np.random.default_rng(0).integers(0, 3, SHAPE).astype(np.uint8)
    np.save("c.npy", np.random.default_rng(1).random((3, *SHAPE)))
    options = ("--axis", "0", "--norm", "softmax", "-m", "accuracy")
    for value in (0, 255):
        labels[:2] = value
        write("l.tif", labels, nodata=value)
        refused = kldeval("c.npy", "l.tif", *options, "--gt-norm", "labels")
        assert refused.code == 1
        assert f"its nodata tag says {value}, and" in refused.out
        assert f"--ignore-index {value} leaves them out" in refused.out
        assert kldeval("c.npy", "l.tif", *options, "--ignore-index", str(value)).code == 0


@pytest.mark.parametrize("large", [0, 1])
@pytest.mark.parametrize("earth", ["sphere", "wgs84"])
def test_areas_come_from_the_geotransform(
    maps: tuple[Array, Array], earth: str, large: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    if large:
        monkeypatch.setattr("kldeval.data.readers.files.LARGE_FILE", 500)
        for module in ("scratch", "readers.tiff"):
            monkeypatch.setattr(f"kldeval.data.{module}.LARGE", 500)
    part = from_origin(-20, 70, 0.5, 3)
    gt = maps[1].copy()
    gt[-1] = -1
    write("p.tif", maps[0], transform=part)
    write("g.tif", gt, transform=part, nodata=-1)
    edges = np.radians(70 - 3 * np.arange(SHAPE[0] + 1))
    squared = 0.00669437999014 if earth == "wgs84" else 0.0

    def strip(a: float, b: float) -> float:
        """The area between two parallels of an ellipsoid, by integration of the element of area."""
        found = integrate.quad(
            lambda x: (1 - squared) * np.cos(x) / (1 - squared * np.sin(x) ** 2) ** 2, a, b, epsabs=1e-14
        )
        return float(found[0])

    rows = np.asarray([strip(low, high) for high, low in pairwise(edges)])
    weights = np.repeat(rows[:, None] / rows.max(), SHAPE[1], axis=1) * (gt > 0)
    expected = float(package.kld(maps[0], gt, weights=weights))
    options = ("--weights", f"area(earth={earth})", "--nodata", "tag", "-m", "kld", "--jobs", "1")
    assert score("p.tif", "g.tif", *options) == [pytest.approx(expected, rel=1e-11)]
    assert score("p.tif", "p.tif", "--weights", "area", "-m", "kld(log_eps=0)") == [0.0]


def test_labels_are_weighed_by_area() -> None:
    prob = np.random.default_rng(1).random((3, *SHAPE))
    labels = np.random.default_rng(0).integers(0, 3, SHAPE).astype(np.uint8)
    np.save("c.npy", prob)
    write("l.tif", labels, transform=from_origin(0, 60, 1, 3))
    edges = np.sin(np.radians(60.0 - 3 * np.arange(SHAPE[0] + 1)))
    rows = np.repeat((edges[:-1] - edges[1:])[:, None], SHAPE[1], axis=1)
    expected = np.average(prob.argmax(0) == labels, weights=rows)
    options = ("--axis", "0", "--norm", "softmax", "-m", "accuracy", "--weights", "area")
    assert score("c.npy", "l.tif", *options) == [pytest.approx(expected, rel=1e-12)]


def test_areas_of_the_whole_sphere_are_those_of_latitudes(maps: tuple[Array, Array]) -> None:
    write("p.tif", maps[0])
    write("g.tif", maps[1])
    both = [score("p.tif", "g.tif", "--weights", how, "-m", "kld,cc,sim") for how in ("area", "latitude")]
    assert both[0] == pytest.approx(both[1], rel=1e-11)


def test_areas_that_are_not_known_are_refused(maps: tuple[Array, Array]) -> None:
    np.save("a.npy", maps[0])
    for crs, transform, said in (
        ("EPSG:3857", WORLD, "pixels of projected coordinates (EPSG:3857) are all of one size in their own units"),
        (None, WORLD, "pixels of unknown coordinates are not known to be degrees"),
        ("EPSG:4326", WORLD @ Affine.rotation(10), "the grid is turned"),
        ("EPSG:4326", from_origin(0, 120, 1, 1), "lie between the latitudes 120 and 102, beyond a pole"),
    ):
        write("a.tif", maps[0], crs=crs, transform=transform)
        outcome = kldeval("a.tif", "a.tif", "--weights", "area")
        assert outcome.code == 1
        assert said in outcome.out, outcome.out
    assert "neither file says where its pixels lie" in kldeval("a.npy", "a.npy", "--weights", "area").out
    write("a.tif", maps[0])
    write("b.tif", maps[1][::2, ::2], transform=from_origin(-180, 90, 20, 20))
    assert kldeval("a.tif", "b.tif", "--weights", "area", "--resize", "pred-to-gt").code == 1


def test_grids_that_differ_are_refused(maps: tuple[Array, Array]) -> None:
    write("a.tif", maps[0])
    for name, options, said in (
        ("moved", {"transform": from_origin(-180, 90.5, 10, 10)}, "places a corner 0.05 pixels apart"),
        ("finer", {"transform": from_origin(-180, 90, 5, 5)}, "pixels apart"),
        ("utm", {"crs": "EPSG:32633"}, "their coordinates are EPSG:4326 and EPSG:32633"),
    ):
        write(f"{name}.tif", maps[1], **options)
        outcome = kldeval("a.tif", f"{name}.tif")
        assert outcome.code == 1
        assert f"a.tif and {name}.tif lie on other grids" in outcome.out
        assert said in outcome.out, outcome.out
        (row,) = package.evaluate("a.tif", f"{name}.tif", on_failure="ignore").failures
        assert row.code == "grids-differ"
    write("near.tif", maps[1], transform=from_origin(-180, 90.001, 10, 10))
    assert kldeval("a.tif", "near.tif").code == 0


def test_points_are_the_centres_of_pixels(maps: tuple[Array, Array]) -> None:
    write("area.tif", maps[0])
    with rasterio.open("point.tif", "w", driver="GTiff", height=18, width=36, count=1, dtype="float32",
                       crs="EPSG:4326", transform=WORLD) as dataset:  # fmt: skip
        dataset.update_tags(AREA_OR_POINT="Point")
        dataset.write(maps[1], 1)
    with rasterio.open("point.tif") as dataset:
        assert dataset.transform == WORLD
    assert kldeval("area.tif", "point.tif").code == 0


SYSTEMS = ("+proj=laea +lat_0=52 +lon_0=10", "+proj=laea +lat_0=40 +lon_0=10")


def test_systems_that_are_written_out_are_compared_by_their_meaning(
    maps: tuple[Array, Array], monkeypatch: pytest.MonkeyPatch
) -> None:
    for place, crs in enumerate(SYSTEMS):
        write(f"{place}.tif", maps[place], crs=crs)
    write("same.tif", maps[1], crs=SYSTEMS[0])
    assert kldeval("0.tif", "same.tif").code == 0
    assert "lie on other grids: their coordinates are" in kldeval("0.tif", "1.tif").out
    # one system under two citations
    data = Path("same.tif").read_bytes()
    assert b"unknown|" in data
    Path("cited.tif").write_bytes(data.replace(b"unknown|", b"Unknown|", 1))
    assert kldeval("0.tif", "cited.tif").code == 0
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "rasterio" else find(name))
    outcome = kldeval("0.tif", "cited.tif")
    assert outcome.code == 2
    assert "comparing these needs rasterio: pip install 'kldeval[geo]'" in outcome.err
    assert importlib.util.find_spec("rasterio") is None


@pytest.fixture
def classes() -> tuple[Array, Array]:
    """Probabilities of five classes (C, H, W), and labels, of which the first rows do not count."""
    found = np.random.default_rng(3).dirichlet(np.ones(5), SHAPE).transpose(2, 0, 1).astype(np.float32)
    labels = np.random.default_rng(4).integers(0, 5, SHAPE).astype(np.uint8)
    labels[:4] = 255
    return found, labels


AS_CLASSES = ("--norm", "sum-to-one", "--axis", "0", "--ignore-index", "255", "-m", "ce,accuracy")


@pytest.mark.parametrize(
    "options",
    [
        {"interleave": "pixel"},
        {"interleave": "band", "compress": "lzw", "tiled": True, "blockxsize": 16, "blockysize": 16},
    ],
    ids=["by pixel", "by band"],
)
@pytest.mark.parametrize("mark", [None, -9999.0, np.nan])
def test_bands_are_the_classes_of_a_class_map(
    classes: tuple[Array, Array], options: dict[str, Any], mark: float | None
) -> None:
    prob, labels = classes
    write("g.tif", labels, nodata=255)
    if mark is not None:
        prob[:, :4] = mark
        prob[2, :4] = 0.25  # one band without data is enough
    write("p.tif", prob, nodata=mark, **options)
    with rasterio.open("p.tif") as pred, rasterio.open("g.tif") as gt:
        values, truth = pred.read().astype(float)[:, 4:], gt.read(1)[4:]
    values /= values.sum(0)
    own = np.take_along_axis(values, truth[None].astype(int), 0)
    expected = [float(-np.log(own + 2.2204e-16).mean()), float((values.argmax(0) == truth).mean())]
    assert score("p.tif", "g.tif", *AS_CLASSES) == pytest.approx(expected, rel=1e-6)
    assert "5x18x36 float32" in kldeval("check", "p.tif", "g.tif", *AS_CLASSES[:6]).out
    if mark is not None:
        prob[1, 9, 9] = mark
        write("p.tif", prob, nodata=mark, **options)
        refused = kldeval("p.tif", "g.tif", *AS_CLASSES)
        assert refused.code == 1
        assert "and 1 pixels hold it; a class map takes no --nodata: mark such pixels in the labels" in refused.out


def test_bands_that_are_not_meant_so_are_refused(classes: tuple[Array, Array]) -> None:
    prob, labels = classes
    write("p.tif", prob)
    write("g.tif", labels, nodata=255, transform=from_origin(-170, 90, 10, 10))
    assert "lie on other grids" in kldeval("p.tif", "g.tif", *AS_CLASSES).out
    assert "--key N takes the N-th, and a class map, whose axis is named" in kldeval("p.tif", "p.tif").out
    colours = (prob[:3] * 255).astype(np.uint8)
    write("c.tif", colours)
    # three bands of bytes are classes of a prediction, and colours of a ground truth
    assert score("c.tif", write("l.tif", colours.argmax(0).astype(np.uint8)), *AS_CLASSES[:4], "-m", "accuracy") == [
        1.0
    ]
    assert "its colour channels differ" in kldeval("c.tif", "c.tif", *AS_CLASSES[:4]).out
    assert score("p.tif", "p.tif", *AS_CLASSES[:4], "-m", "kld")[0] == pytest.approx(0, abs=1e-12)  # soft labels


def test_a_band_is_chosen_by_its_number(classes: tuple[Array, Array]) -> None:
    prob, _ = classes
    write("p.tif", prob)
    for band in (1, 2, 5):
        write("g.tif", prob[band - 1])
        assert score("p.tif", "g.tif", "--pred-key", str(band), "-m", "mae") == [0.0]
    assert "it has 5 bands, and --key says band 6" in kldeval("p.tif", "g.tif", "--pred-key", "6").out
    assert "it has 1 band, and --key says band 2" in kldeval("p.tif", "g.tif", "--key", "2").out
    np.savez("p.npz", map=prob[4], other=prob[0])
    assert score("p.npz", "g.tif", "--key", "map", "-m", "mae") == [0.0]  # a name is that of the other side
    write("scaled.tif", (prob[:2] * 1000).astype(np.int16))
    with rasterio.open("scaled.tif", "r+") as dataset:
        dataset.scales, dataset.offsets = (0.001, 0.5), (0.0, 7.0)
    with rasterio.open("scaled.tif") as dataset:
        for band in (1, 2):
            expected = dataset.read(band) * dataset.scales[band - 1] + dataset.offsets[band - 1]
            assert np.array_equal(read_map(Path("scaled.tif"), key=str(band)).array, expected)


def test_a_large_compressed_raster_is_read_from_its_file(
    maps: tuple[Array, Array], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process that decodes it is told its path: its bytes on both sides of a pipe would be in memory five times."""
    write("a.tif", maps[0], compress="deflate")
    monkeypatch.setattr("kldeval.data.readers.files.LARGE_FILE", 500)
    asked, questions = resolve_name("kldeval.data.readers.apart._answer_of"), []

    def noted(child: Any, question: bytes) -> Any:
        questions.append(len(question))
        return asked(child, question)

    monkeypatch.setattr("kldeval.data.readers.apart._answer_of", noted)
    assert np.array_equal(read_map(Path("a.tif")).array, maps[0])
    assert len(questions) == 1
    assert questions[0] < Path("a.tif").stat().st_size
