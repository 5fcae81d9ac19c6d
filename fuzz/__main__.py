"""`python -m fuzz`: damage files, have them read by child processes, and keep what was found."""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

from fuzz.mutators import mutate
from fuzz.seeds import Seed, of_torch, seeds

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

CORPUS = Path(__file__).parent.parent / "tests" / "hostile"

SECONDS, SLOW = 20.0, 5.0
"""After how long a child is ended, and from how much processor time on a file counts as slow."""

ONCE = "crash once"
"""A decoder that ended its process, and did not when the file was read again, as the program reads such files again."""

FINE = frozenset({"read", "refused", ONCE})

READINGS = 3
"""So often a file whose reading crashed is read again."""

READER_OF = {".tsv": "fixations", ".csv": "fixations", ".json": "fixations", ".mat": "fixations"}

ROUNDS = 400
"""Attempts at making a finding smaller."""


class Child:
    """A process that reads files, started anew when one has ended it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: subprocess.Popen[str] | None = None

    def verdict(self, seed: Seed, data: bytes) -> dict[str, Any]:
        """What becomes of the bytes under the suffix and reader of a seed."""
        answer = self._answer(seed, data)
        if answer["verdict"] == "crash" and all(
            self._answer(seed, data)["verdict"] != "crash" for _ in range(READINGS)
        ):
            return {**answer, "verdict": ONCE}
        return answer

    def _answer(self, seed: Seed, data: bytes) -> dict[str, Any]:
        path = self._folder / f"input{seed.suffix}"
        path.write_bytes(data)
        process = self._started()
        if process.stdin is None or process.stdout is None:
            raise AssertionError
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(f"{seed.reader} {path}\n")
            process.stdin.flush()
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            line = process.stdout.readline() if selector.select(SECONDS) else ""
        if line:
            answer: dict[str, Any] = json.loads(line)
            return {**answer, "verdict": "slow"} if answer["seconds"] > SLOW else answer
        hangs = process.poll() is None and not _ends(process)
        self.end()
        code = process.returncode
        return {
            "verdict": "hang" if hangs else "crash",
            "what": "" if hangs else signal.Signals(-code).name if code < 0 else str(code),
        }

    def _started(self) -> subprocess.Popen[str]:
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "fuzz.child"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
        return self._process

    def end(self) -> None:
        """End the process, if there is one."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None


def _ends(process: subprocess.Popen[str]) -> bool:
    try:
        process.wait(1)
    except subprocess.TimeoutExpired:
        return False
    return True


def smaller(child: Child, seed: Seed, data: bytes, verdict: str) -> bytes:
    """A smaller input with the same verdict: parts are left out as long as it stays."""
    step, attempts = len(data) // 2, 0
    while step > 0 and attempts < ROUNDS:
        start = 0
        while start < len(data) and attempts < ROUNDS:
            attempts += 1
            shorter = data[:start] + data[start + step :]
            if shorter and child.verdict(seed, shorter)["verdict"] == verdict:
                data = shorter
            else:
                start += step
        step //= 2
    return data


def kept(seed: Seed, data: bytes, verdict: str) -> Path:
    """The file under which a finding is kept."""
    folder = CORPUS / "found"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{verdict.replace(' ', '_')}_{seed.name}_{hashlib.sha256(data).hexdigest()[:8]}{seed.suffix}"
    path.write_bytes(data)
    return path


def inputs(options: argparse.Namespace, known: Sequence[Seed], worker: int) -> Iterator[tuple[Seed, bytes]]:
    """The corpus (for the first worker), then damaged seeds without end."""
    if worker == 0:
        for path in sorted(CORPUS.rglob("*.*")):
            yield Seed("corpus", path.suffix, READER_OF.get(path.suffix, "map"), b""), path.read_bytes()
    by_suffix = defaultdict(list)
    for seed in known:
        by_suffix[seed.suffix].append(seed)
    random = Random(f"{options.seed} {worker}")
    while True:
        seed = random.choice(known)
        yield seed, mutate(seed, by_suffix[seed.suffix], random)


def work(
    options: argparse.Namespace, known: Sequence[Seed], worker: int
) -> tuple[Counter[tuple[str, str]], list[Path]]:
    """The verdicts of one child's share, by format, and the files of what was found."""
    counts: Counter[tuple[str, str]] = Counter()
    found: dict[tuple[str, str], Path] = {}
    deadline = time.monotonic() + 60 * options.minutes
    with tempfile.TemporaryDirectory() as folder:
        child = Child(Path(folder))
        for number, (seed, data) in enumerate(inputs(options, known, worker)):
            if time.monotonic() > deadline or (options.inputs and number >= options.inputs):
                break
            answer = child.verdict(seed, data)
            verdict = answer["verdict"]
            counts[seed.name, verdict] += 1
            key = (seed.suffix + verdict, str(answer.get("what", "")).partition(": ")[0])
            if verdict == ONCE:
                print(f"{verdict}: {answer['what']} ({seed.name})", flush=True)
            if verdict not in FINE and key not in found:
                found[key] = kept(seed, smaller(child, seed, data, verdict) if verdict != "hang" else data, verdict)
                print(f"{verdict}: {answer.get('what', '')} ({found[key]})", flush=True)
        child.end()
    return counts, list(found.values())


def main(arguments: Sequence[str] | None = None) -> int:
    """Fuzz; 1 if anything was found."""
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=sys.modules["fuzz"].__doc__)
    parser.add_argument("--minutes", type=float, default=5.0, help="how long (default 5)")
    parser.add_argument("--inputs", type=int, default=0, help="at most so many inputs for each process")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes at once")
    parser.add_argument("--seed", default="0", help="what the damage is drawn from")
    parser.add_argument("--format", default="", help="the beginning of a format's name, such as png or mat")
    options = parser.parse_args(arguments)
    # made before there are threads: some seeds are what the program prints in a folder, which is that of the process
    every = [*seeds(), *(() if options.inputs else of_torch())]
    known = [seed for seed in every if not options.format or seed.name.startswith(options.format)]
    with ThreadPoolExecutor(options.jobs) as pool:
        results = list(pool.map(lambda worker: work(options, known, worker), range(options.jobs)))
    total: Counter[tuple[str, str]] = sum((counts for counts, _ in results), Counter())
    verdicts = sorted({verdict for _, verdict in total}, key=lambda one: (one not in FINE, one))
    print(f"{'format':20}" + "".join(f"{verdict:>14}" for verdict in verdicts))
    for name in sorted({name for name, _ in total}):
        print(f"{name:20}" + "".join(f"{total[name, verdict]:>14}" for verdict in verdicts))
    print(f"{sum(total.values())} inputs, {sum(map(len, (found for _, found in results)))} findings")
    return int(any(found for _, found in results))


if __name__ == "__main__":
    sys.exit(main())
