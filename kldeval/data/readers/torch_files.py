"""Files of torch.save with a tensor, or with tensors in dicts and lists; nothing in them is executed.

torch itself reads them (`weights_only=True`), in a process of their own. A tensor's name is its key; keys of dicts
within dicts are joined by slashes, and places in lists have zeros in front.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from kldeval.data.readers.apart import Library
from kldeval.data.readers.entries import StoredArray, check_count
from kldeval.data.readers.files import as_file
from kldeval.data.readers.stored import unreadable
from kldeval.digests import kept_by
from kldeval.memory import BytesInMemory
from kldeval.regular import check_regular

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from kldeval.arrays import NumpyArray as Array
    from kldeval.data.readers.stored import Limits
    from kldeval.digests import Kept

LIBRARY = Library("torch", "files of torch.save", "pip install torch")

DEEPEST = 8
"""Dicts and lists within each other."""

ONLY = ""
"""The key of a tensor that is the file's whole content."""


def entries(path: Path | BytesInMemory, _limits: Limits) -> list[StoredArray]:
    """The tensors of a file.

    Raises:
        UnreadableMap: damaged, or more than tensors.
    """
    tensors = _tensors(path)
    for key, tensor in tensors.items():
        if tensor.is_nested:  # it has no shape
            raise unreadable(path, f"{_tensor_words(key)} is nested: store each of its parts as a tensor")
    return [StoredArray(key, tuple(tensor.shape), _kind(tensor)) for key, tensor in tensors.items()]


def load(key: str, place: int | None, path: Path | BytesInMemory, limits: Limits) -> Array:
    """One tensor, or the slice of it at a place along the first axis; floats that numpy lacks as single ones.

    Raises:
        UnreadableMap: as `entries`; or it is too large, sparse, quantised, without values or of an unknown type.
    """
    import torch

    tensor = _tensors(path)[key]
    tensor = tensor if place is None else tensor[place]
    check_count(tuple(tensor.shape), path, limits)
    if tensor.layout != torch.strided or tensor.is_quantized:
        raise unreadable(path, f"{_tensor_words(key)} is sparse or quantised; store it dense")
    if tensor.is_meta:
        raise unreadable(path, f"{_tensor_words(key)} is of the device meta and has no values; store the computed one")
    try:
        is_known = not tensor.is_floating_point() or tensor.dtype in (torch.float16, torch.float32, torch.float64)
        found: Array = (tensor if is_known else tensor.float()).detach().numpy().copy()
    except (RuntimeError, TypeError) as error:
        what = f"is of type {tensor.dtype}, which is not read; store it as float32"
        raise unreadable(path, f"{_tensor_words(key)} {what}") from error
    return found


def _tensor_words(key: str) -> str:
    return f"its tensor {key!r}" if key != ONLY else "its tensor"


def _tensors(path: Path | BytesInMemory) -> Mapping[str, Any]:
    if isinstance(path, BytesInMemory):
        return _content(path)
    check_regular(path)
    return _kept(path, kept_by(path))


@lru_cache(maxsize=1)
def _kept(path: Path, _kept_by: Kept | None) -> Mapping[str, Any]:
    """The tensors of a file, kept for the next that is asked for."""
    return _content(path)


def _content(path: Path | BytesInMemory) -> Mapping[str, Any]:
    import torch

    try:
        content = torch.load(as_file(path), map_location="cpu", weights_only=True)
    except Exception as error:
        first = str(error).strip().partition("\n")[0] or type(error).__name__
        what = f"damaged, or no file of torch.save ({first})"
        if "Unsupported" in str(error):
            what = "it holds more than tensors, which is not loaded"
        raise unreadable(path, what) from error
    return dict(_walk(content, ONLY, 0))


def _walk(content: Any, key: str, depth: int) -> Iterator[tuple[str, Any]]:
    import torch

    if isinstance(content, torch.Tensor):
        yield key, content
    elif isinstance(content, dict | list | tuple) and depth < DEEPEST:
        digits = max(3, len(str(len(content) - 1)))
        named = content.items() if isinstance(content, dict) else enumerate(content)
        for name, item in named:
            word = str(name) if isinstance(content, dict) else f"{name:0{digits}d}"
            yield from _walk(item, f"{key}/{word}" if key else word, depth + 1)


def _kind(tensor: Any) -> str:
    return (
        "b"
        if str(tensor.dtype) == "torch.bool"
        else "f"
        if tensor.is_floating_point()
        else "c"
        if tensor.is_complex()
        else "i"
    )
