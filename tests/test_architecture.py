"""The layout of the house over its syntax tree: who may import whom, what is imported late, and how long things are."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

import kldeval

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = Path(kldeval.__file__).parent
LEAVES = {
    *("errors", "names", "arrays", "map_arrays", "numeric", "density", "records", "_version"),
    *("templates", "grouping", "signature_parts"),
}
"""Modules of the package itself that every room may use; they know one another at most."""

MAY_IMPORT = {
    "maps": set(),
    "metrics": set(),
    "inputs": set(),
    "conventions": set(),
    "reports": set(),
    "results": {"reports", "inputs"},
    "writers": {"results"},
    "settings": {"maps", "metrics", "inputs"},
    "matching": {"maps", "metrics", "settings", "conventions"},
    "signature": {"settings", "conventions", "matching", "metrics"},
    "methods": {"maps", "metrics", "settings", "signature", "conventions", "matching"},
    "diagnosis": {"maps", "settings"},
    "engine": {"inputs", "maps", "metrics", "results", "settings", "signature", "diagnosis", "conventions"},
    "library": {"conventions", "engine", "inputs", "maps", "metrics", "settings", "signature", "diagnosis", "results"},
    "cli": {
        "conventions",
        "engine",
        "inputs",
        "matching",
        "methods",
        "metrics",
        "writers",
        "results",
        "settings",
        "signature",
    },
    "companions": {"engine", "inputs", "library", "maps", "metrics"},
    "kldeval": {"library"},
    "__main__": {"cli"},
    **{leaf: set() for leaf in LEAVES},
}
"""The rooms that a room may import from, beside itself and the leaves: data walks the other way."""

DOORS = {
    "torch": {"arrays.py"},
    "array_api_compat": {"arrays.py"},
    "cv2": {"inputs/opencv.py"},
    "click": {"cli/*.py"},
    "rich": {
        *("writers/text.py",),
        "cli/progress.py",
    },
}
"""The only files that import a package."""

LATE = {"numpy", "cv2", "torch", "rich", "scipy", "array_api_compat", "h5py"}
"""What is imported where it is used: each costs more than the rest of `kldeval --help`."""

MOST_LINES, MOST_BODY_LINES = 600, 40


def module_name(path: Path) -> str:
    parts = ("kldeval", *path.relative_to(PACKAGE).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


TREES = {path: ast.parse(path.read_text(encoding="utf-8")) for path in sorted(PACKAGE.rglob("*.py"))}
NAMES = {module_name(path): path for path in TREES}
every_file = pytest.mark.parametrize("path", TREES, ids=lambda path: str(path.relative_to(PACKAGE)))


def room(name: str) -> str:
    """The first name below the package."""
    return (*name.split("."), "kldeval")[1]


def imports(tree: ast.AST, *, late: bool = True) -> Iterator[str]:
    """The modules that a file imports when it runs, with those that its functions import unless not `late`."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            inner = (f"{node.module}.{alias.name}" for alias in node.names)
            yield from (name if name in NAMES else str(node.module) for name in inner)
        elif late or not isinstance(node, ast.FunctionDef | ast.Lambda):
            yield from imports(node, late=late)


class TestImports:
    @every_file
    def test_rooms_know_only_the_rooms_to_their_left(self, path: Path) -> None:
        here = room(module_name(path))
        known = {room(name) for name in imports(TREES[path]) if name.partition(".")[0] == "kldeval"}
        assert known <= MAY_IMPORT[here] | LEAVES | {here}

    def test_no_room_reaches_itself_through_others(self) -> None:
        left = {name: set(rooms) for name, rooms in MAY_IMPORT.items()}
        while any(not rooms for rooms in left.values()):
            done = {name for name, rooms in left.items() if not rooms}
            left = {name: rooms - done for name, rooms in left.items() if name not in done}
        assert left == {}

    def test_every_room_has_its_rule(self) -> None:
        assert {room(name) for name in NAMES} == set(MAY_IMPORT)

    def test_leaves_hold_no_cycle(self) -> None:
        known = {name: {target for target in imports(TREES[path]) if target in NAMES} for name, path in NAMES.items()}
        leaves = {name: known[name] for name in known if room(name) in LEAVES}
        while any(not targets & set(leaves) for targets in leaves.values()):
            leaves = {name: targets for name, targets in leaves.items() if targets & set(leaves)}
        assert leaves == {}

    def test_no_modules_import_each_other_as_they_load(self) -> None:
        waiting = {
            name: {target for target in imports(TREES[path], late=False) if target in NAMES and target != name}
            for name, path in NAMES.items()
        }
        # a package's __init__ may gather what its modules define; they never import the package itself
        while any(not targets & set(waiting) for targets in waiting.values()):
            waiting = {name: targets for name, targets in waiting.items() if targets & set(waiting)}
        assert waiting == {}

    @every_file
    def test_a_package_is_imported_through_its_door(self, path: Path) -> None:
        relative = path.relative_to(PACKAGE)
        for package in {name.partition(".")[0] for name in imports(TREES[path])} & set(DOORS):
            assert any(relative.match(door) for door in DOORS[package]), f"{relative} imports {package}"

    def test_every_door_is_used(self) -> None:
        for package, doors in DOORS.items():
            for door in doors:
                files = [path for path in TREES if path.relative_to(PACKAGE).match(door)]
                assert any(package in {name.partition(".")[0] for name in imports(TREES[path])} for path in files), door

    @every_file
    def test_heavy_packages_are_imported_where_they_are_used(self, path: Path) -> None:
        at_once = {name.partition(".")[0] for name in imports(TREES[path], late=False)}
        assert at_once & LATE <= ({"numpy"} if room(module_name(path)) in ("reports", "results") else set())


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef]:
    yield from (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))


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
    @every_file
    def test_a_file_does_one_thing(self, path: Path) -> None:
        assert len(path.read_text(encoding="utf-8").splitlines()) <= MOST_LINES

    @every_file
    def test_a_function_is_read_at_one_sitting(self, path: Path) -> None:
        long = {one.name: body_lines(one) for one in functions(TREES[path]) if body_lines(one) > MOST_BODY_LINES}
        assert long == {}

    def test_most_functions_are_short(self) -> None:
        lengths = sorted(body_lines(one) for tree in TREES.values() for one in functions(tree))
        assert lengths[len(lengths) // 2] < 10
        assert lengths[len(lengths) * 9 // 10] <= 25


class TestDocumentation:
    @every_file
    def test_everything_public_is_documented(self, path: Path) -> None:
        assert ast.get_docstring(TREES[path])
        assert [node.name for node in public(TREES[path]) if ast.get_docstring(node) is None] == []


def modules_after(code: str) -> set[str]:
    """The modules that a fresh interpreter holds after `code`."""
    report = "\nimport sys; loaded = sorted(sys.modules); import json; print(json.dumps(loaded))"
    run = subprocess.run([sys.executable, "-c", code + report], check=True, capture_output=True, text=True)
    return set(json.loads(run.stdout.splitlines()[-1]))


def packages_after(code: str) -> set[str]:
    """The packages that a fresh interpreter holds after `code`."""
    return {name.partition(".")[0] for name in modules_after(code)}


CHOSEN = {
    *("kldeval.conventions.presets", "kldeval.settings.labels"),
    *("kldeval.engine.auxiliary", "kldeval.engine.crowd", "kldeval.engine.references", "kldeval.engine.scene"),
    *("kldeval.engine.labels", "kldeval.engine.label_sums", "kldeval.engine.pixelwise", "kldeval.engine.run"),
    *("kldeval.data.auxiliary", "kldeval.data.auxiliary", "kldeval.data.fixations", "kldeval.data.manifest"),
    *("kldeval.data.class_weights", "kldeval.data.template_suggestion", "kldeval.templates"),
    *(
        "kldeval.metrics.classification",
        "kldeval.metrics.class_losses",
        "kldeval.metrics.fixated_map",
        "kldeval.metrics.fixated_map",
    ),
    *("kldeval.reports.gates", "kldeval.reports.leaderboard", "kldeval.reports.documents"),
}
"""What a run imports for those who ask for labels, fixations, several models, gates and the like."""


class TestStart:
    @pytest.mark.parametrize("module", ["kldeval", "kldeval.cli.main", "kldeval.conventions"])
    def test_importing_it_imports_nothing_heavy(self, module: str) -> None:
        assert packages_after(f"import {module}") & LATE == set()

    def test_scoring_arrays_of_numpy_imports_numpy_alone(self) -> None:
        code = "import kldeval, numpy; kldeval.kld(numpy.ones((2, 3)), numpy.ones((2, 3)), norm='softmax')"
        assert packages_after(code) & (LATE | {"click"}) == {"numpy"}

    def test_a_run_on_the_cpu_imports_no_torch(self, tmp_path: Path) -> None:
        for side in ("pred", "gt"):
            np.save(tmp_path / f"{side}.npy", np.ones((2, 3)))
        paths = f"{str(tmp_path / 'pred.npy')!r}, {str(tmp_path / 'gt.npy')!r}"
        assert packages_after(f"import kldeval; kldeval.evaluate({paths}, device='cpu')") & LATE == {"numpy"}

    @pytest.mark.parametrize("arguments", [["--help"], ["--version"]])
    def test_the_first_words_need_click_and_little_else(self, arguments: list[str]) -> None:
        loaded = modules_after(f"from kldeval.cli.main import run; run({arguments})")
        ours = {name for name in loaded if name.startswith("kldeval.")}
        assert ours == {"kldeval._version", "kldeval.cli", "kldeval.cli.main", "kldeval.errors"}

    def test_a_plain_run_imports_nothing_that_was_not_asked_for(self, tmp_path: Path) -> None:
        for side in ("pred", "gt"):
            np.save(tmp_path / f"{side}.npy", np.ones((2, 3)))
        arguments = [str(tmp_path / "pred.npy"), str(tmp_path / "gt.npy"), "--device", "cpu"]
        loaded = modules_after(f"from kldeval.cli.main import run; assert run({arguments}) == 0")
        assert "kldeval.engine.run" in loaded
        assert loaded & CHOSEN == set()
        assert set(NAMES) >= CHOSEN
