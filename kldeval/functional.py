"""The metrics as functions of arrays: numpy arrays, torch tensors (gradients flow) or any other array-API arrays.

Maps have the shape (..., H, W), and the result the shape (...). `pred` comes before `gt`, as on the command line, and
every keyword is the option of the same name, with the same default: two uint8 arrays score as two PNG files do.
Fixations are given as counts: how often each pixel of the map was fixated, (..., H, W).

Each function is made of the metric's entry in the registry: its name, its docstring, and keywords for its parameters
and for the settings that move it.
"""

from __future__ import annotations

import warnings
from dataclasses import replace
from functools import lru_cache, partial
from inspect import Parameter, Signature
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kldeval.arrays import check_maps, computed_in, namespace, quiet, returned_as, whole_weights
from kldeval.data.class_weights import weights_text
from kldeval.data.volumes import PLANE
from kldeval.errors import RefusedMap, UnknownName, UsageProblem
from kldeval.grammar import Call, format_value, split_call, unknown
from kldeval.metrics.binary import PixelMap, check_binary
from kldeval.metrics.checks import check_choice, check_log_probabilities, reduced
from kldeval.metrics.class_losses import LabelRule
from kldeval.metrics.fixated_map import fixated_pixels
from kldeval.metrics.registry import LABEL_METRICS, METRICS, cell_side, is_on_scale
from kldeval.normalization.chain import normalise
from kldeval.normalization.softmax import log_softmax
from kldeval.parameters import BESIDE, OPTIONS, documentation, explicit, parameters_of, signature_parameters
from kldeval.preprocessing.grey import full_scale
from kldeval.records import MapPair
from kldeval.scoring.diagnostics import refusal
from kldeval.scoring.pixels import PixelSide, array_values, density_of_block, terms_of
from kldeval.scoring.plan import quantity_of
from kldeval.scoring.spatial import arrays_laid_out, as_volumes, check_placeless
from kldeval.scoring.views import scaled
from kldeval.settings.auxiliary import READING, STORED, beside_texts, chains_for
from kldeval.settings.build import KNOWN_TEXTS
from kldeval.settings.signature import signatures
from kldeval.wording import python_words, speaks_python

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from kldeval.arrays import AnyArray, Array
    from kldeval.grammar import Entry
    from kldeval.metrics.fixated_map import FixatedMap
    from kldeval.metrics.registry import MetricInfo
    from kldeval.normalization.lazy_map import LazyMap
    from kldeval.settings.settings import Settings

    MetricEntry = Entry[Callable[..., Any], MetricInfo]

    Keywords = dict[str, Any]
    """Keywords by their names, of the types that the signature of the metric's function says."""


def metric_functions() -> dict[str, Callable[..., Array]]:
    """The functions of all metrics by their names in Python.

    >>> sorted(metric_functions())[:3]
    ['accuracy', 'ace', 'auc']
    """
    if not _FUNCTIONS:
        for registry in (METRICS, LABEL_METRICS):
            for name in registry:
                function = _function_of(registry[name])
                for alias in (function.__name__, *registry[name].info.aliases):
                    _FUNCTIONS[alias.replace("-", "_")] = function
    return _FUNCTIONS


_FUNCTIONS: dict[str, Callable[..., Any]] = {}


def _function_of(entry: MetricEntry) -> Callable[..., Array]:
    """The library function of a metric."""
    parameters = parameters_of(entry)
    signature = Signature(parameters, return_annotation="Array")
    known = [parameter.name for parameter in parameters if parameter.kind is Parameter.KEYWORD_ONLY]
    at = {parameter.name for parameter in parameters} - set(known)
    required = [
        one.name for one in parameters if one.default is Parameter.empty and one.kind is not Parameter.KEYWORD_ONLY
    ]
    evaluate_arrays = _EVALUATE[entry.info.on]

    def function(*arrays: Any, **options: Any) -> Array:
        check_names([name for name in options if name not in at], known)
        bound = signature.bind(*arrays, **options)
        bound.apply_defaults()
        _check_arrays({name: bound.arguments[name] for name in required})
        given = {key: value for key, value in bound.arguments.items() if value is not None}
        n = given.pop("spatial_axes", PLANE)
        with quiet(), python_words():
            return evaluate_arrays(entry, given) if n == PLANE else _of_volumes(entry, given, n)

    function.__name__ = function.__qualname__ = entry.info.function or entry.name.replace("-", "_")
    function.__module__ = "kldeval"
    function.__doc__ = documentation(entry, parameters)
    function.__signature__ = signature  # type: ignore[attr-defined]
    return function


def _check_arrays(given: Keywords) -> None:
    """Refuse what is no array where one must be; a text may name a baseline.

    Raises:
        UsageProblem: naming the argument.
    """
    for name, value in given.items():
        if not hasattr(value, "dtype") and not isinstance(value, str):
            found = "missing" if value is None else f"of type {type(value).__name__}"
            msg = f"{name} is {found}: it must be an array, as numpy.asarray or torch.as_tensor makes"
            raise UsageProblem(msg)


def _of_volumes(entry: MetricEntry, given: Keywords, n: int) -> Array:
    """A metric of maps of `n` axes, laid out as maps of height and width."""
    arrays = {name: given[name] for name in (*_ARRAYS, *BESIDE) if name in given}
    options = {name: value for name, value in given.items() if name in OPTIONS}
    settings = metric_settings("kld" if entry.info.on != "density" else entry.name, options)
    check_placeless((settings.pred, settings.gt))
    space = tuple(arrays["pred"].shape)[-n:]
    given = {**given, **arrays_laid_out(arrays, n)}
    value = _of_maps(entry, given, space) if entry.info.on == "maps" else _EVALUATE[entry.info.on](entry, given)
    is_pointwise = entry.info.on == "density" and settings.reduction == "none"
    return as_volumes(value, space) if is_pointwise else value


_ARRAYS = ("pred", "gt", "fixations", "weights")
"""The arguments of metrics of maps that are arrays of them."""


def _of_densities(entry: MetricEntry, given: Keywords) -> Array:
    pred, gt, weights = given.pop("pred"), given.pop("gt"), given.pop("weights", None)
    return density_metric(entry.name, pred, gt, weights, given)


def density_metric(name: str, pred: Array, gt: Array, weights: Array | None, options: Keywords) -> Array:
    """A metric of densities by its name."""
    settings = metric_settings(name, {"dtype": _own_dtype(pred, gt), **options})
    pred, gt, weights = _vectors_as_maps(pred, gt, weights, settings)
    check_maps(pred, gt)
    if weights is not None:
        weights = whole_weights(weights, pred, gt)
    elif all(hasattr(array, "detach") for array in (pred, gt)):
        from kldeval.scoring.tensors import number_of_plain_maps

        number = number_of_plain_maps(pred, gt, settings)
        if number is not None:
            return number if "dtype" in options else returned_as(number, pred, gt)
    stored = [
        scaled(array, full_scale(array), settings.scale, settings.dtype, weights=weights, empty=empty)
        for array, empty in ((pred, settings.empty_pred), (gt, settings.empty_gt))
    ]
    # what is refused is looked at in any case, so the values may be waited for
    sides = [present(side).changed(may_wait=True) for side in stored]
    p, q = (normalise(side, chain) for side, chain in zip(sides, (settings.pred, settings.gt), strict=True))
    refuse_problems([p, q], pred.shape, settings)
    quantity = quantity_of(name, settings)
    if settings.reduction == "none":
        value = terms_of(quantity, PixelSide(p, "density"), PixelSide(q, "density"))
    else:
        value = array_values(quantity, p, q)
    value = _zero_if_asked(value, stored[1], settings)
    return value if "dtype" in options else returned_as(value, pred, gt)


def _own_dtype(*arrays: Array) -> str | None:
    """What tensors are computed in where nothing is said: half precision in float32, as sums need."""
    if not all(hasattr(array, "detach") for array in arrays):
        return None
    xp = namespace(*arrays)
    narrow = all(xp.isdtype(array.dtype, "real floating") and array.dtype != xp.float64 for array in arrays)
    return "float32" if narrow else None


def _of_maps(entry: MetricEntry, given: Keywords, space: tuple[int, ...] = ()) -> Array:
    """A metric of maps of height and width, or of volumes of the shape `space` that are laid out so."""
    pred, gt, weights = given.pop("pred"), given.pop("gt"), given.pop("weights", None)
    checked = _checked(pred, gt, weights)
    parameters, options = _split(entry, given)
    sides = _values_of(entry, {"pred": pred, "gt": gt}, checked, parameters, options)
    in_space = entry.info.in_space if space else None
    function = entry.function if in_space is None else partial(in_space, space=space)
    value = function(*sides, checked, **parameters)
    warn_of_one_cell(entry.name, parameters, space or pred.shape[-2:], stacklevel=4)
    return returned_as(value, pred, gt)


def warn_of_one_cell(name: str, parameters: Mapping[str, Any], space: Sequence[int], *, stacklevel: int) -> None:
    """Warn that a metric cannot tell maps of the shape `space` apart, each of which is one cell to it."""
    side = cell_side(name, parameters)
    if 1 < max(space) <= side:
        size = "x".join(map(str, space))
        msg = (
            f"{name} makes one cell of maps of the shape {size}, whose sides are no longer than its factor of {side}: "
            f"it is 0 whatever they hold; {name}(factor=1) takes every pixel for a cell"
        )
        warnings.warn(msg, RuntimeWarning, stacklevel=stacklevel)


def _of_fixations(entry: MetricEntry, given: Keywords) -> Array:
    pred, fixations, weights = given.pop("pred"), given.pop("fixations"), given.pop("weights", None)
    counted = {"fixations": fixations, **{name: given[name] for name in _COUNTED if name in given}}
    beside = [given.pop(name) for name in entry.info.requires if name in BESIDE]
    parameters, options = _split(entry, given)
    for name, counts in counted.items():
        _check_counts(name, counts)
    if "density" in entry.info.requires:
        return _at_fixations(partial(entry.function, **parameters), pred, fixations, beside, weights, options)
    checked = _checked(pred, fixations, weights)
    (values,) = _values_of(entry, {"pred": pred}, checked, parameters, options)
    seen = fixated_pixels(values, fixations, checked)
    others: list[Array | FixatedMap | None] = list(beside)
    if "baseline" in entry.info.requires:
        others = [_baseline(beside[0], fixations, weights)]
    return returned_as(entry.function(seen, *others, **parameters), pred)


_COUNTED = ("other", "others", "images")
"""What stands beside fixations and is counted as they are."""


def _check_counts(name: str, counts: Array) -> None:
    """Refuse what is no number of fixations: a density in its place would weight every pixel.

    Raises:
        RefusedMap: a value is negative, or no whole number.
    """
    xp = namespace(counts)
    if xp.isdtype(counts.dtype, "bool"):
        return
    wrong = ~((counts >= 0) & (counts == xp.round(counts)))
    if xp.any(wrong):
        value = float(counts[wrong][0])
        msg = f"{name} hold {value:g}: they are how often each pixel was fixated, 0, 1, 2, ..., and no density"
        raise RefusedMap(msg)


def _baseline(given: Array | str, fixations: Array, weights: Array | None) -> FixatedMap | None:
    """The baseline's maps with the fixations on them; None where it is uniform."""
    if isinstance(given, str):
        _check_uniform(given)
        return None
    return fixated_pixels(given, fixations, _checked(given, fixations, weights))


def _check_uniform(text: str) -> None:
    if text != "uniform":
        msg = f"baseline {text!r}: give the map of a baseline, or 'uniform'"
        raise RefusedMap(msg)


def _at_fixations(
    function: Callable[..., Array],
    pred: Array,
    fixations: Array,
    beside: list[Array],
    weights: Array | None,
    options: Keywords,
) -> Array:
    """A metric of the predicted density at the fixations, and of a baseline's."""
    norm = options.pop("baseline_norm", "sum-to-one")
    log_pred = _log_density(pred, weights, options)
    arguments = [log_pred]
    for baseline in beside:
        if isinstance(baseline, str):
            _check_uniform(baseline)
        is_uniform = isinstance(baseline, str)
        stored = namespace(log_pred).ones_like(log_pred) if is_uniform else baseline
        arguments.append(_log_density(stored, weights, {"norm": "sum-to-one" if is_uniform else norm}))
    value = function(*arguments, _existing(fixations, weights))
    return value if "dtype" in options else returned_as(value, pred)


def _of_pixels(entry: MetricEntry, given: Keywords) -> Array:
    pred, gt, reduction = given.pop("pred"), given.pop("gt"), given.pop("reduction", "mean")
    p, q = computed_in(pred), computed_in(gt)
    check_binary(p, q)
    if entry.info.statistics is not None:
        return returned_as(namespace(p).asarray(entry.function(p, q, given.pop("weights", None), **given)), pred, gt)
    return returned_as(reduced(entry.function(PixelMap(p), q, **given), reduction), pred, gt)


def _of_labels(entry: MetricEntry, given: Keywords) -> Array:
    target, axis, reduction = given.pop("target"), given.pop("axis"), given.pop("reduction", "mean")
    pred = given.pop("logits", None)
    log_pred = given.pop("log_pred", pred)
    rule = LabelRule(axis=axis, ignore_index=given.pop("ignore_index", None))
    if given.pop("check", False):
        check_log_probabilities(log_pred, axis, "kldeval.cross_entropy takes logits")
    if "class_weights" in given:
        given["class_weights"] = tuple(map(float, given["class_weights"]))
    values = computed_in(log_pred)
    if pred is not None:
        if not -values.ndim <= axis < values.ndim:
            msg = f"class axis {axis} does not exist in a prediction of shape {tuple(values.shape)}"
            raise UsageProblem(msg)
        values = log_softmax(_without_ignored(values, target, rule), axis=axis)
    check_choice("reduction", reduction, ("none", "sum", "mean"))
    return returned_as(entry.function(values, target, rule, **given).reduced(reduction), log_pred)


def _without_ignored(logits: Array, target: Array, rule: LabelRule) -> Array:
    """The logits with 0 at the positions that do not count: a nan there would reach the gradient."""
    xp = namespace(logits, target)
    has_gradients = xp.__name__.endswith("torch")
    if rule.ignore_index is None or target.ndim == logits.ndim or not has_gradients:
        return logits
    ignored = xp.expand_dims(target == rule.ignore_index, axis=rule.axis)
    return xp.where(ignored, xp.zeros_like(logits), logits)


_EVALUATE: Mapping[str, Callable[[Any, Keywords], Any]] = {
    "density": _of_densities,
    "maps": _of_maps,
    "fixations": _of_fixations,
    "pixels": _of_pixels,
    "labels": _of_labels,
}


def _split(entry: MetricEntry, given: Keywords) -> tuple[Keywords, Keywords]:
    """The arguments that are the metric's parameters, and the settings of the run."""
    parameters = {key: value for key, value in given.items() if key in entry.types}
    return parameters, {key: value for key, value in given.items() if key not in parameters}


def _values_of(
    entry: MetricEntry,
    sides: Mapping[str, Array],
    weights: Array | None,
    parameters: Mapping[str, Any],
    options: Keywords,
) -> list[Array]:
    """The values that a metric of stored maps takes: as they are stored, or at the end of the chains."""
    settings, of = metric_settings("kld", options), parameters.get("of")
    chains = chains_for(settings, Call(entry.name, (("of", of),) if of else ()))
    idle = [name for name in ("norm", "pred_norm", "gt_norm", "axis", "convention") if name in options]
    if idle and STORED == chains[0] == chains[1]:
        msg = f"{entry.name} takes maps as they are stored: {idle[0]} has no effect; of='norm' takes what it makes"
        raise UsageProblem(msg)
    found = []
    for array, chain, empty in zip(sides.values(), chains, (settings.empty_pred, settings.empty_gt), strict=False):
        if chain == STORED and not is_on_scale(entry.info, parameters):
            found.append(array)
            continue
        side = scaled(array, full_scale(array), settings.scale, settings.dtype, weights=weights, empty=empty)
        if chain != STORED:
            side = normalise(present(side), chain)
            refuse_problems([side], array.shape, settings)
        whole = side.whole()
        # exp underflows into ties, which ranks must not have
        found.append(side.xp.exp(whole) if side.is_log and entry.info.view != "ranks" else whole)
    return found


def _vectors_as_maps(
    pred: Array, gt: Array, weights: Array | None, settings: Settings
) -> tuple[AnyArray, AnyArray, AnyArray | None]:
    """Two vectors as maps of one row, for they are distributions; anything else, and pixelwise terms, as they are."""
    if not getattr(pred, "ndim", 0) == getattr(gt, "ndim", 0) == 1 or settings.reduction == "none":
        return pred, gt, weights
    first, second, third = (None if x is None else namespace(x).reshape(x, (1, -1)) for x in (pred, gt, weights))
    return first, second, third


def metric_settings(name: str, options: Keywords) -> Settings:
    """The settings of one metric of arrays; what is None was not said.

    Raises:
        UsageProblem: an option has no meaning.
    """
    given = {key: value for key, value in options.items() if value is not None}
    try:
        return _metric_settings(name, **given)
    except TypeError:  # an option cannot be hashed
        return _metric_settings.__wrapped__(name, **given)


@lru_cache(maxsize=64, typed=True)  # True is no 1 here
def _metric_settings(name: str, **options: Any) -> Settings:
    if options.get("empty_gt") == "skip":
        msg = "empty_gt='skip' leaves maps out of a report, but every map of an array has a result; use 'nan'"
        raise UsageProblem(msg)
    constants = {key: value for key, value in options.items() if key in METRICS[name].types}
    inside = ",".join(f"{key}={format_value(value)}" for key, value in constants.items())
    # parentheses, even around one constant, mean exactly those constants: the rule of the command line
    metric = f"{name}({inside})" if constants else name
    found = requested({**{key: value for key, value in options.items() if key not in constants}, "metric": metric})
    return replace(found, masks="")  # an array may hold many maps, whose type says the scale of all


_OF_FILES = frozenset(
    {
        *("missing", "pred_scale", "gt_scale", "resize", "color", "group_by", "fixations", "mask", "weights"),
        *("nodata", "nodata_pred", "other_map", *(f"fixation_{part}" for part in READING)),
    }
)
"""What moves the numbers of files alone: how these are read, and what stands beside them."""


def option_settings(options: Keywords) -> Settings:
    """The settings that the options of `evaluate` stand for, of maps that are given as arrays.

    Raises:
        UnknownName, UsageProblem: an option is unknown or has no meaning.
    """
    check_names(options, (KNOWN_TEXTS | {"signature", "preset", "baseline"}) - _OF_FILES)
    return requested({name: value for name, value in options.items() if name != "baseline"}, beside_texts(options))


@explicit(signature_parameters)
@speaks_python
def signature(metric: str = "kld", **options: Any) -> str:
    """The signature of the number that these keywords give: what moves it, as text that runs again.

    Args:
        metric: the metric as on the command line (`kld`, `sim(of=norm)`), or the name of its function (`kld_reverse`).
        options: the keywords of the metric's function or of `evaluate` that move a number (norm, eps, convention, ...),
            and the metric's own parameters.

    Raises:
        UnknownName: an option or the metric does not exist.
        UsageProblem: an option has no meaning for the metric, or several metrics are named.

    >>> signature("tv", norm="minmax+sum-to-one")
    'tv|pred:minmax+sum-to-one|gt:minmax+sum-to-one|scale:unit|resize:none|color:error|empty:error|reduce:slices|maps:mean|dtype:float64|v:1'
    """
    options = {name: value for name, value in options.items() if value is not None}
    name = split_call(metric)[0]
    metric = metric.replace("_", "-", name.count("_")) if name.replace("_", "-") in METRICS else metric
    types = METRICS[name.replace("_", "-")].types if name.replace("_", "-") in METRICS else {}
    constants = {key: value for key, value in options.items() if key in types and key not in KNOWN_TEXTS}
    check_names(options, {*KNOWN_TEXTS, "preset", *types})
    if constants and "(" in metric:
        msg = f"{metric} names its parameters already; leave out {', '.join(constants)}"
        raise UsageProblem(msg)
    inside = ",".join(f"{key}={format_value(value)}" for key, value in constants.items())
    further = {key: value for key, value in options.items() if key not in constants}
    settings = requested({**further, "metric": f"{metric}({inside})" if constants else metric})
    if len(settings.metrics) > 1:
        msg = f"metric={metric!r} names several metrics, each of which has a signature of its own; name one"
        raise UsageProblem(msg)
    return signatures(settings)[settings.keys[0]]


def requested(options: Keywords, beside: Mapping[str, str] | None = None, *, manifest: bool = False) -> Settings:
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
    if key == "metric" and not isinstance(value, str):
        texts = list(value) if hasattr(value, "__iter__") else []
        if not texts:
            msg = f"metric={value!r}: give a text such as 'kld,cc', or a list of such"
            raise UsageProblem(msg)
        return ",".join(map(str, texts))
    if key != "class_weights":
        return format_value(value)
    return weights_text(str(value)) if isinstance(value, str | Path) else format_value(tuple(map(float, value)))


def check_names(options: Iterable[str], known: Iterable[str]) -> None:
    """Refuse keywords that do not exist.

    Raises:
        UnknownName: naming each, with the nearest that does.
    """
    problems = [str(unknown("option", name, known)) for name in options if name not in known]
    if problems:
        raise UnknownName("\n".join(problems))


def present(values: LazyMap) -> LazyMap:
    """The values with the smallest of them where the weight is 0: a nan there would reach every gradient."""
    if values.weights is None:
        return values
    xp = values.xp
    return values.map(lambda x, low, weights: xp.where(weights > 0, x, low), values.min_max()[0], values.weights)


def refuse_problems(sides: list[LazyMap], shape: tuple[int, ...], settings: Settings) -> None:
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
                # every map of an array has a result
                words = refusal(pair, role, problem.kind, worst, chain).replace("--empty-gt skip, ", "--empty-gt ")
                raise RefusedMap(words, code=problem.kind)


def _checked(pred: Array, gt: Array, weights: Array | None) -> Array | None:
    """The weights in the shape of the maps, which were looked at."""
    check_maps(pred, gt)
    return None if weights is None else whole_weights(weights, pred, gt)


def _existing(fixations: Array, weights: Array | None) -> Array:
    """The fixations on pixels of positive weight."""
    if weights is None:
        return fixations
    xp = namespace(fixations, weights)
    return xp.where(weights > 0, fixations, xp.zeros_like(fixations))


def _log_density(pred: Array, weights: Array | None, options: Keywords) -> Array:
    settings = metric_settings("ll", {"dtype": _own_dtype(pred), **options})
    whole = _checked(pred, pred, weights)
    side = scaled(pred, full_scale(pred), settings.scale, settings.dtype, weights=whole, empty=settings.empty_pred)
    values = normalise(present(side), settings.pred)
    refuse_problems([values], pred.shape, settings)
    return density_of_block(values, slice(0, pred.shape[-2])).log


def _zero_if_asked(value: Array, gt: LazyMap, settings: Settings) -> Array:
    """The value, but 0 for an all-zero ground truth under empty_gt='zero', as in a report."""
    if settings.empty_gt != "zero":
        return value
    xp = gt.xp
    low, high = gt.min_max()
    empty = (low == 0) & (high == 0)
    empty = empty if settings.reduction == "none" else empty[..., 0, 0]
    return xp.where(empty & ~xp.isnan(value), xp.zeros_like(value), value)
