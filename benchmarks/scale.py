"""`python -m benchmarks.scale`: what large runs cost on this machine: the cache, memory, merging, a Dask cluster.

Each row says what was measured, and what it is to stay below. It takes some minutes; `--large` adds a million maps.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.maps import density, truth

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ROUNDS_OF_LINKS = 8
"""How often a run on a cluster scores every file: it has to be long beside its start."""

TINY = """
import resource, sys
import numpy as np
import kldeval
rng = np.random.default_rng(1)
pred, gt = rng.random((2, 2)), rng.random((2, 2))
number = int(sys.argv[1])
kldeval.evaluate(((f"{place:08d}", pred + place, gt) for place in range(number)), metric="kld", jobs=1)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser("python -m benchmarks.scale", description=__doc__)
    parser.add_argument(
        "--large", action="store_true", help="also a million tiny maps, which takes a quarter of an hour"
    )
    parser.add_argument("--pairs", type=int, default=400, help="pairs of 480 x 640 [default: 400]")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as temporary:
        for row in _rows(Path(temporary), options):
            print("{:44} {:>10}  {}".format(*row), flush=True)
    return 0


def _rows(root: Path, options: argparse.Namespace) -> Iterator[tuple[str, str, str]]:
    yield from _cache(root, options.pairs)
    for number in (10_000, 100_000, *((1_000_000,) if options.large else ())):
        done = subprocess.run([sys.executable, "-c", TINY, str(number)], capture_output=True, text=True, check=True)
        yield f"peak memory, {number} tiny maps of an iterable", f"{int(done.stdout)} MB", "<= 300 MB"
    yield from _rasters(root)
    yield from _merging(root)
    yield from _dask(root, options.pairs)


def _rasters(root: Path) -> Iterator[tuple[str, str, str]]:
    """Two rasters of 8000 x 8000 single floats: 256 MB each when they are decoded, into a file."""
    import tifffile

    layouts: dict[str, dict[str, Any]] = {
        "strips, deflate": {"compression": "deflate", "rowsperstrip": 16},
        "tiles, LZW": {"compression": "lzw", "tile": (512, 512)},
    }
    for name, layout in layouts.items():
        paths = [root / f"{side}.tif" for side in ("pred", "gt")]
        for seed, path in enumerate(paths):
            values = np.random.default_rng(seed).integers(1, 200, (8192, 8192)) / np.float32(256)
            tifffile.imwrite(path, values, **layout)
        command = [sys.executable, "-m", "kldeval", *map(str, paths), "-m", "kld", "--score-only", "--quiet"]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        most = 0
        while process.poll() is None:
            most = max(most, _memory_of_its_own(process.pid))
            time.sleep(0.02)
        yield f"memory of its own, two rasters of 8192 x 8192, {name}", f"{most // 1024} MB", "<= 100 MB"


def _memory_of_its_own(pid: int) -> int:
    """The kilobytes of a process and of those that it started which are no pages of files; 0 where it has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return 0
    own = next((int(line.split()[1]) for line in status.splitlines() if line.startswith("RssAnon")), 0)
    return own + sum(_memory_of_its_own(int(child)) for child in children)


def _cache(root: Path, pairs: int) -> Iterator[tuple[str, str, str]]:
    for kind, most in (("png", 1.05), ("npy", 1.5)):
        maps = _made(root / kind, pairs if kind == "png" else pairs // 4, kind, (480, 640))
        time.sleep(2.1)  # younger files are read again
        _seconds(*maps)
        plain, cold = _seconds(*maps), _seconds(*maps, "--cache", root / f"cache-{kind}")
        yield f"cache, cold / without, {kind}", f"{cold / plain:.2f}", f"<= {most}"
    maps = _made(root / "small", 4000, "png", (24, 32))
    time.sleep(2.1)
    _seconds(*maps, "--cache", root / "cache-small")
    warm = min(_seconds(*maps, "--cache", root / "cache-small") for _ in range(3))
    yield "cache, warm, 4000 pairs", f"{warm:.2f} s", "<= 0.5 s"


def _merging(root: Path) -> Iterator[tuple[str, str, str]]:
    maps = _made(root / "merged", 1000, "npy", (4, 4))
    whole = root / "whole.json"
    _seconds(*maps, "--shard", "1/1", "-o", whole)
    report = json.loads(whole.read_text())
    seconds = {}
    for count in (100, 1000):
        parts = []
        for number in range(count):
            part = {**report, "maps": report["maps"][number::count]}
            part["provenance"] = {**report["provenance"], "shard": f"{number + 1}/{count}"}
            parts.append(root / f"part-{count}-{number}.json")
            parts[-1].write_text(json.dumps(part))
        start = time.perf_counter()
        _kldeval("merge", *parts)
        seconds[count] = time.perf_counter() - start
    ratio = seconds[1000] / seconds[100]
    yield "merge, 1000 shards / 100 shards of one run", f"{ratio:.1f}", f"<= 10 ({seconds[1000]:.1f} s)"


def _dask(root: Path, pairs: int) -> Iterator[tuple[str, str, str]]:
    """All processes of a cluster against those of the local pool, without what every run costs at its start."""
    maps = _linked(_made(root / "png", pairs, "png", (480, 640)), ROUNDS_OF_LINKS)
    file = root / "scheduler.json"
    common = ["--scheduler-file", str(file), "--no-dashboard"]
    worker = ["worker", "--no-nanny", "--nthreads", "1", "--local-directory", str(root)]
    programs = (["scheduler", "--host", "127.0.0.1", "--port", "0"], worker, worker)
    cluster = [
        subprocess.Popen(
            [sys.executable, "-m", f"distributed.cli.dask_{words[0]}", *words[1:], *common],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for words in programs
    ]

    def seconds(limit: int, *where: Any) -> float:
        before = sum(_used(process.pid) for process in cluster)
        client = _cpu_seconds(*maps, "--limit", limit, *where)
        return client + (sum(_used(process.pid) for process in cluster) - before if file in where else 0)

    try:
        while not file.exists():
            time.sleep(0.1)
        _kldeval(*maps, "--limit", "20", "--scheduler-file", file)
        ratios = []
        for _ in range(3):
            pool, dask = (
                seconds(ROUNDS_OF_LINKS * pairs, *where) - seconds(pairs, *where)
                for where in (("--jobs", "2"), ("--scheduler-file", file))
            )
            ratios.append(pool / dask)
        yield "dask efficiency, CPU seconds a pair, pool / cluster", f"{statistics.median(ratios):.2f}", ">= 0.9"
    finally:
        for process in cluster:
            process.terminate()
            process.wait()


def _linked(sides: tuple[Path, Path], times: int) -> tuple[Path, Path]:
    """Folders with so many names of each file of others."""
    found = []
    for side in sides:
        folder = side.with_name(f"{side.name}-linked")
        folder.mkdir(exist_ok=True)
        for path in side.iterdir():
            for number in range(times):
                link = folder / f"{path.stem}-{number}{path.suffix}"
                link.exists() or link.hardlink_to(path)
        found.append(folder)
    pred, gt = found
    return pred, gt


def _used(pid: int) -> float:
    """The processor time of a process, in seconds."""
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def _made(folder: Path, pairs: int, kind: str, shape: tuple[int, int]) -> tuple[Path, Path]:
    """Folders of predictions and ground truths, made where they are not there."""
    sides = folder / "pred", folder / "gt"
    if not folder.exists():
        rng = np.random.default_rng(5)
        for side in sides:
            side.mkdir(parents=True)
            for number in range(pairs):
                map_ = density(truth(rng), *shape)
                _write(side / f"{number:06d}.{kind}", map_ / map_.max())
    return sides


def _write(path: Path, array: Any) -> None:
    if path.suffix == ".npy":
        np.save(path, array)
    else:
        import cv2

        cv2.imwrite(str(path), np.rint(array * 255).astype(np.uint8))


def _kldeval(*arguments: Any) -> None:
    command = [sys.executable, "-m", "kldeval", *map(str, arguments), "-q"]
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)


def _seconds(*arguments: Any) -> float:
    start = time.perf_counter()
    _kldeval(*arguments, "--device", "cpu", "--jobs", "1")
    return time.perf_counter() - start


def _cpu_seconds(*arguments: Any) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    _kldeval(*arguments)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    sys.exit(main())
