"""What the library does where maps fail: raise, warn, or nothing."""

from __future__ import annotations

import heapq
import warnings
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Literal

from kldeval.errors import FAILURE_CODES, MapsFailed, RefusedMap, UsageProblem
from kldeval.sequences import Streamed

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from kldeval.records import Failure

OnFailure = Literal["raise", "warn", "ignore"]

ON_FAILURE = ("raise", "warn", "ignore")


def check_on_failure(on_failure: str) -> None:
    """Refuse what is none of the three.

    Raises:
        UsageProblem: it is none.
    """
    if on_failure not in ON_FAILURE:
        msg = f"on_failure={on_failure!r} is none of {', '.join(map(repr, ON_FAILURE))}"
        raise UsageProblem(msg)


def tell(failures: Sequence[Failure], scored: Iterable[str], on_failure: OnFailure) -> None:
    """Say that maps failed, and that the means are those of the others, which were `scored`.

    Raises:
        RefusedMap: if failures are to be raised.
    """
    if not failures or on_failure == "ignore":
        return
    first = failures[0]
    failed, count = _counts(failures, scored)
    which = f"map {first.name}" if first.name.isdecimal() else first.name
    others = ", and the means are those of the others" if failed < count else ""
    msg = f"{failed} of {count} maps failed{others}: {which}: {first.message}"
    if on_failure == "raise":
        raise RefusedMap(msg, code=first.code if first.code in FAILURE_CODES else None)
    # above this function, that of the library and what makes it speak Python
    warnings.warn(msg, MapsFailed, stacklevel=4)


def _counts(failures: Sequence[Failure], scored: Iterable[str]) -> tuple[int, int]:
    """How many maps failed, and how many there are; where they are many both come in the order of their names."""
    names = (failure.name for failure in failures)
    if not isinstance(failures, Streamed):
        failed = {*names}
        return len(failed), len(failed.union(scored))
    both = heapq.merge(((name, True) for name in names), ((name, False) for name in scored), key=itemgetter(0))
    n_failed = n = 0
    for _, found in groupby(both, key=itemgetter(0)):
        n += 1
        n_failed += any(has_failed for _, has_failed in found)
    return n_failed, n
