"""The pages of one table or two: what prints a published number, a pair explained, a check, the methods of a run."""

from __future__ import annotations

import json
import math
import shlex
from collections import Counter
from typing import TYPE_CHECKING, Any

from kldeval.errors import count
from kldeval.reports.audit import is_close
from kldeval.reports.identification import IDENTIFY_SCHEMA
from kldeval.reports.json_numbers import json_number
from kldeval.writers.lines import wrapped
from kldeval.writers.numbers import ABSENT
from kldeval.writers.page import (
    Cell,
    Head,
    MissingMaps,
    Notes,
    Page,
    Paragraphs,
    Signatures,
    Table,
    filled,
    missing_of,
    plain_heads,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from kldeval.reports.documents import Explanation, Inspection, Matrix, Methods, Stage, Terms
    from kldeval.reports.identification import Guess, Identification, Joint
    from kldeval.writers.page import Block


METHODS_SCHEMA = "kldeval.methods/1"

JOINT_SHOWN = 3
"""So many resizings and averagings that print a whole row are shown to people."""

OVER = {"maps": "maps", "groups": "groups", "fixations": "fixations, where the metric is of them"}
"""What the means of a row are over, in words."""

SHOWN = 20
"""So many rows are shown to people."""

DIGITS = 7
"""More significant digits than any publication prints."""


def identification_page(found: Identification) -> Page:
    """Numbers with what prints them, best first; of settings with one number the simplest stand for the others."""
    return Page(filled(_identification_blocks(found)))


def identification_json(found: Identification) -> str:
    """Everything that prints the number, one guess a line; of several numbers, what prints all of them."""
    head = {
        "schema": IDENTIFY_SCHEMA,
        "value": found.published.text,
        "half_unit": found.published.half,
        "values": [{"metric": one.metric, "value": one.text, "half_unit": one.half} for one in found.values],
        "n": found.n,
        "tried": found.tried,
        "distinct": found.distinct,
        "chance": found.chance,
    }
    lines = [f"  {json.dumps(key)}: {json.dumps(value)}" for key, value in head.items()]
    lines += [_listed(key, guesses) for key, guesses in (("guesses", found.guesses), ("nearest", found.nearest))]
    lines += [_listed_joint(found.joint)] if found.joint or len(found.values) > 1 else []
    lines += [f'  "notes": {json.dumps(list(found.notes))}']
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _listed(key: str, guesses: Sequence[Guess]) -> str:
    rows = ",\n".join(f"    {json.dumps(_guess(guess))}" for guess in guesses)
    return f'  "{key}": [' + (f"\n{rows}\n  " if rows else "") + "]"


def _listed_joint(rows: Sequence[Joint]) -> str:
    texts = (
        {
            "resize": row.resize,
            "averaging": row.averaging,
            "guesses": {metric: [_guess(guess) for guess in guesses] for metric, guesses in row.guesses.items()},
        }
        for row in rows
    )
    lines = ",\n".join(f"    {json.dumps(text)}" for text in texts)
    return '  "joint": [' + (f"\n{lines}\n  " if lines else "") + "]"


def _guess(guess: Guess) -> dict[str, Any]:
    flags = [list(flag) for flag in guess.flags]
    names = {"metric": guess.metric, "convention": guess.convention, "flags": flags, "value": json_number(guess.value)}
    return {
        **names,
        "resize": guess.resize,
        "averaging": guess.averaging,
        "signature": guess.signature,
        "short": guess.short,
    }


def _identification_blocks(found: Identification) -> Iterator[Block]:
    if len(found.values) > 1 or found.values[0].metric != "kld":
        yield from _joint_blocks(found)
    else:
        yield from _single_blocks(found)
    yield Paragraphs((_chance(found),), dim=True)
    yield Notes(found.notes)


def _single_blocks(found: Identification) -> Iterator[Block]:
    maps = count(found.n, "map")
    if found.guesses:
        rows = list(_rows(found.guesses))
        yield _guess_table(rows[:SHOWN], f"{found.published.text} over {maps} is printed by")
        rest = [f"and {len(rows) - SHOWN} more; --format json lists all"] if len(rows) > SHOWN else []
        advice = _advice(found, rows)
        if rest or advice:
            yield Paragraphs((*rest, *advice))
    else:
        title = f"none of {found.tried} settings prints {found.published.text} over {maps}; the nearest are"
        yield _guess_table(list(_rows(found.nearest)), title)


def _joint_blocks(found: Identification) -> Iterator[Block]:
    """A table for each resizing and averaging that prints the whole row."""
    row = ", ".join(f"{one.metric}={one.text}" for one in found.values)
    maps = count(found.n, "map")
    if not found.joint:
        one_by_one = ((guess.metric, *line) for guess in found.nearest for line in _rows([guess]))
        yield _joint_table(list(one_by_one), f"nothing that was tried prints {row} over {maps}; the nearest are")
    for joint in found.joint[:JOINT_SHOWN]:
        lines = [(metric, *line) for metric, guesses in joint.guesses.items() for line in list(_rows(guesses))[:SHOWN]]
        over = OVER[joint.averaging]
        resize = f", {joint.resize}" if joint.resize else ""
        yield _joint_table(lines, f"{row} over {maps} is printed by (mean over {over}{resize})")
    if len(found.joint) > JOINT_SHOWN:
        rest = f"and {len(found.joint) - JOINT_SHOWN} more resizings or averagings; --format json lists all"
        yield Paragraphs((rest,))


def _joint_table(rows: Sequence[tuple[str, ...]], title: str) -> Table:
    heads = (
        *(Head("metric", "metric"), Head("value"), Head("flags beside it", "text")),
        Head("--convention, or definition", "names"),
    )
    return Table(heads, tuple(tuple(map(Cell, row)) for row in rows), title)


def _chance(found: Identification) -> str:
    """What was tried, and how many hits mean nothing, where that is known."""
    if not found.distinct:
        return f"{count(found.tried, 'setting')} were tried"
    rows = "numbers" if len(found.values) == 1 else "combinations of numbers"
    digits = "at this number of digits" if len(found.values) == 1 else "at these numbers of digits"
    return f"{found.tried} settings give {found.distinct} {rows}, of which chance hits {found.chance:.2g} {digits}"


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


def _guess_table(rows: Sequence[tuple[str, str, str]], title: str) -> Table:
    heads = (Head("kld"), Head("flags beside it", "flags"), Head("--convention", "names"))
    return Table(heads, tuple(tuple(map(Cell, row)) for row in rows), title)


def _advice(found: Identification, rows: Sequence[tuple[str, str, str]]) -> list[str]:
    numbers = len({row[0] for row in rows})
    if numbers > 1:
        return [f"{numbers} numbers round to {found.published.text}; more digits of it would tell them apart"]
    names = [name for row in rows for name in row[2].split(", ")]
    return (
        ["these agree on these maps; empty maps, or zeros in a prediction, tell them apart"] if len(names) > 1 else []
    )


# one pair explained

_SIDES = {"pred": "prediction", "gt": "ground truth"}


def explanation_page(explanation: Explanation) -> Page:
    """The stages of both maps, small maps as they are, the numbers, and the pixels that make them."""
    return Page(filled(_explanation_blocks(explanation)))


def _explanation_blocks(explanation: Explanation) -> Iterator[Block]:
    is_map = "gt" in explanation.stages
    sides = reversed(explanation.shape) if is_map else explanation.shape
    size = " x ".join(map(str, sides))
    yield Paragraphs((), title=f"{explanation.name}: {size} {'pixels' if is_map else 'scores'}")
    for role, stages in explanation.stages.items():
        yield _stage_table(f"{_SIDES[role]} ({explanation.dtypes[role]})", stages)
        if role in explanation.matrices:
            yield _matrix_table(explanation.matrices[role])
    rows = tuple((Cell(key), Cell(_short(value))) for key, value in explanation.values.items())
    yield Table((Head("metric", "flags"), Head("value", is_headline=True)), rows)
    if any(one.over != "fixated pixels" for one in explanation.terms):
        what = "pixels with ground-truth" if is_map else "positions with label"
        mass = f"{explanation.n_uncovered} {what} mass {_short(explanation.uncovered_mass)}"
        yield Paragraphs((f"uncovered: {mass}{_uncovered_words(explanation)}",))
    for terms in explanation.terms:
        yield _contribution_table(terms)
    yield Notes(explanation.notes)
    yield Signatures((), tuple(explanation.signatures.values()))


def _short(value: float) -> str:
    """A number with at most six digits.

    >>> _short(0.27143218), _short(3.0), _short(1.5e-9)
    ('0.271432', '3', '1.5e-09')
    """
    return f"{value:.6g}"


def _stage_table(title: str, stages: Sequence[Stage]) -> Table:
    rows = tuple(
        (
            Cell(f"{stage.step} (ln)" if stage.is_log else stage.step),
            *(Cell(_short(value)) for value in (stage.low, stage.high, stage.sum)),
            Cell(str(stage.n_zero)),
        )
        for stage in stages
    )
    return Table((Head("step", "flags"), *plain_heads("number", "min", "max", "sum", "zeros")), rows, title)


def _matrix_table(matrices: Sequence[tuple[str, Matrix]]) -> Table:
    """The matrices side by side, each under its title."""
    columns = [[Cell(" ".join(f"{value:8.4f}" for value in row)) for row in matrix] for _, matrix in matrices]
    return Table(tuple(Head(title, "matrix") for title, _ in matrices), tuple(zip(*columns, strict=True)))


def _uncovered_words(explanation: Explanation) -> str:
    """What the uncovered pixels add to the sum over pixels."""
    first = explanation.terms[0] if explanation.terms else None
    if first is None or first.uncovered_adds is None or not explanation.n_uncovered:
        return ""
    unit = f" {first.unit}" if first.unit else ""
    return f", which add {_short(first.uncovered_adds)} of {_short(first.total)}{unit} over all pixels"


_OVER = {
    "pixels": ("pixels that contribute most to {}, in the sum over pixels", ("pred", "gt")),
    "fixated pixels": (
        "fixated pixels that contribute most to {}, in the mean over fixations",
        ("stored", "fixations"),
    ),
    "positions": ("positions that contribute most to {}, in the sum over positions", ("probability", "label")),
}


def _contribution_table(terms: Terms) -> Table:
    """The places that add most, and all others together: their shares are of the sum."""
    n_axes = max((len(one.place) for one in terms.largest), default=2)
    rows = [
        (*map(str, one.place), *map(_short, (one.pred, one.gt, one.term)), _share(terms, one.term))
        for one in terms.largest[: terms.n]
    ]
    others = terms.n - len(rows)
    if others > 0:
        rest = terms.total - math.fsum(one.term for one in terms.largest)
        blank = ("",) * (n_axes - 1)
        rows.append((f"{others} others", *blank, "", "", _short(rest), _share(terms, rest)))
    places = {1: ("place",), 2: ("row", "column")}.get(n_axes, tuple(f"axis {axis}" for axis in range(n_axes)))
    title, sides = _OVER[terms.over]
    cells = tuple(tuple(map(Cell, row)) for row in rows)
    return Table(plain_heads("number", *places, *sides, "adds", "share"), cells, title.format(terms.metric))


def _share(terms: Terms, term: float) -> str:
    total = terms.total
    return f"{term / total:.1%}" if total and math.isfinite(total) and math.isfinite(term) else ABSENT


# a check


def inspection_page(inspection: Inspection, pairs: bool = True) -> Page:  # noqa: FBT001, FBT002 - the one choice
    """What files hold (each pair, or how many of what), then what is wrong."""
    heads = (
        *(Head("name", "map"), Head("prediction", "map"), Head("holds", "text")),
        *(Head("ground truth", "map"), Head("holds", "text")),
    )
    rows = tuple(
        tuple(map(Cell, (row.name, row.pred, row.pred_content, row.gt, row.gt_content))) for row in inspection.rows
    )
    wrong = missing_of(inspection.failures)
    blocks: tuple[Block, ...] = (
        *((Table(heads, rows),) if rows and pairs else ()),
        MissingMaps(count(len(wrong), "problem"), wrong),
        *((Paragraphs(inspection.notes),) if inspection.notes else ()),
        *(() if pairs else (Paragraphs(tuple(_contents_by_kind(inspection))),)),
        Paragraphs((_pairs_and_problems(inspection),)),
    )
    return Page(filled(blocks))


def _pairs_and_problems(inspection: Inspection) -> str:
    return f"{count(len(inspection.rows), 'pair')} can be scored, {count(len(inspection.failures), 'problem')}"


def _contents_by_kind(inspection: Inspection) -> Iterator[str]:
    """How many maps of which size and type each side has, the most frequent first."""
    sides = {
        "predictions": [row.pred_content for row in inspection.rows],
        "ground truths": [row.gt_content for row in inspection.rows],
    }
    for what, contents in sides.items():
        kinds = Counter(" ".join(content.split()[:2]) for content in contents).most_common()
        shown = ", ".join(f"{number} of {kind}" for kind, number in kinds[:KINDS_SHOWN])
        more = f", and {len(kinds) - KINDS_SHOWN} more kinds" if len(kinds) > KINDS_SHOWN else ""
        skipped = sum("(skipped)" in content for content in contents)
        if kinds:
            yield f"{what}: {shown}{more}{f'; {skipped} are skipped' if skipped else ''}"


KINDS_SHOWN = 3
"""Sizes and types of maps that a summary names."""


# the methods of a run


def methods_text(methods: Methods, room: int | None = None) -> str:
    """The paragraph, the signatures, and the entry of BibTeX, with an empty line between them; as narrow as `room`."""
    bibtex = methods.bibtex or "% no named convention: the full signature above says everything"
    signatures = [line for text in methods.signatures.values() for line in wrapped(text, room, "  ", "|")]
    words = "\n".join(wrapped(methods.text, room))
    return "\n\n".join([words, "\n".join([methods.short, *signatures]), bibtex]) + "\n"


def methods_json(methods: Methods, room: int | None = None) -> str:
    """Everything as one JSON object, for which there is always room."""
    del room
    document = {
        "schema": METHODS_SCHEMA,
        "text": methods.text,
        "short": methods.short,
        "signature": dict(methods.signatures),
        "convention": methods.convention or None,
        "bibtex": methods.bibtex or None,
    }
    return json.dumps(document, indent=2) + "\n"
