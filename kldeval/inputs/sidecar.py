"""The file beside a ground truth that says how it was made of fixations: `0001.json` beside `0001.npy`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kldeval.errors import UnreadableMap
from kldeval.inputs.shown import shown
from kldeval.records import Made

if TYPE_CHECKING:
    from pathlib import Path

SCHEMA = "kldeval.density/1"

SUFFIX = ".npy"
"""The only files that have one: an image could not hold the density as it is."""


def sidecar_of(path: Path) -> Path:
    """The path of the file beside a map."""
    return path.with_suffix(".json")


def sidecar_text(made: Made, further: dict[str, Any]) -> str:
    """The contents of a sidecar; `further` members are for people.

    >>> print(sidecar_text(Made("gaussian(sigma=24)", 12), {"border": "reflect"}), end="")
    {"schema": "kldeval.density/1", "made": "gaussian(sigma=24)", "fixations": 12, "border": "reflect"}
    """
    import json

    members = {"schema": SCHEMA, "made": made.text, "fixations": made.n_fixations, **further}
    return json.dumps(members) + "\n"


def how_made(path: Path) -> Made | None:
    """How the map was made, if a sidecar says so; JSON files of other programs are none.

    Raises:
        UnreadableMap: a sidecar that lacks what it must say.
    """
    sidecar = sidecar_of(path)
    if path.suffix.lower() != SUFFIX or not sidecar.is_file():
        return None
    import json

    try:
        members = json.loads(sidecar.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(members, dict) or members.get("schema") != SCHEMA:
        return None
    text, count = members.get("made"), members.get("fixations")
    if not isinstance(text, str) or not isinstance(count, int) or "|" in text:
        msg = f"{shown(sidecar)}: a {SCHEMA} says what was made and of how many fixations; this does not"
        raise UnreadableMap(msg)
    return Made(text, count)
