"""`python -m benchmarks`: times kldeval against other programs on this machine, and prints a table.

Only ratios are judged, each taken within one round of alternating runs; a figure is the median over the rounds. It is
of the clock except where a row says otherwise, and beside it stands the ratio of what all cores worked.
Whole processes are timed, start-up included, with warm files. It takes some minutes, 5 GB in the temporary folder and,
for its slow cases, 4 GB of memory; `--quick` leaves those out. What large runs cost comes last (`benchmarks.scale`), in
rows whose names begin with cache, memory, pairing, merge, rasters and dask, which `--cases` takes as well.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
from fnmatch import fnmatch
from functools import partial
from importlib.util import find_spec
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import gpu, scale
from benchmarks.cases import CASES, Case, Row, row_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.cases import Round

COLUMNS = "{:42} {:>10} {:>10} {:>8} {:>8} {:>6} {:>6}  {}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print; 1 if something that must hold does not."""
    options = _options(arguments)
    cases = [case for case in CASES if _is_wanted(case, options)]
    kinds = [kind for kind in scale.KINDS if options.scale and not options.quick and _fits(kind, options.cases)]
    if not cases and not kinds:
        print("nothing is left to measure: --quick leaves out slow cases and what large runs cost", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as temporary:
        folders = partial(_made, options.folder or Path(temporary))
        rounds: dict[str, list[Round]] = {case.name: [] for case in cases}
        for number in range(-1, options.rounds):
            for case in cases:
                # the round before the first fills the caches of files and of compiled modules
                measured = case.measure(folders)
                rounds[case.name] += measured if number >= 0 else []
        print(_machine())
        rows = [row_of(case, rounds[case.name]) for case in cases]
        if rows:
            _print(rows)
        gpu_rows = gpu.measure_if_possible(folders) if options.gpu and cases else []
        scale.measure(Path(temporary) / "scale", kinds, large=options.large)
    return int(any(row.verdict == "MISSED" for row in rows) or any("MISSED" in row for row in gpu_rows))


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m benchmarks", description=__doc__)
    parser.add_argument(
        "--cases", type=named_cases, default="*", help="names of cases, with * for any text; commas separate"
    )
    parser.add_argument("--quick", action="store_true", help="without the slow cases, three rounds")
    parser.add_argument("--rounds", type=int, help="rounds over all cases [default: 7; 3 if quick]")
    parser.add_argument("--folder", type=Path, help="keep the maps here for another time")
    parser.add_argument("--no-scale", dest="scale", action="store_false", help="without what large runs cost")
    parser.add_argument(
        "--large", action="store_true", help="with a million tiny maps, which take a quarter of an hour"
    )
    parser.add_argument("--no-gpu", dest="gpu", action="store_false", help="without the part on a CUDA device")
    options = parser.parse_args(arguments)
    options.rounds = options.rounds or (3 if options.quick else 7)
    return options


def named_cases(text: str) -> Sequence[str]:
    """The cases that were asked for, of which some have a comma in their names.

    Raises:
        ArgumentTypeError: no case is called so.
    """
    names = [*(case.name for case in CASES), *scale.KINDS]
    patterns = [text] if text in names else [pattern.strip() for pattern in text.split(",")]
    for pattern in patterns:
        if not any(_fits(name, [pattern]) for name in names):
            msg = "\n  ".join((f"no case is called {pattern!r}; there are", *names))
            raise argparse.ArgumentTypeError(msg)
    return patterns


def _fits(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatch(name, pattern) for pattern in patterns)


def _is_wanted(case: Case, options: argparse.Namespace) -> bool:
    from kldeval.cli.main import COMMANDS

    if not _fits(case.name, options.cases):
        return False
    if case.needs not in COMMANDS:
        print(f"{case.name}: left out, there is no command {case.needs!r} yet")
        return False
    if case.package and find_spec(case.package) is None:
        print(f"{case.name}: left out, {case.package} is not installed")
        return False
    return not (case.slow and options.quick)


def _made(root: Path, name: str) -> Path:
    """The folder of a set of maps; made by another process, for the memory of this one counts as its children's."""
    if not (root / name).exists():
        subprocess.run((sys.executable, "-m", "benchmarks.maps", str(root), name), check=True)
    return root / name


def _machine() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    model = next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine()
    )
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{cores} cores, {model}, {platform.system()}, Python {platform.python_version()}"


def _print(rows: Sequence[Row]) -> None:
    print(COLUMNS.format("case", "ours", "against", "figure", "work", "must", "goal", "reached"))
    for row in rows:
        kind = row.case.kind
        texts = (f"{number:.4g} {kind.unit}" for number in (row.ours, row.against))
        print(
            COLUMNS.format(
                row.case.name,
                *texts,
                f"{row.figure:.2f} {kind.judged}",
                "" if isnan(row.work) else f"{row.work:.2f} x",
                row.case.must,
                row.case.goal,
                row.verdict,
            )
        )


if __name__ == "__main__":
    sys.exit(main())
