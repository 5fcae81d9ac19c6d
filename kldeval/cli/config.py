"""Options from a configuration file and from variables `KLDEVAL_*`.

The file is the one that `--config FILE` names, else `kldeval.toml`, else `[tool.kldeval]` in pyproject.toml, of the
working directory. The keys are the flags without their dashes. Every key must be an option of some command; a command
takes those that it has. A file that was found by looking around may have come with a data set from anybody, so it may
not name files to write, and it cannot silence the note that says what it sets.
"""

from __future__ import annotations

import os
import re
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.core import ParameterSource

from kldeval.cli.groups import PREFIX, FilePath, given_variables
from kldeval.cli.options import REPLACED
from kldeval.dataclass import NamedTuple
from kldeval.errors import UnknownName, UsageProblem, printable
from kldeval.grammar import suggestion
from kldeval.regular import read_regular, why

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    Commands = Callable[[], Iterable[click.Command]]


Said = TypeVar("Said", bound=Any)
"""A document with notes, and with a provenance or reports that have one."""

OWN, SHARED = Path("kldeval.toml"), Path("pyproject.toml")

LARGEST = 2**20
"""Bytes of a configuration file."""

_HAS_TABLE = re.compile(rb"""^[\s\[]*["']?tool["']?\s*([]=]|\.\s*["']?kldeval)""", re.MULTILINE)
"""What every pyproject.toml with a table `tool.kldeval` holds, and few others: reading TOML takes milliseconds."""

NAMED = "config"
"""The option that names a file, and so no key of a file."""

COMMAND = "kldeval.command"
"""Under this key the contexts of a run note that of the command, whose options may come from elsewhere."""

_NOT_OPTIONS = frozenset({"help", "version"})

WRITING = frozenset({"cache", "output", "output-dir", "save", "save-maps"})
"""The options that name files to write, which a file that was found by looking around may not do."""


class Config(NamedTuple):
    """A configuration file and the table in it, and whether it was found by looking around.

    Without a file the table is empty.
    """

    file: str
    table: Mapping[str, Any]
    is_found: bool = False
    path: Path | None = None

    def __str__(self) -> str:
        return self.file


def read_config(named: Path | None = None) -> Config:
    """The configuration in the file that was named, else that of the working directory.

    There it is `kldeval.toml`, or `[tool.kldeval]` of pyproject.toml.

    Raises:
        UsageProblem: the file cannot be read, is not TOML, or holds no table.
    """
    if named is not None:
        return _named_config(named)
    if OWN.is_file():
        return Config(str(OWN), _toml(OWN), is_found=True, path=OWN)
    if SHARED.is_file() and _HAS_TABLE.search(_bytes_of(SHARED)):
        return Config(f"{SHARED} [tool.kldeval]", _table_of_tool(SHARED) or {}, is_found=True, path=SHARED)
    return Config("", {})


def _named_config(path: Path) -> Config:
    if path.name != SHARED.name:
        return Config(printable(path), _toml(path), path=path)
    table = _table_of_tool(path)
    if table is None:
        msg = f"--config {printable(path)}: it has no table [tool.kldeval]"
        raise UsageProblem(msg)
    return Config(f"{printable(path)} [tool.kldeval]", table, path=path)


def _table_of_tool(path: Path) -> Mapping[str, Any] | None:
    """The table `tool.kldeval`; None where there is none."""
    tool = _toml(path).get("tool")
    if not isinstance(tool, dict) or "kldeval" not in tool:
        return None
    table = tool["kldeval"]
    if not isinstance(table, dict):
        msg = f"{printable(path)}: tool.kldeval is no table of options, as in [tool.kldeval]"
        raise UsageProblem(msg)
    return table


def defaults_of(command: click.Command, config: Config, commands: Commands) -> dict[str, Any]:
    """What a configuration says of the options of `command`, by parameter; every key is checked against all `commands`.

    Raises:
        UnknownName: naming every key that is an option of no command.
        UsageProblem: naming every value that is none of its option, and every key that may not stand in the file.
    """
    if not config.table:
        return {}
    own = _flags(command)
    known = {flag: option for other in commands() for flag, option in _flags(other).items()} | own
    known.pop(NAMED, None)
    given = {key.replace("_", "-"): value for key, value in config.table.items()}
    strangers = [
        f"{config.file}: unknown key {key!r}{suggestion(key, sorted(known))}" for key in given if key not in known
    ]
    if strangers:
        raise UnknownName("\n".join(strangers))
    problems = [_problem(config, key, value, known[key]) for key, value in given.items()]
    problems += [_may_not_write(config, key) for key in given if config.is_found and key in WRITING]
    if any(problems):
        raise UsageProblem("\n".join(filter(None, problems)))
    return {str(own[key].name): _value(own[key], value) for key, value in given.items() if key in own}


def check_variables(given: Sequence[str], commands: Commands) -> None:
    """Refuse variables that begin with `KLDEVAL_` and set no option.

    Raises:
        UnknownName: naming every such variable.
    """
    if not given:
        return
    known = sorted({variable_of(flag) for command in commands() for flag in _flags(command)})
    strangers = [
        f"unknown environment variable {name!r}{suggestion(name, known)}" for name in given if name not in known
    ]
    if strangers:
        raise UnknownName("\n".join(strangers))


def accept_config(command: click.Command, commands: Commands) -> click.Command:
    """The command with `--config FILE`, each of whose options `--some-flag` also comes from `KLDEVAL_SOME_FLAG`."""
    if not any(option.name == NAMED for option in command.params):
        command.params.append(_config_option(commands))
        for flag, option in _flags(command).items():
            option.envvar = variable_of(flag)
    return command


def _config_option(commands: Commands) -> click.Option:
    """The option that names the file, and reads it before any other option takes its value from it."""
    return click.Option(
        [f"--{NAMED}"],
        type=FilePath(),
        metavar="FILE",
        is_eager=True,
        expose_value=False,
        callback=partial(_take_from_file, commands=commands),
        help="Options from this TOML file, instead of a kldeval.toml or pyproject.toml of the working directory.",
    )


def _take_from_file(
    context: click.Context, _option: click.Parameter, named: Path | None, *, commands: Commands
) -> None:
    """Let the options of a command be those of its configuration file, where nothing nearer by says otherwise."""
    if context.resilient_parsing:
        return
    context.meta[COMMAND] = context
    check_variables(given_variables(context), commands)
    context.obj = read_config(named)
    context.default_map = defaults_of(context.command, context.obj, commands)


def variable_of(flag: str) -> str:
    """The variable that stands for a flag.

    >>> variable_of("fail-if")
    'KLDEVAL_FAIL_IF'
    """
    return PREFIX + flag.replace("-", "_").upper()


def with_places(message: str, context: click.Context | None) -> str:
    """A message about a request, each line behind the variable or the key of a file that gave what it is about.

    That is the option whose flag the line names; where it names none, the one whose value it names, unless the command
    line has the same.
    """
    command: click.Context | None = context.meta.get(COMMAND) if context else None
    if command is None or not (command.default_map or given_variables(command)):
        return message
    return "\n".join(_with_place(line, command) for line in message.split("\n"))


_FLAG = re.compile(r"(?<![\w-])--?[a-z][a-z-]*")

_QUOTED = re.compile(r"'([^']+)'")


def _with_place(line: str, context: click.Context) -> str:
    """One line of a message behind where the option stands that it is about."""
    named = {*_FLAG.findall(line)}
    options = _flags(context.command)
    about = [flag for flag, option in options.items() if named & {*option.opts, *option.secondary_opts}]
    if not about:
        about = [flag for flag in options if _names_value(line, _texts_of(flag, options[flag], context))]
    sources = {flag: context.get_parameter_source(str(options[flag].name)) for flag in about}
    if ParameterSource.COMMANDLINE in sources.values():
        return line
    places = [
        variable_of(flag) if source == ParameterSource.ENVIRONMENT else f"{context.obj}: {flag}"
        for flag, source in sources.items()
        if source in (ParameterSource.ENVIRONMENT, ParameterSource.DEFAULT_MAP)
    ]
    return f"{', '.join(places)}: {line.lstrip()}" if places else line


def _texts_of(flag: str, option: click.Option, context: click.Context) -> list[str]:
    """The values of an option as somebody wrote them."""
    source = context.get_parameter_source(str(option.name))
    if source == ParameterSource.ENVIRONMENT:
        return [os.environ.get(variable_of(flag), "")]
    found = context.params.get(str(option.name))
    if source == ParameterSource.DEFAULT_MAP and context.default_map:
        found = context.default_map.get(str(option.name))
    elif source != ParameterSource.COMMANDLINE:
        return []
    return [str(one) for one in (found if isinstance(found, list | tuple) else (found,))]


def _names_value(line: str, texts: Sequence[str]) -> bool:
    """Whether a message names a value, or quotes a word of it."""
    quoted = {*_QUOTED.findall(line)}
    words = {word for text in texts for word in (text, *re.split(r"[^\w.-]+", text)) if word}
    return bool(quoted & words) or any(text in line.split() or f"{text}:" in line.split() for text in texts if text)


def with_config_provenance(document: Said) -> Said:
    """The document, saying in its provenance and its notes which options a file or the environment gave."""
    context = click.get_current_context()
    if not context.default_map and not given_variables(context):
        return document
    source_of = {flag: _source(context, option) for flag, option in sorted(_flags(context.command).items())}
    keys = [flag for flag, source in source_of.items() if source == ParameterSource.DEFAULT_MAP]
    variables = [variable_of(flag) for flag, source in source_of.items() if source == ParameterSource.ENVIRONMENT]
    notes = [_what_it_sets(context.obj, keys)] if keys else []
    notes += [f"the environment sets {', '.join(variables)}"] if variables else []
    said = {"config": {"file": str(context.obj), "keys": keys}} if keys else {}
    said |= {"environment": variables} if variables else {}  # type: ignore[dict-item]
    return _with(document, said, tuple(notes)) if notes else document


def _what_it_sets(config: Config, keys: Iterable[str] = ()) -> str:
    return f"{config} sets " + ", ".join(keys)


def unsilenced(notes: Iterable[str]) -> tuple[str, ...]:
    """The notes that stand although `quiet` is set: what a file sets that was found, if `quiet` is from it."""
    context = click.get_current_context(silent=True)
    config = context.obj if context else None
    if context is None or not isinstance(config, Config) or not config.is_found:
        return ()
    if context.get_parameter_source("quiet") != ParameterSource.DEFAULT_MAP:
        return ()
    return tuple(note for note in notes if note.startswith(_what_it_sets(config)))


def _with(document: Said, said: dict[str, Any], notes: tuple[str, ...]) -> Said:
    from kldeval.reports.documents import Leaderboard

    if isinstance(document, Leaderboard):
        reports = document.reports.items()
        documented = {model: replace(report, provenance={**report.provenance, **said}) for model, report in reports}
        return replace(document, reports=documented, notes=(*document.notes, *notes))
    return replace(document, provenance={**document.provenance, **said}, notes=(*document.notes, *notes))


def _source(context: click.Context, option: click.Option) -> ParameterSource | None:
    """Where an option that counts was given; None for one that does not count."""
    return None if option.name in context.meta.get(REPLACED, ()) else context.get_parameter_source(option.name)


def _bytes_of(path: Path) -> bytes:
    if path == Path(os.devnull):  # no options, and no looking around
        return b""
    try:
        return read_regular(path, LARGEST)
    except OSError as error:
        msg = f"cannot read {printable(path)}: {why(error)}"
        raise UsageProblem(msg) from error


def _toml(path: Path) -> dict[str, Any]:
    import tomllib

    data = _bytes_of(path)
    try:
        return tomllib.loads(data.decode("utf-8"))
    except ValueError as error:  # of tomllib, of a number that is too long for Python, or no UTF-8
        msg = f"{printable(path)} is not TOML: {error}"
        raise UsageProblem(msg) from error
    except RecursionError as error:
        msg = f"{printable(path)} is not TOML that can be read: its lists or tables are nested too deeply"
        raise UsageProblem(msg) from error


@cache
def _flags(command: click.Command) -> dict[str, click.Option]:
    """The options of a command by their longest flag, without dashes."""
    options = (item for item in command.params if isinstance(item, click.Option))
    flags = {max(option.opts, key=len).lstrip("-"): option for option in options}
    return {flag: option for flag, option in flags.items() if flag not in _NOT_OPTIONS}


def _may_not_write(config: Config, key: str) -> str:
    return (
        f"{config.file}: {key} names files to write, which a file that was found by looking around may not do; "
        f"give --{key} on the command line, or name the file with --config"
    )


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
