"""What the memory of a run grows by with each map, whatever the run: nothing but what a table needs."""

from __future__ import annotations

import gc
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from command_line import kldeval
from many import adds_at_most, as_many, few_in_memory

import kldeval as library

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Run = Callable[[], Any]

FEW, MANY = 16, 56

WORDS: dict[str, Any] = {"metric": "kld", "jobs": 1, "on_failure": "ignore"}


def stacks(root: Path, number: int, *sides: str, rng: Any = None) -> list[Path]:
    """Stacks of tiny maps."""
    rng = rng or np.random.default_rng(number)
    root.mkdir(exist_ok=True)
    for side in sides:
        np.save(root / f"{side}.npy", rng.integers(1, 255, (number, 2, 2), np.uint8))
    return [root / f"{side}.npy" for side in sides]


def folders(root: Path, number: int, *, shift: int = 0, data: bytes | None = None) -> tuple[Path, Path]:
    """Folders of one tiny map under many names, those of the ground truths `shift` later; predictions may be `data`."""
    root.mkdir()
    for side in ("pred", "gt"):
        (root / side).mkdir()
        np.save(root / f"{side}.npy", np.eye(2) + 1)
        if side == "pred" and data is not None:
            (root / "pred.npy").write_bytes(data)
        for place in range(number):
            at = place + shift * (side == "gt")
            (root / side / f"{at % 8}_{at:09d}.npy").hardlink_to(root / f"{side}.npy")
    return root / "pred", root / "gt"


def leaderboard(root: Path, number: int) -> Run:
    one, two, gt = stacks(root, number, "one", "two", "gt")
    return partial(library.evaluate, {"one": one, "two": two}, gt, stack=True, resamples=100, **WORDS)


def baselines(root: Path, number: int) -> Run:
    return partial(library.evaluate, *stacks(root, number, "pred", "gt"), stack=True, baselines=True, **WORDS)


def classes(root: Path, number: int) -> Run:
    root.mkdir()
    rng = np.random.default_rng(number)
    np.save(root / "pred.npy", rng.random((number, 3, 2, 2), np.float32))
    np.save(root / "gt.npy", rng.integers(0, 3, (number, 2, 2)))
    words = {**WORDS, "metric": "ce", "norm": "softmax", "axis": 0, "per_class": True}
    return partial(library.evaluate, root / "pred.npy", root / "gt.npy", stack=True, **words)


def failures(root: Path, number: int) -> Run:
    pred, gt = stacks(root, number, "pred", "gt")
    np.save(gt, np.zeros((number, 2, 2), np.uint8))
    return partial(library.evaluate, pred, gt, stack=True, **WORDS)


def unread(root: Path, number: int) -> Run:
    return partial(library.evaluate, *folders(root, number, data=b"damaged"), **WORDS)


def unpaired(root: Path, number: int) -> Run:
    return partial(library.evaluate, *folders(root, number, shift=number - 8), **WORDS)


def groups(root: Path, number: int) -> Run:
    return partial(library.evaluate, *folders(root, number), group_by=r"{group}_{name}", **WORDS)


def fixations(root: Path, number: int) -> Run:
    pred, gt = stacks(root, number, "pred", "gt")
    rows = [f"pred[{place:03d}],{place % 2},{1 - place % 2}" for place in range(number) for _ in range(2)]
    (root / "list.csv").write_text("\n".join(["image,x,y", *rows]))
    words = {**WORDS, "metric": "nss,sauc", "fixations": root / "list.csv"}
    return partial(library.evaluate, pred, gt, stack=True, baselines=True, **words)


def parts(root: Path, number: int) -> Run:
    pred, gt = stacks(root, number, "pred", "gt")
    return partial(library.evaluate, pred, gt, stack=True, output_dir=root / "rows", **WORDS)


def iterable(root: Path, number: int) -> Run:
    del root
    pred, gt = np.eye(2) + 1, np.ones((2, 2))
    return lambda: library.evaluate(((f"{place:07d}", pred + place, gt) for place in range(number)), **WORDS)


def merged(root: Path, number: int) -> Run:
    sides = stacks(root, number, "pred", "gt")
    paths = [root / f"{place}.json" for place in range(number // 10)]
    for place, path in enumerate(paths, 1):
        library.evaluate(*sides, stack=True, shard=f"{place}/{len(paths)}", **WORDS).save(path)
    return partial(kldeval, "merge", *paths, "--quiet")


KINDS: dict[Callable[[Path, int], Run], int] = {
    classes: 1500,
    failures: 330,
    unread: 360,
    unpaired: 700,
    groups: 1500,
    parts: 850,
    iterable: 1000,
    merged: 850,
}
"""The most that a map adds to each run here, where buffers are small; rows that are kept add 1.4 times this or more."""

SLOW: dict[Callable[[Path, int], Run], int] = {leaderboard: 1600, baselines: 1500, fixations: 2400}
"""The same of runs that take a second; what is fixated on images is known while others are compared with it."""


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is kept, read and drawn at a time is little beside the maps of these runs."""
    few_in_memory(monkeypatch, 10)
    as_many(monkeypatch, 16)
    monkeypatch.setattr("kldeval.reports.spool.AT_ONCE", 8)
    monkeypatch.setattr("kldeval.reports.spool.BYTES_AT_ONCE", 2048)
    monkeypatch.setattr("kldeval.reports.significance.CELLS_PER_BLOCK", 1024)
    monkeypatch.setattr("kldeval.executors.local.LARGEST_CHUNK", 8)
    monkeypatch.setattr("kldeval.engine.parts.TASKS_OF_PIECE", 8)
    monkeypatch.setattr("kldeval.engine.parts.TASKS_OF_PART", 16)
    monkeypatch.setattr("kldeval.api.sources.LARGEST_BLOCK", 16)


@pytest.fixture
def without_collector() -> Iterator[None]:
    """What is garbage stays: what only the collector frees is held for as long as it waits.

    What other tests have left is looked through once: with large libraries that takes as long as a run.
    """
    gc.collect()
    gc.freeze()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.parametrize(
    "kind", [*KINDS, *(pytest.param(kind, marks=pytest.mark.slow) for kind in SLOW)], ids=lambda kind: kind.__name__
)
@pytest.mark.usefixtures("small", "without_collector")
def test_memory_does_not_grow_with_the_maps(tmp_path: Path, kind: Callable[[Path, int], Run]) -> None:
    """Garbage that waits for the collector counts: the longer a run, the longer it waits."""
    few, many = (kind(tmp_path / f"{number}", number) for number in (FEW, MANY))
    assert adds_at_most((KINDS | SLOW)[kind] * (MANY - FEW), few, many)
