"""Whole files of every format, from which damaged ones are made."""

from __future__ import annotations

import io
import json
import struct
import tarfile
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import cv2
import imagecodecs
import numpy as np
import tifffile

from fuzz.surroundings import documents, surround

if TYPE_CHECKING:
    from collections.abc import Iterator

HEIGHT, WIDTH = 40, 53

BRIGHT = 200
"""Pixels above this are fixated."""


class Seed(NamedTuple):
    """A whole file: the format that reports call it by, the suffix, and what reads it.

    That is a reader (`map`, `labels`, `fixations`, `container`, `video`, `raw`), or a key of `fuzz.child.COMMANDS`.
    """

    name: str
    suffix: str
    reader: str
    data: bytes


def seeds() -> list[Seed]:
    """The seeds of every format, always the same."""
    maps = [*_images(), *_tiffs(), *_text(), *_arrays(), *_exr(), *_volumes(), *_gridded()]
    every = [*maps, *_fixations(), *_containers(), *_requests()]
    return [seed for seed in every if seed.data]  # what this OpenCV cannot write is empty


def _map() -> Any:
    rows, cols = np.mgrid[:HEIGHT, :WIDTH]
    return (250 * np.exp(-((rows - 9) ** 2 + (cols - 20) ** 2) / 90)).astype(np.uint8)


def _images() -> Iterator[Seed]:
    grey = _map()
    noise = np.random.default_rng(0).integers(0, 256, grey.shape, dtype=np.uint8)
    colour = np.dstack([grey, grey // 2, noise])
    kinds = {
        "grey": grey,
        "noise": noise,
        "deep": grey.astype(np.uint16) * 257,
        "colour": colour,
        "alpha": np.dstack([colour, grey]),
    }
    for name, array in kinds.items():
        yield Seed(f"png-{name}", ".png", "map", _encoded(".png", array))
    yield Seed("png-bits", ".png", "labels", _encoded(".png", grey, cv2.IMWRITE_PNG_BILEVEL, 1))
    for suffix, array in {
        ".jpg": grey,
        ".webp": colour,
        ".bmp": grey,
        ".jp2": grey,
        ".hdr": colour.astype(np.float32),
        ".gif": colour,
        ".avif": colour,
    }.items():
        yield Seed(suffix[1:], suffix, "map", _encoded(suffix, array))
    yield Seed("jpg-progressive", ".jpg", "map", _encoded(".jpg", colour, cv2.IMWRITE_JPEG_PROGRESSIVE, 1))
    yield Seed("jp2-deep", ".jp2", "map", bytes(imagecodecs.jpeg2k_encode(kinds["deep"] >> 4, bitspersample=12)))


def _encoded(suffix: str, array: Any, *options: int) -> bytes:
    return bytes(cv2.imencode(suffix, array, options)[1])


def _tiffs() -> Iterator[Seed]:
    grey = _map()
    for name, array, options in (
        ("plain", grey, {}),
        ("lzw", grey, {"compression": "lzw"}),
        ("deflate", grey.astype(np.float32), {"compression": "zlib", "predictor": True}),
        ("tiles", grey, {"tile": (16, 16), "compression": "packbits"}),
        ("planes", np.stack([grey] * 3), {"photometric": "rgb", "planarconfig": "separate"}),
        ("jpeg", grey, {"compression": "jpeg"}),
        ("jpeg2000", grey, {"compression": "jpeg2000"}),
        ("big", grey.astype(np.uint16), {"bigtiff": True, "compression": "zstd"}),
    ):
        file = io.BytesIO()
        tifffile.imwrite(file, array, **{"photometric": "minisblack", **options})
        yield Seed(f"tif-{name}", ".tif", "map", file.getvalue())


def _text() -> Iterator[Seed]:
    grey = _map()
    size = b"%d %d\n255\n" % (WIDTH, HEIGHT)
    words = b" ".join(b"%d" % value for value in grey.ravel())
    yield Seed("pgm", ".pgm", "map", b"P5\n" + size + grey.tobytes())
    yield Seed("pgm-text", ".pgm", "map", b"P2\n" + size + words)
    yield Seed("pbm", ".pbm", "map", _encoded(".pbm", (grey > BRIGHT) * np.uint8(255)))
    yield Seed("pam", ".pam", "map", _encoded(".pam", grey))
    yield Seed("pfm", ".pfm", "map", _encoded(".pfm", grey.astype(np.float32)))


def _arrays() -> Iterator[Seed]:
    for dtype in ("u1", "<f4", ">f8", "?"):
        file = io.BytesIO()
        np.save(file, _map().astype(dtype))
        yield Seed("npy", ".npy", "map", file.getvalue())
    for save in (np.savez, np.savez_compressed):
        file = io.BytesIO()
        save(file, map=_map().astype(np.float32))
        yield Seed("npz", ".npz", "map", file.getvalue())


def _exr() -> Iterator[Seed]:
    """None without the library that reads them."""
    try:
        import OpenEXR
    except ImportError:
        return
    grey = (_map() / 255).astype(np.float16)
    with tempfile.TemporaryDirectory() as folder:
        for compression in ("ZIP", "PIZ", "RLE"):
            path = Path(folder) / "a.exr"
            header = {"compression": getattr(OpenEXR, f"{compression}_COMPRESSION"), "type": OpenEXR.scanlineimage}
            with OpenEXR.File(header, {"Y": grey}) as file:
                file.write(str(path))
            yield Seed(f"exr-{compression.lower()}", ".exr", "map", path.read_bytes())


def _volumes() -> Iterator[Seed]:
    """NIfTI and NRRD, none without the libraries that write them."""
    try:
        import nibabel
        import nrrd
    except ImportError:
        return
    volume = np.stack([_map()[:20, :20]] * 3)
    affine = np.diag([-1.0, 1.2, 2.5, 1.0])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        for name, suffix, kind in (
            ("nifti", ".nii", nibabel.Nifti1Image),
            ("nifti", ".nii.gz", nibabel.Nifti1Image),
            ("nifti2", ".nii", nibabel.Nifti2Image),
        ):
            image = kind(volume.astype(np.int16), affine)
            image.header.set_slope_inter(0.5, 1.0)
            nibabel.save(image, path / f"a{suffix}")
            yield Seed(name, suffix, "map", (path / f"a{suffix}").read_bytes())
        for encoding in ("raw", "gzip", "bzip2", "ascii"):
            header = {
                "encoding": encoding,
                "space": "RAS",
                "space directions": affine[:3, :3],
                "space origin": [0, 0, 0],
            }
            nrrd.write(str(path / "a.nrrd"), volume.astype(np.float32), header)
            yield Seed(f"nrrd-{encoding}", ".nrrd", "map", (path / "a.nrrd").read_bytes())
        yield Seed("nrrd-header", ".nhdr", "map", (path / "a.nrrd").read_bytes())


def _gridded() -> Iterator[Seed]:
    """NetCDF of either kind, none without the library that writes them."""
    try:
        import xarray
    except ImportError:
        return
    coordinates = {"lat": np.arange(20.0), "lon": np.arange(20.0)}
    data = xarray.Dataset({"tas": (("lat", "lon"), _map()[:20, :20].astype(np.float32))}, coordinates)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.nc"
        data.to_netcdf(path, engine="h5netcdf", encoding={"tas": {"zlib": True, "_FillValue": -1.0}})
        yield Seed("netcdf4", ".nc", "map", path.read_bytes())
        data.to_netcdf(path, engine="scipy")
        yield Seed("netcdf3", ".nc", "map", path.read_bytes())
        store = Path(folder) / "a.zarr"
        data.to_zarr(store, consolidated=False)
        zipped = io.BytesIO()
        with zipfile.ZipFile(zipped, "w") as archive:
            for part in sorted(one for one in store.rglob("*") if one.is_file()):
                archive.write(part, part.relative_to(store))
        yield Seed("zarr-zip", ".zarr.zip", "map", zipped.getvalue())


def _fixations() -> Iterator[Seed]:
    grey = _map()
    import h5py
    import scipy.io

    gaze = np.empty((2, 1), [("fixations", object), ("location", object)])
    for row in range(2):
        gaze[row, 0] = (np.asarray([[3.0, 4], [9, 8]]), np.ones((3, 2)))
    variables: dict[str, dict[str, Any]] = {
        "map": {"I": (grey > BRIGHT).astype(np.uint8)},
        "gaze": {"gaze": gaze, "resolution": np.asarray([[HEIGHT, WIDTH]])},
        "sparse": {"fixLocs": scipy.sparse.csc_matrix((grey > BRIGHT).astype(float))},
    }
    for name, holds in variables.items():
        for kind, options in (("", {}), ("-packed", {"do_compression": True})):
            file = io.BytesIO()
            scipy.io.savemat(file, holds, **options)
            yield Seed(f"mat-{name}{kind}", ".mat", "fixations", file.getvalue())
    file = io.BytesIO()
    scipy.io.savemat(file, {"I": grey.astype(float)}, format="4")
    yield Seed("mat-4", ".mat", "map", file.getvalue())
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.mat"
        with h5py.File(path, "w") as written:
            written.create_dataset("I", data=(grey > BRIGHT).astype(np.uint8), chunks=(8, 8), compression="gzip")
        yield Seed("mat-7.3", ".mat", "fixations", path.read_bytes())
    rows = [{"name": "a", "x": 3, "y": 4.5, "observer": "o", "duration": 100, "count": 2}] * 3
    yield Seed("json", ".json", "fixations", json.dumps(rows).encode())
    lines = "\n".join("a,3,4.5,o,100,2" for _ in rows)
    yield Seed("csv", ".csv", "fixations", f"name,x,y,observer,duration,count\n{lines}\n".encode())


def _containers() -> Iterator[Seed]:
    """Files of many maps, and files of one that are read in the same way."""
    import h5py

    grey = _map()
    arrays = {"a": grey, "v/b": grey.astype(np.float32)}
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", method) as archive:
            archive.writestr(zipfile.ZipInfo("a.png"), _encoded(".png", grey))
            archive.writestr(zipfile.ZipInfo("v/b.npy"), _saved(arrays["v/b"]), method)
        yield Seed("zip", ".zip", "container", file.getvalue())
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        for name, data in (("a.png", _encoded(".png", grey)), ("v/b.npy", _saved(arrays["v/b"]))):
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    yield Seed("tar", ".tar", "container", file.getvalue())
    file = io.BytesIO()
    np.savez(file, maps=np.stack([grey, grey]), names=["a", "b"])
    yield Seed("npz-stack", ".npz", "container", file.getvalue())
    header, values = {}, b""
    for name, array in arrays.items():
        place = len(values), len(values) + array.nbytes
        header[name] = {"dtype": "U8" if name == "a" else "F32", "shape": array.shape, "data_offsets": place}
        values += array.tobytes()
    text = json.dumps(header).encode()
    yield Seed("safetensors", ".safetensors", "container", struct.pack("<Q", len(text)) + text + values)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.h5"
        with h5py.File(path, "w") as written:
            for name, array in arrays.items():
                written.create_dataset(name, data=array, chunks=(8, 8), compression="gzip")
        yield Seed("hdf5", ".h5", "container", path.read_bytes())
    yield Seed("raw", ".bin", "raw", arrays["v/b"].tobytes())
    yield from _packed_tars(arrays)
    yield from _matlab_containers(arrays)
    yield from _videos()


def _packed_tars(arrays: dict[str, Any]) -> Iterator[Seed]:
    """Tars that are compressed as a whole."""
    modes: dict[str, Any] = {".tgz": "w:gz", ".tbz": "w:bz2", ".txz": "w:xz"}
    for suffix, mode in modes.items():
        file = io.BytesIO()
        with tarfile.open(fileobj=file, mode=mode) as tar:
            for name, array in arrays.items():
                entry, data = tarfile.TarInfo(f"{name}.npy"), _saved(array)
                entry.size = len(data)
                tar.addfile(entry, io.BytesIO(data))
        yield Seed(f"tar-{suffix[2:]}", suffix, "container", file.getvalue())


def of_torch() -> Iterator[Seed]:
    """Files of torch, by themselves and within an archive: torch takes seconds to import."""
    import torch

    grey = torch.from_numpy(_map())
    file, one, outer = io.BytesIO(), io.BytesIO(), io.BytesIO()
    torch.save({"a": grey, "v/b": grey.float()}, file)
    yield Seed("torch", ".pt", "container", file.getvalue())
    torch.save(grey, one)
    with zipfile.ZipFile(outer, "w") as archive:
        archive.writestr(zipfile.ZipInfo("b.pt"), one.getvalue())
    yield Seed("zip-torch", ".zip", "container", outer.getvalue())


def _matlab_containers(arrays: dict[str, Any]) -> Iterator[Seed]:
    """A stack of MATLAB with names, and such a file within an archive."""
    import scipy.io

    stack, one, outer = io.BytesIO(), io.BytesIO(), io.BytesIO()
    scipy.io.savemat(stack, {"S": np.stack([*arrays.values()], -1), "names": np.asarray([*arrays], object)})
    yield Seed("mat-stack", ".mat", "container", stack.getvalue())
    scipy.io.savemat(one, {"map": arrays["a"]})
    with zipfile.ZipFile(outer, "w") as archive:
        archive.writestr(zipfile.ZipInfo("a.mat"), one.getvalue())
    yield Seed("zip-mat", ".zip", "container", outer.getvalue())


def _videos() -> Iterator[Seed]:
    """Four frames in the codecs and containers that OpenCV writes."""
    with tempfile.TemporaryDirectory() as folder:
        for suffix, code in ((".avi", "FFV1"), (".mkv", "FFV1"), (".mp4", "mp4v"), (".avi", "MJPG"), (".webm", "VP80")):
            path = Path(folder, f"{code}{suffix}")
            fourcc = cv2.VideoWriter_fourcc(*code)  # type: ignore[attr-defined]
            writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, fourcc, 25, (WIDTH - 1, HEIGHT))
            for shift in range(4):
                writer.write(cv2.cvtColor(np.roll(_map()[:, :-1], shift, axis=1), cv2.COLOR_GRAY2BGR))
            writer.release()
            yield Seed(f"video-{code}", suffix, "video", path.read_bytes() if path.exists() else b"")


def _saved(array: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


OPTIONS = (
    b'metric = ["kld", "kld(ratio_eps=1e-7)", "cc"]',
    b'norm = "minmax+sum-to-one"',
    b"per-map = true",
    b"precision = 3",
)
"""Lines of a configuration."""


def _requests() -> Iterator[Seed]:
    """Texts that say what to do: configurations, manifests, class weights, saved documents, sidecars."""
    yield Seed("toml", ".toml", "config", b"\n".join(OPTIONS))
    rows = [("pred", "gt", "name", "group"), ("pred.npy", "gt.npy", "a", "v"), ("gt.npy", "pred.npy", "b/1", "w")]
    for suffix, between in ((".csv", ","), (".tsv", "\t")):
        yield Seed("manifest", suffix, "manifest", "\n".join(map(between.join, rows)).encode() + b"\n")
    lines = (json.dumps(dict(zip(rows[0], row, strict=True))) for row in rows[1:])
    yield Seed("manifest", ".jsonl", "manifest", "\n".join(lines).encode())
    yield Seed("weights", ".txt", "weights", b"1, 0.5\n2\n")
    file = io.BytesIO()
    np.save(file, np.asarray([1, 0.5, 2]))
    yield Seed("weights", ".npy", "weights", file.getvalue())
    made = {"schema": "kldeval.density/1", "made": "gaussian(sigma=2,border=reflect)", "fixations": 12, "sigma": 2.0}
    yield Seed("sidecar", ".json", "sidecar", json.dumps(made).encode())
    for name, data in _documents().items():
        yield Seed(f"document-{name}", ".json", "document", data)


def _documents() -> dict[str, bytes]:
    """A saved report, leaderboard and comparison."""
    with tempfile.TemporaryDirectory() as folder:
        surround(Path(folder))
        return documents(Path(folder))
