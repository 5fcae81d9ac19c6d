"""KL divergence, cross-entropy and their family for saliency and probability maps, every number with its convention.

>>> import numpy as np
>>> import kldeval
>>> prediction, truth = np.asarray([[1, 2], [3, 4]]), np.asarray([[1, 1], [3, 5]])
>>> round(float(kldeval.kld(prediction, truth)), 6)
0.042257

Every metric is a function: those of the registry, and the ones below, are imported when they are asked for. What
editors and type checkers read is `__init__.pyi`, which `python tools/stub.py` writes of them.
"""

from __future__ import annotations

from typing import Any

from kldeval._version import __version__ as __version__

PUBLIC = {
    **dict.fromkeys(("KldevalError", "MapProblem", "MapsFailed", "MissingDependency", "NoPartner"), "errors"),
    **dict.fromkeys(("RefusedMap", "UnknownName", "UnreadableMap", "UsageProblem"), "errors"),
    "evaluate": "api.evaluate",
    **dict.fromkeys(("Report", "Leaderboard", "Comparison", "Audit"), "api.documents"),
    **dict.fromkeys(("Explanation", "Identification", "Inspection", "Methods"), "api.documents"),
    **dict.fromkeys(("audit", "check", "compare", "density", "explain", "identify"), "api.questions"),
    **dict.fromkeys(("list_conventions", "methods"), "api.questions"),
    "calibrate": "api.calibration",
    **dict.fromkeys(("Rows", "rows"), "api.rows"),
    **dict.fromkeys(("Fitted", "Reproduction", "fit", "optimal", "reproduce"), "api.answers"),
    **dict.fromkeys(("LearningCurves", "observers"), "api.observers"),
    "signature": "functional",
    "Metric": "streaming",
    "MetricCollection": "streaming",
    "bce_with_logits": "metrics.binary",
    "kl_div": "metrics.frameworks",
    "keras_kl_divergence": "metrics.frameworks",
    "keras_categorical_crossentropy": "metrics.frameworks",
    "log_sigmoid": "normalization.softmax",
    "log_softmax": "normalization.softmax",
    "sigmoid": "normalization.softmax",
    "softmax": "normalization.softmax",
}
"""The module of each public name that is no metric of the registry."""


def __getattr__(name: str) -> Any:
    """Import a public name when it is asked for: `import kldeval` and `kldeval --help` need none of them."""
    from importlib import import_module

    if name in PUBLIC:
        found = getattr(import_module(f"kldeval.{PUBLIC[name]}"), name)
    elif name == "__all__":
        found = sorted(["__version__", *PUBLIC, *_metrics()])
    elif name.startswith("__") or name not in _metrics():
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg, name=name, obj=import_module(__name__))  # Python adds what may be meant
    else:
        found = _metrics()[name]
    globals()[name] = found
    return found


def _metrics() -> dict[str, Any]:
    from kldeval.functional import metric_functions

    return metric_functions()


def __dir__() -> list[str]:
    names: list[str] = __getattr__("__all__")
    return names
