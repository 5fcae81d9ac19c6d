"""MATLAB files up to version 7 as plain values: matrices, texts, and structs and cells as dicts and lists."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, Any

from kldeval.errors import MissingDependency
from kldeval.data.readers.stored import unreadable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_DAMAGED = (
    ValueError,
    TypeError,
    LookupError,
    EOFError,
    AttributeError,
    NotImplementedError,
    MemoryError,
    RuntimeError,
    struct.error,
    zlib.error,
)
"""What scipy raises on bytes that are no MATLAB file; it has no error of its own for all of them."""


def load_v5(path: Path) -> Mapping[str, Any]:
    """The variables of a MATLAB file of version 4 to 7.

    Raises:
        OSError: the file cannot be read.
        UnreadableMap: it is damaged or no MATLAB file.
        MissingDependency: scipy cannot be imported.
    """
    try:
        from scipy.io import loadmat
        from scipy.io.matlab import MatReadError
    except ImportError as error:
        msg = f"MATLAB files need scipy, which cannot be imported ({error}); install it with: pip install scipy"
        raise MissingDependency(msg) from error
    try:
        with path.open("rb") as file:
            variables = loadmat(file)
        return {name: plain(value) for name, value in variables.items() if not name.startswith("__")}
    except (MatReadError, OSError, *_DAMAGED) as error:
        # of the system's errors scipy's own have no number
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise unreadable(path, f"damaged, or no MATLAB file ({error})") from error


def plain(value: Any) -> Any:
    """What scipy read, without its wrappings: a struct of one element is a dict, of several a list of dicts."""
    import numpy as np

    if hasattr(value, "toarray"):
        return value.toarray()
    if not isinstance(value, np.ndarray):
        return value
    if value.dtype.names:
        records = [{name: plain(item[name]) for name in value.dtype.names} for item in value.ravel(order="F")]
        return records[0] if len(records) == 1 else records
    if value.dtype == object:
        return [plain(item) for item in value.ravel(order="F")]
    return "".join(value.ravel()) if value.dtype.kind in "US" else value
