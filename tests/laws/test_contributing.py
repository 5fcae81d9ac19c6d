"""What CONTRIBUTING says is so: its examples add one of each kind with one file, and every path that pages name exists."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parent.parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
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
    """What `kldeval ARGUMENTS` prints once the example's file stands in its package."""
    package, name, code = example(heading)
    (folder / "added").mkdir()
    (folder / "added" / name).write_text(code)
    program = (
        f"import sys, {package} as package; package.__path__.append({str(folder / 'added')!r})\n"
        "from kldeval.cli.main import run; sys.exit(run(sys.argv[1:]))"
    )
    command = [sys.executable, "-c", program, *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
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
    printed = run_with("Add a normalisation step", tmp_path, *files, "--norm", norm, "--metric", "kld()", "--score-only")
    assert float(printed) == pytest.approx(float((q * np.log(q / p)).sum()), rel=1e-12)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_path_that_a_page_names_exists(page: Path) -> None:
    examples = {"kldeval/metrics/chi_squared.py", "kldeval/normalization/square_root.py"}
    named = set(re.findall(r"`((?:kldeval|tests|docs|benchmarks|fuzz|tools|sample_data|\.ci)/[\w./-]*)`", page.read_text()))
    assert [path for path in sorted(named - examples) if not (ROOT / path).exists()] == []
