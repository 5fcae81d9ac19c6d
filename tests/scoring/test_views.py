"""Looking at 8-bit pairs by their levels: the same numbers as pixel by pixel, for every convention and any map."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from evaluating import answers, wide
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from kldeval.arrays import quiet
from kldeval.conventions import CONVENTIONS
from kldeval.normalization.chain import parse_chain
from kldeval.normalization.density import Density
from kldeval.records import MapPair
from kldeval.scoring.evaluator import view_of
from kldeval.scoring.histogram import CountedPair, HistogramView, LevelLookup, LevelSide
from kldeval.scoring.pixels import PixelView
from kldeval.scoring.plan import dependence, joint_dependence, quantity_of, uncovered_quantities
from kldeval.scoring.row_lookup import RowLookupView, SeparableDensity
from kldeval.settings.build import make_settings

if TYPE_CHECKING:
    from kldeval.scoring.plan import Dependence, Quantity

SETTINGS = {name: make_settings({"metric": "kld"}, convention=row.texts) for name, row in CONVENTIONS.items()}
QUANTITIES = [quantity_of(name, chosen) for name, chosen in SETTINGS.items()]
QUANTITIES += uncovered_quantities(SETTINGS["default"])

MAPS = st.tuples(st.integers(1, 7), st.integers(1, 7)).flatmap(
    lambda shape: st.tuples(
        *(
            arrays(np.uint8, shape, elements=st.sampled_from([0, 1, 2, 128, 255]) | st.integers(0, 255))
            for _ in range(2)
        )
    )
)


def pair(pred: np.ndarray, gt: np.ndarray) -> MapPair:
    return MapPair("a", pred, gt, shape=gt.shape, pred_scale=255.0, gt_scale=255.0)


def answered(maps: MapPair, quantities: list[Quantity]) -> dict[str, float | str]:
    """What a pair alone answers."""
    return answers([maps], quantities)[0]


@settings(max_examples=60, deadline=None)
@given(maps=MAPS)
def test_levels_give_the_numbers_of_pixels(maps: tuple[np.ndarray, np.ndarray]) -> None:
    """Refusals in the same words, numbers to 1e-12 of max(1, number)."""
    by_level = answered(pair(*maps), QUANTITIES)
    by_pixel = answered(pair(*maps), [wide(one) for one in QUANTITIES])
    words = {name: found for name, found in by_pixel.items() if isinstance(found, str)}
    assert {name: found for name, found in by_level.items() if isinstance(found, str)} == words
    numbers = {name: found for name, found in by_pixel.items() if isinstance(found, float)}
    got = {name: by_level[name] for name in numbers}
    assert got == pytest.approx(numbers, rel=1e-12, abs=1e-12, nan_ok=True)


def test_a_map_larger_than_a_block(public_pairs: dict[str, np.ndarray]) -> None:
    maps = pair(np.tile(public_pairs["smooth8_pred"], (9, 9)), np.tile(public_pairs["smooth8_gt"], (9, 9)))
    asked = [one for one in QUANTITIES if one.name not in ("torchmetrics", "scipy")]
    by_level = answered(maps, asked)
    assert by_level == pytest.approx(answered(maps, [wide(one) for one in asked]), rel=1e-11, abs=1e-12)


@pytest.mark.parametrize(
    ("chain", "expected"),
    [
        ("minmax+sum-to-one", "value"),
        ("flatten-softmax", "value"),
        ("softmax", "rows"),
        ("softmax(axis=0)", "columns"),
        ("sum-to-one(axis=1)", "rows"),
        ("latitude+sum-to-one", "rows"),
        ("latitude+sum-to-one(axis=0)", "place"),
        ("blur(sigma=2)+sum-to-one", "place"),
    ],
)
def test_what_a_chain_asks_of_a_pixel(chain: str, expected: Dependence) -> None:
    assert dependence(parse_chain(chain)) == expected


def test_sides_that_ask_for_different_things_need_the_place() -> None:
    assert joint_dependence("rows", "columns") == "place"
    assert joint_dependence("value", "columns") == "columns"


def test_the_cheapest_view_that_knows_enough() -> None:
    maps = pair(np.ones((3, 4), np.uint8), np.ones((3, 4), np.uint8))
    row = [quantity_of("kld", make_settings({"metric": "kld", "norm": "softmax"}))]
    counted = CountedPair.of(maps)
    assert isinstance(view_of(maps, counted, row), RowLookupView)
    assert isinstance(view_of(maps, counted, [wide(row[0])]), PixelView)
    masked = replace(maps, weights=np.eye(3, 4))
    assert isinstance(view_of(masked, CountedPair.of(masked), row), PixelView)
    floats = pair(np.ones((3, 4)), np.ones((3, 4), np.uint8))
    assert CountedPair.of(floats) is None
    assert isinstance(view_of(floats, None, row), PixelView)


def side_of(prob: np.ndarray, occurs: np.ndarray) -> LevelSide:
    return LevelSide("pred", "density", Density(prob=prob), np.broadcast_to(occurs, prob.shape).astype(float), ())


def test_a_density_that_is_looked_up_takes_each_logarithm_once() -> None:
    prob = np.zeros((2, 1, 256))
    prob[1, 0, 1:3] = 0.25, 0.75
    occurs = np.arange(256) < [[[2]], [[3]]]
    seen = LevelLookup(side_of(prob, occurs), 1, np.asarray([[2, 0, 0, 1]], np.uint8))
    assert seen.prob.tolist() == [[0.75, 0.0, 0.0, 0.25]]
    with quiet():
        logs = seen.log
    assert logs.tolist() == [[np.log(0.75), -np.inf, -np.inf, np.log(0.25)]]
    assert seen.is_zero.tolist() == [[False, True, True, False]]
    assert seen.log is logs


def test_a_level_that_does_not_occur_is_no_zero() -> None:
    prob, cells = np.arange(256.0)[None, None], np.asarray([[5]], np.uint8)
    with_zero, without = (LevelLookup(side_of(prob, prob >= first), 0, cells) for first in (0, 1))
    assert (with_zero.has_zeros, without.has_zeros) == (True, False)


@pytest.mark.parametrize(
    "text", ["softmax", "softmax(axis=0)", "sum-to-one(axis=-1)", "sum-to-one(axis=0,offset=1e-7)"]
)
def test_densities_of_lines_are_those_of_the_plain_body(text: str) -> None:
    """Also after steps on the whole map, and with the weight of the latitude."""
    rng = np.random.default_rng(4)
    maps = pair(*(rng.integers(1, 256, (9, 7)).astype(np.uint8) for _ in range(2)))
    with quiet():
        for chain in (
            text,
            f"minmax(offset=1)+add(value=0.25)+{text}",
            "latitude+sum-to-one",
            "max+latitude+sum-to-one",
        ):
            chosen = make_settings({"metric": "kld", "norm": chain, "reduction": "sum"})
            for role, expected in (("pred", maps.pred), ("gt", maps.gt)):
                pixels, counted = PixelView.of(maps), CountedPair.of(maps)
                assert counted
                pipeline = getattr(quantity_of("kld", chosen), role)
                seen = RowLookupView(pixels, counted, HistogramView([counted])).normalised(pipeline)
                plain = pixels.normalised(pipeline)
                rows = slice(2, 6)
                assert len(seen.problems) == 0
                assert isinstance(seen, SeparableDensity)
                assert seen.at(rows).prob == pytest.approx(plain.at(rows).prob, rel=1e-12)
                assert seen.at(rows).log == pytest.approx(plain.at(rows).log, rel=1e-12)
                assert seen.at(rows).prob.shape == expected[rows].shape
