"""Observers drawn from a known density: their curve climbs to its true value, and models are measured beside them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest
from command_line import kldeval
from schemas import validate

import kldeval as library

if TYPE_CHECKING:
    from collections.abc import Sequence

SAMPLE = Path(__file__).parent.parent.parent / "sample_data"
SHAPE = 36, 48
OBSERVERS, FIXATIONS, IMAGES = 9, 10, 5


def density(seed: int) -> np.ndarray:
    """A density of a few blobs on a uniform ground."""
    rng = np.random.default_rng(seed)
    spots = np.zeros(SHAPE)
    spots[rng.integers(6, SHAPE[0] - 6, 4), rng.integers(6, SHAPE[1] - 6, 4)] = rng.random(4) + 0.5
    found = cv2.GaussianBlur(spots, (0, 0), 2.5)
    found = 0.9 * found / found.sum() + 0.1 / found.size
    return np.asarray(found)


def write(path: Path, rows: Sequence[tuple[str, float, float, str]]) -> Path:
    path.write_text("name,x,y,observer\n" + "".join(",".join(map(str, row)) + "\n" for row in rows))
    return path


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fixations of observers who look where a known density says, that density as a model, and another's."""
    folder = tmp_path_factory.mktemp("world")
    (folder / "true").mkdir()
    (folder / "wrong").mkdir()
    rows = []
    for image in range(IMAGES):
        p = density(image)
        np.save(folder / "true" / f"{image}.npy", p)
        np.save(folder / "wrong" / f"{image}.npy", density(image + 100))
        rng = np.random.default_rng(1000 + image)
        places = rng.choice(p.size, (OBSERVERS, FIXATIONS), p=p.ravel())
        for observer in range(OBSERVERS):
            rows += [(str(image), place % SHAPE[1], place // SHAPE[1], f"o{observer}") for place in places[observer]]
    write(folder / "fixations.csv", rows)
    return folder


@pytest.fixture(scope="module")
def curves(world: Path) -> dict[str, Any]:
    done = kldeval(
        *("observers", world / "true", world / "wrong", world / "fixations.csv", "--sigma", "2", "--extrapolate"),
        *("--format", "json", "-q", "--resamples", "500", "--jobs", "1"),
    )
    assert done.code == 0, done.err
    found: dict[str, Any] = json.loads(done.out)
    validate(found, "observers")
    return found


def means(curves: dict[str, Any], metric: str, what: str = "gold") -> list[float]:
    return [point[what] for point in curves["curves"][metric]["points"]]


def true_value(metric: str) -> float:
    """What the density itself scores on fixations drawn from it, in the mean over images."""
    found = []
    for image in range(IMAGES):
        p = density(image)
        bits, scores = np.log2(p * p.size), (p - p.mean()) / p.std()
        found.append(float((p * (bits if metric == "ig" else scores)).sum()))
    return float(np.mean(found))


@pytest.mark.parametrize("metric", ["ig", "nss"])
def test_the_curve_climbs_to_the_true_value(curves: dict[str, Any], metric: str) -> None:
    gold, truth = means(curves, metric), true_value(metric)
    assert [point["n"] for point in curves["curves"][metric]["points"]] == [1, 2, 4, 8]
    assert gold == sorted(gold)
    # the fixations at hand may lie a little better than those of the density do on average
    model = curves["curves"][metric]["points"][-1]["models"]["true"]["mean"]
    assert abs(model - truth) < 0.12 * truth
    assert 0.85 * model < gold[-1] < model
    end = curves["curves"][metric]["extrapolated"]
    assert end["law"].startswith("power law")
    assert gold[-1] < end["value"] < 1.1 * model


def test_auc_and_halves_climb_as_well(curves: dict[str, Any]) -> None:
    for metric, sign in (("auc", 1), ("cc", 1), ("sim", 1), ("kld", -1)):
        gold = [sign * value for value in means(curves, metric)]
        assert gold == sorted(gold), metric
    assert [point["n"] for point in curves["curves"]["kld"]["points"]] == [1, 2, 4]


def test_the_bandwidth_is_fitted_again_for_each_number(curves: dict[str, Any]) -> None:
    bandwidths, uniforms = (means(curves, "ig", what) for what in ("bandwidth", "uniform"))
    assert bandwidths == sorted(bandwidths, reverse=True)
    assert bandwidths[0] > 1.3 * bandwidths[-1]
    assert uniforms[-1] == 0.1, "the density has a uniform part of a tenth"


def test_a_kernel_that_is_not_fitted_again_predicts_worse(world: Path, curves: dict[str, Any]) -> None:
    last = curves["curves"]["ig"]["points"][-1]
    first = curves["curves"]["ig"]["points"][0]
    kept = f"observers(bandwidth={first['bandwidth']},uniform={first['uniform']})"
    again = f"observers(bandwidth={last['bandwidth']},uniform={last['uniform']})"
    ceilings = [ceiling(world, kernel)["ig"] for kernel in (kept, again)]
    assert ceilings[0] < ceilings[1]
    assert last["gold"] > 1.02 * ceilings[0]


def ceiling(world: Path, kernel: str) -> dict[str, float]:
    done = kldeval(
        *(world / "true", world / "true", "-m", "ig,nss,auc", "--fixations", world / "fixations.csv", "--baseline"),
        *("uniform", "--baselines", "--ceiling", kernel, "--format", "json", "-q"),
    )
    found: dict[str, float] = json.loads(done.out)["references"]["ceiling"]
    return found


def test_all_others_are_the_ceiling_of_an_evaluation(world: Path, curves: dict[str, Any]) -> None:
    names = {row["name"] for row in curves["images"]}
    last = curves["curves"]["ig"]["points"][-1]
    kernel = f"observers(bandwidth={last['bandwidth']},uniform={last['uniform']})"
    expected = ceiling(world, kernel)
    assert len(names) == IMAGES
    for metric in ("ig", "nss", "auc"):
        # an image may be scored with the kernel that the others give
        assert means(curves, metric)[-1] == pytest.approx(expected[metric], rel=2e-2), metric


def test_models_stand_between_chance_and_the_gold_standard(curves: dict[str, Any]) -> None:
    for metric, curve in curves["curves"].items():
        for point in curve["points"]:
            for name, model in point["models"].items():
                share = (model["mean"] - point["chance"]) / (point["gold"] - point["chance"])
                assert model["share"] == pytest.approx(share, rel=1e-9), (metric, name)
                assert model["share_interval"][0] <= model["share"] <= model["share_interval"][1]
        true, wrong = (curve["points"][-1]["models"][name]["share"] for name in ("true", "wrong"))
        assert true > 0.95, metric
        assert wrong < 0.7 * true, metric


def test_models_are_scored_against_the_same_half(tmp_path: Path) -> None:
    """Two observers look left and one right, and the model says left: it fails where the predicted half does."""
    rows = []
    for image in range(30):
        rows += [(f"{image:02d}", x, 8 + k, who) for k, (x, who) in enumerate(((4, "a"), (4, "b"), (40, "c")))]
    left = np.zeros(SHAPE)
    left[:, :16] = 1
    (tmp_path / "model").mkdir()
    for image in range(30):
        np.save(tmp_path / "model" / f"{image:02d}.npy", left)
    path = write(tmp_path / "f.csv", rows)
    done = kldeval(
        "observers", tmp_path / "model", path, "--sigma", "2", "-m", "cc", "--counts", "1", "--format", "json", "-q"
    )
    document = json.loads(done.out)
    values = [one["values"]["cc"]["1"] for one in document["images"]]
    both_left = [one for one in values if one["gold standard"] > 0.5]
    assert 5 < len(both_left) < 25
    best = max(one["model"] for one in values)
    # those who look left predict each other, and the model predicts both; else one of the halves looks right
    assert all(one["model"] == pytest.approx(best) for one in both_left)
    assert all(one["model"] < best / 2 for one in values if one not in both_left)


def test_chance_may_be_where_people_look_on_other_images(world: Path) -> None:
    done = kldeval(
        *("observers", world / "true", world / "fixations.csv", "-m", "ig,nss,sauc", "--chance", "others"),
        *("--counts", "1,4", "--format", "json", "-q"),
    )
    found = json.loads(done.out)
    assert done.code == 0, done.err
    assert means(found, "ig", "chance") == pytest.approx([0.0, 0.0], abs=1e-12)
    assert 0 < means(found, "nss", "chance")[0] < means(found, "nss")[0]
    assert "baseline:others" in found["signature"]["ig"]
    assert "context:" in found["signature"]["ig"]


def test_workers_and_the_order_of_images_do_not_matter(world: Path, curves: dict[str, Any], tmp_path: Path) -> None:
    head, *lines = (world / "fixations.csv").read_text().splitlines()
    # other images first, the observers of each in their order
    turned = tmp_path / "fixations.csv"
    turned.write_text("\n".join([head, *sorted(lines, key=lambda line: -int(line[0]))]) + "\n")
    some = "observers", world / "true", turned, "-m", "nss", "--counts", "1", "--format", "json", "-q"
    one, two = kldeval(*some, "--jobs", "1"), kldeval(*some, "--jobs", "2")
    assert one.out == two.out
    of_some = [row["values"]["nss"]["1"]["gold standard"] for row in json.loads(one.out)["images"]]
    assert of_some == [row["values"]["nss"]["1"]["gold standard"] for row in curves["images"]]
    assert kldeval(*some, "--seed", "1").out != one.out


def test_images_with_few_observers_are_left_out_of_every_row(tmp_path: Path) -> None:
    rows = [(name, 3 + k, 4 + k, f"o{k}") for name, n in (("a", 6), ("b", 6), ("c", 2), ("d", 1)) for k in range(n)]
    path = write(tmp_path / "f.csv", rows)
    done = kldeval("observers", path, "--size", "48x36", "-m", "nss", "--counts", "1,4")
    assert done.code == 0, done.err
    assert "mean over 2 images" in done.out
    said = "2 images with too few observers left out, such as 'c' with 2: every row is of the same images, which have 6"
    assert said in done.out


def test_an_extrapolation_is_said_to_be_one(world: Path, tmp_path: Path) -> None:
    page = tmp_path / "curves.html"
    done = kldeval("observers", world / "fixations.csv", "--size", "48x36", "-m", "nss", "--extrapolate", "-o", page)
    assert "\nextrapolated " in done.out
    assert "extrapolated to ever more observers by a power law: g(n) = g - a n^-b" in done.out
    assert "an assumption, no measurement" in done.out
    text = page.read_text()
    assert "<svg" in text
    assert "extrapolated: " in text


def test_nothing_is_extrapolated_from_few_numbers() -> None:
    done = kldeval("observers", SAMPLE / "careful", SAMPLE / "fixations.csv", "-m", "nss", "--extrapolate")
    assert "nothing is extrapolated: 2 numbers of observers do not fix a law of three parameters" in done.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("-m", "kld"),
            "kld needs the Gaussian of the ground truths that halves of the observers make: --sigma PIXELS",
        ),
        (("-m", "nss", "--sigma", "3"), "--sigma 3 has no effect: none of the metrics is of ground-truth maps"),
        (("--sigma", "0"), "--sigma 0: the standard deviation of a Gaussian is above 0"),
        (("--counts", "3"), "--counts 3: no image has more than 3 observers, so at most 2 of them predict one other"),
        (("--counts", "1,x"), "--counts 1,x: whole numbers of observers, as 1,2,5,10"),
        (("--counts", "0"), "--counts 0: numbers of observers, 1 or more"),
        (("--chance", "none"), "--chance none: chance is uniform, or others (the fixations on all other images)"),
        (("-m", "mae", "--sigma", "3"), "mae: curves are of metrics of whole maps, such as nss, auc, ig and kld"),
    ],
)
def test_what_can_mean_nothing_is_refused(arguments: tuple[str, ...], message: str) -> None:
    done = kldeval("observers", SAMPLE / "careful", SAMPLE / "fixations.csv", *arguments)
    assert (done.code, done.out, done.err) == (2, "", f"kldeval: {message}\n")


@pytest.mark.parametrize(
    ("text", "options", "reason"),
    [
        ("name,x,y\na,1,2\na,3,4\n", ("--size", "9x9"), "a list with the column observer does"),
        ("name,x,y,observer\na,1,2,p\na,3,4,q\n", (), "the size of the image is unknown"),
        ("name,x,y,observer\na,1,2,p\na,3,99,q\n", ("--size", "9x9"), "1 of 2 fixations lie outside the map"),
    ],
)
def test_why_no_observer_is_known_is_told(tmp_path: Path, text: str, options: tuple[str, ...], reason: str) -> None:
    (tmp_path / "f.csv").write_text(text)
    done = kldeval("observers", tmp_path / "f.csv", *options)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("kldeval: the observers of no image are known: a: ")
    assert reason in done.err


def test_every_metric_of_fixations_has_a_curve(world: Path) -> None:
    metrics = "auc-judd,auc-borji,auc-shuffled,sauc,ll,ig,ig-mit"
    done = kldeval(
        *("observers", world / "true", world / "fixations.csv", "-m", metrics, "--counts", "2", "--limit", "3"),
        *("--format", "json", "-q"),
    )
    assert done.code == 0, done.err
    found = json.loads(done.out)["curves"]
    assert ",".join(found) == metrics
    for metric, curve in found.items():
        (point,) = curve["points"]
        model = point["models"]["true"]
        if metric == "ig-mit":  # it stretches the map, and a uniform one cannot be stretched
            assert (point["chance"], model["share"], model["reason"]) == ("nan", None, "a number is not finite")
            continue
        assert point["chance"] < point["gold"] < model["mean"], metric


def test_one_map_stands_for_those_of_all_images(world: Path, tmp_path: Path) -> None:
    mean = np.mean([density(image) for image in range(IMAGES)], axis=0)
    np.save(tmp_path / "prior.npy", mean)
    (tmp_path / "copies").mkdir()
    for image in range(IMAGES):
        np.save(tmp_path / "copies" / f"{image}.npy", mean)
    both = tmp_path / "prior.npy", tmp_path / "copies", world / "fixations.csv"
    done = kldeval("observers", *both, "-m", "nss", "--counts", "2", "--format", "json")
    found = json.loads(done.out)
    (point,) = found["curves"]["nss"]["points"]
    assert point["models"]["prior"] == point["models"]["copies"]
    assert f"prior is one map, which stands for those of all {IMAGES} images" in found["notes"]


def test_a_model_is_not_called_as_an_end_of_the_way() -> None:
    done = kldeval("observers", SAMPLE / "careful", SAMPLE / "fixations.csv", "--name", "chance")
    said = "a model cannot be called chance, as what it is measured between is; give it another name (--name)"
    assert (done.code, done.err) == (2, f"kldeval: {said}\n")


def test_what_an_image_lacks_is_its_failure(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    for name in ("harbour", "market", "meadow"):
        array = cv2.imread(str(SAMPLE / "careful" / f"{name}.png"), cv2.IMREAD_UNCHANGED)
        assert array is not None
        np.save(tmp_path / "model" / f"{name}.npy", array * (name != "market"))
    done = kldeval("observers", tmp_path / "model", SAMPLE / "fixations.csv", "-m", "ig", "--format", "json", "-q")
    found = json.loads(done.out)
    assert done.code == 1
    assert [one["name"] for one in found["images"]] == ["harbour", "meadow"]
    assert {one["name"]: one["code"] for one in found["failures"]}.keys() == {"market", "portrait", "street"}


def test_the_library_answers_the_same(world: Path, curves: dict[str, Any], tmp_path: Path) -> None:
    arrays = {str(image): density(image) for image in range(IMAGES)}
    found = library.observers(world / "fixations.csv", {"true": arrays}, metric="nss", resamples=500)
    validate(found.to_dict(), "observers")
    assert [point.gold for point in found["nss"].points] == means(curves, "nss")
    found.save(tmp_path / "curves.json")
    assert json.loads((tmp_path / "curves.json").read_text()) == found.to_dict()
    assert "leave-one-out" in str(found)
    with pytest.raises(library.UnknownName, match="unknown metric 'auk'"):
        _ = found["auk"]
    with pytest.raises(library.UsageProblem, match="seed=-1: a seed is 0 or more"):
        library.observers(world / "fixations.csv", {"true": arrays}, metric="nss", seed=-1)
    with pytest.raises(library.UsageProblem, match=r"kld needs the Gaussian .*: sigma=PIXELS"):
        library.observers(world / "fixations.csv", {"true": arrays}, metric="kld")
