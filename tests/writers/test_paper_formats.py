"""Markdown and LaTeX to the letter: no name breaks a row, and a paper compiles."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from report_files import example, report, reports
from report_files import write as written

from kldeval.records import Failure, Score

if TYPE_CHECKING:
    from pathlib import Path

EVERYTHING: dict[str, Any] = {"per_map": True, "worst": 2}
NASTY = '[a]*{b}_$&%#~^\\end|<i>`"--?`é\x1b\n\udc80'


def write(name: str, made: Any, looks: dict[str, Any] = EVERYTHING) -> str:
    return written(made, name, **looks)


# Markdown


def test_markdown_to_the_letter() -> None:
    assert write("markdown", example()) == (
        """| metric       |   n |   mean |    std |  median |     min |    max | not finite |
| :----------- | --: | -----: | -----: | ------: | ------: | -----: | ---------: |
| KLD ↓ (nats) |   3 |    inf |    nan | 11.5000 |  0.2500 |    inf |          1 |
| CC ↑         |   3 | 0.1042 | 0.6260 |  0.0625 | -0.5000 | 0.7500 |          – |

| map      | KLD ↓ (nats) |    CC ↑ | uncovered |    mass |
| :------- | -----------: | ------: | --------: | ------: |
| `a/0001` |       0.2500 |  0.7500 |         0 | 0       |
| `a/0002` |          inf | -0.5000 |        12 | 0.03125 |
| `b_1`    |      11.5000 |  0.0625 |         0 | 0       |

**worst 2 of 3 maps by kld**

| map      | KLD ↓ (nats) |    CC ↑ | uncovered |    mass |
| :------- | -----------: | ------: | --------: | ------: |
| `a/0002` |          inf | -0.5000 |        12 | 0.03125 |
| `b_1`    |      11.5000 |  0.0625 |         0 | 0       |

**1 map could not be scored**

- `c|1` (load): pred/c\\|1.png is not an image

**notes**

- the prediction is exactly 0 (1 of 3 maps)

signature `kldeval:mit+v1`

```text
kld|pred:sum-to-one|gt:sum-to-one|scale:unit|v:1
cc|pred:sum-to-one|gt:sum-to-one|scale:unit|v:1
```
"""
    )


@given(reports())
def test_no_name_breaks_a_markdown_row(made: Any) -> None:
    """GitHub splits a row at every pipe that no backslash precedes."""
    text = write("markdown", made, {"per_map": True})
    tables = [block.splitlines() for block in text.split("\n\n") if block.startswith("| ")]
    for rows in tables:
        assert len({len(re.findall(r"(?<!\\)\|", row)) for row in rows}) == 1
    assert len(tables[-1]) == 2 + (len(made.scores) or len(made.summaries))


def test_a_markdown_name_with_backticks_is_fenced_by_more() -> None:
    two = report(Score("`` a `", {"kld": 1.0}), Score("b", {"kld": 1.0}))
    assert "| ``` `` a ` ``` |" in write("markdown", two)


# LaTeX


def test_latex_to_the_letter() -> None:
    assert write("latex", example(), {}) == (
        r"""% needs \usepackage{booktabs}
% kld|pred:sum-to-one|gt:sum-to-one|scale:unit|v:1
% cc|pred:sum-to-one|gt:sum-to-one|scale:unit|v:1
% note: the prediction is exactly 0 (1 of 3 maps)
% 1 map could not be scored:
% - c|1 (load): pred/c|1.png is not an image
\begin{table}
  \centering
  \caption{3 maps, 1 could not be scored; \texttt{kldeval:mit+v1}.}
  \begin{tabular}{lrrrrrrr}
    \toprule
    metric & n & mean & std & median & min & max & not finite \\
    \midrule
    KLD $\downarrow$ (nats) & 3 & $\infty$ & NaN & 11.5000 & 0.2500 & $\infty$ & 1 \\
    CC $\uparrow$ & 3 & 0.1042 & 0.6260 & 0.0625 & $-0.5000$ & 0.7500 & -- \\
    \bottomrule
  \end{tabular}
\end{table}
"""
    )


def test_latex_names_are_escaped() -> None:
    nasty = report(Score(NASTY, {"kld": 1e-9}), Score("b", {"kld": 1e-9}))
    row = (
        r"{[}a{]}{*}\{b\}\_\$\&\%\#\textasciitilde{}\textasciicircum{}\textbackslash{}end\textbar{}\textless{}i\textgreater{}"
        r"\`{}''-{}-?\`{}é\textbackslash{}x1b\textbackslash{}n\textbackslash{}udc80 & $1.000 \times 10^{-9}$ \\"
    )
    assert f"    {row}\n" in write("latex", nasty)


@given(reports())
def test_latex_braces_close_and_comments_end(made: Any) -> None:
    """Outside comments and escapes every brace has a partner, and a row has as many cells as its table has columns."""
    code = [line for line in write("latex", made).splitlines() if not line.startswith("%")]
    bare = [re.sub(r"\\.", "", line) for line in code]
    assert all(line.count("{") == line.count("}") for line in bare)
    assert all(line[0] in " \\" for line in code)


@pytest.mark.skipif(not shutil.which("pdflatex"), reason="LaTeX is not installed")
def test_latex_compiles_as_pasted(tmp_path: Path) -> None:
    scores = [replace(score, name=NASTY + score.name) for score in example().scores]
    nasty = report(*scores, failures=(Failure(NASTY, "load", NASTY),), notes=(NASTY,), short=NASTY)
    body = write("latex", nasty)
    document = f"\\documentclass{{article}}\n\\usepackage{{booktabs}}\n\\begin{{document}}\n{body}\\end{{document}}\n"
    (tmp_path / "paper.tex").write_text(document, encoding="utf-8")
    command = ["pdflatex", "-draftmode", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, errors="replace", check=False)
    assert done.returncode == 0, done.stdout[-2000:]
