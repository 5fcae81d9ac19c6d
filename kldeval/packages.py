"""Packages that are imported where they are used, and the one line that says what to install where one is missing."""

from __future__ import annotations

import importlib.util
from importlib import import_module
from typing import Any

from kldeval.errors import MissingDependency


def load_package(name: str, need: str, command: str) -> Any:
    """A module, where it can be imported.

    `need` says what needs which package, `NIfTI files need nibabel`; `command` installs it.

    Raises:
        MissingDependency: it is not installed, or cannot be imported for another reason, which the message gives.
    """
    try:
        return import_module(name)
    except ImportError as error:
        reason = "is not installed" if not is_installed(name) else f"cannot be imported ({error})"
        msg = f"{need}, which {reason}: {command}"
        raise MissingDependency(msg) from error


def check_package(name: str, need: str, command: str) -> None:
    """Refuse what needs a package that is not installed, without importing it; the words are those of `load_package`.

    Raises:
        MissingDependency: it is not installed.
    """
    if not is_installed(name):
        msg = f"{need}, which is not installed: {command}"
        raise MissingDependency(msg)


def is_installed(name: str) -> bool:
    """Whether a module is there to be imported."""
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):  # a part of a package that is missing, or a module that stands in for it
        return False
