"""Which option counts where the command line, the environment and the configuration file speak of the same thing.

A flag comes before a variable, that before the file; click sees to it where they give the same option. Here it is seen
to where options overlap: a convention or a signature that is named nearer by replaces what it says itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

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
    from kldeval.cli.companion_options import SAID
    from kldeval.cli.options import NUMERIC

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

    return _said_by(preset(name).texts) | {"convention", "metric"}


def _said_by_convention(name: str) -> set[str]:
    from kldeval.conventions import convention

    return _said_by(convention(name).texts)


def _said_by(named: Mapping[str, str]) -> set[str]:
    texts = set(named)
    norms = {"norm", "axis"} if texts & {"pred_norm", "gt_norm"} else set()
    return (texts | norms | {"eps"}) - {"metric"}


def _nothing(value: Any) -> Any:
    return () if isinstance(value, tuple) else None
