"""What one more pair costs in Python, and how many files the way of a pair leads through."""

from __future__ import annotations

import math
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest

import kldeval

if TYPE_CHECKING:
    from collections.abc import Callable

PACKAGE = str(Path(kldeval.__file__).parent)

MOST_CALLS = 190
"""Python calls of a further pair; they were 317 when settings were asked again for every pair."""

MOST_FILES = 31
"""Files of the package that the way of a pair leads through: the loop of the run, headers and decoders included."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rng = np.random.default_rng(3)
    y, x = np.mgrid[:120, :160]
    for side in ("pred", "gt"):
        (tmp_path / side).mkdir()
        for place in range(52):
            centre, width = rng.random(2) * (120, 160), 10 + 20 * rng.random()
            blob = np.exp(-((y - centre[0]) ** 2 + (x - centre[1]) ** 2) / (2 * width**2))
            cv2.imwrite(str(tmp_path / side / f"{place:02}.png"), (blob * 255).astype(np.uint8))
    return tmp_path


def calls_of(work: Callable[[], object]) -> Counter[tuple[str, str]]:
    """The Python functions that were entered, by file and name; the frames of comprehensions are none."""
    found: Counter[tuple[str, str]] = Counter()

    def note(frame: Any, event: str, _: object) -> None:
        name = frame.f_code.co_name
        if event == "call" and (not name.startswith("<") or name == "<lambda>"):
            found[frame.f_code.co_filename, name] += 1

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(before)
    return found


@pytest.fixture
def further(folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[tuple[str, str], float]:
    """The calls that one more pair costs, by file and name."""
    # how many pairs are done together must not depend on how long the first of them took
    monkeypatch.setattr("kldeval.executors.local.WORTH_WORKERS", math.inf)
    monkeypatch.setattr("kldeval.executors.local.SOON", math.inf)

    def run(count: int) -> Counter[tuple[str, str]]:
        return calls_of(
            lambda: kldeval.evaluate(str(folder / "pred"), str(folder / "gt"), jobs=1, device="cpu", limit=count)
        )

    run(2)
    few, many = run(20), run(52)
    return {name: (many[name] - few[name]) / 32 for name in many}


def test_a_further_pair_asks_nothing_that_the_first_has_answered(further: dict[tuple[str, str], float]) -> None:
    assert sum(further.values()) <= MOST_CALLS, sorted(further.items(), key=lambda item: -item[1])[:20]


def test_the_way_of_a_pair_leads_through_few_files(further: dict[tuple[str, str], float]) -> None:
    files = {
        file.removeprefix(PACKAGE) for (file, _), calls in further.items() if calls > 0 and file.startswith(PACKAGE)
    }
    assert len(files) <= MOST_FILES, sorted(files)
