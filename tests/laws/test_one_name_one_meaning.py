"""A public class or function has a name of its own, but for the same thing in several rooms."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

from trees import tree

import kldeval

PACKAGE = Path(kldeval.__file__).parent

SAME_IN_EVERY_FILE = {
    *("command", "inspect", "load", "read", "read_labels", "render", "write", "check_stream", "escaped", "main"),
    *("contents", "entries", "listed", "loaded", "stored_shape", "lines", "pieces", "member_at"),
}
"""What every command, reader, container, writer or program has, each in a file of its own."""

SAME_BELOW = {"write_scores", "check_regular", "check", "package"}
"""What is handed on to the function of its name a room below."""

SAME_METRIC = {"Metric", "cc", "ce", "mae", "mse", "nss", "sim"}
"""A metric of maps, of labels, and for training."""


def is_registered(node: ast.stmt) -> bool:
    """Whether a decorator gives the function the name that users type."""
    decorators = node.decorator_list if isinstance(node, ast.FunctionDef) else []
    return any(isinstance(one, ast.Call) and ast.unparse(one.func).endswith(".add") for one in decorators)


def test_no_two_public_names_mean_different_things() -> None:
    found: defaultdict[str, list[str]] = defaultdict(list)
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in tree(path).body:
            name = node.name if isinstance(node, ast.FunctionDef | ast.ClassDef) else "_"
            if not name.startswith("_") and not is_registered(node):
                found[name].append(str(path.relative_to(PACKAGE)))
    # the library's own questions and documents are those of the rooms below, which they show
    below = ("analysis", "reports")
    answers = {name for name, files in found.items() if any(file.startswith(below) for file in files)}
    for name, files in found.items():
        found[name] = [file for file in files if not (file.startswith("api") and name in answers)]
    allowed = SAME_IN_EVERY_FILE | SAME_BELOW | SAME_METRIC
    assert {name: files for name, files in found.items() if len(files) > 1 and name not in allowed} == {}
