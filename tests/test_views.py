"""Looking at 8-bit pairs by their levels: the same numbers as pixel by pixel, for every convention and any map."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from kldeval.arrays import quiet
from kldeval.conventions import CONVENTIONS
from kldeval.density import Density
from kldeval.engine.cases import Case, case_of, uncovered_case
from kldeval.engine.shared import answers_in_one_size
from kldeval.engine.views import Cells, Lines, LookedUp, Pixels, joint_reach, reach, view_of
from kldeval.maps.chain import parse_chain
from kldeval.records import MapPair
from kldeval.settings import make_settings

if TYPE_CHECKING:
    from kldeval.engine.views import Reach

SETTINGS = {name: make_settings({"metric": "kld"}, convention=row.texts) for name, row in CONVENTIONS.items()}
CASES = [case_of(name, chosen) for name, chosen in SETTINGS.items()]
CASES += [uncovered_case("n_uncovered", SETTINGS["default"]), uncovered_case("uncovered_mass", SETTINGS["default"])]

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


def wide(case: Case) -> Case:
    """The same case by pixels."""
    return Case(case.name, case.settings, case.terms, case.what, case.normal, "place", case.axes)


@settings(max_examples=60, deadline=None)
@given(maps=MAPS)
def test_levels_give_the_numbers_of_pixels(maps: tuple[np.ndarray, np.ndarray]) -> None:
    """Refusals in the same words, numbers to 1e-12 of max(1, number)."""
    by_level = answers_in_one_size(pair(*maps), CASES)
    by_pixel = answers_in_one_size(pair(*maps), [wide(case) for case in CASES])
    words = {name: found for name, found in by_pixel.items() if isinstance(found, str)}
    assert {name: found for name, found in by_level.items() if isinstance(found, str)} == words
    numbers = {name: found for name, found in by_pixel.items() if isinstance(found, float)}
    got = {name: by_level[name] for name in numbers}
    assert got == pytest.approx(numbers, rel=1e-12, abs=1e-12, nan_ok=True)


def test_a_map_larger_than_a_block(public_pairs: dict[str, np.ndarray]) -> None:
    maps = pair(np.tile(public_pairs["smooth8_pred"], (9, 9)), np.tile(public_pairs["smooth8_gt"], (9, 9)))
    cases = [case for case in CASES if case.name not in ("torchmetrics", "scipy")]
    by_level = answers_in_one_size(maps, cases)
    assert by_level == pytest.approx(answers_in_one_size(maps, [wide(case) for case in cases]), rel=1e-11, abs=1e-12)


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
def test_what_a_chain_asks_of_a_pixel(chain: str, expected: Reach) -> None:
    assert reach(parse_chain(chain)) == expected


def test_sides_that_ask_for_different_things_need_the_place() -> None:
    assert joint_reach("rows", "columns") == "place"
    assert joint_reach("value", "columns") == "columns"


def test_the_cheapest_view_that_knows_enough() -> None:
    maps = pair(np.ones((3, 4), np.uint8), np.ones((3, 4), np.uint8))
    assert isinstance(view_of(maps, "value"), Cells)
    assert isinstance(view_of(maps, "rows"), Lines)
    assert isinstance(view_of(maps, "place"), Pixels)
    floats = pair(np.ones((3, 4)), np.ones((3, 4), np.uint8))
    assert isinstance(view_of(floats, "value"), Pixels)


def test_a_density_that_is_looked_up_takes_each_logarithm_once() -> None:
    levels = Density(prob=np.asarray([[0.0, 0.25, 0.75]]))
    seen = LookedUp(levels, np.asarray([2, 0, 0, 1]))
    assert seen.prob.tolist() == [0.75, 0.0, 0.0, 0.25]
    with quiet():
        logs = seen.log
    assert logs.tolist() == [np.log(0.75), -np.inf, -np.inf, np.log(0.25)]
    assert seen.is_zero.tolist() == [False, True, True, False]
    assert seen.log is logs
