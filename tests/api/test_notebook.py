"""The notebook of the documents runs, and shows what is saved in it."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
from late import late

nbformat = late("nbformat")
nbclient = late("nbclient")

pytestmark = pytest.mark.slow

NOTEBOOK = Path("docs/python.ipynb")


def shown(notebook: Any) -> list[tuple[str, str]]:
    """What each output is: its kind, and the text of a result or of standard output."""
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    texts = (output.get("text") or output.data.get("text/html") or sorted(output.data) for output in outputs)
    return [(output.output_type, str(text)) for output, text in zip(outputs, texts, strict=True)]


@pytest.mark.filterwarnings("ignore")  # of the client and the kernel, about sockets and event loops
def test_it_runs_and_shows_what_is_saved_in_it() -> None:
    saved = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(saved)
    made = copy.deepcopy(saved)
    nbclient.NotebookClient(made, timeout=300, kernel_name="python3").execute(cwd=str(Path.cwd()))
    assert [kind for kind, _ in shown(made)] == [kind for kind, _ in shown(saved)]
    assert shown(made) == shown(saved)
    results = [text for kind, text in shown(saved) if kind == "execute_result"]
    assert sum("<table" in text for text in results) >= 5
    assert sum("image/png" in text for _, text in shown(saved)) == 3
    # a notebook that names this machine is no document
    assert str(Path.cwd()) not in NOTEBOOK.read_text(encoding="utf-8")
