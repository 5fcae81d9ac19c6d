"""The command line is typed: a command takes an object whose class declares every option."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from command_line import kldeval as run
from trees import statements, tree

import kldeval

if TYPE_CHECKING:
    import pytest

FILES = sorted((Path(kldeval.__file__).parent / "cli").glob("*.py"))


def functions(path: Path) -> list[ast.FunctionDef]:
    return [node for node in statements(tree(path)) if isinstance(node, ast.FunctionDef)]


def test_no_function_takes_options_of_any_kind() -> None:
    offenders = [
        f"{path.name}: {function.name}({argument.arg}: {ast.unparse(argument.annotation)})"
        for path in FILES
        for function in functions(path)
        for argument in (*function.args.args, *function.args.kwonlyargs, function.args.kwarg)
        if argument is not None and argument.annotation is not None
        if ast.unparse(argument.annotation) in ("dict[str, Any]", "Mapping[str, Any]", "Any")
        and (path.name, function.name) not in EDGES
    ]
    assert not offenders


EDGES = {
    ("groups.py", "option"),
    ("groups.py", "text_option"),
    ("groups.py", "__init__"),
    ("groups.py", "convert"),
    ("groups.py", "handle_parse_result"),
    ("groups.py", "_refuse_empty_path"),
    ("config.py", "_problem"),
    ("config.py", "_value"),
    ("config.py", "_with"),
    ("terminal.py", "write"),
}
"""Where click, TOML and standard streams hand over values of any kind."""


def test_a_command_says_the_type_of_the_options_that_it_is_given() -> None:
    """The type checker cannot see that the class of the decorator is that of the parameter."""
    n_commands = 0
    for path in FILES:
        for function in functions(path):
            given = [
                ast.unparse(call.args[0])
                for call in function.decorator_list
                if isinstance(call, ast.Call) and ast.unparse(call.func) == "takes"
            ]
            taken = [
                ast.unparse(one.annotation) for one in function.args.args if one.arg == "options" if one.annotation
            ]
            if given:
                n_commands += 1
                assert given == taken, path.name
    assert n_commands >= 9


COMMANDS = re.findall(r"^  (\w+) ", run("--help").out.partition("Commands:")[2].partition("\n\n")[0], re.MULTILINE)


def test_a_command_that_names_files_takes_these_files() -> None:
    """`--mask-name` of a command without `--mask` would be taken and have no effect."""
    of_maps = {"pred", "gt"}
    orphans = {}
    for command in COMMANDS:
        text = run(command, "--help-all").out
        taken = set(re.findall(r"^  (?:-\w, )?--([\w-]+)", text, re.MULTILINE))
        usage = {word.lower() for word in re.findall(r"[A-Z]+", text.partition("\n\n")[0])}
        templates = set(re.findall(r"--([\w-]+)-name TEMPLATE", text))
        orphans[command] = sorted(templates - taken - usage - of_maps)
    assert len(orphans) > 12
    assert {command: names for command, names in orphans.items() if names} == {}


def test_options_that_nobody_gives_are_what_click_makes_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first time click is asked, and again it is not: the values and where they come from are the same."""
    needed = [["--value", "1"], ["--sigma", "3"], ["--for", "sim"], ["--seed", "3", "-m", "kld", "--quiet"]]
    given = [["a"], ["a", "b"], *(["a", "b", *words] for words in needed)]
    runs = [[command, *words] for command in COMMANDS for words in given]
    taken: list[tuple[str, dict[str, Any]]] = []

    def take(command: click.Command, context: click.Context) -> None:
        found = {name: (value, context.get_parameter_source(name)) for name, value in context.params.items()}
        taken.append((str(command.name), found))

    def all_taken() -> list[tuple[str, dict[str, Any]]]:
        taken.clear()
        for words in runs:
            run(*words)
        return [*taken]

    monkeypatch.setattr(click.Command, "invoke", take)
    ours = all_taken(), all_taken()
    monkeypatch.setattr("kldeval.cli.groups.Option.handle_parse_result", click.Option.handle_parse_result)
    clicks = all_taken()
    assert ours == (clicks, clicks)
    assert {command for command, _ in clicks} == {"cli", *COMMANDS}
