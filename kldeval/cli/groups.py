"""Options as the fields of a class: a command takes an instance, whose attributes are the values.

A group is a class. Each field is one option, in one place: its name, its type and what click is told of it. A command
has a class of its own, which inherits the groups that it shares with others, so that a function says by the type of
its parameter which options it reads:

    class FileOptions(OptionGroup):
        limit: int | None = option(type=WholeNumber(min=1), metavar="N", help="Only the first N pairs.")

    class CheckOptions(NumericOptions, FileOptions):
        ...

    @click.command("check")
    @takes(CheckOptions)
    def command(paths: tuple[Path, ...], options: CheckOptions) -> int: ...
"""

from __future__ import annotations

import os
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from kldeval.dataclass import NamedTuple
from kldeval.errors import UsageProblem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Self

    Function = Callable[..., int]


PREFIX = "KLDEVAL_"
"""How the variables begin that stand for options."""

_VARIABLES = "kldeval.variables"

PATHS = frozenset({"PATH", "FILE", "FILE.png", "DIR", "WHAT"})
"""What an option that may be a path shows for its value."""


class WholeNumber(click.IntRange):
    """A whole number within bounds, which click calls an integer range where it is none."""

    name = "whole number"


class FilePath(click.Path):
    """The type of what is a path: never "", which would stand for the current folder."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(path_type=Path, **attributes)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The path.

        Raises:
            UsageProblem: it is "".
        """
        return super().convert(_refuse_empty_path(ctx, param, value), param, ctx)


def _refuse_empty_path(_context: click.Context | None, parameter: click.Parameter | None, value: Any) -> Any:
    """The value of an option that may be a path.

    Raises:
        UsageProblem: it is "".
    """
    if value == "" or (isinstance(value, tuple) and "" in value):
        what = max(parameter.opts, key=len) if isinstance(parameter, click.Option) else "a path"
        msg = f'{what} is empty (""); is a variable of the shell unset?'
        raise UsageProblem(msg)
    return value


class Option(click.Option):
    """An option that is passed over where nobody gives it: a command has a hundred, and click asks each at length."""

    _has_default, _default = False, None

    def __init__(self, *arguments: Any, help_of: Callable[[], str] | None = None, **attributes: Any) -> None:
        super().__init__(*arguments, **attributes)
        self._help_of = help_of

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """What the help says of it; of one with `help_of` that is worked out now, for it names what is registered."""
        if self._help_of is not None:
            self.help = self._help_of()
        return super().get_help_record(ctx)

    def handle_parse_result(
        self, ctx: click.Context, opts: Mapping[str, Any], args: list[str]
    ) -> tuple[Any, list[str]]:
        """The value of the option, and the arguments that are left: click is asked for them the first time alone."""
        is_given = self.name in opts or self.envvar in given_variables(ctx) or self.name in (ctx.default_map or ())
        if is_given or ctx.resilient_parsing:
            return super().handle_parse_result(ctx, opts, args)
        if not self._has_default:
            self._default, args = super().handle_parse_result(ctx, opts, args)
            self._has_default = True
            return self._default, args
        ctx.set_parameter_source(self.name, ParameterSource.DEFAULT)
        if self.expose_value:
            ctx.params[self.name] = self._default
        return self._default, args


def given_variables(context: click.Context) -> tuple[str, ...]:
    """The variables of the environment that are to be those of options, looked for once a run."""
    if _VARIABLES not in context.meta:
        context.meta[_VARIABLES] = tuple(name for name in os.environ if name.startswith(PREFIX))
    found: tuple[str, ...] = context.meta[_VARIABLES]
    return found


class Declared(NamedTuple):
    """What click is told of an option beside the name of its parameter."""

    flags: tuple[str, ...]
    attributes: dict[str, Any]

    def added_to(self, function: Function, name: str) -> Function:
        """The function of a command, with this option as the parameter `name`."""
        flags = self.flags or (f"--{name.replace('_', '-')}",)
        may_be_path = "type" not in self.attributes and self.attributes.get("metavar") in PATHS
        attributes = {"callback": _refuse_empty_path, **self.attributes} if may_be_path else self.attributes
        return click.option(*flags, name, cls=Option, **attributes)(function)


def option(*flags: str, **attributes: Any) -> Any:
    """Declare a field of a group, as `click.option` does: the flag is `--the-field` where none is given.

    The type of the result is that of the field, which the class says.
    """
    return Declared(flags, attributes)


def flag_option(help_: str) -> Any:
    """Declare a field that is true where its flag is given."""
    return Declared((), {"is_flag": True, "help": help_})


def text_option(metavar: str, help_: str, **attributes: Any) -> Any:
    """Declare a field that holds the text which was given."""
    return Declared((), {"metavar": metavar, "help": help_, **attributes})


class OptionGroup:
    """Options that belong together; of an instance each field is the value that was given, or its default."""

    def __init__(self, values: Mapping[str, object]) -> None:
        self.__dict__.update(values)

    @classmethod
    def own(cls) -> dict[str, Declared]:
        """The options that this class declares itself, by the names of its fields."""
        return {name: value for name, value in vars(cls).items() if isinstance(value, Declared)}

    @classmethod
    def declared(cls) -> dict[str, Declared]:
        """Every option of the class in the order of the help: its own, then those of its groups from left to right."""
        found = cls.own()
        for base in cls.__bases__:
            if issubclass(base, OptionGroup):
                found |= {name: value for name, value in base.declared().items() if name not in found}
        return found

    def given(self, names: Iterable[str]) -> dict[str, Any]:
        """The values of those of the options `names` that the command has and that are not None."""
        values = vars(self)
        return {name: values[name] for name in names if values.get(name) is not None}

    def replaced(self, **values: object) -> Self:
        """These options with other values for some."""
        return type(self)({**vars(self), **values})


def takes(group: type[OptionGroup]) -> Callable[[Function], Function]:
    """Give a command the options of a class; its function gets an instance as `options`."""

    def decorate(function: Function) -> Function:
        declared = group.declared()

        @wraps(function)
        def command(**given: object) -> int:
            values = {name: given.pop(name) for name in declared}
            return function(options=group(values), **given)

        found: Function = command
        for name, one in reversed(declared.items()):
            found = one.added_to(found, name)
        return found

    return decorate


DEBUG = click.option("--debug", cls=Option, is_flag=True, expose_value=False, help="Show a traceback on errors.")
"""The option that every command has; `kldeval.cli.main` looks for it before the command is known."""
