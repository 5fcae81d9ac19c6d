"""Several predictions: one reading of each ground truth, the maps of all models, exit codes, every format."""

from __future__ import annotations

import csv
import json
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from command_line import kldeval
from evaluating import torch_as_accelerator
from model_files import NAMES, make_models, save
from report_files import FORMATS, leaderboard, report, write
from schemas import validate
from watching import recorded

from kldeval.errors import UsageProblem
from kldeval.records import Score
from kldeval.reports.leaderboard import name_models

if TYPE_CHECKING:
    from pathlib import Path

FEW = ("--resamples", "200")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    make_models(tmp_path, ("good", "bad", "ugly"))
    return tmp_path


def board(*arguments: Any) -> Any:
    document = json.loads(kldeval(*arguments, *FEW, "--format", "json", "-q").out)
    validate(document, "leaderboard")
    return document


# what is computed


def test_each_model_scores_as_it_does_alone(root: Path) -> None:
    together = board(root / "good", root / "bad", root / "gt")["reports"]
    for model, found in together.items():
        alone = json.loads(kldeval(root / model, root / "gt", "--format", "json", "-q").out)
        for part in ("maps", "summary", "notes", "signature"):
            assert found[part] == alone[part]


def test_each_ground_truth_is_decoded_once(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = recorded(monkeypatch, "kldeval.data.load.read_map")
    models = ("good", "bad", "ugly")
    board(*(root / model for model in models), root / "gt", "--jobs", "1")
    decoded = [str(path.relative_to(root)) for path, *_ in calls]
    assert sorted(decoded) == sorted(f"{side}/{name}.npy" for side in ("gt", *models) for name in NAMES)


def test_an_accelerator_gets_the_same_numbers(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(root / "bad", "run/0001", [[1]])
    paths = root / "good", root / "bad", root / "gt"
    on_cpu = board(*paths)["reports"]
    torch_as_accelerator(monkeypatch)
    on_torch = board(*paths)["reports"]
    for model, expected in on_cpu.items():
        assert on_torch[model]["failures"] == expected["failures"]
        assert [row["name"] for row in on_torch[model]["maps"]] == [row["name"] for row in expected["maps"]]
        for row, other in zip(on_torch[model]["maps"], expected["maps"], strict=True):
            assert [row["kld"], row["ce"]] == pytest.approx([other["kld"], other["ce"]], rel=1e-12)
    assert [len(found["failures"]) for found in on_torch.values()] == [0, 1]


def test_files_are_called_after_the_ground_truth(root: Path) -> None:
    name = NAMES[0]
    files = [root / side / f"{name}.npy" for side in ("good", "bad", "gt")]
    document = board(*files, "-m", "kld")
    assert list(document["reports"]) == ["good", "bad"]
    assert document["comparison"]["maps"] == ["0001"]
    assert document["comparison"]["metrics"]["kld"]["intervals"] == {"good": None, "bad": None}


def test_pixelwise_terms_of_each_model_have_their_folder(root: Path) -> None:
    kldeval(root / "good", root / "bad", root / "gt", "-m", "kld", "--save-maps", root / "out", *FEW)
    assert sorted(path.name for path in (root / "out").iterdir()) == ["bad", "good"]
    assert (root / "out" / "bad" / "kld" / f"{NAMES[0]}.npy").is_file()


def test_only_maps_of_all_models_count_and_the_others_are_listed(root: Path) -> None:
    (root / "good" / "jump" / "0001.npy").unlink()
    (root / "bad" / "run" / "0002.npy").write_text("x")
    outcome = kldeval(root / "good", root / "bad", root / "gt", "-m", "kld", *FEW, "-o", root / "b.json")
    document = json.loads((root / "b.json").read_text())
    assert outcome.code == 1
    kept = [name for name in NAMES if name not in ("jump/0001", "run/0002")]
    for model, found in document["reports"].items():
        assert [row["name"] for row in found["maps"]] == kept
        values = [row["kld"] for row in found["maps"]]
        assert found["summary"]["kld"]["mean"] == math.fsum(values) / len(values)
        assert len(found["failures"]) == 1, model
    assert document["left_out"] == [
        {"name": "jump/0001", "missing": ["good"]},
        {"name": "run/0002", "missing": ["bad"]},
    ]
    lines = outcome.out.splitlines()
    start = lines.index("2 maps left out, not scored for every model")
    assert lines[start + 1 : start + 3] == ["jump/0001   not scored for good", "run/0002    not scored for bad"]


def test_no_common_map_is_said_and_no_model_is_compared(root: Path) -> None:
    for name in NAMES[:-1]:
        (root / "good" / f"{name}.npy").unlink()
    (root / "bad" / f"{NAMES[-1]}.npy").unlink()
    outcome = kldeval(root / "good", root / "bad", root / "gt", "--allow-missing", "--format", "json", "-q")
    document = json.loads(outcome.out)
    validate(document, "leaderboard")
    assert outcome.code == 1
    assert document["comparison"] is None
    assert [report["summary"]["kld"]["n"] for report in document["reports"].values()] == [0, 0]
    assert kldeval(root / "good", root / "bad", root / "gt", "--allow-missing", "--score-only").out == ""


def test_infinite_values_stay_in_the_mean_and_are_not_compared(root: Path) -> None:
    save(root / "bad", NAMES[0], [[1, 2, 3, 4, 0]] * 4)
    document = board(root / "good", root / "bad", root / "gt", "-m", "kld,jsd", "--eps", "0")
    assert document["reports"]["bad"]["summary"]["kld"]["mean"] == "inf"
    assert list(document["comparison"]["metrics"]) == ["jsd"]
    assert document["comparison"]["notes"][0] == (
        "kld is not compared: inf or nan has no difference: bad on 1 of 8 maps (jump/0001); leave such models out, or "
        "score with a metric that is finite, such as kld with --eps 1e-7"
    )


def test_labels_are_scored_for_several_models(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for place in range(3):
        name = f"x{place}y"
        labels = rng.integers(0, 3, (4, 5 + place)).astype(np.uint8)
        labels[0, 0] = 255
        arrays: dict[str, Any] = {"gt": labels, **{model: rng.normal(size=(3, 4, 5 + place)) for model in "AB"}}
        for folder, array in arrays.items():
            (tmp_path / folder).mkdir(exist_ok=True)
            np.save(tmp_path / folder / f"{name}.npy", array)
    options = ("--norm", "softmax", "--axis", "0", "--ignore-index", "255", "--maps", "pixels")
    document = board(tmp_path / "A", tmp_path / "B", tmp_path / "gt", *options)
    for model in "AB":
        alone = json.loads(kldeval(tmp_path / model, tmp_path / "gt", *options, "--format", "json").out)
        assert document["reports"][model]["summary"] == alone["summary"]
        assert document["comparison"]["metrics"]["ce"]["means"][model] == pytest.approx(alone["summary"]["ce"]["mean"])
    refused = kldeval(tmp_path / "A", tmp_path / "B", tmp_path / "gt", *options, "--per-class")
    assert refused.err == "kldeval: --per-class is a table of one prediction; score each model by itself for it\n"


# names and order


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (("runs/deep/maps", "runs/wide/maps"), ["deep", "wide"]),
        (("old/a.json", "new/b.json"), ["a", "b"]),
        (("new/r.json", "old/r.json"), ["new", "old"]),
        (("a", "a/b"), ["a", "b"]),
        (("a/x", "b/x", "a/z"), ["a/x", "b/x", "a/z"]),
        (("net.v1", "net.v2"), ["net.v1", "net.v2"]),
        (("x/m.png", "x/m.npy"), ["m.png", "m.npy"]),
        (("./a", "b/"), ["a", "b"]),
        (("solo",), ["solo"]),
    ],
)
def test_models_are_called_by_what_tells_them_apart(paths: tuple[str, ...], names: list[str]) -> None:
    assert name_models(paths) == names


@pytest.mark.parametrize(
    ("paths", "names", "message"),
    [
        (("a", "./a"), (), "a is given twice: every model needs a path of its own"),
        (("a", "b"), ("x",), "1 name for 2 models: give --name once for each, in their order"),
        (("a", "b"), ("x", "x"), "--name x is given twice: every model needs its own"),
    ],
)
def test_names_that_tell_nothing_apart(paths: tuple[str, ...], names: tuple[str, ...], message: str) -> None:
    with pytest.raises(UsageProblem) as problem:
        name_models(paths, names)
    assert str(problem.value) == message


def test_names_and_order_by_flags(root: Path) -> None:
    arguments = (root / "ugly", root / "good", root / "gt", "-m", "kld", "--name", "B", "--name", "A")
    assert list(board(*arguments)["reports"]) == ["B", "A"]
    assert list(board(*arguments, "--sort", "kld")["reports"]) == ["A", "B"]
    wrong = kldeval(*arguments, "--sort", "kdl")
    assert (wrong.code, wrong.err) == (2, "kldeval: unknown metric 'kdl'; did you mean 'kld'? Known: kld\n")


def test_a_single_model_keeps_its_name(root: Path) -> None:
    report = json.loads(kldeval(root / "good", root / "gt", "--name", "ours", "--format", "json").out)
    assert report["provenance"]["name"] == "ours"


# what is shown


def test_the_whole_table(root: Path) -> None:
    command = (root / "good", root / "bad", root / "gt", "-m", "kld")
    assert kldeval(*command).out.splitlines()[:4] == [
        "model   kld ↓ nats",
        "good       0.01573",
        "bad        0.05002",
        "8 maps scored for every model",
    ]
    lines = kldeval(*command, "--intervals").out.splitlines()
    assert lines[0].split() == ["model", "kld", "↓", "nats"]
    assert [line.split()[:2] for line in lines[1:3]] == [["a", "good"], ["b", "bad"]]
    assert lines[3] == (
        "8 maps scored for every model; in brackets 95 % intervals (BCa bootstrap over 8 maps); "
        "raised are the models that are significantly worse (sign-flip test at 5 %, Holm over 1 pair)"
    )
    assert "ᵇ [" in lines[1]
    assert "ᵃ" not in lines[2]
    assert lines[-1] == "paired(confidence=0.95,resamples=10000,seed=0)|unit:maps|adjust:holm|v:2"


def test_score_only_is_a_line_per_model(root: Path) -> None:
    reports = board(root / "good", root / "bad", root / "gt")["reports"]
    expected = "".join(
        f"{report['summary']['kld']['mean']!r} {report['summary']['ce']['mean']!r}\n" for report in reports.values()
    )
    assert kldeval(root / "good", root / "bad", root / "gt", "--score-only", *FEW).out == expected


def test_rows_for_programs_begin_with_the_model(root: Path) -> None:
    (root / "bad" / "run" / "0002.npy").unlink()
    outputs = [argument for kind in ("csv", "tsv", "jsonl") for argument in ("-o", root / f"b.{kind}")]
    kldeval(root / "good", root / "bad", root / "gt", "-m", "kld", *FEW, *outputs)
    with (root / "b.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["model", "name", "kld", "n_uncovered", "uncovered_mass", "failure"]
    assert [(row["model"], row["name"]) for row in rows[6:8]] == [("good", "swim/0002"), ("bad", "jump/0001")]
    assert (rows[-1]["model"], rows[-1]["kld"], rows[-1]["failure"][:5]) == ("bad", "", "pair:")
    lines = [json.loads(line) for line in (root / "b.jsonl").read_text().splitlines()]
    assert [(line["model"], line["name"]) for line in lines] == [(row["model"], row["name"]) for row in rows]
    assert (root / "b.tsv").read_text() == (root / "b.csv").read_text().replace(",", "\t")


@pytest.mark.parametrize("flag", ["--per-map", "--worst=2"])
@pytest.mark.parametrize("name", [name for name in FORMATS if name != "scores"])
def test_every_format_shows_single_maps(root: Path, flag: str, name: str) -> None:
    outcome = kldeval(root / "good", root / "bad", root / "gt", "-m", "kld", *FEW, flag, "--format", name)
    assert outcome.code == 0
    assert "jump/0001" in outcome.out or flag == "--worst=2"


def test_the_worst_maps_are_those_of_all_models_together() -> None:
    values = {"A": (1.0, 5.0, 0.0), "B": (1.0, 1.0, 3.0)}
    reports = {
        model: report(*(Score(name, {"kld": value}) for name, value in zip(("x1", "x10", "x9"), numbers, strict=True)))
        for model, numbers in values.items()
    }
    made = leaderboard(reports)
    lines = write(made, "table", worst=2).splitlines()
    start = lines.index("worst 2 of 3 maps by the models' mean kld")
    assert [line.split() for line in lines[start + 2 : start + 4]] == [
        ["x10", "5.0000", "1.0000"],
        ["x9", "0.0000", "3.0000"],
    ]
    every = write(made, "table", per_map=True).splitlines()
    start = every.index("kld")
    assert [line.split()[0] for line in every[start + 2 : start + 5]] == ["x1", "x9", "x10"]


# gates and refusals


def test_a_gate_of_any_model_fires(root: Path) -> None:
    means = [
        report["summary"]["kld"]["mean"]
        for report in board(root / "good", root / "bad", root / "gt")["reports"].values()
    ]
    gate = f"kld>{(means[0] + means[1]) / 2}"
    outcome = kldeval(root / "good", root / "bad", root / "gt", "--fail-if", gate, *FEW, "-o", root / "b.json")
    reports = json.loads((root / "b.json").read_text())["reports"]
    assert outcome.code == 3
    assert reports["good"]["gates"] == [{"text": gate, "value": means[0], "fired": False}]
    assert reports["bad"]["gates"] == [{"text": gate, "value": means[1], "fired": True}]
    assert outcome.err == f"kldeval: gate {gate} fired for bad: {means[1]!r}\n"
    assert f"gate {gate} passed for good: {means[0]!r}" in outcome.out.splitlines()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--reduction", "none", "--save-maps", "x"), "several models have no leaderboard under --reduction none"),
        (("--resamples", "9"), "9 resamples are too few for an interval: 100 at least, 10000 are usual"),
        (("--confidence", "95"), "confidence 95.0 is not between 0 and 1: 0.95 is usual"),
        (("--name", "x"), "1 name for 2 models: give --name once for each, in their order"),
    ],
)
def test_refused_requests(root: Path, arguments: tuple[str, ...], message: str) -> None:
    outcome = kldeval(root / "good", root / "bad", root / "gt", *arguments)
    assert (outcome.code, outcome.out, outcome.err) == (2, "", f"kldeval: {message}\n")


def test_too_few_paths() -> None:
    assert kldeval("a").err == (
        "kldeval: two paths are needed, a prediction and its ground truth (kldeval PRED... GT), but there is only a\n"
    )


def test_nothing_is_scored_before_the_request_is_sane(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kldeval.engine.worker.load_pair", None)
    monkeypatch.setattr("kldeval.engine.worker.load_map", None)
    missing = root / "nowhere" / "r.json"
    for arguments, message in (
        (
            ("--fail-if", "kld"),
            "gate 'kld' is not of the form METRIC>NUMBER, such as kld>1.2, cc.mean<0.5 or failures>0",
        ),
        (("--fail-if", "jsd>1"), "gate 'jsd>1': no metric 'jsd'; known: kld, ce, failures"),
        (("-o", str(missing)), f"cannot write {missing}: there is no folder {missing.parent}; create it first"),
        (("--format", "parquet"), "--format parquet is no text: write it into a file, as in --output FILE.parquet"),
    ):
        outcome = kldeval(root / "good", root / "bad", root / "gt", *arguments)
        assert (outcome.code, outcome.out, outcome.err) == (2, "", f"kldeval: {message}\n")


@pytest.fixture
def partial(tmp_path: Path) -> Path:
    """Sixteen maps of two models; of one, half are all zero, which kld refuses and cc takes."""
    rng = np.random.default_rng(0)
    for side in ("new", "old", "gt"):
        (tmp_path / side).mkdir()
    for place in range(16):
        gt = rng.random((12, 14))
        new = gt + 0.9 * rng.random((12, 14))
        for side, array in (("gt", gt), ("old", gt + rng.random((12, 14))), ("new", new * (place >= 8))):
            np.save(tmp_path / side / f"{place:02}.npy", array)
    return tmp_path


def test_a_gate_looks_at_all_maps_that_have_its_metric(partial: Path) -> None:
    """Whatever other metrics lack there: a model that collapsed on half of the maps is worse."""
    gates = {}
    for metrics in ("cc", "kld,cc"):
        for model in ("new", "old"):
            saved = partial / f"{model}.json"
            assert kldeval(partial / model, partial / "gt", "-m", metrics, "-o", saved, "-q").code in (0, 1)
        done = kldeval("compare", partial / "new.json", partial / "old.json", "--fail-if-worse", "--format", "json")
        gates[metrics] = next(one for one in json.loads(done.out)["gates"] if "cc: new is worse" in str(one))
        assert done.code == 3
    assert gates["cc"]["fired"]
    assert gates["cc"]["p"] == pytest.approx(gates["kld,cc"]["p"], rel=0.5)
    assert gates["cc"]["value"] == gates["kld,cc"]["value"]


def test_a_leaderboard_with_a_number_less_is_read_merged_and_reproduced(partial: Path) -> None:
    both = partial / "old", partial / "new", partial / "gt", "-m", "kld,cc", "--format", "json", "-q"
    assert kldeval(*both, "-o", partial / "board.json").code == 1
    shown = kldeval("show", partial / "board.json", "--format", "json")
    assert shown.code == 0, shown.err
    again = kldeval("reproduce", partial / "board.json")
    assert again.code == 0
    assert again.out.splitlines()[1].startswith("reproduced: 48 of 48 numbers agree in every digit")
    shares = [partial / f"{share}.json" for share in (1, 2)]
    for place, share in enumerate(shares, 1):
        assert kldeval(*both, "--shard", f"{place}/2", "-o", share).code == 1
    merged = kldeval("merge", *shares, "--format", "json")
    whole, parts = (json.loads(text)["reports"] for text in (shown.out, merged.out))
    for model in ("old", "new"):
        assert whole[model]["summary"] == parts[model]["summary"]


def test_footnotes_are_of_every_metric(partial: Path) -> None:
    done = kldeval(partial / "old", partial / "new", partial / "gt", "-m", "kld,cc", "--intervals")
    assert "(BCa bootstrap over the maps of each metric)" in done.out.replace("\n", " ")
