"""Where doctests are looked for, and which process runs which files.

Doctests are looked for in files of the package that have some: to look for them imports a file.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator

PACKAGE = Path(__file__).parent / "kldeval"

APART = PACKAGE / "torch"
"""What imports torch and torchmetrics, seconds for every process of pytest: a test of tests/functional tries its
doctests."""


@pytest.hookimpl(wrapper=True)
def pytest_collect_file(file_path: Path) -> Generator[None, list[pytest.Collector], list[pytest.Collector]]:
    """Keep what pytest collects, but for doctests of files without any."""
    found = yield
    return [one for one in found if type(one) is pytest.Module or has_doctests(file_path)]


def has_doctests(path: Path) -> bool:
    """Whether pytest is to look for doctests in the file."""
    return path.is_relative_to(PACKAGE) and not path.is_relative_to(APART) and ">>>" in path.read_text(encoding="utf-8")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run files that name torch first, and those that hold slow tests last: they are handed out from both ends."""
    items.sort(key=lambda item: place_of(item.path))


@cache
def place_of(path: Path) -> int:
    """Where a file stands: torch takes a second to import, and makes a process heavy to fork."""
    text = path.read_text(encoding="utf-8")
    return 0 if "torch" in text else 2 if "mark.slow" in text else 1


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Hand out files from both ends: every second process begins with the last one, so that it needs no torch.

    They meet among files that take a moment, so that no process has long to wait for the end of the other.
    """
    from xdist.scheduler import LoadFileScheduling

    class FromBothEnds(LoadFileScheduling):
        def _assign_work_unit(self, node: Any) -> None:
            if self.nodes.index(node) % 2:
                self.workqueue.move_to_end(next(reversed(self.workqueue)), last=False)
            super()._assign_work_unit(node)

    return FromBothEnds(config, log) if config.getvalue("dist") == "loadfile" else None
