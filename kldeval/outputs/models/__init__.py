"""Documents of several models as text for people: what they show, and one small file per format."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kldeval.outputs.models import compared, leaderboard
from kldeval.results.models import Leaderboard

if TYPE_CHECKING:
    from kldeval.outputs.models.page import Page
    from kldeval.outputs.options import Options
    from kldeval.results.models import ComparisonReport


def page_of(made: Leaderboard | ComparisonReport, options: Options) -> Page:
    """What people see of a leaderboard or a comparison.

    Raises:
        UsageProblem: the worst maps are asked for, and no metric has a better direction.
    """
    return leaderboard.page_of(made, options) if isinstance(made, Leaderboard) else compared.page_of(made, options)
