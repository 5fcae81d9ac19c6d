"""The metric of torchmetrics: its number is that of `evaluate`, over batches, ranks, collections and trainers."""

from __future__ import annotations

import doctest
import json
import pickle
import sys
from datetime import timedelta
from importlib import import_module
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from late import late
from looping import each_of

import kldeval
from kldeval.errors import MissingDependency, RefusedMap, UnknownName, UsageProblem

if TYPE_CHECKING:
    from pathlib import Path

cases = late("tensor_maps")
kldeval_torch = late("kldeval.torch")
torch = late("torch")

torchmetrics = late("torchmetrics")
inside = late("kldeval.torch.metric")

pytestmark = pytest.mark.slow


def whole(metric: str, **options: Any) -> Any:
    beside = {"fixations": cases.SINGLE_FIXATIONS[:, 0]} if metric.startswith("nss") else {}
    return kldeval.evaluate(cases.SINGLE_PRED[:, 0], cases.SINGLE_GT[:, 0], metric=metric, **beside, **options)


class TestNumbers:
    @each_of("metric", ["kld", "nss(ddof=1)", "sim"])
    @each_of("size", [1, 2, 4, 9])
    def test_it_is_the_number_of_evaluate_whatever_the_batches(self, metric: str, size: int) -> None:
        found = kldeval_torch.Metric(metric, norm="flatten-softmax" if metric == "kld" else None, rows=True)
        for start in range(0, 9, size):
            part = slice(start, start + size)
            found.update(cases.SINGLE_PRED[part], cases.SINGLE_GT[part], cases.SINGLE_FIXATIONS[part])
        report = whole(metric, norm="flatten-softmax" if metric == "kld" else None)
        ((key, summary),) = report.summaries.items()
        assert found.compute().item() == summary.mean
        assert found.compute().dtype == torch.float64
        assert found.rows == tuple(report.values(key))
        assert found.signature == report.signatures[key]

    def test_types_of_a_training_loop(self) -> None:
        for dtype in (torch.float64, torch.float32, torch.float16, torch.bfloat16):
            found = kldeval_torch.Metric("kld", norm="flatten-softmax")
            pred = cases.SINGLE_PRED.to(dtype).requires_grad_()
            found.update(pred, cases.SINGLE_GT.to(dtype))
            exact = kldeval.Metric("kld", norm="flatten-softmax")
            exact.update(
                pred.detach().float() if dtype.itemsize < 4 else pred,
                cases.SINGLE_GT.to(dtype).float() if dtype.itemsize < 4 else cases.SINGLE_GT.to(dtype),
            )
            assert found.compute().item() == exact.compute()

    @given(st.lists(st.integers(-(2**2100), 2**2100), max_size=5))
    @settings(deadline=None, max_examples=30)
    def test_limbs_add_up(self, totals: list[int]) -> None:
        limbs = sum((inside.limbs_of(total) for total in totals), np.zeros_like(inside.limbs_of(0)))
        assert inside.total_of(limbs.tolist()) == sum(totals)

    def test_infinite_and_undefined_numbers(self) -> None:
        found = kldeval_torch.Metric("kld", eps=0)
        with pytest.warns(UserWarning, match="compute"):
            assert torch.isnan(found.compute())
        found.update(torch.tensor([[[1.0, 0.0]]]), torch.tensor([[[1.0, 1.0]]]))
        assert found.compute().item() == float("inf")


class TestTorchmetrics:
    def test_forward_gives_the_batch_and_takes_it_in(self) -> None:
        found = kldeval_torch.Metric("kld", rows=True)
        batches = [
            found(cases.SINGLE_PRED[place : place + 3], cases.SINGLE_GT[place : place + 3]).item()
            for place in (0, 3, 6)
        ]
        report = whole("kld")
        assert batches == [pytest.approx(report.values("kld")[place : place + 3].mean()) for place in (0, 3, 6)]
        assert found.compute().item() == report["kld"].mean
        assert len(found.rows) == 9

    @pytest.mark.filterwarnings("ignore:The ``compute`` method")  # a loaded metric has seen no update itself
    def test_reset_clone_pickle_and_state_dict(self) -> None:
        found = kldeval_torch.Metric("kld", rows=True)
        found.update(cases.SINGLE_PRED, cases.SINGLE_GT)
        value = found.compute()
        for other in (found.clone(), pickle.loads(pickle.dumps(found))):  # noqa: S301 - made here
            assert other.compute() == value
        found.persistent(mode=True)
        loaded = kldeval_torch.Metric("kld", rows=True)
        loaded.persistent(mode=True)
        loaded.load_state_dict(found.state_dict())
        assert (loaded.compute(), loaded.rows) == (value, found.rows)
        found.reset()
        assert found.rows == ()

    def test_a_collection_never_joins_two_metrics(self) -> None:
        """torchmetrics joins metrics whose states look alike after the first batch; here both are 0 then."""
        both = torchmetrics.MetricCollection(
            {
                "kld": kldeval_torch.Metric("kld", eps=0),
                "mse": kldeval_torch.Metric("mse"),
                "row": kldeval_torch.Metric("kld", norm="softmax"),
            }
        )
        both.update(cases.SINGLE_GT, cases.SINGLE_GT)
        assert all(value == 0 for value in both.compute().values())
        both.update(cases.SINGLE_PRED, cases.SINGLE_GT)
        assert len(both.compute_groups) == 3
        found = both.compute()
        for name, one in (
            ("kld", kldeval_torch.Metric("kld", eps=0)),
            ("mse", kldeval_torch.Metric("mse")),
            ("row", kldeval_torch.Metric("kld", norm="softmax")),
        ):
            one.update(torch.cat([cases.SINGLE_GT, cases.SINGLE_PRED]), torch.cat([cases.SINGLE_GT, cases.SINGLE_GT]))
            assert found[name] == one.compute()

    def test_a_tracker_knows_the_better_direction(self) -> None:
        for metric, best in (("cc", 2), ("kld", 2), ("mse", 2)):
            tracker = torchmetrics.MetricTracker(kldeval_torch.Metric(metric))
            for epoch in range(3):
                tracker.increment()
                tracker.update(
                    cases.SINGLE_PRED + epoch * cases.SINGLE_GT
                    if metric != "mse"
                    else cases.SINGLE_PRED + epoch * (cases.SINGLE_GT - cases.SINGLE_PRED) / 2,
                    cases.SINGLE_GT,
                )
            assert tracker.best_metric(return_step=True)[1] == best

    def test_what_is_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with pytest.raises(UnknownName, match="unknown option 'nrom'"):
            kldeval_torch.Metric("kld", nrom="softmax")
        with pytest.raises(UsageProblem, match="a Metric is one metric"):
            kldeval_torch.Metric("kld,cc")
        with pytest.raises(UsageProblem, match="say rows=True"):
            _ = kldeval_torch.Metric("kld").rows
        with pytest.raises(RefusedMap, match=r"map 1 of the batch: the ground truth is all zero.*empty_gt='skip'"):
            kldeval_torch.Metric("kld").update(
                cases.SINGLE_PRED[:2], torch.stack([cases.SINGLE_GT[0], 0 * cases.SINGLE_GT[0]])
            )
        metric = kldeval_torch.Metric("kld")
        metric.update(cases.SINGLE_PRED, cases.SINGLE_GT, weights=cases.SINGLE_GT)
        assert "weights:maps" in metric.signature
        with pytest.raises(UsageProblem, match="weights in some updates"):
            metric.update(cases.SINGLE_PRED, cases.SINGLE_GT)
        monkeypatch.setitem(sys.modules, "torchmetrics", None)
        monkeypatch.delitem(sys.modules, "kldeval.torch.metric")
        of_torch = import_module("kldeval.torch")
        monkeypatch.delattr(of_torch, "metric")
        monkeypatch.delitem(vars(of_torch), "Metric")
        with pytest.raises(MissingDependency, match=r"pip install 'kldeval\[torchmetrics\]'"):
            _ = kldeval_torch.Metric


@pytest.mark.parametrize(("name", "number"), [("metric", 5), ("losses", 9), ("maps", 4)])
def test_the_examples_of_a_module_are_true(name: str, number: int) -> None:
    results = doctest.testmod(import_module(f"kldeval.torch.{name}"))
    assert (results.failed, results.attempted) == (0, number)


def of_rank(rank: int, folder: Path) -> None:
    """What one of two processes computes of its batches, as a file."""
    from torch import distributed

    start = f"file://{folder}/rendezvous"
    distributed.init_process_group("gloo", start, timedelta(seconds=60), rank=rank, world_size=2)
    metric = kldeval_torch.Metric("kld", norm="flatten-softmax", rows=True)
    for place in ([0, 1, 2], [3], [4, 5, 6, 7, 8])[rank::2]:
        metric.update(cases.SINGLE_PRED[place], cases.SINGLE_GT[place])
    found = metric.compute().item(), metric.rows, len(metric._kept())
    (folder / f"{rank}.json").write_text(json.dumps(found))
    distributed.destroy_process_group()


@pytest.mark.filterwarnings("ignore:.*multi-threaded")  # what is imported here is imported for both, and threads wait
def test_two_processes_have_the_number_of_one(tmp_path: Path) -> None:
    """Of batches of other sizes and of unequal shares."""
    _ = kldeval_torch.Metric
    processes = [get_context("fork").Process(target=of_rank, args=(rank, tmp_path)) for rank in range(2)]
    try:
        for process in processes:
            process.start()
        for process in processes:
            process.join(120)
    finally:
        for process in processes:
            process.kill()
    assert [process.exitcode for process in processes] == [0, 0]
    found = [json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(2)]
    report = whole("kld", norm="flatten-softmax")
    for value, rows, _kept in found:
        assert value == report["kld"].mean
        assert sorted(rows) == sorted(report.values("kld"))
    assert [kept for *_, kept in found] == [8, 1]


@pytest.mark.filterwarnings("ignore")  # Lightning has advice on clusters, workers and steps
def test_lightning_logs_it(tmp_path: Path) -> None:
    lightning: Any = pytest.importorskip("pytorch_lightning")

    class Model(lightning.LightningModule):  # type: ignore[misc] # its types are not read
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(8, 8)
            self.kld = kldeval_torch.Metric("kld", norm="flatten-softmax")

        def validation_step(self, batch: Any, _place: int) -> None:
            pred, gt = batch
            self.kld.update(pred, gt)
            self.log("kld", self.kld, on_epoch=True)

    data = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(cases.SINGLE_PRED, cases.SINGLE_GT), batch_size=2)
    quiet = {
        "logger": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "enable_checkpointing": False,
    }
    trainer = lightning.Trainer(accelerator="cpu", devices=1, default_root_dir=tmp_path, **quiet)
    (found,) = trainer.validate(Model(), data, verbose=False)
    assert found["kld"] == pytest.approx(whole("kld", norm="flatten-softmax")["kld"].mean, rel=1e-6)
