"""Calibration errors, the terms of the Brier score and the ranked probability score: laws, and a second opinion."""

from __future__ import annotations

import json
import math
import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from backends import BACKENDS, make
from command_line import kldeval
from every import label_metrics, metrics
from hypothesis import given, settings
from hypothesis import strategies as st
from looping import each_of
from schemas import validate

import kldeval as library
from kldeval.errors import UsageProblem

if TYPE_CHECKING:
    from pathlib import Path

POOLED: tuple[str, ...] = (
    "ece",
    "mce",
    "classwise-ece",
    "brier-reliability",
    "brier-resolution",
    "brier-uncertainty",
    "brier-within",
)
POOLED += ("ace", "rmsce", "rmsce-debiased")
quick = settings(deadline=None, max_examples=15)
shapes = st.tuples(st.integers(1, 60), st.integers(2, 5), st.integers(0, 999))


def forecasts(n: int, classes: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Log-probabilities and labels of some positions."""
    rng = np.random.default_rng(seed)
    logits = 2 * rng.normal(size=(n, classes))
    return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True)), rng.integers(0, classes, n)


def binned(prob: np.ndarray, occurred: np.ndarray, bins: int) -> list[tuple[float, float, float]]:
    """The share of positions, the mean probability and the share that occurred of every filled bin (a, b]."""
    rows = []
    for place in range(bins):
        inside = (prob > place / bins) & (prob <= (place + 1) / bins)
        if inside.any():
            rows.append((inside.mean(), prob[inside].mean(), occurred[inside].mean()))
    return rows


@quick
@given(shapes, st.integers(1, 20))
def test_calibration_errors_are_those_of_bins_one_by_one(shape: tuple[int, int, int], bins: int) -> None:
    log_pred, labels = forecasts(*shape)
    prob = np.exp(log_pred)
    top = binned(prob.max(axis=1), prob.argmax(axis=1) == labels, bins)
    gaps = [(share, abs(mean - right)) for share, mean, right in top]
    assert float(library.ece(log_pred, labels, axis=1, bins=bins)) == pytest.approx(
        sum(share * gap for share, gap in gaps), abs=1e-12
    )
    assert float(library.mce(log_pred, labels, axis=1, bins=bins)) == pytest.approx(
        max(gap for _, gap in gaps), abs=1e-12
    )
    by_class = [
        sum(share * abs(mean - seen) for share, mean, seen in binned(prob[:, c], labels == c, bins))
        for c in range(prob.shape[1])
    ]
    assert float(library.classwise_ece(log_pred, labels, axis=1, bins=bins)) == pytest.approx(
        float(np.mean(by_class)), abs=1e-12
    )


@quick
@given(shapes, st.integers(1, 20))
def test_the_terms_of_the_brier_score_add_up_to_it(shape: tuple[int, int, int], bins: int) -> None:
    log_pred, labels = forecasts(*shape)
    reliability, resolution, uncertainty, within = (
        float(term(log_pred, labels, axis=1, bins=bins))
        for term in (
            library.brier_reliability,
            library.brier_resolution,
            library.brier_uncertainty,
            library.brier_within,
        )
    )
    assert reliability - resolution + uncertainty + within == pytest.approx(
        float(library.brier(log_pred, labels, axis=1)), abs=1e-12
    )


def test_probabilities_at_an_edge_belong_to_the_bin_below() -> None:
    """(a, b]: 0.2 = 3/15 is in the third of fifteen bins, however 0.2 * 15 rounds; 0 is in the first."""
    log_pred = np.log(np.asarray([[0.8, 0.2], [0.2, 0.8], [1.0, 1e-300]]))
    found = library.evaluate(log_pred.T, np.asarray([0, 1, 0]), metric="classwise-ece", norm="softmax", axis=0)
    first, second = (one["bins"] for one in found.to_dict()["reliability"]["classwise-ece"])
    assert [one["probability"] for one in first] == pytest.approx([0.2, 0.8, 1])
    assert [round(15 * one["high"]) for one in first] == [3, 12, 15]
    assert [round(15 * one["high"]) for one in second] == [1, 3, 12]


@each_of("backend", BACKENDS)
@each_of("near", [-0.1, -1.0986123])
def test_bins_of_narrow_floats_are_those_of_float64(near: float, backend: str) -> None:
    """Exponentials of neighbours in float32 are equal to one library and not to another: those in float64 decide."""
    first = (np.float32(near).view(np.int32) + np.arange(30, dtype=np.int32)).view(np.float32)
    log_pred = np.stack([first, np.log1p(-np.exp(first))], axis=1).astype(np.float32)
    labels = np.arange(30) * 7 % 3 % 2
    for metric in (name.replace("-", "_") for name in POOLED):
        find = getattr(library, metric)
        expected = float(find(log_pred.astype(np.float64), labels, axis=1))
        found = float(find(make(backend, log_pred), make(backend, labels), axis=1))
        assert found == pytest.approx(expected, rel=1e-6, abs=1e-7), metric


def test_nothing_that_counts_has_no_number() -> None:
    log_pred, labels = np.log(np.full((2, 2), 0.5)), np.asarray([9, 9])
    found = {
        name: float(getattr(library, name)(log_pred, labels, axis=1, ignore_index=9))
        for name in (metric.replace("-", "_") for metric in POOLED)
    }
    assert found == pytest.approx(dict.fromkeys(found, math.nan), nan_ok=True)


@quick
@given(shapes)
def test_the_ranked_probability_score_is_that_of_cumulated_forecasts(shape: tuple[int, int, int]) -> None:
    log_pred, labels = forecasts(*shape)
    classes = log_pred.shape[1]
    gaps = np.cumsum(np.exp(log_pred), axis=1) - (labels[:, None] <= np.arange(classes))
    expected = (gaps**2).sum(axis=1).mean()
    assert float(library.rps(log_pred, labels, axis=1)) == pytest.approx(expected, rel=1e-12)
    assert float(library.rps(log_pred, labels, axis=1, normalized=True)) == pytest.approx(
        expected / (classes - 1), rel=1e-12
    )


@pytest.fixture
def maps(tmp_path: Path) -> tuple[Path, Path]:
    """Class maps of different sizes with labels, some of which do not count."""
    rng = np.random.default_rng(0)
    for name, size in (("a", (4, 5)), ("b", (9, 7)), ("c", (30, 40))):
        for side in ("pred", "gt"):
            (tmp_path / side).mkdir(exist_ok=True)
        np.save(tmp_path / "pred" / f"{name}.npy", 2 * rng.normal(size=(3, *size)))
        labels = rng.integers(0, 3, size).astype(np.uint8)
        labels[0, 0] = 255
        np.save(tmp_path / "gt" / f"{name}.npy", labels)
    return tmp_path / "pred", tmp_path / "gt"


FLAGS = ("--norm", "softmax", "--axis", "0", "--ignore-index", "255")


def run(maps: tuple[Path, Path], *arguments: Any) -> dict[str, Any]:
    outcome = kldeval(*maps, *FLAGS, *arguments, "--format", "json", "-q")
    assert outcome.code == 0, outcome.err
    document: dict[str, Any] = json.loads(outcome.out)
    return document


def all_pixels(maps: tuple[Path, Path]) -> tuple[np.ndarray, np.ndarray]:
    rows, labels = [], []
    for path in sorted(maps[0].iterdir()):
        logits, label = np.load(path).reshape(3, -1).T, np.load(maps[1] / path.name).ravel()
        log_pred = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
        rows.append(log_pred[label != 255])
        labels.append(label[label != 255])
    return np.concatenate(rows), np.concatenate(labels).astype(int)


@pytest.mark.parametrize("metric", POOLED)
def test_over_pixels_the_number_is_that_of_all_pixels_together(maps: tuple[Path, Path], metric: str) -> None:
    """Pooled before the number is worked out, whatever is said of other metrics; the signature says so."""
    pooled = run(maps, "-m", f"ce,{metric}")
    log_pred, labels = all_pixels(maps)
    expected = float(getattr(library, metric.replace("-", "_"))(log_pred, labels, axis=1))
    assert pooled["summary"][metric]["mean"] == pytest.approx(expected, rel=1e-12)
    assert "|maps:pixels|" in pooled["signature"][metric]
    assert "reduce:" not in pooled["signature"][metric]
    assert "|maps:mean|" in pooled["signature"]["ce"]
    assert run(maps, "-m", metric, "--maps", "pixels")["signature"][metric] == pooled["signature"][metric]
    refused = kldeval(*maps, *FLAGS, "-m", metric, "--maps", "mean")
    assert refused.code == 2
    assert f"{metric} is a number of the pixels of all maps together (maps:pixels)" in refused.err


def test_merged_parts_and_any_number_of_jobs_give_the_whole(maps: tuple[Path, Path], tmp_path: Path) -> None:
    flags = ("-m", "ece,classwise-ece,rps", "--maps", "pixels")
    whole = run(maps, *flags)
    assert run(maps, *flags, "--jobs", "1")["summary"] == whole["summary"]
    parts = []
    for name in "abc":
        rows = tmp_path / f"{name}.csv"
        rows.write_text(f"pred,gt,name\n{maps[0]}/{name}.npy,{maps[1]}/{name}.npy,{name}\n")
        parts.append(tmp_path / f"{name}.json")
        assert kldeval("--manifest", rows, *FLAGS, *flags, "-o", parts[-1], "-q").code == 0
    merged = json.loads(kldeval("merge", *parts, "--format", "json", "-q").out)
    assert merged["summary"] == whole["summary"]


def test_one_bin_at_least() -> None:
    with pytest.raises(UsageProblem, match="bins=0"):
        library.ece(np.log(np.full((1, 2), 0.5)), np.asarray([0]), axis=1, bins=0)


def test_a_table_per_class_has_the_metrics_that_are_sums_over_positions(maps: tuple[Path, Path]) -> None:
    outcome = kldeval(*maps, *FLAGS, "-m", "ce,ece", "--per-class")
    assert outcome.code == 0, outcome.err
    assert "class   pixels     ce ↓\n" in outcome.out


@pytest.mark.parametrize("few", [0, 1 << 22])
def test_edges_are_exact_however_few_are_counted_at_a_time(
    maps: tuple[Path, Path], few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where probabilities are equal: a map of constant logits stands beside the others."""
    monkeypatch.setattr("kldeval.engine.quantiles.FEW", few)
    np.save(maps[0] / "flat.npy", np.zeros((3, 9, 9)))
    np.save(maps[1] / "flat.npy", np.zeros((9, 9), np.uint8))
    log_pred, labels = all_pixels(maps)
    for metric in ("ace", "ace(bins=7)", "ace(bins=40)"):
        found = run(maps, "-m", metric, "--jobs", "1")["summary"]
        bins = 15 if metric == "ace" else int(metric[9:-1])
        expected = float(library.ace(log_pred, labels, axis=1, bins=bins))
        assert found["ace"]["mean"] == pytest.approx(expected, rel=1e-12)


def overconfident() -> tuple[np.ndarray, np.ndarray]:
    """Probabilities of four classes at 600 positions, and labels that are drawn from flatter ones."""
    k = np.arange(2400).reshape(600, 4)
    logits = 3 * np.sin(k * 1.7) * np.cos(k * 0.31 + 1)
    true = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = (np.cumsum(true, axis=1) < (np.arange(600) * 0.6180339887498949 % 1)[:, None]).sum(axis=1)
    return np.exp(2 * logits) / np.exp(2 * logits).sum(axis=1, keepdims=True), labels


@each_of(
    ("name", "origin", "expected"),
    [
        ("ece", "netcal 1.4.0, ECE(15)", 0.145272289311864),
        ("mce", "netcal 1.4.0, MCE(15)", 0.331562698746436),
        ("rmsce", "uncertainty-calibration 0.1.4, plugin_ce(power=2)", 0.15986579372304466),
        ("rmsce_debiased", "uncertainty-calibration 0.1.4, unbiased_l2_ce", 0.1465985751537464),
        ("classwise_ece", "torchmetrics 1.9.0, mean of binary_calibration_error over classes", 0.09270221873426668),
        ("ace", "scikit-learn 1.9.1, mean of calibration_curve(strategy='quantile') gaps", 0.08366224273939767),
        ("binary_ece", "torchmetrics 1.9.0, binary_calibration_error(norm='l1')", 0.09407680686424731),
        ("binary_mce", "torchmetrics 1.9.0, binary_calibration_error(norm='max')", 0.5469511218542843),
        ("binary_rmsce", "torchmetrics 1.9.0, binary_calibration_error(norm='l2')", 0.1320278124536828),
        (
            "binary_ace",
            "scikit-learn 1.9.1, calibration_curve(strategy='quantile'), mean gap of 15 bins",
            0.08484161529322941,
        ),
        ("binary_brier", "scikit-learn 1.9.1, brier_score_loss", 0.12845017653717405),
    ],
)
def test_numbers_are_those_of_other_libraries(name: str, origin: str, expected: float) -> None:
    """No probability lies on an edge, where libraries differ in which bin it belongs to."""
    prob, labels = overconfident()
    if name.startswith("binary"):
        found = getattr(library, name)(prob[:, 1], (labels == 1).astype(float))
    else:
        found = getattr(library, name)(np.log(prob), labels, axis=1)
    assert float(found) == pytest.approx(expected, abs=1e-12), origin


@quick
@given(shapes, st.integers(1, 20))
def test_the_terms_of_the_binary_brier_score_add_up_to_it(shape: tuple[int, int, int], bins: int) -> None:
    rng = np.random.default_rng(shape[2])
    prob, truth, weights = (rng.random(shape[0]) for _ in range(3))
    maps = prob[None], truth[None]
    expected = float((weights * (prob - truth) ** 2).sum() / weights.sum())
    assert float(library.binary_brier(*maps, weights=weights[None])) == pytest.approx(expected, abs=1e-12)
    reliability, resolution, uncertainty, within = (
        float(getattr(library, f"binary_brier_{term}")(*maps, weights=weights[None], bins=bins))
        for term in ("reliability", "resolution", "uncertainty", "within")
    )
    assert reliability - resolution + uncertainty + within == pytest.approx(expected, abs=1e-12)


def test_weights_count_as_repetitions_and_masks_leave_out(maps: tuple[Path, Path], tmp_path: Path) -> None:
    """Whole weights are the numbers of a map in which positions are repeated so often; latitude is in the signature."""
    rng = np.random.default_rng(3)
    for name, size in (("a", (4, 5)), ("b", (9, 7)), ("c", (30, 40))):
        (tmp_path / "weights").mkdir(exist_ok=True)
        np.save(tmp_path / "weights" / f"{name}.npy", rng.integers(0, 3, size).astype(float))
    metrics = "ce,accuracy,ece,classwise-ece,brier,brier-within"
    found = run(maps, "-m", metrics, "--weights", tmp_path / "weights", "--maps", "pixels")
    rows, labels = [], []
    for path in sorted(maps[0].iterdir()):
        logits, label = np.load(path).reshape(3, -1).T, np.load(maps[1] / path.name).ravel()
        often = np.load(tmp_path / "weights" / path.name).astype(int).ravel() * (label != 255)
        rows.append(np.repeat(logits - np.log(np.exp(logits).sum(axis=1, keepdims=True)), often, axis=0))
        labels.append(np.repeat(label, often))
    log_pred, target = np.concatenate(rows), np.concatenate(labels).astype(int)
    for metric in metrics.split(","):
        function = library.nll if metric == "ce" else getattr(library, metric.replace("-", "_"))
        expected = float(function(log_pred, target, axis=1))
        assert found["summary"][metric]["mean"] == pytest.approx(expected, rel=1e-12), metric
        assert "|weights:maps|" in found["signature"][metric]
    sphere = run(maps, "-m", "ece,ce", "--weights", "latitude")
    assert "|weights:latitude|" in sphere["signature"]["ece"]
    assert sphere["summary"]["ece"]["mean"] != run(maps, "-m", "ece,ce")["summary"]["ece"]["mean"]


def test_diagrams_are_data_and_hold_what_the_error_is_made_of(maps: tuple[Path, Path], tmp_path: Path) -> None:
    saved = tmp_path / "report.json"
    outcome = kldeval(*maps, *FLAGS, "-m", "ece,mce,classwise-ece,ace", "--per-class", "-o", saved, "-q")
    assert outcome.code == 0, outcome.err
    document = json.loads(saved.read_text())
    validate(document, "report")
    diagrams = document["reliability"]
    assert list(diagrams) == ["ece", "classwise-ece", "ace"]  # mce is made of the sums of ece
    assert [one["event"] for one in diagrams["classwise-ece"]] == ["class 0", "class 1", "class 2"]
    for key, events in diagrams.items():
        errors = []
        for event in events:
            total = sum(one["n"] for one in event["bins"])
            errors.append(sum(one["n"] / total * abs(one["share"] - one["probability"]) for one in event["bins"]))
            assert event["error"] == pytest.approx(errors[-1], rel=1e-12)
            assert all(one["band"][0] <= one["probability"] <= one["band"][1] for one in event["bins"])
        assert document["summary"][key]["mean"] == pytest.approx(float(np.mean(errors)), rel=1e-12)
    assert [row["statistics"]["mce"] for row in document["maps"]] == ["ece"] * 3
    again = kldeval("show", saved, "--format", "json")
    assert json.loads(again.out) == document
    document["maps"][0]["statistics"]["mce"] = "ace"
    saved.write_text(json.dumps(document))
    refused = kldeval("show", saved)
    assert refused.err == f"kldeval: {saved}: maps[0].statistics.mce is 'ace', which has no sums before it\n"


def test_bands_hold_a_calibrated_model_in_most_bins(tmp_path: Path) -> None:
    """Pixels of a map are drawn together: bands of independent pixels would be far too narrow."""
    rng = np.random.default_rng(8)
    for name in range(60):
        prob = np.repeat(rng.random((1, 40)), 40, axis=0)
        truth = np.repeat((rng.random((1, 40)) < prob[:1]).astype(float), 40, axis=0)
        for side, array in (("pred", prob), ("gt", truth)):
            (tmp_path / side).mkdir(exist_ok=True)
            np.save(tmp_path / side / f"{name}.npy", array)
    outcome = kldeval(tmp_path / "pred", tmp_path / "gt", "-m", "binary-ece", "--format", "json", "-q")
    bins = json.loads(outcome.out)["reliability"]["binary-ece"][0]["bins"]
    assert sum(one["band"][0] <= one["share"] <= one["band"][1] for one in bins) >= 13


def noisy(folder: Path, n: int, flatter: float) -> None:
    """Maps of logits whose labels are drawn from them divided by `flatter`."""
    rng = np.random.default_rng(2)
    for name in range(n):
        logits = 2 * rng.normal(size=(3, 8, 8))
        prob = np.exp(logits / flatter) / np.exp(logits / flatter).sum(axis=0)
        labels = (prob.cumsum(axis=0) < rng.random((8, 8))).sum(axis=0)
        for side, array in (("pred", logits), ("gt", labels.astype(np.uint8))):
            (folder / side).mkdir(exist_ok=True, parents=True)
            np.save(folder / side / f"{name:03}.npy", array)


def test_the_interval_has_the_number_in_it_and_no_bias_of_drawing(tmp_path: Path) -> None:
    """Drawn maps of a calibrated model have a larger error on average, which their percentiles alone would show."""
    noisy(tmp_path, 40, 1.0)
    flags = ("--norm", "softmax", "--axis", "0", "-m", "ece,classwise-ece", "--confidence", "0.9", "--format", "json")
    outcome = kldeval(tmp_path / "pred", tmp_path / "gt", *flags, "-q", "--resamples", "500")
    document = json.loads(outcome.out)
    assert document["statistics"] == "interval(confidence=0.9,resamples=500,seed=0)|unit:maps|pooled:less-bias|v:1"
    for summary in document["summary"].values():
        low, high = summary["interval"]
        assert 0 <= low < summary["mean"] < high
    logits, labels = (
        np.stack([np.load(path) for path in sorted((tmp_path / side).iterdir())]) for side in ("pred", "gt")
    )
    log_pred = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    rng = np.random.default_rng(1)
    draws = (rng.integers(0, 40, 40) for _ in range(200))
    drawn = [float(library.ece(log_pred[draw], labels[draw].astype(int), axis=1)) for draw in draws]
    assert np.mean(drawn) > document["summary"]["ece"]["mean"]


def test_models_are_compared_by_what_each_map_adds(tmp_path: Path) -> None:
    """The means of a comparison are the headlines, and an overconfident model is significantly worse."""
    noisy(tmp_path / "a", 30, 1.0)
    noisy(tmp_path / "b", 30, 1.0)
    for path in (tmp_path / "b" / "pred").iterdir():
        np.save(path, 3 * np.load(path))
    arguments = (tmp_path / "a" / "pred", tmp_path / "b" / "pred", tmp_path / "a" / "gt")
    flags = ("--norm", "softmax", "--axis", "0", "-m", "ece,rmsce-debiased", "--format", "json", "-q")
    board = json.loads(kldeval(*arguments, *flags, "--resamples", "500", "--name", "a", "--name", "b").out)
    for key, comparison in board["comparison"]["metrics"].items():
        for model, mean in comparison["means"].items():
            headline = board["reports"][model]["summary"][key]["mean"]
            assert mean == pytest.approx(headline, rel=1e-9)
            assert comparison["intervals"][model][0] < headline < comparison["intervals"][model][1]
        assert comparison["pairs"][0]["winner"] == "a"


FORMATS = ("html", "tex", "md", "csv", "json", "parquet", "jsonl")


def test_every_metric_of_labels_goes_through_every_format(maps: tuple[Path, Path], tmp_path: Path) -> None:
    files = [item for suffix in FORMATS for item in ("-o", tmp_path / f"report.{suffix}")]
    flags = ("-m", ",".join(label_metrics()), "--per-class", "--per-map", "--worst", "1", "--confidence", "0.9")
    outcome = kldeval(*maps, *FLAGS, *flags, *files, "--resamples", "100")
    assert outcome.code == 0, outcome.err
    assert {path.suffix[1:] for path in tmp_path.glob("report.*")} == set(FORMATS)
    shutil.copytree(maps[0], tmp_path / "again")
    board = kldeval(maps[0], tmp_path / "again", maps[1], *FLAGS, "-m", ",".join(label_metrics()), "--intervals", "-q")
    assert board.code == 0, board.err
    for saved in (("show", tmp_path / "report.json"), ("methods", tmp_path / "report.json")):
        assert kldeval(*saved).code == 0


def test_every_metric_of_pixels_goes_through_every_format(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    for name in "abc":
        for side in ("pred", "gt"):
            (tmp_path / side).mkdir(exist_ok=True)
            np.save(tmp_path / side / f"{name}.npy", rng.random((6, 7)))
    files = [item for suffix in FORMATS for item in ("-o", tmp_path / f"report.{suffix}")]
    pair = tmp_path / "pred", tmp_path / "gt"
    flags = ("--per-map", "--worst", "1", "--confidence", "0.9", "--resamples", "100")
    outcome = kldeval(*pair, "-m", ",".join(metrics("pixels")), *flags, *files)
    assert outcome.code == 0, outcome.err
    found = json.loads((tmp_path / "report.json").read_text())
    assert [row for row in found["summary"].values() if row["mean"] is None] == []
    again = kldeval(*pair, "--signature", tmp_path / "report.json", "--format", "json", "-q")
    assert json.loads(again.out)["summary"].keys() == found["summary"].keys()
    assert kldeval("explain", pair[0] / "a.npy", pair[1] / "a.npy", "-m", "binary-ece").code == 2
    assert kldeval("methods", tmp_path / "report.json").code == 0


def test_maps_of_different_numbers_of_classes_have_no_number_together(maps: tuple[Path, Path]) -> None:
    np.save(maps[0] / "a.npy", np.zeros((4, 4, 5)))
    outcome = kldeval(*maps, *FLAGS, "-m", "classwise-ece")
    assert outcome.code == 2
    assert "classwise-ece: the maps have different numbers of classes" in outcome.err
    for side in maps:
        (side / "one").mkdir()
        for path in side.glob("*.npy"):
            path.rename(side / "one" / path.name)
    groups = ("--maps", "groups", "--group-by", "parent")
    assert kldeval(*maps, *FLAGS, "-m", "classwise-ece", *groups) == outcome


def test_a_map_of_which_nothing_counts_adds_nothing(maps: tuple[Path, Path]) -> None:
    before = run(maps, "-m", "ece,brier-reliability,ace")["summary"]
    np.save(maps[0] / "none.npy", np.zeros((3, 4, 5)))
    np.save(maps[1] / "none.npy", np.full((4, 5), 255, np.uint8))
    found = run(maps, "-m", "ece,brier-reliability,ace")
    for key, summary in before.items():
        assert found["summary"][key]["mean"] == pytest.approx(summary["mean"], rel=1e-12)
    assert [row["ece"] for row in found["maps"] if row["name"] == "none"] == ["nan"]


def test_groups_have_numbers_of_their_own_pixels(maps: tuple[Path, Path]) -> None:
    found = run(maps, "-m", "ece", "--maps", "groups", "--group-by", "{group}")
    values = [row["ece"] for row in found["maps"]]
    assert found["summary"]["ece"]["mean"] == pytest.approx(float(np.mean(values)), rel=1e-12)
    assert "|maps:groups|" in found["signature"]["ece"]


def test_bins_of_equal_numbers_are_of_one_run(maps: tuple[Path, Path], tmp_path: Path) -> None:
    """Shares and parts would each have bins of their own."""
    shared = kldeval(*maps, *FLAGS, "-m", "ace", "--shard", "1/2", "-o", tmp_path / "1.json")
    message = "ace has bins of equal numbers over all maps of a run: score it without --shard"
    assert (shared.code, shared.err) == (2, f"kldeval: {message}\n")
    for name in "ab":
        rows = tmp_path / f"{name}.csv"
        rows.write_text(f"pred,gt,name\n{maps[0]}/{name}.npy,{maps[1]}/{name}.npy,{name}\n")
        done = kldeval("--manifest", rows, *FLAGS, "-m", "ace", "-o", tmp_path / f"{name}.json", "-q")
        assert done.code == 0, done.err
    merged = kldeval("merge", tmp_path / "a.json", tmp_path / "b.json")
    message = "ace has bins of equal numbers over all maps, which differ from part to part: it cannot be merged"
    assert (merged.code, merged.err) == (2, f"kldeval: {message}\n")


def test_a_cache_keeps_no_rows_that_depend_on_other_maps(maps: tuple[Path, Path], tmp_path: Path) -> None:
    flags = ("-m", "ace", "--cache", tmp_path / "cache")
    with pytest.warns(RuntimeWarning, match="the cache keeps nothing here: bins are made of all maps"):
        first = run(maps, *flags)["summary"]
    np.save(maps[0] / "more.npy", np.random.default_rng(5).normal(size=(3, 20, 20)))
    np.save(maps[1] / "more.npy", np.zeros((20, 20), np.uint8))
    with pytest.warns(RuntimeWarning, match="the cache keeps nothing here"):
        again = run(maps, *flags)["summary"]
    assert again == run(maps, "-m", "ace")["summary"] != first


def test_gates_are_on_the_pooled_number(maps: tuple[Path, Path]) -> None:
    mean = run(maps, "-m", "ece")["summary"]["ece"]["mean"]
    assert kldeval(*maps, *FLAGS, "-m", "ece", "-q", "--fail-if", f"ece>{mean - 1e-9}").code == 3
    assert kldeval(*maps, *FLAGS, "-m", "ece", "-q", "--fail-if", f"ece>{mean + 1e-9}").code == 0


def test_where_nothing_counts_anywhere_adaptive_bins_have_no_number(maps: tuple[Path, Path]) -> None:
    for path in maps[1].iterdir():
        np.save(path, np.full_like(np.load(path), 255))
    found = run(maps, "-m", "ace,ece,ce")
    assert {key: row["mean"] for key, row in found["summary"].items()} == {"ace": "nan", "ece": "nan", "ce": "nan"}


def test_few_positions_have_fewer_bins_than_asked_for(tmp_path: Path) -> None:
    logits, labels = np.asarray([[[0.2, 1.0], [3, 0]], [[0.9, 0.1], [0, 2]]]), np.asarray([[0, 1], [1, 1]], np.uint8)
    for side, array in (("pred", logits), ("gt", labels)):
        (tmp_path / side).mkdir()
        np.save(tmp_path / side / "a.npy", array)
    outcome = kldeval(tmp_path / "pred", tmp_path / "gt", *FLAGS, "-m", "ace(bins=40)", "--score-only")
    log_pred = logits - np.log(np.exp(logits).sum(axis=0, keepdims=True))
    assert float(outcome.out) == pytest.approx(float(library.ace(log_pred, labels.astype(int), axis=0, bins=40)))


def test_many_maps_are_pooled_as_few_are(maps: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """Where scores go to files, sums stay in memory: with every class and bin there are thousands of columns."""
    flags = ("-m", "ece,ace,classwise-ece,ce", "--confidence", "0.9", "--resamples", "100", "--jobs", "1")
    few = run(maps, *flags)
    monkeypatch.setattr("kldeval.reports.collected.MOST_IN_MEMORY", 1)
    many = run(maps, *flags)
    assert {key: value for key, value in many.items() if key != "provenance"} == {
        key: value for key, value in few.items() if key != "provenance"
    }
    np.save(maps[0] / "a.npy", np.zeros((4, 4, 5)))
    asked = (*maps, *FLAGS, "-m", "classwise-ece", "--jobs", "1")
    refused = kldeval(*asked)
    assert refused.code == 2
    assert "classwise-ece: the maps have different numbers of classes" in refused.err
    monkeypatch.setattr("kldeval.engine.parts.TASKS_OF_PART", 1)  # each part is of other classes than the first
    assert kldeval(*asked, "--output-dir", maps[0].parent / "rows") == refused


def test_adaptive_bins_of_a_leaderboard_are_those_of_the_maps_of_all_models(
    maps: tuple[Path, Path], tmp_path: Path
) -> None:
    """A map that one model lacks moves neither a number nor an edge of another; other reports do not come together."""
    pred, gt = maps
    other, few = tmp_path / "other", (tmp_path / "few" / "pred", tmp_path / "few" / "gt")
    for folder, source, names in ((other, pred, "ab"), (few[0], pred, "ab"), (few[1], gt, "ab")):
        folder.mkdir(parents=True, exist_ok=True)
        for name in names:
            shutil.copy(source / f"{name}.npy", folder / f"{name}.npy")
    np.save(other / "a.npy", np.load(other / "a.npy") * 2)
    flags = (*FLAGS, "-m", "ace,ace(bins=4),classwise-ece", "--allow-missing", "-q")
    found = json.loads(kldeval(pred, other, gt, *flags, "--format", "json").out)["reports"]
    for model, folder in (("pred", few[0]), ("other", other)):
        alone = json.loads(kldeval(folder, few[1], *flags, "--format", "json").out)
        assert found[model]["summary"] == alone["summary"]
    for name, sides in (("whole", maps), ("part", few)):
        assert kldeval(*sides, *flags, "-o", tmp_path / f"{name}.json").code == 0
    pair = tmp_path / "whole.json", tmp_path / "part.json"
    said = "bins of equal numbers over all maps of a run, and not every report has the same maps (such as 'c'): score"
    for command in ("show", "compare"):
        outcome = kldeval(command, *pair, "--allow-different")
        assert outcome.code == 2
        assert said in outcome.err
    with pytest.raises(UsageProblem, match="score the models in one run"):
        library.compare([str(one) for one in pair], allow_different=True)


POOLED_TERMS = "those of all pixels together: under maps='pixels' they sum to it"


def test_the_terms_sum_to_a_brier_score_of_all_pixels_and_a_note_says_so() -> None:
    """Of maps in which unlike numbers of positions count, where the mean over maps is another number."""
    rng = np.random.default_rng(7)
    pred, gt = rng.dirichlet(np.ones(3), (2, 9, 8)), rng.integers(0, 3, (2, 9, 8)).astype(np.uint8)
    gt[1, 2:] = 255
    terms = ("brier-reliability", "brier-resolution", "brier-uncertainty", "brier-within")
    asked: dict[str, Any] = {
        "norm": "sum-to-one",
        "axis": -1,
        "metric": ",".join(("brier", *terms)),
        "ignore_index": 255,
    }
    of_maps, of_pixels = (library.evaluate(pred, gt, maps=maps, **asked) for maps in ("mean", "pixels"))
    signs = dict(zip(terms, (1, -1, 1, 1), strict=True))
    total = sum(sign * (of_pixels[name].mean or 0.0) for name, sign in signs.items())
    assert of_pixels["brier"].mean == pytest.approx(total, rel=1e-12)
    assert abs((of_maps["brier"].mean or 0.0) - total) > 1e-3
    said = [[note for note in one.notes if "they sum to it" in note] for one in (of_maps, of_pixels)]
    assert said == [[f"brier is the mean over maps, and its terms are {POOLED_TERMS}"], []]


def test_labels_beside_one_class_are_refused_with_the_metrics_of_one_probability(tmp_path: Path) -> None:
    np.save(tmp_path / "p", np.full((1, 5, 6), 0.5))
    np.save(tmp_path / "g", np.eye(5, 6, dtype=np.uint8))
    pair = tmp_path / "p.npy", tmp_path / "g.npy"
    refused = kldeval(*pair, "--norm", "softmax", "--axis", "0", "-m", "ece", "--score-only")
    assert refused.err.endswith(
        "; of one class, as of one probability a pixel, there are bce and binary-ece, without an axis\n"
    )
    assert kldeval(*pair, "-m", "bce,binary-ece", "--score-only").code == 0
