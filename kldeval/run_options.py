"""What a run is asked for beside its settings."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from kldeval.dataclass import NamedTuple
from kldeval.errors import UsageProblem

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from kldeval.memory import MapFolder

    Progress = Callable[[object, int], None]
    """What is told every outcome, and how many there will be."""


class RunOptions(NamedTuple):
    """What a run is asked for beside the settings: nothing here moves a number that the settings do not describe.

    `baseline`, `fixations`, `mask`, `other_map` and `weights` are where the files are that the settings tell of.
    `baselines` asks for reference rows, of which `ceiling` says how the observers' density is made.
    `shard` is a share of the pairs, `I/N`, that is scored with what all images tell.
    `cache` is the folder of rows that are kept between runs. `digests` asks for a digest of every file in the report,
    `bounds` (round or floor) for what the rounding of 8-bit predictions leaves open.
    `var`, `pred_var` and `gt_var` are the variables of files over coordinates.
    `pred_column`, `gt_column` and `name_column` are the columns of tables that hold maps and their names.
    `every` N-th frame of videos counts, of those at `fps` frames a second where that is said; `allow_lossy` takes
    frames of lossy codecs for ground truths.
    `stack` takes arrays (N, H, W) for N maps, `stack_axis` (`AXIS` or `PRED,GT`) says which axis
    counts them, and `spatial_axes` says how many axes a map in a file of arrays has;
    `array_axes` is the order of their axes beside volumes of NIfTI, xyz or zyx.
    `shape` is the height and width of raw values, `H,W`.
    Maps in memory stand beside the pairs by their names.
    `engine` says who does the work (see `kldeval.executors.choice`); `scheduler`, `scheduler_file`, `engine_timeout`
    and `client`, which is of `distributed` and stays open, say where a cluster is to be found.
    A named tuple, because a dataclass of so many fields takes 1.6 ms to make.
    """

    manifest: Path | None = None
    pred_name: str | None = None
    gt_name: str | None = None
    fixations_name: str | None = None
    mask_name: str | None = None
    baseline_name: str | None = None
    weights_name: str | None = None
    other_map_name: str | None = None
    exclude: tuple[str, ...] = ()
    group_by: str | None = None
    fixations: MapFolder | None = None
    baselines: bool = False
    ceiling: str | None = None
    baseline: MapFolder | None = None
    other_map: MapFolder | None = None
    mask: MapFolder | None = None
    weights: MapFolder | None = None
    allow_missing: bool = False
    allow_extra: bool = False
    limit: int | None = None
    shard: str | None = None
    key: str | None = None
    pred_key: str | None = None
    gt_key: str | None = None
    var: str | None = None
    pred_var: str | None = None
    gt_var: str | None = None
    pred_column: str | None = None
    gt_column: str | None = None
    name_column: str | None = None
    stack: bool = False
    stack_axis: str | None = None
    spatial_axes: int | None = None
    array_axes: str | None = None
    every: int = 1
    fps: str | None = None
    allow_lossy: bool = False
    shape: str | None = None
    max_pixels: int | None = None
    trust_files: bool = False
    device: str = "auto"
    jobs: int | None = None
    batch_bytes: int | None = None
    save_maps: Path | None = None
    cache: Path | None = None
    per_class: bool = False
    digests: bool = False
    bounds: str | None = None
    engine: str | None = None
    scheduler: str | None = None
    scheduler_file: Path | None = None
    engine_timeout: float | None = None
    client: Any = None


ONE_SHARE = re.compile(r"these are the pairs of the share \d+/\d+ alone: ")
"""How a report of a share says so, which the report of all shares does not."""


def notes_of_part(request: RunOptions) -> tuple[str, ...]:
    """What the report of a share of the pairs says of itself."""
    if request.shard is None:
        return ()
    return (f"these are the pairs of the share {request.shard} alone: kldeval merge makes one report of all shares",)


def parse_shard(text: str) -> tuple[int, int]:
    """The number of a share, from 1, and how many there are.

    >>> parse_shard("2/8")
    (2, 8)

    Raises:
        UsageProblem: the text says no share.
    """
    number, slash, count = text.partition("/")
    if not (slash and number.isdecimal() and count.isdecimal() and 1 <= int(number) <= int(count)):
        msg = f"--shard {text}: a share is I/N with I from 1 to N, such as 1/8"
        raise UsageProblem(msg)
    return int(number), int(count)


def parse_shape(text: str) -> tuple[int, int]:
    """The (height, width) of a text.

    >>> parse_shape("1024,2048")
    (1024, 2048)

    Raises:
        UsageProblem: it is none.
    """
    height, comma, width = (part.strip() for part in text.partition(","))
    if comma and height.isdecimal() and width.isdecimal() and int(height) and int(width):
        return int(height), int(width)
    msg = f"--shape {text}: a shape is height and width with a comma between them, such as 1024,2048"
    raise UsageProblem(msg)
