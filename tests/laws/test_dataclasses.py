"""The quick dataclasses are those of the standard library: every law compares a class with its twin."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
from dataclasses import FrozenInstanceError, field
from typing import TYPE_CHECKING, Any

import pytest

from kldeval.dataclass import dataclass

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

pairs = pytest.mark.parametrize("options", OPTIONS, ids=lambda one: "-".join(key for key in one if one[key]) or "none")


@pairs
def test_it_takes_shows_and_replaces_what_the_other_does(options: dict[str, bool]) -> None:
    ours, theirs = twin(dataclass, **options), twin(dataclasses.dataclass, **options)
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
    ours, theirs = twin(dataclass, **options), twin(dataclasses.dataclass, **options)
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
    for make in (dataclass, dataclasses.dataclass):
        one = twin(make, **options)(first=1)
        if not options["frozen"]:
            one.first = 2
            assert one.first == 2
            continue
        with pytest.raises(FrozenInstanceError, match="cannot assign to field 'first'"):
            one.first = 2
        with pytest.raises(FrozenInstanceError, match="cannot delete field 'first'"):
            del one.first


@dataclass(frozen=True, slots=True)
class Base:
    """One that others are made of."""

    first: int
    second: str = "two"

    def __post_init__(self) -> None:
        """Refuse a wrong one."""
        if self.first < 0:
            raise ValueError(self.first)


@dataclass(frozen=True, slots=True)
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


@pytest.mark.parametrize("make", [dataclass, dataclasses.dataclass])
def test_what_inherits_is_as_frozen_as_its_base(make: Callable[..., Any]) -> None:
    assert make(frozen=True)(type("Third", (Derived,), {"__doc__": "A third."}))(1).third == 3.0
    with pytest.raises(TypeError, match="cannot inherit non-frozen dataclass from a frozen one"):
        make()(type("Third", (Derived,), {"__doc__": "A third."}))
