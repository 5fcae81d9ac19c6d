"""What every format draws: a page of tables, lists and sentences that knows nothing of any format."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from kldeval.dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from kldeval.records import Failure
    from kldeval.reports.documents import GateOutcome
    from kldeval.reports.strips import Strip


Kind = Literal["number", "metric", "map", "model", "names", "flags", "matrix", "text", "words"]
"""What a column holds.

`number`: numbers, set under each other by their points. `metric`, `map` and `model`: their names. `names`: lists of
names that a user types. `flags`: options, which wrap between words and values. `matrix`: rows of numbers, set already.
`text`: what never wraps. `words`: what wraps between words.
"""


@dataclass(frozen=True, slots=True)
class Options:
    """How tables for people look: table, markdown, latex, html. The formats for programs ignore them.

    `precision` digits stand after the point, more where a metric is small all over. `per_map` adds a row per map,
    `worst` the so many worst maps. `width` is that of a terminal, on which everything fits; None lets the text be as
    wide as its contents. `color` allows terminal styles. `intervals` shows intervals and significant differences of
    several models, `verbose` everything that is known of a comparison or an audit. `signatures` are `full`, or `short`:
    what all have in common is said once; "" is short on a terminal alone. `columns` are other names of metrics, by
    their keys, and `siunitx` sets numbers of LaTeX by that package. `std` shows of several models the standard
    deviation over the maps behind each mean. `strips` are pictures of single maps, for HTML.
    """

    precision: int = 4
    per_map: bool = False
    worst: int = 0
    width: int | None = None
    color: bool = False
    intervals: bool = False
    verbose: bool = False
    signatures: str = ""
    columns: tuple[tuple[str, str], ...] = ()
    siunitx: bool = False
    std: bool = False
    strips: tuple[Strip, ...] = ()


@dataclass(frozen=True, slots=True)
class Cell:
    """A text, and what belongs to it.

    To a number belong the letters `raised` behind it (separated by commas), its `interval`, its `rank`, and whether it
    is the best of its column; to the name of a metric the better direction (`low`, `high` or none) and its unit.
    """

    text: str
    raised: str = ""
    interval: str = ""
    rank: int | None = None
    is_best: bool = False
    better: str = ""
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Head:
    """The head of a column; of a metric with the better direction (`low`, `high` or none) and its unit.

    A terminal leaves out a unit that `unit_is_said` elsewhere on the page. A column `is_headline` whose numbers are
    what the page is about.
    """

    text: str
    kind: Kind = "number"
    better: str = ""
    unit: str = ""
    unit_is_said: bool = False
    is_headline: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of cells under their heads, one for each. The legend explains the cells.

    `caption` is what a paper says of the table; the title, if it is empty. Intervals stand behind their numbers, or
    below them if the table `is_stacked`.
    """

    heads: tuple[Head, ...]
    rows: tuple[tuple[Cell, ...], ...]
    title: str = ""
    legend: str = ""
    caption: str = ""
    is_stacked: bool = False


@dataclass(frozen=True, slots=True)
class Paragraphs:
    """Sentences under a title, each behind its mark; dim where they explain what stands before them."""

    lines: tuple[str, ...]
    title: str = ""
    mark: str = ""
    dim: bool = False


@dataclass(frozen=True, slots=True)
class Missing:
    """A map that has no number: its name, why, at which stage, and of which model, the last two where there is one."""

    name: str
    reason: str
    stage: str = ""
    model: str = ""


def missing_of(failures: Iterable[Failure]) -> tuple[Missing, ...]:
    """The maps of one model that failed."""
    return tuple(Missing(one.name, one.message, one.stage) for one in failures)


@dataclass(frozen=True, slots=True)
class MissingMaps:
    """Maps without a number under a title; a terminal shows the first `limit` of them, unless it is None."""

    title: str
    rows: Sequence[Missing]
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class Gates:
    """What each gate found; of a model, or of the whole page with the model ""."""

    rows: tuple[tuple[str, GateOutcome], ...]


@dataclass(frozen=True, slots=True)
class Notes:
    """What a careful colleague would say of the numbers."""

    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Signatures:
    """What made the numbers: the short forms, a line for each full signature, and that of the statistics, if any.

    A terminal leaves the lines out where they are not `on_terminal`.
    """

    short: tuple[str, ...]
    lines: tuple[str, ...]
    statistics: tuple[str, ...] = ()
    on_terminal: bool = True


Block = Table | Paragraphs | MissingMaps | Gates | Notes | Signatures


@dataclass(frozen=True, slots=True)
class Page:
    """Blocks in the order in which they are read; with an empty line between them unless `is_dense`."""

    blocks: tuple[Block, ...]
    is_dense: bool = False


PAPER_NAMES = {
    "kld": "KLD",
    "kld-reverse": "KLD (reverse)",
    "ce": "CE",
    "jsd": "JSD",
    "cc": "CC",
    "sim": "SIM",
    "emd": "EMD",
    "mse": "MSE",
    "mae": "MAE",
    "nss": "NSS",
    "auc": "AUC",
    "auc-judd": "AUC-J",
    "auc-borji": "AUC-B",
    "auc-shuffled": "sAUC-B",
    "sauc": "sAUC",
    "ll": "LL",
    "ig": "IG",
    "bce": "BCE",
    "nll": "NLL",
    "ece": "ECE",
    "mce": "MCE",
    "ace": "ACE",
    "rmsce": "RMSCE",
    "classwise-ece": "cwECE",
    "rps": "RPS",
    "brier": "Brier",
    "accuracy": "Accuracy",
}
"""What papers call a metric, by its key."""


def for_papers(page: Page, columns: Iterable[tuple[str, str]]) -> Page:
    """The page with metrics called as papers call them, or as `columns` say."""
    names = {**PAPER_NAMES, **dict(columns)}
    return replace(page, blocks=tuple(_renamed(one, names) if isinstance(one, Table) else one for one in page.blocks))


def _renamed(table: Table, names: Mapping[str, str]) -> Table:
    heads = tuple(replace(head, text=names.get(head.text, head.text)) for head in table.heads)
    kinds = [head.kind for head in table.heads]
    rows = tuple(
        tuple(
            replace(cell, text=names.get(cell.text, cell.text)) if kind == "metric" else cell
            for cell, kind in zip(row, kinds, strict=True)
        )
        for row in table.rows
    )
    return replace(table, heads=heads, rows=rows)


def plain_heads(kind: Kind, *names: str) -> tuple[Head, ...]:
    """Heads that are no metrics."""
    return tuple(Head(name, kind) for name in names)


def filled(blocks: Iterable[Block]) -> tuple[Block, ...]:
    """The blocks without the lists and sentences that hold nothing."""
    return tuple(block for block in blocks if not _is_empty(block))


def _is_empty(block: Block) -> bool:
    if isinstance(block, Paragraphs):
        return not (block.lines or block.title)
    if isinstance(block, Notes):
        return not block.lines
    return isinstance(block, MissingMaps | Gates) and not block.rows
