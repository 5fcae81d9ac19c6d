"""Other processors sum in other orders: they move the last bits of a number, and nothing else."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from functools import cache
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent.parent

KERNELS = {"Prescott": "X86_V2", "Haswell": "X86_V3", "SkylakeX": "X86_V4"}
"""Kernels of OpenBLAS, and the instructions that a processor needs for them (SSE3, AVX2, AVX-512)."""

LEVELS = ("X86_V3", "X86_V4", "AVX512_ICL")
"""What numpy may use beyond the instructions that it is built for."""

CODE = """
import sys
sys.path[:0] = ["tests", "tests/scoring"]
import json
from command_line import kldeval
from kldeval.provenance import arithmetic
from test_views import test_no_number_depends_on_the_pairs_beside_it
test_no_number_depends_on_the_pairs_beside_it()
both = "sample_data/careful", "sample_data/gt"
beside = "--fixations", "sample_data/fixations.csv", "--baseline", "others", "--baselines"
ranked = "-m", "kld,auc(of=norm),nss(of=norm),cc(of=norm)", "--fixations", "sample_data/fixations.csv"
commands = (
    (*both, "-m", "kld,cc,jsd,nss,auc,sauc,ig", *beside),
    ("audit", *both),
    (*both, *ranked, "--norm", "blur(sigma=3)+sum-to-one"),
    (*both, "-m", "kld,cc,auc", "--resize", "both(size=41x53,kernel=matlab-bicubic)", *ranked[2:]),
)
found = [json.loads(kldeval(*line, "--format", "json", "--jobs", "1").out) for line in commands]
for document in found:
    del document["provenance"]
print(json.dumps([arithmetic(), found]))
"""


def simd() -> dict[str, list[str]]:
    """The instructions that this numpy is built for and those that it finds."""
    return {**np.show_config(mode="dicts")["SIMD Extensions"]}  # type: ignore[dict-item]


@cache
def under(kernel: str) -> tuple[str, Any]:
    """The fingerprint of the arithmetic and what is reported, by a process with these instructions."""
    level = KERNELS[kernel]
    off = [one for one in simd()["found"] if one in LEVELS and (level not in LEVELS or one > level)]
    environment = {**os.environ, "OPENBLAS_CORETYPE": kernel, "NPY_DISABLE_CPU_FEATURES": " ".join(off)}
    done = subprocess.run([sys.executable, "-c", CODE], cwd=ROOT, env=environment, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    fingerprint, found = json.loads(done.stdout)
    return fingerprint, found


def numbers(document: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    """Everything in a document, by its place."""
    if isinstance(document, dict):
        for key, value in document.items():
            yield from numbers(value, f"{place}/{key}")
    elif isinstance(document, list):
        for index, value in enumerate(document):
            yield from numbers(value, f"{place}/{index}")
    else:
        yield place, document


HERE = [kernel for kernel, level in KERNELS.items() if level in (*simd().get("baseline", ()), *simd().get("found", ()))]

several = pytest.mark.skipif(len(HERE) < 2, reason="this processor has one kernel of OpenBLAS that is known by name")


@several
def test_reports_of_two_processors_differ_in_last_bits_alone() -> None:
    """Ranks among them: what is a tie on one is a tie on the other."""
    first, *others = (dict(numbers(under(kernel)[1])) for kernel in HERE)
    for kernel, found in zip(HERE[1:], others, strict=True):
        assert found.keys() == first.keys()
        for place, value in found.items():
            kept = first[place]
            if isinstance(value, float):
                assert math.isclose(value, kept, rel_tol=1e-12, abs_tol=1e-14), f"{kernel} {place}"
            else:
                assert value == kept, f"{kernel} {place}"


@several
def test_a_report_knows_the_arithmetic_that_made_it() -> None:
    """Where the last bits of two processors differ, so do the fingerprints of their arithmetic."""
    for one, other in combinations(HERE, 2):
        assert (under(one)[1] == under(other)[1]) >= (under(one)[0] == under(other)[0]), f"{one} {other}"
