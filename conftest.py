"""Where doctests are looked for: in files of the package that have some. To look for them imports a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator

PACKAGE = Path(__file__).parent / "kldeval"

APART = {PACKAGE / "torch" / "metric.py"}
"""What imports torchmetrics, a second for every process of pytest: a test of tests/functional tries its doctests."""


@pytest.hookimpl(wrapper=True)
def pytest_collect_file(file_path: Path) -> Generator[None, list[pytest.Collector], list[pytest.Collector]]:
    """Keep what pytest collects, but for doctests of files without any."""
    found = yield
    return [one for one in found if type(one) is pytest.Module or has_doctests(file_path)]


def has_doctests(path: Path) -> bool:
    """Whether pytest is to look for doctests in the file."""
    return path.is_relative_to(PACKAGE) and path not in APART and ">>>" in path.read_text(encoding="utf-8")
