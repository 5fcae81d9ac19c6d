"""The versions of what computes, for the provenance."""

from __future__ import annotations

import sys

from kldeval._version import __version__

_LIBRARIES = {"numpy": "numpy", "opencv": "cv2", "scipy": "scipy", "torch": "torch"}


def versions() -> dict[str, str]:
    """Those of kldeval, Python and every numeric library that has been imported by now."""
    loaded = {name: sys.modules[module].__version__ for name, module in _LIBRARIES.items() if module in sys.modules}
    return {"kldeval": __version__, "python": ".".join(map(str, sys.version_info[:3])), **loaded}
