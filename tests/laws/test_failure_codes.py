"""Every failure has a stable code, which programs read; each code here is that of an input as users have them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from command_line import kldeval
from looping import each_of
from reading import read_map as read_map_of_any_kind

import kldeval as kldeval_package
from kldeval import evaluate
from kldeval.errors import FAILURE_CODES, MapsFailed, RefusedMap, UsageProblem
from kldeval.scoring.diagnostics import PROBLEMS

if TYPE_CHECKING:
    from collections.abc import Callable

DOCS = Path(__file__).parent.parent.parent / "docs" / "pipelines.md"
RNG = np.random.default_rng(4)


def test_the_documentation_lists_every_code() -> None:
    table = dict(re.findall(r"^\| `([a-z-]+)` \| (.*) \|$", DOCS.read_text(), re.MULTILINE))
    assert {code: table.get(code) for code in FAILURE_CODES} == FAILURE_CODES


def test_every_code_that_the_source_gives_is_listed() -> None:
    """An unlisted one would be an error in the place of the failure that it is for."""
    package = Path(kldeval_package.__file__).parent
    given = {code for file in package.rglob("*.py") for code in re.findall(r'code="([a-z-]+)"', file.read_text())}
    assert {*given, *PROBLEMS} <= FAILURE_CODES.keys()


def test_a_code_that_is_not_listed_is_a_mistake() -> None:
    with pytest.raises(KeyError, match="no-such-code"):
        RefusedMap("wrong", code="no-such-code")


Maps = dict[str, Any]


def save(folder: Path, arrays: Maps) -> None:
    folder.mkdir()
    for name, array in arrays.items():
        np.save(folder / name, array)


def sound() -> Maps:
    return {name: RNG.random((4, 5)) + 0.1 for name in ("a", "b", "c")}


def nothing(_pred: Path, _gt: Path) -> None:
    """Leave the files as they are."""


def change(array: Any) -> Callable[[Path, Path], None]:
    return lambda pred, _gt: np.save(pred / "b.npy", array)


def holding(value: float) -> Any:
    array = RNG.random((4, 5)) + 0.1
    array[1, 2] = value
    return array


def remove(pred: Path, _gt: Path) -> None:
    (pred / "b.npy").unlink()


def double(pred: Path, _gt: Path) -> None:
    np.savez(pred / "b.npz", np.ones((4, 5)))


def damage(pred: Path, _gt: Path) -> None:
    (pred / "b.npy").write_bytes((pred / "b.npy").read_bytes()[:-8])


def dangle(pred: Path, _gt: Path) -> None:
    (pred / "b.npy").unlink()
    (pred / "b.npy").symlink_to("nowhere.npy")


def empty(_pred: Path, gt: Path) -> None:
    np.save(gt / "b.npy", np.zeros((4, 5)))


def colour(pred: Path, gt: Path) -> None:
    import cv2

    for side in (pred, gt):
        (side / "b.npy").unlink()
        cv2.imwrite(str(side / "b.png"), RNG.integers(0, 255, (4, 5, 3), np.uint8))


def look_away(pred: Path, _gt: Path) -> None:
    rows = [f"{name},{x},1" for name in "abc" for x in (1, 2)]
    (pred.parent / "fixations.csv").write_text("\n".join(["name,x,y", *rows, "b,17,1"]) + "\n")


CASES: dict[str, tuple[Callable[[Path, Path], None], str, tuple[str, ...]]] = {
    "no-partner": (remove, "pair", ()),
    "ambiguous-name": (double, "pair", ()),
    "unreadable": (damage, "load", ()),
    "dangling-link": (dangle, "load", ()),
    "size-mismatch": (change(np.ones((4, 6))), "check", ()),
    "nonfinite": (change(holding(np.nan)), "check", ()),
    "negative": (change(holding(-1.0)), "check", ()),
    "empty": (empty, "check", ()),
    "outside": (change(holding(1.5)), "check", ("-m", "bce", "--norm", "none")),
    "color": (colour, "check", ()),
    "fixations-outside": (look_away, "check", ("-m", "nss", "--fixations", "{root}/fixations.csv")),
}


@each_of("code", CASES)
def test_an_input_of_its_kind_has_the_code(tmp_path: Path, code: str) -> None:
    """The map alone is lost; its code stands in JSON, and in the reports of several models."""
    fault, stage, arguments = CASES[code]
    pred, gt = tmp_path / "pred", tmp_path / "gt"
    for side in (pred, gt):
        save(side, {name: array / 2 for name, array in sound().items()})
    fault(pred, gt)
    given = [text.format(root=tmp_path) for text in arguments]
    outcome = kldeval(pred, gt, *given, "--format", "json")
    report = json.loads(outcome.out)
    assert outcome.code == 1
    assert {row["name"] for row in report["maps"]} == {"a", "c"}
    assert [(row["name"], row["stage"], row["code"]) for row in report["failures"]] == [("b", stage, code)]


def test_an_error_that_nobody_foresaw_is_a_failure_of_its_map(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a file makes a library raise: the other maps have their scores, and --debug shows where it arose."""
    pred, gt = tmp_path / "pred", tmp_path / "gt"
    for side in (pred, gt):
        save(side, sound())
    original = read_map_of_any_kind

    def read_map(path: Path, **options: Any) -> Any:
        if path == pred / "b.npy":
            raise RecursionError("too deep\nfor words")
        return original(path, **options)

    monkeypatch.setattr("kldeval.data.load.read_map", read_map)
    message = (
        f"{pred}/b.npy and {gt}/b.npy: an unexpected error (RecursionError: too deep); --debug shows where it arose"
    )
    in_python = message.replace("--debug shows", "the logger 'kldeval' says at the level DEBUG")
    for command in ("evaluate", "audit", "check"):
        outcome = kldeval(command, pred, gt, "--jobs", "1")
        assert message in f"{outcome.out}{outcome.err}", command
        assert "Traceback" not in outcome.err
    report = evaluate(pred, gt, jobs=1, on_failure="ignore")
    assert [score.name for score in report.scores] == ["a", "c"]
    assert [(failure.code, failure.message) for failure in report.failures] == [("unexpected", in_python)]
    debugged = kldeval(pred, gt, "--jobs", "1", "--debug")
    assert "in read_map" in debugged.err
    assert debugged.out == kldeval(pred, gt, "--jobs", "1").out


def test_an_error_while_many_are_measured_together_is_that_of_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pred, gt = tmp_path / "pred", tmp_path / "gt"
    for side in (pred, gt):
        side.mkdir()
        for name in ("a", "b", "c"):
            np.save(side / name, RNG.integers(1, 255, (4, 5), np.uint8))
    original = resolve_name("kldeval.scoring.evaluator.Evaluator.finish")

    def finish(self: Any, begun: Any) -> Any:
        if any((one.counted.pair if hasattr(one, "counted") else one).name == "b" for one in begun):
            raise ZeroDivisionError
        return original(self, begun)

    monkeypatch.setattr("kldeval.scoring.evaluator.Evaluator.finish", finish)
    report = evaluate(pred, gt, jobs=1, on_failure="ignore")
    assert [score.name for score in report.scores] == ["a", "c"]
    assert [(failure.name, failure.stage, failure.code) for failure in report.failures] == [
        ("b", "score", "unexpected")
    ]


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_partial_mean_does_not_come_without_a_word(tmp_path: Path, count: int) -> None:
    """By default a warning; an error or nothing by request."""
    pred, gt = tmp_path / "pred", tmp_path / "gt"
    for side in (pred, gt):
        save(side, sound())
    for name in ("a", "b", "c")[:count]:
        np.save(pred / f"{name}.npy", -np.ones((4, 5)))
    others = ", and the means are those of the others" if count < 3 else ""
    message = rf"^{count} of 3 maps failed{others}: a: the prediction has negative values"
    assert len(evaluate(pred, gt, on_failure="ignore").failures) == count
    if not count:
        assert len(evaluate(pred, gt, on_failure="raise").scores) == 3
        return
    with pytest.warns(MapsFailed, match=message):
        report = evaluate(pred, gt)
    assert len(report.scores) == 3 - count
    with pytest.raises(RefusedMap, match=message) as problem:
        evaluate(pred, gt, on_failure="raise")
    assert problem.value.code == "negative"


def test_another_way_to_tell_of_failures_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageProblem, match=r"^on_failure='silent' is none of 'raise', 'warn', 'ignore'$"):
        evaluate(tmp_path, tmp_path, on_failure="silent")  # type: ignore[call-overload]
