"""Class weights as a user gives them: numbers, or a file that holds them."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import TYPE_CHECKING

from kldeval.errors import UsageProblem, printable
from kldeval.grammar import format_value
from kldeval.regular import check_regular, read_regular, why

if TYPE_CHECKING:
    from collections.abc import Iterable


LARGEST_FILE = 2**20
"""Bytes of a file of weights: a million of them are no list of classes."""


def weights_text(given: str) -> str:
    """The weights as the text `(1,0.5,2)`: of such a text, of `1,0.5,2`, or of a file.

    A file is an .npy of one axis, or text with numbers between commas, blanks or line breaks.

    >>> weights_text("1, 0.5,2")
    '(1,0.5,2)'

    Raises:
        UsageProblem: neither numbers nor a file of numbers.
    """
    numbers = _numbers(given.strip().removeprefix("(").removesuffix(")"))
    if numbers is None:
        numbers = _from_file(Path(given))
        for place, weight in enumerate(numbers):
            if not 0 <= weight < math.inf:
                what = f"the weight of class {place} is {weight}; a class weight is finite and not negative"
                raise _problem(Path(given), what)
    return format_value(tuple(numbers))


def _from_file(path: Path) -> list[float]:
    try:
        check_regular(path)
        if path.stat().st_size > LARGEST_FILE:
            raise _problem(path, "it is too large for a list of weights")
        is_array = path.suffix.lower() == ".npy"
        numbers = _from_array(path) if is_array else _numbers(read_regular(path, LARGEST_FILE).decode())
    except FileNotFoundError:
        raise _problem(path, "neither numbers such as 1,0.5,2 nor a file") from None
    except OSError as error:
        raise _problem(path, why(error)) from error
    except UsageProblem:
        raise
    except ValueError:  # no text, or a path that cannot be one
        numbers = None
    if not numbers:
        raise _problem(path, "it holds no list of numbers, one for each class, such as 1,0.5,2")
    return numbers


def _from_array(path: Path) -> list[float] | None:
    import numpy as np

    try:
        array = np.load(path, allow_pickle=False)
    except OSError:
        raise
    except Exception:  # noqa: BLE001 - numpy raises nearly everything on what is no .npy
        return None
    if not isinstance(array, np.ndarray):
        return None
    return [float(x) for x in array] if array.ndim == 1 and array.dtype.kind in "biuf" else None


def _numbers(text: str) -> list[float] | None:
    """The numbers of a text; None if anything else stands in it."""
    try:
        return [float(word) for word in _words(text)] or None
    except ValueError:
        return None


def _words(text: str) -> Iterable[str]:
    return re.split(r"[\s,]+", text.strip().strip(","))


def _problem(path: Path, what: str) -> UsageProblem:
    return UsageProblem(f"--class-weights {printable(path)}: {what}")
