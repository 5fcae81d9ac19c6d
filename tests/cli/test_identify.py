"""From a published number back to the conventions, and the settings near them, that print it."""

from __future__ import annotations

import json
import shlex
import shutil
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import Outcome, kldeval
from hypothesis import given
from hypothesis import strategies as st
from schemas import validate

from kldeval.conventions.definitions import NSS
from kldeval.errors import UsageProblem
from kldeval.reports.identification import Guess, chance_hits, distinct, identify_row, published, published_value

SAMPLE = Path(__file__).parent.parent.parent / "sample_data"
BOLD, CAREFUL, GT = SAMPLE / "bold", SAMPLE / "careful", SAMPLE / "gt"


@cache
def identified(*arguments: str | Path) -> Outcome:
    """What `kldeval identify` says of files that stay as they are: each question is asked once, of this process."""
    return kldeval("identify", *arguments, "--jobs", "1")


def found(value: str, *paths: Path) -> list[dict[str, Any]]:
    """The guesses, best first."""
    outcome = identified("--value", value, *(paths or (BOLD, GT)), "--format", "json")
    document = json.loads(outcome.out)
    assert document["schema"] == "kldeval.identify/2"
    assert outcome.code == (0 if document["guesses"] else 1)
    guesses: list[dict[str, Any]] = document["guesses"]
    return guesses


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two maps of the samples: a mean over maps as every other is one, in less time."""
    root = tmp_path_factory.mktemp("two")
    for side in (CAREFUL, GT):
        (root / side.name).mkdir()
        for name in ("harbour.png", "street.png"):
            shutil.copy(side / name, root / side.name)
    return root / "careful", root / "gt"


def as_published(guesses: list[dict[str, Any]]) -> set[str]:
    return {guess["convention"] for guess in guesses if not guess["flags"]}


@pytest.mark.parametrize("name", ["mit", "fixatons", "sam", "ram1n", "salient360", "torch-mean", "keras"])
def test_the_number_of_a_convention_is_identified(name: str, two: tuple[Path, Path]) -> None:
    """To six digits only those that agree are left, and they stand before all settings near them."""
    outcome = kldeval(*two, "--convention", name, "-m", "kld", "--score-only", "--quiet")
    guesses = found(f"{float(outcome.out):.6g}", *two)
    assert name in as_published(guesses)
    flags = [len(guess["flags"]) for guess in guesses]
    assert flags == sorted(flags)


@pytest.mark.parametrize(
    ("flags", "convention"),
    [
        (["--eps", "1e-09"], "default"),
        (["--metric", "kld(log_eps=1e-06,ratio_eps=1e-06,factor=10)"], "sam"),
        (["--metric", "kld(log_eps=2.2204e-16,ratio_eps=2.2204e-16,direction=pred-gt)"], "default"),
        (["--norm", "softmax(axis=0)"], "flatten-softmax"),
        (["--reduction", "mean"], "default"),
        (["--base", "2"], "ram1n"),
        (["--eps", "1e-08", "--base", "10"], "default"),
        (["--reduction", "batchmean", "--base", "2"], "unisal"),
        (["--scale", "raw"], "flatten-softmax"),
    ],
)
def test_settings_near_a_convention_are_identified(flags: list[str], convention: str, two: tuple[Path, Path]) -> None:
    """Another epsilon, direction, axis, reduction, base or scale; the flags that are printed repeat the number."""
    metric = [] if "--metric" in flags else ["-m", "kld"]
    outcome = kldeval(*two, "--convention", convention, *metric, *flags, "--score-only", "--quiet")
    value = float(outcome.out)
    guesses = found(f"{value:.9g}", *two)
    assert guesses[0]["value"] == pytest.approx(value, rel=1e-8)
    for guess in guesses[:5]:
        typed = [word for flag in guess["flags"] for word in flag]
        metric = [] if "--metric" in typed else ["-m", "kld"]
        again = kldeval(*two, "--convention", guess["convention"], *metric, *typed, "--score-only", "--quiet")
        assert float(again.out) == pytest.approx(guess["value"], rel=1e-12)
        signed = kldeval(*two, "--signature", guess["signature"], "--score-only", "--quiet")
        assert float(signed.out) == pytest.approx(guess["value"], rel=1e-12)


def test_more_digits_tell_more_apart() -> None:
    """0.5 may be many; 0.523 is FixaTons' or affordance's; with eight digits one of them is left."""
    counts = [len(as_published(found(text))) for text in ("0.5", "0.52", "0.523")]
    assert counts == sorted(counts, reverse=True)
    assert as_published(found("0.523")) == {"fixatons", "affordance"}


class TestDigits:
    @pytest.mark.parametrize(
        ("text", "half"),
        [("0.27", 0.005), ("0.270", 0.0005), ("3", 0.5), ("-1.5", 0.05), ("2.7e-3", 5e-5), ("1e3", 500)],
    )
    def test_the_last_digit_says_how_exactly(self, text: str, half: float) -> None:
        assert published(text).half == pytest.approx(half, rel=1e-15)

    @given(value=st.floats(-1e3, 1e3), digits=st.integers(0, 9))
    def test_a_number_prints_itself_at_any_rounding(self, value: float, digits: int) -> None:
        assert published(f"{value:.{digits}f}").is_printed_by(value)
        assert published(f"{value:.{digits}e}").is_printed_by(value)

    @given(value=st.floats(0.01, 1e3), digits=st.integers(1, 8))
    def test_a_number_a_whole_unit_away_does_not(self, value: float, digits: int) -> None:
        assert not published(f"{value:.{digits}f}").is_printed_by(value + 1.001 * 10**-digits)

    @pytest.mark.parametrize("text", ["nan", "inf", "zero", "", "0,27"])
    def test_what_is_no_number_is_refused(self, text: str) -> None:
        with pytest.raises(UsageProblem) as caught:
            published(text)
        assert str(caught.value) == (
            f"--value {text}: not a finite number; give it as it was printed, such as 0.27 (its digits matter)"
        )


class TestPage:
    def test_the_table(self) -> None:
        outcome = identified("--value", "0.355", BOLD, GT)
        assert (outcome.code, outcome.err) == (0, "")
        assert outcome.out == (
            "0.355 over 5 maps is printed by\n"
            "      kld   flags beside it        --convention\n"
            "0.3548885   --base 2               ledov-first, msi-net, dreyeve-loss\n"
            "0.3553891   --base 2               aclnet-pytorch\n"
            "0.3548881   --eps 1e-07 --base 2   scout-weights\n"
            "\n"
            "3 numbers round to 0.355; more digits of it would tell them apart\n"
            "\n"
            "1657 settings give 758 numbers, of which chance hits 0.55 at this number of digits\n"
        )

    def test_flags_are_quoted_for_a_shell(self) -> None:
        value = kldeval(
            BOLD, GT, "-m", "kld(direction=pred-gt,ratio_eps=1e-06,log_eps=1e-06)", "--score-only", "-q"
        ).out
        outcome = kldeval("identify", "--value", f"{float(value):.9f}", BOLD, GT)
        row = outcome.out.splitlines()[2]
        assert shlex.split(row)[1:3] == ["--metric", "kld(log_eps=1e-06,ratio_eps=1e-06,direction=pred-gt)"]

    def test_conventions_that_agree_share_a_row(self) -> None:
        outcome = identified("--value", "0.7254", BOLD, GT)
        assert outcome.out == (
            "0.7254 over 5 maps is printed by\n"
            "      kld   flags beside it   --convention\n"
            "0.7254446   as published      default, mit, mit-python, tuebingen, hd2s\n"
            "\n"
            "these agree on these maps; empty maps, or zeros in a prediction, tell them apart\n"
            "\n"
            "1657 settings give 758 numbers, of which chance hits 0 at this number of digits\n"
        )

    def test_nothing_prints_it(self) -> None:
        outcome = identified("--value", "123", BOLD, GT)
        assert outcome.code == 1
        title, _, first = outcome.out.splitlines()[:3]
        assert title.endswith("settings prints 123 over 5 maps; the nearest are")
        assert first.split() == ["120.8521", "--scale", "raw", "unisal"]
        document = json.loads(identified("--value", "123", BOLD, GT, "--format", "json").out)
        assert (document["guesses"], len(document["nearest"])) == ([], 5)


class TestChance:
    @given(st.lists(st.integers(0, 10**5).map(lambda n: (n + 0.3) / 10**5), max_size=50), st.integers(200, 800))
    def test_it_is_the_mean_of_the_hits_beside_the_number(self, values: list[float], thousandths: int) -> None:
        """Of the numbers 1 to 10 units of the last digit to either side: how many of the values each is printed by."""
        numbers = distinct(values)
        beside = [thousandths + sign * shift for shift in range(1, 11) for sign in (-1, 1)]
        hits = sum(published(f"0.{place:03}").is_printed_by(number) for place in beside for number in numbers)
        assert chance_hits(published(f"0.{thousandths}"), numbers) == pytest.approx(hits / 20)

    @given(st.lists(st.floats(0.0, 1.0), max_size=50))
    def test_equal_numbers_count_once(self, values: list[float]) -> None:
        target = published("0.50")
        assert chance_hits(target, distinct(values)) == chance_hits(target, distinct(values * 3))

    @given(st.lists(st.tuples(*[st.sets(st.integers(0, 40), min_size=1)] * 2), min_size=1, max_size=3))
    def test_combinations_of_a_row_count_once(self, averagings: list[tuple[set[int], set[int]]]) -> None:
        """Whatever averagings share: as many as different pairs of numbers of one averaging, and their mean hits."""
        targets = [published_value("kld=0.20"), published_value("nss=0.25")]
        over = ("maps", "groups", "fixations")
        guesses = {
            target.metric: [
                Guess("default", (), (number + 0.3) / 100, "", "", target.metric, averaging=averaging)
                for averaging, sets in zip(over, averagings, strict=False)
                for number in sets[place]
                if (target.metric, averaging) != ("kld", "fixations")
            ]
            for place, target in enumerate(targets)
        }
        pairs = {
            pair
            for averaging, sets in zip(over, averagings, strict=False)
            for pair in product(averagings[0][0] if averaging == "fixations" else sets[0], sets[1])
        }
        found = identify_row(targets, guesses, 3, ())
        beside = [sign * shift for shift in range(1, 11) for sign in (-1, 1)]
        hits = sum((20 + up, 25 + right) in pairs for up, right in product(beside, beside))
        assert found.distinct == len(pairs)
        assert found.chance == pytest.approx(hits / 400)

    def test_more_digits_leave_less_to_chance(self) -> None:
        documents = [
            json.loads(identified("--value", text, BOLD, GT, "--format", "json").out) for text in ("0.5", "0.523")
        ]
        chances = [document["chance"] for document in documents]
        assert chances == sorted(chances, reverse=True)
        assert {document["distinct"] for document in documents} == {758}


@pytest.mark.slow
class TestRows:
    """Several numbers of one row of a table."""

    def row(self, *arguments: Any, fixations: Any = SAMPLE / "fixations.csv") -> tuple[int, dict[str, Any]]:
        outcome = kldeval("identify", *arguments, "--fixations", fixations, "--format", "json", "--jobs", "1")
        return outcome.code, json.loads(outcome.out)

    def test_what_prints_all_of_them_is_found(self) -> None:
        texts = ("kld=0.7254", "cc=0.97", "sim=0.88", "nss=3.35", "auc=0.911")
        code, document = self.row(*(word for text in texts for word in ("--value", text)), BOLD, GT)
        (joint,) = document["joint"]
        assert code == 0
        assert (joint["resize"], joint["averaging"]) == ("", "maps")
        first = {metric: guesses[0]["convention"] for metric, guesses in joint["guesses"].items()}
        assert first == {
            "kld": "default",
            "cc": "pysaliency",
            "sim": "pysaliency",
            "nss": "pysaliency",
            "auc": "mit-judd",
        }
        assert document["chance"] == 0
        for guesses in joint["guesses"].values():
            beside = ("--fixations", SAMPLE / "fixations.csv") if guesses[0]["metric"] in ("nss", "auc") else ()
            again = kldeval(BOLD, GT, "--signature", guesses[0]["signature"], *beside, "--score-only", "-q")
            assert float(again.out) == pytest.approx(guesses[0]["value"], rel=1e-12)

    def test_one_number_that_nothing_prints_fails_the_row(self) -> None:
        code, document = self.row("--value", "kld=0.7254", "--value", "cc=0.11", "--value", "nss=3.35", BOLD, GT)
        assert (code, document["joint"]) == (1, [])
        assert {guess["metric"] for guess in document["nearest"]} == {"kld", "cc", "nss"}

    def test_a_row_shares_its_resizing_and_its_averaging(self, tmp_path: Path) -> None:
        """Predictions of half the size, in folders of different length: KLD and CC of one resizing, over folders."""
        rng = np.random.default_rng(0)
        for name in ("a/1", "b/1", "b/2"):
            for side, shape in (("pred", (6, 8)), ("gt", (12, 16))):
                path = tmp_path / side / f"{name}.npy"
                path.parent.mkdir(parents=True, exist_ok=True)
                np.save(path, rng.uniform(0.1, 1, shape))
        flags = ("--resize", "pred-to-gt", "--group-by", "parent", "--maps", "groups")
        pair = tmp_path / "pred", tmp_path / "gt"
        printed = {
            metric: float(kldeval(*pair, "-m", metric, *flags, "--score-only", "-q").out) for metric in ("kld", "cc")
        }
        values = [word for key, value in printed.items() for word in ("--value", f"{key}={value:.8f}")]
        outcome = kldeval("identify", *values, *pair, "--format", "json", "--jobs", "1")
        (joint,) = json.loads(outcome.out)["joint"]
        assert (joint["resize"], joint["averaging"]) == ("pred-to-gt", "groups")
        kld = next(guess for guess in joint["guesses"]["kld"] if guess["convention"] == "default")
        typed = [word for flag in kld["flags"] for word in flag]
        assert typed == list(flags)
        assert float(kldeval(*pair, "-m", "kld", *typed, "--score-only", "-q").out) == pytest.approx(kld["value"])

    AVERAGINGS = (
        ("maps", ()),
        ("groups", ("--group-by", "{video}_{frame}", "--maps", "groups")),
        ("fixations", ("--maps", "fixations")),
    )

    def unlike(self, folder: Path) -> list[Any]:
        """Three maps of different sizes with 1, 4 and 9 fixations, two of them of one video; and how they are named."""
        rng = np.random.default_rng(4)
        lines = ["image,x,y"]
        for name, shape, n in (("a_1", (6, 8), 1), ("b_1", (9, 7), 4), ("b_2", (12, 16), 9)):
            for side in ("pred", "gt"):
                (folder / side).mkdir(exist_ok=True)
                np.save(folder / side / f"{name}.npy", rng.uniform(0.1, 1, shape))
            for place in rng.choice(shape[0] * shape[1], n, replace=False):
                y, x = divmod(int(place), shape[1])
                lines.append(f"{name},{x},{y}")
        (folder / "fixations.csv").write_text("\n".join(lines))
        return [folder / "pred", folder / "gt", "--fixations", folder / "fixations.csv"]

    @pytest.mark.parametrize(("averaging", "flags"), AVERAGINGS)
    def test_a_row_of_another_averaging_is_found(self, tmp_path: Path, averaging: str, flags: tuple[str, ...]) -> None:
        """The averaging moves some number of the row: it is found alone, and each signature repeats its number."""
        files = self.unlike(tmp_path)
        metrics = ("kld", "cc", "nss", "auc-judd")
        said = (*files, "-m", ",".join(metrics), *flags)
        report = json.loads(kldeval(*said, "--format", "json", "-q").out)
        printed = [report["summary"][metric]["mean"] for metric in metrics]
        texts = [
            word
            for metric, value in zip(("kld", "cc", "nss", "auc"), printed, strict=True)
            for word in ("--value", f"{metric}={value:.7f}")
        ]
        asked = ("identify", *texts, *files, "--group-by", "{video}_{frame}", "--jobs", "1")
        outcome = kldeval(*asked, "--format", "json")
        (joint,) = json.loads(outcome.out)["joint"]
        assert (outcome.code, joint["averaging"]) == (0, averaging)
        for (metric, guesses), value in zip(joint["guesses"].items(), printed, strict=True):
            beside = files[2:] if metric in ("nss", "auc") else []
            again = kldeval(*files[:2], *beside, "--signature", guesses[0]["signature"], "--score-only", "-q")
            assert float(again.out) == pytest.approx(value, rel=1e-12)
            typed = [word for flag in guesses[0]["flags"] for word in flag]
            metric_flag = [] if "--metric" in typed else ["-m", "kld"]
            again = kldeval(*files[:2], *beside, *metric_flag, *typed, "--score-only", "-q")
            assert float(again.out) == pytest.approx(value, rel=1e-12)
        over = "fixations, where the metric is of them" if averaging == "fixations" else averaging
        assert f"over 3 maps is printed by (mean over {over})" in kldeval(*asked).out

    def test_averagings_that_give_one_number_count_once(self, tmp_path: Path) -> None:
        """Of one map every mean is its number: there are as many combinations as products of its different numbers."""
        pred, gt, *fixations = self.unlike(tmp_path)
        pair = pred / "b_1.npy", gt / "b_1.npy"
        alone, row = (
            json.loads(kldeval("identify", *texts, *pair, "--format", "json").out)
            for texts in (("--value", "kld=0.2"), ("--value", "kld=0.2", "--value", "nss=0.2", *fixations))
        )
        printed = {
            kldeval(*pair, *fixations, "-m", definition.metric, *chain, "--score-only", "-q").out
            for definition in NSS.definitions
            for chain in [[word for flag in definition.flags[1:] for word in flag]]
        }
        assert row["distinct"] == alone["distinct"] * len(printed)

    def test_one_number_of_a_companion_is_saved_with_what_prints_it(self, tmp_path: Path) -> None:
        files = self.unlike(tmp_path)
        value = float(kldeval(*files, "-m", "nss", "--maps", "fixations", "--score-only", "-q").out)
        outcome = kldeval("identify", "--value", f"nss={value:.7f}", *files, "--format", "json")
        validate(json.loads(outcome.out), "identify")
        (joint,) = json.loads(outcome.out)["joint"]
        assert (outcome.code, joint["averaging"]) == (0, "fixations")

    def test_maps_without_a_group_are_refused(self, tmp_path: Path) -> None:
        outcome = kldeval("identify", "--value", "1", *self.unlike(tmp_path)[:2], "--group-by", "parent")
        assert (outcome.code, outcome.out) == (2, "")
        assert outcome.err == "kldeval: --group-by parent: 3 of 3 maps have no group (such as 'a_1')\n"

    @pytest.mark.parametrize(
        ("values", "message"),
        [
            (("kld=0.2", "kld=0.3"), "--value kld is given twice: a row has one number of each metric"),
            (("nss=1.9",), "--value nss=... is of fixations: name them with --fixations PATH"),
            (
                ("kld=0.2", "cd=0.3"),
                "unknown metric with definitions 'cd'; known: auc, cc, ig, mae, nss, sauc, sim",
            ),
        ],
    )
    def test_what_is_no_row_is_refused(self, values: tuple[str, ...], message: str) -> None:
        outcome = kldeval("identify", *(word for text in values for word in ("--value", text)), BOLD, GT)
        assert (outcome.code, outcome.out, outcome.err) == (2, "", f"kldeval: {message}\n")


def test_resizing_is_tried_where_sizes_differ(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    np.save(tmp_path / "pred.npy", rng.uniform(0.1, 1, (6, 8)))
    np.save(tmp_path / "gt.npy", rng.uniform(0.1, 1, (12, 16)))
    pair = tmp_path / "pred.npy", tmp_path / "gt.npy"
    flags = ("--resize", "gt-to-pred(kernel=nearest)")
    value = float(kldeval(*pair, "-m", "kld", *flags, "--score-only", "-q").out)
    guesses = found(f"{value:.9f}", *pair)
    assert (guesses[0]["convention"], guesses[0]["flags"]) == ("default", [list(flags)])


def test_the_default_stands_before_settings_that_give_its_number() -> None:
    value = float(kldeval(BOLD, GT, "-m", "kld", "--score-only", "-q").out)
    first, *others = found(f"{value:.10f}")
    assert (first["convention"], first["flags"]) == ("default", [])
    lengths = [len(guess["flags"]) for guess in others]
    assert lengths == sorted(lengths)


class TestRefusals:
    def test_a_map_that_cannot_be_read(self, tmp_path: Path) -> None:
        """A mean over the other maps is another number than the published one."""
        for side in ("pred", "gt"):
            (tmp_path / side).mkdir()
            np.save(tmp_path / side / "a.npy", np.ones((3, 4)))
        (tmp_path / "gt" / "b.npy").write_bytes(b"")
        outcome = kldeval("identify", "--value", "1", tmp_path / "pred", tmp_path / "gt")
        assert (outcome.code, outcome.out) == (1, "")
        assert outcome.err.startswith("kldeval: b: the ground truth ")
        assert outcome.err.endswith("; a published mean can only be found over all its maps\n")

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["--value", "x"], "--value x: not a finite number; give it as it was printed, such as 0.27"),
            (["--value", "1", "--format", "yaml"], "unknown format 'yaml'; known: html, json, latex, markdown, table"),
            ([], "missing option '--value'"),
        ],
    )
    def test_a_wrong_request(self, arguments: list[str], message: str) -> None:
        outcome = kldeval("identify", BOLD, GT, *arguments)
        assert (outcome.code, outcome.out) == (2, "")
        assert message in outcome.err


@pytest.mark.parametrize("values", [["0.355"], ["kld=0.725", "cc=0.97"], ["kld=123.4"]])
def test_a_saved_identification_has_its_schema_and_is_shown_again(
    tmp_path: Path, values: list[str], two: tuple[Path, Path]
) -> None:
    asked = [word for value in values for word in ("--value", value)]
    sides = two if values == ["kld=123.4"] else (BOLD, GT)
    done = identified(*asked, *sides, "--format", "json")
    validate(json.loads(done.out), "identify")
    (tmp_path / "found.json").write_text(done.out)
    assert kldeval("show", tmp_path / "found.json", "--format", "json").out == done.out
    assert kldeval("show", tmp_path / "found.json").out == identified(*asked, *sides).out
