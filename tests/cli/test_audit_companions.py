"""The audit of CC, SIM, NSS and AUC: the definitions of code bases on the same maps."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from command_line import kldeval
from schemas import validate

from kldeval.conventions.definitions import FAMILIES
from kldeval.metrics.registry import METRICS

SAMPLE = Path(__file__).parent.parent.parent / "sample_data"
BOTH = SAMPLE / "bold", SAMPLE / "careful", SAMPLE / "gt"
NEEDED = {"other": ("--other-map", "others"), "baseline": ("--baseline", "others")}
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
        needs = METRICS[row.metric.partition("(")[0]].info.requires
        other = [word for need, words in NEEDED.items() if need in needs for word in words]
        typed = [word for flag in row.flags for word in flag]
        alone = kldeval(SAMPLE / "bold", SAMPLE / "gt", *typed, *beside, *other, "--format", "json", "-q")
        report = json.loads(alone.out)
        (key,) = report["summary"]
        mean = report["summary"][key]["mean"]
        assert found["models"]["bold"]["mean"] == (mean if isinstance(mean, str) else pytest.approx(mean, rel=1e-12))
        assert found["signature"] == report["signature"][key]


def test_a_map_that_one_definition_refuses_keeps_its_other_numbers(tmp_path: Path) -> None:
    for side in ("pred", "gt"):
        (tmp_path / side).mkdir()
        for name, values in (
            ("a", [[0, 60], [120, 255]]),
            ("b", [[60, 60], [60, 60]] if side == "pred" else [[0, 9], [255, 0]]),
        ):
            cv2.imwrite(str(tmp_path / side / f"{name}.png"), np.asarray(values, np.uint8))
    outcome = kldeval("audit", tmp_path / "pred", tmp_path / "gt", "--metric", "mae", "--format", "json", "-q")
    found = json.loads(outcome.out)
    stored, sod = (found["conventions"][name]["models"]["pred"] for name in ("stored", "sod"))
    assert (stored["n"], sod["n"], found["failures"]) == (2, 1, {"pred": []})
    (refused,) = [row for row in found["maps"]["pred"] if "sod" in row["refused"]]
    assert refused["name"] == "b"
    assert "minmax" in refused["refused"]["sod"]


def test_higher_is_better() -> None:
    """Rank 1 is the highest mean, and the first of a flip is better where its mean is higher."""
    standings = audited("nss", *FIXATIONS)["conventions"]["pysaliency"]["models"]
    assert standings["bold"]["mean"] > standings["careful"]["mean"]
    assert (standings["bold"]["rank"], standings["careful"]["rank"]) == (1, 2)


def test_the_table_says_what_is_defined_differently() -> None:
    lines = kldeval("audit", *BOTH, "--metric", "sim").out.splitlines()
    assert lines[0] == "SIM of 5 maps, 2 predictions under 3 definitions, lowest first"
    assert lines[1].split() == ["bold", "↑", "careful", "↑", "tau", "definitions"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--metric", "nss"), "--metric nss is of fixations: name them with --fixations PATH"),
        (
            ("--metric", "ncc"),
            "unknown metric with definitions 'ncc'; did you mean 'cc'? Known: auc, cc, ig, mae, nss, sauc, sim",
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


@pytest.mark.parametrize(
    ("command", "shown"),
    [(("audit",), "kld"), (("identify", "--value", "0.27"), "kld"), (("identify", "--value", "cc=0.27"), "cc")],
)
@pytest.mark.parametrize("option", ["--fixations", "--fixations-name", "--fixation-base"])
def test_fixations_that_no_metric_takes_are_refused(command: tuple[str, ...], shown: str, option: str) -> None:
    outcome = kldeval(*command, SAMPLE / "careful", SAMPLE / "gt", option, "1")
    message = f"kldeval: {option} 1 has no effect: none of the metrics {shown} is of fixations\n"
    assert (outcome.code, outcome.out, outcome.err) == (2, "", message)


def test_a_configuration_file_speaks_of_fixations_to_other_commands(tmp_path: Path) -> None:
    config = tmp_path / "kldeval.toml"
    config.write_text(f'fixations = "{SAMPLE}/fixations.csv"\n')
    outcome = kldeval("audit", SAMPLE / "careful", SAMPLE / "gt", "--convention", "mit", "--config", config)
    assert outcome.code == 0, outcome.err
