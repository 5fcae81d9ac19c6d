"""MATLAB files of version 7.3, which are HDF5, read by a process of their own.

The HDF5 library is C code that damaged files can crash or keep busy for ever, and a crash would take the whole run with
it. So one child process reads such files for its parent, within bounds of memory and time; when a file ends it, that
file is refused, and the next one gets a new child.

Format: MATLAB's matrices are stored with their axes reversed; cells and arrays of structs hold references.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib.util
import os
import pickle
import selectors
import signal
import struct
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kldeval.data.readers.files import reason, refusals
from kldeval.data.readers.stored import SLACK, Limits, unreadable
from kldeval.errors import KldevalError, MissingDependency

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from kldeval.arrays import Array

MAGIC = b"\x89HDF\r\n\x1a\n"
OFFSETS = (0, 512)
"""Where the signature stands: MATLAB puts a text header of 512 bytes before it."""

DEEPEST, MOST_ITEMS = 32, 5_000_000

SECONDS = 120.0
"""How long a file may take; a data set of a thousand images takes a few seconds."""

MEMORY = 2**31
"""Bytes of address space that the child may have beside three copies of the values."""

_LENGTH = struct.Struct("<Q")


@dataclass(slots=True)
class _Child:
    """The process that reads for this one; it ends when its standard input does."""

    process: subprocess.Popen[bytes]


_child: list[_Child] = []
_inherited: list[_Child] = []
_lock = threading.Lock()


def _end_child() -> None:
    """End the child of this process, if it has one."""
    for child in _child:
        child.process.kill()
        _closed(child.process)
    _child.clear()


def _closed(process: subprocess.Popen[bytes]) -> int:
    """The exit code of a process that has ended or is ending, whose pipes are closed."""
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()
    return process.wait()


def _forget_child() -> None:
    """After a fork the child is the parent's, and whoever held the lock is not here."""
    global _lock  # noqa: PLW0603 - a lock that another thread held cannot be released
    _inherited.extend(_child)
    _child.clear()
    _lock = threading.Lock()


atexit.register(_end_child)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_child)


def load_apart(path: Path, limits: Limits) -> Mapping[str, Any]:
    """The variables of a file, read by the child process.

    Raises:
        UnreadableMap: damaged, too large, too slow, or it ended the child.
        MissingDependency: h5py cannot be imported.
    """
    _check_library()
    with _lock:
        child = _started()
        try:
            answer = _asked(child, pickle.dumps((str(path), limits)))
        except (OSError, EOFError):
            child.kill()
            code = _closed(child)
            _child.clear()
            what = f"signal {-code} ({signal.Signals(-code).name})" if code < 0 else f"exit code {code}"
            raise unreadable(path, f"damaged: the process that read it ended ({what})") from None
        except TimeoutError:
            _end_child()
            raise unreadable(path, f"damaged, or too large: reading it took over {SECONDS:g} seconds") from None
    if isinstance(answer, KldevalError):
        raise answer
    variables: Mapping[str, Any] = answer
    return variables


def _check_library() -> None:
    """Refuse without h5py, which this process itself does not import."""
    try:
        found = importlib.util.find_spec("h5py")
    except ValueError:
        found = None
    if found is None:
        msg = "MATLAB files of version 7.3 need h5py, which is not installed; install it with: pip install h5py"
        raise MissingDependency(msg)


def _started() -> subprocess.Popen[bytes]:
    """The child of this process: after a fork the parent's is not ours."""
    if _child and _child[0].process.poll() is not None:
        _end_child()
    if not _child:
        command = [sys.executable, "-m", __spec__.name if __spec__ else __name__]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)  # noqa: S603 - this program
        _child.append(_Child(process))
    return _child[0].process


def _asked(child: subprocess.Popen[bytes], question: bytes) -> Any:
    if child.stdin is None or child.stdout is None:
        raise EOFError
    child.stdin.write(_LENGTH.pack(len(question)) + question)
    child.stdin.flush()
    deadline = time.monotonic() + SECONDS
    (length,) = _LENGTH.unpack(_received(child.stdout.fileno(), _LENGTH.size, deadline))
    return pickle.loads(_received(child.stdout.fileno(), length, deadline))  # noqa: S301 - our own child wrote it


def _received(pipe: int, n_bytes: int, deadline: float) -> bytearray:
    received = bytearray()
    with selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)
        while len(received) < n_bytes:
            if not selector.select(max(0.0, deadline - time.monotonic())):
                raise TimeoutError
            part = os.read(pipe, min(n_bytes - len(received), 2**20))
            if not part:
                raise EOFError
            received += part
    return received


def serve() -> None:
    """Answer the questions on standard input until it ends: what the child process does."""
    questions, answers = sys.stdin.buffer, sys.stdout.buffer
    while len(head := questions.read(_LENGTH.size)) == _LENGTH.size:
        path, limits = pickle.loads(questions.read(*_LENGTH.unpack(head)))  # noqa: S301 - the parent wrote it
        answer: Any
        try:
            _bound_memory(limits)
            answer = load(Path(path), limits)
        except KldevalError as error:
            answer = error
        data = pickle.dumps(answer, protocol=pickle.HIGHEST_PROTOCOL)
        answers.write(_LENGTH.pack(len(data)) + data)
        answers.flush()


def _bound_memory(limits: Limits) -> None:
    with contextlib.suppress(ImportError, ValueError, OSError):  # not every system can
        import resource

        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY + 3 * 8 * limits.max_pixels, hard))


@dataclass(slots=True)
class _Reader:
    """An open file, and what may still be read of it."""

    file: Any
    left: int
    n_items: int = 0
    depth: int = field(default=0)

    def enter(self, n_bytes: int = 0) -> None:
        """Count an item of so many bytes, one level deeper.

        Raises:
            ValueError: more bytes, items or levels than allowed.
        """
        self.left -= n_bytes
        self.n_items += 1
        self.depth += 1
        if self.left < 0 or self.n_items > MOST_ITEMS or self.depth > DEEPEST:
            msg = f"it claims more values than --max-pixels allows, over {MOST_ITEMS} parts, or references in a circle"
            raise ValueError(msg)


def load(path: Path, limits: Limits) -> Mapping[str, Any]:
    """The variables of a MATLAB file of version 7.3, read in this process.

    Raises:
        UnreadableMap: it is damaged, too large, or keeps its data in other files.
        MissingDependency: h5py cannot be imported.
    """
    _check_library()
    import h5py

    with refusals(path):
        try:
            with h5py.File(path, "r") as file:
                reader = _Reader(file, 8 * limits.max_pixels + SLACK)
                return {name: _plain(item, reader) for name, item in _members(file) if not name.startswith("#")}
        except Exception as error:
            raise unreadable(path, f"damaged, or no MATLAB file ({reason(error)})") from error


def _members(group: Any) -> Iterator[tuple[str, Any]]:
    """The members of a group; a link could lead to any file of the machine, and MATLAB makes none."""
    import h5py

    for name in group:
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise _elsewhere(name)
        yield name, group[name]


def _elsewhere(name: str) -> ValueError:
    return ValueError(f"{name} is a link or lies in another file")


def _plain(item: Any, reader: _Reader) -> Any:
    kind = item.attrs.get("MATLAB_class", b"")
    if hasattr(item, "keys"):
        reader.enter()
        value = _sparse(item, reader) if "MATLAB_sparse" in item.attrs else _struct(item, reader)
    else:
        if item.external or item.is_virtual:
            raise _elsewhere(item.name)
        reader.enter(item.size * max(8, item.dtype.itemsize))
        value = _values(item, kind, reader)
    reader.depth -= 1
    return value


def _values(item: Any, kind: bytes, reader: _Reader) -> Any:
    if "MATLAB_empty" in item.attrs:
        shape = [int(n) for n in item[()].ravel()[:DEEPEST]]
        return {b"char": "", b"cell": [], b"struct": []}.get(kind, np.zeros(shape if 0 in shape else (0, 0)))
    if item.dtype == object:
        return [_plain(reader.file[reference], reader) for reference in item[()].ravel()]
    values = np.asarray(item[()]).T
    return "".join(map(chr, values.ravel(order="F"))) if kind == b"char" else values


def _struct(group: Any, reader: _Reader) -> Any:
    """A struct as a dict; an array of structs, whose fields are references outside any cell, as a list of them."""
    fields = {name: _plain(item, reader) for name, item in _members(group)}
    is_array = fields and all(
        not hasattr(item, "keys") and item.dtype == object and "MATLAB_class" not in item.attrs
        for _, item in _members(group)
    )
    if not is_array:
        return fields
    return [dict(zip(fields, values, strict=True)) for values in zip(*fields.values(), strict=True)]


def _sparse(group: Any, reader: _Reader) -> Array:
    """A sparse matrix, stored by columns, as a dense one."""
    reader.enter(8 * (group["jc"].size + (2 * group["ir"].size if "data" in group else 0)))
    starts = np.asarray(group["jc"], np.int64)
    height, width = int(group.attrs["MATLAB_sparse"]), len(starts) - 1
    reader.enter(8 * height * width)
    dense = np.zeros((height, width))
    if "data" in group:
        dense[np.asarray(group["ir"], np.int64), np.repeat(np.arange(width), np.diff(starts))] = group["data"]
    reader.depth -= 2
    return dense


if __name__ == "__main__":
    serve()
