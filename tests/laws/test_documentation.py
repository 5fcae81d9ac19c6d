"""The documentation does what it says: commands print what stands below them, Python examples give their results."""

from __future__ import annotations

import doctest
import importlib
import os
import re
import shlex
import subprocess
import tomllib
from pathlib import Path

import pytest
from command_line import kldeval as run_in_this_process
from every import all_metrics, steps
from last_digits import with_last_digits_of
from looping import each_of
from programs import make_kldeval

import kldeval
from kldeval.cli.main import COMMANDS

ROOT = Path(__file__).parent.parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
"""What users read; some examples take tensors of torch."""


def console_examples(page: Path) -> list[tuple[str, str]]:
    """Every command after a `$ ` in a console block, with the output below it."""
    examples = []
    for block in re.findall(r"^```console\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL):
        for example in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, output = example.partition("\n")
            examples.append((command, output))
    return examples


EXAMPLES = [
    pytest.param(*example, id=f"{page.name}: {example[0][:60]}") for page in PAGES for example in console_examples(page)
]


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A shell in which `kldeval` is the program under test."""
    folder = tmp_path_factory.mktemp("bin")
    make_kldeval(folder / "kldeval")
    return {**os.environ, "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}


@pytest.mark.parametrize(("command", "output"), EXAMPLES)
def test_commands_print_what_stands_below_them(
    command: str, output: str, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    if re.fullmatch(r"kldeval [^|&;<>$*?~`\n\\]*", command):  # no shell is needed, nor a process of its own
        monkeypatch.chdir(ROOT)
        outcome = run_in_this_process(*shlex.split(command)[1:])
        assert with_last_digits_of(output, outcome.out) == output, outcome.err
        return
    done = subprocess.run(
        ["/bin/bash", "-c", command], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert with_last_digits_of(output, done.stdout) == output, done.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_python_examples(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    results = doctest.testfile(str(page), module_relative=False)
    assert results.failed == 0


@each_of("name", vars(kldeval)["PUBLIC"])
def test_whatever_is_public_has_an_example(name: str) -> None:
    """The examples themselves run with the tests of their modules."""
    assert ">>> " in (getattr(kldeval, name).__doc__ or "")


def quoted() -> set[str]:
    """Every name between backquotes in the documentation, also within `metric(option=value)` and `step+step`."""
    spans = (span for page in PAGES for span in re.findall(r"`([^`\n]+)`", page.read_text()))
    return {name for span in spans for name in re.findall(r"[\w-]+", span)}


def test_every_metric_and_step_is_somewhere_in_the_documentation() -> None:
    assert {*all_metrics(), *steps()} - quoted() == set()


def test_the_readme_lists_every_extra() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"].keys() - {"dev"}
    listed = (ROOT / "README.md").read_text().partition("What few need is installed on demand")[2].partition("\n\n")[0]
    assert extras - set(re.findall(r"`(\w+)`", listed)) == set()


def test_ci_runs_the_test_command_of_the_readme() -> None:
    commands = re.findall(r"^```sh\n(python3 -m venv .*)\n```", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert len(commands) == 2
    assert commands[1] in (ROOT / ".ci" / "run").read_text().splitlines()


OPTIONS = {
    name: {
        flag
        for option in importlib.import_module(f"kldeval.cli.{name}").command.params
        for flag in (*option.opts, *option.secondary_opts)
    }
    | {"--help", "--help-all", "--version", "--debug", "--config"}
    for name in COMMANDS
}
"""The options of each command."""

OF_OTHERS = {"--quick", "--cases", "--minutes", "--nthreads"}
"""Options of other programs that pages name alone."""


def wrong_options(text: str) -> list[str]:
    """What the commands of a page ask for that they do not have, whether or not they are run."""
    blocks = "".join(re.findall(r"^```(?:sh|console|yaml|make)\n(.*?)^```", text, re.MULTILINE | re.DOTALL))
    lines = re.findall(r"(?:^|[$&|;(] |\s)(kldeval [^\n|&;>)#]*)", blocks.replace("\\\n", " "))
    lines += re.findall(r"`(kldeval [^`|&;>#]*)", text)
    found = []
    for line in lines:
        words = line.split()
        name = words[1] if words[1:] and words[1] in COMMANDS else "evaluate"
        asked = (word.partition("=")[0].strip("'\"[],.") for word in words if re.match(r"\[?--[a-z]", word))
        found += [f"{name} {option}" for option in asked if option not in OPTIONS[name]]
    every = set.union(*OPTIONS.values()) | OF_OTHERS
    return found + [option for option in re.findall(r"`(--[a-z-]+)[ `=]", text) if option not in every]


@each_of("page", PAGES)
def test_every_option_that_a_page_names_exists(page: Path) -> None:
    assert wrong_options(page.read_text(encoding="utf-8")) == []


def anchors(page: Path) -> set[str]:
    """What the headings of a page are called in addresses, as GitHub makes them."""
    headings = re.findall(
        r"^#+ (.+)$", re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL), re.MULTILINE
    )
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@each_of("page", PAGES)
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]*))?\)", page.read_text(encoding="utf-8"))
    targets = [(page if not name else (page.parent / name), anchor) for name, anchor in links]
    assert [str(target) for target, _ in targets if not target.exists()] == []
    assert [anchor for target, anchor in targets if anchor and anchor not in anchors(target)] == []
