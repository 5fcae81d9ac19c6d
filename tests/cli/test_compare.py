"""`kldeval compare`: what it says, what it refuses and shows, groups, the gate, determinism."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from command_line import kldeval
from late import late
from model_files import make_models, save
from report_files import REST, report
from report_files import write as written
from schemas import validate

from kldeval.records import Score

if TYPE_CHECKING:
    from pathlib import Path

stats = late("scipy.stats")

FEW = ("--resamples", "200")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two models as folders and as saved reports."""
    make_models(tmp_path)
    for model in ("good", "bad"):
        kldeval(tmp_path / model, tmp_path / "gt", "-o", tmp_path / f"{model}.json")
    return tmp_path


def compared(*arguments: Any) -> Any:
    outcome = kldeval("compare", *arguments, "--format", "json", "-q")
    assert outcome.code == 0, outcome.err
    document = json.loads(outcome.out)
    validate(document, "compare")
    return document


def write(path: Path, values: dict[str, float], key: str = "kld", **changes: Any) -> Path:
    """A saved report of one metric."""
    made = report(*(Score(name, {key: value}) for name, value in values.items()), **changes)
    path.write_text(written(made, "json"))
    return path


# what it says


def test_statistics_are_those_of_the_values(root: Path) -> None:
    document = compared(root / "good.json", root / "bad.json", "-m", "kld")
    reports = [json.loads((root / f"{model}.json").read_text()) for model in ("good", "bad")]
    good, bad = (np.asarray([row["kld"] for row in one["maps"]]) for one in reports)
    (pair,) = document["metrics"]["kld"]["pairs"]
    difference = good - bad
    assert pair["mean_difference"] == pytest.approx(difference.mean(), rel=1e-12)
    assert pair["cohens_dz"] == pytest.approx(difference.mean() / difference.std(ddof=1), rel=1e-12)
    assert pair["wilcoxon_p"] == pytest.approx(stats.wilcoxon(good, bad).pvalue, rel=1e-12)
    assert document["metrics"]["kld"]["means"] == {
        model: one["summary"]["kld"]["mean"] for model, one in zip(("good", "bad"), reports, strict=True)
    }
    assert document["signature"] == {"kld": reports[0]["signature"]["kld"]}
    assert document["statistics"] == "paired(confidence=0.95,resamples=10000,seed=0)|unit:maps|adjust:holm|v:2"
    assert pair["winner"] == "good"


def test_folders_give_what_their_reports_give(root: Path) -> None:
    saved = compared(root / "good.json", root / "bad.json", *FEW)
    scored = compared(root / "good", root / "bad", root / "gt", *FEW)
    for part in ("signature", "statistics", "models", "metrics", "maps", "left_out", "notes"):
        assert scored[part] == saved[part]


def test_a_leaderboard_holds_reports_to_compare(root: Path) -> None:
    kldeval(root / "good", root / "bad", root / "gt", "-o", root / "board.json", *FEW)
    assert (
        compared(root / "board.json", *FEW)["metrics"]
        == compared(root / "good.json", root / "bad.json", *FEW)["metrics"]
    )


def test_the_seed_decides_and_is_said(root: Path) -> None:
    first, again, other = (
        compared(root / "good.json", root / "bad.json", *FEW, "--seed", seed) for seed in ("1", "1", "2")
    )
    assert first == again
    assert first["metrics"] != other["metrics"]
    assert "seed=2" in other["statistics"]


def test_names(root: Path) -> None:
    kldeval(root / "good", root / "gt", "--name", "ours", "-o", root / "g.json", "-q")
    assert compared(root / "g.json", root / "bad.json", *FEW)["models"] == ["ours", "bad"]
    named = ("--name", "A", "--name", "B")
    assert compared(root / "g.json", root / "bad.json", *FEW, *named)["models"] == ["A", "B"]
    outcome = kldeval("compare", root / "g.json", root / "g.json")
    assert outcome.err == f"kldeval: {root}/g.json is given twice: every model needs a path of its own\n"
    (root / "h.json").write_text((root / "g.json").read_text())
    outcome = kldeval("compare", root / "g.json", root / "h.json")
    assert outcome.err == "kldeval: two models are called ours: give each its own with --name\n"


def test_the_whole_table(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    values = {f"x{number}y": float(value) for number, value in enumerate(rng.uniform(1, 2, 9))}
    write(tmp_path / "a.json", values)
    write(tmp_path / "b.json", {name: value + 0.5 + (value - 1.5) / 9 for name, value in values.items()})
    assert kldeval("compare", tmp_path / "a.json", tmp_path / "b.json", "--verbose").out == (
        """kld on 9 maps
    model                 kld ↓ nats
a   a       1.5078ᵇ [1.2806, 1.6882]
b   b       2.0086  [1.7562, 2.2091]

kld: first minus second
first   second                   difference   p (Holm)        p   Wilcoxon p      d_z   rank r   detectable   better
a       b        -0.5009 [-0.5209, -0.4756]     0.0039   0.0039       0.0039   -13.83    -1.00       0.0393        a
in brackets 95 % intervals (BCa bootstrap over 9 maps); raised are the models that are significantly worse """
        """(sign-flip test at 5 %, Holm over 1 pair); d_z: the mean difference divided by the standard """
        """deviation of the differences; rank r: matched-pairs rank-biserial correlation; detectable: the smallest """
        f"""difference that 9 maps show in 80 % of cases

kld{REST}
paired(confidence=0.95,resamples=10000,seed=0)|unit:maps|adjust:holm|v:2
"""
    )


def test_rows_for_programs_are_pairs_of_models(root: Path) -> None:
    outcome = kldeval("compare", root / "good.json", root / "bad.json", *FEW, "--format", "csv", "-q")
    rows = list(csv.DictReader(outcome.out.splitlines()))
    pairs = compared(root / "good.json", root / "bad.json", *FEW)["metrics"]
    assert [(row["metric"], row["first"], row["second"], row["n"]) for row in rows] == [
        ("kld", "good", "bad", "8"),
        ("ce", "good", "bad", "8"),
    ]
    for row in rows:
        (pair,) = pairs[row["metric"]]["pairs"]
        assert [float(row["low"]), float(row["high"])] == pair["interval"]
        assert (float(row["p_holm"]), row["significant"]) == (pair["p_holm"], str(pair["significant"]).lower())
    lines = kldeval("compare", root / "good.json", root / "bad.json", *FEW, "--format", "jsonl", "-q").out.splitlines()
    assert [json.loads(line) for line in lines] == [
        {"metric": key, **metric["pairs"][0]} for key, metric in pairs.items()
    ]


def test_a_single_map_has_neither_interval_nor_effect(tmp_path: Path) -> None:
    files = [write(tmp_path / f"{model}.json", {"x": value}) for model, value in (("a", 1.0), ("b", 2.0))]
    (pair,) = compared(*files)["metrics"]["kld"]["pairs"]
    assert [pair[part] for part in ("interval", "cohens_dz", "detectable", "p")] == [None, None, None, 1.0]
    assert "–" in kldeval("compare", *files).out
    assert "a single map has neither intervals nor tests" in kldeval("compare", *files).out


def test_a_mean_over_pixels_is_compared_as_such(tmp_path: Path) -> None:
    values = {"a": (1.0, 2.0, 4.0), "b": (1.5, 2.0, 5.0)}
    weights = (1.0, 1.0, 2.0)
    for model, numbers in values.items():
        scores = (
            Score(f"x{place}y", {"kld": value}, weights={"kld": weight})
            for place, (value, weight) in enumerate(zip(numbers, weights, strict=True))
        )
        made = report(*scores)
        assert made.summaries["kld"].mean == np.average(numbers, weights=weights)
        (tmp_path / f"{model}.json").write_text(written(made, "json"))
    metric = compared(tmp_path / "a.json", tmp_path / "b.json")["metrics"]["kld"]
    assert metric["means"] == {"a": 2.75, "b": 3.375}
    assert metric["pairs"][0]["mean_difference"] == -0.625
    unweighted = compared(tmp_path / "a.json", tmp_path / "b.json", "--group-by", "x{group}y")["metrics"]["kld"]
    assert unweighted["means"]["a"] == pytest.approx(7 / 3)


# groups


def test_groups_are_the_unit_of_everything(root: Path) -> None:
    document = compared(root / "good.json", root / "bad.json", "--group-by", "parent", "-m", "kld")
    reports = [json.loads((root / f"{model}.json").read_text()) for model in ("good", "bad")]
    means = [
        [
            np.mean([row["kld"] for row in one["maps"] if row["name"].startswith(video)])
            for video in ("jump", "run", "swim")
        ]
        for one in reports
    ]
    metric = document["metrics"]["kld"]
    assert (metric["unit"], metric["n"]) == ("groups", 3)
    assert list(metric["means"].values()) == pytest.approx([np.mean(side) for side in means], rel=1e-12)
    assert metric["pairs"][0]["p"] == 0.25
    assert document["statistics"].endswith("|unit:groups|adjust:holm|groups:parent|v:2")
    scored = compared(root / "good", root / "bad", root / "gt", "--group-by", "parent", "-m", "kld")
    assert scored["metrics"] == document["metrics"]
    assert "|maps:groups|" in scored["signature"]["kld"]


def test_reports_of_group_means_are_compared_by_groups(root: Path) -> None:
    for model in ("good", "bad"):
        options = ("--maps", "groups", "--group-by", "{video}/{name}", "-o", root / f"{model}-g.json")
        kldeval(root / model, root / "gt", *options)
    document = compared(root / "good-g.json", root / "bad-g.json", *FEW)
    assert document["statistics"].endswith("|unit:groups|adjust:holm|groups:{video}/{name}|v:2")
    mixed = kldeval("compare", root / "good-g.json", root / "bad.json", *FEW)
    assert mixed.err == (
        "kldeval: the reports differ, so their numbers do not compare (--allow-different insists):\n"
        "kldeval:   maps:groups in good-g, maps:mean in bad\n"
        "kldeval:   groups:{video}/{name} in good-g, groups:nothing in bad\n"
    )
    assert compared(root / "good-g.json", root / "bad.json", *FEW, "--group-by", "parent")["metrics"]["kld"]["n"] == 3


def test_recorded_groups(root: Path) -> None:
    for model in ("good", "bad"):
        kldeval(root / model, root / "gt", "--group-by", "parent", "-o", root / f"{model}.json")
    files = (root / "good.json", root / "bad.json")
    assert compared(*files, *FEW, "--group-by", "manifest")["metrics"]["kld"]["n"] == 3
    assert len(compared(*files, *FEW)["notes"]) == 1
    changed = json.loads(files[1].read_text())
    changed["maps"][0]["group"] = "elsewhere"
    files[1].write_text(json.dumps(changed))
    assert kldeval("compare", *files, "--group-by", "manifest").err == (
        "kldeval: the map 'jump/0001' is in the group 'jump', but in bad in 'elsewhere'\n"
    )


def test_frames_and_groups_that_are_not_used_are_noted(tmp_path: Path) -> None:
    frames = [write(tmp_path / f"{m}.json", {f"v/{i:03}": float(i * k) for i in range(9)}) for k, m in enumerate("ab")]
    (note,) = compared(*frames, *FEW)["notes"]
    assert note.startswith("the maps are numbered like the frames of videos; if they are, make the videos the units")


# refusals


def test_differences_are_shown_part_by_part(tmp_path: Path) -> None:
    names = [f"m{number}" for number in range(12)]
    write(tmp_path / "a.json", dict.fromkeys(names, 1.0))
    other = {"kld": "kld(log_eps=1)|pred:sum-to-one|gt:sum-to-one|scale:raw|v:1"}
    write(tmp_path / "b.json", dict.fromkeys(names[:3], 2.0), signatures=other)
    write(tmp_path / "c.json", dict.fromkeys(["z"], 2.0), key="cc")
    outcome = kldeval("compare", *(tmp_path / f"{name}.json" for name in "abc"))
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.splitlines() == [
        "kldeval: the reports differ, so their numbers do not compare (--allow-different insists):",
        "kldeval:   kld: metric:kld in a, metric:kld(log_eps=1) in b",
        "kldeval:   scale:unit in a, scale:raw in b",
        "kldeval:   9 maps were scored only in a: m10, m11, m3, m4, m5 and 4 more",
        "kldeval:   kld: only in a",
        "kldeval:   cc: only in c",
        "kldeval:   12 maps were scored only in a: m0, m1, m10, m11, m2 and 7 more",
        "kldeval:   1 map was scored only in c: z",
    ]
    insisted = compared(tmp_path / "a.json", tmp_path / "b.json", "--allow-different", *FEW)
    assert insisted["maps"] == names[:3]
    assert len(insisted["left_out"]) == 9
    assert insisted["notes"][:2] == [
        "kld: metric:kld in a, metric:kld(log_eps=1) in b",
        "scale:unit in a, scale:raw in b",
    ]
    nothing = kldeval("compare", tmp_path / "a.json", tmp_path / "c.json", "--allow-different")
    assert nothing.err == "kldeval: no metric is common to all reports: a has kld; c has cc\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            (),
            "two saved reports (.json) or more are needed, or two predictions and their ground truth; here is nothing",
        ),
        (
            ("good", "gt"),
            "two saved reports (.json) or more are needed, or two predictions and their ground truth; here is good gt",
        ),
        (("good.json",), "a comparison needs two models or more, but here is good"),
        (
            ("good.json", "bad.json", "--norm", "softmax", "--limit", "3"),
            "the numbers of saved reports are made already: --norm, --limit can mean nothing; leave it out",
        ),
        (("good.json", "bad.json", "-m", "kdl"), "unknown metric 'kdl'; did you mean 'kld'? Known: ce, kld"),
        (("good.json", "no.json"), "cannot read no.json: no such file or directory"),
        (
            ("good.json", "bad.json", "--resamples", "9"),
            "9 resamples are too few for an interval: 100 at least, 10000 are usual",
        ),
        (
            ("good.json", "bad.json", "--group-by", "{x}_{y}"),
            "--group-by {x}_{y}: 8 of 8 maps have no group (such as 'jump/0001')",
        ),
    ],
)
def test_wrong_requests(root: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], message: str) -> None:
    monkeypatch.chdir(root)
    outcome = kldeval("compare", *arguments)
    assert (outcome.code, outcome.out, outcome.err) == (2, "", f"kldeval: {message}\n")


def test_a_comparison_is_no_report(root: Path) -> None:
    kldeval("compare", root / "good.json", root / "bad.json", *FEW, "-o", root / "c.json")
    outcome = kldeval("compare", root / "good.json", root / "c.json")
    assert outcome.err == f"kldeval: {root}/c.json is a comparison; give the reports that it was made of\n"


def test_values_that_are_not_finite_have_no_comparison(tmp_path: Path) -> None:
    files = [write(tmp_path / f"{model}.json", {"x": value}) for model, value in (("a", 1.0), ("b", float("inf")))]
    outcome = kldeval("compare", *files, "--fail-if-worse")
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err == (
        "kldeval: kld is not compared: inf or nan has no difference: b on 1 of 1 maps (x); leave such models out, or "
        "score with a metric that is finite, such as kld with --eps 1e-7\n"
    )


def test_folders_with_a_broken_map_are_compared_without_it(root: Path) -> None:
    (root / "bad" / "run" / "0002.npy").write_text("x")
    outcome = kldeval("compare", root / "good", root / "bad", root / "gt", *FEW, "--format", "json", "-q")
    assert outcome.code == 1
    assert outcome.err.startswith(f"kldeval: bad: run/0002: {root}/bad/run/0002.npy")
    assert json.loads(outcome.out)["left_out"] == [{"name": "run/0002", "missing": ["bad"]}]


# the gate


def test_the_gate_fires_on_a_significant_regression(root: Path) -> None:
    options = ("--fail-if-worse", "--format", "json", "-m", "kld", "-q")
    worse = kldeval("compare", root / "bad.json", root / "good.json", *options)
    document = json.loads(worse.out)
    validate(document, "compare")
    assert worse.code == 3
    assert [(gate["text"], gate["fired"]) for gate in document["gates"]] == [("kld: bad is worse than good", True)]
    assert worse.err.startswith("kldeval: gate kld: bad is worse than good fired: 0.0")
    better = kldeval("compare", root / "good.json", root / "bad.json", "--fail-if-worse", "-m", "kld")
    assert (better.code, better.err) == (0, "")
    assert any(line.startswith("gate kld: good is worse than bad passed: -0.0") for line in better.out.splitlines())


def test_a_metric_that_cannot_be_compared_fires(tmp_path: Path) -> None:
    for model, value in (("new", float("nan")), ("old", 1.0)):
        made = report(*(Score(f"x{i}y", {"kld": 1.0 + i, "cc": value}) for i in range(6)))
        (tmp_path / f"{model}.json").write_text(written(made, "json"))
    outcome = kldeval("compare", tmp_path / "new.json", tmp_path / "old.json", "--fail-if-worse", "-q", *FEW)
    assert outcome.code == 3
    assert outcome.err == "kldeval: gate cc: new is worse than old fired: no value\n"


def test_no_difference_passes(tmp_path: Path) -> None:
    for name in "abcdef":
        save(tmp_path / "gt", name, [[1, 2]])
        for model in ("new", "old"):
            save(tmp_path / model, name, [[2, 1]])
    assert kldeval("compare", tmp_path / "new", tmp_path / "old", tmp_path / "gt", "--fail-if-worse", *FEW).code == 0


@pytest.mark.parametrize(
    ("n", "flags", "few", "needed"),
    [
        (1, (), "1 map", "2.5 % (one-sided) that one is worse; 6"),
        (5, (), "5 maps", "2.5 % (one-sided) that one is worse; 6"),
        (7, ("--confidence", "0.99"), "7 maps", "0.5 % (one-sided) that one is worse; 8"),
    ],
)
def test_a_gate_that_cannot_fire_is_refused(
    tmp_path: Path, n: int, flags: tuple[str, ...], few: str, needed: str
) -> None:
    for model, value in (("new", 9.0), ("old", 1.0)):
        write(tmp_path / f"{model}.json", {f"x{place}y": value + place for place in range(n)})
    outcome = kldeval("compare", tmp_path / "new.json", tmp_path / "old.json", "--fail-if-worse", *flags)
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err == f"kldeval: --fail-if-worse cannot fire: {few} cannot show at {needed} do\n"


def test_a_gate_without_a_better_direction_is_refused(tmp_path: Path) -> None:
    for model in ("new", "old"):
        made = report(*(Score(f"x{i}y", {"entropy-gt": 1.0 + i}) for i in range(9)))
        (tmp_path / f"{model}.json").write_text(written(made, "json"))
    outcome = kldeval("compare", tmp_path / "new.json", tmp_path / "old.json", "--fail-if-worse")
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err == "kldeval: --fail-if-worse needs a metric with a better direction, and here is none\n"


def test_the_gate_is_oriented_by_each_metric(tmp_path: Path) -> None:
    """Lower CC is worse, lower KLD is better; one test, whose p is adjusted for both."""
    for model, shift in (("new", -0.5), ("old", 0.0)):
        rows = (Score(f"x{i}y", {"kld": 2.0 + i / 7 + shift * (1 + i / 9), "cc": 0.9 + shift}) for i in range(9))
        (tmp_path / f"{model}.json").write_text(written(report(*rows), "json"))
    files = tmp_path / "new.json", tmp_path / "old.json"
    outcome = kldeval("compare", *files, "--fail-if-worse", "--format", "json", "-q")
    assert outcome.code == 3
    kld, cc = json.loads(outcome.out)["gates"]
    assert (kld["fired"], cc["fired"]) == (False, True)
    assert (kld["p"], cc["p"]) == (1.0, 1 / 2**9)
