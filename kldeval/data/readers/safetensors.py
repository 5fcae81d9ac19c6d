"""Files of safetensors: a header in JSON that says where each tensor lies, then the values, little-endian.

Nothing in such a file can be executed, and nothing is inflated. Format: https://huggingface.co/docs/safetensors
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from kldeval.data.readers.entries import StoredArray, check_count
from kldeval.data.readers.files import opened_for_reading
from kldeval.data.readers.stored import unreadable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from typing import BinaryIO

    from kldeval.arrays import NumpyArray as Array
    from kldeval.data.readers.stored import Limits
    from kldeval.memory import BytesInMemory

LONGEST_HEADER = 100_000_000
"""Bytes, the bound of the format's own library."""

TYPES: Mapping[str, str] = {
    "BOOL": "?",
    **{f"{letter}{8 * size}": f"<{letter.lower()}{size}" for letter in "IU" for size in (1, 2, 4, 8)},
    **{f"F{8 * size}": f"<f{size}" for size in (2, 4, 8)},
    "BF16": "<u2",
}
"""numpy's types by the names of the format's; brain floats are the upper halves of single ones."""

UNKNOWN = "V"
"""What stands for the kind of a type that numpy lacks."""


def entries(path: Path | BytesInMemory, limits: Limits) -> list[StoredArray]:
    """The tensors of a file.

    Raises:
        UnreadableMap: damaged.
        OSError: it cannot be opened_for_reading.
    """
    del limits
    with opened_for_reading(path) as file:
        tensors = _header(file, path)[0]
    return [StoredArray(name, tuple(tensor["shape"]), _kind(tensor["dtype"])) for name, tensor in tensors.items()]


def load(key: str, place: int | None, path: Path | BytesInMemory, limits: Limits) -> Array:
    """One tensor, or the slice of it at a place along the first axis.

    Raises:
        UnreadableMap: damaged, too large, or of a type that numpy lacks.
        OSError: it cannot be opened_for_reading.
    """
    with opened_for_reading(path) as file:
        tensors, start = _header(file, path)
        tensor = tensors[key]
        shape, dtype = tuple(tensor["shape"]), TYPES.get(tensor["dtype"], UNKNOWN)
        if dtype == UNKNOWN:
            raise unreadable(path, f"its tensor {key!r} is of type {tensor['dtype']}, which is not read; store F32")
        kept = shape if place is None else shape[1:]
        check_count(kept, path, limits)
        n_bytes = math.prod(kept) * np.dtype(dtype).itemsize
        file.seek(start + tensor["data_offsets"][0] + (place or 0) * n_bytes)
        data = file.read(n_bytes)
    if len(data) < n_bytes:
        raise unreadable(path, f"truncated: {len(data)} of the tensor's {n_bytes} bytes are there")
    values = np.frombuffer(data, dtype).reshape(kept)
    return (values.astype(np.uint32) << 16).view(np.float32) if tensor["dtype"] == "BF16" else values


def _kind(name: str) -> str:
    return "f" if name == "BF16" else np.dtype(TYPES[name]).kind if name in TYPES else UNKNOWN


def _header(file: BinaryIO, path: Path | BytesInMemory) -> tuple[Mapping[str, Any], int]:
    """The tensors that a file declares, checked against its size, and where their values begin."""
    length = int.from_bytes(file.read(8), "little")
    size = file.seek(0, 2)
    if not 0 < length <= min(LONGEST_HEADER, size):
        raise unreadable(path, f"no file of safetensors, or damaged: its header would have {length} bytes")
    file.seek(8)
    try:
        header = json.loads(file.read(length))
        tensors = {name: tensor for name, tensor in header.items() if name != "__metadata__"}
        sound = all(_is_sound(tensor, size - length - 8) for tensor in tensors.values())
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        sound = False
    if not sound:
        raise unreadable(path, "damaged: its header is no list of tensors that lie in the file")
    return tensors, 8 + length


def _is_sound(tensor: Any, size: int) -> bool:
    """Whether the shape, the type and the place of a tensor agree, and it lies within `size` bytes of values."""
    shape, (start, end) = tensor["shape"], tensor["data_offsets"]
    numbers = [*shape, start, end]
    if not all(type(number) is int and number >= 0 for number in numbers) or not start <= end <= size:
        return False
    dtype = TYPES.get(tensor["dtype"])
    return dtype is None or end - start == math.prod(shape) * np.dtype(dtype).itemsize
