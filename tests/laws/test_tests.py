"""What the tests themselves keep to."""

from __future__ import annotations

import ast
from pathlib import Path

TESTS = Path(__file__).parent.parent


def test_no_test_asserts_how_long_a_thing_takes() -> None:
    """A busy machine is slow; benchmarks measure, and tests wait for what happens (`watching.happens`)."""
    clocks = ("perf_counter()", "monotonic()", "time.time()", "process_time()")
    offenders = [
        f"{path.relative_to(TESTS)}:{node.lineno}"
        for path in sorted(TESTS.rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Assert) and any(clock in ast.unparse(node.test) for clock in clocks)
    ]
    assert offenders == []
