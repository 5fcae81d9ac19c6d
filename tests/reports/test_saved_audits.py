"""Saved audits read back: the same document again, in every format, and refused where its parts do not agree."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from command_line import kldeval
from looping import each_of

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parent.parent.parent
BOLD, CAREFUL, GT = (ROOT / "sample_data" / name for name in ("bold", "careful", "gt"))
AUDITS = {
    "several": (BOLD, CAREFUL, GT, "--eps-curve"),
    "one": (BOLD, GT),
    "cc": (BOLD, CAREFUL, GT, "--metric", "cc"),
    "few": (BOLD, CAREFUL, GT, "--convention", "mit,exact,sam"),
}

FORMATS = {"markdown": ".md", "latex": ".tex", "csv": ".csv", "json": ".json", "html": ".html"}


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("audits")
    for name, line in AUDITS.items():
        files = [word for suffix in FORMATS.values() for word in ("-o", folder / f"{name}{suffix}")]
        outcome = kldeval("audit", *line, *files)
        assert outcome.code == 0, outcome.err
        (folder / f"{name}.table").write_text(outcome.out)
    return {name: folder / f"{name}.json" for name in AUDITS}


@each_of("name", AUDITS)
def test_a_saved_audit_is_shown_as_it_was(name: str, saved: dict[str, Path]) -> None:
    for format_, suffix in {"table": ".table", **FORMATS}.items():
        shown = kldeval("show", saved[name], "--format", format_)
        assert (shown.code, shown.out) == (0, saved[name].with_suffix(suffix).read_text()), format_


@each_of(
    ("change", "complaint"),
    [
        (lambda item: item["groups"].pop(), "groups do not hold every convention once"),
        (lambda item: item["maps"].pop("bold"), "maps does not have the models of the audit"),
        (lambda item: item["failures"].pop("bold"), "failures does not have the models of the audit"),
        (lambda item: item["conventions"]["mit"]["models"].pop("bold"), "conventions.mit.models are not the models of"),
        (lambda item: item["kendall_tau"].update(x={}), "kendall_tau is of other conventions"),
        (lambda item: item["causes"].update(x=[]), "causes is of other models"),
        (
            lambda item: item.update(bounds={"rounding": "round", "conventions": {}}),
            "bounds does not have the conventions and models of the audit",
        ),
        (lambda item: item.update(reference="none"), "reference is 'none', which is none of the conventions"),
        (lambda item: item["flips"][0].update(first="x"), "flips[0] is of other models or conventions"),
        (lambda item: item["eps_curve"]["eps"].pop(), "eps_curve does not have a number for each model and epsilon"),
        (lambda item: item.update(notes=3), "notes is 3, not a list"),
        (lambda item: item.update(schema="kldeval.audit/9"), "of another version of kldeval"),
    ],
)
def test_an_audit_that_was_changed_is_refused(
    change: Callable[[Any], Any], complaint: str, saved: dict[str, Path], tmp_path: Path
) -> None:
    document = json.loads(saved["several"].read_text())
    change(document)
    path = tmp_path / "changed.json"
    path.write_text(json.dumps(document))
    outcome = kldeval("show", path)
    assert outcome.code == 2
    assert complaint in outcome.err
    assert len(outcome.err.splitlines()) == 1


def test_what_an_audit_does_not_have_is_refused(saved: dict[str, Path]) -> None:
    for arguments, message in (
        (("--fail-if", "kld>1"), "--fail-if is of reports, and an audit has a row per convention: leave it out"),
        (("--format", "jsonl"), "unknown format 'jsonl'"),
    ):
        outcome = kldeval("show", saved["one"], *arguments)
        assert outcome.code == 2
        assert message in outcome.err
