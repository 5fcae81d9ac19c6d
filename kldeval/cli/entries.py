"""Registered functions as lines of text: all with their first lines, or one with its parameters and docstring."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from kldeval.grammar import format_value
from kldeval.writers.lines import in_paragraphs, wrapped

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from kldeval.grammar import Entry


def table_lines(functions: Mapping[str, Callable[..., object]], room: int | None = None) -> list[str]:
    """Each function: its name, and the first line of its docstring, which hangs behind it where there is `room`."""
    width = max(map(len, functions))
    lines = []
    for name, function in functions.items():
        lines += wrapped(f"{name:{width}}  {_documentation(function)[0]}", room, " " * (width + 2))
    return lines


def entry_lines(entry: Entry[Any, Any], room: int | None = None) -> list[str]:
    """One function: its name with every parameter and default, then its docstring without examples."""
    values = dict.fromkeys(entry.required, "...") | {key: format_value(one) for key, one in entry.defaults.items()}
    inside = ",".join(f"{key}={value}" for key, value in values.items())
    text = _documentation(entry.function)
    examples = next((place for place, line in enumerate(text) if line.startswith(">>>")), len(text))
    shown = "\n".join(text[:examples]).rstrip().splitlines()
    return [
        *wrapped(f"{entry.name}({inside})" if inside else entry.name, room, "  ", ","),
        "",
        *in_paragraphs(shown, room),
    ]


def range_lines(values: str | None, room: int | None = None) -> list[str]:
    """What stands below an entry of which values it has, where that is known."""
    return ["", *wrapped(f"Range: {values}.", room)] if values else []


def _documentation(function: Callable[..., object]) -> list[str]:
    return (inspect.getdoc(function) or "").splitlines() or [""]
