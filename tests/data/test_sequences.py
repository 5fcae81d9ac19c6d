"""Sequences that hold few objects have the members that tuples of the same would have."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from many import as_many, in_runs, texts

NAMES = st.lists(st.text(st.characters(codec=None), max_size=6), max_size=40)


@given(NAMES, NAMES, st.slices(40))
@settings(deadline=None)
def test_texts_are_what_was_put_in(first: list[str], then: list[str], some: slice) -> None:
    with pytest.MonkeyPatch.context() as patch:
        as_many(patch, 4)
        found = texts(first)
        found.extend(then)
        found.append("显著")
        wanted = [*first, *then, "显著"]
        assert list(found) == wanted == [found[place] for place in range(len(wanted))]
        assert [found[place - len(wanted)] for place in range(len(wanted))] == wanted
        assert list(found[some]) == wanted[some]
        for place in (len(wanted), -len(wanted) - 1):
            with pytest.raises(IndexError):
                found[place]


@given(NAMES)
@settings(deadline=None)
def test_runs_are_merged_in_the_order_of_all(names: list[str]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        as_many(patch, 4)
        assert in_runs(names) == sorted(names)
