"""What large runs cost on this machine: the cache, memory, pairing, merging, a Dask cluster.

Each row says what was measured, and what it is to stay below. `python -m benchmarks` prints them after its cases, and
`python -m benchmarks --cases cache,memory` these alone. It takes some minutes; `--large` adds millions of maps.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
import zipfile
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.maps import density, truth

if TYPE_CHECKING:
    import resource
    from collections.abc import Iterator, Sequence

ROUNDS_OF_LINKS = 8
"""How often a run on a cluster scores every file: it has to be long beside its start."""

TINY = """
import sys
from pathlib import Path
import numpy as np
import kldeval
rng = np.random.default_rng(1)
pred, gt = rng.random((2, 2)), rng.random((2, 2))
number = int(sys.argv[1])
kldeval.evaluate(((f"{place:08d}", pred + place, gt) for place in range(number)), metric="kld", jobs=1)
print(next(line.split()[1] for line in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in line))
"""

PEAK = """
import atexit
import sys
import time
from pathlib import Path
from kldeval.__main__ import main

def say():
    status = Path("/proc/self/status").read_text().splitlines()
    print(next(line.split()[1] for line in status if "VmHWM" in line), time.process_time(), file=sys.stderr)

atexit.register(say)
main()
"""


PAIRS = 400
"""Pairs of 480 x 640."""

KINDS = ("cache", "memory", "pairing", "merge", "rasters", "dask")
"""What is measured here, by the words of `--cases`."""

FEW = 10
"""Pairs of a run that is mostly its start."""

ROUNDS = 5
"""Alternating runs, of whose ratios the median counts."""


def measure(root: Path, kinds: Sequence[str], *, large: bool) -> None:
    """Measure some of `KINDS`, and print it."""
    measures = {
        "cache": _cache,
        "memory": partial(_memory, large=large),
        "pairing": _pairing,
        "merge": partial(_merging, large=large),
        "rasters": _rasters,
        "dask": partial(_dask, pairs=PAIRS),
    }
    for kind in kinds:
        for row in measures[kind](root / kind):
            print("{:52} {:>10}  {}".format(*row), flush=True)


def _memory(root: Path, *, large: bool) -> Iterator[tuple[str, str, str]]:
    for number in (10_000, 100_000, *((1_000_000, 2_000_000) if large else ())):
        done = subprocess.run([sys.executable, "-c", TINY, str(number)], capture_output=True, text=True, check=True)
        yield f"memory, {number} tiny maps of an iterable", f"{int(done.stdout) // 1024} MB", "<= 300 MB"
        sides = [_stack(root / f"{side}{number}.npy", number) for side in ("pred", "gt")]
        peak = _peak(*sides, "--stack", "--jobs", "1", "-m", "kld") // 1024
        yield f"memory, {number} maps of a stack (N, 4, 4)", f"{peak} MB", "<= 300 MB"
        peak = _peak(*sides, "--stack", "-m", "kld", "--output-dir", root / f"rows{number}") // 1024
        yield f"memory, {number} maps of a stack, in parts", f"{peak} MB", "<= 300 MB"
        zips = [_zipped(root / f"{side}{number}.zip", number) for side in ("pred", "gt")]
        yield f"memory, {number} members of two zips, listed", f"{_peak(*zips, '--limit', '1') // 1024} MB", "<= 300 MB"
    maps = [_stack(root / f"{name}.npy", 100_000) for name in ("one", "second", "another", "the truth")]
    peak = _peak(*maps, "--stack", "--jobs", "1", "-m", "kld", "--resamples", "200") // 1024
    yield "memory, leaderboard of 3 models, 100000 maps of a stack", f"{peak} MB", "<= 300 MB"
    peaks = [_peak(*_named(root / f"{number}", number), "--limit", "1") for number in (50_000, 150_000)]
    yield "memory, bytes that a pair of files adds", f"{(peaks[1] - peaks[0]) * 1024 / 100_000:.0f}", "<= 150"


def _pairing(root: Path) -> Iterator[tuple[str, str, str]]:
    maps = _named(root, 200_000)
    used = [_usage(*maps, "--limit", "1") for _ in range(3)]
    seconds = sorted(one.ru_utime + one.ru_stime for one in used)[1]
    yield "pairing of 200000 files, processor time of the run", f"{seconds:.2f} s", "<= 1.5 s"


def _stack(path: Path, number: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, np.random.default_rng(len(path.name)).integers(1, 255, (number, 4, 4), np.uint8))
    return path


def _zipped(path: Path, number: int) -> Path:
    """A zip of so many tiny maps."""
    data = io.BytesIO()
    np.save(data, np.eye(2))
    with zipfile.ZipFile(path, "w") as archive:
        for place in range(number):
            archive.writestr(zipfile.ZipInfo(f"COCO_val2014_{place:012d}.npy"), data.getvalue())
    return path


def _named(root: Path, number: int) -> tuple[Path, Path]:
    """Folders of a tiny map and of many files that are only there."""
    sides = root / "pred", root / "gt"
    for side in sides:
        side.mkdir(parents=True)
        for place in range(number):
            (side / f"COCO_val2014_{place:012d}.npy").touch()
        np.save(side / f"COCO_val2014_{0:012d}.npy", np.eye(2))
    return sides


def _rasters(root: Path) -> Iterator[tuple[str, str, str]]:
    """Two rasters of 8000 x 8000 single floats: 256 MB each when they are decoded, into a file."""
    import tifffile

    root.mkdir(parents=True, exist_ok=True)
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
        yield f"rasters, memory of its own, two of 8192 x 8192, {name}", f"{most // 1024} MB", "<= 100 MB"


def _memory_of_its_own(pid: int) -> int:
    """The kilobytes of a process and of those that it started which are no pages of files; 0 where it has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return 0
    own = next((int(line.split()[1]) for line in status.splitlines() if line.startswith("RssAnon")), 0)
    return own + sum(_memory_of_its_own(int(child)) for child in children)


def _cache(root: Path) -> Iterator[tuple[str, str, str]]:
    for kind, most in (("png", 1.05), ("float32", 1.5), ("float64", 1.5)):
        maps = _made(root / kind, PAIRS if kind == "png" else PAIRS // 4, kind, (480, 640))
        time.sleep(2.1)  # younger files are read again
        _cpu_seconds(*maps, "--jobs", "1")
        rounds = [_cold(maps, root / f"cache-{kind}") for _ in range(ROUNDS)]
        ratio, pair, start = map(statistics.median, zip(*rounds, strict=True))
        yield f"cache, cold / without, processor time, {kind}", f"{ratio:.2f}", f"<= {most}"
        hashing = f"of which BLAKE3 takes {_hashing(maps) * 1e6:.0f} us"
        yield f"cache, cold, processor time that a pair adds, {kind}", f"{pair * 1e6:.0f} us", hashing
        yield f"cache, cold, processor time of its start, {kind}", f"{start * 1e3:.0f} ms", ""
    maps = _made(root / "small", 4000, "png", (24, 32))
    time.sleep(2.1)
    _seconds(*maps, "--cache", root / "cache-small")
    warm = min(_seconds(*maps, "--cache", root / "cache-small") for _ in range(3))
    yield "cache, warm, 4000 pairs", f"{warm:.2f} s", "<= 0.5 s"
    audit = ("audit", *maps, "--limit", "1000", "--jobs", "1")
    plain, cold, again = (_cpu_seconds(*audit, *to) for to in ((), *2 * [("--cache", root / "cache-audit")]))
    yield (
        "cache, audit of 1000 pairs, cold and warm / without",
        f"{cold / plain:.2f}, {again / plain:.2f}",
        "<= 1.1, <= 0.5",
    )


def _cold(maps: tuple[Path, Path], cache: Path) -> tuple[float, float, float]:
    """The processor time of a first run with a cache by that of one without; what a pair adds, and what the start does.

    The last two in seconds, of a run of a few pairs and one of all.
    """
    n_pairs = len(list(maps[0].iterdir()))
    seconds = []
    for limit in (FEW, n_pairs):
        for words in ((), ("--cache", cache)):
            shutil.rmtree(cache, ignore_errors=True)
            seconds.append(_cpu_seconds(*maps, "--jobs", "1", "--limit", limit, *words))
    plain_few, cold_few, plain, cold = seconds
    pair = (cold - plain - (cold_few - plain_few)) / (n_pairs - FEW)
    return cold / plain, pair, cold_few - plain_few - FEW * pair


def _hashing(maps: tuple[Path, Path]) -> float:
    """The processor time of the BLAKE3 of a pair's files, in seconds."""
    from blake3 import blake3

    files = [[path.read_bytes() for path in sorted(side.iterdir())[:FEW]] for side in maps]
    taken = []
    for _ in range(ROUNDS):
        start = time.process_time()
        for data in chain(*files):
            blake3(data, max_threads=1).hexdigest()
        taken.append((time.process_time() - start) / FEW)
    return statistics.median(taken)


def _merging(root: Path, *, large: bool) -> Iterator[tuple[str, str, str]]:
    maps = _made(root / "merged", 1000, "float64", (4, 4))
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
    for number, shards in ((100_000, 10), *(((1_000_000, 1000),) if large else ())):
        peak, used = _peak_and_seconds("merge", *_shards(root / f"{number}", report, number, shards))
        yield f"memory, merge of {number} rows in {shards} shards", f"{peak // 1024} MB", "<= 300 MB"
        yield f"merge of {number} rows in {shards} shards, processor time", f"{used:.1f} s", ""


def _shards(root: Path, report: dict[str, Any], number: int, count: int) -> Sequence[Path]:
    """The shares of a run of so many maps, made of the report of a few."""
    root.mkdir(exist_ok=True)
    paths = [root / f"{place}.json" for place in range(count)]
    for place, path in enumerate(paths):
        rows = [{**report["maps"][one % 1000], "name": f"{one:012d}"} for one in range(place, number, count)]
        part = {**report, "maps": rows, "provenance": {**report["provenance"], "shard": f"{place + 1}/{count}"}}
        path.write_text(json.dumps(part))
    return paths


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
    """Folders of predictions and ground truths, PNG or .npy of a kind of floats, made where they are not there."""
    sides = folder / "pred", folder / "gt"
    if not folder.exists():
        rng = np.random.default_rng(5)
        for side in sides:
            side.mkdir(parents=True)
            for number in range(pairs):
                map_ = density(truth(rng), *shape)
                path = side / f"{number:06d}.{'png' if kind == 'png' else 'npy'}"
                _write(path, (map_ / map_.max()).astype("float64" if kind == "png" else kind))
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
    used = _usage(*arguments)
    return used.ru_utime + used.ru_stime


def _peak(*arguments: Any) -> int:
    """The largest memory of the process of a run, in KiB."""
    return _peak_and_seconds(*arguments)[0]


def _peak_and_seconds(*arguments: Any) -> tuple[int, float]:
    """The largest memory of the process of a run, in KiB, and its processor time.

    What `getrusage` says of the former begins with that of the parent.
    """
    command = [sys.executable, "-c", PEAK, *map(str, arguments), "-q"]
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=True)
    peak, seconds = done.stderr.split()[-2:]
    return int(peak), float(seconds)


def _usage(*arguments: Any) -> resource.struct_rusage:
    """What a run and its workers used."""
    command = [sys.executable, "-m", "kldeval", *map(str, arguments), "-q"]
    # a run that has to compile its modules anew would be measured with them
    environment = {name: text for name, text in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return used
