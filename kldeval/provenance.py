"""What may move the last bits of a number: versions of packages, and the arithmetic of this machine."""

from __future__ import annotations

import os
import re
import sys
from contextlib import suppress
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kldeval._version import __version__
from kldeval.digests import key_hash

if TYPE_CHECKING:
    from typing_extensions import Buffer

_ALWAYS = {"opencv": "cv2", "scipy": "scipy"}
_RECORD = ".dist-info"

_READERS = ("kornia_rs", "deflate", "tifffile", "imagecodecs", "h5py", "OpenEXR")
_VERSION = re.compile(r"""^(?:__version__|version|opencv_version)(?:\s*:\s*str)?\s*=\s*["']([^"']+)""", re.MULTILINE)

LARGEST_SOURCE = 1 << 15
"""Bytes of a source file that are read at a time: of most files all."""

DIGITS = 12
"""Hexadecimal digits of the fingerprint of the arithmetic."""


def versions() -> dict[str, str]:
    """The versions of kldeval, Python, numpy, OpenCV and SciPy, and the arithmetic, whatever has been imported."""
    installed = {name: version for name, package in _ALWAYS.items() if (version := _installed(package))}
    return {
        "kldeval": __version__,
        "python": ".".join(map(str, sys.version_info[:3])),
        "numpy": np.__version__,
        **installed,
        "arithmetic": arithmetic(),
    }


def versions_of_readers(*, with_torch: bool) -> dict[str, str]:
    """The versions of all that decodes or computes: what a number may depend on in more than its last bits."""
    found = versions()
    recorded = _recorded()
    for package in (*_READERS, *(("torch",) if with_torch else ())):
        version = recorded.get(package.lower().replace("-", "_")) or _distributed(package)
        if version:
            found[package] = version
    return found


@cache
def _recorded() -> dict[str, str]:
    """The versions of packages, by the names of the folders in which installers record them: read in a millisecond."""
    found: dict[str, str] = {}
    for place in sys.path:
        with suppress(OSError):
            for entry in os.listdir(place or "."):  # noqa: PTH208 - no paths are needed
                if not entry.endswith(_RECORD):
                    continue
                name, dash, version = entry.removesuffix(_RECORD).partition("-")
                if dash:
                    found.setdefault(name.lower().replace(".", "_"), version)
    return found


def _distributed(package: str) -> str:
    """The version of a package that was recorded in another way; "" where it is not installed."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(package)
    except PackageNotFoundError:
        return ""


@cache
def arithmetic() -> str:
    """A fingerprint of the machine's arithmetic: of the bits of logarithms, exponentials, sums and products.

    Where it agrees two machines give the same bytes; where it does not, numbers differ by 1e-12 at most. numpy and its
    BLAS choose among instructions (AVX2, AVX-512, NEON) that round differently: `NPY_DISABLE_CPU_FEATURES` and
    `OPENBLAS_CORETYPE` show it.
    """
    found = bytearray()
    for dtype in (np.float64, np.float32):
        x = np.arange(1, 1026).astype(dtype) / np.asarray(129, dtype)
        sums = x.sum(), (x[:992].reshape(31, 32) / x[3]).sum(axis=0)
        # OpenBLAS has kernels of its own for each family of processors
        products = np.dot(x, np.sqrt(x)), x[:960].reshape(30, 32) @ x[:544].reshape(32, 17)
        for part in (np.log(x), np.exp(-x), *products, *sums):
            found += np.asarray(part).tobytes()
    return sha256_of(found)[:DIGITS]


def sha256_of(data: Buffer) -> str:
    """The SHA-256 of some kilobytes, by the module that `random` takes: `hashlib` loads OpenSSL, for milliseconds."""
    sha256: Any
    try:
        sha256 = import_module("_sha2" if sys.version_info >= (3, 12) else "_sha256").sha256
    except ImportError:
        from hashlib import sha256
    digest: str = sha256(data).hexdigest()
    return digest


@cache
def source_key() -> str:
    """What a cache knows this package's own source by, which may differ where the version is the same."""
    found = key_hash()(b"")
    package = str(Path(__file__).parent)
    for folder, below, names in os.walk(package):
        below[:] = sorted(name for name in below if name != "__pycache__")
        place = folder.removeprefix(package)
        for name in sorted(name for name in names if name.endswith(".py")):
            found.update(f"{place}/{name}\0".encode())
            file = os.open(f"{folder}/{name}", os.O_RDONLY | getattr(os, "O_BINARY", 0))
            while data := os.read(file, LARGEST_SOURCE):
                found.update(data)
                if len(data) < LARGEST_SOURCE:
                    break
            os.close(file)
    return found.hexdigest()


@cache
def _installed(package: str) -> str:
    """The version that a package says in its file version.py, without importing it; "" where there is none."""
    try:
        spec = find_spec(package)
        places = (spec.submodule_search_locations if spec else None) or ()
        texts = (Path(place, "version.py").read_text(encoding="utf-8") for place in places)
        found = next(filter(None, map(_VERSION.search, texts)), None)
    except (ImportError, ValueError, OSError):
        return ""
    return found[1] if found else ""
