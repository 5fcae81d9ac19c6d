"""Divergences of counted levels in parts: the sums of the pointwise terms, for all constants and any levels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from evaluating import answers, wide
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from kldeval.arrays import quiet
from kldeval.conventions import CONVENTIONS
from kldeval.metrics.registry import METRICS
from kldeval.metrics.separable import LARGEST_QUOTIENT, ORDERS, powers
from kldeval.normalization.chain import is_spatial
from kldeval.normalization.density import Density
from kldeval.records import MapPair
from kldeval.scoring.histogram import CountedPair, HistogramView
from kldeval.scoring.pixels import PixelView
from kldeval.scoring.plan import quantity_of, uncovered_quantities
from kldeval.scoring.views import SumRequest
from kldeval.settings.build import make_settings

pytestmark = pytest.mark.slow

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
    ["sum-to-one", "flatten-softmax", "minmax(offset=1e-7)+sum-to-one", "none", "clip(min=1e-7,max=1)", "log-prob"]
)
MAPS = st.tuples(st.integers(1, 9), st.integers(1, 9)).flatmap(
    lambda shape: st.tuples(*(arrays(np.uint8, shape, elements=st.sampled_from([0, 1, 9, 254, 255])) for _ in "pq"))
)


def pair(pred: Any, gt: Any) -> MapPair:
    return MapPair("a", pred, gt, shape=gt.shape, pred_scale=255.0, gt_scale=255.0)


def both_sums(maps: MapPair, texts: dict[str, str]) -> tuple[float | None, float, float]:
    """The sum of the terms in parts, pixel by pixel, and that of their sizes."""
    one = quantity_of("kld", make_settings({"empty_gt": "nan", "empty_pred": "nan", "reduction": "sum", **texts}))
    counted = CountedPair.of(maps)
    assert counted
    levels, pixels = HistogramView([counted]), PixelView.of(maps)
    with quiet():
        known = levels.known_sums(0, [SumRequest(one, levels.normalised(one.pred), levels.normalised(one.gt))])
        seen = [pixels.normalised(side) for side in (one.pred, one.gt)]
        terms = np.asarray(one.terms(*(side.at(slice(None)) for side in seen)))
        return known[0], float(terms.sum()), float(np.abs(terms).sum())


@settings(max_examples=300, deadline=None)
@given(maps=MAPS, constants=CONSTANTS, chains=st.tuples(CHAINS, CHAINS))
def test_parts_sum_to_the_pointwise_terms(
    maps: tuple[Any, Any], constants: dict[str, Any], chains: tuple[str, str]
) -> None:
    """To 1e-12 of max(1, sum of the terms' sizes), with the same infinities; every metric that has parts."""
    said = {key: f"{key}={value}" for key, value in constants.items()}
    epsilons = ",".join(said[key] for key in ("log_eps", "num_eps", "ratio_eps"))
    metrics = {
        "kld": f"kld({','.join(said.values())})",
        "kld-reverse": f"kld-reverse({epsilons})",
        "ce": f"ce({said['ratio_eps']})",
        "entropy-gt": "entropy-gt",
    }
    assert metrics.keys() == {name for name in METRICS if METRICS[name].info.separable}
    for metric in metrics.values():
        texts = {"metric": metric, "pred_norm": chains[0], "gt_norm": chains[1]}
        in_parts, by_pixel, size = both_sums(pair(*maps), texts)
        if in_parts is not None:
            assert in_parts == pytest.approx(by_pixel, rel=0, abs=1e-12 * max(1.0, size), nan_ok=True)


@pytest.mark.parametrize(
    ("metric", "known"),
    [
        ("kld()", True),
        ("kld", True),
        ("kld(num_eps=1e-7,ratio_eps=1e-7)", True),
        ("kld(log_eps=1e-7,ratio_eps=1e-7)", True),
        ("kld(log_eps=1e-7,ratio_eps=1e-7,direction=mean,factor=10)", True),
        ("kld(log_eps=0.01,ratio_eps=0.01)", False),
        ("kld(log_eps=1e-7,num_eps=1e-7,ratio_eps=1e-7)", False),
        ("ce", True),
        ("kld-reverse", True),
        ("entropy-gt", True),
        ("jsd", False),
    ],
)
def test_which_sums_are_known(metric: str, known: bool) -> None:  # noqa: FBT001 - a column of the table above
    """A large constant, and two constants inside one logarithm, take the cells."""
    rng = np.random.default_rng(3)
    maps = pair(*(rng.integers(0, 256, (40, 50)).astype(np.uint8) for _ in "pq"))
    in_parts, by_pixel, _ = both_sums(maps, {"metric": metric})
    assert in_parts == (pytest.approx(by_pixel, rel=1e-12) if known else None)


def test_the_series_is_exhausted_where_it_is_used() -> None:
    """What it leaves out, at the largest quotient and for a weight of 1, is no more than the rounding of 1."""
    quotients = np.asarray([1e-3, 0.5, 1]) * LARGEST_QUOTIENT
    series = sum(-((-quotients) ** order) / order for order in range(1, ORDERS + 1))
    assert np.abs(series - np.log1p(quotients)).max() <= 2**-52


def test_powers_of_a_density() -> None:
    found = powers(Density(prob=np.asarray([[0.0, 0.5, 0.25]])))
    assert found.shape == (ORDERS + 1, 1, 3)
    assert found[:4, 0].tolist() == [[0, 0.5, 0.25], [0, 1, 1], [0, 2, 4], [0, 4, 16]]


def answer(maps: MapPair, texts: dict[str, str], *, by_pixel: bool = False) -> Any:
    one = quantity_of("kld", make_settings(texts))
    return answers([maps], [wide(one) if by_pixel else one])[0]["kld"]


@pytest.mark.parametrize("norm", ["sum-to-one", "flatten-softmax"])
@pytest.mark.parametrize("metric", ["kld()", "kld(direction=mean)", "kld(num_eps=1e-7,ratio_eps=1e-7)"])
def test_maps_that_hardly_differ_lose_no_digits(norm: str, metric: str) -> None:
    """What cancels is left to the cells, which subtract first; a map against itself gives exactly 0."""
    rng = np.random.default_rng(5)
    map_ = rng.integers(9, 256, (90, 70)).astype(np.uint8)
    other = map_.copy()
    other[3, 4:9] += 1
    texts = {"metric": metric, "norm": norm}
    assert answer(pair(map_, map_), texts) == 0
    expected = answer(pair(map_, other), texts, by_pixel=True)
    assert 0 < expected < 1e-5
    assert answer(pair(map_, other), texts) == pytest.approx(expected, rel=1e-9)


def test_no_number_depends_on_the_pairs_beside_it() -> None:
    """To the last bit: neither the batch nor the number of workers shows in a report."""
    rng = np.random.default_rng(11)
    shapes = [(3, 5), (64, 48), (1, 1), (20, 30), (20, 30), (31, 17)]
    maps = [
        pair(*(rng.integers(0, high, shape).astype(np.uint8) for high in (256, 1 + place)))
        for place, shape in enumerate(shapes)
    ]
    chosen = {name: make_settings({"metric": "kld"}, convention=row.texts) for name, row in CONVENTIONS.items()}
    asked = [quantity_of(name, one) for name, one in chosen.items() if not (is_spatial(one.pred) or is_spatial(one.gt))]
    asked += uncovered_quantities(chosen["default"])
    alone = [answers([one], asked)[0] for one in maps]
    assert repr(answers(maps, asked)) == repr(alone)
    assert repr(answers(maps[::-1], asked)[::-1]) == repr(alone)
    words = [value for found in alone for value in found.values() if isinstance(value, str)]
    assert words  # the last maps of few levels: constant ones are among them
