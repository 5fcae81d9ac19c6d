"""Every error that kldeval raises on purpose.

A message says what is wrong, the offending value, and what would be right, in one line. Each class also is the
built-in error that a library user expects, so `except ValueError` works without knowing this module.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kldeval.urls import displayed, masked

if TYPE_CHECKING:
    from collections.abc import Iterable


class KldevalError(Exception):
    """The base of all errors below: what the command line prints without a traceback.

    >>> import kldeval
    >>> try:
    ...     kldeval.signature("kld", base="3")
    ... except KldevalError as error:
    ...     print(type(error).__name__)
    UsageProblem
    """

    def __init__(self, *said: object) -> None:
        super().__init__(*(masked(one) if isinstance(one, str) else one for one in said))


class UsageProblem(KldevalError, ValueError):
    """The request itself is wrong: an option, a name or a combination that can mean nothing.

    >>> import kldeval
    >>> kldeval.signature("kld", base="3")
    Traceback (most recent call last):
    kldeval.errors.UsageProblem: ...
    """


class PartsMissing(UsageProblem):
    """Rows of a run could not be written as parts; `report` is what became of it, where Python asked for them."""

    report: object = None


class UnknownName(UsageProblem, LookupError):
    """A name that is in no registry.

    >>> import kldeval
    >>> kldeval.signature("kldd")
    Traceback (most recent call last):
    kldeval.errors.UnknownName: ...
    """


class MissingDependency(KldevalError, ImportError):
    """A package, a system library or a device that the request needs and this machine lacks.

    >>> import numpy as np, kldeval
    >>> kldeval.evaluate(np.ones((1, 2, 2)), np.ones((1, 2, 2)), device="cuda:99")
    Traceback (most recent call last):
    kldeval.errors.MissingDependency: ...
    """


class EngineLost(KldevalError, ConnectionError):
    """A cluster that was to compute, or the process that was to read files, is not there, or no longer."""


FAILURE_CODES = {
    "no-partner": "a map beside which something must stand, and does not",
    "ambiguous-name": "several files of one folder bear the same name",
    "unreadable": "a file that cannot be read as a map: damaged, truncated, of an unknown kind, or missing",
    "dangling-link": "a symbolic link whose target does not exist",
    "not-a-file": "a FIFO, a socket or a device where a file should be",
    "too-large": "a map of more pixels than `--max-pixels`, or a file that claims more than it can account for",
    "no-memory": "a map for which the memory does not suffice",
    "ended-process": "a file that ended the process which read it, twice",
    "not-saved": "a map that was scored, and whose pixelwise terms could not be written",
    "unexpected": "an error that nobody foresaw; `--debug` shows where it arose",
    "refused": "a map that was read, but does not fit the request in another way than those below",
    "size-mismatch": "prediction and ground truth differ in size, and no resizing was chosen",
    "grids-differ": "pixels that lie elsewhere, on earth or in a body, than those of the other map",
    "color": "channels that differ, or transparency, and no rule for them was chosen",
    "nonfinite": "NaN or infinity where the normalisation needs numbers",
    "overflow": "values whose sum is beyond the largest float",
    "negative": "negative values where the normalisation needs none",
    "empty": "an all-zero map where the normalisation divides by its sum",
    "unnormalised": "values that were said to be the logarithm of a density, and are not",
    "normalised-twice": "a density that would be normalised again, such as labels under a softmax",
    "outside": "values outside of the range that the metric is defined on",
    "fixations-outside": "fixations outside of their image",
    "metric-not-applicable": "a metric that has no value on this map",
}
"""Every code of a failure, with what it means: stable words for programs, beside the message for people."""


class MapProblem(KldevalError, ValueError):
    """One map cannot be used; the other maps of a run are still scored.

    `stage` says when it was found and `code` what it is: one of `FAILURE_CODES`.

    >>> import numpy as np, kldeval
    >>> try:
    ...     kldeval.kld(np.zeros((2, 2)), np.ones((2, 2)))
    ... except MapProblem as problem:
    ...     print(problem.stage, problem.code)
    check empty
    """

    stage = "check"
    code = "refused"

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        if code is not None:
            if code not in FAILURE_CODES:
                msg = f"{code!r} is no code of a failure"
                raise KeyError(msg)
            self.code = code


class NoPartner(MapProblem):
    """A map beside which something must stand, and does not.

    >>> import numpy as np, kldeval
    >>> issubclass(NoPartner, MapProblem), NoPartner("no ground truth").code
    (True, 'no-partner')
    """

    stage = "pair"
    code = "no-partner"


class UnreadableMap(MapProblem):
    """A file that cannot be decoded into one real-valued map.

    >>> UnreadableMap("map.png is damaged").stage, UnreadableMap.code in FAILURE_CODES
    ('load', True)
    """

    stage = "load"
    code = "unreadable"


class LeftOut(MapProblem):
    """A map that the request leaves out; it is no failure."""


class RefusedMap(MapProblem):
    """A map that was read, but does not fit the request; the message names the way out.

    >>> import numpy as np, kldeval
    >>> kldeval.kld(np.asarray([[1.0, -1.0]]), np.asarray([[1.0, 1.0]]))
    Traceback (most recent call last):
    kldeval.errors.RefusedMap: ...
    """


EXAMPLES = 3
"""How many names stand for all of them."""


def printable(path: object) -> str:
    r"""The path or URL itself, or its escaped form where it holds line breaks, terminal codes or undecodable bytes.

    >>> print(printable("maps/Übung 1.png"), printable("a\nb.png"), printable("s3:/bucket/maps"))
    maps/Übung 1.png 'a\nb.png' s3://bucket/maps
    """
    text = displayed(path)
    return text if text.isprintable() else repr(text)


def examples(names: Iterable[str]) -> str:
    """The first few names, quoted, for "such as ...".

    >>> examples(["b", "a", "d", "c"])
    "'a', 'b', 'c'"
    """
    return ", ".join(map(repr, sorted(names)[:EXAMPLES]))


def count(number: int, noun: str) -> str:
    """The number with its noun.

    >>> count(1, "map"), count(1500, "map")
    ('1 map', '1500 maps')
    """
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


class MapsFailed(UserWarning):
    """Some maps of an evaluation have no number, and its means are those of the others.

    >>> import warnings
    >>> import numpy as np, kldeval
    >>> with warnings.catch_warnings(record=True) as told:
    ...     warnings.simplefilter("always")
    ...     report = kldeval.evaluate(np.ones((2, 1, 2)), np.asarray([[[1.0, 1.0]], [[0.0, 0.0]]]))
    >>> [one.category.__name__ for one in told], len(report.scores), len(report.failures)
    (['MapsFailed'], 1, 1)
    """
