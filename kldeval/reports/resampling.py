"""How intervals and p-values may be drawn: what is refused before anything is scored, without numpy."""

from __future__ import annotations

from kldeval.errors import UsageProblem

FEWEST_RESAMPLES = 100


def check_seed(seed: int) -> None:
    """Refuse a seed that random numbers cannot begin with.

    Raises:
        UsageProblem: it is below 0.
    """
    if seed < 0:
        msg = f"--seed {seed}: a seed is 0 or more"
        raise UsageProblem(msg)


def check_resampling(resamples: int, confidence: float, seed: int = 0) -> None:
    """Refuse settings that can mean nothing.

    Raises:
        UsageProblem: too few resamples, a confidence that is not between 0 and 1, or a seed below 0.
    """
    check_seed(seed)
    if resamples < FEWEST_RESAMPLES:
        msg = f"{resamples} resamples are too few for an interval: {FEWEST_RESAMPLES} at least, 10000 are usual"
        raise UsageProblem(msg)
    if not 0 < confidence < 1:
        msg = f"confidence {confidence} is not between 0 and 1: 0.95 is usual"
        raise UsageProblem(msg)
