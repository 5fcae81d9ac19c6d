"""`kldeval density`: ground truths from fixations, what stands beside them, and what it means for signatures."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from command_line import kldeval
from late import late
from looked_at import IMAGES, SHAPE, LookedAt, make_looked_at, write_list

if TYPE_CHECKING:
    from pathlib import Path

ndimage = late("scipy.ndimage")

SIZE = ("--size", f"{SHAPE[1]}x{SHAPE[0]}")


@pytest.fixture
def seen(tmp_path: Path) -> LookedAt:
    return make_looked_at(tmp_path / "data")


def sidecar(path: Path) -> object:
    return json.loads(path.with_suffix(".json").read_text())


def smoothed(counts: np.ndarray[Any, Any], border: str) -> np.ndarray[Any, Any]:
    """The counts under a Gaussian of 2.5 pixels; beyond a pole follows the opposite meridian, upside down."""
    if border != "wrap":
        return ndimage.gaussian_filter(counts, 2.5, mode=border, truncate=3)  # type: ignore[no-any-return]
    beyond = np.roll(counts, counts.shape[1] // 2, axis=1)[::-1]
    padded = np.concatenate([beyond[-10:], counts, beyond[:10]])
    padded = np.concatenate([padded[:, -10:], padded, padded[:, :10]], axis=1)
    return ndimage.gaussian_filter(padded, 2.5, mode="constant", truncate=3)[10:-10, 10:-10]  # type: ignore[no-any-return]


@pytest.mark.parametrize("border", ["reflect", "mirror", "nearest", "constant", "wrap"])
@pytest.mark.parametrize("repeats", ["count", "once"])
def test_a_map_is_the_fixations_under_a_gaussian(seen: LookedAt, border: str, repeats: str) -> None:
    out = seen.root / "out"
    options = ("--sigma", "2.5", "--border", border, "--repeats", repeats, "--truncate", "3", *SIZE)
    outcome = kldeval("density", seen.fixations, out, *options)
    not_counted = ",repeats=false" if repeats == "once" else ""
    poles = ",poles=over" if border == "wrap" else ""
    text = f"gaussian(sigma=2.5,border={border}{poles}{not_counted},truncate=3)"
    total = sum(seen.counts(image).sum() if repeats == "count" else (seen.counts(image) > 0).sum() for image in IMAGES)
    assert (outcome.code, outcome.out, outcome.err) == (0, f"{out}: 3 maps of {total} fixations, {text}\n", "")
    assert sorted(path.name for path in out.iterdir()) == sorted(
        f"{name}.{end}" for name in IMAGES for end in ("npy", "json")
    )
    for image in IMAGES:
        counts = seen.counts(image) if repeats == "count" else (seen.counts(image) > 0).astype(int)
        made = np.load(out / f"{image}.npy")
        assert made.dtype == np.float64
        expected = smoothed(counts * 1.0, border)
        assert made == pytest.approx(expected, rel=1e-12, abs=1e-16)
        assert sidecar(out / f"{image}.npy") == {
            "schema": "kldeval.density/1",
            "made": f"{text.removesuffix(')')},size={SHAPE[1]}x{SHAPE[0]})",
            "fixations": counts.sum(),
            "reading": {},
            "size": [SHAPE[1], SHAPE[0]],
            "sigma": 2.5,
            "border": border,
            "repeats": repeats == "count",
            "truncate": 3.0,
        }


def test_sigma_may_be_in_degrees_and_the_size_that_of_other_maps(seen: LookedAt) -> None:
    in_degrees, in_pixels = seen.root / "degrees", seen.root / "pixels"
    options = ("--sigma", "0.5", "--pixels-per-degree", "6", "--like", seen.maps[1])
    assert kldeval("density", seen.fixations, in_degrees, *options).code == 0
    assert kldeval("density", seen.fixations, in_pixels, "--sigma", "3", *SIZE).code == 0
    for image in IMAGES:
        assert np.array_equal(np.load(in_degrees / f"{image}.npy"), np.load(in_pixels / f"{image}.npy"))
    extra = {"sigma_degrees": 0.5, "pixels_per_degree": 6.0, "made": "gaussian(sigma=3,border=reflect)"}
    assert sidecar(in_degrees / "a.npy") == {**sidecar(in_pixels / "a.npy"), **extra}  # type: ignore[dict-item]


def test_how_a_ground_truth_was_made_stands_in_the_signatures_of_what_uses_it(seen: LookedAt) -> None:
    out = seen.root / "out"
    kldeval("density", seen.fixations, out, "--sigma", "3", *SIZE)
    options = ("-m", "kld,cc,nss", "--fixations", seen.fixations, "--format", "json")
    found = json.loads(kldeval(seen.maps[0], out, *options).out)
    size = f"size={SHAPE[1]}x{SHAPE[0]}"
    made = f"|density:gaussian(sigma=3,border=reflect,{size},fixations={len(seen.points)})|"
    assert made in found["signature"]["kld"]
    assert made in found["signature"]["cc"]
    assert "density:" not in found["signature"]["nss"]
    assert [row["gt_fixations"] for row in found["maps"]] == [int(seen.counts(image).sum()) for image in IMAGES]


@pytest.mark.parametrize(
    "change",
    [
        ("--fixation-base", "1"),
        ("--fixation-first", "drop"),
        ("--fixation-outside", "drop"),
        ("--repeats", "once"),
        ("--border", "nearest"),
        ("--truncate", "2"),
        ("--sigma", "4"),
        ("--size", f"{SHAPE[1]}x{SHAPE[0]}"),
    ],
)
def test_ground_truths_that_differ_have_signatures_that_differ(seen: LookedAt, change: tuple[str, str]) -> None:
    """One signature, and one short form, is one number; what makes the same ground truth may have the same."""
    points = [(image, max(x, 1), max(y, 1), who) for image, x, y, who in seen.points]
    outside = [("b", 99, 2, "ann")] if change[0] == "--fixation-outside" else []
    path = write_list(seen.root / "points.csv", [*points, *outside])
    found: list[tuple[float, str, str]] = []
    for options in ((), change):
        out = seen.root / f"out{len(found)}"
        fixations = path if options or not outside else write_list(seen.root / "inside.csv", points)
        done = kldeval("density", fixations, out, "--sigma", "3", "--like", seen.maps[1], *options, "--quiet")
        assert done.code == 0, done.err
        report = json.loads(kldeval(seen.maps[0], out, "-m", "kld", "--format", "json").out)
        short = kldeval(seen.maps[0], out, "-m", "kld", "--format", "markdown").out.partition("signature `")[2]
        found.append((report["summary"]["kld"]["mean"], report["signature"]["kld"], short.partition("`")[0]))
    (number, signature, name), (other, *told) = found
    if (signature, name) != tuple(told):
        assert signature != told[0]
        assert name != told[1]
    else:
        assert number == other


def test_one_image_goes_to_one_file(seen: LookedAt) -> None:
    one = write_list(seen.root / "one.csv", [point for point in seen.points if point[0] == "a"])
    assert kldeval("density", one, seen.root / "map.npy", "--sigma", "2", *SIZE).code == 0
    assert np.load(seen.root / "map.npy").sum() == pytest.approx(seen.counts("a").sum(), rel=1e-12)
    outcome = kldeval("density", seen.fixations, seen.root / "map.npy", "--sigma", "2", *SIZE)
    said = f"{seen.root / 'map.npy'} is one map, but {seen.fixations} holds fixations on 3 images; name a folder"
    assert (outcome.code, outcome.err) == (2, f"kldeval: {said}\n")


def test_fixations_outside_are_named_or_left_out_and_counted(seen: LookedAt) -> None:
    path = write_list(seen.root / "out.csv", [*seen.points, ("b", 99, 2, "ann")])
    outcome = kldeval("density", path, seen.root / "x", "--sigma", "2", *SIZE, "--quiet")
    assert (outcome.code, outcome.out, outcome.err) == (
        1,
        "",
        (
            "kldeval: b: 1 of 13 fixations lie outside the map of 24 x 18 pixels, such as x 99, y 2 (counted from 0); "
            "check --fixation-base and the size, leave them out with --fixation-outside drop, or move them to "
            "the border with clip\n"
        ),
    )
    outcome = kldeval("density", path, seen.root / "y", "--sigma", "2", *SIZE, "--fixation-outside", "drop")
    assert outcome.out == (
        f"{seen.root / 'y'}: 3 maps of {len(seen.points)} fixations, 1 outside left out, "
        "gaussian(sigma=2,border=reflect)\n"
    )


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (
            ("--sigma", "2"),
            1,
            (
                "a: the size of the image is unknown: say it with --size WIDTHxHEIGHT, or --like DIR with a map of its "
                "name"
            ),
        ),
        (("--sigma", "0", *SIZE), 2, "sigma 0: a Gaussian needs a positive number"),
        (
            ("--sigma", "2", "--border", "reflekt", *SIZE),
            2,
            "--border reflekt: 'reflekt' is none of reflect, mirror, nearest, constant, wrap; did you mean 'reflect'?",
        ),
        (
            ("--sigma", "2", "--pixels-per-degree", "-3", *SIZE),
            2,
            "--pixels-per-degree -3: a degree has a positive number of pixels",
        ),
    ],
)
def test_what_makes_no_map_is_refused(seen: LookedAt, options: tuple[str, ...], code: int, message: str) -> None:
    outcome = kldeval("density", seen.fixations, seen.root / "out", *options)
    assert (outcome.code, outcome.err.splitlines()[0]) == (code, f"kldeval: {message}")


# 360 degrees


def test_a_pole_spreads_over_itself_and_not_onto_the_other_one(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("name,x,y\na,10,0\n")
    arguments = ("--sigma", "2", "--size", "64x32", "--border", "wrap")
    assert kldeval("density", tmp_path / "list.csv", tmp_path / "out", *arguments).code == 0
    made = np.load(tmp_path / "out" / "a.npy")
    assert made.sum() == pytest.approx(1)
    assert made[-12:].sum() == 0
    assert made[0, 10 + 32] == pytest.approx(made[1, 10])  # one row beyond the pole, on the opposite meridian


@pytest.mark.parametrize("row", [0, 3, 16, 31])
def test_a_gaussian_on_the_sphere_is_of_the_great_circle_distance(tmp_path: Path, row: int) -> None:
    (tmp_path / "list.csv").write_text(f"name,x,y\na,10,{row}\na,10,{row}\n")
    arguments = ("--sigma", "3", "--size", "64x32", "--projection", "equirectangular")
    outcome = kldeval("density", tmp_path / "list.csv", tmp_path / "out", *arguments)
    assert outcome.out.endswith("1 map of 2 fixations, gaussian(sigma=3,projection=equirectangular)\n")
    made = np.load(tmp_path / "out" / "a.npy")
    theta = np.pi * (np.arange(32) + 0.5)[:, None] / 32
    phi = 2 * np.pi * (np.arange(64) + 0.5)[None] / 64
    directions = np.stack([np.sin(theta) * np.cos(phi), np.sin(theta) * np.sin(phi), np.cos(theta) + 0 * phi])
    angle = np.arccos(np.clip((directions * directions[:, row, 10][:, None, None]).sum(0), -1, 1))
    pixels = angle * 64 / (2 * np.pi)
    kernel = np.where(pixels <= 12, np.exp(-0.5 * (pixels / 3) ** 2), 0)
    by_hand = 2 * kernel / (kernel * np.sin(theta)).sum()
    np.testing.assert_allclose(made, by_hand, rtol=1e-6, atol=1e-9)
    assert (made * np.sin(theta)).sum() == pytest.approx(2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--projection", "mercator"), "--projection mercator: 'mercator' is none of none, equirectangular"),
        (
            ("--projection", "equirectangular", "--border", "nearest"),
            "--border nearest has no meaning beside --projection equirectangular: a sphere has no border",
        ),
    ],
)
def test_a_projection_that_means_nothing_is_refused(tmp_path: Path, arguments: tuple[str, ...], message: str) -> None:
    (tmp_path / "list.csv").write_text("name,x,y\na,1,1\n")
    outcome = kldeval("density", tmp_path / "list.csv", tmp_path / "out", "--sigma", "3", "--size", "8x4", *arguments)
    assert (outcome.code, outcome.err) == (2, f"kldeval: {message}\n")


@pytest.mark.parametrize("made", ["by-hand", "by-hand()", "gaussian(sigma=3)", "drawn by hand"])
def test_a_signature_of_densities_that_say_how_they_were_made_can_be_asked_for(tmp_path: Path, made: str) -> None:
    """Whatever they say, with parameters or without: a signature is balanced, and means what it was of."""
    seen = make_looked_at(tmp_path / "maps", dtype=np.float32)
    for path in list((seen.root / "gt").iterdir()):
        members = {"schema": "kldeval.density/1", "made": made, "fixations": 12}
        path.with_suffix(".json").write_text(json.dumps(members))
    signature = json.loads(kldeval(*seen.maps, "--format", "json").out)["signature"]["kld"]
    assert signature.count("(") == signature.count(")")
    assert f"|density:{made.partition('(')[0]}(" in signature
    assert "fixations=36)|v:1" in signature
    assert kldeval(*seen.maps, "--signature", signature, "--score-only").code == 0
    path.with_suffix(".json").unlink()
    refused = kldeval(*seen.maps, "--signature", signature, "--score-only")
    assert (refused.code, "but the ground truth was made otherwise: nobody says how" in refused.err) == (1, True)
