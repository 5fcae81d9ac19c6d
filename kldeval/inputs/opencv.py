"""The one door to OpenCV: imported late, silenced, and missed with advice."""

from __future__ import annotations

from functools import cache
from typing import Any

from kldeval.errors import MissingDependency


@cache
def opencv() -> Any:
    """The `cv2` module. Its log is switched off for the whole process: what it would say, our errors say.

    Raises:
        MissingDependency: cv2 cannot be imported; the message says what to install.
    """
    try:
        import cv2
    except ImportError as error:
        raise MissingDependency(_advice(str(error))) from error
    _silence(cv2)
    return cv2


def _advice(reason: str) -> str:
    first = (reason.splitlines() or ["no reason given"])[0]
    if ".so" in reason:
        # a wheel with windows, on a server without a screen
        return (
            f"OpenCV cannot be imported ({first}); install the system packages libgl1 and libglib2.0-0, "
            "or replace opencv-python: pip uninstall opencv-python && pip install opencv-python-headless"
        )
    return f"OpenCV cannot be imported ({first}); install it with: pip install opencv-python-headless"


def _silence(cv2: Any) -> None:
    if hasattr(cv2, "setLogLevel"):
        cv2.setLogLevel(0)
    else:  # OpenCV 5 moved it
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
