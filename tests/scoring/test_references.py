"""Reference rows: chance, the mean of the other ground truths, the other observers, and the way between them."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest
from command_line import kldeval
from evaluating import settings_of
from hypothesis import given, settings
from hypothesis import strategies as st
from late import late
from looked_at import IMAGES, OBSERVERS, SHAPE, LookedAt, make_looked_at, write_list
from looping import each_of
from report_files import saved
from schemas import validate

import kldeval as library
from kldeval.data.fixations.collection import OtherFixations
from kldeval.data.load import Reading
from kldeval.records import Pair, Score, fixations_at
from kldeval.reports.aggregate import ReferencesHeld, summarise_references
from kldeval.reports.documents import Resampling
from kldeval.reports.shares import share_between, share_of
from kldeval.scoring.leave_one_out import Kernel, LeaveOneOutDensity
from kldeval.scoring.reference_models import CentrePrior

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

ndimage = late("scipy.ndimage")

METRICS = "kld(),cc,sim,nss,auc,sauc,ll,ig"
PIXELS = math.prod(SHAPE)


@pytest.fixture
def seen(tmp_path: Path) -> LookedAt:
    return make_looked_at(tmp_path)


def scored(seen: LookedAt, *arguments: str | Path, metrics: str = METRICS) -> Any:
    beside = () if metrics.startswith("kld") and "nss" not in metrics else ("--fixations", seen.fixations)
    baseline = ("--baseline", "uniform") if "ig" in metrics.split(",") else ()
    found = kldeval(*seen.maps, "-m", metrics, *beside, *baseline, "--baselines", "--format", "json", *arguments)
    document = json.loads(found.out)
    validate(document, "report")
    return document


def on_fixations(density: np.ndarray, counts: np.ndarray, others: np.ndarray) -> dict[str, float]:
    """The metrics of fixations of a density."""
    likelihood = float((np.log(density) * counts).sum() / counts.sum())
    return {
        "nss": float(library.nss(density, counts)),
        "auc": float(library.auc(density, counts)),
        "sauc": float(library.sauc(density, counts, others)),
        "ll": likelihood,
        "ig": (likelihood + math.log(PIXELS)) / math.log(2),
    }


# the rows


def test_chance_is_what_a_constant_map_scores(seen: LookedAt) -> None:
    for row in scored(seen)["maps"]:
        gt = seen.gts[row["name"]].astype(np.float64)
        q = gt / gt.sum()
        expected = {
            "kld": math.log(PIXELS) + float((q * np.log(q)).sum()),
            "cc": 0.0,
            "sim": float(np.minimum(q, 1 / PIXELS).sum()),
            "nss": 0.0,
            "auc": 0.5,
            "sauc": 0.5,
            "ll": -math.log(PIXELS),
            "ig": 0.0,
        }
        assert row["references"]["uniform"] == pytest.approx(expected, rel=1e-12, abs=1e-14)


def test_the_centre_prior_is_the_mean_of_the_other_ground_truths(seen: LookedAt) -> None:
    for row in scored(seen)["maps"]:
        image = row["name"]
        others = [seen.gts[name] / seen.gts[name].sum() for name in IMAGES if name != image]
        prior = sum(others) / 2
        gt = seen.gts[image].astype(np.float64)
        expected = {
            "kld": float(library.kld(prior, gt, eps=0)),
            "cc": float(library.cc(prior, gt)),
            "sim": float(library.sim(prior, gt)),
            **on_fixations(prior, seen.counts(image), seen.others(image)),
        }
        assert row["references"]["centre prior"] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(("bandwidth", "uniform"), [(0.1, 0.2), (0.025, 0.05)])
def test_the_ceiling_is_each_observer_under_the_density_of_the_others(
    seen: LookedAt, bandwidth: float, uniform: float
) -> None:
    """Where no other looked, and where one looked as near, pixels are ties."""
    rows = scored(seen, "--ceiling", f"observers(bandwidth={bandwidth},uniform={uniform})")["maps"]
    for row in rows:
        image = row["name"]
        numbers = []
        for observer in OBSERVERS:
            own = seen.counts(image, observers=(observer,))
            rest = seen.counts(image) - own
            smooth = ndimage.gaussian_filter(rest.astype(np.float64), [bandwidth * side for side in SHAPE])
            density = (1 - uniform) * smooth / rest.sum() + uniform / PIXELS
            twelve_digits = np.asarray([float(f"{value:.12g}") for value in density.ravel()]).reshape(SHAPE)
            numbers.append((int(own.sum()), on_fixations(twelve_digits, own, seen.others(image))))
        total = sum(count for count, _ in numbers)
        expected = {key: sum(count * found[key] for count, found in numbers) / total for key in numbers[0][1]}
        assert row["references"]["ceiling"] == pytest.approx(expected, rel=1e-11)


def test_the_rows_do_not_depend_on_the_model(seen: LookedAt) -> None:
    before = scored(seen)
    for image in IMAGES:
        cv2.imwrite(str(seen.root / "pred" / f"{image}.png"), seen.gts[image])
    after = scored(seen)
    assert after["references"] == before["references"]
    assert after["summary"] != before["summary"]


def test_the_rows_follow_the_normalisation_of_the_ground_truth(seen: LookedAt) -> None:
    """A prediction that is the mean of the other densities scores as the row does, whatever makes them densities."""
    rows = scored(seen, "--norm", "flatten-softmax", metrics="kld()")["maps"]
    softmaxes = {image: np.exp(gt / 255) / np.exp(gt / 255).sum() for image, gt in seen.gts.items()}
    for row in rows:
        others = [softmaxes[name] for name in IMAGES if name != row["name"]]
        q = softmaxes[row["name"]]
        p = sum(others) / 2
        expected = float((q * np.log(q / p)).sum())
        assert row["references"]["centre prior"]["kld"] == pytest.approx(expected, rel=1e-9)


def test_a_mean_over_groups_is_that_of_the_rows_too(seen: LookedAt) -> None:
    for role in ("pred", "gt"):
        for image, group in zip(IMAGES, ("one", "two", "two"), strict=True):
            (seen.root / role / group).mkdir(exist_ok=True)
            (seen.root / role / f"{image}.png").rename(seen.root / role / group / f"{image}.png")
    found = scored(seen, "--maps", "groups", metrics="kld()")
    chance = [row["references"]["uniform"]["kld"] for row in found["maps"]]
    assert found["references"]["uniform"]["kld"] == pytest.approx(
        (chance[0] + (chance[1] + chance[2]) / 2) / 2, rel=1e-14
    )


def test_a_headline_over_fixations_weighs_the_rows_alike(seen: LookedAt) -> None:
    found = scored(seen, "--maps", "fixations", metrics="nss")
    rows = found["maps"]
    number = sum(row["n_fixations"] for row in rows)
    for name, means in found["references"].items():
        expected = math.fsum(row["references"][name]["nss"] * row["n_fixations"] for row in rows) / number
        assert means["nss"] == pytest.approx(expected, rel=1e-13)


# the centre prior


def pairs_of(files: Mapping[str, Path]) -> list[Pair]:
    return [Pair(name, path, path) for name, path in files.items()]


def test_a_prior_is_on_the_grid_of_the_first_and_comes_to_the_size_that_is_asked_for(tmp_path: Path) -> None:
    small, large = np.asarray([[1.0, 3.0]]), np.asarray([[1.0, 1.0, 2.0, 2.0], [1.0, 1.0, 2.0, 2.0]])
    files = {name: tmp_path / f"{name}.npy" for name in ("a", "b", "c")}
    for name, map_ in zip(files, (small, large, small), strict=True):
        np.save(files[name], map_)
    prior = CentrePrior(pairs_of(files), settings_of(), Reading())
    assert prior.count == 3
    _, b, c = pairs_of(files)
    left_out = prior.without(c, (1, 2))
    assert left_out is not None
    # the large map has 1/12 and 2/12 in its columns: on the grid of the small one, the same values
    assert left_out == pytest.approx((np.asarray([[0.25, 0.75]]) + np.asarray([[1 / 12, 2 / 12]])) / 2, rel=1e-12)
    assert prior.without(b, (2, 4)).shape == (2, 4)  # type: ignore[union-attr]


@given(places=st.integers(0, 2**32))
@settings(max_examples=10)
def test_a_prior_is_the_mean_of_the_others_in_every_digit(
    places: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """However large the one that is left out is beside them; and where they are equal, the mean is."""
    rng = np.random.default_rng(places)
    files = {name: tmp_path_factory.mktemp("gt") / f"{name}.npy" for name in "abcd"}
    densities = {}
    for name, path in files.items():
        map_ = rng.integers(1, 4, (4, 5)) * 10.0 ** -rng.integers(0, 25, (4, 1))
        if name == "a":
            map_ = rng.integers(1, 256, (4, 5)) * 10.0 ** -rng.integers(0, 25, (4, 5))
        np.save(path, map_)
        densities[name] = map_ / map_.sum()
    a, *_ = pairs_of(files)
    found = CentrePrior(pairs_of(files), settings_of(), Reading()).without(a, (4, 5))
    others = np.stack([densities[name] for name in "bcd"])
    expected = np.asarray([math.fsum(at) / 3 for at in others.reshape(3, -1).T]).reshape(4, 5)
    assert found == pytest.approx(expected, rel=1e-13, abs=0)
    for row in range(4):
        same = (others[:, row] == others[:, row, :1]).all(axis=0)
        assert len(set(found[row, same].tolist())) == 1


def test_where_no_other_image_is_looked_at_their_density_is_nothing() -> None:
    """Not what rounding leaves of the fixations of the image itself: information gain over it is infinite."""
    rng = np.random.default_rng(1)
    shape = 120, 160
    own = fixations_at(70 + rng.integers(20, size=40), 90 + rng.integers(20, size=40), shape=shape)
    others = fixations_at(rng.integers(40, size=5), rng.integers(50, size=5), shape=shape)
    of_all = OtherFixations({"a": own, "b": others})
    found = LeaveOneOutDensity(of_all, Kernel(0.05, 0.0))
    density = found.density("a", shape)
    counts = np.zeros(shape)
    np.add.at(counts, others.pixels(shape)[:2], 1.0)
    assert ((density == 0) == (ndimage.gaussian_filter(counts, (6, 8)) == 0)).all()
    rows, cols = (part.ravel() for part in np.indices(shape))
    assert found.at("a", shape, rows, cols).reshape(shape) == pytest.approx(density, rel=1e-9, abs=0)
    above, least = found.above_minimum("a", shape, rows, cols)
    assert least == 0
    assert above == pytest.approx(density.ravel(), rel=1e-9, abs=0)


def test_chance_of_other_images_has_the_ties_of_their_fixations(tmp_path: Path) -> None:
    """However many fixations of the image itself lie where few of others are near."""
    rng = np.random.default_rng(2)
    points = [("a", int(x), int(y), f"{place % 2}") for place, (x, y) in enumerate(rng.normal(50, 2, (60, 2)))]
    points += [("b", 66, 50, "0"), ("b", 66, 50, "1")]
    list_ = write_list(tmp_path / "list.csv", points)
    chosen = "-m", "auc", "--size", "100x100", "--chance", "others(bandwidth=0.05)"
    done = kldeval("observers", list_, *chosen, "--format", "json", "-q")
    assert done.code == 0, done.err
    counts = {name: np.zeros((100, 100)) for name in "ab"}
    for name, x, y, _ in points:
        counts[name][y, x] += 1
    expected = []
    for name, others in (("a", counts["b"]), ("b", counts["a"])):
        chance = 0.999 * ndimage.gaussian_filter(others, 5) / others.sum() + 0.001 / others.size
        expected.append(float(library.auc(np.round(chance, 15), counts[name])))
    curve = json.loads(done.out)["curves"]["auc"]
    assert curve["points"][0]["chance"] == pytest.approx(sum(expected) / 2, rel=1e-12)


def test_ground_truths_without_a_density_have_no_part_in_the_prior(tmp_path: Path) -> None:
    files = {name: tmp_path / f"{name}.npy" for name in ("a", "blank", "missing")}
    np.save(files["a"], np.asarray([[1.0, 3.0]]))
    np.save(files["blank"], np.zeros((1, 2)))
    prior = CentrePrior(pairs_of(files), settings_of(), Reading())
    a, blank, missing = pairs_of(files)
    assert prior.count == 1
    assert prior.without(a, (1, 2)) is None
    assert prior.without(blank, (1, 2)) == pytest.approx(np.asarray([[0.25, 0.75]]))
    assert prior.without(missing, (1, 2)) == pytest.approx(np.asarray([[0.25, 0.75]]))


@pytest.mark.parametrize("layout", ["stacks", "several arrays"])
def test_images_of_other_layouts_are_compared_as_those_of_folders_are(tmp_path: Path, layout: str) -> None:
    """With the mean of the other ground truths and with the fixations on other images, of the size of each image."""
    rng = np.random.default_rng(3)
    sides, names = ("pred", "gt"), [f"pred[{place:03d}]" for place in range(5)]
    arrays = {side: rng.integers(1, 255, (len(names), *SHAPE), np.uint8) for side in sides}
    for side in sides:
        for folder in (side, f"keyed {side}"):
            (tmp_path / folder).mkdir()
        np.save(tmp_path / f"{side}.npy", arrays[side])
        for name, array in zip(names, arrays[side], strict=True):
            np.save(tmp_path / side / f"{name}.npy", array)
            np.savez(tmp_path / f"keyed {side}" / f"{name}.npz", a=array, b=array[:3])
    points = [(name, int(x), int(y), f"{x % 2}") for name in names for x, y in rng.integers(0, SHAPE[::-1], (8, 2))]
    words = ("-m", "kld,nss,sauc,ig", "--baseline", "others", "--baselines", "--format", "json", "--fixations")
    fixations = write_list(tmp_path / "list.csv", points)
    expected = json.loads(kldeval(tmp_path / "pred", tmp_path / "gt", *words, fixations).out)
    given = ["pred.npy", "gt.npy", "--stack"] if layout == "stacks" else ["keyed pred", "keyed gt", "--key", "a"]
    found = json.loads(kldeval(*(tmp_path / path for path in given[:2]), *given[2:], *words, fixations).out)
    for part in ("maps", "references", "summary", "signature", "failures", "notes"):
        assert found[part] == expected[part], part
    assert found["failures"] == []
    assert set(found["references"]) == {"uniform", "centre prior", "ceiling"}


# headlines and the way


@given(st.floats(-10, 10), st.floats(-10, 10), st.floats(0.01, 10), st.sampled_from(["high", "low"]))
def test_the_way_is_0_at_chance_1_at_the_ceiling_and_linear(chance: float, share: float, gap: float, best: str) -> None:
    gold = chance + gap if best == "high" else chance - gap
    assert share_between(chance, chance, gold, best) == 0
    assert share_between(gold, chance, gold, best) == pytest.approx(1, rel=1e-9)
    assert share_between(chance + share * (gold - chance), chance, gold, best) == pytest.approx(share, abs=1e-8)


@each_of(
    ("model", "chance", "gold"),
    [(0.5, -math.inf, 1.0), (math.nan, 0.0, 1.0), (0.5, 0.0, math.nan), (0.5, 1.0, 0.9), (0.5, 1.0, 1.0)],
)
def test_there_is_no_way_without_finite_ends_or_where_the_ceiling_is_no_higher(
    model: float, chance: float, gold: float
) -> None:
    assert share_between(model, chance, gold, "high") is None


def test_the_interval_of_a_share_holds_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(3)
    held, drawn = 0, Resampling(400, 0, 0.95)
    for _ in range(200):
        spread = rng.normal(0, 0.3, (40, 1))
        rows = np.asarray([1.5, 1.0, 2.0]) + spread + rng.normal(0, 0.2, (40, 3))
        found = share_of([tuple(row) for row in rows.tolist()], "high", drawn)
        assert found.interval is not None
        held += found.interval[0] <= 0.5 <= found.interval[1]
    assert 180 <= held <= 198


def test_where_chance_and_the_gold_standard_are_not_told_apart_there_is_no_interval() -> None:
    rows = [(1.0, 0.0, 1.0), (1.0, 0.0, -0.9), (1.0, 0.0, 0.5), (1.0, 0.0, -0.5)]
    found = share_of(rows, "high", Resampling(500))
    assert found.value is not None
    assert (found.interval, found.reason) == (None, "the maps do not tell the gold standard from chance")
    same = share_of([(1.0, 0.5, 0.5)] * 4, "high", Resampling(500))
    assert (same.value, same.reason) == (None, "the gold standard is not better than chance")


def test_the_shares_are_those_of_the_headlines(seen: LookedAt) -> None:
    for options in ((), ("--maps", "fixations")):
        found = scored(seen, *options, metrics="nss,auc,ig")
        ends = found["references"]
        assert found["ways"]["statistics"] == "share(confidence=0.95,resamples=10000,seed=0)|unit:maps|v:1"
        for key, row in found["ways"]["shares"].items():
            for chance, one in row.items():
                low, high, mean = ends[chance][key], ends["ceiling"][key], found["summary"][key]["mean"]
                if high <= low:
                    assert (one["share"], one["reason"]) == (None, "the gold standard is not better than chance")
                else:
                    assert one["share"] == pytest.approx((mean - low) / (high - low), rel=1e-9), (key, chance)


def test_a_leaderboard_has_the_shares_of_every_model(seen: LookedAt) -> None:
    other = make_looked_at(seen.root / "second")
    for image in IMAGES:
        cv2.imwrite(str(seen.root / "second" / "pred" / f"{image}.png"), seen.gts[image])
    arguments = ("-m", "nss", "--fixations", seen.fixations, "--baselines", "--seed", "7", "--resamples", "300")
    done = kldeval(seen.maps[0], other.maps[0], seen.maps[1], *arguments, "--format", "json")
    board = json.loads(done.out)
    validate(board, "leaderboard")
    ends = next(report["references"] for report in board["reports"].values() if "references" in report)
    for report in board["reports"].values():
        assert "resamples=300,seed=7" in report["ways"]["statistics"]
        low, high, mean = ends["uniform"]["nss"], ends["ceiling"]["nss"], report["summary"]["nss"]["mean"]
        share = report["ways"]["shares"]["nss"]["uniform"]["share"]
        assert share == pytest.approx((mean - low) / (high - low), rel=1e-9)
    page = seen.root / "board.html"
    text = kldeval(seen.maps[0], other.maps[0], seen.maps[1], *arguments, "--output", page).out
    assert "nss: share of the way from the centre prior (0) to the ceiling (1)" in page.read_text()
    assert "the share of the way from uniform (0) to the ceiling (1)" in text
    assert "the share of the way from the centre prior (0) to the ceiling (1)" in text


def test_saved_reports_keep_their_own_ends_of_the_way(seen: LookedAt) -> None:
    paths = []
    for name, kernel in (("one", "observers"), ("two", "observers(bandwidth=0.2)")):
        paths.append(seen.root / f"{name}.json")
        arguments = ("-m", "nss", "--fixations", seen.fixations, "--baselines", "--ceiling", kernel)
        assert kldeval(*seen.maps, *arguments, "--output", paths[-1]).code == 0
    board = json.loads(kldeval("show", *paths, "--format", "json").out)
    for name, path in zip(("one", "two"), paths, strict=True):
        alone = json.loads(path.read_text())
        both = (one["ways"]["shares"]["nss"]["uniform"]["share"] for one in (board["reports"][name], alone))
        assert len(set(both)) == 1
    said = "the reference rows are those of one; two had others, to which the shares of the way belong"
    assert said in board["notes"]


def test_groups_are_drawn_whole(seen: LookedAt) -> None:
    for role in ("pred", "gt"):
        for image, group in zip(IMAGES, ("one", "two", "two"), strict=True):
            (seen.root / role / group).mkdir(exist_ok=True)
            (seen.root / role / f"{image}.png").rename(seen.root / role / group / f"{image}.png")
    names = dict(zip(IMAGES, ("one/a", "two/b", "two/c"), strict=True))
    points = write_list(seen.root / "grouped.csv", [(names[point[0]], *point[1:]) for point in seen.points])
    some = *seen.maps, "-m", "nss", "--fixations", points, "--baselines", "--format", "json", "--maps", "groups"
    found = json.loads(kldeval(*some).out)
    assert "|unit:groups|" in found["ways"]["statistics"]
    low, high = (found["references"][name]["nss"] for name in ("uniform", "ceiling"))
    share = found["ways"]["shares"]["nss"]["uniform"]
    assert share["share"] == pytest.approx((found["summary"]["nss"]["mean"] - low) / (high - low), rel=1e-9)
    assert share["share_interval"] is None, "two groups are too few"


def test_only_rows_that_every_map_has_are_summarised_and_the_others_are_explained() -> None:
    both = {"uniform": {"nss": 0.0}, "ceiling": {"nss": 2.0}}
    scores = [
        Score("a", {"nss": 1.0}, n_fixations=3, references=both),
        Score("b", {"nss": 1.0}, n_fixations=1, references={"uniform": {"nss": 0.0}}),
    ]
    assert summarise_references(scores, over_groups=False) == {"uniform": {"nss": 0.0}}
    held = ReferencesHeld()
    held.add(scores)
    assert list(held.notes()) == [
        "there is no centre prior row: only 0 of 2 maps are those with another ground truth (not 'a')",
        "there is no ceiling row: only 1 of 2 maps are those with fixations of two observers or more (not 'b')",
    ]


# the command line


TABLE = """\
metric       n      mean      std    median       min       max
kld ↓ nats   3    0.2625   0.0606    0.2598    0.2034    0.3244
nss ↑        3   -0.3807   0.0307   -0.3959   -0.4009   -0.3454
auc ↑        3    0.3888   0.0108    0.3876    0.3788    0.4002

beside the references
metric       uniform   centre prior   ceiling     model
kld ↓ nats    0.1281         0.1867         –    0.2625
nss ↑         0.0000         0.0653    0.3309   -0.3807
auc ↑         0.5000         0.5365    0.5791    0.3888

the share of the way to the ceiling (1)
metric               from uniform   from the centre prior
nss ↑    -1.151 [-16.954, -0.490]                  -1.680
auc ↑                      -1.405                  -3.467

in brackets 95 % intervals of maps drawn anew
nss from the centre prior: no interval of the share: the maps do not tell the gold standard from chance
auc from uniform: no interval of the share: the maps do not tell the gold standard from chance
auc from the centre prior: no interval of the share: the maps do not tell the gold standard from chance

note: reference rows: uniform, a constant map; centre prior (center bias), the mean of the other ground truths (3 in \
all), each normalised as they are; ceiling (inter-observer, the gold standard), the Gaussian density of the other \
observers (bandwidth 0.025 of either side, uniform part 0.05)
"""


def test_the_table_in_full(seen: LookedAt) -> None:
    arguments = ("-m", "kld,nss,auc", "--fixations", seen.fixations, "--baselines")
    table, signatures = kldeval(*seen.maps, *arguments).out.split("\nkldeval:default+v1\n")
    assert table == TABLE
    assert len(signatures.splitlines()) == 3


def test_without_observers_there_is_no_ceiling(seen: LookedAt) -> None:
    counts = seen.root / "counts"
    counts.mkdir()
    for image in IMAGES:
        np.save(counts / f"{image}.npy", seen.counts(image))
    found = json.loads(kldeval(*seen.maps, "-m", "nss", "--fixations", counts, "--baselines", "--format", "json").out)
    assert list(found["references"]) == ["uniform", "centre prior"]
    assert (
        "there is no ceiling row: only 0 of 3 maps are those with fixations of two observers or more (not 'a')"
        in (found["notes"])
    )


def test_rows_survive_in_a_saved_report(seen: LookedAt) -> None:
    path = seen.root / "report.json"
    arguments = ("-m", "kld,nss", "--fixations", seen.fixations, "--baselines")
    table = kldeval(*seen.maps, *arguments, "--output", path).out
    assert saved(path).references == json.loads(path.read_text())["references"]
    assert kldeval("show", path).out == table


def test_rows_stand_in_a_leaderboard(seen: LookedAt) -> None:
    other = make_looked_at(seen.root / "second")
    arguments = ("-m", "nss", "--fixations", seen.fixations, "--baselines")
    lines = kldeval(seen.maps[0], other.maps[0], seen.maps[1], *arguments).out.splitlines()
    means = scored(seen, metrics="nss")["references"]
    for name in ("uniform", "centre prior", "ceiling"):
        assert [line.split()[-1] for line in lines if line.strip().startswith(name)] == [f"{means[name]['nss']:.4f}"]


def test_fixations_of_one_observer_have_no_ceiling(seen: LookedAt) -> None:
    alone = write_list(seen.root / "alone.csv", [point for point in seen.points if point[3] == "ann"])
    outcome = kldeval(*seen.maps, "-m", "nss", "--fixations", alone, "--baselines", "--format", "json")
    assert "ceiling" not in json.loads(outcome.out)["references"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("-m", "kld", "--ceiling", "observers"), "--ceiling observers has no effect without --baselines"),
        (("-m", "mse", "--baselines"), "--baselines has no effect: there are no reference rows for mse"),
        (
            ("-m", "kld", "--baselines", "--ceiling", "observers(bandwidth=0)"),
            "observers(bandwidth=0): the bandwidth is a share of the sides of the map, above 0",
        ),
        (
            ("-m", "kld", "--baselines", "--ceiling", "observers(uniform=2)"),
            "observers(uniform=2): the uniform part is a share, from 0 to 1",
        ),
    ],
)
def test_a_request_for_rows_that_cannot_be_met_is_refused(
    seen: LookedAt, arguments: tuple[str, ...], message: str
) -> None:
    outcome = kldeval(*seen.maps, *arguments)
    assert (outcome.code, outcome.out, outcome.err) == (2, "", f"kldeval: {message}\n")
