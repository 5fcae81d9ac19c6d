"""What prints a published number, as text for people and as JSON."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Any

from kldeval.outputs.notation import count
from kldeval.outputs.sheets import Paragraphs, Sheet, as_text
from kldeval.results.identification import IDENTIFY_SCHEMA
from kldeval.results.standings import is_close

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from kldeval.outputs.options import Options
    from kldeval.results.identification import Guess, Identification

SHOWN = 20
"""So many rows are shown to people."""

DIGITS = 7
"""More significant digits than any publication prints."""


def write_table(found: Identification, options: Options) -> str:
    """Numbers with what prints them, best first; of settings with one number the simplest stand for the others."""
    return as_text(_parts(found), options)


def write_json(found: Identification, options: Options) -> str:
    """Everything that prints the number, one guess a line."""
    del options
    head = {
        "schema": IDENTIFY_SCHEMA,
        "value": found.published.text,
        "half_unit": found.published.half,
        "n": found.n,
        "tried": found.tried,
    }
    lines = [f"  {json.dumps(key)}: {json.dumps(value)}" for key, value in head.items()]
    lines += [_listed(key, guesses) for key, guesses in (("guesses", found.guesses), ("nearest", found.nearest))]
    lines += [f'  "notes": {json.dumps(list(found.notes))}']
    return "{\n" + ",\n".join(lines) + "\n}\n"


FORMATS: Mapping[str, Callable[[Identification, Options], str]] = {"table": write_table, "json": write_json}
"""The formats by the name that a user types."""


def _listed(key: str, guesses: Sequence[Guess]) -> str:
    rows = ",\n".join(f"    {json.dumps(_guess(guess))}" for guess in guesses)
    return f'  "{key}": [' + (f"\n{rows}\n  " if rows else "") + "]"


def _guess(guess: Guess) -> dict[str, Any]:
    flags = [list(flag) for flag in guess.flags]
    names = {"convention": guess.convention, "flags": flags, "value": guess.value}
    return {**names, "signature": guess.signature, "short": guess.short}


def _parts(found: Identification) -> Iterator[Sheet | Paragraphs]:
    maps = count(found.n, "map")
    if found.guesses:
        rows = list(_rows(found.guesses))
        yield _sheet(rows[:SHOWN], f"{found.published.text} over {maps} is printed by")
        rest = [f"and {len(rows) - SHOWN} more; --format json lists all"] if len(rows) > SHOWN else []
        advice = _advice(found, rows)
        if rest or advice:
            yield Paragraphs((*rest, *advice))
    else:
        title = f"none of {found.tried} settings prints {found.published.text} over {maps}; the nearest are"
        yield _sheet(list(_rows(found.nearest)), title)
    if found.notes:
        yield Paragraphs(found.notes, mark="note: ")


def _rows(guesses: Sequence[Guess]) -> Iterator[tuple[str, str, str]]:
    """Number, flags and conventions: for each number only the guesses with fewest flags."""
    groups: list[list[Guess]] = []
    for guess in guesses:
        group = next((some for some in groups if is_close(some[0].value, guess.value)), None)
        if group is None:
            groups.append([guess])
        elif len(group[0].flags) == len(guess.flags):
            group.append(guess)
    for group in groups:
        names: dict[str, list[str]] = {}
        for guess in group:
            names.setdefault(_flags(guess), []).append(guess.convention)
        yield from ((f"{group[0].value:.{DIGITS}g}", flags, ", ".join(some)) for flags, some in names.items())


def _flags(guess: Guess) -> str:
    return " ".join(f"{flag} {shlex.quote(text)}" for flag, text in guess.flags) or "as published"


def _sheet(rows: Sequence[tuple[str, str, str]], title: str) -> Sheet:
    return Sheet(("kld", "flags beside it", "--convention"), tuple(rows), frozenset({0}), title=title)


def _advice(found: Identification, rows: Sequence[tuple[str, str, str]]) -> list[str]:
    numbers = len({row[0] for row in rows})
    if numbers > 1:
        return [f"{numbers} numbers round to {found.published.text}; more digits of it would tell them apart"]
    names = [name for row in rows for name in row[2].split(", ")]
    return (
        ["these agree on these maps; empty maps, or zeros in a prediction, tell them apart"] if len(names) > 1 else []
    )
