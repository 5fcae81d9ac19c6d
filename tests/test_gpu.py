"""Batches of tensors score as single maps do: on the CPU here, and on a CUDA device where there is one."""

from __future__ import annotations

import math
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from kldeval.engine import device as device_module
from kldeval.engine import gpu as gpu_module
from kldeval.engine import run as run_module
from kldeval.engine.batches import batches, may_be_ragged
from kldeval.engine.device import Device, find_device
from kldeval.engine.gpu import score_batch, score_in_batches, score_loaded
from kldeval.engine.models import stream_models
from kldeval.engine.run import Request, read_and_score, stream
from kldeval.engine.scoring import Outcome, score
from kldeval.errors import MissingDependency, UsageProblem
from kldeval.inputs.load import Reading
from kldeval.inputs.scale import full_scale
from kldeval.records import Failure, MapPair, Pair, Score, Skipped
from kldeval.settings import make_settings

if TYPE_CHECKING:
    from collections.abc import Iterator
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


RAGGED = {
    **SETTINGS,
    "rows of sums": {"norm": "sum-to-one(axis=-1)", "empty_gt": "zero", "empty_pred": "uniform"},
    "columns of logs": {"norm": "softmax(axis=0)", "reduction": "slices", "eps": "1e-7"},
    "minmax": {"norm": "minmax+sum-to-one", "empty_gt": "uniform", "empty_pred": "keep"},
    "below zero": {"norm": "add(value=-3)+shift+max+sum-to-one", "reduction": "mean"},
    "sums": {"norm": "bytes+sum-to-one", "reduction": "sum", "empty_gt": "nan", "empty_pred": "nan"},
    "pixels": {"metric": "bce,kld", "scale": "unit", "reduction": "mean"},
}
SIZES = [(6, 7), (7, 6), (5, 8), (6, 7)]


def ragged_pairs(dtypes: tuple[str, ...], *, weights: bool = False) -> list[MapPair | Failure]:
    """Pairs of changing sizes and types, among them all that can be refused and two that could not be decoded."""
    items: list[MapPair] = []
    for dtype in dtypes:
        of_sizes = [batch_of(dtype, size) for size in SIZES]
        items += [pair for pairs in zip(*of_sizes, strict=True) for pair in pairs]
    if weights:
        items = [replace(pair, weights=RNG.integers(1, 3, pair.shape) / 2.0) for pair in items]
    items = [replace(item, name=f"{place} {item.name}") for place, item in enumerate(items)]
    return [*items[:5], Failure("x", "load", "broken"), Failure("y", "load", "broken"), *items[5:]]


def alone(item: MapPair | Failure, settings: Any) -> Outcome:
    return item if isinstance(item, Failure) else score(item, settings)


class TestRagged:
    """What stands around a smaller map changes no number of it."""

    @every_device
    @pytest.mark.parametrize("case", RAGGED)
    def test_maps_of_several_sizes_score_as_alone_and_in_order(self, case: str, device: str) -> None:
        metric = METRICS if case not in {"flat", "single"} else METRICS.replace("kld(),", "")
        settings = make_settings({"metric": metric, **RAGGED[case]})
        items = ragged_pairs(("uint8", "float32"))
        scored = list(score_loaded(items, settings, device))
        assert all(one is other for (one, _), other in zip(scored, items, strict=True))
        tolerance = 1e-9 if settings.dtype == "float64" else 1e-4
        assert_same([outcome for _, outcome in scored], [alone(item, settings) for item in items], tolerance)

    @every_device
    @pytest.mark.parametrize("case", ["default", "rows", "raw mean bits", "minmax"])
    def test_weights_stay_those_of_the_files(self, case: str, device: str) -> None:
        settings = make_settings({"metric": METRICS, **RAGGED[case]})
        items = ragged_pairs(("float64",), weights=True)
        actual = [outcome for _, outcome in score_loaded(items, settings, device)]
        assert_same(actual, [alone(item, settings) for item in items])

    @pytest.mark.parametrize("case", RAGGED)
    def test_what_padding_would_change_is_not_padded(self, case: str) -> None:
        settings = make_settings(RAGGED[case])
        assert may_be_ragged(settings) == (case not in {"columns", "rows of sums", "steps", "empty skipped"})

    @pytest.mark.parametrize(
        ("shapes", "together"),
        [
            ([(4, 6), (6, 4), (5, 5)], [3]),
            ([(4, 6), (6, 4), (1, 6), (2, 6)], [2, 2]),
            ([(10, 10), (1, 1), (10, 10)], [1, 1, 1]),
        ],
    )
    def test_little_is_computed_in_vain(self, shapes: list[tuple[int, int]], together: list[int]) -> None:
        pairs = [pair_of("a", np.zeros(shape), np.zeros(shape)) for shape in shapes]
        assert [len(batch) for batch in batches(pairs, 10**6, ragged=True)] == together
        assert [len(batch) for batch in batches(pairs, 10**6)] == [1] * len(shapes)

    def test_the_bytes_of_a_batch_are_those_of_the_padded_maps(self) -> None:
        pairs = [pair_of("a", *np.zeros((2, *shape), np.uint8)) for shape in [(4, 6), (6, 4)]]
        assert [len(batch) for batch in batches(pairs, 144, ragged=True)] == [2]
        assert [len(batch) for batch in batches(pairs, 143, ragged=True)] == [1, 1]


class TestMemory:
    """A device that holds only so many pixels of a batch at once."""

    def limit(self, monkeypatch: pytest.MonkeyPatch, name: str, pixels: int) -> list[int]:
        """Make a function of the module refuse larger batches; returns the sizes of those that it accepted."""
        function, accepted = getattr(gpu_module, name), []

        def limited(pairs: Any, first: Any, *others: Any, **kept: Any) -> Any:
            size = first.numel() if isinstance(first, torch.Tensor) else sum(pair.pred.size for pair in pairs)
            if size > pixels:
                msg = "CUDA out of memory"
                raise torch.cuda.OutOfMemoryError(msg)
            accepted.append(len(pairs))
            return function(pairs, first, *others, **kept)

        monkeypatch.setattr(gpu_module, name, limited)
        return accepted

    @every_device
    @pytest.mark.parametrize("name", ["score_arrays", "stack_pairs"])
    def test_a_batch_that_does_not_fit_is_halved(self, name: str, device: str, monkeypatch: pytest.MonkeyPatch) -> None:
        settings = make_settings({"metric": METRICS})
        items = ragged_pairs(("uint8", "float32"))
        expected = [alone(item, settings) for item in items]
        accepted = self.limit(monkeypatch, name, 200)
        assert_same([outcome for _, outcome in score_loaded(items, settings, device)], expected)
        assert max(accepted) in {2, 3, 4}
        assert sum(accepted) == len(items) - 2

    @every_device
    @pytest.mark.parametrize("name", ["score_arrays", "stack_pairs"])
    def test_a_pair_that_does_not_fit_fails_alone(
        self, name: str, device: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        small, large = (
            [pair_of(kind, *RNG.random((2, *shape))) for _ in range(3)]
            for kind, shape in (("small", (5, 5)), ("large", (5, 6)))
        )
        pairs = [*small, large[0], *small]
        settings = make_settings({})
        expected = [score(pair, settings) for pair in pairs]
        expected[3] = Failure(
            "large",
            "score",
            f"a pair of 5 x 6 needs at least 0.0 MB on {device}, which has no more; "
            "use --device cpu or --dtype float32",
        )
        self.limit(monkeypatch, name, 29)
        assert_same([outcome for _, outcome in score_loaded(pairs, settings, device)], expected)

    def test_what_a_pair_needs_is_that_of_its_bytes_and_its_floats(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.limit(monkeypatch, "score_arrays", 0)
        pair = pair_of("a", *np.zeros((2, 1000, 2000), np.uint8))
        messages = [
            outcome.message
            for dtype in ("float64", "float32")
            for outcome in score_batch([pair], make_settings({"dtype": dtype}), "cpu")
            if isinstance(outcome, Failure)
        ]
        start = "a pair of 1000 x 2000 needs at least"
        assert messages == [
            f"{start} 36.0 MB on cpu, which has no more; use --device cpu or --dtype float32",
            f"{start} 20.0 MB on cpu, which has no more; use --device cpu",
        ]

    @pytest.mark.parametrize("name", ["score_arrays", "stack_pairs"])
    def test_other_errors_are_not_hidden(self, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        def broken(*_: Any, **__: Any) -> None:
            raise ZeroDivisionError

        monkeypatch.setattr(gpu_module, name, broken)
        with pytest.raises(ZeroDivisionError):
            list(score_loaded(ragged_pairs(("uint8",)), make_settings({}), "cpu"))


class TestAhead:
    def test_the_next_batch_is_made_while_one_is_measured(self) -> None:
        """Each side waits for the other: one after the other would wait forever."""
        second_is_made, first_is_measured = threading.Event(), threading.Event()

        def made() -> Iterator[int]:
            yield 1
            second_is_made.set()
            yield 2
            assert first_is_measured.wait(5)
            yield 3

        items = gpu_module._one_ahead(made())
        assert next(items) == 1
        assert second_is_made.wait(5)
        first_is_measured.set()
        assert list(items) == [2, 3]

    def test_the_device_is_waited_for_once_a_batch(self) -> None:
        """No operation hands a number to Python while a batch is measured; the table of results does, at the end."""

        class Numbers(TorchDispatchMode):  # type: ignore[misc]
            asked = 0

            def __torch_dispatch__(self, function: Any, _: Any, arguments: Any = (), named: Any = None) -> Any:
                Numbers.asked += function in (
                    torch.ops.aten._local_scalar_dense.default,
                    torch.ops.aten.nonzero.default,
                )
                return function(*arguments, **(named or {}))

        pairs = [pair for pair in ragged_pairs(("uint8",)) if isinstance(pair, MapPair)]
        with Numbers():
            for case in ("default", "rows", "minmax", "steps", "pixels"):
                score_batch(
                    pairs if may_be_ragged(make_settings(RAGGED[case])) else pairs[:1],
                    make_settings(RAGGED[case]),
                    "cpu",
                )
            assert Numbers.asked == 0
            torch.ones(1).item()
        assert Numbers.asked == 1


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

    @pytest.mark.parametrize("batch_bytes", [None, 100])
    def test_a_request_says_how_large_a_batch_is(
        self, files: list[Pair], batch_bytes: int | None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(Device, "is_cpu", False)
        asked = []

        def recorded(loaded: Any, most: int, *, ragged: bool) -> Any:
            asked.append(most)
            return batches(loaded, most, ragged=ragged)

        monkeypatch.setattr(gpu_module, "batches", recorded)
        request, device = Request(jobs=1, batch_bytes=batch_bytes), Device("cpu", "stands for a GPU")
        list(stream(files, make_settings({}), request, device))
        list(stream_models([{"a": pair, "b": pair} for pair in files], make_settings({}), request, device))
        assert asked == [batch_bytes or 1 << 28] * 2


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
