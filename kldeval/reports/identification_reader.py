"""Saved identifications read back, validated by the published schema."""

from __future__ import annotations

from typing import Any

from kldeval.reports.identification import IDENTIFY_SCHEMA, Guess, Identification, Joint, Published
from kldeval.reports.json_reader import validated


def parse_identification(document: object, file: str = "identification") -> Identification:
    """The identification that a decoded JSON value holds; written again, it is the same document.

    Raises:
        UsageProblem: it does not have the form that the published schema describes.
    """
    item = validated(document, IDENTIFY_SCHEMA, file)
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
