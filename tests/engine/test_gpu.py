"""Batches of tensors score as single maps do: on the CPU here, and on a CUDA device where there is one."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from evaluating import on_device, outcome_of, settings_of, torch_as_accelerator
from late import late
from map_batches import METRICS, RNG, SETTINGS, assert_same, batch_of, every_device, numbers, pair_of
from watching import recorded

import kldeval
from kldeval.engine.device import Device, find_device
from kldeval.errors import MissingDependency, UsageProblem
from kldeval.records import Failure, Pair, Score, Skipped

if TYPE_CHECKING:
    from pathlib import Path

torch = late("torch")


class TestBatch:
    @every_device
    @pytest.mark.parametrize("dtype", ["uint8", "uint16", "int32", "uint32", "bool", "float32", "float64"])
    @pytest.mark.parametrize("case", SETTINGS)
    def test_a_batch_scores_as_its_maps(self, case: str, dtype: str, device: str) -> None:
        metric = METRICS if case not in {"flat", "single"} else METRICS.replace("kld(),", "")
        settings = settings_of({"metric": metric, **SETTINGS[case]})
        pairs = batch_of(dtype)
        tolerance = 1e-9 if settings.dtype == "float64" else 1e-4
        assert_same(on_device(pairs, settings, device), [outcome_of(pair, settings) for pair in pairs], tolerance)

    @every_device
    def test_what_is_refused_in_a_batch_is_refused_alone(self, device: str) -> None:
        outcomes = on_device(batch_of("float64"), settings_of({"empty_gt": "skip"}), device)
        kinds = {outcome.name: type(outcome) for outcome in outcomes}
        assert [name for name, kind in kinds.items() if kind is Score] == ["good", "same", "good too"]
        assert [name for name, kind in kinds.items() if kind is Skipped] == ["empty gt", "empty both"]
        messages = {outcome.name: outcome.message for outcome in outcomes if isinstance(outcome, Failure)}
        assert messages["pred nan"].startswith("the prediction holds nan, which 'sum-to-one' does not handle")
        assert messages["gt inf"].startswith("the ground truth holds inf, which 'sum-to-one' does not handle")
        assert messages["pred -0.5"].startswith("the prediction has negative values (minimum -0.5)")
        assert messages["empty pred"].startswith("the prediction is all zero")

    @every_device
    def test_infinite_numbers_are_scores(self, device: str) -> None:
        pairs = [pair_of("a", np.asarray([[0.0, 1.0]]), np.asarray([[1.0, 1.0]]))] * 2
        outcomes = on_device(pairs, settings_of({"eps": "0"}), device)
        assert all(isinstance(one, Score) and one.values == {"kld": math.inf, "ce": math.inf} for one in outcomes)

    @every_device
    def test_weights_travel_with_their_maps(self, device: str) -> None:
        settings = settings_of({"metric": METRICS, "reduction": "mean"})
        weights = [RNG.integers(0, 3, (6, 7)) + np.eye(6, 7) for _ in range(3)]
        pairs = [
            pair_of(str(place), numbers("float64", (6, 7)), numbers("float64", (6, 7)), weights=given)
            for place, given in enumerate(weights)
        ]
        assert_same(on_device(pairs, settings, device), [outcome_of(pair, settings) for pair in pairs])

    @every_device
    def test_arrays_may_be_read_only_and_lie_in_memory_as_they_like(self, device: str) -> None:
        array = numbers("float64", (14, 12))
        array.flags.writeable = False
        pairs = [pair_of("a", array[::2, ::-2], np.asfortranarray(array[1::2, ::2]))]
        settings = settings_of({})
        assert_same(on_device(pairs, settings, device), [outcome_of(pair, settings) for pair in pairs])

    @every_device
    @pytest.mark.parametrize("dtype", [">u2", ">f4", ">f8", "float16", "longdouble", "int8", "int64", "uint64"])
    def test_types_that_torch_lacks_are_scored_too(self, dtype: str, device: str) -> None:
        pairs = [pair_of("a", *(RNG.random((2, 6, 7)) * 100).astype(dtype))]
        settings = settings_of({"norm": "flatten-softmax"})
        assert_same(on_device(pairs, settings, device), [outcome_of(pair, settings) for pair in pairs])


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Pairs of files of several shapes and types, two of which cannot be scored."""
    kinds = ["uint8", "uint8", "float64", "uint16", "uint8", "float64", "float64", "uint8"]
    shapes = [(6, 7), (6, 7), (6, 7), (5, 9), (5, 9), (6, 7), (6, 7), (6, 7)]
    for side in ("pred", "gt"):
        (tmp_path / side).mkdir()
        for place, (dtype, shape) in enumerate(zip(kinds, shapes, strict=True)):
            np.save(tmp_path / side / f"{place}.npy", numbers(dtype, shape))
    (tmp_path / "gt" / "5.npy").write_bytes(b"no array")
    np.save(tmp_path / "pred" / "6.npy", -np.ones((6, 7)))
    return tmp_path


def outcomes(files: Path, metric: str, **request: Any) -> list[Any]:
    """What becomes of the pairs, by their names."""
    found = kldeval.evaluate(files / "pred", files / "gt", metric=metric, on_failure="ignore", **request)
    return sorted([*found.scores, *found.failures], key=lambda one: one.name)


class TestFiles:
    """Runs on an accelerator, for which torch's CPU may stand."""

    @every_device
    @pytest.mark.parametrize("batch_bytes", [1 << 28, 100, 1])
    @pytest.mark.parametrize("jobs", [1, 3])
    def test_files_score_as_on_the_cpu_in_any_batch(
        self, files: Path, jobs: int, batch_bytes: int, device: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        expected = outcomes(files, METRICS, device="cpu")
        # what no array is has no number; entropy-gt looks at no prediction
        assert {one.name for one in expected if isinstance(one, Failure)} == {"5", "6"}
        assert {key for one in expected if one.name == "6" and isinstance(one, Score) for key in one.values} == {
            "entropy-gt"
        }
        torch_as_accelerator(monkeypatch, f"{device}:0")
        assert_same(outcomes(files, METRICS, jobs=jobs, batch_bytes=batch_bytes), expected)

    @every_device
    @pytest.mark.parametrize("metric", ["cc,sim", "kld,cc"])
    def test_numbers_of_the_stored_maps_stand_beside_those_of_densities(
        self, files: Path, metric: str, device: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        expected = outcomes(files, metric, device="cpu")
        torch_as_accelerator(monkeypatch, f"{device}:0")
        assert_same(outcomes(files, metric, jobs=1), expected)

    @every_device
    def test_the_pixelwise_terms_are_saved_as_on_the_cpu(
        self, files: Path, device: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        outcomes(files, "kld,ce", device="cpu", save_maps=files / "cpu")
        torch_as_accelerator(monkeypatch, f"{device}:0")
        outcomes(files, "kld,ce", jobs=1, save_maps=files / "gpu")
        saved = [
            sorted(path.relative_to(files / kind) for path in (files / kind).rglob("*.npy")) for kind in ("gpu", "cpu")
        ]
        assert saved[0] == saved[1]
        assert len(saved[0]) == 2 * 6
        for path in saved[0]:
            assert np.array_equal(np.load(files / "gpu" / path), np.load(files / "cpu" / path))

    def test_a_run_on_an_accelerator_goes_through_batches(self, files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """The batches must not be the CPU's path."""
        expected = outcomes(files, METRICS, device="cpu")
        torch_as_accelerator(monkeypatch)
        monkeypatch.setattr("kldeval.engine.run.Scoring", None)
        assert_same(outcomes(files, METRICS, jobs=2, save_maps=files / "maps"), expected)
        assert (files / "maps" / "ce" / "0.npy").exists()

    @pytest.mark.parametrize("batch_bytes", [None, 100])
    def test_a_request_says_how_large_a_batch_is(
        self, files: Path, batch_bytes: int | None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        torch_as_accelerator(monkeypatch)
        calls = recorded(monkeypatch, "kldeval.engine.gpu.batches")
        outcomes(files, "kld", jobs=1, batch_bytes=batch_bytes)
        assert [most for _, most in calls] == [batch_bytes or 1 << 28]


def raising(error: Exception) -> Any:
    def refused() -> Any:
        raise error

    return refused


class TestDevice:
    settings = settings_of({})

    def test_auto_is_numpy_where_no_driver_is(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("kldeval.engine.device._GPU_FILES", ("/nonexistent",))
        monkeypatch.setattr("kldeval.engine.device.torch", None)
        assert find_device("auto", self.settings) == Device("cpu", "cpu")

    def test_auto_is_numpy_for_less_work_than_a_gpu_takes_to_start(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Without importing torch, which is most of that start."""
        monkeypatch.setattr("kldeval.engine.device._GPU_FILES", ("/",))
        monkeypatch.setattr("kldeval.engine.device.torch", None)
        np.save(tmp_path / "a.npy", np.ones((500, 500)))
        pair = Pair("a", tmp_path / "a.npy", tmp_path / "a.npy")
        for pairs in ([], [pair], [pair] * 90):
            assert find_device("auto", self.settings, pairs, 1).label == "cpu (less work than a GPU's start)"

    @pytest.mark.parametrize(("count", "jobs", "is_cpu"), [(500, 1, False), (500, 8, True), (5000, 8, False)])
    def test_auto_is_a_gpu_for_more_work(
        self, count: int, jobs: int, *, is_cpu: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Of two metrics on pairs of 4 MB: what many cores do in seconds needs no GPU."""
        monkeypatch.setattr("kldeval.engine.device._GPU_FILES", ("/",))
        monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "H")
        np.save(tmp_path / "a.npy", np.ones((500, 500)))
        pairs = [Pair("a", tmp_path / "a.npy", tmp_path / "a.npy")] * count
        assert find_device("auto", self.settings, pairs, jobs).is_cpu is is_cpu

    def test_auto_is_numpy_where_a_driver_is_and_no_device(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("kldeval.engine.device._GPU_FILES", ("/",))
        monkeypatch.setattr("kldeval.engine.device.STARTUP_SECONDS", 0)
        monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
        found = find_device("auto", self.settings)
        assert found == Device("cpu", f"cpu (torch {torch.version.__version__} finds no GPU)")
        monkeypatch.setattr("kldeval.engine.device.torch", raising(MissingDependency("no torch")))
        assert find_device("auto", self.settings) == Device("cpu", "cpu (torch cannot be imported)")

    @pytest.mark.parametrize("is_much", [True, False])
    def test_the_choice_of_auto_is_explained(self, *, is_much: bool, monkeypatch: pytest.MonkeyPatch) -> None:
        """Once, with the estimate; and whoever must act before torch has threads is told, where it is imported."""
        monkeypatch.setattr("kldeval.engine.device._GPU_FILES", ("/",))
        monkeypatch.setattr("kldeval.engine.device.STARTUP_SECONDS", 0 if is_much else 4)
        monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "H")
        said = recorded(monkeypatch, "kldeval.engine.device._say")
        told: list[bool] = []
        find_device("auto", self.settings, before_torch=lambda: told.append(True))
        assert told == [True] * is_much
        ((device, why),) = said
        assert device == ("cuda:0 (H)" if is_much else "cpu")
        assert why == f"a GPU takes about {0 if is_much else 4} s to start, and this work about 0.0 s on the CPU"

    def test_a_cuda_device_has_its_number_and_its_name(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("kldeval.engine.device._GPU_FILES", ("/",))
        monkeypatch.setattr("kldeval.engine.device.STARTUP_SECONDS", 0)
        monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda number: f"H{number}")
        assert find_device("auto", self.settings) == Device("cuda:0", "cuda:0 (H0)")
        assert find_device("cuda:1", self.settings) == Device("cuda:1", "cuda:1 (H1)")
        assert not find_device("cuda", self.settings).is_cpu
        with pytest.raises(MissingDependency) as caught:
            find_device("cuda:2", self.settings)
        assert str(caught.value) == "--device cuda:2: there are only 2 CUDA devices, counted from 0"

    @pytest.mark.parametrize("request_", ["gpu", "cuda:", "cuda:x", "cuda:-1", "mps:0", ""])
    def test_another_text_is_refused(self, request_: str) -> None:
        with pytest.raises(UsageProblem) as caught:
            find_device(request_, self.settings)
        assert str(caught.value) == f"--device {request_}: {request_!r} is none of auto, cpu, cuda, cuda:INDEX, mps"

    def test_an_absent_device_is_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
        with pytest.raises(MissingDependency) as caught:
            find_device("cuda", self.settings)
        expected = f"--device cuda: torch {torch.version.__version__} finds no such device here; use --device cpu"
        assert str(caught.value) == expected

    def test_mps_has_single_precision_alone(self) -> None:
        with pytest.raises(UsageProblem) as caught:
            find_device("mps", self.settings)
        assert str(caught.value) == "--device mps computes in float32 only; add --dtype float32"
