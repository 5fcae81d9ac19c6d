"""Every metric, dtype, magnitude and array library against arithmetic of 60 digits: right, or flagged."""

from __future__ import annotations

import json
import math
import warnings
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from backends import make
from every import metrics, parameters
from hypothesis import given
from hypothesis import strategies as st
from late import late
from looping import each_of

import kldeval
from kldeval.errors import RefusedMap

if TYPE_CHECKING:
    from collections.abc import Callable

exact = late("exact")
functional = late("torch.nn.functional")
mpmath = late("mpmath")
torch = late("torch")

MAGNITUDES = {
    "float64": [1e-310, 1e-300, 1e-200, 1e-160, 1.0, 1e150, 1e200, 1e306, 1.7e308],
    "float32": [1e-40, 1e-36, 1e-20, 1.0, 1e19, 1e36, 3.3e38],
    "float16": [1e-4, 1.0, 6e4],
}
BACKENDS = {
    "numpy": ("float64", "float32", "float16"),
    "array_api_strict": ("float64", "float32"),
    "torch": tuple(MAGNITUDES),
}
CASES = [
    (backend, dtype, magnitude)
    for dtype, magnitudes in MAGNITUDES.items()
    for magnitude in magnitudes
    for backend, dtypes in BACKENDS.items()
    if dtype in dtypes
]
every_case = each_of(("backend", "dtype", "magnitude"), CASES)

RNG = np.random.default_rng(7)
SHAPE = (5, 7)
PRED, GT, OTHER = RNG.uniform(0.1, 1, (3, *SHAPE))
FIXATIONS, OTHERS = RNG.integers(0, 3, (2, *SHAPE))


def function_of(text: str) -> Callable[..., Any]:
    """The library's function for a metric with the arguments in its parentheses."""
    name, _, inside = text.rstrip(")").partition("(")
    known = {key: json.loads(value) for key, value in (part.split("=") for part in inside.split(",") if part)}
    function = getattr(kldeval, name.replace("-", "_"))
    return lambda *arrays, **options: function(*arrays, **known, **options)


MAPS = {"pred": PRED, "gt": GT, "other": OTHER}


def stored(backend: str, dtype: str, magnitude: float, which: str) -> Any:
    """A map as an array of the library."""
    return make(backend, (magnitude * MAPS[which]).astype(dtype))


@cache
def exactly(dtype: str, magnitude: float, which: str) -> list[Any]:
    """The very values of a stored map as numbers of 60 digits."""
    values: list[Any] = exact.exactly((magnitude * MAPS[which]).astype(dtype).ravel().tolist())
    return values


@cache
def expected_of_maps(name: str, dtype: str, magnitude: float) -> Any:
    return exact.OF_MAPS[name](exactly(dtype, magnitude, "pred"), exactly(dtype, magnitude, "gt"))


@cache
def expected_of_densities(name: str, dtype: str, magnitude: float) -> Any:
    return exact.OF_DENSITIES[name](*(exact.shares(exactly(dtype, magnitude, which)) for which in ("pred", "gt")))


@cache
def expected_of_fixations(name: str, dtype: str, magnitude: float) -> Any:
    counts, others = (exact.exactly(array.ravel().tolist()) for array in (FIXATIONS, OTHERS))
    beside = {
        "ig-mit": exactly(dtype, magnitude, "other"),
        "auc-shuffled": others,
        "sauc": others,
        "sauc-salicon": others,
    }.get(name, [])
    return exact.OF_FIXATIONS[name](exactly(dtype, magnitude, "pred"), counts, beside)


def assert_right_or_flagged(
    name: str, compute: Callable[[], Any], expected: Any, case: tuple[str, str, float], power: int
) -> None:
    """The number, unless a sum of `power` of the values leaves the floats: then no number, and never another one."""
    backend, dtype, magnitude = case
    floats = "float64" if backend != "torch" else {"float16": "float32"}.get(dtype, dtype)
    limits = np.finfo(dtype if backend == "torch" else "float64")
    try:
        actual = float(compute())
    except RefusedMap:
        actual = math.nan
    if not math.isfinite(actual):
        assert (
            max(PRED.size * mpmath.mpf(magnitude) ** power / float(np.finfo(floats).max), expected / float(limits.max))
            > 1
        ), name
        return
    tolerance = {"float16": 2e-3, "float32": 1e-4, "float64": 1e-9}[limits.dtype.name]
    smallest = float(limits.smallest_normal)
    assert abs(actual - expected) <= tolerance * abs(expected) + (
        smallest if power == 2 or expected < smallest else tolerance
    ), name


@every_case
def test_metrics_of_maps(backend: str, dtype: str, magnitude: float) -> None:
    for name in exact.OF_MAPS:
        check_maps(name, backend, dtype, magnitude)


def check_maps(name: str, backend: str, dtype: str, magnitude: float) -> None:
    pred, gt = (stored(backend, dtype, magnitude, which) for which in ("pred", "gt"))
    options = {"scale": "raw"} if name in ("mse", "mae") else {}
    expected = expected_of_maps(name, dtype, magnitude)
    power = 2 if name == "mse" else 1
    assert_right_or_flagged(
        name, lambda: function_of(name)(pred, gt, **options), expected, (backend, dtype, magnitude), power
    )


@every_case
def test_metrics_of_densities(backend: str, dtype: str, magnitude: float) -> None:
    for name in exact.OF_DENSITIES:
        check_densities(name, backend, dtype, magnitude)


def check_densities(name: str, backend: str, dtype: str, magnitude: float) -> None:
    pred, gt = (stored(backend, dtype, magnitude, which) for which in ("pred", "gt"))
    options = {"eps": 0} if {"log_eps", "ratio_eps"} & parameters(name).keys() else {}
    expected = expected_of_densities(name, dtype, magnitude)
    assert_right_or_flagged(
        name, lambda: function_of(name)(pred, gt, **options), expected, (backend, dtype, magnitude), 1
    )


@every_case
def test_metrics_of_fixations(backend: str, dtype: str, magnitude: float) -> None:
    for name in exact.OF_FIXATIONS:
        check_fixations(name, backend, dtype, magnitude)


def check_fixations(name: str, backend: str, dtype: str, magnitude: float) -> None:
    pred, other = (stored(backend, dtype, magnitude, which) for which in ("pred", "other"))
    counts, others = make(backend, FIXATIONS), make(backend, OTHERS)
    beside: tuple[Any, ...] = {
        "ig": ("uniform",),
        "ig-mit": (other,),
        "auc-shuffled": (make(backend, (OTHERS > 0).astype(int)),),
        "sauc": (others,),
        "sauc-salicon": (others,),
    }.get(name, ())
    expected = expected_of_fixations(name, dtype, magnitude)
    assert_right_or_flagged(
        name, lambda: function_of(name)(pred, counts, *beside), expected, (backend, dtype, magnitude), 1
    )


def test_every_metric_of_the_registry_is_here() -> None:
    found = {text.partition("(")[0] for text in (*exact.OF_MAPS, *exact.OF_DENSITIES, *exact.OF_FIXATIONS)}
    elsewhere = {"emd": "test_companions.py solves it again", "bce": "below", "bernoulli-kld": "test_variants.py"}
    elsewhere |= {name: "test_calibration_metrics.py" for name in metrics() if name.startswith("binary-")}
    assert found | elsewhere.keys() == set(metrics())


@each_of("dtype", ["float32", "float16"])
@each_of("backend", ["numpy", "torch"])
def test_counts_of_pixels_do_not_saturate(backend: str, dtype: str) -> None:
    # a running sum of float32 stays at 2^24; a weight counts as that many pixels
    weights = np.ones(SHAPE, np.int64)
    weights[0, 0] = 2**24
    values = PRED.astype(dtype)
    order = values.ravel().tolist()
    area = exact.exactly(weights.ravel().tolist())
    expected = exact.auc(exact.exactly(order), exact.exactly(FIXATIONS.ravel().tolist()), area)
    actual = kldeval.auc(make(backend, values), make(backend, FIXATIONS), weights=make(backend, weights))
    tolerance = 1e-9 if backend == "numpy" or dtype == "float64" else {"float32": 1e-6, "float16": 1e-3}[dtype]
    assert abs(float(actual) - expected) <= tolerance


@pytest.mark.parametrize("loss", ["bce", "bce_with_logits", "kl_div"])
def test_losses_in_half_precision_are_those_of_torch(loss: str) -> None:
    values, target = np.random.default_rng(3).uniform(0, 1, (2, 400, 400)).astype("float16")
    values[0, :3], target[0, :3] = (0, 1, 1e-7), (1, 0, 1)
    warnings.filterwarnings("ignore", category=UserWarning)  # torch would rather be asked for batchmean
    theirs: Any = {
        "bce": functional.binary_cross_entropy,
        "bce_with_logits": functional.binary_cross_entropy_with_logits,
        "kl_div": functional.kl_div,
    }[loss]
    inputs = np.log(np.maximum(values, 1e-7)).astype("float16") if loss == "kl_div" else values
    expected = float(theirs(torch.asarray(inputs.astype("float64")), torch.asarray(target.astype("float64"))))
    assert float(getattr(kldeval, loss)(inputs, target)) == pytest.approx(expected, rel=1e-12)
    half = getattr(kldeval, loss)(torch.asarray(inputs), torch.asarray(target))
    assert half.dtype == torch.float16
    assert float(half) == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("backend", ["numpy", "array_api_strict", "torch"])
@given(
    constants=st.sampled_from([{"log_eps": 1e-7}, {"log_eps": 1e-300}, {"log_eps": 1e-7, "num_eps": 1e-9}]),
    scale=st.sampled_from([1, 40, 3e4]),
)
def test_a_softmax_stays_in_the_log_domain_whatever_the_constants(
    backend: str, constants: dict[str, Any], scale: float
) -> None:
    pred, gt = scale * PRED, GT
    p, q = (exact.softmax(exact.exactly(array.ravel().tolist())) for array in (pred, gt))
    log_eps, num_eps = constants["log_eps"], constants.get("num_eps", 0.0)
    expected: Any = sum(b * mpmath.mp.log(log_eps + (b + num_eps) / a) for a, b in zip(p, q, strict=True))
    actual = kldeval.kld(make(backend, pred), make(backend, gt), norm="flatten-softmax", **constants)
    assert float(actual) == pytest.approx(float(expected), rel=1e-12)


@pytest.mark.parametrize("backend", ["array_api_strict", "torch"])
@given(seed=st.integers(0, 2**32 - 1), levels=st.integers(2, 256))
def test_bytes_is_one_arithmetic_on_every_library(backend: str, seed: int, levels: int) -> None:
    # levels whose image falls on halves are many, and a last bit decides which way they go
    pred, gt = np.random.default_rng(seed).integers(0, levels, (2, 16, 16)).astype("uint8")
    pred[0, :2], gt[0, :2] = (0, levels - 1), (0, levels - 1)
    here = kldeval.kld(pred, gt, norm="bytes+sum-to-one")
    there = kldeval.kld(make(backend, pred), make(backend, gt), norm="bytes+sum-to-one")
    assert float(there) == pytest.approx(float(here), rel=1e-12, abs=1e-15)


@each_of("norm", ["sum-to-one", "minmax+sum-to-one", "bytes+sum-to-one", "add(value=1e308)+flatten-softmax"])
@each_of("backend", ["numpy", "array_api_strict", "torch"])
def test_a_sum_or_a_range_beyond_the_floats_is_refused(norm: str, backend: str) -> None:
    values = 1.7e308 * np.asarray([[1.0, 0.5], [0.25, 1.0]])
    pred = values if norm == "sum-to-one" else values - 1.7e308 * np.asarray([[0, 0], [1.0, 0]])
    pred = np.abs(values) if "add" in norm or norm == "sum-to-one" else pred - [[0, 0], [0.5e308, 0]]
    with pytest.raises(RefusedMap, match="beyond the floats"):
        kldeval.kld(make(backend, pred), make(backend, values / 4), norm=norm)
