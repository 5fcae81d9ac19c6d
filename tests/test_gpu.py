"""Batches of tensors score as single maps do: on the CPU here, and on a CUDA device where there is one."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from kldeval.engine import device as device_module
from kldeval.engine import run as run_module
from kldeval.engine.device import Device, find_device
from kldeval.engine.gpu import batches, score_batch, score_in_batches
from kldeval.engine.run import Request, read_and_score, stream
from kldeval.engine.scoring import Outcome, score
from kldeval.errors import MissingDependency, UsageProblem
from kldeval.inputs.load import Reading
from kldeval.inputs.scale import full_scale
from kldeval.records import Failure, MapPair, Pair, Score, Skipped
from kldeval.settings import make_settings

if TYPE_CHECKING:
    from pathlib import Path

RNG = np.random.default_rng(17)
METRICS = "kld,kld(),kld-reverse,ce,jsd,entropy-gt"

needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
every_device = pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=needs_cuda)])

SETTINGS: dict[str, dict[str, str]] = {
    "default": {},
    "flat": {"norm": "flatten-softmax"},
    "rows": {"norm": "softmax", "eps": "1e-7"},
    "columns": {"norm": "sum-to-one", "axis": "0", "empty_gt": "uniform", "empty_pred": "keep"},
    "steps": {"norm": "minmax+blur(sigma=1.5)+latitude+sum-to-one", "empty_pred": "uniform"},
    "raw mean bits": {"scale": "raw", "reduction": "mean", "base": "2"},
    "empty as zero": {"empty_gt": "zero", "empty_pred": "nan"},
    "empty skipped": {"empty_gt": "skip", "reduction": "batchmean"},
    "single": {"dtype": "float32", "norm": "flatten-softmax"},
}


def pair_of(name: str, pred: Any, gt: Any, **kept: Any) -> MapPair:
    return MapPair(name, pred, gt, shape=pred.shape, pred_scale=full_scale(pred), gt_scale=full_scale(gt), **kept)


def numbers(dtype: str, shape: tuple[int, int]) -> Any:
    """A map of some zeros and of values on the scale of its type."""
    full = {"uint8": 255, "uint16": 65535, "int32": 10**6, "uint32": 2**32 - 1}.get(dtype, 1)
    values = RNG.random(shape) * full
    values[RNG.random(shape) < 0.2] = 0
    values[0, 0] = full
    return values.astype(dtype)


def batch_of(dtype: str, shape: tuple[int, int] = (6, 7)) -> list[MapPair]:
    """Good maps, identical ones, and all that can be refused."""
    good = [numbers(dtype, shape) for _ in range(6)]
    empty = np.zeros_like(good[0])
    pairs = [
        pair_of("good", good[0], good[1]),
        pair_of("empty gt", good[2], empty),
        pair_of("same", good[3], good[3]),
        pair_of("empty pred", empty, good[4]),
        pair_of("empty both", empty, empty),
        pair_of("good too", good[4], good[5], remarks=("lossy-gt",)),
    ]
    if np.dtype(dtype).kind == "f":
        for value in (math.nan, math.inf, -math.inf, -0.5):
            broken = good[0].copy()
            broken[2, 3] = value
            pairs += [pair_of(f"pred {value}", broken, good[1]), pair_of(f"gt {value}", good[1], broken)]
    return pairs


def assert_same(batch: list[Outcome], single: list[Outcome], tolerance: float = 1e-9) -> None:
    assert [type(one) for one in batch] == [type(one) for one in single]
    for one, other in zip(batch, single, strict=True):
        if not isinstance(other, Score):
            assert one == other
            continue
        assert isinstance(one, Score)
        assert (one.name, one.remarks, one.n_uncovered) == (other.name, other.remarks, other.n_uncovered)
        assert one.values == pytest.approx(other.values, rel=tolerance, abs=tolerance / 1000, nan_ok=True)
        assert one.uncovered_mass == pytest.approx(other.uncovered_mass, rel=tolerance, nan_ok=True)


class TestBatch:
    @every_device
    @pytest.mark.parametrize("dtype", ["uint8", "uint16", "int32", "uint32", "bool", "float32", "float64"])
    @pytest.mark.parametrize("case", SETTINGS)
    def test_a_batch_scores_as_its_maps(self, case: str, dtype: str, device: str) -> None:
        metric = METRICS if case not in {"flat", "single"} else METRICS.replace("kld(),", "")
        settings = make_settings({"metric": metric, **SETTINGS[case]})
        pairs = batch_of(dtype)
        tolerance = 1e-9 if settings.dtype == "float64" else 1e-4
        assert_same(score_batch(pairs, settings, device), [score(pair, settings) for pair in pairs], tolerance)

    @every_device
    def test_what_is_refused_in_a_batch_is_refused_alone(self, device: str) -> None:
        outcomes = score_batch(batch_of("float64"), make_settings({"empty_gt": "skip"}), device)
        kinds = {outcome.name: type(outcome) for outcome in outcomes}
        assert [name for name, kind in kinds.items() if kind is Score] == ["good", "same", "good too"]
        assert [name for name, kind in kinds.items() if kind is Skipped] == ["empty gt", "empty both"]
        messages = {outcome.name: outcome.message for outcome in outcomes if isinstance(outcome, Failure)}
        assert messages["pred nan"] == "the prediction holds nan, which 'sum-to-one' does not handle; repair the file"
        assert messages["gt inf"].startswith("the ground truth holds inf, which 'sum-to-one' does not handle")
        assert messages["pred -0.5"].startswith("the prediction has negative values (minimum -0.5)")
        assert messages["empty pred"].startswith("the prediction is all zero")

    @every_device
    def test_infinite_numbers_are_scores(self, device: str) -> None:
        pairs = [pair_of("a", np.asarray([[0.0, 1.0]]), np.asarray([[1.0, 1.0]]))] * 2
        outcomes = score_batch(pairs, make_settings({"eps": "0"}), device)
        assert all(isinstance(one, Score) and one.values == {"kld": math.inf, "ce": math.inf} for one in outcomes)

    @every_device
    def test_weights_travel_with_their_maps(self, device: str) -> None:
        settings = make_settings({"metric": METRICS, "reduction": "mean"})
        weights = [RNG.integers(0, 3, (6, 7)) + np.eye(6, 7) for _ in range(3)]
        pairs = [
            pair_of(str(place), numbers("float64", (6, 7)), numbers("float64", (6, 7)), weights=given)
            for place, given in enumerate(weights)
        ]
        assert_same(score_batch(pairs, settings, device), [score(pair, settings) for pair in pairs])

    @every_device
    def test_arrays_may_be_read_only_and_lie_in_memory_as_they_like(self, device: str) -> None:
        array = numbers("float64", (14, 12))
        array.flags.writeable = False
        pairs = [pair_of("a", array[::2, ::-2], np.asfortranarray(array[1::2, ::2]))]
        settings = make_settings({})
        assert_same(score_batch(pairs, settings, device), [score(pair, settings) for pair in pairs])

    @every_device
    @pytest.mark.parametrize("dtype", [">u2", ">f4", ">f8", "float16", "longdouble", "int8", "int64", "uint64"])
    def test_types_that_torch_lacks_are_scored_too(self, dtype: str, device: str) -> None:
        pairs = [pair_of("a", *(RNG.random((2, 6, 7)) * 100).astype(dtype))]
        settings = make_settings({"norm": "flatten-softmax"})
        assert_same(score_batch(pairs, settings, device), [score(pair, settings) for pair in pairs])


def kinds_of(batch: list[MapPair | Failure]) -> list[str]:
    return [item.name for item in batch]


class TestBatches:
    def test_neighbours_of_one_kind_stay_together_and_in_order(self) -> None:
        small, wide = np.zeros((2, 3), np.uint8), np.zeros((2, 4), np.uint8)
        items: list[MapPair | Failure] = [
            pair_of("a", small, small),
            pair_of("b", small, small),
            pair_of("c", wide, wide),
            Failure("d", "load", "broken"),
            Failure("e", "load", "broken"),
            pair_of("f", small, small),
            pair_of("g", small, small.astype(float)),
            pair_of("h", small, small, weights=np.ones((2, 3))),
            MapPair("i", small, small, shape=(2, 3)),
        ]
        together = [kinds_of(batch) for batch in batches(items, 10**6)]
        assert together == [["a", "b"], ["c"], ["d", "e"], ["f"], ["g"], ["h"], ["i"]]

    @pytest.mark.parametrize(
        ("batch_bytes", "sizes"), [(10**6, [7]), (120, [5, 2]), (119, [4, 3]), (48, [2, 2, 2, 1]), (1, [1] * 7)]
    )
    def test_a_batch_holds_no_more_than_its_bytes_and_at_least_a_pair(self, batch_bytes: int, sizes: list[int]) -> None:
        pair = pair_of("a", np.zeros((3, 4), np.uint8), np.zeros((3, 4), np.uint8))
        assert [len(batch) for batch in batches([pair] * 7, batch_bytes)] == sizes

    def test_nothing_makes_no_batch(self) -> None:
        assert list(batches([], 100)) == []


@pytest.fixture
def files(tmp_path: Path) -> list[Pair]:
    """Pairs of files of several shapes and types, two of which cannot be scored."""
    pairs = []
    kinds = ["uint8", "uint8", "float64", "uint16", "uint8", "float64", "float64", "uint8"]
    shapes = [(6, 7), (6, 7), (6, 7), (5, 9), (5, 9), (6, 7), (6, 7), (6, 7)]
    for place, (dtype, shape) in enumerate(zip(kinds, shapes, strict=True)):
        pair = Pair(str(place), tmp_path / f"{place}_pred.npy", tmp_path / f"{place}_gt.npy")
        for path in (pair.pred, pair.gt):
            np.save(path, numbers(dtype, shape))
        pairs.append(pair)
    pairs[5].gt.write_bytes(b"no array")
    np.save(pairs[6].pred, -np.ones((6, 7)))
    return pairs


class TestFiles:
    @every_device
    @pytest.mark.parametrize("batch_bytes", [1 << 28, 100, 1])
    @pytest.mark.parametrize("jobs", [1, 3])
    def test_files_score_as_on_the_cpu_in_any_batch(
        self, files: list[Pair], jobs: int, batch_bytes: int, device: str
    ) -> None:
        settings = make_settings({"metric": METRICS})
        expected = [read_and_score(pair, settings, Reading()) for pair in files]
        assert [type(one) for one in expected].count(Failure) == 2
        actual = score_in_batches(files, settings, Reading(), device, jobs, batch_bytes=batch_bytes)
        assert_same(list(actual), expected)

    @every_device
    def test_the_pixelwise_terms_are_saved_as_on_the_cpu(self, files: list[Pair], tmp_path: Path, device: str) -> None:
        settings = make_settings({"metric": "kld,ce"})
        list(score_in_batches(files, settings, Reading(), device, 1, save=tmp_path / "gpu"))
        for pair in files:
            read_and_score(pair, settings, Reading(), save=tmp_path / "cpu")
        saved = [
            sorted(path.relative_to(tmp_path / kind) for path in (tmp_path / kind).rglob("*.npy"))
            for kind in ("gpu", "cpu")
        ]
        assert saved[0] == saved[1]
        assert len(saved[0]) == 2 * 6
        for path in saved[0]:
            assert np.array_equal(np.load(tmp_path / "gpu" / path), np.load(tmp_path / "cpu" / path))

    def test_a_run_on_an_accelerator_goes_through_batches(
        self, files: list[Pair], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """With torch's CPU in the place of a GPU: the batches must not be the CPU's path."""
        monkeypatch.setattr(run_module, "read_and_score", None)
        monkeypatch.setattr(Device, "is_cpu", False)
        settings = make_settings({"metric": METRICS})
        request = Request(jobs=2, save_maps=tmp_path / "maps")
        outcomes = list(stream(files, settings, request, Device("cpu", "stands for a GPU")))
        assert_same(outcomes, [read_and_score(pair, settings, Reading()) for pair in files])
        assert (tmp_path / "maps" / "ce" / "0.npy").exists()


class TestDevice:
    settings = make_settings({})

    def test_auto_is_numpy_where_no_driver_is(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(device_module, "_GPU_FILES", ("/nonexistent",))
        monkeypatch.setattr(device_module, "torch", None)
        assert find_device("auto", self.settings) == Device("cpu", "cpu")

    def test_auto_is_numpy_where_a_driver_is_and_no_device(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(device_module, "_GPU_FILES", ("/",))
        monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
        assert find_device("auto", self.settings) == Device("cpu", "cpu")

    def test_a_cuda_device_has_its_number_and_its_name(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(device_module, "_GPU_FILES", ("/",))
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
        expected = f"--device cuda: torch {torch.__version__} finds no such device here; use --device cpu"
        assert str(caught.value) == expected

    def test_mps_has_single_precision_alone(self) -> None:
        with pytest.raises(UsageProblem) as caught:
            find_device("mps", self.settings)
        assert str(caught.value) == "--device mps computes in float32 only; add --dtype float32"
