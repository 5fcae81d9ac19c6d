"""The audit as text for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kldeval.outputs.audit.parts import parts_of
from kldeval.outputs.sheets import as_text

if TYPE_CHECKING:
    from kldeval.outputs.options import Options
    from kldeval.results.audit import Audit


def write(audit: Audit, options: Options) -> str:
    """The whole page; words wrap at `options.width`, and nothing is ever cut."""
    return as_text(parts_of(audit, options.precision), options)
