"""Compare, audit, identify, explain, check, methods and density in Python are those of the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from command_line import kldeval as command
from reading import read_map

import kldeval
from kldeval import evaluate
from kldeval.errors import KldevalError, UnknownName, UsageProblem

if TYPE_CHECKING:
    from collections.abc import Callable

CAREFUL, BOLD, GT = (Path("sample_data") / name for name in ("careful", "bold", "gt"))
NAMES = sorted(path.stem for path in GT.iterdir())
MAPS = np.random.default_rng(8).random((6, 7, 9))


def stack(folder: Path) -> Any:
    return np.stack([read_map(folder / f"{name}.png").array for name in NAMES])


def printed(*arguments: str | Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(command(*arguments, "--format", "json").out)
    return found


def test_audit() -> None:
    wanted = printed("audit", CAREFUL, BOLD, GT, "--convention", "mit,sam")
    for given in (
        ({"careful": CAREFUL, "bold": BOLD}, GT),
        ({"careful": stack(CAREFUL), "bold": stack(BOLD)}, stack(GT)),
    ):
        found = kldeval.audit(*given, conventions=["mit", "sam"], jobs=1)
        means = {name: {model: one.mean for model, one in rows.items()} for name, rows in found.standings.items()}
        assert means == {
            name: {model: one["mean"] for model, one in row["models"].items()}
            for name, row in wanted["conventions"].items()
        }
    of_nss = kldeval.audit(MAPS, MAPS[::-1], metric="nss", fixations=(MAPS > 0.9).astype(int))
    assert of_nss.metric == "nss"
    with pytest.raises(UsageProblem, match="metric='nss' is of fixations: name them with fixations=PATH"):
        kldeval.audit(MAPS, MAPS, metric="nss")
    with pytest.raises(UnknownName, match="unknown option 'norm'"):
        kldeval.audit(MAPS, MAPS, norm="softmax")  # type: ignore[call-arg]


def test_identify(tmp_path: Path) -> None:
    for side, maps in (("pred", MAPS[:2]), ("gt", MAPS[2:4])):
        (tmp_path / side).mkdir()
        for place, one in enumerate(maps):
            np.save(tmp_path / side / f"{place}.npy", one)
    sides = tmp_path / "pred", tmp_path / "gt"
    value = evaluate(*sides, metric="kld", convention="sam", jobs=1)["kld"].mean
    text = f"{value:.6f}"
    wanted = printed("identify", "--value", text, *sides)
    found = kldeval.identify(text, MAPS[:2], MAPS[2:4], jobs=1)
    assert [guess.signature for guess in found.guesses] == [guess["signature"] for guess in wanted["guesses"]]
    assert "sam" in [guess.convention for guess in found.guesses]
    assert found.to_dict()["guesses"] == wanted["guesses"]
    assert "--" not in str(found)
    refused = kldeval.audit(MAPS, -MAPS, conventions="mit,sam,unisal")
    assert "--" not in f"{refused}{[row.refusals for row in refused.maps['pred']]}{refused.notes}"
    with pytest.raises(UsageProblem, match="not a finite number"):
        kldeval.identify("many", CAREFUL, GT)


def test_explain() -> None:
    of_file = kldeval.explain(CAREFUL / "street.png", GT / "street.png", convention="sam")
    of_array = kldeval.explain(stack(CAREFUL), stack(GT), name=str(NAMES.index("street")), convention="sam")
    assert of_array.values == of_file.values
    assert of_array.stages == of_file.stages
    report = evaluate(CAREFUL, GT, metric="kld", jobs=1)
    worst = max(report.scores, key=lambda score: score.values["kld"])
    assert kldeval.explain(CAREFUL, GT, metric="kld", worst=1).name == worst.name
    with pytest.raises(UsageProblem, match="hold 6 pairs"):
        kldeval.explain(MAPS, MAPS)


def test_check() -> None:
    assert kldeval.check(CAREFUL, GT, jobs=1)
    gt = MAPS.copy()
    gt[1] = 0
    found = kldeval.check(MAPS, gt)
    assert not found
    assert [failure.name for failure in found.failures] == ["1"]
    assert "empty_gt='skip'" in str(found)
    assert repr(found) == "Inspection(5 pairs, 1 failed)"


def test_methods(tmp_path: Path) -> None:
    report = evaluate(CAREFUL, GT, metric="kld", convention="mit", jobs=1)
    report.save(tmp_path / "x.json")
    assert f"{kldeval.methods(report)}\n" == command("methods", tmp_path / "x.json").out
    assert kldeval.methods(tmp_path / "x.json") == kldeval.methods(report)
    assert f"{kldeval.methods(convention='sam')}\n" == command("methods", "--convention", "sam").out
    assert kldeval.methods("kldeval:mit+v1").convention == "mit"
    with pytest.raises(UsageProblem, match="say one of"):
        kldeval.methods()


def test_compare(tmp_path: Path) -> None:
    reports = {
        name: evaluate(folder, GT, metric="kld,cc", jobs=1) for name, folder in (("careful", CAREFUL), ("bold", BOLD))
    }
    for name, report in reports.items():
        report.save(tmp_path / f"{name}.json")
    paths = [tmp_path / f"{name}.json" for name in reports]
    wanted = printed("compare", *paths)
    for found in (kldeval.compare(reports), kldeval.compare(*paths), kldeval.compare(paths)):
        assert found.to_dict()["metrics"] == wanted["metrics"]
    assert kldeval.compare(*reports.values()).models == ("model 1", "model 2")
    assert list(kldeval.compare(reports, metric="cc")) == ["cc"]
    board = evaluate({"careful": CAREFUL, "bold": BOLD}, GT, metric="kld", jobs=1)
    assert board.comparison is not None
    assert kldeval.compare(board)["kld"].pairs == board.comparison["kld"].pairs
    other = evaluate(BOLD, GT, metric="kld,cc", norm="flatten-softmax", jobs=1)
    with pytest.raises(UsageProblem, match="allow_different=True insists"):
        kldeval.compare(reports["careful"], other)
    with pytest.raises(UsageProblem, match="two models or more"):
        kldeval.compare(reports["careful"])


def test_density(tmp_path: Path) -> None:
    counts = (MAPS[:, :5] > 0.9).astype(int)
    folder = tmp_path / "fixations"
    folder.mkdir()
    for place, one in enumerate(counts):
        np.save(folder / f"{place}.npy", one)
    command("density", folder, tmp_path / "out", "--sigma", "1.5")
    found = kldeval.density(counts, 1.5)
    for place in range(len(counts)):
        assert np.array_equal(found[place], np.load(tmp_path / "out" / f"{place}.npy"))
    points = np.argwhere(counts[0])[:, ::-1]
    np.testing.assert_allclose(kldeval.density(points, 1.5, shape=(5, 9)), found[0], rtol=1e-12)
    calls: list[Callable[[], Any]] = [
        lambda: kldeval.density(counts, -1),
        lambda: kldeval.density(-counts, 1),
        lambda: kldeval.density(points + 99, 1, shape=(5, 9)),
        lambda: kldeval.density(counts, 1, border="wall"),
        lambda: kldeval.density(counts, 1, shape=(5, 9)),
    ]
    for call in calls:
        with pytest.raises(KldevalError) as problem:
            call()
        assert "--" not in str(problem.value)


def test_list_conventions() -> None:
    assert list(kldeval.list_conventions()) == [
        row["name"] for row in json.loads(command("conventions", "--format", "json").out)
    ]


SEEDED: dict[str, Any] = {
    "evaluate": lambda **seed: evaluate(MAPS, MAPS[::-1], confidence=0.9, **seed),
    "leaderboard": lambda **seed: evaluate({"a": MAPS, "b": MAPS**2}, MAPS[::-1], **seed),
    "compare": lambda **seed: kldeval.compare(
        {"a": evaluate(MAPS, MAPS[::-1]), "b": evaluate(MAPS**2, MAPS[::-1])}, **seed
    ),
    "calibrate": lambda **seed: kldeval.calibrate(MAPS, MAPS[::-1], norm="sigmoid", metric="bce", **seed),
    "fit": lambda **seed: kldeval.fit(MAPS, MAPS[::-1], **seed),
    "optimal": lambda **seed: kldeval.optimal(MAPS[0], "sim", sigma=1, n_fixations=3, **seed),
    "observers": lambda **seed: kldeval.observers("sample_data/fixations.csv", size=(64, 96), **seed),
}


@pytest.mark.parametrize("name", SEEDED)
def test_a_seed_below_0_is_refused_wherever_there_is_one(name: str) -> None:
    with pytest.raises(UsageProblem, match="seed=-1: a seed is 0 or more"):
        SEEDED[name](seed=-1)


def test_how_files_of_fixations_are_read_means_nothing_for_arrays() -> None:
    pred, counts = np.ones((2, 4, 5)), np.ones((2, 4, 5), int)
    with pytest.raises(
        UsageProblem, match="fixation_base=1 says how files of fixations are read, and these are arrays"
    ):
        kldeval.evaluate(pred, pred, metric="nss", fixations=counts, fixation_base=1)
    kldeval.evaluate(pred, pred, metric="nss", fixations=counts, fixation_threshold=0.5)


def test_what_stands_in_the_wrong_place_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageProblem, match="is a folder: score the models first"):
        kldeval.compare(tmp_path, tmp_path, tmp_path)
    with pytest.raises(
        UsageProblem, match=r"the number comes first, and the ground truth last: identify\('0.27', pred"
    ):
        kldeval.identify("pred", "gt", "0.27")
