"""The methods of a run as text and as JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from kldeval.methods import Methods

METHODS_SCHEMA = "kldeval.methods/1"


def write_text(methods: Methods) -> str:
    """The paragraph, the signatures, and the entry of BibTeX, with an empty line between them."""
    bibtex = methods.bibtex or "% no named convention: the full signature above says everything"
    return "\n\n".join([methods.text, "\n".join([methods.short, *methods.signatures.values()]), bibtex]) + "\n"


def write_json(methods: Methods) -> str:
    """Everything as one JSON object."""
    document = {
        "schema": METHODS_SCHEMA,
        "text": methods.text,
        "short": methods.short,
        "signature": dict(methods.signatures),
        "convention": methods.convention or None,
        "bibtex": methods.bibtex or None,
    }
    return json.dumps(document, indent=2) + "\n"


FORMATS: Mapping[str, Callable[[Methods], str]] = {"text": write_text, "json": write_json}
"""The formats by the name that a user types."""
