"""The grammar `name(key=value)`: what is parsed is printed back, and what cannot be parsed is named in full."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from looping import each_of

import kldeval
from kldeval.errors import KldevalError, UnknownName, UsageProblem
from kldeval.grammar import Call, Info, Registry, Size

Mode = Literal["plain", "fancy"]


@dataclass(frozen=True, kw_only=True)
class ToolInfo(Info):
    heavy: bool = False


TOOLS: Registry[Any, ToolInfo] = Registry("tool", ToolInfo)


@TOOLS.add("hammer", ToolInfo(heavy=True))
def hammer(
    nails: list[str],
    *,
    weight: float = 1.0,
    blows: int = 3,
    mode: Mode = "plain",
    soft: bool = False,
    area: Size = (2, 3),
    depth: float | None = None,
    label: str = "x",
) -> None:
    """Every type that a parameter can have, with a default."""


@TOOLS.add("saw")
def saw(*, teeth: int, size: Size, side: int | None = None) -> None:
    """Parameters without a default."""


@TOOLS.add("file")
def file() -> None:
    """No parameter at all."""


CALLS = st.one_of(
    st.builds(
        TOOLS["hammer"].call,
        weight=st.floats(allow_nan=False, allow_infinity=False),
        blows=st.integers(),
        mode=st.sampled_from(["plain", "fancy"]),
        soft=st.booleans(),
        area=st.tuples(st.integers(1, 9999), st.integers(1, 9999)),
        depth=st.none() | st.floats(allow_nan=False, allow_infinity=False),
    ),
    st.builds(TOOLS["saw"].call, teeth=st.integers(), size=st.just((7, 5)), side=st.none() | st.integers()),
    st.builds(TOOLS["file"].call),
)


@given(call=CALLS)
def test_what_is_printed_parses_back(call: Call) -> None:
    assert TOOLS.parse(str(call)) == call
    assert str(TOOLS.parse(str(call))) == str(call)


@each_of(
    ("typed", "canonical"),
    [
        ("hammer", "hammer"),
        (" hammer ( ) ", "hammer"),
        ("hammer(weight=1)", "hammer"),
        ("hammer(weight=1e0,blows=3,mode=plain,soft=false,area=2x3,depth=none)", "hammer"),
        ("hammer(blows=4,weight=1e-7)", "hammer(weight=1e-07,blows=4)"),
        ("hammer( weight = 0.50 )", "hammer(weight=0.5)"),
        ("hammer(weight=1E3)", "hammer(weight=1000)"),
        ("hammer(area=256X192,soft=true)", "hammer(soft=true,area=256x192)"),
        ("hammer(depth=0)", "hammer(depth=0)"),
        ("hammer(mode=fancy,label=a b)", "hammer(mode=fancy,label=a b)"),
        ("saw(size=1x1,teeth=-2)", "saw(teeth=-2,size=1x1)"),
    ],
)
def test_the_canonical_text_has_no_defaults_and_the_order_of_declaration(typed: str, canonical: str) -> None:
    assert str(TOOLS.parse(typed)) == canonical


def test_the_arguments_reach_the_function_with_their_types() -> None:
    assert TOOLS.parse("hammer(weight=2,blows=5,soft=true,area=4x5,depth=1)").keywords == {
        "weight": 2.0,
        "blows": 5,
        "soft": True,
        "area": (4, 5),
        "depth": 1.0,
    }


def test_a_registry_lists_its_names_and_keeps_their_records() -> None:
    assert list(TOOLS) == ["hammer", "saw", "file"]
    assert TOOLS["hammer"].info == ToolInfo(heavy=True)
    assert not TOOLS["saw"].info.heavy
    assert TOOLS["saw"].required == ("teeth", "size")


BAD_CALLS = {
    "hamer": "unknown tool 'hamer'; did you mean 'hammer'? Known: file, hammer, saw",
    "HAMMER": "unknown tool 'HAMMER'; did you mean 'hammer'? Known: file, hammer, saw",
    "zzz(weight=1)": "unknown tool 'zzz'; known: file, hammer, saw",
    "": "unknown tool ''; known: file, hammer, saw",
    "hammer)": "unknown tool 'hammer)'; did you mean 'hammer'? Known: file, hammer, saw",
    "hammer(wieght=2)": (
        "hammer has no parameter 'wieght'; did you mean 'weight'? Known: weight, blows, mode, soft, area, depth, label"
    ),
    "hammer(nails=2)": "hammer has no parameter 'nails'; known: weight, blows, mode, soft, area, depth, label",
    "file(grit=2)": "file has no parameter 'grit'; it takes none",
    "saw": "saw needs teeth, size, as in saw(teeth=...)",
    "saw(teeth=2)": "saw needs size, as in saw(size=...)",
    "hammer(weight=heavy)": "hammer(weight=heavy): 'heavy' is not a finite number",
    "hammer(weight=inf)": "hammer(weight=inf): 'inf' is not a finite number",
    "hammer(weight=nan)": "hammer(weight=nan): 'nan' is not a finite number",
    "hammer(weight=none)": "hammer(weight=none): 'none' is not a finite number",
    "hammer(depth=deep)": "hammer(depth=deep): 'deep' is not a finite number",
    "hammer(blows=1.5)": "hammer(blows=1.5): '1.5' is not a whole number",
    "hammer(soft=yes)": "hammer(soft=yes): 'yes' is not true or false",
    "hammer(area=256)": "hammer(area=256): '256' is not a size WIDTHxHEIGHT such as 256x192",
    "hammer(area=0x4)": "hammer(area=0x4): '0x4' is not a size WIDTHxHEIGHT such as 256x192",
    "hammer(area=1x2x3)": "hammer(area=1x2x3): '1x2x3' is not a size WIDTHxHEIGHT such as 256x192",
    "hammer(mode=fanci)": "hammer(mode=fanci): 'fanci' is none of plain, fancy; did you mean 'fancy'?",
    "hammer(mode=)": "'hammer(mode=)' is not of the form name(key=value,...): look at 'mode='",
    "hammer(weight)": "'hammer(weight)' is not of the form name(key=value,...): look at 'weight'",
    "hammer(=2)": "'hammer(=2)' is not of the form name(key=value,...): look at '=2'",
    "hammer(weight=2,,)": "'hammer(weight=2,,)' is not of the form name(key=value,...): look at ''",
    "hammer(weight=2,weight=3)": (
        "'hammer(weight=2,weight=3)' is not of the form name(key=value,...): look at 'weight=3'"
    ),
    "hammer(weight=2": "'hammer(weight=2' is not of the form name(key=value,...): its parenthesis is not closed",
    "hammer(weight=2)x": "'hammer(weight=2)x' is not of the form name(key=value,...): its parenthesis is not closed",
}


@each_of("text", BAD_CALLS)
def test_a_bad_call_is_refused_with_what_would_be_right(text: str) -> None:
    with pytest.raises(UsageProblem) as caught:
        TOOLS.parse(text)
    assert str(caught.value) == BAD_CALLS[text]


def test_an_unknown_name_is_also_the_errors_that_a_library_user_expects() -> None:
    with pytest.raises(UnknownName, match="unknown tool 'spoon'; known: file, hammer, saw") as caught:
        TOOLS["spoon"]
    assert isinstance(caught.value, (KldevalError, ValueError, LookupError))


def test_everything_wrong_is_named_at_once() -> None:
    with pytest.raises(UsageProblem) as caught:
        kldeval.signature("kld", norm="blur+minmax+clip(min=x)")
    assert str(caught.value) == ("blur needs sigma, as in blur(sigma=...)\nclip(min=x): 'x' is not a finite number")


def test_one_error_keeps_its_class() -> None:
    with pytest.raises(UnknownName, match="unknown step 'spoon'"):
        kldeval.signature("kld", pred_norm="minmax+spoon")


def test_arguments_are_checked_where_a_call_is_made_from_values() -> None:
    assert TOOLS["hammer"].call(blows=3, weight=2.5) == Call("hammer", (("weight", 2.5),))
    with pytest.raises(UsageProblem) as caught:
        TOOLS["hammer"].call(wait=1)
    expected = (
        "hammer has no parameter 'wait'; did you mean 'weight'? Known: weight, blows, mode, soft, area, depth, label"
    )
    assert str(caught.value) == expected


@given(value=st.floats(allow_nan=False, allow_infinity=False))
def test_a_float_is_written_with_the_digits_that_read_back(value: float) -> None:
    call = TOOLS["hammer"].call(weight=value)
    assert TOOLS.parse(str(call)).keywords.get("weight", 1.0) == value
    assert str(TOOLS["hammer"].call(weight=np.float64(value))) == str(call)


def test_separators_inside_parentheses_do_not_separate() -> None:
    found = kldeval.evaluate(
        np.eye(2), np.ones((2, 2)), metric=" kld(log_eps=1,ratio_eps=2) , cc", norm="add(value=1e+2)+none"
    )
    assert list(found.signatures) == ["kld", "cc"]
    assert found.signatures["kld"].startswith("kld(log_eps=1,ratio_eps=2)|pred:add(value=100)+none|")


def test_a_call_is_read_with_blanks_anywhere() -> None:
    text = kldeval.signature("kld", resize=" both( size = 256x192 , kernel=area ) ")
    assert "|resize:both(size=256x192,kernel=area)|" in text
