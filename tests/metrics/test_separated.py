"""Divergences of 8-bit maps, which are summed in parts: the numbers of the pixels, for all constants and any levels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from drawn import among, arrays, shapes
from evaluating import answers, pair_of, quantities, settings_of, wide
from hypothesis import given, settings
from hypothesis import strategies as st
from looping import each_of

import kldeval

EPSILONS = st.sampled_from([0.0, 1e-300, 1e-16, 1e-7, 1e-4, 0.5])
CONSTANTS = st.fixed_dictionaries(
    {
        "log_eps": EPSILONS,
        "num_eps": EPSILONS,
        "ratio_eps": EPSILONS,
        "direction": st.sampled_from(["gt-pred", "pred-gt", "mean"]),
        "factor": st.sampled_from([1, 10]),
    }
)
CHAINS = st.sampled_from(
    [
        "sum-to-one",
        "flatten-softmax",
        "minmax(offset=1e-7)+sum-to-one",
        "none",
        "clip(min=1e-7,max=1)",
        "log-prob(check=none)",
    ]
)
LEVELS = among([0, 1, 9, 254, 255], np.uint8)
MAPS = arrays(shapes(max_side=9), LEVELS, LEVELS)


def both(pred: Any, gt: Any, texts: dict[str, dict[str, str]]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What an 8-bit pair scores under each of several settings: as a run finds it, and pixel by pixel."""
    asked = quantities({name: settings_of(one) for name, one in texts.items()})
    pair = pair_of(pred, gt)
    return answers([pair], asked)[0], answers([pair], [wide(one) for one in asked])[0]


@settings(max_examples=40, deadline=None)
@given(maps=MAPS, constants=CONSTANTS, chains=st.tuples(CHAINS, CHAINS))
def test_parts_sum_to_the_pointwise_terms(
    maps: tuple[Any, Any], constants: dict[str, Any], chains: tuple[str, str]
) -> None:
    """To 1e-12 of max(1, sum of the terms' sizes), with the same infinities; every metric that has parts."""
    said = {key: f"{key}={value}" for key, value in constants.items()}
    epsilons = ",".join(said[key] for key in ("log_eps", "num_eps", "ratio_eps"))
    metrics = [f"kld({','.join(said.values())})", f"kld-reverse({epsilons})", f"ce({said['ratio_eps']})", "entropy-gt"]
    rest = {"empty_gt": "nan", "empty_pred": "nan", "reduction": "sum", "pred_norm": chains[0], "gt_norm": chains[1]}
    in_parts, by_pixel = both(*maps, {metric: {"metric": metric, **rest} for metric in metrics})
    # the terms of up to 81 pixels add up to several thousands at most, as log(1e-300) is -690
    assert in_parts == pytest.approx(by_pixel, rel=1e-12, abs=1e-10, nan_ok=True)


@each_of(
    "metric",
    [
        *("kld()", "kld", "kld(num_eps=1e-7,ratio_eps=1e-7)", "kld(log_eps=1e-7,ratio_eps=1e-7)", "ce", "jsd"),
        *("kld(log_eps=1e-7,ratio_eps=1e-7,direction=mean,factor=10)", "kld(log_eps=0.01,ratio_eps=0.01)"),
        *("kld(log_eps=1e-7,num_eps=1e-7,ratio_eps=1e-7)", "kld-reverse", "entropy-gt"),
    ],
)
def test_a_larger_map(metric: str) -> None:
    """A large constant, and two constants inside one logarithm, are no product of what each side has alone."""
    rng = np.random.default_rng(3)
    pred, gt = rng.integers(0, 256, (2, 40, 50)).astype(np.uint8)
    in_parts, by_pixel = both(pred, gt, {"": {"metric": metric}})
    assert in_parts == pytest.approx(by_pixel, rel=1e-12)


def test_a_constant_of_any_size_is_as_exact_as_pixels() -> None:
    """The series of its powers is left before what it leaves out shows in the last digits."""
    pred, gt = np.random.default_rng(4).integers(100, 256, (2, 60, 80)).astype(np.uint8)
    sizes = [float(f"{eps:.3g}") for eps in np.geomspace(1e-4, 0.02, 60)]
    in_parts, by_pixel = both(pred, gt, {str(eps): {"metric": f"kld(log_eps={eps},ratio_eps=1e-9)"} for eps in sizes})
    assert in_parts == pytest.approx(by_pixel, rel=2e-13, abs=0)


@each_of("norm", ["sum-to-one", "flatten-softmax"])
@each_of("metric", ["kld()", "kld(direction=mean)", "kld(num_eps=1e-7,ratio_eps=1e-7)"])
def test_maps_that_hardly_differ_lose_no_digits(norm: str, metric: str) -> None:
    """What cancels is left to the cells, which subtract first; a map against itself gives exactly 0."""
    rng = np.random.default_rng(5)
    map_ = rng.integers(9, 256, (90, 70)).astype(np.uint8)
    other = map_.copy()
    other[3, 4:9] += 1
    texts = {"": {"metric": metric, "norm": norm}}
    assert both(map_, map_, texts)[0] == {"": 0}
    found, expected = both(map_, other, texts)
    assert 0 < expected[""] < 1e-5
    assert found == pytest.approx(expected, rel=1e-9)
    in_a_run = kldeval.evaluate(map_, other, metric=metric, norm=norm, device="cpu").scores[0].values
    assert list(in_a_run.values()) == pytest.approx(list(expected.values()), rel=1e-9)
