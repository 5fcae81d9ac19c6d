"""What a merged report and a comparison over groups say of their numbers is what the numbers are."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from command_line import kldeval
from hypothesis import given
from hypothesis import strategies as st
from report_files import merged, report

from kldeval import signature
from kldeval.errors import UsageProblem
from kldeval.records import Score
from kldeval.reports.comparison import over_groups

if TYPE_CHECKING:
    from pathlib import Path

NAMES = ("a/1", "b/1", "b/2", "b/3", "c/1", "c/2")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two models and their ground truth, in folders of different length."""
    rng = np.random.default_rng(4)
    for name in NAMES:
        for side in ("new", "old", "gt"):
            path = tmp_path / side / f"{name}.npy"
            path.parent.mkdir(parents=True, exist_ok=True)
            np.save(path, rng.uniform(0.1, 1, (6, 8)))
    return tmp_path


@pytest.mark.parametrize("group_by", ["parent", "{video}/{frame}"])
def test_the_signature_of_a_comparison_over_groups_runs_to_the_means_that_it_prints(root: Path, group_by: str) -> None:
    for model in ("new", "old"):
        kldeval(root / model, root / "gt", "-m", "kld,cc", "-o", root / f"{model}.json")
    files = root / "new.json", root / "old.json"
    outcome = kldeval("compare", *files, "--group-by", group_by, "--format", "json", "-q")
    document: dict[str, Any] = json.loads(outcome.out)
    for key, comparison in document["metrics"].items():
        assert "|maps:groups|" in document["signature"][key]
        for model, mean in comparison["means"].items():
            again = kldeval(root / model, root / "gt", "--signature", document["signature"][key], "--score-only", "-q")
            assert float(again.out) == pytest.approx(mean, rel=1e-12)


texts = st.fixed_dictionaries(
    {"metric": st.sampled_from(["kld", "cc", "entropy-gt", "nss(ddof=1)"])},
    optional={
        "mask": st.just("maps"),
        "scale": st.just("raw"),
        "weights": st.just("latitude"),
        "norm": st.just("flatten-softmax"),
        "dtype": st.just("float32"),
    },
)


@given(texts, st.sampled_from(["parent", "{video}_{frame}", "manifest"]))
def test_regrouping_a_signature_is_that_of_the_settings(given_texts: dict[str, Any], grouping: str) -> None:
    plain = signature(**given_texts)
    grouped = signature(**given_texts, maps="groups", group_by=grouping)
    assert over_groups(plain, grouping) == grouped
    assert over_groups(grouped, "parent") == over_groups(plain, "parent")


WAY = "; every image is compared with all others, so score the parts of one whole list of images, with --shard"


def part(name: str, metric: str = "sauc", context: str = "", **changes: Any) -> Any:
    text = f"{metric}|pred:stored|gt:stored|maps:mean{context}|v:2"
    return report(Score(name, {"sauc": 0.5}), signatures={"sauc": text}, **changes)


@pytest.mark.parametrize(
    ("metric", "context"),
    [("sauc", ""), ("auc-shuffled", "|other:others"), ("ig", "|baseline:others(bandwidth=0.04,uniform=0.001)")],
)
def test_parts_that_do_not_say_which_images_they_were_compared_with_are_refused(metric: str, context: str) -> None:
    """Reports of earlier versions: two halves give another number than the whole, under one signature."""
    with pytest.raises(UsageProblem) as problem:
        merged({"p1": part("a", metric, context), "p2": part("b", metric, context)})
    assert str(problem.value) == f"p1 does not say with which other images sauc was compared: it cannot be merged{WAY}"
    said = f"{context}|context:images(n=3,sha256=00)"
    assert len(merged({"p1": part("a", metric, said), "p2": part("b", metric, said)}).scores) == 2
    assert len(merged({"p1": part("a", metric, context)}).scores) == 1


def test_reference_rows_of_different_images_are_refused() -> None:
    rows: dict[str, Any] = {"references": {"centre prior": {"kld": 1.0}}}
    parts = {name: report(Score(name, {"kld": 0.5}), **rows) for name in "ab"}
    with pytest.raises(UsageProblem) as problem:
        merged(parts)
    assert str(problem.value) == f"the reference rows of a were made of its own images, so they cannot be merged{WAY}"
    same: dict[str, Any] = {"provenance": {"context": "images(n=2,sha256=00)"}}
    assert merged({name: report(Score(name, {"kld": 0.5}), **rows, **same) for name in "ab"}).scores
