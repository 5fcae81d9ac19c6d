"""NIfTI and NRRD: the values that nibabel and pynrrd read, axes that meet those of arrays, and places that agree."""

from __future__ import annotations

import gzip
import json
import os
import struct
import sys
import zipfile
from pathlib import Path
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any

import nrrd
import numpy as np
import pytest
from command_line import kldeval, score
from late import late
from reading import read_map

import kldeval as package

if TYPE_CHECKING:
    from collections.abc import Callable

nibabel = late("nibabel")
special = late("scipy.special")

Array = np.ndarray[Any, Any]

AFFINE = np.asarray([[-1.0, 0, 0, 90], [0, 1.2, 0, -120], [0, 0, 2.5, 30], [0, 0, 0, 1]])
SHAPE = (4, 5, 6)


def nifti(name: str, array: Array, affine: Array | None = AFFINE, kind: str = "Nifti1Image", **header: Any) -> str:
    image = getattr(nibabel, kind)(array, affine)
    for field, value in header.items():
        image.header[field] = value
    nibabel.save(image, name)
    return name


def in_lps(affine: Array = AFFINE) -> dict[str, Any]:
    """The header of NRRD for an affine map to the right, anterior and superior."""
    turned = np.diag([-1, -1, 1]) @ affine[:3]
    return {
        "space": "left-posterior-superior",
        "space directions": turned[:, :3].T,
        "space origin": turned[:, 3],
        "kinds": ["domain"] * 3,
    }


@pytest.fixture(autouse=True)
def arrays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Array]:
    """Densities p and g, probabilities (C, X, Y, Z) that sum to 1, and labels."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(11)
    pred, gt = rng.random((2, *SHAPE)).astype(np.float32) + np.float32(0.1)
    prob = rng.random((3, *SHAPE)).astype(np.float32)
    return {"p": pred, "g": gt, "prob": prob / prob.sum(0), "labels": rng.integers(0, 3, SHAPE).astype(np.uint8)}


# what the files hold


@pytest.mark.parametrize("kind", ["Nifti1Image", "Nifti2Image"])
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("dtype", ["u1", "<i2", ">i4", "<u8", "<f4", ">f8"])
def test_nifti_gives_what_nibabel_gives(kind: str, suffix: str, dtype: str) -> None:
    array = np.random.default_rng(0).integers(0, 100, SHAPE).astype(dtype)
    image = getattr(nibabel, kind)(array, AFFINE, dtype=np.dtype(dtype))
    nibabel.save(image, f"a{suffix}")
    found = read_map(Path(f"a{suffix}"))
    assert found.is_volume
    assert found.array.dtype == array.dtype.newbyteorder("=")
    assert np.array_equal(found.array, np.asanyarray(nibabel.load(f"a{suffix}").dataobj))


def test_slope_and_intercept_scale_the_values() -> None:
    image = nibabel.Nifti1Image(np.arange(120, dtype=np.int16).reshape(SHAPE), AFFINE)
    image.header.set_slope_inter(0.25, -3.0)
    nibabel.save(image, "a.nii.gz")
    assert np.array_equal(read_map(Path("a.nii.gz")).array, nibabel.load("a.nii.gz").get_fdata())
    assert nibabel.load("a.nii.gz").dataobj.slope == 0.25


@pytest.mark.parametrize("name", ["a.nrrd", "a.nhdr"])
@pytest.mark.parametrize("encoding", ["raw", "gzip", "bzip2", "ascii"])
@pytest.mark.parametrize("dtype", ["u1", "<i2", ">u4", "<f4", ">f8"])
def test_nrrd_gives_what_pynrrd_gives(encoding: str, dtype: str, name: str) -> None:
    array = np.random.default_rng(0).integers(0, 100, SHAPE).astype(dtype)
    nrrd.write(name, array, {"encoding": encoding})
    found = read_map(Path(name)).array
    assert found.dtype == array.dtype.newbyteorder("=")
    assert np.array_equal(found, nrrd.read(name)[0])


def test_values_of_nrrd_in_hexadecimal_digits() -> None:
    array = np.random.default_rng(0).random(SHAPE).astype("<f4")
    nrrd.write("a.nrrd", array, {"encoding": "raw"})
    head, _, data = Path("a.nrrd").read_bytes().partition(b"\n\n")
    text = head.replace(b"encoding: raw", b"encoding: hex") + b"\n\n" + data.hex(" ", 8).encode()
    Path("hex.nrrd").write_bytes(text)
    assert np.array_equal(read_map(Path("hex.nrrd")).array, array)
    for damaged, said in (
        (text[:-8], "truncated"),
        (text[:-1] + b"x", "its text says no"),
        (text + b"0" * 2**21, "too long"),
    ):
        Path("hex.nrrd").write_bytes(damaged)
        with pytest.raises(package.UnreadableMap, match=said):
            read_map(Path("hex.nrrd"))


def test_a_detached_header_leads_to_one_file_beside_it(
    arrays: dict[str, Array], monkeypatch: pytest.MonkeyPatch
) -> None:
    for side in "pg":
        Path(side).mkdir()
        nrrd.write(f"{side}/a.nhdr", arrays[side], {"encoding": "raw"})
    outcome = kldeval("p", "g", "--score-only", "--cache", "kept")
    assert (outcome.code, outcome.err) == (0, "")  # no note on a.raw
    assert float(outcome.out.split()[0]) == pytest.approx(
        float(package.kld(arrays["p"].astype(float), arrays["g"].astype(float), spatial_axes=3)), rel=1e-12
    )
    monkeypatch.setattr("kldeval.digests.SETTLED_NS", 0)
    before, times = score("p", "g", "--cache", "kept"), Path("p/a.raw").stat()
    Path("p/a.raw").write_bytes(arrays["p"][::-1].tobytes("F"))
    os.utime("p/a.raw", ns=(times.st_atime_ns, times.st_mtime_ns))
    assert score("p", "g", "--cache", "kept") == score("p", "g") != before
    header = Path("p/a.nhdr").read_bytes()
    Path("secret.raw").write_bytes(Path("p/a.raw").read_bytes())
    for file in (b"../secret.raw", b"/etc/passwd", b"LIST", b"a%d.raw 1 2 1", b"nowhere.raw"):
        Path("p/a.nhdr").write_bytes(header.replace(b"data file: a.raw", b"data file: " + file))
        refused = kldeval("p", "g")
        assert refused.code == 1
        assert ("its values are in another file" in refused.out) != (file == b"nowhere.raw")
    with zipfile.ZipFile("p.zip", "w") as archive:
        archive.writestr("a.nhdr", header)
    assert "its values are in another file, a.raw; store it as one .nrrd" in kldeval("p.zip", "g").out


def test_volumes_score_as_their_arrays(arrays: dict[str, Array]) -> None:
    expected = package.kld(arrays["p"].astype(float), arrays["g"].astype(float), spatial_axes=3)
    nifti("p.nii.gz", arrays["p"])
    nifti("g.nii", arrays["g"])
    nrrd.write("g.nrrd", arrays["g"], in_lps())
    for gt in ("g.nii", "g.nrrd"):
        assert score("p.nii.gz", gt, "-m", "kld") == [pytest.approx(float(expected), rel=1e-12)]
    with zipfile.ZipFile("gt.zip", "w") as archive:
        archive.write("g.nii", "p.nii")
    Path("pred").mkdir()
    Path("p.nii.gz").rename("pred/p.nii.gz")
    outcome = kldeval("pred", "gt.zip", "--per-map")
    assert outcome.code == 0, outcome.err
    assert score("pred", "gt.zip", "-m", "kld") == [pytest.approx(float(expected), rel=1e-12)]
    assert "4x5x6 float32" in kldeval("check", "pred", "gt.zip").out


def test_a_slice_is_a_map(arrays: dict[str, Array]) -> None:
    nifti("p.nii.gz", arrays["p"][:, :, :1])
    nifti("g.nii.gz", arrays["g"][:, :, :1])
    flat = [arrays[name][:, :, 0].astype(float) for name in "pg"]
    assert score("p.nii.gz", "g.nii.gz", "-m", "kld,emd(factor=2)") == [
        pytest.approx(float(package.kld(*flat)), rel=1e-12),
        pytest.approx(float(package.emd(*flat, factor=2)), rel=1e-9),
    ]
    np.save("g.npy", arrays["g"][:, :, 0].T)
    assert score("p.nii.gz", "g.npy", "-m", "kld") == score("p.nii.gz", "g.nii.gz", "-m", "kld")


# class maps and labels


def cross_entropy(arrays: dict[str, Array]) -> float:
    """That of nibabel's own arrays, by hand."""
    labels = np.asanyarray(nibabel.load("l.nii.gz").dataobj).astype(np.int64)
    chosen = np.take_along_axis(arrays["prob"].astype(np.float64), labels[None], 0)
    return float(-np.log(chosen / arrays["prob"].astype(np.float64).sum(0)).mean())


@pytest.fixture
def class_maps(arrays: dict[str, Array]) -> dict[str, Array]:
    """The same class map as nnU-Net, nibabel and 3D Slicer store it, and the labels."""
    np.savez_compressed("nnunet.npz", probabilities=arrays["prob"].transpose(0, 3, 2, 1))
    nifti("p.nii.gz", np.moveaxis(arrays["prob"], 0, -1))
    nifti("vectors.nii.gz", np.moveaxis(arrays["prob"], 0, -1)[:, :, :, None], intent_code=1007)
    space = in_lps()
    space["space directions"] = np.concatenate([np.full((1, 3), np.nan), space["space directions"]])
    nrrd.write("p.nrrd", arrays["prob"], {**space, "kinds": ["list", *["domain"] * 3]})
    np.save("p.npy", arrays["prob"])
    nifti("l.nii.gz", arrays["labels"])
    nifti("floats.nii.gz", arrays["labels"].astype(np.float64))
    return arrays


CLASSES = ("--axis", "0", "--norm", "sum-to-one", "-m", "ce,accuracy")


@pytest.mark.parametrize("pred", ["nnunet.npz", "p.nii.gz", "vectors.nii.gz", "p.nrrd", "p.npy"])
@pytest.mark.parametrize("gt", ["l.nii.gz", "floats.nii.gz"])
def test_class_maps_meet_label_volumes(class_maps: dict[str, Array], pred: str, gt: str) -> None:
    found = score(pred, gt, *CLASSES)
    accuracy = float((class_maps["prob"].argmax(0) == class_maps["labels"]).mean())
    assert found == [pytest.approx(cross_entropy(class_maps), rel=1e-12), pytest.approx(accuracy, rel=1e-12)]


def test_masks_follow_the_axes_of_the_prediction(class_maps: dict[str, Array]) -> None:
    nifti("m.nii.gz", (class_maps["g"] > 0.5).astype(np.uint8))
    masked = [score(pred, "l.nii.gz", *CLASSES, "--mask", "m.nii.gz") for pred in ("nnunet.npz", "p.nii.gz")]
    assert masked[0] == pytest.approx(masked[1], rel=1e-12)
    assert masked[0] != score("p.nii.gz", "l.nii.gz", *CLASSES)
    np.save("m.npy", (class_maps["g"] > 0.5).astype(np.uint8).T)
    options = (*CLASSES, "--mask", "m.npy", "--spatial-axes", "3")
    assert score("p.nii.gz", "l.nii.gz", *options) == pytest.approx(masked[0], rel=1e-12)


def test_folders_of_nnunet_pair_by_name(class_maps: dict[str, Array]) -> None:
    for folder in ("pred", "gt"):
        Path(folder).mkdir()
    for case in ("case_001", "case_002"):
        Path(f"pred/{case}.npz").write_bytes(Path("nnunet.npz").read_bytes())
        Path(f"pred/{case}.nii.gz").write_bytes(Path("l.nii.gz").read_bytes())
        Path(f"pred/{case}.pkl").write_bytes(b"what is not read")
        Path(f"gt/{case}.nii.gz").write_bytes(Path("l.nii.gz").read_bytes())
    options = ("--pred-name", "{case}.npz", "--gt-name", "{case}")
    found = score("pred", "gt", *options, *CLASSES)
    assert found[0] == pytest.approx(cross_entropy(class_maps), rel=1e-12)


@pytest.mark.parametrize("shape", [(5, 5, 5), (4, 6, 4)])
def test_axes_that_fit_both_ways_are_refused_until_they_are_said(shape: tuple[int, ...]) -> None:
    pred, gt = np.random.default_rng(1).random((2, *shape))
    np.save("p.npy", pred)
    nifti("g.nii.gz", gt)
    assert "fits both ways: --array-axes zyx" in kldeval("p.npy", "g.nii.gz").out
    for said, array in (("xyz", gt), ("zyx", gt.T)):
        expected = float(package.kld(pred, array, spatial_axes=3))
        assert score("p.npy", "g.nii.gz", "--array-axes", said, "-m", "kld") == [pytest.approx(expected, rel=1e-12)]
        expected = float(package.kld(array, pred, spatial_axes=3))
        assert score("g.nii.gz", "p.npy", "--array-axes", said, "-m", "kld") == [pytest.approx(expected, rel=1e-12)]
    assert "--array-axes" in kldeval("audit", "p.npy", "g.nii.gz").out


def test_a_fourth_axis_says_what_it_is_or_is_refused(class_maps: dict[str, Array]) -> None:
    del class_maps
    refused = kldeval("p.nii.gz", "p.nii.gz")
    assert "a class map needs its class axis, --axis 0, and N volumes --stack" in refused.out
    assert kldeval("p.nii.gz", "p.nii.gz", "--stack").code == 0
    report = package.evaluate("p.nii.gz", "p.nii.gz", stack=True)
    assert [one.name for one in report.scores] == ["p[000]", "p[001]", "p[002]"]


# places


def test_places_that_differ_are_refused(arrays: dict[str, Array]) -> None:
    moved = AFFINE.copy()
    moved[0, 3] += 0.5
    nifti("p.nii.gz", arrays["p"])
    nifti("g.nii.gz", arrays["g"], moved)
    nrrd.write("g.nrrd", arrays["g"], in_lps(moved))
    for gt in ("g.nii.gz", "g.nrrd"):
        outcome = kldeval("p.nii.gz", gt)
        assert outcome.code == 1
        assert f"p.nii.gz and {gt} lie on other grids: their affines are -1 0 0 90 " in outcome.out
        assert "places a corner 0.5 pixels apart: resample one to the other" in outcome.out
    slices = AFFINE.copy()
    slices[:3, 3] += AFFINE[:3, 2]  # by one voxel along the coarsest axis
    nifti("slices.nii.gz", arrays["g"], slices)
    assert "places a corner 1 pixel apart: resample" in kldeval("p.nii.gz", "slices.nii.gz").out
    nifti("l.nii.gz", arrays["labels"], moved)
    nifti("c.nii.gz", np.moveaxis(arrays["prob"], 0, -1))
    assert "lie on other grids" in kldeval("c.nii.gz", "l.nii.gz", *CLASSES).out


def test_rounding_and_unset_codes_are_no_other_places(arrays: dict[str, Array]) -> None:
    near = AFFINE.copy()
    near[:3] += 1e-4
    nifti("p.nii.gz", arrays["p"])
    nifti("near.nii.gz", arrays["g"], near)
    # the place of the quaternion alone, and none at all
    nifti("qform.nii.gz", arrays["g"], sform_code=0, qform_code=1)
    nifti("none.nii.gz", arrays["g"], sform_code=0, qform_code=0, quatern_b=0.7)
    for gt in ("near.nii.gz", "qform.nii.gz", "none.nii.gz"):
        assert kldeval("p.nii.gz", gt).code == 0, gt


# damage


def changed(data: bytes, place: int, form: str, *values: Any) -> bytes:
    out = bytearray(data)
    struct.pack_into(form, out, place, *values)
    return bytes(out)


DAMAGE: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "short": (lambda data: data[:-7], "truncated: the last 7 of the 480 bytes of its values are missing"),
    "header": (lambda data: data[:200], "truncated, or no NIfTI"),
    "longer": (lambda data: data + b"x", "bytes follow the 480 of its values"),
    "pair": (lambda data: changed(data, 344, "4s", b"ni1\0"), "its values are in another file (.img)"),
    "colours": (lambda data: changed(data, 70, "<2h", 128, 24), "a map's are real numbers of 64 bits at most"),
    "negative": (lambda data: changed(data, 42, "<h", -3), "which has no values"),
    "within": (lambda data: changed(data, 108, "<f", 100.0), "values begin within the header"),
    "far": (lambda data: changed(data, 108, "<f", 1e9), "its header says that values begin at byte 1000000000"),
}


@pytest.mark.parametrize("kind", DAMAGE)
@pytest.mark.parametrize("packed", [0, 1])
def test_damaged_nifti_is_refused(arrays: dict[str, Array], kind: str, packed: int) -> None:
    nifti("a.nii", arrays["g"])
    damage, said = DAMAGE[kind]
    data = damage(Path("a.nii").read_bytes())
    name = f"b.nii{'.gz' * packed}"
    Path(name).write_bytes(gzip.compress(data) if packed else data)
    with pytest.raises(package.UnreadableMap) as found:
        read_map(Path(name))
    assert said in str(found.value)
    assert str(found.value).startswith(name)


def test_bombs_and_checksums_are_refused(arrays: dict[str, Array]) -> None:
    nifti("a.nii", arrays["g"])
    data = Path("a.nii").read_bytes()
    Path("bomb.nii.gz").write_bytes(gzip.compress(changed(data, 42, "<3h", 20000, 400, 40)[:352]))
    with pytest.raises(package.UnreadableMap, match="bytes that claim to hold 1280000000"):
        read_map(Path("bomb.nii.gz"))
    with pytest.raises(package.UnreadableMap, match="are more than --max-pixels 100"):
        read_map(Path("a.nii"), max_pixels=100)
    packed = gzip.compress(data)
    Path("sum.nii.gz").write_bytes(packed[:-8] + b"1234" + packed[-4:])
    with pytest.raises(package.UnreadableMap, match="damaged: its compressed bytes are wrong"):
        read_map(Path("sum.nii.gz"))


def test_nrrd_that_cannot_be_meant_is_refused(arrays: dict[str, Array]) -> None:
    nrrd.write("a.nrrd", arrays["g"], {"encoding": "raw"})
    data = Path("a.nrrd").read_bytes()
    for old, new, said in (
        (b"encoding: raw", b"encoding: jpeg", "its values are encoded as 'jpeg'"),
        (b"type: float", b"type: block", "its values are of type 'block'"),
        (b"endian: little\n", b"", "does not say the order of its bytes"),
        (b"encoding: raw", b"encoding: raw\ndata file: /etc/passwd", "its values are in another file"),
        (b"encoding: raw", b"encoding: raw\nbyte skip: -1", "it skips lines or bytes"),
        (b"sizes: 4 5 6", b"sizes: 4 5 7", "truncated"),
        (b"dimension: 3\nsizes: 4 5 6", b"dimension: 4\nsizes: 4 5 6 1", "no kinds say which axes are of space"),
    ):
        assert old in data, old
        Path("b.nrrd").write_bytes(data.replace(old, new))
        with pytest.raises(package.UnreadableMap) as found:
            read_map(Path("b.nrrd"))
        assert said in str(found.value)


def test_without_the_libraries_a_line_says_what_to_install(
    arrays: dict[str, Array], monkeypatch: pytest.MonkeyPatch
) -> None:

    nifti("a.nii", arrays["g"])
    nrrd.write("a.nrrd", arrays["g"])
    for module, name, file in (("nifti", "nibabel", "a.nii"), ("nrrd", "nrrd", "a.nrrd")):
        library = resolve_name(f"kldeval.data.readers.{module}._library")
        library.cache_clear()
        with monkeypatch.context() as patch:
            patch.setitem(sys.modules, name, None)
            outcome = kldeval(file, file)
        library.cache_clear()
        assert outcome.code == 2
        assert "pip install 'kldeval[volumes]'" in outcome.err


@pytest.mark.parametrize("said", [1, 2, 4])
def test_another_number_of_axes_than_a_file_says_is_refused(arrays: dict[str, Array], said: int) -> None:
    nifti("p.nii", arrays["p"])
    for other in (nifti("g.nii", arrays["g"]), "g.npy"):
        np.save("g.npy", arrays["g"])
        for words in ((), ("audit",), ("check",), ("identify", "--value", "1")):
            refused = kldeval(*words, "p.nii", other, "--spatial-axes", str(said))
            assert refused.code == 1
            assert f"--spatial-axes {said}: p.nii says itself that 3 axes are of space" in refused.out + refused.err
    assert kldeval("p.nii", "g.nii", "--spatial-axes", "3").code == 0
    nifti("slice.nii", arrays["p"][..., :1])
    assert kldeval("slice.nii", "slice.nii", "--spatial-axes", "2").code == 0
    assert "slice.nii says itself that 2 axes" in kldeval("slice.nii", "slice.nii", "--spatial-axes", "3").out


def test_every_question_gives_a_volume_one_number(arrays: dict[str, Array]) -> None:
    """Along an axis that is named, a volume is a distribution at each position, whoever asks; scipy says the same."""
    del arrays
    volumes = np.random.default_rng(8).random((2, 4, 5, 6)) + 0.1
    for name, array in zip("pg", volumes, strict=True):
        nifti(f"{name}.nii", array)
    expected = special.rel_entr(*(array / array.sum(0) for array in volumes[::-1])).sum(0).mean()
    assert score("p.nii", "g.nii", "--convention", "scipy", "-m", "kld") == [pytest.approx(expected, rel=1e-12)]
    audited = kldeval("audit", "p.nii", "g.nii", "--format", "json")
    conventions = json.loads(audited.out)["conventions"]
    assert len(conventions) > 30
    for name, row in conventions.items():
        alone = kldeval("p.nii", "g.nii", "--convention", name, "--score-only")
        if (found := row["models"]["p"])["n"]:
            assert float(alone.out.split()[0]) == pytest.approx(found["mean"], rel=1e-12)
        else:
            assert alone.code == 1
            assert "asks where pixels stand" in alone.err
    for flags in (("--convention", "scipy"), ("--norm", "softmax(axis=0)", "--reduction", "batchmean", "-m", "kld")):
        value = float(kldeval("p.nii", "g.nii", *flags, "--score-only").out.split()[0])
        identified = kldeval("identify", "p.nii", "g.nii", "--value", f"{value:.9g}")
        assert identified.code == 0, identified.out
