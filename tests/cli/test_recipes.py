"""The recipes of docs/pipelines.md run as they stand, in a folder with a copy of sample_data."""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from programs import make_kldeval
from schemas import validate
from slurm import find, slurm, wait_for_node, why_not

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs" / "pipelines.md").read_text(encoding="utf-8")
RECIPES = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL))

SBATCH = """#!/bin/sh
# what Slurm does: the script once for each task
for script; do :; done
for task in 1 2 3 4; do SLURM_ARRAY_TASK_COUNT=4 SLURM_ARRAY_TASK_ID=$task bash "$script" || exit 1; done
"""

SBATCH_AND_LOOK = """#!/bin/sh
# `sbatch --wait` looks for the end of a job after 2 s, and then after 8 s more
for script; do :; done
job=$({sbatch} --parsable "$script") || exit 1
while [ -n "$(squeue --noheader --jobs "$job")" ]; do sleep 0.1; done
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with the data, in which the program under test is `kldeval` and `sbatch` runs at once."""
    shutil.copytree(ROOT / "sample_data", tmp_path / "sample_data")
    (tmp_path / "bin").mkdir()
    make_kldeval(tmp_path / "bin" / "kldeval")
    make_program(tmp_path / "bin" / "sbatch", SBATCH)
    return tmp_path


@pytest.fixture(scope="module", autouse=True)
def real_slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, dict[str, str]]]:
    """The folder of a Slurm that starts, and its variables; none where it cannot be had."""
    root = tmp_path_factory.mktemp("slurm") / "root"
    if why_not() and "REQUIRE_SLURM" not in os.environ:
        yield root, {}
        return
    with slurm(root) as variables:
        yield root, variables


def make_program(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def run(text: str, place: Path, **variables: str) -> str:
    """What bash prints for a block; the block must succeed."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("KLDEVAL_", "SLURM_"))}
    search = f"{place / 'bin'}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["/bin/bash", "-euo", "pipefail", "-c", text],
        cwd=place,
        env={**kept, "PATH": search, "PYTHONPATH": str(ROOT), **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def prepare(title: str, place: Path) -> list[str]:
    """The blocks of a recipe that are run, after its files were saved."""
    recipe = RECIPES[title]
    blocks = []
    for words, block in re.findall(r"([^`]*(?:`[^`]+`[^`]*)*)\n```\w+\n(.*?)^```$", recipe, re.MULTILINE | re.DOTALL):
        saved = re.search(r"Save\s+as\s+`([^`]+)`[^`]*:\s*$", words)
        if saved:
            (place / saved[1]).write_text(block)
        else:
            assert re.search(r"Run:\s*$", words), words
            blocks.append(block)
    return blocks


def load(path: Path, schema: str = "report") -> dict[str, object]:
    document: dict[str, object] = json.loads(path.read_text())
    validate(document, schema)
    return document


def test_every_recipe_of_the_page_is_run_here() -> None:
    tested = set(re.findall(r"prepare\(\"(.+?)\"", Path(__file__).read_text(encoding="utf-8")))
    assert {title for title, text in RECIPES.items() if "```" in text} == {*tested, "Shell completion"}


def test_a_nightly_gate(place: Path) -> None:
    (block,) = prepare("A nightly gate", place)
    run(block, place)
    assert load(place / "reports" / "last.json") == load(place / "reports" / "tonight.json")
    script = (place / "nightly.sh").read_text()
    with pytest.raises(AssertionError, match=r"gate kld>0\.2 fired"):
        run(script.replace("kld>1.2", "kld>0.2"), place)


def test_a_github_action(place: Path) -> None:
    assert prepare("A GitHub Action", place) == []
    step = (place / "step.yml").read_text()
    script = re.search(r"^  run: \|\n((?:    .*\n)+)", step, re.MULTILINE)
    assert script is not None
    run(re.sub("^    ", "", script[1], flags=re.MULTILINE), place, GITHUB_STEP_SUMMARY=str(place / "summary.md"))
    assert (place / "summary.md").read_text().splitlines()[2].startswith("| careful |   **0.5266** ")
    assert list(load(place / "leaderboard.json", "leaderboard")["reports"]) == ["careful", "bold"]  # type: ignore[call-overload]


@pytest.mark.skipif(shutil.which("make") is None, reason="no make here")
def test_a_leaderboard_by_make(place: Path) -> None:
    (block,) = prepare("A leaderboard by make", place)
    run(block, place)
    rows = (place / "leaderboard.md").read_text().splitlines()[2:4]
    assert [row.split("|")[1].strip() for row in rows] == ["careful", "bold"]
    assert "up to date" in run(block, place)
    changed = place / "sample_data" / "bold" / "street.png"
    shutil.copy(place / "sample_data" / "gt" / "street.png", changed)
    os.utime(changed, (2e9, 2e9))
    again = run(block, place)
    assert "--name bold" in again
    assert "--name careful" not in again


def test_a_slurm_array(place: Path) -> None:
    (block,) = prepare("A Slurm array", place)
    run(block, place)
    check_merged(place)


def check_merged(place: Path) -> None:
    """The shares together are the whole run."""
    merged = load(place / "careful.json")
    run("kldeval sample_data/careful sample_data/gt -o whole.json", place)
    whole = load(place / "whole.json")
    assert {key: merged[key] for key in ("signature", "summary", "maps")} == {
        key: whole[key] for key in ("signature", "summary", "maps")
    }


def test_a_papers_table(place: Path) -> None:
    (block,) = prepare("A paper's table", place)
    run(block, place)
    text = (place / "table.tex").read_text()
    assert r"Ground truth & \textbf{7.361} & \textbf{0.000}" in text
    latex = shutil.which("pdflatex")
    if latex:
        paper = rf"\documentclass{{article}}\usepackage{{booktabs}}\begin{{document}}{text}\end{{document}}"
        (place / "paper.tex").write_text(paper)
        run(f"{latex} -interaction=nonstopmode -halt-on-error paper.tex > /dev/null", place)


def test_codabench(place: Path) -> None:
    (block,) = prepare("Codabench", place)
    run("mkdir -p input output; cp -r sample_data/bold input/res; cp -r sample_data/gt input/ref", place)
    run(block, place)
    assert list(json.loads((place / "output" / "scores.json").read_text())) == ["kld", "ce", "maps", "failures"]


def test_options_from_files_and_variables(place: Path) -> None:
    (block,) = prepare("Options from files and variables", place)
    run(block, place)
    found = {name: load(place / f"{name}.json") for name in ("file", "variable", "flag")}
    signatures = {name: report["signature"]["kld"] for name, report in found.items()}  # type: ignore[index]
    assert "|pred:flatten-softmax|gt:flatten-softmax|scale:raw|" in signatures["file"]
    assert "|scale:unit|" in signatures["variable"]
    assert signatures["flag"] == signatures["file"]


def test_a_slurm_array_by_slurm(place: Path, real_slurm: tuple[Path, dict[str, str]]) -> None:
    """The last test of this file, while whose others it has become ready."""
    root, variables = real_slurm
    if not variables:
        pytest.skip(why_not())
    wait_for_node(root, variables)
    (block,) = prepare("A Slurm array", place)
    make_program(place / "bin" / "sbatch", SBATCH_AND_LOOK.replace("{sbatch}", str(find("sbatch"))))
    run(block, place, **variables)
    check_merged(place)
