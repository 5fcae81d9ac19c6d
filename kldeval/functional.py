"""The metrics as functions of arrays: numpy arrays, torch tensors (gradients flow) or any other array-API arrays.

Maps have the shape (..., H, W), and the result the shape (...). `pred` comes before `gt`, as on the command line, and
every keyword is the option of the same name, with the same default: two uint8 arrays score as two PNG files do.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from kldeval.arrays import check_maps, namespace, quiet, whole_weights
from kldeval.data.class_weights import weights_text
from kldeval.engine.run import run
from kldeval.errors import RefusedMap, UnknownName, UsageProblem
from kldeval.grammar import format_value, unknown
from kldeval.metrics import emd as transport
from kldeval.metrics import fixations as at_fixations
from kldeval.metrics import fixations as information
from kldeval.metrics import similarity as of_maps
from kldeval.metrics.fixated_map import fixated_pixels
from kldeval.metrics.registry import METRICS
from kldeval.normalization.chain import normalise
from kldeval.preprocessing.grey import full_scale
from kldeval.records import MapPair
from kldeval.run_options import RunOptions
from kldeval.scoring.diagnostics import refusal
from kldeval.scoring.pixels import PixelSide, array_values, density, terms_of
from kldeval.scoring.plan import quantity_of
from kldeval.scoring.views import scaled
from kldeval.settings.auxiliary import TEXTS, beside_paths, beside_texts
from kldeval.settings.build import KNOWN_TEXTS, NODATA
from kldeval.settings.labels import LABEL_FLAGS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from os import PathLike

    from kldeval.arrays import Array
    from kldeval.metrics.emd import Unit
    from kldeval.metrics.fixated_map import FixatedMap
    from kldeval.metrics.fixations import Negatives
    from kldeval.normalization.lazy_map import LazyMap
    from kldeval.reports.documents import Report
    from kldeval.settings.settings import Settings


_OF_FILES = frozenset({"metric", "resize", "color", "maps", "group_by", *LABEL_FLAGS, *TEXTS, *NODATA})
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
            gt_name, exclude, group_by, allow_missing, allow_extra, limit, key, max_pixels, trust_files, device, jobs,
            batch_bytes, save_maps). `confidence`, with `resamples` and `seed`, asks for the intervals of the means.

    Raises:
        UsageProblem: an option is unknown or has no meaning, or the paths cannot be paired.
        MissingDependency: the device, or a package that reads the files, is not there.
    """
    drawn: dict[str, Any] = {name: options.pop(name) for name in ("confidence", "resamples", "seed") if name in options}
    _check_names(options, {*KNOWN_TEXTS, "signature", "preset", *RunOptions._fields})
    asked = {name: options[name] for name in options if name in RunOptions._fields}
    said = {name: value for name, value in options.items() if name not in asked}
    asked |= beside_paths(options)
    _check_counts({name: asked[name] for name in ("limit", "jobs", "batch_bytes", "max_pixels") if name in asked})
    for name in ("manifest", "save_maps"):
        if asked.get(name) is not None:
            asked[name] = Path(asked[name])
    if options.get("maps") == "groups":
        said["group_by"] = asked.get("group_by")
    pred, gt = (None if path is None else Path(path) for path in (pred, gt))
    report = run(pred, gt, _settings(said, beside_texts(options), manifest="manifest" in asked), RunOptions(**asked))
    return _with_intervals(report, drawn) if drawn else report


def _with_intervals(report: Report, drawn: Mapping[str, Any]) -> Report:
    """The report with the intervals of its means."""
    from kldeval.reports.documents import Resampling
    from kldeval.reports.intervals import with_intervals
    from kldeval.reports.significance import check_resampling

    resampling = Resampling(**drawn)
    check_resampling(resampling.resamples, resampling.confidence)
    return with_intervals(report, resampling)


def _check_counts(counts: Mapping[str, Any]) -> None:
    wrong = {name: count for name, count in counts.items() if count is not None and count < 1}
    if wrong:
        msg = f"{', '.join(f'{name}={count}' for name, count in wrong.items())}: a number of 1 or more"
        raise UsageProblem(msg)


def density_metric(name: str, pred: Array, gt: Array, weights: Array | None, options: dict[str, Any]) -> Array:
    """A metric of densities by its name."""
    settings = metric_settings(name, options)
    pred, gt, weights = _vectors_as_maps(pred, gt, weights, settings)
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


def _vectors_as_maps(
    pred: Array, gt: Array, weights: Array | None, settings: Settings
) -> tuple[Array, Array, Array | None]:
    """Two vectors as maps of one row, for they are distributions; anything else, and pixelwise terms, as they are."""
    if not getattr(pred, "ndim", 0) == getattr(gt, "ndim", 0) == 1 or settings.reduction == "none":
        return pred, gt, weights
    first, second, third = (None if x is None else namespace(x).reshape(x, (1, -1)) for x in (pred, gt, weights))
    return first, second, third


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
    from kldeval.reports.json_reader import saved_signatures
    from kldeval.settings.requested import Requested, requested_settings, signature_texts

    texts = {key: _text(key, value) for key, value in options.items() if value is not None}
    signature = texts.pop("signature", None)
    requested = Requested(
        convention=texts.pop("convention", None),
        preset=texts.pop("preset", None),
        texts=texts,
        beside=beside or {},
        signatures=() if signature is None else signature_texts(signature, saved_signatures),
        has_manifest=manifest,
    )
    return requested_settings(requested)


def _text(key: str, value: Any) -> str:
    if key != "class_weights":
        return format_value(value)
    return weights_text(str(value)) if isinstance(value, str | Path) else format_value(tuple(map(float, value)))


def _check_names(options: Iterable[str], known: Iterable[str]) -> None:
    problems = [str(unknown("option", name, known)) for name in options if name not in known]
    if problems:
        raise UnknownName("\n".join(problems))


def present(values: LazyMap) -> LazyMap:
    """The values with the smallest of them where the weight is 0: a nan there would reach every gradient."""
    if values.weights is None:
        return values
    xp = values.xp
    return values.map(lambda x, low, weights: xp.where(weights > 0, x, low), values.extent()[0], values.weights)


def refuse(sides: list[LazyMap], shape: tuple[int, ...], settings: Settings) -> None:
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
                chain = settings.pred if role == "pred" else settings.gt
                raise RefusedMap(refusal(pair, role, problem.kind, worst, chain))


def _zero_if_asked(value: Array, gt: LazyMap, settings: Settings) -> Array:
    """The value, but 0 for an all-zero ground truth under empty_gt='zero', as in a report."""
    if settings.empty_gt != "zero":
        return value
    xp = gt.xp
    low, high = gt.extent()
    empty = (low == 0) & (high == 0)
    empty = empty if settings.reduction == "none" else empty[..., 0, 0]
    return xp.where(empty & ~xp.isnan(value), xp.zeros_like(value), value)


def tv(pred: Array, gt: Array, *, weights: Array | None = None, **options: Any) -> Array:
    """Total variation distance of the densities of prediction and ground truth, from 0 to 1; see `kldeval.kld`.

    >>> import numpy as np
    >>> float(tv(np.asarray([[1.0, 1.0]]), np.asarray([[1.0, 0.0]])))
    0.5
    """
    return density_metric("tv", pred, gt, weights, options)


def hellinger(pred: Array, gt: Array, *, weights: Array | None = None, **options: Any) -> Array:
    """Hellinger distance of the densities of prediction and ground truth, from 0 to 1; see `kldeval.kld`.

    >>> import numpy as np
    >>> float(hellinger(np.asarray([[1.0, 0.0]]), np.asarray([[0.0, 1.0]])))
    1.0
    """
    return density_metric("hellinger", pred, gt, weights, options)


def cc(pred: Array, gt: Array, *, weights: Array | None = None) -> Array:
    """Pearson correlation of the stored maps; higher is better. See `kldeval.metrics.similarity.cc`.

    >>> import numpy as np
    >>> float(cc(np.asarray([[1, 2, 3]]), np.asarray([[6, 4, 2]])))
    -1.0
    """
    return of_maps.cc(pred, gt, _checked(pred, gt, weights))


def sim(pred: Array, gt: Array, *, weights: Array | None = None, minmax: bool = False) -> Array:
    """Similarity of the stored maps, each divided by its sum; higher is better. See `kldeval.metrics.similarity.sim`.

    >>> import numpy as np
    >>> float(sim(np.asarray([[1, 3]]), np.asarray([[2, 2]])))
    0.75
    """
    return of_maps.sim(pred, gt, _checked(pred, gt, weights), minmax=minmax)


def mse(pred: Array, gt: Array, *, weights: Array | None = None, scale: str = "unit") -> Array:
    """Mean squared error of the stored maps, on the scale 0..1 unless `scale` is "raw"; lower is better.

    >>> import numpy as np
    >>> float(mse(np.asarray([[255]], np.uint8), np.asarray([[0]], np.uint8)))
    1.0
    """
    return of_maps.mse(*_on_scale(pred, gt, scale), _checked(pred, gt, weights))


def mae(pred: Array, gt: Array, *, weights: Array | None = None, scale: str = "unit") -> Array:
    """Mean absolute error of the stored maps, on the scale 0..1 unless `scale` is "raw"; lower is better.

    >>> import numpy as np
    >>> float(mae(np.asarray([[255]], np.uint8), np.asarray([[0]], np.uint8), scale="raw"))
    255.0
    """
    return of_maps.mae(*_on_scale(pred, gt, scale), _checked(pred, gt, weights))


def emd(pred: Array, gt: Array, *, weights: Array | None = None, factor: int = 32, unit: Unit = "cells") -> Array:
    """Earth mover's distance of the stored maps, a float64 numpy array; see `kldeval.metrics.emd.emd`.

    >>> import numpy as np
    >>> float(emd(np.asarray([[1.0, 0.0, 0.0]]), np.asarray([[0.0, 0.0, 1.0]]), factor=1))
    2.0
    """
    return transport.emd(pred, gt, _checked(pred, gt, weights), factor=factor, unit=unit)


def nss(pred: Array, fixations: Array, *, weights: Array | None = None, ddof: int = 0, repeats: bool = True) -> Array:
    """Normalised scanpath saliency; see `kldeval.metrics.fixations.nss`.

    >>> import numpy as np
    >>> float(nss(np.asarray([[0.0, 2.0]]), np.asarray([[0, 1]])))
    1.0
    """
    return at_fixations.nss(_seen(pred, fixations, weights), ddof=ddof, repeats=repeats)


def auc(
    pred: Array,
    fixations: Array,
    *,
    weights: Array | None = None,
    negatives: Negatives = "all",
    repeats: bool = True,
) -> Array:
    """Area under the ROC curve of fixations against other pixels, exactly; see `kldeval.metrics.fixations.auc`.

    >>> import numpy as np
    >>> float(auc(np.asarray([[0.0, 2.0]]), np.asarray([[0, 1]])))
    0.75
    """
    return at_fixations.auc(_seen(pred, fixations, weights), negatives=negatives, repeats=repeats)


def auc_judd(pred: Array, fixations: Array, *, weights: Array | None = None) -> Array:
    """AUC_Judd.m in expectation; see `kldeval.metrics.fixations.auc_judd`.

    >>> import numpy as np
    >>> float(auc_judd(np.ones((1, 2)), np.asarray([[0, 1]])))
    0.75
    """
    return at_fixations.auc_judd(_seen(pred, fixations, weights))


def auc_borji(pred: Array, fixations: Array, *, weights: Array | None = None) -> Array:
    """AUC_Borji.m in expectation; see `kldeval.metrics.fixations.auc_borji`.

    >>> import numpy as np
    >>> float(auc_borji(np.asarray([[0.0, 0.0, 2.0, 2.0]]), np.asarray([[0, 0, 1, 1]])))
    0.75
    """
    return at_fixations.auc_borji(_seen(pred, fixations, weights))


def auc_shuffled(pred: Array, fixations: Array, other: Array, *, weights: Array | None = None) -> Array:
    """AUC_shuffled.m in expectation, against the counts of another map; see `kldeval.metrics.fixations.auc_shuffled`.

    >>> import numpy as np
    >>> float(auc_shuffled(np.asarray([[0.0, 1.0, 2.0]]), np.asarray([[0, 0, 1]]), np.asarray([[1, 0, 1]])))
    0.75
    """
    return at_fixations.auc_shuffled(_seen(pred, fixations, weights), other)


def sauc(pred: Array, fixations: Array, others: Array, *, weights: Array | None = None) -> Array:
    """Shuffled AUC, against the fixations on all other images; see `kldeval.metrics.fixations.sauc`.

    >>> import numpy as np
    >>> float(sauc(np.asarray([[0.0, 1.0, 2.0]]), np.asarray([[0, 1, 0]]), np.asarray([[3, 0, 1]])))
    0.75
    """
    return at_fixations.sauc(_seen(pred, fixations, weights), others)


def ll(pred: Array, fixations: Array, *, weights: Array | None = None, **options: Any) -> Array:
    """Log-likelihood of the fixations under the predicted density, in nats per fixation; higher is better.

    `options` make the density, as for `kldeval.kld`: norm, scale, empty_pred, dtype, convention.

    >>> import numpy as np
    >>> bool(np.isclose(ll(np.asarray([[1.0, 3.0]]), np.asarray([[1, 0]])), np.log(0.25)))
    True
    """
    return information.ll(_log_density(pred, weights, options), _existing(fixations, weights))


def ig(
    pred: Array,
    fixations: Array,
    baseline: Array | str,
    *,
    weights: Array | None = None,
    baseline_norm: str = "sum-to-one",
    **options: Any,
) -> Array:
    """Information gain of the predicted density over a baseline, in bits per fixation; higher is better.

    `baseline` is "uniform", or a map that `baseline_norm` makes a density of.

    >>> import numpy as np
    >>> float(ig(np.asarray([[1.0, 3.0]]), np.asarray([[0, 1]]), "uniform").round(12))
    0.584962500721
    """
    log_pred = _log_density(pred, weights, options)
    if isinstance(baseline, str):
        if baseline != "uniform":
            msg = f"baseline {baseline!r}: give the map of a baseline, or 'uniform'"
            raise RefusedMap(msg)
        baseline, baseline_norm = namespace(log_pred).ones_like(log_pred), "sum-to-one"
    log_baseline = _log_density(baseline, weights, {"norm": baseline_norm})
    return information.ig(log_pred, log_baseline, _existing(fixations, weights))


def ig_mit(pred: Array, fixations: Array, baseline: Array, *, weights: Array | None = None) -> Array:
    """InfoGain.m: the gain of stored maps over a baseline's map, in bits; see `kldeval.metrics.fixations.ig_mit`.

    >>> import numpy as np
    >>> pred = np.asarray([[0.0, 1.0, 3.0]])
    >>> float(ig_mit(pred, np.asarray([[0, 0, 1]]), pred))
    0.0
    """
    return information.ig_mit(_seen(pred, fixations, weights), _seen(baseline, fixations, weights))


def _checked(pred: Array, gt: Array, weights: Array | None) -> Array | None:
    """The weights in the shape of the maps, which were looked at."""
    check_maps(pred, gt)
    return None if weights is None else whole_weights(weights, pred, gt)


def _on_scale(pred: Array, gt: Array, scale: str) -> list[Array]:
    settings = metric_settings("kld", {"scale": scale})
    return [scaled(array, full_scale(array), settings.scale, settings.dtype).whole() for array in (pred, gt)]


def _seen(pred: Array, fixations: Array, weights: Array | None) -> FixatedMap:
    return fixated_pixels(pred, fixations, _checked(pred, fixations, weights))


def _existing(fixations: Array, weights: Array | None) -> Array:
    """The fixations on pixels of positive weight."""
    if weights is None:
        return fixations
    xp = namespace(fixations, weights)
    return xp.where(weights > 0, fixations, xp.zeros_like(fixations))


def _log_density(pred: Array, weights: Array | None, options: dict[str, Any]) -> Array:
    settings = metric_settings("ll", options)
    whole = _checked(pred, pred, weights)
    with quiet():
        full, scale, dtype = full_scale(pred), settings.scale, settings.dtype
        side = scaled(pred, full, scale, dtype, weights=whole, empty=settings.empty_pred)
        values = normalise(present(side), settings.pred)
        refuse([values], pred.shape, settings)
        return density(values, slice(0, pred.shape[-2])).log
