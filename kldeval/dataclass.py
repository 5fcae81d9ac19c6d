"""`dataclass` and `NamedTuple` of the standard library, made in less time: `kldeval` makes 140 of them as it starts.

The standard library compiles up to eight functions for each class, 0.43 ms (Python 3.11), which was a third of a short
run. Here a class has closures, and one compiled function, `__init__` or `__new__`, that is made when it is first asked
for: of a hundred classes a run needs some twenty. What comes out is a dataclass: `dataclasses.replace`, `fields` and
`asdict` take it, and it compares, prints, hashes and pickles as theirs; so does a named tuple.
"""

from __future__ import annotations

import dataclasses
from abc import update_abstractmethods
from collections import namedtuple
from dataclasses import MISSING, Field, FrozenInstanceError
from functools import partial
from operator import attrgetter
from types import MethodType
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from dataclasses import dataclass
    from typing import NamedTuple

    Fields = tuple[dataclasses.Field[Any], ...]
    Methods = dict[str, Any]

__all__ = ["NamedTuple", "dataclass"]


def _decorator(
    *, frozen: bool = False, slots: bool = False, eq: bool = True, kw_only: bool = False
) -> Callable[[type[Any]], type[Any]]:
    """The decorator that makes a dataclass; the options mean what they mean to `dataclasses.dataclass`."""
    return partial(_made, frozen=frozen, slots=slots, eq=eq, kw_only=kw_only)


def _made(cls: type[Any], *, frozen: bool, slots: bool, eq: bool, kw_only: bool) -> type[Any]:
    annotations = vars(cls).get("__annotations__") or {}
    if _is_plain(cls, annotations):
        made, fields = _with_fields(cls, annotations, slots=slots, kw_only=kw_only)
        made.__dataclass_params__ = _PARAMS[frozen]
    else:
        is_derived = any(hasattr(base, "__dataclass_fields__") for base in cls.__mro__[1:])
        # where there is a base the standard library compares the two
        make = dataclasses.dataclass(
            init=False, repr=False, eq=False, slots=slots, kw_only=kw_only, frozen=frozen and is_derived
        )
        made = make(cls)
        fields = dataclasses.fields(made)
        made.__dataclass_params__.frozen = frozen
    methods: Methods = {"__init__": _LaterInit(made, fields, frozen=frozen), **_repr(fields)}
    if eq:
        methods |= _comparisons(fields, frozen=frozen)
    if frozen:
        methods |= {"__setattr__": _refuse_assignment, "__delattr__": _refuse_deletion}
    if frozen and slots:
        # pickle would assign what it restores
        methods |= _state(fields)
    for name in methods.keys() - vars(cls).keys():
        setattr(made, name, methods[name])
    return made


_SPECIAL = ("ClassVar", "InitVar", "KW_ONLY")


def _is_plain(cls: type[Any], annotations: Mapping[str, Any]) -> bool:
    """Whether every annotation is the text of a field's type, and no base has fields or slots of its own."""
    return (
        bool(annotations)
        and all(type(kind) is str and not any(word in kind for word in _SPECIAL) for kind in annotations.values())
        and not any("__dataclass_fields__" in vars(base) or vars(base).get("__slots__") for base in cls.__mro__[1:])
        and "__slots__" not in vars(cls)
    )


def _with_fields(
    cls: type[Any], annotations: Mapping[str, str], *, slots: bool, kw_only: bool
) -> tuple[type[Any], Fields]:
    """The class as `dataclasses` marks it, with `__slots__` as a new one, and its fields."""
    metaclass: Any = type(cls)
    made: Any = cls
    found = {name: _field(cls, name, kind, kw_only=kw_only) for name, kind in annotations.items()}
    marks = {
        "__dataclass_fields__": found,
        "__match_args__": tuple(one.name for one in found.values() if not one.kw_only),
    }
    defaults = {name: one.default for name, one in found.items() if one.default is not MISSING}
    if slots:
        body = {name: value for name, value in vars(cls).items() if name not in found}
        body = {**marks, **body, "__slots__": tuple(found)}
        for name in ("__dict__", "__weakref__"):
            body.pop(name, None)
        made = metaclass(cls.__name__, cls.__bases__, body)
        made.__qualname__ = cls.__qualname__
    else:
        for name in found.keys() & vars(cls).keys() - defaults.keys():
            delattr(cls, name)
        for name, value in {**defaults, **marks}.items():
            if name in defaults or name not in vars(cls):
                setattr(cls, name, value)
    update_abstractmethods(made)
    return made, tuple(found.values())


def _field(cls: type[Any], name: str, kind: str, *, kw_only: bool) -> Any:
    """The field that a class body says with an annotation and perhaps a value."""
    said: Any = getattr(cls, name, MISSING)
    one: Any = said if isinstance(said, Field) else dataclasses.field(default=said)
    if type(one.default).__hash__ is None:
        msg = f"mutable default {type(one.default)} for field {name} is not allowed: use default_factory"
        raise ValueError(msg)
    one.name, one.type, one._field_type = name, kind, _FIELD  # noqa: SLF001 - as `dataclasses` marks it
    if one.kw_only is MISSING:
        one.kw_only = kw_only
    return one


def _marked(*, frozen: bool = False) -> Any:
    """A class as `dataclasses` marks it."""
    made: Any = type("_", (), {"__doc__": "", "__annotations__": {"field": "int"}})
    made = dataclasses.dataclass(init=False, repr=False, eq=False)(made)
    made.__dataclass_params__.frozen = frozen
    return made


_FIELD: Any = dataclasses.fields(_marked())[0]._field_type  # type: ignore[attr-defined]  # noqa: SLF001
"""What tells a field from a class variable."""

_PARAMS = {frozen: _marked(frozen=frozen).__dataclass_params__ for frozen in (False, True)}
"""What `dataclasses` notes of a class whose methods are not theirs."""


class _LaterInit:
    """The `__init__` of a class until it is asked for: then it is compiled, and takes this one's place."""

    def __init__(self, cls: type[Any], fields: Fields, *, frozen: bool) -> None:
        self._cls = cls
        self._fields = fields
        self._frozen = frozen

    def __get__(self, instance: object, owner: type[Any] | None = None) -> Any:
        """The function, bound as functions are."""
        function = _init(self._cls, self._fields, frozen=self._frozen)
        self._cls.__init__ = function
        return function if instance is None else MethodType(function, instance)


def _init(cls: type[Any], fields: Fields, *, frozen: bool) -> Callable[..., None]:
    """The one function of a class that is compiled, since it runs for every instance."""
    assignment = "put(self, {0!r}, {1})" if frozen else "self.{0} = {1}"
    known: dict[str, Any] = {"put": object.__setattr__, "MISSING": MISSING}
    parameters: dict[bool, list[str]] = {False: [], True: []}
    lines = []
    for one in fields:
        name = value = parameter = one.name
        if one.default is not MISSING:
            known[f"{name}_default"], parameter = one.default, f"{name}={name}_default"
        elif one.default_factory is not MISSING:
            known[f"{name}_made"], parameter = one.default_factory, f"{name}=MISSING"
            value = f"{name}_made() if {name} is MISSING else {name}"
        parameters[one.kw_only is True].append(parameter)
        lines.append(assignment.format(name, value))
    if hasattr(cls, "__post_init__"):
        lines.append("self.__post_init__()")
    taken = ["self", *parameters[False], *(["*", *parameters[True]] if parameters[True] else [])]
    # the names of fields alone, which are those of the class body, are in the text: no user's word comes here
    exec(f"def __init__({', '.join(taken)}):\n " + "\n ".join(lines or ["pass"]), known)  # noqa: S102
    function: Callable[..., None] = known.pop("__init__")
    function.__qualname__ = f"{cls.__qualname__}.__init__"
    function.__annotations__ = {one.name: one.type for one in fields} | {"return": None}
    return function


def _repr(fields: Fields) -> Methods:
    names = [one.name for one in fields if one.repr]

    def shown(self: object) -> str:
        return f"{type(self).__qualname__}({', '.join(f'{name}={getattr(self, name)!r}' for name in names)})"

    return {"__repr__": shown}


def _comparisons(fields: Fields, *, frozen: bool) -> Methods:
    compared = [one.name for one in fields if one.compare]
    values: Callable[[object], object] = attrgetter(*compared) if compared else type

    def equal(self: object, other: object) -> bool:
        return values(self) == values(other) if type(other) is type(self) else NotImplemented

    return {"__eq__": equal, "__hash__": (lambda self: hash(values(self))) if frozen else None}


def _refuse_assignment(_self: object, name: str, _value: object) -> NoReturn:
    msg = f"cannot assign to field {name!r}"
    raise FrozenInstanceError(msg)


def _refuse_deletion(_self: object, name: str) -> NoReturn:
    msg = f"cannot delete field {name!r}"
    raise FrozenInstanceError(msg)


def _state(fields: Fields) -> Methods:
    names = [one.name for one in fields]

    def state(self: object) -> list[Any]:
        return [getattr(self, name) for name in names]

    def restore(self: object, state: list[Any]) -> None:
        for name, value in zip(names, state, strict=True):
            object.__setattr__(self, name, value)

    return {"__getstate__": state, "__setstate__": restore}


class _Named(type):
    """The type of `NamedTuple`, whose classes are tuples: their types are `type`."""

    def __new__(cls, name: str, bases: tuple[type, ...], body: dict[str, Any]) -> Any:
        if not bases:
            return super().__new__(cls, name, bases, body)
        annotations = body.get("__annotations__", {})
        fields = tuple(annotations)
        defaults = {field: body[field] for field in fields if field in body}
        later = _LaterNew(fields, defaults)
        made = type(
            name,
            (tuple,),
            {
                **_TUPLE_METHODS,
                **body,
                **{field: _GETTER(place, f"Alias for field number {place}") for place, field in enumerate(fields)},
                "__new__": later,
                "__slots__": (),
                "__match_args__": fields,
                "__orig_bases__": bases,
                "_fields": fields,
                "_field_defaults": defaults,
            },
        )
        later.owner = made
        return made


_GETTER: Callable[[int, str], Any] = type(vars(namedtuple("_", "field"))["field"])  # noqa: PYI024 - of its parts
"""How a named tuple finds its fields."""


class _LaterNew:
    """The `__new__` of a named tuple until it is asked for: then it is compiled, and takes this one's place."""

    def __init__(self, fields: tuple[str, ...], defaults: Mapping[str, Any]) -> None:
        self.owner: type[Any] = object
        self._fields = fields
        self._defaults = defaults

    def __get__(self, instance: object, owner: type[Any] | None = None) -> Any:
        """The function, which is given the class."""
        known = {f"{name}_default": value for name, value in self._defaults.items()} | {"put": tuple.__new__}
        taken = (f"{name}={name}_default" if name in self._defaults else name for name in self._fields)
        values = "".join(f"{name}, " for name in self._fields)
        # the names of fields alone, which are those of the class body, are in the text: no user's word comes here
        exec(f"def __new__({', '.join(('_cls', *taken))}): return put(_cls, ({values}))", known)  # noqa: S102
        function: Any = known["__new__"]
        function.__qualname__ = f"{self.owner.__qualname__}.__new__"
        self.owner.__new__ = staticmethod(function)
        return function


def _tuple_of(cls: type[Any], values: Iterable[Any]) -> Any:
    made = tuple.__new__(cls, values)
    if len(made) != len(cls._fields):
        msg = f"Expected {len(cls._fields)} arguments, got {len(made)}"
        raise TypeError(msg)
    return made


def _replaced(self: Any, /, **values: Any) -> Any:
    made = self._make(map(values.pop, self._fields, self))
    if values:
        msg = f"Got unexpected field names: {list(values)!r}"
        raise ValueError(msg)
    return made


def _shown_tuple(self: Any) -> str:
    shown = ", ".join(f"{name}={value!r}" for name, value in zip(self._fields, self, strict=True))
    return f"{type(self).__name__}({shown})"


_TUPLE_METHODS: Methods = {
    "_make": classmethod(_tuple_of),
    "_replace": _replaced,
    "_asdict": lambda self: dict(zip(self._fields, self, strict=True)),
    "__repr__": _shown_tuple,
    "__getnewargs__": lambda self: (*self,),
}

if not TYPE_CHECKING:
    dataclass = _decorator

    class NamedTuple(metaclass=_Named):
        """`typing.NamedTuple`."""
