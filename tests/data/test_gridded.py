"""NetCDF and zarr: the numbers of xarray, maps by their times, and grids that agree."""

from __future__ import annotations

import importlib.util
import json
import pickle
import zipfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from command_line import kldeval, score
from late import late
from reading import read_map

import kldeval as package
from kldeval.errors import UnreadableMap

torch = late("torch")

h5py = late("h5py")
xarray = late("xarray")
zarr = late("zarr")

Array = np.ndarray[Any, Any]

LATITUDES, LONGITUDES = np.linspace(-70, 80, 7), np.arange(0, 360, 60.0)
EPS = 2.2204e-16


def dataset(
    seed: int, *, times: int = 3, shift: float = 0, units: str = "days since 2000-01-01", gaps: bool = True
) -> Any:
    values = np.random.default_rng(seed).random((times, 7, 6)).astype(np.float32) + np.float32(0.1)
    if gaps:
        values[:, :2] = np.nan
    coordinates = {
        "time": ("time", np.arange(float(times)) + shift, {"units": units}),
        "lat": ("lat", LATITUDES, {"units": "degrees_north"}),
        "lon": ("lon", LONGITUDES, {"units": "degrees_east"}),
    }
    return xarray.Dataset(
        {"tas": (("time", "lat", "lon"), values), "pr": (("time", "lat", "lon"), values[::-1])}, coordinates
    )


def save(data: Any, name: str, **encoding: Any) -> str:
    """A data set as NetCDF 4, as NetCDF 3 where the name says so, or as zarr."""
    if name.endswith(".zarr"):
        data.to_zarr(name, mode="w", consolidated=False)
    else:
        data.to_netcdf(name, engine="scipy" if "3" in name else "h5netcdf", encoding=encoding)
    return name


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def expected(pred: Any, gt: Any, weights: Any) -> list[float]:
    """The divergence of every time by xarray's own weighted sums."""
    found = []
    for p, q in zip(pred.astype(float), gt.astype(float), strict=True):
        there = q.notnull()
        weighted = [one / (one.where(there) * weights).sum() for one in (p, q)]
        terms = weighted[1] * np.log(EPS + weighted[1] / (weighted[0] + EPS))
        found.append(float((terms * weights).where(there).sum()))
    return found


@pytest.mark.parametrize("gt", ["g.nc", "g3.nc", "g.zarr"])
@pytest.mark.parametrize("how", ["latitude", "none"])
def test_numbers_are_those_of_xarray(gt: str, how: str) -> None:
    pred, truth = dataset(1), dataset(2)
    save(pred, "p.nc", tas={"_FillValue": -9999.0, "dtype": "float32"})
    save(truth, gt)
    weights = np.cos(np.radians(pred.lat)) if how == "latitude" else xarray.ones_like(pred.lat)
    weighted = how if how != "none" else None
    nodata = "tag" if gt != "g3.nc" else "nan"
    found = package.evaluate("p.nc", gt, var="tas", nodata=nodata, metric="kld", weights=weighted)
    assert [one.name for one in found.scores] == ["2000-01-01", "2000-01-02", "2000-01-03"]
    assert [one.values["kld"] for one in found.scores] == pytest.approx(
        expected(pred["tas"], truth["tas"], weights), rel=1e-12
    )


def test_packed_values_are_unpacked() -> None:
    data = dataset(1)[["tas"]]
    save(data, "p.nc", tas={"dtype": "int16", "scale_factor": 0.001, "add_offset": 1.0, "_FillValue": -32768})
    save(data.isel(time=[1]), "one.nc", tas={"dtype": "int16", "scale_factor": 0.001, "_FillValue": -1})
    with xarray.open_dataset("one.nc", engine="h5netcdf", decode_times=False) as opened:
        assert np.array_equal(read_map(Path("one.nc")).array, opened["tas"].values[0], equal_nan=True)
    with h5py.File("p.nc") as raw:
        assert raw["tas"].dtype == np.int16
    with xarray.open_dataset("p.nc", engine="h5netcdf", decode_times=False) as opened:
        values = opened["tas"].astype(float)
    report = package.evaluate("p.nc", "p.nc", nodata="tag", metric="entropy-gt")
    totals = [one / one.sum() for one in values]
    entropies = [float(-(one * np.log(one)).sum()) for one in totals]
    assert [one.values["entropy-gt"] for one in report.scores] == pytest.approx(entropies, rel=1e-12)


def test_areas_come_from_bounds_or_from_the_middles() -> None:
    pred, truth = dataset(1, gaps=False)[["tas"]], dataset(2, gaps=False)[["tas"]]
    save(pred, "p.nc")
    save(truth, "g.nc")
    edges = np.concatenate([[-82.5], (LATITUDES[1:] + LATITUDES[:-1]) / 2, [90.0]])
    weights = xarray.DataArray(np.diff(np.sin(np.radians(edges))), dims="lat")
    assert score("p.nc", "g.nc", "--weights", "area", "-m", "kld(log_eps=0)") == [
        pytest.approx(np.mean(expected(pred["tas"], truth["tas"], weights)), rel=1e-9)
    ]
    said = np.asarray([-90, -60, -30, 0, 20, 40, 60, 90.0])
    for data, name in ((pred, "p.nc"), (truth, "g.nc")):
        data["lat"].attrs["bounds"] = "lat_bnds"
        save(data.assign(lat_bnds=(("lat", "bnds"), np.stack([said[:-1], said[1:]], 1))), name)
    weights = xarray.DataArray(np.diff(np.sin(np.radians(said))), dims="lat")
    assert score("p.nc", "g.nc", "--weights", "area", "-m", "kld(log_eps=0)") == [
        pytest.approx(np.mean(expected(pred["tas"], truth["tas"], weights)), rel=1e-9)
    ]


def test_a_variable_is_named_where_there_are_several() -> None:
    save(dataset(1, times=2, gaps=False), "p.nc")
    save(dataset(2, times=2, gaps=False), "g.zarr")
    refused = kldeval("p.nc", "g.zarr")
    assert refused.code == 2
    assert "p.nc: it holds 2 variables ('pr', 'tas'); choose one with --var" in refused.err
    both = [score("p.nc", "g.zarr", "--var", name, "-m", "kld")[0] for name in ("tas", "pr")]
    assert score("p.nc", "g.zarr", "--pred-var", "tas", "--gt-var", "tas", "-m", "kld") == both[:1]
    assert score("p.nc", "g.zarr", "--key", "pr", "-m", "kld") == both[1:]
    assert "it holds no variable 'none'; it holds 'pr', 'tas'" in kldeval("p.nc", "g.zarr", "--var", "none").err
    assert "2 of 6x7 float32" in kldeval("check", "p.nc", "g.zarr", "--var", "tas").out


def test_single_maps_stand_in_folders_and_beside_other_files() -> None:
    pred, truth = (dataset(seed, gaps=False)["tas"].isel(time=1, drop=True).to_dataset() for seed in (1, 2))
    for side, data in (("pred", pred), ("gt", truth)):
        Path(side).mkdir()
        save(data, f"{side}/a.nc")
    arrays = [data["tas"].values for data in (pred, truth)]
    found = [float(package.kld(*(array.astype(float) for array in arrays)))]
    assert score("pred", "gt", "-m", "kld") == [pytest.approx(found[0], rel=1e-12)]
    np.save("gt.npy", arrays[1])
    assert score("pred/a.nc", "gt.npy", "-m", "kld") == score("pred", "gt", "-m", "kld")
    save(pred.transpose("lon", "lat"), "turned.nc")
    assert score("turned.nc", "gt/a.nc", "-m", "kld") == score("pred", "gt", "-m", "kld")
    with zipfile.ZipFile("pred.zip", "w") as archive:
        archive.write("pred/a.nc", "a.nc")
    assert score("pred.zip", "gt", "-m", "kld") == score("pred", "gt", "-m", "kld")
    save(dataset(1, gaps=False)[["tas"]], "pred/a.nc")
    with zipfile.ZipFile("pred.zip", "w") as archive:
        archive.write("pred/a.nc", "a.nc")
    assert (
        "pred.zip/a.nc: its variable 'tas' holds several maps (3 time); give the file" in kldeval("pred.zip", "gt").out
    )


def test_files_of_several_maps_stand_in_folders_as_folders_of_these() -> None:
    for side, seed in (("pred", 1), ("gt", 4)):
        Path(side).mkdir()
        for place, name in enumerate(("a.nc", "b.zarr", "c3.nc")):
            save(dataset(seed + place, times=2, gaps=False), f"{side}/{name}")
    found = package.evaluate("pred", "gt", var="tas")
    assert [one.name for one in found.scores][:3] == ["a/2000-01-01", "a/2000-01-02", "b/2000-01-01"]
    alone = [package.evaluate(f"pred/{name}", f"gt/{name}", var="tas") for name in ("a.nc", "b.zarr", "c3.nc")]
    values = [[one.values for one in report.scores] for report in (found, *alone)]
    assert values[0] == [*values[1], *values[2], *values[3]]
    assert "6 pairs can be scored, 0 problems" in kldeval("check", "pred", "gt", "--var", "tas").out
    Path("pred/b.zarr/tas/.zarray").unlink(missing_ok=True)
    Path("pred/b.zarr/tas/zarr.json").unlink(missing_ok=True)
    broken = kldeval("pred", "gt", "--var", "tas")
    assert broken.code == 1
    assert broken.out.count("no-partner") == 0
    assert "the ground truth gt/b.zarr/2000-01-01 has no prediction" in broken.out


def test_a_path_leads_into_files_and_their_groups() -> None:
    pred, truth = (dataset(seed, times=2, gaps=False) for seed in (1, 2))
    whole = []
    for name in ("p.nc", "p3.nc", "p.zarr"):
        save(pred, name)
        save(truth, name.replace("p", "g", 1))
        whole.append(score(f"{name}/tas", f"{name.replace('p', 'g', 1)}/tas", "-m", "kld"))
    assert whole == [score("p.nc", "g.nc", "--var", "tas", "-m", "kld")] * 3
    one = [package.evaluate("p.nc", "g.nc", var="tas").scores[1].values["kld"]]
    for inside in ("tas/2000-01-02", "tas/001"):
        assert score(f"p.nc/{inside}", f"g.zarr/{inside}", "-m", "kld") == one
    assert score("p.nc/2000-01-02", "g.zarr/tas/2000-01-02", "--var", "tas", "-m", "kld") == one
    refused = kldeval("p.nc/tas/2001-01-02", "g.nc/tas")
    assert refused.code == 2
    assert "p.nc holds no map '2001-01-02'; it holds '2000-01-01', '2000-01-02'" in refused.err
    Path("pairs.csv").write_text("pred,gt\np.zarr/tas/2000-01-02,g.nc/tas/001\np.zarr/tas,g.nc/pr/000\n")
    listed = kldeval("--manifest", "pairs.csv", "-m", "kld", "--format", "csv")
    assert listed.code == 1
    assert f"{one[0]!r}" in listed.out
    assert "p.zarr/tas is a folder of 2 maps" in listed.out + listed.err
    for side, data in (("p", pred), ("g", truth)):
        for name, options in (
            (f"{side}.nc", {"mode": "a", "engine": "h5netcdf"}),
            (f"{side}.zarr", {"mode": "a", "consolidated": False}),
        ):
            method = data.to_netcdf if name.endswith("nc") else data.to_zarr
            method(name, group="run/late", **options)
    grouped = [score(f"p.{kind}/run/late/pr", f"g.{kind}/pr", "-m", "kld") for kind in ("nc", "zarr")]
    assert grouped == [score("p.nc", "g.nc", "--var", "run/late/pr", "-m", "kld")] * 2
    assert "it holds 4 variables ('pr', 'run/late/pr', 'run/late/tas'" in kldeval("p.nc", "g.nc").err


def test_maps_are_called_by_their_coordinates_where_both_sides_say_them() -> None:
    data = dataset(1, gaps=False)[["tas"]]
    save(data.isel(time=[2, 1]), "p.nc")
    save(dataset(2, gaps=False)[["tas"]], "g.nc")
    found = package.evaluate("p.nc", "g.nc", allow_missing=True)
    assert [one.name for one in found.scores] == ["2000-01-02", "2000-01-03"]
    assert [one.values for one in found.scores] == [
        one.values for one in package.evaluate("p.nc", "g.nc/tas", allow_missing=True).scores
    ]
    save(data.drop_vars("time"), "p.nc")
    assert [one.name for one in package.evaluate("p.nc", "g.nc").scores] == ["000", "001", "002"]
    hours = data.assign_coords(time=("time", [0.0, 6.5, 24.0], {"units": "hours since 1999-12-31"}))
    save(hours, "p.nc")
    assert [one.name for one in package.evaluate("p.nc", "p.nc").scores] == [
        "1999-12-31",
        "1999-12-31T0630",
        "2000-01-01",
    ]
    for coordinates, names in (
        (["x", "y/z", "w"], ["000", "001", "002"]),
        (["x", "y", "x"], ["000", "001", "002"]),
        (["c", "a", "b"], ["a", "b", "c"]),
        ([850.0, 0.1, 1e-9], ["0.1", "1e-09", "850"]),
        ([850, 500, 1000], ["1000", "500", "850"]),
    ):
        save(data.assign_coords(time=("time", coordinates)), "p.nc")
        assert [one.name for one in package.evaluate("p.nc", "p.nc").scores] == names


def test_a_zipped_store_and_arrays_without_names_of_axes() -> None:
    truth = dataset(2, times=2, gaps=False)
    save(truth, "g.zarr")
    with zipfile.ZipFile("g.zarr.zip", "w") as archive:
        for path in sorted(Path("g.zarr").rglob("*")):
            archive.write(path, path.relative_to("g.zarr"))
    save(dataset(1, times=2, gaps=False), "p.nc")
    assert score("p.nc", "g.zarr.zip", "--var", "tas") == score("p.nc", "g.zarr", "--var", "tas")
    assert score("p.nc/tas", "g.zarr.zip/tas") == score("p.nc", "g.zarr", "--var", "tas")
    values = truth["tas"].values
    for version in (2, 3):
        zarr.save(f"bare{version}.zarr", values, zarr_format=version)
        assert score("p.nc", f"bare{version}.zarr", "--pred-var", "tas") == score("p.nc", "g.zarr", "--var", "tas")
        zarr.open_group(f"deep{version}.zarr", mode="w", zarr_format=version).create_group("a")["b"] = values[0]
        assert score("p.nc/tas/000", f"deep{version}.zarr/a/b") == score("p.nc/tas/000", "g.zarr/tas/000")
    Path("maps.zarr").mkdir()
    np.save("maps.zarr/a.npy", values[0])  # a folder that is only called so
    assert score("maps.zarr", "maps.zarr", "-m", "mae") == [0.0]


def test_nothing_in_a_zarr_store_is_executed(folder: Path) -> None:
    store = zarr.open_group("p.zarr", mode="w", zarr_format=2)
    store["tas"] = np.ones((3, 4))
    for codec in ("filters", "compressor"):
        found = json.loads(Path("p.zarr/tas/.zarray").read_text())
        found |= {"dtype": "|O", codec: [{"id": "pickle"}] if codec == "filters" else {"id": "pickle"}}
        Path("p.zarr/tas/.zarray").write_text(json.dumps(found))
        ran = folder / "ran"
        Path("p.zarr/tas/0.0").write_bytes(pickle.dumps(Runs(str(ran))))
        outcome = kldeval("p.zarr", "p.zarr")
        assert outcome.code == 2
        assert len(outcome.err.splitlines()) == 1
        assert not ran.exists()


class Runs:
    """What makes a file when it is unpickled."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (Path(self.path),)


def test_levels_and_times_count_maps_together() -> None:
    values = np.random.default_rng(0).random((2, 3, 7, 6))
    data = xarray.Dataset({"t": (("time", "level", "lat", "lon"), values)}, {"lat": LATITUDES, "lon": LONGITUDES})
    save(data, "p.nc")
    report = package.evaluate("p.nc", "p.nc")
    assert [one.name for one in report.scores] == [f"{time:03d}/{level:03d}" for time in range(2) for level in range(3)]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda data: data.isel(lat=slice(None, None, -1)),
            "from -70 to 80 and 7 from 80 to -70; one runs the other way",
        ),
        (lambda data: data.assign_coords(lon=data.lon - 180), "6 from 0 to 300 and 6 from -180 to 120"),
        (lambda data: data.isel(lat=slice(6)), "their lat are 7 from -70 to 80 and 6 from -70 to 55"),
    ],
    ids=["flipped", "shifted", "smaller"],
)
def test_grids_and_times_that_differ_are_refused(change: Any, said: str) -> None:
    save(dataset(1), "p.nc")
    save(change(dataset(2)), "g.nc")
    outcome = kldeval("p.nc", "g.nc", "--var", "tas", "--nodata", "nan")
    assert outcome.code == 1
    assert "p.nc/2000-01-01 and g.nc/2000-01-01 lie on other grids" in outcome.out
    assert said in outcome.out, outcome.out


def test_maps_of_other_times_do_not_meet() -> None:
    save(dataset(1, gaps=False), "p.nc")
    save(dataset(2, gaps=False, shift=1), "g.nc")
    outcome = kldeval("p.nc", "g.nc", "--var", "tas")
    assert outcome.code == 1
    assert "the prediction p.nc/2000-01-01 has no ground truth" in outcome.out
    single = kldeval("p.nc/tas/000", "g.nc/tas/000")
    assert single.code == 1
    assert "one is of time 2000-01-01T00:00:00.000000000, the other of time 2000-01-02" in single.out


def test_times_in_other_units_are_the_same_times() -> None:
    save(dataset(1), "p.nc")
    later = dataset(2, units="hours since 2000-01-01")
    save(later.assign_coords(time=("time", np.arange(3.0) * 24, {"units": "hours since 2000-01-01"})), "g.nc")
    assert kldeval("p.nc", "g.nc", "--var", "tas", "--nodata", "nan").code == 0


def test_missing_values_are_said() -> None:
    save(dataset(1), "p.nc", tas={"_FillValue": -9999.0})
    outcome = kldeval("p.nc", "p.nc", "--var", "tas")
    assert outcome.code == 1
    assert "p.nc/2000-01-01: its nodata tag says nan, and 12 pixels hold it: --nodata nan" in outcome.out


def test_weights_that_are_not_known_are_refused() -> None:
    data = xarray.Dataset({"t": (("y", "x"), np.ones((3, 4)))}, {"y": [1.0, 2, 3], "x": [1.0, 2, 3, 4]})
    save(data, "p.nc")
    for how, said in (
        ("latitude", "the coordinates y, x are not known"),
        ("area", "pixels of unknown coordinates (y, x)"),
    ):
        assert said in kldeval("p.nc", "p.nc", "--weights", how).out
    save(dataset(1, gaps=False), "g.nc")
    assert "leave out rows" in kldeval("g.nc", "g.nc", "--var", "tas", "--weights", "latitude(rows=ends)").out


def test_curved_grids_are_told_apart() -> None:
    rows, columns = np.mgrid[:5.0, :6.0]
    places = {"lat": (("y", "x"), rows), "lon": (("y", "x"), columns)}
    data = xarray.Dataset({"t": (("y", "x"), np.random.default_rng(0).random((5, 6)))}, places)
    save(data, "p.nc")
    save(data.assign_coords(lat=(("y", "x"), rows + 1e-6)), "near.nc")
    save(data.assign_coords(lat=(("y", "x"), rows * 2)), "far.nc")
    assert kldeval("p.nc", "near.nc").code == 0
    assert "lie on other grids: one is of lat " in kldeval("p.nc", "far.nc").out
    for how in ("latitude", "area"):
        assert kldeval("p.nc", "p.nc", "--weights", how).code == 1


def test_damaged_and_hostile_files_are_refused(folder: Path) -> None:
    save(dataset(1), "p.nc")
    data = Path("p.nc").read_bytes()
    for name, found in {"short.nc": data[: len(data) // 3], "text.nc": b"no NetCDF", "empty.nc": b""}.items():
        Path(name).write_bytes(found)
        outcome = kldeval(name, "p.nc", "--var", "tas")
        assert outcome.code == 2
        assert outcome.err.startswith(f"kldeval: {name}: ")
        assert len(outcome.err.splitlines()) == 1
    Path("no.zarr").mkdir()
    assert kldeval("no.zarr", "p.nc", "--var", "tas").code == 2
    with h5py.File("linked.nc", "w") as file:
        file["tas"] = h5py.ExternalLink(str(folder / "p.nc"), "/tas")
    assert "is a link or lies in another file" in kldeval("linked.nc", "p.nc", "--var", "tas").err
    with h5py.File("outside.nc", "w") as file:
        file.create_dataset("tas", (7, 6), "<f4", external=[("p.nc", 0, h5py.h5f.UNLIMITED)])
    assert "is a link or lies in another file" in kldeval("outside.nc", "p.nc", "--var", "tas").err
    assert "are more than --max-pixels 20" in kldeval("p.nc", "p.nc", "--var", "tas", "--max-pixels", "20").out


GRIDDED = Path(__file__).parents[1] / "hostile" / "gridded"


def test_lengths_that_lead_out_of_a_header_are_refused_before_memory_is_asked_for(folder: Path) -> None:
    """A header of 20 bytes made the library ask for a gigabyte; every word of a sound one is made too large."""
    for path in sorted(GRIDDED.iterdir()):
        (folder / "damaged.nc").write_bytes(path.read_bytes())
        outcome = kldeval("damaged.nc", "damaged.nc")
        assert outcome.code == 2
        assert "entries where 4 bytes are left" in outcome.err
    save(dataset(1).isel(time=0), "p3.nc")
    data = Path("p3.nc").read_bytes()
    assert "tas" not in kldeval("p3.nc", "p3.nc", "--var", "tas", "--nodata", "nan").err
    assert kldeval("p3.nc", "p3.nc", "--var", "tas", "--nodata", "nan").code == 0
    for place in range(4, data.index(b"tas"), 4):
        Path("damaged.nc").write_bytes(data[:place] + b"\x7f\xff\xff\xff" + data[place + 4 :])
        outcome = kldeval("damaged.nc", "p3.nc", "--var", "tas", "--score-only")
        assert outcome.code in (0, 1, 2)
        assert "too large for the memory" not in outcome.err + outcome.out
    Path("wide.nc").write_bytes(b"CDF\x05" + data[4:])
    assert "NetCDF of version 5, with wide lengths" in kldeval("wide.nc", "p3.nc", "--var", "tas").err


def test_without_the_libraries_a_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    save(dataset(1), "p.nc")
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "xarray" else find(name))
    outcome = kldeval("p.nc", "p.nc", "--var", "tas")
    assert outcome.code == 2
    assert "xarray, which is not installed: pip install 'kldeval[xarray]'" in outcome.err


def test_a_zarr_store_is_one_file_to_digests_and_is_read_again_where_it_changed() -> None:
    save(dataset(1, times=2, gaps=False), "p.nc")
    save(dataset(2, times=2, gaps=False), "g.zarr")
    arguments = ("p.nc", "g.zarr", "--var", "tas", "-m", "kld")
    assert kldeval(*arguments, "--digests", "--output", "report.json").code == 0
    assert "2 of 2 numbers agree in every digit" in kldeval("reproduce", "report.json").out
    before = score(*arguments, "--cache", "kept")
    rows = {path: path.read_bytes() for path in Path("kept").rglob("*.jsonl")}
    assert score(*arguments, "--cache", "kept") == before
    assert {path: path.read_bytes() for path in Path("kept").rglob("*.jsonl")} == rows != {}
    save(dataset(3, times=2, gaps=False), "g.zarr")
    after = score(*arguments, "--cache", "kept")
    assert after != before
    assert after == score(*arguments)
    assert "differ" in kldeval("reproduce", "report.json").out


def test_libraries_of_other_formats_leave_the_memory_of_a_file() -> None:
    """Those of all formats take two gigabytes of address space together, in the one process that reads them."""
    save(dataset(1, gaps=False), "p.nc")
    save(dataset(1, gaps=False), "p.zarr")
    torch.save(torch.ones(4, 5), "p.pt")
    cv2.imwrite("p.hdr", np.ones((4, 5, 3), np.float32))
    for name in ("p.nc", "p.zarr", "p.pt", "p.hdr"):
        outcome = kldeval(name, name, *(["--var", "tas"] if name in {"p.nc", "p.zarr"} else []), "-m", "kld")
        assert (outcome.code, outcome.err) == (0, ""), (name, outcome)
    damaged = Path(__file__).parents[1] / "hostile" / "images" / "damaged_lzw_u8.tif"
    with pytest.raises(UnreadableMap, match="a strip or tile of the TIFF cannot be decoded"):
        read_map(damaged)  # with what imports dask, exceptions are pickled with their causes, which this one's is not
