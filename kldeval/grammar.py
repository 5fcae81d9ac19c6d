"""The grammar `name(key=value)` and the registries of what such a text may name.

Everything selectable is a value that prints and parses back: the same text is the flag and the part of a signature.
Parameters come from the keyword-only arguments of the registered function; there is no second list.
"""

from __future__ import annotations

import math
import re
from functools import cached_property
from threading import get_ident
from types import NoneType, SimpleNamespace, UnionType
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from kldeval.dataclass import dataclass
from kldeval.errors import UnknownName, UsageProblem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping


F = TypeVar("F", bound="Callable[..., Any]")
Record = TypeVar("Record", bound="Info")
Parsed = TypeVar("Parsed")

Size = tuple[int, int]
"""A (width, height), written `256x256`."""

Numbers = tuple[float, ...]
"""Some numbers, written `(1,0.5,2)`."""

Value = bool | int | float | str | Size | Numbers | None


@dataclass(frozen=True, slots=True)
class Call:
    """A registered name with the arguments that differ from their defaults, in the order of declaration.

    >>> str(Call("kld", (("log_eps", 1e-7), ("ratio_eps", 1e-7))))
    'kld(log_eps=1e-07,ratio_eps=1e-07)'
    """

    name: str
    arguments: tuple[tuple[str, Value], ...] = ()

    def __str__(self) -> str:
        inside = ",".join(f"{key}={format_value(value)}" for key, value in self.arguments)
        return f"{self.name}({inside})" if inside else self.name

    @property
    def keywords(self) -> dict[str, Any]:
        """The arguments as keywords for the function."""
        return dict(self.arguments)


@dataclass(frozen=True, slots=True, kw_only=True)
class Info:
    """What callers ask of a registered function, beside its parameters; each registry has a record of its own.

    `check` takes the arguments of a call and refuses those that can mean nothing, before any map is read. `aliases` are
    other names of the same, which are read and never printed.
    """

    check: Callable[..., None] | None = None
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True)
class Entry(Generic[F, Record]):
    """A registered function with its record, and the types and defaults of its keyword-only arguments."""

    name: str
    function: F
    info: Record

    @cached_property
    def defaults(self) -> dict[str, Value]:
        """The default of each keyword-only argument, in the order of declaration."""
        return dict(getattr(self.function, "__kwdefaults__", None) or {})

    @cached_property
    def required(self) -> tuple[str, ...]:
        """The keyword-only arguments without a default."""
        code = self.function.__code__
        names = code.co_varnames[code.co_argcount : code.co_argcount + code.co_kwonlyargcount]
        return tuple(name for name in names if name not in self.defaults)

    @cached_property
    def types(self) -> dict[str, Any]:
        """The annotated type of each keyword-only argument, in the order of declaration."""
        code = self.function.__code__
        names = code.co_varnames[code.co_argcount : code.co_argcount + code.co_kwonlyargcount]
        # the arrays' annotations stay unread: they name types that only the type checker imports
        annotations = {name: self.function.__annotations__[name] for name in names}
        return get_type_hints(SimpleNamespace(__annotations__=annotations), globalns=self.function.__globals__)

    def call(self, **arguments: Value) -> Call:
        """A `Call` of this entry: arguments checked, defaults dropped, in the order of declaration."""
        unknown = [key for key in arguments if key not in self.types]
        if unknown:
            known = suggestion(unknown[0], self.types) if self.types else "; it takes none"
            msg = f"{self.name} has no parameter {unknown[0]!r}{known}"
            raise UsageProblem(msg)
        missing = [key for key in self.required if key not in arguments]
        if missing:
            msg = f"{self.name} needs {', '.join(missing)}, as in {self.name}({missing[0]}=...)"
            raise UsageProblem(msg)
        kept = ((key, arguments[key]) for key in self.types if key in arguments)
        return Call(self.name, tuple((k, v) for k, v in kept if k not in self.defaults or v != self.defaults[k]))


class Registry(Generic[F, Record]):
    """Functions by the name that a user types, each with the record that `info` makes.

    Those that the modules of `package` register are imported when the first of them is asked for; what a module of its
    own name registers is imported alone.

    >>> steps = Registry("step", Info)
    >>> @steps.add("clip")
    ... def clip(values, *, low: float = 0.0): ...
    >>> str(steps.parse("clip(low=1e-7)"))
    'clip(low=1e-07)'
    """

    def __init__(self, kind: str, info: type[Record], *, package: str = "") -> None:
        self.kind = kind
        self._info = info
        self._package = package
        self._importers: set[int] = set()
        self._registered: dict[str, Entry[F, Record]] = {}
        self._aliases: dict[str, str] = {}

    @property
    def _entries(self) -> dict[str, Entry[F, Record]]:
        """What is registered, once every module of the package that registers here was imported.

        A thread that asks while another one imports them imports them as well, which is to wait for it. A module that
        asks while it is imported itself gets what is registered so far.
        """
        package, thread = self._package, get_ident()
        if package and thread not in self._importers:
            from importlib import import_module
            from pkgutil import iter_modules

            self._importers.add(thread)
            try:
                for module in iter_modules(import_module(package).__path__):
                    import_module(f"{package}.{module.name}")
                self._package = ""
            finally:
                self._importers.discard(thread)
        return self._registered

    def add(self, name: str, info: Record | None = None) -> Callable[[F], F]:
        """Register the decorated function under `name`; without a record it has that of the defaults."""
        record = self._info() if info is None else info

        def register(function: F) -> F:
            self._registered[name] = Entry(name, function, record)
            self._aliases |= dict.fromkeys(record.aliases, name)
            return function

        return register

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self.get(name) is not None

    def get(self, name: str) -> Entry[F, Record] | None:
        """What is registered under a name or an alias; None if nothing is."""
        package = self._package
        if package and name not in self._registered:
            self._import_module_named(package, name.replace("-", "_"))
        # what is registered already needs no other module
        return self._registered.get(name) or self._entries.get(self._aliases.get(name, name))

    def _import_module_named(self, package: str, name: str) -> None:
        from importlib import import_module, util

        module = f"{package}.{name}"
        if name.isidentifier() and util.find_spec(module):
            import_module(module)

    def __getitem__(self, name: str) -> Entry[F, Record]:
        entry = self._registered.get(name) or self.get(name)
        if entry is None:
            raise unknown(self.kind, name, self._entries)
        return entry

    def parse(self, text: str) -> Call:
        """The call that `text` names, with every argument checked.

        Raises:
            UnknownName: the name is not registered.
            UsageProblem: an argument is unknown, missing, or not of its type.
        """
        name, arguments = split_call(text)
        entry = self[name]
        typed = {}
        for key, raw in arguments.items():
            if key not in entry.types:
                entry.call(**{key: raw})
            typed[key] = parse_value(raw, entry.types[key], f"{name}({key}={raw})")
        call = entry.call(**typed)
        if entry.info.check:
            entry.info.check(**call.keywords)
        return call


def parse_all(parse: Callable[[str], Parsed], texts: Iterable[str]) -> tuple[Parsed, ...]:
    """`parse` of every text.

    Raises:
        UsageProblem: naming everything that is wrong at once, one line each.
    """
    calls, problems = [], []
    for text in texts:
        try:
            calls.append(parse(text))
        except UsageProblem as problem:
            problems.append(problem)
    if problems:
        raise problems[0] if len(problems) == 1 else UsageProblem("\n".join(map(str, problems)))
    return tuple(calls)


def unknown(kind: str, name: str, known: Iterable[str]) -> UnknownName:
    """The error for a name that is not among `known`."""
    return UnknownName(f"unknown {kind} {name!r}{suggestion(name, sorted(known), LISTED_BY.get(kind))}")


LISTED_BY = {
    "metric": "kldeval metrics",
    "metric of labels": "kldeval metrics",
    "step": "kldeval steps",
    "convention": "kldeval conventions",
    "convention or preset": "kldeval conventions",
}
"""The command that lists all names of a kind."""

FEW = 8
"""So many names are listed in a message; of more the nearest are named, with the command that lists all."""


def suggestion(name: str, known: Iterable[str], listed_by: str | None = None) -> str:
    """The end of a message that begins with a wrong `name`: what was perhaps meant, and all that is known.

    >>> "no sush" + suggestion("sush", ["such", "some"]), "no x" + suggestion("x", ["such", "some"])
    ("no sush; did you mean 'such'? Known: such, some", 'no x; known: such, some')
    >>> suggestion("sush", ["such", "rush", "some", *"12345678"], "kldeval metrics")
    "; did you mean 'such', 'rush' or 'some'? `kldeval metrics` lists all"
    """
    names = list(known)
    if listed_by is not None and len(names) > FEW:
        if not name:
            return f"; `{listed_by}` lists all"
        first, second, third = map(repr, nearest(name, names))
        return f"; did you mean {first}, {second} or {third}? `{listed_by}` lists all"
    hint = did_you_mean(name, names)
    return f"{hint}{' Known' if hint else '; known'}: {', '.join(names)}"


def nearest(name: str, known: Iterable[str], count: int = 3) -> list[str]:
    """The known names that are most like a wrong one, the nearest first; where one begins the other before all.

    >>> nearest("aucc", ["kld", "auc-judd", "auc", "cc"])
    ['auc', 'cc', 'auc-judd']
    """
    from difflib import SequenceMatcher

    def likeness(other: str) -> tuple[bool, float]:
        short, long = sorted((bare(name), bare(other)), key=len)
        return bool(short) and long.startswith(short), SequenceMatcher(None, bare(name), bare(other)).ratio()

    return sorted(known, key=likeness, reverse=True)[:count]


def bare(name: str) -> str:
    """A name in small letters, without what parts its words.

    >>> bare("s-AUC"), bare("MIT / Tuebingen")
    ('sauc', 'mittuebingen')
    """
    return "".join(character for character in name.lower() if character not in "-_ /.")


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`; did you mean 'x'?` where something close is known, else nothing."""
    from difflib import get_close_matches

    by_lower = {item.lower(): item for item in known}
    close = get_close_matches(name.lower(), list(by_lower), n=1)
    return f"; did you mean {by_lower[close[0]]!r}?" if close else ""


def spelt_as(name: str, known: Iterable[str]) -> str | None:
    """The one known name that differs from this in case, hyphens, underscores and spaces alone.

    >>> spelt_as("EML_Net", ["eml-net", "msi-net"]), spelt_as("MSI Net", ["msi-net", "msinet"])
    ('eml-net', None)
    """
    found = [other for other in known if bare(other) == bare(name)]
    exact = [other for other in found if other.lower() == name.lower().replace("_", "-")]
    return (exact or found)[0] if len(exact or found) == 1 else None


def split_top_level(text: str, separator: str) -> list[str]:
    """Split at separators outside parentheses.

    >>> split_top_level("kld(log_eps=1,ratio_eps=1),ce", ",")
    ['kld(log_eps=1,ratio_eps=1)', 'ce']
    """
    parts, depth, start = [], 0, 0
    for position, character in enumerate(text):
        depth += (character == "(") - (character == ")")
        if character == separator and depth == 0:
            parts.append(text[start:position])
            start = position + 1
    return [part.strip() for part in [*parts, text[start:]]]


def split_call(text: str) -> tuple[str, dict[str, str]]:
    """`name(key=value,...)` as the name and its raw arguments.

    >>> split_call("add(value=1e-20)")
    ('add', {'value': '1e-20'})
    """
    name, bracket, rest = text.strip().partition("(")
    if bracket and not rest.endswith(")"):
        msg = f"{text!r} is not of the form name(key=value,...): its parenthesis is not closed"
        raise UsageProblem(msg)
    arguments: dict[str, str] = {}
    for part in split_top_level(rest[:-1], ",") if rest[:-1].strip() else []:
        key, equals, value = (piece.strip() for piece in part.partition("="))
        if not (equals and key and value) or key in arguments:
            msg = f"{text!r} is not of the form name(key=value,...): look at {part!r}"
            raise UsageProblem(msg)
        arguments[key] = value
    return name.strip(), arguments


def format_value(value: Value) -> str:
    """The canonical text of an argument: shortest digits that read back as the same number.

    >>> [format_value(v) for v in (1e-7, 10.0, None, True, (256, 128), (1.0, 0.5), "mean")]
    ['1e-07', '10', 'none', 'true', '256x128', '(1,0.5)', 'mean']
    """
    if isinstance(value, bool):
        return str(value).lower()
    if value is None:
        return "none"
    if isinstance(value, tuple):
        return f"{value[0]}x{value[1]}" if isinstance(value[0], int) else f"({','.join(map(format_value, value))})"
    # float(): a numpy float is a float, but its repr is no number
    return repr(float(value)).removesuffix(".0") if isinstance(value, float) else str(value)


def parse_value(text: str, kind: Any, where: str) -> Value:
    """Read `text` as the annotated type `kind`; `where` is shown if it cannot be.

    >>> parse_value("1e-7", float, "add(value=1e-7)")
    1e-07
    """
    if get_origin(kind) in (Union, UnionType):
        return _parse_optional(text, kind, where)
    if get_origin(kind) is Literal:
        choices = get_args(kind)
        if text not in choices:
            msg = f"{where}: {text!r} is none of {', '.join(choices)}{did_you_mean(text, choices)}"
            raise UsageProblem(msg)
        return text
    parser, expected = _PARSERS[kind]
    try:
        return parser(text)
    except (ValueError, KeyError):
        msg = f"{where}: {text!r} is not {expected}"
        raise UsageProblem(msg) from None


def _parse_optional(text: str, kind: Any, where: str) -> Value:
    others = [option for option in get_args(kind) if option is not NoneType]
    if len(others) < len(get_args(kind)) and text == "none":
        return None
    return parse_value(text, others[0], where)


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(text)
    return value


def _size(text: str) -> Size:
    width, height = (int(part) for part in text.lower().split("x"))
    if min(width, height) < 1:
        raise ValueError(text)
    return width, height


def _numbers(text: str) -> Numbers:
    inside = text[1:-1] if text.startswith("(") and text.endswith(")") else text
    return tuple(_finite(part) for part in inside.split(","))


_PARSERS: Mapping[Any, tuple[Callable[[str], Value], str]] = {
    bool: ({"true": True, "false": False}.__getitem__, "true or false"),
    int: (int, "a whole number"),
    float: (_finite, "a finite number"),
    str: (str, "a text"),
    Size: (_size, "a size WIDTHxHEIGHT such as 256x192"),
    Numbers: (_numbers, "a list of numbers such as (1,0.5,2)"),
}


_FIXATIONS = re.compile(r"(?<=\|density:)(?P<way>[^|]*[(,]fixations=)(?P<number>\d+)(?=\))")
"""How many fixations the ground truths were made of, which a part of the data has fewer of."""


def signature_parts(text: str) -> dict[str, str]:
    """The parts of a signature by name, the metric as `metric`; a text of another form is no error here.

    >>> signature_parts("kld(log_eps=1)|pred:sum-to-one|v:1")
    {'metric': 'kld(log_eps=1)', 'pred': 'sum-to-one', 'v': '1'}
    """
    metric, *rest = split_top_level(text, "|")
    return {"metric": metric, **{name: value for name, _, value in (piece.partition(":") for piece in rest)}}


def differences(first: str, second: str) -> dict[str, tuple[str, str]]:
    """The parts in which two signatures differ, each with both values; "" where one lacks the part.

    >>> differences("kld|scale:unit|v:1", "kld|scale:raw|v:1")
    {'scale': ('unit', 'raw')}
    """
    ours, theirs = signature_parts(first), signature_parts(second)
    both = {name: (ours.get(name, ""), theirs.get(name, "")) for name in {**ours, **theirs}}
    return {name: pair for name, pair in both.items() if pair[0] != pair[1]}


def with_fixation_count(text: str, number: int) -> str:
    """The signature with another number of fixations that the ground truths were made of, where it has one.

    >>> with_fixation_count("kld()|density:gaussian(sigma=24,border=reflect,fixations=7)|v:1", 9)
    'kld()|density:gaussian(sigma=24,border=reflect,fixations=9)|v:1'
    """
    return _FIXATIONS.sub(rf"\g<way>{number}", text)
