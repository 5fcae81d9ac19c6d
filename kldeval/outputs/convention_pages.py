"""The conventions for people: all of them, or one in full."""

from __future__ import annotations

import json
import shlex
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from kldeval.outputs.sheets import Paragraphs, Sheet, as_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from kldeval.conventions.presets import Preset
    from kldeval.conventions.record import Convention
    from kldeval.outputs.options import Options
    from kldeval.outputs.sheets import Part

SURE = {
    "V": "the original was run beside an independent implementation, and agreed",
    "R": "its source was read in full, not run",
    "D": "its documentation alone was read",
}
"""How sure a row is, in words."""

_DIRECTIONS = {"D(gt || pred)": "gt||pred", "D(pred || gt)": "pred||gt"}


def write_table(rows: Sequence[Convention], options: Options) -> str:
    """Every convention: a line each where nobody's terminal bounds it, else three short ones."""
    if options.width is None:
        names = ("name", "direction", "epsilon", "prediction", "ground truth", "reduction", "source", "formula")
        return as_text([Sheet(names, tuple(_line(row) for row in rows))], options)
    head = Paragraphs(
        ("formula", "normalisation and epsilon"), title=f"{'name':17} {'direction':10} source", mark="    "
    )
    return as_text([head, *map(_block, rows)], options, apart=False)


def write_page(row: Convention, signature: str, options: Options) -> str:
    """One convention in full."""
    return as_text(_page(row, signature), options)


def write_preset(found: Preset, signature: str, options: Options) -> str:
    """One preset of a benchmark in full."""
    return as_text(_preset_page(found, signature), options)


def write_preset_json(found: Preset, signature: str) -> str:
    """The record of a preset as JSON, with the flags that it stands for."""
    record = {**asdict(found), "metrics": list(found.metrics), "flags": [list(flag) for flag in found.flags]}
    return json.dumps({**record, "signature": signature}, indent=2) + "\n"


def write_json(rows: Sequence[Convention]) -> str:
    """Convention records as a JSON list, with the flags that each stands for."""
    return json.dumps([_record(row) for row in rows], indent=2) + "\n"


def _record(row: Convention) -> dict[str, Any]:
    record = asdict(row)
    record["source"]["url"] = row.source.url
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


def _page(row: Convention, signature: str) -> Iterator[Part]:
    yield Paragraphs((row.note,), title=row.name)
    facts = {
        "formula": row.formula,
        "direction": row.direction,
        "epsilon": row.epsilon,
        "source": row.source.url,
        "checked": SURE[row.sure],
        "signature": signature,
        **({"aliases": ", ".join(row.aliases)} if row.aliases else {}),
    }
    yield Sheet(("", ""), tuple(facts.items()))
    yield Paragraphs(_flag_lines(row), title=f"--convention {row.name} stands for", mark="  ")
    yield Paragraphs(row.edge_cases, title="edge cases", mark="- ")
    yield Paragraphs(row.traps, title="what to beware of", mark="- ")
    yield Paragraphs(tuple(row.bibtex.splitlines()), title="BibTeX")


def _preset_page(found: Preset, signature: str) -> Iterator[Part]:
    yield Paragraphs((found.note,), title=found.name)
    facts = {"divergence": f"that of the convention {found.based_on}", "checked": SURE[found.sure]}
    yield Sheet(("", ""), tuple({**facts, "signature": signature}.items()))
    yield Paragraphs(_flag_lines(found), title=f"--preset {found.name} stands for", mark="  ")
    yield Paragraphs(found.traps, title="what to beware of", mark="- ")
    yield Paragraphs(found.sources, title="sources", mark="- ")


def _flag_lines(row: Convention | Preset) -> tuple[str, ...]:
    """The flags as a shell takes them, one a line."""
    typed = [f"{flag} {shlex.quote(text)}" for flag, text in row.flags]
    return (*(f"{line} \\" for line in typed[:-1]), typed[-1])
