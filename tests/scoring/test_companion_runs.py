"""The companions of KLD from files to numbers: every way to give fixations, what is compared with, what is refused."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest
from command_line import kldeval, score
from late import late
from looked_at import IMAGES, SHAPE, LookedAt, make_looked_at, write_list
from matlab_files import SAVERS, cell, struct_array
from schemas import validate

import kldeval as library

if TYPE_CHECKING:
    from collections.abc import Callable

ndimage = late("scipy.ndimage")

ON_FIXATIONS = "nss,auc,auc-judd,auc-borji,auc-shuffled,sauc,ll,ig,ig-mit"
ALL = f"kld,cc,sim,sim(minmax=true),tv,hellinger,mse,mae,{ON_FIXATIONS}"
OTHERS = ("--baseline", "others", "--other-map", "others")


@pytest.fixture
def seen(tmp_path: Path) -> LookedAt:
    return make_looked_at(tmp_path / "bytes")


def document(*arguments: str | Path) -> Any:
    found = json.loads(kldeval(*arguments, "--format", "json").out)
    validate(found, "report")
    return found


def fixation_folder(seen: LookedAt, write: Callable[[Path, np.ndarray], None]) -> Path:
    folder = seen.root / "each"
    folder.mkdir()
    for image in IMAGES:
        write(folder / image, (seen.counts(image) > 0).astype(np.uint8))
    return folder


# how fixations are given


def write_png(path: Path, map_: np.ndarray) -> None:
    cv2.imwrite(str(path.with_suffix(".png")), 255 * map_)


def write_npy(path: Path, map_: np.ndarray) -> None:
    np.save(path.with_suffix(".npy"), map_)


def mat_writer(name: str, version: str) -> Callable[[Path, np.ndarray], None]:
    return lambda path, map_: SAVERS[version](path.with_suffix(".mat"), {name: map_})


WRITERS: dict[str, Callable[[Path, np.ndarray], None]] = {
    "png": write_png,
    "npy": write_npy,
    **{
        f"{name}, MATLAB {version}": mat_writer(name, version)
        for name in ("fixLocs", "I", "fixations")
        for version in SAVERS
    },
}
"""Maps of one image each, by what they are called."""


@pytest.mark.parametrize("kind", WRITERS)
def test_maps_of_fixations_give_the_numbers_of_a_list_without_repeats(seen: LookedAt, kind: str) -> None:
    folder = fixation_folder(seen, WRITERS[kind])
    once = write_list(seen.root / "once.csv", list({point[:3]: point for point in seen.points}.values()))
    arguments = (*seen.maps, "-m", ON_FIXATIONS, *OTHERS, "--fixations")
    assert score(*arguments, folder) == score(*arguments, once)


@pytest.mark.parametrize("version", SAVERS)
def test_the_structures_of_salicon_and_osie_give_the_numbers_of_a_list(seen: LookedAt, version: str) -> None:
    salicon = seen.root / "salicon"
    salicon.mkdir()
    cells = []
    for image in IMAGES:
        by_observer = {
            observer: np.asarray([(x, y) for name, x, y, who in seen.points if (name, who) == (image, observer)])
            for observer in ("ann", "bob", "eve")
        }
        gaze = [{"location": xy + 1.0, "fixations": xy + 1.0} for xy in by_observer.values()]
        SAVERS[version](salicon / f"{image}.mat", {"gaze": struct_array(gaze)})
        subjects = [
            {"fix_x": xy[:, :1] + 0.0, "fix_y": xy[:, 1:] + 0.0, "fix_duration": xy[:, :1] + 9.0}
            for xy in by_observer.values()
        ]
        cells.append({"img": f"{image}.jpg", "subjects": cell(*subjects)})
    SAVERS[version](seen.root / "osie.mat", {"fixations": cell(*cells)})
    arguments = (*seen.maps, "-m", ON_FIXATIONS, *OTHERS, "--fixations")
    assert score(*arguments, salicon) == score(*arguments, seen.root / "osie.mat") == score(*arguments, seen.fixations)


def test_a_list_may_count_from_one(seen: LookedAt) -> None:
    from_one = write_list(seen.root / "one.csv", seen.points, base=1)
    arguments = (*seen.maps, "-m", "nss,sauc", "--fixations")
    assert score(*arguments, from_one, "--fixation-base", "1") == score(*arguments, seen.fixations)


def test_a_table_out_of_order_and_with_other_columns_gives_the_same_numbers(seen: LookedAt) -> None:
    rows = [f'{who},{y}.0,"{image}.png", {x},left' for image, x, y, who in reversed(seen.points)]
    (seen.root / "other.tsv").write_text(
        "\n".join(["subject\tY\timage\tX\teye", *(row.replace(",", "\t") for row in rows)])
    )
    arguments = (*seen.maps, "-m", ON_FIXATIONS, *OTHERS, "--fixations")
    assert score(*arguments, seen.root / "other.tsv") == score(*arguments, seen.fixations)


def test_fixations_outside_are_reported_or_left_out_on_demand(seen: LookedAt) -> None:
    path = write_list(seen.root / "out.csv", [*seen.points, ("b", SHAPE[1], 2, "ann")])
    refused = document(*seen.maps, "-m", "nss", "--fixations", path)
    assert [row["name"] for row in refused["maps"]] == ["a", "c"]
    assert refused["failures"] == [
        {
            "name": "b",
            "stage": "check",
            "message": "1 of 13 fixations lie outside the map of 24 x 18 pixels, such as x 24, y 2 (counted from 0); "
            "check --fixation-base and the size, leave them out with --fixation-outside drop, or move them to "
            "the border with clip",
            "code": "fixations-outside",
        }
    ]
    dropped = document(*seen.maps, "-m", "nss", "--fixations", path, "--fixation-outside", "drop")
    whole = document(*seen.maps, "-m", "nss", "--fixations", seen.fixations)
    assert dropped["maps"] == whole["maps"]
    assert "|fixations:read(outside=drop)|" in dropped["signature"]["nss"]
    assert dropped["notes"] == ["fixations outside the map were left out (1 of 3 maps)"]


def test_the_first_fixation_of_every_observer_may_be_dropped(seen: LookedAt) -> None:
    firsts = {(image, who): place for place, (image, _, _, who) in reversed(list(enumerate(seen.points)))}
    rest = [point for place, point in enumerate(seen.points) if place not in firsts.values()]
    later = write_list(seen.root / "later.csv", rest)
    arguments = (*seen.maps, "-m", ON_FIXATIONS, *OTHERS, "--fixations")
    assert score(*arguments, seen.fixations, "--fixation-first", "drop") == score(*arguments, later)


def test_a_manifest_may_name_fixations_and_masks(seen: LookedAt) -> None:
    folder = fixation_folder(seen, WRITERS["png"])
    np.save(seen.root / "mask.npy", np.tri(*SHAPE, dtype=bool))
    rows = [f"{image},pred/{image}.png,gt/{image}.png,each/{image}.png,mask.npy" for image in IMAGES]
    (seen.root / "list.csv").write_text("\n".join(["name,pred,gt,fixations,mask", *rows]) + "\n")
    named = score("--manifest", seen.root / "list.csv", "-m", "kld,nss,sauc")
    assert named == score(*seen.maps, "-m", "kld,nss,sauc", "--fixations", folder, "--mask", seen.root / "mask.npy")
    twice = kldeval("--manifest", seen.root / "list.csv", "-m", "nss", "--fixations", folder)
    assert (twice.code, twice.err) == (
        2,
        "kldeval: the manifest names fixations already, in its column 'fixations'; leave out --fixations\n",
    )


# the numbers


def test_every_image_has_the_numbers_of_the_library(seen: LookedAt) -> None:
    found = {
        row["name"]: row for row in document(*seen.maps, "-m", ALL, "--fixations", seen.fixations, *OTHERS)["maps"]
    }
    for image in IMAGES:
        pred, gt, counts = seen.preds[image], seen.gts[image], seen.counts(image)
        others = seen.others(image)
        expected = {
            "cc": library.cc(pred, gt),
            "sim": library.sim(pred, gt),
            "sim(minmax=true)": library.sim(pred, gt, minmax=True),
            "mse": library.mse(pred, gt),
            "mae": library.mae(pred, gt),
            "nss": library.nss(pred, counts),
            "auc": library.auc(pred, counts),
            "auc-judd": library.auc_judd(pred, counts),
            "auc-borji": library.auc_borji(pred, counts),
            "auc-shuffled": library.auc_shuffled(pred, counts, others > 0),
            "sauc": library.sauc(pred, counts, others),
        }
        assert {key: found[image][key] for key in expected} == pytest.approx(
            {key: float(value) for key, value in expected.items()}, rel=1e-12
        )
        assert found[image]["n_fixations"] == counts.sum()


def test_the_baseline_of_the_others_is_their_kernel_density_with_a_uniform_part(seen: LookedAt) -> None:
    bandwidth, uniform = 0.1, 0.01
    baseline = f"others(bandwidth={bandwidth},uniform={uniform})"
    rows = document(*seen.maps, "-m", "ll,ig,ig-mit", "--fixations", seen.fixations, "--baseline", baseline)
    assert f"|baseline:{baseline}|" in rows["signature"]["ig"]
    assert "baseline" not in rows["signature"]["ll"]
    for row in rows["maps"]:
        image = row["name"]
        others, counts = seen.others(image), seen.counts(image)
        smooth = ndimage.gaussian_filter(others.astype(np.float64), [bandwidth * side for side in SHAPE])
        density = (1 - uniform) * smooth / others.sum() + uniform / others.size
        pred = seen.preds[image] / seen.preds[image].sum()
        likelihood = (np.log(pred) * counts).sum() / counts.sum()
        gain = likelihood - (np.log(density) * counts).sum() / counts.sum()
        stretched = [values - values.min() for values in (seen.preds[image].astype(np.float64), density)]
        bits = [np.log2(values / values.sum() + 2.0**-52)[counts > 0].mean() for values in stretched]
        expected = {"ll": likelihood, "ig": gain / math.log(2), "ig-mit": bits[0] - bits[1]}
        assert {key: row[key] for key in expected} == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("dtype", [np.uint16, np.float64])
def test_maps_of_8_bits_have_the_numbers_of_the_plain_body(seen: LookedAt, tmp_path: Path, dtype: type) -> None:
    """The same whole numbers in another type are neither counted together nor cut into levels."""
    plain = make_looked_at(tmp_path / "plain", dtype=dtype)
    for extra in ((), ("--mask", seen.root / "mask.npy"), ("--weights", "latitude")):
        np.save(seen.root / "mask.npy", np.tri(*SHAPE, dtype=bool))
        options = ("-m", ALL, "--fixations", seen.fixations, *OTHERS, "--scale", "raw", *extra)
        assert score(*seen.maps, *options) == pytest.approx(score(*plain.maps, *options), rel=1e-12, abs=1e-12)


def test_a_baseline_may_be_a_file_or_a_folder(seen: LookedAt) -> None:
    one = seen.root / "prior.npy"
    np.save(one, seen.gts["a"])
    folder = seen.root / "priors"
    folder.mkdir()
    for image in IMAGES:
        np.save(folder / f"{image}.npy", seen.gts["a"])
    arguments = (*seen.maps, "-m", "ig,ig-mit", "--fixations", seen.fixations, "--baseline")
    assert score(*arguments, one) == score(*arguments, folder)
    assert "|baseline:maps|" in document(*arguments, folder)["signature"]["ig"]
    counts, pred, gt = seen.counts("b"), seen.preds["b"] / 1.0, seen.gts["a"] / 1.0
    expected = (np.log2(pred / pred.sum()) - np.log2(gt / gt.sum()))[counts > 0].mean()
    row = document(*arguments, one)["maps"][1]
    assert row["ig"] == pytest.approx(expected, rel=1e-12)


def test_the_gain_over_a_uniform_baseline_is_the_likelihood_over_chance(seen: LookedAt) -> None:
    options = ("-m", "ll,ig", "--fixations", seen.fixations, "--baseline", "uniform")
    likelihood, gain = score(*seen.maps, *options)
    assert gain == pytest.approx((likelihood + math.log(math.prod(SHAPE))) / math.log(2), rel=1e-12)


def test_a_mean_over_fixations_weighs_every_image_by_its_own(seen: LookedAt) -> None:
    found = document(*seen.maps, "-m", "nss,kld", "--fixations", seen.fixations, "--maps", "fixations")
    rows = found["maps"]
    number = sum(row["n_fixations"] for row in rows)
    expected = math.fsum(row["nss"] * row["n_fixations"] for row in rows) / number
    assert found["summary"]["nss"]["mean"] == pytest.approx(expected, rel=1e-14)
    assert found["summary"]["kld"]["mean"] == pytest.approx(math.fsum(row["kld"] for row in rows) / 3, rel=1e-14)
    assert "|maps:fixations|" in found["signature"]["nss"]
    assert "|maps:mean|" in found["signature"]["kld"]


# masks and weights


def cropped(seen: LookedAt, top: int, left: int) -> LookedAt:
    """The data set without its first rows and columns, and without what was fixated there."""
    root = seen.root / "cropped"
    for role, arrays in (("pred", seen.preds), ("gt", seen.gts)):
        (root / role).mkdir(parents=True)
        for image in IMAGES:
            cv2.imwrite(str(root / role / f"{image}.png"), arrays[image][top:, left:])
    points = [(image, x - left, y - top, who) for image, x, y, who in seen.points if x >= left and y >= top]
    write_list(root / "fixations.csv", points)
    return LookedAt(root, {}, {}, points)


EVERYTHING = "kld,kld-reverse,ce,jsd,entropy-gt,cc,sim,tv,hellinger,mse,mae,nss,auc,auc-judd,auc-borji,sauc,ll,ig"


@pytest.mark.parametrize("norm", ["sum-to-one", "flatten-softmax"])
def test_a_mask_of_ones_changes_nothing_and_masking_is_cropping(seen: LookedAt, norm: str) -> None:
    common = ("-m", EVERYTHING, "--baseline", "uniform", "--norm", norm, "--fixations")
    np.save(seen.root / "ones.npy", np.ones(SHAPE, np.uint8))
    plain = score(*seen.maps, *common, seen.fixations)
    assert score(*seen.maps, *common, seen.fixations, "--mask", seen.root / "ones.npy") == plain
    top, left = 5, 7
    mask = np.zeros(SHAPE, np.uint8)
    mask[top:, left:] = 255
    cv2.imwrite(str(seen.root / "mask.png"), mask)
    crop = cropped(seen, top, left)
    kept = write_list(seen.root / "kept.csv", [(name, x + left, y + top, who) for name, x, y, who in crop.points])
    masked = score(*seen.maps, *common, kept, "--mask", seen.root / "mask.png")
    assert masked == pytest.approx(score(*crop.maps, *common, crop.fixations), rel=1e-12, abs=1e-13)
    # a fixation under the mask is on no pixel
    assert score(*seen.maps, *common, seen.fixations, "--mask", seen.root / "mask.png") == masked


def test_latitude_weights_are_integrals_over_the_sphere(seen: LookedAt) -> None:
    """A map is a function that is constant within pixels: its integrals are sums times exact areas of the sphere."""
    height, width = SHAPE
    edges = np.cos(np.pi * np.arange(height + 1) / height)
    area = np.repeat((edges[:-1] - edges[1:])[:, None] * (2 * np.pi / width), width, axis=1)
    assert area.sum() == pytest.approx(4 * np.pi, rel=1e-14)
    rows = document(*seen.maps, "-m", "kld(),tv,cc,sim,mse", "--weights", "latitude", "--scale", "raw")
    assert "|weights:latitude|" in rows["signature"]["kld"]
    for row in rows["maps"]:
        pred, gt = (maps[row["name"]].astype(np.float64) for maps in (seen.preds, seen.gts))
        p, q = (values / (values * area).sum() for values in (pred, gt))
        a, b = (values - (values * area).sum() / area.sum() for values in (pred, gt))
        expected = {
            "kld": (area * q * np.log(q / p)).sum(),
            "tv": (area * np.abs(p - q)).sum() / 2,
            "cc": (area * a * b).sum() / math.sqrt((area * a**2).sum() * (area * b**2).sum()),
            "sim": (area * np.minimum(p, q)).sum(),
            "mse": (area * (pred - gt) ** 2).sum() / area.sum(),
        }
        assert {key: row[key] for key in expected} == pytest.approx(expected, rel=1e-12)


def test_a_map_of_weights_is_a_multiplicity(seen: LookedAt) -> None:
    weights = np.random.default_rng(3).integers(0, 3, SHAPE).astype(np.float64)
    np.save(seen.root / "weights.npy", weights)
    found = document(*seen.maps, "-m", "kld(),cc", "--weights", seen.root / "weights.npy")
    assert "|weights:map(sha256=" in found["signature"]["kld"]
    for row in found["maps"]:
        pred, gt = (
            np.repeat(maps[row["name"]].ravel(), weights.astype(int).ravel())[None] for maps in (seen.preds, seen.gts)
        )
        assert row["kld"] == pytest.approx(float(library.kld(pred, gt, eps=0)), rel=1e-12)
        assert row["cc"] == pytest.approx(float(library.cc(pred, gt)), rel=1e-12)


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (
            np.arange(432).reshape(SHAPE) % 3,
            "a mask holds 0, where pixels are ignored, and one other value; this holds more",
        ),
        (np.zeros(SHAPE), "the mask hides every pixel: it is all zero"),
        (
            np.ones((9, 12)),
            (
                "the mask is (9, 12), the maps are (18, 24) (height, width); any --resize, such as 'pred-to-gt', fits "
                "it to them"
            ),
        ),
    ],
)
def test_a_mask_that_is_none_is_refused(seen: LookedAt, mask: np.ndarray, message: str) -> None:
    path = seen.root / "mask.npy"
    np.save(path, mask)
    found = document(*seen.maps, "-m", "kld", "--mask", path)
    assert {row["message"] for row in found["failures"]} == {f"{path}: {message}"}


# what is noted and refused


@pytest.mark.parametrize("value", [0, 128])
def test_a_constant_prediction_has_the_documented_numbers_and_is_noted(seen: LookedAt, value: int) -> None:
    for image in IMAGES:
        cv2.imwrite(str(seen.root / "pred" / f"{image}.png"), np.full(SHAPE, value, np.uint8))
    found = document(*seen.maps, "-m", "cc,nss,auc,auc-borji,sauc,auc-judd", "--fixations", seen.fixations)
    means = {key: summary["mean"] for key, summary in found["summary"].items()}
    pixels = [int((seen.counts(image) > 0).sum()) for image in IMAGES]
    judd = math.fsum(0.5 + 1 / (2 * (n + 1)) for n in pixels) / 3
    assert means == pytest.approx(
        {"cc": 0.0, "nss": 0.0, "auc": 0.5, "auc-borji": 0.5, "sauc": 0.5, "auc-judd": judd}, rel=1e-14
    )
    assert found["notes"] == ["the prediction is constant (3 of 3 maps)"]


@pytest.mark.parametrize("value", [0, 128])
def test_a_constant_ground_truth_is_noted(seen: LookedAt, value: int) -> None:
    for image in IMAGES:
        cv2.imwrite(str(seen.root / "gt" / f"{image}.png"), np.full(SHAPE, value, np.uint8))
    found = document(*seen.maps, "-m", "cc")
    assert [row["cc"] for row in found["maps"]] == ["nan"] * 3
    assert "the ground truth is constant (3 of 3 maps)" in found["notes"]


def test_an_image_that_nobody_looked_at_is_noted(seen: LookedAt) -> None:
    folder = fixation_folder(seen, WRITERS["npy"])
    np.save(folder / "b.npy", np.zeros(SHAPE, np.uint8))
    found = document(*seen.maps, "-m", "nss", "--fixations", folder)
    assert (found["maps"][1]["nss"], found["maps"][1]["n_fixations"]) == ("nan", 0)
    assert "nobody fixated the map, so metrics of fixations are undefined (1 of 3 maps)" in found["notes"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("-m", "nss"), "nss needs fixations: --fixations FILE or DIR"),
        (
            ("-m", "ig", "--fixations", "LIST"),
            "ig needs a baseline: --baseline uniform, others, or the FILE or DIR of its maps",
        ),
        (
            ("-m", "auc-shuffled", "--fixations", "LIST"),
            "auc-shuffled needs the fixations of other images: --other-map FILE or DIR, or others (their union)",
        ),
        (
            ("-m", "kld", "--fixations", "LIST"),
            "--fixations LIST has no effect: none of the metrics kld is of fixations",
        ),
        (
            ("-m", "nss", "--fixations", "LIST", "--baseline", "uniform"),
            "--baseline uniform has no effect: none of the metrics nss needs one",
        ),
        (
            ("-m", "kld", "--maps", "fixations"),
            "--maps fixations has no effect: none of the metrics kld is of fixations",
        ),
        (
            ("-m", "ll", "--fixations", "LIST", "--norm", "softmax"),
            (
                "ll needs a density of the whole map; 'softmax' makes one of every row or column: use sum-to-one, "
                "flatten-softmax or log-prob"
            ),
        ),
        (
            ("-m", "nss(ddof=2)", "--fixations", "LIST"),
            "nss(ddof=2): a standard deviation is over N (0) or N - 1 (1)",
        ),
        (("-m", "kld", "--mask", "nowhere.png"), "--mask nowhere.png: no such file or folder"),
    ],
)
def test_a_request_that_cannot_be_met_is_refused_with_the_way_out(
    seen: LookedAt, arguments: tuple[str, ...], message: str
) -> None:
    given = [str(seen.fixations) if word == "LIST" else word for word in arguments]
    outcome = kldeval(*seen.maps, *given)
    assert (outcome.code, outcome.out, outcome.err) == (
        2,
        "",
        f"kldeval: {message.replace('LIST', str(seen.fixations))}\n",
    )


def test_a_signature_runs_again_with_the_files_that_it_speaks_of(seen: LookedAt) -> None:
    options = ("--fixations", seen.fixations, "--fixation-outside", "drop")
    first = document(*seen.maps, "-m", "ig", "--baseline", "others(bandwidth=0.1)", *options)
    again = document(*seen.maps, "--signature", first["signature"]["ig"], "--fixations", seen.fixations)
    assert (again["signature"], again["maps"]) == (first["signature"], first["maps"])


def test_no_number_of_fixations_depends_on_the_images_beside_it() -> None:
    """To the last bit: 8-bit images are worked out together, and alone where one is given alone."""
    home = Path(__file__).parents[2] / "sample_data"
    asked: dict[str, Any] = {"metric": "kld,nss,nss(ddof=1),auc,auc(negatives=unfixated),auc-judd,auc-borji,ll,cc,sim"}
    asked["fixations"] = home / "fixations.csv"
    together = {one.name: one.values for one in library.evaluate(home / "bold", home / "gt", **asked).scores}
    alone = {
        name: library.evaluate(home / "bold" / f"{name}.png", home / "gt" / f"{name}.png", **asked).scores[0].values
        for name in together
    }
    assert len(together) == 5
    assert together == alone
