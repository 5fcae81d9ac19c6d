"""A density that knows its logarithm: what normalisations end in and metrics begin with."""

from __future__ import annotations

from typing import Any

from kldeval.arrays import Array, namespace


class Density:
    """A block of a normalised map, given by its probabilities or by their logarithms.

    Each form is made from the other when asked for, and once. A map that was made in the log domain stays exact there:
    exp(-1e4) is 0, but its logarithm is still -1e4.
    """

    __slots__ = ("_log", "_prob", "is_log")

    def __init__(self, *, prob: Array | None = None, log: Array | None = None) -> None:
        self._prob = prob
        self._log = log
        self.is_log = log is not None

    @property
    def prob(self) -> Array:
        """The probabilities."""
        if self._prob is None:
            self._prob = namespace(self._log).exp(self._log)
        return self._prob

    @property
    def log(self) -> Array:
        """The logarithms of the probabilities; -inf where they are 0."""
        if self._log is None:
            self._log = safe_log(self._prob)
        return self._log

    @property
    def is_zero(self) -> Array:
        """Where the probability is exactly 0: not where a log-probability merely underflows."""
        if self.is_log:
            return self._log == -namespace(self._log).inf
        return self._prob == 0

    @property
    def xp(self) -> Any:
        """The array namespace of the density."""
        return namespace(self._prob if self._log is None else self._log)


def safe_log(prob: Array) -> Array:
    """Ln of `prob`, -inf at 0, with gradients that stay finite where the caller masks the zeros out."""
    xp = namespace(prob)
    if xp.__name__ == "numpy":
        return xp.log(prob)
    zero = prob == 0
    return xp.where(zero, xp.full_like(prob, -xp.inf), xp.log(xp.where(zero, xp.ones_like(prob), prob)))
