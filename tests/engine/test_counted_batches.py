"""What a batch on an accelerator costs: bytes are counted once, and floats are divided in the constants of a metric."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from evaluating import in_batches, on_device, outcome_of, settings_of
from every import metrics
from late import late
from map_batches import METRICS, RNG, SETTINGS, assert_same, batch_of, every_device, pair_of

if TYPE_CHECKING:
    from kldeval.records import MapPair

torch = late("torch")

LARGE = 256, 256
"""The smallest maps that are counted."""

MIXED = {
    "pixels after a blur": {"metric": "bce,bernoulli-kld", "norm": "blur(sigma=1.5)", "reduction": "mean"},
    "within rows": {"metric": "kld,ce", "norm": "softmax"},
    "one side within rows": {
        "metric": "kld,ce,jsd",
        "pred_norm": "sum-to-one",
        "gt_norm": "softmax",
        "reduction": "sum",
    },
}


def large_pair(name: str, shape: tuple[int, int] = LARGE, **kept: Any) -> MapPair:
    return pair_of(name, *RNG.integers(0, 200, (2, *shape), np.uint8), **kept)


@pytest.fixture
def counting_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """Maps of any size are counted."""
    monkeypatch.setattr("kldeval.scoring.batch_histogram.LEAST_PIXELS", 1)


@pytest.fixture
def no_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is worked out pixel by pixel."""
    monkeypatch.setattr("kldeval.scoring.evaluator.PixelView", None)


@every_device
@pytest.mark.usefixtures("counting_all")
@pytest.mark.parametrize("case", [*SETTINGS, *MIXED])
def test_a_counted_batch_scores_as_its_maps(case: str, device: str) -> None:
    metric = METRICS if case not in {"flat", "single"} else METRICS.replace("kld(),", "")
    settings = settings_of({"metric": metric, **SETTINGS.get(case, {}), **MIXED.get(case, {})})
    pairs = batch_of("uint8")
    tolerance = 1e-12 if settings.dtype == "float64" else 1e-4
    assert_same(on_device(pairs, settings, device), [outcome_of(pair, settings) for pair in pairs], tolerance)


@pytest.mark.usefixtures("counting_all", "no_pixels")
@pytest.mark.parametrize("metric", sorted(metrics("density")))
def test_every_metric_of_densities_is_one_of_cells(metric: str) -> None:
    settings = settings_of({"metric": metric, "reduction": "mean"})
    mask = np.eye(6, 7) + (RNG.random((6, 7)) < 0.5) > 0
    pairs = [large_pair("a", (6, 7), weights=mask.astype(float)), large_pair("b", (6, 7), weights=np.ones((6, 7)))]
    assert_same(on_device(pairs, settings), [outcome_of(pair, settings) for pair in pairs], 1e-12)


@every_device
@pytest.mark.usefixtures("no_pixels")
def test_large_maps_are_counted_whatever_their_sizes(device: str) -> None:
    """What stands around a smaller map is no pixel of it; the sums of a batch by pixels are those of all pixels."""
    settings = settings_of({"metric": "kld,ce,jsd", "reduction": "mean"})
    pairs = [large_pair("a"), large_pair("b", (256, 300)), large_pair("c", (290, 256))]
    expected = [outcome_of(pair, settings) for pair in pairs]
    assert_same(in_batches(pairs, settings, device), expected, 1e-12)


def test_maps_with_weights_that_are_no_mask_are_measured_by_pixels() -> None:
    settings = settings_of({"metric": "kld,ce", "reduction": "mean"})
    weights = [RNG.random(LARGE) for _ in "ab"]
    pairs = [replace(large_pair("a"), weights=one) for one in weights]
    assert_same(on_device(pairs, settings), [outcome_of(pair, settings) for pair in pairs])


READINGS = {
    ("uint8", "sum-to-one"): 45,
    ("uint8", "flatten-softmax"): 45,
    ("float32", "sum-to-one"): 20,
    ("float32", "flatten-softmax"): 30,
}
"""How often the bytes of two maps of 512 x 512 are read and written, at most, for their divergence in float64.

Bytes that were measured pixel by pixel took 254, floats that were written in float64 first 37 and 73.
"""


def counted() -> Any:
    """While it lasts: the bytes that the operations of torch take and give, and the numbers that Python asks for."""
    from torch.utils._python_dispatch import TorchDispatchMode
    from torch.utils._pytree import tree_leaves

    class Moved(TorchDispatchMode):  # type: ignore[misc]
        bytes = asked = 0

        @classmethod
        def _should_skip_dynamo(cls) -> bool:
            """No: nothing is compiled here, and to import the compiler takes longer than all of this."""
            return False

        def __torch_dispatch__(self, function: Any, _: Any, arguments: Any = (), named: Any = None) -> Any:
            made = function(*arguments, **(named or {}))
            if not function.is_view:
                some = (one for one in tree_leaves((arguments, named, made)) if isinstance(one, torch.Tensor))
                self.bytes += sum(min(one.nbytes, one.untyped_storage().nbytes()) for one in some)
            self.asked += function is torch.ops.aten._local_scalar_dense.default
            return made

    return Moved()


@pytest.mark.parametrize(("dtype", "norm"), READINGS)
def test_maps_are_read_a_few_times_and_no_number_is_waited_for(dtype: str, norm: str) -> None:
    pair = pair_of("a", *RNG.integers(0, 200, (2, 512, 512)).astype(dtype))
    with counted() as moved:
        on_device([pair], settings_of({"metric": "kld", "norm": norm}))
    readings = moved.bytes / (pair.pred.nbytes + pair.gt.nbytes)
    assert readings < READINGS[dtype, norm], readings
    assert moved.asked == 0


@every_device
@pytest.mark.parametrize("metric", ["kld()", "ce()", "kld(direction=mean)", "kld-reverse()", "entropy-gt"])
@pytest.mark.parametrize("norms", [("flatten-softmax", "flatten-softmax"), ("flatten-softmax", "sum-to-one")])
def test_probabilities_of_0_count_as_on_the_cpu(metric: str, norms: tuple[str, str], device: str) -> None:
    """Scores of -inf, those whose probabilities underflow, and pixels without mass, together and apart."""
    scores = RNG.standard_normal((4, 6, 7)).astype(np.float32)
    scores[1, 2, 3] = scores[3, 2, 3] = -np.inf
    scores[2, :2] = -2e3
    mass = np.where(scores > 0, scores, 0)
    sides = scores, scores if norms[1] == "flatten-softmax" else mass
    settings = settings_of({"metric": metric, "pred_norm": norms[0], "gt_norm": norms[1]})
    pairs = [pair_of(f"{one} {other}", sides[0][one], sides[1][other]) for one in range(4) for other in range(4)]
    assert_same(on_device(pairs, settings, device), [outcome_of(pair, settings) for pair in pairs], 1e-12)
