"""A density that knows its logarithm: what normalisations end in and metrics begin with."""

from __future__ import annotations

from typing import Any

from kldeval.arrays import AnyArray as Array
from kldeval.arrays import namespace


class Density:
    """A block of a normalised map, given by its probabilities or by their logarithms.

    Each form is made from the other when asked for, and once. A map that was made in the log domain stays exact there:
    exp(-1e4) is 0, but its logarithm is still -1e4. `xp` is the array namespace where it is known: torch.compile cannot
    look it up.
    """

    __slots__ = ("_has_zeros", "_log", "_prob", "_shifted", "_xp", "_zero", "is_log")

    def __init__(
        self, *, prob: Array | None = None, log: Array | None = None, has_zeros: bool | None = None, xp: Any = None
    ) -> None:
        self._xp = xp
        self._prob = prob
        self._log = log
        self.is_log = log is not None
        self._zero: Array | None = None
        self._has_zeros = has_zeros
        self._shifted: tuple[float, Array] | None = None

    @property
    def prob(self) -> Array:
        """The probabilities."""
        if self._prob is None:
            self._prob = self.xp.exp(self._log)
        return self._prob

    @property
    def log(self) -> Array:
        """The logarithms of the probabilities; -inf where they are 0."""
        if self._log is None:
            self._log = safe_log(self._prob, self.xp)
        return self._log

    @property
    def is_zero(self) -> Array:
        """Where the probability is exactly 0: not where a log-probability merely underflows."""
        if self._zero is None:
            self._zero = self._log == -self.xp.inf if self.is_log else self._prob == 0
        return self._zero

    @property
    def has_zeros(self) -> bool:
        """Whether a probability may be exactly 0. Only numpy is asked: an accelerator would have to be waited for."""
        if self._has_zeros is None:
            self._has_zeros = self.xp.__name__ != "numpy" or bool(self.is_zero.any())
        return self._has_zeros

    def plus(self, constant: float) -> Array:
        """The probabilities and a constant. The last sum is kept, because metrics share their constants."""
        if not constant:
            return self.prob
        if self._shifted is None or self._shifted[0] != constant:
            self._shifted = (constant, self.prob + constant)
        return self._shifted[1]

    @property
    def xp(self) -> Any:
        """The array namespace of the density."""
        if self._xp is None:
            self._xp = namespace(self.prob if self._log is None else self._log)
        return self._xp


def safe_log(prob: Array, xp: Any = None) -> Array:
    """Ln of `prob`, -inf at 0, with gradients that stay finite where the caller masks the zeros out."""
    xp = xp or namespace(prob)
    if xp.__name__ == "numpy":
        return xp.log(prob)
    zero = prob == 0
    return xp.where(zero, xp.full_like(prob, -xp.inf), xp.log(xp.where(zero, xp.ones_like(prob), prob)))
