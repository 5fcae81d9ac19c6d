"""The audit: one pass, the same numbers as an evaluation, who agrees, why not, and whose order flips."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from itertools import combinations_with_replacement
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from command_line import Outcome, kldeval
from every import conventions
from schemas import validate
from watching import recorded

ROOT = Path(__file__).parent.parent.parent
SAMPLE = ROOT / "sample_data"
GT, BOLD, CAREFUL = SAMPLE / "gt", SAMPLE / "bold", SAMPLE / "careful"

FAMILY = ("default", "exact", "mit", "mit-python", "tuebingen", "hd2s")
"""They agree on maps without zeros."""


def png(path: Path, array: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.asarray(array, np.uint8))
    return path


def npy(path: Path, array: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, np.asarray(array))
    return path


def audited(*arguments: str | Path) -> dict[str, Any]:
    """The JSON of an audit by this process, which fits its schema."""
    outcome = kldeval("audit", *arguments, "--format", "json", "--jobs", "1")
    document: dict[str, Any] = json.loads(outcome.out)
    validate(document, "audit")
    return document


def mean(document: dict[str, Any], name: str, model: str) -> float:
    return float(document["conventions"][name]["models"][model]["mean"])


@pytest.fixture(scope="module")
def one() -> dict[str, Any]:
    return audited(BOLD, GT)


@pytest.fixture(scope="module")
def two() -> dict[str, Any]:
    return audited(BOLD, CAREFUL, GT, "--eps-curve")


@pytest.fixture
def clean(tmp_path: Path) -> tuple[Path, Path]:
    """Six pairs of 8-bit maps without a zero: their conventions differ by little but epsilon and definition."""
    rng = np.random.default_rng(3)
    for name in "abcdef":
        gt = rng.integers(1, 256, (20, 24))
        png(tmp_path / "gt" / f"{name}.png", gt)
        png(tmp_path / "pred" / f"{name}.png", np.clip(gt + rng.integers(-40, 41, gt.shape), 1, 255))
    return tmp_path / "pred", tmp_path / "gt"


class TestNumbers:
    def test_every_value_is_that_of_an_evaluation(self, one: dict[str, Any]) -> None:
        """8-bit maps, some conventions refusing some of them."""
        for name in conventions():
            outcome = kldeval(BOLD, GT, "--convention", name, "--metric", "kld", "--format", "json", "--quiet")
            evaluated = {row["name"]: float(row["kld"]) for row in json.loads(outcome.out)["maps"]}
            failed = {row["name"]: row["message"] for row in json.loads(outcome.out)["failures"]}
            rows = one["maps"]["bold"]
            got = {row["name"]: float(row["kld"][name]) for row in rows if name in row["kld"]}
            assert got == pytest.approx(evaluated, rel=1e-12, abs=1e-13)
            assert {row["name"]: row["refused"][name] for row in rows if name in row["refused"]} == failed

    def test_float_maps_too(self, tmp_path: Path) -> None:
        """Maps larger than a block; negative values fit some conventions alone."""
        rng = np.random.default_rng(5)
        gt = npy(tmp_path / "gt.npy", rng.random((240, 200)))
        pred = npy(tmp_path / "pred.npy", rng.normal(size=(240, 200)).astype(np.float32))
        (row,) = audited(pred, gt)["maps"]["pred"]
        assert set(row["kld"]) == {
            *("tuebingen", "pysaliency", "fixatons", "msi-net", "gazegan", "affordance", "unisal", "salfbnet"),
            *("flatten-softmax", "row-softmax", "keras", "torch-sum", "torch-mean", "torch-batchmean"),
        }
        for name, value in row["kld"].items():
            outcome = kldeval(pred, gt, "--convention", name, "--metric", "kld", "--score-only")
            assert value == pytest.approx(float(outcome.out), rel=1e-11)

    def test_a_ratio_is_to_the_default(self, one: dict[str, Any]) -> None:
        for name in ("sam", "eml-net", "pysaliency"):
            ratio = one["conventions"][name]["models"]["bold"]["ratio"]
            assert ratio == pytest.approx(mean(one, name, "bold") / mean(one, "default", "bold"), rel=1e-15)
        assert one["conventions"]["exact"]["models"]["bold"]["ratio"] == "inf"

    def test_a_ratio_is_over_the_maps_that_both_score(self, one: dict[str, Any]) -> None:
        """torchmetrics scores one map of five."""
        standing = one["conventions"]["torchmetrics"]["models"]["bold"]
        (row,) = (row for row in one["maps"]["bold"] if "torchmetrics" in row["kld"])
        assert (standing["n"], standing["n_refused"]) == (1, 4)
        assert standing["ratio"] == pytest.approx(row["kld"]["torchmetrics"] / row["kld"]["default"], rel=1e-15)

    def test_groups_agree_to_a_millionth_lowest_first(self, one: dict[str, Any]) -> None:
        groups = one["groups"]
        assert sorted(name for group in groups for name in group) == sorted(conventions())
        assert ["default", "mit", "mit-python", "tuebingen", "hd2s"] in groups
        numbers = [mean(one, group[0], "bold") for group in groups[:-1]]
        assert numbers == sorted(numbers)
        assert groups[-2:] == [["exact"], ["scipy"]]

    def test_a_perfect_prediction_puts_exact_zeros_together(self, clean: tuple[Path, Path]) -> None:
        document = audited(clean[1], clean[1])
        group = next(group for group in document["groups"] if "exact" in group)
        assert {"exact", "default", "row-softmax", "torchmetrics", "scipy"} <= set(group)
        assert "eml-net" not in group
        assert document["notes"] == ["prediction and ground truth are identical (6 of 6 maps)"]

    def test_only_the_named_conventions(self) -> None:
        document = audited(BOLD, GT, "--convention", "eml-net,transalnet", "--convention", "default")
        assert list(document["conventions"]) == ["default", "mit-python", "eml-net"]
        assert document["reference"] == "default"
        assert audited(BOLD, GT, "--convention", "eml-net,exact")["reference"] == "eml-net"

    def test_every_convention_carries_its_signature(self, one: dict[str, Any]) -> None:
        for name, row in one["conventions"].items():
            assert row["short"] == f"kldeval:{name}+v{conventions()[name].version}"
            again = kldeval(BOLD, GT, "--signature", row["signature"], "--format", "json", "--quiet")
            got, expected = json.loads(again.out)["summary"]["kld"]["mean"], row["models"]["bold"]["mean"]
            assert got == (pytest.approx(expected, rel=1e-12) if isinstance(expected, float) else expected)


class TestFiles:
    def test_each_file_is_read_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Three predictions of five maps: 15 predictions and 5 ground truths."""
        calls = recorded(monkeypatch, "kldeval.engine.worker.load_map")
        assert kldeval("audit", BOLD, CAREFUL, GT, GT, "--jobs", "1").code == 0
        read = [path for path, *_ in calls]
        assert len(read) == 20
        assert len([path for path in read if path.parent == GT]) == 10

    def test_jobs_and_order_do_not_change_a_byte(self) -> None:
        outputs = {kldeval("audit", BOLD, GT, "--format", "csv", "--jobs", jobs).out for jobs in ("1", "2", "5")}
        assert len(outputs) == 1

    def test_several_files_share_the_name_of_the_ground_truth(self) -> None:
        document = audited(BOLD / "harbour.png", CAREFUL / "harbour.png", GT / "harbour.png")
        assert document["models"] == ["bold", "careful"]
        assert [row["name"] for rows in document["maps"].values() for row in rows] == ["harbour", "harbour"]

    def test_a_map_that_cannot_be_read_is_a_failure(self, clean: tuple[Path, Path]) -> None:
        pred, gt = clean
        (pred / "a.png").write_bytes(b"no image")
        (gt / "b.png").unlink()
        outcome = kldeval("audit", pred, gt, "--format", "json")
        document = json.loads(outcome.out)
        validate(document, "audit")
        assert outcome.code == 1
        assert [(row["name"], row["stage"]) for row in document["failures"]["pred"]] == [("a", "load"), ("b", "pair")]
        assert document["conventions"]["default"]["models"]["pred"]["n"] == 4
        assert outcome.err.startswith("kldeval: a: ")

    def test_only_maps_of_all_models_are_compared(self, clean: tuple[Path, Path], tmp_path: Path) -> None:
        pred, gt = clean
        png(tmp_path / "other" / "a.png", np.full((20, 24), 7))
        document = audited(pred, tmp_path / "other", gt, "--allow-missing")
        assert document["conventions"]["default"]["models"]["pred"]["n"] == 1
        assert document["notes"] == ["5 ground truths without a prediction were left out (--allow-missing)"]

    def test_other_sizes_fit_those_that_resize(self) -> None:
        outcome = kldeval("audit", SAMPLE / "sizes" / "pred", SAMPLE / "sizes" / "gt", "--format", "json")
        (row,) = json.loads(outcome.out)["maps"]["pred"]
        assert outcome.code == 0
        assert set(row["kld"]) == {"mit", "ledov-first", "unisal", "salfbnet"}
        assert set(row["refused"].values()) == {
            (
                "sizes differ: the prediction is (36, 48), the ground truth (72, 96) (height, width); choose who "
                "gives way, "
                "such as --resize 'pred-to-gt(kernel=bilinear)'"
            )
        }

    def test_resize_is_for_those_that_do_not(self) -> None:
        paths = SAMPLE / "sizes" / "pred", SAMPLE / "sizes" / "gt"
        free, forced = audited(*paths), audited(*paths, "--resize", "pred-to-gt(kernel=nearest)")
        assert mean(forced, "mit", "pred") == mean(free, "mit", "pred")
        (value,) = (
            json.loads(kldeval(*paths, "-m", "kld", "--resize", "pred-to-gt(kernel=nearest)", "--format", "json").out)[
                "summary"
            ]["kld"]["mean"],
        )
        assert mean(forced, "default", "pred") == pytest.approx(value, rel=1e-12)
        assert forced["conventions"]["default"]["short"] != "kldeval:default+v1"
        assert forced["conventions"]["mit"]["short"] == "kldeval:mit+v1"

    def test_nothing_applies(self, tmp_path: Path) -> None:
        """Exit code 1: the pair was read, and no convention scored it."""
        pred, gt = npy(tmp_path / "p.npy", np.full((4, 4), np.nan)), npy(tmp_path / "g.npy", np.ones((4, 4)))
        outcome = kldeval("audit", pred, gt)
        assert outcome.code == 1
        assert "the prediction holds nan, which 'sum-to-one' does not handle" in outcome.out


class TestFlips:
    def test_the_order_of_the_sample_models_depends_on_the_convention(self, two: dict[str, Any]) -> None:
        (flip,) = two["flips"]
        assert (flip["first"], flip["second"]) == ("bold", "careful")
        first = {side["convention"] for side in flip["first_better"]}
        second = {side["convention"] for side in flip["second_better"]}
        assert {"ledov-first", "eml-net", "flatten-softmax"} <= first
        assert {"default", "exact", "mit", "pysaliency"} <= second
        assert not first & second

    def test_differences_and_intervals_are_those_of_scipy(self, two: dict[str, Any]) -> None:
        from scipy.stats import bootstrap

        sides = {side["convention"]: side for side in two["flips"][0]["first_better"]}
        values = [[row["kld"]["eml-net"] for row in two["maps"][model]] for model in ("bold", "careful")]
        # sums of these are exact, so that scipy sees a resample of the same units as the tie that it is
        differences = np.rint(np.subtract(values[0], values[1]) * 2**40) / 2**40
        expected = bootstrap(
            (differences,), np.mean, n_resamples=10_000, method="BCa", rng=np.random.default_rng(0)
        ).confidence_interval
        assert sides["eml-net"]["difference"] == pytest.approx(differences.mean(), rel=1e-10)
        assert sides["eml-net"]["interval"] == pytest.approx([expected.low, expected.high], rel=1e-9)

    def test_an_infinite_difference_has_no_interval(self, two: dict[str, Any]) -> None:
        exact = next(side for side in two["flips"][0]["second_better"] if side["convention"] == "exact")
        assert (exact["difference"], exact["interval"]) == ("inf", None)

    def test_a_flip_is_decisive_where_both_orders_are(self, tmp_path: Path) -> None:
        """`sharp` misses a little mass on every map and is far nearer elsewhere: eps decides, every time."""
        rng = np.random.default_rng(11)
        for number in range(12):
            gt = rng.integers(60, 200, (24, 24))
            sharp = np.clip(gt + rng.integers(-9, 10, gt.shape), 1, 255)
            sharp[:2] = 0
            png(tmp_path / "gt" / f"{number}.png", gt)
            png(tmp_path / "sharp" / f"{number}.png", sharp)
            png(tmp_path / "flat" / f"{number}.png", rng.integers(20, 255, gt.shape))
        document = audited(tmp_path / "sharp", tmp_path / "flat", tmp_path / "gt")
        (flip,) = document["flips"]
        assert flip["decisive"]
        text = kldeval("audit", tmp_path / "sharp", tmp_path / "flat", tmp_path / "gt").out
        title = "the order of sharp and flat depends on the convention, and either order is significant (*) under some"
        assert title in text
        assert re.search(r"flat is better under (.*, )?default\*( \(and \d+ like it\))?, ", text)

    def test_a_star_is_one_of_compare(self, tmp_path: Path) -> None:
        """The adjusted p of a flip is never below that of `compare` under the same convention."""
        rng = np.random.default_rng(3)
        for number in range(9):
            gt = rng.integers(60, 200, (12, 12))
            near = np.clip(gt + rng.integers(-30, 31, gt.shape), 1, 255)
            near[: number % 3] = 0
            png(tmp_path / "gt" / f"{number}.png", gt)
            png(tmp_path / "near" / f"{number}.png", near)
            png(tmp_path / "flat" / f"{number}.png", rng.integers(60, 255, gt.shape))
        models = tmp_path / "near", tmp_path / "flat"
        document = audited(*models, tmp_path / "gt")
        (flip,) = document["flips"]
        sides = [side for side in (*flip["first_better"], *flip["second_better"]) if side["p"] is not None]
        assert any(side["significant"] for side in sides)
        for side in sides[::2]:
            flags = ("--convention", side["convention"], "-m", "kld", "--format", "json", "-q")
            compared = json.loads(kldeval("compare", *models, tmp_path / "gt", *flags).out)
            (pair,) = compared["metrics"]["kld"]["pairs"]
            assert side["p"] >= pair["p_holm"]
            assert side["significant"] <= pair["significant"]

    def test_few_maps_have_no_star_and_a_note(self, two: dict[str, Any]) -> None:
        note = "5 maps cannot show that an order is significant: the adjusted p is never below 0.0625"
        assert note in two["notes"]
        sides = [side for flip in two["flips"] for side in (*flip["first_better"], *flip["second_better"])]
        assert not any(side["significant"] for side in sides)

    def test_one_map_flips_without_intervals(self) -> None:
        document = audited(BOLD / "market.png", CAREFUL / "market.png", GT / "market.png")
        assert all(side["interval"] is None for flip in document["flips"] for side in flip["first_better"])
        assert not any(flip["decisive"] for flip in document["flips"])

    def test_models_that_never_change_places_have_no_flip(self, clean: tuple[Path, Path], tmp_path: Path) -> None:
        pred, gt = clean
        conventions = ("--convention", ",".join(FAMILY))
        for name in "abcdef":
            png(tmp_path / "flat" / f"{name}.png", np.full((20, 24), 9))
        assert audited(pred, tmp_path / "flat", gt, *conventions)["flips"] == []

    def test_tau_is_that_of_scipy(self, clean: tuple[Path, Path], tmp_path: Path) -> None:
        from scipy.stats import kendalltau

        pred, gt = clean
        rng = np.random.default_rng(2)
        for model in ("noise", "flat", "dark"):
            for name in "abcdef":
                low, high = {"noise": (1, 256), "flat": (90, 100), "dark": (0, 3)}[model]
                png(tmp_path / model / f"{name}.png", rng.integers(low, high, (20, 24)))
        document = audited(pred, *(tmp_path / model for model in ("noise", "flat", "dark")), gt)
        means = {
            name: [float(row["mean"]) for row in one["models"].values()]
            for name, one in document["conventions"].items()
            if all(row["mean"] is not None for row in one["models"].values())
        }
        assert len(means) > 30
        for (name, first), (other, second) in combinations_with_replacement(means.items(), 2):
            expected = pytest.approx(kendalltau(first, second).statistic, abs=1e-12)
            assert document["kendall_tau"][name][other] == document["kendall_tau"][other][name] == expected

    def test_ranks_count_from_the_lowest(self, two: dict[str, Any]) -> None:
        for name, expected in {"default": (2, 1), "eml-net": (1, 2), "scipy": (None, None)}.items():
            row = two["conventions"][name]["models"]
            assert (row["bold"]["rank"], row["careful"]["rank"]) == expected


class TestCurve:
    def test_the_slope_is_the_uncovered_mass(self, two: dict[str, Any]) -> None:
        """-dKLD/d ln eps, while eps is far below every probability."""
        curve = two["eps_curve"]
        bold = curve["models"]["bold"]
        rows = two["maps"]["bold"]
        mass = math.fsum(row["uncovered_mass"] for row in rows) / len(rows)
        assert mass > 0.02
        assert bold["uncovered_mass"] == pytest.approx(mass, rel=1e-15)
        assert bold["slope"][:9] == pytest.approx([mass] * 9, rel=1e-6)
        assert curve["models"]["careful"]["slope"][:9] == pytest.approx([0] * 9, abs=1e-6)

    def test_its_points_are_evaluations(self, two: dict[str, Any]) -> None:
        curve = two["eps_curve"]
        assert (curve["eps"][0], curve["eps"][-1], len(curve["eps"])) == (1e-16, 1e-4, 25)
        for epsilon in (1e-16, 1e-9, 1e-4):
            outcome = kldeval(BOLD, GT, "-m", "kld", "--eps", str(epsilon), "--score-only", "--quiet")
            got = curve["models"]["bold"]["kld"][curve["eps"].index(epsilon)]
            assert got == pytest.approx(float(outcome.out), rel=1e-12)

    def test_the_table_says_where_the_order_flips(self) -> None:
        text = kldeval("audit", BOLD, CAREFUL, GT, "--eps-curve", "--convention", "default").out
        assert "the order of bold and careful flips between 3e-13 and 1e-12\n" in text
        assert "the uncovered mass: 0.02404 for bold (0.05535 per decade), 0 for careful (0 per decade)\n" in text

    def test_without_asking_there_is_none(self, one: dict[str, Any]) -> None:
        assert one["eps_curve"] is None


class TestCauses:
    """The sentence on what drives the spread is made of the numbers."""

    def names(self, document: dict[str, Any]) -> list[str]:
        (causes,) = document["causes"].values()
        return [cause["name"] for cause in causes]

    def test_zeros_come_first_where_they_make_infinities(self, one: dict[str, Any]) -> None:
        assert self.names(one) == ["zeros", "softmax", "direction", "definition"]
        assert one["causes"]["bold"][0]["text"] == (
            "zeros under ground-truth mass: on 2 of 5 maps the prediction is exactly 0 where the ground truth is "
            "not, in "
            "the mean under 2.4 % of the ground-truth mass; there epsilon decides, and each decade of it moves the "
            "mean "
            "by 0.05535 nats: eml-net (1e-06) reads 0.1868, default (2.22e-16) 0.7254, pysaliency (1e-20 added to the "
            "map) 1.25, scout-weights (1.19e-07 added to the map) 0.5267, exact (none) inf"
        )

    def test_large_maps_without_zeros_show_epsilon_against_one_over_n(self, tmp_path: Path) -> None:
        rng = np.random.default_rng(1)
        gt = rng.integers(1, 256, (400, 500))
        png(tmp_path / "gt.png", gt)
        png(tmp_path / "pred.png", np.clip(gt + rng.integers(-90, 91, gt.shape), 1, 255))
        document = audited(tmp_path / "pred.png", tmp_path / "gt.png", "--convention", "default,exact,eml-net")
        assert self.names(document) == ["epsilon"]
        (cause,) = document["causes"]["pred"]
        taken = mean(document, "default", "pred") - mean(document, "eml-net", "pred")
        assert (
            f"the 1e-06 of eml-net is 0.2 of the mean probability 5e-06, which takes {taken:.4g} nats off"
            in cause["text"]
        )

    def test_direction_and_softmax(self, clean: tuple[Path, Path]) -> None:
        document = audited(*clean, "--convention", "default,ram1n,flatten-softmax,unisal")
        assert set(self.names(document)) == {"softmax", "direction"}
        texts = {cause["name"]: cause["text"] for cause in document["causes"]["pred"]}
        softmax, alone, base, reverse = (
            f"{mean(document, name, 'pred'):.4g}" for name in ("flatten-softmax", "unisal", "default", "ram1n")
        )
        assert texts["softmax"] == (
            "softmax squeeze: that of values in 0..1 is nearly uniform, and where both maps go through it they differ "
            "by no more than 0.4745: "
            f"flatten-softmax reads {softmax}, unisal (of the prediction alone) {alone}, default (for comparison) "
            f"{base}"
        )
        assert (
            texts["direction"] == f"direction: ram1n (D(pred || gt)) reads {reverse}, default (for comparison) {base}"
        )

    def test_logits_are_not_squeezed(self, tmp_path: Path) -> None:
        rng = np.random.default_rng(1)
        pred, gt = npy(tmp_path / "p.npy", 9 * rng.random((9, 9))), npy(tmp_path / "g.npy", 9 * rng.random((9, 9)))
        (cause,) = audited(pred, gt, "--convention", "default,torch-sum")["causes"]["p"]
        assert cause["text"].startswith("softmax: it takes the maps for logits: torch-sum reads ")

    def test_a_floor_under_the_prediction_shows_stretching(self, tmp_path: Path) -> None:
        rng = np.random.default_rng(1)
        gt = rng.integers(0, 200, (30, 30))
        gt[0, 0] = 0
        pred = npy(tmp_path / "p.npy", gt + 40.0)
        document = audited(pred, npy(tmp_path / "g.npy", gt), "--convention", "default,fixatons,affordance")
        assert self.names(document) == ["stretching"]

    def test_definitions_stand_last(self, clean: tuple[Path, Path]) -> None:
        document = audited(*clean, "--convention", "default,sam,aclnet,torch-mean,keras,row-softmax,salient360,scipy")
        cause = document["causes"]["pred"][-1]
        assert cause["by_definition"]
        assert cause["text"] == (
            "by definition: sam and aclnet multiply by 10; torch-mean divides by the number of pixels; keras divides "
            "by "
            "the height; row-softmax takes rows for distributions; scipy takes columns for distributions; keras "
            "normalises "
            "nothing; salient360 weighs rows by their latitude"
        )

    def test_a_perfect_prediction_shows_what_epsilon_does(self, clean: tuple[Path, Path]) -> None:
        """Its numbers are 0 but for the constants; nothing is divided by 0 on the way."""
        document = audited(clean[1], clean[1], "--convention", "default,exact,eml-net,ram1n,flatten-softmax")
        assert [cause["name"] for cause in document["causes"]["gt"]] == ["epsilon"]

    def test_nothing_drives_what_does_not_spread(self, clean: tuple[Path, Path]) -> None:
        assert self.names(audited(*clean, "--convention", ",".join(FAMILY))) == []


class TestOutputs:
    def test_the_table_of_one_prediction(self) -> None:
        outcome = kldeval("audit", BOLD, GT, "--convention", "default,exact,mit,eml-net,sam")
        assert (outcome.code, outcome.err) == (0, "")
        assert outcome.out.partition("\n\n")[0] == (
            "KLD of 5 maps under 5 conventions, lowest first\n"
            "kld ↓ nats   to default   not finite   conventions\n"
            "    0.1868        0.257            –   eml-net\n"
            "    0.7254         1.00            –   default, mit\n"
            "     2.460         3.39            –   sam\n"
            "       inf          inf            2   exact"
        )
        assert outcome.out.endswith("\n\nthe signature of a convention is kldeval:NAME+v1, as in kldeval:default+v1\n")

    def test_the_matrix_of_several(self) -> None:
        outcome = kldeval("audit", BOLD, CAREFUL, GT, "--convention", "default,eml-net,scipy")
        assert outcome.out.partition("\n\n")[0] == (
            "KLD of 5 maps, 2 predictions under 3 conventions, lowest first\n"
            "    bold ↓    careful ↓     tau   maps   conventions\n"
            "0.1868 (1)   0.5236 (2)   -1.00      5   eml-net\n"
            "0.7254 (2)   0.5266 (1)   +1.00      5   default\n"
            "         –            –       –      0   scipy"
        )
        assert (
            "does not apply\n- scipy: 5 of 5 maps of bold, 4 of 5 maps of careful; harbour: the ground truth is all "
            "zero "
            "in a column, which 'sum-to-one(axis=0)' cannot normalise\n"
        ) in outcome.out

    def test_csv_has_a_row_per_convention_and_model(self, two: dict[str, Any]) -> None:
        text = kldeval("audit", BOLD, CAREFUL, GT, "--format", "csv", "--eps-curve").out
        rows = list(csv.DictReader(io.StringIO(text)))
        assert len(rows) == 2 * (len(conventions()) + 25)
        for row in rows[: 2 * len(conventions())]:
            standing = two["conventions"][row["convention"]]["models"][row["model"]]
            assert row["mean"] == ("" if standing["mean"] is None else str(standing["mean"]))
            assert row["signature"] == two["conventions"][row["convention"]]["signature"]
        curve = [row for row in rows if row["convention"] == "eps=1e-16"]
        assert [float(row["mean"]) for row in curve] == [
            two["eps_curve"]["models"][model]["kld"][0] for model in ("bold", "careful")
        ]
        assert kldeval("audit", BOLD, GT, "--format", "tsv").out.startswith("convention\tmodel\tmean\t")

    def test_markdown(self) -> None:
        text = kldeval("audit", BOLD, CAREFUL, GT, "--convention", "default,eml-net", "--format", "markdown").out
        assert text.partition("\n\nin parentheses")[0] == (
            "**KLD of 5 maps, 2 predictions under 2 conventions, lowest first**\n\n"
            "|         bold ↓ |      careful ↓ |   tau | conventions |\n"
            "| -------------: | -------------: | ----: | :---------- |\n"
            "| **0.1868 (1)** |     0.5236 (2) | -1.00 | `eml-net`   |\n"
            "|     0.7254 (2) | **0.5266 (1)** | +1.00 | `default`   |"
        )

    def test_latex(self) -> None:
        text = kldeval("audit", BOLD, CAREFUL, GT, "--convention", "default,exact", "--format", "latex").out
        assert r"bold $\downarrow$ & careful $\downarrow$ & tau & not finite & conventions \\" in text
        assert r"0.7254 (2) & \textbf{0.5266 (1)} & $+1.00$ & -- & default \\" in text
        assert r"$\infty$ (2) & \textbf{0.5266 (1)} & $+1.00$ & 2 & exact \\" in text
        assert text.startswith("% needs \\usepackage{booktabs}\n% default: kld(log_eps=2.2204e-16,")

    def test_output_files_have_the_format_of_their_suffix(self, tmp_path: Path) -> None:
        files = [tmp_path / f"a.{suffix}" for suffix in ("json", "csv", "tsv", "md", "tex", "txt")]
        options = [word for file in files for word in ("--output", str(file))]
        outcome = kldeval("audit", BOLD, GT, "--convention", "mit", *options)
        assert outcome.code == 0
        assert json.loads(files[0].read_text())["schema"] == "kldeval.audit/2"
        assert files[-1].read_text() == outcome.out
        assert [file.stat().st_size > 0 for file in files] == [True] * 6

    def test_names_are_escaped_where_they_are_shown(self, tmp_path: Path, clean: tuple[Path, Path]) -> None:
        pred, gt = clean
        pred.rename(tmp_path / "=a_b|c")
        arguments = ("audit", tmp_path / "=a_b|c", gt, gt, "--convention", "mit", "--format")
        assert "\n" + r"mit,'=a_b|c," in kldeval(*arguments, "csv").out
        assert r"=a\_b\|c ↓" in kldeval(*arguments, "markdown").out
        assert r"=a\_b\textbar{}c $\downarrow$" in kldeval(*arguments, "latex").out


def test_a_negative_number_carries_its_note() -> None:
    document = audited(BOLD, CAREFUL, GT, "--convention", "mit,keras")
    assert any(standing["mean"] < 0 for standing in document["conventions"]["keras"]["models"].values())
    assert (
        "keras: the values do not sum to 1, so the number may be negative and is no divergence of densities"
        in (document["notes"])
    )


REFUSED: dict[str, tuple[tuple[str | Path, ...], str]] = {
    "one path": ((GT,), "give one prediction or several, then the ground truth: kldeval audit PRED... GT"),
    "an unknown convention": (
        (BOLD, GT, "--convention", "mti"),
        "unknown convention 'mti'; did you mean 'mit', ",
    ),
    "an unknown format": (
        (BOLD, GT, "--format", "yaml"),
        "kldeval: unknown format 'yaml'; known: csv, html, json, latex, markdown, table, tsv\n",
    ),
    "an unknown suffix": (
        (BOLD, GT, "--output", "a.parquet"),
        (
            "kldeval: cannot write a.parquet: the suffix .parquet stands for no format of an audit; "
            "known: .csv, .htm, .html, .json, .markdown, .md, .tex, .tsv, .txt\n"
        ),
    ),
    "a prediction twice": ((BOLD, BOLD, GT), f"kldeval: {BOLD} is given twice: every model needs a path of its own\n"),
    "a malformed resizing": ((BOLD, GT, "--resize", "up"), "kldeval: unknown resize 'up'; known: "),
    "no such folder": (("nothing", GT), "kldeval: nothing does not exist; give two files or two folders of maps\n"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_wrong_request_ends_with_2_and_one_line(case: str) -> None:
    arguments, message = REFUSED[case]
    outcome: Outcome = kldeval("audit", *arguments)
    assert (outcome.code, outcome.out) == (2, "")
    assert message in outcome.err


def test_colours_are_for_terminals(two: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """The best of a row in bold, infinities in yellow; nothing of it in a pipe."""
    assert two["models"] == ["bold", "careful"]
    asked = ("audit", BOLD, CAREFUL, GT, "--convention", "exact", "--convention", "eml-net")
    assert "\x1b[" not in kldeval(*asked).out
    monkeypatch.setenv("FORCE_COLOR", "1")
    text = kldeval(*asked).out
    assert "\x1b[1m0.1868 (1)" in text
    assert re.search(r"\x1b\[[0-9;]*33m *inf \(2\)", text)


def test_causes_are_of_the_maps_whose_means_are_shown(tmp_path: Path) -> None:
    """Not of maps that another model lacks, whose zeros no mean above has met."""
    rng = np.random.default_rng(0)
    for side in ("one", "other", "gt"):
        (tmp_path / side).mkdir()
    for place in range(6):
        gt = rng.random((10, 12))
        one, other = gt + rng.random((10, 12)), gt + 0.3 * rng.random((10, 12))
        if place < 3:
            one[:4], other[0, 0] = 0, np.nan
        for side, array in (("one", one / 2), ("other", other / 2), ("gt", gt)):
            np.save(tmp_path / side / f"{place}.npy", array)
    both = tmp_path / "one", tmp_path / "other", tmp_path / "gt"
    done = kldeval("audit", *both, "--convention", "default,eml-net,exact,mit")
    assert "zeros under ground-truth mass" not in done.out
    alone = kldeval("audit", tmp_path / "one", tmp_path / "gt", "--convention", "default,eml-net,exact,mit")
    assert "zeros under ground-truth mass: on 3 of 6 maps" in alone.out
