"""Saved identifications read back, validated by the published schema."""

from __future__ import annotations

from typing import Any

from kldeval.reports.identification import FIRST_SCHEMA, IDENTIFY_SCHEMA, Guess, Identification, Joint, Published
from kldeval.reports.json_reader import validated


def parse_identification(document: object, file: str = "identification") -> Identification:
    """The identification that a decoded JSON value holds; written again, it is the same document.

    Raises:
        UsageProblem: it does not have the form that the published schema describes.
    """
    item = validated(_completed(document), IDENTIFY_SCHEMA, file)
    values = tuple(
        Published(one["value"], float(one["value"]), float(one["half_unit"]), one["metric"]) for one in item["values"]
    )
    return Identification(
        published=values[0],
        guesses=tuple(map(_guess, item["guesses"])),
        nearest=tuple(map(_guess, item["nearest"])),
        n=item["n"],
        tried=item["tried"],
        notes=tuple(item["notes"]),
        distinct=item["distinct"],
        chance=item["chance"],
        values=values,
        joint=tuple(
            Joint(
                row["resize"],
                row["averaging"],
                {metric: tuple(map(_guess, guesses)) for metric, guesses in row["guesses"].items()},
            )
            for row in item.get("joint", ())
        ),
    )


def _completed(document: object) -> object:
    """A document of the first version, which knew one number of KLD alone, as today's has it.

    How many different numbers there were, and how many chance hits, it does not say.
    """
    if not isinstance(document, dict) or document.get("schema") != FIRST_SCHEMA:
        return document
    number = {"metric": "kld", **{name: document[name] for name in ("value", "half_unit") if name in document}}
    lists = {name: document[name] for name in ("guesses", "nearest") if isinstance(document.get(name), list)}
    rows = {name: [{**_ADDED, **row} if isinstance(row, dict) else row for row in lists[name]] for name in lists}
    return {"values": [number], "distinct": 0, "chance": 0.0, **document, **rows, "schema": IDENTIFY_SCHEMA}


_ADDED = {"metric": "kld", "resize": "", "averaging": "maps"}
"""What the second version says of each guess beside the first."""


def _guess(row: dict[str, Any]) -> Guess:
    flags = tuple((flag, text) for flag, text in row["flags"])
    return Guess(
        row["convention"],
        flags,
        float(row["value"]),
        row["signature"],
        row["short"],
        row["metric"],
        row["resize"],
        row["averaging"],
    )
