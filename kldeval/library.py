"""The metrics as functions of arrays: numpy arrays, torch tensors (gradients flow) or any other array-API arrays.

Maps have the shape (..., H, W), and the result the shape (...). `pred` comes before `gt`, as on the command line, and
every keyword is the option of the same name, with the same default: two uint8 arrays score as two PNG files do.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from kldeval.arrays import namespace, quiet
from kldeval.diagnosis import refusal
from kldeval.engine.measure import Side, measure, pixelwise, scaled
from kldeval.engine.run import Request, run
from kldeval.errors import RefusedMap, UsageProblem
from kldeval.inputs.scale import full_scale
from kldeval.maps.chain import normalise
from kldeval.metrics.registry import METRICS
from kldeval.names import format_value
from kldeval.records import MapPair
from kldeval.settings import KNOWN_TEXTS, Settings, make_settings
from kldeval.signature import parse_signature

if TYPE_CHECKING:
    from os import PathLike

    from kldeval.arrays import Array
    from kldeval.maps.values import Values
    from kldeval.results.report import Report


def kld(pred: Array, gt: Array, *, weights: Array | None = None, **options: Any) -> Array:
    """Kullback-Leibler divergence of the prediction from the ground truth, D(gt || pred), in nats.

    sum q ln(log_eps + (q + num_eps) / (p + ratio_eps)) with p and q the normalised maps.

    Args:
        pred: predicted maps (..., H, W).
        gt: ground-truth maps of the same shape.
        weights: the weight of each pixel, broadcastable to the maps; 0 leaves a pixel out.
        options: norm, pred_norm, gt_norm, axis, eps, base, reduction, scale, empty_gt, empty_pred, dtype, convention as
            on the command line, and the constants log_eps, num_eps, ratio_eps, direction, factor of the metric.

    Raises:
        UsageProblem: an option is unknown or has no meaning.
        RefusedMap: a map does not fit its normalisation (negative under a sum, all zero, nan).

    >>> import numpy as np
    >>> maps = np.asarray([[1.0, 2.0], [3.0, 4.0]])
    >>> float(kld(maps, maps, eps=0))
    0.0
    """
    return _metric("kld", pred, gt, weights, options)


def kld_reverse(pred: Array, gt: Array, *, weights: Array | None = None, **options: Any) -> Array:
    """Kullback-Leibler divergence of the ground truth from the prediction, D(pred || gt), in nats; see `kld`.

    >>> import numpy as np
    >>> p, q = np.asarray([[1.0, 2.0]]), np.asarray([[2.0, 3.0]])
    >>> bool(kld_reverse(p, q) == kld(q, p))
    True
    """
    return _metric("kld-reverse", pred, gt, weights, options)


def ce(pred: Array, gt: Array, *, weights: Array | None = None, **options: Any) -> Array:
    """Cross-entropy of the prediction under the ground truth, -sum q ln(p + ratio_eps), in nats; see `kld`.

    >>> import numpy as np
    >>> p, q = np.asarray([[1.0, 2.0]]), np.asarray([[2.0, 3.0]])
    >>> abs(float(ce(p, q, eps=0) - kld(p, q, eps=0) - entropy_gt(p, q))) < 1e-15
    True
    """
    return _metric("ce", pred, gt, weights, options)


def jsd(pred: Array, gt: Array, *, weights: Array | None = None, **options: Any) -> Array:
    """Jensen-Shannon divergence of prediction and ground truth, in nats, at most ln 2; see `kld`.

    >>> import numpy as np
    >>> bool(np.isclose(jsd(np.asarray([[1.0, 0.0]]), np.asarray([[0.0, 1.0]])), np.log(2)))
    True
    """
    return _metric("jsd", pred, gt, weights, options)


def entropy_gt(pred: Array, gt: Array, *, weights: Array | None = None, **options: Any) -> Array:
    """Entropy of the normalised ground truth, -sum q ln q, in nats; see `kld`.

    >>> import numpy as np
    >>> bool(np.isclose(entropy_gt(np.ones((2, 2)), np.ones((2, 2))), np.log(4)))
    True
    """
    return _metric("entropy-gt", pred, gt, weights, options)


def evaluate(pred: str | PathLike[str], gt: str | PathLike[str], **options: Any) -> Report:
    """Score two files or two folders, as `kldeval PRED GT` does.

    Args:
        pred: the predictions' file or folder.
        gt: the ground truths' file or folder.
        options: metric, norm and the other options that move a number, convention or signature, and those on files and
            devices (allow_missing, allow_extra, limit, key, max_pixels, device, jobs, save_maps).

    Raises:
        UsageProblem: an option is unknown or has no meaning, or the paths cannot be paired.
        MissingDependency: the device, or a package that reads the files, is not there.
    """
    asked = {name: options.pop(name) for name in list(options) if name in Request.__dataclass_fields__}
    return run(Path(pred), Path(gt), _settings(options), Request(**asked))


def _metric(name: str, pred: Array, gt: Array, weights: Array | None, options: dict[str, Any]) -> Array:
    constants = {key: options.pop(key) for key in list(options) if key in METRICS[name].types}
    inside = ",".join(f"{key}={format_value(value)}" for key, value in constants.items())
    # parentheses, even around one constant, mean exactly those constants: the rule of the command line
    settings = _settings({**options, "metric": f"{name}({inside})" if constants else name})
    with quiet():
        sides = [
            scaled(Side(array, full_scale(array)), settings, weights=weights, empty=empty)
            for array, empty in ((pred, settings.empty_pred), (gt, settings.empty_gt))
        ]
        density_pred, density_gt = normalise(sides[0], settings.pred), normalise(sides[1], settings.gt)
        _refuse([density_pred, density_gt], pred.shape, settings)
        if settings.reduction == "none":
            return pixelwise(density_pred, density_gt, settings)[settings.keys[0]]
        return measure(density_pred, density_gt, settings).values[settings.keys[0]]


def _settings(options: dict[str, Any]) -> Settings:
    from kldeval.conventions import convention

    texts = {key: None if value is None else format_value(value) for key, value in options.items()}
    if texts.get("signature"):
        return parse_signature(str(texts["signature"]))
    unknown = set(texts) - KNOWN_TEXTS
    if unknown:
        msg = f"unknown option {min(unknown)!r}; known: {', '.join(sorted(KNOWN_TEXTS))}"
        raise UsageProblem(msg)
    name = texts.pop("convention", None)
    return make_settings(texts, convention=convention(name).texts if name else None)


def _refuse(sides: list[Values], shape: tuple[int, ...], settings: Settings) -> None:
    for role, side in zip(("pred", "gt"), sides, strict=True):
        for problem in side.problems:
            xp = namespace(problem.found)
            if bool(xp.any(problem.found)):
                pair = MapPair("", None, None, shape=(shape[-2], shape[-1]))
                raise RefusedMap(refusal(pair, role, problem.kind, float(xp.min(problem.detail)), settings))
