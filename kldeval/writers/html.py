"""A document as one HTML file that opens without a network: tables, charts, pictures of maps, and every map in a table.

The page asks for nothing but itself: its Content-Security-Policy allows pictures that it holds, and the one style and
the one script whose digests it names. Names are text wherever they stand. jinja2 fills the templates, with every value
escaped and an unknown name an error; it is imported here, so that only those who want HTML need it.
"""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kldeval._version import __version__
from kldeval.dataclass import dataclass
from kldeval.packages import load_package
from kldeval.reports.documents import ComparisonReport, Leaderboard, Report
from kldeval.writers import page_of
from kldeval.writers.html_charts import charts_of
from kldeval.writers.html_maps import MapTable, map_table
from kldeval.writers.lines import one_line
from kldeval.writers.numbers import ARROWS, gate_line
from kldeval.writers.page import Gates, MissingMaps, Notes, Paragraphs, Signatures, Table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from kldeval.reports.audit_documents import Audit
    from kldeval.reports.strips import Strip
    from kldeval.writers.charts import Chart
    from kldeval.writers.page import Options, Page

    Document = Report | Leaderboard | ComparisonReport | Audit


TEMPLATES = Path(__file__).parent / "templates"

MOST_BYTES = 20_000_000
"""A page is not larger: browsers become slow, and mail refuses it."""

MOST_ROWS = 50_000
"""So many maps, the worst, stay in a page that is too large without pictures."""

FIRST_ROWS = 500
"""So many rows of a table are in the page itself; the others are shown when they are asked for."""


@dataclass(frozen=True, slots=True)
class _Parts:
    """What may become less where the page is too large."""

    strips: tuple[Strip, ...]
    maps: MapTable | None
    notes: tuple[str, ...] = ()


def write(document: Document, options: Options) -> str:
    """The document as a page of at most 20 MB: where it would be larger, pictures are left out first, then rows.

    Raises:
        MissingDependency: jinja2 is not installed.
    """
    shown = replace(options, per_map=False, worst=0, width=None, intervals=True, verbose=True)
    page, charts = page_of(document, shown), charts_of(document, {one.name: _anchor(one) for one in options.strips})
    parts = _Parts(options.strips, map_table(document, options))
    fixed = {"page": page, "charts": charts, "title": _title(document), "facts": _facts(document)}
    return _bounded(fixed, parts)


def write_page(page: Page, facts: Mapping[str, object], charts: Sequence[Chart] = ()) -> str:
    """A page that is no document of scores as one file: its tables, sentences and notes, and its charts.

    Raises:
        MissingDependency: jinja2 is not installed.
    """
    title = next((block.title for block in page.blocks if isinstance(block, Paragraphs | Table) and block.title), "")
    fixed = {"page": page, "charts": list(charts), "title": title, "facts": list(_lines(facts))}
    return _render(fixed, _Parts((), None))


def _bounded(fixed: Mapping[str, Any], parts: _Parts) -> str:
    """The page with as many pictures and rows as fit."""
    text = _render(fixed, parts)
    size = len(text.encode("utf-8", "backslashreplace"))
    if size <= MOST_BYTES:
        return text
    without = _fewer_strips(parts, size - MOST_BYTES)
    if without is not None:
        return _bounded(fixed, without)
    fewer = _fewer_rows(parts)
    return text if fewer is None else _bounded(fixed, fewer)


def _fewer_strips(parts: _Parts, excess: int) -> _Parts | None:
    """The parts without the last strips that make up the excess; None where there is no strip."""
    if not parts.strips:
        return None
    kept = list(parts.strips)
    while kept and excess > 0:
        excess -= sum(len(panel.picture) * 4 // 3 for panel in kept.pop().panels)
    note = f"pictures of {len(kept)} maps are shown; more would make the page larger than {MOST_BYTES // 10**6} MB"
    return replace(parts, strips=tuple(kept), notes=(note,))


def _fewer_rows(parts: _Parts) -> _Parts | None:
    """The parts with the worst maps alone; None where there is no row to leave out."""
    if parts.maps is None or len(parts.maps.rows) <= 1:
        return None
    n = len(parts.maps.rows)
    keep = MOST_ROWS if n > MOST_ROWS else n // 2
    note = f"the table holds the {keep} worst of {parts.maps.total} maps; all are in the JSON and CSV reports"
    return replace(parts, maps=replace(parts.maps, rows=parts.maps.rows[:keep]), notes=(*parts.notes[:1], note))


def _render(fixed: Mapping[str, Any], parts: _Parts) -> str:
    style, script = _source("page.css"), _source("page.js")
    blocks = fixed["page"].blocks
    notes = [line for block in blocks if isinstance(block, Notes) for line in block.lines]
    text: str = (
        _environment()
        .get_template("page.html")
        .render(
            **fixed,
            tables=[block for block in blocks if isinstance(block, Table | Paragraphs)],
            listings=[block for block in blocks if isinstance(block, MissingMaps)],
            gates=[
                (gate_line(gate, model), gate.fired)
                for block in blocks
                if isinstance(block, Gates)
                for model, gate in block.rows
            ],
            notes=[*notes, *parts.notes],
            signatures=next((block for block in blocks if isinstance(block, Signatures)), Signatures((), ())),
            strips=parts.strips,
            maps=parts.maps,
            data="" if parts.maps is None else _embedded(parts.maps.rest(FIRST_ROWS)),
            first_rows=FIRST_ROWS,
            style=style,
            script=script,
            policy=_policy(style, script),
            version=__version__,
        )
    )
    return text


def _policy(style: str, script: str) -> str:
    """What the page may load: nothing but its own style, its own script, and pictures that it holds."""
    return (
        f"default-src 'none'; img-src data:; style-src '{_digest(style)}'; script-src '{_digest(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )


def _digest(text: str) -> str:
    """The source expression of an inline style or script (https://www.w3.org/TR/CSP3/#grammardef-hash-source)."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _embedded(value: Any) -> str:
    r"""A value as JSON that can stand within a script element: no `<`, so that nothing ends it.

    >>> _embedded(["</script>"])
    '["\\u003c/script>"]'
    """
    return json.dumps(value, allow_nan=False, separators=(",", ":")).replace("<", r"\u003c")


@cache
def _source(name: str) -> str:
    return (TEMPLATES / name).read_text(encoding="utf-8")


@cache
def _environment() -> Any:
    jinja2 = load_package("jinja2", "HTML reports need jinja2", "pip install 'kldeval[html]'")
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "line": one_line,
        "anchor": _anchor,
        "uri": _uri,
        "arrow": lambda better: ARROWS.get(better, ""),
    }
    environment.tests["table"] = lambda block: isinstance(block, Table)
    return environment


def _uri(picture: bytes) -> str:
    return f"data:image/webp;base64,{base64.b64encode(picture).decode()}"


def _anchor(strip: Strip) -> str:
    """The identifier of a strip in the page, which no name can break."""
    return f"strip-{hashlib.sha256(strip.name.encode('utf-8', 'surrogatepass')).hexdigest()[:12]}"


def _title(document: Document) -> str:
    if isinstance(document, Report):
        return f"Report {document.short}"
    if isinstance(document, Leaderboard):
        return f"Leaderboard of {', '.join(document.reports)}"
    if isinstance(document, ComparisonReport):
        return f"Comparison of {', '.join(document.models)}"
    return f"Audit of {', '.join(document.models)}"


def _facts(document: Document) -> list[tuple[str, str]]:
    """Where the numbers come from, a line each."""
    provenance = (
        next(iter(document.reports.values())).provenance if isinstance(document, Leaderboard) else document.provenance
    )
    return list(_lines(provenance))


def _lines(provenance: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    for name, value in provenance.items():
        if name not in ("columns", "short", "inputs"):
            yield name, value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False)
