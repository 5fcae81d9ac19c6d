"""Metrics that batches update: equal to a report of the same maps, however they come."""

from __future__ import annotations

import json
import math
import pickle
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from image_files import png_of
from late import late
from looping import each_of

import kldeval
from kldeval.errors import RefusedMap, UnknownName, UsageProblem

if TYPE_CHECKING:
    from pathlib import Path

torch = late("torch")

RNG = np.random.default_rng(6)
PRED, GT = (RNG.random((2, 9, 12, 10)) * 255).astype(np.uint8)
FIXATIONS = RNG.integers(0, 12, (9, 12, 10)) // 11
METRICS = "kld,cc,sim,mae,jsd"
OPTIONS: list[dict[str, Any]] = [
    {},
    {"norm": "flatten-softmax"},
    {"convention": "mit"},
    {"norm": "softmax", "base": "2", "reduction": "mean"},
    {"scale": "raw", "norm": "flatten-softmax"},
]


def report_of(folder: Path, metric: str, **options: Any) -> dict[str, float | None]:
    for name, maps in (("pred", PRED), ("gt", GT)):
        (folder / name).mkdir()
        for place, one in enumerate(maps):
            (folder / name / f"{place}.png").write_bytes(png_of(one))
    report = kldeval.evaluate(folder / "pred", folder / "gt", metric=metric, **options)
    return {key: summary.mean for key, summary in report.summaries.items()}


@each_of("options", OPTIONS)
def test_a_stream_is_a_report_to_the_last_bit(tmp_path: Path, options: dict[str, Any]) -> None:
    metrics = kldeval.MetricCollection(METRICS, **options)
    metrics.update(PRED[:4], GT[:4])
    for pair in zip(PRED[4:], GT[4:], strict=True):
        metrics.update(*map(torch.from_numpy, pair))
    assert metrics.compute() == report_of(tmp_path, METRICS, **options)


def test_neither_order_nor_batches_nor_processes_change_a_digit() -> None:
    pred, gt = RNG.random((2, 30, 5, 6))
    whole, shuffled, parts = (kldeval.Metric("kld", norm="flatten-softmax") for _ in range(3))
    whole.update(pred, gt)
    for place in RNG.permutation(30):
        shuffled.update(pred[place], gt[place])
    for start in range(0, 30, 7):
        part = kldeval.Metric("kld", norm="flatten-softmax")
        part.update(pred[start : start + 7], gt[start : start + 7])
        parts.merge(pickle.loads(pickle.dumps(part)))  # noqa: S301 - made here
    assert whole.compute() == shuffled.compute() == parts.compute()
    assert whole.n == shuffled.n == parts.n == 30


@each_of("kind", ["float64", "float32", "float16", "bfloat16"])
def test_tensors_of_any_precision_are_scored_as_they_are(kind: str) -> None:
    pred, gt = (torch.from_numpy(maps / 255.0).to(getattr(torch, kind)) for maps in (PRED, GT))
    metric = kldeval.Metric("kld", norm="flatten-softmax", rows=True)
    metric.update(pred, gt)
    expected = [
        float(kldeval.kld(p.double().numpy(), q.double().numpy(), norm="flatten-softmax"))
        for p, q in zip(pred, gt, strict=True)
    ]
    assert list(metric.rows) == pytest.approx(expected, rel=1e-12)


def test_metrics_of_fixations() -> None:
    metrics = kldeval.MetricCollection(["nss", "auc", "auc-judd", "ll", "ig"], baseline="uniform")
    metrics.update(PRED, fixations=FIXATIONS)
    expected = {
        "nss": kldeval.nss(PRED, FIXATIONS),
        "auc": kldeval.auc(PRED, FIXATIONS),
        "auc-judd": kldeval.auc_judd(PRED, FIXATIONS),
        "ll": kldeval.ll(PRED, FIXATIONS),
        "ig": kldeval.ig(PRED, FIXATIONS, "uniform"),
    }
    assert metrics.compute() == pytest.approx({key: float(found.mean()) for key, found in expected.items()}, rel=1e-12)


def test_a_state_is_saved_and_taken_up_again() -> None:
    first, second = kldeval.Metric("cc", rows=True), kldeval.Metric("cc", rows=True)
    first.update(PRED[:3], GT[:3])
    second.load_state_dict(pickle.loads(pickle.dumps(first.state_dict())))  # noqa: S301 - made here
    second.update(PRED[3:], GT[3:])
    whole = kldeval.Metric("cc")
    whole.update(PRED, GT)
    assert second.compute() == whole.compute()
    assert len(second.rows) == 9
    second.reset()
    assert second.n == 0
    assert math.isnan(second.compute())


def test_a_metric_carries_its_signature() -> None:
    metric = kldeval.Metric("kld", norm="flatten-softmax")
    assert metric.signature == kldeval.signature("kld", norm="flatten-softmax")
    assert metric.signature.startswith("kld|pred:flatten-softmax|gt:flatten-softmax|")


def test_what_cannot_be_is_refused() -> None:
    metric = kldeval.Metric("kld")
    with pytest.raises(RefusedMap, match="map 2 of the batch: the ground truth is all zero"):
        metric.update(PRED[:3], np.where(np.arange(3)[:, None, None] == 2, 0, GT[:3]))
    assert metric.n == 0
    with pytest.raises(RefusedMap, match="they must be equal"):
        metric.update(PRED, GT[:3])
    with pytest.raises(UsageProblem, match="only numbers of one signature add up"):
        metric.merge(kldeval.Metric("kld", eps=1e-7))
    with pytest.raises(UsageProblem, match="use evaluate"):
        kldeval.Metric("sauc")
    with pytest.raises(UsageProblem, match="use MetricCollection"):
        kldeval.Metric("kld,cc")
    with pytest.raises(UsageProblem, match="no fixations"):
        kldeval.Metric("nss").update(PRED, GT)
    with pytest.raises(UsageProblem, match="no ground truth"):
        metric.update(PRED)
    with pytest.raises(UnknownName, match="did you mean 'norm'"):
        kldeval.Metric("kld", nrom="softmax")  # type: ignore[call-arg]


def test_a_state_is_plain_and_maps_may_be_left_out() -> None:
    gt = GT.copy()
    gt[1] = 0
    metric = kldeval.MetricCollection("kld,sim", empty_gt="skip", rows=True)
    metric.update(PRED[:, None], gt[:, None])
    assert metric.n == len(PRED) - 1
    assert metric.compute()["kld"] == kldeval.evaluate(PRED, gt, metric="kld", empty_gt="skip")["kld"].mean
    loaded = kldeval.MetricCollection("kld,sim", empty_gt="skip", rows=True)
    loaded.load_state_dict(json.loads(json.dumps(metric.state_dict())))
    assert (loaded.compute(), loaded.rows) == (metric.compute(), metric.rows)


def test_weights_stand_in_the_signature() -> None:
    metric = kldeval.Metric("kld")
    metric.update(PRED, GT, weights=GT)
    assert "weights:maps" in metric.signature
    with pytest.raises(UsageProblem, match="weights in some updates"):
        metric.update(PRED, GT)
    other = kldeval.Metric("kld")
    other.update(PRED, GT)
    with pytest.raises(UsageProblem, match="only numbers of one signature add up"):
        metric.merge(other)


LOGITS = np.random.default_rng(5).normal(size=(5, 3, 6, 7))
LABELS = np.random.default_rng(6).integers(0, 3, (5, 6, 7)).astype(np.uint8)
OF_LABELS = "ece,mce,rmsce,rmsce-debiased,classwise-ece,brier,brier-reliability,brier-within,rps,ce,accuracy"
OF_PIXELS = "binary-ece,binary-mce,binary-rmsce-debiased,binary-brier,binary-brier-resolution,bce"


@each_of(
    ("metrics", "options", "sides"),
    [
        (OF_LABELS, {"norm": "softmax", "axis": 0, "gt_norm": "labels"}, (LOGITS, LABELS)),
        ("ece,classwise-ece,ce", {"norm": "softmax", "axis": 0, "ignore_index": 2}, (LOGITS, LABELS)),
        ("ece,ce", {"norm": "softmax", "axis": -1, "ignore_index": 0}, (np.moveaxis(LOGITS, 1, -1), LABELS)),
        (OF_PIXELS, {}, (PRED, (GT > 0.5).astype(float))),
        ("binary-ece", {"norm": "sigmoid"}, (LOGITS[:, 0], (LABELS > 1).astype(float))),
    ],
)
@each_of("weighted", [False, True])
def test_calibration_is_that_of_all_pixels_to_the_last_bit(
    metrics: str, options: dict[str, Any], sides: tuple[Any, Any], *, weighted: bool
) -> None:
    """The sums within bins are added up over batches, processes and saved states, as over the maps of a run."""
    pred, gt = sides
    weights = np.random.default_rng(7).random(gt.shape) * (np.arange(gt.shape[-1]) % 3) if weighted else None
    beside = {} if weights is None else {"weights": weights}
    report = kldeval.evaluate(pred, gt, metric=metrics, **options, **beside)
    expected = {key: one.mean for key, one in report.summaries.items()}

    def stream(places: slice) -> kldeval.MetricCollection:
        made = kldeval.MetricCollection(metrics, **options)
        made.update(pred[places], gt[places], **{name: array[places] for name, array in beside.items()})
        return made

    whole, first, second = stream(slice(None)), stream(slice(0, 2)), stream(slice(2, None))
    assert whole.compute() == expected
    assert dict(whole.signatures) == dict(report.signatures)
    second.merge(first)
    again = kldeval.MetricCollection(metrics, **options)
    again.load_state_dict(json.loads(json.dumps(second.state_dict())))
    assert again.compute() == expected
    for place in range(2, len(pred)):
        one = {name: array[place] for name, array in beside.items()}
        first.update(pred[place], gt[place], **one)
    assert first.compute() == expected


def test_a_stream_is_a_mean_over_pixels_or_fixations_as_a_report_is() -> None:
    """Maps of several sizes, so that pixels and fixations count otherwise than maps."""
    rng = np.random.default_rng(5)
    maps = [rng.random((2, *size)) for size in ((4, 5), (6, 9), (2, 3))]
    counts = [rng.integers(0, 3, one.shape[1:]) for one in maps]
    pairs = [(str(place), pred, (gt > 0.5).astype(float)) for place, (pred, gt) in enumerate(maps)]
    report = kldeval.evaluate(pairs, metric="bce", norm="none", maps="pixels")
    first, second = (kldeval.Metric("bce", norm="none", maps="pixels") for _ in range(2))
    first.update(*pairs[0][1:])
    for _, pred, gt in pairs[1:]:
        second.update(pred, gt)
    first.merge(second)
    again = kldeval.Metric("bce", norm="none", maps="pixels")
    again.load_state_dict(json.loads(json.dumps(first.state_dict())))
    assert first.compute() == again.compute() == report["bce"].mean
    assert first.signature == report.signatures["bce"]
    assert report["bce"].mean != kldeval.evaluate(pairs, metric="bce", norm="none")["bce"].mean

    items = [(name, pred, gt, seen) for (name, pred, gt), seen in zip(pairs, counts, strict=True)]
    seen = kldeval.MetricCollection("nss,ll", maps="fixations")
    for (pred, _), fixated in zip(maps, counts, strict=True):
        seen.update(pred, fixations=fixated)
    report = kldeval.evaluate(items, metric="nss,ll", maps="fixations")
    assert seen.compute() == {key: report[key].mean for key in report}


@each_of("option", ["nodata", "fixation_base", "other_map", "resize"])
def test_what_is_of_files_means_nothing_in_a_stream(option: str) -> None:
    said: dict[str, Any] = {option: "1"}
    with pytest.raises(UnknownName, match=f"unknown option '{option}'"):
        kldeval.Metric("nss", **said)


def test_a_stream_says_how_to_leave_out_what_has_no_data() -> None:
    with pytest.raises(RefusedMap, match=r"repair the map, or give such pixels the weight 0$"):
        kldeval.Metric("kld").update(np.eye(2), np.asarray([[np.nan, 1.0], [1.0, 1.0]]))


def test_what_calibration_streams_cannot_be_is_refused() -> None:
    labels: dict[str, Any] = {"norm": "softmax", "axis": 0, "gt_norm": "labels"}
    with pytest.raises(UsageProblem, match="ace has bins of equal numbers of all maps, which a stream does not hold"):
        kldeval.Metric("ace", **labels)
    metric = kldeval.Metric("classwise-ece", **labels)
    with pytest.raises(RefusedMap, match=r"pred holds 5 class maps and what belongs to them has the shape \(4, 6, 7\)"):
        metric.update(LOGITS, LABELS[:4])
    with pytest.raises(RefusedMap, match=r"class maps are \(C, H, W\)"):
        metric.update(LOGITS[0, 0], LABELS[0])
    with pytest.raises(UsageProblem, match=r"there is no ground truth; update\(pred, gt\)"):
        metric.update(LOGITS)
    metric.update(LOGITS, LABELS)
    before = metric.compute()
    with pytest.raises(UsageProblem, match="different numbers of classes"):
        metric.update(np.zeros((4, 6, 7)), LABELS[0])
    assert metric.compute() == before
    assert metric.n == 5
    pytest.importorskip("torchmetrics")
    from kldeval.torch import Metric as OfTorch

    with pytest.raises(UsageProblem, match="no mean over maps whose sum processes can add up"):
        OfTorch("binary-ece")
