"""The conventions as pages and as JSON: all of them, or one in full."""

from __future__ import annotations

import json
import shlex
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from kldeval.writers.page import Cell, Head, Page, Paragraphs, Table, filled, plain_heads

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from kldeval.conventions.convention import Convention
    from kldeval.conventions.presets import Preset
    from kldeval.writers.page import Block


SURE = {
    "V": "the original was run beside an independent implementation, and agreed",
    "R": "its source was read in full, not run",
    "D": "its documentation alone was read",
}
"""How sure a row is, in words."""

_DIRECTIONS = {"D(gt || pred)": "gt||pred", "D(pred || gt)": "pred||gt"}


def conventions_page(rows: Sequence[Convention], *, is_narrow: bool) -> Page:
    """Every convention: a line each where nobody's terminal bounds it, else three short ones."""
    if is_narrow:
        title = f"{'name':17} {'direction':10} source"
        head = Paragraphs(("formula", "normalisation and epsilon"), title=title, mark="    ")
        return Page((head, *map(_block, rows)), is_dense=True)
    names = ("name", "direction", "epsilon", "prediction", "ground truth", "reduction", "source")
    heads = (*plain_heads("text", *names), Head("formula", "words"))
    return Page((Table(heads, tuple(tuple(map(Cell, _line(row))) for row in rows)),))


def convention_page(row: Convention, signature: str) -> Page:
    """One convention in full."""
    return Page(filled(_blocks(row, signature)))


def preset_page(found: Preset, signature: str) -> Page:
    """One preset of a benchmark in full."""
    return Page(filled(_preset_blocks(found, signature)))


def preset_json(found: Preset, signature: str) -> str:
    """The record of a preset as JSON, with the flags that it stands for."""
    record = {**asdict(found), "metrics": list(found.metrics), "flags": [list(flag) for flag in found.flags]}
    return json.dumps({**record, "signature": signature}, indent=2) + "\n"


def conventions_json(rows: Sequence[Convention]) -> str:
    """Convention records as a JSON list, with the flags that each stands for."""
    return json.dumps([_record(row) for row in rows], indent=2) + "\n"


def _record(row: Convention) -> dict[str, Any]:
    record = asdict(row)
    record["source"]["url"] = row.source.url
    record["further"] = [{**asdict(source), "url": source.url} for source in row.further]
    return {**record, "flags": [list(flag) for flag in row.flags]}


def _line(row: Convention) -> tuple[str, ...]:
    direction = _DIRECTIONS.get(row.direction, "both ways")
    chains = row.pred, row.gt, row.reduction
    return row.name, direction, row.epsilon, *chains, row.source.repository, row.formula


def _block(row: Convention) -> Paragraphs:
    """The name, direction and source in one line, then the formula, then the normalisation and the constants."""
    direction = _DIRECTIONS.get(row.direction, "both ways")
    chains = f"both {row.pred}" if row.pred == row.gt else f"prediction {row.pred}, ground truth {row.gt}"
    title = f"{row.name:17} {direction:10} {row.source.repository}"
    return Paragraphs((row.formula, f"{chains}; epsilon {row.epsilon}"), title=title, mark="    ")


def _blocks(row: Convention, signature: str) -> Iterator[Block]:
    yield Paragraphs((row.note,), title=row.name)
    facts = {
        "formula": row.formula,
        "direction": row.direction,
        "epsilon": row.epsilon,
        "source": row.source.url,
        **({"and": ", ".join(source.url for source in row.further)} if row.further else {}),
        "checked": SURE[row.sure],
        "signature": signature,
        **({"aliases": ", ".join(row.aliases)} if row.aliases else {}),
    }
    yield _facts(facts)
    yield Paragraphs(_flag_lines(row), title=f"--convention {row.name} stands for", mark="  ")
    yield Paragraphs(row.edge_cases, title="edge cases", mark="- ")
    yield Paragraphs(row.traps, title="what to beware of", mark="- ")
    yield Paragraphs(tuple(row.bibtex.splitlines()), title="BibTeX")


def _preset_blocks(found: Preset, signature: str) -> Iterator[Block]:
    yield Paragraphs((found.note,), title=found.name)
    divergence = f"that of the convention {found.based_on}"
    yield _facts({"divergence": divergence, "checked": SURE[found.sure], "signature": signature})
    yield Paragraphs(_flag_lines(found), title=f"--preset {found.name} stands for", mark="  ")
    yield Paragraphs(found.traps, title="what to beware of", mark="- ")
    yield Paragraphs(found.sources, title="sources", mark="- ")


def _facts(facts: Mapping[str, str]) -> Table:
    return Table((Head("", "text"), Head("", "words")), tuple((Cell(name), Cell(fact)) for name, fact in facts.items()))


def _flag_lines(row: Convention | Preset) -> tuple[str, ...]:
    """The flags as a shell takes them, one a line."""
    typed = [f"{flag} {shlex.quote(text)}" for flag, text in row.flags]
    return (*(f"{line} \\" for line in typed[:-1]), typed[-1])
