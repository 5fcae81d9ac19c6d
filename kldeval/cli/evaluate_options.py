"""The options of `kldeval evaluate`, which the scoring of rows shares."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kldeval.cli.groups import FilePath, flag_option, option, text_option
from kldeval.cli.model_options import GateOptions, NameOptions, ResamplingOptions, SortOptions
from kldeval.cli.options import (
    AuxiliaryNamingOptions,
    CacheOptions,
    ComputingOptions,
    FileOptions,
    GroupOptions,
    ManifestOptions,
    NumericOptions,
    ProgressOptions,
    ReferenceOptions,
    ShardOptions,
)
from kldeval.cli.reporting import LookOptions, OutputOptions, PictureOptions, RowOptions

if TYPE_CHECKING:
    from pathlib import Path


class EvaluateOptions(
    NumericOptions,
    GroupOptions,
    ManifestOptions,
    AuxiliaryNamingOptions,
    FileOptions,
    ShardOptions,
    NameOptions,
    SortOptions,
    ResamplingOptions,
    GateOptions,
    ReferenceOptions,
    RowOptions,
    LookOptions,
    OutputOptions,
    PictureOptions,
    ProgressOptions,
    ComputingOptions,
    CacheOptions,
):
    """The options of `kldeval evaluate`."""

    per_class: bool = flag_option("Show a row per class of labels, over all maps.")
    score_only: bool = flag_option(
        "Print the means alone, one line per model, in full precision; nothing if a map failed."
    )
    save_maps: Path | None = option(
        type=FilePath(file_okay=False),
        metavar="DIR",
        help="Write each metric's pixelwise terms as DIR/METRIC/NAME.npy, of several models as DIR/MODEL/...",
    )
    output_dir: Path | None = option(
        type=FilePath(),
        metavar="DIR",
        help="Write the rows as DIR/part-NNNNNN.parquet while maps are scored.",
    )
    bounds: str | None = text_option(
        "HOW", "What rounding (round or floor) of 8-bit predictions leaves open of kld and ce."
    )
    digests: bool = flag_option("Put a digest of every file into the report, for kldeval reproduce.")
    rows: bool = flag_option("Rows of logits (T, V) are units, with quantiles.")
    labels: Path | None = option(
        type=FilePath(),
        metavar="PATH",
        help="With --rows, the right entry of each row, for perplexities: a file (T,), or a folder by name.",
    )
