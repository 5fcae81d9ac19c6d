"""Reads the files that it is told of, one after another, and says what became of each: what a child process does."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
import traceback
import warnings
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

from kldeval.process import make_expendable

if TYPE_CHECKING:
    from collections.abc import Iterator

MEMORY = 4 * 2**30
"""Bytes of address space: a small file that needs more has claimed it."""

MAX_PIXELS = 4_000_000


def main() -> int:
    """Answer lines of `reader path` with lines of JSON, until there are no more."""
    _bound_memory()
    make_expendable()
    warnings.simplefilter("ignore")  # what libraries warn of, the program says as a line of its own
    for line in sys.stdin:
        reader, _, name = line.rstrip("\n").partition(" ")
        started = time.process_time()  # other programs may have the cores
        found = verdict(reader, Path(name))
        print(json.dumps({**found, "seconds": time.process_time() - started}), flush=True)
    return 0


def _bound_memory() -> None:
    with contextlib.suppress(ImportError, ValueError, OSError):  # not every system can
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


def verdict(reader: str, path: Path) -> dict[str, str]:
    """What became of a file, and more of that in words; only a refusal in one line that names it is none of a fault."""
    from kldeval.errors import KldevalError

    try:
        _read(reader, path)
    except KldevalError as error:
        message = str(error)
        if "too large for the memory" in message:
            return {"verdict": "memory", "what": message}
        if reader not in COMMANDS and path.name not in message:
            return {"verdict": "unnamed", "what": message}
        return {"verdict": "refused" if "\n" not in message else "several lines", "what": message}
    except BaseException as error:  # noqa: BLE001 - a panic of Rust is no Exception
        place = traceback.extract_tb(error.__traceback__)[-1]
        said = f" ({error})" if isinstance(error, AssertionError) else ""
        what = f"{type(error).__name__} in {Path(place.filename).name}:{place.name}{said}"
        return {"verdict": "raised", "what": what}
    if path.suffix == ".png" and not _opencv_reads(path) and not _has_its_checksum(path):
        return {"verdict": "silent", "what": "read although OpenCV refuses it"}
    return {"verdict": "read", "what": ""}


def _read(reader: str, path: Path) -> None:
    if reader in COMMANDS:
        _run(reader, path)
        return
    from kldeval.data.fixations import FixationReading, read_fixations
    from kldeval.data.readers import LABEL_READERS, READERS, read_map, read_size

    if reader == "container":
        _read_members(path)
        return
    if reader == "video":
        with _as_in_the_program():
            _read_members(path)
        return
    if reader == "raw":
        read_map(path, max_pixels=MAX_PIXELS, shape=(40, 53))
        return
    if reader == "fixations":
        for found in read_fixations(path, FixationReading(max_pixels=MAX_PIXELS)).values():
            assert (found.counts >= 1).all(), "counts below 1"
            if found.shape is not None:
                found.inside(found.shape)[0].pixels(found.shape)
        return
    read_map(path, max_pixels=MAX_PIXELS, readers=LABEL_READERS if reader == "labels" else READERS)
    read_size(path, max_pixels=MAX_PIXELS)


@contextlib.contextmanager
def _as_in_the_program() -> Iterator[None]:
    """Have what may crash decoded by a further process, as the program itself has it."""
    from kldeval import process

    process._expendable.clear()  # noqa: SLF001 - nothing else has to undo it
    try:
        yield
    finally:
        make_expendable()


def _read_members(path: Path) -> None:
    """Read the maps of a container, each of which may be refused."""
    from kldeval.data.containers import open_container
    from kldeval.data.readers import read_map
    from kldeval.data.readers.stored import Limits
    from kldeval.errors import KldevalError

    found = open_container(path, Limits(MAX_PIXELS))
    problems = []
    for member in list(found.members.values())[:8] if found else [path]:
        try:
            read_map(member, max_pixels=MAX_PIXELS)
        except KldevalError as problem:
            problems.append(str(problem))
    if problems:
        raise KldevalError(problems[0])


COMMANDS = {
    "config": ("pred.npy gt.npy --config {}",),
    "manifest": ("--manifest {}", "check --manifest {}"),
    "weights": ("classes.npy labels.npy --axis 0 -m ce --class-weights {}",),
    "document": (
        "show {}",
        "show {} --format json",
        "show {} --format markdown --verbose",
        "show {} -o out.html -o out.tex -o out.csv",
        "compare {} report.json",
        "merge {} report.json",
        "methods {}",
        "pred.npy gt.npy --signature {}",
    ),
    "sidecar": ("pred.npy made.npy --format json",),
}
"""What the program is asked to do with a text; of several commands one, which the bytes choose."""


def _run(reader: str, path: Path) -> None:
    """Run the program as a user would.

    Raises:
        KldevalError: it refused the request, with its words.
        AssertionError: it ended in a way that is not documented.
    """
    from fuzz.surroundings import printed, surround
    from kldeval.errors import KldevalError

    if not (path.parent / "report.json").exists():
        surround(path.parent)
        os.chdir(path.parent)
    data = path.read_bytes()
    if reader == "sidecar":
        Path("made.json").write_bytes(data)
    commands = COMMANDS[reader]
    words = commands[zlib.crc32(data) % len(commands)].format(path.name).split()
    code, _, said = printed(words)
    lines = said.splitlines()
    assert code in (0, 1, 2, 3), f"{' '.join(words)}: exit code {code}"
    strange = [line for line in lines if not line.startswith("kldeval: ") or "unexpected error" in line]
    assert not strange, f"{' '.join(words)}: {strange[0]}"
    is_named = reader in ("config", "sidecar") or path.stem in said or words[0] == "compare"
    assert code != 2 or is_named, (  # noqa: PLR2004 - of a refused request
        f"{' '.join(words)}: {lines[0]}"
    )
    if code:
        raise KldevalError(lines[0] if lines else "failed maps")


def _opencv_reads(path: Path) -> bool:
    import cv2
    import numpy as np

    return cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_UNCHANGED) is not None


def _has_its_checksum(path: Path) -> bool:
    """Whether zlib finds the right pixels, too: OpenCV also refuses a window that is declared too small for them."""
    from kldeval.data.readers import png
    from kldeval.data.readers.stored import Limits

    data = path.read_bytes()
    picture = png._inspect(data, path, Limits())  # noqa: SLF001 - it is judged by its own words
    stream = png._stream(data, picture)  # noqa: SLF001 - the same
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    rows = inflater.decompress(stream[2:], picture.n_bytes + 1)
    checksum = int.from_bytes(inflater.unused_data[:4], "big")
    return len(rows) == picture.n_bytes and zlib.adler32(rows) == checksum


if __name__ == "__main__":
    sys.exit(main())
