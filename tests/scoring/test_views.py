"""What an audit asks of 8-bit pairs by their levels: the numbers of their pixels, under every convention."""

from __future__ import annotations

import numpy as np
import pytest
from drawn import arrays, integers, shapes
from evaluating import answers, pair_of, quantities, settings_of, wide
from every import conventions
from hypothesis import example, given

SETTINGS = {name: settings_of({"metric": "kld"}, convention=row.texts) for name, row in conventions().items()}
QUANTITIES = quantities(SETTINGS, uncovered=SETTINGS["default"])

CHAINS = (
    *("softmax", "softmax(axis=0)", "sum-to-one(axis=-1)", "sum-to-one(axis=0,offset=1e-7)"),
    *("minmax(offset=1)+add(value=0.25)+softmax", "minmax(offset=1)+add(value=0.25)+sum-to-one(axis=0)"),
    *("latitude+sum-to-one", "max+latitude+sum-to-one", "latitude+sum-to-one(axis=0,offset=1e-7)"),
    *("blur(sigma=2)+sum-to-one", "minmax+sum-to-one", "flatten-softmax"),
)
"""Chains that ask for a pixel's value, for its row, for its column, and for its place."""

OF_CHAINS = quantities(
    {
        f"{pred} {gt}": settings_of({"metric": "kld", "pred_norm": pred, "gt_norm": gt, "reduction": "sum"})
        for pred in CHAINS
        for gt in (pred, "flatten-softmax")
        if (gt == pred) or "axis" not in pred
    }
)

LEVELS = integers(0, 255, np.uint8, [0, 1, 2, 128, 255])
MAPS = arrays(shapes(max_side=7), LEVELS, LEVELS)


@given(maps=MAPS)
@example(maps=(np.asarray([[0, 1]], np.uint8), np.asarray([[0, 0]], np.uint8)))
def test_levels_give_the_numbers_of_pixels(maps: tuple[np.ndarray, np.ndarray]) -> None:
    """Refusals in the same words, numbers to 1e-12 of max(1, number)."""
    asked = QUANTITIES + OF_CHAINS
    (by_level,), (by_pixel,) = (answers([pair_of(*maps)], one) for one in (asked, [wide(one) for one in asked]))
    words = {name: found for name, found in by_pixel.items() if isinstance(found, str)}
    assert {name: found for name, found in by_level.items() if isinstance(found, str)} == words
    numbers = {name: found for name, found in by_pixel.items() if isinstance(found, float)}
    got = {name: by_level[name] for name in numbers}
    assert got == pytest.approx(numbers, rel=1e-12, abs=1e-12, nan_ok=True)


def test_a_map_larger_than_a_block(public_pairs: dict[str, np.ndarray]) -> None:
    maps = pair_of(np.tile(public_pairs["smooth8_pred"], (9, 9)), np.tile(public_pairs["smooth8_gt"], (9, 9)))
    asked = [one for one in QUANTITIES if one.name not in ("torchmetrics", "scipy")]
    by_level, by_pixel = answers([maps], asked)[0], answers([maps], [wide(one) for one in asked])[0]
    assert by_level == pytest.approx(by_pixel, rel=1e-11, abs=1e-12)


@pytest.mark.parametrize("kind", ["a mask", "fractions", "floats"])
def test_what_is_no_8_bit_pair_is_its_pixels(kind: str) -> None:
    rng = np.random.default_rng(4)
    pred, gt = (rng.integers(1, 256, (9, 7)).astype(np.uint8) for _ in range(2))
    weights = {"a mask": np.eye(9, 7) + rng.integers(0, 2, (9, 7)), "fractions": rng.random((9, 7))}.get(kind)
    pair = pair_of(pred.astype(float) if kind == "floats" else pred, gt, weights=weights)
    by_level, by_pixel = answers([pair], OF_CHAINS)[0], answers([pair], [wide(one) for one in OF_CHAINS])[0]
    assert by_level == pytest.approx(by_pixel, rel=1e-12, abs=1e-12)


def test_no_number_depends_on_the_pairs_beside_it() -> None:
    """To the last bit: neither the batch nor the number of workers shows in a report."""
    rng = np.random.default_rng(11)
    shapes = [(3, 5), (64, 48), (1, 1), (20, 30), (20, 30), (31, 17)]
    maps = [
        pair_of(*(rng.integers(0, high, shape).astype(np.uint8) for high in (256, 1 + place)))
        for place, shape in enumerate(shapes)
    ]
    asked = [one for one in QUANTITIES if one.dependence == "value"]
    alone = [answers([one], asked)[0] for one in maps]
    assert repr(answers(maps, asked)) == repr(alone)
    assert repr(answers(maps[::-1], asked)[::-1]) == repr(alone)
    words = [value for found in alone for value in found.values() if isinstance(value, str)]
    assert words  # the last maps of few levels: constant ones are among them
