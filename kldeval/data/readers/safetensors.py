"""Files of safetensors: a header in JSON that says where each tensor lies, then the values, little-endian.

Nothing in such a file can be executed, and nothing is inflated. Format: https://huggingface.co/docs/safetensors
"""

from __future__ import annotations

import json
import math
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from kldeval.data.readers.entries import StoredArray, check_count
from kldeval.data.readers.files import opened_for_reading
from kldeval.data.readers.stored import unreadable
from kldeval.errors import printable

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
    **dict.fromkeys(("F8_E4M3", "F8_E5M2", "F8_E4M3FNUZ", "F8_E5M2FNUZ", "F8_E8M0"), "u1"),
}
"""numpy's types by the names of the format's; brain floats are the upper halves of single ones, and floats of a byte
places in a table of 256."""

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
            kind = printable(tensor["dtype"])
            raise unreadable(path, f"its tensor {printable(key)!r} is of type {kind}, which is not read; store F32")
        kept = shape if place is None else shape[1:]
        check_count(kept, path, limits)
        n_bytes = math.prod(kept) * np.dtype(dtype).itemsize
        file.seek(start + tensor["data_offsets"][0] + (place or 0) * n_bytes)
        data = file.read(n_bytes)
    if len(data) < n_bytes:
        raise unreadable(path, f"truncated: {len(data)} of the tensor's {n_bytes} bytes are there")
    values = np.frombuffer(data, dtype).reshape(kept)
    return _decoded(values, tensor["dtype"])


def _decoded(values: Array, name: str) -> Array:
    """The values of a type that numpy lacks as single floats, which hold them all; others as they are."""
    if name == "BF16":
        return (values.astype(np.uint32) << 16).view(np.float32)
    return byte_floats(name)[values] if name.startswith("F8") else values


@cache
def byte_floats(name: str) -> Array:
    """The values of the 256 codes of a float of one byte, by the name of its type.

    Source: P. Micikevicius et al. (2022), https://arxiv.org/abs/2209.05433; of FNUZ, whose negative zero is nan,
    https://arxiv.org/abs/2206.02915; of E8M0, powers of 2, the OCP's Microscaling Formats 1.0.

    >>> byte_floats("F8_E4M3")[[0, 0x38, 0x7E, 0xC0]].tolist(), byte_floats("F8_E5M2")[0x7B].item()
    ([0.0, 1.0, 448.0, -2.0], 57344.0)
    """
    codes = np.arange(256)
    if name == "F8_E8M0":
        found = np.exp2(codes - 127.0)
        found[255] = np.nan
        return found.astype(np.float32)
    digits = int(name[6])
    bias = (16 if digits == 2 else 8) - (not name.endswith("FNUZ"))  # noqa: PLR2004 - E5M2 and E4M3
    exponents, fractions = (codes & 0x7F) >> digits, (codes & (2**digits - 1)) / 2**digits
    found = np.where(exponents == 0, fractions * 2.0 ** (1 - bias), (1 + fractions) * 2.0 ** (exponents - bias))
    found = np.where(codes >> 7, -found, found)
    if name.endswith("FNUZ"):
        found[0x80] = np.nan
    elif name == "F8_E4M3":
        found[[0x7F, 0xFF]] = np.nan
    else:
        is_last = exponents == 31  # noqa: PLR2004 - the largest of 5 bits
        found = np.where(is_last, np.where(fractions == 0, np.copysign(np.inf, found), np.nan), found)
    return found.astype(np.float32)


def _kind(name: str) -> str:
    if name == "BF16" or name.startswith("F8"):
        return "f" if name in TYPES else UNKNOWN
    return "c" if name.startswith("C") else np.dtype(TYPES[name]).kind if name in TYPES else UNKNOWN


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
