"""Memory that forked processes share, in blocks: large arrays of a result are copied once on either side of it.

Goal: decoded maps go from worker processes to the one that measures them at the speed of memory, not of pipes.
Conventions: who sends a result takes free blocks and never waits for them; where too few are free, the result goes as
it is. Who receives it copies the arrays out and frees the blocks at once, so that no array lies in memory that others
write to. The memory has no name, and ends with the processes.
"""

from __future__ import annotations

import mmap
import os
import pickle
import struct
from typing import TYPE_CHECKING, Any

from kldeval.dataclass import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

BLOCK_BYTES = 1 << 17

SHARED_BYTES = 1 << 28
"""Bytes of all blocks, of which those are taken from the system that were written to: maps of 16 workers."""

LEAST_BYTES = 1 << 14
"""Bytes of the smallest array that is worth blocks."""

_PLACE = struct.Struct("=I")

_AT_ONCE = 4096
"""Bytes that a pipe takes whole (PIPE_BUF), https://man7.org/linux/man-pages/man7/pipe.7.html."""


class Packed(NamedTuple):
    """A result on its way: its pickle, the places of the blocks that hold its large arrays, and their sizes."""

    data: bytes
    places: bytes = b""
    sizes: tuple[int, ...] = ()


class SharedBlocks:
    """Blocks of memory for this process and those that it forks; a pipe holds the places of the free ones."""

    def __init__(self, n_bytes: int = SHARED_BYTES) -> None:
        """Ask for the memory.

        Raises:
            OSError: there is none, or no pipe.
        """
        n_blocks = n_bytes // BLOCK_BYTES
        self._memory = mmap.mmap(-1, n_blocks * BLOCK_BYTES)
        self._taking, self._freeing = os.pipe()
        os.set_blocking(self._taking, False)
        self._free(b"".join(map(_PLACE.pack, range(n_blocks))))

    def close(self) -> None:
        """Give it up in this process."""
        for end in (self._taking, self._freeing):
            os.close(end)
        self._memory.close()

    def pack(self, result: Any) -> Packed:
        """The result as it is sent, with its large arrays in blocks where enough of them are free."""
        large: list[memoryview] = []

        def is_small(buffer: pickle.PickleBuffer) -> bool:
            raw = buffer.raw()
            if raw.nbytes >= LEAST_BYTES:
                large.append(raw)
            return raw.nbytes < LEAST_BYTES

        data = pickle.dumps(result, protocol=5, buffer_callback=is_small)
        sizes = tuple(one.nbytes for one in large)
        places = self._take(sum(map(_n_blocks, sizes)))
        if places is None:
            return Packed(pickle.dumps(result, protocol=5))
        coming = _numbers(places)
        for one in large:
            for start in range(0, one.nbytes, BLOCK_BYTES):
                part = one[start : start + BLOCK_BYTES]
                where = next(coming) * BLOCK_BYTES
                self._memory[where : where + len(part)] = part
        return Packed(data, places, sizes)

    def unpack(self, packed: Packed) -> Any:
        """The result, whose arrays are its own; the blocks are free again."""
        coming, arrays = _numbers(packed.places), []
        for size in packed.sizes:
            array = self._copied(size, [next(coming) for _ in range(_n_blocks(size))])
            arrays.append(array)
        self._free(packed.places)
        return pickle.loads(packed.data, buffers=arrays)  # noqa: S301 - of a process that this one forked

    def _copied(self, size: int, places: Sequence[int]) -> Any:
        import numpy as np  # here, because this process may have forked others before it needed arrays

        array, shared = np.empty(size, np.uint8), memoryview(self._memory)
        for number, place in enumerate(places):
            start, where = number * BLOCK_BYTES, place * BLOCK_BYTES
            length = min(BLOCK_BYTES, size - start)
            array[start : start + length] = shared[where : where + length]
        shared.release()
        return array

    def _take(self, count: int) -> bytes | None:
        """The places of so many blocks; None where fewer are free."""
        wanted, taken = count * _PLACE.size, b""
        while len(taken) < wanted:
            try:
                taken += os.read(self._taking, wanted - len(taken))
            except BlockingIOError:
                self._free(taken)
                return None
        return taken

    def _free(self, places: bytes) -> None:
        # whole places, however many processes write
        for start in range(0, len(places), _AT_ONCE):
            os.write(self._freeing, places[start : start + _AT_ONCE])


def _n_blocks(size: int) -> int:
    return -(-size // BLOCK_BYTES)


def _numbers(places: bytes) -> Iterator[int]:
    return (number for (number,) in _PLACE.iter_unpack(places))
