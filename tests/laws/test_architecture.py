"""The layout of the package over its syntax trees: who imports whom, what is imported late, and how long things are.

Each law is one test that lists its offenders.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from trees import statements, tree

import kldeval

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = Path(kldeval.__file__).parent

LAYERS = (
    ("__main__",),
    ("cli",),
    ("kldeval",),
    ("streaming", "torch", "api"),
    ("functional", "parameters", "analysis", "writers"),
    ("engine",),
    ("executors",),
    ("scoring",),
    ("data",),
    ("reports",),
    ("settings",),
    ("conventions",),
    ("metrics",),
    ("preprocessing", "normalization"),
    ("weighting",),
    ("records", "arrays", "caching", "templates", "grammar", "wording"),
    (
        "errors",
        "run_options",
        "memory",
        "_version",
        "atomic",
        "regular",
        "process",
        "digests",
        "provenance",
        "urls",
        "suffixes",
        "detached",
        "grids",
        "packages",
        "sequences",
    ),
    ("dataclass",),
)
"""The rooms from the command line down: a room imports from those below it, and from its own."""

LATE = {
    "blake3",
    "cv2",
    "h5py",
    "jinja2",
    "matplotlib",
    "ot",
    "pandas",
    "pyarrow",
    "rich",
    "scipy",
    "torch",
    "torchmetrics",
}
"""What a plain run does not need, so that only the functions that use it import it."""

MOST_LINES, MOST_BODY_LINES = 600, 40


def module_name(path: Path) -> str:
    parts = ("kldeval", *path.relative_to(PACKAGE).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def trees() -> dict[str, ast.Module]:
    """The modules of the package by their names."""
    return {module_name(path): tree(path) for path in sorted(PACKAGE.rglob("*.py"))}


def room(name: str) -> str:
    """The first name below the package."""
    return (*name.split("."), "kldeval")[1]


def is_typed(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


def imports(tree: ast.AST, *, typed: bool = True, late: bool = True) -> Iterator[str]:
    """The modules that a file imports: as it loads, for its annotations if `typed`, and in its functions if `late`."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.expr):
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            inner = (f"{node.module}.{alias.name}" for alias in node.names)
            yield from (name if name in trees() else str(node.module) for name in inner)
        elif (typed or not is_typed(node)) and (late or not isinstance(node, ast.FunctionDef | ast.Lambda)):
            yield from imports(node, typed=typed, late=late)


@cache
def known() -> dict[str, set[str]]:
    """The modules of the package that each of them imports."""
    return {name: {target for target in imports(tree) if target in trees()} for name, tree in trees().items()}


def in_circles() -> set[str]:
    """The modules that reach themselves through what they import, in whatever way they import it."""
    left = {name: targets - {name, "kldeval"} for name, targets in known().items()}
    while done := {name for name in left if not left[name] & left.keys() or not any(name in left[one] for one in left)}:
        left = {name: targets for name, targets in left.items() if name not in done}
    return set(left)


class TestImports:
    def test_every_room_has_its_layer(self) -> None:
        assert {room(name) for name in trees()} == {name for layer in LAYERS for name in layer}

    def test_the_drawing_has_every_room(self) -> None:
        drawing = (PACKAGE.parent / "docs" / "architecture.md").read_text(encoding="utf-8").split("```")[1]
        drawn = {word.rstrip("/").removesuffix(".py") for word in drawing.split() if word.endswith(("/", ".py"))}
        assert {room(name) for name in trees()} - drawn == {"kldeval", "__main__", "_version"}

    def test_imports_run_downwards(self) -> None:
        depth = {name: place for place, layer in enumerate(LAYERS) for name in layer}
        up = {
            (name, target)
            for name, targets in known().items()
            for target in targets
            if target != "kldeval" and room(name) != room(target) and depth[room(name)] > depth[room(target)]
        }
        assert up == set()

    def test_nothing_imports_in_circles(self) -> None:
        assert in_circles() == set()

    def test_heavy_packages_are_imported_where_they_are_used(self) -> None:
        at_once = {
            (name, package)
            for name, tree in trees().items()
            for package in {target.partition(".")[0] for target in imports(tree, typed=False, late=False)} & LATE
            if not name.startswith(("kldeval.writers.", "kldeval.torch", "kldeval.scoring.tensors"))
        }
        assert at_once == set()

    def test_dataclasses_are_made_by_the_quick_decorator(self) -> None:
        # the standard library's takes 0.4 ms a class, and a named tuple 0.1 ms: a short run makes 140
        slow = {
            name
            for name, tree in trees().items()
            for node in statements(tree)
            if isinstance(node, ast.ImportFrom) and node.module in ("dataclasses", "typing")
            if {"dataclass", "NamedTuple"} & {alias.name for alias in node.names} and name != "kldeval.dataclass"
        }
        assert slow == set()

    def test_only_the_command_line_knows_click(self) -> None:
        outside = {
            name
            for name, tree in trees().items()
            if room(name) not in {"cli", "__main__"}
            and "click" in {target.partition(".")[0] for target in imports(tree)}
        }
        assert outside == set()


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef]:
    yield from (node for node in statements(tree) if isinstance(node, ast.FunctionDef))


def body_lines(function: ast.FunctionDef) -> int:
    """Lines of a function without its signature and docstring."""
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


def public(tree: ast.Module | ast.ClassDef) -> Iterator[ast.FunctionDef | ast.ClassDef]:
    """The functions, classes and methods that others may call."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            yield node
            if isinstance(node, ast.ClassDef):
                yield from public(node)


class TestSize:
    def test_a_file_holds_one_subject(self) -> None:
        lines = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in PACKAGE.rglob("*.py")}
        assert {path.name: number for path, number in lines.items() if number > MOST_LINES} == {}

    def test_a_function_is_read_at_one_sitting(self) -> None:
        lengths = {(name, one.name): body_lines(one) for name, tree in trees().items() for one in functions(tree)}
        assert {where: length for where, length in lengths.items() if length > MOST_BODY_LINES} == {}

    def test_everything_public_is_documented(self) -> None:
        silent = [name for name, tree in trees().items() if not ast.get_docstring(tree)]
        nodes = [(name, node) for name, tree in trees().items() for node in public(tree)]
        assert silent + [f"{name}.{node.name}" for name, node in nodes if ast.get_docstring(node) is None] == []


LEANING = ("As `", "Of which", "Of each", "The same", "That ", "Those ")
"""How a first line begins that is only true beside another one."""


class TestWords:
    def test_a_first_line_is_true_by_itself(self) -> None:
        leaning = []
        for name, module in trees().items():
            named = (node for node in statements(module) if isinstance(node, ast.FunctionDef | ast.ClassDef))
            leaning += [
                f"{name}.{node.name}: {said.splitlines()[0]}"
                for node in named
                if (said := ast.get_docstring(node)) and said.startswith(LEANING)
            ]
        assert leaning == []


def packages_after(*steps: str) -> list[set[str]]:
    """The packages that a fresh interpreter holds after each step of its program."""
    report = "\nimport sys; print('held', *{name.partition('.')[0] for name in sys.modules})\n"
    code = report.join([*steps, ""])
    run = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return [set(line.split()) for line in run.stdout.splitlines() if line.startswith("held ")]


class TestStart:
    def test_what_needs_no_arrays_imports_none(self, tmp_path: Path) -> None:
        """Neither do modules, nor requests that mean nothing, nor paths that lead nowhere."""
        for side in ("pred", "gt"):
            cv2.imwrite(str(tmp_path / f"{side}.png"), np.eye(4, dtype=np.uint8))
        paths = f"{tmp_path / 'pred.png'} {tmp_path / 'gt.png'}"
        wrong = (
            *("-m kld(eps=x)", "-m nss", "--device nosuch", "--engine nosuch", "--scheduler x", "--fail-if x"),
            *("--shard 3/2", "--shape 3", "--class-weights x", "--fixations x.csv", "--signature x", "--sort cc"),
            *("--group-by x", "--limit x"),
        )
        texts = [f"a b {options}" for options in ("-m nosuch", "--norm nosuch", "--base 3")]
        texts += [f"{paths} {options}" for options in wrong]
        texts += [f"{name} {paths} --norm nosuch" for name in ("check", "explain", "calibrate")]
        texts += [f"audit {paths} --convention x", f"audit {paths} -m x", f"identify {paths} --value x"]
        texts += ["merge no.json", "methods no.json", "show no.json", "show no.json none.json", "observers no.csv"]
        texts += ["reproduce no.json"]
        commands = ("evaluate", "audit", "check", "explain", "fit", "calibrate", "identify --value 1")
        texts += [f"{command} no/pred.png no/gt" for command in commands]
        steps = [f"import {module}" for module in ("kldeval", "kldeval.conventions", "kldeval.cli.main")]
        steps += [f"assert kldeval.cli.main.run_arguments({text.split()}) == 2" for text in texts]
        held = packages_after(*steps)
        assert len(held) == len(steps)
        heavy = LATE | {"numpy"}
        assert {step: found & heavy for step, found in zip(steps, held, strict=True) if found & heavy} == {}

    def test_scoring_of_numpy_and_on_the_cpu_imports_nothing_heavy(self, tmp_path: Path) -> None:
        for side in ("pred", "gt"):
            np.save(tmp_path / f"{side}.npy", np.ones((2, 3)))
        paths = f"{str(tmp_path / 'pred.npy')!r}, {str(tmp_path / 'gt.npy')!r}"
        arrays, files = packages_after(
            "import kldeval, numpy; kldeval.kld(numpy.ones((2, 3)), numpy.ones((2, 3)), norm='softmax')",
            f"kldeval.evaluate({paths}, device='cpu')",
        )
        assert arrays & (LATE | {"click"}) == set()
        assert files & LATE == set()

    def test_a_run_of_images_imports_nothing_heavy(self, tmp_path: Path) -> None:
        """How long the rest takes is bounded by `benchmarks`, in milliseconds."""
        for side in ("pred", "gt"):
            cv2.imwrite(str(tmp_path / f"{side}.png"), np.eye(4, dtype=np.uint8))
        paths = f"{str(tmp_path / 'pred.png')!r}, {str(tmp_path / 'gt.png')!r}"
        (held,) = packages_after(f"from kldeval.cli.main import run_arguments; run_arguments([{paths}])")
        of_python = {"csv", "hashlib", "json", "logging", "multiprocessing", "zipfile"}
        assert held & ((LATE | of_python) - {"rich"}) == set()
