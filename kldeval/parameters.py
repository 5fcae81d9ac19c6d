"""The parameters of the library's functions, as editors show them: those of a metric, and of `evaluate`."""

from __future__ import annotations

import re
from inspect import Parameter, Signature, signature
from typing import TYPE_CHECKING, Any, TypeVar

from kldeval.metrics.registry import EPSILONS, METRICS
from kldeval.run_options import RunOptions
from kldeval.settings.build import KNOWN_TEXTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from kldeval.grammar import Entry
    from kldeval.metrics.registry import MetricInfo

    MetricEntry = Entry[Callable[..., Any], MetricInfo]

Function = TypeVar("Function", bound="Callable[..., Any]")


def explicit(parameters: Callable[[], Iterable[Parameter]]) -> Callable[[Function], Function]:
    """Give a function of `**options` the signature that says which, as `inspect.signature` and editors see it."""

    def with_signature(function: Function) -> Function:
        function.__signature__ = Signature(list(parameters()))  # type: ignore[attr-defined]
        return function

    return with_signature


def completed(keywords: type, defaults: Mapping[str, Any]) -> Callable[[Function], Function]:
    """Give a function whose `**` takes a `TypedDict` the signature with its members, which notebooks complete."""

    def with_signature(function: Function) -> Function:
        found = signature(function)
        kept = [one for one in found.parameters.values() if one.kind is not Parameter.VAR_KEYWORD]
        members = [
            Parameter(
                name, Parameter.KEYWORD_ONLY, default=defaults[name], annotation=getattr(kind, "__forward_arg__", kind)
            )
            for name, kind in keywords.__annotations__.items()
        ]
        function.__signature__ = found.replace(parameters=[*kept, *members])  # type: ignore[attr-defined]
        return function

    return with_signature


OPTIONS: Mapping[str, tuple[str, str]] = {
    "norm": ("str | None", "the steps that normalise both maps, as flatten-softmax"),
    "pred_norm": ("str | None", "the steps of the prediction alone"),
    "gt_norm": ("str | None", "the steps of the ground truth alone"),
    "axis": ("int | None", "the axis within one map along which the norm makes distributions"),
    "eps": ("float | None", "one epsilon in every place where the metric takes one"),
    "base": ('Literal["e", "2", "10", 2, 10] | None', "of the logarithm"),
    "reduction": (
        'Literal["slices", "sum", "mean", "batchmean", "none"] | None',
        "from pixels to a number per map; `batchmean`, and `slices` along an axis, count rows or columns with weight",
    ),
    "scale": ('Literal["unit", "raw"] | None', "whether types of images are divided by their full scale"),
    "empty_gt": ('Literal["error", "uniform", "zero", "nan"] | None', "what an all-zero ground truth means"),
    "empty_pred": ('Literal["error", "keep", "uniform", "nan"] | None', "what an all-zero prediction means"),
    "dtype": ('Literal["float64", "float32"] | None', "what is computed in; of tensors their own, else float64"),
    "convention": ("str | None", "the name of a published convention, which the other options override"),
}
"""What moves a metric of arrays beside its own parameters: annotation and meaning; None where nothing is said."""

_CHAIN = ("norm", "pred_norm", "gt_norm", "axis", "scale", "empty_gt", "empty_pred", "convention")
_PRED_CHAIN = ("norm", "pred_norm", "axis", "scale", "empty_pred", "convention")

BESIDE = {"baseline": "Array", "other": "Array", "others": "Array", "images": "Array"}
"""What a metric of fixations takes beside them, as arrays."""


def parameters_of(entry: MetricEntry) -> list[Parameter]:
    """The parameters of a metric's library function."""
    info, kind = entry.info, entry.info.on
    positional = {
        "density": ("pred", "gt"),
        "maps": ("pred", "gt"),
        "pixels": ("pred", "gt"),
        "labels": ("logits" if info.takes == "logits" else "log_pred", "target"),
        "fixations": ("pred", "fixations", *(name for name in info.requires if name in BESIDE)),
    }[kind]
    # of a baseline "uniform" is said as text
    texts = {"baseline"}
    found = [_parameter(name, "Array | str" if name in texts else "Array", at=True) for name in positional]
    if kind == "labels":
        found.append(_parameter("axis", "int"))
    if kind in ("density", "maps", "fixations") or (kind == "pixels" and info.statistics is not None):
        found.append(_parameter("weights", "Array | None", None))
    # without a constant in the call the metric has the default ones, which no value of a single constant stands for
    constants = bool(entry.types.keys() & set(EPSILONS))
    for name, annotation in entry.types.items():
        default = None if constants else entry.defaults.get(name, Parameter.empty)
        found.append(_parameter(name, annotation_text(annotation, optional=constants), default))
    found += [_parameter(name, annotation, default) for name, (annotation, default) in _settings_of(entry).items()]
    return [*found, _parameter("spatial_axes", "int", 2)] if kind in SPATIAL_KINDS else found


SPATIAL_KINDS = ("density", "maps", "fixations")
"""The metrics of whole maps, which have height and width or other axes."""


def _settings_of(entry: MetricEntry) -> dict[str, tuple[str, Any]]:
    """The settings that move a metric of arrays, each with its annotation and default."""
    info = entry.info
    if info.on == "labels":
        check = {} if info.takes != "log-probabilities" else {"check": ("bool", True)}
        return {"ignore_index": ("int | None", None), "reduction": (_REDUCTIONS, "mean"), **check}
    if info.on == "pixels":
        if info.statistics is not None:
            return {}
        return {"reduction": (_REDUCTIONS, "mean")}
    if info.on == "density":
        takes_eps = bool(set(EPSILONS) & entry.types.keys())
        return {name: (text, None) for name, (text, _) in OPTIONS.items() if takes_eps or name != "eps"}
    if info.on == "maps":
        return {name: (OPTIONS[name][0], None) for name in _CHAIN}
    extra: dict[str, tuple[str, Any]] = {}
    if "density" in info.requires:
        extra = {"baseline_norm": ("str", "sum-to-one")} if "baseline" in info.requires else {}
        extra["dtype"] = OPTIONS["dtype"][0], None
    return extra | {name: (OPTIONS[name][0], None) for name in _PRED_CHAIN}


_REDUCTIONS = 'Literal["none", "sum", "mean"]'


def _parameter(name: str, annotation: str, default: Any = Parameter.empty, *, at: bool = False) -> Parameter:
    kind = Parameter.POSITIONAL_OR_KEYWORD if at else Parameter.KEYWORD_ONLY
    return Parameter(name, kind, default=default, annotation=annotation)


def annotation_text(annotation: Any, *, optional: bool = False) -> str:
    """The type of a parameter as it stands in a signature.

    >>> annotation_text(float, optional=True)
    'float | None'
    """
    text = annotation.__name__ if isinstance(annotation, type) else str(annotation).replace("typing.", "")
    text = text.replace("'", '"').replace("Optional[", "").replace("]]", "] | None") if "Optional" in text else text
    text = text.replace("'", '"').replace("NoneType", "None").replace("tuple[float, ...]", "Sequence[float]")
    return f"{text} | None" if optional and "None" not in text else text


_WORDS = {
    "pred": "predicted maps (..., H, W)",
    "gt": "ground-truth maps of the same height and width; the axes before them broadcast",
    "fixations": "how often each pixel was fixated, (..., H, W)",
    "baseline": "the maps of a baseline, or 'uniform'",
    "other": "the fixations on another image, counts (..., H, W)",
    "others": "the number of fixations on all other images at each pixel, (..., H, W)",
    "images": "the number of other images on which each pixel was fixated, (..., H, W)",
    "logits": "scores of any shape, with the classes on `axis`",
    "log_pred": "log-probabilities of any shape, with the classes on `axis`",
    "target": "integer labels without that axis, or soft labels of the same shape",
    "weights": "the weight of each pixel, broadcastable to the maps; 0 leaves a pixel out",
    "ignore_index": "the label of positions that do not count",
    "check": "whether input that cannot be log-probabilities is refused",
    "baseline_norm": "the steps that make the baseline's maps densities",
    "spatial_axes": "how many of the last axes are those of one map: 3 of volumes (..., D, H, W)",
    "of": "of the values as they are stored, or at the end of the norm",
    "class_weights": "a factor for the loss of every class",
}


def documentation(entry: MetricEntry, parameters: Iterable[Parameter]) -> str:
    """The metric's own docstring, and what its parameters are."""
    text = (entry.function.__doc__ or "").rstrip()
    words = {name: meaning for name, (_, meaning) in OPTIONS.items()} | _WORDS
    lines = [f"        {p.name}: {words.get(p.name, f'parameter of the metric, {p.annotation}')}." for p in parameters]
    given = "norm=..., axis=..., gt_norm='labels'" if entry.info.on == "labels" else "the same keywords"
    signed = (
        f"    The number's signature is that of `kldeval.signature({entry.name!r}, ...)`",
        f"    with {given}.",
        "",
    )
    return "\n".join([text, "", *signed, "    Args:", *lines, "    "])


def evaluate_parameters() -> list[Parameter]:
    """The parameters of `evaluate`: what moves a number, and what a run is asked for beside, each None if not said."""
    sides = [
        Parameter(name, Parameter.POSITIONAL_OR_KEYWORD, default=None, annotation="Any") for name in ("pred", "gt")
    ]
    drawn = {"confidence": "float | None", "resamples": "int | None", "seed": "int | None"}
    found = [_parameter(name, annotation, None) for name, annotation in {**run_annotations(), **drawn}.items()]
    return [
        *sides,
        *found,
        _parameter("sort", "str | None", None),
        _parameter("output_dir", "str | PathLike[str] | None", None),
        _parameter("progress", "bool | Callable[[Any, int], None]", default=False),
        _parameter("on_failure", 'Literal["raise", "warn", "ignore"]', "warn"),
    ]


def run_annotations() -> dict[str, str]:
    """The types of the keywords of a run over maps: those that move a number, then those of the run."""
    path = "str | PathLike[str] | None"
    found = {"metric": "str | Sequence[str] | None", "signature": path, "preset": "str | None"}
    found |= {name: annotation for name, (annotation, _) in OPTIONS.items()}
    found["empty_gt"] = 'Literal["error", "skip", "uniform", "zero", "nan"] | None'
    found |= {name: found.get(name, TYPES.get(name, "str | None")) for name in sorted(KNOWN_TEXTS)}
    kinds = {"int": "int | None", "bool": "bool | None", "tuple": "Sequence[str] | None", "str": "str | None"}
    kinds |= {"float": "float | None", "Any": "Any"}
    for name, annotation in RunOptions.__annotations__.items():
        kind = re.match(r"\w+", getattr(annotation, "__forward_arg__", str(annotation)))
        found[name] = kinds.get(kind[0] if kind else "", path)
    return found | dict.fromkeys(("fixations", "mask", "weights", "baseline", "other_map"), BESIDE_MAPS)


NOT_AUDITED = (
    "bounds",
    "digests",
    "save_maps",
    "per_class",
    "device",
    "batch_bytes",
    "stack",
    "stack_axis",
    "baselines",
    "ceiling",
    "group_by",
)
AUDITED = tuple(
    sorted(
        {"resize", "color", *(name for name in KNOWN_TEXTS if name.startswith("fixation_")), *RunOptions._fields}
        - {*NOT_AUDITED, "baseline", "other_map", "mask", "weights", "manifest"}
        - {name for name in RunOptions._fields if name.endswith("_name") and name not in ("pred_name", "gt_name")}
    )
)
"""The keywords of an audit, whose conventions say what moves a number."""

IDENTIFIED = tuple(sorted((*AUDITED, "group_by")))
"""Those of `identify`, which tries the mean over groups as well."""


def _question(sides: str, own: Mapping[str, tuple[str, Any]], names: Iterable[str]) -> list[Parameter]:
    """The parameters of a question: what it is about, its own keywords, and some of those of a run."""
    annotations = run_annotations()
    at = [Parameter(name, Parameter.POSITIONAL_OR_KEYWORD, annotation="Any") for name in sides.split()]
    keywords = [_parameter(name, annotation, default) for name, (annotation, default) in own.items()]
    return [*at, *keywords, *(_parameter(name, annotations[name], None) for name in names)]


OF_REPORTS = ("baselines", "bounds", "cache", "ceiling", "digests", "per_class", "save_maps")
"""The options of a run that say what its report has, or what is kept of it: a question has no report."""

_BESIDE_MAPS = ("baseline", "fixations", "mask", "other_map", "weights")
_BESIDE = frozenset((*_BESIDE_MAPS, *(f"{name}_name" for name in _BESIDE_MAPS)))
"""What may stand beside maps, and the templates of the names of its files."""


def _keywords(*left_out: str) -> dict[str, str]:
    """The types of the keywords of a run over maps but for some."""
    return {name: annotation for name, annotation in run_annotations().items() if name not in left_out}


def explained_keywords() -> dict[str, str]:
    """The keywords of `explain` beside its own: one pair is no share of the pairs."""
    return _keywords(*OF_REPORTS, "shard")


def checked_keywords() -> dict[str, str]:
    """The keywords of `check`, which scores nothing."""
    return _keywords(*OF_REPORTS, "device", "batch_bytes")


def calibrated_keywords() -> dict[str, str]:
    """The keywords of `calibrate` beside its own: what is fitted on shares of the maps cannot be put together."""
    return _keywords(*OF_REPORTS, "shard")


def fitted_keywords() -> dict[str, str]:
    """The keywords of `fit` beside its own: nothing stands beside the maps, and they are read on this machine's CPU.

    What is fitted on shares of the maps cannot be put together.
    """
    names = {"gt_norm", "resize", "color", *RunOptions._fields} - _BESIDE - {"device", "batch_bytes", "shard"}
    return {name: annotation for name, annotation in _keywords(*OF_REPORTS).items() if name in names}


def row_keywords() -> dict[str, str]:
    """The keywords of `rows` beside its own; beside rows stands nothing, which `mask` and the others are told."""
    templates = [name for name in _BESIDE if name.endswith("_name")]
    gone = {*templates, "ceiling", "device", "batch_bytes", "save_maps", "digests"}
    return _keywords(*gone)


_PROGRESS = {"progress": ("bool | Callable[[Any, int], None]", False)}


def audit_parameters() -> list[Parameter]:
    """The parameters of `audit`."""
    own = {
        "conventions": ("str | Iterable[str]", ()),
        "metric": ("str", "kld"),
        "eps_curve": ("bool", False),
        "bounds": ("str | None", None),
    }
    return _question("pred gt", {**own, **_PROGRESS}, AUDITED)


def identify_parameters() -> list[Parameter]:
    """The parameters of `identify`."""
    value = Parameter("value", Parameter.POSITIONAL_OR_KEYWORD, annotation="float | str | Mapping[str, float | str]")
    return [value, *_question("pred gt", _PROGRESS, IDENTIFIED)]


def explain_parameters() -> list[Parameter]:
    """The parameters of `explain`."""
    return _question("pred gt", {"worst": ("int | None", None), "name": ("str | None", None)}, explained_keywords())


def fit_parameters() -> list[Parameter]:
    """The parameters of `fit`."""
    every = ("temperature", "blur", "centre", "uniform")
    own = {"parts": ("Sequence[str]", every), "folds": ("int", 5), "seed": ("int", 0), **_PROGRESS}
    return _question("pred gt", own, fitted_keywords())


def observers_parameters() -> list[Parameter]:
    """The parameters of `observers`."""
    first = Parameter("fixations", Parameter.POSITIONAL_OR_KEYWORD, annotation="str | PathLike[str]")
    models = "Mapping[str, Any] | str | PathLike[str] | None"
    second = Parameter("pred", Parameter.POSITIONAL_OR_KEYWORD, default=None, annotation=models)
    own = {
        "metric": ("str | Sequence[str] | None", None),
        "sigma": ("float | None", None),
        "counts": ("Sequence[int] | None", None),
        "draws": ("int", 1),
        "chance": ("str", "uniform"),
        "extrapolate": ("bool", False),
        "size": ("tuple[int, int] | None", None),
        "like": ("Any", None),
        "resamples": ("int", 10_000),
        "confidence": ("float", 0.95),
        "seed": ("int", 0),
        **_PROGRESS,
    }
    texts = [name for name in sorted(KNOWN_TEXTS) if name.startswith("fixation_") and name != "fixation_on"]
    return [first, second, *_question("", own, ("pred_norm", "resize", "color", *texts, *OF_OBSERVERS))]


OF_OBSERVERS = (
    *("pred_name", "fixations_name", "exclude", "limit", "key", "pred_key", "max_pixels", "trust_files", "shape"),
    *("jobs", "engine", "scheduler", "scheduler_file", "engine_timeout", "client"),
)
"""The options of a run that learning curves have."""


def reproduce_parameters() -> list[Parameter]:
    """The parameters of `reproduce`."""
    file = Parameter("file", Parameter.POSITIONAL_OR_KEYWORD, annotation="str | PathLike[str]")
    paths = Parameter("paths", Parameter.VAR_POSITIONAL, annotation="Any")
    return [file, paths, *_question("", {"tolerance": ("float", 0.0), **_PROGRESS}, RunOptions._fields)]


def calibrate_parameters() -> list[Parameter]:
    """The parameters of `calibrate`."""
    own = {"fit_share": ("float", 0.5), "resamples": ("int", 10_000), "seed": ("int", 0), "confidence": ("float", 0.95)}
    return _question("pred gt", {**own, **_PROGRESS}, calibrated_keywords())


def rows_parameters() -> list[Parameter]:
    """The parameters of `rows`."""
    on_failure = ('Literal["raise", "warn", "ignore"]', "warn")
    own = {"labels": ("Any", None), "ignore_index": ("int | None", None), "on_failure": on_failure, **_PROGRESS}
    return _question("pred gt", own, [name for name in row_keywords() if name not in own])


def stream_parameters(
    metric: str, annotation: str, default: Any = Parameter.empty, *, of_means: bool = False
) -> list[Parameter]:
    """The parameters of a stream of maps, of which the first is called `metric`; `of_means`: of no other means."""
    first = Parameter(metric, Parameter.POSITIONAL_OR_KEYWORD, default=default, annotation=annotation)
    annotations = {**run_annotations(), "signature": "str | None", "baseline": 'Literal["uniform"] | None'}
    pooled = ("maps", "ignore_index", "reduce_zero_label", "class_weights", "label_smoothing", "smoothing_over")
    names = ["signature", "preset", *(name for name in OPTIONS if name != "metric"), "baseline", "baseline_norm"]
    names += () if of_means else pooled
    own = {"rows": ("bool", False)}
    return [first, *_question("", own, ()), *(_parameter(name, annotations[name], None) for name in names)]


def signature_parameters() -> list[Parameter]:
    """The parameters of `signature`: a metric, the constants of every metric, and what moves a number."""
    first = Parameter("metric", Parameter.POSITIONAL_OR_KEYWORD, default="kld", annotation="str")
    annotations = run_annotations()
    settings = {name: annotations[name] for name in ("preset", *sorted(KNOWN_TEXTS - {"metric"}))}
    for metric in METRICS:
        for name, annotation in METRICS[metric].types.items():
            settings.setdefault(name, annotation_text(annotation, optional=True))
    return [first, *(_parameter(name, annotation, None) for name, annotation in settings.items())]


def loss_parameters(first: str = "", annotation: str = "") -> list[Parameter]:
    """The parameters of a loss, of which the first, if it has a name, stands before all keywords."""
    names = ("norm", "pred_norm", "gt_norm", "axis", "eps", "base", "scale", "convention")
    directions = 'Literal["gt-pred", "pred-gt", "mean"] | None'
    constants = {
        **dict.fromkeys(("log_eps", "num_eps", "ratio_eps", "factor"), "float | None"),
        "direction": directions,
    }
    own: dict[str, tuple[str, Any]] = {"norms": ("Mapping[str, str] | None", None)} if first else {}
    own |= {"reduction": ('Literal["mean", "sum", "none"]', "mean"), "validate": ("bool", False)}
    at = [Parameter(first, Parameter.POSITIONAL_OR_KEYWORD, annotation=annotation)] if first else []
    said = [_parameter(name, annotation, None) for name, annotation in constants.items()]
    return [*at, *_question("", own, names), *said]


def check_parameters() -> list[Parameter]:
    """The parameters of `check`."""
    sides = [
        Parameter(name, Parameter.POSITIONAL_OR_KEYWORD, default=None, annotation="Any") for name in ("pred", "gt")
    ]
    return [*sides, *_question("", {}, checked_keywords())]


BESIDE_MAPS = "str | PathLike[str] | Array | Sequence[Array] | Mapping[str, Array] | None"
"""What may stand beside maps: a file, a folder, arrays."""

TYPES = {
    "class_weights": "str | PathLike[str] | Sequence[float] | None",
    "color": 'Literal["error", "luma", "mean", "first"] | None',
    "fixation_base": "Literal[0, 1] | None",
    "fixation_threshold": "float | None",
    "ignore_index": "int | None",
    "label_smoothing": "float | None",
    "maps": 'Literal["mean", "pixels", "fixations", "groups"] | None',
    "nodata": "float | str | None",
}
"""The types of keywords that are no plain text."""
