"""Maps after a chain of normalisation steps, for tests of what the steps do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from backends import make, to_numpy

from kldeval.arrays import namespace, quiet
from kldeval.normalization.chain import normalise, parse_chain
from kldeval.normalization.lazy_map import LazyMap

if TYPE_CHECKING:
    from kldeval.normalization.lazy_map import LazyMap as Normalised


def run(
    chain: str, data: Any, backend: str = "numpy", empty: str = "error", weights: Any = None, dtype: str = "float64"
) -> Normalised:
    """The maps after every step of a chain, with what befell them on the way (`problems`)."""
    array = make(backend, data)
    kept = None if weights is None else make(backend, weights)
    with quiet():
        return normalise(LazyMap(array, getattr(namespace(array), dtype), kept, empty), parse_chain(chain))


def result(chain: str, data: Any, backend: str = "numpy", empty: str = "error", weights: Any = None) -> Any:
    """The values after every step of a chain: logarithms where a chain ends in them."""
    values = run(chain, data, backend, empty, weights)
    with quiet():
        return to_numpy(values.whole())


def normalised(data: Any, chain: str, *, weights: Any = None) -> Any:
    """The maps after every step of a chain: probabilities also where the chain ends in their logarithms."""
    values = run(chain, data, weights=weights)
    with quiet():
        whole = to_numpy(values.whole())
    return np.exp(whole) if values.is_log else whole


def found(values: Normalised) -> set[str]:
    """The kinds of problems that befall a map."""
    return {problem.kind for problem in values.problems if to_numpy(problem.found).any()}
