"""Where doctests are looked for, which process collects and runs which files first, and what it tells of a test.

Doctests are looked for in files of the package that have some: to look for them imports a file.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from _pytest.runner import runtestprotocol

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

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


class FromTheEnd(pytest.Dir):
    """A folder whose last file is collected first."""

    def collect(self) -> Iterable[pytest.Item | pytest.Collector]:
        """Everything in the folder."""
        return reversed([*super().collect()])


@pytest.hookimpl(tryfirst=True)
def pytest_collect_directory(path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Let every second process compile tests from the end: it finds compiled what the others began with.

    In a fresh clone pytest takes three seconds to compile all of them.
    """
    if is_odd(parent.config) and not (path / "__init__.py").is_file():
        return FromTheEnd.from_parent(parent, path=path)
    return None


def is_odd(config: pytest.Config) -> bool:
    """Whether this is the second, the fourth and so on of several processes that run tests."""
    name: str = getattr(config, "workerinput", {}).get("workerid", "gw0")
    return int(name.removeprefix("gw")) % 2 == 1


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run files that name torch first, and those that hold slow tests last: they are handed out from both ends."""
    items.sort(key=lambda item: (place_of(item.path), item.path.is_relative_to(PACKAGE), item.path.parts))


@cache
def place_of(path: Path) -> int:
    """Where a file stands: torch takes a second to import, and makes a process heavy to fork.

    So do `backends`, and a device of CUDA. Laws over syntax trees stand there, too: one process parses all files.
    """
    text = path.read_text(encoding="utf-8")
    return 0 if re.search("torch|from backends|from trees|cuda:", text) else 2 if "mark.slow" in text else 1


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
    """Tell the process that hands out tests of the call alone, unless something else failed or all of it is asked for.

    To send and to read what set-up and tear-down have to say is a third of the work that pytest has with a test.
    """
    options = item.config.option
    if not hasattr(item.config, "workerinput") or options.durations is not None or options.xmlpath:
        return None
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    for report in runtestprotocol(item, log=False, nextitem=nextitem):
        if report.when == "call" or not report.passed:
            item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


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
