"""The syntax trees of the package and of the tests, parsed once for all laws that look at them."""

from __future__ import annotations

import ast
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@cache
def tree(path: Path) -> ast.Module:
    """The tree of one file; nobody changes it."""
    return ast.parse(path.read_text(encoding="utf-8"))
