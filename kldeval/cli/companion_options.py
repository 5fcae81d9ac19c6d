"""The options on what stands beside the pairs: fixations, baselines, masks, weights, and the average over maps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable

READING = {
    "fixation_base": ("N", "The first pixel in coordinates: 0 or 1 [default: 0; 1 in SALICON's gaze]."),
    "fixation_first": ("HOW", "The first fixation of each observer: keep or drop [default: keep]."),
    "fixation_outside": ("HOW", "Fixations outside the map: error or drop [default: error]."),
    "fixation_threshold": ("X", "Pixels above it are fixated, where a fixation map is not binary."),
    "fixation_variable": ("NAME", "The variable of a .mat that holds the fixations."),
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
