"""The registry that every metric adds itself to.

Traits: `unit` and `best` (low or high) are what a table says; `symmetric` is a law that the tests check. `on` says what
a metric is a function of: two densities (the default), whose pointwise terms it returns, stored `maps`, or `fixations`.
A metric of densities may be a function of the sum of its terms (`final`), and may have that sum in parts that few
values make quick (`separated`). One of maps is in the units of the maps
(`scaled`), asks where pixels stand (`spatial`), or refuses negative values (`mass`: "always", or the parameter that
lifts it); where `sides` prepares each map by itself and `meet` is a function of both, a map of few levels is prepared
as these. One of fixations `sees` of a map its pixels, ranks or ten steps, takes infinite values (`infinities`), or
`needs` more: a density, a baseline, an other map, the fixations on all other images.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kldeval.names import Registry

if TYPE_CHECKING:
    from collections.abc import Callable

METRICS: Registry[Callable[..., Any]] = Registry("metric")
"""Density metrics: functions of two densities that return the pointwise terms whose weighted sum is the metric."""

EPSILONS = ("log_eps", "ratio_eps")
"""The parameters that `--eps` and the default constants set, in those metrics that have them."""


def with_epsilon(name: str, eps: float) -> dict[str, float]:
    """The arguments that give metric `name` one epsilon wherever it takes any."""
    return {key: eps for key in EPSILONS if key in METRICS[name].types}
