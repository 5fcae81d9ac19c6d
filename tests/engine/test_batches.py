"""Which pairs are measured together on an accelerator, and that no number shows it."""

from __future__ import annotations

import threading
from dataclasses import replace
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from evaluating import in_batches, on_device, outcome_of, settings_of
from late import late
from map_batches import METRICS, RNG, SETTINGS, assert_same, batch_of, every_device, pair_of

from kldeval.engine.gpu import batches, may_be_ragged
from kldeval.records import Failure, MapPair

if TYPE_CHECKING:
    from collections.abc import Iterator

torch = late("torch")

RAGGED = {
    **SETTINGS,
    "rows of sums": {"norm": "sum-to-one(axis=-1)", "empty_gt": "zero", "empty_pred": "uniform"},
    "columns of logs": {"norm": "softmax(axis=0)", "reduction": "slices", "eps": "1e-7"},
    "minmax": {"norm": "minmax+sum-to-one", "empty_gt": "uniform", "empty_pred": "keep"},
    "below zero": {"norm": "add(value=-3)+shift+max+sum-to-one", "reduction": "mean"},
    "sums": {"norm": "bytes+sum-to-one", "reduction": "sum", "empty_gt": "nan", "empty_pred": "nan"},
    "pixels": {"metric": "bce,kld", "scale": "unit", "reduction": "mean"},
}
SIZES = [(6, 7), (5, 8), (6, 7)]


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


def alone(item: MapPair | Failure, settings: Any) -> Any:
    return item if isinstance(item, Failure) else outcome_of(item, settings)


@pytest.mark.slow
class TestRagged:
    """What stands around a smaller map changes no number of it."""

    @every_device
    @pytest.mark.parametrize("case", RAGGED)
    def test_maps_of_several_sizes_score_as_alone_and_in_order(self, case: str, device: str) -> None:
        metric = METRICS if case not in {"flat", "single"} else METRICS.replace("kld(),", "")
        settings = settings_of({"metric": metric, **RAGGED[case]})
        items = ragged_pairs(("uint8", "float32"))
        tolerance = 1e-9 if settings.dtype == "float64" else 1e-4
        assert_same(in_batches(items, settings, device), [alone(item, settings) for item in items], tolerance)

    @every_device
    @pytest.mark.parametrize("case", ["default", "rows", "raw mean bits", "minmax"])
    def test_weights_stay_those_of_the_files(self, case: str, device: str) -> None:
        settings = settings_of({"metric": METRICS, **RAGGED[case]})
        items = ragged_pairs(("float64",), weights=True)
        assert_same(in_batches(items, settings, device), [alone(item, settings) for item in items])

    @pytest.mark.parametrize("case", RAGGED)
    def test_what_padding_would_change_is_not_padded(self, case: str) -> None:
        settings = settings_of(RAGGED[case])
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


TARGETS = {
    "score_batch": "kldeval.scoring.evaluator.Evaluator.score_batch",
    "stack_pairs": "kldeval.engine.gpu.stack_pairs",
}
"""What asks a device for memory."""


class TestMemory:
    """A device that holds only so many pixels of a batch at once."""

    def limit(self, monkeypatch: pytest.MonkeyPatch, name: str, pixels: int) -> list[int]:
        """Make a function of the module refuse larger batches; returns the sizes of those that it accepted."""
        target = TARGETS[name]
        function, accepted = resolve_name(target), []

        def limited(*given: Any, **kept: Any) -> Any:
            tensors = [one for one in given if isinstance(one, torch.Tensor)]
            pairs = next(one for one in given if isinstance(one, list))
            size = tensors[0].numel() if tensors else sum(pair.pred.size for pair in pairs)
            if size > pixels:
                msg = "CUDA out of memory"
                raise torch.cuda.OutOfMemoryError(msg)
            accepted.append(len(pairs))
            return function(*given, **kept)

        monkeypatch.setattr(target, limited)
        return accepted

    @every_device
    @pytest.mark.parametrize("name", ["score_batch", "stack_pairs"])
    def test_a_batch_that_does_not_fit_is_halved(self, name: str, device: str, monkeypatch: pytest.MonkeyPatch) -> None:
        settings = settings_of({"metric": METRICS})
        items = ragged_pairs(("uint8", "float32"))
        expected = [alone(item, settings) for item in items]
        accepted = self.limit(monkeypatch, name, 200)
        assert_same(in_batches(items, settings, device), expected)
        assert max(accepted) in {2, 3, 4}
        assert sum(accepted) == len(items) - 2

    @every_device
    @pytest.mark.parametrize("name", ["score_batch", "stack_pairs"])
    def test_a_pair_that_does_not_fit_fails_alone(
        self, name: str, device: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        small, large = (
            [pair_of(kind, *RNG.random((2, *shape))) for _ in range(3)]
            for kind, shape in (("small", (5, 5)), ("large", (5, 6)))
        )
        pairs = [*small, large[0], *small]
        settings = settings_of({})
        expected = [outcome_of(pair, settings) for pair in pairs]
        expected[3] = Failure(
            "large",
            "score",
            f"a pair of 5 x 6 needs at least 0.0 MB on {device}, which has no more; "
            "use --device cpu or --dtype float32",
            "no-memory",
        )
        self.limit(monkeypatch, name, 29)
        assert_same(in_batches(pairs, settings, device), expected)

    def test_what_a_pair_needs_is_that_of_its_bytes_and_its_floats(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.limit(monkeypatch, "score_batch", 0)
        pair = pair_of("a", *np.zeros((2, 1000, 2000), np.uint8))
        messages = [
            outcome.message
            for dtype in ("float64", "float32")
            for outcome in on_device([pair], settings_of({"dtype": dtype}))
            if isinstance(outcome, Failure)
        ]
        start = "a pair of 1000 x 2000 needs at least"
        assert messages == [
            f"{start} 36.0 MB on cpu, which has no more; use --device cpu or --dtype float32",
            f"{start} 20.0 MB on cpu, which has no more; use --device cpu",
        ]

    @pytest.mark.parametrize("name", ["score_batch", "stack_pairs"])
    def test_any_other_error_is_the_failure_of_its_pair_alone(self, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """Whatever it is: the pairs of the same batch keep their numbers, and it is known where it arose."""
        original = resolve_name(TARGETS[name])

        def broken(*arguments: Any) -> Any:
            if any(pair.name == "bad" for pair in arguments[name == "score_batch"]):
                raise ZeroDivisionError
            return original(*arguments)

        monkeypatch.setattr(TARGETS[name], broken)
        pairs = [pair_of(kind, *RNG.random((2, 5, 5))) for kind in ("a", "b", "bad", "c", "d")]
        outcomes = in_batches(pairs, settings_of())
        assert [type(one).__name__ for one in outcomes] == ["Score", "Score", "Failure", "Score", "Score"]
        (failure,) = (one for one in outcomes if isinstance(one, Failure))
        assert (failure.name, failure.stage, failure.code) == ("bad", "score", "unexpected")
        assert failure.message == "the maps: an unexpected error (ZeroDivisionError); --debug shows where it arose"


class TestAhead:
    def test_the_next_batch_is_made_while_one_is_measured(self) -> None:
        """Each side waits for the other: one after the other would wait forever."""
        second_is_made, first_is_measured = threading.Event(), threading.Event()

        def made() -> Iterator[int]:
            yield 1
            second_is_made.set()
            yield 2
            assert first_is_measured.wait(60)
            yield 3

        items = resolve_name("kldeval.engine.gpu._one_ahead")(made())
        assert next(items) == 1
        assert second_is_made.wait(60)
        first_is_measured.set()
        assert list(items) == [2, 3]

    def test_the_device_is_waited_for_once_a_batch(self) -> None:
        """No operation hands a number to Python while a batch is measured; the table of results does, at the end."""

        from torch.utils._python_dispatch import TorchDispatchMode

        class Numbers(TorchDispatchMode):  # type: ignore[misc]
            asked = 0

            @classmethod
            def _should_skip_dynamo(cls) -> bool:
                """No: nothing is compiled here, and to import the compiler takes longer than all of this."""
                return False

            def __torch_dispatch__(self, function: Any, _: Any, arguments: Any = (), named: Any = None) -> Any:
                Numbers.asked += function in (
                    torch.ops.aten._local_scalar_dense.default,
                    torch.ops.aten.nonzero.default,
                )
                return function(*arguments, **(named or {}))

        pairs = [pair for pair in ragged_pairs(("uint8",)) if isinstance(pair, MapPair)][:9]
        with Numbers():
            for case in ("default", "rows", "minmax", "steps", "pixels"):
                settings = settings_of(RAGGED[case])
                on_device(pairs if may_be_ragged(settings) else pairs[:1], settings)
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
