"""The options that commands share, and what they stand for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from kldeval.run_options import RunOptions
    from kldeval.settings.settings import Settings


NUMERIC = {
    "norm": ("CHAIN", "Normalisation of both maps: sum-to-one, flatten-softmax, softmax or a+b [default: sum-to-one]."),
    "pred_norm": ("CHAIN", "Normalisation of the prediction."),
    "gt_norm": ("CHAIN", "Normalisation of the ground truth."),
    "axis": ("N", "The axis of softmax or sum-to-one: -1 within rows, 0 within columns; of class maps the classes'."),
    "eps": ("X", "The epsilon in the logarithm and in the quotient [default: 2.2204e-16; 0 after softmax]."),
    "base": ("BASE", "The base of the logarithm: e, 2 or 10 [default: e]."),
    "reduction": ("NAME", "Pixels to one number per map: slices, sum, mean, batchmean or none [default: slices]."),
    "maps": ("NAME", "Maps to the headline: mean over maps, over groups, fixations or pixels [default: mean]."),
    "ignore_index": ("N", "The label of pixels that do not count, such as 255."),
    "class_weights": ("LIST", "A weight for each class of labels: 1,0.5,2 or a file."),
    "label_smoothing": ("X", "The share of each label that is spread over the classes [default: 0]."),
    "smoothing_over": ("NAME", "Spread it over all classes, as torch, or over the others [default: all]."),
    "scale": ("NAME", "8- and 16-bit maps as 0..1 (unit) or as stored (raw) [default: unit]."),
    "resize": ("HOW", "pred-to-gt, gt-to-pred or both(size=WxH); as in pred-to-gt(kernel=bicubic) [default: none]."),
    "color": ("HOW", "Maps whose colour channels differ: luma, mean or first [default: error]."),
    "empty_gt": ("HOW", "An all-zero ground truth: skip, uniform, zero or nan [default: error]."),
    "empty_pred": ("HOW", "An all-zero prediction: keep, uniform or nan [default: error]."),
    "nodata": ("VALUE", "The value of pixels without data, such as -9999 or nan: the ground truth's are left out."),
    "nodata_pred": ("HOW", "Where only the prediction has no data: mask or zero [default: error]."),
    "dtype": ("NAME", "The arithmetic: float64 or float32 [default: float64]."),
    "convention": ("NAME", "A published convention; other flags override its parts."),
    "signature": ("TEXT", "Run exactly what a signature says, or all that a saved report (FILE) has."),
}  # fmt: skip
"""The options that move a number, beside --metric: metavar and help by the name of the setting."""


def numeric_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command every option that moves a number."""
    function = companion_options(function)
    for name, (metavar, text) in reversed(NUMERIC.items()):
        flag = f"--{name.replace('_', '-')}"
        function = click.option(flag, name, metavar=metavar, help=text, shell_complete=suggest)(function)
    metrics = "Metrics, as kld,ce; in parentheses all constants, as 'kld(ratio_eps=1e-7)' (others 0) [default: kld,ce]."
    option = click.option("-m", "--metric", multiple=True, metavar="NAMES", help=metrics, shell_complete=suggest)
    return option(function)


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


FILES = (
    click.option("--allow-missing", is_flag=True, help="Leave out ground truths without a prediction."),
    click.option("--allow-extra", is_flag=True, help="Leave out predictions without a ground truth."),
    click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Only the first N pairs."),
    click.option("--shard", metavar="I/N", help="Score the I-th of N shares of the pairs; see kldeval merge."),
    click.option("--key", metavar="NAME", help="The array to read from an .npz or .mat file that holds several."),
    click.option("--pred-key", metavar="NAME", help="That of the predictions [default: --key]."),
    click.option("--gt-key", metavar="NAME", help="That of the ground truths [default: --key]."),
    click.option("--stack", is_flag=True, help="Arrays (N, H, W) are N maps, NAME[000] and so on."),
    click.option("--max-pixels", type=click.IntRange(min=1), metavar="N", help="Refuse larger maps."),
    click.option("--trust-files", is_flag=True, help="Read compressed files whose size cannot be bounded before."),
)
"""The options on which files are read."""

MANIFEST = click.option(
    "--manifest",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="A CSV, TSV or JSONL table of pairs (columns pred, gt, name, group), or -; then no PRED and GT.",
)

NAMING = (
    click.option(
        "--pred-name",
        metavar="TEMPLATE",
        help="The paths of predictions, as '{video}/img_{frame:05d}.png' [default: {name}].",
    ),
    click.option(
        "--gt-name", metavar="TEMPLATE", help="Those of ground truths, as '{name}_fixMap.jpg' [default: {name}]."
    ),
    *(
        click.option(f"--{what}-name", metavar="TEMPLATE", help=f"Those of the files of --{what} [default: {{name}}].")
        for what in ("fixations", "mask", "baseline", "weights", "other-map")
    ),
    click.option("--exclude", multiple=True, metavar="GLOB", help="Files or folders to leave out; may be repeated."),
)
"""The options on how files are named."""

GROUP_BY = click.option(
    "--group-by",
    metavar="HOW",
    help="The group (video) of a map: parent, manifest, or a template of its name as '{video}_{frame:03d}'.",
)

COMPUTING = (
    click.option("--jobs", type=click.IntRange(min=1), metavar="N", help="Workers [default: one per core]."),
    click.option("--device", default="auto", metavar="NAME", help="auto, cpu, cuda, cuda:1 or mps [default: auto]."),
    click.option(
        "--batch-bytes",
        type=click.IntRange(min=1),
        metavar="N",
        help="Batch on a GPU [default: 2^28].",
    ),
    click.option("--debug", is_flag=True, help="Show a traceback on errors."),
)
"""The options on who computes."""


def file_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options on which files are read."""
    for option in reversed(FILES):
        function = option(function)
    return function


def naming_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options on how files are named."""
    for option in reversed(NAMING):
        function = option(function)
    return function


def computing_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options on who computes."""
    for option in reversed(COMPUTING):
        function = option(function)
    return function


class GivenPath(click.Path):
    """A path that is not empty: "" would be the current folder, and is a variable of a shell that was not set."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The path as it was typed.

        Raises:
            UsageProblem: it is empty.
        """
        if value == "":
            from kldeval.errors import UsageProblem

            msg = 'a path is empty (""); is a variable of the shell unset?'
            raise UsageProblem(msg)
        return super().convert(value, param, ctx)


def pair_of_paths(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the arguments PRED and GT."""
    for name in ("gt", "pred"):
        function = click.argument(name, type=GivenPath(path_type=Path))(function)
    return function


paths_argument = click.argument("paths", nargs=-1, type=GivenPath(path_type=Path), metavar="[PRED]... [GT]")
"""One prediction or more and the ground truth; nothing where a manifest names the pairs."""


def split_paths(paths: tuple[Path, ...], options: dict[str, Any]) -> tuple[tuple[Path, ...], Path | None]:
    """The predictions and the ground truth, which is None where a manifest names the pairs.

    Raises:
        UsageProblem: fewer than two paths without a manifest, or any beside one.
    """
    from kldeval.errors import UsageProblem

    if options["manifest"] is not None:
        if paths:
            msg = f"--manifest names the pairs already; leave out {' '.join(map(str, paths))}"
            raise UsageProblem(msg)
        return (), None
    if len(paths) < len(("pred", "gt")):
        found = f"there is only {paths[0]}" if paths else "there is none"
        msg = f"two paths are needed, a prediction and its ground truth (kldeval PRED... GT), but {found}"
        raise UsageProblem(msg)
    return paths[:-1], paths[-1]


def settings_from(options: dict[str, Any]) -> Settings:
    """The settings that the options say, beginning with `--signature`, `--convention` or `--preset`.

    Raises:
        UsageProblem: naming everything that is wrong.
    """
    from kldeval.settings.auxiliary import beside_texts
    from kldeval.settings.requested import Requested, flag, requested_settings

    options = by_precedence(options)
    texts: dict[str, str | None] = {"metric": _metrics(options["metric"])}
    texts |= {name: options[name] for name in (*NUMERIC, *SAID)}
    if texts["class_weights"] is not None:
        from kldeval.data.class_weights import weights_text

        texts["class_weights"] = weights_text(texts["class_weights"])
    signature, convention = texts.pop("signature"), texts.pop("convention")
    if signature is None:
        texts["group_by"] = options.get("group_by") or ("manifest" if options.get("manifest") else None)
    requested = Requested(
        texts=texts,
        beside=beside_texts(options),
        signatures=_signatures(signature) if signature is not None else (),
        convention=convention,
        preset=options["preset"],
        has_manifest=bool(options.get("manifest")),
    )
    return requested_settings(requested, flag)


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


def request_from(options: dict[str, Any]) -> RunOptions:
    """What the options ask for beside the settings."""
    from kldeval.run_options import RunOptions
    from kldeval.settings.auxiliary import beside_paths

    options = {**options, **beside_paths(options)}
    return RunOptions(**{name: options[name] for name in RunOptions._fields if options.get(name) is not None})


READING = {
    "fixation_base": ("N", "The first pixel in coordinates: 0 or 1 [default: 0; 1 in SALICON's gaze]."),
    "fixation_first": ("HOW", "The first fixation of each observer: keep or drop [default: keep]."),
    "fixation_outside": ("HOW", "Fixations outside the map: error or drop [default: error]."),
    "fixation_threshold": ("X", "Pixels above it (0..1) are fixated, where a map is not binary."),
    "fixation_variable": ("NAME", "The variable of a .mat that holds the fixations."),
    "fixation_size": ("WxH", "The size of the screen that the positions are on; 1x1 for normalised gaze."),
    "fixation_columns": ("LIST", "What the columns of a list are called, as x=X,y=Y,name=image."),
    "fixation_where": ("LIST", "The rows of a list that count, as task=bottle."),
    "fixation_gaze": ("NAME", "Of SALICON's gaze: fixations or location (raw samples) [default: fixations]."),
}
"""How files of fixations are read: metavar and help by the name of the setting."""

SAID = {
    "baseline_norm": ("CHAIN", "Normalisation of the baseline's maps [default: sum-to-one]."),
    **READING,
}
"""Options that move a number."""

BESIDE = {
    "fixations": ("PATH", "Fixations: a folder by name, or one file (maps, .mat, .csv, .tsv, .json, .jsonl)."),
    "baseline": ("WHAT", "The baseline of ig: uniform, others, 'others(bandwidth=0.02)', or the FILE or DIR of maps."),
    "other_map": ("WHAT", "The negatives of auc-shuffled: a FILE or DIR of fixations, or others (their union)."),
    "mask": ("PATH", "A FILE or DIR of masks: pixels that are 0 take no part."),
    "weights": ("WHAT", "The weight of each pixel: latitude (360-degree maps), or a FILE or DIR of maps."),
}
"""Options that name a path or say a word."""


REFERENCES = (
    click.option(
        "--baselines",
        is_flag=True,
        help="Add reference rows: a uniform map, the centre prior, and the ceiling of the other observers.",
    ),
    click.option(
        "--ceiling",
        metavar="KERNEL",
        help="The density of the other observers [default: 'observers(bandwidth=0.025,uniform=0.05)'].",
    ),
)
"""What a number is to be read beside; only commands that average over maps have it."""


def companion_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options on what stands beside the pairs."""
    for name, (metavar, text) in reversed({**BESIDE, **SAID}.items()):
        function = click.option(f"--{name.replace('_', '-')}", name, metavar=metavar, help=text)(function)
    preset = "The metrics and definitions of a benchmark: mit-benchmark, tuebingen, salicon or dhf1k."
    return click.option("--preset", metavar="NAME", help=preset)(function)


def reference_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options on reference rows."""
    for option in reversed(REFERENCES):
        function = option(function)
    return function


def reading_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options on how files of fixations are read."""
    for name, (metavar, text) in reversed(READING.items()):
        function = click.option(f"--{name.replace('_', '-')}", name, metavar=metavar, help=text)(function)
    return function


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


def by_precedence(options: dict[str, Any]) -> dict[str, Any]:
    """The options without those that one named nearer by replaces."""
    replaced = set(_weaker(options, "norm", OF_NORM))
    replaced |= set(_weaker(options, "signature", ("metric", "preset", *NUMERIC, *SAID)))
    replaced |= set(_weaker(options, "convention", ("preset",)))
    if options["preset"] is not None:
        replaced |= set(_weaker(options, "preset", _said_by_preset(options["preset"])))
    if options["convention"] is not None:
        replaced |= set(_weaker(options, "convention", _said_by_convention(options["convention"])))
    context = click.get_current_context(silent=True)
    if context:
        context.meta[REPLACED] = frozenset(replaced)
    return {name: _nothing(value) if name in replaced else value for name, value in options.items()}


def rank(name: str) -> int:
    """How near by an option was given: 3 on the command line, 2 in the environment, 1 in the file, 0 nowhere."""
    context = click.get_current_context(silent=True)
    source = context.get_parameter_source(name) if context else None
    return _RANKS.get(source, 0) if source else 0


def _weaker(options: dict[str, Any], strong: str, names: Iterable[str]) -> list[str]:
    """Those of the options `names` that were given farther away than `strong`."""
    return [name for name in names if name in options and rank(name) < rank(strong)]


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


def _nothing(value: Any) -> Any:
    return () if isinstance(value, tuple) else None
