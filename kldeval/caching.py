"""The last results of a function of few arguments, as a value that can be pickled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar, TypeVarTuple

if TYPE_CHECKING:
    from collections.abc import Callable


P = TypeVarTuple("P")
R = TypeVar("R")


class KeptResults(Generic[*P, R]):
    """A function whose last `most` results are kept, the least recently used being dropped first.

    As `functools.lru_cache`, but it can be pickled, together with whatever holds it, which leaves the results behind:
    a worker in another process works out its own.

    >>> import pickle
    >>> kept = KeptResults(abs, most=2)
    >>> [kept(-1), kept(-2), kept(-3)], len(kept.results)
    ([1, 2, 3], 2)
    >>> pickle.loads(pickle.dumps(kept)).results
    {}
    """

    def __init__(self, function: Callable[[*P], R], most: int) -> None:
        self._function = function
        self._most = most
        self.results: dict[tuple[Any, ...], R] = {}

    def __call__(self, *arguments: *P) -> R:
        """The result, kept or worked out."""
        if arguments in self.results:
            found = self.results.pop(arguments)
        else:
            found = self._function(*arguments)
            while len(self.results) >= self._most:
                # another thread may have dropped it meanwhile
                self.results.pop(next(iter(self.results), ()), None)
        self.results[arguments] = found
        return found

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "results": {}}
