"""The companions of the divergence as functions of arrays: metrics of stored maps, and of fixations.

As in `kldeval.library`: maps have the shape (..., H, W) and results (...), of numpy arrays, torch tensors (gradients
flow, but through ranks) or any other arrays of the array API. Fixations are given as counts: how often each pixel of
the map was fixated, (..., H, W).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kldeval.arrays import namespace, quiet
from kldeval.errors import RefusedMap
from kldeval.inputs.scale import full_scale
from kldeval.library import density_metric, metric_settings, present, refuse
from kldeval.map_arrays import check_maps, whole_weights
from kldeval.maps.chain import normalise
from kldeval.metrics import emd as transport
from kldeval.metrics import fixations as at_fixations
from kldeval.metrics import information
from kldeval.metrics import maps as of_maps
from kldeval.metrics.fixated import fixated_pixels
from kldeval.scoring.pixels import density
from kldeval.scoring.views import scaled

if TYPE_CHECKING:
    from kldeval.arrays import Array
    from kldeval.metrics.emd import Unit
    from kldeval.metrics.fixated import FixatedMap
    from kldeval.metrics.fixations import Negatives


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
    """Pearson correlation of the stored maps; higher is better. See `kldeval.metrics.maps.cc`.

    >>> import numpy as np
    >>> float(cc(np.asarray([[1, 2, 3]]), np.asarray([[6, 4, 2]])))
    -1.0
    """
    return of_maps.cc(pred, gt, _checked(pred, gt, weights))


def sim(pred: Array, gt: Array, *, weights: Array | None = None, minmax: bool = False) -> Array:
    """Similarity of the stored maps, each divided by its sum; higher is better. See `kldeval.metrics.maps.sim`.

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
    """InfoGain.m: the gain of stored maps over a baseline's map, in bits; see `kldeval.metrics.information.ig_mit`.

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
