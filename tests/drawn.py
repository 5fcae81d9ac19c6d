"""Arrays that hypothesis draws by their shape and a seed, from which numpy fills them.

Drawn number by number, an array costs ten times what a law does with it. A failing example shrinks in its shape; its
numbers are those of its seed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Sequence


CHARACTERS = st.characters(codec=None, exclude_categories=["Cs"])
"""What `st.characters()` draws, every character that UTF-8 has: to ask it which they are takes a second."""


class Fill(Protocol):
    """How an array is filled."""

    def __call__(self, rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        """An array of this shape."""


def numbers(low: float, high: float, special: Sequence[float] = ()) -> Fill:
    """Numbers from `low` to `high`: of every magnitude, with ties in some arrays, and often special ones among them."""

    def fill(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        share = 10 ** -rng.uniform(0, rng.choice([0.5, 14]), shape)
        nearest = max(low, min(high, 0.0))
        found = np.where(rng.random(shape) < (high - nearest) / (high - low), high, low)
        found = np.clip(nearest + (found - nearest) * share, low, high)
        if found.size and rng.random() < 1 / 3:
            found = rng.choice(found.ravel()[:3], shape)
        return _with(special, found, rng)

    return fill


def integers(low: int, high: int, dtype: Any = np.float64, special: Sequence[int] = ()) -> Fill:
    """Whole numbers from `low` to `high`, in some arrays few of them, and often special ones among them."""

    def fill(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        top = high if rng.random() < 2 / 3 else rng.integers(low, high, endpoint=True)
        found = rng.integers(low, top, shape, endpoint=True)
        return _with(special, found, rng).astype(dtype)

    return fill


def among(values: Sequence[float], dtype: Any = np.float64) -> Fill:
    """Some of these values."""
    return lambda rng, shape: rng.choice(values, shape).astype(dtype)


def _with(special: Sequence[float], found: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    if not special:
        return found
    return np.where(rng.random(found.shape) < rng.choice([0, 0.3, 0.9]), rng.choice(special, found.shape), found)


def shapes(min_dims: int = 2, max_dims: int = 2, max_side: int = 4) -> st.SearchStrategy[tuple[int, ...]]:
    """The shapes of small arrays."""
    sides = st.integers(1, max_side)
    return st.integers(min_dims, max_dims).flatmap(lambda n: st.tuples(*[sides] * n))


def arrays(shape: st.SearchStrategy[tuple[int, ...]] | tuple[int, ...], *fills: Fill) -> st.SearchStrategy[Any]:
    """Arrays of one shape, filled each in its way: a tuple of them, or the only one."""

    def filled(shape: tuple[int, ...], seed: int) -> Any:
        rng = np.random.default_rng(seed)
        found = tuple(fill(rng, shape) for fill in fills)
        return found if len(found) > 1 else found[0]

    of_shape = st.just(shape) if isinstance(shape, tuple) else shape
    return st.builds(filled, of_shape, st.integers(0, 2**32 - 1))
