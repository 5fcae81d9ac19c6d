"""Laws over a table with many rows, as one test: it goes through all rows, and names each that breaks the law."""

from __future__ import annotations

import inspect
from contextlib import ExitStack
from functools import wraps
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    Law = Callable[..., None]


def each_of(names: str | tuple[str, ...], rows: Iterable[Any]) -> Callable[[Law], Law]:
    """What `pytest.mark.parametrize` does, in one test: running and telling of a test costs more than many a row.

    Every row has a `tmp_path` and a `monkeypatch` of its own; for laws without other fixtures that a row could change
    for the next one.
    """
    keys = tuple(name.strip() for name in names.split(",")) if isinstance(names, str) else tuple(names)
    table = [dict(zip(keys, (row,) if len(keys) == 1 else row, strict=True)) for row in rows]
    assert table, "a law of nothing"

    def decorate(law: Law) -> Law:
        @wraps(law)
        def looped(*given: Any, **fixtures: Any) -> None:
            broken: list[tuple[str, BaseException]] = []
            for place, row in enumerate(table):
                try:
                    with ExitStack() as stack:
                        law(*given, **{**fixtures, **row, **of_one_row(fixtures, place, stack)})
                except (Exception, pytest.fail.Exception, pytest.skip.Exception) as error:  # noqa: BLE001 - or leaves it out
                    broken.append((", ".join(f"{key}={value!r}" for key, value in row.items()), error))
            if broken:
                lines = [f"{row}: {type(error).__name__}: {error}" for row, error in broken]
                raise AssertionError("\n".join([f"{len(broken)} of {len(table)} rows:", *lines])) from broken[0][1]

        signature = inspect.signature(law)
        left = [one for name, one in signature.parameters.items() if name not in keys]
        looped.__signature__ = signature.replace(parameters=left)  # type: ignore[attr-defined]
        return looped

    return decorate


def of_one_row(fixtures: dict[str, Any], place: int, stack: ExitStack) -> dict[str, Any]:
    """The fixtures that are made for one row alone."""
    own: dict[str, Any] = {}
    if "tmp_path" in fixtures:
        own["tmp_path"] = fixtures["tmp_path"] / str(place)
        own["tmp_path"].mkdir()
    if "monkeypatch" in fixtures:
        own["monkeypatch"] = stack.enter_context(pytest.MonkeyPatch.context())
    return own
