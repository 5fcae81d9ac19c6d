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
    from kldeval.functional import (
        auc,
        auc_borji,
        auc_judd,
        auc_shuffled,
        cc,
        ce,
        emd,
        entropy_gt,
        evaluate,
        hellinger,
        ig,
        ig_mit,
        jsd,
        kld,
        kld_reverse,
        ll,
        mae,
        mse,
        nss,
        sauc,
        sim,
        tv,
    )
    from kldeval.metrics.binary import bce, bce_with_logits
    from kldeval.metrics.classification import accuracy, brier, cross_entropy, nll
    from kldeval.metrics.frameworks import keras_categorical_crossentropy, keras_kl_divergence, kl_div
    from kldeval.normalization.softmax import log_sigmoid, log_softmax, sigmoid, softmax

__all__ = [
    "__version__",
    "accuracy",
    "auc",
    "auc_borji",
    "auc_judd",
    "auc_shuffled",
    "bce",
    "bce_with_logits",
    "brier",
    "cc",
    "ce",
    "cross_entropy",
    "emd",
    "entropy_gt",
    "evaluate",
    "hellinger",
    "ig",
    "ig_mit",
    "jsd",
    "keras_categorical_crossentropy",
    "keras_kl_divergence",
    "kl_div",
    "kld",
    "kld_reverse",
    "ll",
    "log_sigmoid",
    "log_softmax",
    "mae",
    "mse",
    "nll",
    "nss",
    "sauc",
    "sigmoid",
    "sim",
    "softmax",
    "tv",
]


_MODULES = {
    "functional": (
        "auc",
        "auc_borji",
        "auc_judd",
        "auc_shuffled",
        "cc",
        "ce",
        "emd",
        "entropy_gt",
        "evaluate",
        "hellinger",
        "ig",
        "ig_mit",
        "jsd",
        "kld",
        "kld_reverse",
        "ll",
        "mae",
        "mse",
        "nss",
        "sauc",
        "sim",
        "tv",
    ),
    "normalization.softmax": (
        "log_sigmoid",
        "log_softmax",
        "sigmoid",
        "softmax",
    ),
    "metrics.binary": (
        "bce",
        "bce_with_logits",
    ),
    "metrics.frameworks": (
        "keras_categorical_crossentropy",
        "keras_kl_divergence",
        "kl_div",
    ),
    "metrics.classification": (
        "accuracy",
        "brier",
        "cross_entropy",
        "nll",
    ),
}
"""The public functions by the module that holds them."""


def __getattr__(name: str) -> Any:
    """Import a public function when it is asked for: `kldeval --help` needs none of them."""
    from importlib import import_module

    for module, names in _MODULES.items():
        if name in names:
            return getattr(import_module(f"kldeval.{module}"), name)
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)


def __dir__() -> list[str]:
    return __all__
