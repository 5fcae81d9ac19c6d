"""A signature as text: its parts by name, and the parts in which two differ."""

from __future__ import annotations

from kldeval.names import split_top_level


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
