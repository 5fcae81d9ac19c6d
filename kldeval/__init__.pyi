"""The public names, as `python tools/stub.py` finds them; what runs is in `__init__.py`."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from os import PathLike
from typing import Any, Literal, overload

from kldeval._version import __version__ as __version__
from kldeval.api.answers import Reproduction as Reproduction
from kldeval.api.answers import reproduce as reproduce
from kldeval.api.documents import Audit as Audit
from kldeval.api.documents import Comparison as Comparison
from kldeval.api.documents import Explanation as Explanation
from kldeval.api.documents import Identification as Identification
from kldeval.api.documents import Inspection as Inspection
from kldeval.api.documents import Leaderboard as Leaderboard
from kldeval.api.documents import Methods as Methods
from kldeval.api.documents import Report as Report
from kldeval.api.questions import compare as compare
from kldeval.api.questions import density as density
from kldeval.api.questions import list_conventions as list_conventions
from kldeval.api.questions import methods as methods
from kldeval.arrays import AnyArray, Array
from kldeval.errors import KldevalError as KldevalError
from kldeval.errors import MapProblem as MapProblem
from kldeval.errors import MapsFailed as MapsFailed
from kldeval.errors import MissingDependency as MissingDependency
from kldeval.errors import NoPartner as NoPartner
from kldeval.errors import RefusedMap as RefusedMap
from kldeval.errors import UnknownName as UnknownName
from kldeval.errors import UnreadableMap as UnreadableMap
from kldeval.errors import UsageProblem as UsageProblem
from kldeval.metrics.binary import bce_with_logits as bce_with_logits
from kldeval.metrics.frameworks import keras_categorical_crossentropy as keras_categorical_crossentropy
from kldeval.metrics.frameworks import keras_kl_divergence as keras_kl_divergence
from kldeval.metrics.frameworks import kl_div as kl_div
from kldeval.normalization.softmax import log_sigmoid as log_sigmoid
from kldeval.normalization.softmax import log_softmax as log_softmax
from kldeval.normalization.softmax import sigmoid as sigmoid
from kldeval.normalization.softmax import softmax as softmax
from kldeval.streaming import Metric as _Metric
from kldeval.streaming import MetricCollection as _MetricCollection

__all__ = [
    "Audit",
    "Comparison",
    "Explanation",
    "Identification",
    "Inspection",
    "KldevalError",
    "Leaderboard",
    "MapProblem",
    "MapsFailed",
    "Methods",
    "Metric",
    "MetricCollection",
    "MissingDependency",
    "NoPartner",
    "RefusedMap",
    "Report",
    "Reproduction",
    "UnknownName",
    "UnreadableMap",
    "UsageProblem",
    "__version__",
    "accuracy",
    "ace",
    "auc",
    "auc_borji",
    "auc_judd",
    "auc_shuffled",
    "audit",
    "bce",
    "bce_with_logits",
    "bernoulli_kld",
    "bhattacharyya",
    "binary_ace",
    "binary_brier",
    "binary_brier_reliability",
    "binary_brier_resolution",
    "binary_brier_uncertainty",
    "binary_brier_within",
    "binary_ece",
    "binary_mce",
    "binary_rmsce",
    "binary_rmsce_debiased",
    "brier",
    "brier_reliability",
    "brier_resolution",
    "brier_uncertainty",
    "brier_within",
    "cc",
    "ce",
    "check",
    "classwise_ece",
    "compare",
    "cross_entropy",
    "density",
    "ece",
    "emd",
    "entropy_gt",
    "evaluate",
    "explain",
    "hellinger",
    "identify",
    "ig",
    "ig_mit",
    "jensenshannon",
    "js_distance",
    "jsd",
    "keras_categorical_crossentropy",
    "keras_kl_divergence",
    "kl_div",
    "kld",
    "kld_reverse",
    "list_conventions",
    "ll",
    "log_sigmoid",
    "log_softmax",
    "mae",
    "mce",
    "methods",
    "mse",
    "nll",
    "nss",
    "reproduce",
    "rmsce",
    "rmsce_debiased",
    "rps",
    "sauc",
    "sauc_salicon",
    "schoener_d",
    "sigmoid",
    "signature",
    "sim",
    "softmax",
    "tv",
    "warren_i",
]

@overload
def evaluate(
    pred: Mapping[str, Any],
    gt: Any,
    *,
    metric: str | Sequence[str] | None = None,
    signature: str | PathLike[str] | None = None,
    preset: str | None = None,
    norm: str | None = None,
    pred_norm: str | None = None,
    gt_norm: str | None = None,
    axis: int | None = None,
    eps: float | None = None,
    base: Literal["e", "2", "10", 2, 10] | None = None,
    reduction: Literal["slices", "sum", "mean", "batchmean", "none"] | None = None,
    scale: Literal["unit", "raw"] | None = None,
    empty_gt: Literal["error", "skip", "uniform", "zero", "nan"] | None = None,
    empty_pred: Literal["error", "keep", "uniform", "nan"] | None = None,
    dtype: Literal["float64", "float32"] | None = None,
    convention: str | None = None,
    baseline: str | PathLike[str] | Array | Sequence[Array] | Mapping[str, Array] | None = None,
    baseline_norm: str | None = None,
    class_weights: str | PathLike[str] | Sequence[float] | None = None,
    color: Literal["error", "luma", "mean", "first"] | None = None,
    fixation_base: Literal[0, 1] | None = None,
    fixation_columns: str | None = None,
    fixation_first: str | None = None,
    fixation_gaze: str | None = None,
    fixation_on: str | None = None,
    fixation_outside: str | None = None,
    fixation_rounding: str | None = None,
    fixation_size: str | None = None,
    fixation_threshold: float | None = None,
    fixation_variable: str | None = None,
    fixation_where: str | None = None,
    group_by: str | None = None,
    ignore_index: int | None = None,
    label_smoothing: float | None = None,
    maps: Literal["mean", "pixels", "fixations", "groups"] | None = None,
    mask: str | PathLike[str] | Array | Sequence[Array] | Mapping[str, Array] | None = None,
    missing: str | None = None,
    nodata: float | str | None = None,
    nodata_pred: str | None = None,
    other_map: str | PathLike[str] | Array | Sequence[Array] | Mapping[str, Array] | None = None,
    reduce_zero_label: str | None = None,
    resize: str | None = None,
    smoothing_over: str | None = None,
    weights: str | PathLike[str] | Array | Sequence[Array] | Mapping[str, Array] | None = None,
    manifest: str | PathLike[str] | None = None,
    pred_name: str | None = None,
    gt_name: str | None = None,
    fixations_name: str | None = None,
    mask_name: str | None = None,
    baseline_name: str | None = None,
    weights_name: str | None = None,
    other_map_name: str | None = None,
    exclude: Sequence[str] | None = None,
    fixations: str | PathLike[str] | Array | Sequence[Array] | Mapping[str, Array] | None = None,
    baselines: bool | None = None,
    ceiling: str | None = None,
    allow_missing: bool | None = None,
    allow_extra: bool | None = None,
    limit: int | None = None,
    shard: str | None = None,
    key: str | None = None,
    pred_key: str | None = None,
    gt_key: str | None = None,
    stack: bool | None = None,
    shape: str | None = None,
    max_pixels: int | None = None,
    trust_files: bool | None = None,
    device: str | None = None,
    jobs: int | None = None,
    batch_bytes: int | None = None,
    save_maps: str | PathLike[str] | None = None,
    cache: str | PathLike[str] | None = None,
    per_class: bool | None = None,
    digests: bool | None = None,
    bounds: str | None = None,
    engine: str | None = None,
    scheduler: str | None = None,
    scheduler_file: str | PathLike[str] | None = None,
    engine_timeout: str | PathLike[str] | None = None,
    client: str | PathLike[str] | None = None,
    confidence: float | None = None,
    resamples: int | None = None,
    seed: int | None = None,
    sort: str | None = None,
    progress: bool | Callable[[Any, int], None] = False,
    on_failure: Literal["raise", "warn", "ignore"] = "warn",
) -> Leaderboard: ...
@overload
def evaluate(
    pred: Any = None,
    gt: Any = None,
    *,
    metric: str | Sequence[str] | None = None,
    signature: str | PathLike[str] | None = None,
    preset: str | None = None,
    norm: str | None = None,
    pred_norm: str | None = None,
    gt_norm: str | None = None,
    axis: int | None = None,
    eps: float | None = None,
    base: Literal["e", "2", "10", 2, 10] | None = None,
    reduction: Literal["slices", "sum", "mean", "batchmean", "none"] | None = None,
    scale: Literal["unit", "raw"] | None = None,
    empty_gt: Literal["error", "skip", "uniform", "zero", "nan"] | None = None,
    empty_pred: Literal["error", "keep", "uniform", "nan"] | None = None,
    dtype: Literal["float64", "float32"] | None = None,
    convention: str | None = None,
    baseline: str | PathLike[str] | Array | Sequence[Array] | Mapping[str, Array] | None = None,
    baseline_norm: str | None = None,
    class_weights: str | PathLike[str] | Sequence[float] | None = None,
    color: Literal["error", "luma", "mean", "first"] | None = None,
    fixation_base: Literal[0, 1] | None = None,
    fixation_columns: str | None = None,
    fixation_first: str | None = None,
    fixation_gaze: str | None = None,
    fixation_on: str | None = None,
    fixation_outside: str | None = None,
    fixation_rounding: str | None = None,
    fixation_size: str | None = None,
    fixation_threshold: float | None = None,
    fixation_variable: str | None = None,
    fixation_where: str | None = None,
    group_by: str | None = None,
    ignore_index: int | None = None,
    label_smoothing: float | None = None,
    maps: Literal["mean", "pixels", "fixations", "groups"] | None = None,
    mask: str | PathLike[str] | Array | Sequence[Array] | Mapping[str, Array] | None = None,
    missing: str | None = None,
    nodata: float | str | None = None,
    nodata_pred: str | None = None,
    other_map: str | PathLike[str] | Array | Sequence[Array] | Mapping[str, Array] | None = None,
    reduce_zero_label: str | None = None,
    resize: str | None = None,
    smoothing_over: str | None = None,
    weights: str | PathLike[str] | Array | Sequence[Array] | Mapping[str, Array] | None = None,
    manifest: str | PathLike[str] | None = None,
    pred_name: str | None = None,
    gt_name: str | None = None,
    fixations_name: str | None = None,
    mask_name: str | None = None,
    baseline_name: str | None = None,
    weights_name: str | None = None,
    other_map_name: str | None = None,
    exclude: Sequence[str] | None = None,
    fixations: str | PathLike[str] | Array | Sequence[Array] | Mapping[str, Array] | None = None,
    baselines: bool | None = None,
    ceiling: str | None = None,
    allow_missing: bool | None = None,
    allow_extra: bool | None = None,
    limit: int | None = None,
    shard: str | None = None,
    key: str | None = None,
    pred_key: str | None = None,
    gt_key: str | None = None,
    stack: bool | None = None,
    shape: str | None = None,
    max_pixels: int | None = None,
    trust_files: bool | None = None,
    device: str | None = None,
    jobs: int | None = None,
    batch_bytes: int | None = None,
    save_maps: str | PathLike[str] | None = None,
    cache: str | PathLike[str] | None = None,
    per_class: bool | None = None,
    digests: bool | None = None,
    bounds: str | None = None,
    engine: str | None = None,
    scheduler: str | None = None,
    scheduler_file: str | PathLike[str] | None = None,
    engine_timeout: str | PathLike[str] | None = None,
    client: str | PathLike[str] | None = None,
    confidence: float | None = None,
    resamples: int | None = None,
    seed: int | None = None,
    sort: str | None = None,
    progress: bool | Callable[[Any, int], None] = False,
    on_failure: Literal["raise", "warn", "ignore"] = "warn",
) -> Report: ...
def audit(
    pred: Any,
    gt: Any,
    *,
    conventions: str | Iterable[str] = (),
    metric: str = "kld",
    eps_curve: bool = False,
    progress: bool | Callable[[Any, int], None] = False,
    allow_extra: bool | None = None,
    allow_missing: bool | None = None,
    cache: str | PathLike[str] | None = None,
    client: str | PathLike[str] | None = None,
    color: Literal["error", "luma", "mean", "first"] | None = None,
    engine: str | None = None,
    engine_timeout: str | PathLike[str] | None = None,
    exclude: Sequence[str] | None = None,
    fixation_base: Literal[0, 1] | None = None,
    fixation_columns: str | None = None,
    fixation_first: str | None = None,
    fixation_gaze: str | None = None,
    fixation_on: str | None = None,
    fixation_outside: str | None = None,
    fixation_rounding: str | None = None,
    fixation_size: str | None = None,
    fixation_threshold: float | None = None,
    fixation_variable: str | None = None,
    fixation_where: str | None = None,
    fixations: str | PathLike[str] | Array | Sequence[Array] | Mapping[str, Array] | None = None,
    gt_key: str | None = None,
    gt_name: str | None = None,
    jobs: int | None = None,
    key: str | None = None,
    limit: int | None = None,
    max_pixels: int | None = None,
    pred_key: str | None = None,
    pred_name: str | None = None,
    resize: str | None = None,
    scheduler: str | None = None,
    scheduler_file: str | PathLike[str] | None = None,
    shape: str | None = None,
    trust_files: bool | None = None,
) -> Audit:
    """Score the same maps under every published convention, or some, as `kldeval audit` does."""

def check(
    pred: Any = None,
    gt: Any = None,
    *,
    metric: str | Sequence[str] | None = None,
    signature: str | PathLike[str] | None = None,
    preset: str | None = None,
    norm: str | None = None,
    pred_norm: str | None = None,
    gt_norm: str | None = None,
    axis: int | None = None,
    eps: float | None = None,
    base: Literal["e", "2", "10", 2, 10] | None = None,
    reduction: Literal["slices", "sum", "mean", "batchmean", "none"] | None = None,
    scale: Literal["unit", "raw"] | None = None,
    empty_gt: Literal["error", "skip", "uniform", "zero", "nan"] | None = None,
    empty_pred: Literal["error", "keep", "uniform", "nan"] | None = None,
    dtype: Literal["float64", "float32"] | None = None,
    convention: str | None = None,
    baseline: str | PathLike[str] | Array | Sequence[Array] | Mapping[str, Array] | None = None,
    baseline_norm: str | None = None,
    class_weights: str | PathLike[str] | Sequence[float] | None = None,
    color: Literal["error", "luma", "mean", "first"] | None = None,
    fixation_base: Literal[0, 1] | None = None,
    fixation_columns: str | None = None,
    fixation_first: str | None = None,
    fixation_gaze: str | None = None,
    fixation_on: str | None = None,
    fixation_outside: str | None = None,
    fixation_rounding: str | None = None,
    fixation_size: str | None = None,
    fixation_threshold: float | None = None,
    fixation_variable: str | None = None,
    fixation_where: str | None = None,
    group_by: str | None = None,
    ignore_index: int | None = None,
    label_smoothing: float | None = None,
    maps: Literal["mean", "pixels", "fixations", "groups"] | None = None,
    mask: str | PathLike[str] | Array | Sequence[Array] | Mapping[str, Array] | None = None,
    missing: str | None = None,
    nodata: float | str | None = None,
    nodata_pred: str | None = None,
    other_map: str | PathLike[str] | Array | Sequence[Array] | Mapping[str, Array] | None = None,
    reduce_zero_label: str | None = None,
    resize: str | None = None,
    smoothing_over: str | None = None,
    weights: str | PathLike[str] | Array | Sequence[Array] | Mapping[str, Array] | None = None,
    manifest: str | PathLike[str] | None = None,
    pred_name: str | None = None,
    gt_name: str | None = None,
    fixations_name: str | None = None,
    mask_name: str | None = None,
    baseline_name: str | None = None,
    weights_name: str | None = None,
    other_map_name: str | None = None,
    exclude: Sequence[str] | None = None,
    fixations: str | PathLike[str] | Array | Sequence[Array] | Mapping[str, Array] | None = None,
    baselines: bool | None = None,
    ceiling: str | None = None,
    allow_missing: bool | None = None,
    allow_extra: bool | None = None,
    limit: int | None = None,
    shard: str | None = None,
    key: str | None = None,
    pred_key: str | None = None,
    gt_key: str | None = None,
    stack: bool | None = None,
    shape: str | None = None,
    max_pixels: int | None = None,
    trust_files: bool | None = None,
    device: str | None = None,
    jobs: int | None = None,
    batch_bytes: int | None = None,
    save_maps: str | PathLike[str] | None = None,
    cache: str | PathLike[str] | None = None,
    per_class: bool | None = None,
    digests: bool | None = None,
    bounds: str | None = None,
    engine: str | None = None,
    scheduler: str | None = None,
    scheduler_file: str | PathLike[str] | None = None,
    engine_timeout: str | PathLike[str] | None = None,
    client: str | PathLike[str] | None = None,
) -> Inspection:
    """Which maps belong together, what they hold, and what is wrong, without scoring; true where all is well."""

def explain(
    pred: Any,
    gt: Any,
    *,
    worst: int | None = None,
    name: str | None = None,
    metric: str | Sequence[str] | None = None,
    signature: str | PathLike[str] | None = None,
    preset: str | None = None,
    norm: str | None = None,
    pred_norm: str | None = None,
    gt_norm: str | None = None,
    axis: int | None = None,
    eps: float | None = None,
    base: Literal["e", "2", "10", 2, 10] | None = None,
    reduction: Literal["slices", "sum", "mean", "batchmean", "none"] | None = None,
    scale: Literal["unit", "raw"] | None = None,
    empty_gt: Literal["error", "skip", "uniform", "zero", "nan"] | None = None,
    empty_pred: Literal["error", "keep", "uniform", "nan"] | None = None,
    dtype: Literal["float64", "float32"] | None = None,
    convention: str | None = None,
    baseline: str | PathLike[str] | Array | Sequence[Array] | Mapping[str, Array] | None = None,
    baseline_norm: str | None = None,
    class_weights: str | PathLike[str] | Sequence[float] | None = None,
    color: Literal["error", "luma", "mean", "first"] | None = None,
    fixation_base: Literal[0, 1] | None = None,
    fixation_columns: str | None = None,
    fixation_first: str | None = None,
    fixation_gaze: str | None = None,
    fixation_on: str | None = None,
    fixation_outside: str | None = None,
    fixation_rounding: str | None = None,
    fixation_size: str | None = None,
    fixation_threshold: float | None = None,
    fixation_variable: str | None = None,
    fixation_where: str | None = None,
    group_by: str | None = None,
    ignore_index: int | None = None,
    label_smoothing: float | None = None,
    maps: Literal["mean", "pixels", "fixations", "groups"] | None = None,
    mask: str | PathLike[str] | Array | Sequence[Array] | Mapping[str, Array] | None = None,
    missing: str | None = None,
    nodata: float | str | None = None,
    nodata_pred: str | None = None,
    other_map: str | PathLike[str] | Array | Sequence[Array] | Mapping[str, Array] | None = None,
    reduce_zero_label: str | None = None,
    resize: str | None = None,
    smoothing_over: str | None = None,
    weights: str | PathLike[str] | Array | Sequence[Array] | Mapping[str, Array] | None = None,
    manifest: str | PathLike[str] | None = None,
    pred_name: str | None = None,
    gt_name: str | None = None,
    fixations_name: str | None = None,
    mask_name: str | None = None,
    baseline_name: str | None = None,
    weights_name: str | None = None,
    other_map_name: str | None = None,
    exclude: Sequence[str] | None = None,
    fixations: str | PathLike[str] | Array | Sequence[Array] | Mapping[str, Array] | None = None,
    baselines: bool | None = None,
    ceiling: str | None = None,
    allow_missing: bool | None = None,
    allow_extra: bool | None = None,
    limit: int | None = None,
    shard: str | None = None,
    key: str | None = None,
    pred_key: str | None = None,
    gt_key: str | None = None,
    stack: bool | None = None,
    shape: str | None = None,
    max_pixels: int | None = None,
    trust_files: bool | None = None,
    device: str | None = None,
    jobs: int | None = None,
    batch_bytes: int | None = None,
    save_maps: str | PathLike[str] | None = None,
    cache: str | PathLike[str] | None = None,
    per_class: bool | None = None,
    digests: bool | None = None,
    bounds: str | None = None,
    engine: str | None = None,
    scheduler: str | None = None,
    scheduler_file: str | PathLike[str] | None = None,
    engine_timeout: str | PathLike[str] | None = None,
    client: str | PathLike[str] | None = None,
) -> Explanation:
    """Show one pair step by step: what each step does to the numbers, and which pixels make the result."""

def identify(
    value: float | str | Mapping[str, float | str],
    pred: Any,
    gt: Any,
    *,
    progress: bool | Callable[[Any, int], None] = False,
    allow_extra: bool | None = None,
    allow_missing: bool | None = None,
    cache: str | PathLike[str] | None = None,
    client: str | PathLike[str] | None = None,
    color: Literal["error", "luma", "mean", "first"] | None = None,
    engine: str | None = None,
    engine_timeout: str | PathLike[str] | None = None,
    exclude: Sequence[str] | None = None,
    fixation_base: Literal[0, 1] | None = None,
    fixation_columns: str | None = None,
    fixation_first: str | None = None,
    fixation_gaze: str | None = None,
    fixation_on: str | None = None,
    fixation_outside: str | None = None,
    fixation_rounding: str | None = None,
    fixation_size: str | None = None,
    fixation_threshold: float | None = None,
    fixation_variable: str | None = None,
    fixation_where: str | None = None,
    fixations: str | PathLike[str] | Array | Sequence[Array] | Mapping[str, Array] | None = None,
    gt_key: str | None = None,
    gt_name: str | None = None,
    jobs: int | None = None,
    key: str | None = None,
    limit: int | None = None,
    max_pixels: int | None = None,
    pred_key: str | None = None,
    pred_name: str | None = None,
    resize: str | None = None,
    scheduler: str | None = None,
    scheduler_file: str | PathLike[str] | None = None,
    shape: str | None = None,
    trust_files: bool | None = None,
) -> Identification:
    """Which conventions print a published number on these maps, as `kldeval identify` finds."""

def signature(
    metric: str = "kld",
    *,
    preset: str | None = None,
    axis: int | None = None,
    base: Literal["e", "2", "10", 2, 10] | None = None,
    baseline: str | PathLike[str] | Array | Sequence[Array] | Mapping[str, Array] | None = None,
    baseline_norm: str | None = None,
    class_weights: str | PathLike[str] | Sequence[float] | None = None,
    color: Literal["error", "luma", "mean", "first"] | None = None,
    convention: str | None = None,
    dtype: Literal["float64", "float32"] | None = None,
    empty_gt: Literal["error", "skip", "uniform", "zero", "nan"] | None = None,
    empty_pred: Literal["error", "keep", "uniform", "nan"] | None = None,
    eps: float | None = None,
    fixation_base: Literal[0, 1] | None = None,
    fixation_columns: str | None = None,
    fixation_first: str | None = None,
    fixation_gaze: str | None = None,
    fixation_on: str | None = None,
    fixation_outside: str | None = None,
    fixation_rounding: str | None = None,
    fixation_size: str | None = None,
    fixation_threshold: float | None = None,
    fixation_variable: str | None = None,
    fixation_where: str | None = None,
    group_by: str | None = None,
    gt_norm: str | None = None,
    ignore_index: int | None = None,
    label_smoothing: float | None = None,
    maps: Literal["mean", "pixels", "fixations", "groups"] | None = None,
    mask: str | PathLike[str] | Array | Sequence[Array] | Mapping[str, Array] | None = None,
    missing: str | None = None,
    nodata: float | str | None = None,
    nodata_pred: str | None = None,
    norm: str | None = None,
    other_map: str | PathLike[str] | Array | Sequence[Array] | Mapping[str, Array] | None = None,
    pred_norm: str | None = None,
    reduce_zero_label: str | None = None,
    reduction: Literal["slices", "sum", "mean", "batchmean", "none"] | None = None,
    resize: str | None = None,
    scale: Literal["unit", "raw"] | None = None,
    smoothing_over: str | None = None,
    weights: str | PathLike[str] | Array | Sequence[Array] | Mapping[str, Array] | None = None,
    clamp: float | None = None,
    bins: int | None = None,
    std_eps: float | None = None,
    of: Literal["stored", "norm"] | None = None,
    minmax: bool | None = None,
    log_eps: float | None = None,
    num_eps: float | None = None,
    ratio_eps: float | None = None,
    direction: Literal["gt-pred", "pred-gt", "mean"] | None = None,
    factor: float | None = None,
    unit: Literal["cells", "diagonal"] | None = None,
    ddof: int | None = None,
    repeats: bool | None = None,
    negatives: Literal["all", "unfixated"] | None = None,
    jitter: Literal["expected", "none", "unique"] | None = None,
    ties: Literal["exact", "float"] | None = None,
    step: float | None = None,
) -> str:
    """The signature of the number that these keywords give: what moves it, as text that runs again."""

class Metric(_Metric):
    def __init__(
        self,
        metric: str = "kld",
        *,
        rows: bool = False,
        signature: str | None = None,
        preset: str | None = None,
        norm: str | None = None,
        pred_norm: str | None = None,
        gt_norm: str | None = None,
        axis: int | None = None,
        eps: float | None = None,
        base: Literal["e", "2", "10", 2, 10] | None = None,
        reduction: Literal["slices", "sum", "mean", "batchmean", "none"] | None = None,
        scale: Literal["unit", "raw"] | None = None,
        empty_gt: Literal["error", "skip", "uniform", "zero", "nan"] | None = None,
        empty_pred: Literal["error", "keep", "uniform", "nan"] | None = None,
        dtype: Literal["float64", "float32"] | None = None,
        convention: str | None = None,
        baseline: Literal["uniform"] | None = None,
        baseline_norm: str | None = None,
    ) -> None: ...

class MetricCollection(_MetricCollection):
    def __init__(
        self,
        metrics: str | Sequence[str],
        *,
        rows: bool = False,
        signature: str | None = None,
        preset: str | None = None,
        norm: str | None = None,
        pred_norm: str | None = None,
        gt_norm: str | None = None,
        axis: int | None = None,
        eps: float | None = None,
        base: Literal["e", "2", "10", 2, 10] | None = None,
        reduction: Literal["slices", "sum", "mean", "batchmean", "none"] | None = None,
        scale: Literal["unit", "raw"] | None = None,
        empty_gt: Literal["error", "skip", "uniform", "zero", "nan"] | None = None,
        empty_pred: Literal["error", "keep", "uniform", "nan"] | None = None,
        dtype: Literal["float64", "float32"] | None = None,
        convention: str | None = None,
        baseline: Literal["uniform"] | None = None,
        baseline_norm: str | None = None,
    ) -> None: ...

def bernoulli_kld(
    pred: Array,
    gt: Array,
    *,
    clamp: float = -100.0,
    reduction: Literal["none", "sum", "mean"] = "mean",
) -> AnyArray:
    """Bernoulli divergence of the prediction from the ground truth, D(gt || pred) of each pixel's classes, in nats."""

def bce(
    pred: Array,
    gt: Array,
    *,
    clamp: float = -100.0,
    reduction: Literal["none", "sum", "mean"] = "mean",
) -> AnyArray:
    """Binary cross-entropy of the prediction under the ground truth, in nats: -(t ln p + (1 - t) ln(1 - p))."""

def binary_ece(
    pred: Array,
    gt: Array,
    *,
    weights: Array | None = None,
    bins: int = 15,
) -> AnyArray:
    """Expected calibration error of one probability a pixel: sum over bins of n_b / N |share occurred - mean p|."""

def binary_mce(
    pred: Array,
    gt: Array,
    *,
    weights: Array | None = None,
    bins: int = 15,
) -> AnyArray:
    """Maximum calibration error of one probability a pixel: the largest |share occurred - mean p| of a filled bin."""

def binary_ace(
    pred: Array,
    gt: Array,
    *,
    weights: Array | None = None,
    bins: int = 15,
) -> AnyArray:
    """Adaptive calibration error of one probability a pixel: `binary-ece` in bins of equal numbers of pixels."""

def binary_rmsce(
    pred: Array,
    gt: Array,
    *,
    weights: Array | None = None,
    bins: int = 15,
) -> AnyArray:
    """Root mean squared calibration error of one probability a pixel: the root of sum n_b / N (share - mean p)^2."""

def binary_rmsce_debiased(
    pred: Array,
    gt: Array,
    *,
    weights: Array | None = None,
    bins: int = 15,
) -> AnyArray:
    """Debiased root mean squared calibration error of one probability a pixel: without what chance adds."""

def binary_brier(
    pred: Array,
    gt: Array,
    *,
    weights: Array | None = None,
    bins: int = 15,
) -> AnyArray:
    """Brier score of one probability a pixel: the mean of (p - o)^2 over all pixels, in 0..1."""

def binary_brier_reliability(
    pred: Array,
    gt: Array,
    *,
    weights: Array | None = None,
    bins: int = 15,
) -> AnyArray:
    """Reliability term of `binary-brier`: how far probabilities are from shares that occur."""

def binary_brier_resolution(
    pred: Array,
    gt: Array,
    *,
    weights: Array | None = None,
    bins: int = 15,
) -> AnyArray:
    """Resolution term of `binary-brier`: how far these shares differ from bin to bin."""

def binary_brier_uncertainty(
    pred: Array,
    gt: Array,
    *,
    weights: Array | None = None,
    bins: int = 15,
) -> AnyArray:
    """Uncertainty term of `binary-brier`: the variance of the ground truth."""

def binary_brier_within(
    pred: Array,
    gt: Array,
    *,
    weights: Array | None = None,
    bins: int = 15,
) -> AnyArray:
    """Rest term of `binary-brier`: variance of p within bins less twice its covariance with o."""

def cc(
    pred: Array,
    gt: Array,
    *,
    weights: Array | None = None,
    std_eps: float = 0.0,
    of: Literal["stored", "norm"] | None = None,
    norm: str | None = None,
    pred_norm: str | None = None,
    gt_norm: str | None = None,
    axis: int | None = None,
    scale: Literal["unit", "raw"] | None = None,
    empty_gt: Literal["error", "uniform", "zero", "nan"] | None = None,
    empty_pred: Literal["error", "keep", "uniform", "nan"] | None = None,
    convention: str | None = None,
) -> AnyArray:
    """Pearson correlation of the two maps over their pixels, from -1 to 1; higher is better."""

def sim(
    pred: Array,
    gt: Array,
    *,
    weights: Array | None = None,
    minmax: bool = False,
    of: Literal["stored", "norm"] | None = None,
    norm: str | None = None,
    pred_norm: str | None = None,
    gt_norm: str | None = None,
    axis: int | None = None,
    scale: Literal["unit", "raw"] | None = None,
    empty_gt: Literal["error", "uniform", "zero", "nan"] | None = None,
    empty_pred: Literal["error", "keep", "uniform", "nan"] | None = None,
    convention: str | None = None,
) -> AnyArray:
    """Similarity, the intersection of the two maps as histograms, from 0 to 1; higher is better."""

def mse(
    pred: Array,
    gt: Array,
    *,
    weights: Array | None = None,
    of: Literal["stored", "norm"] | None = None,
    norm: str | None = None,
    pred_norm: str | None = None,
    gt_norm: str | None = None,
    axis: int | None = None,
    scale: Literal["unit", "raw"] | None = None,
    empty_gt: Literal["error", "uniform", "zero", "nan"] | None = None,
    empty_pred: Literal["error", "keep", "uniform", "nan"] | None = None,
    convention: str | None = None,
) -> AnyArray:
    """Mean squared error, sum w (p - q)^2 / sum w, in squared units of the maps; lower is better."""

def mae(
    pred: Array,
    gt: Array,
    *,
    weights: Array | None = None,
    of: Literal["stored", "norm"] | None = None,
    norm: str | None = None,
    pred_norm: str | None = None,
    gt_norm: str | None = None,
    axis: int | None = None,
    scale: Literal["unit", "raw"] | None = None,
    empty_gt: Literal["error", "uniform", "zero", "nan"] | None = None,
    empty_pred: Literal["error", "keep", "uniform", "nan"] | None = None,
    convention: str | None = None,
) -> AnyArray:
    """Mean absolute error, sum w |p - q| / sum w, in units of the maps; lower is better."""

def kld(
    pred: Array,
    gt: Array,
    *,
    weights: Array | None = None,
    log_eps: float | None = None,
    num_eps: float | None = None,
    ratio_eps: float | None = None,
    direction: Literal["gt-pred", "pred-gt", "mean"] | None = None,
    factor: float | None = None,
    norm: str | None = None,
    pred_norm: str | None = None,
    gt_norm: str | None = None,
    axis: int | None = None,
    eps: float | None = None,
    base: Literal["e", "2", "10", 2, 10] | None = None,
    reduction: Literal["slices", "sum", "mean", "batchmean", "none"] | None = None,
    scale: Literal["unit", "raw"] | None = None,
    empty_gt: Literal["error", "uniform", "zero", "nan"] | None = None,
    empty_pred: Literal["error", "keep", "uniform", "nan"] | None = None,
    dtype: Literal["float64", "float32"] | None = None,
    convention: str | None = None,
) -> AnyArray:
    """Kullback-Leibler divergence of the prediction from the ground truth, D(gt || pred), in nats."""

def kld_reverse(
    pred: Array,
    gt: Array,
    *,
    weights: Array | None = None,
    log_eps: float | None = None,
    num_eps: float | None = None,
    ratio_eps: float | None = None,
    norm: str | None = None,
    pred_norm: str | None = None,
    gt_norm: str | None = None,
    axis: int | None = None,
    eps: float | None = None,
    base: Literal["e", "2", "10", 2, 10] | None = None,
    reduction: Literal["slices", "sum", "mean", "batchmean", "none"] | None = None,
    scale: Literal["unit", "raw"] | None = None,
    empty_gt: Literal["error", "uniform", "zero", "nan"] | None = None,
    empty_pred: Literal["error", "keep", "uniform", "nan"] | None = None,
    dtype: Literal["float64", "float32"] | None = None,
    convention: str | None = None,
) -> AnyArray:
    """Kullback-Leibler divergence of the ground truth from the prediction, D(pred || gt), in nats."""

def ce(
    pred: Array,
    gt: Array,
    *,
    weights: Array | None = None,
    ratio_eps: float | None = None,
    norm: str | None = None,
    pred_norm: str | None = None,
    gt_norm: str | None = None,
    axis: int | None = None,
    eps: float | None = None,
    base: Literal["e", "2", "10", 2, 10] | None = None,
    reduction: Literal["slices", "sum", "mean", "batchmean", "none"] | None = None,
    scale: Literal["unit", "raw"] | None = None,
    empty_gt: Literal["error", "uniform", "zero", "nan"] | None = None,
    empty_pred: Literal["error", "keep", "uniform", "nan"] | None = None,
    dtype: Literal["float64", "float32"] | None = None,
    convention: str | None = None,
) -> AnyArray:
    """Cross-entropy of the prediction under the ground truth, H(gt, pred), in nats: -sum q ln(p + ratio_eps)."""

def jsd(
    pred: Array,
    gt: Array,
    *,
    weights: Array | None = None,
    norm: str | None = None,
    pred_norm: str | None = None,
    gt_norm: str | None = None,
    axis: int | None = None,
    base: Literal["e", "2", "10", 2, 10] | None = None,
    reduction: Literal["slices", "sum", "mean", "batchmean", "none"] | None = None,
    scale: Literal["unit", "raw"] | None = None,
    empty_gt: Literal["error", "uniform", "zero", "nan"] | None = None,
    empty_pred: Literal["error", "keep", "uniform", "nan"] | None = None,
    dtype: Literal["float64", "float32"] | None = None,
    convention: str | None = None,
) -> AnyArray:
    """Jensen-Shannon divergence of prediction and ground truth, in nats: (D(p || m) + D(q || m)) / 2, m = (p + q) / 2."""

def js_distance(
    pred: Array,
    gt: Array,
    *,
    weights: Array | None = None,
    norm: str | None = None,
    pred_norm: str | None = None,
    gt_norm: str | None = None,
    axis: int | None = None,
    base: Literal["e", "2", "10", 2, 10] | None = None,
    reduction: Literal["slices", "sum", "mean", "batchmean", "none"] | None = None,
    scale: Literal["unit", "raw"] | None = None,
    empty_gt: Literal["error", "uniform", "zero", "nan"] | None = None,
    empty_pred: Literal["error", "keep", "uniform", "nan"] | None = None,
    dtype: Literal["float64", "float32"] | None = None,
    convention: str | None = None,
) -> AnyArray:
    """Jensen-Shannon distance of prediction and ground truth, the root of `jsd` in nats, from 0 to sqrt(ln 2)."""

jensenshannon = js_distance

def schoener_d(
    pred: Array,
    gt: Array,
    *,
    weights: Array | None = None,
    norm: str | None = None,
    pred_norm: str | None = None,
    gt_norm: str | None = None,
    axis: int | None = None,
    base: Literal["e", "2", "10", 2, 10] | None = None,
    reduction: Literal["slices", "sum", "mean", "batchmean", "none"] | None = None,
    scale: Literal["unit", "raw"] | None = None,
    empty_gt: Literal["error", "uniform", "zero", "nan"] | None = None,
    empty_pred: Literal["error", "keep", "uniform", "nan"] | None = None,
    dtype: Literal["float64", "float32"] | None = None,
    convention: str | None = None,
) -> AnyArray:
    """Schoener's D, the overlap of two densities, from 0 to 1: sum min(p, q), which is 1 - `tv`."""

def warren_i(
    pred: Array,
    gt: Array,
    *,
    weights: Array | None = None,
    norm: str | None = None,
    pred_norm: str | None = None,
    gt_norm: str | None = None,
    axis: int | None = None,
    base: Literal["e", "2", "10", 2, 10] | None = None,
    reduction: Literal["slices", "sum", "mean", "batchmean", "none"] | None = None,
    scale: Literal["unit", "raw"] | None = None,
    empty_gt: Literal["error", "uniform", "zero", "nan"] | None = None,
    empty_pred: Literal["error", "keep", "uniform", "nan"] | None = None,
    dtype: Literal["float64", "float32"] | None = None,
    convention: str | None = None,
) -> AnyArray:
    """Warren's I, the overlap of two densities, from 0 to 1: sum sqrt(p q), which is 1 - `hellinger`^2."""

bhattacharyya = warren_i

def entropy_gt(
    pred: Array,
    gt: Array,
    *,
    weights: Array | None = None,
    norm: str | None = None,
    pred_norm: str | None = None,
    gt_norm: str | None = None,
    axis: int | None = None,
    base: Literal["e", "2", "10", 2, 10] | None = None,
    reduction: Literal["slices", "sum", "mean", "batchmean", "none"] | None = None,
    scale: Literal["unit", "raw"] | None = None,
    empty_gt: Literal["error", "uniform", "zero", "nan"] | None = None,
    empty_pred: Literal["error", "keep", "uniform", "nan"] | None = None,
    dtype: Literal["float64", "float32"] | None = None,
    convention: str | None = None,
) -> AnyArray:
    """Entropy of the ground truth, H(gt), in nats: -sum q ln q. The least cross-entropy that a prediction can reach."""

def tv(
    pred: Array,
    gt: Array,
    *,
    weights: Array | None = None,
    norm: str | None = None,
    pred_norm: str | None = None,
    gt_norm: str | None = None,
    axis: int | None = None,
    base: Literal["e", "2", "10", 2, 10] | None = None,
    reduction: Literal["slices", "sum", "mean", "batchmean", "none"] | None = None,
    scale: Literal["unit", "raw"] | None = None,
    empty_gt: Literal["error", "uniform", "zero", "nan"] | None = None,
    empty_pred: Literal["error", "keep", "uniform", "nan"] | None = None,
    dtype: Literal["float64", "float32"] | None = None,
    convention: str | None = None,
) -> AnyArray:
    """Total variation distance of prediction and ground truth, from 0 to 1: sum |p - q| / 2."""

def hellinger(
    pred: Array,
    gt: Array,
    *,
    weights: Array | None = None,
    norm: str | None = None,
    pred_norm: str | None = None,
    gt_norm: str | None = None,
    axis: int | None = None,
    base: Literal["e", "2", "10", 2, 10] | None = None,
    reduction: Literal["slices", "sum", "mean", "batchmean", "none"] | None = None,
    scale: Literal["unit", "raw"] | None = None,
    empty_gt: Literal["error", "uniform", "zero", "nan"] | None = None,
    empty_pred: Literal["error", "keep", "uniform", "nan"] | None = None,
    dtype: Literal["float64", "float32"] | None = None,
    convention: str | None = None,
) -> AnyArray:
    """Hellinger distance of prediction and ground truth, from 0 to 1: sqrt(sum (sqrt p - sqrt q)^2 / 2)."""

def emd(
    pred: Array,
    gt: Array,
    *,
    weights: Array | None = None,
    factor: int = 32,
    unit: Literal["cells", "diagonal"] = "cells",
    of: Literal["stored", "norm"] | None = None,
    norm: str | None = None,
    pred_norm: str | None = None,
    gt_norm: str | None = None,
    axis: int | None = None,
    scale: Literal["unit", "raw"] | None = None,
    empty_gt: Literal["error", "uniform", "zero", "nan"] | None = None,
    empty_pred: Literal["error", "keep", "uniform", "nan"] | None = None,
    convention: str | None = None,
) -> AnyArray:
    """Earth mover's distance: the least work that carries one map's mass to the other's; lower is better. Symmetric."""

def nss(
    pred: Array,
    fixations: Array,
    *,
    weights: Array | None = None,
    ddof: int = 0,
    repeats: bool = True,
    std_eps: float = 0.0,
    of: Literal["stored", "norm"] | None = None,
    norm: str | None = None,
    pred_norm: str | None = None,
    axis: int | None = None,
    scale: Literal["unit", "raw"] | None = None,
    empty_pred: Literal["error", "keep", "uniform", "nan"] | None = None,
    convention: str | None = None,
) -> AnyArray:
    """Normalised scanpath saliency: the mean at the fixations of the map in units of its standard deviation."""

def auc(
    pred: Array,
    fixations: Array,
    *,
    weights: Array | None = None,
    negatives: Literal["all", "unfixated"] = "all",
    repeats: bool = True,
    of: Literal["stored", "norm"] | None = None,
    norm: str | None = None,
    pred_norm: str | None = None,
    axis: int | None = None,
    scale: Literal["unit", "raw"] | None = None,
    empty_pred: Literal["error", "keep", "uniform", "nan"] | None = None,
    convention: str | None = None,
) -> AnyArray:
    """Area under the ROC curve: P(S at a fixation > S elsewhere) + P(equal) / 2, exactly. Chance is 0.5."""

def auc_judd(
    pred: Array,
    fixations: Array,
    *,
    weights: Array | None = None,
    jitter: Literal["expected", "none", "unique"] = "expected",
    of: Literal["stored", "norm"] | None = None,
    norm: str | None = None,
    pred_norm: str | None = None,
    axis: int | None = None,
    scale: Literal["unit", "raw"] | None = None,
    empty_pred: Literal["error", "keep", "uniform", "nan"] | None = None,
    convention: str | None = None,
) -> AnyArray:
    """AUC_Judd.m in expectation over its jitter, for vanishing jitter; repeated fixations count once."""

def auc_borji(
    pred: Array,
    fixations: Array,
    *,
    weights: Array | None = None,
    ties: Literal["exact", "float"] = "exact",
    of: Literal["stored", "norm"] | None = None,
    norm: str | None = None,
    pred_norm: str | None = None,
    axis: int | None = None,
    scale: Literal["unit", "raw"] | None = None,
    empty_pred: Literal["error", "keep", "uniform", "nan"] | None = None,
    convention: str | None = None,
) -> AnyArray:
    """AUC_Borji.m in expectation over its random negatives, drawn from all pixels; repeated fixations count once."""

def auc_shuffled(
    pred: Array,
    fixations: Array,
    other: Array,
    *,
    weights: Array | None = None,
    ties: Literal["exact", "float"] = "exact",
    of: Literal["stored", "norm"] | None = None,
    norm: str | None = None,
    pred_norm: str | None = None,
    axis: int | None = None,
    scale: Literal["unit", "raw"] | None = None,
    empty_pred: Literal["error", "keep", "uniform", "nan"] | None = None,
    convention: str | None = None,
) -> AnyArray:
    """AUC_shuffled.m in expectation over its random negatives, drawn from the fixated pixels of another map."""

def sauc(
    pred: Array,
    fixations: Array,
    others: Array,
    *,
    weights: Array | None = None,
    of: Literal["stored", "norm"] | None = None,
    norm: str | None = None,
    pred_norm: str | None = None,
    axis: int | None = None,
    scale: Literal["unit", "raw"] | None = None,
    empty_pred: Literal["error", "keep", "uniform", "nan"] | None = None,
    convention: str | None = None,
) -> AnyArray:
    """Shuffled AUC: P(S at a fixation > S where other images were fixated) + P(equal) / 2, exactly. Chance is 0.5."""

def sauc_salicon(
    pred: Array,
    fixations: Array,
    images: Array,
    *,
    weights: Array | None = None,
    step: float = 0.01,
    of: Literal["stored", "norm"] | None = None,
    norm: str | None = None,
    pred_norm: str | None = None,
    axis: int | None = None,
    scale: Literal["unit", "raw"] | None = None,
    empty_pred: Literal["error", "keep", "uniform", "nan"] | None = None,
    convention: str | None = None,
) -> AnyArray:
    """Shuffled AUC of SALICON's own evaluator: thresholds `step` apart, the image's own fixated pixels left out."""

def ll(
    pred: Array,
    fixations: Array,
    *,
    weights: Array | None = None,
    dtype: Literal["float64", "float32"] | None = None,
    norm: str | None = None,
    pred_norm: str | None = None,
    axis: int | None = None,
    scale: Literal["unit", "raw"] | None = None,
    empty_pred: Literal["error", "keep", "uniform", "nan"] | None = None,
    convention: str | None = None,
) -> AnyArray:
    """Log-likelihood of the fixations: the mean of ln p over them, in nats per fixation; every repeat counts."""

def ig(
    pred: Array,
    fixations: Array,
    baseline: Array | str,
    *,
    weights: Array | None = None,
    eps: float = 0.0,
    repeats: bool = True,
    baseline_norm: str = "sum-to-one",
    dtype: Literal["float64", "float32"] | None = None,
    norm: str | None = None,
    pred_norm: str | None = None,
    axis: int | None = None,
    scale: Literal["unit", "raw"] | None = None,
    empty_pred: Literal["error", "keep", "uniform", "nan"] | None = None,
    convention: str | None = None,
) -> AnyArray:
    """Information gain over a baseline density, in bits per fixation: the mean of log2 p - log2 b."""

def ig_mit(
    pred: Array,
    fixations: Array,
    baseline: Array | str,
    *,
    weights: Array | None = None,
    eps: float = ...,
    of: Literal["stored", "norm"] | None = None,
    norm: str | None = None,
    pred_norm: str | None = None,
    axis: int | None = None,
    scale: Literal["unit", "raw"] | None = None,
    empty_pred: Literal["error", "keep", "uniform", "nan"] | None = None,
    convention: str | None = None,
) -> AnyArray:
    """InfoGain.m: the gain in bits per fixated pixel of stored maps, each stretched to 0..1 and divided by its sum."""

def cross_entropy(
    logits: Array,
    target: Array,
    *,
    axis: int,
    class_weights: Sequence[float] | None = None,
    label_smoothing: float = 0.0,
    smoothing_over: Literal["all", "others"] = "all",
    ignore_index: int | None = None,
    reduction: Literal["none", "sum", "mean"] = "mean",
) -> AnyArray:
    """Cross-entropy of the prediction under the labels, in nats: -sum over c of w_c t_c ln p_c at each position."""

def nll(
    log_pred: Array,
    target: Array,
    *,
    axis: int,
    class_weights: Sequence[float] | None = None,
    label_smoothing: float = 0.0,
    smoothing_over: Literal["all", "others"] = "all",
    ignore_index: int | None = None,
    reduction: Literal["none", "sum", "mean"] = "mean",
    check: bool = True,
) -> AnyArray:
    """Negative log-likelihood of integer labels under the prediction, in nats: -w_y ln p_y at each position."""

def brier(
    log_pred: Array,
    target: Array,
    *,
    axis: int,
    class_weights: Sequence[float] | None = None,
    label_smoothing: float = 0.0,
    smoothing_over: Literal["all", "others"] = "all",
    ignore_index: int | None = None,
    reduction: Literal["none", "sum", "mean"] = "mean",
    check: bool = True,
) -> AnyArray:
    """Brier score of the prediction under the labels: w sum over c of (p_c - t_c)^2 at each position, in 0..2."""

def accuracy(
    log_pred: Array,
    target: Array,
    *,
    axis: int,
    class_weights: Sequence[float] | None = None,
    ignore_index: int | None = None,
    reduction: Literal["none", "sum", "mean"] = "mean",
) -> AnyArray:
    """Accuracy of the prediction, in 0..1: the weighted share of positions whose most probable class is the label's."""

def ece(
    log_pred: Array,
    target: Array,
    *,
    axis: int,
    bins: int = 15,
    ignore_index: int | None = None,
    reduction: Literal["none", "sum", "mean"] = "mean",
    check: bool = True,
) -> AnyArray:
    """Expected calibration error of the most probable class: sum over bins of n_b / N |accuracy_b - confidence_b|."""

def mce(
    log_pred: Array,
    target: Array,
    *,
    axis: int,
    bins: int = 15,
    ignore_index: int | None = None,
    reduction: Literal["none", "sum", "mean"] = "mean",
    check: bool = True,
) -> AnyArray:
    """Maximum calibration error of the most probable class: the largest |accuracy_b - confidence_b| of a filled bin."""

def rmsce(
    log_pred: Array,
    target: Array,
    *,
    axis: int,
    bins: int = 15,
    ignore_index: int | None = None,
    reduction: Literal["none", "sum", "mean"] = "mean",
    check: bool = True,
) -> AnyArray:
    """Root mean squared calibration error: the root of sum over bins of n_b / N (accuracy_b - confidence_b)^2."""

def rmsce_debiased(
    log_pred: Array,
    target: Array,
    *,
    axis: int,
    bins: int = 15,
    ignore_index: int | None = None,
    reduction: Literal["none", "sum", "mean"] = "mean",
    check: bool = True,
) -> AnyArray:
    """Debiased root mean squared calibration error: `rmsce` without what the chance in each bin adds to it."""

def ace(
    log_pred: Array,
    target: Array,
    *,
    axis: int,
    bins: int = 15,
    ignore_index: int | None = None,
    reduction: Literal["none", "sum", "mean"] = "mean",
    check: bool = True,
) -> AnyArray:
    """Adaptive calibration error: the mean over classes of sum over bins of n_b / N |share occurred - mean p|."""

def classwise_ece(
    log_pred: Array,
    target: Array,
    *,
    axis: int,
    bins: int = 15,
    ignore_index: int | None = None,
    reduction: Literal["none", "sum", "mean"] = "mean",
    check: bool = True,
) -> AnyArray:
    """Class-wise calibration error: the mean over classes of sum over bins of n_b / N |share occurred - mean p|."""

def brier_reliability(
    log_pred: Array,
    target: Array,
    *,
    axis: int,
    bins: int = 15,
    ignore_index: int | None = None,
    reduction: Literal["none", "sum", "mean"] = "mean",
    check: bool = True,
) -> AnyArray:
    """Reliability term of the Brier score: how far probabilities are from the shares that occur, in binned squares."""

def brier_resolution(
    log_pred: Array,
    target: Array,
    *,
    axis: int,
    bins: int = 15,
    ignore_index: int | None = None,
    reduction: Literal["none", "sum", "mean"] = "mean",
    check: bool = True,
) -> AnyArray:
    """Resolution term of the Brier score: how far the shares that occur differ from bin to bin; higher is better."""

def brier_uncertainty(
    log_pred: Array,
    target: Array,
    *,
    axis: int,
    bins: int = 15,
    ignore_index: int | None = None,
    reduction: Literal["none", "sum", "mean"] = "mean",
    check: bool = True,
) -> AnyArray:
    """Uncertainty term of the Brier score: what the labels alone decide, whatever is predicted."""

def brier_within(
    log_pred: Array,
    target: Array,
    *,
    axis: int,
    bins: int = 15,
    ignore_index: int | None = None,
    reduction: Literal["none", "sum", "mean"] = "mean",
    check: bool = True,
) -> AnyArray:
    """Rest of the Brier score that bins hide: the variance of p within bins minus twice its covariance with o."""

def rps(
    log_pred: Array,
    target: Array,
    *,
    axis: int,
    normalized: bool = False,
    ignore_index: int | None = None,
    reduction: Literal["none", "sum", "mean"] = "mean",
    check: bool = True,
) -> AnyArray:
    """Ranked probability score of ordered classes: sum over c of (P(class <= c) - [label <= c])^2 at each position."""
