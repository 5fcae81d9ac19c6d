"""Libraries that few tests use: every process of pytest imports every file of tests, and runs some of them."""

from __future__ import annotations

from importlib import import_module
from typing import Any


class Late:
    """A module that is imported when something of it is first used: `optimize = late("scipy.optimize")`."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # pytest asks whether this wraps, mocks or is something else
            raise AttributeError(name)
        return getattr(import_module(self._name), name)


def late(name: str) -> Any:
    """The module of this name, which is imported by the test that first uses it."""
    return Late(name)
