"""The help of commands with many options: in groups, and rare options by their names alone unless all is asked for."""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Iterable

GROUPS = {
    "What is measured": (
        *("metric", "convention", "preset", "signature", "eps", "base", "reduction", "maps", "axis"),
        *("conventions", "value", "values", "eps_curve"),
        *("target", "parts", "folds", "sigma", "n_fixations", "counts", "draws", "chance", "extrapolate"),
    ),
    "How maps become densities": (
        *(
            "norm",
            "pred_norm",
            "gt_norm",
            "scale",
            "pred_scale",
            "gt_scale",
            "resize",
            "color",
            "empty_gt",
            "empty_pred",
        ),
        *("nodata", "nodata_pred", "missing", "dtype"),
    ),
    "Files and names": (
        *("pred_name", "gt_name", "manifest", "group_by", "exclude", "allow_missing", "allow_extra", "limit", "shard"),
        *(
            "key",
            "var",
            "pred_var",
            "gt_var",
            "pred_column",
            "gt_column",
            "name_column",
            "every",
            "fps",
            "allow_lossy",
            "stack",
            "stack_axis",
            "spatial_axes",
            "array_axes",
            "shape",
            "max_pixels",
            "trust_files",
        ),
    ),
    "Auxiliary inputs: fixations, masks and baselines": (
        *("fixations", "mask", "weights", "baseline", "baselines", "other_map", "ceiling", "baseline_norm"),
        *("fixation_base", "fixation_first", "fixation_outside", "fixation_threshold", "fixation_variable"),
        *(
            "fixation_rounding",
            "fixation_gaze",
            "fixation_size",
            "fixation_columns",
            "fixation_where",
            "fixations_name",
            "mask_name",
        ),
        *("weights_name", "baseline_name", "other_map_name"),
    ),
    "Labels": (
        *("ignore_index", "reduce_zero_label", "class_weights", "label_smoothing", "smoothing_over", "per_class"),
        *("rows", "labels"),
    ),
    "Several models and statistics": (
        *("names", "sort", "intervals", "fail_if", "fail_if_worse", "allow_different", "confidence", "resamples"),
        *("seed", "fit_share", "bounds"),
    ),
    "Output": (
        *(
            "format_",
            "output",
            "score_only",
            "output_dir",
            "per_map",
            "worst",
            "precision",
            "quiet",
            "verbose",
            "save_maps",
        ),
        *("html_maps", "stimuli", "signatures", "columns", "std", "siunitx", "annotate", "picture", "save"),
    ),
    "Running": (
        "jobs",
        "device",
        "cache",
        "digests",
        "engine",
        "scheduler",
        "scheduler_file",
        "engine_timeout",
        "progress",
        "config",
        "batch_bytes",
        "debug",
    ),
}
"""The options of each group, by the names of their values, in the order of the help."""

RARE = frozenset(
    {
        *(
            "base",
            "bounds",
            "smoothing_over",
            "dtype",
            "key",
            "var",
            "pred_var",
            "gt_var",
            "pred_column",
            "gt_column",
            "name_column",
            "every",
            "fps",
            "allow_lossy",
            "stack",
            "stack_axis",
            "spatial_axes",
            "array_axes",
            "shape",
            "max_pixels",
            "trust_files",
            "other_map",
            "ceiling",
        ),
        *("baseline_norm", "fixation_base", "fixation_first", "fixation_outside", "fixation_threshold", "seed"),
        *("fixation_variable", "fixation_gaze", "label_smoothing", "nodata_pred", "resamples", "labels"),
        *(
            "columns",
            "std",
            "siunitx",
            "fixation_rounding",
            "reduce_zero_label",
            "class_weights",
            "pred_scale",
            "gt_scale",
            "nodata",
            "shard",
        ),
        *("fixation_size", "fixation_columns", "fixation_where", "fixations_name", "mask_name", "weights_name"),
        *("baseline_name", "other_map_name"),
        *("engine", "output_dir", "scheduler", "scheduler_file", "engine_timeout"),
        *("html_maps", "stimuli", "signatures", "batch_bytes", "debug", "exclude", "annotate", "save_maps", "digests"),
    }
)
"""Options that few need: the help has their names, as those of no group, and what they do with --help-all."""

MOST_EXPLAINED = 24
"""A command with no more options explains all of them."""


class GroupedCommand(click.Command):
    """A command whose help has its options in groups."""

    _listed: tuple[click.Parameter, ...] = ()
    _parser: Any = None

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """The options of the command, and --help-all where some are not explained by --help; listed once."""
        if self._listed[: len(self.params)] != tuple(self.params):
            found = super().get_params(ctx)
            self._listed = (*found, _help_all()) if _is_long(found) else tuple(found)
            self._parser = None
        return list(self._listed)

    def make_parser(self, ctx: click.Context) -> Any:
        """What takes a command line apart; made once."""
        if self._parser is None or self._listed != tuple(self.get_params(ctx)):
            self._parser = super().make_parser(ctx)
        parser = copy(self._parser)
        parser.ctx = ctx
        return parser

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The groups, then the names of what is not explained."""
        options = [option for option in self.get_params(ctx) if isinstance(option, click.Option) and not option.hidden]
        explains_all = ctx.meta.get(_EVERYTHING, False) or not _is_long(options)
        common = {name for names in GROUPS.values() for name in names} - RARE
        explained = [one for one in options if explains_all or one.name in common or _is_help(one)]
        grouped = {name for names in GROUPS.values() for name in names}
        for title, names in GROUPS.items():
            _section(formatter, ctx, title, sorted((one for one in explained if one.name in names), key=_place(names)))
        _section(formatter, ctx, "Others", [option for option in explained if option.name not in grouped])
        rare = [option.opts[0] for option in options if option not in explained]
        if rare:
            import textwrap

            with formatter.section("More, which --help-all explains"):
                lines = textwrap.wrap(" ".join(rare), formatter.width - 2, break_on_hyphens=False)
                formatter.write("".join(f"  {line}\n" for line in lines))


_EVERYTHING = "kldeval.help.everything"


def _is_long(options: Iterable[click.Parameter]) -> bool:
    return sum(isinstance(option, click.Option) for option in options) > MOST_EXPLAINED


def _is_help(option: click.Option) -> bool:
    return option.is_eager and not option.expose_value and not option.opts[-1].startswith("--config")


def _place(names: tuple[str, ...]) -> Any:
    return lambda option: names.index(str(option.name))


def _section(formatter: click.HelpFormatter, ctx: click.Context, title: str, options: list[click.Option]) -> None:
    records = [record for option in options if (record := option.get_help_record(ctx))]
    if records:
        with formatter.section(title):
            formatter.write_dl(records, col_max=26)


def _help_all() -> click.Option:
    return click.Option(
        ["--help-all"], is_flag=True, is_eager=True, expose_value=False, callback=_explain, help="Explain every option."
    )


def _explain(ctx: click.Context, _option: click.Parameter, value: bool) -> None:  # noqa: FBT001 - click's signature
    if value and not ctx.resilient_parsing:
        from kldeval.cli.messages import show

        ctx.meta[_EVERYTHING] = True
        show(f"{ctx.get_help()}\n")
        ctx.exit()
