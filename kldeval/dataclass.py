"""`dataclass` of the standard library, made in a quarter of the time: `kldeval` makes a hundred as it starts.

The standard library compiles up to eight functions for each class, 0.43 ms (Python 3.11), which was a third of a short
run. Here a class has closures, and one compiled function, `__init__`, that is made when it is first asked for: of a
hundred classes a run needs some twenty. What comes out is a dataclass: `dataclasses.replace`, `fields` and `asdict`
take it, and it compares, prints, hashes and pickles as theirs.
"""

from __future__ import annotations

import dataclasses
from dataclasses import MISSING, FrozenInstanceError
from functools import partial
from operator import attrgetter
from types import MethodType
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable
    from dataclasses import dataclass

    Fields = tuple[dataclasses.Field[Any], ...]
    Methods = dict[str, Any]

__all__ = ["dataclass"]


def _decorator(
    *, frozen: bool = False, slots: bool = False, eq: bool = True, kw_only: bool = False
) -> Callable[[type[Any]], type[Any]]:
    """The decorator that makes a dataclass; the options mean what they mean to `dataclasses.dataclass`."""
    return partial(_made, frozen=frozen, slots=slots, eq=eq, kw_only=kw_only)


def _made(cls: type[Any], *, frozen: bool, slots: bool, eq: bool, kw_only: bool) -> type[Any]:
    is_derived = any(hasattr(base, "__dataclass_fields__") for base in cls.__mro__[1:])
    # where there is a base the standard library compares the two; without, its part is to find the fields
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


if not TYPE_CHECKING:
    dataclass = _decorator
