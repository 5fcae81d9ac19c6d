"""The options that commands share, as groups, and what they stand for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from kldeval.cli.groups import FilePath, OptionGroup, WholeNumber, flag_option, option, text_option

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from kldeval.run_options import RunOptions
    from kldeval.settings.settings import Settings


def suggest(_context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """What a shell may complete the value of an option to: names of conventions, metrics, formats, or the choices."""
    from kldeval.conventions import CONVENTIONS
    from kldeval.metrics.registry import METRICS
    from kldeval.settings.build import CHOICES
    from kldeval.settings.nodata import RULES
    from kldeval.writers import WRITERS

    known: dict[str, Iterable[str]] = {"convention": CONVENTIONS, "metric": METRICS, "format_": WRITERS, **CHOICES}
    known["nodata_pred"] = RULES
    return [name for name in known.get(str(parameter.name), ()) if name.startswith(incomplete)]


def setting(metavar: str, help_: str) -> Any:
    """Declare a field whose text is a setting, which a shell may complete."""
    return text_option(metavar, help_, shell_complete=suggest)


class ReadingOptions(OptionGroup):
    """How files of fixations are read; each moves a number."""

    fixation_base: str | None = text_option(
        "N", "The first pixel in coordinates: 0 or 1 [default: 0; 1 in SALICON's gaze]."
    )
    fixation_first: str | None = text_option(
        "HOW", "The first fixation of each observer: keep or drop [default: keep]."
    )
    fixation_rounding: str | None = text_option(
        "HOW", "The pixel of a position: floor, or nearest, as OSIE's code [default: floor]."
    )
    fixation_outside: str | None = text_option(
        "HOW", "Fixations outside the map: error, drop or clip (to its border) [default: error]."
    )
    fixation_threshold: str | None = text_option("X", "Pixels above it (0..1) are fixated, where a map is not binary.")
    fixation_variable: str | None = text_option("NAME", "The variable of a .mat that holds the fixations.")
    fixation_size: str | None = text_option(
        "WxH", "The size of the screen that the positions are on; 1x1 for normalised gaze."
    )
    fixation_columns: str | None = text_option("LIST", "What the columns of a list are called, as x=X,y=Y,name=image.")
    fixation_where: str | None = text_option("LIST", "The rows of a list that count, as task=bottle.")
    fixation_gaze: str | None = text_option(
        "NAME", "Of SALICON's gaze: fixations or location (raw samples) [default: fixations]."
    )


class AuxiliaryOptions(ReadingOptions):
    """Auxiliary inputs: paths, or words."""

    preset: str | None = text_option(
        "NAME", "The metrics and definitions of a benchmark: mit-benchmark, tuebingen, salicon, dhf1k or ntire2026."
    )
    fixations: str | None = text_option(
        "PATH", "Fixations: a folder by name, or one file (maps, .mat, .csv, .tsv, .json, .jsonl)."
    )
    baseline: str | None = text_option(
        "WHAT", "The baseline of ig: uniform, others, 'others(bandwidth=0.02)', or the FILE or DIR of maps."
    )
    other_map: str | None = text_option(
        "WHAT", "The negatives of auc-shuffled: a FILE or DIR of fixations, or others (their union)."
    )
    mask: str | None = text_option("PATH", "A FILE or DIR of masks: pixels that are 0 take no part.")
    weights: str | None = text_option(
        "WHAT", "The weight of each pixel: latitude (360-degree maps), or a FILE or DIR of maps."
    )
    baseline_norm: str | None = text_option("CHAIN", "Normalisation of the baseline's maps [default: sum-to-one].")


class NumericOptions(AuxiliaryOptions):
    """Every option that moves a number."""

    metric: tuple[str, ...] = option(
        "-m",
        "--metric",
        multiple=True,
        metavar="NAMES",
        help="Metrics, as kld,ce; in parentheses all constants, as 'kld(ratio_eps=1e-7)' (others 0) [default: kld,ce].",
        shell_complete=suggest,
    )
    norm: str | None = setting(
        "CHAIN", "Normalisation of both maps: sum-to-one, flatten-softmax, softmax or a+b [default: sum-to-one]."
    )
    pred_norm: str | None = setting("CHAIN", "Normalisation of the prediction.")
    gt_norm: str | None = setting("CHAIN", "Normalisation of the ground truth.")
    axis: str | None = setting(
        "N", "The axis of softmax or sum-to-one: -1 within rows, 0 within columns; of class maps the classes'."
    )
    eps: str | None = setting(
        "X", "The epsilon in the logarithm and in the quotient [default: 2.2204e-16; 0 after softmax]."
    )
    base: str | None = setting("BASE", "The base of the logarithm: e, 2 or 10 [default: e].")
    reduction: str | None = setting(
        "NAME",
        "Pixels to one number per map: slices (per distribution), sum, mean, batchmean or none; rows and "
        "columns without weight are not counted [default: slices].",
    )
    maps: str | None = setting(
        "NAME", "Maps to the headline: mean over maps, over groups, fixations or pixels [default: mean]."
    )
    ignore_index: str | None = setting("N", "The label of pixels that do not count, such as 255.")
    reduce_zero_label: str | None = option(
        flag_value="true", default=None, help="0 is unlabelled and the classes are 1..C, as in segmentation tools."
    )
    class_weights: str | None = setting("LIST", "A weight for each class of labels: 1,0.5,2 or a file.")
    label_smoothing: str | None = setting("X", "The share of each label that is spread over the classes [default: 0].")
    smoothing_over: str | None = setting(
        "NAME", "Spread it over all classes, as torch, or over the others [default: all]."
    )
    scale: str | None = setting("NAME", "8- and 16-bit maps as 0..1 (unit) or as stored (raw) [default: unit].")
    pred_scale: str | None = setting("NAME", "That of the predictions [default: --scale].")
    gt_scale: str | None = setting("NAME", "That of the ground truths [default: --scale].")
    resize: str | None = setting(
        "HOW", "pred-to-gt, gt-to-pred or both(size=WxH); as in pred-to-gt(kernel=bicubic) [default: none]."
    )
    color: str | None = setting("HOW", "Maps whose colour channels differ: luma, mean or first [default: error].")
    empty_gt: str | None = setting("HOW", "An all-zero ground truth: skip, uniform, zero or nan [default: error].")
    empty_pred: str | None = setting("HOW", "An all-zero prediction: keep, uniform or nan [default: error].")
    nodata: str | None = setting("VALUE", "What marks pixels without data, as -9999, nan or (each file's own) tag.")
    nodata_pred: str | None = setting("HOW", "Where only the prediction has no data: mask or zero [default: error].")
    missing: str | None = setting("HOW", "A missing prediction: skip or uniform [default: error].")
    dtype: str | None = setting("NAME", "The arithmetic: float64 or float32 [default: float64].")
    convention: str | None = setting("NAME", "A published convention; other flags override its parts.")
    signature: str | None = setting("TEXT", "Run exactly what a signature says, or all that a saved report (FILE) has.")


READING = tuple(ReadingOptions.own())

NUMERIC = tuple(name for name in NumericOptions.own() if name != "metric")
"""The options whose texts are settings, or name some."""

BESIDE = ("fixations", "baseline", "other_map", "mask", "weights")
"""The options that name a path or say a word."""

SAID = ("baseline_norm", *READING)
"""Texts that are settings of what stands beside the pairs."""


class FileOptions(OptionGroup):
    """Which files are read."""

    allow_missing: bool = flag_option("Leave out ground truths without a prediction.")
    allow_extra: bool = flag_option("Leave out predictions without a ground truth.")
    limit: int | None = option(type=WholeNumber(min=1), metavar="N", help="Only the first N pairs.")
    key: str | None = text_option("NAME", "The array to read from an .npz or .mat file that holds several.")
    pred_key: str | None = text_option("NAME", "That of the predictions [default: --key].")
    gt_key: str | None = text_option("NAME", "That of the ground truths [default: --key].")
    var: str | None = text_option("NAME", "The variable of a NetCDF file or zarr store that holds several.")
    pred_var: str | None = text_option("NAME", "That of the predictions [default: --var].")
    gt_var: str | None = text_option("NAME", "That of the ground truths [default: --var].")
    pred_column: str | None = text_option("NAME", "The column of a Parquet table that holds the predictions.")
    gt_column: str | None = text_option("NAME", "That of the ground truths.")
    name_column: str | None = text_option("NAME", "The column that names the maps of both, where two tables pair.")
    every: int = option(type=WholeNumber(min=1), default=1, metavar="N", help="Every N-th frame of videos.")
    fps: str | None = text_option("F", "Compare the frames of videos that are shown at the same times, F a second.")
    allow_lossy: bool = flag_option("Take frames of lossily compressed videos for ground truths.")
    stack: bool = flag_option("Arrays (N, H, W) are N maps, NAME[000] and so on.")
    stack_axis: str | None = text_option("AXIS", "Which axis counts the maps of stacks: -1, or of both sides as 0,-1.")
    spatial_axes: int | None = option(
        type=WholeNumber(min=1, max=6), metavar="N", help="Arrays of N axes are one map: 3 for volumes [default: 2]."
    )
    array_axes: str | None = option(
        type=click.Choice(("xyz", "zyx")), help="The order of axes of arrays beside NIfTI and NRRD volumes."
    )
    max_pixels: int | None = option(type=WholeNumber(min=1), metavar="N", help="Refuse larger maps.")
    shape: str | None = text_option("H,W", "Height and width of the raw values in .bin files, as 1024,2048.")
    trust_files: bool = flag_option("Read compressed files whose size cannot be bounded before.")


class ShardOptions(OptionGroup):
    """The share of the pairs, of commands whose numbers of all shares can be put together."""

    shard: str | None = text_option("I/N", "Score the I-th of N shares of the pairs; see kldeval merge.")


class ManifestOptions(OptionGroup):
    """A table of the pairs."""

    manifest: Path | None = option(
        type=FilePath(),
        metavar="FILE",
        help="A CSV, TSV or JSONL table of pairs (columns pred, gt, name, group), or -; then no PRED and GT.",
    )


class NamingOptions(OptionGroup):
    """How the files of the maps are named."""

    pred_name: str | None = text_option(
        "TEMPLATE", "The paths of predictions, as '{video}/img_{frame:05d}.png' [default: {name}]."
    )
    gt_name: str | None = text_option("TEMPLATE", "Those of ground truths, as '{name}_fixMap.jpg' [default: {name}].")
    exclude: tuple[str, ...] = option(
        multiple=True, metavar="GLOB", help="Files or folders to leave out; may be repeated."
    )


class FixationNamingOptions(OptionGroup):
    """How the files of fixations are named, of commands that take some."""

    fixations_name: str | None = text_option("TEMPLATE", "Those of the files of --fixations [default: {name}].")


class AuxiliaryNamingOptions(NamingOptions, FixationNamingOptions):
    """How the files of maps and of all auxiliary inputs are named."""

    mask_name: str | None = text_option("TEMPLATE", "Those of the files of --mask [default: {name}].")
    baseline_name: str | None = text_option("TEMPLATE", "Those of the files of --baseline [default: {name}].")
    weights_name: str | None = text_option("TEMPLATE", "Those of the files of --weights [default: {name}].")
    other_map_name: str | None = text_option("TEMPLATE", "Those of the files of --other-map [default: {name}].")


class GroupOptions(OptionGroup):
    """Which maps belong together."""

    group_by: str | None = text_option(
        "HOW", "The group (video) of a map: parent, manifest, or a template of its name as '{video}_{frame:03d}'."
    )


class EngineOptions(OptionGroup):
    """Where the work is done."""

    engine: str | None = text_option("NAME", "Who does the work: local, or dask (a cluster) [default: local].")
    scheduler: str | None = text_option("URL", "A Dask scheduler, tcp://HOST:PORT or tls://HOST:PORT.")
    scheduler_file: Path | None = option(
        type=FilePath(), metavar="FILE", help="The file in which a Dask scheduler says its address."
    )
    engine_timeout: float | None = option(
        type=click.FloatRange(min=0), metavar="S", help="Seconds that a cluster may have no worker [default: 60]."
    )


class CacheOptions(OptionGroup):
    """What is kept between runs."""

    cache: Path | None = option(
        type=FilePath(),
        metavar="DIR",
        help="Keep the scores in DIR: pairs that have not changed are not scored again.",
    )


class ComputingOptions(EngineOptions):
    """The workers and the device that compute."""

    jobs: int | None = option(type=WholeNumber(min=1), metavar="N", help="Workers [default: one per core].")
    device: str = option(default="auto", metavar="NAME", help="auto, cpu, cuda, cuda:1 or mps [default: auto].")
    batch_bytes: int | None = option(type=WholeNumber(min=1), metavar="N", help="Batch on a GPU [default: 2^28].")


class ProgressOptions(OptionGroup):
    """Whether a bar is drawn."""

    progress: bool | None = option(
        "--progress/--no-progress", default=None, help="A progress bar on stderr [default: on a terminal]."
    )


class ReferenceOptions(OptionGroup):
    """What a number is to be read beside; only commands that average over maps have it."""

    baselines: bool = flag_option(
        "Add reference rows: uniform, the centre prior (center bias), and the inter-observer ceiling (gold standard)."
    )
    ceiling: str | None = text_option(
        "KERNEL",
        "The density of the other observers, the gold standard [default: 'observers(bandwidth=0.025,uniform=0.05)'].",
    )


def pair_of_paths(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the arguments PRED and GT."""
    for name in ("gt", "pred"):
        function = click.argument(name, type=FilePath())(function)
    return function


paths_argument = click.argument("paths", nargs=-1, type=FilePath(), metavar="[PRED]... [GT]")
"""One prediction or more and the ground truth; nothing where a manifest names the pairs."""


def split_paths(paths: tuple[Path, ...], manifest: Path | None) -> tuple[tuple[Path, ...], Path | None]:
    """The predictions and the ground truth, which is None where a manifest names the pairs.

    Raises:
        UsageProblem: fewer than two paths without a manifest, or any beside one.
    """
    from kldeval.errors import UsageProblem

    if manifest is not None:
        if paths:
            msg = f"--manifest names the pairs already; leave out {' '.join(map(str, paths))}"
            raise UsageProblem(msg)
        return (), None
    if len(paths) < len(("pred", "gt")):
        found = f"there is only {paths[0]}" if paths else "there is none"
        msg = f"two paths are needed, a prediction and its ground truth (kldeval PRED... GT), but {found}"
        raise UsageProblem(msg)
    return paths[:-1], paths[-1]


def settings_from(options: NumericOptions, *, manifest: Path | None = None, group_by: str | None = None) -> Settings:
    """The settings that the options say, beginning with `--signature`, `--convention` or `--preset`.

    Raises:
        UsageProblem: naming everything that is wrong.
    """
    from kldeval.settings.auxiliary import beside_texts
    from kldeval.settings.requested import Requested, flag, requested_settings

    options = by_precedence(options)
    texts: dict[str, str | None] = {"metric": _metrics(options.metric)}
    texts |= dict.fromkeys((*NUMERIC, *SAID)) | options.given((*NUMERIC, *SAID))
    if texts["class_weights"] is not None:
        from kldeval.data.class_weights import weights_text

        texts["class_weights"] = weights_text(texts["class_weights"])
    signature, convention = texts.pop("signature"), texts.pop("convention")
    if signature is None:
        texts["group_by"] = group_by or ("manifest" if manifest else None)
    requested = Requested(
        texts=texts,
        beside=beside_texts(options.given(BESIDE)),
        signatures=_signatures(signature) if signature is not None else (),
        convention=convention,
        preset=options.preset,
        has_manifest=bool(manifest),
    )
    return requested_settings(requested, flag)


OTHERWISE = {
    **dict.fromkeys(("norm", "pred_norm", "gt_norm"), ("minmax+sum-to-one", "sum-to-one")),
    "base": ("2", "10"),
    "reduction": ("sum", "mean"),
}
"""The settings that some metrics do not heed, each with two values."""


def note_idle(
    options: NumericOptions, settings: Settings, *, manifest: Path | None = None, group_by: str | None = None
) -> None:
    """Say which settings of the command line move none of the metrics, whatever they are; unless `--quiet`."""
    from kldeval.errors import UsageProblem

    given = vars(options)
    for name, values in OTHERWISE.items():
        if given[name] is None or rank(name) != ON_COMMAND_LINE or given.get("quiet"):
            continue
        other = next(value for value in values if value != given[name])
        try:
            tried = [
                settings_from(options.replaced(**{name: value}), manifest=manifest, group_by=group_by)
                for value in (None, other)
            ]
        except UsageProblem:
            continue
        if all(one == settings for one in tried):
            _say_idle(name, given[name], settings)


def _say_idle(name: str, value: str, settings: Settings) -> None:
    from kldeval.cli.messages import say
    from kldeval.metrics.registry import METRICS

    metrics = ", ".join(call.name for call in settings.metrics)
    takes = next(
        (call.name for call in settings.metrics if call.name in METRICS and "of" in METRICS[call.name].types), ""
    )
    way = f": they are of the maps as they are stored, and '{takes}(of=norm)' is of what it makes" if takes else ""
    say(f"--{name.replace('_', '-')} {value} moves none of the metrics {metrics}{way * name.endswith('norm')}", "note")


def _metrics(given: tuple[str, ...]) -> str | None:
    """The metrics as one text.

    Raises:
        UsageProblem: the option is there and names none.
    """
    text = ",".join(given)
    if given and not text.strip():
        from kldeval.errors import UsageProblem

        msg = "--metric names none; name one, as in --metric kld, or leave it out"
        raise UsageProblem(msg)
    return text or None


def _signatures(text: str) -> tuple[str, ...]:
    from kldeval.reports.json_reader import saved_signatures
    from kldeval.settings.requested import signature_texts

    return signature_texts(text, saved_signatures)


def request_from(options: OptionGroup) -> RunOptions:
    """What the options of a command ask for beside the settings: those that have the name of a field of the request."""
    from kldeval.run_options import RunOptions
    from kldeval.settings.auxiliary import beside_paths

    given = options.given(RunOptions._fields)
    paths = {name: path for name, path in beside_paths(given).items() if path is not None}
    return RunOptions(**{name: value for name, value in given.items() if name not in BESIDE} | paths)


ON_COMMAND_LINE = 3

_RANKS = {
    ParameterSource.COMMANDLINE: ON_COMMAND_LINE,
    ParameterSource.ENVIRONMENT: 2,
    ParameterSource.DEFAULT_MAP: 1,
}

REPLACED = "kldeval.replaced"
"""Under this key the context notes the options that do not count."""

OF_NORM = ("pred_norm", "gt_norm", "axis")
"""What `--norm` says too."""


def by_precedence(options: NumericOptions) -> NumericOptions:
    """The options without those that one named nearer by replaces."""
    replaced = set(_weaker("norm", OF_NORM))
    replaced |= set(_weaker("signature", ("metric", "preset", *NUMERIC, *SAID)))
    replaced |= set(_weaker("convention", ("preset",)))
    if options.preset is not None:
        replaced |= set(_weaker("preset", _said_by_preset(options.preset)))
    if options.convention is not None:
        replaced |= set(_weaker("convention", _said_by_convention(options.convention)))
    replaced &= NumericOptions.declared().keys()
    context = click.get_current_context(silent=True)
    if context:
        context.meta[REPLACED] = frozenset(replaced)
    return options.replaced(**{name: () if name == "metric" else None for name in replaced})


def rank(name: str) -> int:
    """How near by an option was given: 3 on the command line, 2 in the environment, 1 in the file, 0 nowhere."""
    context = click.get_current_context(silent=True)
    source = context.get_parameter_source(name) if context else None
    return _RANKS.get(source, 0) if source else 0


def check_fixations_serve(options: OptionGroup, metrics: Iterable[str]) -> None:
    """Refuse fixations, and how to read them, that the command line gives to a command none of whose metrics has any.

    What a configuration file or the environment says is for other commands.

    Raises:
        UsageProblem: naming the option.
    """
    given = options.given(("fixations", "fixations_name", *READING))
    said = {name: value for name, value in given.items() if value is not None and rank(name) == ON_COMMAND_LINE}
    if said:
        from kldeval.settings.metric_options import refuse_fixations

        refuse_fixations(said, metrics)


def _weaker(strong: str, names: Iterable[str]) -> list[str]:
    """The options among `names` that were given farther away than `strong`."""
    nearest = rank(strong)
    return [name for name in names if rank(name) < nearest] if nearest else []


def _said_by_preset(name: str) -> set[str]:
    from kldeval.conventions.presets import preset
    from kldeval.errors import UnknownName

    try:
        return _said_by(preset(name).texts) | {"convention", "metric"}
    except UnknownName:  # which is told with all other names that are wrong
        return set()


def _said_by_convention(name: str) -> set[str]:
    from kldeval.conventions import convention
    from kldeval.errors import UnknownName

    try:
        return _said_by(convention(name).texts)
    except UnknownName:  # which is told with all other names that are wrong
        return set()


def _said_by(named: Mapping[str, str]) -> set[str]:
    texts = set(named)
    norms = {"norm", "axis"} if texts & {"pred_norm", "gt_norm"} else set()
    return (texts | norms | {"eps"}) - {"metric"}
