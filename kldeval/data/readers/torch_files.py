"""Files of torch.save with a tensor, or with tensors in dicts and lists; nothing in them is executed.

torch itself reads them (`weights_only=True`), in a process of their own. A tensor's name is its key; keys of dicts
within dicts are joined by slashes, and places in lists have zeros in front.
"""

from __future__ import annotations

import importlib.util
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from kldeval.data.readers.apart import load_apart
from kldeval.data.readers.entries import StoredArray, check_count
from kldeval.data.readers.stored import unreadable
from kldeval.errors import MissingDependency
from kldeval.regular import check_regular

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from kldeval.arrays import NumpyArray as Array
    from kldeval.data.readers.stored import Limits

SUFFIXES = (".pt", ".pth")

DEEPEST = 8
"""Dicts and lists within each other."""

ONLY = ""
"""The key of a tensor that is the file's whole content."""


def entries(path: Path, limits: Limits) -> list[StoredArray]:
    """The tensors of a file.

    Raises:
        UnreadableMap: damaged, or more than tensors.
        MissingDependency: torch is not installed.
    """
    _check_library()
    found: list[StoredArray] = load_apart(__name__, path, limits, "listed")
    return found


def load(path: Path, limits: Limits, key: str, place: int | None = None) -> Array:
    """One tensor, or the slice of it at a place along the first axis; brain floats as single ones.

    Raises:
        UnreadableMap, MissingDependency: as `entries`; or it is too large.
    """
    _check_library()
    return load_apart(__name__, path, limits, "loaded", key, place)


def listed(path: Path, _limits: Limits) -> list[StoredArray]:
    """The tensors of a file, listed in this process.

    Raises:
        UnreadableMap: as `entries`.
    """
    return [StoredArray(key, tuple(tensor.shape), _kind(tensor)) for key, tensor in _tensors(path).items()]


def loaded(key: str, place: int | None, path: Path, limits: Limits) -> Array:
    """One tensor of a file, read in this process.

    Raises:
        UnreadableMap: as `load`.
    """
    import torch

    tensor = _tensors(path)[key]
    tensor = tensor if place is None else tensor[place]
    check_count(tuple(tensor.shape), path, limits)
    if tensor.layout != torch.strided or tensor.is_quantized:
        raise unreadable(path, f"its tensor {key!r} is sparse or quantised; store it dense")
    return (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).detach().numpy().copy()


def _tensors(path: Path) -> Mapping[str, Any]:
    check_regular(path)
    return _kept(path, path.stat().st_mtime_ns, path.stat().st_size)


@lru_cache(maxsize=1)
def _kept(path: Path, _modified: int, _size: int) -> Mapping[str, Any]:
    """The tensors of a file, kept for the next that is asked for."""
    import torch

    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        first = str(error).strip().partition("\n")[0]
        what = (
            "it holds more than tensors, which is not loaded" if "Unsupported" in str(error) else f"damaged ({first})"
        )
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


def _check_library() -> None:
    try:
        found = importlib.util.find_spec("torch")
    except ValueError:
        found = None
    if found is None:
        msg = "files of torch.save need torch, which is not installed: pip install torch"
        raise MissingDependency(msg)
