"""Waiting for what other processes do, however busy the machine is."""

from __future__ import annotations

import subprocess
import time
from contextlib import contextmanager
from pathlib import Path
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import pytest

NEVER = 3000
"""Looks, a hundredth of a second apart, after which a thing is taken not to happen."""


def happens(condition: Callable[[], bool]) -> bool:
    """Whether the condition comes true within half a minute."""
    for _ in range(NEVER):
        if condition():
            return True
        time.sleep(0.01)
    return False


@contextmanager
def running(command: Sequence[str], **options: Any) -> Iterator[subprocess.Popen[str]]:
    """A program that is killed if it has not ended when the test has, so that a test that fails does not wait."""
    with subprocess.Popen(command, text=True, **options) as process:
        try:
            yield process
            process.wait(60)
        finally:
            process.kill()


def is_running(process: int) -> bool:
    """Whether the process exists and has not ended: one that nobody has waited for is a zombie."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def recorded(monkeypatch: pytest.MonkeyPatch, target: str) -> list[tuple[Any, ...]]:
    """The positional arguments of every call of a function of the product, named as monkeypatch names it."""
    function, calls = resolve_name(target), []

    def recording(*given: Any, **options: Any) -> Any:
        calls.append(given)
        return function(*given, **options)

    monkeypatch.setattr(target, recording)
    return calls
