"""The program among other programs: completion, terminals, pipes, signals, exit codes, Codabench."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import shlex
import shutil
import signal
import subprocess
import sys
import termios
from pathlib import Path

import pytest
from command_line import kldeval
from model_files import NAMES, make_models, save
from programs import make_kldeval, python
from schemas import validate
from watching import happens, running

BASH = shutil.which("bash")


def program() -> list[str]:
    return [*python(), "-m", "kldeval"]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    make_models(tmp_path)
    return tmp_path


def environment(**variables: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR", "COLUMNS")}
    return {**kept, "TERM": "xterm", "PYTHONPATH": str(Path(__file__).parent.parent.parent), **variables}


def on_a_terminal(*arguments: str, **variables: str) -> str:
    """What the program prints on a terminal of 80 columns."""
    leader, follower = pty.openpty()
    variables = {"COLUMNS": "80", **variables}
    with subprocess.Popen([*program(), *arguments], stdout=follower, stderr=follower, env=environment(**variables)):
        os.close(follower)
        pieces = []
        while True:
            try:
                piece = os.read(leader, 65536)
            except OSError:  # the other end is closed
                break
            if not piece:
                break
            pieces.append(piece)
    os.close(leader)
    return b"".join(pieces).decode().replace("\r\n", "\n")


def without_styles(text: str) -> str:
    return re.sub(r"\x1b\[[\d;]*m", "", text)


# completion


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("com",), ["compare"]),
        (("compare", "--fail"), ["--fail-if-worse"]),
        (("a", "gt", "--pred-n"), ["--pred-norm", "--pred-name"]),
        (("a", "gt", "--maps", ""), ["mean", "fixations", "groups", "pixels", "rows"]),
        (("a", "gt", "-m", "kl"), ["kld", "kld-reverse"]),
        (("a", "gt", "--convention", "pysal"), ["pysaliency"]),
        (("a", "gt", "--format", "json"), ["json", "jsonl"]),
        (("show", "x.json", "--format", "la"), ["latex"]),
    ],
)
def test_bash_completes(words: tuple[str, ...], expected: list[str], tmp_path: Path) -> None:
    make_kldeval(tmp_path / "kldeval")
    script = (
        'eval "$(_KLDEVAL_COMPLETE=bash_source kldeval)"\n'
        "compopt() { :; }\n"  # bash has it only while it completes
        'COMP_WORDS=(kldeval "$@"); COMP_CWORD=$#; _kldeval_completion kldeval; printf "%s\\n" "${COMPREPLY[@]}"\n'
    )
    search = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    command = [str(BASH), "-c", script, "bash", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment(PATH=search))
    assert done.stdout.split() == expected


def test_a_path_may_come_first() -> None:
    words = {"COMP_WORDS": "kldeval ", "COMP_CWORD": "1", "_KLDEVAL_COMPLETE": "bash_complete"}
    done = subprocess.run(program(), capture_output=True, text=True, check=True, env=environment(**words))
    assert done.stdout.splitlines()[:2] == ["file,", "plain,evaluate"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_shell_has_its_script(shell: str) -> None:
    variables = {"_KLDEVAL_COMPLETE": f"{shell}_source"}
    done = subprocess.run(program(), capture_output=True, text=True, check=False, env=environment(**variables))
    assert "_kldeval_completion" in done.stdout


# terminals and pipes


def test_a_terminal_has_colours_and_a_width(root: Path) -> None:
    text = on_a_terminal(
        *(str(root / side) for side in ("good", "bad", "gt")), "-m", "kld,ce,jsd", "--intervals", "--no-progress"
    )
    assert "\x1b[1m" in text
    lines = without_styles(text).splitlines()
    table = lines[: lines.index("")]
    assert max(map(len, table)) <= 80
    assert table[0].split() == ["a", "good", "b", "bad"]
    assert table[1].startswith("kld ↓ nats")


@pytest.mark.parametrize(
    ("variables", "coloured"), [({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False), ({"NO_COLOR": ""}, True)]
)
def test_colour_is_a_choice_of_the_environment(root: Path, variables: dict[str, str], coloured: bool) -> None:  # noqa: FBT001
    text = on_a_terminal(str(root / "good"), str(root / "gt"), "--no-progress", **variables)
    assert ("\x1b[" in text) is coloured


def test_a_piped_table_has_no_colour_and_is_never_cut(root: Path) -> None:
    for side in ("good", "gt"):
        save(root / side, "a-very-long-name/" * 9 + "end", [[1, 2]])
    command = [*program(), str(root / "good"), str(root / "gt"), "--per-map"]
    texts = [
        subprocess.run(command, capture_output=True, text=True, check=True, env=environment(**variables)).stdout
        for variables in ({}, {"COLUMNS": "20"}, {"FORCE_COLOR": "1"})
    ]
    assert "a-very-long-name/" * 9 + "end" in texts[0]
    assert texts[0] == texts[1]
    assert texts[2] != texts[0] == "".join(line.rstrip() + "\n" for line in without_styles(texts[2]).splitlines())


def test_head_is_quiet(root: Path) -> None:
    scored = f"{shlex.join(program())} {root}/good {root}/gt --per-map --quiet"
    command = f"{scored} --format jsonl | head -n 1; {scored} | head -n 1"
    done = subprocess.run([str(BASH), "-c", command], capture_output=True, text=True, check=True, env=environment())
    assert done.stderr == ""
    assert len(done.stdout.splitlines()) == 2


# signals


def test_a_run_that_is_interrupted_before_it_scores_ends_with_130_and_leaves_no_file(root: Path) -> None:
    """Standard input that does not end holds the program up while it reads the manifest."""
    command = [sys.executable, "-m", "kldeval", "--manifest", "-", "-o", str(root / "report.json")]
    streams = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with running(command, env=environment(), **streams) as program:
        assert program.stdin is not None
        program.stdin.write("pred,gt\n")
        program.stdin.flush()
        pipe = program.stdin.fileno()
        assert happens(lambda: not int.from_bytes(fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)), sys.byteorder))
        program.send_signal(signal.SIGINT)
        out, err = program.communicate(timeout=60)
    assert (program.returncode, out, err) == (130, "", "\nkldeval: interrupted\n")
    assert not [path for path in root.iterdir() if "report" in path.name or path.name.startswith(".")]


# Codabench


def test_codabench_scores(root: Path) -> None:
    """The one line of a scoring program: from input/res and input/ref to output/scores.json."""
    (root / "input").mkdir()
    (root / "output").mkdir()
    (root / "good").rename(root / "input" / "res")
    (root / "gt").rename(root / "input" / "ref")
    arguments = (root / "input" / "res", root / "input" / "ref", "-o", f"scores:{root}/output/scores.json", "-q")
    outcome = kldeval(*arguments)
    scores = json.loads((root / "output" / "scores.json").read_text())
    assert outcome.code == 0
    assert (list(scores), scores["maps"]) == (["kld", "ce", "maps", "failures"], 8)
    (root / "input" / "res" / f"{NAMES[0]}.npy").unlink()
    assert kldeval(*arguments).code == 1
    assert json.loads((root / "output" / "scores.json").read_text()) == {"maps": 7, "failures": 1}


def test_a_format_before_the_file_comes_before_its_suffix(root: Path) -> None:
    files = (f"table:{root}/a.json", f"json:{root}/b.txt", f"{root}/c:d.csv", f"markdown:{root}/e")
    outputs = [argument for file in files for argument in ("-o", file)]
    assert kldeval(root / "good", root / "gt", *outputs, "--score-only").code == 0
    assert (root / "a.json").read_text().startswith("metric")
    assert (root / "b.txt").read_text().startswith("{")
    assert (root / "c:d.csv").read_text().startswith("name,")
    assert (root / "e").read_text().startswith("| metric")


# exit codes and gates of one report


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ((), 0),
        (("--fail-if", "kld>9"), 0),
        (("--fail-if", "kld>0"), 3),
        (("--fail-if", "kld>9", "--fail-if", "ce.max>=0"), 3),
        (("--fail-if", "kld"), 2),
        (("--fail-if", "kld>0", "--norm", "nonsense"), 2),
    ],
)
def test_exit_codes(root: Path, arguments: tuple[str, ...], code: int) -> None:
    assert kldeval(root / "good", root / "gt", *arguments).code == code


def test_a_gate_comes_before_a_failure(root: Path) -> None:
    (root / "good" / f"{NAMES[0]}.npy").unlink()
    assert kldeval(root / "good", root / "gt").code == 1
    outcome = kldeval(
        root / "good", root / "gt", "--fail-if", "failures>0", "--fail-if", "kld>9", "--format", "json", "-q"
    )
    document = json.loads(outcome.out)
    validate(document, "report")
    assert outcome.code == 3
    assert document["gates"][0] == {"text": "failures>0", "value": 1, "fired": True}
    assert document["gates"][1]["fired"] is False
    assert outcome.err.splitlines()[-1] == "kldeval: gate failures>0 fired: 1"


def test_all_malformed_gates_are_named_at_once(root: Path) -> None:
    outcome = kldeval(root / "good", root / "gt", "--fail-if", "kld", "--fail-if", "kld>x", "-o", root / "r.json")
    assert outcome.err.splitlines() == [
        "kldeval: gate 'kld' is not of the form METRIC>NUMBER, such as kld>1.2, cc.mean<0.5 or failures>0",
        "kldeval:   gate 'kld>x': 'x' is not a number to compare with, such as 1.2",
    ]
    assert not (root / "r.json").exists()


def test_nan_fires(root: Path) -> None:
    save(root / "gt", NAMES[0], [[0.0] * 5] * 4)
    outcome = kldeval(root / "good", root / "gt", "--empty-gt", "nan", "--fail-if", "kld<0", "-q", "--score-only")
    assert (outcome.code, outcome.out.split()[0]) == (3, "nan")
    assert outcome.err == "kldeval: gate kld<0 fired: nan\n"


def test_gates_are_shown_in_every_format_for_people(root: Path) -> None:
    for name in ("table", "markdown", "latex"):
        text = kldeval(root / "good", root / "gt", "--fail-if", "kld>9", "--format", name).out
        assert re.search(r"gate kld\\?>9 passed: 0\.0", text), name


def test_a_python_that_calls_its_last_steps_otherwise_ends_by_itself() -> None:
    code = (
        "import atexit, sys; atexit.register(print, 'ended in order'); del atexit._run_exitfuncs; "
        "sys.argv = ['kldeval', '--version']; from kldeval.__main__ import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "ended in order"
