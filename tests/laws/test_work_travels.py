"""Work goes where an executor takes it: with everything that it needs, for every metric and every command."""

from __future__ import annotations

import json
import pickle
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from command_line import kldeval
from looked_at import SHAPE, LookedAt, make_looked_at
from looping import each_of

from kldeval.metrics.registry import LABEL_METRICS, METRICS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

BESIDE = {"other": ("--other-map", "others"), "baseline": ("--baseline", "others")}
"""What stands beside the pairs, by what a metric requires."""


@dataclass(frozen=True)
class Elsewhere:
    """An executor that does everything in another place: work, items and results reach it as bytes alone."""

    workers: int
    elsewhere: tuple[dict[str, str], ...] = ()

    def map(self, work: Any, items: Sequence[Any]) -> Iterator[Any]:
        for item in items:
            yield from sent(sent(work)([sent(item)]))


def sent(value: Any) -> Any:
    """What arrives of a value."""
    return pickle.loads(pickle.dumps(value))  # noqa: S301 - made by this test


@pytest.fixture(scope="module", params=[np.uint8, np.float32], ids=["8 bits", "floats"])
def seen(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> LookedAt:
    return make_looked_at(tmp_path_factory.mktemp("travels") / "maps", dtype=request.param)


def outputs(monkeypatch: pytest.MonkeyPatch, *arguments: Any) -> list[Any]:
    """What a command prints here, and what it prints where its work is done elsewhere."""
    here = kldeval(*arguments)
    with monkeypatch.context() as patch:
        analyses = (f"analysis.{name}" for name in ("audit", "identify", "check", "fit", "observers"))
        for module in ("engine.computing", "executors.choice", *analyses):
            patch.setattr(f"kldeval.{module}.executor_for", lambda _: Elsewhere(1))
        elsewhere = kldeval(*arguments)
    assert here.code == elsewhere.code == 0, here.err
    return [here.out, elsewhere.out]


def by_needs() -> dict[str, list[str]]:
    """Every metric, by the words that it needs beside it: one run scores all that need the same."""
    found: dict[str, list[str]] = {}
    for name in METRICS:
        info = METRICS[name].info
        beside = [word for what in info.requires for word in BESIDE.get(what, ())]
        beside += ["--fixations", "FIXATIONS"] if info.on == "fixations" else []
        beside += ["--norm", "minmax"] if info.on == "pixels" else []
        beside += ["--resize", "both(size=6x6,kernel=area)"] if name == "emd" else []
        found.setdefault(" ".join(beside), []).append(name)
    return found


@each_of("beside", by_needs())
def test_every_metric_is_the_same_elsewhere(seen: LookedAt, beside: str, monkeypatch: pytest.MonkeyPatch) -> None:
    words = [str(seen.fixations) if word == "FIXATIONS" else word for word in beside.split()]
    metrics = ",".join(by_needs()[beside])
    here, elsewhere = outputs(monkeypatch, *seen.maps, "-m", metrics, *words, "--format", "jsonl")
    assert here == elsewhere


@each_of(
    "beside",
    [
        ("--weights", "latitude"),
        ("-m", "ig", "--baseline", "{root}/gt/a.png"),
        ("-m", "kld,nss,ig", "--baseline", "others", "--baselines"),
        ("--mask", "{root}/mask.npy"),
    ],
)
def test_what_stands_beside_the_pairs_goes_along(
    seen: LookedAt, beside: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    suffix = next((seen.root / "gt").iterdir()).suffix
    arguments = [text.format(root=seen.root).replace(".png", suffix) for text in beside]
    if "-m" in arguments:
        arguments += ["--fixations", str(seen.fixations)]
    np.save(seen.root / "mask.npy", np.arange(np.prod(SHAPE)).reshape(SHAPE) % 3 > 0)
    here, elsewhere = outputs(monkeypatch, *seen.maps, *arguments, "--format", "jsonl")
    assert here == elsewhere


@each_of(
    "command",
    [
        ("fit", "{pred}", "{gt}", "--parts", "temperature"),
        ("observers", "{pred}", "{root}/fixations.csv", "-m", "nss,sauc,kld", "--sigma", "2", "--chance", "others"),
        ("audit", "{pred}", "{gt}", "--bounds", "round", "--convention", "mit,eml-net,row-softmax"),
        ("optimal", "{pred}", "{root}/optimal", "--for", "cc", "--sigma", "1"),
    ],
)
def test_questions_can_be_answered_elsewhere(
    seen: LookedAt, command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    places = {"root": seen.root, "pred": seen.maps[0], "gt": seen.maps[1]}
    here, elsewhere = outputs(monkeypatch, *(word.format(**places) for word in command), "-q")
    assert here == elsewhere


@each_of("command", ["evaluate", "audit", "check"])
def test_every_command_can_work_elsewhere(seen: LookedAt, command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    here, elsewhere = outputs(monkeypatch, command, *seen.maps)
    assert here == elsewhere


def test_identifying_can_work_elsewhere(seen: LookedAt, monkeypatch: pytest.MonkeyPatch) -> None:
    value = json.loads(kldeval(*seen.maps, "--format", "scores").out)["kld"]
    here, elsewhere = outputs(monkeypatch, "identify", "--value", f"{value:.6f}", *seen.maps)
    assert here == elsewhere


def test_metrics_of_labels_are_the_same_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(5)
    for side, array in (("pred", rng.random((3, 4, 5))), ("gt", rng.integers(0, 3, (4, 5)))):
        (tmp_path / side).mkdir()
        np.save(tmp_path / side / "a.npy", array)
    arguments = (tmp_path / "pred", tmp_path / "gt", "-m", ",".join(LABEL_METRICS), "--norm", "softmax", "--axis", "0")
    here, elsewhere = outputs(monkeypatch, *arguments, "--format", "jsonl")
    assert here == elsewhere
