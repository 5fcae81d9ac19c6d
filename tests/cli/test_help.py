"""The help: short enough to read, and nothing missing from it."""

from __future__ import annotations

import importlib
import re

import click
import pytest
from command_line import kldeval
from looping import each_of
from report_files import FORMATS

from kldeval.cli.help import GROUPS, RARE, GroupedCommand
from kldeval.cli.main import COMMANDS

GROUPED = [
    name for name in COMMANDS if isinstance(importlib.import_module(f"kldeval.cli.{name}").command, GroupedCommand)
]


@each_of("name", COMMANDS)
def test_help_is_at_most_130_lines_of_a_terminal(name: str) -> None:
    outcome = kldeval(name, "--help")
    assert (outcome.code, outcome.err) == (0, "")
    assert len(outcome.out.splitlines()) <= 130


@pytest.mark.parametrize("name", GROUPED)
def test_every_option_is_named_by_help_and_explained_by_help_all(name: str) -> None:
    command = importlib.import_module(f"kldeval.cli.{name}").command
    short = kldeval(name, "--help").out
    is_long = "--help-all" in short
    full = kldeval(name, "--help-all").out if is_long else short
    for option in (one for one in command.params if isinstance(one, click.Option)):
        assert re.search(rf"(^|[ ]){re.escape(option.opts[-1])}\b", short, re.MULTILINE), option.name
        assert re.search(rf"^  (-\w, )?{re.escape(option.opts[-1])}\b.*", full, re.MULTILINE), option.name
    assert "More, which" not in full


def test_groups_name_an_option_once_and_rare_ones_have_a_group() -> None:
    names = [name for group in GROUPS.values() for name in group]
    assert len(names) == len(set(names))
    assert set(names) >= RARE


def test_examples_stand_on_top() -> None:
    text = kldeval("evaluate", "--help").out
    assert text.index("kldeval pred_dir gt_dir --norm flatten-softmax\n") < text.index("What is measured:")


def test_the_help_names_every_format() -> None:
    def named(command: str) -> set[str]:
        said = " ".join(kldeval(command, "--help").out.partition("--format NAME")[2].split())
        return set(re.findall(r"\w+", said.partition(" [default: table]")[0])) - {"or"}

    assert named("evaluate") == set(FORMATS)
    assert named("audit") == set(FORMATS) - {"jsonl", "scores"}
    assert named("fit") == named("identify") == {"table", "json", "html", "latex", "markdown"}
