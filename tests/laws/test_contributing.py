"""What CONTRIBUTING says is so: its examples add one of each kind with one file, and the paths of pages exist."""

from __future__ import annotations

import importlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from looping import each_of
from programs import python

ROOT = Path(__file__).parent.parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
EXAMPLES = ("Add a metric", "Add a normalisation step", "Add a convention", "Add a reader", "Add a writer")
PRED, GT = np.asarray([[1.0, 2], [3, 4]]), np.asarray([[1.0, 1], [3, 5]])


def example(heading: str) -> tuple[str, str, str]:
    """The package, the name of the file, and the text of the example below a heading of CONTRIBUTING."""
    section = (ROOT / "CONTRIBUTING.md").read_text().partition(f"## {heading}\n")[2].partition("\n## ")[0]
    named = re.search(r"here `(kldeval/[\w/]+)/(\w+\.py)`", section)
    code = re.search(r"^```python\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
    assert named
    assert code
    return named[1].replace("/", "."), named[2], code[1]


def run_with(heading: str, folder: Path, *arguments: str) -> str:
    """What `kldeval ARGUMENTS` prints in a copy of the package that holds the example's file."""
    package, name, code = example(heading)
    copy = folder / "copy"
    shutil.copytree(ROOT / "kldeval", copy / "kldeval", copy_function=os.symlink)  # with what is compiled
    (copy / package.replace(".", "/") / name).write_text(code)
    command = [sys.executable, "-m", "kldeval", *arguments]
    done = subprocess.run(command, cwd=copy, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def files(tmp_path: Path) -> tuple[str, str]:
    """A pair of maps."""
    np.save(tmp_path / "pred.npy", PRED)
    np.save(tmp_path / "gt.npy", GT)
    return str(tmp_path / "pred.npy"), str(tmp_path / "gt.npy")


def test_a_metric_is_one_file(files: tuple[str, str], tmp_path: Path) -> None:
    p, q = PRED / PRED.sum(), GT / GT.sum()
    printed = run_with("Add a metric", tmp_path, *files, "--metric", "chi-squared", "--score-only")
    assert float(printed) == pytest.approx(float(((p - q) ** 2 / (p + q) / 2).sum()), rel=1e-12)


def test_a_step_is_one_file(files: tuple[str, str], tmp_path: Path) -> None:
    p, q = np.sqrt(PRED) / np.sqrt(PRED).sum(), np.sqrt(GT) / np.sqrt(GT).sum()
    norm = "square-root+sum-to-one"
    options = ("--norm", norm, "--metric", "kld()", "--score-only")
    printed = run_with("Add a normalisation step", tmp_path, *files, *options)
    assert float(printed) == pytest.approx(float((q * np.log(q / p)).sum()), rel=1e-12)


def test_a_convention_is_one_row_in_one_file(files: tuple[str, str], tmp_path: Path) -> None:
    q, stretched = GT / GT.sum(), PRED - PRED.min()
    options = ("--convention", "example", "--metric", "kld", "--score-only")
    printed = run_with("Add a convention", tmp_path, *files, *options)
    with np.errstate(divide="ignore"):
        expected = (q * np.log(1e-07 + q / (stretched / stretched.sum()))).sum()
    assert float(printed) == pytest.approx(float(expected), rel=1e-12)


def test_a_reader_is_one_file(files: tuple[str, str], tmp_path: Path) -> None:
    head = "ncols 2\nnrows 2\nxllcorner 0\nyllcorner 0\ncellsize 1\nNODATA_value -9999\n"
    for side in ("pred", "gt"):
        (tmp_path / side).mkdir()
        (tmp_path / side / "a.asc").write_text(
            head + "\n".join(" ".join(map(str, row)) for row in np.load(tmp_path / f"{side}.npy"))
        )
    options = ("--metric", "kld", "--score-only")
    of_folders = run_with("Add a reader", tmp_path, str(tmp_path / "pred"), str(tmp_path / "gt"), *options)
    of_arrays = subprocess.run(
        [*python(), "-m", "kldeval", *files, *options], capture_output=True, text=True, check=True
    )
    assert of_folders == of_arrays.stdout


def test_a_writer_is_one_file(files: tuple[str, str], tmp_path: Path) -> None:
    out = tmp_path / "report.yml"
    printed = run_with("Add a writer", tmp_path, *files, "--format", "yaml", "--output", str(out))
    assert printed == out.read_text()
    assert json.loads(printed.removeprefix("---\n"))["summary"]


@each_of("page", PAGES)
def test_every_path_that_a_page_names_exists(page: Path) -> None:
    examples = {example(heading)[0].replace(".", "/") + "/" + example(heading)[1] for heading in EXAMPLES}
    rooms = "kldeval|tests|docs|benchmarks|fuzz|tools|sample_data"
    named = set(re.findall(rf"`((?:{rooms})/[\w./-]*)`", page.read_text()))
    assert [path for path in sorted(named - examples) if not (ROOT / path).exists()] == []


def test_benchmarks_that_pages_name_exist_and_others_are_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.syspath_prepend(str(ROOT))
    benchmarks = importlib.import_module("benchmarks.__main__")
    named = [re.findall(r"python -m benchmarks\s[^`\n]*--cases\s+'?([\w*,]+)", page.read_text()) for page in PAGES]
    assert [benchmarks.named_cases(text) for texts in named for text in texts]
    with pytest.raises(SystemExit, match="2"):
        benchmarks.main(["--cases", "png*,nosuch"])
    assert "no case is called 'nosuch'; there are\n  version\n" in capsys.readouterr().err
    assert benchmarks.main(["--cases", "memory", "--quick"]) == 2
