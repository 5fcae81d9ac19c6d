"""What a report saves of its inputs on request: a digest of every file, and the options that chose them."""

from __future__ import annotations

import os
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kldeval.digests import file_digest
from kldeval.errors import UsageProblem, printable
from kldeval.executors.local import in_threads
from kldeval.memory import MISSING, MapInMemory, Member, NamedMaps
from kldeval.regular import why
from kldeval.run_options import RunOptions
from kldeval.urls import displayed, is_url

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from kldeval.memory import MapFolder
    from kldeval.records import Pair


BESIDE = ("fixations", "mask", "weights", "baseline", "other_map")
"""The options that name files beside the pairs."""

NOT_SAVED = frozenset(
    {
        "device",
        "jobs",
        "batch_bytes",
        "save_maps",
        "cache",
        "digests",
        "bounds",
        "engine",
        "scheduler",
        "scheduler_file",
        "engine_timeout",
        "client",
    }
)
"""The options of a run that choose no input."""

Digests = dict[str, dict[str, str]]
"""The SHA-256 of every file, by what it is (`pred`, `gt`, `fixations` ...) and its path below what was given."""


def saved_inputs(
    pairs: Iterable[Pair], pred: MapFolder | None, gt: MapFolder | None, request: RunOptions, jobs: int
) -> dict[str, Any]:
    """The digests of all files of a model's pairs and of what stands beside them, and the request, as JSON values.

    Raises:
        UsageProblem: a file cannot be read.
    """
    found: dict[tuple[str, str], Path | MapInMemory] = {}
    for pair in pairs:
        for role, root, file in (
            ("pred", pred, pair.pred),
            ("gt", gt, pair.gt),
            ("fixations", None, pair.fixations),
            ("mask", None, pair.mask),
        ):
            # of a map in a file of many the digest is that of the file
            held = file.path if isinstance(file, Member) else file
            if held is not None and held is not MISSING:
                found[role, _below(root, held)] = held
    for role in BESIDE:
        found |= {(role, name): file for name, file in _files_of(getattr(request, role))}
    if request.manifest is not None and request.manifest.is_file():
        found["manifest", request.manifest.name] = request.manifest
    digests: Digests = {}
    for (role, name), digest in zip(found, in_threads(_digest, found.values(), jobs), strict=True):
        digests.setdefault(role, {})[name] = digest
    return {"request": _saved_request(request), "digests": digests}


def _saved_request(request: RunOptions) -> dict[str, Any]:
    """The options that are not at their defaults and choose inputs, as JSON values."""
    defaults = RunOptions()
    return {
        name: list(value) if isinstance(value, tuple) else value if isinstance(value, bool | int) else displayed(value)
        for name, value in request._asdict().items()
        if name not in NOT_SAVED and value != getattr(defaults, name)
    }


def request_of(saved: Mapping[str, Any]) -> RunOptions:
    """The options of a run that a report has saved."""
    paths = {*BESIDE, "manifest"}
    values: dict[str, Any] = {
        name: Path(value) if name in paths else tuple(value) if isinstance(value, list) else value
        for name, value in saved.items()
        if name in RunOptions._fields
    }
    return RunOptions(**values)


def _below(root: MapFolder | None, file: Path | MapInMemory) -> str:
    """The path of a file below the folder that was given, or its name."""
    if isinstance(file, MapInMemory):
        return file.label
    if isinstance(root, Path) and root.is_dir():
        return Path(os.path.relpath(file, root)).as_posix()
    return str(file) if root is None else file.name


def _files_of(given: MapFolder | None) -> Iterator[tuple[str, Path | MapInMemory]]:
    if isinstance(given, NamedMaps):
        yield from ((name, file) for name, file in given.maps.items() if isinstance(file, MapInMemory | Path))
    elif given is not None and given.is_dir():
        for path in sorted(given.rglob("*")):
            if path.is_file() and not path.name.startswith("."):
                yield path.relative_to(given).as_posix(), path
    elif given is not None:
        yield given.name, given


def _digest(file: Path | MapInMemory) -> str:
    if isinstance(file, MapInMemory):
        found = sha256(f"{file.array.dtype} {file.array.shape}".encode())
        found.update(file.array.tobytes())
        return found.hexdigest()
    if is_url(file):
        msg = f"--digests is of files on this machine, and {printable(file)} is at a URL; leave it out"
        raise UsageProblem(msg)
    try:
        return file_digest(file)
    except OSError as error:
        msg = f"cannot read {printable(file)}: {why(error)}"
        raise UsageProblem(msg) from error
