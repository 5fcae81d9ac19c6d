"""Every message of the source can be said in Python: no option of the command line is left in it."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

from trees import tree

import kldeval
from kldeval.wording import in_python

PACKAGE = Path(kldeval.__file__).parent


@cache
def messages() -> list[str]:
    """The texts of the package outside of the command line that name an option, with {} where something is put in."""
    found = set()
    for path in PACKAGE.rglob("*.py"):
        if path.parent.name == "cli" or path.name == "wording.py":
            continue
        nodes = [node for node in ast.walk(tree(path)) if isinstance(node, ast.Expr | ast.JoinedStr | ast.Constant)]
        docs = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
        inner = {id(part) for node in nodes if isinstance(node, ast.JoinedStr) for part in node.values}
        for node in nodes:
            if isinstance(node, ast.JoinedStr):
                parts = (part.value if isinstance(part, ast.Constant) else "7" for part in node.values)
                found.add("".join(map(str, parts)))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs | inner:
                found.add(node.value)
    return sorted(text for text in found if re.search(r"(?<![\w-])--[a-z]", text))


def test_no_option_is_left() -> None:
    """And a word of the sentence is no value."""
    words = r"\w+='(and|or|which|has|have|is|are|to|for|the|a|says?|must|needs?|names?)'"
    said = {message: in_python(message) for message in messages()}
    offenders = {message: text for message, text in said.items() if re.search(rf"(?<![\w-])--[a-z]|{words}", text)}
    assert offenders == {}


def test_there_are_many() -> None:
    assert len(messages()) > 100
