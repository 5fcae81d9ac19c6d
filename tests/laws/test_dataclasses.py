"""The quick dataclasses and named tuples are those of the standard library: each law compares a class with its twin."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
import typing
from dataclasses import FrozenInstanceError, field
from typing import TYPE_CHECKING, Any

import pytest
from looping import each_of

from kldeval import dataclass as quick

if TYPE_CHECKING:
    from collections.abc import Callable


class Written:
    """The body of every class: all that a field can say."""

    first: int
    second: str = "two"
    made: list[int] = field(default_factory=list)
    hidden: float = field(default=0.5, repr=False)
    beside: int = field(default=3, compare=False)
    last: bytes = field(default=b"", kw_only=True)


def twin(make: Callable[..., Any], **options: bool) -> type[Any]:
    body = {name: value for name, value in vars(Written).items() if name not in ("__dict__", "__weakref__")}
    made: type[Any] = make(**options)(type("Twin", (), {**body, "__doc__": "A twin."}))
    return made


OPTIONS = [
    {"frozen": frozen, "slots": slots, "eq": eq, "kw_only": kw_only}
    for frozen in (False, True)
    for slots in (False, True)
    for eq in (False, True)
    for kw_only in (False, True)
]

pairs = each_of("options", OPTIONS)


@pairs
def test_it_takes_shows_and_replaces_what_the_other_does(options: dict[str, bool]) -> None:
    ours, theirs = twin(quick.dataclass, **options), twin(dataclasses.dataclass, **options)
    ours_in, theirs_in = (inspect.signature(one) for one in (ours, theirs))
    assert [(one.name, one.kind) for one in ours_in.parameters.values()] == [
        (one.name, one.kind) for one in theirs_in.parameters.values()
    ]
    assert ours_in.parameters["second"].annotation == theirs_in.parameters["second"].annotation
    one, other = ours(first=1, last=b"x"), theirs(first=1, last=b"x")
    assert repr(one) == repr(other)
    assert one.made is not ours(first=1).made
    assert dataclasses.asdict(dataclasses.replace(one, second="2")) == dataclasses.asdict(
        dataclasses.replace(other, second="2")
    )
    assert getattr(ours, "__match_args__", None) == getattr(theirs, "__match_args__", None)
    assert hasattr(one, "__dict__") == hasattr(other, "__dict__")
    for wrong in ({}, {"first": 1, "third": 3}):
        with pytest.raises(TypeError, match=r"__init__\(\)"):
            ours(**wrong)


@pairs
def test_it_compares_and_hashes_as_the_other(options: dict[str, bool]) -> None:
    ours, theirs = twin(quick.dataclass, **options), twin(dataclasses.dataclass, **options)
    for change in ({}, {"first": 2}, {"hidden": 0.25}, {"beside": 4}):
        values = {"first": 1, "made": (1,)}
        same = [made(**values) == made(**values | change) for made in (ours, theirs)]
        assert same[0] == same[1]
        assert ours(**values) != theirs(**values)
    assert (ours.__hash__ is None) == (theirs.__hash__ is None)
    if ours.__hash__ is not None and options["eq"]:
        assert hash(ours(first=1, made=(), beside=1)) == hash(ours(first=1, made=(), beside=2))


@pairs
def test_it_changes_where_the_other_does(options: dict[str, bool]) -> None:
    for make in (quick.dataclass, dataclasses.dataclass):
        one = twin(make, **options)(first=1)
        if not options["frozen"]:
            one.first = 2
            assert one.first == 2
            continue
        with pytest.raises(FrozenInstanceError, match="cannot assign to field 'first'"):
            one.first = 2
        with pytest.raises(FrozenInstanceError, match="cannot delete field 'first'"):
            del one.first


@quick.dataclass(frozen=True, slots=True)
class Base:
    """One that others are made of."""

    first: int
    second: str = "two"

    def __post_init__(self) -> None:
        """Refuse a wrong one."""
        if self.first < 0:
            raise ValueError(self.first)


@quick.dataclass(frozen=True, slots=True)
class Derived(Base):
    """One that is made of another."""

    third: float = 3.0

    def __repr__(self) -> str:
        """What is written in the class stays."""
        return "derived"


def test_one_that_inherits_pickles_copies_and_checks() -> None:
    one = Derived(1, third=4.0)
    assert (repr(one), one.second) == ("derived", "two")
    assert pickle.loads(pickle.dumps(one)) == copy.deepcopy(one) == one  # noqa: S301 - what the line itself wrote
    assert one != Base(1)
    with pytest.raises(ValueError, match="-1"):
        Derived(-1)
    match one:
        case Derived(first, second, third):
            assert (first, second, third) == (1, "two", 4.0)


@pytest.mark.parametrize("make", [quick.dataclass, dataclasses.dataclass])
def test_what_inherits_is_as_frozen_as_its_base(make: Callable[..., Any]) -> None:
    assert make(frozen=True)(type("Third", (Derived,), {"__doc__": "A third."}))(1).third == 3.0
    with pytest.raises(TypeError, match="cannot inherit non-frozen dataclass from a frozen one"):
        make()(type("Third", (Derived,), {"__doc__": "A third."}))


class Plain:
    """What stands in the class body and is no field, and a base that has slots."""

    __slots__ = ("own",)


def test_a_base_with_slots_and_class_variables_stay_what_they_are() -> None:
    body = {"__annotations__": {"first": "int", "shared": "typing.ClassVar[int]"}, "shared": 3, "__doc__": "One."}
    for make in (quick.dataclass, dataclasses.dataclass):
        made: Any = make(frozen=True, slots=True)(type("Made", (Plain,), {**body, "__module__": __name__}))
        assert [one.name for one in dataclasses.fields(made)] == ["first"]
        assert (made(1).first, made.shared, hasattr(made(1), "own")) == (1, 3, False)
        with pytest.raises(ValueError, match="mutable default <class 'list'> for field first"):
            make()(type("Made", (), {**body, "first": []}))


class OurTuple(quick.NamedTuple):
    """A tuple that is compared with its twin."""

    first: int
    second: str = "two"
    third: tuple[int, ...] = ()

    @property
    def both(self) -> str:
        """What is made of two fields."""
        return f"{self.first}{self.second}"


class TheirTuple(typing.NamedTuple):
    """A tuple that is compared with its twin."""

    first: int
    second: str = "two"
    third: tuple[int, ...] = ()

    @property
    def both(self) -> str:
        """What is made of two fields."""
        return f"{self.first}{self.second}"


def test_a_named_tuple_is_what_the_other_is() -> None:
    made: Any
    for made in (OurTuple(1, third=(2,)), OurTuple(1)._replace(third=(2,)), OurTuple._make((1, "two", (2,)))):
        other: Any = TheirTuple(1, third=(2,))
        assert made == other == (1, "two", (2,))
        assert hash(made) == hash(other)
        assert repr(made) == repr(other).replace("Their", "Our")
        assert made._asdict() == other._asdict()
        assert (made.both, made.third) == (other.both, other.third)
        again = pickle.loads(pickle.dumps(made)), copy.copy(made), copy.deepcopy(made)  # noqa: S301 - of the line itself
        assert [type(one) for one in again if one == made] == [OurTuple] * 3
        match made:
            case OurTuple(first, second):
                assert (first, second) == (1, "two")
    for name in ("_fields", "_field_defaults", "__match_args__", "__slots__", "__mro__"):
        assert str(getattr(OurTuple, name)).replace("Our", "Their") == str(getattr(TheirTuple, name))
    assert inspect.signature(OurTuple).parameters.keys() == inspect.signature(TheirTuple).parameters.keys()
    assert type(OurTuple) is type
    assert not hasattr(OurTuple(1), "__dict__")


@pytest.mark.parametrize("make", [OurTuple, TheirTuple])
def test_a_named_tuple_refuses_what_the_other_refuses(make: Any) -> None:
    for given in ({}, {"first": 1, "fourth": 2}):
        with pytest.raises(TypeError, match=r"__new__\(\)"):
            make(**given)
    with pytest.raises(TypeError, match="Expected 3 arguments, got 1"):
        make._make([1])
    with pytest.raises((TypeError, ValueError), match="Got unexpected field names"):
        make(1)._replace(fourth=2)
    with pytest.raises(AttributeError):
        make(1).first = 2
