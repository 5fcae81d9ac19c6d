"""Reads the files that it is told of, one after another, and says what became of each: what a child process does."""

from __future__ import annotations

import contextlib
import json
import sys
import time
import traceback
import zlib
from pathlib import Path

MEMORY = 4 * 2**30
"""Bytes of address space: a small file that needs more has claimed it."""

MAX_PIXELS = 4_000_000


def main() -> int:
    """Answer lines of `reader path` with lines of JSON, until there are no more."""
    _bound_memory()
    for line in sys.stdin:
        reader, _, name = line.rstrip("\n").partition(" ")
        started = time.monotonic()
        verdict = _verdict(reader, Path(name))
        print(json.dumps({**verdict, "seconds": time.monotonic() - started}), flush=True)
    return 0


def _bound_memory() -> None:
    with contextlib.suppress(ImportError, ValueError, OSError):  # not every system can
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


def _verdict(reader: str, path: Path) -> dict[str, str]:
    from kldeval.errors import KldevalError

    try:
        _read(reader, path)
    except KldevalError as error:
        message = str(error)
        if "too large for the memory" in message:
            return {"verdict": "memory", "what": message}
        return {"verdict": "refused" if "\n" not in message else "several lines", "what": message}
    except BaseException as error:  # noqa: BLE001 - a panic of Rust is no Exception
        place = traceback.extract_tb(error.__traceback__)[-1]
        return {"verdict": "raised", "what": f"{type(error).__name__} in {Path(place.filename).name}:{place.name}"}
    if path.suffix == ".png" and not _opencv_reads(path) and not _has_its_checksum(path):
        return {"verdict": "silent", "what": "read although OpenCV refuses it"}
    return {"verdict": "read", "what": ""}


def _read(reader: str, path: Path) -> None:
    from kldeval.data.fixations import FixationReading, read_fixations
    from kldeval.data.readers import LABEL_READERS, READERS, read_map, read_size

    if reader == "fixations":
        for found in read_fixations(path, FixationReading(max_pixels=MAX_PIXELS)).values():
            assert (found.counts >= 1).all(), "counts below 1"
            if found.shape is not None:
                found.inside(found.shape)[0].count_map(found.shape)
        return
    read_map(path, max_pixels=MAX_PIXELS, readers=LABEL_READERS if reader == "labels" else READERS)
    read_size(path, max_pixels=MAX_PIXELS)


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
