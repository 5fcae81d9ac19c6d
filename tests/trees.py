"""The syntax trees of the package and of the tests, parsed once for all laws that look at them."""

from __future__ import annotations

import ast
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@cache
def tree(path: Path) -> ast.Module:
    """The tree of one file; nobody changes it."""
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def statements(parsed: ast.AST) -> tuple[ast.AST, ...]:
    """Every statement of a tree, those of its functions and classes too: no expression holds one."""
    return tuple(_statements(parsed))


def _statements(node: ast.AST) -> Iterator[ast.AST]:
    for inner in ast.iter_child_nodes(node):
        if not isinstance(inner, ast.expr):
            yield inner
            yield from _statements(inner)


def calls(path: Path, names: set[str]) -> Iterator[str]:
    """The calls of functions with one of these last names in a file, as they are written, such as `np.load`."""
    text = path.read_text(encoding="utf-8")
    if not any(f"{name}(" in text for name in names):
        return  # to walk a tree takes far longer
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Call):
            function = node.func
            last = function.id if isinstance(function, ast.Name) else getattr(function, "attr", "")
            if last in names:
                yield ast.unparse(function)
