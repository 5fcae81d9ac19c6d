"""The audit of CC, SIM, NSS and AUC: the definitions of code bases on the same maps."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from command_line import kldeval
from schemas import validate

from kldeval.conventions.definitions import FAMILIES

SAMPLE = Path(__file__).parent.parent.parent / "sample_data"
BOTH = SAMPLE / "bold", SAMPLE / "careful", SAMPLE / "gt"
FIXATIONS = "--fixations", SAMPLE / "fixations.csv"


def audited(metric: str, *arguments: Any) -> dict[str, Any]:
    outcome = kldeval("audit", *BOTH, "--metric", metric, *arguments, "--format", "json", "-q")
    assert outcome.code == 0
    document: dict[str, Any] = json.loads(outcome.out)
    validate(document, "audit")
    return document


@pytest.mark.parametrize("metric", FAMILIES)
def test_every_definition_is_the_metric_that_one_could_type(metric: str) -> None:
    """The numbers are those of `evaluate` with the same metric; the signature runs again."""
    family = FAMILIES[metric]
    beside = FIXATIONS if family.needs_fixations else ()
    document = audited(metric, *beside)
    assert document["metric"] == metric
    assert document["reference"] == family.definitions[0].name
    for row in family.definitions:
        found = document["conventions"][row.name]
        other = ("--other-map", "others") if row.metric == "auc-shuffled" else ()
        alone = kldeval(SAMPLE / "bold", SAMPLE / "gt", "-m", row.metric, *beside, *other, "--format", "json", "-q")
        report = json.loads(alone.out)
        (key,) = report["summary"]
        assert found["models"]["bold"]["mean"] == pytest.approx(report["summary"][key]["mean"], rel=1e-12)
        assert found["signature"] == report["signature"][key]


def test_higher_is_better() -> None:
    """Rank 1 is the highest mean, and the first of a flip is better where its mean is higher."""
    standings = audited("nss", *FIXATIONS)["conventions"]["pysaliency"]["models"]
    assert standings["bold"]["mean"] > standings["careful"]["mean"]
    assert (standings["bold"]["rank"], standings["careful"]["rank"]) == (1, 2)


def test_the_table_says_what_is_defined_differently() -> None:
    lines = kldeval("audit", *BOTH, "--metric", "sim").out.splitlines()
    assert lines[0] == "SIM of 5 maps, 2 predictions under 2 definitions, lowest first"
    assert lines[1].split() == ["bold", "↑", "careful", "↑", "tau", "definitions"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--metric", "nss"), "--metric nss is of fixations: name them with --fixations PATH"),
        (
            ("--metric", "ncc"),
            "unknown metric with definitions 'ncc'; did you mean 'cc'? Known: auc, cc, nss, sauc, sim",
        ),
        (
            ("--metric", "cc", "--convention", "mit"),
            "--convention is about KLD and can mean nothing beside --metric cc; leave it out",
        ),
        (
            ("--metric", "cc", "--eps-curve"),
            "--eps-curve is about KLD and can mean nothing beside --metric cc; leave it out",
        ),
    ],
)
def test_what_means_nothing_is_refused(arguments: tuple[str, ...], message: str) -> None:
    outcome = kldeval("audit", *BOTH, *arguments)
    assert (outcome.code, outcome.out, outcome.err) == (2, "", f"kldeval: {message}\n")


def test_the_metrics_of_a_configuration_are_not_those_of_an_audit(tmp_path: Path) -> None:
    (tmp_path / "kldeval.toml").write_text('metric = "kld,cc"\n')
    outcome = kldeval("audit", *BOTH, "--convention", "mit", "--config", tmp_path / "kldeval.toml")
    assert outcome.out.startswith("KLD of 5 maps")
