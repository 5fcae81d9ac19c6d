"""The metrics as functions of arrays: numpy arrays, torch tensors (gradients flow) or any other array-API arrays.

Maps have the shape (..., H, W), and the result the shape (...). `pred` comes before `gt`, as on the command line, and
every keyword is the option of the same name, with the same default: two uint8 arrays score as two PNG files do.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from kldeval.arrays import namespace, quiet
from kldeval.engine.run import Request, run
from kldeval.errors import RefusedMap, UnknownName, UsageProblem
from kldeval.inputs.class_weights import weights_text
from kldeval.inputs.scale import full_scale
from kldeval.map_arrays import check_maps, whole_weights
from kldeval.maps.chain import format_chain, normalise
from kldeval.metrics.registry import METRICS
from kldeval.names import format_value, unknown
from kldeval.records import MapPair
from kldeval.scoring.diagnostics import refusal
from kldeval.scoring.pixels import PixelSide, array_values, terms_of
from kldeval.scoring.plan import quantity_of
from kldeval.scoring.views import scaled
from kldeval.settings import KNOWN_TEXTS, Settings, make_settings
from kldeval.settings.beside import beside_paths, beside_texts, check_beside
from kldeval.settings.companions import TEXTS
from kldeval.settings.labels import LABEL_FLAGS
from kldeval.signature import parse_signature

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from os import PathLike

    from kldeval.arrays import Array
    from kldeval.maps.values import Values
    from kldeval.results.report import Report

_OF_FILES = frozenset({"metric", "resize", "color", "maps", "group_by", *LABEL_FLAGS, *TEXTS})
"""What cannot be said of one metric of arrays: they have neither colours, groups nor labels, one size, and nothing
beside them."""


def kld(pred: Array, gt: Array, *, weights: Array | None = None, **options: Any) -> Array:
    """Kullback-Leibler divergence of the prediction from the ground truth, D(gt || pred), in nats.

    sum q ln(log_eps + (q + num_eps) / (p + ratio_eps)) with p and q the normalised maps.

    Args:
        pred: predicted maps (..., H, W).
        gt: ground-truth maps of the same height and width; the axes before them broadcast.
        weights: the weight of each pixel, broadcastable to the maps; 0 leaves a pixel out.
        options: norm, pred_norm, gt_norm, axis, eps, base, reduction, scale, empty_gt, empty_pred, dtype, convention as
            on the command line, and the constants log_eps, num_eps, ratio_eps, direction, factor of the metric.

    Raises:
        UsageProblem: an option is unknown or has no meaning, or the arrays belong to different libraries.
        RefusedMap: a map does not fit the other, its weights or its normalisation (negative under a sum, all zero).

    >>> import numpy as np
    >>> maps = np.asarray([[1.0, 2.0], [3.0, 4.0]])
    >>> float(kld(maps, maps, eps=0))
    0.0
    """
    return density_metric("kld", pred, gt, weights, options)


def kld_reverse(pred: Array, gt: Array, *, weights: Array | None = None, **options: Any) -> Array:
    """Kullback-Leibler divergence of the ground truth from the prediction, D(pred || gt), in nats; see `kld`.

    >>> import numpy as np
    >>> p, q = np.asarray([[1.0, 2.0]]), np.asarray([[2.0, 3.0]])
    >>> bool(kld_reverse(p, q) == kld(q, p))
    True
    """
    return density_metric("kld-reverse", pred, gt, weights, options)


def ce(pred: Array, gt: Array, *, weights: Array | None = None, **options: Any) -> Array:
    """Cross-entropy of the prediction under the ground truth, -sum q ln(p + ratio_eps), in nats; see `kld`.

    >>> import numpy as np
    >>> p, q = np.asarray([[1.0, 2.0]]), np.asarray([[2.0, 3.0]])
    >>> abs(float(ce(p, q, eps=0) - kld(p, q, eps=0) - entropy_gt(p, q))) < 1e-15
    True
    """
    return density_metric("ce", pred, gt, weights, options)


def jsd(pred: Array, gt: Array, *, weights: Array | None = None, **options: Any) -> Array:
    """Jensen-Shannon divergence of prediction and ground truth, in nats, at most ln 2; see `kld`.

    >>> import numpy as np
    >>> bool(np.isclose(jsd(np.asarray([[1.0, 0.0]]), np.asarray([[0.0, 1.0]])), np.log(2)))
    True
    """
    return density_metric("jsd", pred, gt, weights, options)


def entropy_gt(pred: Array, gt: Array, *, weights: Array | None = None, **options: Any) -> Array:
    """Entropy of the normalised ground truth, -sum q ln q, in nats; see `kld`.

    >>> import numpy as np
    >>> bool(np.isclose(entropy_gt(np.ones((2, 2)), np.ones((2, 2))), np.log(4)))
    True
    """
    return density_metric("entropy-gt", pred, gt, weights, options)


def evaluate(pred: str | PathLike[str] | None = None, gt: str | PathLike[str] | None = None, **options: Any) -> Report:
    """Score two files or two folders, as `kldeval PRED GT` does.

    Args:
        pred: the predictions' file or folder; None with the option `manifest`.
        gt: the ground truths' file or folder; None with the option `manifest`.
        options: metric, norm and the other options that move a number, convention or signature, and those on files and
            devices (fixations, baseline, other_map, mask, weights, preset, baselines, ceiling, manifest, pred_name,
            gt_name, exclude, group_by, allow_missing, allow_extra, limit, key, max_pixels, device, jobs, batch_bytes,
            save_maps).

    Raises:
        UsageProblem: an option is unknown or has no meaning, or the paths cannot be paired.
        MissingDependency: the device, or a package that reads the files, is not there.
    """
    _check_names(options, {*KNOWN_TEXTS, "signature", "preset", *Request._fields})
    asked = {name: options[name] for name in options if name in Request._fields}
    said = {name: value for name, value in options.items() if name not in asked}
    asked |= beside_paths(options)
    _check_counts({name: asked[name] for name in ("limit", "jobs", "batch_bytes", "max_pixels") if name in asked})
    for name in ("manifest", "save_maps"):
        if asked.get(name) is not None:
            asked[name] = Path(asked[name])
    if options.get("maps") == "groups":
        said["group_by"] = asked.get("group_by")
    pred, gt = (None if path is None else Path(path) for path in (pred, gt))
    return run(pred, gt, _settings(said, beside_texts(options), manifest="manifest" in asked), Request(**asked))


def _check_counts(counts: Mapping[str, Any]) -> None:
    wrong = {name: count for name, count in counts.items() if count is not None and count < 1}
    if wrong:
        msg = f"{', '.join(f'{name}={count}' for name, count in wrong.items())}: a number of 1 or more"
        raise UsageProblem(msg)


def density_metric(name: str, pred: Array, gt: Array, weights: Array | None, options: dict[str, Any]) -> Array:
    """A metric of densities by its name."""
    settings = metric_settings(name, options)
    check_maps(pred, gt)
    if weights is not None:
        weights = whole_weights(weights, pred, gt)
    with quiet():
        stored = [
            scaled(array, full_scale(array), settings.scale, settings.dtype, weights=weights, empty=empty)
            for array, empty in ((pred, settings.empty_pred), (gt, settings.empty_gt))
        ]
        p, q = (
            normalise(present(side), chain) for side, chain in zip(stored, (settings.pred, settings.gt), strict=True)
        )
        refuse([p, q], pred.shape, settings)
        quantity = quantity_of(name, settings)
        if settings.reduction == "none":
            value = terms_of(quantity, PixelSide(p, "density"), PixelSide(q, "density"))
        else:
            value = array_values(quantity, p, q)
        return _zero_if_asked(value, stored[1], settings)


def metric_settings(name: str, options: dict[str, Any]) -> Settings:
    """The settings of one metric of arrays.

    Raises:
        UnknownName: an option is none of it.
        UsageProblem: an option has no meaning.
    """
    _check_names(options, (KNOWN_TEXTS | set(METRICS[name].types)) - _OF_FILES)
    if options.get("empty_gt") == "skip":
        msg = "empty_gt='skip' leaves maps out of a report, but every map of an array has a result; use 'nan'"
        raise UsageProblem(msg)
    constants = {key: value for key, value in options.items() if key in METRICS[name].types}
    inside = ",".join(f"{key}={format_value(value)}" for key, value in constants.items())
    # parentheses, even around one constant, mean exactly those constants: the rule of the command line
    metric = f"{name}({inside})" if constants else name
    return _settings({**{key: value for key, value in options.items() if key not in constants}, "metric": metric})


def _settings(options: dict[str, Any], beside: Mapping[str, str] | None = None, *, manifest: bool = False) -> Settings:
    """The settings that options stand for; `beside` are the words for what stands beside the pairs."""
    from kldeval.conventions.presets import named_texts

    texts = {key: _text(key, value) for key, value in options.items() if value is not None}
    signature = texts.pop("signature", None)
    if signature is not None:
        if texts:
            msg = f"signature says every setting already; leave out {', '.join(texts)}"
            raise UsageProblem(msg)
        return check_beside(parse_signature(signature), beside or {}, manifest=manifest)
    named, metrics = named_texts(texts.pop("convention", None), texts.pop("preset", None))
    default = {} if metrics is None else {"metric": metrics}
    return make_settings({**default, **texts, **(beside or {})}, convention=named)


def _text(key: str, value: Any) -> str:
    if key != "class_weights":
        return format_value(value)
    return weights_text(str(value)) if isinstance(value, str | Path) else format_value(tuple(map(float, value)))


def _check_names(options: Iterable[str], known: Iterable[str]) -> None:
    problems = [str(unknown("option", name, known)) for name in options if name not in known]
    if problems:
        raise UnknownName("\n".join(problems))


def present(values: Values) -> Values:
    """The values with the smallest of them where the weight is 0: a nan there would reach every gradient."""
    if values.weights is None:
        return values
    xp = values.xp
    return values.map(lambda x, low, weights: xp.where(weights > 0, x, low), values.extent()[0], values.weights)


def refuse(sides: list[Values], shape: tuple[int, ...], settings: Settings) -> None:
    """Refuse what a normalisation of the prediction (or of both sides) cannot take.

    Raises:
        RefusedMap: naming it, with the way out.
    """
    for role, side in zip(("pred", "gt"), sides, strict=False):
        for problem in side.problems:
            xp = namespace(problem.found)
            if bool(xp.any(problem.found)):
                # float() of a tensor warns where a gradient hangs on it
                detail = problem.detail.detach() if hasattr(problem.detail, "detach") else problem.detail
                worst = float(xp.min(xp.where(problem.found, detail, xp.full_like(detail, xp.inf))))
                pair = MapPair("", None, None, shape=(shape[-2], shape[-1]))
                chain = format_chain(settings.pred if role == "pred" else settings.gt)
                raise RefusedMap(refusal(pair, role, problem.kind, worst, chain))


def _zero_if_asked(value: Array, gt: Values, settings: Settings) -> Array:
    """The value, but 0 for an all-zero ground truth under empty_gt='zero', as in a report."""
    if settings.empty_gt != "zero":
        return value
    xp = gt.xp
    low, high = gt.extent()
    empty = (low == 0) & (high == 0)
    empty = empty if settings.reduction == "none" else empty[..., 0, 0]
    return xp.where(empty & ~xp.isnan(value), xp.zeros_like(value), value)
