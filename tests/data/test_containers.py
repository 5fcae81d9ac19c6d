"""Files that hold many maps stand where folders do: the same numbers, signatures and refusals."""

from __future__ import annotations

import importlib.util
import io
import json
import lzma
import os
import struct
import tarfile
import zipfile
import zlib
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest
from backports import zstd
from command_line import kldeval, score
from late import late
from many import adds_at_most, as_many
from reading import another_child

import kldeval as package

if TYPE_CHECKING:
    from collections.abc import Callable

    Array = np.ndarray[Any, Any]
    Arrays = dict[str, Array]

torch = late("torch")

h5py = late("h5py")
matlab = late("scipy.io")
special = late("scipy.special")

NAMES = ("a", "b", "v/x")


@pytest.fixture(autouse=True)
def maps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Arrays:
    """Predictions as .npy in the folder `pred`, ground truths as PNG in `gt`; the predictions by name."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(5)
    found = {}
    for name in NAMES:
        found[name] = rng.random((6, 9)).astype(np.float32) + np.float32(0.1)
        for side in ("pred", "gt"):
            Path(side, name).parent.mkdir(parents=True, exist_ok=True)
        np.save(f"pred/{name}.npy", found[name])
        assert cv2.imwrite(f"gt/{name}.png", rng.integers(1, 256, (6, 9), dtype=np.uint8))
    return found


def zipped(arrays: Arrays, method: int = zipfile.ZIP_DEFLATED) -> str:
    with zipfile.ZipFile("maps.zip", "w", method) as archive:
        for name in arrays:
            archive.write(f"pred/{name}.npy", f"{name}.npy")
        archive.writestr("__MACOSX/._a.npy", b"left behind")
        archive.writestr(".hidden.npy", b"hidden")
    return "maps.zip"


def tarred(arrays: Arrays) -> str:
    with tarfile.open("maps.tar", "w") as archive:
        for name in arrays:
            archive.add(f"pred/{name}.npy", f"./{name}.npy")
    return "maps.tar"


def packed(arrays: Arrays, suffix: str) -> str:
    name = f"maps.{suffix}"
    mode: Any = f"w:{suffix.rpartition('.')[2].removeprefix('t')}"
    with tarfile.open(name, mode) as archive:
        archive.addfile(tarfile.TarInfo("README.txt"))
        for member in arrays:
            archive.add(f"pred/{member}.npy", f"./{member}.npy")
    return name


def zstandard(tar: str) -> str:
    Path(f"{tar}.zst").write_bytes(zstd.compress(Path(tar).read_bytes()))
    return f"{tar}.zst"


def in_zip(arrays: Arrays, suffix: str, save: Callable[[Any, Any], Any]) -> str:
    with zipfile.ZipFile("maps.zip", "w") as archive:
        for name, array in arrays.items():
            file = io.BytesIO()
            save(file, array)
            archive.writestr(f"{name}{suffix}", file.getvalue())
    return "maps.zip"


def save_hdf5(file: Any, array: Any) -> None:
    with h5py.File(file, "w") as open_file:
        open_file["map"] = array


def save_safetensors(file: Any, array: Any) -> None:
    safetensors({"map": array})
    file.write(Path("maps.safetensors").read_bytes())


def save_exr(file: Any, array: Any) -> None:
    import OpenEXR

    OpenEXR.File({"type": OpenEXR.scanlineimage}, {"Y": array}).write("one.exr")
    file.write(Path("one.exr").read_bytes())


def in_zip_of_windows(arrays: Arrays) -> str:
    with zipfile.ZipFile("maps.zip", "w") as archive:
        for name in arrays:
            entry = zipfile.ZipInfo("x")
            entry.filename = f"{name}.npy".replace("/", "\\")
            archive.writestr(entry, Path(f"pred/{name}.npy").read_bytes())
    return "maps.zip"


def matlab_stack(arrays: Arrays) -> str:
    names = np.asarray(list(arrays), dtype=object)
    matlab.savemat("maps.mat", {"S": np.stack(list(arrays.values()), axis=-1), "names": names, "version": 3})
    return "maps.mat"


def hdf5(arrays: Arrays, suffix: str = "") -> str:
    with h5py.File("maps.h5", "w") as file:
        for name, array in arrays.items():
            file.create_dataset(f"{name}{suffix}", data=array, compression="gzip")
    return "maps.h5"


def hdf5_stack(arrays: Arrays) -> str:
    with h5py.File("maps.hdf5", "w") as file:
        file["saliency"] = np.stack(list(arrays.values()))
        file["names"] = list(arrays)
    return "maps.hdf5"


def npz(arrays: Arrays, save: Callable[..., None] = np.savez_compressed) -> str:
    save("maps.npz", **arrays)
    return "maps.npz"


def npz_stack(arrays: Arrays, axis: int = 0) -> str:
    np.savez("maps.npz", maps=np.stack(list(arrays.values()), axis), names=np.asarray(list(arrays)))
    return "maps.npz"


def torch_file(arrays: Arrays) -> str:
    torch.save({name: torch.from_numpy(array) for name, array in arrays.items()}, "maps.pt")
    return "maps.pt"


def safetensors(arrays: Arrays, dtype: str = "F32") -> str:
    header, values = {}, b""
    for name, array in arrays.items():
        data = array.tobytes()
        header[name] = {
            "dtype": dtype,
            "shape": array.shape,
            "data_offsets": (len(values), len(values) + len(data)),
        }
        values += data
    text = json.dumps({"__metadata__": {"made": "here"}, **header}).encode()
    Path("maps.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + values)
    return "maps.safetensors"


CONTAINERS: dict[str, Callable[[Arrays], str]] = {
    "zip": zipped,
    "zip, stored": lambda arrays: zipped(arrays, zipfile.ZIP_STORED),
    "tar": tarred,
    "HDF5": hdf5,
    "HDF5 of pysaliency": lambda arrays: hdf5(arrays, ".jpg"),
    "HDF5, one array": hdf5_stack,
    "npz": npz,
    "npz, stored": lambda arrays: npz(arrays, np.savez),
    "npz, one array": npz_stack,
    "npz, one array (H, W, N)": lambda arrays: npz_stack(arrays, axis=-1),
    "MATLAB, one array (H, W, N)": matlab_stack,
    "tar.zst": lambda arrays: zstandard(tarred(arrays)),
    **{f"tar.{suffix}": partial(packed, suffix=suffix) for suffix in ("tar.gz", "tgz", "tar.bz2", "tar.xz", "txz")},
    "zip of .npz": lambda arrays: in_zip(arrays, ".npz", np.savez),
    "zip of .mat": lambda arrays: in_zip(arrays, ".mat", lambda file, array: matlab.savemat(file, {"m": array})),
    "zip of .pt": lambda arrays: in_zip(arrays, ".pt", lambda file, array: torch.save(torch.from_numpy(array), file)),
    "zip of .h5": lambda arrays: in_zip(arrays, ".h5", save_hdf5),
    "zip of .safetensors": lambda arrays: in_zip(arrays, ".safetensors", save_safetensors),
    "zip of .exr": lambda arrays: in_zip(arrays, ".exr", save_exr),
    "zip of Windows": in_zip_of_windows,
    "torch": torch_file,
    "safetensors": safetensors,
}


def report(*arguments: str) -> dict[str, Any]:
    """By this process alone, unless told otherwise: workers would import anew what reads a format."""
    outcome = kldeval("--jobs", "1", *arguments, "--format", "json")
    assert outcome.code in (0, 1), outcome.err
    document: dict[str, Any] = json.loads(outcome.out)
    return document


@pytest.mark.parametrize("kind", CONTAINERS)
def test_a_container_scores_as_the_folder_of_its_maps(maps: Arrays, kind: str) -> None:
    container = CONTAINERS[kind](maps)
    found, expected = report(container, "gt"), report("pred", "gt")
    assert {key: found[key] for key in ("signature", "summary", "maps", "failures")} == {
        key: expected[key] for key in ("signature", "summary", "maps", "failures")
    }
    checked = kldeval("check", container, "gt", "--pairs")
    assert checked.code == 0
    assert f"{container}/v/x" in checked.out
    assert "3 pairs can be scored, 0 problems" in checked.out


@pytest.mark.parametrize("kind", CONTAINERS)
def test_a_container_that_changed_is_read_again(maps: Arrays, kind: str) -> None:
    """In one process: what is kept of a file is let go when other bytes of the same size and time stand there."""
    container = CONTAINERS[kind](maps)
    before, times = package.evaluate(f"{container}/a", "gt/a.png"), Path(container).stat()  # a suffix may be left out
    for name, array in maps.items():
        maps[name] = array[::-1].copy()
        np.save(f"pred/{name}.npy", maps[name])
    assert CONTAINERS[kind](maps) == container
    os.utime(container, ns=(times.st_atime_ns, times.st_mtime_ns))
    after, fresh = package.evaluate(f"{container}/a", "gt/a.png"), package.evaluate("pred/a.npy", "gt/a.png")
    assert after["kld"].mean == fresh["kld"].mean != before["kld"].mean


def test_a_matlab_file_of_several_maps(maps: Arrays) -> None:
    matlab.savemat("maps.mat", {"a": maps["a"], "b": maps["b"], "note": "text"})
    found, expected = (report(pred, "gt", "--allow-missing") for pred in ("maps.mat", "pred"))
    assert found["maps"] == [row for row in expected["maps"] if row["name"] != "v/x"]


def test_both_sides_may_be_containers(maps: Arrays) -> None:
    expected = score("pred", "gt")
    with zipfile.ZipFile("gt.zip", "w") as archive:
        for name in NAMES:
            archive.write(f"gt/{name}.png", f"{name}.png")
    assert score(zipped(maps), "gt.zip") == score("pred", "gt.zip") == score(hdf5(maps), "gt.zip") == expected
    assert score(zipped(maps), "gt.zip", "--jobs", "2") == expected


def test_models_may_be_containers(maps: Arrays) -> None:
    found = report(zipped(maps), torch_file({name: array**2 for name, array in maps.items()}), "pred", "gt")
    means = [one["summary"]["kld"]["mean"] for one in found["reports"].values()]
    assert means[0] == means[2] != means[1]


def test_a_container_in_the_library(maps: Arrays) -> None:
    assert package.evaluate(zipped(maps), "gt").summaries == package.evaluate("pred", "gt").summaries


def test_one_map_stands_for_all_of_a_container(maps: Arrays) -> None:
    zipped(maps)
    assert len(report("gt/a.png", "maps.zip")["maps"]) == len(NAMES)


def test_templates_and_exclusions_hold_within_a_container(maps: Arrays) -> None:
    with zipfile.ZipFile("maps.zip", "w") as archive:
        for name in maps:
            archive.write(f"pred/{name}.npy", f"submission/{name}_pred.npy")
        archive.writestr("submission/readme.txt", "none")
    missing = kldeval("maps.zip", "gt")
    assert (missing.code, "--pred-name" in missing.err) == (2, True)
    document = report("maps.zip", "gt", "--pred-name", "submission/{name}_pred", "--exclude", "v")
    assert [row["name"] for row in document["maps"]] == ["a", "b"]


def test_the_sidecars_of_densities_are_read_in_archives(maps: Arrays) -> None:
    Path("fixations.csv").write_text("name,x,y\na,3,4\nb,2,2\nv/x,1,1\n")
    assert kldeval("density", "fixations.csv", "made", "--sigma", "1", "--size", "9x6").code == 0
    with zipfile.ZipFile("made.zip", "w") as archive, tarfile.open("made.tar", "w") as tar:
        for path in Path("made").rglob("*.*"):
            archive.write(path, path.relative_to("made"))
            tar.add(path, str(path.relative_to("made")))
    expected = report("pred", "made")["signature"]
    assert "density:gaussian(sigma=1" in expected["kld"]
    assert [report("pred", made)["signature"] for made in ("made.zip", "made.tar")] == [expected, expected]
    assert maps


# of very many members


def an_archive_of_all_sorts(target: str, maps: Arrays) -> None:
    """Maps out of order, sidecars, files of other kinds, hidden ones, paths that lead out, folders, links."""
    files = {f"{name}.npy": Path(f"pred/{name}.npy").read_bytes() for name in reversed(maps)}
    files |= {f"{name}.json": b"{}" for name in maps} | {"read me.txt": b"", ".hidden.npy": b"", "../out.npy": b""}
    if target.endswith(".npz"):
        np.savez(target, **dict(reversed(maps.items())))  # type: ignore[arg-type]  # as its stub has it
    elif target.endswith(".zip"):
        Path(target).write_bytes(b"#!/bin/sh\n")  # what unpacks itself begins with a program
        with zipfile.ZipFile(target, "a", zipfile.ZIP_DEFLATED) as archive:
            archive.mkdir("v")
            for name, data in files.items():
                archive.writestr(name.replace("/", "\\"), data)
            archive.comment = b"made by hand"
    else:
        with tarfile.open(target, "w") as archive:
            archive.addfile(tarfile.TarInfo("v/"))
            for name, data in files.items():
                info = tarfile.TarInfo(name)
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
            link = tarfile.TarInfo("b linked.npy")
            link.type, link.linkname = tarfile.SYMTYPE, "b.npy"
            archive.addfile(link)


@pytest.mark.parametrize("kind", ["zip", "npz", "tar"])
def test_of_many_members_the_report_is_that_of_few(maps: Arrays, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    target = f"all.{kind}"
    an_archive_of_all_sorts(target, maps)
    asked = [
        (target, "gt"),
        (target, target),
        ("gt", target, "--limit", "2"),
        (f"{target}/v", "gt/v"),
        (target, "none"),
    ]
    few = [kldeval(*words, "--format", "json") for words in asked]
    as_many(monkeypatch)
    assert [kldeval(*words, "--format", "json") for words in asked] == few
    assert [row["name"] for row in json.loads(few[0].out)["maps"]] == list(NAMES)


def test_what_is_wrong_with_the_list_of_many_members_is_said(maps: Arrays, monkeypatch: pytest.MonkeyPatch) -> None:
    an_archive_of_all_sorts("all.zip", maps)
    data = Path("all.zip").read_bytes()
    at = data.index(b"PK\1\2")
    with zipfile.ZipFile("all.zip", "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.write("pred/a.npy", "a.npy")
    few = kldeval("all.zip", "gt")
    assert few.err == "kldeval: all.zip holds two members of the path a.npy\n"
    as_many(monkeypatch)
    assert kldeval("all.zip", "gt") == few
    for place, changed in ((at, b"PK\7\7"), (at + 28, b"\xff\xff")):
        Path("all.zip").write_bytes(data[:place] + changed + data[place + len(changed) :])
        refused = kldeval("all.zip", "gt")
        assert refused.code == 2
        assert "all.zip: damaged, or not what it seems to be (BadZipFile: " in refused.err


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_a_member_of_an_archive_adds_some_bytes(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """Names, places and sizes of both sides; an object of a member and what `zipfile` notes of it would take 1200."""
    as_many(monkeypatch, 128)
    monkeypatch.setattr("kldeval.data.containers.zip_directory.AT_ONCE", 16)
    for number in (128, 512):
        with zipfile.ZipFile(f"{number}.zip", "w") as archive, tarfile.open(f"{number}.tar", "w") as tar:
            for place in range(number):
                info = tarfile.TarInfo(f"COCO_val2014_{place:012d}.npy")
                info.size = 100
                archive.writestr(info.name, b"1" * 100)
                tar.addfile(info, io.BytesIO(b"1" * 100))

    def listed(number: int) -> None:
        kldeval(f"{number}.{kind}", f"{number}.{kind}", "--limit", "1", "--jobs", "1")

    assert adds_at_most(400 * 384, partial(listed, 128), partial(listed, 512))


def test_a_path_may_lead_into_a_container(maps: Arrays) -> None:
    zipped(maps)
    hdf5(maps)
    expected = score("pred/v/x.npy", "gt/v/x.png")
    for path in ("maps.zip/v/x.npy", "maps.h5/v/x", "maps.h5/v/x.npy"):
        assert score(path, "gt/v/x.png") == expected
    assert score("maps.zip/a.npy", "gt") == score("pred/a.npy", "gt")
    rows = ("pred,gt", "maps.zip/v/x.npy,gt/v/x.png", "maps.h5/a,gt/a.png", "maps.zip/none.npy,gt/b.png")
    Path("pairs.csv").write_text("\n".join(rows) + "\n")
    found, expected_rows = report("--manifest", "pairs.csv"), report("pred", "gt")["maps"]
    numbers = {row["name"]: row["kld"] for row in expected_rows}
    assert {row["name"]: row["kld"] for row in found["maps"]} == {
        "gt/a": numbers["a"],
        "gt/v/x": numbers["v/x"],
    }
    missing = "maps.zip holds no map 'none.npy'; it holds 'a.npy', 'b.npy', 'v/x.npy'"
    assert [one["message"] for one in found["failures"]] == [missing]
    nowhere = kldeval("maps.zip/none.npy", "gt/b.png")
    assert nowhere.code == 2
    assert nowhere.err == f"kldeval: {missing}\n"
    over = kldeval("--manifest", "pairs.csv", "-o", "json:maps.zip")
    assert over.err == "kldeval: cannot write maps.zip: it is read by this run; name another file\n"


# refusals


def test_a_damaged_member_is_the_failure_of_its_map(maps: Arrays) -> None:
    path = Path(zipped(maps, zipfile.ZIP_STORED))
    data = bytearray(path.read_bytes())
    data[data.index(maps["b"].tobytes()) + 5] ^= 1
    path.write_bytes(data)
    document = report("maps.zip", "gt")
    (failure,) = document["failures"]
    assert (failure["name"], failure["stage"], failure["code"]) == ("b", "load", "unreadable")
    assert failure["message"] == "maps.zip/b.npy: damaged: its checksum is wrong"
    assert [row["name"] for row in document["maps"]] == ["a", "v/x"]


def test_a_member_that_is_no_map_is_named_by_its_path() -> None:
    with zipfile.ZipFile("maps.zip", "w") as archive:
        archive.writestr("a.png", b"GIF89a of another kind")
    (failure, *_) = report("maps.zip", "gt", "--allow-missing")["failures"]
    assert failure["message"].startswith("maps.zip/a.png: ")


def test_a_cut_archive_is_refused_or_its_last_maps_are(maps: Arrays) -> None:
    whole = Path(tarred(maps)).read_bytes()
    Path("cut.tar").write_bytes(whole[:2300])
    document = kldeval("cut.tar", "gt", "--format", "json")
    assert document.code in (1, 2)
    Path("cut.zip").write_bytes(Path(zipped(maps)).read_bytes()[:-40])
    cut = kldeval("cut.zip", "gt")
    assert (cut.code, cut.out) == (2, "")
    assert cut.err.startswith("kldeval: cut.zip: damaged, or not what it seems to be (BadZipFile: ")
    assert len(cut.err.splitlines()) == 1


def test_a_bomb_is_not_inflated() -> None:
    with (
        zipfile.ZipFile("bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("a.npy", "w", force_zip64=True) as file,
    ):
        for _ in range(40):
            file.write(bytes(2**20))
    (failure, *_) = report("bomb.zip", "gt", "--allow-missing", "--max-pixels", "1000000")["failures"]
    assert failure["code"] == "too-large"
    assert failure["message"] == "bomb.zip/a.npy: 41943040 bytes are more than a map of --max-pixels 1000000"


def test_a_member_that_claims_less_than_it_holds_is_refused(maps: Arrays) -> None:
    data = bytearray(Path(zipped({"a": maps["a"]})).read_bytes())
    place = data.index(b"PK\x01\x02")
    struct.pack_into("<I", data, place + 24, 10)  # the size, in the list of members
    Path("maps.zip").write_bytes(data)
    (failure, *_) = report("maps.zip", "gt", "--allow-missing")["failures"]
    assert failure["message"] == "maps.zip/a.npy: damaged: its checksum is wrong"


@pytest.mark.parametrize("name", ["../a.npy", "/a.npy", "v/../../a.npy", "..\\a.npy"])
def test_a_name_that_leads_out_is_no_map(maps: Arrays, name: str) -> None:
    with zipfile.ZipFile("maps.zip", "w") as archive:
        archive.write("pred/b.npy", "b.npy")
        archive.writestr(name, Path("pred/a.npy").read_bytes())
    outcome = kldeval("maps.zip", "gt", "--allow-missing", "--save-maps", "terms")
    assert outcome.code == 0
    assert [path.name for path in Path("terms").rglob("*.npy")] == ["b.npy"] * 2
    assert maps


def test_other_refusals_of_archives(maps: Arrays) -> None:
    Path("maps.tar.zst").write_bytes(b"\x28\xb5\x2f\xfd rest")
    refused = kldeval("maps.tar.zst", "gt")
    assert refused.code == 2
    assert refused.err.startswith("kldeval: maps.tar.zst: damaged: it cannot be decompressed (")
    data = zstd.compress(Path(tarred(maps)).read_bytes())
    Path("maps.tar.zst").write_bytes(data[:-9])
    assert "Compressed file ended before" in kldeval("maps.tar.zst", "gt").err
    Path("maps.tar.zst").write_bytes(zstd.compress(bytes(2**28)))
    assert "more than 2048 times as many" in kldeval("maps.tar.zst", "gt").err
    for name, what in (
        ("maps.7z", "is an archive of a kind that is not read; unpack it, or pack it as .zip or .tar"),
        ("maps.RAR", "is an archive of a kind that is not read; unpack it, or pack it as .zip or .tar"),
        ("a.npy.gz", "is compressed as a whole, and no tar (.tar.gz, .tar.zst): decompress it"),
    ):
        Path(name).write_bytes(data)
        for words in ((name, "gt"), ("pred", name), (name, "gt/a.png"), ("gt/a.png", name)):
            assert kldeval(*words).err == f"kldeval: {name} {what}\n"
    with zipfile.ZipFile("none.zip", "w") as empty:
        empty.writestr("readme.txt", "nothing")
    assert kldeval("none.zip", "gt").err == "kldeval: none.zip holds no map; it holds 'readme.txt'\n"
    with zipfile.ZipFile("maps.zip", "w", zipfile.ZIP_LZMA) as packed:
        packed.write("pred/a.npy", "a.npy")
    (failure, *_) = report("maps.zip", "gt", "--allow-missing")["failures"]
    assert "compressed by method 14 of zip" in failure["message"]
    one = kldeval(zipped(maps), "gt/a.png")
    assert one.code == 2
    assert one.err == (
        "kldeval: maps.zip holds 3 maps (such as 'a.npy', 'b.npy', 'v/x.npy') but gt/a.png is one; choose one, such as "
        "maps.zip/a.npy, or give as many ground truths\n"
    )


def test_what_holds_no_map_says_so(maps: Arrays) -> None:
    with zipfile.ZipFile("outer.zip", "w") as archive:
        archive.write(zipped(maps), "inner.zip")
    h5py.File("empty.h5", "w").close()
    with h5py.File("texts.h5", "w") as file:
        file["names"] = ["a", "b"]
    for name in ("zero.h5", "zero.pt", "zero.nc", "zero.zip", "zero.tar", "zero.safetensors"):
        Path(name).touch()
    for name, said in (
        ("outer.zip", "holds no map; it holds 'inner.zip'; archives within archives are not opened: unpack them"),
        ("empty.h5", ": it holds no map; it holds nothing"),
        ("texts.h5", ": it holds no map; it holds 'names'"),
        ("zero.h5", ": no HDF5 file, or damaged ("),
        ("zero.pt", ": damaged, or no file of torch.save (EOFError)"),
        ("zero.nc", ": damaged, or not what it seems to be (ValueError: no NetCDF, or damaged: "),
        ("zero.zip", ": damaged, or not what it seems to be (BadZipFile: File is not a zip file)"),
        ("zero.tar", ": damaged, or not what it seems to be (ReadError: empty file)"),
        ("zero.safetensors", ": no file of safetensors, or damaged: "),
    ):
        for words in ((name, "gt"), ("pred", name)):
            refused = kldeval(*words)
            assert refused.code == 2
            assert refused.err.startswith(f"kldeval: {name}")
            assert said in refused.err
            assert len(refused.err.splitlines()) == 1


def test_links_in_a_tar_are_not_followed(maps: Arrays) -> None:
    with tarfile.open("maps.tar", "w") as archive:
        archive.add("pred/b.npy", "b.npy")
        link = tarfile.TarInfo("a.npy")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    (failure,) = report("maps.tar", "gt", "--allow-missing")["failures"]
    what = "it is a link or a device in the archive; store the file itself, or unpack the archive"
    assert failure["message"] == f"maps.tar/a.npy: {what}"
    with zipfile.ZipFile("maps.zip", "w") as zipped_link:
        zipped_link.write("pred/b.npy", "b.npy")
        entry = zipfile.ZipInfo("a.npy")
        entry.external_attr = 0o120777 << 16
        zipped_link.writestr(entry, "/etc/passwd")
    (failure,) = report("maps.zip", "gt", "--allow-missing")["failures"]
    assert failure["message"] == f"maps.zip/a.npy: {what}"
    assert maps


def test_a_tar_that_is_compressed_is_damaged_or_a_bomb(maps: Arrays) -> None:
    whole = Path(packed(maps, "tar.gz")).read_bytes()
    Path("cut.tar.gz").write_bytes(whole[: len(whole) // 2])
    said = kldeval("cut.tar.gz", "gt").err
    assert said.startswith("kldeval: cut.tar.gz: damaged: it cannot be decompressed (")
    with lzma.open("bomb.tar.xz", "w", preset=0) as bomb:
        for _ in range(70):
            bomb.write(bytes(2**20))
    said = kldeval("bomb.tar.xz", "gt").err
    assert "more than 2048 times as many; if the file is known to be good: --trust-files" in said


def test_members_of_a_compressed_tar_are_read_by_workers(maps: Arrays) -> None:
    name = packed(maps, "tar.gz")
    assert report(name, "gt", "--jobs", "2")["maps"] == report("pred", "gt")["maps"]
    assert report(f"{name}/v/x.npy", "gt/v/x.png")["summary"] == report("pred/v/x.npy", "gt/v/x.png")["summary"]


def test_stacks_count_their_maps_on_the_axis_that_is_said(maps: Arrays) -> None:
    stack = np.stack(list(maps.values()))
    np.save("p.npy", stack)
    np.save("g.npy", stack[::-1])
    np.save("last.npy", np.moveaxis(stack, 0, -1))
    matlab.savemat("g.mat", {"truth": np.moveaxis(stack[::-1], 0, -1)})
    expected = report("p.npy", "g.npy", "--stack")["summary"]
    for pred, gt, axes in (("p.npy", "g.mat", "0,-1"), ("last.npy", "g.mat", "-1"), ("last.npy", "g.npy", "2,0")):
        assert report(pred, gt, "--stack-axis", axes)["summary"] == expected
    said = report("p.npy", "g.mat", "--stack")["failures"][0]["message"]
    assert said.startswith(
        "g.mat: its shape is (6, 9, 3); MATLAB stacks maps as (H, W, N), and Python writes (N, H, W)"
    )
    said = report("p.npy", "g.npy", "--stack-axis", "3")["failures"][0]["message"]
    assert said == "p.npy: its shape is (3, 6, 9), which has no axis 3 (--stack-axis)"
    assert kldeval("p.npy", "g.npy", "--stack-axis", "x").err.startswith("kldeval: --stack-axis x: an axis is a whole")


def test_what_looks_like_maps_across_a_stack_is_not_guessed(maps: Arrays) -> None:
    np.save("p.npy", np.ones((20, 30, 5)))
    (failure,) = report("p.npy", "p.npy", "--stack")["failures"]
    assert "which looks like (H, W, N) rather than (N, H, W): say which axis counts the maps" in failure["message"]
    assert len(report("p.npy", "p.npy", "--stack-axis", "0")["maps"]) == 20
    assert maps


def test_links_in_hdf5_are_not_followed(maps: Arrays) -> None:
    with h5py.File("other.h5", "w") as file:
        file["a"] = maps["a"]
    with h5py.File("maps.h5", "w") as file:
        file["a"] = h5py.ExternalLink("other.h5", "a")
        file["b"] = maps["b"]
    outcome = kldeval("maps.h5", "gt")
    assert outcome.code == 2
    assert "a is a link or lies in another file" in outcome.err


def test_nothing_in_a_file_of_torch_is_executed(maps: Arrays) -> None:
    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (Path("executed"),)

    torch.save({"a": torch.from_numpy(maps["a"]), "b": Evil()}, "maps.pt")
    outcome = kldeval("maps.pt", "gt")
    assert (outcome.code, outcome.err) == (2, "kldeval: maps.pt: it holds more than tensors, which is not loaded\n")
    assert not Path("executed").exists()


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda data: data[:40], "no file of safetensors, or damaged: its header would have "),
        (lambda data: data.replace(b"[0, 216]", b"[0, 999]"), "damaged: its header is no list of tensors that lie in"),
        (lambda data: data[:-8], "damaged: its header is no list of tensors that lie in the file"),
        (lambda data: data.replace(b"{", b"[", 1), "damaged: its header is no list of tensors"),
    ],
)
def test_damaged_safetensors_are_refused(maps: Arrays, change: Callable[[bytes], bytes], what: str) -> None:
    path = Path(safetensors(maps))
    path.write_bytes(change(path.read_bytes()))
    outcome = kldeval(path.name, "gt")
    assert outcome.code == 2
    assert f"maps.safetensors: {what}" in outcome.err


def test_brain_floats_are_the_upper_halves_of_single_ones(maps: Arrays) -> None:
    halves = {name: (array.view(np.uint32) >> 16).astype(np.uint16) for name, array in maps.items()}
    cut = {name: (array.astype(np.uint32) << 16).view(np.float32) for name, array in halves.items()}
    expected = score(npz(cut), "gt")
    assert score(safetensors(halves, "BF16"), "gt") == expected
    torch.save({name: torch.from_numpy(array).bfloat16() for name, array in cut.items()}, "maps.pt")
    assert score("maps.pt", "gt") == expected


@pytest.mark.parametrize(
    ("write", "module", "advice"),
    [
        (hdf5, "h5py", "HDF5 files need h5py, which is not installed: pip install 'kldeval[hdf5]'"),
        (torch_file, "torch", "files of torch.save need torch, which is not installed: pip install torch"),
    ],
)
def test_a_missing_library_is_named(
    maps: Arrays, monkeypatch: pytest.MonkeyPatch, write: Callable[[Arrays], str], module: str, advice: str
) -> None:
    container = write(maps)
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == module else find(name))
    assert (kldeval(container, "gt").err, kldeval(container, "gt").code) == (f"kldeval: {advice}\n", 2)


# one map in such a file, raw values, and stacks


def test_a_file_of_one_array_is_one_map(maps: Arrays) -> None:
    expected = score("pred/a.npy", "gt/a.png")
    one = {"a": maps["a"]}
    assert score(safetensors(one), "gt/a.png") == score(hdf5(one), "gt/a.png") == expected
    torch.save(torch.from_numpy(maps["a"]), "one.pt")
    assert score("one.pt", "gt/a.png") == expected
    assert score(safetensors(maps), "gt/a.png", "--pred-key", "a") == expected
    assert score(hdf5(maps), "gt/a.png", "--pred-key", "a") == expected


def test_such_files_in_a_folder_are_maps_where_there_is_nothing_else(maps: Arrays) -> None:
    Path("tensors").mkdir()
    for name in ("a", "b"):
        Path(safetensors({"m": maps[name]})).rename(f"tensors/{name}.safetensors")
    found, expected = (report(pred, "gt", "--allow-missing") for pred in ("tensors", "pred"))
    assert found["maps"] == expected["maps"][:2]
    Path("pred/weights.pt").write_bytes(b"of the network")
    assert report("pred", "gt")["maps"] == expected["maps"]


def test_raw_values_have_the_shape_that_is_said_or_that_their_name_says(maps: Arrays) -> None:
    Path("raw").mkdir()
    for name in ("a", "b"):
        maps[name].astype("<f4").tofile(f"raw/{name}.bin")
    expected = report("pred", "gt", "--allow-missing")["maps"][:2]
    assert report("raw", "gt", "--allow-missing", "--shape", "6,9")["maps"] == expected
    failures = report("raw", "gt", "--allow-missing")["failures"]
    unknown = "raw values, whose height and width are not known: say them with --shape H,W"
    assert [one["message"] for one in failures] == [f"raw/{name}.bin: {unknown}" for name in ("a", "b")]
    (failure, _) = report("raw", "gt", "--allow-missing", "--shape", "6,8")["failures"]
    assert failure["message"] == ("raw/a.bin: 216 bytes, where 6 x 8 single floats (height, width) take 192")
    Path("raw/a.bin").rename("P1_9x6x32.bin")
    assert score("P1_9x6x32.bin", "gt/a.png") == score("pred/a.npy", "gt/a.png")
    for text in ("6x9", "6", "0,9", "a,b"):
        outcome = kldeval("raw", "gt", "--shape", text)
        message = f"--shape {text}: a shape is height and width with a comma between them, such as 1024,2048"
        assert (outcome.code, outcome.err) == (2, f"kldeval: {message}\n")


def test_two_stacks_of_class_maps_are_as_many_class_maps() -> None:
    rng = np.random.default_rng(2)
    logits, labels = rng.normal(size=(4, 3, 5, 6)), rng.integers(0, 3, (4, 5, 6))
    for side, array in (("p", logits), ("g", labels)):
        Path(side).mkdir()
        np.save(f"{side}.npy", array)
        for place, one in enumerate(array):
            np.save(f"{side}/p[{place:03d}].npy", one)
    settings = ("--norm", "softmax", "--axis", "0", "-m", "ce,accuracy")
    found, expected = report("p.npy", "g.npy", *settings), report("p", "g", *settings)
    assert found["maps"] == expected["maps"]
    assert found["signature"] == expected["signature"]
    assert report("p.npy", "g.npy", *settings, "--stack")["maps"] == expected["maps"]
    np.save("last.npy", np.moveaxis(logits, 1, -1))
    moved = report("last.npy", "g.npy", "--norm", "softmax", "--axis", "-1", "-m", "ce,accuracy")
    assert moved["summary"]["ce"]["mean"] == pytest.approx(expected["summary"]["ce"]["mean"], rel=1e-12)
    library = package.evaluate(logits, labels, norm="softmax", axis=0, metric="ce,accuracy")
    assert library.summaries["ce"].mean == expected["summary"]["ce"]["mean"]


def test_two_stacks_of_distributions_are_as_many_class_maps() -> None:
    pred, gt = np.random.default_rng(9).random((2, 3, 4, 5, 6))
    np.save("p.npy", pred)
    np.savez("g.npz", maps=gt)
    expected = package.evaluate(pred, gt, norm="softmax", axis=0, metric="kld")
    p, q = special.softmax(pred, 1), special.softmax(gt, 1)
    assert expected["kld"].mean == pytest.approx(special.rel_entr(q, p).sum(1).mean(), rel=1e-12)
    words = ("--norm", "softmax", "--axis", "0", "-m", "kld")
    for stack in ((), ("--stack",)):
        found = report("p.npy", "g.npz", *words, *stack)
        assert found["summary"]["kld"]["mean"] == expected["kld"].mean
        assert [row["name"] for row in found["maps"]] == ["p[000]", "p[001]", "p[002]"]
    assert "3 pairs can be scored, 0 problems" in kldeval("check", "p.npy", "g.npz", *words[:4]).out


def test_a_stack_of_several_models_has_the_names_of_the_ground_truths(maps: Arrays) -> None:
    stack = np.stack(list(maps.values()))
    for name, array in (("m", stack), ("n", stack**2), ("truth", stack[::-1])):
        np.save(f"{name}.npy", array)
    found = report("m.npy", "n.npy", "truth.npy", "--stack")
    for one in found["reports"].values():
        assert [row["name"] for row in one["maps"]] == [f"truth[{place:03d}]" for place in range(3)]


def test_stacks_in_other_files_of_arrays(maps: Arrays) -> None:
    stack = np.stack(list(maps.values()))
    np.save("p.npy", stack)
    np.save("g.npy", stack[::-1])
    torch.save(torch.from_numpy(stack), "p.pt")
    with h5py.File("p.h5", "w") as file:
        file["maps"] = stack
    Path(safetensors({"maps": stack})).rename("p.safetensors")
    expected = report("p.npy", "g.npy", "--stack")["maps"]
    assert [row["name"] for row in expected] == ["p[000]", "p[001]", "p[002]"]
    for suffix in ("pt", "h5", "safetensors"):
        assert report(f"p.{suffix}", "g.npy", "--stack")["maps"] == expected
    assert "N maps need --stack" in kldeval("p.pt", "g.npy").out.replace("\n", " ")


def test_members_in_a_zip_are_read_alone(maps: Arrays) -> None:
    """What lies between the members may be anything: none of it is read."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, array in maps.items():
            file = io.BytesIO()
            np.save(file, array)
            archive.writestr(f"{name}.npy", file.getvalue())
    assert zlib.crc32(buffer.getvalue())
    Path("maps.zip").write_bytes(b"a stub of an executable" * 100 + buffer.getvalue())
    assert score("maps.zip", "gt") == score("pred", "gt")


def test_what_an_interrupted_file_holds_is_not_taken_for_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a notebook, whose process goes on: another process reads these files, and its answer was on the way."""
    files = [str(tmp_path / f"{name}.h5") for name in "ab"]
    for file, values in zip(files, ([[1.0, 2, 4]], [[4.0, 1, 1]]), strict=True):
        with h5py.File(file, "w") as open_file:
            open_file["map"] = np.asarray(values)
    expected = package.evaluate(*files)

    def interrupted(*_: object) -> bytearray:
        raise KeyboardInterrupt

    with another_child():
        assert package.evaluate(*files).scores == expected.scores
        with monkeypatch.context() as patch:
            patch.setattr("kldeval.data.readers.apart._received", interrupted)
            with pytest.raises(KeyboardInterrupt):
                package.evaluate(files[0], files[0])
        assert package.evaluate(*files).scores == expected.scores
