"""What the tests themselves keep to."""

from __future__ import annotations

import ast
import re
from collections import Counter
from functools import cache
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from looping import each_of
from trees import statements, tree

import kldeval

if TYPE_CHECKING:
    from collections.abc import Iterator

TESTS = Path(__file__).parent.parent
PACKAGE = Path(kldeval.__file__).parent

MOST_INSIDE = 126
"""Inner names that tests may import, all files together."""


@cache
def trees() -> dict[Path, ast.Module]:
    """The files of tests."""
    return {path: tree(path) for path in sorted(TESTS.rglob("*.py"))}


def test_no_test_asserts_how_long_a_thing_takes() -> None:
    """A busy machine is slow; benchmarks measure, and tests wait for what happens (`watching.happens`)."""
    clocks = ("perf_counter()", "monotonic()", "time.time()", "process_time()")
    offenders = [
        f"{path.relative_to(TESTS)}:{node.lineno}"
        for path in sorted(TESTS.rglob("*.py"))
        if any(clock in path.read_text(encoding="utf-8") for clock in clocks)
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Assert) and any(clock in ast.unparse(node.test) for clock in clocks)
    ]
    assert offenders == []


HEAVY = {
    "aiohttp",
    "jsonschema",
    "matplotlib",
    "mpmath",
    "pandas",
    "pyarrow",
    "scipy",
    "torch",
    "torchmetrics",
    "xarray",
    "zarr",
}
"""Libraries that take a tenth of a second to a second to import, and may leave a thread that forbids forks."""

LATE = {"exact.py", "tensor_maps.py"}
"""What tests import by `late` themselves, and so may import them."""


def heavy_imports(parsed: ast.Module) -> Iterator[str]:
    """The heavy libraries that importing a file of tests imports, by a statement or to see whether they are there."""
    for node in parsed.body:
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        elif not isinstance(node, ast.FunctionDef | ast.ClassDef | ast.If):
            names = re.findall(r"importorskip\([\"'](\w+)", ast.unparse(node))
        yield from HEAVY & {name.partition(".")[0] for name in names}


def test_heavy_libraries_are_imported_late() -> None:
    """Every process of pytest imports every file of tests before the first test runs: `late("torch")` waits."""
    found = {path.name: names for path, tree in trees().items() if (names := set(heavy_imports(tree)))}
    assert found.keys() == LATE, found


def inner_names(tree: ast.AST) -> Iterator[str]:
    """What a file imports of the package that is not public: all but `kldeval.NAME`, `kldeval.torch` and its errors."""
    for node in statements(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "kldeval":
            is_open = node.module == "kldeval.errors" or str(node.module).startswith("kldeval.torch")
            for name in (alias.name for alias in node.names):
                if not is_open and not (node.module == "kldeval" and name in {*kldeval.__all__, "torch", "errors"}):
                    yield f"{node.module}.{name}"
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith("kldeval."))


def test_tests_stay_off_the_inside() -> None:
    """What is inside may be renamed and moved without breaking many tests.

    A test goes through what a user can reach: the names of `kldeval`, or a command (`command_line.kldeval`). What lies
    deeper has one door each, which takes and gives what tests want and alone knows the inner names: `evaluating` scores
    decoded pairs, `chains` runs normalisations, `reading` reads files, `report_files` makes, writes and reads
    documents, `comparing` compares models, and `every` lists the metrics, steps and conventions. A new test adds to a
    door rather than to the number below, which only ever falls: lower it when names have gone.
    """
    found = Counter(name for tree in trees().values() for name in set(inner_names(tree)))
    assert len(found) <= MOST_INSIDE, "\n".join(f"{name} (files: {files})" for name, files in sorted(found.items()))


HOOKS = {
    "emit",
    "extra_repr",
    "format_commands",
    "format_options",
    "forward",
    "list_commands",
    "setup",
    "teardown",
    "writable",
}
"""Methods that click, torch, dask and the standard library call."""

APART = re.compile(r'"""[^"]*(?:"(?!"")[^"]*)*"""|#(?<=\s#) .*')
"""What is written beside the code."""


def test_nothing_of_the_product_is_there_for_tests_alone() -> None:
    """Every function is named a second time in the product or in its tools, or in what users read."""
    root = PACKAGE.parent
    code = {
        path: APART.sub("", path.read_text(encoding="utf-8"))
        for path in chain(*((root / room).rglob("*.py") for room in ("kldeval", "benchmarks", "fuzz")))
    }
    pages = " ".join(path.read_text(encoding="utf-8") for path in (*root.glob("*.md"), *(root / "docs").glob("*.md")))
    words = Counter(re.findall(r"\w+", " ".join(code.values())))
    defined = Counter(re.findall(r"\bdef (\w+)", " ".join(code.values())))
    known = {*kldeval.__all__, *HOOKS, *re.findall(r"\w+", pages)}
    idle = [
        f"{path.relative_to(root)}: {name}"
        for path, text in code.items()
        for before, name in re.findall(r"^(.*)\n(?= *def (\w+))", text, re.MULTILINE)
        if path.is_relative_to(PACKAGE) and words[name] == defined[name] and name not in known
        if not before.strip().startswith(("@", ")"))
        if not re.fullmatch(r"__\w+__|_repr_\w+_", name)
    ]
    assert not idle, "\n".join(idle)


def test_a_law_of_a_table_names_every_row_that_breaks_it() -> None:
    """One that leaves a row out, or has none, is no law; and what is nested is gone through in full."""
    seen: list[tuple[str, int]] = []

    @each_of("word", ["a", "b"])
    @each_of(("number", "square"), [(1, 1), (2, 5), (3, 9), (4, 15), (5, 25)])
    def law(word: str, number: int, square: int) -> None:
        seen.append((word, number))
        if number == 5 and word == "b":
            pytest.skip("five")
        with pytest.raises(ZeroDivisionError):
            number // (square - number**2)

    with pytest.raises(AssertionError) as found:
        law()
    assert seen == [(word, number) for word in "ab" for number in range(1, 6)]
    lines = str(found.value).splitlines()
    assert [line for line in lines if "square" in line] == [
        "number=2, square=5: Failed: DID NOT RAISE ZeroDivisionError",
        "number=4, square=15: Failed: DID NOT RAISE ZeroDivisionError",
        "number=2, square=5: Failed: DID NOT RAISE ZeroDivisionError",
        "number=4, square=15: Failed: DID NOT RAISE ZeroDivisionError",
        "number=5, square=25: Skipped: five",
    ]
    with pytest.raises(AssertionError, match="a law of nothing"):
        each_of("word", [])
