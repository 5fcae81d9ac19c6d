"""KL divergence, cross-entropy and their family for saliency and probability maps, every number with its convention.

>>> import numpy as np
>>> import kldeval
>>> prediction, truth = np.asarray([[1, 2], [3, 4]]), np.asarray([[1, 1], [3, 5]])
>>> round(float(kldeval.kld(prediction, truth)), 6)
0.042257
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kldeval._version import __version__

if TYPE_CHECKING:
    from kldeval.library import ce, entropy_gt, evaluate, jsd, kld, kld_reverse

__all__ = ["__version__", "ce", "entropy_gt", "evaluate", "jsd", "kld", "kld_reverse"]


def __getattr__(name: str) -> Any:
    """Import the library when one of its functions is asked for: `kldeval --help` needs none of them."""
    if name not in __all__:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    from kldeval import library

    return getattr(library, name)


def __dir__() -> list[str]:
    return __all__
