"""Options from `kldeval.toml`, or `[tool.kldeval]` in pyproject.toml, of the working directory, and from `KLDEVAL_*`.

The keys are the flags without their dashes. Every key must be an option of some command; a command takes those that it
has.
"""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import click
from click.core import ParameterSource

from kldeval.cli.options import REPLACED
from kldeval.errors import UnknownName, UsageProblem
from kldeval.grammar import suggestion

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    Commands = Callable[[], Iterable[click.Command]]


Said = TypeVar("Said", bound=Any)
"""A document with notes, and with a provenance or reports that have one."""

OWN, SHARED = Path("kldeval.toml"), Path("pyproject.toml")

PREFIX = "KLDEVAL_"

_HAS_TABLE = re.compile(rb"""^[\s\[]*["']?tool["']?\s*([]=]|\.\s*["']?kldeval)""", re.MULTILINE)
"""What every pyproject.toml with a table `tool.kldeval` holds, and few others: reading TOML takes milliseconds."""

_NOT_FROM_FILES = frozenset({"help", "version"})


class Config(NamedTuple):
    """A configuration file and the table in it; without a file the table is empty."""

    file: str
    table: Mapping[str, Any]


def read_config() -> Config:
    """The configuration of the working directory: `kldeval.toml` if it is there, else that of pyproject.toml.

    Raises:
        UsageProblem: the file cannot be read, or is not TOML.
    """
    if OWN.is_file():
        return Config(str(OWN), _toml(OWN))
    if SHARED.is_file() and _HAS_TABLE.search(SHARED.read_bytes()):
        table = _toml(SHARED).get("tool", {}).get("kldeval", {})
        return Config(f"{SHARED} [tool.kldeval]", table)
    return Config("", {})


def defaults_of(command: click.Command, config: Config, commands: Commands) -> dict[str, Any]:
    """What a configuration says of the options of `command`, by parameter; every key is checked against all `commands`.

    Raises:
        UnknownName: naming every key that is an option of no command.
        UsageProblem: naming every value that is none of its option.
    """
    if not config.table:
        return {}
    own = _flags(command)
    known = {flag: option for other in commands() for flag, option in _flags(other).items()} | own
    given = {key.replace("_", "-"): value for key, value in config.table.items()}
    strangers = [
        f"{config.file}: unknown key {key!r}{suggestion(key, sorted(known))}" for key in given if key not in known
    ]
    if strangers:
        raise UnknownName("\n".join(strangers))
    problems = [_problem(config, key, value, known[key]) for key, value in given.items()]
    if any(problems):
        raise UsageProblem("\n".join(filter(None, problems)))
    return {str(own[key].name): _value(own[key], value) for key, value in given.items() if key in own}


def check_variables(commands: Commands) -> None:
    """Refuse variables that begin with `KLDEVAL_` and set no option.

    Raises:
        UnknownName: naming every such variable.
    """
    given = [name for name in os.environ if name.startswith(PREFIX)]
    if not given:
        return
    known = sorted({variable_of(flag) for command in commands() for flag in _flags(command)})
    strangers = [
        f"unknown environment variable {name!r}{suggestion(name, known)}" for name in given if name not in known
    ]
    if strangers:
        raise UnknownName("\n".join(strangers))


def accept_variables(command: click.Command) -> click.Command:
    """The command, each of whose options `--some-flag` also comes from `KLDEVAL_SOME_FLAG`."""
    for flag, option in _flags(command).items():
        option.envvar = variable_of(flag)
    return command


def variable_of(flag: str) -> str:
    """The variable that stands for a flag.

    >>> variable_of("fail-if")
    'KLDEVAL_FAIL_IF'
    """
    return PREFIX + flag.replace("-", "_").upper()


def with_config_provenance(document: Said) -> Said:
    """The document, saying in its provenance and its notes which options a file or the environment gave."""
    context = click.get_current_context()
    by_source = {
        source: sorted(flag for flag, option in _flags(context.command).items() if _came_from(context, option, source))
        for source in (ParameterSource.DEFAULT_MAP, ParameterSource.ENVIRONMENT)
    }
    keys = by_source[ParameterSource.DEFAULT_MAP]
    variables = [variable_of(flag) for flag in by_source[ParameterSource.ENVIRONMENT]]
    notes = [f"{context.obj} sets {', '.join(keys)}"] if keys else []
    notes += [f"the environment sets {', '.join(variables)}"] if variables else []
    said = {"config": {"file": str(context.obj), "keys": keys}} if keys else {}
    said |= {"environment": variables} if variables else {}  # type: ignore[dict-item]
    return _with(document, said, tuple(notes)) if notes else document


def _with(document: Said, said: dict[str, Any], notes: tuple[str, ...]) -> Said:
    from kldeval.reports.documents import Leaderboard

    if isinstance(document, Leaderboard):
        reports = document.reports.items()
        documented = {model: replace(report, provenance={**report.provenance, **said}) for model, report in reports}
        return replace(document, reports=documented, notes=(*document.notes, *notes))
    return replace(document, provenance={**document.provenance, **said}, notes=(*document.notes, *notes))


def _came_from(context: click.Context, option: click.Option, source: ParameterSource) -> bool:
    """Whether an option that counts was given there."""
    name = str(option.name)
    return context.get_parameter_source(name) == source and name not in context.meta.get(REPLACED, ())


def _toml(path: Path) -> dict[str, Any]:
    import tomllib

    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        msg = f"cannot read {path}: {(error.strerror or str(error)).lower()}"
        raise UsageProblem(msg) from error
    except ValueError as error:
        msg = f"{path} is not TOML: {error}"
        raise UsageProblem(msg) from error


def _flags(command: click.Command) -> dict[str, click.Option]:
    """The options of a command by their longest flag, without dashes."""
    options = (item for item in command.params if isinstance(item, click.Option))
    flags = {max(option.opts, key=len).lstrip("-"): option for option in options}
    return {flag: option for flag, option in flags.items() if flag not in _NOT_FROM_FILES}


def _problem(config: Config, key: str, value: Any, option: click.Option) -> str:
    """What is wrong with a value; "" if nothing is."""
    if option.is_flag:
        return "" if isinstance(value, bool) else f"{config.file}: {key} = {value!r}: true or false is needed"
    values = value if option.multiple and isinstance(value, list) else [value]
    if all(isinstance(item, str | int | float) and not isinstance(item, bool) for item in values):
        return ""
    needed = "a text, a number or a list of these" if option.multiple else "a text or a number"
    return f"{config.file}: {key} = {value!r}: {needed} is needed"


def _value(option: click.Option, value: Any) -> Any:
    if option.is_flag:
        return value
    if option.multiple:
        return [str(item) for item in (value if isinstance(value, list) else [value])]
    return str(value)
