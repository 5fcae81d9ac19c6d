"""Options from files and variables: what comes before what, what is an error, what the report says of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from command_line import kldeval
from model_files import make_models

KLD = "kld(log_eps=2.2204e-16,ratio_eps=2.2204e-16)"


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_models(tmp_path)
    monkeypatch.chdir(tmp_path)


def config(text: str, name: str = "kldeval.toml") -> None:
    Path(name).write_text(text, encoding="utf-8")


def scored(*arguments: str) -> Any:
    outcome = kldeval("good", "gt", "--format", "json", *arguments)
    assert outcome.code == 0, outcome.err
    return json.loads(outcome.out)


def signature(*arguments: str) -> dict[str, str]:
    texts = scored(*arguments)["signature"].values()
    parts = next(iter(texts)).split("|")
    return {"metric": parts[0], **dict(part.split(":", 1) for part in parts[1:])}


# precedence


def test_a_flag_before_a_variable_before_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    config('base = "2"\nscale = "raw"\nreduction = "mean"\n')
    monkeypatch.setenv("KLDEVAL_SCALE", "unit")
    monkeypatch.setenv("KLDEVAL_REDUCTION", "sum")
    found = signature("--reduction", "batchmean")
    assert (found["base"], found["scale"], found["reduce"]) == ("2", "unit", "batchmean")


@pytest.mark.parametrize(
    ("file", "arguments", "expected"),
    [
        ('pred-norm = "softmax"', ("--norm", "flatten-softmax"), {"pred": "flatten-softmax", "gt": "flatten-softmax"}),
        ('norm = "softmax"\naxis = 0', ("--norm", "flatten-softmax"), {"pred": "flatten-softmax"}),
        ('norm = "softmax"', ("--axis", "0"), {"pred": "softmax(axis=0)", "gt": "softmax(axis=0)"}),
        ('norm = "softmax"', ("--convention", "pysaliency"), {"pred": "shift+add(value=1e-20)+sum-to-one"}),
        ('resize = "pred-to-gt"', ("--convention", "exact"), {"resize": "none"}),
        ("eps = 1e-5", ("--convention", "exact"), {"metric": "kld"}),
        ('convention = "exact"', ("--eps", "1e-5"), {"metric": "kld(log_eps=1e-05,ratio_eps=1e-05)"}),
        ('convention = "exact"', ("--norm", "flatten-softmax"), {"metric": "kld", "pred": "flatten-softmax"}),
        (
            'base = "2"',
            (
                "--signature",
                (
                    f"{KLD}|pred:sum-to-one|gt:sum-to-one|scale:raw|resize:none|color:error|"
                    "empty:error|base:10|reduce:slices|maps:mean|dtype:float64|v:1"
                ),
            ),
            {"base": "10", "scale": "raw"},
        ),
    ],
)
def test_what_is_named_nearer_by_replaces_what_it_says_itself(
    file: str, arguments: tuple[str, ...], expected: dict[str, str]
) -> None:
    config(file)
    found = signature(*arguments)
    assert {part: found[part] for part in expected} == expected


def test_a_flag_beside_a_signature_in_the_file_is_refused() -> None:
    config(f'signature = "{scored()["signature"]["kld"]}"')
    assert signature()["metric"] == KLD
    outcome = kldeval("good", "gt", "--eps", "1")
    assert outcome.err == "kldeval: --signature says every number's setting already; leave out --eps\n"


# forms


def test_every_kind_of_value() -> None:
    config('metric = ["kld", "ce"]\nlimit = 3\nquiet = true\nprogress = false\nfail_if = "kld>9"\nconfidence = 0.9\n')
    document = scored()
    assert list(document["summary"]) == ["kld", "ce"]
    assert document["summary"]["kld"]["n"] == 3
    assert document["gates"][0]["text"] == "kld>9"
    assert document["provenance"]["config"] == {
        "file": "kldeval.toml",
        "keys": ["confidence", "fail-if", "limit", "metric", "progress", "quiet"],
    }


def test_pyproject_is_read_unless_there_is_a_file_of_its_own() -> None:
    config('[project]\nname = "x"\n[tool.kldeval]\nbase = "2"\n', "pyproject.toml")
    document = scored()
    assert "|base:2|" in document["signature"]["kld"]
    assert document["notes"][-1] == "pyproject.toml [tool.kldeval] sets base"
    config("")
    assert "|base:e|" in scored()["signature"]["kld"]


@pytest.mark.parametrize(
    "text",
    [
        '[ "tool" . kldeval ]\nbase = "2"',
        '[tool]\nkldeval.base = "2"',
        '[tool]\n[tool.kldeval]\nbase = "2"',
        'tool.kldeval.base = "2"',
        'tool = { kldeval = { base = "2" } }',
        '"tool"."kldeval"."base" = "2"',
        "  'tool' . 'kldeval' = { base = '2' }",
    ],
)
def test_the_table_of_pyproject_is_found_however_toml_spells_it(text: str) -> None:
    config(f"{text}\n", "pyproject.toml")
    assert "|base:2|" in scored()["signature"]["kld"]


def test_a_pyproject_without_the_table_says_nothing() -> None:
    config('[project]\nname = "kldeval-user"\n', "pyproject.toml")
    assert "config" not in scored()["provenance"]


def test_a_key_of_another_command_is_no_error() -> None:
    config("fail-if-worse = true\nlimit = 3\n")
    assert scored()["provenance"]["config"]["keys"] == ["limit"]
    assert kldeval("check", "good", "gt").code == 0


def test_variables_of_every_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KLDEVAL_METRIC", "kld ce")
    monkeypatch.setenv("KLDEVAL_FAIL_IF", "kld>9 failures>0")
    monkeypatch.setenv("KLDEVAL_QUIET", "1")
    document = scored()
    assert list(document["summary"]) == ["kld", "ce"]
    assert [gate["text"] for gate in document["gates"]] == ["kld>9", "failures>0"]
    assert document["provenance"]["environment"] == ["KLDEVAL_FAIL_IF", "KLDEVAL_METRIC", "KLDEVAL_QUIET"]
    assert document["notes"][-1] == "the environment sets KLDEVAL_FAIL_IF, KLDEVAL_METRIC, KLDEVAL_QUIET"


def test_what_was_replaced_is_not_said_to_count() -> None:
    config('norm = "flatten-softmax"\nlimit = 2\n')
    assert scored("--convention", "pysaliency")["provenance"]["config"]["keys"] == ["limit"]


def test_leaderboards_and_comparisons_say_so_too() -> None:
    config("resamples = 200\nmetric = 'kld'\n")
    board = json.loads(kldeval("good", "bad", "gt", "--format", "json").out)
    assert board["notes"][-1] == "kldeval.toml sets metric, resamples"
    assert board["reports"]["good"]["provenance"]["config"]["keys"] == ["metric", "resamples"]
    compared = json.loads(kldeval("compare", "good", "bad", "gt", "--format", "json").out)
    assert compared["provenance"]["config"]["keys"] == ["metric", "resamples"]
    assert "resamples=200" in compared["statistics"]


# files that came with the data


@pytest.mark.parametrize("name", ["kldeval.toml", "pyproject.toml"])
@pytest.mark.parametrize("key", ["output", "save-maps", "save_maps"])
def test_a_file_found_by_looking_around_names_nothing_to_write(name: str, key: str) -> None:
    head = "[tool.kldeval]\n" if name == "pyproject.toml" else ""
    config(f"{head}{key} = 'victim.csv'\nquiet = true\n", name)
    flag = key.replace("_", "-")
    where = f"{name} [tool.kldeval]" if head else name
    for command in (("good", "gt"), ("check", "good", "gt"), ("audit", "good", "gt")):
        outcome = kldeval(*command)
        assert (outcome.code, outcome.out) == (2, "")
        assert outcome.err == (
            f"kldeval: {where}: {flag} names files to write, which a file that was found by looking around may not do; "
            f"give --{flag} on the command line, or name the file with --config\n"
        )
    assert not Path("victim.csv").exists()
    assert kldeval("good", "gt", "--config", name).code == 0
    assert Path("victim.csv").exists()


def test_every_option_that_names_something_to_write_is_known_as_one() -> None:
    import importlib

    from kldeval.cli.config import WRITING
    from kldeval.cli.main import COMMANDS

    for name in COMMANDS:
        for option in importlib.import_module(f"kldeval.cli.{name}").command.params:
            if "writ" in (getattr(option, "help", "") or "").lower().replace("overwrit", ""):
                # annotations of a workflow are printed
                assert {flag.lstrip("-") for flag in option.opts} & (WRITING | {"annotate"}), (name, option.opts)


@pytest.mark.parametrize("form", ["csv", "json", "scores"])
def test_a_found_file_does_not_silence_what_it_sets(form: str) -> None:
    config("quiet = true\nbase = '2'\n")
    said = "kldeval: note: kldeval.toml sets base, quiet\n"
    assert kldeval("good", "gt", "--format", form).err == said
    assert kldeval("good", "gt", "--format", form, "-q").err == ""
    assert kldeval("good", "gt", "--format", form, "--config", "kldeval.toml").err == ""
    assert kldeval("audit", "good", "gt", "--format", "json").err == "kldeval: note: kldeval.toml sets quiet\n"


def test_a_named_file_stands_for_those_of_the_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    config("base = '2'\n")
    config("[tool.kldeval]\nscale = 'raw'\n", "pyproject.toml")
    config("reduction = 'mean'\n", "mine.toml")
    found = signature("--config", "mine.toml")
    assert (found["base"], found["scale"], found["reduce"]) == ("e", "unit", "mean")
    assert scored("--config", "mine.toml")["notes"][-1] == "mine.toml sets reduction"
    assert signature("--config", "pyproject.toml")["scale"] == "raw"
    monkeypatch.setenv("KLDEVAL_CONFIG", "mine.toml")
    assert signature()["reduce"] == "mean"
    assert signature("--config", "kldeval.toml")["base"] == "2"


# errors


@pytest.mark.parametrize(
    ("text", "messages"),
    [
        (
            "nrom = 'softmax'",
            ["kldeval.toml: unknown key 'nrom'; did you mean 'norm'? Known: allow-different,"],
        ),
        (
            "help = true\nversion = 1",
            ["kldeval.toml: unknown key 'help'; ", "kldeval.toml: unknown key 'version'; "],
        ),
        (
            "quiet = 1\nlimit = true\nmetric = {a = 1}\nnorm = ['softmax']\nexclude = [['x']]",
            [
                "kldeval.toml: quiet = 1: true or false is needed",
                "kldeval.toml: limit = True: a text or a number is needed",
                "kldeval.toml: metric = {'a': 1}: a text, a number or a list of these is needed",
                "kldeval.toml: norm = ['softmax']: a text or a number is needed",
                "kldeval.toml: exclude = [['x']]: a text, a number or a list of these is needed",
            ],
        ),
        ("norm = ", ["kldeval.toml is not TOML: Invalid value (at end of document)"]),
        ("config = 'other.toml'", ["kldeval.toml: unknown key 'config'; "]),
        ("x = " + "[" * 9000, ["kldeval.toml is not TOML that can be read: its lists or tables are nested too deeply"]),
        ("x = " + "9" * 9000, ["kldeval.toml is not TOML: Exceeds the limit"]),
        ("'a\\u001b[2Jb' = 1", ["kldeval.toml: unknown key "]),
    ],
)
def test_files_that_say_nothing_sensible(text: str, messages: list[str]) -> None:
    config(text)
    outcome = kldeval("good", "gt")
    assert (outcome.code, outcome.out) == (2, "")
    lines = outcome.err.splitlines()
    assert len(lines) == len(messages)
    for line, message in zip(lines, messages, strict=True):
        assert line.removeprefix("kldeval:").strip().startswith(message)


def test_a_value_that_the_option_refuses_is_refused() -> None:
    config("limit = 0")
    outcome = kldeval("good", "gt")
    assert outcome.code == 2
    assert "invalid value for '--limit': 0 is not in the range x>=1" in outcome.err


def test_an_unknown_variable_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KLDEVAL_NROM", "softmax")
    outcome = kldeval("good", "gt")
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.startswith(
        "kldeval: unknown environment variable 'KLDEVAL_NROM'; did you mean 'KLDEVAL_NORM'? Known: KLDEVAL_ALLOW"
    )
    assert kldeval("--version").code == 0


def test_without_file_and_variables_nothing_is_said() -> None:
    document = scored()
    assert "config" not in document["provenance"]
    assert "environment" not in document["provenance"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tool = 1\n[tools.kldeval]", ""),
        ("[tool]\nkldeval = 1", "pyproject.toml: tool.kldeval is no table of options, as in [tool.kldeval]"),
        ("[tool.kldeval]\nx = " + "[" * 9000, "pyproject.toml is not TOML that can be read: its lists or tables"),
        ("[tool.kldeval]\nx = '\udcff'", "pyproject.toml is not TOML: 'utf-8' codec can't decode byte 0xff"),
    ],
)
def test_a_pyproject_of_another_shape(text: str, message: str) -> None:
    Path("pyproject.toml").write_bytes(text.encode("utf-8", "surrogateescape"))
    outcome = kldeval("good", "gt", "--format", "csv")
    assert outcome.code == (2 if message else 0)
    assert outcome.err.startswith(f"kldeval: {message}" if message else "")
    assert len(outcome.err.splitlines()) == bool(message)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("no.toml", "cannot read no.toml: no such file or directory"),
        ("gt", "cannot read gt: is a directory"),
        ("pyproject.toml", "--config pyproject.toml: it has no table [tool.kldeval]"),
    ],
)
def test_a_named_file_that_holds_nothing(name: str, message: str) -> None:
    config("[project]\n", "pyproject.toml")
    outcome = kldeval("good", "gt", "--config", name)
    assert (outcome.code, outcome.out, outcome.err) == (2, "", f"kldeval: {message}\n")


WRONG = {
    "norm": "rubbish",
    "jobs": "zero",
    "limit": "0",
    "metric": "kld,nope",
    "eps": "x",
    "shard": "9/2",
    "fail-if": "kld>>",
    "format": "xx",
    "convention": "zz",
    "mask": "nothere",
    "precision": "99",
    "device": "abc",
    "annotate": "gitlab",
    "key": "x",
}


@pytest.mark.parametrize("flag", WRONG)
def test_a_wrong_value_is_told_with_where_it_stands(flag: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is none of the command line that somebody looks at; there the message is as it was."""
    maps, value = ("good", "gt"), WRONG[flag]
    typed = kldeval(*maps, f"--{flag}", value)
    message = typed.err.removeprefix("kldeval: ")
    assert (typed.code, typed.err.count("\n")) == (2, 1)
    (tmp_path / "own.toml").write_text(f"{flag} = '{value}'\n")
    assert kldeval(*maps, "--config", "own.toml").err == f"kldeval: own.toml: {flag}: {message}"
    (tmp_path / "kldeval.toml").write_text(f"{flag} = '{value}'\n")
    assert kldeval(*maps).err == f"kldeval: kldeval.toml: {flag}: {message}"
    assert kldeval(*maps, f"--{flag}", value).err == typed.err
    (tmp_path / "kldeval.toml").unlink()
    variable = f"KLDEVAL_{flag.upper().replace('-', '_')}"
    monkeypatch.setenv(variable, value)
    assert kldeval(*maps) == typed.__class__(2, "", f"kldeval: {variable}: {message}")


def test_what_is_wrong_elsewhere_is_not_said_of_a_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KLDEVAL_NORM", "sum-to-one")
    monkeypatch.setenv("KLDEVAL_LIMIT", "2")
    assert kldeval("nowhere", "gt").err.startswith("kldeval: nowhere does not exist")
    assert kldeval("nowhere", "gt", "-m", "nope").err.startswith("kldeval: unknown metric 'nope'")
