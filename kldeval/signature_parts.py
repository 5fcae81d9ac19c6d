"""A signature as text: its parts by name, and the parts in which two differ."""

from __future__ import annotations

import re

from kldeval.names import split_top_level

_FIXATIONS = re.compile(r"(?<=\|density:)(?P<way>[^|]*[(,]fixations=)(?P<number>\d+)(?=\))")
"""How many fixations the ground truths were made of, which a part of the data has fewer of."""


def parts_of(text: str) -> dict[str, str]:
    """The parts of a signature by name, the metric as `metric`; a text of another form is no error here.

    >>> parts_of("kld(log_eps=1)|pred:sum-to-one|v:1")
    {'metric': 'kld(log_eps=1)', 'pred': 'sum-to-one', 'v': '1'}
    """
    metric, *rest = split_top_level(text, "|")
    return {"metric": metric, **{name: value for name, _, value in (piece.partition(":") for piece in rest)}}


def differences(first: str, second: str) -> dict[str, tuple[str, str]]:
    """The parts in which two signatures differ, each with both values; "" where one lacks the part.

    >>> differences("kld|scale:unit|v:1", "kld|scale:raw|v:1")
    {'scale': ('unit', 'raw')}
    """
    ours, theirs = parts_of(first), parts_of(second)
    both = {name: (ours.get(name, ""), theirs.get(name, "")) for name in {**ours, **theirs}}
    return {name: pair for name, pair in both.items() if pair[0] != pair[1]}


def with_fixations(text: str, number: int) -> str:
    """The signature with another number of fixations that the ground truths were made of, where it has one.

    >>> with_fixations("kld()|density:gaussian(sigma=24,border=reflect,fixations=7)|v:1", 9)
    'kld()|density:gaussian(sigma=24,border=reflect,fixations=9)|v:1'
    """
    return _FIXATIONS.sub(rf"\g<way>{number}", text)
