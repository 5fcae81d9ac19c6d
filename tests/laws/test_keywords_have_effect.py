"""Every keyword of a run over maps that a question of the library takes has an effect there, or is refused."""

from __future__ import annotations

import inspect
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from command_line import kldeval
from evaluating import option_names

import kldeval as library

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Call = Callable[..., Any]

WITHOUT_A_GPU = {"batch_bytes"}
"""What only a run on a GPU reads, where there may be one."""


def questions(root: Path) -> dict[str, list[Call]]:
    """Calls of every question, which together reach all that it does."""
    rng = np.random.default_rng(0)
    for side in ("pred", "gt"):
        (root / side).mkdir()
        for name in "abcd":
            np.save(root / side / f"{name}.npy", rng.random((4, 5)))
    (root / "list.csv").write_text(
        "image,x,y,observer\n" + "\n".join(f"{name},1,{n},{n}" for name in "abcd" for n in range(3))
    )
    pred, gt, one = root / "pred", root / "gt", (root / "pred" / "a.npy", root / "gt" / "a.npy")
    scores = rng.normal(size=(8, 3, 6, 7))
    labels = (scores + rng.gumbel(size=scores.shape)).argmax(axis=1)
    for side, arrays in (("scores", 3 * scores), ("labels", labels)):
        (root / side).mkdir()
        for place, array in enumerate(arrays):
            np.save(root / side / f"{place}.npy", array)
    seen = {"metric": "nss", "fixations": root / "list.csv"}

    def calibrate(**options: Any) -> object:
        words: dict[str, Any] = {"norm": "softmax", "axis": 0, "metric": "ce", "resamples": 100}
        return library.calibrate(root / "scores", root / "labels", **{**words, **options})

    def explain(**options: Any) -> object:
        return library.explain(pred, gt, **{"name": "a", **options})

    def audit_seen(**options: Any) -> object:
        return library.audit(pred, gt, **{**seen, **options})

    return {
        "evaluate": [partial(library.evaluate, pred, gt)],
        "check": [partial(library.check, pred, gt)],
        "explain": [explain, partial(library.explain, pred, gt, worst=1)],
        "fit": [partial(library.fit, pred, gt, folds=2, parts=["temperature"])],
        "calibrate": [calibrate],
        "audit": [partial(library.audit, pred, gt, conventions="mit"), audit_seen],
        "identify": [partial(library.identify, "0.5", *one)],
        "rows": [partial(library.rows, *one)],
        "observers": [partial(library.observers, root / "list.csv", {"m": pred}, size=(4, 5), resamples=100)],
    }


def value_of(name: str, root: Path) -> object:
    """Something that a keyword may be given."""
    paths = {"baseline", "other_map", "mask", "weights"}
    texts = {"ceiling": "observers", "bounds": "round", "device": "cpu", "shard": "1/2", "fps": "2"}
    if name.endswith("_name"):
        return "{name}"
    if name == "fixations":
        return root / "list.csv"
    return texts.get(name, 1 if name in ("batch_bytes", "jobs", "limit") else root / "pred" if name in paths else True)


QUICK = ("evaluate", "check", "explain", "audit", "rows", "observers")
SLOW = (pytest.param(name, marks=pytest.mark.slow) for name in ("fit", "calibrate", "identify"))


@pytest.mark.parametrize("name", [*QUICK, *SLOW])
@pytest.mark.filterwarnings("ignore::kldeval.errors.MapsFailed")
def test_a_keyword_that_is_taken_is_looked_at(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that no call ever asks for moves nothing: it has to be refused when it is given."""
    calls = questions(tmp_path)[name]
    looked_at: set[str] = set()
    fields = option_names(monkeypatch, looked_at.add)
    for call in calls:
        call()
    parameters = inspect.signature(getattr(library, name)).parameters.values()
    taken = {one.name for one in parameters if one.kind is one.KEYWORD_ONLY}
    offenders = []
    for keyword in sorted((taken & fields) - looked_at - WITHOUT_A_GPU):
        try:
            calls[0](**{keyword: value_of(keyword, tmp_path)})
        except library.errors.UsageProblem as problem:
            offenders += [] if keyword in str(problem) else [str(problem)]
        else:
            offenders += [] if keyword in looked_at else [keyword]
    assert offenders == []


def test_what_evaluate_alone_has_is_refused_by_name(tmp_path: Path) -> None:
    maps = questions(tmp_path)["audit"][0]
    with pytest.raises(library.errors.UnknownName, match="unknown option 'digests' here: it is one of evaluate"):
        maps(digests=True)
    sides = tmp_path / "pred", tmp_path / "gt"
    said = kldeval("check", *sides, "--cache", tmp_path / "scores")
    error = "kldeval: kldeval check has no --cache, which is an option of kldeval evaluate\n"
    assert (said.code, said.err) == (2, error)
    assert "Did you mean" in kldeval("audit", *sides, "--cach", "c").err
